"""A certificate as one static HTML file: what is claimed, what was proved, the tree, and the certificate itself.

It opens without a kernel and without a network, runs no script, and is the same for the same input.  Every text from
the certificate is escaped, and a content security policy forbids what would get through.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Mapping
from html import escape
from typing import Any

from workbench.certificate import words
from workbench.certificate.check import Accepted
from workbench.certificate.format import CannotCheck, Rejected
from workbench.certificate.outline import Node, Outline, outline

LISTED = 400  # parts that are listed one by one
COVER = (
    "<p>Each row of the drawing splits the parts above it; the parts at the ends (green) are proved one by one, "
    "and together they cover the region.</p>"
)
DRAWN = 6000  # parts that are drawn
SPACE = "\N{NO-BREAK SPACE}" * 2
WIDTH, ROW = 960.0, 14  # of the drawing, in pixels
STYLE = """
:root{color-scheme:light dark;--good:#117733;--bad:#aa3311;--line:#8888;--part:#88aadd66}
body{font:15px/1.5 system-ui,sans-serif;max-width:1000px;margin:2rem auto;padding:0 1rem}
h1{font-size:1.4rem}h2{font-size:1.1rem;margin-top:2rem}
.mark{border-left:5px solid var(--line);padding:.4rem .8rem}
.accepted{border-color:var(--good)}.rejected{border-color:var(--bad)}
th{text-align:left;vertical-align:top;padding-right:1rem;font-weight:600;white-space:nowrap}
td{overflow-wrap:anywhere}td,th{padding-bottom:.2rem}
code{overflow-wrap:anywhere}details{margin-left:1rem}summary{cursor:pointer}
svg{width:100%;height:auto}rect{fill:var(--part);stroke:var(--line);stroke-width:.5}rect.leaf{fill:#11773388}
rect.failed{fill:var(--bad)}
"""
POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def page(
    certificate: Mapping[str, Any],
    result: Accepted | Rejected | CannotCheck | None = None,
    *,
    network: str | None = None,
    asked: str | None = None,
) -> str:
    """The page.

    Parameters
    ----------
    certificate : from `format.loads`.
    result : what the checker said, or raised; None where it was not asked.
    network, asked : the files that the certificate was compared with, as somebody calls them.
    """
    try:
        claim = words.statement(certificate)
    except (Rejected, CannotCheck) as error:
        claim = f"(the claim cannot be read: {error})"
    try:
        trees = outline(certificate)
    except Rejected:
        trees = Outline(())
    failed = result.place if isinstance(result, Rejected) else None
    parts = [
        f"<h1>{_text(claim)}</h1>",
        _mark(result),
        "<h2>What was proved, and what is assumed</h2>",
        _table(_rows(certificate, result, network, asked)),
    ]
    for k, nodes in enumerate(trees.cases):
        at = None if failed is None or failed[0] != k else trees.at(*failed)
        more = f" of box {k}" if len(trees.cases) > 1 else ""
        leaves = sum(n.leaf for n in nodes)
        parts += [
            f"<h2>The proof{more}: {leaves:,} part{'s' if leaves != 1 else ''}</h2>",
            COVER,
            _drawing(nodes, None if at is None else at.id),
            _listing(nodes),
        ]
    parts += ["<h2>The certificate</h2>", _download(certificate)]
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width"><title>Certificate</title>'
        f"<style>{STYLE}</style></head><body>\n" + "\n".join(parts) + "\n</body></html>\n"
    )


def _text(value: object) -> str:
    """Escaped, and without characters that would hide or reorder others."""
    return escape("".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in str(value)))


def _mark(result: Accepted | Rejected | CannotCheck | None) -> str:
    if isinstance(result, Accepted):
        return f'<p class="mark accepted"><strong>accepted</strong> by the exact checker: {_text(words.LEVEL)}.</p>'
    if isinstance(result, Rejected):
        return (
            f'<p class="mark rejected"><strong>rejected</strong> by the exact checker. Rule {_text(result.step)}: '
            f"{_text(result.why)}.</p>"
        )
    why = "it was not asked" if result is None else str(result)
    return f'<p class="mark">not checked: {_text(why)}. What stands below is a claim.</p>'


def _rows(
    certificate: Mapping[str, Any],
    result: Accepted | Rejected | CannotCheck | None,
    network: str | None,
    asked: str | None,
) -> list[tuple[str, str]]:
    if isinstance(result, Accepted):
        found = words.rows(result, network=network, asked=asked)
    else:
        given, trust = certificate.get("network"), certificate.get("trust")
        names = given if isinstance(given, dict) else {}
        assumptions = trust.get("assumptions") if isinstance(trust, dict) else None
        found = [
            ("proved", "nothing"),
            ("network", str(names.get("name"))),
            ("sha256", str(names.get("sha256"))),
        ]
        found += [("assumed" if not k else "", str(a)) for k, a in enumerate(assumptions or ())]
    made = certificate.get("made_by")
    if isinstance(made, dict):
        found.append(("made by", ", ".join(f"{k} {v}" for k, v in sorted(made.items()) if k != "seconds")))
    return found


def _table(rows: list[tuple[str, str]]) -> str:
    cells = "".join(f"<tr><th>{_text(label)}</th><td>{_text(value)}</td></tr>" for label, value in rows)
    return f"<table>{cells}</table>"


def _drawing(nodes: tuple[Node, ...], failed: int | None) -> str:
    """Rows of rectangles: a part's width is its share of the parts at the ends, its row how often it was split."""
    under = [0] * len(nodes)
    for node in reversed(nodes):
        under[node.id] += node.leaf
        if node.parent is not None:
            under[node.parent] += under[node.id]
    left, used = [0.0] * len(nodes), [0.0] * len(nodes)
    shapes: list[str] = []
    unit = WIDTH / max(1, under[0] if nodes else 1)
    for node in nodes:
        if node.parent is not None:
            left[node.id] = left[node.parent] + used[node.parent]
            used[node.parent] += under[node.id] * unit
        if len(shapes) < DRAWN or node.id == failed:
            kind = "failed" if node.id == failed else "leaf" if node.leaf else ""
            shapes.append(
                f'<rect class="{kind}" x="{left[node.id]:.2f}" y="{node.depth * ROW}" '
                f'width="{max(under[node.id] * unit, 0.2):.2f}" height="{ROW}">'
                f"<title>{_text(_title(node))}</title></rect>"
            )
    height = (max((n.depth for n in nodes), default=0) + 1) * ROW
    more = f"<p>The first {DRAWN:,} of {len(nodes):,} parts are drawn.</p>" if len(nodes) > DRAWN else ""
    head = f'<svg viewBox="0 0 {WIDTH:.0f} {height}" role="img" aria-label="tree of parts">'
    return f"{head}{''.join(shapes)}</svg>{more}"


def _title(node: Node) -> str:
    return f"part {node.id}: {node.split or node.words[-1]}"


def _listing(nodes: tuple[Node, ...]) -> str:
    """The first parts, in words, as a tree that folds."""
    lines = [
        f"<li>{SPACE * min(n.depth, 30)}<code>{n.first}-{n.last}</code> {_text('; '.join(n.words))}</li>"
        for n in nodes[:LISTED]
    ]
    more = f"<li>and {len(nodes) - LISTED:,} more</li>" if len(nodes) > LISTED else ""
    return f"<details><summary>Step by step</summary><ul>{''.join(lines)}{more}</ul></details>"


def _download(certificate: Mapping[str, Any]) -> str:
    data = gzip.compress(json.dumps(certificate, separators=(",", ":")).encode() + b"\n", 9, mtime=0)
    href = "data:application/gzip;base64," + base64.b64encode(data).decode()
    return (
        f'<p><a download="certificate.json.gz" href="{href}">certificate.json.gz</a> ({len(data):,} bytes). '
        "Check it yourself: <code>workbench check certificate.json.gz --network NET.onnx</code></p>"
    )
