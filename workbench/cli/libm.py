"""workbench libm: try every input of a library function, and keep what was found."""

from __future__ import annotations

import sys
from enum import StrEnum
from time import monotonic
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workbench.cli.faults import BadInput, faults_in_one_sentence

if TYPE_CHECKING:
    from pathlib import Path

    from workbench.floats.checked import Implementation
    from workbench.floats.format import Format
    from workbench.floats.libm import Scan

SAVED = 5.0  # seconds between two writings of the state


class Form(StrEnum):
    """Formats whose inputs can all be tried."""

    binary16 = "binary16"
    bfloat16 = "bfloat16"
    binary32 = "binary32"


class Library(StrEnum):
    """Whose functions are tried."""

    numpy = "numpy"
    onnxruntime = "onnxruntime"


libm = typer.Typer(
    help="Library functions: how exact exp, tanh and their kin are on this machine.",
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
)


@libm.command(short_help="Try every input of library functions.")
def check(
    functions: Annotated[
        list[str] | None,
        typer.Argument(metavar="[FUNCTION]...", help="exp, tanh ...; by default all", show_default=False),
    ] = None,
    form: Annotated[
        list[Form] | None,
        typer.Option("--format", help="may be repeated; by default the two of 16 bits", show_default=False),
    ] = None,
    library: Annotated[Library, typer.Option("--library", help="whose functions")] = Library.numpy,
    chunks: Annotated[
        int | None,
        typer.Option(
            "--chunks", metavar="N", min=1, help="stop after N parts of 262,144 inputs; run again to go on"
        ),
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="begin again, whatever was found before")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON object instead")] = False,
) -> None:
    """Try every input of library functions, and keep the largest error and a hash of all answers.

    A rounding bound assumes how exact these functions are. What was tried for NumPy here takes the assumption's
    place in verdicts made here. A format of 16 bits takes a second; binary32 has 4,294,967,296 inputs and takes some
    twenty minutes a function: it can be stopped at any time, and goes on where it was.

    \b
    Examples:
      workbench libm check
      workbench libm check exp tanh --format binary32
      workbench libm check exp --format binary32 --chunks 1000
      workbench libm check tanh --library onnxruntime --format binary32
    """  # noqa: D301 - a backspace, which keeps the lines below it as they are
    with faults_in_one_sentence():
        from workbench.floats import checked
        from workbench.floats import libm as scans

        unknown = [f for f in functions or () if f not in scans.REFERENCES]
        if unknown:
            raise BadInput(
                f"there is no reference for {unknown[0]!r}: choose of {', '.join(scans.REFERENCES)}"
            )
        forms = list(dict.fromkeys(form or (Form.binary16, Form.bfloat16)))
        found: list[dict[str, Any]] = []
        for one in forms:
            for function in functions or tuple(scans.REFERENCES):
                name, run = _implementation(library, function, scans.ALLOWED[one.value])
                if run is None:
                    if functions:
                        raise BadInput(f"{name} has no {function} in {one.value}")
                    continue
                path = checked.path_of(library.value, function, one.value)
                scan = _scanned(path, name, run, function, scans.ALLOWED[one.value], chunks, fresh)
                found.append(_told(path, name, scan))
                if not as_json:
                    typer.echo(f"{name}: {scan.sentence()}")
        if as_json:
            from workbench.cli import write_json

            write_json({"format": "workbench.libm.v1", "folder": str(checked.folder()), "checked": found})
        elif any(not f["finished"] for f in found):
            typer.echo("not all inputs were tried: run the same command again to go on")


@libm.command("list", short_help="What was tried here, and whether it is believed.")
def list_facts(
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON object instead")] = False,
) -> None:
    """Print what was tried here, and whether it is believed: some of it is computed again.

    \b
    Example:
      workbench libm list
    """  # noqa: D301 - a backspace, which keeps the lines below it as they are
    with faults_in_one_sentence():
        from workbench.floats import checked
        from workbench.floats import libm as scans

        rows = []
        for path in sorted(checked.folder().glob("*.json")):
            try:
                said, _, scan, _ = checked.load(path)
                name, run = _implementation(Library(said.split()[0]), scan.function, scans.ALLOWED[scan.form])
                fact = None if run is None else checked.believe(path, run, name, checked.machine())
                why = "" if fact is not None else f"{name} has no {scan.function} here"
                rows.append({**_told(path, name, scan), "believed": fact is not None, "why": why})
            except (checked.Disbelieved, ValueError) as error:
                rows.append({"file": str(path), "believed": False, "why": str(error)})
        if as_json:
            from workbench.cli import write_json

            write_json({"format": "workbench.libm.v1", "folder": str(checked.folder()), "facts": rows})
            return
        for row in rows:
            typer.echo(row["sentence"] if row["believed"] else f"not believed: {row['why']}")
        if not rows:
            typer.echo(f"nothing was tried yet ({checked.folder()}): run workbench libm check")


def _implementation(library: Library, function: str, form: Format) -> tuple[str, Implementation | None]:
    """The library with its version, and its function, or None where it has none in this format.

    Raises
    ------
    BadInput
        A library that is not installed.
    """
    from workbench.floats import checked

    if library is Library.numpy:
        try:
            return checked.library(), checked.numpys(function, form)
        except ValueError:
            return checked.library(), None
    from workbench.io import runtime

    try:
        return runtime.version(), runtime.operator(function, form)
    except ImportError as error:
        missing = "onnx" if "onnxruntime" not in str(error) else "onnxruntime"
        raise BadInput(f"{missing} is not installed here: pip install {missing}") from None


def _scanned(
    path: Path, name: str, run: Implementation, function: str, form: Format, chunks: int | None, fresh: bool
) -> Scan:
    """Begin, or go on; what was found is written every few seconds, and when it is stopped."""
    from tqdm import tqdm

    from workbench.floats import checked
    from workbench.floats import libm as scans

    where = checked.machine()
    state, chain = scans.start(function, form), list[str]()
    if not fresh:
        try:
            said, there, held, parts = checked.load(path)
        except checked.Disbelieved:
            pass
        else:
            same = (said, there, held.function, held.form) == (name, where, function, form.name)
            if same and not held.finished:
                state, chain = held, parts
    written = monotonic()
    bar = tqdm(
        total=state.total,
        initial=state.done,
        desc=f"{function} {form.name}",
        disable=not sys.stderr.isatty(),
        delay=0.5,
        leave=False,
        unit_scale=True,
        unit=" inputs",
    )

    def progress(now: Scan) -> bool:
        nonlocal written, state
        chain.append(now.digest)
        state = now
        bar.update(now.done - bar.n)
        if monotonic() - written > SAVED:
            checked.save(path, name, where, now, chain)
            written = monotonic()
        return False

    limit = None if chunks is None else chunks * scans.CHUNK
    with bar:
        try:
            scans.scan(state, run, inputs=limit, progress=progress)
        finally:
            # an interrupt may have come between a chunk and its note
            checked.save(path, name, where, state, chain[: -(-state.done // scans.CHUNK)])
    return state


def _told(path: Path, name: str, scan: Scan) -> dict[str, Any]:
    return {
        "library": name,
        "function": scan.function,
        "format": scan.form,
        "finished": scan.finished,
        "done": scan.done,
        "total": scan.total,
        "worst": scan.worst,
        "worst_input": scan.worst_input,
        "faults": scan.faults,
        "digest": scan.digest,
        "file": str(path),
        "sentence": f"{name}: {scan.sentence()}",
    }
