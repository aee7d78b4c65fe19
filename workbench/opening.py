"""load: open a file as a live model."""

from __future__ import annotations

import hashlib
from os import PathLike
from pathlib import Path
from typing import Any

from workbench.graph import GraphError
from workbench.model import Model

EXAMPLE = "example:"


def load(path: str | Path, **options: Any) -> Model:
    """Open an ONNX file as a live model.

    Parameters
    ----------
    path : the file; or one of the networks that come with the package, as the command line names them:
        ``"example:digits"``.
    options : passed to `Model` (examples, clip, name), and `shapes=` to the reader for dynamic dimensions.

    Raises
    ------
    GraphError
        The file is not a network that can be read; one sentence says why.
    """
    if not isinstance(path, (str, PathLike)):
        raise GraphError(f"the path of an ONNX file is expected, not {type(path).__name__}")
    if str(path).startswith(EXAMPLE):
        return _packaged(str(path).removeprefix(EXAMPLE), options)
    from workbench.io import onnx

    shapes = options.pop("shapes", None)
    file = Path(path)
    data = onnx.read(file)  # once: the hash is of the very bytes that the graph was read from
    graph = onnx.from_bytes(data, name=file.name, folder=file.parent, shapes=shapes)
    digest = hashlib.sha256(data).hexdigest()
    given = {"clip": options.get("clip"), "shapes": shapes, "name": options.get("name")}
    said = "".join(f", {key}={value!r}" for key, value in given.items() if value is not None)
    options = {"name": file.name, "origin": f"wb.load({str(path)!r}{said})", **options}
    return Model(graph, path=str(path), sha256=digest, **options)


def _packaged(name: str, options: dict[str, Any]) -> Model:
    from workbench import examples

    if name not in examples.NAMES:
        raise GraphError(f"there is no example {name!r}; there are: {', '.join(examples.NAMES)}")
    if options:
        raise GraphError(f"{EXAMPLE}{name} takes no options: set them on the model")
    found: Model = getattr(examples, name)()
    return found
