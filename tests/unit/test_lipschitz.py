"""Lipschitz constants that hold between any two points, a loss that lowers them, and gradients that go wrong."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import workbench as wb
from workbench import nn
from workbench.autodiff import jacrev
from workbench.graph import GraphError
from workbench.nn import LocalPenalty, SpectralPenalty, lipschitz
from workbench.nn.session import Session
from workbench.op import UnsupportedOperator
from workbench.semantics import real
from workbench.semantics.plan import plan_of

NETS: dict[str, tuple[Any, tuple[int, ...]]] = {
    "relu": (nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)), (1, 4)),
    "smooth": (nn.Sequential(nn.Linear(4, 6), nn.SiLU(), nn.Linear(6, 5), nn.Softplus(), nn.Linear(5, 2)), (1, 4)),
    "normed": (nn.Sequential(nn.Linear(4, 6), nn.LayerNorm(6), nn.LeakyReLU(), nn.Linear(6, 2), nn.Softmax(-1)),
               (1, 4)),
    "convolved": (
        nn.Sequential(nn.Conv2d(1, 3, 3, padding=1), nn.BatchNorm2d(3), nn.Hardswish(), nn.MaxPool2d(2),
                      nn.AvgPool2d(2), nn.Flatten(), nn.Linear(3, 2)),
        (1, 1, 4, 4),
    ),
}  # fmt: skip
ORDERS = {"inf": np.inf, "2": 2, "1": 1}


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("norm", ["inf", "2", "1"])
def test_no_two_points_differ_by_more(name: str, norm: str) -> None:
    module, shape = NETS[name]
    graph = module.init(1).graph(shape)
    rng = np.random.default_rng(5)
    centre = rng.normal(size=shape)
    region = wb.ball(centre, 0.2)
    found = lipschitz(graph, region, norm=norm)
    assert np.isfinite(found).all()
    plan = plan_of(graph)
    a = region.sample(300, seed=1)
    b = a + rng.normal(size=a.shape) * 10.0 ** rng.uniform(-6, -1, size=(300, *(1,) * len(shape)))
    b = np.clip(b, region.lower[0], region.upper[0])
    x, y = (real.run(plan, {"x": v}, np.float64)[graph.outputs[0]].reshape(300, -1) for v in (a, b))
    apart = np.linalg.norm((a - b).reshape(300, -1), ORDERS[norm], axis=1)
    steep = (np.abs(x - y)[apart > 0] / apart[apart > 0, None]).max(axis=0)
    assert (steep <= found * (1 + 1e-6)).all()
    assert (found < 40 * steep).all(), "bounds that say something"


def test_of_a_linear_network_it_is_its_weights_norm() -> None:
    module = nn.Sequential(nn.Linear(3, 2)).init(0)
    w = module.parameters()[0].value.astype(np.float64)
    region = wb.ball(np.zeros((1, 3)), 1.0)
    for norm, exact in (("inf", np.abs(w).sum(1)), ("2", np.sqrt((w * w).sum(1))), ("1", np.abs(w).max(1))):
        found = lipschitz(module.graph((1, 3)), region, norm=norm)
        assert (found >= exact).all()
        assert np.abs(found - exact).max() < 1e-14


def test_what_jumps_is_refused() -> None:
    region = wb.ball(np.zeros((1, 3)), 1.0)
    for function in (lambda x: x.trace.emit("Sign", [x]), nn.functional.gelu):
        with pytest.raises(UnsupportedOperator, match="is not bounded: it jumps, or its derivative"):
            lipschitz(wb.trace(function, (1, 3)).graph, region)
    with pytest.raises(GraphError, match="norm must be"):
        lipschitz(wb.trace(lambda x: x + 1.0, (1, 3)).graph, region, norm="3")


def test_the_penalty_is_the_squared_singular_value_and_lowers_the_constant() -> None:
    rng = np.random.default_rng(1)
    y = rng.integers(0, 3, 120)
    x = (rng.normal(size=(3, 16))[y] + 0.6 * rng.normal(size=(120, 16))).astype(np.float32)
    found = []
    for share in (0.0, 0.03, -1.0):
        net = nn.Sequential(nn.Linear(16, 12), nn.ReLU(), nn.Linear(12, 3)).init(0)
        objective: Any = SpectralPenalty(nn.CrossEntropyLoss(), share, steps=8)
        if share < 0:
            objective = LocalPenalty(0.03, eps=0.05)
        trainer = nn.Trainer(net, objective, nn.Adam(net, 0.01), progress=False)
        if share > 0:
            plain, _ = trainer.session.evaluate(x, y)
            whole = trainer.session.step(x, y, 0).loss
            sizes = [np.linalg.svd(p.value)[1][0] ** 2 for p in net.parameters() if p.value.ndim == 2]
            assert abs(whole - plain - share * sum(sizes)) < 0.1 * share * sum(sizes)
        trainer.fit(nn.Loader(x, y, batch_size=32), 15)
        constants = lipschitz(
            net.graph((1, 16)), wb.ball(x[:1].astype(np.float64), 0.05), outputs=[int(y[0])]
        )
        found.append((constants[0], trainer.evaluate((x, y))["accuracy"]))
    for constant, right in found[1:]:
        assert constant < 0.8 * found[0][0]
        assert right > 0.8


def test_the_local_penalty_is_a_bound_on_gradients_around_the_examples() -> None:
    net = nn.Sequential(nn.Linear(4, 9), nn.ReLU(), nn.Linear(9, 5), nn.ReLU(), nn.Linear(5, 3)).init(2)
    rng = np.random.default_rng(4)
    x, y, eps = rng.normal(size=(1, 4)).astype(np.float32), np.array([1]), 0.1
    plain = Session(net, LocalPenalty(0.0, eps)).step(x, y, 0).loss
    bound = Session(net, LocalPenalty(1.0, eps)).step(x, y, 0).loss - plain
    worst = 0.0
    for point in wb.ball(x.astype(np.float64), eps).sample(200, seed=3):
        rows = jacrev(net)(point).reshape(3, 4)
        worst = max(worst, float(np.abs(rows[1] - rows).sum(axis=1).sum() / 2))
    assert worst <= bound * (1 + 1e-5)
    assert bound < 3 * worst
    with pytest.raises(UnsupportedOperator, match="has no rule in LocalPenalty"):
        Session(nn.Sequential(nn.Linear(4, 3), nn.Tanh()).init(0), LocalPenalty()).step(x, y, 0)


def test_exploding_gradients_are_warned_of_once() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(64, 3)).astype(np.float32), rng.normal(size=(64, 1)).astype(np.float32)
    net = nn.Sequential(nn.Linear(3, 1)).init(0)
    trainer = nn.Trainer(net, nn.MSELoss(), nn.SGD(net, 1e-3), progress=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        trainer.fit(nn.Loader(x, y, batch_size=4), 1)
    trainer.optimizer.lr = trainer.optimizer.base = 1e6
    with pytest.warns(
        UserWarning, match=r"gradients explode: their norm is .* at step \d+.*clip_norm="
    ) as told:
        _steps(trainer, x, y)
    assert len(told) == 1


def _steps(trainer: Any, x: Any, y: Any) -> None:
    for _ in range(3):
        trainer._step(x[:4], y[:4])


def test_the_node_where_a_gradient_stops_being_finite_is_named() -> None:
    class Root(nn.Module):
        def __init__(self) -> None:
            self.fc = nn.Linear(2, 2)

        def forward(self, x: Any) -> Any:
            return nn.functional.sqrt(nn.functional.relu(self.fc(x)))

    net = Root().init(0)
    for p in net.parameters():
        p.value = -np.ones_like(p.value)
    trainer = nn.Trainer(net, nn.MSELoss(), nn.SGD(net, 0.1), progress=False)
    one = np.ones((2, 2), np.float32)
    with pytest.raises(
        nn.TrainingError, match=r"gradient of fc.* is not finite at step 0.*\(Sqrt\) is where it stops"
    ):
        trainer._step(one, one)
