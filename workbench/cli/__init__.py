"""The command line: workbench show | bounds | rounding | lab.

Exit codes: 0 done; 2 bad input or usage (one sentence on stderr says what and where); 3 the network has an operator,
or the file a feature, without the rule that was needed; 130 interrupted; 1 a fault of the program itself.
The JSON is an interface that others script against: docs/how-to/scripting-the-command-line.md.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from workbench.graph import Array
    from workbench.model import Model
    from workbench.region import Region

BAD_INPUT, UNSUPPORTED, INTERRUPTED, BROKEN_PIPE, FAULT = 2, 3, 130, 141, 1
EXAMPLE = "example:"


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


class BadInput(ValueError):
    """Arguments that do not fit together; the text is shown as it is."""


HELP = """Open a neural network: its graph, sound bounds for every neuron, rounding errors.

NET is an .onnx file, or one of the networks that come with the package: example:digits, example:digits_conv,
example:digits_tanh, example:toy.

\b
Start here:
  workbench show example:digits
  workbench bounds example:digits --center example:7 --eps 0.02
  workbench rounding example:digits --center example:7 --eps 0.02 --format bfloat16
  workbench lab

\b
Exit codes: 0 done, 2 bad input or usage, 3 an operator without the rule that is needed,
130 interrupted, 1 a fault of the program.
"""
app = typer.Typer(
    help=HELP,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)

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


@app.callback(invoke_without_command=True)
def top(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="print the version and exit")] = False,
) -> None:
    """Nothing of its own to do but --version and the help."""
    if version:
        import workbench

        print(f"workbench {workbench.__version__}")
    elif context.invoked_subcommand is None:
        print(context.get_help())
    else:
        return
    raise typer.Exit


@app.command()
def show(
    net: NET,
    as_json: JSON = False,
    dot: Annotated[bool, typer.Option("--dot", help="print the graph for Graphviz")] = False,
    svg: Annotated[
        Path | None, typer.Option("--svg", metavar="FILE", help="draw the graph into FILE; no browser is needed")
    ] = None,
) -> None:
    """Print a network: every node with its shape, the parameters, what is not supported.

    \b
    Examples:
      workbench show net.onnx
      workbench show net.onnx --svg net.svg
      workbench show net.onnx --dot | dot -Tpdf > net.pdf
      workbench show net.onnx --json | jq '.graph.nodes[].op'
    """
    with faults_in_one_sentence():
        if as_json and dot:
            raise BadInput("--json and --dot both print the graph: choose one")
        from workbench import report

        model = open_network(net)
        if svg is not None:
            from workbench.views.svg import graph_svg

            svg.write_text(graph_svg(model.graph), encoding="utf-8")
        if as_json:
            print_json(report.network(model, net))
        elif dot:
            print(model.graph.to_dot())
        elif svg is None:
            print(report.network_text(model, net))


@app.command()
def bounds(
    net: NET,
    vnnlib: VNNLIB = None,
    box: BOX = None,
    center: CENTER = None,
    eps: EPS = None,
    norm: NORM = Norm.inf,
    clip: CLIP = None,
    method: Annotated[
        Method, typer.Option("--method", help="ibp is the fastest, crown the tightest")
    ] = Method.crown,
    as_json: JSON = False,
) -> None:
    """Bound every neuron over a region: for every real input in it, the value lies between the bounds.

    The network is taken in real arithmetic, its weights as the numbers in the file; the bounds account for the rounding
    of their own computation. The region is a VNN-LIB file's, or a ball: --center and --eps.

    \b
    Examples:
      workbench bounds example:digits --center example:7 --eps 0.02 --clip 0,1
      workbench bounds net.onnx --vnnlib property.vnnlib --method ibp
      workbench bounds net.onnx --center x.npy --eps 0.5 --norm 2 --json > bounds.json

    \b
    In Python:  json.load(open("bounds.json"))["nodes"]["logits"]["lower"]
    Infinite ends are the strings "inf" and "-inf", which Python's float() reads.
    """
    with faults_in_one_sentence():
        from workbench import report

        model = open_network(net)
        region = read_region(model, vnnlib, box, center, eps, norm, clip)
        with progress_bar(str(method)) as progress:
            found = model.bounds(str(method), region=region, progress=progress)
        if as_json:
            print_json(report.bounds(model, net, region, found))
        else:
            print(report.bounds_text(model, net, region, found))


@app.command()
def rounding(
    net: NET,
    vnnlib: VNNLIB = None,
    box: BOX = None,
    center: CENTER = None,
    eps: EPS = None,
    norm: NORM = Norm.inf,
    clip: CLIP = None,
    form: Annotated[
        Format,
        typer.Option("--format", help="number format; binary16 and bfloat16 add up in binary32"),
    ] = Format.binary32,
    as_json: JSON = False,
) -> None:
    """Bound every neuron's rounding error over a region, for any order of summation, with or without FMA.

    The bound is on the difference between the network run in the format and in real arithmetic. What it assumes of
    the machine and of its library functions is printed with it.

    \b
    Examples:
      workbench rounding example:digits --center example:7 --eps 0.02
      workbench rounding net.onnx --vnnlib property.vnnlib --format bfloat16
      workbench rounding net.onnx --center x.npy --eps 0 --json > errors.json
    """
    with faults_in_one_sentence():
        from workbench import report

        model = open_network(net)
        region = read_region(model, vnnlib, box, center, eps, norm, clip)
        with progress_bar(str(form)) as progress:
            found = model.rounding(str(form), region=region, progress=progress)
        if as_json:
            print_json(report.rounding(model, net, region, found))
        else:
            print(report.rounding_text(model, net, region, found))


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def lab(
    context: typer.Context,
    folder: Annotated[
        Path | None, typer.Argument(metavar="DIR", help="folder to open; by default the tutorials")
    ] = None,
) -> None:
    """Start JupyterLab on the tutorials, or on DIR. Options that are not ours go to JupyterLab.

    \b
    Examples:
      workbench lab
      workbench lab my-notebooks --no-browser --port 9000
    """
    with faults_in_one_sentence():
        from importlib.util import find_spec

        if find_spec("jupyterlab") is None:
            raise BadInput("JupyterLab is not installed here: pip install 'nnworkbench[lab]'")
        given = [str(folder)] if folder is not None else []
        if given and given[0].startswith("-"):  # an option that is JupyterLab's, and no folder
            folder = None
        else:
            given = []
        if folder is None:
            beside = Path(__file__).resolve().parents[1] / "tutorials"
            folder = next((f for f in (Path("tutorials"), beside) if f.is_dir()), Path())
        if not folder.is_dir():
            raise BadInput(f"there is no folder {str(folder)!r}")
        root = ["--allow-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
        command = [sys.executable, "-m", "jupyterlab", str(folder), *root, *given, *context.args]
        sys.stdout.flush()
        os.execv(sys.executable, command)  # noqa: S606 - replaced, not wrapped: signals reach JupyterLab itself


