"""Imported: a program of PyTorch's operators as a module, with the names that its parameters had there."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from workbench.graph import Array, Graph, GraphError
from workbench.nn.aten import handler
from workbench.nn.aten.layers import RAW
from workbench.nn.module import Module, array_of, flat
from workbench.nn.parameter import Buffer, Parameter
from workbench.nn.shapes import ShapeError, dims_text
from workbench.nn.value import Trace, Value


@dataclass(frozen=True)
class Ref:
    """What an earlier step, an input, a parameter or a constant is called."""

    name: str


@dataclass(frozen=True)
class Step:
    """One operator: its name, what it takes (`Ref`, numbers, lists of both), and the layer that it belongs to."""

    name: str
    op: str
    args: tuple[Any, ...]
    named: Mapping[str, Any]
    path: str = ""
    kind: str = ""


@dataclass(frozen=True)
class Program:
    """Steps in order.

    Parameters
    ----------
    inputs : names, and for each the example's shape and element type.
    held : name in the program -> the parameter's or buffer's name in the module.
    constants : arrays that depend on no input and no parameter.
    outputs : references, in tuples and lists as the module gave them.
    free : whether the first axis of inputs may have any size.
    name : a label for people.
    """

    steps: tuple[Step, ...]
    inputs: Mapping[str, tuple[tuple[int, ...], str]]
    held: Mapping[str, str]
    constants: Mapping[str, Array]
    outputs: Any
    free: bool
    name: str = "imported"


class Part(Module):
    """A module of the network that was imported; it holds parameters, and the whole knows what is computed."""

    def describe(self) -> str:
        """The parameters' names."""
        return ", ".join(
            f"{k}: {list(v.shape)}" for k, v in vars(self).items() if isinstance(v, Parameter | Buffer)
        )


def part(kind: str) -> Part:
    """A new part, whose class has the name that it had in PyTorch."""
    found: Part = type(kind if kind.isidentifier() else "Part", (Part,), {"__module__": __name__})()
    return found


@dataclass(eq=False)
class Imported(Part):
    """A network that came from PyTorch: run it, train it, bound it.  `model()`, `graph()`, `summary()` know its shape.

    Parameters
    ----------
    program : what it computes.
    aliases : further names of shared parameters.
    folded : buffers that constants were computed from when it was imported.
    """

    mixes = True

    program: Program
    aliases: Mapping[str, str] = field(default_factory=dict)
    folded: frozenset[str] = frozenset()

    def forward(self, *inputs: Value) -> Any:
        """The program's steps, one after another."""
        trace = inputs[0].trace
        held = self._named()
        known: dict[str, Any] = {}
        for (name, (shape, _)), x in zip(self.program.inputs.items(), inputs, strict=True):
            rest = x.shape[1:] == shape[1:] and len(x.shape) == len(shape)
            if not rest or (x.shape[:1] != shape[:1] and not self.program.free):
                wanted = ["batch" if self.program.free and i == 0 else str(n) for i, n in enumerate(shape)]
                raise ShapeError(
                    f"{name} was [{', '.join(wanted)}] when the network was imported, "
                    f"but is {dims_text(x.shape, x.dims)}: import it with an example of that shape"
                )
            known[name] = x
        known |= {name: held[path] for name, path in self.program.held.items()}
        known |= {name: trace.constant(array, "constant") for name, array in self.program.constants.items()}
        parts = {path: identity for identity, path in trace.paths.items()}
        for step in self.program.steps:
            known[step.name] = _taken(step, known, trace)
            first = next((v for v in flat((known[step.name],)) if isinstance(v, Value)), None)
            if first is not None and step.path in parts:
                trace.results[parts[step.path]] = first.shape
        return _found(self.program.outputs, known)

    def _named(self) -> dict[str, Any]:
        return {**self.named_parameters(), **self.named_buffers()}

    def graph(self, *shapes: Any, name: str | None = None) -> Graph:
        """The graph; for the example's shape (and one example, where it may) if no shapes are given."""
        from workbench.nn.tracing import trace_module

        kinds = [kind for _, kind in self.program.inputs.values()]
        given = self._shapes(shapes)
        dtypes = kinds if len(given) == len(kinds) else ()
        return trace_module(self, given, dtypes, name=name or self.program.name).graph

    def runner(self, shapes: Sequence[tuple[int, ...]]) -> Callable[[Sequence[Array]], Any]:
        """A function of arrays of these very shapes, with the element types of the example."""
        from workbench.nn.tracing import trace_module

        traced = trace_module(self, shapes, [kind for _, kind in self.program.inputs.values()])
        return lambda arrays: traced(*arrays)

    def summary(self, *shapes: Any) -> Any:
        """A table of its layers."""
        return super().summary(*self._shapes(shapes))

    def _shapes(self, shapes: Sequence[Any]) -> Sequence[Any]:
        if shapes:
            return shapes
        free = self.program.free
        return [
            np.zeros((1, *shape[1:]) if free else shape, dtype)
            for shape, dtype in self.program.inputs.values()
        ]

    def state_dict(self) -> dict[str, Array]:
        """Copies of all parameters and buffers by PyTorch's names; `torch.tensor` of each fits the module again."""
        own = super().state_dict()
        return own | {alias: own[name].copy() for alias, name in self.aliases.items()}

    def load_state_dict(self, state: Mapping[str, Any], strict: bool = True) -> None:
        """Set parameters and buffers by name; see `Module.load_state_dict`.

        Raises
        ------
        GraphError
            Another value for a buffer that the graph was computed from when it was imported.
        """
        held = self.named_buffers()
        for name in self.folded & state.keys():
            if not np.array_equal(array_of(state[name]), held[name].value):
                raise GraphError(
                    f"the buffer {name} is part of the graph: import the network again to change it"
                )
        super().load_state_dict({k: v for k, v in state.items() if k not in self.aliases}, strict)

    def __repr__(self) -> str:
        return f"Imported({len(self.program.steps)} steps, {sum(p.size for p in self.parameters()):,} parameters)"


