"""Add, Sub, Neg, Mul: elementwise arithmetic with broadcasting.

Sums are affine in both operands; a product is affine where one operand is constant and bilinear otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from workbench.arrays.device import array, beside
from workbench.floats.program import Semantics
from workbench.graph import Array
from workbench.limits import check_size
from workbench.op import Call, Op, as_float64
from workbench.ops.generators.bilinear import product_lines
from workbench.ops.generators.linear import weighted
from workbench.semantics.affine import Linear, LinearMap, Relaxation, affine, gather, same, spread
from workbench.semantics.cotangent import derivative
from workbench.semantics.interval import Interval, interval, not_below_zero, outward, product
from workbench.semantics.real import real
from workbench.semantics.rounding import Local, Slopes, exactly, rounded_once, rounding
from workbench.semantics.summation import affine_once

add = Op("Add", "y = a + b", "y=a+b")
sub = Op("Sub", "y = a - b", "y=a-b")
neg = Op("Neg", "y = -x", "y=-x")
mul = Op("Mul", "y = a b", "y=ab")


@add.rule(real)
def _(call: Call, ns: Any, a: Array, b: Array) -> Array:
    return array(ns.add(spread(a, call_shape(call)), spread(b, call_shape(call))))


@sub.rule(real)
def _(call: Call, ns: Any, a: Array, b: Array) -> Array:
    return array(ns.sub(spread(a, call_shape(call)), spread(b, call_shape(call))))


@mul.rule(real)
def _(call: Call, ns: Any, a: Array, b: Array) -> Array:
    return array(ns.mul(spread(a, call_shape(call)), spread(b, call_shape(call))))


@neg.rule(real)
def _(call: Call, ns: Any, x: Array) -> Array:
    return np.asarray(ns.neg(x))


@add.rule(interval)
def _(call: Call, a: Interval, b: Interval) -> Interval:
    shape = call.shape
    a, b = (Interval(spread(v.lo, shape), spread(v.hi, shape)) for v in (a, b))
    return not_below_zero(outward(a.lo + b.lo, a.hi + b.hi), (a.lo >= 0) & (b.lo >= 0))


@sub.rule(interval)
def _(call: Call, a: Interval, b: Interval) -> Interval:
    shape = call_shape(call)
    return outward(spread(a.lo, shape) - spread(b.hi, shape), spread(a.hi, shape) - spread(b.lo, shape))


@neg.rule(interval)
def _(call: Call, x: Interval) -> Interval:
    return Interval(-x.hi, -x.lo)


@mul.rule(interval)
def _(call: Call, a: Interval, b: Interval) -> Interval:
    shape = call_shape(call)
    if call.node.inputs[0] == call.node.inputs[1]:  # a square: the least magnitude is what counts
        size, least = (
            a.magnitude,
            np.where((a.lo <= 0) & (a.hi >= 0), 0.0, np.minimum(np.abs(a.lo), np.abs(a.hi))),
        )
        return not_below_zero(outward(least * least, size * size), np.asarray(True))
    return product(
        Interval(spread(a.lo, shape), spread(a.hi, shape)), Interval(spread(b.lo, shape), spread(b.hi, shape))
    )


def call_shape(call: Call) -> tuple[int, ...]:
    """The broadcast shape of both operands (also while shapes are still being inferred)."""
    a, b = call.shapes[0], call.shapes[1]
    assert a is not None
    assert b is not None
    return broadcast(call, a, b)


def broadcast(call: Call, *shapes: tuple[int, ...]) -> tuple[int, ...]:
    """The shape that operands of an elementwise operator have together, refused where it is larger than any network's.

    Raises
    ------
    GraphError
        Small operands that would spread to something huge.
    """
    shape = np.broadcast_shapes(*shapes)
    check_size(call.node.describe(), shape)
    return shape


def wanted(call: Call, ns: Any, index: int, make: Callable[[], Any]) -> Any:
    """The gradient of one operand of an elementwise operator, summed to its shape; None where nobody asks for it."""
    if not (call.is_live(index) and call.wants(index)):
        return None
    return ns.gather(make(), call.shapes[index])


def scaled(call: Call, position: int, weight: Array | float, terms: int) -> LinearMap:
    """x -> x * weight, broadcast to the result; `terms` roundings a product (0 where the weight is +-1)."""
    shape = call.shapes[position]
    assert shape is not None
    out = call.shape
    copies = max(1, int(np.prod(out, dtype=np.int64)) // max(1, int(np.prod(shape, dtype=np.int64))))
    plain = isinstance(weight, float) and weight == 1.0
    if plain and shape == out:
        return LinearMap(same, same, same, same, 0, 0)

    def build(w: Array) -> tuple[Callable[[Array], Array], Callable[[Array], Array]]:
        def apply(x: Array) -> Array:
            x = spread(x, out)
            return np.broadcast_to(x if plain else x * beside(w, x), (x.shape[0], *out))

        def adjoint(y: Array) -> Array:
            return gather(y if plain else y * beside(w, y), shape)

        return apply, adjoint

    w = np.full((1,) * (len(out) + 1), weight) if isinstance(weight, float) else spread(weight[None], out)
    sums = 0 if copies == 1 else copies
    return weighted(w, build, terms, terms + sums)


def sum_form(call: Call) -> Linear:
    """a + b or a - b as an affine map; a constant operand is the bias."""

    def make() -> Linear:
        signs = (1.0, -1.0 if call.node.op == "Sub" else 1.0)
        maps: list[LinearMap | None] = [None, None]
        bias = None
        for i, sign in enumerate(signs):
            known = call.constant(i)
            if known is None:
                maps[i] = scaled(call, i, sign, 0)
            else:
                bias = np.broadcast_to(sign * as_float64(known), call.shape)[None]
        return Linear(tuple(maps), bias)

    return call.cached("linear", make)


def product_form(call: Call) -> Linear | None:
    """a b as an affine map where one operand is constant, else None."""

    def make() -> Linear | None:
        for i in (0, 1):
            known = call.constant(1 - i)
            if known is not None:
                m = scaled(call, i, as_float64(known), 1)
                return Linear((m, None) if i == 0 else (None, m))
        return None

    return call.cached("linear", make)


def _register_sum(op: Op) -> None:
    @op.rule(affine)
    def _(call: Call, a: Interval, b: Interval) -> Linear:
        return sum_form(call)

    sign = -1.0 if op is sub else 1.0

    def pulled(call: Call, ns: Any, operands: Sequence[Any], value: Any, seed: Any) -> Sequence[Any]:
        return wanted(call, ns, 0, lambda: seed), wanted(call, ns, 1, lambda: -seed if sign < 0 else seed)

    derivative(op, pulled)


_register_sum(add)
_register_sum(sub)


def negation() -> Linear:
    """y = -x as an affine map."""
    return Linear((LinearMap(np.negative, np.negative, np.asarray, np.asarray, 0, 0),))


@neg.rule(affine)
def _(call: Call, x: Interval) -> Linear:
    return negation()


derivative(neg, lambda call, ns, operands, value, seed: (-seed,))


@mul.rule(affine)
def _(call: Call, a: Interval, b: Interval) -> Linear | Relaxation:
    form = product_form(call)
    return form if form is not None else product_lines(a, b, call.shape)


def _product_pulled(call: Call, ns: Any, operands: Sequence[Any], value: Any, seed: Any) -> Sequence[Any]:
    a, b = operands
    return (
        wanted(call, ns, 0, lambda: seed * ns.spread(b, call.shape)),
        wanted(call, ns, 1, lambda: seed * ns.spread(a, call.shape)),
    )


derivative(mul, _product_pulled)


def _register_rounding(op: Op) -> None:
    @op.rule(rounding)
    def _(call: Call, program: Semantics, a: Interval, b: Interval) -> Local:
        """One correctly rounded operation a result."""
        shape = call.shape
        if call.node.op != "Mul":
            if call.is_live(0) or call.is_live(1):
                return affine_once(call, program, sum_form, (a, b))
            one, other = np.ones((1, *shape)), np.full((1, *shape), -1.0 if call.node.op == "Sub" else 1.0)
            return rounded_once(call, Slopes((Interval(one, one), Interval(other, other))))
        if product_form(call) is not None:
            return affine_once(call, program, product_form, (a, b))
        ends = [Interval(spread(v.lo, shape), spread(v.hi, shape)) for v in (b, a)]
        return rounded_once(call, Slopes(tuple(ends), bilinear=True))


for _op in (add, sub, mul):
    _register_rounding(_op)


@neg.rule(rounding)
def _(call: Call, program: Semantics, x: Interval) -> Local:
    return exactly(call, negation())
