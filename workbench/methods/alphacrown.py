"""alpha-CROWN of every neuron (Xu et al. 2021, arXiv:2011.13824), for networks that are dense chains.

CROWN first, on the whole graph; then the free slopes of the relus are optimised for every neuron whose sign is open and
for every output, a row at a time (`methods.alpha`); then intervals carry what is gained to the nodes between.  Each of
these bounds holds by itself and they are intersected, so that the result is never looser than CROWN.
"""

from __future__ import annotations

from collections.abc import Mapping
from time import perf_counter

import numpy as np

from workbench.graph import Array, GraphError
from workbench.methods.alpha import alpha_walk, optimise
from workbench.methods.bounds import Bounds
from workbench.methods.chain import Chain, chain_of
from workbench.methods.crown import crown
from workbench.methods.dense import ROWS, Boxes, Walk
from workbench.methods.ibp import boxes
from workbench.methods.progress import Progress
from workbench.region import Region
from workbench.semantics.interval import Interval, propagate
from workbench.semantics.plan import Plan

ITERATIONS = 20  # gradient steps for each neuron and each output, as auto_LiRPA's default


def alpha_crown(
    plan: Plan,
    regions: Mapping[str, Region],
    *,
    iterations: int = ITERATIONS,
    rows: Array | None = None,
    progress: Progress | None = None,
) -> Bounds:
    """Bounds of every node by alpha-CROWN; `forms` are CROWN's lines, because slopes differ from row to row.

    Parameters
    ----------
    plan : the network: affine maps and relus in turn.
    regions : input name -> region.  Of a ball in another norm than l_inf its box is searched for slopes; CROWN's bounds
        over the ball itself hold as well.
    iterations : gradient steps for each row.
    rows : coefficients ``(R, *shape)`` of the first output, whose lower bounds are wanted (`Bounds.margins`).
    progress : called with (fraction done, node name); may raise `Cancelled`.

    Raises
    ------
    GraphError
        A network that is not a dense chain: nothing else is called alpha-CROWN here.
    """
    start = perf_counter()
    chain = chain_of(plan)
    if chain is None:
        raise GraphError(
            "alpha-crown is for networks that are affine maps and relus in turn, one after another, with small "
            "matrices; this one is not: choose crown"
        )

    def part(first: float, last: float) -> Progress | None:
        if progress is None:
            return None
        told = progress
        return lambda share, name: told(first + (last - first) * share, name)

    base = crown(plan, regions, neurons="all", rows=rows, progress=part(0.0, 0.3))
    (region,) = regions.values()
    count = region.batch
    low, high = (e.reshape(count, -1) for e in (region.lower, region.upper))
    known = [_flat(base[layer.node], count) for layer in chain.layers[:-1]]
    start_from = Boxes(low, high, tuple(lo for lo, _ in known), tuple(hi for _, hi in known))
    walk = alpha_walk(chain, start_from, iterations, part(0.3, 0.9))
    n = chain.layers[-1].weight.shape[0]
    ends = _least(chain, walk, np.concatenate([np.eye(n), -np.eye(n)]), iterations, part(0.9, 0.95))
    found = [*zip(walk.lows, walk.highs, strict=True), (ends[:, :n], -ends[:, n:])]
    proved = dict(base.intervals)
    for layer, (lo, hi) in zip(chain.layers, found, strict=True):
        shape = (count, *plan.graph[layer.node].shape)
        proved[layer.node] = proved[layer.node].intersect(Interval(lo.reshape(shape), hi.reshape(shape)))
    whole = propagate(plan, boxes(plan, regions), proved)
    margins = base.margins
    if rows is not None and margins is not None:
        flat = np.asarray(rows, np.float64).reshape(len(rows), -1)
        margins = np.fmax(margins, _least(chain, walk, flat, iterations, part(0.95, 1.0)))
    seconds = perf_counter() - start
    return Bounds(whole, "alpha-crown", dict(regions), seconds, plan.graph.outputs, base.forms, margins)


def _flat(x: Interval, count: int) -> tuple[Array, Array]:
    """Both ends ``(B, n)``."""
    lo, hi = (np.broadcast_to(e, (count, *e.shape[1:])).reshape(count, -1) for e in (x.lo, x.hi))
    return lo, hi


def _least(chain: Chain, walk: Walk, rows: Array, iterations: int, progress: Progress | None) -> Array:
    """Lower bounds ``(B, R)`` of rows ``(R, outputs)`` over every box, slopes optimised."""
    count = len(walk.boxes)
    box, row = np.repeat(np.arange(count), len(rows)), np.tile(np.arange(len(rows)), count)
    found = np.empty(len(box))
    for first in range(0, len(box), ROWS):
        if progress is not None:
            progress(first / len(box), chain.layers[-1].node)
        some = slice(first, first + ROWS)
        with np.errstate(all="ignore"):
            begun = walk.start(rows, box[some], row[some])
            found[some] = optimise(walk, *begun, box[some], iterations=iterations).lower
    return found.reshape(count, len(rows))
