"""TorchLean's graphs (``torchlean.ir.v1``) and parameters (``torchlean_paramlist_bits_v1``), both ways.

Written for, and read as at, the snapshot `SNAPSHOT` of TorchLean; later versions may differ.  A graph's file has no
weights; the parameters' file has, in the order of the nodes that need them, every number as the 64 bits of its float64:
of a ``linear`` node the matrix ``[out, in]`` and the bias, of a ``conv2d`` node the kernel ``[out, in, h, w]`` and the
bias, of a ``const`` node its value.  Images have no batch axis there, and one here.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any

import numpy as np

from workbench.graph import Array, Graph, GraphError, Node
from workbench.semantics.plan import infer

SNAPSHOT = "c2be276a (2026-07-21)"
IR = "torchlean.ir.v1"
BITS = "torchlean_paramlist_bits_v1"
LONGEST = 64 << 20  # bytes of a file
# one operand (or two), no parameter, nothing to say: their name there and here
PLAIN = {
    "relu": "Relu",
    "tanh": "Tanh",
    "sigmoid": "Sigmoid",
    "exp": "Exp",
    "log": "Log",
    "sin": "Sin",
    "cos": "Cos",
    "abs": "Abs",
    "sqrt": "Sqrt",
    "inv": "Reciprocal",
    "add": "Add",
    "sub": "Sub",
    "mul_elem": "Mul",
    "max_elem": "Max",
    "min_elem": "Min",
    "matmul": "MatMul",
}
CONV = ("outC", "inC", "kH", "kW", "stride", "padding")
BACK = {op: kind for kind, op in PLAIN.items()}


def read_json(data: bytes) -> dict[str, Any]:
    """An object from JSON that may come from anywhere: finite numbers only, no key twice, of limited size.

    Raises
    ------
    ValueError
        Whatever is not such a file.
    """
    if len(data) > LONGEST:
        raise ValueError(f"longer than {LONGEST:,} bytes")

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(pairs)) != len(pairs):
            raise ValueError("a key is given twice in one object")
        return dict(pairs)

    def finite(text: str) -> float:
        value = float(text)
        if not np.isfinite(value):
            raise ValueError(f"{text[:40]} is no finite number")
        return value

    try:
        found = json.loads(data, object_pairs_hook=once, parse_float=finite, parse_constant=finite)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(found, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004 - what is wrong is the file
    return found


def params_to_json(params: Sequence[Array]) -> dict[str, Any]:
    """Parameters, every number as the bits of its float64.

    Raises
    ------
    GraphError
        A number that float64 does not have.
    """
    found = []
    for array in params:
        wide = np.asarray(array, np.float64)
        if array.dtype.kind != "f" and not np.array_equal(wide.astype(array.dtype), array):
            raise GraphError(f"a parameter of type {array.dtype} does not fit into float64")
        bits = wide.reshape(-1).view(np.uint64)
        found.append({"shape": list(array.shape), "values": [int(v) for v in bits]})
    return {"format": BITS, "params": found}


def params_from_json(given: Mapping[str, Any]) -> list[Array]:
    """The arrays, float64, bit for bit (NaNs and their payloads too).

    Raises
    ------
    GraphError
        Another format; a shape or a number that cannot be.
    """
    if given.get("format") != BITS or not isinstance(given.get("params"), list):
        raise GraphError(f"not of the format {BITS}")
    found = []
    for k, one in enumerate(given["params"]):
        if not isinstance(one, dict) or set(one) != {"shape", "values"}:
            raise GraphError(f"parameter {k} has not just a shape and values")
        shape, values = _sizes(one["shape"], f"parameter {k}"), one["values"]
        if not isinstance(values, list) or len(values) != prod(shape):
            raise GraphError(f"parameter {k}: {prod(shape)} values are needed")
        if any(type(v) is not int or not 0 <= v < 1 << 64 for v in values):
            raise GraphError(f"parameter {k}: a value is no 64 bits")
        found.append(np.array(values, np.uint64).view(np.float64).reshape(shape))
    return found


def _sizes(given: Any, what: str) -> tuple[int, ...]:
    whole = isinstance(given, list) and all(type(n) is int and 0 < n <= 1 << 24 for n in given)
    if not whole or len(given) > 8 or prod(given) > 1 << 27:
        raise GraphError(f"{what}: {str(given)[:60]} is no shape")
    return tuple(given)


# ---- reading a graph


class _Reader:
    """The nodes so far: a value of the file's node k has the name ``n<k>``."""

    def __init__(self, params: Sequence[Array]) -> None:
        self.params, self.taken = list(params), 0
        self.nodes: list[Node] = []
        self.weights: dict[str, Array] = {}
        self.shapes: dict[int, tuple[int, ...]] = {}

    def param(self, what: str, *shapes: tuple[int, ...] | None) -> Array:
        if self.taken >= len(self.params):
            raise GraphError(f"{what}: there are only {len(self.params)} parameters")
        found = self.params[self.taken]
        self.taken += 1
        if shapes and found.shape not in shapes:
            raise GraphError(f"{what}: parameter {self.taken - 1} has shape {found.shape}, not {shapes[0]}")
        return found

    def node(self, name: str, op: str, inputs: Sequence[str], **attributes: Any) -> str:
        self.nodes.append(Node(name, op, tuple(inputs), attributes))
        return name

    def weight(self, name: str, value: Array) -> str:
        self.weights[name] = value
        return name

    def reshaped(self, name: str, source: str, shape: Sequence[int]) -> str:
        sizes = self.weight(f"{name}.shape", np.array(shape, np.int64))
        return self.node(name, "Reshape", (source, sizes))


