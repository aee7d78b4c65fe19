"""Tuner: the margin of a float proof for any formats, layer by layer, and quickly."""

from __future__ import annotations

import numpy as np
import pytest

import workbench as wb
from workbench.choosing import tuner
from workbench.methods.rounding import margin_errors
from workbench.methods.tuning import Tuner
from workbench.wanted import SpecificationError


@pytest.fixture(scope="module")
def digits() -> tuple[wb.Model, Tuner]:
    model = wb.examples.digits()
    assert model.region is not None
    return model, tuner(model.network, model.region, wb.margin(7))


def test_an_answer_is_the_bound_that_the_method_gives_for_the_same_program(
    digits: tuple[wb.Model, Tuner],
) -> None:
    model, tune = digits
    assert tune.plain == ("binary32",) * len(tune.layers)
    rng = np.random.default_rng(0)
    for _ in range(4):  # choices that share beginnings, so that walks are taken up again
        chosen = tuple(rng.choice(tune.candidates, len(tune.layers)).tolist())
        found = tune.at(chosen)
        assert tune.before is not None
        errors = margin_errors(model.network.plan, tune.before, found.program, tune.rows)
        assert tune.before.margins is not None
        left = tune.before.margins - tune.thresholds - errors
        assert found.margin <= left.min()
        assert found.margin == pytest.approx(left.min(), rel=1e-6)
        assert found.holds == (found.margin > 0)
        assert found.error == pytest.approx(errors[0, found.row])
        assert sum(found.shares) == pytest.approx(1.0)
        assert tune.at(dict(zip(tune.names, chosen, strict=True))) is found  # by name, and remembered


def test_what_holds_for_the_formats_holds_for_runs_in_them(digits: tuple[wb.Model, Tuner]) -> None:
    model, tune = digits
    best = model.cheapest_formats(wb.margin(7))
    found = tune.at(best.formats)
    assert found.holds
    assert found.bits == best.bits < found.dearest == best.dearest
    assert found.margin == pytest.approx(best.margin)
    assert model.region is not None
    points = model.region.sample(30).reshape(-1, *model.input_shape)
    out = model.run(points, found.program, "reversed").reshape(len(points), -1)
    rows = tune.rows.reshape(len(tune.rows), -1)
    # the float margins stay above their thresholds by what is claimed to be left
    assert (out.astype(np.float64) @ rows.T - tune.thresholds > 0).all()


def test_a_narrower_last_layer_costs_margin_and_is_answered_from_the_middle(
    digits: tuple[wb.Model, Tuner],
) -> None:
    _, tune = digits
    marks = tune.slider(tune.plain, len(tune.layers) - 1)
    assert [m.formats[-1] for m in marks] == list(tune.candidates)
    assert marks[0].margin == max(m.margin for m in marks)
    assert marks[0].margin <= tune.room
    assert marks[-1].bits < marks[0].bits
    assert tune.plain[:-1] in tune._walks
    assert marks[-1].shares[-1] > marks[0].shares[-1]  # the last layer is to blame


def test_bad_choices_are_refused(digits: tuple[wb.Model, Tuner]) -> None:
    model, tune = digits
    with pytest.raises(ValueError, match="no candidate"):
        tune.at(("binary8",) * len(tune.layers))
    with pytest.raises(ValueError, match="as many formats"):
        tune.at(("binary32",))
    with pytest.raises(ValueError, match="no layer"):
        tune.at({"nowhere": "binary32"})
    assert model.region is not None
    with pytest.raises(SpecificationError, match="conjunction"):
        tuner(model.network, model.region, wb.any_of(wb.margin(7), wb.margin(1)))


def test_overflow_is_no_proof() -> None:
    model = wb.examples.digits()
    assert model.region is not None
    tune = tuner(model.network, model.region, wb.margin(7), ["binary32", "e2m1fn"])
    found = tune.at(("e2m1fn",) * len(tune.layers))
    assert not found.holds
    assert found.margin == -np.inf or found.error > tune.room
