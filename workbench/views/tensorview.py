"""TensorView: any tensor as a heat map, a picture or a table, with the bits of the element that is selected.

The front end draws and never computes.  Python to front end: ``tensors`` ``[{key, label}]``, ``about`` ``{name, words,
stale, code}``, ``stats`` (`tensordata.statistics`), ``axes`` ``{sizes: of the fixed axes, may: {fold, colour}}``,
``cells`` with ``cells_data`` (`tensordata.cells`), ``table`` (`tensordata.page`), ``picked`` ``{index, position, text,
bits}``, ``notice``, and FloatInspector's own ``number``, ``formats``, ``modes`` and ``origin``.  Front end to Python:
``chosen`` (a tensor's key), ``show`` ("heat", "image" or "table"), ``fixed`` (an index an axis), ``fold``, ``window``
(row, column, h, w, or null), ``corner`` (row and column of the table's page), ``element`` (a flat index or null);
FloatInspector's ``typed``, ``format``, ``mode`` and messages.
"""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import Any

import anywidget
import numpy as np
import traitlets
from traitlets import Bool, Bytes, Dict, List, Unicode

from workbench.graph import Array
from workbench.views import tensordata as data
from workbench.views.floatinspector import FloatInspector
from workbench.views.widgets import bundle
from workbench.views.wire import node_of

FORMATS = {"float64": "binary64", "float32": "binary32", "float16": "binary16"}
KINDS = {
    "value": "value at the centre", "lower": "lower bound", "upper": "upper bound", "width": "width of the bounds",
    "rounding": "bound on the rounding error",
}  # fmt: skip
WATCHED = ["selection", "result", "region", "method", "eps", "example", "format"]
ASKED = ["chosen", "show", "fixed", "fold", "window", "corner", "element"]
MIRRORED, LINKED = ("number", "formats", "modes", "origin"), ("typed", "format", "mode")


