"""workbench laws: what rules are held to, checked now, as a table."""

from __future__ import annotations

from typing import Annotated

import typer

from workbench.cli.faults import BadInput, faults_in_one_sentence


def laws(
    what: Annotated[str, typer.Argument(metavar="WHAT", help="autodiff: every gradient rule")] = "autodiff",
) -> None:
    """Check every gradient rule, and print how: exactly, by identity testing, by SymPy, and by differences.

    \b
    Example:
      workbench laws autodiff

    \b
    Exit codes: 0 every check held, 1 one did not.
    """  # noqa: D301 - a backspace, which keeps the lines below it as they are
    with faults_in_one_sentence():
        if what != "autodiff":
            raise BadInput(f"there are laws of autodiff, not of {what!r}")
        from workbench.autodiff import laws as autodiff

        rows = [autodiff.judged(case) for case in autodiff.CASES]
        typer.echo(repr(autodiff.table(rows)))
        failed = any(row.failed for row in rows)
    if failed:
        raise typer.Exit(1)
