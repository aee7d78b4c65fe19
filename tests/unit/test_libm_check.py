"""`workbench libm check`: all inputs tried, kept, gone on with, and believed only after some is computed again."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import workbench as wb
from commands import answer, fails, run
from workbench.floats import checked, libm
from workbench.floats.format import BFLOAT16, BINARY16, BINARY32
from workbench.floats.program import Semantics
from workbench.io import runtime


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NNWORKBENCH_CACHE", str(tmp_path))


def test_a_format_of_16_bits_is_tried_in_full_and_is_a_fact_afterwards() -> None:
    assert checked.fact("exp", BINARY16) is None
    found = answer("libm", "check", "exp", "tanh", "--format", "binary16")["checked"]
    assert [f["function"] for f in found] == ["exp", "tanh"]
    assert all(f["finished"] and f["faults"] == 0 and 0.4 < f["worst"] < 1 for f in found)
    fact = checked.fact("exp", BINARY16)
    assert fact is not None
    assert fact.scan.worst == found[0]["worst"]
    assert "65,536 inputs" in fact.sentence()
    assert all(f["believed"] for f in answer("libm", "list")["facts"])


def test_binary32_is_stopped_and_gone_on_with() -> None:
    first = answer("libm", "check", "tanh", "--format", "binary32", "--chunks", "2")["checked"][0]
    assert not first["finished"]
    assert first["done"] == 2 * libm.CHUNK
    second = answer("libm", "check", "tanh", "--format", "binary32", "--chunks", "1")["checked"][0]
    assert second["done"] == 3 * libm.CHUNK
    straight = libm.scan(libm.start("tanh", BINARY32), np.tanh, inputs=3 * libm.CHUNK)
    assert second["digest"] == straight.digest
    assert checked.fact("tanh", BINARY32) is None, "what is not finished is no fact"
    again = answer("libm", "check", "tanh", "--format", "binary32", "--chunks", "1", "--fresh")["checked"][0]
    assert again["done"] == libm.CHUNK


def _written(function: str = "exp") -> tuple[Path, libm.Scan, list[str]]:
    answer("libm", "check", function, "--format", "bfloat16")
    path = checked.path_of("numpy", function, "bfloat16")
    _, _, scan, chain = checked.load(path)
    return path, scan, chain


def test_a_file_that_was_tampered_with_is_not_believed() -> None:
    path, scan, chain = _written()
    believe = lambda: checked.believe(  # noqa: E731
        path, checked.numpys("exp", BFLOAT16), checked.library(), checked.machine()
    )
    assert believe().scan == scan
    body = json.loads(path.read_text())
    body["scan"]["worst"] = 0.01
    path.write_text(json.dumps(body))
    with pytest.raises(checked.Disbelieved, match="checksum"):
        believe()
    assert checked.fact("exp", BFLOAT16) is None
    # with a checksum that fits, too: the claims themselves are looked at
    for changed, hashes, words in (
        (replace(scan, worst=0.01), chain, "errors of"),
        (replace(scan, worst=9.0), chain, "errors of"),
        (replace(scan, worst_input=1.0), chain, "errors of|other answers"),
        (replace(scan, digest="ab" * 32), ["ab" * 32], "other answers"),
        (replace(scan, done=100), chain, "100 of"),
        (replace(scan, faults=2), chain, "wrong in kind"),
        (replace(scan, total=4, done=4), chain, "does not have"),
    ):
        checked.save(path, checked.library(), checked.machine(), changed, hashes)
        if changed.worst_input == 1.0:
            continue  # the same chunk: the worst there is found to be as said
        with pytest.raises(checked.Disbelieved, match=words):
            believe()
    checked.save(path, "numpy 0.1", checked.machine(), scan, chain)
    with pytest.raises(checked.Disbelieved, match=r"numpy 0\.1"):
        believe()
    assert [f["believed"] for f in answer("libm", "list")["facts"]] == [False]


def test_another_implementation_is_noticed() -> None:
    path, *_ = _written("tanh")
    near = checked.numpys("tanh", BFLOAT16)
    with pytest.raises(checked.Disbelieved, match="other answers"):
        checked.believe(
            path,
            lambda x: np.where(x == 0.5, np.nextafter(near(x), 9) * 0 + 0.46875, near(x)),
            checked.library(),
            checked.machine(),
        )


def test_a_fact_takes_the_assumptions_place_in_a_ledger() -> None:
    program = Semantics("half", BINARY16, BINARY16, BINARY16)
    assert program.assumption("tanh") == "tanh in binary16 is within 4 ulp of its exact value"
    answer("libm", "check", "tanh", "--format", "binary16")
    said = program.assumption("tanh")
    assert "checked for numpy" in said
    assert "65,536" in said
    fact = checked.fact("tanh", BINARY16)
    assert fact is not None
    with pytest.MonkeyPatch.context() as patch:
        worse = replace(fact, scan=replace(fact.scan, worst=4.0001))
        patch.setattr(checked, "fact", lambda function, form: worse)
        assert "NOT TRUE" in program.assumption("tanh")
        assert "4.001 ulp" in program.assumption("tanh")  # rounded up
    model = wb.examples.digits_tanh()
    assert model.region is not None
    errors = wb.methods.rounding.rounding(  # type: ignore[attr-defined]
        model.network.plan, model.network.bounds("ibp", model.region), program
    )
    assert any("checked for numpy" in a for a in errors.assumptions)


def test_onnxruntimes_functions_are_tried_where_it_has_them() -> None:
    pytest.importorskip("onnxruntime")
    found = answer(
        "libm", "check", "tanh", "--library", "onnxruntime", "--format", "binary32", "--chunks", "1"
    )
    assert found["checked"][0]["library"].startswith("onnxruntime")
    assert asdict(libm.start("tanh", BINARY32))["total"] == found["checked"][0]["total"]


def test_what_was_tried_of_onnxruntime_enters_verdicts_about_the_networks_own_program(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("onnxruntime")
    found = answer("libm", "check", "tanh", "--library", "onnxruntime", "--format", "binary16")["checked"]
    half = runtime.fact("tanh", BINARY16)
    assert half is not None and half.scan.digest == found[0]["digest"]
    assert half.library == runtime.version() and "65,536 inputs" in half.sentence()
    assert checked.fact("tanh", BINARY16) is None, "it is not NumPy's"
    assert [f["believed"] for f in answer("libm", "list")["facts"]] == [True]
    model, spec = wb.examples.digits_tanh(), wb.output_range(upper=1e3)
    assert runtime.fact("tanh", BINARY32) is None
    plain = model.verify(spec, semantics="onnx")
    assert plain.status == "verified" and not any("onnxruntime" in a for a in plain.assumptions)
    for worst, status in ((1.5, "verified"), (103.0, "unknown")):
        whole = checked.Fact(half.library, half.machine, replace(half.scan, form="binary32", worst=worst))
        monkeypatch.setattr(runtime, "fact", lambda function, form, whole=whole: whole)
        verdict = model.verify(spec, semantics="onnx")
        assert verdict.status == status
        said = [a for a in (*verdict.assumptions, verdict.reason) if f"for {half.library}" in a]
        assert said and ("NOT TRUE" in said[0]) == (status == "unknown") and half.scan.digest[:16] in said[0]
        own = model.verify(spec, semantics="binary32")
        assert own.status == "verified" and not any("onnxruntime" in a for a in own.assumptions)


def test_bad_usage_is_told_in_one_sentence() -> None:
    assert "no reference" in fails(2, "libm", "check", "gamma")
    assert "has no erf" in fails(2, "libm", "check", "erf")
    assert "nothing was tried" in run("libm", "list").output


@pytest.mark.parametrize("worst", [float("nan"), float("inf"), "0.5", None, -1.0])
def test_an_error_that_is_no_number_is_not_believed(tmp_path: Path, worst: Any) -> None:
    scan = libm.Scan("exp", "binary16", 0, 2**16, worst=worst)
    checked.save(tmp_path / "f.json", "numpy", "here", scan, [])
    with pytest.raises(checked.Disbelieved):
        checked.load(tmp_path / "f.json")
