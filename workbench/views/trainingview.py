"""TrainingView: the curves of a training while it trains, with a brake that acts.

Training runs in a thread of its own, so that the notebook stays usable; a training that runs in a cell is shown too.
The front end draws and never computes.  Python to front end, as traits: ``about`` ``{module, optimizer, objective,
parameters, judged: {n, of, eps, method, clip} or null}``, ``state`` ``{state, message, step, epoch, epochs, total,
seconds, left, rate, can: [actions]}`` (state: "idle", "running", "watching" (what a cell trains), "ended" (that cell
is), "paused", "stopped", "done" or "failed"), ``code``, ``notice`` and ``snapshot``, a thinned record for a page that
has no kernel; and as messages ``{type: "rows", run, from, upto, count, every, columns, epochs_from, epochs}`` with a
buffer of float64, a column after the other: what is new since row ``from`` of run ``run``.

Front end to Python: ``{"type": "sync" | "start" | "pause" | "resume" | "stop"}``.
"""

from __future__ import annotations

import asyncio
import base64
import csv
import html
import math
import sys
import threading
from pathlib import Path
from time import monotonic
from typing import Any

import anywidget
from traitlets import Dict, Unicode

from workbench.nn.data import Loader, loader_of
from workbench.nn.recorder import Judge, Recorder, judge_of
from workbench.nn.trainer import Trainer
from workbench.views.curves import curves_svg
from workbench.views.widgets import bundle
from workbench.worker import SWITCH

EVERY = 0.1  # seconds between two messages
LONG = 20_000  # rows that a page gets when it is opened
STILL = 400  # rows that are kept for a page without a kernel
ACTIONS = {
    "idle": ["start"], "running": ["pause", "stop"], "watching": ["pause", "stop"],
    "paused": ["resume", "stop"], "stopped": ["start"], "done": [], "failed": ["start"],
    "ended": ["start"],
}  # fmt: skip
HELD = ("watching", "paused")  # states in which a brake acts though the view was given nothing to train on


class _Training(threading.Thread):
    """A thread that says what it trains: two that train one module would spoil it without a word."""

    module: Any = None


