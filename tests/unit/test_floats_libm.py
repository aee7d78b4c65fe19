"""Scans of library functions, and uniform quantisation."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx.reference import ReferenceEvaluator

from workbench.arrays import elementary
from workbench.floats import libm
from workbench.floats.format import BFLOAT16, BINARY16, BINARY32, BINARY64, E4M3FN, TF32
from workbench.floats.quantize import RANGES, Quantization, dequantize_linear, quantize_linear
from workbench.floats.rounding import round_to


def correct(function: str) -> object:
    """A correctly rounded implementation, up to ties that float64's last place hides."""

    def implementation(x: np.ndarray) -> np.ndarray:
        wide = x.astype(np.float64)
        at = np.where(np.isfinite(wide), wide, np.copysign(1e5, wide))
        y = round_to(getattr(elementary, function)(at, at)[0], BINARY16)
        return np.where(np.isnan(wide) | (np.isinf(wide) & (function in ("sin", "cos"))), np.nan, y)

    return implementation


@pytest.mark.parametrize("function", [f for f in libm.REFERENCES if f not in ("log", "log1p", "sqrt")])
def test_a_correctly_rounded_function_is_within_half_an_ulp(function: str) -> None:
    found = libm.scan(libm.start(function, BINARY16), correct(function))  # type: ignore[arg-type]
    assert found.finished and found.faults == 0
    assert 0.4999 < found.worst < 0.500001, found.sentence()


@pytest.mark.parametrize("function", ["exp", "log", "tanh", "sin", "sqrt", "log1p", "expm1"])
def test_every_binary16_input_of_numpys(function: str) -> None:
    found = libm.scan(libm.start(function, BINARY16), getattr(np, function))
    assert found.finished and found.faults == 0, found.sentence()
    assert 0.4 < found.worst < 1, found.sentence()
    if function != "sqrt":
        low, high = libm.checked_by_balls(found)
        x = np.full(64, found.worst_input, np.float16)  # alone it may take another path through the library
        spacing = float(np.spacing(np.abs(np.float16(low))))
        assert abs(abs(float(getattr(np, function)(x)[0]) - low) / spacing - found.worst) < 1e-6
        assert low <= high


def test_a_wrong_answer_is_found() -> None:
    def wrong(x: np.ndarray) -> np.ndarray:
        y = np.tanh(x)
        return np.where(
            x == np.float16(0.5), y + np.float16(2.0**-8), np.where(x == np.float16(3), np.float16(np.nan), y)
        )

    found = libm.scan(libm.start("tanh", BINARY16), wrong)
    assert 15 < found.worst < 17 and found.worst_input == 0.5
    assert found.faults == 1 and found.first_fault == 3.0
    assert "at 0.5" in found.sentence() and "wrong in kind" in found.sentence()
    assert libm.scan(libm.start("log", BINARY16), lambda x: np.log(np.abs(x))).faults > 30000
    assert (
        libm.scan(
            libm.start("exp", BINARY16), lambda x: np.where(x > 5, np.float16(np.inf), np.exp(x))
        ).faults
        > 0
    )


def test_a_scan_goes_on_where_it_was_stopped() -> None:
    whole = libm.start("exp", BINARY32)
    seen: list[int] = []

    def stop(state: libm.Scan) -> bool:
        seen.append(state.done)
        return len(seen) == 2

    part = libm.scan(whole, np.exp, progress=stop)
    assert part.done == 2 * libm.CHUNK and not part.finished
    again = libm.scan(libm.Scan.from_text(part.text()), np.exp, inputs=1)
    assert again.done == 3 * libm.CHUNK
    assert again == libm.scan(whole, np.exp, inputs=3 * libm.CHUNK)
    assert again.digest != libm.scan(whole, np.sin, inputs=3 * libm.CHUNK).digest
    assert "the first 786432 of" in again.sentence()


def test_bfloat16_through_binary32_loses_the_left_tail_of_sigmoid() -> None:
    """exp(89) overflows in binary32: 1/(1 + exp(-x)) is 0 there, and should be some subnormal number."""
    found = libm.scan(libm.start("sigmoid", BFLOAT16), lambda x: round_to(1 / (1 + np.exp(-x)), BFLOAT16))
    assert found.finished and found.faults == 0
    assert found.worst_input == -89.0 and 24 < found.worst < 25
    tanh = libm.scan(libm.start("tanh", BFLOAT16), lambda x: round_to(np.tanh(x), BFLOAT16))
    assert tanh.finished and tanh.faults == 0 and 0.49 < tanh.worst < 0.51


