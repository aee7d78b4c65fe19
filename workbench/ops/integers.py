"""QLinearMatMul, QLinearConv, MatMulInteger, ConvInteger: products of matrices of integer codes.

Their sums are sums of integers, exact in every program; only what follows is rounded.  With v = A (x - z) the quantised
pair computes ``saturate(round(v r) + z_y)``, r = (s_x s_w) / s_y: the steps of `generators.steps` over an affine map,
which is why lines and slopes here have that map in the place of an unfolding.
"""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import Any

import numpy as np

from workbench.floats.errors import raised
from workbench.floats.format import BINARY32
from workbench.floats.program import Semantics
from workbench.floats.quantize import range_of
from workbench.graph import Array
from workbench.op import Call, Op, UnsupportedOperator, as_float64, rule_for
from workbench.ops.generators.codes import of_zero, own_zero, places, scale_of, zero_is_live, zero_point
from workbench.ops.generators.linear import enclose, pull
from workbench.ops.generators.steps import Steps, rounded_by, stored_scale
from workbench.ops.move import known
from workbench.ops.quantize import clipped
from workbench.semantics.affine import Linear, LinearMap, Lines, Relaxation, affine
from workbench.semantics.cotangent import adjoint, cotangent
from workbench.semantics.gradient import gradient
from workbench.semantics.interval import UNIT, Interval, interval
from workbench.semantics.real import real
from workbench.semantics.rounding import Local, Slopes, rounding, sizes

qmatmul = Op(
    "QLinearMatMul", "y = saturate(round(r a b) + z), codes", r"y=\mathrm{sat}(\lfloor r\,ab\rceil+z)"
)
qconv = Op(
    "QLinearConv",
    "y = saturate(round(r (w * x + b)) + z), codes",
    r"y=\mathrm{sat}(\lfloor r\,(w*x+b)\rceil+z)",
)
matmul_integer = Op("MatMulInteger", "y = (a - z_a) (b - z_b), integers", r"y=(a-z_a)(b-z_b)")
conv_integer = Op("ConvInteger", "y = (w - z_w) * (x - z_x), integers", r"y=(w-z_w)*(x-z_x)")

MOST_SUMMED = 1 << 15  # products of 8-bit codes that a 32-bit integer surely holds the sum of
Known = tuple[Array | None, ...]


def _operand(operands: Known, index: int) -> Array | None:
    return operands[index] if index < len(operands) else None


def _inner(call: Call) -> Call:
    """The plain product or convolution, of operands whose zero points are taken off."""

    def make() -> Call:
        plain, data, zeros = places(call)
        constants: list[Array | None] = []
        for side, i in enumerate(data):
            c, z = call.constant(i), call.constant(zeros[side])
            if call.has(zeros[side]) and z is None and not zero_is_live(call, side):
                known(call, zeros[side], "zero point")
            shift = zero_point(call, side, None if z is None else z[None])
            constants.append(None if c is None else as_float64(c) - (0 if shift is None else shift))
        node = replace(call.node, op=plain, attrs=MappingProxyType(dict(call.node.attrs)))
        return Call(node, tuple(call.shapes[i] for i in data), tuple(constants))

    return call.cached("inner", make)


def _summed(call: Call, ns: Any, operands: Known) -> Array:
    """v: the sums of integers, the bias included."""
    inner, (_, data, zeros) = _inner(call) if _fixed(call) else _shapes_only(call), places(call)
    pairs = []
    for side, i in enumerate(data):
        x = operands[i]
        if x is None:
            raise ValueError(f"operand {i} is missing")
        pairs.append((x, zero_point(call, side, _operand(operands, zeros[side]))))
    bias = _operand(operands, 8) if call.node.op == "QLinearConv" else None
    rule = rule_for(inner.node, real)

    def compute(space: Any, x: Array, w: Array) -> Array:
        found = rule(inner, space, x, w)
        if bias is None:
            return np.asarray(found)
        return np.asarray(space.add(found, bias.reshape(-1, *(1,) * (found.ndim - 3))))

    return np.asarray(ns.whole(compute, *pairs))


