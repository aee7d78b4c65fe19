"""The wire: what the front end is told, as plain data.  Its other half is ``widgets/src/core/wire.ts``.

Everything that crosses is described here and nowhere else; `tests/golden/wire.json` is read by the tests of both
sides.  Python to front end, as synced traits:

==================  ==================================================================================================
``graph``           ``{name, sha256, nodes: [{id, op, shape, dtype, inputs, group, params, attrs}], inputs, outputs,
                    ops: {op: {formula, doc}}}``; weights are not nodes, ``params`` counts the weight scalars used
``stamp``           what the shown result belongs to: ``{seq, eps, norm, method, format, example, region,
                    seconds}`` or null
``overlay``         ``{key, label, unit, log, values: {id: number or null}}``; ``overlays`` lists ``{key, label}``
``phases``          ``{id: [on, unstable, off]}``
``selection``       ``{node, index}``, both ways
``controls``        ``{eps_max, norm, methods, formats, examples}``
``thumbnail``       the input as a small picture, ``{w, h, channels, low, high, data}`` or null
``status``          the model's status and ``for``: the settings asked for now, ``{eps, norm, method, format, example,
                    region}``
``verdict``         ``{state, text, math, question, largest: [node, index], details: [{semantics, state}]}``
``detail``          the arrays of the selected node (see `workbench.views.detail`), with the stamp's fields beside;
                    ``detail_data``: their bytes
``neuron``          ``{node, index, relaxation, numbers: [{label, value, unit, kind, text, full}]}``
``attribution``     ``{output, index, items: [{node, index, contribution}], total}`` or null
``code``            ``{graph, bounds, rounding, workbench}``: lines of Python that reproduce what is shown, made when
                    a computation ends, and not at every step of a slider
``notice``          what went wrong with the last thing asked for, or ""
==================  ==================================================================================================

Front end to Python: the small traits ``eps``, ``method``, ``format``, ``example``, ``live``, ``overlay_key``,
``selection`` and ``window`` (a range of neurons of a huge node), and the custom messages ``{"type": "cancel" |
"compute" | "back" | "forward"}``.  JSON has no NaN or infinity: there they are null; arrays keep them.
"""

from __future__ import annotations

import hashlib
import math
from typing import Any

import numpy as np

import workbench.ops  # noqa: F401  (registers every operator: formulas are shown)
from workbench.floats.program import PROGRAMS
from workbench.graph import Graph, Node
from workbench.methods import named
from workbench.op import OPS
from workbench.views import text

METHODS = {key: key.upper().replace("ALPHA", "\N{GREEK SMALL LETTER ALPHA}") for key in named.METHODS}
FORMATS = {key: key for key in PROGRAMS}
BALLS = {
    "inf": "\N{DOUBLE VERTICAL LINE}x \N{MINUS SIGN} x\N{SUBSCRIPT ZERO}\N{DOUBLE VERTICAL LINE}\N{INFINITY}",
    "2": "\N{DOUBLE VERTICAL LINE}x \N{MINUS SIGN} x\N{SUBSCRIPT ZERO}\N{DOUBLE VERTICAL LINE}\N{SUBSCRIPT TWO}",
    "1": "\N{DOUBLE VERTICAL LINE}x \N{MINUS SIGN} x\N{SUBSCRIPT ZERO}\N{DOUBLE VERTICAL LINE}\N{SUBSCRIPT ONE}",
}
SETTINGS = ("eps", "norm", "method", "format", "example")  # and the region itself, as `region_token`
ATTRIBUTIONS = 24


def _finite(value: Any) -> float | None:
    """`value` for JSON: NaN and infinity become None."""
    number = None if value is None else float(value)
    return number if number is not None and math.isfinite(number) else None


