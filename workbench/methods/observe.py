"""Observed rounding errors: float runs in several orders against a run in a wider type.  Never a bound."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from workbench.floats.format import BINARY64
from workbench.floats.order import Order
from workbench.floats.program import Semantics, program_of
from workbench.graph import Array
from workbench.methods.progress import Progress
from workbench.semantics import ieee, real
from workbench.semantics.plan import Plan

CHUNK = 16  # inputs at once: between two chunks a person who moves the slider is heard
FEW: tuple[Order, ...] = ("blas", "sequential", "pairwise")


def observe_errors(
    plan: Plan,
    inputs: Mapping[str, Array],
    program: str | Semantics = "binary32",
    orders: Sequence[str | Order] = FEW,
    progress: Progress | None = None,
) -> dict[str, Array]:
    """The largest |error| seen at every neuron over the given inputs and orders of summation.

    Parameters
    ----------
    plan : the network.
    inputs : name -> ``(S, *shape)`` points.
    program : the float program.
    orders : orders to run in.
    progress : called with (fraction done, the order that runs); may raise to stop.

    Returns
    -------
    name -> ``(*shape)``.  The reference is a run in float64, or in the platform's long double where the program is
    binary64 (nothing is returned where that is no wider): right to a few digits, which is all that a picture needs.
    """
    program = program_of(program)
    wide: type[np.floating] = np.float64
    if BINARY64 in (program.accumulator, program.activations):
        wide = np.longdouble
        if np.finfo(wide).nmant <= np.finfo(np.float64).nmant:
            return {}
    count = max(len(x) for x in inputs.values())
    starts = range(0, count, CHUNK)
    found: dict[str, Array] = {}
    for k, start in enumerate(starts):
        some = {name: x[start : start + CHUNK] if len(x) == count else x for name, x in inputs.items()}
        reference = real.run(plan, some, wide)
        for j, order in enumerate(orders):
            if progress is not None:
                progress((k + j / len(orders)) / len(starts), str(order))
            for name, value in ieee.run(plan, some, program, order).items():
                with np.errstate(invalid="ignore"):
                    error = np.abs(value.astype(wide) - reference[name]).max(axis=0).astype(np.float64)
                error = np.where(np.isnan(error), np.inf, error)
                found[name] = np.maximum(found[name], error) if name in found else error
    return found
