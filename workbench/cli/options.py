"""The options that several commands share, and what may be chosen."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer


class Norm(StrEnum):
    """As in `workbench.region.Norm`."""

    inf = "inf"
    two = "2"
    one = "1"


def _method(name: str) -> str:
    from workbench.methods.named import method_of

    try:
        return method_of(name)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def _format(name: str) -> str:
    from workbench.floats.program import program_of

    try:
        return program_of(name).name
    except ValueError as error:
        raise typer.BadParameter(str(error).removesuffix(", or give a Format or a Semantics")) from None


# Their names stand here too, for the help, which must not wait for NumPy; a test compares them.
METHODS = "ibp|crown-ibp|crown|alpha-crown|zonotope|crown-zonotope|lp|milp"
FORMATS = "binary64|binary32|binary16|bfloat16"
METHOD = Annotated[
    str,
    typer.Option(
        "--method",
        parser=_method,
        metavar=METHODS,
        help="ibp to alpha-crown: from the fastest to the tightest; alpha-crown is for networks with relus, lp and "
        "milp are for small ones, with highspy",
    ),
]
FORMAT = Annotated[
    str,
    typer.Option(
        "--format",
        parser=_format,
        metavar=FORMATS,
        help="number format; binary16 and bfloat16 add up in binary32",
    ),
]
NET = Annotated[str, typer.Argument(metavar="NET", help="an .onnx file, or example:digits and the like")]
VNNLIB = Annotated[
    Path | None, typer.Option("--vnnlib", metavar="FILE", help="take the region from a VNN-LIB property file")
]
BOX = Annotated[
    str | None,
    typer.Option("--box", metavar="K|hull", help="which box of a file that has several: 1, 2, ... or hull"),
]
CENTER = Annotated[
    str | None,
    typer.Option(
        "--center",
        metavar="FILE",
        help="centre of the region: .npy, .npz (one array, or the one named center or x), .csv or .txt; "
        "example:K is the K-th input that comes with an example network",
    ),
]
EPS = Annotated[
    float | None, typer.Option("--eps", metavar="E", help="radius around the centre, in the input's units")
]
NORM = Annotated[Norm, typer.Option("--norm", help="norm of the ball")]
CLIP = Annotated[
    str | None,
    typer.Option(
        "--clip", metavar="A,B", help="cut the ball to inputs between A and B, such as 0,1 for pixels"
    ),
]
JSON = Annotated[bool, typer.Option("--json", help="print JSON in place of text")]


@dataclass(frozen=True)
class Where:
    """What the options say about the region: see `workbench.cli.reading.read_region`."""

    vnnlib: VNNLIB = None
    box: BOX = None
    center: CENTER = None
    eps: EPS = None
    norm: NORM = Norm.inf
    clip: CLIP = None


def takes_region(command: Callable[..., None]) -> Callable[..., None]:
    """Gives a command the region's options in place of its parameter `where`, which becomes a `Where` of them."""
    own = inspect.signature(command, eval_str=True).parameters
    fields = inspect.signature(Where, eval_str=True).parameters

    def run(**given: Any) -> None:
        where = Where(**{name: given.pop(name) for name in fields})
        command(where=where, **given)

    parameters: list[inspect.Parameter] = []
    for name, parameter in own.items():
        parameters += fields.values() if name == "where" else [parameter]
    functools.update_wrapper(run, command)
    del run.__wrapped__  # type: ignore[attr-defined]  # whose signature would be read in place of ours
    run.__annotations__ = {p.name: p.annotation for p in parameters}
    run.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in parameters]
    )
    return run
