"""Quantising with one scale that depends on the input: ``y = clip(round(x / s) + z, low, high)``, s > 0.

x, s and the zero point z (an integer) lie in ranges; s and z are one number each for the whole of x.

interval  x / s at its corners, rounded; y rises with both parts.
lines     where nothing is clipped,  |y - (x/s + z)| <= 1/2.  Over s in [a, b] the quotient lies between min(x/a, x/b)
          and max(x/a, x/b), of which the second is convex in x and the first concave: their chords are lines.
          Elsewhere, and where they are no better, the ends of the interval.
rounding  as in `generators.steps`, with c = clip(x/s + z): y differs from c by 1/2 at most, and c has slopes of 0 to
          1/s in x, of 0 to -x/s^2 in s and of 0 to 1 in z.
Where s may be 0 nothing is known but that codes are codes.
"""

from __future__ import annotations

import numpy as np

from workbench.floats.errors import raised
from workbench.floats.program import Semantics, State
from workbench.ops.generators.steps import rounded_by
from workbench.semantics.affine import Lines, Relaxation, spread
from workbench.semantics.interval import TINY, UNIT, Interval, outward
from workbench.semantics.rounding import Local, Slopes

Codes = tuple[int, int]  # the least and the largest


def _spread(call_shape: tuple[int, ...], x: Interval) -> Interval:
    """One number, or many, against the shape of x."""
    return Interval(spread(x.lo, call_shape), spread(x.hi, call_shape))


def quotient(x: Interval, s: Interval) -> Interval:
    """x / s for s > 0, outward; the whole line where s may be 0 and x is not."""
    with np.errstate(all="ignore"):
        known = s.lo > 0
        low = x.lo / np.where(x.lo >= 0, s.hi, np.where(known, s.lo, 1.0))
        high = x.hi / np.where(x.hi >= 0, np.where(known, s.lo, 1.0), s.hi)
        found = outward(low, high)
    lo = np.where(known | (x.lo >= 0), found.lo, -np.inf)
    hi = np.where(known | (x.hi <= 0), found.hi, np.inf)
    # 0 / s is 0, and what is not negative stays so
    lo = np.where(x.lo >= 0, np.maximum(lo, 0.0), lo)
    hi = np.where(x.hi <= 0, np.minimum(hi, 0.0), hi)
    return Interval(lo, hi)


def image(x: Interval, s: Interval, z: Interval, codes: Codes) -> Interval:
    """The codes over ranges."""
    shape = x.lo.shape[1:]
    q, z = quotient(x, _spread(shape, s)), _spread(shape, z)
    lo, hi = np.rint(q.lo) + z.lo, np.rint(q.hi) + z.hi
    return Interval(np.clip(lo, *codes), np.clip(hi, *codes))


def lines(x: Interval, s: Interval, z: Interval, codes: Codes, live_zero: bool) -> Relaxation:
    """Lines in x, s (of slope 0) and, where it is live, z."""
    shape = x.lo.shape[1:]
    found = image(x, s, z, codes)
    a, b = (spread(e, shape) for e in (s.lo, s.hi))
    z = _spread(shape, z)
    q = quotient(x, Interval(a, b))
    free = (a > 0) & (np.rint(q.lo) + z.lo >= codes[0]) & (np.rint(q.hi) + z.hi <= codes[1])
    middle = 0.5 * x.lo + 0.5 * x.hi
    ends = []
    with np.errstate(all="ignore"):
        for sign in (-1.0, 1.0):
            over = b if sign < 0 else a  # where x >= 0
            under = a if sign < 0 else b
            f = [e / np.where(e >= 0, over, under) for e in (x.lo, x.hi)]
            run = x.hi - x.lo
            slope = np.where(run > 0, (f[1] - f[0]) / np.where(run > 0, run, 1.0), 0.0)
            offsets = []
            for value, end in zip(f, (x.lo, x.hi), strict=True):
                part = slope * end
                slack = 8 * UNIT * (np.abs(value) + np.abs(part) + 1) + TINY
                offsets.append(sign * (value - part) + slack)
            offset = sign * (np.maximum(*offsets) + 0.5 * (1 + 4 * UNIT))
            end = found.lo if sign < 0 else found.hi
            at = slope * middle + offset + (z.lo if sign < 0 else z.hi)
            better = free & np.isfinite(slope) & np.isfinite(offset) & (sign * at < sign * end)
            if not live_zero:  # one number, exactly: its sum with the offset is charged
                total = offset + z.lo
                offset = total + sign * 4 * UNIT * (np.abs(total) + np.abs(z.lo) + 1)
            slopes = (np.where(better, slope, 0.0), None, np.where(better, 1.0, 0.0) if live_zero else None)
            ends.append(Lines(slopes, np.where(better, offset, end)))
    return Relaxation(ends[0], ends[1])


def local(program: Semantics, x: Interval, s: Interval, z: Interval, codes: Codes, live_zero: bool) -> Local:
    """What a float program does: one division, rounded; then a tie may lie between it and the real quotient."""
    shape = x.lo.shape[1:]
    s, z = _spread(shape, s), _spread(shape, z)
    form = program.accumulator
    with np.errstate(all="ignore"):
        q = quotient(x, s)
        size = q.magnitude
        error = raised(rounded_by(size, program))
        first, last = (
            np.clip(np.rint(end) + zero, *codes) for end, zero in ((q.lo - error, z.lo), (q.hi + error, z.hi))
        )
        count = last - first
        few = count <= 1  # then that many codes are all that it can be off by
        whole = size + z.magnitude + 1 <= 2.0**form.precision  # a sum of integers, exactly
        safe = (s.lo > 0) & whole & (max(map(abs, codes)) <= 2.0**form.precision)
        rho = np.where(few, count, raised(1 + error))
        rho = np.where(safe & np.isfinite(rho), rho, np.inf)
        steep = 1 / np.where(s.lo > 0, s.lo, 1.0) * (1 + 8 * UNIT)
        by_scale = size * steep * (1 + 8 * UNIT)
    nothing = np.zeros(rho.shape)
    # d(x/s)/ds is -x/s^2, of either sign
    at_scale = Interval(
        np.where(few | (x.hi <= 0), 0.0, -by_scale), np.where(few | (x.lo >= 0), 0.0, by_scale)
    )
    state: State = "accumulated"
    if max(map(abs, codes)) <= min(2.0**program.activations.precision, program.activations.largest):
        state = "stored"
    by_x = Interval(nothing, np.where(few, 0.0, steep))
    by_zero = Interval(nothing, np.where(few, 0.0, 1.0)) if live_zero else None
    return Local(rho, Slopes((by_x, at_scale, by_zero)), state=state, jumps=True)
