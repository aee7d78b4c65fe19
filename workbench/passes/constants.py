"""Constant folding: nodes that do not depend on an input are computed once."""

from __future__ import annotations

import numpy as np

from workbench.graph import Graph
from workbench.passes.prune import pruned
from workbench.semantics.plan import evaluate, plan_of


def fold_constants(graph: Graph) -> Graph:
    """Replace every node that depends on no input by its value, computed in the file's own float types.

    The value is rounded to that type, as it would be when the network runs; in real arithmetic the folded network
    therefore differs from the original by that rounding.  A value that is not finite is left to be computed.
    """
    plan = plan_of(graph)
    known = dict(plan.constants)
    for step in plan.steps:
        if step.node.name in plan.live or any(o is not None and o not in known for o in step.operands):
            continue
        value = evaluate(step.call, [None if o is None else known[o][None] for o in step.operands])[0]
        if value.dtype.kind != "f" or np.isfinite(value).all():
            known[step.node.name] = value
    folded = known.keys() - plan.constants.keys()
    weights = {k: v for k, v in known.items() if k in graph.weights or k in folded or k not in graph.by_name}
    return pruned(graph, [n for n in graph.nodes if n.name not in folded], weights)
