"""Bounds: what a method found, and what it belongs to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from workbench.certificate.levels import level
from workbench.graph import Array
from workbench.region import Region, add_up
from workbench.semantics.affine import Linear, Relaxation
from workbench.semantics.interval import Interval
from workbench.tables import OUTWARD, Table, down, printable, shape_text, up


@dataclass(frozen=True, eq=False)
class Bounds(Mapping[str, Interval]):
    """Sound bounds of every node over a batch of regions: a mapping from node name to `Interval`.

    Parameters
    ----------
    intervals : name -> lower and upper, float64 ``(B, *shape)``.
    method : "ibp", "crown-ibp", "crown" or "alpha-crown".
    regions : input name -> the region that the bounds hold for.
    seconds : wall time.
    forms : lines below and above each node that hold over these regions, with slopes and offsets ``(B or 1, *shape)``
        (for showing and for later passes); empty for IBP, and CROWN's for alpha-CROWN.  Where CROWN made two walks side
        by side (`methods.crown`), those of the first one, which draws them over intersected bounds.
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

    @property
    def level(self) -> str:
        """How far it may be trusted: a level of `workbench.certificate.levels`."""
        return level(self)

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

    def phases(self, name: str, kink: float = 0.0) -> tuple[Array, Array, Array]:
        """Boolean arrays (always >= kink, not known, always <= kink) of a node's neurons; 0 where nothing is said."""
        b = self[name]
        on, off = b.lo >= kink, (b.hi <= kink) & (b.lo < kink)
        return on, ~(on | off), off

    def table(self) -> Table:
        """A row a node: its shape, its lowest and highest end over all neurons, and the widest interval."""
        rows = [("node", "shape", "lowest", "highest", "widest")]
        for name, b in self.intervals.items():
            if b.lo.size:
                ends = down(b.lo.min()), up(b.hi.max()), up(widest(b))
                rows.append((printable(name), shape_text(b.lo.shape[1:]), *ends))
        count = max((r.batch for r in self.regions.values()), default=1)
        where = "" if count == 1 else f", over {count} regions"
        title = f"bounds by {self.method}, in {self.semantics} arithmetic{where}"
        return Table(title, rows, f"{OUTWARD}; bounds[name].lower and .upper have all", words=2)

    def __repr__(self) -> str:
        return repr(self.table())

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()


def widest(b: Interval) -> float:
    """The largest upper end minus lower end, rounded up only where it is no float64 number."""
    with np.errstate(invalid="ignore", over="ignore"):
        return float(np.max(add_up(b.hi, -b.lo), initial=0.0))
