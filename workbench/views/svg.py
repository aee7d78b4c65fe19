"""A picture of the graph as SVG text, drawn in pure Python: no browser, no fonts measured, nothing imported."""

from __future__ import annotations

import math
from collections.abc import Mapping
from html import escape

from workbench.graph import Graph
from workbench.views import text
from workbench.views.layout import GAP, ROW, fold, layers

WIDTH, HEIGHT, LIMIT = 208, 38, 150
# five anchors of viridis (dark = small), the same ramp as the front end's
_VIRIDIS = ((68, 1, 84), (59, 82, 139), (33, 145, 140), (94, 201, 98), (253, 231, 37))


def viridis(t: float) -> str:
    """The colour at `t` in [0, 1] as ``rgb(...)``."""
    x = min(max(t, 0.0), 1.0) * (len(_VIRIDIS) - 1)
    i = min(int(x), len(_VIRIDIS) - 2)
    mixed = (round(a + (b - a) * (x - i)) for a, b in zip(_VIRIDIS[i], _VIRIDIS[i + 1], strict=True))
    return f"rgb({','.join(map(str, mixed))})"


def _short(value: str, limit: int = 22) -> str:
    return value if len(value) <= limit else value[: limit // 2] + "…" + value[-(limit // 2 - 1) :]


def _shade(values: Mapping[str, float | None], log: bool) -> dict[str, str]:
    """Each node's colour: linear or logarithmic between the smallest and the largest finite value."""
    usable = {k: v for k, v in values.items() if v is not None and math.isfinite(v) and (v > 0 or not log)}
    scaled = {k: math.log10(v) if log else v for k, v in usable.items()}
    if not scaled:
        return {}
    low, high = min(scaled.values()), max(scaled.values())
    return {k: viridis((v - low) / (high - low) if high > low else 0.5) for k, v in scaled.items()}


def graph_svg(
    graph: Graph,
    *,
    values: Mapping[str, float | None] | None = None,
    log: bool = True,
    selected: str | None = None,
    limit: int = LIMIT,
) -> str:
    """The graph as an SVG document, top to bottom.

    Parameters
    ----------
    values : a number a node, shown as a viridis stripe and as text, e.g. a bound's width.
    log : whether the stripe's scale is logarithmic.
    selected : the name of a node to outline.
    limit : about how many boxes to draw; beyond that, groups (or runs of nodes) are folded.
    """
    owner, members = fold(graph, limit)
    edges = sorted(
        {
            (owner[operand], owner[node.name])
            for node in graph.nodes
            for operand in node.inputs
            if operand in owner and owner[operand] != owner[node.name]
        }
    )
    rows = layers(list(members), edges)
    widest = max((len(row) for row in rows), default=1)
    page_w = max(widest * (WIDTH + GAP) + GAP, 260)
    page_h = len(rows) * ROW + 20
    at = {
        key: (page_w / 2 + (i - (len(row) - 1) / 2) * (WIDTH + GAP) - WIDTH / 2, 14 + level * ROW)
        for level, row in enumerate(rows)
        for i, key in enumerate(row)
    }
    shade = _shade(values or {}, log)
    out = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {page_w:g} {page_h:g}" width="{page_w:g}" '
            f'height="{page_h:g}" role="img" font-family="system-ui, sans-serif" font-size="11">'
        ),
        f"<title>{escape(graph.name)}: {len(graph.nodes)} nodes</title>",
        f'<rect width="{page_w:g}" height="{page_h:g}" fill="#fff"/>',
        (
            '<defs><marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
            'orient="auto">'
            '<path d="M0 0L8 4L0 8z" fill="#6b7483"/></marker></defs>'
        ),
    ]
    for a, b in edges:
        (x1, y1), (x2, y2) = at[a], at[b]
        x1, x2, y1 = x1 + WIDTH / 2, x2 + WIDTH / 2, y1 + HEIGHT
        middle = (y1 + y2) / 2
        out.append(
            f'<path d="M{x1:g} {y1:g}C{x1:g} {middle:g} {x2:g} {middle:g} {x2:g} {y2 - 1:g}" fill="none" '
            'stroke="#8d97a6" marker-end="url(#arrow)"/>'
        )
    for key, names in members.items():
        out.append(_box(graph, key, names, at[key], shade, values or {}, selected))
    return "".join([*out, "</svg>"])


def _box(
    graph: Graph,
    key: str,
    names: list[str],
    at: tuple[float, float],
    shade: Mapping[str, str],
    values: Mapping[str, float | None],
    selected: str | None,
) -> str:
    """One box: operator or group in bold, name below, shape at the right, the overlay's stripe at the left."""
    x, y = at
    if len(names) == 1:
        node = graph.by_name[names[0]]
        title, label, right = node.op, node.name, text.shape(node.shape)
        value = values.get(node.name)
        extra = text.number(value, 3) if value is not None else ""
    else:
        title, label, right, extra = key.rstrip("/"), f"{len(names)} nodes", "", ""
    edge = "#1f6fd1" if selected in names else "#c4cad3"
    parts = [
        (
            f'<g><title>{escape(label if len(names) == 1 else title)}</title><rect x="{x:g}" y="{y:g}" width="{WIDTH}" '
            f'height="{HEIGHT}" rx="6" fill="#fff" stroke="{edge}" stroke-width="{2 if selected in names else 1}"/>'
        )
    ]
    if len(names) == 1 and names[0] in shade:
        parts.append(
            f'<rect x="{x:g}" y="{y:g}" width="6" height="{HEIGHT}" rx="2" fill="{shade[names[0]]}"/>'
        )
    lines = (
        (14, 16, "start", title, "600", "#1d2430"),
        (14, 30, "start", label, "400", "#5d6778"),
        (WIDTH - 10, 16, "end", right, "400", "#5d6778"),
        (WIDTH - 10, 30, "end", extra, "400", "#5d6778"),
    )
    for dx, dy, anchor, words, weight, colour in lines:
        if words:
            parts.append(
                f'<text x="{x + dx:g}" y="{y + dy:g}" text-anchor="{anchor}" font-weight="{weight}" '
                f'fill="{colour}">{escape(_short(words))}</text>'
            )
    return "".join([*parts, "</g>"])
