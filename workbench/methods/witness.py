"""Witnesses: float runs, in orders of summation chosen for the purpose, that are far off: the worst case's lower end.

A bound that holds for any order is also about orders that nobody would pick.  Two adversaries pick them:

aligned   every sum of every neuron takes its own order: at each addition, of the next few leaves by size, the one whose
          rounding errs most in the direction that a chosen output wants.  A legitimate run where the order of sums is
          open, as nothing binds one neuron's order to another's.
witness   one order a node, picked of several, and for one neuron an order of its own leaves: written as a `Semantics`,
          so that `ieee.run` and `replay` do the same run again, bit for bit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from workbench.floats.order import Order, Tree
from workbench.floats.program import Semantics, program_of
from workbench.graph import Array
from workbench.op import rule_for
from workbench.region import Region
from workbench.semantics import ieee
from workbench.semantics.exact import rational
from workbench.semantics.exact import run as exactly
from workbench.semantics.gradient import vjp
from workbench.semantics.plan import Plan, Step
from workbench.semantics.real import real
from workbench.semantics.replay import Replay, replay

# operators each of whose results has a sum of its own
OWN_SUMS = frozenset(
    {"AveragePool", "Conv", "ConvTranspose", "Gemm", "GlobalAveragePool", "MatMul", "ReduceMean", "ReduceSum"}
)
WINDOW = 32  # leaves that are looked at before one is taken
CHUNK = 1 << 21  # numbers that are looked at at once
ORDERS: tuple[Order, ...] = ("sequential", "reversed", "pairwise", "adversarial")


def greedy(leaves: Array, machine: Any, direction: float) -> tuple[Array, Array]:
    """Sums ``(E,)`` of ``(E, K)`` leaves, each in an order in which roundings err in one direction, and the orders.

    Positive leaves are taken before negative ones and large ones before small ones, but for the choice of the next of
    `WINDOW` at a time: partial sums stay large, and large sums err most.
    """
    count, size = leaves.shape
    each = np.arange(count)
    up, down = np.where(leaves > 0, leaves, 0), np.where(leaves < 0, leaves, 0)
    # positive by size, then negative by size; zeros, which add nothing, last
    key = np.where(up > 0, -np.asarray(up, np.float64), np.where(down < 0, 1.0, 2.0))
    order = np.lexsort((np.asarray(down, np.float64), key), axis=-1)
    window = order[:, :WINDOW].copy()
    width = window.shape[1]
    taken = np.empty((count, size), np.intp)
    total = np.zeros(count, leaves.dtype)
    for k in range(size):
        near = np.take_along_axis(leaves, np.maximum(window, 0), axis=1)
        sums = np.asarray(machine.add(total[:, None], near))
        wide = np.asarray(total, np.float64)[:, None]
        error = (sums - wide) - np.asarray(near, np.float64)
        score = np.where(window >= 0, direction * error, -np.inf)
        pick = np.argmax(score, axis=1)
        taken[:, k] = window[each, pick]
        total = sums[each, pick]
        following = k + width
        window[each, pick] = order[:, following] if following < size else -1
    return total, taken


class Aligned(ieee.MachineArithmetic):
    """The namespace in which sums err in one direction."""

    def __init__(self, program: Semantics, direction: float) -> None:
        super().__init__(program.machine(), "sequential", False, 0)
        self.direction = direction

    def _total(self, leaves: Array) -> Array:
        flat = leaves.reshape(-1, leaves.shape[-1])
        step = max(1, CHUNK // max(1, flat.shape[-1]))
        parts = [greedy(flat[i : i + step], self.plain, self.direction)[0] for i in range(0, len(flat), step)]
        return np.concatenate(parts).reshape(leaves.shape[:-1]) if parts else leaves[..., 0]

    def matmul(self, x: Array, y: Array) -> Array:
        """Matrix product."""
        lead = np.broadcast_shapes(x.shape[:-2], y.shape[:-2])
        shape = (*lead, x.shape[-2], y.shape[-1])
        x = np.broadcast_to(x, (*lead, *x.shape[-2:])).reshape(-1, *x.shape[-2:])
        y = np.broadcast_to(y, (*lead, *y.shape[-2:])).reshape(-1, *y.shape[-2:])
        out = np.zeros((len(x), *shape[-2:]), self.plain.dtype)
        for i in range(len(x)):
            turned = np.ascontiguousarray(y[i].T)
            rows = max(1, CHUNK // max(1, turned.size))
            for first in range(0, x.shape[1], rows):
                products = self.plain.mul(x[i, first : first + rows, None, :], turned[None])
                if products.size:
                    out[i, first : first + rows] = self._total(products)
        return out.reshape(shape)

    def sum(self, x: Array, axis: tuple[int, ...]) -> Array:
        """Sum over axes, which stay with length 1."""
        away = sorted(a % x.ndim for a in axis)
        last = np.moveaxis(x, away, range(x.ndim - len(away), x.ndim))
        found = self._total(last.reshape(*last.shape[: x.ndim - len(away)], -1))
        return found.reshape([1 if i in away else n for i, n in enumerate(x.shape)])


def _operands(plan: Plan, step: Step, program: Semantics, values: Mapping[str, Array]) -> list[Array | None]:
    own = program.at(step.node.name)
    return [
        None
        if o is None
        else ieee.stored(plan.constants[o], own, own.weights)[None]
        if o in plan.constants
        else ieee.loaded(values[o], program, step.node.name)
        for o in step.operands
    ]


def _finished(step: Step, program: Semantics, x: Array) -> Array:
    own = program.at(step.node.name)
    if x.dtype.kind != "f" or not own.mixed:
        return x
    return own.machine(own.activations).rounded(x).astype(own.machine().dtype)


def _inputs(plan: Plan, inputs: Mapping[str, Array], program: Semantics) -> dict[str, Array]:
    return {
        n: ieee.stored(np.asarray(inputs[n]), program.at(n), program.at(n).activations)
        for n in plan.graph.inputs
    }


def _open(program: Semantics) -> None:
    if program.order != "any" or any(p.order != "any" for p in program.nodes.values()):
        raise ValueError(f"{program.name} names its order of summation: there is none to choose")
    if program.fma == "always":
        raise ValueError(f"{program.name} fuses its products into running sums: this adversary does not")


def aligned_run(
    plan: Plan, inputs: Mapping[str, Array], program: str | Semantics, rows: Array
) -> dict[str, Array]:
    """A float run whose sums are ordered so that ``rows . output`` comes out high.

    Parameters
    ----------
    plan : the network; every operator on the way needs a gradient.
    inputs : name -> ``(S, *shape)``.
    program : whose order of sums is "any".
    rows : ``(S, *shape)`` coefficients of the first output, one for each point.

    Returns
    -------
    name -> values, as `ieee.run` has them: one of the runs that a bound for any order is about.

    Raises
    ------
    ValueError
        A program that names its order, or always fuses.
    """
    program = program_of(program)
    _open(program)
    _, slopes = vjp(plan, inputs, {plan.graph.outputs[0]: np.asarray(rows, np.float64)})
    values = _inputs(plan, inputs, program)
    with np.errstate(all="ignore"):
        for step in plan.steps:
            name = step.node.name
            given = _operands(plan, step, program, values)
            own = program.at(name)
            rule = rule_for(step.node, real)

            def done(ns: Any, rule: Any = rule, step: Step = step, given: Any = given) -> Array:
                return _finished(step, program, np.asarray(rule(step.call, ns, *given)))

            if step.node.op in OWN_SUMS and name in slopes:
                high, low = done(Aligned(own, 1.0)), done(Aligned(own, -1.0))
                values[name] = np.where(slopes[name] >= 0, high, low).astype(high.dtype)
            else:
                values[name] = done(ieee.arithmetic_of(own, "sequential"))
    return values


@dataclass(frozen=True, slots=True, eq=False)
class Witness:
    """A run that is far off at one neuron.

    Parameters
    ----------
    node, index : the neuron.
    inputs : name -> ``(1, *shape)``, a point of the region in float64; the program rounds it first.
    program : the float program with its orders of summation, one a node.
    value : what it computes at the neuron.
    error : |value - real value|, where the real value is exact, or known to 200 bits.
    """

    node: str
    index: tuple[int, ...]
    inputs: Mapping[str, Array]
    program: Semantics
    value: float
    error: float

    def replay(self, plan: Plan) -> Replay:
        """The neuron's computation, operation by operation."""
        return replay(plan, self.node, self.index, self.inputs, self.program)


