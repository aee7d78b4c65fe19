"""What goes wrong, as one sentence and an exit code; never a traceback, unless WORKBENCH_TRACEBACK asks for it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import typer
from typer.core import TyperGroup

from workbench.tables import printable

UsageError: Any = typer.BadParameter.__mro__[
    1
]  # typer carries its own copy of click, older ones used the package
FAULT, BAD_INPUT, UNSUPPORTED, INTERRUPTED, BROKEN_PIPE = 1, 2, 3, 130, 141


class BadInput(ValueError):
    """Arguments or files that do not fit; the text is shown as it is."""


@contextmanager
def faults_in_one_sentence() -> Iterator[None]:
    """Around the body of a command."""
    try:
        yield
        sys.stdout.flush()
    except typer.Exit:
        raise
    except KeyboardInterrupt:
        raise stop(INTERRUPTED, "interrupted") from None
    except BrokenPipeError:  # who reads our output has gone, as with `| head`: nothing to complain about
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(BROKEN_PIPE) from None
    except Exception as error:
        if os.environ.get("WORKBENCH_TRACEBACK"):
            raise
        raise stop(*explain(error)) from None


def explain(error: Exception) -> tuple[int, str]:
    """Exit code and sentence for what went wrong."""
    from workbench.floats.program import Unbounded
    from workbench.graph import GraphError
    from workbench.io.vnnlib import VnnlibError
    from workbench.op import UnsupportedOperator
    from workbench.region import RegionError
    from workbench.wanted import SpecificationError

    if isinstance(error, (UnsupportedOperator, Unbounded)):
        return UNSUPPORTED, str(error)
    if isinstance(error, (GraphError, RegionError, VnnlibError, SpecificationError, BadInput)):
        return BAD_INPUT, str(error)
    if isinstance(error, OSError):
        return BAD_INPUT, f"{error.filename or 'a file'}: {error.strerror or error}"
    if isinstance(error, MemoryError):
        return (
            BAD_INPUT,
            f"this network needs more memory over this region than there is: {error}",
        )
    return FAULT, (
        f"a fault of the program, not of your input: {type(error).__name__}: {error} "
        "(please report what it prints with WORKBENCH_TRACEBACK=1 set)"
    )


def stop(code: int, sentence: str) -> typer.Exit:
    """Say it on stderr; the exception to raise."""
    typer.echo(f"workbench: {printable(sentence)}", err=True)
    return typer.Exit(code)


class OwnVoice(TyperGroup):
    """The commands; wrong usage is told as every other fault is: one sentence, on stderr, and exit code 2."""

    def main(self, *arguments: Any, **options: Any) -> Any:
        """Run, and exit, unless the caller says that this is no program of its own."""
        alone = options.get("standalone_mode", True)
        run = partial(super().main, *arguments, **{**options, "standalone_mode": False})
        if not alone:
            return run()
        try:
            code = run()
        except UsageError as error:
            code = stop(BAD_INPUT, usage(error)).exit_code
        except typer.Abort:
            code = stop(INTERRUPTED, "interrupted").exit_code
        sys.exit(code if isinstance(code, int) else 0)


def usage(error: Any) -> str:
    """What was wrong with the arguments, and where to read what is right."""
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "workbench"
    said = " ".join(error.format_message().split()).removesuffix(".")
    return f"{said[:1].lower()}{said[1:]} (see {command} --help)"
