"""Rounding errors of every neuron over a region: forward local errors, backward correlation (F9), the tighter of both.

Node by node, in order (see `semantics.rounding` for the equation d = C d_operands + t' and its proof):
* forward    e = |J| e_operands + |shift| + rho;
* backward   for neurons that mix several errors, rows of coefficients L are carried back through the fixed centres C
             (`methods.correlation`): e = |sum_v L_v . shift_v| + sum_v |L_v| . rho'_v, over the nodes v behind.  At a
             node that all errors have to pass, |L_v| . e_v may close the sum; the least of all such sums counts.
Real ranges are given (CROWN's, say); float ranges are real ranges widened by e, and also what interval arithmetic gives
from the operands' float ranges.  A neuron that may overflow, and all that depends on it, has an infinite bound.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from time import perf_counter
from typing import Any, Literal

import numpy as np

from workbench.floats.errors import raised, rounding_error
from workbench.floats.pair import two_sum
from workbench.floats.program import Semantics, Unbounded, program_of
from workbench.floats.rounding import is_stored
from workbench.graph import Array, GraphError
from workbench.methods.bounds import Bounds
from workbench.methods.correlation import ErrorNetwork, mixes
from workbench.methods.observe import observe_errors
from workbench.methods.roundingbounds import Inputs, RoundingBounds
from workbench.methods.slopes import along_the_way
from workbench.op import rule_for
from workbench.semantics.affine import Linear, Relaxation, describe
from workbench.semantics.interval import Interval, apply, known
from workbench.semantics.plan import Plan, Step
from workbench.semantics.rounding import Local, Slopes, errors_through
from workbench.semantics.rounding import rounding as meaning

COARSE = 2.0**-13  # formats in which the square of an error is worth looking at
Progress = Callable[[float, str], None]
Correlate = Literal["needed", "all", "outputs", "none"]


def rounding(
    plan: Plan,
    before: Bounds,
    program: str | Semantics = "binary32",
    *,
    inputs: Inputs = "rounded",
    correlate: Correlate = "needed",
    progress: Progress | None = None,
) -> RoundingBounds:
    """Bounds on |float value - real value| of every node, for every input of the regions that `before` belongs to.

    Parameters
    ----------
    plan : the network.
    before : sound real bounds of every node over the regions; the tighter they are, the tighter is the result.
    program : "binary64", "binary32", "binary16", "bfloat16" or a `Semantics`: the float program.  Its order of sums,
        its mode of rounding and its programs for single nodes are taken as they are; "any" order is the default.
    inputs : "rounded": the program is given the real input rounded to its format; an input that is already a number of
        the format is its own rounding, so that such runs are covered too.  "exact": only such inputs are meant.
    correlate : which neurons are bounded by rows: "needed" (those that a nonlinear node or an output reads, with
        nothing but elementwise nodes between), "all", "outputs", or "none" (the forward form alone).
    progress : called with (fraction done, node name); may raise to stop.

    Raises
    ------
    UnsupportedOperator
        Naming an operator that has no rule for rounding.
    Unbounded
        A program that nothing is proved for: fixed point, or flushed subnormals in an operator whose proof needs them.
    ValueError
        An unknown format, or an unknown choice.
    """
    start = perf_counter()
    if inputs not in ("rounded", "exact"):
        raise ValueError(f'inputs must be "rounded" or "exact", not {inputs!r}')
    if correlate not in ("needed", "all", "outputs", "none"):
        raise ValueError(f'correlate must be "needed", "all", "outputs" or "none", not {correlate!r}')
    program = program_of(program)
    check_program(plan, program)
    walk = _Walk(plan, before, program)
    for name in plan.graph.inputs:
        walk.enter(name, inputs)
    wanted = {"all": plan.live, "outputs": frozenset(plan.graph.outputs)}.get(correlate, frozenset())
    if correlate == "needed":
        wanted = needed(plan, before)
    for k, step in enumerate(plan.steps):
        if progress is not None:
            progress(k / len(plan.steps), step.node.name)
        walk.visit(step, correlated=step.node.name in wanted)
    walk.look_back()
    for name in plan.graph.outputs:
        if name in plan.constants:
            held = walk.constant(name, program)
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
        trace=walk.network.shares,
        combine=walk.network.combined,
    )


def margin_errors(
    plan: Plan,
    bounds: Bounds,
    semantics: str | Semantics,
    rows: Array,
    *,
    inputs: Inputs = "rounded",
    correlate: Correlate = "needed",
) -> Array:
    """Bounds ``(B, R)`` on ``|rows . float output - rows . real output|``, correlation included (F13).

    Parameters
    ----------
    plan, bounds, semantics, inputs, correlate : as in `rounding`.
    rows : ``(R, *shape)`` exact coefficients of the first output; the product with them is meant exactly.

    Returns
    -------
    ``(B, R)``; infinite where a value that the row reads may overflow.  Where the real margin ``rows . output`` exceeds
    its bound over the whole region, the float outputs compare the same way.
    """
    return rounding(plan, bounds, semantics, inputs=inputs, correlate=correlate).rows(rows)


def needed(plan: Plan, before: Bounds) -> frozenset[str]:
    """Nodes whose error enters a nonlinear node, or is asked for, or does so through nodes that mix no errors."""
    key = "nodes whose rounding errors are needed"
    if key not in plan.memo:
        found = set(plan.graph.outputs)
        with np.errstate(all="ignore"):
            for step in reversed(plan.steps):
                if step.node.name in plan.live:
                    form = describe(plan, step, before.intervals)
                    if isinstance(form, Relaxation) or (step.node.name in found and not mixes(step, form)):
                        found.update(o for o in step.operands if o is not None)
        plan.memo[key] = frozenset(found)
    known: frozenset[str] = plan.memo[key]
    return known


class _Walk:
    """State of one run, by node: error bounds, float ranges, local errors."""

    def __init__(self, plan: Plan, before: Bounds, program: Semantics) -> None:
        self.plan, self.before, self.program = plan, before, program
        self.errors: dict[str, Array] = {}  # e
        self.ranges: dict[str, Interval] = {}  # real and float values
        self.own: dict[str, Array] = {}  # rho, rounding to storage included
        batch = max((r.batch for r in before.regions.values()), default=1)
        self.network = ErrorNetwork(plan, batch, self.errors)
        self.moved: dict[str, Array] = {}  # rho + |shift|
        self.mixed: set[str] = set()  # nodes below which errors have already been mixed
        self.assumed: dict[str, None] = {}
        self.used: dict[str, Semantics] = {}  # by the sentence that says how it rounds
        self.overflow: dict[str, None] = {}

    def enter(self, name: str, inputs: Inputs) -> None:
        """An input: rounded to the format, or one of its numbers."""
        real, program = self.before[name], self.program.at(name)
        form = program.activations
        ends = Interval(program.rounded(real.lo, form), program.rounded(real.hi, form))
        size = real.magnitude
        if inputs == "rounded":
            point = (real.lo == real.hi) & np.isfinite(ends.lo) & np.isfinite(real.lo)
            # what float64 makes of the difference is off where a tiny number is rounded away from 0, or is saturated
            shift, off = two_sum(np.where(point, ends.lo, 0.0), np.where(point, -real.lo, 0.0))
            rho = rounding_error(size, program.target(form), program.mode)
            rho = np.where(point, np.abs(off), rho)
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
        most = rho + np.abs(shift)  # exact where one of them is 0
        self.errors[name] = np.where((rho > 0) & (shift != 0), raised(most), most)
        self.network.enter(name, rho, shift)

    def constant(self, name: str, program: Semantics) -> tuple[Interval, Array | None]:
        """A constant as it is and as it is stored: what contains both, and how far they are apart (None: nowhere)."""
        key = ("stored constant", name, program.weights, program.mode, program.subnormals, program.overflow)
        if key not in self.plan.memo:
            self.plan.memo[key] = _stored_constant(self.plan.constants[name], program)
        found: tuple[Interval, Array | None] = self.plan.memo[key]
        return found

    def visit(self, step: Step, *, correlated: bool) -> None:
        """One node: its own rounding, its error, its float range."""
        name, shape = step.node.name, step.node.shape
        program = self.program.at(name)
        self.used[_sentence(program)] = program
        constant = self.plan.constants
        held = {o: self.constant(o, program) for o in step.operands if o is not None and o in constant}
        reads = {o: self.read(o, program) for o in step.operands if o is not None and o not in held}
        ranges = [None if o is None else held[o][0] if o in held else reads[o][0] for o in step.operands]
        # operands that another node's program stored need not be numbers of this one's activations: then its rules are
        # asked as if these were as wide as the accumulator, and the result is stored below in any case
        foreign = not all(program.activations.contains(self.program.at(o).activations) for o in reads)
        asked = replace(program, activations=program.accumulator) if foreign else program
        live = tuple(None if o is None or o in held else self.errors[o] for o in step.operands)
        fixed = tuple(None if o is None else held[o][1] if o in held else reads[o][1] for o in step.operands)
        with np.errstate(all="ignore"):
            local = _rule(step, asked, ranges)
            if isinstance(local.form, Slopes) and not local.form.picks and program.activations.unit >= COARSE:
                local = replace(local, form=self.sharpened(step, asked, local.form, ranges))
            whole, rest = errors_through(local.form, live, shape)
            moved = any(f is not None for f in fixed)
            stored = errors_through(local.form, fixed, shape)[0] if moved else 0.0
            shift: Array = np.zeros((1, *shape)) if local.shift is None else local.shift
            rho = local.rho + stored
            image = apply(self.plan, step, {**self.ranges, **{o: r for o, (r, _) in reads.items()}})
            state = local.state
            if state == "stored" and (
                foreign or (held and not program.activations.contains(program.weights))
            ):
                state = (
                    "accumulated"  # a constant may come out, and is not a number of the format of activations
                )
            if state != "stored":
                size = np.fmin(self.before[name].magnitude + whole, image.magnitude) + np.abs(shift) + rho
                rho = rho + program.finish(raised(size), state)
            rho = _infinite_where_nan(raised(rho))
            error = _infinite_where_nan(raised(whole + np.abs(shift) + rho, 4))
        rho, error, whole, rest, shift = (
            np.broadcast_to(v, error.shape) for v in (rho, error, whole, rest, shift)
        )
        if (~np.isfinite(rho) & np.isfinite(whole)).any():
            self.overflow[name] = None
        self.assumed.update(dict.fromkeys(local.assumptions))
        self.own[name] = rho
        self.network.add(step, local.form, whole, rho + rest, shift)
        mixing = name in self.network.mixing
        before = [o for o in step.operands if o is not None and o in self.mixed]
        if mixing or before:
            self.mixed.add(name)
        if correlated and mixing and before and name in self.plan.live:
            error = self.network.correlated(name, error)
        self.moved[name] = raised(rho + np.abs(shift))
        self._close(name, error, image, self.moved[name])

    def sharpened(
        self, step: Step, program: Semantics, form: Slopes, ranges: list[Interval | None]
    ) -> Slopes:
        """Slopes averaged between real and float operands: it counts where errors are not small."""
        real = [
            None if o is None else known(self.plan, o) if o in self.plan.constants else self.before[o]
            for o in step.operands
        ]
        return along_the_way(form, lambda given: _rule(step, program, given).form, real, ranges)

    def read(self, name: str, program: Semantics) -> tuple[Interval, Array | None]:
        """A computed value as a node's program reads it: its range, and what rounding it to the accumulator adds."""
        held, form = self.ranges[name], program.accumulator
        if not self.program.nodes or form.contains(self.program.at(name).activations):
            return held, None
        moved = rounding_error(held.magnitude, program.target(form), program.mode)
        with np.errstate(invalid="ignore"):
            low, high = np.nextafter(held.lo - moved, -np.inf), np.nextafter(held.hi + moved, np.inf)
        whole = np.isfinite(moved)
        return Interval(np.where(whole, low, -np.inf), np.where(whole, high, np.inf)), moved

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

    def look_back(self) -> None:
        """Where a node is its operand moved or shifted by a constant, their errors differ by the node's own only."""
        for step in reversed(self.plan.steps):
            form = self.network.forms[step.node.name]
            live = [i for i, m in enumerate(form.maps) if m is not None] if isinstance(form, Linear) else []
            if not isinstance(form, Linear) or len(live) != 1 or step.operands[live[0]] not in self.errors:
                continue
            m, operand = form.maps[live[0]], step.operands[live[0]]
            assert m is not None
            assert operand is not None
            if m.terms or m.adjoint_terms:
                continue
            back = m.magnitude_adjoint(np.ones((1, *step.node.shape)))
            if (back == 1).all():
                name = step.node.name
                most = raised(self.errors[name] + self.moved[name])
                self.errors[operand] = np.minimum(self.errors[operand], m.magnitude_adjoint(most))

    def assumptions(self) -> tuple[str, ...]:
        """What the bounds rest on, as sentences."""
        programs = list(self.used) or [_sentence(self.program)]
        orders = dict.fromkeys(
            _order_sentence(p) for p in (*self.used.values(), *([] if self.used else [self.program]))
        )
        return (*programs, *orders, *self.assumed)


