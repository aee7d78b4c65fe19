"""The operations of IEEE 754-2019 in any format and mode, rounded once, with the five status flags.

Operands are float64 arrays (numbers of the format or of a wider one: the standard's formatOf operations), results are
numbers of the format.  Every operation finds its exact result as an unevaluated pair of float64 numbers with a common
exponent, by error-free transformations of the operands' significands, so nothing over- or underflows on the way; the
pair is then rounded once (`pair.py`).  There is no double rounding to be innocuous or not, in any format.

Chosen where the standard leaves a choice: tininess is detected after rounding; a NaN operand is returned as it is but
quiet, the first one where there are several; fma(0, infinity, quiet NaN) raises no flag; an invalid operation gives the
positive quiet NaN of payload 0.  A signalling NaN is a float64 NaN whose first fraction bit is 0.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from workbench.floats.format import BINARY64, UNBOUNDED, Format, Overflow
from workbench.floats.pair import Pair, floats, kept, odd_pair, round_pair, significand, two_product, two_sum
from workbench.floats.rounding import Mode, check_mode, is_number_of
from workbench.graph import Array

QUIET = np.int64(1 << 51)


@dataclass(frozen=True, slots=True)
class Flags:
    """The five status flags, a boolean array of the result's shape each (section 7)."""

    invalid: Array
    divide_by_zero: Array
    overflow: Array
    underflow: Array
    inexact: Array

    def raised(self) -> tuple[str, ...]:
        """Names of the flags that are raised anywhere: what the sticky flags of a processor would say."""
        return tuple(f.name for f in fields(self) if getattr(self, f.name).any())


@dataclass(frozen=True, slots=True)
class Outcome:
    """Result of an operation, float64 ``(...)``, and the flags that it raises, element by element."""

    value: Array
    flags: Flags


def add(
    x: Any, y: Any, form: Format = BINARY64, mode: Mode = "nearest-even", *, overflow: Overflow | None = None
) -> Outcome:
    """x + y, rounded once."""
    a, b = _operands(x, y)
    invalid = np.isinf(a) & np.isinf(b) & (a != b)
    infinite = np.where(np.isinf(a), a, np.where(np.isinf(b), b, 0.0))
    zero = np.where(np.signbit(a) == np.signbit(b), a, -0.0 if mode == "down" else 0.0)
    (ma, ea), (mb, eb) = significand(a), significand(b)
    return _outcome((a, b), invalid, infinite, zero, _sum((ma, ea), (mb, eb)), form, mode, overflow)


def sub(
    x: Any, y: Any, form: Format = BINARY64, mode: Mode = "nearest-even", *, overflow: Overflow | None = None
) -> Outcome:
    """x - y, rounded once: x + (-y), as in section 5.4.1 (a NaN keeps its sign)."""
    y = floats(y)
    return add(x, np.where(np.isnan(y), y, -y), form, mode, overflow=overflow)


def mul(
    x: Any, y: Any, form: Format = BINARY64, mode: Mode = "nearest-even", *, overflow: Overflow | None = None
) -> Outcome:
    """X y, rounded once."""
    a, b = _operands(x, y)
    sign = np.copysign(1.0, a) * np.copysign(1.0, b)
    either = np.isinf(a) | np.isinf(b)
    invalid = either & ((a == 0) | (b == 0))
    (ma, ea), (mb, eb) = significand(a), significand(b)
    pair = Pair(*two_product(ma, mb), ea + eb)
    return _outcome(
        (a, b), invalid, np.where(either, np.inf * sign, 0.0), 0.0 * sign, pair, form, mode, overflow
    )


