"""Splitting the ranges of nonlinear operands: proofs where one bound is not enough, and nothing false."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import workbench.ops  # noqa: F401
from tests.laws.test_engine import at_most
from workbench.graph import Array, Graph, Node
from workbench.methods import branch, treefile
from workbench.methods.crown import crown
from workbench.methods.curves import CurveSplitting
from workbench.methods.halfspaces import Halfspaces
from workbench.methods.progress import Cancelled
from workbench.methods.scene import scene_of
from workbench.methods.tree import Ranges, Tree
from workbench.methods.treefile import TreeFileError
from workbench.region import Region, ball
from workbench.semantics.plan import Plan, infer, plan_of
from workbench.semantics.real import run

KINDS = ("Sigmoid", "Tanh", "Gate", "Gelu", "Mixed", "Mul")
INPUTS = 18


def network(seed: int, kind: str, hidden: int = 8) -> Plan:
    rng = np.random.default_rng([seed, KINDS.index(kind)])
    weights: dict[str, Array] = {}
    nodes, x, n = [Node("x", "Input", shape=(1, INPUTS))], "x", INPUTS
    for k in range(2):
        weights[f"w{k}"] = (rng.normal(size=(n, hidden)) * 1.2 / np.sqrt(n)).astype(np.float32)
        weights[f"b{k}"] = (0.3 * rng.normal(size=hidden)).astype(np.float32)
        nodes.append(Node(f"z{k}", "Gemm", (x, f"w{k}", f"b{k}"), {}))
        if kind in ("Gate", "Mul"):
            nodes.append(Node(f"s{k}", "Sigmoid" if kind == "Gate" else "Tanh", (f"z{k}",), {}))
            nodes.append(Node(f"a{k}", "Mul", (f"z{k}", f"s{k}"), {}))
        else:
            nodes.append(Node(f"a{k}", ("Relu", "Sigmoid")[k] if kind == "Mixed" else kind, (f"z{k}",), {}))
        x, n = f"a{k}", hidden
    weights["w"] = rng.normal(size=(hidden, 2)).astype(np.float32)
    nodes.append(Node("y", "Gemm", (x, "w"), {}))
    return plan_of(Graph(infer(nodes, weights), ("y",), weights, kind))


def problem(seed: int, kind: str, eps: float = 0.25) -> tuple[Plan, Region, float, float]:
    """A network, a region, CROWN's bound of its first output there, and the least value of many inputs."""
    plan, rng = network(seed, kind), np.random.default_rng(seed)
    middle = rng.normal(size=(1, 1, INPUTS))
    region = Region(middle - eps, middle + eps)
    first = np.eye(2)[:1].reshape(1, 1, 2)
    bound = crown(plan, {"x": region}, rows=first).margins
    assert bound is not None
    x = middle[0] + eps * np.sign(rng.normal(size=(2000, 1, INPUTS)))
    return (
        plan,
        region,
        float(bound[0, 0]),
        float(run(plan, {"x": x}, np.float64)["y"].reshape(-1, 2)[:, 0].min()),
    )


@pytest.mark.parametrize("kind", KINDS)
def test_what_one_bound_does_not_prove(kind: str) -> None:
    plan, region, bound, sampled = problem(0, kind)
    wish = Fraction(bound + 0.4 * (sampled - bound))
    found = branch.verify(plan, region, at_most(wish), timeout=60)
    assert found.status == "verified"
    assert found.visited > 1
    assert found.tree is not None
    assert sum(len(p.lower) for p in found.tree.proved) == found.leaves
    assert found.tree.done == pytest.approx(1.0)