class TrainingView(anywidget.AnyWidget):
    """Loss, accuracy, gradient norm, learning rate and radius of a training, step by step.

    Parameters
    ----------
    trainer : what is watched.
    loader, epochs, validation, resume : as `Trainer.fit` takes them, for `start`; may be left out where a cell calls
        ``trainer.fit`` itself.
    eps : radius for which certified accuracy is computed after every epoch; None for none.
    method : of its bounds: "ibp", "crown-ibp" or "crown".
    clip : lowest and highest value of an input, for these balls.
    most : examples of the validation data that are judged, the first ones.

    Notes
    -----
    While it trains, the module belongs to the training: look at it again when `wait` returned.
    """

    about = Dict().tag(sync=True)
    state = Dict().tag(sync=True)
    snapshot = Dict().tag(sync=True)
    code = Unicode("").tag(sync=True)
    notice = Unicode("").tag(sync=True)
    _esm = bundle("training")

    def __init__(
        self, trainer: Trainer, loader: Loader | tuple[Any, Any] | None = None, epochs: int | None = None,
        validation: Any = None, *, resume: bool = False, eps: float | None = None, method: str = "ibp",
        clip: tuple[float, float] | None = (0.0, 1.0), most: int = 256, **options: Any,
    ) -> None:  # fmt: skip
        judge = judge_of(validation, eps, method, clip, most)
        if eps is not None and judge is None:
            raise ValueError(
                "certified accuracy is judged on validation data with labels: give validation=(x, y)"
            )
        given = None if loader is None else loader_of(loader)
        super().__init__(**options)
        self.trainer = trainer
        self._given = (given, epochs, validation, resume)
        self._lock = threading.RLock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._home = threading.current_thread()
        self._thread: _Training | None = None
        self._error: BaseException | None = None
        self._told, self._run, self._sent, self._sent_epochs = 0.0, 0, 0, 0
        self._asked = self._active = self._in_cell = self._over = False
        self._began = self._seconds = 0.0
        self._first = 0
        self.record = Recorder(trainer, self._tell)
        self.record.judge = judge
        self.about = _about(trainer, judge)
        self.code = _code(epochs, given, eps, method)
        self.state = self._state()
        self.on_msg(self._message)
        self._find_loop()

    # ---- what a person does --------------------------------------------------------------------------------------

    def start(self) -> TrainingView:
        """Train in the background, or go on after a stop.

        Raises
        ------
        ValueError
            Where it trains already, or was given nothing to train on.
        """
        loader, epochs, validation, resume = self._given
        if self._running():
            raise ValueError("it is training already")
        if loader is None or epochs is None:
            raise ValueError("nothing to train on: wb.training_view(trainer, loader, epochs) says on what")
        if self._thread is not None:
            self._thread.join(1)  # it has said its last word
        if any(isinstance(t, _Training) and t.module is self.trainer.module for t in threading.enumerate()):
            raise ValueError("another view is training this module: stop that one first")
        self._find_loop()
        self._error, self._began, self._first = None, monotonic(), self.trainer.count
        self.record.resume()
        # both threads need the interpreter by turns; see `worker`
        sys.setswitchinterval(min(sys.getswitchinterval(), SWITCH))

        def work() -> None:
            bar, self.trainer.progress = self.trainer.progress, False
            try:
                self.trainer.fit(loader, epochs, validation, resume)
            except BaseException as error:  # noqa: BLE001  # shown in the view, and raised by `wait`
                self._error = error
            finally:
                self.trainer.progress, self._active = bar, False
                self._seconds += monotonic() - self._began
                self._tell(last=True)

        self._active = True
        self._thread = _Training(target=work, name="training", daemon=True)
        self._thread.module = self.trainer.module
        self._thread.start()
        self.state = self._state()
        return self

    def pause(self) -> TrainingView:
        """Hold after the step under way."""
        self.record.pause()
        self._flush()
        return self

    def resume(self) -> TrainingView:
        """Go on after a pause."""
        self.record.resume()
        self._flush()
        return self

    def stop(self) -> TrainingView:
        """End after the step under way; `start` goes on from there."""
        self.trainer.stop()
        self.record.resume()
        return self

    def wait(self, timeout: float | None = None) -> TrainingView:
        """Block until training ended; curves go on being drawn.

        Raises
        ------
        TimeoutError
            Where it still trains after `timeout` seconds.
        TrainingError
            What ended the training, if that was an error.
        """
        end = math.inf if timeout is None else monotonic() + timeout
        while self._thread is not None and self._thread.is_alive():
            if monotonic() > end:
                raise TimeoutError(f"it still trains after {timeout:g} s")
            if self.record.paused and timeout is None:
                raise TimeoutError("the training is paused: view.resume() lets it go on")
            self._thread.join(EVERY)
            self._flush()
        self._flush()
        if self._error is not None:
            raise self._error
        return self

    def to_csv(self, path: str | Path) -> None:
        """Every recorded step, a line each; epochs are in ``trainer.history``."""
        table = self.record.table()
        with Path(path).open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(table)
            writer.writerows(zip(*table.values(), strict=True))

    def to_svg(self) -> str:
        """The curves as an SVG document."""
        return curves_svg(self.record.table(), self.record.epochs)

    # ---- Python -> front end -------------------------------------------------------------------------------------

    def _running(self) -> bool:
        return self._active

    def _find_loop(self) -> None:
        """The loop of the notebook's cells: a button's own (a subshell's) ends with the page that it came from."""
        if self._loop is not None and not self._loop.is_closed():
            return
        try:
            self._loop = asyncio.get_running_loop()
        except RuntimeError:
            self._loop = None
        self._home = threading.current_thread()

    def _tell(self, last: bool = False) -> None:
        """On the thread that trains: have what is new told soon."""
        now, self._in_cell = monotonic(), threading.current_thread() is self._home
        self._over = False
        if not last and now - self._told < EVERY:
            return
        self._told = now
        if self._in_cell:
            if self._loop is not None and not self._asked:
                self._asked = True
                self._loop.call_soon(self._cell_ended)  # which is when the loop runs again
            self._flush()
        elif self._loop is not None and not self._loop.is_closed() and (last or not self._asked):
            self._asked = True
            self._loop.call_soon_threadsafe(self._flush)

    def _cell_ended(self) -> None:
        self._asked = self._in_cell = False
        self._over = True
        self._flush()

    def _flush(self) -> None:
        with self._lock:
            self._asked = self._asked and self._in_cell
            if self.record.run != self._run:
                self._run, self._sent, self._sent_epochs = self.record.run, 0, 0
            told = len(self.record.epochs) > self._sent_epochs
            if told or len(self.record) > self._sent:
                self._rows(self._sent, self._sent_epochs)
            state = self._state()
            with self.hold_sync():
                self.notice = self.record.complaint
                ended = state["state"] != "running" and state["state"] != self.state["state"]
                if ended or (state["state"] == "watching" and told):
                    self.snapshot = self._still()
                self.state = state

    def _rows(self, start: int, epochs: int) -> None:
        """Rows from `start` on; all of them, thinned where they are many, from 0."""
        rows, every = self.record.steps(start, LONG if start == 0 else None)
        upto, told = len(self.record), len(self.record.epochs)
        if start:
            upto = start + rows.shape[1]
        header = {
            "type": "rows", "run": self._run, "from": start, "upto": upto, "count": rows.shape[1], "every": every,
            "columns": list(self.record.names), "epochs_from": epochs,
            "epochs": [_plain(row) for row in self.record.epochs[epochs:told]],
        }  # fmt: skip
        self.send(header, buffers=[rows.astype("<f8").tobytes()])
        self._sent, self._sent_epochs = upto, told

    def _still(self) -> dict[str, Any]:
        rows, every = self.record.steps(0, STILL)
        return {
            "every": every,
            "columns": list(self.record.names),
            "rows": [[v if math.isfinite(v) else None for v in column] for column in rows.tolist()],
            "epochs": [_plain(row) for row in self.record.epochs],
        }

    def _state(self) -> dict[str, Any]:
        trainer, (loader, epochs, _, _) = self.trainer, self._given
        running = self._running()
        seconds = self._seconds + (monotonic() - self._began if running else 0.0)
        total = None if loader is None or epochs is None else epochs * len(loader)
        if self._error is not None:
            state, message = "failed", str(self._error) or type(self._error).__name__
        elif running or (self._thread is None and len(self.record)):
            beside = "ended" if self._over else "watching"
            state = "paused" if self.record.paused else "running" if running else beside
            cell = (
                "a cell trains, and hears no button: interrupt the kernel to end it after the step under way"
            )
            message = cell if self._in_cell and not running else ""
        elif self._thread is None:
            state, message = "idle", ""
        else:
            whole = epochs is not None and trainer.epoch >= epochs
            state, message = ("done" if whole else "stopped"), ""
        done = trainer.count - self._first
        rate = done / (monotonic() - self._began) if running and done > 2 else None
        return {
            "state": state, "message": message, "step": trainer.count, "epoch": trainer.epoch, "epochs": epochs,
            "total": total, "seconds": seconds, "rate": rate,
            "left": None if rate is None or total is None else max(total - trainer.count, 0) / rate,
            "can": ACTIONS[state] if not self._in_cell and (loader is not None or state in HELD) else [],
        }  # fmt: skip

    # ---- front end -> Python -------------------------------------------------------------------------------------

    def _message(self, _widget: Any, content: Any, _buffers: Any) -> None:
        kind = content.get("type") if isinstance(content, dict) else None
        try:
            if kind == "sync":
                with self._lock:
                    self._run = self.record.run
                    self._rows(0, 0)
            elif kind in ("start", "pause", "resume", "stop"):
                getattr(self, kind)()
        except ValueError as error:
            self.notice = str(error)

    # ---- without a front end -------------------------------------------------------------------------------------

    def close(self) -> None:
        """Stop watching, end a training of its own, and close the widget."""
        if hasattr(self, "record"):
            if self._running():
                self.trainer.stop()
            self.record.detach()
        super().close()

    def __repr__(self) -> str:
        held = self._state()
        last = self.record.epochs[-1] if self.record.epochs else {}
        told = [f"{k} {last[k]:.4g}" for k in ("loss", "clean", "certified") if k in last]
        words = [held["state"], f"epoch {held['epoch']}", f"step {held['step']}", *told]
        return f"TrainingView({', '.join(words)})"

    def _repr_mimebundle_(self, **options: Any) -> Any:
        made = super()._repr_mimebundle_(**options)
        if made is None:
            return None
        data, metadata = made
        picture = base64.b64encode(self.to_svg().encode()).decode()
        still = (
            f'<div><code>{html.escape(repr(self))}</code><br><img alt="curves of the training" '
            f'style="max-width:100%" src="data:image/svg+xml;base64,{picture}"></div>'
        )
        return {**data, "text/plain": repr(self), "text/html": still}, metadata


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    return {k: (None if isinstance(v, float) and not math.isfinite(v) else v) for k, v in row.items()}


