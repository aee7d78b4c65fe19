"""Where Gelu, Swish and Mish bend, proved by ball arithmetic; and lines over intervals around these places."""

from __future__ import annotations

import flint
import pytest
from flint import arb, arb_series

from workbench.ops import gated

Series = arb_series


# Each as x less, or times, something small on its side of 0: what cancels would hide the sign of f''.


def gelu(s: Series) -> Series:
    return s * ((s * (1 / arb(2).sqrt())).erf() + 1) / 2


def gelu_tanh(s: Series) -> Series:
    small = (abs_sign(s) * (s + s * s * s * arb(gated.CUBE)) * (2 * arb(gated.ROOT))).exp()
    return s - s * small / (1 + small) if s[0] > 0 else s * small / (1 + small)


def swish(s: Series) -> Series:
    small = (abs_sign(s) * s).exp()
    return s - s * small / (1 + small) if s[0] > 0 else s * small / (1 + small)


def mish(s: Series) -> Series:
    small = (abs_sign(s) * s).exp()
    if s[0] > 0:
        return s - 2 * s * small * small / (1 + 2 * small + 2 * small * small)
    return s * (small * small + 2 * small) / (small * small + 2 * small + 2)


def abs_sign(s: Series) -> int:
    return -1 if s[0] > 0 else 1


def derivative(f: object, order: int, x: arb) -> arb:
    found = f(arb_series([x, 1]))  # type: ignore[operator]
    return found[order] * (2 if order == 2 else 1)


def sign_on(f: object, order: int, low: float, high: float) -> int:
    """The sign that a derivative has on all of [low, high], by bisection; fails where it has none."""
    work, found = [(flint.fmpq(arb(low).mid().fmpq()), flint.fmpq(arb(high).mid().fmpq()))], set()
    while work:
        a, b = work.pop()
        try:
            value = derivative(f, order, arb(a).union(arb(b)))
        except ValueError:  # a divisor that may be 0 over so wide a ball
            value = arb(0)
        if value > 0 or value < 0:
            found.add(1 if value > 0 else -1)
            continue
        assert b - a > flint.fmpq(1, 10**18), f"no sign near {float(arb(a))}"
        work += [(a, (a + b) / 2), ((a + b) / 2, b)]
    assert len(found) == 1
    return found.pop()


CASES = [
    (gelu, (-gated.TURNS["Gelu"], gated.TURNS["Gelu"]), gated.LOWEST["Gelu"], 8.0),
    (gelu_tanh, (-gated.TURNS["tanh"], gated.TURNS["tanh"]), gated.LOWEST["tanh"], 6.0),
    (swish, (-gated.TURNS["Swish"], gated.TURNS["Swish"]), gated.LOWEST["Swish"], 20.0),
    (mish, gated.MISH_TURNS, gated.LOWEST["Mish"], 12.0),
]


@pytest.mark.parametrize(("f", "turns", "lowest", "far"), CASES, ids=lambda v: getattr(v, "__name__", ""))
def test_bends_and_the_lowest_point_are_where_they_are_said_to_be(
    f: object, turns: tuple[float, float], lowest: tuple[float, float], far: float
) -> None:
    near = gated.NEAR
    with flint.ctx.workprec(160):
        flint.ctx.cap = 4
        (left, right), (at, least) = turns, lowest
        assert sign_on(f, 2, -far, left - near) == -1
        assert sign_on(f, 2, left + near, right - near) == 1
        assert sign_on(f, 2, right + near, far) == -1
        assert sign_on(f, 1, -far, at - near) == -1
        assert sign_on(f, 1, at + near, far) == 1
        bottom = f(arb_series([arb(at)]))[0]  # type: ignore[operator]
        assert arb(least) < bottom
        assert bottom - arb(least) < arb("1e-15")
