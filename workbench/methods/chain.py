"""Chains: networks that are affine, relu, affine, ..., affine, as a few matrices.

Layer k is z = A a + b, held as a weight W with ``|A - W| <= g M`` entrywise, M >= |A|, g a few units of 2^-53: linear
nodes are multiplied out in float64, and what that rounds is kept in g, M and the bias' error.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from workbench.graph import Array
from workbench.semantics.affine import Linear, describe
from workbench.semantics.backward import INFLATE
from workbench.semantics.interval import UNIT, Interval
from workbench.semantics.plan import Plan, Step

# multiplications of one product up to which BLAS keeps to one thread: for these sizes several cost more than they give,
# and on a busy machine they wait for one another
ALONE = 1 << 18
LARGEST = 1 << 22  # elements of a weight matrix
# charged wherever a product may underflow (by 2^-1075): products with subnormal numbers are a hundred times as slow
SMALL = 2.0**-900


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """One affine map, ``z = A a + b``.

    Parameters
    ----------
    weight, bias : W ``(n, m)`` and the float64 bias ``(n,)``.
    size : M ``(n, m)``, at least |A|.
    sized_bias : at least |b|, ``(n,)``.
    loss : how far W is from A in units of M, and what a product of rows with W rounds, ``g``.
    bias_error : ``(n,)``, how far the exact bias may be from `bias`.
    node : name of the node that is z.
    """

    weight: Array
    bias: Array
    size: Array
    sized_bias: Array
    loss: float
    bias_error: Array
    node: str


@dataclass(frozen=True, slots=True, eq=False)
class Chain:
    """A network that is affine, relu, affine, ..., affine; the first layer reads the flattened input."""

    layers: tuple[Layer, ...]

    @property
    def inputs(self) -> int:
        """Number of inputs."""
        return int(self.layers[0].weight.shape[1])

    def run(self, x: Array) -> Array:
        """Outputs ``(N, n)`` at points ``(N, inputs)``, in float64: no bound."""
        for k, layer in enumerate(self.layers):
            x = product(np.maximum(x, 0.0) if k else x, layer.weight.T) + layer.bias
        return x


def product(a: Array, weight: Array) -> Array:
    """``a @ weight``, in pieces that BLAS works on alone where the weight is small."""
    group = ALONE // max(1, weight.size)
    whole = len(a) // group * group if group >= 16 else 0
    if whole == 0 or (whole == group and whole == len(a)):
        return np.asarray(a @ weight)
    found = np.empty((len(a), weight.shape[1]))
    pieces = found[:whole].reshape(-1, group, weight.shape[1])
    np.matmul(a[:whole].reshape(-1, group, a.shape[1]), weight, out=pieces)
    if whole < len(a):
        np.matmul(a[whole:], weight, out=found[whole:])
    return found


def chain_of(plan: Plan) -> Chain | None:
    """The network as a chain, or None where it is not one (kept with the plan)."""
    key = "dense chain"
    if key not in plan.memo:
        plan.memo[key] = _chain(plan)
    found: Chain | None = plan.memo[key]
    return found


def _chain(plan: Plan) -> Chain | None:
    if len(plan.graph.inputs) != 1 or len(plan.graph.outputs) != 1:
        return None
    at = plan.graph.inputs[0]
    shape = plan.graph[at].shape
    layers: list[Layer] = []
    maps: list[tuple[Step, Linear]] = []
    for step in plan.steps:
        if step.node.name not in plan.live or step.node.name not in plan.upstream(plan.graph.outputs[0]):
            continue
        if any(o is not None and o not in plan.constants and o != at for o in step.operands):
            return None  # a second branch, or a constant that is only known as an interval
        if step.node.op == "Relu":
            layer = _compose(maps, shape)
            if layer is None:
                return None
            layers.append(layer)
            maps, shape = [], step.node.shape
        else:
            before = {
                at: Interval(np.full((1, *plan.graph[at].shape), -1.0), np.ones((1, *plan.graph[at].shape)))
            }
            form = describe(plan, step, before)
            if not isinstance(form, Linear):
                return None
            maps.append((step, form))
        at = step.node.name
    last = _compose(maps, shape) if at == plan.graph.outputs[0] else None
    return None if last is None else Chain((*layers, last))


def _compose(maps: Sequence[tuple[Step, Linear]], shape: tuple[int, ...]) -> Layer | None:
    """Several linear nodes as one layer: their product is taken in float64 and its rounding kept as `loss`."""
    m = int(np.prod(shape))
    if not maps or m * max(step.node.size for step, _ in maps) > LARGEST:
        return None
    x = np.eye(m).reshape(m, *shape)  # columns of the product, one a row
    size, tiny = x, np.zeros((1, *shape))
    bias = sized = error = np.zeros((1, *shape))
    terms = 0
    for step, form in maps:
        live = [one for one in form.maps if one is not None]
        if len(live) != 1:
            return None
        (one,) = live
        moved, error_moved = one.apply(bias), one.magnitude(error)
        x, size, sized = one.apply(x), one.magnitude(size), one.magnitude(sized)
        tiny = one.magnitude(tiny) + ((2 * one.terms + 2) * SMALL)
        terms += one.terms + 2
        bias, error = moved, error_moved + ((2 * one.terms + 2) * SMALL)
        if form.bias is not None:
            bias = bias + form.bias
            sized = sized + np.abs(form.bias)
            if form.bias_error is not None:
                error = error + form.bias_error
        bias, sized, error = (np.broadcast_to(v, (1, *step.node.shape)) for v in (bias, sized, error))
    n = maps[-1][0].node.size
    loss = (n + m + 2 * terms + 24) * UNIT * INFLATE
    whole = size.reshape(m, n).T * INFLATE + (tiny.reshape(1, n).T * INFLATE) / UNIT
    sized = sized.reshape(n) * INFLATE + SMALL
    error = (error.reshape(n) + (terms + 2) * UNIT * sized) * INFLATE
    found = Layer(
        np.ascontiguousarray(x.reshape(m, n).T),
        np.array(bias.reshape(n)),
        np.ascontiguousarray(whole),
        sized,
        float(loss),
        error,
        maps[-1][0].node.name,
    )
    return found if all(np.isfinite(v).all() for v in (found.weight, found.size, sized, error)) else None
