"""What goes wrong, as one sentence and an exit code; never a traceback, unless WORKBENCH_TRACEBACK asks for it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer

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
    from workbench.graph import GraphError
    from workbench.io.vnnlib import VnnlibError
    from workbench.op import UnsupportedOperator
    from workbench.region import RegionError

    if isinstance(error, UnsupportedOperator):
        return UNSUPPORTED, str(error)
    if isinstance(error, (GraphError, RegionError, VnnlibError, BadInput)):
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


def printable(text: str) -> str:
    """`text` in one line, without characters that command a terminal: the names in a file are not trusted."""
    return "".join(c if c.isprintable() else " " if c.isspace() else f"\\x{ord(c):02x}" for c in text)
