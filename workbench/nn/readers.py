"""Arrays and tables from files: .npy, .npz, CSV.  A file is data, never a program; a fault is told with its place."""

from __future__ import annotations

import csv
import io
import math
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from workbench.graph import Array
from workbench.nn.dataset import DataError, Dataset

LIMIT = 4 * 2**30  # bytes that a file may unpack to, unless more are asked for
MISSING = {"", "na", "n/a", "nan", "null", "none", "?", "-", "."}


def read_npy(path: Any, limit: int = LIMIT) -> Array:
    """The array in an .npy file; pickled objects are refused.

    Parameters
    ----------
    limit : bytes that it may have.

    Raises
    ------
    DataError
        No such file, no array, objects, or an array that says it is larger than the file.
    """
    file = _file(path)
    with file.open("rb") as stream:
        return _array(stream, file.stat().st_size, str(file), limit)


def read_npz(path: Any, x: str = "x", y: str | None = "y", limit: int = LIMIT) -> Dataset:
    """Examples and targets from an .npz file.

    Parameters
    ----------
    x, y : names of the arrays in it; None for no targets.
    limit : bytes that these may unpack to.

    Raises
    ------
    DataError
        As `read_npy`; a name that is not there.
    """
    file = _file(path)
    try:
        with zipfile.ZipFile(file) as archive:
            held = {Path(i.filename).stem: i for i in archive.infolist() if i.filename.endswith(".npy")}
            wanted = [name for name in (x, y) if name is not None]
            arrays = [_array(*_entry(archive, held, n, file, limit), f"{file}, {n}", limit) for n in wanted]
    except DataError:
        raise
    except Exception as error:  # noqa: BLE001  # zlib.error, BadZipFile, RuntimeError (a password), ...
        raise DataError(f"{file} is no .npz archive that can be read: {error}") from None
    targets = None if y is None else arrays[1]
    if targets is not None and targets.dtype.kind in "iu":
        targets = targets.astype(np.int64)
    return Dataset(arrays[0], targets, source=file.name)


def _entry(
    archive: zipfile.ZipFile, held: dict[str, zipfile.ZipInfo], name: str, file: Path, limit: int
) -> tuple[io.BytesIO, int]:
    if name not in held:
        raise DataError(f"{file} has no array {name!r}: it has {', '.join(held) or 'none'}")
    entry = held[name]
    if entry.file_size > limit:
        raise DataError(f"{file}: {name} unpacks to {entry.file_size:,} bytes; the limit is {limit:,}")
    with archive.open(entry) as stream:
        content = stream.read(entry.file_size + 1)  # never more than is said: a bomb's directory may lie
    return io.BytesIO(content), len(content)


def _file(path: Any) -> Path:
    file = Path(path)
    if not file.is_file():
        raise DataError(f"there is no file {str(file)!r}")
    return file


def _array(stream: BinaryIO | io.BytesIO, size: int, where: str, limit: int) -> Array:
    try:
        version = np.lib.format.read_magic(stream)
        read = (
            np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        )
        shape, _, dtype = read(stream)
    except Exception as error:  # noqa: BLE001  # NumPy's parser raises whatever Python's own does (TokenError, ...)
        raise DataError(f"{where} is no .npy array: {error}") from None
    if dtype.hasobject:
        raise DataError(
            f"{where} holds pickled Python objects, and unpickling could run anything: save numbers, as "
            "np.save(path, array, allow_pickle=False) does"
        )
    if dtype.kind not in "fiub" or dtype.itemsize > 8:
        raise DataError(f"{where} holds {dtype}: numbers of at most 64 bits are wanted")
    if any(n < 0 for n in shape):
        raise DataError(f"{where} has a negative size in its shape {list(shape)}")
    wanted, there = math.prod(shape) * dtype.itemsize, size - stream.tell()
    if wanted > there:
        raise DataError(
            f"{where} says it has {wanted:,} bytes of numbers, but only {there:,} follow: it is cut off"
        )
    if wanted > limit:
        raise DataError(f"{where} has {wanted:,} bytes of numbers; the limit is {limit:,}")
    stream.seek(0)
    try:
        found: Array = np.lib.format.read_array(stream, allow_pickle=False)
    except (ValueError, EOFError, MemoryError) as error:
        raise DataError(f"{where} cannot be read: {error}") from None
    return found.astype(found.dtype.newbyteorder("="), copy=False)


