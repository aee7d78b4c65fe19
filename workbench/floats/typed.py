"""Numbers as people type them: read exactly, rounded once to a format, written down with every digit.

A typed decimal such as 0.1 is a rational number that no binary format has.  It is never passed through float64 on its
way to a format, which would round it twice (Muller et al. 2018, section 4.2.2.1).
"""

from __future__ import annotations

import math
import re
from fractions import Fraction

import numpy as np

from workbench.floats.format import BINARY16, BINARY32, BINARY64, UNBOUNDED, Format, Overflow
from workbench.floats.rounding import Mode, check_mode, round_to

LONGEST = 400  # characters that are read
LARGEST_EXPONENT = 4000  # of a power that is written out in full
Exact = Fraction | float  # floats only for what is no rational number: -0, infinities, NaN

_NATIVE = {
    BINARY64: np.float64,
    BINARY32: np.float32,
    BINARY16: np.float16,
}  # NumPy prints their shortest decimals
_WORDS = {"inf": math.inf, "infinity": math.inf, "\N{INFINITY}": math.inf, "nan": math.nan}
_DECIMAL = re.compile(r"(\d+(?:_\d+)*)?(?:\.(\d*))?(?:e([+-]?\d+))?", re.IGNORECASE)
_HEX = re.compile(r"0x([0-9a-f]*)(?:\.([0-9a-f]*))?(?:p([+-]?\d+))?", re.IGNORECASE)
_POWER = re.compile(r"(\d+)\s*(?:\*\*|\^)\s*\(?([+-]?\d+)\)?")


def read(text: str) -> Exact:
    """The exact value of what somebody typed.

    Parameters
    ----------
    text : a decimal ``"-1.5e-3"``, a quotient ``"1/3"``, a power ``"2^-24"`` or ``"2**-24"``, a product
        ``"3*2^-4"``, C's hexadecimal ``"0x1.8p-3"``, ``"inf"`` or ``"nan"``.

    Returns
    -------
    A Fraction; a float for -0.0, infinities and NaN.

    Raises
    ------
    ValueError
        What is none of these, or takes more digits than anybody could look at.

    Examples
    --------
    >>> read("0.1"), read("0x1.8p-3"), read("-3*2^-2")
    (Fraction(1, 10), Fraction(3, 16), Fraction(-3, 4))
    """
    plain = text.strip().replace("\N{MINUS SIGN}", "-").replace("\N{MULTIPLICATION SIGN}", "*")
    if not plain or len(plain) > LONGEST:
        raise ValueError(
            "type a number, such as 0.1, 1/3, 2^-24 or 0x1.8p-3" if not plain else "too long to read"
        )
    negative = plain[0] == "-"
    body = plain[1:].strip() if plain[0] in "+-" else plain
    if body.lower() in _WORDS:
        return math.copysign(_WORDS[body.lower()], -1.0 if negative else 1.0)
    value = Fraction(1)
    for position, part in enumerate(re.split(r"(?<!\*)([*/])(?!\*)", body)):
        if position % 2:
            divides = part == "/"
            continue
        factor = _factor(part.strip(), text)
        if position and divides and not factor:
            raise ValueError(f"{text.strip()!r} divides by 0")
        value = value / factor if position and divides else value * factor
    if not value and negative:
        return -0.0
    return -value if negative else value


def _factor(part: str, text: str) -> Fraction:
    for pattern, base, power_base in ((_HEX, 16, 2), (_DECIMAL, 10, 10)):
        found = pattern.fullmatch(part)
        if found and (found[1] or found[2]):
            places = found[2] or ""
            whole = int((found[1] or "") + places, base)
            return Fraction(whole) * _power(power_base, int(found[3] or 0)) / base ** len(places)
    found = _POWER.fullmatch(part)
    if found:
        return _power(int(found[1]), int(found[2]))
    raise ValueError(f"{text.strip()!r} is no number that can be read: try 0.1, 1/3, 2^-24 or 0x1.8p-3")


def _power(base: int, exponent: int) -> Fraction:
    if abs(exponent) > LARGEST_EXPONENT or (abs(exponent) * max(base, 2).bit_length() > 8 * LARGEST_EXPONENT):
        raise ValueError(
            f"{base}^{exponent} has too many digits; exponents up to {LARGEST_EXPONENT} are read"
        )
    if not base and exponent < 0:
        raise ValueError(f"0^{exponent} divides by 0")
    return Fraction(base) ** exponent


