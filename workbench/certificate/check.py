"""The exact checker: from a certificate's choices it proves the claim again, in integers, or says which step failed.

Read it from top to bottom: `format.py` (reading), `program.py` (what operators mean), `claim.py`, `bounds.py` (exact
bounds), `replay.py`, and this file. Nothing else takes part, neither the engine nor NumPy.

Rules, each with its proof where it is applied
----------------------------------------------
R1 region      a box is enlarged to the grid                    R6 relu       lines below and above, from two end points
R2 interval    bounds of every element, step by step            R7 tree       splits cover the part that they split
R3 forms       linear functions of the input below a vector     R8 phases     z <= 0 or z >= 0, and multipliers for it
R4 rows        a lower bound of ``rows . vector``, walked back  R9 refuted    an unsafe alternative cannot happen
R5 rounding    a coefficient is rounded down, and paid for      R10 replay    a counterexample is run exactly
R11 clip       what cannot be unsafe is left out of a box
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from workbench.certificate.bounds import Bounds
from workbench.certificate.claim import Case, dense, parsed_case
from workbench.certificate.format import NAME, CannotCheck, Rejected, fields, integers, listed, text, whole
from workbench.certificate.parts import Empty, Part
from workbench.certificate.program import Program, lower
from workbench.certificate.replay import replay

METHODS = ("interval", "forms", "rows")
SEMANTICS = "real"
ASSUMPTIONS = (
    "the network is evaluated in real arithmetic, its weights the exact numbers of the file",
    "the operators mean what workbench/certificate/program.py says",
    "this Python computes with integers correctly, and python-flint with integer matrices where it is used",
)


@dataclass(frozen=True)
class Accepted:
    """What was proved. `verdict`: "verified", every input of every case is safe; "falsified", `point` is not."""

    verdict: str
    cases: tuple[Case, ...]
    network: str
    sha256: str
    compared: bool
    numbers: int
    leaves: int
    point: tuple[Fraction, ...] | None = None
    outputs: tuple[Fraction, ...] | None = None


def check(
    certificate: Mapping[str, Any],
    *,
    network: Mapping[str, Any] | None = None,
    flint: bool | None = None,
    seconds: float | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Accepted:
    """Check a certificate.

    Parameters
    ----------
    certificate : from `format.loads`.
    network : the network of an ONNX file, from `onnx_file.read`: what the certificate's must be equal to.
    flint : whether to use python-flint; by default where it is installed.
    seconds : a limit.
    progress : called with (how much of the proof was read, of how much).

    Raises
    ------
    Rejected
        The claim is not proved: which step failed.
    CannotCheck
        An operator without an exact rule, or a limit.
    """
    until = None if seconds is None else time.monotonic() + seconds
    try:
        return _check(certificate, network, flint, until, progress)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise Rejected("format", f"not of the form that is expected: {str(error)[:100]}") from error
    except MemoryError:
        raise CannotCheck("it needs more memory than there is") from None


def _check(
    certificate: Mapping[str, Any],
    network: Mapping[str, Any] | None,
    flint: bool | None,
    until: float | None,
    progress: Callable[[int, int], None] | None,
) -> Accepted:
    given = fields(dict(certificate), "the certificate", "format made_by network claim trust proof")
    if given["format"] != NAME:
        raise Rejected("format", f"this checker reads {NAME}")
    for key, value in fields(given["made_by"], "made_by", "workbench", "engine method seconds").items():
        text(value, f"made_by.{key}")
    claim = fields(given["claim"], "claim", "verdict semantics cases")
    trust = fields(given["trust"], "trust", "assumptions")
    if claim["semantics"] != SEMANTICS or trust["assumptions"] != list(ASSUMPTIONS):
        raise Rejected("format", "claim.semantics and trust.assumptions must be those of this checker")
    program = lower(given["network"])
    name, digest = (text(given["network"][k], f"network.{k}") for k in ("name", "sha256"))
    if network is not None:
        _compare(program, digest, network)
    cases = tuple(parsed_case(c, program) for c in listed(claim["cases"], "claim.cases"))
    if not cases:
        raise Rejected("format", "the claim has no cases")
    numbers = sum(len(r) for s in program.steps if s.kind != "relu" for r in s.matrix)
    about = name, digest, network is not None, numbers
    if claim["verdict"] == "falsified":
        return Accepted("falsified", cases, *about, 0, *replay(program, cases, given["proof"]))
    if claim["verdict"] != "verified":
        raise Rejected("format", "claim.verdict is neither verified nor falsified")
    proof = fields(given["proof"], "proof", "precision cases")
    rules = Bounds(program, whole(proof["precision"], "proof.precision", 8, 512), flint, until)
    trees = [listed(t, "proof.cases") for t in listed(proof["cases"], "proof.cases", len(cases))]
    size, done = sum(map(len, trees)), iter(range(1 << 62))
    tick = lambda: progress and progress(next(done), size)  # noqa: E731
    leaves = sum(_tree(rules, case, tree, tick) for case, tree in zip(cases, trees, strict=True))
    return Accepted("verified", cases, *about, leaves)


def _compare(program: Program, digest: str, network: Mapping[str, Any]) -> None:
    """The certificate is about this file: its hash, and, because a hash alone is only a text in it, its numbers."""
    if digest != network["sha256"]:
        raise Rejected(
            "network", f"the certificate is about {digest[:64]!r}, the file's SHA-256 is {network['sha256']}"
        )
    other = lower(network)
    for mine, its in zip(program.steps, other.steps, strict=False):
        if mine != its:
            raise Rejected("network", f"{mine.name[:60]!r} differs from the file's {its.name[:60]!r}")
    if program != other:
        raise Rejected("network", "the certificate's network is not the file's")


def _tree(rules: Bounds, case: Case, tokens: list[Any], tick: Callable[[], Any]) -> int:
    """R7: a tree in preorder. The root is the whole region; a split's two children, which follow it, cover its part.

    ["x", i, p]      {x_i <= p} and {x_i >= p}: every number is in one of them.
    ["z", relu, j]   {z_j <= 0} and {z_j >= 0} for the relu's operand z: likewise.
    ["bounds", ...]  the same part, with bounds for it.
    ["clip"]         a smaller box: what is left out of it is safe.
    ["leaf", ...]    nothing of the part is unsafe.
    The list `parts` has the parts that are not proved yet; at the end there are none, so all of the root is proved.
    """
    P = rules.P
    # R1: floor and ceiling to the grid enlarge the box, and what holds for the larger one holds for the region
    low = [(v.numerator << P) // v.denominator for v in case.lower]
    high = [-((-v.numerator << P) // v.denominator) for v in case.upper]
    parts, leaves = [Part((low, high))], 0
    for number, token in enumerate(tokens):
        where = f"proof step {number}"
        tick()
        kind, *rest = listed(token, where) or [None]
        if not parts:
            raise Rejected("R7 tree", f"{where}: the whole region is proved already")
        part = parts.pop()
        if kind == "leaf":
            leaves += 1
            if not part.empty:
                _leaf(rules, part, case, listed(listed(rest, where, 1)[0], where, len(case.unsafe)), where)
        elif kind in STEPS:
            parts += STEPS[kind](rules, part, rest, where)
        elif kind == "clip":
            listed(rest, where, 0)
            parts.append(clipped(rules, part, case, where))
        else:
            raise Rejected("format", f"{where} is none of leaf, clip, {', '.join(STEPS)}")
    if parts:
        raise Rejected("R7 tree", f"{len(parts)} part(s) of the region have no proof")
    return leaves


def _split(rules: Bounds, part: Part, rest: list[Any], where: str) -> list[Part]:
    """R7: what lies above the place and, to be proved first, what lies below it."""
    axis, place = integers(rest, where, 2)
    low, high = part.box
    if not 0 <= axis < len(low) or not low[axis] <= place <= high[axis]:
        raise Rejected("R7 tree", f"{where}: a split outside of the part")
    with_place = [[*ends[:axis], place, *ends[axis + 1 :]] for ends in part.box]
    return [part.smaller(box=(with_place[0], high)), part.smaller(box=(low, with_place[1]))]


def phased(rules: Bounds, part: Part, rest: list[Any], where: str) -> list[Part]:
    """R7, R8: z >= 0 and, to be proved first, z <= 0."""
    i, j = _element(rules, rest, where)
    if (i, j) in part.phases:
        raise Rejected("R8 phases", f"{where}: this element was split before")
    return [_clamped(rules, part.smaller(phase=(i, j, above)), i) for above in (True, False)]


def _bound(rules: Bounds, part: Part, rest: list[Any], where: str) -> list[Part]:
    """The same part, with bounds computed for it."""
    if len(rest) not in (1, 2) or any(m not in METHODS for m in listed(rest[0], where)):
        raise Rejected("format", f"{where}: bounds take a list of {', '.join(METHODS)}, and slopes")
    slopes = _slopes(rules, rest[1] if rest[1:] else {}, where)
    part = part.smaller(box=part.box)
    try:
        if not part.empty:
            rules.bound(part, rest[0], slopes)
    except Empty:
        part.empty = True
    return [part]


STEPS: dict[str, Callable[[Bounds, Part, list[Any], str], list[Part]]] = {
    "x": _split,
    "z": phased,
    "bounds": _bound,
}


def _clamped(rules: Bounds, part: Part, i: int) -> Part:
    """R8: bounds of the larger part hold in the smaller one, cut at 0 where the phase says so."""
    if part.low and not part.empty:
        try:
            rules.clamp(i, part)
        except Empty:
            part.empty = True
    return part


def clipped(rules: Bounds, part: Part, case: Case, where: str) -> Part:
    """R11: an input that is unsafe lies in the box that one of the alternatives leaves, so in the hull of them all."""
    if not part.low:
        raise Rejected("R11 clip", f"{where}: there are no bounds yet")
    program, found = rules.program, list[Part]()
    for every in () if part.empty else case.unsafe:
        left = part.smaller(box=part.box)
        rows = [dense(one.terms, program.steps[program.output].size, rules.P) for one in every]
        if not rows or rules.clip(program.output, rows, [one.bound << rules.P for one in every], left):
            found.append(left)
    part = part.smaller(box=part.box)
    part.empty = not found
    if found:
        ends = [list(zip(*(p.box[k] for p in found), strict=True)) for k in (0, 1)]
        part.box = [min(v) for v in ends[0]], [max(v) for v in ends[1]]
    return part


def _element(rules: Bounds, given: list[Any], where: str) -> tuple[int, int]:
    """An element of a relu's operand: (step of the operand, element)."""
    name, j = text(listed(given, where, 2)[0], where), given[1]
    if name not in rules.relus:
        raise Rejected("format", f"{where}: there is no relu of that name")
    step = rules.program.steps[rules.relus[name]]
    return step.sources[0], whole(j, where, 0, step.size - 1)


