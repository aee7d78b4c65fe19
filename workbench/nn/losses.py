"""Losses, named and reduced as PyTorch's: each says how targets become numbers, and what is computed of them.

A loss is a graph too: `build` makes nodes.  `prepare` turns targets (class indices, labels to be ignored) into the
float array that `build` is given, so that what training computes has no branches.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any, ClassVar

import numpy as np

from workbench.graph import Array, GraphError
from workbench.nn import functional as F
from workbench.nn.shapes import ShapeError
from workbench.nn.value import Value

REDUCTIONS = ("none", "mean", "sum")


@dataclass(frozen=True)
class Loss:
    """What all losses share: `reduction` is "mean", "sum" or "none" (one number an element, or an example)."""

    reduction: str = "mean"

    def __post_init__(self) -> None:
        if self.reduction not in REDUCTIONS:
            raise GraphError(f"a reduction is one of {', '.join(REDUCTIONS)}, not {self.reduction!r}")

    def prepare(self, target: Any, shape: tuple[int, ...]) -> Array:
        """Targets for outputs of a shape as floats: here, an array of that very shape.

        Raises
        ------
        ShapeError
            Another shape: a column against a row would broadcast silently.
        """
        found = np.asarray(target, np.float32)
        if found.shape != shape:
            raise ShapeError(
                f"{type(self).__name__} compares outputs of shape {list(shape)} with targets of shape "
                f"{list(found.shape)}: make them equal, with target.reshape{shape} for instance"
            )
        return found

    def build(self, output: Value, target: Value) -> Value:
        """The loss."""
        raise NotImplementedError

    def __call__(self, output: Any, target: Any) -> Any:
        """The loss of two values, or of two arrays."""
        if isinstance(output, Value):
            held = (
                target if isinstance(target, Value) else output.trace.lift(self.prepare(target, output.shape))
            )
            return self.build(output, held)
        from workbench.nn.tracing import trace

        out = np.asarray(output)
        ready = self.prepare(target, out.shape)
        kind = "float64" if out.dtype == np.float64 else "float32"
        return trace(self.build, out.shape, ready.shape, dtype=kind)(out[None], ready[None])

    def _reduced(self, each: Value) -> Value:
        return {"none": lambda: each, "mean": each.mean, "sum": each.sum}[self.reduction]()


class MSELoss(Loss):
    """(output - target)^2."""

    def build(self, output: Value, target: Value) -> Value:
        """The loss."""
        apart = output - target
        return self._reduced(apart * apart)


class L1Loss(Loss):
    """|output - target|."""

    def build(self, output: Value, target: Value) -> Value:
        """The loss."""
        return self._reduced(F.abs_(output - target))


@dataclass(frozen=True)
class HuberLoss(Loss):
    """d^2 / 2 where |d| <= delta, else delta (|d| - delta / 2)."""

    delta: float = 1.0

    def build(self, output: Value, target: Value) -> Value:
        """With m = min(|d|, delta): m (|d| - m / 2)."""
        size = F.abs_(output - target)
        near = F.minimum(size, self.delta)
        return self._reduced(near * (size - near * 0.5))


class BCEWithLogitsLoss(Loss):
    """Binary cross entropy of sigmoid(output), from the logit itself."""

    def build(self, output: Value, target: Value) -> Value:
        """max(x, 0) - x t + log(1 + e^-|x|)."""
        return self._reduced(F.softplus(output) - output * target)


@dataclass(frozen=True)
class KLDivLoss(Loss):
    """t (log t - output), for outputs that are logarithms; "batchmean" divides the sum by the number of examples."""

    def __post_init__(self) -> None:
        if self.reduction != "batchmean":
            super().__post_init__()

    def prepare(self, target: Any, shape: tuple[int, ...]) -> Array:
        """The probabilities, and t log t beside them (0 where t is 0)."""
        t = super().prepare(target, shape)
        if (t < 0).any():
            raise GraphError("KLDivLoss takes probabilities as targets: none may be negative")
        return np.stack([t, t * np.log(np.where(t > 0, t, 1))])

    def build(self, output: Value, target: Value) -> Value:
        """t log t - t output."""
        each = target[1] - target[0] * output
        if self.reduction == "batchmean":
            return each.sum() * (1 / output.shape[0])
        return self._reduced(each)


@dataclass(frozen=True)
class NLLLoss(Loss):
    """-output[label], for outputs that are log-probabilities ``(batch, classes, ...)``.

    `ignore_index` marks labels that do not count.  Where none counts the mean is 0 (PyTorch's is NaN).
    """

    ignore_index: int = -100
    label_smoothing: float = 0.0
    logits: ClassVar[bool] = False

    def prepare(self, target: Any, shape: tuple[int, ...]) -> Array:
        """Class indices (or probabilities of the outputs' shape) as the weight of every log-probability."""
        given, classes = np.asarray(target), shape[1]
        if given.dtype.kind == "f" and given.shape == shape:
            weights = given.astype(np.float32)
            count = prod(shape) // classes
        else:
            if given.shape != (shape[0], *shape[2:]) or given.dtype.kind not in "iu":
                raise ShapeError(
                    f"{type(self).__name__} takes a whole-numbered label for each of {[shape[0], *shape[2:]]}, but was "
                    f"given {given.dtype} of shape {list(given.shape)}"
                )
            kept = given != self.ignore_index
            if ((given < 0) | (given >= classes))[kept].any():
                wrong = given[kept & ((given < 0) | (given >= classes))].flat[0]
                raise GraphError(
                    f"there is no class {wrong}: the network has {classes} outputs, counted from 0"
                )
            hot = np.eye(classes, dtype=np.float32)[np.where(kept, given, 0)] * kept[..., None]
            weights, count = np.moveaxis(hot, -1, 1), int(kept.sum())
            if self.label_smoothing:
                spread = np.float32(self.label_smoothing / classes) * np.expand_dims(kept, 1)
                weights = weights * np.float32(1 - self.label_smoothing) + spread
        return np.asarray(
            weights / np.float32(max(count, 1)) if self.reduction == "mean" else weights, np.float32
        )

    def build(self, output: Value, target: Value) -> Value:
        """Minus the weighted sum of log-probabilities."""
        found = -(F.log_softmax(output, 1) if self.logits else output) * target
        return found.sum(1) if self.reduction == "none" else found.sum()


@dataclass(frozen=True)
class CrossEntropyLoss(NLLLoss):
    """`NLLLoss` of log_softmax(output): outputs are logits ``(batch, classes, ...)``, targets class indices."""

    logits: ClassVar[bool] = True
