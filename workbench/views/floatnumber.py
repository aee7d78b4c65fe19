"""One number of a format, told as plain data: its bits by field, exact value, neighbours, what rounding did to it."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

from workbench.floats import BINARY64, Format, Number, inspect, width
from workbench.floats.bits import exponent_bits
from workbench.floats.typed import Exact, decimal, exponent_of, round_exact, shortest
from workbench.views import text

DIGITS = 60  # of an exact decimal in the field where numbers are typed
BRIEF = 14  # an exact decimal of so few characters is shown instead of a shorter one that is only near
TIMES, MINUS = "\N{MULTIPLICATION SIGN}", text.MINUS


def brief(value: float, form: Format) -> str:
    """A number of a format as people write it: exactly where that is short, else the shortest that reads back."""
    if not math.isfinite(value) or value == 0:
        return {math.inf: "inf", -math.inf: "-inf"}.get(value, "NaN" if math.isnan(value) else repr(value))
    full = decimal(Fraction(value))
    return full if full is not None and len(full) <= BRIEF else shortest(value, form)


def exact_words(x: Exact) -> str:
    """A number so that `read` gives it back exactly: in decimals, or where these are long as a quotient."""
    if isinstance(x, float):
        return brief(x, BINARY64)
    digits = decimal(x)
    return digits if digits is not None and len(digits) <= DIGITS else str(x)


def ratio(x: Fraction) -> dict[str, str]:
    """A rational in full: as a quotient, and in decimals where they end; the front end shortens what is long."""
    found = {"fraction": str(x)}
    digits = decimal(x)
    return found if digits is None else {**found, "decimal": digits}


def size_text(x: Fraction) -> str:
    """About how much, three digits, for a sentence; a power of two where float64 does not reach."""
    near = float(x) if not x or -1000 < exponent_of(x) < 1000 else math.nan
    if math.isnan(near):
        return f"about {'-' if x < 0 else ''}2^{exponent_of(x)}".replace("-", MINUS)
    return text.number(near, 3)


def scaled(x: Fraction, form: Format) -> str:
    """``m x 2^e`` with the format's own integer significand, its last bit the number's ulp."""
    if not x:
        return "0"
    low = max(form.emin, -5000)
    power = max(exponent_of(x), low) - form.precision + 1
    whole = x / Fraction(2) ** power
    return f"{whole} {TIMES} 2^{power}".replace("-", MINUS)


def _fields(number: Number) -> list[dict[str, Any]]:
    """The bits by field, each with what it says."""
    form, code = number.form, number.code
    if code is None:
        return []
    bits = format(code, f"0{width(form)}b")
    if form.fixed:
        return [
            {"key": "integer", "bits": bits, "says": f"the integer, times 2^{form.emin - form.precision + 1}"}
        ]
    e = exponent_bits(form)
    bias = 1 - form.emin
    field, fraction = number.exponent_field or 0, number.fraction_field or 0
    special = not math.isfinite(number.value)
    if special:
        power, hidden = "all ones", ""
    elif field:
        power, hidden = f"{field} {MINUS} {bias} = {field - bias}", "1."
    else:
        power, hidden = f"0: subnormal or zero, {form.emin}", "0."
    tail = bits[1 + e :]
    said = (
        f"{hidden}{tail or '0'} in base 2"
        if not special
        else ("a NaN's payload" if fraction else "0: infinity")
    )
    if special and not form.infinities:
        said = "all ones: NaN"
    found = [
        {"key": "sign", "bits": bits[0], "says": "negative" if number.sign else "positive"},
        {"key": "exponent", "bits": bits[1 : 1 + e], "says": power.replace("-", MINUS)},
    ]
    return [*found, {"key": "significand", "bits": tail, "says": said}]


def _neighbour(x: float | None, number: Number) -> dict[str, Any] | None:
    if x is None or x == number.value:
        return None
    away = (
        ratio(Fraction(x) - Fraction(number.value))
        if math.isfinite(x) and math.isfinite(number.value)
        else None
    )
    return {"text": brief(x, number.form), "away": away}


def _rounding(source: Exact, number: Number, mode: str) -> dict[str, Any] | None:
    """What rounding the source to the format did."""
    if isinstance(source, float) and not math.isfinite(source):
        return None
    exactly, value = Fraction(source), number.value
    if not math.isfinite(value):
        return {
            "kind": "overflow",
            "words": f"beyond the largest number, {brief(number.form.largest, number.form)}",
        }
    error = Fraction(value) - exactly
    if not error:
        return {
            "kind": "exact",
            "words": "is a number of the format: nothing is rounded",
            "error": ratio(error),
        }
    beyond = abs(exactly) > Fraction(min(number.form.largest, 1.7976931348623157e308)) or (
        exactly < 0 and -exactly > Fraction(min(-number.form.lowest, 1.7976931348623157e308))
    )
    if beyond:
        return {"kind": "overflow", "words": "saturated: beyond the largest number", "error": ratio(error)}
    way = "up" if error > 0 else "down"
    part = error / Fraction(number.ulp) if number.ulp else None
    words = f"rounded {way} by {size_text(abs(error))}"
    if part is not None:
        words += f", {size_text(abs(part))} ulp"
    if part is not None and abs(part) == Fraction(1, 2):
        words += ", a tie"
    relative = abs(error / exactly) if exactly else None
    found: dict[str, Any] = {"kind": way, "words": words, "error": ratio(error), "mode": mode}
    if relative is not None:
        found["relative"] = (
            f"{size_text(relative)} of the number, {size_text(relative / Fraction(number.form.unit))} u"
        )
    if part is not None:
        found["part"] = float(part)  # from -1 to 1: where the source lies beside the number, for the picture
    return found


def describe(
    source: Exact, form: Format, mode: str = "nearest-even", words: str | None = None
) -> dict[str, Any]:
    """Everything that the inspector shows about a number rounded to a format, as plain data.

    Parameters
    ----------
    source : the exact value, or an infinity or NaN.
    words : what was typed, where something was.
    """
    value = round_exact(source, form, mode)  # type: ignore[arg-type]
    if math.isnan(value) and not form.nans:
        raise ValueError(f"{form.name} has no NaN")
    return picture(inspect(value, form), source, mode, words)


def picture(number: Number, source: Exact, mode: str, words: str | None) -> dict[str, Any]:
    """`describe` of a number that is known."""
    form, value = number.form, number.value
    found: dict[str, Any] = {
        "format": form.name,
        "precision": form.precision,
        "kind": number.kind,
        "text": brief(value, form),
        "typed": words,
        "bits": number.bits,
        "fields": _fields(number),
        "code": None if number.code is None else f"0x{number.code:0{-(-width(form) // 4)}x}",
        "exact": None
        if number.exact is None
        else {**ratio(number.exact), "scaled": scaled(number.exact, form)},
        "ulp": None
        if not number.ulp
        else {**ratio(Fraction(number.ulp)), "power": f"2^{exponent_of(Fraction(number.ulp))}"},
        "up": _neighbour(number.next_up, number),
        "down": _neighbour(number.next_down, number),
        "payload": number.payload,
        "rounding": None if words is None else _rounding(source, number, mode),
        "source": None
        if isinstance(source, float) and not math.isfinite(source)
        else ratio(Fraction(source)),
    }
    size = found["ulp"]
    if size is not None:
        size["power"] = size["power"].replace("-", MINUS)
    found["hex"] = value.hex() if math.isfinite(value) else None
    return found
