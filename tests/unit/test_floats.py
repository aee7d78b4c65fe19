"""Formats, rounding, error bounds of sums in any order, and float sums in named orders."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import gmpy2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.floats.errors import (
    growth,
    outward32,
    raised,
    rounding_error,
    sum_error_by_totals,
    sum_error_classic,
)
from workbench.floats.execute import ORDERS, fma, matmul, total
from workbench.floats.format import (
    BFLOAT16,
    BINARY16,
    BINARY32,
    BINARY64,
    E4M3FN,
    FORMATS,
    Format,
    ufp,
    ulp,
)
from workbench.floats.program import PROGRAMS, Semantics, program_of
from workbench.floats.rounding import is_number_of, is_stored, round_to
from workbench.floats.sums import product_error, sum_error

SMALL = Format("small", 3, -6, 7)
NARROW = [f for f in (*FORMATS.values(), SMALL) if f is not BINARY64]


def nearest(q: Fraction, form: Format) -> float:
    """An oracle in integers: q rounded to nearest, ties to even; inf beyond the largest number."""
    if q == 0:
        return 0.0
    size = abs(q)
    e = size.numerator.bit_length() - size.denominator.bit_length()
    e -= Fraction(2) ** e > size
    step = Fraction(2) ** (max(e, form.emin) - form.precision + 1)
    whole, rest = divmod(size, step)
    whole = int(whole) + (rest * 2 > step or (rest * 2 == step and int(whole) % 2 == 1))
    found = whole * step
    if found > Fraction(form.largest):
        return float("inf") if q > 0 else float("-inf")
    return float(found) if q > 0 else -float(found)


def awkward(form: Format, seed: int = 0, count: int = 600) -> np.ndarray:
    """Numbers of the format, midpoints, and their float64 neighbours, over the whole range and beyond it."""
    rng = np.random.default_rng(seed)
    e = rng.integers(form.emin - form.precision - 2, form.emax + 2, count)
    m = rng.integers(0, 2 ** min(form.precision + 2, 52), count) * 2.0 ** -min(form.precision + 1, 51)
    x = np.ldexp(m, e)
    top = form.largest
    x = np.concatenate(
        [x, [0.0, form.eta, form.eta / 2, form.eta * 1.5, form.normal, top, top * (1 + form.unit)]]
    )
    x = np.concatenate([x, np.nextafter(x, np.inf), np.nextafter(x, -np.inf), x * (1 + 2.0**-40)])
    x = x * np.where(rng.random(x.size) < 0.5, -1.0, 1.0)
    return x[np.isfinite(x)]


@pytest.mark.parametrize("form", NARROW, ids=lambda f: f.name)
def test_rounding_agrees_with_the_oracle(form: Format) -> None:
    x = awkward(form)
    want = np.array([nearest(Fraction(v), form) for v in x.tolist()])
    if not form.infinities:
        over = np.isinf(want)
        want[over] = np.nan if form.nans else np.copysign(form.largest, x[over])
    got = round_to(x, form)
    assert np.array_equal(got, want, equal_nan=True)
    assert (np.signbit(got) == np.signbit(x))[~np.isnan(got)].all(), "the sign of a zero is lost"


@pytest.mark.parametrize("form", [f for f in NARROW if f.infinities], ids=lambda f: f.name)
def test_rounding_agrees_with_mpfr(form: Format) -> None:
    """Numbers enter in a wide context: one with the format's own exponents would round them twice."""
    wide = gmpy2.context(precision=53, emin=-1500, emax=1500)
    context = gmpy2.context(
        precision=form.precision, emin=form.emin - form.precision + 2, emax=form.emax + 1, subnormalize=True
    )
    x = awkward(form, 1, 500)
    want = []
    for v in x.tolist():
        with wide:
            given_ = gmpy2.mpfr(v)
        want.append(float(context.plus(given_)))
    assert np.array_equal(round_to(x, form), want)


