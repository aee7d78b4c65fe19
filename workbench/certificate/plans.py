"""Plans: how the engine split a region, found again in what its search kept.

The engine keeps the boxes (or choices of signs) that it proved and the boxes that it cut, not the tree that led to
them.  A tree that does is found from these: a box is split where the boxes inside of it lie on two sides.  A plan is a
choice: where it is wrong the proof that follows it fails or is longer, and nothing false is proved.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from workbench.graph import Array
from workbench.methods.points import between


@dataclass(frozen=True, slots=True, eq=False)
class Chosen:
    """With what slopes and multipliers the engine refuted an alternative.

    Parameters
    ----------
    row : which of the alternative's constraints; size : the engine's largest coefficient of it.
    neurons : relus by name and element, in the order of the engine's numbers.
    choices : the entry (`methods.tree.Choices`, of one row).
    """

    row: int
    size: float
    neurons: list[tuple[str, int]]
    choices: Any

    def slopes(self) -> dict[tuple[str, int], float]:
        """Of the lines below."""
        at = self.choices.neurons.tolist()
        return {self.neurons[k]: s for k, s in zip(at, self.choices.slopes.tolist(), strict=True)}

    def multipliers(self) -> dict[tuple[str, int], float]:
        """Of decided signs."""
        if self.choices.multipliers is None:
            return {}
        every = zip(self.choices.neurons.tolist(), self.choices.multipliers.tolist(), strict=True)
        return {self.neurons[k]: m for k, m in every if m}


@dataclass(frozen=True, slots=True)
class Tree:
    """How a part was split.  A tree without children is a leaf.

    Parameters
    ----------
    axis, place : an input's flat index and where it was cut: below it the first child, above it the second.
    relu, element : instead of them, the phase that was split: z <= 0 the first child, z >= 0 the second.
    clipped : whether what could not be unsafe was cut off before.
    chosen : of a leaf, how each alternative was refuted, None where it is not known.
    """

    children: tuple[Tree, ...] = ()
    axis: int = 0
    place: float | Fraction = 0.0
    relu: str = ""
    element: int = 0
    clipped: bool = False
    chosen: tuple[Chosen | None, ...] = ()


def plan_of(
    tree: Any, neurons: tuple[tuple[str, int], ...], unsafe: Sequence[Sequence[Any]] = ()
) -> Tree | None:
    """The plan of a finished search (`methods.tree.Tree`), or None where it kept none.

    Parameters
    ----------
    neurons : relus by name and size, in the order in which the search counts neurons.
    unsafe : the alternatives that it refuted, each a list of constraints (`spec.Constraint`).
    """
    kept = () if tree is None else tuple(p for p in tree.proved if len(p.lower))
    if not kept:
        return None
    names = [(name, j) for name, size in neurons for j in range(size)]

    def chosen(numbers: Array | None) -> tuple[Chosen | None, ...]:
        if numbers is None or len(numbers) != len(unsafe):
            return ()
        return tuple(
            _chosen(tree, int(i), every, names, rows) for i, every in zip(numbers, unsafe, strict=True)
        )

    rows = list(dict.fromkeys(c for every in unsafe for c in every))
    if kept[0].signs is not None:
        signs = np.concatenate([p.signs for p in kept])
        leaves = [None if p.choice is None else p.choice[b] for p in kept for b in range(len(p.signs))]
        if signs.shape[1] != len(names):
            return None
        return _of_signs(signs, names, np.arange(len(signs)), lambda k: chosen(leaves[k]))
    return _of_boxes(kept, chosen)


def _chosen(
    tree: Any, number: int, every: Sequence[Any], names: list[tuple[str, int]], rows: list[Any]
) -> Chosen | None:
    if number < 0:
        return None
    found = tree.choice(number)
    row = rows[int(found.row)]
    if row not in every or (found.neurons.size and int(found.neurons.max()) >= len(names)):
        return None
    return Chosen(list(every).index(row), max(abs(float(v)) for v in row.coefficients), names, found)


def _of_signs(
    signs: Array,
    names: list[tuple[str, int]],
    index: Array,
    chosen: Callable[[int], tuple[Chosen | None, ...]],
) -> Tree:
    """Every leaf below a split has a sign there."""
    if len(signs) == 1:
        return Tree(chosen=chosen(int(index[0])))
    split = np.flatnonzero((signs != 0).all(axis=0) & (signs < 0).any(axis=0) & (signs > 0).any(axis=0))
    if not split.size:
        return Tree()
    on, rest = signs[:, split[0]] > 0, np.delete(signs, split[0], axis=1)
    left = [*names[: split[0]], *names[split[0] + 1 :]]
    name, element = names[split[0]]
    below, above = (_of_signs(rest[v], left, index[v], chosen) for v in (~on, on))
    return Tree((below, above), relu=name, element=element)


def _of_boxes(kept: tuple[Any, ...], chosen: Callable[[Array | None], tuple[Chosen | None, ...]]) -> Tree:
    whole = [(p.lower, p.upper) for p in kept if p.cut_lower is None]
    lower, upper = (np.concatenate([w[k] for w in whole]) for k in (0, 1))
    cuts = {
        _key(*ends): (low, high)
        for p in kept
        if p.cut_lower is not None
        for *ends, low, high in zip(p.lower, p.upper, p.cut_lower, p.cut_upper, strict=True)
    }
    choices = [
        None if p.choice is None else p.choice[b]
        for p in kept
        if p.cut_lower is None
        for b in range(len(p.lower))
    ]
    proved = {_key(*ends): k for k, ends in enumerate(zip(lower, upper, strict=True))}
    starts = [
        np.concatenate([p.lower for p in kept]).min(axis=0),
        np.concatenate([p.upper for p in kept]).max(axis=0),
    ]

    def tree(low: Array, high: Array, lower: Array, upper: Array) -> Tree:
        key = _key(low, high)
        if key in proved:
            return Tree(chosen=chosen(choices[proved[key]]))
        if not len(lower):
            return Tree()
        clipped = key in cuts
        low, high = cuts.get(key, (low, high))
        middle, inside = (v[0] for v in between(low[None], high[None]))
        below = upper <= middle
        apart = inside & (below | (lower >= middle)).all(axis=0) & below.any(axis=0) & ~below.all(axis=0)
        best = None
        for axis in np.flatnonzero(apart).tolist():
            left, right = high.copy(), low.copy()
            left[axis] = right[axis] = middle[axis]
            known = [_key(*ends) in proved or _key(*ends) in cuts for ends in ((low, left), (right, high))]
            if best is None or sum(known) > best[0]:
                best = sum(known), axis, left, right
        if best is None:
            return Tree(clipped=clipped)
        _, axis, left, right = best
        on = below[:, axis]
        children = tree(low, left, lower[on], upper[on]), tree(right, high, lower[~on], upper[~on])
        return Tree(children, axis, float(middle[axis]), clipped=clipped)

    return tree(starts[0], starts[1], lower, upper)


def _key(low: Array, high: Array) -> bytes:
    return bytes(low.tobytes() + high.tobytes())
