"""Rounding to a format, to nearest with ties to even: exact for every float64, subnormal results included."""

from __future__ import annotations

from typing import Literal

import numpy as np

from workbench.floats.format import BINARY16, BINARY32, BINARY64, EXPONENT, Format
from workbench.graph import Array

Overflow = Literal["inf", "saturate"]


def round_to(x: Array | float, form: Format, overflow: Overflow = "inf") -> Array:
    """The numbers of `form` nearest to x, ties to even, as float64.

    Parameters
    ----------
    x : float64 array (other types are widened first, exactly for floats).
    form : the format.
    overflow : what a result beyond the largest number becomes: "inf" (NaN where the format has no infinity) or
        "saturate" (the largest number).

    Notes
    -----
    Let g = max(ufp(x), 2^emin) and s = 1.5 * 2^(53-p) g.  For |x| < 2 g and p <= 51 the sum x + s lies in one binade,
    whose float64 spacing is 2^(1-p) g: the spacing of the format at x, subnormal or not.  So the one rounding of the
    hardware's x + s is the rounding asked for; s is an even multiple of that spacing, so that ties go to even; and
    subtracting s is exact (Sterbenz).

    Casting float64 arrays to 16-bit types by way of float32, as some libraries do, rounds twice and is wrong at
    1 + 2^-8 + 2^-40 in bfloat16; this is not.
    """
    x = np.asarray(x, np.float64)
    if form.precision == BINARY64.precision:
        return x.copy()
    beyond = 2.0 ** (form.emax + 1)  # at least the largest number plus half a spacing, whatever `top` is
    inner = np.clip(x, -beyond, beyond)
    scale = np.maximum((inner.view(np.int64) & EXPONENT).view(np.float64), form.normal)
    scale = scale * (1.5 * 2.0 ** (53 - form.precision))
    rounded = (inner + scale) - scale
    over = np.abs(rounded) > form.largest
    if over.any():
        limit = form.largest if overflow == "saturate" else np.inf if form.infinities else np.nan
        rounded = np.where(over, limit, rounded)
        if not form.infinities:
            return np.where(np.isnan(x), x, np.copysign(rounded, x))
    return np.asarray(np.where(np.isnan(x), x, np.copysign(rounded, x)))


def is_stored(x: Array, form: Format) -> bool:
    """Whether the element type alone says that every finite x is a number of the format."""
    types = {np.dtype(np.float16): BINARY16, np.dtype(np.float32): BINARY32, np.dtype(np.float64): BINARY64}
    return x.dtype in types and form.contains(types[x.dtype])


def is_number_of(x: Array, form: Format) -> Array:
    """Whether each x is a finite number of the format."""
    x = np.asarray(x, np.float64)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.isfinite(x) & (round_to(x, form) == x))
