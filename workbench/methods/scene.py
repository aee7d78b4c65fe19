"""Scenes: a network over one region, with what is known there, ready for rows to be bounded.

Every row may be about a part of the region, where signs of some neurons were decided.  `least` is the sound evaluator
of everything that chooses slopes and multipliers (`methods.ascent`): whatever was chosen, its bounds hold.

Why (Xu et al. 2021, arXiv:2011.13824; Wang et al. 2021, arXiv:2103.06624).  Below a node of two straight pieces that
is convex, ``f(z) = max(a z, b z)`` with a <= b, every line ``s z`` with a <= s <= b holds.  Where the sign of z is
decided, f is one of its pieces, and for beta >= 0 a row ``L . y - beta sign z`` is nowhere above ``L . y`` on the
part, so that its least value is a lower bound there.  Both are handed to the backward walk of `semantics.backward` as
lines and as coefficients like any others, and it charges for its own rounding.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from workbench.graph import Array
from workbench.methods.crown import lower_ends
from workbench.ops.relu import pieces
from workbench.region import Region
from workbench.semantics.affine import Linear, Lines, Relaxation, describe
from workbench.semantics.backward import Prepared, backward, prepare
from workbench.semantics.interval import Interval
from workbench.semantics.plan import Plan

KINKED = ("Relu", "LeakyRelu", "Abs")


@dataclass(frozen=True, slots=True)
class Kink:
    """A node of two straight pieces that meet at 0, convex.

    Parameters
    ----------
    name, operand : of the node, and of what it reads.
    left, right : slopes below and above 0, left <= right.
    first, size : its neurons are numbers first, ..., first + size - 1 of all neurons that can be split.
    """

    name: str
    operand: str
    left: float
    right: float
    first: int
    size: int


def kinks_of(plan: Plan) -> tuple[Kink, ...]:
    """The nodes whose neurons' signs can be decided, in the order of the graph (kept with the plan)."""
    if "kinks" not in plan.memo:
        found: list[Kink] = []
        first = 0
        wanted = plan.upstream(plan.graph.outputs[0])
        for step in plan.steps:
            name, operand = step.node.name, step.operands[0] if step.operands else None
            if step.node.op not in KINKED or name not in wanted or operand not in plan.live:
                continue
            left, right = pieces(step.call)
            if left <= right:
                found.append(Kink(name, str(operand), left, right, first, step.node.size))
                first += step.node.size
        plan.memo["kinks"] = tuple(found)
    kinks: tuple[Kink, ...] = plan.memo["kinks"]
    return kinks


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """What is known of a network over one region.

    Parameters
    ----------
    plan : the network, of one input.
    region : one box or ball, in the input's shape.
    bounds : by node, proved there.
    forms, prepared : lines over these bounds, and what they cost, by node upstream of the first output.
    """

    plan: Plan
    region: Region
    bounds: Mapping[str, Interval]
    forms: Mapping[str, Linear | Relaxation]
    prepared: Mapping[str, Prepared]


def scene_of(plan: Plan, region: Region, bounds: Mapping[str, Interval], target: str | None = None) -> Scene:
    """Lines of every node upstream of `target` (by default of the first output) over proved bounds."""
    wanted = plan.upstream(target or plan.graph.outputs[0])
    forms: dict[str, Linear | Relaxation] = {}
    prepared: dict[str, Prepared] = {}
    with np.errstate(all="ignore"):
        for step in plan.steps:
            name = step.node.name
            if name in wanted and name in plan.live:
                forms[name] = describe(plan, step, bounds)
                prepared[name] = prepare(plan, step, forms[name], bounds)
    return Scene(plan, region, bounds, forms, prepared)


@dataclass(frozen=True, slots=True, eq=False)
class Open:
    """The neurons of one node that are open: what slopes are chosen for.

    Parameters
    ----------
    kink : the node.
    index : ``(K,)`` flat indices inside the node.
    open : ``(1, K)``: where the sign is open.
    below : ``(1, K)``: slopes of the lines below that the operator's own rule chooses.
    above, through : ``(1, K)``: slopes and offsets of the lines above.
    """

    kink: Kink
    index: Array
    open: Array
    below: Array
    above: Array
    through: Array


