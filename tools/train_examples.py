"""Makes the networks and the data in workbench/examples: python tools/train_examples.py [FOLDER].

Plain NumPy, so that everything that happens to a weight can be read here: the layers with their gradients, Adam with
weight decay, and the ONNX files.  The data is scikit-learn's digits (1797 pictures of 8 x 8 pixels with values 0 to
16; divided by 16 here), 360 of them kept for testing.  The same seed gives the same networks on the same NumPy and
BLAS; another BLAS adds in another order and gives slightly different weights, which is why the files are committed.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import onnx
from numpy.lib.stride_tricks import sliding_window_view
from onnx import TensorProto, helper, numpy_helper

Array = np.ndarray[Any, Any]
SEED, TESTED, PIXEL = 2, 360, 16
EPOCHS, BATCH, STEP, DECAY, JITTER = 100, 32, 3e-3, 0.1, 0.06
HERE = Path(__file__).resolve().parents[1] / "workbench" / "examples"


class Layer(Protocol):
    """A function of the layer before, its derivative, and its node in the file; `name` is that of its output.

    `backward` takes the loss's gradient by the output to that by the input, and leaves those by weights in `grads`.
    """

    name: str

    def forward(self, x: Array) -> Array: ...
    def backward(self, up: Array) -> Array: ...
    def export(self, x: str) -> tuple[onnx.NodeProto, dict[str, Array]]: ...


@dataclass
class Dense:
    """y = x W^T + b."""

    name: str
    weight: Array
    bias: Array
    grads: tuple[Array, Array] = field(init=False)

    def forward(self, x: Array) -> Array:
        self.x = x
        return x @ self.weight.T + self.bias

    def backward(self, up: Array) -> Array:
        self.grads = (up.T @ self.x, up.sum(axis=0))
        return up @ self.weight

    def export(self, x: str) -> tuple[onnx.NodeProto, dict[str, Array]]:
        weights = {f"{self.name}.weight": self.weight, f"{self.name}.bias": self.bias}
        return helper.make_node("Gemm", [x, *weights], [self.name], name=self.name, transB=1), weights


@dataclass
class Conv:
    """Cross-correlation with zero padding, by multiplying windows of the picture with the filters."""

    name: str
    weight: Array  # (filters, channels, k, k)
    bias: Array
    stride: int
    pad: int = 1
    grads: tuple[Array, Array] = field(init=False)

    def forward(self, x: Array) -> Array:
        k, p, s = self.weight.shape[2], self.pad, self.stride
        self.padded = np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)))
        self.windows = sliding_window_view(self.padded, (k, k), axis=(2, 3))[:, :, ::s, ::s]
        y = np.einsum("nchwij,fcij->nfhw", self.windows, self.weight, optimize=True)
        return np.asarray(y + self.bias[:, None, None])

    def backward(self, up: Array) -> Array:
        by_weight = np.einsum("nchwij,nfhw->fcij", self.windows, up, optimize=True)
        self.grads = (by_weight, up.sum(axis=(0, 2, 3)))
        spread = np.zeros_like(self.padded)
        k, p, s = self.weight.shape[2], self.pad, self.stride
        rows, columns = up.shape[2:]
        for i in range(k):
            for j in range(k):
                part = np.einsum("nfhw,fc->nchw", up, self.weight[:, :, i, j], optimize=True)
                spread[:, :, i : i + s * rows : s, j : j + s * columns : s] += part
        return spread[:, :, p:-p, p:-p]

    def export(self, x: str) -> tuple[onnx.NodeProto, dict[str, Array]]:
        weights = {f"{self.name}.weight": self.weight, f"{self.name}.bias": self.bias}
        node = helper.make_node(
            "Conv", [x, *weights], [self.name], name=self.name, kernel_shape=self.weight.shape[2:],
            strides=[self.stride] * 2, pads=[self.pad] * 4,
        )  # fmt: skip
        return node, weights


@dataclass
class Relu:
    """max(x, 0)."""

    name: str

    def forward(self, x: Array) -> Array:
        self.on = x > 0
        return x * self.on

    def backward(self, up: Array) -> Array:
        return up * self.on

    def export(self, x: str) -> tuple[onnx.NodeProto, dict[str, Array]]:
        return helper.make_node("Relu", [x], [self.name], name=self.name), {}


@dataclass
class Tanh:
    """The hyperbolic tangent."""

    name: str

    def forward(self, x: Array) -> Array:
        self.y: Array = np.tanh(x)
        return self.y

    def backward(self, up: Array) -> Array:
        return np.asarray(up * (1 - self.y**2))

    def export(self, x: str) -> tuple[onnx.NodeProto, dict[str, Array]]:
        return helper.make_node("Tanh", [x], [self.name], name=self.name), {}


@dataclass
class Flatten:
    """A picture as a row of numbers."""

    name: str

    def forward(self, x: Array) -> Array:
        self.shape = x.shape
        return x.reshape(x.shape[0], -1)

    def backward(self, up: Array) -> Array:
        return up.reshape(self.shape)

    def export(self, x: str) -> tuple[onnx.NodeProto, dict[str, Array]]:
        return helper.make_node("Flatten", [x], [self.name], name=self.name, axis=1), {}


def dense(rng: np.random.Generator, name: str, inputs: int, outputs: int) -> Dense:
    """A dense layer with random weights of variance 2 / inputs (He et al. 2015)."""
    return Dense(name, rng.normal(0, np.sqrt(2 / inputs), (outputs, inputs)), np.zeros(outputs))


def conv(rng: np.random.Generator, name: str, channels: int, filters: int, stride: int) -> Conv:
    """A 3 x 3 convolution with random weights."""
    weight = rng.normal(0, np.sqrt(2 / (9 * channels)), (filters, channels, 3, 3))
    return Conv(name, weight, np.zeros(filters), stride)


def forward(layers: Sequence[Layer], x: Array) -> Array:
    """The network's output."""
    for layer in layers:
        x = layer.forward(x)
    return x


