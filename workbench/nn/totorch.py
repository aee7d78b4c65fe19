"""to_torch: a network as the source of a PyTorch module, and its weights: it runs without the workbench."""

from __future__ import annotations

import builtins
import keyword
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from workbench.graph import Array, Graph, GraphError
from workbench.nn.module import Module
from workbench.nn.torchops import Line, expression
from workbench.nn.tracing import trace_module

HEAD = '''"""{title}, written by NN Workbench; `load` gives it the weights of a .npz file."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

PARAMETERS = {parameters}
BUFFERS = {buffers}


class {name}(nn.Module):
    def __init__(self):
        super().__init__()
        for name, shape in PARAMETERS.items():
            _hold(self, name, nn.Parameter(torch.zeros(shape)))
        for name, (shape, dtype) in BUFFERS.items():
            _hold(self, name, torch.zeros(shape, dtype=dtype))

    def forward(self, {inputs}):
        w = dict(self.named_parameters()) | dict(self.named_buffers())
{body}
        return {result}


def _hold(module, path, tensor):
    """A parameter or a buffer under a path such as layers.0.weight."""
    *folders, last = path.split(".")
    for folder in folders:
        if folder not in module._modules:
            module.add_module(folder, nn.Module())
        module = module._modules[folder]
    if isinstance(tensor, nn.Parameter):
        module.register_parameter(last, tensor)
    else:
        module.register_buffer(last, tensor)


def load(path):
    """The module with its weights."""
    with np.load(path, allow_pickle=False) as held:
        state = {{k: torch.from_numpy(held[k]) for k in held.files}}
    net = {name}()
    net.load_state_dict(state)
    return net.eval()
'''


@dataclass(frozen=True)
class TorchSource:
    """A PyTorch module as text, and its weights by name.

    Parameters
    ----------
    text : Python that needs torch and NumPy alone.
    state : what `load_state_dict` of the module takes, as arrays.
    name : of the class in the text.
    """

    text: str
    state: Mapping[str, Array]
    name: str

    def save(self, path: Any) -> None:
        """Write ``path`` (a .py file) and the weights beside it, with the suffix .npz."""
        target = Path(path).with_suffix(".py")
        np.savez(target.with_suffix(".npz"), **dict(self.state))  # type: ignore[arg-type]
        target.write_text(self.text, encoding="utf-8")

    def module(self) -> Any:
        """The PyTorch module, made here: runs the text that was just written."""
        import torch  # type: ignore[import-not-found, unused-ignore]

        space: dict[str, Any] = {"__name__": "written"}
        exec(compile(self.text, f"<{self.name}>", "exec"), space)  # noqa: S102  (text of our own table, nothing else)
        net = space[self.name]()
        net.load_state_dict({k: torch.tensor(v) for k, v in self.state.items()})
        return net.eval()

    def __str__(self) -> str:
        return self.text


def to_torch(network: Any, *shapes: Any) -> TorchSource:
    """A module, a model or a graph as the source of a PyTorch module.

    Parameters
    ----------
    network : a module of `workbench.nn`, a `wb.Model`, or a `Graph`.
    shapes : of inputs, for a module.  The source takes batches of any size, where the module does.

    Raises
    ------
    GraphError
        An operator without a line in PyTorch, such as the quantised ones; the node is named.
    """
    if isinstance(network, Module):
        one, other = _two_batches(network, shapes)
        trained = set(network.named_parameters())
    else:
        one = other = network if isinstance(network, Graph) else network.network.graph
        trained = {k for k, v in one.weights.items() if v.dtype.kind == "f" and v.size > 1}
    return _written(one, other, trained)


def _two_batches(module: Module, shapes: Sequence[Any]) -> tuple[Graph, Graph]:
    """The graph for two sizes of batch, to see which sizes are the batch's; twice one if it is fixed."""
    known, name = getattr(module, "_shapes", None), getattr(getattr(module, "program", None), "name", None)
    given = [
        s if isinstance(s, np.ndarray) else np.zeros(_sizes(s), np.float32)
        for s in (known(shapes) if known else shapes)
    ]
    try:
        wide = [[np.zeros((n, *a.shape[1:]), a.dtype) for a in given] for n in (2, 3)]
        one, other = (trace_module(module, each, name=name).graph for each in wide)
        if [n.op for n in one.nodes] == [n.op for n in other.nodes]:
            return one, other
    except GraphError:
        pass
    fixed = trace_module(module, given, name=name).graph
    return fixed, fixed


def _sizes(shape: Any) -> tuple[int, ...]:
    from workbench.nn.shapes import parse

    return parse(shape)[0]


