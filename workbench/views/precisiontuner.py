"""PrecisionTuner: a slider of number formats for each layer, and what is left of the proof's margin.

The front end draws and never computes.  Python to front end:

``about``      ``{network, question, layers: [{name, op, nodes, weights, activations, bits: [a candidate's]}],
               candidates, room}``; room: the real margin (null where it is not finite)
``shown``      the answer to one ``choice``: ``{seq, formats, margin, holds, error, bits, dearest, shares, overflow,
               assumptions, seconds}``; infinite numbers are null
``marks``      what one slider more would give: ``{formats, margins: [[margin or null] a candidate] a layer, or null}``
``state``      ``{busy: "" | "margin" | "cheapest" | "region", stale, message}``; stale: the model has another region
``selection``  the model's, both ways

Front end to Python: ``choice`` ``{seq, formats}``, and the messages ``cheapest``, ``reset``, ``region`` (the model's).
"""

from __future__ import annotations

import html
import math
from collections.abc import Iterator, Sequence
from typing import Any

import anywidget
import numpy as np
from traitlets import Dict, Unicode

from workbench.choosing import tuner
from workbench.methods.precision import CANDIDATES
from workbench.methods.progress import Progress
from workbench.methods.tuning import Tuner, Tuning
from workbench.views.text import number
from workbench.views.widgets import bundle
from workbench.worker import Worker

MARKED = 24  # layers of networks whose sliders get marks: each takes a bound a candidate


