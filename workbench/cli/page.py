"""workbench report: a certificate as a page that anybody can open."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from workbench.cli.check import CERT, NETWORK, PROPERTY, REJECTED, SECONDS, TIMEOUT
from workbench.cli.faults import UNSUPPORTED, faults_in_one_sentence

OUTPUT = Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="the page to write: .html")]


def report(
    cert: CERT,
    output: OUTPUT,
    network: NETWORK = None,
    asked: PROPERTY = None,
    timeout: TIMEOUT = SECONDS,
) -> None:
    """Check a certificate and write what it proves as one static HTML file, with the certificate inside.

    The page is written whatever the checker says, and says it; exit codes are those of `workbench check`.

    \b
    Example:
      workbench report proof.json --network net.onnx -o report.html
    """  # noqa: D301 - a backspace, which keeps the lines below it as they are
    with faults_in_one_sentence():
        from workbench.certificate.check import Accepted
        from workbench.certificate.format import LONGEST, CannotCheck, Rejected, loads
        from workbench.certificate.page import page
        from workbench.cli.check import run

        result: Accepted | Rejected | CannotCheck
        try:
            with cert.open("rb") as file:
                certificate = loads(file.read(LONGEST + 1))
        except Rejected as error:
            sys.stdout.write(f"rejected: {error.why}; no page was written\n")
            raise typer.Exit(REJECTED) from None
        try:
            result, _ = run(cert, network, asked, timeout, False)
        except (Rejected, CannotCheck) as error:
            result = error
        names = (None if p is None else p.name for p in (network, asked))
        text = page(certificate, result, **dict(zip(("network", "asked"), names, strict=True)))
        output.write_text(text, encoding="utf-8")
        said = (
            "accepted"
            if isinstance(result, Accepted)
            else "rejected"
            if isinstance(result, Rejected)
            else "not checked"
        )
        sys.stdout.write(f"{said}: {output}\n")
        if not isinstance(result, Accepted):
            raise typer.Exit(REJECTED if isinstance(result, Rejected) else UNSUPPORTED)
