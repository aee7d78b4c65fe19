"""What the gradient rules are held to: for each operator one small graph, and the checks that fit its kind.

linear    a proof at that shape: for every pair of unit vectors, <A e_i, e_j> from the exact run equals <e_i, A^T e_j>
          from the gradient rule, as rationals.
bilinear  polynomial identity testing: (f(x+v) - f(x-v)) / 2 is the derivative along v of a polynomial of degree 2; at
          whole numbers drawn from 2^13 both sides are equal as rationals.  Were the rule another polynomial, a trial
          would find it with probability 1 - 3/2^13 (Schwartz 1980, Zippel 1979); there are three.
smooth    SymPy differentiates what the operator's own real rule computes of symbols; compared at points.
all       central differences; <u, J v> = <J^T u, v>; and the gradient as a graph equals the gradient in numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import prod
from typing import Any

import numpy as np

from workbench.autodiff.graphs import gradient_graph
from workbench.graph import Array, Graph
from workbench.nn import functional as F
from workbench.nn.tracing import trace
from workbench.nn.value import Value
from workbench.op import RULES, UnsupportedOperator
from workbench.semantics import exact, gradient, real
from workbench.semantics.exact import rationals
from workbench.semantics.plan import plan_of
from workbench.tables import Table

TRIALS, WHOLE = 3, 1 << 12
PRECISION = 200  # bits, where the exact run needs balls


@dataclass(frozen=True)
class Case:
    """One operator: a function that uses it, shapes of its arguments, its kind, and where its arguments lie."""

    op: str
    function: Callable[..., Value]
    shapes: tuple[tuple[int, ...], ...]
    kind: str
    low: float = -2.0
    high: float = 2.0
    kinks: str = ""

    @property
    def graph(self) -> Graph:
        """The function as a graph, in float64."""
        return trace(self.function, *self.shapes, dtype="float64").graph

    def points(self, rng: np.random.Generator, graph: Graph, count: int = 1) -> dict[str, Array]:
        """Random arguments."""
        return {n: rng.uniform(self.low, self.high, (count, *graph[n].shape)) for n in graph.inputs}


def _op(name: str, **attrs: Any) -> Callable[..., Value]:
    return lambda *xs: xs[0].trace.emit(name, list(xs), attrs)


def _of(name: str, *constants: Any, **attrs: Any) -> Callable[..., Value]:
    def build(x: Value) -> Value:
        held = [None if c is None else x.trace.constant(np.asarray(c)) for c in constants]
        return x.trace.emit(name, [x, *held], attrs)

    return build


SQUARE = {"kernel_shape": (2, 2), "strides": (1, 2), "pads": (0, 1, 1, 0)}
STATISTICS = (np.array([1.5, -2.0]), np.array([0.5, 1.0]), np.array([0.25, -1.0]), np.array([0.75, 2.0]))
I64 = np.int64
CASES = (
    Case("Add", _op("Add"), ((2, 3), (3,)), "linear"),
    Case("Sub", _op("Sub"), ((2, 1), (2, 3)), "linear"),
    Case("Neg", _op("Neg"), ((4,),), "linear"),
    Case("Identity", _op("Identity"), ((3,),), "linear"),
    Case("Dropout", _op("Dropout"), ((3,),), "linear"),
    Case("Cast", _op("Cast", to="float64"), ((3,),), "linear"),
    Case("ReduceSum", _of("ReduceSum", np.array([1], I64), keepdims=0), ((2, 3),), "linear"),
    Case("ReduceMean", _of("ReduceMean", np.array([0], I64)), ((2, 3),), "linear"),
    Case("Reshape", lambda x: x.reshape(3, 2), ((2, 3),), "linear"),
    Case("Flatten", _op("Flatten", axis=1), ((2, 3),), "linear"),
    Case("Squeeze", _of("Squeeze", np.array([1], I64)), ((2, 1, 2),), "linear"),
    Case("Unsqueeze", _of("Unsqueeze", np.array([0], I64)), ((3,),), "linear"),
    Case("Transpose", _op("Transpose", perm=(2, 0, 1)), ((2, 3, 2),), "linear"),
    Case("Concat", _op("Concat", axis=1), ((2, 1), (2, 3)), "linear"),
    Case("Slice", lambda x: x[1:, :2], ((3, 3),), "linear"),
    Case("Split", _of("Split", np.array([1, 2], I64), axis=1, index=1, num_outputs=2), ((2, 3),), "linear"),
    Case("Gather", _of("Gather", np.array([2, 0, 2], I64), axis=0), ((3, 2),), "linear"),
    Case("Expand", _of("Expand", np.array([2, 3], I64)), ((1, 3),), "linear"),
    Case("Where", lambda a, b: F.where(np.array([True, False, True]), a, b), ((3,), (3,)), "linear"),
    Case("Pad", _of("Pad", np.array([0, 1, 2, 0], I64)), ((2, 2),), "linear"),
    Case("AveragePool", _of("AveragePool", kernel_shape=(2, 2), strides=(1, 1)), ((1, 2, 3, 3),), "linear"),
    Case("GlobalAveragePool", _op("GlobalAveragePool"), ((1, 2, 2, 4),), "linear"),
    Case("Mul", _op("Mul"), ((2, 3), (2, 1)), "bilinear"),
    Case("MatMul", _op("MatMul"), ((2, 2, 3), (3, 2)), "bilinear"),
    Case("Gemm", _op("Gemm", transA=1, transB=1, alpha=0.5, beta=2.0), ((3, 2), (2, 3), (2,)), "bilinear"),
    Case("Conv", _op("Conv", group=2, **SQUARE), ((2, 4, 3, 4), (2, 2, 2, 2), (2,)), "bilinear"),
    Case("ConvTranspose", _op("ConvTranspose", **SQUARE), ((1, 2, 3, 3), (2, 1, 2, 2), (1,)), "bilinear"),
    Case("Div", _op("Div"), ((2, 2), (2,)), "smooth", 0.5),
    Case("Reciprocal", _op("Reciprocal"), ((3,),), "smooth", 0.5),
    Case("Exp", _op("Exp"), ((3,),), "smooth"),
    Case("Log", _op("Log"), ((3,),), "smooth", 0.2),
    Case("Sqrt", _op("Sqrt"), ((3,),), "smooth", 0.2),
    Case("Sin", _op("Sin"), ((3,),), "smooth"),
    Case("Cos", _op("Cos"), ((3,),), "smooth"),
    Case("Tanh", _op("Tanh"), ((3,),), "smooth"),
    Case("Sigmoid", _op("Sigmoid"), ((3,),), "smooth"),
    Case("Pow", lambda x: x**2.5, ((3,),), "smooth", 0.2),
    Case("Softplus", _op("Softplus"), ((3,),), "smooth"),
    Case("Erf", _op("Erf"), ((3,),), "smooth"),
    Case("Gelu", _op("Gelu"), ((3,),), "smooth"),
    Case("Swish", _op("Swish"), ((3,),), "smooth"),
    Case("Mish", _op("Mish"), ((3,),), "smooth"),
    Case("Softmax", _op("Softmax", axis=1), ((2, 3),), "smooth"),
    Case("LayerNormalization", _op("LayerNormalization", axis=1), ((2, 3), (3,), (3,)), "smooth"),
    Case("BatchNormalization", _of("BatchNormalization", *STATISTICS), ((2, 2, 2),), "smooth"),
    Case("Relu", _op("Relu"), ((4,),), "kinked", kinks="0 at 0"),
    Case("LeakyRelu", _op("LeakyRelu", alpha=0.125), ((4,),), "kinked", kinks="alpha at 0"),
    Case("Abs", _op("Abs"), ((4,),), "kinked", kinks="0 at 0"),
    Case("DynamicQuantizeLinear", _op("DynamicQuantizeLinear"), ((), ()), "kinked", kinks="0 at 0"),
    Case("Sign", _op("Sign"), ((4,),), "kinked", kinks="0 everywhere"),
    Case("Elu", _op("Elu", alpha=0.5), ((4,),), "kinked", kinks="alpha at 0"),
    Case("Selu", _op("Selu"), ((4,),), "kinked", kinks="gamma alpha at 0"),
    Case("Celu", _op("Celu", alpha=0.5), ((4,),), "kinked", kinks="1 at 0: smooth"),
    Case("HardSigmoid", _op("HardSigmoid", alpha=0.25, beta=0.5), ((4,),), "kinked", kinks="0 at both kinks"),
    Case("HardSwish", _op("HardSwish"), ((4,),), "kinked", kinks="0 at -3, 3/2 at 3"),
    Case("Max", _op("Max"), ((3,), (3,)), "kinked", kinks="a tie: the first operand takes all"),
    Case("Min", _op("Min"), ((3,), (3,)), "kinked", kinks="a tie: the first operand takes all"),
    Case("Clip", _of("Clip", -1.0, 1.0), ((5,),), "kinked", kinks="0 at both ends"),
    Case("ReduceMax", _of("ReduceMax", np.array([1], I64)), ((2, 3),), "kinked", kinks="a tie: the first takes all"),
    Case("MaxPool", _op("MaxPool", kernel_shape=(2, 2)), ((1, 1, 3, 3),), "kinked", kinks="a tie: the first takes all"),
)  # fmt: skip


@dataclass(frozen=True)
class Row:
    """What was found of one operator: `proof` in words, the largest relative differences, and what failed."""

    op: str
    kind: str
    proof: str
    differences: float
    as_graph: bool
    kinks: str
    failed: tuple[str, ...]


def judged(case: Case, seed: int = 0) -> Row:
    """Every check that fits one operator."""
    rng, graph = np.random.default_rng([seed, len(case.op)]), case.graph
    failed, proof = [], "differences"
    if case.kind == "linear":
        good, pairs = adjoint_identity(graph)
        proof = f"adjoint, all {pairs} pairs of unit vectors"
    elif case.kind == "bilinear":
        good = all(identity_tested(graph, rng) for _ in range(TRIALS))
        proof = f"identity test, error below {float(Fraction(3, 2 * WHOLE) ** TRIALS):.0e}"
    elif case.kind == "smooth":
        found = symbolic(case, graph, rng)
        good, proof = (
            found is not False,
            "SymPy" if found is not None else "differences (SymPy is not installed)",
        )
    else:
        good = True
    if not good:
        failed.append(proof)
    apart = differences(case, graph, rng)
    if apart > 1e-6:
        failed.append("central differences")
    as_graph = graph_agrees(case, graph, rng)
    if as_graph is False:
        failed.append("the gradient as a graph")
    return Row(case.op, case.kind, proof, apart, bool(as_graph), case.kinks, tuple(failed))


def _matrix(graph: Graph, values: Mapping[str, Array]) -> dict[str, Array]:
    """The Jacobian by every input, ``(outputs, inputs)``, from the gradient rules."""
    name, plan = graph.outputs[0], plan_of(graph)
    size = prod(graph[name].shape)
    seeds = np.eye(size).reshape(size, *graph[name].shape)
    grads = gradient.pullback(plan, values, {name: seeds}, np.float64, frozenset(graph.inputs))
    return {
        n: np.broadcast_to(grads.get(n, np.zeros((size, *graph[n].shape))), (size, *graph[n].shape)).reshape(
            size, -1
        )
        for n in graph.inputs
    }


def adjoint_identity(graph: Graph) -> tuple[bool, int]:
    """Whether the gradient rule is the exact map's adjoint, and how many pairs were compared."""
    plan, name = plan_of(graph), graph.outputs[0]
    zero = {n: np.zeros((1, *graph[n].shape)) for n in graph.inputs}
    values = real.run(plan, zero, np.float64)
    rows = _matrix(graph, values)
    good, pairs = True, 0
    start = exact.run(plan, zero, PRECISION)[name]
    for n in graph.inputs:
        for i in range(prod(graph[n].shape)):
            unit = {k: v.copy() for k, v in zero.items()}
            unit[n].reshape(-1)[i] = 1.0
            image = (exact.run(plan, unit, PRECISION)[name] - start).reshape(-1)
            column = rationals(np.ascontiguousarray(rows[n][:, i]))
            good, pairs = good and bool((image == column).all()), pairs + image.size
    return good, pairs


