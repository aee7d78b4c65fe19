"""The cheapest formats: what is proved of them is true of runs, and one step further is not proved."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import workbench.ops  # noqa: F401  (registers the operators)
from networks import relu_network
from workbench.floats.format import BFLOAT16, BINARY32
from workbench.floats.program import Semantics
from workbench.methods.crown import crown
from workbench.methods.precision import cheapest_formats, layers_of
from workbench.methods.rounding import margin_errors
from workbench.region import ball
from workbench.semantics import ieee, real
from workbench.semantics.plan import plan_of


def test_the_choice_is_proved_runs_agree_and_a_narrower_one_is_not_proved() -> None:
    rng = np.random.default_rng(0)
    plan = plan_of(relu_network(rng, (12, 16, 9, 3), scale=0.4))
    output = plan.graph.outputs[0]
    regions = {"x": ball(rng.normal(size=plan.graph["x"].shape), 0.01)}
    points = regions["x"].sample(20)
    truth = real.run(plan, {"x": points}, np.float64)[output]
    label = int(truth[0].argmax())
    rows = np.delete(np.eye(3)[label] - np.eye(3), label, axis=0).reshape(2, *plan.graph[output].shape)
    before = crown(plan, regions, neurons="all", rows=rows)
    assert before.margins is not None
    assert before.margins.min() > 0
    seen: list[float] = []
    found = cheapest_formats(plan, regions, rows, before=before, progress=lambda f, _: seen.append(f))
    assert found.holds
    assert found.margin > 0
    assert found.proofs == len(seen)
    assert found.bits < found.dearest
    assert len(found.layers) == len(found.formats) == 3
    assert found.bits == sum(layer.bits(found.program.at(layer.nodes[-1])) for layer in found.layers)
    errors = margin_errors(plan, before, found.program, rows)
    assert found.margin == pytest.approx(float((before.margins - errors).min()))
    for order in ("sequential", "pairwise", "adversarial"):
        value = ieee.run(plan, {"x": points}, found.program, order)[output]
        assert (value.reshape(len(points), -1).argmax(axis=1) == label).all()
    # a margin that is asked for leaves less to save, and one that cannot be had is not claimed
    strict = cheapest_formats(plan, regions, rows, before=before, thresholds=0.99 * before.margins.min())
    assert strict.holds
    assert strict.bits > found.bits
    none = cheapest_formats(plan, regions, rows, before=before, thresholds=2.0 * before.margins.max())
    assert not none.holds
    assert none.bits == none.dearest
    assert none.proofs == 1


def test_layers_have_every_node_once_and_their_costs() -> None:
    plan = plan_of(relu_network(np.random.default_rng(1), (5, 4, 2)))
    layers = layers_of(plan)
    names = [n for layer in layers for n in layer.nodes]
    assert sorted(names) == sorted(n.name for n in plan.graph.nodes)
    assert len(layers) == 2
    assert layers[0].nodes[0] == "x"
    mixed = Semantics("mixed", BFLOAT16, BINARY32, BINARY32)
    assert layers[0].bits(mixed) == 16 * layers[0].weights + 32 * layers[0].activations


def test_candidates_that_make_no_sense_are_refused() -> None:
    plan = plan_of(relu_network(np.random.default_rng(1), (5, 4, 2)))
    regions = {"x": ball(np.zeros(plan.graph["x"].shape), 0.01)}
    rows = np.ones((1, *plan.graph[plan.graph.outputs[0]].shape))
    own = Semantics("own", BINARY32, BINARY32, BINARY32)
    for given in ((), (replace(own, nodes={"x": own}),)):
        with pytest.raises(ValueError, match="candidates"):
            cheapest_formats(plan, regions, rows, given)
    with pytest.raises(ValueError, match="binary17"):
        cheapest_formats(plan, regions, rows, ("binary17",))
