"""No way to bound or to decide is ever wrong: networks of any graph against their exact least value.

With one free input a network of affine maps and kinks is a broken line, and its least value is found in rationals:
where no operand of a kink changes its sign between two inputs the network is affine between them; else the first one
that does (in the order of the graph) is affine there, and the interval is cut at its zero.  Properties are put exactly
at that value and at the float below it, so that a bound that is false by one ulp is a false proof.

`make soundness` runs as many cases as SOUNDNESS says (10,000 by default); the tests run a few of each kind.
"""

from __future__ import annotations

import os
from fractions import Fraction

import numpy as np
import pytest

import workbench.ops  # noqa: F401
from workbench.graph import Graph, GraphError, Node
from workbench.methods import branch
from workbench.methods.crown import crown
from workbench.methods.graphsigns import GraphSigns
from workbench.methods.named import EVERY, find_bounds
from workbench.methods.progress import Cancelled, Progress
from workbench.methods.reduced import reduce
from workbench.methods.reducedalpha import chords, optimise
from workbench.methods.scene import Choice, kinks_of, least, open_neurons, scene_of
from workbench.methods.steer import Steer
from workbench.region import Region
from workbench.semantics import exact
from workbench.semantics.plan import Plan, infer, plan_of
from workbench.spec import Constraint, Disjunction, float_of

CASES = int(os.environ.get("SOUNDNESS", "9"))
BATCHES = 12  # steps of one search
KINDS = ("dense", "residual", "conv")


def network(rng: np.random.Generator, kind: str) -> Graph:
    """A small network with relus, and sometimes a leaky relu or an absolute value."""
    scale = float(10.0 ** rng.integers(-2, 3))

    def weight(*shape: int) -> np.ndarray:
        return (rng.normal(size=shape) * scale / np.sqrt(np.prod(shape[1:] or shape))).astype(np.float32)

    kinks = [("Relu", {}), ("Relu", {}), ("LeakyRelu", {"alpha": 0.25}), ("Abs", {})]

    def kink(name: str, operand: str) -> Node:
        op, attrs = kinks[rng.integers(len(kinks))]
        return Node(name, op, (operand,), attrs)

    if kind == "conv":
        nodes = [
            Node("x", "Input", (), {}, (1, 1, 4, 4)),
            Node("c", "Conv", ("x", "k", "b"), {"pads": (1, 1, 1, 1)}),
        ]
        nodes += [kink("r", "c"), Node("d", "Conv", ("r", "l"), {"strides": (2, 2)})]
        nodes += [kink("s", "d"), Node("f", "Flatten", ("s",)), Node("y", "MatMul", ("f", "w"))]
        weights = {"k": weight(2, 1, 3, 3), "b": weight(2), "l": weight(2, 2, 2, 2), "w": weight(8, 2)}
        return Graph(infer(nodes, weights), ("y",), weights)
    n, m = (3, 5)
    nodes = [
        Node("x", "Input", (), {}, (1, n)),
        Node("a", "MatMul", ("x", "u")),
        Node("z", "Add", ("a", "b")),
    ]
    nodes += [kink("r", "z"), Node("p", "MatMul", ("r", "v")), Node("q", "Add", ("p", "c")), kink("s", "q")]
    last = "s"
    if kind == "residual":
        nodes += [Node("t", "Add", ("s", "r")), kink("e", "t")]
        last = "e"
    nodes.append(Node("y", "MatMul", (last, "w")))
    weights = {"u": weight(n, m), "b": weight(m), "v": weight(m, m), "c": weight(m), "w": weight(m, 2)}
    return Graph(infer(nodes, weights), ("y",), weights)


