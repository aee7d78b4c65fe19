"""Optimizers: PyTorch's updates, array by array.

An optimizer holds its settings, and the state of every parameter by name; `step` changes the parameters in place.
Groups change settings for parameters whose names match a pattern: ``groups=[("*.bias", {"weight_decay": 0.0})]``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatch
from math import sqrt
from typing import Any

import numpy as np

from workbench.graph import Array, GraphError
from workbench.nn.module import Module
from workbench.nn.parameter import Parameter, Parameters

State = dict[str, Array]
BLOCK = 1 << 15  # elements
Groups = Sequence[tuple[str, Mapping[str, Any]]]


class Optimizer:
    """What all share; `lr` may be changed between steps, by a schedule for instance."""

    slots: tuple[str, ...] = ()  # arrays that each parameter has beside it, in the parameter's shape

    def __init__(
        self,
        module: Module | Parameters | Mapping[str, Parameter],
        lr: float,
        groups: Groups,
        **settings: Any,
    ) -> None:
        if not lr >= 0:
            raise GraphError(f"a learning rate is a number, 0 or more, not {lr}")
        named = _named(type(self).__name__, module)
        self.parameters = {k: p for k, p in named.items() if p.trainable}
        self.base = self.lr = float(lr)
        self.settings, self.groups, self.count = settings, list(groups), 0
        for pattern, changed in groups:
            unknown = changed.keys() - settings.keys() - {"lr"}
            if unknown or not any(fnmatch(k, pattern) for k in self.parameters):
                why = f"has no setting {unknown.pop()!r}" if unknown else f"has no parameter {pattern!r}"
                raise GraphError(f"{type(self).__name__} {why}")
        self.state: dict[str, State] = {k: {} for k in self.parameters}

    def __repr__(self) -> str:
        said = {"lr": self.lr, **self.settings}
        held = f"{len(self.parameters)} parameters"
        return f"{type(self).__name__}({held}, {', '.join(f'{k}={v!r}' for k, v in said.items())})"

    def settings_of(self, name: str) -> dict[str, Any]:
        """The settings of a parameter; a group's `lr` is relative to the optimizer's first one, as schedules are."""
        found = {**self.settings, "lr": self.lr}
        for pattern, changed in self.groups:
            if fnmatch(name, pattern):
                found.update({k: v for k, v in changed.items() if k != "lr"})
                if "lr" in changed:
                    found["lr"] = self.lr * changed["lr"] / self.base if self.base else changed["lr"]
        return found

    def step(self, grads: Mapping[str, Array]) -> None:
        """Change every parameter that it holds and that has a gradient."""
        self.count += 1
        for name, grad in grads.items():
            if name not in self.parameters:
                continue
            held, state, s = self.parameters[name], self.state[name], self.settings_of(name)
            value = held.value
            if not value.flags.writeable or not value.flags.c_contiguous:
                value = value.copy()
            for slot in self.slots:
                if slot not in state:
                    state[slot] = np.zeros_like(value)
            g = grad.astype(value.dtype, copy=False).reshape(value.shape)
            if s.get("weight_decay") and not s.get("decoupled"):
                g = g + s["weight_decay"] * value
            elif s.get("weight_decay"):
                value *= 1 - s["lr"] * s["weight_decay"]
            self.update(value, g, state, s)
            held.value = value

    def update(self, value: Array, grad: Array, state: State, s: Mapping[str, Any]) -> None:
        """Change `value` and `state` in place."""
        raise NotImplementedError

    def state_dict(self) -> dict[str, Array]:
        """Everything that a resumed run needs, by name."""
        found = {
            f"{name}/{slot}": a.copy() for name, state in self.state.items() for slot, a in state.items()
        }
        return {**found, "count": np.array(self.count), "lr": np.array(self.lr)}

    def load_state_dict(self, arrays: Mapping[str, Array]) -> None:
        """The state that `state_dict` gave."""
        self.count, self.lr = int(arrays["count"]), float(arrays["lr"])
        self.state = {k: {} for k in self.parameters}
        for key, array in arrays.items():
            name, _, slot = key.rpartition("/")
            if name in self.state:
                self.state[name][slot] = np.array(array)


def _named(kind: str, given: Any) -> dict[str, Parameter]:
    """Parameters by name, from what an optimizer was given."""
    if isinstance(given, Module):
        return given.drawn().named_parameters()
    if isinstance(given, Parameters):
        return dict(given.named)
    if isinstance(given, Mapping) and all(isinstance(p, Parameter) for p in given.values()):
        return dict(given)
    raise GraphError(
        f"{kind} takes the module, as in nn.{kind}(net), or net.parameters(); for some of them alone, a dictionary of "
        f"entries of net.named_parameters(); not {type(given).__name__}"
    )


class SGD(Optimizer):
    """p -= lr g; with momentum b = momentum b + (1 - dampening) g in place of g; Nesterov's looks one step ahead."""

    def __init__(
        self, module: Any, lr: float = 1e-3, momentum: float = 0.0, dampening: float = 0.0,
        weight_decay: float = 0.0, nesterov: bool = False, groups: Groups = (),
    ) -> None:  # fmt: skip
        super().__init__(module, lr, groups, momentum=momentum, dampening=dampening, weight_decay=weight_decay,
                         nesterov=nesterov)  # fmt: skip

    def update(self, value: Array, grad: Array, state: State, s: Mapping[str, Any]) -> None:
        """One step."""
        if s["momentum"]:
            if "momentum" not in state:
                state["momentum"] = grad.copy()
            else:
                b = state["momentum"]
                b *= s["momentum"]
                b += grad if not s["dampening"] else (1 - s["dampening"]) * grad
            grad = grad + s["momentum"] * state["momentum"] if s["nesterov"] else state["momentum"]
        value -= s["lr"] * grad


