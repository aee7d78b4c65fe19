"""workbench bench: every instance of a folder's instances.csv, each in a process of its own, and a table at the end."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Annotated

import typer

from workbench.cli.faults import BadInput, faults_in_one_sentence
from workbench.tables import printable

FOLDER = Annotated[
    Path,
    typer.Argument(
        metavar="DIR", help="a folder with instances.csv: network, property, time limit in seconds"
    ),
]
LIMIT = Annotated[
    float | None,
    typer.Option("--timeout", metavar="S", help="seconds an instance, at most; by default the file's"),
]
SEMANTICS = Annotated[
    str | None, typer.Option("--semantics", metavar="S", help="the arithmetic to decide about, as in verify")
]
SEED = Annotated[int, typer.Option("--seed", help="of every random choice")]
WORKERS = Annotated[
    int,
    typer.Option("--workers", metavar="N", help="instances at once, on N processes of Dask; 0: one by one"),
]
SCHEDULER = Annotated[
    str | None,
    typer.Option(
        "--scheduler", metavar="ADDRESS", help="a Dask cluster that runs the instances and sees DIR"
    ),
]
FIRST = Annotated[int | None, typer.Option("--first", metavar="N", help="only the first N instances")]
MATCH = Annotated[
    str | None, typer.Option("--match", metavar="TEXT", help="only instances whose line contains TEXT")
]
TABLE = Annotated[
    Path | None, typer.Option("--table", metavar="FILE", help="write the table to FILE: .csv or .md")
]
CACTUS = Annotated[
    Path | None, typer.Option("--cactus", metavar="FILE", help="write a cactus plot to FILE: .html")
]
KNOWN = Annotated[
    Path | None,
    typer.Option(
        "--known", metavar="FILE", help="verdicts to compare with: lines of network, property, unsat or sat"
    ),
]
DECIDED = ("unsat", "sat")
SPARE = 10.0  # seconds after which a process that does not stop is killed


@dataclass(frozen=True, slots=True)
class Instance:
    """A line of instances.csv."""

    network: str
    property: str
    limit: float


@dataclass(frozen=True, slots=True)
class Result:
    """What became of an instance; `answer` is "error" where the command failed, and `said` then says why."""

    instance: Instance
    answer: str
    seconds: float
    said: str


def bench(
    folder: FOLDER,
    timeout: LIMIT = None,
    semantics: SEMANTICS = None,
    seed: SEED = 0,
    workers: WORKERS = 0,
    scheduler: SCHEDULER = None,
    first: FIRST = None,
    match: MATCH = None,
    table: TABLE = None,
    cactus: CACTUS = None,
    known: KNOWN = None,
) -> None:
    """Decide every instance of a folder, each in a process of its own as a competition would; by default one by one.

    Times are wall times of the whole command, its start included. Exit code 1 says that an answer contradicts --known.

    \b
    Examples:
      workbench bench acasxu_2023 --timeout 60 --table acasxu.md --cactus acasxu.html
      workbench bench mnist_fc --first 12 --semantics onnx
    """  # noqa: D301 - a backspace, which keeps the lines below it as they are
    with faults_in_one_sentence():
        if workers < 0:
            raise BadInput(f"--workers takes a number of processes, 0 or more, not {workers}")
        if table is not None and table.suffix not in (".csv", ".md"):
            raise BadInput(f"--table writes .csv or .md, not {table.name!r}")
        if cactus is not None and cactus.suffix != ".html":
            raise BadInput(f"--cactus writes .html, not {cactus.name!r}")
        instances = read_instances(folder, timeout)
        instances = [i for i in instances if match is None or match in f"{i.network},{i.property}"][:first]
        if not instances:
            raise BadInput(f"there is no instance to decide in {str(folder)!r}")
        truth = {} if known is None else read_known(known)
        results: list[Result] = []
        try:
            for result in decided(folder, instances, semantics, seed, scheduler or workers):
                results.append(result)
                sys.stdout.write(printable(line(len(results) - 1, len(instances), result)) + "\n")
                sys.stdout.flush()
        except KeyboardInterrupt:
            sys.stderr.write("workbench: interrupted; what follows is about the instances so far\n")
        sys.stdout.write(printable(summary(results)) + "\n")
        if table is not None:
            table.write_text(
                csv_text(results) if table.suffix == ".csv" else markdown(results), encoding="utf-8"
            )
        if cactus is not None:
            write_cactus(cactus, {folder.name: results})
        wrong = [r for r in results if contradicts(r, truth)]
        for r in wrong:
            sys.stderr.write(
                printable(f"workbench: {r.instance.network} {r.instance.property}: {r.answer}, but known")
                + "\n"
            )
    if wrong:
        raise typer.Exit(1)


def read_instances(folder: Path, timeout: float | None) -> list[Instance]:
    """The lines of a folder's instances.csv.

    Raises
    ------
    BadInput
        No such file, or a line that is none.
    """
    file = folder / "instances.csv"
    if not file.is_file():
        raise BadInput(f"there is no file {str(file)!r}: it lists network, property, time limit")
    found = []
    for number, row in enumerate(csv.reader(file.read_text(encoding="utf-8").splitlines()), 1):
        cells = [c.strip() for c in row]
        if not any(cells):
            continue
        try:
            network, asked, limit = cells[0], cells[1], float(cells[2])
        except (IndexError, ValueError):
            raise BadInput(f"{file}, line {number}: it must be network, property, seconds") from None
        found.append(Instance(network, asked, limit if timeout is None else min(timeout, limit)))
    return found


def read_known(file: Path) -> dict[tuple[str, str], str]:
    """Verdicts that others found: (name of the network's file, of the property's) -> "unsat" or "sat"."""
    rows = csv.reader(file.read_text(encoding="utf-8").splitlines())
    return {(Path(r[0].strip()).name, Path(r[1].strip()).name): r[2].strip() for r in rows if len(r) >= 3}


def contradicts(result: Result, truth: dict[tuple[str, str], str]) -> bool:
    """Whether a decided answer is another than the known one."""
    key = (Path(result.instance.network).name, Path(result.instance.property).name)
    return (
        result.answer in DECIDED
        and truth.get(key, result.answer) in DECIDED
        and truth.get(key, result.answer) != result.answer
    )


def decided(
    folder: Path, instances: list[Instance], semantics: str | None, seed: int, workers: int | str
) -> Iterator[Result]:
    """The results as they come: one after another here, or several at once on Dask's workers.

    An instance whose worker is lost is decided again by another; one that takes every worker with it is an error.
    """
    if workers == 0:
        yield from (decide(folder, instance, semantics, seed) for instance in instances)
        return
    try:
        from distributed import Client, as_completed
    except ImportError:
        from workbench.methods.cluster import HELP

        raise BadInput(HELP) from None
    where = (
        {"address": workers}
        if isinstance(workers, str)
        else {"n_workers": workers, "threads_per_worker": 1, "dashboard_address": ":0"}
    )
    with Client(**where) as client:  # type: ignore[no-untyped-call]
        asked = {
            client.submit(decide, folder.resolve(), instance, semantics, seed, pure=False): instance
            for instance in instances
        }
        for future in as_completed(asked):  # type: ignore[no-untyped-call]
            lost = Result(asked[future], "error", 0.0, f"no worker finished it: {future.status}")
            yield future.result() if future.status == "finished" else lost


def decide(folder: Path, instance: Instance, semantics: str | None, seed: int) -> Result:
    """One instance in a process of its own."""
    command = [sys.executable, "-m", "workbench.cli", "verify", str(folder / instance.property)]
    command += [
        "--network",
        str(folder / instance.network),
        "--timeout",
        f"{instance.limit:g}",
        "--seed",
        str(seed),
    ]
    if semantics is not None:
        command += ["--semantics", semantics]
    start = monotonic()
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    try:
        out, err = process.communicate(timeout=instance.limit + SPARE)
    except subprocess.TimeoutExpired:
        _kill(process)
        return Result(instance, "timeout", monotonic() - start, "it did not stop in time, and was killed")
    except KeyboardInterrupt:
        _kill(process)
        raise
    seconds = monotonic() - start
    answer = out.split("\n", 1)[0].strip() if process.returncode == 0 else "error"
    said = err.strip().splitlines()[-1] if err.strip() else ""
    return Result(instance, answer.replace("timed-out", "timeout") or "error", seconds, said)


def _kill(process: subprocess.Popen[str]) -> None:
    """End a process and what it started."""
    if hasattr(os, "killpg"):
        os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    process.communicate()


def line(k: int, count: int, result: Result) -> str:
    """One line of progress."""
    name = f"{Path(result.instance.network).stem} {Path(result.instance.property).stem}"
    more = f"  {result.said}" if result.answer == "error" else ""
    return f"{k + 1:>{len(str(count))}}/{count}  {result.answer:<8} {result.seconds:8.2f} s  {name}{more}"


def summary(results: list[Result]) -> str:
    """How many were decided, and the PAR-2 total: seconds, an undecided instance counting twice its limit."""
    counts = Counter(r.answer for r in results)
    decided = sum(counts[a] for a in DECIDED)
    par2 = sum(r.seconds if r.answer in DECIDED else 2 * r.instance.limit for r in results)
    parts = ", ".join(f"{n} {a}" for a, n in sorted(counts.items()))
    times = sorted(r.seconds for r in results if r.answer in DECIDED)
    middle = f", median {times[len(times) // 2]:.2f} s" if times else ""
    return f"{decided} of {len(results)} decided ({parts}){middle}, PAR-2 {par2:.1f} s"


def csv_text(results: list[Result]) -> str:
    """The table as CSV."""
    rows = ["network,property,limit,answer,seconds"]
    for r in results:
        cells = [
            r.instance.network,
            r.instance.property,
            f"{r.instance.limit:g}",
            r.answer,
            f"{r.seconds:.3f}",
        ]
        rows.append(",".join(f'"{c}"' if "," in c else c for c in cells))
    return "\n".join(rows) + "\n"


def markdown(results: list[Result]) -> str:
    """The table as Markdown, the summary above it."""
    rows = [
        summary(results),
        "",
        "| network | property | limit, s | answer | time, s |",
        "|---|---|---|---|---|",
    ]
    for r in results:
        name, asked = Path(r.instance.network).stem, Path(r.instance.property).stem
        rows.append(f"| {name} | {asked} | {r.instance.limit:g} | {r.answer} | {r.seconds:.2f} |")
    return "\n".join(rows) + "\n"


def write_cactus(file: Path, runs: dict[str, list[Result]]) -> None:
    """A cactus plot: how many instances are decided within t seconds each."""
    import plotly.graph_objects as go

    figure = go.Figure()
    for name, results in runs.items():
        times = sorted(r.seconds for r in results if r.answer in DECIDED)
        figure.add_scatter(
            x=list(range(1, len(times) + 1)),
            y=times,
            mode="lines+markers",
            line_shape="hv",
            name=f"{name} ({len(results)})",
        )
    figure.update_layout(
        xaxis_title="instances decided",
        yaxis_title="seconds for each",
        yaxis_type="log",
        template="plotly_white",
    )
    figure.write_html(file, include_plotlyjs=True)
