"""A graph made ready to be run many times at the same shapes: the same rules, with every array's place planned.

`real.run` and `gradient.pullback` walk a plan node by node, look rules up and take new memory for every result.  Here
this is done once: a first run records what each rule computes, in which shapes, and from then on every operation writes
into the place that was planned for it.  A place is used again as soon as nobody needs what is in it; an elementwise
operation writes over its operand where that is not needed afterwards (so a chain of them works in one place).

The operations, their order and the layout of their operands are those of `real.run`: results are equal bit for bit,
which a law tests over the whole table of operators.  Nothing here decides what is computed, only where it is put.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from workbench.graph import Array, GraphError
from workbench.op import rule_for
from workbench.semantics.gradient import cast_back, gradient, toward
from workbench.semantics.plan import Plan, Step
from workbench.semantics.real import FloatArithmetic, real

# one rounding or one function an element, and no more: what may be written over an operand
ELEMENTWISE = frozenset(
    {
        "Add",
        "Sub",
        "Mul",
        "Div",
        "Neg",
        "Relu",
        "Abs",
        "Exp",
        "Log",
        "Sqrt",
        "Sin",
        "Cos",
        "Tanh",
        "Max",
        "Min",
    }
)
FOREVER = 1 << 60


@dataclass(eq=False)
class Slot:
    """The result of one operation inside a rule, where it lies, and what it was computed from the first time."""

    array: Array
    operands: tuple[Any, ...] = ()


def root(array: Any) -> Any:
    """The array that owns the memory."""
    while isinstance(array, np.ndarray) and array.base is not None:
        array = array.base
    return array


class Placed(FloatArithmetic):
    """NumPy's arithmetic, with the results of a rule put where they were put the first time."""

    def __init__(self) -> None:
        self.slots: list[Slot] = []
        self.named: dict[str, Array] = {}
        self.at = 0

    def memory(self, name: str, shape: tuple[int, ...], dtype: Any) -> Array:
        """Memory that a rule asks for by name: the same at every run."""
        held = self.named.get(name)
        if held is None or held.shape != shape or held.dtype != dtype:
            held = self.named[name] = np.empty(shape, dtype)
        return held

    def holds(self, name: str) -> bool:
        """Whether a rule has left something under this name."""
        return name in self.named

    def _put(self, function: Callable[..., Any], *operands: Any, **options: Any) -> Array:
        at, self.at = self.at, self.at + 1
        if at < len(self.slots):
            found: Array = function(*operands, out=self.slots[at].array, **options)
            return found
        made = np.asarray(function(*operands, **options))
        if root(made) is not made:  # a result that owns nothing is somebody else's memory
            made = made.copy(order="K")
        self.slots.append(Slot(made, operands))
        return made


def _placed(name: str, function: Callable[..., Any]) -> None:
    def method(self: Placed, *operands: Any) -> Array:
        return self._put(function, *operands)

    setattr(Placed, name, method)


for _name, _function in (
    ("add", np.add), ("sub", np.subtract), ("mul", np.multiply), ("div", np.divide), ("neg", np.negative),
    ("matmul", np.matmul), ("maximum", np.maximum), ("minimum", np.minimum), ("abs", np.abs), ("exp", np.exp),
    ("expm1", np.expm1), ("log", np.log), ("log1p", np.log1p), ("sin", np.sin), ("cos", np.cos), ("tanh", np.tanh),
    ("rint", np.rint),
):  # fmt: skip
    _placed(_name, _function)


class Places:
    """Pieces of memory, each for a size, used by one result after another."""

    def __init__(self) -> None:
        self._sizes: list[int] = []
        self._until: list[int] = []
        self._of: dict[int, int] = {}
        self._made: dict[int, Array] = {}

    def put(self, result: int, size: int, now: int, until: int, over: int | None) -> None:
        """Give a result a place from now until a step: that of the result `over`, a free one, or a new one."""
        if over is not None:
            p = self._of[over]
        else:
            ends = enumerate(zip(self._sizes, self._until, strict=True))
            p = next((q for q, (n, end) in ends if n == size and end < now), len(self._sizes))
            if p == len(self._sizes):
                self._sizes.append(size)
                self._until.append(now)
        self._until[p], self._of[result] = until, p

    def memory(self, result: int) -> Array:
        """The memory of a result's place."""
        p = self._of[result]
        if p not in self._made:
            self._made[p] = np.empty(self._sizes[p], np.uint8)
        return self._made[p]


