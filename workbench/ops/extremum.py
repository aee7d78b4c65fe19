"""Max, Min (of any number of operands, with broadcasting) and Clip.

Lines for y = max_i x_i over a box.  For ANY slopes s, max_i x_i - sum_i s_i x_i is convex, a maximum of linear
functions, and its supremum over the box is the largest of theirs:
    max_i sup((1 - s_i) x_i) + sum_{j != i} sup(-s_j x_j).
Slopes above: for the two operands that reach highest, the chord of a = b + relu(a - b); zero for the others (their part
is in the offset); where one operand is never below another, itself.  Below: the operand with the highest centre,
exactly.  Min is -max(-x).

Clip has two kinks: lines at the corners of its graph.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from workbench.floats.program import Semantics
from workbench.graph import Array
from workbench.op import Call, Op
from workbench.ops.arithmetic import broadcast
from workbench.semantics.affine import Lines, Relaxation, affine, gather, spread
from workbench.semantics.cotangent import NODES, Term, Terms, cotangent, emit, fixed
from workbench.semantics.gradient import gradient
from workbench.semantics.interval import TINY, UNIT, Interval, interval
from workbench.semantics.real import real
from workbench.semantics.rounding import Local, Slopes, exactly, pick_slopes, rounding

maximum = Op("Max", "y = max(a, b, ...)", r"y=\max(a,b,\dots)")
minimum = Op("Min", "y = min(a, b, ...)", r"y=\min(a,b,\dots)")
clip = Op("Clip", "y = min(max(x, low), high)", r"y=\min(\max(x,l),h)")


def _out(call: Call) -> tuple[int, ...]:
    """The broadcast shape of the operands (also while shapes are still being inferred)."""
    return broadcast(call, *[s for s in call.shapes if s is not None])


def _boxes(call: Call, operands: tuple[Interval, ...], sign: float = 1.0) -> tuple[Array, Array]:
    """Ends of all operands (times sign), broadcast and stacked: ``(n, B, *out)``."""
    out = _out(call)
    if sign < 0:
        operands = tuple(Interval(-x.hi, -x.lo) for x in operands)
    lo = np.broadcast_arrays(*[spread(x.lo, out) for x in operands])
    hi = np.broadcast_arrays(*[spread(x.hi, out) for x in operands])
    return np.stack(lo), np.stack(hi)


def _register(op: Op, name: str, sign: float) -> None:
    @op.rule(real)
    def _(call: Call, ns: Any, *operands: Array) -> Array:
        out = _out(call)
        found = np.broadcast_to(spread(operands[0], out), (operands[0].shape[0], *out))
        for x in operands[1:]:
            found = getattr(ns, name)(found, spread(x, out))
        return np.asarray(found)

    @op.rule(interval)
    def _(call: Call, *operands: Interval) -> Interval:
        lo, hi = _boxes(call, operands)
        pick = np.max if sign > 0 else np.min
        return Interval(np.asarray(pick(lo, axis=0)), np.asarray(pick(hi, axis=0)))

    @op.rule(affine)
    def _(call: Call, *operands: Interval) -> Relaxation:
        lo, hi = _boxes(call, operands, sign)
        found = max_lines(lo, hi)
        if sign > 0:
            return found
        return Relaxation(
            Lines(found.upper.slopes, -found.upper.offset), Lines(found.lower.slopes, -found.lower.offset)
        )

    @op.rule(rounding)
    def _(call: Call, program: Semantics, *operands: Interval) -> Local:
        """Exact; the error is that of the operand that is picked."""
        found = pick_slopes(*_boxes(call, operands, sign), axis=0)
        return exactly(
            call, Slopes(tuple(Interval(*e) for e in zip(found.lo, found.hi, strict=True)), picks=True)
        )

    @op.rule(gradient)
    def _(call: Call, operands: tuple[Array, ...], value: Array, seed: Array) -> tuple[Array | None, ...]:
        """Where several operands are the extreme one, the first of them takes the whole gradient."""
        out = _out(call)
        x = np.stack(np.broadcast_arrays(*[spread(a, out) for a in operands]))
        chosen = np.argmax(sign * x, axis=0)
        return tuple(
            gather(np.where(chosen == i, seed, 0.0), shape) if call.is_live(i) and shape is not None else None
            for i, shape in enumerate(call.shapes)
        )

    @op.rule(cotangent)
    def _(call: Call, operands: Terms, value: Term, seed: Term) -> Terms:
        x = [NODES.spread(v, call.shape) for v in operands]
        if len(x) == 2:
            ahead = NODES.positive(x[1] - x[0] if sign > 0 else x[0] - x[1])
            taken = [1.0 - ahead, ahead]
        else:
            taken, rest = [], None
            for v in x:
                hit = 1.0 - NODES.sign(value - v if sign > 0 else v - value)
                taken.append(hit if rest is None else hit * rest)
                rest = 1.0 - hit if rest is None else rest * (1.0 - hit)
        return [
            NODES.gather(seed * t, shape) if call.is_live(i) and call.wants(i) and shape is not None else None
            for i, (t, shape) in enumerate(zip(taken, call.shapes, strict=True))
        ]


_register(maximum, "maximum", 1.0)
_register(minimum, "minimum", -1.0)


def max_lines(lo: Array, hi: Array) -> Relaxation:
    """Lines for the maximum over the first axis of boxes ``(n, B, *out)``; see the module's text."""
    n = len(lo)
    finite = np.isfinite(lo) & np.isfinite(hi)
    centre = np.where(finite, 0.5 * lo + 0.5 * hi, -np.inf)
    index = np.arange(n).reshape(n, *(1,) * (lo.ndim - 1))
    # an operand that is never below another one is the maximum itself
    top = index == np.argmax(lo, axis=0)
    alone = np.max(lo, axis=0) >= np.max(np.where(top, -np.inf, hi), axis=0)
    chosen = np.where(alone, top, index == np.argmax(centre, axis=0))
    below = Lines(tuple(np.where(chosen, 1.0, 0.0)), np.zeros(lo.shape[1:]))
    first = index == np.argmax(hi, axis=0)
    rest = np.where(first, -np.inf, hi)
    second = (index == np.argmax(rest, axis=0)) & (n > 1)
    # a - b over the two highest: [down, up]; the chord's slope on a is up / (up - down), and the rest is b's
    a_lo, a_hi = (np.where(first, e, 0.0).sum(axis=0) for e in (lo, hi))
    b_lo, b_hi = (np.where(second, e, 0.0).sum(axis=0) for e in (lo, hi))
    down, up = a_lo - b_hi, a_hi - b_lo
    share = np.clip(np.where(down >= 0, 1.0, up / np.where(down < 0, up - down, 1.0)), 0.0, 1.0)
    share = np.where(np.isnan(share), 1.0, share)
    slopes = np.where(first, share, np.where(second, 1.0 - share, 0.0))
    offset = _highest(lo, hi, slopes)
    slopes, offset = np.where(alone, top, slopes), np.where(alone, 0.0, offset)
    usable = np.isfinite(offset)
    slopes = np.where(usable, slopes, 0.0)
    return Relaxation(below, Lines(tuple(slopes), np.where(usable, offset, np.max(hi, axis=0))))


