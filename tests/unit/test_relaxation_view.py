"""One operator's lines with any slopes, the exact pieces of a small network, and the view that shows both."""

from __future__ import annotations

import json
from fractions import Fraction

import flint
import numpy as np
import pytest

import workbench as wb
from workbench.graph import GraphError
from workbench.methods import reach
from workbench.methods.lines import Operator, Plane, curve, operators, relax, room
from workbench.region import Region
from workbench.semantics import exact
from workbench.views.relaxationexplorer import RelaxationExplorer, relaxation_explorer

OPERATORS = {o.key: o for o in operators()}


def test_every_operator_with_lines_of_its_own_can_be_explored() -> None:
    assert {
        "relu",
        "leakyrelu",
        "abs",
        "sigmoid",
        "tanh",
        "exp",
        "log",
        "sqrt",
        "sin",
        "cos",
        "square",
        "clip",
    } <= set(OPERATORS)
    assert {key for key, o in OPERATORS.items() if o.arity == 2} >= {"mul", "div", "max", "min"}
    assert not {"add", "neg", "identity", "softmax", "gemm"} & set(OPERATORS)


def _exact(op: Operator, points: np.ndarray) -> list[tuple[Fraction, Fraction]]:
    """The operator's values at float points ``(N, arity)``, enclosed in rationals."""
    inputs = {name: points[:, k : k + 1] for k, name in enumerate(op.plan.graph.inputs)}
    found = []
    for value in exact.run(op.plan, inputs)["out"].reshape(-1):
        if isinstance(value, flint.fmpq):
            found.append((Fraction(int(value.p), int(value.q)),) * 2)
        else:
            ends = (flint.fmpq(*_pair(flint.arb(end))) for end in (value.lower(), value.upper()))
            low, high = (Fraction(int(e.p), int(e.q)) for e in ends)
            found.append((low, high))
    return found


def _pair(end: flint.arb) -> tuple[flint.fmpz, flint.fmpz]:
    mantissa, exponent = end.mid().man_exp()
    return (
        (mantissa * flint.fmpz(2) ** int(exponent), flint.fmpz(1))
        if exponent >= 0
        else (mantissa, flint.fmpz(2) ** int(-exponent))
    )


def _height(plane: Plane, point: np.ndarray) -> Fraction:
    return Fraction(plane.offset) + sum(
        (Fraction(s) * Fraction(v) for s, v in zip(plane.slopes, point.tolist(), strict=True)), Fraction(0)
    )


@pytest.mark.parametrize("key", OPERATORS)
def test_lines_of_any_slope_hold_exactly(key: str) -> None:
    """Against the operator's exact values (rationals, or balls of 200 bits) at random points, ends and kinks."""
    op = OPERATORS[key]
    rng = np.random.default_rng(sum(map(ord, key)))
    for _ in range(3):
        low = np.array([a + (b - a) * rng.uniform(0, 0.5) for a, b in op.box])
        high = np.array([l + (b - l) * rng.uniform(0.05, 1) for l, (_, b) in zip(low, op.box, strict=True)])
        slopes = [tuple(rng.normal(0, 1, op.arity)) for _ in range(2)]
        picture = relax(op, tuple(low), tuple(high), *slopes)
        t = np.concatenate(
            [rng.uniform(0, 1, (24, op.arity)), np.zeros((1, op.arity)), np.ones((1, op.arity))]
        )
        points = np.clip(low + t * (high - low), low, high)
        inside = [e for e in op.edges if (low < e).all() and (e < high).all()]
        points = np.concatenate([points, np.array([[e] * op.arity for e in inside]).reshape(-1, op.arity)])
        for point, (least, most) in zip(points, _exact(op, points), strict=True):
            for below in (picture.lower, picture.best_lower):
                assert below is not None
                assert _height(below, point) <= most
            for above in (picture.upper, picture.best_upper):
                assert above is not None
                assert _height(above, point) >= least


def test_a_chosen_slope_costs_little_against_the_rules_own_proof() -> None:
    for key, op in OPERATORS.items():
        low, high = (tuple(end[k] for end in op.box) for k in (0, 1))
        best = relax(op, low, high)
        assert best.best_lower is not None
        assert best.best_upper is not None
        again = relax(op, low, high, best.best_lower.slopes, best.best_upper.slopes)
        own, rule = room(again.lower, again.upper, low, high), room(best.lower, best.upper, low, high)
        assert own is not None
        assert rule is not None
        assert own <= rule * (1.02 if key in ("max", "min") else 1.002) + 1e-6, key


def test_where_there_is_no_line_there_is_none() -> None:
    found = relax(OPERATORS["log"], (-1.0,), (2.0,), (1.0,), None)
    assert found.lower is None
    assert room(found.lower, found.upper, (-1.0,), (2.0,)) is None
    assert all(x > 0 for x, _ in curve(OPERATORS["log"], -1.0, 2.0))
    with pytest.raises(ValueError, match="finite ends"):
        relax(OPERATORS["relu"], (2.0,), (1.0,))
    with pytest.raises(ValueError, match="finite slope"):
        relax(OPERATORS["relu"], (-1.0,), (1.0,), (float("nan"),))
    point = relax(OPERATORS["relu"], (0.5,), (0.5,), (0.3,), (0.9,))
    assert room(point.lower, point.upper, (0.5,), (0.5,)) == 0


# ---- a small network


@pytest.fixture(scope="module")
def toy() -> wb.Model:
    return wb.examples.toy()


