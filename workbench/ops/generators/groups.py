"""Groups: the elements along some axes that one sum runs over (softmax, layer normalisation)."""

from __future__ import annotations

import numpy as np

from workbench.graph import Array
from workbench.ops.generators.linear import movement
from workbench.semantics.affine import LinearMap

WIDEST = 128  # wider groups get constant lines: those on every element of its group take n^2 slopes


def grouped(axes: tuple[int, ...], x: Array, trailing: int = 0) -> Array:
    """``(N, *shape)`` with the axes of one sum last and flat, ``(N, ..., n)``; `trailing` axes stay behind them."""
    last = x.ndim - trailing
    moved = np.moveaxis(x, axes, range(last - len(axes), last))
    return moved.reshape(*moved.shape[: last - len(axes)], -1, *moved.shape[last:])


def ungrouped(axes: tuple[int, ...], shape: tuple[int, ...], x: Array) -> Array:
    """The inverse of `grouped` for values of `shape` (without the batch axis); further axes stay behind."""
    full = (x.shape[0], *shape)
    rest = [n for i, n in enumerate(full) if i not in axes]
    behind = x.shape[len(rest) + 1 :]
    x = x.reshape(*rest, *[full[i] for i in axes], *behind)
    return np.ascontiguousarray(np.moveaxis(x, range(len(rest), len(full)), axes))


def unfold_groups(axes: tuple[int, ...], shape: tuple[int, ...]) -> LinearMap:
    """Every element of a group sees the whole group: ``(N, *shape) -> (N, *shape, n)``."""

    def apply(x: Array) -> Array:
        g = grouped(axes, x)
        return ungrouped(axes, shape, np.broadcast_to(g[..., None, :], (*g.shape, g.shape[-1])))

    def adjoint(y: Array) -> Array:
        return ungrouped(axes, shape, grouped(axes, y, trailing=1).sum(axis=-2))

    return movement(apply, adjoint, copies=int(np.prod([shape[a - 1] for a in axes], dtype=np.int64)))
