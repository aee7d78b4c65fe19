"""Searches that go on: after an interrupt, after a limit, and from a file."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import workbench.ops  # noqa: F401
from tests.networks import relu_network
from workbench.methods import branch, treefile
from workbench.methods.inputs import InputSplitting
from workbench.methods.progress import Cancelled, Progress
from workbench.methods.tree import Block, Tree
from workbench.methods.treefile import TreeFileError
from workbench.network import Network
from workbench.region import Region
from workbench.verify import verify
from workbench.wanted import Wanted, linear

REGION = Region(np.full((1, 3), -1.0), np.full((1, 3), 1.0))
ENDS = ("inputs", "signs")


@pytest.fixture
def network() -> Network:
    return Network(relu_network(np.random.default_rng(2), (3, 12, 12, 2)))


def lowest(network: Network) -> float:
    x = REGION.reshape((1, 3)).sample(20000)
    return float(network.run(x).reshape(-1, 2)[:, 0].min())


def wish(network: Network) -> Wanted:
    """True, but not at once."""
    return linear([-1.0, 0.0], -(lowest(network) - 0.2))


def after(calls: int, what: type[BaseException]) -> Progress:
    left = calls

    def stop(share: float, words: str) -> None:
        nonlocal left
        left -= "parts" in words
        if left < 0:
            raise what

    return stop


@pytest.mark.parametrize("kind", ENDS)
@pytest.mark.parametrize("what", [KeyboardInterrupt, Cancelled])
def test_an_interrupted_verdict_says_so_and_goes_on(
    network: Network, what: type[BaseException], kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(branch, "NARROW", 16 if kind == "inputs" else -1)
    first = verify(network, REGION, wish(network), progress=after(2, what))
    assert (first.status, first.interrupted, first.timed_out) == ("unknown", True, False)
    assert "interrupted" in first.reason
    assert first.as_dict()["interrupted"] is True
    (tree,) = first.trees
    before = tree.visited
    assert before > 0
    second = verify(network, REGION, wish(network), trees=first.trees)
    assert second.status == "verified"
    assert not second.interrupted
    assert second.leaves == verify(network, REGION, wish(network)).leaves
    assert treefile.TRUSTED not in second.assumptions


def test_an_interrupt_before_the_search_keeps_the_tree(network: Network) -> None:
    first = verify(network, REGION, wish(network), progress=after(2, KeyboardInterrupt))

    def at_once(share: float, words: str) -> None:
        raise KeyboardInterrupt

    second = verify(network, REGION, wish(network), progress=at_once, trees=first.trees)
    assert second.interrupted
    assert second.trees == first.trees
    assert verify(network, REGION, wish(network), timeout=0.0, trees=first.trees).trees == first.trees


@pytest.mark.parametrize("where", ["pop", "work"])
def test_no_interrupt_loses_what_was_open(
    network: Network, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between taking boxes off and putting their halves back: what is lost there would count as proved."""
    first = verify(network, REGION, wish(network), progress=after(2, KeyboardInterrupt))
    begun, (case,) = first.trees[0], first.asked.cases
    inner = Tree.pop if where == "pop" else InputSplitting.work

    def broken(*given: object) -> Block:
        inner(*given)  # type: ignore[arg-type]
        raise KeyboardInterrupt

    share = 1.0 - begun.done
    with monkeypatch.context() as patch:
        patch.setattr(Tree if where == "pop" else InputSplitting, where, broken)
        stopped = branch.verify(
            network.plan, REGION.reshape((1, 3)), case.unsafe, tree=replace(begun, open=list(begun.open))
        )
    assert stopped.interrupted
    assert stopped.tree is not None
    assert sum(float(b.weight.sum()) for b in stopped.tree.open) == pytest.approx(share)