def test_scans_that_make_no_sense() -> None:
    with pytest.raises(ValueError, match="no reference for 'gamma'"):
        libm.start("gamma", BINARY16)
    for form in (BINARY64, TF32, E4M3FN):
        with pytest.raises(ValueError, match="cannot all be tried: choose one of binary32"):
            libm.start("exp", form)
    with pytest.raises(ValueError, match="must work elementwise"):
        libm.scan(libm.start("exp", BINARY16), lambda x: x[:3])
    with pytest.raises(ValueError, match="is not a number of bfloat16"):
        libm.scan(libm.start("exp", BFLOAT16), np.exp)
    for text in ("{}", "no", '{"function": "exp", "form": "binary16", "done": 9, "total": 3}'):
        with pytest.raises(ValueError, match="no saved scan"):
            libm.Scan.from_text(text)


# ---------------------------------------------------------------------- quantisation


def onnx_runs(op: str, feeds: dict[str, np.ndarray], **attributes: object) -> np.ndarray:
    node = onnx.helper.make_node(op, list(feeds), ["out"], **attributes)
    inputs = [
        onnx.helper.make_tensor_value_info(k, onnx.helper.np_dtype_to_tensor_dtype(v.dtype), v.shape)
        for k, v in feeds.items()
    ]
    out = onnx.helper.make_tensor_value_info("out", onnx.TensorProto.UNDEFINED, None)
    graph = onnx.helper.make_graph([node], "g", inputs, [out])
    return np.asarray(
        ReferenceEvaluator(
            onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 21)])
        ).run(None, feeds)[0]
    )


@pytest.mark.parametrize("kind", ["int8", "uint8", "int16", "uint16"])
@pytest.mark.parametrize("layout", ["one", "axis", "blocks"])
def test_quantisation_is_onnxs(kind: str, layout: str) -> None:
    rng = np.random.default_rng(0)
    low, high = RANGES[kind]
    shape = {"one": (), "axis": (6,), "blocks": (4, 2)}[layout]
    scale = np.float32(2.0 ** rng.uniform(-6, 2, shape)).astype(np.float32)
    zero = rng.integers(low, high, shape).astype(kind)
    x = (rng.normal(size=(4, 6)) * (high - low)).astype(np.float32)
    x.flat[:6] = np.float32([0.5, 1.5, 2.5, -0.5, -1.5, 1e30])
    options = {"axis": 1, **({"block_size": 3} if layout == "blocks" else {})}
    want = onnx_runs(
        "QuantizeLinear", {"x": np.clip(x, -1e6, 1e6), "y_scale": scale, "y_zero_point": zero}, **options
    )
    got = quantize_linear(x, scale, zero, **options)  # type: ignore[arg-type]
    assert np.array_equal(got, want)
    back = onnx_runs("DequantizeLinear", {"x": want, "x_scale": scale, "x_zero_point": zero}, **options)
    assert np.array_equal(dequantize_linear(want, scale, zero, **options), back)  # type: ignore[arg-type]


def test_onnxruntime_agrees() -> None:
    ort = pytest.importorskip("onnxruntime", reason="onnxruntime, a second opinion, is not installed")
    x = np.concatenate([np.arange(-300, 300) * np.float32(0.05), np.float32([1e30, -1e30, np.inf])]).astype(
        np.float32
    )
    node = onnx.helper.make_node("QuantizeLinear", ["x", "s", "z"], ["y"])
    one = [
        ("x", onnx.TensorProto.FLOAT, [None]),
        ("s", onnx.TensorProto.FLOAT, []),
        ("z", onnx.TensorProto.INT8, []),
    ]
    graph = onnx.helper.make_graph(
        [node],
        "g",
        [onnx.helper.make_tensor_value_info(*v) for v in one],
        [onnx.helper.make_tensor_value_info("y", onnx.TensorProto.INT8, [None])],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 19)], ir_version=9)
    run = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    want = run.run(None, {"x": x, "s": np.array(0.1, np.float32), "z": np.array(3, np.int8)})[0]
    assert np.array_equal(quantize_linear(x, np.float32(0.1), np.int8(3)), want)


