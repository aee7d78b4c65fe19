"""Law: what the methods prove about whole networks contains every exact value, of every node.

The backward walk of CROWN is float64 arithmetic that charges its own rounding; here its results meet exact numbers,
on networks with weights from 1e-40 to 1e30, and on single operators.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from laws.budget import COUNT
from laws.checks import PRECISION, check_inside, is_below, values_of
from laws.networks import any_network
from laws.numbers import Draw
from laws.strategies import EXAMPLES, FOLDED, Case
from networks import relu_network
from workbench.graph import Graph, Node
from workbench.methods.crown import crown
from workbench.methods.ibp import ibp
from workbench.region import Region, ball
from workbench.semantics import exact
from workbench.semantics.exact import rational, rationals
from workbench.semantics.interval import Interval
from workbench.semantics.plan import Plan, infer, plan_of


def regions_of(case: Case) -> dict[str, Region]:
    return {k: Region(lo, hi) for k, (lo, hi) in case.boxes.items()}


@pytest.mark.parametrize("op", sorted(EXAMPLES.keys() - FOLDED))
@settings(max_examples=COUNT // 2)
@given(st.data())
def test_crown_of_one_operator_contains_the_exact_value(op: str, data: st.DataObject) -> None:
    case = EXAMPLES[op](Draw(data))
    found = crown(case.plan, regions_of(case), neurons="all")
    check_inside(case, found[case.graph.outputs[0]], values_of(case), "CROWN bound")


@pytest.mark.parametrize("method", ["ibp", "crown", "crown-ibp"])
@settings(max_examples=COUNT)
@given(st.data())
def test_bounds_of_every_node_of_a_network_contain_its_exact_value(method: str, data: st.DataObject) -> None:
    case = any_network(Draw(data))
    regions = regions_of(case)
    if method == "ibp":
        found = ibp(case.plan, regions)
    else:
        found = crown(case.plan, regions, intermediate="crown" if method == "crown" else "ibp", neurons="all")
    values = exact.run(case.plan, case.points, PRECISION)
    for name, bounds in found.items():
        check_inside(case, bounds, values[name], f"{method} bound of {case.graph[name].describe()}")


@settings(max_examples=COUNT)
@given(st.data())
def test_margins_of_any_rows_lie_below_every_exact_value(data: st.DataObject) -> None:
    draw = Draw(data)
    case = any_network(draw)
    output = case.graph.outputs[0]
    rows = draw.numbers((3, *case.graph[output].shape))
    margins = crown(case.plan, regions_of(case), rows=rows).margins
    values = exact.run(case.plan, case.points, PRECISION)[output]
    assert margins is not None
    assert not np.isnan(margins).any()
    for r in range(3):
        if margins[0, r] == -np.inf:
            continue
        for k in range(len(values)):
            exactly = (rationals(rows[r]) * values[k]).sum()
            assert not is_below(exactly, rational(float(margins[0, r]))), f"row {r}, point {k}"


@pytest.mark.parametrize("norm", ["2", "1"])
@settings(max_examples=COUNT // 2)
@given(st.data())
def test_bounds_over_balls_contain_the_exact_values_of_their_points(norm: str, data: st.DataObject) -> None:
    draw = Draw(data, calm=True)
    case = any_network(draw)
    (name,) = case.boxes
    centre = case.points[name][2]
    region = ball(centre, draw.pick(0.0, 1e-3, 0.5, 3.0), norm)
    points = region.sample(8, seed=draw.integer(0, 99))
    inside = [p for p in points if _in_ball(p, centre, region)]
    found = crown(case.plan, {name: region}, neurons="all")
    values = exact.run(case.plan, {name: np.stack([centre, *inside])}, PRECISION)
    for node, bounds in found.items():
        check_inside(case, bounds, values[node], f"bound of {node}")


def _in_ball(point: np.ndarray, centre: np.ndarray, region: Region) -> bool:
    """Exactly: sampling divides in floats, and may end just outside."""
    step = abs(rationals(point) - rationals(centre)).reshape(-1)
    eps = rational(float(region.eps or 0))
    return bool(sum(step) <= eps) if region.norm == "1" else bool(sum(s * s for s in step) <= eps * eps)


@settings(max_examples=COUNT)
@given(st.data())
def test_three_regions_at_once_contain_their_own_exact_values(data: st.DataObject) -> None:
    """A batch axis must not mix regions: each has its own width, and points of its own."""
    draw = Draw(data)
    case = any_network(draw)
    (name,) = case.boxes
    shape = case.graph[name].shape
    boxes = [case.boxes[name], draw.box(shape), draw.box(shape)]
    together = Region(np.concatenate([lo for lo, _ in boxes]), np.concatenate([hi for _, hi in boxes]))
    found = crown(case.plan, {name: together}, neurons="all")
    for k, (lo, hi) in enumerate(boxes):
        values = exact.run(case.plan, {name: draw.points(lo, hi)}, PRECISION)
        for node, bounds in found.items():
            lower, upper = (np.broadcast_to(e, (3, *e.shape[1:]))[k : k + 1] for e in (bounds.lo, bounds.hi))
            check_inside(case, Interval(lower, upper), values[node], f"region {k}: bound of {node}")


def test_bounds_are_true_where_a_choice_of_lines_flips() -> None:
    """Decision 0003: an intersected interval turns a relu's lower line from slope 0 to 1, and the batch is doubled."""
    flips = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        plan = plan_of(relu_network(rng, (3, 6, 6, 2), scale=0.9))
        centres = rng.normal(size=(3, 1, 3))
        width = np.array([0.02, 0.5, 1.5]).reshape(3, 1, 1)
        region = Region(centres - width, centres + width)
        found = crown(plan, {"x": region}, neurons="all")
        flips += _flipped(plan, region)
        t = rng.random((3, 20, 1, 3))
        for k in range(3):
            points = region.lower[k] * (1 - t[k]) + region.upper[k] * t[k]
            points = np.clip(points, region.lower[k], region.upper[k])
            values = exact.run(plan, {"x": points}, PRECISION)
            for node, b in found.items():
                for at in np.ndindex(values[node].shape):
                    v, lo, hi = values[node][at], float(b.lo[(k, *at[1:])]), float(b.hi[(k, *at[1:])])
                    assert not is_below(v, rational(lo)) and not is_below(rational(hi), v), (
                        seed,
                        k,
                        node,
                        at,
                    )
    assert flips, "no network of these has a choice that flips: draw others"