def exponent_of(x: Fraction) -> int:
    """floor(log2 |x|) of an x that is not 0, exactly."""
    size = abs(x)
    guess = size.numerator.bit_length() - size.denominator.bit_length()
    return guess if size >= Fraction(2) ** guess else guess - 1


def round_exact(
    x: Exact, form: Format, mode: Mode = "nearest-even", *, overflow: Overflow | None = None
) -> float:
    """A rational number rounded once to a format, as `round_to` does with float64 numbers.

    Examples
    --------
    >>> from workbench.floats import BFLOAT16
    >>> round_exact(1 + Fraction(1, 2**8) + Fraction(1, 2**99), BFLOAT16)
    1.0078125
    """
    check_mode(mode)
    if isinstance(x, float):
        return float(round_to(x, form, mode, overflow=overflow))
    if not x:
        return 0.0
    least = -1074 - form.precision if form.emin == -UNBOUNDED else form.emin
    step = Fraction(2) ** (max(exponent_of(x), least) - form.precision + 1)
    found = _integer(x / step, mode) * step
    # x and what it is rounded to lie on one side of everything that happens beyond the format's range, and below the
    # smallest normal number where underflow is abrupt; there float64, or its largest number, says the same as x
    if found > Fraction(min(form.largest, 2.0**1023 * (2 - 2.0**-52))) or found < -_magnitude(form.lowest):
        return _beyond(x, form, mode, overflow)
    near = float(found)
    if not form.subnormals and found and abs(near) < form.normal:
        return float(round_to(math.copysign(math.nextafter(abs(near), 0.0), near), form, mode))
    return math.copysign(near, -1.0 if x < 0 and not form.fixed else near or 1.0)


def _magnitude(lowest: float) -> Fraction:
    return Fraction(min(-lowest, 2.0**1023 * (2 - 2.0**-52)))


def _integer(y: Fraction, mode: Mode) -> int:
    low = math.floor(y)
    rest, half = y - low, Fraction(1, 2)
    if not rest:
        return low
    above = {
        "nearest-even": rest > half or (rest == half and low % 2 == 1),
        "nearest-away": rest > half or (rest == half and y > 0),
        "toward-zero": y < 0,
        "up": True,
        "down": False,
        "to-odd": low % 2 == 0,
    }
    return low + above[mode]


def _beyond(x: Fraction, form: Format, mode: Mode, overflow: Overflow | None) -> float:
    policy = form.overflow if overflow is None else overflow
    largest = form.largest if math.isfinite(form.largest) else 2.0**1023 * (2 - 2.0**-52)
    lowest = form.lowest if math.isfinite(form.lowest) else -largest
    limit = largest if x > 0 else lowest
    stays = mode in ("toward-zero", "to-odd") or (mode == "up" and x < 0) or (mode == "down" and x > 0)
    if policy == "saturate" or stays:
        return limit
    return math.copysign(math.inf if form.infinities else math.nan, 1.0 if x > 0 else -1.0)


def decimal(x: Fraction) -> str | None:
    """Every decimal digit of a number that has finitely many; None where they do not end.

    Examples
    --------
    >>> decimal(Fraction(3, 16)), decimal(Fraction(1, 3)), decimal(Fraction(-10**9))
    ('0.1875', None, '-1000000000')
    """
    rest, twos, fives = x.denominator, 0, 0
    while rest % 2 == 0:
        rest, twos = rest // 2, twos + 1
    while rest % 5 == 0:
        rest, fives = rest // 5, fives + 1
    if rest != 1:
        return None
    places = max(twos, fives)
    digits = str(abs(x.numerator) * 2 ** (places - twos) * 5 ** (places - fives)).rjust(places + 1, "0")
    text = f"{digits[:-places]}.{digits[-places:]}" if places else digits
    return ("-" if x < 0 else "") + text


def shortest(value: float, form: Format) -> str:
    """The fewest decimal digits that, rounded to nearest in the format, give this number of it.

    Examples
    --------
    >>> from workbench.floats import BINARY16
    >>> shortest(0.0999755859375, BINARY16)
    '0.1'
    """
    if not math.isfinite(value) or value == 0:
        return repr(float(value))
    if form in _NATIVE:
        return str(_NATIVE[form](value))
    for digits in range(1, 17):
        text = f"{value:.{digits}g}"
        if round_exact(Fraction(text), form) == value:
            return repr(float(text)) if abs(float(text)) < 1e16 else text
    return repr(float(value))
