"""Networks of other programs: NNet and Keras files open by their suffix, and compute what those programs compute."""

from __future__ import annotations

import hashlib
import io
import json
import os
import zipfile
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import workbench as wb
from workbench import nn
from workbench.graph import GraphError
from workbench.io import nnet
from workbench.nn import keras
from workbench.nn.keras.reading import KerasNetwork

SIZES = (3, 5, 4, 2)


def nnet_text(rng: np.random.Generator) -> tuple[str, dict[str, Any]]:
    """A file as the ACAS Xu networks are written, and its numbers."""
    held: dict[str, Any] = {
        "low": np.array([-1.0, 0.0, -3.5]), "high": np.array([2.0, 1.0, 3.5]),
        "mean": np.array([0.5, 0.25, 0.0, 7.5]), "range": np.array([3.0, 0.5, 7.0, 40.0]),
        "layers": [(rng.normal(size=(b, a)), rng.normal(size=b)) for a, b in pairwise(SIZES)],
    }  # fmt: skip

    def row(numbers: Any) -> str:
        return ",".join(f"{float(v)!r}" for v in np.atleast_1d(numbers)) + ","

    lines = ["// a network", "// of a test", f"3,3,2,{max(SIZES)},", ",".join(map(str, SIZES)) + ",", "0,"]
    lines += [row(held[k]) for k in ("low", "high", "mean", "range")]
    for w, b in held["layers"]:
        lines += [row(r) for r in w] + [row(v) for v in b]
    return "\n".join(lines) + "\n", held


