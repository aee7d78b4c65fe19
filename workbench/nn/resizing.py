"""Layers that change how many places there are: borders, enlarging, and channels turned into places."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from workbench.graph import GraphError
from workbench.nn import functional as F
from workbench.nn.aten.shapes import interpolated, repeated, shuffled
from workbench.nn.module import Module
from workbench.nn.shapes import ShapeError, dims_text
from workbench.nn.value import Value


class Upsample(Module):
    """More places on every spatial axis: each repeated ("nearest"), or linearly between them ("linear", "bilinear")."""

    def __init__(
        self,
        size: int | Sequence[int] | None = None,
        scale_factor: float | Sequence[float] | None = None,
        mode: str = "nearest",
        align_corners: bool = False,
    ) -> None:
        if (size is None) == (scale_factor is None):
            raise GraphError("Upsample takes a size, or a scale_factor, and not both")
        if mode not in ("nearest", "linear", "bilinear", "trilinear"):
            raise GraphError(f"mode is 'nearest', 'linear', 'bilinear' or 'trilinear', not {mode!r}")
        self.size, self.scale_factor, self.mode, self.align_corners = size, scale_factor, mode, align_corners

    def forward(self, x: Value) -> Value:
        """x with more places."""
        if x.ndim < 3:
            raise ShapeError(
                f"{x.trace.where} expects [batch, channels] and places, but was given {dims_text(x.shape, x.dims)}"
            )
        rank = x.ndim - 2
        size = None if self.size is None else F.each(self.size, rank)
        scales: Any = self.scale_factor
        if scales is not None:
            scales = (float(scales),) * rank if isinstance(scales, int | float) else tuple(map(float, scales))
        if self.mode == "nearest":
            return repeated(x, size, scales)
        return interpolated(x, size, self.align_corners, scales)

    def describe(self) -> str:
        """Its settings."""
        return f"size={self.size}, scale_factor={self.scale_factor}, mode={self.mode!r}"


class PixelShuffle(Module):
    """``[batch, c r^2, h, w]`` as ``[batch, c, h r, w r]`` (Shi et al. 2016)."""

    def __init__(self, upscale_factor: int) -> None:
        self.upscale_factor = int(upscale_factor)

    def forward(self, x: Value) -> Value:
        """Channels as places."""
        if x.ndim != 4 or x.shape[1] % self.upscale_factor**2:
            raise ShapeError(
                f"{x.trace.where} expects [batch, channels, height, width] with channels a multiple of "
                f"{self.upscale_factor**2}, but was given {dims_text(x.shape, x.dims)}"
            )
        return shuffled(x, self.upscale_factor)


class _ZeroPad(Module):
    rank = 2

    def __init__(self, padding: int | Sequence[int]) -> None:
        self.padding = (padding,) * 2 * self.rank if isinstance(padding, int) else tuple(padding)
        if len(self.padding) != 2 * self.rank or min(self.padding) < 0:
            raise GraphError(
                f"{type(self).__name__} takes one number, or one for both ends of each axis, the last axis first; not "
                f"{padding}"
            )

    def forward(self, x: Value) -> Value:
        """x with zeros around."""
        if x.ndim != self.rank + 2:
            raise ShapeError(
                f"{x.trace.where} expects [batch, channels] and {self.rank} more, "
                f"but was given {dims_text(x.shape, x.dims)}"
            )
        return F.pad(x, (0, 0, *self.padding[-2::-2]), (0, 0, *self.padding[::-2]))

    def describe(self) -> str:
        """Its settings."""
        return str(self.padding)


class ZeroPad1d(_ZeroPad):
    """Zeros around ``[batch, channels, length]``; ends as PyTorch orders them: (left, right)."""

    rank = 1


class ZeroPad2d(_ZeroPad):
    """Zeros around ``[batch, channels, height, width]``: (left, right, top, bottom)."""


class ZeroPad3d(_ZeroPad):
    """Zeros around ``[batch, channels, depth, height, width]``: (left, right, top, bottom, front, back)."""

    rank = 3
