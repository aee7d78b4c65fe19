"""Replay: one neuron's computation in a float program, operation by operation, with what each of them lost.

The real rule of the neuron's operator is run once more, not on numbers but on their serial numbers: every operation of
the namespace gives its results new ones and notes what it did, and data movement carries them along.  Starting at the
neuron's serial number the operations behind it are then done one by one, on single numbers, by the same machine.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from math import isfinite
from types import MappingProxyType
from typing import Any

import numpy as np

from workbench.floats.order import Order, additions, chain, order_of
from workbench.floats.program import Semantics, program_of
from workbench.graph import Array, GraphError
from workbench.op import rule_for
from workbench.semantics.ieee import FUNCTIONS, MachineArithmetic, arithmetic_of, loaded, run, stored
from workbench.semantics.plan import Plan
from workbench.semantics.real import FLOAT, real

EXACT: Mapping[str, Callable[..., Fraction]] = MappingProxyType(
    {
        "add": lambda a, b: a + b,
        "sub": lambda a, b: a - b,
        "mul": lambda a, b: a * b,
        "fma": lambda a, b, c: a * b + c,
        "div": lambda a, b: a / b,
        "maximum": max,
        "minimum": min,
        "abs": abs,
        "neg": lambda a: -a,
        "select": lambda a, b, c: b if a >= 0 else c,
        "cast": lambda a: a,
        "rint": lambda a: Fraction(round(a)),
    }
)
CHOICES = ("maximum", "minimum", "abs", "neg", "select", "rint")


@dataclass(frozen=True, slots=True)
class Step:
    """One operation on numbers of the format.

    Parameters
    ----------
    operation : "add", "mul", "fma", "div", "exp", "max", "store" ...
    operands : the numbers it was given.
    value : the number it gave.
    exact : its exact result on those operands; None for library functions, and where a number is not finite.
    ideal : for additions, the exact sum of all products (or leaves) that are in it so far, nothing rounded on the way.
    """

    operation: str
    operands: tuple[float, ...]
    value: float
    exact: Fraction | None
    ideal: Fraction | None = None

    @property
    def error(self) -> Fraction | None:
        """What this operation's rounding added: value - exact."""
        return None if self.exact is None or not isfinite(self.value) else Fraction(self.value) - self.exact

    def data(self) -> dict[str, Any]:
        """Plain data: rationals as text ``"p/q"``."""
        return {
            "operation": self.operation,
            "operands": list(self.operands),
            "value": self.value,
            "exact": None if self.exact is None else str(self.exact),
            "ideal": None if self.ideal is None else str(self.ideal),
            "error": None if self.error is None else str(self.error),
        }


