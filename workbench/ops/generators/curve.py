"""curve: every meaning of a function of one number that is made of convex and concave pieces (exp, sigmoid, sin ...).

A line below or above needs a slope and an offset.  **Slopes are chosen freely, offsets are proved.**

Offset.  For any float slope s, a line s x + o is above f on [l, u] if o >= sup (f(x) - s x).  Piece by piece, [a, b]:

convex   the supremum is at an end: f(a) - s a or f(b) - s b;
concave  f lies below its tangent at any point p of the piece, so with f'(p) in [d-, d+]
         f(x) - s x <= f(p) - s p + max((d+ - s)(b - p), (s - d-)(p - a), 0).

f and f' are enclosed outward (`arrays.elementary`) and the few operations after that are charged a priori, so nothing
about how s and p were found needs trust: a poor p costs tightness only.  Where a piece's edge is not a float (pi, the
square root of 2) the edge may be off by `blur`, and moving a, b, x and p by that much into the true piece costs at most
8 blur (L + |s|), L a Lipschitz constant of f of at most 2.

Slope.  Of all lines above f the one with least area over [l, u] supports the concave envelope of f at the midpoint m.
convex: the chord.  concave: the tangent at m.  S-shape, convex then concave: the envelope is the chord from l to the
point d where it is a tangent, then f itself; d by bisection (Zhang et al. 2018, CROWN, use the chord to d throughout).
More pieces: the best chord over m of a grid.  A line below is a line above -f.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from workbench.arrays.elementary import Image, Pair, sub_up, up
from workbench.floats.errors import raised
from workbench.floats.program import Semantics
from workbench.graph import Array
from workbench.op import Call, Op
from workbench.ops.generators.monotone import monotone
from workbench.semantics.affine import Lines, Relaxation, affine
from workbench.semantics.composed import composed
from workbench.semantics.cotangent import Slope, slope
from workbench.semantics.interval import TINY, UNIT, Interval
from workbench.semantics.rounding import Local, Slopes, rounding

HALVINGS, INTERPOLATIONS = 4, 14
NEAR = 1e-7  # of the distance: where a touching point is well enough known
GRID = 33  # points, odd: the middle one is the midpoint


@dataclass(frozen=True, slots=True, eq=False)
class Pieces:
    """[l, u] cut into pieces, each convex or concave, for n intervals at once.

    Parameters
    ----------
    edges : P + 1 arrays ``(n,)``, rising from l to u; a piece may be a point.
    bends : P times +1 (convex; straight counts as convex) or -1 (concave), numbers or arrays ``(n,)``.
    blur : how far an edge may be from the true one; infinite where the pieces are not known.
    """

    edges: tuple[Array, ...]
    bends: tuple[Array | int, ...]
    blur: Array | float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """A function of one number.

    Parameters
    ----------
    f, df : value and derivative in floats: they choose slopes of lines, no bound rests on them.
    image : enclosure of f over intervals (see `arrays.elementary`).
    slope : enclosure of f' at points, ``x -> (lo, hi)``.
    pieces : ``(l, u) -> Pieces``, for finite ``(n,)`` arrays; see `cut_at`.
    steepest : a bound on |f'| everywhere.
    """

    f: Callable[[Array], Array]
    df: Callable[[Array], Array]
    image: Image
    slope: Callable[[Array], Pair]
    pieces: Callable[[Array, Array], Pieces]
    steepest: float = np.inf


def cut_at(*cuts: float, bends: tuple[int, ...], blur: float = 0.0) -> Callable[[Array, Array], Pieces]:
    """Pieces of a function whose inflections and kinks are at fixed numbers."""

    def pieces(l: Array, u: Array) -> Pieces:
        return Pieces((l, *[np.clip(c, l, u) for c in cuts], u), bends, blur)

    return pieces


def curve(
    op: Op,
    of: Callable[[Call], Curve],
    function: str | None = None,
    moved: Callable[[Call, Semantics, Interval], Array] | None = None,
    ulps: float | None = None,
    formula: Callable[[Call], Callable[[Any, Any], Any]] | None = None,
    *,
    steep: Slope,
) -> None:
    """Register the interval, affine, gradient and rounding rules of an elementwise function of the first operand.

    Parameters
    ----------
    op : the operator; its real rule is given apart.  Further operands are constants that `of` reads.
    of : call -> the curve, which may depend on attributes.
    function : the library function whose accuracy a float program rests on; None where IEEE 754 has it correctly
        rounded (sqrt, 1/x).
    moved : what storing the constants that `of` reads in the program's format does to the result, at most.
    ulps : how many ulps the function errs by, for one that is not in the ledger of `floats.program` because its real
        rule computes it of correctly rounded operations; a program's own table goes before it.
    formula : call -> ``(ns, x) -> y``, the real rule's formula, from which the rounding rule follows (see
        `semantics.composed`); in place of `function`.
    steep : ``(call, ns, x, y) -> dy / dx``, the gradient in numbers and as nodes (see `semantics.cotangent`).
    """
    slope(op, steep)

    @op.rule(affine)
    def _(call: Call, x: Interval, *rest: Interval | None) -> Relaxation:
        return lines(of(call), x)

    @op.rule(rounding)
    def _(call: Call, program: Semantics, x: Interval, *rest: Interval | None) -> Local:
        c = of(call)
        form = Slopes((slopes(c, x),) + (None,) * len(rest))
        if formula is not None:
            rho, assumptions = composed(program, formula(call), x)
            return Local(rho, form, assumptions=assumptions)
        low, high = c.image(x.lo, x.hi)
        if function is None:
            # where a float operand may leave the function's domain nothing is claimed
            whole = np.isfinite(low) & np.isfinite(high)
            return Local(np.where(whole, 0.0, np.inf), form, state="exact")
        apart = 0.0 if moved is None else moved(call, program, x)
        size = np.maximum(np.abs(low), np.abs(high)) + apart
        rho = raised(program.function_error(function, size, ulps) + apart)
        return Local(rho, form, assumptions=(program.assumption(function, ulps),))

    monotone(op, lambda call, lo, hi: of(call).image(lo, hi))


def slopes(c: Curve, x: Interval) -> Interval:
    """Enclosure of f' over `x`: on a convex or concave piece f' is monotone, so that its edges have the extremes.

    A blurred edge is off by `blur`, and f' there by at most 2 blur (only sin and cos have such edges: |f''| <= 1).
    """
    l, u = x.lo.reshape(-1), x.hi.reshape(-1)
    known = np.isfinite(l) & np.isfinite(u) & (l <= u)
    pieces = c.pieces(np.where(known, l, 1.0), np.where(known, u, 1.0))
    ends = [c.slope(edge) for edge in pieces.edges]
    low = np.minimum.reduce([end[0] for end in ends]) - 2 * np.asarray(pieces.blur)
    high = np.maximum.reduce([end[1] for end in ends]) + 2 * np.asarray(pieces.blur)
    low, high = np.nextafter(low, -np.inf), np.nextafter(high, np.inf)
    low = np.where(known & ~np.isnan(low), np.maximum(low, -c.steepest), -c.steepest)
    high = np.where(known & ~np.isnan(high), np.minimum(high, c.steepest), c.steepest)
    return Interval(low.reshape(x.lo.shape), high.reshape(x.lo.shape))


def lines(c: Curve, x: Interval) -> Relaxation:
    """Lines below and above `c` over `x`, true on all of it.

    Where an end of `x` is infinite, or the proved offset is, the line is the constant of the interval; that one is
    infinite too where the function has no bound.
    """
    shape, n = x.lo.shape, x.lo.size
    image = c.image(x.lo, x.hi)
    # both lines at once: first the n lines below (above -f), then the n lines above
    end = np.concatenate([image[0].reshape(-1), image[1].reshape(-1)])
    l, u = np.tile(x.lo.reshape(-1), 2), np.tile(x.hi.reshape(-1), 2)
    known = np.isfinite(l) & np.isfinite(u) & (l <= u) & np.isfinite(end)
    l, u = np.where(known, l, 1.0), np.where(known, u, 1.0)
    m = np.clip(0.5 * l + 0.5 * u, l, u)
    pieces = c.pieces(l, u)
    sign = np.repeat((-1.0, 1.0), n)
    s, p = _support(c, pieces, l, u, m, sign)
    o = sign * _ceiling(c, pieces, s, p, sign)
    good = known & np.isfinite(o) & np.isfinite(s) & (sign * (s * m + o) <= sign * end)
    s, o = np.where(good, s, 0.0), np.where(good, o, end)
    return Relaxation(
        Lines((s[:n].reshape(shape),), o[:n].reshape(shape)),
        Lines((s[n:].reshape(shape),), o[n:].reshape(shape)),
    )


def _ceiling(c: Curve, pieces: Pieces, s: Array, p: Array, sign: Array) -> Array:
    """o >= sign (f(x) - s x) for all x in [l, u]; `p` holds a point for each piece, ``(P, n)``."""
    edges, blur = np.stack(pieces.edges), np.broadcast_to(pieces.blur, s.shape)
    convex = np.stack([np.broadcast_to(sign * bend > 0, s.shape) for bend in pieces.bends])
    corner = np.concatenate([convex, convex[-1:]])
    corner[1:-1] |= convex[:-1]
    # the convex pieces' ends, and a point of each concave piece: all enclosed in one call
    (j, at), (k, on) = np.nonzero(corner), np.nonzero(~convex)
    a, b = edges[k, on], edges[k + 1, on]
    q = np.clip(p[k, on], a, b)
    if blur.any():  # well inside, so that q lies in the true piece
        near = blur[on]
        q = np.where(b - a > 8 * near, np.clip(q, a + 2 * near, b - 2 * near), q)
    x, at = np.concatenate([edges[j, at], q]), np.concatenate([at, on])
    steep = sign * s
    height = _beyond(_above(c.image(x, x), sign[at]), steep[at], x)
    if on.size:
        slope, g = c.slope(q), sign[on]
        most, least = _above(slope, g), -_above(slope, -g)
        right = np.where(b > q, up(np.maximum(sub_up(most, steep[on]), 0) * up(b - q)), 0.0)
        left = np.where(q > a, up(np.maximum(sub_up(steep[on], least), 0) * up(q - a)), 0.0)
        height[j.size :] = up(height[j.size :] + np.maximum(right, left))
    highest = np.full(s.shape, -np.inf)
    np.maximum.at(highest, at, height)
    if blur.any():
        assert c.steepest <= 2, "the charge for edges that are not floats rests on |f'| <= 2"
        highest = up(highest + 8 * blur * (2 + np.abs(s)) * (1 + 16 * UNIT))
    return highest


def _above(pair: Pair, sign: Array) -> Array:
    """What is above sign times an enclosed number."""
    return np.where(sign > 0, pair[1], -pair[0])


def _beyond(top: Array, s: Array, x: Array) -> Array:
    """At least ``top - s x``: two roundings of terms no larger than |top| + |s x|, and one of the sum, charged."""
    q = s * x
    return up(top - q + (3 * UNIT * (np.abs(top) + np.abs(q)) + 4 * TINY))


def _support(c: Curve, pieces: Pieces, l: Array, u: Array, m: Array, sign: Array) -> Pair:
    """Slopes ``(n,)`` of good lines above sign f, and in every piece a point where the line is near, ``(P, n)``."""
    wide = np.stack([pieces.edges[j + 1] > pieces.edges[j] for j in range(len(pieces.bends))])
    bends = sign * np.stack([np.broadcast_to(b, l.shape) for b in pieces.bends])
    count, each = wide.sum(axis=0), np.arange(len(l))
    first, last = np.argmax(wide, axis=0), len(wide) - 1 - np.argmax(wide[::-1], axis=0)
    opening, closing = bends[first, each], bends[last, each]
    s, p = c.df(m), np.broadcast_to(m, wide.shape)
    at = np.flatnonzero((count == 1) & (opening > 0))
    if at.size:
        s[at] = _chord(c, l[at], u[at], s[at])
    if count.size and count.max() > 1:
        p = p.copy()
        at = np.flatnonzero((count == 2) & (opening != closing))
        cut = np.stack(pieces.edges)[last, each]
        if at.size:
            s[at], p[:, at] = _through_inflection(c, l[at], cut[at], u[at], m[at], opening[at], sign[at])
        at = np.flatnonzero((count > 2) | ((count == 2) & (opening == closing)))
        if at.size:
            s[at] = _over_grid(c, l[at], u[at], sign[at])
            for j in range(len(wide)):
                p[j, at] = _parallel(c, s[at], pieces.edges[j][at], pieces.edges[j + 1][at], sign[at])
    return s, p


def _chord(c: Curve, l: Array, u: Array, tangent: Array) -> Array:
    """Slope of the chord, kept between the slopes at the ends: on a tiny interval it is all rounding."""
    chord = (c.f(u) - c.f(l)) / (u - l)
    ends = c.df(l), c.df(u)
    chord = np.fmax(np.fmin(chord, np.fmax(*ends)), np.fmin(*ends))
    return np.where(np.isfinite(chord), chord, tangent)


def _through_inflection(
    c: Curve, l: Array, cut: Array, u: Array, m: Array, opening: Array, sign: Array
) -> Pair:
    """Slope and touching point above an S: convex, then concave (mirrored where it opens concave)."""
    mirror = opening
    left, right = np.where(opening > 0, l, -u), np.where(opening > 0, u, -l)
    cut, middle, turned = mirror * cut, mirror * m, sign * mirror
    at_left = sign * c.f(mirror * left)

    def beyond(t: Array) -> Array:
        """Positive where the tangent from the left end touches to the right of t; decreases from the cut on."""
        x = mirror * t
        return turned * c.df(x) * (t - left) - (sign * c.f(x) - at_left)

    d = _root(beyond, cut, right)
    run = d - left
    chord = np.where(run > 0, (sign * c.f(mirror * d) - at_left) / run, np.nan)
    slope = turned * c.df(mirror * np.where(d <= middle, middle, d))
    slope = np.where((d < right) | (d <= middle) | np.isnan(chord), slope, chord)
    return turned * slope, mirror * np.where(d <= middle, middle, d)


def _root(g: Callable[[Array], Array], lo: Array, hi: Array) -> Array:
    """Where a decreasing g changes sign between lo and hi: lo or hi where it does not.

    A few halvings, every other one of the exponent of the distance to lo, so that a point near lo is found in [0, 1e30]
    too; then inverse quadratic interpolation where it can be trusted (Chandrupatla 1997).  The bracket's end where
    g <= 0 is returned.
    """
    at_lo, at_hi, start = g(lo), g(hi), lo
    # a bracket of no width where g has no sign change
    lo, at_lo = np.where(at_hi >= 0, hi, lo), np.where(at_hi >= 0, 0.0, at_lo)
    hi, at_hi = np.where(at_lo < 0, lo, hi), np.where(at_lo < 0, -0.0, at_hi)
    b, at_b, c, at_c = lo, at_lo, hi, at_hi
    t = np.full(lo.shape, 0.5)
    for step in range(HALVINGS + INTERPOLATIONS):
        if step < HALVINGS and step % 2:
            far = hi - start
            x = np.clip(start + np.sqrt(np.maximum(lo - start, far * 2.0**-40)) * np.sqrt(far), lo, hi)
        else:
            x = b + t * (c - b)
        y = g(x)
        further = y > 0
        # c: the end that x replaces or the one kept before; a, b: the new bracket, b the newest point
        old, at_old = np.where(further, lo, hi), np.where(further, at_lo, at_hi)
        lo, at_lo = np.where(further, x, lo), np.where(further, y, at_lo)
        hi, at_hi = np.where(further, hi, x), np.where(further, at_hi, y)
        b, at_b = x, y
        c, at_c = np.where(further, hi, lo), np.where(further, at_hi, at_lo)
        if step + 1 < HALVINGS:
            continue
        if (hi - lo <= NEAR * (hi - start)).all():
            break
        xi, phi = (b - c) / (old - c), (at_b - at_c) / (at_old - at_c)
        trusted = (phi * phi < xi) & ((1 - phi) * (1 - phi) < 1 - xi)
        quadratic = at_b / (at_c - at_b) * at_old / (at_c - at_old) + (old - b) / (c - b) * at_b / (
            at_old - at_b
        ) * at_c / (at_old - at_c)
        t = np.clip(np.where(trusted & np.isfinite(quadratic), quadratic, 0.5), 1e-3, 1 - 1e-3)
    return hi


def _parallel(c: Curve, s: Array, a: Array, b: Array, sign: Array) -> Array:
    """Where a concave piece of sign f has slope sign s (an end where it has it nowhere)."""
    return _root(lambda t: sign * (c.df(t) - s), a, b)


def _over_grid(c: Curve, l: Array, u: Array, sign: Array) -> Array:
    """The slope, over the midpoint, of the concave envelope of sign f at GRID points."""
    t = np.linspace(0.0, 1.0, GRID)
    x = l[:, None] * (1 - t) + u[:, None] * t
    y = sign[:, None] * c.f(x)
    half, each = GRID // 2, np.arange(len(l))
    # the chord from point i of the left half to point j of the right half, at the middle one
    weight = np.arange(half, 0, -1)[:, None] / (
        np.arange(half, 0, -1)[:, None] + np.arange(1, half + 1)[None]
    )
    height = (y[:, :half, None] * (1 - weight) + y[:, None, half + 1 :] * weight).reshape(len(l), -1)
    best = np.argmax(height, axis=1)
    i, j = best // half, best % half + half + 1
    chord = (y[each, j] - y[each, i]) / (x[each, j] - x[each, i])
    return np.where(height[each, best] > y[:, half], sign * chord, c.df(x[:, half]))