class TensorView(anywidget.AnyWidget):
    """Tensors by name, one of them drawn.

    Parameters
    ----------
    tensors : an array, arrays by name, or a `Model`, whose selected node is shown: values, bounds, weights.
    show : "heat", "image" or "table".
    """

    tensors: Any = List().tag(sync=True)
    about = Dict().tag(sync=True)
    stats = Dict().tag(sync=True)
    axes = Dict().tag(sync=True)
    cells = Dict().tag(sync=True)
    cells_data = Bytes(b"").tag(sync=True)
    table = Dict().tag(sync=True)
    picked = Dict().tag(sync=True)
    notice = Unicode("").tag(sync=True)
    chosen = Unicode("").tag(sync=True, echo_update=False)
    show = Unicode("heat").tag(sync=True, echo_update=False)
    fixed: Any = List().tag(sync=True, echo_update=False)
    fold = Bool(False).tag(sync=True, echo_update=False)
    window: Any = List(default_value=None, allow_none=True).tag(sync=True, echo_update=False)
    corner: Any = List(default_value=[0, 0]).tag(sync=True, echo_update=False)
    element = traitlets.Int(None, allow_none=True).tag(sync=True, echo_update=False)
    number = Dict().tag(sync=True)
    formats: Any = List().tag(sync=True)
    modes: Any = List().tag(sync=True)
    origin = Dict().tag(sync=True)
    typed = Unicode("").tag(sync=True, echo_update=False)
    format = Unicode("binary32").tag(sync=True, echo_update=False)
    mode = Unicode("nearest-even").tag(sync=True, echo_update=False)
    _esm = bundle("tensor")

    def __init__(self, tensors: Any, show: str = "heat", **options: Any) -> None:
        if show not in ("heat", "image", "table"):
            raise ValueError(f"a tensor is shown as 'heat', 'image' or 'table', not {show!r}")
        self._of = tensors if hasattr(tensors, "selection") else None
        self._counted: Array | None = None  # what the statistics are of
        self._held: dict[str, Array] = {} if self._of is not None else _arrays(tensors)
        super().__init__(**options)
        self.show = show
        self._bits = FloatInspector(None, "0")
        for name in MIRRORED:
            traitlets.dlink((self._bits, name), (self, name))
        for name in LINKED:
            traitlets.link((self._bits, name), (self, name))
        traitlets.dlink((self._bits, "notice"), (self, "notice"))
        self._busy, self._by_hand, self._node = False, False, ""
        self.observe(self._asked, names=ASKED)
        self.on_msg(self._bits._message)  # noqa: SLF001  # this view is its front end
        if self._of is not None:
            self._of.observe(self._follow, names=WATCHED)
            watch = getattr(self._of, "watch", None)
            if watch is not None:
                watch()
        self._follow()

    # ---- what is shown -------------------------------------------------------------------------------------------

    @property
    def tensor(self) -> Array | None:
        """The tensor that is drawn."""
        return self._held.get(self.chosen)

    def select(self, index: int | tuple[int, ...] | None) -> TensorView:
        """Select an element, by its position or counted flat; None for none.

        Raises
        ------
        IndexError
            There is no such element.
        """
        if isinstance(index, tuple):
            if self.tensor is None or len(index) != self.tensor.ndim:
                raise IndexError(f"the tensor has no element {index}")
            index = int(np.ravel_multi_index(index, self.tensor.shape)) if index else 0
        if index is not None and (self.tensor is None or not 0 <= index < self.tensor.size):
            raise IndexError(f"the tensor has no element {index}")
        self.element = index
        return self

    def _follow(self, change: Any = None) -> None:
        """The model moved: other tensors, or other numbers in them."""
        with self.hold_sync():
            before, self._busy, moved = self.chosen, True, False
            if self._of is not None:
                moved, self._node = self._node != self._of.selection[0], self._of.selection[0]
                self._held = _of_model(self._of)
            self.tensors = [{"key": k, "label": f"{_label(k)}  {_dims(v)}"} for k, v in self._held.items()]
            if before not in self._held or moved or not self._by_hand:
                kind = before.partition(": ")[0]
                kind = kind if kind in KINDS else "value"
                same = [k for k in self._held if k.partition(": ")[0] == kind]
                self.chosen = next(iter([*same, *self._held]), "")
            if self.chosen != before:
                self._fresh_axes()
            if self._of is not None and self._linked():
                self.element = self._of.selection[1]
            self._busy = False
            self._draw()

    def _linked(self) -> bool:
        """Whether elements of the chosen tensor are neurons of the model."""
        return self._of is not None and self.chosen.partition(": ")[0] in KINDS

    def _fresh_axes(self) -> None:
        tensor = self.tensor
        shape = () if tensor is None else tensor.shape
        self.fold = data.foldable(shape) and self.show != "table"
        self.fixed = [0] * data.leading(shape, self._colour(), self.fold)
        self.window, self.corner, self.element = None, [0, 0], None

    def _colour(self) -> bool:
        return self.show == "image" and self.tensor is not None and data.coloured(self.tensor.shape)

    def _asked(self, change: Any) -> None:
        if self._busy:
            return
        name, self._busy = change["name"], True
        try:
            with self.hold_sync():
                if name == "chosen":
                    self._known(self.chosen)
                self._by_hand |= name == "chosen"
                if name in ("chosen", "show"):
                    kept = self.element if name == "show" else None
                    self._fresh_axes()
                    self.element = kept
                if name in ("fixed", "fold"):
                    self.window, self.corner = None, [0, 0]
                    if name == "fold" and self.tensor is not None:
                        self.fixed = [0] * data.leading(self.tensor.shape, self._colour(), self.fold)
                self._draw()
        except (ValueError, IndexError, TypeError) as error:
            self.notice = str(error)
            setattr(self, name, change["old"])
        finally:
            self._busy = False
        if name == "element" and self._linked() and self._of is not None:
            node = self._of.selection[0]
            if node is not None and self._of.selection != (node, self.element):
                self._of.selection = (node, self.element)

    def _known(self, key: str) -> None:
        if key not in self._held:
            raise ValueError(f"there is no tensor {key!r}")

    def _draw(self) -> None:
        tensor = self.tensor
        self.about = self._about()
        if tensor is None:
            self._counted = None
            self.stats, self.axes, self.cells, self.cells_data, self.table = {}, {}, {}, b"", {}
            self.picked = {}
            return
        if tensor.dtype.kind not in "fiub":
            raise ValueError(f"{self.chosen} holds {tensor.dtype}, not numbers")
        colour = self._colour()
        drawn = data.plane(tensor, self.fixed, colour=colour, fold=self.fold)
        may = {"fold": data.foldable(tensor.shape), "colour": data.coloured(tensor.shape)}
        sizes = list(tensor.shape[: data.leading(tensor.shape, colour, self.fold)])
        if self._counted is not tensor:
            self._counted, self.stats = tensor, data.statistics(tensor)
        self.axes = {"sizes": sizes, "may": may}
        if self.show == "table":
            self.table, self.cells, self.cells_data = data.page(drawn, *map(int, self.corner)), {}, b""
        else:
            header, self.cells_data = data.cells(drawn, self.window)
            self.cells = {**header, "key": self.chosen, "fixed": list(self.fixed)}
            self.table = {}
        self._pick(tensor)
        self.notice = ""

    def _pick(self, tensor: Array) -> None:
        index = self.element
        if index is None or not 0 <= index < tensor.size:
            self.picked = {}
            return
        value = tensor.reshape(-1)[index]
        position = [int(i) for i in np.unravel_index(index, tensor.shape)] if tensor.ndim else []
        form = FORMATS.get(str(tensor.dtype))
        self.picked = {
            "index": index,
            "position": position,
            "text": data.word(value),
            "bits": form is not None,
        }
        if form is not None:
            number = float(value)
            # exactly this number: not a shorter text that is only near
            self._bits.format = form
            self._bits.show(number)
            if self.chosen.startswith("value: "):
                node, stale = self.chosen.partition(": ")[2], bool(self.about.get("stale"))
                self._bits.origin = {"node": node, "index": index, "of": str(tensor.dtype), "stale": stale}

    def _about(self) -> dict[str, Any]:
        model, key = self._of, self.chosen
        if model is None:
            return {
                "name": key,
                "words": "",
                "stale": False,
                "code": f"wb.tensor_view({_code(key)}, {self.show!r})",
            }
        node, words, stale = node_of(model), "", False
        result = model.result
        if self._linked() and result is not None:
            stale = bool(getattr(model, "stale", False))
            bound = key.partition(": ")[0] not in ("value", "rounding")
            words = (
                f"{result.method}, eps {result.eps:g}" if bound else f"eps {result.eps:g}, {result.format}"
            )
        lines = [
            model.code(),
            f"view = model.tensor_view()\nview.chosen = {key!r}\nview.show = {self.show!r}\nview",
        ]
        return {
            "name": node.name if node is not None else "", "words": words, "stale": stale, "code": "\n".join(lines),
            "hint": "" if self._held else "select a node of the model: its values and bounds stand here",
        }  # fmt: skip

    # ---- without a front end -------------------------------------------------------------------------------------

    def close(self) -> None:
        """Stop following the model and close the widget."""
        if self.comm is not None and hasattr(self, "_bits"):
            if self._of is not None:
                self._of.unobserve(self._follow, names=WATCHED)
            self._bits.close()
        super().close()

    def __repr__(self) -> str:
        tensor = self.tensor
        if tensor is None:
            return "TensorView(nothing to show)"
        low, high = self.stats.get("low"), self.stats.get("high")
        ends = "" if low is None else f", {low:.4g} to {high:.4g}"
        return f"TensorView({self.chosen!r}, {tensor.dtype} {list(tensor.shape)}{ends})"

    def _repr_mimebundle_(self, **options: Any) -> Any:
        made = super()._repr_mimebundle_(**options)
        if made is None:
            return None
        mime, metadata = made
        return {**mime, "text/plain": repr(self), "text/html": self._still()}, metadata

    def _still(self) -> str:
        """A corner of the numbers as a table, for a page without a kernel."""
        rows = ""
        if self.tensor is not None and self.tensor.size:
            shown = data.page(
                data.plane(self.tensor, self.fixed, colour=self._colour(), fold=self.fold), 0, 0
            )
            cut = shown["rows"][:8]
            cells = "".join(
                f"<tr>{''.join(f'<td>{html.escape(v)}</td>' for v in row[:8])}</tr>" for row in cut
            )
            rows = f"<table>{cells}</table>"
        return f"<div><code>{html.escape(repr(self))}</code>{rows}</div>"


