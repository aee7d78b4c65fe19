"""Plan: a graph made ready to walk, with its operands resolved and its exact constants known.

Every meaning walks the same plan.  Values carry one leading batch axis: a node of shape ``(1, 10)`` has values of
shape ``(B, 1, 10)``, whatever B counts (samples, regions, rows of a backward pass).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from math import prod
from typing import Any

import numpy as np

from workbench.graph import Array, Graph, GraphError, Node
from workbench.limits import check_size
from workbench.op import OPS, Call, Op, Rule, as_float64, rule_for
from workbench.semantics.real import FLOAT, real

MOST_WORK = 1 << 33  # multiplications of one product of matrices while a file is read: a second or two


FOLDS: dict[str, Rule] = {}  # operator -> its value where all operands are constants


def folding(op: Op) -> Callable[[Rule], Rule]:
    """Register how an operator's value is computed exactly, in float64, when all its operands are constants.

    For weights that a file keeps in another form: what float64 holds exactly is a weight like any other.  The function
    is given the call and the constants ``(1, *shape)``; it raises where float64 does not hold the value.
    """

    def register(rule: Rule) -> Rule:
        FOLDS[op.name] = rule
        return rule

    return register


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """One node to compute: its call and the names of its operands (None where omitted)."""

    node: Node
    call: Call
    operands: tuple[str | None, ...]


@dataclass(frozen=True, eq=False)
class Plan:
    """What every meaning walks.

    Parameters
    ----------
    graph : the network.
    steps : the nodes to compute, in order; inputs and exact constants are not among them.
    constants : exactly known values by name (weights, and what is only moved from them), without the batch axis.
    live : names that depend on an input.
    """

    graph: Graph
    steps: tuple[Step, ...]
    constants: Mapping[str, Array]
    live: frozenset[str]
    memo: dict[Any, Any] = field(default_factory=dict)

    @property
    def by_name(self) -> Mapping[str, Step]:
        """Name -> step."""
        if "by_name" not in self.memo:
            self.memo["by_name"] = {s.node.name: s for s in self.steps}
        found: Mapping[str, Step] = self.memo["by_name"]
        return found

    def number(self, name: str) -> Array:
        """An exact constant as float64 with its batch axis: ``(1, *shape)``."""
        key = ("number", name)
        if key not in self.memo:
            self.memo[key] = as_float64(self.constants[name])[None]
        found: Array = self.memo[key]
        return found

    def upstream(self, name: str) -> frozenset[str]:
        """Names of all steps that `name` depends on, itself included."""
        key = ("upstream", name)
        if key not in self.memo:
            seen: set[str] = set()
            todo = [name]
            while todo:
                at = todo.pop()
                if at in seen or at not in self.by_name:
                    continue
                seen.add(at)
                todo += [o for o in self.by_name[at].operands if o is not None]
            self.memo[key] = frozenset(seen)
        found: frozenset[str] = self.memo[key]
        return found


@lru_cache(maxsize=32)
def plan_of(graph: Graph) -> Plan:
    """The plan of a graph (kept for the last graphs that were asked for)."""
    constants: dict[str, Array] = dict(graph.weights)
    live: set[str] = set()
    steps: list[Step] = []
    shapes = {n.name: n.shape for n in graph.nodes} | {k: w.shape for k, w in graph.weights.items()}
    for node in graph.nodes:
        if node.op == "Input":
            live.add(node.name)
            continue
        operands = tuple(i or None for i in node.inputs)
        call = _call(node, operands, shapes, constants)
        value = exact_constant(call)
        if value is not None:
            constants[node.name] = value
            continue
        if any(o in live for o in operands):
            live.add(node.name)
        steps.append(Step(node, call, operands))
    return Plan(graph, tuple(steps), constants, frozenset(live))


def _call(
    node: Node,
    operands: Sequence[str | None],
    shapes: Mapping[str, tuple[int, ...]],
    constants: Mapping[str, Array],
) -> Call:
    return Call(
        node,
        tuple(None if o is None else shapes[o] for o in operands),
        tuple(None if o is None else constants.get(o) for o in operands),
    )


def exact_constant(call: Call) -> Array | None:
    """The result where it is exactly known without running the network: moved constants, shapes, integers."""
    if call.node.op == "Shape":  # needs no value, only shapes
        return evaluate(call, [None for _ in call.shapes])[0]
    if any(s is not None and c is None for s, c in zip(call.shapes, call.constants, strict=True)):
        return None
    if call.node.op in FOLDS:
        return folded(call)
    known = OPS.get(call.node.op)
    whole = all(c is None or c.dtype.kind in "iub" for c in call.constants)
    if known is None or not (known.moves or whole):
        return None
    value = evaluate(call, [None if c is None else c[None] for c in call.constants])[0]
    return value if known.moves or value.dtype.kind in "iub" else None


def folded(call: Call) -> Array:
    """The exact value of a node of constants that takes arithmetic, in float64 (see `folding`)."""
    try:
        found: Array = FOLDS[call.node.op](call, *[None if c is None else c[None] for c in call.constants])
    except GraphError:
        raise
    except (ValueError, TypeError, IndexError, AssertionError) as error:
        raise _refusal(call, str(error)[:300]) from error
    return found[0]


class LoadingArithmetic:
    """FLOAT while a file is read, where shapes are inferred and constants folded: a small file is little work."""

    def __getattr__(self, name: str) -> Any:
        return getattr(FLOAT, name)

    def matmul(self, x: Array, y: Array) -> Array:
        """The product; at once where an operand is one zero, repeated (which stands for what is not known yet).

        Raises
        ------
        GraphError
            More multiplications than reading a file is worth.
        """
        lead = np.broadcast_shapes(x.shape[:-2], y.shape[:-2])
        shape = (*lead, x.shape[-2], y.shape[-1])
        check_size("a product of matrices", shape)
        fits = x.shape[-1] == y.shape[-2]
        if fits and (_repeats_zero(x) or _repeats_zero(y)):
            return np.broadcast_to(np.zeros((), np.result_type(x, y)), shape)
        work = prod(shape) * x.shape[-1]
        slow = 1 if np.result_type(x, y).kind == "f" else 32  # integers have no BLAS
        if fits and work * slow > MOST_WORK:
            raise GraphError(
                f"a product of constant matrices takes {work:,} multiplications, more than is done while a file is "
                "read: compute it before the file is written"
            )
        return np.asarray(np.matmul(x, y))

    def sum(self, x: Array, axis: tuple[int, ...]) -> Array:
        """The sum; at once for one zero, repeated."""
        if x.size and _repeats_zero(x):
            zero, away = x.reshape(-1)[:1].reshape(()), {a % x.ndim for a in axis}
            return np.broadcast_to(zero, tuple(1 if i in away else n for i, n in enumerate(x.shape)))
        return FLOAT.sum(x, axis)

    def whole(self, compute: Callable[..., Array], *pairs: tuple[Array, Array | None]) -> Array:
        """Sums of integers: only their shape is wanted, and zero points are left alone."""
        kinds = [x.dtype for x, _ in pairs if x.dtype.kind == "f"]
        found = compute(self, *[x if x.dtype.kind == "f" else x.astype(np.float64) for x, _ in pairs])
        return np.asarray(found.astype(kinds[0] if kinds else np.float32))


LOADING = LoadingArithmetic()


def _repeats_zero(x: Array) -> bool:
    return x.size > 0 and not any(x.strides) and x.dtype.kind == "f" and not x[(0,) * x.ndim]


def evaluate(call: Call, operands: Sequence[Array | None]) -> Array:
    """One node in the float type of its operands, with errors that name the node."""
    rule = rule_for(call.node, real)
    try:
        with np.errstate(all="ignore"):
            return np.asarray(rule(call, LOADING, *operands))
    except GraphError:
        raise
    except (
        ValueError,
        TypeError,
        IndexError,
        KeyError,
        ZeroDivisionError,
        MemoryError,
        OverflowError,
    ) as error:
        raise _refusal(call, str(error)[:300]) from error
    except (AttributeError, AssertionError) as error:
        if all(o is not None for o in operands):
            raise  # not the file's fault but ours
        raise _refusal(call, "an operand is missing") from error


def _element_type(call: Call, value: Array) -> np.dtype[Any]:
    """The type that a constant node has in the file: of what is folded in float64, that of its float operands."""
    if call.node.op not in FOLDS:
        return value.dtype
    return next((c.dtype for c in call.constants if c is not None and c.dtype.kind == "f"), value.dtype)


def _refusal(call: Call, why: str) -> GraphError:
    shapes = ", ".join("-" if s is None else str(list(s)) for s in call.shapes[:20])
    return GraphError(f"{call.node.describe()} cannot be computed from operands of shape {shapes}: {why}")


def _stand_in(shape: tuple[int, ...], dtype: np.dtype[Any], known: Array | None) -> Array:
    """An operand of which only the type counts: one zero, repeated; integers may be axes or sizes, and stay."""
    if known is not None and known.dtype.kind != "f":
        return known[None]
    return np.broadcast_to(np.zeros((), dtype), (1, *shape))


def infer(nodes: Sequence[Node], weights: Mapping[str, Array]) -> tuple[Node, ...]:
    """`nodes` with their shapes and element types filled in.

    The shape of a result is the shape that the operator's own real rule gives on zeros: there is no second
    description of an operator's shape that could disagree with it.

    Raises
    ------
    GraphError
        Naming the node whose operands do not fit, or that has no rule.
    """
    typed: list[Node] = []
    shapes: dict[str, tuple[int, ...]] = {k: w.shape for k, w in weights.items()}
    dtypes: dict[str, np.dtype[Any]] = {k: w.dtype for k, w in weights.items()}
    constants: dict[str, Array] = dict(weights)
    for node in nodes:
        if node.op == "Input":
            done, dtype = node, np.dtype(node.dtype)
        else:
            operands = tuple(i or None for i in node.inputs)
            for o in operands:
                if o is not None and o not in shapes:
                    raise GraphError(
                        f"{node.describe()} needs {o!r}, which is computed later, in a cycle, or nowhere"
                    )
            call = _call(node, operands, shapes, constants)
            value = exact_constant(call)
            if value is None:
                stand_ins = [
                    None if o is None else _stand_in(shapes[o], dtypes[o], constants.get(o)) for o in operands
                ]
                result = evaluate(call, stand_ins)[0]
                done, dtype = replace(node, shape=tuple(result.shape), dtype=str(result.dtype)), result.dtype
            else:
                constants[node.name] = value
                dtype = _element_type(call, value)
                done = replace(node, shape=tuple(value.shape), dtype=str(dtype))
        check_size(node.describe(), done.shape)
        shapes[node.name], dtypes[node.name] = done.shape, dtype
        typed.append(done)
    return tuple(typed)
