"""Derivatives of functions and models: against each other, against NumPy, and as graphs that are bounded."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import workbench as wb
from workbench import nn
from workbench.autodiff import (
    grad,
    gradient_graph,
    hessian,
    hvp,
    jacfwd,
    jacrev,
    jvp,
    laws,
    value_and_grad,
    vjp,
)
from workbench.graph import GraphError
from workbench.methods.named import find_bounds
from workbench.nn import functional as F
from workbench.op import UnsupportedOperator
from workbench.semantics import gradient
from workbench.semantics.plan import plan_of

RNG = np.random.default_rng(0)
W, X, V = RNG.normal(size=(4, 3)), RNG.normal(size=(1, 4)), RNG.normal(size=(1, 4))


def scalar(x: Any) -> Any:
    return F.tanh(x @ W).sum()


def several(x: Any) -> Any:
    return F.softmax(F.tanh(x @ W))


def test_grad_is_the_derivative() -> None:
    t = np.tanh(X @ W)
    value, found = value_and_grad(scalar)(X)
    assert abs(value - t.sum()) < 1e-14
    assert np.abs(found - (1 - t * t) @ W.T).max() < 1e-14
    two = grad(lambda a, b: (a * b).sum(), argnums=(0, 1))(X, V)
    assert np.array_equal(two[0], V)
    assert np.array_equal(two[1], X)


def test_batched_examples_are_differentiated_one_by_one() -> None:
    x = RNG.normal(size=(5, 1, 4))
    whole = grad(scalar, batched=True)(x)
    assert np.abs(whole - np.stack([grad(scalar)(row) for row in x])).max() < 1e-15


def test_modes_agree() -> None:
    jacobian = jacrev(several)(X)
    assert jacobian.shape == (1, 3, 1, 4)
    assert np.abs(jacobian - jacfwd(several)(X)).max() < 1e-14
    value, pushed = jvp(several, [X], [V])
    assert np.abs(pushed - np.tensordot(jacobian, V, 2)).max() < 1e-14
    same, pull = vjp(several, X)
    assert np.array_equal(value, same)
    u = RNG.normal(size=(1, 3))
    assert np.abs(pull(u)[0] - np.tensordot(u, jacobian, 2)).max() < 1e-14


def test_second_derivatives() -> None:
    found = hessian(scalar)(X)
    step = 1e-5
    for i in range(4):
        unit = np.eye(4)[i : i + 1] * step
        column = (grad(scalar)(X + unit) - grad(scalar)(X - unit)) / (2 * step)
        assert np.abs(found[..., i].reshape(1, 4) - column).max() < 1e-8
    assert np.abs(hvp(scalar)(X, V) - np.tensordot(found, V, 2)).max() < 1e-13
    assert not hessian(lambda x: x.sum())(X).any()


def test_a_gradient_that_is_numbers_only_still_has_a_forward_derivative(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    x = RNG.normal(size=(1, 1, 4, 4))

    def pooled(x: Any) -> Any:
        return F.max_pool(x, 2) * 2.0

    v = RNG.normal(size=x.shape)
    along = np.tensordot(jacrev(pooled)(x), v, 4)
    assert np.abs(jvp(pooled, [x], [v])[1] - along).max() < 1e-14
    monkeypatch.setattr("workbench.semantics.cotangent.MOST", 4)
    with pytest.raises(
        UnsupportedOperator, match=r"MaxPool.* as a graph would need a matrix of 256 elements"
    ):
        gradient_graph(wb.trace(pooled, x.shape).graph, seeded=True)
    assert np.abs(jvp(pooled, [x], [v])[1] - along).max() < 1e-14


def test_messages() -> None:
    with pytest.raises(GraphError, match="this one gives \\[1, 3\\]: use jacrev"):
        grad(several)(X)
    with pytest.raises(GraphError, match="say which one, with output=0"):
        gradient_graph(wb.trace(several, (1, 4)).graph)
    with pytest.raises(GraphError, match="no value 'z'"):
        gradient_graph(wb.trace(several, (1, 4)).graph, ["z"], 0)


# ---------------------------------------------------------------- gradients as graphs


@pytest.mark.parametrize("activation", [nn.ReLU, nn.Tanh, nn.Softplus])
def test_bounds_of_a_gradient_hold_it(activation: Any) -> None:
    """Intervals of the gradient graph are an interval Jacobian; a sampled gradient lies inside."""
    net = nn.Sequential(nn.Linear(3, 8), activation(), nn.Linear(8, 2)).init(4)
    graph = net.graph((1, 3))
    first = gradient_graph(graph, output=1, dtype="float64")
    region = wb.ball(np.full((1, 3), 0.3), 0.2)
    found = find_bounds(plan_of(first), {"x": region}, "crown").output
    assert (found.hi - found.lo).max() < 2
    for x in region.sample(50, seed=1):
        seed = np.array([[[0.0, 1.0]]])
        _, grads = gradient.vjp(plan_of(graph), {"x": x[None]}, {graph.outputs[0]: seed})
        assert (found.lo <= grads["x"]).all()
        assert (grads["x"] <= found.hi).all()


def test_the_gradient_of_a_convolution_is_a_graph() -> None:
    net = nn.Sequential(
        nn.Conv2d(1, 3, 3, stride=2, padding=1), nn.Sigmoid(), nn.AvgPool2d(2), nn.Flatten(), nn.LayerNorm(12)
    ).init(0)
    x = RNG.normal(size=(1, 1, 8, 8))
    assert np.abs(jacrev(net)(x) - jacfwd(net)(x)).max() < 1e-13


# ---------------------------------------------------------------- every rule, held to account


@pytest.mark.parametrize("case", laws.CASES, ids=lambda case: case.op)
def test_the_rule_of(case: laws.Case) -> None:
    row = laws.judged(case)
    assert not row.failed, row


def test_no_operator_is_left_out() -> None:
    assert not laws.untested()


def test_a_wrong_rule_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The checks above would mean nothing if they let a wrong rule pass."""
    from workbench.op import RULES

    for op in ("Neg", "Mul", "Exp"):
        case = next(c for c in laws.CASES if c.op == op)
        right = RULES[op, "gradient"]

        def wrong(*args: Any, right: Any = right) -> Any:
            return tuple(None if p is None else p * (1 + 2.0**-30) for p in right(*args))

        monkeypatch.setitem(RULES, (op, "gradient"), wrong)
        failed = laws.judged(case).failed
        assert failed, op
        monkeypatch.undo()


def test_the_gradient_with_respect_to_weights_sums_over_examples() -> None:
    """An input of one row is shared: its gradient is the sum over the batch."""
    graph = wb.trace(lambda x, w: (F.relu(x @ w)).sum(), (1, 4), (4, 3), dtype="float64").graph
    plan, x = plan_of(graph), RNG.normal(size=(6, 1, 4))
    seeds = {graph.outputs[0]: np.ones((6,))}
    _, whole = gradient.vjp(plan, {"x": x, "w": W[None]}, seeds)
    each = sum(
        gradient.vjp(plan, {"x": r[None], "w": W[None]}, {graph.outputs[0]: np.ones(1)})[1]["w"] for r in x
    )
    assert whole["w"].shape == (1, 4, 3)
    assert np.abs(whole["w"] - each).max() < 1e-13
