"""A model that only pretends, and a small graph: what the tests of the views show without computing anything."""

from __future__ import annotations

import base64
import json
import math
import pathlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import traitlets

from workbench.graph import Graph, Node
from workbench.views import (
    Workbench,
)

GOLDEN = pathlib.Path(__file__).parent / "golden" / "wire.json"
EVIL = "<img src=x onerror=alert(1)>\"'&]]>"


@dataclass(frozen=True)
class Pair:
    lower: Any
    upper: Any


@dataclass(frozen=True)
class FakeResult:
    eps: float
    norm: str
    method: str
    format: str
    example: int | None
    seq: int
    seconds: float
    bounds: dict[str, Pair] = field(default_factory=dict)
    loose: dict[str, Pair] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)
    samples: dict[str, Any] = field(default_factory=dict)
    rounding: dict[str, Any] = field(default_factory=dict)
    observed: dict[str, Any] = field(default_factory=dict)


def small_graph() -> Graph:
    weights = {"w": np.array([[1.0, -1.0, 0.5], [2.0, 1.0, -3.0]]), "v": np.array([[1.0], [1.0], [-1.0]])}
    nodes = (
        Node("x", "Input", shape=(1, 2)),
        Node("h", "MatMul", ("x", "w"), shape=(1, 3), group="block/one"),
        Node("r", "Relu", ("h",), shape=(1, 3), group="block/one"),
        Node(EVIL, "MatMul", ("r", "v"), {"note": EVIL}, shape=(1, 1)),
    )
    return Graph(nodes, (EVIL,), weights, name="small")


class FakeModel(traitlets.HasTraits):
    """Honours the contract of the views with three operators, computed at once."""

    graph = traitlets.Any()
    name = traitlets.Unicode("small <b>")
    path = traitlets.Any(None)
    sha256 = traitlets.Unicode("00ff")
    examples = traitlets.List()
    example = traitlets.Int(0, allow_none=True)
    center = traitlets.Any()
    eps = traitlets.Float(0.25)
    eps_max = traitlets.Float(1.0)
    norm = traitlets.Unicode("inf")
    method = traitlets.Enum(["ibp", "crown-ibp", "crown"], "crown")
    format = traitlets.Enum(["binary64", "binary32", "binary16", "bfloat16"], "binary32")
    selection = traitlets.Tuple(default_value=("r", 1))
    overlay = traitlets.Unicode("width")
    live = traitlets.Bool(True)
    status = traitlets.Dict()
    result = traitlets.Any(None)

    def __init__(self) -> None:
        super().__init__(graph=small_graph(), center=np.array([[0.5, -0.25]]))
        self.examples = [("the centre", self.center), ("zeros", np.zeros((1, 2)))]
        self.called: list[str] = []
        self.compute()

    @traitlets.validate("eps")
    def _positive(self, proposal: Any) -> float:
        if not (math.isfinite(proposal["value"]) and proposal["value"] >= 0):
            raise traitlets.TraitError("epsilon must be a finite number, 0 or more")
        return float(proposal["value"])

    def compute(self) -> None:
        self.called.append("compute")
        x, w, v = self.center, self.graph.weights["w"], self.graph.weights["v"]
        values = {"x": x, "h": x @ w, "r": np.maximum(x @ w, 0), EVIL: np.maximum(x @ w, 0) @ v}
        bounds, loose = {}, {}
        for name, value in values.items():
            for store, widen in ((bounds, 2.0), (loose, 3.0)):
                low, high = value - widen * self.eps, value + widen * self.eps
                store[name] = (
                    Pair(np.maximum(low, 0), np.maximum(high, 0)) if name == "r" else Pair(low, high)
                )
        samples = {k: np.stack([v0 - self.eps, v0 + self.eps]) for k, v0 in values.items()}
        rounding = {k: np.full(v0.shape, 3e-7) for k, v0 in values.items() if k != "x"}
        observed = {k: np.full(v0.shape, 2e-8) for k, v0 in values.items() if k != "x"}
        seq = 1 + (self.result.seq if self.result else 0)
        self.result = FakeResult(
            self.eps, self.norm, self.method, self.format, self.example, seq, 0.0125,
            bounds, loose, values, samples, rounding, observed,
        )  # fmt: skip
        self.status = {
            "state": "fresh",
            "message": "",
            "progress": None,
            "eta": None,
            "seq": seq,
            "seconds": 0.0125,
        }

    def phases(self, name: str) -> tuple[int, int, int] | None:
        if name != "r" or self.result is None:
            return None
        before = self.result.bounds["h"]
        on, off = int((before.lower >= 0).sum()), int((before.upper <= 0).sum())
        return on, 3 - on - off, off

    def neuron_phases(self, name: str) -> Any:
        if name != "r" or self.result is None:
            return None
        before = self.result.bounds["h"]
        return (before.lower >= 0).astype(int) - (before.upper <= 0).astype(int)

    def phase_operand(self, name: str) -> str | None:
        return "h" if name == "r" and self.result is not None else None

    def overlays(self) -> list[tuple[str, str, str, bool]]:
        return [("width", "bound width, max", "", True), ("ulp", "error, max", "ulp", True)]

    def overlay_values(self, key: str) -> dict[str, float | None]:
        if self.result is None:
            return {}
        values = {n: float(np.max(p.upper - p.lower)) for n, p in self.result.bounds.items()}
        return values if key == "width" else {**values, "x": math.nan}

    def relaxation(self, name: str, index: int) -> dict[str, Any] | None:
        if name != "r" or self.result is None:
            return None
        before = self.result.bounds["h"]
        low, high = float(before.lower.ravel()[index]), float(before.upper.ravel()[index])
        slope = high / (high - low)
        return {
            "input": [[low, high]], "l": low, "u": high, "formula": "y = max(x, 0)",
            "lower": {"slope": 0.5, "offset": 0.0}, "upper": {"slope": slope, "offset": -slope * low},
            "curve": [[low, 0.0], [0.0, 0.0], [high, high]],
        }  # fmt: skip

    def attribution(
        self, output: int | None = None, node: str | None = None
    ) -> list[tuple[str, int, float]] | None:
        return [("h", 0, 1e-8), ("h", 1, -4e-8), ("r", 2, 2e-8)]

    def cancel(self) -> None:
        self.called.append("cancel")

    def back(self) -> None:
        raise RuntimeError("nothing to go back to")

    def forward(self) -> None:
        self.called.append("forward")

    def code(self) -> str:
        return f"model.eps = {self.eps!r}"


def arrays(view: Any) -> dict[str, np.ndarray]:
    """The front end's decoding, in Python."""
    return {
        a["key"]: np.frombuffer(view.detail_data, f"<{a['type']}", a["length"], a["offset"])
        for a in view.detail["arrays"]
    }


PAYLOADS = (
    "graph thumbnail stamp overlay overlays phases selection controls status verdict detail neuron attribution code "
    "eps method format example live overlay_key window notice"
).split()


def golden() -> dict[str, Any]:
    view = Workbench(FakeModel())
    payload = {key: getattr(view, key) for key in PAYLOADS}
    payload["detail_data"] = base64.b64encode(view.detail_data).decode()
    return json.loads(json.dumps(payload, allow_nan=False))