def _rule(step: Step, program: Semantics, ranges: list[Interval | None]) -> Local:
    """One node's rule; a tree that does not fit its sum is a fault of the program at that node."""
    try:
        found: Local = rule_for(step.node, meaning)(step.call, program, *ranges)
    except (GraphError, Unbounded):
        raise
    except ValueError as problem:
        raise GraphError(f"{step.node.describe()}: {problem}") from problem
    return found


def _sentence(p: Semantics) -> str:
    """How a program rounds."""
    mode = {"nearest-even": "to nearest even", "nearest-away": "to nearest, ties away from zero"}.get(
        p.mode, p.mode
    )
    once = f", results once more to {p.activations.name}" if p.mixed else ""
    kept = "kept" if p.subnormals == "gradual" and p.accumulator.subnormals else "flushed to 0 as results"
    return f"+ - * / and sqrt round {mode} in {p.accumulator.name}{once}; subnormal numbers are {kept}"


def _order_sentence(p: Semantics) -> str:
    """How a program's sums are added."""
    if p.order in ("any", "blas", "random", "adversarial"):
        return "sums are added in any order, with or without fused multiply-adds, but term by term (no Winograd or FFT)"
    fused = {"never": "without", "maybe": "with or without", "always": "with"}[p.fma]
    return (
        f"products of matrices, and convolutions, are added in the order {p.order}, {fused} fused multiply-adds, the "
        "bias last; other sums in any order"
    )


