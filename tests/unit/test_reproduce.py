"""Copied code: run in an empty namespace it makes the very state that it was copied from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import workbench as wb
from tests.networks import relu_network
from workbench import reproduce
from workbench.model import Model


def ran(code: str) -> Model:
    namespace: dict[str, Any] = {}
    exec(code, namespace)  # noqa: S102 - our own text
    found: Model = namespace["model"]
    return found


def same(one: Model, other: Model) -> None:
    assert one.region is not None
    assert other.region is not None
    for end in ("lower", "upper"):
        assert np.array_equal(getattr(one.region, end), getattr(other.region, end))
    assert (one.region.eps, one.region.norm, one.region.clip) == (
        other.region.eps,
        other.region.norm,
        other.region.clip,
    )
    for name in ("eps", "norm", "clip", "method", "format", "selection", "overlay", "example", "sha256"):
        assert getattr(one, name) == getattr(other, name), name
    assert one.bounds("ibp").output.lower.tolist() == other.bounds("ibp").output.lower.tolist()
    assert other.code() == one.code()


def norm_2(model: Model) -> None:
    model.norm, model.eps = "2", 0.125


def norm_1_at_a_point(model: Model) -> None:
    model.explore(np.full(model.input_shape, 0.3), eps=0.1, norm="1")


def in_bfloat16(model: Model) -> None:
    model.format, model.method = "bfloat16", "crown-ibp"
    model.selection, model.overlay = (model.graph.nodes[-1].name, 1), "error-ulp"


def in_a_box(model: Model) -> None:
    rng = np.random.default_rng(0)
    low = rng.random(model.input_shape) / 3
    model.region = wb.box(low, low + rng.random(model.input_shape) / 3)


def clipped_otherwise(model: Model) -> None:
    model.region = wb.ball(np.full(model.input_shape, 0.5), 0.3, clip=(0.25, 0.75))


CHANGES = [norm_2, norm_1_at_a_point, in_bfloat16, in_a_box, clipped_otherwise]


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("name", wb.examples.NAMES)
def test_the_example_networks(name: str, change: Callable[[Model], None]) -> None:
    model = getattr(wb.examples, name)()
    same(model, ran(model.code()))
    change(model)
    same(model, ran(model.code()))


@pytest.mark.parametrize("change", CHANGES)
def test_a_file_with_limits_of_its_inputs(change: Callable[[Model], None]) -> None:
    model = wb.load(wb.examples.path("digits"), clip=(0, 1), name="mine")
    model.explore(wb.examples.pictures()[0][5], eps=0.01)
    change(model)
    other = ran(model.code())
    same(model, other)
    assert other.name == "mine"


def test_every_view_has_its_own_last_line() -> None:
    from workbench.views import wire

    model = wb.examples.toy()
    for view, last in {"workbench": "model", "bounds": "model.bounds_view()"}.items():
        code = wire.code(model)[view]
        assert code.splitlines()[-1] == last
        same(model, ran(code))


def test_a_graph_in_memory_is_named_as_what_it_is() -> None:
    graph = relu_network(np.random.default_rng(0), (3, 2))
    model = Model(graph).explore(np.array([0.1, 0.2, 0.3]), eps=0.5)
    namespace: dict[str, Any] = {"graph": graph}
    exec(model.code(), namespace)  # noqa: S102 - our own text
    same(model, namespace["model"])


@pytest.mark.parametrize("size", [1, 255, 257, 5000])
@pytest.mark.parametrize("kind", ["f4", "f8", "same", "zeros"])
def test_arrays_are_written_exactly(size: int, kind: str) -> None:
    rng = np.random.default_rng(size)
    value = rng.normal(size=(1, size)).astype(kind if kind[0] == "f" else "f8").astype(np.float64)
    if kind == "same":
        value[:] = 0.1
    if kind == "zeros":
        value[:] = -0.0
    made = eval(  # noqa: S307 - our own text
        reproduce.array(value, "center"),
        {name: __import__({"np": "numpy"}.get(name, name)) for name in ("np", "zlib", "base64")},
    )
    assert made.shape == value.shape
    assert made.astype(np.float64).tobytes() == value.tobytes()


def test_what_is_too_large_to_be_written_names_a_file() -> None:
    assert "np.save('x.npy', model.center)" in reproduce.array(
        np.random.default_rng(0).random(70_000), "center"
    )