def exact_least(plan: Plan, low: np.ndarray, high: np.ndarray, free: int) -> Fraction:
    """The least value of the first output while one input runs from `low` to `high`."""
    base = [Fraction(float(v)) for v in low.reshape(-1)]
    names = [k.operand for k in kinks_of(plan)]
    output = plan.graph.outputs[0]

    def at(t: Fraction) -> tuple[list[Fraction], Fraction]:
        x = np.array([*base[:free], t, *base[free + 1 :]], dtype=object).reshape(1, *low.shape[1:])
        values = exact.run(plan, {"x": np.vectorize(exact.rational, otypes=[object])(x)})
        z = [as_fraction(v) for name in names for v in values[name][0].ravel()]
        return z, as_fraction(values[output][0].ravel()[0])

    def between(t0: Fraction, t1: Fraction, one: tuple, two: tuple) -> Fraction:
        for v, w in zip(one[0], two[0], strict=True):
            if v * w < 0:
                cut = t0 + (t1 - t0) * v / (v - w)
                middle = at(cut)
                return min(between(t0, cut, one, middle), between(cut, t1, middle, two))
        return min(one[1], two[1])

    t0, t1 = (Fraction(float(e.reshape(-1)[free])) for e in (low, high))
    return between(t0, t1, at(t0), at(t1))


def as_fraction(v: object) -> Fraction:
    return Fraction(int(v.p), int(v.q)) if hasattr(v, "p") else Fraction(v)  # type: ignore[attr-defined, arg-type]


def case(seed: int, kind: str) -> tuple[Plan, Region, Fraction, np.random.Generator]:
    rng = np.random.default_rng([seed, KINDS.index(kind)])
    plan = plan_of(network(rng, kind))
    shape = (1, *plan.graph["x"].shape)
    low = rng.normal(size=shape)
    high, free = low.copy(), int(rng.integers(low.size))
    high.reshape(-1)[free] += 10.0 ** rng.integers(-16, 1)
    return plan, Region(low, high), exact_least(plan, low, high, free), rng


def at_most(bound: Fraction, *, strict: bool = False) -> Disjunction:
    return ((Constraint((Fraction(1), Fraction(0)), bound, strict),),)


def patience(steps: int) -> Progress:
    left = [steps]

    def told(share: float, words: str) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise Cancelled

    return told


def checked(bound: float, minimum: Fraction, what: str) -> None:
    assert np.isneginf(bound) or (np.isfinite(bound) and Fraction(float(bound)) <= minimum), what


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("batch", range(3))
def test_no_bound_is_above_the_least_value(batch: int, kind: str) -> None:
    for seed in range(batch, CASES, 3):
        plan, region, minimum, rng = case(seed, kind)
        rows = np.array([[[1.0, 0.0]]])
        for method in EVERY:
            try:
                found = find_bounds(plan, {"x": region}, method, rows=rows)
            except GraphError:  # no kink is open, or the optional solver is not here
                if method not in ("alpha-crown", "lp", "milp"):
                    raise
                continue
            checked(float(found.output.lo.reshape(-1)[0]), minimum, f"{method} {kind} {seed}")
            if found.margins is not None:
                checked(float(found.margins[0, 0]), minimum, f"rows of {method} {kind} {seed}")
        # whatever is chosen holds
        scene = scene_of(plan, region, crown(plan, {"x": region}).intervals)
        slopes = {o.kink.name: rng.uniform(-2, 2, size=(1, o.index.size)) for o in open_neurons(scene)}
        some = {k: np.where(rng.random(v.shape) < 0.2, np.nan, v) for k, v in slopes.items()}
        low = least(scene, "y", rows[0][None], Choice(some, {}))
        checked(float(low[0]), minimum, f"random slopes {kind} {seed}")
        net = reduce(scene, rows)
        over = chords(net, net.low[None], net.high[None])
        zero = np.zeros(1, np.int64)
        for steps in (0, 3):
            start = rng.uniform(-2, 2, size=(1, net.count))
            risen = optimise(net, net.rows, zero, over, zero, iterations=steps, slopes=start)
            checked(float(risen.lower[0]), minimum, f"reduced {kind} {seed}")


