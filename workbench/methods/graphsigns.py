"""Splitting by signs on any graph: branch and bound for dense layers, convolutions, residual sums, whatever has kinks.

On the reduced network (`methods.reduced`): neurons' bounds are found once, and for every choice of signs slopes and
multipliers of the last bound are optimised (beta-CROWN, Wang et al. 2021, arXiv:2103.06624), from those that the part
around it ended with.  Which neuron to split: the ones whose lines cost the bound most (after BaBSR: Bunel et al.
2020, arXiv:1909.06588) are tried, each by one bound of both sides (filtered smart branching: De Palma et al. 2021,
arXiv:2104.06718), and the one that gains most on both together is taken.
"""

from __future__ import annotations

from time import monotonic

import numpy as np

from workbench.graph import Array
from workbench.methods.ascent import STEP
from workbench.methods.bounds import Bounds
from workbench.methods.crown import crown
from workbench.methods.progress import OutOfTime, Progress, until
from workbench.methods.reduced import Reduced
from workbench.methods.reducedalpha import Chords, Risen, chords, estimate, gathered, optimise
from workbench.methods.reducedroot import Ground, ground
from workbench.methods.scene import kinks_of
from workbench.methods.suspects import Suspects
from workbench.methods.tree import Block, Choices, Proved, Signs, Start, Tree, margin_of, member_of
from workbench.region import Region
from workbench.semantics import real
from workbench.semantics.plan import Plan
from workbench.spec import Rows

