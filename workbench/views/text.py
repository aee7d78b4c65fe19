"""Numbers as people read them: a shortened interval is rounded outward, so that what is printed is still true."""

from __future__ import annotations

import math
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Context, Decimal

MINUS = "\N{MINUS SIGN}"
_WORDS = {math.inf: "\N{INFINITY}", -math.inf: MINUS + "\N{INFINITY}"}


def _plain(value: Decimal) -> str:
    """`value` without needless zeros, in scientific notation where that is shorter to read."""
    if value == 0:
        return "0"
    exponent = value.adjusted()
    if -5 <= exponent < 7:
        text = f"{value:f}"
        text = text.rstrip("0").rstrip(".") if "." in text else text
    else:
        digits = f"{value:e}".lower()
        mantissa, _, power = digits.partition("e")
        mantissa = mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa
        text = f"{mantissa}e{int(power)}"
    return text.replace("-", MINUS)


def number(value: float, digits: int = 4, rounding: str = ROUND_HALF_EVEN) -> str:
    """`value` with `digits` significant digits, rounded exactly (through `decimal`) in the direction asked for.

    >>> number(0.1, 3, ROUND_CEILING)   # the double nearest 0.1 is a little more than 0.1
    '0.101'
    """
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return _WORDS[value]
    return _plain(Context(prec=digits, rounding=rounding).create_decimal_from_float(value))


def at_most(value: float, digits: int = 3) -> str:
    """An upper bound, shortened upward: the printed number is never below `value`."""
    return number(value, digits, ROUND_CEILING)


def places(lower: float, upper: float, digits: int = 4) -> int | None:
    """Digits behind the point that keep about `digits` - 1 digits of the width; None where there is no such way."""
    if not (math.isfinite(lower) and math.isfinite(upper)):
        return None
    width = upper - lower
    scale = width if 0 < width < math.inf else max(abs(lower), abs(upper))
    if scale == 0:
        return None
    found = digits - 1 - math.floor(math.log10(scale))
    return found if -6 <= found <= 12 else None


def value(x: float, behind: int | None, digits: int = 6) -> str:
    """`x` rounded to nearest, with `behind` digits behind the point, as its neighbours have, or else `digits` in all.

    >>> value(0.5, 3)
    '0.500'
    """
    if behind is None or x == 0 or not math.isfinite(x):
        return number(x, digits)
    return f"{Decimal(x).quantize(_step(behind), ROUND_HALF_EVEN, Context(prec=400)):f}".replace("-", MINUS)


def _step(behind: int) -> Decimal:
    return Decimal(1).scaleb(-max(behind, 0))


def interval(lower: float, upper: float, digits: int = 4, behind: int | None = None) -> str:
    """``[l, u]`` rounded outward, with `behind` digits behind the point, by default as many as `places` finds.

    >>> interval(-0.41068, 0.62877)
    '[−0.411, 0.629]'
    >>> interval(-0.5, 0.62877, behind=4)
    '[−0.5000, 0.6288]'
    """
    if not (math.isfinite(lower) and math.isfinite(upper)):
        return f"[{number(lower, digits, ROUND_FLOOR)}, {number(upper, digits, ROUND_CEILING)}]"
    if lower == upper == 0:
        return "[0, 0]"
    found = places(lower, upper, digits)
    if found is None:  # too large or too small to be written out
        return f"[{number(lower, 6, ROUND_FLOOR)}, {number(upper, 6, ROUND_CEILING)}]"
    step = _step(found if behind is None else behind)
    ends = (
        Decimal(lower).quantize(step, ROUND_FLOOR, Context(prec=400)),
        Decimal(upper).quantize(step, ROUND_CEILING, Context(prec=400)),
    )
    return f"[{', '.join(f'{end:f}'.replace('-', MINUS) if end else '0' for end in ends)}]"


def exact(*values: float) -> str:
    """Every digit of the float64 values: what Python's `repr` prints, which reads back exactly."""
    texts = [repr(float(value)) for value in values]
    return texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"


def shape(dims: tuple[int, ...]) -> str:
    """``1×8×8``, or ``scalar``."""
    return "\N{MULTIPLICATION SIGN}".join(str(d) for d in dims) or "scalar"
