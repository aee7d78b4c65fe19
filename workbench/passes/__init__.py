"""Simplifications: explicit passes, each a function from a graph to a graph.

The graph that a person sees is the one in their file until they ask for one of these.
"""

from __future__ import annotations

from workbench.graph import Graph
from workbench.passes.batchnorm import fold_batchnorm
from workbench.passes.constants import fold_constants
from workbench.passes.identities import drop_identities
from workbench.passes.inputs import fix_inputs, join_inputs
from workbench.passes.shapes import remove_shape_arithmetic

__all__ = [
    "drop_identities",
    "fix_inputs",
    "fold_batchnorm",
    "fold_constants",
    "join_inputs",
    "remove_shape_arithmetic",
    "simplify",
]


def simplify(graph: Graph) -> Graph:
    """All passes, one after another; `fold_constants` and `fold_batchnorm` round weights, see there."""
    for apply in (remove_shape_arithmetic, fold_constants, fold_batchnorm, drop_identities):
        graph = apply(graph)
    return graph
