"""What a search records of its leaves: slopes and multipliers that refute them again; and that time is kept."""

from __future__ import annotations

from fractions import Fraction
from time import monotonic

import numpy as np
import pytest

from tests.laws.test_engine import at_most
from tests.networks import relu_network
from workbench.methods import branch, graphsigns
from workbench.methods.graphsigns import GraphSigns
from workbench.methods.inputs import InputSplitting
from workbench.methods.progress import OutOfTime, until
from workbench.methods.reducedalpha import chords, optimise
from workbench.methods.tree import Block, Choices, Signs, Start, Tree, started
from workbench.network import Network
from workbench.region import Region, ball
from workbench.semantics.plan import Plan
from workbench.spec import Disjunction, Rows

REGION = ball([0.1, -0.2, 0.3], eps=0.5)


def problem(seed: int) -> tuple[Plan, Region, Disjunction]:
    """A network whose least output is not proved at once."""
    network = Network(relu_network(np.random.default_rng(seed), (3, 12, 12, 2)))
    x = REGION.reshape((1, 3)).sample(20000)
    lowest = float(network.run(x).reshape(-1, 2)[:, 0].min())
    return network.plan, REGION.reshape((1, 3)), at_most(Fraction(lowest - 0.1))


def searched(seed: int, narrow: int, monkeypatch: pytest.MonkeyPatch) -> tuple[branch._Search, Tree]:
    monkeypatch.setattr(branch, "NARROW", narrow)
    search = branch._Search(*problem(seed), None)
    outcome = search.run(None, None)
    assert outcome.status == "verified"
    assert outcome.tree is not None
    return search, outcome.tree


def test_recorded_choices_refute_their_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    """By one bound, without optimising again: with signs at the leaf, and with the whole region's bounds of neurons."""
    again = 0
    for seed in range(4):
        search, tree = searched(seed, -1, monkeypatch)
        split, rows = search.splitting, search.rows
        assert isinstance(split, GraphSigns)
        assert split.base is not None
        net = split.base.net
        for part in tree.proved:
            assert part.choice is not None
            assert part.signs is not None
            for signs, ids in zip(part.signs, part.choice, strict=True):
                for i in ids[ids >= 0].tolist():
                    kept = tree.choice(i)
                    assert np.array_equal(kept.neurons, net.numbers)
                    over = chords(net, net.low[None], net.high[None], signs[None, net.numbers])
                    beta = None if kept.multipliers is None else kept.multipliers[None]
                    row, one = np.array([int(kept.row)]), np.zeros(1, np.int64)
                    found = optimise(
                        net,
                        net.rows,
                        row,
                        over,
                        one,
                        iterations=0,
                        slopes=kept.slopes[None],
                        multipliers=beta,
                    )
                    assert found.lower[0] > rows.threshold[row[0]]
                    again += len(tree.proved) > 1
    assert again > 20


def test_boxes_record_slopes_too(monkeypatch: pytest.MonkeyPatch) -> None:
    recorded = 0
    for seed in range(3):
        search, tree = searched(seed, 16, monkeypatch)
        split = search.splitting
        assert isinstance(split, InputSplitting)
        for part in tree.proved:
            if part.choice is None:
                continue
            for i in part.choice[part.choice >= 0].tolist():
                kept = tree.choice(i)
                assert kept.multipliers is None
                assert ((kept.slopes >= 0) & (kept.slopes <= 1)).all()
                assert kept.slopes.shape == (sum(layer.weight.shape[0] for layer in split.chain.layers[:-1]),)
                recorded += 1
    assert recorded > 0


def test_starts_follow_their_parts() -> None:
    part, row = np.array([0, 0, 1, 3]), np.array([0, 2, 2, 1])
    start = Start(
        part, row, np.arange(8, dtype=np.float16).reshape(4, 2), np.zeros((4, 2), np.float16), np.arange(2)
    )
    block = Block(
        Signs(np.zeros((4, 5), np.int8)), np.ones((4, 1), bool), np.zeros(4), np.ones(4), None, start
    )
    some = block.take(np.array([3, 0, 2])).start
    assert some is not None
    assert some.part.tolist() == [0, 1, 1]
    assert some.row.tolist() == [1, 0, 2]
    assert some.slopes[:, 0].tolist() == [6, 0, 2]
    both = started([block.take(slice(2, 4)), block.take(slice(0, 2))])
    assert both is not None
    assert (both.part.tolist(), both.row.tolist()) == ([1, 2, 2, 3], [1, 0, 2, 2])


def test_entries_are_numbered_through() -> None:
    tree = Tree("question")
    first = tree.record(Choices(np.array([3, 4]), np.arange(2), np.zeros((2, 2), np.float32)))
    second = tree.record(Choices(np.array([5]), np.arange(2), np.ones((1, 2), np.float32)))
    assert [int(tree.choice(i).row) for i in (*first, *second)] == [3, 4, 5]
    with pytest.raises(IndexError, match="no such entry"):
        tree.choice(3)


@pytest.mark.parametrize("stage", ["_bounded", "_chosen", "whole", "prepare"])
def test_a_step_that_runs_out_of_time_changes_nothing(stage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(branch, "NARROW", -1)
    search = branch._Search(*problem(2), monotonic() + 3600)
    inner = getattr(GraphSigns, stage)

    def slow(self: GraphSigns, *given: object, **named: object) -> object:
        self.deadline = 0.0  # the time runs out inside
        return inner(self, *given, **named)

    monkeypatch.setattr(graphsigns.GraphSigns, stage, slow)
    outcome = search.run(None, None)
    assert outcome.timed_out
    assert outcome.tree is not None
    assert outcome.tree.done + sum(float(b.weight.sum()) for b in outcome.tree.open) == pytest.approx(1.0)


def test_until() -> None:
    said: list[str] = []
    until(None, lambda share, words: said.append(words))(0.5, "words")
    until(None)(0.5, "nobody listens")
    assert said == ["words"]
    with pytest.raises(OutOfTime):
        until(monotonic() - 1)(0.5, "too late")


def test_rows_are_what_entries_speak_of() -> None:
    """The order that `Choices.row` counts in."""
    spec = at_most(Fraction(1)) + at_most(Fraction(2)) + at_most(Fraction(1))
    assert [c.bound for c in Rows(spec, 1).constraints] == [1, 2]
