"""Arrays of other libraries on the engine's hot path: CuPy's on a GPU, or any that follow NumPy's protocols.

The engine calls NumPy's functions, which hand over to the library that an array belongs to (NEP 13 and 18; CuPy
implements both).  What NumPy does not hand over goes through here: making arrays, and moving the network's weights,
which are NumPy's, beside the arrays that they meet.  Nothing is ever converted back on the way but small decisions.

For NumPy's own arrays every function here is one comparison of types.
"""

from __future__ import annotations

import sys
import weakref
from typing import Any

import numpy as np

from workbench.graph import Array

_Moved = dict[tuple[int, str], Any]
_moved: _Moved = {}  # a cache of weights, by identity and library; an entry goes with its array


def on_host(x: Any) -> bool:
    """Whether x is NumPy's: an array, or no array at all."""
    return isinstance(x, np.ndarray | np.generic | float | int)


def space(x: Any) -> Any:
    """The module of x's library, as far as it looks like NumPy; else what the array API standard says."""
    root = sys.modules.get(type(x).__module__.partition(".")[0])
    return root if hasattr(root, "nextafter") else x.__array_namespace__()


def array(x: Any) -> Array:
    """What a function of arrays returned, as an array: NumPy's return a number where there is one element."""
    return x if isinstance(x, np.ndarray) or hasattr(x, "__array_function__") else np.asarray(x)


def beside(weight: Any, x: Any) -> Array:
    """A NumPy array in the library, and on the device, of x; kept there for as long as it lives here."""
    if isinstance(x, np.ndarray) or not isinstance(weight, np.ndarray | np.generic):
        return weight
    xp = space(x)
    if not isinstance(weight, np.ndarray):
        return xp.asarray(weight)
    key = id(weight), f"{xp.__name__} {getattr(x, 'device', '')}"
    if key not in _moved:
        _moved[key] = xp.asarray(weight)
        weakref.finalize(weight, _moved.pop, key, None)
    return _moved[key]


def host(x: Array) -> Array:
    """x as NumPy's array, copied from its device."""
    if on_host(x):
        return np.asarray(x)
    return np.asarray(x.get() if hasattr(x, "get") else x)


def zeros(shape: tuple[int, ...], like: Any) -> Array:
    """float64 zeros beside `like`."""
    return np.zeros(shape) if isinstance(like, np.ndarray) else space(like).zeros(shape)


def eye(n: int, like: Any) -> Array:
    """The float64 unit matrix beside `like`."""
    return np.eye(n) if isinstance(like, np.ndarray) else space(like).eye(n)


def take(x: Array, index: Array, axis: int) -> Array:
    """Elements along an axis, by positions that NumPy holds."""
    return np.take(x, beside(index, x), axis=axis)


def gpu() -> Any:
    """CuPy, where it is installed and finds a GPU.

    Raises
    ------
    RuntimeError
        Where there is none, saying why.
    """
    try:
        import cupy
    except ImportError as error:
        raise RuntimeError(
            "no CuPy here: pip install 'nnworkbench[cuda12]', or cuda13 for CUDA 13"
        ) from error
    try:
        count = cupy.cuda.runtime.getDeviceCount()
    except cupy.cuda.runtime.CUDARuntimeError as error:
        raise RuntimeError(f"CuPy finds no GPU: {error}") from error
    if not count:
        raise RuntimeError("CuPy finds no GPU")
    return cupy
