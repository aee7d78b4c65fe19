"""Rounding errors of a backward pass and of an optimizer's step: no float run, in any order, goes beyond them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import workbench as wb
from workbench import nn
from workbench.autodiff import gradient_rounding, step_errors
from workbench.autodiff.rounding import as_inputs
from workbench.graph import GraphError
from workbench.nn.session import Objective, Session
from workbench.semantics import gradient, ieee, real
from workbench.semantics.plan import plan_of

ORDERS = ("sequential", "reversed", "pairwise", "random")


def dense() -> nn.Module:
    return nn.Sequential(nn.Linear(5, 6), nn.ReLU(), nn.Linear(6, 3)).init(1)


def normed() -> nn.Module:
    return nn.Sequential(nn.Linear(5, 4), nn.LayerNorm(4), nn.Tanh(), nn.Linear(4, 3)).init(2)


def convolved() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 2, 3, padding=1), nn.BatchNorm2d(2), nn.Sigmoid(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(8, 3)
    ).init(3)  # fmt: skip


def batch(shape: tuple[int, ...]) -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    return rng.random((3, *shape)).astype(np.float32), rng.integers(0, 3, 3)


CASES: dict[str, tuple[Any, tuple[int, ...], Any, Any]] = {
    "dense, momentum": (dense, (5,), lambda m: nn.SGD(m, 0.1, momentum=0.9, nesterov=True, weight_decay=0.01), None),
    "dense, Adam": (dense, (5,), lambda m: nn.AdamW(m, 0.01, eps=1e-3), None),
    "normed, none": (normed, (5,), lambda m: None, nn.CrossEntropyLoss("sum")),
    "convolved, SGD": (convolved, (1, 4, 4), lambda m: nn.SGD(m, 0.1), None),
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "program"),
    [
        *((name, "binary32") for name in CASES),
        ("dense, momentum", "bfloat16"),
        ("convolved, SGD", "bfloat16"),
    ],
)
def test_float_runs_of_a_step_stay_within_the_bounds(name: str, program: str) -> None:
    make, shape, optimizer, loss = CASES[name]
    module, (x, y) = make(), batch(shape)
    chosen = optimizer(module)
    if chosen is not None:  # a state that is not zero
        session = Session(module, Objective(loss or nn.CrossEntropyLoss()))
        for k in range(2):
            chosen.step(session.step(x, y, k).grads)
        module.eval()
    eps, radius = 2.0**-9, 2.0**-12
    found = step_errors(module, loss, x, y, eps=eps, parameters=radius, optimizer=chosen, program=program)
    plan = plan_of(found.graph)
    regions = found.bounds.regions
    used = 0.0  # the largest share of a bound that a run has reached
    for seed in range(3):
        inputs = {n: r.sample(2, seed=seed) for n, r in regions.items()}
        exact = real.run(plan, inputs, np.float64)
        for order in ORDERS:
            run = ieee.run(plan, inputs, program, order, seed)
            for node in found.nodes.values():
                if node not in found.rounding.bounds:
                    continue
                error, bound = np.abs(run[node] - exact[node]), found.rounding[node]
                slack = 1e-13 * (1 + np.abs(exact[node]))  # of the float64 that stands for the real value
                assert (error <= bound + slack).all(), f"{node}, {order}"
                used = max(used, float((error / np.maximum(bound, 1e-30)).max(initial=0)))
    assert 0.01 < used <= 1.001
    if program == "binary32":
        assert all(np.isfinite(e).all() for e in found.gradients.values())
        assert found.loss < 1e-4


@pytest.mark.parametrize("name", CASES)
def test_training_itself_stays_within_the_bounds(name: str) -> None:
    """NumPy's float32 step, planned and node by node, against the same step in float64."""
    make, shape, optimizer, loss = CASES[name]
    module, (x, y) = make().eval(), batch(shape)
    chosen = optimizer(module)
    found = step_errors(module, loss, x, y, optimizer=chosen)
    plan = plan_of(found.graph)
    exact = real.run(plan, {n: r.lower for n, r in found.bounds.regions.items()}, np.float64)
    for planned in (True, False):
        session = Session(module, Objective(loss or nn.CrossEntropyLoss()), planned=planned)
        made, ready = session.compiled(x, y, training=False)
        values = real.run(made.plan, session._inputs(made, x, ready, 0))
        grads = type(made)(**{**vars(made), "planned": None}).pull(values, made.wanted)
        for key, bound in found.gradients.items():
            here = exact[found.nodes["gradient", key]].reshape(bound.shape)
            assert (np.abs(grads[key][0] - here) <= bound + 1e-13).all()
    if chosen is not None:
        chosen.step({k: g[0] for k, g in grads.items()})
        for key, bound in found.parameters.items():
            here = exact[found.nodes["parameter", key]].reshape(bound.shape)
            assert (np.abs(module.named_parameters()[key].value - here) <= bound + 1e-13).all()


def test_gradients_of_a_model_by_input_and_weights() -> None:
    module = dense()
    model = module.model((1, 5))
    region = wb.ball(np.full((1, 5), 0.4), 0.01)
    assert np.isfinite(gradient_rounding(model, region, 1).output).all()
    both = gradient_rounding(model, region, 1, parameters=1e-3)
    assert len(both.outputs) == 5
    assert np.isfinite(both.output).all()
    graph, names = as_inputs(module.graph((1, 5)), ("0.weight", "2.weight")), ("x", "0.weight", "2.weight")
    found = gradient_rounding(
        module.graph((1, 5)), region, 1, parameters={"0.weight": 1e-3, "2.weight": 0.0}, program="binary32"
    )
    plan, seed = plan_of(graph), {graph.outputs[0]: np.array([[[0.0, 1.0, 0.0]]], np.float32)}
    moved = np.random.default_rng(1).uniform(-1e-3, 1e-3, (6, 5))
    for x in region.sample(20, seed=2):
        inputs = {
            "x": x[None],
            "0.weight": (graph_weight(module, 0) + moved)[None],
            "2.weight": graph_weight(module, 2)[None],
        }
        _, exact = gradient.vjp(plan, inputs, seed, np.float64)
        _, single = gradient.vjp(plan, {k: v.astype(np.float32) for k, v in inputs.items()}, seed, None)
        for name, node in zip(names, found.outputs, strict=True):
            assert (np.abs(single[name] - exact[name]) <= found[node] + 1e-13).all()
    with pytest.raises(GraphError, match="where may the input lie"):
        gradient_rounding(module.graph((1, 5)), None, 1)
    with pytest.raises(GraphError, match="no weight 'w'"):
        gradient_rounding(module.graph((1, 5)), region, 1, parameters={"w": 0.1})


def graph_weight(module: nn.Module, layer: int) -> Any:
    return module.named_parameters()[f"{layer}.weight"].value.astype(np.float64)


def test_messages() -> None:
    module, (x, y) = dense(), batch((5,))
    with pytest.raises(GraphError, match="step of Lion is not written as nodes: SGD, Adam and AdamW are"):
        step_errors(module, None, x, y, optimizer=nn.Lion(module))
    with pytest.raises(GraphError, match="a loss is one number"):
        step_errors(module, nn.CrossEntropyLoss("none"), x, y)
    assert "its error at most" in repr(step_errors(module, None, x, y))
