"""ONNX files, opsets 7 to 22, as graphs.

The file is not trusted: nothing in it is executed, sizes are judged before they are allocated, and every complaint is
one `GraphError` that says what is wrong and where.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from workbench import ops
from workbench.graph import Array, Graph, GraphError, Node
from workbench.io.nodes import nodes_of, refuse_extra_results
from workbench.io.opsets import NEWEST, OLDEST
from workbench.io.order import grouped, in_order
from workbench.io.tensors import array_of, element_type
from workbench.limits import check_size
from workbench.semantics.plan import infer, plan_of

Shapes = Mapping[str, tuple[int, ...]]
LONGEST = 1 << 31  # bytes: no protocol buffer is longer

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
    except Exception:  # noqa: BLE001  (each protobuf implementation raises an exception of its own)
        hint = (
            ": it is compressed with gzip, unpack it first" if data[:2] == b"\x1f\x8b" else ", or is damaged"
        )
        raise GraphError(f"{name} is not an ONNX file{hint}") from None
    graph = from_model(model, name=name, folder=folder, shapes=shapes)
    _refuse_other_numbers(graph)
    return graph


def from_model(
    model: Any, *, name: str = "network", folder: Path | None = None, shapes: Shapes | None = None
) -> Graph:
    """An `onnx.ModelProto` as a graph; see `load`."""
    proto = model.graph
    _check_names(proto, name)
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
        nodes += nodes_of(message, version, weights, folder)
    refuse_extra_results(proto, version)
    scoped = grouped(in_order(nodes, weights), {o: m.name for m in proto.node for o in m.output})
    outputs = tuple(o.name for o in proto.output)
    if not outputs:
        raise GraphError(f"{name} has no output")
    # once for its checks of names and weights, before anything is computed from them
    held = Graph(tuple(scoped), outputs, weights, name).weights  # its frozen copy: not copied again below
    return Graph(infer(scoped, held), outputs, held, name)


def _refuse_other_numbers(graph: Graph) -> None:
    """Computed values must be floats of one type: integers wrap and truncate, and a cast rounds."""
    live = plan_of(graph).live
    for node in graph.nodes:
        if node.name not in live:
            continue
        if np.dtype(node.dtype).kind != "f":
            raise GraphError(
                f"{node.describe()} computes {node.dtype} from the input: only floats are supported"
            )
        source = graph[node.inputs[0]].dtype if node.op == "Cast" else node.dtype
        target = str(node.attrs.get("to", source)) if node.op == "Cast" else source
        if np.dtype(source) != np.dtype(target):
            raise GraphError(
                f"{node.describe()} casts a computed {source} to {target}: "
                "that changes the number format of the program, which is not supported yet"
            )


def _check_names(proto: Any, name: str) -> None:
    """Refuse names that are no text: protobuf hands them over as bytes."""
    for message in proto.node:
        attributes = (a.name for a in message.attribute)
        words = (message.name, message.op_type, message.domain, *message.input, *message.output, *attributes)
        if not all(isinstance(w, str) for w in words):
            raise GraphError(f"{name}: a node has a name that is not UTF-8 text; the file is damaged")
    dims = (d.dim_param for v in proto.input for d in v.type.tensor_type.shape.dim)
    values = (m.name for m in (*proto.initializer, *proto.input, *proto.output))
    external = (w for t in proto.initializer for e in t.external_data for w in (e.key, e.value))
    if not all(isinstance(w, str) for w in (*values, *dims, *external)):
        raise GraphError(
            f"{name}: a weight, input or output has a name that is not UTF-8 text; the file is damaged"
        )


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
