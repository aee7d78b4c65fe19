"""Bounds: what a method found, and what it belongs to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from workbench.graph import Array
from workbench.region import Region
from workbench.semantics.affine import Linear, Relaxation
from workbench.semantics.interval import Interval


@dataclass(frozen=True, eq=False)
class Bounds(Mapping[str, Interval]):
    """Sound bounds of every node over a batch of regions: a mapping from node name to `Interval`.

    Parameters
    ----------
    intervals : name -> lower and upper, float64 ``(B, *shape)``.
    method : "ibp", "crown-ibp" or "crown".
    regions : input name -> the region that the bounds hold for.
    seconds : wall time.
    forms : the lines that were used for each node (for showing and for later passes); empty for IBP.
    outputs : names of the network's outputs.
    margins : lower bounds ``(B, R)`` of the rows that were asked for, or None.

    What is claimed: for every real input in the region, the network evaluated in real arithmetic (weights taken as the
    numbers in the file) has every value inside its interval.
    """

    intervals: Mapping[str, Interval]
    method: str
    regions: Mapping[str, Region]
    seconds: float
    outputs: tuple[str, ...]
    forms: Mapping[str, Linear | Relaxation]
    margins: Array | None = None
    semantics: str = "real"

    def __getitem__(self, name: str) -> Interval:
        try:
            return self.intervals[name]
        except KeyError:
            raise KeyError(
                f"no bounds for {name!r}; there are bounds for {', '.join(list(self.intervals)[:20])}"
            ) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self.intervals)

    def __len__(self) -> int:
        return len(self.intervals)

    @property
    def output(self) -> Interval:
        """Bounds of the first output."""
        return self.intervals[self.outputs[0]]

    def phases(self, name: str) -> tuple[Array, Array, Array]:
        """Boolean arrays (always >= 0, sign not known, always <= 0) of a node's neurons."""
        b = self[name]
        on, off = b.lo >= 0, (b.hi <= 0) & (b.lo < 0)
        return on, ~(on | off), off
