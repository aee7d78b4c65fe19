"""The exact rules, looking for a proof: along the engine's plan, and by splits of its own where that fails.

Nothing here needs to be believed: what is found is checked by `check.py`, which computes every bound again.
"""

from __future__ import annotations

import time
from fractions import Fraction
from math import prod
from typing import Any

import numpy as np

from workbench.certificate.bounds import Bounds
from workbench.certificate.check import root, step
from workbench.certificate.claim import Case, Constraint, dense
from workbench.certificate.parts import Part
from workbench.certificate.plans import Tree
from workbench.certificate.program import Program
from workbench.certificate.tune import Floats, tuned
from workbench.graph import Array

Token = list[Any]
PRECISION = 40
WORTH = 0.9  # a clip that leaves more of a part is not worth computing its bounds
FLOOR = 0.05  # of the largest slope: what every input is taken to matter at least
DEEPEST = 200  # splits of splits: the exact rules do not get there
DECIDED = 6  # one unit in so many must have its sign decided for the rest to be written without it
WIDEST = 32  # inputs: with more, the network is not reduced to them
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
        self.leaves = 0

    def proof(self, case: Case, plan: Tree | None = None, most: int = 100_000) -> list[Token]:
        """Tokens of a tree that proves the case, along the engine's plan where one is given.

        Raises
        ------
        NotProved
            After `most` leaves, or where a part is as small as the grid and still not proved.
        """
        todo: list[tuple[Part, Tree]] = [(root(self.rules, case), plan or Tree())]
        tokens: list[Token] = []
        limit = self.leaves + most
        while todo:
            part, plan = todo.pop()
            walk = _Walk(self, case, part, tokens)
            walk.bound()
            if not plan.children and walk.leaf():
                self.leaves += 1
                continue
            if plan.clipped or not plan.children:
                walk.clip(part)
                if walk.part.empty or (not plan.children and walk.tune()):
                    walk.close()
                    self.leaves += 1
                    continue
            if self.leaves > limit or len(todo) > DEEPEST:
                raise NotProved(f"a part is not proved exactly after {self.leaves} leaves")
            walk.reduce()
            parts = walk.split(plan)
            todo += [(p, c) for p, c in zip(parts, plan.children[::-1] or (Tree(), Tree()), strict=True)]
        return tokens


class _Walk:
    """One part, and the tokens that say what was done with it."""

    def __init__(self, prover: Prover, case: Case, part: Part, tokens: list[Token]) -> None:
        self.prover, self.rules, self.case, self.tokens = prover, prover.rules, case, tokens
        self.part = part
        self.worst: Constraint | None = None
        self.entries: list[dict[str, Any]] = []

    def do(self, token: Token) -> list[Part]:
        """Write a token and do what it says."""
        kind, *rest = token
        found = step(self.rules, self.part, self.case, kind, rest)
        self.tokens.append(token)
        return found

    def bound(self) -> None:
        """Bounds of the part."""
        if self.prover.narrow:
            first = self.part.reduced is None
            (self.part,) = self.do(["bounds", ["forms", "rows"] if first else ["rows"]])
            if first:
                (self.part,) = self.do(["reduce"])
        elif (
            not self.part.low or not self.part.phases
        ):  # where signs are split, only the last rows are bounded again
            (self.part,) = self.do(["bounds", ["interval", "rows"]])

    def reduce(self) -> None:
        """What is left of the network, where enough signs were decided for the parts of the part to gain by it."""
        left = self.part.reduced
        if left is not None and not self.part.empty:
            decided = sum(not l < 0 < h for l, h in zip(left.low, left.high, strict=True))
            if decided * DECIDED > len(left.units):
                (self.part,) = self.do(["reduce"])

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
            self.tokens.append(["leaf", self.entries])
        return sure

    def tune(self) -> bool:
        """Whether slopes and multipliers were found with which every alternative is excluded."""
        rules, P, part = self.rules, self.rules.P, self.part
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
        return True

    def close(self) -> None:
        """The leaf's token."""
        if self.part.empty:
            self.entries = [{"rows": []} for _ in self.case.unsafe]
        self.tokens.append(["leaf", self.entries])

    def clip(self, before: Part) -> None:
        """Leave out what is safe, where that is worth it."""
        if len(before.box[0]) > WIDEST:
            return
        (left,) = step(self.rules, self.part, self.case, "clip", [])
        if _share(left, before) < WORTH:
            self.tokens.append(["clip"])
            self.part = left

    def split(self, plan: Tree) -> list[Part]:
        """The part in two: as planned, or where it seems best."""
        if plan.relu:
            return self.do(["z", plan.relu, plan.element])
        low, high = self.part.box
        if not plan.children and len(low) > WIDEST:
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
        if self.part.reduced is None and any(s.kind == "conv" for s in program.steps):
            return np.ones(program.steps[0].size)
        size = program.steps[program.output].size
        ((*slopes, _),) = self.rules.functions([dense(row.terms, size, self.rules.P)], self.part)
        return np.array([float(v) for v in slopes])


def _share(inner: Part, outer: Part) -> float:
    """The volume of a part's box as a share of that of another's."""
    if inner.empty:
        return 0.0
    widths = [[h - l for l, h in zip(*part.box, strict=True)] for part in (inner, outer)]
    return prod(a / b for a, b in zip(*widths, strict=True) if b)
