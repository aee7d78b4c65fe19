"""Small random networks: layers, activations, residual sums and products, with weights of any size."""

from __future__ import annotations

import numpy as np

from laws.numbers import Array, Draw
from laws.strategies import Case, network
from workbench.graph import Node

ACTIVATIONS = (
    "Relu",
    "Sigmoid",
    "Tanh",
    "LeakyRelu",
    "Sin",
    "Cos",
    "Exp",
    "Abs",
    "Clip",
    "Softmax",
    "Neg",
    "Pow",
)


def any_network(draw: Draw) -> Case:
    """One input of n numbers, up to four layers of the same width, then perhaps one more matrix."""
    n = draw.integer(1, 3)
    box = draw.box((1, n))
    weights: dict[str, Array] = {"two": np.array(2.0), "low": np.array(-1.0), "high": np.array(1.0)}
    nodes: list[Node] = []
    alike = ["x"]  # values of shape (1, n)

    def add(op: str, *operands: str, **attrs: float) -> None:
        name = f"{op.lower()}{len(nodes)}"
        nodes.append(Node(name, op, operands, attrs))
        alike.append(name)

    def weight(*shape: int) -> str:
        name = f"w{len(weights)}"
        weights[name] = draw.weights(*shape)
        return name

    for _ in range(draw.integer(1, 4)):
        kind = draw.integer(0, 6)
        last = alike[-1]
        if kind <= 1:
            add("Gemm", last, weight(n, n), weight(n))
        elif kind == 2:
            add(draw.pick("Add", "Sub", "Mul", "Max", "Min"), last, draw.pick(*alike))
        elif (
            kind == 6
        ):  # attention with one query: a convex combination of values that depend on the input too
            add("MatMul", last, weight(n, n))
            add("Softmax", alike[-1])
            weights_of = alike[-1]
            nodes.append(Node(f"column{len(nodes)}", "Transpose", (last,)))
            nodes.append(Node(f"values{len(nodes)}", "MatMul", (nodes[-1].name, weight(1, n))))
            add("MatMul", weights_of, nodes[-1].name)
        elif kind == 3:
            add(draw.pick("Add", "Sub", "Mul"), last, weight(n))
        else:
            op = draw.pick(*ACTIVATIONS)
            extra = {"Clip": ("low", "high"), "Pow": ("two",)}.get(op, ())
            add(op, last, *extra)
    if draw.flag():
        add("MatMul", alike[-1], weight(n, draw.integer(1, 3)))
    return network(nodes, {"x": box}, weights, draw)
