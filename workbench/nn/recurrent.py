"""RNN, LSTM and GRU, unrolled over the length of their input; parameters are named as PyTorch's.

Inputs are ``[batch, length, features]`` (PyTorch's ``batch_first=True``).  The parts that do not depend on the state,
x W_ih^T + b_ih, are one product over the whole sequence; each step is a group of nodes of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from workbench.graph import GraphError
from workbench.nn import functional as F
from workbench.nn import initial
from workbench.nn.layers import Dropout
from workbench.nn.module import Module
from workbench.nn.parameter import Parameter
from workbench.nn.shapes import ShapeError, dims_text
from workbench.nn.value import Value

State = tuple[Value, ...]
Step = Callable[[Value, "Value | None", "Value | None", "Hidden"], State]


class Hidden(NamedTuple):
    """The parameters that a step applies to the state, ``(gates * hidden, hidden)``, and the number of features."""

    weight: Any
    bias: Any
    size: int

    def __call__(self, like: Value, h: Value | None) -> Value | None:
        """h W_hh^T + b_hh; None where the state is 0 and there is no bias."""
        if h is not None:
            return F.linear(h, self.weight, self.bias)
        return None if self.bias is None else like.trace.lift(self.bias).reshape(1, -1)


def rnn_step(activation: Callable[[Value], Value]) -> Step:
    """The step of a plain network with this activation."""

    def step(given: Value, h: Value | None, _: Value | None, hidden: Hidden) -> State:
        """h' = tanh(x W_ih^T + b_ih + h W_hh^T + b_hh)."""
        own = hidden(given, h)
        return (activation(given if own is None else given + own),)

    return step


def lstm_step(given: Value, h: Value | None, c: Value | None, hidden: Hidden) -> State:
    """i, f, g, o = the four parts; c' = sigmoid(f) c + sigmoid(i) tanh(g); h' = sigmoid(o) tanh(c')."""
    own = hidden(given, h)
    i, f, g, o = parts(given if own is None else given + own, hidden.size)
    fresh = F.sigmoid(i) * F.tanh(g)
    c = fresh if c is None else F.sigmoid(f) * c + fresh
    return F.sigmoid(o) * F.tanh(c), c


def gru_step(given: Value, h: Value | None, _: Value | None, hidden: Hidden) -> State:
    """r, z = sigmoid of two parts; n = tanh(W_in x + b_in + r (W_hn h + b_hn)); h' = (1 - z) n + z h."""
    own = hidden(given, h)
    size = hidden.size
    gates = given[:, : 2 * size] if own is None else given[:, : 2 * size] + own[:, : 2 * size]
    r, z = (F.sigmoid(p) for p in parts(gates, size))
    n = F.tanh(given[:, 2 * size :] if own is None else given[:, 2 * size :] + r * own[:, 2 * size :])
    fresh = (1.0 - z) * n
    return (fresh if h is None else fresh + z * h,)


def parts(x: Value, size: int) -> list[Value]:
    """The last axis in pieces of `size`."""
    return [x[..., at : at + size] for at in range(0, x.shape[-1], size)]


def unrolled(
    x: Value,
    held: Sequence[Sequence[Any]],
    step: Step,
    states: int,
    first: State = (),
    bidirectional: bool = False,
    drop: Module | None = None,
) -> tuple[Value, State]:
    """Layers over a sequence ``[batch, length, features]``.

    Parameters
    ----------
    held : W_ih, W_hh, b_ih, b_hh (or None) of each layer, and of each direction in it.
    states : how many a step keeps: 2 for an LSTM.
    first : first states ``(passes, batch, hidden)``; 0 where none are given.
    drop : applied between layers.

    Returns
    -------
    The last layer's states ``[batch, length, features]``, and the final ones ``(passes, batch, hidden)``.
    """
    ways, finals = 1 + bidirectional, []
    for number in range(0, len(held), ways):
        found = []
        for way in range(ways):
            own = [s[number + way] for s in first]
            label = f"_l{number // ways}{'_reverse' if way else ''}"
            outputs, last = _pass(x, held[number + way], step, own, bool(way), label)
            found.append(outputs)
            finals.append(last)
        x = found[0] if ways == 1 else F.cat(found, -1)
        if drop is not None and number + ways < len(held):
            x = drop(x)
    return x, tuple(
        F.cat([f[k].reshape(1, *f[k].shape) for f in finals], 0) if len(finals) > 1
        else finals[0][k].reshape(1, *finals[0][k].shape)
        for k in range(states)
    )  # fmt: skip


