"""A .keras file: its configuration, its weights, and the module that they make.

Such a file is a ZIP archive of config.json, metadata.json and model.weights.h5.  Nothing in it is run: a Lambda layer,
or one of another package, is refused by name.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import workbench.nn.keras.sequences  # noqa: F401  (registers its layers)
from workbench.graph import Array, GraphError
from workbench.limits import check_size
from workbench.nn import functional as F
from workbench.nn.aten.shapes import gathered
from workbench.nn.keras.layers import LAYERS, Settings
from workbench.nn.module import Module
from workbench.nn.parameter import Buffer, Parameter
from workbench.nn.value import Value

LARGEST = 1 << 31  # bytes of configuration or weights


def load(path: Any, data: bytes | None = None) -> KerasNetwork:
    """The network of a .keras file, as a module that can be run, trained, bounded and verified.

    Parameters
    ----------
    path : the file.
    data : its bytes, where they were read already: the file is then not opened again.

    Raises
    ------
    GraphError
        What is no such file; a layer that is not supported, by its name; h5py is not installed.
    """
    try:
        with zipfile.ZipFile(Path(path) if data is None else io.BytesIO(data)) as archive:
            config = json.loads(_member(archive, "config.json"))
            weights = _weights(_member(archive, "model.weights.h5"))
        return KerasNetwork(config, weights, Path(path).stem)
    except GraphError as error:
        raise GraphError(f"{path} cannot be read: {error}") from None
    except (
        OSError,
        LookupError,
        ValueError,
        TypeError,
        AttributeError,
        zipfile.BadZipFile,
        RecursionError,
    ) as error:
        raise GraphError(f"{path} is no .keras file of Keras 3, or a damaged one: {error}") from None


def _member(archive: zipfile.ZipFile, name: str) -> bytes:
    if archive.getinfo(name).file_size > LARGEST:
        raise GraphError(f"{name} is longer than 2 GiB")
    return archive.read(name)


def _weights(data: bytes) -> dict[str, Array]:
    """Every array by its path, such as ``layers/dense/vars/0``."""
    try:
        import h5py  # type: ignore[import-untyped, import-not-found, unused-ignore]
    except ImportError:
        raise GraphError("weights of Keras files are HDF5: pip install h5py") from None
    found: dict[str, Array] = {}

    def visit(name: str, thing: Any) -> None:
        if isinstance(thing, h5py.Dataset) and thing.dtype.kind in "fiub":
            check_size(f"the array {name}", thing.shape)
            found[name] = np.asarray(thing[()])

    with h5py.File(io.BytesIO(data), "r") as file:
        file.visititems(visit)
    return found


class KerasNetwork(Module):
    """A Sequential or Functional model; `model()` knows its input's shape, with a batch of one."""

    def __init__(self, config: Mapping[str, Any], weights: Mapping[str, Array], name: str) -> None:
        self.name = name
        self.net = _network(config, weights, "")
        self.shapes = self.net.shapes

    def forward(self, *inputs: Value) -> Any:
        """The layers, in the order of the file."""
        return self.net.run(inputs)

    def graph(self, *shapes: Any, name: str | None = None) -> Any:
        """The graph; for one example if no shapes are given."""
        return super().graph(*self._shapes(shapes), name=name or self.name)

    def summary(self, *shapes: Any) -> Any:
        """A table of its layers."""
        return super().summary(*self._shapes(shapes))

    def _shapes(self, shapes: Sequence[Any]) -> Sequence[Any]:
        if shapes:
            return shapes
        if not self.shapes or any(n is None for s in self.shapes for n in s[1:]):
            raise GraphError(f"the file leaves a size of the input open, {self.shapes}: give shapes")
        return [(1, *s[1:]) for s in self.shapes]


