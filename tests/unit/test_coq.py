"""Certificates before Coq: what is true is accepted, what is changed is not, and Coq must say all that is needed."""

from __future__ import annotations

import copy
import os
import re
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import workbench as wb
from certificates import (
    at_least,
    box,
    convolution,
    dense,
    falsified,
    network,
    node,
    of_a_tree,
    proved,
    tensor,
)
from workbench.certificate import coq, emit_coq, onnx_file, produce
from workbench.certificate.check import check
from workbench.certificate.emit_coq import emit
from workbench.certificate.emit_tree import lighter
from workbench.certificate.format import CannotCheck, Rejected, loads
from workbench.certificate.program import lower
from workbench.certificate.replay import exactly
from workbench.certificate.reread import reread
from workbench.cli import app
from workbench.io.vnnlib import load

ACAS = Path(__file__).resolve().parents[3] / "shared" / "bench" / "acasxu_2023"
needs_coq = pytest.mark.skipif(coq.find() is None, reason="coqc is not installed (Debian: apt install coq)")
THEOREM = (
    "certified : forall (region : list (Q * Q)) (alternatives : list (list constraint)), "
    "In (region, alternatives) claim -> forall x : vec, inside x region -> ~ unsafe alternatives (run network x)"
)


def residual() -> dict[str, Any]:
    """Every kind of step that the theory has: a shift, affine steps, a relu, a leaky one, and a sum."""
    some = dense([3, 5, 5, 2], seed=2, leaky=True)["tensors"]
    nodes = [
        node("Sub", ["x", "c"], "d"),
        node("MatMul", ["d", "w0"], "z"),
        node("Relu", ["z"], "a"),
        node("MatMul", ["a", "w1"], "m"),
        node("Add", ["m", "a"], "s"),
        node("LeakyRelu", ["s"], "r", alpha={"mantissa": 3, "exponent": -5}),
        node("Gemm", ["r", "w2", "b2"], "y"),
    ]
    return network([1, 3], nodes, {**some, "c": tensor([3], [1, -2, 3], -4)})


def by_phases() -> dict[str, Any]:
    """A proof with phases, multipliers, chosen slopes and two alternatives, as tight as the exact rules make it."""
    net = residual()
    program, precision = lower(net), 20
    case = {**box(3, 1, 2), "unsafe": [at_least(0, 1 << 20), at_least(1, 1 << 20)]}
    bounds: list[Any] = ["bounds", ["forms", "rows"], {"a": [[0, 1 << 14], [3, 0]]}]

    def tokens(limits: tuple[int, int]) -> list[Any]:
        found: list[Any] = [bounds, ["z", "a", 1]]
        for _ in range(2):
            entry = {"rows": [[0, 1]], "slopes": {"r": [[0, 1 << 15]]}, "multipliers": [["a", 1, 1 << 16]]}
            found += [bounds, ["leaf", [entry, {"rows": [[0, 1]]}]]]
        return found

    def claim(first: int) -> dict[str, Any]:
        unsafe = [[{"terms": [[0, -1 << 12]], "bound": -first, "strict": False}], at_least(1, 1 << 20)]
        return {"verdict": "verified", "semantics": "real", "cases": [{**case, "unsafe": unsafe}]}

    def certificate(first: int) -> dict[str, Any]:
        proof = {"precision": precision, "cases": [tokens((0, 0))]}
        return produce.certificate(net, claim(first), proof, "by hand", 0.0)

    low, high = 0, 1 << 24  # the least bound that the Python checker accepts
    while high - low > 1:
        middle = low + high >> 1
        try:
            check(certificate(middle))
        except Rejected:
            low = middle
        else:
            high = middle
    assert program.steps[program.output].size == 2
    return certificate(high)


@needs_coq
def test_coq_accepts_a_tree_of_splits_and_says_how() -> None:
    accepted, how = coq.check_with_coq(of_a_tree())
    assert accepted.leaves == 5 and accepted.verdict == "verified"
    assert "version" in how and "closed under the global context" in how


@needs_coq
def test_coq_proves_phases_multipliers_slopes_and_every_kind_of_step() -> None:
    """The theory rounds as the Python checker does, up to a few units of 2**-20; a claim that is false is refused."""
    certificate = by_phases()
    constraint = certificate["claim"]["cases"][0]["unsafe"][0][0]
    tight = constraint["bound"]
    constraint["bound"] = tight - 1
    accepted, _ = coq.check_with_coq(certificate)
    assert accepted.leaves == 2
    constraint["bound"] = tight + 64
    with pytest.raises(Rejected, match="does not accept the proof"):
        coq.check_with_coq(certificate)


