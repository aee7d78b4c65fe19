"""The table, and what its functions share: constants, ranks, numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from workbench.graph import Array, GraphError
from workbench.nn.value import Trace, Value

Handler = Callable[..., Any]
TABLE: dict[str, Handler] = {}


def aten(*names: str) -> Callable[[Handler], Handler]:
    """Register a function for operators, by their names without ``aten.`` and without the overload's."""

    def register(function: Handler) -> Handler:
        for name in names:
            if name in TABLE:
                raise ValueError(f"{name} stands in the table twice")
            TABLE[name] = function
        return function

    return register


def handler(name: str, where: str = "") -> Handler:
    """The function of an operator.

    Raises
    ------
    GraphError
        There is none; the operator is named.
    """
    if name not in TABLE:
        at = f" in {where}" if where else ""
        raise GraphError(
            f"PyTorch's operator {name!r}{at} has no counterpart here: write that part with others, or export the "
            "module to ONNX and open the file with wb.load"
        )
    return TABLE[name]


def known(value: Any) -> Array | None:
    """The array of a constant; None for what is computed."""
    if isinstance(value, Value):
        return value.trace.weights.get(value.name)
    return None if value is None else np.asarray(value)


def ranked(x: Value, rank: int) -> Value:
    """x with axes of length 1 in front: PyTorch repeats along them silently."""
    return x if x.ndim >= rank else x.reshape(*(1,) * (rank - x.ndim), *x.shape)


def floats(x: Value, dtype: str) -> Value:
    """A constant of whole numbers or truth values as floats.

    Raises
    ------
    GraphError
        Whole numbers that depend on the input.
    """
    if np.dtype(x.dtype).kind == "f":
        return x
    array = known(x)
    if array is None:
        raise GraphError(
            f"{x.trace.where}: arithmetic with whole numbers that depend on the input has no meaning here"
        )
    return x.trace.constant(array.astype(dtype))


def pair(a: Any, b: Any) -> tuple[Value, Value]:
    """Two operands of an arithmetic operator: one type, one rank."""
    first = a if isinstance(a, Value) else b
    trace: Trace = first.trace
    dtype = next(
        (v.dtype for v in (a, b) if isinstance(v, Value) and np.dtype(v.dtype).kind == "f" and v.ndim),
        next((v.dtype for v in (a, b) if isinstance(v, Value) and np.dtype(v.dtype).kind == "f"), "float32"),
    )
    both = [v if isinstance(v, Value) else trace.constant(np.asarray(v, dtype)) for v in (a, b)]
    x, y = (floats(v, dtype) for v in both)
    rank = max(x.ndim, y.ndim)
    return (x if x.size == 1 and not x.ndim else ranked(x, rank)), (
        y if y.size == 1 and not y.ndim else ranked(y, rank)
    )


def each(value: int | Sequence[int], rank: int) -> tuple[int, ...]:
    """One number an axis: PyTorch's lists of one number stand for all."""
    found = (int(value),) if isinstance(value, int) else tuple(int(v) for v in value)
    return found * rank if len(found) == 1 else found


def axes(dim: Any, rank: int) -> tuple[int, ...]:
    """Axes from the front; all where none is given."""
    if dim is None or (not isinstance(dim, int) and not len(dim)):
        return tuple(range(rank))
    return tuple(sorted(d % rank for d in ((dim,) if isinstance(dim, int) else dim)))
