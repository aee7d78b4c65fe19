"""workbench check: a certificate is checked again, exactly, by a program that shares nothing with the engine."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workbench.cli.faults import UNSUPPORTED, BadInput, faults_in_one_sentence
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
    str, typer.Option("--checker", metavar="C", help="python; coq and lean are not available yet")
]
TIMEOUT = Annotated[float, typer.Option("--timeout", metavar="S", help="give up after so many seconds")]
PURE = Annotated[bool, typer.Option("--pure", help="Python's integers only, without python-flint")]
JSON = Annotated[bool, typer.Option("--json", help="print JSON in place of text")]
MISSING = {
    "coq": "the Coq checker is not a part of this version; --checker python checks the same certificate exactly. "
    "It will need Coq itself, on Debian and Ubuntu: apt install coq",
    "lean": "the Lean checker is not a part of this version; --checker python checks the same certificate exactly",
}


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
    """  # noqa: D301 - a backspace, which keeps the lines below it as they are
    with faults_in_one_sentence():
        if checker not in CHECKERS:
            raise BadInput(f"--checker must be one of {', '.join(CHECKERS)}, not {checker!r}")
        if checker in MISSING:
            _say({"result": "not checked", "why": MISSING[checker]}, as_json, MISSING[checker])
            raise typer.Exit(UNSUPPORTED)
        from workbench.certificate.format import CannotCheck, Rejected

        start = perf_counter()
        try:
            accepted, how = run(cert, network, asked, timeout, pure)
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
            as_data(accepted, network, seconds, how),
            as_json,
            in_words(accepted, network, asked, seconds, how),
        )


def run(
    cert: Path, network: Path | None, asked: Path | None, timeout: float, pure: bool
) -> tuple[Accepted, str]:
    """Read and check; also in words how the arithmetic was done."""
    from workbench.certificate.check import check as checked
    from workbench.certificate.claim import parsed_case
    from workbench.certificate.format import LONGEST, Rejected, loads
    from workbench.certificate.matrices import Matrices
    from workbench.certificate.onnx_file import read
    from workbench.certificate.program import lower

    with cert.open("rb") as file:
        certificate = loads(file.read(LONGEST + 1))
    other = None if network is None else read(network.read_bytes(), network.name)
    accepted = checked(certificate, network=other, flint=False if pure else None, seconds=timeout)
    if asked is not None:
        from workbench.certificate.produce import claim_of
        from workbench.io.vnnlib import load

        program = lower(certificate["network"])
        wanted = [parsed_case(c, program) for c in claim_of(load(asked), "verified")["cases"]]
        if wanted != list(accepted.cases):
            raise Rejected("property", f"the claim is not about what {asked.name} asks")
    return (
        accepted,
        "python-flint's integer matrices" if not pure and Matrices().make else "Python's integers only",
    )


def in_words(a: Accepted, network: Path | None, asked: Path | None, seconds: float, how: str) -> str:
    """What was proved, about which bytes, under which assumptions."""
    from workbench.certificate.check import ASSUMPTIONS

    if a.verdict == "verified":
        head = "no input of the region leads to an unsafe output"
        parts = f"{a.leaves:,} part{'s' if a.leaves != 1 else ''}"
        proof = f"{parts} of the region, each bounded again; together they cover it"
    else:
        head = "the input below lies in the region and leads to an unsafe output"
        proof = "the counterexample, run in rationals"
    rows = [
        ("proved", head),
        ("network", printable(a.network)),
        ("sha256", printable(a.sha256) or "none given"),
    ]
    if network is None:
        rows.append(("", "not compared with a file: that takes --network NET.onnx"))
    else:
        rows.append(("", f"compared with {network}: the same hash, and all {a.numbers:,} numbers equal"))
    for number, case in enumerate(a.cases[:4]):
        ends = [f"[{_short(l)}, {_short(h)}]" for l, h in zip(case.lower, case.upper, strict=True)]
        more = f" x ... ({len(ends)} inputs)" if len(ends) > 6 else ""
        rows.append((f"region {number}" if len(a.cases) > 1 else "region", " x ".join(ends[:6]) + more))
        unsafe = " or ".join("(" + " and ".join(map(str, every)) + ")" for every in case.unsafe[:4])
        rows.append(
            (
                "unsafe",
                (unsafe or "never") + (f" or ... ({len(case.unsafe)})" if len(case.unsafe) > 4 else ""),
            )
        )
    if len(a.cases) > 4:
        rows.append(("", f"and {len(a.cases) - 4} more regions"))
    if asked is not None:
        rows.append(("", f"compared with {asked}: the same regions and constraints"))
    if a.point is not None and a.outputs is not None:
        rows.append(("input", ", ".join(map(_short, a.point[:8])) + (", ..." if len(a.point) > 8 else "")))
        rows.append(
            ("outputs", ", ".join(map(_short, a.outputs[:8])) + (", ..." if len(a.outputs) > 8 else ""))
        )
    rows += [("proof", proof), ("checked", f"in {seconds:.2f} s, with {how}")]
    rows += [("assumed" if not k else "", text) for k, text in enumerate(ASSUMPTIONS)]
    return "\n".join(["accepted", *(f"  {label:<11}{text}" for label, text in rows)])


def _short(value: Any) -> str:
    """A rational for people, about; the claim itself is exact."""
    try:
        return f"{float(value):.10g}"
    except OverflowError:
        return "beyond 1e308"


def as_data(a: Accepted, network: Path | None, seconds: float, how: str) -> dict[str, Any]:
    """The same for programs."""
    from workbench.certificate.check import ASSUMPTIONS

    return {
        "result": "accepted",
        "verdict": a.verdict,
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
        "assumptions": list(ASSUMPTIONS),
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
    import gzip

    from workbench.certificate import produce
    from workbench.certificate.format import CannotCheck

    if verdict.semantics != "real":
        raise CannotCheck(
            f"certificates are about real arithmetic, and this verdict is about {verdict.semantics}"
        )
    found = verdict.counterexample
    certificate = produce.certify(
        _numbers(graph, network, verdict.digest),
        verdict.asked,
        counterexample=None if found is None else (verdict.case, found.point),
        method=verdict.method,
        seconds=verdict.seconds,
        limit=limit,
    )
    data = produce.dumps(certificate)
    file.write_bytes(gzip.compress(data, mtime=0) if file.suffix == ".gz" else data)


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
