"""Steering's nodes: what a tree of parts is made of, as plain data that views may keep."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from workbench.graph import Array

Status = Literal["open", "proved", "empty", "unsafe", "stuck", "split"]


class SteerError(ValueError):
    """A step that cannot be made, in words a person can act on."""


@dataclass(frozen=True, slots=True)
class Split:
    """How a part is cut in two: child 0 is the low (off) side, child 1 the high (on) side.

    Parameters
    ----------
    kind : "input" or "sign".
    index : of the input, flat; or of the neuron among all that can be split.
    at : where the input is cut; 0 for a sign.
    node, element : the graph's input, or the node with the kink, and the flat index inside it.
    """

    kind: Literal["input", "sign"]
    index: int
    at: float
    node: str
    element: int

    def words(self, side: int | None = None) -> str:
        """``X_2 at 0.125`` or ``relu_1[17]``; of one side ``X_2 <= 0.125`` or ``relu_1[17] off``."""
        if self.kind == "input":
            sign = "at" if side is None else "<=" if side == 0 else ">="
            return f"X_{self.index} {sign} {self.at:.6g}"
        name = f"{self.node}[{self.element}]"
        return name if side is None else f"{name} {'on' if side else 'off'}"


@dataclass(frozen=True, slots=True)
class Choice:
    """A cut that could be made: what is expected of it (larger is better), and the range that it cuts."""

    split: Split
    score: float
    low: float
    high: float

    @property
    def words(self) -> str:
        """As `Split.words`."""
        return self.split.words()


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """One part of the region; see `Steer`.

    Parameters
    ----------
    side : which child of its parent, 0 or 1.
    split, children : how it was cut, and into which; None and () for a leaf.
    status : "proved"; "empty" (its signs exclude each other); "unsafe" (a counterexample lies there); "stuck" (there is
        nothing left to cut); "open"; "split".
    bound : unsafe constraints are missed by at least this all over the part, in their units; above 0 where proved.
    lower, upper : its box ``(n,)``.
    signs : neurons decided on the way, ``(number, -1 or +1)``.
    """

    id: int
    parent: int | None
    side: int
    depth: int
    split: Split | None
    children: tuple[int, ...]
    status: Status
    bound: float
    lower: Array
    upper: Array
    signs: tuple[tuple[int, int], ...]

    @property
    def leaf(self) -> bool:
        """Whether it was not cut."""
        return not self.children

    @property
    def weight(self) -> float:
        """Its share of the region, halved at every cut."""
        return 2.0**-self.depth


@dataclass(frozen=True, slots=True, eq=False)
class Delta:
    """What changed since some serial number: nodes that are new or different, and ids that are gone."""

    serial: int
    changed: list[Node]
    removed: list[int]


@dataclass(slots=True, eq=False)
class Inner:
    """What is known of a part beyond what `Node` shows: row bounds, cuts that promise something, points."""

    lower: Array
    margin: float
    choices: tuple[tuple[float, str, int], ...]
    points: Array
    held: Any
