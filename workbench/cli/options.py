"""The options that several commands share, and what may be chosen."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Method(StrEnum):
    """As in `workbench.methods.named.METHODS`, without importing it before it is needed."""

    ibp = "ibp"
    crown_ibp = "crown-ibp"
    crown = "crown"


class Format(StrEnum):
    """As in `workbench.model.FORMATS`."""

    binary64 = "binary64"
    binary32 = "binary32"
    binary16 = "binary16"
    bfloat16 = "bfloat16"


class Norm(StrEnum):
    """As in `workbench.region.Norm`."""

    inf = "inf"
    two = "2"
    one = "1"


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