@pytest.mark.parametrize(
    ("center", "half"), [((0.5, 0.25), 0.6), ((0.1, -0.2), 1.0), ((0, 0), 0.5), ((2, 2), 0.1)]
)
def test_the_pieces_tile_the_rectangle_and_are_affine(
    toy: wb.Model, center: tuple[float, float], half: float
) -> None:
    low, high = ([c + sign * half for c in center] for sign in (-1, 1))
    found = reach.pieces(toy.plan, low, high)
    assert sum(reach.area(c.inputs) for c in found.cells) == pytest.approx((2 * half) ** 2)
    assert len({c.signs for c in found.cells}) == len(found.cells)
    assert found.neurons == (("relu_1", 0), ("relu_1", 1), ("relu_1", 2))
    rng = np.random.default_rng(1)
    for cell in found.cells:
        mix = rng.dirichlet(np.ones(len(cell.inputs)))
        x, y = (np.array(points) for points in (cell.inputs, cell.outputs))
        ran = np.asarray(toy.run((mix @ x)[None].astype(np.float32)), float).ravel()
        np.testing.assert_allclose(mix @ y, ran, atol=1e-5)


def test_polygons_hold_every_output_and_are_in_their_order(toy: wb.Model) -> None:
    low, high = [-0.4, -0.6], [0.9, 0.7]
    region = Region(*(np.array(end).reshape(1, 1, 2) for end in (low, high)))
    points = np.random.default_rng(0).uniform(low, high, (4000, 2))
    outputs = np.asarray(toy.run(points[:, None].astype(np.float64), "binary64")).reshape(-1, 2)
    areas = {}
    for method in ("ibp", "crown", "alpha-crown", "slopes"):
        one = (
            reach.sloped(toy.plan, region, [0.2, 0.7, 0.4])
            if method == "slopes"
            else reach.outer(toy.plan, region, method)
        )
        areas[method] = one.area
        corners = np.array(one.corners)
        edges = np.roll(corners, -1, axis=0) - corners
        away = outputs[:, None] - corners[None]
        assert (edges[None, :, 0] * away[..., 1] - edges[None, :, 1] * away[..., 0] >= -1e-9).all(), method
    outline = reach.hull([p for c in reach.pieces(toy.plan, low, high).cells for p in c.outputs])
    assert reach.area(outline) <= areas["alpha-crown"] <= areas["crown"] <= areas["ibp"]


def test_what_has_no_pieces_is_refused(toy: wb.Model) -> None:
    with pytest.raises(GraphError, match="two inputs"):
        reach.pieces(wb.examples.controller().plan, [0, 0, 0], [1, 1, 1])
    bent = wb.Graph(
        (wb.Node("x", "Input", shape=(1, 2)), wb.Node("y", "Tanh", ("x",), shape=(1, 2))), ("y",), name="bent"
    )
    with pytest.raises(GraphError, match="straight pieces"):
        reach.pieces(wb.Model(bent).plan, [0, 0], [1, 1])
    with pytest.raises(ValueError, match="3 finite slopes"):
        reach.sloped(toy.plan, Region(np.zeros((1, 1, 2)), np.ones((1, 1, 2))), [0.5])


# ---- the view


def test_an_answer_carries_what_it_was_asked_for() -> None:
    view = relaxation_explorer("relu", -2, 1)
    view.ask = {"seq": 7, "op": "tanh", "low": [-1], "high": [2], "lower": [0.1], "upper": None}
    assert (view.shown["seq"], view.shown["op"], view.shown["low"], view.shown["high"]) == (
        7,
        "tanh",
        [-1.0],
        [2.0],
    )
    assert view.shown["lower"]["chosen"]
    assert not view.shown["upper"]["chosen"]
    assert view.lines.lower == Plane(
        tuple(view.shown["lower"]["slopes"]), view.shown["lower"]["offset"], True
    )
    held = dict(view.shown)
    for wrong in (
        {"op": "tanh", "low": [2], "high": [1]},
        {"op": "none"},
        {"op": "mul", "low": [1], "high": [2]},
        {},
    ):
        view.ask = {"seq": 8, **wrong}
        assert "refused" in view.notice
        assert view.shown == held
    json.dumps([view.shown, view.net, view.operators], allow_nan=False)
    assert "Tanh on" in repr(view)


def test_the_networks_methods_arrive_one_after_another() -> None:
    view = relaxation_explorer(pane="network")
    view.net_ask = {"seq": 3, "lower": [0, 0], "upper": [0.5, 0.75], "slopes": [0.5, 0.5, 0.5]}
    quick = {m["key"] for m in view.net["methods"]}
    assert {"ibp", "crown", "slopes"} <= quick
    assert view.net["seq"] == 3
    view.wait()
    assert view.net["left"] == []
    assert {"alpha-crown"} <= {m["key"] for m in view.net["methods"]} - quick
    view.net_ask = {"seq": 4, "lower": [1, 0], "upper": [0, 1]}
    assert "refused" in view.notice


def test_the_selected_neuron_of_a_model_fills_it() -> None:
    model = wb.examples.digits_tanh()
    view = RelaxationExplorer(model)
    model.wait()
    model.selection = ("tanh_1", 5)
    r = model.relaxation("tanh_1", 5)
    assert r is not None
    assert (view.shown["low"], view.shown["high"]) == ([r["l"]], [r["u"]])
    assert view.origin == {"node": "tanh_1", "index": 5, "stale": False}
    assert view.shown["lower"]["slopes"][0] == pytest.approx(r["lower"]["slope"], abs=1e-9)
    model.live = False
    model.eps = 0.01
    assert view.origin["stale"]
    view.selection = {"node": "tanh_2", "index": 1}
    assert model.selection == ("tanh_2", 1)
    view.close()
    with pytest.raises(ValueError, match="no operator"):
        relaxation_explorer("softmax")
