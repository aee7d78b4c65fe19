"""R15: float runs in many orders stay within what the checker allows for; claims about floats and their forgeries."""

from __future__ import annotations

import copy
import random
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import workbench as wb
from certificates import at_least, box, convolution, dense, network, node, points, proved, tensor
from workbench.certificate import produce
from workbench.certificate.bounds import Bounds
from workbench.certificate.check import assumptions, check, root
from workbench.certificate.claim import parsed_case
from workbench.certificate.format import CannotCheck, Rejected, loads
from workbench.certificate.program import Program, lower
from workbench.certificate.replay import exactly
from workbench.certificate.rounding import errors, widened

P = 60
F32 = np.float32


def summed(terms: list[Any], rng: random.Random, kind: type) -> Any:
    """Added in a random order, parenthesised at random."""
    left = [kind(t) for t in terms] or [kind(0)]
    while len(left) > 1:
        rng.shuffle(left)
        left.append(kind(left.pop() + left.pop()))
    return left[0]


def run(program: Program, x: tuple[Fraction, ...], rng: random.Random, kind: type) -> list[Any]:
    """In floats, one operation at a time."""
    known = [
        [kind(float(v)) for v in x]
    ]  # 24 bits of a double that is within half an ulp: ties aside, rounded once
    for step in program.steps[1:]:
        v, scale = known[step.sources[0]], 2.0**-step.exponent
        if step.kind in ("affine", "conv"):
            places = [range(len(v))] if step.taps is None else step.taps.gather
            found = []
            for row in step.matrix:
                for g in places:
                    terms = [kind(w * scale) * v[j] for w, j in zip(row, g, strict=False) if w and j >= 0]
                    found.append(summed([*terms, kind(row[-1] * scale)], rng, kind))
        elif step.kind == "shift":
            found = [kind(a + kind(b * scale)) for a, b in zip(v, step.matrix[0], strict=True)]
        elif step.kind == "add":
            found = [kind(a + b) for a, b in zip(v, known[step.sources[1]], strict=True)]
        else:
            found = [a if a >= 0 else kind(kind(step.matrix[0][0] * scale) * a) for a in v]
        known.append(found)
    return known[program.output]


def gemm_and_add() -> dict[str, Any]:
    """Two biases that cancel each other: (x + 2^23) - 2^23 has lost half of its bits."""
    tensors = {
        "w": tensor([2, 2], [1, 1, -1, 1]),
        "b": tensor([2], [1, 1], 23),
        "c": tensor([2], [-1, -1], 23),
    }
    return network([1, 2], [node("Gemm", ["x", "w", "b"], "g"), node("Add", ["g", "c"], "y")], tensors)


NETS = {
    "dense": dense([3, 12, 12, 2]),
    "leaky": dense([2, 9, 9, 9, 2], seed=3, leaky=True),
    "residual": convolution(),
    "biases": gemm_and_add(),
}


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize(("semantics", "kind"), [("binary32", np.float32), ("binary64", np.float64)])
def test_float_runs_in_any_order_are_within_the_bound(name: str, semantics: str, kind: type) -> None:
    program, rng = lower(NETS[name]), random.Random(1)  # noqa: S311
    n = program.steps[0].size
    for denominator in (3, 3 << 140) if name != "residual" else (3,):  # the second: everything underflows
        case = parsed_case({**box(n, 1, denominator, [k % 3 for k in range(n)]), "unsafe": []}, program)
        rules, worst = Bounds(program, P), 0.0
        found = errors(rules, root(rules, case), semantics)
        for x in points(case, 4 if name == "residual" else 40):
            for real, f, e in zip(exactly(program, x), run(program, x, rng, kind), found, strict=True):
                miss = abs(Fraction(float(f)) - real) * (1 << P)
                assert miss <= e
                worst = max(worst, float(miss / e))
        assert kind is not np.float32 or denominator > 3 or worst > 1 / 500, "the bound is about such runs"


def test_a_claim_is_widened_by_the_errors_of_its_outputs() -> None:
    net = NETS["dense"]
    program = lower(net)
    case = parsed_case(
        {
            **box(3, 1, 1),
            "unsafe": [at_least(0, 5), [{"terms": [[0, 2], [1, -3]], "bound": 1, "strict": True}]],
        },
        program,
    )
    rules = Bounds(program, P)
    part = root(rules, case)
    e = [Fraction(v, 1 << P) for v in errors(rules, part, "binary32")]
    wide = widened(rules, part, case, "binary32")
    for (one,), (other,) in zip(case.unsafe, wide.unsafe, strict=True):
        room = sum(abs(c) * e[i] for i, c in one.terms)
        scale = Fraction(other.terms[0][1], one.terms[0][1])
        assert one.bound + room <= other.bound / scale <= one.bound + room + Fraction(1, 1 << 20)
    assert widened(rules, part, case, "real") is case


def in_floats(net: dict[str, Any], case: dict[str, Any], tree: list[Any], semantics: str) -> dict[str, Any]:
    claim = {"verdict": "verified", "semantics": semantics, "cases": [case]}
    return produce.certificate(net, claim, {"precision": 40, "cases": [tree]}, "test", 0.0)


