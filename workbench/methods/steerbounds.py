"""Bounds for parts that a person cuts by hand: each a box of inputs and signs of neurons, in any mixture.

Dense chains go through `methods.dense`, many parts at once, their neurons bounded anew on every part; other graphs
through the network that is reduced over each box (`methods.reduced`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from workbench.graph import Array
from workbench.methods.alpha import optimise
from workbench.methods.chain import Chain, chain_of
from workbench.methods.crown import crown
from workbench.methods.dense import Boxes, Walk, together
from workbench.methods.graphsigns import costs
from workbench.methods.reducedalpha import chords
from workbench.methods.reducedalpha import optimise as optimise_reduced
from workbench.methods.reducedroot import ground
from workbench.methods.scene import kinks_of
from workbench.region import Region
from workbench.semantics.interval import Interval
from workbench.semantics.plan import Plan
from workbench.spec import Rows

STEPS, NEURONS = 20, 5  # gradient steps of rows, and of a reduced network's neurons


@dataclass(frozen=True, slots=True, eq=False)
class Parts:
    """B parts to bound.

    Parameters
    ----------
    lower, upper : ``(B, n)``.
    signs : ``(B, neurons)``, -1, 0 or +1, numbered as in `scene.Kink`.
    wanted : ``(B, R)``: rows that are not refuted there yet.
    held : what the part around each of them left behind (`Bounded.held`), or None.
    """

    lower: Array
    upper: Array
    signs: Array
    wanted: Array
    held: Sequence[Any]


@dataclass(frozen=True, slots=True, eq=False)
class Bounded:
    """What is proved of them.

    Parameters
    ----------
    lower : ``(B, R)``: lower bounds of the wanted rows, else minus infinity.
    points, coefficients : ``(B, R, n)``: where they are least, and how they depend on the inputs.
    cost : ``(B, R, neurons)``: what each open neuron's lines cost a row, about; at most 0 where its sign is known.
    empty : ``(B,)``: parts that hold no input: their signs exclude each other.
    held : for the parts inside them.
    """

    lower: Array
    points: Array
    coefficients: Array
    cost: Array
    empty: Array
    held: list[Any]


def bounder(plan: Plan, region: Region, rows: Rows) -> Dense | General:
    """The way that fits the network."""
    chain = chain_of(plan)
    return General(plan, region, rows) if chain is None else Dense(plan, chain, region, rows)


def _nothing(parts: Parts, inputs: int) -> Bounded:
    count, width = parts.wanted.shape
    return Bounded(
        np.full((count, width), -np.inf),
        np.zeros((count, width, inputs)),
        np.zeros((count, width, inputs)),
        np.zeros((count, width, parts.signs.shape[1])),
        np.zeros(count, bool),
        [None] * count,
    )


class Dense:
    """Parts of a dense chain's region."""

    def __init__(self, plan: Plan, chain: Chain, region: Region, rows: Rows) -> None:
        self.plan, self.chain, self.region, self.rows = plan, chain, region, rows
        self.sizes = [layer.weight.shape[0] for layer in chain.layers[:-1]]

    def bound(self, parts: Parts) -> Bounded:
        """Bound the wanted rows on every part."""
        found = _nothing(parts, self.chain.inputs)
        if not len(parts.lower):
            return found
        boxes = self._boxes(parts)
        with np.errstate(all="ignore"):
            walk = Walk(self.chain, boxes)
            for k in range(len(self.sizes)):
                walk.layer(k)
            box, row = np.nonzero(parts.wanted)
            begun = walk.start(self.rows.matrix, box, row)
            signs = tuple(s.astype(np.float64) for s in self._by_layer(parts.signs))
            enough = np.nextafter(self.rows.threshold[row], np.inf)
            best = optimise(walk, *begun, box, iterations=STEPS, signs=signs, enough=enough)
        for lo, hi in zip(walk.lows, walk.highs, strict=True):
            found.empty[(lo > hi).any(axis=1)] = True
        found.lower[box, row] = best.lower
        found.coefficients[box, row] = best.coefficients
        low, high = parts.lower[box], parts.upper[box]
        found.points[box, row] = np.where(best.coefficients > 0, low, high)
        found.cost[box, row] = self._costs(walk, best.arriving, box)
        done = Boxes(parts.lower, parts.upper, tuple(walk.lows), tuple(walk.highs))
        for k in range(len(parts.lower)):
            found.held[k] = done.take(slice(k, k + 1))
        return found

    def _by_layer(self, signs: Array) -> list[Array]:
        return np.split(signs, np.cumsum(self.sizes)[:-1], axis=1) if self.sizes else []

    def _boxes(self, parts: Parts) -> Boxes:
        """The boxes with what is known of their neurons: the parts around them, and the signs."""
        fresh = tuple(np.full((1, n), np.inf) for n in self.sizes)
        known = [
            h
            if isinstance(h, Boxes)
            else Boxes(parts.lower[:1], parts.upper[:1], tuple(-v for v in fresh), fresh)
            for h in parts.held
        ]
        whole = together(known)
        lows, highs = [], []
        for lo, hi, s in zip(whole.lows, whole.highs, self._by_layer(parts.signs), strict=True):
            lows.append(np.where(s > 0, np.maximum(lo, 0.0), lo))
            highs.append(np.where(s < 0, np.minimum(hi, 0.0), hi))
        return Boxes(parts.lower, parts.upper, tuple(lows), tuple(highs))

    def _costs(self, walk: Walk, every: Sequence[Array], box: Array) -> Array:
        costs = [np.zeros((len(box), 0))]
        for lines, arriving, low, high in zip(walk.lines, every, walk.lows, walk.highs, strict=True):
            down, up = np.maximum(-arriving, 0.0), np.maximum(arriving, 0.0)
            cost = down * lines.through[box] + 0.25 * up * np.minimum(-low, high)[box]
            costs.append(np.where(lines.open[box], cost + 1e-30, -1.0))
        return np.concatenate(costs, axis=1)

    def neurons(self, held: Any) -> tuple[Array, Array]:
        """Bounds ``(neurons,)`` of the operands of the kinks on one part."""
        assert isinstance(held, Boxes)
        lows = [v[0] for v in held.lows] or [np.zeros(0)]
        highs = [v[0] for v in held.highs] or [np.zeros(0)]
        return np.concatenate(lows), np.concatenate(highs)

    def proved(self, held: Any) -> Mapping[str, Interval]:
        """By node, what is proved on one part beyond CROWN."""
        assert isinstance(held, Boxes)
        names = [layer.node for layer in self.chain.layers[:-1]]
        shapes = [(1, *self.plan.graph[n].shape) for n in names]
        return {
            n: Interval(lo.reshape(s), hi.reshape(s))
            for n, s, lo, hi in zip(names, shapes, held.lows, held.highs, strict=True)
        }


