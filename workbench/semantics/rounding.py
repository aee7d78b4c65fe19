"""Rounding error: how far the value that a float program computes may be from the real one.

Let y be a node's real value and z the one that the program computes from the (rounded) same input, d = z - y.
A rounding rule is ``rule(call, program, *ranges) -> Local``, where every range contains the operand's real and float
values.  It describes  z = f(z_operands) + t  with  |t - shift| <= rho + the rounding that `state` still asks for, and
encloses the real operator's derivative between real and float operands, so that by the mean value theorem
    d = J d_operands + t,   J in `form`.
Splitting J into a fixed centre C and the rest, with |d_operands| <= e and |(J - C) d_operands| <= rest(e),
    d = C d_operands + t',  |t' - shift| <= rho' = rho + rest:
after one forward pass that finds e node by node, errors travel through an *exactly linear* network with known local
errors, and a row of coefficients carried backward (`methods.correlation`) sums them with their correlations (F9).
This is tighter than carrying interval coefficients, whose radii multiply absolute weights on the whole way back, and
costs one matrix product a node instead of two.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from workbench.floats.errors import SMALLEST, raised, times
from workbench.floats.program import State
from workbench.graph import Array
from workbench.op import Call, Meaning
from workbench.semantics.affine import Linear, LinearMap, spread
from workbench.semantics.interval import Interval

rounding = Meaning("rounding", "how far the float program's value may be from the real one")


@dataclass(frozen=True, slots=True, eq=False)
class Slopes:
    """Enclosures of a nonlinear operator's partial derivatives.

    Parameters
    ----------
    slopes : one an operand, shape ``(B or 1, *out)``, or ``(B or 1, *out, K)`` where the operand is unfolded; None
        where the operator does not depend on it.  Slopes of constant operands count: constants are rounded too.
    unfold : as in `affine.Relaxation`: how operand i is laid out as ``(N, *out, K)``; None where it is elementwise.
    picks : the slopes of one result are non-negative and sum to at most one (max, min, clip): its error is at most the
        largest, not the sum, of the errors of those operands that may be picked.
    bilinear : the derivatives are affine in the operands, as those of a product are.
    """

    slopes: tuple[Interval | None, ...]
    unfold: tuple[LinearMap | None, ...] = ()
    picks: bool = False
    bilinear: bool = False

    def unfolded(self, i: int) -> LinearMap | None:
        """The movement that lays out operand i, if any."""
        return self.unfold[i] if i < len(self.unfold) else None


Form = Linear | Slopes


@dataclass(frozen=True, slots=True, eq=False)
class Local:
    """One operator's own rounding in a float program, over ranges of its operands.

    Parameters
    ----------
    rho : ``(B or 1, *out)``: bound on |t - shift| up to the final rounding; infinite where it may overflow.
    form : enclosure of the real operator's derivative.
    shift : ``(B or 1, *out)`` or None: the part of t whose sign is known, such as what rounding the weights does.
    state : what `Semantics.finish` still has to round: "stored" nothing, "accumulated", or "exact".
    assumptions : what the rule rests on beside IEEE arithmetic, as sentences.
    jumps : the operator is not continuous: part of t is that it jumps between the real and the float operand, so that
        t is more than what a program does to the operator's value at the float operand.
    """

    rho: Array
    form: Form
    shift: Array | None = None
    state: State = "accumulated"
    assumptions: tuple[str, ...] = ()
    jumps: bool = False


def exactly(call: Call, form: Form) -> Local:
    """An operator that computes a stored number from stored numbers without error."""
    return Local(np.zeros((1, *call.shape)), form, state="stored")


def rounded_once(call: Call, form: Form) -> Local:
    """A correctly rounded operation: the exact result, then `finish`."""
    return Local(np.zeros((1, *call.shape)), form, state="exact")


def pick_slopes(lo: Array, hi: Array, axis: int = -1) -> Interval:
    """Derivatives of the maximum along an axis: 1 for what surely is it, 0 for what never is alone, else between.

    An operand that never exceeds another's lower end can be left out without changing the maximum.  Where operands are
    equal points, all of them may be left out: their real and float values coincide, so there is no error to pass on.
    """
    lo, hi = np.moveaxis(lo, axis, -1), np.moveaxis(hi, axis, -1)

    def of_others(x: Array) -> Array:
        if x.shape[-1] == 1:
            return np.full(x.shape, -np.inf)
        two = np.partition(x, -2, axis=-1)[..., -2:]
        first = np.arange(x.shape[-1]) == x.argmax(axis=-1)[..., None]
        return np.where(first, two[..., :1], two[..., 1:])

    loses, wins = hi <= of_others(lo), lo >= of_others(hi)
    low, high = np.where(wins & ~loses, 1.0, 0.0), np.where(loses, 0.0, 1.0)
    return Interval(np.moveaxis(low, -1, axis), np.moveaxis(high, -1, axis))


# ---------------------------------------------------------------------- errors through a node


def errors_through(
    form: Form, errors: tuple[Array | None, ...], shape: tuple[int, ...]
) -> tuple[Array, Array]:
    """What operands' errors make of the node: ``(|J| e, rest)``, each ``(B or 1, *out)``.

    The first bounds the whole of J d; the second only (J - C) d, with C from `centre`.
    """
    whole: Array = np.zeros((1, *shape))
    if isinstance(form, Linear):
        terms = 2
        for m, e in zip(form.maps, errors, strict=True):
            if m is not None and e is not None:
                whole = whole + sizes(m, e)
                terms += m.terms
        return raised(whole, terms), np.zeros((1, *shape))
    if form.picks:
        return _picked(form, errors, shape)
    rest: Array = np.zeros((1, *shape))
    count = 1
    for i, (j, e) in enumerate(zip(form.slopes, errors, strict=True)):
        if j is None or e is None:
            continue
        laid = _laid_out(form, i, e, shape)
        size = times(j.magnitude, laid)
        radius = times(np.maximum(j.hi - _middle(j), _middle(j) - j.lo), laid)
        if form.unfolded(i) is not None:
            count += laid.shape[-1] + _unfold_terms(form, i)
            size, radius = size.sum(axis=-1), radius.sum(axis=-1)
        whole, rest = whole + size, rest + radius
    return raised(whole, count), raised(rest, count)


def sizes(m: LinearMap, x: Array) -> Array:
    """|A| x for x >= 0, and not 0 by underflow: only where every weight or every operand is."""
    found = m.magnitude(x)
    if found.all() or not x.any():
        return found
    some = m.magnitude((x > 0).astype(np.float64)) != 0
    return np.where((found == 0) & some, (m.terms + 1) * SMALLEST, found)


def _picked(form: Slopes, errors: tuple[Array | None, ...], shape: tuple[int, ...]) -> tuple[Array, Array]:
    whole: Array = np.zeros((1, *shape))
    rest: Array = np.zeros((1, *shape))
    for i, (j, e) in enumerate(zip(form.slopes, errors, strict=True)):
        if j is None or e is None:
            continue
        laid = _laid_out(form, i, e, shape)
        size, open_ = np.where(j.hi > 0, laid, 0.0), np.where(j.hi > j.lo, laid, 0.0)
        if form.unfolded(i) is not None:
            size, open_ = size.max(axis=-1), open_.max(axis=-1)
        whole, rest = np.maximum(whole, size), np.maximum(rest, open_)
    return whole, rest


def _laid_out(form: Slopes, i: int, e: Array, shape: tuple[int, ...]) -> Array:
    unfold = form.unfolded(i)
    return spread(e, shape) if unfold is None else unfold.magnitude(e)


def _unfold_terms(form: Slopes, i: int) -> int:
    """Roundings that laying out an operand takes: none where it only moves."""
    unfold = form.unfolded(i)
    return 0 if unfold is None else unfold.terms


def _middle(j: Interval) -> Array:
    return np.asarray(0.5 * j.lo + 0.5 * j.hi)


def centre(form: Slopes, i: int) -> Array | None:
    """C for operand i: the middle of the enclosure; where one of several is picked, only what surely is."""
    j = form.slopes[i]
    if j is None:
        return None
    found = np.where(j.hi > j.lo, 0.0, j.lo) if form.picks else _middle(j)
    return np.asarray(np.where(np.isfinite(found), found, 0.0))
