"""Bounds on rounding errors in every mode and with abrupt underflow: true, and no looser than they have to be."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oracle import awkward
from workbench.floats.errors import outward32, rounding_error, sum_error_by_totals, sum_error_classic
from workbench.floats.format import (
    BFLOAT16,
    BINARY16,
    BINARY32,
    E2M1FN,
    E4M3FN,
    Format,
    fixed_point,
    flx,
    ufp,
)
from workbench.floats.ieee754 import add
from workbench.floats.rounding import MODES, Mode, round_to
from workbench.floats.sums import sum_error
from workbench.methods import spheres

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


@pytest.mark.parametrize("count", [129, 785, 3000, 20_000])
@pytest.mark.parametrize("kind", ["either sign", "one sign", "equal"])
def test_long_sums_are_bounded_to_two_per_cent_of_the_formula(count: int, kind: str) -> None:
    """T is looked at in some places only: never below u sum ufp(T_k (1+u)^(m+1)), and hardly above."""
    rng = np.random.default_rng(count)
    leaves = {"either sign": rng.normal(size=count), "one sign": rng.random(count), "equal": np.ones(count)}[
        kind
    ]
    leaves[1:20] = 0.0  # adding these rounds nothing
    m, u = np.count_nonzero(leaves), BINARY32.unit
    tops = [np.cumsum(np.sort(np.maximum(s * leaves, 0))[::-1]) for s in (1, -1)]
    formula = float(u * ufp(np.maximum(*tops)[1:m] * (1 + u) ** (m + 1)).sum())
    for given_ in (leaves, outward32(leaves)):
        found = float(sum_error(given_, BINARY32))
        assert formula <= found <= 1.03 * formula, (count, kind, found / formula)
    several = sum_error(np.stack([leaves, leaves[::-1]]), BINARY32)
    assert several.shape == (2,) and several[0] == several[1] == pytest.approx(found, rel=0.02)


def test_one_leaf_that_is_too_large_has_no_bound() -> None:
    assert sum_error(np.array([400.0]), E4M3FN) == 0
    assert sum_error(np.array([500.0]), E4M3FN) == np.inf, "the product itself overflows, without an addition"
    assert sum_error(np.array([[500.0, 0.0], [1.0, 2.0]]), E4M3FN).tolist()[0] == np.inf


def test_a_ball_found_in_float32_holds_every_error() -> None:
    rng = np.random.default_rng(0)
    for rows, columns, size in ((5, 40, 1.0), (60, 30, 1e-30), (3, 700, 1e100)):
        scaled = rng.normal(size=(rows, columns)) * size * 10.0 ** rng.uniform(-3, 0, columns)
        box = rng.random(columns)
        alone = spheres._box_alone(scaled, box)
        assert alone <= 1.001 * spheres._box(scaled.T @ scaled, scaled, box)
        for _ in range(20):  # towards the worst: signs that agree with one row, or with what came of them
            t = box * np.sign(scaled[rng.integers(rows)])
            for _ in range(3):
                t = box * np.sign(scaled.T @ (scaled @ t / np.abs(scaled @ t).max()))
            assert np.linalg.norm(scaled @ t / alone) <= 1