def witness(
    plan: Plan,
    node: str,
    index: Sequence[int],
    regions: Mapping[str, Region],
    program: str | Semantics = "binary32",
    *,
    points: int = 4,
    seed: int = 0,
) -> Witness:
    """An input of the region and orders of summation with a large rounding error at one neuron.

    Parameters
    ----------
    plan : the network; every operator on the way needs a gradient.
    node, index : the neuron, without the batch axis.
    regions : input name -> region, one each.
    program : whose order of sums is "any".
    points : how many inputs are tried, in both directions.
    seed : of the inputs.

    Raises
    ------
    ValueError
        A program that names its order, or always fuses.
    """
    program, at = program_of(program), tuple(int(i) for i in index)
    _open(program)
    drawn = {name: region.sample(points, seed) for name, region in regions.items()}
    seeds = np.zeros((1, *plan.graph[node].shape))
    seeds[(0, *at)] = 1.0
    best, most = None, -1.0
    for k in range(points):
        point = {name: x[k : k + 1] for name, x in drawn.items()}
        near, slopes = vjp(plan, point, {node: seeds})
        for direction in (1.0, -1.0):
            chosen = _ordered(plan, node, point, program, slopes, direction)
            value = float(np.asarray(ieee.run(plan, point, chosen)[node])[(0, *at)])
            seen = abs(value - float(near[node][(0, *at)]))
            if not seen <= most:
                best, most = Witness(node, at, point, chosen, value, seen), seen
    if best is None:
        raise ValueError(f"{points} points are none to try")
    return replace(best, error=_error(plan, best.inputs, node, at, best.value))