def div(
    x: Any, y: Any, form: Format = BINARY64, mode: Mode = "nearest-even", *, overflow: Overflow | None = None
) -> Outcome:
    """x / y, rounded once; x/0 is an infinity with divide_by_zero, 0/0 and infinity/infinity are invalid."""
    a, b = _operands(x, y)
    sign = np.copysign(1.0, a) * np.copysign(1.0, b)
    invalid = (np.isinf(a) & np.isinf(b)) | ((a == 0) & (b == 0))
    by_zero = np.isfinite(a) & (a != 0) & (b == 0)
    (ma, ea), (mb, eb) = significand(a), significand(b)
    mb = np.where(mb == 0, 0.5, mb)
    q = ma / mb
    high, low = two_product(q, mb)
    # the remainder ma - q mb is a float64, so its sign is exact; of the rest of the quotient only the sign matters, as
    # no quotient lies half way between two numbers of 53 bits
    rest = np.sign((ma - high) - low) * np.sign(mb)
    pair = Pair(np.where(np.isinf(b), 0.0, q), np.where(np.isinf(b), 0.0, rest * 2.0**-60), ea - eb)
    infinite = np.where(np.isinf(a) | by_zero, np.inf * sign, 0.0)
    return _outcome((a, b), invalid, infinite, 0.0 * sign, pair, form, mode, overflow, by_zero)


