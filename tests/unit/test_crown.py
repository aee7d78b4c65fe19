"""IBP and CROWN on whole networks: true in exact rationals, never looser than plain CROWN or the reference."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

import workbench.ops  # noqa: F401
from tests.networks import relu_network
from workbench.methods.bounds import Bounds
from workbench.methods.crown import Cancelled, _Walk, crown
from workbench.methods.ibp import ibp
from workbench.methods.named import find_bounds
from workbench.region import Region, ball, box
from workbench.semantics import exact
from workbench.semantics.interval import Interval
from workbench.semantics.plan import plan_of

BENCH = Path(__file__).resolve().parents[3] / "shared" / "bench"


def violations(found: Bounds, values: dict[str, np.ndarray]) -> list[str]:
    """Nodes with an exact value outside the interval."""
    wrong = []
    for name, held in found.items():
        if name not in values:
            continue
        for v, lo, hi in zip(
            values[name].reshape(-1, held.lo[0].size).T, held.lo.ravel(), held.hi.ravel(), strict=True
        ):
            if any(
                (np.isfinite(lo) and x < exact.rational(lo)) or (np.isfinite(hi) and x > exact.rational(hi))
                for x in v
            ):
                wrong.append(name)
    return wrong


@pytest.mark.parametrize("seed", range(24))
def test_no_exact_value_lies_outside(seed: int) -> None:
    rng = np.random.default_rng(seed)
    graph = relu_network(rng, (4, 6, 5, 3), scale=10.0 ** rng.integers(-3, 4), products=bool(seed % 2))
    plan = plan_of(graph)
    center = rng.normal(size=(1, 4))
    eps = 10.0 ** rng.integers(-18, 1) * (seed % 5 != 0)
    region = ball(center, eps, norm=("inf", "2", "1")[seed % 3])  # type: ignore[arg-type]
    points = [center]
    if region.is_box:
        points += [region.lower[0], region.upper[0]]
        points += [np.where(rng.random((1, 4)) < 0.5, region.lower[0], region.upper[0]) for _ in range(6)]
    values = exact.run(plan, {"x": np.stack(points)})
    regions = {"x": region}
    for found in (
        ibp(plan, regions),
        crown(plan, regions),
        crown(plan, regions, neurons="all"),
        crown(plan, regions, intermediate="ibp"),
    ):
        assert violations(found, values) == []


def test_one_ulp_too_tight_is_caught() -> None:
    """The test above can fail: the exact value itself, moved by one ulp, is a violation."""
    graph = relu_network(np.random.default_rng(0), (1, 1))
    plan = plan_of(graph)
    x = np.array([[1.0]])
    values = exact.run(plan, {"x": x[None]})
    value = values[plan.graph.outputs[0]].ravel()[0]
    nearest = float(value.p) / float(value.q)
    low = (
        np.nextafter(nearest, np.inf)
        if exact.rational(nearest) >= value
        else np.nextafter(np.nextafter(nearest, np.inf), np.inf)
    )
    found = ibp(plan, {"x": box(x, x)})
    name = plan.graph.outputs[0]
    held = dict(found.intervals)
    held[name] = type(held[name])(np.full((1, 1, 1), low), held[name].hi)
    bad = Bounds(held, "ibp", found.regions, 0.0, found.outputs, {})
    assert violations(bad, values) == [name]


def test_a_batch_equals_its_regions() -> None:
    rng = np.random.default_rng(3)
    plan = plan_of(relu_network(rng, (3, 8, 8, 2)))
    centers = rng.normal(size=(5, 1, 3))
    batch = crown(plan, {"x": Region(centers - 0.1, centers + 0.1)})
    for k in range(5):
        one = crown(plan, {"x": Region(centers[k : k + 1] - 0.1, centers[k : k + 1] + 0.1)})
        np.testing.assert_allclose(batch.output.lo[k], one.output.lo[0], rtol=1e-9)


def test_margins_are_lower_bounds_of_the_rows() -> None:
    rng = np.random.default_rng(4)
    graph = relu_network(rng, (3, 8, 8, 4))
    plan = plan_of(graph)
    region = ball(rng.normal(size=(1, 3)), 0.05)
    rows = rng.normal(size=(6, 1, 4))
    found = crown(plan, {"x": region}, rows=rows)
    assert found.margins is not None
    from workbench.semantics import real

    y = real.run(plan, {"x": region.sample(200)}, np.float64)[plan.graph.outputs[0]]
    least = np.einsum("rij,nij->nr", rows, y).min(axis=0)
    assert (found.margins[0] <= least + 1e-9).all()
    assert (found.margins[0] > least - 5).all()


def test_progress_may_stop_the_run() -> None:
    plan = plan_of(relu_network(np.random.default_rng(5), (3, 8, 8, 2)))

    def stop(fraction: float, name: str) -> None:
        if fraction > 0.5:
            raise Cancelled

    with pytest.raises(Cancelled):
        crown(plan, {"x": ball(np.zeros((1, 3)), 0.1)}, progress=stop)


def test_unknown_methods_are_refused() -> None:
    plan = plan_of(relu_network(np.random.default_rng(5), (3, 2)))
    with pytest.raises(ValueError, match="must be one of ibp, crown-ibp, crown, alpha-crown"):
        find_bounds(plan, {"x": ball(np.zeros((1, 3)), 0.1)}, "magic")


CASES = sorted(p.name for p in (BENCH / "auto_lirpa_bounds").glob("*.npz")) or ["absent"]


@pytest.mark.parametrize("case", CASES)
def test_never_looser_than_the_reference(case: str) -> None:
    """auto_LiRPA's float64 bounds on the same boxes (some are NaN there)."""
    if case == "absent":
        pytest.skip("the benchmark folder ../shared/bench is not here")
    from workbench.io.onnx import load

    data = np.load(BENCH / "auto_lirpa_bounds" / case)
    graph = load(BENCH / str(data["onnx"]))
    plan = plan_of(graph)
    name = graph.inputs[0]
    shape = graph[name].shape
    some = slice(0, None, 5 if "mnist" in case else 1)  # of 64 boxes, thirteen: the rest say the same
    regions = {name: Region(data["x_L"][some].reshape(-1, *shape), data["x_U"][some].reshape(-1, *shape))}
    for method, key in (("ibp", "IBP"), ("crown-ibp", "CROWN-IBP"), ("crown", "CROWN")):
        if f"f64/{key}/lb" not in data.files or np.isnan(data[f"f64/{key}/lb"]).any():
            continue
        found = (
            ibp(plan, regions)
            if method == "ibp"
            else crown(plan, regions, intermediate="ibp" if method == "crown-ibp" else "crown")
        )
        count = len(data["x_L"][some])
        lo, hi = found.output.lo.reshape(count, -1), found.output.hi.reshape(count, -1)
        want = (data[f"f64/{key}/ub"] - data[f"f64/{key}/lb"])[some]
        assert ((hi - lo) <= want * (1 + 1e-5) + 1e-9).all(), method
        middle = data["center_out_ort"][some].reshape(lo.shape)
        slack = 1e-4 * np.maximum(1, np.abs(middle))
        assert ((lo <= middle + slack) & (hi >= middle - slack)).all(), method


