"""Expected rounding errors: a prediction, never a bound.

Taken as independent and uniform, a rounding of a number s has the variance (u ufp(s))^2 / 3 (Higham & Mary 2019 take
rounding errors as random; the uniform law is a rule of thumb).  Every node is run by its own real rule on pairs of a
number and the variance of its own rounding errors, sums sequentially; the variances of all neurons then add up at a
chosen node with the squares of its derivatives.  What storing weights and inputs changes is known and not random.

A pair is carried as one complex number, value + i variance, so that data movement moves both.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from workbench.floats.errors import unit_of
from workbench.floats.format import Format, ufp
from workbench.floats.program import Semantics, program_of
from workbench.graph import Array, Node
from workbench.semantics.gradient import vjp
from workbench.semantics.ieee import FUNCTIONS, stored
from workbench.semantics.plan import Plan
from workbench.semantics.real import FLOAT, run, walk

ROWS = 64  # elements whose derivatives are taken at once


class Pairs:
    """The arithmetic namespace of real rules on value + i variance."""

    def __init__(self, program: Semantics) -> None:
        self.program, self.form = program, program.accumulator
        self.square = unit_of(self.form, program.mode) ** 2 / 3

    def _rounded(self, value: Array, variance: Array | float) -> Array:
        return np.asarray(value + 1j * (variance + self.square * ufp(np.abs(value)) ** 2))

    def number(self, value: float) -> Any:
        """An exact number."""
        return np.asarray(value, complex)

    def zeros(self, shape: tuple[int, ...], like: Array) -> Array:
        """Exact zeros."""
        return np.zeros(shape, complex)

    def add(self, x: Array, y: Any) -> Array:
        """x + y; adding 0 rounds nothing."""
        y = np.asarray(y)
        total, variance = x.real + y.real, x.imag + y.imag
        some = (x.real != 0) & (y.real != 0)
        return np.asarray(
            total + 1j * (variance + np.where(some, self.square * ufp(np.abs(total)) ** 2, 0.0))
        )

    def sub(self, x: Array, y: Any) -> Array:
        """x - y."""
        return self.add(x, self.neg(np.asarray(y)))

    def mul(self, x: Array, y: Any) -> Array:
        """x y."""
        y = np.asarray(y)
        return self._rounded(x.real * y.real, x.imag * y.real**2 + y.imag * x.real**2)

    def div(self, x: Any, y: Any) -> Array:
        """x / y."""
        x, y = np.asarray(x), np.asarray(y)
        found = x.real / y.real
        return self._rounded(found, (x.imag + y.imag * found**2) / y.real**2)

    def neg(self, x: Array) -> Array:
        """-x."""
        return np.asarray(-x.real + 1j * x.imag)

    def cast(self, x: Array, to: str) -> Array:
        """x."""
        return x

    def select(self, x: Array, y: Any, z: Any) -> Array:
        """y where x >= 0, else z."""
        return np.where(x.real >= 0, y, z)

    def maximum(self, x: Array, y: Any) -> Array:
        """The larger."""
        return np.where(x.real >= np.real(y), x, y)

    def minimum(self, x: Array, y: Any) -> Array:
        """The smaller."""
        return np.where(x.real <= np.real(y), x, y)

    def abs(self, x: Array) -> Array:
        """|x|."""
        return np.asarray(np.abs(x.real) + 1j * x.imag)

    def max(self, x: Array, axis: tuple[int, ...]) -> Array:
        """The largest over axes: of its pair, the value's own."""
        away = sorted(a % x.ndim for a in axis)
        last = np.moveaxis(x, away, range(x.ndim - len(away), x.ndim))
        flat = last.reshape(*last.shape[: x.ndim - len(away)], -1)
        at = np.argmax(flat.real, axis=-1)[..., None]
        kept = [1 if i in away else n for i, n in enumerate(x.shape)]
        return np.take_along_axis(flat, at, axis=-1).reshape(kept)

    def matmul(self, x: Array, y: Array) -> Array:
        """The product, each sum from the first product to the last."""
        total: Array | None = None
        for k in range(x.shape[-1]):
            term = self.mul(x[..., :, k, None], y[..., k, None, :])
            total = term if total is None else self.add(total, term)
        shape = (*np.broadcast_shapes(x.shape[:-2], y.shape[:-2]), x.shape[-2], y.shape[-1])
        return np.zeros(shape, complex) if total is None else total

    def sum(self, x: Array, axis: tuple[int, ...]) -> Array:
        """The sum over axes, from the first element to the last."""
        away = sorted(a % x.ndim for a in axis)
        last = np.moveaxis(x, away, range(x.ndim - len(away), x.ndim))
        flat = last.reshape(*last.shape[: x.ndim - len(away)], -1)
        total = flat[..., 0] if flat.shape[-1] else np.zeros(flat.shape[:-1], complex)
        for k in range(1, flat.shape[-1]):
            total = self.add(total, flat[..., k])
        return total.reshape([1 if i in away else n for i, n in enumerate(x.shape)])

    def __getattr__(self, name: str) -> Any:
        if name in (*FUNCTIONS, "sqrt"):
            return lambda *operands: self._function(name, *operands)
        raise AttributeError(name)

    def _function(self, name: str, x: Array, *rest: Array) -> Array:
        """A library function, taken as correctly rounded; its derivative by a difference."""
        f, more = getattr(FLOAT, name), [r.real for r in rest]
        step = 1e-6 * np.maximum(np.abs(x.real), 1e-3)
        slope = (f(x.real + step, *more) - f(x.real - step, *more)) / (2 * step)
        return self._rounded(f(x.real, *more), np.where(x.imag > 0, slope**2 * x.imag, 0.0))


