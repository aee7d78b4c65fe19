"""Certificates: the exact rules enclose the exact values, the tree must cover, and files are read with distrust."""

from __future__ import annotations

import copy
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import workbench as wb
from certificates import (
    at_least,
    box,
    convolution,
    dense,
    falsified,
    graph_of,
    network,
    node,
    of_a_tree,
    points,
    proved,
    simple,
    tensor,
)
from workbench.certificate import onnx_file, produce
from workbench.certificate.bounds import Bounds
from workbench.certificate.check import check
from workbench.certificate.claim import parsed_case
from workbench.certificate.format import CannotCheck, Rejected
from workbench.certificate.parts import Empty, Part
from workbench.certificate.produce import Tree
from workbench.certificate.program import Program, lower
from workbench.certificate.replay import exactly
from workbench.semantics.exact import run as exact_run

BENCH = Path(__file__).resolve().parents[3] / "shared" / "bench"
ACAS = BENCH / "acasxu_2023"
WAYS = (("interval",), ("forms",), ("rows",), ("forms", "rows"))
NETS = {
    "dense": dense([3, 8, 8, 2]),
    "leaky": dense([2, 6, 6, 6, 2], seed=3, leaky=True),
    "deep": dense([1, 5, 5, 5, 5, 1], seed=5),
    "convolution": convolution(),
}


def every_value(program: Program, x: tuple[Fraction, ...]) -> list[tuple[Fraction, ...]]:
    """The exact value of every step."""
    return [exactly(Program(program.steps[: k + 1], k), x) for k in range(len(program.steps))]


