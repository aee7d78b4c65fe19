"""Exact arithmetic: rationals where the operators allow, rigorous balls where they do not.

The same real rules run here on object arrays of `flint.fmpq` (exact) and, after a transcendental function,
`flint.arb` (a ball that surely contains the value).  This is what the laws compare every bound with.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from functools import reduce
from typing import Any

import flint
import numpy as np

from workbench.graph import Array
from workbench.op import Meaning
from workbench.semantics.plan import Plan
from workbench.semantics.real import walk

exact = Meaning("exact", "the value, exactly: rationals, and rigorous balls after transcendental functions")


def rational(value: float) -> flint.fmpq:
    """A float or integer as the rational number that it is."""
    fraction = Fraction(value)
    return flint.fmpq(fraction.numerator, fraction.denominator)


def rationals(array: Array) -> Array:
    """An array of floats as an object array of rationals, exactly."""
    out = np.empty(array.shape, dtype=object)
    flat = out.reshape(-1)
    for i, value in enumerate(np.asarray(array).reshape(-1).tolist()):
        flat[i] = rational(value)
    return out


class ExactArithmetic:
    """The arithmetic namespace over `fmpq` and `arb` elements; `precision` is the balls' working precision in bits."""

    def __init__(self, precision: int = 200) -> None:
        self.precision = precision

    def _map(self, function: Callable[..., Any], *arrays: Any) -> Array:
        spread = np.broadcast_arrays(*[np.asarray(a, dtype=object) for a in arrays])
        out = np.empty(spread[0].shape, dtype=object)
        with flint.ctx.workprec(self.precision):
            for i in np.ndindex(out.shape):
                out[i] = function(*[a[i] for a in spread])
        return out

    def _ball(self, name: str) -> Callable[[Array], Array]:
        return lambda x: self._map(lambda v: getattr(flint.arb(v), name)(), x)

    def number(self, value: float) -> Any:
        return rational(value)

    def zeros(self, shape: tuple[int, ...], like: Array) -> Array:
        return np.full(shape, flint.fmpq(0), dtype=object)

    def add(self, x: Array, y: Any) -> Array:
        with flint.ctx.workprec(self.precision):
            return np.asarray(x + y)

    def sub(self, x: Array, y: Any) -> Array:
        with flint.ctx.workprec(self.precision):
            return np.asarray(x - y)

    def mul(self, x: Array, y: Any) -> Array:
        with flint.ctx.workprec(self.precision):
            return np.asarray(x * y)

    def div(self, x: Any, y: Any) -> Array:
        with flint.ctx.workprec(self.precision):
            return np.asarray(x / y)

    def neg(self, x: Array) -> Array:
        return np.asarray(-x)

    def cast(self, x: Array, to: str) -> Array:
        return x

    def rint(self, x: Array) -> Array:
        return self._map(_nearest, x)

    def whole(self, compute: Callable[..., Array], *pairs: tuple[Array, Array | None]) -> Array:
        """Everything is exact here."""
        operands = [x.astype(object) if z is None else x.astype(object) - z.astype(object) for x, z in pairs]
        return np.asarray(compute(self, *operands))

    def select(self, x: Array, y: Any, z: Any) -> Array:
        return np.asarray(np.where(x >= 0, y, z))

    def matmul(self, x: Array, y: Array) -> Array:
        with flint.ctx.workprec(self.precision):
            return np.asarray(np.matmul(x, y))

    def sum(self, x: Array, axis: tuple[int, ...]) -> Array:
        with flint.ctx.workprec(self.precision):
            return np.asarray(np.sum(x, axis=axis, keepdims=True), dtype=object)

    def max(self, x: Array, axis: tuple[int, ...]) -> Array:
        moved = np.moveaxis(x, axis, range(len(axis)))
        flat = moved.reshape(-1, *moved.shape[len(axis) :])
        return np.expand_dims(reduce(self.maximum, list(flat)), axis)

    def maximum(self, x: Array, y: Any) -> Array:
        return self._map(lambda a, b: _pick(a, b, largest=True), x, y)

    def minimum(self, x: Array, y: Any) -> Array:
        return self._map(lambda a, b: _pick(a, b, largest=False), x, y)

    def abs(self, x: Array) -> Array:
        return self._map(abs, x)

    def exp(self, x: Array) -> Array:
        return self._ball("exp")(x)

    def expm1(self, x: Array) -> Array:
        return self._ball("expm1")(x)

    def log(self, x: Array) -> Array:
        return self._ball("log")(x)

    def log1p(self, x: Array) -> Array:
        return self._ball("log1p")(x)

    def erf(self, x: Array) -> Array:
        return self._ball("erf")(x)

    def sqrt(self, x: Array) -> Array:
        return self._ball("sqrt")(x)

    def sin(self, x: Array) -> Array:
        return self._ball("sin")(x)

    def cos(self, x: Array) -> Array:
        return self._ball("cos")(x)

    def tanh(self, x: Array) -> Array:
        return self._ball("tanh")(x)

    def sigmoid(self, x: Array) -> Array:
        return self._map(lambda v: 1 / (1 + (-flint.arb(v)).exp()), x)

    def power(self, x: Array, y: Array) -> Array:
        def one(base: Any, exponent: Any) -> Any:
            whole = isinstance(exponent, int) or (isinstance(exponent, flint.fmpq) and exponent.q == 1)
            if whole and abs(exponent) < 1000:
                return base ** int(exponent)
            return flint.arb(base) ** flint.arb(exponent)

        return self._map(one, x, y)


def _pick(a: Any, b: Any, *, largest: bool) -> Any:
    if isinstance(a, flint.arb) or isinstance(b, flint.arb):
        return flint.arb(a).max(flint.arb(b)) if largest else flint.arb(a).min(flint.arb(b))
    return (max(a, b)) if largest else (min(a, b))


def _nearest(value: Any) -> Any:
    """The nearest integer, ties to even; of a ball whose ends have different ones, a ball with both."""
    if isinstance(value, flint.arb):
        if not value.is_finite():
            return value
        ends = [_nearest(_rational_of(end)) for end in (value.lower(), value.upper())]
        return ends[0] if ends[0] == ends[1] else flint.arb(ends[0]).union(flint.arb(ends[1]))
    value = flint.fmpq(value)
    whole, rest = divmod(int(value.p), int(value.q))
    twice = 2 * rest - int(value.q)
    return flint.fmpq(whole + (twice > 0 or (twice == 0 and whole % 2 == 1)))


def _rational_of(end: flint.arb) -> flint.fmpq:
    """An exact ball as the number that it is."""
    mantissa, exponent = end.man_exp()
    return flint.fmpq(mantissa) * flint.fmpq(2) ** int(exponent)


def run(plan: Plan, inputs: Mapping[str, Array], precision: int = 200) -> dict[str, Array]:
    """Every value of the network, exactly.

    Parameters
    ----------
    plan : the network.
    inputs : name -> float array (taken as the numbers they are) or object array of rationals, ``(B, *shape)``.
    precision : bits of the balls that transcendental functions give.

    Returns
    -------
    name -> object array of `fmpq` or `arb`, ``(B or 1, *shape)``.
    """
    ns = ExactArithmetic(precision)
    given = {name: np.asarray(inputs[name]) for name in plan.graph.inputs}
    given = {name: x if x.dtype == object else rationals(x) for name, x in given.items()}
    with flint.ctx.workprec(precision):
        return walk(plan, given, lambda name, _: _constant(plan.constants[name])[None], lambda _: ns)


def _constant(value: Array) -> Array:
    return rationals(value) if value.dtype.kind == "f" else value
