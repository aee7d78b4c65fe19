"""Suspects: inputs that look unsafe in floats, replayed before anything is said about them."""

from __future__ import annotations

import numpy as np

from workbench.graph import Array
from workbench.methods.replay import replay
from workbench.region import Region
from workbench.semantics.plan import Plan
from workbench.spec import Disjunction, Rows

REPLAYS = 64  # suspects that are replayed in one search
AT_ONCE = 4


class Suspects:
    """Counts replays, so that a search whose suspects all fail does not spend its time on them."""

    def __init__(self, plan: Plan, region: Region, spec: Disjunction, rows: Rows) -> None:
        self.plan, self.region, self.spec, self.rows = plan, region, spec, rows
        self.left = REPLAYS

    def excess(self, over: Array) -> Array:
        """``(N,)``: at most 0 where some alternative's rows all hold."""
        worst = [over[:, g].max(axis=1) if g.size else np.full(len(over), -np.inf) for g in self.rows.groups]
        return np.asarray(np.min(worst, axis=0))

    def confirmed(self, points: Array) -> Array | None:
        """The first of some points ``(N, inputs)`` that is unsafe in real arithmetic, whatever floats say of it."""
        for x in points:
            point = np.asarray(x.reshape(self.region.shape))
            found = replay(self.plan, self.region, self.spec, point)
            if found is not None and "real" in found.holds:
                return point
        return None

    def unsafe(self, points: Array, over: Array) -> Array | None:
        """A point that is unsafe in real arithmetic, of `points` ``(N, inputs)`` with excesses `over` ``(N, R)``."""
        if not len(points) or not self.left:
            return None
        excess = self.excess(over)
        hits = np.flatnonzero(excess <= 0)
        for k in hits[np.argsort(excess[hits], kind="stable")][:AT_ONCE].tolist():
            self.left = max(0, self.left - 1)
            found = self.confirmed(points[k : k + 1])
            if found is not None:
                return found
        return None
