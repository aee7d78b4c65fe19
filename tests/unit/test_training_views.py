"""The views of training, tensors, confusion, tapes and shapes: their Python side."""

from __future__ import annotations

import asyncio
import csv
import json
import threading
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import workbench as wb
from workbench import nn
from workbench.graph import GraphError
from workbench.nn import certified
from workbench.nn.checking import check
from workbench.nn.confusion import confusion
from workbench.nn.recorder import Recorder, judge_of
from workbench.semantics import real
from workbench.semantics.plan import plan_of
from workbench.views.curves import thinned
from workbench.views.tapeview import tape_of

RNG = np.random.default_rng(0)
X = RNG.uniform(size=(48, 6)).astype(np.float32)
Y = (X[:, 0] + X[:, 1] > X[:, 2] + 0.4).astype(np.int64)


def net(seed: int = 0) -> nn.Sequential:
    return nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 2)).init(seed)


def trainer(module: nn.Module, objective: Any = None) -> nn.Trainer:
    return nn.Trainer(module, objective, nn.Adam(module, lr=0.02), progress=False)


def loader() -> nn.Loader:
    return nn.Loader(X, Y, batch_size=16, seed=3)


# ---------------------------------------------------------------------- training


def test_what_is_recorded_is_what_was_trained_and_watching_changes_no_bit() -> None:
    plain = net()
    trainer(plain).fit(loader(), 4, (X, Y))
    module = net()
    view = wb.training_view(trainer(module), loader(), 4, (X, Y), eps=0.01)
    assert view.state["can"] == ["start"]
    view.start().wait(60)
    assert all(np.array_equal(a, module.state_dict()[k]) for k, a in plain.state_dict().items())
    table = view.record.table()
    assert view.state["state"] == "done" and table["step"] == list(range(12))
    last = view.record.epochs[-1]
    mean = float(np.mean(table["loss"][-3:]))  # three batches of equal size
    assert last["loss"] == pytest.approx(mean) and last["at"] == 12
    right = module(X).argmax(axis=1) == Y
    assert last["clean"] == right.mean() == last["val_accuracy"]
    assert last["certified"] == certified.certified(module, X, Y, 0.01, "ibp").mean() <= last["clean"]
    json.dumps([view.state, view.snapshot, view.about], allow_nan=False)
    assert (
        len(view.snapshot["rows"][0]) == 12 and view.snapshot["epochs"][-1]["certified"] == last["certified"]
    )


def test_a_pause_holds_a_stop_ends_and_start_goes_on_bit_for_bit(tmp_path: Path) -> None:
    whole = net()
    trainer(whole).fit(loader(), 5)
    module = net()
    held = trainer(module)
    view = wb.training_view(held, loader(), 5)
    held.on_step, before = (
        lambda t, row: (before(t, row), view.pause() if row["step"] == 4 else None),
        held.on_step,
    )
    view.start()
    while held.count < 6:  # the brake is put on by step 4, and holds after step 5
        pass
    assert view.record.paused
    with pytest.raises(TimeoutError, match="still trains"):
        view.wait(0.3)
    assert held.count == 6 and view.state["state"] == "paused" and view.state["can"] == ["resume", "stop"]
    with pytest.raises(ValueError, match="already"):
        view.start()
    with pytest.raises(ValueError, match="another view"):  # a cell that is run again makes a second view
        wb.training_view(trainer(module), loader(), 5).start()
    view.stop().wait(30)
    assert view.state["state"] == "stopped" and view.state["can"] == ["start"] and held.count == 6
    view.start().wait(60)
    assert view.state["state"] == "done"
    assert all(np.array_equal(a, module.state_dict()[k]) for k, a in whole.state_dict().items())
    view.to_csv(tmp_path / "steps.csv")
    rows = list(csv.reader((tmp_path / "steps.csv").read_text().splitlines()))
    assert (
        rows[0][:3] == ["step", "loss", "lr"]
        and len(rows) == 16
        and float(rows[3][1]) == view.record.table()["loss"][2]
    )


def test_a_training_that_fails_says_so_and_one_without_data_does_not_begin() -> None:
    module = net()
    view = wb.training_view(nn.Trainer(module, None, nn.SGD(module, lr=1e30), progress=False), loader(), 3)
    with pytest.raises(nn.TrainingError):
        view.start().wait(30)
    assert view.state["state"] == "failed" and "not finite" in view.state["message"]
    idle = wb.training_view(trainer(net()))
    with pytest.raises(ValueError, match="nothing to train on"):
        idle.start()
    idle._message(None, {"type": "start"}, [])
    assert "nothing to train on" in idle.notice
    idle._message(None, "nonsense", [])
    for wrong, error in (({"eps": -1.0}, GraphError), ({"method": "guess"}, GraphError)):
        with pytest.raises(error):
            wb.training_view(trainer(net()), loader(), 1, (X, Y), **wrong)
    with pytest.raises(ValueError, match="validation"):
        wb.training_view(trainer(net()), loader(), 1, eps=0.1)