@dataclass(eq=False)
class Ready:
    """One node with everything looked up."""

    step: Step
    rule: Callable[..., Any]
    call: Any
    ns: Placed
    constants: tuple[Array | None, ...]
    given: tuple[str | None, ...]  # names of operands that are computed
    dies: tuple[str, ...] = ()  # what nobody needs afterwards


@dataclass(eq=False, repr=False)
class Planned:
    """A plan with its memory.

    Parameters
    ----------
    plan : the network.
    wanted : names that gradients will be asked for; None for a forward pass alone, whose places are shared.

    What `run` and `pull` give are views of that memory: the next run writes over them.
    """

    plan: Plan
    wanted: frozenset[str] | None = None
    _ready: list[Ready] = field(default_factory=list)
    _back: list[tuple[Ready, Callable[..., Any], tuple[int, ...]]] = field(default_factory=list)
    _shapes: dict[str, Any] = field(default_factory=dict)
    _values: dict[str, Array] = field(default_factory=dict)
    _first: dict[str, Array] = field(default_factory=dict)
    _arranged: bool = False

    def __post_init__(self) -> None:
        plan, graph = self.plan, self.plan.graph
        behind = {} if self.wanted is None else {s.node.name: s.call for s in toward(plan, self.wanted)}
        for step in plan.steps:
            ns = Placed()
            call = behind.get(step.node.name, step.call)
            call = replace(call, memo={**call.memo, "memory": ns})
            constants = []
            for o in step.operands:
                held = None if o is None else plan.constants.get(o)
                if o is not None and held is not None and held.dtype.kind == "f" and o in graph.by_name:
                    held = held.astype(graph[o].dtype, copy=False)  # what was folded exactly is wider
                constants.append(None if held is None else held[None])
            given = tuple(None if o is None or o in plan.constants else o for o in step.operands)
            self._ready.append(Ready(step, rule_for(step.node, real), call, ns, tuple(constants), given))
        by_name = {r.step.node.name: r for r in self._ready}
        for name in reversed(behind):
            r = by_name[name]
            at = tuple(i for i, o in enumerate(r.given) if o is not None and r.call.wants(i))
            if name in plan.live:
                self._back.append((r, rule_for(r.step.node, gradient), at))

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Values by name: all of them where gradients may follow, else the outputs.

        Raises
        ------
        GraphError
            A rule whose result has another shape than its node.
        """
        given = {n: np.asarray(inputs[n]) for n in self.plan.graph.inputs}
        shapes = {n: (a.shape, a.dtype.str) for n, a in given.items()}
        if shapes != self._shapes:  # what was planned is of other shapes
            self._shapes, self._arranged = shapes, False
            for r in self._ready:
                r.ns.slots, r.ns.named, r.dies = [], {}, ()
        values = dict(given)
        with np.errstate(all="ignore"):
            for r in self._ready:
                operands = [c if n is None else values[n] for c, n in zip(r.constants, r.given, strict=True)]
                r.ns.at = 0
                result = np.asarray(r.rule(r.call, r.ns, *operands))
                node = r.step.node
                if not self._arranged and result.shape[1:] != node.shape:
                    raise GraphError(
                        f"{node.describe()} gave shape {result.shape[1:]}, expected {node.shape}"
                    )
                values[node.name] = result
                if not self._arranged:
                    self._first[node.name] = result
                for name in r.dies:
                    del values[name]
        graph = self.plan.graph
        for name in graph.outputs:
            if name in self.plan.constants:
                held = self.plan.constants[name]
                kind = graph[name].dtype if name in graph.by_name and held.dtype.kind == "f" else held.dtype
                values[name] = held.astype(kind, copy=False)[None]
        if not self._arranged:
            self._arrange(values)
        self._values = values
        return values

    # ------------------------------------------------------------------ places

    def _arrange(self, values: Mapping[str, Array]) -> None:
        """Let results that are not needed at the same time share memory: from the second run on."""
        self._arranged = True
        last = {} if self.wanted is not None else self._last_uses()
        for i, r in enumerate(self._ready):
            r.dies = tuple(n for n, at in last.items() if at == i)
        owned = [s for r in self._ready for s in r.ns.slots]
        number = {id(s.array): k for k, s in enumerate(owned)}  # owned keeps them alive: ids are theirs
        arrays = [s.array for s in owned]
        until = [i for i, r in enumerate(self._ready) for _ in r.ns.slots]
        for name, value in values.items():  # as long as any value that lies in it is needed
            k = number.get(id(root(value)))
            if k is not None:
                until[k] = max(until[k], last.get(name, FOREVER))
        for name, at in last.items():
            k = number.get(id(root(self._first.get(name))))
            if k is not None:
                until[k] = max(until[k], at)
        places = Places()
        for i, r in enumerate(self._ready):
            for slot in r.ns.slots:
                k = number[id(slot.array)]
                over = self._over_operand(r, number, until, i)
                places.put(k, arrays[k].nbytes, i, until[k], over)
        for slot, array, k in zip(owned, arrays, range(len(owned)), strict=True):
            slot.array = np.ndarray(array.shape, array.dtype, places.memory(k), 0, array.strides)
            slot.operands = ()
        self._first = {}

    def _over_operand(self, r: Ready, number: Mapping[int, int], until: Sequence[int], at: int) -> int | None:
        """The number of an operand's memory that an elementwise operation may write over."""
        if self.wanted is not None or r.step.node.op not in ELEMENTWISE or len(r.ns.slots) != 1:
            return None
        (slot,) = r.ns.slots
        a = slot.array
        for x in slot.operands:
            if isinstance(x, np.ndarray) and (x.shape, x.dtype, x.strides) == (a.shape, a.dtype, a.strides):
                k = number.get(id(root(x)))
                if k is not None and until[k] == at and root(x).nbytes == a.nbytes:
                    return k
        return None

    def _last_uses(self) -> dict[str, int]:
        """Name -> the step that uses it last; not of outputs."""
        found: dict[str, int] = {}
        for i, r in enumerate(self._ready):
            for n in (r.step.node.name, *filter(None, r.given)):
                found[n] = i
        away = (*self.plan.graph.outputs, *self.plan.graph.inputs)
        return {n: i for n, i in found.items() if n not in away}

    @property
    def bytes(self) -> int:
        """Bytes of memory that are planned, each counted once."""
        held = {}
        for r in self._ready:
            for a in (*(s.array for s in r.ns.slots), *r.ns.named.values()):
                held[id(root(a))] = root(a).nbytes
        return sum(held.values())

    # ------------------------------------------------------------------ gradients

    def pull(self, seeds: Mapping[str, Array]) -> dict[str, Array]:
        """Gradients of the last run by the wanted names: what `gradient.pullback` gives, bit for bit."""
        assert self.wanted is not None
        values, grads = self._values, dict(seeds)
        with np.errstate(all="ignore"):
            for r, rule, at in self._back:
                name = r.step.node.name
                seed = grads.get(name)
                if seed is None:
                    continue
                value = values[name]
                operands = tuple(
                    values[n] if n is not None else None if c is None else c.astype(value.dtype, copy=False)
                    for c, n in zip(r.constants, r.given, strict=True)
                )
                pieces: Sequence[Array | None] = rule(r.call, operands, value, seed)
                for i in at:
                    piece, operand = pieces[i], r.given[i]
                    if piece is None or operand is None:
                        continue
                    part = cast_back(piece, values[operand], value.shape[0] > 1)
                    grads[operand] = grads[operand] + part if operand in grads else part
                if name not in self.wanted:
                    del grads[name]
        return grads
