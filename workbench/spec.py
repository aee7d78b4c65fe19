"""What is asked about outputs: linear constraints, and when they hold together or one at a time.

A property names the *unsafe* outputs, as VNN-LIB does: a network is verified where no input of the region leads to
one.  This is the one normal form: a disjunction over boxes of inputs (`Case`) of disjunctions of conjunctions of linear
constraints on outputs.  Numbers are exact rationals, and strict constraints stay strict; nothing is rounded here but in
`Rows`, outward.  `workbench.wanted` says in Python what outputs should be, and turns it into this form.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext
from fractions import Fraction
from functools import cached_property
from math import lcm

import numpy as np

from workbench.graph import Array
from workbench.region import Region


@dataclass(frozen=True, slots=True)
class Constraint:
    """``coefficients . y <= bound`` over the outputs y, flattened; ``<`` where `strict`.

    >>> print(Constraint((Fraction(1), Fraction(-1)), Fraction(0)))
    Y_0 <= Y_1
    """

    coefficients: tuple[Fraction, ...]
    bound: Fraction
    strict: bool = False

    def holds(self, y: Sequence[float | Fraction]) -> bool:
        """Whether it holds at y, exactly (a float is the number that it is)."""
        excess = self.excess(y)
        return excess < 0 if self.strict else excess <= 0

    def excess(self, y: Sequence[float | Fraction]) -> Fraction:
        """``coefficients . y - bound``, exactly: above 0 where it does not hold."""
        pairs = zip(self.coefficients, y, strict=True)
        return sum((c * Fraction(v) for c, v in pairs if c), -self.bound)

    def negated(self) -> Constraint:
        """What holds exactly where this does not."""
        return Constraint(tuple(-c for c in self.coefficients), -self.bound, not self.strict)

    def row(self) -> Array:
        """The coefficients as float64 ``(n,)``, each rounded to nearest."""
        return np.array([float(c) for c in self.coefficients])

    def __str__(self) -> str:
        return self.text()

    def text(self, names: Sequence[str] | None = None) -> str:
        """The constraint with the outputs' names, by default ``Y_0``, ``Y_1``, ..."""
        less, more = ("<", ">") if self.strict else ("<=", ">=")
        named = [(c, names[i] if names else f"Y_{i}") for i, c in enumerate(self.coefficients) if c]
        if self.bound == 0 and sorted(c for c, _ in named) == [-1, 1]:
            (left,), (right,) = ([n for c, n in named if c == s] for s in (1, -1))
            return f"{left} {less} {right}"
        if len(named) == 1:
            c, name = named[0]
            return f"{name} {less if c > 0 else more} {decimal(self.bound / c)}"
        words = ""
        for c, name in named:
            sign = ("-" if c < 0 else "") if not words else (" - " if c < 0 else " + ")
            words += sign + ("" if abs(c) == 1 else f"{decimal(abs(c))} ") + name
        return f"{words or '0'} {less} {decimal(self.bound)}"

    def latex(self) -> str:
        """The constraint as a formula."""
        terms = [(c, f"y_{{{i}}}") for i, c in enumerate(self.coefficients) if c]
        words = ""
        for c, name in terms:
            sign = ("-" if c < 0 else "") if not words else (" - " if c < 0 else " + ")
            words += sign + ("" if abs(c) == 1 else rf"{decimal(abs(c))}\,") + name
        return rf"{words or '0'} {'<' if self.strict else chr(92) + 'le'} {decimal(self.bound)}"


Conjunction = tuple[Constraint, ...]
Disjunction = tuple[Conjunction, ...]


