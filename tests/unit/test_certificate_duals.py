"""Leaves closed by a linear program's dual: no wrong leaf is taken, and forged weights are refused."""

from __future__ import annotations

import copy
import random
from fractions import Fraction
from typing import Any

import pytest

from certificates import box, dense, network, node, points, proved, tensor
from workbench.certificate import produce
from workbench.certificate.bounds import Bounds
from workbench.certificate.check import check, root, step
from workbench.certificate.claim import dense as row_of
from workbench.certificate.claim import parsed_case
from workbench.certificate.duals import refuted
from workbench.certificate.format import Rejected
from workbench.certificate.program import lower
from workbench.certificate.replay import exactly

pytest.importorskip("highspy", reason="duals come from the optional package highspy")
P = 40


def seesaw() -> dict[str, Any]:
    """y_0 = relu(x), y_1 = 1 - relu(x): each may be small, both never."""
    tensors = {
        "w": tensor([1, 1], [1]),
        "b": tensor([1], [0]),
        "v": tensor([1, 2], [1, -1]),
        "c": tensor([2], [0, 1]),
    }
    nodes = [node("MatMul", ["x", "w"], "m"), node("Add", ["m", "b"], "z"), node("Relu", ["z"], "a")]
    nodes += [node("MatMul", ["a", "v"], "p"), node("Add", ["p", "c"], "y")]
    return network([1, 1], nodes, tensors)


SMALL = [
    {"terms": [[0, 10]], "bound": 4, "strict": False},
    {"terms": [[1, 10]], "bound": 5, "strict": False},
]  # y_0 <= 0.4 and y_1 <= 0.5


def test_constraints_that_exclude_each_other_are_weighed() -> None:
    given = proved(seesaw(), {**box(1, 1, 1), "unsafe": [SMALL]})
    accepted = check(given)
    assert accepted.leaves == 1
    leaf = given["proof"]["cases"][0][-1][1][0]
    assert {k for k, _ in leaf["rows"]} == {0, 1}
    weights = dict(map(tuple, leaf["rows"]))
    for rows in (
        [[0, 1]],
        [[1, 1]],
        [[0, 1], [1, -1]],
        [[0, weights[0]], [2, 1]],
        [[0, 0], [1, 0]],
        [],
        [[0, weights[0]], [1, weights[1] // 9]],
    ):
        forged = copy.deepcopy(given)
        forged["proof"]["cases"][0][-1][1][0]["rows"] = rows
        with pytest.raises(Rejected, match="R9"):
            check(forged)
    for k, bound in ((0, 5), (1, 6), (0, 400)):  # 0.5 and 0.5 happen, at x = 1/2
        forged = copy.deepcopy(given)
        forged["claim"]["cases"][0]["unsafe"][0][k]["bound"] = bound
        with pytest.raises(Rejected, match="R9"):
            check(forged)
    forged = copy.deepcopy(given)
    forged["proof"]["cases"][0][-1][1][0]["multipliers"] = [["a", 0, 1]]  # no sign was decided
    with pytest.raises(Rejected, match="R8"):
        check(forged)


@pytest.mark.parametrize("seed", range(6))
def test_what_a_dual_excludes_never_happens(seed: int) -> None:
    """On parts with decided signs: what the checker takes excludes every point of the part; and it takes some."""
    rng = random.Random(seed)  # noqa: S311
    net = dense([2, 6, 6, 3], seed, leaky=seed % 2 == 1)
    program = lower(net)
    case = parsed_case({**box(2, 1, 1), "unsafe": []}, program)
    rules = Bounds(program, P)
    (part,) = step(rules, root(rules, case), case, "bounds", [["forms", "rows"]])
    for _ in range(seed % 3):
        names = [(name, j) for name in rules.relus for j in range(6)]
        name, j = rng.choice(names)
        try:
            part = rng.choice(step(rules, part, case, "z", [name, j]))
        except Rejected:
            continue
    if part.empty:
        return
    (part,) = step(rules, part, case, "reduce", [])
    inside = [exactly(program, x) for x in points(case, 60, seed) if _inside(net, part, x)]
    taken = 0
    for _ in range(8):
        unsafe = [
            {
                "terms": [[i, rng.randint(-5, 5) or 1] for i in range(3)],
                "bound": rng.randint(-40, 4),
                "strict": False,
            }
            for _ in range(3)
        ]
        asked = parsed_case({**box(2, 1, 1), "unsafe": [unsafe]}, program)
        every = asked.unsafe[0]
        rows, limits = [row_of(c.terms, 3, P) for c in every], [c.bound << P for c in every]
        entry = refuted(part.reduced, part.box, rows, limits, part.phases, P)  # type: ignore[arg-type]
        if entry is None:
            continue
        try:
            assert step(rules, part, asked, "leaf", [[entry]]) == []
        except Rejected:
            continue
        taken += 1
        for y in inside:
            assert not all(sum(v * y[i] for i, v in c.terms) <= c.bound for c in every)
    assert taken or seed > 0


def _inside(net: dict[str, Any], part: Any, x: tuple[Fraction, ...]) -> bool:
    program = lower(net)
    values = [exactly(type(program)(program.steps[: i + 1], i), x) for i in range(len(program.steps))]
    return all((values[i][j] >= 0) == above or values[i][j] == 0 for (i, j), above in part.phases.items())


def test_without_the_package_a_proof_is_found_by_splits(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "highspy", None)
    given = proved(seesaw(), {**box(1, 1, 1), "unsafe": [SMALL]})
    assert check(given).leaves > 1
    assert produce.dumps(given)
