"""Bit patterns, neighbours, classes; signs, comparisons, extrema, integers; directed operations."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from oracle import awkward, operation
from workbench.floats.bits import classify, decode, encode, exact, inspect, next_down, next_up, width
from workbench.floats.directed import down, enclosure, split
from workbench.floats.format import (
    BFLOAT16,
    BINARY16,
    BINARY32,
    BINARY64,
    E2M1FN,
    E2M3FN,
    E3M2FN,
    E4M3FN,
    E5M2,
    TF32,
    Format,
    fix,
    fixed_point,
    flx,
    ftz,
)
from workbench.floats.quietly import (
    absolute,
    compare,
    copy_sign,
    maximum,
    maximum_number,
    minimum,
    minimum_number,
    negate,
    round_to_integral,
    to_integer,
)
from workbench.floats.rounding import MODES, round_to

NARROW = (
    BINARY16,
    BFLOAT16,
    E4M3FN,
    E5M2,
    E2M3FN,
    E3M2FN,
    E2M1FN,
    fixed_point(8, 4),
    fixed_point(12, 3, signed=False),
    Format("user's", 6, -4, 5),
)
NAN, INF = np.nan, np.inf


@pytest.mark.parametrize("form", NARROW, ids=lambda f: f.name)
def test_every_code_comes_back(form: Format) -> None:
    """All codes of the format, NaN payloads included; and all numbers in order have neighbours next to each other."""
    codes = np.arange(2 ** width(form), dtype=np.uint64)
    if form.name == "user's":  # its exponents do not fill the field
        codes = codes[(codes >> np.uint64(5)) % 16 <= 11]
    x = decode(codes, form)
    again = encode(x, form)
    if not form.fixed and not form.infinities and form.nans:
        assert np.array_equal(again & np.uint64(0x7F), codes & np.uint64(0x7F))
    assert np.array_equal(again, codes)
    assert np.array_equal(round_to(x, form), x, equal_nan=True)
    numbers = np.unique(x[np.isfinite(x)])
    assert np.array_equal(next_up(numbers[:-1], form), numbers[1:])
    assert np.array_equal(next_down(numbers[1:], form), numbers[:-1])
    assert numbers[-1] == form.largest and numbers[0] == form.lowest
    between = (numbers[1:] + numbers[:-1]) / 2
    assert np.array_equal(next_up(between, form), numbers[1:])
    assert np.array_equal(next_down(between, form), numbers[:-1])
    for mode in MODES:
        assert np.isin(round_to(between, form, mode), numbers).all()


@pytest.mark.parametrize(
    ("form", "dtype"), [(BINARY16, np.float16), (BINARY32, np.float32), (BINARY64, np.float64)]
)
def test_codes_are_those_of_the_hardware(form: Format, dtype: type) -> None:
    code = np.dtype(f"u{np.dtype(dtype).itemsize}")
    x = round_to(awkward(form, 0, 400), form).astype(dtype)
    assert np.array_equal(encode(x, form), x.view(code))
    assert np.array_equal(decode(x.view(code), form), x.astype(np.float64), equal_nan=True)
    finite = x[np.isfinite(x)]
    with np.errstate(over="ignore"):
        assert np.array_equal(next_up(finite, form), np.nextafter(finite, dtype(INF)).astype(np.float64))
        assert np.array_equal(next_down(finite, form), np.nextafter(finite, dtype(-INF)).astype(np.float64))


@pytest.mark.parametrize(
    "name", ["bfloat16", "float8_e4m3fn", "float8_e5m2", "float6_e2m3fn", "float6_e3m2fn", "float4_e2m1fn"]
)
def test_codes_are_those_of_ml_dtypes(name: str) -> None:
    ml_dtypes = pytest.importorskip("ml_dtypes", reason="ml_dtypes, a second opinion, is not installed")
    form = {
        "bfloat16": BFLOAT16,
        "float8_e4m3fn": E4M3FN,
        "float8_e5m2": E5M2,
        "float6_e2m3fn": E2M3FN,
        "float6_e3m2fn": E3M2FN,
        "float4_e2m1fn": E2M1FN,
    }[name]
    n = width(form)
    codes = np.arange(2**n, dtype=np.uint16 if n == 16 else np.uint8)
    with np.errstate(invalid="ignore"):
        theirs = codes.view(getattr(ml_dtypes, name)).astype(np.float64)
    ours = decode(codes, form)
    assert np.array_equal(ours, theirs, equal_nan=True)
    assert np.array_equal(np.signbit(ours), np.signbit(theirs))


def test_named_values() -> None:
    assert [width(f) for f in (BINARY64, BINARY32, TF32, E4M3FN, E2M3FN, E2M1FN)] == [64, 32, 19, 8, 6, 4]
    assert encode([1.0, -2.0, 448.0, NAN, 2.0**-9], E4M3FN).tolist() == [0x38, 0xC0, 0x7E, 0x7F, 1]
    assert encode([INF, -INF, 57344.0], E5M2).tolist() == [0x7C, 0xFC, 0x7B]
    assert decode([1, 7], E2M1FN).tolist() == [0.5, 6.0]
    assert decode([0x80, 0x7F], fixed_point(8, 4)).tolist() == [-8.0, 127 / 16]
    quiet, loud = decode([0x7E01, 0x7C01], BINARY16)
    assert encode([quiet, loud], BINARY16).tolist() == [0x7E01, 0x7C01]
    assert classify([quiet, loud, -INF, -1, -1e-7, -0.0, 0.1], BINARY16).tolist() == [
        "quiet NaN",
        "signalling NaN",
        "negative infinity",
        "negative normal",
        "not a number of the format",
        "negative zero",
        "not a number of the format",
    ]
    assert classify([2.0**-24, -(2.0**-20), 0.0, INF], BINARY16).tolist() == [
        "subnormal",
        "negative subnormal",
        "zero",
        "infinity",
    ]
    assert classify([NAN, INF, 0.0625], fixed_point(8, 4)).tolist() == ["not a number of the format"] * 2 + [
        "normal"
    ]


def test_all_about_a_number() -> None:
    n = inspect(float(np.float16(0.1)), BINARY16)
    assert n.bits == "0 01011 1001100110"
    assert n.code == 0x2E66 and (n.exponent_field, n.fraction_field) == (11, 0b1001100110)
    assert n.exact == Fraction(819, 8192) and n.ulp == 2.0**-14 and n.ufp == 2.0**-4
    assert n.next_up is not None and n.next_down is not None
    assert encode([n.next_down, n.next_up], BINARY16).tolist() == [0x2E65, 0x2E67]
    assert inspect(NAN, BINARY16).payload == 0 and inspect(NAN, BINARY16).exact is None
    assert inspect(-8.0, fixed_point(8, 4)).bits == "10000000"
    assert inspect(3.0, flx(5)).code is None and inspect(0.0, flx(5)).next_up is None
    with pytest.raises(ValueError, match=r"0\.1 is not a number of binary16: round it"):
        inspect(0.1, BINARY16)
    assert exact(0.1) == Fraction(0.1)
    with pytest.raises(ValueError, match="nan has no exact value"):
        exact(NAN)


def test_neighbours_at_the_ends() -> None:
    assert next_up([65504.0, INF, -INF, -(2.0**-24), 1e9], BINARY16).tolist() == [INF, INF, -65504, 0, INF]
    assert np.signbit(next_up(-(2.0**-24), BINARY16))
    assert np.isnan(next_up(NAN, BINARY16))
    assert next_up([448.0, 1e9, -1e9], E4M3FN).tolist() == [448, 448, -448]
    assert next_up([0.0, -(2.0**-20), 2.0**-20], ftz(6, -20)).tolist() == [
        2.0**-20,
        -0.0,
        2.0**-20 * (1 + 2.0**-5),
    ]
    assert next_down(0.0, ftz(6, -20)) == -(2.0**-20)
    assert next_up([-1.0, 1.0], flx(5)).tolist() == [-1 + 2.0**-5, 1 + 2.0**-4]
    assert next_up(0.0, fix(-3)) == 0.125
    with pytest.raises(ValueError, match="none is next"):
        next_up(0.0, flx(5))


def test_codes_that_make_no_sense() -> None:
    for x, form, message in (
        (0.1, BINARY16, r"0\.1 is not a number of binary16"),
        (NAN, E2M1FN, "nan is not"),
        (INF, E4M3FN, "inf is not"),
        (1.0, flx(5), "unbounded exponents"),
        (NAN, Format("one bit", 1, -4, 5), "no code for NaN"),
    ):
        with pytest.raises(ValueError, match=message):
            encode(x, form)
    for code, form in ((16, E2M1FN), (-1, BINARY16), (1.5, BINARY16)):
        with pytest.raises(ValueError, match="are integers from 0"):
            decode(code, form)
    with pytest.raises(ValueError, match="means nothing"):
        decode(12 << 5, Format("user's", 6, -4, 5))


def test_signs_and_comparisons() -> None:
    x = np.array([1.0, -0.0, NAN, -INF])
    assert np.signbit(negate(x)).tolist() == [True, False, True, False]
    assert not np.signbit(absolute(negate(x))).any()
    assert np.signbit(copy_sign(x, -1.0)).all()
    loud = np.array([0x7FF0000000000001], np.uint64).view(np.float64)[0]
    relation, invalid = compare([1.0, -0.0, NAN, 2.0, loud], [2.0, 0.0, NAN, -INF, 1.0])
    assert relation.tolist() == ["less", "equal", "unordered", "greater", "unordered"]
    assert invalid.tolist() == [False, False, False, False, True]
    assert compare([NAN, 1.0], 1.0, signaling=True)[1].tolist() == [True, False]
    assert minimum([0.0, -0.0, 1.0], [-0.0, 0.0, -INF]).value.tolist() == [0, 0, -INF]
    assert np.signbit(minimum([0.0, -0.0], [-0.0, 0.0]).value).all()
    assert not np.signbit(maximum([0.0, -0.0], [-0.0, 0.0]).value).any()
    assert np.isnan(minimum([NAN, 1.0], [1.0, NAN]).value).all()
    assert minimum_number([NAN, 1.0], [3.0, NAN]).value.tolist() == [3, 1]
    assert maximum_number([NAN, -INF], [-INF, NAN]).value.tolist() == [-INF, -INF]
    assert np.isnan(maximum_number(NAN, NAN).value)
    assert maximum_number(loud, 1.0).value == 1 and maximum_number(loud, 1.0).flags.raised() == ("invalid",)


def test_integers() -> None:
    x = [2.5, -2.5, 3.5, 0.4, -0.4, NAN, INF]
    found = round_to_integral(x)
    assert np.array_equal(found.value, [2, -2, 4, 0, -0.0, NAN, INF], equal_nan=True)
    assert np.signbit(found.value[4]) and found.flags.inexact.tolist() == [True] * 5 + [False] * 2
    assert round_to_integral(x, "nearest-away").value[:3].tolist() == [3, -3, 4]
    got, invalid, inexact = to_integer([200.7, -200, 1.5, NAN, 127.0], -128, 127)
    assert got.tolist() == [127, -128, 1, 0, 127]
    assert invalid.tolist() == [True, True, False, True, False]
    assert inexact.tolist() == [False, False, True, False, False]
    assert to_integer([2.0**63, -(2.0**63), 1e300], -(2**63), 2**63 - 1)[0].tolist() == [
        2**63 - 1,
        -(2**63),
        2**63 - 1,
    ]
    with pytest.raises(ValueError, match="no range"):
        to_integer(1.0, 5, 4)


@pytest.mark.parametrize(
    "form",
    [BINARY32, BINARY16, E4M3FN, E2M1FN, Format("flushed", 11, -14, 15, subnormals=False), fixed_point(8, 4)],
    ids=lambda f: f.name,
)
def test_directed_operations_enclose(form: Format) -> None:
    rng = np.random.default_rng(0)
    pool = round_to(awkward(form, 1, 100)[:-3], form, overflow="saturate")
    x, y, z = (rng.choice(pool, 400) for _ in range(3))
    for name, args in {
        "add": (x, y),
        "sub": (x, y),
        "mul": (x, y),
        "div": (x, y),
        "fma": (x, y, z),
        "sqrt": (abs(x),),
    }.items():
        low, high = enclosure(name, *args, form=form)
        assert not np.isnan(low).any() and not np.isnan(high).any()
        for i, row in enumerate(zip(*args, strict=True)):
            values = tuple(map(float, row))
            if name == "div" and values[1] == 0:
                assert low[i] == -INF or high[i] == INF
                continue
            if name == "sqrt":
                q = Fraction(values[0])
                assert low[i] == -INF or Fraction(low[i]) ** 2 <= q
                assert high[i] == INF or Fraction(high[i]) ** 2 >= q
                continue
            a, b = map(Fraction, values[:2])
            q = (
                {"add": a + b, "sub": a - b, "mul": a * b, "fma": a * b + Fraction(values[-1])}.get(name)
                if name != "div"
                else a / b
            )
            assert q is not None
            assert low[i] == -INF or Fraction(low[i]) <= q, (name, values)
            assert high[i] == INF or q <= Fraction(high[i]), (name, values)
            if low[i] == -INF:
                assert q < Fraction(form.lowest)
            elif form.subnormals:
                assert low[i] == operation(name, values, form, "down")[0]


def test_what_cannot_be_enclosed_is_the_whole_line() -> None:
    assert enclosure("add", INF, -INF) == (-INF, INF)
    assert enclosure("mul", 400.0, 2.0, form=E4M3FN) == (448, INF)
    assert enclosure("mul", -400.0, 2.0, form=E4M3FN) == (-INF, -448)
    assert enclosure("convert", INF, form=E4M3FN) == (-INF, INF)
    assert split([0.1, NAN], E2M1FN)[0].tolist() == [0, -INF] and split([0.1, NAN], BINARY16)[1][1] == INF
    assert down("sqrt", -1.0) == -INF
    with pytest.raises(ValueError, match="no operation 'pow'"):
        down("pow", 1.0, 2.0)
