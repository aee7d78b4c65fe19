"""Rounding and the operations of IEEE 754 on arrays of a library that is not NumPy, such as CuPy's.

`Held` is such an array: NumPy's functions hand over to it (NEP 13 and 18, as CuPy implements them), and it neither
becomes a NumPy array nor meets one.  What is computed on it is NumPy's, so that the bits have to be the same.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.lib.mixins import NDArrayOperatorsMixin

from oracle import awkward
from workbench.floats import add, div, enclosure, fma, mul, sqrt, sub
from workbench.floats.format import BFLOAT16, BINARY32, BINARY64, E4M3FN, Format, fixed_point
from workbench.floats.ieee754 import Outcome, convert
from workbench.floats.quietly import copy_sign, maximum, minimum_number, negate, round_to_integral
from workbench.floats.rounding import MODES, round_to

FLUSHED = Format("flushed", 6, -20, 20, subnormals=False)


def bare(v: Any) -> Any:
    if isinstance(v, Held):
        return v.a
    if isinstance(v, list | tuple):
        return type(v)(bare(e) for e in v)
    assert not isinstance(v, np.ndarray), "a NumPy array meets one on the device"
    return v


def held(v: Any) -> Any:
    if isinstance(v, tuple | list):
        return tuple(held(e) for e in v)
    return Held(np.asarray(v)) if isinstance(v, np.ndarray | np.generic) else v


class Held(NDArrayOperatorsMixin):
    """An array elsewhere."""

    def __init__(self, a: np.ndarray[Any, Any]) -> None:
        self.a = a

    shape = property(lambda self: self.a.shape)
    ndim = property(lambda self: self.a.ndim)
    size = property(lambda self: self.a.size)
    dtype = property(lambda self: self.a.dtype)

    def __array__(self, *args: Any, **named: Any) -> Any:
        raise TypeError("an array elsewhere was to become a NumPy array")

    def __array_ufunc__(self, ufunc: Any, method: str, *given: Any, **named: Any) -> Any:
        named = {k: bare(v) for k, v in named.items()}
        return held(getattr(ufunc, method)(*map(bare, given), **named))

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return held(function(*map(bare, args), **{k: bare(v) for k, v in kwargs.items()}))

    def __array_namespace__(self) -> Any:
        return SPACE

    def __bool__(self) -> bool:
        return bool(self.a)

    def __getattr__(self, name: str) -> Any:
        if name not in ("astype", "view", "copy", "any", "all", "reshape"):
            raise AttributeError(name)
        return lambda *args, **named: held(getattr(self.a, name)(*args, **named))


class Space:
    """The library that the array belongs to: NumPy's functions under the names that CuPy has them, too."""

    def __getattr__(self, name: str) -> Any:
        if name in (
            "astype",
            "asarray",
            "array",
        ):  # not in every version of CuPy, or not with NumPy's arguments
            raise AttributeError(name)
        found = getattr(np, name)
        if isinstance(found, type):
            return found
        return lambda *args, **named: held(found(*map(bare, args), **{k: bare(v) for k, v in named.items()}))


SPACE = Space()


def same(got: Any, want: Any) -> bool:
    if isinstance(want, Outcome):
        return same(got.value, want.value) and all(
            same(getattr(got.flags, f), getattr(want.flags, f)) for f in want.flags.__slots__
        )
    if isinstance(want, tuple):
        return all(map(same, got, want))
    assert isinstance(got, Held), type(got)
    return got.a.tobytes() == want.tobytes() and got.dtype == want.dtype


@pytest.mark.parametrize(
    "form", [BINARY32, BFLOAT16, E4M3FN, BINARY64, FLUSHED, fixed_point(8, 4)], ids=lambda f: f.name
)
def test_every_operation_has_numpys_bits(form: Format) -> None:
    x = awkward(form, 3, 60)
    rng = np.random.default_rng(1)
    y, z = rng.permutation(x), rng.permutation(x)
    a, b, c = map(Held, (x, y, z))
    with np.errstate(all="ignore"):
        for mode in MODES:
            assert same(round_to(a, form, mode), round_to(x, form, mode)), mode  # type: ignore[arg-type]
            for operation in (add, sub, mul, div):
                assert same(operation(a, b, form, mode), operation(x, y, form, mode)), (operation, mode)
            assert same(fma(a, b, c, form, mode), fma(x, y, z, form, mode)), mode
            for single in (sqrt, convert):
                assert same(single(a, form, mode), single(x, form, mode)), (single, mode)  # type: ignore[operator]
            assert same(round_to_integral(a, mode), round_to_integral(x, mode)), mode
        assert same(enclosure("div", a, b, form=form), enclosure("div", x, y, form=form))
        assert same(round_to(Held(x.astype(np.float32)), form), round_to(x.astype(np.float32), form))  # type: ignore[arg-type]
        assert same(maximum(a, b), maximum(x, y)) and same(minimum_number(a, b), minimum_number(x, y))
        assert same(negate(a), negate(x)) and same(copy_sign(a, b), copy_sign(x, y))


def test_the_array_of_the_test_refuses_what_a_gpu_would() -> None:
    a = Held(np.ones(2))
    with pytest.raises(TypeError, match="was to become"):
        np.asarray(a, np.float64)
    with pytest.raises(AssertionError, match="meets one"):
        _ = a + np.ones(2)
