"""Splitting inputs: branch and bound for dense chains of which few inputs vary.

Boxes are bounded many at a time by CROWN (`methods.dense`); where that is nearly enough, the slopes of the last bound
are optimised (`methods.alpha`); what is proved is cut off (`methods.clip`); the rest is halved where the bound depends
most on the width (smart branching: Bunel et al. 2018, arXiv:1711.00455).  Children inherit their neurons' bounds.
"""

from __future__ import annotations

import numpy as np

from workbench.graph import Array
from workbench.methods.alpha import optimise
from workbench.methods.chain import Chain
from workbench.methods.clip import clip
from workbench.methods.dense import Boxes, Found, bound, fresh, together
from workbench.methods.points import between, settle
from workbench.methods.progress import until
from workbench.methods.suspects import Suspects
from workbench.methods.tree import Block, Choices, Proved, Tree, margin_of, member_of
from workbench.region import Region
from workbench.spec import Rows

BATCH = 512  # boxes that are bounded together
WORTH = 0.05  # of a width: a cut smaller than that is not made
FLOOR = 0.05  # of the largest slope: what every input is taken to matter at least
STEPS = 6  # gradient steps where CROWN is nearly enough
DESCENTS, DOWNHILL = 16, 12  # points that go downhill in each batch, and their steps
EXACTLY = 4  # boxes that cannot be split which are decided in rationals in one batch; the others wait
RARE, OFTEN = 0.25, 0.5  # of such boxes proved: below, fewer are tried; above, more


