"""Law: an operator that adds more than two numbers follows the program's order; any other has the same bits in all."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, assume, find, given, settings
from hypothesis import strategies as st

from laws.budget import COUNT
from laws.forms import MAPS
from laws.numbers import Draw
from laws.strategies import EXAMPLES, FOLDED, Case
from workbench.floats.format import BFLOAT16, BINARY16, E5M2
from workbench.floats.program import Semantics
from workbench.semantics import ieee

SUMS = frozenset(
    {
        *(
            "AveragePool",
            "Conv",
            "ConvTranspose",
            "Gemm",
            "GlobalAveragePool",
            "LayerNormalization",
            "MatMul",
        ),
        *("ReduceMean", "ReduceSum", "Softmax"),
    }
)
NARROW = [Semantics(f.name, f, f, f) for f in (BFLOAT16, BINARY16, E5M2)]


def value(case: Case, program: str | Semantics, order: str) -> np.ndarray:
    return np.asarray(ieee.run(case.plan, case.points, program, order)[case.graph.outputs[0]])


@pytest.mark.parametrize("op", sorted(SUMS))
def test_two_orders_differ_on_some_draw(op: str) -> None:
    def differs(data: st.DataObject) -> bool:
        case = EXAMPLES[op](Draw(data, calm=True))
        return any(
            not np.array_equal(value(case, p, "sequential"), value(case, p, "reversed"), equal_nan=True)
            for p in ("binary32", "binary64", NARROW[0])
        )

    quick = settings(
        max_examples=300,
        phases=[Phase.generate],
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    find(st.data(), differs, settings=quick)  # raises where there is none


@pytest.mark.parametrize("op", sorted(EXAMPLES.keys() - FOLDED - SUMS))
@settings(max_examples=COUNT // 3)
@given(st.data())
def test_an_operator_without_sums_has_the_same_bits_in_every_order(op: str, data: st.DataObject) -> None:
    draw = Draw(data)
    case = EXAMPLES[op](draw)
    program = draw.pick("binary32", "bfloat16", *NARROW)
    first = value(case, program, "sequential")
    for order in ("reversed", "pairwise"):
        assert np.array_equal(first, value(case, program, order), equal_nan=True), (
            f"{order}: add {op} to SUMS"
        )


@pytest.mark.parametrize("op", sorted(EXAMPLES.keys() - FOLDED))
@settings(max_examples=COUNT // 3)
@given(st.data())
def test_results_are_numbers_of_the_format(op: str, data: st.DataObject) -> None:
    """So that no operation went past the namespace."""
    draw = Draw(data)
    case = EXAMPLES[op](draw)
    program = draw.pick(*NARROW)
    found = value(case, program, draw.pick("sequential", "pairwise", "blocked(2)"))
    assert np.array_equal(found, program.machine().rounded(found), equal_nan=True)


@pytest.mark.parametrize("op", MAPS)
@settings(max_examples=COUNT // 4)
@given(st.data())
def test_watching_for_flags_changes_no_bit(op: str, data: st.DataObject) -> None:
    case = EXAMPLES[op](Draw(data))
    assume(case.step.node.size)
    for program in ("binary32", "binary64", NARROW[1]):
        plain = ieee.run(case.plan, case.points, program, "sequential")
        watched = ieee.run(case.plan, case.points, program, "sequential", flags=True)
        name = case.graph.outputs[0]
        assert np.array_equal(plain[name], watched[name], equal_nan=True)
        # what happened can be seen in the values, too
        if np.isinf(plain[name]).any() and all(np.isfinite(plain[n]).all() for n in case.graph.inputs):
            assert watched.flags[name] & {"overflow", "divide_by_zero"} or _infinite(case, program)


def _infinite(case: Case, program: str | Semantics) -> bool:
    """Whether a weight overflowed when it was stored: then an infinity is no news."""
    own = ieee.program_of(program)
    return any(
        np.isinf(own.machine(own.weights).rounded(w)).any()
        for w in case.graph.weights.values()
        if w.dtype.kind in "fiu"
    )
