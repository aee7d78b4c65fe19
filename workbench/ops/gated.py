"""Gelu, Swish (SiLU), Mish, HardSwish: x times a gate that opens from 0 to 1.

They fall to one lowest point left of 0 and rise from there.  Gelu, Swish and Mish bend down, up and down again:

Gelu    f'' = phi(x) (2 - x^2), phi the normal density: at -sqrt 2 and sqrt 2.
Swish   with alpha = 1: f'' = s'(x) (2 - x tanh(x/2)), s the sigmoid; x tanh(x/2) rises in |x|: at -2.39.. and 2.39..;
        f(x) = g(alpha x) / alpha for any alpha > 0.
others  the tanh form of Gelu, and Mish, have their two inflections from a root finder; that f'' has one sign in each
        piece is proved by ball arithmetic in `tests/unit/test_gated.py`, and far out by f ~ x e^(+-2g) there.

HardSwish is x (x + 3) / 6 between -3 and 3, 0 below, x above.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from workbench.arrays import elementary as e
from workbench.arrays.elementary import LARGEST, Image, Pair
from workbench.graph import Array
from workbench.op import Call, Op, UnsupportedOperator
from workbench.ops.generators.curve import Curve, curve, cut_at
from workbench.ops.smooth import _bell
from workbench.semantics.interval import Interval, constant, outward, product
from workbench.semantics.real import FLOAT, real

gelu = Op("Gelu", "y = x Phi(x), Phi the normal distribution", r"y=x\,\Phi(x)")
swish = Op("Swish", "y = x sigmoid(alpha x)", r"y=x\,\sigma(\alpha x)")
mish = Op("Mish", "y = x tanh(log(1 + e^x))", r"y=x\tanh(\ln(1+e^x))")
hardswish = Op("HardSwish", "y = x clip(x/6 + 1/2, 0, 1)", r"y=x\min(\max(\frac{x+3}{6},0),1)")

# the constants of Gelu's tanh form, as the float64 numbers that they are here
ROOT, CUBE = 0.7978845608028654, 0.044715
TURNS = {"Gelu": 1.4142135623730951, "tanh": 1.4185040087908284, "Swish": 2.3993572805154676}
# lowest point and a number just below the value there
LOWEST = {
    "Gelu": (-0.7517915246935645, -0.16997120747990372),
    "tanh": (-0.7524614220710163, -0.1700407505712541),
    "Swish": (-1.2784645427610738, -0.27846454276107385),
    "Mish": (-1.1924312145154952, -0.3088434130172505),
}
HALF_ROOT = constant(0.7071067811865474, 0.7071067811865477)
DENSITY = constant(0.3989422804014326, 0.3989422804014328)  # 1 / sqrt(2 pi)
MISH_TURNS = (-2.256376396360793, 1.4905711794854284)
NEAR = 1e-13  # how far these places may be from the true ones

# ---------------------------------------------------------------------- small interval arithmetic


def _at(x: Array) -> Interval:
    x = np.clip(np.asarray(x, np.float64), -LARGEST, LARGEST)
    return Interval(x, x)


def _plus(x: Interval, y: Interval | float) -> Interval:
    y = y if isinstance(y, Interval) else constant(y)
    return outward(x.lo + y.lo, x.hi + y.hi)


def _times(x: Interval, y: float) -> Interval:
    return product(x, constant(y))


def _over(x: Interval, y: Interval) -> Interval:
    """x / y for positive y."""
    return product(x, Interval(*e.recip(y.lo, y.hi)))


def valley(value: Callable[[Interval], Interval], lowest: float, least: float) -> Image:
    """Enclosure over intervals of a function that falls until `lowest` and rises from there, never below `least`."""

    def image(lo: Array, hi: Array) -> Pair:
        left, right = value(_at(lo)), value(_at(hi))
        through = (lo <= lowest + NEAR) & (hi >= lowest - NEAR)
        low = np.where(through, least, np.minimum(left.lo, right.lo))
        undefined = ~(np.asarray(lo) <= hi)
        return np.where(undefined, -np.inf, low), np.where(undefined, np.inf, np.maximum(left.hi, right.hi))

    return image


def _pair(value: Callable[[Interval], Interval]) -> Callable[[Array], Pair]:
    def at(x: Array) -> Pair:
        found = value(_at(x))
        return found.lo, found.hi

    return at


def _gate(h: Interval) -> Interval:
    """The sigmoid of an enclosed number."""
    h = Interval(np.maximum(h.lo, -LARGEST), np.minimum(h.hi, LARGEST))
    return Interval(*e.sigmoid(h.lo, h.hi))


def _gate_slope(h: Interval) -> Interval:
    """The sigmoid's derivative at an enclosed number: it falls in |h|."""
    ends = [_bell(np.clip(v, -LARGEST, LARGEST)) for v in (h.lo, h.hi)]
    most = np.where((h.lo <= 0) & (h.hi >= 0), 0.25, np.maximum(ends[0][1], ends[1][1]))
    return Interval(np.minimum(ends[0][0], ends[1][0]), most)


