"""MatMul and Gemm: affine where one operand is constant, bilinear where both depend on the input."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from workbench.arrays.device import array, beside, on_host
from workbench.floats.program import Semantics
from workbench.graph import Array, GraphError
from workbench.limits import check_size
from workbench.op import Call, Op, UnsupportedOperator, as_float64
from workbench.ops.arithmetic import broadcast
from workbench.ops.generators.bilinear import summed_lines
from workbench.ops.generators.linear import enclose, linear, movement, pull, weighted
from workbench.semantics.affine import Linear, LinearMap, Relaxation, affine, gather
from workbench.semantics.cotangent import NODES, Term, Terms, cotangent, shaped, turned
from workbench.semantics.gradient import gradient
from workbench.semantics.interval import UNIT, Interval, convex_combination, interval, product, total
from workbench.semantics.leaves import Stored, dense_errors
from workbench.semantics.real import real
from workbench.semantics.rounding import Local, rounding
from workbench.semantics.summation import affine_local, pairs_local

matmul = Op("MatMul", "y[i,j] = sum_k a[i,k] b[k,j]", r"y_{ij}=\sum_k a_{ik}b_{kj}")
gemm = Op("Gemm", "y = alpha a b + beta c", r"y=\alpha ab+\beta c")

MANY = 64  # rows from which looking for zero columns pays
Build = tuple[Callable[[Array], Array], Callable[[Array], Array]]


def matrix_shapes(call: Call) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Operand shapes as (stacks of) matrices of one rank: a vector is a row on the left and a column on the right."""
    a, b = call.shapes[0], call.shapes[1]
    assert a is not None
    assert b is not None
    a, b = ((1, *a) if len(a) == 1 else a), ((*b, 1) if len(b) == 1 else b)
    rank = max(len(a), len(b))
    return (1,) * (rank - len(a)) + a, (1,) * (rank - len(b)) + b


@matmul.rule(real)
def _(call: Call, ns: Any, a: Array, b: Array) -> Array:
    left, right = matrix_shapes(call)
    check_size(call.node.describe(), (*np.broadcast_shapes(left[:-2], right[:-2]), left[-2], right[-1]))
    y = ns.matmul(a.reshape(a.shape[0], *left), b.reshape(b.shape[0], *right))
    keep = y.shape[1:]
    if len(call.shapes[0] or ()) == 1:
        keep = keep[:-2] + keep[-1:]
    if len(call.shapes[1] or ()) == 1:
        keep = keep[:-1]
    return array(y.reshape(y.shape[0], *keep))


def dense_map(w: Array, shape: tuple[int, ...], out: tuple[int, ...]) -> LinearMap:
    """x -> x w for one constant matrix ``(K, M)``; x of `shape` ``(..., K)``."""
    k, m = w.shape

    def build(weight: Array) -> Build:
        transposed = np.ascontiguousarray(weight.T)

        def adjoint(y: Array) -> Array:
            flat = y.reshape(-1, m)
            if len(flat) >= MANY and on_host(
                flat
            ):  # neurons that are always off have zero columns: left out of the product
                used = np.flatnonzero(flat.any(axis=0))
                if used.size < 0.8 * m:
                    return (flat[:, used] @ transposed[used]).reshape(y.shape[0], *shape)
            return (flat @ beside(transposed, flat)).reshape(y.shape[0], *shape)

        return lambda x: (x.reshape(-1, k) @ beside(weight, x)).reshape(x.shape[0], *out), adjoint

    single = int(np.prod(shape, dtype=np.int64)) == k
    columns = np.ascontiguousarray(w.T)
    rows = (lambda index: columns[index].reshape(len(index), *shape)) if single else None
    return weighted(w, build, k, m, rows)


def stack_map(call: Call, w: Array, live: int) -> LinearMap:
    """The live operand times a constant stack of matrices, on either side."""
    left, right = matrix_shapes(call)
    mine, other = (left, right) if live == 0 else (right, left)
    original = call.shapes[live]
    assert original is not None
    lead = np.broadcast_shapes(left[:-2], right[:-2])
    full = (*lead, left[-2], right[-1])

    def build(weight: Array) -> Build:
        weight = weight.reshape(other)
        turned = np.swapaxes(weight, -1, -2)

        def apply(x: Array) -> Array:
            x = x.reshape(x.shape[0], *mine)
            w = beside(weight, x)
            y = np.matmul(x, w) if live == 0 else np.matmul(w, x)
            return y.reshape(x.shape[0], *call.shape)

        def adjoint(y: Array) -> Array:
            y = y.reshape(y.shape[0], *full)
            w = beside(turned, y)
            x = np.matmul(y, w) if live == 0 else np.matmul(w, y)
            return gather(x, mine).reshape(y.shape[0], *original)

        return apply, adjoint

    copies = int(np.prod(lead, dtype=np.int64))
    return weighted(
        w, build, mine[-1] if live == 0 else mine[-2], copies * (right[-1] if live == 0 else left[-2])
    )


