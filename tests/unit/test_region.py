"""Regions: what they refuse, that balls are contained, and that minima are true."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from workbench.region import Region, RegionError, ball, box


@pytest.mark.parametrize("eps", [np.nan, np.inf, -0.1])
def test_eps_must_be_finite_and_not_negative(eps: float) -> None:
    with pytest.raises(RegionError, match="eps must be a finite number and not negative"):
        ball(np.zeros(2), eps)


def test_inverted_and_unbounded_boxes_are_refused() -> None:
    with pytest.raises(RegionError, match=r"empty: at index \(1,\) lower 2.0 is above upper 1.0"):
        box(np.array([0.0, 2.0]), np.array([1.0, 1.0]))
    with pytest.raises(RegionError, match="must be finite"):
        box(np.array([0.0]), np.array([np.inf]))
    with pytest.raises(RegionError, match="NaN"):
        box(np.array([np.nan]), np.array([1.0]))


def test_a_ball_outside_its_clip_is_refused() -> None:
    with pytest.raises(RegionError, match="outside the clip"):
        ball(np.array([2.0]), 0.5, clip=(0, 1))


def test_an_unknown_norm_is_refused() -> None:
    with pytest.raises(RegionError, match="norm must be"):
        ball(np.zeros(2), 0.1, norm="3")  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", range(5))
def test_the_box_contains_the_real_ball(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, eps = rng.normal(size=50) * 10.0 ** rng.integers(-6, 6, 50), float(rng.random() * 1e-3)
    region = ball(x, eps)
    for c, lo, hi in zip(x, region.lower[0], region.upper[0], strict=True):
        assert Fraction(lo) <= Fraction(c) - Fraction(eps)
        assert Fraction(hi) >= Fraction(c) + Fraction(eps)


def test_a_point_ball_is_a_point() -> None:
    x = np.array([0.1, -3.0, 0.0])
    region = ball(x, 0.0)
    assert (region.lower[0] == x).all() and (region.upper[0] == x).all()


def exact_minimum(c: np.ndarray, region: Region) -> Fraction:
    """The minimum over the box, in rationals."""
    total = Fraction(0)
    for a, lo, hi in zip(c, region.lower[0], region.upper[0], strict=True):
        total += Fraction(a) * Fraction(lo if a > 0 else hi)
    return total


@pytest.mark.parametrize("scale", [1.0, 1e-300, 1e200, 1e-160])
def test_the_minimum_over_a_box_is_true_and_tight(scale: float) -> None:
    rng = np.random.default_rng(0)
    for _ in range(30):
        n = int(rng.integers(1, 60))
        c = rng.normal(size=n) * scale
        x = rng.normal(size=n)
        region = box(x, x + rng.random(n) * 10.0 ** rng.integers(-17, 2))
        found = region.minimum(c.reshape(1, 1, n))[0, 0]
        want = exact_minimum(c, region)
        assert Fraction(found) <= want
        assert float(want - Fraction(found)) <= 1e-12 * scale * n + 1e-320


@pytest.mark.parametrize("norm", ["2", "1"])
def test_the_minimum_over_a_ball_holds_at_its_points(norm: str) -> None:
    rng = np.random.default_rng(1)
    region = ball(rng.normal(size=7), 0.3, norm=norm)  # type: ignore[arg-type]
    points = region.sample(200, seed=2)
    for _ in range(20):
        c = rng.normal(size=7)
        found = region.minimum(c.reshape(1, 1, 7))[0, 0]
        assert (points @ c >= found).all()
        assert region.center is not None
        dual = np.linalg.norm(c, 2) if norm == "2" else np.abs(c).max()
        assert found == pytest.approx(region.center[0] @ c - 0.3 * dual)


def test_reshape_says_what_does_not_fit() -> None:
    with pytest.raises(RegionError, match=r"shape \[3\], but the network's input has \[1, 4\]"):
        box(np.zeros(3), np.ones(3)).reshape((1, 4))


def test_a_region_is_shown_in_one_short_line() -> None:
    assert repr(ball(np.zeros((1, 64)), 0.01, clip=(0, 1))) == (
        "Region(shape [1, 64], inf norm, eps=0.01, clip=(0, 1))"
    )
    assert repr(box(np.zeros(3), np.array([1.0, 2.0, 4.0]))) == "Region(shape [3], box, radius 0.5 to 2)"
    assert repr(Region(np.zeros((2, 3)), np.ones((2, 3)))).startswith("Region(2 regions, shape [3], box")