def test_nnet(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    text, held = nnet_text(rng)
    (tmp_path / "acas.nnet").write_text(text)

    def layers(y: Any) -> Any:
        for i, (w, b) in enumerate(held["layers"]):
            y = w @ (np.maximum(y, 0) if i else y) + b
        return y

    inner = wb.load(tmp_path / "acas.nnet", units="normalised", dtype="float64")
    whole = wb.load(tmp_path / "acas.nnet", dtype="float64")
    for x in rng.normal(size=(20, 3)) * 2:  # some outside of the limits
        assert np.allclose(inner.run(x).ravel(), layers(x), atol=1e-12)
        kept = (np.clip(x, held["low"], held["high"]) - held["mean"][:3]) / held["range"][:3]
        assert np.allclose(whole.run(x).ravel(), layers(kept) * 40 + 7.5, atol=1e-9)
    assert wb.load(tmp_path / "acas.nnet").graph["layer0"].dtype == "float32"
    out = whole.bounds("crown", wb.ball(np.array([0.5, 0.5, 0.0]), 0.2)).output
    y = whole.run(np.array([0.6, 0.45, -0.1]))
    assert (out.lower <= y).all()
    assert (y <= out.upper).all()
    for broken, said in (
        (text[: len(text) // 2], "ends where|should stand here"),
        (text.replace("3,5,4,2,", "3,5,4,7,"), "are not 3 layers from 3 inputs to 2 outputs"),
        (text.replace("0.25", "abc"), "line 8: means should stand here"),
        (text.replace("0.25", "nan"), "finite"),
        ("", "ends where the number of layers"),
        ("1,99999999,99999999,9,\n99999999,99999999,\n0,\n", "least value"),
    ):
        with pytest.raises(GraphError, match=said):
            nnet.from_text(broken, name="acas")
    with pytest.raises(GraphError, match="'physical' or 'normalised'"):
        wb.load(tmp_path / "acas.nnet", units="knots")


def keras_file(path: Path, config: dict[str, Any], weights: dict[str, Any]) -> None:
    """A file as Keras 3 writes it."""
    h5py: Any = pytest.importorskip("h5py")
    held = io.BytesIO()
    with h5py.File(held, "w") as file:
        for key, value in weights.items():
            file[key] = value
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", json.dumps(config))
        archive.writestr("metadata.json", "{}")
        archive.writestr("model.weights.h5", held.getvalue())


def test_keras_without_keras(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    w = {f"layers/dense{s}/vars/{i}": rng.normal(size=n).astype(np.float32)
         for s, shapes in (("", ((4, 3), (3,))), ("_1", ((3, 2), (2,)))) for i, n in enumerate(shapes)}  # fmt: skip
    layers: list[dict[str, Any]] = [
        {"class_name": "InputLayer", "config": {"batch_shape": [None, 4], "name": "x"}},
        {"class_name": "Dense", "config": {"name": "first", "units": 3, "activation": "relu"}},
        {"class_name": "Dropout", "config": {"name": "drop", "rate": 0.5}},
        {"class_name": "Dense", "config": {"name": "last", "units": 2, "activation": "linear"}},
    ]
    config: dict[str, Any] = {"class_name": "Sequential", "config": {"name": "net", "layers": layers}}
    keras_file(tmp_path / "net.keras", config, w)
    model = wb.load(tmp_path / "net.keras")
    x = rng.normal(size=(1, 4)).astype(np.float32)
    first, second = (w[f"layers/dense{s}/vars/0"] for s in ("", "_1"))
    expected = np.maximum(x @ first + w["layers/dense/vars/1"], 0) @ second + w["layers/dense_1/vars/1"]
    assert np.abs(model.run(x) - expected).max() < 1e-6
    layers[2]["class_name"] = "Lambda"
    keras_file(tmp_path / "bad.keras", config, w)
    with pytest.raises(GraphError, match="'drop' is a Lambda, which is not supported"):
        wb.load(tmp_path / "bad.keras")
    (tmp_path / "no.keras").write_bytes(b"PK no")
    with pytest.raises(GraphError, match=r"is no \.keras file"):
        wb.load(tmp_path / "no.keras")


def test_keras_settings_that_change_the_meaning_are_refused(tmp_path: Path) -> None:
    def opened(kind: str, shape: list[Any], arrays: list[Any], **settings: Any) -> wb.Model:
        layers = [
            {"class_name": "InputLayer", "config": {"batch_shape": [None, *shape], "name": "x"}},
            {"class_name": kind, "config": {"name": "own", **settings}},
        ]
        weights = {f"layers/{kind.lower()}/vars/{i}": a for i, a in enumerate(arrays)}
        keras_file(
            tmp_path / "net.keras", {"class_name": "Sequential", "config": {"layers": layers}}, weights
        )
        return wb.load(tmp_path / "net.keras")

    table, moments = [np.ones((5, 2), np.float32)], [np.ones(3), np.full(3, 4.0), np.array(0)]
    with pytest.raises(GraphError, match="'own' is an Embedding with mask_zero=True"):
        opened("Embedding", [4], table, mask_zero=True)
    with pytest.raises(
        GraphError, match="ids of an integer type"
    ):  # this one is taken, and wants other inputs
        opened("Embedding", [4], table, mask_zero=False)
    with pytest.raises(GraphError, match="'own' is a Normalization with invert=True"):
        opened("Normalization", [3], moments, invert=True)
    model = opened("Normalization", [3], moments, invert=False)
    assert np.array_equal(model.run(np.full((1, 3), 5.0, np.float32)), np.full((1, 3), 2.0))


def test_the_bytes_that_are_hashed_are_the_bytes_that_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from workbench.io import onnx

    def file(value: float) -> bytes:
        layers = [
            {"class_name": "InputLayer", "config": {"batch_shape": [None, 1], "name": "x"}},
            {"class_name": "Dense", "config": {"name": "d", "units": 1, "use_bias": False}},
        ]
        keras_file(
            tmp_path / "net.keras",
            {"class_name": "Sequential", "config": {"layers": layers}},
            {"layers/dense/vars/0": np.array([[value]], np.float32)},
        )
        return (tmp_path / "net.keras").read_bytes()

    first = file(2.0)

    def read(path: Any) -> bytes:
        file(3.0)  # somebody writes the file between two looks
        return first

    monkeypatch.setattr(onnx, "read", read)
    model = wb.load(tmp_path / "net.keras")
    assert model.sha256 == hashlib.sha256(first).hexdigest()
    assert model.run(np.ones((1, 1), np.float32)).item() == 2.0


def pruned(thing: Any) -> Iterator[Any]:
    """Copies of a configuration, each without one entry, or with another thing in its place."""
    keys: Any = (
        list(thing) if isinstance(thing, dict) else range(len(thing)) if isinstance(thing, list) else ()
    )
    for key in keys:
        copy: Any = dict(thing) if isinstance(thing, dict) else list(thing)
        del copy[key]
        yield copy
        for other in (None, -3, "x", [], {}):
            copy = dict(thing) if isinstance(thing, dict) else list(thing)
            copy[key] = other
            yield copy
        for inner in pruned(thing[key]):
            copy = dict(thing) if isinstance(thing, dict) else list(thing)
            copy[key] = inner
            yield copy


def test_damaged_configurations_are_refused_in_words() -> None:
    def layer(kind: str, name: str, source: str, **settings: Any) -> dict[str, Any]:
        history = {"class_name": "__keras_tensor__", "config": {"keras_history": [source, 0, 0]}}
        return {
            "class_name": kind,
            "config": {"name": name, **settings},
            "inbound_nodes": [{"args": [history]}],
        }

    config = {"class_name": "Functional", "config": {
        "layers": [
            {"class_name": "InputLayer", "config": {"batch_shape": [None, 4, 2], "name": "x"}, "inbound_nodes": []},
            layer("Conv1D", "c", "x", strides=[1], padding="same", dilation_rate=[1]),
            layer("MaxPooling1D", "m", "c", pool_size=[2], strides=None),
        ],
        "input_layers": [["x", 0, 0]], "output_layers": [["m", 0, 0]],
    }}  # fmt: skip
    weights = {"layers/conv1d/vars/0": np.ones((3, 2, 3)), "layers/conv1d/vars/1": np.ones(3)}

    def built(told: Any) -> Any:
        return KerasNetwork(told, weights, "net").graph()

    assert built(config)[built(config).outputs[0]].shape == (1, 2, 3)
    refused = 0
    for damaged in pruned(config):
        try:
            net = KerasNetwork(damaged, weights, "net")
        except (KeyError, ValueError, TypeError, AttributeError, IndexError):
            refused += 1  # what `load` says in one sentence
            continue
        try:
            net.graph()
        except GraphError:
            refused += 1
    assert refused > 100


@pytest.mark.filterwarnings("ignore")
def test_keras_computes_what_keras_does(tmp_path: Path) -> None:
    pytest.importorskip("h5py")
    os.environ.setdefault("KERAS_BACKEND", "torch")
    k: Any = pytest.importorskip("keras")
    lay, rng = k.layers, np.random.default_rng(0)
    k.utils.set_random_seed(0)
    picture = k.Input((9, 8, 3))
    y = lay.Conv2D(4, 3, strides=2, padding="same", activation="relu")(picture)
    y = lay.BatchNormalization()(y)
    a = lay.DepthwiseConv2D(3, padding="same")(y)
    b = lay.SeparableConv2D(4, 3, padding="same", activation="gelu")(y)
    y = lay.Concatenate()([lay.Add()([a, b, y]), lay.MaxPooling2D(3, 1, padding="same")(a)])
    y = lay.Conv2DTranspose(5, 3, strides=2, padding="same")(y)
    y = lay.AveragePooling2D(2, padding="same")(lay.ZeroPadding2D(((1, 0), (0, 2)))(y))
    tail = k.Sequential(
        [lay.UpSampling2D(2), lay.LayerNormalization(), lay.GlobalAveragePooling2D(), lay.Dense(3)]
    )
    whole = k.Model(picture, tail(y))
    sequence = k.Sequential([
        k.Input((6, 5)), lay.Conv1D(4, 3, padding="causal", dilation_rate=2), lay.LeakyReLU(0.1),
        lay.LSTM(4, return_sequences=True), lay.GRU(5, return_sequences=True),
        lay.Bidirectional(lay.SimpleRNN(3, return_sequences=True)),
        lay.Bidirectional(lay.GRU(3), merge_mode="ave"),
        lay.Dense(4, activation="softmax"),
    ])  # fmt: skip
    flat = k.Sequential([k.Input((4, 4, 2)), lay.Conv2D(3, 2, data_format="channels_last"), lay.PReLU(), lay.Flatten(),
                         lay.Dense(6, use_bias=False), lay.Activation("tanh"), lay.Reshape((3, 2)), lay.Permute((2, 1)),
                         lay.ReLU(max_value=0.4, negative_slope=0.1)])  # fmt: skip
    for i, model in enumerate((whole, sequence, flat)):
        for v in model.weights:
            if "seed" not in v.path:
                v.assign(
                    rng.uniform(0.1, 0.9, v.shape) if "variance" in v.path else rng.normal(size=v.shape) * 0.4
                )
        model.save(tmp_path / f"{i}.keras")
        x = rng.normal(size=(3, *model.input_shape[1:])).astype(np.float32)
        net = keras.load(tmp_path / f"{i}.keras")
        expected = np.asarray(model.predict(x, verbose=0))
        assert np.abs(net(x) - expected).max() < 1e-5, i
        opened = wb.load(tmp_path / f"{i}.keras")
        assert np.abs(opened.run(x[:1]) - expected[:1]).max() < 1e-5
    assert isinstance(keras.load(tmp_path / "2.keras"), nn.Module)
