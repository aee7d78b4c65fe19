"""Reading ONNX files: every reference network equals onnxruntime, and every bad file is one clear error."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from workbench.graph import Graph, GraphError
from workbench.io import onnx as reader
from workbench.io import vnnlib
from workbench.op import UnsupportedOperator
from workbench.region import Region
from workbench.semantics.plan import plan_of
from workbench.semantics.real import run

BENCH = Path(__file__).resolve().parents[3] / "shared" / "bench"
ABSENT = pytest.param(
    None, marks=pytest.mark.skip("the reference networks (../shared/bench) are not on this machine")
)
NETWORKS = sorted(BENCH.glob("**/*.onnx"))
Array = np.ndarray[Any, Any]


def model(
    nodes: Sequence[Any],
    inputs: Mapping[str, Sequence[Any] | None],
    outputs: Sequence[str] = ("y",),
    weights: Mapping[str, Array] | None = None,
    opset: int = 17,
) -> onnx.ModelProto:
    """A model in memory; nodes are tuples (op, inputs, outputs, attributes)."""
    made = [
        helper.make_node(op, list(i), list(o), **(attrs[0] if attrs else {})) for op, i, o, *attrs in nodes
    ]
    graph = helper.make_graph(
        made,
        "g",
        [helper.make_tensor_value_info(k, TensorProto.FLOAT, s) for k, s in inputs.items()],
        [helper.make_tensor_value_info(o, TensorProto.FLOAT, None) for o in outputs],
        [numpy_helper.from_array(w, k) for k, w in (weights or {}).items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def value(graph: Graph, x: Array) -> Array:
    return run(plan_of(graph), {graph.inputs[0]: x[None]})[graph.outputs[0]][0]


def f32(*values: float) -> Array:
    return np.array(values, np.float32)


def ints(*values: int) -> Array:
    return np.array(values, np.int64)


def a_box(network: Path) -> Region:
    """The box of a property that is meant for this network."""
    root = next(p for p in network.parents if p.parent == BENCH)
    with (root / "instances.csv").open() as file:
        rows = [(root / r[0], root / r[1]) for r in csv.reader(file) if r]
    meant = [p for n, p in rows if n.name == network.name and p.exists()] or [
        p for _, p in rows if p.exists()
    ]
    return vnnlib.load(meant[0]).region()


@pytest.mark.bench
@pytest.mark.parametrize("path", NETWORKS or [ABSENT], ids=lambda p: getattr(p, "stem", "absent"))
def test_reference_networks_equal_onnxruntime(path: Path) -> None:
    ort = pytest.importorskip("onnxruntime")
    graph = reader.load(path)
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (name,) = graph.inputs
    points = a_box(path).reshape(graph[name].shape).sample(101, seed=5).astype(np.float32)
    found = run(plan_of(graph), {name: points})[graph.outputs[0]]
    for x, got in zip(points, found, strict=True):
        want = session.run(None, {name: x})[0]
        assert got.dtype == want.dtype == np.float32
        assert got.shape == want.shape
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-5 * np.abs(want).max())


def test_digest_is_the_files() -> None:
    import hashlib

    path = Path(__file__)
    assert reader.digest(path) == hashlib.sha256(path.read_bytes()).hexdigest()


# what opsets 7 to 22 write differently comes out the same


def relu_after(
    op: str, attrs: dict[str, Any], operands: Mapping[str, Array], opset: int, shape: Sequence[int]
) -> Graph:
    nodes = [(op, ["x", *operands], ["h"], attrs), ("Relu", ["h"], ["y"])]
    return reader.from_model(model(nodes, {"x": shape}, weights=operands, opset=opset))


X = np.arange(-6, 6, dtype=np.float32).reshape(1, 3, 4)


@pytest.mark.parametrize(
    ("op", "old", "new", "expected"),
    [
        (
            "Slice",
            (7, {"starts": [1], "ends": [3], "axes": [2]}, {}),
            (13, {}, {"s": ints(1), "e": ints(3), "a": ints(2)}),
            X[:, :, 1:3],
        ),
        ("Squeeze", (11, {"axes": [0]}, {}), (13, {}, {"a": ints(0)}), X[0]),
        ("Unsqueeze", (7, {"axes": [0, 4]}, {}), (13, {}, {"a": ints(0, 4)}), X[None, ..., None]),
        (
            "Clip",
            (7, {"min": -2.0, "max": 3.0}, {}),
            (13, {}, {"l": np.float32(-2), "u": np.float32(3)}),
            X.clip(-2, 3),
        ),
        (
            "Pad",
            (7, {"pads": [0, 0, 1, 0, 0, 1], "value": 0.5}, {}),
            (13, {}, {"p": ints(0, 0, 1, 0, 0, 1), "v": np.float32(0.5)}),
            np.pad(X, ((0, 0), (0, 0), (1, 1)), constant_values=0.5),
        ),
        (
            "Pad",
            (7, {"pads": [0, 1, 1, 0, 0, 1], "mode": "reflect"}, {}),
            (18, {"mode": "reflect"}, {"p": ints(1, 1, 0, 1), "v": np.float32(0), "a": ints(1, 2)}),
            np.pad(X, ((0, 0), (1, 0), (1, 1)), mode="reflect"),
        ),
        ("ReduceSum", (11, {"axes": [1]}, {}), (13, {}, {"a": ints(1)}), X.sum(1, keepdims=True)),
        ("ReduceMean", (13, {"axes": [1]}, {}), (18, {}, {"a": ints(1)}), X.mean(1, keepdims=True)),
        ("Dropout", (7, {"ratio": 0.3}, {}), (12, {}, {"r": np.float32(0.3)}), X),
        (
            "BatchNormalization",
            (7, {}, {k: f32(1, 2, 3) for k in "abcd"}),
            (15, {"epsilon": float(np.float32(1e-5))}, {k: f32(1, 2, 3) for k in "abcd"}),
            None,
        ),
        ("Softmax", (11, {}, {}), (13, {"axis": 1}, {}), None),
        ("LeakyRelu", (7, {}, {}), (16, {"alpha": float(np.float32(0.01))}, {}), None),
    ],
    ids=lambda v: v if isinstance(v, str) else None,
)
def test_old_and_new_opsets_mean_the_same(op: str, old: Any, new: Any, expected: Array | None) -> None:
    x = (
        X[..., :1] if op == "Softmax" else X
    )  # the same thing in both opsets only where there is nothing to flatten
    found = []
    for opset, attrs, operands in (old, new):
        graph = relu_after(op, attrs, operands, opset, x.shape)
        found.append(value(graph, x))
    assert np.array_equal(found[0], found[1])
    if expected is not None:
        assert np.array_equal(found[0], np.maximum(expected, 0))


def test_softmax_flattens_before_opset_13() -> None:
    graph = relu_after("Softmax", {"axis": 1}, {}, 11, X.shape)
    e = np.exp(X - X.max())
    assert np.allclose(value(graph, X), e / e.sum(), rtol=1e-6)


def test_reshape_of_zero_copies_unless_told() -> None:
    graph = relu_after("Reshape", {}, {"s": ints(0, -1)}, 17, X.shape)
    assert graph["h"].shape == (1, 12)
    with pytest.raises(GraphError, match="'h'"):
        relu_after("Reshape", {"allowzero": 1}, {"s": ints(0, 12)}, 17, X.shape)


def test_split_gives_one_node_an_output() -> None:
    nodes = [
        ("Split", ["x"], ["a", "", "c"], {"axis": 1, "num_outputs": 3}),
        ("Concat", ["c", "a"], ["y"], {"axis": 1}),
    ]
    graph = reader.from_model(model(nodes, {"x": X.shape}, opset=18))
    assert [n.name for n in graph] == ["x", "a", "c", "y"]
    assert np.array_equal(value(graph, X), X[:, [2, 0]])


def test_shape_arithmetic_and_constants() -> None:
    nodes = [
        ("Shape", ["x"], ["s"]),
        ("Gather", ["s", "zero"], ["n"]),
        ("Constant", [], ["m"], {"value_ints": [-1]}),
        ("Unsqueeze", ["n", "axis"], ["n1"]),
        ("Concat", ["n1", "m"], ["t"], {"axis": 0}),
        ("Reshape", ["x", "t"], ["r"]),
        ("Constant", [], ["c"], {"value": numpy_helper.from_array(f32(2))}),
        ("Mul", ["r", "c"], ["y"]),
    ]
    graph = reader.from_model(model(nodes, {"x": X.shape}, weights={"zero": np.array(0), "axis": ints(0)}))
    assert graph["y"].shape == (1, 12)
    assert [n.op for n in graph] == ["Input", "Shape", "Gather", "Unsqueeze", "Concat", "Reshape", "Mul"]
    assert np.array_equal(value(graph, X), 2 * X.reshape(1, 12))


def test_groups_from_scoped_names() -> None:
    nodes = [
        ("Relu", ["x"], ["/layer1/layer1.0/conv1/Conv_output_0"]),
        ("Relu", ["/layer1/layer1.0/conv1/Conv_output_0"], ["/layer1/layer1.0/Relu_output_0"]),
        ("Relu", ["/layer1/layer1.0/Relu_output_0"], ["y"]),
    ]
    made = model(nodes, {"x": (1, 2)})
    made.graph.node[2].name = "/layer1/layer1.0/relu2/Relu"
    graph = reader.from_model(made)
    assert [n.group for n in graph] == ["", *["layer1/layer1.0"] * 3]


def test_nodes_in_any_order_and_old_files_that_list_weights_as_inputs() -> None:
    nodes = [("Relu", ["h"], ["y"]), ("Add", ["x", "w"], ["h"])]
    graph = reader.from_model(model(nodes, {"x": (1, 2), "w": (2,)}, weights={"w": f32(1, 2)}))
    assert graph.inputs == ("x",)
    assert np.array_equal(value(graph, f32(-3, 4)[None]), [[0, 6]])


@pytest.mark.parametrize("dtype", [np.float16, np.float64])
def test_weights_of_other_float_types(dtype: Any, tmp_path: Path) -> None:
    for raw in (True, False):
        made = model([("Add", ["x", "w"], ["y"])], {"x": (1, 2)})
        made.graph.input[0].type.tensor_type.elem_type = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        w = np.array([1.5, -0.25], dtype)
        tensor = numpy_helper.from_array(w, "w")
        if not raw:
            tensor = helper.make_tensor("w", tensor.data_type, [2], w)
        made.graph.initializer.append(tensor)
        graph = reader.from_bytes(made.SerializeToString())
        assert graph["y"].dtype == str(np.dtype(dtype))
        assert np.array_equal(value(graph, np.array([[1, 1]], dtype)), [[2.5, 0.75]])


# dynamic shapes


def test_an_open_batch_is_one_and_other_open_axes_are_asked_for() -> None:
    made = model([("Relu", ["x"], ["y"])], {"x": ("batch", "time", 3)})
    with pytest.raises(GraphError, match=r"axis 1 of the input 'x' is open \('time'\).*shapes="):
        reader.from_model(made)
    assert reader.from_model(made, shapes={"x": (1, 7, 3)})["y"].shape == (1, 7, 3)
    assert reader.from_model(model([("Relu", ["x"], ["y"])], {"x": ("n", 3)}))["y"].shape == (1, 3)
    for wrong in ({"x": (1, 7, 4)}, {"x": (1, 7)}, {"x": (1, 0, 3)}, {"z": (1,)}):
        with pytest.raises(GraphError, match=r"shape|no input 'z'"):
            reader.from_model(made, shapes=wrong)
    with pytest.raises(GraphError, match="leaves the shape of the input 'x' open"):
        reader.from_model(model([("Relu", ["x"], ["y"])], {"x": None}))


# bad input: one clear GraphError each


def simple(**changes: Any) -> onnx.ModelProto:
    made = model(
        [("MatMul", ["x", "w"], ["h"]), ("Relu", ["h"], ["y"])],
        {"x": (1, 2)},
        weights={"w": np.eye(2, dtype="f")},
    )
    for change in changes.values():
        change(made)
    return made


def set_weight(array: Array) -> Callable[[onnx.ModelProto], None]:
    return lambda m: m.graph.initializer[0].CopyFrom(numpy_helper.from_array(array, "w"))


def tensor(**fields: Any) -> Callable[[onnx.ModelProto], None]:
    def change(m: onnx.ModelProto) -> None:
        t = m.graph.initializer[0]
        for key, v in fields.items():
            t.ClearField(key)
            if isinstance(v, list | tuple):
                getattr(t, key).extend(v)
            else:
                setattr(t, key, v)

    return change


def node(position: int, **fields: Any) -> Callable[[onnx.ModelProto], None]:
    def change(m: onnx.ModelProto) -> None:
        for key, v in fields.items():
            if isinstance(v, list):
                m.graph.node[position].ClearField(key)
                getattr(m.graph.node[position], key).extend(v)
            else:
                setattr(m.graph.node[position], key, v)

    return change


def opset(version: int, domain: str = "") -> Callable[[onnx.ModelProto], None]:
    def change(m: onnx.ModelProto) -> None:
        del m.opset_import[:]
        m.opset_import.append(helper.make_opsetid(domain, version))

    return change


def subgraph(m: onnx.ModelProto) -> None:
    m.graph.node[1].attribute.append(helper.make_attribute("body", m.graph.__class__()))


def nan_attribute(m: onnx.ModelProto) -> None:
    m.graph.node[1].attribute.append(helper.make_attribute("a", float("nan")))


BAD: list[tuple[str, Callable[[onnx.ModelProto], Any], str]] = [
    ("an operator of nobody", node(1, op_type="Frobnicate"), "'Frobnicate'.*'y'.*Supported:.*Relu"),
    ("another domain", node(1, domain="com.microsoft"), "com.microsoft"),
    ("a cycle", node(0, input=["y", "w"]), "cycle: .*'h'.*'y'"),
    ("a node of itself", node(0, input=["h", "w"]), "cycle: 'h' <- 'h'"),
    ("a missing operand", node(0, input=["x", "nowhere"]), "'nowhere'.*nowhere in the file"),
    ("a name given twice", node(1, output=["h"]), "'h' is produced twice"),
    ("a weight's name again", node(1, output=["w"]), "'w' is produced twice"),
    ("a node without result", node(1, output=[]), "no output"),
    ("an output that is not there", lambda m: setattr(m.graph.output[0], "name", "z"), "'z' is not computed"),
    ("no output", lambda m: m.graph.ClearField("output"), "no output"),
    ("too few operands", node(0, input=["x"]), "'h'"),
    ("too many operands", node(1, input=["h", "w", "w"]), "'y'"),
    ("operands that do not fit", set_weight(np.eye(3, dtype="f")), "'h'.*\\[1, 2\\], \\[3, 3\\]"),
    ("NaN", set_weight(np.full((2, 2), np.nan, "f")), "'w' holds nan"),
    ("infinity", set_weight(np.full((2, 2), -np.inf, "f")), "'w' holds -inf"),
    ("too few bytes", tensor(raw_data=b"123"), "'w'.*16 bytes, not 3"),
    ("no data at all", lambda m: m.graph.initializer[0].ClearField("raw_data"), "'w'.*4 numbers.*0"),
    ("a huge tensor", tensor(dims=[1 << 40, 1 << 40]), "'w'.*more than this program accepts"),
    ("a negative size", tensor(dims=[-1, 4]), "'w'.*negative"),
    ("an element type of nobody", tensor(data_type=99), "'w'.*number 99"),
    ("strings", tensor(data_type=TensorProto.STRING), "'w'.*string"),
    ("an old opset", opset(6), "opset 6; 7 to 22"),
    ("a new opset", opset(99), "opset 99"),
    ("no opset", opset(3, "ai.onnx.ml"), "does not say which ONNX opset"),
    ("a subgraph", subgraph, "'body'.*'y'.*subgraph"),
    ("an attribute that is no number", nan_attribute, "NaN"),
    ("a weight twice", lambda m: m.graph.initializer.append(m.graph.initializer[0]), "'w' is given twice"),
    ("sparse weights", lambda m: m.graph.sparse_initializer.add(), "sparse"),
    ("functions", lambda m: m.functions.add(name="f"), "functions of its own"),
    ("an input that is no tensor", lambda m: m.graph.input[0].type.sequence_type.SetInParent(), "'x' is not a tensor"),
    ("a huge input", lambda m: m.graph.input[0].type.tensor_type.shape.dim.add(dim_value=1 << 60), "'x'.*more than"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "said"), [b[1:] for b in BAD], ids=[b[0] for b in BAD])
def test_bad_models_are_one_clear_error(change: Callable[[onnx.ModelProto], Any], said: str) -> None:
    with pytest.raises(GraphError, match=f"(?s){said}") as caught:
        reader.from_bytes(simple(change=change).SerializeToString())
    assert len(str(caught.value)) < 1500
    assert "Traceback" not in str(caught.value)


BOMBS = [
    ([("Expand", ["x", "s"], ["y"])], {"s": ints(1 << 20, 1 << 20, 2)}),
    ([("ConstantOfShape", ["s"], ["c"]), ("Add", ["x", "c"], ["y"])], {"s": ints(1 << 30, 1 << 30)}),
    (
        [("Add", ["x", "a"], ["h"]), ("Add", ["h", "b"], ["y"])],
        {"a": np.zeros((1 << 16, 1), "f"), "b": np.zeros((1 << 16, 1, 1), "f")},
    ),
    ([("Pad", ["x", "s"], ["y"])], {"s": ints(0, 1 << 60, 0, 0)}),
    ([("Concat", [a] * 5000, [b], {"axis": 1}) for a, b in ("xh", "hi", "iy")], {}),
    ([("Conv", ["x", "w"], ["y"], {"pads": [4000] * 4})], {"w": np.zeros((1, 1, 1000, 1000), "f")}),
]


@pytest.mark.parametrize(
    ("nodes", "weights"),
    BOMBS,
    ids=["Expand", "ConstantOfShape", "broadcast", "Pad", "Concat", "Conv"],
)
def test_bombs_are_refused_before_they_are_allocated(nodes: Any, weights: Any) -> None:
    import tracemalloc

    shape = (1, 1, 4, 4) if nodes[0][0] == "Conv" else (1, 2)
    data = model(nodes, {"x": shape}, weights=weights).SerializeToString()
    tracemalloc.start()
    try:
        with pytest.raises(GraphError, match="more than this program accepts"):
            reader.from_bytes(data)
        assert tracemalloc.get_traced_memory()[1] < 600e6
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "data", [b"", b"\x00", b"hello", b"\x08" * 100, os.urandom(3000), b"\xff" * 64], ids=range(6)
)
def test_what_is_no_onnx_file(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(data)
    with pytest.raises(GraphError):
        reader.load(path)


def test_truncated_anywhere() -> None:
    data = simple().SerializeToString()
    for length in range(len(data)):
        with pytest.raises(GraphError):
            reader.from_bytes(data[:length])


def test_files_that_are_no_files(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "nothing", tmp_path / "pipe", "a\0b"):
        with pytest.raises(GraphError):
            reader.load(path)


def test_results_beside_the_first_are_refused_where_they_are_used() -> None:
    pool = ("MaxPool", ["x"], ["y", "indices"], {"kernel_shape": [2]})
    assert reader.from_model(model([pool], {"x": X.shape}))["y"].shape == (1, 3, 3)
    with pytest.raises(GraphError, match="'indices', the indices of node 'y'"):
        reader.from_model(model([pool, ("Relu", ["indices"], ["z"])], {"x": X.shape}))


def external(location: str, **more: str) -> onnx.ModelProto:
    made = simple()
    t = made.graph.initializer[0]
    t.ClearField("raw_data")
    t.data_location = TensorProto.EXTERNAL
    for key, v in {"location": location, **more}.items():
        t.external_data.add(key=key, value=v)
    return made


def test_external_data_is_read_from_the_models_folder_only(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    (folder / "sub").mkdir(parents=True)
    weights = np.arange(4, dtype=np.float32).reshape(2, 2)
    for place in (folder / "w.bin", folder / "sub" / "w.bin", tmp_path / "secret.bin"):
        place.write_bytes(b"pad!" + weights.tobytes())
    (folder / "link.bin").symlink_to(tmp_path / "secret.bin")
    (folder / "away").symlink_to(tmp_path)
    path = folder / "net.onnx"
    for location in ("w.bin", "sub/w.bin", "./w.bin"):
        path.write_bytes(external(location, offset="4").SerializeToString())
        assert np.array_equal(reader.load(path).weights["w"], weights)
    refused = [
        ("../secret.bin", {}),
        (str(tmp_path / "secret.bin"), {}),
        ("sub/../../secret.bin", {}),
        ("..\\secret.bin", {}),
        ("C:\\secret.bin", {}),
        ("link.bin", {}),
        ("away/secret.bin", {}),
        ("missing.bin", {}),
        ("sub", {}),
        ("", {}),
        ("w\0.bin", {}),
        ("w.bin", {"offset": "5"}),
        ("w.bin", {"offset": "-4"}),
        ("w.bin", {"offset": "four"}),
        ("w.bin", {"length": "8"}),
    ]
    for location, more in refused:
        path.write_bytes(external(location, **({"offset": "4"} | more)).SerializeToString())
        with pytest.raises(GraphError, match="'w'"):
            reader.load(path)
    with pytest.raises(GraphError, match="not read from a folder"):
        reader.from_bytes(external("w.bin", offset="4").SerializeToString())


def test_an_operator_without_a_rule_says_what_is_there() -> None:
    with pytest.raises(UnsupportedOperator) as caught:
        reader.from_model(model([("Det", ["x"], ["y"])], {"x": (1, 2)}))
    text = str(caught.value)
    assert "'Det'" in text
    assert "'y'" in text
    assert "Conv" in text


def test_names_are_data() -> None:
    name = '<img src=x onerror="alert(1)">\n"; rm -rf /'
    graph = reader.from_model(model([("Relu", ["x"], [name]), ("Relu", [name], ["y"])], {"x": (1, 2)}))
    assert graph[name].op == "Relu"
