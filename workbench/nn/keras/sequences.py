"""Keras' norms and recurrent layers, in the table of `layers`."""

from __future__ import annotations

import numpy as np

from workbench.graph import GraphError
from workbench.nn import functional as F
from workbench.nn.aten.shapes import gathered
from workbench.nn.keras.layers import Settings, activated, layer
from workbench.nn.norms import batch_norm
from workbench.nn.recurrent import gru_step, lstm_step, rnn_step, unrolled
from workbench.nn.value import Value


@layer("BatchNormalization")
def _(s: Settings, x: Value) -> Value:
    held, axis = list(s.held), s.get("axis", -1)
    axis = (axis[0] if isinstance(axis, list | tuple) else axis) % x.ndim
    scale = held.pop(0) if s.get("scale", True) else None
    shift = held.pop(0) if s.get("center", True) else None
    mean, variance = held
    order = (0, axis, *(i for i in range(1, x.ndim) if i != axis))
    turned, kept = x.permute(*order) if axis != 1 else x, s.get("momentum", 0.99)
    y = batch_norm(turned, scale, shift, mean, variance, s.get("epsilon", 1e-3), 1 - kept, x.trace.training)
    return y if axis == 1 else y.permute(*(order.index(i) for i in range(x.ndim)))


@layer("LayerNormalization")
def _(s: Settings, x: Value) -> Value:
    axis = s.get("axis", -1)
    axes = [a % x.ndim for a in (axis if isinstance(axis, list | tuple) else [axis])]
    if axes != list(range(x.ndim - len(axes), x.ndim)) or s.get("rms_scaling", False):
        raise GraphError(
            f"{x.trace.where}: layer normalisation over other axes than the last ones is not supported"
        )
    held = list(s.held)
    scale = held.pop(0) if s.get("scale", True) else np.ones(x.shape[axes[0] :], x.dtype)
    return F.layer_norm(
        x, scale, held.pop(0) if s.get("center", True) else None, s.get("epsilon", 1e-3), len(axes)
    )


@layer("SimpleRNN", "LSTM", "GRU")
def _recurrent(s: Settings, x: Value) -> Value:
    if s.get("return_state", False) or s.get("stateful", False):
        raise GraphError(f"{x.trace.where}: states as results are not supported")
    w_ih, w_hh = (x.trace.lift(h).permute(1, 0) for h in s.held[:2])
    bias = x.trace.lift(s.held[2]) if len(s.held) > 2 else None
    kind = "gru" if bias is not None and bias.ndim == 2 else "plain"
    rows = w_hh.shape[1]
    b_ih, b_hh = (bias[0], bias[1]) if kind == "gru" and bias is not None else (bias, None)
    gates = w_hh.shape[0] // rows
    step, states = rnn_step(lambda v: activated(v, s.get("activation", "tanh"))), 1
    if gates > 1 and (s.get("activation"), s.get("recurrent_activation")) != ("tanh", "sigmoid"):
        raise GraphError(f"{x.trace.where}: other activations than tanh and sigmoid are not supported")
    if gates == 4:
        step, states = lstm_step, 2
    elif gates == 3:
        if not s.get("reset_after", True):
            raise GraphError(f"{x.trace.where}: a GRU with reset_after=False is not supported")
        step = gru_step  # Keras has z before r
        turn = [1, 0, 2]
        w_ih, w_hh = (_reordered(w, rows, turn) for w in (w_ih, w_hh))
        b_ih, b_hh = (None if b is None else _reordered(b, rows, turn) for b in (b_ih, b_hh))
    backward = bool(s.get("go_backwards", False))
    given = gathered(x, np.arange(x.shape[1])[::-1], 1) if backward else x
    y, finals = unrolled(given, [[w_ih, w_hh, b_ih, b_hh]], step, states)
    return y if s.get("return_sequences", False) else finals[0].reshape(x.shape[0], rows)


def _reordered(w: Value, rows: int, order: list[int]) -> Value:
    return F.cat([w[rows * i : rows * (i + 1)] for i in order], 0)
