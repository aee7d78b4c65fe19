"""What a model refuses to take, in sentences that say what to give."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import workbench as wb
from tests.networks import relu_network
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


def test_a_format_without_a_program_says_the_line_that_works(model: Model) -> None:
    model.explore(np.zeros(3), eps=0.01)
    with pytest.raises(ValueError, match="or give a Semantics: ") as refused:
        model.rounding("e4m3fn")
    line = str(refused.value).partition("or give a Semantics: ")[2]
    *imports, call = line.split("; ")
    given: dict[str, Any] = {"model": model}
    exec("\n".join(imports), given)  # noqa: S102 - the line that the error gives
    assert eval(call, given).output.shape == (1, 1, 4)  # noqa: S307
    with pytest.raises(ValueError, match="no number format 'e9m9'") as refused:
        model.rounding("e9m9")
    assert "import" not in str(refused.value)
    with pytest.raises(ValueError, match="must be one of real, onnx") as refused:
        model.verify(wb.margin(0), semantics="e4m3fn")
    found = str(refused.value).partition("For linear constraints, ")[2].partition(".holds")[0]
    chosen = eval(found, {"model": model, "spec": wb.margin(0)})  # noqa: S307
    assert set(chosen.formats) == {"e4m3fn"}
    assert len(repr(chosen)) < 200 and "e4m3fn" in repr(chosen)
