"""Steer: a branch and bound that a person can steer, leaf by leaf, with automatic steps in between.

The parts are boxes of inputs with signs of neurons, in any mixture.  A part is proved where every unsafe alternative is
refuted by bounds that account for their own rounding (`methods.steerbounds`), and the two halves of a cut cover it, so
that however somebody steers, "verified" means that all leaves are proved, and is a proof.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from dataclasses import replace
from math import inf
from pathlib import Path
from time import monotonic
from typing import Literal

import numpy as np

from workbench.graph import Array
from workbench.methods import steerfile
from workbench.methods.bounds import Bounds
from workbench.methods.crown import crown
from workbench.methods.scene import kinks_of
from workbench.methods.steerbounds import bounder
from workbench.methods.steernodes import Choice, Delta, Inner, Node, Split, Status, SteerError
from workbench.methods.steerwork import bounds_of, cut_at, cuttable, evaluate, halves, number_of, path_of
from workbench.methods.suspects import Suspects
from workbench.methods.tree import member_of
from workbench.region import Region
from workbench.semantics.plan import Plan
from workbench.spec import Disjunction, Rows

NARROW = 16  # inputs that vary, up to which the machine splits inputs first
BATCH = 16
__all__ = ["Choice", "Delta", "Node", "Split", "Steer", "SteerError"]


class Steer:
    """A tree of parts of one region; every method leaves it whole.

    Parameters
    ----------
    plan : the network, of one input.
    region : one region, in the input's shape.
    unsafe : what is to be excluded.

    Attributes
    ----------
    loaded : whether it comes from a file and has not been proved again (`recheck`).
    counterexample : an input of the input's shape whose outputs are unsafe in real arithmetic, replayed; or None.
    """

    def __init__(self, plan: Plan, region: Region, unsafe: Disjunction) -> None:
        if region.batch != 1:
            raise SteerError(f"one region is decided at a time, not {region.batch}")
        if not unsafe or not all(unsafe):
            raise SteerError("there is nothing to search: the property holds always or never")
        self.plan, self.region, self.unsafe = plan, region, unsafe
        self.rows = Rows(unsafe, plan.graph[plan.graph.outputs[0]].size)
        self.suspects = Suspects(plan, region, unsafe, self.rows)
        self.kinks = kinks_of(plan)
        self.neurons = sum(k.size for k in self.kinks)
        self.inputs = int(region.lower.size)
        low, high = region.lower.reshape(-1), region.upper.reshape(-1)
        self.free_inputs = tuple(np.flatnonzero(high > low).tolist())
        self.member = member_of(self.rows)
        self.limits = np.nextafter(self.rows.threshold, np.inf)
        self.slack = np.zeros((1, len(self.limits)))
        if self.rows.error is not None:
            size = crown(plan, {plan.graph.inputs[0]: region}).output.magnitude
            self.slack = np.asarray(self.rows.slack(size.reshape(1, -1)))
        self.bounder = bounder(plan, region, self.rows)
        self.counterexample: Array | None = None
        self.loaded = False
        self._pause = False
        self._log: list[int] = []
        self._nodes: list[Node | None] = [Node(0, None, 0, 0, None, (), "open", -inf, low, high, ())]
        self._inner: dict[int, Inner] = {}
        self._heap: list[tuple[float, int]] = []
        self._bound([0])

    # ---- what there is

    @property
    def nodes(self) -> Sequence[Node | None]:
        """By part; None where a node was removed."""
        return self._nodes

    def fresh(self) -> Steer:
        """The same question, nothing cut."""
        return Steer(self.plan, self.region, self.unsafe)

    def inner(self, part: int) -> Inner:
        """What is known of a part beyond what its node shows."""
        return self._inner[part]

    def node(self, part: int) -> Node:
        """The node of that part.

        Raises
        ------
        KeyError
            An part that there is not, or not any more.
        """
        found = self._nodes[part] if 0 <= part < len(self._nodes) else None
        if found is None:
            raise KeyError(f"there is no part {part}")
        return found

    def __len__(self) -> int:
        return sum(n is not None for n in self._nodes)

    def leaves(self, *status: Status) -> list[Node]:
        """Leaves from left to right, of the given statuses or all."""
        found, todo = [], [0]
        while todo:
            node = self.node(todo.pop())
            if node.leaf and (not status or node.status in status):
                found.append(node)
            todo += reversed(node.children)
        return found

    @property
    def bound(self) -> float:
        """What is proved of the whole region: the least bound of all leaves."""
        return min(n.bound for n in self.leaves())

    @property
    def done(self) -> float:
        """The share of the region that is proved."""
        return sum(n.weight for n in self.leaves("proved", "empty"))

    @property
    def status(self) -> Literal["open", "verified", "falsified", "unknown"]:
        """Whether it is decided; unknown where nothing is open, but some parts cannot be cut any further."""
        if self.counterexample is not None:
            return "falsified"
        held = {n.status for n in self.leaves()}
        if held <= {"proved", "empty"}:
            return "verified"
        return "open" if "open" in held else "unknown"

    def path(self, part: int) -> list[str]:
        """The cuts from the root to a part, in words."""
        return path_of(self, part)

    def neuron(self, index: int) -> tuple[str, int]:
        """Name of the node with the kink, and the flat index inside it, of a neuron that can be split."""
        for k in self.kinks:
            if k.first <= index < k.first + k.size:
                return k.name, index - k.first
        raise SteerError(f"there is no neuron {index}: the network has {self.neurons} that can be split")

    def neuron_index(self, node: str, element: int) -> int:
        """The number of a neuron, by the name of its node (the kink's, or what that reads) and its index inside."""
        return number_of(self, node, element)

    def choices(self, part: int, most: int = 12) -> list[Choice]:
        """Cuts of a part, best first: inputs and neurons."""
        node = self.node(part)
        inner = self._inner.get(part)
        if inner is None or node.status not in ("open", "stuck"):
            return []
        lo, hi = self.bounder.neurons(inner.held) if inner.held is not None else (None, None)
        found = []
        for score, kind, index in inner.choices[:most]:
            if kind == "input":
                split = cut_at(self, node, index, None)
                found.append(Choice(split, score, float(node.lower[index]), float(node.upper[index])))
            else:
                ends = (-inf, inf) if lo is None or hi is None else (float(lo[index]), float(hi[index]))
                found.append(Choice(self._sign_split(index), score, *ends))
        return found

    # ---- by hand

    def split(self, part: int, choice: Split | Choice | None = None) -> tuple[Node, Node]:
        """Cut a leaf in two and bound both halves; by default where the machine would.

        Raises
        ------
        SteerError
            A part that is no open leaf, or a cut that does not fit it.
        """
        split = choice.split if isinstance(choice, Choice) else choice
        self._cut([(part, split)])
        low, high = self.node(part).children
        return self.node(low), self.node(high)

    def split_input(self, part: int, index: int, at: float | None = None) -> tuple[Node, Node]:
        """Cut a leaf's box along one input, by default in the middle."""
        return self.split(part, cut_at(self, cuttable(self, part), index, at))

    def split_neuron(self, part: int, node: str, element: int) -> tuple[Node, Node]:
        """Cut a leaf by the sign of one neuron."""
        cuttable(self, part)
        return self.split(part, self._sign_split(self.neuron_index(node, element)))

    def collapse(self, part: int) -> Node:
        """Forget everything below a part: it is a leaf again, with its own bound."""
        node = self.node(part)
        todo = list(node.children)
        for child in todo:
            todo += self.node(child).children
        bare = replace(node, split=None, children=(), status="open")
        for child in todo:
            self._nodes[child] = None
            self._inner.pop(child, None)
        self._nodes[part] = bare
        self._log += [*todo, part]
        if node.children:
            self._bound([part])
        return self.node(part)

    def copy(self) -> Steer:
        """An independent tree, to try alternatives side by side."""
        other = object.__new__(Steer)
        other.__dict__.update(self.__dict__)
        own = {"_nodes": list(self._nodes), "_heap": list(self._heap), "_log": list(self._log)}
        other.__dict__.update(own, _inner=dict(self._inner))
        return other

    # ---- automatically

    def step(self, count: int = 1) -> list[int]:
        """Cut the open leaves with the least bounds, up to `count`; the new nodes' ids."""
        picked: list[int] = []
        while self._heap and len(picked) < count:
            margin, part = heapq.heappop(self._heap)
            node, inner = self._nodes[part], self._inner.get(part)
            stale = node is None or inner is None or node.status != "open" or inner.margin != margin
            if not stale and part not in picked:
                picked.append(part)
        before = len(self._nodes)
        try:
            self._cut([(part, None) for part in picked])
        except BaseException:
            self._push(picked)
            raise
        return list(range(before, len(self._nodes)))

    def run(
        self,
        *,
        timeout: float | None = None,
        steps: int | None = None,
        batch: int = BATCH,
        progress: Callable[[float, str], None] | None = None,
    ) -> str:
        """Step until the property is decided, the time is up, or somebody pauses; `status`."""
        deadline = None if timeout is None else monotonic() + timeout
        self._pause = False
        made = 0
        while self.status == "open" and not self._pause:
            if (deadline is not None and monotonic() >= deadline) or (steps is not None and made >= steps):
                break
            if progress is not None:
                progress(min(1.0, self.done), f"{len(self):,} parts, {len(self._heap):,} open")
            made += len(self.step(batch if steps is None else min(batch, steps - made))) // 2
        return self.status

    def pause(self) -> None:
        """Let `run` return after the batch that it is at; may be called from any thread."""
        self._pause = True

    # ---- files

    def save(self, path: str | Path) -> None:
        """Write the tree to a file."""
        steerfile.save(self, path)

    @classmethod
    def load(cls, path: str | Path, plan: Plan, region: Region, unsafe: Disjunction) -> Steer:
        """A tree from a file; what it says is proved is taken on trust until `recheck`.

        Raises
        ------
        SteerError
            A damaged file, or one of another network, region or property.
        """
        tree = cls(plan, region, unsafe)
        steerfile.load(tree, path)
        return tree

    def restore(self, nodes: list[Node], inner: dict[int, Inner]) -> None:
        """Take another tree of the same question in, as it was read from a file."""
        self._nodes, self._inner, self._heap = list(nodes), dict(inner), []
        self.loaded = True
        self._log = [n.id for n in nodes]
        self._bound([n.id for n in nodes if n.leaf and n.status in ("open", "stuck", "unsafe")])

    def recheck(self, progress: Callable[[float, str], None] | None = None) -> bool:
        """Prove every part again, from the root down; whether all that was proved still is."""
        fresh, whole = steerfile.again(self, progress)
        log = [*self._log, *range(max(len(self._nodes), len(fresh.nodes)))]
        gone = [None] * (len(self._nodes) - len(fresh.nodes))
        self.__dict__.update(fresh.copy().__dict__)
        self._nodes, self._log = [*self._nodes, *gone], log
        return whole

    # ---- for views

    @property
    def serial(self) -> int:
        """Counts every change."""
        return len(self._log)

    def changes(self, since: int) -> Delta:
        """What changed since a serial number."""
        serial = len(self._log)
        ids = dict.fromkeys(self._log[since:serial])
        pairs = [(part, self._nodes[part]) for part in ids]
        return Delta(serial, [n for _, n in pairs if n is not None], [part for part, n in pairs if n is None])

    def bounds_of(self, part: int) -> Bounds:
        """Bounds of every node of the network over a part, its signs included."""
        node, inner = self.node(part), self._inner.get(part)
        if node.status == "empty":
            raise SteerError("no input lies in that part: its signs exclude each other")
        held = None if inner is None or inner.held is None else self.bounder.proved(inner.held)
        return bounds_of(self.plan, self.region, node, held or {})

    def points_of(self, part: int) -> Array:
        """Inputs ``(k, n)`` where the part's bounds are least."""
        inner = self._inner.get(part)
        return np.zeros((0, self.inputs)) if inner is None else inner.points

    # ---- inside

    def _sign_split(self, index: int) -> Split:
        name, element = self.neuron(index)
        return Split("sign", index, 0.0, name, element)

    def _default(self, part: int) -> Split | None:
        """What the machine would cut."""
        node, inner = self.node(part), self._inner[part]
        first = "input" if len(self.free_inputs) <= NARROW else "sign"
        for score, kind, index in sorted(inner.choices, key=lambda c: (c[1] != first, -c[0])):
            if score > 0 or kind == first:
                return cut_at(self, node, index, None) if kind == "input" else self._sign_split(index)
        return None

    def _cut(self, wanted: list[tuple[int, Split | None]]) -> None:
        """Cut leaves; nothing changes before all halves are bounded."""
        cuts: list[tuple[Node, Split, tuple[Node, Node]]] = []
        for part, asked in wanted:
            node = cuttable(self, part)
            split = asked or self._default(part)
            if split is None:
                self._put(replace(node, status="stuck"))
            else:
                cuts.append((node, split, halves(node, split)))
        children = [c for _, _, pair in cuts for c in pair]
        inner = self._evaluated(children, [self._inner[c.parent] for c in children if c.parent is not None])
        for (parent, split, _), k in zip(cuts, range(0, len(children), 2), strict=True):
            first = len(self._nodes)
            self._nodes += [None, None]
            for side in (0, 1):
                node, known = inner[k + side]
                self._inner[first + side] = known
                self._put(replace(node, id=first + side))
            self._put(replace(parent, split=split, children=(first, first + 1), status="split"))
            self._forget(parent.id)

    def _bound(self, ids: list[int]) -> None:
        """Bound nodes that stand in the tree (again)."""
        nodes = [self.node(part) for part in ids]
        none = Inner(np.full(len(self.limits), -inf), -inf, (), np.zeros((0, self.inputs)), None)
        around = [none if n.parent is None else self._inner[n.parent] for n in nodes]
        for node, inner in self._evaluated(nodes, around):
            self._inner[node.id] = inner
            self._put(node)

    def _put(self, node: Node) -> None:
        self._nodes[node.id] = node
        self._log.append(node.id)
        if node.status == "open":
            self._push([node.id])
        elif node.status in ("proved", "empty"):
            self._forget(node.id)

    def _push(self, ids: list[int]) -> None:
        for part in ids:
            heapq.heappush(self._heap, (self._inner[part].margin, part))

    def _forget(self, part: int) -> None:
        """Neurons' bounds take room: only parts that may be cut need theirs."""
        if part in self._inner:
            self._inner[part] = replace(self._inner[part], held=None)

    def _evaluated(self, nodes: list[Node], around: list[Inner]) -> list[tuple[Node, Inner]]:
        """Nodes with their bounds; `around` is what is known of the parts around them."""
        if not nodes:
            return []
        found, suspect = evaluate(self, nodes, around)
        if suspect is not None:
            self.counterexample = suspect
        return found
