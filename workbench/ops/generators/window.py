"""Windows sliding over the spatial axes: the geometry that convolution and pooling share.

Along one axis, output o and tap t see the input element ``i = o stride + t dilation - begin``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Any

import numpy as np

from workbench.graph import Array
from workbench.op import Call

Ints = tuple[int, ...]
PADDINGS = ("NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID")
Zeros = Callable[[tuple[int, ...], Array], Array]


def key(*parts: Any) -> Any:
    """An index of slices, integers and arrays in any mixture, which NumPy's own types have no name for."""
    return parts


def float_zeros(shape: Ints, like: Array) -> Array:
    """Zeros of the type of `like`."""
    return np.zeros(shape, like.dtype)


@dataclass(frozen=True, slots=True)
class Window:
    """Sizes along each spatial axis: input, kernel, strides, dilations, padding in front, output."""

    size: Ints
    kernel: Ints
    strides: Ints
    dilations: Ints
    begin: Ints
    out: Ints

    @property
    def taps(self) -> int:
        """Elements of one window."""
        return prod(self.kernel)

    @property
    def padded(self) -> Ints:
        """Length of each axis that the windows touch, padding included."""
        return tuple(
            max((o - 1) * s + (k - 1) * d + 1, b + n)
            for o, s, k, d, b, n in zip(
                self.out, self.strides, self.kernel, self.dilations, self.begin, self.size, strict=True
            )
        )

    @property
    def inside(self) -> tuple[slice, ...]:
        """Where the input lies in the padded axes."""
        return tuple(slice(b, b + n) for b, n in zip(self.begin, self.size, strict=True))

    @property
    def is_padded(self) -> bool:
        """Whether some window sees padding."""
        return self.padded != self.size or any(self.begin)

    @property
    def overlap(self) -> int:
        """How many windows one element lies in at most."""
        axes = zip(self.kernel, self.dilations, self.strides, strict=True)
        return prod(min(k, -(-((k - 1) * d + 1) // s)) for k, d, s in axes)

    def pad(self, x: Array, zeros: Zeros) -> Array:
        """``(N, C, *size) -> (N, C, *padded)``, zeros around."""
        if not self.is_padded:
            return x
        y = zeros((*x.shape[:2], *self.padded), x)
        y[key(slice(None), slice(None), *self.inside)] = x
        return y

    def view(self, x: Array) -> Array:
        """``(N, C, *padded) -> (N, C, *kernel, *out)``: what every tap sees, without copying."""
        steps = x.strides[2:]
        strides = (
            *x.strides[:2],
            *(t * d for t, d in zip(steps, self.dilations, strict=True)),
            *(t * s for t, s in zip(steps, self.strides, strict=True)),
        )
        shape = (*x.shape[:2], *self.kernel, *self.out)
        return np.lib.stride_tricks.as_strided(x, shape, strides, writeable=False)

    def scatter(self, y: Array, zeros: Zeros) -> Array:
        """The adjoint of pad and view: ``(N, C, *kernel, *out) -> (N, C, *size)``, adding where windows overlap."""
        x = zeros((*y.shape[:2], *self.padded), y)
        for tap in self.every():
            x[key(slice(None), slice(None), *self.at(tap))] += y[key(slice(None), slice(None), *tap)]
        return x[key(slice(None), slice(None), *self.inside)]

    def every(self) -> Iterator[Ints]:
        """The taps of a window."""
        return product(*map(range, self.kernel))

    def at(self, tap: Ints) -> tuple[slice, ...]:
        """Where a tap of every window lies in the padded axes."""
        return tuple(
            slice(t * d, t * d + (o - 1) * s + 1, s)
            for t, d, o, s in zip(tap, self.dilations, self.out, self.strides, strict=True)
        )

    def real(self) -> Array:
        """Whether a tap of a window sees the input rather than padding: bool ``(*kernel, *out)``."""
        ones = np.zeros((1, 1, *self.padded), bool)
        ones[key(slice(None), slice(None), *self.inside)] = True
        return np.array(self.view(ones)[0, 0])


def padding_of(call: Call) -> str:
    """The way of padding.

    Raises
    ------
    ValueError
        One that ONNX does not know.
    """
    auto = str(call.attr("auto_pad", "NOTSET"))
    if auto not in PADDINGS:
        raise ValueError(f"auto_pad={auto!r} is none of {', '.join(PADDINGS)}")
    return auto


def window_of(call: Call, size: Ints, kernel: Ints) -> Window:
    """The window that a call's attributes describe, over an input of spatial shape `size`.

    Raises
    ------
    ValueError
        Attributes that do not fit, or no room for a single window.
    """
    rank = len(size)
    strides = tuple(call.attr("strides", (1,) * rank))
    dilations = tuple(call.attr("dilations", (1,) * rank))
    pads = tuple(call.attr("pads", (0,) * 2 * rank))
    if not (len(kernel) == len(strides) == len(dilations) == rank and len(pads) == 2 * rank):
        raise ValueError(f"kernel, strides, dilations and pads do not all fit {rank} spatial axes")
    if min((*kernel, *strides, *dilations), default=1) < 1 or min(pads, default=0) < 0:
        raise ValueError("kernel, strides and dilations must be positive, and pads not negative")
    reach = tuple((k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True))
    begin, end = pads[:rank], pads[rank:]
    auto = padding_of(call)
    if auto in ("SAME_UPPER", "SAME_LOWER"):
        out = tuple(-(-n // s) for n, s in zip(size, strides, strict=True))
        missing = [max((o - 1) * s + r - n, 0) for o, s, r, n in zip(out, strides, reach, size, strict=True)]
        begin = tuple(m // 2 if auto == "SAME_UPPER" else m - m // 2 for m in missing)
    else:
        if auto == "VALID":
            begin, end = (0,) * rank, (0,) * rank
        room = [n + b + e - r for n, b, e, r in zip(size, begin, end, reach, strict=True)]
        up = bool(call.attr("ceil_mode", 0))
        counts = [(-(-x // s) if up else x // s) + 1 for x, s in zip(room, strides, strict=True)]
        # a window may hang over the end, but must not begin behind it
        out = tuple(
            c - 1 if up and (c - 1) * s >= n + b else c
            for c, s, n, b in zip(counts, strides, size, begin, strict=True)
        )
    if min(out, default=1) < 1:
        raise ValueError(f"a window of {list(reach)} has no room in {list(size)} with padding {list(pads)}")
    return Window(size, kernel, strides, dilations, begin, out)


def transposed_window_of(call: Call, size: Ints, kernel: Ints) -> Window:
    """The window of the convolution that a transposed one is the adjoint of: its output is our input, of shape `size`.

    Raises
    ------
    ValueError
        Attributes that do not fit, or padding that leaves nothing.
    """
    rank = len(size)
    strides, dilations = (tuple(call.attr(k, (1,) * rank)) for k in ("strides", "dilations"))
    extra = tuple(call.attr("output_padding", (0,) * rank))
    pads, wanted = tuple(call.attr("pads", (0,) * 2 * rank)), call.attr("output_shape")
    if not (len(strides) == len(dilations) == len(extra) == rank and len(pads) == 2 * rank):
        raise ValueError(f"strides, dilations, pads and output_padding do not all fit {rank} spatial axes")
    if min((*strides, *dilations)) < 1 or min((*pads, *extra)) < 0:
        raise ValueError("strides and dilations must be positive, and pads not negative")
    full = [
        (n - 1) * s + (k - 1) * d + 1 + e
        for n, s, k, d, e in zip(size, strides, kernel, dilations, extra, strict=True)
    ]
    auto = padding_of(call)
    if wanted is not None or auto in ("SAME_UPPER", "SAME_LOWER"):
        out = (
            tuple(wanted)[-rank:]
            if wanted is not None
            else tuple(n * s for n, s in zip(size, strides, strict=True))
        )
        if len(out) != rank:
            raise ValueError(f"output_shape {list(out)} does not fit {rank} spatial axes")
        cut = [max(0, f - o) for f, o in zip(full, out, strict=True)]
        begin = tuple(c // 2 if auto == "SAME_UPPER" else c - c // 2 for c in cut)
    else:
        if auto == "VALID":
            pads = (0,) * 2 * rank
        begin = pads[:rank]
        out = tuple(f - b - e for f, b, e in zip(full, begin, pads[rank:], strict=True))
    if min(out) < 1:
        raise ValueError(f"padding {list(pads)} leaves nothing of the result")
    return Window(out, kernel, strides, dilations, begin, size)
