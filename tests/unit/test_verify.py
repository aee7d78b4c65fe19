"""Branch and bound: what it decides, what it keeps, and how it stops."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import workbench.ops  # noqa: F401
from tests.networks import relu_network
from workbench.graph import Graph, Node
from workbench.methods import branch
from workbench.methods.chain import chain_of, product
from workbench.methods.clip import clip, contract
from workbench.methods.crown import crown
from workbench.methods.dense import bound, fresh
from workbench.methods.progress import Cancelled, Progress
from workbench.region import Region
from workbench.semantics import exact
from workbench.semantics.plan import infer, plan_of
from workbench.spec import Constraint, Disjunction

BENCH = Path(__file__).resolve().parents[3] / "shared" / "bench" / "acasxu_2023"


def network(seed: int = 0, sizes: tuple[int, ...] = (3, 12, 12, 2)) -> Graph:
    return relu_network(np.random.default_rng(seed), sizes)


def square(count: int = 3, radius: float = 1.0) -> Region:
    return Region(np.full((1, 1, count), -radius), np.full((1, 1, count), radius))


def below(value: float, *row: float) -> Disjunction:
    return ((Constraint(tuple(Fraction(v) for v in row), Fraction(value)),),)


def least(graph: Graph, region: Region, row: np.ndarray) -> float:
    chain = chain_of(plan_of(graph))
    assert chain is not None
    return float((chain.run(region.sample(20000).reshape(20000, -1)) @ row).min())


@pytest.mark.parametrize("narrow", [16, -1], ids=["inputs", "signs"])
def test_what_is_far_from_true_is_verified_and_what_is_true_falsified(
    narrow: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(branch, "NARROW", narrow)
    graph, region = network(), square()
    plan = plan_of(graph)
    lowest = least(graph, region, np.array([1.0, 0.0]))
    found = branch.verify(plan, region, below(lowest - 0.5, 1, 0), timeout=30)
    assert found.status == "verified"
    assert found.leaves > 1
    found = branch.verify(plan, region, below(lowest + 0.1, 1, 0), timeout=30)
    assert found.status == "falsified"
    assert found.candidate is not None
    assert (np.abs(found.candidate) <= 1).all()


def test_proved_boxes_cover_the_region() -> None:
    """Every sampled input lies in a box that is proved whole, or in what a cut took away."""
    graph, region = network(1), square()
    lowest = least(graph, region, np.array([1.0, 0.0]))
    found = branch.verify(plan_of(graph), region, below(lowest - 0.3, 1, 0), timeout=30)
    assert found.status == "verified"
    assert found.tree is not None
    assert found.tree.done == pytest.approx(1.0)
    x = np.random.default_rng(0).uniform(-1, 1, (500, 3))
    covered = np.zeros(500, bool)
    for part in found.tree.proved:
        for b in range(len(part.lower)):
            inside = ((x >= part.lower[b]) & (x <= part.upper[b])).all(axis=1)
            if part.cut_lower is not None and part.cut_upper is not None:
                inside &= ~((x >= part.cut_lower[b]) & (x <= part.cut_upper[b])).all(axis=1)
            covered |= inside
    assert covered.all()


@pytest.mark.parametrize("narrow", [16, -1], ids=["inputs", "signs"])
def test_a_search_that_was_stopped_goes_on_where_it_was(narrow: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(branch, "NARROW", narrow)
    graph, region = network(2), square()
    plan, lowest = plan_of(graph), least(graph, region, np.array([1.0, 0.0]))
    spec = below(lowest - 0.2, 1, 0)
    calls = 0

    def stop(share: float, words: str) -> None:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise Cancelled

    first = branch.verify(plan, region, spec, progress=stop)
    assert first.status == "unknown"
    assert first.interrupted
    assert "interrupted" in first.reason
    assert first.tree is not None
    assert first.tree.count
    before = first.tree.visited
    second = branch.verify(plan, region, spec, timeout=60, tree=first.tree)
    assert second.status == "verified"
    assert second.visited > before
    whole = branch.verify(plan, region, spec, timeout=60)
    assert whole.visited == second.visited


def test_a_tree_of_another_question_is_refused() -> None:
    graph, region = network(2), square()
    first = branch.verify(plan_of(graph), region, below(-100.0, 1, 0))
    with pytest.raises(ValueError, match="another network, region or property"):
        branch.verify(plan_of(graph), region, below(-99.0, 1, 0), tree=first.tree)


def test_no_time_leaves_unknown_and_a_bound() -> None:
    found = branch.verify(plan_of(network()), square(), below(0.0, 1, 0), timeout=0.0)
    assert found.status == "unknown"
    assert found.timed_out
    assert found.bound == -np.inf


def test_it_is_deterministic() -> None:
    graph, region = network(3), square()
    spec = below(least(graph, region, np.array([1.0, 0.0])) - 0.3, 1, 0)
    one, two = (branch.verify(plan_of(graph), region, spec, timeout=60, seed=1) for _ in range(2))
    assert (one.status, one.visited, one.leaves) == (two.status, two.visited, two.leaves)


def test_an_alternative_without_constraints_always_happens() -> None:
    found = branch.verify(plan_of(network()), square(), ((),), timeout=5)
    assert found.status == "falsified"


def test_no_alternative_never_happens() -> None:
    assert branch.verify(plan_of(network()), square(), ()).status == "verified"


def test_several_alternatives_must_all_be_excluded() -> None:
    graph, region = network(4), square()
    plan = plan_of(graph)
    no = below(least(graph, region, np.array([1.0, 0.0])) - 0.5, 1, 0)
    yes = below(least(graph, region, np.array([0.0, 1.0])) + 0.2, 0, 1)
    assert branch.verify(plan, region, (*no, *yes), timeout=30).status == "falsified"
    both = (no[0] + yes[0],)  # together they cannot happen
    assert branch.verify(plan, region, both, timeout=30).status == "verified"


def test_coefficients_that_are_no_floats_are_accounted_for() -> None:
    graph, region = network(5), square()
    third = Fraction(1, 3)
    lowest = least(graph, region, np.array([float(third), 0.0]))
    spec = ((Constraint((third, Fraction(0)), Fraction(lowest) - Fraction(1, 5)),),)
    assert branch.verify(plan_of(graph), region, spec, timeout=30).status == "verified"


def test_batches_and_regions_of_other_semantics_are_refused() -> None:
    two = Region(np.zeros((2, 1, 3)), np.ones((2, 1, 3)))
    with pytest.raises(ValueError, match="one region"):
        branch.verify(plan_of(network()), two, below(0.0, 1, 0))
    with pytest.raises(ValueError, match="real arithmetic"):
        branch.verify(plan_of(network()), square(), below(0.0, 1, 0), semantics="binary32")


@pytest.mark.parametrize("seed", range(6))
def test_dense_bounds_are_those_of_the_general_walk(seed: int) -> None:
    """Not tighter than the same mathematics allows, and hardly looser: charges differ in the last digits only."""
    rng = np.random.default_rng(seed)
    plan = plan_of(relu_network(rng, (4, 10, 9, 8, 3), scale=0.7))
    chain = chain_of(plan)
    assert chain is not None
    centre = rng.normal(size=(5, 4))
    rows = rng.normal(size=(2, 3))
    found = bound(chain, fresh(chain, centre - 0.1, centre + 0.1), rows, np.ones((5, 2), bool))
    one = crown(plan, {"x": Region(centre[:, None] - 0.1, centre[:, None] + 0.1)}, rows=rows.reshape(2, 1, 3))
    assert one.margins is not None
    assert (found.lower.reshape(5, 2) <= one.margins * 1 + 1e-8 + 0.02 * np.abs(one.margins)).all()
    np.testing.assert_allclose(found.lower.reshape(5, 2), one.margins, rtol=0.05, atol=0.05)


def test_a_network_with_a_second_branch_is_no_chain() -> None:
    assert chain_of(plan_of(relu_network(np.random.default_rng(0), (3, 4, 2), products=True))) is None


def test_products_in_pieces_are_products() -> None:
    rng = np.random.default_rng(0)
    for count in (1, 100, 104, 105, 1000):
        a, w = rng.normal(size=(count, 50)), rng.normal(size=(50, 50))
        np.testing.assert_allclose(product(a, w), a @ w, rtol=1e-12, atol=1e-12)


def test_clipping_keeps_every_point_that_satisfies_the_constraints() -> None:
    rng = np.random.default_rng(0)
    lower, upper = -rng.random((50, 3)), rng.random((50, 3))
    a, c = rng.normal(size=(50, 2, 3)), rng.normal(size=(50, 2))
    limits = np.array([0.1, -0.2])
    groups = (np.array([0, 1]), np.array([1]))
    low, high, alive = clip(lower, upper, a, c, limits, groups, np.ones((50, 2), bool))
    x = lower + (upper - lower) * rng.random((2000, 50, 3))
    holds = np.einsum("brn,sbn->sbr", a, x) + c <= limits
    possible = holds.all(axis=2), holds[:, :, 1]
    for k in (0, 1):
        assert not (possible[k] & ~alive[:, k]).any()
        assert ((x >= low) & (x <= high)).all(axis=2)[possible[k]].all()
    assert (low > lower).any()
    assert (high < upper).any()


def test_what_is_not_a_number_cuts_nothing() -> None:
    lower, upper = np.zeros((1, 2)), np.ones((1, 2))
    for a, c in (([np.nan, 1.0], 0.0), ([np.inf, -np.inf], 0.0), ([1.0, 1.0], np.nan), ([1.0, 1.0], -np.inf)):
        low, high = contract(lower, upper, np.array([a]), np.array([c]), 0.5)
        assert (low == lower).all()
        assert (high >= 0.5).all()


def thin(seed: int, ulps: int, free: tuple[int, ...] = (0, 1, 2)) -> Region:
    """Some inputs so many float64 numbers wide, the others points."""
    lower = np.random.default_rng(seed).normal(size=(1, 1, 3)).astype(np.float32).astype(np.float64)
    upper = lower.copy()
    for _ in range(ulps):
        upper[..., list(free)] = np.nextafter(upper[..., list(free)], np.inf)
    return Region(lower, upper)


def exact_at(graph: Graph, x: np.ndarray) -> Fraction:
    value = exact.run(plan_of(graph), {"x": x.reshape(1, 1, 3)})[graph.outputs[0]].ravel()[0]
    return Fraction(int(value.p), int(value.q))


@pytest.mark.parametrize("seed", range(6))
def test_a_point_is_decided_exactly_and_at_once(seed: int) -> None:
    """At the very value, and a hair beside it: no bound in floats tells these apart."""
    graph, region = network(seed), thin(seed, 0)
    plan, value = plan_of(graph), exact_at(graph, region.lower)
    hair = abs(value) / 2**400
    for limit, strict, want in (
        (value, False, "falsified"),
        (value, True, "verified"),
        (value - hair, False, "verified"),
        (value + hair, True, "falsified"),
    ):
        spec = ((Constraint((Fraction(1), Fraction(0)), limit, strict),),)
        found = branch.verify(plan, region, spec, progress=at_most(3))
        assert found.status == want, (limit, strict)
        assert found.visited <= 1


def at_most(batches: int) -> Progress:
    left = batches

    def count(share: float, words: str) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise AssertionError("it goes on splitting")

    return count


@pytest.mark.parametrize("ulps", [1, 2])
@pytest.mark.parametrize("free", [(0,), (0, 2), (0, 1, 2)])
def test_neighbouring_floats_are_decided_exactly(ulps: int, free: tuple[int, ...]) -> None:
    """The network is affine there: its least value is at a corner, and is found to the last digit."""
    for seed in range(4):
        graph, region = network(seed), thin(seed, ulps, free)
        plan = plan_of(graph)
        ends = [region.lower.ravel(), region.upper.ravel()]
        corners = [np.array([ends[c >> i & 1][i] for i in range(3)]) for c in range(8)]
        lowest = min(exact_at(graph, x) for x in corners)
        hair = abs(lowest) / 2**400
        for limit, strict, want in ((lowest, True, "verified"), (lowest - hair, False, "verified")):
            spec = ((Constraint((Fraction(1), Fraction(0)), limit, strict),),)
            found = branch.verify(plan, region, spec, progress=at_most(60))
            assert found.status == want, (seed, limit)
        # at the corner itself, which no float32 network can be given: said not to be decided, and never "verified"
        spec = ((Constraint((Fraction(1), Fraction(0)), lowest),),)
        found = branch.verify(plan, region, spec, progress=at_most(60))
        assert found.status in ("unknown", "falsified")
        if found.status == "unknown":
            assert "no float lies between" in found.reason


def test_an_open_sign_between_neighbours_is_unknown_at_once() -> None:
    """|x - 1 - 2^-53| is 0 between two floats alone; nothing is claimed."""
    weights = {
        "one": np.array([[-1.0]]),
        "w": np.array([[1.0, -1.0]]),
        "b": np.array([-(2.0**-53), 2.0**-53]),
        "v": np.array([[1.0], [1.0]]),
    }
    nodes = [
        Node("x", "Input", (), {}, (1, 1), "float64"),
        Node("a", "Add", ("x", "one")),
        Node("m", "MatMul", ("a", "w")),
        Node("z", "Add", ("m", "b")),
        Node("r", "Relu", ("z",)),
        Node("y", "MatMul", ("r", "v")),
    ]
    plan = plan_of(Graph(infer(nodes, weights), ("y",), weights))
    region = Region(np.ones((1, 1, 1)), np.full((1, 1, 1), 1 + 2.0**-52))
    for strict in (True, False):
        spec = ((Constraint((Fraction(1),), Fraction(0), strict),),)
        found = branch.verify(plan, region, spec, progress=at_most(5))
        assert found.status == "unknown"
        assert "no float lies between" in found.reason


@pytest.mark.parametrize(
    ("net", "number", "want"),
    [("1_1", 1, "verified"), ("5_5", 2, "falsified"), ("3_3", 3, "verified"), ("5_1", 4, "verified")],
)
def test_acas(net: str, number: int, want: str) -> None:
    file = BENCH / f"onnx/ACASXU_run2a_{net}_batch_2000.onnx"
    if not file.is_file():
        pytest.skip("the benchmark folder ../shared/bench is not here")
    from workbench.io import vnnlib
    from workbench.io.onnx import load

    plan = plan_of(load(file))
    (case,) = vnnlib.load(BENCH / f"vnnlib/prop_{number}.vnnlib").cases
    region = case.region.reshape(plan.graph[plan.graph.inputs[0]].shape)
    assert branch.verify(plan, region, case.unsafe, timeout=60).status == want
