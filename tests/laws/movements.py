"""Small examples of the operators that move, repeat and reshape elements, and of those that are folded away."""

from __future__ import annotations

from math import prod

import numpy as np
from hypothesis import strategies as st

from laws.cases import Case, Operand, example, fits, single
from laws.numbers import Draw


@example("Concat")
def _(draw: Draw, op: str) -> Case:
    shape = draw.shape(1, 3)
    axis = draw.integer(0, len(shape) - 1)
    operands: list[Operand] = [draw.box(shape)]
    for _i in range(draw.integer(0, 2)):
        other = (*shape[:axis], draw.integer(1, 2), *shape[axis + 1 :])
        operands.append(draw.numbers(other) if draw.flag() else draw.box(other))
    return single(draw, op, *operands, axis=axis)


@example("Split")
def _(draw: Draw, op: str) -> Case:
    shape = draw.shape(1, 3, 4)
    axis = draw.integer(0, len(shape) - 1)
    first = draw.integer(1, shape[axis])
    parts = (first, shape[axis] - first) if shape[axis] > first else (first,)
    index = draw.integer(0, len(parts) - 1)
    return single(
        draw, op, draw.box(shape), np.array(parts, np.int64), axis=axis, index=index, num_outputs=len(parts)
    )


@example("Slice")
def _(draw: Draw, op: str) -> Case:
    shape = draw.shape(1, 3, 4)
    axis = draw.integer(0, len(shape) - 1)
    n = shape[axis]
    start, step = draw.integer(0, n - 1), draw.pick(1, 2, -1)
    end = draw.integer(start + 1, n + 2) if step > 0 else -n - 1
    one = [np.array([v], np.int64) for v in (start, end, axis, step)]
    return single(draw, op, draw.box(shape), *one)


@example("Gather")
def _(draw: Draw, op: str) -> Case:
    shape = draw.shape(1, 3)
    axis = draw.integer(0, len(shape) - 1)
    index = np.array(
        [draw.integer(-shape[axis], shape[axis] - 1) for _ in range(draw.integer(1, 4))], np.int64
    )
    return single(draw, op, draw.box(shape), index[0] if draw.flag() else index, axis=axis)


@example("Transpose")
def _(draw: Draw, op: str) -> Case:
    shape = draw.shape(1, 3)
    order = tuple(draw.data.draw(st.permutations(range(len(shape)))))
    return single(draw, op, draw.box(shape), perm=order) if draw.flag() else single(draw, op, draw.box(shape))


@example("Expand")
def _(draw: Draw, op: str) -> Case:
    shape = draw.shape(1, 3)
    return single(draw, op, draw.box(fits(draw, shape)), np.array(shape, np.int64))


@example("Where")
def _(draw: Draw, op: str) -> Case:
    shape = draw.shape(1, 3)
    condition = np.array([draw.flag() for _ in range(prod(shape))]).reshape(shape)
    first: Operand = draw.box(shape)
    second: Operand = draw.box(fits(draw, shape)) if draw.flag() else draw.numbers(fits(draw, shape))
    return single(draw, op, condition, *((first, second) if draw.flag() else (second, first)))


@example("Reshape", "Flatten", "Squeeze", "Unsqueeze")
def _(draw: Draw, op: str) -> Case:
    shape = draw.shape(1, 3)
    match op:
        case "Reshape":
            return single(draw, op, draw.box(shape), np.array(draw.pick((-1,), (1, -1), (0, -1)), np.int64))
        case "Flatten":
            return single(draw, op, draw.box(shape), axis=draw.integer(0, len(shape)))
        case "Squeeze":
            return single(draw, op, draw.box((1, *shape)), np.array([0], np.int64))
        case _:
            return single(draw, op, draw.box(shape), np.array([draw.integer(0, len(shape))], np.int64))


@example("Pad")
def _(draw: Draw, op: str) -> Case:
    shape = draw.shape(1, 2)
    mode = draw.pick("constant", "constant", "edge", "reflect", "wrap")
    most = 0 if mode == "reflect" and min(shape) == 1 else 1
    pads = np.array(
        [draw.integer(-1 if mode == "constant" and min(shape) > 2 else 0, most) for _ in shape * 2], np.int64
    )
    if mode == "constant":
        return single(draw, op, draw.box(shape), pads, draw.numbers(()), mode=mode)
    return single(draw, op, draw.box(shape), pads, mode=mode)


@example("Shape")
def _(draw: Draw, op: str) -> Case:
    return single(draw, op, draw.box(draw.shape()))


@example("ConstantOfShape")
def _(draw: Draw, op: str) -> Case:
    return single(draw, op, np.array(draw.shape(), np.int64), value=1.5, dtype="float32")


@example("Equal")
def _(draw: Draw, op: str) -> Case:
    n = draw.integer(1, 3)
    return single(draw, op, np.array([draw.integer(0, 1) for _ in range(n)]), np.array([1] * n))
