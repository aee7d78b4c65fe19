"""trace: a plain Python function, or a module, as a graph."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from workbench.graph import Array, Graph, GraphError
from workbench.network import Network
from workbench.nn.module import Module, flat, names_of
from workbench.nn.shapes import Annotation, Dims, joined, parse, unnamed
from workbench.nn.value import Trace, Value
from workbench.semantics import real
from workbench.semantics.plan import Plan, plan_of


@dataclass(frozen=True, eq=False)
class Traced:
    """A function that was traced: its graph, and itself, to be called on arrays.

    Parameters
    ----------
    graph : what the function computes.
    form : how its outputs are given back: 0 for one alone, and tuples of their numbers as the function has them.
    """

    graph: Graph
    form: Any = 0

    @property
    def plan(self) -> Plan:
        """The graph made ready to walk."""
        return plan_of(self.graph)

    def __call__(self, *inputs: Any) -> Any:
        """The outputs; for a stack of inputs, where the first axis is 1 in the graph or one more is given, a stack."""
        return self.computed(lambda given: real.run(self.plan, given), *inputs)

    def computed(self, run: Callable[[dict[str, Array]], Mapping[str, Array]], *inputs: Any) -> Any:
        """The outputs, from a function that gives values by name."""
        names = self.graph.inputs
        if len(inputs) != len(names):
            raise GraphError(f"{self.graph.name} takes {len(names)} inputs, but was given {len(inputs)}")
        network = Network(self.graph)
        given, own = network.inputs(dict(zip(names, inputs, strict=True)))
        values = run(given)
        found = []
        for name in self.graph.outputs:
            v = values[name]
            if own:
                v = v[:, 0] if v.ndim > 1 and v.shape[1] == 1 else v
            elif all(a.shape[0] == 1 for a in given.values()):
                v = v[0]
            found.append(v)
        return _formed(self.form, found)

    def model(self, **options: Any) -> Any:
        """A `wb.Model` of it: to look at, to bound, to verify."""
        from workbench.model import Model

        name = options.get("name") or self.graph.name
        return Model(replace(self.graph, name=name), **options)

    def to_onnx(self, path: Any) -> None:
        """Write it as an ONNX file."""
        from workbench.nn.export import save

        save(self.graph, path)

    def __repr__(self) -> str:
        return f"Traced({self.graph!r})"


def trace(
    function: Callable[..., Any], *shapes: Any, dtype: str = "float32", name: str | None = None
) -> Traced:
    """The graph of a plain Python function of tensors.

    Parameters
    ----------
    function : of values; uses operators, methods of values, `workbench.nn.functional` and modules.  Its arguments may
        be annotated: ``x: wb.Tensor["batch features"]``.
    shapes : one an argument: ``(1, 784)`` or ``"batch=1 pixels=784"``; an array stands for its shape and type.
    dtype : element type of the inputs.
    name : a label for people.

    Raises
    ------
    ShapeError
        Shapes that do not fit, in the names of dimensions and layers.

    >>> from workbench.nn import functional as F
    >>> f = trace(lambda x, w: F.relu(x @ w), (1, 3), (3, 2))
    >>> print(f.graph.to_text())
    x : float32[1,3] = input
    w : float32[3,2] = input
    matmul : float32[1,2] = MatMul(x, w)
    relu : float32[1,2] = Relu(matmul)  -> output
    """
    if isinstance(function, Traced):
        return function
    if isinstance(function, Module):
        return trace_module(function, shapes, name=name)
    if not callable(function):
        raise GraphError(f"trace takes a function, not {function!r}")
    given = [given_shape(s, dtype) for s in shapes]
    maker = Trace()
    inputs = _inputs(maker, function, given)
    outputs, form = _outputs(function(*inputs), getattr(function, "__name__", "the function"), maker)
    label = str(name or getattr(function, "__name__", "function"))
    return Traced(maker.graph(outputs, "function" if label == "<lambda>" else label), form)


def for_arrays(module: Module, arrays: Sequence[Array], trained: bool = False) -> Traced:
    """The graph that a module's call on these arrays runs: of one example, where its examples do not see each other."""
    if not arrays:
        raise GraphError(f"{type(module).__name__} was called without an input: give it an array")
    alone = len(arrays) == 1 and arrays[0].ndim == 1
    shapes = [a.shape if alone else ((1, *a.shape[1:]) if a.ndim else ()) for a in arrays]
    dtype = next((p.dtype for p in module.parameters()), "float32")
    dtypes = ["int64" if a.dtype.kind in "iu" else dtype for a in arrays]
    found = trace_module(module, shapes, dtypes, trained=trained)
    if (
        module.mixes or found.form != 0
    ) and not alone:  # states may count examples on another axis than the first
        found = trace_module(module, [a.shape for a in arrays], dtypes, trained=trained)
    return found


