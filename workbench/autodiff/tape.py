"""tape: what reverse mode writes down: the forward graph, the backward graph, and which value is whose cotangent."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from workbench.autodiff.graphs import adopted, through
from workbench.graph import Array, Graph, GraphError, Node
from workbench.nn.value import Value
from workbench.op import UnsupportedOperator, rule_for
from workbench.semantics import gradient, real
from workbench.semantics.plan import plan_of

SEED = "seed"


@dataclass(frozen=True, eq=False)
class Tape:
    """A gradient at a point.

    Parameters
    ----------
    forward : the graph that was differentiated.
    backward : both together, a graph that can be run: what reverse mode adds stands in `maker`, in groups named after
        the node whose rule made it.
    given : values of those inputs of `backward` that are none of `forward`: the seed, and what a rule that exists in
        numbers only (such as ReduceMax's) gives at this point.
    cotangent : node of `forward` -> the value of `backward` that is the derivative by it; where several rules
        contribute, their sum.
    maker : what reverse mode adds, the seed first -> the node of `forward` whose rule made it.
    values : every forward value, ``forward[n].shape``, in float64.
    cotangents : the derivative of the chosen output by every value, float64, same shapes; those on which it does not
        depend are left out.
    output, index : what was differentiated: an element of a node, counted flat.
    """

    forward: Graph
    backward: Graph
    given: Mapping[str, Array]
    cotangent: Mapping[str, str]
    maker: Mapping[str, str]
    values: Mapping[str, Array]
    cotangents: Mapping[str, Array]
    output: str
    index: int


def tape(graph: Graph, inputs: Mapping[str, Array], index: int | None = None) -> Tape:
    """Differentiate an element of a graph's first output by all that it depends on.

    Parameters
    ----------
    inputs : name -> array of that input's shape.
    index : which element of the output; by default the only one, else the largest.

    Raises
    ------
    GraphError
        Inputs that are missing or of another shape, an element that there is not.
    """
    name, plan = graph.outputs[0], plan_of(graph)
    given = {}
    for source in graph.inputs:
        if source not in inputs:
            raise GraphError(f"there is no value for the input {source!r}")
        array = np.asarray(inputs[source])
        if array.shape != graph[source].shape:
            raise GraphError(
                f"{source} has shape {list(graph[source].shape)}, but was given {list(array.shape)}"
            )
        given[source] = array[None]
    shape = graph[name].shape
    if not graph[name].size:
        raise GraphError(f"{name} is empty: there is nothing to differentiate")
    values = real.run(plan, given, np.float64)
    index = int(np.argmax(values[name])) if index is None else int(index)
    if not 0 <= index < graph[name].size:
        raise GraphError(f"{name} has no element {index}: it has {graph[name].size}")
    seed = np.zeros((1, *shape))
    seed.reshape(-1)[index] = 1.0
    found = gradient.pullback(plan, values, {name: seed})
    held = {k: np.asarray(v[0]) for k, v in values.items() if k in graph.by_name}
    cotangents = {k: np.asarray(v).reshape(graph[k].shape) for k, v in found.items() if k in graph.by_name}
    by_name = {step.node.name: step for step in plan.steps}

    def in_numbers(node: Node) -> list[Array | None]:
        """What a node's rule gives for each operand at this point."""
        step = by_name[node.name]
        operands = tuple(
            None
            if o is None
            else plan.constants[o].astype(np.float64)[None]
            if o in plan.constants
            else values[o]
            for o in step.operands
        )
        pieces = rule_for(node, gradient.gradient)(step.call, operands, values[node.name], found[node.name])
        return [
            None if o is None or piece is None or o in plan.constants else np.asarray(piece[0])
            for o, piece in zip(step.operands, pieces, strict=True)
        ]

    backward, given, links, maker = _backward(graph, in_numbers)
    seeds = {SEED: seed[0], **given}
    kept = {k: v for k, v in seeds.items() if k in backward.by_name}
    return Tape(graph, backward, kept, links, maker, held, cotangents, name, index)


def _backward(
    graph: Graph, in_numbers: Callable[[Node], list[Array | None]]
) -> tuple[Graph, dict[str, Array], dict[str, str], dict[str, str]]:
    trace, values = adopted(graph)
    given: dict[str, Array] = {}
    target = values[graph.outputs[0]]
    reached = set(graph.inputs)
    for node in graph.nodes:
        if any(o in reached for o in node.inputs):
            reached.add(node.name)
    seed = trace.input(SEED, target.shape, target.dtype)
    constants = {k: v for k, v in plan_of(graph).constants.items() if k not in reached}
    grads: dict[str, Value] = {target.name: seed}
    maker = {seed.name: target.name}
    for node in reversed(graph.nodes):
        if node.name not in grads or node.op == "Input" or node.name not in reached:
            continue
        before = len(trace.nodes)
        pieces: Sequence[Value | None]
        try:
            pieces = through(node, values, grads[node.name], constants, reached)
        except UnsupportedOperator:
            made: list[Value | None] = []
            for name, array in zip(node.inputs, in_numbers(node), strict=True):
                if array is None or name not in reached:
                    made.append(None)
                    continue
                made.append(trace.input(f"{node.name}.numbers", array.shape, values[name].dtype))
                given[made[-1].name] = array  # type: ignore[union-attr]
            pieces = made
        for name, piece in zip(node.inputs, pieces, strict=True):
            if piece is not None and name in reached:
                grads[name] = grads[name] + piece if name in grads else piece
        maker |= {new.name: node.name for new in trace.nodes[before:]}
    wanted = [grads[name] for name in graph.inputs if name in grads]
    if not wanted:
        raise GraphError(f"{target.name} does not depend on any input of {graph.name}")
    whole = trace.graph(wanted, f"backward of {graph.name}")
    known = {node.name for node in whole.nodes}
    maker = {k: v for k, v in maker.items() if k in known}
    marked = tuple(
        replace(node, group=f"of {maker[node.name].replace('/', '.')}") if node.name in maker else node
        for node in whole.nodes
    )
    kept = Graph(marked, whole.outputs, whole.weights, whole.name)
    return kept, given, {k: v.name for k, v in grads.items() if v.name in maker}, maker
