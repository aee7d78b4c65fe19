"""QuantizeLinear and DequantizeLinear: from numbers to integer codes and back, in every meaning.

A value of codes is carried as the numbers that they are, so that all meanings apply to it: rounding and saturation are
a part of the function, in real arithmetic too.  A network's weights that are kept as codes are constants: their values
``s (k - z)`` are exact in float64, and what rounding them to a program's format changes is a part of its error.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from workbench.floats.errors import raised
from workbench.floats.program import Semantics
from workbench.floats.quantize import RANGES, range_of, spread_over
from workbench.graph import Array, GraphError
from workbench.op import Call, Op, UnsupportedOperator, as_float64
from workbench.ops.arithmetic import scaled
from workbench.ops.generators import livesteps
from workbench.ops.generators.linear import pull
from workbench.ops.generators.steps import Steps, rounded_by, stored_scale
from workbench.ops.move import known
from workbench.ops.shape import given
from workbench.semantics.affine import Linear, Lines, Relaxation, affine
from workbench.semantics.cotangent import Term, Terms, adjoint, cotangent
from workbench.semantics.gradient import gradient
from workbench.semantics.interval import UNIT, Interval, interval, outward
from workbench.semantics.plan import folding
from workbench.semantics.real import real
from workbench.semantics.rounding import Local, Slopes, rounding

quantize = Op("QuantizeLinear", "y = saturate(round(x / s) + z)", r"y=\mathrm{sat}(\lfloor x/s\rceil+z)")
dequantize = Op("DequantizeLinear", "y = s (x - z)", r"y=s(x-z)")

WHOLE = 2.0**24  # binary32 holds every integer up to it


def parameter(call: Call, index: int, value: Array | None = None) -> Array | None:
    """Scale or zero point `index`, laid out to broadcast against operand 0; None where it is omitted.

    Parameters
    ----------
    value : it, ``(1, *shape)``, in any elements; the constant itself where nothing is given.

    Raises
    ------
    ValueError
        A shape that does not fit the operand.
    """
    if not call.has(index):
        return None
    if value is None:
        value = known(call, index, "scale" if index == 1 else "zero point")[None]
    if value.shape[0] != 1:
        raise UnsupportedOperator(
            f"{call.node.describe()}: scale and zero point must not depend on the input"
        )
    axis, block = int(call.attr("axis", 1)), int(call.attr("block_size", 0))
    return spread_over(
        value.reshape(value.shape[1:]), given(call, 0), axis, block, "scale" if index == 1 else "zero point"
    )


def is_dynamic(call: Call) -> bool:
    """Whether scale or zero point depend on the input."""
    return call.is_live(1) or call.is_live(2)


def one_each(call: Call, index: int, value: Array) -> Array:
    """A scale or zero point that depends on the input, laid out to broadcast against operand 0.

    Raises
    ------
    UnsupportedOperator
        More than one number.
    """
    shape = call.shapes[index] or ()
    if int(np.prod(shape)) != 1:
        raise UnsupportedOperator(
            f"{call.node.describe()}: a scale or zero point that depends on the input must be one number"
        )
    return np.asarray(value.reshape(value.shape[0], *(1,) * len(given(call, 0))))


def kind_of(call: Call) -> str:
    """The type of the codes that are made: the zero point's, or what the node says, or uint8."""
    zero = call.constant(2)
    if call.has(2) and zero is None and "output_dtype" not in call.node.attrs:
        raise UnsupportedOperator(
            f"{call.node.describe()}: where the zero point depends on the input, output_dtype must say which codes"
        )
    return str(call.attr("output_dtype", "uint8")) if zero is None else str(zero.dtype)


def clipped(ns: Any, x: Array, zero: Array | None, kind: str) -> Array:
    """The nearest integers, zero points added, saturated: how every quantisation ends."""
    low, high = range_of(kind)
    whole = ns.rint(x)
    if zero is not None:
        whole = ns.add(whole, as_numbers(ns, zero, whole))
    return np.asarray(ns.minimum(ns.maximum(whole, ns.number(low)), ns.number(high)))


def as_numbers(ns: Any, codes: Array, like: Array) -> Array:
    """Integers as elements of an arithmetic, exactly: those of `like`."""
    if like.dtype == object:
        return codes.astype(object)
    return np.asarray(ns.number(codes.astype(like.dtype)))


