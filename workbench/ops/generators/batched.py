"""Convolutions of many pictures at once, in floats, with the pictures along the last axis.

With the batch innermost every shift of a window is a copy of whole rows of memory, one product of matrices does all
pictures, and the kernel's gradient reads the columns that the forward pass has made.  Layout: ``(channels, *space,
N)``; what is returned is a view of it as ``(N, channels, *space)``, which elementwise operators keep.  Measured on 128
pictures of 16 x 8 x 8, 3 x 3 kernels with stride 2: see docs/benchmarks.md, training.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from math import prod
from typing import Any

import numpy as np

from workbench.graph import Array
from workbench.ops.generators.window import Ints, Window, key

FEW = 8  # pictures below which one picture at a time is no slower
MOST = 1 << 24  # elements of the columns of all pictures: beyond, a part of the pictures at a time

Memory = Callable[[str, Ints, Any], Array]


def fresh(name: str, shape: Ints, dtype: Any) -> Array:
    """New memory, not filled: what a `Memory` gives that keeps nothing."""
    return np.empty(shape, dtype)


def fits(n: int, channels: int, win: Window) -> bool:
    """Whether a batch is worth it, and not too large to be laid out at once."""
    return n >= FEW and n * channels * win.taps * prod(win.out) <= MOST


@lru_cache(maxsize=256)
def _taps(win: Window) -> tuple[tuple[Any, Any], ...]:
    """For every tap: where it stands among columns, and what it sees of the padded picture."""
    every = slice(None)
    return tuple((key(every, *tap), key(every, *win.at(tap))) for tap in win.every())


@lru_cache(maxsize=256)
def _borders(win: Window) -> tuple[Any, ...]:
    """The parts of the padded picture that are padding, together all of it."""
    found = []
    for axis, part in enumerate(win.inside):
        ends = slice(0, part.start), slice(part.stop, None)
        found += [key(*(slice(None),) * (axis + 1), border) for border in ends]
    return tuple(found)


def _last(x: Array) -> Array:
    """``(N, ...) -> (..., N)``, a view."""
    return x.transpose(*range(1, x.ndim), 0)


def _first(x: Array) -> Array:
    """``(..., N) -> (N, ...)``, a view."""
    return x.transpose(x.ndim - 1, *range(x.ndim - 1))


def columns(x: Array, win: Window, memory: Memory = fresh) -> Array:
    """What every tap of every window sees: ``(N, C, *size) -> (C, *kernel, *out, N)``."""
    n, c = x.shape[:2]
    wide = _last(x)
    if win.is_padded:
        inner, wide = wide, memory("padded", (c, *win.padded, n), x.dtype)
        for border in _borders(win):
            wide[border] = 0
        wide[key(slice(None), *win.inside)] = inner
    found = memory("columns", (c, *win.kernel, *win.out, n), x.dtype)
    for tap, seen in _taps(win):
        found[tap] = wide[seen]
    return found


def unfolded_many(seen: Array, w: Array, win: Window, groups: int, memory: Memory = fresh) -> Array:
    """Convolve: columns and a kernel ``(M, C / groups, *kernel)`` give ``(N, M, *out)``."""
    n, m = seen.shape[-1], w.shape[0]
    y = memory("value", (m, *win.out, n), np.result_type(seen, w))
    rows = seen.reshape(groups, w.shape[1] * win.taps, -1)
    np.matmul(w.reshape(groups, m // groups, -1), rows, out=y.reshape(groups, m // groups, -1))
    return _first(y)


def innermost(y: Array, memory: Memory = fresh, name: str = "turned") -> Array:
    """``(N, M, *out) -> (M, *out, N)`` in that order of memory."""
    turned = _last(y)
    if turned.flags.c_contiguous:
        return turned
    found = memory(name, turned.shape, y.dtype)
    found[...] = turned
    return found


def folded_many(y: Array, w: Array, win: Window, groups: int, memory: Memory = fresh) -> Array:
    """The adjoint: ``(M, *out, N) -> (N, C, *size)``."""
    n, m, c = y.shape[-1], w.shape[0], w.shape[1] * groups
    turned = np.swapaxes(w.reshape(groups, m // groups, -1), 1, 2)
    seen = memory("folded", (c, *win.kernel, *win.out, n), np.result_type(y, w))
    np.matmul(
        turned, y.reshape(groups, m // groups, -1), out=seen.reshape(groups, c // groups * win.taps, -1)
    )
    x = memory("sums", (c, *win.padded, n), seen.dtype)
    x[...] = 0
    for tap, at in _taps(win):
        x[at] += seen[tap]
    return _first(x[key(slice(None), *win.inside)])


def kernel_many(seen: Array, y: Array, w: Array, win: Window, groups: int) -> Array:
    """The kernel's gradient from the columns of the one side and ``(M, *out, N)`` of the other."""
    m = w.shape[0]
    rows = y.reshape(groups, m // groups, -1)
    found = np.matmul(rows, np.swapaxes(seen.reshape(groups, w.shape[1] * win.taps, -1), 1, 2))
    return found.reshape(w.shape)
