"""Real arithmetic, approximated in a float type: what the network computes.

A real rule is ``rule(call, ns, *operands) -> array``: `ns` is an arithmetic namespace, so that one definition runs on
float arrays, exact rationals and balls, and in any number format and order of summation.  Every operation on numbers
goes through `ns`; data movement uses NumPy itself, which moves any elements.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from workbench.arrays import elementary
from workbench.arrays.device import array, beside
from workbench.floats.functions import sigmoid
from workbench.graph import Array, GraphError, Node
from workbench.op import Meaning, rule_for

if TYPE_CHECKING:
    from workbench.semantics.plan import Plan

real = Meaning("real", "the value, in real arithmetic; executed in floats by NumPy")


class Arithmetic(Protocol):
    """The operations that real rules are written in (elements: floats, rationals or balls)."""

    def number(self, value: float) -> Any: ...
    def zeros(self, shape: tuple[int, ...], like: Array) -> Array: ...
    def add(self, x: Array, y: Any) -> Array: ...
    def sub(self, x: Array, y: Any) -> Array: ...
    def mul(self, x: Array, y: Any) -> Array: ...
    def div(self, x: Any, y: Any) -> Array: ...
    def neg(self, x: Array) -> Array: ...
    def cast(self, x: Array, to: str) -> Array: ...
    def rint(self, x: Array) -> Array: ...
    def whole(self, compute: Callable[..., Array], *pairs: tuple[Array, Array | None]) -> Array: ...
    def select(self, x: Array, y: Any, z: Any) -> Array: ...
    def matmul(self, x: Array, y: Array) -> Array: ...
    def sum(self, x: Array, axis: tuple[int, ...]) -> Array: ...
    def max(self, x: Array, axis: tuple[int, ...]) -> Array: ...
    def maximum(self, x: Array, y: Any) -> Array: ...
    def minimum(self, x: Array, y: Any) -> Array: ...
    def abs(self, x: Array) -> Array: ...
    def exp(self, x: Array) -> Array: ...
    def expm1(self, x: Array) -> Array: ...
    def log(self, x: Array) -> Array: ...
    def log1p(self, x: Array) -> Array: ...
    def erf(self, x: Array) -> Array: ...
    def sqrt(self, x: Any) -> Any: ...
    def sin(self, x: Array) -> Array: ...
    def cos(self, x: Array) -> Array: ...
    def tanh(self, x: Array) -> Array: ...
    def sigmoid(self, x: Array) -> Array: ...
    def power(self, x: Array, y: Array) -> Array: ...


class FloatArithmetic:
    """NumPy's floats: the element type of the operands is the element type of the result."""

    def memory(self, name: str, shape: tuple[int, ...], dtype: Any) -> Array:
        """Memory for a rule that says itself where machine floats lie; a planned run gives the same one every time."""
        return np.empty(shape, dtype)

    def number(self, value: float) -> Any:
        return value

    def zeros(self, shape: tuple[int, ...], like: Array) -> Array:
        return np.zeros(shape, like.dtype)

    def add(self, x: Array, y: Any) -> Array:
        return array(np.add(x, y))

    def sub(self, x: Array, y: Any) -> Array:
        return array(np.subtract(x, y))

    def mul(self, x: Array, y: Any) -> Array:
        return array(np.multiply(x, y))

    def div(self, x: Any, y: Any) -> Array:
        return array(np.divide(x, y))

    def neg(self, x: Array) -> Array:
        return array(np.negative(x))

    def cast(self, x: Array, to: str) -> Array:
        """x: a real number has no element type."""
        return x

    def rint(self, x: Array) -> Array:
        """The nearest integer, ties to even."""
        return array(np.rint(x))

    def whole(self, compute: Callable[..., Array], *pairs: tuple[Array, Array | None]) -> Array:
        """``compute(ns, *differences)`` in integers, then as floats: sums of codes less their zero points.

        Exact as long as sums stay below 2^53; the result is rounded once, to the first float type among the operands.
        """
        kinds = [x.dtype for x, _ in pairs if x.dtype.kind == "f"]
        found = compute(FLOAT, *[differences(x, z) for x, z in pairs])
        return np.asarray(found.astype(kinds[0] if kinds else np.float32))

    def select(self, x: Array, y: Any, z: Any) -> Array:
        """y where x >= 0, else z."""
        return array(np.where(x >= 0, y, z))

    def matmul(self, x: Array, y: Array) -> Array:
        return array(np.matmul(x, y))

    def sum(self, x: Array, axis: tuple[int, ...]) -> Array:
        return array(np.sum(x, axis=axis, keepdims=True, dtype=x.dtype))

    def max(self, x: Array, axis: tuple[int, ...]) -> Array:
        return array(np.max(x, axis=axis, keepdims=True))

    def maximum(self, x: Array, y: Any) -> Array:
        return array(np.maximum(x, y))

    def minimum(self, x: Array, y: Any) -> Array:
        return array(np.minimum(x, y))

    def abs(self, x: Array) -> Array:
        return array(np.abs(x))

    def exp(self, x: Array) -> Array:
        return array(np.exp(x))

    def expm1(self, x: Array) -> Array:
        return array(np.expm1(x))

    def log(self, x: Array) -> Array:
        return array(np.log(x))

    def log1p(self, x: Array) -> Array:
        return array(np.log1p(x))

    def erf(self, x: Array) -> Array:
        # NumPy has none: the lower end of an enclosure, at most one float64 off
        wide = np.asarray(x, np.float64)
        return np.asarray(
            np.where(np.isnan(wide), np.nan, elementary.erf(wide, wide)[0]).astype(np.asarray(x).dtype)
        )

    def sqrt(self, x: Any) -> Any:
        if isinstance(x, float):  # a number of a formula, which takes on the type of what it meets
            return math.sqrt(x)
        return array(np.sqrt(x))

    def sin(self, x: Array) -> Array:
        return array(np.sin(x))

    def cos(self, x: Array) -> Array:
        return array(np.cos(x))

    def tanh(self, x: Array) -> Array:
        return array(np.tanh(x))

    def sigmoid(self, x: Array) -> Array:
        return sigmoid(x)

    def power(self, x: Array, y: Array) -> Array:
        return array(np.power(x, y))


