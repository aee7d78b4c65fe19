"""The example networks: what their documentation says of them, and that they are small and ready to explore."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from workbench import examples

RIGHT = {"digits": 353, "digits_conv": 353, "digits_tanh": 351}
MAKE = {name: getattr(examples, name) for name in examples.NAMES}


@pytest.mark.parametrize("name", RIGHT)
def test_as_many_test_pictures_are_right_as_documented(name: str) -> None:
    pictures, labels = examples.pictures()
    answers = MAKE[name]().run(pictures).reshape(len(pictures), 10).argmax(axis=1)
    right = int((answers == labels).sum())
    assert right == RIGHT[name]
    assert f"{right} of the 360" in str(MAKE[name].__doc__)
    assert onnx.load(examples.path(name)).doc_string.startswith(f"{right} of 360")


@pytest.mark.parametrize("name", examples.NAMES)
def test_an_example_is_small_and_ready_to_explore(name: str) -> None:
    assert examples.path(name).stat().st_size < 80_000
    model = MAKE[name]()
    assert model.region is not None
    assert model.eps > 0
    assert model.examples[model.example][1].shape == model.input_shape
    found = model.bounds("crown")
    assert np.isfinite(found.output.width).all()


@pytest.mark.parametrize("name", examples.NAMES)
def test_onnxruntime_computes_the_same(name: str) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    model = MAKE[name]()
    session = onnxruntime.InferenceSession(str(examples.path(name)), providers=["CPUExecutionProvider"])
    for _, x in model.examples:
        (theirs,) = session.run(None, {"x": x.astype(np.float32)})
        np.testing.assert_allclose(model.run(x), theirs, rtol=1e-5, atol=1e-5)


def test_the_pictures_are_pixels_and_all_digits_can_be_chosen() -> None:
    pictures, labels = examples.pictures()
    assert pictures.shape == (360, 1, 1, 8, 8)
    assert (pictures.min(), pictures.max()) == (0, 1)
    assert np.array_equal(pictures * 16, np.round(pictures * 16))
    assert set(labels.tolist()) == set(range(10))
    shown = [label.split()[0] for label, _ in examples.digits().examples]
    assert shown == [str(digit) for digit in range(10)] * 2


def test_crown_proves_what_interval_arithmetic_cannot() -> None:
    """The tutorials rest on it: for every input in the region the picture is a seven, by CROWN and not by IBP."""
    model = examples.digits()

    def margin(method: str) -> float:
        found = model.bounds(method).output
        return float(found.lower[0, 0, 7] - np.delete(found.upper[0, 0], 7).max())

    assert margin("ibp") < 0 < margin("crown")


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(ValueError, match="there is no example 'mnist'; there are: digits"):
        examples.path("mnist")
