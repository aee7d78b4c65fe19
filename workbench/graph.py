"""Graph and Node: a network as one immutable, typed, topologically ordered graph.

Structure and weights are apart: `Graph.nodes` says what is computed, `Graph.weights` holds the numbers, so that the
structure can be shown, compared and hashed without them.  Names are the ONNX tensor names: a node *is* the value that
it produces.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import prod
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import networkx

Array = np.ndarray[Any, Any]
Attribute = int | float | str | tuple[int, ...] | tuple[float, ...] | tuple[str, ...]


class GraphError(ValueError):
    """A graph that cannot be: the message names the node and says what was expected."""


@dataclass(frozen=True, slots=True)
class Node:
    """One value of the network and how it is computed.

    Parameters
    ----------
    name : the ONNX name of the tensor that this node produces; unique in its graph.
    op : the operator, spelt as ONNX spells it, or ``"Input"``.
    inputs : names of nodes or weights, in the operator's order; ``""`` is an omitted optional operand.
    attrs : the operator's attributes (integers, floats, strings and tuples of them).
    shape : static shape of the value, batch axis of the ONNX file included.
    dtype : NumPy name of the element type in the file, e.g. ``"float32"``.
    group : slash-separated scope for collapsing, e.g. ``"layer1/block0"``; may be empty.
    """

    name: str
    op: str
    inputs: tuple[str, ...] = ()
    attrs: Mapping[str, Attribute] = field(default_factory=lambda: MappingProxyType({}))
    shape: tuple[int, ...] = ()
    dtype: str = "float32"
    group: str = ""

    @property
    def size(self) -> int:
        """Number of neurons: the product of the shape."""
        return prod(self.shape)

    def describe(self) -> str:
        """Name and operator for messages: ``node 'relu_1' (Relu)``."""
        return f"node {self.name!r} ({self.op})"


def _changeable(array: Array) -> bool:
    """Whether somebody could still write to the memory of `array`: only that of `bytes` nobody can.

    Memory that an array owns may be written to through any view that was made before it was read-only.
    """
    seen: Any = array
    while isinstance(seen, np.ndarray):
        if seen.flags.writeable:
            return True
        seen = seen.base
    return not isinstance(seen, bytes)


@dataclass(frozen=True, eq=False)
class Graph:
    """An immutable network.

    Parameters
    ----------
    nodes : every node, operands before users.
    outputs : names of the nodes that are results.
    weights : name -> array; never NaN or infinite; arrays are made read-only.
    name : a label for people.

    Raises
    ------
    GraphError
        A name used twice, an operand that is missing or comes later (a cycle), an output that is not computed, a
        weight that is not finite; the message names the node.
    """

    nodes: tuple[Node, ...]
    outputs: tuple[str, ...]
    weights: Mapping[str, Array] = field(default_factory=dict)
    name: str = "network"

    def __post_init__(self) -> None:
        frozen = {}
        for key, value in self.weights.items():
            array = np.asarray(value)
            if array.dtype.kind == "f" and not np.isfinite(array).all():
                at = np.argwhere(~np.isfinite(array))[0].tolist()
                raise GraphError(
                    f"weight {key!r} holds {array[tuple(at)]} at index {at}: every weight must be a finite number"
                )
            if _changeable(array):  # nobody else can change what was bounded
                array = array.copy()
            array.flags.writeable = False
            frozen[key] = array
        object.__setattr__(self, "weights", MappingProxyType(frozen))
        known = set(frozen)
        for node in self.nodes:
            if node.name in known:
                raise GraphError(f"the name {node.name!r} is produced twice (again by {node.describe()})")
            for operand in node.inputs:
                if operand and operand not in known:
                    later = any(other.name == operand for other in self.nodes)
                    why = "computed later or in a cycle" if later else "nowhere in the file"
                    raise GraphError(f"{node.describe()} needs {operand!r}, which is {why}")
            known.add(node.name)
        if not self.outputs:
            raise GraphError("the graph has no output")
        for output in self.outputs:
            if output not in known:
                raise GraphError(f"the output {output!r} is not computed by any node")

    def __iter__(self) -> Iterator[Node]:
        return iter(self.nodes)

    def __len__(self) -> int:
        return len(self.nodes)

    def __getitem__(self, name: str) -> Node:
        try:
            return self.by_name[name]
        except KeyError:
            close = [n for n in self.by_name if name.lower() in n.lower()][:5]
            hint = f"; names that contain it: {', '.join(close)}" if close else ""
            raise GraphError(f"there is no node {name!r} in {self.name}{hint}") from None

    def __repr__(self) -> str:
        return f"Graph({self.name!r}, {len(self.nodes)} nodes, {self.parameters:,} parameters)"

    @cached_property
    def by_name(self) -> Mapping[str, Node]:
        """Name -> node."""
        return MappingProxyType({node.name: node for node in self.nodes})

    @cached_property
    def inputs(self) -> tuple[str, ...]:
        """Names of the input nodes, in the file's order."""
        return tuple(node.name for node in self.nodes if node.op == "Input")

    @cached_property
    def consumers(self) -> Mapping[str, tuple[str, ...]]:
        """Name -> the nodes that use it, in topological order."""
        users: dict[str, list[str]] = {node.name: [] for node in self.nodes}
        for node in self.nodes:
            for operand in dict.fromkeys(node.inputs):
                if operand in users:
                    users[operand].append(node.name)
        return MappingProxyType({key: tuple(value) for key, value in users.items()})

    @property
    def parameters(self) -> int:
        """Number of weight scalars."""
        return sum(int(w.size) for w in self.weights.values())

    def structure(self) -> dict[str, Any]:
        """The structure as plain data (no weights, but their shapes): what two graphs are compared by."""
        return {
            "format": "workbench.graph.v1",
            "name": self.name,
            "nodes": [
                {
                    "name": n.name,
                    "op": n.op,
                    "inputs": list(n.inputs),
                    "attrs": {k: list(v) if isinstance(v, tuple) else v for k, v in sorted(n.attrs.items())},
                    "shape": list(n.shape),
                    "dtype": n.dtype,
                    "group": n.group,
                }
                for n in self.nodes
            ],
            "outputs": list(self.outputs),
            "weights": {
                k: {"shape": list(w.shape), "dtype": str(w.dtype)} for k, w in sorted(self.weights.items())
            },
        }

    def to_json(self) -> str:
        """Canonical JSON of the structure: equal graphs give equal text."""
        return json.dumps(self.structure(), sort_keys=True, separators=(",", ":"), ensure_ascii=False)

    @cached_property
    def digest(self) -> str:
        """SHA-256 over structure and weights, as hexadecimal."""
        h = hashlib.sha256(self.to_json().encode())
        for key in sorted(self.weights):
            h.update(np.ascontiguousarray(self.weights[key]).tobytes())
        return h.hexdigest()

    def to_text(self) -> str:
        """One readable line a node: ``relu_1 : float32[1,128] = Relu(fc1)``."""
        lines = []
        for n in self.nodes:
            shape = ",".join(map(str, n.shape))
            attrs = "".join(f", {k}={_short(v)}" for k, v in sorted(n.attrs.items()))
            call = "input" if n.op == "Input" else f"{n.op}({', '.join(i or '-' for i in n.inputs)}{attrs})"
            mark = "  -> output" if n.name in self.outputs else ""
            lines.append(_one_line(f"{n.name} : {n.dtype}[{shape}] = {call}{mark}"))
        return "\n".join(lines)

    def to_dot(self) -> str:
        """Graphviz DOT text; names are quoted, so that no name can break out of its string."""
        quote = json.dumps
        lines = ["digraph {", "  node [shape=box];"]
        for n in self.nodes:
            label = f"{n.op}\n{n.name}\n{'x'.join(map(str, n.shape))}"
            lines.append(f"  {quote(n.name)} [label={quote(label)}];")
            lines += [f"  {quote(i)} -> {quote(n.name)};" for i in n.inputs if i in self.by_name]
        return "\n".join([*lines, "}"])

    def to_networkx(self) -> networkx.DiGraph[str]:
        """A `networkx.DiGraph`: nodes carry op, shape, dtype and group; edges carry the operand's position."""
        import networkx

        g: networkx.DiGraph[str] = networkx.DiGraph(name=self.name)
        for n in self.nodes:
            g.add_node(n.name, op=n.op, shape=n.shape, dtype=n.dtype, group=n.group)
            for position, operand in enumerate(n.inputs):
                if operand in self.by_name:
                    g.add_edge(operand, n.name, position=position)
        return g


def _one_line(text: str) -> str:
    """`text` with what would break the line, or command a terminal, written as an escape."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def _short(value: Attribute, limit: int = 60) -> str:
    text = str(list(value) if isinstance(value, Sequence) and not isinstance(value, str) else value)
    return text if len(text) <= limit else text[: limit - 1] + "…"
