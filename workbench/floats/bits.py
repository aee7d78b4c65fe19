"""Numbers as bit patterns: encoding, decoding, neighbours, classes, and everything about one number.

The interchange layout of IEEE 754-2019, section 3.4: sign, exponent field, fraction.  Formats without infinities follow
the OCP's: with NaNs (e4m3fn), the one code of all ones is NaN; without, every code is a number.  Fixed point is two's
complement.  A NaN's payload is its fraction without the first bit, which says quiet; float64 carries it in its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from workbench.floats.format import UNBOUNDED, Format, ufp, ulp
from workbench.floats.rounding import is_number_of, round_to
from workbench.graph import Array

CLASSES: tuple[str, ...] = ("negative infinity", "negative normal", "negative subnormal", "negative zero")
CLASSES += (
    "zero",
    "subnormal",
    "normal",
    "infinity",
    "quiet NaN",
    "signalling NaN",
    "not a number of the format",
)


def exponent_bits(form: Format) -> int:
    """Width of the exponent field; 0 in fixed point.

    Raises
    ------
    ValueError
        A format of unbounded exponents: its numbers have no encoding.
    """
    if form.emin == -UNBOUNDED or form.emax == UNBOUNDED:
        raise ValueError(f"{form.name} has unbounded exponents: its numbers have no encoding in bits")
    return 0 if form.fixed else (_last_field(form)).bit_length()


def width(form: Format) -> int:
    """Bits of a number: 16 in binary16, 19 in tf32."""
    if form.fixed:
        exponent_bits(form)
        return form.precision + (form.bottom != 0)
    return exponent_bits(form) + form.precision


def _last_field(form: Format) -> int:
    """Exponent field of the largest numbers, or of the infinities where there are any."""
    return form.emax - form.emin + 1 + form.infinities


def encode(x: Any, form: Format) -> Array:
    """Codes of numbers of the format, uint64 of x's shape.

    Raises
    ------
    ValueError
        A number that is not one of the format's, or a NaN or infinity that the format has no code for.
    """
    x = np.asarray(x, np.float64)
    fraction_bits = form.precision - 1
    width(form)
    nan, infinite = np.isnan(x), np.isinf(x)
    wrong = ~(is_number_of(x, form) | (nan & form.nans) | (infinite & form.infinities))
    if wrong.any():
        raise ValueError(f"{float(x[wrong].flat[0])!r} is not a number of {form.name}: round it first")
    finite = np.where(nan | infinite, 0.0, x)
    if form.fixed:
        codes = np.ldexp(finite, form.precision - 1 - form.emin).astype(np.int64).astype(np.uint64)
        return np.asarray(codes & np.uint64((1 << width(form)) - 1))
    place = np.maximum(ufp(finite), form.normal)
    field = np.where(np.abs(finite) < form.normal, 0, np.frexp(place)[1] - form.emin)
    # 2^(p-1) and the hidden bit cancel: what remains is the fraction
    whole = (np.abs(finite) / (place * (2 * form.unit))).astype(np.uint64)
    hidden = np.where(field > 0, np.uint64(1 << fraction_bits), np.uint64(0))
    codes = (field.astype(np.uint64) << np.uint64(fraction_bits)) | (whole - hidden)
    top = np.uint64(_last_field(form) << fraction_bits)
    codes = np.where(infinite, top, codes)
    if nan.any():
        codes = np.where(nan, _nan_codes(x, form), codes)
    sign = np.signbit(x).astype(np.uint64) << np.uint64(width(form) - 1)
    return np.asarray(codes | sign)


def _nan_codes(x: Array, form: Format) -> Array:
    """Codes of NaNs without their sign, payloads cut to what the format holds; quiet where nothing of them is left."""
    bits = form.precision - 1
    ones = np.uint64((1 << (width(form) - 1)) - 1)
    if not form.infinities:
        return np.full(x.shape, ones)
    fraction = (x.view(np.uint64) & np.uint64((1 << 52) - 1)) >> np.uint64(52 - bits)
    if bits == 0:
        raise ValueError(f"{form.name} has no fraction bits, and so no code for NaN")
    fraction = np.where(fraction == 0, np.uint64(1 << (bits - 1)), fraction)
    return np.asarray(np.uint64(_last_field(form) << bits) | fraction)


def decode(codes: Any, form: Format) -> Array:
    """Numbers of codes, float64; NaNs carry sign and payload.  With abrupt underflow, subnormal codes read as zeros.

    Raises
    ------
    ValueError
        A code that needs more bits than the format has, or that means nothing there.
    """
    codes = np.asarray(codes)
    bits, n = form.precision - 1, width(form)
    if (
        codes.dtype.kind not in "iu"
        or np.any(codes < 0)
        or np.any(codes.astype(np.uint64) >> np.uint64(n - 1) > 1)
    ):
        raise ValueError(f"codes of {form.name} are integers from 0 to {(1 << n) - 1}")
    codes = codes.astype(np.uint64)
    if form.fixed:
        signed = codes.astype(np.int64) - (
            np.int64(0) if form.bottom == 0 else (codes >> np.uint64(n - 1)).astype(np.int64) << n
        )
        return np.asarray(np.ldexp(signed.astype(np.float64), form.emin - form.precision + 1))
    negative = (codes >> np.uint64(n - 1)).astype(bool)
    size = codes & np.uint64((1 << (n - 1)) - 1)
    field, fraction = (size >> np.uint64(bits)).astype(np.int64), size & np.uint64((1 << bits) - 1)
    whole = fraction.astype(np.float64) + np.where(field > 0, 2.0**bits, 0.0)
    exponent = np.minimum(np.maximum(field, 1) - 1 + form.emin, form.emax) - bits
    x = np.ldexp(whole, exponent)
    if not form.subnormals:
        x = np.where(field == 0, 0.0, x)
    special = field == _last_field(form) if form.infinities else np.zeros(field.shape, bool)
    x = np.where(special, np.inf, x)
    nan = special & (fraction != 0) if form.infinities else (size == (1 << (n - 1)) - 1) & form.nans
    meaningless = ~nan & ((field > _last_field(form)) | ((x > form.largest) & ~special))
    if meaningless.any():
        raise ValueError(f"code {int(codes[meaningless].flat[0]):#x} means nothing in {form.name}")
    payload = fraction << np.uint64(52 - bits) if form.infinities else np.uint64(1 << 51)
    as_nan = np.asarray(np.uint64(0x7FF << 52) | payload).view(np.float64)
    x = np.where(nan, as_nan, x)
    found = np.asarray(x).view(np.uint64) | (negative.astype(np.uint64) << np.uint64(63))
    return np.asarray(found).view(np.float64)


def next_up(x: Any, form: Format) -> Array:
    """The smallest number of the format above x: IEEE 754-2019's nextUp, extended to every real x.

    Above the largest number: infinity, or the largest number itself where the format has no infinities.  Of minus
    infinity it is the most negative number.  NaN stays NaN.

    Raises
    ------
    ValueError
        x = 0 in a format of unbounded exponents: no number is next to 0.
    """
    x = np.asarray(x, np.float64)
    if form.eta == 0 and (x == 0).any():
        raise ValueError(f"{form.name} has numbers as small as you like: none is next above or below 0")
    low = np.isneginf(x)
    inner = np.clip(np.where(np.isnan(x), 0.0, x), max(form.lowest, -np.finfo(np.float64).max), None)
    up = round_to(inner, form, "up", overflow="inf" if form.infinities else "saturate")
    size = np.abs(up)
    with np.errstate(over="ignore"):
        step = ulp(size, form)
        shrinks = (up < 0) & (size == ufp(size)) & (size > form.normal)  # half the spacing toward zero
        after = up + np.where(shrinks, step / 2, step)
    if not form.subnormals:
        after = np.where(up == 0, form.normal, np.where(up == -form.normal, -0.0, after))
    after = np.where((after == 0) & (up < 0) & (not form.fixed), -0.0, after)
    after = np.where(after > form.largest, np.inf if form.infinities else form.largest, after)
    found = np.where((up > inner) | low | (inner > x), up, after)
    found = np.where(np.isposinf(x), np.inf if form.infinities else form.largest, found)
    return np.asarray(np.where(np.isnan(x), x, found))


def next_down(x: Any, form: Format) -> Array:
    """The largest number of the format below x; see `next_up`."""
    if form.bottom is None:
        return -next_up(-np.asarray(x, np.float64), form) + (0.0 if form.fixed else -0.0)
    x = np.asarray(x, np.float64)
    down = round_to(x, form, "down")
    return np.asarray(np.where(down < x, down, np.maximum(down - form.spacing, form.lowest)))


def classify(x: Any, form: Format) -> Array:
    """The class of each x, one of `CLASSES`: the ten of IEEE 754-2019, section 5.7.2, and one for other reals."""
    x = np.asarray(x, np.float64)
    size, sign = np.abs(x), np.where(np.signbit(x), "negative ", "")
    kind = np.where(size < (0.0 if form.fixed else form.normal), "subnormal", "normal")
    kind = np.where(x == 0, "zero", np.where(np.isinf(x), "infinity", kind))
    found = np.char.add(sign, kind)
    has = is_number_of(x, form) | (np.isinf(x) & form.infinities)
    loud = (x.view(np.int64) & np.int64(1 << 51)) == 0
    nan = np.where(loud, "signalling NaN", "quiet NaN")
    return np.asarray(np.where(np.isnan(x) & form.nans, nan, np.where(has, found, CLASSES[-1])))


def exact(x: float) -> Fraction:
    """The exact value of a finite float64.

    Raises
    ------
    ValueError
        An infinity or NaN, which have no value.
    """
    if not np.isfinite(x):
        raise ValueError(f"{x} has no exact value")
    return Fraction(float(x))


@dataclass(frozen=True, slots=True)
class Number:
    """All about one number of a format: what an inspector shows.  Fields are None where there is no such thing."""

    value: float
    form: Format
    kind: str
    code: int | None
    sign: int
    exponent_field: int | None
    fraction_field: int | None
    exact: Fraction | None
    ulp: float | None
    ufp: float | None
    next_up: float | None
    next_down: float | None
    payload: int | None

    @property
    def bits(self) -> str | None:
        """Sign, exponent field and fraction, a space between: ``"0 01111 0000000000"``."""
        if self.code is None:
            return None
        text, e = format(self.code, f"0{width(self.form)}b"), exponent_bits(self.form)
        return text if self.form.fixed else f"{text[0]} {text[1 : 1 + e]} {text[1 + e :]}".rstrip()


def inspect(x: float, form: Format) -> Number:
    """All about a number of the format.

    Raises
    ------
    ValueError
        A number that is not one of the format's.
    """
    value = np.asarray(x, np.float64)
    kind = str(classify(value, form))
    if kind == CLASSES[-1]:
        raise ValueError(f"{float(value)!r} is not a number of {form.name}: round it first")
    bounded = form.emin != -UNBOUNDED and form.emax != UNBOUNDED
    code = int(encode(value, form)) if bounded and (form.nans or not np.isnan(value)) else None
    layout = code is not None and not form.fixed
    bits, e = form.precision - 1, exponent_bits(form) if layout else 0
    fraction = code & ((1 << bits) - 1) if layout and code is not None else None
    finite, lonely = bool(np.isfinite(value)), form.eta == 0 and value == 0
    return Number(
        value=float(value),
        form=form,
        kind=kind,
        code=code,
        sign=int(np.signbit(value)),
        exponent_field=(code >> bits) & ((1 << e) - 1) if layout and code is not None else None,
        fraction_field=fraction,
        exact=exact(float(value)) if finite else None,
        ulp=float(ulp(value, form)) if finite else None,
        ufp=float(ufp(value)) if finite else None,
        next_up=None if lonely or np.isnan(value) else float(next_up(value, form)),
        next_down=None if lonely or np.isnan(value) else float(next_down(value, form)),
        payload=fraction & ((1 << max(bits - 1, 0)) - 1)
        if np.isnan(value) and fraction is not None
        else None,
    )
