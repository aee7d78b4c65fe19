"""Gradients as nodes: the vector-Jacobian product of each operator, written with operators.

A rule is ``rule(call, operands, value, seed) -> one value an operand, or None``: all are values of one graph that is
being built, so that a gradient is a graph like any other: it can be shown, differentiated again, and bounded.  Where
numbers and nodes can be computed by one text it is written once, over the few functions of `Numbers` and `Nodes`
(`derivative` and `slope` register both meanings); elsewhere both stand in the operator's file, and a law compares them.

`Term` is a value of a graph that is being built (`workbench.nn.Value`, which stands in a higher layer): it has a
shape, a dtype, Python's arithmetic, `reshape`, `permute`, `sum`, slices, and the `trace` that new nodes are put into.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any

import numpy as np

from workbench.graph import Array
from workbench.op import Call, Meaning, Op, UnsupportedOperator
from workbench.semantics.affine import Linear
from workbench.semantics.affine import gather as gather_numbers
from workbench.semantics.affine import spread as spread_numbers
from workbench.semantics.gradient import gradient
from workbench.semantics.real import FLOAT

cotangent = Meaning("cotangent", "the vector-Jacobian product as nodes: a gradient that is a graph")

Term = Any
Terms = Sequence[Term | None]
MOST = 1 << 24  # elements of a matrix that stands for an adjoint

# ---------------------------------------------------------------------- building nodes


def emit(op: str, operands: Terms, attrs: Mapping[str, Any] | None = None) -> Term:
    """A new node."""
    first = next(o for o in operands if o is not None)
    return first.trace.emit(op, list(operands), dict(attrs or {}))


def fixed(like: Term, array: Any, hint: str = "constant") -> Term:
    """An array as a constant of the graph; floats in the type of `like`."""
    array = np.asarray(array)
    kept = array.astype(like.dtype) if array.dtype.kind == "f" else array
    return like.trace.constant(np.ascontiguousarray(kept), hint)


def shaped(x: Term, shape: Sequence[int]) -> Term:
    """x in another shape; itself where it has that one."""
    return x if x.shape == tuple(shape) else x.reshape(tuple(shape))


def turned(x: Term) -> Term:
    """The last two axes exchanged."""
    return x.transpose(-1, -2)


def bordered(x: Term, before: Sequence[int], after: Sequence[int]) -> Term:
    """Zeros around; negative amounts cut."""
    if not any(before) and not any(after):
        return x
    return emit("Pad", [x, fixed(x, np.array([*before, *after], np.int64), "pads")], {"mode": "constant"})


def repeated(x: Term, shape: Sequence[int]) -> Term:
    """x repeated to a shape of the same rank."""
    return x if x.shape == tuple(shape) else emit("Expand", [x, fixed(x, np.array(shape, np.int64), "shape")])


def picked(x: Term, axis: int, index: Array) -> Term:
    """Elements at constant places along an axis."""
    return emit("Gather", [x, fixed(x, index.astype(np.int64), "indices")], {"axis": axis})


def scattered(call: Call, x: Term, index: Array, size: int) -> Term:
    """The adjoint of `picked` along the last axis: a product with a matrix of ones and zeros.

    Raises
    ------
    UnsupportedOperator
        Where that matrix would be large.
    """
    _fits(call, index.size * size)
    places = np.zeros((index.size, size))
    places[np.arange(index.size), index] = 1
    return shaped(shaped(x, (-1, index.size)) @ fixed(x, places, "places"), (*x.shape[:-1], size))


def first_largest(x: Term, most: Term) -> Term:
    """1 at the first element of the last axis that is the largest, else 0; `most` is ``(..., 1)``.

    Elements before it are counted by a product with a triangle of ones.
    """
    hit = 1.0 - NODES.sign(most - x)
    before = hit @ fixed(
        x, np.triu(np.ones((x.shape[-1],) * 2), 1).reshape(*(1,) * (x.ndim - 2), *x.shape[-1:] * 2)
    )
    return hit * (1.0 - NODES.sign(before))


def _fits(call: Call, size: int) -> None:
    if size > MOST:
        raise UnsupportedOperator(
            f"the gradient of {call.node.describe()} as a graph would need a matrix of {size:,} elements; "
            "numbers are there: grad, vjp, jacrev"
        )


def adjoint(call: Call, form: Linear, seed: Term) -> list[Term | None]:
    """The gradient of an affine map as products with its matrices: for forms that no operator says directly."""
    n = prod(call.shape)
    found: list[Term | None] = []
    for shape, m in zip(call.shapes, form.maps, strict=True):
        if m is None or shape is None:
            found.append(None)
            continue
        _fits(call, n * prod(shape))
        matrix = m.adjoint(np.eye(n).reshape(n, *call.shape)).reshape(n, prod(shape))
        found.append(shaped(shaped(seed, (1, n)) @ fixed(seed, matrix, "adjoint"), shape))
    return found


# ---------------------------------------------------------------------- one text for numbers and for nodes


class Numbers:
    """Functions of arrays ``(N, *shape)``; shapes and axes are the node's own."""

    exp, sin, cos, tanh, sqrt, power = np.exp, np.sin, np.cos, np.tanh, np.sqrt, np.power
    sign = np.sign
    erf, sigmoid = staticmethod(FLOAT.erf), staticmethod(FLOAT.sigmoid)

    def softplus(self, x: Array) -> Array:
        """log(1 + e^x)."""
        return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))

    def below(self, x: Array) -> Array:
        """min(x, 0)."""
        return np.minimum(x, 0)

    def positive(self, x: Array) -> Array:
        """1 where x > 0, else 0."""
        return np.greater(x, 0).astype(x.dtype)

    def gated(self, seed: Array, x: Array) -> Array:
        """The seed where x > 0, else 0; in the layout of x, which what comes before it shares."""
        if seed.shape != x.shape:
            return seed * (x > 0)
        return np.multiply(seed, x > 0, out=np.empty_like(x, seed.dtype))

    def total(self, x: Array, axes: Sequence[int]) -> Array:
        """Sums over axes, which stay with length 1."""
        return x.sum(axis=tuple(a + 1 for a in axes), keepdims=True)

    def mean(self, x: Array, axes: Sequence[int]) -> Array:
        """Means over axes, which stay with length 1."""
        return x.mean(axis=tuple(a + 1 for a in axes), keepdims=True)

    def shaped(self, x: Array, shape: Sequence[int]) -> Array:
        """x in another shape."""
        return x.reshape(x.shape[0], *shape)

    def spread(self, x: Array, shape: tuple[int, ...]) -> Array:
        """With axes of length 1 in front, to the rank of a shape."""
        return spread_numbers(x, shape)

    def gather(self, x: Array, shape: tuple[int, ...]) -> Array:
        """The adjoint of broadcasting."""
        return gather_numbers(x, shape)


