"""Law: for every operator, the exact value lies inside the interval."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from laws.budget import COUNT
from laws.checks import check_inside, interval_of, values_of
from laws.numbers import Draw
from laws.strategies import EXAMPLES, FOLDED


@pytest.mark.parametrize("op", sorted(EXAMPLES.keys() - FOLDED))
@settings(max_examples=COUNT)
@given(st.data())
def test_the_exact_value_lies_inside_the_interval(op: str, data: st.DataObject) -> None:
    case = EXAMPLES[op](Draw(data))
    check_inside(case, interval_of(case), values_of(case))