@pytest.mark.parametrize(("form", "dtype"), [(BINARY32, np.float32), (BINARY16, np.float16)])
def test_rounding_agrees_with_the_hardware(form: Format, dtype: type) -> None:
    bits = np.random.default_rng(3).integers(0, 2**63, 200_000, dtype=np.uint64)
    exponents = np.random.default_rng(4).integers(1023 + form.emin - 30, 1023 + form.emax + 2, bits.size)
    x = ((bits & np.uint64(0x800FFFFFFFFFFFFF)) | (exponents.astype(np.uint64) << np.uint64(52))).view(
        np.float64
    )
    with np.errstate(over="ignore"):
        assert np.array_equal(round_to(x, form), x.astype(dtype).astype(np.float64))


@pytest.mark.parametrize("form", [BINARY16, BFLOAT16], ids=lambda f: f.name)
def test_every_16_bit_number_is_kept_and_every_midpoint_goes_to_even(form: Format) -> None:
    shift = 16 - form.precision
    codes = np.arange(2**15, dtype=np.uint32)
    field, fraction = codes >> (form.precision - 1), codes & (2 ** (form.precision - 1) - 1)
    finite = field < 2**shift - 1
    e = np.maximum(field.astype(int), 1) - 1 + form.emin
    x = np.ldexp(fraction + np.where(field > 0, 2.0 ** (form.precision - 1), 0.0), e - form.precision + 1)[
        finite
    ]
    assert x.max() == form.largest
    assert np.array_equal(round_to(x, form), x)
    assert is_number_of(x, form).all()
    middle = (x[:-1] + x[1:]) / 2
    even = np.where(codes[finite][:-1] % 2 == 0, x[:-1], x[1:])
    assert np.array_equal(round_to(middle, form), even)
    assert np.array_equal(round_to(np.nextafter(middle, np.inf), form), x[1:])
    assert np.array_equal(round_to(np.nextafter(middle, 0), form), x[:-1])


def test_rounding_once_is_not_rounding_twice() -> None:
    """By way of float32 this goes down to 1: a published library does that."""
    x = 1 + 2.0**-8 + 2.0**-40
    assert round_to(x, BFLOAT16) == 1 + 2.0**-7
    assert round_to(float(np.float32(x)), BFLOAT16) == 1.0


def test_overflow_policies() -> None:
    assert round_to(65519.9, BINARY16) == 65504
    assert round_to(-65520.0, BINARY16) == -np.inf
    assert round_to(1e300, BINARY16, overflow="saturate") == 65504
    assert np.isnan(round_to(465.0, E4M3FN))
    assert round_to(464.0, E4M3FN) == 448
    assert round_to(-1e9, E4M3FN, overflow="saturate") == -448
    assert np.isnan(round_to(np.nan, E4M3FN, overflow="saturate"))
    assert np.array_equal(round_to(np.array([np.inf, -np.inf]), BINARY32), [np.inf, -np.inf])


@pytest.mark.parametrize(
    ("form", "dtype"), [(BINARY64, np.float64), (BINARY32, np.float32), (BINARY16, np.float16)]
)
def test_formats_are_what_they_are(form: Format, dtype: type) -> None:
    info = np.finfo(dtype)
    assert form.largest == float(info.max)
    assert form.normal == float(info.tiny)
    assert form.eta == float(info.smallest_subnormal)
    assert 2 * form.unit == float(info.eps)
    x = np.abs(np.random.default_rng(0).normal(size=50)).astype(dtype)
    assert np.array_equal(ulp(x, form), np.spacing(x).astype(np.float64))
    assert is_stored(x, form)


def test_ufp_of_every_binade() -> None:
    e = np.arange(-1074, 1024)
    assert np.array_equal(ufp(np.ldexp(1.0, e)), np.ldexp(1.0, e))
    assert np.array_equal(ufp(-np.nextafter(np.ldexp(1.0, e[1:]), 0)), np.ldexp(1.0, e[:-1]))
    assert ufp(np.zeros(1)) == 0


