"""ONNX files, opsets 7 to 22, as graphs.

The file is not trusted: nothing in it is executed, sizes are judged before they are allocated, and every complaint is
one `GraphError` that says what is wrong and where.
"""

from __future__ import annotations

import hashlib
import heapq
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from os import PathLike
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from workbench import ops
from workbench.graph import Array, Attribute, Graph, GraphError, Node
from workbench.io.opsets import EXTRA, NEWEST, OLDEST, normalise
from workbench.io.tensors import array_of, element_type
from workbench.limits import check_size
from workbench.semantics.plan import infer

Shapes = Mapping[str, tuple[int, ...]]
LONGEST = 1 << 31  # bytes: no protocol buffer is longer
FLOAT, INT, STRING, TENSOR, FLOATS, INTS, STRINGS = 1, 2, 3, 4, 6, 7, 8  # AttributeProto.AttributeType

__all__ = ["digest", "from_bytes", "load"]
assert ops.FAMILIES  # the operators are registered: shapes are inferred with their rules


def load(path: str | PathLike[str], *, shapes: Shapes | None = None) -> Graph:
    """Read an ONNX file.

    Parameters
    ----------
    path : the file; external data is read from its folder and from nowhere else.
    shapes : input name -> shape, for inputs whose shape the file leaves open.  An open first axis is the batch: 1.

    Returns
    -------
    The network as the file has it; nothing is simplified.

    Raises
    ------
    GraphError
        Whatever is wrong with the file: one message that names the place.
    """
    file = Path(path)
    return from_bytes(read(file), name=file.stem, folder=file.parent, shapes=shapes)


def digest(path: str | PathLike[str]) -> str:
    """SHA-256 of the file, as hexadecimal."""
    return hashlib.sha256(read(Path(path))).hexdigest()


def read(path: Path) -> bytes:
    """The bytes of a model's file.

    Raises
    ------
    GraphError
        No such file, not a regular one, or longer than any ONNX file can be.
    """
    try:
        if not path.is_file():
            raise GraphError(
                f"there is no file {str(path)!r}" if not path.exists() else f"{str(path)!r} is not a file"
            )
        if path.stat().st_size > LONGEST:
            raise GraphError(
                f"{str(path)!r} is longer than 2 GiB, which no ONNX file is: weights belong beside it"
            )
        return path.read_bytes()
    except (OSError, ValueError) as error:
        if isinstance(error, GraphError):
            raise
        raise GraphError(f"{str(path)!r} cannot be read: {error}") from error


def from_bytes(
    data: bytes, *, name: str = "network", folder: Path | None = None, shapes: Shapes | None = None
) -> Graph:
    """An ONNX model from the bytes of its file; see `load`."""
    from onnx import ModelProto

    model = ModelProto()
    try:
        model.ParseFromString(data)
    except Exception as error:  # noqa: BLE001  (each protobuf implementation raises an exception of its own)
        raise GraphError(f"{name} is not an ONNX file, or is damaged: {error}") from None
    return from_model(model, name=name, folder=folder, shapes=shapes)


def from_model(
    model: Any, *, name: str = "network", folder: Path | None = None, shapes: Shapes | None = None
) -> Graph:
    """An `onnx.ModelProto` as a graph; see `load`."""
    proto = model.graph
    if not proto.node and not proto.output:
        raise GraphError(f"{name} holds no network: it is empty, damaged, or not an ONNX file")
    version = _version(model)
    if model.functions:
        raise GraphError(
            f"{name} defines functions of its own ({model.functions[0].name!r} ...): inline them first with "
            "onnx.inliner.inline_local_functions"
        )
    if proto.sparse_initializer:
        raise GraphError(f"{name} holds sparse weights, which are not supported")
    weights: dict[str, Array] = {}
    for tensor in proto.initializer:
        if tensor.name in weights:
            raise GraphError(f"the weight {tensor.name!r} is given twice")
        weights[tensor.name] = array_of(tensor, folder)
    nodes = _inputs(proto, weights, shapes or {})
    for message in proto.node:
        nodes += _nodes(message, version, weights, folder)
    _refuse_extra_results(proto)
    grouped = _grouped(_sorted(nodes, weights), {o: m.name for m in proto.node for o in m.output})
    outputs = tuple(o.name for o in proto.output)
    if not outputs:
        raise GraphError(f"{name} has no output")
    # once for its checks of names and weights, before anything is computed from them
    Graph(tuple(grouped), outputs, weights, name)
    return Graph(infer(grouped, weights), outputs, weights, name)


