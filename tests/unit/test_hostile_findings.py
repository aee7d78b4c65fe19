"""What hostile reviews found: each fault once, as small as it gets, so that it cannot come back unseen.

Bounds are compared with rationals, without tolerance.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from workbench import ops
from workbench.cli import text as told
from workbench.graph import Graph, GraphError, Node
from workbench.io.onnx import from_bytes
from workbench.io.vnnlib import parse
from workbench.model import Model
from workbench.network import Network
from workbench.op import UnsupportedOperator
from workbench.passes.identities import drop_identities
from workbench.region import Region, RegionError, ball, box
from workbench.semantics import exact, ieee
from workbench.semantics.interval import Interval
from workbench.semantics.plan import infer, plan_of
from workbench.semantics.real import run
from workbench.views import text, wire

assert ops.FAMILIES
Array = np.ndarray[Any, Any]
METHODS = ("ibp", "crown-ibp", "crown")
TINIEST = 2.0**-1074


def source(*shape: int, dtype: str = "float64") -> Node:
    return Node("x", "Input", shape=shape, dtype=dtype)


def network(nodes: Sequence[Node], weights: Mapping[str, Array] | None = None, *outputs: str) -> Network:
    held = dict(weights or {})
    return Network(Graph(infer(nodes, held), outputs or ("y",), held))


def holds(bounds: Interval, at: tuple[int, ...], value: Any) -> bool:
    """Whether a rational (`fmpq` or Fraction) lies between the bounds, exactly."""
    if not isinstance(value, Fraction):
        value = Fraction(int(value.p), int(value.q))
    lo, hi = float(bounds.lo[at]), float(bounds.hi[at])
    above = lo == -np.inf or (np.isfinite(lo) and Fraction(lo) <= value)
    return bool(above and (hi == np.inf or (np.isfinite(hi) and value <= Fraction(hi))))


def onnx_graph(
    nodes: Sequence[tuple[Any, ...]],
    weights: Mapping[str, Array],
    shape: Sequence[int],
    dtype: int = TensorProto.FLOAT,
    opset: int = 17,
) -> Graph:
    """A file with one input x and one output y, as it is read."""
    made = [helper.make_node(op, list(i), list(o), **attrs) for op, i, o, attrs in nodes]
    described = [helper.make_tensor_value_info("x", dtype, shape)]
    result = [helper.make_tensor_value_info("y", TensorProto.UNDEFINED, None)]
    held = [numpy_helper.from_array(np.asarray(v), k) for k, v in weights.items()]
    graph = helper.make_graph(made, "g", described, result, held)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    assert isinstance(model, onnx.ModelProto)
    return from_bytes(model.SerializeToString())


# ---------------------------------------------------------------------- bounds


def test_debts_stay_with_their_coefficients_through_a_transpose() -> None:
    """A Transpose that keeps the shape passed on |coefficients| in the old order: charges fell on other neurons."""
    rng = np.random.default_rng(0)
    n, k = 3, 4
    nodes = [
        source(k, n),
        Node("a", "MatMul", ("C", "x")),
        Node("t", "Transpose", ("a",), {"perm": (1, 0)}),
        Node("p", "Add", ("t", "b")),
        Node("f", "Reshape", ("p", "s")),
        Node("y", "MatMul", ("f", "w")),
    ]
    for _ in range(40):
        x, c, w = np.zeros((k, n)), np.zeros((n, k)), np.zeros((n * n, 1))
        x[:, 0] = rng.normal(size=k)
        c[1] = rng.normal(size=k) * 2.0**40
        c[1] -= x[:, 0] * (c[1] @ x[:, 0]) / (x[:, 0] @ x[:, 0])
        w[1] = rng.normal()
        w[2] = -w[1] * rng.uniform(0.5, 2)
        c[2] = -c[1] * w[1] / w[2]
        weights = {"C": c, "b": np.full((n, n), 2.0**-60), "w": w, "s": np.array([1, 9])}
        net = network(nodes, weights)
        found = net.bounds("crown", box(x, x))["y"]
        assert holds(found, (0, 0, 0), exact.run(net.plan, {"x": x[None]})["y"][0, 0, 0])


def padded() -> Network:
    """[x0, x1, x0 + x1]: the border's value is computed from the input."""
    nodes = [
        source(1, 2),
        Node("s", "ReduceSum", ("x",), {"keepdims": 0}),
        Node("y", "Pad", ("x", "pads", "s")),
    ]
    return network(nodes, {"pads": np.array([0, 0, 0, 1])})