def _ordered(
    plan: Plan,
    node: str,
    point: Mapping[str, Array],
    program: Semantics,
    slopes: Mapping[str, Array],
    direction: float,
) -> Semantics:
    """The program with an order for every sum on the way to a neuron."""
    values = _inputs(plan, point, program)
    orders: dict[str, Semantics] = {}
    wanted = plan.upstream(node)
    for step in plan.steps:
        name = step.node.name
        if name not in wanted:
            continue
        given, own = _operands(plan, step, program, values), program.at(name)
        tries: list[Order] = ["sequential"]
        if step.node.op in OWN_SUMS and name in slopes:
            tries = [*ORDERS]
            only = np.argwhere(slopes[name][0] != 0)
            if len(only) == 1:  # the neuron's own sum, or one that it alone takes over
                single = tuple(int(k) for k in only[0])
                toward = direction * float(np.sign(slopes[name][(0, *single)]))
                tries += _leaf_orders(plan, name, single, point, replace(program, nodes=orders), toward)
        results = []
        with np.errstate(all="ignore"):
            for order in tries:
                ns = ieee.arithmetic_of(own, order)
                results.append(
                    _finished(step, program, np.asarray(rule_for(step.node, real)(step.call, ns, *given)))
                )
        scores = [float((direction * slopes[name] * r).sum()) if name in slopes else 0.0 for r in results]
        pick = int(np.nanargmax(scores))
        values[name] = results[pick]
        orders[name] = replace(own, order=tries[pick], fma="never", nodes={})
    return replace(program, order="sequential", fma="never", nodes=orders)


def _leaf_orders(
    plan: Plan,
    node: str,
    at: tuple[int, ...],
    point: Mapping[str, Array],
    program: Semantics,
    direction: float,
) -> list[Order]:
    """An order of one neuron's own products, where its operator adds products."""
    steps = replay(plan, node, at, point, replace(program, order="sequential", fma="never")).steps
    leaves = np.array([s.value for s in steps if s.operation == "mul"])
    if len(leaves) < 2 or plan.by_name[node].node.op not in ("Conv", "Gemm", "MatMul"):
        return []
    if plan.by_name[node].node.op == "Gemm" and {
        plan.by_name[node].call.attr("alpha", 1.0),
        plan.by_name[node].call.attr("beta", 1.0),
    } != {1.0}:
        return []
    own = program.at(node)
    _, taken = greedy(leaves[None].astype(own.machine().dtype), own.machine(), direction)
    return [Tree(tuple(int(k) for k in taken[0]))]


def _error(plan: Plan, point: Mapping[str, Array], node: str, at: tuple[int, ...], value: float) -> float:
    if not np.isfinite(value):
        return float("inf")
    truth = exactly(plan, {k: np.asarray(v, np.float64) for k, v in point.items()}, 200)[node]
    found = np.asarray(truth)[(0, *at)]
    return float(abs(found - rational(value)))
