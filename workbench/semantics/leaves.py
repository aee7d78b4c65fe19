"""Sums of products, leaf by leaf: rounding bounds for any order (F5) and for a named one (F6)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from workbench.floats.errors import leaf_products, outward32
from workbench.floats.format import BINARY32
from workbench.floats.program import Semantics
from workbench.floats.rounding import Mode
from workbench.floats.sums import LONGEST, Summing, additions, finished, product_error, sum_error
from workbench.graph import Array
from workbench.semantics.interval import Interval
from workbench.semantics.ordered import is_ordered, ordered_errors

MOST_LEAVES = 1 << 23  # that are looked at for a node; above, the sums of F5 are bounded by their totals
CHUNK = 1 << 17  # leaves at once: what is being worked on stays in the processor's cache


@dataclass(frozen=True, slots=True, eq=False)
class Stored:
    """Weights as a program stores them: ``(M, K)``, a row a sum.

    Parameters
    ----------
    values : float32 where that holds them exactly, else float64.
    largest : the largest magnitude.
    """

    values: Array
    largest: float

    @classmethod
    def of(cls, weights: Array) -> Stored:
        """Weights in any float type."""
        wide = np.asarray(weights, np.float64)
        with np.errstate(over="ignore"):
            narrow = wide.astype(np.float32)
        held = narrow if bool((narrow == wide).all()) else wide
        return cls(np.ascontiguousarray(held), float(np.abs(wide).max(initial=0.0)))


def dense_errors(weights: Stored, x: Interval, bias: Array | None, program: Semantics) -> Array | None:
    """`leaf_errors` of ``W x + bias``; None where there are too many leaves to look at.

    Parameters
    ----------
    weights : W, ``(M, K)``.
    x : ``(N, K)``.
    bias : ``(N, M)`` or None, as stored.

    Returns
    -------
    ``(N, M)``.
    """
    count, (m, k) = x.lo.shape[0], weights.values.shape
    if count * m * (k + 1) > MOST_LEAVES or not (np.isfinite(x.lo).all() and np.isfinite(x.hi).all()):
        return None
    anyhow = _any_order(weights, x, bias, program)
    if not is_ordered(program):
        return anyhow
    return ordered_errors(weights.values.astype(np.float64), x, bias, program, anyhow)


def _any_order(weights: Stored, x: Interval, bias: Array | None, program: Semantics) -> Array:
    w, lo, hi = weights.values, x.lo, x.hi
    live = (lo != 0).any(axis=0) | (hi != 0).any(axis=0)
    if np.count_nonzero(live) < 0.9 * w.shape[1]:
        w, lo, hi = w[:, live], lo[:, live], hi[:, live]
    size = max(1.0, weights.largest) * max(
        1.0, float(np.max(hi, initial=0.0)), -float(np.min(lo, initial=0.0))
    )
    (m, k), n = w.shape, len(lo)
    count = k + (bias is not None)
    if count == 0:
        return np.zeros((n, m))
    if (
        w.dtype == np.float32
        and size < 2.0**90
        and count <= LONGEST
        and BINARY32.contains(program.accumulator)
    ):
        # half the memory to sort: stored weights are float32 numbers, the rest is rounded outward
        lo, hi = outward32(lo), outward32(hi)
    else:
        w = w.astype(np.float64)
    one_sign = bool(np.all((lo >= 0) | (hi <= 0)))
    far = np.where(hi > 0, hi, lo) if one_sign else hi
    how = Summing.of(count, w.dtype)
    sums = max(1, CHUNK // how.width)  # at once
    rows, step = (min(sums, m), 1) if sums < 2 * m else (m, sums // m)
    high, low, spare = (np.empty((min(n, step) * rows, how.width), w.dtype) for _ in range(3))
    added, most, multiplied = np.empty((n, m)), np.empty((n, m)), np.zeros((n, m))
    for i in range(0, n, step):
        for j in range(0, m, rows):
            at = slice(i, i + step), slice(j, j + rows)
            shape = added[at].shape
            up, down, room = (buffer[: shape[0] * shape[1]] for buffer in (high, low, spare))
            _fill(up, w[at[1]], far[at[0]], program.mode)
            if not one_sign:
                _fill(room, w[at[1]], lo[at[0]], program.mode)
                np.minimum(up, room, out=down)
                np.maximum(up, room, out=up)
            if not program.exact_products:
                largest = up if one_sign else np.maximum(up, -down)
                multiplied[at] = product_error(largest, program.measure, room).reshape(shape)
            if bias is not None:
                up[:, k] = bias[at].reshape(-1)
                down[:, k] = up[:, k]
            found = additions(how, up, None if one_sign else down, room, program.measure, "nearest-even")
            added[at], most[at] = (part.reshape(shape) for part in found)
    return finished(added, most, count, program.measure) + multiplied


def _fill(buffer: Array, weights: Array, x: Array, mode: Mode) -> None:
    """Products ``w[m, k] x[n, k]`` in rows ``(n, m)``, and zeros behind them."""
    k = weights.shape[-1]
    buffer[:, k:] = 0.0
    to = buffer.reshape(len(x), len(weights), -1)[..., :k]
    if mode == "nearest-even":
        np.multiply(weights, x[:, None], out=to)
    else:
        to[...] = leaf_products(weights, x[:, None], mode)


def leaf_errors(leaves: Array, other: Array, program: Semantics) -> Array:
    """Errors of additions and (where they are not exact) multiplications in sums of products ``(..., K)``.

    Parameters
    ----------
    leaves, other : the largest and the most negative value of each product, as `sum_error` has them.
    """
    found = sum_error(leaves, program.measure, other=other)
    if program.exact_products:
        return found
    return found + product_error(np.maximum(leaves, -other), program.measure)