@quantize.rule(real)
def _(call: Call, ns: Any, x: Array, scale: Array, zero: Array | None = None) -> Array:
    kind = kind_of(call)
    by = one_each(call, 1, scale) if call.is_live(1) else parameter(call, 1, scale)
    if zero is not None and call.is_live(2):
        low, high = range_of(kind)
        whole = ns.add(ns.rint(ns.div(x, by)), one_each(call, 2, zero))
        return np.asarray(ns.minimum(ns.maximum(whole, ns.number(low)), ns.number(high)))
    return clipped(ns, ns.div(x, by), None if zero is None else parameter(call, 2, zero), kind)


def _numbers(
    call: Call, x: Interval, rest: tuple[Interval | None, ...]
) -> tuple[Interval, Interval, Interval]:
    """Ranges of x, the scale and the zero point, the last two one number each."""
    zero = Interval(np.zeros((1,)), np.zeros((1,)))
    parts = [rest[0], rest[1] if len(rest) > 1 and rest[1] is not None else zero]
    ends = []
    for index, part in enumerate(parts, 1):
        assert part is not None
        if call.has(index) and int(np.prod(call.shapes[index] or ())) != 1:
            one_each(call, index, part.lo)
        ends.append(Interval(part.lo.reshape(len(part.lo)), part.hi.reshape(len(part.hi))))
    return x, ends[0], ends[1]


def steps_of(call: Call) -> Steps:
    """The step function that a call asks for."""

    def make() -> Steps:
        scale, zero = parameter(call, 1), parameter(call, 2)
        assert scale is not None
        low, high = range_of(kind_of(call))
        whole = np.zeros((), np.int64) if zero is None else zero
        return Steps((), as_float64(scale), whole, low, high)

    return call.cached("steps", make)


@quantize.rule(interval)
def _(call: Call, x: Interval, *rest: Interval | None) -> Interval:
    if is_dynamic(call):
        return livesteps.image(*_numbers(call, x, rest), range_of(kind_of(call)))
    return steps_of(call).image(x)


@quantize.rule(affine)
def _(call: Call, x: Interval, *rest: Interval | None) -> Relaxation:
    if is_dynamic(call):
        found = livesteps.lines(*_numbers(call, x, rest), range_of(kind_of(call)), call.is_live(2))
        count = len(call.shapes)
        lower, upper = (Lines(one.slopes[:count], one.offset) for one in (found.lower, found.upper))
        return Relaxation(lower, upper)
    return Relaxation(*steps_of(call).lines(x))


@quantize.rule(gradient)
def _(call: Call, operands: tuple[Array, ...], value: Array, seed: Array) -> tuple[Array | None, ...]:
    """0: the derivative wherever there is one (a straight-through estimate is no gradient)."""
    return (np.zeros_like(seed), *(None for _ in operands[1:]))


@quantize.rule(cotangent)
def _(call: Call, operands: Terms, value: Term, seed: Term) -> Terms:
    return [None] * len(operands)


@dequantize.rule(cotangent)
def _(call: Call, operands: Terms, value: Term, seed: Term) -> Terms:
    return adjoint(call, form_of(call), seed)


@quantize.rule(rounding)
def _(call: Call, program: Semantics, x: Interval, *rest: Interval | None) -> Local:
    """A division, by a scale as it is stored; then a tie may lie between the real and the float quotient."""
    if is_dynamic(call):
        found = livesteps.local(program, *_numbers(call, x, rest), range_of(kind_of(call)), call.is_live(2))
        assert isinstance(found.form, Slopes)
        return replace(found, form=Slopes(found.form.slopes[: len(call.shapes)]))  # constants are rounded too
    steps = steps_of(call)
    _, apart = stored_scale(steps.down, program)
    with np.errstate(invalid="ignore", over="ignore"):
        size = x.magnitude * steps.ratio * (1 + 2.0**-40)
        near = np.minimum(size, steps.reach)
        error = raised(near * apart + rounded_by(near * (1 + apart), program))
        error = np.where(apart < 0.125, error, np.inf)
        slopes, rho, state = steps.steps_taken(program, x, error, size * (1 + apart))
    return Local(
        np.where(np.isnan(rho), np.inf, rho), Slopes((slopes, *(None for _ in rest))), state=state, jumps=True
    )


# ---------------------------------------------------------------------- from codes to numbers


