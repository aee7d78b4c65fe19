"""TapeView: the backward graph beside the forward one, cotangents on every node, one selection for both.

The front end draws and never computes.  Python to front end: ``forward`` and ``backward`` (graphs as `wire.graph` has
them; `backward` holds what reverse mode adds), ``overlays`` ``{forward: [...], backward: [...]}`` (as `wire.overlay`),
``links`` ``{cotangent: {forward node: backward value}, maker: {backward node: forward node}, uses: {backward node:
[forward values that it reads]}}``, ``numbers`` ``{forward node: {value, cotangent: {low, high, norm, n, zeros} or null,
top: [[index, value, cotangent]]}}``, ``about``, ``notice``.  Both ways: ``selection`` ``{node, index}`` of the forward
graph; the front end keeps the backward one itself.
"""

from __future__ import annotations

import base64
import html
import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import anywidget
import numpy as np
from traitlets import Dict, Unicode

from workbench.autodiff.tape import SEED, Tape, tape
from workbench.graph import Array, Graph, GraphError
from workbench.nn.losses import CrossEntropyLoss
from workbench.nn.module import Module
from workbench.nn.session import Objective, Session
from workbench.nn.tracing import trace
from workbench.views import wire
from workbench.views.svg import graph_svg
from workbench.views.widgets import bundle

TOP = 8  # elements with the largest cotangents that are listed a node
WATCHED = ["selection", "region", "example", "center"]


class TapeView(anywidget.AnyWidget):
    """The tape of one gradient.

    Parameters
    ----------
    made : the tape; or a `Model`, for the gradient at its centre, anew whenever that moves.
    index : which element of a model's output is differentiated; by default the largest.
    """

    forward = Dict().tag(sync=True)
    backward = Dict().tag(sync=True)
    overlays = Dict().tag(sync=True)
    links = Dict().tag(sync=True)
    numbers = Dict().tag(sync=True)
    about = Dict().tag(sync=True)
    notice = Unicode("").tag(sync=True)
    code = Unicode("").tag(sync=True)
    selection = Dict().tag(sync=True, echo_update=False)
    _esm = bundle("tape")

    def __init__(self, made: Any, index: int | None = None, **options: Any) -> None:
        self._of: Any = None if isinstance(made, Tape) else made
        self._index = index
        held = made if isinstance(made, Tape) else _of_model(made, index)
        super().__init__(**options)
        self.tape = held
        self.selection = {"node": None, "index": None}
        self._show()
        self.observe(self._select, names=["selection"])
        if self._of is not None:
            self._of.observe(self._follow, names=WATCHED)
            self._follow({"name": "selection"})

    def _follow(self, change: Any) -> None:
        model = self._of
        assert model is not None
        if change["name"] == "selection":
            self.selection = dict(zip(("node", "index"), model.selection, strict=True))
            return
        if model.center is not None and model.center.tobytes() == self._at:
            return  # a slider moves the ball, not the point
        try:
            self.tape = _of_model(model, self._index)
        except GraphError as error:
            self.notice = str(error)
            return
        self._show()

    def _select(self, change: Any) -> None:
        node, index = change["new"].get("node"), change["new"].get("index")
        if self._of is None:
            return
        try:
            if self._of.selection != (node, index):
                self._of.selection = (node, index)
        except (ValueError, LookupError) as error:
            self.notice = str(error)

    def _show(self) -> None:
        made = self.tape
        self._at = b"" if self._of is None else self._of.center.tobytes()
        forward = wire.graph(made.forward, made.forward.name, None)
        uses: dict[str, list[str]] = {}
        whole = wire.graph(made.backward, made.backward.name, None)
        own = [n for n in whole["nodes"] if n["id"] in made.maker]
        for node in own:
            uses[node["id"]] = [i for i in node["inputs"] if i not in made.maker]
            node["inputs"] = [i for i in node["inputs"] if i in made.maker]
        named = {made.cotangent.get(i) for i in made.forward.inputs}
        backward = {**whole, "nodes": own, "inputs": list(made.given), "outputs": [o for o in named if o]}
        with self.hold_sync():
            self.forward, self.backward = forward, backward
            self.links = {"cotangent": dict(made.cotangent), "maker": dict(made.maker), "uses": uses}
            self.numbers = {n.name: _numbers(made, n.name) for n in made.forward.nodes}
            self.overlays = _overlays(made)
            self.about = {
                "name": made.forward.name, "output": made.output, "index": made.index,
                "numbers": [k for k in made.given if k != SEED],
                "value": float(np.ravel(made.values[made.output])[made.index]), "linked": self._of is not None,
            }  # fmt: skip
            wanted = "" if self._index is None else str(self._index)
            self.code = (
                f"{self._of.code()}\nmodel.tape_view({wanted})"
                if self._of is not None
                else "# f and x are yours\nwb.tape_view(f, x)"
            )
            self.notice = ""

    # ---- without a front end -------------------------------------------------------------------------------------

    def close(self) -> None:
        """Stop following the model and close the widget."""
        if self.comm is not None and hasattr(self, "_of") and self._of is not None:
            self._of.unobserve(self._follow, names=WATCHED)
        super().close()

    def __repr__(self) -> str:
        made = self.tape
        return (
            f"TapeView({made.output}[{made.index}] of {made.forward.name!r}, {len(made.forward)} nodes forward, "
            f"{len(made.maker)} backward)"
        )

    def _repr_mimebundle_(self, **options: Any) -> Any:
        made = super()._repr_mimebundle_(**options)
        if made is None:
            return None
        mime, metadata = made
        pictures = [self.tape.forward, self.tape.backward]
        images = "".join(
            f'<img alt="{html.escape(g.name, quote=True)}" style="max-width:49%;max-height:520px;vertical-align:top" '
            f'src="data:image/svg+xml;base64,{base64.b64encode(graph_svg(g).encode()).decode()}">'
            for g in pictures
        )
        still = f"<div><code>{html.escape(repr(self))}</code><div>{images}</div></div>"
        return {**mime, "text/plain": repr(self), "text/html": still}, metadata


