"""Tuner: the margin of a float proof over one region, for any choice of formats, layer by layer.

Made for sliders.  Real bounds are found once.  A choice of formats is bounded node by node (`methods.errorwalk`), and
what was found for its first layers does not depend on those that follow: it is kept, and the next choice begins where
it first differs from one that was seen.  What it answers is a proof, the same that `cheapest_formats` searches with
(F13): the least over rows of (real margin - threshold - the row's rounding error).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import TypeVar

import numpy as np

from workbench.floats.program import Semantics, Unbounded
from workbench.graph import Array
from workbench.methods.bounds import Bounds
from workbench.methods.crown import crown
from workbench.methods.errorwalk import Walk
from workbench.methods.precision import (
    CANDIDATES,
    LAYERS,
    Layer,
    Precision,
    candidates_of,
    cheapest_formats,
    layers_of,
    together,
)
from workbench.methods.rounding import Correlate, Inputs, needed
from workbench.region import Region
from workbench.semantics.plan import Plan

T = TypeVar("T")
KEPT = 48  # walks and answers that are kept


@dataclass(frozen=True, slots=True, eq=False)
class Tuning:
    """What one choice of formats proves.

    Parameters
    ----------
    formats : one name a layer.
    margin : the least over regions and rows of (real margin - threshold - rounding error), rounded down; -inf where a
        value that a row reads may overflow, or where nothing is proved about a program.
    holds : whether the property is proved of the float network: margin > 0.
    error : the rounding error of the telling row.
    row : which row (constraint) that is.
    bits, dearest : cost of the choice, and of all layers in the dearest format (see `methods.precision`).
    shares : each layer's part of the telling row's error, summing to 1: to look at, no bound.
    program : the float program that is meant; it can be run.
    overflow : nodes where a neuron may overflow.
    assumptions : what the proof rests on, as sentences.
    seconds : wall time of this answer.
    """

    formats: tuple[str, ...]
    margin: float
    holds: bool
    error: float
    row: int
    bits: int
    dearest: int
    shares: tuple[float, ...]
    program: Semantics
    overflow: tuple[str, ...]
    assumptions: tuple[str, ...]
    seconds: float


@dataclass(slots=True)
class Tuner:
    """The margin of a float network's proof, as a function of its layers' formats.

    Parameters
    ----------
    plan : the network.
    regions : input name -> region, all with the same batch.
    rows : ``(R, *shape)``, exact coefficients of the first output: ``rows . output > thresholds`` is to be proved.
    given : the candidates: programs, or names of programs or formats (see `methods.precision.cheapest_formats`).
    thresholds : ``(R,)`` or a number.
    before : CROWN bounds with these rows as its margins, where they are there already.
    inputs, correlate : as in `rounding`.

    Raises
    ------
    ValueError
        No candidates, an unknown one, or programs of single nodes.
    """

    plan: Plan
    regions: Mapping[str, Region]
    rows: Array
    given: Sequence[str | Semantics] = CANDIDATES
    thresholds: Array | float = 0.0
    before: Bounds | None = None
    inputs: Inputs = "rounded"
    correlate: Correlate = "needed"
    layers: tuple[Layer, ...] = field(init=False)
    programs: Mapping[str, Semantics] = field(init=False)
    _walks: OrderedDict[tuple[str, ...], Walk] = field(init=False, default_factory=OrderedDict)
    _answers: OrderedDict[tuple[str, ...], Tuning] = field(init=False, default_factory=OrderedDict)
    _room: Array = field(init=False)

    def __post_init__(self) -> None:
        self.programs = {p.name: p for p in candidates_of(self.given)}
        self.layers = layers_of(self.plan)
        if self.before is None or self.before.margins is None:
            self.before = crown(self.plan, self.regions, neurons="all", rows=self.rows)
        margins = self.before.margins
        assert margins is not None
        with np.errstate(invalid="ignore"):
            self._room = np.nextafter(np.asarray(margins - self.thresholds), -np.inf)

    @property
    def candidates(self) -> tuple[str, ...]:
        """Names that a layer may be set to, dearest first."""
        return tuple(self.programs)

    @property
    def names(self) -> tuple[str, ...]:
        """One label a layer: the name of its matrix product or convolution."""
        by_name = self.plan.by_name
        return tuple(
            next((n for n in layer.nodes if n in by_name and by_name[n].node.op in LAYERS), layer.nodes[0])
            for layer in self.layers
        )

    @property
    def plain(self) -> tuple[str, ...]:
        """Every layer in the dearest format."""
        return (self.candidates[0],) * len(self.layers)

    @property
    def room(self) -> float:
        """The least real margin over regions and rows, less its threshold: what rounding errors may use up."""
        return float(self._room.min(initial=np.inf))

    def at(self, formats: Sequence[str] | Mapping[str, str]) -> Tuning:
        """What one choice of formats proves.

        Parameters
        ----------
        formats : a candidate's name for each layer; or layer's name -> candidate's name, the others in the dearest.

        Raises
        ------
        ValueError
            A name that is no candidate or no layer, or a wrong number of names.
        """
        chosen = self._chosen(formats)
        if chosen not in self._answers:
            _keep(self._answers, chosen, self._answer(chosen))
        self._answers.move_to_end(chosen)
        return self._answers[chosen]

    def slider(self, formats: Sequence[str] | Mapping[str, str], layer: int) -> tuple[Tuning, ...]:
        """The answers for every candidate of one layer, the others as they are."""
        chosen = self._chosen(formats)
        return tuple(self.at((*chosen[:layer], name, *chosen[layer + 1 :])) for name in self.candidates)

    def cheapest(self) -> Precision:
        """The greedy search of `methods.precision` for the same property and candidates."""
        return cheapest_formats(
            self.plan,
            self.regions,
            self.rows,
            self.given,
            thresholds=self.thresholds,
            before=self.before,
            inputs=self.inputs,
            correlate=self.correlate,
        )

    def _chosen(self, formats: Sequence[str] | Mapping[str, str]) -> tuple[str, ...]:
        if isinstance(formats, Mapping):
            unknown = [n for n in formats if n not in self.names]
            if unknown:
                raise ValueError(f"there is no layer {unknown[0]!r}: the layers are {', '.join(self.names)}")
            formats = [formats.get(n, self.candidates[0]) for n in self.names]
        chosen = tuple(formats)
        if len(chosen) != len(self.layers):
            raise ValueError(f"{len(self.layers)} layers need as many formats, not {len(chosen)}")
        for name in chosen:
            if name not in self.programs:
                raise ValueError(f"{name!r} is no candidate: choose one of {', '.join(self.candidates)}")
        return chosen

    def _answer(self, chosen: tuple[str, ...]) -> Tuning:
        start = perf_counter()
        choice = [self.programs[name] for name in chosen]
        program = together(self.layers, choice)
        bits = sum(layer.bits(p) for layer, p in zip(self.layers, choice, strict=True))
        dearest = sum(layer.bits(self.programs[self.candidates[0]]) for layer in self.layers)
        try:
            walk = self._walked(chosen, program)
        except Unbounded as reason:
            none = (0.0,) * len(chosen)
            seconds = perf_counter() - start
            return Tuning(
                chosen, -np.inf, False, np.inf, 0, bits, dearest, none, program, (), (str(reason),), seconds
            )
        errors = walk.network.combined(self.plan.graph.outputs[0], self.rows)
        with np.errstate(invalid="ignore"):
            left = np.nextafter(self._room - errors, -np.inf)
        left = np.where(np.isnan(left), -np.inf, left)
        region, row = np.unravel_index(int(np.argmin(left)), left.shape) if left.size else (0, 0)
        margin = float(left.min(initial=np.inf))
        return Tuning(
            chosen,
            margin,
            margin > 0,
            float(np.broadcast_to(errors, left.shape)[region, row]) if left.size else 0.0,
            int(row),
            bits,
            dearest,
            self._shares(walk, int(row), int(region)),
            program,
            tuple(walk.overflow),
            walk.assumptions(),
            perf_counter() - start,
        )

    def _walked(self, chosen: tuple[str, ...], program: Semantics) -> Walk:
        """The walk over all layers, from the longest beginning that was seen.

        A beginning is kept in the programs of its own nodes: those of later layers play no part in it.
        """
        assert self.before is not None
        count = len(chosen)
        known = next((k for k in range(count, 0, -1) if chosen[:k] in self._walks), 0)
        if known:
            self._walks.move_to_end(chosen[:known])
            walk = self._walks[chosen[:known]].fork(program)
        else:
            walk = Walk(self.plan, self.before, program)
            for name in self.plan.graph.inputs:
                walk.enter(name, self.inputs)
        if known == count:
            return walk
        wanted = needed(self.plan, self.before) if self.correlate == "needed" else frozenset()
        if self.correlate in ("all", "outputs"):
            wanted = self.plan.live if self.correlate == "all" else frozenset(self.plan.graph.outputs)
        for k in range(known, count):
            for name in self.layers[k].nodes:
                if name in self.plan.by_name:
                    walk.visit(self.plan.by_name[name], correlated=name in wanted)
            _keep(self._walks, chosen[: k + 1], walk.fork(program))
        return walk

    def _shares(self, walk: Walk, row: int, region: int) -> tuple[float, ...]:
        """Each layer's part of a row's error."""
        output = self.plan.graph.outputs[0]
        found = dict.fromkeys(range(len(self.layers)), 0.0)
        if output in self.plan.live and np.isfinite(walk.errors[output]).all():
            at = {name: k for k, layer in enumerate(self.layers) for name in layer.nodes}
            for name, share in walk.network.totals(output, self.rows[row], region).items():
                found[at[name]] += share
        total = sum(found.values())
        return tuple(v / total if total > 0 else 0.0 for v in found.values())


def _keep(held: OrderedDict[tuple[str, ...], T], key: tuple[str, ...], value: T) -> None:
    """Keep the newest."""
    held[key] = value
    held.move_to_end(key)
    while len(held) > KEPT:
        held.popitem(last=False)
