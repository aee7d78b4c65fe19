"""What the arguments name: the network, the region, the centre."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import BadZipFile

from workbench.cli.faults import BadInput
from workbench.cli.options import Norm, Where

if TYPE_CHECKING:
    from workbench.graph import Array
    from workbench.model import Model
    from workbench.region import Region

EXAMPLE = "example:"


def open_network(net: str, *, name_all_unsupported: bool = False) -> Model:
    """The network that NET names.

    Raises
    ------
    UnsupportedOperator
        For the first operator that has no rules; with `name_all_unsupported` the text names all in the file.
    """
    from workbench.op import UnsupportedOperator
    from workbench.opening import load

    try:
        return load(net)
    except UnsupportedOperator as error:
        if not name_all_unsupported:
            raise
        raise UnsupportedOperator(
            f"{error}. In this file not supported: {', '.join(unsupported(net))}"
        ) from None


def unsupported(net: str) -> list[str]:
    """The operators of a readable ONNX file that have no rules at all."""
    import onnx

    from workbench.io.onnx import read
    from workbench.op import OPS

    used = {node.op_type for node in onnx.load_model_from_string(read(Path(net))).graph.node}
    return sorted(used - set(OPS) - {"Constant"})


def read_region(model: Model, where: Where) -> Region:
    """The region that the options describe, in the shape of the network's input.

    Raises
    ------
    BadInput
        Options that do not fit together.
    """
    from workbench.region import ball

    if (where.vnnlib is None) == (where.center is None):
        raise BadInput("say where the inputs lie: either --vnnlib FILE, or --center FILE with --eps E")
    if where.vnnlib is not None:
        if where.eps is not None or where.clip is not None or where.norm != Norm.inf:
            raise BadInput(
                "--eps, --norm and --clip go with --center: a VNN-LIB file says itself where inputs lie"
            )
        return read_boxes(where.vnnlib, where.box).reshape(model.input_shape)
    if where.box is not None:
        raise BadInput("--box goes with --vnnlib")
    if where.eps is None:
        raise BadInput("--center needs a radius: add --eps E (0 for the point alone)")
    assert where.center is not None
    x = read_center(model, where.center)
    if x.size != model.graph[model.network.only_input].size:
        raise BadInput(
            f"{where.center} has shape {list(x.shape)}, but the network's input has shape {list(model.input_shape)}"
        )
    clip = None if where.clip is None else read_clip(where.clip)
    return ball(x.reshape(model.input_shape), where.eps, where.norm.value, clip)


def read_boxes(file: Path, box: str | None) -> Region:
    """The box of a property file; of several, the one asked for."""
    import numpy as np

    from workbench.io.vnnlib import load
    from workbench.region import Region

    whole = load(file).region()
    if box is None and whole.batch > 1:
        raise BadInput(
            f"{file} has {whole.batch} boxes: choose one with --box 1 to --box {whole.batch}, or bound the smallest "
            "box around all of them with --box hull"
        )
    if box == "hull":
        return Region(np.min(whole.lower, axis=0)[None], np.max(whole.upper, axis=0)[None])
    chosen = 1 if box is None else int(box) if box.isdecimal() else 0
    if not 1 <= chosen <= whole.batch:
        raise BadInput(f"--box must be from 1 to {whole.batch}, or hull, not {box!r}")
    return Region(whole.lower[chosen - 1 : chosen], whole.upper[chosen - 1 : chosen])


def read_center(model: Model, name: str) -> Array:
    """The centre from a file; decimals become the nearest float64."""
    import numpy as np

    if name.startswith(EXAMPLE):
        k = name.removeprefix(EXAMPLE)
        if not model.examples:
            raise BadInput(f"{name}: only the networks that come with the package have inputs; give a file")
        if not k.isdecimal() or int(k) >= len(model.examples):
            raise BadInput(f"{name}: {model.name} has inputs example:0 to example:{len(model.examples) - 1}")
        return model.examples[int(k)][1]
    file = Path(name)
    if not file.exists() or file.is_dir():
        raise BadInput(f"there is no file {name!r}")
    try:
        match file.suffix:
            case ".npy":
                found = np.load(file, allow_pickle=False)
            case ".npz":
                found = only_array(file)
            case ".csv" | ".txt":
                words = file.read_text(encoding="utf-8").replace(",", " ").split()
                found = np.array([float(word) for word in words])
            case _:
                raise BadInput(f"{name}: a centre is read from .npy, .npz, .csv or .txt")
    except (ValueError, OSError, EOFError, BadZipFile) as error:
        if isinstance(error, BadInput):
            raise
        raise BadInput(f"{name} cannot be read as numbers: {error}") from None
    if found.dtype.kind not in "fiub":
        raise BadInput(f"{name} holds {found.dtype}, and no numbers")
    return np.asarray(found)


def only_array(file: Path) -> Array:
    """The one array of an .npz file, or of several the one named center or x."""
    import numpy as np

    with file.open("rb") as opened, np.load(opened, allow_pickle=False) as arrays:
        names = [n for n in ("center", "x") if n in arrays.files][:1] or arrays.files
        if len(names) != 1:
            raise BadInput(f"{file} has the arrays {', '.join(names) or '(none)'}: name one of them center")
        return np.asarray(arrays[names[0]])


def read_clip(text: str) -> tuple[float, float]:
    """``A,B`` as two numbers."""
    parts = text.split(",")
    try:
        low, high = (float(p) for p in parts)
    except ValueError:
        raise BadInput(f"--clip takes two numbers, such as 0,1, not {text!r}") from None
    if not low <= high:
        raise BadInput(f"--clip {text}: the first number must not be above the second")
    return low, high
