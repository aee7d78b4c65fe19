"""The laws, as functions of a case: they raise AssertionError with a sentence where one is broken.

All comparisons are of exact numbers: rationals, or balls (after exp and its kin) narrow enough to tell floats apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import flint
import numpy as np

from laws.numbers import Array, Draw
from laws.strategies import Case
from workbench.op import rule_for
from workbench.semantics import exact
from workbench.semantics.affine import Linear, LinearMap, Lines, Relaxation, describe, spread
from workbench.semantics.exact import rational, rationals
from workbench.semantics.interval import Interval, apply
from workbench.semantics.plan import Plan, Step
from workbench.semantics.real import real

PRECISION = (
    300  # bits of the balls: enough for any float64 that is not next to a value beyond its exponent range
)
UNIT = flint.fmpq(1, 2**53)


def is_below(a: Any, b: Any) -> bool:
    """Whether a < b for certain."""
    return bool(a < b)


def values_of(case: Case) -> Array:
    """The exact value of the output at every point, ``(P, *shape)``."""
    found = exact.run(case.plan, case.points, PRECISION)[case.graph.outputs[0]]
    count = max((p.shape[0] for p in case.points.values()), default=1)
    return np.broadcast_to(found, (count, *found.shape[1:]))


def boxes_of(case: Case) -> dict[str, Interval]:
    return {k: Interval(lo, hi) for k, (lo, hi) in case.boxes.items()}


def widened(case: Case, draw: Draw) -> dict[str, Interval]:
    """The boxes with some ends at infinity: still true of every point."""
    found = {}
    for name, (lo, hi) in case.boxes.items():
        ends = []
        for end, far in ((lo, -np.inf), (hi, np.inf)):
            seed = draw.integer(0, 2**16)
            ends.append(np.where(np.random.default_rng(seed).random(end.shape) < 0.5, far, end))
        found[name] = Interval(*ends)
    return found


def interval_of(case: Case, boxes: Mapping[str, Interval]) -> Interval:
    """The interval of the output, from its rule."""
    values = dict(boxes)
    with np.errstate(all="ignore"):
        for step in case.plan.steps:
            values[step.node.name] = apply(case.plan, step, values)
    return values[case.graph.outputs[0]]


def check_inside(case: Case, found: Interval, values: Array, what: str = "interval") -> None:
    """Every value lies in the interval; no end is NaN."""
    assert not np.isnan(found.lo).any(), f"a lower end of the {what} is NaN"
    assert not np.isnan(found.hi).any(), f"an upper end of the {what} is NaN"
    lo, hi = (
        np.broadcast_to(found.lo, (1, *values.shape[1:])),
        np.broadcast_to(found.hi, (1, *values.shape[1:])),
    )
    for at in np.ndindex(values.shape[1:]):
        low, high = float(lo[(0, *at)]), float(hi[(0, *at)])
        assert low != np.inf, f"the lower end of the {what} at {at} is inf, above every number"
        assert high != -np.inf, f"the upper end of the {what} at {at} is -inf, below every number"
        for k in range(len(values)):
            value = values[(k, *at)]
            if low != -np.inf:
                assert not is_below(value, rational(low)), (
                    f"{what}: the lower end {low!r} at {at} is above the value {_show(value)} at point {k}"
                )
            if high != np.inf:
                assert not is_below(rational(high), value), (
                    f"{what}: the upper end {high!r} at {at} is below the value {_show(value)} at point {k}"
                )


def form_of(case: Case, bounds: Mapping[str, Interval]) -> Linear | Relaxation:
    """The output node's linear form or lines over these bounds of its operands."""
    with np.errstate(all="ignore"):
        return describe(case.plan, case.step, bounds)


def check_lines(case: Case, form: Relaxation, values: Array) -> None:
    """The line below is below and the line above is above every value, in exact arithmetic."""
    operands = operands_of(case.plan, case.step, case.points)
    for lines, sign, name in ((form.lower, 1, "below"), (form.upper, -1, "above")):
        assert not np.isnan(lines.offset).any(), f"the offset of the line {name} is NaN"
        assert not (lines.offset == sign * np.inf).any(), (
            f"the offset of the line {name} is on the wrong side of all"
        )
        for slope in lines.slopes:
            assert slope is None or np.isfinite(slope).all(), f"a slope of the line {name} is not finite"
        height = line_value(case.step, lines, form.unfold, operands)
        height, value, known = np.broadcast_arrays(height, values, np.isfinite(lines.offset))
        for at in np.ndindex(value.shape):
            if known[at]:
                gap = (value[at] - height[at]) * sign
                assert not is_below(gap, 0), (
                    f"the line {name} at {at[1:]} is on the wrong side by {float(abs(gap))!r} at point {at[0]}, "
                    f"where the value is {_show(value[at])}"
                )


def operands_of(plan: Plan, step: Step, points: Mapping[str, Array]) -> list[Array | None]:
    """The operands of a node that reads inputs and weights only, as floats ``(P or 1, *shape)``."""
    found: list[Array | None] = []
    for o in step.operands:
        if o is None:
            found.append(None)
        else:
            found.append(points[o] if o in points else np.asarray(plan.constants[o])[None])
    return found


