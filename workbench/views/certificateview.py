"""CertificateView: a proof that somebody else can check, as a person reads it; checked live, and tampered with.

The front end draws and never computes.  Python to front end:

``about``     what is claimed in words, the network, the assumptions (`certificatedata.about`)
``trees``     ``{cases: [{nodes: [[parent, side, depth, first, last, split]], left}], steps, broken}``
``checking``  ``{state: "idle" | "checking" | "accepted" | "rejected" | "cannot" | "stopped", at: [case, step] or null,
              done, of, kind, open, seconds, step, why, place: [case, step] or null, rows: [[label, text]]}``
``part``      the chosen part: the splits that lead to it, its own steps (`certificatedata.part`)
``groups``    where a number can be picked: ``[{key, label}]``
``numbers``   those of one group: ``{group, items: [{path, label, value, near, stored}], count}``
``edits``     what was changed: ``[{path, label, was, near, now}]``
``chosen``    ``{case, id}``, both ways; ``pace``: seconds a step when it is watched, or -1: each step is asked for

Front end to Python, as messages: ``check``, ``stop``, ``next`` (one step), ``group`` ``{key}``, ``tamper`` ``{path,
value}``, ``undo``, ``reset``, ``file`` ``{kind: "certificate" | "report"}``; the last is answered by ``{type: "file",
name, mime}`` with a buffer.
"""

from __future__ import annotations

import gzip
import html
import json
import threading
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import anywidget
from traitlets import Dict, Float, List, Unicode

from workbench.certificate.check import Accepted, Tick, check
from workbench.certificate.format import CannotCheck, Rejected, loads
from workbench.certificate.onnx_file import read as read_onnx
from workbench.certificate.outline import Outline
from workbench.certificate.page import page
from workbench.methods.progress import Progress
from workbench.views import certificatedata as data
from workbench.views.widgets import bundle
from workbench.worker import Worker

IDLE: Mapping[str, Any] = {
    "state": "idle",
    "rows": [],
    **dict.fromkeys(("at", "place", "seconds")),
    **dict.fromkeys(("done", "of", "open"), 0),
    **dict.fromkeys(("kind", "step", "why"), ""),
}
WAIT = 0.04  # seconds between looks at whether to go on, while somebody watches


