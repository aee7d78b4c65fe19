"""Splitting by signs on any graph: branch and bound for convolutions, residual sums, and whatever else has kinks.

As `methods.phases` does it for dense chains, on the reduced network (`methods.reduced`): neurons' bounds are found
once, and for every choice of signs slopes and multipliers of the last bound are optimised (beta-CROWN, Wang et al.
2021, arXiv:2103.06624).  Which neuron to split: the ones whose lines cost the bound most (after BaBSR: Bunel et al.
2020, arXiv:1909.06588) are tried, each by one bound of both sides (filtered smart branching: De Palma et al. 2021,
arXiv:2104.06718), and the one whose worse side is best is taken.
"""

from __future__ import annotations

from time import monotonic

import numpy as np

from workbench.graph import Array
from workbench.methods.bounds import Bounds
from workbench.methods.crown import crown
from workbench.methods.progress import Progress
from workbench.methods.reduced import Reduced
from workbench.methods.reducedalpha import Chords, Risen, chords, optimise
from workbench.methods.reducedroot import Ground, ground
from workbench.methods.scene import kinks_of
from workbench.methods.suspects import Suspects
from workbench.methods.tree import Block, Proved, Signs, Tree, margin_of, member_of
from workbench.region import Region
from workbench.semantics import real
from workbench.semantics.plan import Plan
from workbench.spec import Rows

NEURONS, ROOT, EACH, LAST = 12, 60, 10, 200  # gradient steps: of neurons, rows, a choice of signs, its end
TRIED = 4  # neurons that are tried before one is split
SHARE = 0.25  # of the time that is left: what tightening neurons' bounds may take
MEMORY = 1 << 25  # bytes that one array of a batch may take


