"""Zonotopes: affine forms carried forward through the network, the domain of DeepZ (Singh et al. 2018, NeurIPS).

A node's value is ``c + sum_g e_g G_g``, every e_g in [-1, 1] shared by all nodes, and up to an error r of its own,
which takes in all rounding.  What two branches of a residual sum have in common cancels here, forward; in CROWN it
does, backward.  Neither is always tighter, so that their intersection is a bound of its own ("crown-zonotope").

Soundness.  A linear map of at most t products an element, run in float64 on the centre and on each generator, errs
by at most ``gamma_t |A| (|c| + sum |G|)``; errors pass through as ``|A| r``.  A nonlinear node lies between its
lines (`semantics.affine`): with any slopes s, ``f(x) - s . x`` lies between the least of (lower - s) . x and the
largest of (upper - s) . x over the operands' intervals; half of that room becomes a new generator, the middle joins
the centre.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter

import numpy as np

from workbench.graph import Array, GraphError
from workbench.methods.bounds import Bounds
from workbench.methods.crown import crown
from workbench.methods.ibp import boxes
from workbench.methods.progress import Progress
from workbench.methods.scene import KINKED, parts_of
from workbench.ops.relu import pieces
from workbench.region import Region
from workbench.semantics.affine import Linear, LinearMap, Lines, Relaxation, describe, spread
from workbench.semantics.backward import INFLATE
from workbench.semantics.interval import TINY, UNIT, Interval, apply, known
from workbench.semantics.plan import Plan, Step

LARGEST = 1 << 26  # elements of one node's generators


@dataclass(frozen=True, slots=True, eq=False)
class Form:
    """Affine forms of a node's elements: centre ``(1, *shape)``, generators ``(G, *shape)``, error ``(1, *shape)``.

    The first G of all generators; the others are zero.
    """

    centre: Array
    generators: Array
    error: Array

    def interval(self) -> Interval:
        """What they contain, rounded outward."""
        count = len(self.generators)
        reach = (np.abs(self.generators).sum(axis=0)[None] + self.error) * (1 + (count + 8) * UNIT) * INFLATE
        reach = reach + 4 * UNIT * np.abs(self.centre) + (count + 4) * TINY
        lo, hi = np.nextafter(self.centre - reach, -np.inf), np.nextafter(self.centre + reach, np.inf)
        return Interval(np.where(np.isnan(lo), -np.inf, lo), np.where(np.isnan(hi), np.inf, hi))

    @property
    def size(self) -> Array:
        """At least every absolute value, ``(1, *shape)``; and all terms' sum."""
        whole = np.abs(self.centre) + np.abs(self.generators).sum(axis=0)[None] + self.error
        return np.asarray(whole * INFLATE + TINY)


def zonotope(
    plan: Plan,
    regions: Mapping[str, Region],
    *,
    together: bool = False,
    rows: Array | None = None,
    progress: Progress | None = None,
) -> Bounds:
    """Bounds of every node by zonotopes, intersected with intervals on the way.

    Parameters
    ----------
    plan, regions : the network and where its input lies (of a ball in another norm than l_inf, its box).
    together : intersect with CROWN's bounds, and draw every node's lines over the intersection.
    rows : coefficients ``(R, *shape)`` of the first output, whose lower bounds are wanted.

    Raises
    ------
    GraphError
        More generators than fit.
    """
    start = perf_counter()
    base = crown(plan, regions, neurons="all", rows=rows, progress=progress) if together else None
    count = max((r.batch for r in regions.values()), default=1)
    found: list[dict[str, Interval]] = []
    margins: list[Array] = []
    for k in range(count):
        part = {name: parts_of(r, np.array([k])) for name, r in regions.items()}
        held = {} if base is None else {n: v if len(v.lo) == 1 else v[k : k + 1] for n, v in base.items()}
        with np.errstate(all="ignore"):
            walk = _Walk(plan, part, held)
            walk.run(progress)
            if rows is not None:
                margins.append(walk.rows(np.asarray(rows, np.float64)))
        found.append(walk.bounds)
    whole = {name: stacked([f[name] for f in found]) for name in found[0]}
    least = None if rows is None else np.stack(margins)
    if base is not None and base.margins is not None and least is not None:
        least = np.fmax(least, base.margins)
    name = "crown-zonotope" if together else "zonotope"
    forms = {} if base is None else base.forms
    seconds = perf_counter() - start
    return Bounds(whole, name, dict(regions), seconds, plan.graph.outputs, forms, least)


def stacked(parts: Sequence[Interval]) -> Interval:
    """The intervals of several regions as one batch."""
    lo, hi = (np.concatenate([getattr(p, end) for p in parts]) for end in ("lo", "hi"))
    return Interval(lo, hi, parts[0].simplex)


