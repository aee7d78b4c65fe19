"""Dataset: examples with their targets and what they are called; splitting them; those that scikit-learn carries."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from workbench.graph import Array, GraphError

BUNDLED = ("iris", "wine", "breast_cancer", "digits", "diabetes")


class DataError(GraphError):
    """Data that cannot be read or does not fit: names the file, and the line, column or entry."""


@dataclass(frozen=True, eq=False)
class Dataset:
    """Examples, and what is wanted of each; unpacks into the pair ``x, y``.

    Parameters
    ----------
    x : examples along the first axis.
    y : int64 classes, numbers, or None where there are no targets.
    classes : names of the classes, by number; empty where targets are numbers.
    columns : names of the features, where they have any.
    source : where they came from, for messages.
    """

    x: Array
    y: Array | None = None
    classes: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    source: str = "arrays"

    def __post_init__(self) -> None:
        if self.y is not None and len(self.x) != len(self.y):
            raise DataError(f"{self.source}: {len(self.x)} examples and {len(self.y)} targets do not pair up")

    def __len__(self) -> int:
        return len(self.x)

    def __iter__(self) -> Iterator[Array]:
        return iter(self.pair())

    def pair(self) -> tuple[Array, Array]:
        """``(x, y)``, as a loader takes them.

        Raises
        ------
        DataError
            There are no targets.
        """
        if self.y is None:
            raise DataError(f"{self.source} has no targets: say which column or array they are")
        return self.x, self.y

    def __repr__(self) -> str:
        told = f"{len(self.x):,} examples {list(self.x.shape[1:])} {self.x.dtype}"
        if self.y is not None:
            told += f", {len(self.classes)} classes" if self.classes else f", targets {self.y.dtype}"
        return f"Dataset({told}, from {self.source})"

    def split(self, test: float = 0.2, seed: int = 0) -> tuple[Dataset, Dataset]:
        """Two parts, in an order drawn from `seed`; of every class the same share, as nearly as whole examples allow.

        Parameters
        ----------
        test : share of the examples (below 1), or how many, in the second part.

        Raises
        ------
        DataError
            A part that would be empty.
        """
        n = len(self.x)
        count = round(test * n) if test < 1 else int(test)
        if not 0 < count < n:
            raise DataError(f"{self.source}: {count} of {n} examples for testing leaves one part empty")
        rng = np.random.default_rng(seed)
        order = rng.permutation(n)
        if self.y is not None and self.y.ndim == 1 and self.y.dtype.kind in "iu":
            # within each class by the drawn order; then as many of each as its share asks, largest remainders first
            labels, inverse, sizes = np.unique(self.y[order], return_inverse=True, return_counts=True)
            wanted = sizes * count / n
            each = np.floor(wanted).astype(int)
            for k in np.argsort(each - wanted, kind="stable")[: count - each.sum()]:
                each[k] += 1
            rank: Array = np.zeros(n, int)
            for k in range(len(labels)):
                rank[inverse == k] = np.arange(sizes[k])
            held = order[rank < each[inverse]]
        else:
            held = order[:count]
        second = np.sort(held)
        first = np.setdiff1d(np.arange(n), second)
        return self.at(rng.permutation(first)), self.at(rng.permutation(second))

    def at(self, index: Any) -> Dataset:
        """Some of the examples, by their numbers."""
        index = np.asarray(index)
        return replace(self, x=self.x[index], y=None if self.y is None else self.y[index])

    def loader(self, **options: Any) -> Any:
        """Batches of it; `options` as `nn.Loader` takes them."""
        from workbench.nn.data import Loader

        return Loader(*self.pair(), **options)


def dataset(name: str) -> Dataset:
    """One of the data sets that scikit-learn carries with it; nothing is downloaded.

    Parameters
    ----------
    name : "iris", "wine", "breast_cancer", "digits" (numbers from 0 to 16) or "diabetes" (its targets are numbers).

    Raises
    ------
    DataError
        Another name; scikit-learn is not installed.
    """
    if name not in BUNDLED:
        raise DataError(
            f"there is no data set {name!r} in scikit-learn's own: choose one of {', '.join(BUNDLED)}"
        )
    try:
        from sklearn import datasets  # type: ignore[import-untyped]
    except ImportError:
        raise DataError(f"the data set {name!r} comes with scikit-learn: pip install scikit-learn") from None
    held: Any = getattr(datasets, f"load_{name}")()
    x, y = np.asarray(held.data, np.float32), np.asarray(held.target)
    named = tuple(map(str, getattr(held, "target_names", ()))) if y.dtype.kind in "iu" else ()
    return Dataset(
        x,
        y.astype(np.int64 if named else np.float32),
        named,
        tuple(map(str, held.feature_names)),
        f"scikit-learn's {name}",
    )
