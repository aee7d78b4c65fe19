"""Composed: the rounding error of an operator whose real rule is a short formula, by the formula itself.

An arithmetic namespace like any other (`real.Arithmetic`): its elements are a range of exact values and a bound on how
far the program's value is from the exact one of the same (float) operands.  So an operator's rounding rule is its real
rule, run once more, and needs no analysis by hand (running error analysis, Wilkinson 1986, over ranges).

With |a' - a| <= d and |b' - b| <= e for computed a', b' and exact a, b, each step has two parts:

propagated   sum: d + e.  Product: |a| e + |b| d + d e.  Quotient: (d + |a/b| e) / (|b| - e).  A function f: d times a
             bound on |f'| between a and a'.  Maximum, selection: the larger of the two.
of the step  what rounding the exact result of the computed operands does, `floats.errors.rounding_error`, at the
             largest size that this result may have; for a library function what is assumed about it.

Everything here is a non-negative float64 number made larger by `raised`, or a range rounded outward.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from workbench.arrays import elementary as e
from workbench.floats.errors import raised, rounding_error, times
from workbench.floats.program import Semantics
from workbench.graph import Array
from workbench.semantics.interval import Interval, outward, product, whole_where_nan


@dataclass(frozen=True, slots=True, eq=False)
class Computed:
    """Numbers of a float program.

    Parameters
    ----------
    exact : range of the exact values.
    error : bound on |computed - exact|, of the same shape.
    """

    exact: Interval
    error: Array

    @property
    def size(self) -> Array:
        """A bound on the computed numbers."""
        return raised(self.exact.magnitude + self.error)

    @property
    def reach(self) -> Interval:
        """A range of both the exact and the computed numbers."""
        return outward(self.exact.lo - self.error, self.exact.hi + self.error)


class ComposedErrors:
    """The arithmetic namespace, for one program; elements are `Computed`.

    Parameters
    ----------
    program : the float program; refuses what it has no bounds for, as it is used.

    Attributes
    ----------
    used : the library functions that the formula called, of which something is assumed.
    """

    def __init__(self, program: Semantics) -> None:
        self.program = program
        self.form, self.mode = program.target(program.accumulator), program.mode
        self.used: list[str] = []

    def _rounded(self, exact: Interval, carried: Array) -> Computed:
        """The exact result of the operands, then one rounding of the computed operands' result."""
        size = raised(exact.magnitude + carried)
        return Computed(exact, _known(raised(carried + rounding_error(size, self.form, self.mode), 2)))

    def number(self, value: float) -> Computed:
        """A number of the formula, rounded to the format."""
        stored = self.program.rounded(value, self.program.accumulator)
        at = np.asarray(value, np.float64)
        return Computed(Interval(at, at), raised(np.abs(stored - at)))

    def add(self, x: Computed, y: Computed) -> Computed:
        exact = outward(x.exact.lo + y.exact.lo, x.exact.hi + y.exact.hi)
        return self._rounded(exact, raised(x.error + y.error))

    def sub(self, x: Computed, y: Computed) -> Computed:
        return self.add(x, self.neg(y))

    def mul(self, x: Computed, y: Computed) -> Computed:
        carried = (
            times(x.exact.magnitude, y.error) + times(y.exact.magnitude, x.error) + times(x.error, y.error)
        )
        return self._rounded(product(x.exact, y.exact), raised(carried, 3))

    def div(self, x: Computed, y: Computed) -> Computed:
        one = Interval(*e.recip(y.exact.lo, y.exact.hi))
        exact = product(x.exact, one)
        least = np.minimum(np.abs(y.exact.lo), np.abs(y.exact.hi)) * (1 - 2.0**-50) - y.error
        crosses = (y.exact.lo <= 0) & (y.exact.hi >= 0) | (least <= 0)
        over = raised(x.error + times(exact.magnitude, y.error), 2) / np.where(crosses, 1.0, least)
        return self._rounded(exact, np.where(crosses, np.inf, raised(over)))

    def neg(self, x: Computed) -> Computed:
        return Computed(Interval(-x.exact.hi, -x.exact.lo), x.error)

    def abs(self, x: Computed) -> Computed:
        low, high = np.abs(x.exact.lo), np.abs(x.exact.hi)
        crosses = (x.exact.lo < 0) & (x.exact.hi > 0)
        exact = Interval(np.where(crosses, 0.0, np.minimum(low, high)), np.maximum(low, high))
        return Computed(exact, x.error)

    def maximum(self, x: Computed, y: Computed) -> Computed:
        exact = Interval(np.maximum(x.exact.lo, y.exact.lo), np.maximum(x.exact.hi, y.exact.hi))
        return Computed(exact, np.maximum(x.error, y.error))

    def minimum(self, x: Computed, y: Computed) -> Computed:
        return self.neg(self.maximum(self.neg(x), self.neg(y)))

    def select(self, x: Computed, y: Computed, z: Computed) -> Computed:
        """y where x >= 0, else z; nothing is known where x is not exact, as the other one may be chosen."""
        never, always = x.exact.hi < 0, x.exact.lo >= 0
        low = np.where(never, z.exact.lo, np.where(always, y.exact.lo, np.minimum(y.exact.lo, z.exact.lo)))
        high = np.where(never, z.exact.hi, np.where(always, y.exact.hi, np.maximum(y.exact.hi, z.exact.hi)))
        error = np.where(never, z.error, np.where(always, y.error, np.maximum(y.error, z.error)))
        return Computed(Interval(low, high), np.where(x.error > 0, np.inf, error))

    def sqrt(self, x: Computed) -> Computed:
        exact = Interval(*e.sqrt(x.exact.lo, x.exact.hi))
        least = e.sqrt(np.maximum(x.reach.lo, 0.0), np.maximum(x.reach.lo, 0.0))[0]
        steep = np.where((x.reach.lo > 0) & (least > 0), 0.5 / np.where(least > 0, least, 1.0), np.inf)
        return self._rounded(exact, _known(raised(_carried(steep, x.error))))

    def exp(self, x: Computed) -> Computed:
        return self._function("exp", e.exp, x, lambda reach: e.exp(reach.hi, reach.hi)[1])

    def expm1(self, x: Computed) -> Computed:
        return self._function("expm1", e.expm1, x, lambda reach: e.exp(reach.hi, reach.hi)[1])

    def log1p(self, x: Computed) -> Computed:
        def steepest(reach: Interval) -> Array:
            least = np.nextafter(1 + reach.lo, -np.inf)
            return np.where(least > 0, 1 / np.where(least > 0, least, 1.0), np.inf)

        return self._function("log1p", e.log1p, x, steepest)

    def tanh(self, x: Computed) -> Computed:
        return self._function("tanh", e.tanh, x, lambda reach: np.ones_like(reach.lo))

    def sigmoid(self, x: Computed) -> Computed:
        return self._function("sigmoid", e.sigmoid, x, lambda reach: np.full_like(reach.lo, 0.25))

    def erf(self, x: Computed) -> Computed:
        return self._function("erf", e.erf, x, lambda reach: np.full_like(reach.lo, 1.1284))

    def _function(
        self, name: str, image: e.Image, x: Computed, steepest: Callable[[Interval], Array]
    ) -> Computed:
        """A library function; `steepest` bounds its slope over a range."""
        self.used.append(name)
        exact = whole_where_nan(*image(x.exact.lo, x.exact.hi))
        carried = raised(_carried(raised(steepest(x.reach)), x.error))
        size = raised(exact.magnitude + carried)
        own = self.program.function_error(name, size)
        too_large = ~(raised(size + own) <= self.form.largest)
        return Computed(exact, _known(np.where(too_large, np.inf, raised(carried + own, 2))))