class _Walk:
    """One region on its way forward."""

    def __init__(self, plan: Plan, regions: Mapping[str, Region], held: Mapping[str, Interval]) -> None:
        self.plan, self.held = plan, held
        self.bounds: dict[str, Interval] = dict(boxes(plan, regions))
        self.forms: dict[str, Form] = {}
        self.count = 0
        for name in plan.graph.inputs:
            x = self.bounds[name]
            middle = 0.5 * x.lo + 0.5 * x.hi
            radius = np.nextafter(np.maximum(x.hi - middle, middle - x.lo), np.inf)
            self.forms[name] = self._fresh(middle, np.where(x.hi > x.lo, radius, 0.0), np.zeros(x.lo.shape))

    def _fresh(self, centre: Array, radius: Array, error: Array, held: Array | None = None) -> Form:
        """A form with a new generator for every element whose radius is not 0."""
        shape = radius.shape[1:]
        index = np.flatnonzero(radius.reshape(-1))
        total = self.count + index.size
        if total * max(1, radius.size) > LARGEST:
            raise GraphError(
                f"{total:,} generators for {radius.size:,} values are more than fit: choose crown for this network"
            )
        generators = np.zeros((total, *shape))
        if held is not None:
            generators[: len(held)] = held
        generators.reshape(total, radius.size)[self.count + np.arange(index.size), index] = radius.reshape(
            -1
        )[index]
        self.count = total
        return Form(centre, generators, error)

    def run(self, progress: Progress | None) -> None:
        """Every node, in order."""
        for k, step in enumerate(self.plan.steps):
            name = step.node.name
            if progress is not None:
                progress(k / len(self.plan.steps), name)
            found = apply(self.plan, step, self.bounds)
            if name in self.held:
                found = found.intersect(self.held[name])
            if name in self.plan.live:
                form = self._form(step)
                self.forms[name] = form
                mine = form.interval()
                found = Interval(np.maximum(found.lo, mine.lo), np.minimum(found.hi, mine.hi), found.simplex)
            self.bounds[name] = found
        for name in self.plan.graph.outputs:
            if name in self.plan.constants:
                self.bounds[name] = known(self.plan, name)

    def _form(self, step: Step) -> Form:
        described = describe(self.plan, step, self.bounds)
        if isinstance(described, Linear):
            return self._linear(step, described)
        return self._lines(step, described)

    def _operand(self, name: str) -> Form:
        """A node's form; of what no form is known (a constant, infinite lines), its interval as an error."""
        if name in self.forms:
            return self.forms[name]
        x = self._interval(name)
        middle = 0.5 * x.lo + 0.5 * x.hi
        radius = np.nextafter(np.maximum(x.hi - middle, middle - x.lo), np.inf)
        return Form(middle, np.zeros((0, *middle.shape[1:])), np.where(x.hi > x.lo, radius, 0.0))

    def _linear(self, step: Step, form: Linear) -> Form:
        shape = (1, *step.node.shape)
        centre, error, size = np.zeros(shape), np.zeros(shape), np.zeros(shape)
        generators: Array = np.zeros((0, *step.node.shape))
        terms = 1
        for name, m in zip(step.operands, form.maps, strict=True):
            if m is None or name is None:
                continue
            x = self._operand(name)
            centre = centre + m.apply(x.centre)
            error = error + m.magnitude(x.error)
            size = size + m.magnitude(x.size)
            generators = _sum(generators, m.apply(x.generators) if len(x.generators) else x.generators, shape)
            terms = max(terms, m.terms)
        if form.bias is not None:
            centre, size = centre + form.bias, size + np.abs(form.bias)
        if form.bias_error is not None:
            error = error + form.bias_error
        # products, sums over operands and the bias: a few roundings more than the longest sum
        lost = (terms + len(form.maps) + 6) * UNIT * size
        error = (error + lost) * INFLATE + (len(generators) + 2) * (terms + 2) * TINY
        return Form(centre, generators, error)

    def _lines(self, step: Step, form: Relaxation) -> Form:
        """``s . x + middle``, a new generator for the room between the lines."""
        lower, upper = form.lower, form.upper
        if step.node.op in KINKED and (lower.offset == 0).all():
            left, right = pieces(step.call)
            s = upper.slopes[0]
            if s is not None and ((left <= s) & (s <= right)).all():
                # below two straight pieces that meet at 0, convex, any slope between theirs will do
                lower = Lines(upper.slopes, lower.offset)
        shape = (1, *step.node.shape)
        full = np.broadcast_to
        low, high = np.array(full(lower.offset, shape)), np.array(full(upper.offset, shape))
        centre, error, size = np.zeros(shape), np.zeros(shape), np.zeros(shape)
        generators: Array = np.zeros((0, *step.node.shape))
        terms = 1
        for i, name in enumerate(step.operands):
            a, b = (x.slopes[i] if i < len(x.slopes) else None for x in (lower, upper))
            if name is None or (a is None and b is None):
                continue
            one, two = np.zeros(()) if a is None else a, np.zeros(()) if b is None else b
            slope = one if np.array_equal(one, two) else 0.5 * one + 0.5 * two
            x, seen = self._operand(name), self._interval(name)
            use = _Use(form.unfold[i] if i < len(form.unfold) else None, step.node.shape)
            terms = max(terms, use.copies(x.centre) + 2)
            centre = centre + use(slope, x.centre)
            error = error + use(np.abs(slope), x.error)
            size = size + use(np.abs(slope), x.size)
            if len(x.generators):
                mine = full(use(slope, x.generators), (len(x.generators), *step.node.shape))
                generators = _sum(generators, mine, shape)
            if slope is one:
                continue
            # what lies between the lines and s . x, over the operand's interval; subtracting slopes rounds once
            lost = (4 + terms) * UNIT * use(np.abs(one) + np.abs(two) + np.abs(slope), seen.magnitude)
            lost = lost * INFLATE + 8 * TINY
            low = low + (use.ends(one - slope, seen)[0] - lost)
            high = high + (use.ends(two - slope, seen)[1] + lost)
        middle = 0.5 * low + 0.5 * high
        radius = np.maximum(high - middle, middle - low)
        radius = np.nextafter(radius, np.inf) + 8 * UNIT * (np.abs(low) + np.abs(high)) + 8 * TINY
        stays = (low == 0) & (high == 0)
        radius, middle = np.where(stays, 0.0, radius), np.where(stays, 0.0, middle)
        centre = centre + middle
        size = size + np.abs(middle)
        error = (error + (terms + len(step.operands) + 8) * UNIT * size) * INFLATE
        error = error + (len(generators) + 2) * (terms + 2) * TINY
        return self._fresh(centre, radius, error, generators)

    def _interval(self, name: str) -> Interval:
        return known(self.plan, name) if name in self.plan.constants else self.bounds[name]

    def rows(self, rows: Array) -> Array:
        """Lower bounds ``(R,)`` of rows of the first output."""
        x = self._operand(self.plan.graph.outputs[0])
        flat, n = rows.reshape(len(rows), -1), x.centre.size
        at = flat @ x.centre.reshape(-1)
        size = np.abs(flat) @ x.size.reshape(-1)
        reach = np.abs(x.generators.reshape(-1, n) @ flat.T).sum(axis=0) + np.abs(flat) @ x.error.reshape(-1)
        lost = (2 * n + len(x.generators) + 16) * UNIT * size * INFLATE + (n + 4) * (
            len(x.generators) + 2
        ) * TINY
        least = np.nextafter(at - (reach * INFLATE + lost), -np.inf)
        return np.asarray(np.where(np.isnan(least), -np.inf, least))