def start(program: Program, case: Any, precision: int) -> Part:
    low = [(v.numerator << precision) // v.denominator for v in case.lower]
    high = [-((-v.numerator << precision) // v.denominator) for v in case.upper]
    return Part((low, high))


@pytest.mark.parametrize("ways", WAYS, ids=" ".join)
@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("precision", [8, 20])
def test_bounds_enclose_every_exact_value(name: str, ways: tuple[str, ...], precision: int) -> None:
    """With 8 bits the rounding is coarse: what it costs must be paid for."""
    program = lower(NETS[name])
    if name == "convolution" and "forms" in ways:
        ways = tuple(w for w in ways if w != "forms")
    n = program.steps[0].size
    case = parsed_case({**box(n, 7, 9, [k % 5 - 2 for k in range(n)]), "unsafe": []}, program)
    part = start(program, case, precision)
    Bounds(program, precision).bound(part, ways, {})
    unit = Fraction(1, 1 << precision)
    for x in points(case, 12):
        for low, high, values in zip(part.low, part.high, every_value(program, x), strict=True):
            for l, h, v in zip(low, high, values, strict=True):
                assert int(l) * unit <= v <= int(h) * unit


@pytest.mark.parametrize("name", NETS)
def test_python_and_flint_find_the_same_integers(name: str) -> None:
    program = lower(NETS[name])
    n = program.steps[0].size
    case = parsed_case({**box(n, 3, 7), "unsafe": []}, program)
    found = []
    for flint in (True, False):
        rules, part = Bounds(program, 24, flint), start(program, case, 24)
        rules.bound(part, ("rows",) if name == "convolution" else ("forms", "rows"), {})
        size = program.steps[program.output].size
        ones = [[(i == j) << 24 for i in range(size)] for j in range(size)]
        found.append((part.low, part.high, [int(v) for v in rules.rows(ones, part)]))
    assert found[0] == found[1]


def test_rows_are_tighter_than_forms_and_those_than_intervals() -> None:
    program = lower(NETS["dense"])
    case = parsed_case({**box(3, 1, 4), "unsafe": []}, program)
    widths = []
    for ways in (("interval",), ("forms",), ("forms", "rows")):
        part = start(program, case, 24)
        Bounds(program, 24).bound(part, ways, {})
        i = program.steps[-2].sources[0]
        widths.append(sum(h - l for l, h in zip(part.low[i], part.high[i], strict=True)))
    assert widths[0] > widths[1] > widths[2]


@pytest.mark.parametrize("above", [False, True])
def test_phases_and_their_multipliers_bound_what_is_left(above: bool) -> None:
    """With any multiplier, a row over the inputs that have the phase is a lower bound there."""
    program, P = lower(NETS["dense"]), 20
    case = parsed_case({**box(3, 1, 1), "unsafe": []}, program)
    rules = Bounds(program, P)
    step = rules.relus["a0"]
    z = program.steps[step].sources[0]
    tried = 0
    for j in range(8):
        part = start(program, case, P)
        part.phases[z, j] = above
        try:
            rules.bound(part, ("forms", "rows"), {})
        except Empty:
            continue
        lows = [
            int(rules.rows([[1 << P, -(1 << P)]], part, {}, {step: {j: m}})[0]) for m in (0, 1 << P, 5 << P)
        ]
        for x in points(case, 30):
            values = every_value(program, x)
            if (values[z][j] >= 0) == above:
                tried += 1
                y = values[program.output]
                assert max(lows) <= (y[0] - y[1]) * (1 << P)
    assert tried > 20


def test_a_clip_leaves_out_only_what_is_safe() -> None:
    """Of points spread over the box, those outside of the clipped one have outputs that are not unsafe."""
    program, P = lower(NETS["dense"]), 20
    case = parsed_case({**box(3, 1, 100, [20, -35, 47]), "unsafe": []}, program)
    values = {x: exactly(program, x) for x in points(case, 300)}
    outside = 0
    limits = sorted(int(y[0] * (1 << P)) for y in values.values())[::40]
    for k, limit in enumerate(limits):
        part = start(program, case, P)
        rules = Bounds(program, P)
        rules.bound(part, ("forms", "rows"), {})
        rows = [[1 << P, 0], [1 << P, 1 << P]][: 1 + k % 2]
        left = rules.clip(rows, [limit] * len(rows), part)
        for x, y in values.items():
            ends = zip(part.box[0], x, part.box[1], strict=True)
            if not left or not all(l <= v * (1 << P) <= h for l, v, h in ends):
                outside += 1
                assert max(y[0], y[0] + (k % 2) * y[1]) * (1 << P) > limit
    assert outside > 100


def test_a_multiplier_proves_what_no_line_does() -> None:
    """y = relu(x) - x/2 over x >= 0, as a phase of [-1, 1]: y >= 0 there, and a multiplier says so."""
    tensors = {
        "w": tensor([1, 2], [1, 1]),
        "b": tensor([2], [0, 8]),
        "v": tensor([2, 1], [2, -1], -1),
        "c": tensor([1], [8], -1),
    }
    nodes = [
        node("MatMul", ["x", "w"], "m"),
        node("Add", ["m", "b"], "z"),
        node("Relu", ["z"], "a"),
        node("MatMul", ["a", "v"], "n"),
        node("Add", ["n", "c"], "y"),
    ]
    program = lower(network([1, 1], nodes, tensors))  # y = relu(x) - (x + 8)/2 + 4
    part = Part(([-(1 << 16)], [1 << 16]), {(1, 0): True})
    rules = Bounds(program, 16)
    rules.bound(part, ("interval",), {})
    row = [[1 << 16]], part, {}
    half = 1 << 15
    assert -half - 4 <= rules.rows(*row)[0] <= -half  # the box does not know that x >= 0
    assert -4 <= rules.rows(*row, {2: {0: half}})[0] <= 0
    assert rules.rows(*row, {2: {0: 3 * half}})[0] <= -half


def one_leaf(unsafe: list[Any], rows: list[Any]) -> dict[str, Any]:
    case = {"lower": [[0, 1]], "upper": [[1, 1]], "open": [], "unsafe": unsafe}
    claim = {"verdict": "verified", "semantics": "real", "cases": [case]}
    proof = {"precision": 16, "cases": [[["bounds", ["interval"]], ["leaf", [{"rows": rows}]]]]}
    return produce.certificate(simple(), claim, proof, "test", 0.0)


@pytest.mark.parametrize(
    ("bound", "strict", "accepted"),
    [(-3, True, True), (-3, False, False), (-2, True, False), (-4, False, True)],
)
def test_claims_are_exact_at_the_edge(bound: int, strict: bool, accepted: bool) -> None:
    """The largest y is 3/2: 2 y >= 3 happens, 2 y > 3 does not."""
    given = one_leaf([[{"terms": [[0, -2]], "bound": bound, "strict": strict}]], [[0, 1]])
    if accepted:
        assert check(given).leaves == 1
    else:
        with pytest.raises(Rejected, match="R9 refuted"):
            check(given)


def test_several_constraints_together_exclude_what_none_does_alone() -> None:
    """y <= x + 1/4 cannot be said of outputs alone: here y <= 1 and y >= 1 + 1/8 exclude each other."""
    unsafe = [
        [{"terms": [[0, 1]], "bound": 1, "strict": False}, {"terms": [[0, -8]], "bound": -9, "strict": False}]
    ]
    assert check(one_leaf(unsafe, [[0, 8], [1, 1]])).verdict == "verified"
    for rows in ([[0, 1]], [[1, 1]], [], [[0, 8], [1, -1]], [[0, 0], [1, 0]], [[2, 1]]):
        with pytest.raises(Rejected, match="R9 refuted"):
            check(one_leaf(unsafe, rows))


def test_an_alternative_without_constraints_is_never_excluded() -> None:
    with pytest.raises(Rejected, match="R9 refuted"):
        check(one_leaf([[]], []))


# ---- trees


@pytest.fixture(scope="module")
def certificate() -> dict[str, Any]:
    return of_a_tree()


def tokens_of(given: dict[str, Any]) -> list[Any]:
    found: list[Any] = given["proof"]["cases"][0]
    return found


def test_a_tree_is_accepted_and_every_part_of_it_is_needed(certificate: dict[str, Any]) -> None:
    assert check(certificate).leaves > 2
    for k in range(len(tokens_of(certificate))):
        less = copy.deepcopy(certificate)
        if tokens_of(less).pop(k)[0] in ("x", "leaf"):  # without other bounds it may still be a proof
            with pytest.raises(Rejected):
                check(less)


def test_a_split_outside_of_its_part_or_a_proof_too_many_is_rejected(certificate: dict[str, Any]) -> None:
    split = next(k for k, t in enumerate(tokens_of(certificate)) if t[0] == "x")
    for axis, place in ((0, 1 << 60), (0, -(1 << 60)), (3, 0), (-1, 0)):
        wrong = copy.deepcopy(certificate)
        tokens_of(wrong)[split] = ["x", axis, place]
        with pytest.raises(Rejected, match="R7 tree"):
            check(wrong)
    more = copy.deepcopy(certificate)
    tokens_of(more).append(["leaf", [{"rows": []}]])
    with pytest.raises(Rejected, match="proved already"):
        check(more)


def test_a_tree_of_phases_is_made_and_accepted() -> None:
    net = NETS["dense"]
    tree = Tree((Tree(), Tree((Tree(), Tree()), relu="a1", element=2)), relu="a0", element=1)
    found = proved(net, {**box(3, 1, 2), "unsafe": [at_least(0, 40)]}, tree)
    kinds = [t[0] for t in tokens_of(found)]
    assert kinds.count("z") == 2
    assert check(found).leaves >= 3
    wrong = copy.deepcopy(found)
    tokens_of(wrong).pop(kinds.index("z"))
    with pytest.raises(Rejected):
        check(wrong)


def test_slopes_are_choices_and_a_wrong_one_is_rejected() -> None:
    net = NETS["leaky"]
    found = proved(net, {**box(2, 1, 4), "unsafe": [at_least(0, 30)]})
    tokens = tokens_of(found)
    assert tokens[0][0] == "bounds"
    tokens[0] = ["bounds", ["forms", "rows"], {"a0": [[0, 1 << 15]], "a1": [[2, 1 << 14]]}]
    assert check(found).verdict == "verified"
    program = lower(net)
    part = Part(([-(1 << 24)] * 2, [1 << 24] * 2))
    rules = Bounds(program, 24)
    rules.bound(part, ("interval",), {})
    i = rules.relus["a0"]
    unsure = next(j for j in range(6) if part.low[i - 1][j] < 0 < part.high[i - 1][j])
    for slope in ((1 << 16) + 1, (3 << 11) - 1, -1):  # above 1, below alpha = 3/32, negative
        with pytest.raises(Rejected, match="R6 relu"):
            rules.lines(i, part, {unsure: slope})
    rules.lines(i, part, {unsure: 3 << 11})


# ---- counterexamples


def test_a_counterexample_is_replayed_exactly() -> None:
    found = check(falsified([[1, 3]]))
    assert found.verdict == "falsified"
    assert found.outputs == (Fraction(5, 6),)
    edge = [{"terms": [[0, -6]], "bound": -5, "strict": False}]
    assert check(falsified([[1, 3]], unsafe=[edge])).outputs == (Fraction(5, 6),)
    for wrong in (
        falsified([[1, 2]]),
        falsified([[1, 3]], open=[[0, 1]]),
        falsified([[0, 1]], open=[[0, -1]]),
        falsified([[1, 3]], unsafe=[[{**edge[0], "strict": True}]]),
        falsified([[1, 3]], unsafe=[at_least(0, 1)]),
    ):
        with pytest.raises(Rejected, match="R10 replay"):
            check(wrong)


def test_exact_values_are_those_of_the_engine() -> None:
    """An independent evaluation: the engine's rationals."""
    model = wb.examples.toy()
    program = lower(produce.network_of(model.graph))
    x = tuple(Fraction(k, 3) for k in range(1, 1 + program.steps[0].size))
    import flint

    given = np.array([flint.fmpq(v.numerator, v.denominator) for v in x], dtype=object)
    shape = model.graph[model.graph.inputs[0]].shape
    values = exact_run(model.plan, {model.graph.inputs[0]: given.reshape(1, *shape)})
    y = [Fraction(int(v.p), int(v.q)) for v in values[model.graph.outputs[0]].reshape(-1)]
    assert tuple(y) == exactly(program, x)


# ---- the network of a file


@pytest.mark.parametrize("name", ["digits", "digits_conv", "toy"])
def test_the_reader_of_onnx_files_agrees_with_the_engine(name: str) -> None:
    """Two readers that share nothing find the same program."""
    file = Path(str(wb.examples.path(name)))
    mine = onnx_file.read(file.read_bytes())
    own = produce.network_of(wb.load(file).graph, mine["sha256"])
    assert lower(mine) == lower(own)


@pytest.mark.bench
@pytest.mark.parametrize(
    "name", ["acasxu_2023/onnx/ACASXU_run2a_1_1_batch_2000.onnx", "mnist_fc/onnx/mnist-net_256x2.onnx"]
)
def test_the_reader_agrees_on_networks_of_competitions(name: str) -> None:
    file = BENCH / name
    if not file.is_file():
        pytest.skip("no reference networks here")
    assert lower(onnx_file.read(file.read_bytes())) == lower(produce.network_of(wb.load(file).graph))


def test_another_network_is_named() -> None:
    file = Path(str(wb.examples.path("toy")))
    mine = onnx_file.read(file.read_bytes())
    program = lower(mine)
    n, m = program.steps[0].size, program.steps[program.output].size
    case = {**box(n, 1, 1), "unsafe": [at_least(m - 1, 10**6)]}
    found = proved(mine, case)
    assert check(found, network=mine).compared
    name = next(k for k, t in mine["tensors"].items() if len(t["data"]) > 1)
    changed = copy.deepcopy(found)
    changed["network"]["tensors"][name]["data"][0] += 1
    with pytest.raises(Rejected, match=r"network: .* differs from the file's"):
        check(changed, network=mine)
    with pytest.raises(Rejected, match="SHA-256"):
        check(found, network={**mine, "sha256": "1" * 64})


@pytest.mark.parametrize("part", [0.0, 0.01, 0.1, 0.5, 0.9])
def test_a_damaged_onnx_file_is_rejected(part: float) -> None:
    data = Path(str(wb.examples.path("toy"))).read_bytes()
    with pytest.raises((Rejected, CannotCheck)):
        lower(onnx_file.read(data[: int(part * len(data))]))


@pytest.mark.parametrize("op", ["Softmax", "LSTM"])
def test_an_operator_without_an_exact_rule_is_refused_by_name(op: str) -> None:
    net = network([1, 1], [node(op, ["x"], "y")], {})
    with pytest.raises(CannotCheck, match=op):
        lower(net)


def test_steps_mean_what_numpy_computes() -> None:
    """The convolution, its sum and the dense layer, against the engine's own ONNX semantics in floats (exact here)."""
    program = lower(NETS["convolution"])
    net = NETS["convolution"]
    from workbench.semantics import real
    from workbench.semantics.plan import plan_of

    graph = graph_of(net)
    x = tuple(Fraction(k % 7 - 3, 4) for k in range(50))
    run = real.run(plan_of(graph), {"x": np.array([float(v) for v in x]).reshape(1, 1, 2, 5, 5)})
    for step, value in zip(program.steps, every_value(program, x), strict=True):
        assert [float(v) for v in value] == run[step.name].reshape(-1).tolist()
