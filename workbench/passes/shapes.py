"""Shape arithmetic becomes constants: Shape, Gather, Concat ... that only compute sizes."""

from __future__ import annotations

from workbench.graph import Graph
from workbench.passes.prune import pruned
from workbench.semantics.plan import plan_of


def remove_shape_arithmetic(graph: Graph) -> Graph:
    """Replace every node whose value is known exactly (shapes, integers, moved weights) by that value.

    Nothing is rounded: the network computes the same in every number format.
    """
    constants = plan_of(graph).constants
    return pruned(graph, [n for n in graph.nodes if n.name not in constants], constants)
