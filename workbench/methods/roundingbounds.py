"""RoundingBounds: rounding-error bounds of every node, and what they belong to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from workbench.certificate.levels import level
from workbench.floats.format import Format, ulp
from workbench.floats.program import Semantics
from workbench.graph import Array
from workbench.methods.bounds import Bounds
from workbench.region import Region
from workbench.semantics.interval import Interval
from workbench.tables import OUTWARD, Table, printable, shape_text, up

Inputs = Literal["rounded", "exact"]
Share = tuple[str, int, float]


@dataclass(frozen=True, eq=False)
class RoundingBounds(Mapping[str, Array]):
    """Sound bounds on the rounding error of every node over a batch of regions: name -> array ``(B, *shape)``.

    Parameters
    ----------
    bounds : name -> bound on |float value - real value|, in the units of the value.
    local : name -> the part that the node's own arithmetic adds, whatever its operands are.
    ranges : name -> interval that contains the real values and the float values.
    program : the float program that is meant.
    inputs : "rounded" (the program is given the real input rounded to its format) or "exact" (the input is a number of
        the format); runs on representable inputs are covered by both.
    assumptions : what the bounds rest on, library functions included, as sentences.
    overflow : nodes where a neuron may overflow (or leave its operator's domain) by itself; its bound, and that of all
        that depends on it, is infinite.
    seconds : wall time, real bounds not included.
    outputs : names of the network's outputs.
    real : the real bounds that were used.
    trace : what finds the contributions (see `attribution`).
    combine : what bounds combinations of a node's errors (see `rows`).

    What is claimed: for every real input in the region, the float program, its sums added in its order ("any": in every
    one, with or without fused multiply-adds), computes at
    every node a value within the bound of the real network's value (weights taken as
    the numbers in the file; rounding them to the program's format is part of the error).
    """

    bounds: Mapping[str, Array]
    local: Mapping[str, Array]
    ranges: Mapping[str, Interval]
    program: Semantics
    inputs: Inputs
    assumptions: tuple[str, ...]
    overflow: tuple[str, ...]
    seconds: float
    outputs: tuple[str, ...]
    real: Bounds
    trace: Callable[[str, int, int], list[Share]]
    combine: Callable[[str, Array], Array]

    @property
    def level(self) -> str:
        """How far it may be trusted: a level of `workbench.certificate.levels`."""
        return level(self)

    def __getitem__(self, name: str) -> Array:
        try:
            return self.bounds[name]
        except KeyError:
            known = ", ".join(list(self.bounds)[:20])
            raise KeyError(f"no rounding bounds for {name!r}; there are bounds for {known}") from None

    def __iter__(self) -> Iterator[str]:
        return iter(self.bounds)

    def __len__(self) -> int:
        return len(self.bounds)

    @property
    def format(self) -> str:
        """Name of the float program."""
        return self.program.name

    @property
    def order(self) -> str:
        """The order of summation that the bounds hold for: the program's; "any" for every one."""
        own = {str(p.order) for p in (self.program, *self.program.nodes.values())}
        return own.pop() if len(own) == 1 else "by node"

    @property
    def regions(self) -> Mapping[str, Region]:
        """Input name -> the region that the bounds hold for."""
        return self.real.regions

    @property
    def output(self) -> Array:
        """Bounds of the first output."""
        return self.bounds[self.outputs[0]]

    def ulps(self, name: str) -> Array:
        """The bounds of a node in ulps: of the format of activations, at the neuron's largest real magnitude."""
        form: Format = self.program.activations
        with np.errstate(invalid="ignore"):
            found = self[name] / ulp(self.real[name].magnitude, form)
        return np.asarray(np.where(self[name] == 0, 0.0, np.where(np.isnan(found), np.inf, found)))

    def rows(self, rows: Array, node: str | None = None) -> Array:
        """Bounds ``(B, R)`` on ``|rows . float value - rows . real value|`` of the first output, or of `node`.

        Parameters
        ----------
        rows : ``(R, *shape)``, the coefficients; they and the product are exact, no rounding of theirs is meant.
            Whether one float output is above another is such a row, as comparisons do not round.

        Notes
        -----
        The errors of several neurons come from the same roundings: this is tighter than adding bounds (F13).
        """
        name = self.outputs[0] if node is None else node
        rows = np.asarray(rows, np.float64)
        if rows.shape[1:] != self[name].shape[1:] or not np.isfinite(rows).all():
            raise ValueError(
                f"rows of {name!r} are finite numbers of shape (R, {', '.join(map(str, self[name].shape[1:]))}), "
                f"not {rows.shape}"
            )
        return self.combine(name, rows)

    def table(self) -> Table:
        """A row a node: its shape and its largest bound, in the units of the value and in ulps."""
        rows = [("node", "shape", "largest error", "in ulps")]
        for name, bound in self.bounds.items():
            if bound.size:
                most = (
                    (up(bound.max()), up(np.max(self.ulps(name))))
                    if name in self.real
                    else (up(bound.max()), "")
                )
                rows.append((printable(name), shape_text(bound.shape[1:]), *most))
        title = f"rounding errors in {self.format}, sums in {self.order} order"
        return Table(
            title, rows, f"{OUTWARD}; errors[name] has all; .assumptions says what they rest on", words=2
        )

    def __repr__(self) -> str:
        return repr(self.table())

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()

    def attribution(
        self, output: int, node: str | None = None, region: int = 0, count: int | None = 100
    ) -> list[Share]:
        """Which neurons contribute most to one output's bound.

        Parameters
        ----------
        output : flat index into the (first) output, or into `node`.
        node : another node to explain.
        region : index into the batch of regions.
        count : how many of the largest to return; None for all.

        Returns
        -------
        (node, flat index, contribution), largest first.  A contribution is |dependence| times the neuron's own
        rounding; at a neuron whose slope is not known (a relu that may be on or off) also the part of the error
        arriving there that the slope leaves open.  Together they make up the bound, or more where it found some
        cancellation; they are computed to about 12 digits, to be looked at, and their sum is no bound.
        """
        name = self.outputs[0] if node is None else node
        size = int(np.prod(self[name].shape[1:], dtype=np.int64))
        if not 0 <= output < size:
            raise IndexError(f"{name!r} has {size} neurons, so there is no number {output}")
        if (
            name not in self.real
            or not np.isfinite(self[name].reshape(self[name].shape[0], -1)[:, output]).all()
        ):
            return []
        return self.trace(name, output, region)[:count]
