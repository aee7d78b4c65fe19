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

from workbench.graph import Array
from workbench.methods.bounds import Bounds
from workbench.methods.crown import Progress
from workbench.methods.ibp import ibp
from workbench.methods.named import find_bounds
from workbench.methods.rounding import RoundingBounds, observe_errors, rounding
from workbench.op import UnsupportedOperator, rule_for
from workbench.region import Region
from workbench.semantics import gradient, real
from workbench.semantics.affine import Relaxation
from workbench.semantics.interval import Interval
from workbench.semantics.plan import Plan
from workbench.semantics.real import FLOAT
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
    ) -> Iterator[Result]:
        """First the bounds alone, as soon as they are known, then the same with rounding errors.

        `progress` is told how far it is, and may raise to stop.
        """
        start = perf_counter()

        def part(first: float, last: float) -> Progress:
            return lambda f, message: progress(first + (last - first) * f, message)

        loose = ibp(plan, regions)
        progress(0.02, "interval bounds")
        name = plan.graph.inputs[0]
        region = regions[name]
        dtype = plan.graph[name].dtype
        middle = region.sample(1).astype(dtype) if center is None else center[None].astype(dtype)
        values = real.run(plan, {name: middle})
        rows = margin_rows(values[plan.graph.outputs[0]][0])
        if settings.method == "ibp":
            bounds = loose
        else:
            bounds = find_bounds(plan, regions, settings.method, part(0.02, 0.6), rows)
        seconds = perf_counter() - start
        points = inside(region, region.sample(SAMPLES).astype(dtype))
        samples = real.run(plan, {name: points})
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
            gradient=slopes(plan, {name: middle}, values),
            detail=bounds,
            errors=None,
            verdict=margin_verdict(plan, bounds, values, samples, None, settings.format),
            note="",
        )
        yield first
        for _ in range(PAUSE):  # while the slider moves, the processor is left to it
            sleep(0.01)
            progress(0.65, "rounding errors")
        try:
            found = rounding(plan, bounds, settings.format, progress=part(0.65, 0.95))
            observed = observe_errors(plan, {name: points}, settings.format)
        except (ValueError, MemoryError) as problem:
            yield replace(first, note=str(problem))
            return
        where = ", ".join(found.overflow[:3])
        yield replace(
            first,
            rounding={k: v[0] for k, v in found.items()},
            observed=observed,
            errors=found,
            verdict=margin_verdict(plan, bounds, values, samples, found, settings.format),
            note=f"{settings.format} may overflow at {where}" if where else "",
        )

    def phases(self, plan: Plan, name: str) -> tuple[int, int, int] | None:
        """Counts of (on, unstable, off) neurons of a node with two pieces, by its operand's bounds."""
        step = plan.by_name.get(name)
        operand = step.operands[0] if step is not None and step.node.op in ("Relu", "LeakyRelu") else None
        if operand is None or operand not in self.bounds:
            return None
        on, unstable, off = self.detail.phases(operand)
        return int(on[0].sum()), int(unstable[0].sum()), int(off[0].sum())


def slopes(plan: Plan, center: Mapping[str, Array], values: Mapping[str, Array]) -> dict[str, Array]:
    """Gradient of the output that is largest at the centre, by node; empty where an operator has no gradient."""
    name = plan.graph.outputs[0]
    if name not in plan.live or not plan.graph[name].size:
        return {}
    seed = np.zeros((1, *plan.graph[name].shape))
    seed.reshape(-1)[int(np.argmax(values[name]))] = 1.0
    try:
        _, found = gradient.vjp(plan, center, {name: seed})
    except UnsupportedOperator:
        return {}
    return {k: v[0] for k, v in found.items()}


def overlays() -> list[tuple[str, str, str, bool]]:
    """(key, label, unit, logarithmic)."""
    return [
        ("width", "bound width, largest", "", True),
        ("width-mean", "bound width, mean", "", True),
        ("unstable", "unstable neurons", "share", False),
        ("error", "rounding error, largest", "absolute", True),
        ("error-ulp", "rounding error, largest", "ulp", True),
        ("none", "none", "", False),
    ]


def overlay_values(plan: Plan, result: Result | None, key: str) -> dict[str, float | None]:
    """One number a node; None where the overlay says nothing about it."""
    names = [n.name for n in plan.graph.nodes]
    if result is None or key == "none":
        return dict.fromkeys(names)
    found: dict[str, float | None] = {}
    for name in names:
        value: float | None = None
        if key in ("width", "width-mean") and name in result.bounds:
            width = result.bounds[name].width
            value = float(width.max() if key == "width" else width.mean()) if width.size else None
        elif key == "unstable" and (phases := result.phases(plan, name)) is not None:
            value = phases[1] / max(1, sum(phases))
        elif key in ("error", "error-ulp") and result.errors is not None and name in result.errors:
            errors = result.errors[name] if key == "error" else result.errors.ulps(name)
            value = float(np.max(errors)) if errors.size else None
        found[name] = value
    return found


def describe_neuron(plan: Plan, result: Result, name: str, index: int) -> dict[str, Any] | None:
    """The two lines of one neuron of an elementwise nonlinear node, with its curve sampled for drawing."""
    form = result.detail.forms.get(name)
    step = plan.by_name.get(name)
    if not isinstance(form, Relaxation) or step is None or any(u is not None for u in form.unfold):
        return None
    live = [i for i, s in enumerate(form.lower.slopes) if s is not None or form.upper.slopes[i] is not None]
    operand = step.operands[live[0]] if len(live) == 1 else None
    if operand is None or plan.graph[operand].size != step.node.size:
        return None
    i = live[0]

    def pick(a: Array | None) -> float:
        return (
            0.0
            if a is None
            else float(np.broadcast_to(a, (a.shape[0], *step.node.shape))[0].reshape(-1)[index])
        )

    held = result.bounds[operand]
    low, high = float(held.lo.reshape(-1)[index]), float(held.hi.reshape(-1)[index])
    return {
        "input": operand,
        "l": low,
        "u": high,
        "lower": {"slope": pick(form.lower.slopes[i]), "offset": pick(form.lower.offset)},
        "upper": {"slope": pick(form.upper.slopes[i]), "offset": pick(form.upper.offset)},
        "curve": _curve(plan, name, operand, index, low, high),
        "formula": f"{step.node.op}({operand})",
    }


def _curve(plan: Plan, name: str, operand: str, index: int, low: float, high: float) -> list[list[float]]:
    """Points of the operator's graph a little beyond [low, high]: a picture."""
    if not (np.isfinite(low) and np.isfinite(high)):
        return []
    step = plan.by_name[name]
    margin = 0.25 * (high - low) + 1e-12 + 1e-9 * abs(low)
    xs = np.linspace(low - margin, high + margin, 97)
    xs = np.unique(np.concatenate([xs, [low, high], [0.0] if low < 0 < high else []]))
    values = np.zeros((xs.size, *plan.graph[operand].shape))
    values.reshape(xs.size, -1)[:, index] = xs
    operands = [
        values if o == operand else None if o is None else np.asarray(plan.constants[o])[None]
        for o in step.operands
    ]
    with np.errstate(all="ignore"):
        ys = np.asarray(rule_for(step.node, real.real)(step.call, FLOAT, *operands)).reshape(xs.size, -1)[
            :, index
        ]
    return [[float(a), float(b)] for a, b in zip(xs, ys, strict=True) if np.isfinite(b)]
