"""LP and MILP: exact bounds of small relu networks, through HiGHS, and sound whatever HiGHS says.

The linear program over the triangles of all open neurons is the best that any choice of slopes can reach (Salman et
al. 2019, arXiv:1902.08722); with the neurons' signs as integers the least value itself.  HiGHS computes in floats
with tolerances, so that its optimum is no bound.  Its *dual* is one, made good: the multipliers of the two lines
below a neuron say which slope between them is best, those of decided signs are beta, and `reducedalpha` evaluates
these choices with every rounding charged (weak duality: any multipliers give a bound).  The MILP is solved by
branching on signs, every leaf bounded in this way: so it is as sound as any other bound here, and HiGHS is not
trusted at all.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping
from dataclasses import replace
from time import perf_counter
from typing import Any

import numpy as np

from workbench.graph import Array, GraphError
from workbench.methods.alphacrown import alpha_crown
from workbench.methods.bounds import Bounds
from workbench.methods.progress import Progress
from workbench.methods.reduced import Reduced, Side, reduce
from workbench.methods.reducedalpha import chords, optimise
from workbench.methods.reducedroot import before, written
from workbench.methods.scene import Scene, kinks_of, parts_of, scene_of
from workbench.methods.zonotope import stacked
from workbench.region import Region
from workbench.semantics.affine import Relaxation
from workbench.semantics.interval import Interval, propagate
from workbench.semantics.plan import Plan

LP_NEURONS, MILP_NEURONS = 1000, 60  # open neurons up to which a network is small
CLOSE = 1e-7  # how near to the least value a MILP's bound comes, relative to it and to 1
PARTS = 4000  # parts of one MILP after which its bound is left as it is

Least = Callable[[Reduced, Side, int], float]


def by_programs(
    plan: Plan,
    regions: Mapping[str, Region],
    *,
    exact: bool,
    rows: Array | None = None,
    progress: Progress | None = None,
) -> Bounds:
    """Bounds of every node by linear programs ("lp"), or by mixed-integer ones ("milp").

    Parameters
    ----------
    plan, regions : the network and where its input lies (of a ball in another norm than l_inf, its box; alpha-CROWN's
        bounds over the ball itself hold as well).
    exact : whether signs are integers: the bounds then come within `CLOSE` of the least and largest values.
    rows : coefficients ``(R, *shape)`` of the first output, whose lower bounds are wanted.

    Raises
    ------
    GraphError
        Without the optional package `highspy`, or for a network that is not small, or that is not affine but for kinks.
    """
    start = perf_counter()
    _solver()
    name = "milp" if exact else "lp"
    if not kinks_of(plan):
        raise GraphError(
            f"{name} is for networks of relus and their kin, and this one has none: choose crown"
        )
    base = alpha_crown(plan, regions, rows=rows)
    (region,) = regions.values()
    output = plan.graph[plan.graph.outputs[0]]
    n = output.size
    both = np.concatenate([np.eye(n), -np.eye(n)]).reshape(2 * n, *output.shape)
    every = both if rows is None else np.concatenate([both, np.asarray(rows, np.float64)])
    found: list[Mapping[str, Interval]] = []
    margins = []
    for k in range(region.batch):
        part = parts_of(region, np.array([k]))
        held = {key: v if len(v.lo) == 1 else v[k : k + 1] for key, v in base.items()}
        scene = scene_of(plan, part, held)
        net = reduce(scene, every)
        _check(scene, net, name, MILP_NEURONS if exact else LP_NEURONS)
        net = _tightened(net, least_exactly if exact else least_linear, progress)
        held = written(net, held)
        least = [(least_exactly if exact else least_linear)(net, net.rows, row) for row in range(len(every))]
        lower = np.array(least)
        ends = Interval(lower[:n].reshape(1, *output.shape), -lower[n : 2 * n].reshape(1, *output.shape))
        held[output.name] = held[output.name].intersect(ends)
        found.append(propagate(plan, {plan.graph.inputs[0]: Interval(part.lower, part.upper)}, held))
        margins.append(lower[2 * n :])
    whole = {key: stacked([f[key] for f in found]) for key in found[0]}
    held_margins = None
    if base.margins is not None:
        held_margins = np.fmax(base.margins, np.stack(margins))
    seconds = perf_counter() - start
    return Bounds(whole, name, dict(regions), seconds, plan.graph.outputs, base.forms, held_margins)


def _check(scene: Scene, net: Reduced, name: str, most: int) -> None:
    kinks = {k.name for k in kinks_of(scene.plan)}
    curved = [n for n, form in scene.forms.items() if isinstance(form, Relaxation) and n not in kinks]
    if curved or not net.pure:
        raise GraphError(
            f"{name} is for networks that are affine but for relus and their kin: choose alpha-crown"
        )
    if net.count > most:
        raise GraphError(
            f"{name} is for small networks: {net.count:,} neurons are open over this region, more than {most}"
        )


def _solver() -> Any:
    try:
        import highspy
    except ImportError:
        raise GraphError(
            "linear programs need the optional package highspy: pip install 'nnworkbench[lp]'"
        ) from None
    return highspy


def _tightened(net: Reduced, least: Least, progress: Progress | None) -> Reduced:
    """Every open neuron's own bounds, node by node: later ones gain from earlier ones."""
    for k, block in enumerate(net.blocks):
        at = np.arange(block.at.start, block.at.stop)
        small, side = before(net, k), net.neurons(at)
        side = replace(side, inner=side.inner[:, : small.count])
        low, high = net.low.copy(), net.high.copy()
        for j, i in enumerate(at.tolist()):
            if progress is not None:
                progress((k + j / at.size) / len(net.blocks), block.kink.operand)
            if not small.count or not (low[i] < 0 < high[i]):
                continue
            low[i] = max(low[i], least(small, side, j))
            high[i] = min(high[i], -least(small, side, at.size + j))
        net = replace(net, low=low, high=high)
    return net


