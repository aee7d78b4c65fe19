"""One network under several float programs side by side: outputs, the class they choose, where they first part ways.

What a program's answer is compared with is one of the programs, by default binary64.  This is about one input: it
observes, and bounds nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np

from workbench.certificate.levels import level
from workbench.floats.order import Order
from workbench.floats.program import Semantics, program_of
from workbench.graph import Array
from workbench.semantics import ieee
from workbench.semantics.plan import Plan
from workbench.tables import Table, printable

Case = str | Semantics | tuple[str | Semantics, str | Order]
FIRST: tuple[Case, ...] = (
    "binary64",
    ("binary32", "sequential"),
    ("binary32", "reversed"),
    ("binary32", "pairwise"),
    ("binary16", "sequential"),
    ("bfloat16", "sequential"),
)


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """What one float program computed at one input, beside the reference.

    Parameters
    ----------
    format, order : the program, and how it added.
    output : of the first output, float64 (exact: every program's numbers are).
    choice : flat index of the largest output; the first of equal ones.
    differs : (node, flat index) of the first neuron whose value is another than the reference's, or None.
    flips : (node, flat index) of the first neuron that one of the two runs has at or below 0 and the other above, at an
        activation's operand, or None.
    apart : largest difference of the outputs.
    """

    format: str
    order: str
    output: Array
    choice: int
    differs: tuple[str, int] | None
    flips: tuple[str, int] | None
    apart: float


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """One network at one input under several float programs; the first of `outcomes` is the reference."""

    outcomes: tuple[Outcome, ...]

    @property
    def level(self) -> str:
        """How far it may be trusted: a level of `workbench.certificate.levels`."""
        return level(self)

    @property
    def gap(self) -> bool:
        """Whether two of the programs choose different classes."""
        return len({o.choice for o in self.outcomes}) > 1

    def table(self) -> Table:
        """A row a program."""
        rows: list[tuple[str, ...]] = [
            ("format", "order", "class", "its output", "outputs apart", "first difference", "first flip")
        ]
        reference = self.outcomes[0]
        for o in self.outcomes:
            top = float(np.ravel(o.output)[o.choice])
            mark = "" if o.choice == reference.choice else " (!)"
            rows.append(
                (
                    o.format,
                    o.order,
                    f"{o.choice}{mark}",
                    repr(top),
                    f"{o.apart:.3g}",
                    _at(o.differs),
                    _at(o.flips),
                )
            )
        said = "the programs disagree about the class" if self.gap else "all programs choose the same class"
        return Table(
            f"compared with {reference.format}, {reference.order}: {said}", rows, "at one input; observed"
        )

    def __repr__(self) -> str:
        return repr(self.table())

    def _repr_html_(self) -> str:
        """The table, with the outputs of every program as bars that share one scale."""
        top = max(
            (float(np.abs(o.output[np.isfinite(o.output)]).max(initial=0.0)) for o in self.outcomes),
            default=0,
        )
        drawn = "".join(_bars(o, self.outcomes[0], top) for o in self.outcomes)
        return f"{self.table()._repr_html_()}<div style='display:flex;flex-wrap:wrap;gap:12px'>{drawn}</div>"


def _at(place: tuple[str, int] | None) -> str:
    return "" if place is None else f"{printable(place[0])}[{place[1]}]"


def _bars(o: Outcome, reference: Outcome, top: float) -> str:
    """A small picture of the outputs, at most 32 of them; the chosen one is filled, and named."""
    values = np.ravel(o.output)[:32]
    wide, high = 10, 60
    parts = []
    for i, v in enumerate(values.tolist()):
        size = high * abs(v) / top if top and np.isfinite(v) else 0.0
        y = high - size if v >= 0 else high
        fill = "#1f6fd1" if i == o.choice else "none"
        box = f"x='{4 + i * wide}' y='{y:.1f}' width='{wide - 3}' height='{size:.1f}'"
        parts.append(f"<rect {box} fill='{fill}' stroke='#7f8998'/>")
    words = escape(f"{o.format}, {o.order}: class {o.choice}")
    ink = "#b3261e" if o.choice != reference.choice else "#7a7a7a"
    size = max(150, 8 + wide * len(values))
    return (
        f"<svg width='{size}' height='140' role='img' aria-label='{words}'><title>{words}</title>{''.join(parts)}"
        f"<text x='4' y='134' font-size='11' fill='{ink}'>{words}</text></svg>"
    )


def compare(
    plan: Plan, inputs: Mapping[str, Array], cases: Sequence[Case] = FIRST, *, seed: int = 0
) -> Comparison:
    """Run one input in several float programs, and say where each parts from the first.

    Parameters
    ----------
    plan : the network.
    inputs : name -> ``(1, *shape)``.
    cases : programs, or (program, order of sums) pairs; the first is what the others are compared with.
    seed : of the order "random".

    Raises
    ------
    ValueError
        No program, a stack of inputs, a program that cannot be run.
    """
    if not cases:
        raise ValueError("give at least one float program to compare")
    if any(np.shape(x)[0] != 1 for x in inputs.values()):
        raise ValueError("programs are compared at one input, not at a stack of them")
    found: list[Outcome] = []
    reference: Mapping[str, Any] = {}
    name = plan.graph.outputs[0]
    watched = _watched(plan)
    for case in cases:
        given, order = case if isinstance(case, tuple) else (case, None)
        program = program_of(given)
        run = ieee.run(plan, inputs, program, order, seed)
        values = {k: np.asarray(v, np.float64)[0] for k, v in run.items()}
        reference = reference or values
        apart = np.abs(values[name] - reference[name])
        found.append(
            Outcome(
                format=program.name,
                order=str(run.order),
                output=values[name],
                choice=int(np.argmax(values[name])) if values[name].size else 0,
                differs=_first(plan, lambda n: ~_same(values[n], reference[n])),  # noqa: B023  (used at once)
                flips=_first(plan, lambda n: (values[n] > 0) != (reference[n] > 0), watched),  # noqa: B023
                apart=float(np.where(np.isnan(apart), np.inf, apart).max(initial=0.0)),
            )
        )
    return Comparison(tuple(found))


def _watched(plan: Plan) -> frozenset[str]:
    """Nodes whose sign an activation with a kink looks at."""
    return frozenset(
        step.operands[0]
        for step in plan.steps
        if step.node.op in ("Relu", "LeakyRelu") and step.operands[0] is not None
    )


def _same(x: Array, y: Array) -> Array:
    return np.asarray((x == y) | (np.isnan(x) & np.isnan(y)))


def _first(plan: Plan, parts: Any, among: frozenset[str] | None = None) -> tuple[str, int] | None:
    for step in plan.steps:
        name = step.node.name
        if among is None or name in among:
            where = np.flatnonzero(parts(name))
            if where.size:
                return name, int(where[0])
    return None