@pytest.mark.parametrize("wrong", [{"intermediate": "crwon"}, {"neurons": "every"}])
def test_unknown_options_are_refused(wrong: dict[str, str]) -> None:
    plan = plan_of(relu_network(np.random.default_rng(5), (3, 2)))
    with pytest.raises(ValueError, match="must be one of"):
        crown(plan, {"x": ball(np.zeros((1, 3)), 0.1)}, **wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("count", [1, 3])
def test_lines_are_as_many_as_regions_even_where_a_choice_flips(
    count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two walks side by side report one walk's lines, and these hold at sampled points."""
    twins: list[int] = []
    fork = _Walk.fork

    def noted(walk: _Walk, which: np.ndarray, plain: Mapping[str, Interval]) -> None:
        twins.extend(which.tolist())
        fork(walk, which, plain)

    monkeypatch.setattr(_Walk, "fork", noted)
    for seed in range(40):
        rng = np.random.default_rng(seed)
        plan = plan_of(relu_network(rng, (3, 10, 10, 10, 2)))
        centre = rng.normal(size=(count, 1, 3))
        twins.clear()
        found = crown(plan, {"x": Region(centre - 0.7, centre + 0.7)})
        if twins:
            break
    assert twins, "no choice flipped: the test says nothing"
    from workbench.semantics import real
    from workbench.semantics.affine import Relaxation

    tried = 0
    for name, form in found.forms.items():
        if not isinstance(form, Relaxation):
            continue
        for lines in (form.lower, form.upper):
            assert all(a is None or len(a) in (1, count) for a in (*lines.slopes, lines.offset)), name
        operand = plan.by_name[name].operands[0]
        assert operand is not None
        for k in range(count):
            x = centre[k] + rng.uniform(-0.7, 0.7, (200, 1, 3))
            values = real.run(plan, {"x": x}, np.float64)
            z, y = values[operand], values[name]
            slopes = [lines.slopes[0] for lines in (form.lower, form.upper)]
            low, high = (
                (0.0 if s is None else s[k] * z) + lines.offset[k]
                for s, lines in zip(slopes, (form.lower, form.upper), strict=True)
            )
            assert (low <= y + 1e-9).all()
            assert (y <= high + 1e-9).all()
            tried += 1
    assert tried
