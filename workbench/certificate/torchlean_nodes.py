"""TorchLean's certificates of every node of a graph: boxes, and lines (CROWN, with alpha), both ways.

A node's place in the list is its id in the graph's file (`io.torchlean.ir_from_graph`).  What is read is proved from
the network's numbers: that the values lie in the box, or between the lines, on the region.  TorchLean itself accepts
lines only where they are bit for bit those of its own binary32 replay; ours are true, and not those.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from workbench.certificate.bounds import Bounds
from workbench.certificate.format import CannotCheck, Rejected
from workbench.certificate.outside import Box, box, exact
from workbench.certificate.parts import SLOPE, Part
from workbench.certificate.program import lower
from workbench.certificate.torchlean import down, up

PRECISION = 256
Line = tuple[list[Fraction], Fraction]  # coefficients of the inputs, and a constant


class Value:
    """What the exact rules say of one value of a network over a box."""

    def __init__(
        self, network: Mapping[str, Any], name: str, region: Box, alpha: Mapping[str, Sequence[Fraction]]
    ) -> None:
        last = next((k for k, node in enumerate(network["nodes"]) if node["output"] == name), -1)
        # up to here only: after it, the value might be joined with what follows it
        program = lower({**network, "nodes": network["nodes"][: last + 1], "output": name})
        self.region, self.step, self.unit = region, program.output, 1 << PRECISION
        self.size = program.steps[self.step].size
        self.rules = Bounds(program, PRECISION, None, None)
        low = [(v.numerator << PRECISION) // v.denominator for v in region[0]]
        high = [-((-v.numerator << PRECISION) // v.denominator) for v in region[1]]
        self.part = Part((low, high))
        self.rules.bound(self.part, ["interval"], {})
        self.slopes = {
            i: {j: max(0, min(1 << SLOPE, round(v * (1 << SLOPE)))) for j, v in enumerate(alpha[relu])}
            for relu, i in self.rules.relus.items()
            if relu in alpha and len(alpha[relu]) == program.steps[i].size
        }

    def box(self) -> Box:
        """Ends of the value's elements."""
        ends = self.part.low[self.step], self.part.high[self.step]
        return [Fraction(int(v), self.unit) for v in ends[0]], [Fraction(int(v), self.unit) for v in ends[1]]

    def lines(self, *, chosen: bool) -> tuple[list[Line], list[Line]]:
        """Linear functions of the input below every element, and above it."""
        size, n = self.size, len(self.region[0])
        rows = [[s * self.unit * (j == k) for k in range(size)] for s in (1, -1) for j in range(size)]
        found = self.rules.walked(self.step, rows, self.part, self.slopes if chosen else {})
        every = [
            ([Fraction(int(v), self.unit) for v in r[:n]], Fraction(int(r[n]), self.unit)) for r in found
        ]
        return every[:size], [([-a for a in r], -c) for r, c in every[size:]]


def least(line: Line, region: Box) -> Fraction:
    """The least value of a linear function over a box."""
    return line[1] + sum(
        (a * (l if a >= 0 else h) for a, l, h in zip(line[0], *region, strict=True)), Fraction(0)
    )


def nodes_to_json(
    network: Mapping[str, Any], names: Sequence[str | Sequence[float]], region: Box, *, lines: bool = False
) -> dict[str, Any]:
    """A box of every node, and where asked its lines.

    Parameters
    ----------
    names : the value of every node by name, or the numbers of one that is constant.
    region : with ends that float64 has.

    Raises
    ------
    CannotCheck
        An operator without an exact rule.
    """
    boxes: list[dict[str, Any]] = []
    every: list[dict[str, Any]] = []
    for name in names:
        if not isinstance(name, str):
            boxes.append({"lo": list(name), "hi": list(name)})
            none = [[0.0] * len(region[0]) for _ in name]
            every.append({"loA": none, "loC": list(name), "hiA": none, "hiC": list(name)})
            continue
        value = Value(network, name, region, {})
        low, high = value.box()
        boxes.append({"lo": [down(v) for v in low], "hi": [up(v) for v in high]})
        if lines:
            under, over = value.lines(chosen=False)
            below, above = [_rounded(r, region, 1) for r in under], [_rounded(r, region, -1) for r in over]
            ends = {"loA": [a for a, _ in below], "loC": [c for _, c in below]}
            every.append({**ends, "hiA": [a for a, _ in above], "hiC": [c for _, c in above]})
    if not lines:
        return {"ibp": boxes}
    return {"ctx": {"inputId": 0, "inputDim": len(region[0])}, "ibp": boxes, "crown": every}


