"""Rounding to a format in any mode, exactly: of float64 arrays of any array library."""

from __future__ import annotations

import sys
from typing import Any, Literal, get_args

import numpy as np

from workbench.arrays import kernels
from workbench.floats.format import BINARY16, BINARY32, BINARY64, EXPONENT, Format, Overflow, power
from workbench.graph import Array

Mode = Literal["nearest-even", "nearest-away", "toward-zero", "up", "down", "to-odd"]
MODES: tuple[Mode, ...] = get_args(Mode)
NEAREST = ("nearest-even", "nearest-away")
CHUNK = 1 << 13  # elements at once: what is being worked on stays in the processor's cache


def check_mode(mode: str) -> None:
    """Raise ValueError unless there is such a mode of rounding."""
    if mode not in MODES:
        hint = f"; did you mean overflow={mode!r}?" if mode in get_args(Overflow) else ""
        raise ValueError(f"there is no rounding mode {mode!r}: choose one of {', '.join(MODES)}{hint}")


def round_to(
    x: Array | float, form: Format, mode: Mode = "nearest-even", *, overflow: Overflow | None = None
) -> Array:
    """The numbers of `form` that x is rounded to, as float64.

    Parameters
    ----------
    x : array of any array library (anything else becomes a NumPy array); widened to float64 first, exactly for floats
        of up to 64 bits.
    form : the format.
    mode : "nearest-even" and "nearest-away" (what happens to ties), "toward-zero", "up", "down", or "to-odd": a number
        that is not in the format becomes its neighbour with an odd significand.
    overflow : what a result beyond the largest number becomes.  "inf": an infinity, or NaN where the format has none;
        "saturate": the largest number.  As in IEEE 754-2019, section 7.4, modes that point away from the overflow give
        the largest number in any case, and so does "to-odd".  The format's own policy where nothing is said.

    Returns
    -------
    float64 array of x's shape and library.  Signs of zeros are kept, except in fixed point, which has one zero.  NaN
    stays NaN also where the format has none: there is no number that it could become.

    Raises
    ------
    ValueError
        An unknown mode; overflow="inf" for a format that has neither infinities nor NaNs; an array wider than float64.

    Notes
    -----
    The spacing of the format at x is s = 2^(1-p) max(ufp(x), 2^emin), a power of two.  x/s is exact and below 2^53;
    it is rounded to an integer in the mode asked for, and multiplied by s, which is exact again.  Nothing is ever
    rounded twice; by way of binary32, as some libraries go, 1 + 2^-8 + 2^-40 is wrong in bfloat16.

    Abrupt underflow follows what processors do in flush-to-zero mode: a result that is tiny *after* rounding (to p bits
    with an unbounded exponent) becomes a zero of its sign.  "up" and "down" keep their meaning there, the number of the
    format next above or below, where processors give 0: bounds rest on these modes.
    """
    check_mode(mode)
    policy = form.overflow if overflow is None else overflow
    if policy not in get_args(Overflow):
        raise ValueError(f"overflow must be 'inf' or 'saturate', not {policy!r}")
    if policy == "inf" and not form.infinities and not form.nans:
        raise ValueError(
            f"{form.name} has neither infinities nor NaNs, so an overflow can only saturate: leave out overflow='inf'"
        )
    xp = namespace(x)
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        if xp is not np:
            return _round(_widened(x, xp), form, mode, policy, xp)
        wide = np.asarray(_widened(np.asarray(x), np))
        flat, out = wide.reshape(-1), np.empty(wide.size)
        if kernels.round_to(flat, out, form, mode, policy):
            return out.reshape(wide.shape)
        plain = mode == "nearest-even" and _has_magic(form) and not form.fixed
        for i in range(0, flat.size, CHUNK):
            part, to = flat[i : i + CHUNK], out[i : i + CHUNK]
            if plain and np.abs(part, out=to).max() <= form.largest:
                _nearest_even(part, form, to)
            else:
                to[...] = _round(part, form, mode, policy, np)
    return out.reshape(wide.shape)


def namespace(x: Any) -> Any:
    """The array library that x belongs to; NumPy for what is no array."""
    if isinstance(x, np.ndarray | np.generic):
        return np
    if hasattr(x, "__array_namespace__"):
        return x.__array_namespace__()
    root = sys.modules.get(type(x).__module__.partition(".")[0])
    return root if hasattr(root, "copysign") and hasattr(x, "dtype") else np


def _widened(x: Any, xp: Any) -> Any:
    if x.dtype == xp.float64:
        return x
    if xp is not np:  # the standard's function, or the method that CuPy's arrays have
        return xp.astype(x, xp.float64) if hasattr(xp, "astype") else x.astype(xp.float64)
    wide = x.astype(np.float64) if x.dtype.kind in "fiubV" and x.dtype.itemsize <= 8 else None
    if wide is None or (x.dtype.kind in "iu" and x.dtype.itemsize == 8 and np.any(np.abs(wide) >= 2.0**53)):
        raise ValueError(
            f"float64 does not hold these numbers of type {x.dtype}: they would be rounded twice"
        )
    return wide


