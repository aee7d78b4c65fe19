"""A certificate as a Coq file: the network, the claim, the choices, and a theorem that Coq's own evaluation proves.

Only integers of the certificate reach the file, and names that are made here: what a certificate calls its network,
relus and tensors stays outside.  The theory is in `theory/`; `Network.v` there says what the theorem means.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from workbench.certificate.check import check
from workbench.certificate.claim import Case, Constraint, parsed_case
from workbench.certificate.format import NAME, CannotCheck, Rejected, fields, integers, listed, text, whole
from workbench.certificate.program import Program, Step, lower

STATEMENT = (
    "forall region alternatives, In (region, alternatives) claim -> "
    "forall x, inside x region -> ~ unsafe alternatives (run network x)"
)
HEAD = """\
From Coq Require Import ZArith QArith List Sint63 PArray.
From NNWorkbench Require Import Network Numbers Arithmetic Bounds Walk Forward Tree.
"""
TAIL = f"""
Theorem certified : {STATEMENT}.
Proof. apply (verified_sound precision network claim proofs). vm_cast_no_check (eq_refl true). Qed.

Print Assumptions certified.
Check (certified : {STATEMENT}).
"""
SHORT = 1 << 62  # Coq's machine integers go from -2**62 to 2**62 - 1
KINDS = {"affine": "Affine", "shift": "Shift", "relu": "Relu", "add": "Add"}


@dataclass(frozen=True)
class Emitted:
    """A Coq file, what it is about, and what Coq must print of its weights: see `probes`."""

    text: str
    program: Program
    cases: tuple[Case, ...]
    leaves: int
    steps: int
    sums: tuple[int, ...]


def emit(certificate: Mapping[str, Any]) -> Emitted:
    """The Coq file of a certificate of a "verified" verdict.

    Raises
    ------
    Rejected
        Not a certificate.
    CannotCheck
        A step that the Coq theory has no rule for, or a counterexample.
    """
    claim = fields(certificate.get("claim"), "claim", "verdict semantics cases")
    if certificate.get("format") != NAME or claim["semantics"] != "real":
        raise Rejected("format", f"this checker reads {NAME}, about real arithmetic")
    if claim["verdict"] != "verified":
        raise CannotCheck(
            "the Coq checker proves claims of safety; a counterexample is run by --checker python"
        )
    program = lower(certificate["network"])
    cases = tuple(parsed_case(c, program) for c in listed(claim["cases"], "claim.cases"))
    proof = fields(certificate.get("proof"), "proof", "precision cases")
    precision = whole(proof["precision"], "proof.precision", 8, 512)
    trees = [listed(t, "proof.cases") for t in listed(proof["cases"], "proof.cases", len(cases))]
    if not cases:
        raise Rejected("format", "the claim has no cases")
    network = _network(program)
    checks, sums = probes(program, network)
    proofs = [
        _Tree(program, k, case).emit(tree) for k, (case, tree) in enumerate(zip(cases, trees, strict=True))
    ]
    body = [
        HEAD,
        network,
        *(_case(k, case, program) for k, case in enumerate(cases)),
        f"Definition claim : list case := {_list(f'(region_{k}, unsafe_{k})' for k in range(len(cases)))}.\n\n",
        *(line for lines in proofs for line in lines),
        f"Definition proofs : list tree := {_list(f't{k}' for k in range(len(cases)))}.\n",
        f"Definition precision : N := {precision}%N.\n\n",
        checks,
        TAIL,
    ]
    tokens = [token for tree in trees for token in tree]
    return Emitted("".join(body), program, cases, sum(t[:1] == ["leaf"] for t in tokens), len(tokens), sums)


def lighter(certificate: Mapping[str, Any], seconds: float | None = None) -> Mapping[str, Any]:
    """The same claim with a proof that costs Coq less, where the exact rules still accept it.

    Over a coarser grid the numbers are shorter; and bounds of a part that is split next serve its parts only.  Both are
    choices of the proof: the network and the claim stay as they are.
    """
    proof = certificate["proof"]
    most = whole(proof["precision"], "proof.precision", 8, 512)
    for precision, every in ((24, False), (24, True), (32, False), (32, True), (most, False)):
        less = most - precision
        if less < 0:
            continue
        trees = [tree if every else _needed(tree) for tree in proof["cases"]]
        cases = [[_over_coarser(token, less) for token in tree] for tree in trees]
        found = {**certificate, "proof": {**proof, "precision": precision, "cases": cases}}
        try:
            check(found, seconds=seconds)
        except (Rejected, CannotCheck):
            continue
        return found
    return certificate


def _needed(tree: Sequence[Any]) -> list[Any]:
    """A tree without bounds (but for the first) after which the part is only reduced, and split."""
    kept: list[Any] = []
    for k, token in enumerate(tree):
        after = next((t[0] for t in tree[k + 1 :] if t[0] != "reduce"), None)
        if not (token[0] == "bounds" and after in ("x", "z") and any(t[0] == "bounds" for t in kept)):
            kept.append(token)
    return kept


def _over_coarser(token: Any, less: int) -> Any:
    if less and token[0] == "x":
        return [*token[:2], token[2] + (1 << less - 1) >> less]
    if less and token[0] == "leaf":
        entries = [
            {**e, "multipliers": [[*m[:2], m[2] >> less] for m in e["multipliers"]]}
            if "multipliers" in e
            else e
            for e in token[1]
        ]
        return ["leaf", entries]
    return token


def _list(items: Iterable[str]) -> str:
    return "(" + " :: ".join([*items, "nil"]) + ")"


def _integers(values: Iterable[int]) -> str:
    return _list(f"({int(v)})" for v in values)


def _packed(rows: Iterable[Iterable[int]]) -> str:
    """Rows as an array of arrays of machine integers: what Coq reads fastest.  The last number is a default."""
    every = ("[| " + "; ".join(str(int(v)) for v in r) + " | 0 : int |]" for r in rows)
    return "packed [|\n" + ";\n".join(every) + "\n| [| | 0 : int |] : array int |]%sint63"


def _short(rows: Iterable[Iterable[int]]) -> bool:
    return all(-SHORT <= v < SHORT for r in rows for v in r)


def rows_of(step: Step) -> list[tuple[int, ...]]:
    """What the file has of a step: an affine step's rows with the bias first; a shift's constants."""
    return [(r[-1], *r[:-1]) for r in step.matrix] if step.kind == "affine" else list(step.matrix)


def _network(program: Program) -> str:
    """The weights, then the list of steps; sources are counted backwards."""
    weights, steps = [], []
    for i, step in enumerate(program.steps[1 : program.output + 1], 1):
        if step.kind not in KINDS:
            raise CannotCheck(f"{step.kind} has no rule in the Coq theory; there are {', '.join(KINDS)}")
        if any(s > program.output for s in step.sources):
            raise Rejected("network", "a step needs one after it")
        sources = " ".join(str(i - 1 - s) for s in step.sources)
        if step.kind in ("affine", "shift"):
            rows = rows_of(step)
            short = _short(rows)
            value = f"Eval vm_compute in {_packed(rows)}" if short else f"{_list(map(_integers, rows))}%Z"
            weights.append(f"Definition weights_{i} := {value}.\n")
            value = f"(unpacked weights_{i})" if short else f"weights_{i}"
            value = value if step.kind == "affine" else f"(hd nil {value})"
            steps.append(f"  {KINDS[step.kind]} {sources} {step.exponent} {value}")
        elif step.kind == "relu":
            steps.append(f"  Relu {sources} {step.exponent} ({step.matrix[0][0]})")
        else:
            steps.append(f"  Add {sources}")
    return (
        "".join(weights)
        + "\nDefinition network : list step := (\n"
        + " ::\n".join([*steps, "  nil"])
        + ").\n\n"
    )


def probes(program: Program, network: str) -> tuple[str, tuple[int, ...]]:
    """Lines that make Coq print one random linear sum of each matrix, as its theorem has it; and the sums to expect.

    The literals are read as machine integers and packed: these sums are of what came out of that.
    """
    rng = random.Random(hashlib.sha256(network.encode()).digest())  # noqa: S311
    lines, sums = [], []
    for i, step in enumerate(program.steps[1 : program.output + 1], 1):
        if step.kind not in ("affine", "shift"):
            continue
        rows = rows_of(step)
        down, across = ([rng.randint(1, 1 << 30) for _ in range(n)] for n in (len(rows), len(rows[0])))
        sums.append(
            sum(
                d * sum(a * v for a, v in zip(across, r, strict=True))
                for d, r in zip(down, rows, strict=True)
            )
        )
        value = f"unpacked weights_{i}" if _short(rows) else f"weights_{i}"
        coefficients = f"unpacked ({_packed([down, across])})"
        lines.append(f"Eval vm_compute in probe ({coefficients}) ({value}).\n")
    return "".join(lines), tuple(sums)


def _case(k: int, case: Case, program: Program) -> str:
    """The region and the alternatives of one case."""
    ends = (f"({_fraction(l)}, {_fraction(h)})" for l, h in zip(case.lower, case.upper, strict=True))
    size = program.steps[program.output].size
    alternatives = (_list(_constraint(one, size) for one in every) for every in case.unsafe)
    return (
        f"Definition region_{k} : list (Q * Q) := {_list(ends)}.\n"
        f"Definition unsafe_{k} : list (list constraint) := {_list(alternatives)}.\n"
    )


def _fraction(v: Fraction) -> str:
    return f"({v.numerator}) # {v.denominator}"


def _constraint(one: Constraint, size: int) -> str:
    row = [0] * size
    for i, c in one.terms:
        row[i] = c
    return f"Constraint {_integers(row)}%Z ({one.bound}) {str(one.strict).lower()}"


class _Tree:
    """One case's tree: a definition for each node, so that no term is nested deeply."""

    def __init__(self, program: Program, number: int, case: Case) -> None:
        self.program, self.number, self.case = program, number, case
        steps = program.steps[: program.output + 1]
        self.relus = {s.name: i for i, s in enumerate(steps) if s.kind == "relu"}
        watched = {steps[i].sources[0] for i in self.relus.values()}
        self.chosen: list[str] = []  # definitions of slopes that the next node needs
        self.count = 0
        self.marks = _list(str(i in watched).lower() for i in range(program.output, 0, -1))

    def emit(self, tokens: list[Any]) -> Iterator[str]:
        """The definitions; the last one is the whole tree."""
        done: list[str] = []
        first, reduced = f"t{self.number}", _after_reduce(tokens)
        for k in range(len(tokens) - 1, -1, -1):  # from the last one, so that what a node is made of is there
            kind, *rest = listed(tokens[k], "a step") or [None]
            if kind == "reduce":
                continue
            node = self.node(kind, rest, done, first=not reduced[k])
            name = f"{first}_{k}"
            done.append(name)
            yield from self.chosen
            self.chosen.clear()
            yield f"Definition {name} : tree := {node}.\n"
        if len(done) != 1:
            raise Rejected("R7 tree", f"{len(done)} trees where one is needed")
        yield f"Definition {first} : tree := {done[0]}.\n"

    def node(self, kind: Any, rest: list[Any], done: list[str], *, first: bool) -> str:
        """A node from those in `done`."""
        wanted = {"leaf": 0, "bounds": 1, "clip": 1, "x": 2, "z": 2}.get(kind if type(kind) is str else "")
        if wanted is None:
            raise CannotCheck("a step of the proof that the Coq theory has no rule for")
        if len(done) < wanted:
            raise Rejected("R7 tree", "a part of the region has no proof")
        below = [done.pop() for _ in range(wanted)]
        if kind == "leaf":
            entries = listed(listed(rest, "a leaf", 1)[0], "a leaf", len(self.case.unsafe))
            return f"Leaf {_list(map(self.refutation, entries, self.case.unsafe))}"
        if kind == "bounds":
            methods = listed(rest[0] if rest else None, "bounds")
            if any(m not in ("interval", "forms", "rows") for m in methods) or len(rest) > 2:
                raise Rejected("format", "bounds take a list of methods, and slopes")
            flags = " ".join(str(v).lower() for v in (first, "forms" in methods, "rows" in methods))
            return (
                f"Bounded (Ways {flags} {self.slopes(rest[1] if rest[1:] else {})} {self.marks}) {below[0]}"
            )
        if kind == "clip":
            return f"Clipped {self.slopes(listed(rest, 'clip', 1)[0] if rest else {})} {below[0]}"
        if kind == "x":
            axis, place = integers(rest, "a split", 2)
            whole(axis, "an input", 0, self.program.steps[0].size - 1)
            return f"Split {_nat(axis)} ({place}) {below[0]} {below[1]}"
        source, j = self.element(rest)
        return f"Phase {_nat(source)} {_nat(j)} {below[0]} {below[1]}"

    def element(self, given: Any) -> tuple[int, int]:
        """An element of a relu's operand: where that vector is, counted back from the outputs; and the element."""
        name, j = text(listed(given, "an element", 2)[0], "a relu"), given[1]
        if name not in self.relus:
            raise Rejected("format", "there is no relu of that name")
        source = self.program.steps[self.relus[name]].sources[0]
        return self.program.output - source, whole(j, "an element", 0, self.program.steps[source].size - 1)

    def slopes(self, given: Any) -> str:
        """Chosen slopes, for each step from the last one; -1 is none."""
        if type(given) is not dict or any(name not in self.relus for name in given):
            raise Rejected("format", "slopes are given by relu")
        found: dict[int, list[int]] = {}
        for name, pairs in given.items():
            i = self.relus[name]
            row = found.setdefault(i, [-1] * self.program.steps[i].size)
            for pair in listed(pairs, "slopes"):
                j, slope = integers(pair, "a slope", 2)
                row[whole(j, "an element", 0, len(row) - 1)] = whole(slope, "a slope", 0, 1 << 16)
        if not found:
            return "nil"
        last = min(found)
        rows = [found.get(i, []) for i in range(self.program.output, last - 1, -1)]
        self.count += 1
        name = f"s{self.number}_{self.count}"
        self.chosen.append(f"Definition {name} := Eval vm_compute in {_packed(rows)}.\n")
        return f"(unpacked {name})"

    def refutation(self, entry: Any, every: Sequence[Constraint]) -> str:
        """Why one alternative cannot happen: multipliers of its constraints, and of phases."""
        given = fields(entry, "a leaf", "rows", "slopes multipliers")
        weights = [0] * len(every)
        for pair in listed(given["rows"], "rows"):
            k, m = integers(pair, "rows", 2)
            weights[whole(k, "a constraint", 0, len(every) - 1)] += m
        multipliers = []
        for one in listed(given.get("multipliers", []), "multipliers"):
            source, j = self.element(listed(one, "a multiplier", 3)[:2])
            multipliers.append(f"({_nat(source)}%nat, {_nat(j)}%nat, ({whole(one[2], 'a multiplier')})%Z)")
        return (
            f"Refutation {_integers(weights)}%Z {self.slopes(given.get('slopes', {}))} {_list(multipliers)}"
        )


def _nat(value: int) -> str:
    return str(value) if value < 100 else f"(Z.to_nat {value})"


def _after_reduce(tokens: Sequence[Any]) -> list[bool]:
    """For each step of a tree in preorder: whether the network was reduced on its part before it."""
    found, stack = [], [False]
    for token in tokens:
        kind = token[0] if type(token) is list and token else None
        now = stack.pop() if stack else False
        found.append(now)
        stack += [now or kind == "reduce"] * {"leaf": 0, "x": 2, "z": 2}.get(
            kind if type(kind) is str else "", 1
        )
    return found
