"""CROWN: backward linear bounds (Zhang et al. 2018, arXiv:1811.00866), batched over regions, sound in float64.

Node by node, in order: an interval from the operands' (already refined) intervals; then, for the neurons whose bounds
a later line depends on, the backward walk of `semantics.affine`; the two are intersected.
* crown      refines every operand of a nonlinear node, and the outputs;
* crown-ibp  refines the outputs only (Zhang et al. 2019, arXiv:1906.06316).
Neurons that the interval already proves stable need no rows: their line is exact whatever tighter bounds say.

Intersecting helps nearly always, but not always: a tighter interval can flip the choice of a relu's lower line, and
the flipped line may be worse for a later row.  Where a choice flips, the walk is made for twice the batch: the second
half keeps CROWN's own bounds unintersected (the published algorithm), and the better of the two is reported.  So the
result is never looser than plain CROWN.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from time import perf_counter

import numpy as np

from workbench.graph import Array
from workbench.methods.bounds import Bounds
from workbench.methods.ibp import boxes
from workbench.methods.progress import Cancelled, Progress
from workbench.region import Region
from workbench.semantics.affine import Linear, Lines, Relaxation, describe, gather
from workbench.semantics.backward import INFLATE, Bound, Prepared, Units, backward, prepare
from workbench.semantics.interval import Interval, apply, known
from workbench.semantics.plan import Plan, Step

__all__ = ["Cancelled", "Progress", "crown", "doubled", "lower_ends"]

INTERMEDIATE, NEURONS = ("crown", "ibp"), ("needed", "all")
MEMORY = 16 << 20  # bytes that one batch of coefficient rows may take: near the caches' size, measured best


def crown(
    plan: Plan,
    regions: Mapping[str, Region],
    *,
    intermediate: str = "crown",
    neurons: str = "needed",
    rows: Array | None = None,
    progress: Progress | None = None,
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
        bounds, forms, margins = _best(plan, regions, intermediate, neurons, rows, progress)
    method = "crown" if intermediate == "crown" else "crown-ibp"
    return Bounds(bounds, method, dict(regions), perf_counter() - start, plan.graph.outputs, forms, margins)


def _best(
    plan: Plan,
    regions: Mapping[str, Region],
    intermediate: str,
    neurons: str,
    rows: Array | None,
    progress: Progress | None,
) -> tuple[dict[str, Interval], dict[str, Linear | Relaxation], Array | None]:
    """One walk, or two side by side where a choice of lines flips."""
    try:
        walk = _run(plan, _Walk(plan, regions, 1), intermediate, neurons, progress)
        bounds, forms = walk.bounds, walk.forms
    except _ChoiceFlips:
        walk = _run(plan, _Walk(plan, regions, 2), intermediate, neurons, progress)
        half = walk.batch // 2
        bounds = {k: _halves(v, half) for k, v in walk.bounds.items()}
        forms = {k: _first(v, half) for k, v in walk.forms.items()}
    return bounds, forms, None if rows is None else walk.margins(rows)


class _ChoiceFlips(Exception):
    """Intersecting changed which line is chosen for some neuron."""


def _halves(x: Interval, half: int) -> Interval:
    """The better of both halves of a doubled batch."""
    return x if x.lo.shape[0] == 1 else x[:half].intersect(x[half:])


def _first(form: Linear | Relaxation, half: int) -> Linear | Relaxation:
    """The first half's lines: drawn over intersected bounds, which contain the better of both halves."""
    if isinstance(form, Linear):  # the same for every region
        return form
    lower, upper = (
        Lines(tuple(None if s is None else s[:half] for s in x.slopes), x.offset[:half])
        for x in (form.lower, form.upper)
    )
    return Relaxation(lower, upper, form.unfold)


def _run(plan: Plan, walk: _Walk, intermediate: str, neurons: str, progress: Progress | None) -> _Walk:
    outputs = set(plan.graph.outputs)
    for k, step in enumerate(plan.steps):
        name = step.node.name
        if progress is not None:
            progress(k / len(plan.steps), name)
        if name in plan.live and intermediate == "crown" and walk.is_nonlinear(step):
            walk.refine_operands(step, everything=neurons == "all")
        walk.visit(step)
        if name in outputs and name in plan.live:
            walk.refine(name, np.arange(step.node.size))
    for name in plan.graph.outputs:
        if name in plan.constants:
            walk.bounds[name] = known(plan, name)
    return walk


