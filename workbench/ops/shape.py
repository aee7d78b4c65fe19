"""Operators that keep every element and its order, and the shape arithmetic around them.

Reshape Flatten Squeeze Unsqueeze Identity Dropout Cast, and the sources Shape ConstantOfShape Equal.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from workbench.floats.errors import rounding_error
from workbench.floats.machine import format_of
from workbench.floats.program import Semantics, State
from workbench.graph import Array
from workbench.limits import check_size
from workbench.op import Call, Op, UnsupportedOperator
from workbench.ops.generators.linear import movement, moves
from workbench.semantics.affine import Linear, LinearMap
from workbench.semantics.cotangent import Term, Terms, shaped
from workbench.semantics.interval import Interval
from workbench.semantics.real import real
from workbench.semantics.rounding import Local, exactly, rounding

reshape = Op("Reshape", "y = x in another shape", r"y=x", moves=True)
flatten = Op("Flatten", "y = x as a matrix", r"y=x", moves=True)
squeeze = Op("Squeeze", "y = x without axes of length 1", r"y=x", moves=True)
unsqueeze = Op("Unsqueeze", "y = x with new axes of length 1", r"y=x", moves=True)
identity = Op("Identity", "y = x", r"y=x", moves=True)
dropout = Op("Dropout", "y = x (nothing is dropped after training)", r"y=x", moves=True)
cast = Op("Cast", "y = x in another number format", r"y=x", moves=True)
shape_of = Op("Shape", "y = the shape of x", r"y=\mathrm{shape}(x)", moves=True)
filled = Op("ConstantOfShape", "y = one number everywhere", r"y=c", moves=True)
equal = Op("Equal", "y = (a == b), for constants", r"y=[a=b]")


def integers(call: Call, name: str, index: int, default: Any = None) -> Any:
    """`Call.parameter` for what must be whole numbers: axes, sizes, positions.

    Raises
    ------
    ValueError
        An operand of another type, or more numbers than any shape has.
    """
    value = call.constant(index)
    if value is not None and (value.dtype.kind not in "iu" or value.size > 1000):
        raise ValueError(
            f"operand {index} ({name}) must hold a few integers, not {value.size} of {value.dtype}"
        )
    return call.parameter(name, index, default)


def axes_of(axes: tuple[int, ...], rank: int) -> tuple[int, ...]:
    """Axes counted from the front, each once.

    Raises
    ------
    ValueError
        An axis outside the rank, or named twice.
    """
    found = tuple(a + rank if a < 0 else a for a in axes)
    if any(not 0 <= a < rank for a in found) or len(set(found)) != len(found):
        raise ValueError(f"axes {list(axes)} do not fit {rank} dimensions")
    return found


def given(call: Call, index: int) -> tuple[int, ...]:
    """Shape of operand `index`, which must be there."""
    shape = call.shapes[index] if index < len(call.shapes) else None
    if shape is None:
        raise ValueError(f"operand {index} is missing")
    return shape


def target(call: Call) -> tuple[int, ...]:
    """The shape that a call asks for."""
    shape = given(call, 0)
    match call.node.op:
        case "Reshape":
            return _reshaped(call, shape)
        case "Flatten":
            axis = call.attr("axis", 1)
            if not -len(shape) <= axis <= len(shape):
                raise ValueError(f"axis {axis} does not fit {len(shape)} dimensions")
            return prod(shape[:axis]), prod(shape[axis:])
        case "Squeeze":
            axes = integers(call, "axes", 1)
            if axes == () and 1 in shape:
                raise ValueError(
                    "an empty list of axes drops nothing in ONNX's text and everything in onnxruntime"
                )
            away = (
                axes_of(axes, len(shape))
                if axes is not None
                else tuple(i for i, n in enumerate(shape) if n == 1)
            )
            if any(shape[a] != 1 for a in away):
                raise ValueError(f"axes {list(away)} are to be dropped, but not all of them have length 1")
            return tuple(n for i, n in enumerate(shape) if i not in away)
        case "Unsqueeze":
            axes = integers(call, "axes", 1)
            if axes is None:
                raise ValueError("it does not say which axes to insert")
            new = axes_of(axes, len(shape) + len(axes))
            rest = iter(shape)
            return tuple(1 if i in new else next(rest) for i in range(len(shape) + len(axes)))
        case _:
            return shape


def _reshaped(call: Call, shape: tuple[int, ...]) -> tuple[int, ...]:
    wanted = integers(call, "shape", 1)
    if wanted is None:
        raise ValueError("it does not say which shape is wanted")
    zero = bool(call.attr("allowzero", 0))
    if any(n < -1 for n in wanted) or sum(n == -1 for n in wanted) > 1:
        raise ValueError(f"{list(wanted)} is not a shape")
    if not zero and any(n == 0 and i >= len(shape) for i, n in enumerate(wanted)):
        raise ValueError(f"{list(wanted)} copies a dimension that the operand does not have")
    full = [shape[i] if n == 0 and not zero else n for i, n in enumerate(wanted)]
    if -1 in full:
        known = prod(n for n in full if n != -1)
        if known == 0 or prod(shape) % known:
            raise ValueError(f"the wanted shape {list(wanted)} does not hold {prod(shape)} elements")
        full[full.index(-1)] = prod(shape) // known
    if prod(full) != prod(shape):
        raise ValueError(f"the wanted shape {list(wanted)} does not hold {prod(shape)} elements")
    return tuple(full)


def _apply(call: Call, x: Array, *_: Array | None) -> Array:
    return x.reshape(x.shape[0], *target(call))


def _maps(call: Call) -> tuple[LinearMap | None, ...]:
    inner, outer = given(call, 0), call.shape
    there = movement(lambda x: x.reshape(x.shape[0], *outer), lambda y: y.reshape(y.shape[0], *inner))
    return (there, *(None for _ in call.shapes[1:]))


def _dropped(call: Call, x: Array, *_: Array | None) -> Array:
    training = call.constant(2)
    if call.is_live(2) or (training is not None and bool(training.ravel()[0])):
        raise UnsupportedOperator(
            f"{call.node.describe()} is in training mode: export the network for inference"
        )
    return x


def _cast(call: Call, x: Array) -> Array:
    """Constants change their type; a real number that depends on the input has none: it stays as it is.

    A float program rounds it there, which is the namespace's `cast` and the rounding rule's business.
    """
    to = np.dtype(call.attr("to", "float32"))
    if call.constant(0) is not None:
        return x.astype(to) if x.dtype != object else x
    if to.kind != "f" or x.dtype.kind not in "fO":
        raise UnsupportedOperator(
            f"{call.node.describe()} makes {to} out of numbers that depend on the input: only float types are supported"
        )
    return x


def _shape(call: Call, x: Array | None) -> Array:
    shape = given(call, 0)
    first, last, _ = slice(call.attr("start", 0), call.attr("end")).indices(len(shape))
    return np.array(shape[first:last], dtype=np.int64)[None]


def _filled(call: Call, shape: Array) -> Array:
    wanted = integers(call, "shape", 0)
    check_size(call.node.describe(), wanted)
    value = np.asarray(call.attr("value", 0.0), np.dtype(call.attr("dtype", "float32")))
    return np.broadcast_to(value, (1, *wanted))


def _back(call: Call, operands: Terms, value: Term, seed: Term) -> Terms:
    """The seed in the operand's shape."""
    return shaped(seed, given(call, 0)), *(None for _ in call.shapes[1:])


