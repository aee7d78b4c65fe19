"""Leaves closed by a linear program's dual: choices of slopes, multipliers of phases, and weights of constraints.

The program says of a reduced part: least t such that some inputs, and results of relus within their triangles, satisfy
every constraint of an unsafe alternative up to t.  Where the least t is above 0 its dual is a Farkas certificate that
none satisfies them all: weights of the constraints, the line below that each relu takes (the ratio of two duals), and
multipliers of phases.  Rounded to dyadics they are a leaf of a certificate, which the checker's rules R4 to R9 judge.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from workbench.certificate.packed import unpack
from workbench.certificate.parts import SLOPE
from workbench.certificate.reduced import Ends, Phases, Reduced, Sum
from workbench.graph import Array

WEIGHT = 12  # bits of a constraint's weight
LARGEST = 400  # open relus: beyond, the program is not worth its time


def refuted(
    found: Reduced, box: Ends, rows: Sequence[Sequence[int]], limits: Sequence[int], phases: Phases, P: int
) -> dict[str, Any] | None:
    """An entry of a leaf with which ``rows . outputs <= limits`` (in units) is excluded, or None.

    None too where the optional package highspy is not installed.
    """
    try:
        import highspy
    except ImportError:
        return None
    if not rows or len(found.units) > LARGEST:
        return None
    n, k, unit = len(box[0]), len(found.units), 2.0**-P
    width = n + k
    z, b = _floats(found.operands, width, unit)
    y, d = _floats(found.outputs, width, unit)
    c = np.array(rows, float) * unit
    flat = np.array([u.flat * 2.0**-u.shift for u in found.units])
    low, high = (np.array(e, float) * unit for e in (found.low, found.high))
    signs = np.array([_sign(phases, u.source, u.element) for u in found.units], float)
    at = np.hstack([np.zeros((k, n)), np.eye(k)])
    left, right = np.where(low >= 0, 1.0, flat), np.where(high <= 0, flat, 1.0)
    lines = np.array([line[:4] for line in found.lines], float).reshape(k, 4)
    above, offset = lines[:, 1] * 2.0 ** -lines[:, 3], lines[:, 2] * unit
    none, infinite = np.zeros((k, 1)), np.full(k, np.inf)
    matrix = np.vstack(
        [
            np.hstack([at - left[:, None] * z, none]),
            np.hstack([at - right[:, None] * z, none]),
            np.hstack([at - above[:, None] * z, none]),
            np.hstack([signs[:, None] * z, none]),
            np.hstack([c @ y, -np.ones((len(c), 1))]),
        ]
    )
    least = [
        left * b,
        right * b,
        -infinite,
        np.where(signs != 0, -signs * b, -np.inf),
        np.full(len(c), -np.inf),
    ]
    most = [infinite, infinite, above * b + offset, infinite, np.array(limits, float) * unit - c @ d]
    ends = [np.array(e, float) * unit for e in box]
    columns = [np.concatenate([e, s * infinite, [s * np.inf]]) for e, s in zip(ends, (-1, 1), strict=True)]
    cost = np.zeros(width + 1)
    cost[-1] = 1.0
    dual = _solved(highspy, matrix, (np.concatenate(least), np.concatenate(most)), columns, cost)
    if dual is None:
        return None
    one, two = np.maximum(dual[:k], 0.0), np.maximum(dual[k : 2 * k], 0.0)
    slopes: dict[str, list[list[int]]] = {}
    for j, u in enumerate(found.units):
        if low[j] < 0 < high[j] and one[j] + two[j] > 0:
            share = (one[j] * left[j] + two[j] * right[j]) / (one[j] + two[j])
            first = -(-(u.flat << SLOPE) >> u.shift)
            slopes.setdefault(u.name, []).append(
                [u.element, min(max(round(share * (1 << SLOPE)), first), 1 << SLOPE)]
            )
    scale = 2.0**WEIGHT
    weights = [[i, round(-v * scale)] for i, v in enumerate(dual[4 * k :].tolist()) if round(-v * scale) > 0]
    beta = np.maximum(dual[3 * k : 4 * k], 0.0) * scale / unit
    multipliers = [
        [u.name, u.element, round(m)] for u, m in zip(found.units, beta.tolist(), strict=True) if round(m) > 0
    ]
    return {"rows": weights, "slopes": slopes, "multipliers": multipliers} if weights else None


def _floats(sums: Sequence[Sum], width: int, unit: float) -> tuple[Array, Array]:
    """Sums as rows and constants, P the precision of both."""
    P = round(-np.log2(unit))
    rows, constants = np.zeros((len(sums), width)), np.zeros(len(sums))
    for i, s in enumerate(sums):
        rows[i, : s.count], constants[i] = unpack(s.row, s.count, s.size, P), 0.5 * (s.down + s.up)
    return rows * unit, constants * unit


def _sign(phases: Phases, step: int, element: int) -> int:
    above = phases.get((step, element))
    return 0 if above is None else 1 if above else -1


def _solved(
    highspy: Any, matrix: Array, rows: tuple[Array, Array], columns: list[Array], cost: Array
) -> Array | None:
    """The dual of a linear program whose least value is above 0, or None."""
    model, lp = highspy.Highs(), highspy.HighsLp()
    for option, value in (("output_flag", False), ("presolve", "off"), ("threads", 1), ("random_seed", 0)):
        model.setOptionValue(option, value)
    lp.num_row_, lp.num_col_ = matrix.shape
    lp.col_cost_, lp.col_lower_, lp.col_upper_ = cost, *columns
    lp.row_lower_, lp.row_upper_ = rows
    at, where = np.nonzero(matrix)
    lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    lp.a_matrix_.start_ = np.searchsorted(at, np.arange(len(matrix) + 1)).astype(np.int32)
    lp.a_matrix_.index_, lp.a_matrix_.value_ = where.astype(np.int32), matrix[at, where]
    model.passModel(lp)
    model.run()
    optimal = model.getModelStatus() == highspy.HighsModelStatus.kOptimal
    if not optimal or not model.getInfo().objective_function_value > 0.0:
        return None
    return np.array(model.getSolution().row_dual)
