"""Which numbers a float program stores: enclosures of its values, not of their errors.

Where results are stored in few bits but summed in many, a stored number is hardly ever in doubt: the sum is known to a
little more than the accumulator's error, and rounding it to storage, which is monotone, gives one number or two
neighbours.  So at a point, or in a region narrower than the spacing of storage, the local error z - f(z_operands) is
known with its sign, not only by half a spacing; errors of single neurons then cancel in rows of coefficients as they do
in the program.  Over a wide region nothing is gained, and the enclosures are given up.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from workbench.floats.format import ulp
from workbench.floats.program import Semantics, State
from workbench.graph import Array
from workbench.semantics.interval import Interval

WIDE = 4.0  # spacings: enclosures that are wider on average are given up


@dataclass(frozen=True, slots=True, eq=False)
class Stored:
    """What a node stores.

    Parameters
    ----------
    values : contains the stored numbers, ``(B or 1, *shape)``.
    shift, rho : ``|(z - f(z_operands)) - shift| <= rho``, ``(B or 1, *shape)``.
    useful : whether those after it are worth to be enclosed too.
    """

    values: Interval
    shift: Array
    rho: Array
    useful: bool


def stored_values(
    program: Semantics, image: Interval, shift: Array, rho: Array, state: State
) -> Stored | None:
    """The numbers that a program stores; None where some may overflow.

    Parameters
    ----------
    image : the real operator over what its operands are stored as.
    shift, rho : ``|t - shift| <= rho`` for the result t before the roundings that `state` asks for.
    """
    with np.errstate(invalid="ignore", over="ignore"):
        slack = rho + 2.0**-51 * (np.abs(shift) + rho)
        lo, hi = image.lo + shift, image.hi + shift
        lo = np.nextafter(np.nextafter(lo, -np.inf) - slack, -np.inf)
        hi = np.nextafter(np.nextafter(hi, np.inf) + slack, np.inf)
        if state == "stored" and not rho.any() and not shift.any():
            lo, hi = image.lo, image.hi
        if state == "exact":
            lo, hi = (program.rounded(end, program.accumulator) for end in (lo, hi))
        if state != "stored" and program.mixed:
            lo, hi = (program.rounded(end, program.activations) for end in (lo, hi))
        if not (np.isfinite(lo).all() and np.isfinite(hi).all()):
            return None
        low, high = np.nextafter(lo - image.hi, -np.inf), np.nextafter(hi - image.lo, np.inf)
        middle = 0.5 * low + 0.5 * high
        radius = np.nextafter(np.maximum(high - middle, middle - low), np.inf)
        spacing = ulp(np.maximum(np.abs(lo), np.abs(hi)), program.activations)
        useful = bool((hi - lo).mean() <= WIDE * spacing.mean())
    zero = (lo == hi) & (image.lo == image.hi) & (lo == image.lo)
    return Stored(
        Interval(np.asarray(lo, np.float64), np.asarray(hi, np.float64)),
        np.where(zero, 0.0, middle),
        np.where(zero, 0.0, radius),
        useful,
    )
