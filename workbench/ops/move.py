"""Operators that pick and join elements: Concat Split Slice Gather Transpose."""

from __future__ import annotations

from math import prod

import numpy as np

from workbench.graph import Array, GraphError
from workbench.limits import check_size
from workbench.op import Call, Op, UnsupportedOperator
from workbench.ops.generators.linear import movement, moves
from workbench.ops.generators.window import key
from workbench.ops.shape import axes_of, given, integers
from workbench.semantics.affine import LinearMap
from workbench.semantics.cotangent import Term, Terms, bordered, scattered, shaped

Maps = tuple[LinearMap | None, ...]

concat = Op("Concat", "y = the operands one after another", r"y=[x_1,\dots,x_n]", moves=True)
split = Op("Split", "y = one part of x", r"y=x_{a:b}", moves=True)
slicing = Op("Slice", "y = x[start:end:step]", r"y=x_{a:b:s}", moves=True)
gathering = Op("Gather", "y = x at given indices", r"y=x_{i}", moves=True)
transpose = Op("Transpose", "y = x with its axes in another order", r"y=x^{\mathsf T}", moves=True)


def known(call: Call, index: int, what: str) -> Array:
    """A constant operand that the network's input must not change.

    Raises
    ------
    UnsupportedOperator
        Where it depends on the input.
    """
    value = call.constant(index)
    if value is None:
        raise UnsupportedOperator(
            f"{call.node.describe()}: its {what} (operand {index}) must be a constant, "
            "but it is computed from the input"
        )
    return value


def _cut(call: Call, slices: tuple[slice, ...]) -> Maps:
    """The movement ``x[slices]`` of operand 0."""
    inner, at = given(call, 0), key(slice(None), *slices)

    def back(y: Array) -> Array:
        x = np.zeros((y.shape[0], *inner), y.dtype)
        x[at] = y
        return x

    return (movement(lambda x: x[at], back), *(None for _ in call.shapes[1:]))


def _slices(call: Call) -> tuple[slice, ...]:
    shape = given(call, 0)
    starts, ends = integers(call, "starts", 1), integers(call, "ends", 2)
    if starts is None or ends is None:
        raise ValueError("it does not say where to start and end")
    axes = integers(call, "axes", 3, tuple(range(len(starts))))
    steps = integers(call, "steps", 4, (1,) * len(starts))
    if not len(starts) == len(ends) == len(axes) == len(steps):
        raise ValueError("starts, ends, axes and steps differ in length")
    if 0 in steps:
        raise ValueError("a step of 0 leads nowhere")
    cuts = [slice(None)] * len(shape)
    for start, end, axis, step in zip(starts, ends, axes_of(axes, len(shape)), steps, strict=True):
        # backward from before the first element ONNX clamps to it, where Python's slices take nothing
        cuts[axis] = slice(0 if step < 0 and start < -shape[axis] else start, end, step)
    return tuple(cuts)


