"""The cheapest number formats, layer by layer, for which a property is still proved of the float network.

A layer is a matrix product or a convolution with all that follows it up to the next one; inputs belong to the first.
What is proved is F13: for every row, its least value in real arithmetic over the region exceeds its threshold by more
than the row's rounding error.  The cost is a model: the bits in which the layers' weights and activations are stored,
each number once; accumulators, which stay where they are computed, cost nothing.

The search is greedy and finds a good choice, not the best one.  All layers begin in the dearest format.  For one width
after another, from wide to narrow, every layer in turn, those that save most first, is moved to the format of that
width that leaves the widest margin, if the proof holds with it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np

from workbench.certificate.levels import level
from workbench.floats.bits import width
from workbench.floats.program import Semantics, Unbounded, program_of
from workbench.graph import Array
from workbench.methods.bounds import Bounds
from workbench.methods.crown import crown
from workbench.methods.rounding import Correlate, Inputs, margin_errors
from workbench.region import Region
from workbench.semantics.plan import Plan

LAYERS = ("Conv", "ConvTranspose", "Gemm", "MatMul")
CANDIDATES = ("binary32", "binary16", "bfloat16", "e5m2", "e4m3fn")
Progress = Callable[[float, str], None]


@dataclass(frozen=True, slots=True)
class Layer:
    """Nodes that share their formats.

    Parameters
    ----------
    nodes : their names, inputs included.
    weights, activations : how many numbers of either kind are stored.
    """

    nodes: tuple[str, ...]
    weights: int
    activations: int

    def bits(self, program: Semantics) -> int:
        """What the layer costs in a program's formats."""
        return self.weights * width(program.weights) + self.activations * width(program.activations)


@dataclass(frozen=True, slots=True, eq=False)
class Precision:
    """A choice of formats.

    Parameters
    ----------
    layers : the layers, in order.
    formats : one name a layer.
    program : the float program with these formats: what was proved is about it, and it can be run.
    bits, dearest : cost of the choice, and of all layers in the dearest format.
    margin : the least, over regions and rows, of (real margin - threshold - rounding error), rounded down.
    proofs : how often the rounding errors were bounded.
    holds : whether the property is proved; where not, not even the dearest format proves it.
    """

    layers: tuple[Layer, ...]
    formats: tuple[str, ...]
    program: Semantics
    bits: int
    dearest: int
    margin: float
    proofs: int
    holds: bool

    @property
    def level(self) -> str:
        """How far it may be trusted: a level of `workbench.certificate.levels`."""
        return level(self)

    def __repr__(self) -> str:
        told = "proved" if self.holds else "not proved"
        cost = f"{self.bits:,} bits of {self.dearest:,}, {len(self.layers)} layers"
        return f"Precision({' | '.join(self.formats)}: {told}, margin {self.margin:.4g}, {cost})"


def cheapest_formats(
    plan: Plan,
    regions: Mapping[str, Region],
    rows: Array,
    candidates: Sequence[str | Semantics] = CANDIDATES,
    *,
    thresholds: Array | float = 0.0,
    before: Bounds | None = None,
    inputs: Inputs = "rounded",
    correlate: Correlate = "needed",
    progress: Progress | None = None,
) -> Precision:
    """For each layer, the cheapest of the candidates such that ``rows . output > thresholds`` is proved in floats.

    Parameters
    ----------
    plan : the network.
    regions : input name -> region, all with the same batch.
    rows : ``(R, *shape)``, coefficients of the first output.
    candidates : programs, or names of programs or formats (a format alone computes in binary32, or in itself where that
        is wider).
    thresholds : ``(R,)`` or a number.
    before : CROWN bounds with these rows as its margins, where they are there already.
    inputs, correlate : as in `rounding`.
    progress : called with (fraction done at most, what is tried); may raise to stop.

    Raises
    ------
    ValueError
        No candidates, an unknown one, or programs of single nodes.
    """
    programs = candidates_of(candidates)
    if before is None or before.margins is None:
        before = crown(plan, regions, neurons="all", rows=rows)
    assert before.margins is not None
    layers, held = layers_of(plan), before
    room = np.asarray(before.margins - thresholds)
    proofs = 0

    def margin_of(choice: Sequence[Semantics]) -> float:
        nonlocal proofs
        proofs += 1
        if progress is not None:
            progress(min(1.0, proofs / (len(layers) * len(programs))), ", ".join(p.name for p in choice))
        try:
            program = together(layers, choice)
            errors = margin_errors(plan, held, program, rows, inputs=inputs, correlate=correlate)
        except Unbounded:
            return -np.inf
        with np.errstate(invalid="ignore"):
            left = np.nextafter(np.nextafter(room, -np.inf) - errors, -np.inf)
        return float(np.where(np.isnan(left), -np.inf, left).min(initial=np.inf))

    choice = [programs[0]] * len(layers)
    margin = margin_of(choice)
    holds = margin > 0
    if holds:
        for bits in sorted({_width(p) for p in programs}, reverse=True):
            level = [p for p in programs if _width(p) == bits]
            savings = [
                layer.bits(now) - layer.bits(level[0]) for layer, now in zip(layers, choice, strict=True)
            ]
            for k in np.argsort([-s for s in savings], kind="stable"):
                if savings[k] <= 0:
                    continue
                tried = [(margin_of([*choice[:k], p, *choice[k + 1 :]]), p) for p in level]
                best = max(tried, key=lambda t: t[0])
                if best[0] > 0:
                    margin, choice[k] = best
    return Precision(
        layers,
        tuple(p.name for p in choice),
        together(layers, choice),
        sum(layer.bits(p) for layer, p in zip(layers, choice, strict=True)),
        sum(layer.bits(programs[0]) for layer in layers),
        margin,
        proofs,
        holds,
    )


def layers_of(plan: Plan) -> tuple[Layer, ...]:
    """The layers of a network; nodes before the first matrix product or convolution belong to it."""
    groups: list[list[str]] = [list(plan.graph.inputs)]
    found = False
    for step in plan.steps:
        weighted = any(c is not None and c.dtype.kind == "f" for c in step.call.constants)
        if step.node.op in LAYERS and weighted:
            if found:
                groups.append([])
            found = True
        groups[-1].append(step.node.name)
    layers = []
    for names in groups:
        steps = [plan.by_name[n] for n in names if n in plan.by_name]
        used = {o for step in steps for o in step.operands if o is not None and o in plan.constants}
        held = {o: plan.constants[o].size for o in used if plan.constants[o].dtype.kind == "f"}
        layers.append(Layer(tuple(names), sum(held.values()), sum(plan.graph[n].size for n in names)))
    return tuple(layers)


def together(layers: Sequence[Layer], choice: Sequence[Semantics]) -> Semantics:
    """One program, with another for every node whose layer has other formats than the first."""
    nodes = {n: p for layer, p in zip(layers, choice, strict=True) for n in layer.nodes if p != choice[0]}
    if not nodes:
        return choice[0]
    name = " | ".join(p.name for p in choice)
    return replace(choice[0], name=name, nodes=MappingProxyType(nodes))


def candidates_of(given: Sequence[str | Semantics]) -> list[Semantics]:
    """Candidates as programs, dearest first.

    Raises
    ------
    ValueError
        None, an unknown one, or programs of single nodes.
    """
    programs = sorted((program_of(c) for c in given), key=lambda p: -_width(p))
    if not programs or any(p.nodes for p in programs):
        raise ValueError("candidates are one or more programs without programs for single nodes")
    return programs


def _width(program: Semantics) -> int:
    return width(program.weights) + width(program.activations)
