"""Splitting where nodes are nonlinear: branch and bound for sigmoids, products, exponentials, whatever has lines.

The operand of a nonlinear node is cut at a point, and on each part the node's lines are drawn over the shorter range
(GenBaB: Shi et al. 2024, arXiv:2405.21063).  Nothing is known of such a part but that the operand lies in its range,
so that every bound of the network that uses this range holds there; both ranges together hold all inputs.  Parts are
bounded by CROWN anew, nodes that come later gain too, and multipliers of the ranges enter the last bound
(`methods.halfspaces`); a ball stays a ball.

Which operand is cut: the one whose lines are furthest apart in the middle of its range, weighted by the coefficient
that arrives there.  Kinks are cut at 0, and so is a range of which 0 lies well inside; others in the middle.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from workbench.graph import Array
from workbench.methods.ascent import value_of
from workbench.methods.bounds import Bounds
from workbench.methods.crown import crown
from workbench.methods.halfspaces import Halfspaces
from workbench.methods.progress import Progress, until
from workbench.methods.scene import KINKED, Scene, parts_of, scene_of
from workbench.methods.suspects import Suspects
from workbench.methods.tree import Block, Proved, Ranges, Tree, margin_of
from workbench.region import Region
from workbench.semantics import real
from workbench.semantics.affine import Linear, Relaxation, describe
from workbench.semantics.interval import Interval, propagate
from workbench.semantics.plan import Plan, Step
from workbench.spec import Rows

MEMORY = 1 << 25  # bytes that the numbers of one batch of parts may take
DEEPEST = 200  # cuts of one part
WELL = 0.2  # the share of a range that must lie on each side of 0 for it to be cut there


def operands(plan: Plan, bounds: Mapping[str, Interval]) -> dict[str, int]:
    """The operands that can be cut, and the number of their first element: those that enter elementwise."""
    if "curves" not in plan.memo:
        found: dict[str, int] = {}
        first = 0
        wanted = plan.upstream(plan.graph.outputs[0])
        for step in plan.steps:
            if step.node.name not in wanted or step.node.name not in plan.live:
                continue
            form = describe(plan, step, bounds)
            for i, operand in enumerate(step.operands if isinstance(form, Relaxation) else ()):
                if _elementwise(plan, step, form, i) and operand not in found:
                    found[str(operand)] = first
                    first += plan.graph[str(operand)].size
        plan.memo["curves"] = found
    held: dict[str, int] = plan.memo["curves"]
    return held


def _elementwise(plan: Plan, step: Step, form: Linear | Relaxation, i: int) -> bool:
    operand = step.operands[i]
    if not isinstance(form, Relaxation) or operand is None or operand not in plan.live:
        return False
    whole = i >= len(form.unfold) or form.unfold[i] is None
    return whole and i < len(form.lower.slopes) and plan.graph[operand].shape == step.node.shape


def curved(plan: Plan, region: Region) -> bool:
    """Whether something other than a kink can be cut."""
    with np.errstate(all="ignore"):
        ends = {plan.graph.inputs[0]: Interval(region.lower, region.upper)}
        able = operands(plan, propagate(plan, ends))
    kinks = {s.operands[0] for s in plan.steps if s.node.op in KINKED}
    return any(name not in kinks for name in able)


class CurveSplitting:
    """How blocks of ranges are worked on; the search's state stands in the tree."""

    stuck = "no operand's range can be cut there any more, and the bounds are not tight enough"

    def __init__(
        self, plan: Plan, region: Region, rows: Rows, suspects: Suspects, deadline: float | None = None
    ) -> None:
        self.plan, self.region, self.rows, self.suspects = plan, region, rows, suspects
        self.limits = np.nextafter(rows.threshold, np.inf)
        self.deadline = deadline
        self.progress: Progress | None = None
        self.whole: Bounds | None = None
        self.first: dict[str, int] = plan.memo["curves"]
        self.size = max((at + plan.graph[name].size for name, at in self.first.items()), default=0)

    @property
    def batch(self) -> int:
        """How many parts are bounded together."""
        numbers = sum(n.size for n in self.plan.graph.nodes) * 64
        return int(np.clip(MEMORY // (8 * max(1, numbers)), 1, 64))

    def root(self) -> Block:
        """The whole region."""
        none = np.zeros((1, 0))
        alive = np.ones((1, len(self.rows.groups)), bool)
        return Block(Ranges(none.astype(np.int64), none, none, none), alive, np.full(1, -np.inf), np.ones(1))

    def work(self, tree: Tree, block: Block) -> Array | None:
        """Bound a block, keep what is proved, put the parts of the rest back; an unsafe input where one is found."""
        ranges, count = block.boxes, len(block)
        assert isinstance(ranges, Ranges)
        found = self._bounded(ranges)
        assert found.margins is not None
        size = np.broadcast_to(found.output.magnitude.reshape(-1, self.rows.size), (count, self.rows.size))
        lower = np.nextafter(found.margins - self.rows.slack(size), -np.inf)
        alive = block.alive & ~self.rows.refuted(lower)
        margin, telling = margin_of(self.rows, lower, alive)
        going = np.flatnonzero(alive.any(axis=1))
        cut, place = np.full(count, -1), np.zeros(count)
        if going.size:
            scene = scene_of(self.plan, self.region, found.intervals)
            output = self.plan.graph[self.plan.graph.outputs[0]]
            rows = self.rows.matrix[telling].reshape(-1, *output.shape)
            spaces = Halfspaces(scene, rows, ranges, self.first)
            until(self.deadline)(0.0, "multipliers")
            if ranges.index.shape[1]:
                spaces.climb()
                each = np.arange(count)
                slack = np.broadcast_to(self.rows.slack(size), lower.shape)[each, telling]
                more = np.nextafter(spaces.least() - slack, -np.inf)
                lower[each, telling] = np.maximum(lower[each, telling], more)
                alive &= ~self.rows.refuted(lower)
                margin, _ = margin_of(self.rows, lower, alive)
                going = np.flatnonzero(alive.any(axis=1))
            slopes, _ = spaces.back()
            suspect = self._suspect(slopes[going]) if going.size else None
            if suspect is not None:
                return suspect
            ranges = replace(ranges, weight=spaces.weight)
            if going.size and ranges.index.shape[1] < DEEPEST:
                cut[going], place[going] = self._chosen(
                    scene, {k: v[going] for k, v in spaces.caught.items()}, going
                )
        tree.visited += count
        done = np.asarray(~alive.any(axis=1))
        ends = (self.region.lower, self.region.upper)
        low, high = (np.broadcast_to(e.reshape(1, -1), (int(done.sum()), e.size)) for e in ends)
        tree.keep(Proved(low, high, ranges=ranges.take(done)), block.weight[done])
        closed = ~done & (cut < 0)
        tree.stuck += int(closed.sum())
        tree.stuck_margin = min(tree.stuck_margin, float(margin[closed].min(initial=np.inf)))
        on = np.flatnonzero(~done & ~closed)
        if on.size:
            on = on[np.argsort(-margin[on], kind="stable")]
            held = np.maximum(margin, block.margin)[on]
            both = _halves(ranges.take(on), cut[on], place[on])
            left, margins, weight = (
                np.concatenate([v, v]) for v in (alive[on], held, 0.5 * block.weight[on])
            )
            tree.open.append(Block(both, left, margins, weight))
        return None

    def _bounded(self, ranges: Ranges) -> Bounds:
        """CROWN of every part, and of the whole region first: what holds there holds on its parts."""
        name, output = self.plan.graph.inputs[0], self.plan.graph[self.plan.graph.outputs[0]]
        rows, told = self.rows.matrix.reshape(-1, *output.shape), until(self.deadline, self.progress)

        def quietly(share: float, words: str) -> None:
            told(0.0, f"bounds of {words}")

        if self.whole is None:
            self.whole = crown(self.plan, {name: self.region}, rows=rows, progress=quietly)
        known = {k: self.whole[k] for k in self.plan.live if k != name and k in self.whole.intervals}
        if not ranges.index.size:
            return self.whole
        count = len(ranges)
        low, high = np.full((count, self.size), -np.inf), np.full((count, self.size), np.inf)
        part, column = np.nonzero(ranges.index >= 0)
        at = part, ranges.index[part, column]
        np.maximum.at(low, at, ranges.lower[part, column])
        np.minimum.at(high, at, ranges.upper[part, column])
        for operand, first in self.first.items():
            held = self.whole[operand]
            shape, last = held.lo.shape[1:], first + self.plan.graph[operand].size
            own = Interval(
                low[:, first:last].reshape(count, *shape), high[:, first:last].reshape(count, *shape)
            )
            known[operand] = held.intersect(own)
        regions = parts_of(self.region, np.zeros(count, np.int64))
        found = crown(self.plan, {name: regions}, rows=rows, progress=quietly, proved=known)
        assert found.margins is not None
        assert self.whole.margins is not None
        found.margins[...] = np.fmax(found.margins, self.whole.margins)
        return found

    def _chosen(self, scene: Scene, arriving: Mapping[str, Array], part: Array) -> tuple[Array, Array]:
        """For each part the number of the operand to cut, -1 for none, and where."""
        n = len(part)
        score, place = np.full((n, self.size), -1.0), np.zeros((n, self.size))
        for step in self.plan.steps:
            name, form = step.node.name, scene.forms.get(step.node.name)
            if name not in arriving or not isinstance(form, Relaxation):
                continue
            middles = [self._middle(scene, o) for o in step.operands]
            with np.errstate(all="ignore"):
                high, low = (
                    value_of(step, form, side, _picked(middles, part), part)
                    for side in (form.upper, form.lower)
                )
                weight = np.nan_to_num(np.abs(arriving[name]) * (high - low), nan=0.0, posinf=1e300)
            for i, operand in enumerate(step.operands):
                if operand is None or operand not in self.first or not _elementwise(self.plan, step, form, i):
                    continue
                z, at = scene.bounds[operand], self.first[operand]
                lo, hi = (
                    np.broadcast_to(e, (len(e), *step.node.shape)).reshape(len(e), -1) for e in (z.lo, z.hi)
                )
                lo, hi = (np.broadcast_to(e, (n, e.shape[1])) if len(e) == 1 else e[part] for e in (lo, hi))
                where = _place(lo, hi, step.node.op in KINKED)
                usable = (lo < where) & (where < hi)
                columns = slice(at, at + lo.shape[1])
                more = np.where(usable, weight.reshape(n, -1), -1.0)
                score[:, columns] = np.maximum(score[:, columns], more)
                place[:, columns] = where
        best = score.argmax(axis=1) if self.size else np.zeros(n, np.int64)
        each = np.arange(n)
        good = (score[each, best] > 0) if self.size else np.zeros(n, bool)
        return np.where(good, best, -1), place[each, best] if self.size else np.zeros(n)

    def _middle(self, scene: Scene, operand: str | None) -> Array | None:
        if operand is None:
            return None
        if operand in self.plan.constants:
            return np.asarray(self.plan.number(operand))
        z = scene.bounds[operand]
        return np.asarray(0.5 * z.lo + 0.5 * z.hi)

    def _suspect(self, slopes: Array) -> Array | None:
        """The inputs at which the parts' rows seem least."""
        low, high = (e.reshape(1, -1) for e in (self.region.lower, self.region.upper))
        points = np.unique(np.where(slopes > 0, low, high), axis=0)
        y = real.run(
            self.plan, {self.plan.graph.inputs[0]: points.reshape(-1, *self.region.shape)}, np.float64
        )
        values = y[self.plan.graph.outputs[0]].reshape(-1, self.rows.size)
        over = np.broadcast_to(values, (len(points), self.rows.size)) @ self.rows.matrix.T
        return self.suspects.unsafe(points, over - self.limits)


def _picked(values: list[Array | None], part: Array) -> list[Array | None]:
    return [v if v is None or v.ndim == 0 or len(v) == 1 else v[part] for v in values]


def _place(lo: Array, hi: Array, kink: bool) -> Array:
    """Where ranges are cut."""
    with np.errstate(all="ignore"):
        inside = np.minimum(-lo, hi) > (0.0 if kink else WELL) * (hi - lo)
        return np.where(inside, 0.0, np.nan if kink else 0.5 * lo + 0.5 * hi)


def _halves(ranges: Ranges, cut: Array, place: Array) -> Ranges:
    """Both sides of every part."""
    free, none = np.full(len(ranges), np.inf), np.zeros(len(ranges))

    def side(low: Array, high: Array) -> Ranges:
        pairs = (ranges.index, cut), (ranges.lower, low), (ranges.upper, high), (ranges.weight, none)
        return Ranges(*(np.concatenate([e, v[:, None]], axis=1) for e, v in pairs))

    two = side(-free, place), side(place, free)
    return Ranges(*(np.concatenate([getattr(t, f) for t in two]) for f in Ranges.__slots__))