def sqrt(
    x: Any, form: Format = BINARY64, mode: Mode = "nearest-even", *, overflow: Overflow | None = None
) -> Outcome:
    """Square root, rounded once; of -0 it is -0, of a negative number it is invalid."""
    (a,) = _operands(x)
    m, e = significand(np.where(a < 0, 0.0, a))
    odd = e % 2 != 0
    m, e = np.where(odd, m * 2, m), np.where(odd, e - 1, e)
    root = np.sqrt(m)
    high, low = two_product(root, root)
    pair = Pair(root, np.sign((m - high) - low) * 2.0**-60, e // 2)  # as in `div`: no root is a midpoint
    return _outcome((a,), a < 0, np.where(a == np.inf, np.inf, 0.0), a, pair, form, mode, overflow)


def fma(
    x: Any,
    y: Any,
    z: Any,
    form: Format = BINARY64,
    mode: Mode = "nearest-even",
    *,
    overflow: Overflow | None = None,
) -> Outcome:
    """X y + z, rounded once."""
    a, b, c = _operands(x, y, z)
    sign = np.copysign(1.0, a) * np.copysign(1.0, b)
    either = np.isinf(a) | np.isinf(b)
    invalid = either & ((a == 0) | (b == 0) | (np.isinf(c) & (np.copysign(1.0, c) != sign)))
    infinite = np.where(either, np.inf * sign, np.where(np.isinf(c), c, 0.0))
    product_is_zero = (a == 0) | (b == 0)
    same = product_is_zero & (c == 0) & (np.signbit(c) == (sign < 0))
    zero = np.where(same, c, -0.0 if mode == "down" else 0.0)
    (ma, ea), (mb, eb), (mc, ec) = significand(a), significand(b), significand(c)
    pair = _sum((mc, ec), (*two_product(ma, mb), ea + eb))
    return _outcome((a, b, c), invalid, infinite, zero, pair, form, mode, overflow)


def convert(
    x: Any, form: Format, mode: Mode = "nearest-even", *, overflow: Overflow | None = None
) -> Outcome:
    """X in another format: a conversion between formats (5.4.2)."""
    (a,) = _operands(x)
    m, e = significand(a)
    pair = Pair(m, np.zeros_like(m), e)
    infinite = np.where(np.isinf(a), a, 0.0)
    return _outcome((a,), np.zeros_like(a, dtype=bool), infinite, a, pair, form, mode, overflow)


OPERATIONS: dict[str, Callable[..., Outcome]] = {
    "add": add,
    "sub": sub,
    "mul": mul,
    "div": div,
    "fma": fma,
    "sqrt": sqrt,
    "convert": convert,
}


def _operands(*x: Any) -> tuple[Array, ...]:
    return tuple(v.copy() for v in np.broadcast_arrays(*(floats(v) for v in x)))


def _sum(x: tuple[Array, Array], y: tuple[Array, ...]) -> Pair:
    """``x + y`` of numbers (significand, exponent), the second of which may be a pair.

    The smaller is brought to the larger one's exponent.  Where it would lie more than 2^900 below, it is kept there:
    all that matters of it is that it is not 0, and its sign.
    """
    m, e = x
    *parts, f = y
    top = np.where(m == 0, f, np.where(parts[0] == 0, e, np.maximum(e, f)))
    m = np.ldexp(m, np.maximum(e - top, -900))
    shifted = [np.ldexp(v, np.maximum(f - top, -900)) for v in parts]
    if len(shifted) == 1:
        return Pair(*two_sum(m, shifted[0]), top)
    # Boldo & Melquiond 2008: the low parts rounded to odd never stand in for a number that a rounding could turn on
    high, low = two_sum(m, shifted[1])
    total, rest = two_sum(shifted[0], high)
    return Pair(*two_sum(total, odd_pair(rest, low)), top)


def _outcome(
    operands: tuple[Array, ...],
    invalid: Array,
    infinite: Array,
    zero: Array,
    pair: Pair,
    form: Format,
    mode: Mode,
    policy: Overflow | None,
    by_zero: Array | None = None,
) -> Outcome:
    """The exact result, rounded, or whatever stands in for it where there is none.

    infinite : the infinity that is the exact result, elsewhere 0.  zero : the zero to give where the pair is 0.
    """
    check_mode(mode)
    policy = policy or form.overflow
    nan = np.isnan(operands[0])
    for x in operands[1:]:
        nan = nan | np.isnan(x)
    invalid = invalid & ~nan
    ordinary = ~nan & ~invalid & (infinite == 0)
    pair = Pair(*(np.where(ordinary, part, 0) for part in (pair.high, pair.low, pair.exponent)))
    value, inexact, over, under = round_pair(pair, form, mode, policy)
    value = np.where(ordinary & (pair.high == 0), zero, value)
    ends = (form.lowest, form.largest) if policy == "saturate" else (-np.inf, np.inf)
    if policy == "inf" and not form.infinities:
        ends = (np.nan, np.nan)
    value = np.where(infinite != 0, np.where(infinite < 0, *ends), value)
    value = np.where(invalid, np.nan, value)
    bits = value.view(np.int64)
    signalling = np.zeros_like(nan)
    for x in reversed(operands):
        code = x.view(np.int64)
        is_nan = np.isnan(x)
        bits = np.where(is_nan, code | QUIET, bits)
        signalling |= is_nan & ((code & QUIET) == 0)
    value = kept(bits).view(np.float64)
    if form.fixed:
        value = np.where(value == 0, 0.0, value)
    none = np.zeros_like(nan)
    by_zero = none if by_zero is None else by_zero & ~nan
    if form.emax == UNBOUNDED or form.emin == -UNBOUNDED:
        _within_float64(value, over, under, form)
    return Outcome(value, Flags(invalid | signalling, by_zero, over, under, inexact))


def _within_float64(value: Array, over: Array, under: Array, form: Format) -> None:
    """A format of unbounded exponents that float64 cannot carry any further is no result at all."""
    if (form.emax == UNBOUNDED and over.any()) or (form.emin == -UNBOUNDED and under.any()):
        raise ValueError(
            f"{form.name} has unbounded exponents, but a result lies outside of float64's; scale the operands"
        )


def quiet(x: Array, form: Format) -> Array:
    """Operands that a format can hold, checked: for code that promises numbers of one format.

    Raises
    ------
    ValueError
        A finite operand that is no number of the format.
    """
    x = np.asarray(x, np.float64)
    wrong = np.isfinite(x) & ~is_number_of(x, form)
    if wrong.any():
        raise ValueError(f"{float(x[wrong].flat[0])!r} is not a number of {form.name}: round it first")
    return x