def test_deltas_add_up_to_the_record_and_a_step_back_starts_them_anew(tmp_path: Path) -> None:
    held = trainer(net())
    view = wb.training_view(held)
    sent: list[tuple[dict[str, Any], bytes]] = []
    view.send = lambda content, buffers=None: sent.append((content, buffers[0]))  # type: ignore[method-assign]
    held.fit(loader(), 1)
    view._flush()
    held.save(tmp_path / "one.safetensors")
    held.fit(loader(), 3, (X, Y))
    view._flush()

    def seen() -> dict[str, list[float]]:
        rows: list[Any] = []
        for header, data in sent:
            part = np.frombuffer(data, "<f8").reshape(len(header["columns"]), header["count"])
            rows = [part] if header["from"] == 0 else [*rows, part]
            assert header["from"] == sum(p.shape[1] for p in rows) - header["count"]
            assert header["upto"] == header["from"] + header["count"]
        return dict(zip(sent[-1][0]["columns"], np.concatenate(rows, axis=1).tolist(), strict=True))

    assert seen() == view.record.table() and len(sent) > 1
    assert (
        view.state["state"] == "watching" and view.state["can"] == [] and "interrupt" in view.state["message"]
    )
    own = threading.Thread(target=held.fit, args=(loader(), 4))  # a person's own thread: the brake acts there
    own.start()
    own.join()
    view._flush()
    assert view.state["can"] == ["pause", "stop"] and not view.state["message"]
    held.load(tmp_path / "one.safetensors")
    held.fit(loader(), 2)
    view._flush()
    assert seen() == view.record.table() and view.record.table()["step"] == list(range(6))
    assert [row["at"] for row in view.record.epochs] == [3, 6]
    view.close()
    assert not held.callbacks and held.on_step is None


def test_what_a_cell_trained_is_told_to_its_end() -> None:
    held = trainer(net())

    async def notebook() -> list[str]:
        view = wb.training_view(held)  # a cell: its thread is the loop's, which stands still while it trains
        view.send = lambda content, buffers=None: None  # type: ignore[method-assign]
        held.fit(loader(), 3)
        seen = [view.state["state"]]
        await asyncio.sleep(0)
        assert view._sent == len(view.record) == 9 and view.snapshot["epochs"]
        return [*seen, view.state["state"], view.state["message"]]

    assert asyncio.run(notebook()) == ["watching", "ended", ""]


def test_a_thinned_record_keeps_the_worst_of_each_run() -> None:
    held = trainer(net())
    record = Recorder(held)
    for i in range(100):
        held.on_step(held, {"step": i, "loss": 50.0 if i == 33 else 1 / (i + 1), "lr": 0.1, "grad_norm": 1.0})  # type: ignore[misc]
    rows, every = record.steps(0, 20)
    assert every == 5 and rows.shape == (4, 20) and 50.0 in rows[1] and 33 in rows[0]
    assert record.steps(90)[0].shape == (4, 10)
    points = thinned([(float(i), 9.0 if i == 77 else 0.0) for i in range(1000)], 50)
    assert len(points) < 120 and (77.0, 9.0) in points


def test_where_nothing_can_be_proved_training_goes_on_and_says_why() -> None:
    module = nn.Sequential(nn.Linear(6, 8), nn.GELU(), nn.LayerNorm(8), nn.Linear(8, 2)).init(0)
    view = wb.training_view(trainer(module), loader(), 2, (X, Y), eps=0.01, method="crown")
    view.start().wait(60)
    assert view.state["state"] == "done"
    proved = [row.get("certified") for row in view.record.epochs]
    assert all(p is not None for p in proved) or "certified accuracy is not computed" in view.notice
    assert judge_of((X, X)) is None  # regression: no labels, nothing to be judged


def test_the_still_picture_shows_the_curves() -> None:
    view = wb.training_view(trainer(net(), certified.IBP(0.01)), loader(), 2, (X, Y), eps=0.01)
    assert "nothing recorded" in view.to_svg()
    view.start().wait(60)
    picture = view.to_svg()
    assert picture.startswith("<svg") and "certified" in picture and "gradient norm, log" in picture
    assert "epsilon" in picture and "nan" not in picture.lower()


# ---------------------------------------------------------------------- tensors


