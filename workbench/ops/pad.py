"""Pad: a constant, mirrored, repeated or wrapped-around border; negative amounts cut."""

from __future__ import annotations

import numpy as np

from workbench.graph import Array
from workbench.limits import check_size
from workbench.op import Call, Op
from workbench.ops.generators.linear import movement, moves
from workbench.ops.move import put, take
from workbench.ops.shape import axes_of, given, integers
from workbench.semantics.affine import LinearMap
from workbench.semantics.cotangent import Term, Terms, bordered

pad = Op("Pad", "y = x with a border", r"y=\mathrm{pad}(x)", moves=True)

Amounts = tuple[tuple[int, int], ...]


def amounts(call: Call) -> Amounts:
    """Elements to add before and after, for every axis of the operand."""
    shape, pads = given(call, 0), integers(call, "pads", 1)
    if pads is None:
        raise ValueError("it does not say how much to pad")
    axes = axes_of(integers(call, "axes", 3, tuple(range(len(shape)))), len(shape))
    if len(pads) != 2 * len(axes):
        raise ValueError(f"{len(pads)} amounts do not fit {len(axes)} axes")
    found = [(0, 0)] * len(shape)
    for i, axis in enumerate(axes):
        found[axis] = (int(pads[i]), int(pads[i + len(axes)]))
    check_size(call.node.describe(), [n + b + e for n, (b, e) in zip(shape, found, strict=True)])
    return tuple(found)


def _window(shape: tuple[int, ...], pads: Amounts) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Which elements stay, and where they lie in the result."""
    kept = tuple(slice(max(0, -b), n - max(0, -e)) for n, (b, e) in zip(shape, pads, strict=True))
    start = [max(0, b) for b, _ in pads]
    there = tuple(slice(s, s + max(0, k.stop - k.start)) for s, k in zip(start, kept, strict=True))
    return (slice(None), *kept), (slice(None), *there)


def _indices(n: int, amount: tuple[int, int], mode: str) -> Array:
    """Where the elements of one axis come from."""
    if mode == "reflect" and max(amount) >= n:
        raise ValueError(f"a mirrored border of {max(amount)} does not fit an axis of length {n}")
    if mode not in ("reflect", "edge", "wrap"):
        raise ValueError(f"the mode {mode!r} is not known")
    before, after = max(0, amount[0]), max(0, amount[1])
    index = np.pad(np.arange(n), (before, after), mode=mode)  # type: ignore[call-overload]
    return np.asarray(index[max(0, -amount[0]) : len(index) - max(0, -amount[1])])


def _apply(
    call: Call, x: Array, _pads: Array | None = None, value: Array | None = None, *_: Array | None
) -> Array:
    pads, mode, shape = amounts(call), call.attr("mode", "constant"), x.shape[1:]
    if mode != "constant":
        for axis, amount in enumerate(pads):
            if any(amount):
                x = take(x, axis, _indices(shape[axis], amount, mode))
        return x
    kept, there = _window(shape, pads)
    size = tuple(n + b + e for n, (b, e) in zip(shape, pads, strict=True))
    if value is not None:
        fill = value.reshape(value.shape[0], -1)[:, :1].astype(x.dtype, copy=False)
        fill = fill.reshape(-1, *(1,) * len(shape))  # one a sample
    else:  # a zero of x's own kind of number, which may be a rational
        fill = x.reshape(-1)[:1] * 0 if x.dtype == object else np.zeros((), x.dtype)
    batch = max(x.shape[0], fill.shape[0] if fill.ndim else 1)
    y = np.array(np.broadcast_to(fill, (batch, *size)))
    y[there] = x[kept]
    return y


def _maps(call: Call) -> tuple[LinearMap | None, ...]:
    pads, mode, inner = amounts(call), call.attr("mode", "constant"), given(call, 0)
    rest = (None,) * (len(call.shapes) - 1)
    if mode == "constant":
        kept, there = _window(inner, pads)

        def place(x: Array) -> Array:
            y = np.zeros((x.shape[0], *call.shape), x.dtype)
            y[there] = x[kept]
            return y

        def cut(y: Array) -> Array:
            x = np.zeros((y.shape[0], *inner), y.dtype)
            x[kept] = y[there]
            return x

        return (movement(place, cut), *rest)
    moved = [(axis, _indices(inner[axis], amount, mode)) for axis, amount in enumerate(pads) if any(amount)]

    def apply(x: Array) -> Array:
        for axis, index in moved:
            x = take(x, axis, index)
        return x

    def adjoint(y: Array) -> Array:
        for axis, index in reversed(moved):
            shape = (*y.shape[1 : axis + 1], inner[axis], *y.shape[axis + 2 :])
            y = put(y, axis, index, shape)
        return y

    copies = 1
    for _, index in moved:
        copies *= int(np.bincount(index).max(initial=1))
    return (movement(apply, adjoint, copies), *rest)


def _cut_back(call: Call, operands: Terms, value: Term, seed: Term) -> Terms | None:
    """What lies inside the border, and zeros where elements were cut away."""
    if call.attr("mode", "constant") != "constant" or call.is_live(2):
        return None
    inner = given(call, 0)
    kept, there = _window(inner, amounts(call))
    found = seed[there[1:]]
    ends = [n - k.stop for n, k in zip(inner, kept[1:], strict=True)]
    return bordered(found, [k.start for k in kept[1:]], ends), *(None for _ in call.shapes[1:])


moves(pad, _apply, _maps, nodes=_cut_back)
