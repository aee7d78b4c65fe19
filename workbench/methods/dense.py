"""Dense chains of affine maps and relus, bounded by CROWN for many regions at once: what branch and bound runs on.

The general walk (`semantics.backward`) stays the source of truth; this is the same mathematics for one special shape of
network, laid out so that a few matrix products serve thousands of small boxes.  Rows are flat: one row is one neuron of
one box that is not yet known to be stable, so that boxes with few open neurons cost little.

Soundness, as in `backward`: the coefficients need no trust, only their residual does.  Layer k is z = A a + b, held as
weight W with ``|A - W| <= g M`` entrywise, M >= |A| and g a few units of 2^-53.  With v >= M |a|max + |b| >= |z|max the
rows L W, L . b of a row L over z err by at most ``(n + 8 + terms) u |L| . v`` together, plus the bias' own error e.
Carried on through relu (slopes at most 1), the row over z is ``L_z = max(L,0) d + min(L,0) s`` from the row L over a,
|L_z| <= |L| max(d, s), so that all of it is charged on |L|, once, inside the offsets of the two lines:

    L . a  >=  L_z W . a' + max(L,0) . (d b - Q) + min(L,0) . (s b + t + Q) - (underflow),
    Q = max(d, s) (2 g v + e) + (2 n + 16) u (|t| + max(d, s) |b|),

one dot product, charges included; the second g v and n pay for the slopes' and offsets' own roundings.  Underflowing
products are charged a priori, a scalar a box and layer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from workbench.arrays.kernels import relax_each
from workbench.graph import Array
from workbench.methods.chain import SMALL, Chain, Layer, product
from workbench.methods.progress import Progress
from workbench.semantics.backward import INFLATE
from workbench.semantics.interval import UNIT

ROWS = 1024  # rows that are carried together: a few arrays of them stay in the caches


@dataclass(frozen=True, slots=True, eq=False)
class Boxes:
    """Boxes and what is known of the neurons over them.

    Parameters
    ----------
    lower, upper : ``(B, inputs)``.
    lows, highs : by layer but the last, ``(B, n)``: bounds of z, proved on these boxes or on larger ones.
    """

    lower: Array
    upper: Array
    lows: tuple[Array, ...]
    highs: tuple[Array, ...]

    def __len__(self) -> int:
        return len(self.lower)

    def take(self, index: Array | slice) -> Boxes:
        """Some of the boxes."""
        return Boxes(
            self.lower[index],
            self.upper[index],
            tuple(v[index] for v in self.lows),
            tuple(v[index] for v in self.highs),
        )


def together(parts: Sequence[Boxes]) -> Boxes:
    """Several batches as one."""
    if len(parts) == 1:
        return parts[0]
    many = range(len(parts[0].lows))
    return Boxes(
        np.concatenate([p.lower for p in parts]),
        np.concatenate([p.upper for p in parts]),
        tuple(np.concatenate([p.lows[k] for p in parts]) for k in many),
        tuple(np.concatenate([p.highs[k] for p in parts]) for k in many),
    )


def fresh(chain: Chain, lower: Array, upper: Array) -> Boxes:
    """Boxes of which nothing is known yet."""
    ends = [np.full((len(lower), layer.weight.shape[0]), np.inf) for layer in chain.layers[:-1]]
    return Boxes(lower, upper, tuple(-e for e in ends), tuple(ends))


@dataclass(frozen=True, slots=True, eq=False)
class Lines:
    """Relu lines of one layer over B boxes, biases and charges folded in: see the module's formula.

    Held as half sums and half differences of the lines below and above: ``max(L,0) d + min(L,0) s`` is
    ``L (d + s)/2 + |L| (d - s)/2``, which takes no choice (a choice an element is ten times as slow as a product).
    """

    slope: Array
    slope_gap: Array
    offset: Array
    offset_gap: Array
    spare: Array
    above: Array
    through: Array
    open: Array
    v: Array


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """What `bound` proves: ``rows . y >= coefficients . x + constant`` on each box, and at least `lower` there.

    coefficients : ``(N, inputs)``; constant, lower : ``(N,)``; box, row : which box and row, ``(N,)``.
    boxes : the boxes with their neurons' bounds improved.
    walk : the lines that were used, for further rows.
    """

    coefficients: Array
    constant: Array
    lower: Array
    box: Array
    row: Array
    boxes: Boxes
    walk: Walk


def bound(chain: Chain, boxes: Boxes, rows: Array, wanted: Array, progress: Progress | None = None) -> Found:
    """CROWN over many boxes.

    Parameters
    ----------
    chain : the network.
    boxes : B boxes; the bounds that they bring are intersected with, and stable neurons are not bounded again.
    rows : ``(R, outputs)`` float64.
    wanted : ``(B, R)``, which rows on which boxes.
    progress : called before every layer; may raise to stop.
    """
    with np.errstate(all="ignore"):
        walk = Walk(chain, boxes)
        for k in range(len(chain.layers) - 1):
            if progress is not None:
                progress(k / len(chain.layers), chain.layers[k].node)
            walk.layer(k)
        box, row = np.nonzero(wanted)
        coefficients, constant = walk.back(len(chain.layers) - 2, *walk.start(rows, box, row), box)
        lower = walk.least(coefficients, constant, box)
    done = replace(boxes, lows=tuple(walk.lows), highs=tuple(walk.highs))
    return Found(coefficients, constant, lower, box, row, done, walk)


Tune = Callable[["Walk", Array, Array, Array, Array], Array]


class Walk:
    """One batch of boxes on its way through the layers.

    `tune`, where given, bounds rows in place of one backward pass: ``(walk, start, constant, debt, box) -> (N,)``.
    """

    def __init__(self, chain: Chain, boxes: Boxes, tune: Tune | None = None) -> None:
        self.chain, self.boxes, self.tune = chain, boxes, tune
        n = chain.inputs
        self.middle = 0.5 * boxes.lower + 0.5 * boxes.upper
        radius = np.maximum(boxes.upper - self.middle, self.middle - boxes.lower)
        self.radius = np.nextafter(radius, np.inf)
        # the ends of coefficients . x as `Region.minimum` takes them: both dot products' rounding inside the radius
        self.reach = self.radius + (4 * n + 16) * UNIT * (np.abs(self.middle) + self.radius)
        self.most = np.maximum(np.abs(boxes.lower), np.abs(boxes.upper))  # |a|max of the layer being bounded
        self.lo: Array | None = None  # its bounds, after relu; None for the input
        self.hi: Array | None = None
        self.lines: list[Lines] = []
        self.lows: list[Array] = []
        self.highs: list[Array] = []

    def majorant(self, layer: Layer) -> Array:
        """v ``(B, n)``."""
        return np.asarray((product(self.most, layer.size.T) + layer.sized_bias) * INFLATE + SMALL)

    def spare(self, layer: Layer) -> Array:
        """``(B,)``: what underflowing products may cost in one step through a layer."""
        n, m = layer.weight.shape
        return np.asarray((n + m) * SMALL * (4.0 + 2.0 * self.most.sum(axis=1)))

    def start(self, rows: Array, box: Array, row: Array) -> tuple[Array, Array, Array]:
        """Rows over the outputs carried through the last layer: coefficients, constant and debt, one a (box, row)."""
        last = self.chain.layers[-1]
        v, size = self.majorant(last), np.abs(rows)
        # rows W and rows . b, charged on |rows| . v
        over = (size @ v.T).T[box, row] * last.loss + (size @ last.bias_error + 8 * SMALL * size.sum(axis=1))[
            row
        ]
        constant = (rows @ last.bias)[row]
        debt = over * INFLATE + UNIT * np.abs(constant) + self.spare(last)[box]
        return (rows @ last.weight)[row], constant, debt

    def layer(self, k: int, *, refine: bool = True) -> None:
        """Bounds of z at layer k: interval arithmetic, what was known, and CROWN where the sign is still open."""
        layer, known = self.chain.layers[k], self.boxes
        v = self.majorant(layer)
        if self.lo is None or self.hi is None:
            c, r = self.middle, self.radius
        else:
            c = 0.5 * self.lo + 0.5 * self.hi
            r = np.nextafter(np.maximum(self.hi - c, c - self.lo), np.inf)
        centre = product(c, layer.weight.T) + layer.bias
        reach = product(r, layer.size.T) * INFLATE
        # products of c with W, of r with M, the bias, W's distance from A: all below 2 g v
        reach = reach + ((2.0 * layer.loss) * v + layer.bias_error + self.spare(layer)[:, None])
        lo = np.fmax(np.nextafter(centre - reach * INFLATE, -np.inf), known.lows[k])
        hi = np.fmin(np.nextafter(centre + reach * INFLATE, np.inf), known.highs[k])
        if k and refine:
            lo, hi = self._refine(k, layer, v, lo, hi)
        self.lows.append(lo)
        self.highs.append(hi)
        self._draw(layer, v, lo, hi)
        self.lo, self.hi = np.maximum(lo, 0.0), np.maximum(hi, 0.0)
        self.most = self.hi

    def _refine(self, k: int, layer: Layer, v: Array, lo: Array, hi: Array) -> tuple[Array, Array]:
        box, neuron = np.nonzero((lo < 0) & (hi > 0))
        if not box.size:
            return lo, hi
        debt = (layer.loss * v + layer.bias_error)[box, neuron] * INFLATE + self.spare(layer)[box]
        for sign in (1.0, -1.0):
            # the row of one neuron is its weights: no product, so that only their own error is charged
            start, constant = sign * layer.weight[neuron], sign * layer.bias[neuron]
            if self.tune is None:
                coefficients, total = self.back(k - 1, start, constant, debt, box)
                least = self.least(coefficients, total, box)
            else:
                least = self.tune(self, start, constant, debt, box)
            if sign > 0:
                lo[box, neuron] = np.fmax(lo[box, neuron], least)
            else:
                hi[box, neuron] = np.fmin(hi[box, neuron], -least)
        return lo, hi

    def _draw(self, layer: Layer, v: Array, lo: Array, hi: Array) -> None:
        """Lines over [lo, hi]: the chord is proved at both ends, as in `ops.relu`."""
        n = layer.weight.shape[0]
        open_ = (lo < 0) & (hi > 0)
        # an end beyond what the walk proves cannot be: phases or clipping have emptied the box, any line will do
        gap = np.where(open_, hi - lo, 1.0)
        above = np.where(open_, np.minimum(hi / gap, 1.0), np.where(lo >= 0, 1.0, 0.0))
        through = np.maximum(-above * lo, hi - above * hi)
        through = np.where(open_, through + (4 * UNIT * (hi - lo) + 4 * SMALL), 0.0)
        below = np.where(open_, np.where(hi > -lo, 1.0, 0.0), above)
        steep = np.maximum(below, above)
        charge = steep * ((2.0 * layer.loss) * v + layer.bias_error)
        charge = charge + ((2 * n + 16) * UNIT) * (through + steep * layer.sized_bias)
        charge = charge * INFLATE + 8 * SMALL
        low, high = below * layer.bias - charge, above * layer.bias + through + charge
        spare = self.spare(layer) + n * SMALL * (2.0 + v.sum(axis=1))
        halves = 0.5 * (below + above), 0.5 * (below - above), 0.5 * (low + high), 0.5 * (low - high)
        self.lines.append(Lines(*halves, spare, above, through, open_, v))

    def back(self, k: int, start: Array, constant: Array, debt: Array, box: Array) -> tuple[Array, Array]:
        """Rows over the relus of layer k carried to the inputs: ``(N, inputs)`` and the constant, debt paid."""
        count = len(start)
        coefficients = np.empty((count, self.chain.inputs)) if k >= 0 else start
        total = np.empty(count)
        for first in range(0, count, ROWS):
            part = slice(first, first + ROWS)
            a, c, d, b = start[part], constant[part], debt[part], box[part]
            for j in range(k, -1, -1):
                lines, weight = self.lines[j], self.chain.layers[j].weight
                halves = (lines.slope, lines.slope_gap), (lines.offset, lines.offset_gap)
                done = relax_each(a, b, *halves, own=j < k)
                if done is not None:
                    a, low, gap = done
                    c = c + low
                    d = d + (lines.spare[b] + UNIT * np.abs(c))
                    c = c + gap
                    d += UNIT * np.abs(c)
                    a = product(a, weight)
                    continue
                size = np.abs(a)
                c = c + np.einsum("ij,ij->i", a, np.take(lines.offset, b, axis=0))
                d = d + (lines.spare[b] + UNIT * np.abs(c))
                c = c + np.einsum("ij,ij->i", size, np.take(lines.offset_gap, b, axis=0))
                d += UNIT * np.abs(c)
                a = a * np.take(lines.slope, b, axis=0)
                size *= np.take(lines.slope_gap, b, axis=0)
                a += size
                a = product(a, weight)
            if k >= 0:
                coefficients[part] = a
            total[part] = np.nextafter(c - d * INFLATE, -np.inf)
        return coefficients, total

    def least(self, coefficients: Array, constant: Array, box: Array) -> Array:
        """Lower bounds ``(N,)`` over the boxes; NaN becomes minus infinity."""
        n = self.chain.inputs
        at = np.einsum("ij,ij->i", coefficients, self.middle[box])
        loss = np.einsum("ij,ij->i", np.abs(coefficients), self.reach[box])
        loss = loss * (1 + (2 * n + 8) * UNIT) + 4 * n * SMALL
        slack = 4 * UNIT * (np.abs(at) + loss + np.abs(constant))
        found = np.nextafter(constant + (at - (loss + slack)), -np.inf)
        return np.asarray(np.where(np.isnan(found), -np.inf, found))
