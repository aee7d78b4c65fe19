"""Network: a graph and what can be said about it, without state: values, bounds, rounding errors, gradients."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

import workbench.ops  # noqa: F401  (registers every operator)
from workbench.floats.program import Semantics
from workbench.graph import Array, Graph, GraphError
from workbench.methods.bounds import Bounds
from workbench.methods.named import find_bounds
from workbench.methods.progress import Progress
from workbench.methods.rounding import RoundingBounds, rounding
from workbench.region import Region, RegionError
from workbench.semantics import gradient, ieee, real
from workbench.semantics.plan import Plan, plan_of


@dataclass(frozen=True, eq=False)
class Network:
    """What `Model` is about, before anybody looks at it."""

    graph: Graph

    @property
    def plan(self) -> Plan:
        """The graph made ready to walk."""
        return plan_of(self.graph)

    @property
    def only_input(self) -> str:
        """Name of the input.

        Raises
        ------
        GraphError
            Where the network has several inputs, or none.
        """
        names = self.graph.inputs
        if len(names) != 1:
            raise GraphError(
                f"{self.graph.name} has {len(names)} inputs ({', '.join(names) or 'none'}): give a mapping from their "
                "names to arrays. A region is of one input: model.one_input() puts them into one vector, and "
                "model.one_input({name: value}) holds some of them at a value"
            )
        return names[0]

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of the (single) input, as in the file.

        Raises
        ------
        GraphError
            Where the network has several inputs.
        """
        return self.graph[self.only_input].shape

    def point(self, x: Any) -> Array:
        """One input as float64 in the input's shape.

        Raises
        ------
        RegionError
            What is no array of numbers of that many elements.
        """
        shape = self.input_shape
        try:
            found = np.asarray(x, dtype=np.float64)
        except (TypeError, ValueError):
            raise RegionError(
                f"an input is an array of numbers, {list(shape)}, not {type(x).__name__}"
            ) from None
        if found.size != prod(shape):
            raise RegionError(f"the input has shape {list(found.shape)}, but the network's has {list(shape)}")
        return found.reshape(shape)

    def inputs(self, x: Array | Mapping[str, Array], dtype: Any = None) -> tuple[dict[str, Array], bool]:
        """Inputs with the engines' batch axis, and whether the file's own batch axis of 1 stands for many."""
        given = dict(x) if isinstance(x, Mapping) else {self.only_input: x}
        found, own = {}, False
        for name in self.graph.inputs:
            if name not in given:
                raise GraphError(
                    f"{self.graph.name} needs the input {name!r}; given: {', '.join(given) or 'nothing'}"
                )
            node = self.graph[name]
            array = np.asarray(given[name], dtype=dtype or node.dtype)
            if array.shape[1:] == node.shape[1:] and node.shape[:1] == (1,) and len(array) > 1:
                own = True
            elif array.shape[1:] != node.shape and array.size != node.size:
                raise GraphError(
                    f"input {name!r} has shape {list(array.shape)}, expected {list(node.shape)} or a stack of them"
                )
            found[name] = array.reshape(-1, *node.shape)
        return found, own

    def run(
        self,
        x: Array | Mapping[str, Array],
        semantics: str | Semantics | None = None,
        order: str | None = None,
    ) -> Array:
        """The (first) output: `Model.run` has the details."""
        return self.values(x, semantics, order)[self.graph.outputs[0]]

    def values(
        self,
        x: Array | Mapping[str, Array],
        semantics: str | Semantics | None = None,
        order: str | None = None,
    ) -> dict[str, Array]:
        """Every node's value by name, as `run` computes it."""
        inputs, own = self.inputs(x)
        if semantics is None and order is None:
            values = real.run(self.plan, inputs)
        else:
            values = dict(ieee.run(self.plan, inputs, semantics or "binary32", order))
        if own:
            return {k: v[:, 0] if v.ndim > 1 and v.shape[1] == 1 else v for k, v in values.items()}
        if all(v.shape[0] == 1 for v in inputs.values()):
            return {k: v[0] for k, v in values.items()}
        return values

    def regions(self, region: Region) -> dict[str, Region]:
        """The region as the methods want it: by input name, in the input's shape."""
        return {self.only_input: region.reshape(self.input_shape)}

    def bounds(self, method: str, region: Region, progress: Progress | None = None) -> Bounds:
        """Sound bounds of every node over the region, in real arithmetic."""
        return find_bounds(self.plan, self.regions(region), method, progress)

    def rounding(
        self, format: str | Semantics, region: Region, progress: Progress | None = None
    ) -> RoundingBounds:
        """Sound bounds on the rounding error of every node over the region, for any order of summation."""
        before = self.bounds("crown", region, progress)
        return rounding(self.plan, before, format, progress=progress)

    def gradient(self, x: Array | Mapping[str, Array], output: int = 0) -> dict[str, Array]:
        """Gradient of one element of the first output with respect to every node, at a point, in float64."""
        name = self.graph.outputs[0]
        seed = np.zeros((1, *self.graph[name].shape))
        seed.reshape(-1)[output] = 1.0
        _, found = gradient.vjp(self.plan, self.inputs(x, np.float64)[0], {name: seed})
        return {k: v[0] for k, v in found.items()}
