"""Settings: what a result belongs to, and how a model's settings are written down and taken back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workbench.region import Region

if TYPE_CHECKING:
    from workbench.model import Model

KEPT = (
    "eps_max",
    "norm",
    "example",
    "eps",
    "method",
    "format",
    "overlay",
    "live",
)  # in the order of restoring


@dataclass(frozen=True, eq=False)
class Settings:
    """What a result belongs to."""

    eps: float
    norm: str
    method: str
    format: str
    example: int | None
    region: Region | None

    @property
    def clip(self) -> tuple[float, float] | None:
        """The limits that every input was cut to."""
        return None if self.region is None else self.region.clip

    def same(self, other: Settings) -> bool:
        """Whether a result for one is a result for the other: the very same region object, method and format."""
        return self.region is other.region and (self.method, self.format) == (other.method, other.format)


def code(model: Model) -> str:
    """One line of Python that brings a model of the same network to the present settings."""
    call = f"wb.load({model.path!r})" if model.path else "model"
    where = "x" if model.example is None else f"model.examples[{model.example}][1]"
    return f"{call}.explore({where}, eps={model.eps!r}).bounds({str(model.method)!r})"


def state(model: Model) -> dict[str, Any]:
    """The settings as small plain data."""
    kept = {k: getattr(model, k) for k in KEPT}
    return {**kept, "selection": list(model.selection), "network": model.graph.digest}


def restore(model: Model, state: Mapping[str, Any]) -> None:
    """Take over settings.

    Raises
    ------
    ValueError
        Where they belong to another network.
    """
    if state.get("network") not in (None, model.graph.digest):
        raise ValueError("these settings belong to another network")
    for key in KEPT:
        if key in state:
            setattr(model, key, state[key])
    selection = state.get("selection", (None, None))
    model.selection = (selection[0], selection[1])


def status(state: str, message: str = "", **more: Any) -> dict[str, Any]:
    """The `status` trait: what is going on, in the words that the views show."""
    unknown = dict.fromkeys(("progress", "eta", "seconds"))
    return {"state": state, "message": message, "seq": 0, **unknown, **more}
