"""One neuron's relaxation, ready to draw: the operator's curve and the two lines that stand in for it."""

from __future__ import annotations

from typing import Any

import numpy as np

from workbench.graph import Array
from workbench.op import OPS, rule_for
from workbench.results import Result
from workbench.semantics import real
from workbench.semantics.affine import Relaxation
from workbench.semantics.plan import Plan
from workbench.semantics.real import FLOAT

POINTS = 97  # of a smooth curve


def describe_neuron(plan: Plan, result: Result, name: str, index: int) -> dict[str, Any] | None:
    """The two lines of one neuron of an elementwise nonlinear node, with its curve sampled for drawing."""
    form = result.detail.forms.get(name)
    step = plan.by_name.get(name)
    if not isinstance(form, Relaxation) or step is None or any(u is not None for u in form.unfold):
        return None
    live = [i for i, s in enumerate(form.lower.slopes) if s is not None or form.upper.slopes[i] is not None]
    operand = (step.operands[live[0]] or "") if len(live) == 1 else ""
    if operand not in result.bounds or plan.graph[operand].size != step.node.size:
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
    """Points of the operator's graph a little beyond [low, high]: a picture; none where another operand is live."""
    step = plan.by_name[name]
    others = [o for o in step.operands if o is not None and o != operand]
    if not (np.isfinite(low) and np.isfinite(high)) or not all(o in plan.constants for o in others):
        return []
    margin = 0.25 * (high - low) + 1e-12 + 1e-9 * abs(low)
    kink = OPS[step.node.op].kink
    bends = [x for x in (0.0, kink) if x is not None and low - margin < x < high + margin]
    xs = np.linspace(low - margin, high + margin, POINTS if kink is None else 2)
    xs = np.unique(np.concatenate([xs, [low, high], bends]))
    values = np.zeros((xs.size, *plan.graph[operand].shape))
    values.reshape(xs.size, -1)[:, index] = xs
    operands = [
        values if o == operand else None if o is None else np.asarray(plan.constants[o])[None]
        for o in step.operands
    ]
    with np.errstate(all="ignore"):
        found = np.asarray(rule_for(step.node, real.real)(step.call, FLOAT, *operands))
    ys = found.reshape(xs.size, -1)[:, index]
    return [[float(a), float(b)] for a, b in zip(xs, ys, strict=True) if np.isfinite(b)]
