"""LayerNormalization: y = (x - mean) / sqrt(variance + epsilon) * scale + bias, over the last axes.

With c = x - mean and R_i = sum_{j != i} c_j^2 / n + epsilon, the normalised value c_i / sqrt(c_i^2 / n + R_i) rises
with c_i whatever R_i is, and a larger R_i brings it nearer to 0: its extremes are at the ends of c_i and of R_i.  Since
the c_j sum to 0, sum_{j != i} c_j^2 >= c_i^2 / (n - 1) (Cauchy), which gives |y_i| <= sqrt(n - 1) on any box.  The
divisor is never an interval that touches 0: R_i >= epsilon > 0; where epsilon is 0 and all c_j may be 0, nothing is
claimed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from workbench.arrays.elementary import LARGEST, down, up
from workbench.floats.errors import growth, raised
from workbench.floats.program import Semantics
from workbench.graph import Array, GraphError
from workbench.op import Call, Op, as_float64
from workbench.ops.arithmetic import wanted
from workbench.ops.generators.groups import WIDEST, grouped, unfold_groups, ungrouped
from workbench.semantics.affine import Lines, Relaxation, affine, spread
from workbench.semantics.cotangent import derivative
from workbench.semantics.interval import TINY, UNIT, Interval, interval, outward, product
from workbench.semantics.real import real
from workbench.semantics.rounding import Local, Slopes, rounding

layernorm = Op(
    "LayerNormalization",
    "y = (x - mean) / sqrt(var + eps) * scale + bias",
    r"y=\frac{x-\mu}{\sqrt{\sigma^2+\varepsilon}}\,\gamma+\beta",
)


def axes_of(call: Call) -> tuple[int, ...]:
    """The normalised axes, counted with the engine's batch axis."""
    rank = len(call.shapes[0] or ())
    axis = int(call.attr("axis", -1))
    return tuple(range((axis + rank if axis < 0 else axis) + 1, rank + 1))


def _count(call: Call) -> int:
    return int(np.prod([(call.shapes[0] or ())[a - 1] for a in axes_of(call)], dtype=np.int64))


def _epsilon(call: Call) -> float:
    epsilon = float(call.attr("epsilon", 1e-5))
    if not 0 <= epsilon < np.inf:
        raise GraphError(f"{call.node.describe()}: epsilon must be a finite number, 0 or more, not {epsilon}")
    return epsilon


@layernorm.rule(real)
def _(call: Call, ns: Any, x: Array, scale: Array, bias: Array | None = None) -> Array:
    axes, n = axes_of(call), _count(call)
    count = ns.number(n)
    c = ns.sub(x, ns.div(ns.sum(x, axes), count))
    variance = ns.div(ns.sum(ns.mul(c, c), axes), count)
    y = ns.div(c, ns.sqrt(ns.add(variance, ns.number(_epsilon(call)))))
    y = ns.mul(y, spread(scale, x.shape[1:]))
    return np.asarray(y if bias is None else ns.add(y, spread(bias, x.shape[1:])))


def centred(lo: Array, hi: Array) -> Interval:
    """x_i - mean for every i along the last axis: (1 - 1/n) x_i - (1/n) sum of the others."""
    n = lo.shape[-1]
    if n == 1:
        return Interval(np.zeros_like(lo), np.zeros_like(hi))
    size = np.maximum(np.abs(lo), np.abs(hi))
    slack = (2 * n + 16) * UNIT * (size + size.sum(axis=-1, keepdims=True) / n) + 16 * TINY
    below, above = lo.sum(axis=-1, keepdims=True), hi.sum(axis=-1, keepdims=True)
    least = down(lo - (above - hi + lo) / n - slack)
    most = up(hi - (below - lo + hi) / n + slack)
    return Interval(np.where(np.isnan(least), -np.inf, least), np.where(np.isnan(most), np.inf, most))


def _squares(c: Interval) -> Interval:
    """c^2 / n without dividing: least and greatest squares, outward."""
    lo, hi = np.abs(c.lo), np.abs(c.hi)
    crosses = (c.lo <= 0) & (c.hi >= 0)
    small, large = np.where(crosses, 0.0, np.minimum(lo, hi)), np.maximum(lo, hi)
    return Interval(np.minimum(np.maximum(down(small * small), 0.0), LARGEST), up(large * large))


