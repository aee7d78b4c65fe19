"""Witnesses are real runs: bit for bit again, worse than ordinary ones, and inside the bounds."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

import workbench.ops  # noqa: F401  (registers the operators)
from networks import relu_network
from workbench.floats.format import BINARY32
from workbench.floats.machine import Machine
from workbench.floats.program import PROGRAMS
from workbench.methods.crown import crown
from workbench.methods.expected import expected_errors
from workbench.methods.rounding import rounding
from workbench.methods.witness import aligned_run, greedy, witness
from workbench.region import ball
from workbench.semantics import exact, ieee, real
from workbench.semantics.exact import rational
from workbench.semantics.plan import plan_of


@pytest.mark.parametrize("direction", [1.0, -1.0])
def test_a_greedy_sum_is_the_sum_in_the_order_that_it_names(direction: float) -> None:
    rng = np.random.default_rng(0)
    leaves = rng.normal(size=(20, 100)).astype(np.float32)
    leaves[:, ::7] = 0
    totals, orders = greedy(leaves, Machine(BINARY32), direction)
    plain = []
    for row, total, order in zip(leaves, totals, orders, strict=True):
        assert sorted(order.tolist()) == list(range(100))
        acc = np.float32(0)
        for k in order:
            acc = np.float32(acc + row[k])
        assert acc == total
        truth = sum(map(Fraction, row.tolist()), Fraction(0))
        ordinary = np.float32(0)
        for v in row:
            ordinary = np.float32(ordinary + v)
        assert direction * (Fraction(float(total)) - truth) > 0
        plain.append(
            float(
                abs(Fraction(float(total)) - truth)
                / max(abs(Fraction(float(ordinary)) - truth), Fraction(1, 2**40))
            )
        )
    assert np.median(plain) > 5


@pytest.mark.parametrize("program", ["binary32", "bfloat16"])
@pytest.mark.parametrize("eps", [0.0, 0.05])
def test_witnesses(program: str, eps: float) -> None:
    rng = np.random.default_rng(1)
    plan = plan_of(relu_network(rng, (60, 30, 20, 3), scale=0.3))
    regions = {"x": ball(rng.normal(size=plan.graph["x"].shape), eps)}
    bound = rounding(plan, crown(plan, regions, neurons="all"), program)
    output = plan.graph.outputs[0]
    for node, at in ((output, (0, 1)), ("m0", (0, 3))):
        found = witness(plan, node, at, regions, program, points=3)
        assert 0 < found.error <= bound[node][(0, *at)]
        again = ieee.run(plan, found.inputs, found.program)
        assert float(again[node][(0, *at)]) == found.value
        told = found.replay(plan)
        assert told.value == found.value
        if (node, program) == ("m0", "binary32"):  # sixty leaves: an order of one's own beats the named ones
            assert told.order == "tree"
        truth = exact.run(plan, dict(found.inputs))[node][(0, *at)]
        assert abs(float(abs(truth - rational(found.value))) - found.error) <= 1e-12 * found.error
        assert regions["x"].lower.min() <= found.inputs["x"].min()
        if program == "binary32":
            plain = ieee.run(plan, found.inputs, program, "sequential")[node][(0, *at)]
            assert found.error > abs(float(plain) - float(truth))


@pytest.mark.parametrize("program", PROGRAMS)
def test_aligned_runs_lie_within_the_bounds_and_are_worse_than_others(program: str) -> None:
    rng = np.random.default_rng(2)
    plan = plan_of(relu_network(rng, (60, 50, 40, 4), scale=0.3))
    x = rng.normal(size=plan.graph["x"].shape)
    regions = {"x": ball(x, 0.0)}
    bound = rounding(plan, crown(plan, regions, neurons="all"), program)
    output = plan.graph.outputs[0]
    truth = exact.run(plan, {"x": x[None]})
    ratios = []
    for k in range(4):
        for sign in (1.0, -1.0):
            row = np.zeros((1, *plan.graph[output].shape))
            row.reshape(-1)[k] = sign
            values = aligned_run(plan, {"x": x[None]}, program, row)
            for name, most in bound.items():
                for at in np.ndindex(plan.graph[name].shape):
                    error = abs(truth[name][(0, *at)] - rational(float(values[name][(0, *at)])))
                    assert error <= rational(float(most[(0, *at)])), (name, at)
            here = abs(float(truth[output].reshape(-1)[k]) - float(values[output].reshape(-1)[k]))
            plain = real.run(plan, {"x": x[None]}, np.longdouble)[output].reshape(-1)[k]
            usual = abs(float(plain - ieee.run(plan, {"x": x[None]}, program)[output].reshape(-1)[k]))
            ratios.append(here / max(usual, 1e-300))
    if program in ("binary32", "binary64"):
        assert np.median(ratios) > 3


def test_there_is_nothing_to_choose_in_a_named_order() -> None:
    plan = plan_of(relu_network(np.random.default_rng(1), (5, 4, 2)))
    regions = {"x": ball(np.zeros(plan.graph["x"].shape), 0.1)}
    for program in (
        replace(PROGRAMS["binary32"], order="pairwise"),
        replace(PROGRAMS["binary32"], fma="always"),
    ):
        with pytest.raises(ValueError, match=r"order|fuses"):
            witness(plan, plan.graph.outputs[0], (0, 0), regions, program)


def test_the_prediction_is_near_what_is_seen() -> None:
    """Root mean squares over many networks: within a factor of three, in every format."""
    for program in PROGRAMS:
        seen, said = [], []
        for seed in range(12):
            rng = np.random.default_rng(seed)
            plan = plan_of(relu_network(rng, (40, 30, 20, 3), scale=0.3))
            x = rng.normal(size=(3, *plan.graph["x"].shape))
            wide = np.longdouble if program == "binary64" else np.float64
            output = plan.graph.outputs[0]
            error = (
                ieee.run(plan, {"x": x}, program)[output].astype(wide)
                - real.run(plan, {"x": x}, wide)[output]
            )
            seen.append(np.square(error.astype(np.float64)).mean())
            said.append(np.square(expected_errors(plan, {"x": x}, program)).mean())
        assert 1 / 3 < np.sqrt(np.sum(said) / np.sum(seen)) < 3, program
