"""AveragePool and GlobalAveragePool, and the windows of every pooling."""

from __future__ import annotations

from typing import Any

import numpy as np

from workbench.floats.program import Semantics
from workbench.graph import Array
from workbench.limits import check_size
from workbench.op import Call, Op
from workbench.ops.generators.convolution import folded_nodes
from workbench.ops.generators.linear import linear
from workbench.ops.generators.window import Window, float_zeros, key, window_of
from workbench.ops.shape import given
from workbench.semantics.affine import Linear, LinearMap
from workbench.semantics.cotangent import Term, Terms, fixed, repeated
from workbench.semantics.interval import Interval
from workbench.semantics.real import real
from workbench.semantics.rounding import Local, rounding
from workbench.semantics.summation import affine_local

average = Op("AveragePool", "y = mean of x over a window", r"y=\frac1n\sum_{w}x_w")
everywhere = Op("GlobalAveragePool", "y = mean of x over all positions", r"y=\frac1n\sum_{w}x_w")


def geometry(call: Call) -> Window:
    """The window, over the operand's spatial axes.

    Raises
    ------
    ValueError
        Attributes that do not fit, or a window that sees nothing but padding.
    """

    def make() -> Window:
        size = given(call, 0)[2:]
        if not 1 <= len(size) <= 3:
            raise ValueError("it needs an operand of shape (batch, channels, 1 to 3 spatial axes)")
        if call.node.op == "GlobalAveragePool":
            one = (1,) * len(size)
            return Window(size, size, one, one, (0,) * len(size), one)
        kernel = call.attr("kernel_shape")
        if kernel is None:
            raise ValueError("it does not say how large its window is")
        win = window_of(call, size, tuple(kernel))
        check_size(call.node.describe(), (*given(call, 0)[:2], win.taps, *win.out))
        return win

    win = call.cached("window", make)
    if not call.cached("seen", lambda: _seen(win).all()):
        raise ValueError("a window sees nothing but padding")
    return win


def _seen(win: Window) -> Array:
    """How many elements of the input each window sees, ``(*out)``."""
    return np.asarray(win.real().sum(axis=tuple(range(len(win.size)))))


def flat(x: Array) -> Array:
    """``(N, b, C, *s) -> (N b, C, *s)``: windows do not mind whose sample it is."""
    return x.reshape(-1, *x.shape[2:])


def _counts(call: Call, win: Window) -> Array:
    """What each window's sum is divided by, integers ``(*out)``."""
    if not call.attr("count_include_pad", 0):
        return _seen(win)
    pads = tuple(call.attr("pads", (0,) * 2 * len(win.size)))
    if call.attr("auto_pad", "NOTSET") not in ("NOTSET", "VALID"):
        return np.full(win.out, win.taps)
    counts = np.ones((), np.int64)
    for axis, (n, e) in enumerate(zip(win.size, pads[len(win.size) :], strict=True)):
        # a window that hangs over the end (ceil_mode) counts the padding that was asked for, and no more
        o, k = np.arange(win.out[axis])[:, None], np.arange(win.kernel[axis])
        at = o * win.strides[axis] + k * win.dilations[axis]
        counts = counts[..., None] * (at < win.begin[axis] + n + e).sum(axis=1)
    return counts


def _mean(call: Call, ns: Any, x: Array) -> Array:
    win = geometry(call)
    taps = win.view(win.pad(flat(x), ns.zeros))
    total = ns.sum(taps.reshape(*taps.shape[:2], win.taps, *win.out), (2,))[:, :, 0]
    counts = np.array([ns.number(c) for c in _counts(call, win).ravel().tolist()], dtype=x.dtype).reshape(
        win.out
    )
    return np.asarray(ns.div(total, counts).reshape(*x.shape[:3], *win.out))


def _mean_form(call: Call) -> Linear:
    win, inner, outer = geometry(call), given(call, 0), call.shape
    # 1/n is rounded once, and its product with the sum once more
    inverse = 1.0 / _counts(call, win).astype(np.float64)

    def apply(x: Array) -> Array:
        x = win.pad(flat(x), float_zeros)
        total = np.zeros((*x.shape[:2], *win.out), x.dtype)
        for tap in win.every():
            total += x[key(slice(None), slice(None), *win.at(tap))]
        return (total * inverse).reshape(-1, *outer)

    def adjoint(y: Array) -> Array:
        share = np.expand_dims(flat(y) * inverse, tuple(range(2, 2 + len(win.size))))
        spread = np.broadcast_to(share, (*share.shape[:2], *win.kernel, *win.out))
        return win.scatter(spread, float_zeros).reshape(-1, *inner)

    return Linear((LinearMap(apply, adjoint, apply, adjoint, win.taps + 2, win.overlap + 2),))


def _share_back(call: Call, operands: Terms, value: Term, seed: Term) -> Terms | None:
    """Each window's share, spread over it: a transposed convolution of every channel, by a kernel of ones."""
    win, inner = geometry(call), given(call, 0)
    share = seed / fixed(seed, _counts(call, win).astype(np.float64).reshape(1, 1, *win.out))
    if call.node.op == "GlobalAveragePool":
        return (repeated(share, inner),)
    ones = fixed(seed, np.ones((inner[1], 1, *win.kernel)), "ones")
    return (folded_nodes(share, ones, win, inner[1]),)


def _register_mean(op: Op) -> None:
    op.rule(real)(_mean)
    linear(op, _mean_form, kind=None, nodes=_share_back)

    @op.rule(rounding)
    def _(call: Call, program: Semantics, x: Interval) -> Local:
        most = float(_counts(call, geometry(call)).max())
        return affine_local(call, program, _mean_form, (x,), kind="scaled", factor=most)


for _op in (average, everywhere):
    _register_mean(_op)
