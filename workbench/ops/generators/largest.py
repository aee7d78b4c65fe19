"""largest: lines below and above the maximum of several values, for max-pooling, ReduceMax and Max.

Over the box l <= x <= u with m = max_i l_i (attained by j), for y = max_i x_i:
below    y >= x_j, any j; the one with the greatest lower end is taken;
above    y = x_j where l_j >= u_i for every other i, exactly; else the better (at the box's centre) of
         y <= max_i u_i, and
         y <= m + sum_i max(x_i - m, 0) <= m + sum_i (a_i x_i + b_i).
Proof of the last: every x_i <= m + max(x_i - m, 0), and the other terms of the sum are not negative, so that
y = max_i x_i <= m + max_i max(x_i - m, 0) <= m + sum_i max(x_i - m, 0).
On [l_i, u_i] the convex max(x - m, 0) lies below a line that lies above it at both ends: with a slope a_i in [0, 1]
(0 where u_i <= m, 1 where l_i = m, else the chord's) that is b_i >= max(-a_i l_i, (u_i - m) - a_i u_i), as l_i <= m.
"""

from __future__ import annotations

import numpy as np

from workbench.graph import Array
from workbench.semantics.affine import LinearMap, Lines, Relaxation
from workbench.semantics.interval import TINY, UNIT, Interval


def largest_lines(x: Interval, mask: Array | None, unfold: LinearMap) -> Relaxation:
    """Lines for the maximum over the last axis.

    Parameters
    ----------
    x : bounds of the unfolded operands, ``(B, *out, K)``.
    mask : which of them count, ``(*out, K)``; None for all.  At least one a row does.
    unfold : the movement that gave them.
    """
    lo = x.lo if mask is None else np.where(mask, x.lo, -np.inf)
    hi = x.hi if mask is None else np.where(mask, x.hi, -np.inf)
    # an operand without a lower end still goes before one that does not count
    real = np.maximum(lo, -np.finfo(np.float64).max)
    best = (real if mask is None else np.where(mask, real, -np.inf)).argmax(axis=-1)[..., None]
    pick = np.zeros(lo.shape)
    np.put_along_axis(pick, best, 1.0, axis=-1)
    m, top = np.take_along_axis(lo, best, axis=-1), hi.max(axis=-1, keepdims=True)
    none = np.zeros(lo.shape[:-1])
    below = Lines((pick,), none)
    others = np.where(pick == 1, -np.inf, hi).max(axis=-1, keepdims=True)
    alone = m >= others

    with np.errstate(all="ignore"):
        # a line for max(x_i - m, 0); what does not count, or cannot win, has none
        active = hi > m
        kink = active & (lo < m)
        a = np.where(active, np.clip(np.where(kink, (hi - m) / (hi - lo), 1.0), 0.0, 1.0), 0.0)
        at_lo, at_hi = a * lo, a * hi
        slack = 4 * UNIT * (np.abs(hi) + np.abs(m) + np.abs(at_hi) + np.abs(at_lo)) + 4 * TINY
        b = np.where(kink, np.maximum(-at_lo, (hi - m) - at_hi) + slack, np.where(active, -m, 0.0))
        size = np.abs(m) + np.abs(b).sum(axis=-1, keepdims=True)
        offset = m + b.sum(axis=-1, keepdims=True) + (lo.shape[-1] + 6) * UNIT * size + TINY
        middle = np.where(active, 0.5 * lo + 0.5 * hi, 0.0)
        sums = (a * middle).sum(axis=-1, keepdims=True) + offset
        chords = (
            np.isfinite(sums)
            & np.isfinite(offset)
            & np.isfinite(a).all(axis=-1, keepdims=True)
            & (sums < top)
        )
    slope = np.where(alone, pick, np.where(chords, a, 0.0))
    above = np.where(alone, 0.0, np.where(chords, offset, top))
    return Relaxation(below, Lines((slope,), above[..., 0]), (unfold,))
