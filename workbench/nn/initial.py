"""First values of parameters, distributed as PyTorch's are; every one is drawn from a generator that is given."""

from __future__ import annotations

from math import prod, sqrt

import numpy as np

from workbench.graph import Array
from workbench.nn.parameter import Draw

Shape = tuple[int, ...]


def zeros(rng: np.random.Generator, shape: Shape) -> Array:
    """All 0."""
    return np.zeros(shape)


def ones(rng: np.random.Generator, shape: Shape) -> Array:
    """All 1."""
    return np.ones(shape)


def normal(deviation: float = 1.0) -> Draw:
    """Normal with mean 0."""
    return lambda rng, shape: rng.normal(0.0, deviation, shape)


def uniform(bound: float) -> Draw:
    """Uniform in [-bound, bound]."""
    return lambda rng, shape: rng.uniform(-bound, bound, shape)


def fans(shape: Shape) -> tuple[int, int]:
    """Inputs and outputs of one neuron for a weight ``(out, in, *kernel)``."""
    field = prod(shape[2:])
    return shape[1] * field, shape[0] * field


def torch_default(fan_in: int) -> Draw:
    """PyTorch's for weights and biases of Linear and Conv: uniform with bound 1 / sqrt(inputs of one neuron)."""
    return uniform(1 / sqrt(fan_in) if fan_in else 0.0)


def kaiming_normal(rng: np.random.Generator, shape: Shape) -> Array:
    """Variance 2 / inputs, for relu (He et al. 2015)."""
    return rng.normal(0.0, sqrt(2 / fans(shape)[0]), shape)


def kaiming_uniform(rng: np.random.Generator, shape: Shape) -> Array:
    """Uniform with variance 2 / inputs."""
    bound = sqrt(6 / fans(shape)[0])
    return rng.uniform(-bound, bound, shape)


def xavier_uniform(rng: np.random.Generator, shape: Shape) -> Array:
    """Uniform with variance 2 / (inputs + outputs) (Glorot and Bengio 2010)."""
    bound = sqrt(6 / sum(fans(shape)))
    return rng.uniform(-bound, bound, shape)


def xavier_normal(rng: np.random.Generator, shape: Shape) -> Array:
    """Normal with variance 2 / (inputs + outputs)."""
    return rng.normal(0.0, sqrt(2 / sum(fans(shape))), shape)


def orthogonal(rng: np.random.Generator, shape: Shape) -> Array:
    """Rows (or columns, whichever are fewer) orthonormal (Saxe et al. 2014)."""
    rows, columns = shape[0], prod(shape[1:])
    q, r = np.linalg.qr(rng.normal(size=(max(rows, columns), min(rows, columns))))
    q = q * np.sign(np.diag(r))
    return np.asarray((q if rows >= columns else q.T).reshape(shape))


def ibp(rng: np.random.Generator, shape: Shape) -> Array:
    """Normal with deviation sqrt(2 pi) / inputs: intervals keep their widths from layer to layer (Shi et al. 2021)."""
    return rng.normal(0.0, sqrt(2 * np.pi) / fans(shape)[0], shape)
