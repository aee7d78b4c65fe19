"""What a convolution or a pool reads, place by place.  A part of what `program.py` says operators mean."""

from __future__ import annotations

from fractions import Fraction
from math import prod
from typing import Any

from workbench.certificate.format import CannotCheck, Rejected
from workbench.certificate.steps import MOST_NEURONS, Step, Taps, Tensor, rows_of, take

Places = list[list[int]]


def places(
    op: str, shape: tuple[int, ...], kernel: list[int], given: dict[str, Any]
) -> tuple[int, int, Places]:
    """Rows and columns of the result, and of every place of it the flat places in one channel that it reads.

    Place [r, c] reads ``[r sy - top + i dy, c sx - left + j dx]`` for i, j in the kernel, row-major; -1 is padding.
    """
    _, channels, height, width = shape
    high, wide = kernel
    pads = take(given, "pads", [0, 0, 0, 0])
    (sy, sx), (dy, dx) = take(given, "strides", [1, 1]), take(given, "dilations", [1, 1])
    if given:
        raise CannotCheck(f"{op}: an attribute without an exact rule here")
    if (
        min(sy, sx, dy, dx, high, wide) < 1
        or len(pads) != 4
        or not 0 <= min(pads) <= max(pads) <= max(high * dy, wide * dx)
    ):
        raise Rejected("network", f"{op}: strides, dilations or pads that cannot be")
    rows = (height + pads[0] + pads[2] - dy * (high - 1) - 1) // sy + 1
    columns = (width + pads[1] + pads[3] - dx * (wide - 1) - 1) // sx + 1
    if rows < 1 or columns < 1:
        raise Rejected("network", f"{op}: the shapes do not fit")
    if rows * columns * channels * high * wide > 1 << 22:
        raise CannotCheck(f"{op}: too large for this checker")

    def place(y: int, x: int) -> int:
        return y * width + x if 0 <= y < height and 0 <= x < width else -1

    kept = [(i * dy, j * dx) for i in range(high) for j in range(wide)]
    return (
        rows,
        columns,
        [
            [place(y * sy - pads[0] + i, x * sx - pads[1] + j) for i, j in kept]
            for y in range(rows)
            for x in range(columns)
        ],
    )


def channelled(every: Places, channels: int, area: int) -> list[tuple[int, ...]]:
    """Of every channel, every place: what it reads of its channel."""
    return [tuple(k + c * area if k >= 0 else -1 for k in p) for c in range(channels) for p in every]


def convolution(
    op: str,
    name: str,
    source: int,
    shape: tuple[int, ...],
    w: Tensor,
    b: Tensor | None,
    given: dict[str, Any],
) -> tuple[Step, tuple[int, ...]]:
    """A two-dimensional convolution of one image, of one group."""
    if len(shape) != 4 or shape[0] != 1 or len(w.shape) != 4 or w.shape[1] != shape[1]:
        raise CannotCheck("Conv: only one image with two axes, in one group, has an exact rule here")
    _, channels, height, width = shape
    count, _, high, wide = w.shape
    if take(given, "group", 1) != 1 or take(given, "kernel_shape", [high, wide]) != [high, wide]:
        raise CannotCheck("Conv: an attribute without an exact rule here")
    if b is not None and b.shape != (count,):
        raise Rejected("network", "Conv: the shapes do not fit")
    rows, columns, every = places(op, shape, [high, wide], given)
    if count * rows * columns > MOST_NEURONS:
        raise CannotCheck("Conv: too large for this checker")
    area = height * width
    gather = tuple(
        tuple(k + c * area if k >= 0 else -1 for c in range(channels) for k in place) for place in every
    )
    exponent, matrix = rows_of(op, w, b, count, channels * high * wide, columns=False)
    taps = Taps(rows * columns, gather)
    return Step("conv", name, count * len(gather), (source,), exponent, matrix, taps), (
        1,
        count,
        rows,
        columns,
    )


def pool(
    op: str, name: str, source: int, shape: tuple[int, ...], given: dict[str, Any]
) -> tuple[Step, tuple[int, ...], list[Fraction] | None]:
    """MaxPool; AveragePool and GlobalAveragePool: the sum, and by what every element of it is to be multiplied."""
    if len(shape) != 4 or shape[0] != 1:
        raise CannotCheck(f"{op}: only one image with two axes has an exact rule here")
    _, channels, height, width = shape
    most, whole = op == "MaxPool", op == "GlobalAveragePool"
    kernel = [height, width] if whole else take(given, "kernel_shape", [1, 1])
    padded = 0 if most or whole else take(given, "count_include_pad", 0)
    if take(given, "ceil_mode", 0) or take(given, "storage_order", 0) or padded not in (0, 1):
        raise CannotCheck(f"{op}: an attribute without an exact rule here")
    rows, columns, every = places(op, shape, kernel, given)
    gather = channelled(every, channels, height * width)
    if any(max(g) < 0 for g in gather):
        raise Rejected("network", f"{op}: a place that reads nothing but padding")
    size = len(gather)
    step = Step(
        "max" if most else "pool", name if most else "", size, (source,), taps=Taps(size, tuple(gather))
    )
    counts = [prod(kernel) if padded else sum(k >= 0 for k in g) for g in gather]
    return step, (1, channels, rows, columns), None if most else [Fraction(1, n) for n in counts]


def padded(name: str, source: int, shape: tuple[int, ...], pads: list[int]) -> tuple[Step, tuple[int, ...]]:
    """Zeros before and after every axis."""
    n = len(shape)
    if len(pads) != 2 * n or not 0 <= min(pads, default=0) <= max(pads, default=0) <= MOST_NEURONS:
        raise CannotCheck("Pad: only zeros that are added have an exact rule here")
    wide = tuple(pads[k] + shape[k] + pads[n + k] for k in range(n))
    if prod(wide) > MOST_NEURONS:
        raise CannotCheck("Pad: too large for this checker")
    found, stride = [0], prod(shape)
    for k, m in enumerate(shape):
        stride //= m
        at = [i - pads[k] if 0 <= i - pads[k] < m else -1 for i in range(wide[k])]
        found = [f + i * stride if f >= 0 and i >= 0 else -1 for f in found for i in at]
    return Step("pool", name, len(found), (source,), taps=Taps(len(found), tuple((k,) for k in found))), wide
