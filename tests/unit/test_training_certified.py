"""Training to be verified: the losses' bounds are the engine's, nearly; and the record that is written down holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import workbench as wb
from workbench import nn
from workbench.methods.named import find_bounds
from workbench.nn import certified
from workbench.nn.intervals import propagate
from workbench.nn.module import names_of
from workbench.nn.value import Trace
from workbench.op import UnsupportedOperator
from workbench.region import Region
from workbench.semantics import real
from workbench.semantics.plan import plan_of

NETWORK = Path(__file__).resolve().parents[2] / "tutorials" / "networks" / "digits_certified.onnx"
RNG = np.random.default_rng(0)
X, Y = RNG.random((12, 1, 6, 6)).astype(np.float32), np.arange(12) % 3


def convolutional() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 3, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(27, 8),
        nn.ReLU(),
        nn.Linear(8, 3),
    ).init(3)


def everything() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.LeakyReLU(0.1), nn.AvgPool2d(2), nn.Flatten(),
        nn.Residual(nn.Linear(16, 16), nn.Tanh()), nn.Linear(16, 3), nn.Sigmoid(),
    ).init(3)  # fmt: skip


@pytest.mark.parametrize("make", [convolutional, everything])
def test_intervals_for_training_are_the_engines(make: Any) -> None:
    net = make()
    paths, names = names_of(net)
    trace = Trace(paths=paths, names=names)
    x = trace.input("x", (1, 1, 6, 6))
    output = net.eval()(x)
    nodes = list(trace.nodes)[1:]
    low, high = propagate(trace, x, (x - 0.05, x + 0.05), nodes)[output.name]
    values = real.run(plan_of(trace.graph([low, high])), {"x": X[:1][None]})
    plan = plan_of(net.graph((1, 1, 6, 6)))
    at = X[:1].astype(np.float64)
    sound = find_bounds(
        plan, {plan.graph.inputs[0]: Region((at - 0.05)[None], (at + 0.05)[None])}, "ibp"
    ).output
    assert np.abs(values[low.name] - sound.lo).max() < 1e-5
    assert np.abs(values[high.name] - sound.hi).max() < 1e-5


def test_crown_ibp_is_never_looser_than_ibp_and_bounds_what_is_sampled() -> None:
    losses = {}
    for name, objective in (("ibp", certified.IBP(0.05, 1.0)), ("crown", certified.CROWNIBP(0.05, 1.0))):
        losses[name] = nn.trainer.Session(convolutional(), objective).step(X, Y, 0).loss
    session = nn.trainer.Session(convolutional(), nn.Objective(nn.CrossEntropyLoss()))
    ready = nn.CrossEntropyLoss().prepare(Y, (12, 3))
    found = certified.attack(session, X, ready, 0.05, 10, (0.0, 1.0), np.random.default_rng(1))
    assert np.abs(found - X).max() <= 0.05 + 1e-6
    attacked = session.evaluate(found, Y)[0]
    assert session.evaluate(X, Y)[0] < attacked < losses["crown"] <= losses["ibp"]


@pytest.mark.parametrize("make", [certified.IBP, certified.CROWNIBP])
def test_the_gradient_through_the_bounds_is_the_derivative(make: Any) -> None:
    net = convolutional()
    session = nn.trainer.Session(net, make(0.05, 0.7))
    grad = session.step(X, Y, 0).grads["3.weight"]
    at = np.unravel_index(np.abs(grad).argmax(), grad.shape)
    held, ends = net.named_parameters()["3.weight"], []
    for sign in (1, -1):
        moved = held.value.copy()
        moved[at] += sign * 2e-3
        kept, held.value = held.value, moved
        ends.append(session.step(X, Y, 0).loss)
        held.value = kept
    assert abs((ends[0] - ends[1]) / 4e-3 - grad[at]) < 0.02 * abs(grad[at])


def test_certified_counts_what_crown_proves_one_by_one() -> None:
    net = convolutional()
    found = certified.certified(net, X, Y, 0.01)
    for i in range(len(X)):
        model = net.model((1, 1, 6, 6))
        verdict = model.verify(wb.margin(int(Y[i])), wb.ball(X[i : i + 1], 0.01, clip=(0, 1)))
        assert not found[i] or verdict.status == "verified"
    assert not found[net(X).argmax(axis=1) != Y].any()


def test_what_has_no_rule_is_named() -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(36, 3), nn.GELU())
    with pytest.raises(UnsupportedOperator, match=r"\(Gelu\) has no rule for intervals in training"):
        nn.trainer.Session(net, certified.IBP(0.1)).step(X, Y, 0)


def test_the_record_holds() -> None:
    """What the documents say of the committed network, but for the certificates, which take minutes."""
    pytest.importorskip("sklearn")
    _, _, x, y = nn.digits()
    model = wb.load(NETWORK)
    assert (model.run(x).argmax(axis=1) == y).sum() == 358
    assert certified.certified(model.graph, x, y, 0.02).sum() == 356
