"""Query: a VNN-LIB file of any kind, with networks to put in place of its declarations.

Version 1.0 and the simple queries of 2.0 are about the outputs of one network over boxes of its one input: they are a
`Property` of that network as it is.  Everything else (several networks, inputs and outputs, hidden nodes, comparisons
that mix them, polynomials) becomes a property of one larger network that computes every quantity the query compares
(`io.joined`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path

from workbench.graph import Graph
from workbench.io import vnnlib, vnnlib2
from workbench.io.formula import Alternatives, Atom, FormulaProblem, Scope, Variable, alternatives
from workbench.io.joined import Joined, join
from workbench.io.vnnlib import VnnlibError
from workbench.io.vnnlib2 import Declared, Tensor
from workbench.spec import Property

ANALYSED = ("real", "float32", "float64")  # element types whose analysis is sound


@dataclass(frozen=True, slots=True)
class Query:
    """What a file asks, before it is known of which networks.

    Parameters
    ----------
    name : for people.
    version : "1.0" or "2.0".
    networks : what is declared; of version 1.0 one network without a name.
    always, choices : what always holds, and alternatives of which one does.
    products : variables that stand for products, by their factors.
    simple : the property, where the query is about one network as it is.
    """

    name: str
    version: str
    networks: tuple[Declared, ...]
    always: list[Atom] = field(default_factory=list)
    choices: Alternatives = field(default_factory=list)
    products: Mapping[tuple[Variable, ...], Variable] = field(default_factory=dict)
    simple: Property | None = None

    @property
    def needed(self) -> tuple[str, ...]:
        """Names of the networks that a model must be given for."""
        return tuple(n.name for n in self.networks if not n.equal_to)

    @property
    def types(self) -> tuple[str, ...]:
        """The element types that are declared; none in version 1.0, whose numbers are reals."""
        return tuple(dict.fromkeys(t.type for n in self.networks for t in n.tensors))

    @property
    def semantics(self) -> str:
        """The arithmetic that the query is about: "real", or "onnx" where it declares float types."""
        return "real" if self.version == "1.0" or self.types == ("real",) else "onnx"

    def shapes(self, name: str, graph_inputs: tuple[str, ...]) -> dict[str, tuple[int, ...]]:
        """Declared shapes for a model's inputs, for those that its file leaves open."""
        declared = next(n for n in self.networks if n.name == name)
        return dict(zip(graph_inputs, (t.shape for t in declared.of("input")), strict=False))

    def about(self, graphs: Mapping[str, Graph]) -> Joined:
        """The network and the property that decide the query for these models.

        Raises
        ------
        VnnlibError
            Models that do not fit the declarations, or element types that are not analysed soundly.
        RegionError
            Inputs that contradict each other.
        """
        missing = [n for n in self.needed if n not in graphs]
        extra = [n for n in graphs if n not in self.needed]
        if missing or extra:
            raise VnnlibError(
                f"{self.name} needs a model for {', '.join(map(repr, self.needed))}: "
                + (f"none is given for {missing[0]!r}" if missing else f"{extra[0]!r} is not one of them")
            )
        models = {n.name: graphs[n.equal_to or n.name] for n in self.networks}
        if self.simple is not None and self.version == "1.0":
            return Joined(models[self.networks[0].name], self.simple, {})
        for network in self.networks:
            _check(network, models[network.name], self.types)
        if self.simple is not None:
            return Joined.of_one(models[self.networks[0].name], self.simple, self.networks[0])
        return join(self.networks, models, self.always, self.choices, self.products, self.name)


def load(path: str | PathLike[str]) -> Query:
    """Read a VNN-LIB file of version 1.0 or 2.0.

    Raises
    ------
    VnnlibError
        Whatever is wrong with the file.
    """
    text, name = vnnlib.read_text(path), Path(path).name
    if not vnnlib.is_version_two(text):
        found = vnnlib.parse(text, name=name)
        one = Declared(
            "",
            (
                Tensor("X", "input", "real", (found.inputs,), 0),
                Tensor("Y", "output", "real", (found.outputs,), 0),
            ),
        )
        return Query(name, "1.0", (one,), simple=found)
    try:
        networks, assertions = vnnlib2.read(text)
        totals = {
            letter: sum(t.size for n in networks for t in n.tensors if (t.kind == "input") == (letter == "X"))
            for letter in "XY"
        }
        scope = Scope({(letter, i) for letter, n in totals.items() for i in range(n)}, products={})
        conditions = [alternatives(a, scope) for a in assertions]
    except FormulaProblem as problem:
        raise VnnlibError(f"{name}: {problem}") from None
    choices, always = vnnlib.split(conditions, name)
    simple = None
    plain = len(networks) == 1 and [len(networks[0].of(k)) for k in ("input", "hidden", "output")] == [
        1,
        0,
        1,
    ]
    if plain and all(_plain(a) for c in (always, *choices) for a in c):
        simple = Property(
            tuple(vnnlib.cases(always, choices, totals["X"], totals["Y"], name)),
            totals["X"],
            totals["Y"],
            name,
        )
    return Query(name, "2.0", networks, always, choices, scope.products or {}, simple)


def _plain(atom: Atom) -> bool:
    """Whether it bounds one input, or compares outputs alone."""
    letters = {letter for (letter, _), _ in atom.terms}
    return letters == {"Y"} or (letters == {"X"} and len(atom.terms) == 1)


def _check(network: Declared, graph: Graph, types: tuple[str, ...]) -> None:
    """A model against its declaration: inputs and outputs in number, order, shape and element type."""
    unsound = [t for t in types if t not in ANALYSED]
    if unsound:
        raise VnnlibError(
            f"the type {unsound[0]} is declared, which is not analysed soundly here; it is for {', '.join(ANALYSED)}. "
            "Declare everything real to ask about real arithmetic"
        )
    if "real" in types and len(types) > 1:
        raise VnnlibError(
            f"real is declared beside {', '.join(t for t in types if t != 'real')}: a query is real as a whole"
        )
    for kind, names in (("input", graph.inputs), ("output", graph.outputs)):
        declared = network.of(kind)  # type: ignore[arg-type]
        if len(declared) != len(names):
            raise VnnlibError(
                f"network {network.name!r} declares {len(declared)} {kind}s, but its model has {len(names)} "
                f"({', '.join(names[:5])})"
            )
        for tensor, name in zip(declared, names, strict=True):
            _fits(tensor, graph, name, network)
    for tensor in network.of("hidden"):
        if tensor.node not in graph.by_name:
            raise VnnlibError(
                f"the model of network {network.name!r} has no tensor {tensor.node!r}, which {tensor.name} names"
            )
        _fits(tensor, graph, tensor.node, network)


def _fits(tensor: Tensor, graph: Graph, name: str, network: Declared) -> None:
    node = graph[name]
    where = f"{tensor.name} of network {network.name!r}"
    if tensor.shape != node.shape:
        raise VnnlibError(
            f"{where} is declared {list(tensor.shape)}, but {name!r} in its model is {list(node.shape)}"
        )
    if tensor.type not in ("real", node.dtype):
        raise VnnlibError(
            f"{where} is declared {tensor.type}, but {name!r} in its model is {node.dtype}: types must agree unless "
            "everything is declared real"
        )
