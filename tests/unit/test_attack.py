"""Attacks and replays: what is called a counterexample is one, exactly, and says in which arithmetic."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import workbench as wb
from networks import relu_network
from workbench import examples
from workbench.graph import Graph, Node
from workbench.io import vnnlib
from workbench.methods import attack
from workbench.methods.bisect import bisect, row_bounds
from workbench.methods.replay import Box, Counterexample, nearest, replay
from workbench.network import Network
from workbench.region import Region
from workbench.semantics import exact, ieee
from workbench.semantics.plan import Plan, infer, plan_of
from workbench.spec import Constraint, Disjunction, Ends, Rows, misclassified
from workbench.verify import verify
from workbench.wanted import linear, margin


def constraint(
    row: Sequence[float | Fraction], bound: float | Fraction, *, strict: bool = False
) -> Constraint:
    return Constraint(tuple(map(Fraction, row)), Fraction(bound), strict)


def by_hand(graph: Graph, x: Sequence[Fraction]) -> list[Fraction]:
    """A `relu_network` in rationals, written a second time and as plainly as can be."""
    values = list(x)
    layers = len([k for k in graph.weights if k.startswith("w")])
    for k in range(layers):
        w, b = graph.weights[f"w{k}"].tolist(), graph.weights[f"b{k}"].tolist()
        sums = [
            sum((v * Fraction(row[j]) for v, row in zip(values, w, strict=True)), Fraction(b[j]))
            for j in range(len(b))
        ]
        values = sums if k == layers - 1 else [max(s, Fraction(0)) for s in sums]
    return values


def check(
    found: Counterexample, graph: Graph, region: Region, spec: Disjunction, ends: Ends | None = None
) -> None:
    """Everything that a counterexample claims."""
    low, high = region.lower.reshape(-1).tolist(), region.upper.reshape(-1).tolist()
    assert (ends or Ends(tuple(map(Fraction, low)), tuple(map(Fraction, high)))).contain(found.point)
    real = by_hand(graph, found.point)
    assert all(lo <= v <= hi for v, (lo, hi) in zip(real, found.enclosure, strict=True))
    if "real" in found.holds:
        assert all(c.holds(real) for c in spec[found.holds["real"]])
    for semantics in set(found.holds) - {"real"}:
        flat = found.outputs.reshape(-1).tolist()
        assert all(c.holds(flat) for c in spec[found.holds[semantics]])


# ------------------------------------------------------------------------------------------------ the search


@given(st.integers(0, 10_000), st.sampled_from(["real", "onnx", "bfloat16"]))
@settings(max_examples=8, deadline=None)
def test_what_is_found_is_unsafe_and_in_the_region(seed: int, semantics: str) -> None:
    rng = np.random.default_rng(seed)
    graph = relu_network(rng, (3, 8, 3))
    lower = rng.uniform(-1, 0, size=(1, 1, 3))
    region = Region(lower, lower + rng.uniform(0, 1, size=(1, 1, 3)))
    spec = misclassified(int(rng.integers(3)), 3)
    found = attack.search(plan_of(graph), region, spec, seed=seed, semantics=semantics, rounds=1)
    if found is not None:
        assert semantics in found.holds
        check(found, graph, region, spec)


@pytest.mark.parametrize("outputs", [1, 4])
def test_a_small_hidden_region_is_found(outputs: int) -> None:
    """Unsafe only near one corner of a box in ten dimensions: random points practically never go there."""
    n = 10
    target = np.where(np.arange(n) % 2, 0.9, 0.1).astype(np.float32)
    weights = {"w0": np.concatenate([np.eye(n), -np.eye(n)], axis=1).astype(np.float32)}
    weights["b0"] = np.concatenate([-target, target]).astype(np.float32)
    weights["w1"] = np.ones((2 * n, outputs), np.float32)
    weights["b1"] = np.zeros(outputs, np.float32)
    nodes = [
        Node("x", "Input", (), {}, (1, n)),
        Node("m", "MatMul", ("x", "w0")),
        Node("z", "Add", ("m", "b0")),
    ]
    nodes += [Node("r", "Relu", ("z",)), Node("o", "MatMul", ("r", "w1")), Node("y", "Add", ("o", "b1"))]
    graph = Graph(infer(nodes, weights), ("y",), weights)
    region = wb.box(np.zeros((1, n)), np.ones((1, n)))
    spec = ((constraint([1] + [0] * (outputs - 1), 0.3),),)  # the l_1 distance from the target
    samples = np.random.default_rng(0).random((100_000, n))
    assert (np.abs(samples - target).sum(axis=1) > 0.3).all()
    found = attack.search(plan_of(graph), region, spec)
    assert found is not None
    check(found, graph, region, spec)


def test_every_alternative_is_tried() -> None:
    """Only the last of many alternatives can happen, and only in a corner."""
    graph = relu_network(np.random.default_rng(0), (2, 2))
    plan, region = plan_of(graph), wb.box(-np.ones((1, 2)), np.ones((1, 2)))
    corners = [by_hand(graph, [Fraction(a), Fraction(b)])[0] for a in (-1, 1) for b in (-1, 1)]
    never = [(constraint([1, 0], min(corners) - k),) for k in range(1, 60)]
    found = attack.search(plan, region, (*never, (constraint([-1, 0], -max(corners)),)), rounds=1)
    assert found is not None
    assert set(found.holds.values()) == {59}


def test_the_same_seed_finds_the_same_counterexample() -> None:
    graph = relu_network(np.random.default_rng(5), (4, 16, 3))
    region = wb.box(-np.ones((1, 4)), np.ones((1, 4)))
    found = [attack.search(plan_of(graph), region, misclassified(1, 3), seed=3) for _ in range(2)]
    assert found[0] is not None
    assert found[1] is not None
    assert found[0].point == found[1].point


def test_balls_are_kept_to_exactly() -> None:
    graph = relu_network(np.random.default_rng(2), (3, 8, 2))
    plan, center = plan_of(graph), np.full((1, 3), 0.3)
    y = by_hand(graph, [Fraction(0.3)] * 3)
    spec = ((constraint([1, -1], y[0] - y[1] - 1),),)
    for norm in ("inf", "2", "1"):
        region = wb.ball(center, 2.0, norm)
        found = attack.search(plan, region, spec)
        assert found is not None
        check(found, graph, region, spec)
        steps = [abs(p - Fraction(0.3)) for p in found.point]
        size = {"inf": max(steps), "1": sum(steps), "2": sum(s * s for s in steps)}[norm]
        assert size <= (4 if norm == "2" else 2)


def test_nothing_is_found_where_nothing_is() -> None:
    graph = relu_network(np.random.default_rng(5), (2, 4, 2))
    plan, region = plan_of(graph), wb.box(np.zeros((1, 2)), np.ones((1, 2)))
    assert attack.search(plan, region, ((constraint([1, 0], -1e6),),), rounds=1) is None
    assert attack.search(plan, region, ()) is None
    assert attack.search(plan, region, ((),)) is not None  # always unsafe: any point will do


# ------------------------------------------------------------------------------------------------ borders


def identity(dtype: str = "float32") -> Plan:
    node = Node("x", "Input", (), {}, (1,), dtype)
    return plan_of(Graph(infer([node, Node("y", "Identity", ("x",))], {}), ("y",), {}))


def test_a_point_that_is_no_float_is_replayed_as_itself_and_run_rounded() -> None:
    """X_0 = 0.1: the real network sees 1/10, the float program the float32 next to it, which is larger."""
    text = "(declare-const X_0 Real)(declare-const Y_0 Real)(assert (<= X_0 0.1))(assert (>= X_0 0.1))"
    case = vnnlib.parse(text + "(assert (> Y_0 0.1))").cases[0]
    found = replay(identity(), case.region, case.unsafe, np.array([0.1]), ends=case.ends)
    assert found is not None
    assert found.point == (Fraction(1, 10),)
    assert (dict(found.holds), found.representable) == ({"onnx": 0}, False)
    assert found.input.tolist() == [float(np.float32(0.1))]
    safe = vnnlib.parse(text + "(assert (<= Y_0 0.1))").cases[0]
    other = replay(identity(), safe.region, safe.unsafe, np.array([0.1]), ends=safe.ends)
    assert other is not None
    assert (dict(other.holds), other.replayed) == ({"real": 0}, "rationals")


def test_an_open_end_is_not_a_counterexample() -> None:
    text = "(declare-const X_0 Real)(declare-const Y_0 Real)(assert (< X_0 1))(assert (>= X_0 0))"
    case = vnnlib.parse(text + "(assert (>= Y_0 1))").cases[0]
    assert attack.search(identity(), case.region, case.unsafe, ends=case.ends) is None
    near = vnnlib.parse(text + "(assert (>= Y_0 0.99999994))").cases[0]
    found = attack.search(identity(), near.region, near.unsafe, ends=near.ends)
    assert found is not None
    assert Fraction("0.99999994") <= found.point[0] < 1


def test_cancellation_is_decided_in_each_arithmetic_by_itself() -> None:
    """1 + x - 1 is x in the reals and 0 in float32: each property holds in one of them alone."""
    weights = {"one": np.array([1.0], np.float32)}
    nodes = [Node("x", "Input", (), {}, (1,)), Node("s", "Add", ("x", "one")), Node("y", "Sub", ("s", "one"))]
    graph = Graph(infer(nodes, weights), ("y",), weights)
    plan, region = plan_of(graph), wb.box(np.array([1e-9]), np.array([2e-9]))
    positive, zero = ((constraint([-1], 0, strict=True),),), ((constraint([1], 0),),)
    for spec, semantics, other in ((positive, "real", "onnx"), (zero, "onnx", "real")):
        found = attack.search(plan, region, spec, semantics=semantics)
        assert found is not None
        assert tuple(found.holds) == (semantics,)
        assert attack.search(plan, region, spec, semantics=other) is None
    for wanted, semantics in ((linear([-1], ["-1e-12"]), "onnx"), (linear([1], [0]), "real")):
        verdict = verify(Network(graph), region, wanted, semantics=semantics)
        assert verdict.status == "falsified"
        assert verdict.held.count(" in ") >= 1
    # at least 1e-10 in the reals is proved; that float32 keeps this is not claimed
    assert verify(Network(graph), region, linear([-1], ["-1e-10"])).status == "verified"
    assert verify(Network(graph), region, linear([-1], ["-1e-10"]), semantics="onnx").status != "verified"


@given(st.floats(-1e30, 1e30), st.integers(-3, 3))
def test_nearest_rounds_once(x: float, eighths: int) -> None:
    f = np.float32(x)
    step = Fraction(float(np.nextafter(f, np.float32(np.inf)))) - Fraction(float(f))
    value = Fraction(float(f)) + step * Fraction(eighths, 8) + step / 2**60 * (1 if eighths > 0 else 0)
    found = Fraction(float(nearest(value, np.float32)))
    for other in (np.nextafter(f, np.float32(-np.inf)), f, np.nextafter(f, np.float32(np.inf))):
        assert abs(found - value) <= abs(Fraction(float(other)) - value)


def test_the_box_of_float32_numbers_lies_inside_the_exact_one() -> None:
    ends = Ends((Fraction(1, 10), Fraction(1)), (Fraction(3, 10), Fraction(2)), frozenset({(1, -1), (1, 1)}))
    region = Region(np.array([[0.1, 1.0]]), np.array([[0.3, 2.0]]))
    inside = Box(region, ends, np.float32)
    assert [Fraction(float(v)) >= e for v, e in zip(inside.low, ends.lower, strict=True)] == [True, True]
    assert inside.low[1] == np.nextafter(np.float32(1), np.float32(2))
    assert inside.high[1] == np.nextafter(np.float32(2), np.float32(1))
    assert np.nextafter(inside.low[0], np.float32(0)) < 0.1


# ------------------------------------------------------------------------------------------------ verdicts


@given(st.integers(0, 10_000))
@settings(max_examples=8, deadline=None)
def test_a_verdict_about_a_point_is_the_exact_one(seed: int) -> None:
    """At a single point everything can be computed: verified and falsified are right, to the last bit."""
    rng = np.random.default_rng(seed)
    graph = relu_network(rng, (2, 5, 5, 2))
    x = rng.normal(size=(1, 2)).astype(np.float32).astype(np.float64)
    y = by_hand(graph, [Fraction(v) for v in x.reshape(-1).tolist()])
    shift = Fraction(int(rng.integers(-2, 3)), 2**60)
    row, bound = [Fraction(1), Fraction(-1)], y[0] - y[1] + shift
    verdict = verify(Network(graph), wb.box(x, x), linear([row], [bound]), timeout=10)
    assert verdict.status == ("verified" if shift >= 0 else "falsified")
    wide = verify(Network(graph), wb.box(x, x), linear([row], [y[0] - y[1] + Fraction(1, 10**6)]), timeout=10)
    assert wide.status == "verified"


@given(st.integers(0, 10_000), st.sampled_from(["binary32", "bfloat16"]))
@settings(max_examples=4, deadline=None)
def test_verified_in_floats_holds_in_every_order(seed: int, program: str) -> None:
    rng = np.random.default_rng(seed)
    graph = relu_network(rng, (3, 8, 3))
    x = rng.normal(size=(1, 3))
    region = wb.ball(x, 0.01)
    label = int(np.argmax(Network(graph).run(x.astype(np.float32))))
    verdict = verify(Network(graph), region, margin(label), semantics=program, timeout=20)
    points = region.sample(50, seed=seed)
    worst = np.inf
    for order in ("blas", "sequential", "reversed", "pairwise", "adversarial", "fma"):
        y = ieee.run(plan_of(graph), {"x": points}, program, order)["z1"].reshape(len(points), -1)
        worst = min(worst, float((y[:, [label]] - np.delete(y, label, axis=1)).min()))
    assert verdict.status != "verified" or worst > 0
    assert verdict.status != "falsified" or verdict.counterexample is not None
    if verdict.status == "verified":
        assert any(program in a for a in verdict.assumptions)


def test_a_verdict_says_everything_in_text_html_and_json() -> None:
    import json

    model = examples.digits()
    x = model.examples[7][1]
    verdict = verify(
        model.network, wb.ball(x, 0.005, clip=(0, 1)), margin(7), name=model.name, digest=model.sha256
    )
    assert verdict
    text = repr(verdict)
    assert text.startswith("VERIFIED in real arithmetic")
    assert all(word in text for word in ("network", "property", "region", "about", "method", "assumed"))
    data = json.loads(verdict.to_json())
    assert (data["status"], data["semantics"], data["network"]["sha256"]) == (
        "verified",
        "real",
        model.sha256,
    )
    other = verify(model.network, wb.ball(x, 0.3, clip=(0, 1)), margin(7), name="<script>alert(1)</script>")
    assert not other
    assert other.counterexample is not None
    assert "by rationals" in repr(other)
    assert "<script>" not in other._repr_html_()
    found = json.loads(other.to_json())["counterexample"]
    y = model.run(np.array(found["input"], np.float32).reshape(x.shape))
    assert y.reshape(-1).tolist() == found["outputs"]
    assert int(np.argmax(y)) != 7


def test_the_counterexample_is_one_for_onnxruntime() -> None:
    ort = pytest.importorskip("onnxruntime")
    model = examples.digits()
    verdict = verify(model.network, wb.ball(model.examples[3][1], 0.3, clip=(0, 1)), margin(3))
    assert verdict.counterexample is not None
    assert set(verdict.counterexample.semantics) == {"real", "onnx"}
    session = ort.InferenceSession(str(examples.path("digits")), providers=["CPUExecutionProvider"])
    (y,) = session.run(None, {session.get_inputs()[0].name: verdict.counterexample.input})
    assert int(np.argmax(y)) != 3


def test_time_and_interrupts_leave_unknown() -> None:
    model = examples.digits()
    region = wb.ball(model.examples[3][1], 0.05, clip=(0, 1))
    late = verify(model.network, region, margin(3), timeout=0.0)
    assert (late.status, late.timed_out, late.reason) == ("unknown", True, "the time ran out")

    def stop(fraction: float, words: str) -> None:
        raise KeyboardInterrupt

    stopped = verify(model.network, region, margin(3), progress=stop)
    assert (stopped.status, stopped.interrupted) == ("unknown", True)
    with pytest.raises(ValueError, match="semantics must be one of real, onnx"):
        verify(model.network, region, margin(3), semantics="float")
    with pytest.raises(wb.SpecificationError, match="one of 0 to 9"):
        verify(model.network, region, margin(10))


# ------------------------------------------------------------------------------------------------ bisection


@given(st.integers(0, 10_000))
@settings(max_examples=6, deadline=None)
def test_bisection_of_any_network_is_never_wrong(seed: int) -> None:
    """Networks with products, asked for something near the largest value that samples reach."""
    rng = np.random.default_rng(seed)
    plan = plan_of(relu_network(rng, (2, 3, 2), products=True))
    lower = rng.normal(size=(1, 1, 2))
    region = Region(lower, lower + 0.3)
    points = region.sample(30, seed=seed)
    values = exact.run(plan, {"x": points})[plan.graph.outputs[0]].reshape(30, 2)
    exactly = [[Fraction(int(v.p), int(v.q)) for v in row] for row in values]
    largest = max(a - b for a, b in exactly)
    for room, possible in (
        (Fraction(-1, 10**9), {"falsified", "unknown"}),
        (Fraction(2), {"verified", "falsified", "unknown"}),
    ):
        spec = ((constraint([-1, 1], -largest - room),),)  # unsafe where the difference is at least that
        found = bisect(plan, region, spec, timeout=2)
        assert found.status in possible
        bounds = row_bounds(plan, region, Rows(spec, 2))
        assert all(Fraction(bounds[0, 0]) <= b - a for a, b in exactly)
    assert found.status == "verified" or found.leaves == 0 or found.bound <= 0


def test_bisection_proves_what_one_bound_does_not_and_stops_when_told() -> None:
    plan = plan_of(relu_network(np.random.default_rng(1), (2, 3, 2), products=True))
    region = wb.box(-0.5 * np.ones((1, 2)), 0.5 * np.ones((1, 2)))
    spec = ((constraint([1, 0], Fraction(0)),),)
    least = float(row_bounds(plan, region, Rows(spec, 2))[0, 0])
    reached = exact.run(plan, {"x": region.sample(200)})[plan.graph.outputs[0]].reshape(200, 2)[:, 0]
    smallest = float(min(Fraction(int(v.p), int(v.q)) for v in reached))
    asked = ((constraint([1, 0], 0.25 * least + 0.75 * smallest),),)
    assert bisect(plan, region, asked, timeout=0.0).timed_out
    found = bisect(plan, region, asked, timeout=20)
    assert found.status != "verified" or found.leaves > 1

    def stop(fraction: float, words: str) -> None:
        raise KeyboardInterrupt

    assert bisect(plan, region, asked, progress=stop).interrupted