@dequantize.rule(real)
def _(call: Call, ns: Any, x: Array, scale: Array, zero: Array | None = None) -> Array:
    by = parameter(call, 1, scale)
    assert by is not None
    z = None if zero is None else parameter(call, 2, zero)
    if x.dtype.kind in "iu":
        whole = x.astype(np.int64) if z is None else x.astype(np.int64) - z
        return np.asarray(ns.mul(whole.astype(by.dtype), by))
    return np.asarray(ns.mul(x if z is None else ns.sub(x, as_numbers(ns, z, x)), by))


@folding(dequantize)
def _(call: Call, codes: Array, scale: Array, zero: Array | None = None) -> Array:
    """Weights kept as codes: their values, exactly, in float64.

    Raises
    ------
    GraphError
        Codes so large that binary32 could not hold them either: the file's own program rounds them before it scales.
    """
    by, z = parameter(call, 1, scale), None if zero is None else parameter(call, 2, zero)
    assert by is not None
    if codes.dtype.kind not in "iu" or by.dtype.kind != "f":
        raise GraphError(f"{call.node.describe()}: codes are integers and scales floats")
    whole = codes.astype(np.int64) if z is None else codes.astype(np.int64) - z
    if by.dtype.itemsize > 4 or (np.abs(whole) > WHOLE).any():
        raise GraphError(
            f"{call.node.describe()}: constants of more than 24 bits, or scales of more than 32, are not supported"
        )
    return np.asarray(whole.astype(np.float64) * by.astype(np.float64))


def form_of(call: Call) -> Linear:
    """s x - s z."""

    def make() -> Linear:
        scale, zero = parameter(call, 1), parameter(call, 2)
        assert scale is not None
        s = as_float64(scale)
        bias = error = None
        if zero is not None and zero.any():
            bias = np.broadcast_to(-s * zero, call.shape)[None]
            error = None if scale.dtype.itemsize <= 4 else 2 * UNIT * np.abs(bias) + 2.0**-1070
        rest = (None,) * (len(call.shapes) - 1)
        return Linear((scaled(call, 0, np.asarray(s), 1), *rest), bias, error)

    return call.cached("linear", make)


@dequantize.rule(interval)
def _(call: Call, x: Interval, *rest: Interval | None) -> Interval:
    """The ends' own numbers: exact for codes, whose products with a scale float64 holds."""
    scale, zero = parameter(call, 1), parameter(call, 2)
    assert scale is not None
    s, z = as_float64(scale), 0 if zero is None else zero
    ends = []
    for end in (x.lo, x.hi):
        found = outward((end - z) * s, (end - z) * s)
        # one more float: the difference may be rounded too
        found = outward(found.lo - 4 * UNIT * np.abs(found.lo), found.hi + 4 * UNIT * np.abs(found.hi))
        sure = (np.rint(end) == end) & (np.abs(end) < WHOLE) & (scale.dtype.itemsize <= 4)
        ends.append([np.where(sure, (end - z) * s, e) for e in (found.lo, found.hi)])
    return Interval(ends[0][0], ends[1][1])


@dequantize.rule(affine)
def _(call: Call, x: Interval, *rest: Interval | None) -> Linear:
    return form_of(call)


@dequantize.rule(gradient)
def _(call: Call, operands: tuple[Array, ...], value: Array, seed: Array) -> tuple[Array | None, ...]:
    return pull(form_of(call), seed)


@dequantize.rule(rounding)
def _(call: Call, program: Semantics, x: Interval, *rest: Interval | None) -> Local:
    """A difference, which is exact for codes that the accumulator holds, and a product with a stored scale."""
    scale, zero = parameter(call, 1), parameter(call, 2)
    assert scale is not None
    s = as_float64(scale)
    near, apart = stored_scale(s, program)
    z = 0.0 if zero is None else zero.astype(np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        size = np.maximum(np.abs(x.lo - z), np.abs(x.hi - z)) * (1 + 2.0**-50)
        lost = rounded_by(size, program) if zero is not None and zero.any() else np.zeros(size.shape)
        moved = np.where(apart > 0, (size + lost) * np.abs(near - s), 0.0)
        rho = raised(lost * np.maximum(near, s) + moved, 4)
        rho = np.where(np.isfinite(apart) & ~np.isnan(rho), rho, np.inf)
    return Local(np.broadcast_to(rho, (rho.shape[0], *call.shape)), form_of(call), state="exact")


__all__ = ["RANGES", "clipped", "parameter", "steps_of"]
