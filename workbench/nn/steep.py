"""Lipschitz constants: sound bounds over a region, by CROWN on the gradient's graph; a loss that keeps them small.

A continuous, piecewise smooth function on a convex region changes by at most sup |gradient|_q |x - y|_p with
1/p + 1/q = 1.  Almost everywhere its gradient is what the gradient's graph gives: where a neuron stays at its kink (two
operands of a maximum stay equal) the gradients of both sides agree, so that the subgradient chosen there does not
count.  Bounds of that graph's nodes hold in real arithmetic, and the norms are rounded upward.  Refused are operators
that jump, and those whose derivative as a graph holds a number that is no float (2 / sqrt pi of erf).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from workbench.graph import Array, Graph, GraphError, Node
from workbench.methods.named import find_bounds
from workbench.nn import functional as F
from workbench.nn.certified import MASK, Ramp
from workbench.nn.intervals import propagate
from workbench.nn.losses import CrossEntropyLoss, Loss
from workbench.nn.module import Module
from workbench.nn.session import Objective
from workbench.nn.value import Value
from workbench.op import UnsupportedOperator
from workbench.region import Region
from workbench.semantics.plan import plan_of

# continuous, and with derivatives as graphs that are the true ones in real arithmetic
LINEAR = "Add Sub Neg MatMul Gemm Conv ConvTranspose ReduceSum ReduceMean AveragePool GlobalAveragePool"
MOVES = (
    "Reshape Flatten Squeeze Unsqueeze Identity Dropout Transpose Concat Slice Split Gather Expand Where Pad"
)
BENT = "Relu LeakyRelu Abs Max Min Clip MaxPool ReduceMax Elu Selu Celu HardSigmoid HardSwish"
SMOOTH = "Mul Div Reciprocal Exp Log Sqrt Sin Cos Tanh Sigmoid Softplus Swish Mish Softmax LayerNormalization"
KNOWN = frozenset(f"{LINEAR} {MOVES} {BENT} {SMOOTH} BatchNormalization Input".split())
UNIT = 2.0**-53


def lipschitz(
    model: Any,
    region: Region | None = None,
    *,
    norm: str = "inf",
    outputs: Sequence[int] | None = None,
    method: str = "crown",
) -> Array:
    """Sound bounds on the Lipschitz constants of a network's outputs over a region.

    Parameters
    ----------
    model : a `wb.Model`, or a `Graph` of one input.
    region : a box or ball; a model's own by default.
    norm : of changes of the input: "inf", "2" or "1"; of an output it is the absolute value.
    outputs : which elements of the output, counted flat; all by default.
    method : how the gradient is bounded: "crown" or "ibp".

    Returns
    -------
    ``(outputs,)``: for all x, y in the region, ``|f_k(x) - f_k(y)| <= L_k |x - y|_norm`` in real arithmetic; infinite
    where nothing is known.

    Raises
    ------
    GraphError
        No region, another norm, or an operator whose derivative is not known exactly.
    """
    from workbench.autodiff.graphs import gradient_graph  # it is built on this package

    graph: Graph = model if isinstance(model, Graph) else model.network.graph
    where = region if region is not None else getattr(model, "region", None)
    if where is None:
        raise GraphError("where may the input lie? give a region, such as wb.ball(x, eps=0.01)")
    if where.batch != 1:
        raise GraphError(f"give one region, not {where.batch}")
    if norm not in DUAL:
        raise GraphError(f"norm must be 'inf', '2' or '1', not {norm!r}")
    live = plan_of(graph).live
    for node in graph.nodes:
        tanh = node.op == "Gelu" and node.attrs.get("approximate", "none") == "tanh"
        if node.name in live and node.op not in KNOWN and not tanh:
            raise UnsupportedOperator(
                f"the Lipschitz constant of {node.describe()} is not bounded: it jumps, or its derivative as a graph "
                "holds a number that is no float"
            )
    (given,) = graph.inputs
    shape = graph[given].shape
    regions = {given: where if where.lower.shape[1:] == shape else where.reshape(shape)}
    size = graph[graph.outputs[0]].size
    found = []
    for k in range(size) if outputs is None else outputs:
        first = gradient_graph(graph, [given], int(k), dtype="float64")
        name, plan = first.outputs[0], plan_of(first)
        if name in plan.constants:
            largest = np.abs(np.asarray(plan.constants[name], np.float64))
        else:
            largest = find_bounds(plan, regions, method)[name].magnitude[0]
        found.append(DUAL[norm](largest.reshape(-1)))
    return np.array(found)


def _sum_up(x: Array) -> float:
    """A sum of numbers that are not negative, rounded upward: n roundings, each by less than a unit."""
    return float(np.nextafter(x.sum() * (1 + 2 * (x.size + 2) * UNIT), np.inf)) if x.any() else 0.0


def _root_up(x: Array) -> float:
    """The root of the sum of squares, rounded upward; what is tiny counts as no less than 2^-500."""
    if not x.any():
        return 0.0
    large = np.maximum(x, np.where(x > 0, 2.0**-500, 0.0))
    return float(np.nextafter(np.sqrt(_sum_up(large * large * (1 + 4 * UNIT))) * (1 + 4 * UNIT), np.inf))


DUAL: dict[str, Callable[[Array], float]] = {
    "inf": _sum_up,
    "2": _root_up,
    "1": lambda x: float(x.max(initial=0.0)),
}


class SpectralPenalty(Objective):
    """A loss, and a share of the squared largest singular values of all weight matrices (Yoshida and Miyato 2017).

    The singular values are found by steps of the power iteration, which are nodes of the training graph like all
    others.  The penalty chooses weights and claims nothing: `lipschitz` says afterwards what holds.

    Parameters
    ----------
    loss : what is trained, a `Loss` or another `Objective` such as `certified.IBP`.
    share : what the sum of squares is multiplied by.
    steps : of the power iteration.
    """

    def __init__(self, loss: Loss | Objective, share: float = 0.01, steps: int = 3) -> None:
        self.inner = loss if isinstance(loss, Objective) else Objective(loss)
        super().__init__(self.inner.loss)
        self.share, self.steps = float(share), int(steps)

    def numbers(self, step: int) -> dict[str, float]:
        """Those of the loss inside."""
        return self.inner.numbers(step)

    def inputs(self, session: Any, x: Array, target: Array, step: int) -> Array:
        """Those of the loss inside."""
        return self.inner.inputs(session, x, target, step)

    def build(
        self, module: Module, x: Value, target: Value, number: Callable[[str], Value]
    ) -> tuple[Value, Value]:
        """The loss inside, and the penalty."""
        loss, output = self.inner.build(module, x, target, number)
        penalty: Value | None = None
        for p in module.parameters():
            if len(p.shape) >= 2 and p.trainable:
                square = self._square(x.trace.lift(p))
                penalty = square if penalty is None else penalty + square
        return (loss if penalty is None else loss + penalty * self.share), output

    def _square(self, weight: Value) -> Value:
        """The square of the largest singular value, as |W v|^2 for a unit vector v."""
        matrix = weight.reshape(weight.shape[0], weight.size // weight.shape[0])
        start = np.random.default_rng(weight.size).normal(size=(matrix.shape[1], 1)).astype(np.float32)
        v: Value = weight.trace.constant(start / np.linalg.norm(start), "start")
        for _ in range(self.steps):
            v = matrix.T @ (matrix @ v)
            v = v / weight.trace.emit("Sqrt", [(v * v).sum() + 1e-12])
        image = matrix @ v
        return (image * image).sum()


class LocalPenalty(Objective):
    """A loss, and a share of how steep the margins may be around each example (Zhang et al. 2019, RecurJac, for relu).

    Over ``|x' - x| <= eps`` intervals of the gradients of (label's logit - each logit) are carried backward through the
    network: a relu passes nothing, everything, or what lies between.  The penalty is the mean of the sums of their
    largest magnitudes, which bound, in floats, the Lipschitz constants in l_inf.  Chains of Gemm, Relu and reshapes.

    Parameters
    ----------
    share : what the mean is multiplied by.
    eps : the radius, a number or a `certified.ramp`.
    loss : of the output; it must prepare its targets as one number a class, as cross entropy does.
    """

    def __init__(self, share: float = 0.01, eps: float | Ramp = 0.02, loss: Loss | None = None) -> None:
        super().__init__(loss or CrossEntropyLoss())
        self.share = float(share)
        self.eps: Ramp = eps if callable(eps) else lambda step: float(eps)

    def numbers(self, step: int) -> dict[str, float]:
        """The radius."""
        return {"eps": self.eps(step)}

    def build(
        self, module: Module, x: Value, target: Value, number: Callable[[str], Value]
    ) -> tuple[Value, Value]:
        """The loss, and the penalty."""
        trace, eps = x.trace, number("eps")
        before = len(trace.nodes)
        output = module(x)
        if output.ndim != 2 or target.shape != output.shape:
            raise GraphError(f"LocalPenalty is for classifiers [batch, classes], not {output!r}")
        nodes = {node.name: node for node in trace.nodes[before:]}
        found = propagate(trace, x, (x - eps, x + eps), list(nodes.values()))
        n, classes = output.shape
        eye = np.eye(classes, dtype=np.float32).reshape(1, classes, classes)
        hot = F.relu(trace.emit("Sign", [target - MASK]))
        rows: Value = hot.reshape(n, 1, classes) - trace.constant(eye, "eye")
        low, high, at = rows, rows, output.name
        while at != x.name:
            node = nodes.get(at)
            if node is None:
                raise UnsupportedOperator(f"LocalPenalty reached {at!r}, which is not computed from x alone")
            low, high = _steeper(node, low, high, found, trace)
            at = node.inputs[0]
        steep = F.maximum(F.abs_(low), F.abs_(high)).sum(2).sum(1).mean() * (1.0 / max(1, classes - 1))
        return self.loss.build(output, target) + steep * self.share, output


def _steeper(
    node: Node, low: Value, high: Value, found: Mapping[str, tuple[Value, Value]], trace: Any
) -> tuple[Value, Value]:
    """Intervals of gradients ``(batch, rows, size)`` by a node's value, carried to its operand."""
    if node.op in ("Flatten", "Reshape", "Identity", "Dropout"):
        return low, high
    if node.op == "Gemm" and node.attrs.get("transB", 0):
        weight = trace.known[node.inputs[1]]
        centre, radius = (low + high) * 0.5 @ weight, (high - low) * 0.5 @ F.abs_(weight)
        return centre - radius, centre + radius
    if node.op == "Relu":
        ends = found[node.inputs[0]]
        n = low.shape[0]
        least, most = (F.relu(trace.emit("Sign", [e])).reshape(n, 1, e.size // n) for e in ends)
        below = least * F.relu(low) - most * F.relu(-low)
        return below, most * F.relu(high) - least * F.relu(-high)
    raise UnsupportedOperator(
        f"{node.describe()} has no rule in LocalPenalty: Gemm, Relu, Flatten and Reshape have"
    )