class InputSplitting:
    """How blocks of boxes are worked on; the search's state stands in the tree."""

    batch = BATCH
    stuck = "no float lies between their ends, and rationals do not settle it"

    def __init__(
        self, chain: Chain, region: Region, rows: Rows, suspects: Suspects, deadline: float | None = None
    ) -> None:
        self.chain, self.rows, self.suspects, self.deadline = chain, rows, suspects, deadline
        self.lower, self.upper = region.lower.reshape(1, -1), region.upper.reshape(1, -1)
        # a constraint may hold where its left side is below this: the threshold is rounded down, and this up again
        self.limits = np.nextafter(rows.threshold, np.inf)
        self.member = member_of(rows)

    def root(self) -> Block:
        """The whole region."""
        alive = np.ones((1, len(self.rows.groups)), bool)
        return Block(fresh(self.chain, self.lower, self.upper), alive, np.full(1, -np.inf), np.ones(1))

    def work(self, tree: Tree, block: Block) -> Array | None:
        """Bound a block, keep what is proved, put the parts of the rest back; an unsafe input where one is found."""
        assert isinstance(block.boxes, Boxes)
        found = bound(
            self.chain, block.boxes, self.rows.matrix, block.alive @ self.member, until(self.deadline)
        )
        count, width = block.alive.shape[0], len(self.limits)
        slack = self._slack(found)
        lower = np.full((count, width), -np.inf)
        coefficients = np.zeros((count, width, self.chain.inputs))
        constant = np.full((count, width), -np.inf)
        at = found.box, found.row
        lower[at], coefficients[at], constant[at] = found.lower, found.coefficients, found.constant
        lower, constant = np.nextafter(lower - slack, -np.inf), np.nextafter(constant - slack, -np.inf)
        alive = block.alive & ~self.rows.refuted(lower)
        before = coefficients.copy()  # optimised slopes flatten rows, and would hide what they depend on
        until(self.deadline)(0.0, "slopes")
        choice = block.chosen.copy()
        self._sharpen(tree, found, alive, choice, lower, coefficients, constant, slack)
        alive &= ~self.rows.refuted(lower)
        margin, telling = margin_of(self.rows, lower, alive)
        until(self.deadline)(0.0, "points")
        suspect = self._suspect(block.boxes, alive, before)
        if suspect is not None:
            return suspect
        ends = block.boxes.lower, block.boxes.upper
        suspect, stuck = self._settle(ends, found.boxes, alive)
        if suspect is not None:
            return suspect
        tree.stuck += int(stuck.sum())
        tree.stuck_margin = min(tree.stuck_margin, float(margin[stuck].min(initial=np.inf)))
        low, high, alive = clip(*ends, coefficients, constant, self.limits, self.rows.groups, alive)
        tree.visited += count
        going = alive.any(axis=1)
        tree.keep(Proved(ends[0][~going], ends[1][~going], choice=choice[~going]), block.weight[~going])
        on = np.flatnonzero(going & ~stuck)
        if on.size:
            low, high = _cut(tree, ends[0][on], ends[1][on], low[on], high[on])
            known = found.boxes.take(on)
            margin = np.maximum(margin, block.margin)[on]
            weight, chosen = block.weight[on], choice[on]
            left = Block(Boxes(low, high, known.lows, known.highs), alive[on], margin, weight, chosen)
            _split(tree, left, before[on, telling[on]])
        return None

    def _settle(self, ends: tuple[Array, Array], known: Boxes, alive: Array) -> tuple[Array | None, Array]:
        """Decide boxes that cannot be split, clearing `alive`; an unsafe input, and which boxes stay undecided."""
        stuck: Array = np.zeros(len(alive), bool)
        whole = alive.any(axis=1) & ~between(*ends)[1].any(axis=1)
        for k in np.flatnonzero(whole)[:EXACTLY].tolist():
            signs = zip(known.lows, known.highs, strict=True)
            affine = all(bool(((lo[k] >= 0) | (hi[k] <= 0)).all()) for lo, hi in signs)
            unsafe = tuple(self.suspects.spec[i] for i in np.flatnonzero(alive[k]).tolist())
            box = ends[0][k], ends[1][k]
            found = settle(self.suspects.plan, self.suspects.region.shape, unsafe, *box, affine=affine)
            if found.proved:
                alive[k] = False
                continue
            suspect = self.suspects.confirmed(found.corners)
            if suspect is not None:
                return suspect, stuck
            stuck[k] = True
        return None, stuck

    def _sharpen(
        self,
        tree: Tree,
        found: Found,
        alive: Array,
        choice: Array,
        lower: Array,
        coefficients: Array,
        constant: Array,
        slack: Array,
    ) -> None:
        """Optimise the rows that are left on boxes that are nearly proved; `tree.near` learns what "nearly" is."""
        margin, _ = margin_of(self.rows, lower, alive)
        tried = alive.any(axis=1) & (margin >= -tree.near)
        box, row = np.nonzero((alive @ self.member) & tried[:, None])
        if not box.size:
            tree.near *= 1.25
            return
        with np.errstate(all="ignore"):
            begun = found.walk.start(self.rows.matrix, box, row)
            enough = np.nextafter(self.rows.threshold[row] + slack[box, row], np.inf)
            better = optimise(found.walk, *begun, box, iterations=STEPS, enough=enough)
            proved = np.nextafter(better.lower - slack[box, row], -np.inf)
        won = proved > lower[box, row]
        at = box[won], row[won]
        lower[at], coefficients[at] = proved[won], better.coefficients[won]
        constant[at] = np.nextafter(better.constant[won] - slack[at], -np.inf)
        left = alive & ~self.rows.refuted(lower)
        hit = np.flatnonzero(won & (alive & ~left)[box].any(axis=1) & (proved > self.rows.threshold[row]))
        if hit.size:
            slopes = np.concatenate([s[hit] for s in better.slopes], axis=1).astype(np.float32)
            ids = tree.record(Choices(row[hit], np.arange(slopes.shape[1]), slopes))
            for k in range(alive.shape[1]):
                some = (alive & ~left)[box[hit], k] & self.member[k, row[hit]]
                choice[box[hit[some]], k] = ids[some]
        done = tried & ~(alive & ~self.rows.refuted(lower)).any(axis=1)
        share = done.sum() / tried.sum()
        if share < RARE:
            tree.near = min(tree.near, 2.0 * float(np.median(-margin[tried]))) * 0.75
        elif share > OFTEN:
            tree.near *= 1.5

    def _slack(self, found: Found) -> Array:
        """What the exact rows may differ from the float ones by, ``(B, R)`` or zeros ``(B, R)``."""
        count, n = len(found.boxes), self.rows.size
        if self.rows.error is None:
            return np.zeros((count, len(self.limits)))
        both = np.concatenate([np.eye(n), -np.eye(n)])
        every = bound(self.chain, found.boxes, both, np.ones((count, 2 * n), bool))
        ends = every.lower.reshape(count, 2, n)
        size = np.maximum(np.abs(ends[:, 0]), np.abs(ends[:, 1]))
        return np.asarray(self.rows.slack(size))

    def _suspect(self, boxes: Boxes, alive: Array, slopes: Array) -> Array | None:
        """The middles of boxes, the corners where their rows are least, and what lies downhill of the best."""
        on = np.flatnonzero(alive.any(axis=1))
        if not on.size:
            return None
        low, high = boxes.lower[on], boxes.upper[on]
        corners = [np.where(slopes[on, r] > 0, low, high) for r in range(slopes.shape[1])]
        points = np.concatenate([0.5 * low + 0.5 * high, *corners])
        over = self.chain.run(points) @ self.rows.matrix.T - self.limits
        found = self.suspects.unsafe(points, over)
        if found is not None:
            return found
        best = np.argsort(self.suspects.excess(over), kind="stable")[:DESCENTS]
        points = self._descended(points[best])
        return self.suspects.unsafe(points, self.chain.run(points) @ self.rows.matrix.T - self.limits)

    def _descended(self, x: Array) -> Array:
        """Points a few steps down the gradient of what keeps them from being unsafe, inside the region."""
        step = 0.1 * (self.upper - self.lower)
        for _ in range(DOWNHILL):
            values, a = [], x
            for k, layer in enumerate(self.chain.layers):
                a = (np.maximum(a, 0.0) if k else a) @ layer.weight.T + layer.bias
                values.append(a)
            over = a @ self.rows.matrix.T - self.limits
            worst = np.stack([g[over[:, g].argmax(axis=1)] for g in self.rows.groups], axis=1)
            each = np.arange(len(x))
            row = worst[each, over[each[:, None], worst].argmin(axis=1)]
            slope = self.rows.matrix[row]
            for k in range(len(self.chain.layers) - 1, -1, -1):
                slope = slope @ self.chain.layers[k].weight
                if k:
                    slope = slope * (values[k - 1] > 0)
            x = np.clip(x - step * np.sign(slope), self.lower, self.upper)
            step = 0.7 * step
        return x


