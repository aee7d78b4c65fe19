"""Rounding in every mode to every kind of format, against integers, MPFR, gfloat, ml_dtypes and the hardware."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import gmpy2
import numpy as np
import pytest

from oracle import awkward, infinite, rounded, same
from workbench.floats.format import (
    BFLOAT16,
    BINARY16,
    BINARY32,
    BINARY64,
    E2M1FN,
    E4M3FN,
    E5M2,
    FORMATS,
    UNBOUNDED,
    Format,
    fix,
    fixed_point,
    flt,
    flx,
    ftz,
)
from workbench.floats.rounding import MODES, Mode, _first_place, is_number_of, round_to

OTHERS = (
    flx(5),
    flx(24),
    flt(6, -20),
    ftz(6, -20),
    ftz(24, -126),
    fix(-3),
    fixed_point(8, 4),
    fixed_point(8, 0, signed=False),
    fixed_point(16, 20),
    Format("one bit", 1, -4, 5),
    Format("wide", 52, -900, 900),
    Format("wider", 53, -100, 1023),
    Format("near the end", 30, -1040, 1023),
    Format("flushed", 11, -14, 15, subnormals=False),
    Format("one number and its negative", 1, 3, 3, infinities=False),
)
EVERY = (*FORMATS.values(), *OTHERS)
every_format = pytest.mark.parametrize("form", EVERY, ids=lambda f: f.name)
every_mode = pytest.mark.parametrize("mode", MODES)


def expected(v: float, form: Format, mode: str, policy: str | None) -> float:
    if v == 0:
        return v + 0.0 if form.fixed else v
    if np.isnan(v):
        return v
    if np.isinf(v):
        saturate = policy == "saturate" or (policy is None and form.overflow == "saturate")
        end = form.largest if v > 0 else form.lowest
        return end if saturate else infinite(v, form)
    return rounded(Fraction(v), form, mode, policy)[0]


@every_mode
@every_format
def test_rounding_is_what_the_definition_says(form: Format, mode: Mode) -> None:
    x = awkward(form, 11, 60)
    for policy in (None, "saturate"):
        got = round_to(x, form, mode, overflow=policy)  # type: ignore[arg-type]
        wrong = [
            (v, g, w)
            for v, g in zip(x.tolist(), got.tolist(), strict=True)
            if not same(g, w := expected(v, form, mode, policy))
        ]
        assert not wrong, wrong[:3]


@every_mode
@pytest.mark.parametrize("form", [BINARY16, BFLOAT16, Format("user's", 9, -62, 63)], ids=lambda f: f.name)
def test_all_16_bit_numbers_and_what_lies_between_them(form: Format, mode: Mode) -> None:
    """Every number stays; every quarter point, midpoint and neighbour of a midpoint goes where it should."""
    step = np.arange(2 ** (form.precision - 1))
    binades = [np.ldexp(step, form.emin - form.precision + 1)]
    binades += [np.ldexp(step + len(step), e - form.precision + 1) for e in range(form.emin, form.emax + 1)]
    x = np.concatenate(binades)
    assert x.size >= 2**15 - 2**11, "not all of them"
    assert np.array_equal(round_to(x, form, mode), x)
    assert np.array_equal(round_to(-x, form, mode), -x)
    low, high = x[:-1], x[1:]
    middle, even = (low + high) / 2, np.arange(x.size - 1) % 2 == 0
    near = np.where(even, low, high)
    odd = np.where(even, high, low)
    want = {
        "nearest-even": (low, near, high),
        "nearest-away": (low, high, high),
        "toward-zero": (low, low, low),
        "up": (high, high, high),
        "down": (low, low, low),
        "to-odd": (odd, odd, odd),
    }[mode]
    for points, answer in zip(((3 * low + high) / 4, middle, (low + 3 * high) / 4), want, strict=True):
        assert np.array_equal(round_to(points, form, mode), answer)
        mirrored = {"up": low, "down": high}.get(mode, answer)
        assert np.array_equal(round_to(-points, form, mode), -mirrored)
    assert np.array_equal(round_to(np.nextafter(middle, np.inf), form, mode), want[2])
    assert np.array_equal(round_to(np.nextafter(middle, 0), form, mode), want[0])


MPFR = {
    "nearest-even": gmpy2.RoundToNearest,
    "toward-zero": gmpy2.RoundToZero,
    "up": gmpy2.RoundUp,
    "down": gmpy2.RoundDown,
}


@pytest.mark.parametrize("mode", MPFR)
@pytest.mark.parametrize(
    "form", [f for f in EVERY if f.infinities and f.subnormals and f.emax < 1000], ids=lambda f: f.name
)
def test_rounding_agrees_with_mpfr_in_its_modes(form: Format, mode: Mode) -> None:
    """Numbers enter in a wide context: one with the format's own exponents would round them twice."""
    if form.fixed or form.emin == -UNBOUNDED:
        pytest.skip("MPFR has no such format")
    wide = gmpy2.context(precision=53, emin=-1500, emax=1500)
    context = gmpy2.context(
        precision=form.precision,
        emin=form.emin - form.precision + 2,
        emax=form.emax + 1,
        subnormalize=True,
        round=MPFR[mode],
    )
    x = awkward(form, 1, 200)
    want = []
    for v in x.tolist():
        with wide:
            given = gmpy2.mpfr(v)
        want.append(float(context.plus(given)))
    assert np.array_equal(round_to(x, form, mode), want, equal_nan=True)


