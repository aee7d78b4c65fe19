"""Sums and matrix products of floats in a named order: what a float program may do, done.

These exist to observe errors, not to bound them.  All of them compute in the element type of their operands (binary32
or binary64), one correctly rounded operation after another.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from workbench.floats.program import Order
from workbench.graph import Array

ORDERS: tuple[Order, ...] = ("blas", "sequential", "reversed", "pairwise", "random", "adversarial", "fma")
CHUNK = 1 << 22  # products that are laid out at once


def total(x: Array, order: Order, rng: np.random.Generator) -> Array:
    """The sum over the last axis, in that order; "fma" adds like "sequential", as there is nothing to fuse."""
    if x.shape[-1] == 0:
        return np.zeros(x.shape[:-1], x.dtype)
    match order:
        case "blas" | "any":
            return np.asarray(np.sum(x, axis=-1, dtype=x.dtype))
        case "pairwise":
            while x.shape[-1] > 1:
                half = x.shape[-1] // 2
                rest = x[..., 2 * half :]
                x = np.concatenate([x[..., :half] + x[..., half : 2 * half], rest], axis=-1)
            return np.asarray(x[..., 0])
        case "reversed":
            x = x[..., ::-1]
        case "random":
            x = x[..., rng.permutation(x.shape[-1])]
        case "adversarial":
            # large positive numbers first, then negative ones, small ones first: partial sums stay as large as they can
            positive = -np.sort(-np.maximum(x, 0), axis=-1)
            x = np.concatenate([positive, -np.sort(-np.minimum(x, 0), axis=-1)], axis=-1)
        case _:
            pass
    return np.asarray(np.add.accumulate(x, axis=-1, dtype=x.dtype)[..., -1])


def matmul(x: Array, y: Array, order: Order, rng: np.random.Generator) -> Array:
    """``x @ y`` for ``(..., N, K)`` and ``(..., K, M)``, every dot product summed in that order."""
    if order in ("blas", "any") or x.shape[-1] == 0:
        return np.asarray(np.matmul(x, y))
    if order in ("sequential", "reversed", "random", "fma"):
        length = x.shape[-1]
        steps = np.arange(length)
        steps = (
            steps[::-1] if order == "reversed" else rng.permutation(length) if order == "random" else steps
        )
        return _running(x, y, steps, fma if order == "fma" else None)
    lead = np.broadcast_shapes(x.shape[:-2], y.shape[:-2])
    x, y = np.broadcast_to(x, (*lead, *x.shape[-2:])), np.broadcast_to(y, (*lead, *y.shape[-2:]))
    x, y = x.reshape(-1, *x.shape[-2:]), np.swapaxes(y.reshape(-1, *y.shape[-2:]), -1, -2)
    out = np.empty((x.shape[0], x.shape[1], y.shape[1]), x.dtype)
    step = max(1, CHUNK // max(1, y.shape[1] * x.shape[2]))
    for b in range(x.shape[0]):
        for first in range(0, x.shape[1], step):
            rows = x[b, first : first + step, None, :] * y[b, None, :, :]
            out[b, first : first + step] = total(rows, order, rng)
    return out.reshape(*lead, *out.shape[1:])


def _running(x: Array, y: Array, steps: Array, fused: Callable[..., Array] | None) -> Array:
    """One product after another added to a running sum."""
    acc: Any = None
    for k in steps.tolist():
        a, b = x[..., :, k, None], y[..., k, None, :]
        acc = a * b if acc is None else acc + a * b if fused is None else fused(a, b, acc)
    return np.asarray(acc)


def fma(a: Array, b: Array, c: Array) -> Array:
    """``a b + c`` rounded once, elementwise, for binary32 or binary64 arrays.

    binary32: the product is exact in binary64; its sum with c is rounded *to odd* there, then to nearest in binary32,
    which is the rounding of the exact value (Boldo & Melquiond 2008; 53 >= 2 + 24).  Rounding to nearest twice is not:
    a third of adversarial cases come out wrong.
    binary64: their algorithm, with TwoProduct by Dekker's splitting; right while nothing under- or overflows.
    """
    if a.dtype == np.float32:
        product = a.astype(np.float64) * b.astype(np.float64)
        return np.asarray(_sum_to_odd(product, np.asarray(c, np.float64)).astype(np.float32))
    high, low = _two_product(a, b)
    th, tl = _two_sum(np.asarray(c), low)
    vh, vl = _two_sum(high, th)
    return np.asarray(vh + _sum_to_odd(tl, vl))


def _sum_to_odd(a: Array, b: Array) -> Array:
    """a + b in binary64, rounded to the neighbour with an odd significand unless it is exact."""
    s, error = _two_sum(a, b)
    s = np.asarray(s)
    even = (s.view(np.int64) & 1) == 0
    toward = np.where(error > 0, np.inf, -np.inf)
    return np.asarray(np.where(even & (error != 0) & np.isfinite(error), np.nextafter(s, toward), s))


def _two_sum(a: Array, b: Array) -> tuple[Array, Array]:
    """s + t = a + b exactly, s = fl(a + b) (Knuth)."""
    s = a + b
    t = s - a
    return s, (a - (s - t)) + (b - t)


def _two_product(a: Array, b: Array) -> tuple[Array, Array]:
    """p + e = a b exactly, p = fl(a b) (Dekker, Veltkamp)."""

    def split(x: Array) -> tuple[Array, Array]:
        c = x * (2.0**27 + 1)
        high = c - (c - x)
        return high, x - high

    p = a * b
    (ah, al), (bh, bl) = split(a), split(b)
    return p, al * bl - (((p - ah * bh) - al * bh) - ah * bl)
