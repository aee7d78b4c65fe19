"""Rounding bounds beside what is seen: bound, observed, observed with aligned orders, predicted.  Prints a table.

    python -m bench.ratios [NAME ...] [--samples N]

At the network's outputs, the largest of each.  `observed` is the largest error of runs in eight orders of summation;
`aligned` is a run in which every neuron adds in the order that does most harm (`methods.witness`); `predicted` is the
root mean square of a random model, no bound (`methods.expected`).  `times` are of bounds for all neurons, and for the
outputs alone, in units of one CROWN pass over all neurons, in processor time.
"""

from __future__ import annotations

import os
import sys

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

from collections.abc import Callable, Sequence  # noqa: E402
from dataclasses import dataclass  # noqa: E402
from time import process_time  # noqa: E402

import numpy as np  # noqa: E402

from bench.cases import SHARED  # noqa: E402
from workbench.floats.order import Blocked, Order  # noqa: E402
from workbench.graph import Array  # noqa: E402
from workbench.io.onnx import load  # noqa: E402
from workbench.methods.bounds import Bounds  # noqa: E402
from workbench.methods.crown import crown  # noqa: E402
from workbench.methods.expected import expected_errors  # noqa: E402
from workbench.methods.ibp import ibp  # noqa: E402
from workbench.methods.rounding import rounding  # noqa: E402
from workbench.methods.witness import aligned_run  # noqa: E402
from workbench.region import Region, ball  # noqa: E402
from workbench.semantics import ieee, real  # noqa: E402
from workbench.semantics.plan import Plan, plan_of  # noqa: E402

ORDERS: tuple[Order, ...] = (
    *("sequential", "reversed", "pairwise", "adversarial", "fma", "random", "blas"),
    Blocked(8),
)
PROGRAMS = ("binary32", "binary16", "bfloat16")


@dataclass(frozen=True)
class Network:
    """What is measured: a file, a centre of `auto_lirpa_bounds` (None: a random one), how its reals are bounded."""

    file: str
    centre: str | None
    method: str
    radii: tuple[float, ...] = (0.0, 1 / 255)


NETWORKS = {
    "mnist_256x2": Network("mnist_fc/onnx/mnist-net_256x2.onnx", "mnist_256x2_b1", "crown"),
    "mnist_256x4": Network("mnist_fc/onnx/mnist-net_256x4.onnx", "mnist_256x4_b1", "crown"),
    "mnist_256x6": Network("mnist_fc/onnx/mnist-net_256x6.onnx", "mnist_256x6_b1", "crown"),
    "acasxu_2_1": Network("acasxu_2023/onnx/ACASXU_run2a_2_1_batch_2000.onnx", None, "crown"),
    "cifar_base_kw": Network("oval21/onnx/cifar_base_kw.onnx", "cifar_base_kw_b1", "crown"),
    "resnet_2b": Network("cifar10_resnet_2021/onnx/resnet_2b.onnx", "resnet2b_b1", "crown"),
    "ffnnSIGMOID": Network("eran_2021/nets/ffnnSIGMOID__Point_6x200.onnx", "mnist_ffnnSIGMOID_b1", "crown"),
    "vit_pgd": Network("vit_2023/onnx/pgd_2_3_16.onnx", "vit_pgd_2_3_16_native_b1", "crown"),
}


def opened(case: Network, eps: float) -> tuple[Plan, dict[str, Region]]:
    """The network and the ball about its centre."""
    plan = plan_of(load(SHARED / case.file))
    name = plan.graph.inputs[0]
    shape = plan.graph[name].shape
    if case.centre is None:
        x = np.random.default_rng(0).random(shape).astype(np.float32)
    else:
        with np.load(SHARED / "auto_lirpa_bounds" / f"{case.centre}.npz") as data:
            x = data["center"].astype(np.float32).reshape(shape)
    clip = (0.0, 1.0) if case.centre and "mnist" in case.centre else None
    return plan, {name: ball(x, eps, clip=clip)}


def observed(plan: Plan, points: Array, program: str) -> Array:
    """The largest error seen at every output, over points and orders."""
    name, output = plan.graph.inputs[0], plan.graph.outputs[0]
    exact = real.run(plan, {name: points}, np.float64)[output]
    found = np.zeros(exact.shape[1:])
    for order in ORDERS:
        chosen = "sequential" if order == "blas" and program not in ("binary32", "binary64") else order
        value = ieee.run(plan, {name: points}, program, chosen, 7)[output].astype(np.float64)
        found = np.maximum(found, np.abs(value - exact).max(axis=0))
    return found


def aligned(plan: Plan, point: Array, program: str, worst: Array) -> float:
    """The largest error that chosen orders reach, at the `worst` outputs, either way."""
    name, output = plan.graph.inputs[0], plan.graph.outputs[0]
    exact = real.run(plan, {name: point}, np.float64)[output]
    most = 0.0
    for k in worst:
        for sign in (1.0, -1.0):
            row = np.zeros(exact.size)
            row[k] = sign
            value = aligned_run(plan, {name: point}, program, row.reshape(exact.shape))[output]
            most = max(most, float(np.abs(value.astype(np.float64) - exact).reshape(-1)[k]))
    return most


def spent(call: Callable[[], object], times: int = 3) -> float:
    """Seconds of this process, the least of some calls: other work on the machine does not count."""
    found = []
    for _ in range(times):
        start = process_time()
        call()
        found.append(process_time() - start)
        if found[-1] > 5:
            break
    return min(found)


def real_bounds(plan: Plan, regions: dict[str, Region], method: str) -> Bounds:
    """Bounds in real arithmetic that everything else rests on."""
    return ibp(plan, regions) if method == "ibp" else crown(plan, regions, neurons="all")


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    samples = int(given.pop(given.index("--samples") + 1)) if "--samples" in given else 8
    names = [n for n in given if n != "--samples"] or list(NETWORKS)
    print(
        f"{'network':14}{'format':10}{'eps':>7}{'bound':>10}{'observed':>10}{'ratio':>7}{'aligned':>10}{'ratio':>7}"
        f"{'predicted':>11}{'all':>7}{'outputs':>9}"
    )
    for key in names:
        if not (SHARED / NETWORKS[key].file).exists():
            print(f"{key:14}its file is not here")
            continue
        for eps in NETWORKS[key].radii:
            table(key, eps, samples)


def table(key: str, eps: float, samples: int) -> None:
    """The lines of one network and radius."""
    plan, regions = opened(NETWORKS[key], eps)
    name = plan.graph.inputs[0]
    before = real_bounds(plan, regions, NETWORKS[key].method)
    one = spent(lambda: crown(plan, regions, neurons="all"))
    region = regions[name]
    points = region.sample(samples if eps else 1).astype(np.float32)
    points = np.clip(points, region.lower[0], region.upper[0]).astype(np.float32)
    for program in PROGRAMS:
        found = rounding(plan, before, program)
        every = spent(lambda program=program: rounding(plan, before, program)) / one
        outputs = spent(lambda program=program: rounding(plan, before, program, correlate="outputs")) / one
        bound = float(found.output.max())
        seen = observed(plan, points, program)
        worst = np.argsort(-found.output[0].reshape(-1), kind="stable")[:2]
        near = max(aligned(plan, points[:1], program, worst), float(seen.max()))
        said = float(expected_errors(plan, {name: points[:1]}, program).max())
        print(
            f"{key:14}{program:10}{eps:7.4f}{bound:10.2e}{seen.max():10.2e}{bound / seen.max():7.0f}{near:10.2e}"
            f"{bound / near:7.1f}{said:11.2e}"
            f"{every:7.2f}{outputs:9.2f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
