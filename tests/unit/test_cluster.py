"""Searches that several processes share: the same verdicts, whole trees, and nothing lost with a worker."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import workbench as wb
from workbench.cli.bench import Instance, decided
from workbench.methods import branch, cluster
from workbench.methods.tree import Tree
from workbench.region import Region, box
from workbench.wanted import property_of

distributed = pytest.importorskip("distributed", reason="the extra `cluster` is not installed")


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    """Two processes."""
    with distributed.Client(n_workers=2, threads_per_worker=1, dashboard_address=":0") as found:
        yield found


def question(room: float) -> tuple[Any, ...]:
    """Whether an output of the controller stays below the largest of a sample and some room."""
    network = wb.examples.controller().network
    region = box(np.full((1, 3), -0.9), np.full((1, 3), 0.9))
    points = np.random.default_rng(7).uniform(-0.9, 0.9, (4096, 3)).astype(np.float32)
    top = float(network.run(points)[:, 0].max())
    asked = property_of(wb.linear([[1, 0, 0, 0, 0]], [top + room]), region, 3, 5)
    return network.plan, asked.cases[0].region.reshape((1, 3)), asked.cases[0].unsafe


def covered(tree: Tree, region: Region, rng: np.random.Generator) -> bool:
    """Whether points of the region each lie in a proved part (of those that were cut, outside the cut)."""
    x = rng.uniform(region.lower.ravel(), region.upper.ravel(), (200, region.lower.size))
    found = np.zeros(len(x), bool)
    for p in tree.proved:
        inside = (p.lower[:, None] <= x).all(-1) & (x <= p.upper[:, None]).all(-1)
        if p.cut_lower is not None and p.cut_upper is not None:
            inside &= ~((p.cut_lower[:, None] < x).all(-1) & (x < p.cut_upper[:, None]).all(-1))
        found |= inside.any(0)
    return bool(found.all())


@pytest.mark.parametrize("room", [-1.0, 0.5])
def test_the_same_verdict_as_alone(client: Any, room: float) -> None:
    plan, region, unsafe = question(room)
    alone = branch.verify(plan, region, unsafe, timeout=60)
    shared = branch.verify(plan, region, unsafe, timeout=60, crew=cluster.Crew(client))
    assert (shared.status, shared.timed_out) == (alone.status, False)
    assert shared.tree is not None
    if shared.status == "verified":
        assert shared.tree.done == pytest.approx(1, abs=1e-12)
        assert not shared.tree.open
        assert covered(shared.tree, region, np.random.default_rng(0))


def long_search(monkeypatch: pytest.MonkeyPatch) -> tuple[Any, ...]:
    """A question that takes many tasks: each may work for a moment only."""
    monkeypatch.setattr(cluster, "SECONDS", 0.0)
    return question(0.05)


def test_a_killed_worker_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    plan, region, unsafe = long_search(monkeypatch)
    with distributed.Client(n_workers=2, threads_per_worker=1, dashboard_address=":0") as own:
        pids = list(own.run(os.getpid).values())
        killed = threading.Event()

        def kill(_: float, words: str) -> None:
            if "workers" in words and not killed.is_set():
                os.kill(pids[0], signal.SIGKILL)
                killed.set()

        found = branch.verify(plan, region, unsafe, timeout=60, crew=cluster.Crew(own), progress=kill)
        assert killed.is_set()
        assert found.status == "verified"
        assert found.tree is not None and found.tree.done == pytest.approx(1, abs=1e-12)
        assert covered(found.tree, region, np.random.default_rng(1))


def test_an_interrupt_keeps_the_tree_whole_and_it_goes_on_alone(
    client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, region, unsafe = long_search(monkeypatch)
    told = 0

    def stop(_: float, words: str) -> None:
        nonlocal told
        told += "workers" in words
        if told == 3:
            raise KeyboardInterrupt

    stopped = branch.verify(plan, region, unsafe, crew=cluster.Crew(client), progress=stop)
    assert (stopped.status, stopped.interrupted) == ("unknown", True)
    assert stopped.tree is not None
    left = sum(float(b.weight.sum()) for b in stopped.tree.open)
    assert stopped.tree.done + left == pytest.approx(1, abs=1e-12)
    found = branch.verify(plan, region, unsafe, timeout=60, tree=stopped.tree)
    assert found.status == "verified"
    assert found.tree is not None and covered(found.tree, region, np.random.default_rng(2))


def test_time_that_runs_out_is_kept(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    plan, region, unsafe = long_search(monkeypatch)
    start = time.monotonic()
    found = branch.verify(plan, region, unsafe, timeout=0.05, crew=cluster.Crew(client))
    assert time.monotonic() - start < 5
    assert (found.status, found.timed_out) == ("unknown", True)
    assert found.tree is not None
    left = sum(float(b.weight.sum()) for b in found.tree.open)
    assert found.tree.done + left == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("seed", [0, 1])
def test_signs_of_relus_are_shared_too(client: Any, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    monkeypatch.setattr(branch, "NARROW", -1)  # as if the inputs were too many to split
    monkeypatch.setattr(cluster, "SECONDS", 0.0)
    rng = np.random.default_rng(seed)
    plan, _, unsafe = question(0.3)
    center = rng.uniform(-0.5, 0.5, (1, 3))
    region = box(center - 0.2, center + 0.2)
    alone = branch.verify(plan, region, unsafe, timeout=60)
    shared = branch.verify(plan, region, unsafe, timeout=60, crew=cluster.Crew(client))
    assert alone.status == shared.status == "verified"
    assert shared.visited >= 20
    assert shared.tree is not None and shared.tree.done == pytest.approx(1, abs=1e-12)
    assert all(p.signs is not None for p in shared.tree.proved)


def test_what_is_no_number_of_workers_is_refused() -> None:
    model = wb.examples.controller()
    for workers in (-1, "two", True):
        with pytest.raises(ValueError, match="workers"):
            model.verify(wb.margin(0), workers=workers)


def test_instances_run_side_by_side(client: Any, tmp_path: Path) -> None:
    (tmp_path / "p.vnnlib").write_text("(declare-const X_0 Real)\n(this is none\n")
    instances = [Instance("missing.onnx", "p.vnnlib", 60.0), Instance("none.onnx", "p.vnnlib", 60.0)]
    results = list(decided(tmp_path, instances, None, 0, client.scheduler.address))
    assert {r.instance for r in results} == set(instances)
    assert all(r.answer == "error" and r.said for r in results)