def _arrays(given: Any) -> dict[str, Array]:
    named = given if isinstance(given, Mapping) else {"tensor": given}
    found = {str(k): np.asarray(getattr(v, "value", v)) for k, v in named.items()}
    for name, array in found.items():
        if array.dtype.kind not in "fiub":
            raise ValueError(f"{name} is no tensor of numbers, but {array.dtype}")
    return found


def _of_model(model: Any) -> dict[str, Array]:
    """What is known of the selected node: its value, its bounds, the weights that it uses; all weights without one."""
    node, weights = node_of(model), model.graph.weights
    if node is None:
        return {f"weight: {k}": v for k, v in weights.items()}
    found: dict[str, Array] = {}
    result, name = model.result, node.name
    if result is not None:
        if name in result.values:
            found[f"value: {name}"] = result.values[name]
        if name in result.bounds:
            held = result.bounds[name]
            lower, upper = np.asarray(held.lower), np.asarray(held.upper)
            with np.errstate(invalid="ignore"):
                found |= {f"lower: {name}": lower, f"upper: {name}": upper, f"width: {name}": upper - lower}
        rounding = getattr(result, "rounding", None)
        if rounding is not None and name in rounding:
            found[f"rounding: {name}"] = np.asarray(rounding[name])
    for operand in node.inputs:
        if operand in weights:
            found[f"weight: {operand}"] = weights[operand]
    return {k: np.asarray(v) for k, v in found.items()}


def _label(key: str) -> str:
    kind, colon, name = key.partition(": ")
    return (
        f"{name}: {KINDS[kind]}"
        if colon and kind in KINDS
        else f"{name}: weight"
        if kind == "weight"
        else key
    )


def _dims(array: Array) -> str:
    return "\N{MULTIPLICATION SIGN}".join(map(str, array.shape)) or "scalar"


def _code(key: str) -> str:
    return key if key.isidentifier() else "array"


def tensor_view(tensors: Any, show: str = "heat") -> TensorView:
    """A tensor, or several by name, as a widget: heat map, picture, table, and the bits of one element.

    Parameters
    ----------
    tensors : an array, a parameter, or a mapping from name to these.
    show : "heat", "image" or "table".

    Raises
    ------
    ValueError
        What is no tensor of numbers.

    >>> tensor_view(np.eye(3, dtype=np.float32))
    TensorView('tensor', float32 [3, 3], 0 to 1)
    """
    return TensorView(tensors, show)