class GraphSigns:
    """How blocks of choices of signs are worked on; the search's state stands in the tree."""

    def __init__(
        self, plan: Plan, region: Region, rows: Rows, suspects: Suspects, deadline: float | None = None
    ) -> None:
        self.plan, self.region, self.rows, self.suspects = plan, region, rows, suspects
        self.deadline = deadline
        self.limits = np.nextafter(rows.threshold, np.inf)
        self.member = member_of(rows)
        self.neurons = sum(k.size for k in kinks_of(plan))
        self.crown: Bounds | None = None
        self.base: Ground | None = None
        self.progress: Progress | None = None

    @property
    def stuck(self) -> str:
        """Why parts could not be decided."""
        if self.base is not None and not self.base.net.pure:
            return "every sign is fixed there, and what else is not linear is not split"
        return "every sign is fixed there, but the bounds are not tight enough"

    @property
    def batch(self) -> int:
        """How many parts are bounded together."""
        widest = max(self.plan.graph[self.plan.graph.inputs[0]].size, self.neurons // 4, 1)
        return int(np.clip(MEMORY // (8 * widest * max(1, len(self.limits) // 4)), 4, 128))

    def root(self) -> Block:
        """The whole region, no sign decided."""
        alive = np.ones((1, len(self.rows.groups)), bool)
        return Block(Signs(np.zeros((1, self.neurons), np.int8)), alive, np.full(1, -np.inf), np.ones(1))

    def whole(self) -> Array:
        """CROWN's bounds of the rows over the whole region ``(1, R)``: often they are enough."""
        if self.crown is None:
            told = None if self.progress is None else self._told
            where = {self.plan.graph.inputs[0]: self.region}
            self.crown = crown(self.plan, where, rows=self._matrix(), progress=told)
        assert self.crown.margins is not None
        return np.nextafter(self.crown.margins - self._slack(), -np.inf)

    def _matrix(self) -> Array:
        return self.rows.matrix.reshape(-1, *self.plan.graph[self.plan.graph.outputs[0]].shape)

    def prepare(self) -> Ground:
        """The reduced network, made at the first step that needs it."""
        if self.base is None:
            held = None if self.crown is None else self.crown.intervals
            until = None if self.deadline is None else monotonic() + SHARE * (self.deadline - monotonic())
            self.base = ground(
                self.plan,
                self.region,
                self._matrix(),
                bounds=held,
                iterations=NEURONS,
                last=ROOT,
                progress=None if self.progress is None else self._told,
                late=None if until is None else lambda: monotonic() > until,
            )
        return self.base

    def _told(self, share: float, name: str) -> None:
        if self.progress is not None:
            self.progress(0.0, f"bounds of {name}")

    def work(self, tree: Tree, block: Block) -> Array | None:
        """Bound a block, keep what is proved, put the parts of the rest back; an unsafe input where one is found."""
        assert isinstance(block.boxes, Signs)
        whole = self.whole()
        if self.rows.refuted(whole).all():
            tree.visited += len(block)
            self._keep(tree, block, np.ones(len(block), bool))
            return None
        base = self.prepare()
        net, signs = base.net, block.boxes.signs
        count, slack = len(block), self._slack()
        # what holds on the whole region holds on its parts
        whole = np.maximum(whole, np.nextafter(base.lower[None] - slack, -np.inf))
        lower = np.repeat(whole, count, axis=0)
        alive = block.alive & ~self.rows.refuted(lower)
        own = signs[:, net.numbers]
        over = chords(net, net.low[None], net.high[None], own)
        box, row = np.nonzero(alive @ self.member)
        points = np.zeros((0, self.region.lower.size))
        split = np.full(count, -1, np.int64)
        if box.size:
            found = self._bounded(net, base, over, box, row, EACH)
            lower[box, row] = np.maximum(lower[box, row], np.nextafter(found.lower - slack[0, row], -np.inf))
            alive &= ~self.rows.refuted(lower)
            points = found.points[np.asarray(alive.any(axis=1))[box]]
        margin, telling = margin_of(self.rows, lower, alive)
        going = np.asarray(alive.any(axis=1))
        suspect = self._suspect(points)
        if suspect is not None:
            return suspect
        if going.any():
            at = np.flatnonzero(going[box] & (row == telling[box]))
            split[box[at]] = self._chosen(net, over, found, at, box, row)
        closed = going & (split < 0)
        if closed.any():  # nothing is left to split there: only more steps can help
            again = np.flatnonzero(closed[box])
            more = self._bounded(net, base, over, box[again], row[again], LAST)
            at2 = box[again], row[again]
            lower[at2] = np.maximum(lower[at2], np.nextafter(more.lower - slack[0, row[again]], -np.inf))
            alive &= ~self.rows.refuted(lower)
            margin, telling = margin_of(self.rows, lower, alive)
            going = np.asarray(alive.any(axis=1))
            closed &= going
        tree.visited += count
        self._keep(tree, block, ~going)
        tree.stuck += int(closed.sum())
        tree.stuck_margin = min(tree.stuck_margin, float(margin[closed].min(initial=np.inf)))
        on = np.flatnonzero(going & ~closed)
        if on.size:
            on = on[np.argsort(-margin[on], kind="stable")]
            held = np.maximum(margin, block.margin)[on]
            rest = (np.concatenate([v, v]) for v in (alive[on], held, 0.5 * block.weight[on]))
            tree.open.append(Block(both_signs(signs[on], net.numbers[split[on]]), *rest))
        return None

    def _keep(self, tree: Tree, block: Block, done: Array) -> None:
        assert isinstance(block.boxes, Signs)
        ends = (self.region.lower, self.region.upper)
        low, high = (np.broadcast_to(e.reshape(1, -1), (int(done.sum()), e.size)) for e in ends)
        tree.keep(Proved(low, high, signs=block.boxes.signs[done]), block.weight[done])

    def _bounded(self, net: Reduced, base: Ground, over: Chords, box: Array, row: Array, steps: int) -> Risen:
        enough = self.rows.threshold[row] + 1e-9 * (1 + np.abs(self.rows.threshold[row]))
        return optimise(
            net, net.rows, row, over, box, iterations=steps, slopes=base.slopes[row], enough=enough
        )

    def _chosen(self, net: Reduced, over: Chords, found: Risen, at: Array, box: Array, row: Array) -> Array:
        """For each of the rows `at` of `found` the open neuron to split; -1 where none is open."""
        if not net.count:
            return np.full(at.size, -1)
        cost = costs(net, over, found, at, box[at])
        order = np.argsort(-cost, axis=1, kind="stable")[:, :TRIED]
        usable = np.take_along_axis(cost, order, axis=1) > 0
        best = np.where(usable[:, 0], order[:, 0], -1)
        few = order.shape[1]
        several = np.flatnonzero(usable[:, 1:].any(axis=1)) if few > 1 else np.zeros(0, np.int64)
        if not several.size:
            return best
        # both sides of every candidate, with the slopes that the part itself ended with
        parent = np.repeat(at[several], 2 * few)
        neuron = np.repeat(order[several].reshape(-1), 2)
        sign = np.tile([-1, 1], neuron.size // 2)
        signs = over.take(box[parent]).sign.copy()
        signs[np.arange(neuron.size), neuron] = sign
        lines = chords(net, net.low[None], net.high[None], signs)
        start = found.slopes[parent]
        beta = None if found.multipliers is None else found.multipliers[parent]
        tried = optimise(
            net,
            net.rows,
            row[parent],
            lines,
            np.arange(neuron.size),
            iterations=0,
            slopes=start,
            multipliers=beta,
        )
        sides = np.sort(tried.lower.reshape(-1, few, 2), axis=2)
        gain = sides - found.lower[at[several]][:, None, None]
        # the worse side counts most; the better one settles ties
        score = np.where(usable[several], gain[:, :, 0] + 0.1 * np.maximum(gain[:, :, 1], 0), -np.inf)
        best[several] = order[several, score.argmax(axis=1)]
        return best

    def _suspect(self, points: Array) -> Array | None:
        if not len(points):
            return None
        x = np.unique(points, axis=0) if len(points) > 1 else points
        name, output = self.plan.graph.inputs[0], self.plan.graph.outputs[0]
        y = real.run(self.plan, {name: x.reshape(-1, *self.region.shape)}, np.float64)[output]
        over = np.broadcast_to(y.reshape(len(y), -1), (len(x), self.rows.size)) @ self.rows.matrix.T
        return self.suspects.unsafe(x, over - self.limits)

    def _slack(self) -> Array:
        """What the exact rows may differ from the float ones by, ``(1, R)``."""
        assert self.crown is not None
        return np.asarray(self.rows.slack(self.crown.output.magnitude.reshape(1, -1)))


def both_signs(signs: Array, neuron: Array) -> Signs:
    """Choices of signs ``(B, neurons)`` with one more neuron of each decided: off, then on."""
    left, right, each = signs.copy(), signs.copy(), np.arange(len(signs))
    left[each, neuron], right[each, neuron] = -1, 1
    return Signs(np.concatenate([left, right]))


def costs(net: Reduced, over: Chords, found: Risen, at: Array, part: Array) -> Array:
    """What the lines of each open neuron cost the bound of rows `at`, about; -1 where a sign is known. ``(M, K)``."""
    lines = over.take(part)
    arriving = found.arriving[at]
    down, up = np.maximum(-arriving, 0.0), np.maximum(arriving, 0.0)
    cost = down * lines.through + 0.25 * up * np.minimum(-net.low, net.high)
    return np.where(lines.open, cost + 1e-30, -1.0)