# ---------------------------------------------------------------------- Gelu


def _density(x: Interval) -> Interval:
    half = _times(product(x, x), 0.5)
    return product(Interval(*e.exp(-half.hi, -np.maximum(half.lo, 0.0))), DENSITY)


def _distribution(x: Interval) -> Interval:
    """Phi at a point; in the left tail between Mills's |x| / (1 + x^2) phi and phi / |x|."""
    inner = product(x, HALF_ROOT)
    found = _times(_plus(Interval(*e.erf(inner.lo, inner.hi)), 1.0), 0.5)
    found = Interval(np.maximum(found.lo, 0.0), np.minimum(found.hi, 1.0))
    tail = x.hi < -1
    size = np.where(tail, -x.hi, 1.0)
    ratio = Interval(*e.recip(size, size))
    density = _density(x)
    most = product(density, ratio)
    inner = _plus(Interval(size, size), ratio)
    least = product(density, Interval(*e.recip(inner.lo, inner.hi)))  # |x| / (1 + x^2) = 1 / (|x| + 1 / |x|)
    low = np.where(tail, np.maximum(found.lo, least.lo), found.lo)
    return Interval(np.maximum(low, 0.0), np.where(tail, np.minimum(found.hi, most.hi), found.hi))


def _inner(x: Interval) -> Interval:
    """2 ROOT (x + CUBE x^3), so that (1 + tanh(half of it)) / 2 is its sigmoid."""
    return product(_times(x, 2 * ROOT), _plus(_times(product(x, x), CUBE), 1.0))


def _inner_slope(x: Interval) -> Interval:
    return _times(_plus(_times(product(x, x), 3 * CUBE), 1.0), 2 * ROOT)


def _gelu_float(x: Array) -> Array:
    return np.asarray(x * 0.5 * (1 + FLOAT.erf(x * HALF_ROOT.hi)))


def _gelu_slope(x: Array) -> Array:
    return 0.5 * (1 + FLOAT.erf(x * HALF_ROOT.hi)) + x * np.exp(-0.5 * x * x) * DENSITY.hi


def _tanh_float(x: Array) -> Array:
    return x * FLOAT.sigmoid(2 * ROOT * (x + CUBE * x * x * x))


def _tanh_slope(x: Array) -> Array:
    s = FLOAT.sigmoid(2 * ROOT * (x + CUBE * x * x * x))
    return s + x * s * (1 - s) * 2 * ROOT * (1 + 3 * CUBE * x * x)


def _turning(key: str) -> Any:
    return cut_at(-TURNS[key], TURNS[key], bends=(-1, 1, -1), blur=NEAR)


EXACT = Curve(
    _gelu_float,
    _gelu_slope,
    valley(lambda x: product(x, _distribution(x)), *LOWEST["Gelu"]),
    _pair(lambda x: _plus(_distribution(x), product(x, _density(x)))),
    _turning("Gelu"),
    1.13,
)
TANH = Curve(
    _tanh_float,
    _tanh_slope,
    valley(lambda x: product(x, _gate(_inner(x))), *LOWEST["tanh"]),
    _pair(lambda x: _plus(_gate(_inner(x)), product(product(x, _inner_slope(x)), _gate_slope(_inner(x))))),
    _turning("tanh"),
    1.13,
)


def _is_tanh(call: Call) -> bool:
    return call.attr("approximate", "none") == "tanh"


def _gelu_formula(call: Call) -> Callable[[Any, Any], Any]:
    def exact(ns: Any, x: Any) -> Any:
        inner = ns.div(x, ns.sqrt(ns.number(2.0)))
        return ns.mul(ns.mul(x, ns.number(0.5)), ns.add(ns.erf(inner), ns.number(1.0)))

    def tanh(ns: Any, x: Any) -> Any:
        cube = ns.mul(ns.mul(ns.mul(x, x), x), ns.number(CUBE))
        inner = ns.mul(ns.add(x, cube), ns.number(ROOT))
        return ns.mul(ns.mul(x, ns.number(0.5)), ns.add(ns.tanh(inner), ns.number(1.0)))

    return tanh if _is_tanh(call) else exact


