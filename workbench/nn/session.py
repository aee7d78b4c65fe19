"""Session: a module and an objective as planned graphs, one for every shape of batch, and one step of training.

Parameters are inputs of these graphs, so that nothing is built again when they change; the batch is the graph's own
first axis, so that a mean over it, or its statistics, are nodes like any other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from workbench.graph import Array, Graph, GraphError
from workbench.nn.losses import Loss
from workbench.nn.module import Module, names_of
from workbench.nn.parameter import Buffer
from workbench.nn.value import Trace, Value
from workbench.semantics import gradient, real
from workbench.semantics.plan import Plan, plan_of
from workbench.semantics.planned import Planned


class TrainingError(GraphError):
    """Training that cannot go on: names the node or the parameter where numbers stopped being numbers."""


class Objective:
    """What is made small: a loss of the network's output.  Others (see `certified`) look at a region around x too."""

    def __init__(self, loss: Loss) -> None:
        self.loss = loss

    def build(
        self, module: Module, x: Value, target: Value, number: Callable[[str], Value]
    ) -> tuple[Value, Value]:
        """The loss, and the network's output; `number(name)` is an input of one number, see `numbers`."""
        output = module(x)
        return self.loss.build(output, target), output

    def numbers(self, step: int) -> dict[str, float]:
        """Numbers that change while training."""
        return {}

    def inputs(self, session: Session, x: Array, target: Array, step: int) -> Array:
        """What the network is trained on, in place of x."""
        return x


@dataclass(frozen=True, eq=False)
class Compiled:
    """One graph of training or of evaluation, ready to run."""

    graph: Graph
    plan: Plan
    held: Mapping[str, Any]  # name of an input -> the parameter or buffer that it is
    wanted: frozenset[str]
    updates: tuple[tuple[Buffer, str], ...]
    noises: Mapping[str, Callable[[np.random.Generator], Array]]
    loss: str
    output: str
    planned: Planned | None = None

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Values by name: node by node, or where they were planned to lie (the next run writes over them)."""
        return real.run(self.plan, inputs) if self.planned is None else self.planned.run(inputs)

    def pull(self, values: Mapping[str, Array], by: frozenset[str]) -> dict[str, Array]:
        """Gradients of the loss."""
        seeds = {self.loss: np.ones((1, *self.graph[self.loss].shape), values[self.loss].dtype)}
        if self.planned is None:
            return gradient.pullback(self.plan, values, seeds, None, by)
        return self.planned.pull(seeds)


@dataclass(frozen=True)
class Stepped:
    """What one step gave; the arrays of gradients are good until the next step."""

    loss: float
    output: Array
    grads: dict[str, Array]
    norm: float


class Session:
    """Runs a module's training graph.

    Parameters
    ----------
    module, objective : what is trained, and how it is judged.
    seed : of everything that is drawn while training; step k draws from ``[seed, k]`` alone.
    planned : whether graphs are run as one plan with its memory, instead of node by node: the same bits, sooner.
    """

    def __init__(self, module: Module, objective: Objective, seed: int = 0, planned: bool = True) -> None:
        self.module, self.objective, self.seed, self.planned = module.drawn(), objective, seed, planned
        self._made: dict[Any, Compiled] = {}
        self._shapes: dict[Any, tuple[int, ...]] = {}

    # ------------------------------------------------------------------ graphs

    def _trace(self, training: bool) -> Trace:
        paths, names = names_of(self.module)
        return Trace(trained=True, training=training, paths=paths, names=names)

    def compiled(self, x: Array, y: Any, training: bool) -> tuple[Compiled, Array]:
        """The graph for a batch of this shape, and the targets as it takes them."""
        key = (training, x.shape, str(x.dtype))
        labels = np.asarray(y)
        if key not in self._shapes:
            maker = self._trace(training)
            self.module.train(training)
            found = self.module(maker.input("x", x.shape, str(x.dtype)))
            if not isinstance(found, Value):
                raise GraphError(
                    "a network that is trained gives one output; write a module around it that does"
                )
            self._shapes[key] = found.shape
        ready = self.objective.loss.prepare(labels, self._shapes[key])
        whole = (*key, ready.shape)
        if whole not in self._made:
            self._made[whole] = self._compile(x, ready, training, training)
        return self._made[whole], ready

    def _compile(
        self, x: Array, ready: Array, training: bool, backward: bool, by: frozenset[str] | None = None
    ) -> Compiled:
        maker = self._trace(training)
        self.module.train(training)
        given = maker.input("x", x.shape, str(x.dtype))
        target = maker.input("target", ready.shape)
        extra: dict[str, Value] = {}

        def number(name: str) -> Value:
            if name not in extra:
                extra[name] = maker.input(name, ())
            return extra[name]

        if training:
            loss, output = self.objective.build(self.module, given, target, number)
        else:
            output = self.module(given)
            loss = self.objective.loss.build(output, target)
        updates = tuple((b, v.name) for b, v in maker.updates)
        outputs = [loss, output, *(v for _, v in maker.updates)]
        graph = maker.graph(outputs, "training" if training else "evaluation")
        both = {**self.module.named_parameters(), **self.module.named_buffers()}
        held = {n: both[n] for n in graph.inputs if n in both}
        wanted = frozenset(n for n in held if n in maker.parameters)
        noises = {n: d for n, d in maker.noises.items() if n in graph.inputs}
        plan = plan_of(graph)
        planned = Planned(plan, (by or wanted) if backward else None) if self.planned else None
        return Compiled(graph, plan, held, wanted, updates, noises, loss.name, output.name, planned)

    # ------------------------------------------------------------------ running

    def _inputs(self, c: Compiled, x: Array, ready: Array, step: int) -> dict[str, Array]:
        inputs = {name: held.value[None] for name, held in c.held.items()}
        rng = np.random.default_rng([self.seed, step])
        inputs |= {name: np.asarray(draw(rng), np.float32)[None] for name, draw in c.noises.items()}
        numbers = self.objective.numbers(step)
        inputs |= {k: np.full((1,), v, np.float32) for k, v in numbers.items() if k in c.graph.inputs}
        return {**inputs, "x": x[None], "target": ready[None]}

    def step(self, x: Array, y: Any, step: int) -> Stepped:
        """Loss and gradients of a batch; running statistics move.

        Raises
        ------
        TrainingError
            A loss or a gradient that is not finite; nothing has changed then.
        """
        x = np.asarray(x)
        c, ready = self.compiled(x, y, training=True)
        x = self.objective.inputs(self, x, ready, step)
        inputs = self._inputs(c, x, ready, step)
        values = c.run(inputs)
        loss = float(values[c.loss].reshape(-1)[0])
        if not np.isfinite(loss):
            raise TrainingError(f"the loss is {loss} at step {step}: {first_fault(c, inputs, values)}")
        found = c.pull(values, c.wanted)
        grads = {name: found[name][0] for name in sorted(c.wanted) if name in found}
        total = 0.0
        for name, g in grads.items():
            with np.errstate(over="ignore", invalid="ignore"):
                size = float(np.vdot(g, g))
            if not np.isfinite(size):
                if not np.isfinite(g).all():
                    raise TrainingError(
                        f"the gradient of {name} is not finite at step {step}, though the loss is {loss:.4g}: "
                        f"{first_fault_back(c, values)}"
                    )
                size = float(np.vdot(*(g.astype(np.float64),) * 2))
            total += size
        for buffer, name in c.updates:
            buffer.value = values[name][0].copy()
        return Stepped(loss, values[c.output][0].copy(), grads, float(np.sqrt(total)))

    def evaluate(self, x: Array, y: Any) -> tuple[float, Array]:
        """Plain loss and output of a batch in evaluation mode."""
        c, ready = self.compiled(np.asarray(x), y, training=False)
        values = c.run(self._inputs(c, np.asarray(x), ready, 0))
        return float(values[c.loss].reshape(-1)[0]), values[c.output][0].copy()

    def input_gradient(self, x: Array, ready: Array) -> Array:
        """The plain loss's gradient with respect to x, in evaluation mode."""
        key = ("input", x.shape, ready.shape)
        if key not in self._made:
            mode = self.module.training
            self._made[key] = self._compile(x, ready, training=False, backward=True, by=frozenset({"x"}))
            self.module.train(mode)
        c = self._made[key]
        values = c.run(self._inputs(c, x, ready, 0))
        return np.array(c.pull(values, frozenset({"x"}))["x"][0])


