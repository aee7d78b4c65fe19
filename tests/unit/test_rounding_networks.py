"""Rounding bounds of whole networks: real float runs lie within them, they are tight, they say what they rest on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

import workbench.ops  # noqa: F401  (registers the operators)
from networks import relu_network
from workbench.floats.execute import ORDERS
from workbench.floats.format import BINARY32, FORMATS, fixed_point
from workbench.floats.program import PROGRAMS, Semantics
from workbench.floats.rounding import round_to
from workbench.graph import Graph, Node
from workbench.methods.crown import crown
from workbench.methods.ibp import ibp
from workbench.methods.rounding import RoundingBounds, observe_errors, rounding
from workbench.region import Region, ball, box
from workbench.semantics import exact, ieee
from workbench.semantics.exact import rational
from workbench.semantics.plan import Plan, infer, plan_of


def network(nodes: Sequence[Node], weights: dict[str, np.ndarray], output: str) -> Plan:
    return plan_of(Graph(infer(nodes, weights), (output,), weights))


def region_of(plan: Plan, region: Region) -> dict[str, Region]:
    name = plan.graph.inputs[0]
    return {name: region.reshape(plan.graph[name].shape)}


def check_exactly(plan: Plan, found: RoundingBounds, points: np.ndarray) -> None:
    """Runs in every order against rationals: not one value outside."""
    name = plan.graph.inputs[0]
    truth = exact.run(plan, {name: points})
    for order in ORDERS:
        values = ieee.run(plan, {name: points}, found.program, order, 1)
        for key, bound in found.items():
            real_value, most = np.broadcast_arrays(truth[key], bound)
            for at in np.ndindex(real_value.shape):
                if np.isfinite(most[at]):
                    error = abs(real_value[at] - rational(float(values[key][at])))
                    assert error <= rational(float(most[at])), (order, key, at, float(error), most[at])


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("eps", [0.0, 0.05])
def test_small_networks_against_rationals(program: str, eps: float) -> None:
    rng = np.random.default_rng(3)
    plan = plan_of(relu_network(rng, (9, 8, 7, 3), scale=0.5, products=program != "binary16"))
    regions = region_of(plan, ball(rng.normal(size=9), eps))
    points = regions["x"].sample(3)
    for before in (ibp(plan, regions), crown(plan, regions, neurons="all")):
        for correlate in ("needed", "all", "none"):
            found = rounding(plan, before, program, correlate=correlate)
            assert not found.overflow
            check_exactly(plan, found, points)


def test_several_regions_at_once_are_the_same_as_one_after_another() -> None:
    rng = np.random.default_rng(4)
    plan = plan_of(relu_network(rng, (6, 9, 9, 2), scale=0.6))
    centres = rng.normal(size=(3, 1, 6))
    lower, upper = centres - 0.1, centres + np.array([0.0, 0.1, 0.3])[:, None, None]
    together = rounding(plan, ibp(plan, {"x": Region(lower, upper)}), "bfloat16")
    for k in range(3):
        alone = rounding(plan, ibp(plan, {"x": Region(lower[k : k + 1], upper[k : k + 1])}), "bfloat16")
        for name in alone:
            both = np.broadcast_to(together[name], (3, *alone[name].shape[1:]))
            assert np.allclose(both[k], alone[name][0], rtol=1e-6, atol=0), name


def test_a_dead_neuron_has_no_error_and_no_part_in_later_ones() -> None:
    w = np.array([[1.0, -1.0]], np.float32)
    nodes = [
        Node("x", "Input", shape=(1, 1)),
        Node("h", "Gemm", ("x", "w", "b")),
        Node("r", "Relu", ("h",)),
        Node("y", "Gemm", ("r", "v")),
    ]
    weights = {"w": w, "b": np.array([0.1, -5.0], np.float32), "v": np.array([[0.3], [0.7]], np.float32)}
    plan = network(nodes, weights, "y")
    found = rounding(plan, ibp(plan, region_of(plan, box(np.full(1, 1.0), np.full(1, 2.0)))), "binary32")
    assert found["r"][0, 0, 1] == 0
    assert found.ranges["r"].hi[0, 0, 1] == 0
    assert found["r"][0, 0, 0] > 0
    # one product is left: no addition in the last layer, so u ufp(0.3 2.1) and what arrives
    arriving = 0.3 * float(found["r"][0, 0, 0])
    assert float(found["y"][0, 0, 0]) == pytest.approx(arriving + 2.0**-24 * 0.5, rel=1e-4)


def test_errors_cancel_where_they_meet_again() -> None:
    """y = h - h: the forward form adds the error of h twice, the rows see that it is nothing."""
    nodes = [
        Node("x", "Input", shape=(1, 3)),
        Node("h", "MatMul", ("x", "w")),
        Node("g", "Add", ("h", "b")),
        Node("y", "Sub", ("g", "h")),
    ]
    rng = np.random.default_rng(0)
    weights = {"w": rng.normal(size=(3, 4)).astype(np.float32), "b": np.full(4, 0.25, np.float32)}
    plan = network(nodes, weights, "y")
    before = ibp(plan, region_of(plan, ball(rng.normal(size=3), 0.0)))
    rows, forward = rounding(plan, before, "binary32"), rounding(plan, before, "binary32", correlate="none")
    own = rows.local["g"] + rows.local["y"]
    assert (rows["y"] <= own * (1 + 1e-9)).all()
    assert (forward["y"] > own).all()


@pytest.mark.parametrize(("program", "size"), [("binary16", 1e3), ("binary32", 1e25)])
def test_overflow_is_said_where_it_is_and_nothing_after_it_is_claimed(program: str, size: float) -> None:
    nodes = [
        Node("x", "Input", shape=(1, 2)),
        Node("h", "MatMul", ("x", "w")),
        Node("r", "Relu", ("h",)),
        Node("y", "MatMul", ("r", "v")),
        Node("z", "MatMul", ("x", "v")),
    ]
    big = np.array([[size, 1.0], [size, 1.0]], np.float64)
    plan = plan_of(Graph(infer(nodes, w := {"w": big, "v": np.eye(2)}), ("y", "z"), w))
    found = rounding(plan, ibp(plan, region_of(plan, box(np.full(2, 0.0), np.full(2, size)))), program)
    assert found.overflow == ("h",)
    assert found["h"][0, 0].tolist() == [np.inf, found["h"][0, 0, 1]]
    assert np.isfinite(found["h"][0, 0, 1])
    assert np.isinf(found["y"]).all(), "0 times infinity is NaN: the second neuron depends on the first"
    assert np.isfinite(found["z"]).all()
    assert found.attribution(0) == []


def test_a_weight_too_large_for_the_format_and_an_input_too_large() -> None:
    nodes = [Node("x", "Input", shape=(1, 1)), Node("y", "MatMul", ("x", "w"))]
    plan = network(nodes, {"w": np.array([[1e6]], np.float32)}, "y")
    found = rounding(plan, ibp(plan, region_of(plan, box(np.zeros(1), np.ones(1)))), "binary16")
    assert found.overflow == ("y",)
    plan = network(nodes, {"w": np.array([[1e-3]], np.float32)}, "y")
    found = rounding(plan, ibp(plan, region_of(plan, box(np.zeros(1), np.full(1, 1e6)))), "binary16")
    assert found.overflow == ("x",)
    assert np.isinf(found["y"]).all()


def test_division_by_what_may_be_zero_has_no_bound() -> None:
    nodes = [Node("x", "Input", shape=(1, 2)), Node("y", "Reciprocal", ("x",)), Node("z", "Sqrt", ("x",))]
    plan = plan_of(Graph(infer(nodes, {}), ("y", "z")))
    found = rounding(
        plan, ibp(plan, region_of(plan, box(np.array([-1.0, 1.0]), np.array([1.0, 2.0])))), "binary32"
    )
    assert np.isinf(found["y"][0, 0, 0])
    assert np.isinf(found["z"][0, 0, 0])
    assert (found["y"][0, 0, 1], found["z"][0, 0, 1]) < (1e-6, 1e-6)


def test_rounded_and_exact_inputs() -> None:
    """An input that is a number of the format is its own rounding; another one moves, by a known amount at a point."""
    rng = np.random.default_rng(5)
    plan = plan_of(relu_network(rng, (5, 6, 2)))
    x = rng.normal(size=5)
    stored = round_to(x, BINARY32)
    for point, same in ((stored, True), (x, False)):
        before = ibp(plan, region_of(plan, box(point, point)))
        rounded = rounding(plan, before, "binary32")
        meant = rounding(plan, before, "binary32", inputs="exact")
        assert np.array_equal(rounded["x"], np.abs(stored - point)[None, None])
        assert not meant["x"].any()
        assert (rounded.output == meant.output).all() == same
    wide = ibp(plan, region_of(plan, ball(x, 0.1)))
    assert (rounding(plan, wide)["x"] == BINARY32.unit * 2.0 ** np.floor(np.log2(np.abs(x) + 0.1))).all()
    with pytest.raises(ValueError, match="inputs must be"):
        rounding(plan, wide, inputs="stored")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="correlate must be"):
        rounding(plan, wide, correlate="some")  # type: ignore[arg-type]


def test_storing_weights_is_a_known_change_not_an_unknown_one() -> None:
    """At a point, rounding one weight moves the output by exactly that much; the bound adds no more than arithmetic."""
    nodes = [
        Node("x", "Input", shape=(1, 1)),
        Node("y", "MatMul", ("x", "w")),
        Node("z", "MatMul", ("y", "v")),
    ]
    w = 1 + 2.0**-9  # bfloat16 makes it 1
    plan = network(nodes, {"w": np.array([[w, w]]), "v": np.array([[1.0], [-1.0]])}, "z")
    found = rounding(plan, ibp(plan, region_of(plan, box(np.ones(1), np.ones(1)))), "bfloat16")
    value = ieee.run(plan, {"x": np.ones((1, 1, 1))}, "bfloat16")
    assert value["y"].ravel().tolist() == [1.0, 1.0]
    assert 2.0**-9 <= found["y"].max() <= 2.0**-9 + 2.0**-7
    # both weights are off alike, and z is their difference: only the roundings of y and z are left
    assert found["z"].max() <= found.local["y"].sum() + found.local["z"].sum() + 1e-9


def test_contributions_add_up_and_name_neurons() -> None:
    rng = np.random.default_rng(6)
    plan = plan_of(relu_network(rng, (6, 7, 5, 3)))
    found = rounding(
        plan, crown(plan, region_of(plan, ball(rng.normal(size=6), 0.02)), neurons="all"), "bfloat16"
    )
    shares = found.attribution(1, count=None)
    assert sum(s for _, _, s in shares) >= found.output[0, 0, 1] * (1 - 1e-9)
    assert [s for _, _, s in shares] == sorted((s for _, _, s in shares), reverse=True)
    for name, index, share in shares:
        assert share > 0
        assert 0 <= index < plan.graph[name].size
    assert len(found.attribution(1, count=4)) == 4
    assert found.attribution(0, node="m0")
    with pytest.raises(IndexError, match="has 3 neurons"):
        found.attribution(3)


def test_what_a_result_says_about_itself() -> None:
    nodes = [Node("x", "Input", shape=(2,)), Node("y", "Tanh", ("x",)), Node("z", "Softmax", ("y",))]
    plan = network(nodes, {}, "z")
    found = rounding(plan, ibp(plan, region_of(plan, box(np.zeros(2), np.ones(2)))), "binary16")
    text = " ".join(found.assumptions)
    assert "tanh in binary32 is within 4 ulp" in text
    assert "exp in binary32 is within 4 ulp" in text
    assert "round to nearest" in text
    assert (found.format, found.order, found.inputs) == ("binary16", "any", "rounded")
    assert found.seconds > 0
    assert list(found) == ["x", "y", "z"]
    assert (found.ulps("z") > 0.5).all()
    with pytest.raises(KeyError, match="no rounding bounds for 'q'"):
        found["q"]
    strict = replace(PROGRAMS["binary32"], functions={"tanh": 1.0})
    text = " ".join(rounding(plan, found.real, strict).assumptions)
    assert "tanh in binary32 is within 1 ulp" in text
    assert "exp in binary32 is within 4 ulp" in text, "a table of one's own stands over the ledger"
    with pytest.raises(ValueError, match="Softmax has no rounding bound where subnormal numbers are flushed"):
        rounding(plan, found.real, replace(strict, subnormals="flush"))
    whole = fixed_point(16, 8)
    with pytest.raises(ValueError, match="fixed point; this program can be run, not bounded"):
        rounding(plan, found.real, Semantics("fixed", whole, whole, whole))
    with pytest.raises(ValueError, match="'q', which is no node"):
        rounding(plan, found.real, replace(strict, nodes={"q": strict}))


def test_a_program_of_ones_own() -> None:
    """Weights in tf32, everything else in binary32: the weights' rounding dominates."""
    rng = np.random.default_rng(7)
    plan = plan_of(relu_network(rng, (6, 7, 3)))
    own = Semantics("tf32 weights", FORMATS["tf32"], BINARY32, BINARY32)
    before = ibp(plan, region_of(plan, ball(rng.normal(size=6), 0.01)))
    found, plain = rounding(plan, before, own), rounding(plan, before, "binary32")
    assert (found.output > 10 * plain.output).all()
    check_exactly(plan, found, before.regions["x"].sample(2))