def read_csv(
    path: Any, label: str | int | None = -1, *, header: bool | None = None, delimiter: str = ",",
    drop: Sequence[str | int] = (), target: str = "auto", encoding: str = "utf-8-sig",
) -> Dataset:  # fmt: skip
    """A table of numbers with a column of targets.

    Parameters
    ----------
    label : the column of targets, by its name or number (-1: the last); None for none.
    header : whether the first line has names; by default it does where none of its cells is a number.
    drop : columns that are left out.
    target : "class" (every text is one, in the order of the sorted texts; whole numbers are themselves), "number", or
        "auto": classes where the column has texts, or only whole numbers from 0 on; else numbers.
    encoding : of the text.

    Returns
    -------
    `Dataset` with float32 examples ``(rows, columns)``.

    Raises
    ------
    DataError
        A missing value, a cell that is no number, a line with more or fewer cells, by line and column; a column that
        there is not; no examples.
    """
    file = _file(path)
    if target not in ("auto", "class", "number"):
        raise DataError(f"targets are read as 'auto', 'class' or 'number', not {target!r}")
    lines, rows = _rows(file, delimiter, encoding)
    if not rows:
        raise DataError(f"{file} has no lines")
    titled = header if header is not None else not any(_number(cell) is not None for cell in rows[0])
    names = (
        tuple(cell.strip() for cell in rows[0])
        if titled
        else tuple(f"column {i}" for i in range(len(rows[0])))
    )
    twice = sorted({n for n in names if names.count(n) > 1})
    if twice:
        raise DataError(f"{file}, line {lines[0]}: two columns are called {twice[0]!r}")
    if titled:
        lines, rows = lines[1:], rows[1:]
    if not rows:
        raise DataError(f"{file} has names, but no examples")
    at = None if label is None else _column(file, names, label)
    left = {_column(file, names, d) for d in drop}
    features = [i for i in range(len(names)) if i != at and i not in left]
    if not features:
        raise DataError(f"{file} has no column left for the examples")
    x = np.empty((len(rows), len(features)))
    for k, (line, row) in enumerate(zip(lines, rows, strict=True)):
        if len(row) != len(names):
            raise DataError(f"{file}, line {line}: {len(row)} cells, where {len(names)} are wanted")
        for j, i in enumerate(features):
            found = _number(row[i])
            if found is None or not math.isfinite(found) or abs(found) > 3.4028235e38:
                raise DataError(f"{file}, line {line}, column {names[i]!r}: {_wrong(row[i])}")
            x[k, j] = found
    y, classes = (
        (None, ()) if at is None else _targets(file, lines, [row[at] for row in rows], names[at], target)
    )
    return Dataset(x.astype(np.float32), y, classes, tuple(names[i] for i in features), file.name)


def _rows(file: Path, delimiter: str, encoding: str) -> tuple[list[int], list[list[str]]]:
    lines, rows = [], []
    try:
        with file.open(newline="", encoding=encoding) as stream:
            reader = csv.reader(stream, delimiter=delimiter, strict=True)
            for row in reader:
                if row:  # an empty line is none
                    lines.append(reader.line_num)
                    rows.append(row)
    except UnicodeError as error:
        raise DataError(f"{file} is no {encoding} text: {error}") from None
    except (csv.Error, LookupError, TypeError) as error:
        raise DataError(f"{file}, after line {lines[-1] if lines else 0}: {error}") from None
    return lines, rows


def _number(cell: str) -> float | None:
    """A cell as a number; None where it is none (and Python's own extras, such as 1_000, are none)."""
    try:
        return None if "_" in cell else float(cell)
    except ValueError:
        return None


def _wrong(cell: str) -> str:
    shown = repr(cell if len(cell) <= 40 else cell[:37] + "...")
    if cell.strip().lower() in MISSING:
        return f"the value is missing ({shown}): fill it in or leave the line out, before it is read"
    found = _number(cell)
    if found is not None:
        return f"{shown} is not finite in float32"
    return f"{shown} is no number: leave the column out with drop=[...], or make numbers of it"


def _column(file: Path, names: tuple[str, ...], wanted: str | int) -> int:
    if isinstance(wanted, str) and wanted in names:
        return names.index(wanted)
    if isinstance(wanted, int) and -len(names) <= wanted < len(names):
        return wanted % len(names)
    raise DataError(f"{file} has no column {wanted!r}: it has {', '.join(names[:20])}")


def _targets(
    file: Path, lines: list[int], cells: list[str], name: str, target: str
) -> tuple[Array, tuple[str, ...]]:
    for line, cell in zip(lines, cells, strict=True):
        if cell.strip().lower() in MISSING:
            raise DataError(f"{file}, line {line}, column {name!r}: {_wrong(cell)}")
    numbers = [_number(cell) for cell in cells]
    texts = any(n is None or not math.isfinite(n) for n in numbers)
    whole = not texts and all(n is not None and n >= 0 and n.is_integer() and n < 2**31 for n in numbers)
    if target == "number" or (target == "auto" and not texts and not whole):
        for line, cell, n in zip(lines, cells, numbers, strict=True):
            if n is None or not math.isfinite(n) or abs(n) > 3.4028235e38:
                raise DataError(f"{file}, line {line}, column {name!r}: {_wrong(cell)}")
        return np.array(numbers, np.float32), ()
    if whole:
        y = np.array(numbers, np.int64)
        return y, tuple(map(str, range(int(y.max()) + 1))) if y.max() < 10_000 else ()
    found = sorted({cell.strip() for cell in cells})
    place = {text: i for i, text in enumerate(found)}
    return np.array([place[cell.strip()] for cell in cells], np.int64), tuple(found)
