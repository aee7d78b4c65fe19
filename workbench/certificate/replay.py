"""R10: a counterexample, run exactly."""

from __future__ import annotations

from fractions import Fraction
from math import lcm
from operator import mul
from typing import Any

from workbench.certificate.claim import Case, fractions
from workbench.certificate.format import Rejected, fields, whole
from workbench.certificate.program import Program


def replay(
    program: Program, cases: tuple[Case, ...], given: Any
) -> tuple[tuple[Fraction, ...], tuple[Fraction, ...]]:
    """R10: the point lies in the box of its case, and the outputs that it leads to, computed exactly, are unsafe."""
    proof = fields(given, "proof", "case point")
    case = cases[whole(proof["case"], "proof.case", 0, len(cases) - 1)]
    x = fractions(proof["point"], "proof.point", program.steps[0].size)
    for i, (l, v, h) in enumerate(zip(case.lower, x, case.upper, strict=True)):
        if not l <= v <= h or (v == l and (i, -1) in case.open) or (v == h and (i, 1) in case.open):
            raise Rejected("R10 replay", f"input {i} of the counterexample lies outside of its box")
    y = exactly(program, x)
    for every in case.unsafe:
        sums = [(sum(c * y[i] for i, c in one.terms), one) for one in every]
        if all(v < one.bound or (v == one.bound and not one.strict) for v, one in sums):
            return x, y
    raise Rejected("R10 replay", "the outputs at the counterexample are safe")


def exactly(program: Program, x: tuple[Fraction, ...]) -> tuple[Fraction, ...]:
    """The outputs at x: vectors of integers over ``d * 2**k``, one d, a k for each vector; nothing is rounded."""
    d = lcm(*(v.denominator for v in x))
    known: list[tuple[list[int], int]] = [([v.numerator * (d // v.denominator) for v in x], 0)]
    for step in program.steps[1:]:
        v, k = known[step.sources[0]]
        e, matrix, one = step.exponent, step.matrix, d << k
        if step.kind == "add":
            w, n = known[step.sources[1]]
            most = max(k, n)
            known.append(([(a << most - k) + (b << most - n) for a, b in zip(v, w, strict=True)], most))
            continue
        if step.kind == "shift":
            found = [(a << e) + b * one for a, b in zip(v, matrix[0], strict=True)]
        elif step.kind == "relu":
            found = [a << e if a >= 0 else matrix[0][0] * a for a in v]
        elif step.taps is None:
            found = [sum(map(mul, r, [*v, one])) for r in matrix]
        else:
            reads = [[*(([*v, 0])[j] for j in g), one] for g in step.taps.gather]
            found = [sum(map(mul, r, g)) for r in matrix for g in reads]
        known.append((found, k + e))
    values, k = known[program.output]
    return tuple(Fraction(v, d << k) for v in values)