@dataclass(frozen=True, eq=False)
class Rows:
    """A disjunction as arrays, for engines: which lower bounds of which rows refute it.

    Parameters
    ----------
    unsafe : the alternatives; an alternative cannot happen where one of its constraints is refuted.
    size : number of outputs n.

    Attributes
    ----------
    matrix : float64 ``(R, n)``, one row a constraint (a constraint that several alternatives share is one row).
        Scaled to whole numbers where its coefficients are no float64 numbers.
    error : ``(R, n)`` or None: how far the exact coefficients may be from `matrix`; None where it is exact.
    threshold : float64 ``(R,)``.  A row is refuted where a lower bound of (exact row) . y, a float, is *above* it:
        it is the largest float that a bound may have without refuting, so that this also serves strict constraints.
    groups : for each alternative the indices of its rows.
    """

    unsafe: Disjunction
    size: int

    @cached_property
    def constraints(self) -> tuple[Constraint, ...]:
        """One constraint a row."""
        return tuple(dict.fromkeys(c for every in self.unsafe for c in every))

    @cached_property
    def groups(self) -> tuple[Array, ...]:
        """Indices of rows by alternative."""
        place = {c: k for k, c in enumerate(self.constraints)}
        return tuple(np.array([place[c] for c in every], dtype=np.int64) for every in self.unsafe)

    @cached_property
    def _scaled(self) -> list[tuple[list[Fraction], Fraction]]:
        found = []
        for c in self.constraints:
            row, bound = list(c.coefficients), c.bound
            if any(not _is_float(v) for v in row):
                scale = lcm(*(v.denominator for v in row))
                if all(_is_float(v * scale) for v in row):
                    row, bound = [v * scale for v in row], bound * scale
            found.append((row, bound))
        return found

    @cached_property
    def matrix(self) -> Array:
        """Coefficients ``(R, n)``."""
        found = np.zeros((len(self.constraints), self.size))
        for k, (row, _) in enumerate(self._scaled):
            for i, v in enumerate(row):
                if v:
                    try:
                        found[k, i] = float(v)
                    except OverflowError:
                        raise ValueError(
                            f"the constraint {self.constraints[k]} has a coefficient beyond every float64 number"
                        ) from None
        return found

    @cached_property
    def error(self) -> Array | None:
        """``(R, n)`` or None: distance of the exact coefficients from `matrix`, rounded up."""
        found = np.zeros(self.matrix.shape)
        for k, (row, _) in enumerate(self._scaled):
            for i, v in enumerate(row):
                if v and not _is_float(v):
                    found[k, i] = float_of(abs(v - Fraction(float(v))), 1)
        return found if found.any() else None

    @cached_property
    def threshold(self) -> Array:
        """``(R,)``: a lower bound above it refutes the row."""
        found = []
        for c, (_, bound) in zip(self.constraints, self._scaled, strict=True):
            t = float_of(bound, -1)
            if c.strict and math.isfinite(t) and Fraction(t) == bound:
                t = math.nextafter(t, -math.inf)
            found.append(t)
        return np.array(found)

    def slack(self, magnitude: Array) -> Array:
        """What to subtract from a lower bound of ``matrix . y`` for the exact rows: ``(B, R)`` or 0.

        Parameters
        ----------
        magnitude : ``(B, n)``, upper bounds of ``|y|``.
        """
        if self.error is None:
            return np.zeros((1, len(self.constraints)))
        with np.errstate(all="ignore"):
            found = np.nan_to_num(magnitude, nan=np.inf) @ self.error.T
            found = found * (1 + (2 * self.size + 8) * 2.0**-53) + self.size * 2.0**-1073
        return np.asarray(np.where(np.isnan(found), np.inf, found))

    def refuted(self, lower: Array) -> Array:
        """Which alternatives cannot happen, ``(B, A)``, where ``lower`` ``(B, R)`` bounds the exact rows from below."""
        above = lower > self.threshold
        found = [above[:, g].any(axis=1) if g.size else np.zeros(len(above), bool) for g in self.groups]
        return np.stack(found, axis=1) if found else np.zeros((len(lower), 0), bool)

    def in_units(self, margin: float | None) -> float | None:
        """A margin of these rows in the units of their constraints, rounded down.

        A row may be scaled to whole numbers and its threshold rounded down: what is left is at least the margin, less
        the largest such rounding, divided by the largest scale (a negative one is left as it is: no better than said).
        """
        if margin is None or not math.isfinite(margin):
            return margin
        scaled = list(zip(self.constraints, self._scaled, strict=True))
        lost = max(
            (float_of(b, 1) - float(t) for (_, (_, b)), t in zip(scaled, self.threshold, strict=True)),
            default=0.0,
        )
        left = Fraction(margin) - 2 * Fraction(lost)
        if left <= 0:
            return min(0.0, float_of(left, -1)) if margin <= 0 else 0.0
        scales = [
            next((r / v for r, v in zip(row, c.coefficients, strict=True) if v), Fraction(1))
            for c, (row, _) in scaled
        ]
        return float_of(left / max(scales), -1)

    def margin(self, lower: Array) -> Array:
        """``(B,)``: the least over alternatives of the largest ``lower - threshold``: above 0 where all are refuted."""
        with np.errstate(invalid="ignore"):
            over = lower - self.threshold
            # never 0 or below where the comparison says refuted, never above 0 where it does not
            over = np.where(lower > self.threshold, np.maximum(over, 2.0**-1074), np.minimum(over, 0.0))
        over = np.where(np.isnan(over), -np.inf, over)
        found = [over[:, g].max(axis=1) if g.size else np.full(len(over), -np.inf) for g in self.groups]
        return np.min(found, axis=0) if found else np.full(len(over), np.inf)


