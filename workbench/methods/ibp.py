"""IBP: interval bound propagation (Gowal et al. 2018, arXiv:1810.12715), sound in float64."""

from __future__ import annotations

from collections.abc import Mapping
from time import perf_counter

from workbench.arrays.device import beside, host, on_host
from workbench.graph import Array
from workbench.methods.bounds import Bounds
from workbench.region import Region
from workbench.semantics.interval import Interval, propagate
from workbench.semantics.plan import Plan


def boxes(plan: Plan, regions: Mapping[str, Region], like: Array | None = None) -> dict[str, Interval]:
    """The regions' boxes in the shape of the network's inputs; beside `like`, an array of another library, if given."""
    found = {}
    for name in plan.graph.inputs:
        region = regions[name]
        ends = region.lower, region.upper
        found[name] = Interval(*(ends if like is None else (beside(end, like) for end in ends)))
    return found


def ibp(plan: Plan, regions: Mapping[str, Region], like: Array | None = None) -> Bounds:
    """Bounds of every node by interval arithmetic alone: the loosest and the fastest.

    Parameters
    ----------
    plan : the network.
    regions : input name -> region, shapes equal to the inputs'.
    like : an array of the library, on the device, that is to do the work (`arrays.device`); None for NumPy.
    """
    start = perf_counter()
    intervals = on_the_host(propagate(plan, boxes(plan, regions, like)))
    return Bounds(intervals, "ibp", dict(regions), perf_counter() - start, plan.graph.outputs, {})


def on_the_host(bounds: Mapping[str, Interval]) -> dict[str, Interval]:
    """Intervals as NumPy's arrays."""
    return {k: v if on_host(v.lo) else Interval(host(v.lo), host(v.hi), v.simplex) for k, v in bounds.items()}