def graph_from_ir(given: Mapping[str, Any], params: Sequence[Array] = (), name: str = "torchlean") -> Graph:
    """A network from a graph's file and its parameters.

    Raises
    ------
    GraphError
        Not of the format, a kind of node that is not read here, shapes or parameters that do not fit.
    """
    if given.get("format", IR) != IR or not isinstance(given.get("nodes"), list):
        raise GraphError(f"not of the format {IR}")
    reader = _Reader(params)
    for k, one in enumerate(given["nodes"]):
        if not isinstance(one, dict) or one.get("id") != k or one.get("value_kind", "tensor") != "tensor":
            raise GraphError(f"node {k}: its id is not its place, or it is no tensor")
        parents = one.get("parents")
        if not isinstance(parents, list) or any(type(p) is not int or not 0 <= p < k for p in parents):
            raise GraphError(f"node {k}: its parents are not nodes before it")
        shape = _sizes(one.get("shape"), f"node {k}")
        _read(reader, k, one, parents, shape)
        reader.shapes[k] = shape
    last = given.get("output_id")
    if given.get("input_id") != 0 or type(last) is not int or not 0 <= last < len(reader.shapes):
        raise GraphError("the input is not node 0, or the output no node")
    if reader.taken != len(reader.params):
        raise GraphError(f"{len(reader.params) - reader.taken} parameter(s) belong to no node")
    found = Graph(infer(reader.nodes, reader.weights), (f"n{last}",), reader.weights, name)
    for k, shape in reader.shapes.items():
        if f"n{k}" not in reader.weights and found[f"n{k}"].shape != shape:
            raise GraphError(f"node {k}: its shape is {found[f'n{k}'].shape}, not {shape} as the file says")
    return found


