"""The Python side of the CertificateView and the PrecisionTuner: what is shown, changed, stopped and refused."""

from __future__ import annotations

import asyncio
import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import workbench as wb
from workbench.certificate.check import Accepted, check
from workbench.certificate.format import Rejected, loads
from workbench.views import CertificateView, PrecisionTuner
from workbench.views import certificatedata as data


@pytest.fixture(scope="module")
def verdict() -> Any:
    def row(other: int, k: int) -> list[int]:
        return [int(i == k) - int(i == other) for i in range(5)]

    def never(k: int) -> Any:
        return wb.any_of(*[wb.linear(row(o, k), 0) for o in range(5) if o != k])

    model = wb.examples.controller()
    region = wb.box(np.array([[0.2, 0.02, 1.0]]), np.array([[0.9, 0.25, 1.0]]))
    found = model.verify(wb.all_of(never(1), never(3)), region, certify=True)
    assert found.certificate is not None, found
    return found


@pytest.fixture
def view(verdict: Any) -> CertificateView:
    return wb.certificate_view(verdict)


def test_nothing_is_called_proved_before_it_was_checked(view: CertificateView) -> None:
    assert view.checking["state"] == "idle"
    assert view.result is None
    assert "not checked" in view._repr_mimebundle_()[0]["text/html"]
    view.check().wait()
    assert isinstance(view.result, Accepted)
    assert view.checking["state"] == "accepted"
    assert view.checking["done"] == view.trees["steps"] == view.checking["of"]
    json.dumps([view.about, view.trees, view.checking, view.part, view.numbers], allow_nan=False)


def test_a_changed_copy_fails_where_the_checker_says_and_undo_brings_the_original_back(
    view: CertificateView,
) -> None:
    before = json.dumps(view.original)
    view.check().wait()
    view.tamper('network.tensors["fc1.bias"].data[3]', "1/2")
    assert view.checking["state"] == "idle", "what was proved was proved of another certificate"
    view.tamper("claim.cases[0].upper[1]", 0.26)
    view.check().wait()
    with pytest.raises(Rejected) as refused:
        check(view.certificate)
    assert view.checking["state"] == "rejected"
    assert view.checking["step"] == refused.value.step
    assert tuple(view.checking["place"]) == refused.value.place
    steps = [s["number"] for s in view.part["steps"]]
    assert refused.value.place is not None and refused.value.place[1] in steps, (
        "the part that fails is chosen"
    )
    view.undo().undo().undo()
    assert view.certificate is view.original
    assert json.dumps(view.original) == before
    assert view.check().wait().checking["state"] == "accepted"


