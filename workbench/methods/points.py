"""Points: boxes that cannot be split any further, decided in rationals.

A point is run exactly.  Over a box whose ends are neighbouring floats, where no relu's sign is open, the network is
affine: it is known from its values at one corner and at that corner moved along each input, and the least value of a
constraint's left side is a sum of rationals.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from workbench.graph import Array
from workbench.methods.replay import EXACT, enclosed, exactly, may_happen, multiplications
from workbench.semantics.plan import Plan
from workbench.spec import Constraint, Disjunction


def between(lower: Array, upper: Array) -> tuple[Array, Array]:
    """The middles of boxes ``(B, n)``, and where they are numbers strictly between the ends."""
    middle = 0.5 * lower + 0.5 * upper
    return middle, (lower < middle) & (middle < upper)


@dataclass(frozen=True, slots=True, eq=False)
class Settled:
    """Whether no input of the box has unsafe outputs; else corners ``(N, n)`` that are worth replaying."""

    proved: bool
    corners: Array


def settle(
    plan: Plan, shape: tuple[int, ...], unsafe: Disjunction, lower: Array, upper: Array, *, affine: bool
) -> Settled:
    """Decide one box exactly, if that can be.

    Parameters
    ----------
    plan, shape : the network and its input's shape.
    unsafe : what is to be excluded.
    lower, upper : ``(n,)``.
    affine : whether it is proved that the network is affine over the box.
    """
    base = tuple(map(Fraction, lower.tolist()))
    free = np.flatnonzero(upper > lower).tolist()
    exact = multiplications(plan) <= EXACT
    if not free:
        found = exactly(plan, base, shape) if exact else None
        outputs = found[0] if found is not None else enclosed(plan, base, shape)
        return Settled(not may_happen(unsafe, outputs), lower[None])
    start = _run(plan, base, shape) if affine and exact else None
    if start is None:
        return Settled(False, np.stack([lower, upper]))
    steps = []
    for i in free:
        moved = _run(plan, (*base[:i], Fraction(float(upper[i])), *base[i + 1 :]), shape)
        if moved is None:
            return Settled(False, np.stack([lower, upper]))
        steps.append([m - s for m, s in zip(moved, start, strict=True)])
    corners, proved = [], True
    for every in unsafe:
        excluded = False
        for c in every:
            changes = [_dot(c, step) for step in steps]
            least = c.excess(start) + sum((v for v in changes if v < 0), Fraction(0))
            excluded = excluded or least > 0 or (c.strict and least == 0)
            corner = lower.copy()
            down = [i for i, v in zip(free, changes, strict=True) if v < 0]
            corner[down] = upper[down]
            corners.append(corner)
        proved = proved and excluded
    return Settled(proved, np.array(corners).reshape(-1, lower.size))


def _run(plan: Plan, point: tuple[Fraction, ...], shape: tuple[int, ...]) -> list[Fraction] | None:
    found = exactly(plan, point, shape)
    return [lo for lo, _ in found[0]] if found is not None and found[1] == "rationals" else None


def _dot(c: Constraint, values: list[Fraction]) -> Fraction:
    return sum((a * v for a, v in zip(c.coefficients, values, strict=True) if a), Fraction(0))
