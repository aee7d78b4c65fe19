"""Pooling as modules, in one to three dimensions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from workbench.nn import functional as F
from workbench.nn.module import Module
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


class _AdaptiveAvgPool(Module):
    rank = 2

    def __init__(self, output_size: Size = 1) -> None:
        self.output_size = output_size

    def forward(self, x: Value) -> Value:
        """Means over equal windows."""
        return F.adaptive_avg_pool(x, self.output_size, self.rank)


def _of_rank(name: str, base: type[Any], rank: int) -> type[Any]:
    doc = f"{base.forward.__doc__} Over {rank} spatial dimension{'s' if rank > 1 else ''}."
    return type(name, (base,), {"rank": rank, "__doc__": doc, "__module__": __name__})


MaxPool1d, MaxPool2d, MaxPool3d = (_of_rank(f"MaxPool{r}d", _MaxPool, r) for r in (1, 2, 3))
AvgPool1d, AvgPool2d, AvgPool3d = (_of_rank(f"AvgPool{r}d", _AvgPool, r) for r in (1, 2, 3))
AdaptiveAvgPool1d, AdaptiveAvgPool2d, AdaptiveAvgPool3d = (
    _of_rank(f"AdaptiveAvgPool{r}d", _AdaptiveAvgPool, r) for r in (1, 2, 3)
)
