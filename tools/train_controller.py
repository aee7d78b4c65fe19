"""Makes workbench/examples/controller.onnx, a small collision avoider: python tools/train_controller.py [FOLDER].

Made up for the tutorials, in the manner of the advisory networks that verifiers are tried on, and no more than that: a
toy that nobody should fly with.  Our aircraft flies at 200 m/s; another one, as fast, is seen at a place relative to
us, flies in some direction, and does not turn.  Five advisories are tried in a simulation of 30 seconds, and each
is scored by how near the two come to each other, less what the turn costs.  The network learns the five scores; the
advisory with the largest score is given.

Inputs: how far ahead of us the other one is, and how far to the left (in units of 8 km, from -1 to 1), and where it
flies, relative to our direction (half turns to the left, from -1 to 1).  Outputs: the scores of clear (no turn), weak
left, weak right (1.5 degrees a second), strong left, strong right (3 degrees a second).

Plain NumPy, with the layers of `train_examples`.  The same seed gives the same network on the same NumPy and BLAS.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import onnx
from train_examples import HERE, Array, Dense, Layer, Relu, dense, forward, to_onnx

SEED, SAMPLES, TESTED = 5, 80_000, 10_000
EPOCHS, BATCH, STEP, DECAY = 90, 128, 6e-3, 0.003
REACH, OWN = 8000.0, 200.0  # metres, metres a second
TURNS = np.radians([0.0, 1.5, -1.5, 3.0, -3.0])  # a second, to the left
PRICES = np.array([0.0, 0.05, 0.05, 0.08, 0.08])
TIMES = np.arange(0.0, 31.0, 1.0)
SAFE = 1500.0  # metres: how near is too near


def scores(x: Array) -> Array:
    """The scores ``(N, 5)`` of the advisories for inputs ``(N, 3)``: 0 is best, -1 is a collision."""
    ahead, left = REACH * x[:, 0], REACH * x[:, 1]
    heading = np.pi * x[:, 2]
    t = TIMES[None]
    ways = (ahead, np.cos(heading)), (left, np.sin(heading))
    other = [start[:, None] + OWN * way[:, None] * t for start, way in ways]
    found = []
    for turn, price in zip(TURNS, PRICES, strict=True):
        if turn:
            own = OWN / turn * np.sin(turn * TIMES), OWN / turn * (1 - np.cos(turn * TIMES))
        else:
            own = OWN * TIMES, 0.0 * TIMES
        nearest = np.hypot(other[0] - own[0], other[1] - own[1]).min(axis=1)
        found.append(-np.exp(-((nearest / SAFE) ** 2)) - price)
    return np.stack(found, axis=1)


def draw(rng: np.random.Generator, count: int) -> Array:
    """Inputs, half of them flying towards us, where it matters."""
    x = rng.uniform(-1, 1, (count, 3))
    near = x[: count // 2]
    near[:, :2] *= 0.7
    towards = np.arctan2(-near[:, 1], -near[:, 0]) / np.pi + rng.normal(0, 0.12, len(near))
    near[:, 2] = (towards + 1) % 2 - 1
    return x


def train(layers: list[Layer], rng: np.random.Generator) -> None:
    """Adam with decoupled weight decay on the squared error, the step falling to 0 as a cosine."""
    x = draw(rng, SAMPLES)
    y = scores(x)
    learned = [layer for layer in layers if isinstance(layer, Dense)]
    moments = [[np.zeros_like(p) for p in (w.weight, w.bias) for _ in range(2)] for w in learned]
    count, steps = 0, EPOCHS * (SAMPLES // BATCH)
    for _ in range(EPOCHS):
        order = rng.permutation(SAMPLES)
        for first in range(0, SAMPLES - BATCH + 1, BATCH):
            batch = order[first : first + BATCH]
            count += 1
            step = STEP * 0.5 * (1 + np.cos(np.pi * count / steps))
            up = 2 * (forward(layers, x[batch]) - y[batch]) / BATCH
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


def main(folder: Path) -> None:
    """Train the network and write it to `folder`."""
    rng = np.random.default_rng(SEED)
    layers: list[Layer] = [
        dense(rng, "fc1", 3, 32), Relu("relu_1"), dense(rng, "fc2", 32, 32), Relu("relu_2"),
        dense(rng, "scores", 32, 5),
    ]  # fmt: skip
    train(layers, rng)
    x = draw(rng, TESTED)
    wanted, found = scores(x), forward(layers, x)
    best = wanted.max(axis=1)
    given = np.take_along_axis(wanted, found.argmax(axis=1)[:, None], axis=1)[:, 0]
    near = float((best - given < 0.05).mean())
    doc = f"the advisory's own score is within 0.05 of the best one's in {near:.1%} of {TESTED} situations"
    onnx.save(to_onnx(layers, (1, 3), "controller", doc), folder / "controller.onnx")
    print(doc, "; error", float(np.abs(found - wanted).mean()))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE)
