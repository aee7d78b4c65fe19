"""RelaxationExplorer: one operator's lines over a box that a person drags, and what methods say of a toy network.

The front end draws and never computes.  Python to front end:

``operators``  ``[{key, label, formula, arity, box}]``
``shown``      the answer to one ``ask``: ``{seq, op, low, high, cut, lower, upper, best_lower, best_upper: {slopes,
               offset, chosen} or null, image: [lo, hi], room: {shown, best, box}, curve: [[x, y]], said}``; of an
               operator with two operands ``curve`` is the slice at ``cut``, with ``gap`` between the planes at corners
``net``        the answer to one ``net_ask``: ``{seq, name, lower, upper, slopes, frame, pieces: {cells: [{inputs,
               outputs, signs}], neurons: [[node, index]], hull, area} or null, methods: [{key, label, corners, area,
               seconds, said}], left: [keys still computed], said}``
``origin``     the neuron that the box came from: ``{node, index, stale}``
``selection``  the model's, both ways, where there is a model

Front end to Python: ``ask`` ``{seq, op, low, high, cut, lower, upper}`` (slopes or null), ``net_ask`` ``{seq, lower,
upper, slopes}`` and ``pane`` ("operator" or "network").  Infinite numbers are null.
"""

from __future__ import annotations

import html
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import anywidget
import numpy as np
from traitlets import Dict, List, Unicode

from workbench.graph import GraphError
from workbench.methods.lines import Picture, operators, relax, single
from workbench.methods.named import METHODS
from workbench.methods.progress import Progress
from workbench.methods.reach import tried
from workbench.network import Network
from workbench.views import relaxationdata as data
from workbench.views.text import interval, number
from workbench.views.widgets import bundle
from workbench.worker import Worker


