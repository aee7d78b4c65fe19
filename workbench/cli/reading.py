"""What the arguments name: the network, the region, the centre."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.cli.faults import BadInput

if TYPE_CHECKING:
    from workbench.graph import Array
    from workbench.model import Model
    from workbench.region import Norm, Region

EXAMPLE = "example:"




def open_network(net: str) -> Model:
    """The network that NET names."""
    from workbench import examples
    from workbench.opening import load

    if not net.startswith(EXAMPLE):
        return load(net)
    name = net.removeprefix(EXAMPLE)
    try:
        examples.path(name)
    except ValueError as error:
        raise BadInput(str(error)) from None
    model: Model = getattr(examples, name)()
    return model


def read_region(
    model: Model,
    vnnlib: Path | None,
    box: str | None,
    center: str | None,
    eps: float | None,
    norm: Norm,
    clip: str | None,
) -> Region:
    """The region that the options describe, in the shape of the network's input.

    Raises
    ------
    BadInput
        Options that do not fit together.
    """
    from workbench.region import ball

    if (vnnlib is None) == (center is None):
        raise BadInput("say where the inputs lie: either --vnnlib FILE, or --center FILE with --eps E")
    if vnnlib is not None:
        if eps is not None or clip is not None or norm is not Norm.inf:
            raise BadInput("--eps, --norm and --clip go with --center: a VNN-LIB file says itself where inputs lie")
        return read_boxes(vnnlib, box).reshape(model.input_shape)
    if box is not None:
        raise BadInput("--box goes with --vnnlib")
    if eps is None:
        raise BadInput("--center needs a radius: add --eps E (0 for the point alone)")
    assert center is not None
    x = read_center(model, center)
    if x.size != model.graph[model.graph.inputs[0]].size:
        raise BadInput(
            f"{center} has shape {list(x.shape)}, but the network's input has shape {list(model.input_shape)}"
        )
    return ball(x.reshape(model.input_shape), eps, norm.value, None if clip is None else read_clip(clip))


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
    if not file.is_file():
        raise BadInput(f"there is no file {name!r}")
    try:
        match file.suffix:
            case ".npy":
                found: Any = np.load(file, allow_pickle=False)
            case ".npz":
                with np.load(file, allow_pickle=False) as arrays:
                    names = [n for n in ("center", "x") if n in arrays] or arrays.files
                    if len(names) != 1 and "center" not in names:
                        raise BadInput(f"{name} has the arrays {', '.join(arrays.files)}: name one of them center")
                    found = arrays[names[0]]
            case ".csv" | ".txt":
                separator = "," if "," in file.read_text(encoding="utf-8") else None
                found = np.loadtxt(file, delimiter=separator, dtype=np.float64, ndmin=1)
            case _:
                raise BadInput(f"{name}: a centre is read from .npy, .npz, .csv or .txt")
    except (ValueError, OSError, EOFError) as error:
        if isinstance(error, BadInput):
            raise
        raise BadInput(f"{name} cannot be read as numbers: {error}") from None
    if found.dtype.kind not in "fiub":
        raise BadInput(f"{name} holds {found.dtype}, and no numbers")
    return np.asarray(found)


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


