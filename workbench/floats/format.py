"""Format: a binary number format, and the quantities that every error analysis is written in.

Notation (Higham 2002; Muller et al. 2018): p the precision, u = 2^-p the unit roundoff, 2^emin the smallest normal
number, eta the smallest positive number, ufp(x) = 2^floor(log2 |x|) the unit in the first place (Rump, Ogita & Oishi
2008), ulp(x) = 2^(1-p) max(ufp(x), 2^emin).

One class covers the four kinds of format that the literature tells apart (Boldo & Melquiond 2017, chapter 3): gradual
underflow (FLT; all of IEEE 754), abrupt underflow (FTZ), unbounded exponent (FLX) and fixed point (FIX).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import frexp, inf, isnan
from typing import Literal

import numpy as np

from workbench.graph import Array

EXPONENT = np.int64(0x7FF0000000000000)
SMALLEST_NORMAL = 2.0**-1022
UNBOUNDED = 1 << 20  # an exponent that no float64 reaches: emin=-UNBOUNDED, emax=UNBOUNDED
Overflow = Literal["inf", "saturate"]


def power(e: int) -> float:
    """2^e, which is 0 below float64's range and infinite above it."""
    return 0.0 if e < -1074 else inf if e > 1023 else 2.0**e


@dataclass(frozen=True, slots=True)
class Format:
    """Numbers ``m 2^(e-p+1)`` with integers |m| < 2^p and emin <= e <= emax.

    Parameters
    ----------
    name : what people call it.
    precision : p, the significand's bits, the hidden one included; from 1 to 53.
    emin, emax : exponents of the smallest normal number and of the largest number; ``-UNBOUNDED`` and ``UNBOUNDED``
        for none.
    top : the largest number, where it is not the one with all significand bits set (the OCP's e4m3fn).
    infinities : whether the format has infinities; without them an overflow is a NaN.
    nans : whether the format has NaNs; with neither, an overflow saturates.
    subnormals : whether there are numbers between 0 and 2^emin; without them results there become 0.
    fixed : fixed point: equally spaced numbers, so that none of them is subnormal.
    bottom : the most negative number, where it is not minus the largest (two's complement).

    Raises
    ------
    TypeError
        A precision or exponent that is no integer.
    ValueError
        A format that makes no sense, or that float64, in which all of this is computed, cannot hold.
    """

    name: str
    precision: int
    emin: int
    emax: int
    top: float | None = None
    infinities: bool = True
    nans: bool = True
    subnormals: bool = True
    fixed: bool = False
    bottom: float | None = None

    def __post_init__(self) -> None:
        p, emin, emax, who = self.precision, self.emin, self.emax, f"format {self.name!r}"
        for word, value in (("precision", p), ("emin", emin), ("emax", emax)):
            if isinstance(value, bool) or not isinstance(value, int):
                raise TypeError(f"{who}: {word} must be an integer, not {value!r}")
        if not 1 <= p <= 53:
            raise ValueError(
                f"{who}: its precision must be from 1 to 53 bits, not {p}: numbers are computed in float64"
            )
        if emin > emax:
            raise ValueError(
                f"{who}: emin={emin} is above emax={emax}: there would be no number but 0; swap them"
            )
        if (emax > 1023 and emax != UNBOUNDED) or (emin - p + 1 < -1074 and emin != -UNBOUNDED):
            raise ValueError(
                f"{who}: exponents from {emin} to {emax} with {p} bits do not lie inside binary64 "
                "(2^-1074 to 2^1023); for a format without such a limit give UNBOUNDED"
            )
        self._check_kind(who)

    def _check_kind(self, who: str) -> None:
        if self.infinities and not self.nans:
            raise ValueError(
                f"{who}: infinities without NaNs: inf - inf would have no result; give nans=True"
            )
        if self.fixed:
            if self.emax not in {self.emin, UNBOUNDED}:
                raise ValueError(f"{who}: fixed point has one spacing: give emin = emax, or emax=UNBOUNDED")
            if not self.subnormals:
                raise ValueError(f"{who}: fixed point has no underflow that could be abrupt")
        for word, end, low in (("top", self.top, 1), ("bottom", self.bottom, -1)):
            if end is None:
                continue
            if isnan(end) or (end < power(self.emin) if low > 0 else end > 0):
                raise ValueError(f"{who}: {word}={end} is not a number that could end its range")
            if low > 0 and not self._holds(end):
                raise ValueError(
                    f"{who}: top={end} is not a number of {self.precision} bits below 2^(emax+1)"
                )

    def _holds(self, x: float) -> bool:
        step = power(max(frexp(x)[1] - 1, self.emin) - self.precision + 1)
        return x < power(self.emax + 1) and (step == 0 or (x / step).is_integer())

    @property
    def unit(self) -> float:
        """Unit roundoff u = 2^-p of rounding to nearest."""
        return 2.0**-self.precision

    @property
    def normal(self) -> float:
        """Smallest positive normal number 2^emin; 0 where exponents are not bounded below."""
        return power(self.emin)

    @property
    def spacing(self) -> float:
        """Distance between neighbours at the smallest normal number; 0 where exponents are not bounded below."""
        return power(self.emin - self.precision + 1)

    @property
    def eta(self) -> float:
        """Smallest positive number; 0 where there is none."""
        return self.spacing if self.subnormals else self.normal

    @property
    def largest(self) -> float:
        """Largest finite number; infinite where exponents are not bounded above."""
        if self.top is not None:
            return self.top
        return inf if self.emax == UNBOUNDED else (2.0 - 2.0 ** (1 - self.precision)) * 2.0**self.emax

    @property
    def lowest(self) -> float:
        """Most negative finite number."""
        return -self.largest if self.bottom is None else self.bottom

    @property
    def overflow(self) -> Overflow:
        """What the format does with a result beyond its largest number if nobody says: "inf" or "saturate"."""
        return "inf" if self.infinities or self.nans else "saturate"

    def contains(self, other: Format) -> bool:
        """Whether every finite number of `other` is a number of this format."""
        return (
            self.precision >= other.precision
            and (self.emin == -UNBOUNDED or self.emin - self.precision <= other.emin - other.precision)
            and (self.subnormals or (other.eta >= self.normal and other.eta > 0) or self.normal == 0)
            and self.largest >= other.largest
            and self.lowest <= other.lowest
        )


