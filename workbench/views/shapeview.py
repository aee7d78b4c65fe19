"""ShapeView: what every layer is given and gives, and where a model does not fit, before anything runs.

The front end draws and never computes.  Python to front end: ``about`` ``{module, parameters, fits, error, inputs,
output}``, ``layers`` ``[{path, kind, depth, given: [text], result, parameters, state, message, fix}]`` (see
`nn.checking`), ``code``, ``notice``.  Front end to Python: ``shape``, what a person types: ``batch=1 pixels=64``,
several inputs apart by a semicolon.
"""

from __future__ import annotations

import html
from typing import Any

import anywidget
import traitlets
from traitlets import Dict, List, Unicode

from workbench.graph import GraphError
from workbench.nn.checking import Check, Layer, check
from workbench.nn.module import Module
from workbench.nn.shapes import parse
from workbench.views.widgets import bundle

MARKS = {
    "fits": "fits",
    "fails": "does not fit",
    "inside": "a layer in it does not fit",
    "unreached": "not reached",
}


class ShapeView(anywidget.AnyWidget):
    """The shapes of a module's layers, for an input shape that can be typed.

    Parameters
    ----------
    module : any module; its parameters are not touched.
    shapes : one an input: ``(1, 64)`` or ``"batch=1 pixels=64"``.
    """

    about = Dict().tag(sync=True)
    layers: Any = List().tag(sync=True)
    notice = Unicode("").tag(sync=True)
    code = Unicode("").tag(sync=True)
    shape = Unicode("").tag(sync=True, echo_update=False)
    _esm = bundle("shape")

    def __init__(self, module: Module, *shapes: Any) -> None:
        if not isinstance(module, Module):
            raise GraphError(f"shapes are checked of a module, such as nn.Sequential(...), not of {module!r}")
        found = check(module, *shapes)
        super().__init__()
        self._module = module
        self.found: Check = found
        self.shape = "; ".join(s if isinstance(s, str) else " ".join(map(str, parse(s)[0])) for s in shapes)
        self._show()
        self.observe(self._typed, names=["shape"])

    def refresh(self) -> ShapeView:
        """Check again, after the module was changed."""
        self._typed()
        return self

    def _typed(self, change: Any = None) -> None:
        shapes = [part.strip() for part in self.shape.split(";")]
        try:
            self.found = check(self._module, *shapes)
        except GraphError as error:
            self.notice = str(error)
            return
        self._show()

    def _show(self) -> None:
        found, kind = self.found, type(self._module).__name__
        shapes = [part.strip() for part in self.shape.split(";")]
        with self.hold_sync():
            self.layers = [{**vars(r), "given": list(r.given), "depth": _depth(r.path)} for r in found.layers]
            self.about = {
                "module": kind, "parameters": found.parameters, "fits": found.fits, "error": found.error,
                "inputs": list(found.inputs), "output": found.output,
            }  # fmt: skip
            self.code = f"# net is yours\nwb.shape_view(net, {', '.join(map(repr, shapes))})"
            self.notice = ""

    @traitlets.validate("shape")
    def _short(self, proposal: Any) -> str:
        return str(proposal["value"])[:400]

    def __repr__(self) -> str:
        found = self.found
        told = f"fits: {', '.join(found.inputs)} -> {found.output}" if found.fits else found.error
        return f"ShapeView({type(self._module).__name__}, {told})"

    def _repr_mimebundle_(self, **options: Any) -> Any:
        made = super()._repr_mimebundle_(**options)
        if made is None:
            return None
        mime, metadata = made
        rows = "".join(f"<tr>{_cells(r, type(self._module).__name__)}</tr>" for r in self.found.layers)
        head = "".join(f"<th>{v}</th>" for v in ("layer", "kind", "given", "result", ""))
        still = f"<div><code>{html.escape(repr(self))}</code><table><tr>{head}</tr>{rows}</table></div>"
        return {**mime, "text/plain": repr(self), "text/html": still}, metadata


def _cells(row: Layer, whole: str) -> str:
    told = (row.path or whole, row.kind, ", ".join(row.given), row.result, MARKS[row.state])
    return "".join(f"<td>{html.escape(v)}</td>" for v in told)


def _depth(path: str) -> int:
    return path.count(".") + 1 if path else 0


def shape_view(module: Module, *shapes: Any) -> ShapeView:
    """The shapes of a module's layers, and where they do not fit, as a widget.

    Parameters
    ----------
    module : a module.
    shapes : one an input: ``(1, 64)`` or ``"batch=1 pixels=64"``.

    Raises
    ------
    GraphError
        What is no module or no shape; a shape that does not *fit* is what the view is for.

    >>> from workbench import nn
    >>> shape_view(nn.Sequential(nn.Linear(64, 32), nn.Linear(31, 10)), "batch=1 pixels=64")
    ShapeView(Sequential, layer '1' (Linear) expects a last dimension of 31, but was given [batch=1, 32])
    """
    return ShapeView(module, *shapes)
