"""Selective state space layer (Gu and Dao 2023, "Mamba"), unrolled over the length of its input."""

from __future__ import annotations

from math import ceil, log

import numpy as np

from workbench.graph import Array
from workbench.nn import functional as F
from workbench.nn import initial
from workbench.nn.layers import Linear
from workbench.nn.module import Module
from workbench.nn.parameter import Parameter
from workbench.nn.shapes import ShapeError, dims_text
from workbench.nn.value import Value


def selective_scan(x: Value, step: Value, a: Value, b: Value, c: Value, skip: Value | None = None) -> Value:
    """h_t = exp(step_t a) h_(t-1) + step_t x_t b_t;  y_t = h_t . c_t + skip x_t;  h_0 = 0 before the first element.

    Parameters
    ----------
    x, step : ``(batch, length, channels)``; steps are positive.
    a : ``(channels, states)``, negative numbers: each channel has a state of its own, and they do not mix.
    b, c : ``(batch, length, states)``: what is written and what is read, chosen by the input (equations 2 and 4 there).
    skip : ``(channels,)``.

    Returns
    -------
    ``(batch, length, channels)``.
    """
    batch, length, channels = x.shape
    states, trace = a.shape[1], x.trace
    decay = F.exp(step.reshape(batch, length, channels, 1) * a.reshape(1, 1, channels, states))
    fed = (step * x).reshape(batch, length, channels, 1) * b.reshape(batch, length, 1, states)
    path, kind = trace.scopes[-1] if trace.scopes else ("scan", "scan")
    found, h = [], fed[:, 0]
    for t in range(length):
        trace.scopes.append((f"{path or 'scan'}.step{t}.scan", kind))
        if t:
            h = decay[:, t] * h + fed[:, t]
        found.append((h @ c[:, t].reshape(batch, states, 1)).reshape(batch, 1, channels))
        trace.scopes.pop()
    y = F.cat(found, 1)
    return y if skip is None else y + x * skip.reshape(1, 1, channels)


class Mamba(Module):
    """The block of Gu and Dao 2023, section 3.4, over ``[batch, length, d_model]``; parameters as in their code.

    Parameters
    ----------
    d_model : features of input and output.
    d_state : numbers that each channel remembers.
    d_conv : how many elements the causal convolution sees.
    expand : channels inside, as a multiple of `d_model`.
    dt_rank : rank of the map to the steps; a sixteenth of `d_model` where none is given.
    """

    def __init__(self, d_model: int, d_state: int = 16, d_conv: int = 4, expand: int = 2,
                 dt_rank: int | None = None) -> None:  # fmt: skip
        inner = expand * d_model
        self.d_model, self.d_state, self.d_conv, self.inner = d_model, d_state, d_conv, inner
        self.dt_rank = ceil(d_model / 16) if dt_rank is None else dt_rank
        self.in_proj = Linear(d_model, 2 * inner, bias=False)
        self.conv1d = _CausalConv(inner, d_conv)
        self.x_proj = Linear(inner, self.dt_rank + 2 * d_state, bias=False)
        self.dt_proj = Linear(self.dt_rank, inner)
        assert self.dt_proj.bias is not None
        self.dt_proj.weight.draw = initial.uniform(self.dt_rank**-0.5)
        self.dt_proj.bias.draw = _steps
        self.A_log = Parameter((inner, d_state), _decays)
        self.D = Parameter((inner,), initial.ones)
        self.out_proj = Linear(inner, d_model, bias=False)

    def forward(self, x: Value) -> Value:
        """What is remembered, read and gated."""
        if x.ndim != 3 or x.shape[-1] != self.d_model:
            raise ShapeError(
                f"{x.trace.where} expects [batch, length, features={self.d_model}], "
                f"but was given {dims_text(x.shape, x.dims)}"
            )
        lift, rank, n = x.trace.lift, self.dt_rank, self.d_state
        both = self.in_proj(x)
        u = F.silu(self.conv1d(both[..., : self.inner]))
        chosen = self.x_proj(u)
        step = F.softplus(self.dt_proj(chosen[..., :rank]))
        a = -F.exp(lift(self.A_log))
        y = selective_scan(u, step, a, chosen[..., rank : rank + n], chosen[..., rank + n :], lift(self.D))
        return self.out_proj(y * F.silu(both[..., self.inner :]))

    def describe(self) -> str:
        """Its settings."""
        return f"{self.d_model}, d_state={self.d_state}, d_conv={self.d_conv}, inner={self.inner}"


class _CausalConv(Module):
    """Each channel for itself, over the element and those before it; ``[batch, length, channels]``."""

    def __init__(self, channels: int, kernel: int) -> None:
        draw = initial.torch_default(kernel)
        self.weight, self.bias = Parameter((channels, 1, kernel), draw), Parameter((channels,), draw)

    def forward(self, x: Value) -> Value:
        """The convolution, with zeros before the first element."""
        channels, before = self.weight.shape[0], self.weight.shape[2] - 1
        wide = F.pad(x.permute(0, 2, 1), (0, 0, before), (0, 0, 0))
        return F.conv(wide, self.weight, self.bias, groups=channels).permute(0, 2, 1)


def _decays(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """log 1, log 2, ... in each row (Gu et al. 2022, "S4D-Real")."""
    return np.broadcast_to(np.log(np.arange(1, shape[1] + 1)), shape)


def _steps(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """softplus of it lies between 0.001 and 0.1, uniformly in the logarithm."""
    step = np.exp(rng.uniform(log(0.001), log(0.1), shape))
    return np.asarray(step + np.log(-np.expm1(-step)))