@pytest.mark.parametrize("form", [*NARROW, BINARY64], ids=lambda f: f.name)
def test_the_rounding_error_is_bounded_and_the_bound_is_reached(form: Format) -> None:
    x = awkward(form, 5) if form is not BINARY64 else np.array([1.0, 3.0])
    fits = np.abs(x) <= form.largest
    exact = [abs(Fraction(v) - Fraction(r)) for v, r in zip(x[fits], round_to(x[fits], form), strict=True)]
    bound = rounding_error(np.abs(x[fits]), form)
    assert all(e <= Fraction(b) for e, b in zip(exact, bound.tolist(), strict=True))
    if form is not BINARY64:
        assert max(float(e) / b for e, b in zip(exact, bound.tolist(), strict=True) if b) == 1.0
    assert rounding_error(np.array(form.largest * 1.0001), form) == np.inf
    assert rounding_error(np.zeros(2), form).tolist() == [0, 0]


def tree_sum(leaves: list[float], form: Format, rng: np.random.Generator) -> tuple[float, bool]:
    """A sum in a random order, in random parentheses; whether it stayed finite."""
    values = list(leaves)
    while len(values) > 1:
        i, j = sorted(rng.choice(len(values), 2, replace=False).tolist())
        b = values.pop(j)
        values[i] = float(round_to(values[i] + b, form))
    return values[0], bool(np.isfinite(values[0]))


@settings(max_examples=150)
@given(
    st.integers(1, 9), st.integers(0, 2**32), st.sampled_from([SMALL, replace(SMALL, precision=5), BFLOAT16])
)
def test_sums_in_any_order_keep_within_the_bound(n: int, seed: int, form: Format) -> None:
    rng = np.random.default_rng(seed)
    leaves = round_to(rng.normal(size=n) * 10.0 ** rng.integers(-3, 2, n), form)
    leaves[rng.random(n) < 0.2] = 0.0
    exact = sum(map(Fraction, leaves.tolist()), Fraction(0))
    sharp = float(sum_error(leaves, form))
    plus, minus = np.maximum(leaves, 0).sum(), np.maximum(-leaves, 0).sum()
    cheap = float(sum_error_by_totals(np.array(plus), np.array(minus), n, form))
    classic = float(sum_error_classic(np.array(plus + minus), max(n - 1, 0), form))
    assert sharp <= cheap * (1 + 1e-9)
    for _ in range(12):
        found, finite = tree_sum(leaves.tolist(), form, rng)
        if not finite:
            assert sharp == cheap == np.inf
            continue
        error = abs(Fraction(found) - exact)
        assert error <= Fraction(classic)
        for bound in (sharp, cheap):
            assert bound == np.inf or error <= Fraction(bound)


def test_the_bound_of_sums_is_reached() -> None:
    """1 plus many halves of its spacing: one after another, each of them is lost to a tie."""
    form = replace(SMALL, precision=16, emax=30)
    leaves = np.array([1.0] + [form.unit] * 63)
    acc = 0.0
    for x in leaves.tolist():
        acc = float(round_to(acc + x, form))
    assert acc == 1.0
    assert leaves.sum() - acc <= sum_error(leaves, form) <= 1.01 * (leaves.sum() - acc)


@settings(max_examples=100)
@given(st.integers(1, 300), st.integers(0, 2**32))
def test_the_fast_paths_of_the_bound_agree_with_the_formula(n: int, seed: int) -> None:
    """Blocks and float32 may only add: at most two per cent, and never take away."""
    rng = np.random.default_rng(seed)
    leaves = rng.normal(size=(3, n)) * 10.0 ** rng.integers(-2, 2, (3, n))
    leaves[rng.random((3, n)) < 0.3] = 0.0
    u = BINARY32.unit
    for row in leaves:
        m = np.count_nonzero(row)
        tops = [np.cumsum(-np.sort(-np.maximum(s * row, 0))) for s in (1, -1)]
        T = np.maximum(*tops)[1:m]
        formula = u * ufp(T * (1 + u) ** (m + 1)).sum()
        for given_ in (row, outward32(row)):
            found = float(sum_error(given_, BINARY32))
            assert formula <= found <= 1.04 * formula + 1e-300
        low = np.minimum(row, 0.0)
        both = float(sum_error(np.maximum(row, 0.0), BINARY32, other=low))
        assert formula <= both <= 1.04 * formula + 1e-300
        products = u * ufp(row).sum()
        assert products <= float(product_error(outward32(row), BINARY32))


