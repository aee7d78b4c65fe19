"""Networks of integer codes: read, run as onnxruntime runs them, bounded, and what is refused."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import ModelProto, TensorProto, checker, helper, numpy_helper

import workbench as wb
from commands import run
from workbench.graph import GraphError
from workbench.io.onnx import from_model
from workbench.network import Network
from workbench.op import UnsupportedOperator
from workbench.ops.generators.steps import Steps
from workbench.semantics import exact
from workbench.semantics.interval import Interval

ort = pytest.importorskip("onnxruntime", reason="onnxruntime is the second opinion here")
node = helper.make_node
F = np.float32


def model(nodes: list[Any], weights: dict[str, Any], inner: list[int], outer: list[int]) -> ModelProto:
    kept = {k: v for k, v in weights.items() if any(k in n.input for n in nodes)}
    graph = helper.make_graph(
        nodes,
        "quantised",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, inner)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, outer)],
        [numpy_helper.from_array(np.asarray(v), k) for k, v in kept.items()],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    checker.check_model(made)
    return made


def theirs(made: ModelProto, points: np.ndarray) -> np.ndarray:
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(made.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return np.stack([session.run(None, {"x": p})[0] for p in points])


def codes(rng: np.random.Generator, *shape: int, most: int = 63) -> np.ndarray:
    """7 bits: where a processor has no better instruction, onnxruntime's sums of 8-bit products saturate."""
    return rng.integers(-most, most + 1, shape).astype(np.int8)


def dense(rng: np.random.Generator) -> ModelProto:
    """Quantised operators: two layers, scales per column in the first."""
    w = {
        "s": F(0.02),
        "z": np.uint8(5),
        "w1": codes(rng, 6, 8),
        "s1": rng.uniform(0.002, 0.02, 8).astype(F),
        "z1": np.zeros(8, np.int8),
        "sh": F(0.013),
        "zh": np.uint8(0),
        "w2": codes(rng, 8, 3),
        "s2": F(0.01),
        "z2": np.int8(2),
        "sy": F(0.05),
        "zy": np.uint8(120),
    }
    nodes = [
        node("QuantizeLinear", ["x", "s", "z"], ["xq"]),
        node("QLinearMatMul", ["xq", "s", "z", "w1", "s1", "z1", "sh", "zh"], ["hq"]),
        node("QLinearMatMul", ["hq", "sh", "zh", "w2", "s2", "z2", "sy", "zy"], ["yq"]),
        node("DequantizeLinear", ["yq", "sy", "zy"], ["y"]),
    ]
    return model(nodes, w, [1, 6], [1, 3])


def convolution(rng: np.random.Generator) -> ModelProto:
    w = {
        "s": F(0.02),
        "z": np.uint8(5),
        "w": codes(rng, 4, 2, 3, 3),
        "b": rng.integers(-3000, 3000, 4).astype(np.int32),
        "sw": rng.uniform(0.001, 0.02, 4).astype(F),
        "zw": np.zeros(4, np.int8),
        "sy": F(0.03),
        "zy": np.uint8(99),
    }
    nodes = [
        node("QuantizeLinear", ["x", "s", "z"], ["xq"]),
        node("QLinearConv", ["xq", "s", "z", "w", "sw", "zw", "sy", "zy", "b"], ["yq"], pads=[1] * 4, strides=[2, 2]),
        node("DequantizeLinear", ["yq", "sy", "zy"], ["y"]),
    ]  # fmt: skip
    return model(nodes, w, [1, 2, 5, 5], [1, 4, 3, 3])


