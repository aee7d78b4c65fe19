"""The exact checker: from a certificate's choices it proves the claim again, in integers, or says which step failed.

Read first `format.py` (reading), `program.py` (what operators mean; with `steps.py`, `elements.py`, `windows.py`),
`claim.py`, `bounds.py` (exact bounds; with `matrices.py`, `packed.py`, `smooth.py`, `reduced.py`, `rounding.py`),
`parts.py`, `replay.py`, and this file; `onnx_file.py` reads the network's own bytes. Nothing else takes part, neither
the engine nor NumPy.

Rules, each with its proof where it is applied
----------------------------------------------
R1 region      a box is enlarged to the grid                    R6 relu       lines below and above, from two end points
R2 interval    bounds of every element, step by step            R7 tree       splits cover the part that they split
R3 forms       linear functions of the input below a vector     R8 phases     z <= 0 or z >= 0, and multipliers for it
R4 rows        a lower bound of ``rows . vector``, walked back  R9 refuted    an unsafe alternative cannot happen
R5 rounding    a coefficient is rounded down, and paid for      R10 replay    a counterexample is run exactly
R11 clip       what cannot be unsafe is left out of a box     R12 reduce    relus that are lines on a part are put in
R13 smooth     lines of a smooth function, in ball arithmetic R14 elements  pools, the largest of some, factors
R15 rounding  a claim about floats as one about reals
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from workbench.certificate.bounds import Bounds, Slopes
from workbench.certificate.claim import Case, dense, parsed_case
from workbench.certificate.format import NAME, CannotCheck, Rejected, fields, integers, listed, text, whole
from workbench.certificate.parts import SLOPE, Empty, Part
from workbench.certificate.program import Program, lower
from workbench.certificate.replay import replay
from workbench.certificate.rounding import FORMATS, widened

METHODS = ("interval", "forms", "rows")
ONE, STEEPEST = 1 << SLOPE, 1 << 40  # slopes: 1, and the largest of a smooth function
NONE: Mapping[str, int] = {}
SEMANTICS = "real"
COMMON = (
    "the operators mean what workbench/certificate/program.py says",
    "this Python computes with integers correctly, and python-flint with integer matrices where it is used",
)
BALLS = "python-flint's ball arithmetic encloses the values of smooth functions"
ASSUMPTIONS = (
    "the network is evaluated in real arithmetic, its weights the exact numbers of the file",
    *COMMON,
)


def assumptions(semantics: str, smooth: bool = False) -> tuple[str, ...]:
    """What a claim rests on: of real arithmetic, or of a float format; and where there are smooth functions."""
    first = ASSUMPTIONS[:1]
    if semantics != SEMANTICS:
        run = f"the network is run in {semantics} on the inputs of the region, each rounded to it: every operation "
        how = "is rounded to nearest, with gradual underflow, sums in any order, with fused multiply-adds or without"
        first = (run + how,)
    return (*first, *COMMON, *([BALLS] if smooth else []))


@dataclass(frozen=True)
class Tick:
    """A proof step that is about to be judged.

    Parameters
    ----------
    case, number : which step: ``certificate["proof"]["cases"][case][number]``.
    done, of : steps judged before it, and in all.
    kind : the step's first entry.
    open : parts of the case's region that wait for a proof, this one included.
    """

    case: int
    number: int
    done: int
    of: int
    kind: str
    open: int


Watch = Callable[[Tick], object]


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
    steps: int = 0
    point: tuple[Fraction, ...] | None = None
    outputs: tuple[Fraction, ...] | None = None
    semantics: str = SEMANTICS
    assumptions: tuple[str, ...] = ASSUMPTIONS
    level: str = "exactly checked"


def check(
    certificate: Mapping[str, Any],
    *,
    network: Mapping[str, Any] | None = None,
    flint: bool | None = None,
    seconds: float | None = None,
    watch: Watch | None = None,
) -> Accepted:
    """Check a certificate.

    Parameters
    ----------
    certificate : from `format.loads`.
    network : the network of an ONNX file, from `onnx_file.read`: what the certificate's must be equal to.
    flint : whether to use python-flint; by default where it is installed.
    seconds : a limit.
    watch : called before each step of the proof; what it raises ends the check.

    Raises
    ------
    Rejected
        The claim is not proved: which rule failed, and at which step of the proof (`place`).
    CannotCheck
        An operator without an exact rule, or a limit.
    """
    until = None if seconds is None else time.monotonic() + seconds
    try:
        return _check(certificate, network, flint, until, watch)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise Rejected("format", f"not of the form that is expected: {str(error)[:100]}") from error
    except MemoryError:
        raise CannotCheck("it needs more memory than there is") from None


def _check(
    certificate: Mapping[str, Any],
    network: Mapping[str, Any] | None,
    flint: bool | None,
    until: float | None,
    watch: Watch | None,
) -> Accepted:
    given = fields(dict(certificate), "the certificate", "format made_by network claim trust proof")
    if given["format"] != NAME:
        raise Rejected("format", f"this checker reads {NAME}")
    for key, value in fields(given["made_by"], "made_by", "workbench engine method seconds").items():
        text(value, f"made_by.{key}")
    claim = fields(given["claim"], "claim", "verdict semantics cases")
    trust = fields(given["trust"], "trust", "assumptions")
    semantics = text(claim["semantics"], "claim.semantics")
    if semantics != SEMANTICS and semantics not in FORMATS:
        raise Rejected("format", f"claim.semantics must be one of {SEMANTICS}, {', '.join(FORMATS)}")
    program = lower(given["network"])
    assumed = assumptions(semantics, any(s.kind == "smooth" for s in program.steps))
    if trust["assumptions"] != list(assumed):
        raise Rejected("format", "trust.assumptions must be those of this checker")
    name, digest = (text(given["network"][k], f"network.{k}") for k in ("name", "sha256"))
    if network is not None:
        _compare(program, digest, network)
    cases = tuple(parsed_case(c, program) for c in listed(claim["cases"], "claim.cases"))
    if not cases:
        raise Rejected("format", "the claim has no cases")
    numbers = sum(len(r) for s in program.steps if s.kind != "relu" for r in s.matrix)
    about = name, digest, network is not None, numbers
    if claim["verdict"] == "falsified":
        if semantics != SEMANTICS:
            raise CannotCheck(f"there is no rule for a counterexample in {semantics}")
        found = replay(program, cases, given["proof"], flint)
        return Accepted("falsified", cases, *about, 0, 0, *found, semantics, assumed)
    if claim["verdict"] != "verified":
        raise Rejected("format", "claim.verdict is neither verified nor falsified")
    proof = fields(given["proof"], "proof", "precision cases")
    rules = Bounds(program, whole(proof["precision"], "proof.precision", 8, 512), flint, until)
    trees = [listed(t, "proof.cases") for t in listed(proof["cases"], "proof.cases", len(cases))]
    leaves, done, size = 0, 0, sum(map(len, trees))
    for number, (case, tree) in enumerate(zip(cases, trees, strict=True)):
        whole_part = root(rules, case)
        wide = widened(rules, whole_part, case, semantics)
        leaves += _tree(Parts(rules, wide, [whole_part]), tree, number, done, size, watch)
        done += len(tree)
    return Accepted("verified", cases, *about, leaves, done, None, None, semantics, assumed)


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


def _tree(parts: Parts, tokens: list[Any], number: int, done: int, of: int, watch: Watch | None) -> int:
    for k, token in enumerate(tokens):
        if watch is not None:
            kind = token[0] if type(token) is list and token and type(token[0]) is str else ""
            watch(Tick(number, k, done + k, of, kind, len(parts.open)))
        try:
            parts.take(token)
        except Rejected as error:
            raise Rejected(error.step, f"proof step {k}: {error.why}", (number, k)) from None
    if parts.open:
        raise Rejected(
            "R7 tree", f"{len(parts.open)} part(s) of the region have no proof", (number, len(tokens))
        )
    return parts.leaves


@dataclass
class Parts:
    """R7: a tree in preorder. The root is the whole region; a split's two children, which follow it, cover its part.

    ["x", i, p]      {x_i <= p} and {x_i >= p}: every number is in one of them.
    ["z", relu, j]   {z_j <= 0} and {z_j >= 0} for the relu's operand z: likewise.
    ["bounds", ...]  the same part, with bounds for it.
    ["reduce"]       the same part, with what is left of the network on it.
    ["clip"]         a smaller box: what is left out of it is safe.
    ["leaf", ...]    nothing of the part is unsafe.
    The list `open` has the parts that are not proved yet; where there are none, all of the root is proved.
    """

    rules: Bounds
    case: Case
    open: list[Part]
    leaves: int = 0

    def take(self, token: Any) -> None:
        """Do the next step of the proof; where it is rejected nothing has changed."""
        if not self.open:
            raise Rejected("R7 tree", "the whole region is proved already")
        kind, *rest = listed(token, "a step") or [None]
        self.open[-1:] = step(self.rules, self.open[-1], self.case, kind, rest)
        self.leaves += kind == "leaf"


def root(rules: Bounds, case: Case) -> Part:
    """R1: floor and ceiling to the grid enlarge the box, and what holds for the larger one holds for the region."""
    low = [(v.numerator << rules.P) // v.denominator for v in case.lower]
    high = [-((-v.numerator << rules.P) // v.denominator) for v in case.upper]
    return Part((low, high))


def step(rules: Bounds, part: Part, case: Case, kind: Any, rest: list[Any]) -> list[Part]:
    """The parts that are still to be proved when this step of the part's proof is done: the next one last."""
    if kind == "x":
        return _split(part, rest)
    if kind == "z":
        i, j = _element(rules, rest)
        if (i, j) in part.phases:
            raise Rejected("R8 phases", "this element was split before")
        return [rules.phased(part, i, j, above) for above in (True, False)]
    part = part.smaller()
    if kind == "leaf":
        entries = listed(listed(rest, "a leaf", 1)[0], "a leaf", len(case.unsafe))
        _leaf(rules, part, case, entries)
        return []
    if kind == "bounds":
        if len(rest) not in (1, 2) or any(m not in METHODS for m in listed(rest[0], "bounds")):
            raise Rejected("format", f"bounds take a list of {', '.join(METHODS)}, and slopes")
        slopes = _slopes(rules, rest[1] if rest[1:] else {}, rules.smooth)
        try:
            if not part.empty:
                rules.bound(part, rest[0], slopes)
        except Empty:
            part.empty = True
    elif kind == "reduce":
        listed(rest, "reduce", 0)
        if not part.empty:
            _known(part, "R12 reduce")
            rules.reduce(part)
    elif kind == "clip":
        _clip(rules, part, case, _slopes(rules, listed(rest, "clip", 1)[0] if rest else {}))
    else:
        raise Rejected("format", "it is none of x, z, bounds, reduce, clip, leaf")
    return [part]


