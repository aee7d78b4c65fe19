"""Rows on few elements: cut walks say what whole walks say, tiles are the convolution, and all of it stays true."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

import workbench.ops  # noqa: F401
from tests.networks import relu_network
from workbench.graph import Array, Graph, Node
from workbench.methods import crown as method
from workbench.methods.crown import crown
from workbench.region import Region
from workbench.semantics import compact, exact, matrices
from workbench.semantics.affine import Relaxation, describe
from workbench.semantics.backward import Units, backward
from workbench.semantics.compact import Rows, Sets
from workbench.semantics.interval import Interval
from workbench.semantics.matrices import tiles_of
from workbench.semantics.plan import Plan, infer, plan_of
from workbench.semantics.prepared import Prepared, prepare


def network(nodes: Sequence[Node], outputs: tuple[str, ...], weights: dict[str, Array]) -> Plan:
    return plan_of(Graph(infer(nodes, weights), outputs, weights))


def residual(seed: int) -> Plan:
    """Convolutions with strides, padding and a shortcut, relus, and a dense end."""
    rng = np.random.default_rng(seed)
    weights = {
        "k0": rng.normal(size=(4, 2, 3, 3)),
        "k1": rng.normal(size=(6, 4, 3, 3)),
        "k2": rng.normal(size=(6, 6, 3, 3)),
        "k3": rng.normal(size=(6, 4, 1, 1)),
        "b0": rng.normal(size=4) - 1,
        "b1": rng.normal(size=6) - 2,
        "d": rng.normal(size=(96, 3)),
    }
    weights = {k: (v * (0.3 if k[0] == "k" else 1)).astype(np.float32) for k, v in weights.items()}
    same = {"pads": (1, 1, 1, 1)}
    nodes = [
        Node("x", "Input", shape=(1, 2, 8, 8), dtype="float32"),
        Node("c0", "Conv", ("x", "k0", "b0"), same),
        Node("r0", "Relu", ("c0",)),
        Node("c1", "Conv", ("r0", "k1", "b1"), {**same, "strides": (2, 2)}),
        Node("r1", "Relu", ("c1",)),
        Node("c2", "Conv", ("r1", "k2"), same),
        Node("c3", "Conv", ("r0", "k3"), {"strides": (2, 2)}),
        Node("s", "Add", ("c2", "c3")),
        Node("r2", "Relu", ("s",)),
        Node("f", "Flatten", ("r2",)),
        Node("y", "MatMul", ("f", "d")),
    ]
    return network(nodes, ("y",), weights)


def around(plan: Plan, seed: int, radius: float, count: int = 1) -> dict[str, Region]:
    name = plan.graph.inputs[0]
    centre = np.random.default_rng(seed).normal(size=(count, *plan.graph[name].shape))
    return {name: Region(centre - radius, centre + radius)}


@pytest.mark.parametrize("radius", [0.02, 0.2])
def test_cut_walks_find_what_whole_walks_find(radius: float, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = residual(0)
    regions = around(plan, 1, radius, 2)
    cut = crown(plan, regions, neurons="all")
    assert any(key[0] == "tiles" for key in plan.memo if isinstance(key, tuple))
    monkeypatch.setattr(compact, "FEWER", -1.0)  # nothing is left out
    monkeypatch.setattr(matrices, "LARGEST", 0)  # no matrices, no tiles: adjoints
    whole = crown(residual(0), regions, neurons="all")
    for name, bounds in cut.items():
        for a, b in ((bounds.lo, whole[name].lo), (bounds.hi, whole[name].hi)):
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9, err_msg=name)


def test_no_exact_value_of_a_convolutional_network_lies_outside() -> None:
    for seed, radius in ((0, 0.0), (1, 1e-12), (2, 0.1)):
        plan = residual(seed)
        regions = around(plan, seed, radius)
        found = crown(plan, regions)
        region = regions["x"]
        values = exact.run(plan, {"x": np.concatenate([region.lower, region.upper])})
        for name, held in found.items():
            for v, lo, hi in zip(
                values[name].reshape(2, -1).T, held.lo.ravel(), held.hi.ravel(), strict=True
            ):
                assert all(exact.rational(lo) <= x <= exact.rational(hi) for x in v), (seed, name)


@pytest.mark.parametrize(
    ("shape", "kernel", "attrs"),
    [
        ((1, 2, 9, 7), (4, 2, 3, 3), {"strides": (2, 1), "pads": (1, 0, 1, 2)}),
        ((1, 4, 8, 8), (6, 2, 4, 3), {"group": 2, "dilations": (2, 1), "pads": (1, 1, 1, 1)}),
        ((2, 1, 11), (3, 1, 5), {"strides": (3,), "pads": (2, 2)}),
        ((1, 1, 12, 9), (2, 1, 1, 1), {"strides": (3, 3)}),
        ((1, 1, 3, 4, 5), (2, 1, 2, 2, 3), {"strides": (1, 2, 1)}),
        ((1, 1, 17), (2, 1, 3), {"strides": (4,)}),  # no window reads the last tile
    ],
)
def test_tiles_put_together_are_the_convolution(
    shape: tuple[int, ...], kernel: tuple[int, ...], attrs: dict[str, object]
) -> None:
    w = np.random.default_rng(0).normal(size=kernel)
    nodes = [Node("x", "Input", shape=shape, dtype="float64"), Node("y", "Conv", ("x", "w"), attrs)]  # type: ignore[arg-type]
    plan = network(nodes, ("y",), {"w": w})
    (step,) = plan.steps
    form = crown(plan, around(plan, 0, 1.0)).forms["y"]
    m = form.maps[0]  # type: ignore[union-attr]
    assert m is not None and m.tiles is not None
    n = step.node.size
    matrix = m.adjoint(np.eye(n).reshape(n, *step.node.shape)).reshape(n, -1)
    pairs = m.tiles()
    whole = np.concatenate([a for a, _ in pairs])
    assert sorted(whole.tolist()) == list(range(matrix.shape[1]))
    found = np.zeros_like(matrix)
    for columns, rows, part in tiles_of(plan, step, 0, m) or ():
        found[np.ix_(rows, columns)] += part
    np.testing.assert_array_equal(found, matrix)
    assert len(pairs) > 1


def test_rows_of_two_sets_are_added_where_they_belong() -> None:
    rng = np.random.default_rng(0)
    plan = residual(0)
    for _ in range(40):
        sets, n = Sets(plan, {}, {}), 12
        rows = []
        for _ in range(2):
            index = None if rng.random() < 0.2 else rng.permutation(n)[: rng.integers(0, n + 1)]
            rows.append(Rows(rng.normal(size=(2, 3, n if index is None else index.size)), index))
        want = sum(compact.scattered(r, n) for r in rows)
        first, second = (np.arange(n) if r.index is None else r.index for r in rows)
        merged, both = sets.merge(*[Rows(r.values.copy(), r.index) for r in rows])
        np.testing.assert_allclose(compact.scattered(merged, n), want)
        index = np.arange(n) if merged.index is None else merged.index
        assert set(index[both].tolist()) >= set(first.tolist()) & set(second.tolist())


def attention(seed: int, spread: float) -> Plan:
    """Three keys of four features: softmax of scores times values, and a linear end."""
    rng = np.random.default_rng(seed)
    weights = {name: (rng.normal(size=(4, 4)) * spread).astype(np.float32) for name in "qkv"}
    weights["w"] = rng.normal(size=(4, 2)).astype(np.float32) * 100
    nodes = [
        Node("x", "Input", shape=(3, 4), dtype="float32"),
        *(Node(f"p{name}", "MatMul", ("x", name)) for name in "qkv"),
        Node("t", "Transpose", ("pk",), {"perm": (1, 0)}),
        Node("s", "MatMul", ("pq", "t")),
        Node("a", "Softmax", ("s",), {"axis": -1}),
        Node("h", "MatMul", ("a", "pv")),
        Node("y", "MatMul", ("h", "w")),
    ]
    return network(nodes, ("y",), weights)


@pytest.mark.parametrize("spread", [0.3, 2.0])
def test_no_exact_value_of_attention_lies_outside(spread: float) -> None:
    """The coefficients of weights that sum to 1 are shifted: the shift's rounding is charged."""
    for seed in range(4):
        plan = attention(seed, spread)
        regions = around(plan, seed, (0.0, 1e-13, 1e-3, 0.3)[seed])
        region = regions["x"]
        found = crown(plan, regions)
        values = exact.run(plan, {"x": np.concatenate([region.lower, region.upper])}, 400)
        for name in ("a", "h", "y"):
            for v, lo, hi in zip(
                values[name].reshape(2, -1).T, found[name].lo.ravel(), found[name].hi.ravel(), strict=True
            ):
                for x in v:
                    assert not x < exact.rational(float(lo)), (seed, name)
                    assert not x > exact.rational(float(hi)), (seed, name)


