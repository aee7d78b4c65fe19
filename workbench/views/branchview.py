"""BranchView: a proof tree that grows while one looks, and that a person can steer.

The front end draws and never computes.  Python to front end, as traits:

``about``    the question in words, the inputs that vary, the neurons that can be split (`branchdata.about`)
``trees``    the alternatives, a row each (`branchdata.summary`), with ``verdict`` ``{status, statement, assumptions,
             point, at}`` once there is one, ``hand``: how many splits a person chose, and ``seconds``
``part``     the selected node in words (`branchdata.part`), with ``shown``: whether the model's other views show it
``state``    ``{running: key or null, message, busy}``
``stale``    whether the model has moved to another region than the tree's
``chosen``   ``{tree, id}``, both ways; ``selection``: the model's, both ways

and as messages: deltas of a tree (`branchdata.delta`), ``{type: "raster", tree, serial, size}`` with a buffer of int32
(which leaf each point of the plane lies in, where signs were split) and ``{type: "file", name, text}``.

Front end to Python, as messages: ``pause``, ``whole``, and the operations of `views.steering`: ``sync``, ``split``,
``collapse``, ``undo``, ``step``, ``run``, ``alternative``, ``drop``, ``show``, ``export``, ``import``.
"""

from __future__ import annotations

import html
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import anywidget
from traitlets import Bool, Dict, List, Unicode

from workbench.methods.progress import Progress
from workbench.methods.steer import Steer
from workbench.steering import steer as begin
from workbench.steering import steered
from workbench.views import branchdata as data
from workbench.views.leaf import Leaf, sharpened
from workbench.views.steering import Steering
from workbench.views.widgets import bundle
from workbench.worker import Worker

WATCHED = ["selection", "region", "result"]
IDLE: Mapping[str, Any] = {"running": None, "busy": False, "message": ""}


