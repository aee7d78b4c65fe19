"""A certificate's proof as a tree to be drawn.  This proves nothing: `check` does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from workbench.certificate.format import Rejected, listed, text, whole

KINDS = {
    "interval": "interval bounds",
    "forms": "linear functions of the input",
    "rows": "CROWN bounds, carried back",
}


@dataclass(frozen=True)
class Node:
    """A part of the region.

    Parameters
    ----------
    id : position among its case's nodes; 0 is the whole region, and parents come before children.
    parent, side : whose part it is: side 0 the lower or z <= 0, side 1 the upper or z >= 0.
    first, last : its own steps in the proof: what is done with it, and at the end a split or a leaf.
    split : in words where it is split; empty for a leaf.
    words : what its own steps do.
    """

    id: int
    parent: int | None
    side: int
    depth: int
    first: int
    last: int
    split: str
    words: tuple[str, ...]
    leaf: bool


@dataclass(frozen=True)
class Outline:
    """One tree a case; none for a counterexample."""

    cases: tuple[tuple[Node, ...], ...]

    def at(self, case: int, number: int) -> Node | None:
        """The node that a step of the proof belongs to."""
        return next((n for n in self.cases[case] if n.first <= number <= n.last), None)


def outline(certificate: Mapping[str, Any]) -> Outline:
    """The trees of a certificate's proof.

    Raises
    ------
    Rejected
        Lists that form no trees.
    """
    try:
        proof = certificate["proof"]
        if "cases" not in proof:
            return Outline(())
        precision = whole(proof["precision"], "proof.precision", 8, 512)
        return Outline(
            tuple(_tree(listed(t, "a case"), precision) for t in listed(proof["cases"], "proof.cases"))
        )
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise Rejected("format", f"not of the form that is expected: {str(error)[:100]}") from error


def _tree(steps: Sequence[Any], precision: int) -> tuple[Node, ...]:
    found: list[Node] = []
    open_: list[Node] = [
        Node(0, None, 0, 0, 0, 0, "", (), False)
    ]  # what waits for its steps, the next one last
    for number, step in enumerate(steps):
        if not open_:
            raise Rejected("R7 tree", "the whole region is proved already", (0, number))
        kind, *rest = listed(step, "a step") or [None]
        node = open_.pop()
        if not node.words:
            node = replace(node, id=len(found), first=number)
            found.append(node)
        node = replace(
            node, last=number, words=(*node.words, _words(kind, rest, precision)), leaf=kind == "leaf"
        )
        if kind in ("x", "z"):
            node = replace(node, split=_place(kind, rest, precision))
            open_ += [Node(0, node.id, side, node.depth + 1, 0, 0, "", (), False) for side in (1, 0)]
        elif kind != "leaf":
            open_.append(node)
        found[node.id] = node
    if open_:
        raise Rejected("R7 tree", f"{len(open_)} part(s) of the region have no proof")
    return tuple(found)


def _place(kind: str, rest: Sequence[Any], precision: int) -> str:
    if kind == "x":
        axis, place = whole(rest[0], "an input"), whole(rest[1], "a place")
        return f"X_{axis} at {short(place, precision)}"
    return f"{text(rest[0], 'a relu')[:60]}[{whole(rest[1], 'an element')}] at 0"


def _words(kind: Any, rest: Sequence[Any], precision: int) -> str:
    match kind:
        case "x" | "z":
            return f"split: {_place(kind, rest, precision)}"
        case "bounds":
            ways = ", ".join(KINDS.get(m, "?") for m in listed(rest[0], "bounds") if type(m) is str)
            return ways + (", with chosen slopes" if rest[1:] and rest[1] else "")
        case "reduce":
            return "relus whose sign is decided are put in"
        case "clip":
            return "what cannot be unsafe is left out"
        case "leaf":
            entries = listed(rest[0], "a leaf")
            chosen = any(type(e) is dict and (e.get("slopes") or e.get("multipliers")) for e in entries)
            return (
                f"no unsafe output: {len(entries)} alternative{'s' if len(entries) != 1 else ''} excluded"
                + (", with chosen slopes" if chosen else "")
            )
    return "?"


def short(value: int, precision: int) -> str:
    """A number on the grid, about, for people."""
    try:
        return f"{value / (1 << precision):.6g}"
    except OverflowError:
        return "beyond 1e308"
