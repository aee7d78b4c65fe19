"""What RelaxationExplorer tells its front end, as plain data: one operator over a box, a network over a rectangle."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from workbench.graph import GraphError
from workbench.methods import reach
from workbench.methods.lines import Operator, Picture, Plane, curve, room
from workbench.region import Region
from workbench.semantics.plan import Plan

QUICK = ("ibp", "crown-ibp", "crown")  # methods that answer while something is dragged
LABELS = {"slopes": "CROWN, your slopes"}


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _plane(plane: Plane | None) -> dict[str, Any] | None:
    return (
        None
        if plane is None
        else {"slopes": list(plane.slopes), "offset": plane.offset, "chosen": plane.chosen}
    )


def describe(op: Operator, picture: Picture, asked: Mapping[str, Any]) -> dict[str, Any]:
    """One operator over one box as plain data for the front end."""
    low, high = tuple(asked["low"]), tuple(asked["high"])
    size = float(np.prod([b - a for a, b in zip(low, high, strict=True)]))
    rooms = {
        "shown": room(picture.lower, picture.upper, low, high),
        "best": room(picture.best_lower, picture.best_upper, low, high),
        "box": _finite((picture.image[1] - picture.image[0]) * size),
    }
    cut = asked.get("cut")
    said = ""
    if picture.lower is None or picture.upper is None:
        which = "line" if picture.lower is None and picture.upper is None else "line below"
        which = "line above" if picture.upper is None and picture.lower is not None else which
        said = f"no {which}: the function has no value, or no bound, somewhere in the box"
    return {
        **{key: asked[key] for key in ("seq", "op", "low", "high")},
        "cut": cut,
        "lower": _plane(picture.lower),
        "upper": _plane(picture.upper),
        "best_lower": _plane(picture.best_lower),
        "best_upper": _plane(picture.best_upper),
        "image": [_finite(v) for v in picture.image],
        "room": rooms,
        "curve": curve(op, low[0], high[0], *([] if op.arity == 1 else [float(cut)])),  # type: ignore[arg-type]
        "said": said,
    }


def read_ask(op: Operator, ask: Mapping[str, Any]) -> dict[str, Any]:
    """What the front end asked for, checked.

    Raises
    ------
    ValueError
        Ends or slopes that are no numbers, or of another operator.
    """

    def numbers(values: Any) -> list[float]:
        found = [float(v) for v in values]
        if len(found) != op.arity or not all(map(math.isfinite, found)):
            raise ValueError(f"{op.label} takes {op.arity} finite number(s)")
        return found

    low, high = numbers(ask["low"]), numbers(ask["high"])
    slopes = {key: None if ask.get(key) is None else numbers(ask[key]) for key in ("lower", "upper")}
    cut = None
    if op.arity == 2:
        given = ask.get("cut")
        cut = 0.5 * low[1] + 0.5 * high[1] if given is None else float(given)
        cut = min(max(cut, low[1]), high[1])
    return {"seq": int(ask.get("seq", 0)), "op": op.key, "low": low, "high": high, "cut": cut, **slopes}


def entry(method: str, found: reach.Outer | str) -> dict[str, Any]:
    """One method's polygon, or why it has none."""
    base = {"key": method, "label": LABELS.get(method, method.upper())}
    if isinstance(found, str):
        return {**base, "corners": [], "area": None, "seconds": None, "said": found}
    said = "" if found.corners else "no finite bound"
    return {
        **base,
        "corners": list(found.corners),
        "area": found.area,
        "seconds": found.seconds,
        "said": said,
    }


def read_rectangle(ask: Mapping[str, Any]) -> tuple[list[float], list[float], list[float] | None]:
    """Both ends of the two inputs, and the slopes that somebody chose.

    Raises
    ------
    ValueError
        What are no finite numbers in order.
    """
    low, high = ([float(v) for v in ask[k]] for k in ("lower", "upper"))
    ordered = all(a <= b for a, b in zip(low, high, strict=False))
    if len(low) != 2 or len(high) != 2 or not all(map(math.isfinite, (*low, *high))) or not ordered:
        raise ValueError("a rectangle needs two finite ends for each of two inputs, the lower one first")
    slopes = ask.get("slopes")
    return low, high, None if slopes is None else [float(v) for v in slopes]


def rectangle(plan: Plan, low: list[float], high: list[float]) -> Region:
    """The region of a network of two inputs."""
    shape = plan.graph[plan.graph.inputs[0]].shape
    return Region(np.reshape(low, (1, *shape)), np.reshape(high, (1, *shape)))


def network(plan: Plan, ask: Mapping[str, Any]) -> dict[str, Any]:
    """The network's pieces over a rectangle, and what the quick methods prove there.

    Raises
    ------
    ValueError
        See `read_rectangle`.
    """
    low, high, slopes = read_rectangle(ask)
    region = rectangle(plan, low, high)
    made: dict[str, Any] = {
        "seq": int(ask.get("seq", 0)),
        "name": plan.graph.name,
        "lower": low,
        "upper": high,
        "slopes": slopes,
        "pieces": None,
        "said": "",
    }
    try:
        found = reach.pieces(plan, low, high)
        outline = reach.hull([p for c in found.cells for p in c.outputs])
        made["pieces"] = {
            "cells": [{"inputs": c.inputs, "outputs": c.outputs, "signs": c.signs} for c in found.cells],
            "neurons": found.neurons,
            "hull": outline,
            "area": reach.area(outline) if len(outline) > 2 else 0.0,
        }
    except GraphError as error:
        made["said"] = str(error)
    made["methods"] = [entry(m, reach.tried(plan, region, m)) for m in QUICK]
    if slopes is not None:
        try:
            made["methods"].append(entry("slopes", reach.sloped(plan, region, slopes)))
        except (GraphError, ValueError) as error:
            made["methods"].append(entry("slopes", str(error)))
    return made
