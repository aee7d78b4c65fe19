"""The backward walk of the affine meaning: rows of coefficients carried from a node back to the inputs.

For rows C and a node y the walk keeps coefficients L with  C y >= sum_nodes L_n . n + c  and replaces one node after
another by its operands, last node first, until only inputs are left.

Soundness of the float64 walk (weak duality: the coefficients need no trust, only their residual does).  At each node
let v be its majorant: v >= sum_i |A_i| |x_i|max + |b| for a linear node, v >= |slopes| |x|max + |offset| for lines.
The machine replaces L by L' = fl(A^T L), a sum of at most `terms` products.  Exactly,
    L . y  >=  sum L' . x + fl(c') - gamma_terms |L| . v - (underflow: terms TINY per element) . |x|max,
because |fl(A^T L) - A^T L| <= gamma_terms |A|^T |L| componentwise and |A|^T|L| . |x|max = |L| . |A||x|max <= |L| . v.
A unit of |coefficient| is charged terms u v + TINY: where v is subnormal, the machine's product terms u v may be up to
TINY too small, and a coefficient of 1e295 makes that matter; the same TINY pays for the products of the majorant that
underflow (K of them lose K TINY of v, and K terms u TINY < TINY while K terms < 2^52).
The charges are added up in `debt` (non-negative terms, so their own rounding is relative, covered by the factor
INFLATE at the end) and subtracted once.  They cost one dot product a node: vectors, not matrices.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from workbench.graph import Array
from workbench.semantics.affine import Linear, Relaxation, gather, same, spread
from workbench.semantics.interval import TINY, UNIT, Interval, known
from workbench.semantics.plan import Plan, Step

# covers the relative error of sums of up to 2^32 non-negative charges, and gamma_n against n u
INFLATE = 1 + 2.0**-20


@dataclass(frozen=True, slots=True, eq=False)
class Bound:
    """What a backward walk ends with: ``rows . y >= sum_inputs coefficients . x + constant - debt``.

    coefficients[name] has shape ``(B, R, *shape)``; constant and debt have shape ``(B, R)``.
    """

    coefficients: Mapping[str, Array]
    constant: Array
    debt: Array


@dataclass(frozen=True, slots=True, eq=False)
class Units:
    """Rows that pick single neurons: ``+e_i`` for every flat index, then ``-e_i`` for every flat index."""

    index: Array
    batch: int


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """A node made ready for backward walks: its form, and what one unit of coefficient costs there.

    charge : ``(B or 1, n)``: debt a unit of |coefficient|: terms u v, and the bias' own error.
    magnitude : ``(B or 1, *out)``: v itself, which also bounds the node's absolute value.
    underflow : ``(B or 1, 1)``: debt for products that underflow.
    ends : for a pair of lines, ``(B or 1, n, 2)`` columns (charge, offset) for positive and for negative
        coefficients; for a linear node with a bias, the bias as ``(B or 1, n)``.
    """

    form: Linear | Relaxation
    terms: int
    charge: Array
    magnitude: Array
    underflow: Array
    ends: tuple[Array, Array] | Array | None
    finite: bool


def prepare(plan: Plan, step: Step, form: Linear | Relaxation, bounds: Mapping[str, Interval]) -> Prepared:
    """Majorant and charges of one node over its operands' bounds."""
    n = step.node.size
    terms = terms_of(step, form)
    v = majorant(plan, step, form, bounds)
    charge = v.reshape(v.shape[0], n) * (terms * UNIT)
    if terms:
        charge = charge + TINY  # that product may underflow, and is multiplied by coefficients of any size
    if isinstance(form, Linear) and form.bias_error is not None:
        charge = charge + form.bias_error.reshape(1, n)
    spare: Array = np.full((1, 1), n * TINY)
    if terms:
        for o in step.operands:
            if o is not None and o in bounds:
                spare = spare + (terms * TINY) * _total(bounds[o].magnitude)
    ends: tuple[Array, Array] | Array | None = None
    if isinstance(form, Relaxation):
        low, high = (
            np.broadcast_to(x.offset, (x.offset.shape[0], *step.node.shape)) for x in (form.lower, form.upper)
        )
        ends = (
            _columns(charge, low.reshape(low.shape[0], n)),
            _columns(-charge, high.reshape(high.shape[0], n)),
        )
    elif form.bias is not None:
        ends = np.broadcast_to(form.bias, (form.bias.shape[0], *step.node.shape)).reshape(
            form.bias.shape[0], n
        )
    whole = [charge, *(ends if isinstance(ends, tuple) else () if ends is None else (ends,))]
    finite = all(bool(np.isfinite(x).all()) for x in whole)
    return Prepared(form, terms, charge, v, spare, ends, finite)


