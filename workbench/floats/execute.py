"""Sums and matrix products of floats in a named order: what a float program may do, done.

These exist to run and to observe, not to bound.  Without a machine they compute in the element type of their operands
(binary32 or binary64), one correctly rounded operation after another.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from workbench.arrays import kernels
from workbench.floats.machine import Machine, fma
from workbench.floats.order import NAMES, Blocked, Named, Order, additions, chain
from workbench.graph import Array

ORDERS: tuple[Named, ...] = tuple(n for n in NAMES if n != "any")
CHUNK = 1 << 22  # products that are laid out at once
BLOCK = 1 << 15  # running sums that are worked on at once: they, and a product each, stay in a core's cache


class Operations(Protocol):
    """What sums need of a machine (see `floats.machine`)."""

    @property
    def native(self) -> bool:
        """Whether the hardware's own operations are this arithmetic."""
        ...

    def add(self, a: Array, b: Array) -> Array:
        """a + b."""
        ...

    def mul(self, a: Array, b: Array) -> Array:
        """a b."""
        ...

    def fma(self, a: Array, b: Array, c: Array) -> Array:
        """a b + c."""
        ...


class Hardware:
    """The operands' own arithmetic, binary32 or binary64."""

    native = True

    def add(self, a: Array, b: Array) -> Array:
        """a + b."""
        return np.asarray(np.add(a, b))

    def mul(self, a: Array, b: Array) -> Array:
        """a b."""
        return np.asarray(np.multiply(a, b))

    def fma(self, a: Array, b: Array, c: Array) -> Array:
        """a b + c, rounded once."""
        return fma(np.asarray(a), np.asarray(b), np.asarray(c))


HARDWARE = Hardware()


def check_runnable(order: Order, machine: Operations, fused: bool) -> None:
    """Refuse what cannot be run as it is said.

    Raises
    ------
    ValueError
        The BLAS's own order in an arithmetic that it does not have; fused products where there is no running sum.
    """
    if order == "blas" and not machine.native:
        raise ValueError(
            "the order 'blas' is NumPy's own in binary32 or binary64, to nearest and without flags: name another order"
        )
    if fused and order not in ("sequential", "reversed", "random", "fma", "any"):
        raise ValueError(f"fused multiply-adds need a running sum: the order {order} is none")


def total(x: Array, order: Order, rng: np.random.Generator, machine: Operations = HARDWARE) -> Array:
    """The sum over the last axis, in that order; "fma" adds like "sequential", as there is nothing to fuse.

    Parameters
    ----------
    x : ``(..., K)``.
    order : see `floats.order`; "any" is "sequential" here.
    rng : decides "random".
    machine : the arithmetic.
    """
    check_runnable(order, machine, False)
    count = x.shape[-1]
    if count == 0:
        return np.zeros(x.shape[:-1], x.dtype)
    if order == "blas":
        return np.asarray(np.sum(x, axis=-1, dtype=x.dtype))
    if order == "adversarial":
        # large positive numbers first, then negative ones, small ones first: partial sums stay as large as they can
        positive = -np.sort(-np.maximum(x, 0), axis=-1)
        x = np.concatenate([positive, -np.sort(-np.minimum(x, 0), axis=-1)], axis=-1)
        sequence: Array | None = np.arange(2 * count)
    else:
        sequence = chain(order, count, rng)
    if sequence is None:
        return _in_order(x, order, rng, machine)
    if machine.native:
        return np.asarray(np.add.accumulate(x[..., sequence], axis=-1, dtype=x.dtype)[..., -1])
    found = x[..., sequence[0]]
    for k in sequence[1:].tolist():
        found = machine.add(found, x[..., k])
    return np.asarray(found)


def _in_order(x: Array, order: Order, rng: np.random.Generator, machine: Operations) -> Array:
    """Any order that can be told, one addition after another."""
    count = x.shape[-1]
    if order == "pairwise":
        while x.shape[-1] > 1:
            half = x.shape[-1] // 2
            rest = x[..., 2 * half :]
            x = np.concatenate([machine.add(x[..., :half], x[..., half : 2 * half]), rest], axis=-1)
        return np.asarray(x[..., 0])
    values: dict[int, Array] = {}
    for i, (a, b) in enumerate(additions(order, count, rng)):
        left, right = (values.pop(k) if k >= count else x[..., k] for k in (a, b))
        values[count + i] = machine.add(left, right)
    return np.asarray(values.popitem()[1] if values else x[..., 0])