def _of_model(model: Any, index: int | None) -> Tape:
    if model.center is None:
        raise GraphError("a gradient is taken at a point: choose an input first, with model.explore(x)")
    graph = model.graph
    if len(graph.inputs) != 1:
        raise GraphError("several inputs: make one of them with model.one_input()")
    source = graph.inputs[0]
    return tape(graph, {source: np.asarray(model.center).reshape(graph[source].shape)}, index)


def _finite(value: Any) -> float | None:
    number = float(value)
    return number if math.isfinite(number) else None


def _size(array: Array) -> dict[str, Any] | None:
    if not array.size:
        return None
    low, high, norm = float(np.min(array)), float(np.max(array)), float(np.sqrt(np.square(array).sum()))
    finite = all(np.isfinite((low, high, norm)))
    return {
        "low": low if finite else None, "high": high if finite else None, "norm": norm if finite else None,
        "n": int(array.size), "zeros": int((array == 0).sum()),
    }  # fmt: skip


def _numbers(made: Tape, name: str) -> dict[str, Any]:
    value, grad = made.values.get(name), made.cotangents.get(name)
    found: dict[str, Any] = {
        "value": None if value is None else _size(value), "cotangent": None if grad is None else _size(grad), "top": []
    }  # fmt: skip
    if grad is not None and value is not None and grad.size:
        flat, own = np.ravel(grad), np.ravel(value)
        size = -np.abs(np.nan_to_num(flat, nan=np.inf))
        near = np.argpartition(size, TOP)[:TOP] if size.size > TOP else np.arange(size.size)
        first = near[np.argsort(size[near], kind="stable")]
        found["top"] = [[int(i), *(_finite(v) for v in (own[i], flat[i]))] for i in first]
    return found


def _overlays(made: Tape) -> dict[str, list[dict[str, Any]]]:
    def largest(arrays: Mapping[str, Array]) -> dict[str, float | None]:
        return {k: _finite(np.max(np.abs(v))) if v.size else None for k, v in arrays.items()}

    def overlay(key: str, label: str, values: dict[str, float | None]) -> dict[str, Any]:
        return {"key": key, "label": label, "unit": "", "log": True, "values": values}

    by_grad, by_value = largest(made.cotangents), largest(made.values)
    backward = {made.cotangent[k]: v for k, v in by_grad.items() if k in made.cotangent}
    return {
        "forward": [
            overlay("cotangent", "largest |cotangent|", by_grad), overlay("value", "largest |value|", by_value)
        ],
        "backward": [overlay("cotangent", "largest |cotangent|", backward)],
    }  # fmt: skip


def tape_of(
    function: Any, *inputs: Any, targets: Any = None, loss: Any = None, index: int | None = None
) -> Tape:
    """The tape of a function, a module or a graph at some inputs.

    Parameters
    ----------
    function : a plain Python function of tensors, a module, or a graph.
    inputs : arrays, one an argument.
    targets : for a module: what it should say of the first input, a batch: then the loss is differentiated, and
        parameters have cotangents too.
    loss : by default cross entropy.
    index : which element of the output; by default the only or the largest one.

    Raises
    ------
    GraphError
        Targets without a module; inputs that do not fit.
    """
    arrays = [np.asarray(v) for v in inputs]
    if targets is not None:
        if not isinstance(function, Module) or len(arrays) != 1:
            raise GraphError("targets belong to a module with one input: tape_of(net, x, targets=y)")
        session = Session(function, Objective(loss or CrossEntropyLoss()))
        x = arrays[0].astype(np.float32) if arrays[0].dtype == np.float64 else arrays[0]
        made, ready = session.compiled(x, targets, training=False)
        given = {k: held.value for k, held in made.held.items()} | {"x": x, "target": ready}
        graph = replace(made.graph, outputs=(made.loss, *(o for o in made.graph.outputs if o != made.loss)))
        return tape(graph, {k: given[k] for k in graph.inputs}, index)
    graph = function if isinstance(function, Graph) else trace(function, *arrays).graph
    if len(graph.inputs) != len(arrays):
        raise GraphError(f"{graph.name} takes {len(graph.inputs)} inputs, but was given {len(arrays)}")
    return tape(graph, dict(zip(graph.inputs, arrays, strict=True)), index)


def tape_view(function: Any, *inputs: Any, **options: Any) -> TapeView:
    """The backward graph of a function, a module or a graph beside its forward one, as a widget; see `tape_of`.

    >>> tape_view(lambda x: (x * x).sum(), np.array([1.0, 2.0]))
    TapeView(reducesum[0] of 'function', 3 nodes forward, 6 backward)
    """
    return TapeView(tape_of(function, *inputs, **options))
