"""Recorder: what a trainer does, written down while it does it; a brake; and, after every epoch, what is proved.

It stands beside the trainer and changes nothing of what is computed: a recorded training ends with the bits of one that
is not.  Any thread may read it while another trains.
"""

from __future__ import annotations

import threading
from array import array
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np

from workbench.graph import Array, GraphError
from workbench.nn.certified import certified
from workbench.nn.data import Loader, loader_of
from workbench.nn.trainer import Trainer

METHODS = ("ibp", "crown-ibp", "crown")
BREATH = 0.1  # seconds between two looks at whether a pause is over


@dataclass(frozen=True, eq=False)
class Judge:
    """What is asked of the network after every epoch: on how many examples it is right, and proved to stay so.

    Parameters
    ----------
    x, y : the examples that are judged, and their labels.
    of : how many there were to choose from (the first ones are judged).
    eps : radius of the l_inf balls around them; None asks for accuracy only.
    method : of the bounds: "ibp", "crown-ibp" or "crown".
    clip : lowest and highest value that an input may take, or None.
    """

    x: Array
    y: Array
    of: int
    eps: float | None = None
    method: str = "ibp"
    clip: tuple[float, float] | None = (0.0, 1.0)

    def judge(self, trainer: Trainer) -> dict[str, float]:
        """``clean``, ``certified`` (shares of the examples) and ``judged_seconds``.

        Raises
        ------
        GraphError, UnsupportedOperator
            A network that the method has no rule for.
        """
        begin = perf_counter()
        _, output = trainer.session.evaluate(self.x, self.y)
        right = output.argmax(axis=1) == self.y
        found = {"clean": float(right.mean())}
        if self.eps is not None:
            # proved for the real function of these parameters; a picture that is judged wrong is never proved
            proved = certified(trainer.module, self.x, self.y, self.eps, self.method, self.clip)
            found["certified"] = float(proved.mean())
        return {**found, "judged_seconds": perf_counter() - begin}


def judge_of(
    data: Any,
    eps: float | None = None,
    method: str = "ibp",
    clip: tuple[float, float] | None = (0.0, 1.0),
    most: int = 256,
) -> Judge | None:
    """A judge of (the first `most` of) validation data; None where there is none, or where its targets are no labels.

    Raises
    ------
    GraphError
        An unknown method, a radius that is negative.
    """
    if method not in METHODS:
        raise GraphError(f"there is no method {method!r} for certified accuracy: {', '.join(METHODS)}")
    if eps is not None and not eps >= 0:
        raise GraphError(f"a radius is 0 or more, not {eps}")
    if data is None:
        return None
    held: Loader = loader_of(data, shuffle=False)
    if held.y.ndim != 1 or held.y.dtype.kind not in "iu":
        return None
    return Judge(held.x[:most], held.y[:most], len(held.x), eps, method, clip)


class Recorder:
    """Columns of numbers, a row a step, and rows of numbers, one an epoch.

    Parameters
    ----------
    trainer : whose steps are recorded, from now on until `detach`.
    told : called, on the thread that trains, after every step and epoch, with whether nothing follows soon; must be
        quick.
    """

    def __init__(self, trainer: Trainer, told: Callable[[bool], None] | None = None) -> None:
        self.trainer, self._told = trainer, told
        self.judge: Judge | None = None
        self.complaint = ""  # why nothing is proved, where something was to be
        self.names: tuple[str, ...] = ()
        self.run = 0  # grows whenever what was told before is no longer true
        self.epochs: list[dict[str, Any]] = []
        self._columns: list[array[float]] = []
        self._lock = threading.RLock()
        self._go = threading.Event()
        self._go.set()
        self._before = trainer.on_step
        trainer.on_step = self._step
        trainer.callbacks.append(self._epoch)

    def detach(self) -> None:
        """Record no more; what was recorded stays."""
        self.resume()
        if self.trainer.on_step == self._step:
            self.trainer.on_step = self._before
        if self._epoch in self.trainer.callbacks:
            self.trainer.callbacks.remove(self._epoch)

    # ------------------------------------------------------------------ the brake

    def pause(self) -> None:
        """Hold the training after the step under way."""
        self._go.clear()

    def resume(self) -> None:
        """Let it go on."""
        self._go.set()

    @property
    def paused(self) -> bool:
        """Whether the brake is on."""
        return not self._go.is_set()

    # ------------------------------------------------------------------ what is told by the trainer

    def _step(self, trainer: Trainer, row: dict[str, float]) -> None:
        if self._before is not None:
            self._before(trainer, row)
        whole = {**row, **trainer.session.objective.numbers(int(row["step"]))}
        with self._lock:
            if not self.names:
                self.names = tuple(whole)
                self._columns = [array("d") for _ in self.names]
            elif self._columns[0] and whole["step"] <= self._columns[0][-1]:
                self._back_to(whole["step"])
            for column, name in zip(self._columns, self.names, strict=True):
                column.append(float(whole.get(name, np.nan)))
        if self._told is not None:
            self._told(self.paused)
        while not self._go.wait(BREATH) and not trainer.stopped():
            pass

    def _back_to(self, step: float) -> None:
        """The trainer went back to a checkpoint: what came after it did not happen."""
        keep = int(np.searchsorted(np.array(self._columns[0]), step))
        self._columns = [column[:keep] for column in self._columns]
        self.epochs = [row for row in self.epochs if row["at"] <= step]
        self.run += 1

    def _epoch(self, trainer: Trainer, row: dict[str, float]) -> None:
        found: dict[str, Any] = {"at": trainer.count, **row}
        if self.judge is not None:
            try:
                found |= self.judge.judge(trainer)
            except GraphError as error:
                self.complaint, self.judge = f"certified accuracy is not computed: {error}", None
        with self._lock:
            self.epochs.append(found)
        if self._told is not None:
            self._told(False)

    # ------------------------------------------------------------------ what is read

    def __len__(self) -> int:
        return len(self._columns[0]) if self._columns else 0

    def steps(self, start: int = 0, most: int | None = None) -> tuple[Array, int]:
        """The columns from row `start` on, ``(columns, rows)`` float64, and out of how many steps each row stands.

        With `most`, a long record is thinned: each row is, of so many steps, the one with the largest loss.
        """
        with self._lock:
            held = [np.array(c[start:], np.float64) for c in self._columns]
        rows = np.stack(held) if held else np.zeros((0, 0))
        n = rows.shape[1]
        if most is None or n <= most:
            return rows, 1
        every = -(-n // most)
        loss = np.nan_to_num(rows[self.names.index("loss")], nan=np.inf)
        padded = np.concatenate([loss, np.full(-n % every, -np.inf)]).reshape(-1, every)
        worst = np.arange(0, n, every) + padded.argmax(axis=1)
        return rows[:, worst], every

    def table(self) -> dict[str, list[float]]:
        """Every step, as columns by name."""
        rows, _ = self.steps()
        return {name: rows[i].tolist() for i, name in enumerate(self.names)}