def pairs(rng: np.random.Generator) -> ModelProto:
    """Floats between pairs of quantising and dequantising, weights kept as codes: what most quantisers write."""
    w = {
        "s": F(0.02),
        "z": np.int8(7),
        "w1": codes(rng, 6, 8),
        "s1": rng.uniform(0.002, 0.02, 8).astype(F),
        "z1": np.zeros(8, np.int8),
        "b1": rng.integers(-2000, 2000, 8).astype(np.int32),
        "sb": F(1e-4),
        "sh": F(0.031),
        "zh": np.int8(-128),
        "w2": codes(rng, 8, 3),
        "s2": F(0.01),
        "z2": np.int8(3),
        "sy": F(0.05),
    }
    nodes = [
        node("QuantizeLinear", ["x", "s", "z"], ["xq"]),
        node("DequantizeLinear", ["xq", "s", "z"], ["xd"]),
        node("DequantizeLinear", ["w1", "s1", "z1"], ["w1d"], axis=1),
        node("DequantizeLinear", ["b1", "sb"], ["b1d"]),
        node("Gemm", ["xd", "w1d", "b1d"], ["h"]),
        node("Relu", ["h"], ["r"]),
        node("QuantizeLinear", ["r", "sh", "zh"], ["rq"]),
        node("DequantizeLinear", ["rq", "sh", "zh"], ["rd"]),
        node("DequantizeLinear", ["w2", "s2", "z2"], ["w2d"]),
        node("MatMul", ["rd", "w2d"], ["v"]),
        node("QuantizeLinear", ["v", "sy"], ["yq"], output_dtype=TensorProto.INT8),
        node("DequantizeLinear", ["yq", "sy"], ["y"]),
    ]
    return model(nodes, w, [1, 6], [1, 3])


def dynamic(rng: np.random.Generator) -> ModelProto:
    """Weights of 8 bits, and codes whose scales and zero points come from the values: quantised while it runs."""
    w = {
        "w1": codes(rng, 6, 8),
        "z1": np.int8(3),
        "s1": F(0.01),
        "b1": rng.normal(size=8).astype(F),
        "w2": codes(rng, 8, 3),
        "s2": F(0.02),
    }
    nodes = [
        node("DynamicQuantizeLinear", ["x"], ["xq", "xs", "xz"]),
        node("MatMulInteger", ["xq", "w1", "xz", "z1"], ["a"]),
        node("Cast", ["a"], ["af"], to=TensorProto.FLOAT),
        node("Mul", ["xs", "s1"], ["m1"]),
        node("Mul", ["af", "m1"], ["h"]),
        node("Add", ["h", "b1"], ["hb"]),
        node("Relu", ["hb"], ["r"]),
        node("DynamicQuantizeLinear", ["r"], ["rq", "rs", "rz"]),
        node("MatMulInteger", ["rq", "w2", "rz"], ["c"]),
        node("Cast", ["c"], ["cf"], to=TensorProto.FLOAT),
        node("Mul", ["rs", "s2"], ["m2"]),
        node("Mul", ["cf", "m2"], ["y"]),
    ]
    return model(nodes, w, [1, 6], [1, 3])


KINDS = {"dense": dense, "convolution": convolution, "pairs": pairs, "dynamic": dynamic}


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_quantised_network_runs_bit_for_bit_as_onnxruntime_runs_it(kind: str) -> None:
    rng = np.random.default_rng(0)
    made = KINDS[kind](rng)
    net = Network(from_model(made))
    points = rng.uniform(-2, 2, (120, *net.input_shape)).astype(F)
    points[0] *= 1e30  # saturates
    points[1] = np.round(points[1] / 0.04) * 0.04 + 0.02  # near ties
    points[2], points[3], points[4] = 0.0, np.abs(points[3]), -np.abs(points[4])  # a range from 0, or none
    points[5] *= 1e-30
    got = np.stack([net.run(p) for p in points])
    assert got.dtype == F
    assert np.array_equal(got, theirs(made, points))


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_bounds_hold_at_exact_values_and_rounding_bounds_at_onnxruntimes(kind: str) -> None:
    rng = np.random.default_rng(1)
    made = KINDS[kind](rng)
    net = Network(from_model(made))
    region = wb.ball(np.full(net.input_shape, 0.3), eps=0.05)
    bounds = {m: net.bounds(m, region) for m in ("ibp", "crown")}
    errors = net.rounding("binary32", region)
    points = region.sample(24).reshape(-1, *net.input_shape).astype(F)
    points = np.clip(points, region.lower.astype(F) + F(1e-6), region.upper.astype(F) - F(1e-6))
    truth = exact.run(net.plan, {"x": points})
    for name in ("xq", "y"):
        value = np.vectorize(float)(truth[name])
        for found in bounds.values():
            assert (value >= found[name].lo).all()
            assert (value <= found[name].hi).all()
    own = theirs(made, points)
    assert np.isfinite(errors["y"]).all()
    assert (np.abs(own - np.vectorize(float)(truth["y"])) <= errors["y"] * (1 + 1e-12)).all()
    for q in {"rq", "rs", "rz", "xs", "xz"} & set(truth):  # what comes of the values themselves, on the way
        value = np.vectorize(float)(truth[q])
        assert all(
            (value >= found[q].lo).all() and (value <= found[q].hi).all() for found in bounds.values()
        ), q
    # tight: the least and the largest codes of the input are met, and CROWN's bounds are no looser
    assert np.array_equal(bounds["ibp"]["xq"].lo, bounds["crown"]["xq"].lo)
    assert (bounds["crown"]["y"].hi <= bounds["ibp"]["y"].hi).all()