def identity_tested(graph: Graph, rng: np.random.Generator) -> bool:
    """One trial of the identity of two polynomials."""
    plan, name = plan_of(graph), graph.outputs[0]

    def whole(shape: tuple[int, ...]) -> Array:
        return rng.integers(-WHOLE, WHOLE, (1, *shape)).astype(np.float64)

    x, v = ({n: whole(graph[n].shape) for n in graph.inputs} for _ in range(2))
    u = whole(graph[name].shape)
    _, grads = gradient.vjp(plan, x, {name: u})
    ahead = exact.run(plan, {n: x[n] + v[n] for n in x}, PRECISION)[name]
    behind = exact.run(plan, {n: x[n] - v[n] for n in x}, PRECISION)[name]
    left = ((ahead - behind) * rationals(u)).sum()
    right = sum((rationals(grads[n]) * rationals(v[n])).sum() for n in x)
    return bool(left == 2 * right)


def symbolic(case: Case, graph: Graph, rng: np.random.Generator) -> bool | None:
    """Whether SymPy's derivatives are the rule's, at random points; None where there is no SymPy."""
    try:
        from workbench.autodiff.symbols import jacobian
    except ImportError:
        return None
    points = case.points(rng, graph)
    values = real.run(plan_of(graph), points, np.float64)
    ours = _matrix(graph, values)
    theirs = jacobian(graph, points)
    return all(_close(ours[n], theirs[n], 1e-12) for n in graph.inputs)


