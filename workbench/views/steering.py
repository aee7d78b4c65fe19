"""Steering: several searches of one question, and what a person asks of them, one after the other.

No widget and no thread: `work` takes one request and yields what there is to tell, as plain data; a search that runs is
cut into slices, and between two of them whatever was asked meanwhile is done.  What is told is a dict of ``messages``
(header, buffer or None), ``row`` of the table of alternatives, ``part``, ``choose`` (what is selected now),
``dropped``, ``state``, ``leaf`` (a `views.leaf.Leaf`) and ``notice``.
"""

from __future__ import annotations

import tempfile
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np

from workbench.methods.locate import raster
from workbench.methods.steer import Steer
from workbench.network import Network
from workbench.steering import steered
from workbench.views import branchdata as data
from workbench.views.leaf import whole_part

SLICE = 0.12  # seconds of search between two looks at what a person wants
NAMES = "ABCDEFGH"
Told = dict[str, Any]


class Steering:
    """The alternatives, and the operations on them.

    Parameters
    ----------
    network : what is asked about.
    first : the first search.
    name, digest : what the network is called, and the SHA-256 of its file.
    """

    def __init__(
        self, network: Network, first: Steer, name: str | None = None, digest: str | None = None
    ) -> None:
        self.network, self.name, self.digest, self.axes = network, name, digest, data.plane(first)
        self.held: dict[str, Steer] = {"A": first}
        self.hand: dict[str, list[int]] = {"A": []}  # nodes that a person split, in order
        self.seconds: dict[str, float] = {"A": 0.0}
        self.sent: dict[str, int] = {}
        self.verdicts: dict[str, tuple[int, Told]] = {}
        self.chosen: tuple[str, int] = ("A", 0)
        self.stop = threading.Event()
        self.asked: deque[Told] = deque()
        self.said = ""

    def work(self, op: Mapping[str, Any]) -> Iterator[Told]:
        """Do what `op` says (its ``type``); what goes wrong is told, and nothing is lost."""
        try:
            yield from getattr(self, f"do_{op['type']}")(op)
        except (ValueError, LookupError, TypeError, OSError, MemoryError) as error:
            yield {"notice": str(error) or type(error).__name__}

    def knows(self, kind: Any) -> bool:
        """Whether there is such an operation."""
        return isinstance(kind, str) and hasattr(self, f"do_{kind}")

    # ---- what is told -----------------------------------------------------------------------------------------------

    def changed(self, key: str) -> Iterator[Told]:
        """Everything that changed in one search since it was last told."""
        steer = self.held[key]
        header, columns = data.delta(key, steer, self.sent.get(key, 0), self.axes)
        self.sent[key] = header["serial"]
        told: Told = {"messages": [(header, columns)], "row": self.row(key)}
        if self.chosen[0] == key:
            told["part"] = self.part(*self.chosen)
        if self.axes is not None and any(leaf.signs for leaf in steer.leaves()):
            ids = raster(steer, self.axes)
            about = {"type": "raster", "tree": key, "serial": steer.serial, "size": len(ids)}
            told["messages"].append((about, ids.astype("<i4").tobytes()))
        yield told

    def _judged(self, steer: Steer) -> Told:
        """The verdict, as sound as any other, in words."""
        verdict = steered(self.network, steer, self.name, self.digest)
        found = verdict.counterexample
        told: Told = {
            "status": verdict.status,
            "statement": verdict.statement,
            "assumptions": list(verdict.assumptions),
            "point": None if found is None else data.as_row(found.input),
            "at": None,
        }
        if found is not None and self.axes is not None:
            told["at"] = [float(np.ravel(found.input)[i]) for i in self.axes]
        return told

    def row(self, key: str) -> Told:
        """One line of the table of alternatives."""
        steer = self.held[key]
        if steer.status == "open":
            self.verdicts.pop(key, None)
        elif key not in self.verdicts or self.verdicts[key][0] != steer.serial:
            self.verdicts[key] = steer.serial, self._judged(steer)
        verdict = self.verdicts.get(key)
        spent = {"hand": len(self.hand[key]), "seconds": self.seconds[key]}
        return {
            **data.summary(key, steer),
            **spent,
            "verdict": None if verdict is None else verdict[1],
        }

    def part(self, key: str, number: int) -> Told:
        """One node in words; the whole tree's where it was taken back."""
        steer = self.held[key]
        try:
            return data.part(key, steer, number)
        except KeyError:
            return data.part(key, steer, 0)

    # ---- operations -------------------------------------------------------------------------------------------------

    def do_sync(self, op: Mapping[str, Any]) -> Iterator[Told]:
        """Tell everything that somebody who knows the trees up to the serials ``since`` does not know."""
        since = op.get("since")
        for key in list(self.held):
            self.sent[key] = self.sent.get(key, 0) if since is None else int(since.get(key, 0))
            yield from self.changed(key)

    def do_split(self, op: Mapping[str, Any]) -> Iterator[Told]:
        """Split a leaf as a person chose, or as the machine would (``kind`` "auto")."""
        key, steer, number = op["tree"], self.held[op["tree"]], int(op["id"])
        kind, at = op.get("kind", "auto"), op.get("at")
        start = monotonic()
        if kind == "auto":
            children = steer.split(number)
        elif kind == "input":
            children = steer.split_input(number, int(op["index"]), None if at is None else float(at))
        else:
            named = op.get("node") is not None
            node, element = (op["node"], op["element"]) if named else steer.neuron(int(op["index"]))
            children = steer.split_neuron(number, str(node), int(element))
        self.seconds[key] += monotonic() - start
        self.hand[key].append(number)
        open_ = [c.id for c in children if c.status in ("open", "stuck")]
        self.said = f"part {number} was split: {' and '.join(c.status for c in children)}"
        yield from self._choose(key, open_[0] if open_ else number)
        yield from self.changed(key)

    def do_collapse(self, op: Mapping[str, Any]) -> Iterator[Told]:
        """Forget everything below a node."""
        key, number = op["tree"], int(op["id"])
        self.held[key].collapse(number)
        self.hand[key] = [i for i in self.hand[key] if i != number and self._is_split(key, i)]
        self.said = f"part {number} is whole again"
        yield from self._choose(key, number)
        yield from self.changed(key)

    def do_undo(self, op: Mapping[str, Any]) -> Iterator[Told]:
        """Take back the last split that a person chose, with everything below it."""
        key = op["tree"]
        if not self.hand[key]:
            raise ValueError("there is no split of yours to take back: select a node and collapse it")
        yield from self.do_collapse({"tree": key, "id": self.hand[key][-1]})

    def _is_split(self, key: str, number: int) -> bool:
        try:
            return not self.held[key].node(number).leaf
        except KeyError:
            return False

    def _choose(self, key: str, number: int) -> Iterator[Told]:
        self.chosen = key, number
        yield {"choose": {"tree": key, "id": number}}

    def do_step(self, op: Mapping[str, Any]) -> Iterator[Told]:
        """Let the machine split ``count`` leaves, the worst first."""
        key, start, left = op["tree"], monotonic(), int(op.get("count", 1))
        while left > 0 and (made := self.held[key].step(left)):
            left -= len(made) // 2
        self.seconds[key] += monotonic() - start
        yield from self.changed(key)

    def do_run(self, op: Mapping[str, Any]) -> Iterator[Told]:
        """Let the machine go on until it is decided, for ``timeout`` seconds, or until `stop` is set."""
        key, steer = op["tree"], self.held[op["tree"]]
        end = None if op.get("timeout") is None else monotonic() + float(op["timeout"])
        yield {"state": {"running": key, "busy": True, "message": ""}}
        while steer.status == "open" and not self.stop.is_set() and (end is None or monotonic() < end):
            start = monotonic()
            steer.run(timeout=SLICE if end is None else max(0.0, min(SLICE, end - start)))
            self.seconds[key] += monotonic() - start
            yield from self.changed(key)
            while self.asked and not self.stop.is_set():  # what a person does meanwhile
                yield from self.work(self.asked.popleft())
            if key not in self.held:  # dropped meanwhile
                break
        self.said = "paused" if self.stop.is_set() and steer.status == "open" else ""
        yield {"state": {"running": None, "busy": True, "message": self.said}}

    def do_alternative(self, op: Mapping[str, Any]) -> Iterator[Told]:
        """A copy of a search, to try something else beside it."""
        key = op["tree"]
        yield from self._take(self.held[key].copy(), list(self.hand[key]), self.seconds[key], self.chosen[1])

    def _take(self, steer: Steer, hand: list[int], seconds: float, number: int) -> Iterator[Told]:
        name = next((n for n in NAMES if n not in self.held), None)
        if name is None:
            raise ValueError(f"{len(NAMES)} alternatives are enough: drop one first")
        self.held[name], self.hand[name], self.seconds[name] = steer, hand, seconds
        yield from self._choose(name, number)
        yield from self.changed(name)

    def do_drop(self, op: Mapping[str, Any]) -> Iterator[Told]:
        """Forget an alternative."""
        if len(self.held) == 1:
            raise ValueError("this is the only tree")
        key = op["tree"]
        for held in (self.held, self.hand, self.seconds, self.sent, self.verdicts):
            held.pop(key, None)
        other = next(iter(self.held))
        yield {"dropped": key}
        yield from self._choose(other, 0)
        yield from self.changed(other)

    def do_part(self, op: Mapping[str, Any]) -> Iterator[Told]:
        """Select a node."""
        self.chosen = str(op["tree"]), int(op["id"])
        yield {"part": self.part(*self.chosen)}

    def do_show(self, op: Mapping[str, Any]) -> Iterator[Told]:
        """Bound every neuron over one part, for the model's other views."""
        yield {"leaf": whole_part(op["tree"], self.held[op["tree"]], int(op["id"]))}

    def do_export(self, op: Mapping[str, Any]) -> Iterator[Told]:
        """A search as the text of its file."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "tree.json"
            self.held[op["tree"]].save(path)
            about = {
                "type": "file",
                "name": f"tree-{op['tree']}.json",
                "text": path.read_text(encoding="utf-8"),
            }
        yield {"messages": [(about, None)]}

    def do_import(self, op: Mapping[str, Any]) -> Iterator[Told]:
        """A search from the text of a file, as one more alternative."""
        first = next(iter(self.held.values()))
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "tree.json"
            path.write_text(str(op["text"]), encoding="utf-8")
            loaded = Steer.load(path, first.plan, first.region, first.unsafe)
        yield from self._take(loaded, [], 0.0, 0)