def test_a_border_computed_from_the_input_is_not_taken_as_zero() -> None:
    """The affine form of Pad dropped a live fill, and CROWN bounded the border by [0, 0]."""
    region = box(np.full((1, 2), 1.0), np.full((1, 2), 2.0))
    found = padded().bounds("ibp", region)["y"]
    assert found.lo[0, 0, 2] <= 2.0 and found.hi[0, 0, 2] >= 4.0
    for method in ("crown-ibp", "crown"):
        with pytest.raises(UnsupportedOperator, match="operand 2 must be a constant"):
            padded().bounds(method, region)


def test_every_sample_has_its_own_border() -> None:
    """The fill of the first sample, or region, was used for all of them."""
    x = np.array([[[1.0, 1.0]], [[5.0, 5.0]]])
    assert run(padded().plan, {"x": x})["y"][:, 0, 2].tolist() == [2.0, 10.0]
    found = padded().bounds("ibp", Region(x, x))["y"]
    assert (found.lo[:, 0, 2] <= [2.0, 10.0]).all() and (found.hi[:, 0, 2] >= [2.0, 10.0]).all()


@pytest.mark.parametrize("count", [3, 5, 6, 7, 10, 12, 20])
def test_partial_sums_that_overflow_prove_nothing_about_a_region(count: int) -> None:
    """inf from the overflow of a partial sum was taken as a lower bound of a sum that is finite."""
    ones = Region(np.ones((1, 2 * count)), np.ones((1, 2 * count)))
    for seed in range(40):
        signs = np.sign(np.random.default_rng(seed).normal(size=2 * count))
        least = float(ones.minimum((signs * 1.7e308)[None, None])[0, 0])
        assert least == -np.inf or Fraction(least) <= Fraction(1.7e308) * int(signs.sum())


def test_the_dual_norm_of_subnormal_coefficients_is_not_rounded_down() -> None:
    """The l_2 norm of (eta, eta) rounded to eta, times a radius of 1e10."""
    for n in (2, 3, 5):
        region = ball(np.zeros(n), 1e10, "2")
        for times in range(1, 8):
            size = times * TINIEST
            least = Fraction(float(region.minimum(np.full((1, 1, n), size))[0, 0]))
            assert least**2 >= n * Fraction(size) ** 2 * 10**20


@pytest.mark.parametrize("scale", [1.3e-162, 2.5e-162, 3e-162, 1e-161, 1e-160])
def test_squares_that_underflow_in_a_layer_normalization(scale: float) -> None:
    """With epsilon 0 a variance of subnormal squares gave bounds that missed the value."""
    x = np.array([[2.0, -1.0, -1.0]]) * scale
    node = Node("y", "LayerNormalization", ("x", "one"), {"epsilon": 0.0})
    net = network([source(1, 3), node], {"one": np.ones(3)})
    true = exact.run(net.plan, {"x": x[None]}, 400)["y"]
    for method in METHODS:
        found = net.bounds(method, box(x, x))["y"]
        for i in range(3):
            lo, hi = float(found.lo[0, 0, i]), float(found.hi[0, 0, i])
            assert lo == -np.inf or exact.rational(lo) <= true[0, 0, i]
            assert hi == np.inf or exact.rational(hi) >= true[0, 0, i]


# ---------------------------------------------------------------------- rounding