def _columns(a: Array, b: Array) -> Array:
    a, b = np.broadcast_arrays(a, b)
    return np.stack([a, b], axis=2)


def majorant(plan: Plan, step: Step, form: Linear | Relaxation, bounds: Mapping[str, Interval]) -> Array:
    """v: an upper bound of the sum of absolute terms of the node, ``(B or 1, *out)``; also of the node's magnitude."""
    shape = step.node.shape
    total: Array = np.zeros((1, *shape))
    if isinstance(form, Linear):
        for name, m in zip(step.operands, form.maps, strict=True):
            if m is not None and name is not None:
                total = total + m.magnitude(bounds[name].magnitude)
        if form.bias is not None:
            total = total + np.abs(form.bias)
        if form.bias_error is not None:
            total = total + form.bias_error
        return total * INFLATE + TINY
    for lines in (form.lower, form.upper):
        one: Array = np.abs(lines.offset)
        for i, name in enumerate(step.operands):
            slope = lines.slopes[i] if i < len(lines.slopes) else None
            if slope is None or name is None:
                continue
            size = np.abs(plan.number(name)) if name in plan.constants else bounds[name].magnitude
            unfold = form.unfold[i] if i < len(form.unfold) else None
            if unfold is None:
                one = one + np.abs(slope) * spread(size, shape)
            else:
                one = one + (np.abs(slope) * unfold.apply(size)).sum(axis=-1)
        total = np.maximum(total, one)
    return total * INFLATE + TINY


def terms_of(step: Step, form: Linear | Relaxation) -> int:
    """Roundings that one element of the passed-on coefficients can carry, the sum into the constant included."""
    longest = step.node.size + 4
    if isinstance(form, Linear):
        inner = max((m.adjoint_terms for m in form.maps if m is not None), default=0)
        return (
            0 if inner == 0 and form.bias is None else max(inner + 2, longest if form.bias is not None else 0)
        )
    copies = max((u.adjoint_terms for u in form.unfold if u is not None), default=0)
    return max(longest, copies + step.node.size) + 4


def backward(
    plan: Plan,
    target: str,
    rows: Array | Units,
    prepared: Mapping[str, Prepared],
    bounds: Mapping[str, Interval],
) -> Bound:
    """Carry rows of coefficients from `target` back to the inputs.

    Parameters
    ----------
    plan, target : the network and the node that the rows multiply.
    rows : ``(B, R, *shape)`` float64 coefficients, or `Units`; a lower bound of ``rows . target`` is found.
    prepared : by node, from `prepare`, for every live step upstream of the target.
    bounds : intervals by node; used for constants that are only known as intervals.
    """
    pending, constant, debt = _start(plan, target, rows, prepared)
    wanted = plan.upstream(target)
    sizes: dict[str, Array] = {}  # |coefficients| where a node passes them on unchanged
    with np.errstate(all="ignore"):
        for step in reversed(plan.steps):
            name = step.node.name
            if name not in pending or name not in wanted:
                continue
            coefficients = pending.pop(name)
            if name not in plan.live:
                constant, debt = _close(coefficients, bounds[name], constant, debt)
                continue
            ready = prepared[name]
            size = sizes.pop(name, None)
            if isinstance(ready.form, Linear):
                passed, added, cost, size = _through_linear(ready, coefficients, size)
            else:
                passed, added, cost = _through_lines(step, ready, coefficients)
            if cost is not None:
                debt = debt + (cost + ready.underflow)
            if added is not None:
                constant = constant + added
                debt = debt + UNIT * np.abs(constant)
            for i, piece in passed:
                operand = step.operands[i]
                assert operand is not None
                if operand in plan.constants:
                    constant, debt = _close(piece, known(plan, operand), constant, debt)
                elif operand in pending:
                    merged = pending[operand] + piece
                    debt = debt + UNIT * _row_dot(np.abs(merged), bounds[operand].magnitude)
                    pending[operand] = merged
                    sizes.pop(operand, None)
                else:
                    pending[operand] = piece
                    if (
                        size is not None and piece is coefficients
                    ):  # passed on unchanged, not merely rearranged
                        sizes[operand] = size
    return Bound(pending, constant, debt)


