"""A convolution and its adjoint, tap by tap: for arrays of any library, whose memory need not have strides.

One product of matrices a tap.  Sums are of the same products as in `convolution`, in another order: no sum is longer.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod

import numpy as np

from workbench.arrays.device import beside, zeros
from workbench.graph import Array
from workbench.ops.generators.window import Window, key

ALL = slice(None)


def forward(w: Array, win: Window, groups: int) -> Callable[[Array], Array]:
    """``(N, C, *size) -> (N, M, *out)`` for a kernel ``(M, C / groups, *kernel)``."""
    m, c = w.shape[:2]
    weights = {tap: np.array(w[key(..., *tap)]).reshape(groups, m // groups, c) for tap in win.every()}

    def apply(x: Array) -> Array:
        n = x.shape[0]
        if win.is_padded:
            wide = zeros((n, groups * c, *win.padded), x)
            wide[key(ALL, ALL, *win.inside)] = x
            x = wide
        total: Array | None = None
        for tap, weight in weights.items():
            seen = x[key(ALL, ALL, *win.at(tap))].reshape(n, groups, c, prod(win.out))
            one = np.matmul(beside(weight, x), seen)
            total = one if total is None else total + one
        assert total is not None  # a window has a tap
        return total.reshape(n, m, *win.out)

    return apply


def backward(w: Array, win: Window, groups: int) -> Callable[[Array], Array]:
    """The adjoint: ``(N, M, *out) -> (N, C, *size)``."""
    m, c = w.shape[:2]
    turned = {
        tap: np.ascontiguousarray(np.swapaxes(w[key(..., *tap)].reshape(groups, m // groups, c), 1, 2))
        for tap in win.every()
    }

    def apply(y: Array) -> Array:
        n = y.shape[0]
        rows = y.reshape(n, groups, m // groups, prod(win.out))
        x = zeros((n, groups * c, *win.padded), y)
        for tap, weight in turned.items():
            one = np.matmul(beside(weight, y), rows).reshape(n, groups * c, *win.out)
            x[key(ALL, ALL, *win.at(tap))] += one
        return x[key(ALL, ALL, *win.inside)]

    return apply