def fixed_point(bits: int, fraction: int, *, signed: bool = True) -> Format:
    """Fixed point in two's complement: k 2^-fraction for every integer k of that many bits; overflow saturates.

    Raises
    ------
    ValueError
        More than 54 bits (53 where unsigned), or no bit that holds a magnitude.
    """
    p = bits - signed
    if p < 1:
        raise ValueError(f"fixed point of {bits} bits has no bit left for a magnitude")
    e = p - 1 - fraction
    name = f"{'' if signed else 'u'}fixed{bits}.{fraction}"
    bottom = -(2.0 ** (p - fraction)) if signed else 0.0
    return Format(name, p, e, e, infinities=False, nans=False, fixed=True, bottom=bottom)


def fix(lsb: int) -> Format:
    """FIX: all multiples of 2^lsb, of any size (of which float64 holds those below 2^(lsb+53) and some others)."""
    return Format(f"fix({lsb})", 53, lsb + 52, UNBOUNDED, fixed=True)


def flx(precision: int) -> Format:
    """FLX: significands of that many bits, every exponent."""
    return Format(f"flx({precision})", precision, -UNBOUNDED, UNBOUNDED)


def flt(precision: int, emin: int) -> Format:
    """FLT: gradual underflow below 2^emin, no largest number."""
    return Format(f"flt({precision}, {emin})", precision, emin, UNBOUNDED)


def ftz(precision: int, emin: int) -> Format:
    """FTZ: nothing between 0 and 2^emin, no largest number."""
    return Format(f"ftz({precision}, {emin})", precision, emin, UNBOUNDED, subnormals=False)


BINARY64 = Format("binary64", 53, -1022, 1023)
BINARY32 = Format("binary32", 24, -126, 127)
BINARY16 = Format("binary16", 11, -14, 15)
BFLOAT16 = Format("bfloat16", 8, -126, 127)
TF32 = Format("tf32", 11, -126, 127)
E4M3FN = Format("e4m3fn", 4, -6, 8, top=448.0, infinities=False)
E5M2 = Format("e5m2", 3, -14, 15)
E2M3FN = Format("e2m3fn", 4, 0, 2, infinities=False, nans=False)
E3M2FN = Format("e3m2fn", 3, -2, 4, infinities=False, nans=False)
E2M1FN = Format("e2m1fn", 2, 0, 2, infinities=False, nans=False)
FORMATS = {
    f.name: f for f in (BINARY64, BINARY32, BINARY16, BFLOAT16, TF32, E4M3FN, E5M2, E2M3FN, E3M2FN, E2M1FN)
}


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
