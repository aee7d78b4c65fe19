"""Methods by name: what the model, the command line and the views offer."""

from __future__ import annotations

from collections.abc import Mapping

from workbench.graph import Array
from workbench.methods.bounds import Bounds
from workbench.methods.crown import Progress, crown
from workbench.methods.ibp import ibp
from workbench.region import Region
from workbench.semantics.plan import Plan

METHODS = ("ibp", "crown-ibp", "crown")


def find_bounds(
    plan: Plan,
    regions: Mapping[str, Region],
    method: str,
    progress: Progress | None = None,
    rows: Array | None = None,
) -> Bounds:
    """Bounds of every neuron of every node by the method of that name (see `crown.crown` for the parameters).

    Raises
    ------
    ValueError
        For a name that is not in `METHODS`.
    """
    if method == "ibp":
        return ibp(plan, regions)
    if method == "crown-ibp":
        return crown(plan, regions, intermediate="ibp", rows=rows, progress=progress)
    if method == "crown":
        return crown(plan, regions, neurons="all", rows=rows, progress=progress)
    raise ValueError(f"the method must be one of {', '.join(METHODS)}, not {method!r}")
