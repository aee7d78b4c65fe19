"""Settings: what a result belongs to, and how a model's settings are written down and taken back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.region import Region, box

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


def state(model: Model) -> dict[str, Any]:
    """The settings as small plain data; a centre that is no example, and a box, in full."""
    kept = {k: getattr(model, k) for k in KEPT}
    if model.region is not None and model.norm == "box":
        kept["box"] = [model.region.lower[0].ravel().tolist(), model.region.upper[0].ravel().tolist()]
    elif model.center is not None and model.example is None:
        kept["center"] = model.center.ravel().tolist()
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
    boxed = state.get("norm") == "box"
    for key in KEPT:
        if key in state and not (boxed and key in ("norm", "eps")):
            setattr(model, key, state[key])
    if "center" in state:
        model.center = np.array(state["center"])
    if "box" in state:
        model.region = box(*(np.array(end).reshape(model.input_shape) for end in state["box"]))
    selection = state.get("selection", (None, None))
    model.selection = (selection[0], selection[1])


def status(state: str, message: str = "", **more: Any) -> dict[str, Any]:
    """The `status` trait: what is going on, in the words that the views show."""
    unknown = dict.fromkeys(("progress", "eta", "seconds"))
    return {"state": state, "message": message, "seq": 0, **unknown, **more}