def _start(
    plan: Plan, target: str, rows: Array | Units, prepared: Mapping[str, Prepared]
) -> tuple[dict[str, Array], Array, Array]:
    """The first coefficients; unit rows of a linear node are read off its weights instead of multiplied out."""
    if not isinstance(rows, Units):
        return {target: rows}, np.zeros(rows.shape[:2]), np.zeros(rows.shape[:2])
    index, node = rows.index, plan.graph[target]
    shape = (rows.batch, 2 * len(index))
    name, constant, debt = target, np.zeros(shape), np.zeros(shape)
    while name in prepared:  # through biases, as long as elements stay where they are
        ready, step = prepared[name], plan.by_name[name]
        form = ready.form
        live = [i for i, m in enumerate(form.maps) if m is not None] if isinstance(form, Linear) else []
        if not isinstance(form, Linear) or len(live) != 1 or (m := form.maps[live[0]]) is None:
            break
        if m.rows is None and not (m.terms == 0 and m.adjoint_terms == 0 and m.adjoint is same):
            break
        operand = step.operands[live[0]]
        assert operand is not None
        cost = ready.charge[:, index]
        debt = debt + np.concatenate([cost, cost], axis=1) + ready.underflow
        if form.bias is not None:
            bias = np.broadcast_to(form.bias, (1, *step.node.shape)).reshape(-1)[index]
            constant = constant + np.concatenate([bias, -bias])
            debt = debt + UNIT * np.abs(constant)
        if m.rows is not None:
            picked = m.rows(index)
            both = np.concatenate([picked, -picked])[None]
            return {operand: np.broadcast_to(both, (rows.batch, *both.shape[1:]))}, constant, debt
        name = operand
    node = plan.graph[name]
    unit = np.zeros((*shape[1:], node.size))
    unit[np.arange(len(index)), index] = 1.0
    unit[len(index) + np.arange(len(index)), index] = -1.0
    both = np.broadcast_to(unit.reshape(1, shape[1], *node.shape), (*shape, *node.shape))
    return {name: both}, constant, debt


def _close(coefficients: Array, held: Interval, constant: Array, debt: Array) -> tuple[Array, Array]:
    """End at a constant known only as an interval: take its worse end."""
    low = np.where(coefficients > 0, held.lo[:, None], held.hi[:, None])
    low = np.where(coefficients == 0, 0.0, coefficients * low)
    axes = tuple(range(2, coefficients.ndim))
    constant = constant + low.sum(axis=axes)
    n = int(np.prod(coefficients.shape[2:], dtype=np.int64)) + 4
    debt = debt + n * UNIT * np.abs(low).sum(axis=axes) + UNIT * np.abs(constant) + n * TINY
    return constant, debt


