"""What other tools say about a network, proved again by the exact rules, or rejected with the step that fails.

Nothing of what is given is believed: a bound is proved from the network's own numbers, a list of boxes must cover the
region that it is about, and what is accepted is a certificate of ours, which the checker accepted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import isfinite
from typing import Any

from workbench.certificate.check import Accepted, check
from workbench.certificate.claim import parsed_case
from workbench.certificate.format import CannotCheck, Rejected
from workbench.certificate.plans import Tree
from workbench.certificate.produce import certificate
from workbench.certificate.program import lower
from workbench.certificate.search import NotProved, Prover

PRECISION = 64
MOST_CELLS = 1 << 18  # parts of the region that are looked at, to see whether boxes cover it
MOST_LEAVES = 20_000
Box = tuple[Sequence[Fraction], Sequence[Fraction]]
Row = Sequence[Fraction]


@dataclass(frozen=True)
class Proved:
    """What was proved, and the certificates of it that the checker accepted.

    Parameters
    ----------
    what : in words, for people.
    certificates : from `produce.certificate`.
    accepted : what the checker said of each.
    """

    what: str
    certificates: tuple[dict[str, Any], ...]
    accepted: tuple[Accepted, ...]


def exact(values: Any, what: str, length: int | None = None) -> list[Fraction]:
    """Finite numbers of a file, as the float64 that they are.

    Raises
    ------
    Rejected
        Something else; step "format".
    """
    if not isinstance(values, list) or (length is not None and len(values) != length):
        raise Rejected("format", f"{what} is not a list{'' if length is None else f' of {length}'}")
    found = []
    for v in values:
        if type(v) not in (int, float) or not isfinite(v):
            raise Rejected("format", f"{what} holds something that is no finite number")
        found.append(Fraction(float(v)) if type(v) is float else Fraction(v))
    return found


def box(given: Any, what: str, length: int, low: str = "lo", high: str = "hi") -> Box:
    """A box of a file; its ends in order."""
    if not isinstance(given, dict):
        raise Rejected("format", f"{what} is not an object")
    ends = exact(given.get(low), f"{what}.{low}", length), exact(given.get(high), f"{what}.{high}", length)
    if any(l > h for l, h in zip(*ends, strict=True)):
        raise Rejected("R1 region", f"{what} is empty")
    return ends


def below(row: Row, bound: Fraction, strict: bool = False) -> dict[str, Any]:
    """The constraint ``row . y <= bound`` of a certificate; ``<`` where strict.  Scaled to integers."""
    scale = bound.denominator
    for v in row:
        scale = scale * v.denominator // _gcd(scale, v.denominator)
    terms = [[i, int(v * scale)] for i, v in enumerate(row) if v]
    return {"terms": terms, "bound": int(bound * scale), "strict": strict}


def _gcd(a: int, b: int) -> int:
    while b:
        a, b = b, a % b
    return a


def unit(i: int, size: int, sign: int = 1) -> list[Fraction]:
    """The row that picks ``sign * y_i``."""
    return [Fraction(sign * (k == i)) for k in range(size)]


def prove(
    network: Mapping[str, Any],
    region: Box,
    unsafe: Sequence[Sequence[Mapping[str, Any]]],
    plan: Tree | None = None,
    *,
    method: str,
    seconds: float | None = None,
    most: int = MOST_LEAVES,
) -> tuple[dict[str, Any], Accepted]:
    """A certificate that no input of the region is unsafe, accepted by the checker.

    Raises
    ------
    Rejected
        The exact rules do not prove it: step "R9 refuted".
    CannotCheck
        An operator without a rule, or no time left.
    """
    pairs = [[[v.numerator, v.denominator] for v in end] for end in region]
    case = {"lower": pairs[0], "upper": pairs[1], "open": [], "unsafe": [list(every) for every in unsafe]}
    program = lower(network)
    prover = Prover(program, precision=PRECISION, seconds=seconds)
    try:
        tokens = prover.proof(parsed_case(case, program), plan, most)
    except NotProved as error:
        raise Rejected("R9 refuted", str(error)) from None
    claim = {"verdict": "verified", "semantics": "real", "cases": [case]}
    found = certificate(network, claim, {"precision": PRECISION, "cases": [tokens]}, method, 0.0)
    return found, check(found, seconds=seconds)


def cover(root: Box, boxes: Sequence[Box]) -> Tree:
    """How to split the root so that every part lies in one of the boxes: that is, they cover it.

    A part that lies in no box is cut at a face of one that meets its inside; faces are finitely many.  Coordinates are
    rationals, so nothing is rounded.

    Raises
    ------
    Rejected
        Step "coverage", with a point that lies in no box; or a box that lies partly outside of the root.
    CannotCheck
        More parts than are looked at.
    """
    for number, (low, high) in enumerate(boxes):
        outside = any(a < b for a, b in zip(low, root[0], strict=True)) or any(
            a > b for a, b in zip(high, root[1], strict=True)
        )
        if outside:
            raise Rejected("coverage", f"leaf {number} does not lie in the root")
    done: list[Tree] = []
    todo: list[tuple[Box | None, list[int], tuple[int, Fraction] | None]] = [
        (root, list(range(len(boxes))), None)
    ]
    for count in range(MOST_CELLS):
        if not todo:
            return done[0]
        part, near, cut = todo.pop()
        if part is None:
            assert cut is not None
            above, under = done.pop(), done.pop()
            done.append(Tree((under, above), axis=cut[0], place=cut[1]))
            continue
        low, high = part
        near = [k for k in near if _meets(boxes[k], part)]
        if any(_inside(part, boxes[k]) for k in near):
            done.append(Tree())
            continue
        found = next((c for k in near if (c := _face(boxes[k], part)) is not None), None)
        if found is None:
            at = ", ".join(f"{float((l + h) / 2):.6g}" for l, h in zip(low, high, strict=True))
            raise Rejected("coverage", f"no leaf has the point ({at}) of the root")
        axis, place = found
        todo.append((None, [], found))
        todo.append(((_with(low, axis, place), high), near, None))
        todo.append(((low, _with(high, axis, place)), near, None))
        assert count >= 0
    raise CannotCheck(f"more than {MOST_CELLS:,} parts, to see whether the leaves cover the root")


def _with(ends: Sequence[Fraction], axis: int, place: Fraction) -> list[Fraction]:
    return [*ends[:axis], place, *ends[axis + 1 :]]


def _meets(one: Box, part: Box) -> bool:
    return all(a <= d and c <= b for a, b, c, d in zip(*one, *part, strict=True))


def _inside(part: Box, one: Box) -> bool:
    return all(a <= c and d <= b for a, b, c, d in zip(*one, *part, strict=True))


def _face(one: Box, part: Box) -> tuple[int, Fraction] | None:
    """A face of the box that cuts the inside of the part."""
    for axis, (a, b, c, d) in enumerate(zip(*one, *part, strict=True)):
        for place in (a, b):
            if c < place < d:
                return axis, place
    return None


def prove_bounds(
    network: Mapping[str, Any],
    region: Box,
    lower_bounds: Sequence[Fraction | None],
    upper_bounds: Sequence[Fraction | None],
    rows: Sequence[Row] | None = None,
    *,
    what: str,
    seconds: float | None = None,
    most: int = 64,
) -> tuple[dict[str, Any], Accepted]:
    """Proofs that ``lower <= rows . y <= upper`` over the region; where one fails, which.

    Parameters
    ----------
    rows : by default the outputs themselves.

    Raises
    ------
    Rejected
        Step "bound", with the first bound that the exact rules do not prove.
    CannotCheck
        An operator without a rule, or no time left.
    """
    program = lower(network)
    size = program.steps[program.output].size
    every = rows if rows is not None else [unit(i, size) for i in range(size)]
    alternatives, names = [], []
    for i, (row, l, h) in enumerate(zip(every, lower_bounds, upper_bounds, strict=True)):
        if l is not None:
            alternatives.append([below(row, l, strict=True)])
            names.append(f"the lower bound {float(l):.9g} of row {i}")
        if h is not None:
            alternatives.append([below([-v for v in row], -h, strict=True)])
            names.append(f"the upper bound {float(h):.9g} of row {i}")
    try:
        return prove(network, region, alternatives, method=what, seconds=seconds, most=most)
    except Rejected:
        for name, one in zip(names, alternatives, strict=True):
            try:
                prove(network, region, [one], method=what, seconds=seconds, most=most)
            except Rejected as error:
                raise Rejected("bound", f"{what}: {name} is not proved: {error.why}") from None
        raise


def prove_leaves(
    network: Mapping[str, Any],
    given: Mapping[str, Any],
    rows: Sequence[Row] | None = None,
    *,
    seconds: float | None = None,
) -> Proved:
    """alpha,beta-CROWN's leaves (``abcrown_leaf_artifact_v0_1``, or a raw dump of domains), proved for this network.

    Proved is: on the whole root some ``rows . y`` is above its threshold, because the leaves cover it; and every lower
    bound that a leaf states.

    Parameters
    ----------
    rows : what the bounds are about; by default the network's outputs.

    Raises
    ------
    Rejected
        Not of the format; leaves that do not cover the root; a bound that is not proved; a leaf without one above
        its threshold, or with another threshold than the others.
    CannotCheck
        An operator without a rule, or a limit.
    """
    program = lower(network)
    n, size = program.steps[0].size, program.steps[program.output].size
    every = list(rows) if rows is not None else [unit(i, size) for i in range(size)]
    raw = "domains" in given
    if not raw and given.get("format") != "abcrown_leaf_artifact_v0_1":
        raise Rejected("format", "neither abcrown_leaf_artifact_v0_1 nor a dump with domains")
    names = ("x_L", "x_U", "lower_bounds", "thresholds") if raw else ("lo", "hi", "lb", "threshold")
    leaves = given.get("domains" if raw else "leaves")
    if not isinstance(leaves, list) or not leaves or given.get("input_dim", n) != n:
        raise Rejected("format", f"a list of leaves over {n} inputs is needed")
    root = box(given.get("root"), "root", n)
    boxes, bounds, limits = [], [], []
    for k, leaf in enumerate(leaves):
        boxes.append(box(leaf, f"leaf {k}", n, *names[:2]))
        bounds.append(exact(leaf.get(names[2]), f"leaf {k}: {names[2]}", len(every)))
        limits.append(exact(leaf.get(names[3]), f"leaf {k}: {names[3]}", len(every)))
        if not any(b > t for b, t in zip(bounds[-1], limits[-1], strict=True)):
            raise Rejected("threshold", f"leaf {k}: no lower bound is above its threshold")
        at = leaf.get("witness_idx")
        if at is not None and (
            type(at) is not int or not 0 <= at < len(every) or bounds[-1][at] <= limits[-1][at]
        ):
            raise Rejected("threshold", f"leaf {k}: its witness is none")
        if limits[-1] != limits[0]:
            raise Rejected(
                "threshold", f"leaf {k} has other thresholds than the first: there is no one property"
            )
    plan = cover(root, boxes)
    found = []
    for k, (part, lows) in enumerate(zip(boxes, bounds, strict=True)):
        none = [None] * len(every)
        found.append(prove_bounds(network, part, lows, none, every, what=f"leaf {k}", seconds=seconds))
    unsafe = [[below(row, t) for row, t in zip(every, limits[0], strict=True)]]
    try:
        whole = prove(network, root, unsafe, plan, method="alpha,beta-CROWN leaves", seconds=seconds)
    except Rejected as error:
        raise Rejected("property", f"the root's property is not proved: {error.why}") from None
    words = f"{len(boxes)} leaves cover the root, and on each some row is above its threshold"
    return Proved(words, (whole[0], *(c for c, _ in found)), (whole[1], *(a for _, a in found)))


def prove_npz(
    network: Mapping[str, Any], arrays: Mapping[str, Any], *, seconds: float | None = None
) -> Proved:
    """Bounds of auto_LiRPA, saved as an npz, proved for this network.

    Parameters
    ----------
    arrays : from ``numpy.load``: ``x_L`` and ``x_U``, the region; ``lb`` and ``ub`` (one may be missing), bounds of the
        outputs, or where there is ``C``, of ``C y``.

    Raises
    ------
    Rejected
        Arrays of other names or sizes; a bound that is not proved.
    CannotCheck
        An operator without a rule, or a limit.
    """
    program = lower(network)
    n, size = program.steps[0].size, program.steps[program.output].size
    unknown = set(arrays) - {"x_L", "x_U", "lb", "ub", "C"}
    if unknown or not {"x_L", "x_U"} <= set(arrays) or not {"lb", "ub"} & set(arrays):
        raise Rejected(
            "format", "the arrays must be x_L, x_U, lb and ub (or one of them), and C where there is one"
        )
    flat = {k: [float(v) for v in arrays[k].reshape(-1).tolist()] for k in arrays}
    region = box({"lo": flat["x_L"], "hi": flat["x_U"]}, "the region", n)
    rows: list[Row] | None = None
    count = size
    if "C" in flat:
        numbers = exact(flat["C"], "C")
        if not numbers or len(numbers) % size:
            raise Rejected("format", f"C has not {size} columns")
        rows = [numbers[k : k + size] for k in range(0, len(numbers), size)]
        count = len(rows)
    low, high = (exact(flat[k], k, count) if k in flat else [None] * count for k in ("lb", "ub"))
    found, accepted = prove_bounds(
        network, region, low, high, rows, what="auto_LiRPA's bounds", seconds=seconds
    )
    return Proved(f"bounds of {count} rows over the region", (found,), (accepted,))
