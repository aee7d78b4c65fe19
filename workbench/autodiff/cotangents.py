"""Gradients as nodes: for each operator, the vector-Jacobian product written with operators.

A rule is ``rule(node, operands, value, seed) -> one value an operand, or None``; all are values of one trace.  These
say in operators what the operators' own gradient rules say in numbers, so that a gradient is a graph like any other: it
can be shown, differentiated again, and bounded.  A law holds each of them equal to the gradient rule, number by number.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import pi, sqrt
from typing import Any

import numpy as np

from workbench.graph import Array, Node
from workbench.nn import functional as F
from workbench.nn.value import Value
from workbench.op import UnsupportedOperator

Found = Sequence[Value | None]
Rule = Callable[[Node, Sequence[Value | None], Value, Value], Found]
COTANGENTS: dict[str, Rule] = {}


def cotangent(*ops: str) -> Callable[[Rule], Rule]:
    """Register a rule for operators."""

    def register(rule: Rule) -> Rule:
        for op in ops:
            COTANGENTS[op] = rule
        return rule

    return register


def rule_of(node: Node) -> Rule:
    """The rule of a node's operator.

    Raises
    ------
    UnsupportedOperator
        Naming the node: its gradient is numbers only.
    """
    if node.op not in COTANGENTS:
        raise UnsupportedOperator(
            f"the gradient of {node.describe()} has no rule as a graph; numbers are there: grad, vjp, jacrev"
        )
    return COTANGENTS[node.op]


def number(like: Value, value: float) -> Value:
    """A number in the type of a value."""
    return like.trace.constant(np.asarray(value, like.dtype))


def constant_of(value: Value | None) -> Array | None:
    """What a value is, where it is a weight."""
    return None if value is None else value.trace.weights.get(value.name)


def unbroadcast(seed: Value, shape: tuple[int, ...]) -> Value:
    """The adjoint of broadcasting: sums over the axes that were repeated."""
    if seed.shape == shape:
        return seed
    extra = seed.ndim - len(shape)
    axes = tuple(range(extra)) + tuple(
        i + extra for i, n in enumerate(shape) if n == 1 and seed.shape[i + extra] != 1
    )
    return seed.sum(axes, keepdims=True).reshape(shape) if axes else seed.reshape(shape)


def spread(x: Value, rank: int) -> Value:
    """With axes of length 1 in front, so that ranks are equal."""
    return x if x.ndim in (0, rank) else x.reshape(*(1,) * (rank - x.ndim), *x.shape)


def fitted(found: Sequence[Value | None], operands: Sequence[Value | None]) -> Found:
    """Each gradient in its operand's shape."""
    return [
        None if v is None or o is None else unbroadcast(v, o.shape)
        for v, o in zip(found, operands, strict=True)
    ]


@cotangent("Add")
def _(node: Node, operands: Any, value: Value, seed: Value) -> Found:
    return fitted([seed, seed], operands)


@cotangent("Sub")
def _(node: Node, operands: Any, value: Value, seed: Value) -> Found:
    return fitted([seed, -seed], operands)


@cotangent("Neg")
def _(node: Node, operands: Any, value: Value, seed: Value) -> Found:
    return [-seed]


@cotangent("Mul")
def _(node: Node, operands: Any, value: Value, seed: Value) -> Found:
    a, b = (spread(x, seed.ndim) for x in operands)
    return fitted([seed * b, seed * a], operands)


@cotangent("Div")
def _(node: Node, operands: Any, value: Value, seed: Value) -> Found:
    b = spread(operands[1], seed.ndim)
    part = seed / b
    return fitted([part, -(part * value)], operands)


@cotangent("MatMul")
def _(node: Node, operands: Any, value: Value, seed: Value) -> Found:
    a, b = operands
    if a.ndim < 2 or b.ndim < 2:
        raise UnsupportedOperator(f"the gradient of {node.describe()} as a graph needs matrices, not vectors")
    return fitted([seed @ b.transpose(-1, -2), a.transpose(-1, -2) @ seed], operands)


@cotangent("Gemm")
def _(node: Node, operands: Any, value: Value, seed: Value) -> Found:
    a, b = operands[:2]
    ta, tb = bool(node.attrs.get("transA", 0)), bool(node.attrs.get("transB", 0))
    alpha, beta = float(node.attrs.get("alpha", 1.0)), float(node.attrs.get("beta", 1.0))  # type: ignore[arg-type]
    s = seed if alpha == 1 else seed * number(seed, alpha)
    by_a = s @ (b if tb else b.T)
    by_b = s.T @ (a.T if ta else a) if tb else (a if ta else a.T) @ s
    found = [by_a.T if ta else by_a, by_b]
    if len(operands) > 2:
        found.append(seed if beta == 1 else seed * number(seed, beta))
    return fitted(found, operands)


@cotangent("Relu")
def _(node: Node, operands: Any, value: Value, seed: Value) -> Found:
    return [seed * step(operands[0])]


@cotangent("LeakyRelu")
def _(node: Node, operands: Any, value: Value, seed: Value) -> Found:
    alpha = float(node.attrs.get("alpha", 0.01))  # type: ignore[arg-type]
    return [seed * (step(operands[0]) * (1 - alpha) + alpha)]


