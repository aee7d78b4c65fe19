"""Sums in a named order: rounding bounds by position (F6), sharper than those for any order.

Let s_j be the exact value of the j-th addition's result, an interval sum of its leaves over the region, and E a bound
on all that has gone wrong so far.  The addition errs by at most u ufp(|s_j| + E), so that the whole errs by
    E' = u sum_j ufp(|s_j| + E) + (the products' own).
E may be the bound for any order to begin with; E' is one too, and is put in its place once more.  Adding an exact 0
rounds nothing.  A fused product has no rounding of its own; the first of a running sum has, and what is fused into an
exact 0 is rounded by that addition.  (Higham 2002, section 3.3, has the running error bound that this becomes at a
point.)
"""

from __future__ import annotations

import numpy as np

from workbench.floats.errors import flushed, leaf_products, raised
from workbench.floats.format import ufp
from workbench.floats.order import Blocked, Tree, additions
from workbench.floats.program import Semantics
from workbench.floats.sums import product_error
from workbench.graph import Array
from workbench.semantics.interval import TINY, UNIT, Interval

CHUNK = 1 << 20  # leaves that are looked at at once
PASSES = 2


def is_ordered(program: Semantics) -> bool:
    """Whether the program's order is one whose additions are known before the values are."""
    order = program.order
    return isinstance(order, Blocked | Tree) or order in ("sequential", "reversed", "pairwise", "fma")


def ordered_errors(
    turned: Array, x: Interval, bias: Array | None, program: Semantics, anyhow: Array
) -> Array:
    """Errors of additions and multiplications in ``W x``, added in the program's order, the bias added last.

    Parameters
    ----------
    turned : W, ``(M, K)``, as stored.
    x : ``(N, K)``, real and float values; leaf k of every sum is ``W[m, k] x[n, k]``.
    bias : ``(N, M)`` or None.
    anyhow : ``(N, M)``, a bound for any order, products included and underflow not.

    Raises
    ------
    ValueError
        A tree of another number of leaves.
    """
    (m, k), n = turned.shape, x.lo.shape[0]
    schedule = additions(program.order, k, np.random.default_rng(0))
    rows = max(1, CHUNK // max(1, m * k))
    found = np.array(np.broadcast_to(anyhow, (n, m)))
    for i in range(0, n, rows):
        part = slice(i, i + rows)
        pair = (leaf_products(turned[None], end[part, None, :], program.mode) for end in (x.lo, x.hi))
        ends = [end.reshape(-1, k).T for end in pair]
        leaves = np.minimum(*ends), np.maximum(*ends)
        b = None if bias is None else bias[part].reshape(-1)
        found[part] = _by_position(leaves, schedule, b, program, found[part].reshape(-1)).reshape(-1, m)
    return found


def _by_position(
    leaves: tuple[Array, Array],
    schedule: list[tuple[int, int]],
    bias: Array | None,
    program: Semantics,
    anyhow: Array,
) -> Array:
    """``(E,)`` bounds for sums of ``(K, E)`` leaves between two ends."""
    low, high = leaves
    count, form = len(low), program.measure
    size = np.maximum(np.abs(low), np.abs(high))
    total = size.sum(axis=0) + (0.0 if bias is None else np.abs(bias))
    slack = (count + 8) * (2 * UNIT * total + TINY)
    some = np.array(size > 0)
    multiplied: Array | float = 0.0
    fused = False
    if not program.exact_products:
        # only a running sum can be fused; in other orders every product is rounded
        running = program.order in ("sequential", "reversed", "fma")
        fused = running and (program.fma == "always" or program.order == "fma")
        first = schedule[0][0] if schedule else 0
        rounded = size[first : first + 1] if fused else size
        multiplied = product_error(np.ascontiguousarray(raised(rounded).T), form)
    sums: list[Array] = []
    counts: list[Array] = []
    values = {k: (low[k], high[k], some[k]) for k in range(count)}
    for i, (a, b) in enumerate(schedule):
        left, right = values.pop(a), values.pop(b)
        one, other = left[0] + right[0], left[1] + right[1]
        values[count + i] = one, other, left[2] | right[2]
        sums.append(np.maximum(np.abs(one), np.abs(other)))
        counts.append(right[2] if fused else left[2] & right[2])
    if bias is not None and values:
        one, other, live = values.popitem()[1]
        sums.append(np.maximum(np.abs(one + bias), np.abs(other + bias)))
        counts.append(live & (bias != 0))
    if not sums:
        return np.asarray(np.minimum(anyhow, multiplied))
    partial, adds = np.stack(sums), np.stack(counts)
    lost = 2 * (count + 1) * form.eta
    found = anyhow
    for _ in range(PASSES):
        reach = raised(partial + slack + found + lost, 4)
        each = np.where(adds, form.unit * ufp(reach) + flushed(form), 0.0)
        error = raised(each.sum(axis=0) + multiplied, len(sums))
        safe = np.where(adds, reach, 0.0).max(axis=0) <= min(form.largest, -form.lowest)
        found = np.where(safe, np.fmin(found, error), found)
    return found
