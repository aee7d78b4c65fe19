"""Training for robustness that can be proved: IBP, CROWN-IBP and PGD objectives, and certified accuracy.

The regions are l_inf balls cut to the range of the data.  IBP: Gowal et al. 2018; CROWN-IBP: Zhang et al. 2020; PGD:
Madry et al. 2018.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from workbench.graph import Array, Graph, GraphError, Node
from workbench.methods.named import find_bounds
from workbench.nn import functional as F
from workbench.nn.intervals import Pair, propagate
from workbench.nn.losses import CrossEntropyLoss
from workbench.nn.module import Module
from workbench.nn.session import Objective, Session
from workbench.nn.tracing import trace_module
from workbench.nn.value import Value
from workbench.op import UnsupportedOperator
from workbench.region import Region, ball
from workbench.semantics.plan import plan_of

Ramp = Callable[[int], float]
MASK = 1e-6  # a class's share of a target that counts as the label


def ramp(end: float, steps: int, start: int = 0, first: float = 0.0) -> Ramp:
    """From `first` at step `start` to `end` after `steps` more, in a straight line."""

    def at(step: int) -> float:
        share = min(max((step - start) / max(steps, 1), 0.0), 1.0)
        return first + (end - first) * share

    return at


def _ramp(value: float | Ramp) -> Ramp:
    return value if callable(value) else lambda step: float(value)


class _Certified(Objective):
    """(1 - kappa) plain loss + kappa loss of the worst case over ``|x' - x| <= eps``."""

    def __init__(
        self, eps: float | Ramp, kappa: float | Ramp = 0.5, clip: tuple[float, float] | None = (0.0, 1.0)
    ) -> None:
        super().__init__(CrossEntropyLoss())
        self.eps, self.kappa, self.clip = _ramp(eps), _ramp(kappa), clip

    def numbers(self, step: int) -> dict[str, float]:
        """The radius and the share of the worst case."""
        return {"eps": self.eps(step), "kappa": self.kappa(step)}

    def build(
        self, module: Module, x: Value, target: Value, number: Callable[[str], Value]
    ) -> tuple[Value, Value]:
        """Both losses together."""
        trace, eps, kappa = x.trace, number("eps"), number("kappa")
        before = len(trace.nodes)
        output = module(x)
        if output.ndim != 2:
            raise GraphError(f"certified training is for classifiers [batch, classes], not {output!r}")
        nodes = trace.nodes[before:]
        low, high = x - eps, x + eps
        if self.clip is not None:
            low, high = F.clamp(low, self.clip[0]), F.clamp(high, None, self.clip[1])
        found = propagate(trace, x, (low, high), nodes)
        hot = F.relu(target.trace.emit("Sign", [target - MASK]))
        worst = self.worst(output, hot, found, nodes, x)
        robust = self.loss.build(worst, target)
        plain = self.loss.build(output, target)
        return plain + kappa * (robust - plain), output

    def worst(
        self, output: Value, hot: Value, found: Mapping[str, Pair], nodes: list[Node], x: Value
    ) -> Value:
        """Logits that no point of the region beats: the label's lower ends, all others' upper ends."""
        low, high = found[output.name]
        return high + hot * (low - high)


class IBP(_Certified):
    """Worst logits by interval propagation."""