@pytest.mark.parametrize(
    ("op", "extra", "attrs"),
    [
        ("Max", ("c",), {}),
        ("Clip", ("low", "high"), {}),
        ("Clip", (), {"min": -0.1234567, "max": 0.7654321}),
        ("Concat", ("c",), {"axis": 1}),
        ("Add", ("c",), {}),
        ("Mul", ("c",), {}),
        ("Div", ("c",), {}),
        ("Pow", ("p",), {}),
        ("LeakyRelu", (), {"alpha": 0.01}),
    ],
)
def test_constants_that_the_format_of_results_does_not_have(
    op: str, extra: tuple[str, ...], attrs: dict[str, float]
) -> None:
    """Weights in binary32, results in bfloat16: a limit that comes out is rounded too."""
    own = Semantics("wide weights", BINARY32, FORMATS["bfloat16"], BINARY32)
    nodes = [Node("x", "Input", shape=(1, 5)), Node("y", op, ("x", *extra), attrs), Node("z", "Neg", ("y",))]
    c = np.array([[0.1, 0.3, 1 / 3, 0.7, 1e-3]])
    weights = {"c": c, "low": np.array(-0.1), "high": np.array(0.7), "p": np.array(1 / 3)}
    plan = network(nodes, {k: weights[k] for k in extra}, "z")
    low, high = (0.2, 1.5) if op == "Pow" else (-1.0, 1.0)
    before = ibp(plan, region_of(plan, box(np.full(5, low), np.full(5, high))))
    for program in (own, PROGRAMS["bfloat16"], PROGRAMS["binary32"]):
        found = rounding(plan, before, program)
        assert not found.overflow
        check_exactly(plan, found, before.regions["x"].sample(12))


