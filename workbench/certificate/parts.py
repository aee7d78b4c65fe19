"""What the exact rules speak about: parts of the region; and rules R5 and R6: rounding, and the lines of a relu."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from workbench.certificate.format import Rejected
from workbench.certificate.matrices import Row
from workbench.certificate.program import Step

SLOPE = 16  # a slope s in a certificate stands for s / 2**16


@dataclass(frozen=True)
class Lines:
    """R6, for one relu: slopes below and above (over ``2**shift``) and offsets above, of the elements in `alive`."""

    alive: list[int]
    below: list[int]
    above: list[int]
    offset: list[int]
    shift: int
    charge: int

    @cached_property
    def bent(self) -> list[tuple[int, int, int, int]]:
        """(position in `alive`, below, above, offset) of those that are not the line z itself."""
        every = zip(self.below, self.above, self.offset, strict=True)
        return [(k, a, s, t) for k, (a, s, t) in enumerate(every) if min(a, s) < 1 << self.shift]


class Empty(Exception):
    """R8: no input satisfies the phases of this part of the region."""


@dataclass
class Part:
    """A part of the region: a box, and phases of elements; and bounds that hold there, for every step."""

    box: tuple[list[int], list[int]]
    phases: dict[tuple[int, int], bool] = field(default_factory=dict)  # (step, element) -> is it >= 0
    low: list[list[int]] = field(default_factory=list)
    high: list[list[int]] = field(default_factory=list)
    lines: dict[int, Lines] = field(default_factory=dict)
    cuts: dict[Any, Any] = field(default_factory=dict)
    empty: bool = False

    def smaller(
        self, box: tuple[list[int], list[int]] | None = None, phase: tuple[int, int, bool] | None = None
    ) -> Part:
        """A part of this one: its bounds hold there too."""
        if phase is None:
            return replace(self, box=box or self.box)
        i, j, above = phase
        low, high = [list(v) for v in self.low], [list(v) for v in self.high]
        return replace(self, phases={**self.phases, (i, j): above}, low=low, high=high, lines={}, cuts={})


def charged(low: Iterable[int], precision: int) -> int:
    """R5: what rounding down the coefficients of a vector costs, in units, rounded up.

    With a = a' + r, 0 <= r < 1 unit: ``a x = a' x + r x >= a' x - max(0, -low)`` units.  Of a relu's result: 0.
    """
    return -(sum(min(v, 0) for v in low) >> precision)


def least(rows: Iterable[Row], box: tuple[list[int], list[int]], precision: int) -> list[int]:
    """Lower bounds of linear functions ``[*a, b]``: each coefficient meets the end of the box that makes it least."""
    return [
        (sum(c * (l if c >= 0 else h) for c, l, h in zip(r, *box, strict=False)) >> precision) + r[-1]
        for r in rows
    ]


def lines_of(step: Step, low: Row, high: Row, chosen: Mapping[int, int], precision: int) -> Lines:
    """R6: f(z) = max(z, alpha z), 0 <= alpha <= 1, on [l, u] between the lines ``a z`` and ``s z + t``.

    Below: z >= 0 gives z >= a z, and z < 0 gives alpha z >= a z, for any alpha <= a <= 1.
    Above: f is convex, so a line that is above it at both ends of [l, u] is above it between them.
    Where u <= 0 (or l >= 0) f is the line alpha z (or z) itself; alpha = 0 makes the element exactly 0: not alive.
    """
    shift = max(SLOPE, step.exponent)
    one, flat = 1 << shift, step.matrix[0][0] << (shift - step.exponent)
    found = Lines([], [], [], [], shift, charged(low, precision))
    for j, (l, u) in enumerate(zip(low, high, strict=True)):
        if u <= 0 and flat == 0:
            continue
        a = s = one if l >= 0 else flat
        t = 0
        if l < 0 < u:
            s = -((l * flat - u * one) // (u - l))
            t = -(-max(l * flat - s * l, u * one - s * u) >> shift)
            a = chosen[j] << (shift - SLOPE) if j in chosen else one if u > -l else flat
            if not flat <= a <= one:
                raise Rejected(
                    "R6 relu", f"the slope of element {j} of {step.name[:60]!r} is no slope below it"
                )
        for kept, value in ((found.alive, j), (found.below, a), (found.above, s), (found.offset, t)):
            kept.append(value)
    return found


def sums(a: Row, b: Row) -> list[int]:
    """Element by element."""
    return [x + y for x, y in zip(a, b, strict=True)]


def merged(
    one: tuple[list[int], Sequence[Row]], other: tuple[list[int], Sequence[Row]], size: int
) -> tuple[list[int], list[list[int]]]:
    """The sum of two sets of rows, each given on some elements only."""
    found = [[0] * size for _ in one[1]]
    for index, rows in (one, other):
        for full, r in zip(found, rows, strict=True):
            for j, v in zip(index, r, strict=True):
                full[j] += v
    return list(range(size)), found
