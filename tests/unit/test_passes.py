"""Simplifications: what goes, what stays, and that the network still computes the same."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from workbench import ops
from workbench.graph import Graph, Node
from workbench.io import onnx as reader
from workbench.passes import (
    drop_identities,
    fold_batchnorm,
    fold_constants,
    remove_shape_arithmetic,
    simplify,
)
from workbench.semantics.plan import infer, plan_of
from workbench.semantics.real import run

assert ops.FAMILIES
BENCH = Path(__file__).resolve().parents[3] / "shared" / "bench"
ABSENT = pytest.param(
    None, marks=pytest.mark.skip("the reference networks (../shared/bench) are not on this machine")
)
NAMES = ("quadrotor2d_output", "quadrotor2d_state", "pgd_2_3_16", "Convnet_avgpool", "resnet_2b")
NETWORKS = [p for p in sorted(BENCH.glob("**/*.onnx")) if p.stem in NAMES]
R = np.random.default_rng(0)
Array = np.ndarray[Any, Any]


def graph(nodes: list[Node], weights: dict[str, Array], outputs: tuple[str, ...] = ("y",)) -> Graph:
    return Graph(infer(nodes, weights), outputs, weights)


def image(*shape: int) -> Node:
    return Node("x", "Input", shape=shape)


def floats(*shape: int) -> Array:
    return R.normal(size=shape).astype(np.float32)


def ints(*values: int) -> Array:
    return np.array(values, np.int64)


def values(g: Graph, dtype: Any = None) -> Array:
    x = np.random.default_rng(7).normal(size=(4, *g["x"].shape)).astype(np.float32)
    return run(plan_of(g), {"x": x}, dtype)[g.outputs[0]]


def kinds(g: Graph) -> list[str]:
    return [n.op for n in g]


SHAPES = [
    image(1, 2, 3),
    Node("s", "Shape", ("x",)),
    Node("n", "Gather", ("s", "zero")),
    Node("u", "Unsqueeze", ("n", "axis")),
    Node("t", "Concat", ("u", "minus"), {"axis": 0}),
    Node("r", "Reshape", ("x", "t")),
    Node("y", "Relu", ("r",)),
]


def test_shape_arithmetic_becomes_a_weight() -> None:
    before = graph(SHAPES, {"zero": np.array(0), "axis": ints(0), "minus": ints(-1)})
    after = remove_shape_arithmetic(before)
    assert kinds(after) == ["Input", "Reshape", "Relu"]
    assert after.weights["t"].tolist() == [1, -1]
    assert set(after.weights) == {"t"}
    assert np.array_equal(values(before), values(after))
    assert remove_shape_arithmetic(after).to_json() == after.to_json()


def test_weights_that_are_only_moved_are_shape_arithmetic_but_sums_are_not() -> None:
    w = floats(2, 3)
    nodes = [
        image(1, 2),
        Node("t", "Transpose", ("w",)),
        Node("d", "Add", ("w", "w")),
        Node("e", "Transpose", ("t",)),
        Node("f", "Add", ("d", "e")),
        Node("y", "MatMul", ("x", "f")),
    ]
    before = graph(nodes, {"w": w})
    exact = remove_shape_arithmetic(before)
    assert kinds(exact) == ["Input", "Add", "Add", "MatMul"]
    folded = fold_constants(before)
    assert kinds(folded) == ["Input", "MatMul"] or kinds(folded) == [
        "Input",
        "Transpose",
        "Transpose",
        "MatMul",
    ]
    assert folded.weights["f"].dtype == np.float32
    assert np.array_equal(folded.weights["f"], (w + w) + w)
    assert np.array_equal(values(before), values(folded))
    assert kinds(simplify(before)) == ["Input", "MatMul"]


def test_a_constant_that_is_not_finite_is_left_to_be_computed() -> None:
    nodes = [image(1, 2), Node("i", "Exp", ("w",)), Node("m", "Min", ("x", "i")), Node("y", "Relu", ("m",))]
    before = graph(nodes, {"w": np.array([1e4, 1e4], np.float32)})
    assert kinds(fold_constants(before)) == ["Input", "Exp", "Min", "Relu"]


def test_a_constant_output_stays_an_output() -> None:
    before = graph(
        [image(1, 2), Node("c", "Neg", ("w",)), Node("y", "Relu", ("x",))], {"w": floats(3)}, ("y", "c")
    )
    after = fold_constants(before)
    assert after.outputs == ("y", "c")
    found = run(plan_of(after), {"x": np.zeros((1, 1, 2), np.float32)})
    assert np.array_equal(found["c"][0], -before.weights["w"])


IDENTITIES = [
    Node("h", "Identity", ("x",)),
    Node("h", "Dropout", ("x",)),
    Node("h", "Cast", ("x",), {"to": "float32"}),
    Node("h", "Reshape", ("x", "same")),
    Node("h", "Flatten", ("x",), {"axis": 1}),
    Node("h", "Transpose", ("x",), {"perm": (0, 1)}),
    Node("h", "Pad", ("x", "zeros")),
    Node("h", "Slice", ("x", "from", "to")),
    Node("h", "Expand", ("x", "ones")),
    Node("h", "Concat", ("x",), {"axis": 0}),
    Node("h", "Gather", ("x", "order"), {"axis": 1}),
]
OPERANDS = {
    "same": ints(1, -1),
    "zeros": ints(0, 0, 0, 0),
    "from": ints(0),
    "to": ints(1 << 40),
    "ones": ints(1, 1),
    "order": ints(0, 1, 2),
}


@pytest.mark.parametrize("node", IDENTITIES, ids=lambda n: n.op)
def test_what_changes_nothing_goes(node: Node) -> None:
    weights = {k: v for k, v in OPERANDS.items() if k in node.inputs}
    before = graph([image(1, 3), node, Node("y", "Add", ("h", "h"))], weights)
    after = drop_identities(before)
    assert kinds(after) == ["Input", "Add"]
    assert after["y"].inputs == ("x", "x")
    assert not after.weights
    assert np.array_equal(values(before), values(after))


CHANGES = [
    Node("h", "Transpose", ("x",), {"perm": (1, 0)}),
    Node("h", "Slice", ("x", "last", "first", "axis", "back")),
    Node("h", "Gather", ("x", "order"), {"axis": 1}),
    Node("h", "Pad", ("x", "shift")),
    Node("h", "Pad", ("x", "shift"), {"mode": "wrap"}),
]


@pytest.mark.parametrize("node", CHANGES, ids=lambda n: f"{n.op}{dict(n.attrs)}")
def test_what_keeps_the_shape_but_changes_the_order_stays(node: Node) -> None:
    operands = {
        "last": ints(-1),
        "first": ints(-100),
        "axis": ints(1),
        "back": ints(-1),
        "order": ints(0, 2, 1),
        "shift": ints(0, 1, 0, -1),
    }
    weights = {k: v for k, v in operands.items() if k in node.inputs}
    before = graph([image(3, 3), node, Node("y", "Relu", ("h",))], weights)
    assert drop_identities(before).to_json() == before.to_json()


def test_an_output_keeps_its_name() -> None:
    before = graph([image(1, 3), Node("h", "Identity", ("x",)), Node("y", "Identity", ("h",))], {})
    after = drop_identities(before)
    assert [(n.name, n.inputs) for n in after] == [("x", ()), ("y", ("x",))]


def norm(channels: int) -> dict[str, Array]:
    return {
        "g": floats(channels),
        "b": floats(channels),
        "m": floats(channels),
        "v": np.abs(floats(channels)) + np.float32(0.1),
    }


BEFORE = [
    (image(1, 4, 5), Node("h", "Conv", ("x", "w", "c"), {"group": 2}), (6, 2, 3), 6),
    (image(1, 4, 5), Node("h", "Conv", ("x", "w")), (3, 4, 2), 3),
    (
        image(1, 4, 5),
        Node("h", "ConvTranspose", ("x", "w", "c"), {"group": 2, "strides": (2,)}),
        (4, 3, 2),
        6,
    ),
    (image(2, 4), Node("h", "Gemm", ("x", "w", "c"), {"transB": 1, "alpha": 0.5, "beta": 2.0}), (3, 4), 3),
    (image(2, 4), Node("h", "Gemm", ("x", "w")), (4, 3), 3),
]


@pytest.mark.parametrize(("x", "node", "shape", "channels"), BEFORE, ids=lambda v: getattr(v, "op", None))
def test_batchnorm_goes_into_what_is_before_it(
    x: Node, node: Node, shape: tuple[int, ...], channels: int
) -> None:
    weights = (
        norm(channels) | {"w": floats(*shape)} | ({"c": floats(channels)} if len(node.inputs) == 3 else {})
    )
    before = graph(
        [x, node, Node("y", "BatchNormalization", ("h", "g", "b", "m", "v"), {"epsilon": 1e-5})], weights
    )
    after = fold_batchnorm(before)
    assert kinds(after) == ["Input", node.op]
    assert set(after.weights) == {"y.weight", "y.bias"}
    assert all(w.dtype == np.float32 for w in after.weights.values())
    assert np.allclose(values(before, np.float64), values(after, np.float64), rtol=1e-5, atol=1e-5)


def test_batchnorm_stays_where_the_product_is_used_elsewhere() -> None:
    x, conv, shape, channels = BEFORE[1]
    fold = Node("n", "BatchNormalization", ("h", "g", "b", "m", "v"))
    weights = norm(channels) | {"w": floats(*shape)}
    used = graph([x, conv, fold, Node("y", "Add", ("n", "h"))], weights)
    assert fold_batchnorm(used).to_json() == used.to_json()
    shown = graph([x, conv, fold], weights, ("n", "h"))
    assert fold_batchnorm(shown).to_json() == shown.to_json()
    alone = graph([image(1, 3, 2), Node("y", "BatchNormalization", ("x", "g", "b", "m", "v"))], norm(3))
    assert fold_batchnorm(alone).to_json() == alone.to_json()


def test_two_normalisations_take_two_runs() -> None:
    x, conv, shape, channels = BEFORE[1]
    nodes = [
        x,
        conv,
        Node("n", "BatchNormalization", ("h", "g", "b", "m", "v")),
        Node("y", "BatchNormalization", ("n", "g", "b", "m", "v")),
    ]
    before = graph(nodes, norm(channels) | {"w": floats(*shape)})
    once = fold_batchnorm(before)
    assert kinds(once) == ["Input", "Conv", "BatchNormalization"]
    twice = fold_batchnorm(once)
    assert kinds(twice) == ["Input", "Conv"]
    assert np.allclose(values(before, np.float64), values(twice, np.float64), rtol=1e-4, atol=1e-4)


@pytest.mark.bench
@pytest.mark.parametrize("path", NETWORKS or [ABSENT], ids=lambda p: getattr(p, "stem", "absent"))
def test_reference_networks_stay_the_same(path: Path) -> None:
    before = reader.load(path)
    after = simplify(before)
    (name,) = before.inputs
    x = np.random.default_rng(1).uniform(0, 1, (5, *before[name].shape)).astype(np.float32)
    want = run(plan_of(before), {name: x})[before.outputs[0]]
    got = run(plan_of(after), {name: x})[after.outputs[0]]
    np.testing.assert_allclose(got, want, rtol=1e-6, atol=1e-6 * np.abs(want).max())
    gone = Counter(kinds(before)) - Counter(kinds(after))
    assert not {"Shape", "ConstantOfShape"} & set(kinds(after))
    assert gone or path.stem == "resnet_2b"
