"""What a certificate claims: boxes with exact ends, and the outputs that are unsafe there."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from workbench.certificate.format import Rejected, fields, integers, listed, whole
from workbench.certificate.program import Program


@dataclass(frozen=True)
class Constraint:
    """``terms . y <= bound`` (``<`` where strict) with integers."""

    terms: tuple[tuple[int, int], ...]
    bound: int
    strict: bool

    def __str__(self) -> str:
        words = " + ".join(f"{c}*Y_{i}" for i, c in self.terms).replace("+ -", "- ").replace("1*", "")
        return f"{words or 0} {'<' if self.strict else '<='} {self.bound}"


@dataclass(frozen=True)
class Case:
    """A box with exact ends, some of which do not belong to it, and alternatives of unsafe outputs."""

    lower: tuple[Fraction, ...]
    upper: tuple[Fraction, ...]
    open: frozenset[tuple[int, int]]
    unsafe: tuple[tuple[Constraint, ...], ...]


def parsed_case(value: Any, program: Program) -> Case:
    """The box and the unsafe outputs of one case of a claim."""
    given = fields(value, "a case", "lower upper open unsafe")
    n, m = program.steps[0].size, program.steps[program.output].size
    ends = [fractions(given[key], key, n) for key in ("lower", "upper")]
    sides = [integers(p, "open", 2) for p in listed(given["open"], "open")]
    if any(not 0 <= i < n or s not in (-1, 1) for i, s in sides) or any(
        l > u for l, u in zip(*ends, strict=True)
    ):
        raise Rejected("R1 region", "the region is empty, or is open at an end that it has not")
    unsafe = []
    for every in listed(given["unsafe"], "unsafe"):
        constraints = []
        for one in listed(every, "an unsafe alternative"):
            c = fields(one, "a constraint", "terms bound strict")
            terms = [integers(t, "a term", 2) for t in listed(c["terms"], "terms")]
            places = [i for i, _ in terms]
            if (
                type(c["strict"]) is not bool
                or places != sorted(set(places))
                or any(not 0 <= i < m for i in places)
            ):
                raise Rejected(
                    "format",
                    "a constraint's terms are pairs (output, integer) in order; strict is true or false",
                )
            constraints.append(
                Constraint(tuple((i, v) for i, v in terms), whole(c["bound"], "bound"), c["strict"])
            )
        unsafe.append(tuple(constraints))
    return Case(ends[0], ends[1], frozenset((i, s) for i, s in sides), tuple(unsafe))


def fractions(given: Any, what: str, length: int) -> tuple[Fraction, ...]:
    """Pairs of integers as exact numbers."""
    pairs = [integers(p, f"{what}: a fraction", 2) for p in listed(given, what, length)]
    if any(d < 1 for _, d in pairs):
        raise Rejected("format", f"{what}: a denominator below 1")
    return tuple(Fraction(a, d) for a, d in pairs)


def dense(terms: tuple[tuple[int, int], ...], size: int, precision: int) -> list[int]:
    """The row of ``terms``, in units."""
    row = [0] * size
    for i, c in terms:
        row[i] = c << precision
    return row
