"""What the commands print: JSON for scripts, text for people.

The JSON is an interface: docs/how-to/scripting-the-command-line.md.  Arrays are flat row-major lists; floats read
back exactly; JSON has no infinity, so that an infinite end is the string "inf" or "-inf", which `float` reads.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from math import isfinite
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.cli.faults import printable

if TYPE_CHECKING:
    from workbench.graph import Array
    from workbench.methods.bounds import Bounds
    from workbench.methods.rounding import RoundingBounds
    from workbench.model import Model
    from workbench.region import Region

DIGITS = 5  # of the numbers in tables, which are rounded outward
LISTED = 20  # outputs that the text lists one by one
DOWN, UP = (Context(prec=DIGITS, rounding=r) for r in (ROUND_FLOOR, ROUND_CEILING))


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
    return {n.name: {"op": n.op, "shape": list(n.shape), **arrays(n.name)} for n in model.graph if n.name in names}


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

    rules = table()
    columns = {meaning for _, meaning in rules}
    used = {step.node.op for step in model.plan.steps}
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


def network_text(model: Model, net: str) -> str:
    """The answer of ``workbench show``."""
    answer = network(model, net)
    lines = [printable(line) for line in model.graph.to_text().splitlines()]
    used = ", ".join(f"{count} {op}" for op, count in answer["operators"].items())
    lack = [f"{op} has no rule for {', '.join(lacks)}" for op, lacks in answer["missing"].items()]
    return "\n".join(
        [
            *title(model, net),
            *lines,
            "",
            f"nodes      {len(model.graph):,}, with {model.graph.parameters:,} parameters",
            f"operators  {used or 'none'}",
            f"missing    {'; '.join(lack) or 'nothing: every operator has all its rules'}",
        ]
    )


def title(model: Model, net: str) -> list[str]:
    """Name and hash."""
    return [printable(model.path or net), f"sha256 {model.sha256}", ""]


def place_text(region: Region) -> str:
    """The region in words."""
    widest = up(np.max(np.nextafter(region.upper - region.lower, np.inf), initial=0.0))
    text = f"region     {region.lower[0].size:,} inputs, each at most {widest} wide"
    if region.eps is not None:
        text += f": within {region.eps!r} of the centre in the {region.norm} norm"
    return text


def bounds_text(model: Model, net: str, region: Region, found: Bounds) -> str:
    """The answer of ``workbench bounds``."""
    table = [("node", "operator", "shape", "lowest", "highest", "widest")]
    for n in model.graph:
        if n.name in found and n.size:
            b = found[n.name]
            ends = down(b.lower.min()), up(b.upper.max()), up(b.width.max())
            table.append((printable(n.name), n.op, shape_text(n.shape), *ends))
    outputs = []
    for name in model.graph.outputs:
        lower, upper = found[name].lower[0], found[name].upper[0]
        for at in list(np.ndindex(lower.shape))[:LISTED]:
            outputs.append(f"{printable(name)}{list(at)} in [{float(lower[at])!r}, {float(upper[at])!r}]")
        if lower.size > LISTED:
            outputs.append(f"... and {lower.size - LISTED:,} more; --json prints all")
    return "\n".join(
        [
            *title(model, net),
            place_text(region),
            f"method     {found.method}, {found.seconds:.3f} s",
            "claim      for every real input in the region, every value of the network, in real arithmetic, lies "
            "between its bounds",
            "",
            *columns(table),
            "",
            *outputs,
        ]
    )


def rounding_text(model: Model, net: str, region: Region, found: RoundingBounds) -> str:
    """The answer of ``workbench rounding``."""
    table = [("node", "operator", "shape", "largest error", "in ulps")]
    for n in model.graph:
        if n.name in found and n.size:
            largest = up(found[n.name].max()), up(np.max(found.ulps(n.name)))
            table.append((printable(n.name), n.op, shape_text(n.shape), *largest))
    outputs = []
    for name in model.graph.outputs:
        bound = found[name][0]
        outputs += [
            f"{printable(name)}{list(at)} within {float(bound[at])!r}" for at in list(np.ndindex(bound.shape))[:LISTED]
        ]
        if bound.size > LISTED:
            outputs.append(f"... and {bound.size - LISTED:,} more; --json prints all")
    return "\n".join(
        [
            *title(model, net),
            place_text(region),
            f"format     {found.format}, sums in {found.order} order, real bounds by {found.real.method}, "
            f"{found.seconds:.3f} s",
            "claim      for every real input in the region, the network run in this format differs from the network in "
            "real arithmetic by at most the bound",
            *[f"assumed    {a}" for a in found.assumptions],
            "",
            *columns(table),
            "",
            *outputs,
        ]
    )


def down(value: float) -> str:
    """A few digits of a lower end, rounded down."""
    return brief(value, DOWN)


def up(value: float) -> str:
    """A few digits of an upper end, rounded up."""
    return brief(value, UP)


def brief(value: float, context: Context) -> str:
    """A float in the context's precision and direction."""
    return format(context.create_decimal(Decimal(float(value))), "g") if isfinite(value) else str(float(value))


def shape_text(shape: Sequence[int]) -> str:
    """``1x10``; a scalar's is ``-``."""
    return "x".join(map(str, shape)) or "-"


def columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows in aligned columns: words to the left, numbers to the right."""
    wide = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    return [
        "  ".join(cell.ljust(w) if k < 3 else cell.rjust(w) for k, (cell, w) in enumerate(zip(row, wide, strict=True)))
        for row in rows
    ]