def test_a_root_whose_float_operand_may_be_negative_has_no_error_bound() -> None:
    """(x + 1) - 1 of a small x is 0 or less in binary32, where the root has no derivative or no value."""
    nodes = [
        source(1, 1, dtype="float32"),
        Node("a", "Add", ("x", "one")),
        Node("z", "Sub", ("a", "one")),
        Node("y", "Sqrt", ("z",)),
    ]
    net = network(nodes, {"one": np.ones(1, np.float32)})
    found = net.rounding("binary32", box(np.full((1, 1), 1e-9), np.full((1, 1), 1e-3)))
    x = np.array([[[1e-9]]], np.float32)
    computed = float(ieee.run(net.plan, {"x": x})["y"][0, 0, 0])
    apart = abs(float(exact.run(net.plan, {"x": x})["y"][0, 0, 0]) - computed)
    assert apart > 3e-5 and found["y"][0, 0, 0] >= apart
    assert found["y"][0, 0, 0] == np.inf


# ---------------------------------------------------------------------- what was passed in


def test_a_region_does_not_follow_the_arrays_it_was_made_of() -> None:
    lower, upper, center = np.zeros((1, 2)), np.ones((1, 2)), np.full((1, 2), 0.5)
    boxed, cut = Region(lower, upper), Region(lower, upper, center, 0.5, "2")
    lower += 100
    upper += 100
    center += 100
    for region in (boxed, cut):
        assert region.lower.max() == 0 and region.upper.min() == 1
    assert cut.center is not None and (cut.center == 0.5).all()


def test_a_result_is_not_moved_with_the_array_that_was_explored() -> None:
    nodes, weights = [source(1, 2), Node("y", "MatMul", ("x", "w"))], {"w": np.array([[1.0], [2.0]])}
    model = Model(network(nodes, weights).graph)
    for norm in ("inf", "2", "1"):
        x = np.array([[0.25, 0.5]])
        model.explore(x, eps=0.125, norm=norm)  # type: ignore[arg-type]
        x += 40
        assert model.center is not None and model.center.tolist() == [[0.25, 0.5]]
        found = model.bounds("crown")["y"]
        assert holds(found, (0, 0, 0), Fraction(5, 4)) and found.hi.max() < 2


def test_a_graph_does_not_follow_the_arrays_of_its_weights() -> None:
    w = np.array([[1.0], [2.0]])
    graph = network([source(1, 2), Node("y", "MatMul", ("x", "w"))], {"w": w}).graph
    digest = graph.digest
    w += 1
    assert graph.weights["w"].tolist() == [[1.0], [2.0]] and graph.digest == digest
    with pytest.raises(ValueError, match="read-only"):
        graph.weights["w"][0, 0] = 3.0


# ---------------------------------------------------------------------- what is said about regions


@pytest.mark.parametrize("norm", ["inf", "2", "1"])
def test_a_box_that_cuts_the_ball_is_refused(norm: str) -> None:
    """It was said to hold "within 0.5 of the centre" while only a millionth of that had been bounded."""
    c = np.zeros((1, 2))
    with pytest.raises(RegionError, match="the box cuts the ball"):
        Region(c - 1e-6, c + 1e-6, c, 0.5, norm)  # type: ignore[arg-type]
    with pytest.raises(RegionError, match="a ball needs its centre and its radius"):
        Region(c - 1e-6, c + 1e-6, None, 3.0, norm)  # type: ignore[arg-type]


def test_the_clip_is_part_of_what_is_said() -> None:
    nodes = [source(1, 2), Node("y", "MatMul", ("x", "w"))]
    model = Model(network(nodes, {"w": np.eye(2)}).graph, clip=(0.0, 1.0))
    model.explore(np.array([[0.75, 0.5]]), eps=0.5, norm="2")
    model.compute()
    model.wait()
    assert model.region is not None
    assert "and within [0.0, 1.0]" in told.place(model.region)
    assert wire.statement(model.result).endswith("and 0.0 ≤ x ≤ 1.0")


# ---------------------------------------------------------------------- verdicts


def verdict(nodes: Sequence[Node], weights: Mapping[str, Array], dtype: str = "float32") -> dict[str, Any]:
    model = Model(network([source(1, 1, dtype=dtype), *nodes], weights).graph)
    model.explore(np.zeros((1, 1)), eps=1.0)
    model.compute()
    model.wait()
    assert model.result is not None
    return model.result.verdict


