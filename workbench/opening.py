"""load: open a file as a live model."""

from __future__ import annotations

import hashlib
from os import PathLike
from pathlib import Path
from typing import Any

from workbench.graph import GraphError
from workbench.model import Model

EXAMPLE = "example:"
OTHERS = (".nnet", ".keras")


def load(path: str | Path, **options: Any) -> Model:
    """Open a file as a live model: ONNX, and by its suffix NNet (.nnet) or Keras (.keras).

    Parameters
    ----------
    path : the file; or one of the networks that come with the package, as the command line names them:
        ``"example:digits"``.
    options : passed to `Model` (examples, clip, name), and `shapes=` to the reader for dynamic dimensions (by name for
        ONNX, in order for Keras); `units=` and `dtype=` for NNet, see `workbench.io.nnet`.

    Raises
    ------
    GraphError
        The file is not a network that can be read; one sentence says why.
    """
    if not isinstance(path, (str, PathLike)):
        raise GraphError(f"the path of a network's file is expected, not {type(path).__name__}")
    if str(path).startswith(EXAMPLE):
        return _packaged(str(path).removeprefix(EXAMPLE), options)
    from workbench.io import onnx

    shapes = options.pop("shapes", None)
    file = Path(path)
    if file.suffix.lower() in OTHERS:
        return _other(file, shapes, options)
    data = onnx.read(file)  # once: the hash is of the very bytes that the graph was read from
    graph = onnx.from_bytes(data, name=file.name, folder=file.parent, shapes=shapes)
    digest = hashlib.sha256(data).hexdigest()
    given = {"clip": options.get("clip"), "shapes": shapes, "name": options.get("name")}
    said = "".join(f", {key}={value!r}" for key, value in given.items() if value is not None)
    options = {"name": file.name, "origin": f"wb.load({str(path)!r}{said})", **options}
    return Model(graph, path=str(path), sha256=digest, **options)


def _other(file: Path, shapes: Any, options: dict[str, Any]) -> Model:
    """A model of a file that is not ONNX."""
    from workbench.io import nnet, onnx

    data = onnx.read(file)  # once, as above
    told: dict[str, Any] = {"shapes": shapes} if shapes is not None else {}
    if file.suffix.lower() == ".nnet":
        if shapes is not None:
            raise GraphError("an NNet file says its shape itself: leave shapes out")
        told = {k: options.pop(k) for k in ("units", "dtype") if k in options}
        graph = nnet.from_text(data.decode("utf-8", "replace"), name=file.stem, **told)
    else:
        from workbench.nn import keras

        graph = keras.load(file, data).graph(*(shapes or ()))
    given = {**told, "clip": options.get("clip"), "name": options.get("name")}
    said = "".join(f", {key}={value!r}" for key, value in given.items() if value is not None)
    options = {"name": file.name, "origin": f"wb.load({str(file)!r}{said})", **options}
    return Model(graph, path=str(file), sha256=hashlib.sha256(data).hexdigest(), **options)


def _packaged(name: str, options: dict[str, Any]) -> Model:
    from workbench import examples

    if name not in examples.NAMES:
        raise GraphError(f"there is no example {name!r}; there are: {', '.join(examples.NAMES)}")
    if options:
        raise GraphError(f"{EXAMPLE}{name} takes no options: set them on the model")
    found: Model = getattr(examples, name)()
    return found
