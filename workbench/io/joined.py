"""Join: the networks of a query as one, whose outputs are the quantities that the query compares.

One input holds every number that may be chosen, once where the query says that two inputs are equal; it is laid out for
each network; inputs, hidden nodes and outputs that are compared are gathered, products of them multiplied, and all of
them put into one vector.  So every comparison becomes a linear constraint on outputs, the engine's only kind.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from workbench import ops
from workbench.graph import Array, Graph, Node
from workbench.io.formula import Alternatives, Atom, Variable
from workbench.io.vnnlib import VnnlibError, cases
from workbench.io.vnnlib2 import Declared
from workbench.semantics.plan import infer
from workbench.spec import Property

assert ops.FAMILIES  # the operators are registered: shapes are inferred with their rules
FLOATS = ("float32", "float64", "float16")
INPUT = "inputs of the query"
OUTPUT = "what the query compares"


@dataclass(frozen=True, slots=True)
class Joined:
    """A network and the property that decides a query.

    Parameters
    ----------
    graph : the network.
    asked : the property.
    places : declared variable -> (node of `graph` that has its value, shape).
    """

    graph: Graph
    asked: Property
    places: Mapping[str, tuple[str, tuple[int, ...]]]

    @classmethod
    def of_one(cls, graph: Graph, asked: Property, network: Declared) -> Joined:
        """A network as it is."""
        names = {"input": graph.inputs, "output": graph.outputs}
        places = {
            t.name: (name, t.shape)
            for kind, given in names.items()
            for t, name in zip(network.of(kind), given, strict=True)  # type: ignore[arg-type]
        }
        return cls(graph, asked, places)


class _Builder:
    """Nodes and weights of the network under construction."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.weights: dict[str, Array] = {}
        self.count = 0

    def weight(self, value: Array) -> str:
        self.count += 1
        name = f"query/constant_{self.count}"
        self.weights[name] = value
        return name

    def add(self, op: str, inputs: Sequence[str], name: str = "", **attrs: int) -> str:
        self.count += 1
        name = name or f"query/{op.lower()}_{self.count}"
        self.nodes.append(Node(name, op, tuple(inputs), attrs, group="query"))
        return name

    def gather(self, source: str, index: Sequence[int], length: int) -> str:
        if list(index) == list(range(length)):
            return source
        return self.add("Gather", [source, self.weight(np.array(index, np.int64))], axis=0)

    def reshape(self, source: str, shape: Sequence[int], name: str = "") -> str:
        return self.add("Reshape", [source, self.weight(np.array(shape, np.int64))], name)

    def graph(self, name: str) -> Graph:
        return Graph(infer(self.nodes, self.weights), (OUTPUT,), self.weights, name)


def join(
    networks: Sequence[Declared],
    models: Mapping[str, Graph],
    always: list[Atom],
    choices: Alternatives,
    products: Mapping[tuple[Variable, ...], Variable],
    name: str,
) -> Joined:
    """One network for a query about several, or about more than the outputs of one.

    Raises
    ------
    VnnlibError
        Inputs that are no floats.
    RegionError
        Inputs that contradict each other.
    """
    owner = _equal_inputs(always, sum(t.size for n in networks for t in n.of("input")))
    chosen = sorted(set(owner))
    slot = {x: k for k, x in enumerate(chosen)}
    build = _Builder()
    dtype, wide = _float_type(models)
    build.nodes.append(Node(INPUT, "Input", shape=(len(chosen),), dtype=dtype))
    places: dict[str, tuple[str, tuple[int, ...]]] = {}
    for network in networks:
        _lay_out(build, network, models[network.name], owner, slot, places, wide)
    # inputs that are one number are one variable from here on
    same = {("X", i): ("X", slot[o]) for i, o in enumerate(owner)}
    ends: list[Atom] = []
    atoms = [_renamed(a, same) for a in always]
    others = [tuple(_renamed(a, same) for a in choice) for choice in choices]
    columns: dict[Variable, int] = {}
    back = {z: f for f, z in products.items()}

    def place(v: Variable) -> int:
        for factor in back.get(v, ()):
            place(same.get(factor, factor))
        return columns.setdefault(v, len(columns))

    def converted(atom: Atom) -> list[Atom]:
        if not atom.terms:  # equal inputs compared with each other
            held = atom.bound > 0 if atom.strict else atom.bound >= 0
            return [] if held else [_never(place)]
        if len(atom.terms) == 1 and atom.terms[0][0][0] == "X":
            return [atom]
        return [_on_outputs(atom, place)]

    ends = [b for a in atoms for b in converted(a)]
    others = [tuple(b for a in choice for b in converted(a)) for choice in others]
    if not columns:
        place(("X", 0))
    _compare(build, networks, columns, back, same, places, len(chosen))
    boxes = tuple(cases(ends, others, len(chosen), len(columns), name))
    names = _names(networks, columns, back, same)
    asked = Property(boxes, len(chosen), len(columns), name, names)
    return Joined(build.graph(name), asked, places)


def _names(
    networks: Sequence[Declared],
    columns: Mapping[Variable, int],
    back: Mapping[Variable, tuple[Variable, ...]],
    same: Mapping[Variable, Variable],
) -> tuple[str, ...]:
    """What the query calls the quantities that it compares."""
    named: dict[Variable, str] = {}
    for network in networks:
        for t in network.tensors:
            letter = "X" if t.kind == "input" else "Y"
            for k in range(t.size):
                v = (letter, t.first + k)
                v = same.get(v, v)
                if v in columns:
                    named.setdefault(v, t.element(k))
    for v, factors in back.items():
        if v in columns:
            named[v] = " * ".join(named[same.get(f, f)] for f in factors)
    return tuple(named[v] for v in sorted(columns, key=lambda v: columns[v]))