def _through_linear(
    ready: Prepared, coefficients: Array, size: Array | None
) -> tuple[list[tuple[int, Array]], Array | None, Array | None, Array | None]:
    """A linear node replaced by its operands: pieces, what is added to the constant, the debt, |coefficients|."""
    form = ready.form
    assert isinstance(form, Linear)
    batch, count = coefficients.shape[:2]
    cost = None
    if ready.terms or form.bias_error is not None:
        size = np.abs(coefficients) if size is None else size
        cost = _dot(size, ready.charge, ready.finite)
    added = None if form.bias is None else _dot(coefficients, np.asarray(ready.ends), ready.finite)
    flat = coefficients.reshape(batch * count, *coefficients.shape[2:])
    passed = []
    for i, m in enumerate(form.maps):
        if m is not None:
            piece = coefficients if m.adjoint is same else m.adjoint(flat)
            passed.append((i, piece if m.adjoint is same else piece.reshape(batch, count, *piece.shape[1:])))
    return passed, added, cost, size


def _through_lines(
    step: Step, ready: Prepared, coefficients: Array
) -> tuple[list[tuple[int, Array]], Array, Array]:
    """A nonlinear node replaced by its lines: the lower where a coefficient is positive, the upper elsewhere."""
    form, ends = ready.form, ready.ends
    assert isinstance(form, Relaxation)
    assert isinstance(ends, tuple)
    batch, count = coefficients.shape[:2]
    positive = np.maximum(coefficients, 0)
    negative = coefficients - positive
    sums = _dot2(positive, ends[0], ready.finite) + _dot2(negative, ends[1], ready.finite)
    passed = []
    for i in range(len(step.operands)):
        low = form.lower.slopes[i] if i < len(form.lower.slopes) else None
        high = form.upper.slopes[i] if i < len(form.upper.slopes) else None
        if low is None and high is None:
            continue
        shape = step.call.shapes[i]
        assert shape is not None
        unfold = form.unfold[i] if i < len(form.unfold) else None
        pos, neg = (positive, negative) if unfold is None else (positive[..., None], negative[..., None])
        piece = np.zeros(()) if low is None else pos * low[:, None]
        if high is not None:
            other = neg * high[:, None]
            piece = np.add(
                piece,
                other,
                out=other if other.shape == np.broadcast_shapes(piece.shape, other.shape) else None,
            )
        if unfold is None and piece.shape[2:] == shape:
            passed.append((i, piece))
            continue
        piece = piece.reshape(batch * count, *piece.shape[2:])
        piece = gather(piece, shape) if unfold is None else unfold.adjoint(piece)
        passed.append((i, piece.reshape(batch, count, *shape)))
    return passed, sums[..., 1], sums[..., 0]


def _dot(rows: Array, vector: Array, finite: bool) -> Array:
    """``(B, R, *s) . (B or 1, n) -> (B, R)``; a zero coefficient times infinity is 0."""
    flat = rows.reshape(*rows.shape[:2], -1)
    if finite:
        return np.asarray(np.matmul(flat, vector[:, :, None])[:, :, 0])
    return np.asarray(np.where(flat == 0, 0.0, flat * vector[:, None]).sum(axis=2))


def _dot2(rows: Array, columns: Array, finite: bool) -> Array:
    """``(B, R, *s) . (B or 1, n, 2) -> (B, R, 2)``."""
    flat = rows.reshape(*rows.shape[:2], -1)
    if finite:
        return np.asarray(np.matmul(flat, columns))
    return np.stack([_dot(rows, columns[:, :, k], False) for k in (0, 1)], axis=2)


def _row_dot(rows: Array, vector: Array) -> Array:
    """``(B, R, *s) . (B or 1, *s) -> (B, R)``; a zero coefficient times infinity is 0."""
    batch, count = rows.shape[:2]
    flat, v = rows.reshape(batch, count, -1), np.broadcast_to(vector, (vector.shape[0], *rows.shape[2:]))
    v = v.reshape(vector.shape[0], -1)
    if not np.isfinite(v).all():
        return np.asarray(np.where(flat == 0, 0.0, flat * v[:, None]).sum(axis=2))
    return np.asarray(np.matmul(flat, v[:, :, None])[:, :, 0])


def _total(magnitude: Array) -> Array:
    """Sum over a node's elements, ``(B or 1, 1)``."""
    return np.asarray(magnitude.reshape(magnitude.shape[0], -1).sum(axis=1, keepdims=True))
