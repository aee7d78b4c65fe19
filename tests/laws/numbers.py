"""Numbers that break naive code, and boxes of them, drawn by Hypothesis."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any, TypeVar

import numpy as np
from hypothesis import strategies as st

Array = np.ndarray[Any, Any]
T = TypeVar("T")

PLAIN = st.floats(-4, 4, allow_subnormal=False)
WHOLE = st.integers(-3, 3).map(float)
HUGE = st.sampled_from((1e30, -1e30, 3.7e29, -(2.0**99), 1e300, -1e300, 7.0, -1.5, 0.0))
TINY = st.sampled_from((1e-40, -1e-40, 3e-300, -(2.0**-140), 0.25, -3.0, 0.0))
SUBNORMAL = st.sampled_from((5e-324, -5e-324, 1e-310, -3e-308, 2.2250738585072014e-308, 0.0, 1.0))
ANY = st.one_of(PLAIN, WHOLE, HUGE, TINY, SUBNORMAL)
FLAVOURS = {"plain": PLAIN, "whole": WHOLE, "huge": HUGE, "tiny": TINY, "subnormal": SUBNORMAL, "any": ANY}

WIDTHS = {
    "zero": st.just(0.0),
    "ulps": st.sampled_from((1e-16, 4e-16, 0.0)),
    "small": st.floats(0, 1e-3, allow_subnormal=False),
    "plain": st.floats(0, 3, allow_subnormal=False),
    "huge": st.sampled_from((1e30, 1e300, 40.0, 0.0, 1.0)),
    "any": st.sampled_from((0.0, 5e-324, 1e-40, 1e-16, 1e-3, 0.5, 2.0, 30.0, 1e30)),
}


class Draw:
    """Shapes, attributes, numbers and boxes, all drawn from one Hypothesis test case."""

    def __init__(self, data: st.DataObject, *, calm: bool = False) -> None:
        self.data = data
        self.calm = calm  # only plain numbers, for laws about derivatives

    def integer(self, low: int, high: int) -> int:
        return self.data.draw(st.integers(low, high))

    def pick(self, *options: T) -> T:
        return self.data.draw(st.sampled_from(options))

    def flag(self) -> bool:
        return self.data.draw(st.booleans())

    def shape(self, least: int = 1, most: int = 3, longest: int = 3) -> tuple[int, ...]:
        return tuple(self.integer(1, longest) for _ in range(self.integer(least, most)))

    def numbers(self, shape: Sequence[int], flavour: str | None = None) -> Array:
        """Float64 numbers of one flavour, chosen here unless given."""
        name = flavour or ("plain" if self.calm else self.pick(*FLAVOURS))
        n = prod(shape)
        return np.array(self.data.draw(st.lists(FLAVOURS[name], min_size=n, max_size=n))).reshape(shape)

    def weights(self, *shape: int) -> Array:
        """Weights: float32 where they are so exactly half of the time, as files have them."""
        w = self.numbers(shape)
        return w.astype(np.float32) if self.flag() and np.abs(w).max(initial=0.0) < 3e38 else w

    def box(self, shape: Sequence[int], kind: str = "any") -> tuple[Array, Array]:
        """Finite ends ``(1, *shape)``, of some kind of width; about one in five touches 0 or is saturated.

        Parameters
        ----------
        kind : "any", "positive" (above 0), "nonnegative" or "nonzero" (each box on one side of 0).
        """
        c = self.numbers(shape)
        if not self.calm and self.pick(False, False, False, True):
            c = c * 0 + np.array(self.pick(20.0, -36.7, 709.0, -745.0, 88.5))
        widths = WIDTHS["plain" if self.calm else self.pick(*WIDTHS)]
        w = np.array(self.data.draw(st.lists(widths, min_size=c.size, max_size=c.size))).reshape(shape)
        lo, hi = c - w, c + w
        style = "plain" if self.calm else self.pick("plain", "plain", "plain", "from 0", "to 0", "equal")
        if style == "from 0":
            lo, hi = np.zeros_like(c), np.abs(c) + w
        elif style == "to 0":
            lo, hi = -np.abs(c) - w, np.zeros_like(c)
        elif style == "equal":
            lo, hi = np.full_like(c, lo.min(initial=0.0)), np.full_like(c, hi.max(initial=0.0))
        if kind != "any":
            lo, hi = np.minimum(np.abs(lo), np.abs(hi)), np.maximum(np.abs(lo), np.abs(hi))
            if self.calm:
                lo, hi = np.maximum(lo, 0.01), np.maximum(hi, 0.01)
            if kind != "nonnegative":
                lo = np.where(lo == 0, np.where(hi > 0, np.minimum(hi, 1e-3), 0.5), lo)
                hi = np.maximum(hi, lo)
            if kind == "nonzero" and self.flag():
                lo, hi = -hi, -lo
        return lo[None], hi[None]

    def points(self, lo: Array, hi: Array, count: int = 6) -> Array:
        """Points of a box ``(1, *shape)``: both ends, corners, the middle, 0 where it lies inside, and others."""
        full = (count, *lo.shape[1:])
        seed = self.data.draw(st.integers(0, 2**32 - 1))
        rng = np.random.default_rng(seed)
        t = rng.random(full) * 10.0 ** -rng.integers(0, 3, full)
        inner = lo * (1 - t) + hi * t
        zero = np.clip(np.zeros_like(lo), lo, hi)
        near = np.where(rng.random(full) < 0.5, np.nextafter(zero, lo), np.nextafter(zero, hi))
        pick = rng.integers(0, 5, full)
        mixed = np.select([pick == 0, pick == 1, pick == 2, pick == 3], [lo, hi, inner, zero], near)
        corners = np.where(rng.random(full) < 0.5, lo, hi)
        middle = 0.5 * lo + 0.5 * hi
        return np.clip(np.concatenate([lo, hi, middle, corners, mixed, inner]), lo, hi)
