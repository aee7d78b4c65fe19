"""What the CertificateView shows of a certificate, as plain data: words, the tree, one part's steps, single numbers.

A number of a certificate is named by its path, such as ``proof.cases[0][2][2]`` or
``network.tensors["fc1.bias"].data[3]``; ends of boxes are two integers, a fraction, and count as one number.  What a
person reads and types is what the integer stands for (a place on the proof's grid, a weight), never a float: it is
exact, or is rounded once to what can be stored.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from workbench.certificate import words
from workbench.certificate.check import ASSUMPTIONS, Accepted
from workbench.certificate.format import CannotCheck, Rejected
from workbench.certificate.outline import Outline, outline
from workbench.certificate.parts import SLOPE
from workbench.floats.typed import decimal, read

LISTED = 200  # numbers of a group that can be picked; others by their path
LONGEST = 240  # characters of a step that are shown
DRAWN = 60_000  # parts of a case that are sent
Path = tuple[str | int, ...]
_TOKEN = re.compile(r'\.?([A-Za-z_]\w*)|\[(\d+)\]|\["((?:[^"\\]|\\.)*)"\]')
_NAMES: Mapping[str, str] = {
    "bounds": "bounds",
    "reduce": "reduce",
    "clip": "clip",
    "leaf": "leaf",
    "x": "split",
    "z": "split",
}


@dataclass(frozen=True, slots=True)
class Number:
    """One number of a certificate: its path, what it is, its value as people type it, about, and what is stored."""

    path: str
    label: str
    value: str
    near: str
    stored: str


# ---- paths


def parse(text: str) -> Path:
    """A path from its text.

    Raises
    ------
    ValueError
        Text that is no path.
    """
    found: list[str | int] = []
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise ValueError(f"{text[:80]!r} is no path such as proof.cases[0][2][2]")
        name, index, quoted = match.groups()
        found.append(
            name if name is not None else int(index) if index is not None else json.loads(f'"{quoted}"')
        )
        at = match.end()
    return tuple(found)


def spelled(path: Path) -> str:
    """A path as text."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        elif re.fullmatch(r"[A-Za-z_]\w*", part):
            text += f".{part}" if text else part
        else:
            text += f"[{json.dumps(part)}]"
    return text


def at(certificate: Any, path: Path) -> Any:
    """What stands at a path.

    Raises
    ------
    ValueError
        Nothing stands there.
    """
    found = certificate
    for part in path:
        try:
            found = found[part]
        except (LookupError, TypeError):
            raise ValueError(f"there is nothing at {spelled(path)}") from None
    return found


def with_value(certificate: Any, path: Path, value: Any) -> Any:
    """A copy with another value at a path; everything beside the path is shared with the original."""
    if not path:
        return value
    head, *rest = path
    inner = with_value(certificate[head], tuple(rest), value)
    if isinstance(certificate, Mapping):
        return {**certificate, head: inner}
    assert isinstance(head, int)
    return [*certificate[:head], inner, *certificate[head + 1 :]]


# ---- what a number stands for


def _whole(value: Any) -> bool:
    return type(value) is int


def _is_fraction(value: Any, path: Path) -> bool:
    ends = len(path) > 1 and path[-2] in ("lower", "upper", "point")
    return ends and isinstance(value, list | tuple) and len(value) == 2 and all(map(_whole, value))


def exponent(certificate: Any, path: Path) -> int:
    """The power of two that one unit of the integer at a path stands for."""
    match path:
        case ("network", "tensors", name, "data", *_):
            found = at(certificate, ("network", "tensors", name)).get("exponent", 0)
            return found if _whole(found) else 0
        case ("proof", "cases", int(case), int(number), 2):
            step = at(certificate, ("proof", "cases", case, number))
            precision = certificate["proof"].get("precision", 0)
            return -precision if step[0] == "x" and _whole(precision) else 0
        case ("proof", "cases", _, _, *inner) if _in_slopes(certificate, path, inner):
            return -SLOPE
    return 0


def _in_slopes(certificate: Any, path: Path, inner: list[str | int]) -> bool:
    """Whether it is the slope of [element, slope], or one of the two of [element, below, above]."""
    if len(inner) < 3 or inner[-1] not in (1, 2) or not isinstance(inner[-3], str):
        return False
    kind = at(certificate, path[:4])[0]
    return "slopes" in inner or kind in ("bounds", "clip")


