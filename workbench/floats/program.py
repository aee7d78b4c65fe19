"""Semantics: the float program that a rounding bound is about, and what is assumed of its library functions.

A network is run node by node.  Weights are stored in one format and activations in another; an operator computes in the
accumulator's format, its sums in any order (or a named one) with or without fused multiply-adds, and its result is
rounded once to the format of activations.  `+ - * /` and sqrt are correctly rounded to nearest, as IEEE 754 demands.
exp, tanh and their kin are not standardised: for each, a bound in ulps of the accumulator's format is *assumed*, and
every result says which of these assumptions it rests on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Literal

import numpy as np

from workbench.floats import checked
from workbench.floats.errors import rounding_error
from workbench.floats.format import BFLOAT16, BINARY16, BINARY32, BINARY64, FORMATS, Format, Overflow, ulp
from workbench.floats.machine import NEAREST, Machine, Subnormals
from workbench.floats.order import Order, order_of
from workbench.floats.rounding import NEAREST as TO_NEAREST
from workbench.floats.rounding import Mode, check_mode, round_to
from workbench.graph import Array


class Unbounded(ValueError):
    """A float program assumes nothing about something that a bound would have to rest on."""


State = Literal["stored", "accumulated", "exact"]

# Largest error in ulps of the result.  Measured for NumPy 2.4's binary32 on x86-64: exp 2.5, log 3.6, tanh 1.4, sin and
# cos 1.5, pow 1.0, sigmoid written as 1/(1+exp) 3.4; NVIDIA's table has 2 for exp and tanh.  Rounded up, with room.
FUNCTIONS: Mapping[str, float] = MappingProxyType(
    {
        "exp": 4,
        "expm1": 4,
        "log": 5,
        "log1p": 4,
        "tanh": 4,
        "sin": 4,
        "cos": 4,
        "erf": 4,
        "sigmoid": 6,
        "pow": 4,
    }
)


@dataclass(frozen=True, slots=True)
class Semantics:
    """A float program.

    Parameters
    ----------
    name : what people call it.
    weights, activations : formats in which weights, and inputs and results of operators, are stored.
    accumulator : format in which an operator computes; must contain both.
    order : of sums (see `floats.order`); "any" means that the bound holds for every order, parenthesised in every way.
    fma : whether products are fused into sums; "maybe" means that the bound holds either way.
    functions : function -> largest error in ulps of the accumulator's format, where it is not that of `FUNCTIONS`.
    mode : how results are rounded, as `floats.rounding.round_to` names it.
    subnormals : "gradual", or "flush": results below the smallest normal number become 0.
    overflow : "inf", or "saturate": results beyond the largest number become the largest number; None for the formats'
        own policies.
    nodes : node -> another program, for that node alone.

    Raises
    ------
    ValueError
        An accumulator too narrow to hold a stored number exactly, an assumption that is not a number >= 0.5, a word
        that is none of those named.
    """

    name: str
    weights: Format
    activations: Format
    accumulator: Format
    order: Order = "any"
    fma: Literal["never", "maybe", "always"] = "maybe"
    functions: Mapping[str, float] = field(default_factory=lambda: FUNCTIONS)
    mode: Mode = NEAREST
    subnormals: Subnormals = "gradual"
    overflow: Overflow | None = None
    nodes: Mapping[str, Semantics] = field(default_factory=lambda: MappingProxyType({}))

    def __post_init__(self) -> None:
        object.__setattr__(self, "order", order_of(self.order))
        object.__setattr__(self, "functions", MappingProxyType({**FUNCTIONS, **self.functions}))
        object.__setattr__(self, "nodes", MappingProxyType(dict(self.nodes)))
        for word, value, known in (
            ("fma", self.fma, ("never", "maybe", "always")),
            ("subnormals", self.subnormals, ("gradual", "flush")),
            ("overflow", self.overflow, (None, "inf", "saturate")),
        ):
            if value not in known:
                raise ValueError(f"{self.name}: {word}={value!r} is none of {', '.join(map(str, known))}")
        check_mode(self.mode)
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

    def at(self, node: str) -> Semantics:
        """The program of one node: its own, or this one."""
        return self.nodes[node] if node in self.nodes else replace(self, nodes={}) if self.nodes else self

    def machine(self, form: Format | None = None) -> Machine:
        """The arithmetic in the accumulator's format, or in another one."""
        return Machine(form or self.accumulator, self.mode, self.subnormals, self.overflow)

    @property
    def refusal(self) -> str:
        """Why no rounding bound is proved for it; empty where one is."""
        for own in (self, *self.nodes.values()):
            if any(f.fixed for f in (own.weights, own.activations, own.accumulator)):
                return f"{own.name}: rounding errors are bounded for floating point, not for fixed point"
            try:
                _ = own.measure
            except ValueError:
                return f"{own.name}: no error bounds for {own.accumulator.name} rounded {own.mode}"
        return ""

    @property
    def bounded(self) -> bool:
        """Whether rounding bounds are proved for it."""
        return not self.refusal

    @property
    def measure(self) -> Format:
        """The format whose u, eta and range error bounds of the accumulator are written in.

        A rounding that is not to nearest errs by up to the whole spacing 2u ufp(x), which is that to nearest with one
        bit less; no operation's result is taken to be a number of it.
        With abrupt underflow eta is the smallest normal number.

        Raises
        ------
        ValueError
            A format of which no bit can be taken.
        """
        form = self.accumulator
        if self.mode not in TO_NEAREST:
            form = replace(form, name=f"{form.name}, {self.mode}", precision=form.precision - 1)
        return self.target(form)

    def target(self, form: Format) -> Format:
        """The numbers that results in a format are: without subnormals where they are flushed."""
        return replace(form, subnormals=False) if self.subnormals == "flush" else form

    def rounded(self, x: Array | float, form: Format) -> Array:
        """float64 numbers as the program rounds them to a format."""
        return round_to(np.asarray(x, np.float64), self.target(form), self.mode, overflow=self.overflow)

    def needs_gradual(self, operator: str) -> None:
        """Refuse abrupt underflow, in formats or by flushing, where a rule's proof does not cover it.

        Raises
        ------
        Unbounded
            Where subnormal results become 0.
        """
        if not self.measure.subnormals:
            raise Unbounded(
                f"{self.name}: {operator} has no rounding bound where subnormal numbers are flushed"
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
        eta = self.measure.eta
        return 0.0 if self.exact_products and smallest >= eta else eta

    def finish(self, size: Array, state: State) -> Array:
        """Bound on the roundings that end an operator, for results of absolute value at most `size`.

        "stored": the operator's result is already a stored number (relu, max, data movement).
        "accumulated": it is a number of the accumulator, rounded once to storage.
        "exact": it is a real number, rounded to the accumulator and then to storage.

        Raises
        ------
        Unbounded
            A program that bounds are not proved for (see `bounded`).
        """
        if self.refusal:
            raise Unbounded(f"{self.refusal}; this program can be run, not bounded")
        size = np.asarray(size, np.float64)
        found = np.zeros(size.shape)
        if state == "exact":
            found = rounding_error(size, self.target(self.accumulator), self.mode)
        elif state == "accumulated":
            found = np.where(size <= self.accumulator.largest, 0.0, np.inf)
        if state != "stored" and self.mixed:
            size = (size + found) * (1 + 2.0**-50)
            found = found + rounding_error(size, self.target(self.activations), self.mode)
        return np.asarray(found * (1 + 2.0**-50))

    def function_error(self, function: str, size: Array, derived: float | None = None) -> Array:
        """Bound on a library function's own error in the accumulator, for results of absolute value at most `size`.

        K ulp(y) with ulp(y) = 2 u max(ufp(y), 2^emin): an absolute error of K eta where y is subnormal or zero, and of
        the smallest normal number more where such results are flushed.

        Raises
        ------
        Unbounded
            A function that nothing is assumed about.
        """
        found = self.ulps(function, derived) * ulp(size, self.accumulator)
        return np.asarray(found if self.measure.subnormals else found + self.accumulator.normal)

    def ulps(self, function: str, derived: float | None = None) -> float:
        """The ulps that a library function is assumed to be within; `derived` for one that has no assumption."""
        if function not in self.functions and derived is not None:
            return derived
        if function not in self.functions:
            raise Unbounded(
                f"{self.name} assumes nothing about {function}: give functions={{{function!r}: ulps}}"
            )
        return self.functions[function]

    def assumption(self, function: str, derived: float | None = None) -> str:
        """The assumption about a function, as a sentence; where it was tried here, with what was found."""
        within = self.ulps(function, derived)
        said = f"{function} in {self.accumulator.name} is within {within:g} ulp of its exact value"
        found = checked.fact(function, self.accumulator)
        if found is None:
            return said
        return f"{said}: {'checked' if found.scan.worst <= within else 'NOT TRUE'} for {found.sentence()}"


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


NARROW = tuple(name for name in FORMATS if name not in PROGRAMS)  # formats that have no program written down
ALIASES: Mapping[str, str] = MappingProxyType(
    {"float64": "binary64", "double": "binary64", "float32": "binary32", "single": "binary32"}
    | {"float16": "binary16", "half": "binary16", "bf16": "bfloat16"}
)


def program_of(given: str | Format | Semantics) -> Semantics:
    """A float program by its name, upper case and NumPy's names included; a `Semantics` is returned as it is.

    A `Format`, or the name of one, means that weights and activations are stored in it and sums are made in binary32,
    where that is wider and holds its numbers; else in binary64, or in the format itself.

    Raises
    ------
    ValueError
        A name that there is no program of; a format called as another one.
    """
    if isinstance(given, Semantics):
        return given
    if isinstance(given, Format):
        form = given
        known = FORMATS.get(form.name)
        if known is not None and known != form:
            raise ValueError(f"{form.name!r} is the name of another format: give this one a name of its own")
    else:
        name = ALIASES.get(str(given).lower(), str(given).lower())
        if name not in FORMATS:
            raise ValueError(
                f"there is no number format {given!r}: choose one of {', '.join(PROGRAMS)}, {', '.join(NARROW)}, "
                "or give a Format or a Semantics"
            )
        form = FORMATS[name]
    if form.name in PROGRAMS:
        return PROGRAMS[form.name]
    wide = next((f for f in (BINARY32, BINARY64) if f.contains(form)), form)
    return Semantics(form.name, form, form, wide)
