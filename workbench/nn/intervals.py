"""Intervals as nodes: what interval propagation computes, built of differentiable operators, to be trained through.

These bounds are for training: they are computed in the network's own floats, and nothing is charged for rounding.  What
is claimed of a network afterwards comes from the engine's sound bounds, never from here.

An interval is a pair (lower, upper) of values.  A map with weights w takes its centre by w and its radius by |w|.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from workbench.graph import Node
from workbench.nn import functional as F
from workbench.nn.value import Trace, Value
from workbench.op import UnsupportedOperator

Pair = tuple[Value, Value]
Rule = Callable[
    [Node, list[Any], Trace], Pair
]  # an operand is a Pair where it depends on the input, else a Value


def _centred(x: Pair) -> tuple[Value, Value]:
    return (x[0] + x[1]) * 0.5, (x[1] - x[0]) * 0.5


def _ends(centre: Value, radius: Value) -> Pair:
    return centre - radius, centre + radius


def _weighted(node: Node, operands: list[Any], trace: Trace) -> Pair:
    """Gemm, Conv, ConvTranspose and MatMul with weights on the right."""
    x, w, *rest = operands
    if not isinstance(x, tuple) or isinstance(w, tuple):
        raise UnsupportedOperator(f"{node.describe()}: intervals for training need weights on the right")
    centre, radius = _centred(x)
    size = F.abs_(w)
    if node.attrs.get("alpha", 1.0) != 1.0 or node.attrs.get("transA", 0):
        raise UnsupportedOperator(f"{node.describe()}: intervals for training need alpha = 1 and transA = 0")
    return _ends(
        trace.emit(node.op, [centre, w, *rest], node.attrs), trace.emit(node.op, [radius, size], node.attrs)
    )


def _monotone(node: Node, operands: list[Any], trace: Trace) -> Pair:
    """Functions that never fall, and what only moves elements: both ends go the same way."""
    (x, *rest) = operands
    found = [trace.emit(node.op, [end, *rest], node.attrs) for end in x]
    return found[0], found[1]


def _add(node: Node, operands: list[Any], trace: Trace) -> Pair:
    a, b = (v if isinstance(v, tuple) else (v, v) for v in operands)
    return trace.emit("Add", [a[0], b[0]]), trace.emit("Add", [a[1], b[1]])


def _sub(node: Node, operands: list[Any], trace: Trace) -> Pair:
    a, b = (v if isinstance(v, tuple) else (v, v) for v in operands)
    return trace.emit("Sub", [a[0], b[1]]), trace.emit("Sub", [a[1], b[0]])


def _neg(node: Node, operands: list[Any], trace: Trace) -> Pair:
    (x,) = operands
    return -x[1], -x[0]


def _scaled(node: Node, operands: list[Any], trace: Trace) -> Pair:
    a, b = operands
    x, w = (a, b) if isinstance(a, tuple) else (b, a)
    if isinstance(w, tuple):
        raise UnsupportedOperator(f"{node.describe()}: intervals for training need one factor to be a weight")
    centre, radius = _centred(x)
    return _ends(trace.emit("Mul", [centre, w]), trace.emit("Mul", [radius, F.abs_(w)]))


def _concat(node: Node, operands: list[Any], trace: Trace) -> Pair:
    both = [v if isinstance(v, tuple) else (v, v) for v in operands]
    low, high = ([v[end] for v in both] for end in (0, 1))
    return trace.emit("Concat", low, node.attrs), trace.emit("Concat", high, node.attrs)


def _batchnorm(node: Node, operands: list[Any], trace: Trace) -> Pair:
    """Centre as it is; the radius without shift and mean, its sign taken away."""
    x, gamma, _, _, var = operands
    centre, radius = _centred(x)
    zero = (gamma - gamma) * 1.0
    rest = trace.emit("BatchNormalization", [radius, F.abs_(gamma), zero, zero, var], node.attrs)
    return _ends(trace.emit(node.op, [centre, *operands[1:]], node.attrs), rest)


RULES: Mapping[str, Rule] = {
    **dict.fromkeys(("Gemm", "MatMul", "Conv", "ConvTranspose"), _weighted),
    **dict.fromkeys(
        ("Relu", "LeakyRelu", "Tanh", "Sigmoid", "Softplus", "Exp", "Clip", "MaxPool", "AveragePool"), _monotone
    ),
    "GlobalAveragePool": _monotone,
    **dict.fromkeys(
        ("Flatten", "Reshape", "Transpose", "Identity", "Dropout", "Slice", "Squeeze", "Unsqueeze", "Pad"), _monotone
    ),
    **dict.fromkeys(("ReduceSum", "ReduceMean", "ReduceMax"), _monotone),
    "Add": _add, "Sub": _sub, "Neg": _neg, "Mul": _scaled, "Concat": _concat, "BatchNormalization": _batchnorm,
}  # fmt: skip


def propagate(trace: Trace, source: Value, region: Pair, nodes: list[Node]) -> dict[str, Pair]:
    """Intervals of all nodes that depend on `source`, by name.

    Raises
    ------
    UnsupportedOperator
        An operator without a rule for training, or a use of one.
    """
    found: dict[str, Pair] = {source.name: region}
    for node in nodes:
        if not any(i in found for i in node.inputs):
            continue
        rule = RULES.get(node.op)
        if rule is None:
            raise UnsupportedOperator(f"{node.describe()} has no rule for intervals in training")
        operands = [found[i] if i in found else trace.known[i] for i in node.inputs if i]
        found[node.name] = rule(node, operands, trace)
    return found