def _others(q: Array, direction: int) -> Array:
    """Sum along the last axis without the own term, of non-negative numbers, rounded in a direction."""
    n = q.shape[-1]
    zero = np.zeros_like(q[..., :1])
    before = np.concatenate([zero, np.cumsum(q, axis=-1)[..., :-1]], axis=-1)
    after = np.concatenate([np.cumsum(q[..., ::-1], axis=-1)[..., ::-1][..., 1:], zero], axis=-1)
    found = (before + after) * (1 + direction * (n + 4) * UNIT)
    return np.maximum(np.nextafter(found, direction * np.inf), 0.0)


def _value(c: Array, r: Array, n: float, direction: int) -> Array:
    """c / sqrt(c^2 / n + r), rounded in a direction; r > 0.

    Written as 1 / sqrt(1/n + r / c^2) for large c, where the square would overflow; at most eight roundings.
    """
    large = np.abs(c) > 1
    tame, wild = np.where(large, 1.0, c), np.where(large, c, 1.0)
    found = np.where(
        large, np.sign(c) / np.sqrt(1 / n + r / wild / wild), tame / np.sqrt(tame * tame / n + r)
    )
    # where the square underflows nothing is claimed here: the caller's cap remains
    found = np.where(~large & (np.abs(c) < 2.0**-480) & (r < 2.0**-900), direction * np.inf, found)
    return np.nextafter(found + direction * (16 * UNIT * np.abs(found) + 4 * TINY), direction * np.inf)


def normalised(lo: Array, hi: Array, epsilon: float) -> Interval:
    """The normalised values over ``(..., n)`` ends, before scale and bias."""
    n = lo.shape[-1]
    if n == 1:
        return Interval(np.zeros_like(lo), np.zeros_like(hi))
    c = centred(lo, hi)
    q = _squares(c)
    least = np.maximum(down(down(_others(q.lo, -1) / n) + epsilon), epsilon)
    most = up(up(_others(q.hi, 1) / n) + epsilon)
    found = []
    for end, direction in ((c.lo, -1), (c.hi, 1)):
        outer = direction * end >= 0  # the end that is away from 0: the least divisor makes it extreme
        given = np.clip(end, -LARGEST, LARGEST)
        one = _value(given, np.where(outer, least, most), n, direction)
        other = _value(given, np.full_like(end, epsilon), n - 1, direction)
        cap = up(np.sqrt(n - 1.0))
        tighter = np.minimum(np.minimum(direction * one, direction * other), cap)
        one = np.where(outer, tighter, np.minimum(direction * one, cap)) * direction
        found.append(np.where(np.isnan(one), direction * cap, one))
    vanishing = (least <= 0) & (c.lo <= 0) & (c.hi >= 0)
    return Interval(np.where(vanishing, -np.inf, found[0]), np.where(vanishing, np.inf, found[1]))


@layernorm.rule(interval)
def box_of(call: Call, x: Interval, scale: Interval, bias: Interval | None = None) -> Interval:
    """The normalised interval, times scale, plus bias."""
    axes = axes_of(call)
    y = normalised(grouped(axes, x.lo), grouped(axes, x.hi), _epsilon(call))
    y = Interval(ungrouped(axes, call.shape, y.lo), ungrouped(axes, call.shape, y.hi))
    y = product(y, Interval(spread(scale.lo, call.shape), spread(scale.hi, call.shape)))
    if bias is None:
        return y
    return outward(y.lo + spread(bias.lo, call.shape), y.hi + spread(bias.hi, call.shape))


def _divisor(c: Interval, epsilon: float) -> Interval:
    """1 / sqrt(variance + epsilon) over a group, outward, ``(..., 1)``."""
    n = c.lo.shape[-1]
    q = _squares(c)
    least = q.lo.sum(axis=-1, keepdims=True) * (1 - (n + 4) * UNIT) / n
    most = q.hi.sum(axis=-1, keepdims=True) * (1 + (n + 4) * UNIT) / n
    least, most = np.maximum(down(down(least) + epsilon), epsilon), up(up(most) + epsilon)
    return Interval(np.maximum(down(1 / up(np.sqrt(most))), 0.0), up(1 / down(np.sqrt(least))))


