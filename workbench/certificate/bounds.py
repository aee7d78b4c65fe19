"""Exact bounds of a part of the region, in integers: rules R2 to R6 of the checker (`check.py` has the others).

Every vector of the network is bounded in units of ``2**-P`` (P is the certificate's precision): an integer v stands for
``v * 2**-P``.  ``>>`` rounds down, and what is rounded is a lower bound, so rounding down keeps it one; an upper bound
is the negative of a lower bound.  There are only Python integers here; python-flint, where it is installed,
multiplies the same integer matrices faster.  Each rule stands with its proof at its method.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from operator import mul
from typing import Any

from workbench.certificate.elements import KINDS, matter
from workbench.certificate.elements import back as back_through
from workbench.certificate.elements import interval as interval_of
from workbench.certificate.format import CannotCheck
from workbench.certificate.matrices import Matrices, Row
from workbench.certificate.parts import Empty, Lines, Part, charged, least, lines_of, sums
from workbench.certificate.program import Program, Step
from workbench.certificate.reduced import bound as bound_reduced
from workbench.certificate.reduced import functions as functions_reduced
from workbench.certificate.reduced import phased as phased_reduced
from workbench.certificate.reduced import reduce as reduce_again
from workbench.certificate.reduced import start as reduce_first
from workbench.certificate.smooth import lines_of_smooth

Forms = tuple[Sequence[Row], Sequence[Row]]
Slopes = Mapping[int, Mapping[int, Any]]
NONE: Slopes = {}


class Bounds:
    """One program at one precision, and the rules for it."""

    def __init__(
        self, program: Program, precision: int, flint: bool | None = None, until: float | None = None
    ) -> None:
        self.program, self.P, self.until = program, precision, until
        self.matrices = Matrices(flint)
        self.relus = {s.name: i for i, s in enumerate(program.steps) if s.kind == "relu"}
        self.smooth = {s.name: i for i, s in enumerate(program.steps) if s.kind == "smooth"}
        self.sources = matter(program)
        if self.smooth and flint is False:
            raise CannotCheck("a smooth function is checked by python-flint's ball arithmetic")
        self.dense = cache(self._dense)  # of this checker: it goes with it

    def in_time(self) -> None:
        """Refuse to go on after the deadline."""
        if self.until is not None and time.monotonic() > self.until:
            raise CannotCheck("the time limit was reached")

    # ---- R2: intervals

    def _dense(self, i: int) -> tuple[Any, ...]:
        """An affine step's matrix for `interval` (with its bias, and absolute), for `forms`, and for rows."""
        rows = self.program.steps[i].matrix
        columns = [list(c) for c in zip(*rows, strict=True)]
        size = [[abs(v) for v in c] for c in columns[:-1]]
        split = [[max(v, 0) for v in r[:-1]] + [max(-v, 0) for v in r[:-1]] for r in rows]
        swapped = [r[len(r) // 2 :] + r[: len(r) // 2] for r in split]
        halves = self.matrices.left(split), self.matrices.left(swapped)
        return *(self.matrices.prepare(m) for m in (columns, size)), halves, self.matrices.prepare(rows)

    def interval(self, i: int, part: Part) -> tuple[list[int], list[int]]:
        """Bounds of step i from those of its sources.

        affine: with m = (l + u)/2 and r = (u - l)/2, ``|W x - W m| <= |W| r`` for every l <= x <= u.
        relu: it is monotone.  shift, add: sums of bounds.
        """
        step, P = self.program.steps[i], self.P
        if step.kind == "input":
            return list(part.box[0]), list(part.box[1])
        low, high = part.low[step.sources[0]], part.high[step.sources[0]]
        if step.kind == "shift":
            b = [(v << P) for v in step.matrix[0]]
            down = [x + (v >> step.exponent) for x, v in zip(low, b, strict=True)]
            return down, [x - (-v >> step.exponent) for x, v in zip(high, b, strict=True)]
        if step.kind == "add":
            others = part.low[step.sources[1]], part.high[step.sources[1]]
            return sums(low, others[0]), sums(high, others[1])
        if step.kind == "relu":
            alpha, e = step.matrix[0][0], step.exponent
            down = [v if v >= 0 else alpha * v >> e for v in low]
            return down, [v if v >= 0 else -(-alpha * v >> e) for v in high]
        if step.kind in KINDS:
            return interval_of(step, low, high, P, self.in_time)
        matrix, size, *_ = self.dense(i)
        middle, radius = (
            [a + b for a, b in zip(low, high, strict=True)],
            [b - a for a, b in zip(low, high, strict=True)],
        )
        if step.taps is None:
            center, reach = (
                self.matrices.multiply([[*middle, 2 << P]], matrix)[0],
                self.matrices.multiply([radius], size)[0],
            )
        else:
            padded, wide = [*middle, 0], [*radius, 0]  # a gather of -1 reads the 0 at the end
            blocks = self.matrices.multiply(
                [[*(padded[k] for k in g), 2 << P] for g in step.taps.gather], matrix
            )
            spans = self.matrices.multiply([[wide[k] for k in g] for g in step.taps.gather], size)
            center, reach = ([v for c in zip(*x, strict=True) for v in c] for x in (blocks, spans))
        e = step.exponent + 1
        return [(c - r) >> e for c, r in zip(center, reach, strict=True)], [
            -((-c - r) >> e) for c, r in zip(center, reach, strict=True)
        ]

    # ---- R3: linear functions of the input below a vector and below its negative

    def forms(self, i: int, part: Part, before: dict[int, Forms]) -> Forms:
        """Rows L, N with ``L_j . (x, 1) <= v_j`` and ``N_j . (x, 1) <= -v_j`` for every input x of the part.

        affine: ``w v >= max(w, 0) L + max(-w, 0) N``.  relu: from its lines (slopes are not negative).
        Rounding down a coefficient of x_i by less than a unit costs at most ``max(0, -low_i)`` units (R5).
        """
        step, P = self.program.steps[i], self.P
        n = len(part.box[0])
        if step.kind == "input":
            one = [[(1 << P) * (k == j) for k in range(n + 1)] for j in range(n)]
            return one, [[-v for v in r] for r in one]
        low, negative = before[step.sources[0]]
        if step.kind == "add":
            others = before[step.sources[1]]
            return [sums(a, b) for a, b in zip(low, others[0], strict=True)], [
                sums(a, b) for a, b in zip(negative, others[1], strict=True)
            ]
        charge = charged(part.low[0], P)
        if step.kind == "shift":
            b = [v << P for v in step.matrix[0]]
            e = step.exponent
            return [[*r[:-1], r[-1] + (v >> e)] for r, v in zip(low, b, strict=True)], [
                [*r[:-1], r[-1] + (-v >> e)] for r, v in zip(negative, b, strict=True)
            ]
        if step.kind == "relu":
            lines = self.lines(i, part, {})
            below, above = [list(r) for r in low], [list(r) for r in negative]
            for j, a, s, t, _ in lines.bent:
                below[j] = [v * a >> lines.shift for v in low[j]]
                above[j] = [v * s >> lines.shift for v in negative[j]]
                below[j][-1] -= charge
                above[j][-1] -= charge + t
            return below, above
        if step.kind != "affine":
            raise CannotCheck(f"{step.name[:60]!r} has no rule for forms: use rows")
        halves = self.dense(i)[2]
        stack = self.matrices.prepare([*low, *negative])
        found = []
        for sign, half in zip((1, -1), halves, strict=True):
            rows = [[v >> step.exponent for v in r] for r in self.matrices.multiply(half, stack)]
            for r, m in zip(rows, step.matrix, strict=True):
                r[-1] += ((sign * m[-1] << P) >> step.exponent) - charge
            found.append(rows)
        return found[0], found[1]

    def lines(self, i: int, part: Part, chosen: Mapping[int, int]) -> Lines:
        """R6: a relu's lines on the part, kept unless slopes were chosen; of a smooth function those of the bounds."""
        if (chosen or i not in part.lines) and i not in self.smooth.values():
            step = self.program.steps[i]
            found = lines_of(step, part.low[step.sources[0]], part.high[step.sources[0]], chosen, self.P)
            if chosen:
                return found
            part.lines[i] = found
        return part.lines[i]

    # ---- R4: rows

    def rows(
        self,
        rows: Sequence[Row],
        part: Part,
        slopes: Slopes = NONE,
        multipliers: Slopes = NONE,
    ) -> list[int]:
        """Lower bounds of ``rows . outputs`` over the part."""
        return least(self.functions(rows, part, slopes, multipliers), part.box, self.P)

    def functions(
        self, rows: Sequence[Row], part: Part, slopes: Slopes = NONE, multipliers: Slopes = NONE
    ) -> list[Row]:
        """Linear functions ``[*a, b]`` of the input with ``a . x + b <= rows . outputs``."""
        if part.reduced is not None:
            every = part.reduced, part.box, rows, slopes, multipliers, part.phases, self.P
            return list(functions_reduced(*every))
        return self.walked(self.program.output, rows, part, slopes, multipliers)

    def walked(
        self,
        target: int,
        rows: Sequence[Row],
        part: Part,
        slopes: Slopes = NONE,
        multipliers: Slopes = NONE,
        constant: list[int] | None = None,
    ) -> list[Row]:
        """Linear functions ``[*a, b]`` of the input with ``a . x + b <= rows . v + constant``, v of step `target`.

        Invariant: result >= sum over pending steps of coefficients . vector + constant.  Each step, last first, is
        replaced by its sources: affine and add exactly, but for coefficients rounded down (R5); relu by its line below
        where the coefficient is positive, and above where it is negative (R6).
        Phases (R8): where z >= 0 is known, ``result >= result - m z`` for m >= 0, and where z <= 0, ``+ m z``.
        """
        steps = self.program.steps
        constant = constant or [0] * len(rows)
        pending: dict[int, Sequence[Row]] = {target: rows}
        for i in range(target, 0, -1):
            if i not in pending:
                continue
            self.in_time()
            step, rows = steps[i], pending.pop(i)
            source, e = step.sources[0], step.exponent
            if step.kind == "shift":
                added = [sum(map(mul, r, step.matrix[0])) >> e for r in rows]
            elif step.kind == "add":
                added = [0] * len(rows)
            elif step.kind in ("relu", "smooth"):
                lines = self.lines(i, part, slopes.get(i, {}))
                passed, added = self._through_lines(lines, rows)
                for j, m in multipliers.get(i, {}).items():
                    for one in passed:
                        one[j] += -m if part.phases[source, j] else m
                rows = passed
            elif step.kind in KINDS:
                rows, added = back_through(step, rows, part.low[source], part.high[source], self.P)
            else:
                charge = charged(part.low[source], self.P)
                if step.taps is None:
                    product = self.matrices.multiply(rows, self.dense(i)[3])
                    added = [(r[-1] >> e) - charge for r in product]
                    rows = [[v >> e for v in r[:-1]] for r in product]
                else:
                    scattered, moved = self._scatter(step, rows, self.dense(i)[3], steps[source].size)
                    added = [(a >> e) - charge for a in moved]
                    rows = [[v >> e for v in r] for r in scattered]
            constant = sums(constant, added)
            for k in step.sources:
                pending[k] = (
                    [sums(a, b) for a, b in zip(pending[k], rows, strict=True)] if k in pending else rows
                )
        none = [[0] * steps[0].size] * len(constant)
        return [[*r, c] for r, c in zip(pending.get(0, none), constant, strict=True)]

    def clip(self, rows: Sequence[Row], limits: Sequence[int], part: Part, slopes: Slopes = NONE) -> bool:
        """R11: leave out of the part's box what cannot have ``rows . outputs <= limits``; False where nothing is left.

        With ``a . x + b <= rows . v`` on the part, such an x has ``a_i x_i <= d - b - (the least a_k x_k, k != i)``.
        """
        low, high = list(part.box[0]), list(part.box[1])
        for (*a, b), d in zip(self.functions(rows, part, slopes), limits, strict=True):
            ends = [c * (l if c >= 0 else h) for c, l, h in zip(a, low, high, strict=True)]
            room = ((d - b) << self.P) - sum(ends)
            if room < 0:
                return False
            for i, c in enumerate(a):
                if c > 0:
                    high[i] = min(high[i], -(-(room + ends[i]) // c))
                elif c < 0:
                    low[i] = max(low[i], (room + ends[i]) // c)
        part.box = low, high
        return True

    def _through_lines(self, lines: Lines, rows: Sequence[Row]) -> tuple[list[list[int]], list[int]]:
        """R6: coefficients of results as coefficients of their operands, and what that adds."""
        found, added, shift = list[list[int]](), [], lines.shift
        for r in rows:
            passed, gained = list(r), 0
            for j, a, s, t, c in lines.bent:
                u = passed[j]
                if u < 0:
                    gained += u * t
                    u *= s
                else:
                    gained += u * c
                    u *= a
                passed[j] = u >> shift
            found.append(passed)
            added.append((gained >> self.P) - lines.charge)
        return found, added

    def _scatter(
        self, step: Step, rows: Sequence[Row], matrix: Any, width: int
    ) -> tuple[list[list[int]], list[int]]:
        """A convolution, place by place: its coefficients go back to the elements that the place reads."""
        assert step.taps is not None
        found, constants, count = [], [], step.taps.places
        for full in rows:
            blocks = [full[p::count] for p in range(count)]
            places = [p for p, b in enumerate(blocks) if any(b)]
            total, constant = [0] * (width + 1), 0  # the last one takes what goes to padding
            product = self.matrices.multiply([blocks[p] for p in places], matrix) if places else []
            for p, block in zip(places, product, strict=True):
                for k, v in zip(step.taps.gather[p], block, strict=False):
                    total[k] += v
                constant += block[-1]
            found.append(total[:-1])
            constants.append(constant)
        return found, constants

    # ---- all bounds of a part

    def bound(self, part: Part, methods: Sequence[str], slopes: Slopes) -> None:
        """Bounds of every step of the part: intervals (R2), and where asked for forms (R3) and rows (R4).

        All are bounds, so the larger lower one holds, and so do those of a larger part, which were there before.
        """
        if part.reduced is not None:
            if "forms" in methods:
                raise CannotCheck("there is no rule for forms after reduce: use rows")
            self.in_time()
            part.reduced = bound_reduced(part.reduced, part.box, methods, slopes, part.phases, self.P)
            return
        before, forms = (part.low, part.high), dict[int, Forms]()
        part.low, part.high, part.lines = [], [], {}
        for i in range(len(self.program.steps)):
            self.in_time()
            low, high = self.interval(i, part)
            if before[0]:
                low, high = list(map(max, low, before[0][i])), list(map(min, high, before[1][i]))
            part.low.append(low)
            part.high.append(high)
            if i in self.smooth.values():
                k = self.program.steps[i].sources[0]
                ends, given = (part.low[k], part.high[k]), slopes.get(i, {})
                part.lines[i] = lines_of_smooth(self.program.steps[i], *ends, given, self.P, self.in_time)
            if "forms" in methods:
                forms[i] = self.forms(i, part, forms)
                if i in self.sources:
                    lows, negative = (least(half, part.box, self.P) for half in forms[i])
                    self._tighten(i, range(len(low)), lows, negative, part)
            if i in self.sources:
                self.clamp(i, part)
                if "rows" in methods:
                    self._by_rows(i, part, slopes)
                    self.clamp(i, part)

    def _by_rows(self, i: int, part: Part, slopes: Slopes) -> None:
        ends = zip(part.low[i], part.high[i], strict=True)
        unsure = [j for j, (l, u) in enumerate(ends) if l < 0 < u or self.sources[i]]
        most = max(8, (1 << 20) // max(s.size for s in self.program.steps))
        for first in range(0, len(unsure), most):
            index = unsure[first : first + most]
            target, rows, constant = self._units(i, index, part)
            found = self.walked(target, rows, part, slopes, constant=constant)
            both = least(found, part.box, self.P)
            self._tighten(i, index, both[: len(index)], both[len(index) :], part)

    def _units(self, i: int, index: list[int], part: Part) -> tuple[int, list[Row], list[int] | None]:
        """Rows that pick +v_j, then -v_j: where v is affine they are read off its matrix instead of multiplied out."""
        step, P = self.program.steps[i], self.P
        if step.kind != "affine":
            every = range(step.size)
            return i, [[(sign << P) * (k == j) for k in every] for sign in (1, -1) for j in index], None
        charge, e = charged(part.low[step.sources[0]], P), step.exponent
        picked = [[sign * v << P for v in step.matrix[j]] for sign in (1, -1) for j in index]
        rows: list[Row] = [[v >> e for v in r[:-1]] for r in picked]
        return step.sources[0], rows, [(r[-1] >> e) - charge for r in picked]

    def _tighten(self, i: int, index: Iterable[int], low: list[int], negative: list[int], part: Part) -> None:
        for j, l, n in zip(index, low, negative, strict=True):
            part.low[i][j], part.high[i][j] = max(part.low[i][j], l), min(part.high[i][j], -n)

    def clamp(self, i: int, part: Part) -> None:
        """R8: bounds under the phases of the part; where they contradict them, no input is in the part."""
        for (step, j), above in part.phases.items():
            if step == i:
                end, other = (part.low, max) if above else (part.high, min)
                end[i][j] = other(end[i][j], 0)
                if part.low[i][j] > part.high[i][j]:
                    raise Empty

    def phased(self, part: Part, i: int, j: int, above: bool) -> Part:
        """R7, R8: the part where element j of step i has a phase: the larger part's bounds hold, cut at 0."""
        left = part.smaller(phase=(i, j, above))
        try:
            if left.reduced is not None:
                left.reduced = phased_reduced(left.reduced, i, j, left.phases)
            elif left.low and not left.empty:
                left.low, left.high = list(left.low), list(left.high)
                left.low[i], left.high[i] = list(left.low[i]), list(left.high[i])
                left.lines = {k: v for k, v in left.lines.items() if self.program.steps[k].sources[0] != i}
                self.clamp(i, left)
        except Empty:
            left.empty = True
        return left

    def reduce(self, part: Part) -> None:
        """R12: go on with what is left of the network."""
        if part.reduced is not None:
            part.reduced = reduce_again(part.reduced, part.box, part.phases, self.P)
            return
        bounds = list(zip(part.low, part.high, strict=True))
        part.reduced = reduce_first(self.program, part.box, bounds, part.phases, self.matrices, self.P)
        part.low, part.high, part.lines = [], [], {}
