"""Law: every linear form is the operator's own map, and every line lies on its side of every exact value."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from laws.budget import COUNT
from laws.checks import check_linear, check_lines, form_of, values_of
from laws.numbers import Draw
from laws.strategies import EXAMPLES, FOLDED

from workbench.semantics.affine import Linear


@pytest.mark.parametrize("op", sorted(EXAMPLES.keys() - FOLDED))
@settings(max_examples=COUNT)
@given(st.data())
def test_lines_are_true_and_linear_maps_are_the_operators_own(op: str, data: st.DataObject) -> None:
    case = EXAMPLES[op](Draw(data))
    form = form_of(case)
    if isinstance(form, Linear):
        check_linear(case, form)
    else:
        check_lines(case, form, values_of(case))
