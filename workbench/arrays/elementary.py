"""Elementary functions on float64 arrays with a guarantee: every real value lies between the two ends returned.

NumPy's own exp, tanh ... are some ulps off, by an amount that depends on the processor; no bound may rest on them.
Here crival (CORE-MATH: correctly rounded in every direction) gives the ends, and FLINT's balls where there is no wheel
of it.  A test holds the two against each other.

Every function takes the ends of intervals, float64 arrays of one shape, and returns the ends of their images::

    lo, hi = exp(x_lo, x_hi)      # at a point: exp(x, x)

Ends may be infinite.  Where an interval leaves a function's domain (log below 0, 1/x at 0) or is not an interval (NaN,
lo > hi), the image is the whole line: an input at which the network has no value proves nothing.  No end is ever NaN.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from workbench.arrays import balls
from workbench.graph import Array

try:
    import ival
except (ImportError, OSError):  # no wheel for this machine, or a wheel whose library does not load
    ival = None

Pair = tuple[Array, Array]
Image = Callable[[Array, Array], Pair]
LARGEST = float(np.finfo(np.float64).max)
HAS_CRIVAL = ival is not None


def image(name: str, lo: Array, hi: Array, extra: Any = None, *, crival: bool = HAS_CRIVAL) -> Pair:
    """Ends of the image of [lo, hi] under a function of the backend; the whole line where it is not defined.

    Parameters
    ----------
    name : exp, expm1, log, log1p, sqrt, recip, tanh, erf, sin, cos, pown (integer power) or pow (of x >= 0).
    lo, hi : float64 arrays of one shape.
    extra : the exponent of pown (int) or pow (float).
    crival : compute with crival; else with FLINT's balls, about twenty times slower.
    """
    lo, hi = np.asarray(lo, np.float64), np.asarray(hi, np.float64)
    # an infinite end that points inward (an overflow upstream) claims nothing beyond the largest float
    lo, hi = np.minimum(lo, LARGEST), np.maximum(hi, -LARGEST)
    undefined = ~(lo <= hi)
    match name:
        case "log":
            undefined |= lo < 0
        case "log1p":
            undefined |= lo < -1
        case "sqrt":
            undefined |= lo < 0
        case "pow":
            undefined |= (lo < 0) | ((lo == 0) & (extra < 0))
        case "recip":
            undefined |= (lo <= 0) & (hi >= 0)
        case "pown" if extra < 0:
            undefined |= (lo <= 0) & (hi >= 0)
        case _:
            pass
    one, other = np.where(undefined, 1.0, lo), np.where(undefined, 1.0, hi)
    if crival:
        given = ival.Interval(np.atleast_1d(one), np.atleast_1d(other))
        found = getattr(ival, name)(*((given,) if extra is None else (given, extra)))
        below, above = np.reshape(found.lo, lo.shape), np.reshape(found.hi, lo.shape)
    else:
        below, above = balls.image(name, one, other, extra)
    # the backend promises no NaN for these arguments; should it break that promise, nothing is claimed
    below = np.where(undefined | np.isnan(below), -np.inf, below)
    above = np.where(undefined | np.isnan(above), np.inf, above)
    return below, above


def _named(name: str) -> Image:
    def function(lo: Array, hi: Array) -> Pair:
        return image(name, lo, hi)

    function.__name__ = name
    function.__doc__ = f"Ends of {name} over [lo, hi]."
    return function


exp, expm1, log, log1p, sqrt = map(_named, ("exp", "expm1", "log", "log1p", "sqrt"))
recip, tanh, erf, sin, cos = map(_named, ("recip", "tanh", "erf", "sin", "cos"))


def power(lo: Array, hi: Array, exponent: float) -> Pair:
    """Ends of x^exponent; a whole exponent works on both sides of 0, any other on x >= 0 only."""
    if float(exponent).is_integer() and abs(exponent) < 2**31:
        return image("pown", lo, hi, int(exponent))
    return image("pow", lo, hi, float(exponent))


def up(x: Array) -> Array:
    """The next float above."""
    return np.asarray(np.nextafter(x, np.inf))


def down(x: Array) -> Array:
    """The next float below."""
    return np.asarray(np.nextafter(x, -np.inf))


def sigmoid(lo: Array, hi: Array) -> Pair:
    """Ends of 1 / (1 + e^-x), within a few ulps also in the left tail.

    With e = exp(-|x|): 1/(1+e) for x >= 0 and e/(1+e) below; each operation is rounded outward, and e/(1+e) increases
    in e, so that the enclosure of e carries over end by end.
    """
    low, high = _sigmoid_at(lo)
    return (low, high) if lo is hi else (low, _sigmoid_at(hi)[1])


def _sigmoid_at(x: Array) -> Pair:
    """Both ends at points; NaN is taken as either infinity."""
    x = np.asarray(x, np.float64)
    size = np.minimum(np.abs(np.where(np.isnan(x), 0.0, x)), LARGEST)
    small, large = exp(-size, -size)
    # the denominator 1 + e from above and from below, never under 1
    more, less = up(1 + large), np.maximum(down(1 + small), 1.0)
    low = np.maximum(down(np.where(x >= 0, 1.0, small) / np.where(x >= 0, more, up(1 + small))), 0.0)
    high = np.minimum(
        up(np.where(x >= 0, 1.0, large) / np.where(x >= 0, less, np.maximum(down(1 + large), 1.0))), 1.0
    )
    unknown = np.isnan(x)
    return np.where(unknown, 0.0, low), np.where(unknown, 1.0, high)


def sub_up(a: Array, b: Array) -> Array:
    """``a - b`` rounded up: TwoSum tells on which side rounding to nearest fell, so exact differences stay exact."""
    s, error = _two_diff(a, b)
    # where the error term is not finite (overflow on the way), step up in any case
    return np.asarray(np.where((error > 0) | ~np.isfinite(error), np.nextafter(s, np.inf), s))


def sub_down(a: Array, b: Array) -> Array:
    """``a - b`` rounded down."""
    return -sub_up(b, a)


def _two_diff(a: Array, b: Array) -> Pair:
    s = np.asarray(a - b)
    t = s - a
    return s, (a - (s - t)) - (b + t)
