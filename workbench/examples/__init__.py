"""Example networks: three classifiers of digits, a collision avoider and one for pencil and paper, ready to explore.

The networks and their data were made by ``tools/train_examples.py`` from scikit-learn's digits: pictures of 8 x 8
pixels with values in [0, 1].  360 pictures were kept from training; all of them are here.

>>> import workbench as wb
>>> wb.examples.digits()
Model('digits.onnx', 7 nodes, 17,226 parameters, eps=0.02)
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from workbench.graph import Array
from workbench.model import Model
from workbench.opening import load

HERE = Path(__file__).parent
WHITE = 16  # the files hold whole numbers from 0 to 16
SHOWN = 2  # pictures of each digit to choose from
NAMES = ("digits", "digits_conv", "digits_tanh", "controller", "toy")
ADVISORIES = ("clear", "weak left", "weak right", "strong left", "strong right")

__all__ = [
    "ADVISORIES",
    "NAMES",
    "controller",
    "digits",
    "digits_conv",
    "digits_tanh",
    "path",
    "pictures",
    "toy",
]


def path(name: str) -> Path:
    """Where the ONNX file of an example is: to copy it, or to read it with another program.

    Parameters
    ----------
    name : one of `NAMES`.

    Raises
    ------
    ValueError
        There is no example of that name.
    """
    if name not in NAMES:
        raise ValueError(f"there is no example {name!r}; there are: {', '.join(NAMES)}")
    return HERE / f"{name}.onnx"


def pictures() -> tuple[Array, Array]:
    """The 360 test pictures and the digits that they show.

    Returns
    -------
    pictures, float32 ``(360, 1, 1, 8, 8)`` in [0, 1], each in the shape of the networks' input; labels, ``(360,)``.

    >>> x, labels = pictures()
    >>> x.shape, float(x.min()), float(x.max())
    ((360, 1, 1, 8, 8), 0.0, 1.0)
    """
    with np.load(HERE / "examples.npz") as data:
        # sixteenths are float32 numbers, so nothing is rounded
        return (data["images"][:, None, None] / WHITE).astype(np.float32), data["labels"].astype(np.int64)


def digits() -> Model:
    """Three dense layers with relu (128, 64 and 10 neurons); 353 of the 360 test pictures right."""
    return _classifier("digits")


def digits_conv() -> Model:
    """Two convolutions with relu (8 and 16 filters) and a dense layer; 353 of the 360 test pictures right."""
    return _classifier("digits_conv")


def digits_tanh() -> Model:
    """Three dense layers with tanh (64, 32 and 10 neurons); 351 of the 360 test pictures right."""
    return _classifier("digits_tanh")


def controller() -> Model:
    """A toy that avoids collisions (``tools/train_controller.py``): three inputs, two layers of 32 relus, five scores.

    Inputs: how far ahead of us another aircraft is, and how far to the left, in units of 8 km; where it flies, in half
    turns to the left of our own direction.  Outputs: scores of the advisories `ADVISORIES`; the largest one is given.
    """
    seen = {
        "head-on": (0.5, 0, 1),
        "from the left": (0.3, 0.4, -0.6),
        "from the right": (0.3, -0.4, 0.6),
        "far": (0.9, 0.9, 0),
    }
    places = [(label, np.array([place], np.float32)) for label, place in seen.items()]
    model = load(path("controller"), examples=places, clip=(-1.0, 1.0), origin="wb.examples.controller()")
    model.eps, model.eps_max = 0.05, 0.5
    return model


def toy() -> Model:
    """Two inputs, three relu neurons, two outputs, and weights that are short binary fractions: for paper."""
    corner = ("(0.5, 0.25)", np.array([[0.5, 0.25]], np.float32))
    model = load(path("toy"), examples=[corner], origin="wb.examples.toy()")
    model.eps, model.eps_max = 0.25, 1.0
    return model


def _classifier(name: str) -> Model:
    """The first picture of every digit to choose from, then the second; it begins with a seven."""
    x, labels = pictures()
    order = [int(np.flatnonzero(labels == digit)[k]) for k in range(SHOWN) for digit in range(10)]
    choices = [(f"{labels[i]}{'' if k < 10 else ' (another)'}", x[i]) for k, i in enumerate(order)]
    model = load(path(name), examples=choices, clip=(0.0, 1.0), origin=f"wb.examples.{name}()")
    model.example = 7
    model.eps = 0.02
    return model
