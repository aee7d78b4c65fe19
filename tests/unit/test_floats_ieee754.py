"""The operations of IEEE 754 and their flags, against integers, MPFR and the hardware."""

from __future__ import annotations

from itertools import product

import gmpy2
import numpy as np
import pytest

from oracle import awkward, operation, same
from workbench.floats.format import (
    BFLOAT16,
    BINARY16,
    BINARY32,
    BINARY64,
    E2M1FN,
    E4M3FN,
    E5M2,
    Format,
    fixed_point,
    flx,
    ftz,
)
from workbench.floats.ieee754 import OPERATIONS, add, convert, div, fma, mul, sqrt, sub
from workbench.floats.rounding import MODES, Mode, round_to

FORMATS = (
    BINARY64,
    BINARY32,
    BINARY16,
    BFLOAT16,
    E4M3FN,
    E5M2,
    E2M1FN,
    fixed_point(8, 4),
    fixed_point(6, 0, signed=False),
    Format("flushed", 11, -14, 15, subnormals=False),
    Format("wide", 30, -100, 200),
    Format("52 bits", 52, -1000, 1000),
    Format("to the end", 24, -1040, 1023),
    Format("53 bits", 53, -30, 30),
)
ARITY = {"add": 2, "sub": 2, "mul": 2, "div": 2, "fma": 3, "sqrt": 1}


def compare(name: str, operands: list[np.ndarray], form: Format, mode: Mode) -> None:
    got = OPERATIONS[name](*operands, form, mode)
    flags = {
        f: getattr(got.flags, f) for f in ("invalid", "divide_by_zero", "overflow", "underflow", "inexact")
    }
    for i, x in enumerate(zip(*(v.tolist() for v in operands), strict=True)):
        want, raised = operation(name, x, form, mode)
        mine = {f for f, on in flags.items() if on[i]}
        assert same(float(got.value[i]), want) and mine == raised, (
            name,
            x,
            float(got.value[i]),
            want,
            mine,
            raised,
        )


def operands_of(form: Format, arity: int, seed: int, count: int) -> list[np.ndarray]:
    """Numbers of the format, of nearby sizes (so that they meet) or of any, special ones, and exact opposites."""
    rng = np.random.default_rng(seed)
    pool = round_to(awkward(form, seed, 200), form, overflow="saturate")
    with np.errstate(over="ignore"):
        base = rng.choice(pool, (arity, count))
        near = np.ldexp(
            rng.integers(-(2 ** min(form.precision, 52)), 2 ** min(form.precision, 52), (arity, count)) * 1.0,
            rng.integers(-3, 4, (arity, count)) - form.precision,
        )
        x = np.where(rng.random((arity, count)) < 0.5, base, round_to(near, form, overflow="saturate"))
        if arity == 3:  # c near -ab: cancellation, and sums that lie next to midpoints
            c = round_to(
                -x[0] * x[1] * (1 + form.unit * rng.integers(-1, 2, count)), form, overflow="saturate"
            )
            x[2] = np.where(rng.random(count) < 0.4, c, x[2])
        elif arity == 2:
            x[1] = np.where(rng.random(count) < 0.1, -x[0], x[1])
    x[:, : 2**arity] = np.array(list(product([0.0, -0.0], repeat=arity))).T
    if form.infinities:
        x[:, 8 : 8 + 2**arity] = np.array(list(product([np.inf, -1.0], repeat=arity))).T
        x[:, 16 : 16 + 2**arity] = np.array(list(product([-np.inf, 0.0], repeat=arity))).T
        x[:, 24 : 24 + 2**arity] = np.array(list(product([-np.inf, np.inf], repeat=arity))).T
    return list(x)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("form", FORMATS, ids=lambda f: f.name)
def test_every_operation_and_its_flags(form: Format, mode: Mode) -> None:
    for name, arity in ARITY.items():
        compare(name, operands_of(form, arity, 1, 90), form, mode)


@pytest.mark.parametrize(
    "form",
    [Format("6 bits", 3, -1, 2), Format("6 bits, flushed", 3, -1, 2, subnormals=False)],
    ids=lambda f: f.name,
)
def test_all_pairs_of_a_small_format(form: Format) -> None:
    n = np.arange(2 ** (form.precision - 1))
    x = np.concatenate(
        [np.ldexp(n, form.emin - 2)] + [np.ldexp(n + 4, e - 2) for e in range(form.emin, form.emax + 1)]
    )
    x = np.unique(round_to(x, form))
    x = np.concatenate([x, -x, [np.inf, -np.inf]])
    a, b = (v.ravel() for v in np.meshgrid(x, x))
    for mode in MODES if form.subnormals else ("nearest-even", "up"):
        for name in ("add", "mul", "div"):
            compare(name, [a, b], form, mode)
        compare("sqrt", [x], form, mode)


