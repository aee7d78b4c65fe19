"""CROWN: backward linear bounds (Zhang et al. 2018, arXiv:1811.00866), batched over regions, sound in float64.

Node by node, in order: an interval from the operands' (already refined) intervals; then, for the neurons whose bounds
a later line depends on, the backward walk of `semantics.affine`; the two are intersected.
* crown      refines every operand of a nonlinear node, and the outputs;
* crown-ibp  refines the outputs only (Zhang et al. 2019, arXiv:1906.06316).
Neurons that the interval already proves stable need no rows: their line is exact whatever tighter bounds say.

Intersecting helps nearly always, but not always: a tighter interval can flip the choice of a relu's lower line, and
the flipped line may be worse for a later row.  A region where a choice flips is walked twice from there on: its twin
keeps CROWN's own bounds unintersected (the published algorithm), and the better of the two is reported (decision 0003).

Regions of a batch are carried together where a row costs less than the Python around it, else one after another, each
with rows and matrices of its own (decision 0013).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from time import perf_counter

import numpy as np

from workbench.arrays.device import array, beside, host, take
from workbench.graph import Array
from workbench.methods.bounds import Bounds
from workbench.methods.ibp import boxes, on_the_host
from workbench.methods.progress import Cancelled, Progress
from workbench.region import Region
from workbench.semantics.affine import Linear, Relaxation, describe, gather
from workbench.semantics.backward import INFLATE, Bound, Prepared, Units, backward, prepare
from workbench.semantics.compact import Sets
from workbench.semantics.interval import Interval, apply, known
from workbench.semantics.plan import Plan, Step
from workbench.semantics.prepared import part_of, ready_part

__all__ = ["Cancelled", "Progress", "crown", "lower_ends"]

INTERMEDIATE, NEURONS = ("crown", "ibp"), ("needed", "all")
MEMORY = 8 << 20  # bytes that one batch of coefficient rows may take: near the caches' size, measured best
ALONE = 1 << 14  # coefficients of one region's rows from which on it is walked alone
HELD = 1 << 25  # numbers in the matrices that are kept for all regions of a batch
ALL = slice(None)


def crown(
    plan: Plan,
    regions: Mapping[str, Region],
    *,
    intermediate: str = "crown",
    neurons: str = "needed",
    rows: Array | None = None,
    progress: Progress | None = None,
    like: Array | None = None,
    proved: Mapping[str, Interval] | None = None,
) -> Bounds:
    """Bounds of every node by CROWN.

    Parameters
    ----------
    plan : the network.
    regions : input name -> region; all with the same batch B.
    intermediate : "crown", or "ibp" for CROWN-IBP.
    neurons : "needed" bounds by rows only what the lines depend on; "all" every neuron that feeds a nonlinear node.
    rows : coefficients ``(R, *shape)`` of the first output, whose lower bounds are wanted (`Bounds.margins`).
    progress : called with (fraction done, node name); may raise `Cancelled`.
    like : an array of the library, on the device, that is to do the work (`arrays.device`); None for NumPy.
    proved : by node, ``(B or 1, *shape)``: what is known already, or what is asked about; intersected with on the way.

    Raises
    ------
    ValueError
        Another `intermediate` or `neurons` than these.
    """
    if intermediate not in INTERMEDIATE:
        raise ValueError(f"intermediate must be one of {', '.join(INTERMEDIATE)}, not {intermediate!r}")
    if neurons not in NEURONS:
        raise ValueError(f"neurons must be one of {', '.join(NEURONS)}, not {neurons!r}")
    start = perf_counter()
    with np.errstate(all="ignore"):
        walk = _run(plan, _Walk(plan, regions, like, proved), intermediate, neurons, progress)
        bounds = on_the_host({k: walk.better(v) for k, v in walk.bounds.items()})
        # lines stay where they were made: nobody draws them from there
        forms = {k: walk.first(v) for k, v in walk.forms.items()} if like is None else {}
        margins = None if rows is None else walk.margins(rows)
    method = "crown" if intermediate == "crown" else "crown-ibp"
    return Bounds(bounds, method, dict(regions), perf_counter() - start, plan.graph.outputs, forms, margins)


def _run(plan: Plan, walk: _Walk, intermediate: str, neurons: str, progress: Progress | None) -> _Walk:
    outputs = set(plan.graph.outputs)
    for k, step in enumerate(plan.steps):
        name = step.node.name
        if progress is not None:
            progress(k / len(plan.steps), name)
        form = None
        if name in plan.live and intermediate == "crown" and walk.is_nonlinear(step):
            form = walk.refine_operands(step, everything=neurons == "all")
        walk.visit(step, form)
        if name in outputs and name in plan.live:
            walk.refine(name, np.ones((walk.batch, step.node.size), bool))
    for name in plan.graph.outputs:
        if name in plan.constants:
            walk.bounds[name] = known(plan, name)
    return walk


@dataclass(frozen=True, slots=True, eq=False)
class _Group:
    """Some regions, first to last, and what backward walks over them need."""

    which: slice
    bounds: dict[str, Interval]
    prepared: dict[str, Prepared]
    sets: Sets


class _Walk:
    """State of one run: bounds, lines and what they cost, by node, for `count` regions and then their twins.

    `twins` holds which region each twin is of.
    """

    def __init__(
        self,
        plan: Plan,
        regions: Mapping[str, Region],
        like: Array | None = None,
        proved: Mapping[str, Interval] | None = None,
    ) -> None:
        self.plan, self.regions, self.proved = plan, dict(regions), proved or {}
        self.bounds: dict[str, Interval] = dict(boxes(plan, self.regions, like))
        self.forms: dict[str, Linear | Relaxation] = {}
        self.prepared: dict[str, Prepared] = {}
        self.batch = self.count = max((r.batch for r in self.regions.values()), default=1)
        self.twins: Array = np.zeros(0, np.int64)
        self.groups: dict[int, list[_Group]] = {}  # by number of regions in a group
        self.refined: set[str] = set()
        pure = all(r.is_box for r in regions.values())
        # nodes each of whose elements reads one input coordinate; and those that rows would not improve
        self.coordinate = set(plan.graph.inputs) if pure else set()
        self.exact = set(self.coordinate)

    def is_nonlinear(self, step: Step) -> bool:
        """Whether the node is bounded by lines (a property of the operator and its constants, not of bounds)."""
        key = ("nonlinear", step.node.name)
        if key not in self.plan.memo:
            self.plan.memo[key] = isinstance(describe(self.plan, step, self.bounds), Relaxation)
        return bool(self.plan.memo[key])

    def visit(self, step: Step, form: Linear | Relaxation | None) -> None:
        """Interval, lines (unless they are given) and majorant of one node."""
        name = step.node.name
        found = apply(self.plan, step, self.bounds)
        if name in self.proved:
            found = self.cut(found, self.proved[name])
        self.bounds[name] = found
        if name not in self.plan.live:
            return
        form = form or describe(self.plan, step, self.bounds)
        self.forms[name] = form
        self.prepared[name] = prepare(self.plan, step, form, self.bounds)
        if isinstance(form, Linear):
            live = [o for o, m in zip(step.operands, form.maps, strict=True) if m is not None]
            if len(live) == 1 and live[0] in self.coordinate:
                self.exact.add(name)
                if max(m.terms for m in form.maps if m is not None) <= 1:
                    self.coordinate.add(name)
        elif not any(u is not None for u in form.unfold):
            # a function of one value: its interval is as good as its operand's, and rows are no better
            slopes = zip(step.operands, form.lower.slopes, form.upper.slopes, strict=False)
            live = [o for o, low, high in slopes if low is not None or high is not None]
            if len(live) == 1 and live[0] in self.exact | self.refined:
                self.exact.add(name)

    def cut(self, found: Interval, known: Interval) -> Interval:
        """Both at once; where nothing lies in both, nothing is there to bound, and what was found is as good."""
        if len(known.lo) > 1:
            known = known[np.concatenate([np.arange(self.count), self.twins])]
        both = found.intersect(known)
        empty = both.lo > both.hi
        lo, hi = np.where(empty, found.lo, both.lo), np.where(empty, found.hi, both.hi)
        return Interval(lo, hi, both.simplex)

    def refine_operands(self, step: Step, *, everything: bool) -> Linear | Relaxation:
        """CROWN bounds for the operands of a nonlinear node, where its lines would gain from them; its lines then."""
        form = describe(self.plan, step, self.bounds)
        plain: dict[str, Interval] = {}
        for i, operand in enumerate(step.operands):
            if operand not in self.forms or operand in self.refined or operand in self.exact:
                continue
            assert operand is not None
            size = self.plan.graph[operand].size
            wanted = np.ones((1, size), bool) if everything else host(_reach(step, i, form))
            if wanted.any():
                plain[operand] = self.refine(operand, np.broadcast_to(wanted, (self.batch, size)))
        if not plain:
            return form
        form = describe(self.plan, step, self.bounds)
        if all(_equal(own, self.bounds[name]) for name, own in plain.items()):
            return form
        flipped = _flips(form, describe(self.plan, step, {**self.bounds, **plain}))
        if flipped is not None:
            flipped = np.broadcast_to(host(flipped), (self.batch,))[: self.count].copy()
            flipped[self.twins] = False
            if flipped.any():
                self.fork(np.flatnonzero(flipped), plain)
                form = describe(self.plan, step, self.bounds)
        return form

    def fork(self, which: Array, plain: Mapping[str, Interval]) -> None:
        """Give twins to some regions: they go on with CROWN's own bounds of the nodes that were just refined."""
        order = np.concatenate([np.arange(self.batch), which])
        self.regions = {k: _taken(r, order) for k, r in self.regions.items()}
        for name, held in self.bounds.items():
            if name in self.plan.live and len(held.lo) == self.batch:
                own = plain.get(name, held)
                ends = (held.lo, own.lo), (held.hi, own.hi)
                lo, hi = (np.concatenate([a, take(b, which, axis=0)]) for a, b in ends)
                self.bounds[name] = Interval(lo, hi, held.simplex)
        self.batch = len(order)
        self.twins = np.concatenate([self.twins, which])
        self.groups.clear()
        # what was made upstream of the refined nodes is a twin's as well
        self.prepared = {k: ready_part(v, order) for k, v in self.prepared.items()}
        self.forms = {k: v.form for k, v in self.prepared.items()}

    def refine(self, name: str, wanted: Array) -> Interval:
        """Intersect the bounds of neurons of a node ``(B, n)`` with CROWN's; returns CROWN's own."""
        self.refined.add(name)
        held, full = self.bounds[name], (self.batch, *self.plan.graph[name].shape)
        lo, hi = (np.broadcast_to(e, full).copy().reshape(self.batch, -1) for e in (held.lo, held.hi))
        own_lo, own_hi = lo.copy(), hi.copy()
        for group, index in self._portions(name, wanted):
            which = group.which
            units = Units(index, len(lo[which]))
            found = backward(self.plan, name, units, group.prepared, group.bounds, sets=group.sets)
            low = lower_ends(found, self.regions, which)
            here = which, beside(index, lo)
            own_lo[here], own_hi[here] = low[:, : index.size], -low[:, index.size :]
        np.maximum(lo, own_lo, out=lo), np.minimum(hi, own_hi, out=hi)
        # what the interval proves stable has no rows in the published algorithm either
        asked = beside(wanted, lo)
        own_lo, own_hi = (np.where(asked, o, e) for o, e in ((own_lo, lo), (own_hi, hi)))
        known = np.isfinite(own_lo) & np.isfinite(own_hi)
        own_lo, own_hi = (np.where(known, o, e) for o, e in ((own_lo, lo), (own_hi, hi)))
        if len(self.twins) and name not in self.plan.graph.outputs:
            lo[self.count :], hi[self.count :] = own_lo[self.count :], own_hi[self.count :]
        self.bounds[name] = Interval(lo.reshape(full), hi.reshape(full), held.simplex)
        return Interval(own_lo.reshape(full), own_hi.reshape(full))

    def better(self, x: Interval) -> Interval:
        """Of every region, the better of its own bounds and its twin's."""
        if not len(self.twins) or len(x.lo) != self.batch:
            return x
        lo, hi = x.lo[: self.count].copy(), x.hi[: self.count].copy()
        twins = beside(self.twins, lo)
        lo[twins] = np.maximum(np.take(lo, twins, axis=0), x.lo[self.count :])
        hi[twins] = np.minimum(np.take(hi, twins, axis=0), x.hi[self.count :])
        return Interval(lo, hi, x.simplex)

    def first(self, form: Linear | Relaxation) -> Linear | Relaxation:
        """Lines of the regions themselves: drawn over intersected bounds, which contain the better of both."""
        return form if not len(self.twins) or isinstance(form, Linear) else part_of(form, slice(self.count))

    def margins(self, rows: Array) -> Array:
        """Lower bounds ``(B, R)`` of ``rows . output``, of a region and its twin the better."""
        output = self.plan.graph.outputs[0]
        full = np.broadcast_to(beside(rows, self.bounds[output].lo), (self.batch, *rows.shape))
        found = backward(self.plan, output, full, self.prepared, self.bounds)
        low = host(lower_ends(found, self.regions))
        best = low[: self.count].copy()
        best[self.twins] = np.maximum(best[self.twins], low[self.count :])
        return best

    def _portions(self, name: str, wanted: Array) -> Iterator[tuple[_Group, Array]]:
        """Groups of regions, and the neurons whose rows are carried together."""
        upstream = self.plan.upstream(name)
        widest = max([self.plan.graph[n].size for n in [*upstream, *self.plan.graph.inputs]])
        each = 2.0 * widest * max(1.0, np.count_nonzero(wanted) / self.batch)
        many = 1
        while many < self.batch and each <= ALONE and 16 * many * each <= MEMORY:
            many *= 2
        if many not in self.groups:
            self.groups[many] = self._divided(many)
        for group in self.groups[many]:
            if many < self.batch:
                self._fill(group, upstream)
            index = np.flatnonzero(wanted[group.which].any(axis=0))
            rows = max(8, MEMORY // (8 * 2 * widest * many))
            for first in range(0, index.size, rows):
                yield group, index[first : first + rows]
            if many < self.batch and group.sets.held * len(self.groups[many]) > HELD:
                group.sets.forget()

    def _divided(self, many: int) -> list[_Group]:
        if many >= self.batch:
            return [
                _Group(slice(None), self.bounds, self.prepared, Sets(self.plan, self.bounds, self.prepared))
            ]
        found = []
        for first in range(0, self.batch, many):
            bounds: dict[str, Interval] = {}
            ready: dict[str, Prepared] = {}
            sets = Sets(self.plan, bounds, ready)
            found.append(_Group(slice(first, first + many), bounds, ready, sets))
        return found

    def _fill(self, group: _Group, upstream: frozenset[str]) -> None:
        """The group's part of what stands upstream."""
        for name in upstream:
            for one in (name, *(o for o in self.plan.by_name[name].operands if o is not None)):
                if one in self.bounds and one not in group.bounds:
                    held = self.bounds[one]
                    group.bounds[one] = held[group.which] if len(held.lo) > 1 else held
            if name in self.prepared and name not in group.prepared:
                group.prepared[name] = ready_part(self.prepared[name], group.which)


def _taken(region: Region, order: Array) -> Region:
    center = None if region.center is None else region.center[order]
    return Region(region.lower[order], region.upper[order], center, region.eps, region.norm, region.clip)


def _equal(a: Interval, b: Interval) -> bool:
    return bool((a.lo == b.lo).all() and (a.hi == b.hi).all())


def _flips(tight: Linear | Relaxation, plain: Linear | Relaxation) -> Array | None:
    """By region, whether some line's slope jumps (rather than shifts) between two descriptions of a node."""
    if not isinstance(tight, Relaxation) or not isinstance(plain, Relaxation):
        return None
    found: Array | None = None
    for a, b in zip(
        (*tight.lower.slopes, *tight.upper.slopes), (*plain.lower.slopes, *plain.upper.slopes), strict=True
    ):
        if a is not None and b is not None:
            jumps = np.abs(a - b) > 0.75
            one = jumps.any(axis=tuple(range(1, jumps.ndim)))
            found = one if found is None else found | one
    return np.zeros(1, bool) if found is None else found


def lower_ends(found: Bound, regions: Mapping[str, Region], which: slice = ALL) -> Array:
    """Lower bounds ``(B, R)`` of a backward walk's rows: coefficients minimised over some regions, debt paid."""
    with np.errstate(all="ignore"):
        low = found.constant - found.debt * INFLATE
        low = np.nextafter(low, -np.inf)
        for name, rows in found.ends.items():
            low = np.nextafter(low + regions[name].minimum(rows.values, which, rows.index), -np.inf)
    return array(np.where(np.isnan(low), -np.inf, low))


def _reach(step: Step, i: int, form: Linear | Relaxation) -> Array:
    """Neurons of operand i that the neurons whose two lines differ read, ``(B or 1, n)``."""
    assert isinstance(form, Relaxation)
    differ = form.lower.offset != form.upper.offset
    for low, high, unfold in zip(
        form.lower.slopes, form.upper.slopes, form.unfold or (None,) * len(form.lower.slopes), strict=True
    ):
        if low is high:
            continue
        other = array((0.0 if low is None else low) != (0.0 if high is None else high))
        differ = differ | (other if unfold is None else other.any(axis=-1))
    shape = step.call.shapes[i]
    assert shape is not None
    unfold = form.unfold[i] if i < len(form.unfold) else None
    whole = np.broadcast_to(differ, (len(differ), *step.node.shape))
    if unfold is None and shape == step.node.shape:
        return whole.reshape(len(whole), -1)
    spread = whole.astype(np.float64)
    if unfold is None:
        return gather(spread, shape).reshape(len(spread), -1) != 0
    k = unfold.apply(np.zeros((1, *shape))).shape[-1]
    return unfold.adjoint(np.repeat(spread[..., None], k, axis=-1)).reshape(len(spread), -1) != 0
