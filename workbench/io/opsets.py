"""What differs between ONNX opsets 7 to 22, brought to one form for each operator.

Parameters that were attributes once and are operands now (axes, starts, pads, min ...) are read by the operators
themselves (`Call.parameter`).  What is here: defaults that changed, attributes that mean something else, and those that
only exist in the file.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from workbench.graph import GraphError
from workbench.io.tensors import element_type

OLDEST, NEWEST = 7, 22

Attributes = dict[str, Any]  # what `Attribute` allows, and arrays until they are taken out

# ONNX attributes are float32: a default that is not written in the file is a float32 number too
DEFAULTS: dict[str, dict[str, float]] = {
    "BatchNormalization": {"epsilon": 1e-5},
    "LayerNormalization": {"epsilon": 1e-5},
    "LeakyRelu": {"alpha": 0.01},
}
FLATTENING = ("Softmax", "LogSoftmax", "Hardmax")  # before opset 13 over all axes from `axis` on
EXTRA = {  # operators whose further outputs are not computed, and what these are
    "BatchNormalization": "training statistics",
    "Dropout": "the mask",
    "LayerNormalization": "mean and deviation",
    "MaxPool": "the indices",
}


def normalise(op: str, attrs: Attributes, version: int, where: str) -> Attributes:
    """The attributes in the form that the rules expect.

    Parameters
    ----------
    op, attrs : as the file has them; tensors as arrays.
    version : the file's opset.
    where : how messages name the node.

    Raises
    ------
    GraphError
        An attribute that asks for what is not supported.
    """
    attrs = {k: float(np.float32(v)) for k, v in DEFAULTS.get(op, {}).items()} | attrs
    if op in FLATTENING:
        attrs.setdefault("axis", 1 if version < 13 else -1)
        if version < 13:
            attrs["flatten"] = 1
    change = CHANGES.get(op)
    return attrs if change is None else change(attrs, where)


def _batchnorm(attrs: Attributes, where: str) -> Attributes:
    if attrs.pop("spatial", 1) != 1:
        raise GraphError(f"{where}: spatial = 0 is not supported")
    if attrs.get("training_mode", 0):
        raise GraphError(f"{where} is in training mode: export the network for inference")
    return {k: v for k, v in attrs.items() if k == "epsilon"}


def _cast(attrs: Attributes, where: str) -> Attributes:
    to = attrs.get("to")
    if not isinstance(to, int):
        raise GraphError(f"{where} does not say which type to cast to")
    return {"to": element_type(to, where)}


def _quantized(attrs: Attributes, where: str) -> Attributes:
    found = {k: v for k, v in attrs.items() if k in ("axis", "block_size")}
    if attrs.get("output_dtype", 0):
        found["output_dtype"] = element_type(attrs["output_dtype"], where)
    return found


def _filled(attrs: Attributes, where: str) -> Attributes:
    value: Any = attrs.get("value", np.zeros(1, np.float32))
    if not isinstance(value, np.ndarray) or value.size != 1:
        raise GraphError(f"{where}: value must be a tensor of one element")
    return {"value": value.reshape(-1)[0].item(), "dtype": str(value.dtype)}


def _keep(*names: str) -> Callable[[Attributes, str], Attributes]:
    return lambda attrs, where: {k: v for k, v in attrs.items() if k in names}


CHANGES: dict[str, Callable[[Attributes, str], Attributes]] = {
    "BatchNormalization": _batchnorm,
    "Cast": _cast,
    "ConstantOfShape": _filled,
    "DequantizeLinear": _keep("axis", "block_size"),
    "Dropout": _keep(),
    "MaxPool": _keep("auto_pad", "ceil_mode", "dilations", "kernel_shape", "pads", "strides"),
    "QuantizeLinear": _quantized,
}
