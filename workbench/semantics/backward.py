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

Rows are kept on the elements that are not 0 over the regions (`compact`); the others are in [0, 0]: exact.  Where both
lines of a node are ``y = x``, the coefficient is handed on as it is: no product, no offset, nothing to charge.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

import numpy as np

from workbench.arrays import kernels
from workbench.arrays.device import array, beside, eye, on_host, take, zeros
from workbench.graph import Array
from workbench.semantics.affine import Linear, LinearMap, Relaxation, gather, same
from workbench.semantics.compact import Bent, Cut, Move, Rows, Sets, scattered
from workbench.semantics.interval import TINY, UNIT, Interval, known
from workbench.semantics.matrices import matrix_of, size_of
from workbench.semantics.plan import Plan, Step
from workbench.semantics.prepared import INFLATE, Prepared, majorant, prepare, terms_of

__all__ = ["INFLATE", "Bound", "Prepared", "Units", "backward", "majorant", "prepare", "terms_of"]


@dataclass(frozen=True, slots=True, eq=False)
class Bound:
    """What a backward walk ends with: ``rows . y >= sum_inputs coefficients . x + constant - debt``.

    `ends` are rows of some elements of each input, `shapes` the inputs' shapes; constant and debt are ``(B, R)``.
    """

    ends: Mapping[str, Rows]
    shapes: Mapping[str, tuple[int, ...]]
    constant: Array
    debt: Array

    @property
    def coefficients(self) -> dict[str, Array]:
        """By input, ``(B, R, *shape)``: all elements."""
        return {
            name: scattered(rows, prod(self.shapes[name])).reshape(*rows.values.shape[:2], *self.shapes[name])
            for name, rows in self.ends.items()
        }


@dataclass(frozen=True, slots=True, eq=False)
class Units:
    """Rows that pick single neurons: ``+e_i`` for every flat index, then ``-e_i`` for every flat index."""

    index: Array
    batch: int


def backward(
    plan: Plan,
    target: str,
    rows: Array | Units,
    prepared: Mapping[str, Prepared],
    bounds: Mapping[str, Interval],
    extra: Mapping[str, Array] | None = None,
    sets: Sets | None = None,
) -> Bound:
    """Carry rows of coefficients from `target` back to the inputs.

    Parameters
    ----------
    plan, target : the network and the node that the rows multiply.
    rows : ``(B, R, *shape)`` float64 coefficients, or `Units`; a lower bound of ``rows . target`` is found.
    prepared : by node, from `prepare`, for every live step upstream of the target.
    bounds : intervals by node; used for constants that are only known as intervals, and for what is exactly 0.
    extra : by node upstream of the target, ``(B, R, *shape)``: what is bounded is ``rows . target + sum extra . node``.
    sets : of these bounds and prepared nodes, from an earlier walk.
    """
    sets = sets or Sets(plan, bounds, prepared)
    pending, constant, debt = _start(plan, target, rows, prepared, sets)
    for name, given in (extra or {}).items():
        pending[name], rounded = _merged(sets, pending.get(name), Rows(_rows(given)), bounds[name])
        debt = debt + rounded
    wanted = plan.upstream(target)
    sizes: dict[str, Array] = {}  # |coefficients| where a node passes them on unchanged
    with np.errstate(all="ignore"):
        for last in reversed(plan.steps):
            step, name = last, last.node.name
            if name not in pending or name not in wanted:
                continue
            here = pending.pop(name)
            if name not in plan.live:
                constant, debt = _close(here, bounds[name], constant, debt)
                continue
            step, passed, added, cost, size = _through(
                step, prepared[name], sets, here, sizes.pop(name, None)
            )
            if cost is not None:
                debt = debt + cost
            if added is not None:
                constant = constant + added
                debt = debt + UNIT * np.abs(constant)
            for i, piece in passed:
                operand = step.operands[i]
                assert operand is not None
                if operand in plan.constants:
                    constant, debt = _close(piece, known(plan, operand), constant, debt)
                elif operand in pending:
                    pending[operand], rounded = _merged(sets, pending[operand], piece, bounds[operand])
                    debt = debt + rounded
                    sizes.pop(operand, None)
                else:
                    pending[operand] = piece
                    if size is not None and piece.values is here.values:  # not merely rearranged
                        sizes[operand] = size
    return Bound(pending, {name: plan.graph[name].shape for name in pending}, constant, debt)