def _read(r: _Reader, k: int, one: Mapping[str, Any], parents: list[int], shape: tuple[int, ...]) -> None:
    kind, at, inputs = one.get("kind"), f"n{k}", [f"n{p}" for p in parents]
    known = {1: ("conv2d", "linear", "softmax", "flatten", "reshape", "permute"), 0: ("input", "const")}
    if any(kind in kinds and len(inputs) != n for n, kinds in known.items()):
        raise GraphError(f"node {k}: {kind} with {len(inputs)} operands")
    if kind == "input" and k == 0:
        r.nodes.append(Node(at, "Input", shape=shape, dtype="float64"))
    elif kind == "const":
        r.weight(at, r.param(f"node {k}", shape))
    elif kind in PLAIN:
        r.node(at, PLAIN[kind], inputs)
    elif kind == "linear":
        before = r.shapes[parents[0]]
        w = r.param(f"node {k} (linear)", (shape[-1], before[-1]))
        b = r.param(f"node {k} (linear)", (shape[-1],))
        product = r.node(f"{at}.product", "MatMul", (inputs[0], r.weight(f"{at}.weight", w.T.copy())))
        r.node(at, "Add", (product, r.weight(f"{at}.bias", b)))
    elif kind == "conv2d":
        sizes = [one.get(name) for name in CONV]
        if any(type(n) is not int or n < 0 for n in sizes) or len(r.shapes[parents[0]]) != 3:
            raise GraphError(f"node {k}: conv2d needs its sizes, and an image [channels, height, width]")
        out, into, high, wide, stride, pad = (int(one[name]) for name in CONV)
        kernel = r.weight(f"{at}.weight", r.param(f"node {k} (conv2d)", (out, into, high, wide)))
        bias = r.weight(f"{at}.bias", r.param(f"node {k} (conv2d)", (out,)))
        image = r.reshaped(f"{at}.image", inputs[0], (1, *r.shapes[parents[0]]))
        window = {"kernel_shape": (high, wide), "strides": (stride,) * 2, "pads": (pad,) * 4}
        r.reshaped(at, r.node(f"{at}.conv", "Conv", (image, kernel, bias), **window), shape)
    elif kind in ("flatten", "reshape"):
        r.reshaped(at, inputs[0], shape)
    elif kind == "softmax":
        r.node(at, "Softmax", inputs, axis=int(one.get("axis", -1)))
    elif kind == "permute":
        r.node(at, "Transpose", inputs, perm=tuple(one.get("perm", ())))
    elif kind == "concat":
        r.node(at, "Concat", inputs, axis=int(one.get("axis", 0)))
    else:
        raise GraphError(f"node {k}: the kind {str(kind)[:40]!r} is not read here")


# ---- writing a graph


