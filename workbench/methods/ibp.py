"""IBP: interval bound propagation (Gowal et al. 2018, arXiv:1810.12715), sound in float64."""

from __future__ import annotations

from collections.abc import Mapping
from time import perf_counter

from workbench.methods.bounds import Bounds
from workbench.region import Region
from workbench.semantics.interval import Interval, propagate
from workbench.semantics.plan import Plan


def boxes(plan: Plan, regions: Mapping[str, Region]) -> dict[str, Interval]:
    """The regions' boxes in the shape of the network's inputs."""
    found = {}
    for name in plan.graph.inputs:
        region = regions[name]
        found[name] = Interval(region.lower, region.upper)
    return found


def ibp(plan: Plan, regions: Mapping[str, Region]) -> Bounds:
    """Bounds of every node by interval arithmetic alone: the loosest and the fastest.

    Parameters
    ----------
    plan : the network.
    regions : input name -> region, shapes equal to the inputs'.
    """
    start = perf_counter()
    intervals = propagate(plan, boxes(plan, regions))
    return Bounds(intervals, "ibp", dict(regions), perf_counter() - start, plan.graph.outputs, {})
