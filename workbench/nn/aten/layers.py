"""Operators with weights, windows, and norms."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from workbench.graph import GraphError
from workbench.nn import functional as F
from workbench.nn import pooling
from workbench.nn.aten.table import aten, each, known, ranked
from workbench.nn.layers import Dropout
from workbench.nn.norms import GroupNorm, batch_norm
from workbench.nn.value import Value


@aten("linear")
def _(x: Value, weight: Value, bias: Value | None = None) -> Value:
    if x.ndim == 1:
        return F.linear(x.reshape(1, -1), weight, bias).reshape(-1)
    return F.linear(x, weight, bias)


@aten("addmm")
def _(bias: Value, a: Value, b: Value, *, beta: float = 1, alpha: float = 1) -> Value:
    y = a @ b
    return (y if alpha == 1 else y * alpha) + ranked(bias if beta == 1 else bias * beta, y.ndim)


@aten("matmul", "mm", "bmm", "mv", "dot", "vdot", "inner")
def _(a: Value, b: Value) -> Value:
    return a @ b


@aten("baddbmm")
def _(x: Value, a: Value, b: Value, *, beta: float = 1, alpha: float = 1) -> Value:
    y = a @ b
    return (y if alpha == 1 else y * alpha) + ranked(x if beta == 1 else x * beta, y.ndim)


@aten("einsum")
def _(equation: str, values: Sequence[Value], **_: Any) -> Value:
    """Of two operands: shared indices that stay are a batch, those that go are summed, by one product of matrices."""
    left, _arrow, out = equation.replace(" ", "").partition("->")
    parts = left.split(",")
    if len(parts) != 2 or not _arrow or "." in equation or any(len(set(p)) < len(p) for p in (*parts, out)):
        raise GraphError(
            f"einsum {equation!r}: two operands with different indices and '->' are what is supported"
        )
    (p, q), (a, b) = parts, values
    sizes = {**dict(zip(p, a.shape, strict=True)), **dict(zip(q, b.shape, strict=True))}
    a, p = _summed(a, p, set(q) | set(out))
    b, q = _summed(b, q, set(p) | set(out))
    batch = [i for i in p if i in q and i in out]
    inner = [i for i in p if i in q and i not in out]
    rows, columns = [i for i in p if i not in q], [i for i in q if i not in p]

    def shaped(x: Value, have: str, first: list[str], second: list[str]) -> Value:
        turned = x.permute(*(have.index(i) for i in (*batch, *first, *second)))
        return turned.reshape(
            *(sizes[i] for i in batch), prod(sizes[i] for i in first), prod(sizes[i] for i in second)
        )

    y = shaped(a, p, rows, inner) @ shaped(b, q, inner, columns)
    have = [*batch, *rows, *columns]
    return y.reshape(tuple(sizes[i] for i in have)).permute(*(have.index(i) for i in out))


def _summed(x: Value, have: str, wanted: set[str]) -> tuple[Value, str]:
    gone = tuple(i for i, letter in enumerate(have) if letter not in wanted)
    return (x.sum(gone), "".join(i for i in have if i in wanted)) if gone else (x, have)


# ---------------------------------------------------------------- windows


@aten("conv1d", "conv2d", "conv3d")
def _(
    x: Value, weight: Value, bias: Value | None = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1,
    groups: int = 1,
) -> Value:  # fmt: skip
    rank = weight.ndim - 2
    stride, dilation = each(stride, rank), each(dilation, rank)
    if padding == "same":
        total = [(k - 1) * d for k, d in zip(weight.shape[2:], dilation, strict=True)]
        before, after = [n // 2 for n in total], [n - n // 2 for n in total]
        if before != after:
            x = F.pad(x, (0, 0, *before), (0, 0, *after))
            before = [0] * rank
        padding = before
    pads = (0,) * rank if padding == "valid" else each(padding, rank)
    return F.conv(x, weight, bias, stride, pads, dilation, groups)


@aten("conv_transpose1d", "conv_transpose2d", "conv_transpose3d")
def _(
    x: Value, weight: Value, bias: Value | None = None, stride: Any = 1, padding: Any = 0, output_padding: Any = 0,
    groups: int = 1, dilation: Any = 1,
) -> Value:  # fmt: skip
    rank = weight.ndim - 2
    steps, pads, more = (each(v, rank) for v in (stride, padding, output_padding))
    return F.conv_transpose(x, weight, bias, steps, pads, more, groups, each(dilation, rank))


@aten("convolution")
def _(
    x: Value, weight: Value, bias: Value | None, stride: Any, padding: Any, dilation: Any, transposed: bool,
    output_padding: Any, groups: int,
) -> Value:  # fmt: skip
    if transposed:
        return F.conv_transpose(x, weight, bias, stride, padding, output_padding, groups, dilation)
    return F.conv(x, weight, bias, stride, padding, dilation, groups)


def _pool(op: str, x: Value, rank: int, kernel: Any, stride: Any, padding: Any, **attrs: Any) -> Value:
    size = each(kernel, rank)
    steps = (
        size if stride is None or (not isinstance(stride, int) and not len(stride)) else each(stride, rank)
    )
    pads = each(padding, rank)
    lead = x if x.ndim == rank + 2 else x.reshape(1, *x.shape)
    told = {"kernel_shape": size, "strides": steps, "pads": (*pads, *pads), **attrs}
    y = x.trace.emit(op, [lead], {k: v for k, v in told.items() if v is not None})
    return y if lead is x else y.reshape(y.shape[1:])


def _register_pools(rank: int) -> None:
    @aten(f"max_pool{rank}d")
    def _(
        x: Value,
        kernel: Any,
        stride: Any = None,
        padding: Any = 0,
        dilation: Any = 1,
        ceil_mode: bool = False,
    ) -> Value:
        steps = each(dilation, rank)
        return _pool("MaxPool", x, rank, kernel, stride, padding, ceil_mode=int(ceil_mode) or None,
                     dilations=None if set(steps) == {1} else steps)  # fmt: skip

    @aten(f"max_pool{rank}d_with_indices")
    def _(*given: Any, **named: Any) -> Any:
        from workbench.nn.aten.table import TABLE

        return TABLE[f"max_pool{rank}d"](*given, **named), None

    @aten(f"avg_pool{rank}d")
    def _(
        x: Value, kernel: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
        count_include_pad: bool = True, divisor_override: int | None = None,
    ) -> Value:  # fmt: skip
        y = _pool("AveragePool", x, rank, kernel, stride, padding, ceil_mode=int(ceil_mode) or None,
                  count_include_pad=int(count_include_pad or divisor_override is not None))  # fmt: skip
        return y if divisor_override is None else y * (prod(each(kernel, rank)) / divisor_override)

    mean, largest = (getattr(pooling, f"Adaptive{k}Pool{rank}d") for k in ("Avg", "Max"))

    @aten(f"adaptive_avg_pool{rank}d", f"_adaptive_avg_pool{rank}d")
    def _(x: Value, size: Any) -> Value:
        found: Value = mean(_sizes(x, each(size, rank))).forward(x)
        return found

    @aten(f"adaptive_max_pool{rank}d")
    def _(x: Value, size: Any) -> Any:
        return largest(_sizes(x, each(size, rank))).forward(x), None


def _sizes(x: Value, size: Sequence[Any]) -> tuple[int, ...]:
    return tuple(n if s is None else s for n, s in zip(x.shape[2:], size, strict=True))


for _rank in (1, 2, 3):
    _register_pools(_rank)


# ---------------------------------------------------------------- norms


@aten("layer_norm")
def _(
    x: Value, shape: Sequence[int], weight: Any = None, bias: Any = None, eps: float = 1e-5, *_: Any
) -> Value:
    scale = np.ones(tuple(shape), x.dtype) if weight is None else weight
    return F.layer_norm(x, scale, bias, eps, len(shape))


@aten("native_layer_norm")
def _(x: Value, shape: Sequence[int], weight: Any, bias: Any, eps: float) -> Any:
    scale = np.ones(tuple(shape), x.dtype) if weight is None else weight
    return F.layer_norm(x, scale, bias, eps, len(shape)), None, None


@aten("rms_norm")
def _(x: Value, shape: Sequence[int], weight: Any = None, eps: float | None = None) -> Value:
    over = tuple(range(x.ndim - len(shape), x.ndim))
    least = float(np.finfo(x.dtype).eps) if eps is None else eps
    y = x / F.sqrt((x * x).mean(over, keepdims=True) + least)
    return y if weight is None else y * ranked(weight, x.ndim)


@aten("group_norm")
def _(x: Value, groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5, *_: Any) -> Value:
    return _by_group(x, groups, weight, bias, eps)


@aten("instance_norm")
def _(
    x: Value,
    weight: Any,
    bias: Any,
    mean: Any,
    variance: Any,
    use_input_stats: bool,
    momentum: float,
    eps: float,
    *_: Any,
) -> Value:
    if not use_input_stats:
        return batch_norm(x, weight, bias, mean, variance, eps)
    return _by_group(x, x.shape[1], weight, bias, eps)


def _by_group(x: Value, groups: int, weight: Any, bias: Any, eps: float) -> Value:
    y = GroupNorm(groups, x.shape[1], eps, affine=False).forward(x)
    wide = (1, -1, *(1,) * (x.ndim - 2))
    y = y if weight is None else y * weight.reshape(*wide)
    return y if bias is None else y + bias.reshape(*wide)


@aten("batch_norm")
def _(
    x: Value,
    weight: Any,
    bias: Any,
    mean: Any,
    variance: Any,
    training: bool,
    momentum: float,
    eps: float,
    *_: Any,
) -> Value:
    return batch_norm(x, weight, bias, mean, variance, eps, momentum, x.trace.training)


@aten("_native_batch_norm_legit_no_training")
def _(x: Value, weight: Any, bias: Any, mean: Any, variance: Any, momentum: float, eps: float) -> Any:
    return batch_norm(x, weight, bias, mean, variance, eps, momentum, x.trace.training), None, None


RAW = {"batch_norm": (3, 4), "_native_batch_norm_legit_no_training": (3, 4)}  # operands that stay buffers


@aten("dropout", "feature_dropout", "alpha_dropout", "native_dropout", "dropout_", "feature_dropout_")
def _(x: Value, p: float, train: bool = False) -> Value:
    layer = Dropout(p)
    layer.training = x.trace.training
    return layer.forward(x)


@aten("embedding")
def _(weight: Value, ids: Value, *_: Any, **__: Any) -> Value:
    places = known(ids)
    if places is not None:  # constant places, such as positions
        ids = weight.trace.constant(places.astype(np.int64))
    return weight.trace.emit("Gather", [weight, ids], {"axis": 0}, (*ids.dims, weight.dims[1]))
