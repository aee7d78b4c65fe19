"""Arrays of array-api-strict on a device of its own, as CuPy's are on a GPU: NumPy's functions hand over to them.

They refuse to become NumPy arrays, or to meet one; so what runs on them has no call on its path that only NumPy can do.
Every function below is written with the array API standard's functions and no others.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from types import SimpleNamespace
from typing import Any

import array_api_strict as xp
import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

DEVICE = xp.Device("device1")
FUNCTIONS: dict[str, Callable[..., Any]] = {}
RENAMED = {
    "absolute": "abs",
    "bitwise_and": "logical_and",
    "bitwise_or": "logical_or",
    "invert": "logical_not",
}
RENAMED |= {"power": "pow", "true_divide": "divide"}


class Held(NDArrayOperatorsMixin):
    """An array on the device."""

    __slots__ = ("a",)

    def __init__(self, a: Any) -> None:
        assert a.device == DEVICE
        self.a = a

    shape = property(lambda self: self.a.shape)
    ndim = property(lambda self: self.a.ndim)
    size = property(lambda self: prod(self.a.shape))
    device = property(lambda self: str(self.a.device))
    T = property(lambda self: Held(self.a.T))
    dtype = property(lambda self: np.dtype(str(self.a.dtype).rpartition(".")[2]))

    def __array_namespace__(self) -> Any:
        return SPACE

    def __array__(self, *args: Any, **named: Any) -> Any:
        raise TypeError("an array on the device was to become a NumPy array")

    def get(self) -> Any:
        """Copied to the host, which has to be asked for."""
        return np.asarray(xp.asarray(self.a, device=xp.Device("CPU_DEVICE")))

    def __array_ufunc__(self, ufunc: Any, method: str, *given: Any, **named: Any) -> Any:
        out = named.pop("out", (None,))[0]
        assert method == "__call__" and not named, (ufunc, method, named)
        operands = [bare(v) for v in given]
        name = RENAMED.get(ufunc.__name__, ufunc.__name__)
        if name == "fmax":
            a, b = operands
            found = xp.where(xp.isnan(a), b, xp.where(xp.isnan(b), a, xp.maximum(a, b)))
        else:
            found = getattr(xp, name)(*operands)
        if out is None:
            return Held(found)
        out.a[...] = found
        return out

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return FUNCTIONS[function.__name__](*args, **kwargs)

    def __len__(self) -> int:
        return int(self.a.shape[0])

    def __bool__(self) -> bool:
        return bool(self.a)

    def __float__(self) -> float:
        return float(self.a)

    def reshape(self, *shape: Any) -> Held:
        shape = shape[0] if len(shape) == 1 and isinstance(shape[0], tuple) else shape
        return Held(xp.reshape(self.a, shape))

    def transpose(self, *order: Any) -> Held:
        order = order[0] if len(order) == 1 and isinstance(order[0], tuple) else order
        return Held(xp.permute_dims(self.a, order))

    def astype(self, dtype: Any, copy: bool = True) -> Held:
        return Held(xp.astype(self.a, getattr(xp, np.dtype(dtype).name), copy=copy))

    def copy(self) -> Held:
        return Held(xp.asarray(self.a, copy=True))

    def any(self, axis: Any = None) -> Held:
        return Held(xp.any(self.a, axis=axis))

    def all(self, axis: Any = None) -> Held:
        return Held(xp.all(self.a, axis=axis))

    def sum(self, axis: Any = None, keepdims: bool = False) -> Held:
        return Held(xp.sum(self.a, axis=axis, keepdims=keepdims))

    def max(self, axis: Any = None, keepdims: bool = False) -> Held:
        return Held(xp.max(self.a, axis=axis, keepdims=keepdims))

    def __getitem__(self, key: Any) -> Held:
        return Held(self.a[_key(key)])

    def __setitem__(self, key: Any, value: Any) -> None:
        """Slices, or one array of positions after slices: which the standard leaves to masks."""
        parts = key if isinstance(key, tuple) else (key,)
        at = [i for i, k in enumerate(parts) if isinstance(k, Held)]
        if not at:
            self.a[_key(key)] = bare(value)
            return
        (axis,) = at
        assert axis == len(parts) - 1
        n = self.a.shape[axis]
        hit = xp.arange(n, device=DEVICE)[:, None] == xp.astype(parts[axis].a, xp.int64)[None, :]
        some = xp.nonzero(xp.any(hit, axis=1))[0]
        where = xp.argmax(xp.astype(hit, xp.int64), axis=1)
        found = xp.take(bare(value), xp.take(where, some), axis=axis)
        for j in range(some.shape[0]):
            rows = (*(bare(p) for p in parts[:axis]), int(some[j]))
            self.a[(*rows, ...)] = found[(*(slice(None),) * axis, j, ...)]


def bare(v: Any) -> Any:
    """What the strict library takes: its array, or a number; a NumPy array is refused."""
    if isinstance(v, Held):
        return v.a
    assert not isinstance(v, np.ndarray), "a NumPy array meets one on the device"
    return v.item() if isinstance(v, np.generic) else v


def _key(key: Any) -> Any:
    """The rest of the axes in words: the standard knows no index that leaves them out."""
    parts = tuple(bare(k) for k in key) if isinstance(key, tuple) else (bare(key),)
    return parts if any(p is Ellipsis for p in parts) else (*parts, ...)


def made(function: Callable[..., Any]) -> Callable[..., Any]:
    """Held from the arguments that are arrays, positions first."""
    return lambda *args, **named: Held(
        function(*[bare(a) for a in args], **{k: bare(v) for k, v in named.items()})
    )


def _concatenate(parts: Any, axis: int = 0) -> Held:
    return Held(xp.concat([bare(p) for p in parts], axis=axis))


def _where(*given: Any) -> Held:
    c, x, y = map(bare, given)
    x, y = (v if hasattr(v, "dtype") else xp.asarray(float(v), device=DEVICE) for v in (x, y))
    return Held(xp.where(c, x, y))


def _take(x: Held, index: Held, axis: int) -> Held:
    return Held(xp.take(x.a, index.a, axis=axis))


def _repeat(x: Held, count: int, axis: int) -> Held:
    return Held(xp.repeat(x.a, count, axis=axis))


def _swapaxes(x: Held, a: int, b: int) -> Held:
    order = list(range(x.ndim))
    order[a], order[b] = order[b], order[a]
    return Held(xp.permute_dims(x.a, tuple(order)))


FUNCTIONS |= {"where": _where, "concatenate": _concatenate, "take": _take, "repeat": _repeat}
FUNCTIONS |= {"swapaxes": _swapaxes, "broadcast_to": made(xp.broadcast_to), "flip": made(xp.flip)}
FUNCTIONS |= {"sum": made(xp.sum), "any": made(xp.any), "all": made(xp.all)}
FUNCTIONS |= {"transpose": made(xp.permute_dims), "size": lambda x: x.size, "ndim": lambda x: x.ndim}
FUNCTIONS |= {"shape": lambda x: x.shape}


def _zeros(shape: Any, dtype: Any = np.float64) -> Held:
    return Held(xp.zeros(shape, dtype=getattr(xp, np.dtype(dtype).name), device=DEVICE))


SPACE = SimpleNamespace(
    __name__="held",
    asarray=lambda x: x if isinstance(x, Held) else Held(xp.asarray(np.array(x), device=DEVICE)),
    zeros=_zeros,
    eye=lambda n: Held(xp.eye(n, device=DEVICE)),
)