def test_a_common_number_in_the_values_of_attention_costs_nothing() -> None:
    """Weights sum to 1: values moved by 1000 move the result by 1000, and its bounds as well."""
    plan = attention(1, 0.5)
    moved = dict(plan.graph.weights)
    nodes = [*plan.graph.nodes]
    at = next(i for i, n in enumerate(nodes) if n.name == "h")
    moved["big"] = np.full((3, 4), 1000.0, np.float32)
    nodes[at] = Node("h", "MatMul", ("a", "pw"))
    nodes.insert(at, Node("pw", "Add", ("pv", "big")))
    other = network(nodes, ("y",), moved)
    regions = around(plan, 1, 0.05)
    widths = [crown(p, regions)["h"].width.mean() for p in (plan, other)]
    assert widths[1] < widths[0] * (1 + 1e-6)


def test_regions_of_a_batch_are_cut_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """One after another or together: the same bounds, and twins only for regions whose choice flips."""
    plan = residual(3)
    regions = around(plan, 2, 0.05, 3)
    together = crown(plan, regions)["y"]
    monkeypatch.setattr(method, "ALONE", 0)
    monkeypatch.setattr(method, "HELD", 0)
    alone = crown(plan, regions)["y"]
    for k in range(3):
        one = crown(plan, {"x": Region(regions["x"].lower[k : k + 1], regions["x"].upper[k : k + 1])})["y"]
        for ends in ((together, alone), (together, one)):
            a, b = ((e.lo[k] if len(e.lo) > 1 else e.lo[0]) for e in ends)
            np.testing.assert_allclose(a, b, rtol=2e-2)
            assert isinstance(ends[1], Interval)


