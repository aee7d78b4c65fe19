"""The arrays of one node as the front end gets them: one buffer, and where each array lies in it.

Numbers are little-endian float64; samples, which are only drawn, are float32 and come last.

Up to `FULL` neurons every neuron is sent.  Beyond, neurons are binned in index order and each bin is represented by
its *worst* neuron (the widest interval; NaN and infinity count as widest), whose true index is in the array `index`;
`hull_lower` and `hull_upper` enclose the whole bin.  A `window` (start, stop) asks for every neuron of a range instead.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from workbench.floats.format import ulp
from workbench.floats.program import PROGRAMS
from workbench.graph import Array, Node

FULL = 16_384
BINS = 4_096
SAMPLES, SAMPLE_VALUES = 16, 1 << 17  # a haze needs no more: at most so many samples, and so many numbers


def ulp_size(magnitude: Array, format: str) -> Array:
    """The size of one unit in the last place of `format` at each magnitude (NaN where it is not finite)."""
    size = ulp(magnitude, PROGRAMS[format].activations)
    return np.asarray(np.where(np.isfinite(magnitude), size, np.nan))


def _rows(
    n: int, lower: Array | None, upper: Array | None, window: tuple[int, int] | None
) -> tuple[Array, int]:
    """Which neurons to send, and how many each stands for."""
    if n <= FULL:
        return np.arange(n), 1
    if window is not None:
        start = min(max(window[0], 0), n - 1)
        return np.arange(start, min(max(window[1], start + 1), start + FULL, n)), 1
    size = -(-n // BINS)
    starts = np.arange(0, n, size)
    if lower is None or upper is None:
        return starts, size
    with np.errstate(invalid="ignore"):
        width = upper - lower
    width = np.where(np.isnan(width), np.inf, width)
    padded = np.full(len(starts) * size, -np.inf)
    padded[:n] = width
    return starts + padded.reshape(-1, size).argmax(axis=1), size


def _own(mapping: Any, name: str, n: int) -> Array | None:
    """The flat float64 array of `name`, or None where it is missing or of another size."""
    value = mapping.get(name) if mapping is not None else None
    if value is None:
        return None
    flat = np.asarray(value, dtype=np.float64).reshape(-1)
    return flat if flat.size == n else None


def pack(
    node: Node,
    result: Any,
    operand: str | None = None,
    phases: Array | None = None,
    window: tuple[int, int] | None = None,
) -> tuple[dict[str, Any], bytes]:
    """Everything known about the neurons of `node` in `result`, as (description, bytes).

    `operand` is what decides each neuron's phase, and `phases` are these (1 on, 0 unstable, -1 off), where the node has
    some.  The description is the trait ``detail`` of the wire (see `workbench.views.wire`).
    """
    n, name = node.size, node.name
    bounds, loose = result.bounds.get(name), result.loose.get(name)
    flat: dict[str, Array | None] = {}
    for prefix, pair in (("", bounds), ("_loose", loose)):
        for end in ("lower", "upper"):
            flat[end + prefix] = _own({name: getattr(pair, end)} if pair is not None else None, name, n)
    for key, mapping in (
        ("center", result.values),
        ("rounding", result.rounding),
        ("observed", result.observed),
        ("gradient", getattr(result, "gradient", None)),
    ):
        flat[key] = _own(mapping, name, n)
    if flat["lower"] is not None and flat["upper"] is not None and flat["rounding"] is not None:
        flat["ulp"] = ulp_size(np.maximum(np.abs(flat["lower"]), np.abs(flat["upper"])), result.format)
    if operand is not None and phases is not None:
        flat["phase"] = np.asarray(phases, np.float64).reshape(-1)
        for prefix, source in (("", result.bounds), ("_loose", result.loose)):
            pair = source.get(operand)
            if pair is not None:
                flat["pre_lower" + prefix], flat["pre_upper" + prefix] = (
                    np.ravel(pair.lower),
                    np.ravel(pair.upper),
                )
        flat["pre_center"] = _own(result.values, operand, n)
    rows, size = _rows(n, flat["lower"], flat["upper"], window)
    parts = {"index": rows.astype(np.float64)} if n > FULL else {}
    parts |= {key: value[rows] for key, value in flat.items() if value is not None}
    if size > 1 and flat["lower"] is not None and flat["upper"] is not None:
        starts = np.arange(0, n, size)
        parts["hull_lower"] = np.minimum.reduceat(flat["lower"], starts)
        parts["hull_upper"] = np.maximum.reduceat(flat["upper"], starts)
    kept = seen = 0
    for key, source_name in (("samples", name), ("pre_samples", operand)):
        drawn = (
            result.samples.get(source_name)
            if result.samples is not None and source_name is not None
            else None
        )
        if drawn is not None and np.size(drawn) == len(drawn) * n and len(drawn):
            seen = len(drawn)
            kept = min(len(drawn), SAMPLES, max(1, SAMPLE_VALUES // max(1, len(rows))))
            haze = np.asarray(drawn[:kept], dtype="<f4").reshape(kept, n)  # a picture needs no more digits
            parts[key] = np.ascontiguousarray(haze[:, rows]).reshape(-1)
    described, offset = [], 0
    for key, part in parts.items():
        kind = "f4" if part.dtype.itemsize == 4 else "f8"
        described.append({"key": key, "offset": offset, "length": int(part.size), "type": kind})
        offset += part.dtype.itemsize * int(part.size)
    detail = {
        "node": name,
        "op": node.op,
        "shape": list(node.shape),
        "n": n,
        "rows": len(rows),
        "bin": size,
        "window": [int(rows[0]), int(rows[-1]) + 1] if n > FULL and size == 1 else None,
        "samples": kept,
        "drawn": seen,
        "operand": operand,
        "arrays": described,
        "bytes": offset,
    }
    little = (part.astype(f"<f{part.dtype.itemsize}", copy=False) for part in parts.values())
    return detail, b"".join(np.ascontiguousarray(part).tobytes() for part in little)
