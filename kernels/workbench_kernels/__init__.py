"""The hot loops of NN Workbench in C++; `workbench.arrays.kernels` decides when they run and what they stand in for."""

from __future__ import annotations

from workbench_kernels._kernels import (
    Target,
    dots,
    instructions,
    ordered,
    ordered_in,
    product,
    relax,
    round_to,
)

INTERFACE = (
    1  # raised with every change of an argument or of a meaning; the workbench uses the one that it knows
)

__all__ = [
    "INTERFACE",
    "Target",
    "dots",
    "instructions",
    "ordered",
    "ordered_in",
    "product",
    "relax",
    "round_to",
]
