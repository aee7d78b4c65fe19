"""Transformer blocks (Vaswani et al. 2017), named and ordered as PyTorch's; inputs are ``[batch, length, features]``.

Masks say what may be *seen* (True), as in `scaled_dot_product_attention`; PyTorch's say what may not.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

from workbench.graph import GraphError
from workbench.nn import functional as F
from workbench.nn.attention import MultiheadAttention
from workbench.nn.layers import Dropout, Linear
from workbench.nn.module import Module
from workbench.nn.norms import LayerNorm
from workbench.nn.value import Value

ACTIVATIONS: dict[str, Callable[[Value], Value]] = {"relu": F.relu, "gelu": F.gelu, "silu": F.silu}


class _Block(Module):
    """What encoder and decoder blocks share: the layer of two linear maps, and where norms stand."""

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: str = "relu",
        layer_norm_eps: float = 1e-5,
        norm_first: bool = False,
        bias: bool = True,
        causal: bool = False,
        rotary: Module | None = None,
    ) -> None:
        if activation not in ACTIVATIONS:
            raise GraphError(f"activation is one of {', '.join(ACTIVATIONS)}, not {activation!r}")
        self.self_attn = MultiheadAttention(
            d_model, nhead, bias, causal=causal, rotary=rotary, dropout=dropout
        )
        self.linear1, self.linear2 = (
            Linear(d_model, dim_feedforward, bias),
            Linear(dim_feedforward, d_model, bias),
        )
        self.norm1, self.norm2 = (
            LayerNorm(d_model, layer_norm_eps, bias),
            LayerNorm(d_model, layer_norm_eps, bias),
        )
        self.dropout = Dropout(dropout)
        self.activation, self.norm_first = activation, norm_first

    def _wide(self, x: Value) -> Value:
        """linear2(activation(linear1(x)))."""
        return self.linear2(self.dropout(ACTIVATIONS[self.activation](self.linear1(x))))

    def _added(self, x: Value, norm: Module, part: Callable[[Value], Value]) -> Value:
        """x + part(x), normalised before the part or after the sum."""
        if self.norm_first:
            return x + self.dropout(part(norm(x)))
        return norm(x + self.dropout(part(x)))


class TransformerEncoderLayer(_Block):
    """Self-attention, then two linear maps; each is added to what it was given.  `causal=True` makes it a GPT block."""

    def forward(self, x: Value, mask: Any = None, keys: Any = None) -> Value:
        """The block of x; `mask` ``(length, length)`` and `keys` (padding) say what may be seen."""
        x = self._added(x, self.norm1, lambda y: self.self_attn(y, mask=mask, keys=keys))
        return self._added(x, self.norm2, self._wide)


class TransformerDecoderLayer(_Block):
    """Self-attention (causal, unless a setting says no), attention to another sequence, and two linear maps."""

    def __init__(self, d_model: int, nhead: int, dim_feedforward: int = 2048, dropout: float = 0.1, *,
                 causal: bool = True, **settings: Any) -> None:  # fmt: skip
        super().__init__(d_model, nhead, dim_feedforward, dropout, causal=causal, **settings)
        bias, eps = settings.get("bias", True), settings.get("layer_norm_eps", 1e-5)
        self.multihead_attn = MultiheadAttention(d_model, nhead, bias, dropout=dropout)
        self.norm3 = LayerNorm(d_model, eps, bias)

    def forward(
        self, x: Value, memory: Value, mask: Any = None, keys: Any = None,
        memory_mask: Any = None, memory_keys: Any = None,
    ) -> Value:  # fmt: skip
        """The block of x, which also attends to `memory`, an encoder's result."""
        x = self._added(x, self.norm1, lambda y: self.self_attn(y, mask=mask, keys=keys))
        x = self._added(
            x, self.norm2, lambda y: self.multihead_attn(y, memory, mask=memory_mask, keys=memory_keys)
        )
        return self._added(x, self.norm3, self._wide)


class _Stack(Module):
    def __init__(self, layer: Module, num_layers: int, norm: Module | None = None) -> None:
        self.layers = [deepcopy(layer) for _ in range(num_layers)]
        self.norm = norm

    def forward(self, x: Value, *memory: Value, **masks: Any) -> Value:
        """Each block of the one before it; masks go to all of them."""
        for layer in self.layers:
            x = layer(x, *memory, **masks)
        return x if self.norm is None else self.norm(x)


class TransformerEncoder(_Stack):
    """Copies of an encoder block, each with parameters of its own, and a norm at the end where one is given."""


class TransformerDecoder(_Stack):
    """Copies of a decoder block, each with parameters of its own, and a norm at the end where one is given."""
