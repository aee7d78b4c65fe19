"""alpha-CROWN of every neuron (Xu et al. 2021, arXiv:2011.13824), for networks with relus and their kin.

CROWN first, on the whole graph; then the free slopes of the relus are optimised for every neuron whose sign is open and
for every output, a row at a time (dense chains: `methods.alpha`; other graphs: `methods.reducedalpha`); then intervals
carry what is gained to the nodes between.  Each of these bounds holds by itself and they are intersected, so that the
result is never looser than CROWN.
"""

from __future__ import annotations

from collections.abc import Mapping
from time import perf_counter

import numpy as np

from workbench.graph import Array, GraphError
from workbench.methods.alpha import alpha_walk, optimise
from workbench.methods.ascent import climb
from workbench.methods.bounds import Bounds
from workbench.methods.chain import Chain, chain_of
from workbench.methods.crown import crown
from workbench.methods.dense import ROWS, Boxes, Walk
from workbench.methods.ibp import boxes
from workbench.methods.progress import Progress
from workbench.methods.reducedroot import ground
from workbench.methods.scene import kinks_of, least, parts_of, scene_of
from workbench.methods.zonotope import stacked
from workbench.region import Region
from workbench.semantics.interval import Interval, propagate
from workbench.semantics.plan import Plan

ITERATIONS, STEP = (
    40,
    0.5,
)  # gradient steps for each neuron and each output of a chain, and the first one's length
GENERAL = 20  # gradient steps for other graphs


def alpha_crown(
    plan: Plan,
    regions: Mapping[str, Region],
    *,
    iterations: int | None = None,
    rows: Array | None = None,
    progress: Progress | None = None,
) -> Bounds:
    """Bounds of every node by alpha-CROWN; `forms` are CROWN's lines, because slopes differ from row to row.

    Parameters
    ----------
    plan : the network, of one input.
    regions : input name -> region.  Of a ball in another norm than l_inf its box is searched for slopes; CROWN's bounds
        over the ball itself hold as well.
    iterations : gradient steps for each row; by default `ITERATIONS` for dense chains and `GENERAL` for other graphs.
    rows : coefficients ``(R, *shape)`` of the first output, whose lower bounds are wanted (`Bounds.margins`).
    progress : called with (fraction done, node name); may raise `Cancelled`.

    Raises
    ------
    GraphError
        A network without a relu or its kin: there is no slope to choose.
    """
    start = perf_counter()
    chain = chain_of(plan)
    if iterations is None:
        iterations = GENERAL if chain is None else ITERATIONS
    if chain is None and not kinks_of(plan):
        raise GraphError(
            "alpha-crown chooses slopes of relus, and this network has no relu before its output: choose crown"
        )

    def part(first: float, last: float) -> Progress | None:
        if progress is None:
            return None
        told = progress
        return lambda share, name: told(first + (last - first) * share, name)

    base = crown(plan, regions, neurons="all", rows=rows, progress=part(0.0, 0.3))
    (region,) = regions.values()
    count = region.batch
    if chain is None:
        whole, margins = _general(plan, region, base, rows, iterations, part(0.3, 1.0))
        seconds = perf_counter() - start
        return Bounds(whole, "alpha-crown", dict(regions), seconds, plan.graph.outputs, base.forms, margins)
    low, high = (e.reshape(count, -1) for e in (region.lower, region.upper))
    known = [_flat(base[layer.node], count) for layer in chain.layers[:-1]]
    start_from = Boxes(low, high, tuple(lo for lo, _ in known), tuple(hi for _, hi in known))
    walk = alpha_walk(chain, start_from, iterations, part(0.3, 0.9), STEP)
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


def _general(
    plan: Plan,
    region: Region,
    base: Bounds,
    rows: Array | None,
    iterations: int,
    progress: Progress | None,
) -> tuple[dict[str, Interval], Array | None]:
    """Other graphs: each region's network is reduced to its open neurons, and their slopes optimised."""
    name, output = plan.graph.inputs[0], plan.graph[plan.graph.outputs[0]]
    n = output.size
    both = np.concatenate([np.eye(n), -np.eye(n)]).reshape(2 * n, *output.shape)
    asked = np.zeros((0, *output.shape)) if rows is None else np.asarray(rows, np.float64)
    every = np.concatenate([both, asked])
    found: list[Mapping[str, Interval]] = []
    margins = []
    for k in range(region.batch):
        part = parts_of(region, np.array([k]))
        held = {key: v if len(v.lo) == 1 else v[k : k + 1] for key, v in base.items()}
        lower = _tight(plan, part, every, held, iterations, progress)
        ends = Interval(lower[:n].reshape(1, *output.shape), -lower[n : 2 * n].reshape(1, *output.shape))
        held[output.name] = held[output.name].intersect(ends)
        found.append(propagate(plan, {name: Interval(part.lower, part.upper)}, held))
        margins.append(lower[2 * n :])
    whole = {key: stacked([f[key] for f in found]) for key in found[0]}
    if rows is None or base.margins is None:
        return whole, None
    return whole, np.fmax(base.margins, np.stack(margins))


def _tight(
    plan: Plan,
    region: Region,
    rows: Array,
    held: dict[str, Interval],
    iterations: int,
    progress: Progress | None,
) -> Array:
    """Lower bounds of rows over one region; the neurons' bounds that are gained on the way are put into `held`."""
    try:
        base = ground(
            plan, region, rows, iterations=iterations, last=iterations, bounds=held, progress=progress
        )
    except GraphError:  # too many open neurons for their matrices: only the rows' own slopes
        scene = scene_of(plan, region, held)
        choice = climb(scene, plan.graph.outputs[0], rows, iterations=iterations).choice
        return least(scene, plan.graph.outputs[0], rows, choice)
    held.update(base.bounds)
    return base.lower


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
            found[some] = optimise(walk, *begun, box[some], iterations=iterations, step=STEP).lower
    return found.reshape(count, len(rows))
