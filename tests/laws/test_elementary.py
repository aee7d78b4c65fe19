"""Law: enclosures of exp, tanh, ... hold the value; both backends, against balls of 500 bits and each other."""

from __future__ import annotations

from fractions import Fraction

import flint
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from laws.checks import is_below
from laws.numbers import Array
from workbench.arrays import elementary as e
from workbench.semantics.exact import rational

NAMES = ("exp", "expm1", "log", "log1p", "sqrt", "recip", "tanh", "erf", "sin", "cos")
POWERS = (("pown", 0), ("pown", 1), ("pown", 2), ("pown", 3), ("pown", -1), ("pown", -2), ("pown", 7))
ROOTS = (("pow", 0.5), ("pow", -0.5), ("pow", 2.7), ("pow", 0.1))
FUNCTIONS = (*((n, None) for n in NAMES), *POWERS, *ROOTS)
LOWEST = {"log": 5e-324, "log1p": -1 + 2.0**-53, "sqrt": 0.0, "pow": 5e-324}
BACKENDS = [
    pytest.param(
        True, id="crival", marks=pytest.mark.skipif(not e.HAS_CRIVAL, reason="crival is not installed")
    ),
    pytest.param(False, id="balls"),
]
CORNERS = (
    0.0,
    1.0,
    -1.0,
    5e-324,
    -5e-324,
    1e-310,
    1e-40,
    -1e-40,
    1e30,
    -1e30,
    709.7,
    -745.2,
    3.0,
    np.pi,
    -np.pi / 2,
)


def sample(name: str, seed: int, count: int) -> Array:
    """Numbers of all sizes in the function's domain, corners included."""
    rng = np.random.default_rng(seed)
    sizes = 10.0 ** rng.uniform(-12, 3, count)
    x = np.concatenate(
        [
            CORNERS,
            rng.standard_normal(count) * sizes,
            rng.choice([-1, 1], 20) * 10.0 ** rng.uniform(-300, 300, 20),
        ]
    )
    if name in LOWEST:
        x = np.maximum(np.abs(x) if name != "log1p" else x, LOWEST[name])
    return x if name not in ("recip", "pown") else np.where(x == 0, 0.5, x)


def value(name: str, x: float, extra: float | None) -> object:
    """The value in 500 bits or exactly; with 2500 bits where the argument is tiny."""
    with flint.ctx.workprec(500 if x == 0 or abs(x) > 1e-60 else 2500):
        v = flint.arb(rational(x))
        match name:
            case "pown":
                return rational(x) ** int(extra or 0)
            case "pow":
                return v ** flint.arb(rational(extra or 0.0))
            case "recip":
                return 1 / rational(x)
            case _:
                return getattr(v, name)()


@pytest.mark.parametrize("crival", BACKENDS)
@pytest.mark.parametrize(("name", "extra"), FUNCTIONS)
def test_the_value_lies_between_the_ends_and_they_are_neighbours(
    name: str, extra: float | None, crival: bool
) -> None:
    x = sample(name, 1, 120)
    lo, hi = e.image(name, x, x, extra, crival=crival)
    for i, point in enumerate(x.tolist()):
        exact = value(name, point, extra)
        assert lo[i] == -np.inf or not is_below(exact, rational(lo[i])), (
            f"{name}({point!r}) is below {lo[i]!r}"
        )
        assert hi[i] == np.inf or not is_below(rational(hi[i]), exact), (
            f"{name}({point!r}) is above {hi[i]!r}"
        )
    steps = 1 if crival else 2
    with np.errstate(over="ignore"):
        for _ in range(steps):
            lo = np.nextafter(lo, np.inf)
    assert (lo >= hi).all(), f"the ends are more than {steps} floats apart"


