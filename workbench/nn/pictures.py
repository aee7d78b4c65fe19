"""Pictures in folders, a class a folder, by Pillow."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np

from workbench.graph import Array
from workbench.nn.dataset import DataError, Dataset

PIXELS = 50_000_000  # of one picture, unless more are asked for


def read_images(
    folder: Any, size: tuple[int, int] | None = None, mode: str = "L", *, pixels: int = PIXELS
) -> Dataset:
    """The pictures in ``folder/CLASS/``, as float32 in [0, 1]; transparency is left out.

    Parameters
    ----------
    folder : with a folder a class; what begins with a dot is passed over.
    size : (height, width) that every picture is brought to; by default they must have one size already.
    mode : "L" for grey ``(n, 1, h, w)`` or "RGB" for colour ``(n, 3, h, w)``.
    pixels : of one picture, at most, before it is unpacked.

    Returns
    -------
    `Dataset`; classes are the folders' names in alphabetical order, examples in the order of the files' names.

    Raises
    ------
    DataError
        Pillow is missing; no folder, no classes, a class without pictures; a file that is no picture, too large, or of
        another size than the first, by name.
    """
    try:
        from PIL import Image
    except ImportError:
        raise DataError("pictures are read by Pillow: pip install pillow") from None
    root = Path(folder)
    if not root.is_dir():
        raise DataError(f"there is no folder {str(root)!r}")
    if mode not in ("L", "RGB"):
        raise DataError(f"pictures are read as 'L' (grey) or 'RGB', not {mode!r}")
    if size is not None and min(size) < 1:
        raise DataError(f"a size is (height, width), not {size}")
    classes = sorted(d.name for d in root.iterdir() if d.is_dir() and not d.name.startswith("."))
    if not classes:
        raise DataError(f"{root} has no folders: put the pictures of each class into a folder of its name")
    x: list[Array] = []
    y: list[int] = []
    first: tuple[Path, tuple[int, ...]] | None = None
    for k, name in enumerate(classes):
        files = sorted(f for f in (root / name).iterdir() if f.is_file() and not f.name.startswith("."))
        if not files:
            raise DataError(f"the class {name!r} has no pictures: {root / name} is empty")
        for file in files:
            found = _picture(Image, file, size, mode, pixels)
            if first is None:
                first = file, found.shape
            if found.shape != first[1]:
                raise DataError(
                    f"{file} is {found.shape[-2]} x {found.shape[-1]} (height x width), but {first[0].name} is "
                    f"{first[1][-2]} x {first[1][-1]}: give size=(height, width) to bring them to one"
                )
            x.append(found)
            y.append(k)
    return Dataset(np.stack(x), np.array(y, np.int64), tuple(classes), source=root.name)


def _picture(image: Any, file: Path, size: tuple[int, int] | None, mode: str, pixels: int) -> Array:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # Pillow only warns of a bomb
            with image.open(file) as opened:
                _few(file, opened.width, opened.height, pixels)
                _eight_bits(file, opened.mode)
                converted = opened.convert(mode)
                if size is not None:
                    converted = converted.resize((size[1], size[0]), image.Resampling.BILINEAR)
                found = np.asarray(converted, np.float32) / np.float32(255)
    except DataError:
        raise
    except Exception as error:  # noqa: BLE001  # decoders raise whatever they please on bytes of no picture
        raise DataError(f"{file} is no picture that can be read: {error}") from None
    return found[None] if mode == "L" else np.ascontiguousarray(found.transpose(2, 0, 1))


def _eight_bits(file: Path, mode: str) -> None:
    if mode not in ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr"):
        raise DataError(
            f"{file} has more than 8 bits a pixel ({mode}): bring it to 8 bits, or read it as an array"
        )


def _few(file: Path, width: int, height: int, pixels: int) -> None:
    if width * height > pixels:
        raise DataError(f"{file} has {width} x {height} pixels; the limit is {pixels:,} a picture")
