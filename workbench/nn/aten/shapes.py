"""Operators that move, repeat or choose elements."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from workbench.graph import GraphError
from workbench.nn import functional as F
from workbench.nn.aten.table import aten, axes, known, ranked
from workbench.nn.value import Value


@aten(
    "contiguous",
    "clone",
    "alias",
    "detach",
    "lift_fresh_copy",
    "lift_fresh",
    "positive",
    "_assert_tensor_metadata",
)
def _(x: Value, *_: Any, **__: Any) -> Value:
    return x


@aten("sym_size")
def _(x: Value, dim: int) -> int:
    return x.shape[dim]


@aten("view", "reshape", "_unsafe_view", "view_copy")
def _(x: Value, shape: Sequence[int]) -> Value:
    return x.reshape(tuple(shape))


@aten("view_as", "reshape_as")
def _(x: Value, other: Value) -> Value:
    return x.reshape(other.shape)


@aten("flatten")
def _(x: Value, start: int = 0, end: int = -1) -> Value:
    first, last = start % max(1, x.ndim), end % max(1, x.ndim)
    if (first, last) == (1, x.ndim - 1):
        return x.trace.emit("Flatten", [x], {"axis": 1}, (x.dims[0], None)) if x.ndim > 1 else x
    return x.reshape((*x.shape[:first], prod(x.shape[first : last + 1]), *x.shape[last + 1 :]))


@aten("unflatten")
def _(x: Value, dim: int, sizes: Sequence[int]) -> Value:
    at = dim % x.ndim
    fixed = -prod(sizes)
    whole = [x.shape[at] // fixed if s == -1 else s for s in sizes]
    return x.reshape((*x.shape[:at], *whole, *x.shape[at + 1 :]))


@aten("transpose", "swapaxes", "swapdims")
def _(x: Value, first: int, second: int) -> Value:
    return x.transpose(first, second)


@aten("t", "numpy_T")
def _(x: Value) -> Value:
    return x.permute(*reversed(range(x.ndim)))


@aten("permute")
def _(x: Value, order: Sequence[int]) -> Value:
    return x.permute(*order)


@aten("movedim")
def _(x: Value, source: Any, target: Any) -> Value:
    sources, targets = axes_in_order(source, x.ndim), axes_in_order(target, x.ndim)
    rest = iter(i for i in range(x.ndim) if i not in sources)
    return x.permute(*(sources[targets.index(i)] if i in targets else next(rest) for i in range(x.ndim)))


def axes_in_order(dim: Any, rank: int) -> list[int]:
    """Axes from the front, in the order in which they are given."""
    return [d % rank for d in ((dim,) if isinstance(dim, int) else dim)]


@aten("unsqueeze")
def _(x: Value, dim: int) -> Value:
    at = dim % (x.ndim + 1)
    return x.reshape((*x.shape[:at], 1, *x.shape[at:]))


@aten("squeeze")
def _(x: Value, dim: Any = None) -> Value:
    over = axes(dim, x.ndim)
    return x.reshape(tuple(n for i, n in enumerate(x.shape) if i not in over or n != 1))


@aten("expand", "broadcast_to")
def _(x: Value, shape: Sequence[int], *, implicit: bool = False) -> Value:
    wide = ranked(x, len(shape))
    wanted = tuple(n if s == -1 else s for n, s in zip(wide.shape, shape, strict=True))
    return expanded(wide, wanted)


@aten("expand_as")
def _(x: Value, other: Value) -> Value:
    return expanded(ranked(x, other.ndim), other.shape)


def expanded(x: Value, shape: tuple[int, ...]) -> Value:
    """x repeated to a shape of its rank."""
    if x.shape == shape:
        return x
    return x.trace.emit("Expand", [x, x.trace.constant(np.array(shape, np.int64), "shape")])


@aten("repeat")
def _(x: Value, times: Sequence[int]) -> Value:
    y = ranked(x, len(times))
    for axis, count in enumerate(times):
        y = F.cat([y] * count, axis) if count > 1 else y
    return y


@aten("repeat_interleave")
def _(x: Value, times: Any, dim: int | None = None, *, output_size: int | None = None) -> Value:
    if dim is None:  # of all elements in a row
        x, dim = x.reshape(x.size), 0
    return gathered(x, np.repeat(np.arange(x.shape[dim]), _places(times)), dim)


@aten("cat", "concat", "concatenate")
def _(values: Sequence[Value], dim: int = 0) -> Value:
    given = [v for v in values if v.size or v.ndim > 1]
    return given[0] if len(given) == 1 else F.cat(given, dim)


@aten("stack")
def _(values: Sequence[Value], dim: int = 0) -> Value:
    at = dim % (values[0].ndim + 1)
    return F.cat([v.reshape((*v.shape[:at], 1, *v.shape[at:])) for v in values], at)


@aten("split_with_sizes", "split_with_sizes_copy")
def in_sizes(x: Value, sizes: Sequence[int], dim: int = 0) -> list[Value]:
    """Parts one after another."""
    ends = np.cumsum(sizes)
    return [part(x, dim, int(e - n), int(e)) for e, n in zip(ends, sizes, strict=True)]


@aten("split")
def _(x: Value, size: Any, dim: int = 0) -> list[Value]:
    if not isinstance(size, int):
        return in_sizes(x, size, dim)
    return [part(x, dim, at, min(at + size, x.shape[dim])) for at in range(0, x.shape[dim], size)]


@aten("chunk")
def _(x: Value, count: int, dim: int = 0) -> list[Value]:
    size = -(-x.shape[dim] // count)
    return [part(x, dim, at, min(at + size, x.shape[dim])) for at in range(0, x.shape[dim], size)]


@aten("unbind")
def _(x: Value, dim: int = 0) -> list[Value]:
    front = (slice(None),) * (dim % x.ndim)
    return [x[(*front, i)] for i in range(x.shape[dim])]


@aten("select")
def _(x: Value, dim: int, index: int) -> Value:
    return x[(*(slice(None),) * (dim % x.ndim), index)]


@aten("slice")
def _(x: Value, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1) -> Value:
    return x[(*(slice(None),) * (dim % x.ndim), slice(*slice(start, end, step).indices(x.shape[dim])))]


@aten("narrow")
def _(x: Value, dim: int, start: int, length: int) -> Value:
    return part(x, dim, start, start + length)


def part(x: Value, dim: int, start: int, end: int) -> Value:
    """What lies between two places of an axis."""
    return x[(*(slice(None),) * (dim % x.ndim), slice(start, end))]


def gathered(x: Value, index: Any, dim: int) -> Value:
    """Elements of an axis at constant places."""
    places = x.trace.constant(np.asarray(index, np.int64), "places")
    return x.trace.emit("Gather", [x, places], {"axis": dim % x.ndim})


@aten("index_select")
def _(x: Value, dim: int, index: Value) -> Value:
    return gathered(x, _places(index), dim)


@aten("index")
def _(x: Value, indices: Sequence[Value | None]) -> Value:
    given = [i for i, v in enumerate(indices) if v is not None]
    if len(given) != 1:
        raise GraphError(f"{x.trace.where}: indices along several axes at once have no counterpart here")
    places = _places(indices[given[0]])
    if places.dtype == bool:
        if places.ndim > 1:
            raise GraphError(
                f"{x.trace.where}: a mask of {places.ndim} axes as an index has no counterpart here: flatten both, or "
                "multiply by the mask"
            )
        places = np.flatnonzero(places)
    return gathered(x, places, given[0])


def _places(index: Any) -> Any:
    found = known(index)
    if found is None:
        raise GraphError("an index that depends on the input has no counterpart here")
    return found


@aten("flip")
def _(x: Value, dims: Sequence[int]) -> Value:
    for d in dims:
        x = gathered(x, np.arange(x.shape[d])[::-1], d)
    return x


@aten("roll")
def _(x: Value, shifts: Any, dims: Any = ()) -> Value:
    many = [shifts] if isinstance(shifts, int) else shifts
    for s, d in zip(many, axes_in_order(dims, x.ndim), strict=True):
        x = gathered(x, np.roll(np.arange(x.shape[d]), s), d)
    return x


@aten("pad", "constant_pad_nd")
def _(x: Value, pads: Sequence[int], mode: Any = "constant", value: float | None = None) -> Value:
    if not isinstance(mode, str):  # constant_pad_nd has the value here
        mode, value = "constant", float(mode)
    count = len(pads) // 2
    before, after = (0,) * (x.ndim - count) + tuple(pads[-2::-2]), (0,) * (x.ndim - count) + tuple(pads[::-2])
    if mode == "constant":
        for axis, (b, a) in enumerate(zip(before, after, strict=True)):  # less than nothing is cut off
            x = part(x, axis, max(0, -b), x.shape[axis] - max(0, -a)) if min(a, b) < 0 else x
        ends = x.trace.constant(np.array([max(0, n) for n in (*before, *after)], np.int64), "pads")
        fill = [] if not value else [x.trace.constant(np.asarray(value, x.dtype))]
        return x.trace.emit("Pad", [x, ends, *fill], {"mode": "constant"})
    for axis, (b, a) in enumerate(zip(before, after, strict=True)):
        if b or a:
            numpy_mode = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}[mode]
            x = gathered(x, np.pad(np.arange(x.shape[axis]), (b, a), mode=numpy_mode), axis)  # type: ignore[call-overload]
    return x


@aten("pixel_shuffle")
def shuffled(x: Value, factor: int) -> Value:
    """Channels as places."""
    n, c, h, w = x.shape
    y = x.reshape(n, c // factor**2, factor, factor, h, w).permute(0, 1, 4, 2, 5, 3)
    return y.reshape(n, c // factor**2, h * factor, w * factor)


@aten("upsample_nearest1d", "upsample_nearest2d", "upsample_nearest3d")
def repeated(x: Value, size: Sequence[int] | None, scales: Sequence[float] | None = None, *_: Any) -> Value:
    """Each place several times."""
    for axis in range(2, x.ndim):
        n = x.shape[axis]
        scale = None if scales is None or not isinstance(scales, Sequence) else scales[axis - 2]
        out = size[axis - 2] if size is not None else int(n * scale)  # type: ignore[operator]
        step = n / out if scale is None else 1 / scale
        x = gathered(x, np.minimum(np.floor(np.arange(out) * step).astype(np.int64), n - 1), axis)
    return x


@aten("upsample_bilinear2d", "upsample_linear1d", "upsample_trilinear3d")
def interpolated(
    x: Value, size: Sequence[int] | None, align_corners: bool, scales: Sequence[float] | None = None, *_: Any
) -> Value:
    """Between places linearly: a matrix an axis."""
    for axis in range(2, x.ndim):
        n = x.shape[axis]
        scale = None if scales is None or not isinstance(scales, Sequence) else scales[axis - 2]
        out = size[axis - 2] if size is not None else int(n * scale)  # type: ignore[operator]
        if align_corners:
            at = np.arange(out) * ((n - 1) / max(1, out - 1))
        else:
            at = np.maximum((np.arange(out) + 0.5) * (n / out if scale is None else 1 / scale) - 0.5, 0)
        low = np.minimum(at.astype(int), n - 1)
        matrix = np.zeros((n, out))
        np.add.at(matrix, (low, np.arange(out)), 1 - (at - low))
        np.add.at(matrix, (np.minimum(low + 1, n - 1), np.arange(out)), at - low)
        x = (x.transpose(axis, -1) @ matrix.astype(x.dtype)).transpose(axis, -1)
    return x