def _start(
    plan: Plan, target: str, rows: Array | Units, prepared: Mapping[str, Prepared], sets: Sets
) -> tuple[dict[str, Rows], Array, Array]:
    """The first coefficients; unit rows of a linear node are read off its weights instead of multiplied out."""
    if not isinstance(rows, Units):
        nothing = zeros(rows.shape[:2], rows)
        return {target: Rows(_rows(rows))}, nothing, nothing
    found: dict[str, Rows] = {}
    shape = (rows.batch, 2 * len(rows.index))
    like = sets.bounds[target].lo
    index, constant, debt = beside(rows.index, like), zeros(shape, like), zeros(shape, like)
    todo = [target]
    while todo:  # through biases and sums of nodes, as long as elements stay where they are
        name = todo.pop()
        maps = _direct(prepared.get(name))
        if maps is None:
            pieces = [(name, _unit(len(rows.index), plan.graph[name].size, rows, like))]
        else:
            ready, step = prepared[name], plan.by_name[name]
            cost = np.take(ready.charge, index, axis=1)
            debt = debt + np.concatenate([cost, cost], axis=1) + ready.underflow
            if isinstance(ready.form, Linear) and ready.form.bias is not None:
                bias = np.broadcast_to(ready.form.bias, (1, *step.node.shape)).reshape(-1)[rows.index]
                constant = constant + beside(np.concatenate([bias, -bias]), like)
                debt = debt + UNIT * np.abs(constant)
            pieces = []
            for i, m in maps:
                operand = step.operands[i]
                assert operand is not None
                if m.rows is None:
                    todo.append(operand)
                    continue
                matrix, active = matrix_of(plan, step, i, m), sets.active(operand)
                if matrix is None:
                    picked = beside(m.rows(rows.index).reshape(len(rows.index), -1), like)
                else:
                    picked = np.take(beside(matrix, like), index, axis=0)
                picked = picked if active is None else np.take(picked, active, axis=1)
                pieces.append((operand, Rows(_both(picked, rows.batch), active)))
        for operand, piece in pieces:
            found[operand], rounded = _merged(sets, found.get(operand), piece, sets.bounds[operand])
            debt = debt + rounded
    return found, constant, debt


def _unit(count: int, size: int, rows: Units, like: Array) -> Rows:
    """Unit rows on the elements that they pick; on all elements where those are not NumPy's."""
    if on_host(like):
        return Rows(_both(np.eye(count), rows.batch), rows.index)
    return Rows(_both(take(eye(size, like), rows.index, axis=0), rows.batch))


def _direct(ready: Prepared | None) -> list[tuple[int, LinearMap]] | None:
    """The maps of a node through which unit rows pass by looking at weights; None where some other map is there."""
    if ready is None or not isinstance(ready.form, Linear):
        return None
    maps = [(i, m) for i, m in enumerate(ready.form.maps) if m is not None]
    return maps if maps and all(m.rows is not None or m.adjoint is same for _, m in maps) else None


def _rows(given: Array) -> Array:
    """A copy ``(B, R, n)`` that is ours to change."""
    return given.reshape(*given.shape[:2], prod(given.shape[2:])).copy()


def _both(picked: Array, batch: int) -> Array:
    """``(R, k)`` and its negative, for every region: ``(B, 2 R, k)``, ours to change."""
    both = np.concatenate([picked, -picked])[None]
    return both if batch == 1 else np.repeat(both, batch, axis=0)


def _close(rows: Rows, held: Interval, constant: Array, debt: Array) -> tuple[Array, Array]:
    """End at a constant known only as an interval: take its worse end."""
    lo, hi = (_flat(v) if rows.index is None else _flat(v)[:, rows.index] for v in (held.lo, held.hi))
    low = np.where(rows.values > 0, lo[:, None], hi[:, None])
    low = np.where(rows.values == 0, 0.0, rows.values * low)
    constant = constant + low.sum(axis=2)
    n = rows.values.shape[2] + 4
    debt = debt + n * UNIT * np.abs(low).sum(axis=2) + UNIT * np.abs(constant) + n * TINY
    return constant, debt


