"""Reduced systems (R12) mean what the network does: every sum encloses its operand, and bounds enclose every value."""

from __future__ import annotations

import random
from fractions import Fraction
from typing import Any

import pytest

from certificates import box, dense, points
from workbench.certificate import packed
from workbench.certificate.bounds import Bounds
from workbench.certificate.check import root
from workbench.certificate.claim import parsed_case
from workbench.certificate.format import CannotCheck
from workbench.certificate.parts import Empty, Part, line_of
from workbench.certificate.program import Program, lower
from workbench.certificate.reduced import Reduced, Sum, Unit, carried, one
from workbench.certificate.replay import exactly

NETS = {
    "dense": dense([3, 8, 8, 2]),
    "leaky": dense([2, 6, 6, 6, 2], seed=3, leaky=True),
    "deep": dense([1, 5, 5, 5, 5, 1], seed=5),
}


def every_value(program: Program, x: tuple[Fraction, ...]) -> list[tuple[Fraction, ...]]:
    return [exactly(Program(program.steps[: k + 1], k), x) for k in range(len(program.steps))]


def inside(part: Part, x: tuple[Fraction, ...], values: list[tuple[Fraction, ...]], P: int) -> bool:
    ends = zip(part.box[0], x, part.box[1], strict=True)
    signs = all((values[i][j] >= 0) is above or values[i][j] == 0 for (i, j), above in part.phases.items())
    return signs and all(l <= v * (1 << P) <= h for l, v, h in ends)


def assert_true_of(part: Part, program: Program, samples: list[Any], rules: Bounds) -> int:
    """The invariant of every sum, the bounds, and linear functions below rows, at every sample in the part."""
    P, found, tried = rules.P, part.reduced, 0
    assert found is not None
    unit = Fraction(1, 1 << P)
    rows = [[1 << P, *[0] * (program.steps[program.output].size - 1)]]
    rows += [[-v for v in rows[0]], [(k - 1) * 3 << P - 2 for k in range(len(rows[0]))]]
    signed = [(u.relu, u.element) for u in found.units if (u.source, u.element) in part.phases]
    multipliers = {i: {j: 3 << P - 1} for i, j in signed}
    functions = rules.functions(rows, part), rules.functions(rows, part, {}, multipliers)
    for x, values in samples:
        if not inside(part, x, values, P):
            continue
        tried += 1
        known = [*x, *(values[u.relu][u.element] for u in found.units)]
        for s, (step, j), ends in [
            *(
                (s, (u.source, u.element), (l, h))
                for s, u, l, h in zip(found.operands, found.units, found.low, found.high, strict=True)
            ),
            *((s, (program.output, j), None) for j, s in enumerate(found.outputs)),
        ]:
            row = packed.unpack(s.row, s.count, s.size, P)
            total = sum((c * v for c, v in zip(row, known, strict=False)), Fraction(0)) * unit
            assert total + s.down * unit <= values[step][j] <= total + s.up * unit
            assert max(map(abs, row), default=0) <= s.size
            if ends is not None:
                assert ends[0] * unit <= values[step][j] <= ends[1] * unit
        y = values[program.output]
        for every in functions:
            for (*a, b), row in zip(every, rows, strict=True):
                least = sum((c * v for c, v in zip(a, x, strict=True)), Fraction(b)) * unit
                assert least <= sum((c * v for c, v in zip(row, y, strict=True)), Fraction(0)) * unit
    return tried


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("precision", [8, 40])
@pytest.mark.parametrize("methods", [("rows",), ("interval", "rows")], ids=" ".join)
def test_a_system_says_what_is_true_on_its_part(name: str, precision: int, methods: tuple[str, ...]) -> None:
    """Down a path of splits by inputs and signs, reduced on the way; with 8 bits the rounding is coarse."""
    program, rng = lower(NETS[name]), random.Random(precision)  # noqa: S311
    n = program.steps[0].size
    case = parsed_case({**box(n, 7, 9, [k % 5 - 2 for k in range(n)]), "unsafe": []}, program)
    samples = [(x, every_value(program, x)) for x in points(case, 40)]
    rules = Bounds(program, precision)
    part = root(rules, case)
    rules.bound(part, ("interval",), {})
    rules.reduce(part)
    tried, sizes = assert_true_of(part, program, samples, rules), []
    for k in range(10):
        part = part.smaller()
        try:
            rules.bound(part, methods, {})
        except Empty:
            break
        tried += assert_true_of(part, program, samples, rules)
        rules.reduce(part)
        tried += assert_true_of(part, program, samples, rules)
        assert part.reduced is not None
        sizes.append(len(part.reduced.units))
        open_ = [u for u in part.reduced.units if (u.source, u.element) not in part.phases]
        if k % 3 == 2 and open_:
            unit = rng.choice(open_)
            sides = [rules.phased(part, unit.source, unit.element, above) for above in (True, False)]
        else:
            axis = k % n
            low, high = part.box
            middle = low[axis] + high[axis] >> 1
            ends = [[*low[:axis], middle, *low[axis + 1 :]], [*high[:axis], middle, *high[axis + 1 :]]]
            sides = [part.smaller(box=(ends[0], high)), part.smaller(box=(low, ends[1]))]
        for side in sides:
            if not side.empty:
                tried += assert_true_of(side, program, samples, rules)
        part = max(sides, key=lambda p: (not p.empty, sum(inside(p, *s, precision) for s in samples)))
        if part.empty:
            break
    assert tried > 130
    assert sizes[-1] < sizes[0], "no sign was decided: this tests nothing"


