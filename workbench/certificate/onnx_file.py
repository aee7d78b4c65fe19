"""An ONNX file as the network of a certificate, by a reader of its own.

The checker compares a certificate's numbers with the file's.  That comparison would be worth little with the engine's
own reader, so this one shares nothing with `workbench.io`, nor with the onnx package: it reads the protocol buffer's
bytes.  It knows the few fields that are needed (https://onnx.ai/onnx/repo-docs/IR.html) and refuses the rest.

A field that may stand once and stands twice is refused too: of two numbers protocol buffers take the last, and two
messages they merge (https://protobuf.dev/programming-guides/encoding/#last-one-wins).  A reader that chose otherwise
would read another network than the one that runs; this one does not choose.
"""

from __future__ import annotations

import hashlib
import struct
from math import prod
from typing import Any

from workbench.certificate.format import CannotCheck, Rejected

FLOATS = {1: ("f", 4, 4), 11: ("d", 8, 10)}  # element type -> struct code, bytes, field of unpacked values
OPSETS = range(7, 23)

# The wire format: how a value is written. A list of numbers may be packed into bytes, or not.
VARINT, EIGHT, BYTES, FOUR = 0, 1, 2, 5
WIRE: dict[str, tuple[int, ...]] = {"int": (VARINT,), "bytes": (BYTES,), "float": (FOUR,)}
WIRE |= {"ints": (VARINT, BYTES), "floats": (FOUR, BYTES), "doubles": (EIGHT, BYTES), "many": (BYTES,)}
REPEATED = ("ints", "floats", "doubles", "many")

# The fields that are known: number -> how it is written. Any other is refused, as it may change what the file means.
# Some of these only describe (names, comments, the producer), and are not looked into.
Message = dict[int, str]
Fields = dict[int, list[Any]]
MODEL: Message = {
    1: "int",
    2: "bytes",
    3: "bytes",
    4: "bytes",
    5: "int",
    6: "bytes",
    7: "bytes",
    8: "many",
    14: "many",
}
OPSET: Message = {1: "bytes", 2: "int"}
GRAPH: Message = {
    1: "many",
    2: "bytes",
    5: "many",
    10: "bytes",
    11: "many",
    12: "many",
    13: "many",
    16: "many",
}
NODE: Message = {
    1: "many",
    2: "many",
    3: "bytes",
    4: "bytes",
    5: "many",
    6: "bytes",
    7: "bytes",
    8: "bytes",
    9: "many",
}
VALUE: Message = {1: "bytes", 2: "bytes", 3: "bytes", 4: "many"}
TYPE: Message = {1: "bytes", 6: "bytes"}
TENSOR_TYPE: Message = {1: "int", 2: "bytes"}
SHAPE: Message = {1: "many"}
DIMENSION: Message = {1: "int", 2: "bytes", 3: "bytes"}
ATTRIBUTE: Message = {1: "bytes", 13: "bytes", 20: "int"}
ATTRIBUTE_VALUES: Message = {2: "float", 3: "int", 4: "bytes", 5: "bytes", 8: "ints"}
TENSOR: Message = {1: "ints", 2: "int", 8: "bytes", 12: "bytes", 13: "many", 14: "int", 16: "many"}
TENSOR_VALUES: Message = {4: "floats", 7: "ints", 9: "bytes", 10: "doubles"}


def read(data: bytes, name: str = "network") -> dict[str, Any]:
    """The network of an ONNX file, in the form of a certificate.

    Raises
    ------
    Rejected
        Bytes that are no such file; step "onnx".
    CannotCheck
        A file that uses what this reader does not know.
    """
    try:
        return _network(data, name)
    except (IndexError, struct.error, UnicodeDecodeError, ValueError, OverflowError) as error:
        raise Rejected("onnx", f"the ONNX file is damaged: {error}") from None


