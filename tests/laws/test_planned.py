"""Law: a planned run gives the bits of a run node by node, forward and backward, at every run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from laws.budget import COUNT
from laws.numbers import Draw
from laws.strategies import EXAMPLES, FOLDED
from workbench import nn
from workbench.graph import Graph
from workbench.nn import functional as F
from workbench.nn.tracing import trace
from workbench.semantics import gradient, real
from workbench.semantics.plan import plan_of
from workbench.semantics.planned import Planned

RNG = np.random.default_rng(7)


def same(a: Any, b: Any) -> bool:
    """Equal bits, NaN included."""
    a, b = np.asarray(a), np.asarray(b)
    return a.shape == b.shape and a.dtype == b.dtype and a.tobytes() == b.tobytes()


def compare(graph: Graph, points: list[dict[str, np.ndarray]], backward: bool = True) -> Planned:
    """Both ways of running, at several inputs one after another; the forward pass with shared places."""
    plan = plan_of(graph)
    forward, both = Planned(plan), Planned(plan, frozenset(graph.inputs))
    for x in points:
        eager = real.run(plan, x)
        found, values = forward.run(x), both.run(x)
        for name in graph.outputs:
            assert same(found[name], eager[name]), name
        for name in eager:
            assert same(values[name], eager[name]), name
        if not backward:
            continue
        seeds = {}
        for name in graph.outputs:
            v = eager[name]
            if name in plan.live and v.dtype.kind == "f":
                seeds[name] = np.random.default_rng(v.size).normal(size=v.shape).astype(v.dtype)
        wanted = frozenset(graph.inputs)
        theirs = gradient.pullback(plan, eager, seeds, None, wanted)
        ours = both.pull(seeds)
        assert ours.keys() == theirs.keys()
        for name in ours:
            assert same(ours[name], theirs[name]), f"gradient by {name}"
    return forward


@pytest.mark.parametrize("op", sorted(EXAMPLES.keys() - FOLDED))
@settings(max_examples=COUNT // 4)
@given(st.data())
def test_every_operator_has_the_same_bits_planned(op: str, data: st.DataObject) -> None:
    draw = Draw(data, calm=True)
    case = EXAMPLES[op](draw)
    rows = len(next(iter(case.points.values())))
    order = [0, rows - 1, 0]
    compare(case.graph, [{k: v[i : i + 1] for k, v in case.points.items()} for i in order])


NETWORKS: dict[str, tuple[Callable[[Any], Any], tuple[int, ...]]] = {
    "a chain of elementwise operators": (
        lambda x: F.tanh(F.relu(-(x * 2.0 + 1.0)) + F.exp(-x)) * F.sigmoid(x) / (x * x + 1.0),
        (6, 40),
    ),
    "views of one value": (lambda x: (x + 1.0).reshape(4, 6).T @ (x * x).reshape(4, 6) + (x - 1.0)[:6, :1], (24, 1)),
    "attention": (lambda x: F.softmax((x @ x.T) * 0.3) @ (x + 0.5) + x, (5, 4)),
}  # fmt: skip


@pytest.mark.parametrize("name", NETWORKS)
def test_places_are_shared_without_a_trace(name: str) -> None:
    function, shape = NETWORKS[name]
    graph = trace(function, shape).graph
    points = [{"x": RNG.normal(size=(1, *shape)).astype(np.float32)} for _ in range(3)]
    forward = compare(graph, points)
    apart = sum(n.size * 4 for n in graph.nodes if n.op not in ("Input", "Reshape", "Slice", "Transpose"))
    inside = 5 * 5 * 4 * 3 if name == "attention" else 0  # of softmax: differences, exponentials, quotients
    assert 0 < forward.bytes < apart + inside


@pytest.mark.parametrize("batch", [1, 3, 32])
def test_convolutions_of_one_picture_and_of_many(batch: int) -> None:
    """Both layouts of memory; the columns of the forward pass serve the kernel's gradient."""
    net = nn.Sequential(
        nn.Conv2d(2, 6, 3, padding=1), nn.ReLU(), nn.Conv2d(6, 4, 3, stride=2, groups=2), nn.BatchNorm2d(4),
        nn.ConvTranspose2d(4, 3, 2, stride=2), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(27, 3),
    ).init(0)  # fmt: skip
    module: Any = net

    def whole(x: Any, w: Any) -> Any:
        return module(F.conv(x, w, padding=1))

    graph = trace(whole, (batch, 3, 8, 8), (2, 3, 3, 3)).graph
    points = [
        {n: RNG.normal(size=(1, *graph[n].shape)).astype(np.float32) for n in graph.inputs} for _ in range(3)
    ]
    compare(graph, points)
