"""What the commands answer, as plain data for JSON.

This is an interface: docs/how-to/scripting-the-command-line.md.  Arrays are flat row-major lists; floats read
back exactly; JSON has no infinity, so that an infinite end is the string "inf" or "-inf", which `float` reads.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from math import isfinite
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from workbench.graph import Array
    from workbench.methods.bounds import Bounds
    from workbench.methods.rounding import RoundingBounds
    from workbench.model import Model
    from workbench.region import Region


def numbers(array: Array) -> list[float | str]:
    """An array as a flat row-major list for JSON."""
    flat = np.asarray(array, np.float64).ravel()
    if np.isnan(flat).any():
        raise ArithmeticError("a bound is NaN")
    return [v if isfinite(v) else str(v) for v in flat.tolist()]


def header(model: Model, net: str) -> dict[str, Any]:
    """Which network: the path as it was given (an example's real one), and the SHA-256 of its bytes."""
    return {"network": {"path": model.path or net, "sha256": model.sha256}}


def place(region: Region) -> dict[str, Any]:
    """The region: its box, and for an l_2 or l_1 ball also the ball."""
    found: dict[str, Any] = {"lower": numbers(region.lower[0]), "upper": numbers(region.upper[0])}
    if not region.is_box and region.center is not None and region.eps is not None:
        found |= {"center": numbers(region.center[0]), "eps": region.eps, "norm": region.norm}
    return found


def nodes(model: Model, found: Iterable[str], arrays: Any) -> dict[str, Any]:
    """Operator, shape and numbers of every node that has some, in the graph's order."""
    names = set(found)
    return {
        n.name: {"op": n.op, "shape": list(n.shape), **arrays(n.name)} for n in model.graph if n.name in names
    }


def bounds(model: Model, net: str, region: Region, found: Bounds) -> dict[str, Any]:
    """The answer of ``workbench bounds --json``."""
    return {
        **header(model, net),
        "method": found.method,
        "semantics": found.semantics,
        "region": place(region),
        "nodes": nodes(
            model, found, lambda n: {"lower": numbers(found[n].lower[0]), "upper": numbers(found[n].upper[0])}
        ),
        "outputs": list(model.graph.outputs),
    }


def rounding(model: Model, net: str, region: Region, found: RoundingBounds) -> dict[str, Any]:
    """The answer of ``workbench rounding --json``."""
    return {
        **header(model, net),
        "method": found.real.method,
        "semantics": "rounding",
        "format": found.format,
        "order": found.order,
        "inputs": found.inputs,
        "assumptions": list(found.assumptions),
        "region": place(region),
        "nodes": nodes(model, found, lambda n: {"bound": numbers(found[n][0])}),
        "outputs": list(model.graph.outputs),
    }


def missing(model: Model) -> dict[str, list[str]]:
    """Operators of the network that lack a meaning, with what they lack; folded constants need none."""
    from workbench.op import table
    from workbench.semantics.plan import plan_of

    rules = table()
    columns = {meaning for _, meaning in rules}
    used = {step.node.op for step in plan_of(model.graph).steps}
    lacks = {op: sorted(m for m in columns if (op, m) not in rules) for op in sorted(used)}
    return {op: lack for op, lack in lacks.items() if lack}


def network(model: Model, net: str) -> dict[str, Any]:
    """The answer of ``workbench show --json``."""
    return {
        **header(model, net),
        "parameters": model.graph.parameters,
        "operators": dict(sorted(Counter(n.op for n in model.graph if n.op != "Input").items())),
        "missing": missing(model),
        "graph": model.graph.structure(),
    }