def planes(view: Any) -> tuple[np.ndarray, np.ndarray]:
    header, data = view.cells, view.cells_data
    n = header["rows"] * header["cols"]
    values = np.frombuffer(data[: 8 * n * header["channels"]], "<f8")
    return values.reshape(header["channels"], header["rows"], header["cols"]), np.frombuffer(
        data[8 * n * header["channels"] :], "<i4"
    ).reshape(header["rows"], header["cols"])


def test_a_cell_is_the_element_that_it_says_in_every_plane() -> None:
    tensor = RNG.normal(size=(2, 3, 5, 7)).astype(np.float32)
    view = wb.tensor_view(tensor)
    assert view.axes["sizes"] == [2, 3] and view.stats["high"] == float(tensor.max())
    for i, j in np.ndindex(2, 3):
        view.fixed = [i, j]
        values, flat = planes(view)
        assert np.array_equal(values[0], tensor[i, j]) and np.array_equal(
            tensor.reshape(-1)[flat], tensor[i, j]
        )
    view.show = "image"
    values, flat = planes(view)
    assert view.axes["sizes"] == [2] and np.array_equal(values, tensor[0])
    view.show, view.fixed = "table", [1, 2]
    assert np.float32(view.table["rows"][4][6].replace("\N{MINUS SIGN}", "-")) == tensor[1, 2, 4, 6]
    assert tensor.reshape(-1)[view.table["flat"][4][6]] == tensor[1, 2, 4, 6]
    view.fixed = [5, 0]
    assert view.fixed == [1, 2] and "no plane" in view.notice