def number(certificate: Any, text: str) -> Number:
    """The number at a path.

    Raises
    ------
    ValueError
        No path, nothing there, or no number.
    """
    path = parse(text)
    value = at(certificate, path)
    if _is_fraction(value, path) and value[1]:
        exact = Fraction(*value)
        stored = f"{value[0]}/{value[1]}"
        return Number(spelled(path), _label(certificate, path), told(exact), words.number(exact), stored)
    if not _whole(value):
        raise ValueError(f"{spelled(path)} is not a number")
    power = exponent(certificate, path)
    exact = value * Fraction(2) ** power
    stored = (
        f"{value} \N{MULTIPLICATION SIGN} 2^{power}".replace("-", "\N{MINUS SIGN}") if power else str(value)
    )
    return Number(spelled(path), _label(certificate, path), told(exact), words.number(exact), stored)


def told(value: Fraction) -> str:
    """A rational as it can be typed again: exact, as a decimal where that is not long."""
    found, below = decimal(value), value.denominator
    if found is not None and len(found) <= 20:
        return found
    return (
        f"{value.numerator}/{below}"
        if below & (below - 1)
        else f"{value.numerator}*2^-{below.bit_length() - 1}"
    )


def typed(certificate: Any, text: str, value: str | float | Fraction) -> Any:
    """What is stored where somebody types a value for the number at a path: rounded once to what can stand there.

    Raises
    ------
    ValueError
        No number.
    """
    path = parse(text)
    old = at(certificate, path)
    given = read(str(value))
    if not isinstance(given, Fraction):
        if given != 0:
            raise ValueError("a certificate holds finite numbers only")
        given = Fraction(0)
    if _is_fraction(old, path):
        return [given.numerator, given.denominator]
    if not _whole(old):
        raise ValueError(f"{spelled(path)} is not a number")
    return round(given / Fraction(2) ** exponent(certificate, path))


def _label(certificate: Any, path: Path) -> str:
    found = spelled(path)
    match path:
        case ("claim", "cases", _, ("lower" | "upper") as end, int(i), *_):
            found = f"{end} end of input {i}"
        case ("claim", "cases", _, "unsafe", int(a), int(k), "bound"):
            found = f"alternative {a}, constraint {k}: bound"
        case ("claim", "cases", _, "unsafe", int(a), int(k), "terms", int(t), int(which)):
            output = at(certificate, (*path[:-1], 0))
            found = f"alternative {a}, constraint {k}: " + (
                f"factor of Y_{output}" if which else f"output of term {t}"
            )
        case ("network", "tensors", str(name), "data", *index):
            found = f"{name}{''.join(f'[{i}]' for i in index)}"
        case ("proof", "point", int(i), *_):
            found = f"input {i} of the counterexample"
        case ("proof", "cases", int(case), int(step), *inner):
            kind = at(certificate, ("proof", "cases", case, step))[0]
            found = f"step {step}, {_NAMES.get(kind, '?')}: {_inner(certificate, path, kind, inner)}"
    return found


def _inner(certificate: Any, path: Path, kind: str, inner: list[str | int]) -> str:
    if kind == "x" and len(inner) == 1:
        return {1: "which input", 2: "place"}.get(int(inner[0]), "?")
    if kind == "z" and inner == [2]:
        return "which element"
    *_, last = inner
    if "rows" in inner:
        return f"alternative {inner[1]}, " + (
            "multiplier of a constraint" if last == 1 else "which constraint"
        )
    if "multipliers" in inner:
        return f"alternative {inner[1]}, " + ("multiplier of a sign" if last == 2 else "which element")
    if len(inner) > 2 and isinstance(inner[-3], str):
        element = at(certificate, (*path[:-1], 0))
        return f"slope of {inner[-3]}[{element}]" if last in (1, 2) else f"which element of {inner[-3]}"
    return spelled(tuple(inner))


# ---- groups of numbers to pick from


def groups(certificate: Any, case: int, part: tuple[int, int] | None) -> list[dict[str, str]]:
    """Where a number can be picked: ``[{key, label}]``; `part`: first and last step of the chosen part."""
    found = []
    if part is not None:
        found.append({"key": "part", "label": "the chosen part's proof"})
    if "point" in certificate.get("proof", {}):
        found.append({"key": "point", "label": "the counterexample"})
    found += [{"key": "region", "label": "the region"}, {"key": "property", "label": "the property"}]
    tensors = at(certificate, ("network", "tensors"))
    return found + [{"key": f"tensor:{name}", "label": f"weights {name}"} for name in tensors]


