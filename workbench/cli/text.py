"""What the commands answer, as text for people.  The few digits of a table are rounded outward: they are bounds too."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from workbench.cli.report import network
from workbench.methods.bounds import widest
from workbench.region import add_up
from workbench.tables import OUTWARD, Table, down, printable, shape_text, up

if TYPE_CHECKING:
    from workbench.cli.options import Where
    from workbench.graph import Array
    from workbench.methods.bounds import Bounds
    from workbench.methods.rounding import RoundingBounds
    from workbench.model import Model
    from workbench.region import Region

LISTED = 20  # elements of an output that are listed one by one


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


def bounds_text(model: Model, net: str, region: Region, found: Bounds, where: Where | None = None) -> str:
    """The answer of ``workbench bounds``."""

    def ends(name: str) -> tuple[str, ...]:
        b = found[name]
        return down(b.lower.min()), up(b.upper.max()), up(widest(b))

    def element(name: str, at: tuple[int, ...]) -> str:
        return f"in [{float(found[name].lower[0][at])!r}, {float(found[name].upper[0][at])!r}]"

    unasked = []
    if where is not None and where.vnnlib is not None:
        unasked = ["", "not asked  what the property says about outputs: workbench verify does"]
    head = [
        f"method     {found.method}, {found.seconds:.3f} s",
        "claim      for every real input in the region, every value of the network",
        "           in real arithmetic lies between its bounds",
    ]
    table = node_table(model, found, ("lowest", "highest", "widest"), ends)
    arrays = {n: found[n].lower[0] for n in model.graph.outputs}
    return "\n".join([*answer(model, net, region, head, table), *outputs(model, arrays, element), *unasked])


def rounding_text(model: Model, net: str, region: Region, found: RoundingBounds) -> str:
    """The answer of ``workbench rounding``."""

    def largest(name: str) -> tuple[str, ...]:
        return up(found[name].max()), up(np.max(found.ulps(name)))

    def element(name: str, at: tuple[int, ...]) -> str:
        return f"within {float(found[name][0][at])!r}"

    head = [
        f"format     {found.format}, sums in {found.order} order",
        f"method     {found.real.method} for the real bounds; {found.seconds:.3f} s",
        "claim      for every real input in the region, the network run in this format",
        "           differs from the network in real arithmetic by at most the bound",
        *[f"assumed    {assumption}" for assumption in found.assumptions],
    ]
    table = node_table(model, found, ("largest error", "in ulps"), largest)
    arrays = {n: found[n][0] for n in model.graph.outputs}
    return "\n".join([*answer(model, net, region, head, table), *outputs(model, arrays, element)])


def answer(model: Model, net: str, region: Region, head: Sequence[str], table: Table) -> list[str]:
    """What both answers begin with: the network, the region, what is claimed, and a row a node."""
    return [*title(model, net), place(region), *head, "", *table.lines(), f"({table.note})", ""]


def node_table(
    model: Model, found: Container[str], names: Sequence[str], numbers: Callable[[str], Sequence[str]]
) -> Table:
    """A row for each node that something was found about."""
    rows = [("node", "operator", "shape", *names)]
    rows += [
        (printable(n.name), n.op, shape_text(n.shape), *numbers(n.name))
        for n in model.graph
        if n.name in found and n.size
    ]
    return Table("", rows, f"{OUTWARD}; --json has all")


def title(model: Model, net: str) -> list[str]:
    """Path and hash."""
    return [printable(model.path or net), f"sha256 {model.sha256}", ""]


def place(region: Region) -> str:
    """The region in words."""
    widest = up(np.max(add_up(region.upper, -region.lower), initial=0.0))
    text = f"region     {region.lower[0].size:,} inputs, each at most {widest} wide"
    if region.eps is None:
        return text
    text += f": within {region.eps!r} of the centre in the {region.norm} norm"
    if region.clip is not None:
        text += f", and within [{region.clip[0]!r}, {region.clip[1]!r}]"
    if not region.is_box:
        text += ";\n           the box of these widths cuts the ball; IBP uses the box alone, CROWN both"
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
