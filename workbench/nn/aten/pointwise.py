"""Operators element by element, and sums along axes."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from workbench.graph import GraphError
from workbench.nn import functional as F
from workbench.nn.aten.table import aten, axes, floats, known, pair, ranked
from workbench.nn.attention import FAR
from workbench.nn.value import Value

for _names, _function in {
    "relu": F.relu, "relu6": F.relu6, "sigmoid": F.sigmoid, "tanh": F.tanh, "exp": F.exp, "log": F.log,
    "sqrt": F.sqrt, "sin": F.sin, "cos": F.cos, "abs": F.abs, "erf": F.erf, "silu": F.silu, "mish": F.mish,
    "hardswish": F.hardswish, "hardsigmoid": F.hardsigmoid, "selu": F.selu, "celu": F.celu, "log_sigmoid": F.logsigmoid,
    "leaky_relu": F.leaky_relu, "softsign": F.softsign,
}.items():  # fmt: skip
    aten(_names)(_function)


@aten("neg")
def _(x: Value) -> Value:
    return -x


@aten("reciprocal")
def _(x: Value) -> Value:
    return x.trace.emit("Reciprocal", [x], dims=x.dims)


@aten("rsqrt")
def _(x: Value) -> Value:
    return x.trace.emit("Reciprocal", [F.sqrt(x)], dims=x.dims)


@aten("sign", "sgn")
def _(x: Value) -> Value:
    return x.trace.emit("Sign", [x], dims=x.dims)


@aten("gelu")
def _(x: Value, approximate: str = "none") -> Value:
    return F.gelu(x, approximate)


@aten("elu")
def _(x: Value, alpha: float = 1.0, scale: float = 1.0, input_scale: float = 1.0) -> Value:
    y = F.elu(x if input_scale == 1 else x * input_scale, alpha)
    return y if scale == 1 else y * scale


@aten("softplus")
def _(x: Value, beta: float = 1.0, threshold: float = 20.0) -> Value:
    return F.softplus(x) if beta == 1 else F.softplus(x * beta) * (1 / beta)


@aten("prelu", "_prelu_kernel")
def _(x: Value, weight: Value) -> Value:
    wide = weight.reshape(*(1,) * min(1, x.ndim - 1), weight.size, *(1,) * (x.ndim - 2))
    return F.relu(x) - F.relu(-x) * wide


@aten("glu")
def _(x: Value, dim: int = -1) -> Value:
    at, half = dim % x.ndim, x.shape[dim] // 2
    front = (slice(None),) * at
    return x[(*front, slice(0, half))] * F.sigmoid(x[(*front, slice(half, None))])


@aten("clamp", "clip")
def _(x: Value, low: Any = None, high: Any = None) -> Value:
    return F.clamp(x, low, high)


@aten("hardtanh")
def _(x: Value, low: float = -1.0, high: float = 1.0) -> Value:
    return F.clamp(x, low, high)


@aten("clamp_min")
def _(x: Value, low: float) -> Value:
    return F.clamp(x, low)


@aten("clamp_max")
def _(x: Value, high: float) -> Value:
    return F.clamp(x, None, high)


@aten("threshold")
def _(x: Value, threshold: float, value: float) -> Value:
    if threshold != 0 or value != 0:
        raise GraphError(
            f"{x.trace.where}: a threshold that jumps is not continuous, and has no counterpart here"
        )
    return F.relu(x)


# ---------------------------------------------------------------- of two


def _two(op: str, a: Any, b: Any) -> Value:
    x, y = pair(a, b)
    return x.trace.elementwise(op, x, y)


def _scaled(b: Any, alpha: float) -> Any:
    return b if alpha == 1 else b * alpha


@aten("add")
def _(a: Any, b: Any, *, alpha: float = 1) -> Value:
    return _two("Add", a, _scaled(b, alpha))


@aten("sub", "subtract")
def _(a: Any, b: Any, *, alpha: float = 1) -> Value:
    return _two("Sub", a, _scaled(b, alpha))


@aten("rsub")
def _(a: Any, b: Any, alpha: float = 1) -> Value:
    return _two("Sub", b, _scaled(a, alpha))


@aten("mul", "multiply")
def _(a: Any, b: Any) -> Value:
    return _two("Mul", a, b)


@aten("div", "divide", "true_divide")
def _(a: Any, b: Any, *, rounding_mode: str | None = None) -> Value:
    if rounding_mode is not None:
        raise GraphError(f"{a.trace.where}: a quotient rounded to whole numbers is not continuous")
    return _two("Div", a, b)


@aten("maximum")
def _(a: Any, b: Any) -> Value:
    return _two("Max", a, b)


@aten("minimum")
def _(a: Any, b: Any) -> Value:
    return _two("Min", a, b)


@aten("pow")
def _(x: Any, exponent: Any) -> Value:
    fixed = known(exponent)
    if fixed is None or fixed.size != 1 or not isinstance(x, Value):
        raise GraphError(
            "a power with an exponent that is computed has no counterpart here: write exp(y * log(x))"
        )
    return x ** float(fixed.reshape(()))


@aten("square")
def _(x: Value) -> Value:
    return x * x


@aten("addcmul")
def _(x: Value, a: Value, b: Value, *, value: float = 1) -> Value:
    return _two("Add", x, _scaled(_two("Mul", a, b), value))


@aten("lerp")
def _(x: Value, end: Value, weight: Any) -> Value:
    return _two("Add", x, _two("Mul", weight, _two("Sub", end, x)))


@aten("where")
def _(condition: Value, a: Any, b: Any) -> Value:
    mask = known(condition)
    if mask is None:
        raise GraphError(
            f"{condition.trace.where}: a choice that depends on the input has no counterpart here"
        )
    x, y = pair(a, b)
    shape = np.broadcast_shapes(mask.shape, x.shape, y.shape)
    x, y = (ranked(v, len(shape)) for v in (x, y))
    return F.where(mask.reshape(*(1,) * (len(shape) - mask.ndim), *mask.shape), x, y)


@aten("masked_fill")
def _(x: Value, mask: Value, value: Any) -> Value:
    fill = known(value)
    assert fill is not None
    number = float(fill.reshape(()))
    number = (
        -FAR if number == np.inf else max(number, FAR)
    )  # -inf, or nearly, is meant as a logit that counts nothing
    chosen = known(mask)
    if chosen is None:
        raise GraphError(f"{x.trace.where}: a mask that depends on the input has no counterpart here")
    x = ranked(x, chosen.ndim)
    wide = chosen.reshape(*(1,) * (x.ndim - chosen.ndim), *chosen.shape)
    return F.where(~wide.astype(bool), x, np.full((1,) * x.ndim, number, x.dtype))


# ---------------------------------------------------------------- along axes


@aten("sum")
def _(x: Value, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Value:
    return x.sum(axes(dim, x.ndim), keepdim)


@aten("mean")
def _(x: Value, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Value:
    return x.mean(axes(dim, x.ndim), keepdim)


@aten("amax")
def _(x: Value, dim: Any = (), keepdim: bool = False) -> Value:
    return x.max(axes(dim, x.ndim), keepdim)


@aten("amin")
def _(x: Value, dim: Any = (), keepdim: bool = False) -> Value:
    return -((-x).max(axes(dim, x.ndim), keepdim))


@aten("max")
def _(x: Value, dim: Any = None, keepdim: bool = False) -> Any:
    if isinstance(dim, Value):
        return _two("Max", x, dim)
    y = x.max(axes(dim, x.ndim), keepdim)
    return y if dim is None else (y, None)  # where it lies is a whole number


@aten("min")
def _(x: Value, dim: Any = None, keepdim: bool = False) -> Any:
    if isinstance(dim, Value):
        return _two("Min", x, dim)
    y = -((-x).max(axes(dim, x.ndim), keepdim))
    return y if dim is None else (y, None)


@aten("var")
def variance(
    x: Value, dim: Any = None, unbiased: Any = True, keepdim: bool = False, *, correction: Any = None
) -> Value:
    """Mean square of what is left of the mean, over n - correction."""
    if isinstance(dim, bool):  # PyTorch's overload var(x, unbiased) has the flag here
        dim, unbiased = None, dim
    over = axes(dim, x.ndim)
    less = (1 if unbiased else 0) if correction is None else correction
    count = prod(x.shape[a] for a in over)
    centred = x - x.mean(over, keepdims=True)
    return (centred * centred).sum(over, keepdim) * (1 / (count - less))


@aten("std")
def _(
    x: Value, dim: Any = None, unbiased: Any = True, keepdim: bool = False, *, correction: Any = None
) -> Value:
    return F.sqrt(variance(x, dim, unbiased, keepdim, correction=correction))


@aten("linalg_vector_norm", "norm")
def _(x: Value, ord: Any = 2, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Value:  # noqa: A002
    over = axes(dim, x.ndim)
    if ord == 1:
        return F.abs(x).sum(over, keepdim)
    if ord != 2:
        raise GraphError(f"{x.trace.where}: norms are there with ord 1 and 2, not {ord}")
    return F.sqrt((x * x).sum(over, keepdim))


@aten("logsumexp")
def _(x: Value, dim: Any, keepdim: bool = False) -> Value:
    over = axes(dim, x.ndim)
    most = x.max(over, keepdims=True)
    y = F.log(F.exp(x - most).sum(over, keepdims=True)) + most
    return y if keepdim else y.reshape(tuple(n for i, n in enumerate(x.shape) if i not in over))


@aten("softmax", "_softmax", "_safe_softmax")
def _(x: Value, dim: int, *_: Any, **__: Any) -> Value:
    return F.softmax(x, dim)


@aten("log_softmax", "_log_softmax")
def _(x: Value, dim: int, *_: Any, **__: Any) -> Value:
    return F.log_softmax(x, dim)


@aten("cumsum")
def _(x: Value, dim: int, *, dtype: Any = None) -> Value:
    at = dim % x.ndim
    upper = np.triu(np.ones((x.shape[at],) * 2, x.dtype))
    return (x.transpose(at, -1) @ upper).transpose(at, -1)


@aten("to", "_to_copy", "type_as", "float", "double")
def cast(x: Value, *_: Any, kind: str = "f", **__: Any) -> Value:
    """Another element type: ``kind`` is f for floats, i for whole numbers, b for truth values (`fromtorch` says which).

    Floats that become whole numbers are refused before, by the name of their node.
    """
    own = np.dtype(x.dtype).kind
    if own == kind or (own in "iu" and kind == "i"):
        return x
    array = known(x)
    if kind == "f" and (own == "f" or array is not None):
        return floats(x, "float32")
    if array is None:
        raise GraphError(
            f"{x.trace.where}: a cast of what depends on the input, from {x.dtype} to "
            f"{ {'f': 'floats', 'i': 'whole numbers', 'b': 'truth values'}[kind] }, has no counterpart here: "
            "cast before the network, and give it the result"
        )
    return x.trace.constant(array.astype(bool if kind == "b" else np.int64))
