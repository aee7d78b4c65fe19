"""alpha-beta-CROWN on dense chains: the free slopes of relus and the multipliers of decided signs, optimised a row.

Slopes (Xu et al. 2021, arXiv:2011.13824): below an open relu any line ``alpha z`` with 0 <= alpha <= 1 holds.
Multipliers (Wang et al. 2021, arXiv:2103.06624): where a sign is decided, s z >= 0, subtracting ``beta s z`` with
beta >= 0 keeps a row a lower bound.

The gradient takes no tape (envelope theorem).  For one row the bound is ``min over x of L x + c``; with x* the
minimiser pushed *forward* through the row's own lines, z* the values there and L_i the coefficient that arrives at
relu i, ``d bound / d alpha_i = max(L_i, 0) z*_i`` and ``d bound / d beta_i = - s_i z*_i``: two passes an iteration.

Every iteration's bound is charged for its own rounding as in `methods.dense` and is true by itself; the best is kept.
Here a row over z is ``L_z = max(L,0) alpha + min(L,0) s - beta``, of size at most |L| + |beta| (all slopes are at most
1), so that each of the two is charged with ``2 g v + e + (2 n + 16) u (t + |b|)``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from workbench.graph import Array
from workbench.methods.chain import SMALL, Chain, product
from workbench.methods.dense import ROWS, Boxes, Walk
from workbench.methods.progress import Progress
from workbench.semantics.backward import INFLATE
from workbench.semantics.interval import UNIT

STEP, SHRINK = 0.25, 0.96  # the first step of a slope, and how steps shrink
LEAST = 1e-3  # of the first step: what is left of it in the end, at least
FIRST, SECOND = 0.9, 0.99  # how fast the means of gradients and of their squares forget (Adam)


@dataclass(frozen=True, slots=True, eq=False)
class Tuned:
    """What optimising gave, one entry a row.

    lower : ``(N,)``: the best bound.
    coefficients, constant : of the iteration that it came from, ``(N, inputs)`` and ``(N,)``.
    slopes : by layer, ``(N, n)``, likewise.
    arriving : by layer, ``(N, n)``: the coefficients at the relus, likewise: what a branching rule looks at.
    """

    lower: Array
    coefficients: Array
    constant: Array
    slopes: tuple[Array, ...]
    arriving: tuple[Array, ...]


def optimise(
    walk: Walk,
    start: Array,
    constant: Array,
    debt: Array,
    box: Array,
    *,
    iterations: int,
    signs: tuple[Array, ...] | None = None,
    slopes: tuple[Array, ...] | None = None,
    enough: Array | float = np.inf,
    step: float = STEP,
) -> Tuned:
    """Raise the lower bounds of rows.

    Parameters
    ----------
    walk : bounds and lines of the layers below.
    start, constant, debt : rows over the last of these layers' relus, ``(N, n)``, ``(N,)``, ``(N,)``.
    box : ``(N,)``: the box of each row.
    iterations : gradient steps; 0 is one bound with the slopes given.
    signs : by layer ``(B, n)``: +1 or -1 where a sign was decided, else 0.
    slopes : to start from; by default CROWN's.
    enough : a bound above which a row needs no more.
    step : the first step of a slope.
    """
    run = _Run(walk, start, constant, debt, box, signs)
    run.begin(slopes)
    run.shrink = max(SHRINK, LEAST ** (1 / max(1, iterations)))
    with np.errstate(all="ignore"):
        for number in range(iterations + 1):
            point = run.bound()
            if number == iterations or bool((run.best > enough).all()):
                break
            run.climb(point, number, step)
    return Tuned(run.best, run.kept, run.kept_constant, tuple(run.kept_slopes), tuple(run.kept_arriving))


def alpha_walk(
    chain: Chain, boxes: Boxes, iterations: int, progress: Progress | None = None, step: float = STEP
) -> Walk:
    """Bounds of every open neuron with its own slopes, layer by layer; `progress` may stop it."""

    def tune(walk: Walk, start: Array, constant: Array, debt: Array, box: Array) -> Array:
        found = np.empty(len(start))
        for first in range(0, len(start), ROWS):
            if progress is not None:
                k = len(walk.lows)
                progress(k / len(chain.layers), chain.layers[k].node)
            part = slice(first, first + ROWS)
            rows = start[part], constant[part], debt[part], box[part]
            # a neuron whose sign is proved needs no better bound
            found[part] = optimise(walk, *rows, iterations=iterations, enough=0.0, step=step).lower
        return found

    with np.errstate(all="ignore"):
        walk = Walk(chain, boxes, tune)
        for k in range(len(chain.layers) - 1):
            walk.layer(k)
    return walk


class _Run:
    def __init__(
        self,
        walk: Walk,
        start: Array,
        constant: Array,
        debt: Array,
        box: Array,
        signs: tuple[Array, ...] | None,
    ) -> None:
        self.walk, self.box, self.count = walk, box, len(walk.lines)
        self.start, self.constant, self.debt = start, constant, debt
        self.signs = None if signs is None else [s[box] for s in signs]
        self.above = [lines.above[box] for lines in walk.lines]
        self.through = [lines.through[box] for lines in walk.lines]
        self.open = [lines.open[box] for lines in walk.lines]
        self.charge = []
        for k, lines in enumerate(walk.lines):
            layer = walk.chain.layers[k]
            n = layer.weight.shape[0]
            each = (2.0 * layer.loss) * lines.v + layer.bias_error
            each = each + ((2 * n + 16) * UNIT) * (lines.through + layer.sized_bias)
            self.charge.append((each * INFLATE + 8 * SMALL)[box])
        n = len(start)
        self.shrink = SHRINK
        self.best = np.full(n, -np.inf)
        self.kept = np.zeros((n, walk.chain.inputs))
        self.kept_constant = np.full(n, -np.inf)

    def begin(self, slopes: tuple[Array, ...] | None) -> None:
        """Slopes to start from; momentum at rest."""
        lines = self.walk.lines
        given = [x.slope[self.box] + x.slope_gap[self.box] for x in lines] if slopes is None else slopes
        self.slopes = [
            np.where(o, np.clip(g, 0.0, 1.0), a) for o, g, a in zip(self.open, given, self.above, strict=True)
        ]
        self.beta = None if self.signs is None else [np.zeros(s.shape) for s in self.signs]
        self.kept_slopes = [s.copy() for s in self.slopes]
        self.kept_arriving = [np.zeros(s.shape) for s in self.slopes]
        sets = 2 if self.beta is not None else 1
        self.mean = [[np.zeros(s.shape) for s in self.slopes] for _ in range(sets)]
        self.square = [[np.zeros(s.shape) for s in self.slopes] for _ in range(sets)]

    def bound(self) -> Array:
        """One charged backward pass with slopes and multipliers as they are; the minimisers ``(N, inputs)``."""
        a, c, d = self.start, self.constant, self.debt
        self.arriving = [a] * self.count
        for j in range(self.count - 1, -1, -1):
            layer = self.walk.chain.layers[j]
            self.arriving[j] = a
            size = np.abs(a)
            positive = 0.5 * (a + size)
            negative = a - positive
            d = d + (np.einsum("ij,ij->i", size, self.charge[j]) + self.walk.lines[j].spare[self.box])
            c = c + np.einsum("ij,ij->i", negative, self.through[j])
            d += UNIT * np.abs(c)
            a = positive * self.slopes[j] + negative * self.above[j]
            if self.beta is not None and self.signs is not None:
                a -= self.beta[j] * self.signs[j]
                d += np.einsum("ij,ij->i", self.beta[j], self.charge[j])
            c = c + a @ layer.bias
            d += UNIT * np.abs(c)
            a = product(a, layer.weight)
        total = np.nextafter(c - d * INFLATE, -np.inf)
        low = self.walk.least(a, total, self.box)
        better = low > self.best
        self.best = np.where(better, low, self.best)
        self.kept[better], self.kept_constant[better] = a[better], total[better]
        for j in range(self.count):
            self.kept_slopes[j][better] = self.slopes[j][better]
            self.kept_arriving[j][better] = self.arriving[j][better]
        middle, radius = self.walk.middle[self.box], self.walk.radius[self.box]
        return np.asarray(middle - np.sign(a) * radius)

    def climb(self, point: Array, number: int, first: float = STEP) -> None:
        """One step up the gradient, found by pushing the minimisers forward."""
        x, step = point, first * self.shrink**number
        for j in range(self.count):
            layer, a = self.walk.chain.layers[j], self.arriving[j]
            z = product(x, layer.weight.T) + layer.bias
            # the lines of the pass that the minimisers belong to
            x = np.where(a > 0, self.slopes[j] * z, self.above[j] * z + self.through[j])
            slope = np.maximum(a, 0.0) * z * self.open[j]
            self.slopes[j] = np.clip(self.slopes[j] + step * self._scaled(0, j, slope, number), 0.0, 1.0)
            self.slopes[j] = np.where(self.open[j], self.slopes[j], self.above[j])
            if self.beta is not None and self.signs is not None:
                change = self._scaled(1, j, -self.signs[j] * z, number)
                scale = np.maximum(np.abs(a).max(axis=1, keepdims=True), 1e-9)
                self.beta[j] = np.maximum(self.beta[j] + step * scale * change, 0.0) * np.abs(self.signs[j])

    def _scaled(self, kind: int, j: int, gradient: Array, number: int) -> Array:
        """Adam's direction."""
        m, v = self.mean[kind], self.square[kind]
        m[j] = FIRST * m[j] + (1 - FIRST) * gradient
        v[j] = SECOND * v[j] + (1 - SECOND) * gradient * gradient
        return np.asarray(
            (m[j] / (1 - FIRST ** (number + 1))) / (np.sqrt(v[j] / (1 - SECOND ** (number + 1))) + 1e-12)
        )
