"""Model: settings, results that belong to their settings, and work in the background."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import workbench as wb
from tests.networks import relu_network
from workbench.methods.crown import Cancelled, Progress
from workbench.model import Model
from workbench.worker import Worker


@pytest.fixture
def model() -> Model:
    return Model(relu_network(np.random.default_rng(0), (3, 8, 6, 4)), name="little")


def test_run_takes_one_input_or_a_stack(model: Model) -> None:
    one = model.run(np.ones(3))
    assert one.shape == (1, 4) and one.dtype == np.float32
    assert model.run(np.ones((5, 1, 3))).shape == (5, 1, 4)
    np.testing.assert_array_equal(model.run(np.ones((5, 3)))[2], one[0])
    assert model.values(np.ones(3))["z0"].shape == (1, 8)


def test_a_wrong_input_shape_says_what_was_expected(model: Model) -> None:
    with pytest.raises(wb.GraphError, match=r"has shape \[4\], expected \[1, 3\]"):
        model.run(np.ones(4))


def test_bounds_need_a_region(model: Model) -> None:
    with pytest.raises(wb.RegionError, match=r"set model.region = wb.ball"):
        model.bounds()


def test_setting_eps_moves_the_region(model: Model) -> None:
    model.explore(np.zeros(3), eps=0.1)
    wide = model.bounds("ibp").output.width
    model.eps = 0.01
    assert model.region is not None and model.region.eps == 0.01
    assert (model.bounds("ibp").output.width < wide).all()
    model.region = wb.box(np.zeros(3), np.ones(3))
    assert model.center is not None
    np.testing.assert_allclose(model.center, 0.5)


def test_settings_that_make_no_sense_are_refused(model: Model) -> None:
    model.explore(np.zeros(3), eps=0.1)
    for bad in (-1.0, float("nan")):
        with pytest.raises(wb.RegionError, match="eps"):
            model.eps = bad
    with pytest.raises(wb.GraphError, match="no node 'nope'"):
        model.selection = ("nope", 0)
    with pytest.raises(wb.RegionError, match=r"expected|has"):
        model.region = wb.box(np.zeros(7), np.ones(7))


def test_a_result_belongs_to_its_settings(model: Model) -> None:
    model.explore(np.zeros(3), eps=0.1)
    assert model.stale
    model.compute()
    model.wait()
    assert not model.stale and model.status["state"] == "fresh"
    assert model.result is not None and model.result.eps == 0.1
    model.eps = 0.2
    assert model.stale and model.status["state"] == "stale"
    assert model.result.eps == 0.1


@pytest.mark.parametrize("setting", [("method", "ibp"), ("format", "bfloat16"), ("norm", "2")])
def test_every_setting_makes_the_result_stale(model: Model, setting: tuple[str, str]) -> None:
    model.explore(np.zeros(3), eps=0.1)
    model.compute()
    model.wait()
    setattr(model, *setting)
    assert model.stale


def test_bounds_arrive_before_rounding_errors(model: Model) -> None:
    seen: list[tuple[bool, bool]] = []

    def look(change: Any) -> None:
        seen.append((change["new"].rounding is None, change["new"].eps == 0.1))

    model.observe(look, "result")
    model.explore(np.zeros(3), eps=0.1)
    model.compute()
    model.wait()
    assert seen == [(True, True), (False, True)] or seen[-1] == (False, True)
    assert model.result is not None and model.result.rounding is not None
    for name, bound in model.result.rounding.items():
        assert (model.result.observed[name] <= bound).all()


def test_the_newest_request_wins_in_an_event_loop(model: Model) -> None:
    async def drag() -> None:
        model.watch()
        for k in range(1, 40):
            model.eps = 0.001 * k
            await asyncio.sleep(0.002)
        for _ in range(400):
            if model.status["state"] == "fresh":
                break
            await asyncio.sleep(0.01)

    model.explore(np.zeros(3), eps=0.001)
    shown: list[bool] = []
    model.observe(lambda change: shown.append(change["new"].eps <= 0.039), "result")
    asyncio.run(drag())
    assert model.status["state"] == "fresh" and not model.stale
    assert model.result is not None and model.result.eps == pytest.approx(0.039)
    assert all(shown) and len(shown) >= 2


def test_back_and_forward_walk_the_selections(model: Model) -> None:
    for name in ("z0", "r0", "z1"):
        model.selection = (name, None)
    model.back()
    assert model.selection == ("r0", None)
    model.back()
    model.forward()
    assert model.selection == ("r0", None)
    model.selection = ("z0", 1)
    model.forward()
    assert model.selection == ("z0", 1)


def test_state_comes_back_and_belongs_to_its_network(model: Model) -> None:
    model.explore(np.zeros(3), eps=0.1)
    model.method, model.selection = "ibp", ("z0", 2)
    state = model.state()
    other = Model(model.graph)
    other.explore(np.zeros(3), eps=0.3)
    other.restore(state)
    assert (other.eps, other.method, other.selection) == (0.1, "ibp", ("z0", 2))
    stranger = Model(relu_network(np.random.default_rng(9), (3, 2)))
    with pytest.raises(ValueError, match="another network"):
        stranger.restore(state)


def test_a_failing_computation_is_shown_not_lost(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: Any, **options: Any) -> Any:
        raise MemoryError("no room")

    monkeypatch.setattr("workbench.results.find_bounds", broken)
    model.explore(np.zeros(3), eps=0.1)
    model.compute()
    model.wait()
    assert model.status["state"] == "failed" and "no room" in model.status["message"]
    monkeypatch.undo()
    model.compute()
    model.wait()
    assert model.status["state"] == "fresh"


def test_cancel_keeps_the_old_result_and_says_so(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    model.explore(np.zeros(3), eps=0.1)
    model.compute()
    model.wait()
    started, go = threading.Event(), threading.Event()

    def slow(plan: Any, regions: Any, method: str, progress: Progress, rows: Any) -> Any:
        started.set()
        assert go.wait(10)
        progress(0.5, "half way")
        raise AssertionError("the cancelled job went on")

    monkeypatch.setattr("workbench.results.find_bounds", slow)
    model.eps = 0.2
    model.compute()
    assert started.wait(10)
    model.cancel()
    go.set()
    model.wait()
    assert model.status["state"] == "cancelled"
    assert model.result is not None and model.result.eps == 0.1 and model.stale


def test_the_worker_drops_what_is_out_of_date() -> None:
    done: list[tuple[int, Any]] = []
    worker = Worker(lambda seq, result, error, more: done.append((seq, result)), lambda *args: None)
    gate = threading.Event()

    def first(progress: Progress) -> Iterator[str]:
        assert gate.wait(10)
        progress(0.1, "")
        yield "never"

    worker.submit(1, first)
    worker.submit(2, lambda progress: iter(["dropped"]))
    worker.submit(3, lambda progress: iter(["newest"]))
    gate.set()
    worker.wait(10)
    assert {seq for seq, _ in done} <= {2, 3} and (3, "newest") in done
    assert all(result != "never" for _, result in done)
    assert issubclass(Cancelled, Exception)


def test_what_is_claimed_names_the_region_that_was_bounded() -> None:
    from workbench.views import wire

    model = Model(relu_network(np.random.default_rng(0), (3, 8, 6, 4)), clip=(0.0, 1.0))
    model.explore(np.full(3, 0.05), eps=0.1)
    model.compute()
    model.wait()
    assert wire.statement(model.result).endswith("0.1 and 0.0 \u2264 x \u2264 1.0")
    model.region = wb.box(np.zeros(3), np.array([0.1, 0.2, 0.4]))
    assert (model.norm, model.eps) == ("box", 0.2)
    model.compute()
    model.wait()
    assert wire.statement(model.result) == "for all x in the chosen box"
    model.eps = 0.01
    assert model.norm == "inf" and model.region.eps == 0.01


def test_another_input_is_no_example() -> None:
    model = wb.examples.digits()
    assert model.example is not None
    model.explore(np.zeros(64), eps=0.01)
    assert model.example is None
    model.example = 1
    assert model.center is not None and (model.center.ravel() == model.examples[1][1].ravel()).all()
