"""Theorems: exhaustively in small formats, by Hypothesis in large ones; and that their demands are needed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.floats.facts import FACTS, Fact, check, check_all
from workbench.floats.format import BFLOAT16, BINARY16, BINARY32, BINARY64, E4M3FN, E5M2, Format
from workbench.floats.rounding import round_to

EIGHT = Format("8 bits", 4, -6, 7)  # IEEE-like, with infinities: every pair of its numbers
every_fact = pytest.mark.parametrize("fact", FACTS.values(), ids=lambda f: f.name)


@every_fact
@pytest.mark.parametrize("form", [EIGHT, E4M3FN, E5M2], ids=lambda f: f.name)
def test_every_pair_of_an_8_bit_format(fact: Fact, form: Format) -> None:
    found = check_all(fact, form)
    assert found.held, found
    assert found.tried == 256**fact.arity
    assert found.applied > (1000 if fact.arity == 2 else 50)


NEEDED = ("Sterbenz", "FastTwoSum", "TwoProd", "division remainder", "square root remainder", "absorption")


@pytest.mark.parametrize("name", NEEDED)
def test_demands_are_needed(name: str) -> None:
    """Without them there are counterexamples, which also shows that a check can fail."""
    assert check_all(FACTS[name], EIGHT, without=True).counterexample is not None


def test_abrupt_underflow_breaks_sterbenz() -> None:
    form = Format("8 bits, flushed", 4, -6, 7, subnormals=False)
    found = check_all(FACTS["Sterbenz"], form)
    assert found.counterexample is not None
    x, y = found.counterexample
    assert 0 < abs(x - y) < form.normal


def test_one_bit_more_is_not_enough_for_round_to_odd(monkeypatch: pytest.MonkeyPatch) -> None:
    from workbench.floats import facts

    two = facts._wider
    monkeypatch.setattr(facts, "_wider", lambda form, bits: two(form, 1))
    assert check_all(FACTS["round to odd is innocuous"], EIGHT).counterexample is not None
    assert check_all(FACTS["double rounding is innocuous"], EIGHT).counterexample is not None


@every_fact
@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    form=st.sampled_from([BINARY64, BINARY32, BINARY16, BFLOAT16]),
    spread=st.sampled_from([0, 2, 30]),
)
def test_samples_of_large_formats(fact: Fact, seed: int, form: Format, spread: int) -> None:
    """Numbers of nearby and of distant sizes, down among the subnormal ones and up to the largest."""
    if form is BINARY64 and "innocuous" in fact.name:
        return  # there is nothing wider here
    rng = np.random.default_rng(seed)
    e = rng.integers(form.emin + 1, form.emax - 1)
    x = [
        np.ldexp(
            rng.choice([-1, 1], 300) * (1 + np.round(rng.random(300), int(rng.integers(1, 17)))),
            np.clip(e + rng.integers(-spread, spread + 1, 300), -1073, form.emax - 1),
        )
        for _ in range(fact.arity)
    ]
    found = check(fact, form, *(round_to(v, form) for v in x))
    assert found.counterexample is None, found


def test_operands_that_make_no_sense() -> None:
    sterbenz = FACTS["Sterbenz"]
    with pytest.raises(ValueError, match="Sterbenz is about 2 numbers, not 1"):
        check(sterbenz, EIGHT, [1.0])
    with pytest.raises(ValueError, match="must be numbers of 8 bits; round"):
        check(sterbenz, EIGHT, [0.1], [1.0])
    with pytest.raises(ValueError, match=r"2\^32 cases"):
        check_all(sterbenz, BINARY16)
    assert not check(sterbenz, EIGHT, [4.0], [0.5]).held, (
        "a fact that says nothing of its operands was not tested"
    )