def composed(
    program: Semantics, formula: Callable[[Any, Any], Any], x: Interval
) -> tuple[Array, tuple[str, ...]]:
    """What a float program's own rounding does to a formula of one operand.

    Parameters
    ----------
    program : the float program.
    formula : ``(ns, x) -> y`` over an arithmetic namespace.
    x : range of the operand, of its real and its float values; shape ``(B, *shape)``.

    Returns
    -------
    (rho, assumptions): a bound on |computed - formula(operand)|, ``(B, *shape)``, the result a number of the
    accumulator; and what that rests on, as sentences.

    Raises
    ------
    Unbounded
        A program that assumes nothing about a library function of the formula.
    """
    ns = ComposedErrors(program)
    found = formula(ns, Computed(x, np.zeros(x.lo.shape)))
    rho = np.broadcast_to(np.where(np.isfinite(found.size), found.error, np.inf), x.lo.shape)
    return rho, tuple(program.assumption(name) for name in dict.fromkeys(ns.used))


def _carried(steep: Array, error: Array) -> Array:
    """Slope times error, where an error of 0 stays 0 under a slope without bound."""
    with np.errstate(invalid="ignore"):
        return np.where(error == 0, 0.0, times(steep, error))


def _known(error: Array) -> Array:
    """An error that is not a number is not known."""
    return np.asarray(np.where(np.isnan(error), np.inf, error))
