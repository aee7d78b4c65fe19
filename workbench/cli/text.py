"""What the commands answer, as text for people.  The few digits of a table are rounded outward: they are bounds too."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from math import isfinite
from typing import TYPE_CHECKING

import numpy as np

from workbench.cli.faults import printable
from workbench.cli.report import network

if TYPE_CHECKING:
    from workbench.graph import Array
    from workbench.methods.bounds import Bounds
    from workbench.methods.rounding import RoundingBounds
    from workbench.model import Model
    from workbench.region import Region

LISTED = 20  # elements of an output that are listed one by one
DOWN, UP = (Context(prec=5, rounding=direction) for direction in (ROUND_FLOOR, ROUND_CEILING))


def network_text(model: Model, net: str) -> str:
    """The answer of ``workbench show``."""
    answer = network(model, net)
    used = ", ".join(f"{count} {op}" for op, count in answer["operators"].items())
    lack = [f"{op} has no rule for {', '.join(lacks)}" for op, lacks in answer["missing"].items()]
    return "\n".join(
        [
            *title(model, net),
            *(printable(line) for line in model.graph.to_text().splitlines()),
            "",
            f"nodes      {len(model.graph):,}, with {model.graph.parameters:,} parameters",
            f"operators  {used or 'none'}",
            f"missing    {'; '.join(lack) or 'nothing: every operator has a rule for every meaning'}",
        ]
    )


def bounds_text(model: Model, net: str, region: Region, found: Bounds) -> str:
    """The answer of ``workbench bounds``."""
    table = [("node", "operator", "shape", "lowest", "highest", "widest")]
    for n in model.graph:
        if n.name in found and n.size:
            b = found[n.name]
            ends = down(b.lower.min()), up(b.upper.max()), up(b.width.max())
            table.append((printable(n.name), n.op, shape_text(n.shape), *ends))

    def element(name: str, at: tuple[int, ...]) -> str:
        return f"in [{float(found[name].lower[0][at])!r}, {float(found[name].upper[0][at])!r}]"

    return "\n".join(
        [
            *title(model, net),
            place(region),
            f"method     {found.method}, {found.seconds:.3f} s",
            "claim      for every real input in the region, every value of the network",
            "           in real arithmetic lies between its bounds",
            "",
            *columns(table),
            "",
            *outputs(model, {n: found[n].lower[0] for n in model.graph.outputs}, element),
        ]
    )


def rounding_text(model: Model, net: str, region: Region, found: RoundingBounds) -> str:
    """The answer of ``workbench rounding``."""
    table = [("node", "operator", "shape", "largest error", "in ulps")]
    for n in model.graph:
        if n.name in found and n.size:
            largest = up(found[n.name].max()), up(np.max(found.ulps(n.name)))
            table.append((printable(n.name), n.op, shape_text(n.shape), *largest))

    def element(name: str, at: tuple[int, ...]) -> str:
        return f"within {float(found[name][0][at])!r}"

    return "\n".join(
        [
            *title(model, net),
            place(region),
            f"format     {found.format}, sums in {found.order} order",
            f"method     {found.real.method} for the real bounds; {found.seconds:.3f} s",
            "claim      for every real input in the region, the network run in this format",
            "           differs from the network in real arithmetic by at most the bound",
            *[f"assumed    {assumption}" for assumption in found.assumptions],
            "",
            *columns(table),
            "",
            *outputs(model, {n: found[n][0] for n in model.graph.outputs}, element),
        ]
    )


def title(model: Model, net: str) -> list[str]:
    """Path and hash."""
    return [printable(model.path or net), f"sha256 {model.sha256}", ""]


def place(region: Region) -> str:
    """The region in words."""
    widest = up(np.max(np.nextafter(region.upper - region.lower, np.inf), initial=0.0))
    text = f"region     {region.lower[0].size:,} inputs, each at most {widest} wide"
    if region.eps is not None:
        text += f": within {region.eps!r} of the centre in the {region.norm} norm"
        if region.clip is not None:
            text += f", and within [{region.clip[0]!r}, {region.clip[1]!r}]"
    return text


def outputs(
    model: Model, arrays: dict[str, Array], element: Callable[[str, tuple[int, ...]], str]
) -> Iterator[str]:
    """A line for each element of each output, up to `LISTED`; all digits, so that nothing is rounded."""
    for name in model.graph.outputs:
        array = arrays[name]
        for flat in range(min(LISTED, array.size)):
            at = tuple(map(int, np.unravel_index(flat, array.shape)))
            yield f"{printable(name)}{list(at)} {element(name, at)}"
        if array.size > LISTED:
            yield f"... and {array.size - LISTED:,} more: --json has all"


def down(value: float) -> str:
    """A few digits of a lower end, rounded down."""
    return _brief(value, DOWN)


def up(value: float) -> str:
    """A few digits of an upper end, rounded up.

    >>> up(0.1), down(0.1)
    ('0.10001', '0.10000')
    """
    return _brief(value, UP)


def _brief(value: float, context: Context) -> str:
    return (
        format(context.create_decimal(Decimal(float(value))), "g") if isfinite(value) else str(float(value))
    )


def shape_text(shape: Sequence[int]) -> str:
    """``1x10``; a scalar's is ``-``."""
    return "x".join(map(str, shape)) or "-"


def columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows in aligned columns: three of words to the left, then numbers to the right."""
    wide = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    return [
        "  ".join(
            cell.ljust(width) if k < 3 else cell.rjust(width)
            for k, (cell, width) in enumerate(zip(row, wide, strict=True))
        )
        for row in rows
    ]
