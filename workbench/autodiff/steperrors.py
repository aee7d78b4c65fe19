"""Rounding errors of a backward pass and of one optimizer step, over a region of inputs and of parameters.

A gradient is a graph (`autodiff.gradient_graph`), and so is what an optimizer does with it: loss, gradients and the
parameters after the step are nodes of one graph whose inputs are the batch and the parameters.  Its real bounds come
from CROWN, and its rounding errors from `methods.rounding`: the same formulas, local error by local error, that bound a
network's outputs.  The reference is real arithmetic, with the optimizer's numbers as they are written (lr = 0.1 means
the float64 next to a tenth; that a binary32 program stores it rounded is part of the error).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np

from workbench.autodiff.bilinear import bilinear
from workbench.autodiff.graphs import adopted, pulled
from workbench.floats.program import Semantics
from workbench.graph import Array, Graph, GraphError
from workbench.methods.bounds import Bounds
from workbench.methods.named import find_bounds
from workbench.methods.rounding import RoundingBounds, rounding
from workbench.nn.losses import CrossEntropyLoss, Loss
from workbench.nn.module import Module, names_of
from workbench.nn.optim import SGD, Adam, Optimizer
from workbench.nn.tracing import Evaluating
from workbench.nn.value import Trace, Value
from workbench.region import Region, ball
from workbench.semantics.plan import plan_of
from workbench.tables import Table


@dataclass(frozen=True, eq=False)
class StepErrors:
    """What one step of training may err by, and what it may give: arrays in the parameters' shapes.

    Parameters
    ----------
    graph : the step: batch and parameters in; the loss, the gradients, and the new parameters out.
    loss : bound on |float loss - real loss|.
    gradients, parameters : name -> bound on the error of its gradient, and of its value after the step (no optimizer:
        none).
    ranges : name -> (least, most) of the gradient in real arithmetic.
    rounding, bounds : the errors and the real bounds of every node.
    nodes : what a value is called in the graph: ``"loss"``, ``("gradient", name)``, ``("parameter", name)``.
    """

    graph: Graph
    loss: float
    gradients: Mapping[str, Array]
    parameters: Mapping[str, Array]
    ranges: Mapping[str, tuple[Array, Array]]
    rounding: RoundingBounds
    bounds: Bounds
    nodes: Mapping[Any, str]

    def table(self) -> Table:
        """The largest errors by parameter."""
        cells = [("parameter", "gradient from", "to", "its error at most", "after the step")]
        for name, error in self.gradients.items():
            low, high = self.ranges[name]
            after = f"{self.parameters[name].max():.2e}" if name in self.parameters else "-"
            cells.append(
                (name, f"{low.min():.3g}", f"{high.max():.3g}", f"{error.max(initial=0):.2e}", after)
            )
        title = f"rounding errors of a step in {self.rounding.program.name}"
        return Table(title, cells, f"loss: {self.loss:.2e}")

    def __repr__(self) -> str:
        return repr(self.table())

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()


def step_errors(
    module: Module,
    loss: Loss | None,
    x: Any,
    y: Any,
    *,
    eps: float | Region = 0.0,
    parameters: float | Mapping[str, float] = 0.0,
    optimizer: Optimizer | None = None,
    program: str | Semantics = "binary32",
    method: str = "crown",
) -> StepErrors:
    """Bounds on the rounding errors of one step's loss and gradients, and of the parameters after it.

    Parameters
    ----------
    module : in evaluation mode: without dropout, with the statistics that it has.
    loss : by default cross entropy.
    x, y : a batch ``(N, ...)`` and its targets.
    eps : how far, in x's units, any input may lie from x; or a region of the batch's shape.
    parameters : how far each parameter may lie from its present value, in its own units; or by name.
    optimizer : `SGD`, `Adam` or `AdamW` of this module, in its present state; None for the backward pass alone.
    program : the float program; sums in any order by default.
    method : how real ranges are found: "crown", or the quicker and looser "ibp".

    Raises
    ------
    GraphError
        An optimizer whose step is not written as nodes; parameters of another module.
    """
    batch = np.asarray(x)
    graph, gradients, names, given = _backward(module, loss or CrossEntropyLoss(), batch, y)
    graph, after, state = _stepped(graph, gradients, names, optimizer)
    regions = {given: eps if isinstance(eps, Region) else ball(batch.astype(np.float64), float(eps))}
    regions[given] = _whole(regions[given], graph[given].shape)
    held = module.named_parameters()
    for name in names:
        radius = parameters.get(name, 0.0) if isinstance(parameters, Mapping) else float(parameters)
        regions[name] = ball(held[name].value.astype(np.float64), radius)
    regions |= {name: ball(array.astype(np.float64), 0.0) for name, array in state.items()}
    plan = plan_of(graph)
    before = find_bounds(plan, regions, method)
    found = rounding(plan, before, program)
    nodes: dict[Any, str] = {"loss": graph.outputs[0]}
    nodes |= {("gradient", n): g for n, g in gradients.items()}
    nodes |= {("parameter", n): g for n, g in after.items()}

    def bound(node: str, shape: Sequence[int]) -> Array:
        return np.asarray(found[node][0]).reshape(shape) if node in found.bounds else np.zeros(shape)

    ranges = {}
    for n, g in gradients.items():
        interval = before.intervals.get(g)
        value = plan.constants.get(g)
        ends = (value, value) if interval is None else (interval.lo[0], interval.hi[0])
        ranges[n] = (np.asarray(ends[0]), np.asarray(ends[1]))
    return StepErrors(
        graph,
        float(bound(graph.outputs[0], ())),
        {n: bound(g, held[n].shape) for n, g in gradients.items()},
        {n: bound(g, held[n].shape) for n, g in after.items()},
        ranges,
        found,
        before,
        nodes,
    )


def _whole(region: Region, shape: tuple[int, ...]) -> Region:
    return region if region.lower.shape[1:] == shape else region.reshape(shape)


def _backward(
    module: Module, loss: Loss, x: Array, y: Any
) -> tuple[Graph, dict[str, str], tuple[str, ...], str]:
    """Loss and gradients as one graph in float64, the gradients' nodes by parameter, and the batch's name."""
    paths, names = names_of(module.drawn())
    maker = Trace(trained=True, paths=paths, names=names)
    with Evaluating(module):
        given = maker.input("x", x.shape)
        output = module(given)
        ready = loss.prepare(np.asarray(y), output.shape)
        total = loss.build(output, maker.constant(ready.astype(np.float32), "target"))
    if total.size != 1:
        raise GraphError(
            f"a loss is one number, but this one gives {list(total.shape)}: reduction='mean' or 'sum'"
        )
    held = module.named_parameters()
    buffers = {name: b.value for name, b in module.named_buffers().items() if name in maker.known}
    forward = bilinear(_fixed(maker.graph([total], "loss"), buffers))
    chosen = tuple(n for n in forward.inputs if n in held and n in maker.parameters)
    trace, values = adopted(forward, "float64")
    end = values[forward.outputs[0]]
    seed = trace.constant(np.ones(end.shape), "seed")
    found = pulled(trace, values, forward, {end.name: seed}, chosen)
    outputs = [end, *found.values()]
    return trace.graph(outputs, "step"), {n: v.name for n, v in found.items()}, chosen, given.name


def _fixed(graph: Graph, held: Mapping[str, Array]) -> Graph:
    """Some inputs as the weights that they are: running statistics."""
    nodes = tuple(n for n in graph.nodes if n.name not in held)
    here = {k: v for k, v in held.items() if k in graph.inputs}
    return Graph(nodes, graph.outputs, {**graph.weights, **here}, graph.name)


def _stepped(
    graph: Graph, gradients: Mapping[str, str], names: Sequence[str], optimizer: Optimizer | None
) -> tuple[Graph, dict[str, str], dict[str, Array]]:
    """The graph with the optimizer's step at its end, the new parameters' nodes, and the state that it reads."""
    if optimizer is None:
        return graph, {}, {}
    if not isinstance(optimizer, SGD | Adam):
        raise GraphError(
            f"the step of {type(optimizer).__name__} is not written as nodes: SGD, Adam and AdamW are; without an "
            "optimizer the errors of the backward pass are bounded"
        )
    trace, values = adopted(graph)
    after: dict[str, Value] = {}
    state: dict[str, Array] = {}
    for name in names:
        if name not in optimizer.parameters or name not in gradients:
            continue
        p, g = values[name], values[gradients[name]]
        s = optimizer.settings_of(name)

        def slot(which: str, at: str = name, like: Value = p) -> Value:
            held = optimizer.state[at].get(which)
            found = trace.input(f"{at}/{which}", like.shape, "float64")
            state[found.name] = np.zeros(like.shape) if held is None else held
            return found

        if s.get("weight_decay") and not s.get("decoupled"):
            g = g + p * s["weight_decay"]
        elif s.get("weight_decay"):
            p = p * (1 - s["lr"] * s["weight_decay"])
        step = _adam if isinstance(optimizer, Adam) else _sgd
        after[name] = step(optimizer, p, g, s, slot, bool(optimizer.state[name]))
    outputs = [values[n] for n in graph.outputs] + list(after.values())
    found = trace.graph(outputs, graph.name)
    return found, {n: v.name for n, v in after.items()}, {k: v for k, v in state.items() if k in found.inputs}


def _sgd(optimizer: Optimizer, p: Value, g: Value, s: Mapping[str, Any], slot: Any, begun: bool) -> Value:
    """As `SGD.update`, operation by operation."""
    if s["momentum"]:
        b = slot("momentum") * s["momentum"] + g * (1 - s["dampening"]) if begun else g
        g = g + b * s["momentum"] if s["nesterov"] else b
    return p - g * s["lr"]


def _adam(optimizer: Optimizer, p: Value, g: Value, s: Mapping[str, Any], slot: Any, begun: bool) -> Value:
    """As `Adam.update`, operation by operation."""
    (b1, b2), count = s["betas"], optimizer.count + 1
    m = slot("m") * b1 + g * (1 - b1)
    v = slot("v") * b2 + (g * g) * (1 - b2)
    unbias = sqrt(1 - b2**count)
    rate = s["lr"] / (1 - b1**count) * unbias
    root = v.trace.emit("Sqrt", [v])
    return p - m / (root + s["eps"] * unbias) * rate
