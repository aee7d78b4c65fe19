"""R10: a counterexample, run exactly; or, where an operator has no exact result, in intervals."""

from __future__ import annotations

from fractions import Fraction
from math import lcm
from operator import mul
from typing import Any

from workbench.certificate.bounds import Bounds
from workbench.certificate.claim import Case, fractions
from workbench.certificate.format import Rejected, fields, whole
from workbench.certificate.parts import Part
from workbench.certificate.program import Program

FINE = 400  # bits after the point


def replay(
    program: Program, cases: tuple[Case, ...], given: Any, flint: bool | None = None
) -> tuple[tuple[Fraction, ...], tuple[Fraction, ...]]:
    """R10: the point lies in the box of its case, and the outputs that it leads to, computed exactly, are unsafe."""
    proof = fields(given, "proof", "case point")
    case = cases[whole(proof["case"], "proof.case", 0, len(cases) - 1)]
    x = fractions(proof["point"], "proof.point", program.steps[0].size)
    for i, (l, v, h) in enumerate(zip(case.lower, x, case.upper, strict=True)):
        if not l <= v <= h or (v == l and (i, -1) in case.open) or (v == h and (i, 1) in case.open):
            raise Rejected("R10 replay", f"input {i} of the counterexample lies outside of its box")
    sure = not any(s.kind in ("scale", "smooth") for s in program.steps)
    low = high = exactly(program, x) if sure else ()
    if not sure:
        low, high = between(program, x, flint)
    for every in case.unsafe:
        most = [(sum(c * (low[i] if c < 0 else high[i]) for i, c in one.terms), one) for one in every]
        if all(v < one.bound or (v == one.bound and not one.strict) for v, one in most):
            return x, high
    raise Rejected(
        "R10 replay", "the outputs at the counterexample are safe" + " or cannot be told" * (not sure)
    )


def between(
    program: Program, x: tuple[Fraction, ...], flint: bool | None = None
) -> tuple[tuple[Fraction, ...], tuple[Fraction, ...]]:
    """Bounds of the outputs at x: R2, in units of ``2**-FINE``."""
    rules, low, high = Bounds(program, FINE, flint), list[list[int]](), list[list[int]]()
    point = [(v.numerator << FINE) // v.denominator for v in x]
    part = Part((point, [-((-v.numerator << FINE) // v.denominator) for v in x]), low=low, high=high)
    for i in range(len(program.steps)):
        for ends, found in zip((low, high), rules.interval(i, part), strict=True):
            ends.append(found)
    at_most = tuple(Fraction(v, 1 << FINE) for v in high[program.output])
    return tuple(Fraction(v, 1 << FINE) for v in low[program.output]), at_most


def exactly(program: Program, x: tuple[Fraction, ...]) -> tuple[Fraction, ...]:
    """The outputs at x: vectors of integers over ``d * 2**k``, one d, a k for each vector; nothing is rounded."""
    d = lcm(*(v.denominator for v in x))
    known: list[tuple[list[int], int]] = [([v.numerator * (d // v.denominator) for v in x], 0)]
    for step in program.steps[1:]:
        v, k = known[step.sources[0]]
        e, matrix, one = step.exponent, step.matrix, d << k
        gather = () if step.taps is None else step.taps.gather
        if step.kind == "add":
            w, n = known[step.sources[1]]
            most = max(k, n)
            known.append(([(a << most - k) + (b << most - n) for a, b in zip(v, w, strict=True)], most))
            continue
        if step.kind == "shift":
            found = [(a << e) + b * one for a, b in zip(v, matrix[0], strict=True)]
        elif step.kind == "relu":
            found = [a << e if a >= 0 else matrix[0][0] * a for a in v]
        elif step.kind == "affine":
            found = [sum(map(mul, r, [*v, one])) for r in matrix]
        elif step.kind == "pool":
            found = [sum(v[j] for j in g if j >= 0) for g in gather]
        elif step.kind == "max":
            found = [max(v[j] for j in g if j >= 0) for g in gather]
        else:
            reads = [[*(([*v, 0])[j] for j in g), one] for g in gather]
            found = [sum(map(mul, r, g)) for r in matrix for g in reads]
        known.append((found, k + e))
    values, k = known[program.output]
    return tuple(Fraction(v, d << k) for v in values)