def _fixed(call: Call) -> bool:
    """Whether what the inner call needs is constant; else only its shapes are used."""
    return all(not call.has(i) or call.constant(i) is not None for i in places(call)[2])


def _shapes_only(call: Call) -> Call:
    plain, data, _ = places(call)
    return Call(replace(call.node, op=plain), tuple(call.shapes[i] for i in data), (None, None))


def _register_real(op: Op) -> None:
    @op.rule(real)
    def _(call: Call, ns: Any, *operands: Array | None) -> Array:
        v = _summed(call, ns, operands)
        if call.node.op in ("MatMulInteger", "ConvInteger"):
            return v
        scales = [operands[i] for i in (1, 4, 6)]
        if any(s is None for s in scales):
            raise ValueError("a scale is missing")
        left, right, own = (scale_of(call, side, s) for side, s in enumerate(scales) if s is not None)
        zero = _operand(operands, 7)
        return clipped(
            ns,
            ns.mul(v, ns.div(ns.mul(left, right), own)),
            None if zero is None else own_zero(call, zero.reshape(zero.shape[1:])),
            _kind(call),
        )


def _kind(call: Call) -> str:
    return str(known(call, 7, "zero point").dtype)


# ---------------------------------------------------------------------- v, as an affine map of the live operand


def _form(call: Call) -> Linear | None:
    """v of the operands; None where both are live."""

    def make() -> Linear | None:
        inner, (_, data, zeros) = _inner(call), places(call)
        live = [side for side in (0, 1) if inner.constants[side] is None]
        if len(live) != 1:
            return None
        (side,) = live
        ends = [Interval(np.zeros((1, *(s or ()))), np.zeros((1, *(s or ())))) for s in inner.shapes]
        plain = rule_for(inner.node, affine)(inner, *ends)
        assert isinstance(plain, Linear)
        m = plain.maps[side]
        assert m is not None
        if m.terms > MOST_SUMMED:
            raise UnsupportedOperator(
                f"{call.node.describe()}: sums of {m.terms} products may overflow 32 bits"
            )
        z, shape = call.constant(zeros[side]), call.shapes[data[side]]
        shift = zero_point(call, side, None if z is None else z[None])
        bias: Array | None = None
        if shift is not None and shift.any():
            bias = -m.apply(
                np.ascontiguousarray(np.broadcast_to(shift, (1, *(shape or ())))).astype(np.float64)
            )
        if call.node.op == "QLinearConv" and call.has(8):
            b = as_float64(known(call, 8, "bias")).reshape(-1, *(1,) * (len(call.shape) - 2))
            bias = np.broadcast_to(b if bias is None else bias + b, (1, *call.shape))
        maps: list[LinearMap | None] = [None] * len(call.shapes)
        maps[data[side]] = m
        if zero_is_live(call, side):
            maps[zeros[side]] = of_zero(m, shape or (), call.shapes[zeros[side]] or ())
        return Linear(tuple(maps), None if bias is None else np.ascontiguousarray(bias))

    return call.cached("linear", make)


def _needed(call: Call) -> Linear:
    form = _form(call)
    if form is None:
        raise UnsupportedOperator(f"{call.node.describe()}: only a product with a constant has bounds")
    return form


def _sums(call: Call, operands: tuple[Interval | None, ...]) -> Interval:
    """v over ranges; whole numbers where the ends of the operands are."""
    form = _form(call)
    _, data, zeros = places(call)
    if form is None:
        ends = []
        for side, i in enumerate(data):
            z, x = call.constant(zeros[side]), operands[i]
            assert x is not None
            shift = zero_point(call, side, None if z is None else z[None])
            less = 0.0 if shift is None else shift.astype(np.float64)
            slack = 2 * UNIT * (x.magnitude + np.abs(less))
            ends.append(Interval(x.lo - less - slack, x.hi - less + slack))
        inner = _inner(call)
        found: Interval = rule_for(inner.node, interval)(inner, *ends)
        return found
    live = [x for m, x in zip(form.maps, operands, strict=True) if m is not None and x is not None]
    found = enclose(form, *operands)
    ends_of = [e for x in live for e in (x.lo, x.hi)]
    whole = all(bool((np.rint(e) == e).all() and (np.abs(e) < 2.0**20).all()) for e in ends_of)
    if whole:  # the extremes of an affine map with integer coefficients, at corners: integers
        return Interval(np.ceil(found.lo), np.floor(found.hi))
    return found


