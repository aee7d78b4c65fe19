"""Floating point in Python's integers and fractions: what the vectorised code is held against.

Written from the definitions (IEEE 754-2019, sections 4.3 and 7), one number at a time; shares nothing with the package.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from math import copysign, inf, isinf, isnan, isqrt, nan

import numpy as np

from workbench.floats.format import Format

Flags = frozenset[str]
NONE: Flags = frozenset()
INEXACT = frozenset({"inexact"})


def exponent(q: Fraction) -> int:
    """floor(log2 q), q > 0."""
    e = q.numerator.bit_length() - q.denominator.bit_length()
    return e - (Fraction(2) ** e > q)


def whole(y: Fraction, mode: str, negative: bool) -> int:
    """y >= 0 to an integer; the number meant is -y where negative."""
    n, rest = divmod(y, 1)
    n = int(n)
    if rest == 0:
        return n
    half = Fraction(1, 2)
    more = {
        "nearest-even": rest > half or (rest == half and n % 2 == 1),
        "nearest-away": rest >= half,
        "toward-zero": False,
        "up": not negative,
        "down": negative,
        "to-odd": n % 2 == 0,
    }
    return n + more[mode]


def rounded(q: Fraction, form: Format, mode: str, policy: str | None = None) -> tuple[float, Flags]:
    """q != 0 in the format, and the flags: tininess after rounding; fixed point has no underflow."""
    policy = policy or ("inf" if form.infinities or form.nans else "saturate")
    negative, size = q < 0, abs(q)
    free = Fraction(2) ** (exponent(size) - form.precision + 1)
    unbounded = whole(size / free, mode, negative) * free
    normal = Fraction(2) ** form.emin if form.emin > -5000 else Fraction(0)
    if form.subnormals and normal:
        step = max(free, Fraction(2) ** (form.emin - form.precision + 1))
        found = whole(size / step, mode, negative) * step
    else:
        found = unbounded
        if found < normal:
            found = normal if mode == ("down" if negative else "up") else Fraction(0)
    flags = set() if found == size else {"inexact"}
    if unbounded < normal and flags and not form.fixed:
        flags.add("underflow")
    limit = -form.lowest if negative else form.largest
    if found > limit:
        flags |= {"overflow", "inexact"}
        inward = {"toward-zero": True, "up": negative, "down": not negative, "to-odd": True}.get(mode, False)
        value = limit if inward or policy == "saturate" else inf if form.infinities else nan
    else:
        value = float(found)
        assert value == found, "float64 does not hold it: the test asks too much"
    value = -value if negative else value
    return (value + 0.0 if form.fixed else value), frozenset(flags)


def same(x: float, y: float) -> bool:
    """Equal, zeros by sign, NaN to NaN."""
    return (isnan(x) and isnan(y)) or (x == y and copysign(1, x) == copysign(1, y))


def zero(mode: str, *signs: float) -> float:
    """The sign of an exact zero sum (6.3)."""
    if all(copysign(1, s) == copysign(1, signs[0]) for s in signs):
        return copysign(0.0, signs[0])
    return -0.0 if mode == "down" else 0.0


def infinite(sign: float, form: Format) -> float:
    if not form.nans:
        return form.largest if sign > 0 else form.lowest
    return copysign(inf if form.infinities else nan, sign)


def _finish(q: Fraction, form: Format, mode: str) -> tuple[float, Flags]:
    return rounded(q, form, mode)


def operation(name: str, x: tuple[float, ...], form: Format, mode: str) -> tuple[float, Flags]:
    """add, sub, mul, div, fma or sqrt of float64 numbers, rounded once to the format; NaN operands are quiet."""
    if any(isnan(v) for v in x):
        return nan, NONE
    value, flags = _OPERATIONS[name](x, form, mode)
    return (value + 0.0 if form.fixed else value), flags


def _add(x: tuple[float, ...], form: Format, mode: str) -> tuple[float, Flags]:
    a, b = x
    if isinf(a) or isinf(b):
        if isinf(a) and isinf(b) and a != b:
            return nan, frozenset({"invalid"})
        return infinite(a if isinf(a) else b, form), NONE
    q = Fraction(a) + Fraction(b)
    return (zero(mode, a, b), NONE) if q == 0 else _finish(q, form, mode)


def _mul(x: tuple[float, ...], form: Format, mode: str) -> tuple[float, Flags]:
    a, b = x
    sign = copysign(1, a) * copysign(1, b)
    if isinf(a) or isinf(b):
        return (nan, frozenset({"invalid"})) if 0 in x else (infinite(sign, form), NONE)
    q = Fraction(a) * Fraction(b)
    return (copysign(0, sign), NONE) if q == 0 else _finish(q, form, mode)


def _fma(x: tuple[float, ...], form: Format, mode: str) -> tuple[float, Flags]:
    a, b, c = x
    sign = copysign(1, a) * copysign(1, b)
    if isinf(a) or isinf(b):
        if a == 0 or b == 0 or (isinf(c) and copysign(1, c) != sign):
            return nan, frozenset({"invalid"})
        return infinite(sign, form), NONE
    if isinf(c):
        return infinite(c, form), NONE
    q = Fraction(a) * Fraction(b) + Fraction(c)
    if q:
        return _finish(q, form, mode)
    return (zero(mode, copysign(0, sign), c) if a == 0 or b == 0 else zero(mode, 1.0, -1.0)), NONE


def _div(x: tuple[float, ...], form: Format, mode: str) -> tuple[float, Flags]:
    a, b = x
    sign = copysign(1, a) * copysign(1, b)
    if (isinf(a) and isinf(b)) or (a == 0 and b == 0):
        return nan, frozenset({"invalid"})
    if isinf(a):
        return infinite(sign, form), NONE
    if b == 0:
        return infinite(sign, form), frozenset({"divide_by_zero"})
    if isinf(b) or a == 0:
        return copysign(0, sign), NONE
    return _finish(Fraction(a) / Fraction(b), form, mode)


def _sqrt(x: tuple[float, ...], form: Format, mode: str) -> tuple[float, Flags]:
    (a,) = x
    if a == 0:
        return a, NONE
    if a < 0:
        return nan, frozenset({"invalid"})
    if isinf(a):
        return infinite(a, form), NONE
    q = Fraction(a) * 4**1200  # a root with hundreds of bits, and a sticky one below them
    n = q.numerator // q.denominator
    root = isqrt(n)
    exact = q.denominator == 1 and root * root == n
    return _finish(Fraction(2 * root + (not exact), 2 * 2**1200), form, mode)


_OPERATIONS: dict[str, Callable[..., tuple[float, Flags]]] = {
    "add": _add,
    "sub": lambda x, form, mode: _add((x[0], -x[1]), form, mode),
    "mul": _mul,
    "fma": _fma,
    "div": _div,
    "sqrt": _sqrt,
}


def awkward(form: Format, seed: int = 0, count: int = 500) -> np.ndarray:
    """Numbers of the format, midpoints and quarter points, their float64 neighbours; zeros, thresholds, infinities."""
    rng = np.random.default_rng(seed)
    p = form.precision
    low, high = max(form.emin, -1022 if p > 50 else -1000) - p - 2, min(form.emax + 2, 1022)
    e = rng.integers(low, high, count) if rng.random() < 2 else None
    m = rng.integers(0, 2 ** min(p + 2, 53), count) * 2.0 ** -min(p + 1, 52)
    x = np.ldexp(m, e)
    top = min(form.largest, np.finfo(np.float64).max / 2)
    edges = [
        0.0,
        form.eta,
        form.eta / 2,
        form.eta * 1.5,
        form.eta / 4,
        form.normal,
        form.normal * (1 - form.unit),
    ]
    edges += [
        form.normal * (1 - form.unit / 2),
        top,
        top * (1 + form.unit),
        top * (1 + form.unit / 2),
        top * 1.75,
    ]
    x = np.concatenate([x, edges])
    x = np.concatenate([x, np.nextafter(x, np.inf), np.nextafter(x, -np.inf), x * (1 + 2.0**-40)])
    x = x * np.where(rng.random(x.size) < 0.5, -1.0, 1.0)
    return np.concatenate([x[np.isfinite(x)], [0.0, -0.0, np.inf, -np.inf, np.nan]])