class _Writer:
    """The file's nodes and parameters so far, and which node each of our values is."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.nodes: list[dict[str, Any]] = []
        self.params: list[Array] = []
        self.ids: dict[str, int] = {}
        self.constants: dict[int, Array] = {}

    def constant(self, name: str, value: Array) -> None:
        self.params.append(value)
        self.constants[len(self.nodes)] = value
        self.put(name, "const", (), value.shape, value_shape=list(value.shape))

    def put(self, name: str, kind: str, inputs: Sequence[str], shape: Sequence[int], **more: Any) -> None:
        parents = [self.operand(i) for i in inputs]
        self.ids[name] = len(self.nodes)
        self.nodes.append(
            {"id": len(self.nodes), "kind": kind, "parents": parents, "shape": list(shape), **more}
        )

    def operand(self, name: str) -> int:
        if name not in self.ids:
            self.constant(name, self.graph.weights[name])
        return self.ids[name]

    def shape(self, name: str) -> list[int]:
        return self.nodes[self.ids[name]]["shape"]


Values = list[str | list[float]]


def ir_from_graph(graph: Graph) -> tuple[dict[str, Any], list[Array], Values]:
    """The graph's file, its parameters, and of each of its nodes the graph's value, or a constant's numbers.

    Raises
    ------
    GraphError
        An operator, or a use of one, for which the format has no node of the same meaning.
    """
    w = _Writer(graph)
    if len(graph.inputs) != 1 or len(graph.outputs) != 1:
        raise GraphError("only a network with one input and one output")
    for node in graph.nodes:
        rule: Callable[[_Writer, Node], None] | None = WRITE.get(node.op)
        if rule is None:
            raise GraphError(f"{node.describe()}: {IR} has no node for {node.op}")
        rule(w, node)
    if w.ids[graph.inputs[0]] != 0:
        raise GraphError("the input is not the first node")
    found = {"format": IR, "input_id": 0, "output_id": w.ids[graph.outputs[0]], "nodes": w.nodes}
    known, values = {k: name for name, k in w.ids.items()}, Values()
    for k, one in enumerate(w.nodes):
        constant = one["kind"] == "const"
        values.append(np.asarray(w.constants[k], float).reshape(-1).tolist() if constant else known[k])
    return found, w.params, values


def _input(w: _Writer, node: Node) -> None:
    image = len(node.shape) == 4 and node.shape[0] == 1
    w.put(node.name, "input", (), node.shape[1:] if image else node.shape)


def _plain(w: _Writer, node: Node) -> None:
    if node.op == "MatMul":
        return w.put(node.name, "matmul", node.inputs, node.shape)
    computed = [tuple(w.shape(i)) for i in node.inputs if i in w.ids]
    if len({*computed}) != 1 or prod(computed[0]) != node.size:
        raise GraphError(f"{node.describe()}: {IR} has no broadcasting")
    inputs = []
    for i in node.inputs:  # a constant is written in the full shape
        name = i if i in w.ids else f"{i}, at {node.name}"
        if name not in w.ids:
            value = w.graph.weights[i]
            w.constant(name, np.array(np.broadcast_to(value, node.shape)).reshape(computed[0]))
        inputs.append(name)
    return w.put(node.name, BACK[node.op], inputs, computed[0])


def _matmul(w: _Writer, node: Node) -> None:
    matrix = w.graph.weights.get(node.inputs[1])
    if matrix is None or matrix.ndim != 2:
        return _plain(w, node)
    w.params += [np.asarray(matrix.T), np.zeros(matrix.shape[1], matrix.dtype)]
    return w.put(node.name, "linear", node.inputs[:1], node.shape)


def _gemm(w: _Writer, node: Node) -> None:
    a = node.attrs
    if a.get("alpha", 1.0) != 1 or a.get("beta", 1.0) != 1 or a.get("transA", 0):
        raise GraphError(f"{node.describe()}: only x W + b")
    matrix = w.graph.weights[node.inputs[1]]
    matrix = matrix if a.get("transB", 0) else matrix.T
    given = w.graph.weights[node.inputs[2]] if node.inputs[2:] else np.zeros(1, matrix.dtype)
    w.params += [np.asarray(matrix), np.array(np.broadcast_to(given.reshape(-1), matrix.shape[:1]))]
    w.put(node.name, "linear", node.inputs[:1], node.shape)


def _conv(w: _Writer, node: Node) -> None:
    kernel = w.graph.weights[node.inputs[1]]
    out, into, *window = kernel.shape

    def one(name: str, default: int) -> int | None:
        """An attribute's number, where it is the same on every axis."""
        every = {int(v) for v in np.atleast_1d(np.asarray(node.attrs.get(name, default)))}
        return every.pop() if len(every) == 1 else None

    stride, pad = one("strides", 1), one("pads", 0)
    plain = len(window) == 2 and one("group", 1) == one("dilations", 1) == 1 and node.shape[0] == 1
    if not plain or stride is None or pad is None:
        raise GraphError(f"{node.describe()}: {IR} has one stride, one padding, one group and no dilation")
    bias = w.graph.weights[node.inputs[2]] if node.inputs[2:] else np.zeros(out, kernel.dtype)
    w.params += [kernel, bias]
    sizes = {"inC": into, "outC": out, "kH": window[0], "kW": window[1], "stride": stride, "padding": pad}
    w.put(node.name, "conv2d", node.inputs[:1], node.shape[1:], **sizes)


def _softmax(w: _Writer, node: Node) -> None:
    axis = int(np.asarray(node.attrs.get("axis", -1))) % len(node.shape)
    w.put(node.name, "softmax", node.inputs, node.shape, axis=axis)


def _reshape(w: _Writer, node: Node) -> None:
    before = w.shape(node.inputs[0])
    w.put(node.name, "reshape", node.inputs[:1], node.shape, in_shape=before, out_shape=list(node.shape))


WRITE: Mapping[str, Callable[[_Writer, Node], None]] = {
    **dict.fromkeys(BACK, _plain),
    "Input": _input,
    "MatMul": _matmul,
    "Gemm": _gemm,
    "Conv": _conv,
    "Reshape": _reshape,
    "Flatten": _reshape,
    "Softmax": _softmax,
}
