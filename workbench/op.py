"""Op and the rule table: (operator, meaning) -> one pure function.

An operator's meanings stand together in its own file under `ops/`; how a meaning walks a graph stands in one file
under `semantics/`.  This table is the only thing that joins the two.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from workbench.graph import Array, Attribute, GraphError, Node

Rule = Callable[..., Any]
R = TypeVar("R", bound=Rule)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Meaning:
    """A column of the table: what a graph can be interpreted as."""

    name: str
    doc: str


@dataclass(frozen=True, slots=True)
class Op:
    """A row of the table.

    Parameters
    ----------
    name : the operator's ONNX spelling.
    formula : one line of plain text for people, e.g. ``"y = max(x, 0)"``.
    latex : the same in LaTeX.
    moves : True where the operator only moves or repeats elements (no arithmetic: exact in every number format).
    kink : for an activation of two pieces, where it changes from its "off" piece to its "on" piece; else None.
    """

    name: str
    formula: str = ""
    latex: str = ""
    moves: bool = False
    kink: float | None = None

    def __post_init__(self) -> None:
        if self.name in OPS:
            raise ValueError(f"operator {self.name!r} is registered twice")
        OPS[self.name] = self

    def rule(self, meaning: Meaning) -> Callable[[R], R]:
        """Register the decorated function as this operator's rule for `meaning`."""

        def register(function: R) -> R:
            if (self.name, meaning.name) in RULES:
                raise ValueError(f"{self.name} has two rules for {meaning.name}")
            RULES[self.name, meaning.name] = function
            return function

        return register


OPS: dict[str, Op] = {}
RULES: dict[tuple[str, str], Rule] = {}


class UnsupportedOperator(GraphError):
    """An operator, or one meaning of it, that the table does not have."""


def rule_for(node: Node, meaning: Meaning) -> Rule:
    """The rule of `node`'s operator for `meaning`.

    Raises
    ------
    UnsupportedOperator
        Naming the operator, the node, the missing meaning, and what is supported.
    """
    rule = RULES.get((node.op, meaning.name))
    if rule is not None:
        return rule
    if node.op not in OPS:
        raise UnsupportedOperator(
            f"operator {node.op!r} of {node.describe()} is not supported. Supported: {', '.join(sorted(OPS))}"
        )
    have = sorted(m for (o, m) in RULES if o == node.op)
    raise UnsupportedOperator(
        f"{node.op} has no rule for {meaning.name} (needed by {node.describe()}); it has rules for: "
        f"{', '.join(have) or 'nothing'}"
    )


def table() -> Mapping[tuple[str, str], Rule]:
    """The whole table, for tests, docs and the operator view."""
    return dict(RULES)


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """One use of an operator: the node, its operands' shapes, and which operands are known constants.

    `constants[i]` is an array of the operand's own shape where operand i is exactly known (a weight, or moved from
    weights), else None.  `shapes[i]` is None for an omitted operand.  `memo` keeps what rules derive from constants
    (such as absolute weights), so that it is derived once a plan.
    """

    node: Node
    shapes: tuple[tuple[int, ...] | None, ...]
    constants: tuple[Array | None, ...]
    memo: dict[Hashable, Any] = field(default_factory=dict)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the result."""
        return self.node.shape

    def attr(self, name: str, default: Any = None) -> Any:
        """An attribute, or `default`."""
        return self.node.attrs.get(name, default)

    def has(self, index: int) -> bool:
        """Whether operand `index` is given."""
        return index < len(self.shapes) and self.shapes[index] is not None

    def wants(self, index: int) -> bool:
        """Whether somebody asks for the gradient with respect to operand `index` (see `gradient.toward`)."""
        return self.has(index) and index not in self.memo.get("unwanted", ())

    def constant(self, index: int) -> Array | None:
        """The value of operand `index` where it is exactly known."""
        return self.constants[index] if index < len(self.constants) else None

    def is_live(self, index: int) -> bool:
        """Whether operand `index` is given and not an exactly known constant."""
        return self.has(index) and self.constants[index] is None

    def parameter(self, name: str, index: int, default: Attribute | None = None) -> Any:
        """What newer opsets pass as operand `index` and older ones as attribute `name`; a tuple, or `default`.

        Raises
        ------
        UnsupportedOperator
            Where the operand is computed from the network's input: its value must be known when the graph is read.
        """
        value = self.constant(index)
        if value is not None:
            return tuple(value.ravel().tolist())
        if self.has(index):
            raise UnsupportedOperator(
                f"{self.node.describe()}: operand {index} ({name}) must be constant, but the input decides it"
            )
        return self.node.attrs.get(name, default)

    def cached(self, key: Hashable, make: Callable[[], T]) -> T:
        """`make()`, computed once for this call."""
        if key not in self.memo:
            self.memo[key] = make()
        found: T = self.memo[key]
        return found


def as_float64(value: Array) -> Array:
    """A weight as float64, exactly; refuses what float64 cannot hold (64-bit integers beyond 2^53)."""
    wide = np.asarray(value, dtype=np.float64)
    if value.dtype.kind in "iu" and value.itemsize == 8 and (np.abs(wide) >= 2.0**53).any():
        raise GraphError("an integer constant beyond 2^53 cannot take part in real arithmetic")
    return wide