@settings(max_examples=60, deadline=None)
@given(
    st.floats(-100, 100),
    st.floats(0, 100),
    st.sampled_from(list(RANGES)),
    st.booleans(),
    st.sampled_from([BINARY32, BINARY64, BINARY16]),
    st.integers(0, 2**32),
)
def test_laws_of_quantisation(
    lower: float, length: float, kind: str, symmetric: bool, form: object, seed: int
) -> None:
    q = Quantization.covering(lower, lower + length, kind, symmetric=symmetric)
    least, greatest = (Fraction(q.scale) * (k - q.zero_point) for k in (q.low, q.high))
    if not (symmetric and lower < 0 and q.low - q.zero_point == 0):
        assert least <= Fraction(min(lower, 0.0)) and Fraction(max(lower + length, 0.0)) <= greatest
    x = np.sort(round_to(np.random.default_rng(seed).normal(size=50) * 60, form))  # type: ignore[arg-type]
    codes = q.quantize(x, form)  # type: ignore[arg-type]
    assert codes.min() >= q.low and codes.max() <= q.high and (np.diff(codes) >= 0).all()
    assert q.quantize(0.0) == q.zero_point and q.dequantize(q.zero_point) == 0
    back, bound = q.dequantize(codes, form), q.error_bound(x, form)  # type: ignore[arg-type]
    for value, found, limit in zip(x.tolist(), back.tolist(), bound.tolist(), strict=True):
        assert abs(Fraction(found) - Fraction(value)) <= Fraction(limit) if np.isfinite(limit) else True
        if form is BINARY64 and least <= Fraction(value) <= greatest:
            assert limit <= q.scale / 2 * (1 + 1e-9) + 1e-9
    if form is not BINARY16 and kind not in ("int16", "uint16"):
        every = np.arange(q.low, q.high + 1)
        assert np.array_equal(q.quantize(q.dequantize(every, form), form), every)  # type: ignore[arg-type]


def test_quantisation_that_makes_no_sense() -> None:
    for arguments, message in (
        ((0.0,), "positive and finite"),
        ((1.0, 0, 5, 5), "no codes between"),
        ((1.0, 300), "zero point 300"),
    ):
        with pytest.raises(ValueError, match=message):
            Quantization(*arguments)
    x = np.ones((2, 3))
    with pytest.raises(ValueError, match=r"y_scale has shape \(2,\); axis 1 of \(2, 3\) needs \(3,\)"):
        quantize_linear(x, [1.0, 2.0])
    with pytest.raises(ValueError, match="axis 5 is none"):
        quantize_linear(x, [1.0, 2.0], axis=5)
    with pytest.raises(ValueError, match="blocks of 2 on axis 1"):
        quantize_linear(x, [1.0, 2.0], block_size=2)
    with pytest.raises(ValueError, match="no codes of type 'int7'"):
        quantize_linear(x, 1.0, kind="int7")
    with pytest.raises(ValueError, match="NaN"):
        quantize_linear(np.nan, 1.0)
    with pytest.raises(ValueError, match="NaN has no code"):
        Quantization(1.0).quantize(np.nan)
    with pytest.raises(ValueError, match="is no interval"):
        Quantization.covering(1.0, np.inf)
    with pytest.raises(ValueError, match="no format of these operators"):
        Quantization(1.0).quantize(1.0, E4M3FN)


def test_the_document_says_what_is() -> None:
    """Every line of docs/concepts/floats.md with a value in its comment has that value."""
    text = (Path(__file__).resolve().parents[2] / "docs/concepts/floats.md").read_text(encoding="utf-8")
    names: dict[str, object] = {}
    compared = 0
    for block in re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        for line in block.splitlines():
            code, _, comment = line.partition("  # ")
            said = comment.strip().partition(";")[0].partition(":")[0]
            if not said or "=" in code.partition("(")[0]:
                exec(code, names)  # noqa: S102 - our own text
                continue
            found = np.asarray(eval(code, names)).tolist()  # noqa: S307
            want = eval(said, {"inf": np.inf, "Fraction": Fraction})  # noqa: S307
            assert found == (list(want) if isinstance(want, tuple) else want), line
            compared += 1
    assert compared >= 15