@pytest.mark.parametrize("name", NETS)
def test_a_system_is_as_tight_as_the_network(name: str) -> None:
    """To rounding, rows of the system are CROWN's."""
    program = lower(NETS[name])
    n, P = program.steps[0].size, 40
    case = parsed_case({**box(n, 1, 3), "unsafe": []}, program)
    rules = Bounds(program, P)
    size = program.steps[program.output].size
    rows = [[(sign << P) * (i == j) for i in range(size)] for j in range(size) for sign in (1, -1)]
    part = root(rules, case)
    rules.bound(part, ("rows",), {})
    whole = rules.rows(rows, part)
    rules.reduce(part)
    assert all(abs(a - b) < 1 << 16 for a, b in zip(whole, rules.rows(rows, part), strict=True))


def test_packed_rows_are_told_apart_or_refused() -> None:
    rng = random.Random(0)  # noqa: S311
    for precision in (8, 40):
        most = (1 << packed.wide(precision) - 1) - 1
        for _ in range(300):
            row = [
                rng.choice([0, 1, -1, most, -most, rng.randint(-most, most)])
                for _ in range(rng.randrange(1, 9))
            ]
            found, size = packed.pack(row, precision)
            assert packed.unpack(found, len(row), size, precision) == row
            assert size == max(map(abs, row))
        with pytest.raises(CannotCheck):
            packed.pack([most + 1], precision)
        with pytest.raises(CannotCheck):
            packed.fits(most + 1, precision)


@pytest.mark.parametrize(("flat", "exponent"), [(0, 0), (3, 5), (1, 20), (1, 0)])
def test_lines_lie_on_their_sides_and_one_unit_less_would_not(flat: int, exponent: int) -> None:
    """R6, at every grid point of small intervals; the line above is drawn as low as its units allow."""
    alpha, near = Fraction(flat, 1 << exponent), 0
    for low in range(-9, 5):
        for high in range(low, 12):
            below, above, offset, shift, charge = line_of(flat, exponent, low, high, None, 0, "a")
            one, values = 1 << shift, [(z, max(Fraction(z), alpha * z)) for z in range(low, high + 1)]
            assert all(Fraction(below * z, one) <= f <= Fraction(above * z, one) + offset for z, f in values)
            assert charge >= max(0, -values[0][1]) + max(0, -low) * (low < 0)
            near += any(f > Fraction(above * z, one) + offset - 1 for z, f in values)
            if low < 0 < high and offset:
                assert any(f > Fraction(above * z, one) + offset - 1 for z, f in values)
    assert near > 50


def test_a_coefficient_that_is_rounded_is_paid_for() -> None:
    """R5 in `carried`: u = 3/2 units over z in [-5, 7], relu's line below is 1/3 z: both are rounded down."""
    P, shift = 8, 16
    third = (1 << shift) // 3
    for flat, low, high in ((0, -5 << P, 7 << P), (1 << 14, -9 << P, 3 << P)):
        unit = Unit(2, 1, 0, "a", flat, shift)
        slope = max(third, flat)
        found = Reduced(
            (unit,),
            (one(0, P),),
            (one(1, P),),
            [low],
            [high],
            [line_of(flat, shift, low, high, slope, 0, "a")],
        )
        for u in (*range(-9, 10), 3 * (1 << P) // 2, -(1 << P) - 1, 5 * (1 << P) + 3):
            s = Sum(u * packed.pack([0, 1], P)[0] << P - 3, 2, abs(u) << P, 0, 0)
            c, d = carried(found, 1, s, found.lines, {}, P)
            for z in range(low, high + 1, 37):
                f = Fraction(z) if z >= 0 else Fraction(z * flat, 1 << shift)
                assert c * z + (d << P) <= (u << P - 3) * f
