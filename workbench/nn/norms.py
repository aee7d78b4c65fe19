"""Normalisations: BatchNorm, LayerNorm, GroupNorm, InstanceNorm, RMSNorm."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from workbench.graph import GraphError
from workbench.nn import functional as F
from workbench.nn import initial
from workbench.nn.module import Module
from workbench.nn.parameter import Buffer, Parameter
from workbench.nn.shapes import ShapeError, dims_text
from workbench.nn.value import Value


def batch_norm(
    x: Value,
    weight: Any,
    bias: Any,
    mean: Any,
    variance: Any,
    eps: float = 1e-5,
    momentum: float = 0.1,
    training: bool = False,
) -> Value:
    """(x - mean) / sqrt(variance + eps) weight + bias, each channel (dimension 1) for itself.

    Parameters
    ----------
    weight, bias : ``(channels,)`` or None.
    mean, variance : the running ones; in training the batch's own stand in their place, and move these (`Buffer`).
    """
    trace, channels = x.trace, x.shape[1]
    scale, shift = (
        trace.constant(np.full(channels, v, x.dtype)) if p is None else trace.lift(p)
        for p, v in ((weight, 1), (bias, 0))
    )
    if not training:
        held = [scale, shift, trace.lift(mean), trace.lift(variance)]
        return trace.emit("BatchNormalization", [x, *held], {"epsilon": float(np.float32(eps))}, x.dims)
    axes, count = (0, *range(2, x.ndim)), prod(x.shape) // channels
    if count < 2:
        raise GraphError(f"{trace.where}: a batch of one number a channel has no variance")
    wide = (1, -1, *(1,) * (x.ndim - 2))
    own = x.mean(axes, keepdims=True)
    centred = x - own
    spread = (centred * centred).mean(axes, keepdims=True)
    y = centred / trace.emit("Sqrt", [spread + eps])
    for buffer, now in ((mean, own), (variance, spread * (count / (count - 1)))):
        kept = trace.buffer(buffer) * (1 - momentum)
        trace.update(buffer, kept + now.reshape(channels) * momentum)
    return y if weight is None else y * scale.reshape(*wide) + shift.reshape(*wide)


class _BatchNorm(Module):
    ranks: tuple[int, ...] = (2, 3, 4, 5)

    def __init__(
        self, num_features: int, eps: float = 1e-5, momentum: float = 0.1, affine: bool = True
    ) -> None:
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.weight = Parameter((num_features,), initial.ones) if affine else None
        self.bias = Parameter((num_features,), initial.zeros) if affine else None
        self.running_mean = Buffer((num_features,), initial.zeros)
        self.running_var = Buffer((num_features,), initial.ones)

    def forward(self, x: Value) -> Value:
        """By the batch's own statistics in training (which also move the running ones), else by the running ones."""
        if x.ndim not in self.ranks or x.shape[1] != self.num_features:
            raise ShapeError(
                f"{x.trace.where} expects channels={self.num_features} in dimension 1 of {self.ranks[0]} or "
                f"more, but was given {dims_text(x.shape, x.dims)}"
            )
        moved = self.training and x.trace.training
        return batch_norm(
            x, self.weight, self.bias, self.running_mean, self.running_var, self.eps, self.momentum, moved
        )

    def describe(self) -> str:
        """Its settings."""
        return f"{self.num_features}, eps={self.eps}, momentum={self.momentum}"


class BatchNorm1d(_BatchNorm):
    """Over ``[batch, channels]`` or ``[batch, channels, length]``."""

    ranks = (2, 3)


class BatchNorm2d(_BatchNorm):
    """Over ``[batch, channels, height, width]``."""

    ranks = (4,)


class BatchNorm3d(_BatchNorm):
    """Over ``[batch, channels, depth, height, width]``."""

    ranks = (5,)


class LayerNorm(Module):
    """Over the last dimensions, each example for itself."""

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        bias: bool = True,
        elementwise_affine: bool = True,
    ) -> None:
        given = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
        self.shape, self.eps = given, eps
        self.weight = Parameter(given, initial.ones) if elementwise_affine else None
        self.bias = Parameter(given, initial.zeros) if bias and elementwise_affine else None

    def forward(self, x: Value) -> Value:
        """(x - mean) / sqrt(variance + eps) weight + bias."""
        weight = np.ones(self.shape, x.dtype) if self.weight is None else self.weight
        return F.layer_norm(x, weight, self.bias, self.eps, len(self.shape))

    def describe(self) -> str:
        """Its settings."""
        return f"{list(self.shape)}, eps={self.eps}"


class GroupNorm(Module):
    """Over groups of channels, and all places, each example for itself."""

    def __init__(self, num_groups: int, num_channels: int, eps: float = 1e-5, affine: bool = True) -> None:
        if num_channels % num_groups:
            raise GraphError(f"{num_channels} channels do not divide into {num_groups} groups")
        self.num_groups, self.num_channels, self.eps = num_groups, num_channels, eps
        self.weight = Parameter((num_channels,), initial.ones) if affine else None
        self.bias = Parameter((num_channels,), initial.zeros) if affine else None

    def forward(self, x: Value) -> Value:
        """Each group with mean 0 and variance 1, then a weight and a bias a channel."""
        if x.ndim < 2 or x.shape[1] != self.num_channels:
            raise ShapeError(
                f"{x.trace.where} expects channels={self.num_channels} in dimension 1, "
                f"but was given {dims_text(x.shape, x.dims)}"
            )
        size = prod(x.shape[1:]) // self.num_groups
        rows = x.reshape(x.shape[0], self.num_groups, size)
        y = F.layer_norm(rows, np.ones(size, x.dtype), np.zeros(size, x.dtype), self.eps).reshape(x.shape)
        if self.weight is None or self.bias is None:
            return y
        wide = (1, -1, *(1,) * (x.ndim - 2))
        return y * x.trace.lift(self.weight).reshape(*wide) + x.trace.lift(self.bias).reshape(*wide)


class _InstanceNorm(GroupNorm):
    """Over the places of every channel, each example for itself."""

    rank = 2

    def __init__(self, num_features: int, eps: float = 1e-5, affine: bool = False) -> None:
        super().__init__(num_features, num_features, eps, affine)

    def forward(self, x: Value) -> Value:
        """Each channel with mean 0 and variance 1, then its weight and bias where there are such."""
        if x.ndim != self.rank + 2:
            raise ShapeError(
                f"{x.trace.where} expects [batch, channels={self.num_channels}] and {self.rank} more, "
                f"but was given {dims_text(x.shape, x.dims)}"
            )
        return super().forward(x)


class InstanceNorm1d(_InstanceNorm):
    """Over the places of every channel, ``[batch, channels, length]``."""

    rank = 1


class InstanceNorm2d(_InstanceNorm):
    """Over the places of every channel, ``[batch, channels, height, width]``."""


class InstanceNorm3d(_InstanceNorm):
    """Over the places of every channel, ``[batch, channels, depth, height, width]``."""

    rank = 3


class RMSNorm(Module):
    """x / sqrt(mean of squares + eps) weight over the last dimension."""

    def __init__(self, normalized_shape: int, eps: float = 1e-6) -> None:
        self.eps, self.weight = eps, Parameter((normalized_shape,), initial.ones)

    def forward(self, x: Value) -> Value:
        """x over its root mean square, times the weight."""
        root = x.trace.emit("Sqrt", [(x * x).mean(-1, keepdims=True) + self.eps])
        return (x / root) * x.trace.lift(self.weight).reshape(*(1,) * (x.ndim - 1), -1)