class Adam(Optimizer):
    """Means of gradients and of their squares, unbiased (Kingma and Ba 2015)."""

    slots = ("m", "v")
    decoupled = False

    def __init__(
        self, module: Any, lr: float = 1e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
        weight_decay: float = 0.0, groups: Groups = (),
    ) -> None:  # fmt: skip
        super().__init__(module, lr, groups, betas=betas, eps=eps, weight_decay=weight_decay,
                         decoupled=self.decoupled)  # fmt: skip

    def update(self, value: Array, grad: Array, state: State, s: Mapping[str, Any]) -> None:
        """One step."""
        (b1, b2), eps = s["betas"], s["eps"]
        # sqrt(v / c) + eps is (sqrt v + eps sqrt c) / sqrt c: one division by a number less
        unbias = sqrt(1 - b2**self.count)
        rate, eps = s["lr"] / (1 - b1**self.count) * unbias, eps * unbias
        flat = [a.reshape(-1) for a in (value, grad, state["m"], state["v"])]
        scratch = np.empty(min(BLOCK, flat[0].size), value.dtype)
        for first in range(0, flat[0].size, BLOCK):  # what is worked on stays in a core's cache
            p, g, m, v = (a[first : first + BLOCK] for a in flat)
            t = scratch[: p.size]
            m *= b1
            m += np.multiply(g, 1 - b1, out=t)
            v *= b2
            np.multiply(g, g, out=t)
            t *= 1 - b2
            v += t
            np.sqrt(v, out=t)
            t += eps
            np.divide(m, t, out=t)
            t *= rate
            p -= t


class AdamW(Adam):
    """Adam whose weight decay does not pass through the means (Loshchilov and Hutter 2019)."""

    decoupled = True

    def __init__(
        self, module: Any, lr: float = 1e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
        weight_decay: float = 0.01, groups: Groups = (),
    ) -> None:  # fmt: skip
        super().__init__(module, lr, betas, eps, weight_decay, groups)


class Adagrad(Optimizer):
    """Steps divided by the root of the sum of all squares (Duchi et al. 2011)."""

    slots = ("sum",)

    def __init__(
        self, module: Any, lr: float = 1e-2, lr_decay: float = 0.0, weight_decay: float = 0.0, eps: float = 1e-10,
        groups: Groups = (),
    ) -> None:  # fmt: skip
        super().__init__(module, lr, groups, lr_decay=lr_decay, weight_decay=weight_decay, eps=eps)

    def update(self, value: Array, grad: Array, state: State, s: Mapping[str, Any]) -> None:
        """One step."""
        state["sum"] += grad * grad
        value -= (
            (s["lr"] / (1 + (self.count - 1) * s["lr_decay"])) * grad / (np.sqrt(state["sum"]) + s["eps"])
        )


class RMSprop(Optimizer):
    """Steps divided by the root of a running mean of squares (Hinton 2012)."""

    slots = ("square",)

    def __init__(
        self, module: Any, lr: float = 1e-2, alpha: float = 0.99, eps: float = 1e-8, weight_decay: float = 0.0,
        momentum: float = 0.0, centered: bool = False, groups: Groups = (),
    ) -> None:  # fmt: skip
        self.slots = ("square", *(("mean",) if centered else ()), *(("momentum",) if momentum else ()))
        super().__init__(module, lr, groups, alpha=alpha, eps=eps, weight_decay=weight_decay, momentum=momentum,
                         centered=centered)  # fmt: skip

    def update(self, value: Array, grad: Array, state: State, s: Mapping[str, Any]) -> None:
        """One step."""
        a, square = s["alpha"], state["square"]
        square *= a
        square += (1 - a) * grad * grad
        spread = square
        if s["centered"]:
            mean = state["mean"]
            mean += (1 - a) * (grad - mean)
            spread = square - mean * mean
        moved = grad / (np.sqrt(spread) + s["eps"])
        if s["momentum"]:
            state["momentum"] *= s["momentum"]
            state["momentum"] += moved
            moved = state["momentum"]
        value -= s["lr"] * moved


