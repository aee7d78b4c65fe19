"""`Model.cheapest_formats`: what is proved for the chosen formats holds for the program that runs in them."""

from __future__ import annotations

import numpy as np
import pytest

import workbench as wb
from workbench.wanted import SpecificationError


def test_the_digits_network_needs_few_bits_and_the_program_that_runs_keeps_the_answer() -> None:
    model = wb.examples.digits()
    found = model.cheapest_formats(wb.margin(7))
    assert found.holds
    assert found.margin > 0
    assert found.bits < found.dearest
    region = model.region
    assert region is not None
    points = region.sample(40).reshape(-1, *model.input_shape)
    for order in ("sequential", "reversed", "pairwise"):
        assert set(model.run(points, found.program, order).reshape(40, -1).argmax(1)) == {7}


def test_what_is_no_single_margin_is_refused() -> None:
    model = wb.examples.digits()
    with pytest.raises(SpecificationError, match="conjunction"):
        model.cheapest_formats(wb.any_of(wb.margin(7), wb.margin(1)))
    assert not model.cheapest_formats(wb.linear([np.eye(10)[0].tolist()], [-100.0])).holds
