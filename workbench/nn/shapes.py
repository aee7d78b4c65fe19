"""Shapes with names: how people write them, and how messages show them.

>>> parse("batch=1 pixels=784")
((1, 784), ('batch', 'pixels'))
>>> dims_text((1, 784), ("batch", None))
'[batch=1, 784]'
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

from workbench.graph import GraphError

Dims: TypeAlias = tuple[str | None, ...]


class ShapeError(GraphError):
    """Shapes that do not fit: names the layer, what it expects and what it was given."""


class Annotation:
    """What `Tensor["batch features"]` is: dimension names, or sizes, to be checked when a function is traced."""

    def __init__(self, text: str) -> None:
        self.parts = tuple(text.split())

    def __repr__(self) -> str:
        return f"Tensor[{' '.join(self.parts)!r}]"

    def bind(self, name: str, shape: Sequence[int], sizes: dict[str, int]) -> Dims:
        """Names for the dimensions of `shape`; equal names must have equal sizes.

        Raises
        ------
        ShapeError
            Another rank or size than the annotation says.
        """
        given = dims_text(tuple(shape), unnamed(len(shape)))
        if len(shape) != len(self.parts):
            raise ShapeError(f"{name} is annotated {' '.join(self.parts)!r}, but was given {given}")
        named: list[str | None] = []
        for part, n in zip(self.parts, shape, strict=True):
            size = int(part) if part.isdigit() else sizes.setdefault(part, n) if part != "_" else n
            if size != n:
                why = "" if part.isdigit() else f" ({part} is {size} elsewhere)"
                raise ShapeError(f"{name} is annotated {' '.join(self.parts)!r}, but was given {given}{why}")
            named.append(None if part.isdigit() or part == "_" else part)
        return tuple(named)


class Tensor:
    """Shapes as annotations of functions that are traced: ``def f(x: wb.Tensor["batch features"])``."""

    def __class_getitem__(cls, text: str) -> Any:
        return Annotation(text)


def unnamed(rank: int) -> Dims:
    """No names."""
    return (None,) * rank


def parse(shape: str | int | Sequence[int]) -> tuple[tuple[int, ...], Dims]:
    """A shape as people write it: ``(1, 784)``, ``"1 784"`` or ``"batch=1 pixels=784"``.

    Raises
    ------
    GraphError
        What is no shape.
    """
    if isinstance(shape, int):
        shape = (shape,)
    if not isinstance(shape, str):
        try:
            sizes = tuple(int(n) for n in shape)
        except (TypeError, ValueError):
            raise GraphError(f"{shape!r} is no shape: give sizes, such as (1, 784)") from None
        if any(n < 0 for n in sizes):
            raise GraphError(f"{sizes} is no shape: a size cannot be negative")
        return sizes, unnamed(len(sizes))
    found, named = [], []
    for part in shape.replace(",", " ").split():
        name, equals, size = part.rpartition("=")
        if not size.isdigit() or (equals and not name.isidentifier()):
            raise GraphError(f"{shape!r} is no shape: write, for instance, 'batch=1 pixels=784'")
        found.append(int(size))
        named.append(name or None)
    return tuple(found), tuple(named)


def dims_text(shape: Sequence[int], dims: Dims) -> str:
    """A shape for messages."""
    return f"[{', '.join(f'{d}={n}' if d else str(n) for n, d in zip(shape, dims, strict=True))}]"


def joined(a: Dims, b: Dims) -> Dims:
    """The names of both; the first one's where they differ."""
    return tuple(m or n for m, n in zip(a, b, strict=True))
