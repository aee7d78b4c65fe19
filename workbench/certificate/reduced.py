"""R12: a part of the region on which most relus are lines, as a small system that only knows the others.

Where the sign of a relu's operand is decided on a part, the relu is a line there, and what it feeds can be written
without it.  What is left are the inputs x and the results a of the relus whose sign is open: on the parts of an ACAS Xu
proof 20 of 300.  A system is inherited by the parts of its part, and reduced again as more signs are decided.

Invariant: for every input x of the part, with a the exact results of the relus, every operand z_k (and output) has
``coefficients . (x, a) + down <= z_k <= coefficients . (x, a) + up``.  Coefficients, `down` and `up` are integers in
units of ``2**-P``; operand k has coefficients of x and of results before it only.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from workbench.certificate.format import CannotCheck
from workbench.certificate.packed import pack, unpack, wide
from workbench.certificate.parts import Empty, Line, line_of
from workbench.certificate.program import Program

MOST = 1 << 22  # numbers of one step
Ends = tuple[list[int], list[int]]
T = TypeVar("T")
Phases = Mapping[tuple[int, int], bool]


@dataclass(frozen=True, slots=True)
class Sum:
    """``row . (x, a) + [down, up]``.

    The row's numbers are packed into one integer (`packed`): how many, and how large the largest may be, is known.
    """

    row: int
    count: int
    size: int
    down: int
    up: int


@dataclass(frozen=True, slots=True)
class Unit:
    """The relu that an operand goes to: its step and that of the operand, the element, and the slope below 0."""

    relu: int
    source: int
    element: int
    name: str
    flat: int  # over 2**shift
    shift: int


@dataclass(frozen=True, slots=True)
class Reduced:
    """What is left of the network on a part: units whose sign is open (or split), their operands, and the outputs.

    `low`, `high`: bounds of the operands; `lines`: of the units, drawn from these.
    """

    units: tuple[Unit, ...]
    operands: tuple[Sum, ...]
    outputs: tuple[Sum, ...]
    low: list[int]
    high: list[int]
    lines: list[Line]


def reach(units: Iterable[Unit], low: list[int], high: list[int], box: Ends) -> Ends:
    """Ends of all variables: inputs, and the results of units, which are monotone in their operands."""
    least, most = list(box[0]), list(box[1])
    for u, l, h in zip(units, low, high, strict=True):
        least.append(l if l >= 0 else l * u.flat >> u.shift)
        most.append(h if h >= 0 else -(-h * u.flat >> u.shift))
    return least, most


class Rounding:
    """R5 for sums: coefficients of variables between `ends` are rounded down, and what that costs either way.

    With c = c' + r, 0 <= r < 1 unit: ``c v`` lies in ``c' v + [min(v_low, 0), max(v_high, 0)]`` units.
    """

    def __init__(self, ends: Ends, precision: int) -> None:
        self.P = precision
        self.less = sum(min(v, 0) for v in ends[0]) >> precision
        self.more = -(-sum(max(v, 0) for v in ends[1]) >> precision)

    def sum(self, row: Iterable[int], down: int, up: int, shift: int) -> Sum:
        """A sum whose numbers are given ``2**shift`` times."""
        kept = [v >> shift for v in row]
        packed, size = pack(kept, self.P)
        return Sum(packed, len(kept), size, (down >> shift) + self.less, -(-up >> shift) + self.more)


def one(place: int, P: int) -> Sum:
    """A variable itself."""
    return Sum(1 << wide(P) * place + P, place + 1, 1 << P, 0, 0)


def start(
    program: Program, box: Ends, bounds: Sequence[Ends], phases: Phases, matrices: Any, P: int
) -> Reduced:
    """The system of a part whose signs are known from bounds of every step.

    Each element of each step is a `Sum`, from those of its sources: affine, add and shift as they say; a relu's is its
    operand's where that is >= 0, that times the slope below 0 where it is <= 0, and else a new variable.
    """
    n = program.steps[0].size
    if n * max(s.size for s in program.steps) > MOST:
        raise CannotCheck("the network is too large to be reduced")
    known: list[list[Sum]] = [[one(j, P) for j in range(n)]]
    units: list[Unit] = []
    operands: list[Sum] = []
    low, high = list[int](), list[int]()
    for i, step in enumerate(program.steps[1:], 1):
        source = known[step.sources[0]]
        rounding = Rounding(reach(units, low, high, box), P)
        e, width = step.exponent, n + len(units)
        if step.kind == "affine":
            if width * max(step.size, len(source)) > MOST:
                raise CannotCheck("the part has too many open signs to be reduced")
            table = matrices.prepare(
                [[*unpack(s.row, s.count, s.size, P), *[0] * (width - s.count)] for s in source]
            )
            middle = matrices.prepare([[s.down + s.up, s.up - s.down] for s in source])
            weights = [r[:-1] for r in step.matrix]
            rows = matrices.multiply(weights, table)
            middles = matrices.multiply(weights, middle)
            spans = matrices.multiply([[abs(v) for v in r] for r in weights], middle)
            found = []
            for row, m, s, r in zip(rows, middles, spans, step.matrix, strict=True):
                twice = m[0] + (r[-1] << P + 1)
                found.append(rounding.sum(row, twice - s[1] >> 1, -(-twice - s[1] >> 1), e))
        elif step.kind == "shift":
            b = [(v << P) for v in step.matrix[0]]
            found = [
                replace(s, down=s.down + (v >> e), up=s.up - (-v >> e))
                for s, v in zip(source, b, strict=True)
            ]
        elif step.kind == "add":
            others = known[step.sources[1]]
            found = [
                Sum(s.row + o.row, max(s.count, o.count), s.size + o.size, s.down + o.down, s.up + o.up)
                for s, o in zip(source, others, strict=True)
            ]
        elif step.kind == "relu":
            found, at = [], step.sources[0]
            for j, (s, l, h) in enumerate(zip(source, *bounds[at], strict=True)):
                unit = Unit(i, at, j, step.name, step.matrix[0][0], e)
                if (at, j) in phases or l < 0 < h:
                    found.append(one(n + len(units), P))
                    units.append(unit)
                    operands.append(s)
                    low.append(l)
                    high.append(h)
                else:
                    found.append(s if l >= 0 else flattened(s, unit, rounding, P))
        else:
            raise CannotCheck(f"{step.name[:60]!r} has no rule for reduce")
        known.append(found)
    lines = [drawn(u, l, h, None) for u, l, h in zip(units, low, high, strict=True)]
    return Reduced(tuple(units), tuple(operands), tuple(known[program.output]), low, high, lines)


def drawn(unit: Unit, low: int, high: int, chosen: int | None) -> Line:
    """R6 for one unit."""
    return line_of(unit.flat, unit.shift, low, high, chosen, unit.element, unit.name)


def flattened(s: Sum, unit: Unit, rounding: Rounding, P: int) -> Sum:
    """A relu's result where its operand is <= 0."""
    row = [v * unit.flat for v in unpack(s.row, s.count, s.size, P)] if unit.flat else []
    return rounding.sum(row, s.down * unit.flat, s.up * unit.flat, unit.shift)


