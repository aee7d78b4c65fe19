"""Uniform affine quantisation: integers k for the numbers s (k - z); and ONNX's two operators that do it.

    Q(x) = clip(round(x / s) + z, low, high),     D(k) = s (k - z),     round to nearest, ties to even.

In real arithmetic, for x between D(low) and D(high): |D(Q(x)) - x| <= s/2 (Jacob et al. 2018).  Q is monotone, its
values are codes, and Q(D(k)) = k for every code k.  In floats, where x/s is itself rounded, `error_bound` adds what
that costs, and Q(D(k)) = k is still true as long as codes have fewer bits than the format less two.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from workbench.floats.errors import rounding_error
from workbench.floats.format import BFLOAT16, BINARY16, BINARY32, BINARY64, Format
from workbench.floats.rounding import round_to
from workbench.graph import Array

RANGES = {
    "uint2": (0, 3),
    "int2": (-2, 1),
    "uint4": (0, 15),
    "int4": (-8, 7),
    "uint8": (0, 255),
    "int8": (-128, 127),
    "uint16": (0, 65535),
    "int16": (-32768, 32767),
}
FLOATS = (BINARY64, BINARY32, BINARY16, BFLOAT16)


@dataclass(frozen=True, slots=True)
class Quantization:
    """Scale s > 0, zero point z and the range of codes, of one tensor or of one slice of it.

    Raises
    ------
    ValueError
        A scale that is not positive and finite, an empty range, or a zero point outside of it.
    """

    scale: float
    zero_point: int = 0
    low: int = -128
    high: int = 127

    def __post_init__(self) -> None:
        if not (0 < self.scale < np.inf):
            raise ValueError(f"a scale must be positive and finite, not {self.scale}")
        if not self.low < self.high:
            raise ValueError(f"no codes between {self.low} and {self.high}: give low < high")
        if not self.low <= self.zero_point <= self.high:
            raise ValueError(
                f"zero point {self.zero_point} is no code: it lies outside of {self.low}..{self.high}"
            )

    @classmethod
    def covering(
        cls, lower: float, upper: float, kind: str = "uint8", *, symmetric: bool = False
    ) -> Quantization:
        """The quantisation whose codes cover [lower, upper] and 0, which then has a code of its own.

        symmetric : zero point in the middle (0 for signed codes), the same number of codes on both sides.

        Raises
        ------
        ValueError
            An interval that is none, or an unknown kind of codes.
        """
        low, high = range_of(kind)
        if not (np.isfinite(lower) and np.isfinite(upper) and lower <= upper):
            raise ValueError(f"[{lower}, {upper}] is no interval to cover")
        lower, upper = min(lower, 0.0), max(upper, 0.0)
        if lower == upper:
            return cls(1.0, max(0, low), low, high)
        if symmetric:
            middle = (low + high + 1) // 2
            return cls(_above(max(-lower, upper), high - middle), middle, low, high)
        # one code is spared for the rounding of the zero point: without it an end may lie half a step outside
        scale = _above(upper - lower, high - low - 1)
        zero = low + int(np.ceil(-lower / scale))
        return cls(scale, min(max(zero, low), high), low, high)

    def quantize(self, x: Any, form: Format = BINARY32) -> Array:
        """Codes of x, int64: the division rounded to the format, the sum and saturation exact.

        Raises
        ------
        ValueError
            A NaN: it has no code.
        """
        x = np.asarray(x, np.float64)
        if np.isnan(x).any():
            raise ValueError("NaN has no code: look where it comes from before quantising")
        return _codes(_quotient(x, np.asarray(self.scale), form), self.zero_point, self.low, self.high)

    def dequantize(self, codes: Any, form: Format = BINARY32) -> Array:
        """s (k - z), the product rounded to the format."""
        return _values(np.asarray(codes), np.asarray(self.scale), self.zero_point, form)

    @property
    def ends(self) -> tuple[float, float]:
        """D(low) and D(high) in binary64: beyond them numbers saturate."""
        return self.scale * (self.low - self.zero_point), self.scale * (self.high - self.zero_point)

    def error_bound(self, x: Any, form: Format = BINARY32) -> Array:
        """A bound on ``|D(Q(x)) - x|`` for numbers x of the format: s/2, the format's own roundings, and saturation.

        Infinite where a product of scale and codes overflows the format, and for infinite x.
        """
        x = np.asarray(x, np.float64)
        least, greatest = self.ends
        with np.errstate(invalid="ignore", over="ignore"):
            division = rounding_error(np.abs(x) / self.scale * (1 + 2.0**-50), form)
            # where the quotient overflows the format, the code is the end that x is beyond all the same
            division = np.where(np.isinf(division), 0.0, division)
            beyond = np.maximum(
                x - (greatest - 2.0**-50 * abs(greatest)), (least + 2.0**-50 * abs(least)) - x
            )
            size = max(abs(least), abs(greatest)) * (1 + 2.0**-20)
            last = rounding_error(np.asarray(size), form)
            last = last + rounding_error(np.asarray(float(self.high - self.low)), form) * self.scale
            found = (0.5 + division) * self.scale + np.maximum(beyond, 0.0) + last
        return np.asarray(found * (1 + 2.0**-48))


def quantize_linear(
    x: Any,
    y_scale: Any,
    y_zero_point: Any = None,
    *,
    kind: str | None = None,
    axis: int = 1,
    block_size: int = 0,
    form: Format = BINARY32,
) -> Array:
    """ONNX's QuantizeLinear with integer results: ``saturate(round(x / y_scale) + y_zero_point)``, ties to even.

    Parameters
    ----------
    x : array of numbers of the format.
    y_scale, y_zero_point : of the same shape: a number, ``(x.shape[axis],)`` per axis, or x's shape with `axis` divided
        by `block_size` (rounded up).
    kind : "int8", "uint8", "int16", "uint16", "int4", "uint4", "int2" or "uint2": the type of the result; that of the
        zero point where nothing is said, and "uint8" where there is none either.
    axis, block_size : as the operator's attributes.
    form : the type that x / y_scale is rounded to.

    Returns
    -------
    Codes, int64 of x's shape.

    Raises
    ------
    ValueError
        Shapes that do not fit, an unknown kind, or a NaN, of which the standard does not say what becomes of it.
    """
    x = np.asarray(x, np.float64)
    if np.isnan(x).any():
        raise ValueError("QuantizeLinear of NaN is not defined: look where it comes from before quantising")
    low, high = range_of(kind or ("uint8" if y_zero_point is None else str(np.asarray(y_zero_point).dtype)))
    scale = spread_over(y_scale, x.shape, axis, block_size, "y_scale")
    zero = 0 if y_zero_point is None else spread_over(y_zero_point, x.shape, axis, block_size, "y_zero_point")
    return _codes(_quotient(x, scale, form), zero, low, high)


def dequantize_linear(
    x: Any,
    x_scale: Any,
    x_zero_point: Any = None,
    *,
    axis: int = 1,
    block_size: int = 0,
    form: Format = BINARY32,
) -> Array:
    """ONNX's DequantizeLinear: ``(x - x_zero_point) * x_scale``, float64 of x's shape.

    The difference is exact and then rounded to the format, which changes it only beyond 2^p; so is the product.
    Parameters as in `quantize_linear`.
    """
    x = np.asarray(x)
    scale = spread_over(x_scale, x.shape, axis, block_size, "x_scale")
    zero = 0 if x_zero_point is None else spread_over(x_zero_point, x.shape, axis, block_size, "x_zero_point")
    return _values(x, scale, zero, form)


def range_of(kind: str) -> tuple[int, int]:
    """The least and the greatest code of a type.

    Raises
    ------
    ValueError
        A type that there are no codes of.
    """
    if kind not in RANGES:
        raise ValueError(f"there are no codes of type {kind!r}: choose one of {', '.join(RANGES)}")
    return RANGES[kind]


def _above(length: float, steps: int) -> float:
    """A binary32 number s with s * steps >= length."""
    s = np.float32(length / max(steps, 1))
    while float(s) * steps < length:
        s = np.nextafter(s, np.float32(np.inf))
    return float(s)


def spread_over(values: Any, shape: tuple[int, ...], axis: int, block_size: int, name: str) -> Array:
    """Scales or zero points laid out to broadcast against an array of `shape`: per tensor, axis or block.

    Raises
    ------
    ValueError
        A number of them that does not fit; `name` says what they are.
    """
    v = np.asarray(values)
    if v.dtype.kind in "iu" or "int" in str(v.dtype):
        v = v.astype(np.int64)
    if v.size == 1 and not block_size:
        return v.reshape(())
    if not -len(shape) <= axis < len(shape):
        raise ValueError(f"axis {axis} is none of an array of shape {shape}")
    axis %= len(shape)
    if block_size:
        want = tuple(-(-n // block_size) if i == axis else n for i, n in enumerate(shape))
        if v.shape != want:
            raise ValueError(
                f"{name} has shape {v.shape}; blocks of {block_size} on axis {axis} of {shape} need {want}"
            )
        return np.repeat(v, block_size, axis=axis).take(np.arange(shape[axis]), axis=axis)
    if v.shape != (shape[axis],):
        raise ValueError(f"{name} has shape {v.shape}; axis {axis} of {shape} needs ({shape[axis]},)")
    return v.reshape([-1 if i == axis else 1 for i in range(len(shape))])


def _quotient(x: Array, scale: Array, form: Format) -> Array:
    """x / s rounded to the format: once, as 53 bits are more than twice those of the formats allowed, and two."""
    if form not in FLOATS:
        raise ValueError(
            f"{form.name} is no format of these operators: choose one of {', '.join(f.name for f in FLOATS)}"
        )
    with np.errstate(over="ignore", under="ignore", divide="ignore", invalid="ignore"):
        return round_to(x / scale, form)


def _codes(quotient: Array, zero: Any, low: int, high: int) -> Array:
    whole = np.clip(np.rint(quotient), -(2.0**31), 2.0**31)  # far outside of every range already
    return np.asarray(np.clip(whole.astype(np.int64) + zero, low, high))


def _values(codes: Array, scale: Array, zero: Any, form: Format) -> Array:
    if form not in FLOATS:
        raise ValueError(
            f"{form.name} is no format of these operators: choose one of {', '.join(f.name for f in FLOATS)}"
        )
    difference = round_to((codes.astype(np.int64) - zero).astype(np.float64), form)
    with np.errstate(over="ignore", under="ignore"):
        return round_to(difference * scale, form)
