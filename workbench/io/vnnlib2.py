"""VNN-LIB 2.0, read with the standard's own parser (the package `vnnlib`, imported here).

Elements count row by row.  All inputs of all networks are ``X_0, X_1, ...`` in the order of their declarations, all
hidden nodes and outputs ``Y_0, Y_1, ...``.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from math import prod
from typing import Any, Literal

from workbench.io.formula import FormulaProblem
from workbench.io.sexpr import Expression, Form

OPERATORS = {
    "And": "and",
    "Or": "or",
    "LessEqual": "<=",
    "GreaterEqual": ">=",
    "Equal": "=",
    "LessThan": "<",
    "GreaterThan": ">",
    "NotEqual": "!=",
    "Negate": "-",
    "Plus": "+",
    "Minus": "-",
    "Multiply": "*",
}
# the standard's spellings of the parser's element types
TYPES = {
    "Real": "real",
    "F16": "float16",
    "F32": "float32",
    "F64": "float64",
    "BF16": "bfloat16",
    "F8E4M3FN": "float8e4m3fn",
    "F8E5M2": "float8e5m2",
    "F8E4M3FNUZ": "float8e4m3fnuz",
    "F8E5M2FNUZ": "float8e5m2fnuz",
    "F4E2M1": "float4e2m1",
    "I8": "int8",
    "I16": "int16",
    "I32": "int32",
    "I64": "int64",
    "U8": "uint8",
    "U16": "uint16",
    "U32": "uint32",
    "U64": "uint64",
    "C64": "complex64",
    "C128": "complex128",
    "Bool": "bool",
}
MOST = 10_000_000  # elements of all variables
Kind = Literal["input", "hidden", "output"]


@dataclass(frozen=True, slots=True)
class Tensor:
    """A declared variable.

    Parameters
    ----------
    name, kind : as declared.
    type : the element type in the standard's spelling, "real" included.
    shape : of the tensor.
    first : index of its first element among all X (inputs) or all Y (hidden nodes and outputs).
    node : of a hidden one the tensor's name in the ONNX file.
    """

    name: str
    kind: Kind
    type: str
    shape: tuple[int, ...]
    first: int
    node: str = ""

    @property
    def size(self) -> int:
        """Number of elements."""
        return prod(self.shape)

    def element(self, k: int) -> str:
        """The k-th element as the query names it: ``Y[0,3]``."""
        index = []
        for size in reversed(self.shape):
            k, at = divmod(k, size)
            index.append(str(at))
        return f"{self.name}[{','.join(reversed(index))}]" if index else self.name


@dataclass(frozen=True, slots=True)
class Declared:
    """A declared network; `equal_to` names the one whose model it is, `isomorphic_to` one of the same structure."""

    name: str
    tensors: tuple[Tensor, ...]
    equal_to: str = ""
    isomorphic_to: str = ""

    def of(self, kind: Kind) -> tuple[Tensor, ...]:
        """Its inputs, hidden nodes or outputs, in order."""
        return tuple(t for t in self.tensors if t.kind == kind)


def read(text: str) -> tuple[tuple[Declared, ...], list[Expression]]:
    """Networks and assertions of a version 2.0 text.

    Raises
    ------
    FormulaProblem
        A text that the parser refuses.
    """
    try:
        import vnnlib
    except ImportError as error:
        raise FormulaProblem(
            "this is VNN-LIB 2.0, which is read with the package vnnlib: install it, or use a 1.0 file"
        ) from error
    try:
        query = vnnlib.parse_query_string(text)
    except Exception as error:  # noqa: BLE001  (whatever the parser raises is a complaint about the text)
        raise FormulaProblem(f"not VNN-LIB 2.0: {_complaint(str(error))}") from None
    names: dict[str, Tensor] = {}
    counts = {"X": 0, "Y": 0}
    networks = []
    for network in query.networks:
        tensors = []
        groups: tuple[tuple[Kind, Any], ...] = (
            ("input", network.inputs),
            ("hidden", network.hidden),
            ("output", network.outputs),
        )
        for kind, given in groups:
            for d in given:
                tensor = _tensor(d, kind, counts)
                names[tensor.name] = tensor
                tensors.append(tensor)
        networks.append(
            Declared(network.name, tuple(tensors), network.equal_to or "", network.isometric_to or "")
        )
    return tuple(networks), [_expression(a.expr, names) for a in query.assertions]


def _tensor(d: Any, kind: Kind, counts: dict[str, int]) -> Tensor:
    letter = "X" if kind == "input" else "Y"
    shape = tuple(int(n) for n in d.shape)
    found = TYPES.get(d.dtype.name)
    if found is None:
        raise FormulaProblem(f"{d.name} has an element type that the standard does not define")
    if prod(shape) + counts[letter] > MOST:
        raise FormulaProblem(f"{d.name} has {prod(shape):,} elements: too many")
    tensor = Tensor(
        d.name,
        kind,
        found,
        shape,
        counts[letter],
        str(d.onnx_name or "").strip('"') if kind == "hidden" else "",
    )
    counts[letter] += tensor.size
    return tensor


def _complaint(text: str) -> str:
    """The parser's complaint in one line: plain text, or a report in JSON."""
    try:
        first = json.loads(text)["errors"][0]
        said = [f"line {first['line']}" if first.get("line") else "", first.get("message"), first.get("hint")]
        return ": ".join(str(s) for s in said if s)[:300]
    except (ValueError, KeyError, IndexError, TypeError, AttributeError):
        return " ".join(text.split())[:300]


def version_two(text: str) -> list[Form]:
    """The declarations and assertions of a version 2.0 text about one network, as the forms of version 1.0.

    Raises
    ------
    FormulaProblem
        A text that the parser refuses, or a query about anything but one network with one input and one output.
    """
    networks, assertions = read(text)
    if len(networks) != 1:
        raise FormulaProblem(f"it is about {len(networks)} networks: only one is supported here")
    kinds = [len(networks[0].of(kind)) for kind in ("input", "hidden", "output")]
    if kinds != [1, 0, 1]:
        raise FormulaProblem(
            "only one input, one output and no hidden node of the network can be spoken of here"
        )
    forms = []
    for tensor in networks[0].tensors:
        letter = "X" if tensor.kind == "input" else "Y"
        forms += [Form(0, ["declare-const", f"{letter}_{i}", "Real"]) for i in range(tensor.size)]
    return [*forms, *(Form(0, ["assert", a]) for a in assertions)]


def _expression(node: Any, names: dict[str, Tensor]) -> Expression:
    kind = type(node).__name__
    if kind == "Var":
        tensor = names[node.name]
        flat = 0
        for size, index in zip(node.shape, node.indices, strict=True):
            flat = flat * size + index
        return f"{'X' if tensor.kind == 'input' else 'Y'}_{tensor.first + flat}"
    if kind in ("Float", "Int"):
        return str(node.lexeme)
    if kind in OPERATORS:
        return [OPERATORS[kind], *(_expression(c, names) for c in node.children())]
    raise FormulaProblem(f"{kind} is not supported")
