"""Kolmogorov-Arnold networks (Liu et al. 2024): every edge is a spline of one number, and nodes only add."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from workbench.graph import GraphError
from workbench.nn import functional as F
from workbench.nn import initial
from workbench.nn.module import Module
from workbench.nn.parameter import Parameter
from workbench.nn.value import Value


def bsplines(x: Value, grid: int, degree: int, low: float, high: float) -> Value:
    """The uniform B-splines of a degree at x: one axis more, of ``grid + degree`` bumps.

    With u the distance to a bump's centre in cells, and t+ = max(t, 0): degree 1 is (1 - u)+, degree 2 is
    ((3/2 - u)+^2 - 3 (1/2 - u)+^2) / 2, degree 3 is ((2 - u)+^3 - 4 (1 - u)+^3) / 6 (de Boor 1978, chapter IX).
    These forms are relus, squares and products: everything that the engine has bounds for.
    """
    cell = (high - low) / grid
    centres = low + cell * (np.arange(grid + degree) - (degree - 1) / 2)
    one = (1,) * x.ndim
    moved = x.reshape(*x.shape, 1) * (1 / cell) - (centres / cell).reshape(*one, -1).astype(x.dtype)
    u = F.abs(moved)
    if degree == 1:
        return F.relu(1.0 - u)
    if degree == 2:
        wide, narrow = F.relu(1.5 - u), F.relu(0.5 - u)
        return wide * wide * 0.5 - narrow * narrow * 1.5
    wide, narrow = F.relu(2.0 - u), F.relu(1.0 - u)
    return wide * wide * wide * (1 / 6) - narrow * narrow * narrow * (2 / 3)


class KANLinear(Module):
    """y_o = sum_i (base_weight[o, i] silu(x_i) + sum_j spline_weight[o, i, j] B_j(x_i)), over the last axis.

    Parameters
    ----------
    in_features, out_features : sizes.
    grid_size : cells between the ends of `grid_range`; outside of it and `spline_order` cells around, splines are 0.
    spline_order : degree, 1 to 3.  Of degree 1 each edge is piecewise linear, which bounds are tightest for.
    base : whether silu takes part.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        grid_size: int = 5,
        spline_order: int = 3,
        grid_range: tuple[float, float] = (-1.0, 1.0),
        base: bool = True,
    ) -> None:
        if spline_order not in (1, 2, 3) or grid_size < 1 or not grid_range[0] < grid_range[1]:
            raise GraphError(
                f"a KAN layer takes a degree from 1 to 3, a cell or more, and a range that is not empty; not "
                f"{spline_order}, {grid_size}, {grid_range}"
            )
        self.in_features, self.out_features = in_features, out_features
        self.grid_size, self.spline_order, self.grid_range = grid_size, spline_order, grid_range
        draw = initial.torch_default(in_features)
        self.base_weight = Parameter((out_features, in_features), draw) if base else None
        self.spline_weight = Parameter(
            (out_features, in_features, grid_size + spline_order), initial.normal(0.1 / in_features**0.5)
        )

    def forward(self, x: Value) -> Value:
        """The sum of the edges."""
        bumps = bsplines(x, self.grid_size, self.spline_order, *self.grid_range)
        rows = bumps.reshape(*x.shape[:-1], bumps.shape[-2] * bumps.shape[-1])
        weight = x.trace.lift(self.spline_weight).reshape(self.out_features, -1)
        y = F.linear(rows, weight)
        return y if self.base_weight is None else y + F.linear(F.silu(x), self.base_weight)

    def describe(self) -> str:
        """Its settings."""
        return f"{self.in_features}, {self.out_features}, grid_size={self.grid_size}, spline_order={self.spline_order}"


class KAN(Module):
    """KAN layers one after another: ``KAN([2, 5, 1])``; settings as of `KANLinear`."""

    def __init__(self, sizes: Sequence[int], grid_size: int = 5, spline_order: int = 3,
                 grid_range: tuple[float, float] = (-1.0, 1.0), base: bool = True) -> None:  # fmt: skip
        self.layers = [KANLinear(a, b, grid_size, spline_order, grid_range, base) for a, b in pairwise(sizes)]

    def forward(self, x: Value) -> Value:
        """Each layer of the one before it."""
        for layer in self.layers:
            x = layer(x)
        return x