@dataclass(frozen=True, slots=True)
class Ends:
    """A box with exact ends: what a region was before its ends were rounded outward to float64.

    Parameters
    ----------
    lower, upper : one rational an input.
    open : ``(input, -1)`` where the lower end does not belong to the box, ``(input, 1)`` where the upper does not.
    """

    lower: tuple[Fraction, ...]
    upper: tuple[Fraction, ...]
    open: frozenset[tuple[int, int]] = frozenset()

    def contain(self, x: Sequence[Fraction]) -> bool:
        """Whether the box contains the point x."""
        return all(
            (lo < v if (i, -1) in self.open else lo <= v) and (v < hi if (i, 1) in self.open else v <= hi)
            for i, (lo, v, hi) in enumerate(zip(self.lower, x, self.upper, strict=True))
        )


@dataclass(frozen=True, slots=True)
class Case:
    """One box of inputs, and which outputs are unsafe there.

    Parameters
    ----------
    region : the box, over inputs flattened to ``(1, n)``; rounded outward, so that it contains the real one.
    unsafe : alternatives; each is unsafe where all of its constraints hold.
    ends : the box as it was asked for: what a counterexample must lie in; None where `region` says it exactly.
    """

    region: Region
    unsafe: Disjunction
    ends: Ends | None = None

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
    names : of the outputs, where they have some; else they are ``Y_0``, ``Y_1``, ...
    """

    cases: tuple[Case, ...]
    inputs: int
    outputs: int
    name: str = "property"
    names: tuple[str, ...] = ()

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
            return head + f"unsafe where {in_words(self.cases[0].unsafe, self.names)}"
        return head + "; ".join(
            f"in box {i} unsafe where {in_words(c.unsafe, self.names)}" for i, c in enumerate(self.cases)
        )


def in_words(unsafe: Disjunction, names: Sequence[str] | None = None) -> str:
    """``(Y_0 <= Y_1 and Y_2 <= 3) or Y_1 <= 0``."""
    if any(not every for every in unsafe):
        return "always"
    parts = []
    for every in unsafe:
        text = " and ".join(c.text(names) for c in every)
        parts.append(f"({text})" if len(every) > 1 and len(unsafe) > 1 else text)
    return " or ".join(parts) or "never"


def in_formulas(unsafe: Disjunction) -> str:
    """The same in LaTeX."""
    if any(not every for every in unsafe):
        return r"\top"
    parts = []
    for every in unsafe:
        text = r" \land ".join(c.latex() for c in every)
        parts.append(rf"({text})" if len(every) > 1 and len(unsafe) > 1 else text)
    return r" \lor ".join(parts) or r"\bot"


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


def float_of(value: Fraction, direction: int) -> float:
    """The nearest float64 that is not above (-1) or not below (+1) a rational."""
    try:
        found = float(value)
    except OverflowError:  # beyond the largest number, on either side
        found = math.inf if value > 0 else -math.inf
        return found if found * direction > 0 else math.nextafter(found, 0.0)
    if (Fraction(found) - value) * direction < 0:
        found = math.nextafter(found, direction * math.inf)
    return found


def _is_float(value: Fraction) -> bool:
    try:
        return Fraction(float(value)) == value
    except OverflowError:
        return False