def steps_of(call: Call) -> Steps:
    """The step function of v."""

    def make() -> Steps:
        low, high = range_of(_kind(call))
        left, right, own = (
            as_float64(scale_of(call, side, known(call, i, "scale")[None]))
            for side, i in enumerate((1, 4, 6))
        )
        zero = own_zero(call, known(call, 7, "zero point")).astype(np.int64)
        return Steps((left, right), own, zero, low, high)

    return call.cached("steps", make)


def _over(m: LinearMap, count: int, index: int) -> tuple[LinearMap | None, ...]:
    """The map in the place of an unfolding, with one element a result."""
    one = LinearMap(
        lambda x: m.apply(x)[..., None],
        lambda y: m.adjoint(y[..., 0]),
        lambda x: m.magnitude(x)[..., None],
        lambda y: m.magnitude_adjoint(y[..., 0]),
        m.terms,
        m.adjoint_terms,
    )
    return tuple(one if i == index else None for i in range(count))


def _register_quantised(op: Op) -> None:
    @op.rule(interval)
    def _(call: Call, *operands: Interval | None) -> Interval:
        return steps_of(call).image(_sums(call, operands))

    @op.rule(affine)
    def _(call: Call, *operands: Interval | None) -> Relaxation:
        """Lines over v; where both operands are live, the interval's ends."""
        steps, form, v = steps_of(call), _form(call), _sums(call, operands)
        count = len(call.shapes)
        if form is None:
            image = steps.image(v)
            return Relaxation(Lines((None,) * count, image.lo), Lines((None,) * count, image.hi))
        index = next(i for i, m in enumerate(form.maps) if m is not None)
        m = form.maps[index]
        assert m is not None
        found = []
        for lines, sign in zip(steps.lines(v), (-1.0, 1.0), strict=True):
            (slope,), offset = lines.slopes, lines.offset
            assert slope is not None
            if form.bias is not None:  # y >= s (A x + b) + o
                product = slope * form.bias
                offset = offset + product
                slack = 4 * UNIT * (np.abs(offset) + np.abs(product)) + 2.0**-1070
                offset = np.where(slope == 0, lines.offset, offset + sign * slack)
            slopes = tuple(slope[..., None] if i == index else None for i in range(count))
            found.append(Lines(slopes, offset))
        return Relaxation(found[0], found[1], _over(m, count, index))

    @op.rule(gradient)
    def _(call: Call, operands: tuple[Array, ...], value: Array, seed: Array) -> tuple[Array | None, ...]:
        """0: the derivative wherever there is one."""
        data = places(call)[1]
        return tuple(
            np.zeros_like(x) if i in data and x is not None else None for i, x in enumerate(operands)
        )

    op.rule(cotangent)(lambda call, operands, value, seed: [None] * len(operands))
    op.rule(rounding)(_quantised_local)


