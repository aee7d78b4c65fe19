"""Ascent: slopes and multipliers for rows of any network, found by gradients; plain floats, nothing here is a bound.

What comes out is a choice, which `scene.least` turns into a bound that holds whatever was chosen.  So this may be
quick and careless: no charges, no directed rounding.

A step is two passes for many rows at once, each with slopes of its own: coefficients backward through the lines, and
the minimiser over the box forward through the lines that these coefficients met.  The derivative of a row's bound by
the slope of a line is the coefficient that arrives there times the minimiser's value there (the envelope theorem: the
adjoint of the backward pass, without a tape); by a multiplier, minus the sign times that value.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from workbench.graph import Array
from workbench.methods.scene import Choice, Open, Scene, open_neurons, pick
from workbench.semantics.affine import Linear, Lines, Relaxation, gather, same, spread
from workbench.semantics.plan import Plan, Step

STEP, SHRINK = 0.25, 0.96  # the first step of a slope, and how steps shrink
LEAST = 0.02  # of the first step: what is left of it in the end, at least
FIRST, SECOND = 0.9, 0.99  # how fast the means of gradients and of their squares forget (Adam)


@dataclass(frozen=True, slots=True, eq=False)
class Climbed:
    """What a climb ended with, one entry a row.

    Parameters
    ----------
    choice : the best slopes and multipliers.
    value : ``(N,)``: about what bound they give: no bound.
    points : ``(N, inputs)``: where the row's lines are least.
    arriving : by node ``(N, K)``: coefficients that arrive at open neurons: what a branching rule looks at.
    slopes_in : ``(N, inputs)``: coefficients that arrive at the inputs.
    """

    choice: Choice
    value: Array
    points: Array
    arriving: Mapping[str, Array]
    slopes_in: Array


def climb(
    scene: Scene,
    target: str,
    rows: Array,
    *,
    iterations: int,
    signs: Array | None = None,
    start: Choice | None = None,
    enough: Array | float = np.inf,
) -> Climbed:
    """Raise the lower bounds of rows ``(N, *shape)`` of `target`.

    Parameters
    ----------
    iterations : gradient steps; 0 takes the slopes as they are given.
    signs : ``(N, neurons)``: +1 or -1 where a neuron's sign is decided.
    start : slopes and multipliers to start from; by default CROWN's, and none.
    enough : a value above which a row needs no more.
    """
    run = Ascent(scene, target, rows, signs)
    run.begin(start)
    shrink = max(SHRINK, LEAST ** (1 / max(1, iterations)))
    with np.errstate(all="ignore"):
        for number in range(iterations + 1):
            run.backward()
            if number == iterations or bool((run.best > enough).all()):
                break
            run.forward(STEP * shrink**number, number)
    return run.found()


class Ascent:
    """One batch of rows on its way up."""

    def __init__(self, scene: Scene, target: str, rows: Array, signs: Array | None) -> None:
        self.scene, self.plan, self.target = scene, scene.plan, target
        self.part = part = np.zeros(len(rows), np.int64)
        self.rows, self.count = np.asarray(rows, np.float64), len(rows)
        self.input = scene.plan.graph.inputs[0]
        low, high = (pick(e, part, self.count) for e in (scene.region.lower, scene.region.upper))
        self.middle, self.radius = 0.5 * low + 0.5 * high, 0.5 * high - 0.5 * low
        self.knots = {one.kink.name: _Knot(scene, one, part, signs) for one in open_neurons(scene, target)}
        self.back, self.ahead = _orders(self.plan, target, tuple(self.knots))
        self.signed: dict[str, Array] = {}  # where coefficients at other nonlinear nodes are positive
        self.best = np.full(self.count, -np.inf)

    def begin(self, start: Choice | None) -> None:
        """Slopes and multipliers to start from; momentum at rest."""
        for name, knot in self.knots.items():
            slopes = multipliers = None
            if start is not None:
                slopes, multipliers = start.slopes.get(name), start.multipliers.get(name)
            knot.begin(slopes, multipliers)
        self.kept_points = np.zeros((self.count, self.middle[0].size))
        self.kept_in = self.kept_points

    def backward(self) -> None:
        """One backward pass; the value of every row, and its minimiser."""
        n, plan = self.count, self.plan
        pending: dict[str, Array] = {self.target: self.rows}
        constant: Array = np.zeros(n)
        for step in self.back:
            name = step.node.name
            if name not in pending:
                continue
            a = pending.pop(name)
            knot = self.knots.get(name)
            if knot is not None:
                passed, added = knot.backward(a.reshape(n, -1))
                constant = constant + added
                pieces = [(step.operands[0], passed.reshape(a.shape))]
            else:
                form = self.scene.forms[name]
                if isinstance(form, Linear):
                    pieces, plus = through_linear(step, form, a)
                    added = np.asarray(plus)
                else:
                    self.signed[name] = a > 0
                    pieces, added = through_lines(step, form, a, self.part)
                constant = constant + added
            for operand, piece in pieces:
                if operand is None:
                    continue
                if operand in plan.constants:
                    held = np.broadcast_to(plan.number(operand), piece.shape)
                    constant = constant + (piece * held).reshape(n, -1).sum(axis=1)
                elif operand in plan.live:
                    pending[operand] = pending[operand] + piece if operand in pending else piece
                else:
                    z = self.scene.bounds[operand]
                    middle = np.broadcast_to(0.5 * z.lo + 0.5 * z.hi, piece.shape)
                    constant = constant + (piece * middle).reshape(n, -1).sum(axis=1)
        a = pending.get(self.input, np.zeros((n, *self.middle.shape[1:])))
        self.point = self.middle - np.sign(a) * self.radius
        value = constant + (a * self.point).reshape(n, -1).sum(axis=1)
        better = value > self.best
        self.best = np.where(better, value, self.best)
        self.kept_points = np.where(better[:, None], self.point.reshape(n, -1), self.kept_points)
        self.kept_in = np.where(better[:, None], a.reshape(n, -1), self.kept_in)
        for knot in self.knots.values():
            knot.keep(better)

    def forward(self, step_size: float, number: int) -> None:
        """The minimisers pushed forward, and one step of every slope and multiplier on the way."""
        values: dict[str, Array] = {self.input: self.point}
        for step in self.ahead:
            name = step.node.name
            knot = self.knots.get(name)
            if knot is not None:
                z = values[knot.kink.operand]
                values[name] = knot.forward(z.reshape(self.count, -1), step_size, number).reshape(z.shape)
                continue
            operands = [self._value(values, o) for o in step.operands]
            form = self.scene.forms[name]
            if isinstance(form, Linear):
                total: Array = np.zeros((1, *step.node.shape)) if form.bias is None else form.bias
                for m, x in zip(form.maps, operands, strict=True):
                    if m is not None and x is not None:
                        total = total + (x if m.apply is same else m.apply(x))
                values[name] = np.broadcast_to(total, (self.count, *step.node.shape))
                continue
            positive = self.signed.get(name)
            low, high = (value_of(step, form, side, operands, self.part) for side in (form.lower, form.upper))
            values[name] = low if positive is None else np.where(positive, low, high)

    def _value(self, values: dict[str, Array], operand: str | None) -> Array | None:
        if operand is None or operand in values:
            return None if operand is None else values[operand]
        if operand in self.plan.constants:
            return self.plan.number(operand)
        z = self.scene.bounds[operand]
        return np.asarray(0.5 * z.lo + 0.5 * z.hi)

    def found(self) -> Climbed:
        """The best of all iterations."""
        slopes = {k: v.kept_slopes for k, v in self.knots.items()}
        multipliers = {k: v.kept_beta for k, v in self.knots.items() if v.kept_beta is not None}
        arriving = {k: v.kept_arriving for k, v in self.knots.items()}
        return Climbed(Choice(slopes, multipliers), self.best, self.kept_points, arriving, self.kept_in)


class _Knot:
    """The open neurons of one node in one climb: compact arrays ``(N, K)``."""

    def __init__(self, scene: Scene, one: Open, part: Array, signs: Array | None) -> None:
        kink = self.kink = one.kink
        self.index, n = one.index, len(part)
        form = scene.forms[kink.name]
        assert isinstance(form, Relaxation)
        low = form.lower.slopes[0]
        assert low is not None
        fixed = np.array(np.broadcast_to(low, (len(low), *scene.plan.graph[kink.name].shape)))
        fixed = fixed.reshape(len(low), -1)
        fixed[:, self.index] = 0.0
        self.fixed = pick(fixed, part, n)  # slopes where nothing is open; 0 elsewhere
        self.open = pick(one.open, part, n)
        self.above, self.through = pick(one.above, part, n), pick(one.through, part, n)
        self.below = pick(one.below, part, n)
        self.sign = None
        if signs is not None:
            sign = np.where(self.open, signs[:, kink.first + self.index], 0)
            if sign.any():
                piece = np.where(sign > 0, kink.right, kink.left)
                self.sign = sign.astype(np.float64)
                self.open = self.open & (sign == 0)
                self.above, self.below = (np.where(sign != 0, piece, v) for v in (self.above, self.below))
                self.through = np.where(sign != 0, 0.0, self.through)

    def begin(self, slopes: Array | None, multipliers: Array | None) -> None:
        """Where to start."""
        given = self.below if slopes is None else np.clip(slopes, self.kink.left, self.kink.right)
        self.slopes = np.where(self.open, given, self.below)
        self.beta = None
        if self.sign is not None:
            zeros = np.zeros(self.slopes.shape)
            self.beta = zeros if multipliers is None else multipliers * np.abs(self.sign)
        self.kept_slopes, self.kept_beta = self.slopes, self.beta
        self.arriving = self.kept_arriving = np.zeros(self.slopes.shape)
        self.mean: list[Array | float] = [0.0, 0.0]
        self.square: list[Array | float] = [0.0, 0.0]

    def backward(self, a: Array) -> tuple[Array, Array]:
        """Coefficients ``(N, S)`` carried through; what the lines' offsets add ``(N,)``."""
        mine = a[:, self.index]
        self.arriving = mine
        positive = np.maximum(mine, 0.0)
        negative = mine - positive
        carried = positive * self.slopes + negative * self.above
        if self.beta is not None and self.sign is not None:
            carried -= self.beta * self.sign
        passed = a * self.fixed
        passed[:, self.index] = carried
        return passed, np.einsum("ij,ij->i", negative, self.through)

    def forward(self, z: Array, step: float, number: int) -> Array:
        """Values ``(N, S)`` pushed through the lines that were met, and one step up the gradient."""
        mine = z[:, self.index]
        a = self.arriving
        out = z * self.fixed
        out[:, self.index] = np.where(a > 0, self.slopes * mine, self.above * mine + self.through)
        kink = self.kink
        slope = np.maximum(a, 0.0) * mine
        moved = self.slopes + (step * (kink.right - kink.left)) * self._scaled(0, slope, number)
        self.slopes = np.where(self.open, np.clip(moved, kink.left, kink.right), self.below)
        if self.beta is not None and self.sign is not None:
            change = self._scaled(1, -self.sign * mine, number)
            scale = np.maximum(np.abs(a).max(axis=1, keepdims=True, initial=0.0), 1e-9)
            self.beta = np.maximum(self.beta + step * scale * change, 0.0) * np.abs(self.sign)
        return out

    def _scaled(self, kind: int, gradient: Array, number: int) -> Array:
        """Adam's direction."""
        m = self.mean[kind] = FIRST * self.mean[kind] + (1 - FIRST) * gradient
        v = self.square[kind] = SECOND * self.square[kind] + (1 - SECOND) * gradient * gradient
        one, two = 1 - FIRST ** (number + 1), 1 - SECOND ** (number + 1)
        return np.asarray((m / one) / (np.sqrt(v / two) + 1e-12))

    def keep(self, better: Array) -> None:
        """Remember the rows that this iteration made better."""
        at = better[:, None]
        self.kept_slopes = np.where(at, self.slopes, self.kept_slopes)
        self.kept_arriving = np.where(at, self.arriving, self.kept_arriving)
        if self.beta is not None and self.kept_beta is not None:
            self.kept_beta = np.where(at, self.beta, self.kept_beta)


