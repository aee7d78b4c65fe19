"""Verdict: what was decided about a property, about which arithmetic, and what that rests on."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from html import escape
from math import isfinite
from pathlib import Path
from typing import Any, Literal

from workbench.methods import treefile
from workbench.methods.replay import Counterexample
from workbench.spec import Disjunction, Property, decimal, float_of, in_formulas, in_words

Status = Literal["verified", "falsified", "unknown"]
MARKS: Mapping[str, tuple[str, str]] = {
    "verified": ("\N{CHECK MARK}", "#117733"),
    "falsified": ("\N{MULTIPLICATION SIGN}", "#aa3311"),
    "unknown": ("?", "#666666"),
}
LISTED = 12  # numbers of an input or output that are listed
ANY = "sums in any order, with or without FMA"
MEANING: Mapping[str, str] = {
    "real": "in real arithmetic (the weights are the numbers in the file)",
    "onnx": f"in the network's own float program, {ANY}",
}


def meaning(semantics: str) -> str:
    """The semantics in words: ``in real arithmetic ...``."""
    program = f"in the float program {semantics}"
    return MEANING.get(semantics, program if ", sums in " in semantics else f"{program}, {ANY}")


@dataclass(frozen=True, eq=False)
class Verdict:
    """What was decided.

    Parameters
    ----------
    status : "verified": no input of the region has unsafe outputs; "falsified": one was found, and replayed; "unknown".
    semantics : the arithmetic that the status is about: "real", "onnx" (the network's own float program), or a format.
    asked : the property, in normal form.
    network : what people call the network.
    digest : SHA-256 of its file, or of graph and weights where it came from no file.
    seconds : wall time.
    bound : the best bound so far: every alternative that could be unsafe fails by at least this much (in the units of
        its constraint) all over the region; negative where that is not proved; None where nothing was bounded.
    reason : why unknown; empty otherwise.
    timed_out, interrupted : whether time ran out, or somebody stopped it.
    counterexample : where falsified.
    case : which box of the property the counterexample lies in.
    assumptions : what the status rests on, as sentences.
    method : how it was found.
    leaves : in how many parts the region was split to prove it.
    trees : the search trees, to look at or to resume from: one a case, None where there was none.
    certificate : what ``workbench check`` proves the verdict from again (`certify`); None where none was made.
    uncertified : why none could be made, where one was asked for.
    """

    status: Status
    semantics: str
    asked: Property
    network: str
    digest: str
    seconds: float
    bound: float | None = None
    reason: str = ""
    timed_out: bool = False
    interrupted: bool = False
    counterexample: Counterexample | None = None
    case: int = 0
    assumptions: tuple[str, ...] = ()
    method: str = ""
    leaves: int = 0
    trees: tuple[Any, ...] = field(default=(), repr=False)
    certificate: Mapping[str, Any] | None = field(default=None, repr=False)
    uncertified: str = ""

    def __bool__(self) -> bool:
        """True where verified, so that ``assert model.verify(spec)`` says what it means."""
        return self.status == "verified"

    @property
    def statement(self) -> str:
        """The verdict as one sentence."""
        unsafe = self.question
        where = meaning(self.semantics)
        match self.status:
            case "verified":
                return f"No input of the region leads to {unsafe}: proved {where}."
            case "falsified":
                return f"An input of the region leads to {unsafe}: {self.held}."
            case _:
                return (
                    f"Whether an input of the region leads to {unsafe} is not decided {where}: {self.reason}."
                )

    @property
    def level(self) -> str:
        """How far it may be trusted: a level of `workbench.certificate.levels`."""
        from workbench.certificate.levels import level

        return level(self)

    @property
    def question(self) -> str:
        """The unsafe outputs in words, shortened where there are many."""
        found = _unsafe(self.asked)
        return "any output at all" if found == "always" else _short(found, 300)

    @property
    def held(self) -> str:
        """In which semantics the counterexample holds, in words."""
        if self.counterexample is None:
            return ""
        words = [meaning(s) if s == "real" else _run(s) for s in self.counterexample.semantics]
        return "the counterexample holds " + (" and ".join(words) if words else "nowhere")

    def save_trees(self, path: str | Path) -> None:
        """Write the search to a file; ``verify(..., trees=path)`` goes on with it.

        Raises
        ------
        TreeFileError
            A verdict without a search, or one with too many parts for a file.
        """
        treefile.save(path, self.trees)

    def save_certificate(self, path: str | Path) -> None:
        """Write the certificate to a file for ``workbench check``, gzip-compressed where its name ends in ``.gz``.

        Raises
        ------
        ValueError
            Where there is none; the sentence says why.
        """
        if self.certificate is None:
            why = self.uncertified or (
                "the verdict is unknown"
                if self.status == "unknown"
                else "none was asked for: model.verify(..., certify=True)"
            )
            raise ValueError(f"there is no certificate to write: {why}")
        from workbench.certificate.produce import dumps

        file, data = Path(path), dumps(dict(self.certificate))
        file.write_bytes(gzip.compress(data, mtime=0) if file.suffix == ".gz" else data)

    def _rows(self) -> list[tuple[str, str]]:
        found = [
            ("network", f"{self.network}  sha256 {self.digest[:16]}"),
            ("property", f"unsafe: {self.question}"),
            ("region", region_words(self.asked)),
            ("about", meaning(self.semantics)),
        ]
        telling = self.status == "unknown" or (self.status == "verified" and bool(self.bound))
        if self.bound is not None and telling:
            found.append(("bound", _bound_words(self.bound)))
        if self.reason:
            found.append(("reason", self.reason))
        if self.counterexample is not None:
            found += counterexample_rows(
                self.counterexample, self.asked.cases[self.case].unsafe, self.asked.names
            )
        parts = (
            f", {self.leaves:,} part{'s' if self.leaves != 1 else ''} of the region" if self.leaves else ""
        )
        found.append(("method", f"{self.method or 'none'}{parts}, {self.seconds:.3f} s"))
        if self.status != "unknown":
            found.append(
                ("level", self.level + (f"; no certificate: {self.uncertified}" if self.uncertified else ""))
            )
        found += [("assumed", a) for a in self.assumptions]
        return found

    def __repr__(self) -> str:
        head = f"{self.status.upper()} {meaning(self.semantics)}"
        if self.status == "falsified":
            head = f"FALSIFIED: {self.held}"
        return "\n".join([head, *(f"  {label:<12}{text}" for label, text in self._rows())])

    def _repr_html_(self) -> str:
        mark, colour = MARKS[self.status]
        rows = "".join(
            f'<tr><th style="text-align:left;vertical-align:top;padding-right:12px">{escape(label)}</th>'
            f'<td style="text-align:left">{escape(text)}</td></tr>'
            for label, text in self._rows()
        )
        cases = self.asked.cases
        formula = in_formulas(cases[0].unsafe) if len(cases) == 1 else ""
        said = f"<div>$\\text{{unsafe: }} {escape(formula)}$</div>" if 0 < len(formula) <= 400 else ""
        return (
            f'<div class="nnw-verdict" data-status="{self.status}" style="border-left:4px solid {colour};'
            f'padding:4px 12px;font-size:13px"><strong style="color:{colour}">{mark} {self.status}</strong> '
            f"{escape(self.statement)}{said}<table>{rows}</table></div>"
        )

    def as_dict(self) -> dict[str, Any]:
        """The verdict as plain data; rationals and infinite numbers are strings."""
        return {
            "format": "workbench.verdict.v1",
            "status": self.status,
            "semantics": self.semantics,
            "statement": self.statement,
            "network": {"name": self.network, "sha256": self.digest},
            "property": {
                "name": self.asked.name,
                "inputs": self.asked.inputs,
                "outputs": self.asked.outputs,
                "cases": [
                    {
                        "lower": [_number(v) for v in case.region.lower.reshape(-1).tolist()],
                        "upper": [_number(v) for v in case.region.upper.reshape(-1).tolist()],
                        "unsafe": in_words(case.unsafe, self.asked.names),
                        "formula": in_formulas(case.unsafe),
                    }
                    for case in self.asked.cases
                ],
            },
            "bound": None if self.bound is None else _number(self.bound),
            "reason": self.reason,
            "timed_out": self.timed_out,
            "interrupted": self.interrupted,
            "seconds": self.seconds,
            "method": self.method,
            "leaves": self.leaves,
            "assumptions": list(self.assumptions),
            "level": self.level,
            "counterexample": None if self.counterexample is None else _counterexample(self.counterexample),
        }

    def to_json(self) -> str:
        """`as_dict` as strict JSON."""
        return json.dumps(self.as_dict(), allow_nan=False)


def _run(semantics: str) -> str:
    return f"in a run of {'the network in its own float type' if semantics == 'onnx' else semantics}"


def _unsafe(asked: Property) -> str:
    kinds = list(dict.fromkeys(in_words(c.unsafe, asked.names) for c in asked.cases))
    return kinds[0] if len(kinds) == 1 else "; ".join(f"(box {i}) {k}" for i, k in enumerate(kinds))


def region_words(asked: Property) -> str:
    """Where the inputs may lie, in words."""
    parts = []
    for case in asked.cases[:3]:
        region = case.region
        if region.eps is not None:
            cut = "" if region.clip is None else f", cut to [{region.clip[0]!r}, {region.clip[1]!r}]"
            parts.append(f"within {region.eps!r} of a point in the {region.norm} norm{cut}")
        elif asked.inputs <= LISTED:
            ends = zip(region.lower.reshape(-1).tolist(), region.upper.reshape(-1).tolist(), strict=True)
            parts.append(" x ".join(f"[{a!r}, {b!r}]" for a, b in ends))
        else:
            parts.append(f"a box, at most {float((region.upper - region.lower).max()):.4g} wide")
    more = f"; and {len(asked.cases) - 3} more" if len(asked.cases) > 3 else ""
    return f"{asked.inputs:,} input{'s' if asked.inputs != 1 else ''}: {'; or '.join(parts)}{more}"


def counterexample_rows(
    found: Counterexample, unsafe: Disjunction, names: Sequence[str] = ()
) -> list[tuple[str, str]]:
    """What there is to say about a counterexample."""
    exact = [decimal(v) for v in found.point[:LISTED]]
    point = ", ".join(exact) + (", ..." if len(found.point) > LISTED else "")
    real = ", ".join(
        decimal(a) if a == b and len(decimal(a)) < 24 else _near(a, b) for a, b in found.enclosure[:LISTED]
    )
    floats = ", ".join(map(repr, found.outputs.reshape(-1)[:LISTED].tolist()))
    rounded = (
        ""
        if found.representable
        else "  (rounded to the program's own format for the float run, which may leave the region)"
    )
    violated = _short(in_words((unsafe[next(iter(found.holds.values()))],), names), 300)
    return [
        ("input", f"({point}){rounded}"),
        ("outputs", f"({real})  in real arithmetic, by {found.replayed}"),
        ("", f"({floats})  in floats"),
        ("violated", violated),
    ]


def _counterexample(found: Counterexample) -> dict[str, Any]:
    return {
        "input": [_number(float(v)) for v in found.input.reshape(-1).tolist()],
        "point": [decimal(v) for v in found.point],
        "outputs": [_number(float(v)) for v in found.outputs.reshape(-1).tolist()],
        "real_outputs": [[_number(float_of(a, -1)), _number(float_of(b, 1))] for a, b in found.enclosure],
        "replayed": found.replayed,
        "holds": dict(found.holds),
    }


def _near(a: Fraction, b: Fraction) -> str:
    return (
        f"{float(a):.9g}" if a == b or abs(b - a) <= abs(a) / 10**9 else f"[{float(a):.6g}, {float(b):.6g}]"
    )


def _number(value: float) -> float | str:
    return value if isfinite(value) else str(value)


def _bound_words(bound: float) -> str:
    """How far the bound has come; what is not proved yet is not called a miss."""
    if bound >= 0:
        return f"unsafe constraints are missed by at least {_down(bound)}"
    if not isfinite(bound):
        return "not proved: there is no finite bound yet"
    return f"not proved: the best bound is still {_down(bound).removeprefix('-')} short"


def _down(value: float) -> str:
    """Four digits, rounded down, so that "at least" stays true."""
    text = f"{value:.4g}"
    digits = 4
    while float(text) > value and digits < 17:
        digits += 1
        text = f"{value:.{digits}g}"
    return text if float(text) <= value else repr(value)


def _short(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 3] + "..."