def local_variances(
    plan: Plan, inputs: Mapping[str, Array], program: str | Semantics = "binary32"
) -> tuple[dict[str, Array], dict[str, Array]]:
    """Of every node at the given inputs: its value with stored weights, and the variance of its own rounding.

    Returns
    -------
    Two mappings name -> ``(B or 1, *shape)``; inputs are rounded to the program's format first.
    """
    program = program_of(program)

    def lift(name: str, node: Node | None) -> Array:
        own = program if node is None else program.at(node.name)
        held = stored(plan.constants[name], own, own.weights)[None]
        return held.astype(complex) if held.dtype.kind == "f" else held

    def store(node: Node, x: Array) -> Array:
        own = program.at(node.name)
        return x + 1j * _variance(np.abs(x.real), own.activations) if own.mixed and x.dtype.kind == "c" else x

    given = {}
    for name in plan.graph.inputs:
        own = program.at(name)
        given[name] = stored(np.asarray(inputs[name]), own, own.activations).astype(complex)
    with np.errstate(all="ignore"):
        found = walk(
            plan,
            given,
            lift,
            lambda node: Pairs(program.at(node.name)),
            store,
            lambda _, x: x.real.astype(complex) if x.dtype.kind == "c" else x,
        )
    return {k: v.real for k, v in found.items()}, {k: v.imag for k, v in found.items()}


def _variance(size: Array, form: Format) -> Array:
    return np.asarray((form.unit * ufp(size)) ** 2 / 3)


def expected_errors(
    plan: Plan,
    inputs: Mapping[str, Array],
    program: str | Semantics = "binary32",
    node: str | None = None,
) -> Array:
    """The root-mean-square rounding error that the random model predicts at a node; real errors may exceed it.

    Parameters
    ----------
    plan : the network; every operator on the way needs a gradient.
    inputs : name -> ``(S, *shape)``, the points.
    program : the float program.
    node : which node; None for the first output.

    Returns
    -------
    ``(S, *shape)``: sqrt(m^2 + variance) at each point, m what storing weights and inputs does.
    """
    target = plan.graph.outputs[0] if node is None else node
    shape, size = plan.graph[target].shape, plan.graph[target].size
    count = len(next(iter(inputs.values())))
    found = np.zeros((count, size))
    exactly = run(plan, inputs, np.float64)[target]
    for s in range(count):
        point = {name: np.asarray(x)[s : s + 1] for name, x in inputs.items()}
        values, variances = local_variances(plan, point, program)
        for first in range(0, size, ROWS):
            rows = np.eye(size)[first : first + ROWS]
            slopes = _slopes(plan, point, target, rows.reshape(len(rows), *shape))
            with np.errstate(all="ignore"):
                parts = [
                    (slopes[k] ** 2 * variances[k]).reshape(len(rows), -1).sum(axis=1)
                    for k in slopes
                    if k in variances
                ]
            found[s, first : first + ROWS] = np.sum(parts, axis=0)
        moved = (values[target] - exactly[min(s, len(exactly) - 1)]).reshape(-1)
        found[s] = np.sqrt(found[s] + moved**2)
    return found.reshape(count, *shape)


def _slopes(plan: Plan, point: dict[str, Array], target: str, rows: Array) -> dict[str, Array]:
    """The gradients of rows at a point by node, ``(R, *shape)`` each.

    A value that does not depend on the input is one for all rows, and its gradient would be the rows' sum: then they
    are taken one by one.
    """
    many = {k: np.repeat(x, len(rows), axis=0) for k, x in point.items()}
    _, found = vjp(plan, many, {target: rows})
    if all(len(v) == len(rows) for v in found.values()):
        return dict(found)
    single = [vjp(plan, point, {target: row[None]})[1] for row in rows]
    return {k: np.concatenate([one[k] for one in single]) for k in found}