def _network(data: bytes, name: str) -> dict[str, Any]:
    model = _fields(data, MODEL, "the model")
    opsets = [_fields(of, OPSET, "an opset") for of in model.get(8, [])]
    versions = [_int(of, 2) for of in opsets if _text(of, 1) in ("", "ai.onnx")]
    if len(versions) != 1 or versions[0] not in OPSETS:
        raise CannotCheck(f"ONNX opset {versions}")
    graph = _fields(_one(model, 7, "the model"), GRAPH, "the graph")
    inputs = [_fields(v, VALUE, "an input") for v in graph.get(11, [])]
    outputs = [_text(_fields(v, VALUE, "an output"), 1) for v in graph.get(12, [])]
    given = [_text(v, 1) for v in inputs]
    if len(set(given)) != len(given) or "" in given:
        raise CannotCheck("an input of the graph has no name, or one that another has")
    tensors: dict[str, Any] = {}
    for k, message in enumerate(graph.get(5, [])):
        of = _tensor_fields(message, f"weight {k}")
        _weight(tensors, _text(of, 8), tensor(of))
    # A weight that is an input too is that input's default (before IR 4 every weight had to be one): it is what runs
    # where nobody gives another value, and the claim is about the network's other inputs.
    inputs = [v for v in inputs if _text(v, 1) not in tensors]
    nodes = []
    for k, message in enumerate(graph.get(1, [])):
        node = _node(_fields(message, NODE, f"node {k}"))
        if node["op"] != "Constant":
            nodes.append(node)
            continue
        if (
            node["inputs"]
            or list(node["attributes"]) != ["value"]
            or "data" not in _dict(node["attributes"]["value"])
        ):
            raise CannotCheck("a Constant is known only with a tensor, in the attribute 'value'")
        if node["output"] in given:
            raise Rejected("onnx", f"the name {node['output'][:60]!r} is given twice")
        _weight(tensors, node["output"], node["attributes"]["value"])
    if len(inputs) != 1 or len(outputs) != 1:
        raise CannotCheck("a network that has not exactly one input and one output")
    return {
        "sha256": hashlib.sha256(data).hexdigest(),
        "name": name,
        "input": {"name": _text(inputs[0], 1), "shape": _shape(inputs[0])},
        "output": outputs[0],
        "nodes": nodes,
        "tensors": tensors,
    }


def _weight(tensors: dict[str, Any], name: str, value: dict[str, Any]) -> None:
    if not name:
        raise CannotCheck("a weight has no name: in ONNX the empty name stands for an operand that is absent")
    if name in tensors:
        raise Rejected("onnx", f"the weight {name[:60]!r} is given twice")
    tensors[name] = value


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _shape(value: Fields) -> list[int]:
    """The input's shape; an open first axis is the batch: 1."""
    where = f"the input {_text(value, 1)[:60]!r}"
    of = _fields(_one(value, 2, where), TYPE, f"the type of {where}")
    of = _fields(_one(of, 1, f"the type of {where}"), TENSOR_TYPE, f"the type of {where}")
    if _int(of, 1) not in FLOATS:
        raise CannotCheck(f"{where} has the element type {_int(of, 1)}")
    found = []
    for axis, message in enumerate(_fields(_one(of, 2, where), SHAPE, f"the shape of {where}").get(1, [])):
        dim = _fields(message, DIMENSION, f"axis {axis} of {where}")
        if 1 in dim and 2 in dim:
            raise CannotCheck(f"axis {axis} of {where} has both a size and a name")
        size = _int(dim, 1)
        if size < 1 and axis:
            raise CannotCheck("an input whose shape is open")
        found.append(max(size, 1))
    return found


def _node(of: Fields) -> dict[str, Any]:
    op = _text(of, 4)
    if _text(of, 7) not in ("", "ai.onnx") or _text(of, 8) or len(of.get(2, [])) != 1:
        raise CannotCheck(f"the operator {op[:60]!r} of another domain, overloaded, or with several results")
    names, output = [x.decode() for x in of.get(1, [])], of[2][0].decode()
    if not output:
        raise CannotCheck(f"the result of an operator {op[:60]!r} has no name")
    attributes: dict[str, Any] = {}
    seen = set()
    for message in of.get(5, []):
        a = _fields(message, ATTRIBUTE | ATTRIBUTE_VALUES, f"an attribute of {op[:60]!r} {output[:60]!r}")
        key = _text(a, 1)
        if key in seen:
            raise CannotCheck(f"the attribute {key[:60]!r} of {op[:60]!r} is given twice")
        seen.add(key)
        value = _attribute(a, f"the attribute {key[:60]!r} of {op[:60]!r}")
        if value is None and (key, a[4], op) not in (
            ("auto_pad", [b"NOTSET"], op),
            ("mode", [b"constant"], "Pad"),
        ):
            raise CannotCheck(f"the attribute {key[:60]!r} of {op[:60]!r}")
        if value is not None:
            attributes[key] = value
    return {"op": op, "inputs": names, "output": output, "attributes": attributes}


def _attribute(a: Fields, where: str) -> Any:
    """The value that the attribute's type says it has, and only that; None for a text."""
    kind = _int(a, 20)
    field = {1: 2, 2: 3, 3: 4, 4: 5, 7: 8}.get(kind)
    if field is None or set(a) & set(ATTRIBUTE_VALUES) - {field}:
        raise CannotCheck(f"{where} has the type {kind}, or a value of another type")
    if kind == 1:
        mantissa, exponent = dyadic(struct.unpack("<f", a[2][0] if 2 in a else bytes(4))[0])
        return {"mantissa": mantissa, "exponent": exponent}
    if kind == 2:
        return _int(a, 3)
    if kind == 7:
        return _numbers(a.get(8, []))
    value = _one(a, field, where)
    return tensor(_tensor_fields(value, where)) if kind == 4 else None


