"""Div: affine where the divisor is constant; else a product with the reciprocal, and nothing where it may be 0.

Lines for x / y over a box with y away from 0: with r = 1/y, lines s x + t r + m for x r (see `bilinear`), then the
reciprocal's own lines for t r (its lower one where the bound and t have the right signs).  The product t * slope is
rounded once: at most u |t slope| |y|max, charged to the offset.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from workbench.floats.program import Semantics
from workbench.graph import Array
from workbench.op import Call, Op, as_float64
from workbench.ops.arithmetic import call_shape, scaled, wanted
from workbench.ops.generators.bilinear import corner_offsets
from workbench.ops.generators.curve import lines as curve_lines
from workbench.ops.smooth import RECIPROCAL
from workbench.semantics.affine import Linear, Lines, Relaxation, affine, spread
from workbench.semantics.cotangent import derivative
from workbench.semantics.interval import TINY, UNIT, Interval, interval, outward, product
from workbench.semantics.real import real
from workbench.semantics.rounding import Local, Slopes, rounded_once, rounding
from workbench.semantics.summation import stored

div = Op("Div", "y = a / b", r"y=a/b")


@div.rule(real)
def _(call: Call, ns: Any, a: Array, b: Array) -> Array:
    a, b = spread(a, call_shape(call)), spread(b, call_shape(call))
    if a.dtype.kind in "iu" and b.dtype.kind in "iu":
        return np.asarray(np.trunc(a / b).astype(a.dtype))  # ONNX divides integers toward zero
    return np.asarray(ns.div(a, b))


@div.rule(interval)
def _(call: Call, a: Interval, b: Interval) -> Interval:
    shape = call_shape(call)
    return quotient(
        Interval(spread(a.lo, shape), spread(a.hi, shape)), Interval(spread(b.lo, shape), spread(b.hi, shape))
    )


def quotient(x: Interval, y: Interval) -> Interval:
    """Elementwise quotient, outward; the whole line where the divisor may be 0."""
    crosses = (y.lo <= 0) & (y.hi >= 0)
    corners = [
        a / b for a in (x.lo, x.hi) for b in (np.where(crosses, 1.0, y.lo), np.where(crosses, 1.0, y.hi))
    ]
    lo = np.minimum(np.minimum(corners[0], corners[1]), np.minimum(corners[2], corners[3]))
    hi = np.maximum(np.maximum(corners[0], corners[1]), np.maximum(corners[2], corners[3]))
    return outward(np.where(crosses, -np.inf, lo), np.where(crosses, np.inf, hi))


def constant_divisor(call: Call) -> Linear | None:
    """x / c as the product with the rounded reciprocal (one more rounding a term), where c is a constant."""

    def make() -> Linear | None:
        c = call.constant(1)
        if c is None or not np.all(c != 0):
            return None
        with np.errstate(all="ignore"):
            inverse = 1.0 / as_float64(c)
        if not np.isfinite(inverse).all() or (np.abs(inverse) < 2.0**-1020).any():
            return None  # the reciprocal overflows or is subnormal: its error would not be relative
        return Linear((scaled(call, 0, inverse, 2), None))

    return call.cached("linear", make)


@div.rule(affine)
def _(call: Call, a: Interval, b: Interval) -> Linear | Relaxation:
    form = constant_divisor(call)
    if form is not None:
        return form
    shape = call.shape
    y = Interval(spread(b.lo, shape), spread(b.hi, shape))
    x = Interval(spread(a.lo, shape), spread(a.hi, shape))
    within = np.broadcast_shapes(y.lo.shape, x.lo.shape)
    x, y = (Interval(np.broadcast_to(v.lo, within), np.broadcast_to(v.hi, within)) for v in (x, y))
    r = quotient(Interval(np.ones(within), np.ones(within)), y)
    lines = curve_lines(RECIPROCAL, y)
    s, t = 0.5 * r.lo + 0.5 * r.hi, 0.5 * x.lo + 0.5 * x.hi
    least, most = corner_offsets(x, r, s, t)

    whole = quotient(x, y)

    def composed(m: Array, positive: Lines, negative: Lines, direction: float) -> Lines:
        slopes = [np.zeros(()) if v.slopes[0] is None else v.slopes[0] for v in (positive, negative)]
        k = t * np.where(t >= 0, slopes[0], slopes[1])
        b = t * np.where(t >= 0, positive.offset, negative.offset)
        slack = 4 * UNIT * (np.abs(m) + np.abs(b) + np.abs(k) * y.magnitude) + 8 * TINY * (1 + y.magnitude)
        offset = np.nextafter(m + b + direction * slack, direction * np.inf)
        # where the numbers leave float64's range no line is known: the interval's end
        known = np.isfinite(offset) & np.isfinite(k) & np.isfinite(s)
        end = whole.lo if direction < 0 else whole.hi
        return Lines((np.where(known, s, 0.0), np.where(known, k, 0.0)), np.where(known, offset, end))

    return Relaxation(
        composed(least, lines.lower, lines.upper, -1.0), composed(most, lines.upper, lines.lower, 1.0)
    )


def _pulled(call: Call, ns: Any, operands: Sequence[Any], value: Any, seed: Any) -> Sequence[Any]:
    part = seed / ns.spread(operands[1], call.shape)
    return wanted(call, ns, 0, lambda: part), wanted(call, ns, 1, lambda: -(part * value))


derivative(div, _pulled)


@div.rule(rounding)
def _(call: Call, program: Semantics, a: Interval, b: Interval) -> Local:
    """Correctly rounded.  With z the float operands, z_a / z_b - a / b = (z_a - a) / z_b - (z_b - b) a / (b z_b)."""
    form = constant_divisor(call)
    if form is not None and call.constant(0) is None and stored(call, program)[1] is None:
        return rounded_once(call, form)
    shape = call.shape
    x, y = (Interval(spread(v.lo, shape), spread(v.hi, shape)) for v in (a, b))
    one = np.ones((1, *shape))
    across = quotient(Interval(-x.hi, -x.lo), product(y, y))
    crosses = (y.lo <= 0) & (y.hi >= 0)
    across = Interval(np.where(crosses, -np.inf, across.lo), np.where(crosses, np.inf, across.hi))
    return rounded_once(call, Slopes((quotient(Interval(one, one), y), across)))
