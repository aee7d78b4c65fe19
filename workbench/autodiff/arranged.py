"""Gradients as nodes, of operators that sum, move, join, pool and normalise: see `cotangents`."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from workbench.autodiff.cotangents import (
    COTANGENTS,
    Found,
    constant_of,
    cotangent,
    fitted,
    number,
    spread,
    unbroadcast,
)
from workbench.graph import GraphError, Node
from workbench.nn import functional as F
from workbench.nn.value import Value
from workbench.op import UnsupportedOperator


@cotangent("ReduceSum", "ReduceMean")
def _(node: Node, operands: Any, value: Value, seed: Value) -> Found:
    x = operands[0]
    kept = seed.reshape(*_kept(node, operands)) if not node.attrs.get("keepdims", 1) else seed
    if node.op == "ReduceMean":
        kept = kept * number(seed, prod(value.shape) / prod(x.shape))
    return [expanded(kept, x.shape), *(None for _ in operands[1:])]


def _kept(node: Node, operands: Any) -> tuple[int, ...]:
    named = constant_of(operands[1]) if len(operands) > 1 else None
    axes = node.attrs.get("axes", ()) if named is None else named.ravel().tolist()
    rank = operands[0].ndim
    away = {int(a) % rank for a in axes} or set(range(rank))  # type: ignore[union-attr]
    return tuple(1 if i in away else n for i, n in enumerate(operands[0].shape))


def expanded(x: Value, shape: tuple[int, ...]) -> Value:
    """x repeated to a shape."""
    if x.shape == shape:
        return x
    return x.trace.emit("Expand", [x, x.trace.constant(np.array(shape, np.int64), "shape")])


@cotangent("Expand")
def _(node: Node, operands: Any, value: Value, seed: Value) -> Found:
    return [unbroadcast(seed, operands[0].shape), None]


@cotangent("Reshape", "Flatten", "Squeeze", "Unsqueeze", "Identity", "Dropout", "Cast")
def _(node: Node, operands: Any, value: Value, seed: Value) -> Found:
    return [seed.reshape(operands[0].shape), *(None for _ in operands[1:])]


@cotangent("Transpose")
def _(node: Node, operands: Any, value: Value, seed: Value) -> Found:
    order = node.attrs.get("perm", tuple(reversed(range(seed.ndim))))
    return [seed.permute(*np.argsort(order).tolist())]


@cotangent("Concat")
def _(node: Node, operands: Any, value: Value, seed: Value) -> Found:
    axis, start, found = int(node.attrs.get("axis", 0)) % seed.ndim, 0, []  # type: ignore[arg-type]
    for x in operands:
        part = (slice(None),) * axis + (slice(start, start + x.shape[axis]),)
        found.append(seed[part])
        start += x.shape[axis]
    return found


@cotangent("Slice")
def _(node: Node, operands: Any, value: Value, seed: Value) -> Found:
    given = [constant_of(v) for v in operands[1:]]
    rank = operands[0].ndim
    starts = [int(v) for v in given[0]]  # type: ignore[union-attr]
    axes = (
        [int(v) % rank for v in given[2]] if len(given) > 2 and given[2] is not None else range(len(starts))
    )
    steps = [int(v) for v in given[3]] if len(given) > 3 and given[3] is not None else [1] * len(starts)
    if any(s != 1 for s in steps):
        raise UnsupportedOperator(f"the gradient of {node.describe()} as a graph needs steps of 1")
    before, after = [0] * rank, [0] * rank
    for axis, start in zip(axes, starts, strict=True):
        n = operands[0].shape[axis]
        first = min(max(start + n if start < 0 else start, 0), n)
        before[axis], after[axis] = first, n - first - seed.shape[axis]
    return [F.pad(seed, before, after), *(None for _ in operands[1:])]


@cotangent("Gather")
def _(node: Node, operands: Any, value: Value, seed: Value) -> Found:
    index = constant_of(operands[1])
    axis = int(node.attrs.get("axis", 0)) % operands[0].ndim  # type: ignore[arg-type]
    if index is None:
        raise UnsupportedOperator(f"the gradient of {node.describe()} as a graph needs constant indices")
    n, shape = operands[0].shape[axis], operands[0].shape
    chosen = np.eye(n, dtype=seed.dtype)[index.reshape(-1) % n].T  # (n, picked)
    rest = (prod(shape[:axis]), index.size, prod(shape[axis + 1 :]))
    wide = np.broadcast_to(chosen, (1, *chosen.shape))
    return [(seed.trace.lift(wide, seed.dtype) @ seed.reshape(rest)).reshape(shape), None]


@cotangent("Where")
def _(node: Node, operands: Any, value: Value, seed: Value) -> Found:
    mask = constant_of(operands[0])
    if mask is None:
        raise GraphError(f"{node.describe()}: its condition must be a constant")
    zero = np.zeros((1,) * seed.ndim, seed.dtype)
    mask = np.broadcast_to(mask, seed.shape)
    return fitted([None, F.where(mask, seed, zero), F.where(~mask, seed, zero)], operands)


@cotangent("BatchNormalization")
def _(node: Node, operands: Any, value: Value, seed: Value) -> Found:
    gamma, var = constant_of(operands[1]), constant_of(operands[4])
    if gamma is None or var is None:
        raise UnsupportedOperator(f"the gradient of {node.describe()} as a graph needs constant statistics")
    root = np.sqrt(var.astype(np.float64) + float(node.attrs.get("epsilon", 1e-5)))  # type: ignore[arg-type]
    scale = (gamma / root).astype(seed.dtype).reshape(1, -1, *(1,) * (seed.ndim - 2))
    return [seed * seed.trace.lift(scale, seed.dtype), None, None, None, None]


@cotangent("LayerNormalization")
def _(node: Node, operands: Any, value: Value, seed: Value) -> Found:
    x, scale = operands[0], spread(operands[1], seed.ndim)
    axes = tuple(range(int(node.attrs.get("axis", -1)) % x.ndim, x.ndim))  # type: ignore[arg-type]
    c = x - x.mean(axes, keepdims=True)
    epsilon = float(node.attrs.get("epsilon", 1e-5))  # type: ignore[arg-type]
    root = x.trace.emit("Sqrt", [(c * c).mean(axes, keepdims=True) + epsilon])
    y, g = c / root, seed * scale
    inner = g - g.mean(axes, keepdims=True) - y * (g * y).mean(axes, keepdims=True)
    return fitted([inner / root, seed * y, seed][: len(operands)], operands)


@cotangent("Conv")
def _(node: Node, operands: Any, value: Value, seed: Value) -> Found:
    if constant_of(operands[1]) is None:
        raise UnsupportedOperator(f"the gradient of {node.describe()} as a graph needs a constant kernel")
    x, attrs = operands[0], dict(node.attrs)
    rank = x.ndim - 2
    strides, pads = attrs.get("strides", (1,) * rank), attrs.get("pads", (0,) * 2 * rank)
    if attrs.get("auto_pad", "NOTSET") != "NOTSET":
        raise UnsupportedOperator(f"the gradient of {node.describe()} as a graph needs explicit padding")
    dilations, kernel = attrs.get("dilations", (1,) * rank), operands[1].shape[2:]
    # windows may leave the last elements unseen: the adjoint gives them 0
    reached = [
        (o - 1) * s - p - q + (k - 1) * d + 1
        for o, s, p, q, k, d in zip(
            seed.shape[2:], strides, pads[:rank], pads[rank:], kernel, dilations, strict=True
        )
    ]
    attrs["output_padding"] = tuple(n - r for n, r in zip(x.shape[2:], reached, strict=True))
    return [seed.trace.emit("ConvTranspose", [seed, operands[1]], attrs), *(None for _ in operands[1:])]


@cotangent("ConvTranspose")
def _(node: Node, operands: Any, value: Value, seed: Value) -> Found:
    if constant_of(operands[1]) is None:
        raise UnsupportedOperator(f"the gradient of {node.describe()} as a graph needs a constant kernel")
    attrs = {k: v for k, v in node.attrs.items() if k not in ("output_padding", "output_shape")}
    if attrs.get("auto_pad", "NOTSET") != "NOTSET":
        raise UnsupportedOperator(f"the gradient of {node.describe()} as a graph needs explicit padding")
    y = seed.trace.emit("Conv", [seed, operands[1]], attrs)
    cut = tuple(slice(0, n) for n in operands[0].shape)
    return [y if y.shape == operands[0].shape else y[cut], *(None for _ in operands[1:])]


@cotangent("GlobalAveragePool")
def _(node: Node, operands: Any, value: Value, seed: Value) -> Found:
    x = operands[0]
    return [expanded(seed * number(seed, 1 / prod(x.shape[2:])), x.shape)]


@cotangent("AveragePool")
def _(node: Node, operands: Any, value: Value, seed: Value) -> Found:
    x: Value = operands[0]
    kernel = tuple(int(k) for k in node.attrs["kernel_shape"])  # type: ignore[union-attr]
    rank, channels = x.ndim - 2, x.shape[1]
    pads = tuple(node.attrs.get("pads", (0,) * 2 * rank))  # type: ignore[arg-type]
    if node.attrs.get("ceil_mode") or (any(pads) and not node.attrs.get("count_include_pad")):
        raise UnsupportedOperator(f"the gradient of {node.describe()} as a graph needs equal windows")
    weight = np.full((channels, 1, *kernel), 1 / prod(kernel), seed.dtype)
    strides = node.attrs.get("strides", (1,) * rank)
    attrs: dict[str, Any] = {"kernel_shape": kernel, "strides": strides, "pads": pads, "group": channels}
    as_conv = Node(node.name, "Conv", (), attrs)
    return [COTANGENTS["Conv"](as_conv, [x, seed.trace.constant(weight, "mean")], value, seed)[0]]


@cotangent("Pad")
def _(node: Node, operands: Any, value: Value, seed: Value) -> Found:
    pads = constant_of(operands[1]) if len(operands) > 1 else None
    if node.attrs.get("mode", "constant") != "constant" or pads is None or len(operands) > 3:
        raise UnsupportedOperator(f"the gradient of {node.describe()} as a graph needs constant padding")
    first = [int(v) for v in pads[: seed.ndim]]
    cut = tuple(slice(b, b + n) for b, n in zip(first, operands[0].shape, strict=True))
    return [seed[cut], *(None for _ in operands[1:])]
