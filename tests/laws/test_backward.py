"""Law: what the methods prove about whole networks contains every exact value, of every node.

The backward walk of CROWN is float64 arithmetic that charges its own rounding; here its results meet exact numbers,
on networks with weights from 1e-40 to 1e30, and on single operators.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from laws.budget import COUNT
from laws.checks import PRECISION, check_inside, is_below, values_of
from laws.networks import any_network
from laws.numbers import Draw
from laws.strategies import EXAMPLES, FOLDED, Case
from workbench.methods.crown import crown
from workbench.methods.ibp import ibp
from workbench.region import Region, ball
from workbench.semantics import exact
from workbench.semantics.exact import rational, rationals


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