class RelaxationExplorer(anywidget.AnyWidget):
    """One operator's relaxation, draggable; and the hierarchy of methods on a network of two inputs.

    Parameters
    ----------
    model : whose selected neuron fills the view, and whose network is drawn where it has two inputs; or None.
    op : name of an operator, such as "relu", "sigmoid" or "mul".
    low, high : ends to begin with: a number, or one an operand; by default the operator's own.
    pane : what is shown first, "operator" or "network".
    """

    operators: Any = List().tag(sync=True)
    shown = Dict().tag(sync=True)
    net = Dict().tag(sync=True)
    origin = Dict().tag(sync=True)
    notice = Unicode("").tag(sync=True)
    ask = Dict().tag(sync=True, echo_update=False)
    net_ask = Dict().tag(sync=True, echo_update=False)
    pane = Unicode("operator").tag(sync=True, echo_update=False)
    selection = Dict().tag(sync=True, echo_update=False)
    _esm = bundle("relaxation")

    def __init__(
        self,
        model: Any = None,
        op: str | None = None,
        low: Any = None,
        high: Any = None,
        *,
        pane: str = "operator",
        **options: Any,
    ) -> None:
        known = {o.key: o for o in operators()}
        key = str(op or "relu").lower()
        if key not in known:
            raise ValueError(f"there is no operator {op!r} to explore: choose one of {', '.join(known)}")
        if pane not in ("operator", "network"):
            raise ValueError(f'the pane is "operator" or "network", not {pane!r}')
        super().__init__(**options)
        self._worker = Worker(self._found, lambda *_: None)
        self._known, self._of = known, model
        self._network, self._plan = _network(model)
        self._seq = 0
        self.pane = pane
        self.operators = [
            {
                "key": o.key,
                "label": o.label,
                "formula": o.formula,
                "arity": o.arity,
                "box": [list(b) for b in o.box],
            }
            for o in known.values()
        ]
        self.explore(key, low, high)
        region = None if model is None or self._network is not model.network else model.region
        center, half = (0.5, 0.25), (0.6, 0.6)
        if region is not None:
            low_, high_ = region.lower.reshape(-1), region.upper.reshape(-1)
        else:
            low_, high_ = (
                np.array([c + sign * h for c, h in zip(center, half, strict=True)]) for sign in (-1, 1)
            )
        self.look(low_, high_)
        self.observe(self._asked, names=["ask"])
        self.observe(self._net_asked, names=["net_ask"])
        if model is not None:
            self._follow()
            model.observe(self._follow, names=["selection", "result", "status"])
            self.observe(self._select, names=["selection"])
            watch = getattr(model, "watch", None)  # from now on somebody looks: changes are worth computing
            if watch is not None:
                watch()

    # ---- one operator --------------------------------------------------------------------------------------------

    def explore(
        self, op: str, low: Any = None, high: Any = None, lower: Any = None, upper: Any = None
    ) -> RelaxationExplorer:
        """Show an operator over a box; `lower`, `upper`: slopes of the lines, by default the rule's own.

        Raises
        ------
        ValueError
            An operator that there is not, ends that are not in order.
        """
        if str(op).lower() not in self._known:
            raise ValueError(
                f"there is no operator {op!r} to explore: choose one of {', '.join(self._known)}"
            )
        made = self._known[str(op).lower()]

        def each(given: Any, side: int) -> list[float]:
            if given is None:
                return [b[side] for b in made.box]
            return list(map(float, np.broadcast_to(np.asarray(given, float), (made.arity,))))

        slopes = {
            k: None if v is None else list(map(float, np.broadcast_to(np.asarray(v, float), (made.arity,))))
            for k, v in (("lower", lower), ("upper", upper))
        }
        self.origin = {}
        self._answer(
            {
                "seq": self.shown.get("seq", 0) + 1,
                "op": made.key,
                "low": each(low, 0),
                "high": each(high, 1),
                **slopes,
            }
        )
        return self

    def _answer(self, ask: Mapping[str, Any]) -> None:
        op = self._known[str(ask["op"])]
        asked = data.read_ask(op, ask)
        lower, upper = (None if asked[k] is None else tuple(asked[k]) for k in ("lower", "upper"))
        picture = relax(op, tuple(asked["low"]), tuple(asked["high"]), lower, upper)
        with self.hold_sync():
            self.shown, self.notice = data.describe(op, picture, asked), ""

    def _asked(self, change: Any) -> None:
        try:
            self.origin = {}
            self._answer(change["new"])
        except (ValueError, TypeError, LookupError) as error:
            self.notice = f"this was refused: {error}"

    @property
    def lines(self) -> Picture:
        """The lines that are shown, for Python."""
        op, s = self._known[self.shown["op"]], self.shown
        slopes = (
            None if s[k] is None or not s[k]["chosen"] else tuple(s[k]["slopes"]) for k in ("lower", "upper")
        )
        return relax(op, tuple(s["low"]), tuple(s["high"]), *slopes)

    # ---- a model's neuron ----------------------------------------------------------------------------------------

    def _follow(self, change: Any = None) -> None:
        """Show the model's selected neuron, where it is one of an operator with lines."""
        model = self._of
        if change is not None and change["name"] == "status":
            if self.origin and self.origin["stale"] != bool(model.stale):
                self.origin = {**self.origin, "stale": bool(model.stale)}
            return
        node, index = model.selection
        self.selection = {"node": node, "index": index}
        found = None if node is None or index is None else model.relaxation(node, index)
        if found is None or not (math.isfinite(found["l"]) and math.isfinite(found["u"])):
            return
        try:
            made = single(model.plan.by_name[node], (found["l"], found["u"]))
        except (GraphError, ValueError):
            return
        if made is None:
            return
        self._known[made.key] = made
        with self.hold_sync():
            entry = {
                "key": made.key,
                "label": made.label,
                "formula": made.formula,
                "arity": 1,
                "box": [list(made.box[0])],
            }
            self.operators = [*(o for o in self.operators if o["key"] != made.key), entry]
            self._answer(
                {
                    "seq": self.shown.get("seq", 0) + 1,
                    "op": made.key,
                    "low": [found["l"]],
                    "high": [found["u"]],
                }
            )
            self.origin = {"node": node, "index": index, "stale": bool(model.stale)}

    def _select(self, change: Any) -> None:
        chosen = (change["new"].get("node"), change["new"].get("index"))
        try:
            if tuple(self._of.selection) != chosen:
                self._of.selection = chosen
        except ValueError as error:
            self.notice = str(error)

    # ---- a network of two inputs ---------------------------------------------------------------------------------

    def look(
        self, lower: Sequence[float], upper: Sequence[float], slopes: Sequence[float] | None = None
    ) -> Any:
        """Bound the network over a rectangle by every method; the slow ones follow (`wait`)."""
        self._look(
            {
                "seq": self.net.get("seq", 0) + 1,
                "lower": [float(v) for v in lower],
                "upper": [float(v) for v in upper],
                "slopes": None if slopes is None else [float(v) for v in slopes],
            }
        )
        return self

    def _net_asked(self, change: Any) -> None:
        try:
            self._look(change["new"])
        except (ValueError, TypeError, LookupError) as error:
            self.notice = f"this was refused: {error}"

    def _look(self, ask: Mapping[str, Any]) -> None:
        plan = self._plan
        if plan is None:
            self.net = {
                "seq": 0,
                "said": "a network of two inputs and two outputs is needed",
                "methods": [],
                "left": [],
            }
            return
        made = data.network(plan, ask)
        region = data.rectangle(plan, made["lower"], made["upper"])
        slow = [m for m in METHODS if m not in data.QUICK]
        made["left"] = list(slow)
        self.net, self.notice = made, ""
        self._seq += 1
        held = dict(made)

        def job(progress: Progress) -> Iterator[tuple[dict[str, Any], bool]]:
            for k, method in enumerate(slow):
                progress(k / len(slow), method)
                answer = data.entry(method, tried(plan, region, method))
                held["methods"] = [*held["methods"], answer]
                held["left"] = slow[k + 1 :]
                yield dict(held), k + 1 < len(slow)

        self._worker.submit(self._seq, job)

    def _found(self, seq: int, found: dict[str, Any] | None, error: BaseException | None, more: bool) -> None:
        if seq != self._seq:
            return
        if error is not None:
            self.net = {**self.net, "left": [], "said": f"{type(error).__name__}: {error}"}
        elif found is not None:
            self.net = found

    def wait(self, timeout: float = 60.0) -> RelaxationExplorer:
        """Block until every method has answered (for scripts and tests); returns the view."""
        self._worker.wait(timeout)
        return self

    # ---- without a front end -------------------------------------------------------------------------------------

    def close(self) -> None:
        """Stop following the model and close the widget."""
        if not hasattr(self, "_worker"):  # it was refused while it was being made
            return
        self._worker.cancel()
        if self.comm is not None and self._of is not None:
            self._of.unobserve(self._follow, names=["selection", "result", "status"])
        super().close()

    def __repr__(self) -> str:
        s = self.shown
        box = " \N{MULTIPLICATION SIGN} ".join(
            interval(a, b) for a, b in zip(s["low"], s["high"], strict=True)
        )
        area = s["room"]["shown"]
        told = "no lines" if area is None else f"{'area' if len(s['low']) == 1 else 'volume'} {number(area)}"
        return f"RelaxationExplorer({self._known[s['op']].label} on {box}: {told} between the lines)"

    def _repr_mimebundle_(self, **options: Any) -> Any:
        made = super()._repr_mimebundle_(**options)
        if made is None:
            return None
        mime, metadata = made
        rows = "".join(
            f"<tr><td>{html.escape(m['label'])}</td><td>{'' if m['area'] is None else number(m['area'])}</td></tr>"
            for m in self.net["methods"]
        )
        table = (
            f"<table><tr><th>method</th><th>area of the outputs' polygon</th></tr>{rows}</table>"
            if rows
            else ""
        )
        fallback = f"<div><code>{html.escape(repr(self))}</code>{table}<div>Run the notebook to explore it.</div></div>"
        return {**mime, "text/plain": repr(self), "text/html": fallback}, metadata


def _network(model: Any) -> tuple[Any, Any]:
    """The model's network where it has two inputs and two outputs, else the toy."""
    if model is not None:
        graph = model.graph
        fits = (
            len(graph.inputs) == 1 and graph[graph.inputs[0]].size == 2 and graph[graph.outputs[0]].size >= 2
        )
        if fits:
            return model.network, model.plan
    from workbench import examples

    network: Network = examples.toy().network
    return network, network.plan


def relaxation_explorer(
    op: str = "relu", low: Any = None, high: Any = None, *, pane: str = "operator"
) -> RelaxationExplorer:
    """One operator's lines over a box that you drag, and the hierarchy of methods on a toy network, as a widget.

    Parameters
    ----------
    op : an operator's name, such as "relu", "sigmoid", "sin" or "mul".
    low, high : ends of the box: a number, or one an operand.
    pane : "operator" or "network".

    Raises
    ------
    ValueError
        An operator that there is not; ends that are not in order.
    """
    return RelaxationExplorer(None, op, low, high, pane=pane)
