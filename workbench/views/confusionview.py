"""ConfusionView: who is taken for whom: as they are, under attack, and as far as can be proved.

The front end draws and never computes.  Python to front end: ``about`` ``{name, n, classes, names, method, clip, steps,
starts, linked}``, ``readings`` ``[{key, eps, matrix, right, n, statement}]``, each as it gets ready, ``samples``
``{kind, cell, eps, count, page, pages, items: [{index, label, to, text, picture}]}``, ``status`` ``{state, message,
progress}``, ``code``, ``notice``.  Front end to Python: ``kind``, ``cell`` ``[label, class]`` or null, ``page``,
``sample`` (index of an example, or null), ``eps``; messages ``{"type": "compute" | "cancel"}``.
"""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from decimal import ROUND_FLOOR
from typing import Any

import anywidget
import numpy as np
import traitlets
from traitlets import Dict, Float, Int, List, Unicode

from workbench.graph import Array, Graph, GraphError
from workbench.methods.progress import Progress
from workbench.nn.confusion import Confusion, checked, judged
from workbench.nn.module import Module
from workbench.views import text, wire
from workbench.views.widgets import bundle
from workbench.worker import Worker

PAGE = 36
READINGS = ("clean", "adversarial", "certified")


class ConfusionView(anywidget.AnyWidget):
    """Confusion matrices of a classifier, and the examples in every cell.

    Parameters
    ----------
    network : a module, or a `Model`: then a click on an example explores it there.
    x, y : examples and labels.
    eps : radius of the l_inf balls for the attack and the proofs; 0 for neither.
    method : of the bounds, e.g. "ibp" or "crown".
    names : of the classes; by default their numbers.
    clip : lowest and highest value of an input, or None; by default the model's, or (0, 1).
    options : ``steps``, ``starts`` and ``seed`` of the attack.
    """

    about = Dict().tag(sync=True)
    readings: Any = List().tag(sync=True)
    samples = Dict().tag(sync=True)
    status = Dict().tag(sync=True)
    code = Unicode("").tag(sync=True)
    notice = Unicode("").tag(sync=True)
    kind = Unicode("clean").tag(sync=True, echo_update=False)
    cell: Any = List(default_value=None, allow_none=True).tag(sync=True, echo_update=False)
    page = Int(0).tag(sync=True, echo_update=False)
    sample = Int(None, allow_none=True).tag(sync=True, echo_update=False)
    eps = Float(0.0).tag(sync=True, echo_update=False)
    _esm = bundle("confusion")

    def __init__(
        self, network: Any, x: Array, y: Array, eps: float = 0.0, method: str = "crown",
        names: Sequence[Any] | None = None, clip: Any = "own", *, steps: int = 20, starts: int = 2, seed: int = 0,
    ) -> None:  # fmt: skip
        self._model = None if isinstance(network, Module | Graph) else network
        graph = network if self._model is None else self._model.graph
        own = (0.0, 1.0) if self._model is None else self._model.clip
        self._x, self._y = np.asarray(x), np.asarray(y)
        self._asked = (graph, method, own if clip == "own" else clip, steps, starts, seed)
        held, _, _ = checked(graph, self._x, self._y, float(eps))
        count = held[held.outputs[0]].size
        classes = [str(n) for n in (names if names is not None else range(count))]
        if len(classes) != count:
            raise GraphError(f"{len(classes)} names for {count} classes")
        super().__init__()
        self.found: Confusion | None = None
        self._by: dict[str, Confusion] = {}  # the newest judgement of each reading
        self._names, self._seq = classes, 0
        self._worker = Worker(self._delivered, self._report)
        self.eps = float(eps)
        self.about = {
            "name": type(network).__name__ if self._model is None else self._model.name, "n": len(self._x),
            "classes": count, "names": classes, "method": method, "clip": self._asked[2], "steps": steps,
            "starts": starts, "linked": self._model is not None,
        }  # fmt: skip
        call = "wb.confusion_view(net, x, y" if self._model is None else "model.confusion_view(x, y"
        self.code = f"# net, x and y are yours\n{call}, eps={eps!r}, method={method!r})"
        self.observe(self._select, names=["kind", "cell", "page"])
        self.observe(lambda _: self.compute(), names=["eps"])
        self.observe(self._explore, names=["sample"])
        self.on_msg(self._message)
        self.compute()

    # ---- what a person does --------------------------------------------------------------------------------------

    def compute(self) -> ConfusionView:
        """Judge all examples again, in the background."""
        graph, method, clip, steps, starts, seed = self._asked
        x, y, eps = self._x, self._y, self.eps

        def job(progress: Progress) -> Iterator[tuple[Confusion | None, bool]]:
            for found in judged(graph, x, y, eps, method, clip, steps, starts, seed, progress):
                yield found, True
            yield None, False

        self._seq += 1
        self.status = {"state": "computing", "message": "", "progress": None}
        self._worker.submit(self._seq, job)
        return self

    def cancel(self) -> ConfusionView:
        """Stop judging; what is there stays."""
        self._worker.cancel()
        self._seq += 1
        self.status = {"state": "cancelled", "message": "", "progress": None}
        return self

    def wait(self, timeout: float = 60.0) -> ConfusionView:
        """Block until everything is judged (for scripts and tests)."""
        self._worker.wait(timeout)
        return self

    def matrix(self, kind: str = "clean") -> Array:
        """Counts, labels by classes, of one reading: "clean", "adversarial" or "certified".

        Raises
        ------
        GraphError
            It is not computed (yet): `wait` for it; eps=0 has the first one only.
        """
        if kind not in self._by:
            raise GraphError(f"there is no reading {kind!r} (yet): call view.wait()")
        return self._by[kind].matrix(kind)

    # ---- Python -> front end -------------------------------------------------------------------------------------

    def _delivered(self, seq: int, found: Any, error: BaseException | None, more: bool) -> None:
        if seq != self._seq:
            return
        with self.hold_sync():
            if error is not None:
                self.status = {"state": "failed", "message": f"{error}", "progress": None}
                return
            if found is not None:
                self.found = found
                # what is not judged again yet stays, with the radius that it belongs to
                self._by |= {k: found for k in READINGS if getattr(found, k) is not None}
                if not found.eps:
                    self._by = {"clean": found}
                self.readings = [_reading(v, k, self.about) for k, v in self._by.items()]
                if self.kind not in self._by:
                    self.cell = None
            if not more:
                self.status = {"state": "fresh", "message": "", "progress": None}
            self._select()

    def _report(self, seq: int, share: float, message: str, left: float | None) -> None:
        if seq == self._seq and self.status["state"] == "computing":  # a report may come after the end
            self.status = {"state": "computing", "message": message, "progress": share}

    def _select(self, change: Any = None) -> None:
        if change is not None and change["name"] != "page" and self.page:
            self.page = 0
        found = self._by.get(self.kind)
        if found is None or self.cell is None:
            self.samples = {}
            return
        try:
            label, to = (int(v) for v in self.cell)
        except (TypeError, ValueError):
            self.notice = f"there is no cell {self.cell!r}"
            return
        at = found.members(self.kind, label, to)
        pages = max(1, -(-len(at) // PAGE))
        page = min(max(self.page, 0), pages - 1)
        items = [self._item(found, int(i)) for i in at[page * PAGE : (page + 1) * PAGE]]
        self.samples = {
            "kind": self.kind, "cell": [label, to], "eps": found.eps, "count": len(at), "page": page, "pages": pages,
            "items": items,
        }  # fmt: skip

    def _item(self, found: Confusion, i: int) -> dict[str, Any]:
        shown = self._x[i]
        words = f"example {i}, label {self._names[found.labels[i]]}"
        to = int(found.read(self.kind)[i])
        if self.kind == "adversarial" and found.points is not None and to != found.labels[i]:
            shown = found.points[i]
            moved = float(np.abs(shown.astype(np.float64) - self._x[i].astype(np.float64)).max())
            words += f"; moved by at most {text.at_most(moved)}, the network says {self._names[to]}"
        elif self.kind == "certified" and found.margins is not None:
            # shortened downward: what is printed still bounds
            low = text.number(float(found.margins[i]), 3, ROUND_FLOOR)
            words += f"; every margin is at least {low}"
        return {
            "index": i,
            "label": int(found.labels[i]),
            "to": to,
            "text": words,
            "picture": wire.thumbnail(shown),
        }

    def _explore(self, change: Any) -> None:
        if change["new"] is None or self._model is None:
            return
        i = int(change["new"])
        if 0 <= i < len(self._x):
            try:
                self._model.explore(self._x[i].reshape(self._model.input_shape), eps=self.eps or None)
            except ValueError as error:
                self.notice = str(error)

    def _message(self, _widget: Any, content: Any, _buffers: Any) -> None:
        kind = content.get("type") if isinstance(content, dict) else None
        if kind in ("compute", "cancel"):
            getattr(self, kind)()

    @traitlets.validate("eps")
    def _radius(self, proposal: Any) -> float:
        if not 0 <= proposal["value"] < np.inf:
            self.notice = f"a radius is 0 or more, not {proposal['value']}"
            return self.eps
        self.notice = ""
        return float(proposal["value"])

    # ---- without a front end -------------------------------------------------------------------------------------

    def close(self) -> None:
        """Stop judging and close the widget."""
        if hasattr(self, "_worker"):
            self._worker.cancel()
        super().close()

    def __repr__(self) -> str:
        told = [f"{r['key']} {r['right']} of {r['n']}" for r in self.readings]
        return f"ConfusionView({self.about['name']!r}, {', '.join(told) or 'nothing judged yet'})"

    def _repr_mimebundle_(self, **options: Any) -> Any:
        made = super()._repr_mimebundle_(**options)
        if made is None:
            return None
        mime, metadata = made
        tables = "".join(self._still(r) for r in self.readings)
        return {
            **mime, "text/plain": repr(self), "text/html": f"<div><code>{html.escape(repr(self))}</code>{tables}</div>"
        }, metadata  # fmt: skip

    def _still(self, reading: dict[str, Any]) -> str:
        head = "".join(f"<th>{html.escape(n)}</th>" for n in self._names)
        rows = "".join(
            f"<tr><th>{html.escape(n)}</th>{''.join(f'<td>{v}</td>' for v in row)}</tr>"
            for n, row in zip(self._names, reading["matrix"], strict=True)
        )
        return f"<p>{html.escape(reading['statement'])}</p><table><tr><th></th>{head}</tr>{rows}</table>"


def _reading(found: Confusion, kind: str, about: dict[str, Any]) -> dict[str, Any]:
    matrix = found.matrix(kind)
    right, n = int(np.trace(matrix)), len(found.labels)
    clip = (
        ""
        if found.clip is None
        else f" and {found.clip[0]:g} \N{LESS-THAN OR EQUAL TO} x' \N{LESS-THAN OR EQUAL TO} {found.clip[1]:g}"
    )
    where = (
        f"for all x' with |x' - x| \N{LESS-THAN OR EQUAL TO} {text.exact(found.eps)} in every number{clip}"
    )
    method = wire.METHODS.get(found.method, found.method)
    said = {
        "clean": f"{right} of {n} are right, as the network's own float program computes them.",
        "adversarial": f"For {n - right} of {n} an input of another class was found by {about['starts']} times "
        f"{about['steps']} gradient steps within {text.exact(found.eps)}{clip} and run again; for {right} none was "
        "found, which proves nothing.",
        "certified": f"For {right} of {n} it is proved that the label stays the largest output {where} ({method}, real "
        f"arithmetic). For {n - right} it is not: the column is the class with the least margin that is left.",
    }
    return {
        "key": kind, "eps": 0.0 if kind == "clean" else found.eps, "matrix": matrix.tolist(), "right": right, "n": n,
        "statement": said[kind],
    }  # fmt: skip


def confusion_view(network: Any, x: Array, y: Array, eps: float = 0.0, **options: Any) -> ConfusionView:
    """Confusion matrices of a classifier (clean, adversarial, certified) as a widget; see `ConfusionView`."""
    return ConfusionView(network, x, y, eps, **options)