def charged(
    plan: Plan, target: str, rows: Array, prepared: dict[str, Prepared]
) -> tuple[Array, Array, Array]:
    """Coefficients of the input, constant and least debt of a walk on all elements, written down plainly.

    Charged is what is rounded: products of elements whose lines are not both ``y = x``, sums, biases.
    """
    pending, count = {target: rows.reshape(1, len(rows), -1)}, len(rows)
    constant, debt = np.zeros(count), np.zeros(count)
    for step in reversed(plan.steps):
        name = step.node.name
        if name not in pending:
            continue
        a, ready = pending.pop(name)[0], prepared[name]
        pieces: list[tuple[int, Array]] = []
        charge = ready.charge[0]
        if isinstance(ready.form, Relaxation):
            low, high = (x.slopes[0].reshape(-1) for x in (ready.form.lower, ready.form.upper))  # type: ignore[union-attr]
            below, above = (x.offset.reshape(-1) for x in (ready.form.lower, ready.form.upper))
            charge = np.where((low == 1) & (high == 1) & (below == 0) & (above == 0), 0.0, charge)
            charge = np.where((low == 0) & (high == 0) & (below == 0) & (above == 0), 0.0, charge)
            positive, negative = np.maximum(a, 0), np.minimum(a, 0)
            constant = constant + positive @ below + negative @ above
            pieces.append((0, positive * low + negative * high))
        else:
            if ready.form.bias is not None:
                constant = constant + a @ ready.form.bias.reshape(-1)
            for i, m in enumerate(ready.form.maps):
                if m is not None:
                    pieces.append((i, m.adjoint(a.reshape(count, *step.node.shape)).reshape(count, -1)))
        debt = debt + np.abs(a) @ charge
        for i, piece in pieces:
            operand = step.operands[i] or ""
            pending[operand] = pending[operand] + piece if operand in pending else piece[None]
    (coefficients,) = pending.values()
    return coefficients[0], constant, debt


