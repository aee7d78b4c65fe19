"""largest: lines below and above the maximum of several values, for max-pooling and ReduceMax.

Over the box l <= x <= u, for y = max_i x_i:
below   y >= x_j for any j; the one with the greatest lower end is taken;
above   let j have the greatest upper end, and c be the greatest of the others' upper ends.  Then y <= max(x_j, c),
        which is convex in x_j and so lies below every line that is above it at both ends of [l_j, u_j]:
        y <= a x_j + b  for any a in [0, 1] and b >= max(max(l_j, c) - a l_j, u_j - a u_j).
        With the chord's slope that is y <= x_j where l_j >= c, exactly, and nowhere above the constant max_i u_i that
        is commonly taken; the two meet where u_j = c (a = 0).
Also true is y <= m + sum_i (chord of max(x_i - m, 0)) with m = max_i l_i, which can be lower at the box's centre.
Taking it there made the outputs of a max-pooling network (VNN-COMP 2021, verivital) 1 to 5 % wider, so it is not used.
"""

from __future__ import annotations

import numpy as np

from workbench.graph import Array
from workbench.semantics.affine import LinearMap, Lines, Relaxation
from workbench.semantics.interval import TINY, UNIT, Interval

LOWEST = -np.finfo(np.float64).max


def largest_lines(x: Interval, mask: Array | None, unfold: LinearMap) -> Relaxation:
    """Lines for the maximum over the last axis.

    Parameters
    ----------
    x : bounds of the unfolded operands, ``(B, *out, K)``.
    mask : which of them count, ``(*out, K)``; None for all.  At least one a row does.
    unfold : the movement that gave them.
    """
    first = _first_greatest(x.lo, mask)
    below = Lines((first.astype(np.float64),), np.zeros(first.shape[:-1]))
    chosen = _first_greatest(x.hi, mask)
    others = ~chosen if mask is None else ~chosen & mask
    l, u = (np.where(chosen, end, 0.0).sum(axis=-1) for end in (x.lo, x.hi))
    c = np.where(others, x.hi, -np.inf).max(axis=-1)
    alone = l >= c
    with np.errstate(all="ignore"):
        at_l = np.maximum(l, c)
        chord = (u - at_l) / (u - l)
        # without finite ends there is only the constant
        slope = np.where(np.isfinite(chord) & np.isfinite(l) & np.isfinite(u), np.clip(chord, 0.0, 1.0), 0.0)
        p, q = slope * l, slope * u
        # two roundings at each end, and one for adding the slack itself
        slack = (4 * UNIT) * (np.abs(at_l) + np.abs(p) + np.abs(u) + np.abs(q)) + 4 * TINY
        offset = np.where(slope == 0, u, np.maximum(at_l - p, u - q) + slack)
    slope, offset = np.where(alone, 1.0, slope), np.where(alone, 0.0, offset)
    return Relaxation(below, Lines((chosen * slope[..., None],), offset), (unfold,))


def _first_greatest(end: Array, mask: Array | None) -> Array:
    """True at the first greatest element of the last axis that counts, be it minus infinity."""
    key = end if mask is None else np.where(mask, np.maximum(end, LOWEST), -np.inf)
    return np.asarray(np.arange(end.shape[-1]) == key.argmax(axis=-1)[..., None])