def matmul(
    x: Array,
    y: Array,
    order: Order,
    rng: np.random.Generator,
    machine: Operations = HARDWARE,
    fused: bool = False,
) -> Array:
    """``x @ y`` for ``(..., N, K)`` and ``(..., K, M)``, every dot product summed in that order.

    Parameters
    ----------
    fused : whether products are fused into the running sum (so they are in the order "fma").
    """
    fused = fused or order == "fma"
    check_runnable(order, machine, fused)
    if order == "blas" or x.shape[-1] == 0:
        return np.asarray(np.matmul(x, y))
    sequence = chain(order, x.shape[-1], rng)
    done = _in_kernel(x, y, order, sequence, machine, fused)
    if done is not None:
        return done
    if sequence is not None:
        return _running(x, y, sequence, machine, fused)
    lead = np.broadcast_shapes(x.shape[:-2], y.shape[:-2])
    x, y = np.broadcast_to(x, (*lead, *x.shape[-2:])), np.broadcast_to(y, (*lead, *y.shape[-2:]))
    x, y = x.reshape(-1, *x.shape[-2:]), np.swapaxes(y.reshape(-1, *y.shape[-2:]), -1, -2)
    out = np.empty((x.shape[0], x.shape[1], y.shape[1]), np.result_type(x, y))
    step = max(1, CHUNK // max(1, y.shape[1] * x.shape[2]))
    many = max(1, step // max(1, x.shape[1]))
    for b in range(0, x.shape[0], many):
        for first in range(0, x.shape[1], step):
            part = x[b : b + many, first : first + step, None, :]
            rows = machine.mul(part, y[b : b + many, None, :, :])
            out[b : b + many, first : first + step] = total(rows, order, rng, machine)
    return out.reshape(*lead, *out.shape[1:])


def _in_kernel(
    x: Array, y: Array, order: Order, sequence: Array | None, machine: Operations, fused: bool
) -> Array | None:
    """The product by `arrays.kernels`, bit for bit the same; None where they do not do it."""
    if not isinstance(machine, Machine | Hardware):  # watched: every operation is looked at
        return None
    own = machine if isinstance(machine, Machine) else None
    if sequence is not None:
        return kernels.ordered(x, y, kernels.FUSED if fused else kernels.RUNNING, sequence, 0, own)
    if order == "pairwise":
        return kernels.ordered(x, y, kernels.PAIRWISE, None, 0, own)
    if isinstance(order, Blocked):
        return kernels.ordered(x, y, kernels.BLOCKED, None, order.size, own)
    return None


def _running(x: Array, y: Array, steps: Array, machine: Operations, fused: bool) -> Array:
    """One product after another added to a running sum, for as many results at once as fit the cache."""
    lead = np.broadcast_shapes(x.shape[:-2], y.shape[:-2])
    shape = (*lead, x.shape[-2], y.shape[-1])
    out = np.empty(shape, np.result_type(x, y))
    each = int(np.prod(shape[1:], dtype=np.int64))
    block = max(1, BLOCK // max(1, each))
    run = _hardware if machine.native and not fused else None
    for i in range(0, shape[0], block):
        # the first axis of the result is x's too, or both are missing or of length 1 in one operand
        a, b = (_part(v, len(shape), i, block, k) for k, v in enumerate((x, y)))
        out[i : i + block] = run(a, b, steps) if run else _stepwise(a, b, steps, machine, fused)
    return out


def _part(v: Array, rank: int, start: int, count: int, position: int) -> Array:
    """What the results ``[start : start + count]`` along the first axis need of operand `position`."""
    if v.ndim < rank or (rank == 2 and position == 1) or v.shape[0] == 1:
        return v
    return v[start : start + count]


def _hardware(x: Array, y: Array, steps: Array) -> Array:
    first = steps[0]
    acc = np.multiply(x[..., :, first, None], y[..., first, None, :])
    product = np.empty_like(acc)
    for k in steps[1:].tolist():
        np.multiply(x[..., :, k, None], y[..., k, None, :], out=product)
        np.add(acc, product, out=acc)
    return np.asarray(acc)


def _stepwise(x: Array, y: Array, steps: Array, machine: Operations, fused: bool) -> Array:
    acc: Any = None
    fuse: Callable[..., Array] = machine.fma
    for k in steps.tolist():
        a, b = x[..., :, k, None], y[..., k, None, :]
        acc = (
            machine.mul(a, b)
            if acc is None
            else fuse(a, b, acc)
            if fused
            else machine.add(acc, machine.mul(a, b))
        )
    return np.asarray(acc)
