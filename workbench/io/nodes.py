"""The nodes of an ONNX file: operators, their attributes, and constants."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from workbench.graph import Array, Attribute, GraphError, Node
from workbench.io.opsets import EXTRA, normalise
from workbench.io.tensors import array_of

FLOAT, INT, STRING, TENSOR, FLOATS, INTS, STRINGS = 1, 2, 3, 4, 6, 7, 8  # AttributeProto.AttributeType


def nodes_of(message: Any, version: int, weights: dict[str, Array], folder: Path | None) -> list[Node]:
    """A `NodeProto` as nodes: one for every named result of a Split, else one; a Constant becomes a weight.

    Parameters
    ----------
    message : the node.
    version : the file's opset.
    weights : the file's weights; constants are added to them.
    folder : where external data may lie, or None.

    Raises
    ------
    GraphError
        An operator, attribute or result that is not supported.
    """
    outputs = [(i, o) for i, o in enumerate(message.output) if o]
    if not outputs:
        raise GraphError(f"a node {message.name!r} ({message.op_type}) has no output")
    where = f"node {outputs[0][1]!r} ({message.op_type})"
    if message.domain not in ("", "ai.onnx"):
        raise GraphError(
            f"{where} is an operator of {message.domain!r}: only ONNX's own operators are supported"
        )
    attrs: dict[str, Any] = {}
    for a in message.attribute:
        attrs[a.name] = _attribute(a, where, folder)
    if message.op_type == "Constant":
        weights[outputs[0][1]] = _constant(attrs, outputs[0][1], weights, where)
        return []
    attrs = normalise(message.op_type, attrs, version, where)
    tensors = [k for k, v in attrs.items() if isinstance(v, np.ndarray)]
    if tensors:
        raise GraphError(f"{where} has a tensor as attribute {tensors[0]!r}, which is not supported")
    inputs = list(message.input)
    if message.op_type == "Pad" and version < 11 and attrs.get("mode", "constant") == "constant":
        _pad_operands(inputs, attrs, outputs[0][1], weights)
    frozen: Mapping[str, Attribute] = MappingProxyType(attrs)
    if message.op_type == "Split":
        parts = {"num_outputs": len(message.output)}
        return [
            Node(o, "Split", tuple(inputs), MappingProxyType(attrs | parts | {"index": i}))
            for i, o in outputs
        ]
    if message.op_type == "DynamicQuantizeLinear":
        return _dynamic(inputs[0], dict(outputs))
    if message.op_type in EXTRA:
        outputs = [(i, o) for i, o in outputs if i == 0]
    if [i for i, _ in outputs] != [0]:
        raise GraphError(
            f"{where} has {len(message.output)} results: only Split and "
            "DynamicQuantizeLinear may have more than one"
        )
    return [Node(outputs[0][1], message.op_type, tuple(inputs), frozen)]


def _dynamic(x: str, results: Mapping[int, str]) -> list[Node]:
    """Codes with a scale and a zero point of their own, as the nodes that compute them (see `ops.dynamic`)."""
    first = next(iter(results.values()))
    codes, scale, zero = (
        results.get(i, f"{first}/{part}") for i, part in enumerate(("codes", "scale", "zero"))
    )
    top, turned, bottom, below = (f"{first}/{part}" for part in ("largest", "turned", "least", "below"))
    whole = MappingProxyType({"keepdims": 0})
    uint8 = MappingProxyType({"output_dtype": "uint8"})
    made = [
        Node(top, "ReduceMax", (x,), whole),
        Node(turned, "Neg", (x,)),
        Node(bottom, "ReduceMax", (turned,), whole),
        Node(scale, "DynamicQuantizeLinear", (top, bottom)),
    ]
    if {0, 2} & set(results):
        made += [Node(below, "Relu", (bottom,)), Node(zero, "QuantizeLinear", (below, scale), uint8)]
    if 0 in results:
        made.append(Node(codes, "QuantizeLinear", (x, scale, zero), uint8))
    return made


def refuse_extra_results(proto: Any, version: int) -> None:
    """Refuse a use of what an operator gives beside its result and nothing computes here (a dropout mask)."""
    for m in proto.node:
        if m.op_type == "BatchNormalization" and version < 14 and any(m.output[1:]):
            raise GraphError(
                f"node {m.output[0]!r} (BatchNormalization) has further outputs: before opset 14 that means training, "
                "and only inference is supported"
            )
    extra = {o: m for m in proto.node if m.op_type in EXTRA for o in m.output[1:] if o}
    for name in (*(i for m in proto.node for i in m.input), *(o.name for o in proto.output)):
        if name in extra:
            message = extra[name]
            raise GraphError(
                f"{name!r}, {EXTRA[message.op_type]} of node {message.output[0]!r} ({message.op_type}), is used: "
                "only the operator's first result is supported"
            )


def _pad_operands(inputs: list[str], attrs: dict[str, Any], name: str, weights: dict[str, Array]) -> None:
    """Pad before opset 11: its value becomes a weight, as newer files have it."""
    value = float(attrs.pop("value", 0.0))
    pads = attrs.pop("pads", ())
    for label, array in (("pads", np.array(pads, np.int64)), ("value", np.array(value, np.float32))):
        key = f"{name}/{label}"
        while key in weights:
            key += "_"
        weights[key] = array
        inputs.append(key)


def _constant(attrs: Mapping[str, Any], name: str, weights: Mapping[str, Array], where: str) -> Array:
    if name in weights:
        raise GraphError(f"the weight {name!r} is given twice")
    if len(attrs) != 1:
        raise GraphError(f"{where} must have exactly one value")
    ((kind, value),) = attrs.items()
    match kind:
        case "value" if isinstance(value, np.ndarray):
            return value
        case "value_float" | "value_floats":
            return np.array(value, np.float32)
        case "value_int" | "value_ints":
            return np.array(value, np.int64)
        case _:
            raise GraphError(f"{where} has a {kind}, which is not supported")


def _attribute(a: Any, where: str, folder: Path | None) -> Any:
    what = f"the attribute {a.name!r} of {where}"
    if a.type == TENSOR:
        return array_of(a.t, folder, what)
    value: Any
    if a.type in (FLOAT, FLOATS):
        value = a.f if a.type == FLOAT else tuple(a.floats)
        if np.isnan(np.asarray(value)).any():
            raise GraphError(f"{what} is not a number (NaN)")
    elif a.type in (INT, INTS):
        value = a.i if a.type == INT else tuple(a.ints)
    elif a.type in (STRING, STRINGS):
        words = [w.decode("utf-8", "replace") for w in ([a.s] if a.type == STRING else a.strings)]
        value = words[0] if a.type == STRING else tuple(words)
    else:
        raise GraphError(f"{what} is of a kind that is not supported (a subgraph, or damaged)")
    return value