class General:
    """Parts of any other network's region, each box reduced for itself."""

    def __init__(self, plan: Plan, region: Region, rows: Rows) -> None:
        self.plan, self.region, self.rows = plan, region, rows

    def bound(self, parts: Parts) -> Bounded:
        """Bound the wanted rows on every part."""
        found = _nothing(parts, self.region.lower.size)
        for k in range(len(parts.lower)):
            self._one(parts, k, found)
        return found

    def _one(self, parts: Parts, k: int, found: Bounded) -> None:
        low, high = parts.lower[k], parts.upper[k]
        held = parts.held[k]
        same = held is not None and np.array_equal(held[0], low) and np.array_equal(held[1], high)
        if not same:
            region = self._region(low, high)
            output = self.plan.graph[self.plan.graph.outputs[0]]
            bounds = crown(self.plan, {self.plan.graph.inputs[0]: region}).intervals
            if held is not None:
                bounds = {n: b.intersect(held[2].bounds[n]) for n, b in bounds.items()}
            matrix = self.rows.matrix.reshape(-1, *output.shape)
            held = (
                low,
                high,
                ground(self.plan, region, matrix, iterations=NEURONS, last=STEPS, bounds=bounds),
            )
        found.held[k] = held
        base = held[2]
        net, row = base.net, np.flatnonzero(parts.wanted[k])
        over = chords(net, net.low[None], net.high[None], parts.signs[k : k + 1, net.numbers])
        part = np.zeros(row.size, np.int64)
        best = optimise_reduced(net, net.rows, row, over, part, iterations=STEPS, slopes=base.slopes[row])
        found.lower[k, row] = np.maximum(best.lower, base.lower[row])
        found.points[k, row], found.coefficients[k, row] = best.points, best.coefficients
        every = np.full((row.size, parts.signs.shape[1]), -1.0)
        every[:, net.numbers] = costs(net, over, best, np.arange(row.size), part)
        found.cost[k, row] = every
        lo, hi = self.neurons(held)
        s = parts.signs[k]
        found.empty[k] = bool(((s > 0) & (hi < 0)).any() or ((s < 0) & (lo > 0)).any())

    def _region(self, low: Array, high: Array) -> Region:
        """A part's box; the ball itself, where the part is all of it."""
        if np.array_equal(low, self.region.lower.reshape(-1)) and np.array_equal(
            high, self.region.upper.reshape(-1)
        ):
            return self.region
        return Region(low.reshape(1, *self.region.shape), high.reshape(1, *self.region.shape))

    def neurons(self, held: Any) -> tuple[Array, Array]:
        """Bounds ``(neurons,)`` of the operands of the kinks on one part."""
        bounds = held[2].bounds
        ends = [
            (bounds[k.operand].lo.reshape(-1), bounds[k.operand].hi.reshape(-1)) for k in kinks_of(self.plan)
        ]
        lo, hi = (np.concatenate([e[j] for e in ends] or [np.zeros(0)]) for j in (0, 1))
        return lo, hi

    def proved(self, held: Any) -> Mapping[str, Interval]:
        """By node, what is proved on one part beyond CROWN."""
        return {k.operand: held[2].bounds[k.operand] for k in kinks_of(self.plan)}
