"""How large a value may be: what a file asks for is judged before anything is allocated."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from workbench.graph import GraphError

LARGEST = 1 << 28  # elements of one value: 2 GiB in float64; a file that asks for more is refused, not tried


def check_size(what: str, shape: Sequence[int]) -> None:
    """Refuse a value that is larger than any real network's.

    Parameters
    ----------
    what : how the message names the value, e.g. ``"node 'big' (Expand)"``.
    shape : the shape that it would have.

    Raises
    ------
    GraphError
        A negative dimension, or more than `LARGEST` elements.
    """
    if any(n < 0 for n in shape):
        raise GraphError(f"{what} would have the shape {list(shape)}: a dimension cannot be negative")
    count = prod(int(n) for n in shape)
    if count > LARGEST:
        raise GraphError(
            f"{what} would have the shape {list(shape)}, {count:,} elements: more than this program accepts"
        )