class Adadelta(Optimizer):
    """Steps in the units of the parameters (Zeiler 2012)."""

    slots = ("square", "moved")

    def __init__(
        self, module: Any, lr: float = 1.0, rho: float = 0.9, eps: float = 1e-6, weight_decay: float = 0.0,
        groups: Groups = (),
    ) -> None:  # fmt: skip
        super().__init__(module, lr, groups, rho=rho, eps=eps, weight_decay=weight_decay)

    def update(self, value: Array, grad: Array, state: State, s: Mapping[str, Any]) -> None:
        """One step."""
        rho, square, moved = s["rho"], state["square"], state["moved"]
        square *= rho
        square += (1 - rho) * grad * grad
        delta = np.sqrt(moved + s["eps"]) / np.sqrt(square + s["eps"]) * grad
        moved *= rho
        moved += (1 - rho) * delta * delta
        value -= s["lr"] * delta


class Lion(Optimizer):
    """The sign of a mean of gradients (Chen et al. 2023); weight decay is decoupled."""

    slots = ("m",)

    def __init__(
        self, module: Any, lr: float = 1e-4, betas: tuple[float, float] = (0.9, 0.99), weight_decay: float = 0.0,
        groups: Groups = (),
    ) -> None:  # fmt: skip
        super().__init__(module, lr, groups, betas=betas, weight_decay=weight_decay, decoupled=True)

    def update(self, value: Array, grad: Array, state: State, s: Mapping[str, Any]) -> None:
        """One step."""
        (b1, b2), m = s["betas"], state["m"]
        value -= s["lr"] * np.sign(b1 * m + (1 - b1) * grad)
        m *= b2
        m += (1 - b2) * grad


class Muon(Optimizer):
    """Momentum, made orthogonal by Newton-Schulz steps, for matrices (Jordan et al. 2024).

    Parameters that are no matrices are refused: train them with another optimizer, as its authors do.
    """

    slots = ("momentum",)

    def __init__(
        self, module: Any, lr: float = 1e-3, weight_decay: float = 0.1, momentum: float = 0.95,
        nesterov: bool = True, steps: int = 5, groups: Groups = (),
    ) -> None:  # fmt: skip
        super().__init__(module, lr, groups, weight_decay=weight_decay, momentum=momentum, nesterov=nesterov,
                         steps=steps, decoupled=True)  # fmt: skip
        wrong = [k for k, p in self.parameters.items() if len(p.shape) != 2]
        if wrong:
            raise GraphError(f"Muon is for matrices; give {', '.join(wrong[:4])} to another optimizer")

    def update(self, value: Array, grad: Array, state: State, s: Mapping[str, Any]) -> None:
        """One step."""
        b, mu = state["momentum"], s["momentum"]
        b += (1 - mu) * (grad - b)
        moved = orthogonalised(grad + mu * (b - grad) if s["nesterov"] else b, s["steps"])
        value -= s["lr"] * sqrt(max(1.0, value.shape[0] / value.shape[1])) * moved


def orthogonalised(matrix: Array, steps: int = 5) -> Array:
    """Singular values brought near 1 by a polynomial of odd degree 5, a few times."""
    a, b, c = 3.4445, -4.7750, 2.0315
    x = matrix.T if matrix.shape[0] > matrix.shape[1] else matrix
    x = x / max(float(np.linalg.norm(x)), 1e-7)
    for _ in range(steps):
        square = x @ x.T
        x = a * x + (b * square + c * (square @ square)) @ x
    return np.asarray(x.T if matrix.shape[0] > matrix.shape[1] else x)


def clip_grad_norm(grads: dict[str, Array], most: float) -> float:
    """Scale all gradients together so that their norm is at most `most`; gives the norm before."""
    total = sqrt(sum(float(np.vdot(g, g)) for g in grads.values()))
    if total > most:
        scale = most / (total + 1e-6)
        grads.update({name: g * scale for name, g in grads.items()})
    return total


def clip_grad_value(grads: dict[str, Array], most: float) -> None:
    """Keep every element within [-most, most]."""
    grads.update({name: np.clip(g, -most, most) for name, g in grads.items()})