def _highest(lo: Array, hi: Array, slopes: Array) -> Array:
    """At least ``max_i x_i - sum_i s_i x_i`` on the box, for slopes in [0, 1]; rounded up.

    Then (1 - s_i) x_i is largest at hi_i and -s_j x_j at lo_j.  One operand has a product, a difference and a sum of n
    terms: n + 4 roundings, each relative to the sum of magnitudes.
    """
    n = len(lo)
    own, others = hi - slopes * hi, -(slopes * lo)
    total = others.sum(axis=0)
    value = np.stack([own[i] + np.delete(others, i, axis=0).sum(axis=0) for i in range(n)]).max(axis=0)
    size = (np.abs(hi) + np.abs(slopes * hi) + np.abs(slopes * lo)).sum(axis=0)
    slack = (n + 4) * UNIT * size * (1 + 2.0**-20) + (2 * n + 4) * TINY
    found = np.nextafter(value + slack, np.inf)
    return np.asarray(np.where(np.isnan(total), np.inf, found))


def limits(call: Call, operands: tuple[Any, ...]) -> tuple[Any, Any]:
    """Both limits, from operands (opset 11 on) or attributes (before), None where not given."""
    low = operands[1] if len(operands) > 1 else None
    high = operands[2] if len(operands) > 2 else None
    if low is None and "min" in call.node.attrs:
        low = float(call.attr("min"))
    if high is None and "max" in call.node.attrs:
        high = float(call.attr("max"))
    return low, high


