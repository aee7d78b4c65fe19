"""What IEEE 754-2019 does without rounding: signs, comparisons, minimum and maximum, and conversion to integers."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from workbench.floats.ieee754 import QUIET, Flags, Outcome
from workbench.floats.pair import floats, kept
from workbench.floats.rounding import Mode, _integer, check_mode
from workbench.graph import Array

Relation = Literal["less", "equal", "greater", "unordered"]


def negate(x: Any) -> Array:
    """-x: the sign bit turned over, of zeros and NaNs too; raises no flag (5.5.1)."""
    return _with_sign(x, lambda bits: bits ^ np.uint64(1 << 63))


def absolute(x: Any) -> Array:
    """|x|: the sign bit cleared, of NaNs too; raises no flag (5.5.1)."""
    return _with_sign(x, lambda bits: bits & np.uint64((1 << 63) - 1))


def copy_sign(x: Any, y: Any) -> Array:
    """X with the sign bit of y; raises no flag (5.5.1)."""
    sign = floats(y).view(np.uint64) & np.uint64(1 << 63)
    return _with_sign(x, lambda bits: (bits & np.uint64((1 << 63) - 1)) | sign)


def _with_sign(x: Any, change: Any) -> Array:
    bits = floats(x).view(np.uint64)
    return kept(change(bits)).view(np.float64)


def compare(x: Any, y: Any, *, signaling: bool = False) -> tuple[Array, Array]:
    """The relation of x to y, an array of "less", "equal", "greater" or "unordered", and where invalid is raised.

    Zeros are equal whatever their signs; NaN is unordered, also with itself (5.11).  Quiet comparisons are invalid for
    signalling NaNs only, signaling ones (the standard's < and its kin) for every NaN.
    """
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    nan = np.isnan(x) | np.isnan(y)
    relation = np.where(x < y, "less", np.where(x > y, "greater", "equal"))
    return np.where(nan, "unordered", relation), nan if signaling else _loud(x) | _loud(y)


def _loud(x: Array) -> Array:
    """Where x is a signalling NaN."""
    return kept(np.isnan(x) & ((x.view(np.int64) & QUIET) == 0))


def minimum(x: Any, y: Any) -> Outcome:
    """The smaller, -0 before +0; NaN where either is (9.6)."""
    return _extremum(x, y, larger=False, numbers=False)


def maximum(x: Any, y: Any) -> Outcome:
    """The larger, +0 after -0; NaN where either is (9.6)."""
    return _extremum(x, y, larger=True, numbers=False)


def minimum_number(x: Any, y: Any) -> Outcome:
    """The smaller, -0 before +0; a number rather than a NaN (9.6)."""
    return _extremum(x, y, larger=False, numbers=True)


def maximum_number(x: Any, y: Any) -> Outcome:
    """The larger, +0 after -0; a number rather than a NaN (9.6)."""
    return _extremum(x, y, larger=True, numbers=True)


def _extremum(x: Any, y: Any, *, larger: bool, numbers: bool) -> Outcome:
    x, y = (v.copy() for v in np.broadcast_arrays(floats(x), floats(y)))
    first = (x > y) | ((x == y) & ~np.signbit(x)) if larger else (x < y) | ((x == y) & np.signbit(x))
    value = np.where(first, x, y)
    quiet = [kept(v.view(np.int64) | QUIET).view(np.float64) for v in (x, y)]
    a, b = np.isnan(x), np.isnan(y)
    if numbers:
        value = np.where(a, y, np.where(b, x, value))
        value = np.where(a & b, quiet[0], value)
    else:
        value = np.where(a, quiet[0], np.where(b, quiet[1], value))
    none = np.zeros_like(value, dtype=bool)
    return Outcome(value, Flags(_loud(x) | _loud(y), none, none, none, none))


def round_to_integral(x: Any, mode: Mode = "nearest-even") -> Outcome:
    """X rounded to an integer in its own format, with inexact (roundToIntegralExact, 5.9); keeps the sign of zeros."""
    check_mode(mode)
    x = floats(x)
    inner = np.clip(np.where(np.isnan(x), 0.0, x), -(2.0**53), 2.0**53)
    value = np.copysign(_integer(inner, mode, np), x)
    value = np.where(np.abs(x) < 2.0**53, value, x)
    value = np.where(np.isnan(x), kept(x.view(np.int64) | QUIET).view(np.float64), value)
    none = np.zeros_like(x, dtype=bool)
    return Outcome(value, Flags(_loud(x), none, none, none, kept((value != x) & ~np.isnan(x))))


def to_integer(x: Any, low: int, high: int, mode: Mode = "toward-zero") -> tuple[Array, Array, Array]:
    """Integers from `low` to `high` (int64), and where invalid and inexact are raised (convertToInteger..Exact, 5.8).

    A NaN or an integer out of range is invalid; 0 stands for NaN and the nearer end for what is out of range.

    Raises
    ------
    ValueError
        An empty range, or one that is not one of int64.
    """
    if not -(2**63) <= low <= high < 2**63:
        raise ValueError(f"integers from {low} to {high} are no range within 64 bits")
    outcome = round_to_integral(x, mode)
    value = np.where(np.isnan(outcome.value), 0.0, outcome.value)
    # the ends of the range among float64's numbers: 2^63 - 1 is none of them
    top, bottom = float(high), float(low)
    top = top if top <= high else float(np.nextafter(top, 0))
    bottom = bottom if bottom >= low else float(np.nextafter(bottom, 0))
    above, below = value > top, value < bottom
    bounded = np.where(above | below, 0.0, value)
    found = np.where(above, high, np.where(below, low, bounded.astype(np.int64)))
    invalid = above | below | np.isnan(outcome.value)
    return found, np.asarray(invalid), np.asarray(outcome.flags.inexact & ~invalid)
