"""Nodes that give back their operand unchanged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from workbench.graph import Graph
from workbench.op import OPS
from workbench.passes.prune import pruned
from workbench.semantics.plan import Plan, Step, evaluate, plan_of


def drop_identities(graph: Graph) -> Graph:
    """Leave out Identity, Dropout, and every Reshape, Pad, Slice ... that changes neither shape nor order.

    A node that is an output stays, because its name does.  Nothing is rounded.
    """
    plan = plan_of(graph)
    instead: dict[str, str] = {}
    nodes = []
    for node in graph.nodes:
        step = plan.by_name.get(node.name)
        source = None if step is None or node.name in graph.outputs else _source(plan, step)
        if source is None:
            nodes.append(replace(node, inputs=tuple(instead.get(i, i) for i in node.inputs)))
        else:
            instead[node.name] = instead.get(source, source)
    return pruned(graph, nodes, graph.weights)


def _numbers(attrs: Mapping[str, Any]) -> list[float]:
    """The numbers among attributes."""
    flat = [v for value in attrs.values() for v in (value if isinstance(value, tuple | list) else (value,))]
    return [float(v) for v in flat if isinstance(v, int | float)]


def _source(plan: Plan, step: Step) -> str | None:
    """The operand that a node gives back, or None: tried out on numbered elements."""
    node, call = step.node, step.call
    live = [i for i in range(len(step.operands)) if call.is_live(i)]
    if not OPS[node.op].moves or len(live) != 1 or call.shapes[live[0]] != node.shape:
        return None
    source = step.operands[live[0]]
    assert source is not None
    if source not in plan.live or plan.graph[source].dtype != node.dtype:
        return None
    if node.attrs.get("to", node.dtype) != node.dtype:
        return None  # a cast to another element type rounds
    constants = [None if c is None else c[None] for c in call.constants]
    # numbers that no constant holds: a fill or the other side of a Where must not look like the operand's own element
    known = [
        0.0,
        *(float(np.abs(c).max()) for c in constants if c is not None and c.size),
        *_numbers(node.attrs),
    ]
    first = 1.0 + np.ceil(max(abs(v) for v in known if np.isfinite(v)))
    numbered = (np.arange(node.size, dtype=np.float64) + first).reshape(1, *node.shape)
    if first > 2.0**52 or node.size > 2**52:
        return None
    result = evaluate(call, [numbered if i == live[0] else c for i, c in enumerate(constants)])
    return source if np.array_equal(result, numbered) else None
