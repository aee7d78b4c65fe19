"""Mutated files: whatever is done to a real file, it is read or refused with one of our errors, soon.

Seeded and bounded, so that a failure is the same for everybody: the message has what is needed to repeat it.
"""

from __future__ import annotations

import random
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from workbench.graph import GraphError
from workbench.io import onnx as reader
from workbench.io import vnnlib
from workbench.region import RegionError
from workbench.semantics.plan import plan_of

ROOT = Path(__file__).resolve().parents[2]
BENCH = ROOT.parent / "shared" / "bench"
SMALL = 60_000  # bytes of a file that is mutated as a whole; of longer ones, the weights are cut out
SECONDS = 6.0  # for all mutations of one file


def every_operator() -> bytes:
    """A small network with attributes, constants and shape arithmetic of many kinds."""
    node = helper.make_node
    nodes = [
        node("Conv", ["x", "k"], ["c"], pads=[1, 1, 1, 1], strides=[2, 2], group=1, auto_pad="NOTSET"),
        node("BatchNormalization", ["c", "s", "s", "s", "s"], ["n"], epsilon=1e-3),
        node("MaxPool", ["n"], ["m"], kernel_shape=[2, 2], strides=[1, 1]),
        node("Shape", ["m"], ["size"]),
        node("Gather", ["size", "zero"], ["first"], axis=0),
        node("Concat", ["first", "minus"], ["wanted"], axis=0),
        node("Reshape", ["m", "wanted"], ["flat"]),
        node("Constant", [], ["two"], value=numpy_helper.from_array(np.float32(2))),
        node("Mul", ["flat", "two"], ["scaled"]),
        node("Gemm", ["scaled", "w", "s"], ["g"], transB=1, alpha=0.5),
        node("Split", ["g", "parts"], ["left", "right"], axis=1),
        node("Expand", ["left", "big"], ["wide"]),
        node("Pad", ["right", "pads"], ["padded"], mode="constant"),
        node("ReduceMean", ["wide"], ["mean"], axes=[0], keepdims=1),
        node("Add", ["mean", "padded"], ["y"]),
    ]
    weights: dict[str, Any] = {
        "k": np.ones((2, 1, 3, 3), np.float32),
        "s": np.ones(2, np.float32),
        "w": np.ones((2, 2), np.float32),
        "zero": np.array([0]),
        "minus": np.array([-1]),
        "parts": np.array([1, 1]),
        "big": np.array([3, 1]),
        "pads": np.array([0, 0, 0, 0]),
    }
    tensors = [numpy_helper.from_array(v, k) for k, v in weights.items()]
    info = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "g",
        [info("x", TensorProto.FLOAT, [1, 1, 4, 4])],
        [info("y", TensorProto.FLOAT, None)],
        tensors,
    )
    return bytes(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]).SerializeToString())


def networks() -> Iterator[tuple[str, Callable[[], bytes]]]:
    yield "every_operator", every_operator
    for path in sorted((ROOT / "workbench" / "examples").glob("*.onnx")):
        yield path.stem, lambda p=path: slim(p)
    for name in (
        "pgd_2_3_16",
        "quadrotor2d_output",
        "Convnet_maxpool",
        "ACASXU_run2a_1_1_batch_2000",
        "resnet_2b",
    ):
        for path in BENCH.glob(f"**/{name}.onnx"):
            yield path.stem, lambda p=path: slim(p)


def slim(path: Path) -> bytes:
    """The file; a long one with its large weights as zeros written shortly, so that mutations hit structure."""
    data = path.read_bytes()
    if len(data) <= SMALL:
        return data
    model = onnx.load(path)
    for t in model.graph.initializer:
        if len(t.raw_data) > 256:
            t.raw_data = bytes(len(t.raw_data))
    return bytes(model.SerializeToString())


def dice(name: str, seed: int) -> random.Random:
    return random.Random(zlib.crc32(name.encode()) + seed)  # noqa: S311  (no secret depends on it)


