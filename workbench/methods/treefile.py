"""Tree files: searches written to disk and read back, so that a verification can go on another day.

JSON, every float as its exact hexadecimal text.  What is known of neurons is not kept: it is found again, and need not
be trusted.  That what is listed as proved was proved *is* trusted: a tree that comes from a file says so, and so does
the verdict that rests on it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from math import isfinite, isnan
from pathlib import Path
from typing import Any

import numpy as np

from workbench.graph import Array
from workbench.methods.dense import Boxes
from workbench.methods.tree import Block, Proved, Ranges, Signs, Tree

FORMAT = "workbench.trees.v1"
LARGEST = 1 << 28  # bytes of a file
MOST = 1 << 20  # parts of one tree, open and proved together
TRUSTED = "the search went on from a file: what it lists as proved was not proved again"


class TreeFileError(ValueError):
    """A file that is no tree file, or not one of this network."""


def save(path: str | Path, trees: Sequence[Tree | None]) -> None:
    """Write the trees of a verdict, one a case (None where a case has none).

    Raises
    ------
    TreeFileError
        No tree at all, one of `Ranges`, or too many parts for one file.
    """
    networks = {t.network for t in trees if t is not None}
    if len(networks) != 1:
        raise TreeFileError("there is no search to go on with: it was decided, or stopped, without one")
    for tree in (t for t in trees if t is not None):
        cut = any(p.ranges is not None for p in tree.proved)
        if cut or any(isinstance(b.boxes, Ranges) for b in tree.open):
            raise TreeFileError("a search over ranges of nonlinear operands is not written to files")
        if tree.count + sum(len(p.lower) for p in tree.proved) > MOST:
            raise TreeFileError(f"the search has more than {MOST:,} parts: too many to write down")
    body = {"network": networks.pop(), "trees": [None if t is None else _written(t) for t in trees]}
    text = json.dumps({"format": FORMAT, "sha256": _digest(body), **body}, allow_nan=False)
    if len(text) > LARGEST:
        raise TreeFileError(f"the search would take more than {LARGEST:,} bytes: too much to write down")
    Path(path).write_text(text, encoding="ascii")


def load(path: str | Path, network: str) -> tuple[Tree | None, ...]:
    """The trees of a file.

    Parameters
    ----------
    network : the digest of the graph (`Graph.digest`) that they must belong to; `branch.verify` checks the rest.

    Raises
    ------
    TreeFileError
        A file that is too large, damaged, no tree file, or another network's.
    OSError
        A file that cannot be read.
    """
    path = Path(path)
    if path.stat().st_size > LARGEST:
        raise TreeFileError(f"{path.name} is larger than {LARGEST:,} bytes: no tree file is")
    try:
        given = json.loads(path.read_text(encoding="ascii"))
    except (ValueError, RecursionError):
        raise TreeFileError(f"{path.name} is not a tree file: it is no JSON") from None
    if not isinstance(given, dict) or given.get("format") != FORMAT:
        raise TreeFileError(f"{path.name} is not a tree file of the form {FORMAT}")
    body = {"network": given.get("network"), "trees": given.get("trees")}
    if given.get("sha256") != _digest(body):
        raise TreeFileError(f"{path.name} is damaged: its checksum does not fit")
    if body["network"] != network:
        raise TreeFileError(f"{path.name} belongs to another network")
    try:
        return tuple(None if t is None else _read(t) for t in _list(body["trees"]))
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise TreeFileError(f"{path.name} is not a tree file: {error}") from None


def _digest(body: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def _written(tree: Tree) -> dict[str, Any]:
    return {
        "question": tree.question,
        "open": [_block(b) for b in tree.open],
        "proved": [
            {
                "lower": _hex(p.lower),
                "upper": _hex(p.upper),
                "cut_lower": None if p.cut_lower is None else _hex(p.cut_lower),
                "cut_upper": None if p.cut_upper is None else _hex(p.cut_upper),
                "signs": None if p.signs is None else p.signs.tolist(),
            }
            for p in tree.proved
        ],
        "visited": tree.visited,
        "leaves": tree.leaves,
        "stuck": tree.stuck,
        **{k: float(getattr(tree, k)).hex() for k in ("done", "near", "stuck_margin")},
    }


def _block(block: Block) -> dict[str, Any]:
    boxes = block.boxes
    assert not isinstance(boxes, Ranges)
    if isinstance(boxes, Signs):
        parts = {"signs": boxes.signs.tolist()}
    else:
        parts = {"lower": _hex(boxes.lower), "upper": _hex(boxes.upper)}
        parts["layers"] = [v.shape[1] for v in boxes.lows]
    rest = {"alive": block.alive.astype(int).tolist()}
    return {**parts, **rest, "margin": _hex(block.margin), "weight": _hex(block.weight)}


def _hex(x: Array) -> Any:
    return [_hex(v) for v in x] if x.ndim > 1 else [v.hex() for v in x.tolist()]


def _list(x: Any) -> list[Any]:
    if not isinstance(x, list):
        raise TypeError("a list is missing")
    return x


def _count(x: Any) -> int:
    if type(x) is not int or not 0 <= x < 1 << 62:
        raise ValueError("a count is not one")
    return x


def _matrix(x: Any, number: Callable[[Any], Any], dtype: type) -> Array:
    """``(B, n)`` of a list of lists of one length."""
    rows = [[number(v) for v in _list(row)] for row in _list(x)]
    width = len(rows[0]) if rows else 0
    if any(len(row) != width for row in rows):
        raise ValueError("rows differ in length")
    return np.array(rows, dtype=dtype).reshape(len(rows), width)


def _ends(given: dict[str, Any], low: str, high: str) -> tuple[Array, Array]:
    lower, upper = (_matrix(given[k], float.fromhex, float) for k in (low, high))
    if lower.shape != upper.shape or not (np.isfinite(lower) & np.isfinite(upper) & (lower <= upper)).all():
        raise ValueError("a box is none")
    return lower, upper


def _sign(v: Any) -> int:
    if type(v) is not int or v not in (-1, 0, 1):
        raise ValueError("a sign is none")
    return v


def _bit(v: Any) -> int:
    if type(v) is not int or v not in (0, 1):
        raise ValueError("a bit is none")
    return v


def _float(text: Any) -> float:
    value = float.fromhex(text)
    if isnan(value):
        raise ValueError("a number is none")
    return value


def _read(given: Any) -> Tree:
    if not isinstance(given["question"], str):
        raise TypeError("the question is no text")
    blocks = [_read_block(b) for b in _list(given["open"])]
    proved = [_read_proved(p) for p in _list(given["proved"])]
    if sum(map(len, blocks)) + sum(len(p.lower) for p in proved) > MOST:
        raise ValueError(f"it has more than {MOST:,} parts")
    visited, leaves, stuck = (_count(given[k]) for k in ("visited", "leaves", "stuck"))
    done, near, margin = (_float(given[k]) for k in ("done", "near", "stuck_margin"))
    return Tree(given["question"], blocks, proved, visited, leaves, done, near, stuck, margin, loaded=True)


def _read_block(given: dict[str, Any]) -> Block:
    boxes: Boxes | Signs
    if "signs" in given:
        boxes = Signs(_matrix(given["signs"], _sign, np.int8))
    else:
        lower, upper = _ends(given, "lower", "upper")
        sizes = [_count(v) for v in _list(given["layers"])]
        if len(lower) * sum(sizes) > MOST << 8:
            raise ValueError("it has too many neurons")
        lows = tuple(np.full((len(lower), n), -np.inf) for n in sizes)
        boxes = Boxes(lower, upper, lows, tuple(-v for v in lows))
    alive = _matrix(given["alive"], _bit, bool)
    margin, weight = (np.array([_float(v) for v in _list(given[k])]) for k in ("margin", "weight"))
    if not len(boxes) == len(alive) == len(margin) == len(weight) > 0:
        raise ValueError("an open block's parts differ in number")
    if not all(isfinite(w) and 0 < w <= 1 for w in weight.tolist()):
        raise ValueError("a share of the region is none")
    return Block(boxes, alive, margin, weight)


def _read_proved(given: dict[str, Any]) -> Proved:
    lower, upper = _ends(given, "lower", "upper")
    cut_lower = cut_upper = signs = None
    if given["cut_lower"] is not None:
        cut_lower, cut_upper = _ends(given, "cut_lower", "cut_upper")
    if given["signs"] is not None:
        signs = _matrix(given["signs"], _sign, np.int8)
    if any(x is not None and len(x) != len(lower) for x in (cut_lower, cut_upper, signs)):
        raise ValueError("a proved block's parts differ in number")
    return Proved(lower, upper, cut_lower, cut_upper, signs)
