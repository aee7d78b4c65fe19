"""Law: for every operator, a float run lies within its rounding bound of the exact result.

Inputs are rounded to the program's format first, so that the derivative enclosures are held to account too: in bfloat16
the operands of an operator move by up to 0.4 %.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from laws.budget import COUNT
from laws.checks import PRECISION, is_below
from laws.networks import any_network
from laws.numbers import Draw
from laws.strategies import EXAMPLES, FOLDED, Case
from workbench.floats.execute import ORDERS
from workbench.floats.program import PROGRAMS
from workbench.methods.ibp import ibp
from workbench.methods.rounding import RoundingBounds, rounding
from workbench.op import OPS, RULES
from workbench.region import Region
from workbench.semantics import exact, ieee
from workbench.semantics.exact import rational
from workbench.semantics.plan import Plan
from workbench.semantics.rounding import rounding as meaning

OPERATORS = sorted(EXAMPLES.keys() - FOLDED)
NAMES = sorted(PROGRAMS)


def bounds_of(case: Case, program: str, correlate: str = "all") -> RoundingBounds:
    regions = {name: Region(lo, hi) for name, (lo, hi) in case.boxes.items()}
    return rounding(case.plan, ibp(case.plan, regions), program, correlate=correlate)  # type: ignore[arg-type]


def check(plan: Plan, points: dict[str, np.ndarray], found: RoundingBounds, order: str, seed: int) -> int:
    """Every node of a float run is within its bound; returns how many finite bounds there were."""
    with np.errstate(all="ignore"):
        values = ieee.run(plan, points, found.program, order, seed)  # type: ignore[arg-type]
    truth = exact.run(plan, points, PRECISION)
    finite = 0
    for step in plan.steps:
        name = step.node.name
        bound = np.broadcast_to(found[name], (1, *step.node.shape))
        value, real = np.broadcast_arrays(values[name], truth[name])
        for at in np.ndindex(value.shape):
            most = float(bound[(0, *at[1:])])
            assert not np.isnan(most)
            assert most >= 0
            if most == np.inf:
                continue
            finite += 1
            got = float(value[at])
            assert np.isfinite(got), f"{name} at {at} is {got}, but its error is said to be at most {most!r}"
            error = abs(real[at] - rational(got))
            assert not is_below(rational(most), error), (
                f"{name} at {at}: {found.format}, {order}: the float value {got!r} errs by {float(error)!r}, "
                f"which is above the bound {most!r}"
            )
    return finite


@pytest.mark.parametrize("op", OPERATORS)
@settings(max_examples=COUNT)
@given(st.data())
def test_a_float_run_lies_within_its_bound(op: str, data: st.DataObject) -> None:
    draw = Draw(data)
    case = EXAMPLES[op](draw)
    found = bounds_of(case, draw.pick(*NAMES), draw.pick("all", "none"))
    for order in {"adversarial", draw.pick(*ORDERS)}:
        check(case.plan, dict(case.points), found, order, draw.integer(0, 99))


@pytest.mark.parametrize(
    "op", sorted({*OPERATORS} - {"BatchNormalization"})
)  # its example draws extreme numbers
@settings(max_examples=COUNT // 2)
@given(st.data())
def test_plain_numbers_have_finite_and_true_bounds(op: str, data: st.DataObject) -> None:
    """So that the law above is not kept by bounds that are infinite."""
    draw = Draw(data, calm=True)
    case = EXAMPLES[op](draw)
    assume(not risky(case))
    program = draw.pick(*NAMES)
    found = bounds_of(case, program)
    assert not found.overflow, found.overflow
    finite = check(case.plan, dict(case.points), found, draw.pick(*ORDERS), 0)
    assert finite or not case.step.node.size
    if op in STEEP:
        return
    # and not absurd: these operators do not enlarge an error by more than their weights do
    weights = [w for w in case.graph.weights.values() if w.dtype.kind == "f"]
    size = np.prod([1.0, *(1 + float(np.abs(w).sum()) for w in weights)])
    scale = max(1.0, *(np.abs(end).max() for pair in case.boxes.values() for end in pair))
    node = case.step.node
    own = (
        float(np.finfo(node.attrs.get("to", "float32")).eps) if node.op == "Cast" else 0.0
    )  # it rounds by itself
    assert found.output.max(initial=0.0) <= 1e3 * max(found.program.activations.unit, own) * size * scale**2


# and where a tie lies between two numbers, quantising errs by a whole code
STEEP = (
    *(
        "Sign",
        "QuantizeLinear",
        "DequantizeLinear",
        "QLinearMatMul",
        "QLinearConv",
        "MatMulInteger",
        "ConvInteger",
    ),
    *("Div", "Reciprocal", "Log", "Sqrt", "Pow", "LayerNormalization", "Exp"),
)


def risky(case: Case) -> bool:
    """Near a pole an infinite bound is right; so it is where a scale jumps to 1."""
    if case.step.node.op == "DynamicQuantizeLinear":
        return max(float(np.max(low)) for low, _ in case.boxes.values()) < 0.05
    if case.step.node.op == "QuantizeLinear" and len(case.boxes) == 2:
        return float(case.boxes[list(case.boxes)[1]][0].min()) < 0.05
    if case.step.node.op not in ("Div", "Reciprocal", "Log", "Sqrt", "Pow"):
        return False
    given = [np.abs(e) for pair in case.boxes.values() for e in pair]
    given += [np.abs(w) for w in case.graph.weights.values() if w.dtype.kind == "f"]
    return min(a.min(initial=np.inf) for a in given) < 0.05


@pytest.mark.parametrize("op", sorted(OPS.keys() - FOLDED))
def test_every_operator_has_a_rule(op: str) -> None:
    assert (op, meaning.name) in RULES


@settings(max_examples=COUNT)
@given(st.data())
def test_networks(data: st.DataObject) -> None:
    """Errors that meet again, cancel, and pass through kinks."""
    draw = Draw(data, calm=True)
    case = any_network(draw)
    for correlate in ("all", "needed"):
        found = bounds_of(case, draw.pick(*NAMES), correlate)
        check(case.plan, dict(case.points), found, draw.pick(*ORDERS), draw.integer(0, 99))


@settings(max_examples=COUNT)
@given(st.data())
def test_correlation_only_tightens(data: st.DataObject) -> None:
    draw = Draw(data, calm=True)
    case = any_network(draw)
    program = draw.pick(*NAMES)
    forward, backward = bounds_of(case, program, "none"), bounds_of(case, program, "all")
    for name in forward:
        assert (backward[name] <= forward[name] * (1 + 1e-9)).all(), name
