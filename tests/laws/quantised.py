"""Small examples of quantised operators: codes with scales and zero points, per tensor, axis and block."""

from __future__ import annotations

from typing import Any

import numpy as np

from laws.cases import Case, Operand, example, single
from laws.numbers import Array, Draw

CODES = (np.int8, np.uint8, np.int16, np.uint16)


def scales(draw: Draw, *shape: int) -> Array:
    """Scales, as files have them: float32; powers of two, with which ties happen, among them."""
    some = (
        (0.5, 0.25, 1.0, 2.0, 0.1, 0.3, 3.0) if draw.calm else (0.5, 1.0, 0.1, 0.017, 1e-3, 3.0, 1e-20, 1e9)
    )
    return np.array([draw.pick(*some) for _ in range(int(np.prod(shape)))], np.float32).reshape(shape)


def codes(draw: Draw, kind: type[np.generic], *shape: int) -> Array:
    """Codes of a type, its ends among them."""
    ends = np.iinfo(kind)
    picked = [
        draw.pick(0, 1, 2, 3, 100, int(ends.min), int(ends.max)) if draw.flag() else draw.integer(0, 127)
        for _ in range(int(np.prod(shape)))
    ]
    return np.array(picked, kind).reshape(shape)


@example("DynamicQuantizeLinear")
def _(draw: Draw, op: str) -> Case:
    """The scale alone; codes that come of it are an example of `QuantizeLinear`."""
    return single(draw, op, draw.box(()), draw.box(()))


@example("QuantizeLinear", "DequantizeLinear")
def _(draw: Draw, op: str) -> Case:
    shape = draw.shape(1, 3)
    if op == "QuantizeLinear" and draw.integer(0, 3) == 0:  # a scale that depends on the input
        zero = (codes(draw, draw.pick(*CODES[:2])),) if draw.flag() else ()
        return single(draw, op, draw.box(shape), draw.box((), "positive"), *zero)
    axis = draw.integer(-len(shape), len(shape) - 1)
    attrs: dict[str, Any] = {"axis": axis}
    match draw.integer(0, 2):
        case 0:
            own: tuple[int, ...] = ()
        case 1:
            own = (shape[axis],)
        case _:
            block = draw.integer(1, 2)
            attrs["block_size"] = block
            own = tuple(-(-n // block) if i == axis % len(shape) else n for i, n in enumerate(shape))
    kind = draw.pick(*(CODES[:2] if draw.calm else CODES))  # 16 bits do not fit a narrow program
    operands: list[Operand] = [draw.box(shape), scales(draw, *own)]
    if draw.flag():
        operands.append(codes(draw, kind, *own))
    elif op == "QuantizeLinear" and draw.flag():
        attrs["output_dtype"] = np.dtype(kind).name
    return single(draw, op, *operands, **attrs)


@example("QLinearMatMul", "MatMulInteger")
def _(draw: Draw, op: str) -> Case:
    i, k, j = (draw.integer(1, 3) for _ in range(3))
    left, right = draw.pick(((i, k), (k, j)), ((2, i, k), (k, j)), ((2, i, k), (2, k, j)))
    rows, columns = draw.pick((), (i,)), draw.pick((), (j,))
    kinds = [draw.pick(np.int8, np.uint8) for _ in range(3)]
    zeros = codes(draw, kinds[0], *rows), codes(draw, kinds[1], *columns)
    operands: list[Operand] = [draw.box(left), codes(draw, kinds[1], *right)]
    if draw.flag():
        operands = [codes(draw, kinds[0], *left), draw.box(right)]
    if op == "MatMulInteger":
        return single(draw, op, *operands, *(zeros if draw.flag() else ()))
    a, b = operands
    return single(
        draw,
        op,
        *(a, scales(draw, *rows), zeros[0]),
        *(b, scales(draw, *columns), zeros[1]),
        *(scales(draw), codes(draw, kinds[2])),
    )


@example("QLinearConv", "ConvInteger")
def _(draw: Draw, op: str) -> Case:
    rank = draw.pick(1, 2)
    kernel, size = (2,) * rank, tuple(draw.integer(2, 3) for _ in range(rank))
    groups, inner, outer = draw.pick(1, 2), draw.integer(1, 2), draw.integer(1, 2)
    attrs = {
        "group": groups,
        "pads": tuple(draw.integer(0, 1) for _ in range(2 * rank)),
        "strides": tuple(draw.integer(1, 2) for _ in range(rank)),
    }
    kinds = [draw.pick(np.int8, np.uint8) for _ in range(3)]
    channels = draw.pick((), (groups * outer,))
    x, w = draw.box((1, groups * inner, *size)), codes(draw, kinds[1], groups * outer, inner, *kernel)
    zeros = codes(draw, kinds[0]), codes(draw, kinds[1], *channels)
    if op == "ConvInteger":
        return single(draw, op, x, w, *(zeros if draw.flag() else ()), **attrs)
    operands: list[Operand] = [x, scales(draw), zeros[0], w, scales(draw, *channels), zeros[1], scales(draw)]
    operands.append(codes(draw, kinds[2]))
    if draw.flag():
        operands.append(np.array([draw.integer(-5000, 5000) for _ in range(groups * outer)], np.int32))
    return single(draw, op, *operands, **attrs)