def _slopes(rules: Bounds, given: Any, where: str) -> dict[int, dict[int, int]]:
    """Chosen slopes of lines below, by relu and element; `Bounds.lines` checks that each is one."""
    if type(given) is not dict or any(name not in rules.relus for name in given):
        raise Rejected("format", f"{where}: slopes are given by relu")
    found: dict[int, dict[int, int]] = {}
    for name, pairs in given.items():
        chosen = [integers(p, where, 2) for p in listed(pairs, where)]
        found[rules.relus[name]] = {pair[0]: pair[1] for pair in chosen}
    return found


def _leaf(rules: Bounds, part: Part, case: Case, entries: list[Any], where: str) -> None:
    """R9: for each unsafe alternative ``c_k . y <= d_k for all k``: with m >= 0, ``sum m c . y > sum m d`` excludes it.

    (Where a constraint with m > 0 is strict, ``>=`` does.)  The lower bound of ``sum m c . y`` is a row (R4).
    """
    if not part.low:
        raise Rejected("R9 refuted", f"{where}: there are no bounds yet")
    program = rules.program
    size = program.steps[program.output].size
    for number, (every, entry) in enumerate(zip(case.unsafe, entries, strict=True)):
        given = fields(entry, where, "rows", "slopes multipliers")
        row, bound, strict = [0] * size, 0, False
        for pair in listed(given["rows"], where):
            k, m = integers(pair, where, 2)
            if not 0 <= k < len(every) or m < 0:
                raise Rejected("R9 refuted", f"{where}: no such constraint, or a negative multiplier")
            for i, c in every[k].terms:
                row[i] += m * c
            bound += m * every[k].bound
            strict |= every[k].strict and m > 0
        multipliers: dict[int, dict[int, int]] = {}
        for one in listed(given.get("multipliers", []), where):
            i, j = _element(rules, listed(one, where, 3)[:2], where)
            if (i, j) not in part.phases or whole(one[2], where) < 0:
                raise Rejected(
                    "R8 phases", f"{where}: a multiplier for a phase that this part has not, or below 0"
                )
            multipliers.setdefault(rules.relus[one[0]], {})[j] = one[2]
        slopes = _slopes(rules, given.get("slopes", {}), where)
        index = list(range(size))
        (found,) = rules.rows(program.output, index, [[v << rules.P for v in row]], part, slopes, multipliers)
        if not (found > bound << rules.P or (strict and found == bound << rules.P)):
            gap = f"the lower bound of the row is {float(Fraction(int(found), 1 << rules.P)):.6g}, not above {bound}"
            raise Rejected("R9 refuted", f"{where}: unsafe alternative {number} may happen: {gap}")
