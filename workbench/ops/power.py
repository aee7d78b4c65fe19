"""Pow with a constant exponent: x^2, x^-1, x^0.5 ...

Whole exponents work on both sides of 0 (negative ones not at 0); any other only on x >= 0.  x^p bends up where
p (p - 1) > 0 on the right of 0, and on the left as the parity of p says.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from workbench.arrays import elementary as e
from workbench.arrays.elementary import Pair
from workbench.floats.program import Semantics
from workbench.graph import Array
from workbench.op import Call, Op, UnsupportedOperator, as_float64
from workbench.ops.arithmetic import broadcast
from workbench.ops.generators.curve import Curve, curve, cut_at
from workbench.semantics.affine import spread
from workbench.semantics.interval import Interval
from workbench.semantics.real import real

power = Op("Pow", "y = x^p", "y=x^p")


@power.rule(real)
def _(call: Call, ns: Any, x: Array, p: Array) -> Array:
    shapes = [s for s in call.shapes if s is not None]
    out = broadcast(call, *shapes)
    # ONNX: the result has the base's element type, also where the exponent is an integer or a wider float
    found = np.asarray(ns.power(spread(x, out), spread(p, out)))
    return found if found.dtype == object else found.astype(x.dtype)


def exponent(call: Call) -> float:
    """The one constant exponent.

    Raises
    ------
    UnsupportedOperator
        Where it depends on the input, differs between elements, or its shape would broadcast the base.
    """
    p = call.constant(1)
    if p is None:
        raise UnsupportedOperator(f"{call.node.describe()}: the exponent must be a constant to have bounds")
    values = np.unique(as_float64(p))
    if values.size != 1 or call.shapes[0] != call.shape:
        raise UnsupportedOperator(
            f"{call.node.describe()}: the exponent must be one number to have bounds, but it has shape {list(p.shape)} "
            f"and {values.size} different values"
        )
    return float(values[0])


def shape_of(call: Call) -> Curve:
    """x^p as a curve."""
    return call.cached("curve", lambda: _curve(exponent(call)))


def _curve(p: float) -> Curve:
    whole = p.is_integer()

    def slope(x: Array) -> Pair:
        """p x^(p-1), as p x^p / x where p - 1 need not be a float."""
        if p == 0:
            return np.zeros_like(x), np.zeros_like(x)
        if whole:
            lo, hi = e.power(x, x, p - 1)
            ends = p * lo, p * hi
        else:
            lo, hi = e.power(x, x, p)
            ends = e.down(p * lo if p > 0 else p * hi) / x, e.up(p * hi if p > 0 else p * lo) / x
        return e.down(np.minimum(*ends)), e.up(np.maximum(*ends))

    def image(lo: Array, hi: Array) -> Pair:
        return e.power(lo, hi, p)

    right = 1 if p * (p - 1) >= 0 else -1
    if not whole or p == 1 or (p >= 0 and p % 2 == 0):
        pieces = cut_at(bends=(right,))
    else:
        pieces = cut_at(0.0, bends=(right if p % 2 == 0 else -right, right))

    def derivative(x: Array) -> Array:
        return np.zeros_like(x) if p == 0 else p * np.power(x, p - 1)

    return Curve(lambda x: np.power(x, p), derivative, image, slope, pieces)


def _stored_exponent(call: Call, program: Semantics, x: Interval) -> Array:
    """What storing the exponent p as q makes of the result: |x^q - x^p| = |e^((q-p) ln x) - 1| x^p.

    Infinite where x may be 0 or negative: x^q then need not be near x^p at all.
    """
    p = exponent(call)
    q = float(program.rounded(p, program.weights))
    if q == p:
        return np.zeros((1, *call.shape))
    logs = e.log(np.where(x.lo > 0, x.lo, 1.0), np.where(x.lo > 0, x.hi, 1.0))
    corners = [(q - p) * end for end in logs]
    changes = e.expm1(e.down(np.minimum(*corners)), e.up(np.maximum(*corners)))
    size = np.maximum(np.abs(changes[0]), np.abs(changes[1])) * np.abs(e.power(x.lo, x.hi, p)).max(axis=0)
    return np.where(x.lo > 0, e.up(size), np.inf)


def _steep(call: Call, ns: Any, x: Any, y: Any) -> Any:
    p = exponent(call)
    return None if p == 0 else ns.power(x, p - 1) * p


curve(power, shape_of, "pow", _stored_exponent, steep=_steep)
