"""Steering's work: parts cut in two, bounded, judged, and seen through the whole network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import inf
from typing import TYPE_CHECKING

import numpy as np

from workbench.graph import Array
from workbench.methods.bounds import Bounds
from workbench.methods.crown import crown
from workbench.methods.scene import kinks_of
from workbench.methods.steerbounds import Bounded, Parts
from workbench.methods.steernodes import Inner, Node, Split, Status, SteerError
from workbench.methods.tree import margin_of
from workbench.region import Region
from workbench.semantics import real
from workbench.semantics.interval import Interval, propagate
from workbench.semantics.plan import Plan

if TYPE_CHECKING:
    from workbench.methods.steer import Steer

LISTED = 16  # cuts of each kind that a part remembers


def path_of(tree: Steer, part: int) -> list[str]:
    """The cuts from the root to a part, in words."""
    words: list[str] = []
    node = tree.node(part)
    while node.parent is not None:
        parent = tree.node(node.parent)
        assert parent.split is not None
        words.append(parent.split.words(node.side))
        node = parent
    return words[::-1]


def number_of(tree: Steer, node: str, element: int) -> int:
    """The number of a neuron among all that can be split.

    Raises
    ------
    SteerError
        A node without such neurons, or an index that it does not have.
    """
    for k in tree.kinks:
        if node in (k.name, k.operand):
            if 0 <= element < k.size:
                return k.first + element
            raise SteerError(f"{node!r} has {k.size} neurons: there is no number {element}")
    have = ", ".join(k.name for k in tree.kinks) or "none"
    raise SteerError(f"{node!r} has no neurons that can be split; these have some: {have}")


def cuttable(tree: Steer, part: int) -> Node:
    """A leaf that is worth cutting.

    Raises
    ------
    SteerError
        For any other part.
    """
    try:
        node = tree.node(part)
    except KeyError as error:
        raise SteerError(str(error.args[0])) from None
    if not node.leaf:
        raise SteerError(f"part {part} is cut already: collapse it first")
    if node.status not in ("open", "stuck"):
        raise SteerError(f"part {part} is {node.status}: there is nothing to prove there any more")
    return node


def cut_at(tree: Steer, node: Node, index: int, at: float | None) -> Split:
    """A cut of a part along one input, by default in the middle.

    Raises
    ------
    SteerError
        An input that there is not, or a place that is not inside.
    """
    if not 0 <= index < tree.inputs:
        raise SteerError(f"there is no input {index}: the network has {tree.inputs}")
    low, high = float(node.lower[index]), float(node.upper[index])
    where = 0.5 * low + 0.5 * high if at is None else float(at)
    if not low < where < high:
        raise SteerError(f"X_{index} lies in [{low!r}, {high!r}] there: it cannot be cut at {where!r}")
    return Split("input", index, where, tree.plan.graph.inputs[0], index)


def halves(node: Node, split: Split) -> tuple[Node, Node]:
    """The two sides of a cut, not bounded yet and without numbers of their own.

    Raises
    ------
    SteerError
        A cut that leaves nothing on one side, or a sign that is decided already.
    """
    parts = []
    for side in (0, 1):
        lower, upper, signs = node.lower, node.upper, node.signs
        if split.kind == "input":
            if not node.lower[split.index] < split.at < node.upper[split.index]:
                raise SteerError(f"{split.words()} does not cut that part")
            moved = (upper if side == 0 else lower).copy()
            moved[split.index] = split.at
            lower, upper = (lower, moved) if side == 0 else (moved, upper)
        else:
            if any(n == split.index for n, _ in signs):
                raise SteerError(f"the sign of {split.words()} is decided there already")
            signs = (*signs, (split.index, 1 if side else -1))
        parts.append(Node(-1, node.id, side, node.depth + 1, None, (), "open", -inf, lower, upper, signs))
    return parts[0], parts[1]


def evaluate(
    tree: Steer, nodes: Sequence[Node], around: Sequence[Inner]
) -> tuple[list[tuple[Node, Inner]], Array | None]:
    """Bound parts and say what they are; an input that is unsafe, where one was found."""
    rows, count = tree.rows, len(nodes)
    before = np.stack([a.lower for a in around])
    alive = ~rows.refuted(before)
    signs = np.zeros((count, tree.neurons), np.int8)
    for k, node in enumerate(nodes):
        for number, sign in node.signs:
            signs[k, number] = sign
    ends = np.stack([n.lower for n in nodes]), np.stack([n.upper for n in nodes])
    parts = Parts(*ends, signs, alive @ tree.member, [a.held for a in around])
    found = tree.bounder.bound(parts)
    lower = np.maximum(before, np.nextafter(found.lower - tree.slack, -inf))
    refuted = rows.refuted(lower)
    margin, telling = margin_of(rows, lower, ~refuted)
    least = np.asarray(rows.margin(lower))
    suspect, where = _suspect(tree, found, parts, ~refuted.all(axis=1) & ~found.empty)
    done: list[tuple[Node, Inner]] = []
    for k, node in enumerate(nodes):
        status: Status = "open"
        if found.empty[k]:
            status, lower[k] = "empty", inf
        elif refuted[k].all():
            status = "proved"
        elif k == where:
            status = "unsafe"
        choices = _choices(tree, node, found, k, int(telling[k])) if status == "open" else ()
        if status == "open" and not choices:
            status = "stuck"
        bound = inf if status == "empty" else float(rows.in_units(float(least[k])) or 0.0)
        points = found.points[k][parts.wanted[k]]
        shown = float(margin[k]) if status == "open" else inf
        done.append(
            (
                replace(node, status=status, bound=bound),
                Inner(lower[k], shown, choices, points, found.held[k]),
            )
        )
    return done, suspect


def _choices(tree: Steer, node: Node, found: Bounded, k: int, row: int) -> tuple[tuple[float, str, int], ...]:
    """Cuts and what they promise, about in units of the bound, best first."""
    width = node.upper - node.lower
    middle = 0.5 * node.lower + 0.5 * node.upper
    whole = (node.lower < middle) & (middle < node.upper)
    slopes = np.nan_to_num(np.abs(found.coefficients[k, row]), posinf=1e300)
    floor = 0.05 * slopes.max(initial=0.0) or 1e-30
    gain = np.where(whole, np.maximum(slopes, floor) * width, -1.0)
    cost = np.nan_to_num(found.cost[k, row], posinf=1e300)
    for number, _ in node.signs:
        cost[number] = -1.0
    listed = [
        (float(gain[i]), "input", int(i)) for i in np.argsort(-gain, kind="stable")[:LISTED] if gain[i] > 0
    ]
    listed += [
        (float(cost[i]), "sign", int(i)) for i in np.argsort(-cost, kind="stable")[:LISTED] if cost[i] > 0
    ]
    return tuple(sorted(listed, key=lambda c: -c[0]))


def _suspect(tree: Steer, found: Bounded, parts: Parts, on: Array) -> tuple[Array | None, int]:
    """An unsafe input among the points of the parts that are not proved, replayed; and its part."""
    box, row = np.nonzero(parts.wanted & on[:, None])
    if not box.size:
        return None, -1
    points = np.concatenate([found.points[box, row], 0.5 * parts.lower[on] + 0.5 * parts.upper[on]])
    owner = np.concatenate([box, np.flatnonzero(on)])
    name, output = tree.plan.graph.inputs[0], tree.plan.graph.outputs[0]
    y = real.run(tree.plan, {name: points.reshape(-1, *tree.region.shape)}, np.float64)[output]
    flat = np.broadcast_to(y.reshape(len(y), -1), (len(points), tree.rows.size))
    hit = tree.suspects.unsafe(points, flat @ tree.rows.matrix.T - tree.limits)
    if hit is None:
        return None, -1
    same = np.flatnonzero((points == hit.reshape(-1)).all(axis=1))
    return hit, int(owner[same[0]]) if same.size else -1


def bounds_of(plan: Plan, region: Region, node: Node, held: Mapping[str, Interval]) -> Bounds:
    """Bounds of every node of the network over a part, its signs included."""
    shape, name = region.shape, plan.graph.inputs[0]
    low, high = node.lower.reshape(1, *shape), node.upper.reshape(1, *shape)
    whole = np.array_equal(low, region.lower) and np.array_equal(high, region.upper)
    where = region if whole else Region(low, high)
    base = crown(plan, {name: where}, neurons="all")
    proved = {k: v.intersect(held[k]) if k in held else v for k, v in base.intervals.items()}
    for number, sign in node.signs:
        kink = next(k for k in kinks_of(plan) if k.first <= number < k.first + k.size)
        ends = proved[kink.operand]
        lo, hi = ends.lo.copy(), ends.hi.copy()
        at = number - kink.first
        if sign > 0:
            lo.reshape(-1)[at] = max(lo.reshape(-1)[at], 0.0)
        else:
            hi.reshape(-1)[at] = min(hi.reshape(-1)[at], 0.0)
        proved[kink.operand] = Interval(lo, hi, ends.simplex)
    found = propagate(plan, {name: Interval(where.lower, where.upper)}, proved)
    return Bounds(found, "crown", {name: where}, base.seconds, plan.graph.outputs, base.forms)
