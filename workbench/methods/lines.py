"""One operator over a box: the lines that stand in for it, lines of any other slopes, and the room between them.

What a person learns a relaxation by, and no part of a proof about a network.  All of it rests on the operators' own
rules: the best lines are the rule's, and for slopes s that somebody else chose the offset is proved by the rule's own
lines on small cells.  Where ``f(x) >= a x + b`` on a cell, ``f(x) - s x >= (a - s) x + b`` there, which is least at a
corner of the cell; the least over all cells is an offset that holds on the whole box, charged for the rounding of these
few operations.  The cells' lines are off by the square of their width, so that little is lost.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise, product
from typing import Any

import numpy as np

import workbench.ops  # noqa: F401  (registers every operator)
from workbench.graph import Array, Graph, GraphError, Node
from workbench.op import OPS, rule_for
from workbench.semantics import interval as intervals
from workbench.semantics import real
from workbench.semantics.affine import Relaxation, describe
from workbench.semantics.interval import Interval
from workbench.semantics.plan import Plan, Step, plan_of
from workbench.semantics.real import FLOAT

CELLS, FINER = {1: 64, 2: 32}, {1: 32, 2: 4}  # cells along each axis, and of each cell that is worst
WORST = {1: 6, 2: 40}  # cells that are cut again: a kink may run through all of a diagonal's
MARGIN = 40 * 2.0**-53  # of the terms' sizes: some ten roundings a corner
POINTS = 129  # of a curve that is drawn
NAMES = ("x", "y")


@dataclass(frozen=True, slots=True)
class Plane:
    """``slopes . x + offset``; `chosen`: whether somebody chose the slopes, or the rule did."""

    slopes: tuple[float, ...]
    offset: float
    chosen: bool = False

    def at(self, point: tuple[float, ...]) -> float:
        """Its height, in floats: for a picture."""
        return self.offset + sum(s * v for s, v in zip(self.slopes, point, strict=True))


@dataclass(frozen=True, slots=True)
class Picture:
    """What is known of one operator over one box.

    Parameters
    ----------
    lower, upper : lines that hold over the whole box; None where there is none (the function has no value, or no
        bound, somewhere in it).
    best_lower, best_upper : the rule's own.
    image : enclosure of the values over the box, as interval arithmetic gives it.
    """

    lower: Plane | None
    upper: Plane | None
    best_lower: Plane | None
    best_upper: Plane | None
    image: tuple[float, float]


@dataclass(frozen=True, slots=True, eq=False)
class Operator:
    """An operator ready to be looked at, made by `operators`.

    Parameters
    ----------
    key, label : for programs, and for people.
    formula : plain text.
    plan : the operator alone, as a network of one or two inputs of shape (1,).
    box : ends to begin with, one pair an operand.
    edges : where pieces of the function may meet.
    """

    key: str
    label: str
    formula: str
    plan: Plan
    box: tuple[tuple[float, float], ...]
    edges: tuple[float, ...] = (0.0,)

    @property
    def arity(self) -> int:
        """How many operands are free."""
        return len(self.box)

    def __call__(self, *operands: Array) -> Array:
        """Values ``(N,)`` in floats, NaN where there is none: for a picture."""
        given = {name: np.asarray(v, np.float64)[:, None] for name, v in zip(NAMES, operands, strict=False)}
        step = self.plan.steps[0]
        values = [
            None if o is None else given[o] if o in given else self.plan.number(o) for o in step.operands
        ]
        with np.errstate(all="ignore"):
            found = np.asarray(rule_for(step.node, real.real)(step.call, FLOAT, *values), np.float64)
        return np.broadcast_to(found, (len(operands[0]), 1))[:, 0]

    def lines(self, lows: Array, highs: Array) -> tuple[Array, Array, Array, Array]:
        """The rule's lines over boxes ``(N, arity)``: slopes ``(N, arity)`` and offset ``(N,)`` below, and above."""
        n = len(lows)
        bounds = {
            name: Interval(lows[:, k : k + 1].copy(), highs[:, k : k + 1].copy())
            for k, name in enumerate(NAMES[: self.arity])
        }
        step = self.plan.steps[0]
        with np.errstate(all="ignore"):
            form = describe(self.plan, step, bounds)
        assert isinstance(form, Relaxation)
        found: list[Array] = []
        for side in (form.lower, form.upper):
            slopes = np.zeros((n, self.arity))
            for k, name in enumerate(NAMES[: self.arity]):
                own = side.slopes[step.operands.index(name)]
                if own is not None:
                    slopes[:, k] = np.broadcast_to(own, (n, 1))[:, 0]
            found += [slopes, np.broadcast_to(side.offset, (n, 1))[:, 0]]
        return found[0], found[1], found[2], found[3]

    def image(self, low: Array, high: Array) -> tuple[float, float]:
        """Enclosure of the values over one box ``(arity,)``, by the rule of interval arithmetic."""
        step = self.plan.steps[0]
        ends = {
            n: Interval(low[None, k : k + 1], high[None, k : k + 1])
            for k, n in enumerate(NAMES[: self.arity])
        }
        operands = [
            None if o is None else ends[o] if o in ends else intervals.known(self.plan, o)
            for o in step.operands
        ]
        with np.errstate(all="ignore"):
            found = rule_for(step.node, intervals.interval)(step.call, *operands)
        return float(found.lo.reshape(-1)[0]), float(found.hi.reshape(-1)[0])