def least_linear(net: Reduced, side: Side, row: int) -> float:
    """The least value of one row over the linear relaxation, from below."""
    return _node(net, side, row, np.zeros(net.count, np.int8))[0]


def least_exactly(net: Reduced, side: Side, row: int) -> float:
    """The least value of one row, from below: branching on signs, every leaf a linear program."""
    signs = np.zeros(net.count, np.int8)
    bound, point, x = _node(net, side, row, signs)
    best = _value(net, side, row, x)
    tree = [(bound, 0, signs, point)]
    done, number = np.inf, 0
    while tree:
        bound, _, signs, point = heapq.heappop(tree)
        near = best - CLOSE * max(1.0, abs(best))
        split = -1 if bound >= near else _worst(net, signs, point)
        if split < 0 or number >= PARTS:  # near enough, or nothing is left to split
            done = min(done, bound)
            if bound >= near or number >= PARTS:
                break  # the parts that are left have higher bounds still
            continue
        for sign in (-1, 1):
            number += 1
            child = signs.copy()
            child[split] = sign
            least, at, x = _node(net, side, row, child)
            if x is not None:
                best = min(best, _value(net, side, row, x))
            heapq.heappush(tree, (max(least, bound), number, child, at))
    return float(min([done, *(t[0] for t in tree)]))


def _worst(net: Reduced, signs: Array, point: tuple[Array, Array] | None) -> int:
    """The open neuron whose relaxation is furthest from its function at the program's solution; -1 for none."""
    open_ = (signs == 0) & (net.low < 0) & (net.high > 0)
    if not open_.any():
        return -1
    gap = np.minimum(-net.low, net.high)
    if point is not None:
        z, a = point
        gap = np.abs(a - np.maximum(net.left * z, net.right * z)) + 1e-12 * gap
    return int(np.where(open_, gap, -1.0).argmax())


def _value(net: Reduced, side: Side, row: int, x: Array | None) -> float:
    """The row's value at an input, in floats: no bound, only what to aim at."""
    if x is None:
        return np.inf
    a = np.zeros(net.count)
    for block in net.blocks:
        at = block.at
        z = net.below.inner[at] @ a + net.below.outer[at] @ x + net.below.bias[at]
        a[at] = np.maximum(net.left[at] * z, net.right[at] * z)
    return float(side.inner[row] @ a + side.outer[row] @ x + side.bias[row])