def _gelu_steep(call: Call, ns: Any, x: Any, y: Any) -> Any:
    if not _is_tanh(call):
        below = (ns.erf(x * HALF_ROOT.hi.item()) + 1.0) * 0.5
        return below + x * (ns.exp((x * x) * -0.5) * DENSITY.hi.item())
    square = x * x
    gate = ns.sigmoid((square * CUBE + 1.0) * x * (2 * ROOT))
    return gate + y * (1.0 - gate) * (square * CUBE * 3.0 + 1.0) * (2 * ROOT)


curve(gelu, lambda call: TANH if _is_tanh(call) else EXACT, formula=_gelu_formula, steep=_gelu_steep)

# ---------------------------------------------------------------------- Swish


def _swish_float(x: Array) -> Array:
    return np.asarray(x * FLOAT.sigmoid(x))


def _swish_slope(x: Array) -> Array:
    s = FLOAT.sigmoid(x)
    return np.asarray(s + x * s * (1 - s))


def _swish(call: Call) -> Curve:
    """g(alpha x) / alpha: places are divided by alpha, slopes are the same."""
    alpha = float(call.attr("alpha", 1.0))
    if not 1e-3 <= alpha <= 2:  # beyond, the blur of the places would have to be worked out again
        raise UnsupportedOperator(f"{call.node.describe()}: alpha is expected to be from 0.001 to 2")
    lowest, least = LOWEST["Swish"]
    turn = TURNS["Swish"] / alpha
    blur = NEAR * (1 + 1 / alpha)

    def gate(x: Interval) -> Interval:
        return _gate(_times(x, alpha))

    def slope(x: Interval) -> Interval:
        inner = _times(x, alpha)
        return _plus(_gate(inner), product(inner, _gate_slope(inner)))

    return Curve(
        lambda x: x * FLOAT.sigmoid(alpha * x),
        lambda x: _swish_slope(alpha * x),
        valley(lambda x: product(x, gate(x)), lowest / alpha, float(np.nextafter(least / alpha, -np.inf))),
        _pair(slope),
        cut_at(-turn, turn, bends=(-1, 1, -1), blur=blur),
        1.1,
    )


def _swish_formula(call: Call) -> Callable[[Any, Any], Any]:
    alpha = float(call.attr("alpha", 1.0))

    def formula(ns: Any, x: Any) -> Any:
        return ns.mul(x, ns.sigmoid(x if alpha == 1 else ns.mul(x, ns.number(alpha))))

    return formula


def _swish_steep(call: Call, ns: Any, x: Any, y: Any) -> Any:
    alpha = float(call.attr("alpha", 1.0))
    if alpha == 1:
        gate = ns.sigmoid(x)
        return gate + y * (1.0 - gate)
    gate = ns.sigmoid(x * alpha)
    return gate + y * (1.0 - gate) * alpha


curve(swish, _swish, formula=_swish_formula, steep=_swish_steep)

# ---------------------------------------------------------------------- Mish


def _mish_parts(x: Interval) -> tuple[Interval, Interval]:
    """tanh(log(1 + e^x)) and its derivative.

    With t = e^-|x|: (t^2 + 2 t) / (t^2 + 2 t + 2) left of 0, (1 + 2 t) / (1 + 2 t + 2 t^2) right of it; its derivative
    is 4 e^x (e^x + 1) / (e^2x + 2 e^x + 2)^2.
    """
    size = np.abs(x.lo)
    t = Interval(*e.exp(-size, -size))
    square, twice, right = product(t, t), _times(t, 2.0), x.lo >= 0
    both = _times(square, 2.0)
    above = _plus(twice, 1.0)
    left = _plus(square, twice)
    top = Interval(np.where(right, above.lo, left.lo), np.where(right, above.hi, left.hi))
    more, less = _plus(above, both), _plus(left, 2.0)
    under = Interval(np.where(right, more.lo, less.lo), np.where(right, more.hi, less.hi))
    one = _plus(t, 1.0)
    factor = product(t, one)
    other = product(square, one)
    over = Interval(np.where(right, other.lo, factor.lo), np.where(right, other.hi, factor.hi))
    steep = _times(_over(over, product(under, under)), 4.0)
    return _over(top, under), Interval(np.maximum(steep.lo, 0.0), steep.hi)


