"""The C++ kernels against NumPy doing the same: ``python -m bench.kernels [NAME ...]``.

Processor time of one thread, with and without in turn, the least of up to 25 each: other programs count little.  Where
the kernels are not installed there is nothing to compare.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import sys
from collections.abc import Callable, Iterator, Sequence
from statistics import median
from time import perf_counter, thread_time
from typing import Any

import numpy as np

from bench.cases import cases
from workbench.arrays import kernels
from workbench.floats import execute
from workbench.floats.format import BFLOAT16, BINARY16, BINARY32, E4M3FN
from workbench.floats.machine import Machine
from workbench.floats.rounding import round_to
from workbench.methods.chain import chain_of
from workbench.methods.crown import crown
from workbench.methods.dense import bound, fresh
from workbench.region import Region
from workbench.semantics.ieee import run
from workbench.semantics.plan import plan_of

COUNT = 1 << 20
Call = Callable[[], Any]


def milliseconds(call: Call, seconds: float = 4.0) -> tuple[float, float, float]:
    """Least time without kernels, least time with them, and the median of the ratios of neighbouring runs."""
    native, times = kernels.NATIVE, ([], [])  # type: tuple[list[float], list[float]]
    begin = perf_counter()
    try:
        while len(times[0]) < 3 or (len(times[0]) < 25 and perf_counter() - begin < seconds):
            for which, found in zip((None, native), times, strict=True):
                kernels.NATIVE = which
                start = thread_time()
                call()
                found.append(thread_time() - start)
    finally:
        kernels.NATIVE = native
    ratio = median(b / a for a, b in zip(*times, strict=True))
    return 1e3 * min(times[0]), 1e3 * min(times[1]), ratio


def floats() -> Iterator[tuple[str, Call]]:
    """Rounding, and products in a named order: 200 rows of 784 numbers through a layer of 256."""
    rng = np.random.default_rng(0)
    x = rng.uniform(-4, 4, COUNT)
    for form in (BINARY32, BINARY16, BFLOAT16, E4M3FN):
        yield f"round 2^20 to {form.name}", lambda form=form: round_to(x, form)
    yield "round 2^20 to binary16, up", lambda: round_to(x, BINARY16, "up")
    a, b = rng.standard_normal((200, 784)), rng.standard_normal((784, 256))
    for machine, order in (
        (Machine(BINARY32), "sequential"),
        (Machine(BINARY32), "pairwise"),
        (Machine(BINARY32), "fma"),
        (Machine(BFLOAT16), "sequential"),
        (Machine(BINARY32, "toward-zero"), "sequential"),
    ):
        left, right = machine.rounded(a), machine.rounded(b)
        name = f"product, {machine.form.name}, {machine.mode}, {order}"
        yield name, lambda m=machine, o=order, x=left, y=right: execute.matmul(x, y, o, rng, m, o == "fma")


def networks() -> Iterator[tuple[str, Call]]:
    """CROWN of the benchmark's cases, a sequential run, and what branch and bound does to 256 boxes at once."""
    for case in cases():
        plan = plan_of(case.graph)
        name = case.graph.inputs[0]
        yield f"CROWN {case.name}", lambda p=plan, n=name, c=case: crown(p, {n: Region(c.lower, c.upper)})
        if case.name == "mnist_256x4_b64":
            x = np.repeat(case.lower, 4, axis=0).astype(np.float32)
            yield (
                "256 inputs, mnist 256x4, sequential",
                lambda p=plan, n=name, x=x: run(p, {n: x}, "binary32", "sequential"),
            )
        chain = chain_of(plan)
        if case.name == "acas11_prop3_b64" and chain is not None:
            ends = [np.repeat(end.reshape(64, -1), 4, axis=0) for end in (case.lower, case.upper)]
            boxes, rows = fresh(chain, *ends), np.eye(5)[:4] - np.eye(5)[4]
            yield (
                "256 boxes, ACAS Xu, branch and bound",
                lambda c=chain, b=boxes, r=rows: bound(c, b, r, np.ones((256, 4), bool)),
            )


def main(wanted: Sequence[str] = ()) -> None:
    """Print the table, of lines that contain one of `wanted` (all by default)."""
    print(f"{kernels.status()}; load {os.getloadavg()[0]:.0f}")
    if kernels.NATIVE is None:
        return
    print(f"{'':48} {'NumPy, ms':>12} {'kernels, ms':>12} {'ratio':>7}")
    for part in (floats, networks):
        for name, call in part():
            if wanted and not any(word in name for word in wanted):
                continue
            without, used, ratio = milliseconds(call)
            print(f"{name:48} {without:12.2f} {used:12.2f} {ratio:7.3f}", flush=True)
    print(f"load {os.getloadavg()[0]:.0f}")


if __name__ == "__main__":
    main(sys.argv[1:])