LINES = [Node("a", "MatMul", ("x", "w")), Node("y", "Add", ("a", "b"))]


def test_a_counterexample_names_the_output_that_is_largest_there() -> None:
    """Of (0.1, x, 2 x) the second was named, which is the largest nowhere."""
    weights = {"w": np.array([[0, 1, 2]], np.float32), "b": np.array([0.1, 0, 0], np.float32)}
    found = verdict(LINES, weights)
    assert found["state"] == "falsified"
    assert found["text"] == "output 0 is the largest at the centre, but output 2 at a point of the region"


@pytest.mark.parametrize(
    ("first", "last"), [("float16", "float32"), ("float16", "float16"), ("float64", "float64")]
)
def test_only_runs_in_binary32_are_counterexamples(first: str, last: str) -> None:
    """The error bound of binary32 says nothing about samples that were run in another type, even in part."""
    weights = {"w": np.array([[0, 1]], first), "b": np.array([0.1, 0], last)}
    assert verdict(LINES, weights, first)["state"] == "unknown"


# ---------------------------------------------------------------------- files


def test_a_cast_of_computed_numbers_is_refused() -> None:
    """A float16 input cast to float32 was run in float16 throughout, and a verdict given about that."""
    nodes = [
        ("Cast", ["x"], ["c"], {"to": TensorProto.FLOAT}),
        ("Mul", ["c", "c"], ["y"], {}),
    ]
    with pytest.raises(GraphError, match="casts a computed float16 to float32"):
        onnx_graph(nodes, {}, (1, 1), TensorProto.FLOAT16)


@pytest.mark.parametrize("op", ["Mul", "Div", "Sub"])
def test_computed_integers_are_refused(op: str) -> None:
    """They wrap around and truncate, which no bound of a real value knows about."""
    with pytest.raises(GraphError, match="computes int32 from the input"):
        onnx_graph(
            [(op, ["x", "w"], ["y"], {})], {"w": np.array([100000], np.int32)}, (1, 2), TensorProto.INT32
        )


@pytest.mark.parametrize("opset", [7, 9, 13])
def test_a_batch_normalization_in_training_is_refused(opset: int) -> None:
    """Before opset 14 further outputs mean training, with the statistics of the batch."""
    weights = {k: np.ones(2, np.float32) for k in "sbmv"}
    with pytest.raises(GraphError, match="only inference is supported"):
        onnx_graph(
            [("BatchNormalization", ["x", *"sbmv"], ["y", "p", "q", "r", "t"], {})],
            weights,
            (2, 2, 3),
            opset=opset,
        )


@pytest.mark.parametrize(("auto_pad", "first"), [("NOTSET", 1), ("SAME_LOWER", 1), ("SAME_UPPER", 0)])
def test_where_an_odd_output_shape_cuts_a_transposed_convolution(auto_pad: str, first: int) -> None:
    """ONNX cuts the larger part in front, unless auto_pad is SAME_UPPER."""
    x, w = np.arange(6, dtype=np.float32), np.array([1, 10, 100], np.float32)
    attrs = {"output_shape": [7], "auto_pad": auto_pad}
    graph = onnx_graph([("ConvTranspose", ["x", "w"], ["y"], attrs)], {"w": w[None, None]}, (1, 1, 6))
    found = run(plan_of(graph), {"x": x[None, None, None]})["y"].ravel()
    assert found.tolist() == np.convolve(x, w)[first : first + 7].tolist()


@pytest.mark.parametrize(("start", "step", "taken"), [(-9, -1, [0]), (-7, -2, [0]), (-2, -2, [4, 2, 0])])
def test_a_slice_backward_from_before_the_first_element(start: int, step: int, taken: list[float]) -> None:
    """ONNX clamps the start to the first element, where Python's slices take nothing."""
    weights = {"s": np.array([start]), "e": np.array([-(2**62)]), "a": np.array([0]), "t": np.array([step])}
    graph = onnx_graph([("Slice", ["x", "s", "e", "a", "t"], ["y"], {})], weights, (6,))
    x = np.arange(6, dtype=np.float32)[None]
    assert run(plan_of(graph), {"x": x})["y"][0].tolist() == taken