def centred_lines(c: Interval, r: Interval) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    """Slope on c and offset, below and above c r: over the box of (c, r) any slope s has its extremes at the corners.

    The slope is that of the chord of min(c r) and max(c r) over r.
    """
    found = []
    for direction, pick in ((-1, np.minimum), (1, np.maximum)):
        ends = [pick(e * r.lo, e * r.hi) for e in (c.lo, c.hi)]
        run = c.hi - c.lo
        s = np.where(run > 0, (ends[1] - ends[0]) / np.where(run > 0, run, 1.0), r.hi)
        s = np.clip(s, r.lo, r.hi)
        extreme = np.full(c.lo.shape, -np.inf)
        for e in (c.lo, c.hi):
            for d in (r.lo, r.hi):
                p, q = e * d, s * e
                slack = 4 * UNIT * (np.abs(p) + np.abs(q)) + 4 * TINY
                extreme = np.maximum(extreme, up(direction * (p - q) + slack))
        found.append((s, direction * extreme))
    return found[0], found[1]


@layernorm.rule(affine)
def _(call: Call, x: Interval, scale: Interval, bias: Interval | None = None) -> Relaxation:
    """Lines on all elements of the group: t (x_i - mean) + o, with t the scale times a slope from `centred_lines`.

    The machine's slopes t (1 - 1/n) and -t/n carry three roundings more than the exact ones: charged with |x|.
    A scale or bias that depends on the input enters through the interval.
    """
    axes, n = axes_of(call), _count(call)
    box = box_of(call, x, scale, bias)
    constant = call.constant(1) is not None and (not call.has(2) or call.constant(2) is not None)
    if n > WIDEST or n == 1 or not constant:
        return Relaxation(Lines((None,), box.lo), Lines((None,), box.hi))
    lo, hi = grouped(axes, x.lo), grouped(axes, x.hi)
    c = centred(lo, hi)
    size = np.maximum(np.abs(lo), np.abs(hi))
    size = size + size.sum(axis=-1, keepdims=True) / n
    weight = _group(call, call.constant(1))
    shift = _group(call, call.constant(2)) if call.has(2) else np.zeros((1,) * lo.ndim)
    pair = centred_lines(c, _divisor(c, _epsilon(call)))
    middle = 0.5 * lo + 0.5 * hi
    middle = middle - middle.mean(axis=-1, keepdims=True)
    own = np.eye(n)
    found = []
    for direction, end in ((-1, grouped(axes, box.lo)), (1, grouped(axes, box.hi))):
        same = weight * direction >= 0
        s = weight * np.where(same, pair[1][0], pair[0][0])
        o = weight * np.where(same, pair[1][1], pair[0][1])
        slack = (n + 16) * UNIT * (np.abs(s) * size + np.abs(o) + np.abs(shift)) + 8 * TINY * (1 + size * n)
        offset = np.nextafter(o + shift + direction * slack, direction * np.inf)
        good = np.isfinite(offset) & np.isfinite(s) & np.isfinite(end)
        good &= direction * (s * middle + offset) <= direction * end
        slopes = np.where(good, s, 0.0)[..., None] * (own - 1 / n)
        found.append(
            Lines(
                (ungrouped(axes, call.shape, slopes),),
                ungrouped(axes, call.shape, np.where(good, offset, end)),
            )
        )
    return Relaxation(found[0], found[1], (unfold_groups(axes, call.shape),))


def _group(call: Call, value: Array | None) -> Array:
    assert value is not None
    full = np.broadcast_to(spread(as_float64(value)[None], call.shape), (1, *call.shape))
    return grouped(axes_of(call), full)


def _pulled(call: Call, ns: Any, operands: Sequence[Any], value: Any, seed: Any) -> Sequence[Any]:
    axes = [a - 1 for a in axes_of(call)]
    x, scale = operands[0], ns.spread(operands[1], call.shape)
    c = x - ns.mean(x, axes)
    root = ns.sqrt(ns.mean(c * c, axes) + _epsilon(call))
    y, g = c / root, seed * scale
    inner = g - ns.mean(g, axes) - y * ns.mean(g * y, axes)
    found = [inner / root, wanted(call, ns, 1, lambda: seed * y), wanted(call, ns, 2, lambda: seed)]
    return found[: len(operands)] if len(operands) < 3 or call.has(2) else [*found[:2], None]


derivative(layernorm, _pulled)


