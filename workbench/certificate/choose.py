"""Slopes of the lines of smooth functions, chosen in floats layer by layer: choices, which need no proof."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from workbench.certificate.bounds import Bounds
from workbench.certificate.parts import SLOPE, Part
from workbench.graph import Array

POINTS = 33  # of an interval: an odd number, so that its middle is one
FLOATS: Mapping[str, Callable[[Array], Array]] = {
    "Exp": np.exp,
    "Sigmoid": lambda x: 0.5 + 0.5 * np.tanh(0.5 * x),
    "Tanh": np.tanh,
    "Softplus": lambda x: np.logaddexp(0.0, x),
    "Erf": lambda x: np.tanh(1.12838 * x + 0.10277 * x**3),  # near enough to choose by
    "Sin": np.sin,
    "Cos": np.cos,
}


class Slopes(Mapping[int, Mapping[int, Any]]):
    """Slopes for `Bounds.bound`, made when it asks for them: the operands of the step have bounds by then.

    Parameters
    ----------
    part : that is being bounded.
    """

    def __init__(self, rules: Bounds, part: Part) -> None:
        self.rules, self.part = rules, part
        self.made: dict[int, dict[int, tuple[int, int]]] = {}

    def __getitem__(self, i: int) -> Mapping[int, Any]:
        if i not in self.rules.smooth.values():
            raise KeyError(i)
        if i not in self.made:
            step = self.rules.program.steps[i]
            ends = [
                np.array(e[step.sources[0]], float) * 2.0**-self.rules.P
                for e in (self.part.low, self.part.high)
            ]
            below = tangents(step.function, ends[0], ends[1], 1.0)
            above = tangents(step.function, ends[0], ends[1], -1.0)
            pairs = np.rint(np.stack([below, above]) * (1 << SLOPE)).astype(int).T.tolist()
            self.made[i] = {j: (a, s) for j, (a, s) in enumerate(pairs) if a or s}
        return self.made[i]

    def __iter__(self) -> Iterator[int]:
        return iter(self.made)

    def __len__(self) -> int:
        return len(self.made)

    def written(self) -> dict[str, list[list[int]]]:
        """The slopes as a certificate has them."""
        steps = self.rules.program.steps
        return {steps[i].name: [[j, a, s] for j, (a, s) in of.items()] for i, of in self.made.items()}


def tangents(op: str, low: Array, high: Array, sign: float) -> Array:
    """Slopes of lines that are below ``sign f`` on [low, high] and highest at its middle, times the sign.

    Of all chords between points left and right of the middle, the lowest there is on the lower convex hull.
    """
    x = low[:, None] + (high - low)[:, None] * np.linspace(0.0, 1.0, POINTS)
    with np.errstate(all="ignore"):
        y = sign * FLOATS[op](x)
    half = POINTS // 2
    at = np.linspace(0.0, 1.0, POINTS)
    left, right = at[:half, None], at[None, half + 1 :]
    share = (0.5 - left) / (right - left)
    found = np.zeros(len(low))
    for j in range(len(low)):
        if not np.isfinite(y[j]).all() or high[j] <= low[j]:
            continue
        from_, to = y[j, :half, None], y[j, None, half + 1 :]
        a, b = np.unravel_index(np.argmin(from_ + (to - from_) * share), share.shape)
        found[j] = (to[0, b] - from_[a, 0]) / ((right[0, b] - left[a, 0]) * (high[j] - low[j]))
    return np.clip(np.nan_to_num(sign * found), -(2.0**20), 2.0**20)