def test_a_huge_tensor_is_binned_with_the_worst_kept_and_opens_where_it_is_asked_to() -> None:
    tensor = np.zeros((1000, 1300))
    tensor[611, 1033], tensor[3, 4], tensor[999, 1299] = -5.0, np.nan, 2.0
    view = wb.tensor_view({"big": tensor})
    values, flat = planes(view)
    down, across = view.cells["bin"]
    assert (view.cells["rows"], view.cells["cols"]) == (-(-1000 // down), -(-1300 // across)) and values[
        0
    ].size <= 160 * 240
    assert (
        values[0, 611 // down, 1033 // across] == -5
        and flat[611 // down, 1033 // across] == 611 * 1300 + 1033
    )
    assert np.isnan(values[0, 3 // down, 4 // across]) and values[0, -1, -1] == 2
    assert view.stats["nan"] == 1 and view.stats["low"] == -5
    view.window = [600, 1000, 40, 60]
    values, flat = planes(view)
    assert values.shape == (1, 40, 60) and values[0, 11, 33] == -5 and flat[11, 33] == 611 * 1300 + 1033
    view.window = [990, 1290, 40, 60]
    assert planes(view)[0].shape == (1, 10, 10)


def test_the_bits_are_those_of_the_selected_element() -> None:
    tensor = np.array([[0.1, -2.5], [np.inf, 1e-40]], np.float32)
    view = wb.tensor_view(tensor).select((0, 0))
    assert view.picked["text"] == "0.1" and view.format == "binary32"
    assert int(view.number["code"], 16) == int(tensor[:1, :1].view(np.uint32)[0, 0])
    view.select(3)
    assert int(view.number["code"], 16) == int(tensor[1:, 1:].view(np.uint32)[0, 0]) and view.picked[
        "position"
    ] == [1, 1]
    code = view.number["code"]
    view._bits._message(None, {"type": "flip", "bit": 0}, [])
    assert view.number["code"] != code and view.picked["index"] == 3
    whole = wb.tensor_view(np.arange(6).reshape(2, 3)).select(5)
    assert whole.picked == {"index": 5, "position": [1, 2], "text": "5", "bits": False}
    with pytest.raises(IndexError):
        whole.select(6)
    for empty in (np.zeros((0, 3), np.float32), np.float32(2.0)):
        assert wb.tensor_view(empty).stats["n"] == np.size(empty)
    with pytest.raises(ValueError, match="numbers"):
        wb.tensor_view(np.array(["a"]))


def test_a_models_tensors_follow_its_selection_both_ways() -> None:
    model = wb.examples.digits()
    view = model.tensor_view()
    model.compute()
    model.wait()
    model.selection = ("fc1", 3)
    keys = [t["key"] for t in view.tensors]
    assert keys[:4] == ["value: fc1", "lower: fc1", "upper: fc1", "width: fc1"] and any(
        "weight" in k for k in keys
    )
    assert view.element == 3 and view.picked["text"].replace("\N{MINUS SIGN}", "-") == str(
        np.ravel(model.result.values["fc1"])[3]
    )
    view.chosen = "lower: fc1"
    assert np.array_equal(np.ravel(view.tensor), np.ravel(model.result.bounds["fc1"].lower))
    view.element = 7
    assert model.selection == ("fc1", 7)
    model.selection = ("relu_1", None)
    assert not view.origin and view.chosen == "lower: relu_1" and view.element is None
    assert "crown" in view.about["words"] and not view.about["stale"]


# ---------------------------------------------------------------------- confusion


def test_the_three_readings_are_what_they_say() -> None:
    module = net(3)
    nn.Trainer(module, None, nn.Adam(module, lr=0.05), progress=False).fit(loader(), 15)
    eps = 0.06
    found = confusion(module, X, Y, eps, steps=8)
    outputs = module(X)
    assert np.array_equal(found.clean, outputs.argmax(axis=1))
    for kind in ("clean", "adversarial", "certified"):
        matrix = found.matrix(kind)
        assert matrix.sum() == len(Y) and matrix.sum(axis=1).tolist() == np.bincount(Y).tolist()
        assert found.members(kind, 1, 0).tolist() == [
            i for i in range(len(Y)) if Y[i] == 1 and found.read(kind)[i] == 0
        ]
    moved = found.adversarial != Y
    again = module(found.points).argmax(axis=1)
    assert np.array_equal(again[moved], found.adversarial[moved]) and moved.any()
    for a, b in zip(np.ravel(found.points), np.ravel(X), strict=True):
        assert abs(Fraction(float(a)) - Fraction(float(b))) <= Fraction(eps) and 0 <= a <= 1
    proved = found.certified == Y
    assert np.array_equal(proved, certified.certified(module, X, Y, eps)) and np.array_equal(
        proved, found.margins > 0
    )
    assert not (proved & moved).any(), "an example cannot be both proved and attacked"
    assert 0 < proved.sum() < len(Y)


def test_examples_and_labels_that_do_not_fit_are_refused() -> None:
    for x, y, eps, words in (
        (X, Y + 5, 0.1, "2 classes"), (X, Y[:3], 0.1, "whole number"), (X, Y * 1.0, 0.1, "whole number"),
        (X[:, :5], Y, 0.1, "last dimension of 6"), (X, Y, -1.0, "radius"), (X, Y, np.nan, "radius"),
    ):  # fmt: skip
        with pytest.raises(GraphError, match=words):
            confusion(net(), x, y, eps)
    with pytest.raises(GraphError, match="has 5 numbers, but the network takes 6"):
        confusion(net().graph((1, 6)), X[:, :5], Y)
    with pytest.raises(GraphError, match="names"):
        wb.confusion_view(net(), X, Y, names=["one"])


def test_a_cell_lists_its_examples_and_a_new_radius_ages_what_was_proved() -> None:
    view = wb.confusion_view(net(3), X, Y, eps=0.03, names=["no", "yes"]).wait()
    assert [r["key"] for r in view.readings] == ["clean", "adversarial", "certified"]
    assert view.status["state"] == "fresh" and "proves nothing" in view.readings[1]["statement"]
    label, to = (int(v[0]) for v in np.nonzero(view.matrix("certified")))
    view.kind, view.cell = "certified", [label, to]
    assert view.samples["count"] == view.matrix("certified")[label, to] == len(view.samples["items"])
    assert all("every margin is at least" in item["text"] for item in view.samples["items"])
    view.eps = 0.2
    assert (
        view.status["state"] == "computing" and view.readings[2]["eps"] == 0.03
    )  # the old one keeps its own radius
    assert view.matrix("certified").trace() == view.found.matrix("certified").trace()
    view.wait()
    assert view.readings[2]["eps"] == 0.2 and view.samples["eps"] == 0.2
    view.eps = -1.0
    assert view.eps == 0.2 and "radius" in view.notice
    view.cell = ["a", None]
    assert "no cell" in view.notice
    view._report(view._seq, 0.5, "late", None)  # what was on its way when everything was done
    assert view.status["state"] == "fresh"
    view.cancel()
    json.dumps([view.readings, view.samples, view.about, view.status], allow_nan=False)
    assert "<table>" in view._still(view.readings[0])
    only = wb.confusion_view(net(), X, Y).wait()
    assert [r["key"] for r in only.readings] == ["clean"]
    with pytest.raises(GraphError, match="no reading 'certified'"):
        only.matrix("certified")


# ---------------------------------------------------------------------- tapes


def test_the_backward_graph_computes_the_cotangents_that_are_shown() -> None:
    module = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 2)).init(2)
    for made in (tape_of(module, X[:1]), tape_of(module, X[:4], targets=Y[:4])):
        whole = made.backward
        given = {k: (made.values | made.given)[k][None] for k in whole.inputs}
        values = real.run(plan_of(whole), given, np.float64)
        checked = [k for k, name in made.cotangent.items() if name in values]
        for k in checked:
            want = made.cotangents[k]
            assert np.allclose(
                values[made.cotangent[k]][0].reshape(want.shape), want, rtol=1e-9, atol=1e-12
            ), k
        assert {n.name for n in made.forward.nodes if n.op == "Input"} & set(checked) and len(checked) > 4
        assert set(made.maker.values()) <= set(made.forward.by_name)
    assert "0.weight" in made.cotangents  # parameters have cotangents where there is a loss


def test_the_tape_is_linked_with_the_model_and_moves_with_its_point() -> None:
    model = wb.examples.digits()
    view = model.tape_view()
    links = view.links
    assert links["maker"]["seed"] == "logits" and links["cotangent"]["logits"] == "seed"
    assert {n["id"] for n in view.backward["nodes"]} == set(links["maker"])
    assert any("fc1" in reads for reads in links["uses"].values())
    view.selection = {"node": "fc2", "index": None}
    assert model.selection == ("fc2", None)
    model.selection = ("relu_1", 3)
    assert view.selection == {"node": "relu_1", "index": 3}
    before = view.numbers["x"]["cotangent"]
    model.eps = 0.011
    assert view.numbers["x"]["cotangent"] is before
    model.explore(model.examples[3][1])
    assert view.numbers["x"]["cotangent"] != before
    json.dumps(
        [view.forward, view.backward, view.links, view.numbers, view.overlays, view.about], allow_nan=False
    )
    with pytest.raises(GraphError, match="no element"):
        model.tape_view(99)
    with pytest.raises(GraphError):
        wb.tape_view(net(), X, targets=Y[:2])


# ---------------------------------------------------------------------- shapes


class Two(nn.Module):
    def __init__(self) -> None:
        self.body = nn.Sequential(nn.Linear(64, 32), nn.ReLU())
        self.side, self.head = nn.Residual(nn.Linear(32, 31)), nn.Linear(32, 10)

    def forward(self, picture: Any) -> Any:
        return self.head(self.side(self.body(picture)))


def test_the_layer_that_does_not_fit_is_named_with_what_it_was_given() -> None:
    found = check(
        nn.Sequential(nn.Conv2d(1, 4, 3), nn.Flatten(), nn.Linear(100, 10)),
        "batch=2 channel=1 height=8 width=8",
    )
    assert [r.state for r in found.layers] == ["inside", "fits", "fits", "fails"]
    assert found.layers[1].result == "[batch=2, 4, height=6, width=6]"
    assert found.layers[3].given == ("[batch=2, 144]",) and found.layers[3].fix == "nn.Linear(144, 10)"
    assert "expects a last dimension of 100" in found.layers[3].message == found.error
    module = Two()
    deep = check(module, "batch=1 pixels=64")
    states = {r.path: r.state for r in deep.layers}
    told = ["inside", "fits", "fits", "fits", "fails", "fits", "unreached"]
    paths = ["", "body", "body.0", "body.1", "side", "side.inner", "head"]
    assert states == dict(zip(paths, told, strict=True))
    assert "forward" not in vars(module) and "forward" not in vars(module.body[0])
    fits = check(nn.Sequential(nn.Linear(4, 2)), "n=3 4")
    assert (
        fits.fits
        and fits.output == "[n=3, 2]"
        and fits.parameters == 10
        and "fits: [n=3, 4] -> [n=3, 2]" in repr(fits)
    )

    class Wrong(nn.Module):
        def forward(self, x: Any) -> Any:
            return x.nonsense()

    assert "AttributeError in forward" in check(Wrong(), (1, 3)).error
    with pytest.raises(GraphError):
        check(module, "what?")


def test_a_shape_that_is_typed_is_checked_anew() -> None:
    view = wb.shape_view(nn.Sequential(nn.Linear(64, 10)), "batch=1 pixels=64")
    assert view.about["fits"] and view.about["output"] == "[batch=1, 10]"
    view.shape = "batch=1 pixels=63"
    assert not view.about["fits"] and view.layers[1]["fix"] == "nn.Linear(63, 10)" and not view.notice
    view.shape = "pixels="
    assert "no shape" in view.notice and not view.about["fits"]
    json.dumps([view.about, view.layers], allow_nan=False)
    with pytest.raises(GraphError, match="module"):
        wb.shape_view(3, (1,))  # type: ignore[arg-type]