@needs_coq
def test_a_file_that_is_cut_off_or_has_another_weight_is_rejected() -> None:
    """Coq itself ends with exit code 0 on both."""
    coqc = coq.find()
    assert coqc is not None
    found = emit(of_a_tree())
    cut = found.text[: found.text.index("Theorem certified")]
    with pytest.raises(Rejected, match="the file ends before its theorem"):
        coq.run(coqc, replace(found, text=cut))
    first = re.search(r"packed \[\|\n\[\| (-?\d+);", found.text)
    assert first is not None
    changed = found.text[: first.start(1)] + str(int(first[1]) + 1) + found.text[first.end(1) :]
    with pytest.raises(Rejected, match="differs from the network's"):
        coq.compare(changed, found.program)
    with pytest.raises(
        Rejected
    ):  # the proof may still hold for that network: then the sums that Coq prints differ
        coq.run(coqc, replace(found, text=changed))


def test_what_coq_prints_must_be_all_there() -> None:
    statement = THEOREM.partition(" : ")[2]
    good = f" = (-5)%Z\n : Z\n = 7%Z\n : Z\n{coq.CLOSED}\n{THEOREM}\n : {statement}\n"
    assert coq.judged(good, (-5, 7)) == (-5, 7)
    for bad, why in (
        (good.replace(coq.CLOSED, "Axioms:\nfoo : False"), "rests on axioms"),
        (good.replace(coq.CLOSED, ""), "ends before its theorem"),
        (good.partition("certified")[0], "does not state the theorem"),
        (good.replace("~ unsafe", "unsafe"), "does not state the theorem"),
        (good + "Axioms:", "does not state the theorem"),
        (good.replace("= 7", "= 8"), "weights"),
        ("", "ends before"),
    ):
        with pytest.raises(Rejected, match=why):
            coq.judged(bad, (-5, 7))


def test_a_tree_with_a_missing_child_is_no_file() -> None:
    certificate = of_a_tree()
    tree = certificate["proof"]["cases"][0]
    leaf = next(k for k, token in enumerate(tree) if token[0] == "leaf")
    for missing in (tree[:-1], tree[:leaf] + tree[leaf + 1 :], [*tree, tree[-1]], []):
        changed = {**certificate, "proof": {**certificate["proof"], "cases": [missing]}}
        with pytest.raises(Rejected, match="R7"):
            emit(changed)


def test_no_text_of_a_certificate_reaches_coq() -> None:
    """Names are looked up and left behind: a file made of a hostile certificate has only words of ours."""
    evil = '"). Axiom cheat : False. (* "'
    certificate = of_a_tree()
    renamed = loads(produce.dumps(certificate).replace(b'"a0"', evil.replace('"', '\\"').join('""').encode()))
    renamed["network"]["name"] = evil
    assert lower(renamed["network"]) != lower(certificate["network"])
    assert emit(renamed).text == emit(certificate).text
    words = set(re.findall(r"[A-Za-z_]\w*", emit(by_phases()).text))
    assert not {w for w in words if w in ("Axiom", "cheat", "Admitted", "Parameter", "Hypothesis")}
    for field, value in (("precision", "40. Axiom a : False."), ("precision", True), ("precision", 1 << 80)):
        changed = copy.deepcopy(certificate)
        changed["proof"][field] = value
        for reads in (emit, lighter):
            with pytest.raises((Rejected, TypeError)):
                reads(changed)
    for token in (
        ["x", 0, "0"],
        ["x", 99, 0],
        ["z", "a0", "0"],
        ["z", evil, 0],
        ["bounds", [evil]],
        [evil],
        [["x"]],
    ):
        changed = copy.deepcopy(certificate)
        changed["proof"]["cases"][0][0] = token
        with pytest.raises((Rejected, CannotCheck)):
            emit(changed)


def test_numbers_beyond_machine_integers_are_written_otherwise_and_read_again() -> None:
    certificate = of_a_tree()
    weights = certificate["network"]["tensors"]["w1"]
    weights["exponent"] -= 64
    weights["data"] = [(v << 64) - k for k, v in enumerate(weights["data"])]
    found = emit(certificate)
    coq.compare(found.text, found.program)
    rows = [rows for kind, _, rows in reread(found.text) if kind == "Affine"]
    assert max(abs(v) for r in rows[1] for v in r) > 1 << 64
    with pytest.raises(Rejected, match="differs"):
        coq.compare(found.text, emit(of_a_tree()).program)


def test_without_coq_nothing_is_accepted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "proof.json"
    file.write_bytes(produce.dumps(of_a_tree()))
    monkeypatch.setenv("COQC", str(tmp_path / "coqc"))
    found = CliRunner().invoke(app, ["check", str(file), "--checker", "coq"])
    assert found.exit_code == 3 and "apt install coq" in found.output and "accepted" not in found.output


