"""The hierarchy of relaxations: each method at least as tight as the one before, and the last one the truth."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from tests.networks import relu_network
from workbench.graph import Graph, GraphError, Node
from workbench.methods import programs
from workbench.methods.named import find_bounds
from workbench.methods.programs import _Program, _solver
from workbench.methods.reduced import reduce
from workbench.methods.reducedalpha import chords
from workbench.methods.scene import scene_of
from workbench.model import Model
from workbench.region import Region
from workbench.semantics import real
from workbench.semantics.plan import Plan, infer, plan_of

ORDER = ("ibp", "crown", "alpha-crown", "lp", "milp")


def toy(seed: int, sizes: tuple[int, ...] = (2, 3, 2)) -> tuple[Plan, Region]:
    plan = plan_of(relu_network(np.random.default_rng(seed), sizes))
    return plan, Region(np.full((1, 1, sizes[0]), -1.0), np.full((1, 1, sizes[0]), 1.0))


@pytest.mark.parametrize(("seed", "sizes"), [(1, (2, 3, 2)), (2, (2, 3, 2)), (1, (2, 6, 6, 2))])
def test_each_is_at_least_as_tight_as_the_one_before(seed: int, sizes: tuple[int, ...]) -> None:
    pytest.importorskip("highspy")
    plan, region = toy(seed, sizes)
    rows = np.array([[[1.0, -1.0]], [[1.0, 1.0]]])
    found = [find_bounds(plan, {"x": region}, m, rows=rows) for m in ORDER]
    for loose, tight in pairwise(found):
        for name, b in tight.items():
            assert (b.lo >= loose[name].lo).all(), (tight.method, name)
            assert (b.hi <= loose[name].hi).all(), (tight.method, name)
    t = np.linspace(-1, 1, 301)
    y = real.run(plan, {"x": np.stack(np.meshgrid(t, t), -1).reshape(-1, 1, 2)}, np.float64)
    out = y[plan.graph.outputs[0]].reshape(-1, 2)
    milp = found[-1].output
    lo, hi = milp.lo.reshape(-1), milp.hi.reshape(-1)
    assert (lo <= out.min(axis=0)).all()
    assert (hi >= out.max(axis=0)).all()
    width = out.max(axis=0) - out.min(axis=0)
    assert (out.min(axis=0) - lo < 0.02 * width).all()  # a grid misses the corner by a little
    assert (hi - out.max(axis=0) < 0.02 * width).all()
    margins = [f.margins for f in found[1:]]
    for before, after in pairwise(margins):
        assert before is not None
        assert after is not None
        assert (after >= before - 1e-6).all()


def test_a_linear_program_is_solved_to_the_last_digits() -> None:
    """What comes out, charged for rounding, is HiGHS's own optimum but for its tolerance: nothing is given away."""
    highspy = pytest.importorskip("highspy")
    plan, region = toy(0, (2, 8, 8, 2))
    bounds = find_bounds(plan, {"x": region}, "crown").intervals
    net = reduce(scene_of(plan, region, bounds), np.eye(2)[:, None])
    over = chords(net, net.low[None], net.high[None])
    for row in range(2):
        program = _Program(net, net.rows, row, over.above[0], over.through[0], over.sign[0])
        _, _, x, a = program.solve()
        assert x is not None
        assert a is not None
        best = float(net.rows.inner[row] @ a + net.rows.outer[row] @ x + net.rows.bias[row])
        mine = programs.least_linear(net, net.rows, row)
        assert best - 1e-6 * (1 + abs(best)) <= mine <= best + 1e-6 * (1 + abs(best))
    assert highspy is _solver()


def test_whatever_the_solver_says_is_no_bound_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """A solver that answers nonsense makes bounds loose, never wrong."""
    pytest.importorskip("highspy")
    plan, region = toy(1, (2, 4, 4, 2))
    rng = np.random.default_rng(0)
    true = find_bounds(plan, {"x": region}, "milp").output

    def nonsense(self: _Program) -> tuple[np.ndarray, np.ndarray, None, None]:
        k = self.net.count
        return rng.normal(size=k) * 10, np.abs(rng.normal(size=k)) * 1e3, None, None

    monkeypatch.setattr(_Program, "solve", nonsense)
    monkeypatch.setattr(programs, "PARTS", 6)
    for method in ("lp", "milp"):
        found = find_bounds(plan, {"x": region}, method).output
        assert (found.lo <= true.hi).all()
        assert (found.lo.reshape(-1) <= true.lo.reshape(-1) + 1e-6).all()
        assert (found.hi.reshape(-1) >= true.hi.reshape(-1) - 1e-6).all()


def test_large_networks_and_others_are_refused_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("highspy")
    plan, region = toy(1, (2, 6, 6, 2))
    monkeypatch.setattr(programs, "MILP_NEURONS", 2)
    with pytest.raises(GraphError, match="neurons are open over this region, more than 2"):
        find_bounds(plan, {"x": region}, "milp")
    products = plan_of(relu_network(np.random.default_rng(0), (3, 4, 2), products=True))
    box = Region(np.full((1, 1, 3), -1.0), np.full((1, 1, 3), 1.0))
    with pytest.raises(GraphError, match="choose alpha-crown"):
        find_bounds(products, {"x": box}, "lp")


def test_zonotopes_cancel_what_branches_share() -> None:
    """x - x is 0 to a zonotope, whatever happened to x before."""
    plan, region = toy(1, (2, 3, 2))
    one, two = (find_bounds(plan, {"x": region}, m) for m in ("zonotope", "crown-zonotope"))
    crown = find_bounds(plan, {"x": region}, "crown")
    for name, b in two.items():
        for other in (one, crown):
            assert (b.lo >= other[name].lo - 1e-12).all()
            assert (b.hi <= other[name].hi + 1e-12).all()


def test_a_slope_that_is_none_of_a_leaky_relus_is_not_used_below_it() -> None:
    """Where the chord overflows its slope is 0, which is no line below a function of slopes 0.9 and 1."""
    nodes = [
        Node("x", "Input", shape=(1, 1), dtype="float64"),
        Node("a", "LeakyRelu", ("x",), {"alpha": 0.9}, dtype="float64"),
    ]
    model = Model(Graph(infer(nodes, {}), ("a",), {}))
    big = np.full((1, 1), 1.7e308)
    for method in ("zonotope", "crown-zonotope"):
        found = model.bounds(method, Region(-big[None], big[None]))["a"]
        assert found.lower.min() <= 0.9 * -1.7e308
        point = model.bounds(method, Region(big[None] * 0, big[None] * 0))["a"]
        assert point.lower.min() <= 0 <= point.upper.max()
