"""Errors in balls behind unknown slopes, and stored numbers that are known: sharper, and still true."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

import workbench.ops  # noqa: F401  (registers the operators)
from networks import relu_network
from workbench.floats.program import Semantics
from workbench.graph import Array, Graph, Node
from workbench.methods import errorwalk
from workbench.methods.crown import crown
from workbench.methods.rounding import rounding
from workbench.methods.spheres import Kept, Sphere, norm
from workbench.region import ball
from workbench.semantics import ieee, real
from workbench.semantics.plan import Plan, infer, plan_of

ORDERS = ("sequential", "reversed", "pairwise", "adversarial", "random")


def deep(seed: int, activation: str, n: int = 24, layers: int = 3) -> Plan:
    rng = np.random.default_rng(seed)
    nodes, weights, last = [Node("x", "Input", shape=(1, n))], {}, "x"
    for k in range(layers):
        weights[f"w{k}"] = (rng.normal(size=(n, n)) * 1.4 / np.sqrt(n)).astype(np.float32)
        weights[f"b{k}"] = (rng.normal(size=n) * 0.3).astype(np.float32)
        nodes.append(Node(f"z{k}", "Gemm", (last, f"w{k}", f"b{k}")))
        nodes.append(Node(f"a{k}", activation, (f"z{k}",)))
        last = f"a{k}"
    weights["w"] = rng.normal(size=(n, 3)).astype(np.float32)
    nodes.append(Node("y", "MatMul", (last, "w")))
    return plan_of(Graph(infer(nodes, weights), ("y",), weights))


def worst(plan: Plan, points: Array, program: str | Semantics) -> dict[str, Array]:
    """The largest error of every node over points and orders; float64 stands for the reals."""
    truth = real.run(plan, {"x": points}, np.float64)
    found: dict[str, Array] = {}
    for order in ORDERS:
        values = ieee.run(plan, {"x": points}, program, order, 3)
        for name in (s.node.name for s in plan.steps):
            error = np.abs(values[name].astype(np.float64) - truth[name]).max(axis=0)
            found[name] = np.maximum(found.get(name, 0.0), error)
    return found


@pytest.mark.parametrize("activation", ["Relu", "Sigmoid", "Tanh"])
@pytest.mark.parametrize("program", ["binary32", "bfloat16"])
def test_errors_in_a_ball_are_smaller_and_hold(
    activation: str, program: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = deep(1, activation)
    region = ball(np.random.default_rng(2).normal(size=(1, 24)).astype(np.float32), eps=0.15)
    before = crown(plan, {"x": region}, neurons="all")
    found = rounding(plan, before, program)
    monkeypatch.setattr(errorwalk, "FEWEST", 10**9)
    plain = rounding(plan, before, program)
    assert all((found[n] <= plain[n] * (1 + 1e-9)).all() for n in found)
    if activation == "Relu":
        assert found.output.max() < 0.95 * plain.output.max()
    seen = worst(plan, region.sample(40).reshape(-1, 1, 24).astype(np.float32), program)
    for name, error in seen.items():
        assert (error <= found[name][0] * (1 + 1e-9) + 1e-13).all(), name


def test_the_norm_is_above_every_corner_and_below_the_boxes() -> None:
    rng = np.random.default_rng(0)
    m, box, w = rng.normal(size=(30, 8)), rng.random(8), rng.random(30)
    kept = Kept(30)
    kept.take(np.arange(30), "v", False, m)
    none = np.zeros(30)
    found = norm(kept, w, none, {("v", False): box}, {}, {})
    corners = np.array(list(product((-1, 1), repeat=8))) * box
    most = np.sqrt((w * (corners @ m.T) ** 2).sum(axis=1).max())
    naive = np.sqrt((w * (np.abs(m) @ box) ** 2).sum())
    assert most <= found < 0.8 * naive
    # a part in a ball: no point of it is beyond either
    scale = rng.random(8)
    sphere = Sphere(0.2 * box, 0.8 * box, scale, 0.1)
    inner = norm(kept, w, none, {("v", False): box}, {}, {"v": sphere})
    assert inner <= found * (1 + 1e-12)
    z = rng.normal(size=(4000, 8))
    q = np.clip(0.1 * scale * z / np.linalg.norm(z, axis=1)[:, None], -0.8 * box, 0.8 * box)
    p = rng.choice((-1.0, 1.0), size=q.shape) * 0.2 * box
    assert np.sqrt((w * ((p + q) @ m.T) ** 2).sum(axis=1)).max() <= inner
    rows = rng.normal(size=(5, 8))
    assert (np.abs(q @ rows.T).max(axis=0) <= sphere.charge(rows)).all()


@pytest.mark.parametrize("program", ["bfloat16", "binary16"])
def test_at_a_point_the_stored_numbers_are_known(program: str) -> None:
    """Sums are known far better than 16 bits hold, so that the bound is nearly what is seen."""
    ratios = []
    for seed in range(6):
        plan = plan_of(relu_network(np.random.default_rng(seed), (12, 16, 16, 4), scale=0.6))
        shape = plan.graph["x"].shape
        x = np.random.default_rng(50 + seed).normal(size=shape)
        before = crown(plan, {"x": ball(x, eps=0.0)}, neurons="all")
        found = rounding(plan, before, program)
        seen = worst(plan, x[None], program)
        name = plan.graph.outputs[0]
        for n, error in seen.items():
            assert (error <= found[n][0] * (1 + 1e-12) + 1e-14).all(), n
        ratios.append(float(found[name].max() / seen[name].max()))
    assert np.median(ratios) < 1.5, ratios


def test_an_overflow_stays_one_where_stored_numbers_are_known() -> None:
    nodes = [Node("x", "Input", shape=(1, 1)), Node("y", "Add", ("x", "c"))]
    c = np.array([[60000.0]], np.float32)
    plan = plan_of(Graph(infer(nodes, {"c": c}), ("y",), {"c": c}))
    before = crown(plan, {"x": ball(np.full((1, 1), 60000.0), eps=0.0)}, neurons="all")
    found = rounding(plan, before, "binary16")
    assert np.isinf(found.output).all()
    assert found.overflow == ("y",)
