"""The rule table is complete: every operator has every meaning, and an example that the laws run on."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from laws.numbers import Draw
from laws.strategies import EXAMPLES, FOLDED
from workbench.graph import Graph, Node
from workbench.op import OPS, RULES, Call, Op, UnsupportedOperator, rule_for
from workbench.semantics.affine import affine
from workbench.semantics.gradient import gradient
from workbench.semantics.interval import Interval, interval
from workbench.semantics.plan import infer, plan_of
from workbench.semantics.real import FLOAT, real

NEEDED = (real, interval, affine, gradient)


@pytest.mark.parametrize("op", sorted(OPS))
def test_every_operator_has_an_example_that_the_laws_run_on(op: str) -> None:
    assert op in EXAMPLES, f"{op} has no example generator: add one to tests/laws/strategies.py"


def test_no_example_is_left_from_an_operator_that_is_gone() -> None:
    assert EXAMPLES.keys() <= OPS.keys()


@pytest.mark.parametrize("op", sorted(OPS))
def test_every_operator_has_every_meaning(op: str) -> None:
    needed = (real,) if op in FOLDED else NEEDED
    missing = [m.name for m in needed if (op, m.name) not in RULES]
    assert not missing, f"{op} has no rule for {', '.join(missing)}"


@pytest.mark.parametrize("op", sorted(OPS))
def test_every_operator_says_what_it_computes(op: str) -> None:
    assert OPS[op].formula, f"{op} has no formula"
    assert OPS[op].latex, f"{op} has no LaTeX"


@pytest.mark.parametrize("op", sorted(FOLDED))
@settings(max_examples=20)
@given(st.data())
def test_what_does_not_depend_on_the_input_is_computed_when_the_graph_is_read(
    op: str, data: st.DataObject
) -> None:
    case = EXAMPLES[op](Draw(data))
    node = case.graph.nodes[-1]
    value = case.plan.constants[node.name]
    assert node.name not in case.plan.by_name
    operands = [
        case.graph.weights[i][None] if i in case.graph.weights else np.zeros((1, *case.graph[i].shape))
        for i in node.inputs
    ]
    call = _call(case.graph, node)
    assert np.array_equal(value, RULES[op, "real"](call, FLOAT, *operands)[0])


def _call(graph: Graph, node: Node) -> Call:
    shapes = tuple(graph.weights[i].shape if i in graph.weights else graph[i].shape for i in node.inputs)
    return Call(node, shapes, tuple(graph.weights.get(i) for i in node.inputs))


def test_an_unknown_operator_is_named_with_what_is_supported() -> None:
    with pytest.raises(UnsupportedOperator, match=r"'Frobnicate' of node 'y'.*Supported: Abs, Add"):
        infer([Node("x", "Input", shape=(1,)), Node("y", "Frobnicate", ("x",))], {})


def test_a_missing_meaning_is_named_with_what_there_is() -> None:
    with pytest.raises(UnsupportedOperator, match=r"Equal has no rule for interval.*'y'.*rules for: real"):
        rule_for(Node("y", "Equal"), interval)


def test_nothing_is_registered_twice() -> None:
    with pytest.raises(ValueError, match="registered twice"):
        Op("Relu")
    with pytest.raises(ValueError, match="two rules for interval"):
        OPS["Relu"].rule(interval)(lambda call, x: x)


def test_a_live_exponent_is_refused_by_name() -> None:
    nodes = [Node(k, "Input", shape=(2,), dtype="float64") for k in ("a", "b")]
    graph = Graph(infer([*nodes, Node("y", "Pow", ("a", "b"))], {}), ("y",))
    step = plan_of(graph).by_name["y"]
    with pytest.raises(UnsupportedOperator, match=r"'y'.*exponent must be a constant"):
        rule_for(step.node, interval)(step.call, *[Interval(np.zeros((1, 2)), np.ones((1, 2)))] * 2)
