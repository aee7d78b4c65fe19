"""Relu, LeakyRelu, Abs: two straight pieces that meet at 0, in every meaning.

With slopes a on x < 0 and b on x > 0 (a <= b: convex), over [l, u]:
above   the chord from (l, f(l)) to (u, f(u)) where l < 0 < u, else the one piece that applies, exactly;
below   either piece's line (both lie below a convex function); for relu the one with less area (adaptive CROWN).
The chord is checked rather than trusted: with a slope s the least offset that is above f at both ends (and so, by
convexity, everywhere between) is max(f(l) - s l, f(u) - s u), rounded up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from workbench.arrays.device import array, on_host, zeros
from workbench.floats.errors import raised
from workbench.floats.program import Semantics
from workbench.graph import Array
from workbench.op import Call, Op
from workbench.semantics.affine import Lines, Relaxation, affine
from workbench.semantics.cotangent import derivative
from workbench.semantics.interval import TINY, UNIT, Interval, interval, outward
from workbench.semantics.real import real
from workbench.semantics.rounding import Local, Slopes, exactly, rounding

relu = Op("Relu", "y = max(x, 0)", r"y=\max(x,0)", kink=0.0)
leaky = Op("LeakyRelu", "y = x where x >= 0, else alpha x", r"y=\max(x,0)+\alpha\min(x,0)", kink=0.0)
absolute = Op("Abs", "y = |x|", r"y=|x|")


@relu.rule(real)
def _(call: Call, ns: Any, x: Array) -> Array:
    return array(ns.maximum(x, ns.number(0)))


@leaky.rule(real)
def _(call: Call, ns: Any, x: Array) -> Array:
    return np.asarray(ns.select(x, x, ns.mul(x, ns.number(call.attr("alpha", 0.01)))))


@absolute.rule(real)
def _(call: Call, ns: Any, x: Array) -> Array:
    return np.asarray(ns.abs(x))


def pieces(call: Call) -> tuple[float, float]:
    """The two slopes (left, right)."""
    match call.node.op:
        case "Relu":
            return 0.0, 1.0
        case "Abs":
            return -1.0, 1.0
        case _:
            return float(call.attr("alpha", 0.01)), 1.0


def _derivative(call: Call, ns: Any, operands: Sequence[Any], value: Any, seed: Any) -> tuple[Any]:
    """At 0 the left slope is taken (0 for relu, -1 for abs would be odd: abs takes 0)."""
    x = operands[0]
    if call.node.op == "Relu":
        return (ns.gated(seed, x),)
    if call.node.op == "Abs":
        return (seed * ns.sign(x),)
    a, b = pieces(call)
    on = ns.positive(x)
    return (seed * (on * b + (1.0 - on) * a),)


@relu.rule(interval)
def _(call: Call, x: Interval) -> Interval:
    return Interval(np.maximum(x.lo, 0.0), np.maximum(x.hi, 0.0))


@absolute.rule(interval)
def _(call: Call, x: Interval) -> Interval:
    lo, hi = np.abs(x.lo), np.abs(x.hi)
    crosses = (x.lo < 0) & (x.hi > 0)
    return Interval(np.where(crosses, 0.0, np.minimum(lo, hi)), np.maximum(lo, hi))


@leaky.rule(interval)
def _(call: Call, x: Interval) -> Interval:
    alpha = pieces(call)[0]
    at_lo, at_hi = np.where(x.lo >= 0, x.lo, x.lo * alpha), np.where(x.hi >= 0, x.hi, x.hi * alpha)
    crosses = (x.lo < 0) & (x.hi > 0)
    low, high = np.minimum(at_lo, at_hi), np.maximum(at_lo, at_hi)
    if alpha < 0:
        low = np.where(crosses, np.minimum(low, 0.0), low)
    return outward(low, high)


def lines(x: Interval, a: float, b: float) -> Relaxation:
    """Lines below and above ``a min(x,0) + b max(x,0)`` over `x`."""
    l, u = x.lo, x.hi
    crosses = (l < 0) & (u > 0)
    flat = zeros(l.shape, l)
    if on_host(l):
        piece = np.ascontiguousarray(np.where(l >= 0, b, a))  # so that its flat view is a view
        at = np.flatnonzero(crosses)  # where both pieces apply: few, so that only these are worked on
        if not at.size:
            one = Lines((piece,), flat)
            return Relaxation(one, one)
        chord, beyond, one_piece = _chords(l.reshape(-1)[at], u.reshape(-1)[at], a, b)
        slopes, offsets, inner = piece.copy(), flat.copy(), piece
        slopes.reshape(-1)[at], offsets.reshape(-1)[at] = chord, beyond
        inner.reshape(-1)[at] = one_piece
    else:  # a processor that does all elements at once has nothing to gain from a few
        chord, beyond, one_piece = _chords(np.where(crosses, l, -1.0), np.where(crosses, u, 1.0), a, b)
        piece = np.where(l >= 0, b, a)
        slopes, offsets = np.where(crosses, chord, piece), np.where(crosses, beyond, 0.0)
        inner = np.where(crosses, one_piece, piece)
    chords, through = Lines((slopes,), offsets), Lines((inner,), flat)
    return Relaxation(through, chords) if a <= b else Relaxation(chords, through)


def _chords(l: Array, u: Array, a: float, b: float) -> tuple[Array, Array, Array]:
    """Where l < 0 < u: slope and offset of the chord, beyond the function; the slope of the line on its other side."""
    left, right = l * a, u * b
    chord = np.minimum(np.maximum((right - left) / (u - l), min(a, b)), max(a, b))
    # the offset that puts the chord beyond f at both ends: three roundings an end, charged
    ends = []
    for end, value in ((l, left), (u, right)):
        part = chord * end
        offset = value - part
        slack = 4 * UNIT * (np.abs(value) + np.abs(part)) + 4 * TINY
        ends.append((offset - slack, offset + slack))
    convex = a <= b
    beyond = np.maximum(ends[0][1], ends[1][1]) if convex else np.minimum(ends[0][0], ends[1][0])
    known = np.isfinite(beyond)
    if not known.all():  # an infinite end, or one so large that the chord overflows: a constant
        at_ends = [np.where(np.isnan(v), 0.0, v) for v in (left, right)]  # 0 times infinity: the flat piece
        flat = np.maximum(*at_ends) if convex else np.minimum(*at_ends)
        flat = np.nextafter(flat, np.inf if convex else -np.inf)
        chord, beyond = np.where(known, chord, 0.0), np.where(known, beyond, flat)
    return chord, beyond, np.where(u > -l, b, a)


def _register(op: Op) -> None:
    @op.rule(affine)
    def _(call: Call, x: Interval) -> Relaxation:
        return lines(x, *pieces(call))

    derivative(op, _derivative)

    @op.rule(rounding)
    def _(call: Call, program: Semantics, x: Interval) -> Local:
        """Exact but for the product with alpha, which is stored in the accumulator's format."""
        a, b = pieces(call)
        low = np.where(x.lo >= 0, b, np.where(x.hi <= 0, a, min(a, b)))
        high = np.where(x.lo >= 0, b, np.where(x.hi <= 0, a, max(a, b)))
        local = exactly(call, Slopes((Interval(low, high),)))
        if call.node.op != "LeakyRelu":
            return local
        size, near = np.maximum(-x.lo, 0.0), float(program.rounded(a, program.accumulator))
        error = program.finish(size * max(abs(a), abs(near)) * (1 + 2.0**-50), "exact")
        return replace(local, rho=raised(error + size * abs(near - a)))


for _op in (relu, leaky, absolute):
    _register(_op)
