"""Slopes below relus, and multipliers of phases, improved in floats: choices, which need no proof.

A few steps up the gradient (alpha- and beta-CROWN: Xu et al. 2021, arXiv:2011.13824; Wang et al. 2021,
arXiv:2103.06624).  The bound is a linear function's least value over the box.  Its slope by that of a line is the
coefficient that arrives there times the operand at the minimiser; by the multiplier of a phase, that operand.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from workbench.certificate.elements import ONE, largest
from workbench.certificate.packed import unpack
from workbench.certificate.parts import SLOPE, Part, line_of
from workbench.certificate.program import Program, Step
from workbench.certificate.reduced import Ends, Reduced
from workbench.graph import Array

STEPS, STEP, SHRINK = 8, 0.4, 0.8
LONG = 40  # steps on a whole network, whose parts are not bounded again
Pairs = dict[str, list[list[int]]]


def tuned(found: Reduced, box: Ends, row: Sequence[int], limit: float, P: int) -> Pairs | None:
    """Slopes with which the row over the outputs is above `limit` (both in units), as a certificate has them.

    None where that was not found.
    """
    unit, n, count = 2.0**-P, len(box[0]), len(found.units)
    width = n + count
    weights, constant = np.zeros((count, width)), np.zeros(count)
    for k, s in enumerate(found.operands):
        weights[k, : s.count], constant[k] = unpack(s.row, s.count, s.size, P), 0.5 * (s.down + s.up)
    weights, constant = weights * unit, constant * unit
    start, first = np.zeros(width), 0.0
    for c, s in zip(row, found.outputs, strict=True):
        if c:
            start[: s.count] += np.array(unpack(s.row, s.count, s.size, P), float) * (c * unit)
            first += c * unit * 0.5 * (s.down + s.up)
    start, limit = start * unit, limit * unit
    first *= unit
    lines = np.array([line[:4] for line in found.lines], float).reshape(count, 4)
    scale = 2.0 ** lines[:, 3]
    below, above, offset = lines[:, 0] / scale, lines[:, 1] / scale, lines[:, 2] * unit
    free = np.array([l < 0 < h for l, h in zip(found.low, found.high, strict=True)], bool)
    flat = np.array([u.flat * 2.0**-u.shift for u in found.units])
    low, high = (np.array(e, float) * unit for e in box)
    for number in range(STEPS + 1):
        total, least, arriving = start.copy(), first, np.zeros(count)
        for k in range(count - 1, -1, -1):
            u = arriving[k] = total[n + k]
            if u:
                w = u * (below[k] if u > 0 else above[k])
                least += w * constant[k] + min(u, 0.0) * offset[k]
                total += w * weights[k]
        a = total[:n]
        x = np.where(a >= 0, low, high)
        if least + a @ x > limit + 1e-9 * (abs(limit) + 1):
            every = zip(found.units, below.tolist(), free.tolist(), strict=True)
            return _pairs((u.name, u.element, value, u.flat, u.shift) for u, value, choice in every if choice)
        if number == STEPS:
            return None
        point = np.concatenate([x, np.zeros(count)])
        slope = np.zeros(count)
        for k in range(count):
            z = weights[k] @ point + constant[k]
            slope[k] = max(arriving[k], 0.0) * z * free[k]
            point[n + k] = below[k] * z if arriving[k] > 0 else above[k] * z + offset[k]
        if not slope.any():
            return None
        step: Array = STEP * SHRINK**number * slope / np.abs(slope).max()
        below = np.where(free, np.clip(below + step, flat, 1.0), below)
    return None


def _pairs(every: Any) -> Pairs:
    slopes: Pairs = {}
    for name, element, value, flat, shift in every:
        least = -(-(flat << SLOPE) >> shift)
        chosen = min(max(round(value * (1 << SLOPE)), least), 1 << SLOPE)
        slopes.setdefault(name, []).append([element, chosen])
    return slopes


@dataclass
class _Lines:
    """One relu or smooth step over a part: lines in floats; what may be chosen; signs of phases (0: none)."""

    below: Array
    above: Array
    offset: Array
    floor: Array
    free: Array
    flat: float
    sign: Array
    beta: Array
    arriving: Array = field(default_factory=lambda: np.zeros(0))


class Floats:
    """A program in floats: rows carried back through lines, and points forward."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.matrices = [np.array(s.matrix, np.float64) * 2.0**-s.exponent for s in program.steps]
        self.gather = [_index(s) for s in program.steps]
        self.largest: dict[int, tuple[Array, ...]] = {}  # of the last part whose lines were asked for

    def lines(self, part: Part, P: int) -> dict[int, _Lines]:
        """The lines of all relus and smooth steps on a part with bounds."""
        found = {}
        for i, step in enumerate(self.program.steps):
            k, none = (step.sources or (0,))[0], np.zeros(step.size)
            if step.kind == "relu":
                each = [
                    line_of(step.matrix[0][0], step.exponent, l, h, None, j, "")
                    for j, (l, h) in enumerate(zip(part.low[k], part.high[k], strict=True))
                ]
                table = np.array([e[:4] for e in each], float)
                scale, sign = 2.0 ** table[:, 3], np.zeros(step.size)
                for (at, j), above in part.phases.items():
                    if at == k:
                        sign[j] = 1.0 if above else -1.0
                free = np.array([l < 0 < h for l, h in zip(part.low[k], part.high[k], strict=True)])
                lines = table[:, 0] / scale, table[:, 1] / scale, table[:, 2] * 2.0**-P, none, free
                found[i] = _Lines(*lines, step.matrix[0][0] * 2.0**-step.exponent, sign, none)
            elif step.kind == "smooth":
                table = np.array([one[1:] for one in part.lines[i].bent], float).T
                ends = table[2] * 2.0**-P, table[3] * 2.0**-P
                found[i] = _Lines(table[0] / ONE, table[1] / ONE, *ends, none > 0, 0.0, none, none)
            elif step.kind == "max" and step.taps is not None:
                every = [
                    largest([j for j in g if j >= 0], part.low[k], part.high[k]) for g in step.taps.gather
                ]
                below, above, s, t = np.array(every, float).T
                self.largest[i] = below.astype(int), above.astype(int), s / ONE, t * 2.0**-P
        return found

    def back(self, row: Array, lines: Mapping[int, _Lines]) -> tuple[Array, float]:
        """A linear function of the input below ``row . outputs``."""
        steps, constant = self.program.steps, 0.0
        pending: dict[int, Array] = {self.program.output: row}
        for i in range(self.program.output, 0, -1):
            if i not in pending:
                continue
            a, step, m = pending.pop(i), steps[i], self.matrices[i]
            if i in lines:
                at = lines[i]
                at.arriving = a
                constant += float(np.minimum(a, 0.0) @ at.offset + np.maximum(a, 0.0) @ at.floor)
                a = np.where(a >= 0, a * at.below, a * at.above) - at.beta * at.sign
            elif step.kind == "shift":
                constant += float(a @ m[0])
            elif step.kind == "affine":
                constant += float(a @ m[:, -1])
                a = a @ m[:, :-1]
            elif step.kind == "scale":
                a = a * m[0]
            elif step.kind == "pool":
                total = np.zeros(steps[step.sources[0]].size + 1)
                np.add.at(total, self.gather[i], a[:, None])
                a = total[:-1]
            elif step.kind == "max":
                below, above, s, t = self.largest[i]
                constant += float(np.minimum(a, 0.0) @ t)
                total = np.zeros(steps[step.sources[0]].size)
                np.add.at(total, below, np.maximum(a, 0.0))
                np.add.at(total, above, np.minimum(a, 0.0) * s)
                a = total
            elif step.kind == "conv":
                blocks = a.reshape(len(m), -1).T @ m
                constant += float(blocks[:, -1].sum())
                total = np.zeros(steps[step.sources[0]].size + 1)
                np.add.at(total, self.gather[i], blocks[:, :-1])  # the last one takes what goes to padding
                a = total[:-1]
            for k in step.sources:
                pending[k] = pending[k] + a if k in pending else a
        return pending.get(0, np.zeros(steps[0].size)), constant

    def forward(self, x: Array, lines: Mapping[int, _Lines]) -> dict[int, Array]:
        """Operands of all relus where each follows the line that the last row took."""
        known, operands = [x], {}
        for i, step in enumerate(self.program.steps[1 : self.program.output + 1], 1):
            v, m = known[step.sources[0]], self.matrices[i]
            if i in lines:
                operands[i], at = v, lines[i]
                v = (
                    np.where(at.arriving >= 0, at.below * v + at.floor, at.above * v + at.offset)
                    if at.arriving.size
                    else v
                )
            elif step.kind == "shift":
                v = v + m[0]
            elif step.kind == "add":
                v = v + known[step.sources[1]]
            elif step.kind == "affine":
                v = m[:, :-1] @ v + m[:, -1]
            elif step.kind == "scale":
                v = v * m[0]
            elif step.kind == "pool":
                v = np.append(v, 0.0)[self.gather[i]].sum(axis=1)
            elif step.kind == "max":
                v = v[self.largest[i][0]]
            else:
                v = (np.append(v, 0.0)[self.gather[i]] @ m[:, :-1].T + m[:, -1]).T.reshape(-1)
            known.append(v)
        return operands

    def tuned(self, part: Part, row: Sequence[int], limit: float, P: int) -> dict[str, Any] | None:
        """Slopes and multipliers with which the row is above `limit`, as a leaf of a certificate has them; or None."""
        lines, unit = self.lines(part, P), 2.0**-P
        low, high = (np.array(e, float) * unit for e in part.box)
        start, limit = np.array(row, float) * unit, limit * unit
        for number in range(LONG):
            a, constant = self.back(start, lines)
            x = np.where(a >= 0, low, high)
            least = constant + float(a @ x)
            if least > limit + 1e-7 * (abs(limit) + 1):
                return self._written(lines, P)
            moves = []
            for i, z in self.forward(x, lines).items():
                at = lines[i]
                if at.arriving.size:
                    moves.append((at, np.maximum(at.arriving, 0.0) * z * at.free, -at.sign * z))
            scale = max((float(np.abs(s).max()) for _, s, _ in moves), default=0.0)
            other = max((float(np.abs(b).max()) for _, _, b in moves), default=0.0)
            size = max((float(np.abs(at.arriving).max()) for at, _, _ in moves), default=0.0)
            if not scale and not other:
                return None
            step = STEP * 0.93**number
            for at, slope, beta in moves:
                at.below = np.where(
                    at.free, np.clip(at.below + step * slope / (scale or 1.0), at.flat, 1.0), at.below
                )
                at.beta = np.maximum(at.beta + step * size * beta / (other or 1.0), 0.0) * np.abs(at.sign)
        return None

    def costliest(self, part: Part, row: Sequence[int], P: int) -> tuple[str, int] | None:
        """The open relu, and its element, whose lines cost the row most."""
        lines, best, found = self.lines(part, P), 0.0, None
        self.back(np.array(row, float) * 2.0**-P, lines)
        for i, at in lines.items():
            if at.arriving.size:
                k = self.program.steps[i].sources[0]
                near = [min(-l, h) * 2.0**-P for l, h in zip(part.low[k], part.high[k], strict=True)]
                cost = np.maximum(-at.arriving, 0.0) * at.offset + 0.25 * np.maximum(
                    at.arriving, 0.0
                ) * np.array(near)
                cost = np.where(at.free, cost + 1e-30, 0.0)
                if cost.max(initial=0.0) > best:
                    best, found = float(cost.max()), (self.program.steps[i].name, int(cost.argmax()))
        return found

    def _written(self, lines: Mapping[int, _Lines], P: int) -> dict[str, Any]:
        steps, slopes, multipliers = self.program.steps, [], []
        for i, at in lines.items():
            if steps[i].kind != "relu":
                continue
            flat, e = steps[i].matrix[0][0], steps[i].exponent
            used = at.free & (at.arriving > 0) if at.arriving.size else at.free
            slopes += [(steps[i].name, j, float(at.below[j]), flat, e) for j in np.flatnonzero(used).tolist()]
            multipliers += [
                [steps[i].name, j, round(float(at.beta[j]) * 2.0**P)]
                for j in np.flatnonzero(at.beta).tolist()
            ]
        return {"slopes": _pairs(slopes), "multipliers": multipliers}


def _index(step: Step) -> Array:
    """What every place of a step reads, -1 where it reads nothing, as an array."""
    if step.taps is None:
        return np.zeros((0, 0), np.int64)
    most = max(map(len, step.taps.gather))
    return np.array([[*g, *[-1] * (most - len(g))] for g in step.taps.gather])
