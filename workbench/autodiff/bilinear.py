"""A graph whose parameters are inputs, in operators that have bounds when both operands vary.

Gemm, Conv, BatchNormalization and LayerNormalization have bounds for constant weights.  With weights that lie in a
region they are what they are made of: products of matrices, sums, and elements taken at constant places.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np

from workbench.graph import Graph, Node
from workbench.nn.shapes import unnamed
from workbench.nn.value import Trace, Value
from workbench.op import Call, UnsupportedOperator
from workbench.ops import conv as convolutions
from workbench.semantics.cotangent import NODES, bordered, picked, shaped, turned
from workbench.semantics.plan import plan_of

Operands = list[Any]


def bilinear(graph: Graph) -> Graph:
    """The graph with the operators above, where their weights are no constants, written in products and sums.

    Raises
    ------
    UnsupportedOperator
        A transposed convolution whose kernel is no constant.
    """
    plan, trace = plan_of(graph), Trace()
    values: dict[str, Value] = {}
    for name, array in graph.weights.items():
        trace.weights[name] = array
        values[name] = trace.know(name, array.shape, str(array.dtype), unnamed(array.ndim))
    for node in graph.nodes:
        step = plan.by_name.get(node.name)
        live = step is not None and any(step.call.is_live(i) for i in range(1, len(step.operands)))
        write = WRITTEN.get(node.op) if live else None
        if write is None or step is None:
            inputs = tuple(values[i].name if i else "" for i in node.inputs)
            kept = Node(node.name, node.op, inputs, node.attrs, node.shape, node.dtype, node.group)
            values[node.name] = trace.add(kept, unnamed(len(node.shape)))
        else:
            operands = [values[i] if i else None for i in node.inputs]
            trace.scopes.append((f"{node.name}.parts", node.op))  # names that no node of the graph has
            values[node.name] = write(step.call, operands)
            trace.scopes.pop()
    return trace.graph([values[n] for n in graph.outputs], graph.name)


def _gemm(call: Call, operands: Operands) -> Value:
    a, b = operands[:2]
    y = (turned(a) if call.attr("transA", 0) else a) @ (turned(b) if call.attr("transB", 0) else b)
    if call.attr("alpha", 1.0) != 1.0:
        y = y * float(call.attr("alpha"))
    if call.has(2):
        c = operands[2] if call.attr("beta", 1.0) == 1.0 else operands[2] * float(call.attr("beta"))
        y = y + NODES.spread(c, y.shape)
    return y


def _conv(call: Call, operands: Operands) -> Value:
    """Every window a column, as `ops.generators.convolution.unfolded` has it."""
    win, groups = convolutions.geometry(call)
    x, w = operands[:2]
    (n, c), m, places = x.shape[:2], w.shape[0], prod(win.out)
    ends = [p - b - s for p, b, s in zip(win.padded, win.begin, win.size, strict=True)]
    wide = shaped(bordered(x, (0, 0, *win.begin), (0, 0, *ends)), (n, c, prod(win.padded)))
    index = win.view(np.arange(prod(win.padded)).reshape(1, 1, *win.padded)).reshape(-1)
    columns = shaped(picked(wide, 2, index), (n, groups, c // groups * win.taps, places))
    y = shaped(w, (1, groups, m // groups, c // groups * win.taps)) @ columns
    y = shaped(y, (n, m, *win.out))
    return y + shaped(operands[2], (1, m, *(1,) * len(win.out))) if call.has(2) else y


def _transposed(call: Call, operands: Operands) -> Value:
    raise UnsupportedOperator(f"{call.node.describe()} has no bounds where its kernel is no constant")


def _batchnorm(call: Call, operands: Operands) -> Value:
    x, *rest = operands
    gamma, beta, mean, var = (shaped(v, (1, -1, *(1,) * (x.ndim - 2))) for v in rest)
    return (x - mean) / NODES.sqrt(var + float(call.attr("epsilon", 1e-5))) * gamma + beta


def _layernorm(call: Call, operands: Operands) -> Value:
    x, scale = operands[:2]
    axes = list(range(int(call.attr("axis", -1)) % x.ndim, x.ndim))
    c = x - NODES.mean(x, axes)
    y = c / NODES.sqrt(NODES.mean(c * c, axes) + float(call.attr("epsilon", 1e-5)))
    y = y * NODES.spread(scale, x.shape)
    return y + NODES.spread(operands[2], x.shape) if call.has(2) else y


WRITTEN: dict[str, Callable[[Call, Operands], Value]] = {
    "Gemm": _gemm,
    "Conv": _conv,
    "ConvTranspose": _transposed,
    "BatchNormalization": _batchnorm,
    "LayerNormalization": _layernorm,
}
