"""alpha-beta-CROWN on dense chains: its gradients, and never looser than the reference."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import workbench.ops  # noqa: F401
from tests.networks import relu_network
from workbench.graph import Graph, GraphError, Node
from workbench.methods import alpha
from workbench.methods.alpha import alpha_walk, optimise
from workbench.methods.chain import Chain, chain_of
from workbench.methods.dense import Boxes, Walk, fresh
from workbench.methods.named import find_bounds
from workbench.methods.progress import Cancelled
from workbench.region import Norm, Region, ball
from workbench.semantics import exact
from workbench.semantics.plan import infer, plan_of

BENCH = Path(__file__).resolve().parents[3] / "shared" / "bench"
FOLDER = BENCH / "auto_lirpa_bounds"
CASES = ["acas11_prop1", "acas11_prop3", "mnist_256x2", "mnist_256x4", "mnist_256x6"]
OTHERS = ["tll_m8", "cifar_base_kw"]  # resnet2b too, but it takes a while: see docs/benchmarks.md


def chain_for(seed: int, sizes: tuple[int, ...] = (3, 6, 6, 5, 2)) -> Chain:
    chain = chain_of(plan_of(relu_network(np.random.default_rng(seed), sizes)))
    assert chain is not None
    return chain


def ready(chain: Chain, count: int = 3, radius: float = 0.6) -> Walk:
    centre = np.random.default_rng(0).normal(size=(count, chain.inputs))
    walk = Walk(chain, fresh(chain, centre - radius, centre + radius))
    for k in range(len(chain.layers) - 1):
        walk.layer(k)
    return walk


@pytest.mark.parametrize("seed", range(4))
def test_the_gradient_is_the_difference_quotient(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """What Adam is given is the derivative of the bound by every slope and every multiplier."""
    chain = chain_for(seed)
    walk = ready(chain)
    rows = np.random.default_rng(seed).normal(size=(2, 2))
    box, row = np.repeat(np.arange(3), 2), np.tile(np.arange(2), 3)
    begun = walk.start(rows, box, row)
    rng = np.random.default_rng(seed)
    signs = tuple(rng.integers(-1, 2, size=lines.open.shape).astype(float) for lines in walk.lines)
    seen: dict[tuple[int, int], np.ndarray] = {}
    monkeypatch.setattr(
        alpha._Run, "_scaled", lambda self, kind, j, g, number: seen.setdefault((kind, j), g.copy()) * 0
    )
    run = alpha._Run(walk, *begun, box, signs)
    run.begin(tuple(rng.uniform(0.2, 0.8, size=(6, lines.open.shape[1])) for lines in walk.lines))
    assert run.beta is not None
    run.beta = [
        rng.uniform(0.05, 0.2, size=b.shape) * np.abs(s[box]) for b, s in zip(run.beta, signs, strict=True)
    ]

    def value() -> np.ndarray:
        run.best = np.full(6, -np.inf)
        run.bound()
        return run.best

    run.climb(run.bound(), 0)
    tried = 0
    for kind, parameters in ((0, run.slopes), (1, run.beta)):
        for j, held in enumerate(parameters):
            for i in range(held.shape[1]):
                step = 1e-7
                held[:, i] += step
                more = value()
                held[:, i] -= 2 * step
                less = value()
                held[:, i] += step
                moved = run.open[j][:, i] if kind == 0 else signs[j][box][:, i] != 0
                slope = (more - less) / (2 * step)
                tried += int(moved.sum())
                assert np.abs(slope - seen[kind, j][:, i])[moved].max(initial=0.0) < 1e-5 * (
                    1 + np.abs(slope).max()
                )
    assert tried > 30


def test_iterations_only_raise_the_bound() -> None:
    chain = chain_for(5)
    walk = ready(chain)
    rows, box, row = np.eye(2), np.repeat(np.arange(3), 2), np.tile(np.arange(2), 3)
    begun = walk.start(rows, box, row)
    bounds = [optimise(walk, *begun, box, iterations=n).lower for n in (0, 5, 20, 60)]
    for before, after in pairwise(bounds):
        assert (after >= before).all()
    assert (bounds[-1] > bounds[0]).any()


def test_no_iterations_is_crown() -> None:
    chain = chain_for(6)
    walk = ready(chain)
    box, row = np.repeat(np.arange(3), 2), np.tile(np.arange(2), 3)
    begun = walk.start(np.eye(2), box, row)
    coefficients, constant = walk.back(len(chain.layers) - 2, *begun, box)
    found = optimise(walk, *begun, box, iterations=0)
    np.testing.assert_allclose(found.lower, walk.least(coefficients, constant, box), rtol=1e-9)


def test_a_decided_sign_helps_and_holds_where_it_is_so() -> None:
    chain = chain_for(7)
    walk = ready(chain, 1)
    x = walk.boxes.lower + (walk.boxes.upper - walk.boxes.lower) * np.random.default_rng(1).random((4000, 3))
    values, a = [], x
    for k, layer in enumerate(chain.layers):
        a = (np.maximum(a, 0) if k else a) @ layer.weight.T + layer.bias
        values.append(a)
    j, i = next((j, i) for j, lines in enumerate(walk.lines) for i in np.flatnonzero(lines.open[0]).tolist())
    both = np.zeros(2, int), np.arange(2)
    whole = optimise(walk, *walk.start(np.eye(2), *both), both[0], iterations=40).lower
    better = 0
    for sign in (1.0, -1.0):
        lows, highs = [v.copy() for v in walk.lows], [v.copy() for v in walk.highs]
        (lows if sign > 0 else highs)[j][0, i] = 0.0
        part = Walk(chain, Boxes(walk.boxes.lower, walk.boxes.upper, tuple(lows), tuple(highs)))
        for k in range(len(chain.layers) - 1):
            part.layer(k, refine=False)
        signs = [np.zeros(lines.open.shape) for lines in walk.lines]
        signs[j][0, i] = sign
        box, row = np.zeros(2, int), np.arange(2)
        found = optimise(part, *part.start(np.eye(2), box, row), box, iterations=40, signs=tuple(signs))
        on = sign * values[j][:, i] >= 0
        assert on.any()
        assert (values[-1][on].min(axis=0) >= found.lower - 1e-9).all()
        better += int((found.lower > whole + 1e-6).sum())
    assert better


@pytest.mark.parametrize("case", CASES)
def test_at_least_as_tight_as_the_reference(case: str) -> None:
    """auto_LiRPA's alpha-CROWN with 20 iterations on all layers, the same boxes."""
    if not (FOLDER / f"{case}_b1.npz").is_file():
        pytest.skip("the benchmark folder ../shared/bench is not here")
    from workbench.io.onnx import load

    data = np.load(FOLDER / f"{case}_b1.npz")
    chain = chain_of(plan_of(load(BENCH / str(data["onnx"]))))
    assert chain is not None
    lower, upper = (np.asarray(data[k], np.float64).reshape(1, -1) for k in ("x_L", "x_U"))
    walk = alpha_walk(chain, fresh(chain, lower, upper), 20)
    n = chain.layers[-1].weight.shape[0]
    box, row = np.zeros(2 * n, int), np.arange(2 * n)
    rows = np.concatenate([np.eye(n), -np.eye(n)])
    found = optimise(walk, *walk.start(rows, box, row), box, iterations=20).lower
    low, high = found[:n], -found[n:]
    key = (
        "f64/alpha-CROWN(20,all)" if "f64/alpha-CROWN(20,all)/lb" in data.files else "f32/alpha-CROWN(20,all)"
    )
    want = (data[f"{key}/ub"] - data[f"{key}/lb"]).ravel()
    assert ((high - low) <= want * (1 + 1e-5)).all()
    middle = data["center_out_ort"].ravel()
    assert ((low <= middle + 1e-4) & (high >= middle - 1e-4)).all()