@layernorm.rule(rounding)
def _(call: Call, program: Semantics, x: Interval, scale: Interval, bias: Interval | None = None) -> Local:
    """Computed as mean, c = x - mean, variance = mean of c^2, c / sqrt(variance + epsilon) * scale + bias.

    The mean errs by m = ((1+u)^(n+3) - 1) sum |x| / n, so the computed c by d_i = (1+u) m + u |c_i|.  For any c let
    N(c) = c / sqrt(mean c^2 + epsilon): its derivative by c_j is ([i = j] - N_i N_j / n) / root, and the mean of |N_j|
    is at most 1, hence |N_i(c + d) - N_i(c)| <= (d_i + |N_i| max d) / root, with the least root along the way.  All
    that is computed after c is a product of factors 1 + d: squares, a sum of n non-negative terms, a quotient, epsilon,
    a root, a quotient.  The radicand has n + 3 of them (square, n - 1 additions, quotient, epsilon's own and its sum);
    the root halves that and adds one, and as a divisor each counts twice: with the quotient's own (n + 3) + 2 + 1,
    which n + 16 covers.  Scale and bias are a product and a sum more.
    Underflow (`lost`): each square errs by eta/2, their mean by eta/2 + eta/2 (1+u)^n at most, less than 2 eta for
    n u <= 1/4; the root of a radicand of at least epsilon changes by eta / epsilon relatively, and y, at most sqrt(n),
    by sqrt(n) eta / epsilon <= (n + 8) eta / epsilon; the quotient's own is below 2 eta.
    A program that takes the mean of x^2 less the squared mean is another program: this bound is not about it.
    """
    program.needs_gradual("LayerNormalization")
    axes, n, acc = axes_of(call), _count(call), program.measure
    u, epsilon = acc.unit, _epsilon(call)
    lo, hi = grouped(axes, x.lo), grouped(axes, x.hi)
    size = np.maximum(np.abs(lo), np.abs(hi))
    total = raised(size.sum(axis=-1, keepdims=True), n)
    c = centred(lo, hi)
    mean = growth(u, n + 3) * total / n + 2 * acc.eta
    d = raised((1 + u) * mean + u * (c.magnitude + mean) + acc.eta)
    near = Interval(c.lo - d, c.hi + d)
    root = _divisor(Interval(down(near.lo), up(near.hi)), epsilon)
    plain = normalised(lo, hi, epsilon)
    reach = np.minimum(near.magnitude * root.hi, up(np.sqrt(float(n)))) * (1 + 2.0**-40)
    after = growth(u, n + 16) * reach + (d + reach * d.max(axis=-1, keepdims=True)) * root.hi
    # squares that underflow are lost beside epsilon
    lost = (n + 8) * acc.eta / epsilon + 2 * acc.eta if epsilon >= acc.normal else np.inf
    safe = (n * u <= 0.25) & (total**2 <= acc.largest / 4) & (root.hi <= acc.largest / 4)
    after = np.where(safe, after + lost, np.inf)
    back = ungrouped(axes, call.shape, raised(after, 8))
    weight, most = spread(scale.magnitude, call.shape), ungrouped(axes, call.shape, reach)
    rho = weight * back + growth(u, 2) * weight * (most + back) + 4 * acc.eta
    shift = np.zeros(()) if bias is None else spread(bias.magnitude, call.shape)
    whole = weight * (most + back) + shift
    rho = np.where(whole <= acc.largest / 4, rho + growth(u, 2) * whole, np.inf)
    value = Interval(ungrouped(axes, call.shape, plain.lo), ungrouped(axes, call.shape, plain.hi))
    found: list[Interval | None] = [_partials(call, plain, _divisor(c, epsilon), scale)]
    found += [value, Interval(np.ones(value.lo.shape), np.ones(value.lo.shape))][: len(call.shapes) - 1]
    if bias is None:
        found = [*found[:2], *(None for _ in call.shapes[2:])]
    return Local(raised(rho, 8), Slopes(tuple(found), (unfold_groups(axes, call.shape), None, None)))


def _partials(call: Call, plain: Interval, inverse: Interval, scale: Interval) -> Interval:
    """Derivatives scale_i ([i = j] - 1/n - N_i N_j / n) / root of result i by element j, ``(B, *out, n)``."""
    axes, n = axes_of(call), _count(call)
    pair = product(
        Interval(plain.lo[..., :, None], plain.hi[..., :, None]),
        Interval(plain.lo[..., None, :], plain.hi[..., None, :]),
    )
    base = np.eye(n) - 1 / n
    inner = Interval(down(down(base - up(pair.hi / n)) - UNIT), up(up(base - down(pair.lo / n)) + UNIT))
    wide = product(inner, Interval(inverse.lo[..., None], inverse.hi[..., None]))
    full = (*wide.lo.shape[:1], *call.shape)
    low, high = (
        grouped(axes, np.broadcast_to(spread(e, call.shape), full))[..., None] for e in (scale.lo, scale.hi)
    )
    found = product(wide, Interval(low, high))
    return Interval(ungrouped(axes, call.shape, found.lo), ungrouped(axes, call.shape, found.hi))