@clip.rule(real)
def _(call: Call, ns: Any, *operands: Any) -> Array:
    low, high = limits(call, operands)
    x = operands[0]
    if low is not None:
        x = ns.maximum(x, ns.number(low) if isinstance(low, float) else spread(low, x.shape[1:]))
    if high is not None:
        x = ns.minimum(x, ns.number(high) if isinstance(high, float) else spread(high, x.shape[1:]))
    return np.asarray(x)


def _limit_interval(given: Any, missing: float, shape: tuple[int, ...]) -> Interval:
    if given is None or isinstance(given, float):
        end = np.full((1,) * (len(shape) + 1), missing if given is None else given)
        return Interval(end, end)
    return Interval(spread(given.lo, shape), spread(given.hi, shape))


@clip.rule(interval)
def _(call: Call, *operands: Interval | None) -> Interval:
    x = operands[0]
    assert x is not None
    low, high = limits(call, operands)
    shape = x.lo.shape[1:]
    a, b = _limit_interval(low, -np.inf, shape), _limit_interval(high, np.inf, shape)
    return Interval(np.minimum(np.maximum(x.lo, a.lo), b.lo), np.minimum(np.maximum(x.hi, a.hi), b.hi))


@clip.rule(affine)
def _(call: Call, *operands: Interval | None) -> Relaxation:
    """Lines on x; limits that depend on the input enter as intervals: the lower ends below, the upper ends above."""
    x = operands[0]
    assert x is not None
    low, high = limits(call, operands)
    shape = x.lo.shape[1:]
    a, b = _limit_interval(low, -np.inf, shape), _limit_interval(high, np.inf, shape)
    above = clip_above(x.lo, x.hi, np.minimum(a.hi, b.hi), b.hi)
    # clip(x, a, b) = -clip(-x, -b, -a) for a <= b, which the minimum makes sure of
    below = clip_above(-x.hi, -x.lo, -b.lo, -np.minimum(a.lo, b.lo))
    return Relaxation(Lines(below.slopes, -below.offset), above)


def clip_above(l: Array, u: Array, low: Array, high: Array) -> Lines:
    """The line above clip(x, low, high) over [l, u] with least area, low <= high.

    The graph's corners are at l, low, high, u; a line above the four (those within [l, u]) is above all.  Best is the
    side, over the midpoint, of their upper hull: from (l, f(l)) to the corner at high, then flat.
    """
    low, high = np.broadcast_to(low, l.shape), np.broadcast_to(high, l.shape)
    corners = [l, np.clip(low, l, u), np.clip(high, l, u), u]
    values = [np.minimum(np.maximum(x, low), high) for x in corners]
    run = corners[2] - l
    slope = np.where(
        run > 0, (values[2] - values[0]) / np.where(run > 0, run, 1.0), np.where(high > l, 1.0, 0.0)
    )
    slope = np.where(np.isfinite(slope), np.clip(slope, 0.0, 1.0), 0.0)
    slope = np.where(corners[2] < 0.5 * l + 0.5 * u, 0.0, slope)
    slope = np.where(np.isfinite(l) & np.isfinite(u), slope, 0.0)
    best = np.full(l.shape, -np.inf)
    for x, y in zip(corners, values, strict=True):
        q = np.where(slope == 0, 0.0, slope * x)
        exact = (slope == 0) | ((slope == 1) & (x == y))
        slack = np.where(exact, 0.0, 3 * UNIT * (np.abs(y) + np.abs(q)) + 4 * TINY)
        best = np.maximum(best, np.where(exact, y - q, np.nextafter(y - q + slack, np.inf)))
    return Lines((slope,), np.where(np.isnan(best), np.inf, best))


