"""The views' Python side: what goes over the wire, what comes back, and what a page without a kernel shows."""

from __future__ import annotations

import asyncio
import base64
import json
import math
import re
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import workbench as wb
from fakes import GOLDEN, FakeModel, Pair, arrays, golden
from workbench.graph import Graph, Node
from workbench.model import Model
from workbench.semantics.plan import infer
from workbench.views import (
    BoundsView,
    GraphView,
    RoundingView,
    Workbench,
    errors,
    graph_svg,
    static_html,
    text,
    widths,
    wire,
)
from workbench.views import detail as detail_module
from workbench.views.layout import fold, layers
from workbench.worker import QUIET


def test_the_wire_is_the_golden_one_that_the_front_end_reads() -> None:
    assert golden() == json.loads(GOLDEN.read_text()), (
        "the wire changed: see tests/golden/README in wire.py's docstring"
    )


def test_a_slider_that_is_answered_at_once_gets_one_message() -> None:
    model = wb.examples.digits()
    seen: list[str] = []

    async def drag() -> tuple[tuple[str, int], list[str]]:
        view = BoundsView(model)
        model.wait()
        await asyncio.sleep(0.02)
        view.observe(lambda change: seen.append(change["new"]["state"]), names=["status"])
        model._worker.submit = lambda *_: None  # type: ignore[method-assign]  # nothing answers
        view.set_state({"eps": 0.0123})
        asked = model.status["state"], len(seen)
        await asyncio.sleep(QUIET + 0.2)  # what takes long is said after all
        return asked, list(seen)

    asked, later = asyncio.run(drag())
    assert asked == ("computing", 0)
    assert later == ["computing"]


def test_every_number_carries_what_it_was_computed_for() -> None:
    model = FakeModel()
    view = Workbench(model)
    model.eps = 0.5
    assert view.eps == 0.5 and view.status["for"]["eps"] == 0.5
    assert view.detail["eps"] == view.stamp["eps"] == 0.25, "the old result must keep its own epsilon"
    model.compute()
    assert view.detail["eps"] == view.stamp["eps"] == 0.5 and view.detail["seq"] == 2


def test_arrays_are_float64_exactly() -> None:
    model = FakeModel()
    view = BoundsView(model)
    got = arrays(view)
    np.testing.assert_array_equal(got["lower"], model.result.bounds["r"].lower.ravel())
    np.testing.assert_array_equal(got["pre_upper"], model.result.bounds["h"].upper.ravel())
    assert got["samples"].size == 2 * 3 and view.detail["samples"] == 2 and view.detail["operand"] == "h"
    assert len(view.detail_data) == view.detail["bytes"]


def test_selection_goes_both_ways_and_never_loops() -> None:
    model = FakeModel()
    one, two = GraphView(model), BoundsView(model)
    one.selection = {"node": "h", "index": 2}
    assert (
        model.selection == ("h", 2)
        and two.selection == {"node": "h", "index": 2}
        and two.detail["node"] == "h"
    )
    model.selection = ("x", None)
    assert one.selection == two.selection == {"node": "x", "index": None}
    assert two.neuron["index"] is None


def test_a_refused_epsilon_says_why_and_shows_the_old_one() -> None:
    model = FakeModel()
    view = Workbench(model)
    view.eps = -1.0
    assert model.eps == view.eps == 0.25 and "epsilon must be" in view.notice
    view.eps = 0.125
    assert model.eps == 0.125 and view.notice == ""


@pytest.mark.parametrize(
    "sent", [{"node": "h", "index": "one"}, {"node": "h", "index": [1]}, {"node": "no such", "index": 0}]
)
def test_a_selection_that_makes_no_sense_is_refused(sent: dict[str, Any]) -> None:
    model = wb.examples.toy()
    model.selection = ("relu_1", 1)
    view = Workbench(model)
    view.selection = sent
    assert model.selection == ("relu_1", 1)
    assert view.selection == {"node": "relu_1", "index": 1}
    assert "was refused" in view.notice
    view.selection = {}
    assert model.selection == (None, None)