def test_leaves_that_may_have_either_sign() -> None:
    high, low = np.array([3.0, 0.0, 1.0]), np.array([-5.0, -2.0, 1.0])
    # T_2 = max(3 + 1, 5 + 2), T_3 the same
    assert sum_error(high, BINARY32, other=low) == pytest.approx(2 * 4 * BINARY32.unit, rel=1e-9)


def test_a_partial_sum_that_may_overflow_has_no_bound() -> None:
    big = np.array([3e38, 3e38, -3e38])
    assert sum_error(big, BINARY32) == np.inf
    assert sum_error_by_totals(np.array(6e38), np.array(3e38), 3, BINARY32) == np.inf
    assert np.isfinite(sum_error(big[1:], BINARY32))


def test_growth_and_raised_are_above() -> None:
    for u, n in ((2.0**-53, 10), (2.0**-24, 1000), (2.0**-3, 7)):
        assert Fraction(growth(u, n)) >= (1 + Fraction(u)) ** n - 1
    assert raised(np.zeros(1)) == 0
    assert raised(np.array(2.0**-1074)) > 2.0**-1074


# ---------------------------------------------------------------------- float sums in named orders


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_fma_rounds_once(dtype: type) -> None:
    form = BINARY32 if dtype == np.float32 else BINARY64
    rng = np.random.default_rng(0)
    n = 4000
    a, b = (rng.normal(size=n).astype(dtype) for _ in range(2))
    # halves of products, moved a little: where rounding twice goes wrong
    near = (a.astype(object) * b.astype(object)).astype(dtype)
    c = np.where(
        rng.random(n) < 0.5, -near, (rng.normal(size=n) * 10.0 ** rng.integers(-12, 8, n)).astype(dtype)
    )
    c = np.where(rng.random(n) < 0.2, (-near * dtype(1 + 2.0**-10)).astype(dtype), c).astype(dtype)
    got = fma(a, b, c)
    want = [
        _float(Fraction(float(x)) * Fraction(float(y)) + Fraction(float(z)), form)
        for x, y, z in zip(a, b, c, strict=True)
    ]
    assert np.array_equal(got.astype(np.float64), want)


def _float(q: Fraction, form: Format) -> float:
    return float(q) if form is BINARY64 else nearest(q, form)  # Python's own conversion rounds to nearest


def test_rounding_an_fma_twice_would_be_wrong() -> None:
    """The exact sum lies just above a midpoint of binary32, too close to it for binary64 to see."""
    a = b = np.array([1 + 2.0**-12], np.float32)
    c = np.array([2.0**-60], np.float32)
    exact = Fraction(float(a[0])) ** 2 + Fraction(float(c[0]))
    twice = np.float32(np.float64(a) * np.float64(b) + np.float64(c))
    assert float(fma(a, b, c)[0]) == nearest(exact, BINARY32)
    assert float(twice[0]) != nearest(exact, BINARY32)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("order", ORDERS)
