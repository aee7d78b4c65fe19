"""VNN-LIB 2.0 as the forms of version 1.0, read with the standard's own parser (the package `vnnlib`, imported here).

One network with one input and one output is supported; elements count row by row.
"""

from __future__ import annotations

from math import prod
from typing import Any

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


def version_two(text: str) -> list[Form]:
    """The declarations and assertions of a version 2.0 text.

    Raises
    ------
    FormulaProblem
        A text that the parser refuses, or a query about anything but one network with one input and one output.
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
        raise FormulaProblem(f"not VNN-LIB 2.0: {' '.join(str(error).split())[:300]}") from None
    if len(query.networks) != 1:
        raise FormulaProblem(f"it is about {len(query.networks)} networks: only one is supported")
    network = query.networks[0]
    if len(network.inputs) != 1 or len(network.outputs) != 1 or network.hidden:
        raise FormulaProblem("only one input, one output and no hidden node of the network can be spoken of")
    forms: list[Form] = []
    letters = {network.inputs[0].name: "X", network.outputs[0].name: "Y"}
    for tensor in (network.inputs[0], network.outputs[0]):
        count = prod(tensor.shape)
        if count > 10_000_000:
            raise FormulaProblem(f"{tensor.name} has {count:,} elements: too many")
        letter = letters[tensor.name]
        forms += [Form(0, ["declare-const", f"{letter}_{i}", "Real"]) for i in range(count)]
    forms += [Form(0, ["assert", _expression(a.expr, letters)]) for a in query.assertions]
    return forms


def _expression(node: Any, letters: dict[str, str]) -> Expression:
    kind = type(node).__name__
    if kind == "Var":
        flat = 0
        for size, index in zip(node.shape, node.indices, strict=True):
            flat = flat * size + index
        return f"{letters[node.name]}_{flat}"
    if kind in ("Float", "Int"):
        return str(node.lexeme)
    if kind in OPERATORS:
        return [OPERATORS[kind], *(_expression(c, letters) for c in node.children())]
    raise FormulaProblem(f"{kind} is not supported")