class PrecisionTuner(anywidget.AnyWidget):
    """Formats of layers, chosen by hand, and whether the property is still proved of the float network.

    Parameters
    ----------
    model : whose network and region it is.
    spec : a conjunction of linear constraints, such as ``wb.margin(7)``.
    candidates : formats, or float programs.

    Raises
    ------
    SpecificationError
        Another kind of property: there is no one margin.
    ValueError
        The model has no region yet; an unknown candidate.
    """

    about = Dict().tag(sync=True)
    shown = Dict().tag(sync=True)
    marks = Dict().tag(sync=True)
    state = Dict().tag(sync=True)
    notice = Unicode("").tag(sync=True)
    choice = Dict().tag(sync=True, echo_update=False)
    selection = Dict().tag(sync=True, echo_update=False)
    _esm = bundle("tuner")

    def __init__(self, model: Any, spec: Any, candidates: Sequence[Any] = CANDIDATES, **options: Any) -> None:
        if model.region is None:
            raise ValueError(
                "the model has no region yet: choose an input first, as in model.explore(x, eps=0.01)"
            )
        made = tuner(model.network, model.region, spec, candidates)
        super().__init__(**options)
        self._of, self._spec, self._given = model, spec, candidates
        self._worker, self._seq = Worker(self._found, lambda *_: None), 0
        self._adopt(made, model.region)
        self._answered(made.at(made.plain), 0)
        self._follow()
        self._ask(self.formats, 0)
        self.observe(self._chosen, names=["choice"])
        self.observe(self._select, names=["selection"])
        self.on_msg(self._message)
        model.observe(self._follow, names=["selection", "region"])

    # ---- what a person does, from Python -------------------------------------------------------------------------

    @property
    def formats(self) -> tuple[str, ...]:
        """The formats that are shown, one a layer."""
        return self.tuning.formats

    @property
    def program(self) -> Any:
        """The float program that is shown: ``model.run(x, view.program)`` runs it."""
        return self.tuning.program

    def choose(self, *formats: str) -> PrecisionTuner:
        """Set the formats, one a layer; `wait` for the answer.

        Raises
        ------
        ValueError
            An unknown format, or a wrong number of them.
        """
        self._ask(self._known(formats), self.shown["seq"] + 1)
        return self

    def reset(self) -> PrecisionTuner:
        """Every layer in the dearest format."""
        return self.choose(*self.tuner.plain)

    def cheapest(self) -> PrecisionTuner:
        """Search for cheap formats that keep the proof, and show them."""
        self._seq += 1
        self.state = {**self.state, "busy": "cheapest", "message": ""}
        tuner_, seq = self.tuner, self.shown["seq"] + 1

        def job(progress: Progress) -> Iterator[tuple[dict[str, Any], bool]]:
            found = tuner_.cheapest()
            progress(1.0, "")
            said = "" if found.holds else "not even the dearest formats keep the proof"
            yield {"tuning": tuner_.at(found.formats), "seq": seq, "message": said}, True
            yield from _marks(tuner_, found.formats, progress)

        self._worker.submit(self._seq, job)
        return self

    def adopt(self) -> PrecisionTuner:
        """Go on with the region that the model has now."""
        model, spec, given, formats = self._of, self._spec, self._given, self.formats
        region = model.region
        if region is None:
            raise ValueError("the model has no region")
        self._seq += 1
        self.state = {**self.state, "busy": "region", "message": ""}
        seq = self.shown["seq"] + 1

        def job(progress: Progress) -> Iterator[tuple[dict[str, Any], bool]]:
            made = tuner(model.network, region, spec, given)
            progress(1.0, "")
            yield {"tuner": made, "region": region, "tuning": made.at(formats), "seq": seq}, True
            yield from _marks(made, formats, progress)

        self._worker.submit(self._seq, job)
        return self

    def wait(self, timeout: float = 60.0) -> PrecisionTuner:
        """Block until everything that was asked for is there (for scripts and tests); returns the view."""
        self._worker.wait(timeout)
        return self

    # ---- the work, off the main thread ---------------------------------------------------------------------------

    def _adopt(self, made: Tuner, region: Any) -> None:
        self.tuner, self._region = made, region
        graph = self._of.graph
        self.about = {
            "network": self._of.name,
            "question": _question(self._spec),
            "layers": [
                {
                    "name": name,
                    "op": graph[name].op if name in graph.by_name else "",
                    "nodes": list(layer.nodes),
                    "weights": layer.weights,
                    "activations": layer.activations,
                    "bits": [layer.bits(p) for p in made.programs.values()],
                }
                for name, layer in zip(made.names, made.layers, strict=True)
            ],
            "candidates": list(made.candidates),
            "room": _finite(made.room),
        }

    def _answered(self, found: Tuning, seq: int) -> None:
        self.tuning = found
        self.shown = {
            "seq": seq,
            "formats": list(found.formats),
            "margin": _finite(found.margin),
            "holds": bool(found.holds),
            "error": _finite(found.error),
            "bits": found.bits,
            "dearest": found.dearest,
            "shares": list(found.shares),
            "overflow": list(found.overflow),
            "assumptions": list(found.assumptions),
            "seconds": found.seconds,
        }

    def _known(self, formats: Sequence[str]) -> Sequence[str]:
        made = self.tuner
        if len(formats) != len(made.layers):
            raise ValueError(f"{len(made.layers)} layers need as many formats, not {len(formats)}")
        unknown = [f for f in formats if f not in made.candidates]
        if unknown:
            raise ValueError(
                f"{unknown[0][:40]!r} is no candidate: choose one of {', '.join(made.candidates)}"
            )
        return formats

    def _ask(self, formats: Sequence[str], seq: int) -> None:
        self._seq += 1
        tuner_, chosen = self.tuner, tuple(formats)
        self.state = {**self.state, "busy": "margin", "message": ""}

        def job(progress: Progress) -> Iterator[tuple[dict[str, Any], bool]]:
            yield {"tuning": tuner_.at(chosen), "seq": seq}, True
            yield from _marks(tuner_, chosen, progress)

        self._worker.submit(self._seq, job)

    def _found(self, seq: int, found: Any, error: BaseException | None, more: bool) -> None:
        if seq != self._seq:
            return
        with self.hold_sync():
            if error is not None:
                self.notice = f"{type(error).__name__}: {error}"
                self.state = {**self.state, "busy": ""}
                return
            if "tuner" in found:
                self._adopt(found["tuner"], found["region"])
            if "tuning" in found:
                self.notice = ""
                self._answered(found["tuning"], found["seq"])
                self.state = {**self._aged(), "busy": "", "message": found.get("message", "")}
            if "marks" in found:
                self.marks = found["marks"]

    def _chosen(self, change: Any) -> None:
        try:
            asked = change["new"]
            self._ask(self._known([str(f) for f in asked["formats"]]), int(asked["seq"]))
        except (ValueError, TypeError, LookupError) as error:
            self.notice = f"this was refused: {error}"

    def _message(self, _widget: Any, content: Any, _buffers: Any) -> None:
        kind = content.get("type") if isinstance(content, dict) else None
        try:
            if kind in ("cheapest", "reset"):
                getattr(self, kind)()
            elif kind == "region":
                self.adopt()
        except ValueError as error:
            self.notice = f"this was refused: {error}"

    # ---- linked with the model's other views ---------------------------------------------------------------------

    def _aged(self) -> dict[str, Any]:
        return {**self.state, "stale": not _same(self._of.region, self._region)}

    def _follow(self, change: Any = None) -> None:
        node, index = self._of.selection
        with self.hold_sync():
            self.selection = {"node": node, "index": index}
            self.state = {"busy": "", "message": "", **self._aged()}

    def _select(self, change: Any) -> None:
        wanted = (change["new"].get("node"), change["new"].get("index"))
        try:
            if tuple(self._of.selection) != wanted:
                self._of.selection = wanted
        except ValueError as error:
            self.notice = str(error)

    # ---- without a front end -------------------------------------------------------------------------------------

    def close(self) -> None:
        """Stop following the model and close the widget."""
        if not hasattr(self, "_worker"):  # it was refused while it was being made
            return
        self._worker.cancel()
        if self.comm is not None:
            self._of.unobserve(self._follow, names=["selection", "region"])
        super().close()

    def __repr__(self) -> str:
        t = self.tuning
        left = f"margin {number(t.margin, 4, 'ROUND_FLOOR')}" if t.holds else "not proved"
        pairs = ", ".join(f"{n}: {f}" for n, f in zip(self.tuner.names, t.formats, strict=True))
        return f"PrecisionTuner({self.about['network']!r}; {pairs}; {left}; {t.bits:,} of {t.dearest:,} bits)"

    def _repr_mimebundle_(self, **options: Any) -> Any:
        made = super()._repr_mimebundle_(**options)
        if made is None:
            return None
        mime, metadata = made
        text = f"<div><code>{html.escape(repr(self))}</code><div>Run the notebook to move the sliders.</div></div>"
        return {**mime, "text/plain": repr(self), "text/html": text}, metadata


def _marks(made: Tuner, formats: Sequence[str], progress: Progress) -> Iterator[tuple[dict[str, Any], bool]]:
    """What each slider would give at each of its places, one layer after another."""
    count = len(made.layers)
    margins: list[list[float | None] | None] = [None] * count
    if count <= MARKED:
        for k in range(count):
            found = []
            for name in made.candidates:
                progress((k + 0.5) / count, name)
                found.append(_finite(made.at((*formats[:k], name, *formats[k + 1 :])).margin))
            margins[k] = found
            yield {"marks": {"formats": list(formats), "margins": list(margins)}}, k + 1 < count
    if count > MARKED:
        yield {"marks": {"formats": list(formats), "margins": margins}}, False


def _same(one: Any, other: Any) -> bool:
    """Whether two regions are the same set."""
    if one is None or other is None:
        return one is other
    box = np.array_equal(one.lower, other.lower) and np.array_equal(one.upper, other.upper)
    ball = one.norm == "inf" or (one.eps == other.eps and np.array_equal(one.center, other.center))
    return one.norm == other.norm and box and ball


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _question(spec: Any) -> str:
    try:
        return str(spec)[:200]
    except Exception:  # noqa: BLE001 - a specification's own text is no reason to fail
        return ""