class BranchView(anywidget.AnyWidget):
    """A branch and bound that can be watched, paused, steered, undone, kept and gone on with.

    Parameters
    ----------
    model : whose network it is, and whose other views show the part that is selected.
    spec : what the outputs should be, or a property file (see `Model.verify`).
    region : where the inputs may lie; by default the model's, or what the property says.
    case : which box, of a property of several.
    path : a tree that was saved, to go on with.
    """

    about = Dict().tag(sync=True)
    trees: Any = List().tag(sync=True)
    part = Dict().tag(sync=True)
    state = Dict().tag(sync=True)
    stale = Bool(False).tag(sync=True)
    notice = Unicode("").tag(sync=True)
    chosen = Dict().tag(sync=True, echo_update=False)
    selection = Dict().tag(sync=True, echo_update=False)
    _esm = bundle("branch")

    def __init__(
        self,
        model: Any,
        spec: Any,
        region: Any = None,
        *,
        case: int = 0,
        path: str | Path | None = None,
        **options: Any,
    ) -> None:
        region = model.region if region is None else region
        first = begin(model.network, region, spec, case=case)
        if path is not None:
            first = Steer.load(path, first.plan, first.region, first.unsafe)
        super().__init__(**options)
        self._of = model
        self._all = Steering(model.network, first, model.name, model.sha256)
        self._lock, self._active = threading.Lock(), False
        self._worker, self._jobs = Worker(self._delivered, lambda *_: None), 0
        self._home = model.region
        self._away: tuple[str, int, Any, int] | None = (
            None  # tree, id, region, seq: what the model's views show
        )
        self.about = data.about(first, model.name)
        self.trees, self.chosen = [self._all.row("A")], {"tree": "A", "id": 0}
        self.part, self.state = {**self._all.part("A", 0), "shown": False}, dict(IDLE)
        self._follow()
        self.observe(self._choose, names=["chosen"])
        self.observe(self._select, names=["selection"])
        model.observe(self._follow, names=WATCHED)
        self.on_msg(self._message)

    # ---- what a person does, from Python -------------------------------------------------------------------------

    @property
    def steer(self) -> Steer:
        """The search of the chosen alternative: to read, and to change while nothing runs (`refresh` afterwards)."""
        return self._all.held[self.chosen["tree"]]

    @property
    def verdict(self) -> Any:
        """What is decided so far by the chosen alternative: a `Verdict`, as sound as any other."""
        return steered(self._of.network, self.steer, self._of.name, self._of.sha256)

    def split(
        self, part: int, *, axis: int | None = None, at: float | None = None, neuron: Any = None
    ) -> BranchView:
        """Split a leaf; without more, where the machine would.

        Parameters
        ----------
        part : the leaf's number.
        axis, at : flat index of the input to cut, and where; by default in the middle.
        neuron : (node, flat index in it) of the neuron whose sign to decide.
        """
        kind = "auto" if axis is None and neuron is None else "input" if neuron is None else "neuron"
        node, element = (None, None) if neuron is None else neuron
        return self._ask(type="split", id=part, kind=kind, index=axis, at=at, node=node, element=element)

    def collapse(self, part: int) -> BranchView:
        """Forget everything below a node: it is a leaf again."""
        return self._ask(type="collapse", id=part)

    def undo(self) -> BranchView:
        """Take back the last split that a person chose."""
        return self._ask(type="undo")

    def step(self, count: int = 1) -> BranchView:
        """Let the machine split `count` leaves, the worst first."""
        return self._ask(type="step", count=count)

    def run(self, timeout: float | None = None) -> BranchView:
        """Let the machine go on in the background, until it is decided, or for some seconds."""
        return self._ask(type="run", timeout=timeout)

    def pause(self) -> BranchView:
        """Stop the machine after the batch that it is at."""
        self._all.stop.set()
        return self

    def alternative(self) -> BranchView:
        """A copy of the chosen search beside it, to try something else."""
        return self._ask(type="alternative")

    def choose(self, part: int, tree: str | None = None) -> BranchView:
        """Select a node, of the chosen tree or of another."""
        self.chosen = {"tree": tree or self.chosen["tree"], "id": int(part)}
        return self

    def show(self, part: int) -> BranchView:
        """Let the model's other views show one part of the region: its box, and the bounds of every neuron there."""
        return self._ask(type="show", id=part)

    def whole(self) -> BranchView:
        """Let the model's other views show the whole region again."""
        if self._away is not None:
            self._away = None
            self._of.region = self._home
            if self._home is not None:
                self._of.compute()
            self.part = {**self.part, "shown": False}
        return self

    def save(self, path: str | Path) -> None:
        """Write the chosen search to a file; ``BranchView(model, spec, path=...)`` goes on with it."""
        self.steer.save(path)

    def refresh(self) -> BranchView:
        """Tell what was done to `steer` by other means."""
        return self._ask(type="sync")

    def wait(self, timeout: float = 60.0) -> BranchView:
        """Block until everything that was asked for is done (for scripts and tests); returns the view."""
        self._worker.wait(timeout)
        return self

    # ---- one queue of work, off the main thread ------------------------------------------------------------------

    def _ask(self, **op: Any) -> BranchView:
        op.setdefault("tree", self.chosen["tree"])
        if op["type"] == "run":
            self._all.stop.clear()
        with self._lock:
            self._all.asked.append(op)
            idle, self._active = not self._active, True
        if idle:
            self._jobs += 1
            self.state = {**self.state, "busy": True}
            self._worker.submit(self._jobs, self._drain)
        return self

    def _drain(self, progress: Progress) -> Iterator[tuple[dict[str, Any], bool]]:
        while True:
            with self._lock:
                op = self._all.asked.popleft() if self._all.asked else None
                self._active = op is not None
            if op is None:
                yield {"state": {**IDLE, "message": self._all.said}}, False
                return
            for told in self._all.work(op):
                yield told, True

    def _delivered(self, seq: int, told: Any, error: BaseException | None, more: bool) -> None:
        if error is not None:
            with self._lock:
                self._active = False
            told = {"notice": f"{type(error).__name__}: {error}", "state": dict(IDLE)}
        for header, buffer in told.get("messages", ()):
            self.send(header, buffers=None if buffer is None else [buffer])
        with self.hold_sync():
            if "notice" in told or "row" in told:
                self.notice = told.get("notice", "")
            if "dropped" in told:
                self.trees = [t for t in self.trees if t["key"] != told["dropped"]]
            if "row" in told:
                row = told["row"]
                rows = {t["key"]: t for t in self.trees}
                self.trees = list({**rows, row["key"]: row}.values())
            if "choose" in told:
                self.unobserve(self._choose, names=["chosen"])
                self.chosen = told["choose"]
                self.observe(self._choose, names=["chosen"])
            if "part" in told:
                self.part = {**told["part"], "shown": self._is_shown(told["part"])}
            if "state" in told:
                self.state = told["state"]
        if "leaf" in told:
            self._show(told["leaf"])

    def _message(self, _widget: Any, content: Any, _buffers: Any) -> None:
        kind = content.get("type") if isinstance(content, dict) else None
        if kind in ("pause", "whole"):
            getattr(self, kind)()
        elif self._all.knows(kind):
            key = content.get("tree")
            if key is not None and key not in self._all.held:
                self.notice = f"there is no tree {key!r}"
            else:
                self._ask(**{k: v for k, v in content.items() if k != "tree" or v is not None})

    # ---- linked with the model's other views ---------------------------------------------------------------------

    def _choose(self, change: Any) -> None:
        self._ask(type="part", tree=change["new"]["tree"], id=change["new"]["id"])

    def _is_shown(self, part: Mapping[str, Any]) -> bool:
        away, result = self._away, self._of.result
        if away is None or away[:2] != (part.get("tree"), part.get("id")):
            return False
        return self._of.region is away[2] and (result is None or result.seq <= away[3])

    def _show(self, leaf: Leaf) -> None:
        model = self._of
        if self._away is None:
            self._home = model.region
        self._away = (leaf.tree, leaf.id, None, -1)  # whatever happens to the region now is our doing
        model.region = leaf.region
        seq = model.compute(lambda result: sharpened(model.plan, result, leaf))
        self._away = (leaf.tree, leaf.id, model.region, seq)
        self.part = {**self.part, "shown": self._is_shown(self.part)}

    def _follow(self, change: Any = None) -> None:
        model, away = self._of, self._away
        self.selection = dict(zip(("node", "index"), model.selection, strict=True))
        if away is not None and away[2] is not None and model.region is not away[2]:
            self._away = None  # somebody has moved on
        self.stale = self._away is None and self._home is not None and model.region is not self._home
        if self.part.get("shown") and not self._is_shown(self.part):
            self.part = {**self.part, "shown": False}

    def _select(self, change: Any) -> None:
        wanted = (change["new"].get("node"), change["new"].get("index"))
        try:
            if tuple(self._of.selection) != wanted:
                self._of.selection = wanted
        except ValueError as error:
            self.notice = str(error)

    # ---- without a front end -------------------------------------------------------------------------------------

    def close(self) -> None:
        """Stop the search, stop following the model and close the widget."""
        if not hasattr(self, "_all"):  # it was refused while it was being made
            return
        self._all.stop.set()
        if self.comm is not None:
            self._of.unobserve(self._follow, names=WATCHED)
        super().close()

    def __repr__(self) -> str:
        told = []
        for row in self.trees:
            bound = "no bound yet" if row["bound"] is None else f"bound {row['bound']:.4g}"
            told.append(
                f"{row['key']}: {row['status']}, {row['leaves']} {'leaf' if row['leaves'] == 1 else 'leaves'}, "
                f"{row['count']['open']} open, {bound}"
            )
        asked = self.about["question"]
        asked = asked if len(asked) <= 80 else asked[:77] + "..."
        return f"BranchView({self.about['network']!r}, unsafe: {asked}; {'; '.join(told)})"

    def _repr_mimebundle_(self, **options: Any) -> Any:
        made = super()._repr_mimebundle_(**options)
        if made is None:
            return None
        mime, metadata = made
        text = f"<div><code>{html.escape(repr(self))}</code><div>Run the notebook to watch and steer it.</div></div>"
        return {**mime, "text/plain": repr(self), "text/html": text}, metadata