# ---------------------------------------------------------------------- tried by a second review, and right


def test_an_output_may_be_an_input_or_a_constant_beside_others() -> None:
    nodes, weights = [source(1, 2), Node("y", "MatMul", ("x", "w"))], {"w": np.eye(2), "k": np.ones(2)}
    region = ball(np.array([[0.1, 0.2]]), 0.1, "2")
    for method in METHODS:
        found = network(nodes, weights, "y", "x", "k").bounds(method, region)
        assert (found["x"].lo == region.lower).all() and (found["x"].hi == region.upper).all()
        assert (found["k"].lo == 1).all() and (found["k"].hi == 1).all()


def test_a_clip_whose_limits_cross_is_its_upper_limit() -> None:
    nodes = [source(1, 2), Node("y", "Clip", ("x", "low", "high"))]
    net = network(nodes, {"low": np.array(3.0), "high": np.array(1.0)})
    for method in METHODS:
        found = net.bounds(method, box(np.full((1, 2), -5.0), np.full((1, 2), 5.0)))["y"]
        assert (found.lo <= 1).all() and (found.hi >= 1).all()


@pytest.mark.parametrize("norm", ["inf", "2", "1"])
def test_a_batch_mixes_a_point_a_tiny_and_a_huge_region(norm: str) -> None:
    """Each region of a batch as it is alone, gathered several times over and cancelled."""
    nodes = [
        source(1, 3),
        Node("g", "Gather", ("x", "i"), {"axis": 1}),
        Node("r", "LeakyRelu", ("g",), {"alpha": -3.0}),
        Node("y", "MatMul", ("r", "w")),
    ]
    weights = {"i": np.array([0, 0, 2, -1, 1]), "w": np.array([[1e30], [-1e30], [1.0], [1.0], [-2.0]])}
    net = network(nodes, weights)
    centers = np.array([[[1e30, -1.0, 3.0]], [[1e-310, 0.0, -1e-310]], [[0.5, 0.5, 0.5]]])
    for eps in (0.0, 1e-310, 1e30):
        parts = [ball(c, eps, norm) for c in centers]
        lower, upper = (np.concatenate([getattr(p, end) for p in parts]) for end in ("lower", "upper"))
        whole = Region(lower, upper, centers, eps, norm)  # type: ignore[arg-type]
        true = exact.run(net.plan, {"x": centers})["y"]
        for method in METHODS:
            found = net.bounds(method, whole)["y"]
            assert all(holds(found, (i, 0, 0), true[i, 0, 0]) for i in range(3))


def test_decimals_of_a_property_are_rounded_outward_and_alternatives_kept_apart() -> None:
    declared = "".join(f"(declare-const {v} Real)" for v in ("X_0", "Y_0"))
    two = "(assert (or (and (>= X_0 0.1) (<= X_0 0.3)) (and (>= X_0 -1e-400) (<= X_0 1e-400))))"
    found = parse(declared + two + "(assert (<= Y_0 0))").region()
    ends = [
        (Fraction(float(a)), Fraction(float(b)))
        for a, b in zip(found.lower.flat, found.upper.flat, strict=True)
    ]
    assert ends[0][0] <= Fraction("0.1") and ends[0][1] >= Fraction("0.3")
    assert ends[1] == (-Fraction(TINIEST), Fraction(TINIEST))


def test_what_is_printed_of_an_interval_contains_it() -> None:
    rng = np.random.default_rng(0)
    for _ in range(500):
        low = float(rng.normal() * 10.0 ** rng.uniform(-320, 300))
        high = float(low + abs(rng.normal()) * 10.0 ** rng.uniform(-320, 300))
        ends = text.interval(low, high)[1:-1].replace(text.MINUS, "-").split(", ")
        assert Fraction(Decimal(ends[0])) <= Fraction(low) and Fraction(Decimal(ends[1])) >= Fraction(high)
        assert Decimal(told.down(low)) <= Decimal(low) and Decimal(told.up(high)) >= Decimal(high)


