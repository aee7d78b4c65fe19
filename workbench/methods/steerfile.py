"""Steered trees as files: JSON, every float as its exact hexadecimal text; checked before it is believed to be a tree.

What the file says of bounds is not proved again unless asked (`Steer.recheck`): the verdict says so meanwhile.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.methods.steernodes import Inner, Node, Split, SteerError
from workbench.methods.steerwork import halves

if TYPE_CHECKING:
    from workbench.methods.steer import Steer

FORMAT = "workbench.steered.v1"
LARGEST = 1 << 27  # bytes of a file
STATUSES = ("open", "proved", "empty", "unsafe", "stuck", "split")


def question(tree: Steer) -> str:
    """What a tree belongs to: network, property and region."""
    ends = hashlib.sha256(tree.region.lower.tobytes() + tree.region.upper.tobytes()).hexdigest()
    return f"{tree.plan.graph.digest}|{tree.unsafe!r}|{tree.region.norm}|{tree.region.eps}|{ends}"


def save(tree: Steer, path: str | Path) -> None:
    """Write a tree: its cuts, and what is proved of each part."""
    nodes = []
    todo = [0]
    while todo:  # parents before children
        node = tree.node(todo.pop())
        todo += reversed(node.children)
        inner = tree.inner(node.id)
        one: dict[str, Any] = {"status": node.status, "lower": [v.hex() for v in inner.lower.tolist()]}
        if node.split is not None:
            one["split"] = [node.split.kind, node.split.index, float(node.split.at).hex()]
        nodes.append(one)
    body = {"question": hashlib.sha256(question(tree).encode()).hexdigest(), "nodes": nodes}
    text = json.dumps({"format": FORMAT, "sha256": _digest(body), **body}, allow_nan=False)
    if len(text) > LARGEST:
        raise SteerError(f"the tree would take more than {LARGEST:,} bytes: too much to write down")
    Path(path).write_text(text, encoding="ascii")


def _digest(body: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def load(tree: Steer, path: str | Path) -> None:
    """Read a tree of the same question into a fresh one.

    Raises
    ------
    SteerError
        A file that is too large, damaged, no such file, or of another question.
    """
    path = Path(path)
    if path.stat().st_size > LARGEST:
        raise SteerError(f"{path.name} is larger than {LARGEST:,} bytes: no tree is")
    try:
        given = json.loads(path.read_text(encoding="ascii"))
    except (ValueError, RecursionError):
        raise SteerError(f"{path.name} is not a steered tree: it is no JSON") from None
    if not isinstance(given, dict) or given.get("format") != FORMAT:
        raise SteerError(f"{path.name} is not a steered tree of the form {FORMAT}")
    body = {"question": given.get("question"), "nodes": given.get("nodes")}
    if given.get("sha256") != _digest(body):
        raise SteerError(f"{path.name} is damaged: its checksum does not fit")
    if body["question"] != hashlib.sha256(question(tree).encode()).hexdigest():
        raise SteerError(f"{path.name} belongs to another network, region or property")
    try:
        nodes, inner = _read(tree, body["nodes"])
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError) as error:
        raise SteerError(f"{path.name} is not a steered tree: {error}") from None
    tree.restore(nodes, inner)


def _read(tree: Steer, given: Any) -> tuple[list[Node], dict[int, Inner]]:
    """The nodes in the file's order, which is that of their numbers."""
    root = tree.node(0)
    blank = Node(0, None, 0, 0, None, (), "open", -np.inf, root.lower, root.upper, ())
    nodes: list[Node] = []
    inner: dict[int, Inner] = {}
    todo = [blank]
    for number, one in enumerate(given):
        node = todo.pop()
        status = one["status"]
        if status not in STATUSES:
            raise ValueError("a status is none")
        lower = np.array([float.fromhex(v) for v in one["lower"]])
        if lower.shape != tree.limits.shape or any(isnan(v) for v in lower.tolist()):
            raise ValueError("a part's bounds are none")
        refuted = bool(tree.rows.refuted(lower[None]).all())
        if (status in ("proved", "empty")) != refuted and status != "split":
            raise ValueError("a part's status does not fit its bounds")
        margin = float(tree.rows.margin(lower[None])[0])
        bound = np.inf if status == "empty" else float(tree.rows.in_units(margin) or 0.0)
        split = None
        children: tuple[int, ...] = ()
        if "split" in one:
            kind, index, at = one["split"]
            split = _split(tree, kind, index, float.fromhex(at))
        if (split is None) == (status == "split"):
            raise ValueError("a part is cut that has no cut, or the other way round")
        mine = Node(
            number,
            node.parent,
            node.side,
            node.depth,
            split,
            children,
            status,
            bound,
            node.lower,
            node.upper,
            node.signs,
        )
        if mine.parent is not None:
            parent = nodes[mine.parent]
            nodes[mine.parent] = replace(parent, children=(*parent.children, number))
        nodes.append(mine)
        inner[number] = Inner(
            lower, margin if status == "open" else np.inf, (), np.zeros((0, tree.inputs)), None
        )
        if split is not None:
            todo += reversed(halves(mine, split))
    if todo or not nodes:
        raise ValueError("parts are missing")
    return nodes, inner


def _split(tree: Steer, kind: Any, index: Any, at: float) -> Split:
    if type(index) is not int:
        raise ValueError("a cut is none")
    if kind == "input" and 0 <= index < tree.inputs:
        return Split("input", index, at, tree.plan.graph.inputs[0], index)
    if kind == "sign" and 0 <= index < tree.neurons:
        return Split("sign", index, 0.0, *tree.neuron(index))
    raise ValueError("a cut is none")


def again(tree: Steer, progress: Callable[[float, str], None] | None) -> tuple[Steer, bool]:
    """The same cuts made in a fresh tree; and whether it proves all that the other one lists as proved."""
    fresh = tree.fresh()
    todo, whole = [(0, 0)], True
    while todo:
        if progress is not None:
            progress(min(1.0, fresh.done), f"{len(fresh):,} of {len(tree):,} parts")
        mine, theirs = todo.pop()
        node, other = tree.node(mine), fresh.node(theirs)
        if node.split is None or other.status not in ("open", "stuck"):
            proved = other.status in ("proved", "empty")
            whole = whole and (proved or node.status not in ("proved", "empty", "split"))
            continue
        pair = fresh.split(theirs, node.split)
        todo += [(child, new.id) for child, new in zip(node.children, pair, strict=True)]
    return fresh, whole
