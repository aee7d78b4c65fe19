"""Networks of several inputs: held at a value or joined to one vector, they have regions, bounds and verdicts."""

from __future__ import annotations

import numpy as np
import pytest

import workbench as wb
from workbench.graph import Graph, GraphError, Node
from workbench.model import Model
from workbench.semantics.plan import infer

R = np.random.default_rng(3)
A = R.normal(size=(4, 3)).astype(np.float32)
B = R.normal(size=(6, 3)).astype(np.float32)


def two(mask: str = "float32") -> Graph:
    """relu(a A + b B) * mask, b an image of 2 by 3."""
    nodes = [
        Node("a", "Input", shape=(1, 4)),
        Node("b", "Input", shape=(2, 3)),
        Node("mask", "Input", shape=(3,), dtype=mask),
        Node("flat", "Reshape", ("b", "shape")),
        Node("left", "MatMul", ("a", "A")),
        Node("right", "MatMul", ("flat", "B")),
        Node("sum", "Add", ("left", "right")),
        Node("on", "Relu", ("sum",)),
        Node("y", "Mul", ("on", "mask")),
    ]
    weights = {"A": A, "B": B, "shape": np.array([1, 6])}
    return Graph(infer(nodes, weights), ("y",), weights, "two")


def test_joined_inputs_compute_the_same_and_are_bounded() -> None:
    model = Model(two())
    a, b = R.normal(size=(1, 4)).astype(np.float32), R.normal(size=(2, 3)).astype(np.float32)
    mask = np.array([1, 0, 2], np.float32)
    expected = model.run({"a": a, "b": b, "mask": mask})
    one = model.one_input()
    x = np.concatenate([a.ravel(), b.ravel(), mask])
    np.testing.assert_array_equal(one.run(x), expected)
    np.testing.assert_array_equal(one.values(x)["b"], b)

    held = model.one_input({"mask": mask})
    assert held.input_shape == (10,)
    np.testing.assert_array_equal(held.run(x[:10]), expected)
    held.explore(x[:10], eps=0.1)
    for method in ("ibp", "crown"):
        found = held.bounds(method)["y"]
        for _ in range(50):
            value = held.run((x[:10] + R.uniform(-0.1, 0.1, 10)).astype(np.float32))
            assert (found.lower[0] - 1e-6 <= value).all()
            assert (value <= found.upper[0] + 1e-6).all()
    assert held.verify(wb.output_range(-100, 100)).status == "verified"


def test_what_cannot_be_joined_says_why() -> None:
    model = Model(two("int64"))
    with pytest.raises(GraphError, match="one_input"):
        model.explore(np.zeros(4))
    with pytest.raises(GraphError, match="'mask' holds int64"):
        model.one_input()
    with pytest.raises(GraphError, match="no input"):
        model.one_input({"m": 1})
    with pytest.raises(GraphError, match=r"has shape \[3\], not \[2\]"):
        model.one_input({"mask": [1, 2]})
    with pytest.raises(GraphError, match="would be changed"):
        model.one_input({"mask": [0.5, 1, 1]})
    with pytest.raises(GraphError, match="nothing is left"):
        model.one_input({"a": np.zeros(4), "b": np.zeros(6), "mask": [1, 1, 1]})
    with pytest.raises(GraphError, match="several types"):
        Model(two("float64")).one_input()


def test_a_value_of_another_shape_is_not_turned_round() -> None:
    with pytest.raises(GraphError, match=r"has shape \[2, 3\], not \[3, 2\]"):
        Model(two()).one_input({"b": np.zeros((3, 2))})
    assert Model(two()).one_input({"b": np.zeros((1, 2, 3))}).input_shape == (7,)
