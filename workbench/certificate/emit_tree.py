"""A certificate's trees as Coq definitions; and a lighter proof of the same claim, where the exact rules accept it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from workbench.certificate.check import check
from workbench.certificate.claim import Case, Constraint
from workbench.certificate.format import CannotCheck, Rejected, fields, integers, listed, text, whole
from workbench.certificate.program import Program

SHORT = 1 << 62  # Coq's machine integers go from -2**62 to 2**62 - 1


def listing(items: Iterable[str]) -> str:
    """A list in Coq."""
    return "(" + " :: ".join([*items, "nil"]) + ")"


def numbers(values: Iterable[int]) -> str:
    """A list of integers."""
    return listing(f"({int(v)})" for v in values)


def packed(rows: Iterable[Iterable[int]]) -> str:
    """Rows as an array of arrays of machine integers: what Coq reads fastest.  The last number is a default."""
    every = ("[| " + "; ".join(str(int(v)) for v in r) + " | 0 : int |]" for r in rows)
    return "packed [|\n" + ";\n".join(every) + "\n| [| | 0 : int |] : array int |]%sint63"


def short(rows: Iterable[Iterable[int]]) -> bool:
    """Whether all are machine integers of Coq."""
    return all(-SHORT <= v < SHORT for r in rows for v in r)


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


class TreeOf:
    """One case's tree: a definition for each node, so that no term is nested deeply."""

    def __init__(self, program: Program, number: int, case: Case) -> None:
        self.program, self.number, self.case = program, number, case
        steps = program.steps[: program.output + 1]
        self.relus = {s.name: i for i, s in enumerate(steps) if s.kind == "relu"}
        watched = {steps[i].sources[0] for i in self.relus.values()}
        self.chosen: list[str] = []  # definitions of slopes that the next node needs
        self.count = 0
        self.marks = listing(str(i in watched).lower() for i in range(program.output, 0, -1))

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
            return f"Leaf {listing(map(self.refutation, entries, self.case.unsafe))}"
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
        self.chosen.append(f"Definition {name} := Eval vm_compute in {packed(rows)}.\n")
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
            f"Refutation {numbers(weights)}%Z {self.slopes(given.get('slopes', {}))} {listing(multipliers)}"
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
