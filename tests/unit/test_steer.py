"""Steering by hand: whoever picks the cuts, and whatever was tried on the way, verified is a proof."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import workbench as wb
from tests.networks import relu_network
from workbench.methods import steer as steering
from workbench.methods.steer import Node, Split, Steer, SteerError
from workbench.methods.treefile import TRUSTED
from workbench.network import Network
from workbench.region import Region
from workbench.steering import load, steer, steered
from workbench.wanted import Wanted


def problem(*, products: bool = False, room: float = 0.05) -> tuple[Network, Region, Wanted]:
    """A network of two inputs, and a bound on its first output that holds by a little."""
    network = Network(relu_network(np.random.default_rng(4), (2, 8, 8, 2), products=products))
    region = wb.box(np.full((1, 2), -1.0), np.full((1, 2), 1.0))
    t = np.linspace(-1, 1, 101)
    grid = np.stack(np.meshgrid(t, t), -1).reshape(-1, 1, 2)
    least = float(network.run(grid).reshape(-1, 2)[:, 0].min())
    loose = float(network.bounds("crown", region).output.lo.reshape(-1)[0])
    return network, region, wb.output_range(lower=least - room * (least - loose), output=0)


@pytest.mark.parametrize("products", [False, True])
def test_a_proof_by_hand_and_by_machine(products: bool) -> None:
    network, region, spec = problem(products=products, room=0.2 if products else 0.05)
    tree = steer(network, region, spec)
    assert tree.status == "open"
    assert not steered(network, tree)
    seen = [tree.bound]
    low, high = tree.split_input(0, 1)
    assert tree.path(high.id) == ["X_1 >= 0"]
    assert (low.upper[1], high.lower[1], low.weight) == (0.0, 0.0, 0.5)
    sign = next(c for c in tree.choices(high.id) if c.split.kind == "sign")
    off, on = tree.split(high.id, sign)
    assert (off.signs, on.signs) == (((sign.split.index, -1),), ((sign.split.index, 1),))
    assert min(off.bound, on.bound) >= high.bound >= tree.node(0).bound
    tree.step(2)
    seen.append(tree.bound)
    assert tree.run(timeout=60) == "verified"
    assert sorted(seen) == seen
    assert tree.bound > 0
    assert tree.done == 1.0
    verdict = steered(network, tree)
    assert verdict
    assert verdict.leaves == len(tree.leaves())
    # every input lies in some leaf that is proved, and nothing is below what is claimed
    x = region.sample(500).reshape(500, 2)
    inside = np.zeros(500, bool)
    for leaf in tree.leaves("proved"):
        inside |= ((leaf.lower <= x) & (x <= leaf.upper)).all(axis=1)
    assert inside.all()


def test_what_is_false_is_falsified_and_never_verified() -> None:
    network, region, spec = problem(room=-0.05)
    tree = steer(network, region, spec)
    assert tree.run(timeout=60) == "falsified"
    verdict = steered(network, tree)
    assert verdict.status == "falsified"
    assert verdict.counterexample is not None
    assert "real" in verdict.counterexample.holds


def test_alternatives_side_by_side() -> None:
    network, region, spec = problem()
    tree = steer(network, region, spec)
    other = tree.copy()
    tree.split_input(0, 0)
    other.split_neuron(0, *other.neuron(3))
    assert (len(tree), len(other), tree.serial) == (3, 3, other.serial)
    bare = tree.node(0).bound
    assert tree.collapse(0).bound == pytest.approx(bare)
    assert (len(tree), tree.status, tree.node(0).leaf) == (1, "open", True)
    with pytest.raises(KeyError):
        tree.node(1)
    assert len(other) == 3
    assert tree.run(timeout=60) == other.run(timeout=60) == "verified"


def test_changes_are_told_once() -> None:
    network, region, spec = problem()
    tree = steer(network, region, spec)
    first = tree.changes(0)
    assert [n.id for n in first.changed] == [0]
    tree.split(0)
    second = tree.changes(first.serial)
    assert sorted(n.id for n in second.changed) == [0, 1, 2]
    tree.collapse(0)
    third = tree.changes(second.serial)
    assert sorted(third.removed) == [1, 2]
    assert tree.changes(third.serial).changed == []


def cut_twice(tree: Steer) -> object:
    tree.split(0)
    return tree.split(0)


def decide_twice(tree: Steer) -> object:
    low, _ = tree.split_neuron(0, *tree.neuron(3))
    return tree.split_neuron(low.id, *tree.neuron(3))


@pytest.mark.parametrize(
    ("act", "says"),
    [
        (cut_twice, "collapse it first"),
        (decide_twice, "decided there already"),
        (lambda tree: tree.split(7), "there is no part 7"),
        (lambda tree: tree.split_input(0, 5), "there is no input 5"),
        (lambda tree: tree.split_input(0, 0, 1.0), "cannot be cut at 1.0"),
        (lambda tree: tree.split(0, Split("input", 0, -2.0, "x", 0)), "does not cut that part"),
        (
            lambda tree: tree.split_neuron(0, "z9", 0),
            "has no neurons that can be split; these have some: r0, r1",
        ),
        (lambda tree: tree.split_neuron(0, "r0", 8), "has 8 neurons"),
    ],
)
def test_steps_that_cannot_be_made_are_said(act: Callable[[Steer], object], says: str) -> None:
    tree = steer(*problem())
    with pytest.raises(SteerError, match=says):
        act(tree)


def test_an_interrupt_leaves_the_tree_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    tree = steer(*problem())
    tree.split(0)
    before = [n for n in tree.nodes if n is not None]
    real_ = steering.evaluate

    def interrupted(*args: object) -> object:
        real_(*args)  # type: ignore[arg-type]
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(steering, "evaluate", interrupted)
        with pytest.raises(KeyboardInterrupt):
            tree.step(2)
    assert [n for n in tree.nodes if n is not None] == before
    assert tree.run(timeout=60) == "verified"


def test_pause_and_steps() -> None:
    tree = steer(*problem())
    assert tree.run(steps=1) == "open"
    assert len(tree) == 3
    tree.run(batch=1, progress=lambda share, words: tree.pause())
    assert len(tree) == 5


def test_bounds_of_a_part_hold_there() -> None:
    network, region, spec = problem()
    tree = steer(network, region, spec)
    tree.split_neuron(0, *tree.neuron(9))
    on = tree.node(2)
    held = tree.bounds_of(on.id)
    x = region.sample(400)
    values = network.values(x)
    name, element = tree.neuron(9)
    operand = next(k.operand for k in tree.kinks if k.name == name)
    there = values[operand].reshape(400, -1)[:, element] >= 0
    assert there.any()
    assert held[operand].lo.reshape(-1)[element] >= 0
    for key, b in held.items():
        if key in values:
            v = values[key].reshape(400, -1)[there]
            assert (v >= b.lo.reshape(-1) - 1e-5).all()
            assert (v <= b.hi.reshape(-1) + 1e-5).all()


def test_a_saved_tree_goes_on_and_says_what_it_rests_on(tmp_path: Path) -> None:
    network, region, spec = problem()
    tree = steer(network, region, spec)
    tree.run(steps=4)
    tree.save(tmp_path / "tree.json")
    back = load(tmp_path / "tree.json", network, region, spec)
    assert [n.status for n in back.leaves()] == [n.status for n in tree.leaves()]
    assert [n.bound for n in back.leaves()] == pytest.approx([n.bound for n in tree.leaves()])
    assert back.run(timeout=60) == "verified"
    assert TRUSTED in steered(network, back).assumptions
    assert back.recheck()
    assert TRUSTED not in steered(network, back).assumptions
    assert back.status == "verified"


def test_a_file_that_lies_is_found_out_by_proving_again(tmp_path: Path) -> None:
    """A checksum can be made by anybody; what is claimed of a part is proved again before it counts."""
    network, region, spec = problem(room=-0.05)
    tree = steer(network, region, spec)
    if tree.status == "open":
        tree.split(0)
    tree.save(tmp_path / "tree.json")
    given = json.loads((tmp_path / "tree.json").read_text())
    for node in given["nodes"]:
        node["lower"] = [(1e9).hex() for _ in node["lower"]]
        node["status"] = node["status"] if node["status"] == "split" else "proved"
    from workbench.methods.steerfile import _digest

    given["sha256"] = _digest({k: given[k] for k in ("question", "nodes")})
    (tmp_path / "tree.json").write_text(json.dumps(given))
    back = load(tmp_path / "tree.json", network, region, spec)
    assert TRUSTED in steered(network, back).assumptions
    assert not back.recheck()
    assert not steered(network, back)


def test_damaged_and_foreign_files_are_refused(tmp_path: Path) -> None:
    network, region, spec = problem()
    tree = steer(network, region, spec)
    tree.split(0)
    tree.save(tmp_path / "tree.json")
    text = (tmp_path / "tree.json").read_text()
    (tmp_path / "bad.json").write_text(text.replace('"status": "split"', '"status": "open"', 1))
    with pytest.raises(SteerError, match="damaged"):
        load(tmp_path / "bad.json", network, region, spec)
    (tmp_path / "no.json").write_text("{")
    with pytest.raises(SteerError, match="no JSON"):
        load(tmp_path / "no.json", network, region, spec)
    other = wb.output_range(lower=-1e6, output=1)
    with pytest.raises(SteerError, match="another network, region or property"):
        load(tmp_path / "tree.json", network, region, other)


def test_nodes_are_plain_data() -> None:
    node = steer(*problem()).node(0)
    assert isinstance(node, Node)
    assert node.leaf
    assert node.weight == 1.0
