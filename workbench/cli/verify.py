"""workbench verify and workbench supports: the solver command line of chapter 5 of the VNN-LIB 2.0 standard.

`verify` answers on stdout, in its first line, with one word: for VNN-LIB 2.0 ``unsat``, ``sat`` (followed by the
assignment), ``unknown`` or ``timed-out``; for 1.0 VNN-COMP's ``unsat``, ``sat`` (followed by the counterexample),
``unknown`` or ``timeout``.  Everything else, such as which arithmetic the word is about, goes to stderr.
"""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workbench.cli.assignments import assignment, write_assignment
from workbench.cli.faults import INTERRUPTED, BadInput, faults_in_one_sentence
from workbench.tables import printable

if TYPE_CHECKING:
    from types import FrameType

    from workbench.graph import Graph
    from workbench.io.joined import Joined
    from workbench.io.query import Query
    from workbench.verdict import Verdict

QUERY = Annotated[Path, typer.Argument(metavar="QUERY", help="a VNN-LIB file, of version 1.0 or 2.0")]
NETWORK = Annotated[
    list[str] | None,
    typer.Option(
        "--network",
        metavar="[NAME=]NET",
        help="the model of the network that the query calls NAME: an .onnx file; once for each",
    ),
]
TIMEOUT = Annotated[
    float | None, typer.Option("--timeout", metavar="S", help="seconds, reading the files included")
]
SEMANTICS = Annotated[
    str | None,
    typer.Option(
        "--semantics",
        metavar="S",
        help="the arithmetic that the answer is about: real; onnx (the network's own float type, sums in any order); "
        "binary64, binary32, binary16, bfloat16, or an 8-bit format such as e4m3fn. By default what the query "
        "declares: real for version 1.0",
    ),
]
SEED = Annotated[int, typer.Option("--seed", help="of every random choice")]
WORKERS = Annotated[
    int,
    typer.Option("--workers", metavar="N", help="processes that share the search (Dask); 0: this one alone"),
]
RESULTS = Annotated[
    Path | None, typer.Option("--results", metavar="FILE", help="write the answer to FILE as well")
]
SERIALISE = Annotated[
    Path | None,
    typer.Option(
        "--serialise-assignments",
        "--assignments",
        metavar="DIR",
        help="write a satisfying assignment into DIR, one ONNX tensor a variable, and not to stdout",
    ),
]
CERTIFICATE = Annotated[
    Path | None,
    typer.Option("--certificate", metavar="FILE", help="write a proof that `workbench check` checks exactly"),
]
JSON = Annotated[bool, typer.Option("--json", help="print the whole verdict as JSON in place of the answer")]
WORDS = {"verified": "unsat", "falsified": "sat", "unknown": "unknown"}
GRACE = 0.5  # seconds: work that is not done by then is interrupted


@dataclass(frozen=True, slots=True)
class Answer:
    """What is printed: the word, the lines of the assignment, and the verdict they come from (None: interrupted)."""

    word: str
    lines: tuple[str, ...] = ()
    verdict: Verdict | None = None
    reason: str = ""
    interrupted: bool = False

    @property
    def text(self) -> str:
        """All of it."""
        return "\n".join([self.word, *self.lines]) + "\n"


def verify(
    query: QUERY,
    network: NETWORK = None,
    timeout: TIMEOUT = None,
    semantics: SEMANTICS = None,
    seed: SEED = 0,
    workers: WORKERS = 0,
    results: RESULTS = None,
    serialise: SERIALISE = None,
    certificate: CERTIFICATE = None,
    as_json: JSON = False,
) -> None:
    """Decide whether some input satisfies every assertion of a query.

    The first line of the answer is unsat (proved: there is none), sat (one follows, and was run again to be sure),
    unknown, or timeout (timed-out for VNN-LIB 2.0). On stderr stands which arithmetic this is about.

    \b
    Examples:
      workbench verify prop_1.vnnlib --network ACASXU_1_1.onnx --timeout 60
      workbench verify query.vnnlib --network f=teacher.onnx --network g=student.onnx
      workbench verify prop.vnnlib --network net.onnx --semantics onnx --json
    """  # noqa: D301 - a backspace, which keeps the lines below it as they are
    with faults_in_one_sentence():
        if timeout is not None and not 0 <= timeout < 1e9:
            raise BadInput(f"--timeout takes a number of seconds, 0 or more, not {timeout}")
        if workers < 0:
            raise BadInput(f"--workers takes a number of processes, 0 or more, not {workers}")
        start = monotonic()
        answer, about = answer_query(query, network or [], timeout, semantics, seed, workers)
        if certificate is not None:
            left = None if timeout is None else max(1.0, timeout - (monotonic() - start))
            answer = _certified(answer, about, network or [], certificate, left)
        if serialise is not None and answer.word == "sat" and about is not None:
            assert answer.verdict is not None
            write_assignment(serialise, answer.verdict, *about)
            answer = Answer(answer.word, (), answer.verdict)
        if results is not None:
            results.write_text(answer.text, encoding="utf-8")
        if as_json:
            sys.stdout.write(json.dumps(as_data(answer), allow_nan=False) + "\n")
        else:
            sys.stdout.write(answer.text)
            sys.stdout.flush()
            sys.stderr.write(printable(said(answer)) + "\n")
    if answer.interrupted:
        raise typer.Exit(INTERRUPTED)