def linear_form(call: Call) -> Linear | None:
    """The affine map where one operand is constant, else None."""

    def make() -> Linear | None:
        a, b = call.constant(0), call.constant(1)
        if b is not None and a is None:
            shape = call.shapes[0]
            assert shape is not None
            w = as_float64(b)
            m = dense_map(w, shape, call.shape) if w.ndim == 2 else stack_map(call, w, 0)
            return Linear((m, None))
        if a is not None and b is None:
            return Linear((None, stack_map(call, as_float64(a), 1)))
        return None

    return call.cached("linear", make)


def unfolds(call: Call) -> tuple[LinearMap, LinearMap]:
    """Both operands laid out as ``(N, *out, K)``, so that the product is elementwise and a sum over K."""
    left, right = matrix_shapes(call)
    lead = np.broadcast_shapes(left[:-2], right[:-2])
    i, k, j = left[-2], left[-1], right[-1]
    full = (*lead, i, j, k)

    def one(shape: tuple[int, ...], position: int) -> LinearMap:
        original = call.shapes[position]
        assert original is not None

        def apply(x: Array) -> Array:
            x = x.reshape(x.shape[0], *shape)
            x = x[..., :, None, :] if position == 0 else np.swapaxes(x, -1, -2)[..., None, :, :]
            return np.broadcast_to(x, (x.shape[0], *full)).reshape(x.shape[0], *call.shape, k)

        def adjoint(y: Array) -> Array:
            y = y.reshape(y.shape[0], *full)
            x = y.sum(axis=-2) if position == 0 else np.swapaxes(y.sum(axis=-3), -1, -2)
            return gather(x, shape).reshape(y.shape[0], *original)

        return movement(
            apply, adjoint, copies=int(np.prod(full, dtype=np.int64)) // max(1, int(np.prod(shape)))
        )

    return one(left, 0), one(right, 1)


@matmul.rule(interval)
def _(call: Call, a: Interval, b: Interval) -> Interval:
    form = linear_form(call)
    if form is not None:
        return enclose(form, a, b)
    u, v = unfolds(call)
    left, right = Interval(u.apply(a.lo), u.apply(a.hi)), Interval(v.apply(b.lo), v.apply(b.hi))
    pair = product(left, right)
    found = total(pair, (pair.lo.ndim - 1,))
    return found.intersect(convex_combination(left, right)) if a.simplex else found


@matmul.rule(affine)
def _(call: Call, a: Interval, b: Interval) -> Linear | Relaxation:
    form = linear_form(call)
    return form if form is not None else summed_lines(a, b, unfolds(call))


@matmul.rule(gradient)
def _(call: Call, operands: tuple[Array, Array], value: Array, seed: Array) -> tuple[Array | None, ...]:
    form = linear_form(call)
    if form is not None:
        return pull(form, seed)
    left, right = matrix_shapes(call)
    lead = np.broadcast_shapes(left[:-2], right[:-2])
    a, b = (x.reshape(x.shape[0], *shape) for x, shape in zip(operands, (left, right), strict=True))
    y = seed.reshape(seed.shape[0], *lead, left[-2], right[-1])
    found: list[Array | None] = [None, None]
    if call.wants(0):
        by_a = _multiplied(call, "by a", y, np.swapaxes(b, -1, -2))
        found[0] = gather(by_a, left).reshape(-1, *(call.shapes[0] or ()))
    if call.wants(1):
        one = int(np.prod(right[:-2], dtype=np.int64)) == 1 and lead == left[:-2]
        if one:  # one matrix for all: one product
            a, y = a.reshape(a.shape[0], -1, left[-1]), y.reshape(y.shape[0], -1, right[-1])
        by_b = _multiplied(call, "by b", np.swapaxes(a, -1, -2), y)
        found[1] = (by_b if one else gather(by_b, right)).reshape(-1, *(call.shapes[1] or ()))
    return tuple(found)


