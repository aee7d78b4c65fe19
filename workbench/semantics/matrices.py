"""Linear maps as matrices, whole or by tiles, and movements as indices; made once and kept with the plan."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np

from workbench.graph import Array
from workbench.semantics.affine import LinearMap, same
from workbench.semantics.plan import Plan, Step

LARGEST = 1 << 22  # elements of a matrix that is kept for a map, or of all its tiles
KEPT: Array = np.zeros(0, np.int64)  # a mark: elements that stay where they are


def matrix_of(plan: Plan, step: Step, i: int, m: LinearMap) -> Array | None:
    """The map as a matrix ``(out, in)`` of its weights as they are, where it is small (kept with the plan)."""
    if m.rows is None or m.tiles is not None:
        return None
    n = step.node.size
    if n * size_of(step, i) > LARGEST:
        return None
    key = ("matrix", step.node.name, i)
    if key not in plan.memo:
        plan.memo[key] = np.ascontiguousarray(m.rows(np.arange(n)).reshape(n, -1))
    found: Array = plan.memo[key]
    return found


def tiles_of(plan: Plan, step: Step, i: int, m: LinearMap) -> Sequence[tuple[Array, Array, Array]] | None:
    """The map by tiles, where they are small (kept with the plan): elements of the operand, of the result, matrix."""
    key = ("tiles", step.node.name, i)
    if key not in plan.memo:
        found = None
        if m.tiles is not None and m.rows is not None:
            n, pairs = size_of(step, i), m.tiles()
            if (
                sum(a.size * b.size for a, b in pairs) <= LARGEST
                and max((b.size for _, b in pairs), default=0) * n <= 4 * LARGEST
            ):
                found = []
                for columns, rows in pairs:
                    if not rows.size:
                        continue  # no window reads it
                    matrix = np.take(m.rows(rows).reshape(rows.size, n), columns, axis=1)
                    used = np.flatnonzero(matrix.any(axis=0))  # a window may step over some
                    found.append((columns[used], rows, np.take(matrix, used, axis=1)))
        plan.memo[key] = found
    known: Sequence[tuple[Array, Array, Array]] | None = plan.memo[key]
    return known


def source_of(plan: Plan, step: Step, i: int, m: LinearMap) -> Array | None:
    """Where each element of an exact movement comes from (-1: nowhere), KEPT where all stay in their order.

    None where it is no such movement.
    """
    if m.adjoint is same:
        return KEPT
    if m.terms or m.adjoint_terms or m.apply is not m.magnitude:
        return None
    key = ("source", step.node.name, i)
    if key not in plan.memo:
        shape = step.call.shapes[i]
        assert shape is not None
        n = prod(shape)
        moved = m.apply(np.arange(1.0, n + 1.0).reshape(1, *shape)).reshape(-1)
        source = moved.astype(np.int64) - 1
        plan.memo[key] = KEPT if source.size == n and (source == np.arange(n)).all() else source
    found: Array = plan.memo[key]
    return found


def size_of(step: Step, i: int) -> int:
    """Number of elements of an operand."""
    return prod(step.call.shapes[i] or ())
