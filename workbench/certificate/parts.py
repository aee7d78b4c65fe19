"""What the exact rules speak about: parts of the region; and rules R5 and R6: rounding, and the lines of a relu."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from workbench.certificate.format import Rejected
from workbench.certificate.matrices import Row
from workbench.certificate.steps import Step

if TYPE_CHECKING:
    from workbench.certificate.reduced import Reduced

SLOPE = 16  # a slope s in a certificate stands for s / 2**16
Line = tuple[int, int, int, int, int]  # slopes below and above over 2**shift, offset above, shift, charge: R6


@dataclass(frozen=True)
class Lines:
    """Lines of one step's elements, those that are not just z: (element, below, above, offsets above and below).

    Slopes are over 2**shift; the charge is what rounding costs (R5).
    """

    bent: list[tuple[int, int, int, int, int]]
    shift: int
    charge: int


class Empty(Exception):
    """R8: no input satisfies the phases of this part of the region."""


@dataclass
class Part:
    """A part of the region: a box, and phases of elements; and bounds that hold there.

    The bounds are of every step (`low`, `high`; with the lines drawn from them), or of what is left of the network
    (`reduced`).  They are never changed in place, so that parts may share them.
    """

    box: tuple[list[int], list[int]]
    phases: dict[tuple[int, int], bool] = field(default_factory=dict)  # (step, element) -> is it >= 0
    low: list[list[int]] = field(default_factory=list)
    high: list[list[int]] = field(default_factory=list)
    lines: dict[int, Lines] = field(default_factory=dict)
    reduced: Reduced | None = None
    empty: bool = False

    def smaller(
        self, box: tuple[list[int], list[int]] | None = None, phase: tuple[int, int, bool] | None = None
    ) -> Part:
        """A part of this one: its bounds hold there too."""
        phases = self.phases if phase is None else {**self.phases, phase[:2]: phase[2]}
        return replace(self, box=box or self.box, phases=phases)


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


def line_of(
    flat: int, exponent: int, low: int, high: int, chosen: int | None, element: int, name: str
) -> Line:
    """R6: f(z) = max(z, alpha z), 0 <= alpha <= 1, on [l, u] between the lines ``a z`` and ``s z + t``.

    Below: z >= 0 gives z >= a z, and z < 0 gives alpha z >= a z, for any alpha <= a <= 1.
    Above: f is convex, so a line that is above it at both ends of [l, u] is above it between them.
    Where u <= 0 (or l >= 0) f is the line alpha z (or z) itself.
    The charge is what rounding down a coefficient of f(z), and one of z, costs: each at most ``max(0, -least)`` (R5).
    """
    shift = max(SLOPE, exponent)
    one, flat = 1 << shift, flat << (shift - exponent)
    if low >= 0:
        return one, one, 0, shift, 0
    charge = -low - (low * flat >> shift)
    if high <= 0:
        return flat, flat, 0, shift, charge
    above = -((low * flat - high * one) // (high - low))
    offset = -(-max(low * flat - above * low, high * one - above * high) >> shift)
    below = chosen << (shift - SLOPE) if chosen is not None else one if high > -low else flat
    if not flat <= below <= one:
        raise Rejected("R6 relu", f"the slope of element {element} of {name[:60]!r} is no slope below it")
    return below, above, offset, shift, charge


def lines_of(step: Step, low: Row, high: Row, chosen: Mapping[int, int], precision: int) -> Lines:
    """R6 for every element of a relu."""
    flat, e = step.matrix[0][0], step.exponent
    bent, total = [], 0
    for j, (l, h) in enumerate(zip(low, high, strict=True)):
        if l < 0:
            below, above, offset, _, charge = line_of(flat, e, l, h, chosen.get(j), j, step.name)
            bent.append((j, below, above, offset, 0))
            total += charge if above else 0
    return Lines(bent, max(SLOPE, e), -(-total >> precision))


def sums(a: Sequence[int], b: Sequence[int]) -> list[int]:
    """Element by element."""
    return [x + y for x, y in zip(a, b, strict=True)]
