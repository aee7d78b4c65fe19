"""Splitting by the signs of relus: branch and bound for dense chains whose inputs are many.

Where the sign of a relu is decided, the relu is a line; the decision itself enters the bound as a constraint with a
multiplier (beta-CROWN, Wang et al. 2021, arXiv:2103.06624).  Neurons' bounds are found once, with optimised slopes, and
kept; only the last bound is optimised again for every choice of signs.  The neuron to split is the one whose upper line
costs the bound most (after BaBSR: Bunel et al. 2020, arXiv:1909.06588).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from workbench.graph import Array
from workbench.methods.alpha import Tuned, alpha_walk, optimise
from workbench.methods.chain import Chain
from workbench.methods.dense import Boxes, Walk, fresh
from workbench.methods.dense import bound as crown
from workbench.methods.suspects import Suspects
from workbench.methods.tree import Block, Proved, Signs, Tree, margin_of, member_of
from workbench.region import Region
from workbench.spec import Rows

ROOT, EACH, LAST = (
    20,
    15,
    200,
)  # gradient steps: for neurons and the whole region, for a choice of signs, at its end
MEMORY = 1 << 27  # bytes that the arrays of one batch may take


@dataclass(frozen=True, slots=True, eq=False)
class Root:
    """The whole region.

    Parameters
    ----------
    boxes : one box, with its neurons' bounds.
    slopes : by layer ``(R, n)``: the best slopes of each row.
    lower : ``(R,)``: lower bounds of the rows.
    """

    boxes: Boxes
    slopes: tuple[Array, ...]
    lower: Array


def root(chain: Chain, lower: Array, upper: Array, rows: Rows) -> Root:
    """Bounds of all neurons and rows over the whole region, slopes optimised."""
    walk = alpha_walk(chain, fresh(chain, lower, upper), ROOT)
    count = len(rows.threshold)
    box, row = np.zeros(count, np.int64), np.arange(count)
    with np.errstate(all="ignore"):
        found = optimise(
            walk, *walk.start(rows.matrix, box, row), box, iterations=ROOT, enough=rows.threshold
        )
    known = Boxes(lower, upper, tuple(walk.lows), tuple(walk.highs))
    return Root(known, found.slopes, found.lower)


def batch(chain: Chain, rows: Rows) -> int:
    """How many choices of signs are bounded together."""
    neurons = sum(layer.weight.shape[0] for layer in chain.layers) + chain.inputs
    return int(np.clip(MEMORY // (8 * 24 * neurons * len(rows.threshold)), 2, 256))


@dataclass(frozen=True, slots=True, eq=False)
class Parts:
    """What is proved of some choices of signs: bounds of the wanted rows, and where to split next.

    lower : ``(B, R)``; points : ``(B, R, inputs)``, where the bounds are least; split : ``(B, R)``, flat index of the
    neuron that costs row r most, -1 where no sign is open.
    """

    lower: Array
    points: Array
    split: Array


def bound(chain: Chain, base: Root, signs: Array, rows: Rows, wanted: Array) -> Parts:
    """Bound rows where neurons have the given signs, ``(B, neurons)``."""
    count, width = wanted.shape
    sizes = [layer.weight.shape[0] for layer in chain.layers[:-1]]
    by_layer = np.split(signs, np.cumsum(sizes)[:-1], axis=1)
    lows = tuple(
        np.where(s > 0, np.maximum(v, 0.0), v) for s, v in zip(by_layer, base.boxes.lows, strict=True)
    )
    highs = tuple(
        np.where(s < 0, np.minimum(v, 0.0), v) for s, v in zip(by_layer, base.boxes.highs, strict=True)
    )
    low, high = (np.repeat(v, count, axis=0) for v in (base.boxes.lower, base.boxes.upper))
    lower = np.full((count, width), -np.inf)
    points = np.zeros((count, width, chain.inputs))
    split = np.full((count, width), -1, np.int64)
    with np.errstate(all="ignore"):
        walk = Walk(chain, Boxes(low, high, lows, highs))
        for k in range(len(sizes)):
            walk.layer(k, refine=False)
        box, row = np.nonzero(wanted)
        decided = tuple(s.astype(np.float64) for s in by_layer)
        slopes = tuple(s[row] for s in base.slopes)
        begun = walk.start(rows.matrix, box, row)
        closed = not any(lines.open.any() for lines in walk.lines)
        steps = LAST if closed else EACH
        found = optimise(
            walk, *begun, box, iterations=steps, signs=decided, slopes=slopes, enough=rows.threshold[row]
        )
        lower[box, row] = found.lower
        points[box, row] = np.where(found.coefficients > 0, low[box], high[box])
        split[box, row] = _costliest(walk, found, box)
        # an empty choice of signs: neurons whose bounds have crossed
        empty = np.any([(lo > hi).any(axis=1) for lo, hi in zip(walk.lows, walk.highs, strict=True)], axis=0)
        lower[empty] = np.where(wanted[empty], np.inf, -np.inf)
    return Parts(lower, points, split)


def _costliest(walk: Walk, found: Tuned, box: Array) -> Array:
    """For each row the open neuron whose lines cost most; -1 where none is open."""
    costs = []
    for lines, arriving, low, high in zip(walk.lines, found.arriving, walk.lows, walk.highs, strict=True):
        down, up = np.maximum(-arriving, 0.0), np.maximum(arriving, 0.0)
        cost = down * lines.through[box] + 0.25 * up * np.minimum(-low, high)[box]
        costs.append(np.where(lines.open[box], cost + 1e-30, -1.0))
    every = np.concatenate(costs, axis=1)
    best = every.argmax(axis=1)
    return np.where(every[np.arange(len(every)), best] > 0, best, -1)


class SignSplitting:
    """How blocks of choices of signs are worked on; the search's state stands in the tree."""

    stuck = "every sign is fixed there, but the bounds are not tight enough"

    def __init__(self, chain: Chain, region: Region, rows: Rows, suspects: Suspects) -> None:
        self.chain, self.rows, self.suspects = chain, rows, suspects
        self.lower, self.upper = region.lower.reshape(1, -1), region.upper.reshape(1, -1)
        self.limits = np.nextafter(rows.threshold, np.inf)
        self.member = member_of(rows)
        self.batch = batch(chain, rows)
        self.base: Root | None = None

    def root(self) -> Block:
        """The whole region, no sign decided."""
        neurons = sum(layer.weight.shape[0] for layer in self.chain.layers[:-1])
        alive = np.ones((1, len(self.rows.groups)), bool)
        return Block(Signs(np.zeros((1, neurons), np.int8)), alive, np.full(1, -np.inf), np.ones(1))

    def work(self, tree: Tree, block: Block) -> Array | None:
        """Bound a block, keep what is proved, put the parts of the rest back; an unsafe input where one is found."""
        assert isinstance(block.boxes, Signs)
        if self.base is None:
            self.base = root(self.chain, self.lower, self.upper, self.rows)
        signs = block.boxes.signs
        found = bound(self.chain, self.base, signs, self.rows, block.alive @ self.member)
        slack = self._slack()
        lower = np.nextafter(found.lower - slack, -np.inf)
        # what holds on the whole region holds on its parts
        lower = np.maximum(lower, np.nextafter(self.base.lower - slack, -np.inf))
        alive = block.alive & ~self.rows.refuted(lower)
        margin, telling = margin_of(self.rows, lower, alive)
        going = alive.any(axis=1)
        last = np.flatnonzero(going & (found.split.max(axis=1) < 0))
        if last.size and last.size < len(block):  # nothing is left to split there: only more steps can help
            again = bound(self.chain, self.base, signs[last], self.rows, alive[last] @ self.member)
            lower[last] = np.maximum(lower[last], np.nextafter(again.lower - slack, -np.inf))
            alive &= ~self.rows.refuted(lower)
            margin, telling = margin_of(self.rows, lower, alive)
            going = alive.any(axis=1)
        points = found.points[going].reshape(-1, self.chain.inputs)
        over = self.chain.run(points) @ self.rows.matrix.T - self.limits
        suspect = self.suspects.unsafe(points, over)
        if suspect is not None:
            return suspect
        tree.visited += len(block)
        done = int((~going).sum())
        low, high = (np.repeat(e, done, axis=0) for e in (self.lower, self.upper))
        tree.keep(Proved(low, high, signs=signs[~going]), block.weight[~going])
        split = found.split[np.arange(len(block)), telling]
        # a row that was not bounded again says nothing of where to split: any open neuron will do
        split = np.where(split >= 0, split, found.split.max(axis=1))
        closed = going & (split < 0)
        tree.stuck += int(closed.sum())
        tree.stuck_margin = min(tree.stuck_margin, float(margin[closed].min(initial=np.inf)))
        on = np.flatnonzero(going & ~closed)
        if on.size:
            on = on[np.argsort(-margin[on], kind="stable")]
            left, right = signs[on], signs[on].copy()
            left[np.arange(on.size), split[on]], right[np.arange(on.size), split[on]] = -1, 1
            held = np.maximum(margin, block.margin)[on]
            rest = (np.concatenate([v, v]) for v in (alive[on], held, 0.5 * block.weight[on]))
            tree.open.append(Block(Signs(np.concatenate([left, right])), *rest))
        return None

    def _slack(self) -> Array:
        """What the exact rows may differ from the float ones by, ``(1, R)``."""
        if self.rows.error is None or self.base is None:
            return np.zeros((1, len(self.limits)))
        n = self.rows.size
        both = np.concatenate([np.eye(n), -np.eye(n)])
        ends = crown(self.chain, self.base.boxes, both, np.ones((1, 2 * n), bool)).lower.reshape(1, 2, n)
        return np.asarray(self.rows.slack(np.maximum(np.abs(ends[:, 0]), np.abs(ends[:, 1]))))
