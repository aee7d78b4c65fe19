"""Order and scopes of a file's nodes: operands before users, and groups from scoped names."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace

from workbench.graph import Array, GraphError, Node


def in_order(nodes: list[Node], weights: Mapping[str, Array]) -> list[Node]:
    """Operands first, else in the file's order.

    Raises
    ------
    GraphError
        An operand that nothing gives, a name that is given twice, a cycle.
    """
    makers: dict[str, Node] = {}
    for node in nodes:
        if node.name in makers or node.name in weights:
            raise GraphError(f"the name {node.name!r} is produced twice (again by {node.describe()})")
        makers[node.name] = node
    waiting: dict[str, int] = {}
    users: dict[str, list[Node]] = {}
    for node in nodes:
        needed = [i for i in dict.fromkeys(node.inputs) if i and i not in weights]
        for i in needed:
            if i not in makers:
                raise GraphError(f"{node.describe()} needs {i!r}, which is nowhere in the file")
            users.setdefault(i, []).append(node)
        waiting[node.name] = len(needed)
    place = {node.name: k for k, node in enumerate(nodes)}
    ready = [place[n.name] for n in nodes if not waiting[n.name]]
    heapq.heapify(ready)
    done: list[Node] = []
    while ready:
        node = nodes[heapq.heappop(ready)]
        done.append(node)
        for user in users.get(node.name, ()):
            waiting[user.name] -= 1
            if not waiting[user.name]:
                heapq.heappush(ready, place[user.name])
    if len(done) < len(nodes):
        stuck = {n.name: n for n in nodes if waiting[n.name]}
        raise GraphError(f"the graph has a cycle: {' <- '.join(_cycle(stuck))}")
    return done


def _cycle(stuck: Mapping[str, Node], longest: int = 6) -> list[str]:
    """Names on a cycle, each before the operand that leads back to it."""
    name, path = next(iter(stuck)), list[str]()
    while name not in path:
        path.append(name)
        name = next(i for i in stuck[name].inputs if i in stuck)
    found = [repr(n) for n in path[path.index(name) :]]
    return [*found[:longest], "..."] if len(found) > longest else [*found, found[0]]


def grouped(nodes: Iterable[Node], labels: Mapping[str, str]) -> list[Node]:
    """Scopes from names such as ``/layer1/conv1/Conv_output_0``; a scope of one node is no group."""
    nodes = list(nodes)
    scopes = {n.name: _scope(labels.get(n.name, "")) or _scope(n.name) for n in nodes}
    inside: Counter[tuple[str, ...]] = Counter()
    for scope in scopes.values():
        inside.update(scope[:i] for i in range(1, len(scope) + 1))
    done = []
    for node in nodes:
        scope = scopes[node.name]
        while scope and inside[scope] == 1:
            scope = scope[:-1]
        done.append(replace(node, group="/".join(scope)))
    return done


def _scope(name: str) -> tuple[str, ...]:
    return tuple(p for p in name.split("/")[:-1] if p)
