"""Times bounds, beside auto_LiRPA where it is installed, one thread each, in one process; prints a table."""

from __future__ import annotations

import os
import sys

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import subprocess  # noqa: E402
from collections.abc import Callable, Sequence  # noqa: E402
from statistics import median  # noqa: E402
from time import perf_counter  # noqa: E402
from typing import Any  # noqa: E402

from bench import peer  # noqa: E402
from bench.cases import Case, cases  # noqa: E402
from workbench.methods.crown import crown  # noqa: E402
from workbench.methods.ibp import ibp  # noqa: E402
from workbench.region import Region  # noqa: E402
from workbench.semantics.plan import plan_of  # noqa: E402

COLD = """
import time; start = time.perf_counter()
import workbench as wb
model = wb.load({path!r})
shape = model.input_shape
import numpy as np
model.bounds("crown", wb.ball(np.full(shape, 0.5), 0.01))
print(time.perf_counter() - start)
"""
PEER_COLD = """
import time; start = time.perf_counter()
import numpy as np, torch
from auto_LiRPA import BoundedModule, BoundedTensor, PerturbationLpNorm
from bench.peer import module
from workbench.io.onnx import load
graph = load({path!r}); shape = graph[graph.inputs[0]].shape
x = torch.full(shape if len(shape) < 3 or shape[0] != 1 else shape, 0.5)
bounded = BoundedModule(module(graph), x, device="cpu")
with torch.no_grad():
    bounded.compute_bounds(x=(BoundedTensor(x, PerturbationLpNorm(eps=0.01)),), method="CROWN")
print(time.perf_counter() - start)
"""


def timed(*calls: Callable[[], Any], seconds: float = 3.0) -> list[tuple[float, float]]:
    """(median, least) wall milliseconds of each of some calls, made in turn 3 to 25 times after a warm-up.

    In turn, so that a machine that is busy for a while is busy for all of them.
    """
    times: list[list[float]] = [[] for _ in calls]
    for call in calls:
        call()
    begin = perf_counter()
    while len(times[0]) < 3 or (len(times[0]) < 25 and perf_counter() - begin < seconds):
        for call, found in zip(calls, times, strict=True):
            start = perf_counter()
            call()
            found.append(perf_counter() - start)
    return [(1e3 * median(found), 1e3 * min(found)) for found in times]


def ours(case: Case) -> dict[str, Callable[[], Any]]:
    """The same methods as `peer.methods`, bounding the outputs only (as the peer does)."""
    plan = plan_of(case.graph)
    regions = {case.graph.inputs[0]: Region(case.lower, case.upper)}
    return {
        "ibp": lambda: ibp(plan, regions),
        "crown-ibp": lambda: crown(plan, regions, intermediate="ibp"),
        "crown": lambda: crown(plan, regions),
    }


def main(wanted: Sequence[str] = ()) -> None:
    """Print the table, of cases whose names contain one of `wanted` (all by default)."""
    other = peer.available()
    print(
        "ms, one thread: median [least]; ratio of medians [of leasts], ours to auto_LiRPA's (below 1: ours is faster)"
    )
    print(f"{'case':18} {'method':10} {'ours':>20} {'auto_LiRPA':>20} {'ratio':>14}")
    last: Case | None = None
    for case in cases():
        if wanted and not any(part in case.name for part in wanted):
            continue
        last = last or case
        theirs = peer.methods(case) if other else {}
        for method, call in ours(case).items():
            both = [call, theirs[method]] if method in theirs else [call]
            mine, *them = timed(*both)
            line = f"{case.name:18} {method:10} {mine[0]:10.2f} [{mine[1]:7.2f}]"
            for one in them:
                line += f" {one[0]:10.2f} [{one[1]:7.2f}] {mine[0] / one[0]:7.2f} [{mine[1] / one[1]:.2f}]"
            print(line, flush=True)
    if last is not None:
        cold(str(last.path), other)
    if not other:
        print("auto_LiRPA is not installed here: only our own times are shown")


def cold(path: str, other: bool) -> None:
    """Import, load and first CROWN bound in a fresh process."""

    def seconds(code: str) -> float:
        found = subprocess.run(
            [sys.executable, "-c", code.format(path=path)], capture_output=True, text=True, check=True
        )
        return float(found.stdout.split()[-1])

    mine = min(seconds(COLD) for _ in range(3))
    line = f"cold start to the first CROWN bound: ours {mine:.2f} s"
    if other:
        them = min(seconds(PEER_COLD) for _ in range(3))
        line += f", auto_LiRPA {them:.2f} s, ratio {mine / them:.2f}"
    print(line)


if __name__ == "__main__":
    main(sys.argv[1:])
