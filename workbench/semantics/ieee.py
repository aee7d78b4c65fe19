"""A network run as a named float program, bit for bit: formats, accumulator, order of summation, rounding mode.

Every node computes in its accumulator's arithmetic by its own real rule, one correctly rounded operation after another,
its sums and matrix products in the program's order; its result is rounded once to the format of activations.  Library
functions (exp, tanh ...) are NumPy's: its own in binary32 and binary64, in other formats binary64's, rounded once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from workbench.floats import execute
from workbench.floats.flags import Watched
from workbench.floats.format import Format
from workbench.floats.machine import Machine, format_of
from workbench.floats.order import Order, order_of
from workbench.floats.program import Semantics, program_of
from workbench.floats.rounding import is_stored
from workbench.graph import Array, GraphError, Node
from workbench.semantics.plan import Plan
from workbench.semantics.real import FLOAT, differences, walk

FUNCTIONS = ("exp", "expm1", "log", "log1p", "erf", "sin", "cos", "tanh", "sigmoid", "power")
SAME = ("max", "maximum", "minimum", "abs", "neg", "select", "rint")  # exact in every format


class MachineArithmetic:
    """The arithmetic namespace of real rules in one machine, with sums and matrix products in a named order.

    Parameters
    ----------
    machine : the arithmetic of single operations, perhaps watched for its flags.
    order : of sums.
    fused : whether products are fused into running sums.
    seed : decides the order "random", for each sum anew.
    """

    def __init__(
        self, machine: Machine | Watched, order: Order = "sequential", fused: bool = False, seed: int = 0
    ) -> None:
        self.machine, self.order, self.fused = machine, order, fused
        self.plain = machine.machine if isinstance(machine, Watched) else machine
        self.rng = np.random.default_rng(seed)
        self.add, self.sub, self.mul = machine.add, machine.sub, machine.mul
        self.div, self.sqrt = machine.div, machine.sqrt

    def __getattr__(self, name: str) -> Any:
        if name in FUNCTIONS:
            return partial(self._function, getattr(FLOAT, name))
        if name in SAME:
            return getattr(FLOAT, name)
        raise AttributeError(f"the arithmetic of {self.plain.form.name} has no {name}")

    def _function(self, f: Any, *operands: Array) -> Array:
        near = f(*operands)
        found = np.asarray(near) if self.plain.native else self.plain.rounded(near)
        if isinstance(self.machine, Watched):
            wide = f(*[np.asarray(x, np.float64) for x in operands])
            return self.machine.function(found, wide, *operands)
        return found

    def number(self, value: float) -> Array:
        """A number of the network's text (alpha, epsilon, a count), rounded to the format."""
        return self.plain.rounded(value)

    def zeros(self, shape: tuple[int, ...], like: Array) -> Array:
        """Zeros of the machine's elements."""
        return np.zeros(shape, self.plain.dtype)

    def cast(self, x: Array, to: str) -> Array:
        """x rounded to an element type's format, carried on as before."""
        machine = Machine(format_of(to), self.plain.mode, self.plain.subnormals, self.plain.overflow)
        if isinstance(self.machine, Watched):
            return Watched(machine, self.machine.raised).rounded(x).astype(x.dtype)
        return machine.rounded(x).astype(x.dtype)

    def whole(self, compute: Callable[..., Array], *pairs: tuple[Array, Array | None]) -> Array:
        """Sums of integer codes: exact in every program, and rounded to a float once."""
        return self.machine.rounded(compute(FLOAT, *[differences(x, z) for x, z in pairs]))

    def matmul(self, x: Array, y: Array) -> Array:
        """Matrix product, every element's sum in the order."""
        return execute.matmul(x, y, self.order, self.rng, self.machine, self.fused)

    def sum(self, x: Array, axis: tuple[int, ...]) -> Array:
        """Sum over axes, which stay with length 1; the leaves are numbered in the axes' order."""
        away = {a % x.ndim for a in axis}
        kept = [i for i in range(x.ndim) if i not in away]
        last = np.transpose(x, (*kept, *(a % x.ndim for a in axis)))
        found = execute.total(last.reshape(*last.shape[: len(kept)], -1), self.order, self.rng, self.machine)
        return found.reshape([1 if i not in kept else x.shape[i] for i in range(x.ndim)])


