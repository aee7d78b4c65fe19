"""Rows of integers packed into one integer, so that Python multiplies and adds all of them at once.

The numbers v_0, v_1, ... stand in one integer as ``sum v_i * 2**(i B)``, B a field's width. So packed rows are
added, and multiplied by a number, as integers are. With ``|v_i| < 2**(B-1)`` for all of them they are found again:
those below place m sum to less than ``2**(m B - 1)`` either way, so that what stands at place m, where nothing
stands above it, is the whole divided by ``2**(m B)``, to nearest. Who computes with packed rows keeps an upper
bound of all ``|v_i|``, and gives it to `unpack`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from workbench.certificate.format import CannotCheck

ROOM = 64  # bits for what stands before the point


def wide(precision: int) -> int:
    """B: the width of a field, whole bytes, for numbers in units of ``2**-2P``."""
    return (2 * precision + ROOM + 7) // 8 * 8


def fits(size: int, precision: int) -> None:
    """Numbers of at most this size could be told apart all the time (a size only grows).

    Raises
    ------
    CannotCheck
        They may have run into each other: nothing can be said of them.
    """
    if size >= 1 << wide(precision) - 1:
        raise CannotCheck("a number is too large for this precision")


def pack(row: Sequence[int], precision: int) -> tuple[int, int]:
    """The numbers as one, and the largest of their sizes."""
    bits, size = wide(precision), max(map(abs, row), default=0)
    fits(size, precision)
    half = 1 << bits - 1
    whole = b"".join([(v + half).to_bytes(bits // 8, "little") for v in row])
    return int.from_bytes(whole, "little") - _halves(len(row), bits), size


@cache
def _halves(count: int, bits: int) -> int:
    """``2**(B-1)`` in every field: what makes all numbers positive."""
    return ((1 << count * bits) - 1) // ((1 << bits) - 1) << bits - 1


def unpack(packed: int, count: int, size: int, precision: int) -> list[int]:
    """The numbers, where there are no others, and none is larger than `size`.

    Raises
    ------
    CannotCheck
        Numbers of that size may have run into each other.
    """
    fits(size, precision)
    bits = wide(precision)
    width, half = bits // 8, 1 << bits - 1
    data = (packed + _halves(count, bits)).to_bytes(count * width, "little")
    return [int.from_bytes(data[k : k + width], "little") - half for k in range(0, count * width, width)]