class CROWNIBP(_Certified):
    """Worst differences of logits by a linear backward pass over bounds from interval propagation.

    Chains of Gemm, Conv, Relu, Flatten and Reshape.  `beta` mixes them with IBP's, which trains better
    once the network is stable (Zhang et al. 2020): 1 is CROWN-IBP alone.
    """

    def __init__(
        self, eps: float | Ramp, kappa: float | Ramp = 0.5, clip: tuple[float, float] | None = (0.0, 1.0),
        beta: float | Ramp = 1.0,
    ) -> None:  # fmt: skip
        super().__init__(eps, kappa, clip)
        self.beta = _ramp(beta)

    def numbers(self, step: int) -> dict[str, float]:
        """Also the share of CROWN."""
        return {**super().numbers(step), "beta": self.beta(step)}

    def worst(
        self, output: Value, hot: Value, found: Mapping[str, Pair], nodes: list[Node], x: Value
    ) -> Value:
        """Minus the lower bounds of (label's logit - each logit): 0 for the label itself."""
        trace, (n, classes) = x.trace, output.shape
        eye = np.eye(classes, dtype=np.float32).reshape(1, classes, classes)
        a: Value = hot.reshape(n, 1, classes) - trace.constant(eye, "eye")  # rows: what is bounded from below
        low, high = found[output.name]
        by_ibp = -((F.relu(a) * low.reshape(n, 1, classes)) - F.relu(-a) * high.reshape(n, 1, classes)).sum(2)
        offset: Value | None = None
        at, by_name = output.name, {node.name: node for node in nodes}
        while at != x.name:
            node = by_name.get(at)
            if node is None:
                raise UnsupportedOperator(f"CROWN-IBP reached {at!r}, which is not computed from x alone")
            a, more = _back(node, a, found, trace)
            if more is not None:
                offset = more if offset is None else offset + more
            at = node.inputs[0]
        low, high = found[x.name]
        flat = (n, 1, x.size // n)
        centre, radius = ((low + high) * 0.5).reshape(flat), ((high - low) * 0.5).reshape(flat)
        least = (a * centre - F.abs_(a) * radius).sum(2)
        least = least if offset is None else least + offset
        return by_ibp + _number(trace, "beta") * (-least - by_ibp)


def _number(trace: Any, name: str) -> Value:
    """An input of one number that was made before, or is made now."""
    return trace.known[name] if name in trace.known else trace.input(name, ())


def _back(node: Node, a: Value, found: Mapping[str, Pair], trace: Any) -> tuple[Value, Value | None]:
    """Rows ``(batch, rows, size of the node)`` through one node: rows of its operand, and what is added."""
    n, k, _ = a.shape
    if node.op in ("Flatten", "Reshape", "Identity", "Dropout"):
        return a, None
    operand = found[node.inputs[0]]
    weights = [trace.known[i] for i in node.inputs[1:] if i]
    if node.op == "Gemm" and node.attrs.get("transB", 0):
        offset = (a * weights[1].reshape(1, 1, -1)).sum(2) if len(weights) > 1 else None
        return a @ weights[0], offset
    if node.op == "Conv":
        inner, outer = operand[0].shape[1:], found[node.name][0].shape[1:]
        rank = len(inner) - 1
        attrs: dict[str, Any] = dict(node.attrs)
        reach = zip(
            outer[1:], inner[1:], attrs["strides"], attrs["pads"], attrs["kernel_shape"], strict=False
        )
        if any(d != 1 for d in attrs.get("dilations", ())):
            raise UnsupportedOperator(f"{node.describe()}: CROWN-IBP needs dilations of 1")
        attrs["output_padding"] = tuple(i - ((o - 1) * s - 2 * p + w) for o, i, s, p, w in reach)
        rows = a.reshape(n * k, *outer)
        back = trace.emit("ConvTranspose", [rows, weights[0]], attrs).reshape(n, k, int(np.prod(inner)))
        if len(weights) == 1:
            return back, None
        wide = (a.reshape(n, k, outer[0], int(np.prod(outer[1:]))).sum(3) * weights[1].reshape(1, 1, -1)).sum(
            2
        )
        return back, wide if rank else None
    if node.op == "Relu":
        low, high = (end.reshape(n, 1, end.size // n) for end in operand)
        up, down = F.relu(high), F.relu(-low)  # u+ and l-: above, the chord u+ (x + l-) / (u+ + l-)
        slope = up / F.maximum(up + down, 1e-8)
        steep = F.relu(trace.emit("Sign", [up - down]))  # below: x where u+ > l-, else 0
        positive, negative = F.relu(a), F.relu(-a)
        return positive * steep - negative * slope, -((negative * slope) * down).sum(2)
    raise UnsupportedOperator(
        f"{node.describe()} has no rule for CROWN-IBP: Gemm, Conv, Relu, Flatten and Reshape have"
    )


class PGD(Objective):
    """Adversarial training: the loss where projected gradient steps led within ``|x' - x| <= eps``."""

    def __init__(
        self, eps: float | Ramp, steps: int = 7, clip: tuple[float, float] | None = (0.0, 1.0), loss: Any = None,
        augment: Callable[[Array, np.random.Generator], Array] | None = None,
    ) -> None:  # fmt: skip
        super().__init__(loss or CrossEntropyLoss())
        self.eps, self.steps, self.clip, self.augment = _ramp(eps), steps, clip, augment

    def numbers(self, step: int) -> dict[str, float]:
        """The radius."""
        return {"eps": self.eps(step)}

    def inputs(self, session: Session, x: Array, target: Array, step: int) -> Array:
        """Points where the loss is larger."""
        rng = np.random.default_rng([session.seed, step, 1])
        if self.augment is not None:
            x = self.augment(x, rng)
        return attack(session, x, target, self.eps(step), self.steps, self.clip, rng)


def attack(
    session: Session, x: Array, target: Array, eps: float, steps: int, clip: tuple[float, float] | None,
    rng: np.random.Generator,
) -> Array:  # fmt: skip
    """Projected gradient steps from a random point of the ball; `target` as the loss prepares it."""
    low, high = (
        (x - eps, x + eps) if clip is None else (np.maximum(x - eps, clip[0]), np.minimum(x + eps, clip[1]))
    )
    low, high = np.asarray(low, x.dtype), np.asarray(high, x.dtype)
    at = np.clip(x + np.asarray(rng.uniform(-eps, eps, x.shape), x.dtype), low, high)
    for _ in range(steps):
        grad = session.input_gradient(at, target)
        at = np.clip(at + np.asarray(2.5 * eps / steps, x.dtype) * np.sign(grad), low, high)
    return at


def certified(
    module: Module | Graph,
    x: Array,
    y: Array,
    eps: float,
    method: str = "crown",
    clip: tuple[float, float] | None = (0.0, 1.0),
) -> Array:
    """For each example whether sound bounds prove that the label stays the largest output within ``eps``.

    Parameters
    ----------
    module : a classifier; or its graph, for one example.
    x, y : examples and labels.
    method : "ibp", "crown-ibp" or "crown".

    Returns
    -------
    Booleans, one an example.  False says that it was not proved, not that it is not so.
    """
    graph = module if isinstance(module, Graph) else trace_module(module, [(1, *np.shape(x)[1:])]).graph
    name, classes = graph.outputs[0], graph[graph.outputs[0]].size
    found = np.zeros(len(x), bool)
    for label in np.unique(np.asarray(y)):
        rest = [j for j in range(classes) if j != label]
        rows = np.zeros((classes, classes - 1), np.float32)
        rows[label], rows[rest, range(classes - 1)] = 1.0, -1.0
        plan = plan_of(_with_margin(graph, name, rows))
        (source,) = plan.graph.inputs
        for at in np.array_split(np.flatnonzero(y == label), max(1, int((y == label).sum()) // 64)):
            centre = np.asarray(x)[at].reshape(len(at), *plan.graph[source].shape)
            where = _balls(centre, eps, clip)
            low = find_bounds(plan, {source: where}, method).output.lo
            found[at] = (low.reshape(len(at), -1) > 0).all(axis=1)
    return found


def _balls(centre: Array, eps: float, clip: tuple[float, float] | None) -> Region:
    """A box for each example."""
    whole = ball(centre, eps, clip=clip)
    return Region(whole.lower[0], whole.upper[0])


def _with_margin(graph: Graph, name: str, rows: Array) -> Graph:
    last = Node("margin", "MatMul", (name, "margin.rows"), shape=(*graph[name].shape[:-1], rows.shape[1]))
    return Graph((*graph.nodes, last), ("margin",), {**graph.weights, "margin.rows": rows}, graph.name)


def certified_accuracy(eps: float, module: Module, method: str = "ibp") -> Callable[[Array, Array], float]:
    """Certified accuracy on examples: ``(x, y) -> share`` that is right and proved to stay so within ``eps``."""
    return lambda x, y: float(certified(module, x, y, eps, method).mean())
