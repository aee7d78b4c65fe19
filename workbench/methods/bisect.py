"""Bisection: input splitting for networks of any operators, each part bounded by CROWN on the whole graph.

The plain form of branch and bound, for what `methods.branch` has no faster way for: several networks joined to one,
products, smooth functions, residual sums.  It pays where few inputs vary.
"""

from __future__ import annotations

from dataclasses import dataclass
from time import monotonic
from typing import Literal

import numpy as np

from workbench.graph import Array
from workbench.methods.crown import crown
from workbench.methods.progress import Cancelled, OutOfTime, Progress, until
from workbench.methods.replay import replay
from workbench.region import Region
from workbench.semantics import real
from workbench.semantics.plan import Plan
from workbench.spec import Disjunction, Rows

BATCH = 32  # boxes that are bounded together
MOST = 20_000  # boxes, where no time is set
INPUTS = 24  # that vary; with more, halving one at a time leads nowhere

Box = tuple[Array, Array, float]  # both ends, and the share of the whole


@dataclass(frozen=True, slots=True, eq=False)
class Halved:
    """What bisection ended with; see `branch.Outcome`."""

    status: Literal["verified", "falsified", "unknown"]
    bound: float
    reason: str = ""
    leaves: int = 0
    timed_out: bool = False
    interrupted: bool = False
    candidate: Array | None = None
    tree: None = None


def bisect(
    plan: Plan,
    region: Region,
    spec: Disjunction,
    *,
    timeout: float | None = None,
    progress: Progress | None = None,
) -> Halved:
    """Decide whether some input of the region has unsafe outputs, in real arithmetic.

    Parameters
    ----------
    plan : the network, with one input.
    region : one region, of the input's shape; of a ball, its box is searched.
    spec : unsafe outputs.
    timeout : seconds, or None for at most `MOST` boxes.
    progress : called with (share proved, words); may raise `Cancelled` or KeyboardInterrupt.
    """
    deadline = None if timeout is None else monotonic() + timeout
    rows = Rows(spec, plan.graph[plan.graph.outputs[0]].size)
    root = region.upper[0] - region.lower[0]
    if np.count_nonzero(root) > INPUTS:
        return Halved("unknown", -np.inf, f"more than {INPUTS} inputs vary, too many to split")
    scale = np.where(root > 0, root, np.inf).reshape(-1)
    boxes: list[Box] = [(region.lower[0].reshape(-1), region.upper[0].reshape(-1), 1.0)]
    seen = leaves = 0
    done, best, stuck = 0.0, -np.inf, False
    while boxes:
        left = f"with {len(boxes):,} of {seen + len(boxes):,} boxes open"
        if deadline is None and seen >= MOST:
            return Halved("unknown", best, f"it was given up {left}", leaves)
        part, boxes = boxes[-BATCH:], boxes[:-BATCH]
        seen += len(part)
        low, high = (np.stack([p[k] for p in part]) for k in (0, 1))
        try:
            until(deadline, progress)(min(done, 1.0), f"{seen:,} boxes, {len(boxes):,} open")
            lower = row_bounds(plan, Region(*_shaped(low, high, region)), rows, until(deadline))
        except (Cancelled, KeyboardInterrupt) as error:
            late = isinstance(error, OutOfTime)
            why = "the time ran out" if late else "it was interrupted"
            return Halved("unknown", best, f"{why} {left}", leaves, timed_out=late, interrupted=not late)
        refuted = np.asarray(rows.refuted(lower).all(axis=1))
        margin = rows.margin(lower)
        best = float(margin.min()) if seen == len(part) else best
        leaves += int(refuted.sum())
        done += sum(p[2] for p, r in zip(part, refuted.tolist(), strict=True) if r)
        going = np.flatnonzero(~refuted)
        suspect = _suspect(plan, region, spec, rows, (0.5 * low + 0.5 * high)[going])
        if suspect is not None:
            return Halved("falsified", best, "", leaves, candidate=suspect)
        order = going[np.argsort(-margin[going], kind="stable")]
        for k in order.tolist():
            halves = _halves(low[k], high[k], part[k][2], scale)
            stuck = stuck or not halves
            boxes += halves
    if stuck:
        return Halved("unknown", best, "boxes that cannot be split any further stay open", leaves)
    return Halved("verified", 0.0, "", leaves)


