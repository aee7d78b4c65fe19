"""Graph: what it refuses, and how it shows itself."""

from __future__ import annotations

import json

import numpy as np
import pytest

import workbench.ops  # noqa: F401
from tests.networks import relu_network
from workbench.graph import Graph, GraphError, Node
from workbench.op import UnsupportedOperator
from workbench.semantics.plan import infer

X = Node("x", "Input", (), {}, (1, 3))


def test_a_name_produced_twice_is_refused() -> None:
    with pytest.raises(GraphError, match="'y' is produced twice"):
        Graph((X, Node("y", "Relu", ("x",)), Node("y", "Relu", ("x",))), ("y",))


def test_a_missing_operand_is_named() -> None:
    with pytest.raises(GraphError, match=r"node 'y' \(Relu\) needs 'z', which is nowhere"):
        Graph((X, Node("y", "Relu", ("z",))), ("y",))


def test_a_cycle_is_refused() -> None:
    with pytest.raises(GraphError, match="later or in a cycle"):
        Graph((X, Node("a", "Relu", ("b",)), Node("b", "Relu", ("a",))), ("b",))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_weight_that_is_not_finite_is_refused(bad: float) -> None:
    with pytest.raises(GraphError, match=r"weight 'w' holds .* at index \[1\]"):
        Graph((X,), ("x",), {"w": np.array([1.0, bad], np.float32)})


def test_weights_cannot_be_changed() -> None:
    graph = relu_network(np.random.default_rng(0), (2, 2))
    with pytest.raises(ValueError, match="read-only"):
        graph.weights["w0"][0, 0] = 1


def test_wrong_shapes_name_the_node() -> None:
    with pytest.raises(GraphError, match=r"node 'y' \(MatMul\) cannot be computed"):
        infer([X, Node("y", "MatMul", ("x", "w"))], {"w": np.zeros((4, 2), np.float32)})


def test_an_unknown_operator_is_named_with_what_is_supported() -> None:
    with pytest.raises(UnsupportedOperator, match=r"'Frobnicate' of node 'y'.*Supported: .*Relu"):
        infer([X, Node("y", "Frobnicate", ("x",))], {})


def test_canonical_json_is_equal_for_equal_graphs_and_has_no_weights() -> None:
    one, two = (relu_network(np.random.default_rng(0), (3, 4, 2)) for _ in range(2))
    assert one.to_json() == two.to_json()
    assert one.digest == two.digest
    data = json.loads(one.to_json())
    assert data["weights"]["w0"] == {"shape": [3, 4], "dtype": "float32"}
    other = relu_network(np.random.default_rng(1), (3, 4, 2))
    assert other.to_json() == one.to_json() and other.digest != one.digest


def test_text_dot_and_networkx() -> None:
    graph = relu_network(np.random.default_rng(0), (3, 4, 2))
    assert "r0 : float32[1,4] = Relu(z0)" in graph.to_text()
    assert "z1 : float32[1,2] = Add(m1, b1)  -> output" in graph.to_text()
    assert graph.to_networkx().edges["z0", "r0"]["position"] == 0
    assert '"z0" -> "r0";' in graph.to_dot()


def test_dot_quotes_hostile_names() -> None:
    name = 'a"];evil[label="<script>'
    graph = Graph((Node(name, "Input", (), {}, (1,)),), (name,))
    assert '\\"];evil' in graph.to_dot()


def test_a_missing_node_suggests_names() -> None:
    graph = relu_network(np.random.default_rng(0), (3, 4, 2))
    with pytest.raises(GraphError, match="names that contain it: r0"):
        graph["R"]


def test_a_view_made_before_the_weights_were_frozen_changes_nothing() -> None:
    w = np.ones((1, 2), np.float32)
    view = w[:]
    w.flags.writeable = False
    graph = Graph((Node("x", "Input", shape=(2,)),), ("x",), {"w": w})
    view[:] = 100
    assert graph.weights["w"].tolist() == [[1.0, 1.0]]
