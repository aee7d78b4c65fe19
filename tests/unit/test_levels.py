"""TRUST.md says the level of every result, and what it says is generated from what is true of the types."""

from __future__ import annotations

import inspect
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import workbench as wb
from workbench.certificate.check import check
from workbench.certificate.format import Rejected, loads
from workbench.certificate.levels import LEVELS, RESULTS, level, table
from workbench.certificate.produce import dumps
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
    assert replace(verdict, certificate=None, status="unknown").level == "none"


def test_every_kind_of_result_carries_its_level() -> None:
    """As a property, not only in the table; an unknown kind is an error."""
    import importlib

    homes = {
        "Bounds": "methods.bounds",
        "RoundingBounds": "methods.roundingbounds",
        "Precision": "methods.precision",
        "Comparison": "methods.compare",
        "Counterexample": "methods.replay",
        "Verdict": "verdict",
        "Accepted": "certificate.check",
    }
    assert set(homes) == {name.partition(",")[0] for name in RESULTS} - {"Array"}
    for name, home in homes.items():
        assert hasattr(getattr(importlib.import_module(f"workbench.{home}"), name), "level"), name
    model = wb.examples.toy()
    zero = np.zeros(model.network.input_shape)
    model.explore(zero, eps=0.01, show=False)
    label = int(np.argmax(model.run(zero)))
    hit = model.verify(wb.margin(1 - label))
    results = (
        model.bounds("ibp"),
        model.rounding("binary16"),
        model.compare_semantics(zero),
        hit.counterexample,
    )
    assert [r.level for r in results] == ["float-sound", "float-sound", "tested", "replayed"]
    assert hit.level == "replayed" and level(np.zeros(1)) == "tested"
    proved = model.verify(wb.margin(label), certify=True)
    assert check(loads(dumps(proved.certificate))).level == proved.level == "exactly checked"
    with pytest.raises(KeyError):
        level(3)


def test_a_certificate_is_saved_or_a_sentence_says_why_not(tmp_path: Path) -> None:
    model = wb.examples.toy()
    zero = np.zeros(model.network.input_shape)
    model.explore(zero, eps=0.01, show=False)
    spec = wb.margin(int(np.argmax(model.run(zero))))
    verdict = model.verify(spec, certify=True)
    assert verdict.certificate is not None
    for name in ("proof.json", "proof.json.gz"):
        verdict.save_certificate(tmp_path / name)
        data = (tmp_path / name).read_bytes()
        assert data.startswith(b"\x1f\x8b") == name.endswith(".gz")
        assert check(loads(data)).verdict == "verified"
    with pytest.raises(ValueError, match=r"no certificate to write: none was asked for: model.verify\("):
        model.verify(spec).save_certificate(tmp_path / "none.json")
    with pytest.raises(ValueError, match="certificates are about real arithmetic"):
        model.verify(spec, semantics="binary16", certify=True).save_certificate(tmp_path / "none.json")
    with pytest.raises(ValueError, match="the verdict is unknown"):
        model.verify(spec, timeout=0).save_certificate(tmp_path / "none.json")
    assert not (tmp_path / "none.json").exists()


def test_a_verdict_says_what_holds_and_how_far_an_unknown_one_came() -> None:
    model = wb.examples.toy()
    zero = np.zeros(model.network.input_shape)
    model.explore(zero, eps=0.01, show=False)
    label = int(np.argmax(model.run(zero)))
    found = model.verify(wb.margin(1 - label))
    assert repr(found).startswith("FALSIFIED: the counterexample holds in real arithmetic")
    unknown = replace(model.verify(wb.margin(label)), status="unknown", reason="a test", bound=-2.191)
    assert "not proved: the best bound is still 2.191 short" in repr(unknown)
    assert "no finite bound yet" in repr(replace(unknown, bound=-np.inf))
    assert "missed by at least 0.5" in repr(replace(unknown, bound=0.5))
    with pytest.raises(Rejected, match="this is a verdict, not a certificate"):
        loads(found.to_json().encode())
