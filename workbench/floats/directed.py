"""Directed operations that enclose: two numbers of a format with the exact result between them.

What has no enclosing numbers in the format (an overflow in a format without infinities, an operation without a result)
gets the whole line: a pair that proves nothing instead of one that is wrong.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from workbench.floats.format import BINARY64, Format
from workbench.floats.ieee754 import OPERATIONS
from workbench.floats.pair import kept
from workbench.floats.rounding import round_to
from workbench.graph import Array


def down(operation: str, *operands: Any, form: Format = BINARY64) -> Array:
    """The largest number of the format at or below the exact result: minus infinity where there is none, never NaN.

    Parameters
    ----------
    operation : "add", "sub", "mul", "div", "fma", "sqrt" or "convert".
    operands : float64 arrays; an infinite operand is an infinity, not a bound on something.
    form : the format; one that saturates does not do so here.

    Raises
    ------
    ValueError
        An operation that there is not.
    """
    return _directed(operation, operands, form, upward=False)


def up(operation: str, *operands: Any, form: Format = BINARY64) -> Array:
    """The smallest number of the format at or above the exact result: plus infinity where there is none, never NaN."""
    return _directed(operation, operands, form, upward=True)


def enclosure(operation: str, *operands: Any, form: Format = BINARY64) -> tuple[Array, Array]:
    """Both: ``lower <= exact result <= upper``, a unit in the last place apart or equal."""
    return down(operation, *operands, form=form), up(operation, *operands, form=form)


def _directed(operation: str, operands: tuple[Any, ...], form: Format, *, upward: bool) -> Array:
    if operation not in OPERATIONS:
        raise ValueError(f"there is no operation {operation!r}: choose one of {', '.join(OPERATIONS)}")
    policy = "inf" if form.infinities else "saturate"
    outcome = OPERATIONS[operation](*operands, form, "up" if upward else "down", overflow=policy)
    value = outcome.value
    if not form.infinities:
        # saturation may have gone inward: then no number of the format is a bound
        inward = outcome.flags.overflow & ((value > 0) == upward)
        endless = np.isinf(_exact_infinity(operation, operands, upward=upward))
        value = np.where(inward | endless, np.inf if upward else -np.inf, value)
    return kept(np.where(np.isnan(value), np.inf if upward else -np.inf, value))


def _exact_infinity(operation: str, operands: tuple[Any, ...], *, upward: bool) -> Array:
    """Infinite where the exact result is: in a format that cannot say so, that is a bound no more."""
    value = OPERATIONS[operation](*operands, BINARY64, "toward-zero").value
    return np.where(np.isnan(value), 0.0, value)


def split(x: Any, form: Format) -> tuple[Array, Array]:
    """Real numbers given in float64, as the numbers of the format below and above them; see `enclosure`."""
    x = np.asarray(x, np.float64)
    if not form.infinities:
        return enclosure("convert", x, form=form)
    low, high = round_to(x, form, "down"), round_to(x, form, "up")
    return np.where(np.isnan(x), -np.inf, low), np.where(np.isnan(x), np.inf, high)
