"""Networks run in a named float program: bit for bit what exact rationals, rounded once an operation, give."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from math import floor, inf
from time import process_time
from typing import Any

import numpy as np
import pytest

import workbench.ops  # noqa: F401  (registers the operators)
from networks import relu_network
from workbench.floats.format import (
    BFLOAT16,
    BINARY16,
    BINARY32,
    BINARY64,
    E4M3FN,
    E5M2,
    FORMATS,
    TF32,
    Format,
    flx,
)
from workbench.floats.order import Blocked, Order, Tree, additions, order_of
from workbench.floats.program import PROGRAMS, Semantics
from workbench.floats.rounding import MODES
from workbench.graph import Graph, GraphError, Node
from workbench.semantics import ieee
from workbench.semantics.plan import Plan, infer, plan_of
from workbench.semantics.replay import replay

Array = np.ndarray[Any, Any]


def nearby(q: Fraction, form: Format, mode: str) -> float:
    """q rounded by the definition: the two neighbours are looked at as integers times a spacing."""
    if q == 0:
        return 0.0
    size, exponent = abs(q), 0
    while size >= Fraction(2) ** (exponent + 1):
        exponent += 1
    while size < Fraction(2) ** exponent:
        exponent -= 1
    spacing = Fraction(2) ** (max(exponent, form.emin) - form.precision + 1)
    below = floor(q / spacing)
    rest = q / spacing - below
    if rest == 0:
        k = below
    else:
        tie_up = {"nearest-even": below % 2 == 1, "nearest-away": q > 0}.get(mode, False)
        up = {
            "up": True,
            "down": False,
            "toward-zero": q < 0,
            "to-odd": below % 2 == 0,
        }.get(mode, rest > Fraction(1, 2) or (rest == Fraction(1, 2) and tie_up))
        k = below + up
    found = k * spacing
    if form.largest != inf and abs(found) > Fraction(form.largest):
        away = mode.startswith("nearest") or (mode == "up" and q > 0) or (mode == "down" and q < 0)
        end = (inf if form.infinities else float("nan")) if away else form.largest
        return end if q > 0 else -end
    return float(found)


Scalar = Callable[[Fraction], float]


def summed(order: Order, values: list[float], near: Scalar) -> float:
    """A sum by its definition, written out for each order."""

    def plus(a: float, b: float) -> float:
        return near(Fraction(a) + Fraction(b))

    def run(part: Sequence[float]) -> float:
        total = part[0]
        for v in part[1:]:
            total = plus(total, v)
        return total

    def nested(tree: Any) -> float:
        return values[tree] if isinstance(tree, int) else run([nested(t) for t in tree])

    if isinstance(order, Blocked):
        n = order.size
        return run([run(values[i : i + n]) for i in range(0, len(values), n)])
    if isinstance(order, Tree):
        return nested(order.nested)
    if order == "reversed":
        return run(values[::-1])
    if order == "pairwise":
        while len(values) > 1:
            half = len(values) // 2
            values = [plus(a, b) for a, b in zip(values[:half], values[half:], strict=False)] + values[
                2 * half :
            ]
        return values[0]
    return run(values)


def layer(plan_inputs: Array, w: Array, b: Array, program: Semantics, order: Order) -> Array:
    """relu(x w + b), scalar by scalar."""
    form, mode = program.accumulator, program.mode

    def near(q: Fraction) -> float:
        return nearby(q, form, mode)

    def held(x: Array, into: Format) -> Array:
        return np.vectorize(lambda v: nearby(Fraction(float(v)), into, mode), otypes=[float])(x)

    x, w, b = held(plan_inputs, program.activations), held(w, program.weights), held(b, program.weights)
    out = np.zeros((len(x), w.shape[1]))
    for i, row in enumerate(x.tolist()):
        for j in range(w.shape[1]):
            column = w[:, j].tolist()
            if program.fma == "always":
                total = near(Fraction(row[0]) * Fraction(column[0]))
                for a, c in list(zip(row, column, strict=True))[1:]:
                    total = near(Fraction(a) * Fraction(c) + Fraction(total))
            else:
                total = summed(
                    order, [near(Fraction(a) * Fraction(c)) for a, c in zip(row, column, strict=True)], near
                )
            total = near(Fraction(total) + Fraction(float(b[j])))
            total = nearby(Fraction(total), program.activations, mode)
            out[i, j] = max(total, 0.0)
    return out


def dense(rng: np.random.Generator, k: int = 7, m: int = 3) -> tuple[Plan, dict[str, Array]]:
    w = {"w": rng.normal(size=(k, m)), "b": rng.normal(size=m)}
    nodes = [
        Node("x", "Input", shape=(k,), dtype="float64"),
        Node("h", "MatMul", ("x", "w")),
        Node("a", "Add", ("h", "b")),
        Node("y", "Relu", ("a",)),
    ]
    return plan_of(Graph(infer(nodes, w), ("y",), w)), w


TREE = Tree(((0, (3, 1)), (2, (4, 5, 6))))
ORDERS: tuple[Order, ...] = ("sequential", "reversed", "pairwise", Blocked(3), TREE)
NARROW = (BINARY32, BINARY16, BFLOAT16, TF32, E4M3FN, E5M2)


def programs() -> list[Semantics]:
    found = [Semantics(f.name, f, f, f, mode=mode) for f in NARROW for mode in MODES]
    found += [Semantics("binary64", BINARY64, BINARY64, BINARY64), PROGRAMS["bfloat16"], PROGRAMS["binary16"]]
    found += [
        Semantics("fused", f, f, f, fma="always") for f in (BINARY32, BINARY16, BFLOAT16, E5M2, BINARY64)
    ]
    more = (Format("p1", 1, -20, 20), Format("p17", 17, -30, 40), Format("p40", 40, -100, 100), flx(30))
    found += [Semantics(f.name, f, f, f) for f in more]
    found += [
        Semantics("binary64", BINARY64, BINARY64, BINARY64, mode=mode) for mode in ("up", "down", "to-odd")
    ]
    return found


@pytest.mark.parametrize("program", programs(), ids=lambda p: f"{p.name}-{p.mode}")
def test_every_order_gives_the_bits_of_exact_rationals_rounded_once_an_operation(program: Semantics) -> None:
    rng = np.random.default_rng(hash(program.mode) % 97)
    plan, w = dense(rng)
    # numbers far apart, so that sums are inexact by very little
    points = rng.normal(size=(2, 7)) * 2.0 ** rng.integers(-6, 6, (2, 7))
    for order in ("sequential", "reversed") if program.fma == "always" else ORDERS:
        if program.fma == "always" and order == "reversed":
            continue
        found = ieee.run(plan, {"x": points}, program, order)
        # a mixed program stores every node's result: relu of a sum that was stored, of a product that was stored
        want = (mixed if program.mixed else layer)(points, w["w"], w["b"], program, order)
        assert np.array_equal(np.asarray(found["y"], np.float64), want, equal_nan=True), order


def mixed(points: Array, w: Array, b: Array, program: Semantics, order: Order) -> Array:
    none = np.zeros(w.shape[1])
    first, negative = layer(points, w, none, program, order), layer(points, -w, none, program, order)
    h = np.where(first > 0, first, -negative)
    return np.array(
        [[max(_once(v, c, program), 0.0) for v, c in zip(row, b, strict=True)] for row in h.tolist()]
    )


def _once(v: float, c: float, program: Semantics) -> float:
    bias = nearby(Fraction(c), program.weights, program.mode)
    total = nearby(Fraction(v) + Fraction(bias), program.accumulator, program.mode)
    return nearby(Fraction(total), program.activations, program.mode)


def test_binary32_in_order_is_a_native_loop() -> None:
    rng = np.random.default_rng(5)
    plan = plan_of(relu_network(rng, (30, 20, 4), scale=0.5))
    x = rng.normal(size=(5, 1, 30)).astype(np.float32)
    found = ieee.run(plan, {"x": x}, "binary32", "sequential")
    for step in plan.steps:
        if step.node.op not in ("Gemm", "MatMul"):
            continue
        w = plan.constants[step.operands[1] or ""].astype(np.float32)
        w = w.T if step.call.attr("transB", 0) else w
        a = np.asarray(found[step.operands[0] or ""])[:, 0]
        c = plan.constants[step.operands[2]].astype(np.float32) if len(step.operands) > 2 else None
        for i in range(5):
            for j in range(w.shape[1]):
                total = a[i, 0] * w[0, j]
                for k in range(1, w.shape[0]):
                    total = np.float32(total + np.float32(a[i, k] * w[k, j]))
                total = total if c is None else np.float32(total + c[j])
                assert found[step.node.name][i, 0, j] == total


def test_a_thousand_inputs_through_a_real_size_in_order_are_quick() -> None:
    rng = np.random.default_rng(1)
    plan = plan_of(relu_network(rng, (784, 256, 256, 256, 10), scale=0.05))
    x = rng.random((1000, 1, 784)).astype(np.float32)
    start = process_time()
    found = ieee.run(plan, {"x": x}, "binary32", "sequential")
    assert process_time() - start < 6, "seconds of both cores together"
    alone = ieee.run(plan, {"x": x[7:8]}, "binary32", "sequential")
    assert np.array_equal(found[plan.graph.outputs[0]][7], alone[plan.graph.outputs[0]][0])


def test_an_addition_schedule_is_the_sum_that_it_describes() -> None:
    rng = np.random.default_rng(0)
    for count in (1, 2, 3, 7, 8, 50):
        x = rng.normal(size=count)
        deep: Any = 0
        for k in range(1, count):
            deep = (deep, k)
        for order in ("sequential", "reversed", "pairwise", "random", "adversarial", Blocked(3), Tree(deep)):
            pairs = additions(order, count, np.random.default_rng(3), x)
            assert len(pairs) == count - 1
            used = sorted(k for pair in pairs for k in pair)
            assert used == [k for k in range(2 * count - 1) if k != 2 * count - 2], order
    deep = 0
    for k in range(1, 5000):
        deep = (deep, k)
    assert len(additions(Tree(deep), 5000, rng)) == 4999


def test_orders_that_make_no_sense() -> None:
    assert order_of("blocked(16)") == Blocked(16)
    with pytest.raises(ValueError, match="there is no order 'sideways'"):
        order_of("sideways")
    with pytest.raises(ValueError, match="block of 0"):
        Blocked(0)
    plan, _ = dense(np.random.default_rng(0))
    x = {"x": np.ones((1, 7))}
    with pytest.raises(ValueError, match="not the 7 leaves"):
        ieee.run(plan, x, "binary32", Tree((0, 1)))
    with pytest.raises(ValueError, match="'blas' is NumPy's own"):
        ieee.run(plan, x, Semantics("up", BINARY32, BINARY32, BINARY32, mode="up"), "blas")
    with pytest.raises(ValueError, match="need a running sum"):
        ieee.run(plan, x, Semantics("f", BINARY32, BINARY32, BINARY32, fma="always"), "pairwise")
    with pytest.raises(GraphError, match="'q', which is no node"):
        ieee.run(plan, x, replace(PROGRAMS["binary32"], nodes={"q": PROGRAMS["binary64"]}))
    with pytest.raises(ValueError, match="no rounding mode 'sideways'"):
        Semantics("bad", BINARY32, BINARY32, BINARY32, mode="sideways")  # type: ignore[arg-type]


def test_what_the_program_leaves_open_is_said() -> None:
    plan, _ = dense(np.random.default_rng(0))
    found = ieee.run(plan, {"x": np.ones((1, 7))}, "binary32")
    assert found.order == "sequential"
    assert "open" in found.notes[0]
    same = ieee.run(plan, {"x": np.ones((1, 7))}, "binary32", "sequential")
    assert np.array_equal(found["y"], same["y"])
    assert any("BLAS" in note for note in ieee.run(plan, {"x": np.ones((1, 7))}, "binary32", "blas").notes)


def test_one_node_in_a_program_of_its_own() -> None:
    rng = np.random.default_rng(2)
    plan, w = dense(rng)
    x = {"x": rng.normal(size=(2, 7))}
    narrow = Semantics("e5m2", E5M2, E5M2, E5M2, order="reversed")
    found = ieee.run(plan, x, replace(PROGRAMS["binary32"], nodes={"h": narrow}))
    # its operands are read in its accumulator, its result is an e5m2 number, what follows is binary32
    held = ieee.run(plan, {"x": x["x"].astype(np.float32)}, narrow)
    assert np.array_equal(np.asarray(found["h"], np.float64), held["h"])
    assert found["a"].dtype == np.float32
    assert np.array_equal(found["a"], (found["h"].astype(np.float32) + w["b"].astype(np.float32)))


UNARY = Node("x", "Input", shape=(2,), dtype="float64")


def flags(
    op: str, x: list[float], form: Format, *more: str, weight: list[float] | None = None, **own: Any
) -> set[str]:
    weights = {} if weight is None else {"w": np.array(weight)}
    nodes = [UNARY, Node("y", op, ("x", *more) if weight is None else ("x", "w"))]
    plan = plan_of(Graph(infer(nodes, weights), ("y",), weights))
    program = Semantics("flags", form, form, form, order="sequential", **own)
    return set(ieee.run(plan, {"x": np.array([x])}, program, flags=True).flags["y"])


@pytest.mark.parametrize("form", [BINARY32, BINARY64, BINARY16, BFLOAT16], ids=lambda f: f.name)
def test_flags(form: Format) -> None:
    big, small, ulp = form.largest, form.normal, 2.0 ** (1 - form.precision)
    assert flags("Add", [1.0, 2.0], form, weight=[1.0, 0.5]) == set()
    assert flags("Add", [1.0, 2.0], form, weight=[ulp / 4, 0.5]) == {"inexact"}
    assert flags("Add", [big, 2.0], form, weight=[big, 0.5]) == {"inexact", "overflow"}
    assert flags("Mul", [1 + ulp, 2.0], form, weight=[1 + ulp, 1.0]) == {"inexact"}
    assert flags("Mul", [small, 2.0], form, weight=[0.5, 1.0]) == set(), "tiny, but exact"
    assert flags("Mul", [small * (1 + ulp), 2.0], form, weight=[0.5, 1.0]) == {"inexact", "underflow"}
    assert flags("Mul", [small, 2.0], form, weight=[small, 1.0]) == {"inexact", "underflow"}
    assert flags("Div", [1.0, 2.0], form, weight=[0.0, 1.0]) == {"divide_by_zero"}
    assert flags("Div", [1.0, 2.0], form, weight=[3.0, 1.0]) == {"inexact"}
    assert flags("Div", [0.0, 2.0], form, weight=[0.0, 1.0]) == {"invalid"}
    assert flags("Sqrt", [4.0, 2.25], form) == set()
    assert flags("Sqrt", [2.0, 1.0], form) == {"inexact"}
    assert flags("Sqrt", [-1.0, 1.0], form) == {"invalid"}
    assert flags("Relu", [-1.0, 1.0], form) == set()
    assert flags("Exp", [0.0, 0.0], form) == set()
    assert "overflow" in flags("Exp", [1e4, 0.0], form)
    assert flags("Log", [0.0, 1.0], form) >= {"divide_by_zero"}


def test_flushed_subnormals_and_saturation() -> None:
    weight = {"w": np.array([0.5, 2.0])}
    nodes = [UNARY, Node("y", "Mul", ("x", "w"))]
    plan = plan_of(Graph(infer(nodes, weight), ("y",), weight))
    x = {"x": np.array([[-(2.0**-126), 3e38]])}
    base = Semantics("b", BINARY32, BINARY32, BINARY32)
    assert ieee.run(plan, x, base)["y"].tolist() == [[-(2.0**-127), inf]]
    flushed = ieee.run(plan, x, replace(base, subnormals="flush"))["y"]
    assert flushed[0, 0] == 0
    assert np.signbit(flushed[0, 0])
    assert ieee.run(plan, x, replace(base, overflow="saturate"))["y"][0, 1] == BINARY32.largest


# ---------------------------------------------------------------------- replay


def convolution() -> Plan:
    rng = np.random.default_rng(3)
    w = {"w": rng.normal(size=(2, 2, 2, 2)), "b": rng.normal(size=2)}
    nodes = [
        Node("x", "Input", shape=(1, 2, 3, 3), dtype="float64"),
        Node("c", "Conv", ("x", "w", "b"), {"pads": (1, 0, 0, 1)}),
        Node("t", "ConvTranspose", ("c", "w"), {"strides": (2, 1)}),
        Node("r", "LeakyRelu", ("t",), {"alpha": 0.1}),
        Node("p", "AveragePool", ("r",), {"kernel_shape": (2, 2)}),
        Node("s", "Softmax", ("p",), {"axis": 1}),
        Node("l", "LayerNormalization", ("s", "g")),
        Node("m", "MaxPool", ("l",), {"kernel_shape": (2, 2)}),
        Node("y", "Sigmoid", ("m",)),
    ]
    w["g"] = rng.normal(size=(3,))
    return plan_of(Graph(infer(nodes, w), ("y",), w))


@pytest.mark.parametrize("name", ["binary32", "binary64", "bfloat16", "e4m3", "fused"])
@pytest.mark.parametrize(
    "order", ["sequential", "reversed", "pairwise", "random", "adversarial", "blocked(2)"]
)
def test_a_replay_ends_in_the_bits_of_the_run(name: str, order: str) -> None:
    plan = convolution()
    form = FORMATS["e4m3fn"] if name == "e4m3" else BINARY32
    fused: Any = "always" if name == "fused" else "maybe"
    program = PROGRAMS.get(name, Semantics(name, form, form, form, fma=fused))
    if name == "fused" and order in ("pairwise", "adversarial", "blocked(2)"):
        pytest.skip("fused products need a running sum")
    x = {"x": np.random.default_rng(4).normal(size=(1, 1, 2, 3, 3))}
    values = ieee.run(plan, x, program, order, seed=9)
    for step in plan.steps:
        shape = step.node.shape
        for index in (tuple(0 for _ in shape), tuple(n - 1 for n in shape), tuple(n // 2 for n in shape)):
            found = replay(plan, step.node.name, index, x, program, order, seed=9)
            want = float(values[step.node.name][(0, *index)])
            assert found.value == want or (np.isnan(want) and np.isnan(found.value)), (
                step.node.describe(),
                index,
            )
            for s in found.steps:
                if s.error is not None and s.operation != "cast":
                    assert abs(s.error) <= max(
                        Fraction(abs(s.value)) * Fraction(form.unit) * 2, Fraction(form.eta)
                    ) or name in ("bfloat16", "binary64")


def test_a_replay_tells_every_partial_sum() -> None:
    plan, w = dense(np.random.default_rng(6))
    x = np.random.default_rng(7).normal(size=(1, 7)).astype(np.float32)
    found = replay(plan, "h", (1,), {"x": x}, "binary32", "sequential")
    adds = [s for s in found.steps if s.operation == "add"]
    muls = [s for s in found.steps if s.operation == "mul"]
    assert (len(adds), len(muls)) == (6, 7)
    w32 = w["w"].astype(np.float32)
    ideal = sum((Fraction(float(x[0, k])) * Fraction(float(w32[k, 1])) for k in range(7)), Fraction(0))
    assert adds[-1].ideal == ideal
    errors = [s.error for s in found.steps]
    assert all(e is not None for e in errors)
    assert Fraction(found.value) - ideal == sum((e for e in errors if e is not None), Fraction(0)), (
        "errors of single roundings add up to the whole"
    )
    data = found.data()
    assert data["steps"][-1]["value"] == found.value
    assert Fraction(data["steps"][-1]["ideal"]) == ideal
    with pytest.raises(ValueError, match="cannot be told"):
        replay(plan, "h", (1,), {"x": x}, "binary32", "blas")
    with pytest.raises(GraphError, match=r"no element \[3\]"):
        replay(plan, "h", (3,), {"x": x})
