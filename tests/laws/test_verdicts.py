"""No verdict is wrong: small networks decided exactly, against every way there is to decide them.

With one free input a relu network is a broken line, and its least value over an interval is found exactly in
rationals, kink by kink.  The property is then put exactly at that value, or the smallest float beside it, so that a
bound that is false by one ulp is a false proof.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

import workbench.ops  # noqa: F401
from tests.networks import relu_network
from workbench.graph import Graph
from workbench.methods import branch
from workbench.methods.alpha import alpha_walk, optimise
from workbench.methods.chain import chain_of
from workbench.methods.crown import crown
from workbench.methods.dense import bound, fresh
from workbench.methods.progress import Cancelled, Progress
from workbench.region import Region
from workbench.semantics import exact
from workbench.semantics.plan import plan_of
from workbench.spec import Constraint, float_of

CASES = 28


def least(graph: Graph, lower: np.ndarray, upper: np.ndarray, free: int, output: int) -> Fraction:
    """The exact minimum of one output while one input runs over its interval and the others stay."""
    layers = len([k for k in graph.weights if k.startswith("w")])
    x0, x1 = Fraction(float(lower[free])), Fraction(float(upper[free]))
    values = [(Fraction(0), Fraction(float(v))) for v in lower]  # slope, height at x0, as functions of x - x0
    values[free] = (Fraction(1), x0)
    pieces = [(Fraction(0), x1 - x0, values)]
    for k in range(layers):
        weight, bias = graph.weights[f"w{k}"], graph.weights[f"b{k}"]
        done = []
        for left, right, a in pieces:
            z = []
            for j in range(weight.shape[1]):
                w = [Fraction(float(v)) for v in weight[:, j]]
                slope = sum(wi * s for wi, (s, _) in zip(w, a, strict=True))
                height = sum(wi * h for wi, (_, h) in zip(w, a, strict=True)) + Fraction(float(bias[j]))
                z.append((slope, height))
            if k == layers - 1:
                done.append((left, right, z))
                continue
            kinks = {-h / s for s, h in z if s} | {left, right}
            cuts = sorted(c for c in kinks if left <= c <= right)
            for one, two in zip(cuts, cuts[1:] or cuts, strict=False):
                middle = (one + two) / 2
                on = [(s, h) if s * middle + h > 0 else (Fraction(0), Fraction(0)) for s, h in z]
                done.append((one, two, on))
        pieces = done
    return min(s * end + h for left, right, z in pieces for s, h in [z[output]] for end in (left, right))


def case(seed: int) -> tuple[Graph, np.ndarray, np.ndarray, Fraction]:
    rng = np.random.default_rng(seed)
    sizes = [(2, 5, 1), (3, 4, 4, 2), (1, 6, 5, 1)][seed % 3]
    graph = relu_network(rng, sizes, scale=float(10.0 ** rng.integers(-2, 3)))
    lower = rng.normal(size=sizes[0])
    upper = lower.copy()
    upper[0] += 10.0 ** rng.integers(-16, 1) * (seed % 7 != 0)
    return graph, lower, upper, least(graph, lower, upper, 0, 0)


def region_of(lower: np.ndarray, upper: np.ndarray) -> Region:
    return Region(lower.reshape(1, 1, -1), upper.reshape(1, 1, -1))


def at_most(bound: Fraction, outputs: int, *, strict: bool = False) -> tuple[tuple[Constraint, ...], ...]:
    return ((Constraint((Fraction(1),) + (Fraction(0),) * (outputs - 1), bound, strict),),)


def patience(batches: int) -> Progress:
    """Stops a search after so many batches: no clock decides what a test sees."""
    left = batches

    def count(share: float, words: str) -> None:
        nonlocal left
        left -= "parts" in words
        if left < 0:
            raise Cancelled

    return count


def test_the_exact_minimum_is_one() -> None:
    """The oracle itself: below every sampled value, and attained within its rounding."""
    for seed in range(12):
        graph, lower, upper, lowest = case(seed)
        points = lower + (upper - lower) * np.linspace(0, 1, 65)[:, None]
        values = exact.run(plan_of(graph), {"x": points.reshape(65, 1, -1)})[graph.outputs[0]]
        found = min(Fraction(int(v.p), int(v.q)) for v in values.reshape(65, -1)[:, 0])
        inside = np.all((points >= lower) & (points <= upper))
        assert not inside or lowest <= found
        assert float(found - lowest) <= 0.1 * (1 + abs(float(lowest))) * max(1.0, float(np.abs(values).max()))


@pytest.mark.parametrize("narrow", [16, -1], ids=["inputs", "signs"])
@pytest.mark.parametrize("batch", range(4))
def test_nothing_that_can_happen_is_called_impossible(
    batch: int, narrow: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Splitting inputs, and splitting signs."""
    monkeypatch.setattr(branch, "NARROW", narrow)
    verified = 0
    for seed in range(batch, CASES, 4):
        graph, lower, upper, lowest = case(seed)
        plan, region = plan_of(graph), region_of(lower, upper)
        outputs = graph[graph.outputs[0]].size
        # it can happen: the minimum itself is unsafe
        found = branch.verify(plan, region, at_most(lowest, outputs), progress=patience(4))
        assert found.status != "verified", seed
        # below the minimum by a little: it cannot happen, so it must not be called falsified
        below = lowest - Fraction(1, 2**20) * max(abs(lowest), Fraction(1, 2**20))
        found = branch.verify(plan, region, at_most(below, outputs), progress=patience(4))
        assert found.status != "falsified", seed
        verified += found.status == "verified"
        # strictly below the minimum: it cannot happen either
        assert (
            branch.verify(plan, region, at_most(lowest, outputs, strict=True), progress=patience(4)).status
            != "falsified"
        )
    assert verified >= 1  # and it is not merely silent


@pytest.mark.parametrize("batch", range(4))
def test_no_bound_is_above_the_minimum(batch: int) -> None:
    for seed in range(batch, CASES, 4):
        graph, lower, upper, lowest = case(seed)
        plan, region = plan_of(graph), region_of(lower, upper)
        outputs = graph[graph.outputs[0]].size
        rows = np.eye(outputs)[:1]
        chain = chain_of(plan)
        assert chain is not None
        boxes = fresh(chain, lower[None], upper[None])
        dense = bound(chain, boxes, rows, np.ones((1, 1), bool))
        assert Fraction(float(dense.lower[0])) <= lowest
        again = bound(chain, dense.boxes, rows, np.ones((1, 1), bool))  # with inherited bounds
        assert Fraction(float(again.lower[0])) <= lowest
        for iterations in (0, 10):
            tuned = alpha_walk(chain, boxes, iterations)
            one = np.zeros(1, int)
            found = optimise(tuned, *tuned.start(rows, one, one), one, iterations=iterations)
            assert Fraction(float(found.lower[0])) <= lowest
        walk = crown(plan, {"x": region}, rows=rows.reshape(1, 1, -1))
        assert walk.margins is not None
        assert Fraction(float(walk.margins[0, 0])) <= lowest


def test_the_oracle_catches_one_ulp() -> None:
    """The tests above can fail: the smallest float above the minimum is no lower bound of it."""
    *_, lowest = case(1)
    assert Fraction(np.nextafter(float_of(lowest, 1), np.inf)) > lowest
