"""Leave out what no output needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from workbench.graph import Array, Graph, Node


def pruned(graph: Graph, nodes: Sequence[Node], weights: Mapping[str, Array]) -> Graph:
    """`graph` with other nodes and weights, without those that its outputs do not need; inputs stay.

    Parameters
    ----------
    graph : gives outputs and name.
    nodes : operands before users.
    weights : more than needed, possibly.
    """
    needed = set(graph.outputs)
    kept = []
    for node in reversed(nodes):
        if node.op == "Input" or node.name in needed:
            kept.append(node)
            needed.update(node.inputs)
    used = {k: w for k, w in weights.items() if k in needed}
    return Graph(tuple(reversed(kept)), graph.outputs, used, graph.name)