def _round(x: Any, form: Format, mode: Mode, overflow: Overflow, xp: Any) -> Any:
    if form == BINARY64:
        return xp.clip(x, -form.largest, form.largest) if overflow == "saturate" else x * 1.0
    largest, beyond = form.largest, min(power(form.emax + 1), sys.float_info.max)
    inner = xp.clip(x, -beyond, beyond)
    if mode == "nearest-even" and _has_magic(form):
        scale = xp.maximum(_first_place(inner, form, xp), form.normal) * (1.5 * 2.0 ** (53 - form.precision))
        r = xp.copysign((inner + scale) - scale, inner)
    else:
        finest = max(form.spacing if form.subnormals else 0.0, 2.0**-1074)
        step = xp.maximum(_first_place(inner, form, xp) * (2 * form.unit), finest)
        y = inner / step
        if finest > 1:  # then a small x may underflow in the division, but it is not 0
            y = xp.where((y == 0) & (inner != 0), xp.copysign(xp.full_like(y, 2.0**-1000), inner), y)
        r = xp.copysign(_integer(y, mode, xp) * step, inner)
        if not form.subnormals:
            r = _flushed(r, form, mode, xp)
    if form.fixed:
        r = r + 0.0  # -0 + 0 is 0
    over = (r > largest) | (r < form.lowest)
    special = (beyond == sys.float_info.max) & (xp.abs(x) > beyond)
    if xp.any(over) or xp.any(special):
        r = _overflowed(x, r, over | special, form, mode, overflow, xp)
    return r


def _has_magic(form: Format) -> bool:
    """Whether adding and subtracting a large number rounds to nearest even.

    With S = 1.5 2^(53-p) max(ufp(x), 2^emin) the sum x + S lies in one binade, whose spacing is that of the format at
    x; so the one rounding of the hardware's sum is the rounding asked for, S is even, and subtracting it is exact.
    """
    return form.precision <= 51 and form.emax <= 969 and form.subnormals


def _nearest_even(x: Array, form: Format, out: Array) -> None:
    """What `_round` does to NumPy numbers inside of the format's range, without temporary arrays."""
    if form.emin < -1022:
        scale = _first_place(x, form, np)
    else:
        scale = np.bitwise_and(x.view(np.int64), EXPONENT).view(np.float64)
    np.maximum(scale, form.normal, out=scale)
    np.multiply(scale, 1.5 * 2.0 ** (53 - form.precision), out=scale)
    np.add(x, scale, out=out)
    np.subtract(out, scale, out=out)
    np.copysign(out, x, out=out)


def _first_place(x: Any, form: Format, xp: Any) -> Any:
    """ufp(x); 0 for subnormal float64 where the format's smallest normal number is at least float64's."""
    low = form.emin < -1022
    if not low and hasattr(x, "view"):
        return (x.view(xp.int64) & EXPONENT).view(xp.float64)
    # Rump, Ogita & Oishi 2008, algorithm 3.5, away from the ends of the range: no look at bits, which the array API
    # standard has no word for
    size = xp.abs(x)
    scale = xp.where(size > 2.0**500, 2.0**-400, xp.where(size < 2.0**-500, 2.0**500, xp.ones_like(x)))
    y = x * scale
    q = y * (2.0**52 + 1)
    return xp.abs(q - q * (1 - 2.0**-53)) / scale


def _integer(y: Any, mode: Mode, xp: Any) -> Any:
    """Y rounded to an integer of float64; |y| <= 2^53."""
    match mode:
        case "nearest-even":
            return xp.rint(y) if hasattr(xp, "rint") else xp.round(y)
        case "toward-zero":
            return xp.trunc(y)
        case "up":
            return xp.ceil(y)
        case "down":
            return xp.floor(y)
        case "nearest-away":
            whole = xp.trunc(y)
            return whole + xp.trunc(2 * (y - whole))  # y - whole is exact; y + 1/2 is not always
        case _:
            whole = xp.trunc(y)
            even = xp.trunc(whole * 0.5) * 2 == whole
            return xp.where(even & (whole != y), whole + xp.sign(y), whole)


def _flushed(r: Any, form: Format, mode: Mode, xp: Any) -> Any:
    """Abrupt underflow of numbers that were rounded with an unbounded exponent."""
    tiny = (xp.abs(r) < form.normal) & (r != 0)
    away = {"up": r > 0, "down": r < 0}.get(mode, xp.zeros_like(tiny))
    return xp.where(tiny, xp.copysign(xp.where(away, form.normal, xp.zeros_like(r)), r), r)


def _overflowed(x: Any, r: Any, over: Any, form: Format, mode: Mode, overflow: Overflow, xp: Any) -> Any:
    """What becomes of results outside of the format's range, and of infinities."""
    limit = xp.where(x > 0, xp.full_like(r, form.largest), xp.full_like(r, form.lowest))
    never = xp.zeros_like(over)
    beyond = {"up": x > 0, "down": x < 0, "toward-zero": never, "to-odd": never}.get(mode, ~never)
    given = xp.isinf(x)  # an infinity is not rounded: no mode makes it finite, only saturation does
    if overflow == "saturate":
        beyond, given = never, never
    infinite = xp.copysign(xp.full_like(r, np.inf if form.infinities else np.nan), x)
    return xp.where(over & (beyond | given), infinite, xp.where(over, limit, r))


def is_stored(x: Array, form: Format) -> bool:
    """Whether the element type alone says that every finite x is a number of the format."""
    types = {np.dtype(np.float16): BINARY16, np.dtype(np.float32): BINARY32, np.dtype(np.float64): BINARY64}
    return x.dtype in types and form.contains(types[x.dtype])


def is_number_of(x: Array, form: Format) -> Array:
    """Whether each x is a finite number of the format."""
    x = np.asarray(x, np.float64)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.isfinite(x) & (round_to(x, form) == x))
