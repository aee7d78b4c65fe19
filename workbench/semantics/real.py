"""Real arithmetic, approximated in a float type: what the network computes.

A real rule is ``rule(call, ns, *operands) -> array``: `ns` is an arithmetic namespace, so that one definition runs on
float arrays, exact rationals and balls.  Data movement uses NumPy itself, which moves any elements.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from workbench.graph import Array, GraphError
from workbench.op import Meaning, rule_for

if TYPE_CHECKING:
    from workbench.semantics.plan import Plan

real = Meaning("real", "the value, in real arithmetic; executed in floats by NumPy")


class Arithmetic(Protocol):
    """The operations that real rules are written in (elements: floats, rationals or balls)."""

    def number(self, value: float) -> Any: ...
    def zeros(self, shape: tuple[int, ...], like: Array) -> Array: ...
    def matmul(self, x: Array, y: Array) -> Array: ...
    def sum(self, x: Array, axis: tuple[int, ...]) -> Array: ...
    def max(self, x: Array, axis: tuple[int, ...]) -> Array: ...
    def maximum(self, x: Array, y: Any) -> Array: ...
    def minimum(self, x: Array, y: Any) -> Array: ...
    def abs(self, x: Array) -> Array: ...
    def exp(self, x: Array) -> Array: ...
    def log(self, x: Array) -> Array: ...
    def sqrt(self, x: Array) -> Array: ...
    def sin(self, x: Array) -> Array: ...
    def cos(self, x: Array) -> Array: ...
    def tanh(self, x: Array) -> Array: ...
    def sigmoid(self, x: Array) -> Array: ...
    def power(self, x: Array, y: Array) -> Array: ...


class FloatArithmetic:
    """NumPy's floats: the element type of the operands is the element type of the result."""

    def number(self, value: float) -> Any:
        return value

    def zeros(self, shape: tuple[int, ...], like: Array) -> Array:
        return np.zeros(shape, like.dtype)

    def matmul(self, x: Array, y: Array) -> Array:
        return np.matmul(x, y)

    def sum(self, x: Array, axis: tuple[int, ...]) -> Array:
        return np.asarray(np.sum(x, axis=axis, keepdims=True, dtype=x.dtype))

    def max(self, x: Array, axis: tuple[int, ...]) -> Array:
        return np.asarray(np.max(x, axis=axis, keepdims=True))

    def maximum(self, x: Array, y: Any) -> Array:
        return np.asarray(np.maximum(x, y))

    def minimum(self, x: Array, y: Any) -> Array:
        return np.asarray(np.minimum(x, y))

    def abs(self, x: Array) -> Array:
        return np.asarray(np.abs(x))

    def exp(self, x: Array) -> Array:
        return np.asarray(np.exp(x))

    def log(self, x: Array) -> Array:
        return np.asarray(np.log(x))

    def sqrt(self, x: Array) -> Array:
        return np.asarray(np.sqrt(x))

    def sin(self, x: Array) -> Array:
        return np.asarray(np.sin(x))

    def cos(self, x: Array) -> Array:
        return np.asarray(np.cos(x))

    def tanh(self, x: Array) -> Array:
        return np.asarray(np.tanh(x))

    def sigmoid(self, x: Array) -> Array:
        # exp of a non-positive number only: no overflow, and full relative accuracy in the left tail
        e = np.exp(-np.abs(x))
        return np.asarray(np.where(x >= 0, 1 / (1 + e), e / (1 + e)))

    def power(self, x: Array, y: Array) -> Array:
        return np.asarray(np.power(x, y))


FLOAT: Arithmetic = FloatArithmetic()


def run(plan: Plan, inputs: Mapping[str, Array], dtype: Any = None) -> dict[str, Array]:
    """Every value of the network.

    Parameters
    ----------
    plan : the network.
    inputs : name -> array of shape ``(B, *shape)``.
    dtype : float type to compute in; None keeps the file's own types.

    Returns
    -------
    name -> array of shape ``(B or 1, *shape)``; 1 where a node does not depend on the input.
    """

    def cast(a: Array) -> Array:
        return a.astype(dtype) if dtype is not None and a.dtype.kind == "f" else a

    values: dict[str, Array] = {}
    for name in plan.graph.inputs:
        values[name] = cast(np.asarray(inputs[name]))
    for step in plan.steps:
        operands = [
            None if o is None else cast(plan.constants[o])[None] if o in plan.constants else values[o]
            for o in step.operands
        ]
        rule = rule_for(step.node, real)
        with np.errstate(all="ignore"):
            result = np.asarray(rule(step.call, FLOAT, *operands))
        if result.shape[1:] != step.node.shape:
            raise GraphError(
                f"{step.node.describe()} gave shape {result.shape[1:]}, expected {step.node.shape}"
            )
        values[step.node.name] = result
    for name in plan.graph.outputs:
        if name in plan.constants:
            values[name] = cast(plan.constants[name])[None]
    return values
