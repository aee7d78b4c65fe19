"""Attention and recurrent layers, and arrays that are made of numbers alone."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from typing import Any

import numpy as np

from workbench.graph import GraphError
from workbench.nn import functional as F
from workbench.nn.aten.table import aten, known
from workbench.nn.attention import FAR, scaled_dot_product_attention
from workbench.nn.recurrent import State, Step, gru_step, lstm_step, rnn_step, unrolled
from workbench.nn.value import Value


@aten("scaled_dot_product_attention")
def _(
    q: Value, k: Value, v: Value, mask: Value | None = None, dropout_p: float = 0.0, is_causal: bool = False, *,
    scale: float | None = None, enable_gqa: bool = False,
) -> Value:  # fmt: skip
    if enable_gqa and q.shape[-3] != k.shape[-3]:
        times = q.shape[-3] // k.shape[-3]
        index = k.trace.constant(np.repeat(np.arange(k.shape[-3]), times), "heads")
        k, v = (x.trace.emit("Gather", [x, index], {"axis": x.ndim - 3}) for x in (k, v))
    if mask is None:
        return scaled_dot_product_attention(q, k, v, causal=is_causal, scale=scale)
    array = known(mask)
    if array is None:
        raise GraphError(f"{q.trace.where}: a mask that depends on the input has no counterpart here")
    shape = (*q.shape[:-1], k.shape[-2])
    if array.dtype == bool:
        return scaled_dot_product_attention(
            q, k, v, np.broadcast_to(array, shape), causal=is_causal, scale=scale
        )
    allowed = array > FAR / 2  # where a mask is added to the scores, -inf is what is not seen
    if (array[allowed] != 0).any():
        q = q * (1 / sqrt(q.shape[-1]) if scale is None else scale)
        added = np.where(allowed, array, 0).astype(q.dtype)
        scores = q @ k.transpose(-1, -2) + added.reshape((1,) * (q.ndim - added.ndim) + added.shape)
        one, wide = (1,) * q.ndim, np.broadcast_to(allowed, shape)
        weights = F.softmax(F.where(wide, scores, np.full(one, FAR, q.dtype)))
        return F.where(wide, weights, np.zeros(one, q.dtype)) @ v
    return scaled_dot_product_attention(
        q, k, v, np.broadcast_to(allowed, shape), causal=is_causal, scale=scale
    )


def _recurrent(
    step: Step, states: int, gates: int, x: Value, first: Sequence[Value], held: Sequence[Value], has_biases: bool,
    bidirectional: bool, batch_first: bool,
) -> tuple[Value, State]:  # fmt: skip
    each = 4 if has_biases else 2
    passes: list[list[Any]] = [[*held[i : i + each], None, None][:4] for i in range(0, len(held), each)]
    if any(p[1].shape[0] != gates * p[1].shape[1] for p in passes):
        raise GraphError(f"{x.trace.where}: projections of an LSTM's state have no counterpart here")
    zero = all((a := known(h)) is not None and not a.any() for h in first)
    turned = x if batch_first else x.permute(1, 0, 2)
    y, finals = unrolled(turned, passes, step, states, () if zero else tuple(first), bidirectional)
    return (y if batch_first else y.permute(1, 0, 2)), finals


@aten("lstm")
def _(
    x: Value, first: Sequence[Value], held: Sequence[Value], has_biases: bool, num_layers: int, dropout: float,
    train: bool, bidirectional: bool, batch_first: bool,
) -> Any:  # fmt: skip
    y, finals = _recurrent(lstm_step, 2, 4, x, first, held, has_biases, bidirectional, batch_first)
    return y, *finals


def _register(name: str, step: Step, gates: int) -> None:
    @aten(name)
    def _(
        x: Value, first: Value, held: Sequence[Value], has_biases: bool, num_layers: int, dropout: float,
        train: bool, bidirectional: bool, batch_first: bool,
    ) -> Any:  # fmt: skip
        y, finals = _recurrent(step, 1, gates, x, [first], held, has_biases, bidirectional, batch_first)
        return y, *finals


_register("gru", gru_step, 3)
_register("rnn_tanh", rnn_step(F.tanh), 1)
_register("rnn_relu", rnn_step(F.relu), 1)