@matmul.rule(cotangent)
def _(call: Call, operands: Terms, value: Term, seed: Term) -> Terms:
    left, right = matrix_shapes(call)
    lead = np.broadcast_shapes(left[:-2], right[:-2])
    a, b = (shaped(x, shape) for x, shape in zip(operands, (left, right), strict=True))
    y = shaped(seed, (*lead, left[-2], right[-1]))
    found: list[Term | None] = [None, None]
    if call.is_live(0) and call.wants(0):
        found[0] = shaped(NODES.gather(y @ turned(b), left), call.shapes[0] or ())
    if call.is_live(1) and call.wants(1):
        if (
            int(np.prod(right[:-2], dtype=np.int64)) == 1 and lead == left[:-2]
        ):  # one matrix for all: one product
            by_b = turned(shaped(a, (-1, left[-1]))) @ shaped(y, (-1, right[-1]))
        else:
            by_b = NODES.gather(turned(a) @ y, right)
        found[1] = shaped(by_b, call.shapes[1] or ())
    return found


@gemm.rule(real)
def _(call: Call, ns: Any, a: Array, b: Array, c: Array | None = None) -> Array:
    a = np.swapaxes(a, -1, -2) if call.attr("transA", 0) else a
    b = np.swapaxes(b, -1, -2) if call.attr("transB", 0) else b
    check_size(call.node.describe(), (a.shape[-2], b.shape[-1]))
    y = ns.matmul(a, b)
    if call.attr("alpha", 1.0) != 1.0:
        y = ns.mul(y, ns.number(call.attr("alpha")))
    if c is None:
        return array(y)
    if call.attr("beta", 1.0) != 1.0:
        c = ns.mul(c, ns.number(call.attr("beta")))
    broadcast(call, y.shape[1:], c.shape[1:])
    return array(ns.add(y, c.reshape(c.shape[0], *(1,) * (y.ndim - c.ndim), *c.shape[1:])))


def _gemm_form(call: Call) -> Linear:
    """alpha a b + beta c with constant b; c may be constant (bias) or depend on the input."""
    b = call.constant(1)
    shape = call.shapes[0]
    if b is None or call.constant(0) is not None or call.attr("transA", 0) or shape is None:
        raise UnsupportedOperator(
            f"{call.node.describe()}: only a constant right operand and transA = 0 have bounds"
        )
    w = as_float64(b).T if call.attr("transB", 0) else as_float64(b)
    alpha, beta = float(call.attr("alpha", 1.0)), float(call.attr("beta", 1.0))
    scaled = np.ascontiguousarray(w * alpha)
    if alpha not in (0.0, 1.0) and ((w != 0) & ~((np.abs(scaled) >= 2.0**-1022) & np.isfinite(scaled))).any():
        # the product's error would not be relative (no file of float32 weights gets here)
        raise GraphError(f"{call.node.describe()}: alpha times a weight is outside the range of float64")
    w = scaled
    first = dense_map(w, shape, call.shape)
    if alpha != 1.0:
        first = _one_more_rounding(first)
    if not call.has(2):
        return Linear((first, None)[: len(call.shapes)])
    c = call.constant(2)
    if c is None:
        inner = call.shapes[2]
        assert inner is not None
        third = weighted(
            np.full((1, *call.shape), beta),
            lambda m: (lambda x: x.reshape(x.shape[0], *(1,) * (len(call.shape) - len(inner)), *inner) * m,
                       lambda y: gather(y * m, inner)),
            0 if beta == 1.0 else 1,
            int(np.prod(call.shape, dtype=np.int64)),
        )  # fmt: skip
        return Linear((first, None, third))
    bias = np.broadcast_to(as_float64(c) * beta, call.shape)[None]
    error = None if beta == 1.0 else 2 * UNIT * np.abs(bias) + 2.0**-1070
    return Linear((first, None, None), np.ascontiguousarray(bias), error)


def _one_more_rounding(m: LinearMap) -> LinearMap:
    return LinearMap(
        m.apply, m.adjoint, m.magnitude, m.magnitude_adjoint, m.terms + 1, m.adjoint_terms + 1, m.rows
    )


