"""Machine: one correctly rounded arithmetic, elementwise: add, sub, mul, div, sqrt, fma, in a format and a mode.

binary32 and binary64, rounded to nearest with gradual underflow, are the hardware's own, in arrays of that type.
Others are carried in float64.  Those of at most 24 bits are computed in binary64 and rounded once more, which does
no harm (Figueroa 1995; Boldo & Melquiond 2008).  Operands have p <= 24 bits, so

product   is exact in 53 bits;
quotient  x / y that is no number m of q <= p + 1 bits differs from it by |x - m y| / |y|, a multiple of the last bit of
          m y: relatively by more than 2^-(2p+2) >= 2^-50, so that rounding to 53 bits does not reach m;
root      the same with |x - m^2|;
sum       may be inexact by any little: its residual (TwoSum) is used to round to odd in binary64, from where every
          rounding to p <= 51 bits is that of the exact sum; to nearest it is not needed (a sum that is near a midpoint,
          but no midpoint, has at most 2p + 1 bits);
fma       is the exact product and a sum, rounded to odd.

Everything else (more bits, directed modes in binary64, exponents so wide that a product leaves binary64, and the mode
"down", in which x - x is -0) goes the slower way of `ieee754`, which never rounds twice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from workbench.floats import ieee754
from workbench.floats.format import BINARY32, BINARY64, FORMATS, Format, Overflow
from workbench.floats.pair import odd_pair, two_product, two_sum
from workbench.floats.rounding import NEAREST as TO_NEAREST
from workbench.floats.rounding import Mode, check_mode, round_to
from workbench.graph import Array

NEAREST: Mode = "nearest-even"
Subnormals = Literal["gradual", "flush"]
TYPES = {"float16": "binary16", "float32": "binary32", "float64": "binary64", "bfloat16": "bfloat16"}
NATIVE: Mapping[Format, np.dtype[Any]] = {BINARY32: np.dtype(np.float32), BINARY64: np.dtype(np.float64)}


@dataclass(frozen=True, slots=True)
class Machine:
    """An arithmetic.

    Parameters
    ----------
    form : the format of operands and results.
    mode : how results are rounded, as `floats.rounding.round_to` names it.
    subnormals : "gradual" as IEEE 754 has it, or "flush": a result below the smallest normal number is a signed 0.
    overflow : "inf" as IEEE 754 has it, or "saturate": the largest number; None for the format's own policy.

    Raises
    ------
    ValueError
        A mode that there is not.
    """

    form: Format
    mode: Mode = NEAREST
    subnormals: Subnormals = "gradual"
    overflow: Overflow | None = None

    def __post_init__(self) -> None:
        check_mode(self.mode)

    @property
    def narrow(self) -> bool:
        """Whether binary64, rounded once more, is this arithmetic."""
        form = self.form
        return (
            form.precision <= 24
            and form.spacing >= 2.0**-500
            and form.largest < 2.0**500
            and self.mode != "down"
        )

    @property
    def native(self) -> bool:
        """Whether the hardware's own operations are this arithmetic."""
        plain = self.mode == NEAREST and self.subnormals == "gradual" and self.overflow in (None, "inf")
        return plain and self.form in NATIVE

    @property
    def dtype(self) -> np.dtype[Any]:
        """The element type that carries this machine's numbers."""
        return NATIVE[self.form] if self.native else np.dtype(np.float64)

    def rounded(self, x: Array | float) -> Array:
        """Numbers of the format for float64 numbers, in `dtype`."""
        if self.native and self.form == BINARY64:
            return np.asarray(x, np.float64)
        found = round_to(x, self.target, self.mode, overflow=self.overflow)
        return found if self.dtype == np.float64 else found.astype(self.dtype)

    @property
    def target(self) -> Format:
        """The format that results lie in: without subnormals where they are flushed."""
        return replace(self.form, subnormals=False) if self.subnormals == "flush" else self.form

    def add(self, a: Array, b: Array) -> Array:
        """a + b."""
        if self.native:
            return np.asarray(np.add(a, b))
        if not self.narrow:
            return self._careful("add", a, b)
        if self.mode in TO_NEAREST:
            return self.rounded(np.add(a, b))
        return self.rounded(odd_pair(np.asarray(a, np.float64), np.asarray(b, np.float64)))

    def sub(self, a: Array, b: Array) -> Array:
        """a - b."""
        return np.asarray(np.subtract(a, b)) if self.native else self.add(a, np.negative(b))

    def mul(self, a: Array, b: Array) -> Array:
        """a b."""
        return self._by(np.multiply, "mul", a, b)

    def div(self, a: Array, b: Array) -> Array:
        """a / b."""
        return self._by(np.divide, "div", a, b)

    def sqrt(self, x: Array) -> Array:
        """The square root."""
        return self._by(np.sqrt, "sqrt", x)

    def fma(self, a: Array, b: Array, c: Array) -> Array:
        """a b + c, rounded once."""
        if not self.narrow:
            return self._careful("fma", a, b, c)
        a, b, c = (np.asarray(v, np.float64) for v in (a, b, c))
        found = odd_pair(a * b, c)
        return found.astype(self.dtype) if self.native else self.rounded(found)

    def _by(self, operation: Callable[..., Array], name: str, *operands: Array) -> Array:
        if self.native:
            return np.asarray(operation(*operands))
        return self.rounded(operation(*operands)) if self.narrow else self._careful(name, *operands)

    def _careful(self, name: str, *operands: Any) -> Array:
        done = ieee754.OPERATIONS[name](*operands, self.target, self.mode, overflow=self.overflow)
        return np.asarray(done.value)


def format_of(dtype: str) -> Format:
    """The format of an element type.

    Raises
    ------
    ValueError
        A type that is no float type.
    """
    if str(dtype) not in TYPES:
        raise ValueError(f"{dtype} is no float type that is known")
    return FORMATS[TYPES[str(dtype)]]


# ---------------------------------------------------------------------- error-free transformations


def fma(a: Array, b: Array, c: Array) -> Array:
    """``a b + c`` rounded once, elementwise, for binary32 or binary64 arrays.

    binary32: the product is exact in binary64; its sum with c is rounded *to odd* there, then to nearest in binary32,
    which is the rounding of the exact value (Boldo & Melquiond 2008; 53 >= 2 + 24).  Rounding to nearest twice is not:
    a third of adversarial cases come out wrong.
    binary64: their algorithm, with TwoProduct by Dekker's splitting; right while nothing under- or overflows.
    """
    if a.dtype == np.float32:
        product = a.astype(np.float64) * b.astype(np.float64)
        return np.asarray(odd_pair(product, np.asarray(c, np.float64)).astype(np.float32))
    high, low = two_product(a, b)
    th, tl = two_sum(np.asarray(c), low)
    vh, vl = two_sum(high, th)
    return np.asarray(vh + odd_pair(tl, vl))
