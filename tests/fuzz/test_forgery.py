"""Forgery: whatever is changed in a certificate, what is accepted is still true of the network that it is about.

Each accepted mutation is judged by somebody else: where the claim is the one that was proved, its truth does not hang
on the proof; where the claim itself was changed, the engine must prove it (it shares no code with the checker), and a
counterexample is run in the engine's rationals.
"""

from __future__ import annotations

import copy
import functools
import json
import os
import random
from collections import Counter
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import flint
import numpy as np
import pytest

from certificates import (
    at_least,
    box,
    convolution,
    dense,
    graph_of,
    network,
    node,
    points,
    pools,
    proved,
    tensor,
)
from workbench.certificate import format as form
from workbench.certificate import onnx_file, produce
from workbench.certificate.check import Accepted, assumptions, check, root
from workbench.certificate.choose import Slopes
from workbench.certificate.claim import parsed_case
from workbench.certificate.format import CannotCheck, Rejected
from workbench.certificate.parts import Part
from workbench.certificate.produce import Prover, Tree
from workbench.certificate.program import lower
from workbench.certificate.replay import exactly
from workbench.methods import branch
from workbench.region import Region
from workbench.semantics.exact import run
from workbench.semantics.plan import plan_of
from workbench.spec import Constraint, float_of

COUNT = int(os.environ.get("FORGERIES", "150"))  # mutations of each certificate
ACAS = Path(__file__).resolve().parents[3] / "shared" / "bench" / "acasxu_2023"


def largest(net: dict[str, Any], case: dict[str, Any], output: int = 0) -> int:
    """About the largest value of an output over a box: what is proved is near the edge of what is true."""
    program = lower(net)
    y = max(exactly(program, x)[output] for x in points(parsed_case({**case, "unsafe": []}, program), 200))
    return int(y) + 1


def of_splits() -> dict[str, Any]:
    net, case = dense([3, 8, 8, 2]), box(3, 1, 1)
    both = [at_least(0, largest(net, case)), [{"terms": [[0, 3], [1, -2]], "bound": -90, "strict": True}]]
    return proved(net, {**case, "unsafe": both})


def of_phases() -> dict[str, Any]:
    net, case = dense([2, 5, 5, 2], seed=4), box(2, 1, 2)
    tree = Tree((Tree(), Tree((Tree(), Tree()), relu="a1", element=2)), relu="a0", element=1)
    found = proved(net, {**case, "unsafe": [at_least(0, largest(net, case) + 2)]}, tree)
    for token in found["proof"]["cases"][0]:
        if token[0] == "leaf" and token[1][0]["rows"]:
            token[1][0] |= {"slopes": {"a1": [[0, 1 << 14]]}, "multipliers": []}
    return found