def differences(case: Case, graph: Graph, rng: np.random.Generator) -> float:
    """The largest difference to central differences, and of <u, J v> to <J^T u, v>, relative to the largest slope."""
    plan, name, step = plan_of(graph), graph.outputs[0], 1e-6
    x = case.points(rng, graph)
    rows, worst = _matrix(graph, real.run(plan, x, np.float64)), 0.0
    scale = max(1.0, *(float(np.abs(m).max(initial=0)) for m in rows.values()))
    for n in graph.inputs:
        for i in range(x[n].size):
            ends = []
            for sign in (1, -1):
                moved = {k: v.copy() for k, v in x.items()}
                moved[n].reshape(-1)[i] += sign * step
                ends.append(real.run(plan, moved, np.float64)[name].reshape(-1))
            worst = max(worst, float(np.abs((ends[0] - ends[1]) / (2 * step) - rows[n][:, i]).max(initial=0)))
    return worst / scale


def graph_agrees(case: Case, graph: Graph, rng: np.random.Generator) -> bool | None:
    """Whether the gradient as a graph gives the rule's numbers; None where there is no such graph."""
    name = graph.outputs[0]
    found = True
    for by in graph.inputs:
        try:
            twice = gradient_graph(graph, [by], seeded=True)
        except UnsupportedOperator:
            return None
        x = case.points(rng, graph)
        u = rng.normal(size=(1, *graph[name].shape))
        _, grads = gradient.vjp(plan_of(graph), x, {name: u})
        (seed,) = [n for n in twice.inputs if n not in graph.inputs]
        ours = real.run(plan_of(twice), {**x, seed: u}, np.float64)[twice.outputs[0]]
        found = found and _close(ours, grads.get(by, np.zeros_like(ours)), 1e-12)
    return found