Passed = list[tuple[int, Rows]]


def _merged(sets: Sets, a: Rows | None, b: Rows, held: Interval) -> tuple[Rows, Array | float]:
    """The sum of two rows of one node, and what its rounding costs."""
    if a is None:
        return b, 0.0
    merged, both = sets.merge(a, b)
    most = _flat(held.magnitude)
    most = (most if merged.index is None else most[:, merged.index])[:, both]
    return merged, UNIT * _dot(np.abs(merged.values[:, :, both]), most, bool(np.isfinite(most).all()))


def _through(
    step: Step, ready: Prepared, sets: Sets, rows: Rows, size: Array | None
) -> tuple[Step, Passed, Array | None, Array | None, Array | None]:
    """One node replaced by operands: whose, pieces, what is added to the constant, debt, |coefficients| if known."""
    if isinstance(ready.form, Linear):
        cut = sets.cut(step, rows.index, rows.values.shape[0] * rows.values.shape[1])
        return cut.step, *_through_linear(cut, rows, size)
    bent = sets.bent(step, rows.index)
    added: Array | None
    if bent is None:
        passed, added, cost = _through_lines(step, ready, scattered(rows, step.node.size))
    else:
        passed, added, cost = _through_bent(bent, rows)
    return step, passed, added, cost + ready.underflow, None


def _through_linear(
    cut: Cut, rows: Rows, size: Array | None
) -> tuple[Passed, Array | None, Array | None, Array | None]:
    """Linear nodes replaced by the last one's operands."""
    step, values = cut.step, rows.values
    batch, count, k = values.shape
    both = kernels.dots(values, cut.bias, cut.charge) if cut.finite else None
    cost = added = None
    if cut.charge is not None and both is not None:
        cost = both[1] + cut.underflow
    elif cut.charge is not None:
        size = np.abs(values) if size is None else size
        cost = _dot(size, cut.charge, cut.finite) + cut.underflow
    if cut.bias is not None:
        added = _dot(values, cut.bias, cut.finite) if both is None else both[0]
    passed: Passed = []
    whole = None
    free = True  # whether the values themselves are still ours to hand on: rows are changed in place later
    for move in cut.moves:
        if move.matrices:
            piece = _multiplied(values.reshape(batch * count, k), move)
            piece = piece.reshape(batch, count, piece.shape[1])
        elif move.adjoint is not None:
            if whole is None:
                whole = scattered(Rows(values, cut.index), step.node.size).reshape(
                    batch * count, *step.node.shape
                )
            piece = move.adjoint.adjoint(whole).reshape(batch, count, size_of(step, move.position))
            if move.index is not None:
                piece = np.take(piece, move.index, axis=2)
            elif not on_host(piece) or np.may_share_memory(piece, whole):
                piece = piece.copy()
        elif move.take is not None:
            piece = np.take(values, move.take, axis=2)  # row after row, where indexing would turn them
        else:
            piece = values if free else values.copy()
            free = False
        passed.append((move.position, Rows(piece, move.index)))
    return passed, added, cost, size


def _multiplied(values: Array, move: Move) -> Array:
    """Rows ``(N, k)`` times the matrices of a move, side by side."""
    done = kernels.product(values, move.matrices)
    if done is not None:
        return done
    if len(move.matrices) == 1 and move.matrices[0][0] is None:
        return array(values @ move.matrices[0][1])
    found = np.empty((len(values), sum(one.shape[1] for _, one in move.matrices)))
    first = 0
    for columns, one in move.matrices:
        last = first + one.shape[1]
        np.matmul(values if columns is None else values[:, columns], one, out=found[:, first:last])
        first = last
    return found