def test_every_number_reads_back_as_it_is_stored(view: CertificateView) -> None:
    certificate, rng = view.original, np.random.default_rng(0)
    seen = 0
    for group in data.groups(certificate, 0, (0, view.trees["steps"] - 1)):
        found, count = data.numbers(certificate, group["key"], 0, (0, view.trees["steps"] - 1))
        assert 0 < len(found) <= count
        for number in (found[k] for k in rng.permutation(len(found))[:40]):
            path = data.parse(number.path)
            assert data.spelled(path) == number.path
            stored = data.at(certificate, path)
            again = data.typed(certificate, number.path, number.value)
            same = Fraction(*again) == Fraction(*stored) if isinstance(stored, list) else again == stored
            assert same, number
            seen += 1
    assert seen > 150


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("claim.cases[0].upper[1]", "two", "number"),
        ("claim.cases[0].upper[1]", "inf", "finite"),
        ("claim.cases[9].upper[1]", "1", "nothing at"),
        ("claim.verdict", "1", "not a number"),
        ("claim cases", "1", "no path"),
        ("__class__", "1", "nothing at"),
    ],
)
def test_what_cannot_be_changed_is_said(view: CertificateView, path: str, value: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        view.tamper(path, value)
    view._message(view, {"type": "tamper", "path": path, "value": value}, [])
    assert words in view.notice
    assert not view.edits
    for message in ({}, {"type": "tamper"}, {"type": "group", "key": "tensor:none"}, {"type": "no"}):
        view._message(view, message, [])
    assert view.certificate is view.original


def test_it_is_stopped_before_its_next_step(view: CertificateView) -> None:
    async def run() -> None:
        view.pace = -1.0
        view.check()
        for _ in range(2):
            view._message(view, {"type": "next"}, [])
            await asyncio.sleep(0.5)
        assert view.checking["state"] == "checking"
        assert view.checking["done"] == 2, "as many steps as were asked for"
        view.cancel()
        view.wait()
        await asyncio.sleep(0.1)

    asyncio.run(run())
    assert view.checking["state"] == "stopped"
    assert view.result is None


def test_files_of_any_kind(verdict: Any, tmp_path: Path, view: CertificateView) -> None:
    view.save(tmp_path / "proof.json.gz")
    again = wb.certificate_view(tmp_path / "proof.json.gz", network=wb.examples.path("controller"))
    assert again.check().wait().result is not None
    assert again.checking["state"] == "accepted" and again.result.compared  # type: ignore[union-attr]
    other = wb.certificate_view(tmp_path / "proof.json.gz", network=wb.examples.path("toy"))
    assert other.check().wait().checking["step"] == "network"
    assert loads((tmp_path / "proof.json.gz").read_bytes()) == json.loads(json.dumps(verdict.certificate))
    with pytest.raises(Rejected):
        wb.certificate_view(b"[]")
    with pytest.raises(ValueError, match="certify=True"):
        wb.certificate_view(wb.examples.toy().verify(wb.margin(0)))
    # a certificate in pieces is shown as far as it goes, and proves nothing
    for key in ("claim", "proof", "network", "trust", "made_by"):
        broken = wb.certificate_view({**verdict.certificate, key: {}})
        assert broken.check().wait().checking["state"] == "rejected"
        assert repr(broken)


# ---------------------------------------------------------------------- the tuner


@pytest.fixture(scope="module")
def model() -> Any:
    return wb.examples.digits()


def test_the_tuner_shows_what_the_tuner_proves(model: Any) -> None:
    view = model.precision_tuner(wb.margin(7)).wait()
    assert isinstance(view, PrecisionTuner)
    assert view.formats == view.tuner.plain and view.shown["holds"]
    for formats in (("binary16", "e5m2", "binary32"), ("e5m2", "e5m2", "e5m2")):
        view.choose(*formats).wait()
        own = view.tuner.at(formats)
        assert view.shown["formats"] == list(formats)
        assert (view.shown["margin"], view.shown["holds"], view.shown["bits"]) == (
            own.margin,
            own.holds,
            own.bits,
        )
        for k, margins in enumerate(view.marks["margins"]):
            assert margins[view.about["candidates"].index(formats[k])] == own.margin
    assert not view.shown["holds"]
    assert "not proved" in repr(view)
    view.cheapest().wait()
    assert view.shown["holds"] and view.shown["bits"] < view.shown["dearest"]
    with pytest.raises(ValueError, match="no candidate"):
        view.choose("binary16", "binary16", "posit8")
    with pytest.raises(ValueError, match="3 layers"):
        view.choose("binary16")
    for wrong in ({}, {"seq": 1, "formats": ["x"]}, {"seq": "a", "formats": None}):
        view.choice = {**wrong, "other": 1}
        assert "refused" in view.notice
    json.dumps([view.about, view.shown, view.marks, view.state], allow_nan=False)
    view.close()


def test_another_region_makes_it_stale_until_it_is_taken_over(model: Any) -> None:
    view = model.precision_tuner(wb.margin(7), candidates=("binary32", "binary16")).wait()
    before, eps = view.tuner.room, model.eps
    model.eps = 2 * eps
    assert view.state["stale"]
    model.eps = eps
    assert not view.state["stale"], "the same region again"
    model.eps = 2 * eps
    view.adopt().wait()
    assert not view.state["stale"] and view.tuner.room < before
    view.selection = {"node": "fc2", "index": None}
    assert model.selection == ("fc2", None)
    view.close()
    model.eps = eps
