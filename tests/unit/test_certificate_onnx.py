"""The checker's reader of ONNX files: what protocol buffers and onnxruntime read otherwise is refused, not guessed."""

from __future__ import annotations

import random
import struct
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import workbench as wb
from certificates import network, node, tensor
from workbench.certificate import onnx_file, produce
from workbench.certificate.format import CannotCheck, Rejected
from workbench.certificate.program import lower
from workbench.cli import app


def varint(value: int) -> bytes:
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    return bytes([*found, value])


def put(number: int, value: bytes | str | float) -> bytes:
    """One field: a number, a float of four bytes, or bytes."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    if isinstance(value, float):
        return varint(number << 3 | 5) + struct.pack("<f", value)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def weight(name: str = "w", value: float = 1.0, shape: tuple[int, ...] = (1, 1), more: bytes = b"") -> bytes:
    dims = b"".join(put(1, n) for n in shape)
    return dims + put(2, 1) + put(8, name) + put(9, struct.pack("<f", value)) + more


def step(op: str, inputs: str, output: str, *attributes: bytes, more: bytes = b"") -> bytes:
    names = b"".join(put(1, n) for n in inputs.split(","))
    return names + put(2, output) + put(4, op) + b"".join(put(5, a) for a in attributes) + more


def axis(size: int) -> bytes:
    return put(1, put(1, size))


def kind(shape: bytes = axis(1) + axis(1), element: int = 1, more: bytes = b"") -> bytes:
    return put(1, put(1, element) + put(2, shape)) + more


def value(name: str, type_: bytes | None = None, more: bytes = b"") -> bytes:
    return put(1, name) + put(2, kind() if type_ is None else type_) + more


MATMUL = step("MatMul", "x,w", "y")
OPSET = put(2, 13)


def model(
    nodes: tuple[bytes, ...] = (MATMUL,),
    weights: tuple[bytes, ...] = (weight(),),
    inputs: tuple[bytes, ...] = (value("x"),),
    opsets: tuple[bytes, ...] = (OPSET,),
    graph: bytes = b"",
    more: bytes = b"",
) -> bytes:
    """The bytes of a file: y = x w, unless said otherwise."""
    parts = [(1, nodes), (2, (b"g",)), (5, weights), (11, inputs), (12, (value("y"),))]
    inside = b"".join(put(k, one) for k, every in parts for one in every) + graph
    return put(1, 8) + b"".join(put(8, one) for one in opsets) + put(7, inside) + more


def alpha(*values: float, more: bytes = b"") -> bytes:
    return put(1, "alpha") + b"".join(put(2, v) for v in values) + put(20, 1) + more


def leaky(*attributes: bytes) -> bytes:
    return model(nodes=(step("LeakyRelu", "x", "y", *attributes),), weights=())


def constant(*attributes: bytes, inputs: str | None = None, output: str = "w") -> bytes:
    made = put(2, output) + put(4, "Constant") + b"".join(put(5, a) for a in attributes)
    return model(nodes=((put(1, inputs) if inputs else b"") + made, MATMUL), weights=())


VALUE = put(1, "value") + put(5, weight("")) + put(20, 4)
FIVE = struct.pack("<f", 5.0)
OPEN = put(1, put(2, "N"))

GOOD = {
    "a plain file": model(),
    "packed sizes": model(weights=(put(1, b"\1\1") + weight(shape=()),)),
    "unpacked floats": model(weights=(put(1, 1) + put(1, 1) + put(2, 1) + put(8, "w") + put(4, 1.0),)),
    "a Constant": constant(VALUE),
    "an open batch": model(inputs=(value("x", kind(OPEN + axis(1))),)),
    "a weight that is an input too": model(inputs=(value("x"), value("w"))),
    "an absent bias": model(nodes=(step("Gemm", "x,w,", "y"),)),
    "another domain that is not used": model(opsets=(OPSET, put(1, "ai.onnx.ml") + put(2, 3))),
}

TWICE = {
    "raw_data": model(weights=(weight(more=put(9, FIVE)),)),
    "a weight's name": model(weights=(weight(more=put(8, "v")), weight())),
    "a weight's type": model(weights=(weight(more=put(2, 1)),)),
    "a float attribute": leaky(alpha(0.5, 0.01)),
    "an attribute's type": leaky(alpha(0.5, more=put(20, 1))),
    "an attribute's name": leaky(alpha(0.5, more=put(1, "alpha"))),
    "an attribute's tensor": constant(VALUE + put(5, weight("", 5.0))),
    "an operator": model(nodes=(step("Relu", "x", "y", more=put(4, "Identity")),)),
    "a node's domain": model(nodes=(step("Relu", "x", "y", more=put(7, "") + put(7, "com.microsoft")),)),
    "an input's type": model(inputs=(value("x", more=put(2, kind())),)),
    "an input's name": model(inputs=(value("x", more=put(1, "v")),)),
    "a tensor type": model(inputs=(value("x", kind(more=put(1, put(1, 1)))),)),
    "a shape": model(inputs=(value("x", put(1, put(1, 1) + put(2, axis(1)) + put(2, axis(1)))),)),
    "a size": model(inputs=(value("x", kind(put(1, put(1, 1) + put(1, 2)) + axis(1))),)),
    "an opset's version": model(opsets=(OPSET + put(2, 9),)),
    "the graph": model(more=put(7, put(2, "g"))),
    "the IR version": model(more=put(1, 3)),
}

WRONG_WIRE = {
    "raw_data": model(weights=(put(1, 1) + put(1, 1) + put(2, 1) + put(8, "w") + put(9, 1),)),
    "a float": leaky(put(1, "alpha") + put(2, 1) + put(20, 1)),
    "a text": model(nodes=(put(1, "x") + put(2, "y") + put(4, 7),)),
    "an input's name": model(nodes=(put(1, 3) + put(2, "y") + put(4, "Relu"),)),
    "a type": leaky(put(1, "alpha") + put(2, 0.5) + put(20, b"\1")),
    "a tensor": constant(put(1, "value") + put(5, 1) + put(20, 4)),
    "the graph": put(1, 8) + put(8, OPSET) + put(7, 1),
    "a group": model(more=b"\x0b\x0c"),
}

REFUSED = {
    "a Constant with value_float": constant(put(1, "value_float") + put(2, 1.0) + put(20, 1)),
    "a Constant with value_ints": constant(put(1, "value_ints") + put(8, 1) + put(20, 7)),
    "a Constant whose value is a float": constant(put(1, "value") + put(2, 1.0) + put(20, 1)),
    "a Constant without a value": constant(),
    "a Constant with a tensor that is not there": constant(put(1, "value") + put(20, 4)),
    "a Constant with an operand": constant(VALUE, inputs="x"),
    "a Constant without a name": constant(VALUE, output=""),
    "a Constant that is an input too": model(
        nodes=(put(2, "w") + put(4, "Constant") + put(5, VALUE), MATMUL),
        weights=(),
        inputs=(value("x"), value("w")),
    ),
    "a weight without a name": model(
        nodes=(step("Gemm", "x,w,", "y"),), weights=(weight(), weight("", 3.0, (1,)))
    ),
    "two weights of one name": model(weights=(weight(), weight(value=5.0))),
    "two inputs of one name": model(inputs=(value("x"), value("w"), value("w"))),
    "a Constant and a weight of one name": model(
        nodes=(put(2, "w") + put(4, "Constant") + put(5, VALUE), MATMUL)
    ),
    "two attributes of one name": leaky(alpha(0.5), alpha(0.01)),
    "an attribute of two types": leaky(alpha(0.5, more=put(3, 1))),
    "an attribute without its type": leaky(put(1, "alpha") + put(2, 0.5)),
    "an attribute that refers to another": leaky(alpha(0.5, more=put(21, "a"))),
    "external data": model(
        weights=(weight(more=put(14, 1) + put(13, put(1, "location") + put(2, "w.bin"))),)
    ),
    "a place of external data only": model(weights=(weight(more=put(13, put(1, "location"))),)),
    "numbers in two fields": model(weights=(weight(more=put(4, FIVE)),)),
    "a part of a number": model(
        weights=(put(1, 1) + put(1, 1) + put(2, 1) + put(8, "w") + put(4, b"\0\0") + put(4, b"\0\0"),)
    ),
    "a piece of a tensor": model(weights=(weight(more=put(3, put(2, 1))),)),
    "another domain": model(nodes=(step("Relu", "x", "y", more=put(7, "com.microsoft")),)),
    "an overloaded operator": model(nodes=(step("Relu", "x", "y", more=put(8, "f")),)),
    "two opsets of the one domain": model(opsets=(OPSET, put(1, "ai.onnx") + put(2, 9))),
    "no opset": model(opsets=()),
    "functions": model(more=put(25, put(1, "Relu"))),
    "sparse weights": model(graph=put(15, b"")),
    "an unknown field": model(more=put(99, 1)),
    "an input of integers": model(inputs=(value("x", kind(element=7)),)),
    "an input that is a sequence": model(inputs=(value("x", put(4, b"")),)),
    "an input of two types": model(inputs=(value("x", kind(more=put(4, b""))),)),
    "an input without a shape": model(inputs=(value("x", put(1, put(1, 1))),)),
    "an input without a type": model(inputs=(put(1, "x"),)),
    "a size and a name": model(inputs=(value("x", kind(put(1, put(1, 1) + put(2, "N")) + axis(1))),)),
    "no graph": put(1, 8) + put(8, OPSET),
    "an operand too many": model(nodes=(step("Relu", "x,w,w", "y"),)),
}


@pytest.mark.parametrize("name", GOOD)
def test_what_onnxruntime_runs_is_read(name: str) -> None:
    """Each of these is y = x: the files that are refused differ from them in one thing only."""
    runtime = pytest.importorskip("onnxruntime")
    import numpy as np

    runtime.set_default_logger_severity(4)
    (y,) = runtime.InferenceSession(GOOD[name]).run(None, {"x": np.array([[3]], np.float32)})
    assert y == 3
    (_, only) = lower(onnx_file.read(GOOD[name])).steps
    assert (only.exponent, only.matrix) == (0, ((1, 0),))


@pytest.mark.parametrize("name", TWICE)
def test_a_field_that_is_given_twice_is_refused_and_named(name: str) -> None:
    with pytest.raises(CannotCheck, match=r"field \d+ of .* is given twice"):
        onnx_file.read(TWICE[name])


@pytest.mark.parametrize("name", WRONG_WIRE)
def test_a_field_of_a_wrong_wire_type_is_refused_and_named(name: str) -> None:
    with pytest.raises(CannotCheck, match=r"field \d+ of .* wire type"):
        onnx_file.read(WRONG_WIRE[name])


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_surely_read_as_onnxruntime_does_is_refused(name: str) -> None:
    with pytest.raises((CannotCheck, Rejected)):
        lower(onnx_file.read(REFUSED[name]))


@pytest.mark.parametrize("name", ["raw_data", "a float attribute"])
def test_the_command_line_cannot_check_a_doubled_field(name: str, tmp_path: Path) -> None:
    """A proof about the first of two values, of which onnxruntime takes the second: once accepted."""
    read = onnx_file.read(model() if name == "raw_data" else leaky(alpha(0.5)))
    unsafe = [[{"terms": [[0, -2]], "bound": -3, "strict": False}]]  # 2 y >= 3, with x <= 1
    case = {"lower": [[0, 1]], "upper": [[1, 1]], "open": [], "unsafe": unsafe}
    claim = {"verdict": "verified", "semantics": "real", "cases": [case]}
    proof = {"precision": 16, "cases": [[["bounds", ["interval"]], ["leaf", [{"rows": [[0, 1]]}]]]]}
    file, net = tmp_path / "proof.json", tmp_path / "net.onnx"
    file.write_bytes(produce.dumps(produce.certificate(read, claim, proof, "test", 0.0)))
    assert CliRunner().invoke(app, ["check", str(file)]).exit_code == 0
    net.write_bytes(TWICE[name])
    found = CliRunner().invoke(app, ["check", str(file), "--network", str(net)])
    assert found.exit_code == 3, found.output
    assert "is given twice" in found.stdout


@pytest.mark.parametrize("op", ["Gemm", "Conv"])
def test_a_certificates_own_tensor_without_a_name_is_no_bias(op: str) -> None:
    shape = [1, 1] if op == "Gemm" else [1, 1, 1, 1]
    tensors: dict[str, Any] = {"w": tensor(shape, [2])}
    nodes = [node(op, ["x", "w", ""], "y")]
    assert lower(network(shape, nodes, tensors)).steps[1].matrix == ((2, 0),)
    with pytest.raises(Rejected, match="no name"):
        lower(network(shape, nodes, {**tensors, "": tensor([1], [3])}))


def test_weights_of_size_0_are_rejected() -> None:
    empty = {"w": tensor([1, 0], []), "b": tensor([0], [])}
    with pytest.raises(Rejected, match="size 0"):
        lower(network([1, 1], [node("Gemm", ["x", "w", "b"], "y")], empty))


def damaged(data: bytes, rng: random.Random) -> bytes:
    """Some bytes changed, left out, or copied to another place."""
    found = bytearray(data)
    at, size, to = rng.randrange(len(found)), rng.randrange(1, 8), rng.randrange(len(found))
    match rng.randrange(3):
        case 0:
            found[at] ^= 1 << rng.randrange(8)
        case 1:
            del found[at : at + size]
        case _:
            found[to:to] = found[at : at + size]
    return bytes(found)


def test_what_is_read_of_damaged_files_is_what_protocol_buffers_read() -> None:
    """The onnx package reads the damaged bytes and writes them again, each field once: the same program, or none."""
    onnx = pytest.importorskip("onnx")
    from google.protobuf.message import DecodeError

    rng, read = random.Random(5), 0  # noqa: S311
    files = [*GOOD.values(), leaky(alpha(0.5)), Path(str(wb.examples.path("toy"))).read_bytes()]
    for _ in range(3000):
        data = damaged(rng.choice(files), rng)
        try:
            mine = lower(onnx_file.read(data))
        except (CannotCheck, Rejected):
            continue
        try:
            again = onnx.ModelProto.FromString(data).SerializeToString()
        except DecodeError:
            continue  # nothing else runs it either
        read += 1
        assert lower(onnx_file.read(again)) == mine, data.hex()
    assert read > 100