def test_batch_normalization_with_stored_statistics() -> None:
    rng = np.random.default_rng(11)
    names = ("g", "b", "m", "v")
    weights = {k: rng.random(3) + 0.5 for k in names}
    nodes = [
        Node("x", "Input", shape=(1, 3, 2)),
        Node("y", "BatchNormalization", ("x", *names), {"epsilon": 1e-5}),
    ]
    plan = network(nodes, weights, "y")
    for eps in (0.0, 0.1):
        before = ibp(plan, region_of(plan, ball(rng.normal(size=(1, 3, 2)), eps)))
        for program in PROGRAMS:
            found = rounding(plan, before, program)
            assert found.output.max() < 50 * found.program.activations.unit
            check_exactly(plan, found, before.regions["x"].sample(8))


def test_a_live_bias_is_one_more_term() -> None:
    """x w + c with c computed: two leaves, one addition; without c there would be none."""
    nodes = [
        Node("x", "Input", shape=(1, 1)),
        Node("c", "Neg", ("x",)),
        Node("y", "Gemm", ("x", "w", "c")),
    ]
    plan = network(nodes, {"w": np.array([[1 / 3]], np.float32)}, "y")
    before = ibp(plan, region_of(plan, box(np.full(1, 0.7), np.full(1, 0.9))))
    found = rounding(plan, before, "binary32")
    assert found.local["y"].max() >= 2.0**-24 * (0.25 + 0.5)
    check_exactly(plan, found, before.regions["x"].sample(12))


