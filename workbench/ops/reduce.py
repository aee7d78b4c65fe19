"""ReduceSum, ReduceMean and ReduceMax over any axes."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from workbench.floats.program import Semantics
from workbench.graph import Array
from workbench.op import Call, Op
from workbench.ops.generators.largest import largest_lines
from workbench.ops.generators.linear import linear, movement
from workbench.ops.shape import axes_of, given, integers
from workbench.semantics.affine import Linear, LinearMap, Relaxation, affine
from workbench.semantics.cotangent import Term, Terms, cotangent, first_largest, repeated, shaped
from workbench.semantics.gradient import gradient
from workbench.semantics.interval import Interval, interval
from workbench.semantics.real import FLOAT, real
from workbench.semantics.rounding import Local, Slopes, exactly, pick_slopes, rounding
from workbench.semantics.summation import affine_local

total = Op("ReduceSum", "y = sum of x over axes", r"y=\sum x")
mean = Op("ReduceMean", "y = mean of x over axes", r"y=\frac1n\sum x")
largest = Op("ReduceMax", "y = largest x over axes", r"y=\max x")


def axes(call: Call) -> tuple[int, ...]:
    """The axes to reduce, from the front and in order; none at all where there is nothing to do."""
    rank = len(given(call, 0))
    named = integers(call, "axes", 1)
    if not named:
        return () if call.attr("noop_with_empty_axes", 0) else tuple(range(rank))
    return tuple(sorted(axes_of(tuple(named), rank)))


def _kept(call: Call) -> tuple[int, ...]:
    """The result's shape with reduced axes of length 1."""
    away = axes(call)
    return tuple(1 if i in away else n for i, n in enumerate(given(call, 0)))


def _out(call: Call) -> tuple[int, ...]:
    away = axes(call)
    return (
        _kept(call)
        if call.attr("keepdims", 1)
        else tuple(n for i, n in enumerate(_kept(call)) if i not in away)
    )


def _count(call: Call) -> int:
    shape = given(call, 0)
    return prod(shape[a] for a in axes(call))


def _reduced(call: Call, ns: Any, x: Array) -> Array:
    over = tuple(a + 1 for a in axes(call))
    if not over:
        return x
    if call.node.op == "ReduceMax":
        if not _count(call):
            raise ValueError("there is no largest of no elements")
        y = ns.max(x, over)
    else:
        y = ns.sum(x, over)
    if call.node.op == "ReduceMean":
        if not _count(call):
            raise ValueError("there is no mean of no elements")
        count = _count(call)
        # integers toward zero, as onnxruntime does
        y = np.sign(y) * (np.abs(y) // count) if x.dtype.kind in "iu" else ns.div(y, ns.number(count))
    return np.asarray(y.reshape(x.shape[0], *_out(call)))


for _op in (total, mean, largest):

    @_op.rule(real)
    def _(call: Call, ns: Any, x: Array, _axes: Array | None = None) -> Array:
        return _reduced(call, ns, x)


def _form(call: Call) -> Linear:
    inner, outer, kept = given(call, 0), call.shape, _kept(call)
    over, n = tuple(a + 1 for a in axes(call)), _count(call)
    rest = (None,) * (len(call.shapes) - 1)
    if call.node.op == "ReduceMean" and n > 1:
        # 1/n is rounded once, and its product once more
        share, extra = 1.0 / n, 2
    else:
        share, extra = 1.0, 0

    def apply(x: Array) -> Array:
        y = x.sum(axis=over) if over else x
        return (y * share if extra else y).reshape(x.shape[0], *outer)

    def adjoint(y: Array) -> Array:
        y = (y * share if extra else y).reshape(y.shape[0], *kept)
        return np.array(np.broadcast_to(y, (y.shape[0], *inner)))  # rows are added to where they lie

    return Linear((LinearMap(apply, adjoint, apply, adjoint, n + extra if n > 1 else 0, extra), *rest))


def _spread_back(call: Call, operands: Terms, value: Term, seed: Term) -> Terms:
    found = shaped(seed, _kept(call))
    if call.node.op == "ReduceMean":
        found = found / float(_count(call))
    return repeated(found, given(call, 0)), *(None for _ in call.shapes[1:])


linear(total, _form, kind="sum", nodes=_spread_back)
linear(mean, _form, kind=None, nodes=_spread_back)


@mean.rule(rounding)
def _(call: Call, program: Semantics, *ranges: Interval | None) -> Local:
    return affine_local(call, program, _form, ranges, kind="scaled", factor=float(_count(call)))


@largest.rule(interval)
def _(call: Call, x: Interval, _axes: Interval | None = None) -> Interval:
    return Interval(_reduced(call, FLOAT, x.lo), _reduced(call, FLOAT, x.hi))


def _unfold(call: Call) -> LinearMap:
    inner, outer, away, n = given(call, 0), call.shape, axes(call), _count(call)
    rest = [i for i in range(len(inner)) if i not in away]
    order = (0, *(i + 1 for i in rest), *(i + 1 for i in away))
    back = tuple(np.argsort(order).tolist())
    moved = tuple(inner[i] for i in (*rest, *away))

    return movement(
        lambda x: x.transpose(order).reshape(x.shape[0], *outer, n),
        lambda y: y.reshape(y.shape[0], *moved).transpose(back),
    )


@largest.rule(affine)
def _(call: Call, x: Interval, _axes: Interval | None = None) -> Relaxation:
    unfold = call.cached("unfold", lambda: _unfold(call))
    return largest_lines(Interval(unfold.apply(x.lo), unfold.apply(x.hi)), None, unfold)


@largest.rule(rounding)
def _(call: Call, program: Semantics, x: Interval, _axes: Interval | None = None) -> Local:
    """Exact; the error is that of the operand that is picked."""
    unfold = call.cached("unfold", lambda: _unfold(call))
    found = pick_slopes(unfold.apply(x.lo), unfold.apply(x.hi))
    rest = (None,) * (len(call.shapes) - 1)
    return exactly(call, Slopes((found, *rest), (unfold, *rest), picks=True))


@largest.rule(gradient)
def _(call: Call, operands: tuple[Array | None, ...], value: Array, seed: Array) -> tuple[Array | None, ...]:
    """The first element that attains the maximum takes all."""
    x = operands[0]
    assert x is not None
    unfold = call.cached("unfold", lambda: _unfold(call))
    rows = unfold.apply(x)
    picked = np.zeros(rows.shape)
    np.put_along_axis(picked, rows.argmax(axis=-1)[..., None], 1.0, axis=-1)
    return (unfold.adjoint(picked * seed[..., None]), *(None for _ in call.shapes[1:]))


@largest.rule(cotangent)
def _(call: Call, operands: Terms, value: Term, seed: Term) -> Terms:
    """The same, with the reduced axes put last and made one."""
    inner, away, n = given(call, 0), axes(call), _count(call)
    order = (*(i for i in range(len(inner)) if i not in away), *away)
    moved = tuple(inner[i] for i in order)
    rows = shaped(operands[0].permute(*order), (-1, n))  # type: ignore[union-attr]
    chosen = first_largest(rows, shaped(value, (-1, 1))) * shaped(seed, (-1, 1))
    found = shaped(chosen, moved).permute(*np.argsort(order).tolist())
    return found, *(None for _ in call.shapes[1:])