def rounded(net: Network, x: Array, form: str) -> float:
    """The rounding bound of a network at one point."""
    return float(net.rounding(form, region=box(x, x))["y"].reshape(-1)[0])


@pytest.mark.parametrize(("alpha", "beta"), [(-1.0, 1.0), (1.0, -1.0), (-1.0, -1.0)])
def test_a_sign_of_gemm_does_not_let_its_leaves_cancel(alpha: float, beta: float) -> None:
    x, w, b = (np.float32([[v]]) for v in (1.4649922847747803, 1.0661039352416992, -3.956496238708496))
    b = b * np.float32(-1) if alpha * beta > 0 else b
    node = Node("y", "Gemm", ("x", "w", "b"), {"alpha": alpha, "beta": beta})
    net = network([source(1, 1, dtype="float32"), node], {"w": w, "b": b[0]})
    true = Fraction(alpha) * Fraction(float(x[0, 0])) * Fraction(float(w[0, 0])) + Fraction(beta) * Fraction(
        float(b[0, 0])
    )
    worst = max(
        abs(Fraction(float(np.float32(alpha) * (x @ w)[0, 0] + np.float32(beta) * b[0, 0])) - true),
        abs(Fraction(float(net.run(x)[0, 0])) - true),
    )
    assert Fraction(rounded(net, x.astype(float), "binary32")) >= worst > 0


def test_a_computed_operand_of_gemm_is_not_what_storing_the_weights_adds() -> None:
    q = 2.0**-10
    w = np.float32([[1 + 0.6 * q]])
    beta = float(np.float32(-0.4 * q))
    net = network(
        [source(1, 1, dtype="float32"), Node("y", "Gemm", ("x", "w", "x"), {"beta": beta})], {"w": w}
    )
    x = np.ones((1, 1))
    run_in_halves = ieee.run(net.plan, {"x": x[None]}, "binary16")["y"]
    error = abs(Fraction(float(run_in_halves.reshape(-1)[0])) - Fraction(float(w[0, 0])) - Fraction(beta))
    assert Fraction(rounded(net, x, "binary16")) >= error > 0


@pytest.mark.parametrize("op", ["LayerNormalization", "BatchNormalization"])
def test_a_negative_epsilon_is_refused(op: str) -> None:
    weights = {k: np.ones(2) for k in ("scale", "shift", "mean", "var")}
    names = ("scale", "shift") if op[0] == "L" else ("scale", "shift", "mean", "var")
    with pytest.raises(GraphError, match="epsilon"):
        infer([source(1, 2), Node("y", op, ("x", *names), {"epsilon": -0.125})], weights)


def test_what_looks_like_an_identity_on_its_own_numbers_is_not_one() -> None:
    chosen = {"c": np.array([[False, True, True]]), "one": np.array(1.0)}
    graph = network([source(1, 3), Node("w", "Where", ("c", "x", "one")), Node("y", "Relu", ("w",))], chosen)
    x = np.array([[-5.0, 7.0, 8.0]])
    kept = Network(drop_identities(graph.graph))
    assert kept.run(x).tolist() == graph.run(x).tolist() == [[1.0, 7.0, 8.0]]


def test_weights_do_not_follow_the_caller_through_a_read_only_view() -> None:
    b = np.ones(1)
    net = network([source(1, 2), Node("y", "Add", ("x", "w"))], {"w": np.broadcast_to(b, (1, 2))})
    b += 10
    assert net.run(np.zeros((1, 2))).tolist() == [[1.0, 1.0]]


@pytest.mark.parametrize(
    "wrong",
    [{"norm": np.inf}, {"norm": 2}, {"norm": "l2"}, {"eps": -1.0}, {"eps": np.nan}, {"center": np.nan}],
)
def test_a_ball_that_is_none_is_refused(wrong: dict[str, Any]) -> None:
    given = {"center": 0.0, "eps": 1.0, "norm": "2"} | wrong
    with pytest.raises(RegionError):
        Region(
            -np.ones((1, 2)), np.ones((1, 2)), np.full((1, 2), given["center"]), given["eps"], given["norm"]
        )
