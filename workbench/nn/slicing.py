"""Slices of values: ``x[:, 1:3]``."""

from __future__ import annotations

from typing import Any

import numpy as np

from workbench.graph import GraphError
from workbench.nn.shapes import ShapeError, dims_text
from workbench.nn.value import Value


def take_slice(x: Value, key: Any) -> Value:
    """What ``x[key]`` is: slices, integers and one ellipsis."""
    parts = key if isinstance(key, tuple) else (key,)
    if sum(p is Ellipsis for p in parts) > 1 or any(isinstance(p, Value | list | np.ndarray) for p in parts):
        raise GraphError("values are indexed with integers, slices and one ellipsis")
    if Ellipsis in parts:
        at = parts.index(Ellipsis)
        parts = (*parts[:at], *(slice(None),) * (x.ndim - len(parts) + 1), *parts[at + 1 :])
    if len(parts) > x.ndim:
        raise ShapeError(f"{x.trace.where}: {len(parts)} indices for {dims_text(x.shape, x.dims)}")
    starts: list[int] = []
    ends: list[int] = []
    axes: list[int] = []
    steps: list[int] = []
    away: list[int] = []
    for axis, part in enumerate(parts):
        n = x.shape[axis]
        if isinstance(part, slice):
            if part == slice(None):
                continue
            start, stop, step = part.indices(n)
            stop = stop if stop >= 0 else -n - 1
        else:
            start = int(part) + (n if part < 0 else 0)
            if not 0 <= start < n:
                raise ShapeError(f"{x.trace.where}: index {part} in {dims_text(x.shape, x.dims)}")
            stop, step = start + 1, 1
            away.append(axis)
        for numbers, number in ((starts, start), (ends, stop), (axes, axis), (steps, step)):
            numbers.append(number)
    found = x
    if axes:
        operands = [x.trace.constant(np.array(v, np.int64), k)
                    for v, k in ((starts, "starts"), (ends, "ends"), (axes, "axes"), (steps, "steps"))]  # fmt: skip
        found = x.trace.emit("Slice", [x, *operands], dims=x.dims)
    return found.reshape(tuple(n for i, n in enumerate(found.shape) if i not in away)) if away else found