def _split(part: Part, rest: list[Any]) -> list[Part]:
    """R7: what lies above the place and, to be proved first, what lies below it."""
    axis, place = integers(rest, "a split", 2)
    low, high = part.box
    if not 0 <= axis < len(low) or not low[axis] <= place <= high[axis]:
        raise Rejected("R7 tree", "a split outside of the part")
    with_place = [[*ends[:axis], place, *ends[axis + 1 :]] for ends in part.box]
    return [part.smaller(box=(with_place[0], high)), part.smaller(box=(low, with_place[1]))]


def _known(part: Part, rule: str) -> None:
    if not part.low and part.reduced is None:
        raise Rejected(rule, "there are no bounds yet")


def _clip(rules: Bounds, part: Part, case: Case, slopes: Slopes) -> None:
    """R11: an input that is unsafe lies in the box that one of the alternatives leaves, so in the hull of them all."""
    if part.empty:
        return
    _known(part, "R11 clip")
    size, found = rules.program.steps[rules.program.output].size, list[Part]()
    for every in case.unsafe:
        left = part.smaller()
        rows = [dense(one.terms, size, rules.P) for one in every]
        if not rows or rules.clip(rows, [one.bound << rules.P for one in every], left, slopes):
            found.append(left)
    part.empty = not found
    if found:
        ends = [list(zip(*(p.box[k] for p in found), strict=True)) for k in (0, 1)]
        part.box = [min(v) for v in ends[0]], [max(v) for v in ends[1]]


