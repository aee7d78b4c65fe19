"""Methods by name: what the model, the command line and the views offer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from workbench.graph import Array
from workbench.methods.alphacrown import alpha_crown
from workbench.methods.bounds import Bounds
from workbench.methods.crown import Progress, crown
from workbench.methods.ibp import ibp
from workbench.region import Region
from workbench.semantics.plan import Plan

Method = Callable[[Plan, Mapping[str, Region], Array | None, Progress | None], Bounds]


def _by_intervals(
    plan: Plan, regions: Mapping[str, Region], rows: Array | None, progress: Progress | None
) -> Bounds:
    return ibp(plan, regions)  # has no rows, and is done at once


def _by_crown(
    plan: Plan,
    regions: Mapping[str, Region],
    rows: Array | None,
    progress: Progress | None,
    *,
    intermediate: str,
    neurons: str,
) -> Bounds:
    return crown(plan, regions, intermediate=intermediate, neurons=neurons, rows=rows, progress=progress)


def _by_alpha(
    plan: Plan, regions: Mapping[str, Region], rows: Array | None, progress: Progress | None
) -> Bounds:
    return alpha_crown(plan, regions, rows=rows, progress=progress)


FINDERS: Mapping[str, Method] = {
    "ibp": _by_intervals,
    "crown-ibp": partial(_by_crown, intermediate="ibp", neurons="needed"),
    "crown": partial(_by_crown, intermediate="crown", neurons="all"),
    "alpha-crown": _by_alpha,
}
METHODS = tuple(FINDERS)


def method_of(name: str) -> str:
    """The method of that name as `METHODS` spells it: "CROWN" and "crown_ibp" are understood too.

    Raises
    ------
    ValueError
        For a name that is not in `METHODS`.
    """
    found = str(name).lower().replace("_", "-")
    if found not in FINDERS:
        raise ValueError(f"the method must be one of {', '.join(METHODS)}, not {name!r}")
    return found


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
    GraphError
        "alpha-crown" of a network that is not a dense chain.
    """
    return FINDERS[method_of(method)](plan, regions, rows, progress)