def graph(g: Graph, name: str, sha256: str | None) -> dict[str, Any]:
    """The structure of `g`; operands that are weights are counted, not sent."""
    known = {node.name for node in g.nodes}
    nodes = [
        {
            "id": node.name,
            "op": node.op,
            "shape": list(node.shape),
            "dtype": node.dtype,
            "inputs": [operand for operand in node.inputs if operand in known],
            "group": node.group,
            "params": sum(
                int(np.size(g.weights[operand])) for operand in node.inputs if operand in g.weights
            ),
            "attrs": [
                [key, str(list(v) if isinstance(v, tuple) else v)[:200]] for key, v in node.attrs.items()
            ],
        }
        for node in g.nodes
    ]
    used = sorted({node.op for node in g.nodes})
    ops = {
        op: {"formula": getattr(OPS.get(op), "formula", ""), "doc": getattr(OPS.get(op), "doc", "")}
        for op in used
    }
    return {
        "name": name,
        "sha256": sha256,
        "nodes": nodes,
        "inputs": list(g.inputs),
        "outputs": [output for output in g.outputs if output in known],
        "ops": ops,
    }


def region_token(region: Any) -> str:
    """A short text that tells regions apart: two balls of one radius around different centres differ in it."""
    if region is None:
        return ""
    seen = hashlib.blake2b(digest_size=8)
    for part in (region.lower, region.upper, region.center):
        seen.update(b"-" if part is None else np.ascontiguousarray(part, dtype="<f8").tobytes())
    seen.update(repr((region.norm, region.eps, region.clip)).encode())
    return seen.hexdigest()


def settings(model: Any) -> dict[str, Any]:
    """What is asked for now; compared with a stamp it says whether that stamp's result is stale."""
    return {
        **{key: getattr(model, key) for key in SETTINGS},
        "region": region_token(getattr(model, "region", None)),
    }


def stamp(result: Any) -> dict[str, Any] | None:
    """What `result` was computed for; every drawn number carries it."""
    if result is None:
        return None
    region = getattr(getattr(result, "settings", None), "region", None)
    return {key: getattr(result, key) for key in ("seq", *SETTINGS, "seconds")} | {
        "region": region_token(region)
    }


def thumbnail(center: Any) -> dict[str, Any] | None:
    """The centre as a small picture where its shape looks like one: H×W, 1×H×W, 3×H×W, or a flat square."""
    if center is None:
        return None
    value = np.asarray(center, dtype=np.float64)
    dims = list(value.shape)
    while len(dims) > 2 and dims[0] == 1:
        dims = dims[1:]
    if len(dims) == 2 and dims[0] == 1:
        dims = dims[1:]
    side = math.isqrt(value.size)
    if len(dims) == 1 and side * side == value.size and side >= 5:
        dims = [side, side]
    if len(dims) == 2:
        dims = [1, *dims]
    if len(dims) != 3 or dims[0] not in (1, 3) or not min(dims[1:]) >= 4 or max(dims[1:]) > 96:
        return None
    picture = value.reshape(dims).transpose(1, 2, 0)
    low, high = float(np.nanmin(picture)), float(np.nanmax(picture))
    if not (math.isfinite(low) and math.isfinite(high)):
        return None
    # An input of one value everywhere has no contrast to stretch: its grey is that of a picture of values 0 to 1.
    span, base = (high - low, low) if high > low else (1.0, 0.0)
    levels = np.rint(np.clip((picture - base) / span, 0, 1) * 255).astype(int)
    return {
        "w": dims[2],
        "h": dims[1],
        "channels": dims[0],
        "low": low,
        "high": high,
        "data": levels.ravel().tolist(),
    }


def controls(model: Any) -> dict[str, Any]:
    """What the controls may be set to; what they are set to are small traits of their own."""
    return {
        "norm": model.norm,
        "eps_max": model.eps_max,
        "methods": [{"key": key, "label": label} for key, label in METHODS.items()],
        "formats": [{"key": key, "label": label} for key, label in FORMATS.items()],
        "examples": [str(label) for label, _ in model.examples],
    }


