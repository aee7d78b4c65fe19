"""BranchView without a browser: what is told of a search, what a person may do to it, and one part in other views."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import workbench as wb
from workbench.methods.locate import locate, raster
from workbench.steering import steer
from workbench.views import branchdata
from workbench.views.branchview import BranchView
from workbench.views.steering import Steering


def never(*advisories: int) -> Any:
    """None of these advisories gets the largest score."""

    def row(other: int, k: int) -> list[int]:
        return [int(i == k) - int(i == other) for i in range(5)]

    return wb.all_of(*[wb.any_of(*[wb.linear(row(o, k), 0) for o in range(5) if o != k]) for k in advisories])


QUESTION = never(1, 3)


@pytest.fixture
def model() -> wb.Model:
    found = wb.examples.controller()
    found.region = wb.box(np.array([[0.2, 0.02, 1.0]]), np.array([[0.9, 0.25, 1.0]]))
    return found


def told(work: Any) -> dict[str, Any]:
    """Everything that an operation tells, as one dict (the last word counts); messages in a list."""
    merged: dict[str, Any] = {"messages": []}
    for one in work:
        merged["messages"] += one.pop("messages", [])
        merged |= one
    return merged


def columns_of(message: tuple[dict[str, Any], bytes]) -> dict[str, np.ndarray]:
    header, data = message
    table = np.frombuffer(data, "<f8").reshape(len(header["columns"]), header["count"])
    return dict(zip(header["columns"], table, strict=True))


def test_deltas_add_up_to_the_tree(model: wb.Model) -> None:
    search = Steering(model.network, steer(model.network, model.region, QUESTION))
    known: dict[int, dict[str, float]] = {}

    def take(found: dict[str, Any]) -> None:
        for message in found["messages"]:
            if message[0]["type"] != "delta":
                continue
            for gone in message[0]["removed"]:
                known.pop(gone, None)
            table = columns_of(message)
            known.update(
                {int(i): {k: float(v[n]) for k, v in table.items()} for n, i in enumerate(table["id"])}
            )

    take(told(search.work({"type": "sync", "since": {}})))
    take(told(search.work({"type": "split", "tree": "A", "id": 0, "kind": "input", "index": 1, "at": 0.1})))
    take(told(search.work({"type": "step", "tree": "A", "count": 6})))
    take(told(search.work({"type": "collapse", "tree": "A", "id": search.held["A"].node(0).children[0]})))
    tree = search.held["A"]
    assert set(known) == {n.id for n in tree.nodes if n is not None}
    for node in (n for n in tree.nodes if n is not None):
        row = known[node.id]
        assert (row["low0"], row["high0"], row["low1"], row["high1"]) == (*_ends(node, 0), *_ends(node, 1))
        assert row["bound"] == node.bound
        assert branchdata.STATUSES[int(row["status"])] == node.status
        assert (int(row["left"]), int(row["right"])) == (node.children or (-1, -1))


def _ends(node: Any, k: int) -> tuple[float, float]:
    return float(node.lower[k]), float(node.upper[k])


def test_what_goes_wrong_is_told_and_changes_nothing(model: wb.Model) -> None:
    search = Steering(model.network, steer(model.network, model.region, QUESTION))
    serial = search.held["A"].serial
    for op in (
        {"type": "split", "tree": "A", "id": 99},
        {"type": "split", "tree": "A", "id": 0, "kind": "input", "index": 1, "at": 7.0},
        {"type": "split", "tree": "A", "id": 0, "kind": "input", "index": 2},
        {"type": "split", "tree": "A", "id": 0, "kind": "neuron", "node": "nosuch", "element": 0},
        {"type": "undo", "tree": "A"},
        {"type": "drop", "tree": "A"},
        {"type": "import", "tree": "A", "text": "{}"},
        {"type": "import", "tree": "A", "text": "\x00"},
    ):
        assert told(search.work(op)).get("notice"), op
    assert search.held["A"].serial == serial
    assert list(search.held) == ["A"]


def test_a_view_is_told_in_one_line(model: wb.Model) -> None:
    view = BranchView(model, QUESTION)
    assert " 1 leaf, 1 open" in repr(view)
    view.split(0).wait()
    assert " 2 leaves" in repr(view)
    view.about = {**view.about, "question": "Y_0 <= 1 or " * 20}
    assert "..." in repr(view) and len(repr(view)) < 250


def test_an_alternative_is_independent_and_undo_takes_back_the_last_split_by_hand(model: wb.Model) -> None:
    view = BranchView(model, QUESTION)
    view.split(0).wait()
    view.alternative().wait()
    assert view.chosen["tree"] == "B"
    view.split(view.steer.leaves("open")[0].id, neuron=("relu_2", 20)).wait()
    rows = {row["key"]: row for row in view.trees}
    assert (rows["A"]["splits"], rows["B"]["splits"]) == (1, 2)
    view.undo().wait()
    view.undo().wait()
    rows = {row["key"]: row for row in view.trees}
    assert (rows["A"]["splits"], rows["B"]["splits"], rows["B"]["hand"]) == (1, 0, 0)
    view.undo().wait()
    assert "no split of yours" in view.notice
    view._message(None, {"type": "drop", "tree": "B"}, None)
    view.wait()
    assert [row["key"] for row in view.trees] == ["A"]
    view._message(None, {"type": "split", "tree": "B", "id": 0}, None)
    assert "there is no tree 'B'" in view.notice


def test_a_proof_by_hand_and_machine_is_a_verdict(model: wb.Model, tmp_path: Path) -> None:
    view = BranchView(model, QUESTION)
    view.split(0, axis=0, at=0.5).wait()
    view.run(30).wait()
    (row,) = view.trees
    assert row["status"] == "verified"
    assert row["verdict"]["status"] == "verified"
    assert view.verdict.status == "verified"
    assert view.verdict.leaves == row["leaves"]
    assert "No input of the region" in row["verdict"]["statement"]
    assert view.state == {"running": None, "busy": False, "message": ""}
    view.save(tmp_path / "proof.json")
    again = BranchView(model, QUESTION, path=tmp_path / "proof.json")
    assert again.trees[0]["loaded"]
    assert any("file" in text for text in again.verdict.assumptions)
    # a leaf taken back: the verdict goes with it
    view.collapse(view.steer.leaves()[0].parent or 0).wait()
    assert view.trees[0]["status"] == "open"
    assert view.trees[0]["verdict"] is None
    assert view.verdict.status == "unknown"


def test_a_counterexample_is_told_with_its_place(model: wb.Model) -> None:
    view = BranchView(model, QUESTION, wb.box(np.array([[0.2, -0.3, 1.0]]), np.array([[0.9, 0.25, 1.0]])))
    view.run(30).wait()
    found = view.trees[0]["verdict"]
    assert found["status"] == "falsified"
    x = np.array([*found["at"], 1.0], np.float32).reshape(1, 3)
    assert int(np.argmax(model.run(x))) in (1, 3)


def test_pausing_keeps_the_tree(model: wb.Model) -> None:
    hard = wb.box(np.full((1, 3), -1.0), np.full((1, 3), 1.0))
    view = BranchView(model, wb.output_range(None, "0.11"), hard)
    view.run()
    view.pause().wait()
    assert view.state["running"] is None
    before = view.trees[0]["splits"]
    view.step(3).wait()
    assert view.trees[0]["splits"] >= before + 1 or view.trees[0]["status"] != "open"


def test_points_are_found_in_the_leaves_they_lie_in(model: wb.Model) -> None:
    tree = steer(model.network, model.region, QUESTION)
    tree.split_neuron(0, "relu_1", 0)
    tree.step(4)
    rng = np.random.default_rng(2)
    points = rng.uniform(tree.region.lower.ravel(), tree.region.upper.ravel(), (200, 3))
    operand = np.asarray(model.values(points[:, None].astype(np.float64))["fc1"], float).reshape(200, -1)
    ids = locate(tree, points)
    assert len(set(ids.tolist())) > 2
    for point, pre, number in zip(points, operand, ids.tolist(), strict=True):
        node = tree.node(number)
        assert node.leaf
        assert ((node.lower <= point) & (point <= node.upper)).all()
        for index, sign in node.signs:
            name, element = tree.neuron(index)
            assert name != "relu_1" or sign * pre[element] >= -1e-5
    found = raster(tree, (0, 1), 16)
    assert found.shape == (16, 16)
    assert set(found.ravel().tolist()) <= {n.id for n in tree.leaves()}


def test_a_part_is_shown_in_the_models_other_views(model: wb.Model) -> None:
    model.compute()
    model.wait()
    whole, home = model.result, model.region
    view = BranchView(model, QUESTION)
    view.split(0, neuron=("relu_2", 20)).wait()
    leaf = view.steer.node(view.steer.node(0).children[1])
    assert leaf.signs
    view.show(leaf.id).wait()
    assert view.part["shown"] or view.part["id"] != leaf.id
    model.wait()
    part = model.result
    assert part is not None
    assert whole is not None
    assert not part.settings.same(whole.settings)
    assert f"part {leaf.id} of proof tree A" in part.note
    assert part.bounds["fc2"].lo.reshape(-1)[20] >= 0  # its sign is decided there
    for name, bounds in part.bounds.items():
        assert (bounds.lo >= whole.bounds[name].lo - 1e-12).all()
        ran = np.asarray(part.samples[name], float)
        assert (ran >= bounds.lo - 1e-4).all(), name
        assert (ran <= bounds.hi + 1e-4).all(), name
    view.choose(leaf.id).wait()
    assert view.part["id"] == leaf.id
    assert view.part["shown"]
    view.whole()
    assert model.region is home
    model.wait()
    assert model.result is not None
    assert "part" not in model.result.note
    assert not view.part["shown"]
    assert not view.stale
    model.region = wb.box(np.zeros((1, 3)), np.ones((1, 3)))
    assert view.stale


def test_the_selection_goes_both_ways(model: wb.Model) -> None:
    view = BranchView(model, QUESTION)
    model.selection = ("relu_1", 3)
    assert view.selection == {"node": "relu_1", "index": 3}
    view.selection = {"node": "relu_2", "index": 4}
    assert model.selection == ("relu_2", 4)
    view.selection = {"node": "relu_2", "index": 999}
    assert "999" in view.notice
    assert "BranchView('controller.onnx'" in repr(view)
    assert view.about["free"] == [0, 1]
    assert [layer["size"] for layer in view.about["layers"]] == [32, 32]
