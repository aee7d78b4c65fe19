"""Pictures, moved a little: what more data would show."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from workbench.graph import Array

Augment = Callable[[Array, np.random.Generator], Array]


def jitter(
    height: int,
    width: int,
    shift: float = 0.6,
    turn: float = 12.0,
    scale: float = 0.1,
    shear: float = 0.15,
    range_: tuple[float, float] = (0.0, 1.0),
) -> Augment:
    """Random shifts, turns, stretches and shears of pictures ``(n, ...)`` with height x width pixels each.

    Parameters
    ----------
    shift : at most so many pixels along each axis.
    turn : at most so many degrees.
    scale : stretches are between 1 - scale and 1 + scale.
    shear : at most so many pixels a pixel.
    range_ : lowest and highest value; outside of a picture is the lowest.

    Returns
    -------
    ``(pictures, rng) -> pictures``; each pixel is read between the four nearest ones.
    """
    middle = np.array([(height - 1) / 2, (width - 1) / 2]).reshape(2, 1)
    places = np.stack([c.ravel() for c in np.indices((height, width))]) - middle
    ends = np.array([height + 1, width + 1]).reshape(1, 2, 1) - 1e-3

    def moved(x: Array, rng: np.random.Generator) -> Array:
        n = len(x)
        angle = np.deg2rad(rng.uniform(-turn, turn, n))
        stretch, lean = rng.uniform(1 - scale, 1 + scale, (2, n)), rng.uniform(-shear, shear, n)
        turned = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        shaped = np.array([[stretch[0], lean], [np.zeros(n), stretch[1]]])
        at = np.einsum("ijn,jkn->nik", turned, shaped) @ places
        at = np.clip(at + rng.uniform(-shift, shift, (n, 2, 1)) + middle + 1, 0, ends)
        first = np.floor(at).astype(np.intp)
        share = at - first
        around = np.full((n, height + 2, width + 2), range_[0], x.dtype)
        around[:, 1:-1, 1:-1] = x.reshape(n, height, width)
        each, found = np.arange(n)[:, None], np.zeros((n, height * width))
        for i in (0, 1):
            for j in (0, 1):
                weight = (share[:, 0] if i else 1 - share[:, 0]) * (share[:, 1] if j else 1 - share[:, 1])
                found += weight * around[each, first[:, 0] + i, first[:, 1] + j]
        return np.clip(found, *range_).astype(x.dtype).reshape(x.shape)

    return moved