def test_attribution_names_the_output_that_it_explains() -> None:
    model = wb.examples.toy()
    model.compute()
    model.wait()
    view = RoundingView(model)
    largest = int(np.argmax(model.result.values["fc2"]))
    for selected, index in (
        (("fc2", 0), 0),
        (("fc2", 1), 1),
        (("relu_1", 2), largest),
        (("fc2", None), largest),
    ):
        model.selection = selected
        assert (view.attribution["output"], view.attribution["index"]) == ("fc2", index)
        assert view.attribution["items"][0]["contribution"] == model.attribution(index, "fc2")[0][2]


@pytest.mark.parametrize(("value", "level"), [(0.0, 0), (0.5, 128), (1.0, 255), (7.0, 255), (-3.0, 0)])
def test_an_input_of_one_value_has_that_grey(value: float, level: int) -> None:
    small = wire.thumbnail(np.full((1, 8, 8), value))
    assert small is not None and set(small["data"]) == {level}


def test_one_step_of_the_slider_is_one_small_message(monkeypatch: pytest.MonkeyPatch) -> None:
    model = wb.examples.digits()
    view = Workbench(model)
    model.wait()
    sent: list[set[str]] = []
    monkeypatch.setattr(type(view), "send_state", lambda self, key=None: sent.append(set(key or ())))
    view.set_state({"eps": 0.011})
    assert model.eps == 0.011
    assert [keys - {"eps"} for keys in sent] == [{"status"}]
    model.wait()
    assert sum("detail" in keys for keys in sent) == 2  # bounds, then rounding errors
    assert not any({"controls", "graph", "thumbnail"} & keys for keys in sent)


def test_one_widget_of_a_kind_serves_every_cell() -> None:
    model = wb.examples.toy()
    first = model.graph_view()
    assert model.graph_view() is first
    assert model.bounds_view() is not first
    shown = [
        model._repr_mimebundle_()[0]["application/vnd.jupyter.widget-view+json"]["model_id"] for _ in range(3)
    ]
    assert len(set(shown)) == 1
    first.close()
    again = model.graph_view()
    assert again is not first
    assert again.comm is not None


def test_a_limit_that_the_network_computes_has_no_curve_and_no_fault() -> None:
    nodes = infer(
        [
            Node("x", "Input", (), {}, (1, 1)),
            Node("m", "Abs", ("x",)),
            Node("top", "ReduceMax", ("m",), {"keepdims": 0}),
            Node("c", "Clip", ("x", "low", "top")),
        ],
        {"low": np.float32(-1.0)},
    )
    model = Model(Graph(nodes, ("c",), {"low": np.float32(-1.0)}))
    model.explore(np.array([0.5]), eps=0.25)
    model.compute()
    model.wait()
    assert model.status["state"] == "fresh", model.status
    model.selection = ("c", 0)
    view = Workbench(model)
    assert view.neuron["index"] == 0
    assert not (view.neuron["relaxation"] or {}).get("curve")


def test_the_curve_of_a_relu_is_its_two_pieces() -> None:
    model = wb.examples.toy()
    model.explore(np.array([0.5, 0.25]), eps=1.0)
    model.compute()
    model.wait()
    for index in range(3):
        found = model.relaxation("relu_1", index)
        assert found is not None
        assert [0.0, 0.0] in found["curve"]
        assert len(found["curve"]) <= 5
        assert all(y == max(x, 0.0) for x, y in found["curve"])


def test_phases_are_the_bounds_own() -> None:
    model = wb.examples.digits()
    model.compute()
    model.wait()
    model.selection = ("relu_1", None)
    got = arrays(BoundsView(model))["phase"]
    before = model.result.bounds["fc1"]
    on, off = before.lower.ravel() >= 0, before.upper.ravel() <= 0
    np.testing.assert_array_equal(got, np.where(on, 1, np.where(off, -1, 0)))
    assert model.phases("relu_1") == (int(on.sum()), int((got == 0).sum()), int((off & ~on).sum()))
    assert model.phases("fc1") is None
    assert 0 in got