def stop_after(batches: int) -> branch.Progress:
    left = batches

    def told(share: float, words: str) -> None:
        nonlocal left
        left -= "parts" in words
        if left < 0:
            raise Cancelled

    return told


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_that_happens_is_called_impossible(kind: str) -> None:
    """Bounds of what is open stay below what was seen, and what was seen is never excluded."""
    for seed in range(2):
        plan, region, _, sampled = problem(seed, kind)
        found = branch.verify(plan, region, at_most(Fraction(sampled)), progress=stop_after(6))
        assert found.status != "verified", seed
        assert found.bound <= 0


@pytest.mark.parametrize("kind", KINDS)
def test_a_bound_with_any_multipliers_holds(kind: str) -> None:
    plan, region, _, _ = problem(1, kind)
    branch.curved(plan, region)
    first = dict(plan.memo["curves"])
    rng = np.random.default_rng(5)
    size = max(at + plan.graph[name].size for name, at in first.items())
    x = np.concatenate(
        [
            region.lower[0] + (region.upper - region.lower)[0] * rng.random((3000, 1, INPUTS)),
            region.sample(500),
        ]
    )
    values = run(plan, {"x": x}, np.float64)
    held = np.concatenate([values[name].reshape(len(x), -1) for name in first], axis=1)
    kept = crown(plan, {"x": region})
    index = np.array([[int(rng.integers(size)) for _ in range(3)] for _ in range(4)])
    place = np.median(held, axis=0)[index]
    above = rng.random(index.shape) < 0.5
    free = np.full(index.shape, np.inf)
    weight = 10.0 ** rng.uniform(-3, 1, index.shape)
    ranges = Ranges(index, np.where(above, place, -free), np.where(above, free, place), weight)
    rows = np.broadcast_to(np.array([1.0, -0.5]), (4, 1, 2))
    spaces = Halfspaces(scene_of(plan, region, kept.intervals), rows, ranges, first)
    for climbed in (False, True):
        if climbed:
            spaces.climb()
        least = spaces.least()
        for k in range(4):
            inside = np.ones(len(x), bool)
            for i, c, up in zip(index[k], place[k], above[k], strict=True):
                inside &= held[:, i] >= c if up else held[:, i] <= c
            seen = values["y"].reshape(-1, 2)[inside] @ np.array([1.0, -0.5])
            assert (least[k] <= seen).all()


def test_balls_are_searched_as_balls() -> None:
    """The ball is proved where its box holds inputs for which it is false."""
    plan = network(0, "Tanh")
    middle = np.random.default_rng(3).normal(size=(1, INPUTS))
    region = ball(middle, eps=0.6, norm=2).reshape((1, INPUTS))
    box = Region(region.lower, region.upper)
    whole = crown(plan, {"x": region}, rows=np.eye(2)[:1].reshape(1, 1, 2)).margins
    assert whole is not None
    corners = box.sample(4000)
    least = float(run(plan, {"x": corners}, np.float64)["y"].reshape(-1, 2)[:, 0].min())
    wish = max(float(whole[0, 0]) + 0.05, least + 1e-3)
    assert branch.verify(plan, region, at_most(Fraction(wish)), timeout=60).status == "verified"
    assert branch.verify(plan, box, at_most(Fraction(wish)), progress=stop_after(3)).status != "verified"


def test_it_goes_on_and_is_not_written(tmp_path: Path) -> None:
    plan, region, bound, sampled = problem(0, "Sigmoid")
    spec = at_most(Fraction(bound + 0.4 * (sampled - bound)))
    first = branch.verify(plan, region, spec, progress=stop_after(2))
    assert first.interrupted
    assert isinstance(first.tree, Tree)
    with pytest.raises(TreeFileError, match="ranges"):
        treefile.save(tmp_path / "tree", [first.tree])
    done = branch.verify(plan, region, spec, tree=first.tree, timeout=60)
    assert done.status == "verified"
    with pytest.raises(TreeFileError, match="ranges"):  # read back, its parts would be whole boxes
        treefile.save(tmp_path / "tree", [done.tree])
    assert isinstance(branch._Search(plan, region, spec, None).splitting, CurveSplitting)
