"""linear and moves: every meaning of an operator that is an affine map of its operands."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from workbench.arrays.device import array, beside
from workbench.floats.program import Semantics
from workbench.graph import Array
from workbench.op import Call, Op, UnsupportedOperator
from workbench.semantics.affine import Linear, LinearMap, affine
from workbench.semantics.cotangent import Term, Terms, adjoint, cotangent
from workbench.semantics.gradient import gradient
from workbench.semantics.interval import (
    TINY,
    UNIT,
    Interval,
    interval,
    midpoint_radius,
    not_below_zero,
    whole_where_nan,
)
from workbench.semantics.real import real
from workbench.semantics.rounding import Local, rounding
from workbench.semantics.summation import Kind, Leafwise, affine_local, shift_of, stored_form


def weighted(
    weight: Array,
    build: Callable[[Array], tuple[Callable[[Array], Array], Callable[[Array], Array]]],
    terms: int,
    adjoint_terms: int,
    rows: Callable[[Array], Array] | None = None,
) -> LinearMap:
    """The linear map of a weight array; `build(w)` gives (apply, adjoint), and is used on |w| too."""
    apply, adjoint = build(weight)
    magnitude, magnitude_adjoint = build(np.abs(weight))
    return LinearMap(apply, adjoint, magnitude, magnitude_adjoint, terms, adjoint_terms, rows)


def movement(
    apply: Callable[[Array], Array], adjoint: Callable[[Array], Array], copies: int = 1
) -> LinearMap:
    """Exact data movement; `copies` is how often one element is used at most (the adjoint then adds that many)."""
    return LinearMap(apply, adjoint, apply, adjoint, 0, 0 if copies <= 1 else copies)


def enclose(form: Linear, *operands: Interval | None) -> Interval:
    """The interval of an affine map: midpoint and radius, with its own rounding charged a priori.

    For one operand with centre c, radius r and sums of n terms (weights' relative error included in n):
    |A x + b - fl(A c + b)| <= |A| r + (n+3) u (|A||c| + |b|) + underflow, and |A|(r + (n+3)u|c|) is itself a sum of
    non-negative terms with relative error below 2(n+4)u (Rump 1999; F11 of the notes).  The ends' own rounding, at most
    u (|centre| + radius), is in the radius too, twice over.
    """
    centre: Array | None = None
    radius: Array | None = None
    terms = len(form.maps) + 3 + max([m.terms for m in form.maps if m is not None], default=0)
    gamma = terms * UNIT
    for m, x in zip(form.maps, operands, strict=True):
        if m is None or x is None:
            continue
        c, r = midpoint_radius(x)
        a, b = m.apply(c), m.magnitude(r + gamma * np.abs(c))
        centre, radius = (a, b) if centre is None or radius is None else (centre + a, radius + b)
    assert centre is not None
    assert radius is not None
    if form.bias is not None:
        bias = beside(form.bias, centre)
        centre = centre + bias
        radius = radius + gamma * np.abs(bias)
        if form.bias_error is not None:
            radius = radius + beside(form.bias_error, centre)
    radius = radius * (1 + (2 * terms + 12) * UNIT) + (4 * UNIT * np.abs(centre) + (4 * terms + 8) * TINY)
    found = whole_where_nan(centre - radius, centre + radius)
    positive = _not_negative(form, operands)
    return found if positive is None else not_below_zero(found, positive)


def _not_negative(form: Linear, operands: tuple[Interval | None, ...]) -> Array | None:
    """Where the result is a sum of weights >= 0 times operands >= 0, and a bias >= 0: sums, means, movements.

    A map whose `magnitude` is its `apply` has no negative weight; it finds where negative operands go.  None: nowhere.
    """
    if any(m is not None and m.apply is not m.magnitude for m in form.maps):
        return None
    found: Array | None = None
    for m, x in zip(form.maps, operands, strict=True):
        if m is None or x is None:
            continue
        one = m.apply((x.lo < 0).astype(np.float64)) == 0
        found = one if found is None else found & one
    if found is not None and form.bias is not None:
        found = found & beside(form.bias >= 0, found)
    if found is not None and form.bias_error is not None:
        found = found & beside(form.bias_error == 0, found)
    return found


def _numbers(x: Array) -> Array:
    x = array(x)
    return x if x.dtype == np.float64 else x.astype(np.float64)


def pull(form: Linear, seed: Array) -> tuple[Array | None, ...]:
    """The vector-Jacobian product of an affine map: its adjoint."""
    return tuple(None if m is None else m.adjoint(seed) for m in form.maps)


Trained = Callable[..., tuple[Array | None, ...]]


def _derivative(form: Callable[[Call], Linear], trained: Trained | None) -> Trained:
    """The gradient rule: the adjoint, or `trained` where further operands are no constants."""

    def rule(
        call: Call, operands: tuple[Array | None, ...], value: Array, seed: Array
    ) -> tuple[Array | None, ...]:
        if trained is not None and any(call.is_live(i) for i in range(1, len(call.shapes))):
            return trained(call, operands, seed)
        return pull(form(call), seed)

    return rule


Said = Callable[[Call, Terms, Term, Term], Terms | None]


def _as_nodes(form: Callable[[Call], Linear], said: Said | None) -> Callable[..., Terms]:
    """The gradient as nodes: as the operator says, or products with the matrices of the adjoint."""

    def rule(call: Call, operands: Terms, value: Term, seed: Term) -> Terms:
        found = None if said is None else said(call, operands, value, seed)
        return adjoint(call, form(call), seed) if found is None else found

    return rule


def linear(
    op: Op,
    build: Callable[[Call], Linear],
    kind: Kind | None = "products",
    leafwise: Leafwise | None = None,
    trained: Trained | None = None,
    nodes: Said | None = None,
) -> None:
    """Register the interval, affine, gradient and rounding rules of an operator that is affine whenever supported.

    Parameters
    ----------
    op : the operator; its real rule is given apart.
    build : call -> the affine map; called once a plan.
    kind : what the leaves of its sums are in a float program; None where the rounding rule is given apart.
    leafwise : a sharper bound on its rounding from the single leaves (see `semantics.summation.affine_local`).
    trained : the gradient rule for where its weights are no constants, but inputs that are being trained.
    nodes : the gradient as nodes; where there is none, or it gives None, matrices of the adjoint stand for it.
    """

    def form(call: Call) -> Linear:
        return call.cached("linear", lambda: build(call))

    @op.rule(interval)
    def _(call: Call, *operands: Interval | None) -> Interval:
        return enclose(form(call), *operands)

    @op.rule(affine)
    def _(call: Call, *operands: Interval | None) -> Linear:
        return form(call)

    op.rule(gradient)(_derivative(form, trained))
    op.rule(cotangent)(_as_nodes(form, nodes))

    if kind is not None:

        @op.rule(rounding)
        def _(call: Call, program: Semantics, *ranges: Interval | None) -> Local:
            return affine_local(call, program, build, ranges, kind, leafwise)


def moves(
    op: Op,
    apply: Callable[..., Array],
    adjoints: Callable[[Call], tuple[LinearMap | None, ...]],
    arithmetic: bool = True,
    trained: Trained | None = None,
    nodes: Said | None = None,
) -> None:
    """Register every meaning of an operator that only moves or repeats elements: exact in each of them.

    Parameters
    ----------
    op : the operator (its `moves` is True).
    apply : ``(call, *operands) -> array``, on arrays of any elements with a leading batch axis.
    adjoints : call -> one `movement` an operand, or None for operands that carry no values (a shape, an index).
    arithmetic : whether to register the real and the rounding rule too; else they are given apart.
    trained : the gradient rule for where further operands are no constants, but brought by every example.
    nodes : the gradient as nodes; where there is none, or it gives None, matrices of the adjoint stand for it.
    """
    if not op.moves:
        raise ValueError(f"{op.name} is not declared as data movement")

    def build(call: Call) -> Linear:
        """Constant operands (a concatenated class token) stand in the bias."""
        found = adjoints(call)[: len(call.shapes)]
        found = found + (None,) * (len(call.shapes) - len(found))
        for i, m in enumerate(found):
            if m is None and call.is_live(i):
                raise UnsupportedOperator(f"{call.node.describe()}: operand {i} must be a constant")
        maps = tuple(m if call.is_live(i) else None for i, m in enumerate(found))
        fixed = [c for i, c in enumerate(call.constants) if c is not None and c.dtype.kind == "f"]
        if not fixed or all(m is None for m in maps):
            return Linear(maps)
        operands = [
            None if s is None else np.zeros((1, *s)) if c is None else c[None]
            for s, c in zip(call.shapes, call.constants, strict=True)
        ]
        bias = np.asarray(apply(call, *operands), np.float64)
        return Linear(maps, bias if bias.any() else None)

    def form(call: Call) -> Linear:
        return call.cached("linear", lambda: build(call))

    @op.rule(interval)
    def _(call: Call, *operands: Interval | None) -> Interval:
        def end(which: str) -> Array:
            return apply(
                call,
                *[
                    None
                    if x is None
                    else c[None]
                    if c is not None and c.dtype.kind != "f"
                    else getattr(x, which)
                    for x, c in zip(operands, call.constants, strict=True)
                ],
            )

        return Interval(_numbers(end("lo")), _numbers(end("hi")))

    @op.rule(affine)
    def _(call: Call, *operands: Interval | None) -> Linear:
        return form(call)

    op.rule(gradient)(_derivative(form, trained))
    op.rule(cotangent)(_as_nodes(form, nodes))

    if not arithmetic:
        return

    @op.rule(real)
    def _(call: Call, ns: Any, *operands: Array | None) -> Array:
        return apply(call, *operands)

    @op.rule(rounding)
    def _(call: Call, program: Semantics, *ranges: Interval | None) -> Local:
        """Exact, but for constant elements, which are stored in the program's format."""
        _, delta, known = stored_form(call, program, build)
        shift, rest = shift_of(delta, ranges)
        return Local(np.full((1, *call.shape), 0.0 if known else np.inf) + rest, form(call), shift, "stored")


__all__ = ["enclose", "linear", "movement", "moves", "pull", "weighted"]
