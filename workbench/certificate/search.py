"""The exact rules, looking for a proof: along the engine's plan, and by splits of its own where that fails.

Nothing here needs to be believed: what is found is checked by `check.py`, which computes every bound again.
"""

from __future__ import annotations

import time
from contextlib import suppress
from fractions import Fraction
from typing import Any

import numpy as np

from workbench.certificate.bounds import Bounds
from workbench.certificate.check import Parts, root
from workbench.certificate.choose import Slopes
from workbench.certificate.claim import Case, Constraint, dense
from workbench.certificate.duals import refuted
from workbench.certificate.format import Rejected
from workbench.certificate.parts import SLOPE, Empty, Part
from workbench.certificate.plans import Chosen, Tree
from workbench.certificate.program import Program
from workbench.certificate.tune import Floats, tuned
from workbench.graph import Array

Token = list[Any]
PRECISION = 40
FLOOR = 0.05  # of the largest slope: what every input is taken to matter at least
DEEPEST = 200  # splits of splits: the exact rules do not get there
DECIDED = 6  # one unit in so many must have its sign decided for the rest to be written without it
WIDEST = 32  # inputs: with more, the network is not reduced to them
ONE = 1 << SLOPE
KINDS = ("affine", "shift", "add", "relu")  # steps that can be reduced


class NotProved(Exception):
    """The exact rules do not prove a part of the region within the limits."""


class Prover:
    """`proof` gives the tokens of one case's tree."""

    def __init__(self, program: Program, *, precision: int = PRECISION, seconds: float | None = None) -> None:
        until = None if seconds is None else time.monotonic() + seconds
        self.rules = Bounds(program, precision, None, until)
        self.narrow = program.steps[0].size <= WIDEST and all(s.kind in KINDS for s in program.steps[1:])
        self.floats = Floats(program)

    def proof(self, case: Case, plan: Tree | None = None, most: int = 100_000) -> list[Token]:
        """Tokens of a tree that proves the case, along the engine's plan where one is given.

        Raises
        ------
        NotProved
            After `most` leaves, or where a part is as small as the grid and still not proved.
        """
        parts, plans = Parts(self.rules, case, [root(self.rules, case)]), [plan or Tree()]
        tokens: list[Token] = []
        while parts.open:
            plan = plans.pop()
            walk = _Walk(self, parts, tokens)
            if not plan.children and walk.part.reduced and (walk.leaf() or walk.dual()):
                continue  # by the bounds of a larger part: most leaves need none of their own
            if not (plan.children and len(plans) % 2 and walk.part.reduced):
                walk.bound()  # every other time: bounds of parts that are split are for their parts
            if not plan.children and (walk.leaf() or walk.given(plan) or walk.dual()):
                continue
            if plan.clipped or not plan.children:
                walk.clip()
                if (walk.part.empty or not plan.children) and walk.tune():
                    continue
            if parts.leaves > most or len(parts.open) > DEEPEST:
                raise NotProved(f"a part is not proved exactly after {parts.leaves} leaves")
            walk.reduce()
            walk.split(plan)
            plans += plan.children[::-1] or (Tree(), Tree())
        return tokens