def unsplit(plan: Plan, region: Region, spec: Disjunction, progress: Progress | None = None) -> Halved:
    """What CROWN proves of the region as it is, in its own norm: splitting knows boxes only."""
    rows = Rows(spec, plan.graph[plan.graph.outputs[0]].size)
    lower = row_bounds(plan, region, rows, progress)
    if rows.refuted(lower).all():
        return Halved("verified", 0.0, "", 1)
    return Halved("unknown", float(rows.margin(lower).min()), "it was not proved without splitting")


def _halves(low: Array, high: Array, weight: float, scale: Array) -> list[Box]:
    """Both halves along the input that is widest beside what it was; none where no number lies between."""
    at = int(((high - low) / scale).argmax())
    cut = 0.5 * low[at] + 0.5 * high[at]
    if not low[at] < cut < high[at]:
        return []
    left, right = high.copy(), low.copy()
    left[at] = right[at] = cut
    return [(low, left, 0.5 * weight), (right, high, 0.5 * weight)]


def _suspect(plan: Plan, region: Region, spec: Disjunction, rows: Rows, points: Array) -> Array | None:
    """One of the points, where it is a counterexample in real arithmetic."""
    if not len(points):
        return None
    x = points.reshape(-1, *region.shape)
    y = real.run(plan, {plan.graph.inputs[0]: x}, np.float64)[plan.graph.outputs[0]]
    over = np.broadcast_to(y.reshape(len(y), -1), (len(x), rows.size)) @ rows.matrix.T
    near = ~np.asarray(rows.refuted(over).all(axis=1))
    for k in np.flatnonzero(near)[:4].tolist():
        hit = replay(plan, region, spec, x[k])
        if hit is not None and "real" in hit.holds:
            return np.asarray(x[k])
    return None


def _shaped(low: Array, high: Array, region: Region) -> tuple[Array, Array]:
    return low.reshape(-1, *region.shape), high.reshape(-1, *region.shape)


def row_bounds(plan: Plan, regions: Region, rows: Rows, progress: Progress | None = None) -> Array:
    """Lower bounds ``(B, R)`` of the exact rows: CROWN's, or those of the outputs' intervals where these are better."""
    output = plan.graph[plan.graph.outputs[0]]
    matrix = rows.matrix.reshape(-1, *output.shape)
    found = crown(plan, {plan.graph.inputs[0]: regions}, rows=matrix, progress=progress)
    assert found.margins is not None
    full = (regions.batch, rows.size)
    lo, hi = (np.broadcast_to(e.reshape(-1, rows.size), full) for e in (found.output.lo, found.output.hi))
    lower = np.broadcast_to(found.margins, (regions.batch, len(rows.threshold)))
    finite = np.isfinite(lo).all(axis=1) & np.isfinite(hi).all(axis=1)
    if finite.any():
        sums = np.full(lower.shape, -np.inf)
        matrix = np.broadcast_to(rows.matrix, (int(finite.sum()), *rows.matrix.shape))
        sums[finite] = Region(lo[finite], hi[finite]).minimum(matrix)
        lower = np.fmax(lower, sums)
    lower = lower.copy()
    for k, row in enumerate(rows.matrix):
        (only, *others) = np.flatnonzero(row).tolist() or [0]
        i = int(only)
        if not others and abs(row[i]) == 1:  # an end itself: no rounding at all
            lower[:, k] = np.fmax(lower[:, k], lo[:, i] if row[i] > 0 else -hi[:, i])
    if rows.error is not None:
        with np.errstate(invalid="ignore"):
            lower = np.nextafter(lower - rows.slack(np.maximum(np.abs(lo), np.abs(hi))), -np.inf)
    return np.asarray(np.where(np.isnan(lower), -np.inf, lower))
