"""Multi-head attention (Vaswani et al. 2017), with masks that are exact: what is masked counts exactly 0."""

from __future__ import annotations

from math import sqrt
from typing import Any

import numpy as np

from workbench.graph import Array, GraphError
from workbench.nn import functional as F
from workbench.nn import initial
from workbench.nn.layers import Dropout, Linear
from workbench.nn.module import Module
from workbench.nn.parameter import Parameter
from workbench.nn.shapes import ShapeError, dims_text
from workbench.nn.value import Value

# A logit that is masked.  e^FAR is 0 in every float format, and the weight is set to 0 besides.  A larger number is not
# finite in binary16, where 0 times infinity is no number; and differences with it are rounded coarsely.
FAR = -3e4


def scaled_dot_product_attention(
    q: Value,
    k: Value,
    v: Value,
    mask: Array | None = None,
    keys: Any = None,
    causal: bool = False,
    scale: float | None = None,
    drop: Module | None = None,
) -> Value:
    """softmax(q k^T / sqrt(d)) v over ``(..., length, d)``.

    Parameters
    ----------
    mask : True where a query (second last axis) may see a key (last axis); a constant.  A query that sees nothing
        gives 0.
    keys : True where a key is there, and False where it is padding: a constant ``(length,)`` or ``(batch, length)``;
        or a value ``(batch, length)`` of zeros and ones, so that each example has its own.
    causal : whether a query sees no key after itself.
    scale : what stands for 1 / sqrt(d).
    drop : applied to the weights, such as `Dropout`.
    """
    scores = (q @ k.transpose(-1, -2)) * (1 / sqrt(q.shape[-1]) if scale is None else scale)
    allowed = _allowed(scores, mask, None if isinstance(keys, Value) else keys, causal)
    one = (1,) * scores.ndim
    if allowed is not None:
        scores = F.where(allowed, scores, np.full(one, FAR, scores.dtype))
    seen = None
    if isinstance(keys, Value):
        seen = _per_key(keys, scores)
        scores = scores * seen + (seen - 1.0) * -FAR  # exact for zeros and ones: the score, or FAR
    weights = F.softmax(scores)
    if allowed is not None:
        weights = F.where(allowed, weights, np.zeros(one, scores.dtype))
    if seen is not None:
        weights = weights * seen
    return (weights if drop is None else drop(weights)) @ v


def _allowed(scores: Value, mask: Any, keys: Any, causal: bool) -> Array | None:
    """The constant masks as one, of the scores' rank."""
    found, shape = [], scores.shape
    if causal:
        found.append(np.tril(np.ones(shape[-2:], bool)))
    if mask is not None:
        given = np.asarray(mask, bool)
        if given.shape not in (shape[-2:], shape):
            raise ShapeError(
                f"{scores.trace.where}: a mask of shape {list(given.shape)} for scores of "
                f"{dims_text(shape, scores.dims)}: it takes one entry a pair of query and key"
            )
        found.append(given)
    if keys is not None:
        given = np.asarray(keys, bool)
        if given.shape not in (shape[-1:], (shape[0], shape[-1])):
            raise ShapeError(
                f"{scores.trace.where}: a mask of keys of shape {list(given.shape)} for scores of "
                f"{dims_text(shape, scores.dims)}: it takes one entry a key"
            )
        ones = (1,) * (scores.ndim - (1 if given.ndim == 1 else 2))
        found.append(given.reshape(*ones, -1) if given.ndim == 1 else given.reshape(len(given), *ones, -1))
    if not found:
        return None
    whole = found[0]
    for other in found[1:]:
        whole = whole & other
    return np.asarray(whole.reshape(*(1,) * (scores.ndim - whole.ndim), *whole.shape))


def _per_key(keys: Value, scores: Value) -> Value:
    if keys.shape != (scores.shape[0], scores.shape[-1]):
        raise ShapeError(
            f"{scores.trace.where}: keys of {dims_text(keys.shape, keys.dims)} for scores of "
            f"{dims_text(scores.shape, scores.dims)}: it takes one entry a key of every example"
        )
    return keys.reshape(keys.shape[0], *(1,) * (scores.ndim - 2), keys.shape[1])


def causal_mask(length: int) -> Array:
    """Every position sees itself and what is before it."""
    return np.tril(np.ones((length, length), bool))


class MultiheadAttention(Module):
    """Attention in `num_heads` subspaces, over ``[batch, length, embed_dim]``; parameters are named as PyTorch's.

    Parameters
    ----------
    causal : whether a query sees no key after itself.
    rotary : turns queries and keys by their positions, such as `RotaryPositions`.
    dropout : the probability with which a weight is dropped in training.
    """

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        bias: bool = True,
        *,
        causal: bool = False,
        rotary: Module | None = None,
        dropout: float = 0.0,
    ) -> None:
        if embed_dim % num_heads:
            raise GraphError(f"{embed_dim} features do not divide into {num_heads} heads")
        self.embed_dim, self.num_heads, self.causal, self.rotary = embed_dim, num_heads, causal, rotary
        self.in_proj_weight = Parameter((3 * embed_dim, embed_dim), initial.xavier_uniform)
        self.in_proj_bias = Parameter((3 * embed_dim,), initial.zeros) if bias else None
        self.out_proj = Linear(embed_dim, embed_dim, bias)
        self.drop = Dropout(dropout) if dropout else None
        if self.out_proj.bias is not None:
            self.out_proj.bias.draw = initial.zeros

    def forward(
        self, query: Value, key: Any = None, value: Any = None, mask: Any = None, keys: Any = None
    ) -> Value:
        """Self-attention of one value; cross-attention where `key` (and `value`) are others.

        `mask` and `keys` as in `scaled_dot_product_attention`: True is what may be seen.
        """
        key = query if key is None else key
        value = key if value is None else value
        for x in (query, key, value):
            if x.ndim != 3 or x.shape[-1] != self.embed_dim:
                raise ShapeError(
                    f"{query.trace.where} expects [batch, length, features={self.embed_dim}], "
                    f"but was given {dims_text(x.shape, x.dims)}"
                )
        q, k, v = (self._heads(x, i) for i, x in enumerate((query, key, value)))
        if self.rotary is not None:
            q, k = self.rotary(q), self.rotary(k)
        y = scaled_dot_product_attention(q, k, v, mask, keys, self.causal, drop=self.drop)
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
        return (
            f"embed_dim={self.embed_dim}, num_heads={self.num_heads}{', causal=True' if self.causal else ''}"
        )
