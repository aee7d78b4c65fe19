"""What a small network of two inputs really does: its pieces, exactly, and the polygons that bounds say instead.

A network of affine maps and activations of two pieces (`Op.kink`) is affine on each cell of a partition of the plane.
The region, a rectangle, is cut at one neuron's kink after another: on a cell of what has been cut so far the neuron is
affine, so that the points of an edge where it crosses its kink are known from its values at the ends.  All values are
rationals (`semantics.exact`), so that the cells, and their images in the plane of two outputs, are exact.

A bounding method is asked for the least value of ``d . y`` in many directions d; the outputs lie in the polygon
that these half planes leave.  The half planes are proved; the corners are computed in
floats, for a picture.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from time import perf_counter
from typing import Any

import numpy as np

from workbench.graph import Array, GraphError
from workbench.methods.alpha import optimise
from workbench.methods.chain import chain_of
from workbench.methods.dense import Walk, fresh
from workbench.methods.ibp import ibp
from workbench.methods.named import find_bounds
from workbench.op import OPS, UnsupportedOperator
from workbench.region import Region
from workbench.semantics import exact
from workbench.semantics.affine import Linear, describe
from workbench.semantics.plan import Plan

MOST = 400  # cells
DIRECTIONS = 48
Point = tuple[Any, Any]  # rationals


@dataclass(frozen=True, slots=True)
class Cell:
    """A convex polygon of inputs on which the network is affine.

    Parameters
    ----------
    inputs : corners, counterclockwise, rounded to floats.
    outputs : the same corners' two outputs.
    signs : by neuron that was cut at: +1 where it is on all over the cell, else -1.
    """

    inputs: tuple[tuple[float, float], ...]
    outputs: tuple[tuple[float, float], ...]
    signs: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Pieces:
    """The partition: its cells, and which neurons (node, flat index) it was cut at."""

    cells: tuple[Cell, ...]
    neurons: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Outer:
    """What one method proves of two outputs: corners of the polygon (floats), its area, and how long it took."""

    method: str
    corners: tuple[tuple[float, float], ...]
    area: float | None
    seconds: float


def pieces(
    plan: Plan, lower: Sequence[float], upper: Sequence[float], outputs: tuple[int, int] = (0, 1)
) -> Pieces:
    """Cut a rectangle of inputs into cells on which the network is affine.

    Parameters
    ----------
    lower, upper : ends of the two inputs.
    outputs : flat indices of the two outputs that are shown.

    Raises
    ------
    GraphError
        A network of other than two inputs, with an activation that is not made of two straight pieces, or with more
        than `MOST` cells.
    """
    (name,) = plan.graph.inputs
    shape = plan.graph[name].shape
    if plan.graph[name].size != 2:
        raise GraphError(
            f"cells can be drawn of networks of two inputs; this one has {plan.graph[name].size}"
        )
    low, high = (np.asarray(end, float).reshape(1, *shape) for end in (lower, upper))
    region = Region(low, high)
    held = ibp(plan, {name: region})
    a, b = ([exact.rational(float(v)) for v in end] for end in (lower, upper))
    square = [(a[0], a[1]), (b[0], a[1]), (b[0], b[1]), (a[0], b[1])]
    cells: list[tuple[list[Point], tuple[int, ...]]] = [(square, ())]
    neurons: list[tuple[str, int]] = []
    for step in plan.steps:
        row = OPS.get(step.node.op)
        if row is None or row.kink is None:
            if step.node.name in plan.live and not isinstance(describe(plan, step, held), Linear):
                raise GraphError(
                    f"{step.node.describe()} is not made of two straight pieces: no cells can be drawn"
                )
            continue
        operand, kink = step.operands[0], exact.rational(row.kink)
        assert operand is not None
        neurons += [(step.node.name, i) for i in range(step.node.size)]
        after = []
        for corners, signs in cells:
            values = _run(plan, corners)[operand].reshape(len(corners), -1)
            after += _cut(corners, [[v - kink for v in row] for row in values.T.tolist()], signs)
            if len(after) > MOST:
                raise GraphError(f"the network has more than {MOST} pieces here: too many to draw")
        cells = after
    output = plan.graph.outputs[0]
    found = []
    for corners, signs in cells:
        at = _run(plan, corners)[output].reshape(len(corners), -1)[:, list(outputs)]
        found.append(Cell(_floats(corners), _floats(at.tolist()), signs))
    return Pieces(tuple(found), tuple(neurons))


def _run(plan: Plan, corners: list[Point]) -> Mapping[str, Array]:
    (name,) = plan.graph.inputs
    x = np.empty((len(corners), 2), dtype=object)
    x[:] = corners
    return exact.run(plan, {name: x.reshape(len(corners), *plan.graph[name].shape)})


def _floats(points: Sequence[Sequence[Any]]) -> tuple[tuple[float, float], ...]:
    return tuple(
        (float(Fraction(int(x.p), int(x.q))), float(Fraction(int(y.p), int(y.q)))) for x, y in points
    )


def _cut(
    corners: list[Point], values: list[list[Any]], signs: tuple[int, ...]
) -> list[tuple[list[Point], tuple[int, ...]]]:
    """One cell cut where each of several affine functions, given by its values at the corners, is 0."""
    parts = [(corners, signs, values)]
    for k in range(len(values)):
        after = []
        for points, told, held in parts:
            for sign in (1, -1):
                kept = _side(points, held, k, sign)
                if kept is not None:
                    after.append((kept[0], (*told, sign), kept[1]))
        parts = after
    return [(points, told) for points, told, _ in parts]


def _side(
    points: list[Point], held: list[list[Any]], k: int, sign: int
) -> tuple[list[Point], list[list[Any]]] | None:
    """The part of a polygon where function k has the sign; values at its corners; None if thin."""
    on = [sign * v for v in held[k]]
    if not any(v > 0 for v in on):
        # on no side: kept once, as "on", where the function is 0 all over
        return (points, held) if sign > 0 and all(v == 0 for v in on) else None
    found: list[Point] = []
    values: list[list[Any]] = [[] for _ in held]
    for i, point in enumerate(points):
        j = (i + 1) % len(points)
        if on[i] >= 0:
            found.append(point)
            for own, given in zip(values, held, strict=True):
                own.append(given[i])
        if (on[i] > 0 and on[j] < 0) or (on[i] < 0 and on[j] > 0):
            t = on[i] / (on[i] - on[j])
            found.append((point[0] + t * (points[j][0] - point[0]), point[1] + t * (points[j][1] - point[1])))
            for own, given in zip(values, held, strict=True):
                own.append(given[i] + t * (given[j] - given[i]))
    return found, values


def directions(count: int = DIRECTIONS) -> Array:
    """Unit vectors ``(count, 2)`` all around, the four axes among them (`count` is a multiple of 4)."""
    turn = 2 * np.pi * np.arange(count) / count
    found = np.stack([np.cos(turn), np.sin(turn)], axis=1)
    return np.where(np.abs(found) < 1e-9, 0.0, np.where(np.abs(found) > 1 - 1e-9, np.sign(found), found))


def outer(
    plan: Plan,
    region: Region,
    method: str,
    outputs: tuple[int, int] = (0, 1),
    count: int = DIRECTIONS,
) -> Outer:
    """The polygon in which a method proves two outputs to lie.

    Parameters
    ----------
    region : one region, in the input's shape.
    method : a name of `methods.named`.
    outputs : flat indices of the outputs.
    count : how many directions are asked for; interval arithmetic knows the four axes only.
    """
    start = perf_counter()
    name, output = plan.graph.inputs[0], plan.graph[plan.graph.outputs[0]]
    ways = directions(count)
    rows = np.zeros((count, output.size))
    rows[:, list(outputs)] = ways
    found = find_bounds(plan, {name: region}, method, None, rows.reshape(count, *output.shape))
    lo, hi = (e.reshape(-1)[list(outputs)] for e in (found.output.lo, found.output.hi))
    planes = [(d, float(end)) for d, end in zip(_AXES, (lo[0], lo[1], -hi[0], -hi[1]), strict=True)]
    if found.margins is not None:
        planes += [(tuple(d), float(m)) for d, m in zip(ways.tolist(), found.margins[0], strict=True)]
    return _outer(method, planes, start)


_AXES = ((1.0, 0.0), (0.0, 1.0), (-1.0, 0.0), (0.0, -1.0))


def _outer(method: str, planes: Sequence[tuple[Sequence[float], float]], start: float) -> Outer:
    corners = polygon(planes)
    return Outer(method, corners, area(corners) if corners else None, perf_counter() - start)


def sloped(
    plan: Plan,
    region: Region,
    slopes: Sequence[float],
    outputs: tuple[int, int] = (0, 1),
    count: int = DIRECTIONS,
) -> Outer:
    """The polygon that CROWN proves where somebody else chose the slopes of the lines below the relus.

    Parameters
    ----------
    slopes : one a relu neuron, in the order of the layers; between 0 and 1, else clipped; neurons whose sign is known
        have no choice, and theirs are passed over.

    Raises
    ------
    GraphError
        A network that is not a dense chain of affine maps and relus.
    ValueError
        Another number of slopes than neurons.
    """
    start = perf_counter()
    chain = chain_of(plan)
    if chain is None:
        raise GraphError("slopes can be chosen in networks of affine maps and relus in turn")
    sizes = [layer.weight.shape[0] for layer in chain.layers[:-1]]
    given = np.asarray(slopes, float)
    if given.shape != (sum(sizes),) or not np.isfinite(given).all():
        raise ValueError(f"{sum(sizes)} finite slopes are needed, one a neuron")
    ways = directions(count)
    rows = np.zeros((count, chain.layers[-1].weight.shape[0]))
    rows[:, list(outputs)] = ways
    box, each = np.zeros(count, np.int64), np.arange(count)
    with np.errstate(all="ignore"):
        ends = (end.reshape(1, -1) for end in (region.lower, region.upper))
        walk = Walk(chain, fresh(chain, *ends))
        for k in range(len(sizes)):
            walk.layer(k)
        parts = np.split(np.tile(given, (count, 1)), np.cumsum(sizes)[:-1], axis=1)
        found = optimise(walk, *walk.start(rows, box, each), box, iterations=0, slopes=tuple(parts)).lower
    ends_of = {tuple(d): float(m) for d, m in zip(ways.tolist(), found, strict=True)}
    planes = [(d, ends_of.pop(d)) for d in _AXES]
    return _outer("slopes", [*planes, *ends_of.items()], start)


def polygon(planes: Sequence[tuple[Sequence[float], float]]) -> tuple[tuple[float, float], ...]:
    """Corners of ``d . y >= m`` for all (d, m), in floats; empty where it is not bounded.

    Each half plane cuts what the ones before it left; the first four are the axes'.
    """
    ends = [m for _, m in planes[:4]]
    if not np.isfinite(ends).all():
        return ()
    low, high = (ends[0], ends[1]), (-ends[2], -ends[3])
    found = [(low[0], low[1]), (high[0], low[1]), (high[0], high[1]), (low[0], high[1])]
    for d, m in planes[4:]:
        if not np.isfinite(m):
            continue
        over = [d[0] * x + d[1] * y - m for x, y in found]
        if not any(v < 0 for v in over):
            continue
        after = []
        for i, point in enumerate(found):
            j = (i + 1) % len(found)
            if over[i] >= 0:
                after.append(point)
            if over[i] * over[j] < 0:
                t = over[i] / (over[i] - over[j])
                after.append(
                    (point[0] + t * (found[j][0] - point[0]), point[1] + t * (found[j][1] - point[1]))
                )
        if len(after) < 3:
            break  # no wider than the rounding of these corners: what is left is as good a picture
        found = after
    return tuple(found)


def area(corners: Sequence[tuple[float, float]]) -> float:
    """Area of a polygon."""
    x, y = (np.array([p[k] for p in corners]) for k in (0, 1))
    return float(0.5 * abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))))


def hull(points: Sequence[tuple[float, float]]) -> tuple[tuple[float, float], ...]:
    """Corners of the convex hull, counterclockwise: what no bound by half planes can be smaller than."""
    every = sorted(set(points))
    if len(every) < 3:
        return tuple(every)

    def half(ordered: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
        kept: list[tuple[float, float]] = []
        for p in ordered:
            while len(kept) > 1 and _turn(kept[-2], kept[-1], p) <= 0:
                kept.pop()
            kept.append(p)
        return kept[:-1]

    return (*half(every), *half(every[::-1]))


def _turn(a: tuple[float, float], b: tuple[float, float], c: tuple[float, float]) -> float:
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


def tried(plan: Plan, region: Region, method: str, **options: Any) -> Outer | str:
    """`outer`, or why the method has no answer for this network."""
    try:
        return outer(plan, region, method, **options)
    except (GraphError, UnsupportedOperator, ValueError, ImportError) as error:
        return str(error) or type(error).__name__
