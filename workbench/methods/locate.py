"""Which leaf of a proof tree an input lies in, by the network's values in floats: for a picture, no part of a proof."""

from __future__ import annotations

from typing import Any

import numpy as np

from workbench.graph import Array
from workbench.op import OPS
from workbench.semantics import real
from workbench.semantics.plan import Plan

POINTS = 112  # of a raster, each way


def operands(plan: Plan, points: Array) -> dict[str, Array]:
    """What decides the signs: by node of two pieces, ``(N, neurons)``, the distance of its operand from its kink."""
    (name,) = plan.graph.inputs
    x = np.asarray(points, np.float64).reshape(len(points), *plan.graph[name].shape)
    values = real.run(plan, {name: x}, np.float64)
    found = {}
    for step in plan.steps:
        kink = OPS[step.node.op].kink if step.node.op in OPS else None
        kink = 0.0 if kink is None and step.node.op == "Abs" else kink
        if kink is not None and step.operands[0] in values:
            own = np.asarray(values[step.operands[0]])
            found[step.node.name] = (
                np.broadcast_to(own.reshape(own.shape[0], -1), (len(points), step.node.size)) - kink
            )
    return found


def locate(steer: Any, points: Array) -> Array:
    """Ids ``(N,)`` of the leaves that inputs ``(N, n)`` lie in; an input on a cut counts to the low side.

    Parameters
    ----------
    steer : a `methods.steer.Steer`.
    """
    found = np.full(len(points), -1, np.int64)
    signs = operands(steer.plan, points) if steer.neurons else {}
    todo = [(0, np.arange(len(points)))]
    while todo:
        leaf, at = todo.pop()
        node = steer.node(leaf)
        if node.split is None or not node.children:
            found[at] = leaf
            continue
        if node.split.kind == "input":
            high = points[at, node.split.index] > node.split.at
        else:
            high = signs[node.split.node][at, node.split.element] > 0
        for child, here in zip(node.children, (at[~high], at[high]), strict=True):
            if here.size:
                todo.append((child, here))
    return found


def raster(steer: Any, axes: tuple[int, int], count: int = POINTS) -> Array:
    """Leaf ids ``(count, count)`` int32 at the middles of a grid over two inputs, the first row the lowest."""
    low, high = (np.ravel(end).astype(float) for end in (steer.region.lower, steer.region.upper))
    t = (np.arange(count) + 0.5) / count
    points = np.tile(0.5 * low + 0.5 * high, (count * count, 1))
    points[:, axes[0]] = np.tile(low[axes[0]] + t * (high[axes[0]] - low[axes[0]]), count)
    points[:, axes[1]] = np.repeat(low[axes[1]] + t * (high[axes[1]] - low[axes[1]]), count)
    return locate(steer, points).astype(np.int32).reshape(count, count)
