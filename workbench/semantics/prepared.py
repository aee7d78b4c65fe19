"""Nodes made ready for backward walks: their form, majorants, and what a unit of coefficient costs there.

What the charges are for stands in `backward`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from workbench.arrays.device import array, beside, take, zeros
from workbench.graph import Array
from workbench.semantics.affine import Linear, Lines, Relaxation, spread
from workbench.semantics.interval import TINY, UNIT, Interval
from workbench.semantics.plan import Plan, Step

# covers the relative error of sums of up to 2^32 non-negative charges, and gamma_n against n u
INFLATE = 1 + 2.0**-20


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """A node made ready for backward walks: its form, and what one unit of coefficient costs there.

    charge : ``(B or 1, n)``: debt a unit of |coefficient|: terms u v, and the bias' own error.
    magnitude : ``(B or 1, *out)``: v itself, which also bounds the node's absolute value.
    underflow : ``(B or 1, 1)``: debt for products that underflow.
    ends : for a pair of lines, their offsets, ``(B or 1, n)`` each.
    """

    form: Linear | Relaxation
    terms: int
    charge: Array
    magnitude: Array
    underflow: Array
    ends: tuple[Array, Array] | None
    finite: bool


def prepare(plan: Plan, step: Step, form: Linear | Relaxation, bounds: Mapping[str, Interval]) -> Prepared:
    """Majorant and charges of one node over its operands' bounds."""
    n = step.node.size
    terms = terms_of(step, form)
    v = majorant(plan, step, form, bounds)
    charge = v.reshape(v.shape[0], n) * (terms * UNIT)
    if terms:
        charge += TINY  # that product may underflow, and is multiplied by coefficients of any size
    if isinstance(form, Linear) and form.bias_error is not None:
        charge = charge + beside(form.bias_error, v).reshape(1, n)
    spare = beside(np.full((1, 1), n * TINY), v)
    if terms:
        for o in step.operands:
            if o is not None and o in bounds:
                spare = spare + (terms * TINY) * _total(bounds[o].magnitude)
    ends: tuple[Array, Array] | None = None
    if isinstance(form, Relaxation):
        low, high = (_whole(x.offset, step.node.shape).reshape(-1, n) for x in (form.lower, form.upper))
        ends = low, high
    # where a bias or an offset is not finite, nor is v; a sum that overflows only costs time
    return Prepared(form, terms, charge, v, spare, ends, bool(np.isfinite(charge.sum())))


def _whole(x: Array, shape: tuple[int, ...]) -> Array:
    return x if x.shape[1:] == shape else np.broadcast_to(x, (len(x), *shape))


def majorant(plan: Plan, step: Step, form: Linear | Relaxation, bounds: Mapping[str, Interval]) -> Array:
    """v: an upper bound of the sum of absolute terms of the node, ``(B or 1, *out)``; also of the node's magnitude."""
    shape = step.node.shape
    total: Array | None = None
    like = next(iter(bounds.values())).lo
    if isinstance(form, Linear):
        parts = [
            m.magnitude(bounds[name].magnitude)
            for name, m in zip(step.operands, form.maps, strict=True)
            if m is not None and name is not None
        ]
        if form.bias is not None:
            parts.append(np.abs(beside(form.bias, like)))
        if form.bias_error is not None:
            parts.append(beside(form.bias_error, like))
        total = parts[0] if parts else zeros((1, *shape), like)
        for part in parts[1:]:
            total = total + part
        return _whole(total * INFLATE + TINY, shape)
    for lines in (form.lower, form.upper):
        one: Array = np.abs(lines.offset)
        for i, name in enumerate(step.operands):
            slope = lines.slopes[i] if i < len(lines.slopes) else None
            if slope is None or name is None:
                continue
            size = (
                np.abs(beside(plan.number(name), like)) if name in plan.constants else bounds[name].magnitude
            )
            unfold = form.unfold[i] if i < len(form.unfold) else None
            if unfold is None:
                one = one + np.abs(slope) * spread(size, shape)
            else:
                one = one + (np.abs(slope) * unfold.apply(size)).sum(axis=-1)
        total = one if total is None else np.maximum(total, one)
        if form.lower is form.upper:
            break
    assert total is not None
    return _whole(total * INFLATE + TINY, shape)


def terms_of(step: Step, form: Linear | Relaxation) -> int:
    """Roundings that one element of the passed-on coefficients can carry, the sum into the constant included."""
    longest = step.node.size + 4
    if isinstance(form, Linear):
        inner = max((m.adjoint_terms for m in form.maps if m is not None), default=0)
        return (
            0 if inner == 0 and form.bias is None else max(inner + 2, longest if form.bias is not None else 0)
        )
    copies = max((u.adjoint_terms for u in form.unfold if u is not None), default=0)
    # lines as half sums and half differences take 14 roundings more (`backward`), a row that is shifted one
    return max(longest, copies + step.node.size) + 16


def ready_part(ready: Prepared, which: slice | Array) -> Prepared:
    """A prepared node for some regions of its batch."""
    form = ready.form if isinstance(ready.form, Linear) else part_of(ready.form, which)
    ends = None if ready.ends is None else (_part(ready.ends[0], which), _part(ready.ends[1], which))
    charge, v, spare = (_part(x, which) for x in (ready.charge, ready.magnitude, ready.underflow))
    return Prepared(form, ready.terms, charge, v, spare, ends, ready.finite)


def part_of(form: Relaxation, which: slice | Array) -> Relaxation:
    """Lines of some regions of a batch."""
    lower, upper = (
        Lines(tuple(None if s is None else _part(s, which) for s in x.slopes), _part(x.offset, which))
        for x in (form.lower, form.upper)
    )
    return Relaxation(lower, upper, form.unfold, None if form.simplex is None else _part(form.simplex, which))


def _part(x: Array, which: slice | Array) -> Array:
    if len(x) == 1 or isinstance(which, slice):
        return x if len(x) == 1 else x[which]
    return take(x, which, axis=0)


def _total(magnitude: Array) -> Array:
    """Sum over a node's elements, ``(B or 1, 1)``."""
    return array(magnitude.reshape(magnitude.shape[0], -1).sum(axis=1, keepdims=True))
