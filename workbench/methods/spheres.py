"""Errors in a ball as well as in a box: what a slope that is not known makes of many correlated errors.

Behind an activation whose slope lies in C +- r the error is  C d + q  with q_i = s_i d_i, |s_i| <= r_i.  That q lies in
the box |q_i| <= r_i e_i forgets that the d_i come from the same few roundings, which cannot be the worst for every
neuron at once.  With d = sum_v M_v t_v and boxes |t_v| <= b_v, for any weights w >= 0
    sum_i w_i d_i^2 = t' G t <= b' |G| b,   G = M' diag(w) M,
which for rows of mixed signs is far less than sum_i w_i e_i^2: by about the square root of their length.  So
sum_i w_i d_i^2 <= E^2, and a row L of coefficients at the activation is charged, by Cauchy and Schwarz,
    |L . q| <= |L r / sqrt(w)|_2 E,
or the box's |L| . (r e), whichever is less.  Errors that lie in a ball themselves are passed on through a bound on
the largest eigenvalue of G in their scale: its row sums, or the Frobenius norm of its square.

Everything is float64: a product of n terms errs by n u times the product of magnitudes, which is charged.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from workbench.floats.errors import raised
from workbench.graph import Array
from workbench.semantics.interval import UNIT

MOST = 1 << 22  # numbers of all coefficient matrices together, and of one Gram matrix
FEWEST = 12  # neurons of unknown slope: with fewer there is nothing to win
SQUARES = 2.0**-500  # squares of smaller numbers underflow


@dataclass(frozen=True, slots=True, eq=False)
class Sphere:
    """A node's own error p + q: ``|p| <= apart``, ``|q| <= box`` and ``|q / scale|_2 <= radius``.

    apart, box, scale : ``(n,)``; where scale is 0, box is too.
    """

    apart: Array
    box: Array
    scale: Array
    radius: float

    def charge(self, rows: Array) -> Array:
        """A bound on ``|rows . q|`` by the ball alone: ``(..., R, n) -> (..., R)``."""
        n = rows.shape[-1]
        size = np.sqrt(np.square(rows * self.scale).sum(axis=-1))
        found: Array = raised(size * self.radius, n) + (np.sqrt(n) * SQUARES) * self.radius
        return found


@dataclass(slots=True)
class Kept:
    """What a walk back from some neurons met: the coefficients at every node whose errors it charged.

    Parameters
    ----------
    count : number of neurons, the rows of all matrices.
    matrices : (node, whether the node's whole error was taken) -> ``(count, n)``.
    signed : ``(count,)``: the known part of their errors, and how far float64 is off in it.
    """

    count: int
    matrices: dict[tuple[str, bool], Array] = field(default_factory=dict)
    signed: Array = field(default_factory=lambda: np.zeros(0))
    full: bool = False

    def __post_init__(self) -> None:
        self.signed = np.zeros(self.count)

    def take(self, place: Array, name: str, closing: bool, rows: Array) -> None:
        """Coefficients ``(R, n)`` of the neurons at `place`."""
        if self.full or sum(m.size for m in self.matrices.values()) > MOST or rows.shape[-1] ** 2 > MOST:
            self.full = True
            return
        key = (name, closing)
        if key not in self.matrices:
            self.matrices[key] = np.zeros((self.count, rows.shape[-1]))
        self.matrices[key][place] = rows


def norm(
    kept: Kept,
    weights: Array,
    own: Array,
    boxes: Mapping[tuple[str, bool], Array],
    charges: Mapping[str, Array],
    spheres: Mapping[str, Sphere],
) -> float:
    """E with ``sum_i weights_i d_i^2 <= E^2``; infinite where too much would have to be looked at.

    Parameters
    ----------
    weights : ``(count,)``, >= 0.
    own : ``(count,)``: bounds on errors of the neurons that are in no matrix.
    boxes : by the keys of `kept.matrices`: ``(n,)`` bounds on the errors that the coefficients multiply.
    charges : by node: the part of its box that differs from row to row.
    spheres : by node.
    """
    if kept.full:
        return np.inf
    root = np.sqrt(weights) * (1 + 4 * UNIT)
    alone = np.abs(kept.signed) + own
    total = 0.0
    for (name, closing), m in kept.matrices.items():
        box = boxes[name, closing]
        if name in charges and not closing:
            alone = alone + np.abs(m) @ charges[name]
        scaled = root[:, None] * m
        live = np.flatnonzero(box)
        if not live.size:
            continue
        scaled, box = scaled[:, live], box[live]
        sphere = None if closing else spheres.get(name)
        if sphere is None:
            total += _box_alone(scaled, box)
            continue
        gram = scaled.T @ scaled
        rest = sphere.apart[live]
        by_ball = sphere.radius * _largest(gram, scaled, sphere.scale[live])
        total += min(_box(gram, scaled, box), _box(gram, scaled, rest) + by_ball)
    n = kept.count + sum(m.shape[1] for m in kept.matrices.values())
    alone = raised(alone, n)
    total += float(np.sqrt(np.square(root * alone).sum())) + np.sqrt(kept.count) * SQUARES * (
        1 + root.max(initial=0)
    )
    return float(raised(total, n + 64)) if np.isfinite(total) else np.inf


def _box(gram: Array, scaled: Array, box: Array) -> float:
    """sup |scaled t|_2 over |t| <= box."""
    k = len(scaled) + 4
    slack = k * UNIT * float(np.square(np.abs(scaled) @ box).sum())
    found = float(box @ (np.abs(gram) @ box)) + slack
    return float(np.sqrt(raised(found, 2 * len(box) + k))) + len(box) * SQUARES * (
        1 + float(box.max(initial=0.0))
    )


def _box_alone(scaled: Array, box: Array) -> float:
    """The same, of a matrix that nothing else is asked about: by a product in float32, in half the time.

    With h = scaled box over its largest element, float32 is off by k 2^-24 (|h|' |h|) and a little in its Gram matrix,
    which sums to that times sum_i (sum_j |h_ij|)^2; what underflows is below 2^-100 each.
    """
    h = scaled * box
    size = np.abs(h)
    top = float(size.max(initial=0.0))
    if not np.isfinite(top) or top < 2.0**-900:
        return _box(scaled.T @ scaled, scaled, box)
    narrow = (h / top).astype(np.float32)
    gram = np.abs(narrow.T @ narrow)
    k, n = len(scaled) + 8, len(box)
    slack = k * 2.0**-23 * float(np.square(size.sum(axis=1) / top).sum()) + n * n * 2.0**-100
    found = float(gram.sum(axis=1, dtype=np.float64).sum()) + slack
    return float(raised(top * np.sqrt(raised(found, 2 * n + k)), 8)) + n * SQUARES * (1 + float(box.max()))


def _largest(gram: Array, scaled: Array, scale: Array) -> float:
    """sup |scaled (scale z)|_2 over |z|_2 <= 1: the root of the largest eigenvalue of the scaled Gram matrix."""
    n, k = len(scale), len(scaled) + 4
    inner = scale[:, None] * gram * scale
    off = (k + 4) * UNIT * float(np.square(scaled * scale).sum())  # bounds the norm of what float64 is off by
    by_rows = float(np.abs(inner).sum(axis=1).max(initial=0.0))
    square = inner @ inner
    size = float(np.square(inner).sum())
    by_square = np.sqrt(np.sqrt(float(np.square(square).sum())) + (n + 4) * UNIT * size)
    found = raised(min(by_rows, float(by_square)) + off, 4 * n + 64)
    return float(np.sqrt(found)) * (1 + 8 * UNIT) + n * SQUARES * (1 + float(scale.max(initial=0.0)))
