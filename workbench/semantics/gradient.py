"""Gradients: vector-Jacobian products, carried backward over the graph (reverse mode).

A gradient rule is ``rule(call, operands, value, seed) -> one gradient an operand``: `operands` and `value` are what
the forward run computed, `seed` is the gradient with respect to `value`; None stands for a constant operand.  At a
kink the rule picks one subgradient and says which (relu: 0 at 0).  A rule may leave out what nobody asks for
(`Call.wants`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from workbench.graph import Array
from workbench.op import Meaning, rule_for
from workbench.semantics.plan import Plan, Step
from workbench.semantics.real import run

gradient = Meaning("gradient", "the vector-Jacobian product at a point")


def vjp(
    plan: Plan,
    inputs: Mapping[str, Array],
    seeds: Mapping[str, Array],
    dtype: Any = np.float64,
    wanted: frozenset[str] | None = None,
) -> tuple[dict[str, Array], dict[str, Array]]:
    """Gradients of ``sum_n seeds[n] . value[n]`` with respect to every node.

    Parameters
    ----------
    plan : the network.
    inputs : name -> ``(B or 1, *shape)``; an input of 1 is shared by all B, and its gradient is their sum.
    seeds : name -> ``(B, *shape)`` gradient put in at that node; B rows at one point give B gradients.
    dtype : float type to compute in; None keeps the graph's own types.
    wanted : names whose gradients are asked for; None asks for all.

    Returns
    -------
    values, gradients : both by node name; nodes that the seeds do not depend on have no gradient.
    """
    values = run(plan, inputs, dtype)
    return values, pullback(plan, values, seeds, dtype, wanted)


def pullback(
    plan: Plan,
    values: Mapping[str, Array],
    seeds: Mapping[str, Array],
    dtype: Any = np.float64,
    wanted: frozenset[str] | None = None,
) -> dict[str, Array]:
    """The backward half of `vjp`, from the values of a forward run."""
    grads: dict[str, Array] = {k: np.asarray(v, dtype) for k, v in seeds.items()}
    for step in reversed(plan.steps if wanted is None else toward(plan, wanted)):
        name = step.node.name
        if name not in grads or name not in plan.live:
            continue
        seed, value = grads[name], values[name]
        operands = tuple(
            None
            if o is None
            else plan.constants[o].astype(dtype or value.dtype)[None]
            if o in plan.constants
            else values[o]
            for o in step.operands
        )
        with np.errstate(all="ignore"):
            pieces = rule_for(step.node, gradient)(step.call, operands, value, seed)
        for i, (operand, piece) in enumerate(zip(step.operands, pieces, strict=True)):
            if operand is None or piece is None or operand in plan.constants:
                continue
            if wanted is not None and not step.call.wants(i):
                continue
            part = cast_back(piece, values[operand], value.shape[0] > 1)
            grads[operand] = grads[operand] + part if operand in grads else part
        if wanted is not None and name not in wanted:
            del grads[name]
    return grads


def cast_back(piece: Array, operand: Array, many: bool) -> Array:
    """A gradient summed over examples, where one operand is shared by many; in the operand's type."""
    if many and operand.shape[0] == 1 < piece.shape[0]:
        piece = piece.sum(axis=0, keepdims=True)
    # forms of constants are float64
    return piece if piece.dtype == operand.dtype else piece.astype(operand.dtype)


def toward(plan: Plan, wanted: frozenset[str]) -> tuple[Step, ...]:
    """The steps that depend on what is wanted; their calls know which operands do not."""
    key = ("toward", wanted)
    if key not in plan.memo:
        reached, found = set(wanted), []
        for step in plan.steps:
            away = tuple(i for i, o in enumerate(step.operands) if o not in reached)
            if len(away) < len(step.operands):
                reached.add(step.node.name)
                call = replace(step.call, memo={**step.call.memo, "unwanted": away})
                found.append(replace(step, call=call))
        plan.memo[key] = tuple(found)
    steps: tuple[Step, ...] = plan.memo[key]
    return steps
