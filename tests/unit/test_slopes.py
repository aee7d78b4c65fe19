"""Averaged slopes: they hold the true secant, and are narrower than the extremes."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest

from workbench.methods.slopes import along_the_way
from workbench.semantics.interval import Interval
from workbench.semantics.rounding import Slopes


def parabola(given: list[Interval | None]) -> Slopes:
    """x^2: the slope is 2 x, exactly."""
    x = given[0]
    assert x is not None
    return Slopes((Interval(2 * x.lo, 2 * x.hi),))


def cube(given: list[Interval | None]) -> Slopes:
    """x^3 for x >= 0: 3 x^2, rounded outward."""
    x = given[0]
    assert x is not None
    return Slopes((Interval(np.nextafter(3 * x.lo**2, -1), np.nextafter(3 * x.hi**2, np.inf)),))


@pytest.mark.parametrize(("rule", "power"), [(parabola, 2), (cube, 3)])
def test_secants_lie_within(rule: Callable[[list[Interval | None]], Slopes], power: int) -> None:
    rng = np.random.default_rng(0)
    low = rng.random(200)
    high = low + rng.random(200) * rng.choice([0.0, 0.1, 1.0], 200)
    error = rng.random(200) * rng.choice([1e-12, 1e-2, 0.5], 200)
    real = Interval(low, high)
    both = Interval(np.maximum(low - error, 0), high + error)
    whole = rule([both])
    found = along_the_way(whole, rule, [real], [both]).slopes[0]
    assert found is not None
    for k in range(200):
        for x in (low[k], high[k], 0.5 * (low[k] + high[k])):
            for z in (max(x - error[k], both.lo[k]), min(x + error[k], both.hi[k])):
                if z != x:
                    a, b = Fraction(float(z)), Fraction(float(x))
                    secant = (a**power - b**power) / (a - b)
                    assert Fraction(float(found.lo[k])) <= secant <= Fraction(float(found.hi[k]))
    first = whole.slopes[0]
    assert first is not None
    wide = error > 1e-3
    assert (found.hi - found.lo < first.hi - first.lo)[wide].all()
    fixed = (high == low) & wide & (low > error)
    ratio = (found.hi - found.lo)[fixed] / (first.hi - first.lo)[fixed]
    assert fixed.any()
    assert (ratio < 0.7).all()


def test_a_product_takes_the_midpoint() -> None:
    """z_x z_y - x y = (y + z_y)/2 (z_x - x) + (x + z_x)/2 (z_y - y): half of what the floats add is left."""
    x, y = (Interval(np.array([v]), np.array([v])) for v in (3.0, -5.0))
    wide = [Interval(v.lo - 1, v.hi + 1) for v in (x, y)]

    def rule(given: list[Interval | None]) -> Slopes:
        return Slopes((given[1], given[0]), bilinear=True)

    found = along_the_way(rule([*wide]), rule, [x, y], [*wide]).slopes
    assert found[0] is not None
    assert found[1] is not None
    for end, want in zip(
        (found[0].lo, found[0].hi, found[1].lo, found[1].hi), (-5.5, -4.5, 2.5, 3.5), strict=True
    ):
        assert end == pytest.approx(want, rel=1e-12)
    assert found[0].lo[0] <= -5.5
    assert found[1].hi[0] >= 3.5


def test_what_is_not_known_stays_unknown() -> None:
    lines = Interval(np.array([-np.inf, 1.0]), np.array([np.inf, 2.0]))
    real = Interval(np.array([0.0, 1.5]), np.array([1.0, 1.5]))
    found = along_the_way(parabola([lines]), parabola, [real], [lines]).slopes[0]
    assert found is not None
    assert (found.lo[0], found.hi[0]) == (-np.inf, np.inf)
    assert 2 < found.lo[1] < 3 < found.hi[1] < 4
