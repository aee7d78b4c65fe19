"""Erf, Softplus, Elu, Selu, Celu, HardSigmoid: rising functions of one number.

Elu, Selu and Celu are g x right of 0 and g a (e^(x/c) - 1) left of it, with a, c, g > 0.  Left of 0 they bend upward;
at 0 the slope goes from g a / c to g: upward too where a <= c, else down, and there a piece ends.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from workbench.arrays import elementary as e
from workbench.arrays.elementary import LARGEST, Image, Pair, down, up
from workbench.graph import Array
from workbench.op import Call, Op, UnsupportedOperator
from workbench.ops.generators.curve import Curve, curve, cut_at
from workbench.semantics.cotangent import Slope
from workbench.semantics.interval import Interval, constant, product
from workbench.semantics.real import FLOAT, real

erf = Op("Erf", "y = erf(x)", r"y=\mathrm{erf}\,x")
softplus = Op("Softplus", "y = log(1 + e^x)", r"y=\ln(1+e^x)")
elu = Op("Elu", "y = x where x >= 0, else alpha (e^x - 1)", r"y=\max(x,0)+\alpha(e^{\min(x,0)}-1)")
selu = Op("Selu", "y = gamma elu(x)", r"y=\gamma(\max(x,0)+\alpha(e^{\min(x,0)}-1))")
celu = Op(
    "Celu", "y = x where x >= 0, else alpha (e^(x/alpha) - 1)", r"y=\max(x,0)+\alpha(e^{\min(x,0)/\alpha}-1)"
)
hardsigmoid = Op("HardSigmoid", "y = clip(alpha x + beta, 0, 1)", r"y=\min(\max(\alpha x+\beta,0),1)")

ROOT = constant(1.1283791670955123, 1.1283791670955128)  # 2 / sqrt(pi)
# ONNX's defaults are binary32 numbers
SELU_ALPHA, SELU_GAMMA = (
    float(np.float32(1.67326319217681884765625)),
    float(np.float32(1.05070102214813232421875)),
)


def rising(value: Callable[[Array], Pair]) -> Image:
    """Enclosure over intervals of a function that never falls, from enclosures at points."""

    def image(lo: Array, hi: Array) -> Pair:
        undefined = ~(np.asarray(lo) <= hi)
        low, high = value(np.where(undefined, 0.0, lo))[0], value(np.where(undefined, 0.0, hi))[1]
        return np.where(undefined, -np.inf, low), np.where(undefined, np.inf, high)

    return image


# ---------------------------------------------------------------------- Erf, Softplus


def _bell(x: Array) -> Pair:
    """2 / sqrt(pi) e^(-x^2)."""
    x = np.clip(x, -LARGEST, LARGEST)
    square = product(Interval(x, x), Interval(x, x))
    found = product(Interval(*e.exp(-square.hi, -np.maximum(square.lo, 0.0))), ROOT)
    return np.maximum(found.lo, 0.0), found.hi


def _softplus(x: Array) -> Pair:
    """max(x, 0) + log(1 + e^-|x|)."""
    small = e.exp(-np.abs(x), -np.abs(x))
    rest = e.log1p(*small)
    top = np.maximum(x, 0.0)
    low = np.where(top == 0, rest[0], down(top + rest[0]))
    return np.maximum(low, top), np.where(top == 0, rest[1], up(top + rest[1]))


def _softplus_formula(ns: Any, x: Any) -> Any:
    return ns.add(ns.maximum(x, ns.number(0.0)), ns.log1p(ns.exp(ns.neg(ns.abs(x)))))


curve(
    erf,
    lambda call: Curve(
        FLOAT.erf,
        lambda x: 1.1283791670955126 * np.exp(-x * x),
        e.erf,
        _bell,
        cut_at(0.0, bends=(1, -1)),
        1.1284,
    ),
    "erf",
    steep=lambda call, ns, x, y: ns.exp(-(x * x)) * 1.1283791670955126,
)
SOFTPLUS = Curve(
    lambda x: np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x))),
    FLOAT.sigmoid,
    rising(_softplus),
    lambda x: e.sigmoid(x, x),
    cut_at(bends=(1,)),
    1.0,
)
curve(
    softplus,
    lambda call: SOFTPLUS,
    formula=lambda call: _softplus_formula,
    steep=lambda call, ns, x, y: ns.sigmoid(x),
)


@erf.rule(real)
def _(call: Call, ns: Any, x: Array) -> Array:
    return np.asarray(ns.erf(x))


@softplus.rule(real)
def _(call: Call, ns: Any, x: Array) -> Array:
    return np.asarray(_softplus_formula(ns, x))


# ---------------------------------------------------------------------- Elu, Selu, Celu


def _parameters(call: Call) -> tuple[float, float, float]:
    """a, c, g."""
    alpha = float(call.attr("alpha", SELU_ALPHA if call.node.op == "Selu" else 1.0))
    a, c, g = {
        "Elu": (alpha, 1.0, 1.0),
        "Celu": (alpha, alpha, 1.0),
        "Selu": (alpha, 1.0, float(call.attr("gamma", SELU_GAMMA))),
    }[call.node.op]
    if not (0 <= a < np.inf and 0 < c < np.inf and 0 < g < np.inf):
        raise UnsupportedOperator(f"{call.node.describe()}: alpha and gamma are expected to be positive")
    return a, c, g


def _exponential(call: Call) -> Curve:
    a, c, g = _parameters(call)

    def scaled(x: Interval, y: float) -> Interval:
        return product(x, constant(y))

    def exponent(x: Array) -> Interval:
        left = np.minimum(np.asarray(x, np.float64), 0.0)
        return Interval(left, left) if c == 1 else Interval(down(left / c), np.minimum(up(left / c), 0.0))

    def value(x: Array) -> Pair:
        inner = exponent(x)
        left = scaled(Interval(*e.expm1(inner.lo, inner.hi)), a)
        top = np.asarray(x, np.float64)
        low, high = np.where(top >= 0, top, left.lo), np.where(top >= 0, top, np.minimum(left.hi, 0.0))
        if g == 1:
            return low, high
        found = scaled(Interval(low, high), g)
        return found.lo, found.hi

    steep = a / c * g  # used outward only

    def slope(x: Array) -> Pair:
        inner = exponent(x)
        ratio = constant(1) if a == c else constant(np.nextafter(a / c, 0.0), np.nextafter(a / c, np.inf))
        left = scaled(product(Interval(*e.exp(inner.lo, inner.hi)), ratio), g)
        low, high = np.where(x >= 0, g, left.lo), np.where(x >= 0, g, left.hi)
        at_0 = np.asarray(x) == 0
        return np.where(at_0, np.minimum(low, left.lo), low), np.where(at_0, np.maximum(high, left.hi), high)

    def f(x: Array) -> Array:
        return np.asarray(g * np.where(x >= 0, x, a * np.expm1(np.minimum(x, 0) / c)))

    def df(x: Array) -> Array:
        return np.asarray(g * np.where(x >= 0, 1.0, a / c * np.exp(np.minimum(x, 0) / c)))

    pieces = cut_at(bends=(1,)) if a <= c else cut_at(0.0, bends=(1, 1))
    return Curve(f, df, rising(value), slope, pieces, max(g, steep) * (1 + 2.0**-40))


def _exponential_formula(call: Call) -> Callable[[Any, Any], Any]:
    a, c, g = _parameters(call)

    def formula(ns: Any, x: Any) -> Any:
        left = ns.minimum(x, ns.number(0.0))
        if c != 1:
            left = ns.div(left, ns.number(c))
        left = ns.expm1(left)
        if a != 1:
            left = ns.mul(left, ns.number(a))
        found = ns.select(x, x, left)
        return found if g == 1 else ns.mul(found, ns.number(g))

    return formula


def _exponential_slope(call: Call, ns: Any, x: Any, y: Any) -> Any:
    """At 0 the slope on the left."""
    a, c, g = _parameters(call)
    on, left = ns.positive(x), ns.below(x)
    found = on + (1.0 - on) * (
        ns.exp(left) * a if c == 1 else ns.exp(left / c) if a == c else ns.exp(left / c) * a / c
    )
    return found if g == 1 else found * g


# ---------------------------------------------------------------------- HardSigmoid


def _line(call: Call) -> tuple[float, float]:
    alpha, beta = float(call.attr("alpha", 0.2)), float(call.attr("beta", 0.5))
    if not (0 < alpha <= 2 and np.isfinite(beta)):
        raise UnsupportedOperator(f"{call.node.describe()}: alpha is expected to be in (0, 2]")
    return alpha, beta


def _clipped(call: Call) -> Curve:
    """Three straight pieces.  Where they meet, and an edge may be off by the rounding of -beta / alpha, both slopes."""
    alpha, beta = _line(call)
    ends = -beta / alpha, (1 - beta) / alpha
    blur = 2.0**-50 * (1 + (1 + abs(beta)) / alpha)

    def value(x: Array) -> Pair:
        q = alpha * x
        low, high = down(down(q) + beta), up(up(q) + beta)
        return np.clip(low, 0.0, 1.0), np.clip(high, 0.0, 1.0)

    def slope(x: Array) -> Pair:
        inside = (x > ends[0] + 2 * blur) & (x < ends[1] - 2 * blur)
        outside = (x < ends[0] - 2 * blur) | (x > ends[1] + 2 * blur)
        return np.where(inside, alpha, 0.0), np.where(outside, 0.0, alpha)

    return Curve(
        lambda x: np.clip(alpha * x + beta, 0, 1),
        lambda x: np.where((x > ends[0]) & (x < ends[1]), alpha, 0.0),
        rising(value),
        slope,
        cut_at(*ends, bends=(1, 1, 1), blur=blur),
        alpha,
    )


def _clipped_formula(call: Call) -> Callable[[Any, Any], Any]:
    alpha, beta = _line(call)

    def formula(ns: Any, x: Any) -> Any:
        line = ns.add(ns.mul(x, ns.number(alpha)), ns.number(beta))
        return ns.minimum(ns.maximum(line, ns.number(0.0)), ns.number(1.0))

    return formula


def _clipped_slope(call: Call, ns: Any, x: Any, y: Any) -> Any:
    """0 at both kinks."""
    alpha, beta = _line(call)
    line = x * alpha + beta
    return ns.positive(line) * ns.positive(1.0 - line) * alpha


def _register(
    op: Op, of: Callable[[Call], Curve], formula: Callable[[Call], Callable[[Any, Any], Any]], steep: Slope
) -> None:
    curve(op, of, formula=formula, steep=steep)

    @op.rule(real)
    def _(call: Call, ns: Any, x: Array) -> Array:
        return np.asarray(formula(call)(ns, x))


for _op in (elu, selu, celu):
    _register(_op, _exponential, _exponential_formula, _exponential_slope)
_register(hardsigmoid, _clipped, _clipped_formula, _clipped_slope)
