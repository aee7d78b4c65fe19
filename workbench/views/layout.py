"""Where the boxes of a drawn graph go, in pure Python: longest-path layers and a few barycentre sweeps.

The browser has its own layout; this one serves pictures made without a browser.
"""

from __future__ import annotations

from collections.abc import Sequence

from workbench.graph import Graph

ROW, GAP = 58, 24


def fold(graph: Graph, limit: int) -> tuple[dict[str, str], dict[str, list[str]]]:
    """Which box each node is drawn in, so that at most about `limit` boxes are drawn.

    Groups fold from the deepest level up; a graph without groups folds into runs of consecutive nodes.
    """
    names = [node.name for node in graph.nodes]
    if len(names) <= limit:
        return {name: name for name in names}, {name: [name] for name in names}
    deepest = max(node.group.count("/") + 1 if node.group else 0 for node in graph.nodes)
    for depth in range(deepest, 0, -1):
        owner = {
            n.name: "/".join(n.group.split("/")[:depth]) + "/" if n.group else n.name for n in graph.nodes
        }
        if len(set(owner.values())) <= limit:
            break
    else:
        run = -(-len(names) // limit)
        owner = {
            name: f"nodes {i // run * run + 1}–{min(len(names), i // run * run + run)}"
            for i, name in enumerate(names)
        }
    members: dict[str, list[str]] = {}
    for name in names:
        members.setdefault(owner[name], []).append(name)
    return owner, members


def layers(keys: Sequence[str], edges: Sequence[tuple[str, str]], sweeps: int = 4) -> list[list[str]]:
    """Keys in layers: each below everything that it uses, ordered to keep edges short.

    Edges that go back (possible between folded groups) do not count.
    """
    place = {key: i for i, key in enumerate(keys)}
    above: dict[str, list[str]] = {key: [] for key in keys}
    below: dict[str, list[str]] = {key: [] for key in keys}
    for a, b in edges:
        if place[a] < place[b]:
            above[b].append(a)
            below[a].append(b)
    rank: dict[str, int] = {}
    for key in keys:
        rank[key] = 1 + max((rank[a] for a in above[key]), default=-1)
    found: list[list[str]] = [[] for _ in range(max(rank.values(), default=-1) + 1)]
    for key in keys:
        found[rank[key]].append(key)
    for sweep in range(sweeps):
        down = sweep % 2 == 0
        near = above if down else below
        at = {key: i - (len(layer) - 1) / 2 for layer in found for i, key in enumerate(layer)}
        for layer in found if down else reversed(found):
            layer.sort(
                key=lambda key: sum(at[o] for o in near[key]) / len(near[key]) if near[key] else at[key]
            )
            at.update((key, i - (len(layer) - 1) / 2) for i, key in enumerate(layer))
    return found
