"""grad and its kin for functions that are traced: named, and to be called, as in JAX.

All compute in float64.  First derivatives come from the operators' gradient rules; what needs a derivative of a
derivative (jvp, hessian, hvp) differentiates the gradient graph.  With ``batched=True`` every argument has one more
axis in front, and the function is differentiated at each example, all at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np

from workbench.autodiff.graphs import gradient_graph
from workbench.graph import Array, Graph, GraphError
from workbench.nn import tracing
from workbench.op import UnsupportedOperator
from workbench.semantics import gradient, real
from workbench.semantics.plan import plan_of

Function = Callable[..., Any]


def graph_of(function: Any, args: Sequence[Array], batched: bool = False) -> Graph:
    """The graph of a function, a module, a `Traced` or a `Graph` at arguments of these shapes."""
    if isinstance(function, Graph):
        return function
    shapes = [a.shape[1:] if batched else a.shape for a in args]
    if hasattr(function, "network"):  # a wb.Model
        found: Graph = function.network.graph
        return found
    return tracing.trace(function, *shapes, dtype="float64").graph


def _run(graph: Graph, args: Sequence[Any], batched: bool) -> tuple[dict[str, Array], dict[str, Array]]:
    given = [np.asarray(a, np.float64) for a in args]
    if len(given) != len(graph.inputs):
        raise GraphError(f"{graph.name} takes {len(graph.inputs)} arguments, but was given {len(given)}")
    inputs = {n: (a if batched else a[None]) for n, a in zip(graph.inputs, given, strict=True)}
    for name, a in inputs.items():
        if a.shape[1:] != graph[name].shape:
            raise GraphError(f"{name} has shape {list(a.shape[1:])}, expected {list(graph[name].shape)}")
    return inputs, real.run(plan_of(graph), inputs, np.float64)


def _arrays(args: Sequence[Any]) -> list[Array]:
    return [np.asarray(a, np.float64) for a in args]


def _scalar(graph: Graph) -> str:
    name = graph.outputs[0]
    if prod(graph[name].shape) != 1:
        raise GraphError(
            f"grad is for functions of one number; this one gives {list(graph[name].shape)}: use jacrev"
        )
    return name


def value_and_grad(function: Any, argnums: int | Sequence[int] = 0, batched: bool = False) -> Function:
    """``(*args) -> value, gradient``; a tuple of gradients where several arguments are named."""
    chosen = (argnums,) if isinstance(argnums, int) else tuple(argnums)

    def found(*args: Any) -> tuple[Any, Any]:
        given = _arrays(args)
        graph = graph_of(function, given, batched)
        name = _scalar(graph)
        inputs, values = _run(graph, given, batched)
        wanted = frozenset(graph.inputs[i] for i in chosen)
        seeds = {name: np.ones((len(values[name]), *graph[name].shape))}
        grads = gradient.pullback(plan_of(graph), values, seeds, np.float64, wanted)
        out = []
        for i in chosen:
            g = grads.get(graph.inputs[i], np.zeros_like(inputs[graph.inputs[i]]))
            out.append(g if batched else g[0])
        value = values[name].reshape(-1) if batched else float(values[name].reshape(-1)[0])
        return value, out[0] if isinstance(argnums, int) else tuple(out)

    return found


def grad(function: Any, argnums: int | Sequence[int] = 0, batched: bool = False) -> Function:
    """``(*args) -> gradient`` of a function of one number.

    >>> grad(lambda x: (x * x).sum())(np.array([1.0, 2.0]))
    array([2., 4.])
    """
    both = value_and_grad(function, argnums, batched)
    return lambda *args: both(*args)[1]


def vjp(function: Any, *args: Any) -> tuple[Array, Callable[[Any], tuple[Array, ...]]]:
    """The value, and ``seed -> gradients of seed . value`` with respect to all arguments."""
    given = _arrays(args)
    graph = graph_of(function, given)
    inputs, values = _run(graph, given, False)
    name = graph.outputs[0]

    def pull(seed: Any) -> tuple[Array, ...]:
        rows = np.asarray(seed, np.float64).reshape(1, *graph[name].shape)
        grads = gradient.pullback(plan_of(graph), values, {name: rows}, np.float64, frozenset(graph.inputs))
        return tuple(grads.get(n, np.zeros_like(inputs[n]))[0] for n in graph.inputs)

    return values[name][0], pull


def jacrev(function: Any, argnums: int = 0) -> Function:
    """``(*args) -> Jacobian``, of shape ``(*output, *argument)``: one backward pass, a row an output."""

    def found(*args: Any) -> Array:
        given = _arrays(args)
        graph = graph_of(function, given)
        inputs, values = _run(graph, given, False)
        return _rows(graph, values, inputs, graph.inputs[argnums])

    return found


def _rows(graph: Graph, values: dict[str, Array], inputs: dict[str, Array], by: str) -> Array:
    name = graph.outputs[0]
    shape = graph[name].shape
    seeds = np.eye(prod(shape)).reshape(-1, *shape)
    grads = gradient.pullback(plan_of(graph), values, {name: seeds}, np.float64, frozenset({by}))
    inner = graph[by].shape
    g = grads.get(by, np.zeros((len(seeds), *inner)))
    return np.ascontiguousarray(np.broadcast_to(g, (len(seeds), *inner))).reshape(*shape, *inner)


def jvp(function: Any, args: Sequence[Any], tangents: Sequence[Any]) -> tuple[Array, Array]:
    """The value, and the derivative in the direction of the tangents.

    The vector-Jacobian product u -> u^T J is linear in u, so that its own vector-Jacobian product with v is J v: the
    gradient graph, with u as an input, is differentiated by u.  Operators whose gradient is numbers only are
    differentiated row by row.
    """
    given, moved = _arrays(args), _arrays(tangents)
    graph = graph_of(function, given)
    inputs, values = _run(graph, given, False)
    name = graph.outputs[0]
    return values[name][0], _pushed(graph, inputs, values, [v[None] for v in moved])[0]


def _pushed(
    graph: Graph, inputs: dict[str, Array], values: dict[str, Array], tangents: Sequence[Array | None]
) -> Array:
    """Derivatives along R directions: `tangents` are ``(R, *argument)`` or None for 0; the result ``(R, *output)``."""
    name = graph.outputs[0]
    along = {n: v for n, v in zip(graph.inputs, tangents, strict=True) if v is not None}
    count = len(next(iter(along.values())))
    try:
        twice = gradient_graph(graph, list(along), seeded=True, dtype="float64")
    except UnsupportedOperator:
        total = np.zeros((count, *graph[name].shape))
        for by, v in along.items():
            rows = _rows(graph, values, inputs, by)
            total = total + np.moveaxis(
                np.tensordot(rows, v, (range(-v.ndim + 1, 0), range(1, v.ndim))), -1, 0
            )
        return np.asarray(total)
    (seed,) = [n for n in twice.inputs if n not in graph.inputs]
    around = {**inputs, seed: np.zeros((1, *graph[name].shape))}
    held = real.run(plan_of(twice), around, np.float64)
    seeds: dict[str, Array] = {}
    for out, v in zip(twice.outputs, along.values(), strict=True):
        if out in twice.by_name:
            seeds[out] = seeds.get(out, 0) + v
    grads = gradient.pullback(plan_of(twice), held, seeds, np.float64, frozenset({seed}))
    return np.broadcast_to(grads.get(seed, np.zeros((1, *graph[name].shape))), (count, *graph[name].shape))


def jacfwd(function: Any, argnums: int = 0) -> Function:
    """``(*args) -> Jacobian``, of shape ``(*output, *argument)``: a forward derivative for every input."""

    def found(*args: Any) -> Array:
        given = _arrays(args)
        graph = graph_of(function, given)
        inputs, values = _run(graph, given, False)
        by = given[argnums]
        units = np.eye(by.size).reshape(-1, *by.shape)
        columns = _pushed(graph, inputs, values, [units if i == argnums else None for i in range(len(given))])
        shape = graph[graph.outputs[0]].shape
        return np.moveaxis(columns, 0, -1).reshape(*shape, *by.shape)

    return found


def hessian(function: Any) -> Function:
    """``x -> matrix of second derivatives``, of shape ``(*x, *x)``, for a function of one number and one argument."""

    def found(x: Any) -> Array:
        (given,) = _arrays([x])
        graph = graph_of(function, [given])
        _scalar(graph)
        first = gradient_graph(graph, dtype="float64")
        if first.outputs[0] not in first.by_name:  # the gradient is constant
            return np.zeros((*given.shape, *given.shape))
        inputs, values = _run(first, [given], False)
        return _rows(first, values, inputs, first.inputs[0])

    return found


def hvp(function: Any) -> Function:
    """``(x, v) -> H v``, without the matrix H: the gradient of ``gradient . v``."""

    def found(x: Any, v: Any) -> Array:
        given, along = _arrays([x, v])
        graph = graph_of(function, [given])
        _scalar(graph)
        first = gradient_graph(graph, dtype="float64")
        name = first.outputs[0]
        if name not in first.by_name:
            return np.zeros_like(given)
        _, values = _run(first, [given], False)
        by = first.inputs[0]
        grads = gradient.pullback(plan_of(first), values, {name: along[None]}, np.float64, frozenset({by}))
        return grads.get(by, np.zeros((1, *given.shape)))[0]

    return found
