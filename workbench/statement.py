"""What is proved about the outputs, said in words: which output is the largest over the whole region."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from workbench.graph import Array
from workbench.methods.bounds import Bounds
from workbench.methods.rounding import RoundingBounds
from workbench.region import Region
from workbench.semantics.plan import Plan
from workbench.tables import down

QUESTION = "Asked: is the output that is largest at the centre the largest over the whole region?"
LARGEST = 1000  # outputs beyond which "the largest output" is not what a network is about


def margin_rows(output: Array) -> Array | None:
    """Rows ``(n-1, *shape)`` of "largest output minus another"; None where there is nothing to compare."""
    flat = output.reshape(-1)
    if not 2 <= flat.size <= LARGEST or not np.isfinite(flat).all():
        return None
    label = int(np.argmax(flat))
    rows = -np.eye(flat.size)
    rows[:, label] += 1.0
    return np.asarray(np.delete(rows, label, axis=0).reshape(-1, *output.shape))


def inside(region: Region, points: Array) -> Array:
    """The points that lie in the box after rounding to their float type (of a ball's others, none are dropped)."""
    wide = points.astype(np.float64)
    axes = tuple(range(1, wide.ndim))
    keep = ((wide >= region.lower[0]) & (wide <= region.upper[0])).all(axis=axes)
    if not region.is_box and region.center is not None and region.eps is not None:
        step = (wide - region.center[0]).reshape(len(wide), -1)
        keep &= np.linalg.norm(step, ord=int(region.norm), axis=1) <= region.eps * (1 - 1e-9)
    return points[keep]


def margin_verdict(
    plan: Plan,
    bounds: Bounds,
    values: Mapping[str, Array],
    samples: Mapping[str, Array],
    rounding: RoundingBounds | None,
    format: str,
) -> dict[str, Any]:
    """Whether the output that is largest at the centre is proved the largest over the whole region.

    Returns
    -------
    ``{state, text, question, largest, details}``, the state: "verified" where every margin's lower bound is positive in
    real arithmetic, "falsified" where a sampled point of the region surely has another largest output, else "unknown",
    or "none".  In floats the margin must exceed both outputs' rounding error bounds (F13).
    """
    name = plan.graph.outputs[0]
    if name not in plan.live or margin_rows(values[name][0]) is None:
        return {"state": "none", "text": "", "details": []}
    center = values[name].reshape(-1)
    label = int(np.argmax(center))
    others = np.delete(np.arange(center.size), label)
    held = bounds[name]
    lo, hi = held.lo[0].reshape(-1), held.hi[0].reshape(-1)
    margins = np.nextafter(lo[label] - hi[others], -np.inf)
    if bounds.margins is not None:
        margins = np.maximum(margins, bounds.margins[0])
    margin = float(margins.min())
    error = np.full(center.size, np.inf)
    if rounding is not None and name in rounding:
        error = np.asarray(rounding[name]).reshape(-1)
    both = np.nextafter(error[label] + error[others], np.inf)
    real = "verified" if margin > 0 else "unknown"
    floats = "verified" if bool((margins > both).all()) else "unknown"
    found = _counterexample(plan, samples[name], label, error, rounding)
    if found is not None and margin <= 0:
        real = floats = "falsified"
    least = down(margin, 4).replace("-", "\N{MINUS SIGN}")
    words = {  # the region follows: "for all x with ...", or the region alone where a point was found
        "verified": f"output {label} is the largest, by at least {least}",
        "unknown": f"not proved that output {label}, the largest in a run at the centre, is the largest "
        f"(margin \N{GREATER-THAN OR EQUAL TO} {least})",
        "falsified": "" if found is None else _contrary(center.astype(np.float64), label, error, *found),
    }[real]
    details = [{"semantics": "reals", "state": real}]
    if rounding is not None:
        details.append({"semantics": f"{format}, any order", "state": floats})
    return {
        "state": real,
        "text": words,
        "question": QUESTION,
        "largest": [name, label],
        "details": details,
    }


def _counterexample(
    plan: Plan, outputs: Array, label: int, error: Array, rounding: RoundingBounds | None
) -> tuple[int, bool] | None:
    """An output that surely exceeds `label` at a sampled point, and whether it surely is the largest there; else None.

    A difference of two outputs that a run computed is beyond doubt where it exceeds their error bounds; taken fourfold,
    for the rounding of this subtraction and of the sum of the bounds.
    """
    single = all(plan.graph[name].dtype == "float32" for name in plan.live)
    if rounding is None or rounding.format != "binary32" or not single:
        return None  # the samples were run in binary32: only its error bound says how far they are from the reals
    flat = outputs.reshape(len(outputs), -1).astype(np.float64)
    beaten = flat - flat[:, [label]] > 4 * (error + error[label])
    rows = np.nonzero(beaten.any(axis=1))[0]
    if not rows.size:
        return None
    row = flat[rows[0]]
    other = int(np.argmax(np.where(beaten[rows[0]], row, -np.inf)))
    return other, _largest(row, other, error)


def _largest(row: Array, index: int, error: Array) -> bool:
    """Whether one output of a run is beyond doubt the largest in the reals."""
    above = row[index] - row > 4 * (error + error[index])
    return bool(np.delete(above, index).all())


def _contrary(center: Array, label: int, error: Array, other: int, largest: bool) -> str:
    first = "is the largest" if _largest(center, label, error) else "is the largest in a run"
    then = f"output {other}" if largest else f"output {other} exceeds it"
    return f"output {label} {first} at the centre, but {then} at a point of the region"