@pytest.mark.skipif(not e.HAS_CRIVAL, reason="crival is not installed")
@pytest.mark.parametrize(("name", "extra"), FUNCTIONS)
def test_both_backends_give_the_same_intervals_but_for_an_ulp(name: str, extra: float | None) -> None:
    a, b = sample(name, 2, 150), sample(name, 3, 150)
    lo, hi = np.minimum(a, b), np.maximum(a, b)
    lo = np.concatenate([lo, a, a])
    hi = np.concatenate([hi, a + np.abs(b) % 5, np.full_like(a, np.inf)])
    one, two = e.image(name, lo, hi, extra, crival=True), e.image(name, lo, hi, extra, crival=False)
    for first, second in zip(one, two, strict=True):
        assert not np.isnan(first).any()
        assert not np.isnan(second).any()
        same = (first == second) | (np.nextafter(first, second) == second)
        assert same.all(), (
            f"{name} over [{lo[~same][0]!r}, {hi[~same][0]!r}]: {first[~same][0]!r} {second[~same][0]!r}"
        )


@pytest.mark.parametrize("crival", BACKENDS)
@pytest.mark.parametrize(("name", "extra"), FUNCTIONS)
def test_what_is_no_interval_or_has_no_value_gives_the_whole_line(
    name: str, extra: float | None, crival: bool
) -> None:
    lo, hi = np.array([np.nan, 1.0, 2.0]), np.array([1.0, np.nan, 1.0])
    outside = {
        "log": [(-1, 1), (-2, -1)],
        "sqrt": [(-1, 1), (-2, -1)],
        "log1p": [(-2, 1)],
        "recip": [(-1, 1), (0, 1)],
    }
    more = outside.get(name, [])
    if name == "pown" and (extra or 0) < 0:
        more = [(-1, 1), (0, 1), (-1, 0), (0, 0)]
    elif name == "pow":
        more = [(-1, 1), (-2, -1)]
    lo = np.concatenate([lo, [float(a) for a, _ in more]])
    hi = np.concatenate([hi, [float(b) for _, b in more]])
    below, above = e.image(name, lo, hi, extra, crival=crival)
    assert (below == -np.inf).all()
    assert (above == np.inf).all()


def test_infinite_ends_give_limits() -> None:
    far = np.array([np.inf])
    for name, low, high in (
        ("exp", 0.0, np.inf),
        ("tanh", -1.0, 1.0),
        ("erf", -1.0, 1.0),
        ("sin", -1.0, 1.0),
    ):
        for crival in (True, False) if e.HAS_CRIVAL else (False,):
            below, above = e.image(name, -far, far, crival=crival)
            assert (below[0], above[0]) == (low, high), name
    assert e.sigmoid(-far, far) == (0.0, 1.0)
    assert e.sigmoid(np.array([np.nan]), np.array([np.nan])) == (0.0, 1.0)


@given(st.floats(-800, 800))
def test_the_sigmoid_lies_between_ends_a_few_ulps_apart(x: float) -> None:
    lo, hi = (float(end[0]) for end in e.sigmoid(np.array([x]), np.array([x])))
    with flint.ctx.workprec(500 if abs(x) > 1e-60 else 2500):
        exact = 1 / (1 + (-flint.arb(rational(x))).exp())
    assert not is_below(exact, rational(lo))
    assert not is_below(rational(hi), exact)
    assert hi - lo <= 8 * np.spacing(hi)


@given(st.floats(-1e300, 1e300), st.floats(-1e300, 1e300))
def test_directed_differences_are_the_nearest_floats_on_their_side(a: float, b: float) -> None:
    exact = Fraction(a) - Fraction(b)
    with np.errstate(over="ignore"):
        high, low = float(e.sub_up(np.array(a), np.array(b))), float(e.sub_down(np.array(a), np.array(b)))
    for end, inward, outside in ((high, -np.inf, 1), (low, np.inf, -1)):
        if np.isfinite(end):
            assert (Fraction(end) - exact) * outside >= 0
            assert (Fraction(float(np.nextafter(end, inward))) - exact) * outside < 0
