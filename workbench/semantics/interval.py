"""Interval arithmetic in float64, outward: for every input in the region, each value lies inside its interval.

Soundness: an elementary operation rounds to nearest, so the exact result lies within half an ulp and `outward` (one
float down, one float up) contains it; NaN, which only arises from infinities, becomes the whole line.  Linear maps are
evaluated as midpoint and radius with an a-priori error term (see `affine.Linear`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from workbench.arrays.device import array, beside, on_host
from workbench.graph import Array, GraphError
from workbench.op import Meaning, rule_for
from workbench.semantics.plan import Plan, Step

interval = Meaning("interval", "an interval that contains every value over the region")

UNIT = 2.0**-53  # unit roundoff of float64
TINY = 2.0**-1074  # smallest positive float64: bounds the absolute error of an underflowing product


@dataclass(frozen=True, slots=True, eq=False)
class Interval:
    """Lower and upper ends, float64 arrays of one shape (batch axis first inside the engines).

    `simplex` is a fact that intervals alone cannot say: in real arithmetic the values are non-negative and sum to 1
    along the last axis (a softmax).  Products with it are then convex combinations.
    """

    lo: Array
    hi: Array
    simplex: bool = False

    @property
    def lower(self) -> Array:
        """The lower ends."""
        return self.lo

    @property
    def upper(self) -> Array:
        """The upper ends."""
        return self.hi

    @property
    def width(self) -> Array:
        """Upper minus lower, rounded up."""
        return array(np.nextafter(self.hi - self.lo, np.inf))

    @property
    def magnitude(self) -> Array:
        """The largest absolute value in the interval."""
        return array(np.maximum(np.abs(self.lo), np.abs(self.hi)))

    def __getitem__(self, key: Any) -> Interval:
        return Interval(
            self.lo[key], self.hi[key], self.simplex and self.lo.ndim > 1 and _first_axis_only(key)
        )

    def contains(self, value: Array) -> bool:
        """Whether every element of `value` lies inside."""
        return bool(np.all((self.lo <= value) & (value <= self.hi)))

    def intersect(self, other: Interval) -> Interval:
        """The part in both: sound where both are."""
        simplex = self.simplex or other.simplex
        return Interval(np.maximum(self.lo, other.lo), np.minimum(self.hi, other.hi), simplex)


def _first_axis_only(key: Any) -> bool:
    """Whether an index picks along the first axis and leaves the others whole."""
    if isinstance(key, tuple):
        return len(key) == 1 and _first_axis_only(key[0])
    if isinstance(key, int | np.integer | slice):
        return True
    return key is not None and key is not Ellipsis and np.ndim(key) == 1


def constant(low: float, high: float | None = None) -> Interval:
    """A number, or one that lies between two floats."""
    return Interval(np.asarray(low, np.float64), np.asarray(low if high is None else high, np.float64))


def outward(lo: Array, hi: Array) -> Interval:
    """One float outward at both ends; NaN becomes infinite."""
    lo = np.nextafter(lo, -np.inf)
    hi = np.nextafter(hi, np.inf)
    return whole_where_nan(lo, hi)


def whole_where_nan(lo: Array, hi: Array) -> Interval:
    """NaN ends become infinite: what is not known is not claimed."""
    if np.isnan((lo + hi).sum()):  # one cheap test; it also fires on opposite infinities
        lo = np.where(np.isnan(lo), -np.inf, lo)
        hi = np.where(np.isnan(hi), np.inf, hi)
    return Interval(lo, hi)


def midpoint_radius(x: Interval) -> tuple[Array, Array]:
    """A float64 centre c and radius r with ``[lo, hi]`` inside ``[c - r, c + r]``; r is 0 where lo = hi = c.

    A difference d is within u |d| of the exact one, and exact where it is subnormal; d (1 + 4 u), rounded, is no less
    than that.  (The next float up would make 0 subnormal, and products with subnormal numbers are a hundred times as
    slow.)
    """
    c = 0.5 * x.lo + 0.5 * x.hi
    r = np.maximum(x.hi - c, c - x.lo) * (1 + 4 * UNIT)
    return c, r


def product(x: Interval, y: Interval) -> Interval:
    """Elementwise product: the hull of the four corner products, outward; 0 times infinity counts as 0."""
    corners = []
    for a in (x.lo, x.hi):
        for b in (y.lo, y.hi):
            p = a * b
            corners.append(np.where((a == 0) | (b == 0), 0.0, p))
    lo = np.minimum(np.minimum(corners[0], corners[1]), np.minimum(corners[2], corners[3]))
    hi = np.maximum(np.maximum(corners[0], corners[1]), np.maximum(corners[2], corners[3]))
    same_sign = ((x.lo >= 0) & (y.lo >= 0)) | ((x.hi <= 0) & (y.hi <= 0))
    return not_below_zero(outward(lo, hi), same_sign)


def not_below_zero(x: Interval, known: Array) -> Interval:
    """x without its negative part where the real value is known not to be negative: one float outward from 0 is.

    So that a square root of a sum of squares has a value over all of the interval.
    """
    return Interval(np.where(known, np.maximum(x.lo, 0.0), x.lo), x.hi, x.simplex)


def propagate(
    plan: Plan, inputs: Mapping[str, Interval], proved: Mapping[str, Interval] | None = None
) -> dict[str, Interval]:
    """Interval bound propagation over the whole graph.

    Parameters
    ----------
    plan : the network.
    inputs : name -> interval of shape ``(B, *shape)``.
    proved : bounds proved in another way, to intersect with on the way.

    Returns
    -------
    name -> interval of shape ``(B or 1, *shape)`` for inputs, computed nodes and constant outputs.
    """
    values: dict[str, Interval] = dict(inputs)
    with np.errstate(all="ignore"):
        for step in plan.steps:
            found = apply(plan, step, values)
            if proved is not None and step.node.name in proved:
                found = found.intersect(proved[step.node.name])
            values[step.node.name] = found
    for name in plan.graph.outputs:
        if name in plan.constants:
            values[name] = known(plan, name)
    return values


def known(plan: Plan, name: str) -> Interval:
    """The interval of an exact constant: a point (a little more for integers that float64 does not hold)."""
    key = ("known", name)
    if key not in plan.memo:
        plan.memo[key] = _known(plan, name)
    found: Interval = plan.memo[key]
    return found


def _known(plan: Plan, name: str) -> Interval:
    constant = plan.constants[name]
    if constant.dtype.kind in "iu" and constant.itemsize == 8:
        near = constant[None].astype(np.float64)
        if (np.abs(near) >= 2.0**53).any():  # such as the end of a slice, "as far as it goes"
            return Interval(np.nextafter(near, -np.inf), np.nextafter(near, np.inf))
    value = plan.number(name)
    return Interval(value, value)


def apply(plan: Plan, step: Step, values: Mapping[str, Interval]) -> Interval:
    """The interval of one node from its operands' intervals (overflow and NaN are handled: silence NumPy around it)."""
    operands = operands_of(plan, step, values)
    found: Interval = rule_for(step.node, interval)(step.call, *operands)
    if found.lo.shape[1:] != step.node.shape:
        raise GraphError(
            f"{step.node.describe()}: interval of shape {found.lo.shape[1:]}, expected {step.node.shape}"
        )
    return found


