"""auto_LiRPA on our graph: the same network, built operator by operator, so that no converter stands between."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from bench.cases import Case
from workbench.graph import Graph


def available() -> bool:
    """Whether auto_LiRPA and torch can be imported."""
    try:
        import auto_LiRPA  # noqa: F401
    except ImportError:
        return False
    return True


def module(graph: Graph) -> Any:
    """A torch module that computes the graph's first output from its first input.

    Raises
    ------
    KeyError
        For an operator outside feed-forward relu networks.
    """
    import torch
    from torch import nn
    from torch.nn import functional

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            for i, value in enumerate(graph.weights.values()):
                if value.dtype.kind == "f":
                    self.register_parameter(
                        f"w{i}", nn.Parameter(torch.tensor(np.array(value)), requires_grad=False)
                    )
            self.index = {name: f"w{i}" for i, name in enumerate(graph.weights)}

        def forward(self, x: Any) -> Any:
            values: dict[str, Any] = {graph.inputs[0]: x}

            def get(name: str) -> Any:
                return values[name] if name in values else getattr(self, self.index[name])

            for node in graph.nodes:
                if node.op == "Input":
                    continue
                values[node.name] = _apply(
                    functional, node, [get(i) for i in node.inputs if i and _used(node, i)]
                )
            return values[graph.outputs[0]]

    def _used(node: Any, name: str) -> bool:
        return not (node.op == "Sub" and name in graph.weights and not graph.weights[name].any())

    return Network()


def _apply(f: Any, node: Any, x: list[Any]) -> Any:
    pads = node.attrs.get("pads", (0, 0, 0, 0))
    strides = node.attrs.get("strides", 1)
    known: dict[str, Callable[[], Any]] = {
        "Flatten": lambda: x[0].flatten(1),
        "MatMul": lambda: x[0].matmul(x[1]),
        "Gemm": lambda: f.linear(x[0], x[1] if node.attrs.get("transB", 0) else x[1].t(), x[2]),
        "Add": lambda: x[0] + x[1],
        "Sub": lambda: x[0] if len(x) == 1 else x[0] - x[1],
        "Relu": lambda: f.relu(x[0]),
        "Conv": lambda: f.conv2d(x[0], x[1], x[2], stride=strides, padding=(pads[0], pads[1])),
    }
    return known[node.op]()


def methods(case: Case) -> dict[str, Callable[[], Any]]:
    """Method name -> a call that bounds the outputs once, in float32 as auto_LiRPA runs by default."""
    import torch
    from auto_LiRPA import BoundedModule, BoundedTensor, PerturbationLpNorm

    lower = torch.tensor(case.lower, dtype=torch.float32)
    upper = torch.tensor(case.upper, dtype=torch.float32)
    # a node's shape in the file starts with the file's own batch axis of 1
    if case.lower.ndim > 2 and case.lower.shape[1] == 1:
        lower, upper = lower.squeeze(1), upper.squeeze(1)
    bounded = BoundedModule(module(case.graph), (lower + upper) / 2, device="cpu")
    tensor = BoundedTensor((lower + upper) / 2, PerturbationLpNorm(x_L=lower, x_U=upper))

    def call(method: str) -> Callable[[], Any]:
        def once() -> Any:
            with torch.no_grad():
                return bounded.compute_bounds(x=(tensor,), method=method)

        return once

    return {"ibp": call("IBP"), "crown-ibp": call("CROWN-IBP"), "crown": call("CROWN")}
