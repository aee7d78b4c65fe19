"""The linear map of a convolution, and its adjoint on many rows at once: the hot loop of CROWN on conv nets.

Forward: every window becomes a column (im2col), and one matrix product a sample does the rest.
Adjoint: with stride s an input element ``i + begin = q s + r`` only meets the taps ``t = r + s m`` of windows q - m,
so that each of the s^d phases r is an ordinary convolution of stride 1 with ceil(k/s) taps an axis, and no scattered
addition is needed.  Only the last axis is unfolded; a shift along the others is an offset into the same memory, which
BLAS reads in place.  Rows that live on a small part of the output (unit rows of a later layer) are cut out first.
Measured on 2000 rows of an 8x16x16 layer, one core: scattered addition 200 ms, full unfolding 105 ms, this 70 ms.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import product
from math import prod
from typing import Any

import numpy as np

from workbench.arrays.device import on_host
from workbench.graph import Array
from workbench.ops.generators import taps as tapwise
from workbench.ops.generators.window import Ints, Window, Zeros, float_zeros, key
from workbench.semantics.cotangent import Term, bordered, emit, picked, shaped

CHUNK = 1 << 17  # elements of the unfolded block that is worked on at once: what fits a core's cache
MANY = 64  # from here on it pays to look where the rows are zero

Slices = tuple[slice, ...]
MatMul = Callable[[Array, Array], Array]


def unfolded(
    x: Array, w: Array, win: Window, groups: int, zeros: Zeros = float_zeros, mul: MatMul = np.matmul
) -> Array:
    """Convolve, in any arithmetic.

    Parameters
    ----------
    x : ``(N, C, *size)``.
    w : ``(M, C / groups, *kernel)``.

    Returns
    -------
    ``(N, M, *out)``.
    """
    n, m = x.shape[0], w.shape[0]
    columns = win.view(win.pad(x, zeros)).reshape(n, groups, w.shape[1] * win.taps, prod(win.out))
    return mul(w.reshape(groups, m // groups, -1), columns).reshape(n, m, *win.out)


def folded(
    y: Array, w: Array, win: Window, groups: int, zeros: Zeros = float_zeros, mul: MatMul = np.matmul
) -> Array:
    """The adjoint of `unfolded` in any arithmetic: ``(N, M, *out) -> (N, C, *size)``."""
    n, m = y.shape[0], w.shape[0]
    turned = np.swapaxes(w.reshape(groups, m // groups, -1), 1, 2)
    columns = mul(turned, y.reshape(n, groups, m // groups, prod(win.out)))
    return win.scatter(columns.reshape(n, groups * w.shape[1], *win.kernel, *win.out), zeros)


def widened(
    y: Array, w: Array, win: Window, groups: int, zeros: Zeros = float_zeros
) -> tuple[tuple[Array, Array], Window]:
    """The adjoint of a convolution as a convolution: operands and window for `unfolded`.

    Zeros are put between the elements of y, and the kernel is turned around: x[i] = sum over taps t of y[(i + begin -
    t d) / s] where that is whole.

    Parameters
    ----------
    y : ``(N, M, *out)``.
    w : ``(M, C / groups, *kernel)``.

    Returns
    -------
    (x, kernel), window : ``unfolded(x, kernel, window, groups)`` has the shape ``(N, C, *size)``.
    """
    m, c = w.shape[:2]
    reach = tuple((k - 1) * d for k, d in zip(win.kernel, win.dilations, strict=True))
    between = tuple((o - 1) * s + 1 for o, s in zip(win.out, win.strides, strict=True))
    # element j of the result's window starts at j + begin - reach of the spread y
    before = tuple(max(0, r - b) for r, b in zip(reach, win.begin, strict=True))
    skip = tuple(max(0, b - r) for r, b in zip(reach, win.begin, strict=True))
    length = tuple(
        max(f + n, k + r + z) for f, n, k, r, z in zip(before, between, skip, reach, win.size, strict=True)
    )
    x = zeros((*y.shape[:2], *length), y)
    inside = tuple(slice(f, f + n, s) for f, n, s in zip(before, between, win.strides, strict=True))
    x[key(slice(None), slice(None), *inside)] = y
    x = x[
        key(
            slice(None),
            slice(None),
            *(slice(k, k + r + z) for k, r, z in zip(skip, reach, win.size, strict=True)),
        )
    ]
    turned = np.flip(w, tuple(range(2, w.ndim))).reshape(groups, m // groups, c, *win.kernel)
    turned = np.swapaxes(turned, 1, 2).reshape(groups * c, m // groups, *win.kernel)
    one = (1,) * len(win.size)
    size = tuple(r + z for r, z in zip(reach, win.size, strict=True))
    return (x, turned), Window(size, win.kernel, one, win.dilations, (0,) * len(win.size), win.size)


def _attrs(win: Window, groups: int) -> tuple[dict[str, Any], Ints]:
    """Attributes of a convolution with this window; and how many elements at the end no window sees."""
    each = zip(win.out, win.strides, win.kernel, win.dilations, strict=True)
    reach = [(o - 1) * s + (k - 1) * d + 1 for o, s, k, d in each]
    ends = [r - b - n for r, b, n in zip(reach, win.begin, win.size, strict=True)]
    pads = (*win.begin, *(max(0, e) for e in ends))
    attrs = {"strides": win.strides, "dilations": win.dilations, "pads": pads, "group": groups}
    return {**attrs, "kernel_shape": win.kernel}, tuple(max(0, -e) for e in ends)


def unfolded_nodes(x: Term, w: Term, win: Window, groups: int) -> Term:
    """`unfolded` as a node."""
    attrs, unseen = _attrs(win, groups)
    cut = (slice(None), slice(None), *(slice(0, n - u) for n, u in zip(win.size, unseen, strict=True)))
    return emit("Conv", [x[cut] if any(unseen) else x, w], attrs)


def folded_nodes(y: Term, w: Term, win: Window, groups: int) -> Term:
    """`folded` as a node."""
    attrs, unseen = _attrs(win, groups)
    return emit("ConvTranspose", [y, w], {**attrs, "output_padding": unseen})


def kernel_nodes(x: Term, y: Term, win: Window, groups: int) -> Term:
    """Derivatives of <y, unfolded(x, w)> by w, as nodes: a product of y with what every tap sees of x."""
    (n, c), m, places = x.shape[:2], y.shape[1], prod(win.out)
    ends = [p - b - s for p, b, s in zip(win.padded, win.begin, win.size, strict=True)]
    wide = shaped(bordered(x, (0, 0, *win.begin), (0, 0, *ends)), (n, c, prod(win.padded)))
    index = win.view(np.arange(prod(win.padded)).reshape(1, 1, *win.padded)).reshape(-1)
    seen = shaped(picked(wide, 2, index), (n, groups, c // groups, win.taps, places))
    columns = shaped(seen.permute(1, 0, 4, 2, 3), (groups, n * places, c // groups * win.taps))
    rows = shaped(y, (n, groups, m // groups, places)).permute(1, 2, 0, 3)
    found = shaped(rows, (groups, m // groups, n * places)) @ columns
    return shaped(found, (m, c // groups, *win.kernel))


def forward(w: Array, win: Window, groups: int) -> Callable[[Array], Array]:
    """`unfolded` for floats, a block of samples at a time."""
    block = max(1, CHUNK // max(1, w.shape[1] * groups * win.taps * prod(win.out)))

    anywhere = tapwise.forward(w, win, groups)

    def apply(x: Array) -> Array:
        if not on_host(x):
            return anywhere(x)
        if x.shape[0] <= block:
            return unfolded(x, w, win, groups)
        y = np.empty((x.shape[0], w.shape[0], *win.out), np.result_type(x, w))
        for i in range(0, x.shape[0], block):
            y[i : i + block] = unfolded(x[i : i + block], w, win, groups)
        return y

    return apply


def backward(w: Array, win: Window, groups: int) -> Callable[[Array], Array]:
    """The adjoint for floats: ``(N, M, *out) -> (N, C, *size)``."""
    whole = _phases(w, win, groups)
    small: dict[tuple[int, ...], tuple[Window, Callable[[Array], Array]]] = {}

    anywhere = tapwise.backward(w, win, groups)

    def apply(y: Array) -> Array:
        if not on_host(y):
            return anywhere(y)
        if y.shape[0] < MANY:
            return whole(y)
        found = _support(y)
        if found is None:
            return whole(y)
        starts, extent = found
        if extent not in small:
            reach = zip(extent, win.strides, win.kernel, win.dilations, strict=True)
            size = tuple((o - 1) * s + (k - 1) * d + 1 for o, s, k, d in reach)
            cut = replace(win, size=size, begin=(0,) * len(size), out=extent)
            small[extent] = cut, _phases(w, cut, groups)
        cut, inner = small[extent]
        n, axes = np.arange(y.shape[0]), tuple(range(2, y.ndim))
        x = np.zeros((y.shape[0], w.shape[1] * groups, *win.padded), y.dtype)
        there = np.lib.stride_tricks.sliding_window_view(x, cut.size, axes, writeable=True)
        begins = tuple(a * s for a, s in zip(starts, win.strides, strict=True))
        windows = np.lib.stride_tricks.sliding_window_view(y, extent, axes)
        there[key(n, slice(None), *begins)] = inner(
            np.ascontiguousarray(windows[key(n, slice(None), *starts)])
        )
        return x[key(slice(None), slice(None), *win.inside)]

    return apply


def _support(y: Array) -> tuple[tuple[Array, ...], tuple[int, ...]] | None:
    """Where each row is not zero: the start on every spatial axis, and one extent for all rows.

    None where that is more than half of the whole.
    """
    used = (y != 0).any(axis=1)
    starts, extent = [], []
    for axis in range(1, used.ndim):
        line = used.any(axis=tuple(a for a in range(1, used.ndim) if a != axis))
        first = line.argmax(axis=1)
        last = line.shape[1] - line[:, ::-1].argmax(axis=1)
        longest = max(1, int(np.where(line.any(axis=1), last - first, 0).max()))
        extent.append(longest)
        starts.append(np.minimum(first, line.shape[1] - longest))
    return None if 2 * prod(extent) > prod(used.shape[1:]) else (tuple(starts), tuple(extent))


def _phases(w: Array, win: Window, groups: int) -> Callable[[Array], Array]:
    """The adjoint by phases, see the module's text."""
    rank, (m, c) = len(win.size), w.shape[:2]
    if any(d > 1 for d in win.dilations):  # a dilated kernel is a longer one with zeros in it
        reach = tuple((k - 1) * d + 1 for k, d in zip(win.kernel, win.dilations, strict=True))
        longer = np.zeros((m, c, *reach), w.dtype)
        longer[key(slice(None), slice(None), *(slice(None, None, d) for d in win.dilations))] = w
        w, win = longer, replace(win, kernel=reach, dilations=(1,) * rank)
    steps = win.strides
    taps = tuple(-(-k // s) for k, s in zip(win.kernel, steps, strict=True))
    weights = _by_offset(w, taps, steps, groups)
    ends = tuple(b + n for b, n in zip(win.begin, win.size, strict=True))
    counts = tuple(-(-e // s) for e, s in zip(ends, steps, strict=True))  # windows q that reach the input
    rows = tuple(q + t - 1 for q, t in zip(counts[:-1], taps[:-1], strict=True))
    pitch = [prod((*rows[i + 1 :], counts[-1])) for i in range(rank - 1)]
    offsets = [sum(a * p for a, p in zip(tap, pitch, strict=True)) for tap in product(*map(range, taps[:-1]))]
    length = prod((*rows, counts[-1])) - max(offsets)
    block = max(1, CHUNK // max(1, m * taps[-1] * prod((*rows, counts[-1]))))
    parts = list(_interleaved(win, counts))
    columns = _last_axis(taps[-1], counts[-1], win.out[-1])
    shown = tuple(
        slice(t - 1, t - 1 + min(o, q)) for t, o, q in zip(taps[:-1], win.out[:-1], counts[:-1], strict=True)
    )
    heads = tuple(slice(s.stop - s.start) for s in shown)

    def apply(y: Array) -> Array:
        x = np.zeros((y.shape[0], groups * c, *win.size), np.result_type(y, w))
        buffer = np.zeros((min(block, y.shape[0]), groups, m // groups, taps[-1], *rows, counts[-1]), x.dtype)
        sums = np.zeros((buffer.shape[0], groups, prod(steps) * c, prod((*rows, counts[-1]))), x.dtype)
        for i in range(0, y.shape[0], block):
            piece = y[i : i + block]
            n = piece.shape[0]
            piece = piece.reshape(n, groups, m // groups, *win.out)
            for b, to, source in columns:
                buffer[key(slice(n), slice(None), slice(None), b, *shown, to)] = piece[
                    key(..., *heads, source)
                ]
            flat = buffer[:n].reshape(n, groups, m // groups * taps[-1], -1)
            total = np.matmul(weights[0], flat[..., :length], out=sums[:n, ..., :length])
            for weight, offset in zip(weights[1:], offsets[1:], strict=True):
                total += np.matmul(weight, flat[..., offset : offset + length])
            grid = sums[:n].reshape(n, groups, *steps, c, *rows, counts[-1])
            target = x[i : i + block].reshape(n, groups, c, *win.size)
            for phase, origin, place in parts:
                target[key(..., *place)] = grid[key(slice(None), slice(None), *phase, slice(None), *origin)]
        return x

    return apply


def _by_offset(w: Array, taps: tuple[int, ...], steps: tuple[int, ...], groups: int) -> list[Array]:
    """A matrix ``(groups, phases C, M taps)`` for every tap of the leading axes."""
    rank, (m, c) = len(taps), w.shape[:2]
    full = np.zeros((m, c, *(t * s for t, s in zip(taps, steps, strict=True))), w.dtype)
    full[key(slice(None), slice(None), *map(slice, w.shape[2:]))] = w
    full = full.reshape(groups, m // groups, c, *(n for pair in zip(taps, steps, strict=True) for n in pair))
    full = np.flip(full, tuple(3 + 2 * i for i in range(rank)))
    lead = [3 + 2 * i for i in range(rank - 1)]
    order = (*lead, 0, *(4 + 2 * i for i in range(rank)), 2, 1, 3 + 2 * (rank - 1))
    matrices = full.transpose(order).reshape(prod(taps[:-1]), groups, prod(steps) * c, m // groups * taps[-1])
    return [np.ascontiguousarray(a) for a in matrices]


def _last_axis(taps: int, count: int, out: int) -> list[tuple[int, slice, slice]]:
    """What tap b of the last axis sees: (b, where it goes, what it takes)."""
    found = []
    for b in range(taps):
        to = taps - 1 - b
        length = min(count - to, out)
        if length > 0:
            found.append((b, slice(to, to + length), slice(length)))
    return found


def _interleaved(win: Window, counts: Ints) -> list[tuple[Ints, Slices, Slices]]:
    """For every phase: which elements of its grid lie in the input, and where."""
    found = []
    for phase in product(*map(range, win.strides)):
        source, to = [], []
        for r, s, b, n, q in zip(phase, win.strides, win.begin, win.size, counts, strict=True):
            first = max(0, -(-(b - r) // s))
            last = min(q, -(-(b + n - r) // s))
            source.append(slice(first, max(first, last)))
            to.append(slice(first * s + r - b, first * s + r - b + max(0, last - first) * s, s))
        found.append((phase, tuple(source), tuple(to)))
    return found