def _through_bent(bent: Bent, rows: Rows) -> tuple[Passed, Array | None, Array]:
    """Lines of one operand, in place: the lower where a coefficient is positive, the upper elsewhere.

    ``max(L,0) d + min(L,0) s`` is ``L (d + s)/2 + |L| (d - s)/2``: no choice is made, which would take most of the time
    (a half is exact: `Sets.bent`).  Sum and difference of halves, both products and their sum are rounded: by at most
    7 u |L| max(|d|, |s|); likewise offsets, and two dot products of m terms: by (m + 7) u |L| max|offset|.  Slope times
    operand and offset are both below v, so that all of it is in `terms_of`.
    """
    values = rows.values
    offsets = (
        (bent.offset, bent.offset_gap) if bent.offset is not None and bent.offset_gap is not None else None
    )
    done = kernels.relax(values, bent.at, (bent.slope, bent.slope_gap), offsets, bent.charge)
    if done is not None:
        return [(bent.position, rows)], *done
    mine = values if bent.at is None else values[:, :, bent.at]
    size = np.abs(mine)
    cost = _dot(size, bent.charge, True)
    added = None
    if bent.offset is not None and bent.offset_gap is not None:
        added = _dot(mine, bent.offset, True) + _dot(size, bent.offset_gap, True)
    mine *= bent.slope[:, None]
    size *= bent.slope_gap[:, None]
    mine += size
    if bent.at is not None:
        values[:, :, bent.at] = mine
    return [(bent.position, rows)], added, cost


def _through_lines(step: Step, ready: Prepared, values: Array) -> tuple[Passed, Array, Array]:
    """Lines of any operands, on all elements ``(B, R, n)``."""
    form, ends = ready.form, ready.ends
    assert isinstance(form, Relaxation)
    assert ends is not None
    batch, count = values.shape[:2]
    level = zeros((batch, count, 1), values)
    if form.simplex is not None:
        values, level = _centred(step, form.simplex, values)
    cost = _dot(np.abs(values), ready.charge, ready.finite)
    flat_positive = np.maximum(values, 0)
    flat_negative = values - flat_positive
    added = _dot(flat_positive, ends[0], ready.finite) + _dot(flat_negative, ends[1], ready.finite)
    if form.simplex is not None:
        added = added + level.sum(axis=2)
        cost = cost + (UNIT * np.abs(added) + (level.shape[2] * UNIT) * np.abs(level).sum(axis=2))
    positive, negative = (x.reshape(batch, count, *step.node.shape) for x in (flat_positive, flat_negative))
    passed: Passed = []
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
            fits = other.shape == np.broadcast_shapes(piece.shape, other.shape)
            piece = np.add(piece, other, out=other if fits else None)
        if unfold is not None or piece.shape[2:] != shape:
            piece = piece.reshape(batch * count, *piece.shape[2:])
            piece = gather(piece, shape) if unfold is None else unfold.adjoint(piece)
        piece = piece.reshape(batch, count, size_of(step, i))
        passed.append((i, Rows(piece if on_host(piece) and piece.flags.writeable else piece.copy())))
    return passed, added, cost


def _centred(step: Step, gaps: Array, values: Array) -> tuple[Array, Array]:
    """Coefficients of values that sum to 1 along the last axis, less one number a sum; and these numbers.

    L . y = (L - t) . y + t, for any t: the one that leaves least to lose between the lines, the median of L weighted
    with the gaps between them.  The difference is rounded once: charged with the node (`terms_of`).
    """
    n = step.node.shape[-1]
    rows = values.reshape(*values.shape[:2], step.node.size // n, n)
    weights = np.broadcast_to(gaps.reshape(len(gaps), 1, -1, n), rows.shape)
    order = np.argsort(rows, axis=-1)
    so_far = np.cumsum(np.take_along_axis(weights, order, axis=-1), axis=-1)
    middle = np.argmax(so_far >= 0.5 * so_far[..., -1:], axis=-1)[..., None]
    level = np.take_along_axis(rows, np.take_along_axis(order, middle, axis=-1), axis=-1)
    return (rows - level).reshape(values.shape), level[..., 0]


def _dot(rows: Array, vector: Array, finite: bool) -> Array:
    """``(B, R, k) . (B or 1, k) -> (B, R)``; a zero coefficient times infinity is 0."""
    if not finite:
        return array(np.where(rows == 0, 0.0, rows * vector[:, None]).sum(axis=2))
    batch, count, k = rows.shape
    if len(vector) == 1:
        return array((rows.reshape(batch * count, k) @ vector[0]).reshape(batch, count))
    return array(np.matmul(rows, vector[:, :, None])[:, :, 0])


def _flat(x: Array) -> Array:
    return x.reshape(x.shape[0], prod(x.shape[1:]))
