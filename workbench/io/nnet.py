"""NNet files (.nnet; Julian and Kochenderfer, Stanford): the text format of the ACAS Xu networks, as graphs.

A file holds a fully connected network with relu between its layers, the limits of each input, and means and ranges.
What it describes, in the units of its inputs, is: inputs kept within their limits, (x - mean) / range, the layers, and
then y range + mean.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from os import PathLike
from pathlib import Path

import numpy as np

from workbench import ops
from workbench.graph import Array, Graph, GraphError, Node
from workbench.io.onnx import read
from workbench.limits import check_size
from workbench.semantics.plan import infer

assert ops.FAMILIES  # the operators are registered: shapes are inferred with their rules


def load(path: str | PathLike[str], *, units: str = "physical", dtype: str = "float32") -> Graph:
    """Read an NNet file; see `from_text`."""
    file = Path(path)
    return from_text(read(file).decode("utf-8", "replace"), name=file.stem, units=units, dtype=dtype)


def from_text(text: str, *, name: str = "network", units: str = "physical", dtype: str = "float32") -> Graph:
    """A network from the text of its file.

    Parameters
    ----------
    units : ``"physical"``: the whole function, in the inputs' own units.  ``"normalised"``: the layers alone, as the
        ONNX files of the ACAS Xu benchmark have them: inputs are (x - mean) / range already.
    dtype : ``"float32"`` or ``"float64"``: what the decimals of the file are rounded to.

    Raises
    ------
    GraphError
        What is no such file, or ends too early; one sentence says where.
    """
    if units not in ("physical", "normalised"):
        raise GraphError(f"units are 'physical' or 'normalised', not {units!r}")
    if dtype not in ("float32", "float64"):
        raise GraphError(f"a network from an NNet file is of float32 or float64, not {dtype!r}")
    lines = _Lines(text, name)
    count, inputs, outputs = lines.integers("the number of layers, inputs and outputs", at_least=3)[:3]
    sizes = lines.integers("the size of each layer", at_least=count + 1)[: count + 1]
    if count < 1 or min(sizes) < 1 or sizes[0] != inputs or sizes[-1] != outputs:
        raise GraphError(
            f"{name}: layers of sizes {sizes} are not {count} layers from {inputs} inputs to {outputs} outputs"
        )
    lines.numbers("a flag that is no longer used", 0)
    low, high = (
        lines.numbers(f"the {k} of each input", inputs)[:inputs] for k in ("least value", "largest value")
    )
    mean, spread = (lines.numbers(k, inputs + 1) for k in ("means", "ranges"))
    if (low > high).any() or (spread == 0).any():
        raise GraphError(f"{name}: an input whose limits are empty, or a range of 0")
    weights: dict[str, Array] = {}
    nodes = [Node("x", "Input", shape=(1, inputs), dtype=dtype)]

    def add(op: str, label: str, array: Array) -> None:
        weights[f"{label}.value"] = array.astype(dtype)
        nodes.append(Node(label, op, (nodes[-1].name, f"{label}.value")))

    if units == "physical":
        add("Max", "at_least", low[None])
        add("Min", "at_most", high[None])
        add("Sub", "centred", mean[None, :inputs])
        add("Div", "normalised", spread[None, :inputs])
    for i, (inner, outer) in enumerate(pairwise(sizes)):
        check_size(f"the weights of layer {i}", (outer, inner))
        rows = [lines.numbers(f"row {r} of the weights of layer {i}", inner)[:inner] for r in range(outer)]
        weights[f"layer{i}.weight"] = np.stack(rows).astype(dtype)
        bias = [lines.numbers(f"bias {r} of layer {i}", 1)[0] for r in range(outer)]
        weights[f"layer{i}.bias"] = np.array(bias).astype(dtype)
        operands = (nodes[-1].name, f"layer{i}.weight", f"layer{i}.bias")
        nodes.append(Node(f"layer{i}", "Gemm", operands, {"transB": 1}))
        if i + 1 < count:
            nodes.append(Node(f"relu{i}", "Relu", (f"layer{i}",)))
    if units == "physical":
        add("Mul", "scaled", spread[None, inputs : inputs + 1])
        add("Add", "y", mean[None, inputs : inputs + 1])
    return Graph(infer(nodes, weights), (nodes[-1].name,), weights, name)


class _Lines:
    """The lines of a file that are no comments, each as numbers."""

    def __init__(self, text: str, name: str) -> None:
        self._name = name
        self._lines: Iterator[tuple[int, str]] = (
            (i, line) for i, line in enumerate(text.splitlines(), 1)
            if line.strip() and not line.lstrip().startswith("//")
        )  # fmt: skip

    def numbers(self, what: str, at_least: int) -> Array:
        """The next line, which has at least so many numbers.

        Raises
        ------
        GraphError
            The file ends, or the line holds something else.
        """
        found = next(self._lines, None)
        if found is None:
            raise GraphError(f"{self._name} ends where {what} should stand; is it an NNet file?")
        number, line = found
        try:
            numbers = np.array([float(part) for part in line.split(",") if part.strip()])
        except ValueError:
            raise GraphError(
                f"{self._name}, line {number}: {what} should stand here, not {line.strip()[:60]!r}"
            ) from None
        if len(numbers) < at_least or not np.isfinite(numbers).all():
            raise GraphError(
                f"{self._name}, line {number}: {what} should stand here: at least {at_least} finite numbers, "
                f"not {len(numbers)}"
            )
        return numbers

    def integers(self, what: str, at_least: int) -> list[int]:
        """The same for whole numbers."""
        return [int(n) for n in self.numbers(what, at_least)]
