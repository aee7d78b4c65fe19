"""FloatInspector: one number as bits, field by field; what it is exactly, what lies beside it, what rounding did to it.

The front end computes nothing.  Python to front end: ``number`` (see `workbench.views.floatnumber.describe`),
``formats`` and ``modes`` (``[{key, label}]``), ``origin`` (``{node, index, of, stale}`` where a neuron fills it) and
``notice``.  Front end to Python: ``typed``, ``format``, ``mode``, and the messages ``{"type": "flip", "bit": k}``
(0: the last one), ``{"type": "step", "by": 1 or -1}`` (to the next number up or down) and ``{"type": "fill"}``.
"""

from __future__ import annotations

import html
import math
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import anywidget
import numpy as np
from traitlets import Dict, List, Unicode

from workbench.floats import FORMATS, MODES, Format, decode, inspect, width
from workbench.floats.typed import Exact, read
from workbench.views.floatnumber import describe, exact_words, picture
from workbench.views.widgets import bundle
from workbench.views.wire import node_of
from workbench.views.wire import settings as settings_now


class FloatInspector(anywidget.AnyWidget):
    """One number's bits; type a value, click bits, or select a neuron of the model that it is linked to.

    Parameters
    ----------
    model : whose selected neuron fills the view, or None.
    value : what is shown first: text (read exactly) or a number; None for the selected neuron.
    form : name of a format, or a `Format` of your own; None for the model's.
    mode : of rounding.
    """

    number = Dict().tag(sync=True)
    formats: Any = List().tag(sync=True)
    modes: Any = List().tag(sync=True)
    origin = Dict().tag(sync=True)
    notice = Unicode("").tag(sync=True)
    typed = Unicode("").tag(sync=True, echo_update=False)
    format = Unicode("").tag(sync=True, echo_update=False)
    mode = Unicode("nearest-even").tag(sync=True, echo_update=False)
    _esm = bundle("float")

    def __init__(
        self,
        model: Any = None,
        value: Any = None,
        form: str | Format | None = None,
        mode: str = "nearest-even",
        **options: Any,
    ) -> None:
        if form is None:
            form = "binary32" if model is None else str(model.format)
        known: Mapping[str, Format] = FORMATS if isinstance(form, str) else {**FORMATS, form.name: form}
        name = form if isinstance(form, str) else form.name
        if name not in known:
            raise ValueError(
                f"there is no format {name!r}: choose one of {', '.join(known)}, or give a Format"
            )
        if mode not in MODES:
            raise ValueError(f"there is no rounding mode {mode!r}: choose one of {', '.join(MODES)}")
        super().__init__(**options)
        self._known, self._of = known, model
        self._source: Exact = Fraction(0)
        self._words: str | None = None
        self.formats = [{"key": k, "label": k} for k in known]
        self.modes = [{"key": k, "label": k} for k in MODES]
        self.format, self.mode = name, mode
        self.observe(self._type, names=["typed"])
        self.observe(self._again, names=["format", "mode"])
        self.on_msg(self._message)
        if model is not None:
            model.observe(self._selected, names=["selection", "result", "region", "method", "eps", "example"])
            watch = getattr(model, "watch", None)  # from now on somebody looks: changes are worth computing
            if watch is not None:
                watch()
        self._waits = value is None and model is not None and not self._fill()
        if value is not None or model is None or self._waits:
            self.show("0.1" if value is None else value)

    # ---- Python -> front end ----------------------------------------------------------------------------------------

    def show(self, value: Any) -> FloatInspector:
        """Show another value: text is read exactly, any other number is taken as it is."""
        if isinstance(value, str):
            self._show(read(value), value.strip())
        elif isinstance(value, Fraction | int) and not isinstance(value, bool):
            self._show(Fraction(value), str(value))
        else:
            number = float(value)
            exactly: Exact = (
                Fraction(number)
                if math.isfinite(number) and (number or math.copysign(1, number) > 0)
                else number
            )
            self._show(exactly, exact_words(exactly))
        return self

    def _show(self, source: Exact, words: str | None, origin: dict[str, Any] | None = None) -> None:
        made = describe(source, self._known[self.format], self.mode, words)
        self._source, self._words = source, words
        with self.hold_sync():
            self.number, self.origin, self.notice = made, origin or {}, ""
            if words is not None and self.typed != words:
                self._quietly(words)

    def _quietly(self, words: str) -> None:
        self.unobserve(self._type, names=["typed"])
        self.typed = words
        self.observe(self._type, names=["typed"])

    def _refuse(self, error: Exception) -> None:
        self.notice = str(error)

    def _fill(self) -> bool:
        """Take the selected neuron's value at the centre of the region; whether there is one."""
        model = self._of
        node, (_, index) = node_of(model), model.selection
        result = model.result
        held = None if result is None or node is None else result.values.get(node.name)
        if node is None or index is None or held is None or result is None:
            return False
        value = np.ravel(held)[index]
        if value.dtype.kind not in "fiub":
            return False
        number = float(value)
        stale = bool(getattr(model, "stale", False))
        origin = {"node": node.name, "index": int(index), "of": f"computed in {value.dtype}", "stale": stale}
        origin["settings"] = {k: v for k, v in settings_now(model).items() if k != "region"}
        exactly: Exact = (
            Fraction(number) if math.isfinite(number) and (number or math.copysign(1, number) > 0) else number
        )
        try:
            self._show(exactly, exact_words(exactly), origin)
        except ValueError as error:
            self._refuse(error)
        return True

    def _selected(self, change: Any) -> None:
        if change["name"] == "selection" or self.origin or self._waits:
            self._waits = not self._fill() and self._waits

    # ---- front end -> Python ----------------------------------------------------------------------------------------

    def _type(self, change: Any) -> None:
        try:
            self._show(read(change["new"]), str(change["new"]).strip())
        except ValueError as error:
            self._refuse(error)

    def _again(self, change: Any) -> None:
        if self.format not in self._known or self.mode not in MODES:
            self._refuse(ValueError(f"there is no {change['name']} {change['new']!r}"))
            setattr(self, change["name"], change["old"])
            return
        try:
            words = exact_words(self._source) if self._words is None else self._words
            self._show(self._source, words, dict(self.origin))
        except ValueError as error:
            setattr(self, change["name"], change["old"])
            self._refuse(error)

    def _message(self, _widget: Any, content: Any, _buffers: Any) -> None:
        kind = content.get("type") if isinstance(content, dict) else None
        try:
            if kind == "flip":
                self._flip(int(content["bit"]))
            elif kind == "step":
                self._step(1 if content["by"] > 0 else -1)
            elif kind == "fill" and self._of is not None and not self._fill():
                self.notice = "select a neuron of the model that has a value"
        except (ValueError, TypeError, LookupError) as error:
            self._refuse(error)

    def _flip(self, bit: int) -> None:
        form, code = self._known[self.format], self.number.get("code")
        if code is None or not 0 <= bit < width(form):
            raise ValueError(f"{form.name} has no bit {bit} to flip")
        value = float(decode(np.array(int(code, 16) ^ (1 << bit), np.uint64), form))
        self._put(value)

    def _step(self, by: int) -> None:
        form = self._known[self.format]
        here = inspect(float(decode(np.array(int(self.number["code"], 16), np.uint64), form)), form)
        there = here.next_up if by > 0 else here.next_down
        if there is None or there == here.value:
            raise ValueError(f"there is no number of {form.name} {'above' if by > 0 else 'below'}")
        self._put(there)

    def _put(self, value: float) -> None:
        """Show a number of the format that nobody typed: nothing was rounded."""
        form = self._known[self.format]
        finite = math.isfinite(value) and (value != 0 or math.copysign(1, value) > 0)
        self._source, self._words = (Fraction(value) if finite else value), None
        with self.hold_sync():
            self.number = picture(inspect(value, form), self._source, self.mode, None)
            self.origin, self.notice = {}, ""
            self._quietly(self.number["text"])

    # ---- without a front end ----------------------------------------------------------------------------------------

    def close(self) -> None:
        """Stop following the model and close the widget."""
        if self.comm is not None and self._of is not None:
            self._of.unobserve(
                self._selected, names=["selection", "result", "region", "method", "eps", "example"]
            )
        super().close()

    def __repr__(self) -> str:
        shown = self.number
        return f"FloatInspector({shown['text']}, {shown['format']}: {shown['bits'] or shown['kind']})"

    def _repr_mimebundle_(self, **options: Any) -> Any:
        made = super()._repr_mimebundle_(**options)
        if made is None:
            return None
        data, metadata = made
        return {
            **data,
            "text/plain": repr(self),
            "text/html": f"<code>{html.escape(repr(self))}</code>",
        }, metadata


def float_inspector(
    value: Any = "0.1", form: str | Format = "binary32", mode: str = "nearest-even"
) -> FloatInspector:
    """A number's bits, exact value, neighbours and rounding, as a widget.

    Parameters
    ----------
    value : text is read exactly (``"0.1"``, ``"1/3"``, ``"2^-24"``); a float is the number that it is.
    form : a format's name, such as "binary32", "bfloat16" or "e4m3fn", or a `workbench.floats.Format`.
    mode : of rounding.

    Raises
    ------
    ValueError
        An unknown format or mode, text that is no number.
    """
    return FloatInspector(None, value, form, mode)
