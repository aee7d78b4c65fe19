"""The networks and boxes that are measured: ours always, the VNN-COMP ones where they lie beside the project."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from workbench.graph import Array, Graph
from workbench.io.onnx import load

SHARED = Path(__file__).resolve().parents[2] / "shared" / "bench"
NAMES = (
    "acas11_prop1_b1",
    "acas11_prop3_b1",
    "acas11_prop3_b64",
    "mnist_256x2_b1",
    "mnist_256x2_b64",
    "mnist_256x4_b1",
    "mnist_256x4_b64",
    "mnist_256x6_b1",
    "mnist_256x6_b64",
    "cifar_base_kw_b1",
    "resnet2b_b1",
)


@dataclass(frozen=True)
class Case:
    """One network and its boxes, each end ``(B, *shape)``."""

    name: str
    path: Path
    graph: Graph
    lower: Array
    upper: Array


def cases() -> Iterator[Case]:
    """Every case that can be had here."""
    from workbench import examples

    model = examples.digits()
    assert model.path is not None
    center = np.asarray(model.examples[0][1], np.float64).reshape(model.input_shape)
    yield Case("digits (ours)", Path(model.path), model.graph, center[None] - 0.02, center[None] + 0.02)
    for name in NAMES:
        file = SHARED / "auto_lirpa_bounds" / f"{name}.npz"
        if not file.exists():
            continue
        data = np.load(file)
        path = SHARED / str(data["onnx"])
        graph = load(path)
        shape = graph[graph.inputs[0]].shape
        yield Case(name, path, graph, data["x_L"].reshape(-1, *shape), data["x_U"].reshape(-1, *shape))
