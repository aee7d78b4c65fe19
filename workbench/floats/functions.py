"""Functions that NumPy does not have, as float programs compute them from those that it has."""

from __future__ import annotations

import numpy as np

from workbench.graph import Array


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)), in the type of x; only exp of a non-positive number is taken.

    So nothing overflows, and the left tail has its full relative accuracy.
    """
    e = np.exp(-np.abs(x))
    return np.asarray(np.where(x >= 0, 1 / (1 + e), e / (1 + e)))
