"""Functions of values, named as in PyTorch's functional module: each builds one node, or a few.

Every function takes values (while a graph is built); parameters, arrays and numbers are accepted beside them.  Given
arrays alone it is run at once: ``relu(np.array([-1.0, 2.0]))`` is an array.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from workbench.graph import GraphError
from workbench.nn.eager import on_arrays
from workbench.nn.shapes import ShapeError, dims_text
from workbench.nn.value import Value

__all__ = [
    "abs", "adaptive_avg_pool", "avg_pool", "cat", "celu", "clamp", "conv", "conv_transpose", "cos", "elu", "embedding",
    "erf", "exp", "gelu", "hardsigmoid", "hardswish", "hardtanh", "layer_norm", "leaky_relu", "linear", "log",
    "log_softmax", "logsigmoid", "max_pool", "maximum", "minimum", "mish", "pad", "relu", "relu6", "selu", "sigmoid",
    "silu", "sin", "softmax", "softplus", "softsign", "sqrt", "tanh", "where",
]  # fmt: skip


def _same(op: str) -> Callable[[Value], Value]:
    def build(x: Value) -> Value:
        return x.trace.emit(op, [x], dims=x.dims)

    build.__name__ = build.__qualname__ = op.lower()
    build.__doc__ = f"{op}, element by element."
    return build


relu = _same("Relu")
sigmoid = _same("Sigmoid")
tanh = _same("Tanh")
exp = _same("Exp")
log = _same("Log")
sqrt = sqrt_ = _same("Sqrt")
sin = _same("Sin")
cos = _same("Cos")
abs = abs_ = _same("Abs")  # noqa: A001 (PyTorch's name)


def leaky_relu(x: Value, negative_slope: float = 0.01) -> Value:
    """x where x >= 0, else negative_slope x."""
    return x.trace.emit("LeakyRelu", [x], {"alpha": float(np.float32(negative_slope))}, x.dims)


def maximum(x: Value, y: Any) -> Value:
    """The larger of two, element by element."""
    return x.trace.elementwise("Max", x, x.trace.lift(y, x.dtype))


def minimum(x: Value, y: Any) -> Value:
    """The smaller of two, element by element."""
    return x.trace.elementwise("Min", x, x.trace.lift(y, x.dtype))


def clamp(x: Value, low: float | None = None, high: float | None = None) -> Value:
    """x, kept between two numbers."""
    ends = [None if v is None else x.trace.constant(np.asarray(v, x.dtype)) for v in (low, high)]
    while ends and ends[-1] is None:
        ends.pop()
    return x.trace.emit("Clip", [x, *ends], dims=x.dims)


def relu6(x: Value) -> Value:
    """min(max(x, 0), 6)."""
    return clamp(x, 0.0, 6.0)


def hardtanh(x: Value) -> Value:
    """min(max(x, -1), 1)."""
    return clamp(x, -1.0, 1.0)


def hardsigmoid(x: Value) -> Value:
    """min(max(x / 6 + 1/2, 0), 1)."""
    return x.trace.emit("HardSigmoid", [x], {"alpha": float(np.float32(1 / 6)), "beta": 0.5}, x.dims)


def hardswish(x: Value) -> Value:
    """x hardsigmoid(x)."""
    return x.trace.emit("HardSwish", [x], dims=x.dims)


def silu(x: Value) -> Value:
    """x sigmoid(x)."""
    return x.trace.emit("Swish", [x], dims=x.dims)


def softplus(x: Value) -> Value:
    """log(1 + e^x)."""
    return x.trace.emit("Softplus", [x], dims=x.dims)


def logsigmoid(x: Value) -> Value:
    """log(sigmoid(x))."""
    return -softplus(-x)


def softsign(x: Value) -> Value:
    """x / (1 + |x|)."""
    return x / (abs_(x) + 1.0)


def mish(x: Value) -> Value:
    """x tanh(softplus(x))."""
    return x.trace.emit("Mish", [x], dims=x.dims)


def elu(x: Value, alpha: float = 1.0) -> Value:
    """x where x >= 0, else alpha (e^x - 1)."""
    return x.trace.emit("Elu", [x], {"alpha": float(np.float32(alpha))}, x.dims)


def selu(x: Value) -> Value:
    """elu with the constants that keep mean and variance (Klambauer et al. 2017)."""
    return x.trace.emit("Selu", [x], dims=x.dims)


def celu(x: Value, alpha: float = 1.0) -> Value:
    """x where x >= 0, else alpha (e^(x / alpha) - 1)."""
    return x.trace.emit("Celu", [x], {"alpha": float(np.float32(alpha))}, x.dims)


erf = _same("Erf")


def gelu(x: Value, approximate: str = "none") -> Value:
    """x times the normal distribution at x; or its form with tanh.

    Raises
    ------
    GraphError
        Another form.
    """
    if approximate not in ("none", "tanh"):
        raise GraphError(f"gelu is there with approximate='none' or 'tanh', not {approximate!r}")
    return x.trace.emit("Gelu", [x], {"approximate": approximate}, x.dims)


def softmax(x: Value, dim: int = -1) -> Value:
    """e^x_i / sum_j e^x_j along an axis."""
    return x.trace.emit("Softmax", [x], {"axis": dim % x.ndim}, x.dims)


def log_softmax(x: Value, dim: int = -1) -> Value:
    """log of softmax, from differences with the largest: no logarithm of 0."""
    moved = x - x.max(dim, keepdims=True)
    return moved - log(exp(moved).sum(dim, keepdims=True))


def linear(x: Value, weight: Any, bias: Any = None) -> Value:
    """x weight^T + bias, with weight ``(out, in)`` as in PyTorch.

    Raises
    ------
    ShapeError
        A last dimension of x that is not the weight's.
    """
    trace = x.trace
    w = trace.lift(weight, x.dtype)
    b = None if bias is None else trace.lift(bias, x.dtype)
    if w.ndim != 2 or not x.ndim or x.shape[-1] != w.shape[-1]:
        wanted = dims_text(w.shape[-1:], w.dims[-1:])[1:-1]
        raise ShapeError(
            f"{trace.where} expects a last dimension of {wanted}, but was given {dims_text(x.shape, x.dims)}"
            f"{_flatten_hint(x, w.shape[-1])}"
        )
    named = (*x.dims[:-1], w.dims[0])
    if x.ndim == 2:
        operands = [x, w] if b is None else [x, w, b]
        return trace.emit("Gemm", operands, {"transB": 1}, named)
    y = trace.product(x, w.T)
    if b is not None and y.ndim > 1:
        b = b.reshape(*(1,) * (y.ndim - 1), b.shape[0])
    return y if b is None else y + b


def _flatten_hint(x: Value, wanted: int) -> str:
    size = int(np.prod(x.shape[1:]))
    return "; put a Flatten() before it" if x.ndim > 2 and size == wanted else ""


def conv(
    x: Value,
    weight: Any,
    bias: Any = None,
    stride: int | Sequence[int] = 1,
    padding: int | Sequence[int] = 0,
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
) -> Value:
    """Cross-correlation in one to three dimensions; weight ``(out, in / groups, *kernel)``.

    Raises
    ------
    ShapeError
        Another rank, or other channels, than the weight's.
    """
    w = x.trace.lift(weight, x.dtype)
    rank = w.ndim - 2
    _spatial(x, rank, w.shape[1] * groups)
    pads = each(padding, rank)
    attrs: dict[str, Any] = {
        "kernel_shape": w.shape[2:],
        "strides": each(stride, rank),
        "pads": (*pads, *pads),
        "dilations": each(dilation, rank),
        "group": int(groups),
    }
    rest = [] if bias is None else [x.trace.lift(bias, x.dtype)]
    return x.trace.emit("Conv", [x, w, *rest], attrs, (x.dims[0], w.dims[0], *x.dims[2:]))


def conv_transpose(
    x: Value,
    weight: Any,
    bias: Any = None,
    stride: int | Sequence[int] = 1,
    padding: int | Sequence[int] = 0,
    output_padding: int | Sequence[int] = 0,
    groups: int = 1,
    dilation: int | Sequence[int] = 1,
) -> Value:
    """The adjoint of a convolution; weight ``(in, out / groups, *kernel)``."""
    w = x.trace.lift(weight, x.dtype)
    rank = w.ndim - 2
    _spatial(x, rank, w.shape[0])
    pads = each(padding, rank)
    attrs: dict[str, Any] = {
        "kernel_shape": w.shape[2:],
        "strides": each(stride, rank),
        "pads": (*pads, *pads),
        "output_padding": each(output_padding, rank),
        "dilations": each(dilation, rank),
        "group": int(groups),
    }
    rest = [] if bias is None else [x.trace.lift(bias, x.dtype)]
    return x.trace.emit("ConvTranspose", [x, w, *rest], attrs)


def _spatial(x: Value, rank: int, channels: int) -> None:
    if x.ndim != rank + 2 or x.shape[1] != channels:
        axes = ", ".join(("depth", "height", "width")[-rank:])
        hint = ""
        if x.ndim == rank + 1 and channels in (1, x.shape[0]):
            hint = "; is the batch or channel dimension missing? x.reshape adds it"
        raise ShapeError(
            f"{x.trace.where} expects [batch, channels={channels}, {axes}], but was given "
            f"{dims_text(x.shape, x.dims)}{hint}"
        )


def max_pool(
    x: Value, kernel: int | Sequence[int], stride: Any = None, padding: Any = 0, rank: int = 2
) -> Value:
    """The largest element of every window; the stride is the window's size where none is given."""
    return _pool("MaxPool", x, kernel, stride, padding, rank, {})


