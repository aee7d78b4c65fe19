"""Tree: the state of a branch and bound, kept so that it can be looked at, certified and gone on with.

Every leaf says with what slopes and multipliers it was proved: `Proved.choice` has for each leaf and each unsafe
alternative the number of an entry of `Tree.choices`, or -1 where CROWN's own slopes were enough.  An alternative that
was refuted on a larger part has that part's entry, which refutes it on the leaf as well: lines only get tighter.
Entries are recorded as they were used, in binary32, and nobody needs to trust them: any slope between those of a relu's
two pieces and any multiplier that is not negative gives a bound.
"""

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


@dataclass(frozen=True, slots=True, eq=False)
class Ranges:
    """Parts of one region, told apart by where the operands of nonlinear nodes lie.

    Parameters
    ----------
    index : ``(B, D)``: numbers of operands, see `methods.curves`; -1 says nothing.
    lower, upper : ``(B, D)``: what lies between; one number may come several times.
    weight : ``(B, D)``: multipliers to start from; they need not be true.
    """

    index: Array
    lower: Array
    upper: Array
    weight: Array

    def __len__(self) -> int:
        return len(self.index)

    def take(self, index: Array | slice) -> Ranges:
        """Some of the parts."""
        return Ranges(self.index[index], self.lower[index], self.upper[index], self.weight[index])

    def wide(self, depth: int) -> Ranges:
        """The same, of more columns."""
        more = ((0, 0), (0, depth - self.index.shape[1]))
        every = (self.index, -1), (self.lower, -np.inf), (self.upper, np.inf), (self.weight, 0.0)
        return Ranges(*(np.pad(e, more, constant_values=v) for e, v in every))


def joined(parts: Sequence[Boxes | Signs | Ranges]) -> Boxes | Signs | Ranges:
    """Several batches of one kind as one."""
    boxes = [p for p in parts if isinstance(p, Boxes)]
    if boxes:
        return together(boxes)
    ranges = [p for p in parts if isinstance(p, Ranges)]
    if ranges:
        deep = [p.wide(max(q.index.shape[1] for q in ranges)) for p in ranges]
        return Ranges(*(np.concatenate([getattr(p, f) for p in deep]) for f in Ranges.__slots__))
    return Signs(np.concatenate([p.signs for p in parts if isinstance(p, Signs)]))


@dataclass(frozen=True, slots=True, eq=False)
class Choices:
    """Slopes and multipliers of N rows.

    Parameters
    ----------
    row : ``(N,)``: which row of `spec.Rows.matrix`.
    neurons : ``(K,)``: the numbers of the neurons of the columns, as in `Signs` (of a dense chain: of all layers, one
        after the other).  Others are stable all over the region.
    slopes : ``(N, K)`` of the lines below; means nothing where a sign is known.
    multipliers : ``(N, K)`` of decided signs: ``multiplier * sign`` is subtracted from the row's coefficient at the
        neuron's operand; None where there are none.
    """

    row: Array
    neurons: Array
    slopes: Array
    multipliers: Array | None = None

    def __len__(self) -> int:
        return len(self.row)

    def take(self, index: Array | slice | int) -> Choices:
        """Some of the entries."""
        beta = None if self.multipliers is None else self.multipliers[index]
        return Choices(self.row[index], self.neurons, self.slopes[index], beta)


@dataclass(frozen=True, slots=True, eq=False)
class Start:
    """What rows of open parts are optimised from: their parents' choice, M rows of some parts.

    Parameters
    ----------
    part : ``(M,)``, ascending: which part of the block; row : ``(M,)``.
    slopes, multipliers : ``(M, K)`` binary16: starting points need no precision, and there are many.
    neurons : ``(K,)``: the numbers of the columns.
    """

    part: Array
    row: Array
    slopes: Array
    multipliers: Array
    neurons: Array

    def take(self, index: Array) -> Start:
        """What belongs to some parts ``(B,)``, numbered anew."""
        first, last = np.searchsorted(self.part, index), np.searchsorted(self.part, index, side="right")
        count = last - first
        at = np.repeat(first - np.cumsum(count) + count, count) + np.arange(int(count.sum()))
        part = np.repeat(np.arange(len(index)), count)
        return Start(part, self.row[at], self.slopes[at], self.multipliers[at], self.neurons)