def trace_module(
    module: Module,
    shapes: Sequence[Any],
    dtypes: Sequence[str] = (),
    name: str | None = None,
    trained: bool = False,
) -> Traced:
    """The graph of a module in evaluation mode; its parameters are weights, or inputs where they are `trained`.

    Raises
    ------
    GraphError
        Another number of shapes than `forward` takes inputs.
    """
    check_shapes(module, shapes)
    paths, names = names_of(module.drawn())
    maker = Trace(trained=trained, every=trained, paths=paths, names=names)
    given = [given_shape(s, "float32") for s in shapes]
    if dtypes:
        given = [(shape, dims, dtype) for (shape, dims, _), dtype in zip(given, dtypes, strict=True)]
    with Evaluating(module):
        inputs = _inputs(maker, module.forward, given)
        outputs, form = _outputs(module(*inputs), type(module).__name__, maker)
    return Traced(maker.graph(outputs, name or type(module).__name__.lower()), form)


def check_shapes(module: Module, shapes: Sequence[Any]) -> None:
    """Refuse another number of shapes than `forward` takes inputs, in words."""
    kind = type(module).__name__
    if not shapes:
        raise GraphError(f"{kind} has no size of its own: give the input's shape, such as (1, 64)")
    try:
        inspect.signature(module.forward).bind(*shapes)
    except TypeError as error:
        sizes = all(isinstance(s, int) for s in shapes)
        hint = f": give the sizes of one shape as a tuple, {tuple(shapes)}" if sizes else ""
        raise GraphError(f"{kind} does not take {len(shapes)} inputs ({error}){hint}") from None


class Evaluating:
    """Evaluation mode for a while; each module's own mode comes back afterwards."""

    def __init__(self, module: Module) -> None:
        self._modules = [m for _, m in module.named_modules()]

    def __enter__(self) -> None:
        self._modes = [m.training for m in self._modules]
        for m in self._modules:
            m.training = False

    def __exit__(self, *_: object) -> None:
        for m, mode in zip(self._modules, self._modes, strict=True):
            m.training = mode


def given_shape(shape: Any, dtype: str) -> tuple[tuple[int, ...], Dims, str]:
    """Shape, names of dimensions and element type of what stands for an input: a shape, or an array."""
    if isinstance(shape, np.ndarray):
        kind = shape.dtype.kind
        return shape.shape, unnamed(shape.ndim), "int64" if kind in "iu" else dtype
    return (*parse(shape), dtype)


def _inputs(maker: Trace, function: Callable[..., Any], given: Sequence[Any]) -> list[Value]:
    try:
        signature: Mapping[str, inspect.Parameter] = inspect.signature(function, eval_str=True).parameters
    except (TypeError, ValueError, NameError):
        signature = {}
    found, sizes = [], dict[str, int]()
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    arguments = [p for p in signature.values() if p.kind in kinds]
    for i, (shape, dims, dtype) in enumerate(given):
        known = arguments[i] if i < len(arguments) else None
        name = known.name if known is not None else f"x{i}" if len(given) > 1 else "x"
        if known is not None and isinstance(known.annotation, Annotation):
            bound = known.annotation.bind(name, shape, sizes)
            found.append(maker.input(name, shape, dtype, joined(dims, bound)))
        else:
            found.append(maker.input(name, shape, dtype, dims))
    return found


def _outputs(result: Any, what: str, maker: Trace) -> tuple[list[Value], Any]:
    values = list(flat((result,)))
    if not values:
        raise GraphError(f"{what} gives nothing: return a value")
    numbers = iter(range(len(values)))

    def form(thing: Any) -> Any:
        return tuple(map(form, thing)) if isinstance(thing, tuple | list) else next(numbers)

    return [maker.lift(v) for v in values], form(result)


def _formed(form: Any, found: Sequence[Any]) -> Any:
    return tuple(_formed(part, found) for part in form) if isinstance(form, tuple) else found[form]
