"""Rounding bounds of programs with an order, a mode, flushed subnormals, or another program for single nodes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import workbench.ops  # noqa: F401  (registers the operators)
from networks import relu_network
from workbench.floats.format import BFLOAT16, BINARY16, BINARY32, E4M3FN, E5M2, FORMATS
from workbench.floats.order import Blocked, Order, Tree
from workbench.floats.program import PROGRAMS, Semantics, Unbounded
from workbench.floats.rounding import MODES, Mode
from workbench.graph import Array, Graph, GraphError, Node
from workbench.methods.crown import crown
from workbench.methods.ibp import ibp
from workbench.methods.rounding import RoundingBounds, margin_errors, rounding
from workbench.methods.roundingbounds import Inputs
from workbench.region import Region, ball, box
from workbench.semantics import exact, ieee
from workbench.semantics.exact import rational
from workbench.semantics.plan import Plan, infer, plan_of

ONE = PROGRAMS["binary32"]
NARROW = Semantics("bfloat16 all through", BFLOAT16, BFLOAT16, BFLOAT16)
ORDERS: tuple[Order, ...] = ("sequential", "reversed", "pairwise", Blocked(3), Blocked(8))


def convolutional(rng: np.random.Generator) -> Plan:
    nodes = [
        Node("x", "Input", shape=(1, 2, 5, 5)),
        Node("c", "Conv", ("x", "k", "b"), {"pads": (1, 1, 1, 1)}),
        Node("r", "Relu", ("c",)),
        Node("f", "Flatten", ("r",)),
        Node("y", "Gemm", ("f", "w", "d")),
    ]
    weights = {
        "k": rng.normal(size=(3, 2, 3, 3)).astype(np.float32),
        "b": rng.normal(size=3).astype(np.float32),
        "w": (0.2 * rng.normal(size=(75, 4))).astype(np.float32),
        "d": rng.normal(size=4).astype(np.float32),
    }
    return plan_of(Graph(infer(nodes, weights), ("y",), weights))


def check(plan: Plan, found: RoundingBounds, points: Array) -> int:
    """The program itself, run bit by bit, against rationals; how many numbers were compared."""
    name = plan.graph.inputs[0]
    truth, values = exact.run(plan, {name: points}), ieee.run(plan, {name: points}, found.program)
    count = 0
    for key, bound in found.items():
        value, real, most = np.broadcast_arrays(values[key], truth[key], bound)
        for at in np.ndindex(value.shape):
            if np.isfinite(most[at]):
                count += 1
                error = abs(real[at] - rational(float(value[at])))
                assert error <= rational(float(most[at])), (key, at, float(error), float(most[at]))
    return count


def small(rng: np.random.Generator, eps: float = 0.05) -> tuple[Plan, dict[str, Region]]:
    plan = plan_of(relu_network(rng, (17, 12, 9, 3), scale=0.5))
    return plan, {"x": ball(rng.normal(size=17), eps).reshape(plan.graph["x"].shape)}


@pytest.mark.parametrize("order", ORDERS, ids=str)
@pytest.mark.parametrize("program", [*PROGRAMS.values(), NARROW], ids=lambda p: p.name)
def test_named_orders(program: Semantics, order: Order) -> None:
    rng = np.random.default_rng(3)
    for plan in (small(rng)[0], convolutional(rng)):
        shape = plan.graph["x"].shape
        for eps in (0.0, 0.03):
            regions = {"x": ball(rng.normal(size=shape), eps)}
            before = crown(plan, regions, neurons="all")
            found = rounding(plan, before, replace(program, order=order, fma="never"))
            anyhow = rounding(plan, before, program)
            assert not found.overflow and found.order == str(order)
            assert check(plan, found, regions["x"].sample(4)) > 60
            for name in found:
                assert (found[name] <= anyhow[name] * (1 + 1e-9)).all(), name
            if program is ONE or program is NARROW:
                assert found.output.max() < 0.9 * anyhow.output.max()
            assert any(f"in the order {order}" in a for a in found.assumptions)


@pytest.mark.parametrize("order", ["sequential", "reversed"])
def test_fused_products_round_once(order: Order) -> None:
    rng = np.random.default_rng(4)
    plan, regions = small(rng)
    before = crown(plan, regions, neurons="all")
    fused = rounding(plan, before, replace(ONE, order=order, fma="always"))
    apart = rounding(plan, before, replace(ONE, order=order, fma="never"))
    check(plan, fused, regions["x"].sample(6))
    assert (fused.local["m0"] < apart.local["m0"]).all()


def test_parentheses_that_are_written_out() -> None:
    """((0 1) (2 3)): two sums of two and one of two; the bound of one input point is that of three roundings."""
    nodes = [Node("x", "Input", shape=(1, 4)), Node("y", "MatMul", ("x", "w"))]
    w = np.ones((4, 1), np.float32)
    plan = plan_of(Graph(infer(nodes, {"w": w}), ("y",), {"w": w}))
    point = np.array([[1.0, 1.0, -1.0, -1.0]])
    before = ibp(plan, {"x": box(point, point)})
    tree = rounding(plan, before, replace(ONE, order=Tree(((0, 2), (1, 3))), fma="always"))
    flat = rounding(plan, before, replace(ONE, order="sequential", fma="always"))
    u = BINARY32.unit
    # a sum of parentheses cannot be fused: every product is rounded
    assert tree.output.max() < 4.001 * u, "1 - 1 and 1 - 1: nothing to lose but the products"
    assert 3 * u <= flat.output.max() < 6.1 * u, "1 + 1 = 2, then 1, then 0"
    with pytest.raises(GraphError, match=r"'y'.*leaves"):
        rounding(plan, before, replace(ONE, order=Tree((0, 1, 2))))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("inputs", ["rounded", "exact"])
def test_modes_of_rounding(mode: Mode, inputs: Inputs) -> None:
    rng = np.random.default_rng(5)
    for plan in (small(rng)[0], convolutional(rng)):
        shape = plan.graph["x"].shape
        regions = {"x": ball(rng.normal(size=shape), 0.02)}
        before = crown(plan, regions, neurons="all")
        nearest = rounding(plan, before, NARROW, inputs=inputs)
        for base in (ONE, NARROW, PROGRAMS["binary16"]):
            program = replace(base, mode=mode)
            for order in ("any", "reversed"):
                found = rounding(plan, before, replace(program, order=order))
                assert check(plan, found, regions["x"].sample(3)) > 60
        directed = rounding(plan, before, replace(NARROW, mode=mode), inputs=inputs)
        ratio = directed.output.max() / nearest.output.max()
        assert ratio == pytest.approx(1.0) if mode.startswith("nearest") else 1.5 < ratio < 6


@pytest.mark.parametrize("mode", ["nearest-even", "up", "toward-zero"])
def test_flushed_subnormals(mode: Mode) -> None:
    """Numbers near the smallest normal one: with gradual underflow their sums are exact, here they may vanish."""
    rng = np.random.default_rng(6)
    tiny = Semantics("tiny", BINARY16, BINARY16, BINARY16)
    abrupt = replace(BINARY16, name="abrupt", subnormals=False)
    for scale in (1.0, 2.0**-10, 2.0**-13):
        plan = plan_of(relu_network(rng, (9, 8, 3), scale=0.5))
        centre = scale * rng.normal(size=plan.graph["x"].shape)
        regions = {"x": ball(centre, 0.05 * scale)}
        before = ibp(plan, regions)
        for order in ("any", "sequential", "pairwise"):
            for base in (tiny, Semantics("abrupt", abrupt, abrupt, abrupt)):
                found = rounding(plan, before, replace(base, mode=mode, subnormals="flush", order=order))
                assert check(plan, found, regions["x"].sample(8)) > 40
    gradual = rounding(plan, before, replace(tiny, mode=mode))
    assert (found.local["m0"] > gradual.local["m0"]).any()


def test_flushing_is_refused_where_no_proof_covers_it() -> None:
    nodes = [Node("x", "Input", shape=(1, 4)), Node("y", "ReduceMean", ("x",), {"axes": (1,)})]
    plan = plan_of(Graph(infer(nodes, {}), ("y",)))
    before = ibp(plan, {"x": ball(np.ones((1, 4)), 0.1)})
    with pytest.raises(Unbounded, match="mean"):
        rounding(plan, before, replace(ONE, subnormals="flush"))


@pytest.mark.parametrize("seed", range(4))
def test_other_programs_for_single_nodes(seed: int) -> None:
    """Every mixture of formats, orders and modes: what one node stored, another one reads."""
    rng = np.random.default_rng(seed)
    pool = [
        ONE,
        NARROW,
        PROGRAMS["bfloat16"],
        PROGRAMS["binary16"],
        replace(NARROW, name="up", mode="up"),
        replace(ONE, name="pairs", order="pairwise", fma="never"),
        Semantics("e4m3", E4M3FN, E4M3FN, BINARY32),
        Semantics("e5m2", E5M2, E5M2, BINARY16),
        Semantics("wide", BINARY32, FORMATS["tf32"], BINARY32),
    ]
    for plan in (small(rng)[0], convolutional(rng)):
        shape = plan.graph["x"].shape
        regions = {"x": ball(rng.normal(size=shape), 0.02)}
        before = crown(plan, regions, neurons="all")
        for _ in range(4):
            names = [n.name for n in plan.graph.nodes]
            nodes = {n: pool[int(rng.integers(len(pool)))] for n in names if rng.random() < 0.7}
            program = replace(pool[int(rng.integers(4))], nodes=nodes)
            found = rounding(plan, before, program)
            check(plan, found, regions["x"].sample(4))
            assert np.isfinite(found.output).all() or found.overflow
        finer = rounding(plan, before, replace(NARROW, nodes=dict.fromkeys(names, ONE)))
        assert (finer.output < 0.01 * rounding(plan, before, NARROW).output).all()


def test_saturation_is_not_taken_for_a_value() -> None:
    """448 where 1000 was meant: no bound, though the number is finite."""
    nodes = [Node("x", "Input", shape=(1, 1)), Node("y", "Add", ("x", "c"))]
    c = np.array([[300.0]], np.float32)
    plan = plan_of(Graph(infer(nodes, {"c": c}), ("y",), {"c": c}))
    program = Semantics("e4m3", E4M3FN, E4M3FN, BINARY32, overflow="saturate")
    found = rounding(plan, ibp(plan, {"x": box(np.full((1, 1), 1.0), np.full((1, 1), 200.0))}), program)
    assert np.isinf(found.output).all() and found.overflow == ("y",)
    found = rounding(plan, ibp(plan, {"x": box(np.full((1, 1), 1.0), np.full((1, 1), 100.0))}), program)
    assert check(plan, found, np.array([[[1.0]], [[50.0]], [[99.0]]])) == 6


@pytest.mark.parametrize("program", ["binary32", "bfloat16", "binary16"])
def test_margins(program: str) -> None:
    """Rows of the output against rationals; no wider than both bounds together, narrower where those share errors."""
    rng = np.random.default_rng(8)
    narrower = 0
    for plan in (small(rng)[0], convolutional(rng)):
        size = plan.graph["y" if "y" in plan.graph.by_name else plan.graph.outputs[0]].size
        shape = plan.graph[plan.graph.outputs[0]].shape
        rows = np.concatenate([np.eye(size) - np.roll(np.eye(size), 1, axis=1), np.eye(size)])
        regions = {"x": ball(rng.normal(size=plan.graph["x"].shape), 0.02)}
        before = crown(plan, regions, neurons="all")
        whole = rounding(plan, before, program)
        e = whole.output.reshape(-1)
        for correlate in ("needed", "outputs", "none", "all"):
            found = margin_errors(plan, before, program, rows.reshape(-1, *shape), correlate=correlate)
            assert found.shape == (1, 2 * size)
            points = regions["x"].sample(5)
            truth = exact.run(plan, {"x": points})[plan.graph.outputs[0]].reshape(len(points), -1)
            for order in ("sequential", "reversed", "pairwise", "adversarial", "random", "fma"):
                value = ieee.run(plan, {"x": points}, program, order)[plan.graph.outputs[0]]
                for s, row in np.ndindex(len(points), 2 * size):
                    apart = sum(
                        (
                            rational(c) * (rational(float(v)) - t)
                            for c, v, t in zip(rows[row], value[s].reshape(-1), truth[s], strict=True)
                        ),
                        rational(0.0),
                    )
                    assert abs(apart) <= rational(float(found[0, row]))
        both = np.abs(rows) @ e
        best = whole.rows(rows.reshape(-1, *shape))[0]
        assert (best <= both * (1 + 1e-9)).all()
        narrower += int((best[:size] < 0.9 * both[:size]).sum())
    assert narrower
    with pytest.raises(ValueError, match="rows of"):
        whole.rows(np.ones((2, size + 1)))


def test_a_margin_of_what_may_overflow_is_infinite() -> None:
    nodes = [Node("x", "Input", shape=(1, 2)), Node("y", "MatMul", ("x", "w"))]
    w = np.array([[3e4, 1.0], [3e4, 1.0]])
    plan = plan_of(Graph(infer(nodes, {"w": w}), ("y",), {"w": w}))
    before = ibp(plan, {"x": box(np.ones((1, 2)), np.full((1, 2), 2.0))})
    rows = np.array([[[1.0, 0.0]], [[0.0, 1.0]], [[1.0, -1.0]]])
    found = margin_errors(plan, before, "binary16", rows)
    assert np.isfinite(found[0]).tolist() == [False, True, False]


def test_a_difference_that_is_flushed_is_charged() -> None:
    """1.125 - 1 smallest normal numbers: exact with gradual underflow, lost without."""
    nodes = [Node("x", "Input", shape=(1, 2)), Node("y", "ReduceSum", ("x",), {"axes": (1,)})]
    plan = plan_of(Graph(infer(nodes, {}), ("y",)))
    point = np.array([[1.125, -1.0]]) * BINARY16.normal
    before = ibp(plan, {"x": box(point, point)})
    tiny = Semantics("tiny", BINARY16, BINARY16, BINARY16, subnormals="flush")
    found = rounding(plan, before, tiny)
    assert float(ieee.run(plan, {"x": point[None]}, tiny)["y"].max()) == 0
    assert check(plan, found, point[None]) == 3
    assert rounding(plan, before, replace(tiny, subnormals="gradual")).output.max() < 0.1 * BINARY16.normal
