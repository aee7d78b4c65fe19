"""Keras' layers in terms of ours: a table, one function a layer.

Images and sequences have their channels last in Keras (unless the file says otherwise) and first here: they are turned
before a convolution and back after it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from workbench.graph import GraphError
from workbench.limits import check_size
from workbench.nn import functional as F
from workbench.nn.aten.shapes import expanded, gathered
from workbench.nn.layers import Dropout
from workbench.nn.value import Value

LAYERS: dict[str, Callable[..., Value]] = {}

ACTIVATIONS: dict[str, Callable[[Value], Value]] = {
    "linear": lambda x: x, "relu": F.relu, "relu6": F.relu6, "tanh": F.tanh, "sigmoid": F.sigmoid, "softmax": F.softmax,
    "elu": F.elu, "selu": F.selu, "softplus": F.softplus, "softsign": F.softsign, "swish": F.silu, "silu": F.silu,
    "gelu": F.gelu, "mish": F.mish, "exponential": F.exp, "hard_sigmoid": F.hardsigmoid,
    "leaky_relu": lambda x: F.leaky_relu(x, 0.2), "hard_silu": F.hardswish, "hard_swish": F.hardswish,
    "log_softmax": F.log_softmax,
}  # fmt: skip


@dataclass(frozen=True)
class Settings:
    """A layer's configuration, and its weights in the order in which Keras keeps them."""

    config: Mapping[str, Any]
    held: tuple[Any, ...]

    def get(self, key: str, default: Any = None) -> Any:
        """One setting."""
        found = self.config.get(key, default)
        return default if found is None else found

    def first(self) -> bool:
        """Whether channels stand before places."""
        return bool(self.get("data_format", "channels_last") == "channels_first")


def layer(*names: str) -> Callable[[Callable[..., Value]], Callable[..., Value]]:
    """Register a function for layers."""

    def register(function: Callable[..., Value]) -> Callable[..., Value]:
        LAYERS.update(dict.fromkeys(names, function))
        return function

    return register


def activated(x: Value, name: Any) -> Value:
    """The activation that a setting names.

    Raises
    ------
    GraphError
        Another one.
    """
    if isinstance(name, Mapping):
        name = name.get("config", name.get("class_name"))
    if name is None:
        return x
    if name not in ACTIVATIONS:
        raise GraphError(f"{x.trace.where}: the activation {name!r} is not supported")
    return ACTIVATIONS[name](x)


@layer("Dense")
def _(s: Settings, x: Value) -> Value:
    kernel = x.trace.lift(s.held[0])
    y = (
        x.trace.emit("Gemm", [x, kernel, *(x.trace.lift(b) for b in s.held[1:])])
        if x.ndim == 2
        else x @ kernel
    )
    if x.ndim != 2 and len(s.held) > 1:
        y = y + x.trace.lift(s.held[1]).reshape(*(1,) * (y.ndim - 1), -1)
    return activated(y, s.get("activation"))


@layer("Activation")
def _(s: Settings, x: Value) -> Value:
    return activated(x, s.get("activation"))


@layer("Dropout")
def _(s: Settings, x: Value) -> Value:
    drop = Dropout(float(s.get("rate", 0.0)))
    drop.training = x.trace.training
    return drop.forward(x)


@layer("SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D", "GaussianNoise", "GaussianDropout",
       "ActivityRegularization", "Identity")  # fmt: skip
def _(s: Settings, x: Value) -> Value:
    return x


@layer("ReLU")
def _(s: Settings, x: Value) -> Value:
    if s.get("threshold", 0.0):
        raise GraphError(f"{x.trace.where}: a threshold that jumps is not continuous, and is not supported")
    slope, most = s.get("negative_slope", 0.0), s.config.get("max_value")
    y = F.leaky_relu(x, slope) if slope else F.relu(x)
    return y if most is None else F.clamp(y, None, float(most))


@layer("LeakyReLU")
def _(s: Settings, x: Value) -> Value:
    return F.leaky_relu(x, s.get("negative_slope", s.get("alpha", 0.3)))


@layer("PReLU")
def _(s: Settings, x: Value) -> Value:
    return F.relu(x) - F.relu(-x) * x.trace.lift(s.held[0]).reshape(1, *s.held[0].shape)


@layer("ELU")
def _(s: Settings, x: Value) -> Value:
    return F.elu(x, s.get("alpha", 1.0))


@layer("Softmax")
def _(s: Settings, x: Value) -> Value:
    return F.softmax(x, s.get("axis", -1))


@layer("Flatten")
def _(s: Settings, x: Value) -> Value:
    return x.trace.emit("Flatten", [x], {"axis": 1}, (x.dims[0], None)) if x.ndim > 1 else x


@layer("Reshape")
def _(s: Settings, x: Value) -> Value:
    return x.reshape(x.shape[0], *s.get("target_shape"))