def _about(trainer: Trainer, judge: Judge | None) -> dict[str, Any]:
    judged = None
    if judge is not None:
        judged = {
            "n": len(judge.x),
            "of": judge.of,
            "eps": judge.eps,
            "method": judge.method,
            "clip": judge.clip,
        }
    return {
        "module": type(trainer.module).__name__,
        "optimizer": type(trainer.optimizer).__name__,
        "objective": type(trainer.session.objective).__name__.replace("Objective", "")
        or type(trainer.session.objective.loss).__name__,
        "parameters": sum(p.size for p in trainer.module.parameters()),
        "judged": judged,
    }


def _code(epochs: int | None, loader: Loader | None, eps: float | None, method: str) -> str:
    if loader is None or epochs is None:
        return "wb.training_view(trainer)"
    judged = "" if eps is None else f", validation=(x_test, y_test), eps={eps!r}, method={method!r}"
    return (
        f"# trainer, x and y are yours\nloader = nn.Loader(x, y, batch_size={loader.batch_size}, seed={loader.seed})\n"
        f"view = wb.training_view(trainer, loader, epochs={epochs}{judged})\nview"
    )


def training_view(trainer: Trainer, *given: Any, **options: Any) -> TrainingView:
    """The live curves of a training as a widget; see `TrainingView` for what it takes.

    >>> from workbench import nn
    >>> net = nn.Sequential(nn.Linear(4, 2)).init(0)
    >>> training_view(nn.Trainer(net))
    TrainingView(idle, epoch 0, step 0)
    """
    return TrainingView(trainer, *given, **options)