def _mish_slope(x: Interval) -> Interval:
    value, steep = _mish_parts(x)
    return _plus(value, product(x, steep))


def _mish_gate(x: Array) -> Array:
    t = np.exp(-np.abs(x))
    return np.where(x >= 0, (1 + 2 * t) / (1 + 2 * t + 2 * t * t), (t * t + 2 * t) / (t * t + 2 * t + 2))


def _mish_float_slope(x: Array) -> Array:
    t = np.exp(-np.abs(x))
    under = np.where(x >= 0, 1 + 2 * t + 2 * t * t, t * t + 2 * t + 2)
    return _mish_gate(x) + x * 4 * np.where(x >= 0, t * t, t) * (t + 1) / (under * under)


MISH = Curve(
    lambda x: x * _mish_gate(x),
    _mish_float_slope,
    valley(lambda x: product(x, _mish_parts(x)[0]), *LOWEST["Mish"]),
    _pair(_mish_slope),
    cut_at(*MISH_TURNS, bends=(-1, 1, -1), blur=NEAR),
    1.1,
)


def _mish_formula(ns: Any, x: Any) -> Any:
    soft = ns.add(ns.maximum(x, ns.number(0.0)), ns.log1p(ns.exp(ns.neg(ns.abs(x)))))
    return ns.mul(x, ns.tanh(soft))


def _mish_steep(call: Call, ns: Any, x: Any, y: Any) -> Any:
    """t + x s (1 - t^2) with t = tanh(softplus x) and s = sigmoid x."""
    gate = ns.tanh(ns.softplus(x))
    return gate + x * ns.sigmoid(x) * (1.0 - gate * gate)


curve(mish, lambda call: MISH, formula=lambda call: _mish_formula, steep=_mish_steep)

# ---------------------------------------------------------------------- HardSwish


def _hard(x: Interval) -> Interval:
    """x (x + 3) / 6 between the kinks."""
    inner = Interval(np.clip(x.lo, -3.0, 3.0), np.clip(x.hi, -3.0, 3.0))
    middle = _over(product(inner, _plus(inner, 3.0)), constant(6.0))
    low = np.where(x.lo <= -3, 0.0, np.where(x.lo >= 3, x.lo, middle.lo))
    return Interval(low, np.where(x.lo <= -3, 0.0, np.where(x.lo >= 3, x.hi, middle.hi)))


def _hard_slope(x: Interval) -> Interval:
    """(2 x + 3) / 6; at a kink both slopes."""
    inner = Interval(np.clip(x.lo, -3.0, 3.0), np.clip(x.hi, -3.0, 3.0))
    middle = _over(_plus(_times(inner, 2.0), 3.0), constant(6.0))
    flat, one = x.lo < -3, x.lo > 3
    low = np.where(flat, 0.0, np.where(x.lo >= 3, 1.0, middle.lo))
    return Interval(low, np.where(x.lo <= -3, 0.0, np.where(one, 1.0, middle.hi)))


HARD = Curve(
    lambda x: x * np.clip(x / 6 + 0.5, 0, 1),
    lambda x: np.where(x < -3, 0.0, np.where(x > 3, 1.0, x / 3 + 0.5)),
    valley(_hard, -1.5, -0.375),
    _pair(_hard_slope),
    cut_at(-3.0, 3.0, bends=(1, 1, 1)),
    1.51,
)


def _hard_formula(ns: Any, x: Any) -> Any:
    gate = ns.add(ns.div(x, ns.number(6.0)), ns.number(0.5))
    return ns.mul(x, ns.minimum(ns.maximum(gate, ns.number(0.0)), ns.number(1.0)))


def _hard_steep(call: Call, ns: Any, x: Any, y: Any) -> Any:
    """x / 3 + 1/2 between the kinks and at the upper one; 0 at the lower one."""
    above = ns.positive(x - 3.0)
    return above + ns.positive(x + 3.0) * (1.0 - above) * (x / 3.0 + 0.5)


curve(hardswish, lambda call: HARD, formula=lambda call: _hard_formula, steep=_hard_steep)

for _op, _formula in (
    (gelu, _gelu_formula),
    (swish, _swish_formula),
    (mish, lambda call: _mish_formula),
    (hardswish, lambda call: _hard_formula),
):

    @_op.rule(real)
    def _(call: Call, ns: Any, x: Array, of: Any = _formula) -> Array:
        return np.asarray(of(call)(ns, x))