@pytest.mark.skipif(os.name != "posix", reason="a stand-in for coqc is a script")
def test_a_coqc_that_only_succeeds_is_not_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 0 and nothing said; and one that never ends."""
    stand_in = tmp_path / "coqc"
    stand_in.write_text(
        '#!/bin/sh\n[ $1 = --version ] && exec echo version 0\nfor f; do :; done\ntouch "${f%.v}.vo"\n'
    )
    stand_in.chmod(0o755)
    monkeypatch.setenv("COQC", str(stand_in))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(Rejected, match="does not say"):
        coq.check_with_coq(of_a_tree())
    stand_in.write_text("#!/bin/sh\n[ $1 = --version ] && exec echo version 0\nexec sleep 600\n")
    with pytest.raises(CannotCheck, match="not done after"):
        coq.check_with_coq(of_a_tree(), seconds=0.3)


def test_what_the_theory_has_no_rule_for_is_not_checked() -> None:
    """Neither accepted nor rejected, and named: a claim about floats, and a step of another kind."""
    certificate = of_a_tree()
    certificate["claim"]["semantics"] = "float32"
    certificate["proof"] = {"of": "another form"}
    for judge in (emit, coq.check_with_coq) if coq.find() else (emit,):
        with pytest.raises(CannotCheck, match="real arithmetic"):
            judge(certificate)
    found = emit(of_a_tree())
    steps = [replace(s, kind="cosine") if s.kind == "relu" else s for s in found.program.steps]
    with pytest.raises(CannotCheck, match=r"'cosine'.* no rule in the Coq theory"):
        emit_coq._network(replace(found.program, steps=tuple(steps)), {})


def at_a_point(net: dict[str, Any], point: list[Fraction], strict: bool = False) -> dict[str, Any]:
    """A certificate that an output is as small as it is at the point, exactly."""
    program = lower(net)
    y = exactly(program, tuple(point))[1]
    terms = [[1, y.denominator]]
    unsafe = [at_least(0, 1 << 40), [{"terms": terms, "bound": y.numerator + strict, "strict": strict}]]
    case = {**box(len(point), 3, 1), "open": [[0, -1]], "unsafe": unsafe}
    claim = {"verdict": "falsified", "semantics": "real", "cases": [{**case, "unsafe": []}, case]}
    proof = {"case": 1, "point": [[v.numerator, v.denominator] for v in point]}
    return produce.certificate(net, claim, proof, "by hand", 0.0)


@needs_coq
@pytest.mark.parametrize("net", [residual(), convolution()], ids=["residual", "convolution"])
def test_coq_runs_a_counterexample_exactly(net: dict[str, Any]) -> None:
    """With no room at all: one unit less in the bound, or an open end, and Coq refuses what the file says."""
    size = lower(net).steps[0].size
    point = [Fraction(k % 5 - 2, k % 7 + 1) for k in range(size)]
    certificate = at_a_point(net, point)
    accepted, how = coq.check_with_coq(certificate)
    assert accepted.verdict == "falsified" and accepted.point == tuple(point) and "no" not in how
    found = emit(certificate)
    (bound,) = set(re.findall(r"%Z \((-?\d+)\) false", found.text)) - {str(-(1 << 40))}
    coqc = coq.find()
    assert coqc is not None
    wrong = (
        (f"({bound}) false", f"({int(bound) - 1}) false"),
        (f"({bound}) false", f"({bound}) true"),
        (
            "(-3) # 1",
            f"({point[0].numerator}) # {point[0].denominator}",
        ),  # now the point lies on the open end
        ("number : nat := 1", "number : nat := 0"),
    )
    for a, b in wrong if size < 10 else wrong[:1]:
        changed = replace(found, text=found.text.replace(a, b))
        assert changed.text != found.text
        with pytest.raises(Rejected, match="does not accept"):
            coq.run(coqc, changed)
    with pytest.raises(Rejected, match="claim in Coq's file"):
        coq.compare_claim(replace(found, text=found.text.replace(f"({bound}) false", f"({bound}) true")))
    with pytest.raises(Rejected, match="counterexample in Coq's file"):
        coq.compare_claim(replace(found, point=(*point[:-1], Fraction(1, 97))))


@needs_coq
def test_the_wrong_counterexample_is_rejected_and_the_right_one_is_not() -> None:
    assert coq.check_with_coq(falsified([[1, 4]]))[0].outputs == (Fraction(3, 4),)
    for point in ([[1, 2]], [[-1, 9]]):
        with pytest.raises(Rejected, match="R10"):
            coq.check_with_coq(falsified(point))


@needs_coq
def test_coq_proves_a_convolution_by_its_geometry() -> None:
    """The file has the kernel and thirteen numbers; what they mean is what Coq computes, and what is read again."""
    net, case = convolution(), box(50, 1, 8, [k % 3 for k in range(50)])
    certificate = proved(net, {**case, "unsafe": [at_least(1, 200)]})
    found = emit(certificate)
    assert "Definition taps_1 := taps 2 5 5 3 3 3 3 2 2 1 1 1 1." in found.text
    accepted, _ = coq.check_with_coq(certificate)
    assert accepted.leaves == 1
    moved = replace(
        found, text=found.text.replace("taps 2 5 5 3 3 3 3 2 2 1 1", "taps 2 5 5 3 3 3 3 2 2 1 2")
    )
    with pytest.raises(Rejected, match="differs from the network's"):
        coq.compare(moved.text, found.program)
    coqc = coq.find()
    assert coqc is not None
    with pytest.raises(Rejected):  # the proof may hold for that network too: the sum that Coq prints does not
        coq.run(coqc, moved)


@needs_coq
@pytest.mark.slow
def test_coq_accepts_an_image_of_the_digits() -> None:
    """The example network with two convolutions, around a test image."""
    model = wb.examples.digits_conv()
    images, labels = wb.examples.pictures()
    model.region = wb.ball(images[0], 0.01)
    verdict = model.verify(wb.margin(int(labels[0])), certify=True)
    accepted, _ = coq.check_with_coq(loads(produce.dumps(verdict.certificate)))
    assert accepted.verdict == "verified" and accepted.numbers == 3_818


def test_a_lighter_proof_is_used_only_where_it_still_holds() -> None:
    certificate = of_a_tree()
    assert certificate["proof"]["precision"] > 24
    assert lighter(certificate)["proof"]["precision"] == 24
    case = certificate["claim"]["cases"][0]
    case["unsafe"][0][0]["bound"] += 1 << 40
    assert lighter(certificate) is certificate


@pytest.mark.bench
@pytest.mark.skipif(not ACAS.is_dir(), reason="no ../shared/bench")
def test_the_numbers_in_the_coq_file_are_those_of_the_onnx_file() -> None:
    """Read by the onnx package from the one, and by `reread` from the other."""
    onnx = pytest.importorskip("onnx")
    file = ACAS / "onnx" / "ACASXU_run2a_1_1_batch_2000.onnx"
    program = lower(onnx_file.read(file.read_bytes(), file.name))
    size = program.steps[program.output].size
    case = {**box(program.steps[0].size, 1, 8), "unsafe": [at_least(0, 1)]}
    claim = {"verdict": "verified", "semantics": "real", "cases": [case]}
    proof = {"precision": 24, "cases": [[["bounds", ["interval"]], ["leaf", [{"rows": []}]]]]}
    text = emit(produce.certificate(onnx_file.read(file.read_bytes(), ""), claim, proof, "", 0.0)).text
    tensors = {t.name: onnx.numpy_helper.to_array(t).astype(float) for t in onnx.load(file).graph.initializer}
    affine = [(e, rows) for kind, e, rows in reread(text) if kind == "Affine"]
    matrices = [v for v in tensors.values() if v.ndim == 2 and min(v.shape) > 1]
    biases = [v.reshape(-1) for v in tensors.values() if v.ndim == 1 and len(v) in (size, 50)]
    assert len(affine) == len(matrices) == len(biases) == 7
    for (e, rows), w, b in zip(affine, matrices, biases, strict=True):
        mine = [[v / 2**e for v in r] for r in rows]
        assert [r[0] for r in mine] == b.tolist()
        assert [r[1:] for r in mine] in (w.tolist(), w.T.tolist())


@needs_coq
@pytest.mark.bench
@pytest.mark.slow
@pytest.mark.skipif(not ACAS.is_dir(), reason="no ../shared/bench")
def test_coq_accepts_a_property_of_acas_xu(tmp_path: Path) -> None:
    """Network 5_1, property 4: a region that is split, and what is left of it proved part by part."""
    file = ACAS / "onnx" / "ACASXU_run2a_5_1_batch_2000.onnx"
    asked = load(ACAS / "vnnlib" / "prop_4.vnnlib")
    net = onnx_file.read(file.read_bytes(), file.name)
    certificate = produce.certify(net, asked, precision=32)
    accepted, _ = coq.check_with_coq(certificate, network=net)
    assert accepted.compared and accepted.numbers == 13_310 and accepted.leaves > 1
    with pytest.raises(Rejected, match="is about"):
        coq.check_with_coq(certificate, network={**net, "sha256": "0" * 64})