def reduce(old: Reduced, box: Ends, phases: Phases, P: int) -> Reduced:
    """The system without the units whose sign is decided by now: each is put in where its result was.

    ``sum_v c_v v`` with ``v in row_v . (x, a) + [down_v, up_v]`` is a `Sum` again, with the ends by the sign of c_v.
    Units that the part was split by stay: their operands take multipliers (R8).
    """
    n, bounds = len(box[0]), list(zip(old.units, old.low, old.high, strict=True))
    keep = [l < 0 < h or (u.source, u.element) in phases for u, l, h in bounds]
    if all(keep):
        return old
    rounding = Rounding(reach(old.units, old.low, old.high, box), P)
    put: list[int | Sum] = list(range(n))  # of each variable: its new place, or what it is instead
    operands: list[Sum] = []

    def rewritten(s: Sum) -> Sum:
        total, size, down, up = [0] * (n + len(operands)), s.size << P, s.down << P, s.up << P
        inner = 0
        for c, place in zip(unpack(s.row, s.count, s.size, P), put, strict=False):
            if type(place) is int:
                total[place] = c << P
            elif c and type(place) is Sum:
                inner += c * place.row
                size += abs(c) * place.size
                down += c * (place.down if c > 0 else place.up)
                up += c * (place.up if c > 0 else place.down)
        both = zip(total, unpack(inner, len(total), size, P), strict=True)
        return rounding.sum([a + b for a, b in both], down, up, P)

    for kept, (unit, l, _), operand in zip(keep, bounds, old.operands, strict=True):
        s = rewritten(operand)
        put.append(n + len(operands) if kept else s if l >= 0 else flattened(s, unit, rounding, P))
        if kept:
            operands.append(s)

    def left(every: Iterable[T]) -> list[T]:
        return [v for k, v in zip(keep, every, strict=True) if k]

    bounds_left = left(old.low), left(old.high), left(old.lines)
    outputs = tuple(map(rewritten, old.outputs))
    return Reduced(tuple(left(old.units)), tuple(operands), outputs, *bounds_left)


def carried(
    found: Reduced, n: int, s: Sum, lines: Sequence[Line], multipliers: Mapping[int, int], P: int
) -> list[int]:
    """A linear function ``[*c, d]`` of x below ``row . (x, a) + down``, all in units of ``2**-2P``: R4 on a system.

    Invariant: that sum >= total . (x, a up to unit k) + constant. The last result a is replaced by its line (R6),
    the one below where its coefficient is positive, and that by the operand's `Sum`. Two coefficients are rounded
    down, of a and of z (R5). Where the part has ``z >= 0``, minus m z is added, for m >= 0; where it has ``z <=
    0``, plus m z (R8).
    """
    total, count, size, constant, bits = s.row, s.count, s.size, s.down, wide(P)
    if multipliers:
        count = n + len(found.units)
    for k in range(count - n - 1, -1, -1):
        place = bits * (n + k)
        at, m = (total >> place - 1) + 1 >> 1, multipliers.get(k, 0)  # what stands last
        if not at and not m:
            continue
        total -= at << place
        below, above, offset, shift, charge = lines[k]
        u = at >> P
        if u >= 0:
            w = (u * below >> shift) + m
        else:
            w = (u * above >> shift) + m
            constant += u * offset
        inner = found.operands[k]
        constant += w * (inner.down if w > 0 else inner.up) - charge
        total += w * inner.row
        size += abs(w) * inner.size
    return [*unpack(total, n, size, P), constant]  # sizes only grow: the fields were apart all the time