def _close(a: Array, b: Array, tolerance: float) -> bool:
    return bool((np.abs(a - b) <= tolerance * max(1.0, float(np.abs(b).max(initial=0)))).all())


# steps, whose gradient is 0 wherever there is one; and what is computed when a file is read
NOT_DIFFERENTIATED = frozenset(
    {"QuantizeLinear", "DequantizeLinear", "QLinearConv", "QLinearMatMul", "ConvInteger", "MatMulInteger"}
) | {"Shape", "ConstantOfShape", "Equal"}


def untested() -> set[str]:
    """Operators with a gradient rule that no case uses, though they could."""
    return {op for op, meaning in RULES if meaning == "gradient"} - {c.op for c in CASES} - NOT_DIFFERENTIATED


def table(rows: list[Row]) -> Table:
    """The result for people."""
    cells = [("operator", "kind", "checked by", "central differences", "as a graph", "where not smooth")]
    for r in rows:
        last = f"FAILED: {'; '.join(r.failed)}" if r.failed else r.kinks or ""
        cells.append((r.op, r.kind, r.proof, f"{r.differences:.0e}", "yes" if r.as_graph else "no", last))
    return Table(
        "gradient rules", cells, f"{len(rows)} operators, {sum(bool(r.failed) for r in rows)} failed", words=6
    )
