"""The laws can fail: a bound one float too high is caught, for every operator, and an engine careless of rounding."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import flint
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from laws.checks import (
    boxes_of,
    check_inside,
    check_linear,
    check_lines,
    form_of,
    interval_of,
    is_below,
    line_value,
    operands_of,
    values_of,
)
from laws.forms import LINES
from laws.numbers import Array, Draw
from laws.strategies import EXAMPLES, FOLDED, Case, single
from workbench.methods import crown as method
from workbench.op import RULES
from workbench.region import Region
from workbench.semantics import backward
from workbench.semantics.affine import Linear, LinearMap, Relaxation
from workbench.semantics.exact import rational
from workbench.semantics.interval import Interval

OPERATORS = sorted(EXAMPLES.keys() - FOLDED)


def next_above(value: object) -> float:
    """The least float64 that is above an exact number for certain."""
    found = float(value.upper() if isinstance(value, flint.arb) else value)  # type: ignore[arg-type]
    while is_below(value, rational(np.nextafter(found, -np.inf))):
        found = float(np.nextafter(found, -np.inf))
    for _ in range(3):
        if is_below(value, rational(found)):
            return found
        found = float(np.nextafter(found, np.inf))
    raise ValueError(f"{value} is not known to an ulp")


def worst(values: Array, at: tuple[int, ...], pick: type) -> object:
    found = values[(0, *at)]
    for k in range(1, len(values)):
        other = values[(k, *at)]
        if is_below(other, found) if pick is min else is_below(found, other):
            found = other
    return found


@pytest.mark.parametrize("end", ["lower", "upper"])
@pytest.mark.parametrize("op", OPERATORS)
@settings(max_examples=5)
@given(st.data())
def test_an_interval_end_one_float_past_the_extreme_is_caught(op: str, end: str, data: st.DataObject) -> None:
    case = EXAMPLES[op](Draw(data, calm=True))
    values = values_of(case)
    at = (0,) * (values.ndim - 1)
    true = interval_of(case, boxes_of(case))
    lo, hi = (np.array(np.broadcast_to(e, (1, *values.shape[1:]))) for e in (true.lo, true.hi))
    if end == "lower":
        lo[(0, *at)] = next_above(worst(values, at, min))
    else:
        hi[(0, *at)] = -next_above(-worst(values, at, max))  # type: ignore[operator]
    original = RULES[op, "interval"]
    RULES[op, "interval"] = lambda call, *operands: Interval(lo, hi)
    try:
        with pytest.raises(AssertionError, match=f"{end} end"):
            check_inside(case, interval_of(case, boxes_of(case)), values)
    finally:
        RULES[op, "interval"] = original


@pytest.mark.parametrize("side", ["below", "above"])
@pytest.mark.parametrize("op", LINES)
@settings(max_examples=5)
@given(st.data())
def test_a_line_one_float_past_the_function_is_caught(op: str, side: str, data: st.DataObject) -> None:
    case = EXAMPLES[op](Draw(data, calm=True))
    form = form_of(case, boxes_of(case))
    assume(isinstance(form, Relaxation))
    assert isinstance(form, Relaxation)
    values = values_of(case)
    lines = form.lower if side == "below" else form.upper
    level = replace(lines, offset=np.zeros_like(lines.offset))
    height = line_value(case.step, level, form.unfold, operands_of(case.plan, case.step, case.points))
    gaps = values - height  # the exact offsets at which the line touches the function at each point
    at = (0,) * (values.ndim - 1)
    offset = np.array(np.broadcast_to(lines.offset, (1, *values.shape[1:])))
    if side == "below":
        offset[(0, *at)] = next_above(worst(gaps, at, min))
    else:
        offset[(0, *at)] = -next_above(-worst(gaps, at, max))  # type: ignore[operator]
    wrong = replace(lines, offset=offset)
    form = replace(form, lower=wrong) if side == "below" else replace(form, upper=wrong)
    with pytest.raises(AssertionError, match=f"line {side}"):
        check_lines(case, form, values)


def test_a_wrong_weight_a_wrong_adjoint_and_too_few_terms_are_caught() -> None:
    w = np.array([[0.1, 0.2], [0.3, -0.4], [0.5, 0.6]])
    case = single(_Plain(), "MatMul", (np.zeros((1, 1, 3)), np.ones((1, 1, 3))), w)  # type: ignore[arg-type]
    form = form_of(case, boxes_of(case))
    assert isinstance(form, Linear)
    check_linear(case, form)
    m = form.maps[0]
    assert m is not None

    def with_map(changed: LinearMap) -> Linear:
        return Linear((changed, None), form.bias)

    bent = w * (1 + 2.0**-52)
    wrong_weight = replace(
        m,
        apply=lambda x: x @ bent,
        adjoint=lambda y: y @ bent.T,
        magnitude=lambda x: x @ np.abs(bent),
        magnitude_adjoint=lambda y: y @ np.abs(bent.T),
        rows=None,
    )
    for changed, message in (
        (wrong_weight, "more than terms say"),
        (replace(m, adjoint=lambda y: y @ bent.T), "adjoint is not"),
        (replace(m, magnitude=m.apply), "magnitude is not"),
        (replace(m, terms=2), "terms = 2"),
        (replace(m, adjoint_terms=1), "adjoint_terms = 1"),
        (replace(m, terms=0), "no data movement"),
    ):
        with pytest.raises(AssertionError, match=message):
            check_linear(case, with_map(changed))


def _failures(case_of_seed: Callable[[int], Case], seeds: range) -> int:
    count = 0
    for seed in seeds:
        case = case_of_seed(seed)
        regions = {k: Region(lo, hi) for k, (lo, hi) in case.boxes.items()}
        try:
            check_inside(case, method.crown(case.plan, regions)[case.graph.outputs[0]], values_of(case))
        except AssertionError:
            count += 1
    return count


def _dense(seed: int) -> Case:
    """y = x w over a tiny box: plain float64 rounding of the sums is larger than the box."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((1, 1, 20))
    return single(_Plain(), "MatMul", (x, x), rng.standard_normal((20, 3)))  # type: ignore[arg-type]


def test_an_engine_that_forgets_its_own_rounding_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _failures(_dense, range(20)) == 0
    original = backward.prepare

    def careless(*args: object) -> backward.Prepared:
        ready = original(*args)  # type: ignore[arg-type]
        return replace(ready, charge=ready.charge * 0, underflow=ready.underflow * 0)

    monkeypatch.setattr(method, "prepare", careless)
    monkeypatch.setattr(Region, "minimum", lambda self, c, *_: (c * self.lower.reshape(1, 1, -1)).sum(axis=2))
    monkeypatch.setitem(RULES, ("MatMul", "interval"), _everything)
    assert _failures(_dense, range(20)) > 0


def _everything(call: object, a: Interval, b: Interval) -> Interval:
    end = np.full((1, *call.shape), np.inf)  # type: ignore[attr-defined]
    return Interval(-end, end)


class _Plain:
    """Stands in for a `Draw` where nothing is drawn: both ends are the points."""

    def points(self, lo: Array, hi: Array) -> Array:
        return np.concatenate([lo, hi])


def test_exact_comparison_tells_neighbouring_floats_apart() -> None:
    with flint.ctx.workprec(300):
        e = flint.arb(1).exp()
    above = next_above(e)
    assert is_below(e, rational(above))
    assert not is_below(e, rational(float(np.nextafter(above, 0))))
