"""Layers with weights: Linear, convolutions, Embedding; and Flatten, Dropout."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from workbench.graph import GraphError
from workbench.nn import functional as F
from workbench.nn import initial
from workbench.nn.module import Module
from workbench.nn.parameter import Parameter
from workbench.nn.value import Value


class Linear(Module):
    """y = x W^T + b over the last dimension; `weight` is ``(out, in)``."""

    def __init__(self, in_features: int, out_features: int, bias: bool = True) -> None:
        self.in_features, self.out_features = int(in_features), int(out_features)
        draw = initial.torch_default(self.in_features)
        self.weight = Parameter((self.out_features, self.in_features), draw)
        self.bias = Parameter((self.out_features,), draw) if bias else None

    def forward(self, x: Value) -> Value:
        """x W^T + b."""
        return F.linear(x, self.weight, self.bias)

    def describe(self) -> str:
        """Its settings."""
        return f"{self.in_features}, {self.out_features}{'' if self.bias else ', bias=False'}"


class _Conv(Module):
    """What the convolutions share: their settings.  `rank` is set by the subclass."""

    rank = 2

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | Sequence[int],
        stride: int | Sequence[int] = 1,
        padding: int | Sequence[int] | str = 0,
        dilation: int | Sequence[int] = 1,
        groups: int = 1,
        bias: bool = True,
    ) -> None:
        kernel = F.each(kernel_size, self.rank)
        if in_channels % groups or out_channels % groups:
            raise GraphError(f"{in_channels} and {out_channels} channels do not divide into {groups} groups")
        if padding == "same":
            steps = F.each(dilation, self.rank)
            if any((k - 1) * d % 2 for k, d in zip(kernel, steps, strict=True)) or stride not in (
                1,
                (1,) * self.rank,
            ):
                raise GraphError("padding='same' needs odd kernels and stride 1")
            padding = tuple((k - 1) * d // 2 for k, d in zip(kernel, steps, strict=True))
        elif isinstance(padding, str):
            if padding != "valid":
                raise GraphError(f"padding is a number, 'same' or 'valid', not {padding!r}")
            padding = 0
        self.stride, self.padding, self.dilation, self.groups = stride, padding, dilation, groups
        self.weight, fan_in = self._weight(in_channels, out_channels, groups, kernel)
        self.bias = Parameter((out_channels,), initial.torch_default(fan_in)) if bias else None
        self._said = (
            f"{in_channels}, {out_channels}, kernel_size={kernel}, stride={stride}, padding={padding}"
        )

    def _weight(self, inner: int, outer: int, groups: int, kernel: tuple[int, ...]) -> tuple[Parameter, int]:
        fan_in = inner // groups * prod(kernel)
        return Parameter((outer, inner // groups, *kernel), initial.torch_default(fan_in)), fan_in

    def forward(self, x: Value) -> Value:
        """The cross-correlation."""
        return F.conv(x, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups)

    def describe(self) -> str:
        """Its settings."""
        return self._said


class Conv1d(_Conv):
    """Cross-correlation over ``[batch, channels, length]``."""

    rank = 1


class Conv2d(_Conv):
    """Cross-correlation over ``[batch, channels, height, width]``."""

    rank = 2


class Conv3d(_Conv):
    """Cross-correlation over ``[batch, channels, depth, height, width]``."""

    rank = 3


class _ConvTranspose(_Conv):
    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int | Sequence[int],
        stride: int | Sequence[int] = 1, padding: int | Sequence[int] = 0,
        output_padding: int | Sequence[int] = 0, groups: int = 1, bias: bool = True,
        dilation: int | Sequence[int] = 1,
    ) -> None:  # fmt: skip
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias)
        self.output_padding = output_padding

    def _weight(self, inner: int, outer: int, groups: int, kernel: tuple[int, ...]) -> tuple[Parameter, int]:
        fan_in = outer // groups * prod(kernel)  # as PyTorch counts: the second axis of the weight
        return Parameter((inner, outer // groups, *kernel), initial.torch_default(fan_in)), fan_in

    def forward(self, x: Value) -> Value:
        """The adjoint of the cross-correlation."""
        return F.conv_transpose(
            x, self.weight, self.bias, self.stride, self.padding, self.output_padding, self.groups, self.dilation
        )  # fmt: skip


class ConvTranspose1d(_ConvTranspose):
    """Adjoint of `Conv1d`."""

    rank = 1


class ConvTranspose2d(_ConvTranspose):
    """Adjoint of `Conv2d`."""

    rank = 2


class ConvTranspose3d(_ConvTranspose):
    """Adjoint of `Conv3d`."""

    rank = 3


class Flatten(Module):
    """All dimensions from `start_dim` on as one."""

    def __init__(self, start_dim: int = 1) -> None:
        self.start_dim = start_dim

    def forward(self, x: Value) -> Value:
        """As rows of numbers."""
        if self.start_dim == 1 and x.ndim > 1:
            return x.trace.emit("Flatten", [x], {"axis": 1}, (x.dims[0], None))
        return x.flatten(self.start_dim)


class Reshape(Module):
    """Another shape for every example: the batch dimension stays."""

    def __init__(self, *shape: int) -> None:
        self.shape = shape

    def forward(self, x: Value) -> Value:
        """The same elements."""
        return x.reshape(x.shape[0], *self.shape)


class Identity(Module):
    """x."""

    def forward(self, x: Value) -> Value:
        """x."""
        return x


class Dropout(Module):
    """In training, 0 with probability p, and what is left divided by 1 - p; in evaluation, nothing."""

    def __init__(self, p: float = 0.5) -> None:
        if not 0 <= p < 1:
            raise GraphError(f"a probability of dropping lies in [0, 1), not {p}")
        self.p = p

    def forward(self, x: Value) -> Value:
        """x, or x times a mask that is drawn anew at every step."""
        if not (self.training and x.trace.training) or not self.p:
            return x
        keep = np.float32(1 - self.p)

        def draw(rng: np.random.Generator) -> Any:
            return (rng.random(x.shape, np.float32) < keep).astype(np.float32) / keep

        path = x.trace.scopes[-1][0]
        return x * x.trace.noise(f"{path}.mask" if path else "mask", x.shape, draw)

    def describe(self) -> str:
        """Its settings."""
        return f"p={self.p}"


class Embedding(Module):
    """Rows of a table at ids; `weight` is ``(num_embeddings, embedding_dim)``."""

    def __init__(self, num_embeddings: int, embedding_dim: int) -> None:
        self.weight = Parameter((num_embeddings, embedding_dim), initial.normal())

    def forward(self, ids: Value) -> Value:
        """The rows, in the ids' order."""
        return F.embedding(ids, self.weight)

    def describe(self) -> str:
        """Its settings."""
        return ", ".join(map(str, self.weight.shape))
