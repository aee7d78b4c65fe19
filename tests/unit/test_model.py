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
from workbench.graph import Graph, Node
from workbench.methods.crown import Cancelled, Progress
from workbench.model import Model
from workbench.semantics.plan import infer
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
    assert seen[0] == (True, True)  # bounds alone
    assert set(seen[1:]) == {(False, True)}  # then the same with rounding errors
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

    def first(progress: Progress) -> Iterator[tuple[str, bool]]:
        assert gate.wait(10)
        progress(0.1, "")
        yield "never", False

    worker.submit(1, first)
    worker.submit(2, lambda progress: iter([("dropped", False)]))
    worker.submit(3, lambda progress: iter([("newest", False)]))
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


def test_the_centre_is_the_middle_of_the_region_and_moves_it() -> None:
    model = wb.examples.digits()
    model.compute()
    model.wait()
    model.center = model.examples[3][1]
    assert model.stale
    assert (model.example, model.eps) == (3, 0.02)
    assert model.region is not None
    assert np.array_equal(model.region.center[0].ravel(), model.examples[3][1].ravel())
    model.compute()
    model.wait()
    assert model.result is not None
    assert model.result.verdict["state"] != "falsified"
    held = model.center
    assert held is not None
    held[:] = 9.0  # a copy: nothing of the model's
    assert np.array_equal(model.center, model.region.center[0])


@pytest.mark.parametrize(
    ("name", "value", "error", "says"),
    [
        ("center", np.zeros(3), wb.RegionError, r"shape \[3\], but the network's has \[1, 1, 8, 8\]"),
        ("center", [[0, 0], [0]], wb.RegionError, "array of numbers"),
        ("center", np.full(64, np.nan), wb.RegionError, "NaN"),
        ("clip", (1, 0), wb.RegionError, "lower one first"),
        ("clip", (float("nan"), 1), wb.RegionError, "lower one first"),
        ("clip", (5, 6), wb.RegionError, "outside the clip"),
        ("overlay", "foo", ValueError, "must be one of width"),
        ("method", "foo", ValueError, "must be one of ibp"),
        ("format", "foo", ValueError, "no number format 'foo'"),
        ("norm", "3", wb.RegionError, "'inf', '2' or '1'"),
        ("norm", "box", wb.RegionError, "wb.box"),
    ],
)
def test_a_setting_that_makes_no_sense_changes_nothing(
    name: str, value: Any, error: type[Exception], says: str
) -> None:
    model = wb.examples.digits()
    before, region = model.code(), model.region
    with pytest.raises(error, match=says):
        setattr(model, name, value)
    assert model.code() == before
    assert np.array_equal(model.region.lower, region.lower)  # type: ignore[union-attr]
    assert model.clip == (0.0, 1.0)


def test_other_spellings_are_understood() -> None:
    model = wb.examples.toy()
    model.method, model.format = "CROWN_IBP", "float16"
    assert (model.method, model.format) == ("crown-ibp", "binary16")
    assert model.bounds("IBP").method == "ibp"
    assert model.rounding("float64").format == "binary64"


def test_another_radius_for_one_call() -> None:
    model = wb.examples.digits()
    assert (model.bounds("ibp", eps=0.001).output.width < model.bounds("ibp").output.width).all()
    assert model.bounds(eps=0.0).regions["x"].clip == (0.0, 1.0)
    assert (model.rounding(eps=0.0).output <= model.rounding().output).all()
    assert model.eps == 0.02
    with pytest.raises(wb.RegionError, match="either a region or eps"):
        model.bounds(region=model.region, eps=0.1)


def test_a_clip_that_came_with_the_region_stays_with_it() -> None:
    model = Model(relu_network(np.random.default_rng(0), (3, 8, 6, 4)))
    model.region = wb.ball(np.full((1, 3), 0.05), 0.1, clip=(0.0, 1.0))
    model.eps = 0.2
    assert model.region.clip == (0.0, 1.0)
    assert (model.region.lower >= 0).all()