def numbers(
    certificate: Any, group: str, case: int, part: tuple[int, int] | None
) -> tuple[list[Number], int]:
    """The first numbers of a group, and how many there are in all."""
    roots: list[Path] = []
    if group == "part" and part is not None:
        roots = [("proof", "cases", case, k) for k in range(part[0], part[1] + 1)]
    elif group == "point":
        roots = [("proof", "point")]
    elif group == "region":
        roots = [("claim", "cases", case, end) for end in ("lower", "upper")]
    elif group == "property":
        roots = [("claim", "cases", case, "unsafe")]
    elif group.startswith("tensor:"):
        roots = [("network", "tensors", group.removeprefix("tensor:"), "data")]
    found: list[Number] = []
    count = 0
    for root in roots:
        for path in _paths(at(certificate, root), root):
            count += 1
            if len(found) < LISTED:
                found.append(number(certificate, spelled(path)))
    return found, count


def _paths(value: Any, path: Path) -> Iterator[Path]:
    if _whole(value) or _is_fraction(value, path):
        yield path
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _paths(inner, (*path, key))
    elif isinstance(value, list | tuple):
        for k, inner in enumerate(value):
            yield from _paths(inner, (*path, k))


# ---- the whole, and one part


def about(certificate: Mapping[str, Any], comparing: str | None) -> dict[str, Any]:
    """What is claimed, in words: nothing here is checked."""
    try:
        claim = words.statement(certificate)
    except (Rejected, CannotCheck) as error:
        claim = f"(the claim cannot be read: {error})"
    network, made, trust = (certificate.get(k) for k in ("network", "made_by", "trust"))
    given = network if isinstance(network, Mapping) else {}
    by = made if isinstance(made, Mapping) else {}
    assumed = trust.get("assumptions") if isinstance(trust, Mapping) else None
    return {
        "statement": claim,
        "network": str(given.get("name", "?")),
        "sha256": str(given.get("sha256", "")),
        "compared": comparing,
        "made_by": f"{by.get('engine', '?')} {by.get('workbench', '')}, {by.get('method', '')}".strip(),
        "assumptions": [str(a) for a in assumed] if isinstance(assumed, list) else list(ASSUMPTIONS),
        "level": words.LEVEL,
    }


def trees(certificate: Mapping[str, Any]) -> tuple[Outline, dict[str, Any]]:
    """The proof's trees, and as plain data, as the view sends them.

    Raises
    ------
    Rejected
        Lists that form no trees.
    """
    found = outline(certificate)
    cases = [
        {
            "nodes": [
                [-1 if n.parent is None else n.parent, n.side, n.depth, n.first, n.last, n.split]
                for n in nodes[:DRAWN]
            ],
            "left": max(0, len(nodes) - DRAWN),
        }
        for nodes in found.cases
    ]
    steps = sum(len(c) for c in certificate["proof"].get("cases", ()))
    return found, {"cases": cases, "steps": steps, "broken": ""}


def part(certificate: Mapping[str, Any], found: Outline, case: int, node: int) -> dict[str, Any]:
    """One part: the splits that lead to it, and what its own steps do, with their text."""
    if case >= len(found.cases) or node >= len(found.cases[case]):
        return {}
    nodes = found.cases[case]
    one = nodes[node]
    path, child = [], one
    while child.parent is not None:
        above = nodes[child.parent]
        path.append(_side(above.split, child.side))
        child = above
    steps = []
    for k in range(one.first, one.last + 1):
        step = certificate["proof"]["cases"][case][k]
        text = json.dumps(step, separators=(", ", ": "))
        said = one.words[k - one.first] if k - one.first < len(one.words) else ""
        short = text if len(text) <= LONGEST else text[:LONGEST] + " \N{HORIZONTAL ELLIPSIS}"
        steps.append({"number": k, "words": said, "text": short})
    return {
        "case": case,
        "id": node,
        "path": path[::-1],
        "steps": steps,
        "leaf": one.leaf,
        "split": one.split,
    }


def _side(split: str, side: int) -> str:
    where, _, place = split.rpartition(" at ")
    sign = "\N{GREATER-THAN OR EQUAL TO}" if side else "\N{LESS-THAN OR EQUAL TO}"
    return f"{where} {sign} {place}"


def result(outcome: Accepted | Rejected | CannotCheck, seconds: float, network: str | None) -> dict[str, Any]:
    """What the checker said."""
    told_ = {"seconds": seconds, "step": "", "why": "", "place": None, "rows": []}
    match outcome:
        case Accepted():
            rows = words.rows(outcome, network=network, seconds=seconds)
            return {**told_, "state": "accepted", "rows": [list(r) for r in rows]}
        case Rejected():
            place = None if outcome.place is None else list(outcome.place)
            return {**told_, "state": "rejected", "step": outcome.step, "why": outcome.why, "place": place}
    return {**told_, "state": "cannot", "why": str(outcome)}
