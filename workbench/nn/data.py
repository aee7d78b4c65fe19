"""Loader: batches of arrays, shuffled by a seed: an epoch's order depends on that and its number only."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from workbench.graph import Array, GraphError
from workbench.nn.dataset import Dataset


@dataclass(frozen=True, eq=False)
class Loader:
    """Batches of examples with their targets.

    Parameters
    ----------
    x, y : arrays whose first axis counts examples.
    batch_size : examples a batch; the last one may be smaller.
    shuffle : whether every epoch has its own order.
    seed : of the order.
    drop_last : whether a smaller last batch is left out.
    """

    x: Array
    y: Array
    batch_size: int = 32
    shuffle: bool = True
    seed: int = 0
    drop_last: bool = False

    def __post_init__(self) -> None:
        x, y = np.asarray(self.x), np.asarray(self.y)
        if not x.ndim or not y.ndim or len(x) != len(y):
            raise GraphError(
                f"{x.shape[:1] or 'no'} examples and {y.shape[:1] or 'no'} targets do not pair up"
            )
        if self.batch_size < 1 or not len(x):
            raise GraphError(f"{len(x)} examples cannot be cut into batches of {self.batch_size}")
        if x.dtype.kind == "f" and not np.isfinite(x).all():
            where = np.argwhere(~np.isfinite(x))[0].tolist()
            raise GraphError(
                f"example {where[0]} holds {x[tuple(where)]} at {where[1:]}: clean the data first"
            )
        if x.dtype == np.float64:
            x = x.astype(np.float32)
        if x.dtype.kind == "O" or y.dtype.kind == "O":
            raise GraphError("examples of different shapes do not make an array: cut or pad them")
        object.__setattr__(self, "x", x)
        object.__setattr__(self, "y", y)

    def __len__(self) -> int:
        n = len(self.x)
        return n // self.batch_size if self.drop_last else -(-n // self.batch_size)

    def order(self, epoch: int) -> Array:
        """The order of the examples in an epoch."""
        n = len(self.x)
        return np.random.default_rng([self.seed, epoch]).permutation(n) if self.shuffle else np.arange(n)

    def epoch(self, epoch: int = 0, start: int = 0) -> Iterator[tuple[Array, Array]]:
        """The batches of an epoch, from the one at `start` on."""
        order = self.order(epoch)
        for i in range(start, len(self)):
            at = order[i * self.batch_size : (i + 1) * self.batch_size]
            yield self.x[at], self.y[at]

    def __iter__(self) -> Iterator[tuple[Array, Array]]:
        return self.epoch()


def loader_of(data: Any, **options: Any) -> Loader:
    """Itself, where it is a loader; else a loader of a data set or a pair of arrays.

    Raises
    ------
    GraphError
        What is neither.
    """
    if isinstance(data, Loader):
        return data
    if isinstance(data, Dataset):
        return data.loader(**options)
    if isinstance(data, tuple | list) and len(data) == 2:
        return Loader(data[0], data[1], **options)
    raise GraphError(
        f"examples with their targets are given as the pair (x, y), or as nn.Loader(x, y, batch_size=64), "
        f"not as {type(data).__name__}"
    )


def digits(test: float = 360, seed: int = 0, scale: float = 16.0) -> tuple[Array, Array, Array, Array]:
    """scikit-learn's digits, as rows of 64 numbers in [0, 1], split by `train_test_split` with equal shares of classes.

    Returns
    -------
    x_train, y_train, x_test, y_test.
    """
    try:
        from sklearn.datasets import load_digits  # type: ignore[import-untyped]
        from sklearn.model_selection import train_test_split  # type: ignore[import-untyped]
    except ImportError:
        raise GraphError("the digits come with scikit-learn: pip install scikit-learn") from None
    data: Any = load_digits()
    x, y = (data.data / scale).astype(np.float32), data.target.astype(np.int64)
    a, b, c, d = train_test_split(x, y, test_size=test, random_state=seed, stratify=y)
    return a, c, b, d