def first_fault(c: Compiled, inputs: Mapping[str, Array], values: Mapping[str, Array]) -> str:
    """Where numbers stopped being numbers, in words."""
    for name, array in inputs.items():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            return f"{'the input' if name == 'x' else name} is not finite before the network begins"
    for step in c.plan.steps:
        value = values[step.node.name]
        if value.dtype.kind == "f" and not np.isfinite(value).all():
            at = np.argwhere(~np.isfinite(value))[0]
            operands = []
            for operand in filter(None, step.operands):
                if operand in values and values[operand].size:
                    v = values[operand]
                    operands.append(f"{operand} from {v.min():.3g} to {v.max():.3g}")
            return (
                f"{step.node.describe()} is the first value that is not finite ({value[tuple(at)]} at index "
                f"{at[1:].tolist()}); it was computed from {', '.join(operands) or 'constants'}"
            )
    return "every node is finite"


def first_fault_back(c: Compiled, values: Mapping[str, Array]) -> str:
    """Where a gradient stopped being finite on its way back from the loss, in words."""
    seeds = {c.loss: np.ones((1, *c.graph[c.loss].shape), values[c.loss].dtype)}
    everywhere = gradient.pullback(c.plan, values, seeds, None)
    behind = "the loss"
    for step in reversed(c.plan.steps):
        name = step.node.name
        for operand in filter(None, step.operands):
            g = everywhere.get(operand)
            if name in everywhere and g is not None and not np.isfinite(g).all():
                v = values[operand]
                return (
                    f"{step.node.describe()} is where it stops being finite on its way back: its gradient by "
                    f"{operand}, which is from {v.min():.3g} to {v.max():.3g}; lower the learning rate, clip "
                    "gradients, or look for a root or logarithm near 0"
                )
        behind = name
    return f"it is finite at every node behind {behind}; lower the learning rate"
