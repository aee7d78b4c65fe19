"""The numbers of one selected neuron, as text that is true: shortened outward, with every digit beside it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from workbench.graph import Node
from workbench.op import OPS
from workbench.views import text
from workbench.views.detail import ulp_size
from workbench.views.wire import METHODS


def _row(label: str, kind: str, short: str, full: str, value: Any = None, unit: str = "") -> dict[str, Any]:
    finite = value if value is not None and math.isfinite(value) else None
    return {"label": label, "kind": kind, "text": short, "full": full, "value": finite, "unit": unit}


def _interval(label: str, kind: str, low: float, high: float, behind: int | None) -> dict[str, Any]:
    return _row(label, kind, text.interval(low, high, behind=behind), text.exact(low, high), high - low)


def _ends(pair: Any, index: int) -> tuple[float, float]:
    return float(np.ravel(pair.lower)[index]), float(np.ravel(pair.upper)[index])


PHASES = {1: "always on", 0: "unstable", -1: "always off"}


def numbers(model: Any, node: Node, index: int) -> list[dict[str, Any]]:
    """Every number known about neuron `index` (flat) of `node` in the model's result."""
    result, name, rows = model.result, node.name, []
    operand, phases = model.phase_operand(name), model.neuron_phases(name)
    label = METHODS.get(result.method, result.method)
    found: list[tuple[str, str, float, float]] = []
    for source, title, kind in ((result.bounds, label, "interval"), (result.loose, "IBP", "loose")):
        if source is result.loose and result.method == "ibp":
            continue
        if operand is not None and operand in source:
            found.append((f"{title}, before", kind, *_ends(source[operand], index)))
        if name in source:
            found.append((f"{title}, after" if operand else title, kind, *_ends(source[name], index)))
    drawn = result.samples.get(name) if result.samples is not None else None
    seen = None
    if drawn is not None and len(drawn):
        column = np.asarray(drawn, dtype=np.float64).reshape(len(drawn), -1)[:, index]
        seen = float(column.min()), float(column.max())
    # one number of digits for the whole column, so that its rows can be compared: as many as the narrowest row needs
    asked = [text.places(low, high) for _, _, low, high in found]
    behind = max((p for p in asked if p is not None), default=None)
    rows += [_interval(*row, behind) for row in found]
    if phases is not None:
        rows.append(_row("phase", "phase", PHASES[int(np.ravel(phases)[index])], ""))
    if result.values is not None and name in result.values:
        value = float(np.ravel(result.values[name])[index])
        rows.append(_row("value at the centre", "value", text.value(value, behind), text.exact(value), value))
    if seen is not None and drawn is not None:
        shown = text.interval(*seen, behind=behind)
        rows.append(_row(f"seen in {len(drawn):,} samples", "sample", shown, text.exact(*seen)))
    unit = None
    if name in result.bounds:
        pair = result.bounds[name]
        size = np.array(max(abs(float(np.ravel(pair.lower)[index])), abs(float(np.ravel(pair.upper)[index]))))
        unit = float(ulp_size(size, result.format))
    for mapping, title in (
        (result.rounding, f"rounding, {result.format}"),
        (result.observed, "rounding observed"),
    ):
        error = mapping.get(name) if mapping is not None else None
        if error is None:
            if node.op != "Input" and model.status.get("state") == "computing":
                rows.append(_row(title, "rounding", "\N{HORIZONTAL ELLIPSIS}", "not computed yet"))
            continue
        value = float(np.ravel(error)[index])
        sign = "\N{LESS-THAN OR EQUAL TO} " if mapping is result.rounding else ""
        ulps = f"  ({text.at_most(value / unit, 2)} ulp)" if unit and math.isfinite(value) else ""
        rows.append(_row(title, "rounding", f"{sign}{text.at_most(value)}{ulps}", text.exact(value), value))
    return rows


def _relaxation(model: Any, node: Node, index: int) -> dict[str, Any] | None:
    """The model's relaxation with plain finite floats, or None where it cannot be drawn."""
    found = model.relaxation(node.name, index)
    if found is None:
        return None
    plain: dict[str, Any] = {
        "formula": getattr(OPS.get(node.op), "formula", "") or str(found.get("formula", "")),
        "l": float(found["l"]),
        "u": float(found["u"]),
    }
    for side in ("lower", "upper"):
        line = found.get(side)
        plain[side] = {key: float(line[key]) for key in ("slope", "offset")} if line is not None else None
    plain["curve"] = [[float(x), float(y)] for x, y in found.get("curve", ())]
    every = [
        plain["l"],
        plain["u"],
        *(v for side in ("lower", "upper") if plain[side] for v in plain[side].values()),
    ]
    every += [v for point in plain["curve"] for v in point]
    if not all(math.isfinite(v) for v in every):
        return None
    operand = node.inputs[0] if node.inputs else None
    values = model.result.values if model.result is not None else None
    if (
        operand is not None
        and values is not None
        and operand in values
        and np.size(values[operand]) == node.size
    ):
        plain["center"] = [
            float(np.ravel(values[operand])[index]),
            float(np.ravel(values[node.name])[index]) if node.name in values else None,
        ]
    return plain


def neuron(model: Any, node: Node | None, index: int | None) -> dict[str, Any]:
    """The trait ``neuron`` of the wire: empty where no neuron is selected or nothing is computed."""
    if node is None or index is None or not 0 <= index < node.size or model.result is None:
        return {
            "node": node.name if node else None,
            "index": None,
            "relaxation": None,
            "numbers": [],
        }
    return {
        "node": node.name,
        "index": index,
        "position": [int(p) for p in np.unravel_index(index, node.shape)] if node.shape else [],
        "relaxation": _relaxation(model, node, index),
        "numbers": numbers(model, node, index),
    }
