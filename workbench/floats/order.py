"""In which order, and under which parentheses, a sum of n leaves is added.

| order | adds |
|---|---|
| ``"sequential"`` | ((x0 + x1) + x2) + ... |
| ``"reversed"`` | the same from the last leaf to the first |
| ``"pairwise"`` | leaf i to leaf i + n // 2, an odd one waits; again on what is left |
| `Blocked` (size) | each block of that many neighbours sequentially, then the blocks' sums sequentially |
| `Tree` (nested) | as written: ``((0, 1), (2, 3))`` |
| ``"random"`` | sequentially, in an order that a seed decides |
| ``"adversarial"`` | sequentially: positive leaves from the largest on, then negative ones from the smallest |
| ``"fma"`` | sequentially, each product fused into its addition |
| ``"blas"`` | however NumPy and its BLAS do it here: cannot be told, differs between machines |
| ``"any"`` | not an order but the claim that a bound holds for every one; run as ``"sequential"`` |
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

import numpy as np

from workbench.graph import Array

Named = Literal["any", "blas", "sequential", "reversed", "pairwise", "random", "adversarial", "fma"]
NAMES: tuple[Named, ...] = (
    "any",
    "blas",
    "sequential",
    "reversed",
    "pairwise",
    "random",
    "adversarial",
    "fma",
)
Nested = int | tuple["Nested", ...]
Addition = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Blocked:
    """Blocks of `size` neighbours, each added sequentially, then their sums sequentially."""

    size: int

    def __post_init__(self) -> None:
        if self.size < 1:
            raise ValueError(f"a block of {self.size} leaves is none")

    def __str__(self) -> str:
        return f"blocked({self.size})"


@dataclass(frozen=True, slots=True)
class Tree:
    """Parentheses, as nested tuples of the leaves' numbers; a tuple of more than two is added from the left."""

    nested: Nested

    def __str__(self) -> str:
        return "tree"


Order = Named | Blocked | Tree


def order_of(order: str | Order) -> Order:
    """An order by its name, ``"blocked(8)"`` included.

    Raises
    ------
    ValueError
        A name that no order has.
    """
    if isinstance(order, Blocked | Tree):
        return order
    if order in NAMES:
        return order
    blocks = re.fullmatch(r"blocked\((\d+)\)", order)
    if blocks:
        return Blocked(int(blocks[1]))
    raise ValueError(f"there is no order {order!r}: choose one of {', '.join(NAMES)}, blocked(B), or a Tree")


def chain(order: Order, count: int, rng: np.random.Generator) -> Array | None:
    """The leaves in the sequence in which a running sum takes them; None where the order is no running sum."""
    match order:
        case "sequential" | "any" | "fma":
            return np.arange(count)
        case "reversed":
            return np.arange(count)[::-1]
        case "random":
            return rng.permutation(count)
        case _:
            return None


def additions(
    order: Order, count: int, rng: np.random.Generator, leaves: Array | None = None
) -> list[Addition]:
    """The additions of a sum, in the order in which they are done.

    Parameters
    ----------
    order : any but "blas".
    count : number of leaves; they are numbered from 0, and the i-th addition's result is number ``count + i``.
    rng : decides "random".
    leaves : the leaves' values ``(count,)``, which decide "adversarial".

    Raises
    ------
    ValueError
        An order that cannot be told, or a tree of other leaves.
    """
    if count < 2:
        return []
    sequence = chain(order, count, rng)
    if sequence is not None:
        return _running(sequence.tolist(), count)
    match order:
        case "adversarial":
            if leaves is None:
                raise ValueError("the order 'adversarial' is decided by the leaves' values")
            up, down = np.maximum(leaves, 0), np.minimum(leaves, 0)
            first, second = np.argsort(-up, kind="stable"), np.argsort(-down, kind="stable")
            taken = [k for k in first.tolist() if leaves[k] >= 0] + [
                k for k in second.tolist() if leaves[k] < 0
            ]
            return _running(taken, count)
        case "pairwise":
            return _pairwise(count)
        case Blocked(size):
            return _blocked(size, count)
        case Tree(nested):
            return _nested(nested, count)
        case _:
            raise ValueError(f"in which order {order!r} adds cannot be told")


def _running(sequence: list[int], count: int) -> list[Addition]:
    found = [(sequence[0], sequence[1])]
    found += [(count + i, leaf) for i, leaf in enumerate(sequence[2:])]
    return found


def _pairwise(count: int) -> list[Addition]:
    found: list[Addition] = []
    level = list(range(count))
    while len(level) > 1:
        half = len(level) // 2
        pairs = list(zip(level[:half], level[half : 2 * half], strict=True))
        rest = level[2 * half :]
        level = [count + len(found) + i for i in range(half)] + rest
        found += pairs
    return found


def _blocked(size: int, count: int) -> list[Addition]:
    found: list[Addition] = []
    sums: list[int] = []
    for first in range(0, count, size):
        at = first
        for leaf in range(first + 1, min(first + size, count)):
            found.append((at, leaf))
            at = count + len(found) - 1
        sums.append(at)
    at = sums[0]
    for other in sums[1:]:
        found.append((at, other))
        at = count + len(found) - 1
    return found


def _nested(nested: Nested, count: int) -> list[Addition]:
    """Without recursion: a running sum of a layer is a deep tree."""
    found: list[Addition] = []
    leaves: list[int] = []
    values: list[int] = []
    todo: list[Nested | None] = [nested]  # None: add the two newest values
    while todo:
        node = todo.pop()
        if node is None:
            right, left = values.pop(), values.pop()
            found.append((left, right))
            values.append(count + len(found) - 1)
        elif isinstance(node, int):
            leaves.append(node)
            values.append(node)
        else:
            for child in reversed(node[1:]):
                todo += [None, child]
            todo += list(node[:1])
    if sorted(leaves) != list(range(count)):
        raise ValueError(f"the tree's {len(leaves)} leaves are not the {count} leaves of this sum, each once")
    return found
