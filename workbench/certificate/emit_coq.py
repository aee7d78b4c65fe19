"""A certificate as a Coq file: the network, the claim, the choices, and a theorem that Coq's own evaluation proves.

Only integers of the certificate reach the file, and names that are made here: what a certificate calls its network,
relus and tensors stays outside.  The theory is in `theory/`; `Network.v` there says what the theorem means.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import lcm
from typing import Any

from workbench.certificate.check import SEMANTICS
from workbench.certificate.claim import Case, Constraint, parsed_case
from workbench.certificate.emit_tree import TreeOf, listing, numbers, packed, short
from workbench.certificate.format import NAME, CannotCheck, Rejected, fields, listed, whole
from workbench.certificate.program import Program, Step, lower
from workbench.certificate.replay import replay

SAFE = (
    "forall region alternatives, In (region, alternatives) claim -> "
    "forall x, inside x region -> ~ unsafe alternatives (run network x)"
)
UNSAFE = (
    "exists region ends alternatives, In (region, ends, alternatives) claim /\\ "
    "inside point region /\\ away point region ends /\\ unsafe alternatives (run network point)"
)
HEAD = """\
From Coq Require Import ZArith QArith List Sint63 PArray.
From NNWorkbench Require Import Network Numbers Arithmetic Bounds Walk Forward Tree Point.
"""
KINDS = {
    "affine": "Affine",
    "shift": "Shift",
    "relu": "Relu",
    "add": "Add",
    "conv": "Conv",
    "pool": "Conv",  # a sum of elements: a kernel of ones
}
Geometry = tuple[int, ...]  # the arguments of `taps` in Network.v


@dataclass(frozen=True)
class Emitted:
    """A Coq file, what it is about, and what Coq must print of its weights: see `probes`."""

    text: str
    program: Program
    cases: tuple[Case, ...]
    leaves: int
    steps: int
    sums: tuple[int, ...]
    point: tuple[Fraction, ...] | None = None  # the counterexample, where the claim is that there is one
    outputs: tuple[Fraction, ...] | None = None


def emit(certificate: Mapping[str, Any]) -> Emitted:
    """The Coq file of a certificate: of safety, or of a counterexample.

    Raises
    ------
    Rejected
        Not a certificate; a counterexample that is none.
    CannotCheck
        A step that the Coq theory has no rule for.
    """
    claim = fields(certificate.get("claim"), "claim", "verdict semantics cases")
    if certificate.get("format") != NAME:
        raise Rejected("format", f"this checker reads {NAME}")
    if claim["semantics"] != SEMANTICS:
        raise CannotCheck(
            "the Coq checker proves claims about real arithmetic; this one is of another semantics"
        )
    program = lower(certificate["network"])
    cases = tuple(parsed_case(c, program) for c in listed(claim["cases"], "claim.cases"))
    if not cases:
        raise Rejected("format", "the claim has no cases")
    network = _network(program, certificate["network"])
    checks, sums = probes(program, network)
    if claim["verdict"] == "falsified":
        point, outputs = replay(program, cases, certificate["proof"])
        body = list(_counterexample(cases, program, certificate["proof"]["case"], point))
        text = "".join(
            [HEAD, network, *body, checks, *_theorem(UNSAFE, "falsified_sound network claim number d point")]
        )
        return Emitted(text, program, cases, 0, 0, sums, point, outputs)
    if claim["verdict"] != "verified":
        raise Rejected("format", "claim.verdict is neither verified nor falsified")
    proof = fields(certificate.get("proof"), "proof", "precision cases")
    precision = whole(proof["precision"], "proof.precision", 8, 512)
    trees = [listed(t, "proof.cases") for t in listed(proof["cases"], "proof.cases", len(cases))]
    every = zip(cases, trees, strict=True)
    proofs = [line for k, (case, tree) in enumerate(every) for line in TreeOf(program, k, case).emit(tree)]
    count = range(len(cases))
    body = [
        *(_case(k, case, program) for k, case in enumerate(cases)),
        f"Definition claim : list case := {listing(f'(region_{k}, unsafe_{k})' for k in count)}.\n\n",
        *proofs,
        f"Definition proofs : list tree := {listing(f't{k}' for k in count)}.\n",
        f"Definition precision : N := {precision}%N.\n\n",
    ]
    how = "verified_sound precision network claim proofs"
    text = "".join([HEAD, network, *body, checks, *_theorem(SAFE, how)])
    tokens = [token for tree in trees for token in tree]
    return Emitted(text, program, cases, sum(t[:1] == ["leaf"] for t in tokens), len(tokens), sums)


def _theorem(statement: str, how: str) -> Iterator[str]:
    yield f"\nTheorem certified : {statement}.\n"
    yield f"Proof. apply ({how}). vm_cast_no_check (eq_refl true). Qed.\n\n"
    yield f"Print Assumptions certified.\nCheck (certified : {statement}).\n"


def rows_of(step: Step) -> list[tuple[int, ...]]:
    """What the file has of a step: an affine step's rows with the bias first; a shift's constants."""
    if step.kind == "pool" and step.taps is not None:
        return [(0, *[1] * len(step.taps.gather[0]))]
    return [(r[-1], *r[:-1]) for r in step.matrix] if step.kind in ("affine", "conv") else list(step.matrix)


def _weighty(program: Program) -> list[tuple[int, Step]]:
    """The steps that have a matrix, and their numbers."""
    steps = list(enumerate(program.steps))[1 : program.output + 1]
    return [(i, s) for i, s in steps if s.kind not in ("relu", "add")]


def _network(program: Program, given: Mapping[str, Any]) -> str:
    """The weights, then the list of steps; sources are counted backwards."""
    weights, steps = [], []
    for i, step in enumerate(program.steps[1 : program.output + 1], 1):
        if step.kind not in KINDS:
            what = f"{step.name[:60]!r}, of kind {step.kind!r},"
            raise CannotCheck(f"{what} has no rule in the Coq theory; there are {', '.join(KINDS)}")
        if any(s > program.output for s in step.sources):
            raise Rejected("network", "a step needs one after it")
        sources = " ".join(str(i - 1 - s) for s in step.sources)
        kind = KINDS[step.kind]
        if step.kind == "relu":
            steps.append(f"  Relu {sources} {step.exponent} ({step.matrix[0][0]})")
            continue
        if step.kind == "add":
            steps.append(f"  Add {sources}")
            continue
        rows = rows_of(step)
        weights.append(f"Definition weights_{i} := {_literal(rows)}.\n")
        value = f"(unpacked weights_{i})" if short(rows) else f"weights_{i}"
        value = f"(hd nil {value})" if step.kind == "shift" else value
        if step.taps is not None:
            weights.append(_reads(i, step, program, given))
            value = f"taps_{i} {value}"
        steps.append(f"  {kind} {sources} {step.exponent} {value}")
    return (
        "".join(weights)
        + "\nDefinition network : list step := (\n"
        + " ::\n".join([*steps, "  nil"])
        + ").\n\n"
    )


def _literal(rows: list[tuple[int, ...]]) -> str:
    return f"Eval vm_compute in {packed(rows)}" if short(rows) else f"{listing(map(numbers, rows))}%Z"


def _reads(i: int, step: Step, program: Program, given: Mapping[str, Any]) -> str:
    """What a convolution reads, place by place: by its geometry, else as a list."""
    assert step.taps is not None
    if len({len(g) for g in step.taps.gather}) != 1:
        raise CannotCheck(f"{step.name[:60]!r}: places that read different numbers of elements")
    found = _geometry(step, program.steps[step.sources[0]].size, given)
    if found is None:
        return f"Definition taps_{i} := unpacked ({packed(step.taps.gather)}).\n"
    return f"Definition taps_{i} := taps {' '.join(map(str, found))}.\n"


def _geometry(step: Step, size: int, given: Mapping[str, Any]) -> Geometry | None:
    """Sizes, strides, pads and dilations that give just these places; None where there are none."""
    assert step.taps is not None
    node = next((n for n in given["nodes"] if n["output"] == step.name and n["op"] == "Conv"), None)
    if node is None:
        return None
    _, channels, high, wide = given["tensors"][node["inputs"][1]]["shape"]
    take = node["attributes"].get
    (sy, sx), (dy, dx) = take("strides", [1, 1]), take("dilations", [1, 1])
    top, left, bottom, right = take("pads", [0, 0, 0, 0])
    area = size // channels
    for height in (n for n in range(1, area + 1) if area % n == 0):
        width = area // height
        rows = (height + top + bottom - dy * (high - 1) - 1) // sy + 1
        columns = (width + left + right - dx * (wide - 1) - 1) // sx + 1
        if rows * columns == step.taps.places and rows > 0:
            found = channels, height, width, high, wide, rows, columns, sy, sx, top, left, dy, dx
            if gathered(found) == step.taps.gather:
                return found
    return None


def gathered(geometry: Geometry) -> tuple[tuple[int, ...], ...]:
    """What `taps` of Network.v gives."""
    channels, height, width, high, wide, rows, columns, sy, sx, top, left, dy, dx = geometry

    def place(c: int, v: int, h: int) -> int:
        return (c * height + v) * width + h if 0 <= v < height and 0 <= h < width else -1

    kernel = [(c, i, j) for c in range(channels) for i in range(high) for j in range(wide)]
    places = [(y, x) for y in range(rows) for x in range(columns)]
    return tuple(
        tuple(place(c, y * sy + i * dy - top, x * sx + j * dx - left) for c, i, j in kernel)
        for y, x in places
    )


def probes(program: Program, network: str) -> tuple[str, tuple[int, ...]]:
    """Lines that make Coq print one random linear sum of each matrix, as its theorem has it; and the sums to expect.

    The literals are read as machine integers and packed: these sums are of what came out of that.
    """
    rng = random.Random(hashlib.sha256(network.encode()).digest())  # noqa: S311
    lines, sums = [], []

    def probe(rows: list[tuple[int, ...]], value: str) -> None:
        down, across = ([rng.randint(1, 1 << 30) for _ in range(n)] for n in (len(rows), len(rows[0])))
        whole_sum = sum(
            d * sum(a * v for a, v in zip(across, r, strict=True)) for d, r in zip(down, rows, strict=True)
        )
        sums.append(whole_sum)
        lines.append(f"Eval vm_compute in probe (unpacked ({packed([down, across])})) ({value}).\n")

    for i, step in _weighty(program):
        rows = rows_of(step)
        probe(rows, f"unpacked weights_{i}" if short(rows) else f"weights_{i}")
        if step.taps is not None:
            probe(list(step.taps.gather), f"taps_{i}")
    return "".join(lines), tuple(sums)


def _case(k: int, case: Case, program: Program) -> str:
    """The region and the alternatives of one case."""
    ends = (f"({_fraction(l)}, {_fraction(h)})" for l, h in zip(case.lower, case.upper, strict=True))
    size = program.steps[program.output].size
    alternatives = "".join(
        f"  {listing(_constraint(one, size) for one in every)} ::\n" for every in case.unsafe
    )
    return (
        f"Definition region_{k} : list (Q * Q) := {listing(ends)}.\n"
        f"Definition unsafe_{k} : list (list constraint) := (\n{alternatives}  nil).\n"
    )


def _counterexample(
    cases: tuple[Case, ...], program: Program, number: int, point: tuple[Fraction, ...]
) -> Iterator[str]:
    """The claim with the ends that do not belong to its regions, and the point."""
    for k, case in enumerate(cases):
        yield _case(k, case, program)
        ends = (f"({i}%nat, {str(side > 0).lower()})" for i, side in sorted(case.open))
        yield f"Definition ends_{k} : list (nat * bool) := {listing(ends)}.\n"
    every = listing(f"(region_{k}, ends_{k}, unsafe_{k})" for k in range(len(cases)))
    yield f"Definition claim : list open_case := {every}.\n"
    yield f"Definition point : vec := {listing(f'({_fraction(v)})' for v in point)}.\n"
    yield f"Definition number : nat := {number}.\n"
    yield f"Definition d : Z := ({lcm(*(v.denominator for v in point))})%Z.\n\n"


def _fraction(v: Fraction) -> str:
    return f"({v.numerator}) # {v.denominator}"


def _constraint(one: Constraint, size: int) -> str:
    row = [0] * size
    for i, c in one.terms:
        row[i] = c
    return f"Constraint {numbers(row)}%Z ({one.bound}) {str(one.strict).lower()}"