NEURONS, ROOT, EACH, LAST = 12, 60, 5, 200  # gradient steps: of neurons, rows, a choice of signs, its end
AGAIN = 0.2  # the first step of a slope that starts from its parent's
OTHER = 1.0  # what the better side's gain counts beside the worse one's
TOGETHER = (
    240  # rows that are bounded together: a few arrays of them stay in the caches, and the clock is looked at
)
TRIED = 12  # neurons that are tried before one is split
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
            where = {self.plan.graph.inputs[0]: self.region}
            self.crown = crown(self.plan, where, rows=self._matrix(), progress=self._told)
        assert self.crown.margins is not None
        return np.nextafter(self.crown.margins - self._slack(), -np.inf)

    def _matrix(self) -> Array:
        return self.rows.matrix.reshape(-1, *self.plan.graph[self.plan.graph.outputs[0]].shape)

    def prepare(self) -> Ground:
        """The reduced network, made at the first step that needs it."""
        if self.base is None:
            held = None if self.crown is None else self.crown.intervals
            begun = monotonic()
            end = None if self.deadline is None else begun + SHARE * (self.deadline - begun)
            self.base = ground(
                self.plan,
                self.region,
                self._matrix(),
                bounds=held,
                iterations=NEURONS,
                last=ROOT,
                progress=self._told,
                late=None if end is None else lambda: monotonic() > end,
            )
        return self.base

    def _told(self, share: float, name: str) -> None:
        until(self.deadline, self.progress)(0.0, f"bounds of {name}")

    def _late(self) -> bool:
        return self.deadline is not None and monotonic() >= self.deadline

    def _pulse(self) -> None:
        if self._late():
            raise OutOfTime

    def work(self, tree: Tree, block: Block) -> Array | None:
        """Bound a block, keep what is proved, put the parts of the rest back; an unsafe input where one is found."""
        assert isinstance(block.boxes, Signs)
        whole = self.whole()
        if self.rows.refuted(whole).all():
            tree.visited += len(block)
            self._keep(tree, block, np.ones(len(block), bool), block.chosen)
            return None
        base = self.prepare()
        net, signs, slack = base.net, block.boxes.signs, self._slack()
        start, ids = self._begun(tree, block, whole)
        # what holds on the whole region holds on its parts
        lower = np.repeat(
            np.maximum(whole, np.nextafter(base.lower[None] - slack, -np.inf)), len(block), axis=0
        )
        alive = block.alive & ~self.rows.refuted(lower)
        choice = block.chosen.copy()
        choice = np.where(block.alive & ~alive, ids, choice)
        over = chords(net, net.low[None], net.high[None], signs[:, net.numbers])
        box, row = np.nonzero(alive @ self.member)
        points = np.zeros((0, self.region.lower.size))
        split = np.full(len(block), -1, np.int64)
        found = None
        if box.size:
            found = self._bounded(over, box, row, EACH, start)
            alive = self._taken(tree, found, lower, alive, choice, box, row)
            points = found.points[np.asarray(alive.any(axis=1))[box]]
        margin, telling = margin_of(self.rows, lower, alive)
        going = np.asarray(alive.any(axis=1))
        suspect = self._suspect(points)
        if suspect is not None:
            return suspect
        self._pulse()
        if found is not None and going.any():
            at = np.flatnonzero(going[box] & (row == telling[box]))
            split[box[at]] = self._chosen(net, over, found, at, box, row)
        closed = going & (split < 0)
        if closed.any():  # nothing is left to split there: only more steps can help
            again = np.flatnonzero(closed[box])
            more = self._bounded(over, box[again], row[again], LAST, start)
            alive = self._taken(tree, more, lower, alive, choice, box[again], row[again])
            margin, telling = margin_of(self.rows, lower, alive)
            going = np.asarray(alive.any(axis=1))
            closed &= going
        tree.visited += len(block)
        self._keep(tree, block, ~going, choice)
        tree.stuck += int(closed.sum())
        tree.stuck_margin = min(tree.stuck_margin, float(margin[closed].min(initial=np.inf)))
        on = np.flatnonzero(going & ~closed)
        if on.size and found is not None:
            on = on[np.argsort(-margin[on], kind="stable")]
            held = np.maximum(margin, block.margin)[on]
            left, margins, weight, chosen = (
                np.concatenate([v, v]) for v in (alive[on], held, 0.5 * block.weight[on], choice[on])
            )
            start = self._start(found, alive, on, box, row)
            both = both_signs(signs[on], net.numbers[split[on]])
            tree.open.append(Block(both, left, margins, weight, chosen, start))
        return None

    def _begun(self, tree: Tree, block: Block, whole: Array) -> tuple[Start | None, Array]:
        """Where the block's rows start, and the entries ``(1, A)`` of what is refuted on the whole region."""
        assert self.base is not None
        net, count = self.base.net, len(self.limits)
        if tree.roots is None:
            tree.neurons = net.numbers, net.low, net.high
            first = tree.record(Choices(np.arange(count), net.numbers, self.base.slopes.astype(np.float32)))[
                0
            ]
            sure = self.base.lower - self._slack() > self.rows.threshold
            ids = [next((first + r for r in g.tolist() if sure[0, r]), -1) for g in self.rows.groups]
            tree.roots = np.where(self.rows.refuted(whole), -1, np.array(ids, np.int64)[None])
        start = block.start
        fits = start is not None and np.array_equal(start.neurons, net.numbers)
        return start if fits else None, tree.roots

    def _taken(
        self, tree: Tree, found: Risen, lower: Array, alive: Array, choice: Array, box: Array, row: Array
    ) -> Array:
        """What rows' bounds refute, `lower` and `choice` brought up to date; what is left alive."""
        assert self.base is not None
        mine = np.nextafter(found.lower - self._slack()[0, row], -np.inf)
        lower[box, row] = np.maximum(lower[box, row], mine)
        left = alive & ~self.rows.refuted(lower)
        hit = np.flatnonzero((alive & ~left)[box].any(axis=1) & (mine > self.rows.threshold[row]))
        if hit.size:
            beta = None if found.multipliers is None else found.multipliers[hit].astype(np.float32)
            entry = Choices(row[hit], self.base.net.numbers, found.slopes[hit].astype(np.float32), beta)
            ids = tree.record(entry)
            for k in range(alive.shape[1]):
                some = (alive & ~left)[box[hit], k] & self.member[k, row[hit]]
                choice[box[hit[some]], k] = ids[some]
        return np.asarray(left)

    def _start(self, found: Risen, alive: Array, on: Array, box: Array, row: Array) -> Start:
        """Both children of the parts `on` start with what these ended with."""
        order = np.full(len(alive), -1)
        order[on] = np.arange(on.size)
        some = np.flatnonzero((order[box] >= 0) & (alive @ self.member)[box, row])
        some = some[np.argsort(order[box[some]], kind="stable")]
        part, slopes = order[box[some]], found.slopes[some].astype(np.float16)
        beta = (
            np.zeros_like(slopes) if found.multipliers is None else found.multipliers[some].astype(np.float16)
        )
        assert self.base is not None
        rows, slopes, beta = (np.concatenate([v, v]) for v in (row[some], slopes, beta))
        part = np.concatenate([part, part + on.size])
        return Start(part, rows, slopes, beta, self.base.net.numbers)

    def _keep(self, tree: Tree, block: Block, done: Array, choice: Array) -> None:
        assert isinstance(block.boxes, Signs)
        ends = (self.region.lower, self.region.upper)
        low, high = (np.broadcast_to(e.reshape(1, -1), (int(done.sum()), e.size)) for e in ends)
        proved = Proved(low, high, signs=block.boxes.signs[done], choice=choice[done])
        tree.keep(proved, block.weight[done])

    def _bounded(self, over: Chords, box: Array, row: Array, steps: int, start: Start | None) -> Risen:
        assert self.base is not None
        net, slopes, beta, step = self.base.net, self.base.slopes[row], None, STEP
        enough = self.rows.threshold[row] + 1e-9 * (1 + np.abs(self.rows.threshold[row]))
        if start is not None and len(start.part):
            width = len(self.limits)
            at = np.searchsorted(key := start.part * width + start.row, box * width + row)
            at = np.minimum(at, len(key) - 1)
            has = key[at] == box * width + row
            slopes = np.where(has[:, None], start.slopes[at], slopes)
            beta = np.where(has[:, None], start.multipliers[at], 0.0)
            step = AGAIN if has.all() and steps == EACH else STEP
        found = []
        for first in range(0, len(row), TOGETHER):
            self._pulse()
            some = slice(first, first + TOGETHER)
            found.append(
                optimise(
                    net,
                    net.rows,
                    row[some],
                    over,
                    box[some],
                    iterations=steps,
                    slopes=slopes[some],
                    multipliers=None if beta is None else beta[some],
                    enough=enough[some],
                    step=step,
                    late=self._late,
                )
            )
        self._pulse()
        return gathered(found)

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
        tried = np.empty((several.size, 2 * few))
        for first in range(0, several.size, max(1, TOGETHER // (2 * few))):
            self._pulse()
            some = several[first : first + max(1, TOGETHER // (2 * few))]
            tried[first : first + some.size] = self._tried(net, over, found, at[some], order[some], box, row)
        sides = np.sort(tried.reshape(-1, few, 2), axis=2)
        gain = sides - found.lower[at[several]][:, None, None]
        # both sides count alike: measured against the worse side alone, half as many parts (decision 0022)
        score = np.where(usable[several], gain[:, :, 0] + OTHER * np.maximum(gain[:, :, 1], 0), -np.inf)
        best[several] = order[several, score.argmax(axis=1)]
        return best

    def _tried(
        self, net: Reduced, over: Chords, found: Risen, at: Array, candidates: Array, box: Array, row: Array
    ) -> Array:
        """About the bounds of both sides of every candidate, with the slopes that the part itself ended with."""
        few = candidates.shape[1]
        parent = np.repeat(at, 2 * few)
        neuron = np.repeat(candidates.reshape(-1), 2)
        every, sign = np.arange(neuron.size), np.tile([-1, 1], neuron.size // 2)
        signs = over.take(box[parent]).sign.copy()
        signs[every, neuron] = sign
        lines = chords(net, net.low[None], net.high[None], signs)
        beta = None if found.multipliers is None else found.multipliers[parent]
        value = estimate(net, net.rows, row[parent], lines, every, found.slopes[parent], beta)
        return value.reshape(len(at), 2 * few)

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
