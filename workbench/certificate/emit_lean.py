"""A certificate as a Lean file: interval bounds of a chain of affine steps and relus (experimental).

The theory is in `theory/Intervals.lean`; it imports no library.  All numbers are naturals: an input is
``(low + t) / 2**GRID`` for a natural t, so the theorem is about every float64 input of the region (all of them are
multiples of 2**-1074), and every vector has 2**k as its first element where it is in units of 2**-k.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import mul
from typing import Any

from workbench.certificate.check import SEMANTICS
from workbench.certificate.claim import Case, parsed_case
from workbench.certificate.format import NAME, CannotCheck, Rejected, fields, listed
from workbench.certificate.program import Program, Step, lower

GRID = 1074
MOST = 1 << 20  # weights
Rows = list[list[int]]  # the weight of what comes first, then those of the elements
Linear = tuple[int, Rows]  # 2**-exponent times rows


@dataclass(frozen=True)
class Written:
    """A Lean file, what it is about, and the statements that Lean must print."""

    text: str
    program: Program
    cases: tuple[Case, ...]
    statements: tuple[str, ...]


def emit(certificate: Mapping[str, Any]) -> Written:
    """The Lean file of a certificate of safety.

    Raises
    ------
    Rejected
        Not a certificate.
    CannotCheck
        A counterexample, a step without a rule, or a claim that intervals do not prove.
    """
    claim = fields(certificate.get("claim"), "claim", "verdict semantics cases")
    if certificate.get("format") != NAME:
        raise Rejected("format", f"this checker reads {NAME}")
    if claim["verdict"] != "verified" or claim["semantics"] != SEMANTICS:
        raise CannotCheck("the Lean checker proves claims of safety in real arithmetic only")
    program = lower(certificate["network"])
    cases = tuple(parsed_case(c, program) for c in listed(claim["cases"], "claim.cases"))
    if not cases:
        raise Rejected("format", "the claim has no cases")
    hidden, last = chain(program)
    parts, statements = [], []
    for k, case in enumerate(cases):
        text, statement = _case(k, case, hidden, last)
        parts.append(text)
        statements.append(statement)
    prints = [f"#print axioms certified_{k}\n#check ({s})\n" for k, s in enumerate(statements)]
    return Written("".join([*parts, *prints]), program, cases, tuple(statements))


def chain(program: Program) -> tuple[list[Linear], Linear]:
    """The affine step before each relu, and the last one; affine steps that follow each other are multiplied out."""
    found: list[Linear] = []
    size = program.steps[0].size
    one: Linear = 0, [[0, *(int(i == j) for i in range(size))] for j in range(size)]
    now = one
    for i, step in enumerate(program.steps[1 : program.output + 1], 1):
        if step.sources != (i - 1,):
            raise CannotCheck(f"{step.name[:60]!r}: the Lean theory has chains only")
        if step.kind == "relu":
            if step.matrix != ((0,),):
                raise CannotCheck(f"{step.name[:60]!r}: the Lean theory has no leaky relu")
            found.append(now)
            size = step.size
            now = 0, [[0, *(int(i == j) for i in range(size))] for j in range(size)]
        else:
            now = _after(step, now)
    return found, now


def _after(step: Step, before: Linear) -> Linear:
    """An affine step of an affine function."""
    e, rows = before
    if step.kind == "shift":
        return e + step.exponent, [
            [(r[0] << step.exponent) + (b << e), *(v << step.exponent for v in r[1:])]
            for r, b in zip(rows, step.matrix[0], strict=True)
        ]
    if step.kind == "affine":
        taken = [(m[-1], list(zip(m[:-1], rows, strict=True))) for m in step.matrix]
    elif step.kind == "conv" and step.taps is not None:
        places = [[rows[j] if j >= 0 else [0] for j in g] for g in step.taps.gather]
        taken = [(m[-1], list(zip(m[:-1], p, strict=True))) for m in step.matrix for p in places]
    else:
        raise CannotCheck(f"{step.name[:60]!r}, of kind {step.kind!r}, has no rule in the Lean theory")
    if len(taken) * len(rows[0]) > MOST:
        raise CannotCheck("too large for the Lean checker")
    found = []
    for bias, pairs in taken:
        total = [bias << e] + [0] * (len(rows[0]) - 1)
        for w, r in pairs:
            if w:
                for k, v in enumerate(r):
                    if v:
                        total[k] += w * v
        found.append(total)
    return e + step.exponent, found


def layers_of(case: Case, hidden: Sequence[Linear], last: Linear) -> tuple[list[Rows], list[list[list[int]]]]:
    """The layers before the last relu, with what comes first in a vector; and rows of each alternative's constraints.

    A constraint's row is ``c . y - bound``: where it is positive, the constraint does not hold.
    """
    low = _low(case)
    layers: list[Rows] = []
    for number, (e, given) in enumerate([*hidden, last]):
        rows, first = given, [1 << e, *(0 for _ in given[0][1:])]
        if number == 0:  # the first element is 1 here, and the inputs start at 0
            rows = [[(r[0] << GRID) + sum(map(mul, r[1:], low)), *r[1:]] for r in given]
            first[0] <<= GRID
        layers.append([first, *rows])
    first, *outputs = layers.pop()
    found = []
    for every in case.unsafe:
        rows = [[-one.bound * v for v in first] for one in every]
        for r, one in zip(rows, every, strict=True):
            for i, c in one.terms:
                r[:] = [a + c * b for a, b in zip(r, outputs[i], strict=True)]
        found.append(rows)
    return layers, found


def _low(case: Case) -> list[int]:
    return [-((-v.numerator << GRID) // v.denominator) for v in case.lower]


def ends_of(case: Case) -> tuple[list[int], list[int]]:
    """The first vector's least and largest value: 1, then how far the inputs are from their least value."""
    high = [(v.numerator << GRID) // v.denominator for v in case.upper]
    low = _low(case)
    return [1, *(0 for _ in low)], [1, *(max(0, h - l) for l, h in zip(low, high, strict=True))]


def _case(k: int, case: Case, hidden: Sequence[Linear], last: Linear) -> tuple[str, str]:
    layers, every = layers_of(case, hidden, last)
    bounds = [ends_of(case)]
    for rows in layers:
        bounds.append(_interval(rows, *bounds[-1]))
    final = []
    for number, rows in enumerate(every):
        positive = [r for r in rows if _interval([r], *bounds[-1])[0][0] > 0]
        if not positive:
            why = f"do not exclude unsafe alternative {number} of box {k}"
            raise CannotCheck(f"intervals, which are all that the Lean theory has, {why}")
        final.append(positive[0])
    bounds.append(_interval(final, *bounds[-1]))
    return _text(k, [*layers, final], bounds)


def _interval(rows: Rows, low: list[int], high: list[int]) -> tuple[list[int], list[int]]:
    """The relu of every row's least and largest value."""
    found: tuple[list[int], list[int]] = [], []
    for r in rows:
        plus, minus = [max(v, 0) for v in r], [max(-v, 0) for v in r]
        found[0].append(max(0, sum(map(mul, plus, low)) - sum(map(mul, minus, high))))
        found[1].append(max(0, sum(map(mul, plus, high)) - sum(map(mul, minus, low))))
    return found


def _text(k: int, layers: Sequence[Rows], bounds: Sequence[tuple[list[int], list[int]]]) -> tuple[str, str]:
    lines, proof, run = [], "h", "x"
    for n, rows in enumerate(layers):
        for i, r in enumerate(rows):
            add, take = _list([max(v, 0) for v in r]), _list([max(-v, 0) for v in r])
            lines.append(f"noncomputable def row_{k}_{n}_{i} : Row := Row.mk {add} {take}\n")
        every = _list([f"row_{k}_{n}_{i}" for i in range(len(rows))])
        lines.append(f"noncomputable def rows_{k}_{n} : List Row := {every}\n")
        run = (
            f"(layer rows_{k}_{n} {run} {run})"
            if n == 0
            else f"(layer rows_{k}_{n} (value_{k}_{n} x) (value_{k}_{n} x))"
        )
        lines.append(f"noncomputable def value_{k}_{n + 1} (x : List Nat) : List Nat := {run}\n")
    for n, (low, high) in enumerate(bounds):
        lines.append(f"noncomputable def low_{k}_{n} : List Nat := {_list(low)}\n")
        lines.append(f"noncomputable def high_{k}_{n} : List Nat := {_list(high)}\n")
    for n in range(len(layers)):
        lines.append(
            f"theorem down_{k}_{n} : Eq (layer rows_{k}_{n} low_{k}_{n} high_{k}_{n}) low_{k}_{n + 1} := Eq.refl _\n"
        )
        lines.append(
            f"theorem up_{k}_{n} : Eq (layer rows_{k}_{n} high_{k}_{n} low_{k}_{n}) high_{k}_{n + 1} := Eq.refl _\n"
        )
        at = "x" if n == 0 else f"(value_{k}_{n} x)"
        names = f"(low := low_{k}_{n}) (high := high_{k}_{n}) (x := {at})"
        names += f" (low' := low_{k}_{n + 1}) (high' := high_{k}_{n + 1})"
        proof = f"(bounded (rows := rows_{k}_{n}) {names} down_{k}_{n} up_{k}_{n} {proof})"
    last = len(layers)
    region = f"And (All low_{k}_0 x) (All x high_{k}_0)"
    goal = f"All low_{k}_{last} (value_{k}_{last} x)"
    lines.append(f"theorem certified_{k} (x : List Nat) (h : {region}) : {goal} :=\n  And.left {proof}\n")
    return "".join(lines), f"certified_{k} : ∀ (x : List Nat), {region} → {goal}"


def _list(values: Sequence[Any]) -> str:
    return "".join(f"(List.cons {v} " for v in values) + "List.nil" + ")" * len(values)


def reread(text: str, k: int) -> tuple[list[Rows], list[list[int]], list[list[int]]]:
    """From the text: the layers of a case, the least and the largest elements of its vectors."""

    def numbers(body: str) -> list[int]:
        return [int(v) for v in re.findall(r"List\.cons (\d+)", body)]

    layers: list[Rows] = []
    for n, i, body in re.findall(
        rf"^noncomputable def row_{k}_(\d+)_(\d+) : Row := Row\.mk (.*)$", text, re.MULTILINE
    ):
        add, take = re.split(r"List\.nil\)*", body)[:2]
        if int(i) == 0:
            layers.append([])
        if int(n) != len(layers) - 1 or int(i) != len(layers[-1]):
            raise Rejected("network", "the rows of the Lean file are not in order")
        layers[-1].append([a - b for a, b in zip(numbers(add), numbers(take), strict=True)])
    ends = [
        re.findall(rf"^noncomputable def {e}_{k}_\d+ : List Nat := (.*)$", text, re.MULTILINE)
        for e in ("low", "high")
    ]
    return layers, [numbers(v) for v in ends[0]], [numbers(v) for v in ends[1]]