def _pass(
    x: Value, held: Sequence[Any], step: Step, first: list[Value], backward: bool, label: str
) -> tuple[Value, State]:
    """One layer in one direction."""
    w_ih, w_hh, b_ih, b_hh = held
    size = w_hh.shape[1]
    given, hidden = F.linear(x, w_ih, b_ih), Hidden(w_hh, b_hh, size)
    h, c = (*first, None, None)[:2]
    path, kind = x.trace.scopes[-1] if x.trace.scopes else ("", "recurrent")
    found: list[Any] = [None] * x.shape[1]
    state: State = ()
    for t in reversed(range(x.shape[1])) if backward else range(x.shape[1]):
        x.trace.scopes.append((f"{path or kind.lower()}{label}.step{t}.{kind.lower()}", kind))
        state = step(given[:, t], h, c, hidden)
        x.trace.scopes.pop()
        h, c = (*state, None)[:2]
        found[t] = state[0].reshape(x.shape[0], 1, size)
    return F.cat(found, 1), state


class _Recurrent(Module):
    """What the three share; `gates` and `states` are set by the subclass."""

    gates, states = 1, 1

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = True,
        dropout: float = 0.0,
        bidirectional: bool = False,
    ) -> None:
        if not batch_first:
            raise GraphError(f"{type(self).__name__} takes [batch, length, features]: say batch_first=True")
        self.input_size, self.hidden_size, self.num_layers = input_size, hidden_size, num_layers
        self.bidirectional = bidirectional
        self.drop = Dropout(dropout) if dropout else None
        draw, rows = initial.torch_default(hidden_size), self.gates * hidden_size
        for suffix, inputs in self._passes():
            setattr(self, f"weight_ih{suffix}", Parameter((rows, inputs), draw))
            setattr(self, f"weight_hh{suffix}", Parameter((rows, hidden_size), draw))
            for side in ("ih", "hh"):
                setattr(self, f"bias_{side}{suffix}", Parameter((rows,), draw) if bias else None)

    def _passes(self) -> list[tuple[str, int]]:
        """Suffix of the parameters' names and number of inputs of each layer, and of each direction in it."""
        ways = ("", "_reverse") if self.bidirectional else ("",)
        return [
            (f"_l{layer}{way}", self.input_size if layer == 0 else self.hidden_size * len(ways))
            for layer in range(self.num_layers)
            for way in ways
        ]

    def step(self) -> Step:
        """What is done at each position."""
        raise NotImplementedError

    def forward(self, x: Value, state: Any = None) -> tuple[Value, Any]:
        """The states of the last layer ``[batch, length, features]``, and all final states, as PyTorch gives them.

        Parameters
        ----------
        state : first states ``(layers, batch, hidden)``, a pair of them for LSTM; 0 where none are given.
        """
        if x.ndim != 3 or x.shape[-1] != self.input_size:
            raise ShapeError(
                f"{x.trace.where} expects [batch, length, features={self.input_size}], "
                f"but was given {dims_text(x.shape, x.dims)}"
            )
        first = () if state is None else (state,) if self.states == 1 else tuple(state)
        names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        held = [[getattr(self, f"{name}{suffix}") for name in names] for suffix, _ in self._passes()]
        y, finals = unrolled(x, held, self.step(), self.states, first, self.bidirectional, self.drop)
        return y, finals if self.states > 1 else finals[0]

    def describe(self) -> str:
        """Its settings."""
        more = f", num_layers={self.num_layers}" if self.num_layers > 1 else ""
        return f"{self.input_size}, {self.hidden_size}{more}{', bidirectional=True' if self.bidirectional else ''}"


class RNN(_Recurrent):
    """h' = tanh(W_ih x + b_ih + W_hh h + b_hh) (Elman 1990); `nonlinearity` is tanh or relu."""

    def __init__(self, *sizes: Any, nonlinearity: str = "tanh", **settings: Any) -> None:
        if nonlinearity not in ("tanh", "relu"):
            raise GraphError(f"nonlinearity is 'tanh' or 'relu', not {nonlinearity!r}")
        super().__init__(*sizes, **settings)
        self.nonlinearity = nonlinearity

    def step(self) -> Step:
        """One line."""
        return rnn_step(F.tanh if self.nonlinearity == "tanh" else F.relu)


class LSTM(_Recurrent):
    """Long short-term memory (Hochreiter and Schmidhuber 1997) with the gates of PyTorch: i, f, g, o."""

    gates, states = 4, 2

    def step(self) -> Step:
        """Four gates."""
        return lstm_step


class GRU(_Recurrent):
    """Gated recurrent unit (Cho et al. 2014) with the gates of PyTorch: r, z, n."""

    gates = 3

    def step(self) -> Step:
        """Three gates."""
        return gru_step


class First(Module):
    """The first of several values, such as the outputs of a recurrent layer without its final states."""

    def forward(self, values: Any) -> Any:
        """That value; what stands alone is taken as it is."""
        return values[0] if isinstance(values, tuple | list) else values


class Take(Module):
    """One index along an axis, such as the last step: ``Take(-1, dim=1)``."""

    def __init__(self, index: int, dim: int = 1) -> None:
        self.index, self.dim = index, dim

    def forward(self, x: Value) -> Value:
        """x without that axis."""
        return x[(*(slice(None),) * (self.dim % x.ndim), self.index)]

    def describe(self) -> str:
        """Its settings."""
        return f"{self.index}, dim={self.dim}"