def _element(rules: Bounds, given: list[Any]) -> tuple[int, int]:
    """An element of a relu's operand: (step of the operand, element)."""
    name, j = text(listed(given, "an element", 2)[0], "a relu"), given[1]
    if name not in rules.relus:
        raise Rejected("format", "there is no relu of that name")
    step = rules.program.steps[rules.relus[name]]
    return step.sources[0], whole(j, "an element", 0, step.size - 1)


def _slopes(rules: Bounds, given: Any, smooth: Mapping[str, int] = NONE) -> dict[int, dict[int, Any]]:
    """Chosen slopes by step and element: of a relu the one below, which `Bounds.lines` checks.

    Of a smooth function both, which may be any numbers: R13 finds the offsets with which they are lines.
    """
    if type(given) is not dict or any(name not in rules.relus and name not in smooth for name in given):
        raise Rejected("format", "slopes are given by relu, and for bounds by smooth function")
    found: dict[int, dict[int, Any]] = {}
    for name, every in given.items():
        step, both = {**smooth, **rules.relus}[name], name in smooth
        chosen = [integers(p, "a slope", 3 if both else 2) for p in listed(every, "slopes")]
        last, low, high = (
            rules.program.steps[step].size - 1,
            -STEEPEST if both else 0,
            STEEPEST if both else ONE,
        )
        for j, *one in chosen:
            some = tuple(whole(s, "a slope", low, high) for s in one)
            found.setdefault(step, {})[whole(j, "an element", 0, last)] = some if both else some[0]
    return found


