"""Rounding errors of gradients: of a network's output by its input, and by its weights where they lie in a region."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from workbench.autodiff.bilinear import bilinear
from workbench.autodiff.graphs import gradient_graph
from workbench.floats.program import Semantics
from workbench.graph import Graph, GraphError, Node
from workbench.methods.named import find_bounds
from workbench.methods.rounding import RoundingBounds, rounding
from workbench.region import Region, ball
from workbench.semantics.plan import plan_of

# whose float operands are weights that a network may be trained in
TRAINED = frozenset({"Gemm", "MatMul", "Conv", "Add", "Mul", "BatchNormalization", "LayerNormalization"})


def parameters_of(graph: Graph) -> tuple[str, ...]:
    """Names of the weights that a network is trained in: float operands of products, sums and normalisations."""
    found: dict[str, None] = {}
    for node in graph.nodes:
        if node.op in TRAINED:
            kept = node.inputs[:3] if node.op == "BatchNormalization" else node.inputs
            found.update((i, None) for i in kept if i in graph.weights and graph.weights[i].dtype.kind == "f")
    return tuple(found)


def as_inputs(graph: Graph, names: Sequence[str]) -> Graph:
    """The graph with some of its weights as inputs, after its own inputs."""
    unknown = [n for n in names if n not in graph.weights]
    if unknown:
        raise GraphError(
            f"{graph.name} has no weight {unknown[0]!r}; it has {', '.join(list(graph.weights)[:12])}"
        )
    own = [n for n in graph.nodes if n.op == "Input"]
    more = [Node(n, "Input", shape=graph.weights[n].shape, dtype=str(graph.weights[n].dtype)) for n in names]
    rest = [n for n in graph.nodes if n.op != "Input"]
    weights = {k: v for k, v in graph.weights.items() if k not in names}
    return Graph((*own, *more, *rest), graph.outputs, weights, graph.name)


def gradient_rounding(
    model: Any,
    region: Region | None = None,
    output: int | None = None,
    *,
    parameters: float | Mapping[str, float] | None = None,
    program: str | Semantics = "binary32",
    method: str = "crown",
) -> RoundingBounds:
    """Bounds on the rounding errors of a gradient over a region: of the gradient's graph, like of any other.

    Parameters
    ----------
    model : a `wb.Model`, or a `Graph` of one input.
    region : where the input lies; a model's own by default.
    output : which element of the output is differentiated; may be left out where there is one only.
    parameters : how far weights may lie from what they are, in their own units, or by name; the gradient is then by
        the input and by these weights.  None: by the input alone, the weights being what they are.
    program, method : as in `step_errors`.

    Returns
    -------
    `RoundingBounds` of the gradient graph; its outputs are the gradients by the input, then by the weights in order.

    Raises
    ------
    GraphError
        No region; a weight that is not there.
    """
    graph: Graph = model if isinstance(model, Graph) else model.network.graph
    where = region if region is not None else getattr(model, "region", None)
    if where is None:
        raise GraphError("where may the input lie? give a region, such as wb.ball(x, eps=0.01)")
    (given,) = graph.inputs
    names: tuple[str, ...] = ()
    if parameters is not None:
        names = tuple(parameters) if isinstance(parameters, Mapping) else parameters_of(graph)
        graph = bilinear(as_inputs(graph, names))
    first = gradient_graph(graph, [given, *names], output, dtype="float64")
    shape = graph[given].shape
    regions = {given: where if where.lower.shape[1:] == shape else where.reshape(shape)}
    source = model if isinstance(model, Graph) else model.network.graph
    for name in names:
        radius = parameters[name] if isinstance(parameters, Mapping) else parameters
        regions[name] = ball(source.weights[name].astype(np.float64), float(radius or 0.0))
    plan = plan_of(first)
    return rounding(plan, find_bounds(plan, regions, method), program)