def _certified(
    answer: Answer, about: tuple[Query, Joined] | None, networks: list[str], file: Path, limit: float | None
) -> Answer:
    """The answer with its certificate written; unknown, where the exact rules do not prove what was answered."""
    if answer.verdict is None or about is None or answer.word not in ("sat", "unsat"):
        _not_written(file, f"the answer is {answer.word}")
        return answer
    from workbench.certificate.format import CannotCheck, Rejected
    from workbench.certificate.produce import NotProved
    from workbench.cli.check import write

    try:
        write(file, answer.verdict, about[1].graph, networks[0] if len(networks) == 1 else "", limit)
    except CannotCheck as error:
        _not_written(file, str(error))
    except (NotProved, Rejected) as error:
        _not_written(file, "the exact rules do not prove the answer")
        return Answer(
            "unknown", (), None, reason=f"the engine says {answer.word}, but exact rules do not: {error}"
        )
    return answer


def _not_written(file: Path, why: str) -> None:
    """A warning, as the exit code is the verdict's."""
    older = "; the file of that name is an older one" if file.exists() else ""
    sys.stderr.write(
        printable(f"workbench: warning: no certificate was written to {file}: {why}{older}") + "\n"
    )


def answer_query(
    file: Path,
    networks: list[str],
    timeout: float | None,
    semantics: str | None,
    seed: int,
    workers: int = 0,
) -> tuple[Answer, tuple[Query, Joined] | None]:
    """The answer to a query, whatever happens meanwhile: time that runs out and interrupts are answers.

    Raises
    ------
    BadInput, VnnlibError, GraphError, SpecificationError
        Files or options that do not fit.
    """
    start = monotonic()
    late = "timed-out"
    try:
        with stopped_after(timeout):
            from workbench.io.query import load
            from workbench.methods.replay import SEMANTICS
            from workbench.region import RegionError
            from workbench.verify import verify

            if semantics is not None and semantics not in SEMANTICS:
                raise BadInput(f"--semantics must be one of {', '.join(SEMANTICS)}, not {semantics!r}")
            try:
                query = load(file)
                late = "timeout" if query.version == "1.0" else "timed-out"
                graphs, label, digest = _models(query, networks)
                joined = query.about(graphs)
            except RegionError as error:
                from workbench.io.vnnlib import is_version_two, read_text

                if not is_version_two(read_text(file)):
                    raise
                return Answer(
                    "unsat", reason=f"no input satisfies the query's comparisons of inputs: {error}"
                ), None
            from workbench.network import Network

            verdict = verify(
                Network(joined.graph),
                None,
                joined.asked,
                timeout=None if timeout is None else max(0.0, timeout - (monotonic() - start)),
                semantics=semantics or query.semantics,
                seed=seed,
                workers=workers,
                name=label,
                digest=digest,
            )
    except OutOfTime:
        return Answer(late, reason="the time ran out"), None
    except KeyboardInterrupt:
        return Answer("unknown", reason="it was interrupted", interrupted=True), None
    if verdict.interrupted:
        out = timeout is not None and monotonic() - start >= timeout
        return Answer(late if out else "unknown", (), verdict, interrupted=not out), None
    word = late if verdict.timed_out and verdict.status == "unknown" else WORDS[verdict.status]
    lines = tuple(assignment(query, joined, verdict)) if word == "sat" else ()
    return Answer(word, lines, verdict), (query, joined)


