"""What a row of coefficients meets at one node of a linear network of errors: sizes, sums, roundings."""

from __future__ import annotations

from math import prod

import numpy as np

from workbench.graph import Array
from workbench.op import OPS
from workbench.semantics.affine import Linear
from workbench.semantics.plan import Step
from workbench.semantics.rounding import Form


def mixes(step: Step, form: Form) -> bool:
    """Whether one result depends on several numbers, so that their errors may cancel."""
    if OPS[step.node.op].moves:
        return False
    if isinstance(form, Linear):
        maps = [m for m in form.maps if m is not None]
        small = all(max(m.terms, m.adjoint_terms) <= 4 for m in maps)  # a scale: one number each
        return len(maps) > 1 or not (small and step.node.size == _size(step.call.shapes[0]))
    if form.picks:
        return False  # the error is one operand's
    live = [j for j in form.slopes if j is not None]
    return len(live) > 1 or any(u is not None for u in form.unfold)


def roundings(step: Step, form: Form) -> int:
    """Float64 roundings that one element of the passed-on coefficients can carry."""
    if isinstance(form, Linear):
        return max((m.adjoint_terms + m.terms for m in form.maps if m is not None), default=0)
    most = 4
    for i, shape in enumerate(step.call.shapes):
        if shape is None or i >= len(form.slopes) or form.slopes[i] is None:
            continue
        unfold = form.unfolded(i)
        copies = step.node.size // max(1, _size(shape))
        most = max(most, 4 + (copies if unfold is None else unfold.adjoint_terms))
    return most


def _size(shape: tuple[int, ...] | None) -> int:
    return prod(shape or ())


def dot(rows: Array, vectors: Array) -> Array:
    """``(B or 1, R, n) . (B or 1, n, k) -> (k, B or 1, R)``."""
    if rows.shape[0] == vectors.shape[0] == 1:
        return np.asarray((rows[0] @ vectors[0]).T[:, None])
    return np.asarray(np.moveaxis(np.matmul(rows, vectors), -1, 0))
