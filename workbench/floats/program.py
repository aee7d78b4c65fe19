"""Semantics: the float program that a rounding bound is about, and what is assumed of its library functions.

A network is run node by node.  Weights are stored in one format and activations in another; an operator computes in the
accumulator's format, its sums in any order (or a named one) with or without fused multiply-adds, and its result is
rounded once to the format of activations.  `+ - * /` and sqrt are correctly rounded to nearest, as IEEE 754 demands.
exp, tanh and their kin are not standardised: for each, a bound in ulps of the accumulator's format is *assumed*, and
every result says which of these assumptions it rests on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

import numpy as np

from workbench.floats.errors import rounding_error
from workbench.floats.format import BFLOAT16, BINARY16, BINARY32, BINARY64, Format, ulp
from workbench.graph import Array

Order = Literal["any", "blas", "sequential", "reversed", "pairwise", "random", "adversarial", "fma"]
State = Literal["stored", "accumulated", "exact"]

# Largest error in ulps of the result.  Measured for NumPy 2.4's binary32 on x86-64: exp 2.5, log 3.6, tanh 1.4, sin and
# cos 1.5, pow 1.0, sigmoid written as 1/(1+exp) 3.4; NVIDIA's table has 2 for exp and tanh.  Rounded up, with room.
FUNCTIONS: Mapping[str, float] = MappingProxyType(
    {"exp": 4, "log": 5, "tanh": 4, "sin": 4, "cos": 4, "erf": 4, "sigmoid": 6, "pow": 4}
)


@dataclass(frozen=True, slots=True)
class Semantics:
    """A float program.

    Parameters
    ----------
    name : what people call it.
    weights, activations : formats in which weights, and inputs and results of operators, are stored.
    accumulator : format in which an operator computes; must contain both.
    order : of sums; "any" means that the bound holds for every order, parenthesised in every way.
    fma : whether products are fused into sums; "maybe" means that the bound holds either way.
    functions : function -> largest error in ulps of the accumulator's format.

    Raises
    ------
    ValueError
        An accumulator too narrow to hold a stored number exactly, or an assumption that is not a number >= 0.5.
    """

    name: str
    weights: Format
    activations: Format
    accumulator: Format
    order: Order = "any"
    fma: Literal["never", "maybe", "always"] = "maybe"
    functions: Mapping[str, float] = field(default_factory=lambda: FUNCTIONS)

    def __post_init__(self) -> None:
        for part in (self.weights, self.activations):
            if not self.accumulator.contains(part):
                raise ValueError(
                    f"{self.name}: the accumulator {self.accumulator.name} cannot hold every {part.name} exactly"
                )
        for function, ulps in self.functions.items():
            if not 0.5 <= ulps < 2.0**20:
                raise ValueError(
                    f"{self.name}: {function} within {ulps} ulp is not an assumption that can be used"
                )

    @property
    def mixed(self) -> bool:
        """Whether results are rounded once more, from the accumulator's format to that of activations."""
        return self.accumulator != self.activations

    @property
    def exact_products(self) -> bool:
        """Whether a weight times an activation needs no rounding in the accumulator (underflow apart)."""
        return self.weights.precision + self.activations.precision <= self.accumulator.precision

    @property
    def underflow(self) -> float:
        """Largest error of one product by underflow, in the accumulator; 0 where products cannot underflow."""
        smallest = self.weights.eta * self.activations.eta
        if self.exact_products and smallest >= self.accumulator.eta:
            return 0.0
        return self.accumulator.eta

    def finish(self, size: Array, state: State) -> Array:
        """Bound on the roundings that end an operator, for results of absolute value at most `size`.

        "stored": the operator's result is already a stored number (relu, max, data movement).
        "accumulated": it is a number of the accumulator, rounded once to storage.
        "exact": it is a real number, rounded to the accumulator and then to storage.
        """
        size = np.asarray(size, np.float64)
        found = np.zeros(size.shape)
        if state == "exact":
            found = rounding_error(size, self.accumulator)
        elif state == "accumulated":
            found = np.where(size <= self.accumulator.largest, 0.0, np.inf)
        if state != "stored" and self.mixed:
            found = found + rounding_error((size + found) * (1 + 2.0**-50), self.activations)
        return np.asarray(found * (1 + 2.0**-50))

    def function_error(self, function: str, size: Array) -> Array:
        """Bound on a library function's own error in the accumulator, for results of absolute value at most `size`.

        K ulp(y) with ulp(y) = 2 u max(ufp(y), 2^emin): an absolute error of K eta where y is subnormal or zero.

        Raises
        ------
        ValueError
            A function that nothing is assumed about.
        """
        return np.asarray(self.ulps(function) * ulp(size, self.accumulator))

    def ulps(self, function: str) -> float:
        """The ulps that a library function is assumed to be within."""
        if function not in self.functions:
            raise ValueError(
                f"{self.name} assumes nothing about {function}: give functions={{{function!r}: ulps}}"
            )
        return self.functions[function]

    def assumption(self, function: str) -> str:
        """The assumption about a function, as a sentence."""
        return (
            f"{function} in {self.accumulator.name} is within {self.ulps(function):g} ulp of its exact value"
        )


def _uniform(form: Format) -> Semantics:
    return Semantics(form.name, form, form, form)


PROGRAMS: Mapping[str, Semantics] = MappingProxyType(
    {
        "binary64": _uniform(BINARY64),
        "binary32": _uniform(BINARY32),
        "binary16": Semantics("binary16", BINARY16, BINARY16, BINARY32),
        "bfloat16": Semantics("bfloat16", BFLOAT16, BFLOAT16, BINARY32),
    }
)


def program_of(name: str | Semantics) -> Semantics:
    """The float program of that name; a `Semantics` is returned as it is.

    Raises
    ------
    ValueError
        A name that there is no program of.
    """
    if isinstance(name, Semantics):
        return name
    if name not in PROGRAMS:
        raise ValueError(
            f"there is no number format {name!r}: choose one of {', '.join(PROGRAMS)}, or give a Semantics"
        )
    return PROGRAMS[name]