@pytest.mark.parametrize("radius", [0.02, 0.3])
def test_every_step_is_charged(radius: float) -> None:
    """A walk on few elements, with steps taken together, charges no less than one on all elements, step by step."""
    for plan in (residual(0), plan_of(relu_network(np.random.default_rng(0), (5, 9, 9, 9, 4)))):
        regions = around(plan, 1, radius)
        bounds = crown(plan, regions, neurons="all").intervals
        prepared = {s.node.name: prepare(plan, s, describe(plan, s, bounds), bounds) for s in plan.steps}
        target = plan.graph.outputs[0]
        n = plan.graph[target].size
        unit = np.concatenate([np.eye(n), -np.eye(n)]).reshape(2 * n, *plan.graph[target].shape)
        want = charged(plan, target, unit, prepared)
        for rows in (Units(np.arange(n), 1), np.repeat(unit, 40, axis=0)[None]):
            found = backward(plan, target, rows, prepared, bounds)
            times = found.debt.shape[1] // (2 * n)
            coefficients, constant, debt = (np.repeat(x, times, axis=0) for x in want)
            (ends,) = found.coefficients.values()
            size = np.abs(coefficients).max()
            np.testing.assert_allclose(ends.reshape(coefficients.shape), coefficients, atol=1e-9 * size)
            np.testing.assert_allclose(found.constant[0], constant, atol=1e-9 * np.abs(constant).max())
            assert (found.debt[0] >= debt * (1 - 1e-9)).all()
            assert (found.debt[0] <= 3 * debt + 1e-12 * size).all()


@pytest.mark.parametrize("ends", [(-1e20, 1e-300), (-1e-310, 1e-312), (-3e-324, 1.0), (-1e300, 1e-5)])
def test_lines_of_subnormal_slopes_and_offsets_hold(ends: tuple[float, float]) -> None:
    """Half of a subnormal number is rounded by as much as the number: such lines are not held as half sums."""
    nodes = [
        Node("x", "Input", shape=(1, 2), dtype="float64"),
        Node("z", "Add", ("x", "zero")),
        Node("r", "Relu", ("z",)),
        Node("y", "MatMul", ("r", "w")),
    ]
    weights = {"zero": np.zeros((1, 2)), "w": np.array([[1.0, -1.0, 1e290], [1.0, 1.0, -1e290]])}
    plan = network(nodes, ("y",), weights)
    low, high = (np.full((1, 1, 2), e) for e in ends)
    found = crown(plan, {"x": Region(low, high)})["y"]
    corners = np.array([[[a, b]] for a in (*ends, 0.0) for b in (*ends, 0.0)])
    for point in exact.run(plan, {"x": corners})["y"].reshape(-1, 3):
        for value, lo, hi in zip(point, found.lo.ravel(), found.hi.ravel(), strict=True):
            assert not np.isfinite(lo) or exact.rational(float(lo)) <= value
            assert not np.isfinite(hi) or value <= exact.rational(float(hi))