def test_one_change_is_told_in_one_step(model: Model) -> None:
    """Nobody who listens sees an epsilon beside a region that is not its own."""
    seen: list[bool] = []

    def look(_: Any) -> None:
        seen.append(
            model.region is not None and model.region.eps == model.eps and model.norm == model.region.norm
        )

    model.observe(look, ["eps", "region", "norm", "status"])
    model.explore(np.zeros(3), eps=0.1)
    model.eps = 0.2
    model.explore(np.ones(3), eps=0.3, norm="2")
    assert seen
    assert all(seen)


def test_attribution_is_of_the_output_that_is_asked_for() -> None:
    model = Model(two_outputs())
    model.explore(np.array([0.5, -0.25]), eps=0.1)
    assert model.attribution() is None
    model.compute()
    model.wait()
    assert model.result is not None
    for name, index in (("a", 0), ("a", 2), ("b", 0)):
        found = model.attribution(index, name)
        assert found is not None
        bound = float(model.result.rounding[name].ravel()[index])  # type: ignore[index]
        total = sum(share for *_, share in found)
        assert bound * (1 - 1e-9) <= total < 3 * bound
    assert model.attribution() == model.attribution(int(np.argmax(model.result.values["a"])), "a")
    assert model.attribution(1, "a") != model.attribution(0, "b")
    with pytest.raises(IndexError, match="'b' has 1 neurons"):
        model.attribution(2, "b")


def test_several_inputs_run_and_say_that_regions_are_for_one() -> None:
    nodes = infer(
        [
            Node("p", "Input", (), {}, (1, 2)),
            Node("q", "Input", (), {}, (1, 2)),
            Node("s", "Add", ("p", "q")),
        ],
        {},
    )
    model = Model(Graph(nodes, ("s",)))
    assert model.run({"p": np.ones((1, 2)), "q": np.ones((1, 2))}).tolist() == [[2.0, 2.0]]
    for act in (
        lambda: model.run(np.ones((1, 2))),
        lambda: model.explore(np.ones(2), eps=0.1),
        lambda: setattr(model, "region", wb.box(np.zeros(2), np.ones(2))),
        lambda: model.bounds(region=wb.box(np.zeros(2), np.ones(2))),
    ):
        with pytest.raises(wb.GraphError, match=r"has 2 inputs \(p, q\).*one_input"):
            act()
    assert "no region" in repr(model)


def test_what_is_missing_is_noted_and_a_fault_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    from workbench import results
    from workbench.op import UnsupportedOperator

    model = wb.examples.toy()

    def lacks(*args: Any, **options: Any) -> Any:
        raise UnsupportedOperator("Foo has no rule for rounding")

    def broken(*args: Any, **options: Any) -> Any:
        raise ValueError("operands could not be broadcast together")

    monkeypatch.setattr(results, "rounding", lacks)
    monkeypatch.setattr(results.gradient, "vjp", lacks)
    model.compute()
    model.wait()
    assert model.status["state"] == "fresh"
    assert (
        model.status["message"] == "no gradient: Foo has no rule for rounding; Foo has no rule for rounding"
    )
    monkeypatch.setattr(results, "rounding", broken)
    model.compute()
    model.wait()
    assert (model.status["state"], "broadcast" in model.status["message"]) == ("failed", True)


def test_results_print_as_tables() -> None:
    model = wb.examples.toy()
    shown = repr(model.bounds("crown"))
    assert len(shown) < 1000
    assert "relu_1" in shown
    assert "<table>" in model.bounds()._repr_html_()
    assert "largest error" in repr(model.rounding())
    assert "fc1" in repr(model.summary())
    assert not {"add_traits", "hold_trait_notifications"} & set(dir(model))
    assert {"bounds", "explore", "observe", "eps", "summary"} <= set(dir(model))
    assert not {"Any", "annotations", "import_module"} & set(dir(wb))


