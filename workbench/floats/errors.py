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


def sum_error(
    signed: Array, form: Format, *, other: Array | None = None, mode: Mode = "nearest-even"
) -> Array:
    """F5: how far the additions of a sum can lead astray, whatever their order and parentheses.

    Parameters
    ----------
    signed : ``(..., K)``, the leaves; where a leaf ranges over an interval, the end of larger magnitude if the leaf
        has one sign, else its largest positive value (with `other`).  float64, or float32 of `outward32`; 0 only
        where adding the leaf rounds nothing (see `leaf_products`).
    form : the format of the additions.
    other : ``(..., K)``, the most negative values of the leaves, where they do not have one sign.
    mode : of rounding; u is 2^-p to nearest and 2^(1-p) otherwise.

    Returns
    -------
    ``(...)``: a bound on the sum of the additions' errors; infinite where a partial sum may overflow.

    Notes
    -----
    Let m leaves be other than zero (adding 0 is exact), and let T_k be the larger of the sum of the k largest
    positive parts and the sum of the k largest negative parts.  The operands of an addition are signed sums of their
    leaves, each times at most m + 1 factors 1 + d, |d| <= u; so its exact result is at most T_k (1+u)^(m+1) for k
    leaves under it, and its error at most u ufp of that.  Order the m - 1 additions by the number of leaves under
    them, children before parents: the j-th has at most j + 1, since a subtree of k leaves holds k - 1 additions, none
    larger than itself.  T is increasing, hence  error <= u sum_{k=2..m} ufp(T_k (1+u)^(m+1)).

    With abrupt underflow each addition may err by 2^emin besides, which enters T and the result.
    A fused multiply-add rounds the same sum and spares a product's rounding: the bound holds for it too.
    T is evaluated at every b-th k and used for the b - 1 before it: under one per cent above the formula.
    """
    K = signed.shape[-1]
    if K == 0:
        return np.zeros(signed.shape[:-1])
    used = np.count_nonzero(
        signed if other is None else np.maximum(signed, 0) - np.minimum(other, 0), axis=-1
    )
    m = int(used.max(initial=0))
    block = 1 << max(0, (K // 128).bit_length() - 1)
    with np.errstate(invalid="ignore", over="ignore"):
        up = _sorted(signed, block)
        down = up if other is None else _sorted(other, block)
        partial = np.maximum(_from_the_end(up, block), _from_the_end(-down[..., ::-1], block))
        slack = 2 * m * form.eta + K * 2.0**-148 * (signed.dtype == np.float32)
        unit = unit_of(form, mode)
        partial = raised((partial + slack) * (1 + growth(unit, 2 * m + 4)) * (1 + 2.0**-20), K)
        # of the k = 2 .. m, those in (i b, (i + 1) b]
        adds = np.clip(used[..., None] - np.maximum(np.arange(0, up.shape[-1], block), 1), 0, block)
        adds[..., 0] = np.minimum(adds[..., 0], block - 1)
        last = np.where(adds > 0, partial, 0.0)
        error = raised(unit * (adds * ufp(last)).sum(axis=-1) + np.maximum(used - 1, 0) * flushed(form), K)
        return np.asarray(np.where(last.max(axis=-1) <= min(form.largest, -form.lowest), error, np.inf))


def _sorted(x: Array, block: int) -> Array:
    """Ascending along the last axis, padded with zeros to a whole number of blocks."""
    missing = -x.shape[-1] % block
    if missing:
        x = np.concatenate([x, np.zeros((*x.shape[:-1], missing), x.dtype)], axis=-1)
    return np.asarray(np.sort(x, axis=-1))


def _from_the_end(x: Array, block: int) -> Array:
    """Sums of the last 1, 2, ... blocks, of positive elements only.

    In float32 a block of up to 16 non-negative elements errs by 2^-20 at most, relatively; the rest is float64.
    """
    parts = np.maximum(x, 0)
    if block > 1:  # by strides: a reduction over a short last axis is many times slower
        whole = parts
        parts = whole[..., ::block] + whole[..., 1::block]
        for k in range(2, block):
            parts += whole[..., k::block]
    return np.cumsum(parts[..., ::-1], axis=-1, dtype=np.float64)


def product_error(leaves: Array, form: Format) -> Array:
    """How far the roundings of a sum's leaves can lead astray: ``u sum ufp(leaf)`` over the last axis.

    Underflow is not in it.  `leaves` are magnitudes, rounded up; those below the smallest normal number count 0.
    """
    if leaves.dtype == np.float32:
        first = (np.abs(leaves).view(np.int32) & np.int32(0x7F800000)).view(np.float32)
    else:
        first = ufp(leaves)
    return raised(form.unit * np.sum(first, axis=-1, dtype=np.float64), leaves.shape[-1])


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