def _node(
    net: Reduced, side: Side, row: int, signs: Array
) -> tuple[float, tuple[Array, Array] | None, Array | None]:
    """One linear program: a bound that holds, the operands and values of the neurons, and the input."""
    over = chords(net, net.low[None], net.high[None], signs[None])
    program = _Program(net, side, row, over.above[0], over.through[0], over.sign[0])
    slopes, beta, x, a = program.solve()
    part, index = np.zeros(1, np.int64), np.array([row])
    bounds = [optimise(net, side, index, over, part, iterations=0).lower[0]]
    for scale in (1.0,) if x is not None else (1.0, 1e2, 1e4, 1e6):
        found = optimise(
            net, side, index, over, part, iterations=0, slopes=slopes[None], multipliers=scale * beta[None]
        )
        bounds.append(found.lower[0])
    point = None
    if x is not None and a is not None:
        point = net.below.inner @ a + net.below.outer @ x + net.below.bias, a
    return float(max(bounds)), point, x


class _Program:
    """``min inner . a + outer . x`` over the box of x and the triangles of all neurons, signs decided or not."""

    def __init__(
        self, net: Reduced, side: Side, row: int, above: Array, through: Array, signs: Array
    ) -> None:
        self.net, self.signs = net, signs
        k, n = net.count, net.below.outer.shape[1]
        z = np.hstack([net.below.outer, net.below.inner])  # z = [outer, inner] . (x, a) + bias
        unit = np.hstack([np.zeros((k, n)), np.eye(k)])
        b, infinite = net.below.bias, np.full(k, np.inf)
        left, right = np.where(signs > 0, net.right, net.left), np.where(signs < 0, net.left, net.right)
        on = signs != 0
        self.matrix = np.vstack(
            [
                unit - left[:, None] * z,
                unit - right[:, None] * z,
                unit - above[:, None] * z,
                signs[:, None] * z,
            ]
        )
        self.row_low = np.concatenate([left * b, right * b, -infinite, np.where(on, -signs * b, -np.inf)])
        self.row_high = np.concatenate([infinite, infinite, above * b + through, infinite])
        self.cost = np.concatenate([side.outer[row], side.inner[row]])
        low, high = net.region.lower.reshape(-1), net.region.upper.reshape(-1)
        self.low, self.high = np.concatenate([low, -infinite]), np.concatenate([high, infinite])
        self.ends = left, right

    def solve(self) -> tuple[Array, Array, Array | None, Array | None]:
        """Slopes and multipliers that the dual says are best, and the solution (None where there is none)."""
        highs = _solver()
        model = highs.Highs()
        model.setOptionValue("output_flag", False)
        model.setOptionValue("presolve", "off")
        model.setOptionValue("threads", 1)
        model.setOptionValue("random_seed", 0)
        lp = highs.HighsLp()
        rows, columns = self.matrix.shape
        lp.num_col_, lp.num_row_ = columns, rows
        lp.col_cost_, lp.col_lower_, lp.col_upper_ = self.cost, self.low, self.high
        lp.row_lower_, lp.row_upper_ = self.row_low, self.row_high
        at, where = np.nonzero(self.matrix)
        lp.a_matrix_.format_ = highs.MatrixFormat.kRowwise
        lp.a_matrix_.start_ = np.searchsorted(at, np.arange(rows + 1)).astype(np.int32)
        lp.a_matrix_.index_ = where.astype(np.int32)
        lp.a_matrix_.value_ = self.matrix[at, where]
        model.passModel(lp)
        model.run()
        n = self.net.below.outer.shape[1]
        x = a = None
        if model.getModelStatus() == highs.HighsModelStatus.kOptimal:
            found = model.getSolution()
            dual, value = np.array(found.row_dual), np.array(found.col_value)
            x, a = np.clip(value[:n], self.low[:n], self.high[:n]), value[n:]
        else:  # most likely infeasible: a ray of the dual says why, and its multiples prove it
            dual = np.zeros(rows)
            _, has, ray = model.getDualRay()
            if has and np.size(ray) == rows:
                dual = np.array(ray)
        k = self.net.count
        one, two = np.maximum(dual[:k], 0.0), np.maximum(dual[k : 2 * k], 0.0)
        left, right = self.ends
        both = one + two
        middle = np.where(both > 0, (one * left + two * right) / np.where(both > 0, both, 1.0), np.nan)
        return middle, np.maximum(dual[3 * k :], 0.0), x, a
