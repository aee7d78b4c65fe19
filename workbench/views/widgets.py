"""The widgets: traits that mirror a `Model`, and nothing else.  What crosses is described in `workbench.views.wire`."""

from __future__ import annotations

import asyncio
import base64
import html
import pathlib
from typing import Any, ClassVar

import anywidget
import traitlets
from traitlets import Bool, Bytes, Dict, Float, Int, List, Unicode

from workbench.views import wire
from workbench.views.detail import pack
from workbench.views.neuron import neuron
from workbench.views.svg import graph_svg
from workbench.worker import QUIET

STATIC = pathlib.Path(__file__).parent.parent / "static"
COMMANDS = ("cancel", "compute", "back", "forward")
MIRRORED = ("eps", "method", "format", "example", "live")
_UNBUILT = """export default {{ render({{ el }}) {{
  el.textContent = "NN Workbench: the front end is not built ({name}.js is missing). Run `make build` in the checkout.";
}} }};"""


def bundle(name: str) -> pathlib.Path | str:
    """The built ES module of a view, or a module that says how to build it."""
    path = STATIC / f"{name}.js"
    return path if path.is_file() else _UNBUILT.format(name=name)


def _down(kind: type[traitlets.TraitType[Any, Any]], *args: Any, **options: Any) -> Any:
    """A trait that Python writes and the front end reads."""
    return kind(*args, **options).tag(sync=True)


def _up(kind: type[traitlets.TraitType[Any, Any]], *args: Any, **options: Any) -> Any:
    """A small trait that the front end writes too; it is not echoed back."""
    return kind(*args, **options).tag(sync=True, echo_update=False)


class View(anywidget.AnyWidget):
    """One view of a `Model`: mirrors the model's state into synced traits, and what a person does into the model.

    `PARTS` names the payloads that a view needs; the others stay empty and cost nothing.
    """

    PARTS: ClassVar[tuple[str, ...]] = ()

    graph = _down(Dict)
    stamp = _down(traitlets.Instance, dict, allow_none=True)  # Dict(None) would be {}, which is no stamp
    overlay = _down(Dict)
    overlays = _down(List)
    phases = _down(Dict)
    controls = _down(Dict)
    thumbnail = _down(traitlets.Instance, dict, allow_none=True)
    status = _down(Dict)
    verdict = _down(Dict)
    detail = _down(Dict)
    detail_data = _down(Bytes, b"")
    neuron = _down(Dict)
    attribution = _down(traitlets.Instance, dict, allow_none=True)
    code = _down(Dict)
    notice = _down(Unicode, "")

    selection = _up(Dict)
    eps = _up(Float, 0.0)
    method = _up(Unicode, "")
    format = _up(Unicode, "")
    example = _up(Int, None, allow_none=True)
    live = _up(Bool, True)
    overlay_key = _up(Unicode, "")
    window = _up(List, default_value=None, allow_none=True)

    def __init__(self, model: Any, **options: Any) -> None:
        super().__init__(**options)
        self._of = model
        self._pictured = b""
        self._late: asyncio.TimerHandle | None = None
        self._own = False  # whether what changes now is what the front end asked for itself
        with self.hold_sync():
            self._push_graph()
            self._push_settings()
            self._push_selection()
            self._push_result()
            self._push_status()
        self._watching = (
            (self._push_graph, ["graph", "name"]),
            (self._push_settings, [*wire.SETTINGS, "region", "eps_max", "examples", "live"]),
            (self._push_selection, ["selection"]),
            (self._push_overlay, ["overlay"]),
            (self._push_result, ["result"]),
            (self._push_status, ["status"]),
        )
        for handler, names in self._watching:
            model.observe(handler, names=names)
        self.observe(self._take, names=[*MIRRORED, "overlay_key", "selection"])
        self.observe(self._push_detail, names=["window"])
        self.on_msg(self._command)
        watch = getattr(model, "watch", None)  # from now on somebody looks: changes are worth computing
        if watch is not None:
            watch()

    # ---- model -> front end -------------------------------------------------------------------------------------

    def _push_graph(self, _change: Any = None) -> None:
        if "graph" in self.PARTS:
            self.graph = wire.graph(self._of.graph, self._of.name, self._of.sha256)

    def _push_settings(self, _change: Any = None) -> None:
        with self.hold_sync():
            for name in MIRRORED:
                setattr(self, name, getattr(self._of, name))
            self.controls = wire.controls(self._of) if "controls" in self.PARTS else {"norm": self._of.norm}
            if "controls" in self.PARTS:
                self._push_picture()
            self._push_status()

    def _push_picture(self) -> None:
        center = self._of.center
        seen = b"" if center is None else center.tobytes()
        if seen != self._pictured:
            self._pictured = seen
            self.thumbnail = wire.thumbnail(center)

    def _push_selection(self, _change: Any = None) -> None:
        node, index = self._of.selection
        with self.hold_sync():
            if node != self.selection.get("node"):
                self.window = None
            self.selection = {"node": node, "index": index}
            self._push_detail()
            self._push_code()

    def _push_overlay(self, _change: Any = None) -> None:
        if "graph" not in self.PARTS:
            return
        with self.hold_sync():
            self.overlays = wire.overlays(self._of)
            self.overlay = wire.overlay(self._of)
            self.overlay_key = self.overlay["key"]

    def _push_detail(self, _change: Any = None) -> None:
        if "detail" not in self.PARTS:
            return
        model, node = self._of, wire.node_of(self._of)
        with self.hold_sync():
            if node is None or model.result is None:
                self.detail, self.detail_data = {"node": node.name if node else None}, b""
            else:
                window = (int(self.window[0]), int(self.window[1])) if self.window else None
                operand, phases = model.phase_operand(node.name), model.neuron_phases(node.name)
                described, data = pack(node, model.result, operand, phases, window)
                self.detail, self.detail_data = {**described, **(wire.stamp(model.result) or {})}, data
            self.neuron = neuron(model, node, model.selection[1])
            if "attribution" in self.PARTS:
                self.attribution = wire.attribution(model)

    def _push_result(self, _change: Any = None) -> None:
        with self.hold_sync():
            self.stamp = wire.stamp(self._of.result)
            self.verdict = wire.verdict(self._of)
            self._push_overlay()
            if "graph" in self.PARTS:
                self.phases = wire.phases(self._of)
            self._push_detail()
            self._push_status()

    def _push_status(self, _change: Any = None) -> None:
        if self._own and self._of.status.get("state") == "computing":
            # A slider's own view knows what it asked for. Usually the answer is there before this would be worth a
            # message, which the kernel, the server and the page would have to handle between question and answer.
            try:
                loop = asyncio.get_running_loop()
            except RuntimeError:  # nothing can be sent late
                loop = None
            if loop is not None:
                self._late = self._late or loop.call_later(QUIET, self._push_status)
                return
        if self._late is not None:
            self._late.cancel()
            self._late = None
        with self.hold_sync():
            self.status = wire.status(self._of)
            if self.status["state"] != "computing":  # not at every step of a slider
                self._push_code()

    def _push_code(self) -> None:
        self.code = wire.code(self._of)

    # ---- front end -> model -------------------------------------------------------------------------------------

    def _take(self, change: Any) -> None:
        name, value = change["name"], change["new"]
        target = {"overlay_key": "overlay"}.get(name, name)
        self._own = name == "eps"
        with self.hold_sync():  # everything that follows from it crosses in one message
            try:
                if name == "selection":
                    index = value.get("index")
                    value = (value.get("node"), None if index is None else int(index))
                if getattr(self._of, target) != value:
                    setattr(self._of, target, value)
                    self.notice = ""
            except (traitlets.TraitError, ValueError, LookupError, TypeError) as error:
                self.notice = f"{target} = {value!r} was refused: {error}"
                self._own = False
                self._push_settings()
                self._push_selection()
        self._own = False

    def _command(self, _widget: Any, content: Any, _buffers: Any) -> None:
        kind = content.get("type") if isinstance(content, dict) else None
        if kind not in COMMANDS:
            return
        try:
            getattr(self._of, kind)()
        except Exception as error:  # noqa: BLE001 - a message handler that raises would die silently in the kernel's log
            self.notice = f"{kind} failed: {error}"

    # ---- without a front end ------------------------------------------------------------------------------------

    def close(self) -> None:
        """Stop following the model and close the widget."""
        if self._late is not None:
            self._late.cancel()
        if self.comm is not None:
            for handler, names in self._watching:
                self._of.unobserve(handler, names=names)
        super().close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._of.name!r}, {len(self._of.graph.nodes)} nodes)"

    def _repr_mimebundle_(self, **options: Any) -> Any:
        made = super()._repr_mimebundle_(**options)
        if made is None:
            return None
        data, metadata = made
        return {**data, "text/plain": repr(self), "text/html": static_html(self._of)}, metadata