def test_by_name_it_is_never_looser_than_crown_and_mostly_tighter() -> None:
    rng = np.random.default_rng(8)
    plan = plan_of(relu_network(rng, (3, 8, 8, 8, 2)))
    centre = rng.normal(size=(4, 1, 3))
    regions = {"x": Region(centre - 0.5, centre + 0.5)}
    rows = np.array([[[1.0, -1.0]], [[-0.5, 2.0]]])
    before, after = (find_bounds(plan, regions, m, rows=rows) for m in ("crown", "alpha-crown"))
    assert after.method == "alpha-crown"
    assert set(after) == set(before)
    for name, held in after.items():
        assert (held.lo >= before[name].lo).all(), name
        assert (held.hi <= before[name].hi).all(), name
    assert (after.output.lo > before.output.lo).mean() > 0.5
    assert after.margins is not None
    assert before.margins is not None
    assert (after.margins >= before.margins).all()
    assert (after.margins > before.margins).any()


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("norm", ["inf", "2", "1"])
def test_by_name_no_exact_value_lies_outside(seed: int, norm: Norm) -> None:
    rng = np.random.default_rng(seed)
    plan = plan_of(relu_network(rng, (4, 6, 5, 3), scale=10.0 ** rng.integers(-3, 4)))
    centre = rng.normal(size=(1, 4))
    region = ball(centre, 10.0 ** rng.integers(-16, 1), norm=norm)
    rows = rng.normal(size=(2, 1, 3))
    found = find_bounds(plan, {"x": region}, "alpha_crown", rows=rows)
    values = exact.run(plan, {"x": np.concatenate([centre[None], region.sample(6)])})
    for name, held in found.items():
        for k in range(7):
            for v, lo, hi in zip(
                values[name][k].ravel(), held.lo.ravel().tolist(), held.hi.ravel().tolist(), strict=True
            ):
                assert exact.rational(lo) <= v <= exact.rational(hi), name
    assert found.margins is not None
    for k in range(7):
        y = values[plan.graph.outputs[0]][k].ravel()
        for row, least in zip(rows, found.margins[0].tolist(), strict=True):
            value = sum(exact.rational(c) * v for c, v in zip(row.ravel().tolist(), y, strict=True))
            assert exact.rational(least) <= value


