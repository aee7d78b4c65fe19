"""Correlated errors: rows of coefficients carried backward through an exactly linear network of errors (F9).

The equation is  d = C d_operands + t',  |t' - shift| <= rho'  at every node (see `semantics.rounding`).  For a row L
that multiplies the error of one node, replacing node after node by its operands gives
    |L d| <= |sum_v L_v . shift_v| + sum_v |L_v| . rho'_v.
Float64's own rounding: a pass through a node with sums of n terms leaves |fl(C'L) - C'L| <= n u |C|'|L|, worth at most
n u |L| . |J| e_operands: one more term of rho', at the cost of a vector.  The sum of the shifts is signed; how far
float64 may be off in it is kept apart (`doubt`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from workbench.floats.errors import SMALLEST, raised
from workbench.graph import Array
from workbench.methods.errorrows import dot, mixes, roundings
from workbench.methods.spheres import Kept, Sphere, norm
from workbench.semantics.affine import Linear, gather
from workbench.semantics.interval import TINY, UNIT
from workbench.semantics.plan import Plan, Step
from workbench.semantics.rounding import Form, centre

MEMORY = 192 << 20  # bytes that one batch of coefficient rows may take
NEGLIGIBLE = 0.005  # a walk stops where what is left to find could lower no bound by more than this share
Record = Callable[[str, Array], None]
Start = tuple[Array, Array, Array, dict[str, Array]]  # magnitudes, signed parts, doubt in those, coefficients


@dataclass(frozen=True, slots=True, eq=False)
class ErrorNetwork:
    """The linear network of errors, as far as it is known, by node.

    Parameters
    ----------
    plan : the network.
    batch : number of regions B.
    errors : e, ``(B or 1, *shape)``: what closes a sum early.
    forms : derivatives.
    source : rho' and the charge for float64's rounding, ``(B or 1, n)``, finite.
    shift : ``(B or 1, n)``, finite; only nodes that have one.
    lost : ``(B or 1, 1)``: what coefficients that underflow on their way through a node are worth at most.
    ends : e flat and finite, as far as it was needed.
    mixing : nodes that mix errors.
    charges : the part of `source` that pays for float64's rounding, ``(B or 1, n)``.
    norms : (w, E) of nodes whose errors d are known to have ``sum w d^2 <= E^2``, ``w`` flat (see `methods.spheres`).
    spheres : what that says of the errors behind them.
    """

    plan: Plan
    batch: int
    errors: Mapping[str, Array]
    forms: dict[str, Form] = field(default_factory=dict)
    source: dict[str, Array] = field(default_factory=dict)
    shift: dict[str, Array] = field(default_factory=dict)
    lost: dict[str, Array] = field(default_factory=dict)
    ends: dict[str, Array] = field(default_factory=dict)
    mixing: set[str] = field(default_factory=set)
    charges: dict[str, Array] = field(default_factory=dict)
    norms: dict[str, tuple[Array, float]] = field(default_factory=dict)
    spheres: dict[str, Sphere] = field(default_factory=dict)

    def enter(self, name: str, rho: Array, shift: Array | None) -> None:
        """An input's own error.  Infinite ones count nothing here: who depends on them is infinite anyway."""
        self.source[name] = _finite(rho.reshape(rho.shape[0], -1))
        if shift is not None and shift.any():
            self.shift[name] = _finite(shift.reshape(shift.shape[0], -1))

    def add(self, step: Step, form: Form, whole: Array, own: Array, shift: Array | None) -> None:
        """A computed node: `whole` is |J| e_operands, `own` is rho'."""
        self.forms[step.node.name] = form
        if mixes(step, form):
            self.mixing.add(step.node.name)
        terms = roundings(step, form)
        if not terms:
            self.enter(step.node.name, own, shift)
        else:
            lost: Array = np.zeros((1, 1))
            for operand in step.operands:
                if operand is not None and operand in self.errors:
                    lost = lost + (terms + 1) * TINY * self._finite(operand).sum(axis=1, keepdims=True)
            self.lost[step.node.name] = lost
            with np.errstate(all="ignore"):
                charge = (terms * UNIT) * whole
                self.enter(step.node.name, own + charge, shift)
            if charge.shape[0] == 1:
                self.charges[step.node.name] = _finite(charge.reshape(-1))
        self._behind(step, form)

    def _behind(self, step: Step, form: Form) -> None:
        """Where the operand's errors lie in a ball, those that an unknown slope leaves open do."""
        live = [i for i, o in enumerate(step.operands) if o is not None and o in self.errors]
        if isinstance(form, Linear) or form.picks or len(live) != 1 or form.unfolded(live[0]) is not None:
            return
        operand, j = step.operands[live[0]], form.slopes[live[0]]
        if operand not in self.norms or j is None or j.lo.shape[0] != 1 or j.lo.size != step.node.size:
            return
        if step.call.shapes[live[0]] != step.node.shape:
            return
        w, radius = self.norms[operand]
        middle = 0.5 * j.lo + 0.5 * j.hi
        open_ = np.maximum(j.hi - middle, middle - j.lo).reshape(-1)
        error = self.errors[operand].reshape(-1)
        open_ = np.where((w > 0) & np.isfinite(open_) & np.isfinite(error), open_, 0.0)
        # where the slope is not known, but no weight was given, the box holds alone
        scale = raised(open_ / np.sqrt(np.where(w > 0, w, 1.0)), 4)
        box = np.minimum(raised(open_ * np.where(open_ > 0, error, 0.0)), self.source[step.node.name][0])
        source = self.source[step.node.name][0]
        box = np.where(open_ > 0, box, 0.0)
        apart = np.maximum(source - box, 0.0) + 2.0**-48 * source
        self.spheres[step.node.name] = Sphere(apart, box, scale, radius)

    def take(self, other: ErrorNetwork) -> None:
        """What another network of the same errors knows."""
        for name in ("forms", "source", "shift", "lost", "ends", "charges", "norms", "spheres"):
            getattr(self, name).update(getattr(other, name))
        self.mixing.update(other.mixing)

    def correlated(self, name: str, error: Array, weights: Array | None = None) -> Array:
        """The least of the forward error and of what rows of coefficients find.

        weights : flat, >= 0: also find E with ``sum weights d^2 <= E^2`` (`norms`), where there is one region.
        """
        shape = (self.batch, *self.plan.graph[name].shape)
        best = np.array(np.broadcast_to(error, shape)).reshape(self.batch, -1)
        index = np.flatnonzero((np.isfinite(best) & (best > 0)).any(axis=0))
        rows = self._chunk(name)
        kept = None
        if weights is not None and self.batch == 1:
            index, kept = np.arange(best.shape[1]), Kept(best.shape[1])
        for first in range(0, index.size, rows):
            part = index[first : first + rows]
            found = self._walk(name, self._start(name, part, None), None, kept, part)
            best[:, part] = np.where(np.isfinite(best[:, part]), np.minimum(best[:, part], found), np.inf)
        if kept is not None and weights is not None:
            self._ball(name, kept, np.where(np.isfinite(best[0]), weights, 0.0), best[0])
        return best.reshape(shape)

    def _ball(self, name: str, kept: Kept, weights: Array, error: Array) -> None:
        """The norm of a node's errors, where it says more than their bounds one by one."""
        direct = any(key[0] == name for key in kept.matrices)
        own = np.zeros(kept.count) if direct else self.source[name][0]
        boxes = {
            (n, closing): self._finite(n)[0] if closing else self.source[n][0] for n, closing in kept.matrices
        }
        with np.errstate(all="ignore"):
            found = norm(kept, weights, own, boxes, self.charges, self.spheres)
            apart = float(np.sqrt((weights * np.square(np.where(weights > 0, error, 0.0))).sum()))
        if found < 0.9 * apart:
            self.norms[name] = weights, found

    def _chunk(self, name: str) -> int:
        """How many rows are carried at once."""
        key = ("widest behind", name)
        if key not in self.plan.memo:
            nodes = [*self.plan.upstream(name), *self.plan.graph.inputs]
            self.plan.memo[key] = max(self.plan.graph[n].size for n in nodes)
        return max(8, MEMORY // (8 * 2 * int(self.plan.memo[key]) * self.batch))

    def combined(self, target: str, rows: Array) -> Array:
        """Bounds ``(B, R)`` on ``|rows . error of target|``: the least of the forward form and of carried rows.

        Parameters
        ----------
        target : a node, with its errors found.
        rows : exact coefficients ``(R, *shape)``.  What a row multiplies by 0 plays no part.
        """
        flat = np.asarray(rows, np.float64).reshape(len(rows), -1)
        error = self.errors[target].reshape(self.errors[target].shape[0], -1)
        full = (self.batch, len(flat))
        lost = (~np.isfinite(error)).astype(np.float64) @ (flat != 0).T.astype(np.float64) > 0
        terms = flat.shape[-1]
        forward = raised(self._finite(target) @ np.abs(flat).T, terms) + terms * SMALLEST
        found = np.array(np.broadcast_to(forward, full))
        if target in self.source:
            count = self._chunk(target)
            for first in range(0, len(flat), count):
                part = slice(first, first + count)
                none = np.zeros((self.batch, len(flat[part])))
                start = none, none, none, {target: rows[part].reshape(1, -1, *rows.shape[1:])}
                found[:, part] = np.minimum(found[:, part], self._walk(target, start, None))
        return np.where(np.broadcast_to(lost, full), np.inf, found)

    def _rows(self, target: str, index: Array, record: Record | None = None) -> Array:
        """``(B, R)`` bounds for neurons `index` of `target`; with `record`, which is told each share, the whole way."""
        return self._walk(target, self._start(target, index, record), record)

    def _walk(
        self,
        target: str,
        start: Start,
        record: Record | None,
        kept: Kept | None = None,
        place: Array | None = None,
    ) -> Array:
        """The walk back from `target`; what has been summed so far, and the coefficients still to carry, in `start`.

        kept : is told the coefficients at every node that is charged, of the neurons at `place`.
        """
        total, drift, doubt, pending = start
        best: Array = np.full(total.shape, np.inf)
        wanted = self.plan.upstream(target)
        with np.errstate(all="ignore"):
            for step in reversed(self.plan.steps):
                name = step.node.name
                if name not in wanted or name not in pending:
                    continue
                rows = pending.pop(name)
                closing = record is None and not pending and name != target and name in self.mixing
                owed, drifted, cut = self._charge(name, rows, closing=closing, record=record)
                if cut is not None:
                    best = np.minimum(best, np.abs(drift) + doubt + total + cut)
                held = drift, doubt
                total, drift, doubt = self._add(total, drift, doubt, owed, drifted)
                last = cut is not None and bool((best <= (1 + NEGLIGIBLE) * (np.abs(drift) + total)).all())
                if kept is not None and place is not None:
                    kept.take(place, name, last, rows.reshape(-1, rows[0, 0].size))
                    kept.signed[place] = (np.abs(held[0]) + held[1])[0]
                if last:
                    return self._up(best)
                doubt = doubt + self.lost.get(name, 0.0)
                for operand, piece in self._through(step, rows):
                    if operand in pending:
                        merged = pending[operand] + piece
                        size = np.abs(merged).reshape(*merged.shape[:2], -1)
                        doubt = doubt + UNIT * dot(size, self._finite(operand)[:, :, None])[0]
                        pending[operand] = merged
                    else:
                        pending[operand] = piece
            for name, rows in pending.items():
                owed, drifted, _ = self._charge(name, rows, closing=False, record=record)
                total, drift, doubt = self._add(total, drift, doubt, owed, drifted)
                if kept is not None and place is not None:
                    kept.take(place, name, False, rows.reshape(-1, rows[0, 0].size))
            if kept is not None and place is not None:
                kept.signed[place] = (np.abs(drift) + doubt)[0]
        return self._up(np.minimum(best, np.abs(drift) + doubt + total))

    def _up(self, found: Array) -> Array:
        """Rounded up: a walk adds fewer terms than there are numbers in the network, a few times over."""
        key = "rounding terms of a walk"
        if key not in self.plan.memo:
            sizes = sum(n.size for n in self.plan.graph.nodes)
            self.plan.memo[key] = 4 * sizes + 8 * len(self.plan.steps)
        terms = int(self.plan.memo[key])
        return np.asarray(raised(found, terms) + terms * TINY)

    def _finite(self, name: str) -> Array:
        if name not in self.ends:
            self.ends[name] = _finite(self.errors[name].reshape(self.errors[name].shape[0], -1))
        return self.ends[name]

    def _charge(
        self, name: str, rows: Array, *, closing: bool, record: Record | None
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
            columns.append(self._finite(name))
        size = np.abs(flat)
        wide = columns if len({c.shape[0] for c in columns}) == 1 else np.broadcast_arrays(*columns)
        found = list(dot(size, np.stack(wide, axis=-1)))
        owed = found.pop(0) if some else None
        sphere = self.spheres.get(name)
        if sphere is not None and owed is not None and record is None:
            owed = np.minimum(owed, raised(size @ sphere.apart, size.shape[-1]) + sphere.charge(flat))
        drifted = None
        if shift is not None:
            # a sum of n signed terms errs by at most n u times the sum of their magnitudes
            drifted = dot(flat, shift[:, :, None])[0], (flat.shape[-1] + 4) * UNIT * found.pop(0)
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

    def _start(self, target: str, index: Array, record: Record | None) -> Start:
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

    def shares(self, target: str, index: int, region: int) -> list[tuple[str, int, float]]:
        """What each neuron adds to the error bound of one neuron: its own rounding and its uncertain slope."""
        found: list[tuple[str, int, float]] = []

        def record(name: str, share: Array) -> None:
            values = share[region, 0]
            found.extend((name, int(i), float(values[i])) for i in np.flatnonzero(values))

        self._rows(target, np.array([index]), record)
        return sorted(found, key=lambda s: -s[2])

    def totals(self, target: str, row: Array, region: int) -> dict[str, float]:
        """What each node adds to the error of ``row . target``, as `shares` has it of one neuron."""
        found: dict[str, float] = {}

        def record(name: str, share: Array) -> None:
            found[name] = found.get(name, 0.0) + float(share[region, 0].sum())

        none = np.zeros((self.batch, 1))
        self._walk(target, (none, none, none, {target: np.asarray(row, np.float64)[None, None]}), record)
        return found


def _finite(x: Array) -> Array:
    known = np.isfinite(x)
    return x if known.all() else np.where(known, x, 0.0)
