"""Rounding errors of every neuron over a region: forward local errors, backward correlation (F9), the tighter of both.

Node by node, in order (see `semantics.rounding` for the equation d = C d_operands + t' and its proof):
* forward    e = |J| e_operands + |shift| + rho;
* backward   for neurons that mix several errors, rows of coefficients L are carried back through the fixed centres C:
             e = |sum_v L_v . shift_v| + sum_v |L_v| . rho'_v, over the nodes v that the neuron depends on.  At a node that
             everything behind has to pass, |L_v| . e_v may close the sum at once; the least of all such sums counts.
Real ranges are given (CROWN's, say); float ranges are real ranges widened by e, and also what interval arithmetic gives
from the operands' float ranges.  A neuron that may overflow, and all that depends on it, has an infinite bound.

Float64's own rounding: a pass through a node with sums of n terms leaves |fl(C'L) - C'L| <= n u |C|'|L|, worth at most
n u |L| . |J| e_operands: one more term of rho', at the cost of a vector.
"""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import Any

import numpy as np

from workbench.floats.errors import raised, rounding_error
from workbench.floats.program import Semantics, program_of
from workbench.floats.rounding import is_stored, round_to
from workbench.graph import Array
from workbench.methods.bounds import Bounds
from workbench.methods.observe import observe_errors
from workbench.methods.roundingbounds import Inputs, RoundingBounds, Share
from workbench.op import OPS, rule_for
from workbench.semantics.affine import Linear, gather
from workbench.semantics.interval import TINY, UNIT, Interval, apply
from workbench.semantics.plan import Plan, Step
from workbench.semantics.rounding import Form, Local, centre, errors_through
from workbench.semantics.rounding import rounding as meaning

MEMORY = 192 << 20  # bytes that one batch of coefficient rows may take
NEGLIGIBLE = 0.02  # a walk stops where what is left to find could lower no bound by more than this share
Progress = Callable[[float, str], None]


def rounding(
    plan: Plan,
    before: Bounds,
    program: str | Semantics = "binary32",
    *,
    inputs: Inputs = "rounded",
    correlate: str = "all",
    progress: Progress | None = None,
) -> RoundingBounds:
    """Bounds on |float value - real value| of every node, for every input of the regions that `before` belongs to.

    Parameters
    ----------
    plan : the network.
    before : sound real bounds of every node over the regions; the tighter they are, the tighter is the result.
    program : "binary64", "binary32", "binary16", "bfloat16" or a `Semantics`: the float program.
    inputs : "rounded": the program is given the real input rounded to its format; an input that is already a number of
        the format is its own rounding, so that such runs are covered too.  "exact": only such inputs are meant.
    correlate : "all" neurons by rows, "outputs" only, or "none" (the forward form alone).
    progress : called with (fraction done, node name); may raise to stop.

    Raises
    ------
    UnsupportedOperator
        Naming an operator that has no rule for rounding.
    ValueError
        An unknown format, or an unknown choice.
    """
    start = perf_counter()
    if inputs not in ("rounded", "exact"):
        raise ValueError(f'inputs must be "rounded" or "exact", not {inputs!r}')
    if correlate not in ("all", "outputs", "none"):
        raise ValueError(f'correlate must be "all", "outputs" or "none", not {correlate!r}')
    program = program_of(program)
    walk = _Walk(plan, before, program)
    for name in plan.graph.inputs:
        walk.enter(name, inputs)
    outputs = set(plan.graph.outputs)
    for k, step in enumerate(plan.steps):
        if progress is not None:
            progress(k / len(plan.steps), step.node.name)
        walk.visit(
            step, correlated=correlate == "all" or (correlate == "outputs" and step.node.name in outputs)
        )
    for name in plan.graph.outputs:
        if name in plan.constants:
            held = walk.constant(name)
            apart = np.zeros(held[0].lo.shape) if held[1] is None else held[1]
            walk.errors[name], walk.own[name], walk.ranges[name] = apart, apart, held[0]
    return RoundingBounds(
        bounds=walk.errors,
        local=walk.own,
        ranges=walk.ranges,
        program=program,
        inputs=inputs,
        assumptions=walk.assumptions(),
        overflow=tuple(walk.overflow),
        seconds=perf_counter() - start,
        outputs=plan.graph.outputs,
        real=before,
        trace=walk.shares,
    )


