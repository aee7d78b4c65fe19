"""Result: everything the views show for one choice of settings, computed together and never changed.

The settings travel with the numbers: whoever draws a bound can compare `result.settings` with the model's and must
show "stale" where they differ.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from time import perf_counter, sleep
from typing import Any

import numpy as np

from workbench.floats.program import Unbounded
from workbench.graph import Array
from workbench.methods.bounds import Bounds
from workbench.methods.ibp import ibp
from workbench.methods.named import find_bounds
from workbench.methods.progress import Progress
from workbench.methods.rounding import RoundingBounds, observe_errors, rounding
from workbench.op import OPS, UnsupportedOperator
from workbench.region import Region
from workbench.semantics import gradient, real
from workbench.semantics.interval import Interval
from workbench.semantics.plan import Plan
from workbench.settings import Settings
from workbench.statement import inside, margin_rows, margin_verdict

SAMPLES = 64
PAUSE = 8  # hundredths of a second between the bounds and the rounding errors


@dataclass(frozen=True, eq=False)
class Result:
    """Bounds, values, samples and rounding errors over one region.

    Parameters
    ----------
    settings : what all of it belongs to.
    seq : number of the computation.
    bounds : by `settings.method`.
    loose : IBP, to show behind.
    values : name -> value at the centre (network's own float type, as it runs).
    samples : name -> ``(S, *shape)`` values at points of the region.
    rounding : sound rounding-error bounds, or None where they could not be had (`note` says why).
    observed : name -> largest observed |error| over the samples and a few orders of summation; never a bound.
    gradient : name -> gradient at the centre of the output that is largest there, with respect to the node.
    detail, errors : the bounds and the rounding bounds as the methods gave them, batch axis kept.
    verdict : what is proved about the outputs, in words (see `statement.margin_verdict`).
    note : what is missing, in one sentence.
    """

    settings: Settings
    seq: int
    seconds: float
    bounds: Mapping[str, Interval]
    loose: Mapping[str, Interval]
    values: Mapping[str, Array]
    samples: Mapping[str, Array]
    rounding: Mapping[str, Array] | None
    observed: Mapping[str, Array]
    gradient: Mapping[str, Array]
    detail: Bounds
    errors: RoundingBounds | None
    verdict: dict[str, Any]
    note: str = ""

    @property
    def eps(self) -> float:
        """Radius that the result belongs to."""
        return self.settings.eps

    @property
    def norm(self) -> str:
        """Norm that the result belongs to."""
        return self.settings.norm

    @property
    def method(self) -> str:
        """Method that found the bounds."""
        return self.settings.method

    @property
    def format(self) -> str:
        """Number format whose rounding is bounded."""
        return self.settings.format

    @property
    def example(self) -> int | None:
        """Index of the example at the centre."""
        return self.settings.example

    @classmethod
    def compute(
        cls,
        plan: Plan,
        settings: Settings,
        regions: Mapping[str, Region],
        center: Array | None,
        seq: int,
        progress: Progress,
    ) -> Iterator[tuple[Result, bool]]:
        """The bounds, as soon as they are known, then the same with rounding errors; each with whether more comes.

        `progress` is told how far it is, and may raise to stop.
        """
        start = perf_counter()

        def part(first: float, last: float, what: str) -> Progress:
            return lambda f, name: progress(first + (last - first) * f, f"{what} of node {name}")

        loose = ibp(plan, regions)
        progress(0.02, "interval bounds")
        name = plan.graph.inputs[0]
        region = regions[name]
        dtype = plan.graph[name].dtype
        middle = region.sample(1).astype(dtype) if center is None else center[None].astype(dtype)
        values = real.run(plan, {name: middle})
        output = plan.graph.outputs[0]
        rows = margin_rows(values[output][0]) if output in plan.live else None
        if settings.method == "ibp":
            bounds = loose
        else:
            bounds = find_bounds(plan, regions, settings.method, part(0.02, 0.6, "bounds"), rows)
        seconds = perf_counter() - start
        points = inside(region, region.sample(SAMPLES).astype(dtype))
        samples = real.run(plan, {name: points})
        gradients, note = slopes(plan, {name: middle}, values)
        first = cls(
            settings=settings,
            seq=seq,
            seconds=seconds,
            bounds={k: v[0] for k, v in bounds.items()},
            loose={k: v[0] for k, v in loose.items()},
            values={k: v[0] for k, v in values.items()},
            samples=samples,
            rounding=None,
            observed={},
            gradient=gradients,
            detail=bounds,
            errors=None,
            verdict=margin_verdict(plan, bounds, values, samples, None, settings.format),
            note=note,
        )
        yield first, True
        for _ in range(PAUSE):  # while the slider moves, the processor is left to it
            sleep(0.01)
            progress(0.65, "rounding errors")
        try:
            found = rounding(plan, bounds, settings.format, progress=part(0.65, 0.95, "rounding errors"))
            observed = observe_errors(
                plan, {name: points}, settings.format, progress=lambda f, _: progress(0.95 + 0.05 * f, "runs")
            )
        except (UnsupportedOperator, Unbounded, MemoryError) as problem:
            yield replace(first, note="; ".join(filter(None, [note, str(problem) or "out of memory"]))), False
            return
        where = ", ".join(found.overflow[:3])
        overflow = f"{settings.format} may overflow at {where}" if where else ""
        last = replace(
            first,
            rounding={k: v[0] for k, v in found.items()},
            observed=observed,
            errors=found,
            verdict=margin_verdict(plan, bounds, values, samples, found, settings.format),
            note="; ".join(filter(None, [note, overflow])),
        )
        yield last, False

    def kink(self, plan: Plan, name: str) -> tuple[str, float] | None:
        """Of an activation with two pieces: its operand, and where that changes the piece; else None."""
        step = plan.by_name.get(name)
        row = None if step is None else OPS.get(step.node.op)
        if step is None or row is None or row.kink is None:
            return None
        operand = step.operands[0]
        return None if operand is None or operand not in self.bounds else (operand, row.kink)

    def phases(self, plan: Plan, name: str) -> Array | None:
        """Each neuron's phase, of the node's shape: 1 always on, 0 unstable, -1 always off; None without phases."""
        found = self.kink(plan, name)
        if found is None:
            return None
        on, _, off = self.detail.phases(*found)
        return np.asarray(on[0].astype(np.int8) - off[0].astype(np.int8))


def slopes(
    plan: Plan, center: Mapping[str, Array], values: Mapping[str, Array]
) -> tuple[dict[str, Array], str]:
    """Gradient of the output that is largest at the centre, by node; or nothing, and why in one sentence."""
    name = plan.graph.outputs[0]
    if name not in plan.live or not plan.graph[name].size:
        return {}, ""
    seed = np.zeros((1, *plan.graph[name].shape))
    seed.reshape(-1)[int(np.argmax(values[name]))] = 1.0
    try:
        _, found = gradient.vjp(plan, center, {name: seed})
    except UnsupportedOperator as problem:
        return {}, f"no gradient: {problem}"
    return {k: v[0] for k, v in found.items()}, ""
