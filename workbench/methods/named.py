"""Methods by name: what the model, the command line and the views offer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from workbench.graph import Array
from workbench.methods.alphacrown import alpha_crown
from workbench.methods.bounds import Bounds
from workbench.methods.crown import Progress, crown
from workbench.methods.ibp import ibp
from workbench.methods.programs import by_programs
from workbench.methods.zonotope import zonotope
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


def _by_zonotope(
    plan: Plan,
    regions: Mapping[str, Region],
    rows: Array | None,
    progress: Progress | None,
    *,
    together: bool,
) -> Bounds:
    return zonotope(plan, regions, together=together, rows=rows, progress=progress)


def _by_programs(
    plan: Plan,
    regions: Mapping[str, Region],
    rows: Array | None,
    progress: Progress | None,
    *,
    exact: bool,
) -> Bounds:
    return by_programs(plan, regions, exact=exact, rows=rows, progress=progress)


FINDERS: Mapping[str, Method] = {
    "ibp": _by_intervals,
    "crown-ibp": partial(_by_crown, intermediate="ibp", neurons="needed"),
    "crown": partial(_by_crown, intermediate="crown", neurons="all"),
    "alpha-crown": _by_alpha,
    "zonotope": partial(_by_zonotope, together=False),
    "crown-zonotope": partial(_by_zonotope, together=True),
    "lp": partial(_by_programs, exact=False),
    "milp": partial(_by_programs, exact=True),
}
EVERY = tuple(FINDERS)
METHODS = EVERY[:4]  # what answers in time for somebody who drags a slider


def method_of(name: str) -> str:
    """The method of that name as `EVERY` spells it: "CROWN" and "crown_ibp" are understood too.

    Raises
    ------
    ValueError
        For a name that is not in `EVERY`.
    """
    found = str(name).lower().replace("_", "-")
    if found not in FINDERS:
        raise ValueError(f"the method must be one of {', '.join(EVERY)}, not {name!r}")
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
        "alpha-crown" of a network without relus; "lp" and "milp" of a network that is not small, or without `highspy`.
    """
    return FINDERS[method_of(method)](plan, regions, rows, progress)
