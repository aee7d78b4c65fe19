"""RoundingBounds: rounding-error bounds of every node, and what they belong to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from workbench.floats.format import Format, ulp
from workbench.floats.program import Semantics
from workbench.graph import Array
from workbench.methods.bounds import Bounds
from workbench.region import Region
from workbench.semantics.interval import Interval

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

    What is claimed: for every real input in the region, the float program, its sums added in any order with or without
    fused multiply-adds, computes at every node a value within the bound of the real network's value (weights taken as
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
        """The orders of summation that the bounds hold for."""
        return "any"

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
        arriving there that the slope leaves open.  All of them together are at least the bound, which may have found
        some cancellation.
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
