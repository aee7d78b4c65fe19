"""Products of integer matrices: all the arithmetic of the checker that takes time."""

from __future__ import annotations

from collections.abc import Sequence
from operator import mul
from typing import Any

from workbench.certificate.format import CannotCheck

Row = Sequence[int]


class Matrices:
    """Products of integer matrices: python-flint's, or, equal to them, sums of products of Python integers."""

    def __init__(self, flint: bool | None = None) -> None:
        self.make: Any = None
        if flint is not False:
            try:
                from flint import fmpz_mat
            except ImportError:
                if flint:
                    raise CannotCheck("python-flint is not installed") from None
            else:
                self.make = fmpz_mat

    def prepare(self, matrix: Sequence[Row]) -> Any:
        """A matrix, ready to be multiplied from the left."""
        return self.make([list(r) for r in matrix]) if self.make else list(zip(*matrix, strict=True))

    def left(self, rows: Sequence[Row]) -> Any:
        """A matrix, ready to be multiplied from the right."""
        return rows if not self.make or isinstance(rows, self.make) else self.make([list(r) for r in rows])

    def multiply(self, rows: Sequence[Row], prepared: Any) -> list[Row]:
        """``rows @ matrix``."""
        if self.make:
            return [list(map(int, r)) for r in (self.left(rows) * prepared).table()]
        return [[sum(map(mul, r, c)) for c in prepared] for r in rows]
