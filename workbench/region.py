"""Region: where the inputs of a network may lie.

A region is a box, optionally cut with an l_2 or l_1 ball, for a batch of B regions at once.  Ends are float64 numbers
taken as exactly the numbers that they are; a ball's box is rounded outward, so that it contains the real ball.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from workbench.arrays import kernels
from workbench.arrays.device import array, beside, on_host
from workbench.graph import Array

Norm = Literal["inf", "2", "1"]
UNIT = 2.0**-53
TINY = 2.0**-1074
BLOCK = 1 << 16  # coefficients that are looked at together


class RegionError(ValueError):
    """A region that is empty or not a region."""


@dataclass(frozen=True, slots=True, eq=False)
class Region:
    """Inputs x with ``lower <= x <= upper`` and, where `norm` is not "inf", ``|x - center|_norm <= eps``.

    Parameters
    ----------
    lower, upper : float64 ``(B, *shape)``.
    center : float64 ``(B, *shape)`` or None for a plain box.
    eps : the ball's radius, in the units of the input; None for a plain box.
    norm : "inf", "2" or "1".
    clip : the limits that every input was cut to, where there are some: part of what is claimed.
    """

    lower: Array
    upper: Array
    center: Array | None = None
    eps: float | None = None
    norm: Norm = "inf"
    clip: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        lower, upper = np.asarray(self.lower, np.float64), np.asarray(self.upper, np.float64)
        if lower.shape != upper.shape:
            raise RegionError(
                f"lower has shape {lower.shape}, upper has shape {upper.shape}: they must be equal"
            )
        if np.isnan(lower).any() or np.isnan(upper).any():
            raise RegionError("the region's ends must be numbers, but at least one is NaN")
        if not (np.isfinite(lower).all() and np.isfinite(upper).all()):
            raise RegionError(
                "the region's ends must be finite: bounds over an unbounded region are not supported"
            )
        if (lower > upper).any():
            at = tuple(np.argwhere(lower > upper)[0].tolist())
            raise RegionError(
                f"the region is empty: at index {at[1:]} lower {lower[at]} is above upper {upper[at]}"
            )
        object.__setattr__(self, "lower", _kept(lower))
        object.__setattr__(self, "upper", _kept(upper))
        if self.norm not in ("inf", "2", "1"):
            raise RegionError(f'norm must be "inf", "2" or "1", not {self.norm!r}')
        if self.eps is not None and not 0 <= self.eps < np.inf:
            raise RegionError(f"eps must be a finite number and not negative, not {self.eps}")
        if self.center is not None and not np.isfinite(self.center).all():
            raise RegionError("the centre must be finite")
        if (self.norm != "inf" or self.eps is not None) and (self.center is None or self.eps is None):
            raise RegionError("a ball needs its centre and its radius: see wb.ball")
        if self.center is not None:
            object.__setattr__(self, "center", _kept(np.asarray(self.center, np.float64)))
        if self.center is not None and self.eps is not None:
            # what is said about the region ("within eps of the centre") must not say more than the box holds
            low, high = -add_up(-self.center, self.eps), add_up(self.center, self.eps)
            if self.clip is not None:
                low, high = np.maximum(low, self.clip[0]), np.minimum(high, self.clip[1])
            if (lower > low).any() or (upper < high).any():
                raise RegionError(
                    "the box cuts the ball: give a plain box, or a ball with clip (see wb.ball)"
                )

    def __repr__(self) -> str:
        many = "" if self.batch == 1 else f"{self.batch} regions, "
        if self.eps is not None:
            size = f"{self.norm} norm, eps={self.eps:g}" + (f", clip={self.clip}" if self.clip else "")
        else:
            radii = (0.5 * self.upper - 0.5 * self.lower).reshape(-1)
            size = f"box, radius {radii.min():.4g} to {radii.max():.4g}" if radii.size else "box"
        return f"Region({many}shape {list(self.shape)}, {size})"

    @property
    def batch(self) -> int:
        """Number of regions B."""
        return int(self.lower.shape[0])

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one input."""
        return tuple(self.lower.shape[1:])

    @property
    def is_box(self) -> bool:
        """Whether the region is just its box."""
        return self.norm == "inf" or self.center is None

    def reshape(self, shape: tuple[int, ...]) -> Region:
        """The same region over inputs of another shape with as many elements.

        Raises
        ------
        RegionError
            Where the number of elements differs.
        """
        if shape == self.shape:
            return self
        if int(np.prod(shape)) != int(np.prod(self.shape)):
            raise RegionError(
                f"the region has shape {list(self.shape)}, but the network's input has {list(shape)}"
            )
        full = (self.batch, *shape)
        center = None if self.center is None else self.center.reshape(full)
        return Region(
            self.lower.reshape(full), self.upper.reshape(full), center, self.eps, self.norm, self.clip
        )

    def sample(self, count: int, seed: int = 0, region: int = 0) -> Array:
        """`count` points of one region, float64 ``(count, *shape)``; the first is the centre, some are corners."""
        rng = np.random.default_rng(seed)
        lo, hi = self.lower[region], self.upper[region]
        t = rng.random((count, *self.shape))
        corners = count // 4
        t[:corners] = np.round(t[:corners])
        x = np.clip(lo + (hi - lo) * t, lo, hi)
        middle = np.clip(self.center[region] if self.center is not None else lo + (hi - lo) * 0.5, lo, hi)
        if not self.is_box and self.center is not None and self.eps is not None:
            step = (x - self.center[region]).reshape(count, -1)
            size = np.linalg.norm(step, ord=int(self.norm), axis=1, keepdims=True)
            step *= np.minimum(1, self.eps * (1 - 1e-12) / np.maximum(size, 1e-300))
            x = self.center[region] + step.reshape(x.shape)
            x = np.clip(x, lo, hi)
        if count:
            x[0] = middle
        return np.asarray(x)

    def minimum(self, coefficients: Array, which: slice = slice(None), index: Array | None = None) -> Array:
        """A lower bound of ``coefficients . x`` over the region, sound in float64.

        Parameters
        ----------
        coefficients : ``(B, R, *shape)``, or ``(B, R, k)`` with an index.
        which : the B of the regions that they are for.
        index : flat indices of the k elements that they belong to; the others' are 0.

        Returns
        -------
        ``(B, R)``.

        Notes
        -----
        Box: x = c + d with |d| <= r gives ``C.c - |C|.r``; both dot products of n terms err by at most
        ``(n+1) u |C|.(|c|+r)`` and underflow by n TINY, charged inside the second one.
        Ball: Hoelder, ``C.c - eps |C|_q`` with 1/p + 1/q = 1.  Cut with the box, the better of the two holds.
        """
        batch, count = coefficients.shape[:2]
        flat = coefficients.reshape(batch, count, -1)
        n = flat.shape[2]
        lower, upper = (_picked(end[which], index) for end in (self.lower, self.upper))
        c = 0.5 * lower + 0.5 * upper
        r = np.maximum(upper - c, c - lower)
        r = np.nextafter(r, np.inf) + (4 * n + 16) * UNIT * (np.abs(c) + r)
        c, r = beside(c, flat), beside(r, flat)
        with np.errstate(all="ignore"):
            low, loss = _products(flat, c, r)
            loss = loss * (1 + (2 * n + 8) * UNIT) + 2 * n * TINY
            best = _down(np.where(np.isfinite(low), low - loss, -np.inf))
            if self.is_box or self.center is None or self.eps is None:
                return best
            m = beside(_picked(self.center[which], index), flat)
            low = np.matmul(flat, m[:, :, None])[:, :, 0]
            size = np.abs(flat)
            slack = np.matmul(size, np.abs(m)[:, :, None])[:, :, 0] * ((n + 4) * UNIT)
            if self.norm == "2":
                # scaled, so that squares neither overflow nor underflow to nothing
                top = np.maximum(size.max(axis=2, keepdims=True), TINY)
                dual = top[:, :, 0] * np.sqrt(((size / top) ** 2).sum(axis=2)) * (1 + (n + 16) * UNIT)
            else:
                dual = size.max(axis=2)
            loss = (self.eps * (dual + n * TINY) + slack) * (1 + (2 * n + 16) * UNIT) + 4 * n * TINY
            ball = _down(np.where(np.isfinite(low), low - loss, -np.inf))
        return array(np.fmax(best, ball))