def _flipped(plan: Plan, region: Region) -> bool:
    """Whether CROWN's own interval of some relu's operand and the one intersected with IBP's choose other lines."""
    own = crown(plan, {"x": region}, neurons="all")
    loose = ibp(plan, {"x": region})
    for step in plan.steps:
        if step.node.op == "Relu":
            z = step.operands[0] or ""
            ends = own[z].intersect(loose[z])
            unstable = (ends.lo < 0) & (ends.hi > 0)
            if (((ends.hi > -ends.lo) != (loose[z].hi > -loose[z].lo)) & unstable).any():
                return True
    return False


def test_the_charge_of_a_subnormal_layer_survives_huge_coefficients() -> None:
    """The majorant of subnormal weights is subnormal too; times 1e295 its lost half ulp was above the slack."""
    for seed in range(6):
        rng = np.random.default_rng(seed)
        n = 12
        small = rng.integers(1, 2**20, (1, n)) * 2.0**-1074
        large = np.abs(rng.standard_normal((n, 1))) * 1e295 + 1e294
        large[n // 2 :] *= -1
        parts = [
            Fraction(a) * Fraction(b) for a, b in zip(small[0].tolist(), large[:, 0].tolist(), strict=True)
        ]
        large[n - 1, 0] = float(-sum(parts[:-1]) / Fraction(float(small[0, n - 1])))
        weights = {"a": small, "w": large}
        nodes = [
            Node("x", "Input", shape=(1, 1), dtype="float64"),
            Node("h", "MatMul", ("x", "a")),
            Node("y", "MatMul", ("h", "w")),
        ]
        plan = plan_of(Graph(infer(nodes, weights), ("y",), weights))
        one = np.ones((1, 1, 1))
        found = crown(plan, {"x": Region(one, one)})["y"]
        value = sum(
            Fraction(a) * Fraction(b) for a, b in zip(small[0].tolist(), large[:, 0].tolist(), strict=True)
        )
        assert Fraction(float(found.lo[0, 0, 0])) <= value <= Fraction(float(found.hi[0, 0, 0])), seed
