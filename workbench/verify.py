"""verify: decide a property of a network over a region, and say about which arithmetic.

First a short attack, then bounds with branch and bound.  For a float program the question is put to real arithmetic
with room to spare (F13): every constraint ``c . y <= d`` that holds in floats has ``c . y <= d + |c| . e`` in reals,
where e bounds the rounding error of each output over the region; where those are excluded, so are these.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np

from workbench.certificate.attach import certified
from workbench.floats.format import Format
from workbench.floats.program import Semantics, program_of
from workbench.io import runtime
from workbench.methods import attack, branch, cluster, treefile
from workbench.methods.bisect import Halved, bisect, unsplit
from workbench.methods.dense import Boxes
from workbench.methods.named import find_bounds
from workbench.methods.progress import Cancelled, OutOfTime, Progress, until
from workbench.methods.replay import (
    EXACT,
    OWN,
    Counterexample,
    enclosed,
    exact_ends,
    exactly,
    label,
    may_happen,
    meaning_of,
    multiplications,
    replay,
)
from workbench.methods.rounding import rounding
from workbench.network import Network
from workbench.region import Region
from workbench.semantics.plan import Plan
from workbench.spec import Case, Constraint, Disjunction, Property, Rows
from workbench.verdict import Status, Verdict
from workbench.wanted import SpecificationError, Wanted, property_of

TYPES = {"float32": "binary32", "float64": "binary64", "float16": "binary16"}
ATTACK = 0.2  # the share of the time that the attack may take
REAL: tuple[str, ...] = (
    "the network means its graph in real arithmetic, with the weights that are in the file: not its float program",
    "the engine's bounds account for their own rounding in float64; no independent program has checked them",
)
REPLAYED = {
    "rationals": "the outputs at the input were computed in rationals (python-flint)",
    "balls": "the outputs at the input were enclosed by ball arithmetic (python-flint)",
    "intervals": "the outputs at the input were enclosed by the engine's own interval arithmetic",
}


@dataclass(slots=True)
class _Found:
    """What one case gave."""

    status: Status = "unknown"
    bound: float | None = None
    reason: str = ""
    counterexample: Counterexample | None = None
    assumptions: tuple[str, ...] = ()
    method: str = ""
    leaves: int = 0
    timed_out: bool = False
    interrupted: bool = False
    tree: Any = None


def verify(
    network: Network,
    region: Region | None,
    spec: Wanted | Property | str | Path,
    *,
    timeout: float | None = None,
    semantics: str | Format | Semantics = "real",
    seed: int = 0,
    progress: Progress | None = None,
    name: str | None = None,
    digest: str | None = None,
    trees: tuple[Any, ...] | str | Path = (),
    certify: bool = False,
    workers: int | Any | None = None,
) -> Verdict:
    """Decide whether some input of the region leads to outputs that are not wanted.

    Parameters
    ----------
    network : with one input.
    region : where the inputs may lie; None where `spec` says it itself (a property file).
    spec : what the outputs should be (`workbench.wanted`), a `Property`, or the path of a VNN-LIB file.
    timeout : seconds; None for no limit.
    semantics : "real", "onnx" (the network's own float program, sums in any order), a number format's name, a `Format`,
        or a `Semantics`.
    seed : of every random choice.
    progress : called with (fraction done, words); may raise `KeyboardInterrupt` to stop.
    name, digest : what the network is called, and the SHA-256 of its file.
    trees : of an earlier verdict (`Verdict.trees`, gone on with in place), or a file that it was saved to: to resume.
    certify : also make a certificate, which the exact checker must accept: what it does not is unknown.
    workers : processes that share the search (`methods.cluster`), or a `distributed.Client`; None for this one alone.

    Returns
    -------
    A `Verdict`; running out of time or memory, or an interrupt, leaves "unknown" with the reason.

    Raises
    ------
    SpecificationError
        A specification that does not fit the network.
    ValueError
        A semantics that there is not; trees of another network, region or property.
    """
    start = monotonic()
    meant = meaning_of(semantics)
    plan = network.plan
    shape = network.input_shape  # raises where there are several inputs
    if plan.graph[plan.graph.inputs[0]].dtype not in TYPES:
        raise SpecificationError(
            f"the input {plan.graph.inputs[0]!r} of shape {list(shape)} holds "
            f"{plan.graph[plan.graph.inputs[0]].dtype}: only inputs of {', '.join(TYPES)} can be searched"
        )
    inputs, outputs = (plan.graph[names[0]].size for names in (plan.graph.inputs, plan.graph.outputs))
    asked = property_of(_read(spec), region, inputs, outputs)
    trees = treefile.load(trees, plan.graph.digest) if isinstance(trees, str | Path) else trees
    whole: list[_Found] = []
    with cluster.crew(workers) as crew:
        for k, case in enumerate(asked.cases):
            left = None if timeout is None else max(0.0, start + timeout - monotonic())
            tree = trees[k] if k < len(trees) else None
            try:
                found = _decide(network, case, meant, left, seed, progress, tree, crew)
            except (KeyboardInterrupt, Cancelled) as stop:
                late = isinstance(stop, OutOfTime)
                why = "the time ran out" if late else "it was interrupted"
                found = _Found(reason=why, timed_out=late, interrupted=not late, tree=tree)
            except MemoryError as error:
                found = _Found(reason=f"it needs more memory than there is: {error}", tree=tree)
            whole.append(found)
            if found.status == "falsified" or found.interrupted:
                break
    verdict = _together(
        asked, whole, label(meant), name or network.graph.name, digest or network.graph.digest
    )
    verdict = replace(verdict, seconds=monotonic() - start)
    return certified(verdict, network.graph, timeout and start + timeout) if certify else verdict


def _read(spec: Wanted | Property | str | Path) -> Wanted | Property:
    if isinstance(spec, str | Path):
        from workbench.io import vnnlib

        return vnnlib.load(spec)
    return spec


def _together(asked: Property, whole: list[_Found], semantics: str, name: str, digest: str) -> Verdict:
    """The cases' results as one: falsified where one is, verified where all are."""
    falsified = [f for f in whole if f.status == "falsified"]
    unknown = [f for f in whole if f.status == "unknown"]
    telling = (falsified or unknown or whole)[0]
    bounds = [f.bound for f in whole if f.bound is not None]
    said = [telling] if falsified else whole
    return Verdict(
        telling.status,
        semantics,
        asked,
        name,
        digest,
        seconds=0.0,
        bound=min(bounds) if len(bounds) == len(asked.cases) else None,
        reason=telling.reason if not falsified else "",
        timed_out=not falsified and any(f.timed_out for f in whole),
        interrupted=not falsified and any(f.interrupted for f in whole),
        counterexample=telling.counterexample,
        case=whole.index(telling),
        assumptions=tuple(dict.fromkeys(a for f in said for a in f.assumptions)),
        method=telling.method,
        leaves=sum(f.leaves for f in whole),
        trees=tuple(f.tree for f in whole),
    )


def _decide(
    network: Network,
    case: Case,
    semantics: str | Semantics,
    timeout: float | None,
    seed: int,
    progress: Progress | None,
    tree: Any,
    crew: cluster.Crew | None,
) -> _Found:
    """One box."""
    start = monotonic()

    def left() -> float | None:
        return None if timeout is None else max(0.0, timeout - (monotonic() - start))

    plan, told = network.plan, until(None if timeout is None else start + timeout, progress)
    region = case.region.reshape(network.input_shape)
    if region.batch != 1:
        raise SpecificationError("a property is decided over one region: give them one at a time")
    told(0.0, "attack")
    if tree is None:
        share = None if timeout is None else ATTACK * timeout
        hit = attack.search(
            plan, region, case.unsafe, seed=seed, timeout=share, semantics=semantics, ends=case.ends, rounds=1
        )
        if hit is not None:
            return _falsified(hit, "projected gradient descent", None)
    if semantics == "real" and (sure := _at_a_point(plan, case, region)) is not None:
        return sure
    unsafe, assumptions, reason = case.unsafe, tuple(REAL), ""
    if semantics != "real":
        unsafe, assumptions, reason = _with_room(network, region, case.unsafe, semantics, told)
        if reason:
            return _Found(reason=reason, method="rounding bounds")
    judge = partial(_judged, plan, case, region, semantics=semantics, assumptions=assumptions)
    search = partial(_searched, plan, region, unsafe, judge, left, seed, progress, tree, crew)
    if not region.is_box and tree is None:  # splitting is of boxes; lines use the ball's own shape
        return _of_a_ball(region, judge(unsplit(plan, region, unsafe, told)), search)
    return search()


def _of_a_ball(region: Region, whole: _Found, search: Callable[[], _Found]) -> _Found:
    """A ball in the 2 or 1 norm: what was found of it as it is, then its box in parts."""
    if whole.status == "verified":
        return replace(whole, method=f"CROWN over the ball in the {region.norm} norm")
    parts = search()
    if parts.status == "unknown":
        parts.bound = max((f.bound for f in (parts, whole) if f.bound is not None), default=None)
        if parts.tree is None or any(
            isinstance(b.boxes, Boxes) for b in parts.tree.open
        ):  # else of the ball itself
            parts.reason += (
                f" (parts of the ball's box are searched, not of the ball in the {region.norm} norm)"
            )
    return parts


def _searched(
    plan: Plan,
    region: Region,
    unsafe: Disjunction,
    judge: Callable[[branch.Outcome | Halved], _Found],
    left: Callable[[], float | None],
    seed: int,
    progress: Progress | None,
    tree: Any,
    crew: cluster.Crew | None,
) -> _Found:
    """Branch and bound of the box; where that has no answer of its own, halving it."""
    found = judge(
        branch.verify(
            plan, region, unsafe, timeout=left(), seed=seed, progress=progress, tree=tree, crew=crew
        )
    )
    if tree is not None and tree.loaded and found.status != "falsified":
        found.assumptions = (*found.assumptions, treefile.TRUSTED)
    if found.status == "unknown" and not (found.timed_out or found.interrupted) and tree is None:
        other = judge(bisect(plan, region, unsafe, timeout=left(), progress=progress))
        if other.status != "unknown" or found.bound is None or (other.bound or -np.inf) >= found.bound:
            found = replace(other, method="input splitting with CROWN")
    return found


def _at_a_point(plan: Plan, case: Case, region: Region) -> _Found | None:
    """A region of one point that is safe there: its outputs can be computed; None where this does not decide."""
    ends = case.ends or exact_ends(region)
    if ends.lower != ends.upper:
        return None
    exact = exactly(plan, ends.lower, region.shape) if multiplications(plan) <= EXACT else None
    enclosure, how = exact or (enclosed(plan, ends.lower, region.shape), "intervals")
    if may_happen(case.unsafe, enclosure):
        return None
    said = (REAL[0], REPLAYED[how])
    return _Found("verified", bound=0.0, assumptions=said, method=f"the only point, by {how}", leaves=1)


def _falsified(hit: Counterexample, method: str, outcome: Any) -> _Found:
    said = [REPLAYED[hit.replayed]] if "real" in hit.holds else []
    if set(hit.holds) - {"real"}:
        said.append(
            "the float run is NumPy's on this machine, in one order of summation"
            if OWN in hit.holds
            else "the float run was simulated bit for bit, in one order of summation, from the input in its own format"
        )
    return _Found(
        "falsified",
        counterexample=hit,
        assumptions=tuple(said),
        method=method,
        leaves=getattr(outcome, "leaves", 0),
        tree=getattr(outcome, "tree", None),
    )


def _judged(
    plan: Plan,
    case: Case,
    region: Region,
    outcome: branch.Outcome | Halved,
    semantics: str | Semantics,
    assumptions: tuple[str, ...],
) -> _Found:
    """What branch and bound found, its counterexample replayed: nothing is falsified that was not."""
    found = _Found(
        bound=Rows(case.unsafe, len(case.unsafe[0][0].coefficients)).in_units(outcome.bound)
        if case.unsafe and case.unsafe[0]
        else outcome.bound,
        assumptions=assumptions,
        method="branch and bound",
        leaves=outcome.leaves,
        timed_out=outcome.timed_out,
        interrupted=outcome.interrupted,
        tree=outcome.tree,
    )
    if outcome.candidate is not None:
        program = OWN if semantics == "real" else semantics
        hit = replay(plan, region, case.unsafe, outcome.candidate, ends=case.ends, program=program)
        if hit is not None and label(semantics) in hit.holds:
            return _falsified(hit, "branch and bound", outcome)
    if outcome.status == "verified":
        found.status = "verified"
    elif outcome.status == "falsified":
        found.reason = (
            "an input leads to outputs so near to unsafe ones that "
            + ("rounding its region's ends" if semantics == "real" else "rounding errors")
            + " could decide"
        )
    else:
        found.reason = outcome.reason or "it ended without an answer"
    return found


def _with_room(
    network: Network, region: Region, unsafe: Disjunction, semantics: str | Semantics, progress: Progress
) -> tuple[Disjunction, tuple[str, ...], str]:
    """The real question that settles the one about floats, what that assumes, and why not where there is none."""
    program = program_for(network, semantics)
    bounds = find_bounds(network.plan, network.regions(region), "crown", progress)
    errors = rounding(network.plan, bounds, program, inputs="rounded", progress=progress)
    e = errors.output.reshape(-1)
    if not np.isfinite(e).all():
        where = f" (first at {errors.overflow[0]!r})" if errors.overflow else ""
        return (
            unsafe,
            (),
            f"a value may overflow in {label(program)}{where}, so that its rounding error has no bound",
        )
    exact = [Fraction(v) for v in e.tolist()]
    said = (
        *REAL[1:],
        f"the float program is {label(program)}, given the input rounded to its type",
        *errors.assumptions,
    )
    if semantics == OWN:
        said = (*said, *runtime.ledger(program_of(program), errors.assumptions))
    untrue = [a for a in said if "NOT TRUE" in a]
    if untrue:
        return unsafe, (), f"what would have to be assumed is known to be false here: {untrue[0]}"
    return tuple(tuple(_wider(c, exact) for c in every) for every in unsafe), said, ""


def _wider(c: Constraint, errors: list[Fraction]) -> Constraint:
    room = sum((abs(v) * e for v, e in zip(c.coefficients, errors, strict=True) if v), Fraction(0))
    return Constraint(c.coefficients, c.bound + room, c.strict)


def program_for(network: Network, semantics: str | Semantics) -> str | Semantics:
    """The float program that a semantics is about, or its name.

    Raises
    ------
    SpecificationError
        A network of several float types: no single program describes it.
    """
    if semantics != OWN:
        return semantics
    types = {n.dtype for n in network.graph.nodes if n.name in network.plan.live or n.op == "Input"}
    types = {t for t in types if t not in ("int64", "int32", "bool")}
    if "float16" in types:
        raise SpecificationError(
            "a float16 network has no one float program: runtimes differ in whether its sums round to float16 or to "
            "binary32 on the way; choose semantics='binary16' (operands in binary16, sums in binary32)"
        )
    if len(types) == 1 and (only := next(iter(types))) in TYPES:
        return TYPES[only]
    raise SpecificationError(
        f"the network computes in {', '.join(sorted(types))}: choose one number format, such as semantics='binary32'"
    )