def _leaf(rules: Bounds, part: Part, case: Case, entries: list[Any]) -> None:
    """R9: for each unsafe alternative ``c_k . y <= d_k for all k``: with m >= 0, ``sum m c . y > sum m d`` excludes it.

    (Where a constraint with m > 0 is strict, ``>=`` does.)  The lower bound of ``sum m c . y`` is a row (R4).
    """
    if not part.empty:
        _known(part, "R9 refuted")
    program = rules.program
    size = program.steps[program.output].size
    for number, (every, entry) in enumerate(zip(case.unsafe, entries, strict=True)):
        given = fields(entry, "a leaf", "rows", "slopes multipliers")
        row, bound, strict = [0] * size, 0, False
        for pair in listed(given["rows"], "rows"):
            k, m = integers(pair, "rows", 2)
            if not 0 <= k < len(every) or m < 0:
                raise Rejected("R9 refuted", "no such constraint, or a negative multiplier")
            for i, c in every[k].terms:
                row[i] += m * c
            bound += m * every[k].bound
            strict |= every[k].strict and m > 0
        multipliers: dict[int, dict[int, int]] = {}
        for one in listed(given.get("multipliers", []), "multipliers"):
            i, j = _element(rules, listed(one, "a multiplier", 3)[:2])
            if (i, j) not in part.phases or whole(one[2], "a multiplier") < 0:
                raise Rejected("R8 phases", "a multiplier for a phase that this part has not, or below 0")
            multipliers.setdefault(rules.relus[one[0]], {})[j] = one[2]
        slopes = _slopes(rules, given.get("slopes", {}))
        if part.empty:
            continue
        (found,) = rules.rows([[v << rules.P for v in row]], part, slopes, multipliers)
        if not (found > bound << rules.P or (strict and found == bound << rules.P)):
            gap = f"the lower bound of the row is {float(Fraction(int(found), 1 << rules.P)):.6g}, not above {bound}"
            raise Rejected("R9 refuted", f"unsafe alternative {number} may happen: {gap}")