class Nodes:
    """The same functions of nodes."""

    def _of(op: str) -> Callable[[Nodes, Term], Term]:  # type: ignore[misc]  # noqa: N805
        return lambda self, x: x.trace.emit(op, [x], {}, x.dims)

    exp, sin, cos, tanh, sqrt = _of("Exp"), _of("Sin"), _of("Cos"), _of("Tanh"), _of("Sqrt")
    sign, erf, sigmoid, softplus = _of("Sign"), _of("Erf"), _of("Sigmoid"), _of("Softplus")
    _relu = _of("Relu")

    def power(self, x: Term, p: float) -> Term:
        """x to a constant power."""
        return x**p

    def below(self, x: Term) -> Term:
        """min(x, 0)."""
        return -self._relu(-x)

    def positive(self, x: Term) -> Term:
        """1 where x > 0, else 0."""
        return self._relu(self.sign(x))

    def gated(self, seed: Term, x: Term) -> Term:
        """The seed where x > 0, else 0."""
        return seed * self.positive(x)

    def total(self, x: Term, axes: Sequence[int]) -> Term:
        """Sums over axes, which stay with length 1."""
        return x.sum(tuple(axes), keepdims=True)

    def mean(self, x: Term, axes: Sequence[int]) -> Term:
        """Means over axes, which stay with length 1."""
        return x.mean(tuple(axes), keepdims=True)

    def shaped(self, x: Term, shape: Sequence[int]) -> Term:
        """x in another shape."""
        return shaped(x, shape)

    def spread(self, x: Term, shape: tuple[int, ...]) -> Term:
        """With axes of length 1 in front, to the rank of a shape."""
        return x if x.ndim in (0, len(shape)) else x.reshape(*(1,) * (len(shape) - x.ndim), *x.shape)

    def gather(self, x: Term, shape: tuple[int, ...]) -> Term:
        """The adjoint of broadcasting."""
        extra = x.ndim - len(shape)
        away = tuple(i + extra for i, n in enumerate(shape) if n == 1 and x.shape[i + extra] != 1)
        axes = (*range(extra), *away)
        return shaped(x.sum(axes, keepdims=True) if axes else x, shape)


NUMBERS, NODES = Numbers(), Nodes()
Shared = Callable[[Call, Any, Sequence[Any], Any, Any], Sequence[Any]]
Slope = Callable[[Call, Any, Any, Any], Any]


def derivative(op: Op, rule: Shared) -> None:
    """Register one text as an operator's gradient, in numbers and as nodes.

    Parameters
    ----------
    rule : ``(call, ns, operands, value, seed) -> one gradient an operand``; `ns` is `NUMBERS` or `NODES`.
    """

    @op.rule(gradient)
    def _(call: Call, operands: Sequence[Any], value: Array, seed: Array) -> Sequence[Array | None]:
        return rule(call, NUMBERS, operands, value, seed)

    @op.rule(cotangent)
    def _(call: Call, operands: Terms, value: Term, seed: Term) -> Terms:
        return rule(call, NODES, operands, value, seed)


def slope(op: Op, of: Slope) -> None:
    """Register the gradient of an elementwise function of the first operand.

    Parameters
    ----------
    of : ``(call, ns, x, y) -> dy / dx``; None where it is 0 everywhere.
    """

    def rule(call: Call, ns: Any, operands: Sequence[Any], value: Any, seed: Any) -> Sequence[Any]:
        steep = of(call, ns, operands[0], value)
        rest = (None,) * (len(operands) - 1)
        return (None if steep is None else seed * steep, *rest)

    derivative(op, rule)