def _taken(step: Step, known: Mapping[str, Any], trace: Trace) -> Any:
    """What one step gives."""
    if step.op.startswith("operator."):
        function = getattr(operator, step.op.removeprefix("operator."))
        return function(*(_found(a, known) for a in step.args))
    raw = RAW.get(step.op, ())
    args = [
        _found(a, known) if i in raw else _lifted(_found(a, known), trace) for i, a in enumerate(step.args)
    ]
    named = {k: _lifted(_found(v, known), trace) for k, v in step.named.items()}
    trace.scopes.append((step.path, step.kind))
    try:
        found = (
            FACTORIES[step.op](trace, *args, **named)
            if step.op in FACTORIES
            else handler(step.op)(*args, **named)
        )
    except GraphError:  # which is a ValueError, and says all itself
        raise
    except (TypeError, ValueError) as error:
        raise GraphError(f"{trace.where}: PyTorch's operator {step.op!r} is used in a way that is not known: {error}") \
            from error  # fmt: skip
    finally:
        trace.scopes.pop()
    return found


def _found(thing: Any, known: Mapping[str, Any]) -> Any:
    """References replaced by what they refer to."""
    if isinstance(thing, Ref):
        return known[thing.name]
    if isinstance(thing, tuple | list):
        return type(thing)(_found(t, known) for t in thing)
    return thing


def _lifted(thing: Any, trace: Trace) -> Any:
    if isinstance(thing, Parameter | Buffer):
        return trace.lift(thing)
    if isinstance(thing, tuple | list):
        return type(thing)(_lifted(t, trace) for t in thing)
    return thing


def _filled(trace: Trace, shape: Sequence[int], value: float = 0.0, **_: Any) -> Value:
    return trace.constant(np.full(tuple(shape), value, np.float32))


def _like(trace: Trace, x: Value, value: float = 0.0, **_: Any) -> Value:
    return trace.constant(np.full(x.shape, value, x.dtype))


# Arrays whose size is known when a graph is built: they take the trace, for they may take no value.
FACTORIES: dict[str, Any] = {
    "zeros": _filled,
    "ones": lambda trace, shape, **_: _filled(trace, shape, 1.0),
    "full": _filled,
    "new_zeros": lambda trace, x, shape, **_: _filled(trace, shape),
    "new_ones": lambda trace, x, shape, **_: _filled(trace, shape, 1.0),
    "new_full": lambda trace, x, shape, value, **_: _filled(trace, shape, value),
    "zeros_like": _like,
    "ones_like": lambda trace, x, **_: _like(trace, x, 1.0),
    "full_like": _like,
}