def test_by_name_networks_without_relus_are_refused() -> None:
    plan = plan_of(relu_network(np.random.default_rng(0), (3, 2)))
    chain = chain_of(plan)
    assert chain is not None
    nodes = (*plan.graph.nodes, Node("e", "Tanh", (plan.graph.outputs[0],)))
    smooth = plan_of(Graph(infer(nodes, plan.graph.weights), ("e",), plan.graph.weights))
    with pytest.raises(GraphError, match="no relu before its output"):
        find_bounds(smooth, {"x": ball(np.zeros((1, 3)), 0.1)}, "alpha-crown")


def test_by_name_it_can_be_stopped() -> None:
    plan = plan_of(relu_network(np.random.default_rng(5), (3, 8, 8, 2)))

    def stop(fraction: float, name: str) -> None:
        if fraction > 0.5:
            raise Cancelled

    with pytest.raises(Cancelled):
        find_bounds(plan, {"x": ball(np.zeros((1, 3)), 0.5)}, "alpha-crown", progress=stop)


@pytest.mark.parametrize("case", [*CASES, *OTHERS])
def test_by_name_at_least_as_tight_as_the_reference(case: str) -> None:
    if not (FOLDER / f"{case}_b1.npz").is_file():
        pytest.skip("the benchmark folder ../shared/bench is not here")
    from workbench.io.onnx import load

    data = np.load(FOLDER / f"{case}_b1.npz")
    graph = load(BENCH / str(data["onnx"]))
    name = graph.inputs[0]
    lower, upper = (np.asarray(data[k], np.float64).reshape(1, *graph[name].shape) for k in ("x_L", "x_U"))
    found = find_bounds(plan_of(graph), {name: Region(lower, upper)}, "alpha-crown").output
    precise = "f64/alpha-CROWN(20,all)"
    key = precise if f"{precise}/lb" in data.files else precise.replace("f64", "f32")
    want = (data[f"{key}/ub"] - data[f"{key}/lb"]).ravel()
    assert ((found.hi - found.lo).ravel() <= want * (1 + 1e-5)).all()
