"""Making certificates: the engine's choices, tried on the exact rules leaf by leaf, and split further where they fail.

Nothing here needs to be believed: what is written is checked by `check.py`, which computes every bound again.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import lcm, prod
from typing import Any

import numpy as np

import workbench
from workbench.certificate.bounds import Bounds
from workbench.certificate.check import ASSUMPTIONS, SEMANTICS, check, clipped, phased
from workbench.certificate.claim import Case, Constraint, dense, parsed_case
from workbench.certificate.format import NAME, CannotCheck
from workbench.certificate.onnx_file import dyadic, integers_of
from workbench.certificate.parts import Empty, Part
from workbench.certificate.program import Program, lower
from workbench.graph import Array, Graph
from workbench.spec import Property

Token = list[Any]
PRECISION = 32
WORTH = 0.5  # a clip that leaves more of a part is not worth computing its bounds
FLOOR = 0.05  # of the largest slope: what every input is taken to matter at least
DEEPEST = 200  # splits of splits: the exact rules do not get there
WIDEST = 32  # inputs: with more, rows cost less than forms


class NotProved(Exception):
    """The exact rules do not prove a part of the region within the limits."""


@dataclass(frozen=True)
class Tree:
    """How the engine split the region.  A tree without children is a leaf.

    Parameters
    ----------
    axis, place : an input's flat index and where it was cut: below it the first child, above it the second.
    relu, element : instead of them, the phase that was split: z <= 0 the first child, z >= 0 the second.
    """

    children: tuple[Tree, ...] = ()
    axis: int = 0
    place: float | Fraction = 0.0
    relu: str = ""
    element: int = 0


def network_of(graph: Graph, sha256: str = "") -> dict[str, Any]:
    """A graph as the network of a certificate (for one that comes from no ONNX file, or whose file is not at hand)."""
    nodes = []
    for node in graph.nodes:
        if node.op != "Input":
            attributes = {k: _attribute(v) for k, v in node.attrs.items()}
            inputs = list(node.inputs)
            while inputs and not inputs[-1]:
                inputs.pop()
            nodes.append({"op": node.op, "inputs": inputs, "output": node.name, "attributes": attributes})
    if len(graph.inputs) != 1 or len(graph.outputs) != 1:
        raise CannotCheck("a network that has not exactly one input and one output")
    source = graph[graph.inputs[0]]
    return {
        "sha256": sha256,
        "name": graph.name,
        "input": {"name": source.name, "shape": list(source.shape)},
        "output": graph.outputs[0],
        "nodes": nodes,
        "tensors": {k: _tensor(w) for k, w in graph.weights.items()},
    }


def _attribute(value: Any) -> Any:
    if isinstance(value, float):
        mantissa, exponent = dyadic(value)
        return {"mantissa": mantissa, "exponent": exponent}
    return list(value) if isinstance(value, tuple) else value


def _tensor(array: Array) -> dict[str, Any]:
    if array.dtype.kind == "f":
        return {"shape": list(array.shape), **integers_of(array.reshape(-1).astype(np.float64).tolist())}
    return {"shape": list(array.shape), "exponent": 0, "data": [int(v) for v in array.reshape(-1).tolist()]}


def claim_of(asked: Property, verdict: str) -> dict[str, Any]:
    """The claim about a property: its boxes and constraints exactly."""
    cases = []
    for case in asked.cases:
        if not case.region.is_box:
            raise CannotCheck("certificates are about boxes: this region is a ball")
        if case.ends is not None:
            low, high, sides = case.ends.lower, case.ends.upper, case.ends.open
        else:
            low, high = (
                tuple(map(Fraction, e.reshape(-1).tolist())) for e in (case.region.lower, case.region.upper)
            )
            sides = frozenset[tuple[int, int]]()
        cases.append(
            {
                "lower": [[v.numerator, v.denominator] for v in low],
                "upper": [[v.numerator, v.denominator] for v in high],
                "open": sorted(list(s) for s in sides),
                "unsafe": [[_constraint(c) for c in every] for every in case.unsafe],
            }
        )
    return {"verdict": verdict, "semantics": SEMANTICS, "cases": cases}


def _constraint(c: Any) -> dict[str, Any]:
    """Scaled to integers by a positive number: the same constraint."""
    scale = lcm(c.bound.denominator, *(v.denominator for v in c.coefficients))
    terms = [[i, int(v * scale)] for i, v in enumerate(c.coefficients) if v]
    return {"terms": terms, "bound": int(c.bound * scale), "strict": c.strict}


def certificate(
    network: Mapping[str, Any],
    claim: Mapping[str, Any],
    proof: Mapping[str, Any],
    method: str,
    seconds: float,
) -> dict[str, Any]:
    """All parts of a certificate together."""
    made = {
        "workbench": workbench.__version__,
        "engine": "workbench",
        "method": method,
        "seconds": f"{seconds:.3g}",
    }
    return {
        "format": NAME,
        "made_by": made,
        "claim": claim,
        "trust": {"assumptions": list(ASSUMPTIONS)},
        "proof": proof,
        "network": network,
    }


class Prover:
    """The exact rules, looking for a proof: `proof` gives the tokens of one case's tree."""

    def __init__(self, program: Program, *, precision: int = PRECISION, seconds: float | None = None) -> None:
        until = None if seconds is None else time.monotonic() + seconds
        self.rules = Bounds(program, precision, None, until)
        chain = all(s.kind != "conv" for s in program.steps) and program.steps[0].size <= WIDEST
        self.ways = ("forms", "rows") if chain else ("interval", "rows")  # from cheap to tight
        self.floats = [np.array(s.matrix, np.float64) * 2.0**-s.exponent for s in program.steps]
        self.leaves = 0

    def proof(self, case: Case, tree: Tree | None = None, most: int = 100_000) -> list[Token]:
        """Tokens of a tree that proves the case, along the engine's tree where one is given.

        Raises
        ------
        NotProved
            After `most` leaves, or where a part is as small as the grid and still not proved.
        """
        P = self.rules.P
        low = [(v.numerator << P) // v.denominator for v in case.lower]
        high = [-((-v.numerator << P) // v.denominator) for v in case.upper]
        todo: list[tuple[Part, Tree | None]] = [(Part((low, high)), tree)]
        tokens: list[Token] = []
        limit = self.leaves + most
        while todo:
            part, plan = todo.pop()
            if plan is not None and plan.children:
                token, parts = self._phase(part, plan) if plan.relu else self._along(part, plan)
                tokens.append(token)
                todo += [(parts[1], plan.children[1]), (parts[0], plan.children[0])]
                continue
            found, trial, row = self.leaf(part, case)
            if found is None:
                smaller = clipped(self.rules, trial, case, "") if trial.low else trial
                if _share(smaller, part) < WORTH:
                    tokens += [*([["bounds", [way]] for way in self.ways]), ["clip"]]
                    part = smaller
                    found = [["leaf", [{"rows": []} for _ in case.unsafe]]] if part.empty else None
            if found is not None:
                self.leaves += 1
                tokens += found
                continue
            axis = self._axis(replace(trial, box=part.box), row)
            l, h = part.box[0][axis], part.box[1][axis]
            if h - l < 2 or self.leaves > limit or len(todo) > DEEPEST:
                raise NotProved(f"a part is not proved exactly after {self.leaves} leaves")
            token, parts = _cut(part, axis, (l + h) // 2)
            tokens.append(token)
            todo += [(parts[1], None), (parts[0], None)]
        return tokens

    def leaf(self, part: Part, case: Case) -> tuple[list[Token] | None, Part, Constraint | None]:
        """Tokens that prove the part without splitting it, or None; its bounds; what is not excluded by them."""
        trial = part.smaller(box=part.box)
        tokens: list[Token] = []
        worst: Constraint | None = None
        for way in self.ways:
            tokens.append(["bounds", [way]])
            try:
                self.rules.bound(trial, [way], {})
            except Empty:
                return [*tokens, ["leaf", [{"rows": []} for _ in case.unsafe]]], trial, None
            entries, worst = self._entries(trial, case)
            if entries is not None:
                return [*tokens, ["leaf", entries]], trial, None
        return None, trial, worst

    def _entries(self, part: Part, case: Case) -> tuple[list[dict[str, Any]] | None, Constraint | None]:
        """For every unsafe alternative a constraint that is excluded; or the one that comes nearest to it."""
        rules, program = self.rules, self.rules.program
        size = program.steps[program.output].size
        rows = {one: k for k, one in enumerate(dict.fromkeys(c for every in case.unsafe for c in every))}
        every_row = [dense(one.terms, size, rules.P) for one in rows]
        lows = rules.rows(program.output, list(range(size)), every_row, part) if rows else []
        entries = []
        for every in case.unsafe:
            over = [(lows[rows[c]] - (c.bound << rules.P), k) for k, c in enumerate(every)]
            if not over:
                return None, None
            gap, k = max(over)
            if not (gap > 0 or (gap == 0 and every[k].strict)):
                return None, every[k]
            entries.append({"rows": [[k, 1]]})
        return entries, None

    def _phase(self, part: Part, plan: Tree) -> tuple[Token, list[Part]]:
        token = ["z", plan.relu, plan.element]
        return token, phased(self.rules, part, token[1:], "")[::-1]

    def _along(self, part: Part, plan: Tree) -> tuple[Token, list[Part]]:
        place = round(Fraction(plan.place) * (1 << self.rules.P))
        return _cut(part, plan.axis, min(max(place, part.box[0][plan.axis]), part.box[1][plan.axis]))

    def _axis(self, part: Part, row: Constraint | None) -> int:
        """The input to split: the one across which the row changes most, in floats (a choice needs no proof)."""
        low, high = (np.array(e, np.float64) for e in part.box)
        size = np.ones(len(low)) if row is None else np.abs(self._slopes(part, row))
        size = np.maximum(size, FLOOR * size.max()) if size.max() > 0 else np.ones(len(low))
        return int(np.argmax(size * (high - low)))

    def _slopes(self, part: Part, row: Constraint) -> Array:
        """About the row's slopes over the inputs: every relu that may be both is taken for its chord."""
        program = self.rules.program
        pending = {program.output: np.zeros(program.steps[program.output].size)}
        for i, c in row.terms:
            pending[program.output][i] = c
        for i in range(program.output, 0, -1):
            step = program.steps[i]
            if i not in pending:
                continue
            seed = pending.pop(i)
            if step.kind == "conv":
                return np.ones(program.steps[0].size)
            if step.kind == "affine":
                seed = seed @ self.floats[i][:, :-1]
            elif step.kind == "relu":
                l, u = (np.array([float(v) for v in e[step.sources[0]]]) for e in (part.low, part.high))
                seed = seed * np.where(l >= 0, 1.0, np.where(u <= 0, 0.0, u / np.where(u > l, u - l, 1.0)))
            for k in step.sources:
                pending[k] = pending.get(k, 0) + seed
        return np.asarray(pending.get(0, np.ones(program.steps[0].size)))


def _cut(part: Part, axis: int, place: int) -> tuple[Token, list[Part]]:
    low, high = part.box
    below = part.smaller(box=(low, [*high[:axis], place, *high[axis + 1 :]]))
    above = part.smaller(box=([*low[:axis], place, *low[axis + 1 :]], high))
    return ["x", axis, place], [below, above]


def _share(inner: Part, outer: Part) -> float:
    """The volume of a part's box as a share of that of another's."""
    if inner.empty:
        return 0.0
    widths = [[h - l for l, h in zip(*part.box, strict=True)] for part in (inner, outer)]
    return prod(a / b for a, b in zip(*widths, strict=True) if b)


def certify(
    network: Mapping[str, Any],
    asked: Property,
    *,
    counterexample: tuple[int, Sequence[Fraction]] | None = None,
    trees: Sequence[Tree | None] = (),
    method: str = "",
    seconds: float = 0.0,
    limit: float | None = None,
    precision: int = PRECISION,
) -> dict[str, Any]:
    """A certificate of a verdict about real arithmetic, checked while it is made.

    Parameters
    ----------
    network : from `onnx_file.read`, or `network_of`.
    asked : the property.
    counterexample : the case and the exact point, where the verdict is "falsified"; None for "verified".
    trees : how the engine split each case, to start from.
    method, seconds : how the engine found the verdict, and how long it took: for people.
    limit : seconds that this may take.

    Raises
    ------
    NotProved
        Where the exact rules do not prove what the engine did.
    CannotCheck
        A network or a region that certificates have no rules for.
    Rejected
        A counterexample that is none.
    """
    start = time.monotonic()
    claim = claim_of(asked, "verified" if counterexample is None else "falsified")
    program = lower(network)
    if counterexample is not None:
        case, point = counterexample
        pairs = [[v.numerator, v.denominator] for v in point]
        found = certificate(network, claim, {"case": case, "point": pairs}, method, seconds)
        check(found, seconds=limit)
        return found
    prover = Prover(program, precision=precision, seconds=limit)
    whole = [*trees, *[None] * len(asked.cases)]
    cases = [prover.proof(parsed_case(c, program), t) for c, t in zip(claim["cases"], whole, strict=False)]
    proof = {"precision": precision, "cases": cases}
    found = certificate(network, claim, proof, method, seconds)
    left = None if limit is None else max(1.0, limit - (time.monotonic() - start))
    check(found, seconds=left)
    return found


def dumps(certificate: Mapping[str, Any]) -> bytes:
    """The bytes of a certificate's file."""
    return json.dumps(certificate, separators=(",", ":")).encode() + b"\n"
