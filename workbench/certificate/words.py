"""What a certificate claims, and what was proved, in words.  This proves nothing: `check` does."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from workbench.certificate.check import BALLS, SEMANTICS, Accepted
from workbench.certificate.claim import Case, parsed_case
from workbench.certificate.format import Rejected, listed
from workbench.certificate.program import lower

SHOWN = 6  # inputs of a box, boxes, alternatives
LEVEL = "exactly checked"
KERNEL = (
    "kernel-checked: Coq has proved it, from the network's integers, without axioms",
    "the network is evaluated in real arithmetic: on every rational input, its weights the exact numbers of the file",
    "the operators mean what workbench/certificate/theory/Network.v and program.py say",
    "Coq's kernel, with its virtual machine, accepts no wrong proof",
)
LEAN = (
    "kernel-checked (experimental): Lean has proved it by interval bounds, from the network's integers, without axioms",
    "the network is evaluated in real arithmetic: on every float64 input of the region, its weights those of the file",
    "the operators mean what workbench/certificate/program.py says, the file what theory/Intervals.lean does",
    "Lean's kernel, with its arithmetic of natural numbers, accepts no wrong proof",
)
KERNELS = {"coq": KERNEL, "lean": LEAN}


def statement(certificate: Mapping[str, Any]) -> str:
    """The claim as a sentence; nothing is checked but its form.

    Raises
    ------
    Rejected, CannotCheck
        A claim or a network of another form.
    """
    try:
        claim, program = certificate["claim"], lower(certificate["network"])
        cases = tuple(parsed_case(c, program) for c in listed(claim["cases"], "claim.cases"))
        verdict, semantics = claim["verdict"], claim["semantics"]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise Rejected("format", f"not of the form that is expected: {str(error)[:100]}") from error
    return sentence(str(verdict), cases, str(semantics))


def sentence(verdict: str, cases: tuple[Case, ...], semantics: str = SEMANTICS) -> str:
    """A verdict about cases, as a sentence."""
    how = "in real arithmetic" if semantics == SEMANTICS else f"run in {semantics}, sums in any order"
    kinds = list(dict.fromkeys(unsafe_words(c) for c in cases))
    unsafe = (
        kinds[0] if len(kinds) == 1 else "; ".join(f"(box {k}) {one}" for k, one in enumerate(kinds[:SHOWN]))
    )
    where = "the region" if len(cases) == 1 else f"the {len(cases)} boxes of the region"
    if verdict == "verified":
        return f"No input of {where} leads to outputs with {unsafe}, {how}."
    return f"An input of {where} leads to outputs with {unsafe}, {how}."


def unsafe_words(case: Case) -> str:
    """The unsafe outputs of a case."""
    found = " or ".join("(" + " and ".join(map(str, every)) + ")" for every in case.unsafe[:SHOWN])
    more = f" or ... ({len(case.unsafe)})" if len(case.unsafe) > SHOWN else ""
    return (found or "nothing") + more


def box_words(case: Case) -> str:
    """The box of a case, about; the claim itself is exact."""
    ends = [f"[{number(l)}, {number(h)}]" for l, h in zip(case.lower, case.upper, strict=True)]
    return " x ".join(ends[:SHOWN]) + (f" x ... ({len(ends)} inputs)" if len(ends) > SHOWN else "")


def rows(
    a: Accepted,
    *,
    network: str | None = None,
    asked: str | None = None,
    seconds: float | None = None,
    how: str = "",
    checker: str = "python",
) -> list[tuple[str, str]]:
    """What was proved, about which bytes, under which assumptions: (label, text).

    Parameters
    ----------
    network, asked : the files that the certificate was compared with, as somebody calls them.
    how : by what arithmetic it was checked.
    checker : "python", "coq" or "lean".
    """
    level = (
        KERNELS[checker][0]
        if checker in KERNELS
        else f"{LEVEL}: an independent exact checker has proved it again"
    )
    proved = [
        ("proved", sentence(a.verdict, a.cases, a.semantics)),
        ("level", level),
        ("network", a.network),
        ("sha256", a.sha256 or "none given"),
    ]
    if network is None:
        proved.append(("", "not compared with a file: that takes --network NET.onnx"))
    else:
        proved.append(("", f"compared with {network}: the same hash, and all {a.numbers:,} numbers equal"))
    for k, case in enumerate(a.cases[:4]):
        proved.append((f"region {k}" if len(a.cases) > 1 else "region", box_words(case)))
        proved.append(("unsafe", unsafe_words(case) if case.unsafe else "never"))
    if len(a.cases) > 4:
        proved.append(("", f"and {len(a.cases) - 4} more regions"))
    if asked is not None:
        proved.append(("", f"compared with {asked}: the same regions and constraints"))
    if a.point is not None and a.outputs is not None:
        for label, values in (("input", a.point), ("outputs", a.outputs)):
            proved.append((label, ", ".join(map(number, values[:8])) + (", ..." if len(values) > 8 else "")))
    parts = f"{a.leaves:,} part{'s' if a.leaves != 1 else ''}"
    proved.append(
        (
            "proof",
            f"{parts} of the region, each bounded again; together they cover it"
            if a.verdict == "verified"
            else "the counterexample, run in rationals"
            + (", and in intervals where a result is none" if BALLS in a.assumptions else ""),
        )
    )
    if seconds is not None:
        proved.append(("checked", f"in {seconds:.2f} s" + (f", with {how}" if how else "")))
    return proved + [("assumed" if not k else "", text) for k, text in enumerate(assumed(checker, a))]


def assumed(checker: str, a: Accepted) -> tuple[str, ...]:
    """What a checker's word rests on."""
    return KERNELS[checker][1:] if checker in KERNELS else a.assumptions


def number(value: Fraction) -> str:
    """A rational for people, about."""
    try:
        return f"{float(value):.10g}"
    except OverflowError:
        return "beyond 1e308"