def mutate_bytes(data: bytes, rng: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.choice([1, 1, 2, 5])):
        at = rng.randrange(max(1, len(changed)))
        # structure is at both ends of a file, numbers in between
        if rng.random() < 0.5 and len(changed) > 4000:
            at = rng.choice([at % 2000, len(changed) - 1 - at % 2000])
        size = rng.choice([1, 1, 1, 2, 4, 16, 64])
        kind = rng.randrange(6)
        if kind == 0:
            changed[at : at + 1] = bytes([rng.randrange(256)])
        elif kind == 1:
            del changed[at : at + size]
        elif kind == 2:
            changed[at:at] = rng.randbytes(size)
        elif kind == 3:
            changed[at : at + size] = b"\xff" * size
        elif kind == 4:
            source = rng.randrange(max(1, len(changed)))
            changed[at : at + size] = changed[source : source + size]
        else:
            del changed[at:]
    return bytes(changed)


STRANGE_INTS = (-(2**63), -1, 0, 1, 2, 3, 7, 1000, 2**31, 2**40, 2**63 - 1)
STRANGE_FLOATS = (0.0, -1.0, 1e-45, 3e38, float("inf"), float("-inf"), float("nan"))


def other_operator(g: Any, rng: random.Random) -> None:
    rng.choice(g.node).op_type = rng.choice([n.op_type for n in g.node])


def other_operand(g: Any, rng: random.Random) -> None:
    names = [o for n in g.node for o in n.output] + [t.name for t in g.initializer] + ["", "nowhere"]
    node = rng.choice(g.node)
    if node.input:
        node.input[rng.randrange(len(node.input))] = rng.choice(names)


def strange_attribute(g: Any, rng: random.Random) -> None:
    for a in rng.choice([n for n in g.node if n.attribute] or [g.node[0]]).attribute:
        if a.type == onnx.AttributeProto.INT:
            a.i = rng.choice(STRANGE_INTS)
        elif a.type == onnx.AttributeProto.INTS and a.ints:
            a.ints[rng.randrange(len(a.ints))] = rng.choice(STRANGE_INTS)
        elif a.type == onnx.AttributeProto.FLOAT:
            a.f = rng.choice(STRANGE_FLOATS)


def another_attribute(g: Any, rng: random.Random) -> None:
    every = [a for n in g.node for a in n.attribute] or [onnx.AttributeProto()]
    rng.choice(g.node).attribute.append(rng.choice(every))


def strange_shape(g: Any, rng: random.Random) -> None:
    t = rng.choice([t for t in g.initializer if t.dims] or [TensorProto(dims=[1])])
    t.dims[rng.randrange(len(t.dims))] = rng.choice(STRANGE_INTS)