class CertificateView(anywidget.AnyWidget):
    """A certificate, its proof as a tree, the exact checker at work, and what happens where a number is changed.

    Parameters
    ----------
    certificate : the path of a file, its bytes, the fields themselves, or a `Verdict` that has one.
    network : an ONNX file that the certificate has to be about.

    Raises
    ------
    Rejected
        A file that is no certificate.
    ValueError
        A verdict without one.
    """

    about = Dict().tag(sync=True)
    trees = Dict().tag(sync=True)
    checking = Dict().tag(sync=True)
    part = Dict().tag(sync=True)
    groups: Any = List().tag(sync=True)
    numbers = Dict().tag(sync=True)
    edits: Any = List().tag(sync=True)
    notice = Unicode("").tag(sync=True)
    chosen = Dict().tag(sync=True, echo_update=False)
    pace = Float(0.0).tag(sync=True, echo_update=False)
    _esm = bundle("certificate")

    def __init__(self, certificate: Any, *, network: str | Path | None = None, **options: Any) -> None:
        given, name = _read(certificate)
        against = None if network is None else read_onnx(Path(network).read_bytes(), Path(network).name)
        super().__init__(**options)
        self.original: Mapping[str, Any] = given
        self.certificate: Mapping[str, Any] = given
        self._past: list[
            Mapping[str, Any]
        ] = []  # what `undo` goes back to; they share all that was not changed
        self.result: Accepted | Rejected | CannotCheck | None = None
        self._name, self._against = name, against
        self._network = None if network is None else Path(network).name
        self._outline, self._group = Outline(()), "region"
        self._worker, self._seq = Worker(self._judged, self._ticked), 0
        self._files = Worker(self._made, lambda *_: None)
        self._tick: Tick | None = None
        self._steps, self._allowed = threading.Lock(), 0
        self.chosen = {"case": 0, "id": 0}
        self._renew()
        self.observe(self._choose, names=["chosen"])
        self.on_msg(self._message)

    # ---- what a person does, from Python -------------------------------------------------------------------------

    def check(self) -> CertificateView:
        """Let the exact checker run in the background; `wait` for it, and read `result`."""
        self._seq += 1
        certificate, against, seq = self.certificate, self._against, self._seq
        self.result, self._tick = None, None
        self.checking = {**IDLE, "state": "checking", "of": self.trees.get("steps", 0)}

        def job(progress: Progress) -> Iterator[tuple[tuple[Any, float], bool]]:
            waited = 0.0

            def watch(tick: Tick) -> None:
                nonlocal waited
                self._tick = tick
                progress(tick.done / max(1, tick.of), tick.kind)
                began = monotonic()
                while not self._may_go(monotonic() - began):
                    sleep(WAIT)
                    progress(tick.done / max(1, tick.of), tick.kind)
                waited += monotonic() - began

            start = monotonic()
            try:
                outcome: Any = check(certificate, network=against, watch=watch)
            except (Rejected, CannotCheck) as error:
                outcome = error
            yield (outcome, monotonic() - start - waited), False

        self._worker.submit(seq, job)
        return self

    def cancel(self) -> CertificateView:
        """Stop the checker before its next step."""
        if self.checking.get("state") == "checking":
            self._worker.cancel()
            self._seq += 1
            self.checking = {**self.checking, "state": "stopped"}
        return self

    def tamper(self, path: str, value: Any) -> CertificateView:
        """Change one number of a copy; the certificate that was given stays as it is.

        Parameters
        ----------
        path : where it stands, such as ``claim.cases[0].upper[1]``.
        value : what it shall stand for: a number, or its text, such as "0.3", "1/3" or "2^-24".

        Raises
        ------
        ValueError
            No number stands there, or none was given.
        """
        old = data.number(self.certificate, path)
        stored = data.typed(self.certificate, path, value)
        changed = data.with_value(self.certificate, data.parse(path), stored)
        new = data.number(changed, path)
        self._past.append(self.certificate)
        self.certificate = changed
        edit = {"path": old.path, "label": old.label, "was": old.value, "near": old.near, "now": new.value}
        self.edits = [*self.edits, edit]
        self._renew()
        return self

    def undo(self) -> CertificateView:
        """Take back the last change."""
        if self._past:
            self.certificate, self.edits = self._past.pop(), self.edits[:-1]
            self._renew()
        return self

    def reset(self) -> CertificateView:
        """Take back every change."""
        self.edits, self.certificate, self._past = [], self.original, []
        self._renew()
        return self

    def choose(self, part: int, case: int = 0) -> CertificateView:
        """Select a part of the region."""
        self.chosen = {"case": int(case), "id": int(part)}
        return self

    def save(self, path: str | Path) -> None:
        """Write the certificate, changes included, as a gzip-compressed file."""
        Path(path).write_bytes(_packed(self.certificate))

    def wait(self, timeout: float = 60.0) -> CertificateView:
        """Block until the checker is done (for scripts and tests); returns the view."""
        self._worker.wait(timeout)
        return self

    # ---- the checker at work -------------------------------------------------------------------------------------

    def _may_go(self, waited: float) -> bool:
        if self.pace >= 0:
            return waited >= self.pace
        with self._steps:
            go = self._allowed > 0
            self._allowed -= go
        return go

    def _ticked(self, seq: int, fraction: float, message: str, eta: float | None) -> None:
        tick = self._tick
        if seq != self._seq or tick is None or self.checking["state"] != "checking":
            return
        told = {
            "at": [tick.case, tick.number],
            "done": tick.done,
            "of": tick.of,
            "kind": tick.kind,
            "open": tick.open,
        }
        if {**self.checking, **told} != self.checking:
            self.checking = {**self.checking, **told}

    def _judged(self, seq: int, found: Any, error: BaseException | None, more: bool) -> None:
        if seq != self._seq:
            return
        tick = self._tick
        done = 0 if tick is None else tick.done + 1
        if error is not None:
            found = (CannotCheck(f"{type(error).__name__}: {error}"), 0.0)
        self.result, seconds = found
        told = data.result(self.result, seconds, self._network)
        at = told["place"] if tick is None or told["place"] else [tick.case, tick.number]
        self.checking = {**IDLE, "at": at, "done": done, "of": self.trees.get("steps", 0), **told}
        place = told["place"]
        node = None if place is None or place[0] >= len(self._outline.cases) else self._outline.at(*place)
        if node is not None:
            self.choose(node.id, place[0])

    # ---- what is shown -------------------------------------------------------------------------------------------

    def _renew(self) -> None:
        """Another certificate than before: nothing is proved of it yet."""
        self.cancel()
        self._seq += 1
        self.result = None
        with self.hold_sync():
            self.about = data.about(self.certificate, self._network)
            try:
                self._outline, self.trees = data.trees(self.certificate)
            except Rejected as error:
                self.trees = {"cases": [], "steps": 0, **self.trees, "broken": str(error)}
            self.checking = {**IDLE, "of": self.trees["steps"]}
            self.notice = ""
            self._show_part()

    def _show_part(self) -> None:
        case, node = self.chosen["case"], self.chosen["id"]
        nodes = self._outline.cases[case] if case < len(self._outline.cases) else ()
        span = (nodes[node].first, nodes[node].last) if node < len(nodes) else None
        with self.hold_sync():
            try:
                self.part = data.part(self.certificate, self._outline, case, node)
                self.groups = data.groups(self.certificate, case, span)
                if self._group not in [g["key"] for g in self.groups]:
                    self._group = "region"
                found, count = data.numbers(self.certificate, self._group, case, span)
                self.numbers = {"group": self._group, "items": [asdict(n) for n in found], "count": count}
            except (ValueError, TypeError, LookupError, AttributeError) as error:
                self.part, self.groups, self.numbers = {}, [], {"group": "", "items": [], "count": 0}
                self.notice = f"its numbers cannot be listed: {error}"

    def _choose(self, change: Any) -> None:
        wanted = change["new"]
        case, node = int(wanted.get("case", 0)), int(wanted.get("id", 0))
        if case < 0 or node < 0:
            self.chosen = {"case": 0, "id": 0}
        else:
            self._show_part()

    # ---- messages ------------------------------------------------------------------------------------------------

    def _message(self, _widget: Any, content: Any, _buffers: Any) -> None:
        try:
            self._act(content)
        except (ValueError, TypeError, LookupError) as error:
            self.notice = f"this was refused: {error}"

    def _act(self, content: Mapping[str, Any]) -> None:
        kind = content.get("type")
        self.notice = ""
        if kind == "check":
            self.check()
        elif kind == "stop":
            self.cancel()
        elif kind == "next":
            with self._steps:
                self._allowed = 1
            if self.checking["state"] != "checking":
                with self._steps:
                    self._allowed = 0
                self.check()
        elif kind == "group":
            self._group = str(content["key"])
            self._show_part()
        elif kind == "tamper":
            self.tamper(str(content["path"]), content["value"])
            self.check()
        elif kind in ("undo", "reset"):
            getattr(self, kind)()
        elif kind == "file":
            self._file(str(content["kind"]))

    def _file(self, kind: str) -> None:
        certificate, result, network = self.certificate, self.result, self._network
        stem = f"{self._name}{'-tampered' if self.edits else ''}"

        def job(progress: Progress) -> Iterator[tuple[tuple[str, str, bytes], bool]]:
            if kind == "report":
                text = page(certificate, result, network=network)
                yield (f"{stem}.html", "text/html", text.encode()), False
            else:
                yield (f"{stem}.json.gz", "application/gzip", _packed(certificate)), False

        self._files.submit(self._seq, job)

    def _made(self, seq: int, found: Any, error: BaseException | None, more: bool) -> None:
        if error is not None:
            self.notice = f"{type(error).__name__}: {error}"
        else:
            name, mime, content = found
            self.send({"type": "file", "name": name, "mime": mime}, buffers=[content])

    # ---- without a front end -------------------------------------------------------------------------------------

    def close(self) -> None:
        """Stop the checker and close the widget."""
        if not hasattr(self, "_worker"):  # it was refused while it was being made
            return
        self._worker.cancel()
        super().close()

    def __repr__(self) -> str:
        c = self.checking
        said = f"{c['state']}{': ' + c['step'] + ', ' + c['why'] if c['state'] == 'rejected' else ''}"
        changed = f", {len(self.edits)} changed" if self.edits else ""
        return f"CertificateView({self.about['network']!r}, {self.trees['steps']} steps{changed}; {said})"

    def _repr_mimebundle_(self, **options: Any) -> Any:
        made = super()._repr_mimebundle_(**options)
        if made is None:
            return None
        mime, metadata = made
        a, c = self.about, self.checking
        state = {"idle": "not checked", "accepted": f"accepted: {a['level']}"}.get(c["state"], c["state"])
        rows = [("checker", state), ("network", f"{a['network']} {a['sha256']}"), ("made by", a["made_by"])]
        rows += [("assumed" if not k else "", text) for k, text in enumerate(a["assumptions"])]
        cells = "".join(f"<tr><th>{html.escape(l)}</th><td>{html.escape(t)}</td></tr>" for l, t in rows)
        text = f"<div><p><b>{html.escape(a['statement'])}</b></p><table>{cells}</table>"
        return {
            **mime,
            "text/plain": repr(self),
            "text/html": f"{text}<div>Run the notebook to check it and to look inside.</div></div>",
        }, metadata


