"""What a model refuses to take, in sentences that say what to give."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import workbench as wb
from tests.networks import relu_network
from workbench.floats import Format, fixed_point
from workbench.floats.program import program_of
from workbench.model import Model


@pytest.fixture
def model() -> Model:
    return Model(relu_network(np.random.default_rng(0), (3, 8, 6, 4)), name="little")


def test_what_is_no_region_no_timeout_and_no_file_is_refused_in_a_sentence(model: Model) -> None:
    model.explore(np.zeros(3), eps=0.01)
    spec = wb.margin(0)
    with pytest.raises(wb.RegionError, match=r"a Region is expected, not ndarray: wb.ball\(x, eps\)"):
        model.verify(spec, np.zeros(3))  # type: ignore[arg-type]
    with pytest.raises(wb.RegionError, match=r"not float: .*; or give eps=0.02"):
        model.bounds("crown", 0.02)  # type: ignore[arg-type]
    with pytest.raises(wb.RegionError, match="a Region is expected"):
        model.cheapest_formats(spec, region=0.1)  # type: ignore[arg-type]
    for timeout in ("5", -1, float("nan")):
        with pytest.raises(ValueError, match="the timeout is a number of seconds, 0 or more"):
            model.verify(spec, timeout=timeout)  # type: ignore[arg-type]
    with pytest.raises(FileNotFoundError, match=r"no file 'missing.json' of trees .*save_trees"):
        model.verify(spec, trees="missing.json")
    assert model.verify(spec, timeout=np.float32(0)).timed_out  # type: ignore[arg-type]


def test_formats_and_programs_by_name_or_as_they_are(model: Model) -> None:
    """An 8-bit format's name, a format of one's own and a `Semantics` do wherever a name does; names stay honest."""
    model.explore(np.zeros(3), eps=0.01)
    assert model.rounding("e4m3fn").output.shape == (1, 1, 4)
    mine = Format("mine", 5, -20, 20)
    wide = replace(program_of(mine), name="in a row", order="sequential")
    sure = wb.output_range(upper=1e3)
    for semantics, said in (
        ("e4m3fn", "in the float program e4m3fn, sums in any order"),
        (mine, "in the float program mine, sums in any order"),
        (wide, "in the float program in a row, sums in sequential order"),
    ):
        verdict = model.verify(sure, semantics=semantics)
        assert verdict.status == "verified" and said in repr(verdict)
        assert any("binary32" in a for a in verdict.assumptions), "sums are made in it"
        lost = model.verify(wb.output_range(upper=-1e3), semantics=semantics)
        assert lost.status == "falsified" and lost.semantics in lost.counterexample.holds
    chosen = model.cheapest_formats(wb.margin(0), candidates=["e4m3fn"])
    assert set(chosen.formats) == {"e4m3fn"}
    for strange in ("e9m9", None):
        with pytest.raises(ValueError, match=r"must be one of real, onnx.*, e4m3fn"):
            model.verify(sure, semantics=strange)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="no number format 'e9m9'"):
        model.rounding("e9m9")
    for other in (Format("binary32", 5, -20, 20), replace(wide, name="real"), replace(wide, name="onnx")):
        with pytest.raises(ValueError, match="give this one a name of its own"):
            model.verify(sure, semantics=other)
    with pytest.raises(ValueError, match="fixed point"):
        model.verify(sure, semantics=fixed_point(8, 4))
    with pytest.raises(ValueError, match=r"the model shows binary64.*model.rounding\('e4m3fn'\)"):
        model.format = "e4m3fn"
