"""Operators that repeat elements, and choose among them: Expand and Where."""

from __future__ import annotations

from math import prod

import numpy as np

from workbench.graph import Array
from workbench.limits import check_size
from workbench.op import Call, Op
from workbench.ops.generators.linear import movement, moves
from workbench.ops.move import Maps, known
from workbench.ops.shape import given, integers
from workbench.semantics.affine import LinearMap, gather
from workbench.semantics.cotangent import NODES, Term, Terms, emit, fixed

expand = Op("Expand", "y = x repeated to a larger shape", r"y=x", moves=True)
where = Op("Where", "y = a where the condition holds, else b", r"y=c\,?\,a:b", moves=True)


def lined_up(x: Array, rank: int) -> Array:
    """``(N, *s)`` with axes of length 1 after the first, so that s has `rank` dimensions."""
    return x.reshape(x.shape[0], *(1,) * (rank - x.ndim + 1), *x.shape[1:])


def _expand(call: Call, x: Array, *_: Array) -> Array:
    wanted = integers(call, "shape", 1)
    if wanted is None:
        raise ValueError("it does not say which shape is wanted")
    check_size(call.node.describe(), wanted)
    outer = np.broadcast_shapes(given(call, 0), wanted)
    check_size(call.node.describe(), outer)
    return np.broadcast_to(lined_up(x, len(outer)), (x.shape[0], *outer))


def _spread_map(inner: tuple[int, ...], outer: tuple[int, ...], mask: Array | None = None) -> LinearMap:
    """Repeat `inner` to `outer`, and keep only what `mask` (of shape `outer`) says."""

    def there(x: Array) -> Array:
        y = np.broadcast_to(lined_up(x, len(outer)), (x.shape[0], *outer))
        return y if mask is None else np.where(mask, y, np.zeros((), y.dtype))

    def back(y: Array) -> Array:
        kept = y if mask is None else np.where(mask, y, np.zeros((), y.dtype))
        return gather(kept, inner).reshape(y.shape[0], *inner)

    return movement(there, back, prod(outer) // max(1, prod(inner)))


def _summed_back(call: Call, operands: Terms, value: Term, seed: Term) -> Terms:
    return NODES.gather(seed, given(call, 0)), None


moves(expand, _expand, lambda call: (_spread_map(given(call, 0), call.shape), None), nodes=_summed_back)


def _where(call: Call, condition: Array, a: Array, b: Array) -> Array:
    mask = known(call, 0, "condition")
    outer = np.broadcast_shapes(mask.shape, given(call, 1), given(call, 2))
    check_size(call.node.describe(), outer)
    return np.where(mask.astype(bool), lined_up(a, len(outer)), lined_up(b, len(outer)))


def _where_maps(call: Call) -> Maps:
    mask = np.broadcast_to(known(call, 0, "condition").astype(bool), call.shape)
    return None, _spread_map(given(call, 1), call.shape, mask), _spread_map(given(call, 2), call.shape, ~mask)


def _chosen_back(call: Call, operands: Terms, value: Term, seed: Term) -> Terms:
    mask = np.broadcast_to(known(call, 0, "condition").astype(bool), call.shape)
    none = fixed(seed, np.zeros((1,) * seed.ndim))
    found: list[Term | None] = [None]
    for i, chosen in ((1, mask), (2, ~mask)):
        part = None
        if call.is_live(i) and call.wants(i):
            part = NODES.gather(emit("Where", [fixed(seed, chosen, "mask"), seed, none]), given(call, i))
        found.append(part)
    return found


moves(where, _where, _where_maps, nodes=_chosen_back)
