"""Module: named parameters and a `forward` that builds a graph.

    class Net(nn.Module):
        def __init__(self):
            self.fc1, self.fc2 = nn.Linear(64, 32), nn.Linear(32, 10)
        def forward(self, x):
            return self.fc2(nn.functional.relu(self.fc1(x)))

Parameters are what stands in a module's attributes, in the order of the assignments; names are PyTorch's.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Self, TypeVar

import numpy as np

from workbench.graph import Array, Graph, GraphError
from workbench.nn.parameter import Buffer, Parameter, Parameters
from workbench.nn.value import Value

M = TypeVar("M", bound="Module")
Shape = Any  # what `shapes.parse` reads


class Module:
    """A part of a network.  Subclasses set attributes in `__init__` and say in `forward` what is computed."""

    training: bool = False
    mixes: bool = (
        False  # whether examples of a batch may see each other, so that they are never run one by one
    )

    def forward(self, *inputs: Any, **options: Any) -> Any:
        """What the module computes."""
        raise NotImplementedError(f"{type(self).__name__} has no forward")

    def __call__(self, *inputs: Any, **options: Any) -> Any:
        """Build (for values), or run at once in evaluation mode (for arrays).

        The first axis of arrays counts examples; a single array with one axis is taken as it is, as PyTorch does.
        """
        trace = next((v.trace for v in flat(inputs) if isinstance(v, Value)), None)
        if trace is None:
            from workbench.nn.tracing import for_arrays

            arrays = [np.asarray(v) for v in inputs]
            return for_arrays(self, arrays)(*arrays)
        before, path = len(trace.nodes), trace.paths.get(id(self), "")
        trace.scopes.append((path, type(self).__name__))
        try:
            result = self.forward(*inputs, **options)
        finally:
            trace.scopes.pop()
        first = next((v for v in flat((result,)) if isinstance(v, Value)), None)
        if first is not None:
            trace.results[id(self)] = first.shape
        if path and isinstance(result, Value) and len(trace.nodes) == before + 1:
            newest = trace.nodes[-1]
            return trace.rename(result, _node_name(path, self)) if newest.name == result.name else result
        return result

    # ------------------------------------------------------------------ what it holds

    def children(self) -> Iterator[tuple[str, Module]]:
        """Modules that stand directly in it, by name; those in lists count as ``name.0``, ``name.1``."""
        for name, value in vars(self).items():
            if isinstance(value, Module):
                yield name, value
            elif isinstance(value, list | tuple):
                yield from ((f"{name}.{i}", v) for i, v in enumerate(value) if isinstance(v, Module))

    def named_modules(self, prefix: str = "") -> Iterator[tuple[str, Module]]:
        """Itself and everything in it, by path; one that stands in two places is named once."""
        seen: set[int] = set()

        def visit(module: Module, path: str) -> Iterator[tuple[str, Module]]:
            if id(module) in seen:
                return
            seen.add(id(module))
            yield path, module
            for name, child in module.children():
                yield from visit(child, f"{path}.{name}" if path else name)

        return visit(self, prefix)

    def _held(self, kind: type[Any]) -> Iterator[tuple[str, Any]]:
        seen: set[int] = set()
        for path, module in self.named_modules():
            for name, value in vars(module).items():
                if isinstance(value, kind) and id(value) not in seen:
                    seen.add(id(value))
                    yield (f"{path}.{name}" if path else name), value

    def named_parameters(self) -> dict[str, Parameter]:
        """Every parameter by name, as PyTorch names them."""
        return dict(self._held(Parameter))

    def named_buffers(self) -> dict[str, Buffer]:
        """Every buffer by name."""
        return dict(self._held(Buffer))

    def parameters(self) -> Parameters:
        """Every parameter, as a list; an optimizer takes it."""
        return Parameters(self.named_parameters())

    # ------------------------------------------------------------------ values

    def init(self, seed: int = 0) -> Self:
        """Draw every parameter; each from its own generator, made of the seed and its name.

        A layer that is added or renamed does not change what the others are given.
        """
        for name, held in (*self.named_parameters().items(), *self.named_buffers().items()):
            held.initialise(np.random.default_rng([int(seed), zlib.crc32(name.encode())]))
        return self

    def drawn(self) -> Self:
        """Itself, with seed 0 for what has no value yet."""
        for name, held in (*self.named_parameters().items(), *self.named_buffers().items()):
            if not held.drawn:
                held.initialise(np.random.default_rng([0, zlib.crc32(name.encode())]))
        return self

    def state_dict(self) -> dict[str, Array]:
        """Copies of all parameters and buffers by name."""
        self.drawn()
        both = {**self.named_parameters(), **self.named_buffers()}
        return {name: held.value.copy() for name, held in both.items()}

    def load_state_dict(self, state: Mapping[str, Any], strict: bool = True) -> None:
        """Set parameters and buffers from arrays by name.

        Raises
        ------
        GraphError
            Names that are missing or unknown (where `strict`), or another shape; nothing is changed then.
        """
        both = {**self.named_parameters(), **self.named_buffers()}
        arrays = {k: array_of(v) for k, v in state.items() if not k.endswith("num_batches_tracked")}
        missing, unknown = sorted(both.keys() - arrays.keys()), sorted(arrays.keys() - both.keys())
        if strict and (missing or unknown):
            said = [f"{what}: {', '.join(names[:8])}" for what, names in
                    (("missing", missing), ("not in the model", unknown)) if names]  # fmt: skip
            raise GraphError(f"these parameters do not fit the model; {'; '.join(said)}")
        for name, array in arrays.items():
            if name in both and array.shape != both[name].shape:
                raise GraphError(
                    f"{name} has shape {list(array.shape)}, but the model's has {list(both[name].shape)}"
                )
            if array.dtype.kind == "f" and not np.isfinite(array).all():
                raise GraphError(f"{name} holds a number that is not finite")
        for name, array in arrays.items():
            if name in both:
                both[name].value = array.copy()

    def train(self, mode: bool = True) -> Self:
        """Set training mode everywhere in it: batch statistics, dropout."""
        for _, module in self.named_modules():
            module.training = mode
        return self

    def eval(self) -> Self:
        """Set evaluation mode."""
        return self.train(False)

    def compile(self) -> Any:
        """Itself as one planned function of arrays, see `workbench.compile`: the same bits, sooner."""
        from workbench.nn.compiled import compile as compiled

        return compiled(self)

    # ------------------------------------------------------------------ as a graph

    def graph(self, *shapes: Shape, name: str | None = None) -> Graph:
        """The graph for inputs of these shapes, in evaluation mode, with the present parameters as weights."""
        from workbench.nn.tracing import trace_module

        return trace_module(self, shapes, name=name).graph

    def model(self, *shapes: Shape, **options: Any) -> Any:
        """A `wb.Model` of it: to look at, to bound, to verify.  Training it further does not change that model."""
        from workbench.model import Model

        return Model(self.graph(*shapes, name=options.get("name")), **options)

    def to_onnx(self, path: Any, *shapes: Shape) -> None:
        """Write it as an ONNX file that onnxruntime runs to the same results."""
        from workbench.nn.export import save

        save(self.graph(*shapes), path)

    def to_torch(self, *shapes: Shape) -> Any:
        """The source of a PyTorch module that does the same, and its weights: `TorchSource`."""
        from workbench.nn.totorch import to_torch

        return to_torch(self, *shapes)

    def summary(self, *shapes: Shape) -> Any:
        """A table of its layers: shapes and parameters."""
        from workbench.nn.summary import summary

        return summary(self, shapes)

    def __repr__(self) -> str:
        lines = [f"  ({name}): " + repr(child).replace("\n", "\n  ") for name, child in self.children()]
        inside = f"\n{chr(10).join(lines)}\n" if lines else self.describe()
        return f"{type(self).__name__}({inside})"

    def describe(self) -> str:
        """Its settings, for `repr`."""
        return ""


class Sequential(Module):
    """Modules one after another; keyword names, where given, are theirs."""

    def __init__(self, *modules: Module, **named: Module) -> None:
        self._names = [*map(str, range(len(modules))), *named]
        self._modules = [*modules, *named.values()]
        for name, module in zip(self._names, self._modules, strict=True):
            if not isinstance(module, Module):
                raise GraphError(
                    f"Sequential takes modules; {name!r} is {module!r}: write nn.ReLU(), not a function"
                )

    def children(self) -> Iterator[tuple[str, Module]]:
        """The modules in order."""
        return zip(self._names, self._modules, strict=True)

    def forward(self, x: Any) -> Any:
        """Each module of the one before it."""
        for module in self._modules:
            x = module(x)
        return x

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[Module]:
        return iter(self._modules)

    def __getitem__(self, index: int | slice) -> Module:
        if isinstance(index, slice):
            return Sequential(*self._modules[index])
        return self._modules[index]


class Residual(Module):
    """x + inner(x), and the result through `after` where one is given."""

    def __init__(self, *inner: Module, after: Module | None = None, shortcut: Module | None = None) -> None:
        self.inner = inner[0] if len(inner) == 1 else Sequential(*inner)
        self.shortcut, self.after = shortcut, after

    def forward(self, x: Value) -> Value:
        """The sum of both ways."""
        y = self.inner(x) + (x if self.shortcut is None else self.shortcut(x))
        return y if self.after is None else self.after(y)


def array_of(thing: Any) -> Array:
    """An array, or a tensor of PyTorch's, wherever it lies and whatever it is part of."""
    return np.asarray(thing.detach().cpu() if hasattr(thing, "detach") else thing)


def flat(values: Any) -> Iterator[Any]:
    """What stands in tuples and lists, one after another."""
    for value in values:
        if isinstance(value, tuple | list):
            yield from flat(value)
        else:
            yield value


def _node_name(path: str, module: Module) -> str:
    """``fc1`` for a named layer, ``relu_1`` for the one that Sequential calls 1."""
    head, _, last = path.rpartition(".")
    found = f"{type(module).__name__.lower()}_{last}" if last.isdigit() else last
    return f"{head}.{found}" if head else found


def names_of(module: Module) -> tuple[dict[int, str], dict[int, str]]:
    """Paths of modules, and names of parameters and buffers, by id."""
    paths = {id(m): path for path, m in module.named_modules()}
    both: Sequence[tuple[str, Any]] = (*module.named_parameters().items(), *module.named_buffers().items())
    return paths, {id(held): name for name, held in both}
