"""Curves of a training as a still picture: for pages without a kernel, and for scripts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from workbench.views import text

W, H, LEFT, BELOW = 340, 118, 52, 16
# (title, columns of steps, columns of epochs, logarithmic, fixed range); the front end has the same ones
PANELS: tuple[tuple[str, tuple[str, ...], tuple[str, ...], bool, tuple[float, float] | None], ...] = (
    ("loss", ("loss",), ("val_loss",), False, None),
    ("accuracy", (), ("clean", "certified", "val_accuracy"), False, (0.0, 1.0)),
    ("gradient norm", ("grad_norm",), (), True, None),
    ("learning rate", ("lr",), (), False, None),
    ("epsilon", ("eps",), (), False, None),
)
_INK = {"certified": "#1f6fd1", "val_loss": "#1a66c4"}
Points = Sequence[tuple[float, float]]


def _finite(points: Points, log: bool) -> list[tuple[float, float]]:
    return [(x, y) for x, y in points if math.isfinite(y) and (y > 0 or not log)]


def thinned(points: Points, most: int = 240) -> list[tuple[float, float]]:
    """At most about `most` points, lowest and highest of each run kept."""
    if len(points) <= most:
        return list(points)
    size = -(-2 * len(points) // most)
    found: list[tuple[float, float]] = []
    for i in range(0, len(points), size):
        part = points[i : i + size]
        found += sorted({min(part, key=lambda p: p[1]), max(part, key=lambda p: p[1])})
    return found


def curves_svg(steps: Mapping[str, Sequence[float]], epochs: Sequence[Mapping[str, Any]]) -> str:
    """The curves as an SVG document, two panels a row.

    Parameters
    ----------
    steps : columns by name, among them ``step``.
    epochs : rows by name, each with ``at``, the step at which the epoch ended.
    """
    drawn = []
    for title, by_step, by_epoch, log, limits in PANELS:
        lines = {k: list(zip(steps["step"], steps[k], strict=True)) for k in by_step if k in steps}
        for k in by_epoch:
            if k == "val_accuracy" and "clean" in lines:
                continue
            points = [(row["at"], row[k]) for row in epochs if row.get(k) is not None]
            if points:
                lines[k] = points
        kept = {k: _finite(v, log) for k, v in lines.items()}
        if any(kept.values()):
            drawn.append((title, kept, log, limits))
    columns = 2 if len(drawn) > 1 else 1
    rows = -(-len(drawn) // columns)
    width, height = columns * (W + 12) + 12, max(rows, 1) * (H + 34) + 8
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'role="img" font-family="system-ui, sans-serif" font-size="11"><title>curves of a training</title>'
        f'<rect width="{width}" height="{height}" fill="#fff"/>'
    )
    out = [head]
    if not drawn:
        out.append('<text x="12" y="40" fill="#545e6e">nothing recorded yet</text>')
    for i, (title, kept, log, limits) in enumerate(drawn):
        x0, y0 = 12 + (i % columns) * (W + 12), 20 + (i // columns) * (H + 34)
        out.append(f'<g transform="translate({x0} {y0})">{_panel(title, kept, log, limits)}</g>')
    return "".join([*out, "</svg>"])


def _panel(title: str, lines: Mapping[str, Points], log: bool, limits: tuple[float, float] | None) -> str:
    every = [p for points in lines.values() for p in points]
    place = math.log10 if log else float
    low, high = limits or (min(place(y) for _, y in every), max(place(y) for _, y in every))
    if low == high:
        low, high = low - (abs(low) * 0.1 or 1), high + (abs(high) * 0.1 or 1)
    first, last = min(x for x, _ in every), max(x for x, _ in every)

    def at(x: float, y: float) -> tuple[float, float]:
        share = (place(y) - low) / (high - low)
        return LEFT + (x - first) / (last - first or 1) * (W - LEFT - 6), (1 - share) * (H - BELOW)

    parts = [
        f'<text x="0" y="-7" font-weight="600" fill="#1d2430">{escape(title + (", log" if log else ""))}</text>'
    ]
    for end in (low, high):
        y = 0.0 if end == high else float(H - BELOW)
        words = text.number(10**end if log else end, 3)
        parts.append(
            f'<path d="M{LEFT} {y:g}H{W - 6}" stroke="#dfe3e8"/>'
            f'<text x="{LEFT - 6}" y="{y + 4:g}" text-anchor="end" fill="#545e6e">{escape(words)}</text>'
        )
    for k, points in lines.items():
        path = "L".join(f"{a:.1f} {b:.1f}" for a, b in (at(*p) for p in thinned(points)))
        ink = _INK.get(k, "#545e6e")
        dash = ' stroke-dasharray="4 3"' if k.startswith("val_") else ""
        parts.append(f'<path d="M{path}" fill="none" stroke="{ink}" stroke-width="1.3"{dash}/>')
    names = ", ".join(f"{k} {text.number(points[-1][1], 4)}" for k, points in lines.items() if points)
    parts.append(f'<text x="{W - 6}" y="-7" text-anchor="end" fill="#545e6e">{escape(names)}</text>')
    parts.append(f'<text x="{LEFT}" y="{H}" fill="#545e6e">step {first:g}</text>')
    parts.append(f'<text x="{W - 6}" y="{H}" text-anchor="end" fill="#545e6e">{last:g}</text>')
    return "".join(parts)
