"""Rounding bounds of networks that people use: no run in seven orders leaves them, and they are near what is seen.

Prints a table: bound, observed, their ratio, and the time that the bound took.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from workbench.floats.execute import ORDERS
from workbench.floats.order import Blocked, Order
from workbench.floats.program import PROGRAMS
from workbench.io import onnx
from workbench.methods.bounds import Bounds
from workbench.methods.crown import crown
from workbench.methods.ibp import ibp
from workbench.methods.rounding import RoundingBounds, rounding
from workbench.methods.witness import aligned_run
from workbench.region import Region, ball
from workbench.semantics import ieee, real
from workbench.semantics.plan import Plan, plan_of


def loaded(bench_data: Path, file: str, center: str | None, eps: float) -> tuple[Plan, dict[str, Region]]:
    plan = plan_of(onnx.load(bench_data / file))
    shape = plan.graph[plan.graph.inputs[0]].shape
    if center is None:
        x = np.random.default_rng(0).random(shape).astype(np.float32)
    else:
        with np.load(bench_data / "auto_lirpa_bounds" / f"{center}.npz") as data:
            x = data["center"].astype(np.float32).reshape(shape)
    region = ball(x, eps, clip=(0.0, 1.0) if center and "mnist" in center else None)
    return plan, {plan.graph.inputs[0]: region}


def violations(
    plan: Plan, before: Bounds, found: RoundingBounds, points: np.ndarray, orders: Sequence[str | Order]
) -> tuple[int, dict[str, float]]:
    """Values outside their bounds, and the largest error seen at each node.

    The reference is a float64 run; its own error, by its own sound bound, is taken off before comparing.
    """
    name = plan.graph.inputs[0]
    own = rounding(plan, before, "binary64")
    outside, seen = 0, dict.fromkeys(found, 0.0)
    for order in orders:
        x = points[:2] if order in ("adversarial", "pairwise") else points
        reference = real.run(plan, {name: x}, np.float64)
        values = ieee.run(plan, {name: x}, found.program, order, 7)
        for key, bound in found.items():
            error = np.abs(values[key].astype(np.float64) - reference[key])
            outside += int((error - own[key] > bound).sum())
            seen[key] = max(seen[key], float(error.max()))
    return outside, seen


# network, centre, real bounds, what bound / observed may be at most at the output: at a point and over 1/255, for
# binary32 and for 16 bits.  Twice what was seen with many samples: with the few of this test, less is seen.
NETWORKS = [
    ("mnist_fc/onnx/mnist-net_256x2.onnx", "mnist_256x2_b1", "crown", (170, 80), (30, 20)),
    ("mnist_fc/onnx/mnist-net_256x4.onnx", "mnist_256x4_b1", "crown", (120, 100), (12, 20)),
    ("mnist_fc/onnx/mnist-net_256x6.onnx", "mnist_256x6_b1", "crown", (200, 200), (24, 20)),
    ("acasxu_2023/onnx/ACASXU_run2a_2_1_batch_2000.onnx", None, "crown", (30, 60), (16, 60)),
    ("oval21/onnx/cifar_base_kw.onnx", "cifar_base_kw_b1", "crown", (450, 400), (30, 50)),
    ("verivital_2021/Convnet_maxpool.onnx", None, "ibp", (60, 90), (10, 20)),
    ("verivital_2021/Convnet_avgpool.onnx", None, "ibp", (60, 60), (16, 20)),
    ("cifar10_resnet_2021/onnx/resnet_2b.onnx", "resnet2b_b1", "ibp", (600, None), (100, None)),
    ("lsnc/onnx/quadrotor2d_state.onnx", None, "crown", (60, 60), (60, 60)),
    ("eran_2021/nets/ffnnSIGMOID__Point_6x200.onnx", "mnist_ffnnSIGMOID_b1", "ibp", (400, None), (80, None)),
    ("vit_2023/onnx/pgd_2_3_16.onnx", "vit_pgd_2_3_16_native_b1", "ibp", (6000, None), (None, None)),
]


@pytest.mark.parametrize(
    ("file", "center", "method", "single", "half"), NETWORKS, ids=[Path(n[0]).stem for n in NETWORKS]
)
def test_real_networks_in_seven_orders(
    bench_data: Path,
    file: str,
    center: str | None,
    method: str,
    single: tuple[int | None, int | None],
    half: tuple[int | None, int | None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Zero violations at any node, and bounds that are not far from what is seen."""
    for k, eps in enumerate((0.0, 1 / 255)):
        plan, regions = loaded(bench_data, file, center, eps)
        before = ibp(plan, regions) if method == "ibp" else crown(plan, regions, neurons="all")
        region = regions[plan.graph.inputs[0]]
        points = region.sample(6 if eps else 1).astype(np.float32)
        points = np.clip(points, region.lower[0], region.upper[0]).astype(np.float32)
        programs = [("binary32", single), ("binary16", half), ("bfloat16", half)]
        for program, most in programs if single[k] else programs[:1]:
            found = rounding(plan, before, program)
            outside, seen = violations(plan, before, found, points, ORDERS)
            output = plan.graph.outputs[0]
            ratio = float(found.output.max() / seen[output])
            with capsys.disabled():
                print(
                    f"\n{Path(file).stem[:28]:28} {program:9} eps {eps:.4f}: bound {found.output.max():.2e}, "
                    f"observed {seen[output]:.2e}, ratio {ratio:.0f}, {found.seconds * 1e3:.0f} ms",
                    end="",
                )
            assert outside == 0
            limit = most[k]
            assert limit is None or (ratio <= limit and not found.overflow)