TREE = [["bounds", ["interval", "rows"]], ["leaf", [{"rows": [[0, 1]]}]]]


def test_what_is_true_of_reals_and_false_of_floats_is_rejected() -> None:
    """((x + 2^23) - 2^23) is at most 1/4 in real arithmetic; in binary32 it is 0 or 1/2 or 1."""
    tensors = {"w": tensor([1, 1], [1]), "b": tensor([1], [1], 23), "c": tensor([1], [-1], 23)}
    net = network([1, 1], [node("Gemm", ["x", "w", "b"], "g"), node("Add", ["g", "c"], "y")], tensors)
    assert F32(F32(F32(0.75) + F32(2**23)) + F32(-(2**23))) == 1.0
    case = {"lower": [[3, 4]], "upper": [[3, 4]], "open": []}
    for name, accepted in (("real", True), ("binary64", True), ("binary32", False)):
        unsafe = [[{"terms": [[0, -10]], "bound": -8, "strict": False}]]  # y >= 0.8
        given = in_floats(net, {**case, "unsafe": unsafe}, TREE, name)
        if accepted:
            assert check(given).semantics == name
        else:
            with pytest.raises(Rejected, match="R9"):
                check(given)


def test_weights_that_would_be_rounded_and_sums_that_may_overflow_are_refused() -> None:
    case = {**box(1, 1, 1), "unsafe": [at_least(0, 9)]}
    for weight, exponent, why in (
        ((1 << 24) + 1, -24, "no number of the format"),
        (1, -150, "no number of the format"),
        (1, 128, "no number of the format"),
        (1, 127, "overflow"),
        ((1 << 24) - 1, 104, "overflow"),
    ):
        net = network([1, 1], [node("MatMul", ["x", "w"], "y")], {"w": tensor([1, 1], [weight], exponent)})
        with pytest.raises(CannotCheck, match=why):
            check(in_floats(net, case, TREE, "binary32"))
    for op, kernel in (("Tanh", {}), ("AveragePool", {"kernel_shape": [1, 2]})):
        net = network([1, 1, 1, 2], [node(op, ["x"], "y", **kernel)], {})
        with pytest.raises(CannotCheck, match="no rule about rounding"):
            check(in_floats(net, {**box(2, 1, 1), "unsafe": [at_least(0, 9)]}, TREE, "binary32"))


@pytest.mark.parametrize("semantics", ["binary32", "binary64"])
def test_forged_semantics_are_rejected(semantics: str) -> None:
    net, case = NETS["dense"], {**box(3, 1, 8), "unsafe": [at_least(0, 40)]}
    given = in_floats(net, case, TREE, semantics)
    accepted = check(loads(produce.dumps(given)))
    assert accepted.semantics == semantics and accepted.assumptions == assumptions(semantics)
    assert semantics in accepted.assumptions[0]
    for other in (
        "real",
        "binary16",
        "",
        "REAL",
        3,
        None,
        [semantics],
        "binary64" if semantics == "binary32" else "binary32",
    ):
        forged = copy.deepcopy(given)
        forged["claim"]["semantics"] = other
        with pytest.raises(Rejected):
            check(forged)
    forged = copy.deepcopy(given)
    forged["trust"]["assumptions"] = list(assumptions("real"))
    with pytest.raises(Rejected):
        check(forged)
    forged = copy.deepcopy(given)
    forged["claim"]["verdict"], forged["proof"] = "falsified", {"case": 0, "point": [[0, 1]] * 3}
    with pytest.raises(CannotCheck, match="counterexample"):
        check(forged)
    forged = copy.deepcopy(given)
    forged["proof"]["precision"] = 8
    with pytest.raises(CannotCheck, match="too coarse"):
        check(forged)


def test_a_real_certificate_is_none_about_floats_at_the_edge() -> None:
    """The margin of 2^-30 is proved in reals and is below what rounding may cost."""
    net = network([1, 1], [node("MatMul", ["x", "w"], "y")], {"w": tensor([1, 1], [1])})
    case = {
        **box(1, 1, 1),
        "unsafe": [[{"terms": [[0, -(1 << 30)]], "bound": -(1 << 30) - 1, "strict": False}]],
    }
    given = proved(net, case)
    assert check(given).verdict == "verified"
    forged = in_floats(net, case, given["proof"]["cases"][0], "binary32")
    with pytest.raises(Rejected, match="R9"):
        check(forged)


@pytest.mark.parametrize(("name", "semantics"), [("digits", "binary32"), ("toy", "onnx")])
def test_verdicts_about_floats_are_certified(name: str, semantics: str) -> None:
    model = getattr(wb.examples, name)()
    assert model.region is not None and model.region.center is not None
    x = model.region.center[0]
    model.explore(x, eps=0.02, show=False)
    verdict = model.verify(wb.margin(int(np.argmax(model.run(x)))), semantics=semantics, certify=True)
    assert verdict.level == "exactly checked", verdict.uncertified
    assert check(verdict.certificate).semantics == "binary32"
    assert "run in binary32" in verdict.assumptions[0]
