"""safetensors files: named arrays, and text beside them, in a format that cannot run anything.

The format: 8 bytes (little-endian) with the length of a JSON header, the header, and the arrays' bytes one after
another.  A file is written beside its place and moved there when it is whole, so that a crash leaves the old one.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from workbench.graph import Array, GraphError

TYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "|i1", "U8": "|u1",
    "BOOL": "|b1", "U16": "<u2", "U32": "<u4", "U64": "<u8",
}  # fmt: skip
NAMES = {np.dtype(v): k for k, v in TYPES.items()}
LONGEST_HEADER = 100_000_000


def save(path: Any, arrays: Mapping[str, Array], metadata: Mapping[str, str] | None = None) -> None:
    """Write arrays by name."""
    header: dict[str, Any] = {"__metadata__": dict(metadata)} if metadata else {}
    parts, at = [], 0
    for name, array in arrays.items():
        whole = np.asarray(array)
        whole = np.ascontiguousarray(whole, whole.dtype.newbyteorder("<")).reshape(whole.shape)
        if whole.dtype not in NAMES:
            raise GraphError(f"{name}: arrays of {whole.dtype} cannot be kept in a safetensors file")
        header[name] = {
            "dtype": NAMES[whole.dtype], "shape": list(whole.shape), "data_offsets": [at, at + whole.nbytes],
        }  # fmt: skip
        parts.append(whole.tobytes())
        at += whole.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    target = Path(path)
    beside = target.with_name(f".{target.name}.part")
    with beside.open("wb") as file:
        file.write(len(text).to_bytes(8, "little"))
        file.write(text)
        for part in parts:
            file.write(part)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(target)


def load(path: Any) -> tuple[dict[str, Array], dict[str, str]]:
    """The arrays of a file by name, and its metadata.

    By their suffixes, PyTorch's files (.pt, .pth, .bin) are read too, without PyTorch and without running anything
    that they hold, and NumPy's .npz.

    Raises
    ------
    GraphError
        What is no such file; one sentence says why.
    """
    suffix = Path(path).suffix.lower()
    if suffix in (".pt", ".pth", ".bin"):
        from workbench.nn import pickled

        return pickled.load(path), {}
    if suffix == ".npz":
        try:
            with np.load(path, allow_pickle=False) as held:
                return {k: held[k] for k in held.files}, {}
        except (OSError, ValueError) as error:
            raise GraphError(f"{path} is no .npz file, or a damaged one: {error}") from None
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise GraphError(f"{path} cannot be read: {error.strerror or error}") from None
    try:
        return _parsed(data)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise GraphError(f"{path} is no safetensors file, or a damaged one: {error}") from None


def _parsed(data: bytes) -> tuple[dict[str, Array], dict[str, str]]:
    length = int.from_bytes(data[:8], "little")
    if len(data) < 8 or length > min(LONGEST_HEADER, len(data) - 8):
        raise ValueError("it ends before its header does")
    header = json.loads(data[8 : 8 + length])
    body = memoryview(data)[8 + length :]
    metadata = {str(k): str(v) for k, v in header.pop("__metadata__", {}).items()}
    arrays = {}
    for name, entry in header.items():
        half = entry["dtype"] == "BF16"  # the upper half of a float32
        kind = np.dtype(TYPES["U16" if half else entry["dtype"]])
        shape = tuple(int(n) for n in entry["shape"])
        first, last = (int(v) for v in entry["data_offsets"])
        if min(shape, default=0) < 0 or not 0 <= first <= last <= len(body):
            raise ValueError(f"{name} lies outside of the file")
        if last - first != prod(shape) * kind.itemsize:
            raise ValueError(f"{name} has another size than its shape")
        array = np.frombuffer(body[first:last], kind).reshape(shape)
        arrays[name] = (array.astype(np.uint32) << 16).view(np.float32) if half else array.copy()
    return arrays, metadata