def _tensor_fields(message: bytes, where: str) -> Fields:
    of = _fields(message, TENSOR | TENSOR_VALUES, where)
    if len(set(of) & set(TENSOR_VALUES)) > 1:
        raise CannotCheck(f"{where} {_text(of, 8)[:60]!r} has its numbers in two fields")
    return of


def tensor(of: Fields) -> dict[str, Any]:
    """A TensorProto as integers with one exponent."""
    shape, kind = _numbers(of.get(1, [])), _int(of, 2)
    count = prod(shape)
    if _int(of, 14) or 13 in of:
        raise CannotCheck("weights outside of the ONNX file")
    if kind == 7:
        values = (
            _numbers(of.get(7, []))
            if 9 not in of
            else list(struct.unpack(f"<{len(of[9][0]) // 8}q", of[9][0]))
        )
        if len(values) != count:
            raise Rejected("onnx", "a tensor's size is not that of its shape")
        return {"shape": shape, "exponent": 0, "data": values}
    if kind not in FLOATS:
        raise CannotCheck(f"weights of element type {kind}")
    code, size, field = FLOATS[kind]
    pieces = of.get(9, of.get(field, []))
    if any(len(piece) % size for piece in pieces):
        raise Rejected("onnx", "a tensor has a part of a number")
    raw = b"".join(pieces)
    if len(raw) != count * size or min(shape, default=0) < 0:
        raise Rejected("onnx", "a tensor's size is not that of its shape")
    return {"shape": shape, **integers_of(struct.unpack(f"<{count}{code}", raw))}


def integers_of(values: tuple[float, ...] | list[float]) -> dict[str, Any]:
    """Floats as integers with the largest exponent that serves all: exact."""
    pairs = [dyadic(v) for v in values]
    low = min((e for m, e in pairs if m), default=0)
    return {"exponent": low, "data": [m << (e - low) if m else 0 for m, e in pairs]}


def dyadic(value: float) -> tuple[int, int]:
    """(m, e) with ``value = m * 2**e`` and m odd, or (0, 0)."""
    m, d = value.as_integer_ratio()
    twos = (m & -m).bit_length() - 1 if m else 0
    return m >> twos, twos - (d.bit_length() - 1) if m else 0


# ---- the wire format of protocol buffers


def _fields(data: bytes, known: Message, where: str) -> Fields:
    """Field number -> its values: integers, or bytes that were not looked into. What is not known is refused."""
    found: Fields = {}
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        number, wire = key >> 3, key & 7
        value: int | bytes
        if wire == VARINT:
            value, at = _varint(data, at)
        elif wire in (EIGHT, BYTES, FOUR):
            size, at = (8, at) if wire == EIGHT else (4, at) if wire == FOUR else _varint(data, at)
            value, at = data[at : at + size], at + size
            if at > len(data):
                raise ValueError("it ends too early")
        else:
            raise CannotCheck(f"field {number} of {where} has the wire type {wire}, which ONNX has not")
        if number not in known:
            raise CannotCheck(f"the ONNX file has a field that is not known here: number {number} of {where}")
        if wire not in WIRE[known[number]]:
            raise CannotCheck(f"field {number} of {where} has the wire type {wire}, which is not its own")
        if number in found and known[number] not in REPEATED:
            raise CannotCheck(f"field {number} of {where} is given twice, and may be given once")
        found.setdefault(number, []).append(value)
    return found


def _one(of: Fields, number: int, where: str) -> bytes:
    """A message or text that must be there; `_fields` has seen that it is there once."""
    if number not in of:
        raise CannotCheck(f"field {number} of {where} is missing")
    return bytes(of[number][0])


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value & (1 << 64) - 1, at
    raise ValueError("a number that does not end")


def _signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value


def _numbers(values: list[Any]) -> list[int]:
    """Integers, packed or not."""
    found = []
    for value in values:
        if isinstance(value, int):
            found.append(_signed(value))
            continue
        at = 0
        while at < len(value):
            one, at = _varint(value, at)
            found.append(_signed(one))
    return found


def _int(of: Fields, number: int) -> int:
    return _signed(of[number][0]) if number in of else 0


def _text(of: Fields, number: int) -> str:
    return str(of[number][0].decode()) if number in of else ""
