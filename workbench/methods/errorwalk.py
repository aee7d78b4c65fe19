"""One walk over a network that bounds the rounding errors of its nodes: the state, and what one node adds to it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from workbench.floats.errors import raised, rounding_error
from workbench.floats.pair import two_sum
from workbench.floats.program import Semantics, State, Unbounded
from workbench.floats.rounding import is_stored
from workbench.graph import Array, GraphError
from workbench.methods.bounds import Bounds
from workbench.methods.correlation import ErrorNetwork
from workbench.methods.roundingbounds import Inputs
from workbench.methods.sentences import order_sentence, rounding_sentence
from workbench.methods.slopes import along_the_way
from workbench.methods.spheres import FEWEST
from workbench.methods.storedvalues import Stored, stored_values
from workbench.op import rule_for
from workbench.semantics.affine import Linear
from workbench.semantics.interval import Interval, apply, known
from workbench.semantics.plan import Plan, Step
from workbench.semantics.rounding import Local, Slopes, errors_through
from workbench.semantics.rounding import rounding as meaning

WIDEST = 1024  # neurons of a node whose errors are looked at together
COARSE = 2.0**-13  # formats in which the square of an error is worth looking at


class Walk:
    """State of one run, by node: error bounds, float ranges, local errors.

    What it holds of a node depends on the programs of that node and of those before it only (see `fork`).
    """

    def __init__(self, plan: Plan, before: Bounds, program: Semantics) -> None:
        self.plan, self.before, self.program = plan, before, program
        self.errors: dict[str, Array] = {}  # e
        self.ranges: dict[str, Interval] = {}  # real and float values
        self.own: dict[str, Array] = {}  # rho, rounding to storage included
        batch = max((r.batch for r in before.regions.values()), default=1)
        self.network = ErrorNetwork(plan, batch, self.errors)
        self.moved: dict[str, Array] = {}  # rho + |shift|
        self.floats: dict[str, Interval] = {}  # stored values alone, where they are known well
        self.mixed: set[str] = set()  # nodes below which errors have already been mixed
        self.assumed: dict[str, None] = {}
        self.used: dict[str, Semantics] = {}  # by the sentence that says how it rounds
        self.overflow: dict[str, None] = {}

    def fork(self, program: Semantics) -> Walk:
        """The same state, to go on with in a program that agrees with this one on all nodes so far."""
        other = Walk(self.plan, self.before, program)
        for name in ("errors", "ranges", "own", "moved", "floats", "assumed", "used", "overflow"):
            getattr(other, name).update(getattr(self, name))
        other.mixed.update(self.mixed)
        other.network.take(self.network)
        return other

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
        if program.mixed and not lost.any():
            self.floats[name] = ends if inputs == "rounded" else Interval(real.lo, real.hi)
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
        self.used[rounding_sentence(program)] = program
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
        values = self.as_stored(step, asked)
        coarse = program.activations.unit >= COARSE
        with np.errstate(all="ignore"):
            local, inner = self._asked(step, asked, ranges, values)
            whole, rest = errors_through(local.form, live, shape)
            image = None
            if (
                (coarse and local is not inner)
                or not isinstance(local.form, Linear)
                or local.state == "stored"
            ):
                # of a linear map intervals of the operands say nothing that its own bounds do not, where errors are
                # small; and where stored numbers are known, `enclosed` looks at them
                image = apply(self.plan, step, {**self.ranges, **{o: r for o, (r, _) in reads.items()}})
            state = local.state
            if state == "stored" and (
                foreign or (held and not program.activations.contains(program.weights))
            ):
                state = (
                    "accumulated"  # a constant may come out, and is not a number of the format of activations
                )
            rho, shift = local.rho, local.shift
            if any(f is not None for f in fixed):
                rho = rho + errors_through(local.form, fixed, shape)[0]
            if state != "stored":
                size = self.before[name].magnitude + whole
                size = size if image is None else np.fmin(size, image.magnitude)
                size = size + rho if shift is None else size + np.abs(shift) + rho
                rho = rho + program.finish(raised(size), state)
            rho = _infinite_where_nan(raised(rho))
            held_values = self.enclosed(step, state, inner, values, fixed)
            if held_values is not None and local.state != "stored" and not local.jumps:
                rho, shift = _sharper(held_values, rho, shift)
            sizes = rho if shift is None else rho + np.abs(shift)
            error = _infinite_where_nan(raised(whole + sizes, 4))
        rho, whole, rest, sizes = (_spread(v, error.shape) for v in (rho, whole, rest, sizes))
        if not np.isfinite(rho).all() and (~np.isfinite(rho) & np.isfinite(whole)).any():
            self.overflow[name] = None
        self.assumed.update(dict.fromkeys(local.assumptions))
        self.own[name] = rho
        self.network.add(
            step, local.form, whole, rho + rest, None if shift is None else _spread(shift, error.shape)
        )
        mixing, before = name in self.network.mixing, any(o in self.mixed for o in step.operands)
        if mixing or before:
            self.mixed.add(name)
        if correlated and mixing and before and name in self.plan.live:
            error = self.network.correlated(name, error, self.weights(name, error))
        self.moved[name] = raised(sizes)
        self._close(name, error, image, self.moved[name], held_values)

    def _asked(
        self,
        step: Step,
        program: Semantics,
        ranges: list[Interval | None],
        values: dict[str, Interval] | None,
    ) -> tuple[Local, Local | None]:
        """The rule over `ranges`, and over the numbers that are stored, where these are known.

        What a program adds depends on the numbers that it stored alone, and derivatives of a linear map on none: where
        there is one, the second answer does for both.
        """
        inner = None
        if values is not None:
            inner = _rule(step, program, [None if o is None else values[o] for o in step.operands])
            if isinstance(inner.form, Linear) and not inner.jumps:
                return inner, inner
        local = _rule(step, program, ranges)
        if (
            isinstance(local.form, Slopes)
            and not local.form.picks
            and self.program.at(step.node.name).activations.unit >= COARSE
        ):
            local = replace(local, form=self.sharpened(step, program, local.form, ranges))
        return local, inner

    def weights(self, name: str, error: Array) -> Array | None:
        """Where a node's errors are worth to be looked at together (`methods.spheres`): before unknown slopes."""
        users = self.plan.graph.consumers[name]
        step = self.plan.by_name.get(users[0]) if len(users) == 1 else None
        if step is None or error.shape[0] != 1 or step.node.size > WIDEST or step.operands != (name,):
            return None
        real = self.before[name]
        form = _rule(step, self.program.at(users[0]), [Interval(real.lo - error, real.hi + error)]).form
        if isinstance(form, Linear) or form.picks or form.unfolded(0) is not None or form.slopes[0] is None:
            return None
        j = form.slopes[0]
        if j.lo.shape != error.shape:
            return None
        open_ = np.where(np.isfinite(error) & (error > 0), 0.5 * (j.hi - j.lo), 0.0).reshape(-1)
        if np.count_nonzero(open_ > 0.01 * j.magnitude.max(initial=0.0)) < FEWEST:
            return None
        found: Array = np.where(open_ > 0, open_ / np.where(open_ > 0, error.reshape(-1), 1.0), 0.0)
        return found

    def sharpened(
        self, step: Step, program: Semantics, form: Slopes, ranges: list[Interval | None]
    ) -> Slopes:
        """Slopes averaged between real and float operands: it counts where errors are not small."""
        if all(j is None or bool((j.lo == j.hi).all()) for j in form.slopes):
            return form
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

    def as_stored(self, step: Step, program: Semantics) -> dict[str, Interval] | None:
        """What the operands are stored as, where that is known of all of them (see `methods.storedvalues`)."""
        live = [o for o in step.operands if o is not None and o not in self.plan.constants]
        if not live or any(o not in self.floats or not self._reads_as_stored(o, program) for o in live):
            return None
        return {
            o: self.floats[o] if o in self.floats else self.constant(o, program)[0]
            for o in step.operands
            if o is not None
        }

    def enclosed(
        self,
        step: Step,
        state: State,
        inner: Local | None,
        values: dict[str, Interval] | None,
        fixed: tuple[Array | None, ...],
    ) -> Stored | None:
        """Which numbers the node stores, where what its operands are stored as is known.

        inner : the rule, asked as if the operands' real values were their float `values`: what is left is t.
        """
        if inner is None or values is None:
            return None
        name = step.node.name
        rho = inner.rho
        if any(f is not None for f in fixed):
            rho = rho + errors_through(inner.form, fixed, step.node.shape)[0]
        shift = np.zeros((1, *step.node.shape)) if inner.shift is None else inner.shift
        live = {o: v for o, v in values.items() if o not in self.plan.constants}
        image = apply(self.plan, step, {**self.ranges, **live})
        found = stored_values(self.program.at(name), image, shift, np.asarray(rho), state)
        if found is not None and found.useful:
            self.floats[name] = found.values
        return found

    def _reads_as_stored(self, name: str, program: Semantics) -> bool:
        return not self.program.nodes or program.accumulator.contains(self.program.at(name).activations)

    def _close(
        self, name: str, error: Array, image: Interval | None, rho: Array, stored: Stored | None = None
    ) -> None:
        """The float range, and the error that it leaves possible."""
        real = self.before[name]
        with np.errstate(all="ignore"):
            low, high = real.lo - error, real.hi + error
            if image is not None:
                low, high = np.fmax(low, image.lo - rho), np.fmin(high, image.hi + rho)
            low, high = np.nextafter(low, -np.inf), np.nextafter(high, np.inf)
            exact = error == 0
            if exact.any():
                inner = real if image is None else image
                low = np.where(exact, np.fmax(real.lo, inner.lo), low)
                high = np.where(exact, np.fmin(real.hi, inner.hi), high)
            if stored is not None:
                floats = stored.values
                low = np.fmax(low, np.minimum(real.lo, floats.lo))
                high = np.fmin(high, np.maximum(real.hi, floats.hi))
                apart = np.nextafter(np.maximum(floats.hi - real.lo, real.hi - floats.lo), np.inf)
                error = np.where(np.isfinite(error), np.fmin(error, apart), error)
            lost = ~np.isfinite(error)
            if lost.any():
                low, high = np.where(lost, -np.inf, low), np.where(lost, np.inf, high)
                error = np.where(lost, np.inf, error)
            error = np.minimum(error, np.nextafter(high - low, np.inf))
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
        programs = list(self.used) or [rounding_sentence(self.program)]
        orders = dict.fromkeys(
            order_sentence(p) for p in (*self.used.values(), *([] if self.used else [self.program]))
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


def _infinite_where_nan(x: Array) -> Array:
    lost = np.isnan(x)
    return np.asarray(np.where(lost, np.inf, x)) if lost.any() else x


def _sharper(stored: Stored, rho: Array, shift: Array | None) -> tuple[Array, Array]:
    """Errors with the sign of what storing does, where that says more; an overflow stays one, saturated or not."""
    better = (stored.rho < rho) & np.isfinite(rho)
    return (
        np.where(better, stored.rho, rho),
        np.where(better, stored.shift, 0.0 if shift is None else shift),
    )


def _spread(x: Array, shape: tuple[int, ...]) -> Array:
    return x if x.shape == shape else np.broadcast_to(x, shape)
