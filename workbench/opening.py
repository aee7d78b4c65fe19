"""load: open a file as a live model."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from workbench.model import Model


def load(path: str | Path, **options: Any) -> Model:
    """Open an ONNX file as a live model.

    Parameters
    ----------
    path : the file.
    options : passed to `Model` (examples, clip, name), and `shapes=` to the reader for dynamic dimensions.

    Raises
    ------
    GraphError
        The file is not a network that can be read; one sentence says why.
    """
    from workbench.io import onnx

    shapes = options.pop("shapes", None)
    file = Path(path)
    data = onnx.read(file)  # once: the hash is of the very bytes that the graph was read from
    graph = onnx.from_bytes(data, name=file.stem, folder=file.parent, shapes=shapes)
    digest = hashlib.sha256(data).hexdigest()
    return Model(graph, name=options.pop("name", file.name), path=str(path), sha256=digest, **options)
