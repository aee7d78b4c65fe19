"""Branch and bound: complete verification, batched, by splitting inputs or the signs of relus.

Where few inputs of a dense chain vary the input's box is split (`methods.inputs`), else the signs of relus
(`methods.graphsigns`), and where there are other nonlinear nodes the ranges of their operands (`methods.curves`).
Where an unsafe alternative is refuted on a part of the region, it stays refuted on that part's parts.  Every part that
is called proved rests on bounds that account for their own rounding, so that "verified" is a proof in real arithmetic;
"falsified" is only said of an input that was replayed.

Work is depth first, the worst parts of a batch first: memory stays small, and the global bound only rises.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from time import monotonic
from typing import Literal

import numpy as np

from workbench.graph import Array, GraphError
from workbench.methods.chain import chain_of
from workbench.methods.cluster import Crew
from workbench.methods.crown import crown
from workbench.methods.curves import CurveSplitting, curved
from workbench.methods.graphsigns import GraphSigns
from workbench.methods.inputs import InputSplitting
from workbench.methods.progress import Cancelled, OutOfTime, Progress, until
from workbench.methods.scene import kinks_of
from workbench.methods.suspects import Suspects
from workbench.methods.tree import Block, Ranges, Signs, Tree
from workbench.region import Region
from workbench.semantics.plan import Plan
from workbench.spec import Disjunction, Rows

NARROW = 16  # inputs that vary, up to which the input's box is split


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """What a search ended with.

    Parameters
    ----------
    status : "verified", "falsified" (at `candidate`, which holds in real arithmetic) or "unknown".
    bound : every alternative fails by at least this much all over the region; what is proved, not more.
    reason : why unknown.
    leaves, visited : boxes that were proved, and that were bounded.
    timed_out, interrupted : why it stopped early.
    candidate : an input of the network's shape.
    tree : to look at and to resume.
    """

    status: Literal["verified", "falsified", "unknown"]
    bound: float
    reason: str = ""
    leaves: int = 0
    visited: int = 0
    timed_out: bool = False
    interrupted: bool = False
    candidate: Array | None = None
    tree: Tree | None = None


def verify(
    plan: Plan,
    region: Region,
    spec: Disjunction,
    *,
    timeout: float | None = None,
    seed: int = 0,
    semantics: str = "real",
    progress: Progress | None = None,
    tree: Tree | None = None,
    crew: Crew | None = None,
) -> Outcome:
    """Decide whether some input of the region has unsafe outputs.

    Parameters
    ----------
    plan : the network, with one input.
    region : one region, in the input's shape.
    spec : unsafe outputs; the first output, flattened.
    timeout : seconds, or None.
    seed : kept for methods that choose at random; this one does not.
    semantics : "real"; anything else is refused.
    progress : called with (share proved, words); may raise `Cancelled` or KeyboardInterrupt: the tree is kept.
    tree : of an earlier outcome of the same question, to go on with.
    crew : who helps (`cluster.crew`); None for nobody.

    Raises
    ------
    ValueError
        Another semantics than "real"; a region that is a batch; a tree of another question.
    """
    if semantics != "real":
        raise ValueError(f"branch and bound decides about real arithmetic, not {semantics!r}")
    if region.batch != 1:
        raise ValueError(f"one region is decided at a time, not {region.batch}")
    deadline = None if timeout is None else monotonic() + timeout
    return _Search(plan, region, spec, deadline).run(tree, progress, crew)


class _Search:
    def __init__(self, plan: Plan, region: Region, spec: Disjunction, deadline: float | None) -> None:
        self.plan, self.region, self.spec, self.deadline = plan, region, spec, deadline
        self.rows = Rows(spec, plan.graph[plan.graph.outputs[0]].size)
        self.splitting: InputSplitting | GraphSigns | CurveSplitting | None = None
        if not (spec and all(spec)):
            return
        chain, suspects = chain_of(plan), Suspects(plan, region, spec, self.rows)
        narrow = int((region.upper > region.lower).sum()) <= NARROW
        if chain is not None and (narrow or len(chain.layers) == 1):
            self.splitting = InputSplitting(chain, region, self.rows, suspects, deadline)
        elif not narrow and curved(plan, region):
            self.splitting = CurveSplitting(plan, region, self.rows, suspects, deadline)
        elif not narrow and kinks_of(plan):
            self.splitting = GraphSigns(plan, region, self.rows, suspects, deadline)

    def question(self) -> str:
        """What a tree of this search belongs to."""
        ends = hashlib.sha256(self.region.lower.tobytes() + self.region.upper.tobytes()).hexdigest()
        return f"{self.plan.graph.digest}|{self.spec!r}|{ends}"

    def run(self, tree: Tree | None, progress: Progress | None, crew: Crew | None = None) -> Outcome:
        """Work until nothing is open, time is up, or somebody stops it."""
        if self.splitting is None:
            return self._once(until(self.deadline, progress))
        if isinstance(self.splitting, GraphSigns | CurveSplitting):
            self.splitting.progress = progress
        if tree is None:
            tree = Tree(self.question(), [self.splitting.root()])
        elif tree.question != self.question():
            raise ValueError("the tree belongs to another network, region or property")
        tree.undo()
        if not all(_alike(block, self.splitting.root()) for block in tree.open):
            raise ValueError("the tree does not fit the network: its parts have other sizes")
        while tree.open:
            if self.deadline is not None and monotonic() >= self.deadline:
                return self._stopped(tree, "the time ran out", timed_out=True)
            try:
                here = self.splitting
                if crew is not None and tree.count > 1 and isinstance(here, InputSplitting | GraphSigns):
                    suspect = crew.work(here, tree, self.deadline, progress)
                else:
                    suspect = self._step(tree, progress)
            except OutOfTime:
                tree.undo()
                return self._stopped(tree, "the time ran out", timed_out=True)
            except (Cancelled, KeyboardInterrupt, MemoryError, GraphError) as error:
                tree.undo()
                short = isinstance(error, MemoryError | GraphError)
                why = "it needs more memory than there is" if short else "it was interrupted"
                return self._stopped(tree, why, interrupted=not short)
            if suspect is not None:
                found = tree.leaves, tree.visited
                return Outcome("falsified", tree.bound, "", *found, candidate=suspect, tree=tree)
        return self._ended(tree)

    def _step(self, tree: Tree, progress: Progress | None) -> Array | None:
        """Work on some parts; where that is broken off, `Tree.undo` opens them again."""
        assert self.splitting is not None
        tree.begin()
        block = tree.pop(self.splitting.batch)
        if progress is not None:
            progress(min(1.0, tree.done), f"{tree.visited:,} parts, {tree.count + len(block):,} open")
        suspect = self.splitting.work(tree, block)
        if suspect is not None:
            tree.undo()
        tree.pending = None
        return suspect

    def _ended(self, tree: Tree) -> Outcome:
        if not tree.stuck:
            return Outcome("verified", 0.0, "", tree.leaves, tree.visited, tree=tree)
        assert self.splitting is not None
        reason = f"{tree.stuck:,} of {tree.visited:,} parts could not be decided: {self.splitting.stuck}"
        return Outcome("unknown", tree.stuck_margin, reason, tree.leaves, tree.visited, tree=tree)

    def _stopped(
        self, tree: Tree, why: str, *, timed_out: bool = False, interrupted: bool = False
    ) -> Outcome:
        reason = f"{why} with {tree.count:,} of {tree.visited + tree.count:,} parts open"
        held = min(tree.bound, tree.stuck_margin)
        return Outcome("unknown", held, reason, tree.leaves, tree.visited, timed_out, interrupted, None, tree)

    def _once(self, progress: Progress) -> Outcome:
        """What takes no search: trivial properties, and one CROWN bound of the whole region for other networks."""
        if not self.spec:
            return Outcome("verified", np.inf, tree=Tree(self.question()))
        if not all(self.spec):  # an alternative without constraints: every input is unsafe
            return Outcome("falsified", -np.inf, candidate=self.region.sample(1)[0])
        output = self.plan.graph[self.plan.graph.outputs[0]]
        where, rows = {self.plan.graph.inputs[0]: self.region}, self.rows.matrix.reshape(-1, *output.shape)
        try:
            found = crown(self.plan, where, rows=rows, progress=progress)
        except OutOfTime:
            return Outcome("unknown", -np.inf, "the time ran out", timed_out=True)
        except (Cancelled, KeyboardInterrupt):
            return Outcome("unknown", -np.inf, "it was interrupted", interrupted=True)
        assert found.margins is not None
        size = found.output.magnitude.reshape(1, -1)
        lower = np.nextafter(found.margins - self.rows.slack(size), -np.inf)
        sure = bool(self.rows.refuted(lower).all())
        reason = "" if sure else "one CROWN bound of the whole region is not tight enough"
        return Outcome("verified" if sure else "unknown", float(self.rows.margin(lower)[0]), reason, 1, 1)


def _alike(block: Block, root: Block) -> bool:
    """Whether a block's arrays have the shapes of the root's, the number of parts apart."""
    one, two = block.boxes, root.boxes
    if isinstance(one, Ranges) or isinstance(two, Ranges):
        same = isinstance(one, Ranges) and isinstance(two, Ranges)
    elif isinstance(one, Signs) or isinstance(two, Signs):
        same = isinstance(one, Signs) and isinstance(two, Signs) and one.signs.shape[1] == two.signs.shape[1]
    else:
        pairs = zip((one.lower, one.upper, *one.lows), (two.lower, two.upper, *two.lows), strict=False)
        same = len(one.lows) == len(two.lows) and all(a.shape[1] == b.shape[1] for a, b in pairs)
    return same and block.alive.shape[1] == root.alive.shape[1]
