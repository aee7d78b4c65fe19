"""alpha-beta-CROWN on reduced networks: slopes and multipliers of many rows, every bound charged for its rounding.

Slopes: Xu et al. 2021, arXiv:2011.13824; multipliers of decided signs: Wang et al. 2021, arXiv:2103.06624.  Gradients
as in `methods.alpha`: coefficients go back, the minimiser goes forward, their product is the derivative.

Soundness.  Let L_i be the coefficient that arrives at open neuron i, K_i = max(L,0) slope + min(L,0) chord - beta
sign what goes on to its operand, g_i the steepest of its slopes.  |K_i| <= |L_i| g_i + beta_i; computing it rounds
three times.  K is then multiplied into matrices of at most 2 K terms an element, whose magnitudes over the region are
below v_i (`Side.size`), and the statement about z_i itself holds up to debt_i.  So each unit of |L_i| g_i + beta_i is
charged

    debt_i + gamma v_i + 4 u |z_i|max,        gamma = (2 K + 2 blocks + 32) u,

each row gamma times its own size and its own debt, each offset t_i gamma |L_i| t_i, all of it times INFLATE.

Only the last pass is charged, in float64, for what the steps before it chose: these are made in binary32 where the
matrices are large.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from workbench.graph import Array
from workbench.methods.ascent import FIRST, LEAST, SECOND, SHRINK, STEP
from workbench.methods.reduced import UNDERFLOW, Reduced, Side
from workbench.methods.scene import pick
from workbench.ops.relu import lines
from workbench.semantics.backward import INFLATE
from workbench.semantics.interval import TINY, UNIT, Interval

NARROW = 1 << 16  # elements of the matrices from which steps are made in binary32
FINISHED = 0.25  # share of the rows that must need no more for the others to go on without them


@dataclass(frozen=True, slots=True, eq=False)
class Chords:
    """Lines of the open neurons on P parts, each ``(P, K)``; see `chords`.

    below, above, through : slopes of the lines below that the operator's rule chooses, and the lines above.
    open : where the sign is open.
    sign : +1 or -1 where it was decided by splitting, else 0.
    """

    below: Array
    above: Array
    through: Array
    open: Array
    sign: Array

    def take(self, part: Array) -> Chords:
        """The lines of each row."""
        return Chords(*(pick(getattr(self, f), part, len(part)) for f in self.__slots__))

    def of(self, dtype: Any) -> Chords:
        """The lines in another float type."""
        below, above, through = (getattr(self, f).astype(dtype) for f in ("below", "above", "through"))
        return Chords(below, above, through, self.open, self.sign)


def chords(net: Reduced, low: Array, high: Array, signs: Array | None = None) -> Chords:
    """Lines over ``low <= z <= high``, ``(P, K)``, and where signs ``(P, K)`` were decided by splitting."""
    low, high = (np.array(np.broadcast_to(e, (len(e), net.count))) for e in (low, high))
    sign = np.zeros(low.shape, np.int8) if signs is None else np.where((low < 0) & (high > 0), signs, 0)
    low, high = np.where(sign > 0, 0.0, low), np.where(sign < 0, 0.0, high)
    below, above, through = (np.zeros(low.shape) for _ in range(3))
    for block in net.blocks:
        found = lines(Interval(low[:, block.at], high[:, block.at]), block.kink.left, block.kink.right)
        under, over = found.lower.slopes[0], found.upper.slopes[0]
        assert under is not None
        assert over is not None
        below[:, block.at], above[:, block.at] = under, over
        through[:, block.at] = found.upper.offset
    return Chords(below, above, through, (low < 0) & (high > 0), sign)


@dataclass(frozen=True, slots=True, eq=False)
class Risen:
    """What optimising gave, one entry a row.

    Parameters
    ----------
    lower : ``(N,)``: lower bounds of the rows on their parts; they hold.
    points, coefficients : ``(N, inputs)``: where the row's lines are least, and how they depend on the inputs.
    slopes, multipliers, arriving : ``(N, K)``: the choice, and the coefficients that arrive at the open neurons.
    """

    lower: Array
    points: Array
    coefficients: Array
    slopes: Array
    multipliers: Array | None
    arriving: Array


def gathered(parts: Sequence[Risen]) -> Risen:
    """What several calls gave, as one."""
    if len(parts) == 1:
        return parts[0]
    lower, points, coefficients, slopes, arriving = (
        np.concatenate([getattr(p, f) for p in parts])
        for f in ("lower", "points", "coefficients", "slopes", "arriving")
    )
    beta = [np.zeros(p.slopes.shape) if p.multipliers is None else p.multipliers for p in parts]
    some = any(p.multipliers is not None for p in parts)
    return Risen(lower, points, coefficients, slopes, np.concatenate(beta) if some else None, arriving)


def optimise(
    net: Reduced,
    side: Side,
    row: Array,
    over: Chords,
    part: Array,
    *,
    iterations: int,
    slopes: Array | None = None,
    multipliers: Array | None = None,
    enough: Array | float = np.inf,
    step: float = STEP,
    late: Callable[[], bool] | None = None,
) -> Risen:
    """Raise the lower bounds of N rows.

    Parameters
    ----------
    side, row : rows of `side`, by index ``(N,)``.
    over, part : lines of P parts, and the part of each row ``(N,)``.
    iterations : gradient steps; 0 takes slopes and multipliers as they are.
    slopes, multipliers : ``(N, K)`` to start from; by default CROWN's, and none.
    enough : a value above which a row needs no more, ``(N,)`` or one for all.
    step : the first step of a slope.
    late : asked before every step whether to leave it at what there is.
    """
    lines_ = over.take(part)
    with np.errstate(all="ignore"):
        if iterations:
            enough = np.broadcast_to(np.asarray(enough, np.float64), row.shape)
            slopes, multipliers = _climbed(
                net, side, row, lines_, iterations, slopes, multipliers, enough, step, late
            )
        last = _Run(net, side, row, lines_, np.float64)
        last.begin(*(None if v is None else v.astype(np.float32) for v in (slopes, multipliers)))
        last.backward()
        lower = last.charged()
    return Risen(lower, last.point, last.coefficients, last.slopes, last.beta, last.arriving)


def estimate(
    net: Reduced, side: Side, row: Array, over: Chords, part: Array, slopes: Array, multipliers: Array | None
) -> Array:
    """About what bounds ``(N,)`` slopes and multipliers would give: to compare choices by; they are no bounds."""
    with np.errstate(all="ignore"):
        run = _Run(net, side, row, over.take(part), _narrow(net))
        run.begin(slopes, multipliers)
        run.backward()
    return run.best


def _narrow(net: Reduced) -> Any:
    return np.float32 if net.count * net.below.outer.shape[1] >= NARROW else np.float64


def _climbed(
    net: Reduced,
    side: Side,
    row: Array,
    over: Chords,
    iterations: int,
    slopes: Array | None,
    multipliers: Array | None,
    enough: Array,
    step: float,
    late: Callable[[], bool] | None,
) -> tuple[Array, Array | None]:
    """The best slopes and multipliers of some steps; rows that need no more are left where they are."""
    run = _Run(net, side, row, over, _narrow(net))
    run.begin(slopes, multipliers)
    shrink = max(SHRINK, LEAST ** (1 / iterations))
    best = np.empty((len(row), net.count), run.dtype)
    beta = None if run.beta is None else np.empty_like(best)
    going = np.arange(len(row))
    for number in range(iterations + 1):
        run.backward()
        done = run.best > enough[going]
        over_ = number == iterations or bool(done.all()) or (late is not None and late())
        if over_ or (number % 3 == 0 and done.mean() > FINISHED):
            leave = np.ones(len(going), bool) if over_ else done
            best[going[leave]] = run.kept_slopes[leave]
            if beta is not None and run.kept_beta is not None:
                beta[going[leave]] = run.kept_beta[leave]
            if over_:
                break
            going = going[~done]
            run.keep(~done)
        run.forward(step * shrink**number, number)
    return best, beta


class _Run:
    """Rows on their way up, in one float type; nothing is a bound but what `charged` gives."""

    def __init__(self, net: Reduced, side: Side, row: Array, over: Chords, dtype: Any) -> None:
        self.net, self.side, self.row, self.dtype = net, side, row, dtype
        self.over = over if dtype == np.float64 else over.of(dtype)
        self.below, self.above = net.matrices(dtype)
        self.outer, self.inner, self.bias = (
            np.asarray(getattr(side, f)[row], dtype) for f in ("outer", "inner", "bias")
        )
        low, high = net.region.lower.reshape(1, -1), net.region.upper.reshape(1, -1)
        middle = 0.5 * low + 0.5 * high
        self.middle, self.radius = middle.astype(dtype), np.maximum(high - middle, middle - low).astype(dtype)
        self.sign = over.sign.astype(dtype) if over.sign.any() else None
        self.best = np.full(len(row), -np.inf)

    def begin(self, slopes: Array | None, multipliers: Array | None) -> None:
        """Where to start: what is not a number is not taken."""
        net, over = self.net, self.over
        given = over.below if slopes is None else np.clip(slopes, net.left, net.right).astype(self.dtype)
        self.slopes = np.where(over.open & np.isfinite(given), given, over.below)
        self.beta = None
        if self.sign is not None:
            self.beta = np.zeros(self.sign.shape, self.dtype)
            if multipliers is not None:
                usable = np.isfinite(multipliers) & (multipliers > 0) & (self.sign != 0)
                self.beta = np.where(usable, multipliers, 0.0).astype(self.dtype)
        self.kept_slopes, self.kept_beta = self.slopes, self.beta
        self.mean: list[Array | float] = [0.0, 0.0]
        self.square: list[Array | float] = [0.0, 0.0]

    def keep(self, rows: Array) -> None:
        """Go on with some of the rows; called after `backward`."""
        self.row, self.over = self.row[rows], Chords(*(getattr(self.over, f)[rows] for f in Chords.__slots__))
        for name in (
            "outer",
            "inner",
            "bias",
            "best",
            "slopes",
            "kept_slopes",
            "arriving",
            "passed",
            "point",
        ):
            setattr(self, name, getattr(self, name)[rows])
        for name in ("sign", "beta", "kept_beta"):
            held = getattr(self, name)
            setattr(self, name, None if held is None else held[rows])
        for moment in (self.mean, self.square):
            for k, held in enumerate(moment):
                moment[k] = held[rows] if isinstance(held, np.ndarray) else held

    def backward(self) -> None:
        """Coefficients carried back to the inputs; about the bound that they give, and the best so far kept."""
        net, over = self.net, self.over
        arriving = self.inner.copy()
        passed = np.empty_like(arriving)
        for block in reversed(net.blocks):
            at = block.at
            mine = arriving[:, at]
            positive = np.maximum(mine, 0.0)
            carried = positive * self.slopes[:, at] + (mine - positive) * over.above[:, at]
            if self.beta is not None and self.sign is not None:
                carried -= self.beta[:, at] * self.sign[:, at]
            passed[:, at] = carried
            if at.start:
                before = slice(0, at.start)
                arriving[:, before] += self._times(carried, "inner", at, before)
        self.coefficients = self.outer + self._to_inputs(passed)
        self.offsets = np.einsum("ij,ij->i", np.minimum(arriving, 0.0), over.through)
        self.biases = self._constants(passed)
        self.arriving, self.passed = arriving, passed
        self.point = self.middle - np.sign(self.coefficients) * self.radius
        value = self.bias + self.offsets + self.biases
        value = value + np.einsum("ij,ij->i", self.coefficients, self.point)
        better = value > self.best
        self.best = np.where(better, value, self.best)
        if better.all():
            self.kept_slopes, self.kept_beta = self.slopes, self.beta
        elif better.any():
            self.kept_slopes = np.where(better[:, None], self.slopes, self.kept_slopes)
            if self.beta is not None and self.kept_beta is not None:
                self.kept_beta = np.where(better[:, None], self.beta, self.kept_beta)

    def charged(self) -> Array:
        """The bound of the last pass, which holds: see the module's text."""
        net, side, row = self.net, self.side, self.row
        gamma = (2 * net.count + 2 * len(net.blocks) + 32) * UNIT * INFLATE
        z = np.maximum(np.abs(net.low), np.abs(net.high))
        steep = np.maximum(np.abs(net.left), np.abs(net.right))
        unit = np.maximum(net.below.debt + gamma * net.below.size, net.above.debt + gamma * net.above.size)
        unit = (unit + 4 * UNIT * z) * INFLATE + TINY
        widest = np.maximum(np.abs(net.region.lower), np.abs(net.region.upper)).sum()
        spare = UNDERFLOW * (1.0 + (z * (1 + steep)).sum() + widest)
        size = np.abs(self.arriving)
        debt = side.debt[row] + gamma * side.size[row] + spare * INFLATE
        debt = debt + (size @ (unit * steep * INFLATE + TINY))
        debt = debt + gamma * np.einsum("ij,ij->i", size, np.abs(self.over.through))
        if self.beta is not None:
            debt = debt + self.beta @ unit
        debt = debt + (8 * UNIT) * (np.abs(self.bias) + np.abs(self.offsets) + np.abs(self.biases))
        total = np.nextafter(self.bias + self.offsets + self.biases - debt * INFLATE, -np.inf)
        rows = self.coefficients.reshape(1, len(row), *net.region.shape)
        low = np.nextafter(total + net.region.minimum(rows)[0], -np.inf)
        return np.asarray(np.where(np.isnan(low), -np.inf, low))

    def _times(self, carried: Array, field: str, at: slice, columns: slice) -> Array:
        """Coefficients of z replaced by what z is nowhere below, or above where they are negative."""
        below = getattr(self.below, field)[at, columns]
        if self.net.pure:
            return np.asarray(carried @ below)
        positive = np.maximum(carried, 0.0)
        return np.asarray(positive @ below + (carried - positive) @ getattr(self.above, field)[at, columns])

    def _to_inputs(self, passed: Array) -> Array:
        """Coefficients of the open neurons' operands carried to the inputs; what is 0 is left out."""
        tiles = self.net.tiles(self.dtype)
        if tiles is None:
            return self._times(passed, "outer", slice(0, self.net.count), slice(None))
        found = np.empty_like(self.outer)
        for columns, rows, matrix in tiles:
            found[:, columns] = passed[:, rows] @ matrix
        return found

    def _from_inputs(self) -> Array:
        """What the minimisers give for the operands, as far as they read inputs."""
        tiles = self.net.tiles(self.dtype)
        if tiles is None:
            return self._values(self.point, "outer", slice(0, self.net.count), slice(None))
        found = np.tile(self.below.bias, (len(self.point), 1))
        for columns, rows, matrix in tiles:
            found[:, rows] += self.point[:, columns] @ matrix.T
        return found

    def _constants(self, passed: Array) -> Array:
        if self.net.pure:
            return np.asarray(passed @ self.below.bias)
        positive = np.maximum(passed, 0.0)
        return np.asarray(positive @ self.below.bias + (passed - positive) @ self.above.bias)

    def forward(self, step: float, number: int) -> None:
        """The minimisers pushed forward, and one step of slopes and multipliers."""
        net, over = self.net, self.over
        z, a = np.empty_like(self.arriving), np.empty_like(self.arriving)
        from_inputs = self._from_inputs()
        for block in net.blocks:
            at = block.at
            mine = from_inputs[:, at]
            if at.start:
                before = slice(0, at.start)
                mine = mine + self._values(a[:, before], "inner", at, before)
            z[:, at] = mine
            chord = over.above[:, at] * mine + over.through[:, at]
            a[:, at] = np.where(self.arriving[:, at] > 0, self.slopes[:, at] * mine, chord)
        slope = np.maximum(self.arriving, 0.0) * z
        moved = self.slopes + (step * (net.right - net.left)) * self._scaled(0, slope, number)
        moved = np.clip(moved, net.left, net.right).astype(self.dtype)
        self.slopes = np.where(over.open, moved, over.below)
        if self.beta is not None and self.sign is not None:
            change = self._scaled(1, -self.sign * z, number)
            for block in net.blocks:
                at = block.at
                scale = np.maximum(np.abs(self.arriving[:, at]).max(axis=1, keepdims=True), 1e-9)
                change[:, at] *= scale
            self.beta = np.maximum(self.beta + step * change, 0.0).astype(self.dtype) * np.abs(self.sign)

    def _values(self, x: Array, field: str, at: slice, columns: slice) -> Array:
        """What the lines that were met give for z; the bias comes with the inputs."""
        below = x @ getattr(self.below, field)[at, columns].T
        if field == "outer":
            below = below + self.below.bias[at]
        if self.net.pure:
            return np.asarray(below)
        above = x @ getattr(self.above, field)[at, columns].T
        if field == "outer":
            above = above + self.above.bias[at]
        return np.where(self.passed[:, at] > 0, below, above)

    def _scaled(self, kind: int, gradient: Array, number: int) -> Array:
        """Adam's direction."""
        m = self.mean[kind] = FIRST * self.mean[kind] + (1 - FIRST) * gradient
        v = self.square[kind] = SECOND * self.square[kind] + (1 - SECOND) * gradient * gradient
        one, two = 1 - FIRST ** (number + 1), 1 - SECOND ** (number + 1)
        return np.asarray((m / one) / (np.sqrt(v / two) + 1e-12))