def started(parts: Sequence[Block]) -> Start | None:
    """The starts of several blocks as one."""
    first = np.cumsum([0, *map(len, parts)])
    some = [(k, p.start) for k, p in zip(first.tolist(), parts, strict=False) if p.start is not None]
    if not some or any(not np.array_equal(s.neurons, some[0][1].neurons) for _, s in some):
        return None
    row, slopes, beta = (
        np.concatenate([getattr(s, f) for _, s in some]) for f in ("row", "slopes", "multipliers")
    )
    return Start(np.concatenate([k + s.part for k, s in some]), row, slopes, beta, some[0][1].neurons)


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """Open parts of the region.

    Parameters
    ----------
    boxes : B boxes with what is known of their neurons, or B choices of signs, or B ranges of operands.
    alive : ``(B, A)``: unsafe alternatives that are not refuted there.
    margin : ``(B,)``: the best bound known, that of a box around it.
    weight : ``(B,)``: the share of the region, halved at every split.
    choice : ``(B, A)``: the entries of `Tree.choices` that refuted alternatives on larger parts, -1 for none.
    start : where optimising starts; None for the whole region's.
    """

    boxes: Boxes | Signs | Ranges
    alive: Array
    margin: Array
    weight: Array
    choice: Array | None = None
    start: Start | None = None

    def __len__(self) -> int:
        return len(self.margin)

    def take(self, index: Array | slice) -> Block:
        """Some of the boxes."""
        start = None if self.start is None else self.start.take(np.arange(len(self))[index])
        choice = None if self.choice is None else self.choice[index]
        return Block(
            self.boxes.take(index), self.alive[index], self.margin[index], self.weight[index], choice, start
        )

    @property
    def chosen(self) -> Array:
        """`choice`, where it is not known -1 throughout."""
        return np.full(self.alive.shape, -1, np.int64) if self.choice is None else self.choice


@dataclass(frozen=True, slots=True, eq=False)
class Proved:
    """Boxes ``(B, n)`` whose inputs are proved to have no unsafe outputs.

    `cut_lower`, `cut_upper` hold, where the proof was by clipping, the inner box that is not covered (it goes on in the
    tree); they are None where the whole box is proved.  `signs` ``(B, neurons)``, where given, says of which inputs.
    `choice` ``(B, A)``, where given, says with which entry of `Tree.choices` each alternative was refuted.
    `ranges`, where given, say of which inputs, like `signs`.
    """

    lower: Array
    upper: Array
    cut_lower: Array | None = None
    cut_upper: Array | None = None
    signs: Array | None = None
    choice: Array | None = None
    ranges: Ranges | None = None


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
    choices : slopes and multipliers of what was refuted, numbered one after the other.
    neurons : numbers and bounds ``(K,)`` of the neurons that are open over the whole region, as the search has them.
    recorded : number of entries in `choices`.
    roots : by alternative ``(1, A)`` the entries of what is refuted on the whole region.
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
    choices: list[Choices] = field(default_factory=list)
    neurons: tuple[Array, Array, Array] | None = None
    recorded: int = 0
    roots: Array | None = None

    def record(self, choices: Choices) -> Array:
        """Keep choices; their numbers."""
        self.choices.append(choices)
        first, self.recorded = self.recorded, self.recorded + len(choices)
        return np.arange(first, self.recorded)

    def choice(self, number: int) -> Choices:
        """One entry."""
        for some in self.choices:
            if number < len(some):
                return some.take(number)
            number -= len(some)
        raise IndexError("there is no such entry")

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
        alive, margin, weight, chosen = (
            np.concatenate([getattr(p, f) for p in parts]) for f in ("alive", "margin", "weight", "chosen")
        )
        return Block(joined([p.boxes for p in parts]), alive, margin, weight, chosen, started(parts))

    def boxes(self) -> Iterator[tuple[Array, Array]]:
        """All proved boxes that are covered whole."""
        for part in self.proved:
            if part.cut_lower is None and part.signs is None and part.ranges is None:
                yield part.lower, part.upper