def _packed(certificate: Mapping[str, Any]) -> bytes:
    return gzip.compress(json.dumps(certificate, separators=(",", ":")).encode() + b"\n", 6, mtime=0)


def _read(given: Any) -> tuple[Mapping[str, Any], str]:
    """The fields, and what the file is called."""
    if isinstance(given, bytes):
        return loads(given), "certificate"
    if isinstance(given, str | Path):
        return loads(Path(given).read_bytes()), Path(given).name.split(".")[0] or "certificate"
    if isinstance(given, Mapping):
        return given, "certificate"
    found = getattr(given, "certificate", None)
    if found is None:
        why = getattr(given, "uncertified", "") or "it was not asked for: model.verify(spec, certify=True)"
        raise ValueError(f"there is no certificate to look at: {why}")
    return found, "certificate"


def certificate_view(certificate: Any, *, network: str | Path | None = None) -> CertificateView:
    """A certificate as a widget: what is claimed, the proof as a tree, the exact checker live, and tampering.

    Parameters
    ----------
    certificate : the path of a file, its bytes or fields, or a verdict of ``model.verify(spec, certify=True)``.
    network : an ONNX file that the certificate has to be about.

    Raises
    ------
    Rejected
        A file that is no certificate.
    ValueError
        A verdict without one.
    """
    return CertificateView(certificate, network=network)