def test_narrow_accumulators_have_bounds_too() -> None:
    """bfloat16 all through: (1 + u)^n grows past every first-order formula; no run is possible here, but a bound is."""
    bf16 = FORMATS["bfloat16"]
    rng = np.random.default_rng(8)
    plan = plan_of(relu_network(rng, (64, 4), scale=0.1))
    point = round_to(rng.normal(size=64), bf16)
    before = ibp(plan, region_of(plan, box(point, point)))
    found = rounding(plan, before, Semantics("all bfloat16", bf16, bf16, bf16))
    w = round_to(plan.graph.weights["w0"], bf16)
    truth = exact.run(plan, {"x": point[None, None]})["m0"]
    for column in range(4):
        acc = 0.0
        for k in range(64):
            acc = float(round_to(acc + float(round_to(point[k] * w[k, column], bf16)), bf16))
        error = abs(Fraction(acc) - Fraction(int(truth[0, 0, column].p), int(truth[0, 0, column].q)))
        assert error <= Fraction(float(found["m0"][0, 0, column]))


def test_observed_errors() -> None:
    rng = np.random.default_rng(9)
    plan = plan_of(relu_network(rng, (6, 7, 3)))
    points = rng.normal(size=(4, 1, 6))
    before = ibp(plan, region_of(plan, box(points.min(axis=0), points.max(axis=0))))
    for program in PROGRAMS:
        seen = observe_errors(plan, {"x": points}, program)
        found = rounding(plan, before, program)
        for name, error in seen.items():
            assert error.shape == plan.graph[name].shape
            assert (error <= found[name][0] * (1 + 1e-6)).all(), (program, name)
        assert not seen or seen["z1"].max() > 0
