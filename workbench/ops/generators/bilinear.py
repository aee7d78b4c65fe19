"""bilinear: products of two values that both depend on the input, elementwise or summed (Mul, MatMul).

Lines for x y over a box (McCormick 1976): for ANY slopes s, t the function x y - s x - t y is bilinear, so its extremes
over the box lie at the four corners; the offset is the outward-rounded extreme.  Slopes are the operands' centres:
the mean of the two McCormick planes, with the smallest slopes of all optimal choices.

Where the x are weights that sum to 1 (a softmax), the planes at their lower ends: x_k y_k = l_k y_k + (x_k - l_k) y_k
with x_k - l_k >= 0, so that only the weight that is still free, 1 - sum l_k, meets the extremes of the values, and the
walk knows that the weights' coefficients count but for a common number (`semantics.backward`).
"""

from __future__ import annotations

import numpy as np

from workbench.graph import Array
from workbench.semantics.affine import LinearMap, Lines, Relaxation, spread
from workbench.semantics.interval import TINY, UNIT, Interval, product


def corner_offsets(x: Interval, y: Interval, s: Array, t: Array) -> tuple[Array, Array]:
    """Least and greatest of ``x y - s x - t y`` over the box, rounded outward.

    Four roundings a corner beside the subtraction's own: |error| <= 5 u (|xy| + |sx| + |ty|) + 4 TINY.
    """
    low, high = [], []
    for a in (x.lo, x.hi):
        for b in (y.lo, y.hi):
            p, q, r = a * b, s * a, t * b
            value = p - q - r
            slack = (5 * UNIT) * (np.abs(p) + np.abs(q) + np.abs(r)) * (1 + 8 * UNIT) + 8 * TINY
            low.append(np.nextafter(value - slack, -np.inf))
            high.append(np.nextafter(value + slack, np.inf))
    least = np.minimum(np.minimum(low[0], low[1]), np.minimum(low[2], low[3]))
    most = np.maximum(np.maximum(high[0], high[1]), np.maximum(high[2], high[3]))
    return least, most


def product_lines(x: Interval, y: Interval, shape: tuple[int, ...]) -> Relaxation:
    """Lines below and above the elementwise product, broadcast to `shape`."""
    x = Interval(spread(x.lo, shape), spread(x.hi, shape))
    y = Interval(spread(y.lo, shape), spread(y.hi, shape))
    s = 0.5 * y.lo + 0.5 * y.hi
    t = 0.5 * x.lo + 0.5 * x.hi
    s, t, least, most = _known(x, y, s, t)
    return Relaxation(Lines((s, t), least), Lines((s, t), most))


def _known(x: Interval, y: Interval, s: Array, t: Array) -> tuple[Array, Array, Array, Array]:
    """Slopes and offsets; where an end is infinite or a number overflows, the constants of the interval."""
    least, most = corner_offsets(x, y, s, t)
    good = np.isfinite(s) & np.isfinite(t) & np.isfinite(least) & np.isfinite(most)
    if good.all():
        return s, t, least, most
    whole = product(x, y)
    s, t = np.where(good, s, 0.0), np.where(good, t, 0.0)
    return s, t, np.where(good, least, whole.lo), np.where(good, most, whole.hi)


def summed_lines(x: Interval, y: Interval, unfold: tuple[LinearMap, LinearMap]) -> Relaxation:
    """Lines for ``sum_k x'_k y'_k`` with x', y' the unfolded operands ``(N, *out, K)``."""
    a = Interval(unfold[0].apply(x.lo), unfold[0].apply(x.hi))
    b = Interval(unfold[1].apply(y.lo), unfold[1].apply(y.hi))
    sides = []
    centre = 0.5 * b.lo + 0.5 * b.hi
    for end in (b.lo, b.hi):
        s, t = (end, a.lo) if x.simplex else (centre, 0.5 * a.lo + 0.5 * a.hi)
        sides.append(_known(a, b, s, t))
    n = sides[0][0].shape[-1]

    def summed(v: Array, direction: float) -> Array:
        slack = (n * UNIT * (1 + 2.0**-20)) * np.abs(v).sum(axis=-1) + n * TINY
        return np.asarray(np.nextafter(v.sum(axis=-1) + direction * slack, direction * np.inf))

    below, above = (np.broadcast_arrays(s, t) for s, t, *_ in sides)
    lower, upper = (
        Lines(tuple(slopes), summed(ends, direction))
        for slopes, ends, direction in ((below, sides[0][2], -1.0), (above, sides[1][3], 1.0))
    )
    return Relaxation(lower, upper, unfold)
