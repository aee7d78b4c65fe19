"""Rounding errors of every neuron over a region: forward local errors, backward correlation (F9), the tighter of both.

Node by node, in order (see `semantics.rounding` for the equation d = C d_operands + t' and its proof):
* forward    e = |J| e_operands + |shift| + rho;
* backward   for neurons that mix several errors, rows of coefficients L are carried back through the fixed centres C
             (`methods.correlation`): e = |sum_v L_v . shift_v| + sum_v |L_v| . rho'_v, over the nodes v behind.  At a
             node that all errors have to pass, |L_v| . e_v may close the sum; the least of all such sums counts.
Real ranges are given (CROWN's, say); float ranges are real ranges widened by e, and also what interval arithmetic gives
from the operands' float ranges.  A neuron that may overflow, and all that depends on it, has an infinite bound.
"""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import Literal

import numpy as np

from workbench.floats.format import Format
from workbench.floats.program import Semantics, Unbounded, program_of
from workbench.graph import Array, GraphError
from workbench.methods.bounds import Bounds
from workbench.methods.errorrows import mixes
from workbench.methods.errorwalk import Walk
from workbench.methods.observe import observe_errors
from workbench.methods.roundingbounds import Inputs, RoundingBounds
from workbench.semantics.affine import Relaxation, describe
from workbench.semantics.plan import Plan

Progress = Callable[[float, str], None]
Correlate = Literal["needed", "all", "outputs", "none"]


def rounding(
    plan: Plan,
    before: Bounds,
    program: str | Format | Semantics = "binary32",
    *,
    inputs: Inputs = "rounded",
    correlate: Correlate = "needed",
    progress: Progress | None = None,
) -> RoundingBounds:
    """Bounds on |float value - real value| of every node, for every input of the regions that `before` belongs to.

    Parameters
    ----------
    plan : the network.
    before : sound real bounds of every node over the regions; the tighter they are, the tighter is the result.
    program : a number format or its name, or a `Semantics`: the float program (see `program_of`).  Its order of sums,
        its mode of rounding and its programs for single nodes are taken as they are; "any" order is the default.
    inputs : "rounded": the program is given the real input rounded to its format; an input that is already a number of
        the format is its own rounding, so that such runs are covered too.  "exact": only such inputs are meant.
    correlate : which neurons are bounded by rows: "needed" (those that a nonlinear node or an output reads, with
        nothing but elementwise nodes between), "all", "outputs", or "none" (the forward form alone).
    progress : called with (fraction done, node name); may raise to stop.

    Raises
    ------
    UnsupportedOperator
        Naming an operator that has no rule for rounding.
    Unbounded
        A program that nothing is proved for: fixed point, or flushed subnormals in an operator whose proof needs them.
    ValueError
        An unknown format, or an unknown choice.
    """
    start = perf_counter()
    if inputs not in ("rounded", "exact"):
        raise ValueError(f'inputs must be "rounded" or "exact", not {inputs!r}')
    if correlate not in ("needed", "all", "outputs", "none"):
        raise ValueError(f'correlate must be "needed", "all", "outputs" or "none", not {correlate!r}')
    program = program_of(program)
    check_program(plan, program)
    walk = Walk(plan, before, program)
    for name in plan.graph.inputs:
        walk.enter(name, inputs)
    wanted = {"all": plan.live, "outputs": frozenset(plan.graph.outputs)}.get(correlate, frozenset())
    if correlate == "needed":
        wanted = needed(plan, before)
    for k, step in enumerate(plan.steps):
        if progress is not None:
            progress(k / len(plan.steps), step.node.name)
        walk.visit(step, correlated=step.node.name in wanted)
    walk.look_back()
    for name in plan.graph.outputs:
        if name in plan.constants:
            held = walk.constant(name, program)
            apart = np.zeros(held[0].lo.shape) if held[1] is None else held[1]
            walk.errors[name], walk.own[name], walk.ranges[name] = apart, apart, held[0]
    return RoundingBounds(
        bounds=walk.errors,
        local=walk.own,
        ranges=walk.ranges,
        program=program,
        inputs=inputs,
        assumptions=walk.assumptions(),
        overflow=tuple(walk.overflow),
        seconds=perf_counter() - start,
        outputs=plan.graph.outputs,
        real=before,
        trace=walk.network.shares,
        combine=walk.network.combined,
    )


def margin_errors(
    plan: Plan,
    bounds: Bounds,
    semantics: str | Semantics,
    rows: Array,
    *,
    inputs: Inputs = "rounded",
    correlate: Correlate = "needed",
) -> Array:
    """Bounds ``(B, R)`` on ``|rows . float output - rows . real output|``, correlation included (F13).

    Parameters
    ----------
    plan, bounds, semantics, inputs, correlate : as in `rounding`.
    rows : ``(R, *shape)`` exact coefficients of the first output; the product with them is meant exactly.

    Returns
    -------
    ``(B, R)``; infinite where a value that the row reads may overflow.  Where the real margin ``rows . output`` exceeds
    its bound over the whole region, the float outputs compare the same way.
    """
    return rounding(plan, bounds, semantics, inputs=inputs, correlate=correlate).rows(rows)


def needed(plan: Plan, before: Bounds) -> frozenset[str]:
    """Nodes whose error enters a nonlinear node, or is asked for, or does so through nodes that mix no errors."""
    key = "nodes whose rounding errors are needed"
    if key not in plan.memo:
        found = set(plan.graph.outputs)
        with np.errstate(all="ignore"):
            for step in reversed(plan.steps):
                if step.node.name in plan.live:
                    form = describe(plan, step, before.intervals)
                    if isinstance(form, Relaxation) or (step.node.name in found and not mixes(step, form)):
                        found.update(o for o in step.operands if o is not None)
        plan.memo[key] = frozenset(found)
    known: frozenset[str] = plan.memo[key]
    return known


def check_program(plan: Plan, program: Semantics) -> None:
    """Refuse a program that nothing is proved for, or that names nodes that there are not.

    Raises
    ------
    Unbounded, GraphError
    """
    if program.refusal:
        raise Unbounded(f"{program.refusal}; this program can be run, not bounded")
    unknown = [name for name in program.nodes if name not in plan.graph.by_name]
    if unknown:
        raise GraphError(
            f"{program.name} has a program for {unknown[0]!r}, which is no node of {plan.graph.name}"
        )


__all__ = ["Inputs", "RoundingBounds", "margin_errors", "observe_errors", "rounding"]
