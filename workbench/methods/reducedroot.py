"""The root of a search over signs: a network reduced over the whole region, its neurons' bounds tightened.

CROWN on the whole graph first; then what is left is small enough that the slopes of every open neuron's own bounds can
be optimised (alpha-CROWN of all layers: Xu et al. 2021, arXiv:2011.13824), node by node, so that later ones gain from
earlier ones.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from workbench.graph import Array
from workbench.methods.crown import crown
from workbench.methods.progress import Progress
from workbench.methods.reduced import Reduced, Side, reduce
from workbench.methods.reducedalpha import chords, optimise
from workbench.methods.scene import scene_of
from workbench.region import Region
from workbench.semantics.interval import Interval
from workbench.semantics.plan import Plan

ROWS = 256  # rows that are carried together
CLOSED = 0.1  # share of the open neurons that tightening must close for the network to be reduced again


@dataclass(frozen=True, slots=True, eq=False)
class Ground:
    """What a search stands on.

    Parameters
    ----------
    net : reduced over the whole region, with tightened bounds.
    bounds : of all nodes, by CROWN and by the tightening.
    slopes : ``(R, K)``: the best of each row.
    lower : ``(R,)``: lower bounds of the rows over the whole region.
    """

    net: Reduced
    bounds: Mapping[str, Interval]
    slopes: Array
    lower: Array


def ground(
    plan: Plan,
    region: Region,
    rows: Array,
    *,
    iterations: int,
    last: int,
    progress: Progress | None = None,
    bounds: Mapping[str, Interval] | None = None,
    late: Callable[[], bool] | None = None,
) -> Ground:
    """Reduce a network over a region, and bound rows ``(R, *shape)`` of its first output.

    Parameters
    ----------
    iterations, last : gradient steps for the neurons, and for the rows.
    bounds : proved ones, where there are some; else CROWN's.
    late : asked before more is tightened: whether to leave it at what there is.

    Raises
    ------
    GraphError
        Too many open neurons (`reduced.LARGEST`).
    """
    if bounds is None:
        bounds = crown(plan, {plan.graph.inputs[0]: region}, progress=progress).intervals
    net = reduce(scene_of(plan, region, bounds), rows, progress)
    if net.count and iterations and not (late is not None and late()):
        before = int(((net.low < 0) & (net.high > 0)).sum())
        net = tighten(net, iterations, progress, late)
        closed = before - int(((net.low < 0) & (net.high > 0)).sum())
        bounds = written(net, bounds)
        if closed > CLOSED * before:
            net = reduce(scene_of(plan, region, bounds), rows, progress)
    count = len(rows)
    over, part = chords(net, net.low[None], net.high[None]), np.zeros(count, np.int64)

    def pulse() -> bool:
        if progress is not None:
            progress(1.0, plan.graph.outputs[0])
        return False

    found = optimise(net, net.rows, np.arange(count), over, part, iterations=last, late=pulse)
    return Ground(net, bounds, found.slopes, found.lower)


def tighten(
    net: Reduced,
    iterations: int,
    progress: Progress | None = None,
    late: Callable[[], bool] | None = None,
) -> Reduced:
    """Better bounds of open neurons, node by node."""
    for k, block in enumerate(net.blocks):
        if k == 0 and not net.below.inner[block.at].any():
            continue  # reads nothing but inputs: CROWN's bound is as good as any
        if late is not None and late():
            break
        at = np.arange(block.at.start, block.at.stop)
        at = at[(net.low[at] < 0) & (net.high[at] > 0)]
        small = before(net, k)
        over = chords(small, small.low[None], small.high[None])
        whole = net.neurons(at)
        side = Side(whole.outer, whole.inner[:, : small.count], whole.bias, whole.debt, whole.size)
        least = np.empty(2 * at.size)
        for first in range(0, 2 * at.size, ROWS):
            if progress is not None:
                progress((k + first / (2 * at.size)) / len(net.blocks), block.kink.operand)
            row = np.arange(first, min(first + ROWS, 2 * at.size))
            part = np.zeros(row.size, np.int64)
            # a neuron whose sign is proved needs no better bound
            least[row] = optimise(small, side, row, over, part, iterations=iterations, enough=0.0).lower
        low, high = net.low.copy(), net.high.copy()
        low[at] = np.maximum(low[at], least[: at.size])
        high[at] = np.minimum(high[at], -least[at.size :])
        net = replace(net, low=low, high=high)
    return net


def before(net: Reduced, k: int) -> Reduced:
    """The network up to its k-th block."""
    n = net.blocks[k].at.start

    def cut(side: Side) -> Side:
        return Side(side.outer[:n], side.inner[:n, :n], side.bias[:n], side.debt[:n], side.size[:n])

    below = cut(net.below)
    above = below if net.pure else cut(net.above)
    low, high, left, right = (v[:n] for v in (net.low, net.high, net.left, net.right))
    return Reduced(
        net.plan, net.region, net.blocks[:k], net.numbers[:n], below, above, net.rows, low, high, left, right
    )


def written(net: Reduced, bounds: Mapping[str, Interval]) -> dict[str, Interval]:
    """All nodes' bounds, with the open neurons' as the reduced network has them."""
    found = dict(bounds)
    for block in net.blocks:
        held = found[block.kink.operand]
        lo, hi = held.lo.copy(), held.hi.copy()
        lo.reshape(-1)[block.index] = np.maximum(lo.reshape(-1)[block.index], net.low[block.at])
        hi.reshape(-1)[block.index] = np.minimum(hi.reshape(-1)[block.index], net.high[block.at])
        found[block.kink.operand] = Interval(lo, hi, held.simplex)
    return found
