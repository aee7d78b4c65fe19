"""Certificates as files: read with distrust, checked and written by the command line."""

from __future__ import annotations

import copy
import gzip
import json
import zlib
from pathlib import Path
from typing import Any

import pytest

import workbench as wb
from certificates import network, node, of_a_tree, tensor
from workbench.certificate import format as form
from workbench.certificate import onnx_file, produce
from workbench.certificate.check import check
from workbench.certificate.format import CannotCheck, Rejected
from workbench.certificate.program import Step, lower

BENCH = Path(__file__).resolve().parents[3] / "shared" / "bench"
ACAS = BENCH / "acasxu_2023"


@pytest.fixture(scope="module")
def certificate() -> dict[str, Any]:
    return of_a_tree()


# ---- hostile files


HOSTILE = {
    "nothing": b"",
    "no JSON": b"certificate",
    "a list": b"[]",
    "a float": b'{"a": 1.0}',
    "1e999": b'{"a": 1e999}',
    "NaN": b'{"a": NaN}',
    "infinity": b'{"a": -Infinity}',
    "a duplicate key": b'{"a": 1, "a": 1}',
    "deep lists": b"[" * 100_000 + b"]" * 100_000,
    "deep objects": b'{"a":' * 5000 + b"1" + b"}" * 5000,
    "a long number": b'{"a": ' + b"9" * 100_000 + b"}",
    "no UTF-8": b'{"\xff": 1}',
    "damaged gzip": b"\x1f\x8bxxxxxxxxxxxxx",
    "cut gzip": gzip.compress(b"{}" * 1000)[:-9],
    "many lists": b"[" + b"[]," * 4_000_000 + b"[]]",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_rejected_at_once(name: str) -> None:
    with pytest.raises(Rejected, match=r"^file"):
        form.loads(HOSTILE[name])


def test_a_zip_bomb_is_not_unpacked() -> None:
    maker = zlib.compressobj(9, wbits=31)
    bomb = b"".join([*(maker.compress(bytes(1 << 20)) for _ in range(100)), maker.flush()])
    assert len(bomb) < 1 << 18
    with pytest.raises(Rejected, match="longer than"):
        form.loads(bomb)


def test_gzip_and_plain_text_are_the_same(certificate: dict[str, Any]) -> None:
    data = produce.dumps(certificate)
    assert form.loads(gzip.compress(data)) == form.loads(data) == certificate


@pytest.mark.parametrize(
    "path",
    [
        (),
        ("network",),
        ("claim",),
        ("claim", "cases", 0),
        ("proof",),
        ("trust",),
        ("made_by",),
        ("network", "input"),
    ],
)
def test_an_unknown_or_missing_field_is_rejected(certificate: dict[str, Any], path: tuple[Any, ...]) -> None:
    for change in ("more", "less"):
        wrong = copy.deepcopy(certificate)
        at: Any = wrong
        for key in path:
            at = at[key]
        if change == "more":
            at["note"] = 1
        else:
            at.pop(next(iter(at)))
        with pytest.raises(Rejected, match="format"):
            check(wrong)


def test_other_assumptions_and_other_arithmetic_are_rejected(certificate: dict[str, Any]) -> None:
    for key, value in (("trust", {"assumptions": []}), ("format", "workbench.certificate.v2")):
        with pytest.raises(Rejected, match="format"):
            check({**certificate, key: value})
    with pytest.raises(Rejected, match="format"):
        check({**certificate, "claim": {**certificate["claim"], "semantics": "binary32"}})


def test_true_is_no_number(certificate: dict[str, Any]) -> None:
    wrong = copy.deepcopy(certificate)
    wrong["proof"]["precision"] = True
    with pytest.raises(Rejected, match="format"):
        check(wrong)


def test_the_time_limit_holds(certificate: dict[str, Any]) -> None:
    with pytest.raises(CannotCheck, match="time limit"):
        check(certificate, seconds=0.0)


def test_enormous_shapes_are_refused_before_they_are_made() -> None:
    step = node("Conv", ["x", "k"], "y", pads=[1 << 29] * 4)
    with pytest.raises((Rejected, CannotCheck)):
        lower(network([1, 1, 2, 2], [step], {"k": tensor([1, 1, 1, 1], [1])}))
    far = {"w": tensor([1, 1], [1], 2200), "b": tensor([1], [1], -2200)}
    program = lower(network([1, 1], [node("Gemm", ["x", "w", "b"], "y")], far))
    assert isinstance(program.steps[1], Step)


# ---- the command line


@pytest.fixture
def written(tmp_path: Path) -> tuple[Path, Path]:
    """A certificate of the toy network's, and a property that it is about."""
    text = (
        "".join(f"(declare-const X_{i} Real)" for i in range(2))
        + "(declare-const Y_0 Real)(declare-const Y_1 Real)"
    )
    text += (
        "".join(f"(assert (>= X_{i} 0.25))(assert (<= X_{i} 0.5))" for i in range(2))
        + "(assert (>= Y_0 1000.0))"
    )
    query = tmp_path / "query.vnnlib"
    query.write_text(text)
    return tmp_path / "c.json", query


def test_the_command_line_writes_and_checks(
    written: tuple[Path, Path], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from typer.testing import CliRunner

    from workbench.cli import app

    file, query = written
    run = CliRunner()
    found = run.invoke(app, ["verify", str(query), "--network", "example:toy", "--certificate", str(file)])
    assert found.stdout.startswith("unsat"), found.output
    net = str(wb.examples.path("toy"))
    found = run.invoke(app, ["check", str(file), "--network", net, "--property", str(query)])
    assert found.exit_code == 0, found.output
    for words in ("accepted", "the same hash", "real arithmetic", "the same regions and constraints"):
        assert words in found.stdout
    found = run.invoke(app, ["check", str(file), "--network", net, "--json", "--pure"])
    assert json.loads(found.stdout)["result"] == "accepted"
    data = json.loads(file.read_text())
    data["claim"]["cases"][0]["unsafe"][0][0]["bound"] = 0
    file.write_text(json.dumps(data))
    found = run.invoke(app, ["check", str(file)])
    assert found.exit_code == 4
    assert "R9 refuted" in found.stdout
    assert run.invoke(app, ["check", str(file), "--checker", "lean"]).exit_code == 3  # coq: test_coq.py
    assert run.invoke(app, ["check", str(file), "--checker", "abacus"]).exit_code == 2
    assert run.invoke(app, ["check", str(file.parent / "none.json")]).exit_code == 2


@pytest.mark.parametrize(
    ("more", "why"),
    [
        (("--timeout", "0"), "the answer is timeout"),
        (("--semantics", "binary16"), "certificates are about real arithmetic"),
    ],
)
def test_where_no_certificate_is_written_a_warning_says_so(
    written: tuple[Path, Path], more: tuple[str, str], why: str
) -> None:
    from commands import run

    file, query = written
    options = ("verify", query, "--network", "example:toy", "--certificate", file, *more)
    found = run(*options)
    assert found.exit_code == 0 and not file.exists()
    assert f"workbench: warning: no certificate was written to {file}: {why}" in found.stderr
    assert "older" not in found.stderr
    file.write_text("{}")
    assert "the file of that name is an older one" in run(*options).stderr
    told = run("verify", query, "--network", "example:toy", "--json").stdout
    file.write_text(told)
    found = run("check", file)
    assert found.exit_code == 4 and "this is a verdict, not a certificate" in found.stdout


@pytest.mark.bench
def test_a_property_of_acas_xu_is_certified() -> None:
    file = ACAS / "onnx/ACASXU_run2a_5_1_batch_2000.onnx"
    if not file.is_file():
        pytest.skip("no reference networks here")
    from workbench.io.vnnlib import load

    net = onnx_file.read(file.read_bytes(), file.name)
    found = produce.certify(net, load(ACAS / "vnnlib/prop_4.vnnlib"))
    assert check(form.loads(produce.dumps(found)), network=net).compared
    assert check(found, flint=False).leaves >= 1
