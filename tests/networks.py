"""Small random networks for tests, built without files."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from workbench.graph import Graph, Node
from workbench.semantics.plan import infer


def relu_network(
    rng: np.random.Generator, sizes: Sequence[int], *, scale: float = 1.0, products: bool = False
) -> Graph:
    """Dense relu layers; with `products` each layer also adds its input and multiplies two values of its own."""
    weights: dict[str, np.ndarray] = {}
    nodes = [Node("x", "Input", (), {}, (1, sizes[0]))]
    current = "x"
    for k, (a, b) in enumerate(pairwise(sizes)):
        weights[f"w{k}"] = (rng.normal(size=(a, b)) * scale).astype(np.float32)
        weights[f"b{k}"] = rng.normal(size=b).astype(np.float32)
        nodes += [Node(f"m{k}", "MatMul", (current, f"w{k}")), Node(f"z{k}", "Add", (f"m{k}", f"b{k}"))]
        current = f"z{k}"
        if k < len(sizes) - 2:
            nodes.append(Node(f"r{k}", "Relu", (current,)))
            if products:
                nodes += [Node(f"s{k}", "Add", (f"r{k}", current)), Node(f"t{k}", "Mul", (f"s{k}", f"r{k}"))]
            current = nodes[-1].name
    return Graph(infer(nodes, weights), (current,), weights)
