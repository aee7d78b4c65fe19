"""Overlays: the per-node numbers that colour the graph."""

from __future__ import annotations

import numpy as np

from workbench.results import Result
from workbench.semantics.plan import Plan

OVERLAYS: tuple[tuple[str, str, str, bool], ...] = (  # key, label, unit, logarithmic
    ("width", "bound width, largest", "", True),
    ("width-mean", "bound width, mean", "", True),
    ("unstable", "unstable neurons", "share", False),
    ("error", "rounding error, largest", "absolute", True),
    ("error-ulp", "rounding error, largest", "ulp", True),
    ("none", "none", "", False),
)


def overlay_of(key: str) -> str:
    """`key`, where there is such an overlay.

    Raises
    ------
    ValueError
        Where there is none.
    """
    known = [one[0] for one in OVERLAYS]
    if key not in known:
        raise ValueError(f"the overlay must be one of {', '.join(known)}, not {key!r}")
    return key


def overlay_values(plan: Plan, result: Result | None, key: str) -> dict[str, float | None]:
    """One number a node; None where the overlay says nothing about it."""
    names = [n.name for n in plan.graph.nodes]
    if result is None or key == "none":
        return dict.fromkeys(names)
    found: dict[str, float | None] = {}
    for name in names:
        value: float | None = None
        if key in ("width", "width-mean") and name in result.bounds:
            width = result.bounds[name].width
            value = float(width.max() if key == "width" else width.mean()) if width.size else None
        elif key == "unstable" and (phases := result.phases(plan, name)) is not None:
            value = float(np.mean(phases == 0)) if phases.size else 0.0
        elif key in ("error", "error-ulp") and result.errors is not None and name in result.errors:
            errors = result.errors[name] if key == "error" else result.errors.ulps(name)
            value = float(np.max(errors)) if errors.size else None
        found[name] = value
    return found
