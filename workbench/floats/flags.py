"""Watched: a machine that remembers which of IEEE 754's five exceptions its operations have raised.

Its operations are those of `ieee754`, which find every exact result and so every flag; a `Machine` gives the same bits
faster and says nothing (a law compares the two).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from workbench.floats import ieee754
from workbench.floats.machine import Machine
from workbench.graph import Array


@dataclass(frozen=True, slots=True, eq=False)
class Watched:
    """`Machine`'s operations, noting exceptions in `raised`.

    Parameters
    ----------
    machine : the format, mode and policies.
    raised : names of flags, as `ieee754.Flags` spells them.
    """

    machine: Machine
    raised: set[str] = field(default_factory=set)

    @property
    def native(self) -> bool:
        """Never: every operation is looked at."""
        return False

    @property
    def dtype(self) -> np.dtype[Any]:
        """The element type that carries the machine's numbers."""
        return self.machine.dtype

    def rounded(self, x: Array | float) -> Array:
        """Conversion to the format."""
        return self._watch("convert", x)

    def add(self, a: Array, b: Array) -> Array:
        """a + b."""
        return self._watch("add", a, b)

    def sub(self, a: Array, b: Array) -> Array:
        """a - b."""
        return self._watch("sub", a, b)

    def mul(self, a: Array, b: Array) -> Array:
        """a b."""
        return self._watch("mul", a, b)

    def div(self, a: Array, b: Array) -> Array:
        """a / b."""
        return self._watch("div", a, b)

    def sqrt(self, x: Array) -> Array:
        """The square root."""
        return self._watch("sqrt", x)

    def fma(self, a: Array, b: Array, c: Array) -> Array:
        """a b + c, rounded once."""
        return self._watch("fma", a, b, c)

    def function(self, found: Array, wide: Array, *operands: Array) -> Array:
        """A library function's result, `wide` being binary64's, as `found`, with what it raises.

        "inexact" is raised wherever an operand is finite and not 0, as IEEE 754 allows library functions to.
        """
        given = np.broadcast_arrays(*[np.asarray(x, np.float64) for x in operands])
        finite, some_nan = np.isfinite(given).all(axis=0), np.isnan(given).any(axis=0)
        zero = (np.asarray(given) == 0).all(axis=0)
        seen = set(ieee754.convert(wide, self.machine.target, self.machine.mode).flags.raised()) - {"invalid"}
        lost = {
            "divide_by_zero": finite & zero & np.isinf(wide),
            "overflow": finite & ~zero & np.isinf(wide),
            "invalid": np.isnan(wide) & ~some_nan,
            "inexact": finite & ~zero & ~np.isnan(wide),
        }
        self.raised.update(seen, (name for name, where in lost.items() if np.any(where)))
        return found

    def _watch(self, operation: str, *operands: Any) -> Array:
        own = self.machine
        done = ieee754.OPERATIONS[operation](*operands, own.target, own.mode, overflow=own.overflow)
        self.raised.update(done.flags.raised())
        return np.asarray(done.value).astype(own.dtype, copy=False)