@pytest.mark.parametrize(
    ("file", "center"),
    [
        ("mnist_fc/onnx/mnist-net_256x2.onnx", "mnist_256x2_b1"),
        ("oval21/onnx/cifar_base_kw.onnx", "cifar_base_kw_b1"),
        ("acasxu_2023/onnx/ACASXU_run2a_2_1_batch_2000.onnx", None),
    ],
    ids=["mnist", "cifar", "acasxu"],
)
def test_known_orders_of_real_networks(bench_data: Path, file: str, center: str | None) -> None:
    """Runs in the very order that the bound is about; and it is a better bound than the one for any order."""
    plan, regions = loaded(bench_data, file, center, 1 / 255)
    before = crown(plan, regions, neurons="all")
    region = regions[plan.graph.inputs[0]]
    points = np.clip(region.sample(3).astype(np.float32), region.lower[0], region.upper[0]).astype(np.float32)
    anyhow = rounding(plan, before, "binary32")
    orders: tuple[Order, ...] = ("sequential", "reversed", "pairwise", Blocked(16))
    for order in orders:
        found = rounding(plan, before, replace(PROGRAMS["binary32"], order=order))
        outside, _ = violations(plan, before, found, points, (order,))
        assert outside == 0
        assert found.output.max() < 0.9 * anyhow.output.max(), order  # reversed on ACAS Xu: 0.83


def test_aligned_orders_come_near_the_bound(bench_data: Path) -> None:
    """What is left between a bound and a run that tries to reach it: a factor of about ten."""
    plan, regions = loaded(bench_data, "mnist_fc/onnx/mnist-net_256x2.onnx", "mnist_256x2_b1", 0.0)
    name, output = plan.graph.inputs[0], plan.graph.outputs[0]
    before = crown(plan, regions, neurons="all")
    found, own = rounding(plan, before, "binary32"), rounding(plan, before, "binary64")
    k = int(found.output.argmax())
    row = np.zeros(found.output.shape)
    row.reshape(-1)[k] = 1.0
    x = regions[name].sample(1)
    values, reference = aligned_run(plan, {name: x}, "binary32", row), real.run(plan, {name: x}, np.float64)
    for key, bound in found.items():
        assert (np.abs(values[key].astype(np.float64) - reference[key]) <= bound + own[key]).all(), key
    error = float(np.abs(values[output].astype(np.float64) - reference[output]).reshape(-1)[k])
    assert found.output.max() < 16 * error