def status(model: Any) -> dict[str, Any]:
    """The model's status, and the settings that are asked for now."""
    now = dict(model.status)
    return {
        "state": now.get("state", "idle"),
        "message": str(now.get("message") or ""),
        "progress": _finite(now.get("progress")),
        "eta": _finite(now.get("eta")),
        "seq": now.get("seq", 0),
        "seconds": _finite(now.get("seconds")),
        "for": settings(model),
    }


def overlays(model: Any) -> list[dict[str, str]]:
    """The overlays to choose from; the unit tells two of one name apart."""
    return [
        {"key": key, "label": f"{label}, {unit}" if unit else label}
        for key, label, unit, _ in model.overlays()
    ]


def overlay(model: Any) -> dict[str, Any]:
    """The colour overlay that is chosen, a number a node."""
    found = {key: (label, unit, log) for key, label, unit, log in model.overlays()}
    key = model.overlay if model.overlay in found else next(iter(found), "")
    label, unit, log = found.get(key, ("none", "", False))
    values = {name: _finite(value) for name, value in model.overlay_values(key).items()} if key else {}
    return {"key": key, "label": label, "unit": unit, "log": bool(log), "values": values}


def phases(model: Any) -> dict[str, list[int]]:
    """Counts (on, unstable, off) of every node that has phases."""
    counted = {node.name: model.phases(node.name) for node in model.graph.nodes}
    return {name: [int(c) for c in counts] for name, counts in counted.items() if counts is not None}


def statement(result: Any) -> str:
    """The region of `result` in mathematics."""
    if result.norm == "box":
        return "for all x in the chosen box"
    least = "\N{LESS-THAN OR EQUAL TO}"
    clip = getattr(getattr(result, "settings", None), "clip", None)
    within = "" if clip is None else f" and {text.exact(clip[0])} {least} x {least} {text.exact(clip[1])}"
    return f"for all x with {BALLS.get(result.norm, BALLS['inf'])} {least} {text.exact(result.eps)}{within}"


def verdict(model: Any) -> dict[str, Any]:
    """The result's own verdict, else the plain statement of what is bounded (state "none": no tick is drawn)."""
    result = model.result
    own = getattr(result, "verdict", None) or getattr(model, "verdict", None)
    if isinstance(own, dict) and own.get("state"):
        return {"text": "", "math": statement(result), "details": [], **own}
    if result is None:
        return {"state": "none", "text": "nothing bounded yet", "math": "", "details": []}
    outputs = ", ".join(model.graph.outputs[:3])
    count = sum(model.graph[name].size for name in model.graph.outputs if name in result.bounds)
    words = f"{outputs}: {count:,} value{'' if count == 1 else 's'} bounded in real arithmetic"
    return {"state": "none", "text": words, "math": statement(result), "details": []}


def node_of(model: Any) -> Node | None:
    """The selected node, if there is one."""
    return model.graph.by_name.get(model.selection[0]) if model.selection[0] is not None else None


def attribution(model: Any) -> dict[str, Any] | None:
    """What contributes most to the rounding error of one output: the selected, else the largest at the centre."""
    result = model.result
    if result is None or not model.graph.outputs:
        return None
    chosen, index = model.selection
    output = chosen if chosen in model.graph.outputs else model.graph.outputs[0]
    if chosen != output or index is None:
        value = result.values.get(output)
        index = int(np.argmax(value)) if value is not None and np.size(value) else 0
    found = model.attribution(index, output)
    if not found:
        return None
    ranked = sorted(found, key=lambda item: -abs(item[2]))
    return {
        "output": output,
        "index": index,
        "items": [{"node": n, "index": i, "contribution": _finite(c)} for n, i, c in ranked[:ATTRIBUTIONS]],
        "total": _finite(sum(abs(c) for _, _, c in ranked)),
        "count": len(ranked),
    }


def code(model: Any) -> dict[str, str]:
    """The Python that reproduces each view."""
    base = model.code()
    calls = {"graph": "graph_view()", "bounds": "bounds_view()", "rounding": "rounding_view()"}
    return {"workbench": f"{base}\nmodel", **{key: f"{base}\nmodel.{call}" for key, call in calls.items()}}