def lowest(function: Sequence[int], box: Ends, P: int) -> int:
    """The least of a linear function in units of ``2**-2P`` over the box, in units."""
    *row, constant = function
    ends = zip(row, *box, strict=True)
    return (sum([c * (l if c >= 0 else h) for c, l, h in ends]) + (constant << P)) >> 2 * P


def bound(
    old: Reduced,
    box: Ends,
    methods: Sequence[str],
    slopes: Mapping[int, Mapping[int, int]],
    phases: Phases,
    P: int,
) -> Reduced:
    """Bounds of the operands whose sign is open: of their sums over the ends of all variables, and by rows.

    All are bounds, so the better one holds, and so do those of a larger part, which were there before (R8: `clamped`).
    """
    n, none = len(box[0]), dict[int, int]()
    found = replace(old, low=list(old.low), high=list(old.high), lines=list(old.lines))
    for k, (unit, s) in enumerate(zip(found.units, found.operands, strict=True)):
        l, h = found.low[k], found.high[k]
        if l < 0 < h:
            for method in methods:
                both = [
                    Sum(sign * s.row << P, s.count, s.size << P, end << P, 0)
                    for sign, end in ((1, s.down), (-1, -s.up))
                ]
                if method == "interval":
                    ends = reach(found.units[:k], found.low[:k], found.high[:k], box)
                    rows = [[*unpack(b.row, b.count, b.size, P), *[0] * (n + k - b.count)] for b in both]
                    least = [lowest([*row, b.down], ends, P) for row, b in zip(rows, both, strict=True)]
                else:
                    least = [lowest(carried(found, n, b, found.lines, none, P), box, P) for b in both]
                l, h = max(l, least[0]), min(h, -least[1])
            found.low[k], found.high[k] = l, h
            clamp(found, k, phases)
        found.lines[k] = drawn(
            unit, found.low[k], found.high[k], slopes.get(unit.relu, none).get(unit.element)
        )
    return found


def clamp(found: Reduced, k: int, phases: Phases) -> None:
    """R8: an operand's bounds under its phase; where they contradict each other, no input is in the part."""
    phase = phases.get((found.units[k].source, found.units[k].element))
    if phase is not None:
        found.low[k], found.high[k] = (
            (max(found.low[k], 0) if phase else found.low[k]),
            (found.high[k] if phase else min(found.high[k], 0)),
        )
    if found.low[k] > found.high[k]:
        raise Empty


def phased(old: Reduced, i: int, j: int, phases: Phases) -> Reduced:
    """R8: the system where element j of step i has a phase of `phases` (where its sign was decided it has no unit)."""
    found = replace(old, low=list(old.low), high=list(old.high), lines=list(old.lines))
    for k, unit in enumerate(found.units):
        if (unit.source, unit.element) == (i, j):
            clamp(found, k, phases)
            found.lines[k] = drawn(unit, found.low[k], found.high[k], None)
    return found


def functions(
    found: Reduced,
    box: Ends,
    rows: Iterable[Sequence[int]],
    slopes: Mapping[int, Mapping[int, int]],
    multipliers: Mapping[int, Mapping[int, int]],
    phases: Phases,
    P: int,
) -> list[list[int]]:
    """Linear functions of x, in units, below ``rows . outputs``: the rows are put together, and carried back."""
    n, lines, signed = len(box[0]), found.lines, dict[int, int]()
    if slopes or multipliers:
        lines = list(lines)
        for k, (u, l, h) in enumerate(zip(found.units, found.low, found.high, strict=True)):
            chosen = slopes.get(u.relu, {}).get(u.element)
            lines[k] = drawn(u, l, h, chosen) if chosen is not None else lines[k]
            m = multipliers.get(u.relu, {}).get(u.element, 0)
            if m:
                signed[k] = -m if phases[u.source, u.element] else m
    charge, results = Rounding(box, P).less, []
    for row in rows:
        total, count, size, constant = 0, n, 0, 0
        for c, s in zip(row, found.outputs, strict=True):
            if c:
                total, count, size = total + c * s.row, max(count, s.count), size + abs(c) * s.size
                constant += c * (s.down if c > 0 else s.up)
        *a, b = carried(found, n, Sum(total, count, size, constant, 0), lines, signed, P)
        results.append([*(v >> P for v in a), (b >> P) + charge])
    return results
