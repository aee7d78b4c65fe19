"""LoRA: low-rank changes of linear layers (Hu et al. 2021)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from workbench.graph import GraphError
from workbench.nn import functional as F
from workbench.nn import initial
from workbench.nn.layers import Linear
from workbench.nn.module import Module
from workbench.nn.parameter import Parameter
from workbench.nn.value import Value


class LoRA(Module):
    """base(x) + (alpha / rank) x A^T B^T: the base is frozen; `lora_A` ``(rank, in)``, `lora_B` ``(out, rank)`` learn.

    `lora_B` begins with zeros, so that nothing changes at first.
    """

    def __init__(self, base: Linear, rank: int = 8, alpha: float | None = None) -> None:
        if not isinstance(base, Linear):
            raise GraphError(f"LoRA changes a Linear layer, not {type(base).__name__}")
        if not 1 <= rank <= min(base.weight.shape):
            raise GraphError(
                f"a rank for {base!r} lies between 1 and {min(base.weight.shape)}, and is not {rank}"
            )
        self.base, self.rank, self.alpha = base, int(rank), float(rank if alpha is None else alpha)
        for held in base.parameters():
            held.trainable = False
        self.lora_A = Parameter((rank, base.in_features), initial.kaiming_uniform)
        self.lora_B = Parameter((base.out_features, rank), initial.zeros)

    def forward(self, x: Value) -> Value:
        """The layer and its change."""
        change = F.linear(F.linear(x, self.lora_A), self.lora_B)
        return self.base(x) + change * (self.alpha / self.rank)

    def merged(self) -> Linear:
        """One linear layer that does the same, up to rounding: weight + (alpha / rank) B A."""
        self.drawn()
        made = Linear(self.base.in_features, self.base.out_features, self.base.bias is not None)
        change = self.lora_B.value.astype(np.float64) @ self.lora_A.value.astype(np.float64)
        made.weight.value = self.base.weight.value + change * (self.alpha / self.rank)
        if self.base.bias is not None and made.bias is not None:
            made.bias.value = self.base.bias.value.copy()
        return made

    def describe(self) -> str:
        """Its settings."""
        return f"rank={self.rank}, alpha={self.alpha}"


def lora(
    module: Module,
    rank: int = 8,
    alpha: float | None = None,
    where: Callable[[str], bool] = lambda path: True,
) -> Module:
    """The module, with its linear layers replaced by `LoRA` in place, and every other parameter frozen.

    Parameters
    ----------
    where : of a layer's path: which layers.

    Raises
    ------
    GraphError
        No linear layer is chosen.
    """
    chosen: dict[int, Module] = {
        id(layer): LoRA(layer, rank, alpha)
        for path, layer in module.named_modules()
        if isinstance(layer, Linear) and where(path)
    }
    if not chosen:
        raise GraphError(f"no linear layer of {type(module).__name__} was chosen")
    for held in module.parameters():
        held.trainable = False
    return _replaced(module, chosen)


def merged(module: Module) -> Module:
    """The module, with every `LoRA` in it as the one linear layer that it amounts to, in place."""
    return _replaced(
        module, {id(layer): layer.merged() for _, layer in module.named_modules() if isinstance(layer, LoRA)}
    )


def _replaced(module: Module, chosen: dict[int, Module]) -> Module:
    """Modules exchanged by id, wherever they stand."""
    if id(module) in chosen:
        return chosen[id(module)]
    for _, holder in list(module.named_modules()):
        if isinstance(holder, LoRA) and id(holder) not in chosen and id(holder.base) in chosen:
            continue  # made just now: its base stays
        for name, value in list(vars(holder).items()):
            if isinstance(value, Module) and id(value) in chosen:
                setattr(holder, name, chosen[id(value)])
            elif isinstance(value, list | tuple) and any(id(v) in chosen for v in value):
                setattr(holder, name, type(value)(chosen.get(id(v), v) for v in value))
    return module