@pytest.mark.parametrize(
    "name", ["binary32", "binary16", "bfloat16", "e4m3fn", "e5m2", "e2m3fn", "e3m2fn", "e2m1fn"]
)
def test_rounding_agrees_with_gfloat(name: str) -> None:
    gfloat = pytest.importorskip("gfloat", reason="gfloat, a second opinion, is not installed")
    formats = pytest.importorskip("gfloat.formats")
    theirs = {
        "e4m3fn": "ocp_e4m3",
        "e5m2": "ocp_e5m2",
        "e2m3fn": "ocp_e2m3",
        "e3m2fn": "ocp_e3m2",
        "e2m1fn": "ocp_e2m1",
    }
    info = getattr(formats, f"format_info_{theirs.get(name, name)}")
    form = FORMATS[name]
    x = awkward(form, 2, 1000)
    if not form.nans:
        x = x[np.isfinite(x)]
    pairs = {
        "nearest-even": "TiesToEven",
        "nearest-away": "TiesToAway",
        "toward-zero": "TowardZero",
        "up": "TowardPositive",
        "down": "TowardNegative",
    }
    for mode, word in pairs.items():
        for policy in ("inf", "saturate") if form.nans else ("saturate",):
            want = gfloat.round_ndarray(info, x, getattr(gfloat.RoundMode, word), policy == "saturate")
            got = round_to(x, form, mode, overflow=policy)  # type: ignore[arg-type]
            assert np.array_equal(got, want, equal_nan=True), (mode, policy)
            assert (
                np.array_equal(np.signbit(got)[~np.isnan(x)], np.signbit(want)[~np.isnan(x)])
                or not form.infinities
            )


TYPES = {"bfloat16": "bfloat16", "e4m3fn": "float8_e4m3fn", "e5m2": "float8_e5m2", "e2m1fn": "float4_e2m1fn"}


@pytest.mark.parametrize("name", TYPES)
def test_rounding_agrees_with_ml_dtypes_from_binary32(name: str) -> None:
    """From binary32 only: from float64 that library rounds twice."""
    ml_dtypes = pytest.importorskip("ml_dtypes", reason="ml_dtypes, a second opinion, is not installed")
    form, dtype = FORMATS[name], getattr(ml_dtypes, TYPES[name])
    with np.errstate(all="ignore"):
        x = awkward(form, 3, 4000).astype(np.float32)
        if not form.nans:
            x = x[np.isfinite(x)]
        want = x.astype(dtype).astype(np.float64)
    assert np.array_equal(round_to(x, form), want, equal_nan=True)
    own = np.arange(2**16, dtype=np.uint16).view(ml_dtypes.bfloat16)
    own = own[~np.isnan(own.astype(np.float32))]
    assert np.array_equal(round_to(own, BFLOAT16), own.astype(np.float64))