@dataclass(frozen=True, slots=True, eq=False)
class _Use:
    """How an operand enters a node: elementwise, or unfolded and summed over the last axis."""

    unfold: LinearMap | None
    shape: tuple[int, ...]

    def _moved(self, v: Array) -> Array:
        return spread(v, self.shape) if self.unfold is None else self.unfold.apply(v)

    def copies(self, v: Array) -> int:
        """How many of the operand's elements a sum runs over."""
        return 0 if self.unfold is None else int(self._moved(v).shape[-1])

    def __call__(self, slope: Array, v: Array) -> Array:
        """``slope . v``, ``(N, *shape)``."""
        found = slope * self._moved(v)
        return np.asarray(found if self.unfold is None else found.sum(axis=-1))

    def ends(self, gap: Array, x: Interval) -> tuple[Array, Array]:
        """The least and the largest value of ``gap . x`` over an interval."""
        one, two = gap * self._moved(x.lo), gap * self._moved(x.hi)
        least, most = np.minimum(one, two), np.maximum(one, two)
        return (least, most) if self.unfold is None else (least.sum(axis=-1), most.sum(axis=-1))


def _sum(one: Array, two: Array, shape: tuple[int, ...]) -> Array:
    """Generators added, the shorter list filled up with zeros."""
    if len(one) < len(two):
        one, two = two, one
    found = np.array(np.broadcast_to(one, (len(one), *shape[1:])))
    found[: len(two)] += two
    return found