def relax(
    op: Operator,
    low: tuple[float, ...],
    high: tuple[float, ...],
    lower: tuple[float, ...] | None = None,
    upper: tuple[float, ...] | None = None,
) -> Picture:
    """The lines below and above an operator over a box.

    Parameters
    ----------
    low, high : ends of each operand.
    lower, upper : slopes that somebody chose, one an operand; None for the rule's own.

    Raises
    ------
    ValueError
        Ends that are not finite or not in order.
    """
    l, u = np.asarray(low, float), np.asarray(high, float)
    if l.shape != (op.arity,) or u.shape != l.shape or not np.isfinite([l, u]).all() or not (l <= u).all():
        raise ValueError(f"{op.label} needs {op.arity} pair(s) of finite ends, the lower one first")
    sl, ol, su, ou = op.lines(l[None], u[None])
    best = _plane(sl[0], ol[0], False), _plane(su[0], ou[0], False)
    shown = [
        side if slopes is None or side is None else _chosen(op, l, u, slopes, sign)
        for side, slopes, sign in ((best[0], lower, 1.0), (best[1], upper, -1.0))
    ]
    return Picture(shown[0], shown[1], *best, op.image(l, u))


def _plane(slopes: Array, offset: float, chosen: bool) -> Plane | None:
    whole = np.isfinite(slopes).all() and np.isfinite(offset)
    return Plane(tuple(map(float, slopes)), float(offset), chosen) if whole else None


def _chosen(op: Operator, l: Array, u: Array, slopes: tuple[float, ...], sign: float) -> Plane | None:
    """The line of given slopes that lies as high below (or low above) the operator as can be proved."""
    s = np.asarray(slopes, float)
    if s.shape != l.shape or not np.isfinite(s).all():
        raise ValueError(f"{op.label} needs {op.arity} finite slope(s)")
    lows, highs = _cells(op, l, u, CELLS[op.arity])
    least = _least(op, lows, highs, s, sign)
    worst = np.argsort(least, kind="stable")[: WORST[op.arity]]
    finer = [_cells(op, lows[k], highs[k], FINER[op.arity]) for k in worst]
    lows, highs = (np.concatenate(ends) for ends in zip(*finer, strict=True))
    again = _least(op, lows, highs, s, sign)
    rest = np.delete(least, worst)
    found = float(min(rest.min(initial=np.inf), again.min()))
    return _plane(s, sign * found, True)


def _cells(op: Operator, l: Array, u: Array, count: int) -> tuple[Array, Array]:
    """The box cut into about `count` cells along each axis ``(N, arity)``, edges where pieces meet among them."""
    axes = []
    for a, b in zip(l.tolist(), u.tolist(), strict=True):
        inside = [e for e in op.edges if a < e < b]
        edges = np.unique(np.clip(np.concatenate([np.linspace(a, b, count + 1), inside]), a, b))
        axes.append(list(pairwise(edges.tolist())) or [(a, b)])
    every = np.array(list(product(*axes)))  # (N, arity, 2)
    return every[:, :, 0], every[:, :, 1]


def _least(op: Operator, lows: Array, highs: Array, s: Array, sign: float) -> Array:
    """Lower bounds ``(N,)`` of sign (f(x) - s . x) over each cell."""
    sl, ol, su, ou = op.lines(lows, highs)
    a, b = (sl, ol) if sign > 0 else (-su, -ou)
    s = sign * s
    found = np.full(len(lows), np.inf)
    with np.errstate(all="ignore"):
        for corner in product((lows, highs), repeat=op.arity):
            x = np.stack([end[:, k] for k, end in enumerate(corner)], axis=1)
            value = ((a - s) * x).sum(axis=1) + b
            size = ((np.abs(a) + np.abs(s)) * np.abs(x)).sum(axis=1) + np.abs(b)
            found = np.minimum(found, np.nextafter(value - (MARGIN * size + 64 * intervals.TINY), -np.inf))
    return np.where(np.isnan(found), -np.inf, found)


def room(
    lower: Plane | None, upper: Plane | None, low: tuple[float, ...], high: tuple[float, ...]
) -> float | None:
    """The area (the volume, of two operands) between two lines over a box, in floats: for a picture."""
    if lower is None or upper is None:
        return None
    middle = tuple(0.5 * a + 0.5 * b for a, b in zip(low, high, strict=True))
    size = float(np.prod([b - a for a, b in zip(low, high, strict=True)]))
    return (upper.at(middle) - lower.at(middle)) * size