class GraphView(View):
    """The computation graph: layered, collapsible, coloured by any number a node."""

    PARTS: ClassVar = ("graph",)
    _esm = bundle("graph")


class BoundsView(View):
    """Every neuron's interval of the selected node, and the relaxation of the selected neuron."""

    PARTS: ClassVar = ("detail",)
    _esm = bundle("bounds")


class RoundingView(View):
    """Sound bound and observed rounding error of every neuron of the selected node, and who contributes most."""

    PARTS: ClassVar = ("detail", "attribution")
    _esm = bundle("rounding")


class Workbench(View):
    """The whole: controls, graph, inspector, status."""

    PARTS: ClassVar = ("graph", "detail", "controls", "attribution")
    _esm = bundle("workbench")

    def __init__(self, model: Any, **options: Any) -> None:
        outputs = [name for name in model.graph.outputs if name in model.graph.by_name]
        if model.selection[0] is None and outputs:
            model.selection = (outputs[0], None)  # what the verdict is about, instead of an empty half
        super().__init__(model, **options)


def static_html(model: Any) -> str:
    """What a page without a kernel shows: the name, the size and a still picture of the graph."""
    g = model.graph
    parameters = sum(int(w.size) for w in g.weights.values())
    title = f"<b>{html.escape(str(model.name))}</b> · {len(g.nodes):,} nodes · {parameters:,} parameters"
    note = "A still picture: run the notebook to explore it."
    # an <img> keeps the picture where a site strips inline SVG, and nothing inside an <img> can run
    picture = base64.b64encode(graph_svg(g).encode()).decode()
    alt = html.escape(f"computation graph of {model.name}", quote=True)
    return (
        f'<div style="font:12.5px/1.5 system-ui,sans-serif"><div>{title}</div>'
        f'<img alt="{alt}" style="max-width:100%;max-height:640px" src="data:image/svg+xml;base64,{picture}">'
        f"<div>{note}</div></div>"
    )