class _Walk:
    """State of one run: bounds, lines and what they cost, by node; `tracks` is 2 for a doubled batch."""

    def __init__(self, plan: Plan, regions: Mapping[str, Region], tracks: int) -> None:
        self.plan, self.tracks = plan, tracks
        self.regions = {k: r if tracks == 1 else doubled(r) for k, r in regions.items()}
        self.bounds: dict[str, Interval] = dict(boxes(plan, self.regions))
        self.plain: dict[str, Interval] = {}  # CROWN's own bounds, before intersecting
        self.forms: dict[str, Linear | Relaxation] = {}
        self.prepared: dict[str, Prepared] = {}
        self.batch = max((r.batch for r in self.regions.values()), default=1)
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

    def visit(self, step: Step) -> None:
        """Interval, lines and majorant of one node."""
        name = step.node.name
        found = apply(self.plan, step, self.bounds)
        self.bounds[name] = found
        if name not in self.plan.live:
            return
        form = describe(self.plan, step, self.bounds)
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

    def refine_operands(self, step: Step, *, everything: bool) -> None:
        """CROWN bounds for the operands of a nonlinear node, where its lines would gain from them."""
        form = describe(self.plan, step, self.bounds)
        mask = None if everything else _open(form)
        for i, operand in enumerate(step.operands):
            if (
                operand is None
                or operand not in self.forms
                or operand in self.refined
                or operand in self.exact
            ):
                continue
            index = np.arange(self.plan.graph[operand].size) if mask is None else _reach(mask, step, i, form)
            if index.size:
                self.refine(operand, index)
        if self.tracks == 1 and any(o in self.plain for o in step.operands if o is not None):
            tight = describe(self.plan, step, self.bounds)
            if _flips(tight, describe(self.plan, step, {**self.bounds, **self.plain})):
                raise _ChoiceFlips

    def refine(self, name: str, index: Array) -> None:
        """Intersect the bounds of neurons `index` of a node with CROWN's."""
        self.refined.add(name)
        node = self.plan.graph[name]
        full = (self.batch, *node.shape)
        lo = np.array(np.broadcast_to(self.bounds[name].lo, full)).reshape(self.batch, -1)
        hi = np.array(np.broadcast_to(self.bounds[name].hi, full)).reshape(self.batch, -1)
        own_lo, own_hi = lo.copy(), hi.copy()
        for part in self._chunks(name, index):
            units = Units(part, self.batch)
            found = backward(self.plan, name, units, self.prepared, self.bounds)
            low = lower_ends(found, self.regions)
            own_lo[:, part], own_hi[:, part] = low[:, : part.size], -low[:, part.size :]
        first = self.batch // self.tracks if name not in self.plan.graph.outputs else self.batch
        np.maximum(lo, own_lo, out=lo), np.minimum(hi, own_hi, out=hi)
        known = np.isfinite(own_lo[first:]) & np.isfinite(own_hi[first:])
        lo[first:], hi[first:] = (
            np.where(known, own_lo[first:], lo[first:]),
            np.where(known, own_hi[first:], hi[first:]),
        )
        self.bounds[name] = Interval(lo.reshape(full), hi.reshape(full), self.bounds[name].simplex)
        if self.tracks == 1:
            self.plain[name] = Interval(own_lo.reshape(full), own_hi.reshape(full))

    def margins(self, rows: Array) -> Array:
        """Lower bounds ``(B, R)`` of ``rows . output``, the better of both tracks."""
        output = self.plan.graph.outputs[0]
        full = np.ascontiguousarray(np.broadcast_to(rows, (self.batch, *rows.shape)))
        found = backward(self.plan, output, full, self.prepared, self.bounds)
        low = lower_ends(found, self.regions)
        half = self.batch // self.tracks
        return low if self.tracks == 1 else np.maximum(low[:half], low[half:])

    def _chunks(self, name: str, index: Array) -> Iterator[Array]:
        wanted = self.plan.upstream(name)
        widest = max([self.plan.graph[n].size for n in [*wanted, *self.plan.graph.inputs]])
        rows = max(8, MEMORY // (8 * 2 * widest * self.batch))
        for first in range(0, index.size, rows):
            yield index[first : first + rows]


def doubled(region: Region) -> Region:
    """Every region twice."""
    center = None if region.center is None else np.concatenate([region.center, region.center])
    lower, upper = np.concatenate([region.lower, region.lower]), np.concatenate([region.upper, region.upper])
    return Region(lower, upper, center, region.eps, region.norm, region.clip)


def _flips(tight: Linear | Relaxation, plain: Linear | Relaxation) -> bool:
    """Whether some line's slope jumps (rather than shifts) between two descriptions of a node."""
    if not isinstance(tight, Relaxation) or not isinstance(plain, Relaxation):
        return False
    for a, b in zip(
        (*tight.lower.slopes, *tight.upper.slopes), (*plain.lower.slopes, *plain.upper.slopes), strict=True
    ):
        if a is not None and b is not None and (np.abs(a - b) > 0.75).any():
            return True
    return False


def lower_ends(found: Bound, regions: Mapping[str, Region]) -> Array:
    """Lower bounds ``(B, R)`` of a backward walk's rows: coefficients minimised over the regions, debt paid."""
    with np.errstate(all="ignore"):
        low = found.constant - found.debt * INFLATE
        low = np.nextafter(low, -np.inf)
        for name, coefficients in found.coefficients.items():
            low = np.nextafter(low + regions[name].minimum(coefficients), -np.inf)
    return np.asarray(np.where(np.isnan(low), -np.inf, low))


def _open(form: Linear | Relaxation) -> Array:
    """Neurons of a nonlinear node whose two lines differ: ``(*shape)``, any region of the batch."""
    assert isinstance(form, Relaxation)
    differ = form.lower.offset != form.upper.offset
    for low, high, unfold in zip(
        form.lower.slopes, form.upper.slopes, form.unfold or (None,) * len(form.lower.slopes), strict=True
    ):
        a = np.zeros(()) if low is None else low
        b = np.zeros(()) if high is None else high
        other = a != b
        differ = differ | (other if unfold is None else other.any(axis=-1))
    return np.asarray(differ.any(axis=0))


def _reach(mask: Array, step: Step, i: int, form: Linear | Relaxation) -> Array:
    """Flat indices of operand i's neurons that open neurons read."""
    assert isinstance(form, Relaxation)
    shape = step.call.shapes[i]
    assert shape is not None
    unfold = form.unfold[i] if i < len(form.unfold) else None
    spread = np.broadcast_to(mask, step.node.shape)[None].astype(np.float64)
    if unfold is None:
        return np.flatnonzero(gather(spread, shape))
    k = unfold.apply(np.zeros((1, *shape))).shape[-1]
    return np.flatnonzero(unfold.adjoint(np.repeat(spread[..., None], k, axis=-1)))