def _version(model: Any) -> int:
    found = [o.version for o in model.opset_import if o.domain in ("", "ai.onnx")]
    if not found:
        raise GraphError("the file does not say which ONNX opset it uses")
    if not OLDEST <= found[0] <= NEWEST:
        raise GraphError(f"the file uses ONNX opset {found[0]}; {OLDEST} to {NEWEST} are supported")
    return int(found[0])


def _inputs(proto: Any, weights: Mapping[str, Array], shapes: Shapes) -> list[Node]:
    nodes = []
    for value in proto.input:
        if value.name in weights:
            continue  # old files list their weights as inputs too
        what = f"the input {value.name!r}"
        if value.type.WhichOneof("value") != "tensor_type":
            raise GraphError(f"{what} is not a tensor")
        dtype = element_type(value.type.tensor_type.elem_type, what)
        shape = _shape(value, shapes)
        check_size(what, shape)
        nodes.append(Node(value.name, "Input", shape=shape, dtype=dtype))
    names = [n.name for n in nodes]
    unknown = sorted(set(shapes) - set(names))
    if unknown:
        raise GraphError(f"there is no input {unknown[0]!r}; the inputs are: {', '.join(names)}")
    return nodes


def _shape(value: Any, shapes: Shapes) -> tuple[int, ...]:
    tensor = value.type.tensor_type
    example = f"shapes={{{value.name!r}: (1, ...)}}"
    if not tensor.HasField("shape") and value.name not in shapes:
        raise GraphError(
            f"the file leaves the shape of the input {value.name!r} open: give it with {example}"
        )
    fixed = [
        d.dim_value if d.WhichOneof("value") == "dim_value" and d.dim_value > 0 else None
        for d in tensor.shape.dim
    ]
    if value.name in shapes:
        given = tuple(int(n) for n in shapes[value.name])
        fits = len(given) == len(fixed) and all(f in (None, g) for f, g in zip(fixed, given, strict=True))
        if min(given, default=1) < 1 or (tensor.HasField("shape") and not fits):
            said = [f or "?" for f in fixed]
            raise GraphError(
                f"the input {value.name!r} cannot have the shape {list(given)}: the file says {said}"
            )
        return given
    full = []
    for axis, (size, dim) in enumerate(zip(fixed, tensor.shape.dim, strict=True)):
        if size is None and axis:
            label = repr(dim.dim_param) if dim.dim_param else "without a name"
            raise GraphError(
                f"axis {axis} of the input {value.name!r} is open ({label}): give the shape with {example}"
            )
        full.append(size or 1)
    return tuple(full)


def _nodes(message: Any, version: int, weights: dict[str, Array], folder: Path | None) -> list[Node]:
    """One node for every output that has a name; a Constant becomes a weight."""
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
    if message.op_type in EXTRA:
        outputs = [(i, o) for i, o in outputs if i == 0]
    if [i for i, _ in outputs] != [0]:
        raise GraphError(f"{where} has {len(message.output)} results: only Split may have more than one")
    return [Node(outputs[0][1], message.op_type, tuple(inputs), frozen)]


def _refuse_extra_results(proto: Any) -> None:
    """Refuse a use of what an operator gives beside its result and nothing computes here (a dropout mask)."""
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
    match a.type:
        case 1:
            value: Any = a.f
        case 2:
            value = a.i
        case 3:
            value = a.s.decode("utf-8", "replace")
        case 4:
            return array_of(a.t, folder, what)
        case 6:
            value = tuple(a.floats)
        case 7:
            value = tuple(a.ints)
        case 8:
            value = tuple(s.decode("utf-8", "replace") for s in a.strings)
        case _:
            raise GraphError(f"{what} is of a kind that is not supported (a subgraph, or damaged)")
    if a.type in (FLOAT, FLOATS) and np.isnan(np.asarray(value)).any():
        raise GraphError(f"{what} is not a number (NaN)")
    return value


def _sorted(nodes: list[Node], weights: Mapping[str, Array]) -> list[Node]:
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
        stuck = [n for n in nodes if waiting[n.name]]
        raise GraphError(f"the graph has a cycle, through {stuck[0].describe()}")
    return done


def _grouped(nodes: Iterable[Node], labels: Mapping[str, str]) -> list[Node]:
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
