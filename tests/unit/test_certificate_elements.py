"""Certificates about smooth functions, pools and factors: the rules enclose what is true, and their forgeries fail."""

from __future__ import annotations

import copy
import random
from fractions import Fraction
from pathlib import Path
from typing import Any

import flint
import numpy as np
import pytest

import workbench as wb
from certificates import at_least, box, graph_of, network, node, points, pools, proved, tensor
from workbench.certificate import onnx_file, produce
from workbench.certificate import program as program_module
from workbench.certificate.bounds import Bounds
from workbench.certificate.check import check, root, step
from workbench.certificate.choose import Slopes
from workbench.certificate.claim import parsed_case
from workbench.certificate.format import CannotCheck, Rejected, loads
from workbench.certificate.parts import Part
from workbench.certificate.program import Program, lower
from workbench.certificate.replay import between
from workbench.certificate.smooth import FUNCTIONS, extent, lowest
from workbench.semantics import real
from workbench.semantics.plan import plan_of

P = 40
BENCH = Path(__file__).resolve().parents[3] / "shared" / "bench"


def value(op: str, x: int, precision: int = P) -> Any:
    with flint.ctx.workprec(300):
        return FUNCTIONS[op][0](flint.arb((x, -precision))) * (1 << precision)


@pytest.mark.parametrize("op", FUNCTIONS)
def test_offsets_of_lines_hold_and_are_near(op: str) -> None:
    """Against the function at many points; and the least of these is not far above."""
    rng = random.Random(op)  # noqa: S311
    for _ in range(12):
        low = rng.randint(-6 << P, 6 << P)
        high = min(low + (rng.choice([0, 1, 1 << 20, 1 << P, 5 << P]) * rng.randint(0, 64) >> 6), 8 << P)
        slope, sign = rng.choice([0, rng.randint(-(1 << 17), 1 << 17)]), rng.choice([1, -1])
        found = lowest(op, sign, slope, low, high, P)
        xs = [low, high, *(rng.randint(low, high) for _ in range(40))]
        xs += [low + (high - low) * k // 200 for k in range(200)]
        exact = [sign * value(op, x) - Fraction(slope * x, 1 << 16).__float__() for x in xs]
        least = min(float(v) for v in exact)
        assert found <= least + 1e-6 * (1 + abs(least))
        assert found >= least - 2 ** (P - 9) * (1 + (high - low) / 2**P)
        for x in xs[:12]:  # exactly
            with flint.ctx.workprec(300):
                g = sign * FUNCTIONS[op][0](flint.arb((x, -P))) - flint.arb((slope, -16)) * flint.arb((x, -P))
                assert flint.arb((found, -P)) <= g.upper()
        ends = extent(op, low, high, P)
        assert all(ends[0] <= value(op, x).upper() and value(op, x).lower() <= ends[1] for x in xs[:12])


def test_a_value_that_is_too_large_is_refused_and_not_written_out() -> None:
    """e to the power of 2**60 has more bits than there is memory."""
    for call in (lambda: extent("Exp", 0, 1 << 100, P), lambda: lowest("Exp", 1, 0, 0, 1 << 100, P)):
        with pytest.raises(CannotCheck, match="Exp"):
            call()
    assert extent("Tanh", -(1 << 100), 1 << 100, P) == (-(1 << P) - 1, (1 << P) + 1)


@pytest.mark.parametrize(("seed", "precision"), [(0, 10), (1, 40), (3, 40), (4, 10)])
def test_bounds_and_rows_enclose_what_is_true(seed: int, precision: int) -> None:
    """Of every step, at inputs of the region, told from the outside by intervals at 400 bits."""
    program = lower(pools(seed))
    case = parsed_case({**box(72, 1, 8, [k % 5 - 2 for k in range(72)]), "unsafe": []}, program)
    rules = Bounds(program, precision)
    part = root(rules, case)
    (split,) = step(rules, part, case, "bounds", [["interval", "rows"], {}])
    chosen = Slopes(rules, part)
    rules.bound(part, ("interval", "rows"), chosen)
    unit, rng = Fraction(1, 1 << precision), random.Random(seed)  # noqa: S311
    rows = [[rng.randint(-3, 3) << precision for _ in range(2)] for _ in range(3)]
    for x in points(case, 4, seed):
        for k in range(len(program.steps)):
            low, high = between(Program(program.steps[: k + 1], k), x)
            for one in (part, split):
                every = zip(one.low[k], one.high[k], low, high, strict=True)
                assert all(l * unit <= b and a <= h * unit for l, h, a, b in every), program.steps[k]
        for one in (part, split):
            for row, (*a, b) in zip(rows, rules.functions(rows, one), strict=True):
                most = sum(c * (h if c > 0 else l) for c, l, h in zip(row, low, high, strict=True))
                assert sum(c * v for c, v in zip(a, x, strict=True)) + b <= most
    for s, narrow in zip(part.low, part.high, strict=True):
        assert all(l <= h for l, h in zip(s, narrow, strict=True))
    width = sum(h - l for l, h in zip(part.low[-1], part.high[-1], strict=True))
    assert width <= sum(h - l for l, h in zip(split.low[-1], split.high[-1], strict=True)), (
        "choosing is worth it"
    )


@pytest.mark.parametrize("seed", range(6))
def test_steps_mean_what_the_engine_computes(seed: int) -> None:
    net = pools(seed)
    program, graph = lower(net), graph_of(net)
    x = [Fraction(k % 7 - 3, 4) for k in range(72)]
    run = real.run(plan_of(graph), {"x": np.array(x, float).reshape(1, 1, 2, 6, 6)})
    for k, one in enumerate(program.steps):
        if one.name in run:
            low, high = between(Program(program.steps[: k + 1], k), tuple(x))
            assert all(h - l < 2.0**-80 for l, h in zip(low, high, strict=True))
            np.testing.assert_allclose(np.array(low, float), run[one.name].reshape(-1), rtol=1e-9, atol=1e-11)


def chain(op: str) -> dict[str, Any]:
    """y = f(2 x)."""
    return network(
        [1, 1], [node("MatMul", ["x", "w"], "z"), node(op, ["z"], "y")], {"w": tensor([1, 1], [2])}
    )


UNSAFE = [{"terms": [[0, -1]], "bound": -1, "strict": False}]  # y >= 1


def test_a_claim_about_tanh_and_its_forgeries() -> None:
    """tanh is never 1; "tanh(2 x) < 0.76" is false on [-1, 1], however the lines are chosen."""
    given = proved(chain("Tanh"), {**box(1, 1, 1), "unsafe": [UNSAFE]})
    assert check(loads(produce.dumps(given))).verdict == "verified"
    with pytest.raises(CannotCheck, match="python-flint"):
        check(given, flint=False)
    token, leaf = ["bounds", ["interval", "rows"], {"y": [[0, 0, 0]]}], ["leaf", [{"rows": [[0, 1]]}]]
    given["proof"]["cases"] = [[token, leaf]]
    assert check(given).leaves == 1, "with slopes 0 the lines are the bounds themselves"
    for slopes in ([[0, 0, 0]], [[0, 1 << 15, 1 << 15]], [[0, -(1 << 40), 1 << 40]], [], [[0, 1 << 18, -9]]):
        for wrong in ({"terms": [[0, -100]], "bound": -76}, {"terms": [[0, 100]], "bound": -96}):
            forged = copy.deepcopy(given)
            forged["claim"]["cases"][0]["unsafe"] = [[{**wrong, "strict": False}]]
            forged["proof"]["cases"][0][0] = [*token[:2], {"y": slopes}]
            with pytest.raises(Rejected, match="R9"):
                check(forged)
    for malformed in (
        [[0, 0]],
        [[1, 0, 0]],
        [[0, 1 << 41, 0]],
        [[0, 0, True]],
        [[0, 0, 0, 0]],
        {"0": [0, 0]},
        [[-1, 0, 0]],
    ):
        forged = copy.deepcopy(given)
        forged["proof"]["cases"][0][0] = [*token[:2], {"y": malformed}]
        with pytest.raises(Rejected):
            check(forged)
    at_the_leaf = copy.deepcopy(given)
    at_the_leaf["proof"]["cases"][0][-1][1][0]["slopes"] = {"y": [[0, 0, 0]]}
    phase = copy.deepcopy(given)
    phase["proof"]["cases"][0][0] = ["z", "y", 0]
    reduced = copy.deepcopy(given)
    reduced["proof"]["cases"][0].insert(1, ["reduce"])
    forms = copy.deepcopy(given)
    forms["proof"]["cases"][0][0] = ["bounds", ["forms"]]
    for forged in (at_the_leaf, phase, reduced, forms):
        with pytest.raises((Rejected, CannotCheck)):
            check(forged)


def test_lines_of_a_part_are_not_used_on_a_larger_one() -> None:
    """Bounds are made on one half; on the other they would prove what is false."""
    given = proved(chain("Tanh"), {**box(1, 1, 1), "unsafe": [UNSAFE]})
    case = given["claim"]["cases"][0]
    case["unsafe"] = [[{"terms": [[0, -2]], "bound": -1, "strict": False}]]  # y >= 1/2: false on x > 0.28
    bounds, leaf = ["bounds", ["interval", "rows"], {}], ["leaf", [{"rows": [[0, 1]]}]]
    given["proof"]["cases"] = [[["x", 0, 0], bounds, leaf, leaf]]
    with pytest.raises(Rejected, match="R9 refuted: proof step 3: there are no bounds yet"):
        check(given)
    given["proof"]["cases"] = [[bounds, ["x", 0, 0], bounds, leaf, leaf]]
    with pytest.raises(Rejected, match="proof step 4"):
        check(given)


def test_windows_that_read_other_elements_are_another_network() -> None:
    """The largest of x_0 and x_1 is at least x_0; and of what a pool does not read nothing is said."""
    nodes = [node("MaxPool", ["x"], "y", kernel_shape=[1, 2], strides=[1, 2])]
    net = network([1, 1, 1, 4], nodes, {})
    case = {"lower": [[k, 1] for k in (0, 2, 0, 0)], "upper": [[k, 1] for k in (1, 3, 1, 5)], "open": []}
    below = [{"terms": [[0, 1]], "bound": 2, "strict": True}]
    given = proved(net, {**case, "unsafe": [below, at_least(0, 4), at_least(1, 6)]})
    assert check(given, network=net).verdict == "verified"
    for wrong in (at_least(1, 5), at_least(0, 3), [{"terms": [[1, 1]], "bound": 0, "strict": False}]):
        forged = copy.deepcopy(given)
        forged["claim"]["cases"][0]["unsafe"][0] = wrong
        with pytest.raises(Rejected, match="R9"):
            check(forged)
    for change in (
        {"kernel_shape": [1, 3]},
        {"strides": [1, 1]},
        {"pads": [0, 1, 0, 1]},
        {"dilations": [1, 2]},
    ):
        forged = copy.deepcopy(given)
        forged["network"]["nodes"][0]["attributes"] |= change
        with pytest.raises((Rejected, CannotCheck)):
            check(forged, network=net)
    for refused in (
        {"ceil_mode": 1},
        {"storage_order": 1},
        {"auto_pad": "SAME_UPPER"},
        {"kernel_shape": [0, 2]},
    ):
        forged = copy.deepcopy(net)
        forged["nodes"][0]["attributes"] |= refused
        with pytest.raises((CannotCheck, Rejected)):
            lower(forged)


def test_factors_are_enclosed_from_both_sides() -> None:
    """1/3 is no dyadic number: at x = 3 the quotient is 1, and neither < 1 nor > 1 is proved."""
    net = network([1, 1], [node("Div", ["x", "c"], "y")], {"c": tensor([1], [3])})
    case = {"lower": [[3, 1]], "upper": [[3, 1]], "open": []}
    for sign in (1, -1):
        safe = [{"terms": [[0, sign * 2**30]], "bound": sign * 2**30 - 1, "strict": False}]
        assert check(proved(net, {**case, "unsafe": [safe]})).verdict == "verified"
        given = proved(net, {**case, "unsafe": [safe]})
        given["claim"]["cases"][0]["unsafe"] = [[{"terms": [[0, sign]], "bound": sign, "strict": False}]]
        with pytest.raises(Rejected, match="R9"):
            check(given)
    (low,), (high,) = between(lower(net), (Fraction(3),))
    assert low < 1 < high


@pytest.mark.parametrize("eps", [0.01, 0.05])
def test_the_tanh_example_is_certified(eps: float) -> None:
    model = wb.examples.digits_tanh()
    assert model.region is not None and model.region.center is not None
    x = model.region.center[0]
    model.explore(x, eps=eps, show=False)
    verdict = model.verify(wb.margin(int(np.argmax(model.run(x)))), certify=True)
    assert verdict.level == "exactly checked", verdict.uncertified
    file = Path(str(wb.examples.path("digits_tanh")))
    found = {**verdict.certificate, "network": onnx_file.read(file.read_bytes())}
    assert check(found, network=found["network"]).verdict == "verified"
    model.explore(x, eps=0.3, show=False)
    falsified = model.verify(wb.margin(int(np.argmax(model.run(x)))), certify=True)
    assert falsified.status == "falsified" and falsified.level == "exactly checked"
    forged = copy.deepcopy(falsified.certificate)
    forged["proof"]["point"] = [[v.numerator, v.denominator] for v in map(Fraction, x.reshape(-1).tolist())]
    with pytest.raises(Rejected, match="R10"):
        check(forged)


@pytest.mark.bench
@pytest.mark.parametrize(
    "name",
    [
        "verivital_2021/Convnet_avgpool.onnx",
        "verivital_2021/Convnet_maxpool.onnx",
        "eran_2021/nets/ffnnSIGMOID__Point_6x200.onnx",
    ],
)
def test_networks_of_competitions_are_read_the_same_by_two_readers(name: str) -> None:
    if not (BENCH / name).is_file():
        pytest.skip("no reference networks here")
    mine = onnx_file.read((BENCH / name).read_bytes())
    assert lower(mine) == lower(produce.network_of(wb.load(BENCH / name).graph, mine["sha256"]))


def test_parts_hold_no_float() -> None:
    """What the ball arithmetic says comes back as integers."""
    rules = Bounds(lower(pools(1)), 20)
    part = Part(([-1 << 18] * 72, [1 << 18] * 72))
    rules.bound(part, ("interval", "rows"), {})
    assert all(type(v) is int for ends in (part.low, part.high) for of in ends for v in of)
    assert all(type(v) is int for lines in part.lines.values() for one in lines.bent for v in one)


def test_a_hostile_network_is_bounded_in_memory_and_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many large nodes in few bytes; and a function on many elements, with the time up."""
    assert program_module.LARGEST <= 1 << 24
    monkeypatch.setattr(program_module, "LARGEST", 1 << 17)
    nodes = [node("Pad", ["x"], "p0", pads=[0, 0, 0, 0, 0, 0, 60, 60])]
    nodes += [node("MaxPool", [f"p{k}"], f"p{k + 1}", kernel_shape=[2, 2]) for k in range(40)]
    with pytest.raises(CannotCheck, match="too large"):
        lower(network([1, 1, 1, 1], nodes, {}))
    wide = network([1, 4096], [node("Sin", ["x"], "y")], {})
    given = proved(chain("Tanh"), {**box(1, 1, 1), "unsafe": [UNSAFE]})
    given["network"], given["claim"]["cases"] = wide, [{**box(4096, 99, 1), "unsafe": []}]
    given["proof"]["cases"] = [[["bounds", ["interval"]], ["leaf", []]]]
    with pytest.raises(CannotCheck, match="time limit"):
        check(given, seconds=0.2)
