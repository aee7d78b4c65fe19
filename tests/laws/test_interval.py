"""Law: for every operator, the exact value lies inside the interval."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from laws.budget import COUNT
from laws.checks import boxes_of, check_inside, interval_of, values_of, widened
from laws.numbers import Draw
from laws.strategies import EXAMPLES, FOLDED, single
from workbench.op import RULES
from workbench.semantics.interval import Interval

OPERATORS = sorted(EXAMPLES.keys() - FOLDED)


@pytest.mark.parametrize("op", OPERATORS)
@settings(max_examples=COUNT)
@given(st.data())
def test_the_exact_value_lies_inside_the_interval(op: str, data: st.DataObject) -> None:
    case = EXAMPLES[op](Draw(data))
    check_inside(case, interval_of(case, boxes_of(case)), values_of(case))


@pytest.mark.parametrize("op", OPERATORS)
@settings(max_examples=COUNT // 3)
@given(st.data())
def test_unbounded_operands_give_true_intervals_and_no_nan(op: str, data: st.DataObject) -> None:
    draw = Draw(data)
    case = EXAMPLES[op](draw)
    check_inside(case, interval_of(case, widened(case, draw)), values_of(case))


@pytest.mark.parametrize(
    ("op", "ends", "exponent"),
    [
        ("Log", (-1.0, 2.0), None),
        ("Log", (-2.0, -1.0), None),
        ("Sqrt", (-1e-300, 4.0), None),
        ("Sqrt", (-2.0, -1.0), None),
        ("Reciprocal", (-1.0, 1.0), None),
        ("Reciprocal", (0.0, 1.0), None),
        ("Reciprocal", (-1.0, 0.0), None),
        ("Reciprocal", (0.0, 0.0), None),
        ("Pow", (-1.0, 4.0), 0.5),
        ("Pow", (0.0, 4.0), -0.5),
        ("Pow", (-1.0, 1.0), -2.0),
        ("Pow", (0.0, 1.0), -1.0),
    ],
)
def test_where_there_may_be_no_value_nothing_is_claimed(
    op: str, ends: tuple[float, float], exponent: float | None
) -> None:
    """An interval that leaves the operator's domain gives the whole line, and lines that claim nothing."""
    box = Interval(np.full((1, 2), ends[0]), np.full((1, 2), ends[1]))
    extra = () if exponent is None else (np.array(exponent),)
    data = _Fixed()
    case = single(data, op, (np.full((1, 2), 1.0), np.full((1, 2), 2.0)), *extra)  # type: ignore[arg-type]
    constants = () if exponent is None else (Interval(np.array([exponent]), np.array([exponent])),)
    with np.errstate(all="ignore"):
        found = RULES[op, "interval"](case.step.call, box, *constants)
        form = RULES[op, "affine"](case.step.call, box, *constants)
    assert (found.lo == -np.inf).all()
    assert (found.hi == np.inf).all()
    assert (form.lower.offset == -np.inf).all()
    assert (form.upper.offset == np.inf).all()


class _Fixed:
    """Stands in for a `Draw` where nothing is drawn."""

    def points(self, lo: np.ndarray, hi: np.ndarray) -> np.ndarray:
        return lo