def avg_pool(
    x: Value,
    kernel: int | Sequence[int],
    stride: Any = None,
    padding: Any = 0,
    rank: int = 2,
    count_include_pad: bool = True,
) -> Value:
    """The mean of every window."""
    return _pool(
        "AveragePool", x, kernel, stride, padding, rank, {"count_include_pad": int(count_include_pad)}
    )


def _pool(
    op: str, x: Value, kernel: Any, stride: Any, padding: Any, rank: int, more: dict[str, Any]
) -> Value:
    size, pads = each(kernel, rank), each(padding, rank)
    if x.ndim != rank + 2:
        raise ShapeError(
            f"{x.trace.where} expects [batch, channels] and {rank} spatial dimensions, "
            f"but was given {dims_text(x.shape, x.dims)}"
        )
    attrs = {"kernel_shape": size, "strides": each(kernel if stride is None else stride, rank),
             "pads": (*pads, *pads), **more}  # fmt: skip
    return x.trace.emit(op, [x], attrs, x.dims)


def adaptive_avg_pool(x: Value, output: int | Sequence[int], rank: int = 2) -> Value:
    """Means over equal windows, so that `output` of them are left on every axis; sizes must be multiples.

    Raises
    ------
    ShapeError
        A size that is no multiple: windows would differ in size, which no operator of ONNX has.
    """
    wanted = each(output, rank)
    if wanted == (1,) * rank and x.ndim == rank + 2:
        return x.trace.emit("GlobalAveragePool", [x], dims=x.dims)
    if x.ndim != rank + 2 or any(n % o for n, o in zip(x.shape[2:], wanted, strict=True)):
        raise ShapeError(
            f"{x.trace.where}: {dims_text(x.shape, x.dims)} does not divide into {list(wanted)} equal windows"
        )
    kernel = tuple(n // o for n, o in zip(x.shape[2:], wanted, strict=True))
    return avg_pool(x, kernel, rank=rank)


def layer_norm(x: Value, weight: Any, bias: Any = None, eps: float = 1e-5, rank: int = 1) -> Value:
    """(x - mean) / sqrt(variance + eps) weight + bias over the last `rank` axes."""
    trace = x.trace
    operands = [x, trace.lift(weight, x.dtype)] + ([] if bias is None else [trace.lift(bias, x.dtype)])
    if x.shape[x.ndim - rank :] != operands[1].shape:
        raise ShapeError(
            f"{trace.where} expects a shape that ends in {list(operands[1].shape)}, "
            f"but was given {dims_text(x.shape, x.dims)}"
        )
    attrs = {"axis": x.ndim - rank, "epsilon": float(np.float32(eps))}
    return trace.emit("LayerNormalization", operands, attrs, x.dims)


def cat(values: Sequence[Value], dim: int = 0) -> Value:
    """Values one after another along an axis."""
    first = values[0]
    axis = dim % first.ndim
    named = tuple(None if i == axis else d for i, d in enumerate(first.dims))
    return first.trace.emit("Concat", list(values), {"axis": axis}, named)


def pad(x: Value, before: Sequence[int], after: Sequence[int]) -> Value:
    """Zeros around: as many before and after every axis."""
    pads = x.trace.constant(np.array([*before, *after], np.int64), "pads")
    return x.trace.emit("Pad", [x, pads], {"mode": "constant"})


def where(condition: np.ndarray[Any, Any], x: Value, y: Any) -> Value:
    """x where a constant condition holds, else y."""
    mask = x.trace.constant(np.asarray(condition, bool), "mask")
    return x.trace.emit("Where", [mask, x, x.trace.lift(y, x.dtype)], dims=x.dims)


def embedding(ids: Any, weight: Any) -> Value:
    """Rows of a table ``(entries, features)`` at whole-numbered ids.

    Raises
    ------
    ShapeError
        Ids that are not integers.
    """
    if not isinstance(ids, Value):
        raise GraphError("embedding needs ids as a value: trace the model with an input of dtype int64")
    if np.dtype(ids.dtype).kind not in "iu":
        raise ShapeError(f"{ids.trace.where} expects ids of an integer type, but was given {ids.dtype}")
    table = ids.trace.lift(weight)
    return ids.trace.emit("Gather", [table, ids], {"axis": 0}, (*ids.dims, table.dims[1]))


def each(value: int | Sequence[int], rank: int) -> tuple[int, ...]:
    """One number for each axis."""
    found = (int(value),) * rank if isinstance(value, int | np.integer) else tuple(int(v) for v in value)
    if len(found) != rank:
        raise GraphError(f"{list(found)} does not give one number for each of {rank} axes")
    return found


def __dir__() -> list[str]:
    return __all__


for _name in (*__all__, "abs_", "sqrt_"):
    globals()[_name] = on_arrays(globals()[_name], at=int(_name == "where"), whole=_name == "embedding")
