"""Trainer: epochs over a loader, with everything written down, so that an interrupted run goes on bit for bit."""

from __future__ import annotations

import json
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from workbench.graph import Array, GraphError
from workbench.nn import tensorsfile
from workbench.nn.data import Loader, loader_of
from workbench.nn.history import History
from workbench.nn.losses import CrossEntropyLoss, Loss
from workbench.nn.module import Module
from workbench.nn.optim import Adam, Optimizer, clip_grad_norm, clip_grad_value
from workbench.nn.schedule import Plateau, Schedule
from workbench.nn.session import Objective, Session, TrainingError

Metric = Callable[[Array, Array], float]
Callback = Callable[["Trainer", dict[str, float]], Any]


EXPLODES, USUAL = 1000.0, 8  # times the largest norm of as many steps


def accuracy(output: Array, target: Array) -> float:
    """The share of examples whose largest output is the label."""
    return float((output.argmax(axis=1) == target).mean())


@dataclass
class EarlyStop:
    """Stop where a number has not improved for `patience` epochs, and go back to the best parameters."""

    monitor: str = "val_loss"
    patience: int = 10
    least: float = 0.0
    larger: bool = False
    restore: bool = True


class Trainer:
    """Trains a module.

    Parameters
    ----------
    module : what is trained.
    loss : a loss, or an `Objective` such as `certified.IBP`.
    optimizer : by default Adam.
    schedule : ``(step, base) -> learning rate``, a step being a batch.
    clip_norm, clip_value : limits on gradients.
    metrics : name -> ``(outputs, targets) -> number``, over the validation data.
    callbacks : called with the trainer and every epoch's row; `trainer.stop()` ends the training.
    on_step : called with the trainer and ``{"step", "loss", "lr", "grad_norm"}`` after every step.
    seed : of what is drawn while training (dropout); loaders have their own.
    checkpoint : a file that is written while training; with `fit(resume=True)` it is where training goes on.
    every : steps between checkpoints.
    compile : whether steps run as one planned graph: the same bits as node by node (False), and sooner.
    """

    def __init__(
        self, module: Module, loss: Loss | Objective | None = None, optimizer: Optimizer | None = None, *,
        schedule: Schedule | None = None, clip_norm: float | None = None, clip_value: float | None = None,
        metrics: Mapping[str, Metric] | None = None, callbacks: Sequence[Callback] = (),
        on_step: Callback | None = None, early_stop: EarlyStop | None = None, seed: int = 0,
        checkpoint: Any = None, every: int = 1, progress: bool = True,
        compile: bool = True,  # noqa: A002 (PyTorch's name)
    ) -> None:  # fmt: skip
        objective = loss if isinstance(loss, Objective) else Objective(loss or CrossEntropyLoss())
        self.module, self.session = module, Session(module, objective, seed, compile)
        self.optimizer = optimizer or Adam(module)
        own = module.named_parameters()
        strange = [k for k, p in self.optimizer.parameters.items() if own.get(k) is not p]
        if strange:
            raise GraphError(
                f"the optimizer holds {', '.join(strange[:4])} of another module, or under another name than here: "
                f"write nn.{type(self.optimizer).__name__}(net) for the net that is trained"
            )
        self.schedule, self.clip_norm, self.clip_value = schedule, clip_norm, clip_value
        self.metrics = dict(metrics if metrics is not None else _usual(objective.loss))
        self.callbacks, self.on_step, self.early_stop = list(callbacks), on_step, early_stop
        self.checkpoint = None if checkpoint is None else Path(checkpoint)
        self.every, self.progress = max(1, int(every)), progress
        self.history, self.epoch, self.done, self.count = History(), 0, 0, 0
        self._sums: dict[str, float] = {}
        self._norms: list[float] = []
        self._best: dict[str, Array] = {}
        self._best_value: float | None = None
        self._waited, self._stopped = 0, False

    def stop(self) -> None:
        """End training after this step."""
        self._stopped = True

    def stopped(self) -> bool:
        """Whether somebody asked to end training."""
        return self._stopped

    def __repr__(self) -> str:
        kind = type(self.module).__name__
        return f"Trainer({kind}, {type(self.optimizer).__name__}, {self.epoch} epochs done)"

    def fit(
        self, loader: Loader | tuple[Any, Any], epochs: int, validation: Any = None, resume: bool = False
    ) -> History:
        """Train until `epochs` epochs are done in all; an interruption ends it after the step under way.

        Parameters
        ----------
        loader : batches; of a pair ``(x, y)``, those of ``Loader(x, y)``.
        epochs : how many are done in all when it returns: after ``epochs=2``, another 2 are ``epochs=4``.
        validation : ``(x, y)`` or a `Loader`, judged after every epoch.
        resume : whether to go on from the checkpoint, if its file is there.

        Raises
        ------
        TrainingError
            A loss or gradient that is not finite: the parameters are those before that step.
        """
        if resume and self.checkpoint is not None and self.checkpoint.exists():
            self.load(self.checkpoint)
        loader = loader_of(loader)
        if self.epoch >= epochs > 0 and not resume:
            warnings.warn(
                f"nothing was trained: epochs={epochs} is how many are done in all, and {self.epoch} are done already; "
                f"ask for epochs={self.epoch + epochs} to train {epochs} more",
                stacklevel=2,
            )
        self._stopped = self._waited > (self.early_stop.patience if self.early_stop else self._waited)
        with self._bar(epochs * len(loader)) as tick, _interruptible(self):
            while self.epoch < epochs and not self.stopped():
                for x, y in loader.epoch(self.epoch, self.done):
                    tick(self._step(x, y))
                    if self.checkpoint is not None and self.count % self.every == 0:
                        self.save(self.checkpoint)
                    if self.stopped():
                        break
                if self.done >= len(loader):
                    self._end_epoch(validation)
        if self.checkpoint is not None:
            self.save(self.checkpoint)
        if self.early_stop is not None and self.early_stop.restore and self._best and self._stopped:
            self.module.load_state_dict(self._best)
        self.module.eval()
        return self.history

    def _step(self, x: Array, y: Array) -> float:
        if self.schedule is not None:
            self.optimizer.lr = self.schedule(self.count, self.optimizer.base)
        try:
            found = self.session.step(x, y, self.count)
        except TrainingError as error:
            raise TrainingError(f"epoch {self.epoch}, batch {self.done}: {error}") from None
        grads = found.grads
        self._watch_norm(found.norm)
        norm = clip_grad_norm(grads, self.clip_norm) if self.clip_norm is not None else None
        if self.clip_value is not None:
            clip_grad_value(grads, self.clip_value)
        self.optimizer.step(grads)
        self.count, self.done = self.count + 1, self.done + 1
        for name, value in (("loss", found.loss * len(x)), ("examples", len(x))):
            self._sums[name] = self._sums.get(name, 0.0) + value
        if self.on_step is not None:
            if norm is None:
                norm = found.norm
            row = {"step": self.count - 1, "loss": found.loss, "lr": self.optimizer.lr, "grad_norm": norm}
            self.on_step(self, row)
        return found.loss

    def _watch_norm(self, norm: float) -> None:
        """Warn, once, when gradients explode: far beyond the largest that they were, for some steps now."""
        if len(self._norms) == USUAL and norm > EXPLODES * max(self._norms):
            limit = "" if self.clip_norm is not None else f", or clip: clip_norm={max(self._norms):.2g}"
            warnings.warn(
                f"gradients explode: their norm is {norm:.3g} at step {self.count}, and was at most "
                f"{max(self._norms):.3g} in the {USUAL} steps before; lower the learning rate{limit}",
                stacklevel=4,
            )
            self._norms = [float("inf")] * USUAL
        self._norms = [*self._norms, norm][-USUAL:] if np.isfinite([*self._norms, 0.0]).all() else self._norms

    def _end_epoch(self, validation: Any) -> None:
        row = {
            "epoch": self.epoch,
            "loss": self._sums["loss"] / self._sums["examples"],
            "lr": self.optimizer.lr,
        }
        if validation is not None:
            row |= {f"val_{k}": v for k, v in self.evaluate(validation).items()}
        row |= self.session.objective.numbers(self.count)
        self.epoch, self.done, self._sums = self.epoch + 1, 0, {}
        self.history.rows.append(row)
        if isinstance(self.schedule, Plateau):
            self.schedule.told(row.get("val_loss", row["loss"]))
        if self.early_stop is not None:
            self._watch(self.early_stop, row)
        for callback in self.callbacks:
            callback(self, row)

    def _watch(self, rule: EarlyStop, row: dict[str, float]) -> None:
        if rule.monitor not in row:
            raise GraphError(f"early stopping watches {rule.monitor!r}, but there are only {', '.join(row)}")
        value = row[rule.monitor] * (-1 if rule.larger else 1)
        if self._best_value is None or value < self._best_value - rule.least:
            self._best_value, self._waited, self._best = value, 0, self.module.state_dict()
        else:
            self._waited += 1
            if self._waited > rule.patience:
                self.stop()

    def evaluate(self, data: Any) -> dict[str, float]:
        """Plain loss, and metrics, in evaluation mode."""
        held = loader_of(data, batch_size=512, shuffle=False)
        losses, outputs = 0.0, []
        for i in range(0, len(held.x), held.batch_size):
            part = slice(i, i + held.batch_size)
            loss, out = self.session.evaluate(held.x[part], held.y[part])
            losses += loss * len(out)
            outputs.append(out)
        whole = np.concatenate(outputs)
        return {"loss": losses / len(whole), **{k: float(m(whole, held.y)) for k, m in self.metrics.items()}}

    # ------------------------------------------------------------------ checkpoints

    def save(self, path: Any) -> None:
        """Everything that going on needs, in one safetensors file."""
        arrays = {f"model/{k}": v for k, v in self.module.state_dict().items()}
        arrays |= {f"optimizer/{k}": v for k, v in self.optimizer.state_dict().items()}
        arrays |= {f"best/{k}": v for k, v in self._best.items()}
        plateau = self.schedule if isinstance(self.schedule, Plateau) else None
        state = {
            "epoch": self.epoch, "done": self.done, "count": self.count, "sums": self._sums, "rows": self.history.rows,
            "best_value": self._best_value, "waited": self._waited,
            "plateau": None if plateau is None else [plateau.best, plateau.bad, plateau.scale],
        }  # fmt: skip
        tensorsfile.save(path, arrays, {"format": "workbench.training.v1", "state": json.dumps(state)})

    def load(self, path: Any) -> None:
        """Go back to a checkpoint.

        Raises
        ------
        GraphError
            A file that is none, or of another model.
        """
        arrays, metadata = tensorsfile.load(path)
        if metadata.get("format") != "workbench.training.v1":
            raise GraphError(f"{path} is no checkpoint of a training")

        def part(head: str) -> dict[str, Array]:
            return {k.removeprefix(head): v for k, v in arrays.items() if k.startswith(head)}

        self.module.load_state_dict(part("model/"))
        self.optimizer.load_state_dict(part("optimizer/"))
        self._best = part("best/")
        state = json.loads(metadata["state"])
        self.epoch, self.done, self.count = state["epoch"], state["done"], state["count"]
        self._sums, self.history = state["sums"], History(state["rows"])
        self._best_value, self._waited = state["best_value"], state["waited"]
        if isinstance(self.schedule, Plateau) and state["plateau"]:
            self.schedule.best, self.schedule.bad, self.schedule.scale = state["plateau"]

    @contextmanager
    def _bar(self, total: int) -> Iterator[Callable[[float], None]]:
        from tqdm import tqdm

        watched = sys.stderr.isatty() or "ipykernel" in sys.modules
        hidden = not (self.progress and watched)
        with tqdm(total=total, initial=self.count, disable=hidden, leave=False, unit="step") as bar:
            last = 0.0

            def tick(loss: float) -> None:
                nonlocal last
                bar.update(1)
                if time.monotonic() - last > 0.25:
                    last = time.monotonic()
                    bar.set_description_str(f"epoch {self.epoch}, loss {loss:.4g}")

            yield tick


@contextmanager
def _interruptible(trainer: Trainer) -> Iterator[None]:
    """Ctrl-C ends the training after the step under way: parameters are never half of a step."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, lambda *_: trainer.stop())
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _usual(loss: Loss) -> dict[str, Metric]:
    return {"accuracy": accuracy} if isinstance(loss, CrossEntropyLoss) else {}
