"""MaxPool, AveragePool and GlobalAveragePool."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from workbench.floats.program import Semantics
from workbench.graph import Array
from workbench.limits import check_size
from workbench.op import Call, Op
from workbench.ops.generators.largest import largest_lines
from workbench.ops.generators.linear import linear, movement
from workbench.ops.generators.window import Window, float_zeros, key, window_of
from workbench.ops.shape import given
from workbench.semantics.affine import Linear, LinearMap, Relaxation, affine
from workbench.semantics.gradient import gradient
from workbench.semantics.interval import Interval, interval
from workbench.semantics.real import FLOAT, real
from workbench.semantics.rounding import Local, Slopes, exactly, pick_slopes, rounding
from workbench.semantics.summation import affine_local

average = Op("AveragePool", "y = mean of x over a window", r"y=\frac1n\sum_{w}x_w")
everywhere = Op("GlobalAveragePool", "y = mean of x over all positions", r"y=\frac1n\sum_{w}x_w")
largest = Op("MaxPool", "y = largest x in a window", r"y=\max_{w}x_w")


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


def _flat(x: Array) -> Array:
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
    taps = win.view(win.pad(_flat(x), ns.zeros))
    total = ns.sum(taps.reshape(*taps.shape[:2], win.taps, *win.out), (2,))[:, :, 0]
    counts = np.array([ns.number(c) for c in _counts(call, win).ravel().tolist()], dtype=x.dtype).reshape(
        win.out
    )
    return np.asarray((total / counts).reshape(*x.shape[:3], *win.out))


def _mean_form(call: Call) -> Linear:
    win, inner, outer = geometry(call), given(call, 0), call.shape
    # 1/n is rounded once, and its product with the sum once more
    inverse = 1.0 / _counts(call, win).astype(np.float64)

    def apply(x: Array) -> Array:
        x = win.pad(_flat(x), float_zeros)
        total = np.zeros((*x.shape[:2], *win.out), x.dtype)
        for tap in win.every():
            total += x[key(slice(None), slice(None), *win.at(tap))]
        return (total * inverse).reshape(-1, *outer)

    def adjoint(y: Array) -> Array:
        share = np.expand_dims(_flat(y) * inverse, tuple(range(2, 2 + len(win.size))))
        spread = np.broadcast_to(share, (*share.shape[:2], *win.kernel, *win.out))
        return win.scatter(spread, float_zeros).reshape(-1, *inner)

    return Linear((LinearMap(apply, adjoint, apply, adjoint, win.taps + 2, win.overlap + 2),))


def _register_mean(op: Op) -> None:
    op.rule(real)(_mean)
    linear(op, _mean_form, kind=None)

    @op.rule(rounding)
    def _(call: Call, program: Semantics, x: Interval) -> Local:
        most = float(_counts(call, geometry(call)).max())
        return affine_local(call, program, _mean_form, (x,), kind="scaled", factor=most)


for _op in (average, everywhere):
    _register_mean(_op)


def _unfold(call: Call) -> LinearMap:
    """Windows as a last axis: ``(N, *in) -> (N, *out, K)``, zeros where they see padding."""
    win, inner, outer = geometry(call), given(call, 0), call.shape

    def apply(x: Array) -> Array:
        taps = win.view(win.pad(_flat(x), float_zeros))
        rows = taps.reshape(*taps.shape[:2], win.taps, *win.out)
        return np.moveaxis(rows, 2, -1).reshape(x.shape[0], *outer, win.taps)

    def adjoint(y: Array) -> Array:
        rows = np.moveaxis(y.reshape(-1, *outer[1:], win.taps), -1, 2)
        return win.scatter(rows.reshape(*rows.shape[:2], *win.kernel, *win.out), float_zeros).reshape(
            -1, *inner
        )

    return movement(apply, adjoint, win.overlap)


def _sources(win: Window) -> Array:
    """Flat input index that each tap sees, ``(taps, *out)``; a tap on padding sees its window's first element again.

    So padding can never win, in any kind of numbers, and no fill value is needed.
    """
    index = np.full((1, 1, *win.padded), -1)
    index[key(0, 0, *win.inside)] = np.arange(prod(win.size)).reshape(win.size)
    taps = win.view(index)[0, 0].reshape(win.taps, *win.out)
    first = np.take_along_axis(taps, (taps >= 0).argmax(axis=0)[None], axis=0)
    return np.where(taps >= 0, taps, first)


def _windows(call: Call, x: Array) -> Array:
    """``(N, *in) -> (N, b, C, taps, *out)``."""
    win = geometry(call)
    if not win.is_padded:
        taps = win.view(_flat(x))
        return taps.reshape(*x.shape[:3], win.taps, *win.out)
    sources = call.cached("sources", lambda: _sources(win))
    return x.reshape(*x.shape[:3], -1)[..., sources]


def _max(call: Call, ns: Any, x: Array) -> Array:
    return np.asarray(ns.max(_windows(call, x), (3,))[:, :, :, 0])


@largest.rule(real)
def _(call: Call, ns: Any, x: Array) -> Array:
    return _max(call, ns, x)


@largest.rule(interval)
def _(call: Call, x: Interval) -> Interval:
    return Interval(_max(call, FLOAT, x.lo), _max(call, FLOAT, x.hi))


@largest.rule(affine)
def _(call: Call, x: Interval) -> Relaxation:
    win = geometry(call)
    unfold = call.cached("unfold", lambda: _unfold(call))
    mask = np.moveaxis(win.real().reshape(win.taps, *win.out), 0, -1) if win.is_padded else None
    return largest_lines(Interval(unfold.apply(x.lo), unfold.apply(x.hi)), mask, unfold)


@largest.rule(rounding)
def _(call: Call, program: Semantics, x: Interval) -> Local:
    """Exact; the error is that of the operand that is picked."""
    win = geometry(call)
    unfold = call.cached("unfold", lambda: _unfold(call))
    lo, hi = unfold.apply(x.lo), unfold.apply(x.hi)
    if win.is_padded:
        mask = np.moveaxis(win.real().reshape(win.taps, *win.out), 0, -1)
        lo, hi = np.where(mask, lo, -np.inf), np.where(mask, hi, -np.inf)
    return exactly(call, Slopes((pick_slopes(lo, hi),), (unfold,), picks=True))


@largest.rule(gradient)
def _(call: Call, operands: tuple[Array], value: Array, seed: Array) -> tuple[Array]:
    """The first element of a window that attains the maximum takes all."""
    win, inner = geometry(call), given(call, 0)
    sources = call.cached("sources", lambda: _sources(win))
    winner = _windows(call, operands[0]).argmax(axis=3)
    at = np.take_along_axis(
        np.broadcast_to(sources, (*winner.shape[:3], *sources.shape)), np.expand_dims(winner, 3), axis=3
    )[:, :, :, 0]
    rows = winner.shape[0] * inner[0] * inner[1]
    lanes = np.arange(rows).reshape(rows, *(1,) * len(win.size)) * prod(win.size)
    at = at.reshape(rows, *win.out) + lanes
    given_back = np.broadcast_to(seed, (winner.shape[0], *call.shape)).ravel()
    total = np.bincount(at.ravel(), given_back, rows * prod(win.size))
    return (total.reshape(-1, *inner),)