def check_program(plan: Plan, program: Semantics) -> None:
    """Refuse a program that nothing is proved for, or that names nodes that there are not.

    Raises
    ------
    Unbounded, GraphError
    """
    if program.refusal:
        raise Unbounded(f"{program.refusal}; this program can be run, not bounded")
    unknown = [name for name in program.nodes if name not in plan.graph.by_name]
    if unknown:
        raise GraphError(
            f"{program.name} has a program for {unknown[0]!r}, which is no node of {plan.graph.name}"
        )


def _stored_constant(value: Array, program: Semantics) -> tuple[Interval, Array | None]:
    held = np.asarray(value[None], np.float64)
    plain = program.subnormals == "gradual" and is_stored(value, program.weights)
    if value.dtype.kind != "f" or plain:
        return Interval(held, held), None
    near = program.rounded(held, program.weights)
    lost = ~np.isfinite(near)
    with np.errstate(invalid="ignore"):
        shift, off = two_sum(near, -held)
        apart = np.where(lost, np.inf, np.abs(shift))
        apart = np.where(lost | (off == 0), apart, np.nextafter(apart, np.inf))
    if not apart.any():
        return Interval(held, held), None
    low, high = np.minimum(near, held), np.maximum(near, held)
    return Interval(np.where(lost, -np.inf, low), np.where(lost, np.inf, high)), apart


def _infinite_where_nan(x: Any) -> Array:
    return np.asarray(np.where(np.isnan(x), np.inf, x))


__all__ = ["Inputs", "RoundingBounds", "margin_errors", "observe_errors", "rounding"]
