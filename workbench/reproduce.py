"""The Python that reproduces what is shown: run in an empty namespace it makes the model and its settings again."""

from __future__ import annotations

import base64
import zlib
from typing import TYPE_CHECKING

import numpy as np

from workbench.graph import Array
from workbench.region import Region

if TYPE_CHECKING:
    from workbench.model import Model

WRITTEN = 256  # numbers that are written one by one; beyond, packed
PACKED = 1 << 16  # numbers that are packed into the text; beyond, a file is asked for


def code(model: Model) -> str:
    """Lines that bring a new model of the same network to the model's settings and selection.

    Names used: ``wb``, ``model``, and ``np``, ``base64``, ``zlib`` where numbers have to be written.  A model that was
    made from a graph in memory is written as ``wb.Model(graph)``: only its owner has the graph.
    """
    lines = ["import workbench as wb", "", f"model = {model.origin or _made(model)}"]
    lines += _place(model)
    lines.append(f"model.method, model.format = {str(model.method)!r}, {str(model.format)!r}")
    if model.selection != (None, None):
        lines.append(f"model.selection = {model.selection!r}")
    if model.overlay != "width":
        lines.append(f"model.overlay = {str(model.overlay)!r}")
    body = "\n".join(lines)
    more = [f"import {name}" for name in ("base64", "zlib") if f"{name}." in body]
    more += ["import numpy as np"] if "np." in body else []
    return "\n".join([*more, body])


def _made(model: Model) -> str:
    clip = "" if model.clip is None else f", clip={model.clip!r}"
    return f"wb.Model(graph, name={model.name!r}{clip})  # graph: the one in memory"


def _place(model: Model) -> list[str]:
    """The lines that choose the region."""
    region, center = model.region, model.center
    if region is None or center is None:
        return []
    if region.eps is None:
        ends = (f"{name} = {array(end[0], f'region.{name}[0]')}" for name, end in _ends(region))
        return [*ends, "model.region = wb.box(lower, upper)"]
    packaged = model.origin is not None and model.origin.startswith("wb.examples.")
    brought = model.example is not None and packaged  # such a network brings its inputs along
    x = f"model.examples[{model.example}][1]" if brought else array(center, "center")
    ball = f"x, eps={region.eps!r}, norm={region.norm!r}"
    if region.clip == model.clip:
        return [f"x = {x}", f"model.explore({ball})"]
    return [f"x = {x}", f"model.region = wb.ball({ball}, clip={region.clip!r})"]


def _ends(region: Region) -> tuple[tuple[str, Array], tuple[str, Array]]:
    return ("lower", region.lower), ("upper", region.upper)


def array(values: Array, own: str) -> str:
    """An expression for a float64 array, exact to the last bit; `own` is what it is called on the model."""
    values = np.asarray(values, np.float64)
    flat, shape = values.ravel(), values.shape
    if flat.size and (flat == flat[0]).all() and not np.signbit(flat[flat == 0]).any():
        return f"np.full({shape!r}, {float(flat[0])!r})"
    if flat.size <= WRITTEN:
        return f"np.array({flat.tolist()!r}).reshape({shape!r})"
    if flat.size > PACKED:
        return f"np.load('x.npy')  # {flat.size:,} numbers, saved before with np.save('x.npy', model.{own})"
    kind = "<f4" if (flat.astype("<f4") == flat).all() else "<f8"
    text = base64.b85encode(zlib.compress(flat.astype(kind).tobytes(), 9)).decode()
    return f"np.frombuffer(zlib.decompress(base64.b85decode({text!r})), {kind!r}).reshape({shape!r})"
