"""Law: every linear form is the operator's own map, and every line lies on its side of every exact value."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from laws.budget import COUNT
from laws.checks import boxes_of, check_linear, check_lines, form_of, values_of, widened
from laws.forms import LINES, MAPS
from laws.numbers import Draw
from laws.strategies import EXAMPLES, FOLDED
from workbench.semantics.affine import Linear, Relaxation

OPERATORS = sorted(EXAMPLES.keys() - FOLDED)


@pytest.mark.parametrize("op", OPERATORS)
@settings(max_examples=COUNT)
@given(st.data())
def test_lines_are_true_and_linear_maps_are_the_operators_own(op: str, data: st.DataObject) -> None:
    case = EXAMPLES[op](Draw(data))
    form = form_of(case, boxes_of(case))
    kind = "LINEAR" if isinstance(form, Linear) else "lines"
    assert op in (MAPS if isinstance(form, Linear) else LINES), (
        f"{op} gives {kind}: say so in tests/laws/forms.py"
    )
    if isinstance(form, Linear):
        check_linear(case, form)
    else:
        check_lines(case, form, values_of(case))


@pytest.mark.parametrize("op", OPERATORS)
@settings(max_examples=COUNT // 3)
@given(st.data())
def test_lines_over_unbounded_operands_are_true_and_not_nan(op: str, data: st.DataObject) -> None:
    draw = Draw(data)
    case = EXAMPLES[op](draw)
    form = form_of(case, widened(case, draw))
    if isinstance(form, Relaxation):
        check_lines(case, form, values_of(case))
