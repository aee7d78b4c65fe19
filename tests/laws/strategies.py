"""Small examples of every operator: one network of one node, with boxes for its inputs.

`EXAMPLES[op](draw)` gives one.  A new operator needs one entry here, and all laws hold it to account; an operator
without an entry fails `test_table.py` by name.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import laws.movements  # the examples of operators that only move elements
import laws.quantised  # noqa: F401  (the examples of quantised ones)
from laws.cases import EXAMPLES, FOLDED, Case, Operand, example, fits, network, single
from laws.numbers import Draw

__all__ = ["EXAMPLES", "FOLDED", "Case", "network", "single"]


@example("Add", "Sub", "Mul", "Div")
def _(draw: Draw, op: str) -> Case:
    shape = draw.shape()
    other = fits(draw, shape)
    first, second = (shape, other) if draw.flag() else (other, shape)
    kind = "nonzero" if op == "Div" else "any"
    which = draw.integer(0, 3)
    if which == 0:
        w = draw.numbers(second)
        if op == "Div":
            w = np.where(w == 0, 0.5, w)
        return single(draw, op, draw.box(first), w)
    if which == 1:
        return single(draw, op, draw.numbers(first), draw.box(second, kind))
    return single(draw, op, draw.box(first), draw.box(second, kind))


@example("Neg", "Abs", "Relu", "Sign", "Exp", "Sigmoid", "Tanh", "Sin", "Cos", "Identity", "Dropout")
def _(draw: Draw, op: str) -> Case:
    return single(draw, op, draw.box(draw.shape()))


@example("Erf", "Softplus", "Mish", "HardSwish")
def _(draw: Draw, op: str) -> Case:
    return single(draw, op, draw.box(draw.shape()))


@example("Elu", "Selu", "Celu")
def _(draw: Draw, op: str) -> Case:
    return single(draw, op, draw.box(draw.shape()), alpha=draw.pick(1.0, 0.5, 3.0, 1.67))


@example("HardSigmoid")
def _(draw: Draw, op: str) -> Case:
    return single(
        draw, op, draw.box(draw.shape()), alpha=draw.pick(0.2, 1 / 6, 1.0), beta=draw.pick(0.5, 0.0, -3.0)
    )


@example("Gelu")
def _(draw: Draw, op: str) -> Case:
    return single(draw, op, draw.box(draw.shape()), approximate=draw.pick("none", "tanh"))


@example("Swish")
def _(draw: Draw, op: str) -> Case:
    return single(draw, op, draw.box(draw.shape()), alpha=draw.pick(1.0, 1.7, 0.01))


@example("Log", "Sqrt", "Reciprocal")
def _(draw: Draw, op: str) -> Case:
    kind = {"Log": "positive", "Sqrt": "nonnegative", "Reciprocal": "nonzero"}[op]
    return single(draw, op, draw.box(draw.shape(), kind))


@example("Cast")
def _(draw: Draw, op: str) -> Case:
    return single(draw, op, draw.box(draw.shape()), to="float32")


@example("LeakyRelu")
def _(draw: Draw, op: str) -> Case:
    return single(draw, op, draw.box(draw.shape()), alpha=draw.pick(0.01, 0.1, 0.0, 1.0, 2.5, -0.5, 1e-30))


@example("Pow")
def _(draw: Draw, op: str) -> Case:
    p = draw.pick(2.0, 3.0, 1.0, 0.0, 4.0, -1.0, -2.0, -3.0, 0.5, 1.5, -0.5, 0.1)
    kind = "any" if p >= 0 and p == int(p) else "nonzero" if p == int(p) else "positive"
    exponent = np.array(p) if draw.flag() else np.array([p], np.float32)
    if p == int(p) and draw.flag():
        exponent = exponent.astype(np.int64)
    return single(draw, op, draw.box(draw.shape(), kind), exponent)


@example("Min", "Max")
def _(draw: Draw, op: str) -> Case:
    shape = draw.shape(1, 2)
    operands: list[Operand] = [draw.box(shape)]
    for _i in range(draw.integer(0, 2)):
        other = fits(draw, shape)
        operands.append(draw.numbers(other) if draw.flag() else draw.box(other))
    if draw.flag():
        operands.reverse()
    return single(draw, op, *operands)


@example("Clip")
def _(draw: Draw, op: str) -> Case:
    shape = draw.shape()
    ends = np.sort(draw.numbers((2,))) if draw.flag() else draw.numbers((2,))
    match draw.integer(0, 3):
        case 0:
            return single(draw, op, draw.box(shape), min=float(ends[0]), max=float(ends[1]))
        case 1:
            return single(draw, op, draw.box(shape), np.array(ends[0]), np.array(ends[1]))
        case 2:
            return single(draw, op, draw.box(shape), None, np.array(ends[1]))
        case _:
            return single(
                draw, op, draw.box(shape), draw.box(()), np.array(ends[1]) if draw.flag() else draw.box(())
            )


@example("Softmax")
def _(draw: Draw, op: str) -> Case:
    shape = draw.shape(1, 3, 4)
    axis = draw.integer(-len(shape), len(shape) - 1)
    if draw.flag():
        return single(draw, op, draw.box(shape), axis=axis, flatten=1)
    return single(draw, op, draw.box(shape), axis=axis)


@example("LayerNormalization")
def _(draw: Draw, op: str) -> Case:
    shape = draw.shape(1, 3, 4)
    axis = draw.integer(-len(shape), len(shape) - 1)
    inner = shape[axis:]
    epsilon = draw.pick(1e-5, 1.0, 1e-12, 9.999999747378752e-06)
    operands: list[Operand] = [
        draw.box(shape),
        draw.box(inner) if draw.integer(0, 5) == 0 else draw.numbers(inner),
    ]
    if draw.flag():
        operands.append(draw.box(inner) if draw.integer(0, 5) == 0 else draw.numbers(fits(draw, inner)))
    return single(draw, op, *operands, axis=axis, epsilon=epsilon)


@example("MatMul")
def _(draw: Draw, op: str) -> Case:
    i, k, j = (draw.integer(1, 3) for _ in range(3))
    match draw.integer(0, 5):
        case 0:
            left, right = (i, k), (k, j)
        case 1:
            left, right = (k,), (k, j)
        case 2:
            left, right = (i, k), (k,)
        case 3:
            left, right = (2, i, k), (k, j)
        case 4:
            left, right = (2, i, k), (2, k, j)
        case _:
            left, right = (1, i, k), (2, k, j)
    match draw.integer(0, 3):
        case 0 | 1:
            return single(draw, op, draw.box(left), draw.weights(*right))
        case 2:
            return single(draw, op, draw.weights(*left), draw.box(right))
        case _:
            return single(draw, op, draw.box(left), draw.box(right))


@example("Gemm")
def _(draw: Draw, op: str) -> Case:
    i, k, j = draw.pick(1, 1, 2), draw.integer(1, 4), draw.integer(1, 3)
    turned = draw.flag()
    attrs: dict[str, Any] = {"transB": int(turned)}
    if draw.flag():
        attrs |= {"alpha": draw.pick(1.0, 0.5, -2.0, 0.1), "beta": draw.pick(1.0, 0.0, 0.3, 2.0)}
    w = draw.weights(*((j, k) if turned else (k, j)))
    if attrs.get("alpha", 1.0) != 1.0:
        w = np.where(np.abs(w) < 1e-300, 0.0, w)  # alpha times a subnormal weight is refused
    operands: list[Operand] = [draw.box((i, k)), w]
    third = draw.integer(0, 3)
    if third == 1:
        operands.append(draw.weights(*fits(draw, (i, j))))
    elif third == 2:
        operands.append(draw.weights(j))
    elif third == 3:
        operands.append(draw.box(fits(draw, (i, j))))
    return single(draw, op, *operands, **attrs)


def _windows(draw: Draw, op: str, rank: int) -> dict[str, Any]:
    pads = [draw.integer(0, 1) for _ in range(2 * rank)]
    return {
        "strides": tuple(draw.integer(1, 2) for _ in range(rank)),
        "pads": tuple(pads),
    }


@example("Conv", "ConvTranspose")
def _(draw: Draw, op: str) -> Case:
    rank = draw.pick(1, 2, 2)
    kernel = tuple(draw.integer(1, 2) for _ in range(rank))
    size = tuple(draw.integer(2, 3) for _ in range(rank))
    groups = draw.pick(1, 1, 2)
    inner, outer = groups * draw.integer(1, 2), groups * draw.integer(1, 2)
    attrs = _windows(draw, op, rank) | {
        "dilations": tuple(draw.integer(1, 2) for _ in range(rank)),
        "group": groups,
    }
    if op == "Conv":
        w = draw.weights(outer, inner // groups, *kernel)
        attrs["pads"] = tuple(1 for _ in range(2 * rank))  # a dilated window then always has room
    else:
        w = draw.weights(inner, outer // groups, *kernel)
        attrs["pads"] = (0,) * (2 * rank)
        if draw.flag():
            attrs["output_padding"] = tuple(s - 1 for s in attrs["strides"])
    operands: list[Operand] = [draw.box((1, inner, *size)), w]
    if draw.flag():
        operands.append(draw.weights(outer))
    return single(draw, op, *operands, **attrs)


@example("MaxPool", "AveragePool")
def _(draw: Draw, op: str) -> Case:
    rank = draw.pick(1, 2, 2)
    attrs = _windows(draw, op, rank) | {"kernel_shape": (2,) * rank, "ceil_mode": draw.integer(0, 1)}
    if op == "AveragePool":
        attrs["count_include_pad"] = draw.integer(0, 1)
    return single(
        draw, op, draw.box((1, draw.integer(1, 2), *(draw.integer(2, 4) for _ in range(rank)))), **attrs
    )


@example("GlobalAveragePool")
def _(draw: Draw, op: str) -> Case:
    return single(draw, op, draw.box((1, draw.integer(1, 2), *draw.shape(1, 2, 4))))


@example("BatchNormalization")
def _(draw: Draw, op: str) -> Case:
    channels = draw.integer(1, 3)
    flavours = [draw.pick("plain", "whole", "tiny") for _ in range(3)]
    gamma, beta, mean = (draw.numbers((channels,), f) for f in flavours)
    gamma = np.where(np.abs(gamma) < 1e-150, 0.0, gamma)  # a scale that float64 cannot hold is refused
    var = np.abs(draw.numbers((channels,), draw.pick("plain", "tiny", "huge")))
    return single(
        draw,
        op,
        draw.box((2, channels, *draw.shape(0, 2, 2))),
        gamma,
        beta,
        mean,
        var,
        epsilon=draw.pick(1e-5, 1e-3),
    )


@example("ReduceSum", "ReduceMean", "ReduceMax")
def _(draw: Draw, op: str) -> Case:
    shape = draw.shape(1, 3)
    axes = sorted({draw.integer(0, len(shape) - 1) for _ in range(draw.integer(1, 2))})
    keep = draw.integer(0, 1)
    if draw.flag():
        return single(draw, op, draw.box(shape), np.array(axes, np.int64), keepdims=keep)
    if draw.flag():
        return single(draw, op, draw.box(shape), keepdims=keep)
    return single(draw, op, draw.box(shape), axes=tuple(a - len(shape) for a in axes), keepdims=keep)