@pytest.mark.parametrize("kind", ENDS)
def test_a_saved_search_goes_on_and_says_what_it_rests_on(
    network: Network, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(branch, "NARROW", 16 if kind == "inputs" else -1)
    first = verify(network, REGION, wish(network), progress=after(2, KeyboardInterrupt))
    first.save_trees(tmp_path / "tree.json")
    (tree,), (again,) = first.trees, treefile.load(tmp_path / "tree.json", network.graph.digest)
    assert again is not None
    assert again.loaded
    assert (again.question, again.visited, again.leaves, again.done) == (
        tree.question,
        tree.visited,
        tree.leaves,
        tree.done,
    )
    for one, two in zip(tree.open, again.open, strict=True):
        for name in ("alive", "margin", "weight"):
            np.testing.assert_array_equal(getattr(one, name), getattr(two, name))
        for name in ("lower", "upper") if kind == "inputs" else ("signs",):
            np.testing.assert_array_equal(getattr(one.boxes, name), getattr(two.boxes, name))
    for old, new in zip(tree.proved, again.proved, strict=True):
        np.testing.assert_array_equal(old.lower, new.lower)
        np.testing.assert_array_equal(old.upper, new.upper)
    second = verify(network, REGION, wish(network), trees=tmp_path / "tree.json")
    assert second.status == "verified"
    assert second.leaves >= tree.leaves
    assert treefile.TRUSTED in second.assumptions


def test_files_of_other_questions_are_refused(network: Network, tmp_path: Path) -> None:
    first = verify(network, REGION, wish(network), progress=after(2, KeyboardInterrupt))
    first.save_trees(tmp_path / "tree.json")
    other = Network(relu_network(np.random.default_rng(3), (3, 12, 12, 2)))
    with pytest.raises(TreeFileError, match="another network"):
        verify(other, REGION, wish(network), trees=tmp_path / "tree.json")
    with pytest.raises(ValueError, match="another network, region or property"):
        verify(network, REGION, linear([-1.0, 0.0], 100.5), trees=tmp_path / "tree.json", timeout=5)


def test_a_verdict_without_a_search_has_nothing_to_save(network: Network, tmp_path: Path) -> None:
    found = verify(network, REGION, linear([1.0, 0.0], -1000.0))
    assert found.status == "falsified"
    with pytest.raises(TreeFileError, match="no search"):
        found.save_trees(tmp_path / "tree.json")


def forged(path: Path, change: object) -> Path:
    """The file with its body changed, and a checksum that fits."""
    given = json.loads(path.read_text())
    body = {"network": given["network"], "trees": given["trees"]}
    assert callable(change)
    change(body)
    out = path.with_name("forged.json")
    out.write_text(json.dumps({"format": treefile.FORMAT, "sha256": treefile._digest(body), **body}))
    return out


def put(*keys: object, value: object) -> object:
    def change(body: dict[str, object]) -> None:
        at: object = body["trees"]
        for key in keys[:-1]:
            at = at[key]  # type: ignore[index]
        at[keys[-1]] = value  # type: ignore[index]

    return change


@pytest.mark.parametrize(
    "change",
    [
        put(0, "open", 0, "lower", 0, 0, value="nan"),
        put(0, "open", 0, "lower", 0, 0, value="0x1p+9"),
        put(0, "open", 0, "lower", 0, value=["0x0p+0"]),
        put(0, "open", 0, "margin", value=[]),
        put(0, "open", 0, "margin", 0, value="nan"),
        put(0, "open", 0, "weight", 0, value="0x1p+1"),
        put(0, "open", 0, "alive", 0, value=[7]),
        put(0, "open", 0, "layers", value=[10**12]),
        put(0, "visited", value=-1),
        put(0, "visited", value=True),
        put(0, "proved", value=None),
        put(0, "question", value=None),
        put(0, value="tree"),
        put(0, "open", value=[{}]),
    ],
)
def test_damaged_files_are_refused(network: Network, change: object, tmp_path: Path) -> None:
    first = verify(network, REGION, wish(network), progress=after(2, KeyboardInterrupt))
    first.save_trees(tmp_path / "tree.json")
    with pytest.raises(TreeFileError, match="not a tree file"):
        treefile.load(forged(tmp_path / "tree.json", change), network.graph.digest)


def test_a_changed_byte_a_large_file_and_no_json_are_refused(
    network: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = verify(network, REGION, wish(network), progress=after(2, KeyboardInterrupt))
    path = tmp_path / "tree.json"
    first.save_trees(path)
    text = path.read_text()
    path.write_text(text.replace('"visited": ', '"visited": 1', 1))
    with pytest.raises(TreeFileError, match="damaged"):
        treefile.load(path, network.graph.digest)
    for wrong in ("[" * 100_000, "no", "[]", "{}"):
        path.write_text(wrong)
        with pytest.raises(TreeFileError, match="not a tree file"):
            treefile.load(path, network.graph.digest)
    monkeypatch.setattr(treefile, "LARGEST", 1000)
    path.write_text(text)
    with pytest.raises(TreeFileError, match="larger than"):
        treefile.load(path, network.graph.digest)
    with pytest.raises(TreeFileError, match="too much"):
        first.save_trees(path)
    monkeypatch.setattr(treefile, "MOST", 1)
    with pytest.raises(TreeFileError, match="too many"):
        first.save_trees(path)


@pytest.mark.parametrize(("key", "value"), [("layers", [3, 12]), ("alive", [1, 1])])
def test_parts_of_other_sizes_are_refused(
    network: Network, key: str, value: list[int], tmp_path: Path
) -> None:
    first = verify(network, REGION, wish(network), progress=after(2, KeyboardInterrupt))
    path = tmp_path / "tree.json"
    first.save_trees(path)
    given = [value] * len(first.trees[0].open[0]) if key == "alive" else value
    with pytest.raises(ValueError, match="other sizes"):
        verify(network, REGION, wish(network), trees=forged(path, put(0, "open", 0, key, value=given)))
