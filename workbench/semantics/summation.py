"""Sums of products in a float program: what rounding does to an affine operator, in any order of summation.

Constants are stored in the program's format first.  What that changes is known, sign included: it is the `shift` of
`rounding.Local`, not a part of its unsigned bound.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Literal

import numpy as np

from workbench.floats.errors import growth, raised, sum_error_by_totals, sum_error_classic
from workbench.floats.program import Semantics
from workbench.floats.rounding import is_stored
from workbench.graph import Array, GraphError
from workbench.op import Call
from workbench.semantics.affine import Linear, LinearMap
from workbench.semantics.interval import TINY, UNIT, Interval, midpoint_radius, product
from workbench.semantics.leaves import leaf_errors
from workbench.semantics.rounding import Local, Slopes, sizes

# What a sum's leaves are: products; stored numbers; either, with the sum multiplied or divided afterwards.
Kind = Literal["products", "sum", "scaled"]
Leafwise = Callable[[Call, Semantics, tuple[Interval | None, ...]], Array | None]

# ---------------------------------------------------------------------- constants, stored in the program's format


def stored(call: Call, program: Semantics) -> tuple[Call, Call | None]:
    """The call with its constants as the program stores them, and with what storing adds to each (None: nothing).

    The difference of two float64 neighbours of a number within a factor of two is exact, and a constant that underflows
    to 0 differs by itself; one that is saturated, or tiny and rounded away from 0, differs by it up to a relative u,
    for which `shift_of` has room.
    """
    form = program.weights
    flush = program.subnormals == "flush"

    def make() -> tuple[Call, Call | None]:
        kept, moved, changed = [], [], False
        for c in call.constants:
            if c is None or c.dtype.kind != "f":
                kept.append(c)
                moved.append(c)
                continue
            if is_stored(c, form) and not flush:
                kept.append(c)
                moved.append(np.zeros(c.shape))
                continue
            wide = np.asarray(c, np.float64)
            near = program.rounded(wide, form)
            with np.errstate(invalid="ignore"):
                delta = near - wide
            changed = changed or bool(np.any(delta != 0))
            kept.append(near)
            moved.append(delta)
        if not changed:
            return call, None
        return replace(call, constants=tuple(kept), memo={}), replace(call, constants=tuple(moved), memo={})

    return call.cached(("stored", form, program.mode, flush, program.overflow), make)


def stored_form(
    call: Call, program: Semantics, build: Callable[[Call], Linear | None]
) -> tuple[Linear, Linear | None, bool]:
    """The affine map with stored constants, the map of what storing adds, and whether both could be made.

    The second is ``x -> (A' - A) x + (b' - b)``; it is right for maps that are linear in their constants and for those
    that do not depend on them: those drop out.  The beta C of a Gemm whose C is computed is one of these, though it
    multiplies: a map is free of the constants where something is left of it when they are all 0.
    """

    def make() -> tuple[Linear, Linear | None, bool]:
        near, moved = stored(call, program)
        whole = build(call)
        assert whole is not None
        if moved is None:
            return whole, None, True
        if not all(c is None or c.dtype.kind != "f" or bool(np.isfinite(c).all()) for c in near.constants):
            return whole, None, False
        try:
            first, second = build(near), build(moved)
        except (
            GraphError
        ):  # what is stored, or the tiny change, is outside the range that the map can be made in
            return whole, None, False
        assert first is not None
        assert second is not None
        maps = tuple(
            None if m is None or m.terms == 0 or _without_constants(moved, build, i) else m
            for i, m in enumerate(second.maps)
        )
        return first, Linear(maps, second.bias, second.bias_error), True

    key = ("stored form", program.weights, program.mode, program.subnormals, program.overflow)
    return call.cached(key, make)


def _without_constants(call: Call, build: Callable[[Call], Linear | None], i: int) -> bool:
    """Whether the i-th map of a node stays when every constant is 0; only asked where several maps multiply."""
    if sum(s is not None and c is None for s, c in zip(call.shapes, call.constants, strict=True)) < 2:
        return False
    nothing = tuple(None if c is None or c.dtype.kind != "f" else np.zeros(c.shape) for c in call.constants)
    kept = tuple(c if z is None else z for c, z in zip(call.constants, nothing, strict=True))
    form = build(replace(call, constants=kept, memo={}))
    shape = call.shapes[i]
    assert form is not None
    assert shape is not None
    m = form.maps[i]
    return m is not None and bool(np.any(m.magnitude(np.ones((1, *shape))) > 0))


def shift_of(delta: Linear | None, ranges: tuple[Interval | None, ...]) -> tuple[Array | None, Array | float]:
    """What stored constants add to the result: a known part, and a bound on the rest.

    ``D x + g`` over x in [c - r, c + r] is ``D c + g`` up to ``|D| r``; float64 errs by (terms + 2) u in each sum.
    """
    if delta is None:
        return None, 0.0
    centre: Array = np.zeros(())
    radius: Array = np.zeros(())
    terms = max((m.terms for m in delta.maps if m is not None), default=0) + len(delta.maps) + 3
    for m, x in zip(delta.maps, ranges, strict=True):
        if m is None:
            continue
        assert x is not None
        c, r = midpoint_radius(x)
        centre = centre + m.apply(c)
        radius = radius + sizes(m, r + (2 * terms * UNIT) * np.abs(c) + np.where(c == 0, 0.0, TINY))
    if delta.bias is not None:
        centre = centre + delta.bias
        radius = radius + (2 * terms * UNIT) * np.abs(delta.bias)
    if delta.bias_error is not None:
        radius = radius + delta.bias_error
    return centre, raised(radius, terms)


# ---------------------------------------------------------------------- sums of products


def totals(form: Linear, ranges: tuple[Interval | None, ...]) -> tuple[Array, Array]:
    """P and N: bounds on the sums of the positive and of the negative parts of the leaves ``A_ij x_j`` and ``b_i``.

    With a = max(x, 0) and b = max(-x, 0) at their largest, P = A+ a + A- b and N = A- a + A+ b, hence
    P + N = |A| (a + b) and P - N = A (a - b): one product with each of A and |A| gives both.
    """
    both: Array = np.zeros(())
    difference: Array = np.zeros(())
    terms = 2
    for m, x in zip(form.maps, ranges, strict=True):
        if m is None:
            continue
        assert x is not None
        plus, minus = np.maximum(x.hi, 0.0), np.maximum(-x.lo, 0.0)
        both = both + sizes(m, plus + minus)
        difference = difference + m.apply(plus - minus)
        terms += m.terms + 2
    if form.bias is not None:
        both = both + np.abs(form.bias)
        difference = difference + form.bias
    # neither is 0 by underflow where there are leaves: they would not be counted
    slack = (2 * terms * UNIT) * both + np.where(both > 0, terms * TINY, 0.0)
    return raised(0.5 * (both + difference) + slack, terms), raised(0.5 * (both - difference) + slack, terms)


def sum_of_products(
    program: Semantics,
    positive: Array,
    negative: Array,
    terms: int,
    kind: Kind = "products",
    sharper: Array | None = None,
    factor: float = 1.0,
) -> Array:
    """Error of a sum in the accumulator, for any order of summation, fused or not (F2, F5, F7).

    Parameters
    ----------
    positive, negative : P and N of `totals`.
    terms : number of leaves that may be other than zero, at most.
    kind : what the leaves are; for "scaled" P and N are those of the scaled leaves, and the scaling is included.
    sharper : a sharper bound on the errors of additions and multiplications, where there is one.
    factor : for "scaled", how many times larger (or smaller) the numbers in the accumulator may be.
    """
    accumulator = program.measure
    total = raised(positive + negative)
    if kind == "scaled":
        program.needs_gradual("a scaled sum, such as a mean,")
        # leaf, sum, scaling, and a rounded scale; ufp does not scale, the relative form F2 does
        found = sum_error_classic(total, terms + 3, accumulator)
        found = raised(found + np.where(total > 0, 2 * (terms + 1) * factor * accumulator.eta, 0.0))
        return np.asarray(np.where(total * factor <= accumulator.largest / 4, found, np.inf))
    added = sum_error_by_totals(positive, negative, terms, accumulator)
    rounds = int(kind == "products" and not program.exact_products)
    if rounds:
        added = added + accumulator.unit * total
    if sharper is not None:
        added = np.minimum(
            added, sharper
        )  # infinite where an overflow was not excluded: one of them may do so
    underflow = _underflow(program, terms) if kind == "products" else 0.0
    found = added
    if accumulator.subnormals:
        classic = sum_error_classic(total, terms + rounds, accumulator)
        found = np.where(np.isfinite(added), np.minimum(added, classic), np.inf)
    found = raised(found + np.where(total > 0, underflow, 0.0))
    # one product alone is not an addition, so its overflow is looked for here
    return np.asarray(np.where(np.maximum(positive, negative) <= accumulator.largest, found, np.inf))


def _underflow(program: Semantics, terms: int) -> float:
    """What products that underflow are worth in a sum of so many."""
    return 2.0 * terms * program.underflow * (1 + growth(program.measure.unit, terms + 1))


def affine_local(
    call: Call,
    program: Semantics,
    build: Callable[[Call], Linear | None],
    ranges: tuple[Interval | None, ...],
    kind: Kind = "products",
    leafwise: Leafwise | None = None,
    factor: float = 1.0,
) -> Local:
    """The rounding of an affine operator: any order of summation, weights stored in the program's format.

    Parameters
    ----------
    build : call -> its affine map, for any values of its constants.
    kind : what the leaves of its sums are.
    leafwise : (call with stored constants, program, ranges) -> a sharper bound from the single leaves, or None.
    factor : see `sum_of_products`.
    """
    form = call.cached("linear", lambda: build(call))
    assert form is not None
    near, delta, known = stored_form(call, program, build)
    if not known:
        return Local(np.full((1, *call.shape), np.inf), form)
    terms = sum(max(1, m.terms) for m in near.maps if m is not None) + (near.bias is not None)
    sharper = None if leafwise is None else leafwise(stored(call, program)[0], program, ranges)
    if sharper is not None and kind == "products" and bool(np.all((sharper > 0) & (sharper < np.inf))):
        rho = sharper + _underflow(program, terms)  # no form that knows the totals only is less
    else:
        rho = sum_of_products(program, *totals(near, ranges), terms, kind, sharper, factor)
    if delta is None:
        return Local(raised(rho), form)
    shift, rest = shift_of(delta, ranges)
    return Local(raised(rho + rest), form, shift)


def affine_once(
    call: Call,
    program: Semantics,
    build: Callable[[Call], Linear | None],
    ranges: tuple[Interval | None, ...],
) -> Local:
    """An elementwise affine operator that is one correctly rounded operation on stored numbers."""
    form = call.cached("linear", lambda: build(call))
    assert form is not None
    _, delta, known = stored_form(call, program, build)
    shift, rest = shift_of(delta, ranges)
    return Local(np.full((1, *call.shape), 0.0 if known else np.inf) + rest, form, shift, "exact")


def pairs_local(
    call: Call, program: Semantics, x: Interval, y: Interval, unfold: tuple[LinearMap, LinearMap]
) -> Local:
    """The rounding of ``sum_k x_k y_k`` over two operands that both depend on the input, unfolded ``(N, *out, K)``.

    Each partial derivative is the other operand: ``z_x z_y - x y = z_y (z_x - x) + x (z_y - y)``.
    """
    a = Interval(unfold[0].apply(x.lo), unfold[0].apply(x.hi))
    b = Interval(unfold[1].apply(y.lo), unfold[1].apply(y.hi))
    leaves = product(a, b)
    high, low = np.maximum(leaves.hi, 0.0), np.minimum(leaves.lo, 0.0)
    terms = high.shape[-1]
    positive, negative = raised(high.sum(axis=-1), terms), raised(-low.sum(axis=-1), terms)
    # a constant among the operands is a stored weight, whose products with another are not looked into
    other = program.activations if call.is_live(0) and call.is_live(1) else program.accumulator
    narrower = replace(program, weights=other)
    sharper = leaf_errors(high, low, narrower)
    rho = sum_of_products(narrower, positive, negative, terms, "products", sharper)
    shape = leaves.lo.shape
    slopes = tuple(Interval(np.broadcast_to(v.lo, shape), np.broadcast_to(v.hi, shape)) for v in (b, a))
    return Local(rho, Slopes(slopes, unfold, bilinear=True))
