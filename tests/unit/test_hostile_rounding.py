"""Rounding bounds that were once false by little things, held against exact rationals.

A zero leaf before a fused product, leaves that underflow, differences that are no float64: the inputs are those that
were found to break a bound, or as near to them as shows the fault.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

import workbench.ops  # noqa: F401  (registers the operators)
from workbench.floats.program import PROGRAMS, Semantics
from workbench.graph import Array, Graph, Node
from workbench.methods.ibp import ibp
from workbench.methods.rounding import Inputs, rounding
from workbench.region import box
from workbench.semantics import exact, ieee
from workbench.semantics.exact import rational
from workbench.semantics.plan import Plan, infer, plan_of

DIRECTED = ("up", "down", "toward-zero", "to-odd")


def held(plan: Plan, low: Array, high: Array, program: Semantics, inputs: Inputs = "rounded") -> float:
    """Every bound of the region is true of runs in it; the largest ratio of an error to the output's bound."""
    found = rounding(plan, ibp(plan, {"x": box(low, high)}), program, inputs=inputs)
    points = np.stack([low, high, low + (high - low) / 2, low + (high - low) * 0.3])
    truth = exact.run(plan, {"x": points})
    worst = 0.0
    for order in ("sequential", "reversed", "fma") if program.order == "any" else (program.order,):
        runs = ieee.run(plan, {"x": points}, program, order)
        for name, bound in found.items():
            values, true, most = np.broadcast_arrays(runs[name], truth[name], bound)
            for at in np.ndindex(values.shape):
                error = abs(true[at] - rational(float(values[at])))
                assert error <= rational(float(most[at])), (name, at, order, float(error), float(most[at]))
                if name == plan.graph.outputs[0] and most[at] > 0:
                    worst = max(worst, float(error / rational(float(most[at]))))
    return worst


def matmul(weights: Array) -> Plan:
    nodes = [
        Node("x", "Input", shape=(1, len(weights)), dtype="float64"),
        Node("y", "MatMul", ("x", "w")),
    ]
    return plan_of(Graph(infer(nodes, {"w": weights}), ("y",), {"w": weights}))


FUSED = [
    ("fma", "maybe"),
    ("fma", "always"),
    ("sequential", "always"),
    ("reversed", "always"),
    ("any", "maybe"),
]


@pytest.mark.parametrize(("order", "fma"), FUSED)
def test_a_product_fused_into_a_zero_is_rounded(order: str, fma: str) -> None:
    program = replace(PROGRAMS["binary32"], order=order, fma=fma)
    weights = np.array([[-0.0], [0.0], [-0.75], [0.0]])
    rng, worst = np.random.default_rng(5), 0.0
    for _ in range(40):
        # numbers of the format, so that the product's rounding is the only one
        x = np.float32(1 + 0.9 * rng.random((1, 4))).astype(np.float64)
        worst = max(worst, held(matmul(weights), x, x, program))
    low, high = np.array([[-0.2500648, 1, 0.9997094, 1]]), np.array([[-0.2498831, 1, 1.0005403, 1]])
    held(matmul(weights), low, high, program)
    assert worst > 0.4


@pytest.mark.parametrize(
    ("mode", "order"), list(product(DIRECTED, ["any", "sequential", "reversed", "pairwise"]))
)
def test_leaves_that_underflow_move_a_sum_where_rounding_is_directed(mode: str, order: str) -> None:
    program = replace(PROGRAMS["binary32"], mode=mode, order=order, fma="never")
    tiny = float(np.float32(1e-30))
    sign = -1.0 if mode in ("down", "toward-zero") else 1.0
    x = np.array([[1.0] + [sign * tiny] * 12])
    worst = held(matmul(np.array([[1.0]] + [[tiny]] * 12)), x, x, program)
    assert worst > 0.4 or (mode, order) not in {("up", "any"), ("up", "sequential"), ("down", "sequential")}
    held(matmul(np.array([[1.0]] + [[tiny]] * 12)), x - 1e-33, x + 1e-33, program)


@pytest.mark.parametrize(("mode", "order"), list(product(DIRECTED, ["any", "fma"])))
def test_leaves_that_underflow_in_float64(mode: str, order: str) -> None:
    program = replace(PROGRAMS["binary64"], mode=mode, order=order)
    sign = -1.0 if mode in ("down", "toward-zero") else 1.0
    x = np.array([[1.0] + [sign * 1e-200] * 7])
    held(matmul(np.array([[1.0]] + [[1e-200]] * 7)), x, x, program)


def test_a_product_that_is_nothing_but_underflow() -> None:
    for mode in ("nearest-even", *DIRECTED):
        program = replace(PROGRAMS["binary64"], mode=mode)
        x = np.array([[0.6 * 2.0**-537]])
        held(matmul(np.array([[2.0**-537]])), -x, x, program, inputs="exact")


@pytest.mark.parametrize("mode", DIRECTED)
def test_a_fixed_input_whose_error_is_no_float64(mode: str) -> None:
    nodes = [Node("x", "Input", shape=(1, 1), dtype="float64"), Node("y", "Relu", ("x",))]
    plan = plan_of(Graph(infer(nodes, {}), ("y",), {}))
    for k in range(1, 6):
        x = np.array([[1.2345e-50 * k]])
        held(plan, x, x, replace(PROGRAMS["binary32"], mode=mode))


def test_a_fixed_input_that_is_saturated() -> None:
    nodes = [Node("x", "Input", shape=(1, 1), dtype="float64"), Node("y", "Relu", ("x",))]
    plan = plan_of(Graph(infer(nodes, {}), ("y",), {}))
    for k in range(1, 9):
        x = np.array([[1e25 + 2.0**33 * k + 0.123]])
        held(plan, x, x, replace(PROGRAMS["binary16"], overflow="saturate"))


@pytest.mark.parametrize("mode", DIRECTED)
def test_a_tiny_constant_that_is_rounded_away_from_zero(mode: str) -> None:
    weights = np.array([[1.2345e-50], [-3.7e-51]])
    x = np.array([[1.0, 3.0]])
    held(matmul(weights), x, x, replace(PROGRAMS["binary32"], mode=mode))