def operands_of(plan: Plan, step: Step, values: Mapping[str, Interval]) -> list[Interval | None]:
    """The intervals of a step's operands; constants beside the others, on whichever device those are."""
    found = [
        None if o is None else known(plan, o) if o in plan.constants else values[o] for o in step.operands
    ]
    like = next(iter(values.values()), None)
    if like is None or on_host(like.lo):
        return found
    return [
        x if x is None else Interval(beside(x.lo, like.lo), beside(x.hi, like.lo), x.simplex) for x in found
    ]


def total(x: Interval, axis: tuple[int, ...], keepdims: bool = False) -> Interval:
    """Sum over axes, outward: n terms in any order err by at most (n-1) u times the sum of magnitudes (F2)."""
    n = int(np.prod([x.lo.shape[a] for a in axis], dtype=np.int64))
    slack = (n * UNIT * (1 + 2.0**-20)) * np.sum(x.magnitude, axis=axis, keepdims=keepdims)
    lo = np.sum(x.lo, axis=axis, keepdims=keepdims)
    hi = np.sum(x.hi, axis=axis, keepdims=keepdims)
    if n <= 1:
        return whole_where_nan(lo, hi)
    return outward(lo - slack, hi + slack)


def convex_combination(weights: Interval, values: Interval) -> Interval:
    """``sum_k w_k v_k`` over the last axis, for weights that are non-negative and sum to 1.

    For every number t:  sum w_k v_k = t + sum w_k (v_k - t)  >=  t + sum [lo_k (v_k - t)+ - hi_k (v_k - t)-], so any t
    gives a lower bound; the best one is among the v_k (the bound is concave and piecewise linear in t).
    """
    ends = []
    for sign, v in ((1.0, values.lo), (-1.0, -values.hi)):
        best = np.full(np.broadcast_shapes(weights.lo.shape, v.shape)[:-1], -np.inf)
        n = v.shape[-1]
        for k in range(n):
            t = v[..., k]
            gap = v - t[..., None]
            # the subtraction rounds by u |gap|, each product by u, the sum by n u: charged on the magnitudes
            term = np.where(gap > 0, weights.lo, weights.hi) * gap
            slack = (n + 4) * UNIT * (np.abs(term).sum(axis=-1) + np.abs(t)) + (n + 1) * TINY
            best = np.fmax(best, np.nextafter(t + term.sum(axis=-1) - 1.5 * slack, -np.inf))
        ends.append(sign * best)
    return whole_where_nan(ends[0], ends[1])
