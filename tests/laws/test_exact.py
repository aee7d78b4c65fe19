"""Law: the float run and the exact run are the same function, and the exact one is exact."""

from __future__ import annotations

from fractions import Fraction

import flint
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from laws.budget import COUNT
from laws.checks import values_of
from laws.numbers import ANY, Draw
from laws.strategies import EXAMPLES, FOLDED
from workbench.semantics import real
from workbench.semantics.exact import ExactArithmetic, rational


@pytest.mark.parametrize("op", sorted(EXAMPLES.keys() - FOLDED))
@settings(max_examples=COUNT // 2)
@given(st.data())
def test_the_float_run_follows_the_exact_value(op: str, data: st.DataObject) -> None:
    case = EXAMPLES[op](Draw(data, calm=True))
    want = values_of(case)
    have = real.run(case.plan, case.points, np.float64)[case.graph.outputs[0]]
    have = np.broadcast_to(have, want.shape)
    assert have.dtype == np.float64
    for at in np.ndindex(want.shape):
        exact = float(want[at])
        assert abs(float(have[at]) - exact) <= 1e-9 * max(1.0, abs(exact)), (
            f"{have[at]!r} for {exact!r} at {at}"
        )


@pytest.mark.parametrize("op", sorted(EXAMPLES.keys() - FOLDED))
@settings(max_examples=5)
@given(st.data())
def test_a_float32_run_stays_in_float32(op: str, data: st.DataObject) -> None:
    case = EXAMPLES[op](Draw(data, calm=True))
    points = {k: v.astype(np.float32) for k, v in case.points.items()}
    assert real.run(case.plan, points, np.float32)[case.graph.outputs[0]].dtype == np.float32


@given(ANY, ANY)
def test_rationals_are_the_floats_they_come_from(a: float, b: float) -> None:
    assert Fraction(int(rational(a).p), int(rational(a).q)) == Fraction(a)
    ns = ExactArithmetic()
    x, y = (np.array([[rational(v)]], dtype=object) for v in (a, b))
    product = ns.matmul(x, y)[0, 0]
    assert Fraction(int(product.p), int(product.q)) == Fraction(a) * Fraction(b)
    larger = ns.maximum(x, y)[0, 0]
    assert Fraction(int(larger.p), int(larger.q)) == max(Fraction(a), Fraction(b))


@pytest.mark.parametrize("name", ["exp", "sigmoid", "tanh", "sin", "cos", "log", "sqrt"])
@given(st.floats(0.001, 700))
def test_balls_hold_the_value_and_are_narrower_than_an_ulp(name: str, x: float) -> None:
    coarse = getattr(ExactArithmetic(150), name)(np.array([rational(x)], dtype=object))[0]
    fine = getattr(ExactArithmetic(600), name)(np.array([rational(x)], dtype=object))[0]
    assert coarse.contains(fine)
    with flint.ctx.workprec(64):
        assert coarse.rad() <= abs(coarse.mid()) * flint.arb(2) ** -80 + flint.arb(2) ** -140
