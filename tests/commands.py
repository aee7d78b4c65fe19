"""Running the command line inside a test's own process."""

from __future__ import annotations

import json
from typing import Any

from typer.testing import CliRunner, Result

from workbench.cli import app

CENTER = ("--center", "example:7", "--eps", "0.02", "--clip", "0,1")


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(a) for a in arguments], prog_name="workbench")


def answer(*arguments: object) -> Any:
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.stderr
    assert result.stderr == ""

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    return json.loads(result.stdout, parse_constant=refuse)


def fails(code: int, *arguments: object) -> str:
    """What a command that must fail with `code` says: one line on stderr, nothing on stdout."""
    result = run(*arguments)
    assert result.exit_code == code, result.stderr
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith("workbench: ")
    return line
