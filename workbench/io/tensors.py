"""ONNX tensors as NumPy arrays, checked before anything is allocated or opened.

Written here rather than taken from `onnx.numpy_helper`, because a file is not trusted: every size is compared with
the bytes that are there, and data outside the file is only read from inside the model's own folder.
"""

from __future__ import annotations

import stat
from math import prod
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import numpy as np

from workbench.graph import Array, GraphError
from workbench.limits import check_size

# ONNX's TensorProto.DataType -> NumPy, and the field that holds values which are not stored as raw bytes
ELEMENTS = {
    1: ("float32", "float_data"),
    2: ("uint8", "int32_data"),
    3: ("int8", "int32_data"),
    4: ("uint16", "int32_data"),
    5: ("int16", "int32_data"),
    6: ("int32", "int32_data"),
    7: ("int64", "int64_data"),
    9: ("bool", "int32_data"),
    10: ("float16", "int32_data"),
    11: ("float64", "double_data"),
    12: ("uint32", "uint64_data"),
    13: ("uint64", "uint64_data"),
}
UNREAD = {8: "string", 14: "complex64", 15: "complex128", 16: "bfloat16"}
EXTERNAL = 1  # TensorProto.DataLocation


def element_type(number: int, what: str) -> str:
    """The NumPy name of an ONNX element type.

    Raises
    ------
    GraphError
        A type that is not supported; `what` says whose it is.
    """
    if number not in ELEMENTS:
        name = UNREAD.get(number, f"number {number}")
        have = ", ".join(n for n, _ in ELEMENTS.values())
        raise GraphError(f"{what} has the element type {name}, which is not supported; supported: {have}")
    return ELEMENTS[number][0]


def array_of(tensor: Any, folder: Path | None, what: str = "") -> Array:
    """A `TensorProto` as an array of its own type.

    Parameters
    ----------
    tensor : the message.
    folder : where the model's file lies: external data is only read from there; None refuses it.
    what : how messages name the tensor; by default its name.

    Raises
    ------
    GraphError
        Sizes that do not agree, an element type that is not supported, external data outside the folder.
    """
    what = what or f"the tensor {tensor.name!r}"
    dtype = np.dtype(element_type(tensor.data_type, what))
    shape = tuple(tensor.dims)
    check_size(what, shape)
    count = prod(shape)
    if tensor.data_location == EXTERNAL:
        raw = _external(tensor, folder, count * dtype.itemsize, what)
    elif tensor.HasField("raw_data"):
        raw = tensor.raw_data
    else:
        return _typed(tensor, dtype, shape, what)
    if len(raw) != count * dtype.itemsize:
        raise GraphError(
            f"{what} of shape {list(shape)} and type {dtype} needs {count * dtype.itemsize} bytes, not {len(raw)}"
        )
    array = np.frombuffer(raw, dtype.newbyteorder("<")).reshape(shape)
    return array.astype(dtype, copy=False)


def _typed(tensor: Any, dtype: np.dtype[Any], shape: tuple[int, ...], what: str) -> Array:
    field = getattr(tensor, ELEMENTS[tensor.data_type][1])
    if len(field) != prod(shape):
        raise GraphError(
            f"{what} of shape {list(shape)} needs {prod(shape)} numbers, but the file holds {len(field)}"
        )
    if dtype == np.float16:  # stored as bit patterns
        values = np.asarray(field, np.int64)
        if ((values < 0) | (values > 0xFFFF)).any():
            raise GraphError(f"{what} holds a number that is not a 16-bit pattern")
        return values.astype(np.uint16).view(np.float16).reshape(shape)
    try:
        return np.asarray(field, dtype).reshape(shape)
    except (OverflowError, ValueError) as error:
        raise GraphError(f"{what} holds a number that is not of type {dtype}: {error}") from error


def _external(tensor: Any, folder: Path | None, size: int, what: str) -> bytes:
    """Bytes from a file beside the model, and from nowhere else."""
    entries = {e.key: e.value for e in tensor.external_data}
    location = entries.get("location", "")
    what = f"{what} keeps its data in the file {location!r}"
    if folder is None:
        raise GraphError(f"{what}, but this model was not read from a folder")
    posix, windows = PurePosixPath(location), PureWindowsPath(location)
    outside = posix.is_absolute() or windows.is_absolute() or bool(windows.drive) or bool(windows.root)
    if not location or outside or ".." in posix.parts or ".." in windows.parts or "\0" in location:
        raise GraphError(f"{what}, which is not inside the model's folder: refused")
    path = folder
    for part in posix.parts:
        path = path / part
        try:
            mode = path.lstat().st_mode
        except OSError:
            raise GraphError(f"{what}, which is not there") from None
        if stat.S_ISLNK(mode):
            raise GraphError(f"{what}, which is or lies behind a symbolic link: refused")
    if not stat.S_ISREG(mode):
        raise GraphError(f"{what}, which is not a regular file")
    try:
        offset, length = int(entries.get("offset", "0")), int(entries.get("length", str(size)))
    except ValueError:
        raise GraphError(f"{what}, with an offset or length that is not a number") from None
    if offset < 0 or length != size or offset + length > path.stat().st_size:
        raise GraphError(f"{what}, which does not hold {size} bytes at offset {offset}")
    with path.open("rb") as file:
        file.seek(offset)
        return file.read(size)
