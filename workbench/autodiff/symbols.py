"""The Jacobian that SymPy finds: the operators' own real rules, run on symbols, then differentiated and evaluated."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import sympy  # type: ignore[import-untyped]

from workbench.graph import Array, Graph
from workbench.semantics.plan import plan_of
from workbench.semantics.real import walk

DIGITS = 30


def _each(function: Callable[..., Any]) -> Callable[..., Array]:
    whole = np.frompyfunc(function, 1, 1)
    return lambda x: np.asarray(whole(x), dtype=object)


class Symbols:
    """Arithmetic on arrays of SymPy expressions."""

    exp = staticmethod(_each(sympy.exp))
    log = staticmethod(_each(sympy.log))
    sqrt = staticmethod(_each(sympy.sqrt))
    sin = staticmethod(_each(sympy.sin))
    cos = staticmethod(_each(sympy.cos))
    tanh = staticmethod(_each(sympy.tanh))
    expm1 = staticmethod(_each(lambda x: sympy.exp(x) - 1))
    log1p = staticmethod(_each(lambda x: sympy.log(1 + x)))
    erf = staticmethod(_each(sympy.erf))
    abs = staticmethod(_each(sympy.Abs))
    sigmoid = staticmethod(_each(lambda x: 1 / (1 + sympy.exp(-x))))

    def number(self, value: float) -> Any:
        return sympy.Rational(*float(value).as_integer_ratio())

    def zeros(self, shape: tuple[int, ...], like: Array) -> Array:
        return np.full(shape, sympy.Integer(0), dtype=object)

    def add(self, x: Any, y: Any) -> Any:
        return x + y

    def sub(self, x: Any, y: Any) -> Any:
        return x - y

    def mul(self, x: Any, y: Any) -> Any:
        return x * y

    def div(self, x: Any, y: Any) -> Any:
        return x / y

    def neg(self, x: Any) -> Any:
        return -x

    def cast(self, x: Array, to: str) -> Array:
        return x

    def matmul(self, x: Array, y: Array) -> Array:
        return np.asarray(np.matmul(x, y))

    def sum(self, x: Array, axis: tuple[int, ...]) -> Array:
        return np.asarray(np.sum(x, axis=axis, keepdims=True))

    def max(self, x: Array, axis: tuple[int, ...]) -> Array:
        """Only softmax asks, and only differences of its operands count: any element will do."""
        return np.asarray(np.take(x, [0], axis=axis[0]))

    def maximum(self, x: Any, y: Any) -> Array:
        return np.asarray(np.frompyfunc(sympy.Max, 2, 1)(x, y), dtype=object)

    def minimum(self, x: Any, y: Any) -> Array:
        return np.asarray(np.frompyfunc(sympy.Min, 2, 1)(x, y), dtype=object)

    def power(self, x: Array, y: Array) -> Array:
        return np.asarray(x**y)


def jacobian(graph: Graph, points: Mapping[str, Array]) -> dict[str, Array]:
    """Derivatives of the output by every input, ``(outputs, inputs)``, at one point each."""
    plan, one = plan_of(graph), Symbols()
    symbols: dict[str, Array] = {}
    for name in graph.inputs:
        flat = [sympy.Symbol(f"{name}_{i}", real=True) for i in range(points[name].size)]
        symbols[name] = np.array(flat, dtype=object).reshape(points[name].shape)

    def lift(name: str, node: Any) -> Array:
        held = plan.constants[name]
        if held.dtype.kind != "f":
            return held[None]
        exact = [one.number(v) for v in held.reshape(-1).tolist()]
        return np.array(exact, dtype=object).reshape(1, *held.shape)

    outputs = walk(plan, symbols, lift, lambda node: one)[graph.outputs[0]].reshape(-1)
    at = {
        s: sympy.Rational(*float(v).as_integer_ratio())
        for name in graph.inputs
        for s, v in zip(symbols[name].reshape(-1), points[name].reshape(-1), strict=True)
    }
    found = {}
    for name in graph.inputs:
        rows = [
            [float(sympy.diff(y, s).subs(at).evalf(DIGITS)) for s in symbols[name].reshape(-1)]
            for y in outputs
        ]
        found[name] = np.array(rows)
    return found
