"""gradient_graph: the gradient of a graph as a graph, by walking it backward with the operators' own rules."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence

import numpy as np

from workbench.graph import Array, Graph, GraphError, Node
from workbench.nn.shapes import unnamed
from workbench.nn.value import Trace, Value
from workbench.op import Call, rule_for
from workbench.semantics.cotangent import cotangent
from workbench.semantics.plan import plan_of


def adopted(graph: Graph, dtype: str | None = None) -> tuple[Trace, dict[str, Value]]:
    """A trace that already holds a graph, and its values by name.

    Parameters
    ----------
    dtype : the float type that inputs and weights are given; None leaves them as they are.
    """
    trace = Trace()
    values: dict[str, Value] = {}

    def kind(found: str) -> str:
        return dtype if dtype is not None and np.dtype(found).kind == "f" else found

    for name, array in graph.weights.items():
        trace.weights[name] = array.astype(kind(str(array.dtype)))
        values[name] = trace.know(name, array.shape, kind(str(array.dtype)), unnamed(array.ndim))
    for node in graph.nodes:
        typed = Node(node.name, node.op, node.inputs, node.attrs, node.shape, kind(node.dtype), node.group)
        values[node.name] = trace.add(typed, unnamed(len(node.shape)))
    return trace, values


def pulled(
    trace: Trace, values: dict[str, Value], graph: Graph, seeds: dict[str, Value], wanted: Sequence[str]
) -> dict[str, Value]:
    """Gradients of ``sum seeds[n] . n`` with respect to the wanted names, as values of the trace."""
    reached = set(wanted)
    for node in graph.nodes:
        if any(o in reached for o in node.inputs):
            reached.add(node.name)
    # what is differentiated by is no constant here, though it may be a weight
    constants = {k: v for k, v in plan_of(graph).constants.items() if k not in reached}
    grads = dict(seeds)
    for node in reversed(graph.nodes):
        if node.name not in grads or node.op == "Input" or node.name not in reached:
            continue
        pieces = through(node, values, grads[node.name], constants, reached)
        for name, piece in zip(node.inputs, pieces, strict=True):
            if piece is not None and name in reached:
                grads[name] = grads[name] + piece if name in grads else piece
    return {name: grads[name] for name in wanted if name in grads}


def through(
    node: Node,
    values: Mapping[str, Value],
    grad: Value,
    constants: Mapping[str, Array],
    reached: Container[str],
) -> Sequence[Value | None]:
    """One node's rule: the cotangents of its operands, of those that are `reached` at least."""
    operands = [values[i] if i else None for i in node.inputs]
    shapes = tuple(None if o is None else o.shape for o in operands)
    away = tuple(i for i, name in enumerate(node.inputs) if name not in reached)
    call = Call(node, shapes, tuple(constants.get(i) for i in node.inputs), {"unwanted": away})
    return rule_for(node, cotangent)(call, operands, values[node.name], grad)


def gradient_graph(
    graph: Graph,
    wrt: Sequence[str] | None = None,
    output: int | None = None,
    *,
    seeded: bool = False,
    dtype: str | None = None,
) -> Graph:
    """The gradient of a graph's first output as a graph of the same inputs.

    Parameters
    ----------
    wrt : names of inputs; all of them where none is given.
    output : which element of the output, counted flat; may be left out where it has one only.
    seeded : True for a further input, ``seed``, of the output's shape: the vector of a vector-Jacobian product.
    dtype : the float type of the result; None keeps the graph's.

    Raises
    ------
    UnsupportedOperator
        An operator whose gradient is numbers only.
    """
    trace, values = adopted(graph, dtype)
    target = values[graph.outputs[0]]
    wanted = list(graph.inputs if wrt is None else wrt)
    for name in wanted:
        if name not in values:
            raise GraphError(f"{graph.name} has no value {name!r} to differentiate by")
    if seeded:
        seed = trace.input("seed", target.shape, target.dtype)
    else:
        if output is None and target.size != 1:
            raise GraphError(
                f"the output has {target.size} elements: say which one, with output=0, for instance"
            )
        unit = np.zeros(target.shape, target.dtype)
        unit.reshape(-1)[output or 0] = 1
        seed = trace.constant(unit, "seed")
    found = pulled(trace, values, graph, {target.name: seed}, wanted)
    outputs = []
    for name in wanted:
        shape, kind = values[name].shape, values[name].dtype
        given = found.get(name)
        outputs.append(trace.constant(np.zeros(shape, kind), "zero") if given is None else given)
    return trace.graph(outputs, f"gradient of {graph.name}")
