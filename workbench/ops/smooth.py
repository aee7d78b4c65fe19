"""Exp, Log, Sqrt, Reciprocal, Sigmoid, Tanh, Sin, Cos: one formula, one derivative, and where each one bends.

Everything else follows from `generators.curve`.  Where an interval reaches a point without a value (log and sqrt below
0, 1/x at 0) nothing is claimed: the bound there is the whole line.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from workbench.arrays import elementary as e
from workbench.arrays.elementary import Pair, down, up
from workbench.graph import Array
from workbench.op import Call, Op
from workbench.ops.generators.curve import Curve, Pieces, curve, cut_at
from workbench.semantics.cotangent import Slope
from workbench.semantics.real import FLOAT, real

exp = Op("Exp", "y = e^x", r"y=e^x")
log = Op("Log", "y = log x", r"y=\ln x")
sqrt = Op("Sqrt", "y = sqrt(x)", r"y=\sqrt{x}")
reciprocal = Op("Reciprocal", "y = 1 / x", r"y=1/x")
sigmoid = Op("Sigmoid", "y = 1 / (1 + e^-x)", r"y=\frac{1}{1+e^{-x}}")
tanh = Op("Tanh", "y = tanh x", r"y=\tanh x")
sin = Op("Sin", "y = sin x", r"y=\sin x")
cos = Op("Cos", "y = cos x", r"y=\cos x")


def _by_name(op: Op, name: str) -> None:
    @op.rule(real)
    def _(call: Call, ns: Any, x: Array) -> Array:
        return np.asarray(getattr(ns, name)(x))


for _op, _name in (
    (exp, "exp"),
    (log, "log"),
    (sqrt, "sqrt"),
    (sigmoid, "sigmoid"),
    (tanh, "tanh"),
    (sin, "sin"),
    (cos, "cos"),
):
    _by_name(_op, _name)


@reciprocal.rule(real)
def _(call: Call, ns: Any, x: Array) -> Array:
    return np.asarray(ns.div(ns.number(1), x))


def _point(image: e.Image) -> Any:
    return lambda x: image(x, x)


def _negated(pair: Pair) -> Pair:
    return -pair[1], -pair[0]


def _half_inverse_root(x: Array) -> Pair:
    """1 / (2 sqrt x), enclosed; infinite at 0."""
    lo, hi = e.sqrt(x, x)
    undefined = ~np.isfinite(lo) | (x < 0)
    return np.where(undefined, 0.0, np.maximum(down(0.5 / up(hi)), 0.0)), np.where(
        undefined, np.inf, up(0.5 / lo)
    )


def _minus_inverse_square(x: Array) -> Pair:
    """-1 / x^2, enclosed."""
    return _negated(e.image("pown", x, x, -2))


def _bell(x: Array) -> Pair:
    """The sigmoid's derivative t / (1 + t)^2 with t = e^-|x|, enclosed with small relative error.

    Increasing in t on [0, 1], so that the ends of t give the ends; six roundings, each by less than u.
    """
    size = np.abs(x)
    lo, hi = e.exp(-size, -size)
    least = lo / ((1 + lo) * (1 + lo)) * (1 - 16 * 2.0**-53)
    most = hi / ((1 + hi) * (1 + hi)) * (1 + 16 * 2.0**-53)
    return np.maximum(down(down(least)), 0.0), np.minimum(up(up(most)), 0.25)


def _sech_squared(x: Array) -> Pair:
    """The tanh's derivative: four times the sigmoid's at 2x (the doubling is exact, or infinite far out)."""
    lo, hi = _bell(2 * x)
    return 4 * lo, 4 * hi


def _sigmoid_slope(x: Array) -> Array:
    t = np.exp(-np.abs(x))
    return t / ((1 + t) * (1 + t))


def _waves(phase: float, first: int) -> Any:
    """Pieces of sin (phase 0) and cos (phase pi/2), which turn at phase + k pi; `first` is the bend of piece 0.

    k pi is rounded: by less than 4e-16 (|x| + 8), also where the floor is off by one because x is next to a cut.
    An interval wider than a period, or so far out that the blur would show, has no pieces: its lines are constants.
    """

    def pieces(l: Array, u: Array) -> Pieces:
        size = np.maximum(np.abs(l), np.abs(u))
        usable = (u - l <= 2 * np.pi) & (size < 2.0**26)
        k = np.floor((np.where(usable, l, 0.0) - phase) / np.pi)
        cuts = [np.clip((k + i) * np.pi + phase, l, u) for i in (1, 2, 3)]
        even = np.where(k % 2 == 0, first, -first)
        return Pieces((l, *cuts, u), (even, -even, even, -even), np.where(usable, 4e-16 * (size + 8), np.inf))

    return pieces


_S = cut_at(0.0, bends=(1, -1))
EXP = Curve(np.exp, np.exp, e.exp, _point(e.exp), cut_at(bends=(1,)))
RECIPROCAL = Curve(
    np.reciprocal, lambda x: -1 / (x * x), e.recip, _minus_inverse_square, cut_at(0.0, bends=(-1, 1))
)
_CURVES = {
    exp: EXP,
    log: Curve(np.log, np.reciprocal, e.log, _point(e.recip), cut_at(bends=(-1,))),
    sqrt: Curve(np.sqrt, lambda x: 0.5 / np.sqrt(x), e.sqrt, _half_inverse_root, cut_at(bends=(-1,))),
    reciprocal: RECIPROCAL,
    sigmoid: Curve(FLOAT.sigmoid, _sigmoid_slope, e.sigmoid, _bell, _S, 0.25),
    tanh: Curve(np.tanh, lambda x: 4 * _sigmoid_slope(2 * x), e.tanh, _sech_squared, _S, 1.0),
    sin: Curve(np.sin, np.cos, e.sin, _point(e.cos), _waves(0.0, -1), 1.0),
    cos: Curve(
        np.cos, lambda x: -np.sin(x), e.cos, lambda x: _negated(e.sin(x, x)), _waves(np.pi / 2, 1), 1.0
    ),
}


_SLOPES: dict[Op, Slope] = {
    exp: lambda call, ns, x, y: y,
    log: lambda call, ns, x, y: 1.0 / x,
    sqrt: lambda call, ns, x, y: 0.5 / y,
    reciprocal: lambda call, ns, x, y: -(y * y),
    sigmoid: lambda call, ns, x, y: y * (1.0 - y),
    tanh: lambda call, ns, x, y: 1.0 - y * y,
    sin: lambda call, ns, x, y: ns.cos(x),
    cos: lambda call, ns, x, y: -ns.sin(x),
}


def _register(op: Op, shape: Curve) -> None:
    rounded = op in (sqrt, reciprocal)  # correctly, by IEEE 754
    curve(op, lambda call: shape, None if rounded else op.name.lower(), steep=_SLOPES[op])


for _op, _curve in _CURVES.items():
    _register(_op, _curve)
