"""What an example is: a small network, boxes for its inputs, and points of the boxes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import workbench.ops  # noqa: F401  (registers the operators)
from laws.numbers import Array, Draw
from workbench.graph import Attribute, Graph, Node
from workbench.semantics.plan import Plan, Step, infer, plan_of

Box = tuple[Array, Array]


@dataclass(frozen=True)
class Case:
    """A network, a box for each of its inputs ``(1, *shape)``, and points of the box ``(P, *shape)``."""

    graph: Graph
    boxes: Mapping[str, Box]
    points: Mapping[str, Array] = field(default_factory=dict)

    @property
    def plan(self) -> Plan:
        return plan_of(self.graph)

    @property
    def step(self) -> Step:
        """The last node (which is not folded away)."""
        return self.plan.by_name[self.graph.outputs[0]]

    def __repr__(self) -> str:
        lines = [self.graph.to_text()]
        lines += [f"{k} in {lo.tolist()} {hi.tolist()}" for k, (lo, hi) in self.boxes.items()]
        lines += [f"{k} = {w.dtype} {w.tolist()}" for k, w in self.graph.weights.items()]
        return "\n".join(lines)


Operand = Array | Box | None
Example = Callable[[Draw], Case]
EXAMPLES: dict[str, Example] = {}
PLACES: dict[str, str] = {}
FOLDED = frozenset({"ConstantOfShape", "Equal", "Shape"})  # never computed from an input's values


def network(nodes: list[Node], boxes: Mapping[str, Box], weights: Mapping[str, Array], draw: Draw) -> Case:
    """A case of these nodes; the last one is the output."""
    inputs = [Node(k, "Input", shape=lo.shape[1:], dtype="float64") for k, (lo, _) in boxes.items()]
    graph = Graph(infer([*inputs, *nodes], weights), (nodes[-1].name,), weights)
    points = {k: draw.points(lo, hi) for k, (lo, hi) in boxes.items()}
    return Case(graph, boxes, points)


def single(draw: Draw, op: str, *operands: Operand, **attrs: Attribute) -> Case:
    """One node; a box is an input, an array a weight, None an omitted operand."""
    boxes: dict[str, Box] = {}
    weights: dict[str, Array] = {}
    names = []
    for i, operand in enumerate(operands):
        if operand is None:
            names.append("")
        elif isinstance(operand, tuple):
            names.append(f"x{i}")
            boxes[f"x{i}"] = operand
        else:
            names.append(f"w{i}")
            weights[f"w{i}"] = operand
    return network([Node("y", op, tuple(names), attrs)], boxes, weights, draw)


def example(*ops: str) -> Callable[[Callable[[Draw, str], Case]], Callable[[Draw, str], Case]]:
    """Register an example generator for operators; it is told which one."""

    def register(make: Callable[[Draw, str], Case]) -> Callable[[Draw, str], Case]:
        place = f"{make.__code__.co_filename}:{make.__code__.co_firstlineno}"
        for op in ops:
            # pytest imports this folder's modules a second time, under another name, to look for doctests
            if PLACES.setdefault(op, place) != place:
                raise ValueError(f"{op} has two example generators, in {PLACES[op]} and {place}")
            EXAMPLES[op] = lambda draw, op=op: make(draw, op)
        return make

    return register


def fits(draw: Draw, shape: tuple[int, ...]) -> tuple[int, ...]:
    """A shape that broadcasts to `shape`."""
    kept = shape[draw.integer(0, len(shape)) :]
    return tuple(n if draw.flag() else 1 for n in kept)