def _quantised_local(call: Call, program: Semantics, *ranges: Interval | None) -> Local:
    """The multiplier's own roundings, that of the sum to a float, that of their product; then ties."""
    steps, form, v = steps_of(call), _form(call), _sums(call, ranges)
    count, (left, right) = len(call.shapes), steps.up
    shape = call.shape
    none = (None,) * count
    if form is None:
        # any code for any other, where the program computes codes at all
        safe = program.accumulator.contains(BINARY32) and bool((left * right / steps.down < 2.0**60).all())
        return Local(
            np.full((1, *shape), float(steps.high - steps.low) if safe else np.inf),
            Slopes(none),
            state="accumulated",
            jumps=True,
        )
    with np.errstate(all="ignore"):
        apart = np.asarray(1.0)
        for scale in (left, right, steps.down):
            apart = apart * (1 + stored_scale(scale, program)[1])
        first = left * right * apart
        apart = apart * (1 + rounded_by(first, program) / (left * right) * apart**2)
        second = steps.ratio * apart
        apart = apart * (1 + rounded_by(second, program) / steps.ratio * apart**2) * (1 + 2.0**-40) - 1
        slack = _slack(call, form, ranges)
        size = (np.maximum(np.abs(v.lo), np.abs(v.hi)) + slack) * (1 + 2.0**-40)
        near = np.minimum(size * steps.ratio, steps.reach)
        lost = rounded_by(near / steps.ratio * (1 + 2.0**-40), program) + slack
        scaled = (near + lost * steps.ratio) * (1 + apart)
        error = raised(near * apart + lost * steps.ratio * (1 + apart) + rounded_by(scaled, program), 8)
        error = np.where(apart < 0.125, error, np.inf)
        largest = np.maximum(np.maximum(size, size * steps.ratio * (1 + apart)), np.maximum(first, second))
        over = Interval(v.lo - slack, v.hi + slack)
        slopes, rho, state = steps.steps_taken(program, over, error, largest)
    index = next(i for i, m in enumerate(form.maps) if m is not None)
    m = form.maps[index]
    assert m is not None
    mine = Interval(slopes.lo[..., None], slopes.hi[..., None])
    pieces = tuple(mine if i == index else None for i in range(count))
    rho = np.where(np.isnan(rho), np.inf, rho)
    return Local(rho, Slopes(pieces, _over(m, count, index)), state=state, jumps=True)


def _slack(call: Call, form: Linear, ranges: tuple[Interval | None, ...]) -> Array:
    """What float64 may lose in a sum of codes: nothing where they are integers, as they are in every file's program."""
    _, data, zeros = places(call)
    total: Array = np.zeros((1,) * (len(call.shape) + 1))
    for side, i in enumerate(data):
        m, x, z = form.maps[i], ranges[i], call.constant(zeros[side])
        if m is None or x is None:
            continue
        shift = zero_point(call, side, None if z is None else z[None])
        size = x.magnitude + (0.0 if shift is None else np.abs(shift.astype(np.float64)))
        own = ranges[zeros[side]] if zero_is_live(call, side) else None
        if own is not None:
            size = size + own.magnitude.reshape(-1, *(1,) * (size.ndim - 1))
        total = total + (m.terms + 8) * UNIT * sizes(m, size)
    if form.bias is not None:
        total = total + 8 * UNIT * np.abs(form.bias)
    return raised(total, 2)


def _register_integer(op: Op) -> None:
    @op.rule(interval)
    def _(call: Call, *operands: Interval | None) -> Interval:
        return _sums(call, operands)

    @op.rule(affine)
    def _(call: Call, *operands: Interval | None) -> Linear:
        return _needed(call)

    @op.rule(gradient)
    def _(call: Call, operands: tuple[Array, ...], value: Array, seed: Array) -> tuple[Array | None, ...]:
        return pull(_needed(call), seed)

    op.rule(cotangent)(lambda call, operands, value, seed: adjoint(call, _needed(call), seed))

    @op.rule(rounding)
    def _(call: Call, program: Semantics, *ranges: Interval | None) -> Local:
        """The exact sum, rounded once to a float."""
        form = _needed(call)
        slack = _slack(call, form, ranges)
        return Local(np.broadcast_to(slack, (slack.shape[0], *call.shape)), form, state="exact")


for _op in (qmatmul, qconv, matmul_integer, conv_integer):
    _register_real(_op)
for _op in (qmatmul, qconv):
    _register_quantised(_op)
for _op in (matmul_integer, conv_integer):
    _register_integer(_op)
