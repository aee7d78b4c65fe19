"""Replay: a suspected counterexample, run again exactly and as the float program computes it.

A counterexample is an input of the region whose outputs are unsafe.  It is believed only after this: in real arithmetic
by rationals where the network has no transcendental function, else by rigorous balls (or, for networks too large for
either, by interval arithmetic at the point); in floats by the network's own program.  What is near enough to a border
that rounding could decide holds in the one and not in the other, and is said to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import prod
from typing import Any, Literal

import flint
import numpy as np

from workbench.arrays.balls import above, below
from workbench.certificate.levels import level
from workbench.floats.format import Format
from workbench.floats.program import NARROW, PROGRAMS, Semantics, program_of
from workbench.floats.rounding import round_to
from workbench.graph import Array
from workbench.methods.ibp import ibp
from workbench.op import UnsupportedOperator
from workbench.region import Region
from workbench.semantics import exact, ieee, real
from workbench.semantics.plan import Plan
from workbench.spec import Constraint, Disjunction, Ends, float_of

EXACT = 1_000_000  # multiplications beyond which a point is enclosed by intervals, not run in rationals
PRECISION = 200  # bits of the balls
OWN = "onnx"  # the network's own float program
SEMANTICS = ("real", OWN, *PROGRAMS, *NARROW)
Enclosure = tuple[tuple[Fraction, Fraction], ...]


@dataclass(frozen=True, eq=False)
class Counterexample:
    """An input of the region whose outputs are unsafe.

    Parameters
    ----------
    point : the real input, exactly, flattened.
    input : what the float program is given: the point in the network's own type and shape (rounded to nearest where it
        is no number of that type).
    enclosure : lower and upper end of every output in real arithmetic; equal where it was computed in rationals.
    outputs : what the float program computes from `input`, in the output's shape.
    holds : semantics -> index of the alternative of the property that surely happens there.
    replayed : how the reals were computed: "rationals", "balls" or "intervals".
    """

    point: tuple[Fraction, ...]
    input: Array
    enclosure: Enclosure
    outputs: Array
    holds: Mapping[str, int]
    replayed: Literal["rationals", "balls", "intervals"]

    @property
    def level(self) -> str:
        """How far it may be trusted: a level of `workbench.certificate.levels`."""
        return level(self)

    @property
    def semantics(self) -> tuple[str, ...]:
        """In which semantics it is a counterexample: "real", "onnx" (the network's own float program), or both."""
        return tuple(self.holds)

    @property
    def representable(self) -> bool:
        """Whether `input` is the point itself."""
        return all(Fraction(v) == p for v, p in zip(self.input.reshape(-1).tolist(), self.point, strict=True))


class Box:
    """The region as numbers that a point may have: the float type's inside the exact box, or a rational of its own.

    Parameters
    ----------
    region : one region, of the input's shape.
    ends : the box before it was rounded outward, or None.
    dtype : the input's float type.
    """

    def __init__(self, region: Region, ends: Ends | None, dtype: Any) -> None:
        self.region, self.dtype = region, np.dtype(dtype)
        lower, upper = region.lower[0].reshape(-1), region.upper[0].reshape(-1)
        largest = float(np.finfo(self.dtype).max)
        self.ends = ends or exact_ends(region)
        # beyond the type's largest number there is none of it: the search for one inside begins at the largest
        self.low = np.clip(lower, -largest, largest).astype(self.dtype)
        self.high = np.clip(upper, -largest, largest).astype(self.dtype)
        for i in range(lower.size):
            self.low[i] = self._inside(self.low[i], self.ends.lower[i], 1, (i, -1) in self.ends.open)
            self.high[i] = self._inside(self.high[i], self.ends.upper[i], -1, (i, 1) in self.ends.open)
        # where the box holds no number of the type, one rational of it stands for all
        self.none = self.low > self.high
        self.own = {
            int(i): (self.ends.lower[i] + self.ends.upper[i]) / 2
            if {(int(i), -1), (int(i), 1)} & self.ends.open
            else self.ends.lower[i]
            for i in np.flatnonzero(self.none)
        }
        for i, v in self.own.items():
            self.low[i] = self.high[i] = nearest(v, self.dtype)

    def _inside(self, value: Any, end: Fraction, direction: int, is_open: bool) -> Any:
        """The number of the type next to `end` that is inside."""
        toward = np.asarray(direction * np.inf, self.dtype)
        while np.isfinite(value) and (
            (Fraction(float(value)) - end) * direction < 0 or (is_open and Fraction(float(value)) == end)
        ):
            value = np.nextafter(value, toward, dtype=self.dtype)
        return value

    def settle(self, x: Array) -> tuple[Array, tuple[Fraction, ...]] | None:
        """The point nearest to x that lies in the region: as the float program's input, and exactly."""
        wanted = np.clip(
            np.asarray(x, np.float64).reshape(-1), self.low.astype(float), self.high.astype(float)
        )
        given = wanted.astype(self.dtype)
        point = [self.own.get(i, Fraction(v)) for i, v in enumerate(given.tolist())]
        if self.ends.contain(point) and self._in_ball(point):
            return given.reshape(self.region.shape), tuple(point)
        return None

    def _in_ball(self, point: Sequence[Fraction]) -> bool:
        region = self.region
        if region.is_box or region.center is None or region.eps is None:
            return True
        steps = [abs(p - Fraction(c)) for p, c in zip(point, region.center.reshape(-1).tolist(), strict=True)]
        eps = Fraction(region.eps)
        return sum(steps) <= eps if region.norm == "1" else sum(s * s for s in steps) <= eps * eps


def nearest(value: Fraction, dtype: Any) -> Any:
    """The number of a float type nearest to a rational, ties to even: rounded once, not by way of float64."""
    middle = np.asarray(float(value)).astype(dtype)[()]
    ends = [np.nextafter(middle, np.asarray(side * np.inf, dtype), dtype=dtype) for side in (-1, 1)]

    def distance(x: Any) -> tuple[Fraction, bool]:
        odd = bool(int(np.asarray(x).view(f"u{np.dtype(dtype).itemsize}")) & 1)
        return abs(Fraction(float(x)) - value), odd

    return min((x for x in (middle, *ends) if np.isfinite(x)), key=distance)


def exact_ends(region: Region) -> Ends:
    """The region's box as it was meant: of an l_inf ball the centre -+ eps, which its float64 ends contain."""
    lower, upper = (list(map(Fraction, e.reshape(-1).tolist())) for e in (region.lower[0], region.upper[0]))
    if region.center is not None and region.eps is not None:
        center, eps = list(map(Fraction, region.center.reshape(-1).tolist())), Fraction(region.eps)
        lower = [max(v, c - eps) for v, c in zip(lower, center, strict=True)]
        upper = [min(v, c + eps) for v, c in zip(upper, center, strict=True)]
    return Ends(tuple(lower), tuple(upper))


def replay(
    plan: Plan,
    region: Region,
    spec: Disjunction,
    x: Array,
    *,
    ends: Ends | None = None,
    program: str | Semantics = OWN,
    box: Box | None = None,
) -> Counterexample | None:
    """What is surely true of the point of the region that is nearest to x; None where it is no counterexample.

    Parameters
    ----------
    plan : the network, with one input.
    region : one region, of the input's shape.
    spec : unsafe outputs.
    x : a suspected counterexample, in the input's shape.
    ends : the region's exact ends where `region` was rounded outward.
    program : the float program to run: "onnx" (the network's own type), a number format's name, or a `Semantics`.
    box : `Box` of this region, where there are many points to replay.
    """
    name = plan.graph.inputs[0]
    box = box or Box(region, ends, plan.graph[name].dtype)
    settled = box.settle(x)
    if settled is None:
        return None
    given, point = settled
    if program != OWN:  # the program is given the input in its own format: what is shown is what it was given
        own = round_to(given.astype(np.float64), program_of(program).activations)
        given = own.astype(np.float64 if np.any(own != own.astype(given.dtype)) else given.dtype)
    outputs = float_outputs(plan, given, program)
    flat = outputs.reshape(-1)
    finite = bool(np.isfinite(flat).all())
    floats = tuple((Fraction(v), Fraction(v)) for v in flat.tolist()) if finite else None
    in_floats = None if floats is None else happens(spec, floats)
    enclosure = enclosed(plan, point, region.shape)
    replayed: Literal["rationals", "balls", "intervals"] = "intervals"
    if in_floats is None and not may_happen(spec, enclosure):
        return None
    if multiplications(plan) <= EXACT:
        enclosure, replayed = exactly(plan, point, region.shape) or (enclosure, replayed)
    in_reals = happens(spec, enclosure)
    holds = {k: v for k, v in (("real", in_reals), (label(program), in_floats)) if v is not None}
    return Counterexample(point, given, enclosure, outputs, holds, replayed) if holds else None


def meaning_of(given: str | Format | Semantics) -> str | Semantics:
    """What a verdict is asked to be about: "real", "onnx", a format's name, or a program.

    Raises
    ------
    ValueError
        There is none, or it is called as another one.
    """
    if not isinstance(given, Format | Semantics):
        if given in SEMANTICS:
            return given
        raise ValueError(
            f"the semantics must be one of {', '.join(SEMANTICS)}, a Format or a Semantics, not {given!r}"
        )
    program = program_of(given)
    if program.name in SEMANTICS and (program.name in ("real", OWN) or program_of(program.name) != program):
        raise ValueError(
            f"{program.name!r} is the name of another semantics: give this one a name of its own"
        )
    return program


def label(program: str | Semantics) -> str:
    """What a verdict calls a float program: its name, and its order of sums where that is not any."""
    if isinstance(program, str):
        return program
    fused = {"maybe": "", "always": ", always with FMA", "never": ", never with FMA"}[program.fma]
    return (
        program.name
        if program.order == "any" and not fused
        else f"{program.name}, sums in {program.order} order{fused}"
    )


def float_outputs(plan: Plan, given: Array, program: str | Semantics = OWN) -> Array:
    """The first output for one input, as a float program computes it."""
    name, output = plan.graph.inputs[0], plan.graph.outputs[0]
    inputs = {name: given[None]}
    values = real.run(plan, inputs) if program == OWN else ieee.run(plan, inputs, program)
    return np.asarray(np.broadcast_to(values[output][0], plan.graph[output].shape))


def happens(spec: Disjunction, enclosure: Enclosure) -> int | None:
    """The first alternative all of whose constraints hold for every outputs of the enclosure."""
    for k, every in enumerate(spec):
        if all(_holds(c, enclosure) for c in every):
            return k
    return None


def may_happen(spec: Disjunction, enclosure: Enclosure) -> bool:
    """Whether some alternative is not surely excluded."""

    def excluded(c: Constraint) -> bool:
        pairs = zip(c.coefficients, enclosure, strict=True)
        least = sum(v * (lo if v > 0 else hi) for v, (lo, hi) in pairs if v)
        return least >= c.bound if c.strict else least > c.bound

    return any(not any(excluded(c) for c in every) for every in spec)


def _holds(c: Constraint, enclosure: Enclosure) -> bool:
    most = sum(
        (v * (hi if v > 0 else lo) for v, (lo, hi) in zip(c.coefficients, enclosure, strict=True) if v),
        -c.bound,
    )
    return most < 0 if c.strict else most <= 0


def enclosed(plan: Plan, point: Sequence[Fraction], shape: tuple[int, ...]) -> Enclosure:
    """The first output in real arithmetic at a point, by interval arithmetic."""
    low, high = (np.array([float_of(v, side) for v in point]).reshape(1, *shape) for side in (-1, 1))
    found = ibp(plan, {plan.graph.inputs[0]: Region(low, high)}).output
    wide = Fraction(10) ** 400
    pairs = zip(found.lo.reshape(-1).tolist(), found.hi.reshape(-1).tolist(), strict=True)
    return tuple(
        (Fraction(a) if np.isfinite(a) else -wide, Fraction(b) if np.isfinite(b) else wide) for a, b in pairs
    )


def exactly(
    plan: Plan, point: Sequence[Fraction], shape: tuple[int, ...]
) -> tuple[Enclosure, Literal["rationals", "balls"]] | None:
    """The first output at a point in rationals, or in balls after a transcendental function; None where neither can."""
    given = np.empty(len(point), dtype=object)
    given[:] = [flint.fmpq(v.numerator, v.denominator) for v in point]
    try:
        values = exact.run(plan, {plan.graph.inputs[0]: given.reshape(1, *shape)}, PRECISION)
    except (UnsupportedOperator, TypeError, ValueError, ArithmeticError, AttributeError):
        return None  # an operator that rationals cannot do: intervals can
    found: list[tuple[Fraction, Fraction]] = []
    pure = True
    output = np.broadcast_to(values[plan.graph.outputs[0]], (1, *plan.graph[plan.graph.outputs[0]].shape))
    for v in output.reshape(-1).tolist():
        if isinstance(v, flint.fmpq | flint.fmpz | int):
            q = flint.fmpq(v)
            found.append((Fraction(int(q.p), int(q.q)),) * 2)
        else:
            if not isinstance(v, flint.arb):
                return None
            pure = False
            lo, hi = below(v), above(v)
            if not (np.isfinite(lo) and np.isfinite(hi)):
                return None
            found.append((Fraction(lo), Fraction(hi)))
    return tuple(found), "rationals" if pure else "balls"


def multiplications(plan: Plan) -> int:
    """About how many multiplications one run takes."""
    key = "multiplications"
    if key not in plan.memo:
        total = 0
        for step in plan.steps:
            total += step.node.size
            for shape, constant in zip(step.call.shapes, step.call.constants, strict=True):
                if (
                    constant is not None
                    and shape is not None
                    and constant.dtype.kind == "f"
                    and len(shape) > 1
                ):
                    # a matrix of K x N is used once for every N results, a filter of M x ... once for every M
                    columns = shape[0] if step.node.op == "Conv" else shape[-1]
                    total += prod(shape) * max(1, step.node.size // max(1, columns))
        plan.memo[key] = total
    found: int = plan.memo[key]
    return found