for _op in (reshape, flatten, squeeze, unsqueeze, identity):
    moves(_op, _apply, _maps, nodes=_back)
moves(dropout, _dropped, _maps, nodes=_back)
moves(shape_of, _shape, lambda call: (None,))
moves(filled, _filled, lambda call: (None,))


@cast.rule(real)
def _(call: Call, ns: Any, x: Array) -> Array:
    moved = _cast(call, x)
    return moved if call.constant(0) is not None else np.asarray(ns.cast(moved, call.attr("to", "float32")))


moves(cast, _cast, _maps, arithmetic=False, nodes=_back)


@cast.rule(rounding)
def _(call: Call, program: Semantics, x: Interval) -> Local:
    """Rounded to the type's format, where that does not hold every number of the operand's; then stored."""
    form = call.cached("linear", lambda: Linear(_maps(call)))
    to = format_of(call.attr("to", "float32"))
    if to.contains(program.activations) and call.is_live(0):
        return exactly(call, form)
    state: State = "accumulated" if program.accumulator.contains(to) else "exact"
    return Local(rounding_error(x.magnitude, program.target(to), program.mode), form, state=state)


@equal.rule(real)
def _(call: Call, ns: Any, a: Array, b: Array) -> Array:
    if call.constant(0) is None or call.constant(1) is None:
        raise UnsupportedOperator(
            f"{call.node.describe()} compares numbers that depend on the input: not supported"
        )
    check_size(call.node.describe(), np.broadcast_shapes(given(call, 0), given(call, 1)))
    return np.asarray(a == b)
