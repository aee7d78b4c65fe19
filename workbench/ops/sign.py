"""Sign: -1, 0 or 1: what the gradients of piecewise linear operators are made of, in every meaning."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from workbench.floats.program import Semantics
from workbench.graph import Array
from workbench.op import Call, Op
from workbench.semantics.affine import Lines, Relaxation, affine
from workbench.semantics.cotangent import slope
from workbench.semantics.interval import Interval, interval
from workbench.semantics.real import real
from workbench.semantics.rounding import Local, Slopes, exactly, rounding

sign = Op("Sign", "y = -1, 0 or 1 as x is negative, 0 or positive", r"y=\mathrm{sgn}(x)")


@sign.rule(real)
def _(call: Call, ns: Any, x: Array) -> Array:
    """1 where x >= 0, but 0 where -x >= 0 too."""
    both = ns.select(ns.neg(x), ns.number(0), ns.number(1))
    return np.asarray(ns.select(x, both, ns.number(-1))).astype(x.dtype)


@sign.rule(interval)
def _(call: Call, x: Interval) -> Interval:
    """It never falls."""
    return Interval(np.sign(x.lo), np.sign(x.hi))


@sign.rule(affine)
def _(call: Call, x: Interval) -> Relaxation:
    """A constant where the sign is known, which is exact.

    Elsewhere a line below through (hi, 1) and (0, -1), where it lies at or below -1 on x <= 0 and below 1 on x <= hi;
    whichever of it and the constant is higher in the middle; above it is the same, turned around.  Slopes and offsets
    are 2/hi and -1, and the value at hi is checked: 2/hi is made smaller until hi times it is at most 2.
    """
    low, high = np.sign(x.lo), np.sign(x.hi)
    lower, upper = _line(x.lo, x.hi, low), _line(-x.hi, -x.lo, -high)
    return Relaxation(Lines((lower[0],), lower[1]), Lines((upper[0],), -upper[1]))


def _line(lo: Array, hi: Array, least: Array) -> tuple[Array, Array]:
    """Slope and offset below sign over [lo, hi], `least` its smallest value there."""
    tilted = (lo < 0) & (hi > 0) & np.isfinite(hi) & (hi >= -lo * 0.5) & (hi > 2.0**-1000) & (hi < 2.0**1000)
    slope = np.where(tilted, np.nextafter(np.nextafter(2.0 / np.where(tilted, hi, 1.0), 0.0), 0.0), 0.0)
    # on x > 0: slope x - 1 <= 2 (1 - u)^2 (1 + u) - 1 <= 1; on x <= 0: slope x - 1 <= -1
    better = tilted & (slope * (0.5 * lo + 0.5 * hi) - 1 > least)
    return np.where(better, slope, 0.0), np.where(better, -1.0, least)


slope(sign, lambda call, ns, x, y: None)  # 0: the derivative wherever there is one


@sign.rule(rounding)
def _(call: Call, program: Semantics, x: Interval) -> Local:
    """Exact where the sign is known; else a real and a float value may lie on two sides of 0."""
    apart = np.broadcast_to(np.sign(x.hi) - np.sign(x.lo), np.broadcast_shapes(x.lo.shape, (1, *call.shape)))
    flat = np.zeros_like(apart)
    return replace(exactly(call, Slopes((Interval(flat, flat),))), rho=apart)