@every_mode
@every_format
def test_laws_of_every_mode(form: Format, mode: Mode) -> None:
    """Idempotent, monotone, and between the numbers below and above."""
    x = np.sort(awkward(form, 5, 200)[:-3])
    r = round_to(x, form, mode, overflow="saturate")
    assert np.array_equal(round_to(r, form, mode), r)
    assert (np.diff(r) >= 0).all()
    inside = (x >= form.lowest) & (x <= form.largest)
    low, high = (round_to(x, form, m) for m in ("down", "up"))  # type: ignore[arg-type]
    assert (low <= x)[inside].all() and (high >= x)[inside].all()
    assert ((r == low) | (r == high) | (not form.subnormals))[inside].all()
    assert is_number_of(r, form).all()


@every_mode
def test_overflow_goes_where_the_mode_points(mode: Mode) -> None:
    x = np.array([65520.0, -65520.0, np.inf, -np.inf, 1e300, 65504.0])
    top = 65504.0
    up, down = mode not in ("toward-zero", "down", "to-odd"), mode not in ("toward-zero", "up", "to-odd")
    ends = [np.inf if up else top, -np.inf if down else -top, np.inf, -np.inf, np.inf if up else top, top]
    assert round_to(x, BINARY16, mode).tolist() == ends
    assert round_to(x, BINARY16, mode, overflow="saturate").tolist() == [top, -top, top, -top, top, top]


def test_formats_without_infinities() -> None:
    x = np.array([464.0, 465.0, np.inf, 1e9])
    assert np.array_equal(round_to(x, E4M3FN), [448, np.nan, np.nan, np.nan], equal_nan=True)
    assert round_to(x, E4M3FN, "toward-zero")[3] == 448
    assert round_to([7.0, 100.0, -np.inf, 0.3], E2M1FN).tolist() == [6, 6, -6, 0.5]
    with pytest.raises(ValueError, match=r"neither infinities nor NaNs.*leave out overflow"):
        round_to(1.0, E2M1FN, overflow="inf")


def test_abrupt_underflow_is_that_of_processors() -> None:
    """A result that is tiny after rounding becomes 0; one that rounds up to the smallest normal number stays.

    Seen on x86 with the flush-to-zero bit of MXCSR set: 2^-126 (1 - 2^-46) is kept, 2^-126 (1 - 2^-24) is not.
    """
    form = ftz(24, -126)
    x = 2.0**-126 * np.array([1 - 2.0**-46, 1 - 2.0**-24, -(1 - 2.0**-24), 0.5, 1.0])
    assert round_to(x, form).tolist() == [2.0**-126, 0.0, -0.0, 0.0, 2.0**-126]
    assert np.signbit(round_to(x, form)[2])
    assert round_to(x, form, "up").tolist() == [2.0**-126, 2.0**-126, -0.0, 2.0**-126, 2.0**-126]
    assert round_to(x, form, "down").tolist() == [0.0, 0.0, -(2.0**-126), 0.0, 2.0**-126]


@every_mode
@pytest.mark.parametrize(
    "form", [BINARY32, E4M3FN, ftz(6, -20), flx(5), BINARY64, fixed_point(8, 4)], ids=lambda f: f.name
)
def test_any_array_library_gives_the_same(form: Format, mode: Mode) -> None:
    xp = pytest.importorskip(
        "array_api_strict", reason="array-api-strict, an array library without extras, is not installed"
    )
    x = awkward(form, 6, 100)
    got = round_to(xp.asarray(x), form, mode)  # type: ignore[arg-type]
    assert type(got) is type(xp.asarray(x))
    got, want = np.asarray(got), round_to(x, form, mode)
    assert np.array_equal(got, want, equal_nan=True)
    assert np.array_equal(np.signbit(got), np.signbit(want))