def _orders(plan: Plan, target: str, knots: tuple[str, ...]) -> tuple[list[Step], list[Step]]:
    """The steps upstream of the target, last first; and those that some knot needs to be reached, first first."""
    wanted = plan.upstream(target)
    back = [s for s in reversed(plan.steps) if s.node.name in wanted and s.node.name in plan.live]
    needed: set[str] = set()
    for name in knots:
        needed |= plan.upstream(name)
    return back, [s for s in plan.steps if s.node.name in needed and s.node.name in plan.live]


def through_linear(
    step: Step, form: Linear, a: Array
) -> tuple[list[tuple[str | None, Array]], Array | float]:
    """A linear node: coefficients for its operands, and what its bias adds."""
    n = len(a)
    added: Array | float = 0.0
    if form.bias is not None:
        added = a.reshape(n, -1) @ np.broadcast_to(form.bias, (1, *step.node.shape)).reshape(-1)
    pieces = [
        (step.operands[i], a if m.adjoint is same else m.adjoint(a))
        for i, m in enumerate(form.maps)
        if m is not None
    ]
    return pieces, added


def through_lines(
    step: Step, form: Relaxation, a: Array, part: Array
) -> tuple[list[tuple[str | None, Array]], Array]:
    """A nonlinear node without choices: as `semantics.backward` does it, uncharged."""
    n = len(a)
    positive = np.maximum(a, 0.0)
    negative = a - positive
    low, high = (pick(x.offset, part, n) for x in (form.lower, form.upper))
    added = (positive * low + negative * high).reshape(n, -1).sum(axis=1)
    pieces: list[tuple[str | None, Array]] = []
    for i, operand in enumerate(step.operands):
        shape = step.call.shapes[i]
        unfold = form.unfold[i] if i < len(form.unfold) else None
        piece: Array | float = 0.0
        some = False
        for rows, side in ((positive, form.lower), (negative, form.upper)):
            slope = side.slopes[i] if i < len(side.slopes) else None
            if slope is not None:
                some = True
                piece = piece + (rows if unfold is None else rows[..., None]) * pick(slope, part, n)
        if some and shape is not None:
            whole = np.asarray(piece)
            pieces.append((operand, gather(whole, shape) if unfold is None else unfold.adjoint(whole)))
    return pieces, added


def value_of(step: Step, form: Relaxation, side: Lines, operands: list[Array | None], part: Array) -> Array:
    """The values of one side's lines."""
    n = len(part)
    total = pick(np.broadcast_to(side.offset, (len(side.offset), *step.node.shape)), part, n)
    for i, slope in enumerate(side.slopes):
        x = operands[i]
        if slope is None or x is None:
            continue
        unfold = form.unfold[i] if i < len(form.unfold) else None
        if unfold is None:
            total = total + pick(slope, part, n) * spread(x, step.node.shape)
        else:
            total = total + (pick(slope, part, n) * unfold.apply(x)).sum(axis=-1)
    return np.asarray(np.broadcast_to(total, (n, *step.node.shape)))