class _Walk:
    """One part, and the tokens that say what was done with it: each is taken by the checker's own rules at once."""

    def __init__(self, prover: Prover, parts: Parts, tokens: list[Token]) -> None:
        self.prover, self.rules, self.case, self.parts = prover, prover.rules, parts.case, parts
        self.tokens = tokens
        self.worst: Constraint | None = None
        self.entries: list[dict[str, Any]] = []

    @property
    def part(self) -> Part:
        """What is worked on."""
        return self.parts.open[-1]

    def do(self, token: Token) -> None:
        """Write a token and do what it says."""
        self.parts.take(token)
        self.tokens.append(token)

    def bound(self) -> None:
        """Bounds of the part."""
        if self.prover.narrow:
            first = self.part.reduced is None
            self.do(["bounds", ["forms", "rows"] if first else ["rows"]])
            if first:
                self.do(["reduce"])
        elif (
            not self.part.low or not self.part.phases
        ):  # where signs are split, only the last rows are bounded again
            if not self.rules.smooth:
                self.do(["bounds", ["interval", "rows"]])
                return
            trial = self.part.smaller()
            chosen = Slopes(self.rules, trial)
            with suppress(Empty):
                self.rules.bound(trial, ("interval", "rows"), chosen)
            self.do(["bounds", ["interval", "rows"], chosen.written()])

    def reduce(self) -> None:
        """What is left of the network, where enough signs were decided for the parts of the part to gain by it."""
        left = self.part.reduced
        if left is not None and not self.part.empty:
            decided = sum(not l < 0 < h for l, h in zip(left.low, left.high, strict=True))
            if decided * DECIDED > len(left.units):
                self.do(["reduce"])

    def leaf(self) -> bool:
        """Whether every alternative is excluded as it is."""
        if self.part.empty:
            self.close()
            return True
        rules, unsafe = self.rules, self.case.unsafe
        size = rules.program.steps[rules.program.output].size
        rows = {one: k for k, one in enumerate(dict.fromkeys(c for every in unsafe for c in every))}
        every_row = [dense(one.terms, size, rules.P) for one in rows]
        lows = rules.rows(every_row, self.part) if rows else []
        self.entries, sure = [], True
        for every in unsafe:
            over = [(lows[rows[c]] - (c.bound << rules.P), k) for k, c in enumerate(every)]
            gap, k = max(over, default=(-1, 0))
            excluded = bool(over) and (gap > 0 or (gap == 0 and every[k].strict))
            if not excluded:
                self.worst = every[k] if over else None
                sure = False
            self.entries.append({"rows": [[k, 1]]} if over else {"rows": []})
        if sure:
            self.close()
        return sure

    def given(self, plan: Tree) -> bool:
        """Whether the slopes and multipliers with which the engine refuted each alternative do it exactly."""
        if len(plan.chosen) != len(self.case.unsafe):
            return False
        before, none, found = self.entries, not any(plan.chosen), []
        for every, entry, chosen in zip(self.case.unsafe, before, plan.chosen, strict=True):
            if chosen is None:
                found.append(entry)
                continue
            one = every[chosen.row]
            scale = max(abs(c) for _, c in one.terms) / chosen.size if one.terms and chosen.size else 0.0
            found.append({"rows": [[chosen.row, 1]], **self._written(chosen, scale)})
        if none:
            return False
        try:
            self.entries = found
            self.close()
        except Rejected:
            self.entries = before
            return False
        return True

    def dual(self) -> bool:
        """Whether linear programs exclude the alternatives that no single constraint excludes as it is."""
        part, P = self.part, self.rules.P
        if part.reduced is None:
            return False
        size, before, found = self.rules.program.steps[self.rules.program.output].size, self.entries, []
        for every, entry in zip(self.case.unsafe, before, strict=True):
            rows, limits = [dense(one.terms, size, P) for one in every], [one.bound << P for one in every]
            if (
                entry["rows"]
                and self.rules.rows([rows[entry["rows"][0][0]]], part)[0] > limits[entry["rows"][0][0]]
            ):
                found.append(entry)
                continue
            other = refuted(part.reduced, part.box, rows, limits, part.phases, P)
            if other is None:
                return False
            found.append(other)
        try:
            self.entries = found
            self.close()
        except Rejected:
            self.entries = before
            return False
        return True

    def _written(self, chosen: Chosen, scale: float) -> dict[str, Any]:
        """A choice as a certificate has it: of signs that are open the slopes, of phases the multipliers."""
        rules, part = self.rules, self.part
        slopes: dict[str, list[list[int]]] = {}
        if part.reduced is not None:
            every = zip(part.reduced.units, part.reduced.low, part.reduced.high, strict=True)
            open_ = {(u.name, u.element): -(-(u.flat << SLOPE) >> u.shift) for u, l, h in every if l < 0 < h}
        else:
            open_ = {
                (name, j): -(
                    -(rules.program.steps[i].matrix[0][0] << SLOPE) >> rules.program.steps[i].exponent
                )
                for name, i in rules.relus.items()
                for k in [rules.program.steps[i].sources[0]]
                for j, (l, h) in enumerate(zip(part.low[k], part.high[k], strict=True))
                if l < 0 < h and (k, j) not in part.phases
            }
        for (name, j), s in chosen.slopes().items():
            if (name, j) in open_:
                least = open_[name, j]
                slopes.setdefault(name, []).append([j, min(max(round(s * ONE), least), ONE)])
        multipliers = [
            [name, j, round(m * scale * 2.0**rules.P)]
            for (name, j), m in chosen.multipliers().items()
            if (rules.program.steps[rules.relus[name]].sources[0], j) in part.phases and m > 0
        ]
        return {"slopes": slopes, "multipliers": multipliers}

    def tune(self) -> bool:
        """Whether slopes and multipliers were found with which every alternative is excluded."""
        rules, P, part = self.rules, self.rules.P, self.part
        if part.empty:
            self.close()
            return True
        size = rules.program.steps[rules.program.output].size
        for every, entry in zip(self.case.unsafe, self.entries, strict=True):
            if not entry["rows"]:
                return False
            one = every[entry["rows"][0][0]]
            row, limit = dense(one.terms, size, P), one.bound << P
            if rules.rows([row], part)[0] > limit:
                continue
            if part.reduced is not None:
                slopes = tuned(part.reduced, part.box, row, float(limit), P)
                found = None if slopes is None else {"slopes": slopes}
            else:
                found = self.prover.floats.tuned(part, row, float(limit), P)
            if found is None:
                return False
            entry.update(found)
        try:
            self.close()
        except Rejected:  # the floats were too optimistic
            return False
        return True

    def close(self) -> None:
        """The leaf's token."""
        if self.part.empty:
            self.entries = [{"rows": []} for _ in self.case.unsafe]
        self.do(["leaf", self.entries])

    def clip(self) -> None:
        """Leave out what is safe."""
        if len(self.part.box[0]) <= WIDEST:
            self.do(["clip"])

    def split(self, plan: Tree) -> None:
        """The part in two: as planned, or where it seems best."""
        if plan.relu:
            return self.do(["z", plan.relu, plan.element])
        low, high = self.part.box
        if not plan.children and len(low) > WIDEST and self.rules.relus:
            return self.do(["z", *self._sign()])
        if plan.children:
            axis, place = plan.axis, round(Fraction(plan.place) * (1 << self.rules.P))
        else:
            axis = self._axis()
            place = low[axis] + high[axis] >> 1
            if high[axis] - low[axis] < 2:
                raise NotProved("a part as small as the grid is not proved exactly")
        return self.do(["x", axis, min(max(place, low[axis]), high[axis])])

    def _axis(self) -> int:
        """The input to split: the one across which the worst row changes most, in floats (a choice needs no proof)."""
        low, high = (np.array(e, np.float64) for e in self.part.box)
        size = np.ones(len(low)) if self.worst is None else np.abs(self._slopes(self.worst))
        size = np.maximum(size, FLOOR * size.max()) if size.max() > 0 else np.ones(len(low))
        return int(np.argmax(size * (high - low)))

    def _sign(self) -> tuple[str, int]:
        """The relu and element whose lines cost the worst row most."""
        if self.worst is None or self.part.reduced is not None:
            raise NotProved("there is nothing left to split")
        row = dense(self.worst.terms, self.rules.program.steps[self.rules.program.output].size, self.rules.P)
        found = self.prover.floats.costliest(self.part, row, self.rules.P)
        if found is None:
            raise NotProved("every sign is decided on a part, and it is not proved exactly")
        return found

    def _slopes(self, row: Constraint) -> Array:
        """A row's slopes over the inputs, as far as they are known."""
        program = self.rules.program
        if self.part.reduced is None and any(s.kind not in (*KINDS, "input") for s in program.steps):
            return np.ones(program.steps[0].size)
        size = program.steps[program.output].size
        ((*slopes, _),) = self.rules.functions([dense(row.terms, size, self.rules.P)], self.part)
        return np.array([float(v) for v in slopes])
