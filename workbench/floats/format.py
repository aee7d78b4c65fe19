"""Format: a binary floating-point number format, and the quantities that every error analysis is written in.

Notation (Higham 2002; Muller et al. 2018): p the precision, u = 2^-p the unit roundoff, 2^emin the smallest normal
number, eta = 2^(emin-p+1) the smallest positive number, ufp(x) = 2^floor(log2 |x|) the unit in the first place
(Rump, Ogita & Oishi 2008), ulp(x) = 2^(1-p) max(ufp(x), 2^emin).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from workbench.graph import Array

EXPONENT = np.int64(0x7FF0000000000000)
SMALLEST_NORMAL = 2.0**-1022


@dataclass(frozen=True, slots=True)
class Format:
    """Numbers ``m 2^(e-p+1)`` with integers |m| < 2^p and emin <= e <= emax: gradual underflow, largest exponent emax.

    Parameters
    ----------
    name : what people call it.
    precision : p, the significand's bits, the hidden one included.
    emin, emax : exponents of the smallest normal number and of the largest number.
    top : the largest number, where it is not the one with all significand bits set (the OCP's e4m3fn).
    infinities : whether the format has infinities; without them an overflow is a NaN.

    Raises
    ------
    ValueError
        A format that does not fit inside binary64, in which all of this is computed.
    """

    name: str
    precision: int
    emin: int
    emax: int
    top: float | None = None
    infinities: bool = True

    def __post_init__(self) -> None:
        p, emin, emax = self.precision, self.emin, self.emax
        if (p, emin, emax) == (53, -1022, 1023):
            return
        if not 1 <= p <= 51:
            raise ValueError(
                f"format {self.name!r}: its precision must be from 1 to 51 bits (or binary64's), not {p}"
            )
        if not -1022 <= emin <= emax <= 1022 or emin - p + 1 < -1074:
            raise ValueError(
                f"format {self.name!r}: exponents from {emin} to {emax} with {p} bits do not lie inside binary64"
            )

    @property
    def unit(self) -> float:
        """Unit roundoff u = 2^-p of rounding to nearest."""
        return 2.0**-self.precision

    @property
    def normal(self) -> float:
        """Smallest positive normal number 2^emin."""
        return 2.0**self.emin

    @property
    def eta(self) -> float:
        """Smallest positive number."""
        return 2.0 ** (self.emin - self.precision + 1)

    @property
    def largest(self) -> float:
        """Largest finite number."""
        return self.top if self.top is not None else (2.0 - 2.0 ** (1 - self.precision)) * 2.0**self.emax

    def contains(self, other: Format) -> bool:
        """Whether every number of `other` is a number of this format."""
        return (
            self.precision >= other.precision
            and self.emin - self.precision <= other.emin - other.precision
            and self.largest >= other.largest
        )


BINARY64 = Format("binary64", 53, -1022, 1023)
BINARY32 = Format("binary32", 24, -126, 127)
BINARY16 = Format("binary16", 11, -14, 15)
BFLOAT16 = Format("bfloat16", 8, -126, 127)
TF32 = Format("tf32", 11, -126, 127)
E4M3FN = Format("e4m3fn", 4, -6, 8, top=448.0, infinities=False)
E5M2 = Format("e5m2", 3, -14, 15)
FORMATS = {f.name: f for f in (BINARY64, BINARY32, BINARY16, BFLOAT16, TF32, E4M3FN, E5M2)}


def ufp(x: Array) -> Array:
    """Unit in the first place, 2^floor(log2 |x|), exactly; 0 at 0, infinity at infinity and NaN."""
    x = np.asarray(x, np.float64)
    found = (x.view(np.int64) & EXPONENT).view(np.float64)
    small = (found == 0) & (x != 0)
    if small.any():
        scaled = np.where(small, x, 0.0) * 2.0**54
        low = (scaled.view(np.int64) & EXPONENT).view(np.float64) * 2.0**-54
        found = np.where(small, low, found)
    return np.asarray(found)


def ulp(x: Array, form: Format) -> Array:
    """Distance between neighbouring numbers of the format at the magnitude of x: 2^(1-p) max(ufp(x), 2^emin)."""
    return np.asarray(np.maximum(ufp(x), form.normal) * (2.0 * form.unit))
