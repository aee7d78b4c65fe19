"""The command line: workbench show | bounds | rounding | lab.

Exit codes: 0 done; 2 bad input or usage (one sentence on stderr says what and where); 3 the network has an operator,
or the file a feature, without the rule that was needed; 130 interrupted; 1 a fault of the program itself.
The JSON is an interface that others script against: docs/how-to/scripting-the-command-line.md.

Nothing heavier than typer is imported before a command needs it.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from workbench.cli import options as o
from workbench.cli.bench import bench
from workbench.cli.check import check
from workbench.cli.faults import INTERRUPTED, BadInput, OwnVoice, faults_in_one_sentence
from workbench.cli.laws import laws
from workbench.cli.libm import libm
from workbench.cli.page import report
from workbench.cli.supports import supports
from workbench.cli.verify import verify
from workbench.tables import printable

HELP = """Open a neural network: its graph, sound bounds for every neuron, rounding errors.

NET is an .onnx file, or one of the networks that come with the package: example:digits, example:digits_conv,
example:digits_tanh, example:toy, example:controller.

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
    cls=OwnVoice,
    help=HELP,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


@app.callback(invoke_without_command=True)
def top(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="print the version and exit")] = False,
    name: Annotated[bool, typer.Option("--name", help="print the program's full name and exit")] = False,
) -> None:
    """Nothing of its own to do but --version, --name and the help."""
    if version:
        import workbench

        typer.echo(workbench.__version__)
    elif name:
        typer.echo("NN Workbench")
    elif context.invoked_subcommand is None:
        typer.echo(context.get_help())
    else:
        return
    raise typer.Exit


@app.command(short_help="Print the graph, the parameters, what is not supported.")
def show(
    net: o.NET,
    as_json: o.JSON = False,
    dot: Annotated[bool, typer.Option("--dot", help="print the graph for Graphviz")] = False,
    svg: Annotated[
        Path | None,
        typer.Option("--svg", metavar="FILE", help="draw the graph into FILE; no browser is needed"),
    ] = None,
) -> None:
    """Print a network: every node with its shape, the parameters, what is not supported.

    \b
    Examples:
      workbench show net.onnx
      workbench show net.onnx --svg net.svg
      workbench show net.onnx --dot | dot -Tpdf > net.pdf
      workbench show net.onnx --json | jq '.graph.nodes[].op'
    """  # noqa: D301 - a backspace, which keeps the lines below it as they are
    with faults_in_one_sentence():
        if as_json and dot:
            raise BadInput("--json and --dot both print the graph: choose one")
        from workbench.cli import reading, report, text

        model = reading.open_network(net, name_all_unsupported=True)
        if svg is not None:
            from workbench.views.svg import graph_svg

            svg.write_text(graph_svg(model.graph), encoding="utf-8")
        if as_json:
            write_json(report.network(model, net))
        elif dot:
            typer.echo(model.graph.to_dot())
        elif svg is None:
            typer.echo(text.network_text(model, net))


@app.command(short_help="Bound every neuron over a region.")
@o.takes_region
def bounds(
    net: o.NET,
    where: o.Where,
    method: o.METHOD = "crown",
    as_json: o.JSON = False,
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
    """  # noqa: D301 - a backspace, which keeps the lines below it as they are
    with faults_in_one_sentence():
        from workbench.cli import reading, report, text

        model = reading.open_network(net)
        region = reading.read_region(model, where)
        with progress_bar(method) as progress:
            found = model.bounds(method, region=region, progress=progress)
        if as_json:
            write_json(report.bounds(model, net, region, found))
        else:
            typer.echo(text.bounds_text(model, net, region, found, where))


@app.command(short_help="Bound every neuron's rounding error over a region.")
@o.takes_region
def rounding(
    net: o.NET,
    where: o.Where,
    form: o.FORMAT = "binary32",
    as_json: o.JSON = False,
) -> None:
    """Bound every neuron's rounding error over a region, for any order of summation, with or without FMA.

    The bound is on the difference between the network run in the format and in real arithmetic. What it assumes of
    the machine and of its library functions is printed with it.

    \b
    Examples:
      workbench rounding example:digits --center example:7 --eps 0.02
      workbench rounding net.onnx --vnnlib property.vnnlib --format bfloat16
      workbench rounding net.onnx --center x.npy --eps 0 --json > errors.json
    """  # noqa: D301 - a backspace, which keeps the lines below it as they are
    with faults_in_one_sentence():
        from workbench.cli import reading, report, text

        model = reading.open_network(net)
        region = reading.read_region(model, where)
        with progress_bar(form) as progress:
            found = model.rounding(form, region=region, progress=progress)
        if as_json:
            write_json(report.rounding(model, net, region, found))
        else:
            typer.echo(text.rounding_text(model, net, region, found))


@app.command(
    short_help="Start JupyterLab on the tutorials.",
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
)
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
    """  # noqa: D301 - a backspace, which keeps the lines below it as they are
    with faults_in_one_sentence():
        from importlib.util import find_spec

        if find_spec("jupyterlab") is None:
            raise BadInput("JupyterLab is not installed here: pip install 'nnworkbench[lab]'")
        options = list(context.args)
        if folder is not None and str(folder).startswith(
            "-"
        ):  # an option that is JupyterLab's, and no folder
            options.insert(0, str(folder))
            folder = None
        if folder is None:
            from workbench.cli import tutorials

            folder = tutorials.folder()
        if not folder.is_dir():
            raise BadInput(f"there is no folder {str(folder)!r}")
        root = ["--allow-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
        command = [sys.executable, "-m", "jupyterlab", str(folder), *root, *options]
        sys.stdout.flush()
        os.execv(sys.executable, command)  # noqa: S606 - replaced, not wrapped: signals reach JupyterLab itself


app.command(short_help="Check a certificate, exactly.")(check)
app.command(short_help="Write a certificate as a page that anybody can open.")(report)
app.command(short_help="Decide a VNN-LIB query: unsat, sat or unknown.")(verify)
app.command(
    short_help="Say which queries and networks can be decided.",
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
)(supports)
app.command(short_help="Check every gradient rule, and say how.")(laws)
app.command(short_help="Decide every instance of a folder, and tabulate.")(bench)
app.add_typer(libm, name="libm", short_help="Try every input of library functions.")


def write_json(answer: dict[str, Any]) -> None:
    """One line of strict JSON."""
    sys.stdout.write(json.dumps(answer, allow_nan=False) + "\n")


@contextmanager
def progress_bar(label: str) -> Iterator[Callable[[float, str], None]]:
    """A bar on stderr, where that is a terminal and the work takes longer than half a second."""
    from tqdm import tqdm

    shown = sys.stderr.isatty()
    form = "{desc:<28.28} {bar:24} {percentage:3.0f} %  {elapsed}, about {remaining} left"
    with tqdm(total=100, desc=label, disable=not shown, delay=0.5, leave=False, bar_format=form) as bar:

        def progress(fraction: float, name: str) -> None:
            bar.set_description_str(printable(f"{label} {name}"), refresh=False)
            if 100 * fraction < bar.n - 50:  # the next part of the work begins
                bar.reset()
            bar.update(max(0.0, 100 * fraction - bar.n))

        yield progress


def main() -> None:
    """The console script."""
    try:
        app(prog_name="workbench")
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
