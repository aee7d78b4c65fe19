"""Tree: the state of a branch and bound, kept so that it can be looked at, certified and gone on with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from workbench.graph import Array
from workbench.methods.dense import Boxes, together
from workbench.spec import Rows


@dataclass(frozen=True, slots=True, eq=False)
class Signs:
    """Parts of one region, told apart by the signs of neurons: ``(B, neurons)`` int8, +1, -1, or 0 where open."""

    signs: Array

    def __len__(self) -> int:
        return len(self.signs)

    def take(self, index: Array | slice) -> Signs:
        """Some of the parts."""
        return Signs(self.signs[index])


def joined(parts: Sequence[Boxes | Signs]) -> Boxes | Signs:
    """Several batches of one kind as one."""
    boxes = [p for p in parts if isinstance(p, Boxes)]
    return (
        together(boxes) if boxes else Signs(np.concatenate([p.signs for p in parts if isinstance(p, Signs)]))
    )


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """Open parts of the region.

    Parameters
    ----------
    boxes : B boxes with what is known of their neurons, or B choices of signs.
    alive : ``(B, A)``: unsafe alternatives that are not refuted there.
    margin : ``(B,)``: the best bound known, that of a box around it.
    weight : ``(B,)``: the share of the region, halved at every split.
    """

    boxes: Boxes | Signs
    alive: Array
    margin: Array
    weight: Array

    def __len__(self) -> int:
        return len(self.margin)

    def take(self, index: Array | slice) -> Block:
        """Some of the boxes."""
        return Block(self.boxes.take(index), self.alive[index], self.margin[index], self.weight[index])


@dataclass(frozen=True, slots=True, eq=False)
class Proved:
    """Boxes ``(B, n)`` whose inputs are proved to have no unsafe outputs.

    `cut_lower`, `cut_upper` hold, where the proof was by clipping, the inner box that is not covered (it goes on in the
    tree); they are None where the whole box is proved.  `signs` ``(B, neurons)``, where given, says of which inputs.
    """

    lower: Array
    upper: Array
    cut_lower: Array | None = None
    cut_upper: Array | None = None
    signs: Array | None = None


def member_of(rows: Rows) -> Array:
    """``(A, R)``: which rows belong to which alternative."""
    found = np.zeros((len(rows.groups), len(rows.threshold)), bool)
    for k, group in enumerate(rows.groups):
        found[k, group] = True
    return found


def margin_of(rows: Rows, lower: Array, alive: Array) -> tuple[Array, Array]:
    """For each part the least over its alternatives of the best row's margin ``(B,)``, and that row ``(B,)``."""
    over = lower - rows.threshold
    margin, telling = np.full(len(lower), np.inf), np.zeros(len(lower), np.int64)
    for k, group in enumerate(rows.groups):
        if not group.size:
            margin[alive[:, k]] = -np.inf
            continue
        best = over[:, group].argmax(axis=1)
        value = over[np.arange(len(over)), group[best]]
        less = alive[:, k] & (value < margin)
        margin[less], telling[less] = value[less], group[best[less]]
    return np.where(np.isnan(margin), -np.inf, margin), telling


@dataclass(slots=True, eq=False)
class Tree:
    """A search that can be resumed: what is open, and what is proved.

    Parameters
    ----------
    question : what the tree belongs to (network and property); a tree is only resumed on its own question.
    open : blocks of open boxes, worked on from the end.
    proved : what is proved so far.
    visited : boxes that were bounded.
    leaves : boxes that were proved.
    done : the share of the region that is proved.
    near : how far from proved a box may be for its slopes to be worth optimising: what the search has learnt.
    stuck, stuck_margin : parts that can be split no further and are not proved, and the least of their margins.
    pending : what was open before the step that is being made; None between steps.
    loaded : whether it comes from a file, so that what is proved is taken on trust.
    """

    question: str
    open: list[Block] = field(default_factory=list)
    proved: list[Proved] = field(default_factory=list)
    visited: int = 0
    leaves: int = 0
    done: float = 0.0
    near: float = 1e300
    stuck: int = 0
    stuck_margin: float = np.inf
    pending: list[Block] | None = None
    loaded: bool = False

    @property
    def bound(self) -> float:
        """The least margin of all open boxes: every input is so far from unsafe; infinite where none is open."""
        return min((float(b.margin.min()) for b in self.open if len(b)), default=np.inf)

    @property
    def count(self) -> int:
        """Number of open boxes."""
        return sum(map(len, self.open))

    @property
    def network(self) -> str:
        """The digest of the network's graph."""
        return self.question.split("|")[0]

    def begin(self) -> None:
        """Remember what is open: an interrupt may strike anywhere in a step."""
        self.pending = list(self.open)

    def undo(self) -> None:
        """Open again what was open before a step that was not finished; what it proved stays proved."""
        if self.pending is not None:
            self.open = self.pending
            self.pending = None

    def keep(self, proved: Proved, weight: Array) -> None:
        """Take in what is proved whole."""
        if len(weight):
            self.proved.append(proved)
            self.leaves += len(weight)
            self.done += float(weight.sum())

    def pop(self, most: int) -> Block:
        """Up to `most` boxes from the end."""
        parts: list[Block] = []
        missing = most
        while self.open and missing:
            block = self.open.pop()
            if len(block) > missing:
                self.open.append(block.take(slice(0, len(block) - missing)))
                block = block.take(slice(len(block) - missing, len(block)))
            parts.append(block)
            missing -= len(block)
        if len(parts) == 1:
            return parts[0]
        return Block(
            joined([p.boxes for p in parts]),
            np.concatenate([p.alive for p in parts]),
            np.concatenate([p.margin for p in parts]),
            np.concatenate([p.weight for p in parts]),
        )

    def boxes(self) -> Iterator[tuple[Array, Array]]:
        """All proved boxes that are covered whole."""
        for part in self.proved:
            if part.cut_lower is None and part.signs is None:
                yield part.lower, part.upper
