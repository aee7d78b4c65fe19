"""Bounds on rounding errors in every mode and with abrupt underflow: true, and no looser than they have to be."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oracle import awkward
from workbench.floats.errors import rounding_error, sum_error, sum_error_by_totals, sum_error_classic
from workbench.floats.format import BFLOAT16, BINARY16, E2M1FN, E4M3FN, Format, fixed_point, flx
from workbench.floats.ieee754 import add
from workbench.floats.rounding import MODES, Mode, round_to

SMALL = Format("small", 4, -6, 7)
FLUSHED = Format("flushed", 4, -6, 7, subnormals=False)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "form",
    [SMALL, FLUSHED, BINARY16, BFLOAT16, E4M3FN, E2M1FN, fixed_point(8, 4), flx(6)],
    ids=lambda f: f.name,
)
def test_one_rounding(form: Format, mode: Mode) -> None:
    x = awkward(form, 3, 300)[:-3]
    x = x[np.abs(x) <= min(form.largest, 1e300)]
    bound = rounding_error(np.abs(x), form, mode)
    for value, found, limit in zip(x.tolist(), round_to(x, form, mode).tolist(), bound.tolist(), strict=True):
        assert abs(Fraction(found) - Fraction(value)) <= Fraction(limit), (value, found, limit)
    sizes = np.sort(np.abs(x))
    assert (np.diff(rounding_error(sizes, form, mode)) >= 0).all(), (
        "it is a bound for every smaller number too"
    )
    assert rounding_error(np.zeros(1), form, mode) == 0


@settings(max_examples=40, deadline=None)
@given(
    st.integers(2, 9),
    st.integers(0, 2**32),
    st.sampled_from([SMALL, FLUSHED, BFLOAT16]),
    st.sampled_from(MODES),
)
def test_sums_in_any_order_and_mode(n: int, seed: int, form: Format, mode: Mode) -> None:
    rng = np.random.default_rng(seed)
    leaves = round_to(rng.normal(size=n) * form.normal * 2.0 ** rng.integers(-2, 9, n), form)
    exact = sum(map(Fraction, leaves.tolist()), Fraction(0))
    sharp = float(sum_error(leaves, form, mode=mode))
    plus, minus = np.maximum(leaves, 0).sum(), np.maximum(-leaves, 0).sum()
    cheap = float(sum_error_by_totals(np.array(plus), np.array(minus), n, form, mode))
    for _ in range(4):
        values = list(leaves)
        while len(values) > 1:
            i, j = sorted(rng.choice(len(values), 2, replace=False).tolist())
            values[i] = float(add(values[i], values.pop(j), form, mode).value)
        if not np.isfinite(values[0]):
            assert sharp == cheap == np.inf
            continue
        error = abs(Fraction(values[0]) - exact)
        for bound in (sharp, cheap):
            assert bound == np.inf or error <= Fraction(bound), (leaves, values[0])


def test_abrupt_underflow_is_counted() -> None:
    """Differences of small numbers vanish: with gradual underflow they would be exact."""
    leaves = round_to(np.array([1.125, -1.0, 1.25, -1.125]) * FLUSHED.normal, FLUSHED)
    found = 0.0
    for a, b in leaves.reshape(2, 2):
        found += float(add(a, b, FLUSHED).value)
    assert found == 0 and leaves.sum() == 0.25 * FLUSHED.normal
    assert (
        float(sum_error(leaves, SMALL))
        < 0.9 * FLUSHED.normal
        < 3 * FLUSHED.normal
        <= float(sum_error(leaves, FLUSHED))
    )
    long = Format("long, flushed", 24, -6, 7, subnormals=False)
    assert float(sum_error(leaves, long)) >= 0.5 * long.normal, "u alone would be a millionth of it"
    with pytest.raises(ValueError, match=r"underflows abruptly.*use sum_error"):
        sum_error_classic(np.ones(1), 3, FLUSHED)
