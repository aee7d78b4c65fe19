"""Slopes between a real and a float operand, sharper than their extremes: averages along the way.

By the mean value theorem in its integral form,  f(z) - f(x) = S (z - x),  S the integral of f'(x + t (z - x)) over
t in [0, 1].  With x in R and z in Z, R within Z, the points for t in [(k-1)/n, k/n] lie in (1 - k/n) R + (k/n) Z, so
that the average of the n enclosures of f' there encloses S.  What float operands add to a slope's range is so reduced
by up to a half.  Where f' is affine (a product of two operands), S is f' at the midpoint, which lies in (R + Z) / 2.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from workbench.semantics.interval import Interval
from workbench.semantics.rounding import Form, Slopes

PANELS = 4
Rule = Callable[[list[Interval | None]], Form]


def along_the_way(
    form: Slopes, rule: Rule, real: Sequence[Interval | None], both: Sequence[Interval | None]
) -> Slopes:
    """The slopes of `form`, averaged.

    Parameters
    ----------
    form : slopes over `both`; not of a choice of one among several operands.
    rule : ranges of the operands -> slopes over them.
    real : what contains the operands' real values.
    both : what contains their real and float values.
    """
    inner = [None if r is None or f is None else r.intersect(f) for r, f in zip(real, both, strict=True)]
    parts = [0.5] if form.bilinear else [k / PANELS for k in range(1, PANELS)]
    found = [rule([_between(r, f, t) for r, f in zip(inner, both, strict=True)]) for t in parts]
    if not form.bilinear:
        found.append(form)
    slopes: list[Interval | None] = []
    for i, first in enumerate(form.slopes):
        if first is None:
            slopes.append(None)
            continue
        ends = []
        for one in found:
            assert isinstance(one, Slopes)
            end = one.slopes[i]
            assert end is not None
            ends.append(end)
        with np.errstate(invalid="ignore"):
            low = np.nextafter(sum(e.lo / len(ends) for e in ends), -np.inf)
            high = np.nextafter(sum(e.hi / len(ends) for e in ends), np.inf)
        # the few additions err by less than 2 u times the number of panels, relatively to the largest of them
        slack = 2.0**-50 * np.maximum.reduce([e.magnitude for e in ends]) + 2.0**-1070
        low, high = low - slack, high + slack
        sharper = Interval(
            np.where(np.isnan(low), first.lo, np.maximum(first.lo, low)),
            np.where(np.isnan(high), first.hi, np.minimum(first.hi, high)),
        )
        slopes.append(sharper)
    return Slopes(tuple(slopes), form.unfold, form.picks, form.bilinear)


def _between(r: Interval | None, f: Interval | None, t: float) -> Interval | None:
    """(1 - t) R + t Z, outward; Z where R is unbounded."""
    if r is None or f is None:
        return f
    with np.errstate(invalid="ignore"):
        low, high = (1 - t) * r.lo + t * f.lo, (1 - t) * r.hi + t * f.hi
        slack_low = 2.0**-50 * (np.abs(r.lo) + np.abs(f.lo)) + 2.0**-1070
        slack_high = 2.0**-50 * (np.abs(r.hi) + np.abs(f.hi)) + 2.0**-1070
    low, high = low - slack_low, high + slack_high
    return Interval(
        np.where(np.isnan(low), f.lo, np.maximum(low, f.lo)),
        np.where(np.isnan(high), f.hi, np.minimum(high, f.hi)),
        f.simplex,
    )