def _rounded(line: Line, region: Box, sign: int) -> tuple[list[float], float]:
    """The nearest coefficients, and a constant that makes up for them: below where sign is 1, above where it is -1."""
    near = [float(a) for a in line[0]]
    rest = [sign * (a - Fraction(b)) for a, b in zip(line[0], near, strict=True)]
    loss = least((rest, Fraction(0)), region)
    return near, down(line[1] + loss) if sign > 0 else up(line[1] - loss)


def prove_nodes(
    network: Mapping[str, Any],
    names: Sequence[str | Sequence[float]],
    region: Box,
    given: Mapping[str, Any],
) -> str:
    """Boxes and lines of nodes, proved on the region: what was, in words.

    Parameters
    ----------
    names : the value of every node by name, or the numbers of one that is constant.
    given : ``{"ibp": [...]}``, with ``ctx``, ``crown``, ``alpha`` and ``beta`` for lines.

    Raises
    ------
    Rejected
        Not of the format, or the first node whose box or line is not proved: step "node".
    CannotCheck
        An operator without an exact rule; phases (beta), which are about parts of a region.
    """
    unknown = set(given) - {"ibp", "ctx", "crown", "alpha", "beta"}
    boxes, lines = given.get("ibp"), given.get("crown", [])
    if unknown or not isinstance(boxes, list) or len(boxes) != len(names) or not isinstance(lines, list):
        raise Rejected("format", f"a list ibp of {len(names)} nodes is needed, and no unknown field")
    if any(v for one in given.get("beta") or [] for v in one or []):
        raise CannotCheck(
            "beta: phases are about a part of the region, and nothing says that the parts cover it"
        )
    n = len(region[0])
    if lines and (len(lines) != len(names) or given.get("ctx") != {"inputId": 0, "inputDim": n}):
        raise Rejected(
            "format", f"ctx is not about input 0 with {n} numbers, or crown has not {len(names)} nodes"
        )
    alpha: dict[str, list[Fraction]] = {}
    for name, one in zip(names, given.get("alpha") or [None] * len(names), strict=False):
        if one is not None and isinstance(name, str):
            alpha[name] = exact(one, "alpha")
            if any(not 0 <= v <= 1 for v in alpha[name]):
                raise Rejected("format", "an alpha is not in [0, 1]")
    done = 0
    for k, name in enumerate(names):
        value = Value(network, name, region, alpha) if isinstance(name, str) else None
        fixed = [] if isinstance(name, str) else [Fraction(v) for v in name]
        low, high = value.box() if value else (fixed, fixed)
        ends = box(boxes[k], f"node {k}", len(low))
        if any(c > a for c, a in zip(ends[0], low, strict=True)) or any(
            c < b for c, b in zip(ends[1], high, strict=True)
        ):
            raise Rejected("node", f"node {k}: its box does not contain the interval bounds of its values")
        if lines:
            own: list[Line] = [([Fraction(0)] * n, v) for v in fixed]
            ours = (
                [value.lines(chosen=c) for c in (False, True)[: 1 + bool(value.slopes)]]
                if value
                else [(own, own)]
            )
            _prove_lines(ours, k, lines[k], region)
            done += 2 * len(low)
    return f"boxes of {len(names)} nodes, and {done} lines"


def _prove_lines(ours: list[tuple[list[Line], list[Line]]], k: int, given: Any, region: Box) -> None:
    """A line is below where our own line, which is, minus it is nowhere negative on the region."""
    if not isinstance(given, dict) or set(given) != {"loA", "loC", "hiA", "hiC"}:
        raise Rejected("format", f"node {k}: loA, loC, hiA and hiC are needed")
    n, size = len(region[0]), len(ours[0][0])
    for side, sign, rows, constants in ((0, 1, "loA", "loC"), (1, -1, "hiA", "hiC")):
        held = given[rows]
        ends = exact(given[constants], f"node {k}: {constants}", size)
        if not isinstance(held, list) or len(held) != size:
            raise Rejected("format", f"node {k}: {rows} has not {size} rows")
        for j in range(size):
            a = exact(held[j], f"node {k}: {rows}", n)
            for own in ours:
                mine, c = own[side][j]
                gap = [sign * (u - v) for u, v in zip(mine, a, strict=True)], sign * (c - ends[j])
                if least(gap, region) >= 0:
                    break
            else:
                raise Rejected("node", f"node {k}: line {j} of {rows} is not proved")