def test_every_order_is_what_it_says(order: str, dtype: type) -> None:
    """Bit for bit a scalar loop (for those that have one), and near the exact sum in any case."""
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(3, 17)).astype(dtype), rng.normal(size=(17, 2)).astype(dtype)
    got = matmul(x, y, order, np.random.default_rng(5))
    assert got.dtype == dtype
    assert got.shape == (3, 2)
    steps = {
        "sequential": list(range(17)),
        "reversed": list(range(16, -1, -1)),
        "random": np.random.default_rng(5).permutation(17).tolist(),
    }.get(order)
    for i, j in np.ndindex(3, 2):
        p = [x[i, k] * y[k, j] for k in range(17)]
        exact = sum(Fraction(float(a)) * Fraction(float(b)) for a, b in zip(x[i], y[:, j], strict=True))
        size = sum(abs(float(v)) for v in p)
        assert abs(float(Fraction(float(got[i, j])) - exact)) <= 18 * np.finfo(dtype).eps / 2 * size
        want = None
        if steps is not None:
            want = p[steps[0]]
            for k in steps[1:]:
                want = want + p[k]
        elif order == "pairwise":
            while len(p) > 1:
                half = len(p) // 2
                p = [p[k] + p[half + k] for k in range(half)] + p[2 * half :]
            want = p[0]
        elif order == "adversarial":
            ordered = sorted((v for v in p if v > 0), reverse=True) + sorted(
                (v for v in p if v <= 0), reverse=True
            )
            want = dtype(0)
            for v in ordered:
                want = want + v
        if want is not None:
            assert got[i, j] == want


@pytest.mark.parametrize("order", ORDERS)
def test_stacks_of_matrices_and_plain_sums(order: str) -> None:
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(2, 1, 3, 4)).astype(np.float32), rng.normal(size=(5, 4, 2)).astype(np.float32)
    got = matmul(x, y, order, rng)
    assert got.shape == (2, 5, 3, 2)
    assert np.allclose(got, np.matmul(x, y), rtol=1e-5, atol=1e-6)
    z = rng.normal(size=(3, 9)).astype(np.float32)
    assert np.allclose(total(z, order, rng), z.sum(axis=1), rtol=1e-5, atol=1e-6)
    assert np.array_equal(total(z[:, :0], order, rng), np.zeros(3))
    assert np.array_equal(matmul(x[..., :0], y[:, :0], order, rng), np.zeros((2, 5, 3, 2)))


# ---------------------------------------------------------------------- programs


def test_programs() -> None:
    assert program_of("binary16").mixed
    assert program_of("binary16").exact_products
    assert program_of("binary16").underflow == 0  # the product of two numbers of binary16 is one of binary32
    assert program_of("bfloat16").underflow == BINARY32.eta
    assert not program_of("binary32").exact_products
    assert program_of(PROGRAMS["binary64"]) is PROGRAMS["binary64"]
    with pytest.raises(
        ValueError, match=r"no number format 'float8'.*binary64, binary32, binary16, bfloat16"
    ):
        program_of("float8")


def test_programs_that_make_no_sense() -> None:
    with pytest.raises(ValueError, match="accumulator binary16 cannot hold every binary32"):
        Semantics("bad", BINARY32, BINARY16, BINARY16)
    with pytest.raises(ValueError, match=r"exp within 0\.1 ulp"):
        Semantics("bad", BINARY32, BINARY32, BINARY32, functions={"exp": 0.1})
    with pytest.raises(ValueError, match="precision must be from 1 to 53"):
        Format("bad", 60, -10, 10)
    with pytest.raises(ValueError, match="do not lie inside binary64"):
        Format("bad", 10, -2000, 10)
    program = Semantics("own tanh", BINARY32, BINARY32, BINARY32, functions={"tanh": 1.0})
    assert (program.ulps("tanh"), program.ulps("exp")) == (1.0, 4)
    with pytest.raises(ValueError, match="assumes nothing about airy"):
        program.function_error("airy", np.ones(1))


def test_the_last_rounding() -> None:
    p = program_of("bfloat16")
    size = np.array([1.0, 3.0, 0.0, 1e39])
    assert p.finish(size, "stored").tolist() == [0, 0, 0, 0]
    once = p.finish(size, "accumulated")
    assert once[:3] == pytest.approx([2.0**-8, 2.0**-7, 0.0])
    assert once[3] == np.inf
    assert (p.finish(size, "exact")[:2] > once[:2]).all()
    assert program_of("binary32").finish(size, "accumulated").tolist() == [0, 0, 0, np.inf]
