"""Attacks: search for an input whose outputs are unsafe.

Projected gradient descent with restarts (Madry et al. 2018, arXiv:1706.06083), batched, on our own gradients, from the
most promising of many starts: the centre, corners of the box and random points.  What is minimised at an input is
``min over alternatives of max over their constraints of (c . y - d)``, at most 0 where the outputs are unsafe; every
start is assigned one alternative, so that all of them are tried.  Nothing found here is believed before it is replayed
(`methods.replay`).
"""

from __future__ import annotations

from collections.abc import Iterator
from time import monotonic

import numpy as np

from workbench.floats.program import Semantics
from workbench.graph import Array
from workbench.methods.replay import OWN, Box, Counterexample, label, replay
from workbench.op import UnsupportedOperator
from workbench.region import Region
from workbench.semantics import real
from workbench.semantics.gradient import vjp
from workbench.semantics.plan import Plan
from workbench.spec import Disjunction, Ends, Rows

STARTS, BATCH, STEPS, ROUNDS = 512, 32, 40, 3
DEEPEN = 12  # further steps from a first hit, so that no order of summation decides it
MEMORY = 1 << 25  # bytes of values that one batch may take
REPLAYS = 24  # candidates of one round that are replayed


def search(
    plan: Plan,
    region: Region,
    spec: Disjunction,
    *,
    seed: int = 0,
    timeout: float | None = None,
    semantics: str | Semantics = "real",
    ends: Ends | None = None,
    rounds: int = ROUNDS,
) -> Counterexample | None:
    """An input of the region whose outputs are unsafe in the semantics, or None where none was found.

    Parameters
    ----------
    plan : the network, with one input.
    region : one region, of the input's shape.
    spec : unsafe outputs, over the first output flattened.
    seed : of the random starts: the same seed finds the same counterexample, unless time runs out.
    timeout : seconds after which to stop; None for no limit.
    semantics : "real"; "onnx" (the network's own float program); a number format's name; or a `Semantics`.
    ends : the region's exact ends where `region` was rounded outward (`spec.Case.ends`).
    rounds : how often to start anew.

    Returns
    -------
    A counterexample that was replayed, and holds in `semantics`; it says in which else it does.
    """
    deadline = None if timeout is None else monotonic() + timeout
    hunt = _Hunt(plan, region, spec, semantics, ends, deadline)
    if not spec:
        return None
    rng = np.random.default_rng(seed)
    for number in range(max(1, rounds)):
        found = hunt.round(rng, number)
        if found is not None or hunt.late():
            return found
    return None