class _Walk:
    """State of one run, by node: error bounds, float ranges, local errors, forms."""

    def __init__(self, plan: Plan, before: Bounds, program: Semantics) -> None:
        self.plan, self.before, self.program = plan, before, program
        self.batch = max((r.batch for r in before.regions.values()), default=1)
        self.errors: dict[str, Array] = {}  # e
        self.ranges: dict[str, Interval] = {}  # real and float values
        self.own: dict[str, Array] = {}  # rho, rounding to storage included
        self.forms: dict[str, Form] = {}
        self.source: dict[str, Array] = {}  # rho' as rows are charged with it, (B or 1, n), finite
        self.shift: dict[str, Array] = {}  # (B or 1, n), finite; only where there is one
        self.mixed: set[str] = set()  # nodes below which errors have already been mixed
        self.functions: dict[str, None] = {}
        self.overflow: dict[str, None] = {}

    # ------------------------------------------------------------------ forward

    def enter(self, name: str, inputs: Inputs) -> None:
        """An input: rounded to the format, or one of its numbers."""
        real = self.before[name]
        form = self.program.activations
        ends = Interval(round_to(real.lo, form), round_to(real.hi, form))
        size = real.magnitude
        if inputs == "rounded":
            fixed = real.lo == real.hi
            with np.errstate(invalid="ignore"):
                shift = np.where(fixed & np.isfinite(ends.lo), ends.lo - real.lo, 0.0)
            rho = np.where(fixed & np.isfinite(ends.lo), 0.0, rounding_error(size, form))
            low, high = np.minimum(real.lo, ends.lo), np.maximum(real.hi, ends.hi)
        else:
            shift = np.zeros(size.shape)
            rho = np.where(size <= form.largest, 0.0, np.inf)
            low, high = real.lo, real.hi
        if not np.isfinite(rho).all():
            self.overflow[name] = None
        lost = ~np.isfinite(rho)
        self.ranges[name] = Interval(np.where(lost, -np.inf, low), np.where(lost, np.inf, high))
        self.own[name] = rho
        self.errors[name] = rho + np.abs(shift)
        self._keep(name, rho, shift)

    def constant(self, name: str) -> tuple[Interval, Array | None]:
        """A constant as it is and as it is stored: what contains both, and how far they are apart (None: nowhere)."""
        key = ("stored constant", name, self.program.weights)
        if key not in self.plan.memo:
            self.plan.memo[key] = _stored_constant(
                self.plan.number(name), self.plan.constants[name], self.program
            )
        found: tuple[Interval, Array | None] = self.plan.memo[key]
        return found

    def visit(self, step: Step, *, correlated: bool) -> None:
        """One node: its own rounding, its error, its float range."""
        name, shape = step.node.name, step.node.shape
        held = {o: self.constant(o) for o in step.operands if o is not None and o in self.plan.constants}
        ranges = [None if o is None else held[o][0] if o in held else self.ranges[o] for o in step.operands]
        live = tuple(None if o is None or o in held else self.errors[o] for o in step.operands)
        fixed = tuple(held[o][1] if o in held else None for o in step.operands)
        with np.errstate(all="ignore"):
            local: Local = rule_for(step.node, meaning)(step.call, self.program, *ranges)
            whole, rest = errors_through(local.form, live, shape)
            moved = any(f is not None for f in fixed)
            stored = errors_through(local.form, fixed, shape)[0] if moved else 0.0
            shift: Array = np.zeros((1, *shape)) if local.shift is None else local.shift
            rho = local.rho + stored
            image = apply(self.plan, step, self.ranges)
            if local.state != "stored":
                size = np.fmin(self.before[name].magnitude + whole, image.magnitude) + np.abs(shift) + rho
                rho = rho + self.program.finish(raised(size), local.state)
            rho = _infinite_where_nan(raised(rho))
            error = _infinite_where_nan(raised(whole + np.abs(shift) + rho, 4))
        rho, error, whole, rest, shift = (
            np.broadcast_to(v, error.shape) for v in (rho, error, whole, rest, shift)
        )
        if (~np.isfinite(rho) & np.isfinite(whole)).any():
            self.overflow[name] = None
        self.functions.update(dict.fromkeys(local.functions))
        self.forms[name], self.own[name] = local.form, rho
        charge = (_roundings(step, local.form) * UNIT) * whole + step.node.size * TINY * (whole > 0)
        self._keep(name, rho + rest + charge, shift)
        mixes = _mixes(step, local.form)
        before = [o for o in step.operands if o is not None and o in self.mixed]
        if mixes or before:
            self.mixed.add(name)
        if correlated and mixes and before and name in self.plan.live:
            error = self._correlated(name, error)
        self._close(name, error, image, raised(rho + np.abs(shift)))

    def _keep(self, name: str, source: Array, shift: Array) -> None:
        flat = source.reshape(source.shape[0], -1)
        self.source[name] = np.where(np.isfinite(flat), flat, 0.0)
        known = shift.reshape(shift.shape[0], -1)
        if known.any():
            self.shift[name] = np.where(np.isfinite(known), known, 0.0)

    def _close(self, name: str, error: Array, image: Interval, rho: Array) -> None:
        """The float range, and the error that it leaves possible."""
        real = self.before[name]
        with np.errstate(all="ignore"):
            low = np.fmax(real.lo - error, image.lo - rho)
            high = np.fmin(real.hi + error, image.hi + rho)
            exact = error == 0
            low = np.where(exact, np.fmax(real.lo, image.lo), np.nextafter(low, -np.inf))
            high = np.where(exact, np.fmin(real.hi, image.hi), np.nextafter(high, np.inf))
            lost = ~np.isfinite(error)
            low, high = np.where(lost, -np.inf, low), np.where(lost, np.inf, high)
            error = np.where(lost, np.inf, np.minimum(error, np.nextafter(high - low, np.inf)))
            error = np.where(high == low, 0.0, error)
        self.ranges[name], self.errors[name] = Interval(low, high), error

    def assumptions(self) -> tuple[str, ...]:
        """What the bounds rest on, as sentences."""
        p = self.program
        kept = (
            f"results are rounded once more, to {p.activations.name}"
            if p.mixed
            else "nothing is flushed to zero"
        )
        return (
            f"+ - * / and sqrt round to nearest, ties to even, in {p.accumulator.name} with gradual underflow; {kept}",
            "sums are added in any order, with or without fused multiply-adds, but term by term (no Winograd or FFT)",
            *(p.assumption(f) for f in self.functions),
        )

    # ------------------------------------------------------------------ backward

    def _correlated(self, name: str, error: Array) -> Array:
        """The least of the forward error and of what rows of coefficients find."""
        shape = (self.batch, *self.plan.graph[name].shape)
        best = np.array(np.broadcast_to(error, shape)).reshape(self.batch, -1)
        index = np.flatnonzero((np.isfinite(best) & (best > 0)).any(axis=0))
        wanted = self.plan.upstream(name)
        widest = max([self.plan.graph[n].size for n in [*wanted, *self.plan.graph.inputs]])
        rows = max(8, MEMORY // (8 * 2 * widest * self.batch))
        for first in range(0, index.size, rows):
            part = index[first : first + rows]
            found = self._rows(name, part)
            best[:, part] = np.where(np.isfinite(best[:, part]), np.minimum(best[:, part], found), np.inf)
        return best.reshape(shape)

    def _rows(self, target: str, index: Array, record: Callable[[str, Array], None] | None = None) -> Array:
        """``(B, R)`` bounds for neurons `index` of `target`; `record` sees each node's shares and stops no walk early."""
        total, drift, doubt, pending = self._start(target, index, record)
        best: Array = np.full((self.batch, index.size), np.inf)
        wanted = self.plan.upstream(target)
        with np.errstate(all="ignore"):
            for step in reversed(self.plan.steps):
                name = step.node.name
                if name not in wanted or name not in pending:
                    continue
                rows = pending.pop(name)
                closing = record is None and not pending and _mixes(step, self.forms[name])
                owed, drifted, cut = self._charge(name, rows, closing=closing, record=record)
                if cut is not None:
                    best = np.minimum(best, np.abs(drift) + doubt + total + cut)
                total, drift, doubt = self._add(total, drift, doubt, owed, drifted)
                if cut is not None and (best <= (1 + NEGLIGIBLE) * (np.abs(drift) + total)).all():
                    return np.asarray(raised(best, self._length))
                for operand, piece in self._through(step, rows):
                    if operand in pending:
                        merged = pending[operand] + piece
                        size = np.abs(merged).reshape(*merged.shape[:2], -1)
                        doubt = doubt + UNIT * _dot(size, self._finite_errors(operand)[:, :, None])[0]
                        pending[operand] = merged
                    else:
                        pending[operand] = piece
            for name, rows in pending.items():
                owed, drifted, _ = self._charge(name, rows, closing=False, record=record)
                total, drift, doubt = self._add(total, drift, doubt, owed, drifted)
        return np.asarray(raised(np.minimum(best, np.abs(drift) + doubt + total), self._length))

    @property
    def _length(self) -> int:
        """Terms in the longest sum of non-negative numbers that a walk computes, generously."""
        return 4 * max((n.size for n in self.plan.graph.nodes), default=1) + 8 * len(self.plan.steps)

    def _finite_errors(self, name: str) -> Array:
        error = self.errors[name].reshape(self.errors[name].shape[0], -1)
        return np.where(np.isfinite(error), error, 0.0)

    def _charge(
        self, name: str, rows: Array, *, closing: bool, record: Callable[[str, Array], None] | None
    ) -> tuple[Array | None, tuple[Array, Array] | None, Array | None]:
        """What a node's own errors are worth at the target, by the coefficients that they reach it with.

        Returns (|rows| . rho', or None where that is 0), (rows . shift and how far that may be off, or None), and where
        `closing` is asked for, |rows| . e: what the node and everything behind it are worth at most.
        """
        source, shift = self.source[name], self.shift.get(name)
        some = bool(source.any())
        if not (some or shift is not None or closing):
            return None, None, None
        flat = rows.reshape(*rows.shape[:2], -1)
        columns = [source] if some else []
        if shift is not None:
            columns.append(np.abs(shift))
        if closing:
            columns.append(self._finite_errors(name))
        size = np.abs(flat)
        found = list(_dot(size, np.stack(np.broadcast_arrays(*columns), axis=-1)))
        owed = found.pop(0) if some else None
        drifted = None
        if shift is not None:
            # a sum of n signed terms errs by at most n u times the sum of their magnitudes
            drifted = _dot(flat, shift[:, :, None])[0], (flat.shape[-1] + 4) * UNIT * found.pop(0)
        if record is not None:
            own = source if shift is None else source + np.abs(shift)
            record(name, np.broadcast_to(size * own[:, None], (self.batch, *size.shape[1:])))
        return owed, drifted, found.pop() if closing else None

    def _add(
        self,
        total: Array,
        drift: Array,
        doubt: Array,
        owed: Array | None,
        drifted: tuple[Array, Array] | None,
    ) -> tuple[Array, Array, Array]:
        """Running sums: of magnitudes, of signed parts, and of how far the latter may be off."""
        if owed is not None:
            total = total + owed
        if drifted is not None:
            drift = drift + drifted[0]
            doubt = doubt + drifted[1] + UNIT * np.abs(drift)
        return total, drift, doubt

    def _start(
        self, target: str, index: Array, record: Callable[[str, Array], None] | None
    ) -> tuple[Array, Array, Array, dict[str, Array]]:
        """The first coefficients: unit rows, read off the weights of a linear node where that is possible."""
        shape = (self.batch, index.size)
        none = np.zeros(shape)
        form, step = self.forms[target], self.plan.by_name[target]
        live = [i for i, m in enumerate(form.maps) if m is not None] if isinstance(form, Linear) else []
        m = form.maps[live[0]] if isinstance(form, Linear) and len(live) == 1 else None
        if m is None or m.rows is None or record is not None:
            unit = np.zeros((1, index.size, step.node.size))
            unit[0, np.arange(index.size), index] = 1.0
            return none, none, none, {target: unit.reshape(1, index.size, *step.node.shape)}
        operand = step.operands[live[0]]
        assert operand is not None
        total = np.broadcast_to(self.source[target][:, index], shape)
        shift = self.shift.get(target)
        drift = none if shift is None else np.broadcast_to(shift[:, index], shape)
        return total, drift, none, {operand: m.rows(index)[None]}

    def _through(self, step: Step, rows: Array) -> list[tuple[str, Array]]:
        """Coefficients of a node's live operands."""
        form, found = self.forms[step.node.name], []
        batch, count = rows.shape[:2]
        for i, operand in enumerate(step.operands):
            if operand is None or operand in self.plan.constants or operand not in self.errors:
                continue
            shape = self.plan.graph[operand].shape
            if isinstance(form, Linear):
                m = form.maps[i]
                if m is None:
                    continue
                piece = m.adjoint(rows.reshape(batch * count, *rows.shape[2:]))
                found.append((operand, piece.reshape(batch, count, *shape)))
                continue
            slope = centre(form, i)
            if slope is None:
                continue
            unfold = form.unfolded(i)
            piece = (rows if unfold is None else rows[..., None]) * slope[:, None]
            lead = piece.shape[0]
            piece = piece.reshape(lead * count, *piece.shape[2:])
            piece = gather(piece, shape) if unfold is None else unfold.adjoint(piece)
            found.append((operand, piece.reshape(lead, count, *shape)))
        return found

    def shares(self, target: str, index: int, region: int) -> list[Share]:
        """What each neuron adds to the error bound of one neuron: its own rounding and its uncertain slope."""
        found: list[Share] = []

        def record(name: str, share: Array) -> None:
            values = share[region, 0]
            found.extend((name, int(i), float(values[i])) for i in np.flatnonzero(values))

        self._rows(target, np.array([index]), record)
        return sorted(found, key=lambda s: -s[2])


def _mixes(step: Step, form: Form) -> bool:
    """Whether one result depends on several numbers, so that their errors may cancel."""
    if OPS[step.node.op].moves:
        return False
    if isinstance(form, Linear):
        maps = [m for m in form.maps if m is not None]
        return len(maps) > 1 or any(m.terms > 1 for m in maps)
    live = [j for j in form.slopes if j is not None]
    return len(live) > 1 or any(u is not None for u in form.unfold)


def _roundings(step: Step, form: Form) -> int:
    """Float64 roundings that one element of the passed-on coefficients can carry."""
    if isinstance(form, Linear):
        return max((m.adjoint_terms + m.terms for m in form.maps if m is not None), default=0)
    most = 4
    for i, shape in enumerate(step.call.shapes):
        if shape is None or i >= len(form.slopes) or form.slopes[i] is None:
            continue
        unfold = form.unfolded(i)
        copies = step.node.size // max(1, int(np.prod(shape, dtype=np.int64)))
        most = max(most, 4 + (copies if unfold is None else unfold.adjoint_terms))
    return most


def _dot(rows: Array, vectors: Array) -> Array:
    """``(B or 1, R, n) . (B or 1, n, k) -> (k, B or 1, R)``."""
    if rows.shape[0] == vectors.shape[0] == 1:
        return np.asarray((rows[0] @ vectors[0]).T[:, None])
    return np.asarray(np.moveaxis(np.matmul(rows, vectors), -1, 0))


def _stored_constant(held: Array, value: Array, program: Semantics) -> tuple[Interval, Array | None]:
    if value.dtype.kind != "f" or is_stored(value, program.weights):
        return Interval(held, held), None
    near = round_to(held, program.weights)
    lost = ~np.isfinite(near)
    with np.errstate(invalid="ignore"):
        apart = np.where(lost, np.inf, np.abs(near - held))
    if not apart.any():
        return Interval(held, held), None
    low, high = np.minimum(near, held), np.maximum(near, held)
    return Interval(np.where(lost, -np.inf, low), np.where(lost, np.inf, high)), apart


def _infinite_where_nan(x: Any) -> Array:
    return np.asarray(np.where(np.isnan(x), np.inf, x))


__all__ = ["Inputs", "RoundingBounds", "observe_errors", "rounding"]
