"""Numbers kept exactly as an unevaluated sum of two float64 with a common exponent, and their rounding to a format."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from workbench.floats.format import UNBOUNDED, Format, Overflow
from workbench.floats.rounding import Mode
from workbench.graph import Array

TINY = 2.0**-1000


class Pair(NamedTuple):
    """``(high + low) 2^exponent``; high is their sum rounded to nearest (or low is 0).

    Where high + low stands for a number that it is not quite, low is not 0 and has its sign, and no number of 53 bits
    nor a midpoint of two lies between the two: every rounding to at most 53 bits is that of the number meant.
    """

    high: Array
    low: Array
    exponent: Array


def floats(x: Any) -> Array:
    """x as a float64 array: NumPy's, or of the library that it belongs to (CuPy), which stays as it is."""
    if isinstance(x, np.ndarray) or not hasattr(x, "__array_function__"):
        return np.asarray(x, np.float64)
    return x if x.dtype == np.float64 else x.astype(np.float64)


def kept(x: Any) -> Array:
    """What a function of arrays returned, as an array: NumPy returns single numbers for no axes."""
    return x if hasattr(x, "__array_function__") else np.asarray(x)


def two_sum(a: Array, b: Array) -> tuple[Array, Array]:
    """s + t = a + b exactly, s = fl(a + b) (Knuth 1969); nothing may overflow."""
    s = a + b
    t = s - a
    return s, (a - (s - t)) + (b - t)


def two_product(a: Array, b: Array) -> tuple[Array, Array]:
    """p + e = a b exactly, p = fl(a b) (Dekker 1971); for operands of ordinary size: nothing may over- or underflow."""

    def split(x: Array) -> tuple[Array, Array]:
        c = x * (2.0**27 + 1)
        high = c - (c - x)
        return high, x - high

    p = a * b
    (ah, al), (bh, bl) = split(a), split(b)
    return p, al * bl - (((p - ah * bh) - al * bh) - ah * bl)


def odd_pair(a: Array, b: Array) -> Array:
    """a + b rounded to odd: where inexact, the neighbour with an odd significand (Boldo & Melquiond 2008).

    What overflows or is NaN stays as it is.
    """
    s, error = two_sum(a, b)
    s = floats(s)
    even = (s.view(np.int64) & 1) == 0
    return floats(
        np.where(even & (error != 0) & np.isfinite(error), np.nextafter(s, np.copysign(np.inf, error)), s)
    )


def significand(x: Array) -> tuple[Array, Array]:
    """(m, e) with x = m 2^e and 1/2 <= |m| < 1; 0 for zeros, infinities and NaN."""
    m, e = np.frexp(np.where(np.isfinite(x), x, 0.0))
    return m, e.astype(np.int64)


def round_pair(pair: Pair, form: Format, mode: Mode, overflow: Overflow) -> tuple[Array, Array, Array, Array]:
    """A pair rounded once to a format.

    Returns
    -------
    value, inexact, overflow, underflow : float64 and three boolean arrays.  Underflow: inexact, and tiny after rounding
        to p bits with an unbounded exponent.  In fixed point nothing is tiny.  For a format of unbounded exponents the
        last two say that float64 does not hold the result.
    """
    with np.errstate(all="ignore"):
        return _rounded(pair, form, mode, overflow)


def _rounded(pair: Pair, form: Format, mode: Mode, overflow: Overflow) -> tuple[Array, Array, Array, Array]:
    negative = (pair.high < 0) | ((pair.high == 0) & (pair.low < 0))
    sign = np.where(negative, -1.0, 1.0)
    zero = pair.high == 0
    high, shift = np.frexp(np.where(zero, 0.5, np.abs(pair.high)))  # 1/2 <= high < 1
    low = np.where(zero, 0.0, pair.low * sign)
    scaled = np.ldexp(low, -shift)
    low = np.where((scaled == 0) & (low != 0), np.copysign(TINY, low), scaled)
    e = pair.exponent + shift
    below = (high == 0.5) & (low < 0)  # the number lies in the binade below
    high, low, e = np.where(below, 1.0, high), np.where(below, low * 2, low), np.where(below, e - 1, e)
    p, clip = form.precision, 60
    free = np.full_like(high, 2.0**-p)
    deepest = np.clip(form.emin - e + 1, 0, clip)  # how much coarser than p bits the format is there
    n, inexact = _whole(high / free, low / free, mode, negative)
    value, top = n * free, form.emin + 1 - e  # value 2^e >= 2^emin where value >= 2^(emin - e)
    bounded = form.emin != -UNBOUNDED
    tiny = np.zeros_like(zero)
    if bounded and not form.fixed:
        tiny = value < np.ldexp(1.0, np.clip(top - 1, -100, 100))
    under = tiny & inexact
    if bounded and form.subnormals:
        step = np.ldexp(free, deepest)
        n, inexact = _whole(high / step, low / step, mode, negative)
        value = n * step
        # beyond the clip the number is far below half the smallest one, and `value` is a multiple of its own step
        far = (form.emin - e + 1) > clip
        value = np.where(far & (value > 0), np.inf, value)
        result = np.where(np.isinf(value), form.spacing, np.ldexp(np.where(np.isinf(value), 0.0, value), e))
        under = tiny & inexact
    elif bounded:
        away = negative if mode == "down" else ~negative if mode == "up" else np.zeros_like(zero)
        result = np.where(tiny, np.where(away, form.normal, 0.0), np.ldexp(value, np.where(tiny, 0, e)))
        inexact |= tiny
        under = tiny
    else:
        result = np.ldexp(value, np.clip(e, -5000, 5000))
        under = (result < 2.0**-1022) & (np.ldexp(result, np.clip(-e, -5000, 5000)) != value)
    limit = np.where(negative, -form.lowest, form.largest)
    over = (result > limit) | np.isinf(result)
    if overflow == "saturate" or mode in ("toward-zero", "to-odd"):
        outward = np.zeros_like(zero)
    else:
        outward = negative if mode == "down" else ~negative if mode == "up" else np.ones_like(zero)
    result = np.where(over, np.where(outward, np.inf if form.infinities else np.nan, limit), result)
    inexact, over, under = (kept(f & ~zero) for f in (inexact | over, over, under))
    return np.where(zero, 0.0, np.copysign(result, sign)), inexact, over, under & ~over


def _whole(y: Array, rest: Array, mode: Mode, negative: Array) -> tuple[Array, Array]:
    """y + rest >= 0 to an integer, of a number that is negative where said so; and whether it was none.

    y < 2^54 and |rest| <= 1/2.  The sign of a float64 sum is that of the exact one, so comparisons are exact.
    """
    n = np.floor(y)
    part = y - n
    borrow = (part == 0) & (rest < 0)
    n, part = np.where(borrow, n - 1, n), np.where(borrow, 1.0, part)
    inexact = (part != 0) | (rest != 0)
    half = (part - 0.5) + rest
    odd = np.floor(n / 2) * 2 != n
    match mode:
        case "nearest-even":
            more = (half > 0) | ((half == 0) & odd)
        case "nearest-away":
            more = half >= 0
        case "up":
            more = inexact & ~negative
        case "down":
            more = inexact & negative
        case "to-odd":
            more = inexact & ~odd
        case _:
            more = np.zeros_like(inexact)
    return n + more, inexact