def of_a_convolution() -> dict[str, Any]:
    net, case = convolution(), box(50, 1, 8, [k % 3 for k in range(50)])
    prover = Prover(lower(net))
    part = Part(
        tuple(
            [(v << prover.rules.P) // 8 for v in ends]
            for ends in ([k % 3 - 1 for k in range(50)], [k % 3 + 1 for k in range(50)])
        )
    )
    prover.rules.bound(part, ("rows",), {})
    (least,) = prover.rules.rows([[0, -1 << prover.rules.P]], part)
    return proved(net, {**case, "unsafe": [at_least(1, 1 - (int(least) >> prover.rules.P))]})


def of_a_counterexample() -> dict[str, Any]:
    net, case = dense([2, 6, 2], seed=9, leaky=True), box(2, 1, 3)
    program = lower(net)
    parsed = parsed_case({**case, "unsafe": []}, program)
    x = max(points(parsed, 100), key=lambda p: exactly(program, p)[1])
    y = exactly(program, x)[1]
    unsafe = [[{"terms": [[1, -y.denominator]], "bound": -y.numerator, "strict": False}]]
    claim = {"verdict": "falsified", "semantics": "real", "cases": [{**case, "unsafe": unsafe}]}
    proof = {"case": 0, "point": [[v.numerator, v.denominator] for v in x]}
    return produce.certificate(net, claim, proof, "test", 0.0)


def of_pools() -> dict[str, Any]:
    net, case = pools(4), box(72, 1, 64, [k % 5 - 2 for k in range(72)])
    prover = Prover(lower(net))
    part = root(prover.rules, parsed_case({**case, "unsafe": []}, prover.rules.program))
    prover.rules.bound(part, ("interval", "rows"), Slopes(prover.rules, part))
    scaled = -(-part.high[-1][0] * 64 >> prover.rules.P)  # 64 times what is proved, rounded up
    return proved(net, {**case, "unsafe": [[{"terms": [[0, -64]], "bound": -scaled - 8, "strict": False}]]})


def of_tanh() -> dict[str, Any]:
    tensors = {
        "w": tensor([2, 4], [3, -5, 7, 2, -6, 1, 4, 8], -2),
        "v": tensor([4, 2], [1, -3, 5, 2, -2, 7, 3, -1], -1),
    }
    nodes = [node("MatMul", ["x", "w"], "z"), node("Tanh", ["z"], "a0"), node("MatMul", ["a0", "v"], "y")]
    return proved(
        network([1, 2], nodes, tensors), {**box(2, 1, 4), "unsafe": [at_least(0, 2), at_least(1, 3)]}
    )


def of_floats() -> dict[str, Any]:
    found = of_splits()
    found["claim"]["semantics"] = "binary32"
    found["trust"]["assumptions"] = list(assumptions("binary32"))
    case = found["claim"]["cases"][0]
    case["unsafe"] = [[{**c, "bound": c["bound"] - 1} for c in every] for every in case["unsafe"]]
    check(found)
    return found


def of_acas_xu() -> dict[str, Any]:
    file = ACAS / "onnx/ACASXU_run2a_5_1_batch_2000.onnx"
    if not file.is_file():
        pytest.skip("no reference networks here")
    from workbench.io.vnnlib import load

    return produce.certify(onnx_file.read(file.read_bytes(), file.name), load(ACAS / "vnnlib/prop_4.vnnlib"))


MAKERS: dict[str, Callable[[], dict[str, Any]]] = {
    "splits": of_splits,
    "phases": of_phases,
    "convolution": of_a_convolution,
    "counterexample": of_a_counterexample,
    "pools": of_pools,
    "tanh": of_tanh,
    "floats": of_floats,
}


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every path into plain data."""
    if path:
        yield path
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(inner, (*path, key))


class Forger:
    """Changes of a certificate, its claim and its proof as often as its many weights."""

    def __init__(self, given: dict[str, Any], seed: int) -> None:
        self.given, self.rng = given, random.Random(seed)  # noqa: S311
        self.sections = {
            name: list(places(given[name], (name,)))
            for name in ("claim", "proof", "network", "trust", "made_by")
        }

    def one(self) -> tuple[str, dict[str, Any]]:
        """A changed copy, and where it was changed."""
        rng = self.rng
        section = rng.choice(["claim", "claim", "proof", "proof", "proof", "network", "trust", "made_by"])
        path = rng.choice(self.sections[section])
        found = {**self.given, section: copy.deepcopy(self.given[section])}
        holder: Any = found
        for key in path[:-1]:
            holder = holder[key]
        self._change(holder, path[-1])
        return "/".join(map(str, path)), found

    def _change(self, holder: Any, key: Any) -> None:
        rng, value = self.rng, holder[key]
        if type(value) is int:
            far = rng.choice([1 << 20, 1 << 40, 1 << 16, 1000])
            choices = [
                value + 1,
                value - 1,
                value + far,
                value - far,
                -value,
                0,
                2 * value,
                value // 2,
                True,
                None,
                "1",
            ]
            holder[key] = rng.choice(choices)
        elif type(value) is bool:
            holder[key] = not value
        elif type(value) is str:
            holder[key] = rng.choice(
                ["", "a0", "a1", "x", "z", "falsified", "verified", value + "x", value[:-1], "\0"]
            )
        elif type(value) is list and value:
            i, j = rng.randrange(len(value)), rng.randrange(len(value))
            match rng.randrange(5):
                case 0:
                    value.pop(i)
                case 1:
                    value.insert(i, copy.deepcopy(value[j]))
                case 2:
                    value[i], value[j] = value[j], value[i]
                case 3:
                    holder[key] = []
                case _:
                    value[i] = copy.deepcopy(value[j])
        elif type(value) is dict and value:
            name = rng.choice(list(value))
            if rng.random() < 0.5:
                value.pop(name)
            else:
                value[name + rng.choice(["", "x"])] = 1


@functools.cache
def truth(kind: str, claim: str) -> bool:
    """Whether a claim about a network is true, by the engine alone."""
    net, asked = made(kind)["network"], json.loads(claim)
    plan = plan_of(graph_of(net)) if kind != "acas" else acas_plan()
    name = plan.graph.inputs[0]
    shape, n = plan.graph[name].shape, plan.graph[name].size
    outputs = plan.graph[plan.graph.outputs[0]].size
    for case in asked["cases"]:
        low, high = ([Fraction(*p) for p in case[k]] for k in ("lower", "upper"))
        assert len(low) == len(high) == n
        ends = [np.array([[float_of(v, s) for v in e]]) for e, s in ((low, -1), (high, 1))]
        unsafe = []
        for every in case["unsafe"]:
            rows = []
            for c in every:
                row = [Fraction(0)] * outputs
                for i, v in c["terms"]:
                    row[i] = Fraction(v)
                rows.append(Constraint(tuple(row), Fraction(c["bound"]), c["strict"]))
            unsafe.append(tuple(rows))
        region = Region(*ends).reshape(shape)
        if branch.verify(plan, region, tuple(unsafe), timeout=20).status != "verified":
            return False
    return True


@functools.cache
def acas_plan() -> Any:
    import workbench as wb

    return wb.load(ACAS / "onnx/ACASXU_run2a_5_1_batch_2000.onnx").plan


@functools.cache
def made(kind: str) -> dict[str, Any]:
    return of_acas_xu() if kind == "acas" else MAKERS[kind]()


def assert_true(kind: str, accepted: Accepted, changed: dict[str, Any], where: str) -> None:
    """What was accepted must be true of the network that the certificate was about."""
    original = made(kind)
    if accepted.verdict == "falsified":
        assert accepted.point is not None
        plan = plan_of(graph_of(original["network"]))
        x = np.array([flint.fmpq(v.numerator, v.denominator) for v in accepted.point], dtype=object)
        y = [
            Fraction(int(v.p), int(v.q))
            for v in run(plan, {"x": x.reshape(1, 1, -1)})[plan.graph.outputs[0]].reshape(-1)
        ]
        case = accepted.cases[changed["proof"]["case"]]
        assert all(l <= v <= h for l, v, h in zip(case.lower, accepted.point, case.upper, strict=True)), where
        excess = [
            [(sum(c * y[i] for i, c in one.terms) - one.bound, one.strict) for one in every]
            for every in case.unsafe
        ]
        assert any(all(e < 0 or (e == 0 and not s) for e, s in every) for every in excess), where
    elif changed["claim"] != original["claim"]:
        assert truth(kind, json.dumps(changed["claim"])), f"accepted, but not true: {where}"


def judge(kind: str, changed: dict[str, Any], where: str, network: dict[str, Any] | None) -> str:
    """The rule that rejects a change, or "accepted" where what it says is true."""
    try:
        accepted = check(form.loads(produce.dumps(changed)), network=network, seconds=20)
    except Rejected as error:
        return error.step if error.why else ""
    except CannotCheck:
        return "cannot check"
    assert_true(kind, accepted, changed, where)
    return "accepted"


@pytest.mark.parametrize("kind", MAKERS)
def test_no_changed_certificate_is_wrongly_accepted(kind: str) -> None:
    given = made(kind)
    network = copy.deepcopy(given["network"])
    assert judge(kind, given, "unchanged", network) == "accepted"
    forger, count = Forger(given, seed=1), COUNT // (3 if kind == "pools" else 1)
    found = Counter(
        judge(kind, changed, where, network) for where, changed in (forger.one() for _ in range(count))
    )
    assert found["accepted"] < count / 2
    assert "" not in found, "a rejection names its step and says why"
    assert len(found) >= 4, "the forger is not inventive enough"


@pytest.mark.bench
@pytest.mark.slow
def test_no_changed_certificate_of_acas_xu_is_wrongly_accepted() -> None:
    given = made("acas")
    forger = Forger(given, seed=2)
    found = Counter(
        judge("acas", changed, where, given["network"])
        for where, changed in (forger.one() for _ in range(COUNT // 6))
    )
    assert found["accepted"] < COUNT / 6


@pytest.mark.parametrize("kind", ["splits", "counterexample"])
def test_no_changed_weight_is_accepted_about_the_file(kind: str) -> None:
    """Every single weight."""
    given = made(kind)
    network = copy.deepcopy(given["network"])
    for name, weights in given["network"]["tensors"].items():
        for k in range(len(weights["data"])):
            weights["data"][k] += 1
            try:
                with pytest.raises(Rejected, match="network"):
                    check(given, network=network)
            finally:
                weights["data"][k] -= 1
        assert network["tensors"][name] == weights


@pytest.mark.parametrize("kind", MAKERS)
def test_no_cut_or_damaged_text_is_wrongly_accepted(kind: str) -> None:
    rng = random.Random(7)  # noqa: S311
    given = made(kind)
    data = produce.dumps(given)
    for k in range(COUNT // (3 if kind == "pools" else 1)):
        broken = bytearray(data)
        if k % 4 == 0:
            broken = broken[: rng.randrange(len(data))]
        else:
            for _ in range(rng.choice([1, 1, 3])):
                at = rng.randrange(len(broken))
                broken[at : at + rng.randrange(2)] = bytes([rng.choice(b'0123456789-,[]{}":e.x \xff')])
        try:
            changed = form.loads(bytes(broken))
            accepted = check(changed, network=given["network"], seconds=20)
        except (Rejected, CannotCheck):
            continue
        assert_true(kind, accepted, changed, f"text {k}")


def test_another_networks_certificate_is_rejected() -> None:
    with pytest.raises(Rejected, match="network"):
        check(made("splits"), network=made("phases")["network"])


def test_leaves_of_another_certificate_do_not_fit() -> None:
    given, other = copy.deepcopy(made("splits")), made("phases")
    given["proof"]["cases"] = copy.deepcopy(other["proof"]["cases"])
    with pytest.raises(Rejected):
        check(given)


def test_a_claim_one_unit_too_strong_is_rejected() -> None:
    """The counterexample lies exactly on the edge: one unit more and it is none."""
    given = copy.deepcopy(made("counterexample"))
    given["claim"]["cases"][0]["unsafe"][0][0]["bound"] -= 1
    with pytest.raises(Rejected, match="R10 replay"):
        check(given)
