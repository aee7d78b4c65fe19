"""A graph as an ONNX file: the same names, the same attributes, the weights bit for bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from workbench.graph import Graph, GraphError

OPSET, IR = 20, 9  # axes of every reduction are operands, as they are in the graph; Gelu is there
UNWRITTEN = {"flatten", "num_outputs", "index", "dtype", "value", "to"}  # said in another way in a file


def to_onnx(graph: Graph) -> Any:
    """The network as an `onnx.ModelProto`.

    Raises
    ------
    GraphError
        An operator that an attribute of the graph, and not of ONNX, describes (it came from another file).
    """
    import onnx
    from onnx import helper, numpy_helper

    def info(name: str) -> Any:
        node = graph[name]
        return helper.make_tensor_value_info(
            name, helper.np_dtype_to_tensor_dtype(np.dtype(node.dtype)), node.shape
        )

    nodes = []
    for node in graph.nodes:
        if node.op == "Input":
            continue
        strange = UNWRITTEN & node.attrs.keys()
        if strange:
            raise GraphError(f"{node.describe()} cannot be written to a file: {', '.join(sorted(strange))}")
        attrs: dict[str, Any] = {k: list(v) if isinstance(v, tuple) else v for k, v in node.attrs.items()}
        if node.op == "Swish":  # an operator since opset 24
            inner, gate = node.inputs[0], f"{node.name}/gate"
            if attrs.get("alpha", 1.0) != 1.0:
                raise GraphError(f"{node.describe()} cannot be written to a file: alpha is not 1")
            nodes.append(helper.make_node("Sigmoid", [inner], [gate], name=gate))
            nodes.append(helper.make_node("Mul", [inner, gate], [node.name], name=node.name))
            continue
        nodes.append(helper.make_node(node.op, list(node.inputs), [node.name], name=node.name, **attrs))
    made = helper.make_graph(
        nodes,
        graph.name,
        [info(name) for name in graph.inputs],
        [info(name) for name in graph.outputs],
        [numpy_helper.from_array(np.asarray(w), key) for key, w in graph.weights.items()],
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR)
    model.producer_name = "nnworkbench"
    onnx.checker.check_model(model, full_check=True)
    return model


def save(graph: Graph, path: Any) -> None:
    """Write the network to a file; a file that is there is replaced only when the new one is whole."""
    data = to_onnx(graph).SerializeToString()
    target = Path(path)
    beside = target.with_name(f".{target.name}.part")
    beside.write_bytes(data)
    beside.replace(target)
