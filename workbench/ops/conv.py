"""Conv and ConvTranspose in one to three spatial dimensions, with groups, dilations and padding.

The transposed convolution is the adjoint of a convolution, so that both are one linear map, used in both directions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import prod
from typing import Any

import numpy as np

from workbench.arrays.device import array, host, on_host
from workbench.floats.program import Semantics
from workbench.graph import Array
from workbench.limits import check_size
from workbench.op import Call, Op, UnsupportedOperator, as_float64
from workbench.ops.generators.batched import (
    Memory,
    columns,
    fits,
    folded_many,
    fresh,
    innermost,
    kernel_many,
    unfolded_many,
)
from workbench.ops.generators.convolution import (
    backward,
    folded,
    folded_nodes,
    forward,
    kernel_nodes,
    unfolded,
    unfolded_nodes,
    widened,
)
from workbench.ops.generators.linear import linear, weighted
from workbench.ops.generators.tiles import tiles
from workbench.ops.generators.window import Window, float_zeros, transposed_window_of, window_of
from workbench.ops.shape import given
from workbench.semantics.affine import Linear
from workbench.semantics.cotangent import Term, Terms
from workbench.semantics.interval import Interval
from workbench.semantics.leaves import MOST_LEAVES, Stored, dense_errors
from workbench.semantics.real import FloatArithmetic, real

conv = Op("Conv", "y = kernel * x + bias", r"y=w*x+b")
transposed = Op("ConvTranspose", "y = the adjoint of a convolution, of x, + bias", r"y=w^{\mathsf T}*x+b")


def geometry(call: Call) -> tuple[Window, int]:
    """The window and the number of groups, checked against the operands' shapes.

    Raises
    ------
    ValueError
        Shapes that do not fit; said in the operator's terms.
    """
    x, w = given(call, 0), given(call, 1)
    rank, groups = len(x) - 2, int(call.attr("group", 1))
    if not 1 <= rank <= 3 or len(w) != rank + 2:
        raise ValueError(
            "it needs x of shape (batch, channels, 1 to 3 spatial axes) and a kernel of the same rank"
        )
    kernel = w[2:]
    if tuple(call.attr("kernel_shape", kernel)) != kernel:
        raise ValueError(
            f"kernel_shape {list(call.attr('kernel_shape'))} is not the kernel's, {list(kernel)}"
        )
    if call.node.op == "Conv":
        if groups < 1 or w[0] % groups or w[1] * groups != x[1]:
            raise ValueError(f"{x[1]} channels in {groups} groups do not fit a kernel of shape {list(w)}")
        win, channels = window_of(call, x[2:], kernel), w[0]
        check_size(call.node.describe(), (x[0], channels, *win.out))
    else:
        if groups < 1 or x[1] % groups or w[0] != x[1]:
            raise ValueError(f"{x[1]} channels in {groups} groups do not fit a kernel of shape {list(w)}")
        win, channels = transposed_window_of(call, x[2:], kernel), w[1] * groups
        check_size(call.node.describe(), (x[0], channels, *win.padded))
    check_size(f"an intermediate of {call.node.describe()}", (max(x[1], channels), win.taps, *win.out))
    bias = call.shapes[2] if call.has(2) else None
    if bias is not None and bias != (channels,):
        raise ValueError(f"a bias of shape {list(bias)} does not fit {channels} channels")
    return win, groups


def _channels(call: Call) -> int:
    """Channels of the result."""
    w = given(call, 1)
    return w[0] if call.node.op == "Conv" else w[1] * int(call.attr("group", 1))


def machine(x: Array, w: Array, win: Window, groups: int, direct: bool, memory: Memory = fresh) -> Array:
    """The convolution, or its adjoint, in floats: many pictures at once, or in blocks that fit the cache."""
    if fits(x.shape[0], w.shape[1] * groups, win):
        if direct:
            return unfolded_many(columns(x, win, memory), w, win, groups, memory)
        return folded_many(innermost(x, memory), w, win, groups, memory)
    return forward(w, win, groups)(x) if direct else folded(x, w, win, groups)


def _real(direct: bool) -> Callable[..., Array]:
    def rule(call: Call, ns: Any, x: Array, w: Array, b: Array | None = None) -> Array:
        win, groups = call.cached("window", lambda: geometry(call))
        if w.shape[0] != 1:
            raise UnsupportedOperator(f"{call.node.describe()}: the kernel must not depend on the input")
        flat = x.reshape(-1, *x.shape[2:])
        if not on_host(x):
            y = (forward if direct else backward)(host(w[0]), win, groups)(flat)
        elif not any(x.strides) and x.dtype.kind == "f" and not x.flat[0]:
            # one zero, repeated: where shapes are inferred, nothing else is known, and nothing needs to be computed
            y = np.zeros(
                (flat.shape[0], _channels(call), *(win.out if direct else win.size)), np.result_type(x, w)
            )
        elif isinstance(ns, FloatArithmetic):  # sums in the machine's own order
            y = machine(flat, w[0], win, groups, direct, ns.memory)
        elif direct:
            y = unfolded(flat, w[0], win, groups, ns.zeros, ns.matmul)
        else:  # every sum has all its products as leaves, so that an order of summation is one of all of them
            wide, turned = widened(flat, w[0], win, groups, ns.zeros)
            y = unfolded(*wide, turned, groups, ns.zeros, ns.matmul)
        if b is not None:
            y = ns.add(y, b.reshape(b.shape[1], *(1,) * len(win.size)))
        return array(y.reshape(x.shape[0], x.shape[1], *y.shape[1:]))

    return rule


conv.rule(real)(_real(direct=True))
transposed.rule(real)(_real(direct=False))


def _form(call: Call) -> Linear:
    kernel = call.constant(1)
    if kernel is None or (call.has(2) and call.constant(2) is None):
        raise UnsupportedOperator(f"{call.node.describe()}: kernel and bias must not depend on the input")
    win, groups = geometry(call)
    inner, outer = given(call, 0), call.shape
    direct = call.node.op == "Conv"
    w = np.ascontiguousarray(as_float64(kernel))

    def build(weight: Array) -> tuple[Callable[[Array], Array], Callable[[Array], Array]]:
        there, back = forward(weight, win, groups), backward(weight, win, groups)
        first, second = (there, back) if direct else (back, there)
        return (
            lambda x: first(x.reshape(-1, *inner[1:])).reshape(x.shape[0], *outer),
            lambda y: second(y.reshape(-1, *outer[1:])).reshape(y.shape[0], *inner),
        )

    gathered = w.shape[1] * win.taps
    spread = (
        w.shape[0]
        // groups
        * prod(
            -(-((k - 1) * d + 1) // s) for k, d, s in zip(win.kernel, win.dilations, win.strides, strict=True)
        )
    )
    terms, back_terms = (gathered, spread) if direct else (spread, gathered)
    rows = _unit_rows(w, win, groups, inner, outer) if direct else None
    first = weighted(w, build, terms, back_terms, rows)
    if direct:
        first = replace(first, tiles=lambda: tiles(win, groups, inner, outer))
    rest = (None,) * (len(call.shapes) - 1)
    b = call.constant(2)
    if b is None:
        return Linear((first, *rest))
    bias = np.broadcast_to(as_float64(b).reshape(-1, *(1,) * len(win.size)), outer)[None]
    return Linear((first, *rest), np.ascontiguousarray(bias))


def _unit_rows(
    w: Array, win: Window, groups: int, inner: tuple[int, ...], outer: tuple[int, ...]
) -> Callable[[Array], Array]:
    """The adjoint of unit rows: the kernel, placed where its window is."""
    per = w.shape[0] // groups
    offsets = np.indices(win.kernel).reshape(len(win.kernel), -1)
    flat = w.reshape(w.shape[0], w.shape[1], -1)

    def rows(index: Array) -> Array:
        sample, channel, *at = np.unravel_index(np.asarray(index), outer)
        count = len(sample)
        position = np.zeros((count, 1), np.intp)
        seen = np.ones((count, win.taps), bool)
        for axis, o in enumerate(at):
            i = o[:, None] * win.strides[axis] - win.begin[axis] + offsets[axis] * win.dilations[axis]
            seen &= (i >= 0) & (i < win.size[axis])
            position = position * win.size[axis] + i
        x = np.zeros((count, inner[0], inner[1], prod(win.size)))
        row, tap = np.nonzero(seen)
        first = (channel // per) * w.shape[1]
        for c in range(w.shape[1]):
            x[row, sample[row], first[row] + c, position[row, tap]] = flat[channel[row], c, tap]
        return x.reshape(count, *inner)

    return rows


def _leafwise(call: Call, program: Semantics, ranges: tuple[Interval | None, ...]) -> Array | None:
    """The sharper rounding bound of a convolution: every window is a row of a dense product."""
    kernel, x = call.constant(1), ranges[0]
    assert kernel is not None
    assert x is not None
    win, groups = geometry(call)
    places, per = prod(win.out), kernel.shape[0] // groups
    if x.lo.shape[0] * prod(call.shape) * kernel.shape[1] * win.taps > MOST_LEAVES:
        return None

    def columns(end: Array) -> Array:
        flat = end.reshape(-1, *end.shape[2:])
        seen = win.view(win.pad(flat, float_zeros)).reshape(flat.shape[0], groups, -1, places)
        return seen.transpose(1, 0, 3, 2).reshape(groups, -1, seen.shape[2])

    low, high = columns(x.lo), columns(x.hi)
    b = call.constant(2)
    weights = call.cached(
        "stored by groups", lambda: [Stored.of(w) for w in as_float64(kernel).reshape(groups, per, -1)]
    )
    found = []
    for g in range(groups):
        bias = None
        if b is not None:
            bias = np.broadcast_to(as_float64(b)[g * per : (g + 1) * per], (low.shape[1], per))
        part = dense_errors(weights[g], Interval(low[g], high[g]), bias, program)
        if part is None:
            return None
        found.append(part.reshape(-1, places, per))
    whole = np.concatenate(found, axis=-1)
    return whole.transpose(0, 2, 1).reshape(-1, *call.shape)


def _trained(call: Call, operands: tuple[Array, ...], seed: Array) -> tuple[Array | None, ...]:
    """The gradient where kernel and bias are being trained.

    y = w * x is bilinear: by x it is the adjoint map; by w[m, c, t] it is the sum, over samples and places, of the
    outer side's channel m times what tap t of the inner side's channel c sees there.
    """
    win, groups = call.cached("window", lambda: geometry(call))
    direct, w = call.node.op == "Conv", operands[1][0]
    if operands[0].shape[0] == seed.shape[0] == operands[1].shape[0] == 1 and fits(
        seed.shape[1], w.shape[1] * groups, win
    ):
        return _trained_many(call, operands, seed, win, groups)
    x, y = operands[0], seed
    count = max(x.shape[0], y.shape[0])
    if operands[1].shape[0] != 1:
        raise UnsupportedOperator(f"{call.node.describe()}: the kernel must be one for all examples")
    flat = x.reshape(-1, *x.shape[2:])
    up = y.reshape(-1, *y.shape[2:])
    found: list[Array | None] = [None] * len(call.shapes)
    if call.wants(0):
        there = backward(w, win, groups) if direct else forward(w, win, groups)
        found[0] = there(up).reshape(y.shape[0], *x.shape[1:])
    if call.wants(1):
        if x.shape[0] != y.shape[0]:  # rows of a Jacobian at one point
            flat = np.broadcast_to(x, (count, *x.shape[1:])).reshape(-1, *x.shape[2:])
        inner, outer = (flat, up) if direct else (up, flat)
        places, (m, c) = prod(win.out), w.shape[:2]
        each = inner.shape[0] // count
        seen = win.view(win.pad(inner, float_zeros)).reshape(count, each, groups, c * win.taps, places)
        columns = seen.transpose(0, 2, 1, 4, 3).reshape(count, groups, each * places, c * win.taps)
        rows = outer.reshape(count, each, groups, m // groups, places).transpose(0, 2, 3, 1, 4)
        found[1] = np.matmul(rows.reshape(count, groups, m // groups, -1), columns).reshape(count, *w.shape)
    if call.wants(2):
        found[2] = y.sum(axis=(1, *range(3, y.ndim)))
    return tuple(found)


def _trained_many(
    call: Call, operands: tuple[Array, ...], seed: Array, win: Window, groups: int
) -> tuple[Array | None, ...]:
    """`_trained` for a batch that is the node's own: the columns of the forward pass, where they are still there."""
    direct, (x, y, w) = call.node.op == "Conv", (operands[0][0], seed[0], operands[1][0])
    ns = call.memo.get("memory")
    memory: Memory = fresh if ns is None else ns.memory
    found: list[Array | None] = [None] * len(call.shapes)
    if direct:
        up = innermost(y, memory)
        if call.wants(1):
            seen = ns.named["columns"] if ns is not None and "columns" in ns.named else columns(x, win)
            found[1] = kernel_many(seen, up, w, win, groups)[None]
        if call.wants(0):
            found[0] = folded_many(up, w, win, groups, memory)[None]
    else:
        seen = columns(y, win, memory)
        if call.wants(1):
            found[1] = kernel_many(seen, innermost(x), w, win, groups)[None]
        if call.wants(0):
            found[0] = unfolded_many(seen, w, win, groups, lambda name, *more: memory("back", *more))[None]
    if call.wants(2):
        found[2] = seed.sum(axis=(1, *range(3, seed.ndim)))
    return tuple(found)


def _nodes(call: Call, operands: Terms, value: Term, seed: Term) -> Terms:
    """By x the other of the two convolutions; by the kernel a product with what its taps see."""
    win, groups = call.cached("window", lambda: geometry(call))
    direct, (x, w) = call.node.op == "Conv", operands[:2]
    found: list[Term | None] = [None] * len(call.shapes)
    if call.is_live(0) and call.wants(0):
        found[0] = (folded_nodes if direct else unfolded_nodes)(seed, w, win, groups)
    if call.is_live(1) and call.wants(1):
        found[1] = kernel_nodes(x, seed, win, groups) if direct else kernel_nodes(seed, x, win, groups)
    if call.is_live(2) and call.wants(2):
        found[2] = seed.sum((0, *range(2, seed.ndim)))
    return found


linear(conv, _form, leafwise=_leafwise, trained=_trained, nodes=_nodes)
linear(transposed, _form, trained=_trained, nodes=_nodes)
