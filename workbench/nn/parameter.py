"""Parameter and Buffer: named arrays that a module holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from workbench.graph import Array, GraphError
from workbench.nn.shapes import Dims

Draw = Callable[[np.random.Generator, tuple[int, ...]], Array]


class _Held:
    """An array that is drawn when a seed is given, and may be replaced by one of the same shape."""

    def __init__(self, shape: tuple[int, ...], draw: Draw, dtype: str = "float32", dims: Dims = ()) -> None:
        self.shape, self.draw, self.dtype = tuple(int(n) for n in shape), draw, dtype
        self.dims = dims or (None,) * len(self.shape)
        self._value: Array | None = None

    @property
    def drawn(self) -> bool:
        """Whether it has a value yet."""
        return self._value is not None

    @property
    def size(self) -> int:
        """Number of elements."""
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def value(self) -> Array:
        """The array.

        Raises
        ------
        GraphError
            Where it was not drawn yet, or is set to an array of another shape.
        """
        if self._value is None:
            raise GraphError("this parameter has no value yet: call .init(seed) on the whole module first")
        return self._value

    @value.setter
    def value(self, array: Any) -> None:
        found = np.asarray(array, dtype=self.dtype)
        if found.shape != self.shape:
            raise GraphError(f"a parameter of shape {list(self.shape)} was given {list(found.shape)}")
        self._value = found

    def initialise(self, rng: np.random.Generator) -> None:
        """Draw the value."""
        self.value = self.draw(rng, self.shape)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({list(self.shape)}, {self.dtype})"


class Parameter(_Held):
    """An array that training changes.

    Parameters
    ----------
    shape : its shape.
    draw : ``(rng, shape) -> array``: its first value, see `workbench.nn.initial`.
    trainable : False freezes it.
    dims : names of its dimensions, for messages.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        draw: Draw,
        *,
        trainable: bool = True,
        dtype: str = "float32",
        dims: Dims = (),
    ) -> None:
        super().__init__(shape, draw, dtype, dims)
        self.trainable = trainable


class Parameters(list[Parameter]):
    """A module's parameters in order, as `Module.parameters` gives them; their names stay beside them.

    Parameters
    ----------
    named : name -> parameter.
    """

    def __init__(self, named: Mapping[str, Parameter]) -> None:
        super().__init__(named.values())
        self.named = dict(named)


class Buffer(_Held):
    """An array that belongs to a module and is not trained, such as running means."""
