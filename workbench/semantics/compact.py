"""Rows of coefficients on a few elements of a node, and how they pass through one step of the backward walk.

Most neurons of a relu network are off over a small region: their value is exactly 0, so that a coefficient on them is a
coefficient on nothing.  Rows are therefore kept on the elements that can be other than 0, and matrices are cut down to
them.  Nothing is approximated: what is left out is multiplied by an interval [0, 0].

Of a pair of lines, elements where both are ``y = x`` exactly (a relu that is on) hand their coefficient on as it is: no
product is made, nothing is rounded, and nothing is charged.  What is charged elsewhere stands in `backward`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from workbench.arrays.device import beside, on_host, zeros
from workbench.graph import Array
from workbench.semantics.affine import Linear, LinearMap, Relaxation
from workbench.semantics.interval import Interval
from workbench.semantics.matrices import KEPT, matrix_of, size_of, source_of, tiles_of
from workbench.semantics.plan import Plan, Step
from workbench.semantics.prepared import Prepared

SPARSE = 8.0  # a product with a cut matrix may take this many times the multiplications of the map itself
SMALLEST = 2.0**-1000  # from here on half a number is exact
MANY = 64  # rows from which on cutting tiles pays
FEWER = 0.9  # elements are left out where at most this part of them stays


@dataclass(slots=True, eq=False)
class Rows:
    """Coefficients ``(B, R, k)`` of the elements `index` (flat, without repetition) of a node; of all where None."""

    values: Array
    index: Array | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Move:
    """How rows reach operand `position`: picked, multiplied by matrices, or through the map's adjoint.

    take : positions among the rows' elements that are handed on; None for all of them.
    matrices : (positions, or None for all; a matrix ``(k, j)``): one part of the result each, one after another.
    adjoint : the map, where it has to see whole nodes.
    index : which elements of the operand the result belongs to.
    """

    position: int
    index: Array | None
    take: Array | None = None
    matrices: tuple[tuple[Array | None, Array], ...] = ()
    adjoint: LinearMap | None = None

    @property
    def changes(self) -> bool:
        """Whether anything is done to the rows, or they are only said to be another node's."""
        return self.take is not None or bool(self.matrices) or self.adjoint is not None