@cotangent("Abs")
def _(node: Node, operands: Any, value: Value, seed: Value) -> Found:
    return [seed * sign(operands[0])]


@cotangent("Sign")
def _(node: Node, operands: Any, value: Value, seed: Value) -> Found:
    return [None]


@cotangent("Max", "Min")
def _(node: Node, operands: Any, value: Value, seed: Value) -> Found:
    if len(operands) != 2:
        raise UnsupportedOperator(f"the gradient of {node.describe()} as a graph needs two operands")
    a, b = (spread(x, seed.ndim) for x in operands)
    ahead = (
        step(b - a) if node.op == "Max" else step(a - b)
    )  # 1 where the second is chosen; ties go to the first
    second = seed * ahead
    return fitted([seed - second, second], operands)


@cotangent("Clip")
def _(node: Node, operands: Any, value: Value, seed: Value) -> Found:
    x, *ends = operands
    low, high = (*ends, None, None)[:2]
    inside: Value | None = None
    for end, turned in ((low, False), (high, True)):
        if end is None:
            continue
        part = step(spread(end, x.ndim) - x) if turned else step(x - spread(end, x.ndim))
        inside = part if inside is None else inside * part
    return [seed if inside is None else seed * inside, *(None for _ in ends)]


def sign(x: Value) -> Value:
    """-1, 0 or 1."""
    return x.trace.emit("Sign", [x], dims=x.dims)


def step(x: Value) -> Value:
    """1 where x > 0, else 0."""
    return F.relu(sign(x))


@cotangent("Tanh")
def _(node: Node, operands: Any, value: Value, seed: Value) -> Found:
    return [seed * (1.0 - value * value)]


@cotangent("Sigmoid")
def _(node: Node, operands: Any, value: Value, seed: Value) -> Found:
    return [seed * (value * (1.0 - value))]


@cotangent("Softplus")
def _(node: Node, operands: Any, value: Value, seed: Value) -> Found:
    return [seed * F.sigmoid(operands[0])]


@cotangent("Swish")
def _(node: Node, operands: Any, value: Value, seed: Value) -> Found:
    if node.attrs.get("alpha", 1.0) != 1.0:
        raise UnsupportedOperator(f"the gradient of {node.describe()} as a graph needs alpha = 1")
    gate = F.sigmoid(operands[0])
    return [seed * (gate + value * (1.0 - gate))]


@cotangent("Erf")
def _(node: Node, operands: Any, value: Value, seed: Value) -> Found:
    return [seed * (F.exp(-(operands[0] * operands[0])) * (2 / sqrt(pi)))]


@cotangent("Elu")
def _(node: Node, operands: Any, value: Value, seed: Value) -> Found:
    """1 where x > 0, else y + alpha."""
    on, alpha = step(operands[0]), float(node.attrs.get("alpha", 1.0))  # type: ignore[arg-type]
    return [seed * (on + (1.0 - on) * (value + alpha))]


@cotangent("Gelu")
def _(node: Node, operands: Any, value: Value, seed: Value) -> Found:
    if node.attrs.get("approximate", "none") != "none":
        raise UnsupportedOperator(f"the gradient of {node.describe()} as a graph needs the form with erf")
    x = operands[0]
    below = (F.erf(x * sqrt(0.5)) + 1.0) * 0.5
    return [seed * (below + x * (F.exp((x * x) * -0.5) * (1 / sqrt(2 * pi))))]


@cotangent("Exp")
def _(node: Node, operands: Any, value: Value, seed: Value) -> Found:
    return [seed * value]


@cotangent("Log")
def _(node: Node, operands: Any, value: Value, seed: Value) -> Found:
    return [seed / operands[0]]


@cotangent("Sqrt")
def _(node: Node, operands: Any, value: Value, seed: Value) -> Found:
    return [(seed * 0.5) / value]


@cotangent("Sin")
def _(node: Node, operands: Any, value: Value, seed: Value) -> Found:
    return [seed * F.cos(operands[0])]


@cotangent("Cos")
def _(node: Node, operands: Any, value: Value, seed: Value) -> Found:
    return [-(seed * F.sin(operands[0]))]


@cotangent("Reciprocal")
def _(node: Node, operands: Any, value: Value, seed: Value) -> Found:
    return [-(seed * (value * value))]


@cotangent("Pow")
def _(node: Node, operands: Any, value: Value, seed: Value) -> Found:
    exponent = constant_of(operands[1])
    if exponent is None or exponent.size != 1:
        raise UnsupportedOperator(f"the gradient of {node.describe()} as a graph needs one constant exponent")
    p = float(exponent.reshape(-1)[0])
    return [seed * ((operands[0] ** (p - 1)) * p), None]


@cotangent("Softmax")
def _(node: Node, operands: Any, value: Value, seed: Value) -> Found:
    axis = int(node.attrs.get("axis", -1))  # type: ignore[arg-type]
    if node.attrs.get("flatten"):
        raise UnsupportedOperator(f"the gradient of {node.describe()} as a graph needs one axis")
    return [value * (seed - (seed * value).sum(axis, keepdims=True))]