class Layer(Module):
    """One layer: what its function in the table needs."""

    def __init__(self, kind: str, settings: Mapping[str, Any], held: Sequence[Array]) -> None:
        self.kind, self.settings = kind, settings
        moved = {"BatchNormalization": 2, "Normalization": len(held)}.get(
            kind, 0
        )  # statistics, which are not trained
        for i, array in enumerate(held):
            made: Any = Buffer(array.shape, _nothing)
            if i < len(held) - moved:
                made = Parameter(array.shape, _nothing, trainable=bool(settings.get("trainable", True)))
            made.value = array
            setattr(self, f"vars{i}", made)

    def forward(self, *values: Value) -> Any:
        """The function of the table."""
        held = [v for k, v in vars(self).items() if k.startswith("vars")]
        try:
            return LAYERS[self.kind](Settings(self.settings, tuple(held)), *values)
        except GraphError:
            raise
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            raise GraphError(
                f"the layer {self.settings.get('name')!r} ({self.kind}) is not as Keras writes it: {error}"
            ) from error

    def describe(self) -> str:
        """Its kind."""
        return self.kind


class Both(Module):
    """A recurrent layer forward, and another backward, whose results are put together."""

    def __init__(self, forward: Module, backward: Module, mode: str) -> None:
        if mode not in MERGED:
            raise GraphError(f"a Bidirectional layer with merge_mode={mode!r} is not supported")
        self.forward_layer, self.backward_layer, self.mode = forward, backward, mode

    def forward(self, x: Value) -> Any:
        """Both results at each step, or both last ones."""
        first, second = self.forward_layer(x), self.backward_layer(x)
        if second.ndim == 3:
            second = gathered(second, np.arange(second.shape[1])[::-1], 1)
        return MERGED[self.mode](first, second)


MERGED: dict[str, Any] = {
    "concat": lambda a, b: F.cat([a, b], -1),
    "sum": lambda a, b: a + b,
    "mul": lambda a, b: a * b,
    "ave": lambda a, b: (a + b) * 0.5,
}


class Network(Module):
    """Layers and how they are joined: (layer, its name, where its inputs come from)."""

    def __init__(self) -> None:
        self.layers: list[Module] = []
        self.calls: list[tuple[int, str, int, Any]] = []
        self.inputs: list[tuple[str, int]] = []
        self.outputs: Any = []
        self.shapes: list[tuple[Any, ...]] = []

    def run(self, inputs: Sequence[Value]) -> Any:
        """What the network gives for its inputs."""
        if len(inputs) != len(self.inputs):
            raise GraphError(f"the network has {len(self.inputs)} inputs, but {len(inputs)} were given")
        known: dict[tuple[str, int], Any] = dict(zip(self.inputs, inputs, strict=True))
        for index, name, call, wanted in self.calls:
            values = [known[key] for key in wanted]
            layer = self.layers[index]
            known[name, call] = layer.run(values) if isinstance(layer, Network) else layer(*values)
        if any(key not in known for key in self.outputs):
            raise GraphError(f"an output comes from a layer that is not there: {self.outputs}")
        found = [known[key] for key in self.outputs]
        return found[0] if len(found) == 1 else tuple(found)


def _network(config: Mapping[str, Any], weights: Mapping[str, Array], path: str) -> Network:
    kind, inner = config["class_name"], config["config"]
    if kind not in ("Sequential", "Functional", "Model"):
        raise GraphError(f"a model of class {kind!r} is not supported: Sequential and Functional are")
    net, counts = Network(), dict[str, int]()
    before: tuple[str, int] = ("input", 0)
    for layer in inner["layers"]:
        name, label = layer["class_name"], str(layer["config"].get("name", layer["class_name"]))
        at = _folder(name, counts)
        if name == "InputLayer":
            shape = layer["config"].get("batch_shape") or layer["config"]["batch_input_shape"]
            if kind == "Sequential":
                net.inputs, net.shapes = [before], [tuple(shape)]
            else:
                known = [*net.inputs, (label, 0)]
                net.inputs, net.shapes = known, [*net.shapes, tuple(shape)]
            continue
        net.layers.append(_layer(name, layer, weights, f"{path}layers/{at}/"))
        index = len(net.layers) - 1
        if kind == "Sequential":
            if not net.inputs:
                net.inputs, net.shapes = [before], [tuple(inner.get("build_input_shape") or ())]
            net.calls.append((index, label, 0, [before]))
            before = (label, 0)
        else:
            for call, node in enumerate(layer["inbound_nodes"]):
                net.calls.append((index, label, call, _sources(node)))
    if kind == "Sequential":
        net.outputs = [before]
    else:
        net.outputs, wanted = _ends(inner["output_layers"]), _ends(inner["input_layers"])
        net.shapes = [net.shapes[net.inputs.index(key)] for key in wanted]
        net.inputs = wanted
        net.calls = _ordered(net.calls, set(wanted))
    return net