def _written(one: Graph, other: Graph, trained: set[str]) -> TorchSource:
    name = "".join(part.capitalize() for part in re.findall(r"[A-Za-z0-9]+", one.name)) or "Network"
    name = name if name[0].isalpha() else f"Net{name}"
    words = _identifiers(one)
    used = dict.fromkeys(k for n in one.nodes for k in n.inputs if k in one.weights)
    state: dict[str, Array] = {}
    body = list[str]()
    free = one is not other
    if free:
        body.append(f"n = {words[one.inputs[0]]}.shape[0]")
    lines = [(node, twin) for node, twin in zip(one.nodes, other.nodes, strict=True) if node.op != "Input"]
    for node, twin in lines:
        said = tuple(
            _repeated(one.weights[k], other.weights[k2], k, state)
            if k in one.weights and k2 in other.weights and one.weights[k].shape != other.weights[k2].shape
            and one.weights[k].dtype.kind != "i"
            else _said(one, k, words, trained, state, node.op in ARITHMETIC)
            for k, k2 in zip(node.inputs, twin.inputs, strict=True)
        )  # fmt: skip
        told = Line(node, one, said, _shape(node.shape, twin.shape))
        body.append(f"{words[node.name]} = {expression(told)}")
    for key in trained & used.keys():
        state[key] = one.weights[key]
    paths = _paths(state)
    text = "\n".join(f"        {row}" for row in body)
    for key, path in paths.items():
        text = text.replace(f"w[{key!r}]", f"w[{path!r}]")
    outputs = ", ".join(words.get(k, _said(one, k, words, trained, state)) for k in one.outputs)
    parameters = {paths[k]: v.shape for k, v in state.items() if k in trained}
    buffers = ", ".join(
        f"{paths[k]!r}: ({v.shape}, torch.{v.dtype})" for k, v in state.items() if k not in trained
    )
    source = HEAD.format(
        title=" ".join(re.findall(r"\w+", one.name)), parameters=parameters, buffers=f"{{{buffers}}}", name=name,
        inputs=", ".join(words[k] for k in one.inputs), body=text, result=outputs,
    )  # fmt: skip
    return TorchSource(source, {paths[k]: v for k, v in state.items()}, name)


def _said(
    graph: Graph,
    key: str,
    words: Mapping[str, str],
    trained: set[str],
    state: dict[str, Array],
    bare: bool = False,
) -> str:
    """An operand as an expression; arrays that are not said in the text are put into the state."""
    if not key:
        return ""
    held = graph.weights.get(key)
    if held is None:
        return words[key]
    if key not in trained and held.size == 1 and held.dtype.kind in "fi":
        number = repr(held.reshape(()).item())
        return number if bare or not held.ndim else f"torch.full({held.shape}, {number})"
    if key not in trained and held.dtype.kind in "iu":
        return "None"  # sizes, axes and places are said in the line itself
    state[key] = held
    return f"w[{key!r}]"


def _repeated(array: Array, twin: Array, key: str, state: dict[str, Array]) -> str:
    """A constant that is as long as the batch, and the same for every example."""
    longer = tuple(slice(1) if a != b else slice(None) for a, b in zip(array.shape, twin.shape, strict=True))
    if not np.array_equal(np.broadcast_to(array[longer], array.shape), array):
        raise GraphError(f"the constant {key!r} differs from example to example")
    state[key] = array[longer]
    return f"w[{key!r}].expand({_shape(array.shape, twin.shape)})"


def _shape(shape: tuple[int, ...], twin: tuple[int, ...]) -> str:
    """A shape, with what grows with the batch as a multiple of n."""

    def size(a: int, b: int) -> str:
        if a == b:
            return str(a)
        times = b - a
        return "n" if times == 1 else f"{times} * n"

    inner = ", ".join(size(a, b) for a, b in zip(shape, twin, strict=True))
    return f"({inner}{',' if len(shape) == 1 else ''})"


RESERVED = {"n", "w", "F", "nn", "np", "torch", "self", *dir(builtins)}
ARITHMETIC = {"Add", "Sub", "Mul", "Div", "Pow", "Where"}  # where PyTorch takes a number for an array of one


def _identifiers(graph: Graph) -> dict[str, str]:
    """A variable for every node: its name, as Python allows it."""
    found: dict[str, str] = {}
    taken = set(RESERVED)
    for node in graph.nodes:
        word = re.sub(r"\W+", "_", node.name).strip("_") or "v"
        word = f"v_{word}" if word[0].isdigit() or keyword.iskeyword(word) else word
        count, base = 1, word
        while word in taken:
            word, count = f"{base}_{count}", count + 1
        taken.add(word)
        found[node.name] = word
    return found


def _paths(state: Mapping[str, Array]) -> dict[str, str]:
    """Names as PyTorch takes them: parts between dots, none of which is another's beginning."""
    found: dict[str, str] = {}
    taken: set[str] = set()
    for key in state:
        path = ".".join(re.sub(r"[^\w]+", "_", part) or "_" for part in key.split("."))
        while path in taken or any(t.startswith(f"{path}.") or path.startswith(f"{t}.") for t in taken):
            path = f"{path}_"
        taken.add(path)
        found[key] = path
    return found