@dataclass(frozen=True, eq=False)
class Run(Mapping[str, Array]):
    """What a float program computed: name -> array ``(B or 1, *shape)``, numbers of the format of activations.

    Parameters
    ----------
    values : the arrays, of the accumulator's type where that is binary32 or binary64, else float64.
    program : what was run.
    order : of sums, as it was run.
    flags : node -> the exceptions that were raised (see `floats.flags`), where they were asked for.
    notes : where the program left a choice, what was chosen.
    """

    values_by_name: Mapping[str, Array]
    program: Semantics
    order: Order
    flags: Mapping[str, frozenset[str]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __getitem__(self, name: str) -> Array:
        return self.values_by_name[name]

    def __iter__(self) -> Any:
        return iter(self.values_by_name)

    def __len__(self) -> int:
        return len(self.values_by_name)


def arithmetic_of(
    program: Semantics, order: Order | None = None, seed: int = 0, raised: set[str] | None = None
) -> MachineArithmetic:
    """The namespace that one node of a program computes in (see `run`)."""
    machine = program.machine()
    chosen = program.order if order is None else order
    running = chosen in ("any", "sequential", "reversed", "random", "fma")
    if program.fma == "always" and not running:
        raise ValueError(
            f"{program.name}: fused multiply-adds need a running sum, the order {chosen} is none"
        )
    fused = program.fma == "always" or chosen == "fma"
    watched = machine if raised is None else Watched(machine, raised)
    return MachineArithmetic(watched, "sequential" if chosen == "any" else chosen, fused, seed)


def stored(x: Array, own: Semantics, form: Format) -> Array:
    """Numbers as one of a program's formats stores them, in the elements that its accumulator computes with."""
    if x.dtype.kind != "f":
        return x
    to = own.machine().dtype
    if is_stored(x, form) and own.subnormals == "gradual":
        return x.astype(to, copy=False)
    return own.machine(form).rounded(x).astype(to)


def loaded(x: Array, program: Semantics, node: str) -> Array:
    """A stored value as a node reads it: rounded to its accumulator where another node's program stored it."""
    return x if x.dtype.kind != "f" or not program.nodes else program.at(node).machine().rounded(x)


def run(
    plan: Plan,
    inputs: Mapping[str, Array],
    program: str | Semantics = "binary32",
    order: str | Order | None = None,
    seed: int = 0,
    *,
    flags: bool = False,
) -> Run:
    """Every value of the network, as the float program computes it.

    Parameters
    ----------
    plan : the network.
    inputs : name -> array ``(B, *shape)``; rounded to the program's format first.
    program : a name (see `floats.program`) or a `Semantics`, which may have another one for single nodes.
    order : how sums are added, instead of the program's own order (see `floats.order`); "any" is run as "sequential".
    seed : of the order "random".
    flags : also say which exceptions every node raised; about ten times slower.

    Returns
    -------
    the values by name, with what was chosen and raised.

    Raises
    ------
    ValueError
        A program that cannot be run: the order "blas" in an arithmetic that NumPy does not have, fused products without
        a running sum.
    GraphError
        A tree that does not fit a node's sum; the message names the node.
    """
    program = program_of(program)
    chosen = program.order if order is None else order_of(order)
    _known(plan, program)
    raised: dict[str, set[str]] = {}
    lifted: dict[tuple[str, str], Array] = {}

    def lift(name: str, node: Node | None) -> Array:
        own = program if node is None else program.at(node.name)
        key = name, node.name if node is not None and node.name in program.nodes else ""
        if key not in lifted:
            lifted[key] = stored(plan.constants[name], own, own.weights)[None]
        return lifted[key]

    def arithmetic(node: Node) -> MachineArithmetic:
        raised[node.name] = set()
        own = program.at(node.name)
        mine = own.order if node.name in program.nodes and order is None else chosen
        return arithmetic_of(own, mine, seed, raised[node.name] if flags else None)

    def store(node: Node, x: Array) -> Array:
        own = program.at(node.name)
        if x.dtype.kind != "f" or not own.mixed:
            return x
        machine: Machine | Watched = own.machine(own.activations)
        if flags:
            machine = Watched(own.machine(own.activations), raised[node.name])
        return machine.rounded(x).astype(own.machine().dtype)

    given = {}
    for name in plan.graph.inputs:
        own = program.at(name)
        given[name] = stored(np.asarray(inputs[name]), own, own.activations)
    with np.errstate(all="ignore"):
        values = walk(plan, given, lift, arithmetic, store, lambda node, x: loaded(x, program, node.name))
    said = {name: frozenset(names) for name, names in raised.items()} if flags else {}
    return Run(values, program, "sequential" if chosen == "any" else chosen, said, _notes(program, chosen))


def _known(plan: Plan, program: Semantics) -> None:
    """Refuse programs of nodes that there are not."""
    unknown = [name for name in program.nodes if name not in plan.graph.by_name]
    if unknown:
        raise GraphError(
            f"{program.name} has a program for {unknown[0]!r}, which is no node of {plan.graph.name}"
        )


def _notes(program: Semantics, order: Order) -> tuple[str, ...]:
    found = []
    if order == "any":
        found.append("the program leaves the order of sums open: they were added sequentially")
    if program.fma == "maybe" and order != "fma":
        found.append(
            "the program leaves fused multiply-adds open: products were rounded before they were added"
        )
    if order == "blas":
        found.append("sums were added as NumPy and its BLAS do on this machine: other machines may differ")
    return tuple(found)
