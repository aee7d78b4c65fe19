"""Learning rates over time: each is ``(step, base) -> learning rate``, a pure function, so that resuming is exact."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from math import cos, pi

Schedule = Callable[[int, float], float]


def constant() -> Schedule:
    """Always the base."""
    return lambda step, base: base


def step_lr(step_size: int, gamma: float = 0.1) -> Schedule:
    """Times gamma after every `step_size` steps."""
    return lambda step, base: base * gamma ** (step // step_size)


def exponential(gamma: float) -> Schedule:
    """Times gamma after every step."""
    return lambda step, base: base * gamma**step


def cosine(total: int, eta_min: float = 0.0) -> Schedule:
    """Down to `eta_min` as half a cosine, and stays there."""
    return lambda step, base: eta_min + (base - eta_min) * (1 + cos(pi * min(step, total) / total)) / 2


def warmup(steps: int, then: Schedule | None = None, start: float = 0.0) -> Schedule:
    """From `start` times the base up to the base in a straight line, and then another schedule from its beginning."""
    after = then or constant()

    def found(step: int, base: float) -> float:
        if step < steps:
            return base * (start + (1 - start) * step / steps)
        return after(step - steps, base)

    return found


def one_cycle(
    total: int, pct_start: float = 0.3, div_factor: float = 25.0, final_div_factor: float = 1e4
) -> Schedule:
    """Up to the base and down again as cosines (Smith and Topin 2018); PyTorch's OneCycleLR with `max_lr` = base."""

    def between(first: float, last: float, share: float) -> float:
        return last + (first - last) / 2 * (1 + cos(pi * share))

    def found(step: int, base: float) -> float:
        start, up = base / div_factor, float(pct_start * total) - 1
        if step <= up:
            return between(start, base, step / up if up else 1.0)
        return between(base, start / final_div_factor, min((step - up) / (total - 1 - up), 1.0))

    return found


@dataclass
class Plateau:
    """Times `factor` where a loss has not fallen for `patience` epochs; told at the end of every epoch."""

    factor: float = 0.1
    patience: int = 10
    threshold: float = 1e-4
    best: float = field(default=float("inf"))
    bad: int = 0
    scale: float = 1.0

    def __call__(self, step: int, base: float) -> float:
        """The base times all factors so far."""
        return base * self.scale

    def told(self, loss: float) -> None:
        """The loss of an epoch."""
        if loss < self.best * (1 - self.threshold):
            self.best, self.bad = loss, 0
        else:
            self.bad += 1
        if self.bad > self.patience:
            self.scale, self.bad = self.scale * self.factor, 0
