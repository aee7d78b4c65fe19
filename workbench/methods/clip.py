"""Clipping: the part of a box where linear constraints on the inputs may hold (Zhou et al. 2025, arXiv:2512.11087).

Branch and bound knows, for every unsafe alternative, affine functions that each constraint's left side is never below.
Unsafe inputs lie where all of them are at most the constraints' right sides; the rest of the box is proved and can go.
"""

from __future__ import annotations

import numpy as np

from workbench.graph import Array
from workbench.semantics.interval import TINY, UNIT


def contract(lower: Array, upper: Array, a: Array, c: Array, limit: float) -> tuple[Array, Array]:
    """A box around the points of each box with ``a . x + c <= limit``; its lower end lies above where there is none.

    Parameters
    ----------
    lower, upper, a : ``(B, n)``; c : ``(B,)``; limit : a number.

    Notes
    -----
    ``a_j x_j <= limit - c - sum over i != j of min(a_i x_i)``.  The sum of n products and the subtractions err by at
    most ``(n + 6) u`` of the sum of magnitudes, charged; the division is rounded outward.  What is not a number
    constrains nothing.
    """
    n = lower.shape[1]
    with np.errstate(all="ignore"):
        low, high = a * lower, a * upper
        least = np.minimum(low, high)
        size = np.maximum(np.abs(low), np.abs(high)).sum(axis=1) + np.abs(c) + abs(limit)
        slack = (2 * n + 16) * UNIT * size + (2 * n + 16) * TINY
        room = (limit - (least.sum(axis=1) + c)) + slack
        reach = room[:, None] + least
        reach = reach + 4 * UNIT * (np.abs(reach) + np.abs(least) + np.abs(room)[:, None])
        end = reach / a
        above = np.nextafter(end + 2 * UNIT * np.abs(end), np.inf)
        below = np.nextafter(end - 2 * UNIT * np.abs(end), -np.inf)
        upper = np.fmin(upper, np.where(a > 0, above, np.inf))
        lower = np.fmax(lower, np.where(a < 0, below, -np.inf))
        none = room < 0
    return np.where(none[:, None], np.inf, lower), upper


def clip(
    lower: Array,
    upper: Array,
    coefficients: Array,
    constant: Array,
    limits: Array,
    groups: tuple[Array, ...],
    alive: Array,
    rounds: int = 2,
) -> tuple[Array, Array, Array]:
    """Boxes around what may still be unsafe.

    Parameters
    ----------
    lower, upper : ``(B, n)``.
    coefficients, constant : ``(B, R, n)`` and ``(B, R)``: the constraints' left sides are at least this.
    limits : ``(R,)``: the right sides, rounded up.
    groups : the rows of each alternative.
    alive : ``(B, A)``: alternatives that are not refuted yet.

    Returns
    -------
    The new ends, and `alive` without the alternatives of which no input is left.
    """
    low, high = np.full_like(lower, np.inf), np.full_like(upper, -np.inf)
    alive = alive.copy()
    for k, group in enumerate(groups):
        on = np.flatnonzero(alive[:, k])
        if not on.size:
            continue
        l, u = lower[on], upper[on]
        for _ in range(rounds if group.size else 0):
            for r in group.tolist():
                l, u = contract(l, u, coefficients[on, r], constant[on, r], float(limits[r]))
        empty: Array = np.any(l > u, axis=1)
        alive[on[empty], k] = False
        left = on[~empty]
        low[left] = np.minimum(low[left], l[~empty])
        high[left] = np.maximum(high[left], u[~empty])
    gone: Array = ~np.any(alive, axis=1)
    return np.where(gone[:, None], lower, low), np.where(gone[:, None], upper, high), alive