def test_commands_reach_the_model_and_only_the_known_ones() -> None:
    model = FakeModel()
    view = Workbench(model)
    for kind in ("cancel", "forward", "close", "__init__", "back"):
        view._handle_custom_msg({"type": kind}, [])
    assert model.called == ["compute", "cancel", "forward"] and "nothing to go back to" in view.notice
    view._handle_custom_msg("not a dict", [])


def test_one_message_carries_description_and_bytes_together(monkeypatch: pytest.MonkeyPatch) -> None:
    model = FakeModel()
    view = BoundsView(model)
    sent: list[set[str]] = []
    monkeypatch.setattr(type(view), "send_state", lambda self, key=None: sent.append(set(key or ())))
    model.eps = 0.5
    model.compute()
    assert any({"detail", "detail_data", "stamp"} <= keys for keys in sent)
    assert not any(("detail" in keys) != ("detail_data" in keys) for keys in sent)


def test_a_closed_view_no_longer_follows() -> None:
    model = FakeModel()
    view = GraphView(model)
    view.close()
    model.selection = ("x", None)
    assert view.selection == {"node": "r", "index": 1}


def test_nothing_computed_is_said_and_not_drawn() -> None:
    model = FakeModel()
    model.result = None
    view = Workbench(model)
    assert (
        view.stamp is None and view.detail == {"node": "r"} and view.detail_data == b"" and view.phases == {}
    )
    assert view.verdict["text"] == "nothing bounded yet" and view.neuron["numbers"] == []
    with pytest.raises(ValueError, match="nothing is computed yet"):
        widths(model)


def test_json_has_no_nan() -> None:
    model = FakeModel()
    model.overlay = "ulp"
    view = GraphView(model)
    assert view.overlay["key"] == "ulp" and view.overlay["values"]["x"] is None
    json.dumps(view.overlay, allow_nan=False)


def huge(n: int) -> tuple[Node, Any]:
    rng = np.random.default_rng(0)
    low = rng.normal(size=n)
    pair = Pair(low, low + rng.random(n))
    pair.upper[777], pair.lower[5000] = np.inf, np.nan
    empty: dict[str, Any] = {}
    result = SimpleNamespace(
        bounds={"n": pair},
        loose=empty,
        values={"n": low},
        samples=empty,
        rounding=empty,
        observed=empty,
        format="binary32",
    )
    return Node("n", "Conv", shape=(1, n)), result


def test_a_million_neurons_are_binned_and_the_worst_is_kept() -> None:
    node, result = huge(1_000_000)
    described, data = detail_module.pack(node, result)
    got = {a["key"]: np.frombuffer(data, "<f8", a["length"], a["offset"]) for a in described["arrays"]}
    assert described["rows"] <= detail_module.BINS and len(data) < 400_000
    assert 777 in got["index"] and 5000 in got["index"], "infinite and NaN are the worst, and are kept"
    size, lower, upper = described["bin"], result.bounds["n"].lower, result.bounds["n"].upper
    for i in range(0, described["rows"], 97):
        part = slice(i * size, (i + 1) * size)
        width = upper[part] - lower[part]
        if np.isfinite(width).all():
            assert int(got["index"][i]) == i * size + width.argmax()
            assert got["hull_lower"][i] == lower[part].min() and got["hull_upper"][i] == upper[part].max()


def test_a_window_shows_every_neuron_of_its_range() -> None:
    node, result = huge(100_000)
    described, data = detail_module.pack(node, result, window=(500, 900))
    index = np.frombuffer(data, "<f8", described["arrays"][0]["length"])
    assert (
        described["window"] == [500, 900]
        and described["bin"] == 1
        and index.tolist() == list(range(500, 900))
    )
    described, _ = detail_module.pack(node, result, window=(10**9, -5))
    assert described["window"] == [99_999, 100_000]


