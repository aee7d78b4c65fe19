"""Inputs: hold some at a value, put the others into one vector: then a network of several inputs has a region."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from workbench.graph import Array, Graph, GraphError, Node
from workbench.passes.prune import pruned
from workbench.semantics.plan import infer

JOINED = "inputs"


def fix_inputs(graph: Graph, values: Mapping[str, Any]) -> Graph:
    """Some inputs become constants: a mask, token numbers, a time step.

    Parameters
    ----------
    graph : any network.
    values : input name -> what it is, of the input's shape (leading axes of 1 apart); floats are rounded to the input's
        type, as a run does, and integers refused where its type does not hold them.

    Raises
    ------
    GraphError
        A name that is no input, a value of another shape or that the input's type does not hold; nothing left to vary.
    """
    if unknown := [name for name in values if name not in graph.inputs]:
        raise GraphError(f"{unknown[0]!r} is no input of {graph.name}; it has: {', '.join(graph.inputs)}")
    if not set(graph.inputs) - set(values):
        raise GraphError(f"every input of {graph.name} is given a value: nothing is left to vary")
    fixed = {name: _held(graph[name], value) for name, value in values.items()}
    nodes = [n for n in graph.nodes if n.name not in fixed]
    return pruned(graph, nodes, {**graph.weights, **fixed})


def join_inputs(graph: Graph) -> Graph:
    """The same network with one input: all numbers of all inputs, in their order, in one vector.

    Every old input is a node of its own name still, cut out of the vector; so what is said of any node is said of the
    network in the file.

    Raises
    ------
    GraphError
        Inputs of different types, or that hold no floats: give those a value first (`fix_inputs`).
    """
    if len(graph.inputs) == 1:
        return graph
    old = [graph[name] for name in graph.inputs]
    if whole := [n for n in old if not n.dtype.startswith("float")]:
        raise GraphError(
            f"the input {whole[0].name!r} holds {whole[0].dtype}, which no region can vary: give it a value"
        )
    if len({n.dtype for n in old}) != 1:
        raise GraphError(
            f"inputs of several types ({', '.join(f'{n.name}: {n.dtype}' for n in old)}) are not one vector"
        )
    taken = {n.name for n in graph.nodes} | set(graph.weights)

    def fresh(name: str) -> str:
        while name in taken:
            name += "_"
        taken.add(name)
        return name

    vector = fresh(JOINED)
    nodes = [Node(vector, "Input", shape=(sum(n.size for n in old),), dtype=old[0].dtype)]
    weights: dict[str, Array] = dict(graph.weights)
    first = 0
    for node in old:
        index, shape, part = (fresh(f"{node.name}/{what}") for what in ("places", "shape", "part"))
        weights[index] = np.arange(first, first + node.size, dtype=np.int64)
        weights[shape] = np.array(node.shape, np.int64)
        nodes.append(Node(part, "Gather", (vector, index), {"axis": 0}, group=JOINED))
        nodes.append(Node(node.name, "Reshape", (part, shape), {}, group=JOINED))
        first += node.size
    rest = [n for n in graph.nodes if n.op != "Input"]
    return Graph(infer([*nodes, *rest], weights), graph.outputs, weights, graph.name)


def _held(node: Node, value: Any) -> Array:
    """The value in the input's shape and type."""
    given = np.asarray(value)
    found = given.astype(node.dtype)
    if _without_ones(given.shape) != _without_ones(node.shape):
        raise GraphError(f"the input {node.name!r} has shape {list(node.shape)}, not {list(given.shape)}")
    if not (found == given).all() and not (given.dtype.kind == "f" and found.dtype.kind == "f"):
        raise GraphError(f"the input {node.name!r} holds {node.dtype}: {value!r} would be changed by that")
    return found.reshape(node.shape)


def _without_ones(shape: tuple[int, ...]) -> tuple[int, ...]:
    """A shape without its leading axes of length 1."""
    first = next((k for k, n in enumerate(shape) if n != 1), len(shape))
    return shape[first:]