@dataclass(frozen=True, slots=True, eq=False)
class Cut:
    """A linear step, or several that hand elements on as they are, on some of the first one's elements.

    Parameters
    ----------
    charge : ``(B or 1, k)``, or None where nothing is charged.
    bias : ``(1, k)`` or None.
    underflow : ``(B or 1, 1)``.
    finite : whether all these are.
    step, index : the last of the steps, and which of its elements the rows are on by then; `moves` are to its operands.
    """

    charge: Array | None
    bias: Array | None
    underflow: Array
    finite: bool
    step: Step
    index: Array | None
    moves: tuple[Move, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Bent:
    """A pair of lines of one operand on some of its elements; only those at `at` (None: all) are not ``y = x``.

    slope, slope_gap, offset, offset_gap : half sums and half differences of the line below and the one above,
        ``(B or 1, m)``; offsets are None where all are 0.
    charge : ``(B or 1, m)``.
    """

    position: int
    at: Array | None
    slope: Array
    slope_gap: Array
    offset: Array | None
    offset_gap: Array | None
    charge: Array


class Sets:
    """What is cut for one group of regions, made when it is asked for; bounds that shrink later leave it true."""

    def __init__(self, plan: Plan, bounds: Mapping[str, Interval], prepared: Mapping[str, Prepared]) -> None:
        self.plan, self.bounds, self.prepared = plan, bounds, prepared
        self._active: dict[str, Array | None] = {}
        self._parts: dict[tuple[str, int, bool], tuple[Array | None, Cut | Bent]] = {}
        self._unions: dict[tuple[int, int], _Union] = {}

    @property
    def held(self) -> int:
        """Numbers in the cut matrices."""
        cuts = (part for _, part in self._parts.values() if isinstance(part, Cut))
        return sum(one.size for cut in cuts for move in cut.moves for _, one in move.matrices)

    def forget(self) -> None:
        """Drop what was cut; it is cut again when it is asked for."""
        self._parts.clear()
        self._unions.clear()

    def active(self, name: str) -> Array | None:
        """Flat indices of the elements that are not 0 over all regions of the group; None for (nearly) all."""
        if name not in self._active:
            found = None
            held = self.bounds.get(name)
            fits = held is not None and on_host(held.lo)  # elsewhere all elements are done at once
            if held is not None and fits and name not in self.plan.graph.inputs and not held.lo.all():
                some = ((held.lo != 0) | (held.hi != 0)).reshape(held.lo.shape[0], -1).any(axis=0)
                if np.count_nonzero(some) <= FEWER * some.size:
                    found = np.flatnonzero(some)
            self._active[name] = found
        return self._active[name]

    def cut(self, step: Step, index: Array | None, count: int) -> Cut:
        """A linear step for `count` rows on `index`; a few rows are not worth cutting tiles.

        Where its elements are handed on as they are (a bias was added), the step before is taken with it: for the same
        rows, both charges are one.
        """
        key = (step.node.name, id(index), count >= MANY)
        known = self._parts.get(key)
        if known is None:
            known = self._parts[key] = (
                index,
                self._cut(step, index, count),
            )  # with the index: its identity counts
        assert isinstance(known[1], Cut)
        return known[1]

    def _cut(self, step: Step, index: Array | None, count: int) -> Cut:
        ready = self.prepared[step.node.name]
        form = ready.form
        assert isinstance(form, Linear)
        maps = [(i, m) for i, m in enumerate(form.maps) if m is not None]
        moves = tuple(self._move(step, i, m, index, len(maps) > 1, count) for i, m in maps)
        bias = form.bias
        if bias is not None:
            if bias.shape[1:] != step.node.shape:
                bias = np.broadcast_to(bias, (len(bias), *step.node.shape))
            bias = beside(bias.reshape(len(bias), step.node.size), ready.charge)
            bias = bias if index is None else bias[:, index]
        charge = None
        if ready.terms or form.bias_error is not None:
            charge = ready.charge if index is None else ready.charge[:, index]
        charge, bias = rowwise(charge), rowwise(bias)
        found = Cut(charge, bias, ready.underflow, ready.finite, step, index, moves)
        if len(moves) != 1 or moves[0].changes:
            return found
        operand = step.operands[moves[0].position]
        before = self.prepared.get(operand or "")
        if before is None or not isinstance(before.form, Linear) or not (ready.finite and before.finite):
            return found
        first = self.cut(self.plan.by_name[operand or ""], moves[0].index, count)
        if bias is not None and first.bias is not None:
            return found
        if charge is None or first.charge is None:
            charge = first.charge if charge is None else charge
        else:
            charge = charge + first.charge
        bias = first.bias if bias is None else bias
        spare = ready.underflow + first.underflow
        return Cut(charge, bias, spare, first.finite, first.step, first.index, first.moves)

    def _move(self, step: Step, i: int, m: LinearMap, index: Array | None, several: bool, count: int) -> Move:
        operand = step.operands[i]
        assert operand is not None
        active = self.active(operand)
        source = source_of(self.plan, step, i, m)
        like = self.prepared[step.node.name].charge
        if not on_host(like):
            whole = None if source is KEPT else matrix_of(self.plan, step, i, m)
            matrices = () if whole is None else ((None, beside(whole, like)),)
            return Move(i, None, matrices=matrices, adjoint=None if source is KEPT or matrices else m)
        if source is not None:
            return _picked(i, source, index, active, several, size_of(step, i))
        work = SPARSE * m.terms * step.node.size
        matrix = matrix_of(self.plan, step, i, m)
        tiles = tiles_of(self.plan, step, i, m) if count >= MANY else None
        if matrix is not None:
            rows, columns = matrix.shape
            if (rows if index is None else index.size) * (columns if active is None else active.size) <= work:
                matrix = matrix if index is None else matrix[index]
                matrix = matrix if active is None else np.take(matrix, active, axis=1)
                return Move(i, active, matrices=((None, np.ascontiguousarray(matrix)),))
        elif tiles is not None:
            found = self._tiled(tiles, step.node.size, index, active)
            if not found:  # what the rows are about reads nothing that is not 0
                nothing = np.zeros(0, np.int64)
                return Move(i, nothing, take=nothing)
            if sum(one.size for _, one, _ in found) <= work:
                reached = np.concatenate([columns for *_, columns in found])
                return Move(i, reached, matrices=tuple((take, one) for take, one, _ in found))
        return Move(i, active, adjoint=m)

    def _tiled(
        self, tiles: Sequence[tuple[Array, Array, Array]], n: int, index: Array | None, active: Array | None
    ) -> list[tuple[Array, Array, Array]]:
        """Tiles cut down: (positions among the rows' elements, matrix, elements of the operand)."""
        place = np.arange(n)
        if index is not None:
            place = np.full(n, -1)
            place[index] = np.arange(index.size)
        here = np.zeros(0, bool)
        if active is not None:
            here = np.zeros(1 + max(int(elements.max(initial=0)) for elements, *_ in tiles), bool)
            here[active[active < here.size]] = True
        found = []
        for elements, rows, whole in tiles:
            take, columns, matrix = place[rows], elements, whole
            if index is not None:
                mine = np.flatnonzero(take >= 0)
                take, matrix = take[mine], matrix[mine]
            if active is not None:
                some = np.flatnonzero(here[columns])
                columns, matrix = columns[some], np.take(matrix, some, axis=1)
            if columns.size and take.size:
                found.append((take, matrix, columns))
        return found

    def bent(self, step: Step, index: Array | None) -> Bent | None:
        """Lines of one operand for rows on `index`.

        None for lines of several operands, of sums, infinite ones, and numbers so small that half of one is rounded.
        """
        key = (step.node.name, id(index), True)
        if key in self._parts:
            known = self._parts[key][1]
            assert isinstance(known, Bent)
            return known
        ready = self.prepared[step.node.name]
        form = ready.form
        assert isinstance(form, Relaxation)
        position = single_operand(step, form)
        if position is None or not ready.finite:
            return None
        arrays = []
        for v in (form.lower.slopes, form.upper.slopes, form.lower.offset, form.upper.offset):
            one = v[position] if isinstance(v, tuple) else v
            one = zeros((1, *step.node.shape), ready.charge) if one is None else one
            if one.shape[1:] != step.node.shape:
                one = np.broadcast_to(one, (len(one), *step.node.shape))
            one = one.reshape(len(one), step.node.size)
            arrays.append(one if index is None else one[:, index])
        charge = ready.charge if index is None else ready.charge[:, index]
        low, high, below, above = arrays
        at = None
        if on_host(charge):
            bent = ~((low == 1) & (high == 1) & (below == 0) & (above == 0)).all(axis=0)
            at = None if bent.all() else np.flatnonzero(bent)
        if at is not None:
            low, high, below, above, charge = (v[:, at] for v in (low, high, below, above, charge))
        if any(((v != 0) & (np.abs(v) < SMALLEST)).any() for v in (low, high, below, above)):
            return None
        offset = offset_gap = None
        if below.any() or above.any():
            offset, offset_gap = 0.5 * below + 0.5 * above, 0.5 * below - 0.5 * above
        halves = (0.5 * low + 0.5 * high, 0.5 * low - 0.5 * high, offset, offset_gap, charge)
        # columns that were picked lie one after another in memory; kernels want rows to
        part = Bent(position, at, *(rowwise(v) for v in halves))
        self._parts[key] = index, part
        return part

    def merge(self, a: Rows, b: Rows) -> tuple[Rows, Array | slice]:
        """The sum of two rows of one node (both may be overwritten), and where among its elements both had one."""
        if a.index is b.index:
            a.values += b.values
            return a, slice(None)
        if a.index is None or b.index is None:
            whole, part = (a, b) if a.index is None else (b, a)
            assert part.index is not None
            whole.values[:, :, part.index] += part.values
            return whole, part.index
        key = (id(a.index), id(b.index))
        if key not in self._unions:
            self._unions[key] = _united(a.index, b.index)
        union = self._unions[key]
        if union.swapped:
            a, b = b, a
        values, k = a.values, a.values.shape[2]
        if union.index is not a.index:
            values = np.empty((*a.values.shape[:2], union.index.size))
            values[:, :, :k] = a.values
            values[:, :, k:] = b.values[:, :, union.new]
        values[:, :, union.there] += b.values if union.common is None else b.values[:, :, union.common]
        return Rows(values, union.index), union.there


@dataclass(frozen=True, slots=True, eq=False)
class _Union:
    """Two sets of elements as one: the first (the larger), then what is new in the second.

    Parameters
    ----------
    index : the union; the first set itself where nothing is new.
    swapped : whether the sets were given the other way round.
    there, common : positions in the union, and in the second set (None: all), of the elements of both.
    new : positions in the second set of the others.
    given : the sets, kept alive because they are known by their identity.
    """

    index: Array
    swapped: bool
    there: Array
    common: Array | None
    new: Array
    given: tuple[Array, Array]


def _united(a: Array, b: Array) -> _Union:
    swapped = b.size > a.size
    first, second = (b, a) if swapped else (a, b)
    order = np.argsort(first)
    at = np.minimum(np.searchsorted(first, second, sorter=order), first.size - 1)
    place = order[at] if first.size else np.zeros(second.size, np.int64)
    here = first[place] == second if first.size else np.zeros(second.size, bool)
    new = np.flatnonzero(~here)
    index = first if not new.size else np.concatenate([first, second[new]])
    return _Union(index, swapped, place[here], np.flatnonzero(here) if new.size else None, new, (a, b))


def _picked(i: int, source: Array, index: Array | None, active: Array | None, several: bool, n: int) -> Move:
    """The adjoint of a movement: elements are handed on to where they came from."""
    reached = index if source is KEPT else source if index is None else source[index]
    keep: Array | None = None
    if reached is not None and (reached < 0).any():
        keep = reached >= 0
    if active is not None and (several or reached is None):
        here = np.zeros(n, bool)
        here[active] = True
        mine = here if reached is None else here[reached]
        keep = mine if keep is None else keep & mine
    if keep is None or keep.all():
        return Move(i, reached)
    if reached is None:
        return Move(i, active, take=active)
    return Move(i, reached[keep], take=np.flatnonzero(keep))


def single_operand(step: Step, form: Relaxation) -> int | None:
    """The one operand that the lines of an elementwise node are about; None where it is not so simple."""
    if any(u is not None for u in form.unfold):
        return None
    used = [
        i
        for i in range(len(step.operands))
        if any(i < len(s.slopes) and s.slopes[i] is not None for s in (form.lower, form.upper))
    ]
    if len(used) != 1 or step.call.shapes[used[0]] != step.node.shape:
        return None
    return used[0]


def rowwise(x: Any) -> Any:
    """NumPy's array with its rows one after another in memory, as kernels want them; others as they are."""
    return np.ascontiguousarray(x) if isinstance(x, np.ndarray) else x


def scattered(rows: Rows, size: int) -> Array:
    """Rows on all elements of a node: ``(B, R, size)``."""
    if rows.index is None:
        return rows.values
    whole = np.zeros((*rows.values.shape[:2], size))
    whole[:, :, rows.index] = rows.values
    return whole
