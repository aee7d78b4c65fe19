"""An ONNX file as the network of a certificate, by a reader of its own.

The checker compares a certificate's numbers with the file's.  That comparison would be worth little with the engine's
own reader, so this one shares nothing with `workbench.io`, nor with the onnx package: it reads the protocol buffer's
bytes.  It knows the few fields that are needed (https://onnx.ai/onnx/repo-docs/IR.html) and refuses the rest.
"""

from __future__ import annotations

import hashlib
import struct
from math import prod
from typing import Any

from workbench.certificate.format import CannotCheck, Rejected

FLOATS = {1: ("f", 4, 4), 11: ("d", 8, 10)}  # element type -> struct code, bytes, field of unpacked values
OPSETS = range(7, 23)


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
    model = _fields(data)
    opsets = [_fields(opset) for opset in model.get(8, [])]
    versions = [_int(of, 2) for of in opsets if _text(of, 1) in ("", "ai.onnx")]
    if len(versions) != 1 or versions[0] not in OPSETS:
        raise CannotCheck(f"ONNX opset {versions}")
    if 25 in model or len(model.get(7, [])) != 1:
        raise CannotCheck("an ONNX file with functions, or without one graph")
    graph = _fields(model[7][0])
    if 15 in graph:
        raise CannotCheck("sparse weights")
    tensors = {}
    for message in graph.get(5, []):
        of = _fields(message)
        if _text(of, 8) in tensors:
            raise Rejected("onnx", "a weight is given twice")
        tensors[_text(of, 8)] = tensor(of)
    nodes = []
    for message in graph.get(1, []):
        node = _node(_fields(message))
        if node["op"] == "Constant":
            if node["output"] in tensors:
                raise Rejected("onnx", "a weight is given twice")
            tensors[node["output"]] = node["attributes"]["value"]
        else:
            nodes.append(node)
    inputs = [_fields(v) for v in graph.get(11, [])]
    inputs = [v for v in inputs if _text(v, 1) not in tensors]
    outputs = [_text(_fields(v), 1) for v in graph.get(12, [])]
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


def _shape(value: dict[int, list[Any]]) -> list[int]:
    """The input's shape; an open first axis is the batch: 1."""
    kind = _fields(_fields(value[2][0])[1][0])
    found = []
    for axis, dim in enumerate(_fields(kind[2][0]).get(1, []) if 2 in kind else []):
        size = _int(_fields(dim), 1)
        if size < 1 and axis:
            raise CannotCheck("an input whose shape is open")
        found.append(max(size, 1))
    return found


def _node(of: dict[int, list[Any]]) -> dict[str, Any]:
    if _text(of, 7) not in ("", "ai.onnx") or len(of.get(2, [])) != 1:
        raise CannotCheck(f"the operator {_text(of, 4)[:60]!r} of another domain, or with several results")
    attributes: dict[str, Any] = {}
    for message in of.get(5, []):
        a = _fields(message)
        kind, key = _int(a, 20), _text(a, 1)
        if kind == 1:
            mantissa, exponent = dyadic(struct.unpack("<f", a[2][0] if 2 in a else bytes(4))[0])
            attributes[key] = {"mantissa": mantissa, "exponent": exponent}
        elif kind == 2:
            attributes[key] = _int(a, 3)
        elif kind == 7:
            attributes[key] = _numbers(a.get(8, []))
        elif kind == 4:
            attributes[key] = tensor(_fields(a[5][0]))
        elif kind == 3 and key == "auto_pad" and a.get(4) == [b"NOTSET"]:
            pass
        else:
            raise CannotCheck(f"the attribute {key[:60]!r} of {_text(of, 4)[:60]!r}")
    names = [x.decode() for x in of.get(1, [])]
    return {"op": _text(of, 4), "inputs": names, "output": of[2][0].decode(), "attributes": attributes}


def tensor(of: dict[int, list[Any]]) -> dict[str, Any]:
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
    raw = of[9][0] if 9 in of else b"".join(v for v in of.get(field, []))
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


def _fields(data: bytes) -> dict[int, list[Any]]:
    """Field number -> its values: integers, or bytes that were not looked into."""
    found: dict[int, list[Any]] = {}
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        number, wire = key >> 3, key & 7
        value: int | bytes
        if wire == 0:
            value, at = _varint(data, at)
        elif wire in (1, 2, 5):
            size, at = (8, at) if wire == 1 else (4, at) if wire == 5 else _varint(data, at)
            value, at = data[at : at + size], at + size
            if at > len(data):
                raise ValueError("it ends too early")
        else:
            raise ValueError(f"wire type {wire}")
        found.setdefault(number, []).append(value)
    return found


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


def _int(of: dict[int, list[Any]], number: int) -> int:
    return _signed(of[number][-1]) if number in of else 0


def _text(of: dict[int, list[Any]], number: int) -> str:
    return str(of[number][-1].decode()) if number in of else ""