class OutOfTime(KeyboardInterrupt):
    """The alarm of `stopped_after`."""


@contextmanager
def stopped_after(timeout: float | None) -> Iterator[None]:
    """Interrupt the work that has not ended soon after the timeout; being terminated interrupts it, too."""

    def alarm(number: int, frame: FrameType | None) -> None:
        raise OutOfTime

    def terminated(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    try:
        before = signal.signal(signal.SIGTERM, terminated)
    except ValueError:  # not the main thread: nothing can be interrupted there
        yield
        return
    timed = timeout is not None and hasattr(signal, "setitimer")
    if timed and timeout is not None:
        signal.signal(signal.SIGALRM, alarm)
        signal.setitimer(signal.ITIMER_REAL, timeout + GRACE)
    try:
        yield
    finally:
        if timed:
            signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGTERM, before)


def _models(query: Query, given: list[str]) -> tuple[dict[str, Graph], str, str]:
    """The models by the names that the query has for them; what they are called, and the hash of the first."""
    import hashlib

    from workbench.io import onnx

    found: dict[str, Graph] = {}
    labels, hashes = [], []
    if not given:
        raise BadInput(f"{query.name} needs a model: add --network {_usage(query)}")
    for text in given:
        name, path = _named(query, text)
        if name in found:
            raise BadInput(f"--network gives two models for {name!r}")
        if name not in query.needed:
            raise BadInput(
                f"--network {text}: {query.name} needs no model for {name!r}; it needs {_usage(query)}"
            )
        if path.startswith("example:"):
            from workbench.examples import path as example_path

            path = str(example_path(path.removeprefix("example:")))
        file = Path(path)
        data = onnx.read(file)
        shapes = None
        if query.version != "1.0":
            declared = next(n for n in query.networks if n.name == name)
            shapes = _open_shapes(data, [t.shape for t in declared.of("input")])
        found[name] = onnx.from_bytes(data, name=file.stem, folder=file.parent, shapes=shapes)
        labels.append(file.name)
        hashes.append(hashlib.sha256(data).hexdigest())
    missing = [n for n in query.needed if n not in found]
    if missing:
        raise BadInput(f"{query.name} also needs a model for {missing[0]!r}: add --network {missing[0]}=FILE")
    return found, " and ".join(labels), hashes[0]


def _open_shapes(data: bytes, declared: list[tuple[int, ...]]) -> dict[str, tuple[int, ...]] | None:
    """Shapes for the inputs whose shape the file leaves open: what the query declares."""
    from onnx import ModelProto

    model = ModelProto()
    try:
        model.ParseFromString(data)
    except Exception:  # noqa: BLE001  (the reader says what is wrong with it)
        return None
    weights = {t.name for t in model.graph.initializer}
    inputs = [i for i in model.graph.input if i.name not in weights]
    found = {}
    for i, shape in zip(inputs, declared, strict=False):
        dims = i.type.tensor_type.shape.dim
        if len(dims) == len(shape) and any(not d.HasField("dim_value") or d.dim_value <= 0 for d in dims):
            found[i.name] = shape
    return found or None


def _named(query: Query, text: str) -> tuple[str, str]:
    """``NAME=FILE``, or ``FILE`` where there is only one network."""
    name, separator, path = text.partition("=")
    if separator and (query.version != "1.0" or not Path(text).exists()):
        if not name or not path:
            raise BadInput(f"--network takes NAME=FILE, not {text!r}")
        return (query.needed[0] if query.version == "1.0" else name), path
    if len(query.needed) != 1:
        raise BadInput(f"--network {text}: say which of {', '.join(query.needed)} it is, as NAME=FILE")
    return query.needed[0], text


def _usage(query: Query) -> str:
    return " --network ".join(f"{n}=FILE" if n else "FILE" for n in query.needed)


def said(answer: Answer) -> str:
    """What the word is about, for people."""
    if answer.verdict is None:
        return f"workbench: {answer.reason}"
    v = answer.verdict
    parts = f", {v.leaves:,} part{'s' if v.leaves != 1 else ''}" if v.leaves else ""
    return f"workbench: {v.statement} ({v.method or 'no method'}{parts}, {v.seconds:.2f} s)"


def as_data(answer: Answer) -> dict[str, Any]:
    """The answer and its verdict, for JSON."""
    verdict = None if answer.verdict is None else answer.verdict.as_dict()
    return {"answer": answer.word, "reason": answer.reason, "verdict": verdict}