def _ordered(calls: Sequence[Any], known: set[Any]) -> list[Any]:
    """Calls after what they need: the file need not have them so."""
    left, found = list(calls), []
    while left:
        ready = [c for c in left if all(key in known for key in c[3])]
        if not ready:
            raise GraphError(f"the inputs of layer {left[0][1]!r} come from nowhere")
        found += ready
        known |= {(c[1], c[2]) for c in ready}
        left = [c for c in left if c not in ready]
    return found


def _layer(name: str, layer: Mapping[str, Any], weights: Mapping[str, Array], path: str) -> Module:
    if name in ("Sequential", "Functional", "Model"):
        return _network(layer, weights, path)
    if name == "Bidirectional":
        there, back = layer["config"]["layer"], layer["config"]["backward_layer"]
        first = _layer(there["class_name"], there, weights, f"{path}forward_layer/")
        second = _layer(back["class_name"], back, weights, f"{path}backward_layer/")
        return Both(first, second, layer["config"].get("merge_mode", "concat"))
    if name not in LAYERS:
        raise GraphError(f"the layer {layer['config'].get('name')!r} is a {name}, which is not supported")
    inside = f"{path}cell/vars/" if name in ("LSTM", "GRU", "SimpleRNN") else f"{path}vars/"
    held = {k.removeprefix(inside): v for k, v in weights.items() if k.startswith(inside)}
    ordered = [held[k].astype(np.float32) for k in sorted(held, key=lambda k: int(k) if k.isdigit() else -1)]
    return Layer(name, layer["config"], ordered)


def _folder(name: str, counts: dict[str, int]) -> str:
    """What Keras calls a layer's folder: its class in snake case, and how many of it were before."""
    snake = re.sub(r"\W+", "", name)
    snake = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", snake)
    snake = re.sub("([a-z])([A-Z])", r"\1_\2", snake).lower()
    before = counts.get(snake, 0)
    counts[snake] = before + 1
    return f"{snake}_{before}" if before else snake


def _sources(node: Mapping[str, Any]) -> list[tuple[str, int]]:
    """The layers whose results a call takes: tensors are written with their history."""
    found: list[tuple[str, int]] = []

    def visit(thing: Any) -> None:
        if isinstance(thing, Mapping):
            if thing.get("class_name") == "__keras_tensor__":
                layer, call, which = thing["config"]["keras_history"]
                if which:
                    raise GraphError(
                        f"it takes result {which} of layer {layer!r}: only first results are supported"
                    )
                found.append((str(layer), int(call)))
            else:
                for value in thing.values():
                    visit(value)
        elif isinstance(thing, list | tuple):
            for value in thing:
                visit(value)

    visit(node["args"])
    return found


def _ends(thing: Any) -> list[tuple[str, int]]:
    """Input and output layers: one triple, or a list of them."""
    if isinstance(thing, Mapping):
        thing = list(thing.values())
    many = thing if thing and isinstance(thing[0], list | tuple) else [thing]
    return [(str(name), int(call)) for name, call, *_ in many]


def _nothing(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    raise GraphError("a network that was imported has its values: it is not drawn again")
