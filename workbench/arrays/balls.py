"""The elementary functions' second backend: FLINT's ball arithmetic, one number at a time, rounded outward."""

from __future__ import annotations

import math
from typing import Any

import flint
import numpy as np

from workbench.graph import Array

PRECISION = 120  # bits; the ends are then all but always the two floats around the value
LARGEST = float(np.finfo(np.float64).max)
AT_INFINITY = {
    "exp": (0.0, math.inf),
    "expm1": (-1.0, math.inf),
    "log": (math.nan, math.inf),
    "log1p": (math.nan, math.inf),
    "sqrt": (math.nan, math.inf),
    "recip": (0.0, 0.0),
    "tanh": (-1.0, 1.0),
    "erf": (-1.0, 1.0),
}
RANGE = {
    "exp": (0.0, math.inf),
    "expm1": (-1.0, math.inf),
    "tanh": (-1.0, 1.0),
    "erf": (-1.0, 1.0),
    "sin": (-1.0, 1.0),
    "cos": (-1.0, 1.0),
}


def below(ball: flint.arb) -> float:
    """A float64 below every number of the ball."""
    if not ball.is_finite():
        return -math.inf
    end = ball.lower()
    found = min(float(end), LARGEST)
    while not flint.arb(found) <= end:
        found = math.nextafter(found, -math.inf)
        if found == -math.inf:
            break
    return found


def above(ball: flint.arb) -> float:
    """A float64 above every number of the ball."""
    return -below(-ball)


def at(name: str, x: float, extra: Any = None) -> tuple[float, float]:
    """Ends of the value of a monotone function at one point of its closed domain."""
    if math.isinf(x):
        if name in ("pow", "pown"):
            return _power_at_infinity(x, extra)
        limit = AT_INFINITY[name][int(x > 0)]
        return limit, limit
    if name in ("exp", "expm1") and x > 1000:
        return LARGEST, math.inf
    v = flint.arb(x)
    if (name, x) in (("log", 0.0), ("log1p", -1.0)):
        return -math.inf, -math.inf
    if name in ("pow", "pown"):
        if name == "pow" and x == 0:
            return 0.0, 0.0
        # repeated products, not exp(y log x): exact while the precision lasts
        value = v ** (int(extra) if name == "pown" else flint.arb(extra))
    elif name == "recip":
        value = 1 / v
    else:
        value = getattr(v, name)()
    return below(value), above(value)


def _power_at_infinity(x: float, exponent: float) -> tuple[float, float]:
    if exponent == 0:
        return 1.0, 1.0
    if exponent < 0:
        return 0.0, 0.0
    limit = -math.inf if x < 0 and exponent % 2 == 1 else math.inf
    return limit, limit


def wave(name: str, lo: float, hi: float) -> tuple[float, float]:
    """Range of sin or cos over [lo, hi]: the ends, and +-1 where a crest may lie inside."""
    if math.isinf(lo) or math.isinf(hi) or hi - lo > 7:
        return -1.0, 1.0
    # enough bits for the whole part of the largest float64 besides those of the result
    with flint.ctx.workprec(1100 + PRECISION):
        ends = [(below(v), above(v)) for v in (getattr(flint.arb(x), name)() for x in (lo, hi))]
        least, most = min(e[0] for e in ends), max(e[1] for e in ends)
        crest = flint.arb(1) / 2 if name == "sin" else flint.arb(0)
        # crests are at pi (crest + 2k), troughs at pi (crest + 1 + 2k); when in doubt, one is counted
        first, last = flint.arb(lo) / flint.arb.pi() - crest, flint.arb(hi) / flint.arb.pi() - crest
        for k in range(_floor(first), _floor(last) + 2):
            if not (k < first or k > last):
                if k % 2 == 0:
                    most = 1.0
                else:
                    least = -1.0
    return least, most


def _floor(x: flint.arb) -> int:
    whole = x.lower().floor().unique_fmpz()
    assert whole is not None  # the precision holds every whole part that a float64 has
    return int(whole)


def image(name: str, lo: Array, hi: Array, extra: Any = None) -> tuple[Array, Array]:
    """Ends of the image of every [lo, hi]; intervals lie in the domain (`elementary.image` sees to that)."""
    low, high = np.empty(lo.shape), np.empty(lo.shape)
    least, most = RANGE.get(name, (-math.inf, math.inf))
    with flint.ctx.workprec(PRECISION):
        for i in np.ndindex(lo.shape):
            low[i], high[i] = _image(name, float(lo[i]), float(hi[i]), extra)
    return np.maximum(low, least), np.minimum(high, most)


def _image(name: str, lo: float, hi: float, extra: Any) -> tuple[float, float]:
    if name in ("sin", "cos"):
        return wave(name, lo, hi)
    a = at(name, lo, extra)
    b = a if lo == hi else at(name, hi, extra)
    even = name == "pown" and extra % 2 == 0 and extra > 0
    least = 0.0 if even and lo <= 0 <= hi else min(a[0], b[0])
    return least, max(a[1], b[1])