FLOAT: Arithmetic = FloatArithmetic()


def differences(x: Array, zero: Array | None) -> Array:
    """x less its zero point, in float64: exact for codes."""
    wide = np.asarray(x, np.float64)
    return wide if zero is None else np.asarray(wide - zero)


def walk(
    plan: Plan,
    inputs: Mapping[str, Array],
    lift: Callable[[str, Node | None], Array],
    arithmetic: Callable[[Node], Any],
    store: Callable[[Node, Array], Array] = lambda node, value: value,
    load: Callable[[Node, Array], Array] = lambda node, value: value,
) -> dict[str, Array]:
    """Every value of the network by its real rules, in any arithmetic.

    Parameters
    ----------
    plan : the network.
    inputs : name -> array ``(B, *shape)``, of the elements that the arithmetic computes with.
    lift : (constant's name, node that uses it or None) -> its elements, ``(1, *shape)``.
    arithmetic : node -> the namespace that its rule runs in.
    store : what becomes of a node's result before others use it.
    load : what becomes of a computed value or an input before a node uses it.

    Returns
    -------
    name -> array ``(B or 1, *shape)``; 1 where a node does not depend on the input.

    Raises
    ------
    GraphError
        A rule whose result has another shape than its node.
    """
    values = {name: array(inputs[name]) for name in plan.graph.inputs}
    for step in plan.steps:
        node = step.node
        operands = [
            None if o is None else lift(o, node) if o in plan.constants else load(node, values[o])
            for o in step.operands
        ]
        result = array(rule_for(node, real)(step.call, arithmetic(node), *operands))
        if result.shape[1:] != node.shape:
            raise GraphError(f"{node.describe()} gave shape {result.shape[1:]}, expected {node.shape}")
        values[node.name] = store(node, result)
    for name in plan.graph.outputs:
        if name in plan.constants:
            values[name] = lift(name, None)
    return values


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

    def lift(name: str, node: Node | None) -> Array:
        value = plan.constants[name]
        if dtype is None and value.dtype.kind == "f" and name in plan.graph.by_name:
            value = value.astype(plan.graph[name].dtype, copy=False)  # what was folded exactly is wider
        return cast(beside(value, like))[None] if value.dtype.kind == "f" else value[None]

    given = {name: cast(array(inputs[name])) for name in plan.graph.inputs}
    like = next(iter(given.values()), np.zeros(()))  # weights meet the inputs where those are
    with np.errstate(all="ignore"):
        return walk(plan, given, lift, lambda _: FLOAT)
