"""MaxPool: the largest element of every window; padding never wins."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from workbench.floats.program import Semantics
from workbench.graph import Array
from workbench.op import Call, Op
from workbench.ops.generators.largest import largest_lines
from workbench.ops.generators.linear import movement
from workbench.ops.generators.window import Window, float_zeros, key
from workbench.ops.pool import flat, geometry
from workbench.ops.shape import given
from workbench.semantics.affine import LinearMap, Relaxation, affine
from workbench.semantics.cotangent import Term, Terms, cotangent, first_largest, picked, scattered, shaped
from workbench.semantics.gradient import gradient
from workbench.semantics.interval import Interval, interval
from workbench.semantics.real import FLOAT, real
from workbench.semantics.rounding import Local, Slopes, exactly, pick_slopes, rounding

largest = Op("MaxPool", "y = largest x in a window", r"y=\max_{w}x_w")


def _unfold(call: Call) -> LinearMap:
    """Windows as a last axis: ``(N, *in) -> (N, *out, K)``, zeros where they see padding."""
    win, inner, outer = geometry(call), given(call, 0), call.shape

    def apply(x: Array) -> Array:
        taps = win.view(win.pad(flat(x), float_zeros))
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
        taps = win.view(flat(x))
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
    n = max(winner.shape[0], seed.shape[0])  # rows of a Jacobian are many seeds at one point
    at = np.broadcast_to(at, (n, *at.shape[1:]))
    rows = n * inner[0] * inner[1]
    lanes = np.arange(rows).reshape(rows, *(1,) * len(win.size)) * prod(win.size)
    at = at.reshape(rows, *win.out) + lanes
    given_back = np.broadcast_to(seed, (n, *call.shape)).ravel()
    total = np.bincount(at.ravel(), given_back, rows * prod(win.size))
    return (total.reshape(-1, *inner),)


@largest.rule(cotangent)
def _(call: Call, operands: Terms, value: Term, seed: Term) -> Terms:
    """The same: windows are taken at constant places, and put back where they came from."""
    win, (b, c, *size) = geometry(call), given(call, 0)
    places = prod(win.out)
    sources = call.cached("sources", lambda: _sources(win)).reshape(win.taps, places).T
    flat_x = shaped(operands[0], (b, c, prod(size)))
    taps = shaped(picked(flat_x, 2, sources.reshape(-1)), (b, c, places, win.taps))
    chosen = first_largest(taps, shaped(value, (b, c, places, 1))) * shaped(seed, (b, c, places, 1))
    found = scattered(call, shaped(chosen, (b, c, places * win.taps)), sources.reshape(-1), prod(size))
    return (shaped(found, given(call, 0)),)
