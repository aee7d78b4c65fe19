"""Verdicts over balls: what the ball's own shape proves is not lost where only its box can be split."""

from __future__ import annotations

import pytest

import workbench as wb


@pytest.mark.parametrize(("norm", "eps"), [("1", 0.3), ("2", 0.1)])
def test_a_ball_is_more_than_its_box(norm: str, eps: float) -> None:
    """CROWN proves the margin over the ball; over its box it does not hold."""
    model = wb.examples.digits()
    assert model.center is not None
    region = wb.ball(model.center, eps, norm, clip=(0.0, 1.0))
    for semantics in ("real", "binary32"):
        verdict = model.verify(wb.margin(7), region, semantics=semantics, timeout=20)
        assert verdict.status == "verified"
        assert "ball" in verdict.method
