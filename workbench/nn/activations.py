"""Activations as modules."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from workbench.nn import functional as F
from workbench.nn.module import Module
from workbench.nn.parameter import Parameter
from workbench.nn.shapes import ShapeError, dims_text
from workbench.nn.value import Value


class Function(Module):
    """A function of one value as a module, with its settings."""

    def __init__(self, function: Callable[..., Value], **settings: Any) -> None:
        self.function, self.settings = function, settings

    def forward(self, x: Value) -> Value:
        """The function of x."""
        return self.function(x, **self.settings)

    def describe(self) -> str:
        """Its settings."""
        return ", ".join(f"{k}={v!r}" for k, v in self.settings.items())


def _activation(name: str, function: Callable[..., Value], **defaults: Any) -> type[Function]:
    def start(self: Function, *given: Any, **named: Any) -> None:
        settings = {**defaults, **dict(zip(defaults, given, strict=False)), **named}
        if settings.keys() - defaults.keys() or len(given) > len(defaults):
            raise TypeError(f"{name} takes {', '.join(defaults) or 'nothing'}")
        Function.__init__(self, function, **settings)

    return type(name, (Function,), {"__init__": start, "__doc__": function.__doc__, "__module__": __name__})


ReLU = _activation("ReLU", F.relu)
LeakyReLU = _activation("LeakyReLU", F.leaky_relu, negative_slope=0.01)
ReLU6 = _activation("ReLU6", F.relu6)
ELU = _activation("ELU", F.elu, alpha=1.0)
Sigmoid = _activation("Sigmoid", F.sigmoid)
Tanh = _activation("Tanh", F.tanh)
SiLU = _activation("SiLU", F.silu)
SELU = _activation("SELU", F.selu)
CELU = _activation("CELU", F.celu, alpha=1.0)
GELU = _activation("GELU", F.gelu, approximate="none")
Softplus = _activation("Softplus", F.softplus)
LogSigmoid = _activation("LogSigmoid", F.logsigmoid)
Softsign = _activation("Softsign", F.softsign)
Mish = _activation("Mish", F.mish)
Hardtanh = _activation("Hardtanh", F.hardtanh)
Hardsigmoid = _activation("Hardsigmoid", F.hardsigmoid)
Hardswish = _activation("Hardswish", F.hardswish)
Softmax = _activation("Softmax", F.softmax, dim=-1)
LogSoftmax = _activation("LogSoftmax", F.log_softmax, dim=-1)


class PReLU(Module):
    """x where x >= 0, else weight x; one weight, or one a channel (dimension 1) (He et al. 2015)."""

    def __init__(self, num_parameters: int = 1, init: float = 0.25) -> None:
        self.weight = Parameter((num_parameters,), lambda rng, shape: np.full(shape, init))

    def forward(self, x: Value) -> Value:
        """max(x, 0) - weight max(-x, 0)."""
        wide = (1,) * x.ndim if self.weight.size == 1 else (1, -1, *(1,) * (x.ndim - 2))
        return F.relu(x) - F.relu(-x) * x.trace.lift(self.weight).reshape(*wide)


class GLU(Module):
    """a sigmoid(b), with a and b the halves of an axis (Dauphin et al. 2017)."""

    def __init__(self, dim: int = -1) -> None:
        self.dim = dim

    def forward(self, x: Value) -> Value:
        """One half, gated by the other."""
        half, rest = divmod(x.shape[self.dim], 2)
        if rest:
            raise ShapeError(
                f"{x.trace.where}: {dims_text(x.shape, x.dims)} has no halves along axis {self.dim}"
            )
        front = (slice(None),) * (self.dim % x.ndim)
        return x[(*front, slice(0, half))] * F.sigmoid(x[(*front, slice(half, None))])