def open_neurons(scene: Scene, target: str | None = None) -> tuple[Open, ...]:
    """By node upstream of the target, the neurons that need choices."""
    wanted = scene.plan.upstream(target or scene.plan.graph.outputs[0])
    found = []
    for kink in kinks_of(scene.plan):
        if kink.name not in wanted or kink.name == target:
            continue
        form = scene.forms[kink.name]
        assert isinstance(form, Relaxation)
        z = scene.bounds[kink.operand]
        undecided = ((z.lo < 0) & (z.hi > 0)).reshape(len(z.lo), -1)
        index = np.flatnonzero(undecided.any(axis=0))
        below, above, through = (
            np.broadcast_to(v, (len(v), *scene.plan.graph[kink.name].shape)).reshape(len(v), -1)[:, index]
            for v in (form.lower.slopes[0], form.upper.slopes[0], form.upper.offset)
            if v is not None
        )
        found.append(Open(kink, index, undecided[:, index], below, above, through))
    return tuple(found)


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """Slopes and multipliers of N rows; nothing here needs to be true.

    Parameters
    ----------
    slopes : by node ``(N, K)``, K as in `Open`.
    multipliers : by node ``(N, K)``, not negative; empty where no sign is decided.
    """

    slopes: Mapping[str, Array]
    multipliers: Mapping[str, Array]


def least(
    scene: Scene,
    target: str,
    rows: Array,
    choice: Choice,
    signs: Array | None = None,
) -> Array:
    """Lower bounds ``(N,)`` of rows of `target` over their parts, with slopes and multipliers that somebody chose.

    Parameters
    ----------
    rows : ``(N, *shape)``.
    signs : ``(N, neurons)``: +1 or -1 where a neuron's sign is decided (numbered as in `Kink`), else 0.
    """
    plan, bounds, prepared = scene.plan, scene.bounds, dict(scene.prepared)
    extra: dict[str, Array] = {}
    with np.errstate(all="ignore"):
        for one in open_neurons(scene, target):
            form, beta = _lines(scene, one, len(rows), choice, signs)
            step = plan.by_name[one.kink.name]
            prepared[one.kink.name] = prepare(plan, step, form, bounds)
            if beta is not None:
                whole = np.zeros((len(rows), one.kink.size))
                whole[:, one.index] = beta
                whole = whole.reshape(len(rows), 1, *step.node.shape)
                held = extra.get(one.kink.operand)
                extra[one.kink.operand] = whole if held is None else held + whole
        found = backward(plan, target, rows[:, None], prepared, bounds, extra)
    where = {plan.graph.inputs[0]: parts_of(scene.region, np.zeros(len(rows), np.int64))}
    return np.asarray(lower_ends(found, where)[:, 0])


def _lines(
    scene: Scene, one: Open, n: int, choice: Choice, signs: Array | None
) -> tuple[Relaxation, Array | None]:
    """The lines of one node for every row, and minus its multipliers times the signs ``(N, K)``."""
    kink, shape = one.kink, scene.plan.graph[one.kink.name].shape
    form = scene.forms[kink.name]
    assert isinstance(form, Relaxation)
    low, high = form.lower.slopes[0], form.upper.slopes[0]
    assert low is not None
    assert high is not None
    every = np.zeros(n, np.int64)
    below, above, through, offset = (
        np.array(pick(np.broadcast_to(v, (len(v), *shape)).reshape(len(v), -1), every, n))
        for v in (low, high, form.upper.offset, form.lower.offset)
    )
    open_ = pick(one.open, every, n)
    slopes = np.clip(choice.slopes[kink.name], kink.left, kink.right)
    mine = below[:, one.index]
    usable = open_ & np.isfinite(slopes) & (offset[:, one.index] == 0)
    below[:, one.index] = np.where(usable, slopes, mine)
    beta = None
    if signs is not None:
        sign = np.where(open_, signs[:, kink.first + one.index], 0)
        piece = np.where(sign > 0, kink.right, kink.left)
        for v, value in ((below, piece), (above, piece), (through, 0.0), (offset, 0.0)):
            v[:, one.index] = np.where(sign != 0, value, v[:, one.index])
        given = choice.multipliers.get(kink.name)
        if given is not None:
            beta = -np.where(np.isfinite(given) & (sign != 0), np.maximum(given, 0.0), 0.0) * sign
    full = [v.reshape(n, *shape) for v in (below, above, through, offset)]
    return Relaxation(Lines((full[0],), full[3]), Lines((full[1],), full[2])), beta


def pick(v: Array, part: Array, count: int) -> Array:
    """``(P or 1, ...)`` by row."""
    return np.broadcast_to(v, (count, *v.shape[1:])) if len(v) == 1 else v[part]


def parts_of(region: Region, part: Array) -> Region:
    """The region of each row."""
    index = np.zeros(len(part), np.int64) if region.batch == 1 else part
    center = None if region.center is None else region.center[index]
    return Region(region.lower[index], region.upper[index], center, region.eps, region.norm, region.clip)
