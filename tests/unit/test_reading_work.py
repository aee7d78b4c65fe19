"""What is judged while a graph is read: real networks' shapes are accepted, a small file cannot ask for minutes."""

from __future__ import annotations

from time import process_time

import numpy as np
import pytest

import workbench.ops  # noqa: F401  (registers the operators)
from workbench.graph import Graph, GraphError, Node
from workbench.methods.ibp import ibp
from workbench.methods.rounding import rounding
from workbench.op import OPS, RULES, UnsupportedOperator
from workbench.region import box as box_region
from workbench.semantics import ieee, real
from workbench.semantics.interval import Interval, propagate
from workbench.semantics.plan import infer, plan_of


def shape_of(op: str, x: tuple[int, ...], *weights: tuple[int, ...], **attrs: object) -> tuple[int, ...]:
    held = {f"w{i}": np.broadcast_to(np.float32(0.5), s) for i, s in enumerate(weights)}
    nodes = [Node("x", "Input", shape=x), Node("y", op, ("x", *held), attrs)]  # type: ignore[arg-type]
    return infer(nodes, held)[-1].shape


def test_shapes_that_would_broadcast_to_something_huge_but_are_not_broadcast() -> None:
    strides = {"strides": (2, 2)}
    assert shape_of("Conv", (1, 256, 56, 56), (512, 256, 1, 1), **strides) == (1, 512, 28, 28)
    assert shape_of("MatMul", (1, 25088), (25088, 1)) == (1, 1)
    assert shape_of("Gemm", (1, 25088), (25088, 1)) == (1, 1)
    assert shape_of("Gemm", (25088, 1), (1, 8)) == (25088, 8)


@pytest.mark.parametrize("op", ["Add", "Sub", "Mul", "Div", "Max", "Min"])
def test_operands_that_do_spread_to_something_huge_are_refused(op: str) -> None:
    with pytest.raises(GraphError, match=r"'y'.*more than this program accepts"):
        shape_of(op, (1 << 16, 1), (1, 1 << 16))


@pytest.mark.parametrize(
    ("op", "x", "w"),
    [
        ("Pow", (1 << 16, 1), (1, 1 << 16)),
        ("MatMul", (1 << 16, 2), (2, 1 << 16)),
        ("MatMul", (1 << 14, 1, 1, 1), (1, 1 << 15, 1, 1)),
        ("Gemm", (1 << 16, 2), (2, 1 << 16)),
    ],
)
def test_other_results_that_are_too_large_are_refused(
    op: str, x: tuple[int, ...], w: tuple[int, ...]
) -> None:
    with pytest.raises(GraphError, match="more than this program accepts"):
        shape_of(op, x, w)


def test_products_of_large_constants_are_not_computed_to_know_their_shape() -> None:
    n = 8192
    big = np.broadcast_to(np.float32(0.5), (n, n))
    nodes = [
        Node("x", "Input", shape=(1, n)),
        Node("c", "MatMul", ("w", "w")),
        Node("y", "MatMul", ("x", "c")),
    ]
    start = process_time()
    assert infer(nodes, {"w": big})[-1].shape == (1, n)
    assert process_time() - start < 1
    whole = np.broadcast_to(np.int64(3), (n, n))
    with pytest.raises(GraphError, match=r"multiplications, more than is done while a file is read"):
        infer([Node("x", "Input", shape=(1,)), Node("c", "MatMul", ("w", "w"))], {"w": whole})