@pytest.mark.parametrize("kind", KINDS)
def test_signs_and_multipliers_hold_on_their_part(kind: str) -> None:
    """A bound with decided signs, whatever its multipliers, is below every exact value where the signs are so."""
    seen = 0
    for seed in range(CASES):
        plan, region, _, rng = case(seed, kind)
        region = Region(region.lower - 0.3, region.lower + 0.3)
        scene = scene_of(plan, region, crown(plan, {"x": region}).intervals)
        net = reduce(scene, np.array([[[1.0, 0.0]]]))
        if not net.count:
            continue
        points = exact.run(plan, {"x": region.sample(8, seed)})
        z = np.concatenate([points[k.operand].reshape(8, -1) for k in kinks_of(plan)], axis=1)
        signs = np.zeros((1, z.shape[1]), np.int8)
        chosen = rng.choice(net.numbers, size=min(2, net.count), replace=False)
        signs[0, chosen] = [1 if v >= 0 else -1 for v in z[rng.integers(8), chosen].tolist()]
        over = chords(net, net.low[None], net.high[None], signs[:, net.numbers])
        beta = rng.uniform(0, 3, size=(1, net.count))
        slopes = rng.uniform(0, 1, size=(1, net.count))
        zero = np.zeros(1, np.int64)
        found = [
            float(
                optimise(
                    net, net.rows, zero, over, zero, iterations=n, slopes=slopes, multipliers=beta
                ).lower[0]
            )
            for n in (0, 4)
        ]
        by_node = {b.kink.name: b for b in net.blocks}
        choice = Choice(
            {o.kink.name: np.full((1, o.index.size), 0.3) for o in open_neurons(scene)},
            {k: beta[:, b.at] for k, b in by_node.items()},
        )
        found.append(float(least(scene, "y", np.array([[[1.0, 0.0]]]), choice, signs)[0]))
        for k in range(8):
            if all(z[k, i] * int(signs[0, i]) >= 0 for i in chosen.tolist()):
                seen += 1
                value = as_fraction(points["y"][k].ravel()[0])
                assert all(np.isneginf(v) or Fraction(v) <= value for v in found), (seed, k)
    assert seen


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("way", ["signs", "steer"])
def test_nothing_that_can_happen_is_called_impossible(
    kind: str, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unsafe at most the least value: never verified.  Below it: never falsified."""
    if way == "signs":  # a search over signs, although only one input is free
        monkeypatch.setattr(branch, "NARROW", 0)
        monkeypatch.setattr(branch, "chain_of", lambda plan: None)
    decided = 0
    for seed in range(CASES if way == "signs" else -(-CASES // 3)):
        plan, region, minimum, _ = case(seed, kind)
        under = float_of(minimum, -1)
        below = Fraction(float(np.nextafter(under, -np.inf)) if Fraction(under) == minimum else under)
        clear = minimum - max(abs(minimum), Fraction(1, 100)) / 8
        for bound, strict, may in (
            (minimum, False, ("falsified", "unknown")),
            (minimum, True, ("verified", "unknown")),
            (below, False, ("verified", "unknown")),
            (clear, False, ("verified", "unknown")),
        ):
            spec = at_most(bound, strict=strict)
            if way == "steer":
                tree = Steer(plan, region, spec)
                tree.run(steps=5, batch=5)
                status = {"open": "unknown"}.get(tree.status, tree.status)
            else:
                status = branch.verify(plan, region, spec, progress=patience(BATCHES)).status
            assert status in may, (kind, seed, bound, strict, status)
            decided += status != "unknown"
    assert decided >= CASES // 3


def test_a_search_over_signs_is_what_runs_on_other_graphs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(branch, "NARROW", 0)
    plan, region, minimum, _ = case(0, "residual")
    search = branch._Search(plan, region, at_most(minimum), None)
    assert isinstance(search.splitting, GraphSigns)
