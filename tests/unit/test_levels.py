"""TRUST.md says the level of every result, and what it says is generated from what is true of the types."""

from __future__ import annotations

import inspect
from dataclasses import replace
from pathlib import Path

import numpy as np

import workbench as wb
from workbench.certificate.levels import LEVELS, RESULTS, level, table
from workbench.model import Model

TRUST = Path(__file__).resolve().parents[2] / "TRUST.md"
NO_RESULTS = {
    "Model",
    "Region",
    "Table",
    "None",
    "str",
    "Iterable[str]",
    "tuple[int, ...]",
    "dict[str, Any]",
    "bool",
}


def test_the_table_in_trust_is_the_generated_one() -> None:
    """`python -m workbench.certificate.levels` prints what belongs there."""
    assert table() in TRUST.read_text(encoding="utf-8")


def test_every_result_of_a_model_has_a_level() -> None:
    for name, method in inspect.getmembers(Model, inspect.isfunction):
        if not name.startswith("_") and method.__module__ == "workbench.model":
            found = str(inspect.signature(method).return_annotation)
            assert found in NO_RESULTS or found.removeprefix("dict[str, ").rstrip("]") in RESULTS, (
                name,
                found,
            )
    assert {one for one, _ in RESULTS.values()} <= set(LEVELS)


def test_levels_follow_from_what_a_result_carries() -> None:
    model = wb.examples.toy()
    model.explore(np.zeros(model.network.input_shape), eps=0.01, show=False)
    assert level(model.bounds("crown")) == level(model.rounding("binary32")) == "float-sound"
    label = int(np.argmax(model.run(np.zeros(model.network.input_shape))))
    verdict = model.verify(wb.margin(label), certify=True)
    assert verdict.certificate is not None, verdict.uncertified
    assert verdict.level == level(verdict) == "exactly checked"
    assert "exactly checked" in repr(verdict)
    assert verdict.as_dict()["level"] == "exactly checked"
    assert replace(verdict, certificate=None).level == "float-sound"
    assert replace(verdict, certificate=None, status="unknown").level == "tested"