def curve(op: Operator, low: float, high: float, *others: float) -> list[tuple[float, float]]:
    """Points of the operator's graph a little beyond [low, high], its other operands fixed: a picture."""
    pad = 0.35 * (high - low) + 1e-9 * max(1.0, abs(low), abs(high))
    xs = np.linspace(low - pad, high + pad, POINTS)
    xs = np.unique(np.concatenate([xs, [low, high], [e for e in op.edges if xs[0] < e < xs[-1]]]))
    ys = op(xs, *[np.full(len(xs), v) for v in others])
    return [(x, y) for x, y in zip(xs.tolist(), ys.tolist(), strict=True) if np.isfinite(y)]


_BOXES: dict[str, tuple[float, float]] = {
    "Log": (0.25, 3.0), "Sqrt": (0.25, 3.0), "Reciprocal": (0.5, 3.0), "Exp": (-1.5, 1.0),
    "Sin": (-1.0, 2.5), "Cos": (-1.0, 2.5),
}  # fmt: skip
_BOX = (-2.0, 1.5)
_WITH: tuple[tuple[str, str, str, dict[str, float], dict[str, Any]], ...] = (
    # key, operator, label, constants after the first operand, attributes
    ("square", "Pow", "x\N{SUPERSCRIPT TWO}", {"c": 2.0}, {}),
    ("cube", "Pow", "x\N{SUPERSCRIPT THREE}", {"c": 3.0}, {}),
    ("clip", "Clip", "Clip to [\N{MINUS SIGN}1, 1]", {"a": -1.0, "b": 1.0}, {}),
    ("leakyrelu", "LeakyRelu", "LeakyRelu, alpha 0.1", {}, {"alpha": 0.1}),
)
_PAIRS = ("Mul", "Div", "Max", "Min")
_NOT_ELEMENTWISE = (
    "Softmax",
    "LogSoftmax",
    "ReduceMax",
    "ReduceSum",
    "ReduceMean",
    "MaxPool",
    "LayerNormalization",
)


def operators() -> tuple[Operator, ...]:
    """Every operator of the table that has lines of its own and one free operand, and products and their kin."""
    passed = {op for _, op, *_ in _WITH} | {*_PAIRS, *_NOT_ELEMENTWISE}
    found = [_make(op.lower(), op, op, {}, {}, (_BOXES.get(op, _BOX),)) for op in OPS if op not in passed]
    found += [_make(key, op, label, c, attrs, (_BOX,)) for key, op, label, c, attrs in _WITH]
    pair = {"Mul": "x \N{MULTIPLICATION SIGN} y", "Div": "x / y", "Max": "max(x, y)", "Min": "min(x, y)"}
    for op in _PAIRS:
        second = (0.5, 2.0) if op == "Div" else (-1.0, 2.0)
        found.append(_make(op.lower(), op, pair[op], {}, {}, ((-1.0, 1.5), second)))
    return tuple(sorted((o for o in found if o is not None), key=lambda o: (o.arity, o.label.lower())))


def single(step: Step, box: tuple[float, float]) -> Operator | None:
    """The operator of one step of a network alone, over a box of its operand; None where it has no lines of its own."""
    node = step.node
    if len([o for o in node.inputs if o]) != 1:
        return None
    return _make(f"node:{node.name}", node.op, f"{node.op} of {node.name}", {}, dict(node.attrs), (box,))


def _make(
    key: str,
    op: str,
    label: str,
    constants: dict[str, float],
    attrs: dict[str, Any],
    box: tuple[tuple[float, float], ...],
) -> Operator | None:
    """The operator alone in a network; None where it is linear, needs more operands, or has no rule for lines."""
    names = NAMES[: len(box)]
    nodes = [Node(n, "Input", shape=(1,), dtype="float64") for n in names]
    weights = {k: np.asarray(v) for k, v in constants.items()}
    try:
        node = Node("out", op, (*names, *constants), attrs, shape=(1,), dtype="float64")
        plan = plan_of(Graph((*nodes, node), ("out",), weights, name=label))
        edges = tuple(sorted({0.0, OPS[op].kink or 0.0, *constants.values()}))
        made = Operator(key, label, OPS[op].formula, plan, box, edges)
        low, high = (np.array([end[k] for end in box]) for k in (0, 1))
        made.lines(low[None], high[None])
        made.image(low, high)
        if not np.isfinite(made(*[np.array([0.5 * a + 0.5 * b]) for a, b in box])).all():
            return None
    except (GraphError, ValueError, TypeError, IndexError, KeyError, AssertionError, AttributeError):
        return None
    return made
