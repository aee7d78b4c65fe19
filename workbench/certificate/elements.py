"""R14: bounds and rows of pools, of the largest of some elements, and of factors that are known between two numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from workbench.certificate.matrices import Row
from workbench.certificate.parts import SLOPE
from workbench.certificate.smooth import extent
from workbench.certificate.steps import Program, Step

KINDS = (
    "pool",
    "max",
    "scale",
    "smooth",
)  # those that `interval` knows; rows of a smooth function go by its lines
ONE = 1 << SLOPE


def interval(
    step: Step, low: Row, high: Row, P: int, in_time: Callable[[], None]
) -> tuple[list[int], list[int]]:
    """R2: bounds of the step from those of its source.

    pool: a sum of bounds.  max: it is at least every lower bound and at most the largest upper one.
    scale: a product of two numbers between bounds is between the products of the bounds.
    """
    if step.kind == "smooth":
        ends = []
        for l, h in zip(low, high, strict=True):
            in_time()
            ends.append(extent(step.function, l, h, P))
        return [l for l, _ in ends], [h for _, h in ends]
    if step.kind == "scale":
        e, down, up = step.exponent, list[int](), list[int]()
        for l, h, small, large in zip(low, high, *step.matrix, strict=True):
            every = l * small, l * large, h * small, h * large
            down.append(min(every) >> e)
            up.append(-(-max(every) >> e))
        return down, up
    assert step.taps is not None
    f = sum if step.kind == "pool" else max
    read = [[k for k in g if k >= 0] for g in step.taps.gather]
    return [f(low[k] for k in r) for r in read], [f(high[k] for k in r) for r in read]


def back(step: Step, rows: Sequence[Row], low: Row, high: Row, P: int) -> tuple[list[list[int]], list[int]]:
    """R4: coefficients of the step's elements as coefficients of its source, and what that adds: never more.

    pool: put in as it is.
    max: y is at least any element that it reads.  With k one of them, and r a bound of all others from above, y is at
    most ``max(z_k, r)``: z_k where that is never below r, else at most ``s z_k + t`` (`upper`).
    scale: ``k x = m x + (k - m) x`` with m the lower bound of the factor k, so that a coefficient u of k x is worth at
    least ``u m x - |u| (M - m) |x|``.
    Coefficients are rounded down (R5): of every element of the source once for each element that reads it.
    """
    if step.kind == "pool":
        return _pooled(step, rows, len(low)), [0] * len(rows)
    found, added, e = list[list[int]](), list[int](), step.exponent
    if step.kind == "scale":
        least, most = step.matrix
        slack = [(b - a) * max(-l, h, 0) for a, b, l, h in zip(least, most, low, high, strict=True)]
        charge = -sum(min(v, 0) for v in low)
        for r in rows:
            found.append([u * m >> e for u, m in zip(r, least, strict=True)])
            lost = -(-sum(abs(u) * v for u, v in zip(r, slack, strict=True)) >> e)
            added.append(-(lost + charge) >> P)
        return found, added
    assert step.taps is not None
    every = [largest([k for k in g if k >= 0], low, high) for g in step.taps.gather]
    charge = -sum(min(low[k], 0) for _, k, s, _ in every if 0 < s < ONE)
    for r in rows:
        total, gained = [0] * len(low), -charge
        for u, (below, above, s, t) in zip(r, every, strict=True):
            if u > 0:
                total[below] += u
            elif u < 0:
                total[above] += u * s >> SLOPE
                gained += u * t
        found.append(total)
        added.append(gained >> P)
    return found, added


def largest(read: list[int], low: Row, high: Row) -> tuple[int, int, int, int]:
    """``z_j <= max <= s z_k + t``: (j, k, s over ONE, t).

    k has the largest upper bound h, r is the largest of the others'.  ``max <= max(z_k, r)``, which is convex in z_k:
    a line is above it on [l, h] that is at least r at l, and at least h at h.
    """
    j, k = max(read, key=lambda i: low[i]), max(read, key=lambda i: high[i])
    others = [high[i] for i in read if i != k]
    if not others or low[k] >= max(others):
        return j, k, ONE, 0
    l, h, r = low[k], high[k], max(others)
    if h <= r:
        return j, k, 0, r
    s = -(-(h - r) * ONE // (h - l))
    return j, k, s, r - (s * l >> SLOPE)


def _pooled(step: Step, rows: Sequence[Row], size: int) -> list[list[int]]:
    assert step.taps is not None
    found = []
    for r in rows:
        total = [0] * (size + 1)  # the last one takes what goes to padding
        for u, g in zip(r, step.taps.gather, strict=True):
            if u:
                for k in g:
                    total[k] += u
        found.append(total[:-1])
    return found


def matter(program: Program) -> dict[int, bool]:
    """The steps whose bounds decide lines, and whether they do so where the sign is known."""
    found: dict[int, bool] = {}
    for step in program.steps:
        if step.kind in ("relu", "smooth", "max"):
            curved = step.kind != "relu" and program.steps[step.sources[0]].kind not in ("relu", "input")
            found[step.sources[0]] = found.get(step.sources[0], False) or curved
    return found