def test_a_batch_of_regions_is_refused_in_words(model: Model) -> None:
    both = wb.Region(np.zeros((2, 1, 3)), np.ones((2, 1, 3)))
    with pytest.raises(wb.RegionError, match="a batch of 2: choose one"):
        model.region = both
    assert model.bounds("ibp", region=both).output.lower.shape[0] == 2


def tied(gap: float) -> Model:
    """Outputs 0.1, x and x + gap of one input."""
    weights = {
        "w": np.array([[0.0, 1.0, 1.0]], np.float32),
        "b": np.array([0.1, 0.0, gap], np.float32),
    }
    nodes = infer([Node("x", "Input", (), {}, (1, 1)), Node("y", "Gemm", ("x", "w", "b"))], weights)
    return Model(Graph(nodes, ("y",), weights)).explore(np.zeros(1), eps=0.9)


@pytest.mark.parametrize(
    ("gap", "ends"),
    [(2.0**-30, "exceeds it at a point of the region"), (0.25, "but output 2 at a point of the region")],
)
def test_only_an_output_that_surely_is_the_largest_is_called_so(gap: float, ends: str) -> None:
    model = tied(gap)
    if gap == 0.25:
        model.center = np.array([-0.5])
    model.compute()
    model.wait()
    assert model.result is not None
    found = model.result.verdict
    assert found["state"] == "falsified"
    assert found["text"].startswith("output 0 is the largest at the centre, but output ")
    assert found["text"].endswith(ends)


def test_regions_of_one_box_are_told_apart() -> None:
    from workbench.views import wire

    balls = [wb.ball(np.full(3, k), 3, n, (0.0, 1.0)) for k in (0.0, 1.0) for n in ("2", "1", "inf")]
    assert len({ball.upper.tobytes() for ball in balls}) == 1
    assert len({wire.region_token(ball) for ball in balls}) == len(balls)


def test_a_constant_output_is_no_fault() -> None:
    weights = {"c": np.ones((1, 3), np.float32)}
    nodes = infer(
        [Node("x", "Input", (), {}, (1, 3)), Node("k", "Relu", ("c",)), Node("y", "Relu", ("x",))], weights
    )
    model = Model(Graph(nodes, ("k", "y"), weights)).explore(np.zeros(3), eps=0.1)
    model.compute()
    model.wait()
    assert (model.status["state"], model.status["message"]) == ("fresh", "")
    assert model.attribution() is None or model.attribution() == []


def test_nobody_else_changes_the_examples() -> None:
    x = np.zeros(3)
    model = Model(relu_network(np.random.default_rng(0), (3, 2)), examples=[("zero", x)])
    x[:] = 7
    assert model.examples[0][1].tolist() == [0, 0, 0]


def test_restoring_brings_back_centres_and_boxes(model: Model) -> None:
    other = Model(model.graph)
    for region in (
        wb.ball(np.array([[0.1, 0.2, 0.3]]), 0.2, "2"),
        wb.box(np.zeros((1, 3)), np.array([[0.1, 0.2, 0.3]])),
    ):
        model.region = region
        other.restore(model.state())
        assert other.region is not None
        assert np.array_equal(other.region.lower, model.region.lower)
        assert (other.region.eps, other.region.norm) == (model.region.eps, model.region.norm)


def two_outputs() -> Graph:
    rng = np.random.default_rng(3)
    weights = {"w": rng.normal(size=(2, 4)), "v": rng.normal(size=(4, 3)), "u": 50 * rng.normal(size=(4, 1))}
    nodes = [
        Node("x", "Input", (), {}, (1, 2)),
        Node("h", "MatMul", ("x", "w")),
        Node("r", "Relu", ("h",)),
        Node("a", "MatMul", ("r", "v")),
        Node("b", "MatMul", ("r", "u")),
    ]
    weights = {key: value.astype(np.float32) for key, value in weights.items()}
    return Graph(infer(nodes, weights), ("a", "b"), weights)