def line_value(
    step: Step, lines: Lines, unfold: tuple[LinearMap | None, ...], operands: list[Array | None]
) -> Array:
    """The exact height of lines (offsets that are infinite count as 0)."""
    total = rationals(np.where(np.isfinite(lines.offset), lines.offset, 0.0))
    for i, x in enumerate(operands):
        slope = lines.slopes[i] if i < len(lines.slopes) else None
        if slope is None or x is None:
            continue
        map_ = unfold[i] if i < len(unfold) else None
        if map_ is None:
            total = total + rationals(slope) * rationals(spread(x.astype(np.float64), step.node.shape))
        else:
            total = total + (rationals(slope) * _laid_out(map_, x.astype(np.float64))).sum(axis=-1)
    return np.asarray(total)


def _laid_out(m: LinearMap, x: Array) -> Array:
    """An operand laid out, exactly: moved, or mapped by a matrix of whole numbers."""
    if m.terms == 0:
        return rationals(m.apply(x))
    n = int(np.prod(x.shape[1:]))
    columns = m.apply(np.eye(n).reshape(n, *x.shape[1:]))
    found = np.tensordot(rationals(x.reshape(-1, n)), rationals(columns), axes=1)
    return np.asarray(found)


def check_linear(case: Case, form: Linear) -> None:
    """Each map is the operator's own matrix, up to the weights' declared error; its parts agree with each other."""
    step, plan = case.step, case.plan
    live = [i for i, m in enumerate(form.maps) if m is not None]
    base = _at(plan, step, {})
    bias = (
        np.zeros((1, *step.node.shape))
        if form.bias is None
        else np.broadcast_to(form.bias, (1, *step.node.shape))
    )
    doubt = np.zeros(()) if form.bias_error is None else form.bias_error
    doubt = np.broadcast_to(doubt, (1, *step.node.shape))
    for at in np.ndindex(bias.shape):
        error = abs(base[at] - rational(float(bias[at])))
        assert not is_below(rational(float(doubt[at])), error), (
            f"the bias at {at[1:]} is off by {float(error)!r}"
        )
    for i in live:
        check_map(case, i, form.maps[i], base)


def check_map(case: Case, i: int, m: LinearMap | None, base: Array) -> None:
    step = case.step
    inner, outer = step.call.shapes[i], step.node.shape
    assert m is not None and inner is not None
    n, size = int(np.prod(inner)), step.node.size
    unit, out_unit = np.eye(n).reshape(n, *inner), np.eye(size).reshape(size, *outer)
    a = m.apply(unit).reshape(n, size).T
    absolute = m.magnitude(unit).reshape(n, size).T
    assert (absolute == np.abs(a)).all(), "magnitude is not |A|"
    assert (m.adjoint(out_unit).reshape(size, n) == a).all(), "adjoint is not the transpose of apply"
    assert (m.magnitude_adjoint(out_unit).reshape(size, n) == absolute).all(), (
        "magnitude_adjoint is not |A^T|"
    )
    if m.rows is not None:
        assert (m.rows(np.arange(size)).reshape(size, n) == a).all(), "rows are not the adjoint of unit rows"
    columns = np.broadcast_to(_at(case.plan, step, {i: unit}), (n, *outer)) - base
    extra = {}
    for name, terms, counts in (
        ("terms", m.terms, (a != 0).sum(axis=1)),
        ("adjoint_terms", m.adjoint_terms, (a != 0).sum(axis=0)),
    ):
        most = int(counts.max(initial=0))
        if terms == 0:
            assert most <= 1 and np.isin(a, (0.0, 1.0, -1.0)).all(), (
                f"{name} = 0, but this is no data movement"
            )
        else:
            assert terms >= most, f"{name} = {terms}, but an element is a sum of {most} products"
        extra[name] = terms - most
    # what is left of the declared roundings is for the weights' own error
    budget = UNIT * max(0, min(extra.values()))
    for column, row in np.ndindex(n, size):
        want, have = columns.reshape(n, size)[column, row], float(a[row, column])
        error = abs(want - rational(have))
        assert not is_below(budget * abs(want) * flint.fmpq(1001, 1000), error), (
            f"the weight from {column} to {row} is {have!r}, but should be {_show(want)}: more than terms say"
        )


def _at(plan: Plan, step: Step, given: Mapping[int, Array]) -> Array:
    """The exact value of one node with some operands given and the other live ones 0."""
    ns = exact.ExactArithmetic(PRECISION)
    operands: list[Any] = []
    for i, o in enumerate(step.operands):
        shape = step.call.shapes[i]
        if o is None or shape is None:
            operands.append(None)
        elif i in given:
            operands.append(rationals(given[i]))
        elif o in plan.constants:
            c = plan.constants[o]
            operands.append((rationals(c) if c.dtype.kind == "f" else c)[None])
        else:
            operands.append(rationals(np.zeros((1, *shape))))
    with flint.ctx.workprec(PRECISION):
        return np.asarray(rule_for(step.node, real)(step.call, ns, *operands))


def _show(value: Any) -> str:
    return repr(float(value)) if isinstance(value, flint.fmpq) else str(value)
