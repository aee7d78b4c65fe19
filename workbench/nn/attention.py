"""Multi-head attention (Vaswani et al. 2017), with masks that are exact: what is masked counts exactly 0."""

from __future__ import annotations

from math import sqrt
from typing import Any

import numpy as np

from workbench.graph import Array, GraphError
from workbench.nn import functional as F
from workbench.nn import initial
from workbench.nn.layers import Linear
from workbench.nn.module import Module
from workbench.nn.parameter import Parameter
from workbench.nn.shapes import ShapeError, dims_text
from workbench.nn.value import Value

FAR = -1e9  # a logit that is masked: e^FAR is 0 in every float format, and the result is set to 0 besides


def scaled_dot_product_attention(q: Value, k: Value, v: Value, mask: Array | None = None) -> Value:
    """softmax(q k^T / sqrt(d)) v over ``(..., length, d)``.

    Parameters
    ----------
    mask : True where a query (second last axis) may see a key (last axis); a constant.  A query that sees nothing
        gives 0.
    """
    scores = (q @ k.transpose(-1, -2)) * (1 / sqrt(q.shape[-1]))
    if mask is None:
        return F.softmax(scores) @ v
    allowed = np.asarray(mask, bool)
    if allowed.shape != scores.shape[-2:]:
        raise ShapeError(
            f"{q.trace.where}: a mask of shape {list(allowed.shape)} for scores of "
            f"{dims_text(scores.shape, scores.dims)}: it takes one entry a pair of query and key"
        )
    wide = np.broadcast_to(allowed.reshape(*(1,) * (scores.ndim - 2), *allowed.shape), scores.shape)
    weights = F.softmax(F.where(wide, scores, np.full((1,) * scores.ndim, FAR, scores.dtype)))
    return F.where(wide, weights, np.zeros((1,) * scores.ndim, scores.dtype)) @ v


def causal_mask(length: int) -> Array:
    """Every position sees itself and what is before it."""
    return np.tril(np.ones((length, length), bool))


class MultiheadAttention(Module):
    """Attention in `num_heads` subspaces, over ``[batch, length, embed_dim]``; parameters are named as PyTorch's."""

    def __init__(self, embed_dim: int, num_heads: int, bias: bool = True) -> None:
        if embed_dim % num_heads:
            raise GraphError(f"{embed_dim} features do not divide into {num_heads} heads")
        self.embed_dim, self.num_heads = embed_dim, num_heads
        self.in_proj_weight = Parameter((3 * embed_dim, embed_dim), initial.xavier_uniform)
        self.in_proj_bias = Parameter((3 * embed_dim,), initial.zeros) if bias else None
        self.out_proj = Linear(embed_dim, embed_dim, bias)
        if self.out_proj.bias is not None:
            self.out_proj.bias.draw = initial.zeros

    def forward(self, query: Value, key: Any = None, value: Any = None, mask: Any = None) -> Value:
        """Self-attention of one value; cross-attention where `key` (and `value`) are others."""
        key = query if key is None else key
        value = key if value is None else value
        for x in (query, key, value):
            if x.ndim != 3 or x.shape[-1] != self.embed_dim:
                raise ShapeError(
                    f"{query.trace.where} expects [batch, length, features={self.embed_dim}], "
                    f"but was given {dims_text(x.shape, x.dims)}"
                )
        q, k, v = (self._heads(x, i) for i, x in enumerate((query, key, value)))
        y = scaled_dot_product_attention(q, k, v, mask)
        joined = y.permute(0, 2, 1, 3).reshape(query.shape)
        return self.out_proj(joined)

    def _heads(self, x: Value, which: int) -> Value:
        """``(batch, heads, length, features a head)``."""
        e, part = self.embed_dim, slice(which * self.embed_dim, (which + 1) * self.embed_dim)
        weight = x.trace.lift(self.in_proj_weight)[part]
        bias = None if self.in_proj_bias is None else x.trace.lift(self.in_proj_bias)[part]
        y = F.linear(x, weight, bias)
        return y.reshape(x.shape[0], x.shape[1], self.num_heads, e // self.num_heads).permute(0, 2, 1, 3)

    def describe(self) -> str:
        """Its settings."""
        return f"embed_dim={self.embed_dim}, num_heads={self.num_heads}"
