"""Operators that move, sum or compare elements: each of their meanings against exact rational arithmetic."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import flint
import numpy as np
import pytest

from workbench import ops
from workbench.graph import Array, Graph, GraphError, Node
from workbench.op import RULES, UnsupportedOperator
from workbench.semantics import exact, gradient, real
from workbench.semantics.affine import Linear, Relaxation
from workbench.semantics.interval import Interval, propagate
from workbench.semantics.plan import Plan, infer, plan_of

assert ops.FAMILIES


@dataclass(frozen=True)
class Case:
    """One use of an operator; operands are shapes (live) or arrays (constant)."""

    op: str
    operands: tuple[Any, ...]
    attrs: dict[str, Any] = field(default_factory=dict)
    exact: bool = True  # integer weights and operands give integers without rounding

    def __str__(self) -> str:
        shapes = [list(o) if isinstance(o, tuple) else "c" if o is not None else "-" for o in self.operands]
        return f"{self.op}{shapes}{self.attrs or ''}"

    def plan(self) -> Plan:
        nodes, weights, names = [], {}, []
        for i, o in enumerate(self.operands):
            if o is None:
                names.append("")
                continue
            names.append(f"x{i}")
            if isinstance(o, tuple):
                nodes.append(Node(f"x{i}", "Input", shape=o, dtype="float64"))
            else:
                weights[f"x{i}"] = np.asarray(o)
        nodes.append(Node("y", self.op, tuple(names), self.attrs))
        return plan_of(Graph(infer(nodes, weights), ("y",), weights))


def ints(*values: int) -> Array:
    return np.array(values, np.int64)


R = np.random.default_rng(3)


def whole(*shape: int) -> Array:
    return R.integers(-4, 5, shape).astype(np.float64)


CONV = [
    Case("Conv", ((1, 2, 7), whole(3, 2, 3), whole(3)), {"pads": (1, 1), "strides": (2,)}),
    Case("Conv", ((1, 4, 6, 5), whole(6, 2, 3, 2)), {"group": 2, "pads": (1, 0, 0, 1), "dilations": (2, 1)}),
    Case("Conv", ((2, 2, 5, 5), whole(3, 2, 2, 2), whole(3)), {"auto_pad": "SAME_UPPER", "strides": (2, 2)}),
    Case("Conv", ((1, 2, 5, 6), whole(3, 2, 4, 3)), {"auto_pad": "SAME_LOWER", "strides": (2, 1)}),
    Case("Conv", ((1, 1, 4, 3, 5), whole(2, 1, 2, 3, 2)), {"strides": (1, 2, 3), "pads": (0, 1, 1, 0, 1, 2)}),
    Case("ConvTranspose", ((1, 2, 4), whole(2, 3, 3), whole(3)), {"strides": (2,), "output_padding": (1,)}),
    Case(
        "ConvTranspose",
        ((1, 4, 3, 3), whole(4, 2, 3, 2)),
        {"group": 2, "pads": (1, 0, 1, 1), "dilations": (1, 2)},
    ),
    Case("ConvTranspose", ((1, 1, 3, 3), whole(1, 2, 3, 3)), {"strides": (3, 2), "output_shape": (10, 8)}),
    Case("ConvTranspose", ((1, 1, 3, 4), whole(1, 2, 3, 3)), {"strides": (2, 2), "auto_pad": "SAME_LOWER"}),
]
MOVES = [
    Case("Identity", ((2, 3),)),
    Case("Dropout", ((2, 3),)),
    Case("Cast", ((2, 3),), {"to": "float32"}),
    Case("Reshape", ((2, 3, 4), ints(0, -1))),
    Case("Flatten", ((2, 3, 4),), {"axis": -1}),
    Case("Squeeze", ((1, 3, 1),), {}),
    Case("Squeeze", ((1, 3, 1), ints(-1))),
    Case("Unsqueeze", ((2, 3), ints(0, -1))),
    Case("Transpose", ((2, 3, 4),), {"perm": (2, 0, 1)}),
    Case("Transpose", ((2, 3, 4),)),
    Case("Concat", ((2, 3), whole(2, 1), (2, 2)), {"axis": -1}),
    Case("Split", ((5, 2),), {"axis": 0, "num_outputs": 2, "index": 1}),
    Case("Split", ((5, 2), ints(1, 3, 1)), {"axis": 0, "num_outputs": 3, "index": 1}),
    Case("Slice", ((5, 6), ints(-1, 1), ints(-100, 5), ints(0, 1), ints(-2, 2))),
    Case("Slice", ((5, 6),), {"starts": (1,), "ends": (-1,), "axes": (1,)}),
    Case("Gather", ((4, 3), np.array([[0, -1], [2, 0]])), {"axis": 0}),
    Case("Gather", ((4, 3), np.array(1)), {"axis": 1}),
    Case("Expand", ((3, 1), ints(2, 1, 4))),
    Case("Where", (np.array([[True, False, True]]), (2, 3), (1,))),
    Case("Where", (np.array([True, False, False]), (2, 3), whole(1, 3))),
    Case("Pad", ((3, 4), ints(1, 0, 2, -1), whole())),
    Case("Pad", ((3, 4), ints(1, 0, 2, 2), None), {}),
    Case("Pad", ((3, 4), ints(2, 1, 1, 3)), {"mode": "reflect"}),
    Case("Pad", ((3, 4), ints(1, 2), None, ints(-1)), {"mode": "edge"}),
    Case("Pad", ((3, 4), ints(2, 3), None, ints(1)), {"mode": "wrap"}),
]
SUMS = [
    Case("ReduceSum", ((2, 3, 4), ints(-1)), {"keepdims": 0}),
    Case("ReduceSum", ((2, 3, 4),), {"axes": (0, 2)}),
    Case("ReduceSum", ((2, 3),), {"noop_with_empty_axes": 1}),
    Case("ReduceMean", ((2, 3, 4),), {"axes": (1, 2)}, exact=False),
    Case("ReduceMean", ((2, 3),), {"keepdims": 0}, exact=False),
    Case("GlobalAveragePool", ((1, 2, 3, 3),), exact=False),
    Case(
        "AveragePool",
        ((1, 2, 5, 5),),
        {"kernel_shape": (3, 2), "strides": (2, 1), "pads": (1, 0, 1, 1)},
        exact=False,
    ),
    Case(
        "AveragePool",
        ((1, 1, 6, 5),),
        {
            "kernel_shape": (3, 3),
            "strides": (2, 2),
            "pads": (1, 1, 0, 1),
            "ceil_mode": 1,
            "count_include_pad": 1,
        },
        exact=False,
    ),
    Case(
        "AveragePool", ((1, 1, 7),), {"kernel_shape": (2,), "strides": (3,), "dilations": (2,)}, exact=False
    ),
    Case(
        "BatchNormalization",
        ((2, 3, 2), whole(3), whole(3), whole(3), np.array([0.25, 3.0, 1e-8])),
        {"epsilon": 1e-5},
        exact=False,
    ),
]
LINEAR = CONV + MOVES + SUMS
MAXIMA = [
    Case("MaxPool", ((1, 2, 4, 4),), {"kernel_shape": (2, 2), "strides": (2, 2)}),
    Case("MaxPool", ((1, 1, 5, 4),), {"kernel_shape": (3, 3), "strides": (2, 1), "pads": (1, 1, 1, 1)}),
    Case("MaxPool", ((1, 1, 6),), {"kernel_shape": (2,), "strides": (2,), "dilations": (3,), "ceil_mode": 1}),
    Case("MaxPool", ((1, 1, 5, 5),), {"kernel_shape": (2, 2), "auto_pad": "SAME_LOWER"}),
    Case("ReduceMax", ((2, 3, 4),), {"axes": (0, 2)}),
    Case("ReduceMax", ((2, 3), ints(-1)), {"keepdims": 0}),
]


def integers(plan: Plan, batch: int) -> dict[str, Array]:
    return {n: R.integers(-9, 10, (batch, *plan.graph[n].shape)).astype(float) for n in plan.graph.inputs}


def boxes(plan: Plan, batch: int) -> dict[str, Interval]:
    """Boxes of all sizes: ordinary, huge, tiny, touching zero, and single points."""
    found = {}
    for name in plan.graph.inputs:
        shape = (batch, *plan.graph[name].shape)
        scale = 10.0 ** R.choice([0, 0, 0, 30, -40, -320], (batch, *(1,) * len(shape[1:])))
        centre, radius = R.normal(size=shape) * scale, np.abs(R.normal(size=shape)) * scale
        radius *= R.choice([0, 1e-9, 1], shape)
        lo, hi = centre - radius, centre + radius
        touching = R.random(shape) < 0.1
        found[name] = Interval(
            np.where(touching, np.minimum(lo, 0), lo), np.where(touching, 0 * hi + np.abs(hi), hi)
        )
    return found


def inside(box: Interval) -> Array:
    """A random point of the box, often at its ends."""
    t = R.choice([0.0, 1.0, 0.3, 0.5], box.lo.shape)
    return np.clip(box.lo + t * (box.hi - box.lo), box.lo, box.hi)


def below(bound: Array, value: Any) -> bool:
    """Whether float `bound` <= exact `value` everywhere (balls: not surely above)."""
    pairs = zip(np.broadcast_to(bound, value.shape).ravel().tolist(), value.ravel().tolist(), strict=True)
    return (
        all(b == -np.inf or not exact.rational(b) > v for b, v in pairs if b != np.inf)
        and not np.isnan(bound).any()
    )


@pytest.mark.parametrize("case", LINEAR, ids=str)
def test_linear_map_is_the_operator_and_its_adjoint(case: Case) -> None:
    plan = case.plan()
    step = plan.by_name["y"]
    x = integers(plan, 3)
    zero = [None if o is None else Interval(np.zeros(()), np.zeros(())) for o in step.operands]
    form = RULES[case.op, "affine"](step.call, *zero)
    assert isinstance(form, Linear)
    y = np.zeros((1, *step.node.shape)) if form.bias is None else form.bias
    seed = R.integers(-3, 4, (3, *step.node.shape)).astype(float)
    for name, m in zip(step.operands, form.maps, strict=True):
        if m is None:
            continue
        part, back = m.apply(x[name]), m.adjoint(seed)
        y = y + part
        assert part.shape[1:] == step.node.shape
        assert back.shape == x[name].shape
        if case.exact:
            assert (part * seed).sum() == (back * x[name]).sum()
        else:
            assert np.isclose((part * seed).sum(), (back * x[name]).sum(), rtol=1e-12)
        assert (m.magnitude(np.abs(x[name])) >= np.abs(part) * (1 - 1e-12)).all()
        units = np.eye(step.node.size).reshape(-1, *step.node.shape)
        if m.rows is not None:
            assert np.array_equal(m.rows(np.arange(step.node.size)), m.adjoint(units))
        many = np.concatenate([units] * (1 + 64 // len(units)))  # many sparse rows take another way in Conv
        assert np.array_equal(m.adjoint(many)[: len(units)], m.adjoint(units))
    value = real.run(plan, x)["y"]
    assert np.array_equal(value, y) if case.exact else np.allclose(value, y, rtol=1e-12)
    truth = exact.run(plan, x)["y"]
    assert truth.shape == value.shape
    pairs = zip(truth.ravel(), value.ravel().tolist(), strict=True)
    assert all(abs(flint.arb(a) - b) < 1e-9 * (1 + abs(b)) for a, b in pairs)
    assert all(isinstance(a, flint.fmpq | flint.arb) for a in truth.ravel())


@pytest.mark.parametrize("case", LINEAR + MAXIMA, ids=str)
def test_exact_value_inside_the_interval(case: Case) -> None:
    plan = case.plan()
    box = boxes(plan, 4)
    found = propagate(plan, box)["y"]
    for _ in range(4):
        truth = exact.run(plan, {n: inside(b) for n, b in box.items()})["y"]
        assert below(found.lo, truth)
        assert below(-found.hi, -truth)


@pytest.mark.parametrize("case", MAXIMA, ids=str)
def test_lines_hold_exactly(case: Case) -> None:
    plan = case.plan()
    step = plan.by_name["y"]
    used = set()
    for _ in range(5):
        (box,) = boxes(plan, 4).values()
        form = RULES[case.op, "affine"](step.call, box, *[None for _ in step.operands[1:]])
        assert isinstance(form, Relaxation)
        (unfold,) = form.unfold
        assert unfold is not None
        for _ in range(4):
            x = inside(box)
            truth = exact.run(plan, {"x0": x})["y"]
            terms = exact.rationals(unfold.apply(x))
            for lines, sign in ((form.lower, 1), (form.upper, -1)):
                assert np.isfinite(lines.offset).all()
                slopes = np.broadcast_to(lines.slopes[0], terms.shape)
                line = (exact.rationals(slopes) * terms).sum(axis=-1) + exact.rationals(lines.offset)
                assert all(sign * a <= sign * b for a, b in zip(line.ravel(), truth.ravel(), strict=True))
        # never above the constant, which is the best that can be said at the corner of all upper ends
        windows = unfold.apply(box.hi)
        corner = (form.upper.slopes[0] * windows).sum(axis=-1) + form.upper.offset
        seen = np.broadcast_to(truth_of_top(case, plan, box), corner.shape)
        assert (corner <= seen + 1e-12 * np.abs(seen) + 1e-300).all()
        slopes = form.upper.slopes[0].max(axis=-1)

        used |= {"chord"} if ((slopes > 0) & (slopes < 1)).any() else set()
        used |= {"operand"} if (slopes == 1).any() else set()
    assert used >= {"chord", "operand"}


def truth_of_top(case: Case, plan: Plan, box: Interval) -> Array:
    return real.run(plan, {"x0": box.hi})["y"]


def test_maximum_over_unbounded_operands() -> None:
    plan = Case("MaxPool", ((1, 1, 3),), {"kernel_shape": (2,), "pads": (1, 1)}).plan()
    step, inf = plan.by_name["y"], np.inf
    lo, hi = np.array([[[[-inf, -inf, 1.0]]]]), np.array([[[[2.0, inf, inf]]]])
    form = RULES["MaxPool", "affine"](step.call, Interval(lo, hi))
    assert form.upper.offset.ravel().tolist() == [
        0.0,
        inf,
        inf,
        0.0,
    ]  # the border windows see one element each
    assert form.lower.slopes[0].reshape(4, 2).tolist()[0] == [0.0, 1.0]  # never the padding
    assert not np.isnan(form.upper.slopes[0]).any()
    found = RULES["MaxPool", "interval"](step.call, Interval(lo, hi))
    assert found.lo.ravel().tolist() == [-inf, -inf, 1.0, 1.0]


@pytest.mark.parametrize("case", MAXIMA, ids=str)
def test_gradient_of_a_maximum_goes_to_the_first(case: Case) -> None:
    plan = case.plan()
    (x,) = integers(plan, 3).values()
    seed = R.integers(1, 5, (3, *plan.graph["y"].shape)).astype(float)
    _, grads = gradient.vjp(plan, {"x0": x}, {"y": seed})
    assert grads["x0"].sum() == seed.sum()
    # breaking ties by position makes the function smooth there: finite differences agree
    x = x - np.arange(x[0].size).reshape(x.shape[1:]) * 1e-3
    _, grads = gradient.vjp(plan, {"x0": x}, {"y": seed})
    step = R.normal(size=x.shape)
    ahead = real.run(plan, {"x0": x + 1e-7 * step})["y"]
    behind = real.run(plan, {"x0": x - 1e-7 * step})["y"]
    assert np.isclose((seed * (ahead - behind)).sum() / 2e-7, (grads["x0"] * step).sum(), rtol=1e-5)


@pytest.mark.parametrize(
    ("case", "said"),
    [
        (Case("Reshape", ((2, 3), ints(4, 2))), "does not hold 6 elements"),
        (Case("Reshape", ((2, 3), ints(-1, -1))), "not a shape"),
        (Case("Squeeze", ((2, 3), ints(0))), "length 1"),
        (Case("Unsqueeze", ((2, 3), ints(0, 0))), "do not fit"),
        (Case("Transpose", ((2, 3),), {"perm": (0, 0)}), "not an order"),
        (Case("Concat", ((2, 3), (3, 3)), {"axis": 1}), "y"),
        (Case("Slice", ((4,), ints(0), ints(2), ints(0), ints(0))), "step of 0"),
        (Case("Slice", ((4,), ints(0), ints(2), ints(3))), "do not fit"),
        (Case("Gather", ((4,), ints(4))), "outside axis 0"),
        (Case("Gather", ((4,), (2,))), "must be a constant"),
        (Case("Where", ((2,), (2,), (2,))), "must be a constant"),
        (Case("Expand", ((1,), ints(1 << 40))), "more than this program accepts"),
        (Case("Expand", ((1,), ints(-1))), "cannot be negative"),
        (Case("ConstantOfShape", (ints(1 << 20, 1 << 20),)), "more than this program accepts"),
        (Case("Pad", ((1, 4), ints(0, 1 << 40, 0, 0))), "more than this program accepts"),
        (Case("Pad", ((1, 4), ints(0, 4, 0, 0)), {"mode": "reflect"}), "does not fit"),
        (Case("Split", ((4,), ints(1, 2)), {"axis": 0, "num_outputs": 2}), "do not make up axis 0"),
        (Case("Conv", ((1, 3, 5, 5), whole(2, 2, 3, 3))), "3 channels in 1 groups"),
        (Case("Conv", ((1, 2, 2, 2), whole(2, 2, 3, 3))), "no room"),
        (Case("Conv", ((1, 2, 4, 4), whole(2, 2, 3, 3), whole(3))), "a bias of shape"),
        (Case("Conv", ((1, 2, 4, 4), whole(2, 2, 3, 3)), {"strides": (0, 1)}), "positive"),
        (
            Case("Conv", ((1, 2, 4, 4), whole(2, 2, 3, 3)), {"pads": (1 << 20,) * 4}),
            "more than this program accepts",
        ),
        (
            Case("ConvTranspose", ((1, 1, 4), whole(1, 1, 3)), {"strides": (1 << 40,)}),
            "more than this program accepts",
        ),
        (Case("MaxPool", ((1, 1, 4),)), "how large its window is"),
        (Case("MaxPool", ((1, 1, 4),), {"kernel_shape": (1,), "pads": (3, 0)}), "nothing but padding"),
        (
            Case("BatchNormalization", ((2, 3), whole(2), whole(2), whole(2), whole(2))),
            "one number a channel",
        ),
        (Case("Cast", ((2, 3),), {"to": "int64"}), "only float types"),
        (Case("ReduceMax", ((2, 3), ints(2))), "do not fit"),
    ],
    ids=str,
)
def test_what_cannot_be_is_refused_with_the_node_named(case: Case, said: str) -> None:
    with pytest.raises(GraphError, match="'y'") as caught:
        case.plan()
    assert said in str(caught.value)


@pytest.mark.parametrize("variance", [-1.0, 1e300])
def test_batchnorm_outside_float64_is_refused(variance: float) -> None:
    case = Case("BatchNormalization", ((1, 1), np.array([1e-200]), whole(1), whole(1), np.array([variance])))
    plan = case.plan()
    with pytest.raises(GraphError, match="'y'"):
        propagate(plan, {"x0": Interval(np.zeros((1, 1, 1)), np.ones((1, 1, 1)))})


def test_a_kernel_that_depends_on_the_input_has_no_bounds() -> None:
    plan = Case("Conv", ((1, 1, 4), (1, 1, 3))).plan()
    box = {
        n: Interval(np.zeros((1, *plan.graph[n].shape)), np.ones((1, *plan.graph[n].shape)))
        for n in ("x0", "x1")
    }
    with pytest.raises(UnsupportedOperator, match="'y'"):
        propagate(plan, box)
