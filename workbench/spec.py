"""What is asked about outputs: linear constraints, and when they hold together or one at a time.

A property names the *unsafe* outputs, as VNN-LIB does: a network is verified where no input of the region leads to
one.  Numbers are exact rationals; nothing is rounded here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext
from fractions import Fraction

import numpy as np

from workbench.graph import Array
from workbench.region import Region


@dataclass(frozen=True, slots=True)
class Constraint:
    """``coefficients . y <= bound`` over the outputs y, flattened.

    >>> print(Constraint((Fraction(1), Fraction(-1)), Fraction(0)))
    Y_0 <= Y_1
    """

    coefficients: tuple[Fraction, ...]
    bound: Fraction

    def holds(self, y: Sequence[float | Fraction]) -> bool:
        """Whether it holds at y, exactly (a float is the number that it is)."""
        return self.excess(y) <= 0

    def excess(self, y: Sequence[float | Fraction]) -> Fraction:
        """``coefficients . y - bound``, exactly: above 0 where it does not hold."""
        pairs = zip(self.coefficients, y, strict=True)
        return sum((c * Fraction(v) for c, v in pairs if c), -self.bound)

    def row(self) -> Array:
        """The coefficients as float64 ``(n,)``, each rounded to nearest."""
        return np.array([float(c) for c in self.coefficients])

    def __str__(self) -> str:
        terms = [(c, f"Y_{i}") for i, c in enumerate(self.coefficients) if c]
        if self.bound == 0 and sorted(c for c, _ in terms) == [-1, 1]:
            (left,), (right,) = ([n for c, n in terms if c == s] for s in (1, -1))
            return f"{left} <= {right}"
        if len(terms) == 1:
            c, name = terms[0]
            return f"{name} {'<=' if c > 0 else '>='} {decimal(self.bound / c)}"
        words = ""
        for c, name in terms:
            sign = ("-" if c < 0 else "") if not words else (" - " if c < 0 else " + ")
            words += sign + ("" if abs(c) == 1 else f"{decimal(abs(c))} ") + name
        return f"{words or '0'} <= {decimal(self.bound)}"


Conjunction = tuple[Constraint, ...]
Disjunction = tuple[Conjunction, ...]


@dataclass(frozen=True, slots=True)
class Case:
    """One box of inputs, and which outputs are unsafe there.

    Parameters
    ----------
    region : the box, over inputs flattened to ``(1, n)``; rounded outward, so that it contains the real one.
    unsafe : alternatives; each is unsafe where all of its constraints hold.
    """

    region: Region
    unsafe: Disjunction

    def is_unsafe(self, y: Sequence[float | Fraction]) -> bool:
        """Whether the outputs y are unsafe, exactly."""
        return any(all(c.holds(y) for c in every) for every in self.unsafe)


@dataclass(frozen=True, slots=True)
class Property:
    """What a property file asks: cases, each a box of inputs and its unsafe outputs.

    Parameters
    ----------
    cases : at least one.
    inputs, outputs : how many numbers a network takes and gives.
    name : for people.
    """

    cases: tuple[Case, ...]
    inputs: int
    outputs: int
    name: str = "property"

    def region(self, shape: tuple[int, ...] | None = None) -> Region:
        """All boxes as one batch of regions, over inputs of `shape` (by default flat).

        Raises
        ------
        RegionError
            Where the shape has another number of elements.
        """
        lower, upper = (
            np.concatenate([getattr(c.region, end) for c in self.cases]) for end in ("lower", "upper")
        )
        whole = Region(lower, upper)
        return whole if shape is None else whole.reshape(shape)

    def __str__(self) -> str:
        head = f"{self.name}: {self.inputs} inputs in {len(self.cases)} box{'es' if len(self.cases) > 1 else ''}, "
        same = all(c.unsafe == self.cases[0].unsafe for c in self.cases)
        if same:
            return head + f"unsafe where {in_words(self.cases[0].unsafe)}"
        return head + "; ".join(
            f"in box {i} unsafe where {in_words(c.unsafe)}" for i, c in enumerate(self.cases)
        )


def in_words(unsafe: Disjunction) -> str:
    """``(Y_0 <= Y_1 and Y_2 <= 3) or Y_1 <= 0``."""
    if any(not every for every in unsafe):
        return "always"
    parts = []
    for every in unsafe:
        text = " and ".join(map(str, every))
        parts.append(f"({text})" if len(every) > 1 and len(unsafe) > 1 else text)
    return " or ".join(parts)


def misclassified(label: int, outputs: int) -> Disjunction:
    """Unsafe where some other class scores at least as high as `label`: one alternative a class.

    Raises
    ------
    ValueError
        A label that is not one of the outputs.
    """
    if not 0 <= label < outputs:
        raise ValueError(f"the label must be one of 0 to {outputs - 1}, not {label}")
    rows = []
    for other in range(outputs):
        if other != label:
            row = [Fraction(0)] * outputs
            row[label], row[other] = Fraction(1), Fraction(-1)
            rows.append((Constraint(tuple(row), Fraction(0)),))
    return tuple(rows)


def decimal(value: Fraction) -> str:
    """A rational in the shortest exact form: as a float's digits, as a decimal, or as a fraction."""
    if value.denominator == 1:
        return str(value.numerator)
    with localcontext() as context:
        context.prec = 60
        found = Decimal(value.numerator) / value.denominator
    return str(found) if Fraction(found) == value else f"{value.numerator}/{value.denominator}"