def _products(rows: Array, c: Array, r: Array) -> tuple[Array, Array]:
    """``rows . c`` and ``|rows| . r`` of ``(B, R, n)`` and ``(B, n)``, a few rows at a time: what fits a cache."""
    done = kernels.dots(rows, c, r)
    if done is not None:
        return done
    batch, count, n = rows.shape
    if batch > 1 or not on_host(rows):
        return np.matmul(rows, c[:, :, None])[:, :, 0], np.matmul(np.abs(rows), r[:, :, None])[:, :, 0]
    low, loss = np.empty((1, count)), np.empty((1, count))
    some = max(1, BLOCK // max(1, n))
    size = np.empty((min(some, count), n))
    for first in range(0, count, some):
        part = rows[0, first : first + some]
        low[0, first : first + some] = part @ c[0]
        loss[0, first : first + some] = np.abs(part, out=size[: len(part)]) @ r[0]
    return low, loss


def _picked(x: Array, index: Array | None) -> Array:
    """``(B, n)``, or some columns of it."""
    flat = x.reshape(len(x), -1)
    return flat if index is None else flat[:, index]


def _kept(x: Array) -> Array:
    """A copy that nobody can change: the region stays what was bounded."""
    copy = np.array(x)
    copy.flags.writeable = False
    return copy


def _down(x: Array) -> Array:
    return array(np.where(np.isnan(x), -np.inf, np.nextafter(x, -np.inf)))


def box(lower: Array | float, upper: Array | float) -> Region:
    """The box ``lower <= x <= upper`` (arrays of the input's shape)."""
    low, high = _numbers(lower, "lower"), _numbers(upper, "upper")
    try:
        lo, hi = np.broadcast_arrays(low, high)
    except ValueError:
        raise RegionError(
            f"lower has shape {list(low.shape)} and upper has shape {list(high.shape)}: they must fit each other"
        ) from None
    return Region(lo[None], hi[None])


def _numbers(value: object, name: str) -> Array:
    try:
        return np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise RegionError(f"{name} must be given in numbers, not as {type(value).__name__}") from None


def ball(
    center: Array,
    eps: float,
    norm: str | float = "inf",
    clip: tuple[float, float] | None = None,
) -> Region:
    """All x with ``|x - center|_norm <= eps``, cut to ``clip`` where given.

    Parameters
    ----------
    center : the middle, an array of the input's shape.
    eps : radius, in the units of the input; finite and not negative.
    norm : "inf", "2" or "1".
    clip : lowest and highest value that an input may take, e.g. ``(0, 1)`` for pixels.

    Raises
    ------
    RegionError
        eps NaN, infinite or negative; a centre that is not finite; a ball that lies outside the clip.
    """
    kind: Norm = {"inf": "inf", "2": "2", "1": "1"}.get(str(norm).removesuffix(".0"))  # type: ignore[assignment]
    if kind is None:
        raise RegionError(f"norm must be 'inf', '2' or '1', not {norm!r}")
    eps = float(_numbers(eps, "eps").reshape(-1)[0]) if np.size(eps) == 1 else np.nan
    if not np.isfinite(eps) or eps < 0:
        raise RegionError(f"eps must be a finite number and not negative, not {eps}")
    x = _numbers(center, "the centre")
    if not np.isfinite(x).all():
        raise RegionError("the centre holds NaN or infinity")
    lower, upper = -add_up(-x, eps), add_up(x, eps)
    if clip is not None:
        lower, upper = np.maximum(lower, clip[0]), np.minimum(upper, clip[1])
    if (lower > upper).any():
        raise RegionError(f"the ball of radius {eps} around the centre lies outside the clip {clip}")
    return Region(lower[None], upper[None], x[None], eps, kind, clip)


def add_up(x: Array, y: Array | float) -> Array:
    """x + y rounded up: TwoSum tells whether rounding to nearest went down."""
    s = np.asarray(x + y)
    t = s - x
    error = (x - (s - t)) + (y - t)
    return np.where(error > 0, np.nextafter(s, np.inf), s)