@layer("Permute")
def _(s: Settings, x: Value) -> Value:
    return x.permute(0, *s.get("dims"))


@layer("RepeatVector")
def _(s: Settings, x: Value) -> Value:
    return expanded(x.reshape(x.shape[0], 1, x.shape[1]), (x.shape[0], int(s.get("n")), x.shape[1]))


@layer("Rescaling")
def _(s: Settings, x: Value) -> Value:
    return x * float(s.get("scale", 1.0)) + float(s.get("offset", 0.0))


@layer("Normalization")
def _(s: Settings, x: Value) -> Value:
    if s.get("invert", False):
        raise GraphError(
            f"the layer {s.get('name')!r} is a Normalization with invert=True, which is not supported"
        )
    mean, variance = (np.asarray(p.value, np.float64) for p in s.held[:2])
    root = np.maximum(np.sqrt(variance), 1e-7)
    wide = (1,) * (x.ndim - mean.ndim) + mean.shape
    return (x - mean.reshape(wide)) / root.reshape(wide)


@layer("Embedding")
def _(s: Settings, x: Value) -> Value:
    if s.get("mask_zero", False):
        raise GraphError(
            f"the layer {s.get('name')!r} is an Embedding with mask_zero=True, which is not supported: layers after it "
            "would leave out the steps that are 0"
        )
    return F.embedding(x, s.held[0])


# ---------------------------------------------------------------- of several


def _all(op: Callable[[Value, Value], Value]) -> Callable[..., Value]:
    def joined(s: Settings, *values: Value) -> Value:
        y = values[0]
        for v in values[1:]:
            y = op(y, v)
        return y

    return joined


layer("Add")(_all(lambda a, b: a + b))
layer("Subtract")(_all(lambda a, b: a - b))
layer("Multiply")(_all(lambda a, b: a * b))
layer("Maximum")(_all(F.maximum))
layer("Minimum")(_all(F.minimum))


@layer("Average")
def _(s: Settings, *values: Value) -> Value:
    return LAYERS["Add"](s, *values) * (1 / len(values))


@layer("Concatenate")
def _(s: Settings, *values: Value) -> Value:
    return F.cat(values, s.get("axis", -1))


# ---------------------------------------------------------------- windows


def _turned(s: Settings, x: Value) -> Value:
    """Channels before places."""
    return x if s.first() else x.permute(0, x.ndim - 1, *range(1, x.ndim - 1))


def _back(s: Settings, x: Value) -> Value:
    return x if s.first() else x.permute(0, *range(2, x.ndim), 1)


def _each(value: Any, rank: int) -> tuple[int, ...]:
    found = (value,) * rank if isinstance(value, int) else tuple(int(v) for v in value)
    return found * rank if len(found) == 1 else found


