"""What a rounding, and a sum in any order, can be off by: bounds computed in float64 and true as they stand.

Every function returns numbers that are at least the bound of the formula: float64's own errors are covered by the
relative margin `raised`, which leaves an exact 0 alone (a neuron that is never on has no error at all).
"""

from __future__ import annotations

from math import expm1, inf, log1p
from typing import Any

import numpy as np

from workbench.floats.format import Format, ufp
from workbench.floats.rounding import NEAREST, Mode
from workbench.graph import Array

SMALLEST = 2.0**-1074


def raised(x: Any, terms: int = 1) -> Array:
    """x >= 0, made larger by more than the float64 errors of computing it as a sum of `terms` non-negative terms.

    Underflow is covered where x > 0; that x is 0 only where all terms are is up to who computes it (see `times`).
    """
    return np.asarray(x * (1 + (terms + 32) * 2.0**-51) + np.where(x > 0, (terms + 64) * SMALLEST, 0.0))


def times(x: Array, y: Array) -> Array:
    """x y for non-negative numbers, never 0 where neither of them is."""
    p = x * y
    if p.all():
        return p
    return np.asarray(np.where((p == 0) & (x != 0) & (y != 0), SMALLEST, p))


def leaf_products(x: Array, y: Array, mode: Mode) -> Array:
    """x y with its sign, for a sum's leaves: a leaf that is 0 here is one whose addition rounds nothing.

    To nearest even, a product that underflows to 0 in the numbers that hold it is at most half the least number of the
    program's format: alone it becomes 0, and fused it moves a sum by no more than that, which counts as underflow.
    In the other modes a sum may move by a whole spacing for it: the least number of float32 or float64 stands for it.
    """
    p = np.asarray(x * y)
    tiny = np.finfo(p.dtype).smallest_subnormal
    if mode == "nearest-even" or _least(x) * _least(y) >= float(tiny):
        return p
    return np.asarray(np.where((p == 0) & (x != 0) & (y != 0), np.copysign(tiny, p), p))


def _least(x: Array) -> float:
    """The least magnitude other than 0; infinity where there is none."""
    size = np.abs(x)
    return float(np.min(size, initial=np.inf, where=size > 0))


def growth(unit: float, count: float) -> float:
    """``(1 + u)^count - 1``, rounded up: what `count` roundings in a row can make of a number."""
    power = count * log1p(unit)
    return float(expm1(power) * (1 + 2.0**-20)) if power < 700 else inf


def unit_of(form: Format, mode: Mode = "nearest-even") -> float:
    """The largest relative error of one rounding of a normal number: u to nearest, 2u in the other modes."""
    return form.unit if mode in NEAREST else 2 * form.unit


def flushed(form: Format) -> float:
    """What abrupt underflow can take from, or in directed modes add to, one sum: 0 where underflow is gradual.

    With gradual underflow a sum of two numbers of the format that is subnormal is exact (Hauser 1996).
    """
    return 0.0 if form.subnormals else form.normal


def rounding_error(size: Array, form: Format, mode: Mode = "nearest-even") -> Array:
    """F1: the largest ``|fl(x) - x|`` over ``|x| <= size``; infinite where fl(x) may overflow.

    To nearest, ``|fl(x) - x| <= max(u ufp(x), eta/2)``: half the spacing at x.  It is never more than |x|, as 0 is a
    candidate.  In the other modes the whole spacing; with abrupt underflow up to 2^emin instead of eta/2.
    """
    size = np.asarray(size, np.float64)
    near = mode in NEAREST
    half = max(form.eta / 2 if near and form.subnormals else form.eta, SMALLEST)
    with np.errstate(invalid="ignore"):
        found = np.maximum(unit_of(form, mode) * ufp(size), half)
        # away from zero is where "up", "down" and "to-odd" may go from any small number
        found = np.where(size == 0, 0.0, np.minimum(found, size) if near or mode == "toward-zero" else found)
        return np.asarray(np.where(size <= min(form.largest, -form.lowest), found, np.inf))


def outward32(x: Array) -> Array:
    """float32 numbers at least as large as x in magnitude, by 2^-20 of it; 0 stays 0.  For |x| < 2^100 only."""
    return (x * (1 + 2.0**-20) + np.copysign(np.where(x == 0, 0.0, 2.0**-148), x)).astype(np.float32)


def sum_error_by_totals(
    positive: Array, negative: Array, terms: int, form: Format, mode: Mode = "nearest-even"
) -> Array:
    """F5 with every T_k replaced by the last: ``(m - 1) u ufp(max(P, N) (1+u)^(m+1))``.

    Parameters
    ----------
    positive, negative : ``(...)``: P and N, the sums of the leaves' positive and negative parts.
    terms : m, a bound on the number of leaves that are not zero.
    """
    size = np.maximum(positive, negative)
    some = size > 0
    size = np.where(some, size + 2 * terms * form.eta, 0.0)
    with np.errstate(invalid="ignore"):
        unit = unit_of(form, mode)
        size = np.where(some, raised(size * (1 + growth(unit, 2 * terms + 4)), terms), 0.0)
    error = raised(max(terms - 1, 0) * (unit * ufp(size) + np.where(some, flushed(form), 0.0)))
    return np.asarray(np.where(size <= min(form.largest, -form.lowest), error, np.inf))


def sum_error_classic(total: Array, roundings: int, form: Format, mode: Mode = "nearest-even") -> Array:
    """F2 in its compound form: ``((1+u)^r - 1) sum |leaf|`` where no leaf passes through more than r roundings.

    Valid for every order, with or without fused multiply-adds (Higham 2002, section 3.1).  No overflow is looked for.

    Raises
    ------
    ValueError
        Abrupt underflow: its errors are not relative to anything.  `sum_error` counts them.
    """
    if not form.subnormals:
        raise ValueError(f"{form.name} underflows abruptly, which no relative bound covers: use sum_error")
    with np.errstate(invalid="ignore"):
        return np.where(total > 0, raised(growth(unit_of(form, mode), roundings) * total, roundings), 0.0)