def strange_weight(g: Any, rng: random.Random) -> None:
    kinds = {TensorProto.FLOAT: ("<f4", STRANGE_FLOATS), TensorProto.INT64: ("<i8", STRANGE_INTS)}
    small = [t for t in g.initializer if t.data_type in kinds and 8 <= len(t.raw_data) < 4000]
    if small:
        t = rng.choice(small)
        dtype, strange = kinds[t.data_type]
        values = np.frombuffer(t.raw_data[: len(t.raw_data) // 8 * 8], dtype).copy()
        values[rng.randrange(values.size)] = rng.choice(strange)
        t.raw_data = values.tobytes()


def strange_type(g: Any, rng: random.Random) -> None:
    rng.choice(g.initializer or [TensorProto()]).data_type = rng.randrange(20)


def strange_input(g: Any, rng: random.Random) -> None:
    dims = g.input[0].type.tensor_type.shape.dim
    if dims:
        dims[rng.randrange(len(dims))].dim_value = rng.choice(STRANGE_INTS)


FIELDS = (
    other_operator,
    other_operand,
    strange_attribute,
    another_attribute,
    strange_shape,
    strange_weight,
    strange_type,
    strange_input,
)


def mutate_fields(data: bytes, rng: random.Random) -> bytes:
    """Change fields rather than bytes: the file stays well-formed, and what it says becomes absurd."""
    model = onnx.ModelProto()
    model.ParseFromString(data)
    for _ in range(rng.choice([1, 1, 2, 4])):
        rng.choice(FIELDS)(model.graph, rng)
    return bytes(model.SerializeToString())


def outcome(read: Callable[[], Any], allowed: tuple[type[Exception], ...], told: str) -> bool:
    """Whether it was read; anything but `allowed` and a short message is a failure."""
    started, complaint = time.perf_counter(), None
    try:
        read()
    except allowed as error:
        complaint = str(error)
    except Exception as error:
        raise AssertionError(f"{told}: {type(error).__name__}: {error}") from error
    assert time.perf_counter() - started < 20, f"{told}: took too long"
    assert complaint is None or 0 < len(complaint) < 2000, told
    return complaint is None


NETWORKS = dict(networks())


@pytest.mark.parametrize("mutate", [mutate_bytes, mutate_fields], ids=["bytes", "fields"])
@pytest.mark.parametrize("name", NETWORKS)
def test_mutated_networks(name: str, mutate: Callable[[bytes, random.Random], bytes]) -> None:
    data = NETWORKS[name]()
    assert outcome(lambda: reader.from_bytes(data), (), name)
    until, refused, seed = time.monotonic() + SECONDS / 2, 0, 0
    with np.errstate(all="ignore"):
        for seed in range(400):
            if time.monotonic() > until and seed >= 20:
                break
            # the seed of one mutation does not depend on how many were made before
            changed = mutate(data, dice(name, seed))
            told = f"{name}, {mutate.__name__}, seed {seed}"
            refused += not outcome(lambda d=changed: plan_of(reader.from_bytes(d)), (GraphError,), told)
    assert refused, "no mutation did any harm: the test tests nothing"


SMALL_PROPERTY = """; a comment
(declare-const X_0 Real)
(declare-const X_1 Real)
(declare-const Y_0 Real)
(declare-const Y_1 Real)
(assert (<= X_0 0.7)) (assert (>= X_0 -1e-3))
(assert (or (and (<= X_1 1) (>= X_1 0)) (and (<= X_1 3) (>= X_1 2.5))))
(assert (or (and (<= Y_0 Y_1) (>= Y_1 0.25)) (<= (+ (* 2 Y_0) (- Y_1)) 3)))
"""
WORDS = [
    "(",
    ")",
    ";",
    '"',
    "and",
    "or",
    "<=",
    "X_0",
    "Y_999999",
    "nan",
    "1e309",
    "-",
    "0",
    "assert",
    "\0",
    "é",
    "+",
    "*",
]


def properties() -> dict[str, str]:
    found = {"small": SMALL_PROPERTY}
    for folder, name in (
        ("acasxu_2023", "prop_6"),
        ("lsnc", "quadrotor2d_state_0"),
        ("mnist_fc", "prop_0_0.03"),
    ):
        for path in (BENCH / folder).glob(f"**/{name}.vnnlib"):
            found[path.stem] = path.read_text()
    return found


PROPERTIES = properties()


@pytest.mark.parametrize("name", PROPERTIES)
def test_mutated_properties(name: str) -> None:
    content = PROPERTIES[name]
    pieces = content.replace("(", " ( ").replace(")", " ) ").split(" ")
    assert outcome(lambda: vnnlib.parse(content), (), name)
    until, refused, seed = time.monotonic() + SECONDS, 0, 0
    for seed in range(400):
        if time.monotonic() > until and seed >= 10:
            break
        rng = dice(name, seed)
        words = list(pieces)
        for _ in range(rng.choice([1, 1, 2, 5])):
            at = rng.randrange(len(words))
            kind = rng.randrange(4)
            if kind == 0:
                del words[at : at + rng.choice([1, 1, 3])]
            elif kind == 1:
                words[at] = rng.choice(WORDS)
            elif kind == 2:
                words.insert(at, rng.choice(WORDS) * rng.choice([1, 1, 200]))
            else:
                other = rng.randrange(len(words))
                words[at], words[other] = words[other], words[at]
        changed = " ".join(words)
        told = f"{name}, seed {seed}"
        refused += not outcome(lambda t=changed: vnnlib.parse(t), (vnnlib.VnnlibError, RegionError), told)
    assert refused, "no mutation did any harm: the test tests nothing"