def _pads(
    s: Settings, size: tuple[int, ...], kernel: tuple[int, ...], steps: tuple[int, ...], wide: tuple[int, ...]
) -> Any:
    """Padding as ONNX has it: "same" is as much as leaves ceil(size / stride) places, the larger half behind."""
    if s.get("padding", "valid") == "valid":
        return (0,) * 2 * len(size)
    if s.get("padding") == "causal":
        return ((kernel[0] - 1) * wide[0], 0)
    total = [
        max(0, (-(-n // t) - 1) * t + (k - 1) * d + 1 - n)
        for n, k, t, d in zip(size, kernel, steps, wide, strict=True)
    ]
    return (*(n // 2 for n in total), *(n - n // 2 for n in total))


@layer("Conv1D", "Conv2D", "Conv3D", "DepthwiseConv1D", "DepthwiseConv2D")
def _(s: Settings, x: Value) -> Value:
    kernel, rank = x.trace.lift(s.held[0]), x.ndim - 2
    x = _turned(s, x)
    groups = int(s.get("groups", 1))
    w = kernel.permute(rank + 1, rank, *range(rank))
    if "depth_multiplier" in s.config:  # (*kernel, channels, multiplier): each channel has filters of its own
        groups = x.shape[1]
        w = kernel.permute(rank, rank + 1, *range(rank)).reshape(
            prod(kernel.shape[-2:]), 1, *kernel.shape[:rank]
        )
    return _convolved(s, x, w, s.held[1:], groups)


def _convolved(s: Settings, x: Value, w: Value, bias: Any, groups: int) -> Value:
    rank = x.ndim - 2
    steps, wide = _each(s.get("strides", 1), rank), _each(s.get("dilation_rate", 1), rank)
    size = w.shape[2:]
    attrs = {"kernel_shape": size, "strides": steps, "dilations": wide, "group": groups,
             "pads": _pads(s, x.shape[2:], size, steps, wide)}  # fmt: skip
    y = x.trace.emit("Conv", [x, w, *(x.trace.lift(b) for b in bias)], attrs)
    return activated(_back(s, y), s.get("activation"))


@layer("SeparableConv1D", "SeparableConv2D")
def _(s: Settings, x: Value) -> Value:
    depth, point = (x.trace.lift(h) for h in s.held[:2])
    rank = x.ndim - 2
    plain = Settings({**s.config, "activation": None}, ())
    y = LAYERS["DepthwiseConv2D"](Settings({**plain.config, "depth_multiplier": 1}, (depth,)), x)
    kernel = point.permute(rank + 1, rank, *range(rank))
    after = Settings({**s.config, "strides": 1, "dilation_rate": 1, "padding": "valid"}, ())
    return _convolved(after, _turned(s, y), kernel, s.held[2:], 1)


@layer("Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose")
def _(s: Settings, x: Value) -> Value:
    kernel, rank = x.trace.lift(s.held[0]), x.ndim - 2
    x = _turned(s, x)
    steps, wide = _each(s.get("strides", 1), rank), _each(s.get("dilation_rate", 1), rank)
    w = kernel.permute(rank + 1, rank, *range(rank))  # (*kernel, out, in) -> (in, out, *kernel)
    size = tuple((k - 1) * d + 1 for k, d in zip(w.shape[2:], wide, strict=True))
    if s.config.get("output_padding") is not None:
        raise GraphError(f"{x.trace.where}: output_padding is not supported")
    full = [(n - 1) * t + k for n, t, k in zip(x.shape[2:], steps, size, strict=True)]
    wanted = [n * t if s.get("padding") == "same" else max(f, (n - 1) * t + max(k, t))
              for n, t, f, k in zip(x.shape[2:], steps, full, size, strict=True)]  # fmt: skip
    less = [f - n for f, n in zip(full, wanted, strict=True)]
    cut, more = [max(0, n) for n in less], [max(0, -n) for n in less]
    attrs = {"kernel_shape": w.shape[2:], "strides": steps, "dilations": wide, "output_padding": tuple(more),
             "pads": (*(n // 2 for n in cut), *(n - n // 2 for n in cut))}  # fmt: skip
    y = x.trace.emit("ConvTranspose", [x, w, *(x.trace.lift(b) for b in s.held[1:])], attrs)
    return activated(_back(s, y), s.get("activation"))


def _register_pools() -> None:
    for rank in (1, 2, 3):
        for op, name in (("MaxPool", "Max"), ("AveragePool", "Average")):

            def pool(s: Settings, x: Value, op: str = op, rank: int = rank) -> Value:
                x = _turned(s, x)
                size = _each(s.get("pool_size"), rank)
                steps = _each(s.get("strides", size), rank)
                pads = _pads(s, x.shape[2:], size, steps, (1,) * rank)
                return _back(s, x.trace.emit(op, [x], {"kernel_shape": size, "strides": steps, "pads": pads}))

            layer(f"{name}Pooling{rank}D")(pool)
        places = tuple(range(1, rank + 1))

        def mean(s: Settings, x: Value, places: tuple[int, ...] = places) -> Value:
            over = tuple(p + s.first() for p in places)
            return x.mean(over, keepdims=bool(s.get("keepdims", False)))

        def largest(s: Settings, x: Value, places: tuple[int, ...] = places) -> Value:
            over = tuple(p + s.first() for p in places)
            return x.max(over, keepdims=bool(s.get("keepdims", False)))

        layer(f"GlobalAveragePooling{rank}D")(mean)
        layer(f"GlobalMaxPooling{rank}D")(largest)


_register_pools()


@layer("ZeroPadding1D", "ZeroPadding2D", "ZeroPadding3D")
def _(s: Settings, x: Value) -> Value:
    given = s.get("padding")
    pairs = [given] if x.ndim == 3 and not isinstance(given, int) else _pairs(given, x.ndim - 2)
    both = [(p, p) if isinstance(p, int) else tuple(p) for p in pairs]
    front = [(0, 0), (0, 0), *both] if s.first() else [(0, 0), *both, (0, 0)]
    return F.pad(x, [b for b, _ in front], [a for _, a in front])


def _pairs(given: Any, rank: int) -> Any:
    return [given] * rank if isinstance(given, int) else given


@layer("UpSampling1D", "UpSampling2D", "UpSampling3D")
def _(s: Settings, x: Value) -> Value:
    if s.get("interpolation", "nearest") != "nearest":
        raise GraphError(f"{x.trace.where}: only interpolation='nearest' is supported")
    for i, times in enumerate(_each(s.get("size", 2), x.ndim - 2)):
        axis = i + 1 + s.first()
        check_size("an enlarged picture", (*x.shape, int(times)))
        x = gathered(x, np.repeat(np.arange(x.shape[axis]), times), axis)
    return x
