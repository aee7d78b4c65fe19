"""Steps: ``y = clip(round(v r) + z, low, high)``, what quantisation makes of a number v, in every meaning.

r > 0 is rational, a product of scales over a scale; ``round`` is to the nearest integer, ties to even.

interval  y rises with v: the codes at both ends, exactly (where float64 cannot tell on which side of a tie v r lies,
          rationals do).
lines     for a slope m >= 0 the highest points of ``y - m v`` over [l, u] are its left end and the left ends of steps.
          Those, the points (t_k, k) with t_k = (k - z - 1/2)/r where y jumps to code k, lie on one straight line, so
          that the supremum is at one of three: l, the first jump, the last.  A line below: their right ends, likewise.
          Slopes are 0, r, or that of the chord from the end; never steeper than r by more than a chord that a
          saturated end allows.
rounding  with c(v) = clip(v r + z, low, high), of slope 0 to r, |y - c| <= 1/2 everywhere; so the codes of a real v and
          of a float v' whose product is computed to within an error E differ by J (v' - v) + t with J in [0, r],
          |t| <= 1 + E: a tie between them costs a whole code, and nothing smaller can be promised.
gradient  0, the derivative wherever there is one.  A straight-through estimate would be no gradient.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from workbench.floats.errors import raised, rounding_error
from workbench.floats.program import Semantics, State
from workbench.graph import Array, GraphError
from workbench.semantics.affine import Lines
from workbench.semantics.interval import TINY, UNIT, Interval

MOST = 1 << 14  # numbers next to a tie that are decided in rationals; more are left a code apart
LARGEST = 2.0**400  # of scales and ratios, and 1/LARGEST the smallest: nothing here over- or underflows


@dataclass(frozen=True, slots=True, eq=False)
class Steps:
    """A step function for each element of a node.

    Parameters
    ----------
    up, down : scales, float64 > 0, that broadcast against the node: r = (product of up) / down.
    zero : zero points, int64.
    low, high : the range of the codes.

    Raises
    ------
    GraphError
        A scale that is not positive and finite, or far outside of binary32's range.
    """

    up: tuple[Array, ...]
    down: Array
    zero: Array
    low: int
    high: int

    def __post_init__(self) -> None:
        for scale in (*self.up, self.down):
            if not ((scale > 1 / LARGEST) & (scale < LARGEST)).all():
                raise GraphError(
                    f"a scale of {scale.reshape(-1)[0]!r} is no positive number to quantise with"
                )

    @property
    def ratio(self) -> Array:
        """r, to within 4 u."""
        found = 1 / self.down
        for scale in self.up:
            found = found * scale
        return np.asarray(found)

    @property
    def reach(self) -> Array:
        """Where |v r| exceeds it, y is saturated, were v r wrong by a quarter."""
        return np.asarray(2.0 * (np.maximum(np.abs(self.low - self.zero), np.abs(self.high - self.zero)) + 1))

    def codes(self, v: Array) -> tuple[Array, Array]:
        """The codes at v: the same number twice, or two neighbours where it is not known which one it is."""
        w = v * self.ratio
        slack = np.where(np.isfinite(w), 8 * UNIT * np.abs(w), 0.0)
        first, last = (self._clipped(np.rint(end)) for end in (w - slack, w + slack))
        doubtful = first != last
        if 0 < np.count_nonzero(doubtful) <= MOST:
            v, *scales = np.broadcast_arrays(v, *self.up, self.down, self.zero, first)
            *up, down, zero, _ = scales
            first, last = first.copy(), last.copy()
            for at in zip(*np.nonzero(doubtful), strict=True):
                exact = Fraction(float(v[at])) / Fraction(float(down[at]))
                for scale in up:
                    exact *= Fraction(float(scale[at]))
                first[at] = last[at] = min(max(round(exact) + int(zero[at]), self.low), self.high)
        return first, last

    def _clipped(self, whole: Array) -> Array:
        return np.asarray(np.clip(whole + self.zero, self.low, self.high), np.float64)

    def image(self, v: Interval) -> Interval:
        """The codes over intervals."""
        return Interval(self.codes(v.lo)[0], self.codes(v.hi)[1])

    def lines(self, v: Interval) -> tuple[Lines, Lines]:
        """A line below and a line above, in v."""
        image = self.image(v)
        first, last = image.lo, image.hi
        l, u, ratio = np.broadcast_arrays(v.lo, v.hi, self.ratio)
        more, middle = last > first, 0.5 * l + 0.5 * u
        found = []
        for sign in (-1.0, 1.0):  # below, above
            jump, past = self._jump(first + 1, -sign), self._jump(last, -sign)
            if sign > 0:
                points = ((l, first), (jump, first + 1), (past, last))
                run = past - l
            else:
                points = ((u, last), (jump, first), (past, last - 1))
                run = u - jump
            slope, offset = np.zeros(first.shape), np.where(sign > 0, last, first)
            height = offset
            for tried in (ratio, (last - first) / np.where(run > 0, run, np.inf)):
                m = np.where(more & np.isfinite(tried), tried, 0.0)
                o = np.maximum.reduce([_offset(sign, m, *p) for p in points])
                at = sign * o + m * middle
                better = more & (m > 0) & np.isfinite(o) & (sign * at < sign * height)
                slope, offset = np.where(better, m, slope), np.where(better, sign * o, offset)
                height = np.where(better, at, height)
            found.append(Lines((slope,), offset))
        return found[0], found[1]

    def _jump(self, code: Array, sign: float) -> Array:
        """Where y jumps up to a code, or a little more (sign 1) or less (sign -1)."""
        t = (code - self.zero - 0.5) / self.ratio
        return np.asarray(t + sign * (10 * UNIT * np.abs(t) + TINY))

    # ------------------------------------------------------------------ in a float program

    def steps_taken(
        self, program: Semantics, v: Interval, error: Array, largest: Array
    ) -> tuple[Interval, Array, State]:
        """What rounding does: slopes J, a bound on t, and what is left to round.

        Parameters
        ----------
        v : real and float values.
        error : how far the computed v r may be from it, where |v r| <= `reach`; at most a quarter of |v r| elsewhere.
        largest : a bound on the magnitude of what is computed on the way: it must not overflow.
        """
        form, ends = program.accumulator, max(abs(self.low), abs(self.high))
        ratio = np.broadcast_to(self.ratio, v.lo.shape)
        with np.errstate(invalid="ignore", over="ignore"):
            lo, hi = v.lo * ratio, v.hi * ratio
            lo = lo - (error + 8 * UNIT * np.abs(lo) + TINY)
            hi = hi + (error + 8 * UNIT * np.abs(hi) + TINY)
            first, last = self._clipped(np.rint(lo)), self._clipped(np.rint(hi))
            count = last - first
            inside = (lo >= self.low - self.zero) & (hi <= self.high - self.zero)
        # a number of codes that is at most one bounds the difference by itself
        few = count <= 1
        low = np.where(inside & ~few, ratio * (1 - 2.0**-50), 0.0)
        high = np.where(few, 0.0, ratio * (1 + 2.0**-50))
        rho = raised(np.where(few, count, 1 + error))
        whole = self.reach + np.abs(self.zero) <= 2.0**form.precision
        fits = (largest <= min(form.largest, -form.lowest)) & whole & ~np.isnan(count)
        rho = np.where(fits, rho, np.inf)
        kept = ends <= 2.0**program.activations.precision and ends <= program.activations.largest
        return Interval(low, high), rho, "stored" if kept else "accumulated"


def _offset(sign: float, m: Array, point: Array, code: Array) -> Array:
    """At least sign (code - m point): three roundings, charged."""
    with np.errstate(invalid="ignore"):
        p = np.where(m == 0, 0.0, m * point)
    return np.asarray(sign * (code - p) + 4 * UNIT * (np.abs(code) + np.abs(p)) + TINY)


def stored_scale(scale: Array, program: Semantics) -> tuple[Array, Array]:
    """A scale as the program stores it, and how much that changes it, relatively; infinite where it becomes none."""
    near = program.rounded(scale, program.weights)
    with np.errstate(all="ignore"):
        apart = np.abs(near - scale) / np.minimum(near, scale)
    good = np.isfinite(near) & (near > 0)
    return near, np.asarray(np.where(good, raised(apart) + 4 * UNIT * (apart > 0), np.inf))


def rounded_by(size: Array, program: Semantics) -> Array:
    """How far one result in the accumulator may be from a number of at most that magnitude."""
    return rounding_error(size, program.target(program.accumulator), program.mode)
