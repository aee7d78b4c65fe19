"""Reduced networks: what is left of a network over a region when everything whose sign is known is multiplied out.

Most relus of a network over a small region are stable, and between the few open ones everything is affine.  So a
network of any shape (convolutions, residual sums, products with their lines) becomes a small one of matrices: for
every open neuron, and every row that is wanted,

    z_k  >=  X_k . x + sum over earlier open neurons j of W_kj a_j + b_k - d_k        for all x of the region,

and likewise from above; a_j is the neuron's value after its kink, d_k what the backward walk of `semantics.backward`
charges for its rounding (and, where the network has other nonlinear nodes, what their lines lose).  The floats X, W
and b are then exact numbers of a true statement.  Rows are bounded in this network thousands of times (slopes,
multipliers, parts), at the cost of a few small products: `methods.reducedalpha`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from workbench.graph import Array, GraphError
from workbench.methods.progress import Progress
from workbench.methods.scene import Kink, Open, Scene, open_neurons
from workbench.region import Region
from workbench.semantics.affine import Linear, LinearMap
from workbench.semantics.backward import INFLATE, Prepared, Units, backward, prepare
from workbench.semantics.interval import UNIT
from workbench.semantics.plan import Plan

LARGEST = 1 << 26  # elements of the matrices of one reduced network
CHUNK = 1 << 24  # bytes of one batch of coefficient rows
TILE, SPARSE = 64, 0.6  # columns of one piece of a matrix; share of it that must be left for pieces to pay
UNDERFLOW = 2.0**-1000  # charged for every product that may underflow (by 2^-1075), many times over


@dataclass(frozen=True, slots=True, eq=False)
class Side:
    """Affine functions that some values are nowhere below (or nowhere above): ``inner . a + outer . x + bias``.

    Parameters
    ----------
    outer : ``(M, inputs)``.
    inner : ``(M, K)`` over all open neurons; 0 where a neuron comes later.
    bias, debt : ``(M,)``; the statement holds up to `debt`.
    size : ``(M,)``, at least ``|inner| |a| + |outer| |x| + |bias|`` all over the region.
    """

    outer: Array
    inner: Array
    bias: Array
    debt: Array
    size: Array


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """The open neurons of one node.

    Parameters
    ----------
    kink : the node.
    index : flat indices inside it.
    at : where they stand among all open neurons.
    """

    kink: Kink
    index: Array
    at: slice


@dataclass(frozen=True, slots=True, eq=False)
class Reduced:
    """A network over one region, between its K open neurons.

    Parameters
    ----------
    plan, region : the network, and one region in its input's shape.
    blocks : nodes with open neurons, in the order of the graph.
    numbers : ``(K,)``: the neurons' numbers among all that can be split (see `scene.Kink`).
    below, above : of the open neurons' operands z; one object where both are the same function.
    rows : the rows that are wanted, from below.
    low, high : ``(K,)``: bounds of z.
    left, right : ``(K,)``: slopes of the two pieces.
    """

    plan: Plan
    region: Region
    blocks: tuple[Block, ...]
    numbers: Array
    below: Side
    above: Side
    rows: Side
    low: Array
    high: Array
    left: Array
    right: Array
    memo: dict[str, Any] = field(default_factory=dict, repr=False)

    def matrices(self, dtype: Any) -> tuple[Side, Side]:
        """`below` and `above` in another float type: for what need not be sound."""
        key = np.dtype(dtype).name
        if key == "float64":
            return self.below, self.above
        if key not in self.memo:
            with np.errstate(all="ignore"):
                one = Side(*(getattr(self.below, f).astype(dtype) for f in FIELDS))
                two = one if self.pure else Side(*(getattr(self.above, f).astype(dtype) for f in FIELDS))
            self.memo[key] = one, two
        found: tuple[Side, Side] = self.memo[key]
        return found

    def tiles(self, dtype: Any) -> list[tuple[slice, Array, Array]] | None:
        """`below.outer` in pieces: columns, the rows that read any of them, and the matrix; None where it is dense.

        After a convolution a neuron reads few inputs, and inputs that stand together are read by the same neurons.
        """
        key = f"tiles {np.dtype(dtype).name}"
        if key not in self.memo:
            outer = self.matrices(dtype)[0].outer
            wide = max(TILE, outer.shape[1] // 32)
            found = []
            for first in range(0, outer.shape[1], wide):
                columns = slice(first, min(first + wide, outer.shape[1]))
                rows = np.flatnonzero((outer[:, columns] != 0).any(axis=1))
                found.append((columns, rows, np.ascontiguousarray(outer[rows, columns])))
            sparse = self.pure and sum(m.size for _, _, m in found) < SPARSE * outer.size
            self.memo[key] = found if sparse else None
        tiles: list[tuple[slice, Array, Array]] | None = self.memo[key]
        return tiles

    @property
    def count(self) -> int:
        """K, the number of open neurons."""
        return len(self.low)

    @property
    def pure(self) -> bool:
        """Whether nothing but kinks is nonlinear, so that signs of all of them decide everything."""
        return self.below is self.above

    def tightened(self, low: Array, high: Array) -> Reduced:
        """The same with better bounds of z."""
        return replace(self, low=np.maximum(self.low, low), high=np.minimum(self.high, high))

    def neurons(self, at: Array) -> Side:
        """Rows ``+z`` of some open neurons, then ``-z`` of the same."""
        return Side(
            *(
                np.concatenate([getattr(self.below, f)[at], sign * getattr(self.above, f)[at]])
                for f, sign in (("outer", -1), ("inner", -1), ("bias", -1), ("debt", 1), ("size", 1))
            )
        )


def reduce(scene: Scene, rows: Array, progress: Progress | None = None) -> Reduced:
    """A network over one region, between its open neurons.

    Parameters
    ----------
    scene : one part, with its bounds.
    rows : ``(R, *shape)`` over the first output.

    Raises
    ------
    GraphError
        So many open neurons that the matrices would not fit.
    """
    plan = scene.plan
    every = open_neurons(scene)
    knots = tuple(one for one in every if one.index.size)
    total = sum(one.index.size for one in knots)
    inputs = plan.graph[plan.graph.inputs[0]].size
    if (total + len(rows)) * (2 * total + inputs) > LARGEST:
        raise GraphError(f"{total:,} neurons are open: too many for their matrices")
    prepared, caught = _stopped(scene, every)
    blocks: list[Block] = []
    ends: list[tuple[Array, Array]] = []
    first = 0
    for one in knots:
        at = slice(first, first + one.index.size)
        blocks.append(Block(one.kink, one.index, at))
        z = scene.bounds[one.kink.operand]
        ends.append((z.lo.reshape(-1)[one.index], z.hi.reshape(-1)[one.index]))
        first += one.index.size
    low, high = (np.concatenate([e[k] for e in ends]) if ends else np.zeros(0) for k in (0, 1))
    left, right = (
        np.concatenate([np.full(b.index.size, getattr(b.kink, side)) for b in blocks] or [np.zeros(0)])
        for side in ("left", "right")
    )
    steep = np.maximum(np.abs(left), np.abs(right))
    most = steep * np.maximum(np.abs(low), np.abs(high)) * INFLATE
    reach = scene.region.lower, scene.region.upper
    widest = np.maximum(np.abs(reach[0]), np.abs(reach[1])).reshape(-1)

    def walk(target: str, given: Array | Units) -> Side:
        caught.clear()
        found = backward(plan, target, given, prepared, scene.bounds)
        count = found.constant.shape[1]
        name = plan.graph.inputs[0]
        outer = found.coefficients.get(name)
        flat = np.zeros((count, inputs)) if outer is None else np.array(outer.reshape(count, -1))
        inner = np.zeros((count, total))
        for b in blocks:
            if b.kink.name in caught:
                inner[:, b.at] = caught[b.kink.name]
        bias, debt = found.constant[0], found.debt[0] * INFLATE
        size = (np.abs(flat) @ widest + np.abs(inner) @ most + np.abs(bias)) * INFLATE + UNDERFLOW
        return Side(flat, inner, bias, debt, size)

    below, above = [], []
    with np.errstate(all="ignore"):
        for k, block in enumerate(blocks):
            if progress is not None:
                progress(k / len(blocks), block.kink.operand)
            for part in _chunks(plan, block):
                whole = walk(block.kink.operand, Units(part, 1))
                m = part.size
                below.append(Side(*(getattr(whole, f)[:m] for f in FIELDS)))
                above.append(Side(*(getattr(whole, f)[m:] * (-1 if f in FIELDS[:3] else 1) for f in FIELDS)))
        told = progress or (lambda share, name: None)
        told(1.0, plan.graph.outputs[0])
        wanted = walk(plan.graph.outputs[0], np.asarray(rows, np.float64)[None])
        told(1.0, plan.graph.outputs[0])
    under, over = _merged(_joined(below, inputs, total), _joined(above, inputs, total), widest, most)
    numbers = np.concatenate([b.kink.first + b.index for b in blocks] or [np.zeros(0, np.int64)])
    return Reduced(plan, scene.region, tuple(blocks), numbers, under, over, wanted, low, high, left, right)


FIELDS = ("outer", "inner", "bias", "debt", "size")
ALIKE = (
    2.0**-30
)  # of a function's size: two that differ by less are taken for one, and the difference is charged


def _merged(below: Side, above: Side, widest: Array, most: Array) -> tuple[Side, Side]:
    """One function for both sides where they differ by no more than rounding, that difference in its debt."""
    with np.errstate(all="ignore"):
        apart = np.abs(above.outer - below.outer) @ widest + np.abs(above.inner - below.inner) @ most
        apart = (apart + np.abs(above.bias - below.bias)) * INFLATE + 4 * UNIT * below.size + UNDERFLOW
    if not (apart <= ALIKE * below.size).all():
        return below, above
    one = replace(below, debt=np.maximum(below.debt, (above.debt + apart) * INFLATE))
    return one, one


def _joined(sides: Sequence[Side], inputs: int, total: int) -> Side:
    if not sides:
        return Side(np.zeros((0, inputs)), np.zeros((0, total)), *(np.zeros(0) for _ in range(3)))
    return Side(*(np.concatenate([getattr(s, f) for s in sides]) for f in FIELDS))


def _chunks(plan: Plan, block: Block) -> Sequence[Array]:
    widest = max(plan.graph[n].size for n in [*plan.upstream(block.kink.operand), *plan.graph.inputs])
    rows = max(8, CHUNK // (16 * widest))
    return [block.index[k : k + rows] for k in range(0, block.index.size, rows)]


def _stopped(scene: Scene, knots: Sequence[Open]) -> tuple[dict[str, Prepared], dict[str, Array]]:
    """The scene's nodes, where open neurons give 0 and their coefficients are caught instead."""
    caught: dict[str, Array] = {}
    prepared = dict(scene.prepared)
    for one in knots:
        name, plan = one.kink.name, scene.plan
        z = scene.bounds[one.kink.operand]
        fixed = np.where(z.lo >= 0, one.kink.right, one.kink.left)  # the one piece that applies
        fixed = np.array(np.broadcast_to(fixed, (1, *plan.graph[name].shape)))
        fixed.reshape(-1)[one.index] = 0.0
        step = plan.by_name[name]
        linear = Linear((_catcher(name, one.index, fixed, caught), *(None,) * (len(step.operands) - 1)))
        prepared[name] = prepare(plan, step, linear, scene.bounds)
    return prepared, caught


def _catcher(name: str, index: Array, fixed: Array, caught: dict[str, Array]) -> LinearMap:
    def adjoint(rows: Array) -> Array:
        caught[name] = rows.reshape(len(rows), -1)[:, index]  # a copy
        return rows * fixed

    def apply(x: Array) -> Array:
        return x * fixed

    def magnitude(x: Array) -> Array:
        return x * np.abs(fixed)

    return LinearMap(apply, adjoint, magnitude, magnitude, 1, 1)
