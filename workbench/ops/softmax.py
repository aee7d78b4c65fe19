"""Softmax: e^x_i / sum_j e^x_j over an axis.

With d_j = x_j - x_i, y_i = 1 / s, s = 1 + sum_{j != i} e^{d_j}: only differences of logits count, so nothing overflows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from workbench.arrays.elementary import LARGEST, down, exp, sub_down, sub_up, up
from workbench.floats.errors import growth, raised
from workbench.floats.program import Semantics
from workbench.graph import Array
from workbench.op import Call, Op
from workbench.ops.generators.curve import lines as curve_lines
from workbench.ops.generators.groups import WIDEST, grouped, unfold_groups, ungrouped
from workbench.ops.smooth import EXP
from workbench.semantics.affine import Lines, Relaxation, affine
from workbench.semantics.cotangent import derivative
from workbench.semantics.interval import TINY, UNIT, Interval, interval
from workbench.semantics.real import real
from workbench.semantics.rounding import Local, Slopes, rounding

SMALLEST = 2.0**-900  # below, a product of two numbers may lose its relative accuracy to underflow

softmax = Op("Softmax", "y_i = e^x_i / sum_j e^x_j", r"y_i=\frac{e^{x_i}}{\sum_j e^{x_j}}")


def axes_of(call: Call) -> tuple[int, ...]:
    """The axes that one sum runs over, counted with the engine's batch axis.

    Before opset 13 (`flatten`) the default is 1, and every axis from there on counts as one.
    """
    rank = len(call.shapes[0] or ())
    flatten = bool(call.attr("flatten", 0))
    axis = int(call.attr("axis", 1 if flatten else -1))
    axis = axis + rank if axis < 0 else axis
    return tuple(range(axis + 1, rank + 1)) if flatten else (axis + 1,)


@softmax.rule(real)
def _(call: Call, ns: Any, x: Array) -> Array:
    axes = axes_of(call)
    t = ns.exp(ns.sub(x, ns.max(x, axes)))
    return np.asarray(ns.div(t, ns.sum(t, axes)))


def extremes(lo: Array, hi: Array) -> tuple[Array, Array]:
    """Least and greatest softmax along the last axis, rounded outward, for ``(..., n)`` ends of logits.

    y_i is least with x_i at its lower end and all others at their upper ends: 1 / (1 + T e^{m - l_i}) with m the
    largest other upper end and T = sum_{j != i} e^{u_j - m} (and the same turned around).  T is summed without the
    own term, not by subtraction, so that it keeps its relative accuracy when one logit dominates.
    """
    return _end(lo, hi, up, sub_up, 1), _end(hi, lo, down, sub_down, 0)


def _end(own: Array, other: Array, away: Any, difference: Any, side: int) -> Array:
    """1 / (1 + sum of the others relative to `own`), each step rounded in the direction `away`."""
    n = other.shape[-1]
    each = np.arange(n)
    where = np.argmax(other, axis=-1)[..., None]
    is_top = each == where
    top = np.take_along_axis(other, where, axis=-1)
    runner = np.max(np.where(is_top, -np.inf, other), axis=-1, keepdims=True)
    # relative to the largest other: the runner-up for the top logit itself, the top for everybody else
    direction = 1 if side else -1
    far = _exp(difference(other, top), side)
    near = np.where(is_top, 0.0, _exp(difference(other, runner), side))
    ahead = np.cumsum(far, axis=-1) - 0.0
    before = np.concatenate([np.zeros_like(far[..., :1]), ahead[..., :-1]], axis=-1)
    behind = np.cumsum(far[..., ::-1], axis=-1)[..., ::-1]
    after = np.concatenate([behind[..., 1:], np.zeros_like(far[..., :1])], axis=-1)
    sums = np.where(is_top, near.sum(axis=-1, keepdims=True), before + after)
    sums = away(sums * (1 + direction * (n + 4) * UNIT))
    level = np.where(is_top, runner, top)
    ratio = np.maximum(away(sums * _exp(difference(level, own), side)), 0.0)
    if n == 1:
        return np.ones_like(own)
    # from above the ratio must not be over-, from below not under-estimated; NaN (infinite logits) claims nothing
    if side:
        return np.clip(np.nan_to_num(down(1 / up(1 + ratio)), nan=0.0), 0.0, 1.0)
    return np.clip(np.nan_to_num(up(1 / np.maximum(down(1 + ratio), 1.0)), nan=1.0), 0.0, 1.0)


def _exp(x: Array, side: int) -> Array:
    """e^x rounded up (side 1) or down (side 0); NaN stays NaN."""
    given = np.clip(np.where(np.isnan(x), 0.0, x), -LARGEST, LARGEST)
    return np.where(np.isnan(x), np.nan, exp(given, given)[side])


@softmax.rule(interval)
def _(call: Call, x: Interval) -> Interval:
    axes = axes_of(call)
    lo, hi = extremes(grouped(axes, x.lo), grouped(axes, x.hi))
    last = axes == (x.lo.ndim - 1,)
    return Interval(ungrouped(axes, call.shape, lo), ungrouped(axes, call.shape, hi), simplex=last)


@softmax.rule(affine)
def _(call: Call, x: Interval) -> Relaxation:
    axes = axes_of(call)
    lo, hi = grouped(axes, x.lo), grouped(axes, x.hi)
    least, most = extremes(lo, hi)
    if lo.shape[-1] > WIDEST:
        ends = [Lines((None,), ungrouped(axes, call.shape, e)) for e in (least, most)]
        return Relaxation(ends[0], ends[1])
    pair = logit_lines(lo, hi, least, most)
    found = [Lines((ungrouped(axes, call.shape, s),), ungrouped(axes, call.shape, o)) for s, o in pair]
    gap = None
    if axes == (x.lo.ndim - 1,):
        middle = 0.5 * lo[..., None, :] + 0.5 * hi[..., None, :]
        below, above = ((s * middle).sum(axis=-1) + o for s, o in pair)
        gap = np.maximum(np.nan_to_num(above - below, nan=0.0, posinf=1.0, neginf=0.0), 0.0)
    return Relaxation(found[0], found[1], (unfold_groups(axes, call.shape),), gap)


def logit_lines(
    lo: Array, hi: Array, least: Array, most: Array
) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    """Slopes ``(..., n, n)`` (of output i, on logit j) and offsets ``(..., n)`` below and above, proved.

    Below: 1/s >= 2r - r^2 s for any r > 0, and s <= 1 + sum (a_j d_j + b_j) with lines above e^d.
    Above: 1/s <= p + q - p q s wherever q <= 1/s <= p, and s >= 1 + sum (a_j d_j + b_j) with lines below e^d.
    (Wei et al. 2023 call these the linear bounds of the exponential-reciprocal form.)
    """
    n = lo.shape[-1]
    own = np.eye(n, dtype=bool)
    d = Interval(
        np.where(own, 0.0, sub_down(lo[..., None, :], hi[..., :, None])),
        np.where(own, 0.0, sub_up(hi[..., None, :], lo[..., :, None])),
    )
    e = curve_lines(EXP, d)
    size = np.maximum(np.abs(lo), np.abs(hi))
    middle = 0.5 * lo + 0.5 * hi
    between = middle[..., None, :] - middle[..., :, None]
    found = []
    for lines, end, direction in ((e.upper, least, -1), (e.lower, most, 1)):
        slope = lines.slopes[0]
        assert slope is not None
        a = np.where(own, 0.0, slope)
        b = np.where(own, 0.0, lines.offset)
        if direction < 0:
            r = 1 / (1 + (a * between + b).sum(axis=-1))
            # a third of the way from the tangent at the middle to the one at the end: flatter lines carry less of
            # what is lost in the logits themselves
            r = r + (least - r) / 3
            r = np.where(np.isfinite(r) & (r > 0), r, 0.0)
            constant, factor = 2 * r, r * r
        else:
            constant, factor = most + least, most * least
        slopes = -factor[..., None] * a
        pull = -slopes.sum(axis=-1)
        offset = constant - factor * (1 + b.sum(axis=-1))
        # every number above is a sum of at most n products of at most three numbers: n + 12 roundings in all
        terms = np.abs(constant) + factor * (1 + np.abs(b).sum(axis=-1))
        terms = terms + (np.abs(slopes) * (size[..., None, :] + size[..., :, None])).sum(axis=-1)
        slack = (2 * n + 16) * UNIT * terms + (4 * n + 16) * TINY * (
            1 + np.abs(b).sum(axis=-1) + size.sum(axis=-1, keepdims=True) + size
        )
        offset = np.nextafter(offset + direction * slack, direction * np.inf)
        slopes = np.where(own, pull[..., None], slopes)
        at_middle = (slopes * middle[..., None, :]).sum(axis=-1) + offset
        good = (
            np.isfinite(offset)
            & np.isfinite(slopes).all(axis=-1)
            & (factor > SMALLEST)
            & (direction * at_middle <= direction * end)
        )
        found.append((np.where(good[..., None], slopes, 0.0), np.where(good, offset, end)))
    return found[0], found[1]


def _pulled(call: Call, ns: Any, operands: Sequence[Any], value: Any, seed: Any) -> tuple[Any]:
    return (value * (seed - ns.total(seed * value, [a - 1 for a in axes_of(call)])),)


derivative(softmax, _pulled)


@softmax.rule(rounding)
def _(call: Call, program: Semantics, x: Interval) -> Local:
    """Computed as t_i / sum_j t_j with t_i = e^(x_i - max x), the sum in any order.

    x_i - max x is rounded once, by at most u R with R the largest difference of logits, and exp adds K ulp: each t
    has a relative error of at most r = e^(uR) (1 + 2 K u) - 1, and where it is subnormal an absolute one of K eta.
    Sum and quotient add n roundings, so that y errs by (1+r)(1+u)/((1-r)(1-u)^(n-1)) - 1 relatively.
    The absolute errors: y' = (t (1+p) + a) / (s (1+q) + b) with |a| <= K eta, and |b| <= n K eta (1+u)^n, as sums do
    not underflow.  Rounded sums of non-negative numbers are no less than any of their terms, so the divisor is at least
    1 - r >= 3/4; with r, n u <= 1/4 it is (1+p)/(1+q) <= 1.25 / (0.75 0.77) < 2.2, and a and b change y' by at most
    4/3 (1 + 2.2 1.29 n) K eta.  With the quotient's own eta/2 that is less than (4n + 4)(K + 2) eta.
    The derivative is y_i ([i = j] - y_j).
    """
    program.needs_gradual("Softmax")
    axes, accumulator = axes_of(call), program.measure
    lo, hi = grouped(axes, x.lo), grouped(axes, x.hi)
    n, u, k = lo.shape[-1], accumulator.unit, program.ulps("exp")
    least, most = extremes(lo, hi)
    spread = up(hi.max(axis=-1, keepdims=True) - lo.min(axis=-1, keepdims=True))
    r = raised(np.expm1(np.minimum(u * spread, 1.0) * (1 + 2.0**-40)) * (1 + 4 * k * u) + 2 * k * u)
    relative = ((1 + r) * (1 + growth(u, 4)) * (1 + growth(u, 2 * n))) / (1 - np.minimum(r, 0.5)) - 1
    rho = raised(relative + 2.0**-49) * most + (4 * n + 4) * (k + 2) * accumulator.eta
    known = (spread <= accumulator.largest / 2) & (u * spread <= 0.25) & (r <= 0.25) & (n * u <= 0.25)
    own = np.eye(n, dtype=bool)
    # y (1 - y) rises to y = 1/2 and falls from there
    ends = [v * (1 - v) for v in (least, most)]
    top = np.where((least <= 0.5) & (most >= 0.5), 0.25, np.maximum(*ends))
    low = np.where(own, np.minimum(*ends)[..., None], -most[..., :, None] * most[..., None, :])
    high = np.where(own, top[..., None], -least[..., :, None] * least[..., None, :])
    slack = 8 * UNIT * np.maximum(np.abs(low), np.abs(high)) + 2 * UNIT * most[..., None] + 4 * TINY
    low, high = (ungrouped(axes, call.shape, e) for e in (low - slack, high + slack))
    slopes = Interval(low, high)
    if n == 1:
        slopes = Interval(np.zeros_like(slopes.lo), np.zeros_like(slopes.hi))
    form = Slopes((slopes,), (unfold_groups(axes, call.shape),))
    rho = ungrouped(axes, call.shape, np.where(known, rho, np.inf))
    return Local(rho, form, assumptions=(program.assumption("exp"),))