@pytest.mark.parametrize(
    ("bits", "dtype"), [("binary64", np.float64), ("binary32", np.float32), ("binary16", np.float16)]
)
def test_ulp_size_is_numpys_spacing(bits: str, dtype: type) -> None:
    values = np.array([1.0, 0.75, 1.5, 2.0**-10, 0.0, 6e4]).astype(dtype)
    np.testing.assert_array_equal(
        detail_module.ulp_size(values.astype(np.float64), bits), np.spacing(values).astype(np.float64)
    )


def test_printed_intervals_enclose() -> None:
    rng = np.random.default_rng(1)
    for scale in (1e-30, 1e-3, 1.0, 1e8, 1e300):
        for low in rng.normal(size=50) * scale:
            high = low + abs(rng.normal()) * scale * 10.0 ** rng.integers(-9, 2)
            ends = text.interval(low, high).replace(text.MINUS, "-").strip("[]").split(", ")
            from fractions import Fraction

            assert Fraction(ends[0]) <= Fraction(low) and Fraction(high) <= Fraction(ends[1])
    assert text.interval(-math.inf, math.nan) == "[−∞, NaN]" and text.interval(0.0, 0.0) == "[0, 0]"


def test_neuron_numbers_name_both_ends_in_full() -> None:
    model = FakeModel()
    rows = {row["label"]: row for row in Workbench(model).neuron["numbers"]}
    low, high = (
        float(np.ravel(e)[1]) for e in (model.result.bounds["h"].lower, model.result.bounds["h"].upper)
    )
    assert rows["CROWN, before"]["full"] == f"[{low!r}, {high!r}]"
    assert rows["phase"]["text"] in ("always on", "always off", "unstable")
    assert (
        rows["rounding, binary32"]["text"].startswith("≤ 3.01e−7")
        or "≤ 3e−7" in rows["rounding, binary32"]["text"]
    )


def test_a_page_without_a_kernel_shows_a_safe_picture() -> None:
    data, _ = GraphView(FakeModel())._repr_mimebundle_()
    page = data["text/html"]
    assert "<script" not in page and "onerror" not in page and "small &lt;b&gt;" in page
    picture = base64.b64decode(re.search(r"base64,([^\"]+)", page)[1]).decode()
    assert "<img" not in picture and "&lt;img" in picture and picture.startswith("<svg")
    assert data["text/plain"] == "GraphView('small <b>', 4 nodes)"
    assert static_html(FakeModel()) == page


def test_a_thousand_nodes_fold_into_a_readable_picture() -> None:
    nodes = [Node("n0", "Input", shape=(4,))]
    nodes += [Node(f"n{i}", "Relu", (f"n{i - 1}",), shape=(4,)) for i in range(1, 1000)]
    g = Graph(tuple(nodes), ("n999",))
    owner, members = fold(g, 100)
    assert len(members) == 100 and set(owner) == {n.name for n in nodes}
    assert graph_svg(g, limit=100).count("<rect") == 101
    assert layers(["a", "b", "c"], [("a", "b"), ("b", "c"), ("c", "a")]) == [["a"], ["b"], ["c"]]


def test_figures_are_plain_and_name_their_settings() -> None:
    model = FakeModel()
    figure = widths(model)
    assert type(figure).__name__ == "Figure" and "0.25" in figure.layout.title.text
    assert [trace.y[0] for trace in figure.data] == sorted(
        (trace.y[0] for trace in figure.data), reverse=True
    )
    bound, _, seen, _ = errors(model).data
    assert all(b >= o for b, o in zip(bound.y, seen.y, strict=True)) and len(bound.y) == 3


@pytest.mark.parametrize("view", [GraphView, BoundsView, RoundingView, Workbench])
def test_every_view_has_a_module_even_unbuilt(view: type) -> None:
    assert "render" in str(view(FakeModel())._esm)


if __name__ == "__main__":  # rewrite the golden file after an intended change of the wire
    GOLDEN.write_text(json.dumps(golden(), indent=1, ensure_ascii=False, sort_keys=True) + "\n")