@pytest.mark.parametrize(
    ("form", "dtype"), [(BINARY32, np.float32), (BINARY64, np.float64), (BINARY16, np.float16)]
)
def test_the_hardware_agrees(form: Format, dtype: type) -> None:
    rng = np.random.default_rng(0)
    count = 20_000
    size = np.dtype(dtype).itemsize
    x, y = (rng.integers(0, 2 ** (8 * size) - 1, count, dtype=f"u{size}").view(dtype) for _ in range(2))
    y = np.where(rng.random(count) < 0.5, y, -x)
    ok = ~np.isnan(x) & ~np.isnan(y)
    x, y = x[ok], y[ok]
    with np.errstate(all="ignore"):
        pairs = [(add, x + y), (sub, x - y), (mul, x * y), (div, x / y)]
        root = np.sqrt(x)
    for op, want in pairs:
        got = op(x, y, form).value
        assert np.array_equal(got, want.astype(np.float64), equal_nan=True), op
        assert np.array_equal(np.signbit(got), np.signbit(want)) or np.isnan(want).any()
    assert np.array_equal(sqrt(x, form).value, root.astype(np.float64), equal_nan=True)


@pytest.mark.parametrize("form", [BINARY64, BINARY32, BFLOAT16], ids=lambda f: f.name)
def test_mpfr_agrees(form: Format) -> None:
    modes = {
        "nearest-even": gmpy2.RoundToNearest,
        "toward-zero": gmpy2.RoundToZero,
        "up": gmpy2.RoundUp,
        "down": gmpy2.RoundDown,
    }
    wide = gmpy2.context(precision=53, emin=-1500, emax=1500)
    for mode, theirs in modes.items():
        context = gmpy2.context(
            precision=form.precision,
            emin=form.emin - form.precision + 2,
            emax=form.emax + 1,
            subnormalize=True,
            round=theirs,
        )
        for name, arity in {"add": 2, "mul": 2, "div": 2, "fma": 3}.items():
            x = operands_of(form, arity, 4, 300)
            got = OPERATIONS[name](*x, form, mode).value
            with wide:
                given = [[gmpy2.mpfr(v) for v in row.tolist()] for row in x]
            want = [float(getattr(context, name)(*row)) for row in zip(*given, strict=True)]
            assert np.array_equal(got, want, equal_nan=True), (name, mode)


def test_a_fused_multiply_add_rounds_once() -> None:
    """Through binary64, rounded to nearest twice, this is wrong by one unit."""
    a, c = 1 + 2.0**-12, 2.0**-60
    assert fma(a, a, c, BINARY32).value == np.float32(1 + 2.0**-11) + np.float32(2.0**-23)
    assert np.float32(a * a + c) == np.float32(1 + 2.0**-11)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("form", [BINARY64, BINARY32, E4M3FN], ids=lambda f: f.name)
def test_just_below_a_power_of_two(form: Format, mode: Mode) -> None:
    """There the spacing is that of the binade below."""
    tiny = -form.eta * np.array([1.0, 2.0, 3.0])
    compare("add", [np.ones(3), tiny], form, mode)
    compare("add", [np.ones(3), -form.unit * np.array([0.25, 0.5, 0.75])], form, mode)


def test_flags() -> None:
    one = np.array([1.0])
    assert add(one, one).flags.raised() == ()
    assert div(one, 3 * one).flags.raised() == ("inexact",)
    assert div(one, 0 * one).flags.raised() == ("divide_by_zero",)
    assert div(0 * one, 0 * one).flags.raised() == ("invalid",)
    assert sqrt(-one).flags.raised() == ("invalid",)
    assert mul(1e300 * one, 1e300 * one).flags.raised() == ("overflow", "inexact")
    assert mul(1e-300 * one, 1e-300 * one).flags.raised() == ("underflow", "inexact")
    # a subnormal result that is exact raises nothing; one that rounds up to the smallest normal number is not tiny
    assert mul(2.0**-1022 * one, 0.5 * one).flags.raised() == ()
    assert convert([2.0**-126 * (1 - 2.0**-40)], BINARY32).flags.raised() == ("inexact",)
    assert convert([2.0**-126 * (1 - 2.0**-24)], BINARY32).flags.raised() == ("underflow", "inexact")
    assert convert([1e39], BINARY32, "toward-zero").flags.raised() == ("overflow", "inexact")


def test_not_a_number() -> None:
    """The first NaN is returned, quiet, payload and sign kept; only a signalling one is invalid."""
    quiet, other, signalling = (
        np.array([code], np.uint64).view(np.float64)
        for code in (0x7FF800000000ABCD, 0xFFF8000000000001, 0x7FF0000000000123)
    )
    first = add(quiet, other)
    assert first.value.view(np.uint64)[0] == 0x7FF800000000ABCD and first.flags.raised() == ()
    assert mul(np.ones(1), other).value.view(np.uint64)[0] == 0xFFF8000000000001
    loud = sub(signalling, quiet)
    assert loud.value.view(np.uint64)[0] == 0x7FF8000000000123 and loud.flags.raised() == ("invalid",)
    assert fma(np.zeros(1), np.array([np.inf]), quiet).flags.raised() == ()
    assert sub(np.ones(1), other).value.view(np.uint64)[0] == 0xFFF8000000000001


def test_unbounded_exponents_end_where_float64_does() -> None:
    assert mul(2.0**-600, 3.0, flx(5)).value == 3 * 2.0**-600
    with pytest.raises(ValueError, match="outside of float64's; scale"):
        mul(2.0**-600, 2.0**-600, flx(5))
    with pytest.raises(ValueError, match="outside of float64's"):
        mul(2.0**600, 2.0**600, ftz(5, -10))
    with pytest.raises(ValueError, match="no rounding mode"):
        add(1.0, 1.0, BINARY32, "sideways")  # type: ignore[arg-type]
