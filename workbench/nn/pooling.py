"""Pooling as modules, in one to three dimensions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from workbench.nn import functional as F
from workbench.nn.module import Module
from workbench.nn.shapes import ShapeError, dims_text
from workbench.nn.value import Value

Size = int | Sequence[int]


class _Pool(Module):
    rank = 2

    def __init__(self, kernel_size: Size, stride: Size | None = None, padding: Size = 0) -> None:
        self.kernel_size, self.stride, self.padding = kernel_size, stride, padding

    def describe(self) -> str:
        """Its settings."""
        return f"kernel_size={self.kernel_size}, stride={self.stride or self.kernel_size}, padding={self.padding}"


class _MaxPool(_Pool):
    def forward(self, x: Value) -> Value:
        """The largest element of every window."""
        return F.max_pool(x, self.kernel_size, self.stride, self.padding, self.rank)


class _AvgPool(_Pool):
    def __init__(
        self, kernel_size: Size, stride: Size | None = None, padding: Size = 0, count_include_pad: bool = True
    ) -> None:
        super().__init__(kernel_size, stride, padding)
        self.count_include_pad = count_include_pad

    def forward(self, x: Value) -> Value:
        """The mean of every window."""
        return F.avg_pool(x, self.kernel_size, self.stride, self.padding, self.rank, self.count_include_pad)


class _AdaptivePool(Module):
    rank = 2

    def __init__(self, output_size: Size = 1) -> None:
        self.output_size = output_size

    def _wanted(self, x: Value) -> tuple[int, ...]:
        """Windows on each axis.

        Raises
        ------
        ShapeError
            Another rank, or more windows than places.
        """
        wanted = F.each(self.output_size, self.rank)
        sizes = x.shape[2:]
        if x.ndim != self.rank + 2 or any(not 1 <= o <= n for n, o in zip(sizes, wanted, strict=True)):
            raise ShapeError(
                f"{x.trace.where}: {dims_text(x.shape, x.dims)} cannot be pooled to {list(wanted)} windows"
            )
        return wanted

    def describe(self) -> str:
        """Its settings."""
        return f"output_size={self.output_size}"


class _AdaptiveAvgPool(_AdaptivePool):
    def forward(self, x: Value) -> Value:
        """Means of windows whose number is given."""
        wanted = self._wanted(x)
        if all(n % o == 0 for n, o in zip(x.shape[2:], wanted, strict=True)):
            return F.adaptive_avg_pool(x, wanted, self.rank)
        for axis, count in enumerate(wanted, 2):  # windows of different sizes: a matrix for each axis
            matrix = np.zeros((x.shape[axis], count), x.dtype)
            for i, (start, end) in enumerate(_windows(x.shape[axis], count)):
                matrix[start:end, i] = 1 / (end - start)
            turned = x.transpose(axis, -1) @ matrix
            x = turned.transpose(axis, -1)
        return x


class _AdaptiveMaxPool(_AdaptivePool):
    def forward(self, x: Value) -> Value:
        """The largest elements of windows whose number is given."""
        wanted = self._wanted(x)
        if all(n % o == 0 for n, o in zip(x.shape[2:], wanted, strict=True)):
            return F.max_pool(x, [n // o for n, o in zip(x.shape[2:], wanted, strict=True)], rank=self.rank)
        for axis, count in enumerate(wanted, 2):
            x = F.cat(
                [
                    x[(*(slice(None),) * axis, slice(start, end))].max(axis, keepdims=True)
                    for start, end in _windows(x.shape[axis], count)
                ],
                axis,
            )
        return x


def _windows(size: int, count: int) -> list[tuple[int, int]]:
    """Where windows start and end, as PyTorch has them: they differ by one in size, and may share a place."""
    return [(i * size // count, -(-(i + 1) * size // count)) for i in range(count)]


def _of_rank(name: str, base: type[Any], rank: int) -> type[Any]:
    doc = f"{base.forward.__doc__} Over {rank} spatial dimension{'s' if rank > 1 else ''}."
    return type(name, (base,), {"rank": rank, "__doc__": doc, "__module__": __name__})


MaxPool1d, MaxPool2d, MaxPool3d = (_of_rank(f"MaxPool{r}d", _MaxPool, r) for r in (1, 2, 3))
AvgPool1d, AvgPool2d, AvgPool3d = (_of_rank(f"AvgPool{r}d", _AvgPool, r) for r in (1, 2, 3))
AdaptiveAvgPool1d, AdaptiveAvgPool2d, AdaptiveAvgPool3d = (
    _of_rank(f"AdaptiveAvgPool{r}d", _AdaptiveAvgPool, r) for r in (1, 2, 3)
)
AdaptiveMaxPool1d, AdaptiveMaxPool2d, AdaptiveMaxPool3d = (
    _of_rank(f"AdaptiveMaxPool{r}d", _AdaptiveMaxPool, r) for r in (1, 2, 3)
)