class _Hunt:
    """One search: the network, what is unsafe, and when to stop."""

    def __init__(
        self,
        plan: Plan,
        region: Region,
        spec: Disjunction,
        semantics: str | Semantics,
        ends: Ends | None,
        deadline: float | None,
    ) -> None:
        self.plan, self.region, self.spec = plan, region, spec
        self.semantics, self.deadline = semantics, deadline
        self.name, self.output = plan.graph.inputs[0], plan.graph.outputs[0]
        self.box = Box(region, ends, plan.graph[self.name].dtype)
        self.rows = Rows(spec, plan.graph[self.output].size)
        self.low, self.high = (
            e.astype(np.float64).reshape(region.shape) for e in (self.box.low, self.box.high)
        )
        self.radius = 0.5 * self.high - 0.5 * self.low
        widest = max([n.size for n in plan.graph.nodes])
        total = sum(n.size for n in plan.graph.nodes)
        self.batch = int(np.clip(MEMORY // (8 * max(total, 4 * widest)), 4, BATCH))
        self.steep = True  # whether every operator has a gradient

    def late(self) -> bool:
        return self.deadline is not None and monotonic() >= self.deadline

    def excess(self, x: Array) -> Array:
        """``(B, A)``: for every alternative the largest of its ``c . y - d``."""
        values = real.run(self.plan, {self.name: x}, np.float64)[self.output]
        return self._excess(np.broadcast_to(values.reshape(len(values), -1), (len(x), self.rows.size)))

    def _excess(self, y: Array) -> Array:
        with np.errstate(all="ignore"):
            over = y @ self.rows.matrix.T - self.rows.threshold
        over = np.where(np.isnan(over), np.inf, over)
        parts = [over[:, g].max(axis=1) if g.size else np.full(len(y), -np.inf) for g in self.rows.groups]
        return np.stack(parts, axis=1)

    def round(self, rng: np.random.Generator, number: int) -> Counterexample | None:
        """Starts, the best of them descended; candidates replayed as they come."""
        starts, scores = [], []
        for x in self._starts(rng, number):
            starts.append(x)
            scores.append(self.excess(x))
            if self.late():
                break
        x, score = np.concatenate(starts), np.concatenate(scores)
        found = self._replayed(x, score.min(axis=1))
        if found is not None or self.late():
            return found
        x, goal = self._chosen(x, score, rng)
        return self._descend(x, goal, deepen=0)

    def _starts(self, rng: np.random.Generator, number: int) -> Iterator[Array]:
        shape = self.region.shape
        size = int(np.prod(shape))
        count = min(STARTS, 16 * self.batch)
        t = rng.random((count, *shape))
        corners = count // 2
        t[:corners] = np.round(t[:corners])
        if number == 0:
            t[corners] = 0.5
            if size <= 8:  # every corner
                every = (np.arange(2**size)[:, None] >> np.arange(size)) & 1
                t = np.concatenate([t[corners:], every.reshape(-1, *shape)])
        x = self._inside(self.low + (self.high - self.low) * t)
        for first in range(0, len(x), 4 * self.batch):
            yield x[first : first + 4 * self.batch]

    def _inside(self, x: Array) -> Array:
        """x moved into the region."""
        region = self.region
        x = np.clip(x, self.low, self.high)
        if region.is_box or region.center is None or region.eps is None:
            return x
        step = (x - region.center[0]).reshape(len(x), -1)
        size = np.linalg.norm(step, ord=int(region.norm), axis=1, keepdims=True)
        step = step * np.minimum(1.0, region.eps * (1 - 1e-6) / np.maximum(size, 1e-300))
        return np.clip(region.center[0] + step.reshape(x.shape), self.low, self.high)

    def _chosen(self, x: Array, score: Array, rng: np.random.Generator) -> tuple[Array, Array]:
        """The starts to descend and the alternative that each is to reach: first the best, then one each in turn."""
        alternatives = score.shape[1]
        best = np.argsort(score.min(axis=1), kind="stable")[: self.batch // 2]
        picks = [(int(i), int(score[i].argmin())) for i in best]
        order = (
            np.argsort(score.min(axis=0), kind="stable")
            if alternatives <= BATCH
            else rng.permutation(alternatives)
        )
        for k in range(self.batch - len(picks)):
            a = int(order[k % alternatives])
            rank = np.argsort(score[:, a], kind="stable")
            picks.append((int(rank[min(k // alternatives, len(rank) - 1)]), a))
        index, goal = (np.array(v) for v in zip(*picks, strict=True))
        return x[index], goal

    def _descend(self, x: Array, goal: Array, *, deepen: int) -> Counterexample | None:
        """Sign-gradient steps with momentum, each start towards its own alternative."""
        moved: Array = np.zeros(x.shape)
        axes = tuple(range(1, x.ndim))
        steps = deepen or STEPS
        best_x, best = x, np.full(len(x), np.inf)
        for k in range(steps + 1):
            score, grad = self._slope(x, goal)
            here = score.min(axis=1)
            better = here < best
            best_x = np.where(better.reshape(-1, *(1,) * (x.ndim - 1)), x, best_x)
            best = np.minimum(best, here)
            if not deepen and (here <= 0).any():
                found = self._hit(x, score, here)
                if found is not None:
                    return found
            if k == steps or self.late() or grad is None:
                break
            size = np.abs(grad).mean(axis=axes, keepdims=True)
            moved = 0.75 * moved + grad / np.maximum(size, 1e-300)
            rate = (0.1 if deepen else 0.5) * (1 - k / steps) ** 2 + 0.01
            x = self._inside(x - rate * self.radius * np.sign(moved))
        return self._replayed(best_x, best)

    def _hit(self, x: Array, score: Array, here: Array) -> Counterexample | None:
        """A first hit: go on from there for some steps, then take the deepest that can be replayed."""
        at = np.argsort(here, kind="stable")[: max(1, min(8, int((here <= 0).sum())))]
        found = self._descend(x[at], score[at].argmin(axis=1), deepen=DEEPEN)
        return found if found is not None else self._replayed(x, here)

    def _slope(self, x: Array, goal: Array) -> tuple[Array, Array | None]:
        """Excess of every alternative, and the gradient of each start's own (of its largest constraint)."""
        if not self.steep:
            return self.excess(x), None
        node = self.plan.graph[self.output]
        values = real.run(self.plan, {self.name: x}, np.float64)[self.output]
        y = np.broadcast_to(values.reshape(len(values), -1), (len(x), self.rows.size))
        with np.errstate(all="ignore"):
            over = y @ self.rows.matrix.T - self.rows.threshold
        seeds = np.zeros((len(x), self.rows.size))
        for b, a in enumerate(goal.tolist()):
            group = self.rows.groups[a]
            if group.size:
                seeds[b] = self.rows.matrix[group[int(np.nan_to_num(over[b, group], nan=-np.inf).argmax())]]
        try:
            _, grads = vjp(self.plan, {self.name: x}, {self.output: seeds.reshape(len(x), *node.shape)})
        except UnsupportedOperator:
            self.steep = False
            return self._excess(y), None
        grad = grads.get(self.name)
        if grad is None:
            return self._excess(y), None
        return self._excess(y), np.nan_to_num(np.broadcast_to(grad, x.shape), posinf=0.0, neginf=0.0)

    def _replayed(self, x: Array, score: Array) -> Counterexample | None:
        """The first of the best candidates that is a counterexample in the semantics asked for."""
        program = OWN if self.semantics == "real" else self.semantics
        # rounding can hide a hit at a border: what is a little above 0 is tried too
        near = score <= 1e-6 * (1 + np.abs(self.rows.threshold).max(initial=0.0))
        order = [i for i in np.argsort(score, kind="stable") if near[i]][:REPLAYS]
        for i in order:
            found = replay(self.plan, self.region, self.spec, x[i], program=program, box=self.box)
            if found is not None and label(self.semantics) in found.holds:
                return found
            if self.late():
                break
        return None
