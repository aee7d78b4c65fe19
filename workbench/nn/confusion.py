"""Confusion matrices: what a classifier says of each example, what an attack makes it say, what nobody can exclude."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from workbench.graph import Array, Graph, GraphError
from workbench.methods.named import find_bounds
from workbench.methods.progress import Progress
from workbench.nn.certified import _balls, _with_margin
from workbench.nn.module import Module
from workbench.nn.tracing import trace_module
from workbench.semantics import gradient, real
from workbench.semantics.plan import Plan, plan_of

BATCH = 64
KINDS = ("clean", "adversarial", "certified")


@dataclass(frozen=True, eq=False)
class Confusion:
    """For each example the class in each of three readings; None where a reading is not there (yet).

    Parameters
    ----------
    labels : the examples' labels, `classes` the number of classes.
    eps, method, clip : the balls, and the bounds of "certified".
    clean : the largest output at the example itself, in the network's own float program.
    adversarial : the largest output at a point that projected gradient steps found within eps, where that is not the
        label; else the label: no such point was *found*.
    points : these points, of the examples' shape.
    certified : the label where sound bounds prove that it stays the largest output for every real input within eps;
        else the class whose margin has the least lower bound: it is not *excluded*.
    margins : that least lower bound, float64.
    """

    labels: Array
    classes: int
    eps: float
    method: str
    clip: tuple[float, float] | None
    clean: Array | None = None
    adversarial: Array | None = None
    points: Array | None = None
    certified: Array | None = None
    margins: Array | None = None

    def matrix(self, kind: str) -> Array:
        """How many examples of each label (rows) are of each class (columns) in one reading.

        Raises
        ------
        GraphError
            A reading that there is not.
        """
        found = self.read(kind)
        counts: Array = np.zeros((self.classes, self.classes), int)
        np.add.at(counts, (self.labels, found), 1)
        return counts

    def read(self, kind: str) -> Array:
        """The class of each example in one reading: "clean", "adversarial" or "certified"."""
        found = getattr(self, kind, None) if kind in KINDS else None
        if found is None:
            raise GraphError(f"there is no reading {kind!r}")
        return np.asarray(found)

    def members(self, kind: str, label: int, to: int) -> Array:
        """Which examples stand in one cell."""
        return np.flatnonzero((self.labels == label) & (self.read(kind) == to))


def confusion(
    network: Module | Graph,
    x: Array,
    y: Array,
    eps: float = 0.0,
    method: str = "crown",
    clip: tuple[float, float] | None = (0.0, 1.0),
    steps: int = 20,
    starts: int = 2,
    seed: int = 0,
) -> Confusion:
    """All three readings of examples.

    Parameters
    ----------
    network : a classifier, or its graph for one example.
    x, y : examples and their labels, 0 to classes - 1.
    eps : radius of the l_inf balls; 0 leaves out the two readings that look at balls.
    method : of the bounds: "ibp", "crown-ibp", "crown" or "zonotope".
    clip : lowest and highest value of an input, or None.
    steps, starts : of the attack, from so many random points; `seed` is theirs.

    Raises
    ------
    GraphError
        Labels that are no classes of the network, a radius that is negative.
    """
    *_, whole = judged(network, x, y, eps, method, clip, steps, starts, seed)
    return whole


def judged(
    network: Module | Graph, x: Array, y: Array, eps: float, method: str, clip: tuple[float, float] | None,
    steps: int = 20, starts: int = 2, seed: int = 0, progress: Progress | None = None,
) -> Iterator[Confusion]:  # fmt: skip
    """The same, one reading after the other."""
    graph, x, y = checked(network, x, y, eps)
    plan, name = plan_of(graph), graph.outputs[0]
    classes = graph[name].size
    tell = progress or (lambda share, words: None)
    parts = [slice(i, i + BATCH) for i in range(0, len(x), BATCH)]
    clean = np.concatenate([_logits(plan, x[p]).argmax(axis=1) for p in parts])
    found = Confusion(y, classes, eps, method, clip, clean)
    yield found
    if not eps:
        return
    rng, points, said = np.random.default_rng(seed), [], []
    for k, p in enumerate(parts):
        tell(0.5 * k / len(parts), "attacking")
        at, to = _attack(plan, x[p], y[p], eps, clip, steps, starts, rng)
        points.append(at)
        said.append(to)
    found = replace(found, adversarial=np.concatenate(said), points=np.concatenate(points))
    yield found
    worst, margins = np.array(y), np.zeros(len(y))
    done = 0
    for label in np.unique(y):
        tell(0.5 + 0.5 * done / len(y), f"bounding the margins of class {label}")
        at = np.flatnonzero(y == label)
        lows = _margins(graph, x[at], int(label), classes, eps, method, clip)
        others = np.array([j for j in range(classes) if j != label])
        margins[at], least = lows.min(axis=1), others[lows.argmin(axis=1)]
        # what is NaN or infinite is not proved
        worst[at] = np.where((lows > 0).all(axis=1), label, least)
        done += len(at)
    yield replace(found, certified=worst, margins=margins)


def checked(network: Module | Graph, x: Array, y: Array, eps: float = 0.0) -> tuple[Graph, Array, Array]:
    """The network's graph for one example, the examples in its type, and their labels.

    Raises
    ------
    GraphError
        As `confusion`.
    """
    x, y = np.asarray(x), np.asarray(y)
    if x.dtype.kind != "f" or x.dtype == np.float64:
        x = x.astype(np.float32)
    graph = network if isinstance(network, Graph) else trace_module(network, [(1, *x.shape[1:])]).graph
    if len(graph.inputs) != 1 or np.dtype(graph[graph.inputs[0]].dtype).kind != "f":
        raise GraphError("confusion matrices are of networks with one input, of numbers and not of tokens")
    if len(x) != len(y) or not len(x) or y.ndim != 1 or y.dtype.kind not in "iu":
        raise GraphError(f"{len(x)} examples with {y.shape} {y.dtype} labels: give one whole number each")
    classes, wanted = graph[graph.outputs[0]].size, graph[graph.inputs[0]].size
    if x[0].size != wanted:
        raise GraphError(f"an example has {x[0].size} numbers, but the network takes {wanted}")
    if y.min() < 0 or y.max() >= classes:
        raise GraphError(f"labels lie from {y.min()} to {y.max()}, but the network tells {classes} classes")
    if not 0 <= eps < np.inf:
        raise GraphError(f"a radius is 0 or more, not {eps}")
    return graph, x, y


def _logits(plan: Plan, x: Array) -> Array:
    (source,) = plan.graph.inputs
    name = plan.graph.outputs[0]
    values = real.run(plan, {source: x.reshape(len(x), *plan.graph[source].shape)})
    return values[name].reshape(len(x), -1)


def _inside(x: Array, eps: float, clip: tuple[float, float] | None) -> tuple[Array, Array]:
    """Ends of the balls in the type of x, one step of it inward: what lies between lies in the ball, exactly."""
    wide = x.astype(np.float64)
    low, high = (np.asarray(wide + s * eps).astype(x.dtype) for s in (-1, 1))
    low, high = np.nextafter(low, np.inf, dtype=x.dtype), np.nextafter(high, -np.inf, dtype=x.dtype)
    if clip is not None:
        least, most = x.dtype.type(clip[0]), x.dtype.type(clip[1])
        least = least if least >= clip[0] else np.nextafter(least, x.dtype.type(np.inf))
        most = most if most <= clip[1] else np.nextafter(most, x.dtype.type(-np.inf))
        low, high = np.maximum(low, least), np.minimum(high, most)
    return np.minimum(low, x), np.maximum(high, x)


def _attack(
    plan: Plan, x: Array, y: Array, eps: float, clip: tuple[float, float] | None, steps: int, starts: int,
    rng: np.random.Generator,
) -> tuple[Array, Array]:  # fmt: skip
    """Points within eps where another class wins, and that class; the example and its label where none was found."""
    (source,), name = plan.graph.inputs, plan.graph.outputs[0]
    shape, each = plan.graph[source].shape, np.arange(len(x))
    low, high = _inside(x, eps, clip)
    best, to = x.copy(), y.copy()

    def look(at: Array) -> Array:
        logits = _logits(plan, at)
        winner = logits.argmax(axis=1)
        new = (winner != y) & (to == y)
        best[new], to[new] = at[new], winner[new]
        return logits

    look(x)
    for _ in range(max(1, starts)):
        at = np.clip(x + np.asarray(rng.uniform(-eps, eps, x.shape), x.dtype), low, high)
        for _ in range(steps):
            values = real.run(plan, {source: at.reshape(len(at), *shape)})
            logits = values[name].reshape(len(at), -1).astype(np.float64)
            logits[each, y] = -np.inf
            seed = np.zeros(logits.shape)
            seed[each, y], seed[each, logits.argmax(axis=1)] = -1.0, 1.0
            pulled = gradient.pullback(
                plan, values, {name: seed.reshape(values[name].shape)}, None, frozenset({source})
            )
            grad = pulled[source].reshape(x.shape) if source in pulled else np.zeros(x.shape)
            at = np.clip(at + np.asarray(2.5 * eps / steps * np.sign(grad), x.dtype), low, high)
            look(at)
        if (to != y).all():
            break
    return best, to


def _margins(graph: Graph, x: Array, label: int, classes: int, eps: float, method: str, clip: Any) -> Array:
    """Lower bounds of label's logit minus each other one, ``(n, classes - 1)``, over the balls."""
    rest = [j for j in range(classes) if j != label]
    rows = np.zeros((classes, classes - 1), np.float32)
    rows[label], rows[rest, range(classes - 1)] = 1.0, -1.0
    plan = plan_of(_with_margin(graph, graph.outputs[0], rows))
    (source,) = plan.graph.inputs
    found = []
    for part in np.array_split(x, max(1, len(x) // BATCH)):
        centre = part.reshape(len(part), *plan.graph[source].shape)
        found.append(
            find_bounds(plan, {source: _balls(centre, eps, clip)}, method).output.lo.reshape(len(part), -1)
        )
    return np.concatenate(found)
