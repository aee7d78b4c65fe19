"""BatchNormalization with fixed statistics: one scale and one offset a channel."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np

from workbench.floats.errors import growth, raised
from workbench.floats.program import Semantics
from workbench.graph import Array, GraphError
from workbench.op import Call, Op, UnsupportedOperator, as_float64
from workbench.ops.generators.linear import linear, weighted
from workbench.ops.shape import given
from workbench.semantics.affine import Linear
from workbench.semantics.cotangent import NODES, Term, Terms, shaped
from workbench.semantics.interval import TINY, UNIT, Interval, midpoint_radius
from workbench.semantics.real import real
from workbench.semantics.rounding import Local, rounding
from workbench.semantics.summation import stored

batchnorm = Op(
    "BatchNormalization",
    "y = scale (x - mean) / sqrt(variance + epsilon) + shift",
    r"y=\gamma\frac{x-\mu}{\sqrt{\sigma^2+\epsilon}}+\beta",
)

SMALLEST_NORMAL = 2.0**-1022


def _epsilon(call: Call) -> float:
    epsilon = float(call.attr("epsilon", 1e-5))
    if not 0 <= epsilon < np.inf:  # the rounding rule counts its error as relative to variance + epsilon
        raise GraphError(f"{call.node.describe()}: epsilon must be a finite number, 0 or more, not {epsilon}")
    return epsilon


@batchnorm.rule(real)
def _(call: Call, ns: Any, x: Array, gamma: Array, beta: Array, mean: Array, var: Array) -> Array:
    check_shapes(call)
    shape = (gamma.shape[0], 1, -1, *(1,) * (x.ndim - 3))
    scale = ns.div(gamma, ns.sqrt(ns.add(var, ns.number(_epsilon(call)))))
    offset = ns.sub(beta, ns.mul(mean, scale))
    return np.asarray(ns.add(ns.mul(x, scale.reshape(shape)), offset.reshape(shape)))


def check_shapes(call: Call) -> None:
    """Refuse operands that do not fit: x ``(batch, channels, ...)``, and four vectors of one number a channel."""
    x = given(call, 0)
    if len(x) < 2 or any(given(call, i) != (x[1],) for i in range(1, 5)):
        raise ValueError(
            "it needs x of shape (batch, channels, ...) and four vectors of one number a channel"
        )


def scale_and_offset(call: Call) -> tuple[Array, Array, Array]:
    """Scale, offset and the offset's largest error, float64 ``(channels,)``.

    The sum under the root, the root and the quotient are one rounding each, and the root halves what came before: the
    scale's relative error is below 2.5 u + O(u^2), less than 3 u, as long as it is a normal number.

    Raises
    ------
    GraphError
        A variance that is not positive, or a scale that float64 cannot hold.
    """
    values = [call.constant(i) for i in range(1, 5)]
    if any(v is None for v in values):
        raise UnsupportedOperator(
            f"{call.node.describe()}: scale, shift, mean and variance must be constants"
        )
    gamma, beta, mean, var = (as_float64(v) for v in values if v is not None)
    epsilon = float(call.attr("epsilon", 1e-5))
    if (
        not 0 <= epsilon < np.inf
    ):  # the rounding rule counts the error of epsilon as relative to variance + epsilon
        raise GraphError(f"{call.node.describe()}: epsilon must be a finite number, 0 or more, not {epsilon}")
    spread = var + epsilon
    if not (spread > 0).all():
        raise GraphError(f"{call.node.describe()}: variance + epsilon is not positive in every channel")
    with np.errstate(all="ignore"):
        scale = gamma / np.sqrt(spread)
        offset = beta - mean * scale
        error = (8 * UNIT) * np.abs(mean * scale) + (2 * UNIT) * np.abs(offset) + 4 * TINY
    normal = (gamma == 0) | (
        np.isfinite(scale) & (np.abs(scale) >= SMALLEST_NORMAL) & (spread >= SMALLEST_NORMAL)
    )
    if not (normal.all() and np.isfinite(offset).all() and np.isfinite(error).all()):
        raise GraphError(f"{call.node.describe()}: its scale or offset is outside the range of float64")
    return scale, offset, error


def _form(call: Call) -> Linear:
    check_shapes(call)
    scale, offset, error = scale_and_offset(call)
    inner = given(call, 0)
    wide = (1, 1, inner[1], *(1,) * (len(inner) - 2))

    def build(weight: Array) -> tuple[Callable[[Array], Array], Callable[[Array], Array]]:
        return (lambda x: x * weight), (lambda y: y * weight)

    def rows(index: Array) -> Array:
        channel = np.unravel_index(index, inner)[1]
        found = np.zeros((len(index), prod(inner)))
        found[np.arange(len(index)), index] = scale[channel]
        return found.reshape(len(index), *inner)

    # one product, and the weight's own error of three units
    first = weighted(scale.reshape(wide), build, 4, 4, rows)
    full = (1, *inner)
    bias, doubt = (np.ascontiguousarray(np.broadcast_to(v.reshape(wide), full)) for v in (offset, error))
    return Linear((first, None, None, None, None), bias, doubt)


@batchnorm.rule(rounding)
def _(call: Call, program: Semantics, x: Interval, *rest: Interval | None) -> Local:
    """Computed as x scale + (beta - mean scale), as (x - mean) / root scale + beta, or in any order between.

    Each of the three terms |x S|, |mean S| and |beta| passes through at most nine roundings (epsilon's own, variance +
    epsilon, root, quotient, two products, two sums), a quotient counting twice: below (1+u)^10 - 1 of their sum.
    Underflow: sums do not (with gradual underflow), nor do variance + epsilon and its root, which are kept normal; each
    of the at most five products and quotients errs by eta/2 absolutely, and is multiplied afterwards by at most one of
    1, |gamma|, |scale|, 1/root and by at most one of 1, |x| + |mean|, with a few roundings more (a factor below 2):
    together less than 5 eta times the product of the two sums below, and 16 eta is charged.
    What storing the statistics does is the difference of two affine maps, each with float64 errors of 3 u in its scale.
    """
    program.needs_gradual("BatchNormalization")
    near, moved = stored(call, program)
    form = call.cached("linear", lambda: _form(call))
    acc = program.measure
    try:
        scale, offset, doubt = scale_and_offset(near)
    except GraphError:
        return Local(np.full((1, *call.shape), np.inf), form)
    gamma, beta, mean, var = (as_float64(near.constants[i]) for i in range(1, 5))  # type: ignore[arg-type]
    epsilon = _epsilon(call)
    inverse = 1 / np.sqrt(var + epsilon) * (1 + 2.0**-40)
    wide = (1, 1, -1, *(1,) * (len(call.shape) - 2))

    def over(v: Array) -> Array:
        return np.asarray(v.reshape(wide))

    size = x.magnitude
    total = raised(over(np.abs(scale)) * (size + over(np.abs(mean))) + over(np.abs(beta)), 8)
    rho = growth(acc.unit, 10) * total
    rho = rho + 16 * acc.eta * over(1 + np.abs(gamma) + np.abs(scale) + inverse) * (
        1 + size + over(np.abs(mean))
    )
    largest = np.maximum((size + over(np.abs(mean))) * over(np.maximum(1, inverse)), total)
    safe = (var + epsilon <= acc.largest / 4) & (var + epsilon >= acc.normal)
    safe &= np.maximum(inverse, np.abs(scale)) <= acc.largest / 4
    rho = np.where((largest <= acc.largest / 4) & over(safe), rho, np.inf)
    if moved is None:
        return Local(raised(rho), form)
    first, second, error = scale_and_offset(call)
    c, r = midpoint_radius(x)
    change, lift = over(scale - first), over(offset - second)
    slack = over((16 * UNIT) * (np.abs(first) + np.abs(scale))) * size
    slack = slack + over(error + doubt + (4 * UNIT) * (np.abs(offset) + np.abs(second))) + 64 * TINY
    return Local(raised(rho + np.abs(change) * r + slack), form, change * c + lift)


def _trained(call: Call, operands: tuple[Array, ...], seed: Array) -> tuple[Array | None, ...]:
    """The gradient where scale, shift, mean or variance are being trained."""
    x, gamma, _, mean, var = operands
    wide = (-1, 1, x.shape[2], *(1,) * (x.ndim - 3))
    gamma, mean, var = (v.reshape(wide) for v in (gamma, mean, var))
    inverse = 1 / np.sqrt(var + x.dtype.type(_epsilon(call)))
    centred, axes = x - mean, (1, *range(3, x.ndim))
    by_scale = (seed * centred * inverse).sum(axis=axes)
    by_mean = -(seed * gamma * inverse).sum(axis=axes)
    by_var = (seed * centred * gamma * inverse**3 * x.dtype.type(-0.5)).sum(axis=axes)
    return seed * gamma * inverse, by_scale, seed.sum(axis=axes), by_mean, by_var


def _nodes(call: Call, operands: Terms, value: Term, seed: Term) -> Terms:
    """As `_trained`; a scale of constants is computed in the graph too, so that no rounded number stands for it."""
    rank, x = len(call.shape), operands[0]
    wide, axes = (1, given(call, 1)[0], *(1,) * (rank - 2)), (0, *range(2, rank))
    gamma, _, mean, var = (shaped(v, wide) for v in operands[1:])
    inverse = 1.0 / NODES.sqrt(var + _epsilon(call))
    g = seed * (gamma * inverse)
    if not any(call.is_live(i) for i in range(1, 5)):
        return g, None, None, None, None
    c = x - mean
    found = [g, (seed * c * inverse).sum(axes), seed.sum(axes), -g.sum(axes),
             (g * c * (inverse * inverse) * -0.5).sum(axes)]  # fmt: skip
    return [v if call.is_live(i) and call.wants(i) else None for i, v in enumerate(found)]


linear(batchnorm, _form, kind=None, trained=_trained, nodes=_nodes)
