"""What BranchView tells its front end, as plain data: nodes in columns, a part in words, a search in a row of numbers.

A *delta* is a JSON header ``{type: "delta", tree, since, serial, removed: [id], count, columns}`` with one buffer:
the columns (`COLUMNS`, little-endian float64, one after another, `count` numbers each) of the nodes that changed.
Where exactly two inputs vary, `low0`, `high0`, `low1`, `high1` are the ends of the part's box; else NaN.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from workbench.graph import Array
from workbench.spec import in_words

STATUSES = ("open", "proved", "empty", "unsafe", "stuck", "split")
COLUMNS = (
    "id",
    "parent",
    "side",
    "depth",
    "status",
    "bound",
    "kind",
    "index",
    "at",
    "left",
    "right",
    "low0",
    "high0",
    "low1",
    "high1",
)
KINDS = {"input": 1.0, "sign": 2.0}
LISTED = 64  # inputs, and decided neurons, that are listed of one part


def finite(value: Any) -> float | None:
    """`value` for JSON: NaN and infinity become None."""
    number = None if value is None else float(value)
    return number if number is not None and math.isfinite(number) else None


def columns(nodes: Sequence[Any], axes: tuple[int, int] | None) -> bytes:
    """Nodes as columns of float64."""
    table = np.full((len(COLUMNS), len(nodes)), np.nan)
    for k, node in enumerate(nodes):
        split, (left, right) = node.split, node.children or (-1, -1)
        table[:11, k] = (
            node.id,
            -1 if node.parent is None else node.parent,
            node.side,
            node.depth,
            STATUSES.index(node.status),
            node.bound,
            0.0 if split is None else KINDS[split.kind],
            -1 if split is None else split.index,
            math.nan if split is None else split.at,
            left,
            right,
        )
        if axes is not None:
            a, b = axes
            table[11:, k] = node.lower[a], node.upper[a], node.lower[b], node.upper[b]
    return table.astype("<f8").tobytes()


def delta(key: str, steer: Any, since: int, axes: tuple[int, int] | None) -> tuple[dict[str, Any], bytes]:
    """What changed in a search since a serial number, as (header, bytes)."""
    found = steer.changes(since)
    header = {
        "type": "delta",
        "tree": key,
        "since": since,
        "serial": found.serial,
        "removed": [int(i) for i in found.removed],
        "count": len(found.changed),
        "columns": list(COLUMNS),
    }
    return header, columns(found.changed, axes)


def summary(key: str, steer: Any) -> dict[str, Any]:
    """One search in a row: what is proved, and what is left."""
    count = dict.fromkeys(STATUSES, 0)
    for leaf in steer.leaves():
        count[leaf.status] += 1
    leaves = sum(count.values())
    return {
        "key": key,
        "serial": steer.serial,
        "status": steer.status,
        "bound": finite(steer.bound),
        "done": float(steer.done),
        "nodes": len(steer),
        "leaves": leaves,
        "splits": max(0, leaves - 1),
        "count": count,
        "loaded": bool(getattr(steer, "loaded", False)),
    }


def about(steer: Any, name: str) -> dict[str, Any]:
    """What does not change: the question in words, the inputs, and which neurons can be split."""
    region, plan = steer.region, steer.plan
    low, high = (np.ravel(end) for end in (region.lower, region.upper))
    own = plan.graph.inputs[0]
    layers: list[dict[str, Any]] = []
    for k in range(steer.neurons):
        node, _ = steer.neuron(k)
        if layers and layers[-1]["node"] == node:
            layers[-1]["size"] += 1
        else:
            layers.append({"node": node, "first": k, "size": 1})
    free = list(steer.free_inputs)
    return {
        "network": name,
        "question": in_words(steer.unsafe),
        "inputs": int(low.size),
        "free": free[:LISTED],
        "free_count": len(free),
        "input": own,
        "low": [float(low[i]) for i in free[:LISTED]],
        "high": [float(high[i]) for i in free[:LISTED]],
        "layers": layers,
        "neurons": int(steer.neurons),
    }


def part(key: str, steer: Any, number: int, most: int = 12) -> dict[str, Any]:
    """One node in words and numbers: its way from the root, its box, its signs, and what the machine would split."""
    node = steer.node(number)
    free = list(steer.free_inputs)[:LISTED]
    signs = []
    for index, sign in node.signs[:LISTED]:
        name, element = steer.neuron(index)
        signs.append([name, int(element), int(sign)])
    splittable = node.leaf and node.status in ("open", "stuck")
    choices = []
    for choice in steer.choices(number, most) if splittable else ():
        split = choice.split
        choices.append(
            {
                "kind": split.kind,
                "index": int(split.index),
                "at": float(split.at),
                "node": split.node,
                "element": int(split.element),
                "words": choice.words,
                "score": finite(choice.score),
                "low": finite(choice.low),
                "high": finite(choice.high),
            }
        )
    return {
        "tree": key,
        "id": int(node.id),
        "serial": steer.serial,
        "status": node.status,
        "bound": finite(node.bound),
        "weight": float(node.weight),
        "depth": int(node.depth),
        "leaf": bool(node.leaf),
        "path": list(steer.path(number)),
        "split": None if node.split is None else node.split.words(),
        "box": [[int(i), float(np.ravel(node.lower)[i]), float(np.ravel(node.upper)[i])] for i in free],
        "signs": signs,
        "decided": len(node.signs),
        "choices": choices,
    }


def plane(steer: Any) -> tuple[int, int] | None:
    """The two inputs that vary, where there are two."""
    free = tuple(steer.free_inputs)
    return (int(free[0]), int(free[1])) if len(free) == 2 else None


def as_row(values: Array, limit: int = 6) -> str:
    """A few numbers in a row, for people."""
    flat = np.ravel(values)[:limit]
    return ", ".join(f"{v:.6g}" for v in flat.tolist()) + (", ..." if np.size(values) > limit else "")