def test_a_fault_of_ours_is_not_called_the_files(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise AssertionError("ours")

    monkeypatch.setitem(RULES, ("Relu", "real"), broken)
    with pytest.raises(AssertionError, match="ours"):
        shape_of("Relu", (2,))
    with pytest.raises(GraphError, match="an operand is missing"):
        infer([Node("x", "Input", shape=(2,)), Node("y", "Add", ("x", ""))], {})


def test_what_cannot_be_bounded_is_an_unsupported_operator() -> None:
    nodes = [Node(k, "Input", shape=(2, 2), dtype="float64") for k in ("a", "b")]
    plan = plan_of(Graph(infer([*nodes, Node("y", "Gemm", ("a", "b"))], {}), ("y",)))
    end = np.zeros((1, 2, 2))
    with pytest.raises(UnsupportedOperator, match="only a constant right operand"):
        RULES["Gemm", "interval"](plan.by_name["y"].call, Interval(end, end), Interval(end, end))
    assert "Gemm" in OPS


def test_words_that_onnx_does_not_have() -> None:
    with pytest.raises(GraphError, match="auto_pad='SAME' is none of"):
        shape_of("Conv", (1, 1, 4, 4), (1, 1, 2, 2), auto_pad="SAME")
    with pytest.raises(GraphError, match="auto_pad='same_upper' is none of"):
        shape_of("ConvTranspose", (1, 1, 4, 4), (1, 1, 2, 2), auto_pad="same_upper")
    axes = {"a": np.zeros(0, np.int64)}
    nodes = [Node("x", "Input", shape=(1, 3)), Node("y", "Squeeze", ("x", "a"))]
    with pytest.raises(GraphError, match="empty list of axes"):
        infer(nodes, axes)


def test_the_mean_of_integers_is_cut_toward_zero_as_onnxruntime_does() -> None:
    w = {"w": np.array([-3, -4, 0], np.int64)}
    nodes = [Node("x", "Input", shape=(1,)), Node("m", "ReduceMean", ("w",)), Node("y", "Identity", ("x",))]
    plan = plan_of(Graph(infer(nodes, w), ("y", "m"), w))
    assert plan.constants["m"].item() == -2
    assert real.run(plan, {"x": np.zeros((1, 1), np.float32)})["m"].item() == -2


@pytest.mark.parametrize("how", ["Mul", "Pow"])
def test_the_root_of_a_sum_of_squares_has_bounds_where_it_may_be_zero(how: str) -> None:
    w = {"two": np.array(2.0)}
    nodes = [
        Node("x", "Input", shape=(1, 3), dtype="float64"),
        Node("s", how, ("x", "x" if how == "Mul" else "two")),
        Node("t", "ReduceSum", ("s",)),
        Node("u", "Add", ("t", "t")),
        Node("y", "Sqrt", ("u",)),
    ]
    plan = plan_of(Graph(infer(nodes, w), ("y",), w))
    box = {"x": Interval(np.full((1, 1, 3), -1.0), np.full((1, 1, 3), 2.0))}
    found = propagate(plan, box)
    assert (found["t"].lo >= 0).all()
    assert (found["y"].lo >= 0).all()
    assert float(found["y"].hi.max()) == pytest.approx(24.0**0.5)


def test_a_softmax_cut_along_another_axis_is_no_simplex() -> None:
    end = np.full((2, 3, 4), 0.25)
    box = Interval(end, end, simplex=True)
    for key in (0, slice(1), (0,), np.array([1, 0]), np.array([True, False])):
        assert box[key].simplex
    for other in ((0, 1), (..., 0), (slice(None), slice(None), slice(2)), None, ..., end > 0):
        assert not box[other].simplex
    assert not Interval(end[0, 0], end[0, 0], simplex=True)[0:2].simplex


def test_a_cast_rounds_in_a_float_program_and_not_in_the_reals() -> None:

    nodes = [Node("x", "Input", shape=(2,)), Node("y", "Cast", ("x",), {"to": "float16"})]
    plan = plan_of(Graph(infer(nodes, {}), ("y",)))
    x = np.array([[1 + 2.0**-12, 1e5]], np.float32)
    assert np.array_equal(real.run(plan, {"x": x})["y"], x)
    assert ieee.run(plan, {"x": x})["y"].tolist() == [[1.0, np.inf]]
    region = {"x": box_region(np.array([0.0, 0.0]), np.array([2.0, 1e5]))}
    found = rounding(plan, ibp(plan, region), "binary32")["y"]
    assert 2.0**-12 <= found[0, 0] < 2.0**-9
    assert found[0, 1] == np.inf, "it may overflow"
    wider = rounding(plan, ibp(plan, region), "binary16")["y"]
    assert np.isinf(wider[0, 1])
