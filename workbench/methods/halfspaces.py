"""Multipliers of ranges: what it is worth to a bound that a part's operands lie where they do.

On a part whose operands satisfy ``s (z - c) >= 0``, for b >= 0 the row ``L . y - b s (z - c)`` is nowhere above
``L . y`` (weak duality; for smooth nodes: Shi et al. 2024, arXiv:2405.21063), so that its least value is a bound there.
The multipliers are found by gradients in plain floats, as in `methods.ascent`: coefficients back through the lines, the
minimiser forward, and the derivative by b is ``-s (z* - c)``.  Then `semantics.backward` bounds the row with them,
every rounding charged: whatever was chosen, the bound holds.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from workbench.graph import Array
from workbench.methods.ascent import FIRST, SECOND, through_linear, through_lines, value_of
from workbench.methods.crown import lower_ends
from workbench.methods.scene import Scene, parts_of
from workbench.methods.tree import Ranges
from workbench.semantics.affine import Linear, same
from workbench.semantics.backward import INFLATE, backward
from workbench.semantics.interval import TINY, UNIT

STEP, SHRINK, STEPS = 0.5, 0.85, 12


class Halfspaces:
    """One row on each of B parts, with the multipliers of the parts' ranges.

    Parameters
    ----------
    scene : lines over B parts.
    rows : ``(B, *shape)`` of the first output.
    ranges : of the parts; of each column one end is finite.
    first : by operand the number of its first element.
    """

    def __init__(self, scene: Scene, rows: Array, ranges: Ranges, first: Mapping[str, int]) -> None:
        self.scene, self.plan, self.rows, self.ranges = scene, scene.plan, rows, ranges
        self.output, self.input = scene.plan.graph.outputs[0], scene.plan.graph.inputs[0]
        self.count, self.first = len(rows), first
        self.part = np.arange(self.count)
        above = np.isfinite(ranges.lower)
        self.known = (ranges.index >= 0) & (above | np.isfinite(ranges.upper))
        self.sign = np.where(self.known, np.where(above, 1.0, -1.0), 0.0)
        self.place = np.where(self.known, np.where(above, ranges.lower, ranges.upper), 0.0)
        self.weight = np.where(self.known, ranges.weight, 0.0)
        self.columns = {  # by operand: which ranges are of it
            name: np.nonzero(
                self.known & (ranges.index >= at) & (ranges.index < at + scene.plan.graph[name].size)
            )
            for name, at in first.items()
        }
        wanted = self.plan.upstream(self.output)
        self.steps = [s for s in self.plan.steps if s.node.name in wanted and s.node.name in self.plan.live]

    def extra(self) -> dict[str, Array]:
        """What multipliers add to the coefficients of operands, ``(B, *shape)``."""
        found = {}
        for name, at in self.columns.items():
            if at[0].size:
                whole = np.zeros((self.count, self.plan.graph[name].size))
                element = self.ranges.index[at] - self.first[name]
                np.add.at(whole, (at[0], element), -self.weight[at] * self.sign[at])
                found[name] = whole.reshape(self.count, *self.plan.graph[name].shape)
        return found

    def back(self) -> tuple[Array, Array]:
        """Coefficients at the inputs ``(B, inputs)``, and about the least value of every row."""
        with np.errstate(all="ignore"):
            return self._back()

    def _back(self) -> tuple[Array, Array]:
        pending = {self.output: self.rows}
        constant = (self.weight * self.sign * self.place).sum(axis=1)
        for name, more in self.extra().items():
            pending[name] = pending[name] + more if name in pending else more
        self.caught: dict[str, Array] = {}
        self.scale = np.zeros(self.sign.shape)
        for step in reversed(self.steps):
            name = step.node.name
            if name not in pending:
                continue
            a, form = pending.pop(name), self.scene.forms[name]
            if name in self.columns:
                at = self.columns[name]
                self.scale[at] = np.abs(a).reshape(self.count, -1).max(axis=1)[at[0]]
            if isinstance(form, Linear):
                pieces, added = through_linear(step, form, a)
            else:
                self.caught[name] = a
                pieces, added = through_lines(step, form, a, self.part)
            constant = constant + added
            for operand, piece in pieces:
                if operand is None:
                    continue
                if operand in self.plan.live:
                    pending[operand] = pending[operand] + piece if operand in pending else piece
                else:
                    middle = np.broadcast_to(np.asarray(self.value({}, operand)), piece.shape)
                    constant = constant + (piece * middle).reshape(self.count, -1).sum(axis=1)
        region = self.scene.region
        a = pending.get(self.input, np.zeros((self.count, *region.shape))).reshape(self.count, -1)
        low, high = (e.reshape(1, -1) for e in (region.lower, region.upper))
        self.point = np.where(a > 0, low, high)
        return a, constant + (a * self.point).sum(axis=1)

    def value(self, values: Mapping[str, Array], operand: str | None) -> Array | None:
        """What stands for an operand on the way forward."""
        if operand is None or operand in values:
            return None if operand is None else values[operand]
        if operand in self.plan.constants:
            return np.asarray(self.plan.number(operand))
        z = self.scene.bounds[operand]
        return np.asarray(0.5 * z.lo + 0.5 * z.hi)

    def slopes(self) -> Array:
        """The derivative of every row by its multipliers ``(B, D)``: minimisers pushed forward through the lines."""
        values: dict[str, Array] = {self.input: self.point.reshape(-1, *self.scene.region.shape)}
        for step in self.steps:
            name, form = step.node.name, self.scene.forms[step.node.name]
            operands = [self.value(values, o) for o in step.operands]
            if isinstance(form, Linear):
                total = np.zeros((1, *step.node.shape)) if form.bias is None else form.bias
                for m, x in zip(form.maps, operands, strict=True):
                    if m is not None and x is not None:
                        total = total + (x if m.apply is same else m.apply(x))
                values[name] = np.broadcast_to(total, (self.count, *step.node.shape))
            else:
                low, high = (value_of(step, form, s, operands, self.part) for s in (form.lower, form.upper))
                met = self.caught.get(name)
                values[name] = low if met is None else np.where(met > 0, low, high)
        found = np.zeros(self.sign.shape)
        for name, at in self.columns.items():
            if at[0].size and name in values:
                z = values[name].reshape(self.count, -1)[at[0], self.ranges.index[at] - self.first[name]]
                found[at] = -self.sign[at] * (z - self.place[at])
        return found

    def climb(self) -> None:
        """Some steps; the best multipliers stay."""
        best, kept = np.full(self.count, -np.inf), self.weight
        mean, square = np.zeros(self.sign.shape), np.zeros(self.sign.shape)
        with np.errstate(all="ignore"):
            for number in range(STEPS + 1):
                _, value = self.back()
                better = value > best
                best, kept = np.where(better, value, best), np.where(better[:, None], self.weight, kept)
                if number == STEPS:
                    break
                slope = np.nan_to_num(self.slopes(), posinf=1e100, neginf=-1e100)
                mean = FIRST * mean + (1 - FIRST) * slope
                square = SECOND * square + (1 - SECOND) * slope * slope
                one, two = 1 - FIRST ** (number + 1), 1 - SECOND ** (number + 1)
                move = (mean / one) / (np.sqrt(square / two) + 1e-12)
                size = np.maximum(self.scale, 1e-6)
                self.weight = np.maximum(self.weight + STEP * SHRINK**number * size * move, 0.0) * np.abs(
                    self.sign
                )
        self.weight = np.where(np.isfinite(kept), kept, 0.0)

    def least(self) -> Array:
        """Lower bounds ``(B,)`` of the rows with the multipliers as they are; they hold."""
        extra = {name: more[:, None] for name, more in self.extra().items()}
        with np.errstate(all="ignore"):
            found = backward(
                self.plan, self.output, self.rows[:, None], self.scene.prepared, self.scene.bounds, extra
            )
            where = {self.input: parts_of(self.scene.region, np.zeros(self.count, np.int64))}
            lower = lower_ends(found, where)[:, 0]
            terms = self.weight * self.sign * self.place
            size = np.abs(terms).sum(axis=1) + self._merged()
            slack = (2 * terms.shape[1] + 8) * UNIT * (size + np.abs(lower)) * INFLATE + (
                terms.shape[1] + 1
            ) * TINY
            total = np.nextafter(lower + terms.sum(axis=1) - slack, -np.inf)
        return np.asarray(np.where(np.isnan(total), -np.inf, total))

    def _merged(self) -> Array:
        """Sizes of what multipliers weigh: their sums at one element are rounded."""
        found = np.zeros(self.count)
        for name, at in self.columns.items():
            z = self.scene.bounds[name].magnitude.reshape(len(self.scene.bounds[name].lo), -1)
            z = np.broadcast_to(z, (self.count, z.shape[1]))
            np.add.at(found, at[0], self.weight[at] * z[at[0], self.ranges.index[at] - self.first[name]])
        return found
