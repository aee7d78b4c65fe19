"""What outputs should be, said in Python: margins, linear inequalities, ranges, and these together or one of several.

>>> from workbench.wanted import any_of, linear, margin
>>> from workbench.spec import in_words
>>> in_words(unsafe(margin(1), 3))
'Y_1 <= Y_0 or Y_1 <= Y_2'
>>> in_words(unsafe(any_of(margin(0), linear([[1, 1]], [4])), 2))
'Y_0 <= Y_1 and -Y_0 - Y_1 < -4'
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from itertools import product
from typing import Any, TypeAlias

import numpy as np

from workbench.region import Region
from workbench.spec import Case, Constraint, Disjunction, Property, misclassified

MOST = 100_000  # alternatives
Number: TypeAlias = "float | int | str | Fraction | Decimal"


class SpecificationError(ValueError):
    """A specification that does not fit the network, or says nothing."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the outputs should satisfy over the whole region; made by `margin`, `linear`, `output_range`, ...

    Parameters
    ----------
    kind : "all" or "any" of the parts; or "leaf".
    parts : what is combined.
    constraints : of a leaf: from the number of outputs, the constraints that should all hold.
    words : how it was written.
    """

    kind: str
    words: str
    parts: tuple[Wanted, ...] = ()
    constraints: Callable[[int], tuple[Constraint, ...]] | None = None

    def __repr__(self) -> str:
        return self.words


def margin(label: int, at_least: Number = 0) -> Wanted:
    """Output `label` exceeds every other output by more than `at_least`: the classification does not change.

    Raises
    ------
    SpecificationError
        A label that is no whole number, or that the network does not have.
    """
    if isinstance(label, bool) or not isinstance(label, int | np.integer):
        raise SpecificationError(
            f"the label is an output's number, such as wb.margin(7), not {label!r} ({type(label).__name__})"
        )
    label, least = int(label), exactly(at_least)

    def constraints(outputs: int) -> tuple[Constraint, ...]:
        try:
            unsafe_ = misclassified(label, outputs)
        except ValueError as error:
            raise SpecificationError(str(error)) from None
        return tuple(Constraint(c.coefficients, least).negated() for (c,) in unsafe_)

    return Wanted("leaf", f"margin({label}{f', {at_least}' if least else ''})", constraints=constraints)


def linear(C: Any, d: Any) -> Wanted:
    """``C @ y <= d`` over the outputs y, flattened; every row should hold.

    Parameters
    ----------
    C : ``(R, n)`` or one row ``(n,)``.  Floats are the numbers that they are; strings are decimals, exactly.
    d : ``(R,)`` or one number.
    """
    matrix, bounds = np.atleast_2d(np.asarray(C, dtype=object)), np.atleast_1d(np.asarray(d, dtype=object))
    if matrix.ndim != 2 or bounds.shape != (len(matrix),):
        raise SpecificationError(
            "linear(C, d) takes C of shape (rows, outputs) and d of shape (rows,), "
            f"not {matrix.shape} and {bounds.shape}"
        )
    rows = [tuple(map(exactly, row)) for row in matrix.tolist()]
    ends = [exactly(v) for v in bounds.tolist()]

    def constraints(outputs: int) -> tuple[Constraint, ...]:
        if matrix.shape[1] != outputs:
            raise SpecificationError(
                f"C has {matrix.shape[1]} columns, but the network has {outputs} outputs"
            )
        return tuple(Constraint(row, end) for row, end in zip(rows, ends, strict=True))

    return Wanted("leaf", f"linear({len(rows)} row{'s' if len(rows) > 1 else ''})", constraints=constraints)


def output_range(lower: Any = None, upper: Any = None, output: int | None = None) -> Wanted:
    """Every output (or the one given) lies between `lower` and `upper`, ends included; None leaves an end open.

    Parameters
    ----------
    lower, upper : one number, or one an output.
    output : index of the only output that is meant.
    """
    if lower is None and upper is None:
        raise SpecificationError("output_range needs a lower or an upper end")

    def constraints(outputs: int) -> tuple[Constraint, ...]:
        if output is not None and not 0 <= output < outputs:
            raise SpecificationError(
                f"there is no output {output}: the network has {outputs}, counted from 0"
            )
        found = []
        for sign, end in ((-1, lower), (1, upper)):
            if end is None:
                continue
            given = [exactly(v) for v in np.asarray(end, dtype=object).reshape(-1).tolist()]
            which = range(outputs) if output is None else [output]
            if len(given) not in (1, len(which)):
                raise SpecificationError(f"output_range has {len(given)} ends for {len(which)} outputs")
            for k, i in enumerate(which):
                row = tuple(Fraction(sign if j == i else 0) for j in range(outputs))
                found.append(Constraint(row, sign * given[k % len(given)]))
        return tuple(found)

    which = "" if output is None else f", output={output}"
    return Wanted("leaf", f"output_range({lower}, {upper}{which})", constraints=constraints)


def all_of(*parts: Wanted) -> Wanted:
    """Every part should hold."""
    return _combined("all", parts)


def any_of(*parts: Wanted) -> Wanted:
    """At least one part should hold, not always the same one."""
    return _combined("any", parts)


def _combined(kind: str, parts: tuple[Wanted, ...]) -> Wanted:
    if not parts or not all(isinstance(p, Wanted) for p in parts):
        raise SpecificationError(f"{kind}_of takes specifications, such as margin(3)")
    return Wanted(kind, f"{kind}_of({', '.join(map(repr, parts))})", parts)


def unsafe(wanted: Wanted, outputs: int) -> Disjunction:
    """The outputs where it does not hold, as alternatives.

    Raises
    ------
    SpecificationError
        Where it does not fit this number of outputs, or has too many alternatives.
    """
    if wanted.constraints is not None:
        return tuple((c.negated(),) for c in wanted.constraints(outputs))
    parts = [unsafe(p, outputs) for p in wanted.parts]
    if wanted.kind == "all":
        return tuple(dict.fromkeys(every for part in parts for every in part))
    count = 1
    for part in parts:
        count *= len(part)
        if count > MOST:
            raise SpecificationError(f"{wanted.words[:80]} has more than {MOST:,} alternatives")
    return tuple(tuple(dict.fromkeys(c for every in chosen for c in every)) for chosen in product(*parts))


def property_of(wanted: Wanted | Property, region: Region | None, inputs: int, outputs: int) -> Property:
    """A specification as the normal form, over a region.

    Raises
    ------
    SpecificationError
        What does not fit the network; a specification without a region.
    """
    if isinstance(wanted, Property):
        if (wanted.inputs, wanted.outputs) != (inputs, outputs):
            raise SpecificationError(
                f"{wanted.name} is about {wanted.inputs} inputs and {wanted.outputs} outputs, "
                f"but the network has {inputs} and {outputs}"
            )
        return wanted
    if not isinstance(wanted, Wanted):
        raise SpecificationError(
            f"{wanted!r} is no specification: give wb.margin(label), wb.linear(C, d), or a property file"
        )
    if region is None:
        raise SpecificationError("say where the inputs lie: give a region, such as wb.ball(x, eps=0.02)")
    return Property((Case(region, unsafe(wanted, outputs)),), inputs, outputs, wanted.words)


def exactly(value: Any) -> Fraction:
    """A number as the rational that it is; a string as the decimal that it says.

    Raises
    ------
    SpecificationError
        What is not a finite number.
    """
    try:
        return Fraction(value if isinstance(value, str | int | Fraction | Decimal) else float(value))
    except (ValueError, TypeError, OverflowError, ZeroDivisionError):
        raise SpecificationError(f"{value!r} is not a finite number") from None