def leafwise(call: Call, program: Semantics, ranges: tuple[Interval | None, ...]) -> Array | None:
    """The sharper rounding bound of a product with one constant matrix, all its leaves looked at."""
    b, x = call.constant(1), ranges[0]
    if b is None or b.ndim != 2 or x is None or (call.has(2) and call.constant(2) is None):
        return None
    upright = bool(call.attr("transB", 0)) and call.node.op == "Gemm"
    weights = call.cached("turned", lambda: Stored.of(as_float64(b if upright else b.T)))
    m, k = weights.values.shape
    rows = Interval(x.lo.reshape(-1, k), x.hi.reshape(-1, k))
    bias, c = None, call.constant(2)
    if c is not None:
        bias = np.broadcast_to(as_float64(c), (x.lo.shape[0], *call.shape)).reshape(-1, m)
    found = dense_errors(weights, rows, bias, program)
    return None if found is None else found.reshape(-1, *call.shape)


@matmul.rule(rounding)
def _(call: Call, program: Semantics, a: Interval, b: Interval) -> Local:
    if linear_form(call) is not None:
        return affine_local(call, program, linear_form, (a, b), leafwise=leafwise)
    return pairs_local(call, program, a, b, unfolds(call))


@gemm.rule(rounding)
def _(call: Call, program: Semantics, *ranges: Interval | None) -> Local:
    scales = abs(call.attr("alpha", 1.0)), abs(call.attr("beta", 1.0))
    if scales == (1.0, 1.0):
        # `leafwise` adds up W x + c itself: with another sign its leaves would cancel where the true ones add up
        plain = call.attr("alpha", 1.0) == call.attr("beta", 1.0) == 1.0
        return affine_local(call, program, _gemm_form, ranges, leafwise=leafwise if plain else None)
    factor = max([1.0, *scales, *(1 / s if s else 1.0 for s in scales)])
    return affine_local(call, program, _gemm_form, ranges, kind="scaled", factor=factor)


def _multiplied(call: Call, name: str, a: Array, b: Array) -> Array:
    """A product of matrices; in a planned run (see `semantics.planned`) it lies where it lay before."""
    planned = call.memo.get("memory")
    if planned is None:
        return np.asarray(np.matmul(a, b))
    shape = (*np.broadcast_shapes(a.shape[:-2], b.shape[:-2]), a.shape[-2], b.shape[-1])
    return np.asarray(np.matmul(a, b, out=planned.memory(name, shape, np.result_type(a, b))))


def _gemm_trained(call: Call, operands: tuple[Array, ...], seed: Array) -> tuple[Array | None, ...]:
    """d(alpha a b + beta c): products of the seed with the other operand, turned as the attributes say."""
    a, b = (
        np.swapaxes(x, -1, -2) if call.attr(name, 0) else x
        for x, name in zip(operands, ("transA", "transB"), strict=False)
    )
    y = seed if call.attr("alpha", 1.0) == 1.0 else seed * seed.dtype.type(call.attr("alpha"))
    found: list[Array | None] = [None] * len(call.shapes)
    if call.wants(0):
        by_a = _multiplied(call, "by a", y, np.swapaxes(b, -1, -2))
        found[0] = np.swapaxes(by_a, -1, -2) if call.attr("transA", 0) else by_a
    if call.wants(1):
        first, second = (y, a) if call.attr("transB", 0) else (a, y)
        found[1] = _multiplied(call, "by b", np.swapaxes(first, -1, -2), second)
    if call.wants(2):
        beta = call.attr("beta", 1.0)
        found[2] = gather(seed if beta == 1.0 else seed * seed.dtype.type(beta), call.shapes[2] or ())
    return tuple(found)


def _gemm_nodes(call: Call, operands: Terms, value: Term, seed: Term) -> Terms:
    turn_a, turn_b = bool(call.attr("transA", 0)), bool(call.attr("transB", 0))
    a, b = operands[:2]
    alpha, beta = float(call.attr("alpha", 1.0)), float(call.attr("beta", 1.0))
    y = seed if alpha == 1.0 else seed * alpha
    found: list[Term | None] = [None] * len(call.shapes)
    if call.is_live(0) and call.wants(0):
        other = b if turn_b else turned(b)
        found[0] = turned(other) @ turned(y) if turn_a else y @ other
    if call.is_live(1) and call.wants(1):
        other = a if turn_a else turned(a)
        found[1] = turned(y) @ turned(other) if turn_b else other @ y
    if call.is_live(2) and call.wants(2):
        found[2] = NODES.gather(seed if beta == 1.0 else seed * beta, call.shapes[2] or ())
    return found


linear(gemm, _gemm_form, kind=None, trained=_gemm_trained, nodes=_gemm_nodes)
