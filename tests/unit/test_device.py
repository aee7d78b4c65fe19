"""The engine on arrays that are not NumPy's: array-api-strict's on a device of its own, and CuPy's on a GPU."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

import workbench.ops  # noqa: F401  # the operators register themselves
from held import SPACE, Held
from workbench.arrays import device
from workbench.graph import Array, Graph, Node
from workbench.methods.crown import crown
from workbench.methods.ibp import ibp
from workbench.region import Region, ball
from workbench.semantics.plan import Plan, infer, plan_of
from workbench.semantics.real import run


def network(nodes: list[Node], weights: Mapping[str, Array], shape: tuple[int, ...]) -> Plan:
    typed = infer([Node("x", "Input", shape=shape, dtype="float64"), *nodes], weights)
    return plan_of(Graph(typed, (typed[-1].name,), dict(weights)))


def dense() -> tuple[Plan, tuple[int, ...]]:
    """Gemm, MatMul, Add and Sub, and a branch that joins again: 4 inputs, 3 layers of relus."""
    rng = np.random.default_rng(1)
    weights = {"w1": rng.normal(size=(9, 4)), "b1": rng.normal(size=9), "w2": rng.normal(size=(9, 9)) / 2}
    weights |= {"b2": rng.normal(size=9) / 2, "w3": rng.normal(size=(9, 3)), "b3": rng.normal(size=3)}
    nodes = [
        Node("h1", "Gemm", ("x", "w1", "b1"), {"transB": 1}),
        Node("r1", "Relu", ("h1",)),
        Node("m2", "MatMul", ("r1", "w2")),
        Node("h2", "Add", ("m2", "b2")),
        Node("r2", "Relu", ("h2",)),
        Node("d2", "Sub", ("b2", "r2")),
        Node("sum", "Add", ("d2", "r1")),
        Node("r3", "Relu", ("sum",)),
        Node("y", "Gemm", ("r3", "w3", "b3")),
    ]
    return network(nodes, weights, (1, 4)), (1, 4)


def convolutional() -> tuple[Plan, tuple[int, ...]]:
    """Convolutions with strides, padding and groups, a residual connection, data movement and Gemm."""
    rng = np.random.default_rng(2)
    weights = {"k1": rng.normal(size=(4, 2, 3, 3)) / 2, "c1": rng.normal(size=4)}
    weights |= {"k2": rng.normal(size=(4, 2, 3, 3)) / 2, "k3": rng.normal(size=(2, 4, 2, 2)) / 2}
    weights |= {"w": rng.normal(size=(3, 18)), "b": rng.normal(size=3), "shape": np.array([1, 18])}
    nodes = [
        Node("h1", "Conv", ("x", "k1", "c1"), {"strides": (2, 2), "pads": (1, 1, 1, 1)}),
        Node("r1", "Relu", ("h1",)),
        Node("h2", "Conv", ("r1", "k2"), {"pads": (1, 1, 1, 1), "group": 2}),
        Node("sum", "Add", ("h2", "r1")),
        Node("r2", "Relu", ("sum",)),
        Node("h3", "Conv", ("r2", "k3")),
        Node("r3", "Relu", ("h3",)),
        Node("flat", "Flatten", ("r3",)),
        Node("turned", "Transpose", ("flat",), {"perm": (1, 0)}),
        Node("row", "Reshape", ("turned", "shape")),
        Node("y", "Gemm", ("row", "w", "b"), {"transB": 1}),
    ]
    return network(nodes, weights, (1, 2, 8, 8)), (1, 2, 8, 8)


NETWORKS = {"dense": dense, "convolutional": convolutional}


def gpu() -> Any:
    """CuPy's asarray; skips where there is no GPU."""
    try:
        return device.gpu().asarray
    except RuntimeError as error:
        pytest.skip(str(error))


def strict() -> Callable[[Array], Held]:
    return SPACE.asarray


@pytest.mark.parametrize("where", [strict, gpu])
@pytest.mark.parametrize("name", NETWORKS)
def test_run_ibp_and_crown_elsewhere(name: str, where: Callable[[], Callable[[Array], Array]]) -> None:
    """The same values and bounds as NumPy's up to rounding; regions alone and in a batch, boxes and a ball."""
    put = where()
    plan, shape = NETWORKS[name]()
    x = np.random.default_rng(3).normal(size=(3, *shape))
    values, mine = run(plan, {"x": x}), run(plan, {"x": put(x)})
    for key, value in values.items():
        assert not isinstance(mine[key], np.ndarray)
        assert np.allclose(device.host(mine[key]), value, rtol=1e-12, atol=1e-12), key
    like = put(np.zeros(1))
    boxes = Region(x - 0.15, x + 0.15)
    for region in (boxes, Region(x[:1] - 0.3, x[:1] + 0.3), ball(x[0], 0.4, norm="2")):
        methods: list[tuple[Any, dict[str, Any]]] = [(ibp, {}), (crown, {}), (crown, {"intermediate": "ibp"})]
        methods.append((crown, {"neurons": "all", "rows": np.eye(3)[:2].reshape(2, 1, 3)}))
        for method, named in methods:
            there, here = (
                method(plan, {"x": region}, like=like, **named),
                method(plan, {"x": region}, **named),
            )
            for key in plan.live:
                for a, b in ((there[key].lower, here[key].lower), (there[key].upper, here[key].upper)):
                    assert isinstance(a, np.ndarray)
                    assert np.allclose(a, b, rtol=1e-9, atol=1e-9), (method, named, key)
                inside = (there[key].lower <= values[key][: region.batch]) & (
                    values[key][: region.batch] <= there[key].upper
                )
                assert inside.all(), key
            if "rows" in named:
                assert np.allclose(there.margins, here.margins, rtol=1e-9, atol=1e-9)


def test_the_strict_device_keeps_its_arrays_to_itself() -> None:
    """What the test above rests on: nothing becomes NumPy's, or meets it, unless it is asked for."""
    x = strict()(np.ones(3))
    with pytest.raises(TypeError, match="was to become"):
        np.asarray(x)
    with pytest.raises(AssertionError, match="meets"):
        x + np.ones(3)
    with pytest.raises(KeyError):
        np.linalg.norm(x)
    assert (device.host(x) == 1).all()


def test_weights_are_moved_once_and_forgotten_with_their_array() -> None:
    x, w = strict()(np.ones(3)), np.arange(3.0)
    first = device.beside(w, x)
    assert device.beside(w, x) is first
    assert device.beside(w, np.ones(3)) is w
    before = len(device._moved)
    del w, first
    assert len(device._moved) == before - 1