@dataclass(frozen=True, slots=True)
class Replay:
    """How one neuron came about.

    Parameters
    ----------
    node, index : which neuron.
    order : of sums.
    steps : the operations, each after those that it needs.
    value : the neuron's value, the same bits as in the run.
    """

    node: str
    index: tuple[int, ...]
    order: str
    steps: tuple[Step, ...]
    value: float

    def data(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        return {
            "node": self.node,
            "index": list(self.index),
            "order": self.order,
            "value": self.value,
            "steps": [step.data() for step in self.steps],
        }


@dataclass(frozen=True, slots=True, eq=False)
class _Entry:
    """An operation on arrays of serial numbers, whose results are numbered from `first` on, in `shape`."""

    first: int
    shape: tuple[int, ...]
    operation: str
    operands: tuple[Array, ...]
    axis: tuple[int, ...] = ()
    detail: Any = None


class _Tape:
    """The arithmetic namespace that notes operations; its elements are serial numbers, exact in float64."""

    def __init__(self, arithmetic: MachineArithmetic) -> None:
        self.arithmetic = arithmetic
        self.entries: list[_Entry] = []
        self.count = 0

    def __getattr__(self, name: str) -> Any:
        if name in (*FUNCTIONS, *CHOICES, "add", "sub", "mul", "div", "sqrt"):
            return partial(self._elementwise, name)
        raise AttributeError(name)

    def _note(self, operation: str, shape: tuple[int, ...], *operands: Array, **more: Any) -> Array:
        self.entries.append(_Entry(self.count, shape, operation, operands, **more))
        size = int(np.prod(shape, dtype=np.int64))
        found = np.arange(self.count, self.count + size, dtype=np.float64).reshape(shape)
        self.count += size
        return found

    def leaf(self, values: Array) -> Array:
        """Serial numbers of given numbers."""
        return self._note("given", values.shape, values)

    def _elementwise(self, operation: str, *operands: Array) -> Array:
        ids = [
            self.leaf(np.asarray(x, np.float64)) if np.asarray(x).dtype.kind in "iu" else x for x in operands
        ]
        spread = np.broadcast_arrays(*ids)
        return self._note(operation, spread[0].shape, *spread)

    def number(self, value: float) -> Array:
        return self.leaf(self.arithmetic.number(value))

    def zeros(self, shape: tuple[int, ...], like: Array) -> Array:
        return np.full(shape, self.leaf(np.zeros(())))

    def whole(self, compute: Callable[..., Array], *pairs: tuple[Array, Array | None]) -> Array:
        raise GraphError("its sums are of integers and exact: there are no roundings to replay")

    def cast(self, x: Array, to: str) -> Array:
        return self._note("cast", x.shape, x, detail=to)

    def matmul(self, x: Array, y: Array) -> Array:
        lead = np.broadcast_shapes(x.shape[:-2], y.shape[:-2])
        x = np.broadcast_to(x, (*lead, *x.shape[-2:]))
        y = np.broadcast_to(y, (*lead, *y.shape[-2:]))
        shape = (*lead, x.shape[-2], y.shape[-1])
        return self._note("matmul", shape, x, y, detail=self._sequence(x.shape[-1]))

    def sum(self, x: Array, axis: tuple[int, ...]) -> Array:
        axis = tuple(a % x.ndim for a in axis)
        shape = tuple(1 if i in axis else n for i, n in enumerate(x.shape))
        leaves = int(np.prod([x.shape[a] for a in axis], dtype=np.int64))
        return self._note("sum", shape, x, axis=axis, detail=self._sequence(leaves))

    def max(self, x: Array, axis: tuple[int, ...]) -> Array:
        axis = tuple(a % x.ndim for a in axis)
        return self._note("max", tuple(1 if i in axis else n for i, n in enumerate(x.shape)), x, axis=axis)

    def _sequence(self, count: int) -> Array | None:
        """The random order of this sum: drawn here, as in the run, one sum after another."""
        own = self.arithmetic
        return chain("random", count, own.rng) if own.order == "random" else None


class _Player:
    """Does the noted operations behind one serial number."""

    def __init__(self, tape: _Tape) -> None:
        self.tape, self.arithmetic = tape, tape.arithmetic
        self.starts = np.array([e.first for e in tape.entries])
        self.known: dict[int, Any] = {}
        self.steps: list[Step] = []

    def value(self, serial: float) -> Any:
        """The number with that serial number."""
        number = int(serial)
        if number not in self.known:
            # entries of no element share their start with the next one: the last of them is meant
            entry = self.tape.entries[int(np.searchsorted(self.starts, number, side="right")) - 1]
            at = np.unravel_index(number - entry.first, entry.shape)
            self.known[number] = self._play(entry, at)
        return self.known[number]

    def _play(self, entry: _Entry, at: tuple[Any, ...]) -> Any:
        if entry.operation == "given":
            return self.arithmetic.plain.dtype.type(entry.operands[0][at])
        if entry.operation == "matmul":
            x, y = entry.operands
            row, column = x[(*at[:-1], slice(None))], y[(*at[:-2], slice(None), at[-1])]
            pairs = [
                (self.value(a), self.value(b)) for a, b in zip(row.tolist(), column.tolist(), strict=True)
            ]
            return self._dot(pairs, entry.detail)
        if entry.operation in ("sum", "max"):
            group = entry.operands[0][tuple(slice(None) if i in entry.axis else n for i, n in enumerate(at))]
            leaves = [self.value(s) for s in group.reshape(-1).tolist()]
            if entry.operation == "sum":
                ideals = [_fraction(v) for v in leaves]
                return self._added(leaves, ideals, self._additions(leaves, entry.detail))
            found = np.max(leaves)
            return self._done("max", found, _fraction(found), *leaves)
        operands = [self.value(o[at]) for o in entry.operands]
        if entry.operation == "cast":
            found = self.arithmetic.cast(np.asarray(operands[0]), entry.detail)
        else:
            source = FLOAT if entry.operation in CHOICES else self.arithmetic
            found = getattr(source, entry.operation)(*[np.asarray(v) for v in operands])
        value = self.arithmetic.plain.dtype.type(found)
        return self._done(entry.operation, value, _exactly(entry.operation, operands), *operands)

    def _additions(self, leaves: list[Any], drawn: Array | None) -> list[tuple[int, int]]:
        order, count = self.arithmetic.order, len(leaves)
        if drawn is not None:
            at = [int(drawn[0]), *range(count, 2 * count - 2)]
            return list(zip(at, drawn[1:].tolist(), strict=True)) if count > 1 else []
        return additions(order, count, self.arithmetic.rng, np.array(leaves))

    def _dot(self, pairs: list[tuple[Any, Any]], drawn: Array | None) -> Any:
        own = self.arithmetic
        if not pairs:
            return own.plain.dtype.type(0)
        ideals = [_exactly("mul", pair) for pair in pairs]
        if not own.fused:
            products = [self._operate("mul", *pair) for pair in pairs]
            return self._added(products, ideals, self._additions(products, drawn))
        sequence = chain(own.order, len(pairs), own.rng) if drawn is None else drawn
        assert sequence is not None
        first, *rest = sequence.tolist()
        total, ideal = self._operate("mul", *pairs[first]), ideals[first]
        for k in rest:
            ideal = _plus(ideal, ideals[k])
            total = self._operate("fma", *pairs[k], total, ideal=ideal)
        return total

    def _added(
        self, leaves: list[Any], ideals: list[Fraction | None], schedule: list[tuple[int, int]]
    ) -> Any:
        values, exact = list(leaves), list(ideals)
        if not values:
            return self.arithmetic.plain.dtype.type(0)
        for a, b in schedule:
            exact.append(_plus(exact[a], exact[b]))
            values.append(self._operate("add", values[a], values[b], ideal=exact[-1]))
        return values[-1]

    def _operate(self, operation: str, *operands: Any, ideal: Fraction | None = None) -> Any:
        found = getattr(self.arithmetic.machine, operation)(*[np.asarray(v) for v in operands])
        value = self.arithmetic.plain.dtype.type(found)
        return self._done(operation, value, _exactly(operation, operands), *operands, ideal=ideal)

    def _done(
        self,
        operation: str,
        value: Any,
        exact: Fraction | None,
        *operands: Any,
        ideal: Fraction | None = None,
    ) -> Any:
        self.steps.append(Step(operation, tuple(float(v) for v in operands), float(value), exact, ideal))
        return value


def replay(
    plan: Plan,
    node: str,
    index: tuple[int, ...],
    inputs: Mapping[str, Array],
    program: str | Semantics = "binary32",
    order: str | Order | None = None,
    seed: int = 0,
) -> Replay:
    """Every operation behind one neuron, from the values of its operands.

    Parameters
    ----------
    plan : the network.
    node : name of the neuron's node.
    index : which element of it, without the batch axis.
    inputs : name -> ``(1, *shape)``, one input.
    program, order, seed : as in `ieee.run`.

    Raises
    ------
    GraphError
        No such neuron.
    ValueError
        The order "blas", which cannot be told; a program that cannot be run.
    """
    program = program_of(program)
    step = plan.by_name.get(node)
    if step is None:
        raise GraphError(f"{node!r} is not computed: choose one of {', '.join(list(plan.by_name)[:20])}")
    index = tuple(int(i) for i in index)
    if len(index) != len(step.node.shape) or not all(
        0 <= i < n for i, n in zip(index, step.node.shape, strict=True)
    ):
        raise GraphError(
            f"{step.node.describe()} of shape {list(step.node.shape)} has no element {list(index)}"
        )
    own = program.at(node)
    chosen = own.order if order is None else order_of(order)
    if chosen == "blas":
        raise ValueError("in which order a BLAS adds cannot be told: name another order to replay a sum")
    values = run(plan, inputs, program, order, seed)
    tape = _Tape(arithmetic_of(own, chosen, seed))
    operands: list[Array | None] = []
    for o in step.operands:
        if o is None:
            operands.append(None)
            continue
        value = (
            stored(plan.constants[o], own, own.weights)[None]
            if o in plan.constants
            else loaded(values[o][:1], program, node)
        )
        operands.append(tape.leaf(value) if value.dtype.kind == "f" else value)
    with np.errstate(all="ignore"):
        serial = np.asarray(rule_for(step.node, real)(step.call, tape, *operands))[(0, *index)]
        player = _Player(tape)
        found = player.value(serial)
        if own.mixed:
            found = _stored(player, found, own)
    return Replay(node, index, str(tape.arithmetic.order), tuple(player.steps), float(found))


def _stored(player: _Player, value: Any, own: Semantics) -> Any:
    """The last rounding, to the format of activations."""
    near = float(own.machine(own.activations).rounded(float(value)))
    player.steps.append(Step("store", (float(value),), near, _fraction(value)))
    return near


def _fraction(value: Any) -> Fraction | None:
    return Fraction(float(value)) if isfinite(value) else None


def _plus(a: Fraction | None, b: Fraction | None) -> Fraction | None:
    return None if a is None or b is None else a + b


def _exactly(operation: str, operands: Any) -> Fraction | None:
    """The exact result of an operation on numbers; None where it is not rational or not finite."""
    given = [_fraction(v) for v in operands]
    if any(v is None for v in given):
        return None
    v: list[Fraction] = [x for x in given if x is not None]
    if operation == "div" and not v[1]:
        return None
    return EXACT[operation](*v) if operation in EXACT else None