@clip.rule(rounding)
def _(call: Call, program: Semantics, *operands: Interval | None) -> Local:
    """Exact but for limits given as attributes, which are stored like an activation."""
    x = operands[0]
    assert x is not None
    shape = x.lo.shape[1:]
    ends = limits(call, operands)
    a, b = (_limit_interval(v, m, shape) for v, m in zip(ends, (-np.inf, np.inf), strict=True))
    below, above = x.lo < a.hi, x.hi > b.lo  # where a limit may be the value
    inside = ~below & ~above
    outside = (x.hi <= a.lo) | (x.lo >= b.hi)
    one, none = np.ones(x.lo.shape), np.zeros(x.lo.shape)
    slopes = [Interval(np.where(inside & ~outside, one, none), np.where(outside, none, one))]
    rho = none
    for given, active in ((ends[0], below | (a.hi > b.lo)), (ends[1], above | (a.hi > b.lo))):
        if isinstance(given, float):
            near = program.rounded(program.rounded(given, program.accumulator), program.activations)
            apart = np.abs(near - given) if np.isfinite(near) else np.inf
            rho = rho + np.where(active, apart, 0.0)
    for i, active in ((1, below | (a.hi > b.lo)), (2, above | (a.hi > b.lo))):
        if i < len(operands):
            slopes.append(Interval(none, np.where(active, one, none)))
    used = tuple(s if o is not None else None for s, o in zip(slopes, operands, strict=True))
    return replace(exactly(call, Slopes(used)), rho=rho)


@clip.rule(gradient)
def _(call: Call, operands: tuple[Any, ...], value: Array, seed: Array) -> tuple[Array | None, ...]:
    """At a kink the gradient with respect to x is 0, as for relu; a limit takes it where it is the value."""
    low, high = limits(call, operands)
    x = operands[0]
    shape = x.shape[1:]
    a = -np.inf if low is None else low if isinstance(low, float) else spread(low, shape)
    b = np.inf if high is None else high if isinstance(high, float) else spread(high, shape)
    top = np.maximum(x, a) >= b
    bottom = ~top & (x <= a)
    pieces: list[Array | None] = [np.where(top | bottom, 0.0, seed)]
    for i, where in ((1, bottom), (2, top)):
        if i < len(operands):
            inner = call.shapes[i]
            wanted = call.is_live(i) and inner is not None
            pieces.append(gather(np.where(where, seed, 0.0), inner or ()) if wanted else None)
    return tuple(pieces)


@clip.rule(cotangent)
def _(call: Call, operands: Terms, value: Term, seed: Term) -> Terms:
    low, high = limits(call, tuple(operands))
    x, shape = operands[0], call.shape
    ends = [fixed(seed, v) if isinstance(v, float) else v for v in (low, high)]
    a, b = (None if v is None else NODES.spread(v, shape) for v in ends)
    above = None if a is None else NODES.positive(x - a)
    below = None if b is None else NODES.positive(b - x)
    inside = above if below is None else below if above is None else above * below
    found: list[Term | None] = [seed if inside is None else seed * inside]
    for i, end in ((1, a), (2, b)):
        if i >= len(operands):
            continue
        inner = call.shapes[i]
        if end is None or inner is None or not call.is_live(i):
            found.append(None)
            continue
        reached = x if a is None else emit("Max", [x, a])
        top = None if b is None else 1.0 - NODES.positive(b - reached)
        if i == 2:
            found.append(NODES.gather(seed * top, inner))
        else:
            bottom = 1.0 - NODES.positive(x - end)
            found.append(NODES.gather(seed * (bottom if top is None else bottom * (1.0 - top)), inner))
    return found