def _cut(tree: Tree, low: Array, high: Array, cut_low: Array, cut_high: Array) -> tuple[Array, Array]:
    """The clipped boxes, where a cut is worth it."""
    width = high - low
    new_low = np.where(cut_low - low > WORTH * width, cut_low, low)
    new_high = np.where(high - cut_high > WORTH * width, cut_high, high)
    less = ((new_low > low) | (new_high < high)).any(axis=1)
    if less.any():
        tree.proved.append(Proved(low[less], high[less], new_low[less], new_high[less]))
    return new_low, new_high


def _split(tree: Tree, block: Block, slopes: Array) -> None:
    """Both halves of every box, cut where the telling row depends most on the width; the worst boxes come first."""
    boxes = block.boxes
    assert isinstance(boxes, Boxes)
    size = np.nan_to_num(np.abs(slopes), posinf=1e300)
    size = np.maximum(size, FLOOR * size.max(axis=1, keepdims=True))
    score = (size + (size.max(axis=1, keepdims=True) == 0)) * (boxes.upper - boxes.lower)
    middles, inside = between(boxes.lower, boxes.upper)
    whole = np.asarray(~inside.any(axis=1))
    if whole.any():  # to be decided exactly when their turn comes
        tree.open.append(block.take(whole))
        if not whole.all():
            _split(tree, block.take(~whole), slopes[~whole])
        return
    at = np.where(inside, score, -1.0).argmax(axis=1)
    each = np.arange(len(boxes))
    middle = middles[each, at]
    left, right = boxes.upper.copy(), boxes.lower.copy()
    left[each, at] = right[each, at] = middle
    known = boxes.lows, boxes.highs
    order = np.argsort(-block.margin, kind="stable")
    halves = [
        Block(Boxes(l, u, *known), block.alive, block.margin, 0.5 * block.weight, block.choice).take(order)
        for l, u in ((boxes.lower, left), (right, boxes.upper))
    ]
    both = together([h.boxes for h in halves if isinstance(h.boxes, Boxes)])
    alive, margin, weight, chosen = (
        np.concatenate([getattr(h, f) for h in halves]) for f in ("alive", "margin", "weight", "chosen")
    )
    tree.open.append(Block(both, alive, margin, weight, chosen))