def _equal_inputs(always: list[Atom], count: int) -> list[int]:
    """For every input the first one that it must always equal."""
    owner = list(range(count))
    below: set[tuple[int, int]] = set()
    for atom in always:
        terms = dict(atom.terms)
        if atom.bound == 0 and len(terms) == 2 and sorted(terms.values()) == [-1, 1]:
            (small,), (large,) = ([v for v, c in terms.items() if c == s] for s in (1, -1))
            if small[0] == large[0] == "X" and not atom.strict:
                below.add((small[1], large[1]))

    def root(i: int) -> int:
        while owner[i] != i:
            i = owner[i]
        return i

    for a, b in sorted(below):
        if (b, a) in below and root(a) != root(b):
            owner[max(root(a), root(b))] = min(root(a), root(b))
    return [root(i) for i in range(count)]


def _float_type(models: Mapping[str, Graph]) -> tuple[str, bool]:
    """The type of all inputs, and whether weights must be widened to it (different types: real arithmetic only)."""
    found = set()
    for name, graph in models.items():
        for i in graph.inputs:
            if graph[i].dtype not in FLOATS:
                raise VnnlibError(
                    f"the input {i!r} of network {name!r} holds {graph[i].dtype}: only floats are supported"
                )
            found.add(graph[i].dtype)
    return (found.pop(), False) if len(found) == 1 else ("float64", True)


def _lay_out(
    build: _Builder,
    network: Declared,
    graph: Graph,
    owner: list[int],
    slot: Mapping[int, int],
    places: dict[str, tuple[str, tuple[int, ...]]],
    wide: bool,
) -> None:
    """One network's nodes, with its inputs taken from the query's."""
    prefix = f"{network.name}/"
    for key, value in graph.weights.items():
        build.weights[prefix + key] = value.astype(np.float64) if wide and value.dtype.kind == "f" else value
    for tensor, source in zip(network.of("input"), graph.inputs, strict=True):
        index = [slot[owner[tensor.first + k]] for k in range(tensor.size)]
        part = build.gather(INPUT, index, len(slot))
        build.reshape(part, tensor.shape, prefix + source)
        places[tensor.name] = (prefix + source, tensor.shape)
    for node in graph.nodes:
        if node.op != "Input":
            inputs = tuple(prefix + i if i else "" for i in node.inputs)
            group = f"{network.name}/{node.group}".rstrip("/")
            build.nodes.append(replace(node, name=prefix + node.name, inputs=inputs, group=group))
    for tensor, source in zip(network.of("output"), graph.outputs, strict=True):
        places[tensor.name] = (prefix + source, tensor.shape)
    for tensor in network.of("hidden"):
        places[tensor.name] = (prefix + tensor.node, tensor.shape)


def _renamed(atom: Atom, same: Mapping[Variable, Variable]) -> Atom:
    terms: dict[Variable, Fraction] = {}
    for given, c in atom.terms:
        v = same.get(given, given)
        terms[v] = terms.get(v, Fraction(0)) + c
    return Atom(tuple(sorted((v, c) for v, c in terms.items() if c)), atom.bound, atom.strict)


def _on_outputs(atom: Atom, place: Callable[[Variable], int]) -> Atom:
    """A comparison as one of the joined network's outputs."""
    terms = tuple(sorted((("Y", place(v)), c) for v, c in atom.terms))
    return Atom(terms, atom.bound, atom.strict)


def _never(place: Callable[[Variable], int]) -> Atom:
    """What holds nowhere: an output below itself."""
    return Atom(((("Y", place(("X", 0))), Fraction(0)),), Fraction(-1))


def _compare(
    build: _Builder,
    networks: Sequence[Declared],
    columns: Mapping[Variable, int],
    back: Mapping[Variable, tuple[Variable, ...]],
    same: Mapping[Variable, Variable],
    places: Mapping[str, tuple[str, tuple[int, ...]]],
    count: int,
) -> None:
    """The vector of everything that is compared, in the order of `columns`."""
    parts: list[str] = []
    where: dict[Variable, int] = {}

    def take(source: str, wanted: list[tuple[Variable, int]], length: int) -> None:
        if wanted:
            for v, _ in wanted:
                where[v] = len(where)
            parts.append(build.gather(source, [k for _, k in wanted], length))

    take(INPUT, [(v, v[1]) for v in columns if v[0] == "X"], count)
    for network in networks:
        for t in (*network.of("hidden"), *network.of("output")):
            wanted = [(v, v[1] - t.first) for v in columns if v[0] == "Y" and 0 <= v[1] - t.first < t.size]
            if wanted:
                take(build.reshape(places[t.name][0], (-1,)), wanted, t.size)
    base = parts[0] if len(parts) == 1 else build.add("Concat", parts, axis=0)
    known = len(where)
    by_degree: dict[int, list[Variable]] = {}
    for v in columns:
        if v[0] == "Z":
            by_degree.setdefault(len(back[v]), []).append(v)
    parts = [base]
    for degree, many in sorted(by_degree.items()):
        factors = [[where[same.get(f, f)] for f in back[v]] for v in many]
        product = build.gather(base, [f[0] for f in factors], known)
        for k in range(1, degree):
            product = build.add("Mul", [product, build.gather(base, [f[k] for f in factors], known)])
        for v in many:
            where[v] = len(where)
        parts.append(product)
    base = parts[0] if len(parts) == 1 else build.add("Concat", parts, axis=0)
    order = [where[v] for v in sorted(columns, key=lambda v: columns[v])]
    build.reshape(build.gather(base, order, len(where)), (len(order),), OUTPUT)
