"""PyTorch's files of weights (.pt, .pth, .bin) without PyTorch, and without running anything that they hold.

Such a file is a ZIP archive: a pickle that describes tensors, and their bytes.  A pickle can name any function to be
called; here every name that is not in a short list is refused before anything is called.
"""

from __future__ import annotations

import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from workbench.graph import Array, GraphError
from workbench.limits import check_size

STORAGES = {
    "FloatStorage": "<f4", "DoubleStorage": "<f8", "HalfStorage": "<f2", "LongStorage": "<i8", "IntStorage": "<i4",
    "ShortStorage": "<i2", "CharStorage": "|i1", "ByteStorage": "|u1", "BoolStorage": "|b1", "BFloat16Storage": "bf16",
}  # fmt: skip


@dataclass(frozen=True)
class _Storage:
    kind: str
    key: str
    count: int


class _Reader(pickle.Unpickler):
    """Gives what the list below has, and refuses every other name."""

    def __init__(self, archive: zipfile.ZipFile, folder: str) -> None:
        super().__init__(BytesIO(archive.read(f"{folder}data.pkl")))
        self._archive, self._folder = archive, folder
        self._known: dict[tuple[str, str], Any] = {
            ("collections", "OrderedDict"): OrderedDict,
            ("torch._utils", "_rebuild_tensor_v2"): self._tensor,
            ("torch._utils", "_rebuild_parameter"): lambda data, *_: data,
            **{("torch", name): kind for name, kind in STORAGES.items()},
        }

    def find_class(self, module: str, name: str) -> Any:
        """What a name in the pickle stands for."""
        if (module, name) not in self._known:
            raise GraphError(
                f"it asks for {module}.{name}, which is not part of a file of weights: nothing of it was run; save "
                "module.state_dict(), not the module"
            )
        return self._known[module, name]

    def persistent_load(self, pid: Any) -> Any:
        """A tensor's bytes: where they lie."""
        what, kind, key, _where, count = pid
        if what != "storage" or kind not in STORAGES.values():
            raise ValueError("it refers to something that is no storage of numbers")
        return _Storage(kind, str(key), int(count))

    def _tensor(self, storage: _Storage, offset: int, size: Any, stride: Any, *_: Any) -> Array:
        shape = tuple(int(n) for n in size)
        check_size("a tensor", shape)
        data = self._archive.read(f"{self._folder}data/{storage.key}")
        if storage.kind == "bf16":  # the upper half of a float32
            flat = (np.frombuffer(data, "<u2").astype(np.uint32) << 16).view(np.float32)
        else:
            flat = np.frombuffer(data, storage.kind)
        steps = tuple(int(n) for n in stride)
        last = offset + sum((n - 1) * s for n, s in zip(shape, steps, strict=True)) if prod(shape) else offset
        if min((offset, *shape, *steps), default=0) < 0 or last >= len(flat) + (not prod(shape)):
            raise ValueError("a tensor lies outside of its storage")
        whole = np.lib.stride_tricks.as_strided(
            flat[offset:], shape, tuple(s * flat.itemsize for s in steps), writeable=False
        )
        return whole.copy()


def load(path: Any) -> dict[str, Array]:
    """The tensors of a file by name; names inside of names are joined with dots.

    Raises
    ------
    GraphError
        What is no such file, or asks for anything but tensors; one sentence says why.
    """
    try:
        with zipfile.ZipFile(Path(path)) as archive:
            found = _Reader(archive, _folder(archive)).load()
        return _named(found)
    except GraphError as error:
        raise GraphError(f"{path} cannot be read: {error}") from None
    except Exception as error:  # noqa: BLE001  (a damaged pickle raises anything)
        raise GraphError(f"{path} is no file of weights of PyTorch's, or a damaged one: {error}") from None


def _folder(archive: zipfile.ZipFile) -> str:
    """Where the description of the tensors lies."""
    if any(m.compress_type != zipfile.ZIP_STORED for m in archive.infolist()):
        raise GraphError("it is compressed, which PyTorch's files of weights are not")
    inside = [n for n in archive.namelist() if n == "data.pkl" or n.endswith("/data.pkl")]
    if len(inside) != 1:
        raise GraphError("it holds no tensors in PyTorch's format of 2020 and later")
    return inside[0].removesuffix("data.pkl")


def _named(thing: Any, path: str = "") -> dict[str, Array]:
    if isinstance(thing, np.ndarray):
        return {path or "tensor": thing}
    if not isinstance(thing, Mapping):
        return {}
    found: dict[str, Array] = {}
    for key, value in thing.items():
        found |= _named(value, f"{path}.{key}" if path else str(key))
    return found