def _part(call: Call) -> tuple[slice, ...]:
    shape = given(call, 0)
    (axis,) = axes_of((call.attr("axis", 0),), len(shape))
    index, count = call.attr("index", 0), call.attr("num_outputs", 1)
    sizes = integers(call, "split", 1)
    if sizes is None:
        each = -(-shape[axis] // count)
        sizes = (each,) * (count - 1) + (shape[axis] - each * (count - 1),)
    if sum(sizes) != shape[axis] or min(sizes) < 0 or not 0 <= index < len(sizes):
        raise ValueError(f"parts of length {list(sizes)} do not make up axis {axis} of length {shape[axis]}")
    start = sum(sizes[:index])
    return (slice(None),) * axis + (slice(start, start + sizes[index]),)


def _placed_back(call: Call, cuts: tuple[slice, ...], seed: Term) -> Terms | None:
    """Zeros around the seed where everything between start and end was taken."""
    shape = given(call, 0)
    cuts = cuts + (slice(None),) * (len(shape) - len(cuts))
    ranges = [range(n)[cut] for n, cut in zip(shape, cuts, strict=True)]
    if any(r.step != 1 for r in ranges):
        return None
    starts = [r.start for r in ranges]
    after = [n - b - m for n, b, m in zip(shape, starts, seed.shape, strict=True)]
    return bordered(seed, starts, after), *(None for _ in call.shapes[1:])


moves(
    slicing,
    lambda call, x, *_: x[(slice(None), *_slices(call))],
    lambda call: _cut(call, _slices(call)),
    nodes=lambda call, operands, value, seed: _placed_back(call, _slices(call), seed),
)
moves(
    split,
    lambda call, x, *_: x[(slice(None), *_part(call))],
    lambda call: _cut(call, _part(call)),
    nodes=lambda call, operands, value, seed: _placed_back(call, _part(call), seed),
)


def _concat(call: Call, *operands: Array) -> Array:
    (axis,) = axes_of((call.attr("axis", 0),), len(given(call, 0)))
    batch = max(x.shape[0] for x in operands)
    whole = [np.broadcast_to(x, (batch, *x.shape[1:])) for x in operands]
    check_size(call.node.describe(), (sum(prod(x.shape[1:]) for x in operands),))
    return np.concatenate(whole, axis=axis + 1)


def _concat_maps(call: Call) -> Maps:
    (axis,) = axes_of((call.attr("axis", 0),), len(given(call, 0)))
    maps, start = [], 0
    for i in range(len(call.shapes)):
        length = given(call, i)[axis]
        maps.append(_placed(call.shape, (slice(None),) * (axis + 1) + (slice(start, start + length),)))
        start += length
    return tuple(maps)


def _placed(outer: tuple[int, ...], at: tuple[slice, ...]) -> LinearMap:
    def there(x: Array) -> Array:
        y = np.zeros((x.shape[0], *outer), x.dtype)
        y[at] = x
        return y

    return movement(there, lambda y: y[at])


def _parted(call: Call, operands: Terms, value: Term, seed: Term) -> Terms:
    (axis,) = axes_of((call.attr("axis", 0),), len(given(call, 0)))
    found, start = [], 0
    for i in range(len(call.shapes)):
        length = given(call, i)[axis]
        wanted = call.is_live(i) and call.wants(i)
        found.append(seed[(slice(None),) * axis + (slice(start, start + length),)] if wanted else None)
        start += length
    return found


moves(concat, _concat, _concat_maps, nodes=_parted)


def _order(call: Call) -> tuple[int, ...]:
    rank = len(given(call, 0))
    perm = call.attr("perm", tuple(reversed(range(rank))))
    if sorted(perm) != list(range(rank)):
        raise ValueError(f"perm {list(perm)} is not an order of {rank} axes")
    return (0, *(p + 1 for p in perm))


def _transpose_maps(call: Call) -> Maps:
    order = _order(call)
    back = tuple(np.argsort(order).tolist())
    return (movement(lambda x: x.transpose(order), lambda y: y.transpose(back)),)


def _turned_back(call: Call, operands: Terms, value: Term, seed: Term) -> Terms:
    return (seed.permute(*np.argsort([p - 1 for p in _order(call)[1:]]).tolist()),)


moves(transpose, lambda call, x: x.transpose(_order(call)), _transpose_maps, nodes=_turned_back)


def take(x: Array, axis: int, index: Array) -> Array:
    """Elements of ``(N, *s)`` at `index` along `axis` of s."""
    return np.take(x, index, axis=axis + 1)


def put(y: Array, axis: int, index: Array, shape: tuple[int, ...]) -> Array:
    """The adjoint of `take`: add ``(N, *out)`` up where it came from."""
    n, rank = shape[axis], index.ndim
    flat = index.reshape(-1)
    y = y.reshape(*y.shape[: axis + 1], flat.size, *y.shape[axis + 1 + rank :])
    at = key(*(slice(None),) * (axis + 1), flat)
    x = np.zeros((y.shape[0], *shape), y.dtype)
    if np.bincount(flat, minlength=n).max(initial=0) <= 1:
        x[at] = y
    else:
        np.add.at(x, at, y)
    return x


def _indices(call: Call) -> tuple[int, Array]:
    shape = given(call, 0)
    (axis,) = axes_of((call.attr("axis", 0),), len(shape))
    index = known(call, 1, "indices")
    if index.dtype.kind not in "iu":
        raise ValueError("its indices are not integers")
    n = shape[axis]
    if index.size and not (-n <= int(index.min()) and int(index.max()) < n):
        raise ValueError(f"an index lies outside axis {axis} of length {n}")
    check_size(call.node.describe(), (*shape[:axis], *index.shape, *shape[axis + 1 :]))
    return axis, np.where(index < 0, index + n, index).astype(np.intp)


def _gather_maps(call: Call) -> Maps:
    shape, (axis, index) = given(call, 0), _indices(call)
    copies = int(np.bincount(index.reshape(-1), minlength=1).max(initial=0))
    return movement(lambda x: take(x, axis, index), lambda y: put(y, axis, index, shape), copies), None


def _gathered(call: Call, x: Array, index: Array) -> Array:
    """At constant indices; or at those that every example brings (an embedding of its words), which have no bounds."""
    if call.constant(1) is not None:
        return take(x, *_indices(call))
    axis, at = _brought(call, index)
    if x.shape[0] == 1:
        return np.moveaxis(np.take(x[0], at, axis=axis), axis, 0)
    return np.stack([np.take(row, i, axis=axis) for row, i in zip(*np.broadcast_arrays(x, at), strict=True)])


def _brought(call: Call, index: Array) -> tuple[int, Array]:
    shape = given(call, 0)
    (axis,) = axes_of((call.attr("axis", 0),), len(shape))
    n = shape[axis]
    if index.dtype.kind not in "iu":
        raise UnsupportedOperator(
            f"{call.node.describe()}: its indices (operand 1) must be a constant for bounds, "
            "but they are computed from the input"
        )
    if index.size and not (-n <= int(index.min()) and int(index.max()) < n):
        raise GraphError(f"{call.node.describe()}: an index lies outside axis {axis} of length {n}")
    return axis, np.where(index < 0, index + n, index).astype(np.intp)


def _gather_trained(call: Call, operands: tuple[Array, Array], seed: Array) -> tuple[Array | None, ...]:
    """Each row of the table is given the sum of what was read from it."""
    axis, at = _brought(call, operands[1])
    if axis:
        raise UnsupportedOperator(f"{call.node.describe()}: only rows of a table (axis 0) are trained")
    found = np.zeros((seed.shape[0], *given(call, 0)), seed.dtype)
    for total, i, up in zip(found, np.broadcast_to(at, (seed.shape[0], *at.shape[1:])), seed, strict=True):
        np.add.at(total, i, up)
    return found, None


def _put_back(call: Call, operands: Terms, value: Term, seed: Term) -> Terms:
    """What was taken, with the axis it was taken along put last, times a matrix of ones and zeros."""
    if call.constant(1) is None:
        raise UnsupportedOperator(
            f"the gradient of {call.node.describe()} as a graph needs constant indices; numbers are there: grad, vjp"
        )
    shape, (axis, index) = given(call, 0), _indices(call)
    lead, rest = prod(shape[:axis]), prod(shape[axis + 1 :])
    rows = shaped(seed, (lead, index.size, rest)).permute(0, 2, 1)
    found = scattered(call, rows, index.reshape(-1), shape[axis])
    return shaped(found.permute(0, 2, 1), shape), None


moves(gathering, _gathered, _gather_maps, trained=_gather_trained, nodes=_put_back)