def test_weights_kept_as_codes_are_constants_exactly_and_rounded_as_onnxruntime_rounds_them() -> None:
    net = Network(from_model(pairs(np.random.default_rng(2))))
    held, w, s = net.plan.constants["w1d"], net.graph.weights["w1"], net.graph.weights["s1"]
    assert held.dtype == np.float64
    assert net.graph["w1d"].dtype == "float32"
    assert Fraction(float(held[2, 3])) == int(w[2, 3]) * Fraction(float(s[3]))
    assert np.array_equal(held.astype(F), w.astype(F) * s)


def test_codes_at_ties_are_those_of_exact_arithmetic() -> None:
    one = np.asarray
    steps = Steps((one(F(0.1).astype(float)), one(0.3)), one(0.7), one(3), -128, 127)
    ratio = Fraction(float(F(0.1))) * Fraction(0.3) / Fraction(0.7)
    tries = [float((k + Fraction(1, 2)) / ratio) for k in range(-9, 9)]
    near = np.array([v for t in tries for v in (np.nextafter(t, -9e9), t, np.nextafter(t, 9e9))])
    first, last = steps.codes(near)
    want = [min(max(round(Fraction(v) * ratio) + 3, -128), 127) for v in near.tolist()]
    assert first.tolist() == last.tolist() == want
    half = Steps((), one(0.5), one(0), -128, 127)
    assert half.image(Interval(one([0.25, 0.75]), one([0.25, 0.75]))).lo.tolist() == [0, 2]  # to even


def test_what_cannot_be_meant_is_refused() -> None:
    rng = np.random.default_rng(3)
    base = pairs(rng)
    for name, value, words in (
        ("s", np.zeros((), F), "no positive number"),
        ("s1", rng.uniform(1, 2, 5).astype(F), "needs"),
    ):
        made = ModelProto()
        made.CopyFrom(base)
        kept = [t for t in made.graph.initializer if t.name != name]
        del made.graph.initializer[:]
        made.graph.initializer.extend([*kept, numpy_helper.from_array(value, name)])
        with pytest.raises(GraphError, match=words):
            Network(from_model(made)).bounds("ibp", wb.ball(np.zeros((1, 6)), eps=0.1))
    nodes = [node("Abs", ["x"], ["s"]), node("QuantizeLinear", ["x", "s"], ["q"])]
    live = model(
        [*nodes, node("DequantizeLinear", ["q", "s"], ["y"])],
        {},
        [1],
        [1],
    )  # fmt: skip
    with pytest.raises(UnsupportedOperator, match=r"scale|scales"):
        Network(from_model(live)).bounds("ibp", wb.ball(np.ones(1), eps=0.1))


def test_the_command_line_shows_and_bounds_it(tmp_path: Path) -> None:
    file, centre = tmp_path / "int8.onnx", tmp_path / "x.npy"
    file.write_bytes(dense(np.random.default_rng(4)).SerializeToString())
    np.save(centre, np.full((1, 6), 0.3, F))
    shown = run("show", str(file))
    assert shown.exit_code == 0, shown.output
    assert "QLinearMatMul" in shown.output
    found = run("bounds", str(file), "--center", str(centre), "--eps", "0.05", "--json")
    assert found.exit_code == 0, found.output
    assert json.loads(found.output)["nodes"]["y"]["lower"]
