"""workbench check: a certificate is checked again, exactly, by a program that shares nothing with the engine."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workbench.cli.faults import UNSUPPORTED, BadInput, faults_in_one_sentence
from workbench.cli.outside import kind, prove
from workbench.tables import printable

if TYPE_CHECKING:
    from workbench.certificate.check import Accepted
    from workbench.graph import Graph
    from workbench.verdict import Verdict

REJECTED = 4
CHECKERS = ("python", "coq", "lean")
SECONDS = 3600.0
CERT = Annotated[Path, typer.Argument(metavar="CERT", help="a certificate: .json, or .json.gz")]
NETWORK = Annotated[
    Path | None,
    typer.Option("--network", metavar="NET", help="compare the certificate's network with this ONNX file"),
]
PROPERTY = Annotated[
    Path | None,
    typer.Option("--property", metavar="FILE", help="compare what is claimed with this VNN-LIB file"),
]
CHECKER = Annotated[
    str,
    typer.Option(
        "--checker", metavar="C", help="python; coq where coqc is installed; lean (experimental: intervals)"
    ),
]
TIMEOUT = Annotated[float, typer.Option("--timeout", metavar="S", help="give up after so many seconds")]
PURE = Annotated[bool, typer.Option("--pure", help="Python's integers only, without python-flint")]
JSON = Annotated[bool, typer.Option("--json", help="print JSON in place of text")]


def check(
    cert: CERT,
    network: NETWORK = None,
    asked: PROPERTY = None,
    checker: CHECKER = "python",
    timeout: TIMEOUT = SECONDS,
    pure: PURE = False,
    as_json: JSON = False,
) -> None:
    """Check a certificate: every bound is computed again in integers, from the choices that are in the file.

    Exit code 0: accepted; 4: rejected, and the first step that failed is named; 3: cannot be checked here (an operator
    without an exact rule, doubled fields in the ONNX file, a checker that is not available, the time limit).

    \b
    Examples:
      workbench verify prop_4.vnnlib --network net.onnx --certificate proof.json
      workbench check proof.json --network net.onnx
      workbench check proof.json --network net.onnx --property prop_4.vnnlib --json
      workbench check proof.json --network net.onnx --checker coq
      workbench check leaves.json --network net.onnx      (alpha,beta-CROWN; also auto_LiRPA's .npz, TorchLean's files)
    """  # noqa: D301 - a backspace, which keeps the lines below it as they are
    with faults_in_one_sentence():
        if checker not in CHECKERS:
            raise BadInput(f"--checker must be one of {', '.join(CHECKERS)}, not {checker!r}")
        from workbench.certificate.format import CannotCheck, Rejected

        start = perf_counter()
        try:
            if checker == "python" and (other := kind(cert)) is not None:
                if asked is not None or pure:
                    raise BadInput(
                        "--property and --pure are for our own certificates; this is a file of another tool"
                    )
                proved = prove(cert, network, timeout)
                told = {
                    "result": "accepted",
                    "format": other,
                    "proved": proved,
                    "seconds": perf_counter() - start,
                }
                _say(told, as_json, "\n".join(["accepted", *(f"  {line}" for line in proved)]))
                return
            accepted, how = RUN[checker](cert, network, asked, timeout, pure)
        except Rejected as error:
            step, why = printable(error.step), printable(error.why)
            _say(
                {"result": "rejected", "step": step, "why": why},
                as_json,
                f"rejected\n  step       {step}\n  why        {why}",
            )
            raise typer.Exit(REJECTED) from None
        except CannotCheck as error:
            why = printable(str(error))
            _say({"result": "not checked", "why": why}, as_json, f"not checked: {why}")
            raise typer.Exit(UNSUPPORTED) from None
        seconds = perf_counter() - start
        _say(
            as_data(accepted, network, seconds, how, checker),
            as_json,
            in_words(accepted, network, asked, seconds, how, checker),
        )


def run(
    cert: Path, network: Path | None, asked: Path | None, timeout: float, pure: bool
) -> tuple[Accepted, str]:
    """Read and check; also in words how the arithmetic was done."""
    from workbench.certificate.check import check as checked
    from workbench.certificate.matrices import Matrices

    flint = False if pure else None
    how = "python-flint's integer matrices" if not pure and Matrices().make else "Python's integers only"
    return _asked(
        cert, network, asked, lambda c, other: (checked(c, network=other, flint=flint, seconds=timeout), how)
    )


def run_coq(
    cert: Path, network: Path | None, asked: Path | None, timeout: float, pure: bool
) -> tuple[Accepted, str]:
    """Read, and let Coq check; also in words which Coq."""
    from workbench.certificate.coq import check_with_coq

    return _asked(cert, network, asked, lambda c, other: check_with_coq(c, network=other, seconds=timeout))


def run_lean(
    cert: Path, network: Path | None, asked: Path | None, timeout: float, pure: bool
) -> tuple[Accepted, str]:
    """Read, and let Lean check; also in words which Lean."""
    from workbench.certificate.lean import check_with_lean

    return _asked(cert, network, asked, lambda c, other: check_with_lean(c, network=other, seconds=timeout))


def _asked(
    cert: Path,
    network: Path | None,
    asked: Path | None,
    checked: Callable[[dict[str, Any], dict[str, Any] | None], tuple[Accepted, str]],
) -> tuple[Accepted, str]:
    """Read the files, check, and compare what was proved with what was asked."""
    from workbench.certificate.claim import parsed_case
    from workbench.certificate.format import LONGEST, Rejected, loads
    from workbench.certificate.onnx_file import read
    from workbench.certificate.program import lower

    with cert.open("rb") as file:
        certificate = loads(file.read(LONGEST + 1))
    other = None if network is None else read(network.read_bytes(), network.name)
    accepted, how = checked(certificate, other)
    if asked is not None:
        from workbench.certificate.produce import claim_of
        from workbench.io.vnnlib import load

        program = lower(certificate["network"])
        wanted = [parsed_case(c, program) for c in claim_of(load(asked), "verified")["cases"]]
        if wanted != list(accepted.cases):
            raise Rejected("property", f"the claim is not about what {asked.name} asks")
    return accepted, how


# a checker: reads the files and checks, or raises `Rejected` or `CannotCheck`; what was proved, and how in words
RUN: Mapping[str, Callable[[Path, Path | None, Path | None, float, bool], tuple[Accepted, str]]] = {
    "python": run,
    "coq": run_coq,
    "lean": run_lean,
}


def in_words(
    a: Accepted,
    network: Path | None,
    asked: Path | None,
    seconds: float,
    how: str,
    checker: str = "python",
) -> str:
    """What was proved, about which bytes, under which assumptions."""
    from workbench.certificate.words import rows

    names = {
        "network": None if network is None else str(network),
        "asked": None if asked is None else str(asked),
    }
    found = rows(a, **names, seconds=seconds, how=how, checker=checker)
    return "\n".join(["accepted", *(f"  {label:<11}{printable(text)}" for label, text in found)])


def as_data(
    a: Accepted, network: Path | None, seconds: float, how: str, checker: str = "python"
) -> dict[str, Any]:
    """The same for programs."""
    from workbench.certificate.words import assumed

    return {
        "result": "accepted",
        "verdict": a.verdict,
        "semantics": a.semantics,
        "network": {
            "name": a.network,
            "sha256": a.sha256,
            "compared": network is not None,
            "numbers": a.numbers,
        },
        "cases": [
            {
                "lower": [str(v) for v in c.lower],
                "upper": [str(v) for v in c.upper],
                "unsafe": [[str(one) for one in every] for every in c.unsafe],
            }
            for c in a.cases
        ],
        "leaves": a.leaves,
        "point": None if a.point is None else [str(v) for v in a.point],
        "seconds": seconds,
        "arithmetic": how,
        "assumptions": list(assumed(checker, a)),
    }


def write(file: Path, verdict: Verdict, graph: Graph, network: str, limit: float | None) -> None:
    """Write the certificate of a verdict that is not unknown.

    Parameters
    ----------
    file : gzip-compressed where its name ends so.
    graph : what the verdict is about.
    network : the ONNX file, as the command line names it; its own numbers are written where they mean this graph.
    limit : seconds.

    Raises
    ------
    CannotCheck
        A verdict, a network or a region that certificates have no rules for, or no time left.
    NotProved, Rejected
        Where the exact rules do not prove the verdict.
    """
    from workbench.certificate.attach import certificate_of

    found = certificate_of(verdict, _numbers(graph, network, verdict.digest), graph, limit=limit)
    replace(verdict, certificate=found).save_certificate(file)


def _numbers(graph: Graph, network: str, digest: str) -> dict[str, Any]:
    """The network as the ONNX file has it, where the graph is that of one file; else the graph itself."""
    from workbench.certificate.format import CannotCheck, Rejected
    from workbench.certificate.onnx_file import read
    from workbench.certificate.produce import network_of
    from workbench.certificate.program import lower

    own = network_of(graph)
    paths = [Path(network), Path(network.partition("=")[2])]
    if network.startswith("example:"):
        from workbench.examples import path

        paths = [Path(str(path(network.removeprefix("example:"))))]
    file = next((p for p in paths if p.is_file()), None)
    if file is not None:
        try:
            found = read(file.read_bytes(), file.name)
            if found["sha256"] == digest and lower(found) == lower(own):
                return found
        except (CannotCheck, Rejected):
            pass
    return own


def _say(data: dict[str, Any], as_json: bool, text: str) -> None:
    sys.stdout.write((json.dumps(data, allow_nan=False) if as_json else text) + "\n")
    sys.stdout.flush()
