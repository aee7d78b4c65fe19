"""A tensor as a plane of numbers that fits a page: which axes are drawn, in bins where they are many, worst kept."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from workbench.graph import Array
from workbench.views import text

ROWS, COLUMNS = 160, 240  # cells of a heat map, at most
TABLE = (24, 8)  # rows and columns of a page of numbers
FLAT = 16  # a vector of so many numbers, where that is a square, may be folded to one


@dataclass(frozen=True, eq=False)
class Plane:
    """Two axes of a tensor.

    Parameters
    ----------
    values : ``(h, w)``, or ``(3, h, w)`` of a colour picture.
    base, down, across : flat index in the tensor of the first element, and how it grows with a row and a column.
    """

    values: Array
    base: int
    down: int
    across: int

    def flat(self, row: Any, column: Any) -> Any:
        """Flat index in the tensor of an element of the plane (of the first channel)."""
        return self.base + row * self.down + column * self.across


def foldable(shape: Sequence[int]) -> bool:
    """Whether a tensor has one axis that counts, as long as a square."""
    n = math.prod(shape)
    return max(shape, default=0) == n >= FLAT and math.isqrt(n) ** 2 == n


def leading(shape: Sequence[int], colour: bool = False, fold: bool = False) -> int:
    """How many axes before the plane are fixed at one index each."""
    return 0 if fold else max(len(shape) - (3 if colour else 2), 0)


def coloured(shape: Sequence[int]) -> bool:
    """Whether a tensor may be three colours: its last axes but two are 3, h, w."""
    return len(shape) >= 3 and shape[-3] == 3 and min(shape[-2:]) >= 4


def plane(tensor: Array, fixed: Sequence[int], *, colour: bool = False, fold: bool = False) -> Plane:
    """The last two axes at fixed indices of the others.

    Raises
    ------
    IndexError
        Another number of indices than there are axes, or one that is out of range.
    """
    shape = tensor.shape
    if fold:
        side = math.isqrt(tensor.size)
        return Plane(tensor.reshape(side, side), 0, side, 1)
    if tensor.ndim < 2:
        return Plane(tensor.reshape(1, -1), 0, tensor.size, 1)
    axes = leading(shape, colour)
    if len(fixed) != axes or any(not 0 <= i < n for i, n in zip(fixed, shape, strict=False)):
        raise IndexError(f"a tensor of shape {list(shape)} has no plane at {list(fixed)}")
    strides = [math.prod(shape[k + 1 :]) for k in range(tensor.ndim)]
    base = sum(i * s for i, s in zip(fixed, strides, strict=False))
    return Plane(tensor[tuple(fixed)], base, shape[-1], 1)


def cells(drawn: Plane, window: Sequence[int] | None = None) -> tuple[dict[str, Any], bytes]:
    """The plane, or a window ``(row, column, h, w)`` of it, as a heat map of at most 160 x 240 cells.

    Returns
    -------
    header, data : ``{rows, cols, row, col, h, w, bin: [down, across], channels, whole: [h, w]}``; float64 values by
        channel, row and column, then int32 flat indices of the elements that they are.  A cell of several elements is
        the one with the largest magnitude, one that is not finite before all others.
    """
    whole = drawn.values.shape[-2:]
    row, col, h, w = (0, 0, *whole) if window is None else (int(v) for v in window)
    row, col = min(max(row, 0), max(whole[0] - 1, 0)), min(max(col, 0), max(whole[1] - 1, 0))
    h, w = min(max(h, 1), whole[0] - row), min(max(w, 1), whole[1] - col)
    part = drawn.values[..., row : row + h, col : col + w]
    down, across = max(1, -(-h // ROWS)), max(1, -(-w // COLUMNS))
    rows, cols = -(-h // down), -(-w // across)
    planes = part.reshape(part.size // max(h * w, 1) or 1, h, w)
    values, indices = [], np.zeros((rows, cols), np.int32)
    for k, one in enumerate(planes if h and w else ()):
        found, at = _worst(one, down, across)
        values.append(found)
        if k == 0:
            r, c = np.divmod(at, max(w, 1))
            indices = drawn.flat(row + r, col + c)
    header = {
        "rows": rows, "cols": cols, "row": row, "col": col, "h": h, "w": w, "bin": [down, across],
        "channels": len(planes), "whole": [int(n) for n in whole],
    }  # fmt: skip
    data = np.concatenate([v.ravel() for v in values]) if values else np.zeros(0)
    return header, data.astype("<f8").tobytes() + np.asarray(indices, "<i4").tobytes()


def _worst(part: Array, down: int, across: int) -> tuple[Array, Array]:
    """Of each bin the element of largest magnitude, and its flat index in `part`."""
    h, w = part.shape
    index = np.arange(h * w).reshape(h, w)
    if down == across == 1:
        return part.astype(np.float64), index
    size = np.abs(part.astype(np.float64))
    size[~np.isfinite(size)] = np.inf
    rows, cols = -(-h // down), -(-w // across)
    padded = np.full((rows * down, cols * across), -1.0)
    padded[:h, :w] = size
    held = np.zeros((rows * down, cols * across), np.int64)
    held[:h, :w] = index

    def bins(a: Array) -> Array:
        return a.reshape(rows, down, cols, across).transpose(0, 2, 1, 3).reshape(rows, cols, -1)

    best = bins(padded).argmax(axis=2)
    at = np.take_along_axis(bins(held), best[..., None], axis=2)[..., 0]
    return part.reshape(-1)[at].astype(np.float64), at


def page(drawn: Plane, row: int, column: int) -> dict[str, Any]:
    """A page of numbers as texts that read back exactly: ``{row, col, rows: [[text]], flat: [[index]], whole}``."""
    values = drawn.values if drawn.values.ndim == 2 else drawn.values[0]
    h, w = values.shape
    row, column = min(max(row, 0), max(h - 1, 0)), min(max(column, 0), max(w - 1, 0))
    rows, cols = range(row, min(row + TABLE[0], h)), range(column, min(column + TABLE[1], w))
    return {
        "row": row, "col": column, "whole": [h, w], "page": list(TABLE),
        "rows": [[word(values[r, c]) for c in cols] for r in rows],
        "flat": [[int(drawn.flat(r, c)) for c in cols] for r in rows],
    }  # fmt: skip


def word(value: Any) -> str:
    """A number of the tensor's own type, by its shortest digits that read back to the same bits."""
    found = str(value)
    return {"nan": "NaN", "inf": "\N{INFINITY}", "-inf": text.MINUS + "\N{INFINITY}"}.get(
        found, found.replace("-", text.MINUS)
    )


def statistics(tensor: Array) -> dict[str, Any]:
    """Size, extremes and what is not a number; ``mean`` and ``norm`` are float64 sums of the finite elements."""
    found: dict[str, Any] = {
        "shape": list(tensor.shape), "dtype": str(tensor.dtype), "n": int(tensor.size), "bytes": int(tensor.nbytes)
    }  # fmt: skip
    values = tensor.astype(np.float64).ravel()
    finite = values[np.isfinite(values)]
    found |= {
        "nan": int(np.isnan(values).sum()),
        "inf": int(np.isinf(values).sum()),
        "zeros": int((values == 0).sum()),
        "low": float(finite.min()) if finite.size else None,
        "high": float(finite.max()) if finite.size else None,
    }
    with np.errstate(over="ignore"):
        mean, norm = (
            (float(finite.mean()), float(np.sqrt(np.square(finite).sum()))) if finite.size else (0.0, 0.0)
        )
    return {
        **found,
        "mean": mean if math.isfinite(mean) else None,
        "norm": norm if math.isfinite(norm) else None,
    }
