"""Where in a sequence something stands: learned, sinusoidal and rotary positions."""

from __future__ import annotations

import numpy as np

from workbench.graph import Array, GraphError
from workbench.nn import initial
from workbench.nn.module import Module
from workbench.nn.parameter import Parameter
from workbench.nn.shapes import ShapeError, dims_text
from workbench.nn.value import Value


def sinusoids(length: int, features: int, base: float = 10000.0) -> Array:
    """``(length, features)``: sin(p / base^(2i/d)) at even places, its cosine at odd ones (Vaswani et al. 2017)."""
    angles = np.arange(length)[:, None] / base ** (np.arange(0, features, 2) / features)
    table = np.zeros((length, features))
    table[:, 0::2], table[:, 1::2] = np.sin(angles), np.cos(angles)[:, : features // 2]
    return table.astype(np.float32)


def rotated(x: Value, base: float = 10000.0, interleaved: bool = False, offset: int = 0) -> Value:
    """Pairs of the last axis, turned by an angle that grows with the position on the axis before it.

    Parameters
    ----------
    x : ``(..., length, features)``; features are even.
    base : pair i turns by position / base^(2i / features) (Su et al. 2021, equation 34).
    interleaved : whether neighbours are a pair (as in that paper), or i and i + features / 2 (as in Llama).
    offset : position of the first element.
    """
    length, size = x.shape[-2:]
    if size % 2:
        raise ShapeError(
            f"{x.trace.where}: pairs are turned, but {dims_text(x.shape, x.dims)} has an odd last axis"
        )
    half = np.arange(size // 2)
    angles = (np.arange(length) + offset)[:, None] / base ** (2 * half / size)
    if interleaved:
        pair, other, sign = np.repeat(half, 2), np.arange(size) ^ 1, np.tile([-1.0, 1.0], size // 2)
    else:
        pair, other, sign = (
            np.tile(half, 2),
            np.roll(np.arange(size), -(size // 2)),
            np.repeat([-1.0, 1.0], size // 2),
        )
    wide = (1,) * (x.ndim - 2)
    turned = x.trace.constant(other.astype(np.int64), "pairs")
    swapped = x.trace.emit("Gather", [x, turned], {"axis": x.ndim - 1}, x.dims)
    cos = np.cos(angles)[:, pair].reshape(*wide, length, size).astype(x.dtype)
    sin = (np.sin(angles)[:, pair] * sign).reshape(*wide, length, size).astype(x.dtype)
    return x * cos + swapped * sin


class LearnedPositions(Module):
    """x + weight[position] over ``[batch, length, features]``; `weight` is ``(max_length, features)``."""

    def __init__(self, max_length: int, features: int) -> None:
        self.weight = Parameter((max_length, features), initial.normal(0.02))

    def forward(self, x: Value) -> Value:
        """x plus the rows of its positions."""
        _sequence(x, self.weight.shape[1])
        if x.shape[1] > self.weight.shape[0]:
            raise ShapeError(
                f"{x.trace.where} knows {self.weight.shape[0]} positions, but was given {dims_text(x.shape, x.dims)}"
            )
        return x + x.trace.lift(self.weight)[: x.shape[1]].reshape(1, *x.shape[1:])

    def describe(self) -> str:
        """Its settings."""
        return ", ".join(map(str, self.weight.shape))


class SinusoidalPositions(Module):
    """x + `sinusoids`, over ``[batch, length, features]``; nothing is learned."""

    def __init__(self, features: int, base: float = 10000.0) -> None:
        self.features, self.base = features, base

    def forward(self, x: Value) -> Value:
        """x plus the waves at its positions."""
        _sequence(x, self.features)
        return x + sinusoids(x.shape[1], self.features, self.base)[None].astype(x.dtype)

    def describe(self) -> str:
        """Its settings."""
        return f"{self.features}, base={self.base}"


class RotaryPositions(Module):
    """`rotated`, over ``[..., length, features]``; give it to `MultiheadAttention` as `rotary`."""

    def __init__(self, base: float = 10000.0, interleaved: bool = False) -> None:
        if base <= 1:
            raise GraphError(f"the base of rotary positions is larger than 1, not {base}")
        self.base, self.interleaved = base, interleaved

    def forward(self, x: Value, offset: int = 0) -> Value:
        """x with its pairs turned."""
        return rotated(x, self.base, self.interleaved, offset)

    def describe(self) -> str:
        """Its settings."""
        return f"base={self.base}, interleaved={self.interleaved}"


def _sequence(x: Value, features: int) -> None:
    if x.ndim != 3 or x.shape[-1] != features:
        raise ShapeError(
            f"{x.trace.where} expects [batch, length, features={features}], but was given {dims_text(x.shape, x.dims)}"
        )