def train(layers: Sequence[Layer], x: Array, labels: Array, rng: np.random.Generator) -> None:
    """Adam (Kingma and Ba 2015) with decoupled weight decay on cross-entropy, the step falling to 0 as a cosine.

    Weight decay keeps the weights, and so the bounds, small; the jitter of the pixels does what more data would.
    """
    learned = [layer for layer in layers if isinstance(layer, (Dense, Conv))]
    moments = [[np.zeros_like(p) for p in (w.weight, w.bias) for _ in range(2)] for w in learned]
    count, steps = 0, EPOCHS * (len(x) // BATCH)
    for _ in range(EPOCHS):
        order = rng.permutation(len(x))
        for first in range(0, len(x) - BATCH + 1, BATCH):
            batch = order[first : first + BATCH]
            count += 1
            step = STEP * 0.5 * (1 + np.cos(np.pi * count / steps))
            noisy = np.clip(x[batch] + rng.uniform(-JITTER, JITTER, x[batch].shape), 0, 1)
            logits = forward(layers, noisy)
            up = np.exp(logits - logits.max(axis=1, keepdims=True))
            up /= up.sum(axis=1, keepdims=True)
            up[np.arange(BATCH), labels[batch]] -= 1  # softmax minus one-hot: the gradient of cross-entropy
            up /= BATCH
            for layer in reversed(layers):
                up = layer.backward(up)
            for layer, (m_w, v_w, m_b, v_b) in zip(learned, moments, strict=True):
                layer.weight *= 1 - step * DECAY
                for value, grad, m, v in zip(
                    (layer.weight, layer.bias), layer.grads, (m_w, m_b), (v_w, v_b), strict=True
                ):
                    m[...] += 0.1 * (grad - m)
                    v[...] += 0.001 * (grad**2 - v)
                    value[...] -= step * (m / (1 - 0.9**count)) / (np.sqrt(v / (1 - 0.999**count)) + 1e-8)


def to_onnx(layers: Sequence[Layer], shape: Sequence[int], name: str, doc: str) -> onnx.ModelProto:
    """The network as an ONNX file: float32 weights, tensors named after their layers, an old opset for old readers."""
    nodes: list[onnx.NodeProto] = []
    weights: dict[str, Array] = {}
    at = "x"
    for layer in layers:
        node, own = layer.export(at)
        nodes.append(node)
        weights |= own
        at = layer.name
    outputs = forward(layers, np.zeros(shape)).shape
    graph = helper.make_graph(
        nodes,
        name,
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(at, TensorProto.FLOAT, outputs)],
        [numpy_helper.from_array(w.astype(np.float32), key) for key, w in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=7)
    model.producer_name, model.doc_string = "nnworkbench tools/train_examples.py", doc
    onnx.checker.check_model(model, full_check=True)
    return model


def toy() -> list[Layer]:
    """Two inputs, three neurons, two outputs: small enough for paper, every weight a short binary fraction."""
    return [
        Dense("fc1", np.array([[1, -1], [0.5, 1], [-1, 0.5]]), np.array([0, 0, 0.25])),
        Relu("relu_1"),
        Dense("fc2", np.array([[1, 1, -1], [-1, 1, 0.5]]), np.array([0.5, 0])),
    ]


def networks(rng: np.random.Generator) -> dict[str, list[Layer]]:
    """The three networks that are trained."""
    return {
        "digits": [
            Flatten("flatten"), dense(rng, "fc1", 64, 128), Relu("relu_1"), dense(rng, "fc2", 128, 64),
            Relu("relu_2"), dense(rng, "logits", 64, 10),
        ],
        "digits_conv": [
            conv(rng, "conv1", 1, 8, 1), Relu("relu_1"), conv(rng, "conv2", 8, 16, 2), Relu("relu_2"),
            Flatten("flatten"), dense(rng, "logits", 256, 10),
        ],
        "digits_tanh": [
            Flatten("flatten"), dense(rng, "fc1", 64, 64), Tanh("tanh_1"), dense(rng, "fc2", 64, 32),
            Tanh("tanh_2"), dense(rng, "logits", 32, 10),
        ],
    }  # fmt: skip


def main(folder: Path) -> None:
    """Train everything and write it to `folder`."""
    from sklearn.datasets import load_digits

    rng = np.random.default_rng(SEED)
    data = load_digits()
    order = rng.permutation(len(data.images))
    images, labels = data.images[order].astype(np.uint8), data.target[order].astype(np.uint8)
    pixels = images[:, None] / PIXEL
    np.savez_compressed(folder / "examples.npz", images=images[:TESTED], labels=labels[:TESTED])
    for name, layers in networks(rng).items():
        train(layers, pixels[TESTED:], labels[TESTED:], rng)
        right = int((forward(layers, pixels[:TESTED]).argmax(axis=1) == labels[:TESTED]).sum())
        doc = f"{right} of {TESTED} test pictures of scikit-learn's digits right"
        onnx.save(to_onnx(layers, (1, 1, 8, 8), name, doc), folder / f"{name}.onnx")
        print(f"{name}: {doc}")
    onnx.save(to_onnx(toy(), (1, 2), "toy", "made by hand"), folder / "toy.onnx")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE)