def test_the_first_place_without_a_look_at_the_bits() -> None:
    """What other array libraries compute by arithmetic is what NumPy reads off, in every binade."""

    class Blind:
        abs, where, ones_like = staticmethod(np.abs), staticmethod(np.where), staticmethod(np.ones_like)

    e = np.arange(-1074, 1024)
    low = np.ldexp(1.0, e)
    high = np.nextafter(np.ldexp(1.0, np.minimum(e + 1, 1023)), 0)
    for x in (low, -low, np.where(e < 1023, high, np.finfo(np.float64).max)):
        assert np.array_equal(_first_place(x, flx(5), Blind), low)
    assert _first_place(np.zeros(2), flx(5), Blind).tolist() == [0, 0]


def test_shapes_types_and_long_arrays() -> None:
    x = np.random.default_rng(0).normal(size=(3, 7000))
    assert np.array_equal(round_to(x, E5M2)[1], round_to(x[1, ::1], E5M2))
    assert np.array_equal(round_to(x[:, ::2], E5M2), round_to(x, E5M2)[:, ::2])
    assert round_to(3, BINARY16).shape == ()
    assert round_to(np.float32(0.1), BINARY32) == np.float32(0.1)
    assert round_to(np.zeros((0, 3)), BINARY32).shape == (0, 3)
    assert round_to([True, False], BINARY32).tolist() == [1, 0]
    assert np.signbit(round_to(-0.0, BINARY64))
    y = x.copy()
    assert round_to(y, BINARY64) is not y


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((1.0, BINARY32, "nearest"), "no rounding mode 'nearest'.*nearest-even.*to-odd"),
        ((1.0, BINARY32, "saturate"), "did you mean overflow='saturate'"),
        ((np.array([2**53 + 1]), BINARY32), "int64.*rounded twice"),
        ((np.longdouble(1), BINARY32), "rounded twice"),
        ((np.array(["a"]), BINARY32), "does not hold"),
        ((1j, BINARY32), "does not hold"),
    ],
)
def test_what_cannot_be_rounded(arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        round_to(*arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("f", 60, -10, 10), "from 1 to 53 bits, not 60"),
        (("f", 0, -10, 10), "from 1 to 53"),
        (("f", 8, 10, -10), "emin=10 is above emax=-10.*swap"),
        (("f", 8, -2000, 10), "do not lie inside binary64.*UNBOUNDED"),
        (("f", 8, -10, 2000), "do not lie inside binary64"),
        (("f", 8, -1070, 10), "do not lie inside binary64"),
        (("f", 4, -6, 8, 449.0), "top=449.0 is not a number of 4 bits"),
        (("f", 4, -6, 8, 1024.0), "top=1024.0"),
        (("f", 4, -6, 8, -1.0), "could end its range"),
        (("f", 4, -6, 8, None, True, False), "infinities without NaNs"),
    ],
)
def test_formats_that_make_no_sense(arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Format(*arguments)


def test_fixed_point_that_makes_no_sense() -> None:
    with pytest.raises(TypeError, match="precision must be an integer, not 8"):
        Format("f", 8.0, -10, 10)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="no bit left"):
        fixed_point(1, 0)
    with pytest.raises(ValueError, match="one spacing"):
        Format("f", 8, -3, 3, fixed=True)
    with pytest.raises(ValueError, match="abrupt"):
        Format("f", 8, 3, 3, fixed=True, subnormals=False)


def test_what_formats_contain() -> None:
    assert BINARY32.contains(BFLOAT16) and BINARY32.contains(E4M3FN) and not BINARY16.contains(BFLOAT16)
    assert BINARY64.contains(fixed_point(32, 16)) and not BINARY16.contains(fixed_point(16, 4))
    assert fixed_point(8, 4).contains(fixed_point(7, 4)) and not fixed_point(8, 4).contains(fixed_point(8, 5))
    assert not fixed_point(8, 4, signed=False).contains(fixed_point(8, 4))
    assert flx(24).contains(BINARY32) and not BINARY32.contains(flx(24)) and flx(24).contains(flx(11))
    assert not ftz(24, -126).contains(BINARY32) and BINARY32.contains(
        Format("f", 24, -126, 127, subnormals=False)
    )
    assert ftz(24, -126).contains(BINARY16)  # its subnormal numbers are normal there
    assert fixed_point(8, 4).largest == 127 / 16 and fixed_point(8, 4).lowest == -8
