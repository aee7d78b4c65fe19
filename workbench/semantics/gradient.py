"""Gradients: vector-Jacobian products, carried backward over the graph (reverse mode).

A gradient rule is ``rule(call, operands, value, seed) -> one gradient an operand``: `operands` and `value` are what
the forward run computed, `seed` is the gradient with respect to `value`; None stands for a constant operand.  At a
kink the rule picks one subgradient and says which (relu: 0 at 0).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from workbench.graph import Array
from workbench.op import Meaning, rule_for
from workbench.semantics.plan import Plan
from workbench.semantics.real import run

gradient = Meaning("gradient", "the vector-Jacobian product at a point")


def vjp(
    plan: Plan, inputs: Mapping[str, Array], seeds: Mapping[str, Array]
) -> tuple[dict[str, Array], dict[str, Array]]:
    """Gradients of ``sum_n seeds[n] . value[n]`` with respect to every node, in float64.

    Parameters
    ----------
    plan : the network.
    inputs : name -> ``(B, *shape)``.
    seeds : name -> ``(B, *shape)`` gradient put in at that node.

    Returns
    -------
    values, gradients : both by node name; nodes that the seeds do not depend on have no gradient.
    """
    values = run(plan, inputs, np.float64)
    grads: dict[str, Array] = {k: np.asarray(v, np.float64) for k, v in seeds.items()}
    for step in reversed(plan.steps):
        name = step.node.name
        if name not in grads or name not in plan.live:
            continue
        operands = tuple(
            None
            if o is None
            else np.asarray(plan.constants[o], np.float64)[None]
            if o in plan.constants
            else values[o]
            for o in step.operands
        )
        with np.errstate(all="ignore"):
            pieces = rule_for(step.node, gradient)(step.call, operands, values[name], grads[name])
        for operand, piece in zip(step.operands, pieces, strict=True):
            if operand is None or piece is None or operand in plan.constants:
                continue
            grads[operand] = grads[operand] + piece if operand in grads else piece
    return values, grads
