"""A network run as a named float program: formats, accumulator and order of summation chosen, errors to be observed.

An operator computes in the accumulator's type by its own real rule, with sums and matrix products in the program's
order; its result is rounded once to the format of activations.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from workbench.floats import execute
from workbench.floats.format import BINARY32, BINARY64, Format
from workbench.floats.program import Order, Semantics, program_of
from workbench.floats.rounding import round_to
from workbench.graph import Array
from workbench.op import rule_for
from workbench.semantics.plan import Plan
from workbench.semantics.real import FLOAT, real


class OrderedArithmetic:
    """The arithmetic namespace of real rules with sums and matrix products in a named order."""

    def __init__(self, order: Order, seed: int = 0) -> None:
        self.order, self.rng = order, np.random.default_rng(seed)

    def __getattr__(self, name: str) -> Any:
        return getattr(FLOAT, name)

    def matmul(self, x: Array, y: Array) -> Array:
        return execute.matmul(x, y, self.order, self.rng)

    def sum(self, x: Array, axis: tuple[int, ...]) -> Array:
        kept = [i for i in range(x.ndim) if i not in {a % x.ndim for a in axis}]
        last = np.transpose(x, (*kept, *(a % x.ndim for a in axis)))
        found = execute.total(last.reshape(*last.shape[: len(kept)], -1), self.order, self.rng)
        shape = [1 if i not in kept else x.shape[i] for i in range(x.ndim)]
        return found.reshape(shape)


def run(
    plan: Plan,
    inputs: Mapping[str, Array],
    program: str | Semantics = "binary32",
    order: Order = "blas",
    seed: int = 0,
) -> dict[str, Array]:
    """Every value of the network, as the float program computes it.

    Parameters
    ----------
    plan : the network.
    inputs : name -> array ``(B, *shape)``; rounded to the program's format first.
    program : "binary64", "binary32", "binary16", "bfloat16" or a `Semantics`.
    order : how sums are added ("any" is done as "blas").
    seed : of the order "random".

    Returns
    -------
    name -> array of the accumulator's type ``(B or 1, *shape)``, its values numbers of the format of activations.

    Raises
    ------
    ValueError
        An accumulator that NumPy does not compute in.
    """
    program = program_of(program)
    native = {BINARY32: np.float32, BINARY64: np.float64}
    if program.accumulator not in native:
        raise ValueError(f"a run accumulates in binary32 or binary64, not in {program.accumulator.name}")
    dtype = native[program.accumulator]

    def store(x: Array, form: Format) -> Array:
        return round_to(x, form).astype(dtype) if x.dtype.kind == "f" else x

    ns: Any = OrderedArithmetic(order, seed)
    values = {name: store(np.asarray(inputs[name]), program.activations) for name in plan.graph.inputs}
    constants: dict[str, Array] = {}

    def constant(name: str) -> Array:
        if name not in constants:
            constants[name] = store(plan.constants[name], program.weights)[None]
        return constants[name]

    with np.errstate(all="ignore"):
        for step in plan.steps:
            operands = [
                None if o is None else constant(o) if o in plan.constants else values[o]
                for o in step.operands
            ]
            result = np.asarray(rule_for(step.node, real)(step.call, ns, *operands))
            values[step.node.name] = store(result, program.activations) if program.mixed else result
    for name in plan.graph.outputs:
        if name in plan.constants:
            values[name] = constant(name)
    return values
