"""Bounds that are nearly reached: for the rules that ordinary inputs hardly try, inputs that try them.

Each bound has to be true, and the error at least a quarter of it: a rule five times too small would be caught here.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import workbench.ops  # noqa: F401  (registers the operators)
from workbench.floats.program import PROGRAMS
from workbench.graph import Array, Graph, Node
from workbench.methods.ibp import ibp
from workbench.methods.rounding import rounding
from workbench.region import box
from workbench.semantics import exact, ieee
from workbench.semantics.exact import rational
from workbench.semantics.plan import infer, plan_of
from workbench.semantics.real import FLOAT

HALF = 2.0**-24  # half an ulp of 1 in binary32: added to 1, nothing is left of it


def reached(op: str, x: Array, attrs: dict[str, Any], weights: dict[str, Array], order: str) -> float:
    """The largest error over the bound, at an input that binary32 has; more than 1 is a fault."""
    nodes = [Node("x", "Input", shape=x.shape), Node("y", op, ("x", *weights), attrs)]
    plan = plan_of(Graph(infer(nodes, weights), ("y",), weights))
    x = x.astype(np.float32).astype(np.float64)
    bound = rounding(plan, ibp(plan, {"x": box(x, x)}), "binary32").output
    value = np.asarray(ieee.run(plan, {"x": x[None]}, "binary32", order)["y"], np.float64)
    truth = exact.run(plan, {"x": x[None]})["y"]
    ratios = []
    for at in np.ndindex(value.shape):
        error = abs(truth[at] - rational(float(value[at])))
        assert error <= rational(float(bound[at])), (op, at)
        ratios.append(float(error) / float(bound[at]))
    return max(ratios)


def halves(n: int) -> Array:
    x = np.full(n, HALF)
    x[0] = 1.0
    return x


@pytest.mark.parametrize("op", ["ReduceMean", "ReduceSum", "AveragePool", "GlobalAveragePool"])
def test_means_and_sums_that_lose_every_small_number(op: str) -> None:
    x = halves(256)
    if op.startswith("Reduce"):
        assert reached(op, x[None], {"axes": (1,)}, {}, "sequential") > 0.8
    else:
        attrs = {"kernel_shape": (16, 16)} if op == "AveragePool" else {}
        assert reached(op, x.reshape(1, 1, 16, 16), attrs, {}, "sequential") > 0.8


def test_softmax_that_loses_every_small_number() -> None:
    x = np.full(512, np.log(HALF) - 1e-4)
    x[0] = 0.0
    assert reached("Softmax", x[None], {"axis": -1}, {}, "sequential") > 0.4


def test_a_layer_normalisation_that_loses_every_small_square() -> None:
    x = np.resize([1.0, -1.0], 256) * np.sqrt(2 * HALF) * (1 - 1e-4)
    x[:2] = 1.0, -1.0
    weights = {"s": np.ones(256, np.float32), "b": np.zeros(256, np.float32)}
    attrs = {"axis": -1, "epsilon": 1e-30}
    assert reached("LayerNormalization", x[None], attrs, weights, "sequential") > 0.25


def test_matrix_products_that_lose_every_small_number() -> None:
    w = np.ones((256, 1), np.float32)
    assert reached("MatMul", halves(256)[None], {}, {"w": w}, "sequential") > 0.4


@pytest.mark.parametrize(
    ("op", "name", "x"),
    [
        ("Exp", "exp", 0.02),
        ("Log", "log", 2.8),
        ("Sin", "sin", 0.53),
        ("Cos", "cos", 1.04),
        ("Tanh", "tanh", 0.56),
        ("Sigmoid", "sigmoid", 0.05),
        ("Pow", "power", 1.02),
    ],
)
def test_library_functions_that_are_as_bad_as_assumed(
    op: str, name: str, x: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A library that errs by all but one of the ulps that are assumed keeps within the bound, and nearly reaches it."""
    ulps = PROGRAMS["binary32"].functions["pow" if op == "Pow" else name]
    true = getattr(FLOAT, name)

    def poor(*operands: Array) -> Array:
        found = np.asarray(true(*[np.asarray(v, np.float64) for v in operands]), np.float32)
        for _ in range(int(ulps) - 1):
            found = np.nextafter(found, np.float32(np.inf))
        return found

    monkeypatch.setattr(type(FLOAT), name, lambda self, *operands: poor(*operands))
    weights = {"p": np.array(1.5, np.float32)} if op == "Pow" else {}
    assert reached(op, np.linspace(x, x + 0.01, 8)[None], {}, weights, "sequential") > 0.7


def test_a_library_that_is_worse_than_assumed_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        type(FLOAT), "exp", lambda self, x: np.asarray(np.exp(x) * np.float32(1 + 12 * HALF), np.float32)
    )
    with pytest.raises(AssertionError, match="Exp"):
        reached("Exp", np.full((1, 1), 0.02), {}, {}, "sequential")
