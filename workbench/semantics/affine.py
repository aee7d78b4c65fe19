"""Affine meaning: every node as an affine map, or as a line below and a line above it (CROWN, DeepPoly).

How coefficients are carried backward through them to the inputs stands in `backward.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from workbench.graph import Array
from workbench.op import Meaning, rule_for
from workbench.semantics.interval import Interval, operands_of
from workbench.semantics.plan import Plan, Step

affine = Meaning("affine", "lines below and above, and how coefficients pass backward through them")


@dataclass(frozen=True, slots=True, eq=False)
class LinearMap:
    """A linear map of one operand, with its adjoint and the same two with absolute weights.

    All four act on arrays with one leading axis: ``apply: (N, *in) -> (N, *out)``, ``adjoint: (N, *out) -> (N, *in)``.

    `terms` and `adjoint_terms` bound the number of roundings on the way of one element: the length of the longest sum
    of products, plus the weights' own relative error in units of 2^-53.  0 means pure data movement, exact.
    `rows(index)`, where given, is the adjoint of unit vectors at flat output indices: ``(len(index), *in)``.
    `tiles()`, where given, is a partition of the operand where few results read each part: pairs of flat indices of
    operand and result.
    """

    apply: Callable[[Array], Array]
    adjoint: Callable[[Array], Array]
    magnitude: Callable[[Array], Array]
    magnitude_adjoint: Callable[[Array], Array]
    terms: int
    adjoint_terms: int
    rows: Callable[[Array], Array] | None = None
    tiles: Callable[[], Sequence[tuple[Array, Array]]] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Linear:
    """``y = sum_i A_i x_i + bias``; `maps[i]` is None where operand i is constant, omitted or already in the bias.

    `bias` has shape ``(1, *out)`` or is None; the exact bias lies within `bias_error` of it.
    """

    maps: tuple[LinearMap | None, ...]
    bias: Array | None = None
    bias_error: Array | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Lines:
    """``sum_i slopes[i] * x_i + offset``, elementwise over the node (or over its unfolded operands).

    Slopes and offset have shape ``(B or 1, *out)``, or ``(B or 1, *out, K)`` for slopes of unfolded operands.
    A slope of None is zero.
    """

    slopes: tuple[Array | None, ...]
    offset: Array


@dataclass(frozen=True, slots=True, eq=False)
class Relaxation:
    """A line below and a line above a nonlinear node, true on the whole of its operands' bounds.

    `unfold[i]` is None where operand i enters elementwise (with broadcasting), else an exact data movement
    ``(N, *in) -> (N, *out, K)``; the lines then sum over the last axis.
    `simplex`, where given, says that in real arithmetic the node's values sum to 1 along its last axis (a softmax); it
    holds the gaps between the lines, ``(B or 1, *out)``, finite and not negative: no bound, but what to weigh by.
    """

    lower: Lines
    upper: Lines
    unfold: tuple[LinearMap | None, ...] = ()
    simplex: Array | None = None


def spread(x: Array, shape: tuple[int, ...]) -> Array:
    """``(N, *s)`` with axes inserted after the first so that it broadcasts against ``(N, *shape)``."""
    missing = len(shape) + 1 - x.ndim
    return x.reshape(x.shape[0], *(1,) * missing, *x.shape[1:]) if missing > 0 else x


def gather(x: Array, shape: tuple[int, ...]) -> Array:
    """The adjoint of broadcasting: sum ``(N, *out)`` down to ``(N, *shape)``."""
    extra = x.ndim - 1 - len(shape)
    if extra > 0:
        x = x.sum(axis=tuple(range(1, extra + 1)))
    axes = tuple(i + 1 for i, n in enumerate(shape) if n == 1 and x.shape[i + 1] != 1)
    return x.sum(axis=axes, keepdims=True) if axes else x


def describe(plan: Plan, step: Step, bounds: Mapping[str, Interval]) -> Linear | Relaxation:
    """The node as a linear map or as a pair of lines over its operands' bounds."""
    operands = operands_of(plan, step, bounds)
    found: Linear | Relaxation = rule_for(step.node, affine)(step.call, *operands)
    return found


def same(x: Array) -> Array:
    """The identity: marks maps that keep every element in its place."""
    return x
