"""VNN-LIB property files: version 1.0 read here, version 2.0 through the standard's own parser.

Version 1.0: ``(declare-const X_i Real)`` for inputs, ``Y_i`` for outputs, and assertions that together describe a
violation: comparisons ``<= < >= > = !=`` of linear expressions under ``and`` and ``or``.  Comparisons of X must give
each input a lower and an upper bound; comparisons of Y say which outputs are unsafe.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from fractions import Fraction
from os import PathLike
from pathlib import Path

import numpy as np

from workbench.io.formula import (
    VARIABLE,
    Alternatives,
    Atom,
    FormulaProblem,
    Scope,
    Variable,
    alternatives,
    conjunction,
)
from workbench.io.sexpr import Form, SyntaxProblem, read_forms
from workbench.region import Region, RegionError
from workbench.spec import Case, Constraint, Ends, Property, float_of

LONGEST = 1 << 28  # bytes of a property file
VERSION_TWO = re.compile(r"^[^;\n]*\(\s*(vnnlib-version|declare-network)\b", re.MULTILINE)
IGNORED = ("set-logic", "set-info", "set-option", "check-sat", "get-model", "exit")


class VnnlibError(ValueError):
    """A property file that cannot be read: the message says what and where."""


def load(path: str | PathLike[str]) -> Property:
    """Read a VNN-LIB file.

    Raises
    ------
    VnnlibError
        Whatever is wrong with the file, in one message with the line.
    RegionError
        A box that is empty.
    """
    return parse(read_text(path), name=Path(path).name)


def read_text(path: str | PathLike[str]) -> str:
    """The text of a property file.

    Raises
    ------
    VnnlibError
        No such file, one that is too long, or that is no text.
    """
    file = Path(path)
    try:
        if not file.is_file():
            raise VnnlibError(f"there is no file {str(file)!r}")
        if file.stat().st_size > LONGEST:
            raise VnnlibError(f"{str(file)!r} is longer than {LONGEST:,} bytes")
        text = file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise VnnlibError(f"{str(file)!r} is not a text file") from None
    except (OSError, ValueError) as error:
        if isinstance(error, VnnlibError):
            raise
        raise VnnlibError(f"{str(file)!r} cannot be read: {error}") from error
    return text


def parse(text: str, *, name: str = "property") -> Property:
    """A property from the text of a VNN-LIB file; see `load`."""
    try:
        forms = read_forms(text)
    except SyntaxProblem as problem:
        raise VnnlibError(f"{name}: {problem}") from None
    if is_version_two(text):
        from workbench.io.vnnlib2 import version_two

        try:
            forms = version_two(text)
        except FormulaProblem as problem:
            raise VnnlibError(f"{name}: {problem}") from None
    scope = Scope()
    conditions: list[Alternatives] = []
    for form in forms:
        try:
            _read(form, scope, conditions)
        except FormulaProblem as problem:
            raise VnnlibError(f"{name}, line {form.line}: {problem}") from None
    inputs, outputs = (_count(scope.declared, letter, name) for letter in "XY")
    choices, always = split(conditions, name)
    if any(a.terms[0][0][0] != a.terms[-1][0][0] for c in (always, *choices) for a in c):
        raise VnnlibError(f"{name}: a comparison mixes inputs and outputs, which is not supported")
    return Property(tuple(cases(always, choices, inputs, outputs, name)), inputs, outputs, name)


def split(conditions: list[Alternatives], name: str) -> tuple[Alternatives, list[Atom]]:
    """Alternatives of which one holds, and what always holds.

    Raises
    ------
    VnnlibError
        Too many alternatives, or none.
    """
    always = [atom for c in conditions if len(c) == 1 for atom in c[0]]
    try:
        choices = conjunction([c for c in conditions if len(c) != 1])
    except FormulaProblem as problem:
        raise VnnlibError(f"{name}: {problem}") from None
    if not choices:
        raise VnnlibError(f"{name}: its assertions contradict each other whatever the inputs are")
    return choices, always


def is_version_two(text: str) -> bool:
    """Whether a text is VNN-LIB 2.0: whether a form says so, outside comments."""
    return VERSION_TWO.search(text) is not None


def _head(form: Form) -> str:
    body = form.body
    return body[0] if isinstance(body, list) and body and isinstance(body[0], str) else ""


def _read(form: Form, scope: Scope, conditions: list[Alternatives]) -> None:
    body, head = form.body, _head(form)
    if head in ("declare-const", "declare-fun"):
        _declare(body, scope.declared)
    elif head == "assert":
        if len(body) != 2:
            raise FormulaProblem("assert takes one condition")
        conditions.append(alternatives(body[1], scope))
    elif head not in IGNORED:
        raise FormulaProblem(f"{str(body)[:60]!r} is neither a declaration nor an assertion")


def _declare(body: object, declared: set[Variable]) -> None:
    match body:
        case ["declare-const", str(symbol), "Real"] | ["declare-fun", str(symbol), [], "Real"]:
            found = VARIABLE.fullmatch(symbol)
        case _:
            raise FormulaProblem("a declaration reads (declare-const X_0 Real)")
    if found is None:
        raise FormulaProblem(f"{symbol[:60]!r}: inputs are named X_0, X_1, ... and outputs Y_0, Y_1, ...")
    variable = (found["letter"], int(found["index"]))
    if variable in declared:
        raise FormulaProblem(f"{symbol} is declared twice")
    declared.add(variable)


def _count(declared: set[Variable], letter: str, name: str) -> int:
    indices = {i for kind, i in declared if kind == letter}
    if not indices:
        raise VnnlibError(f"{name}: it declares no {'input X_0' if letter == 'X' else 'output Y_0'}")
    missing = next((i for i in range(len(indices)) if i not in indices), None)
    if missing is not None:
        raise VnnlibError(f"{name}: {letter}_{max(indices)} is declared, but {letter}_{missing} is not")
    return len(indices)


def cases(always: list[Atom], choices: Alternatives, inputs: int, outputs: int, name: str) -> Iterator[Case]:
    """What always holds, and one of the choices; choices with the same box are one case.

    Raises
    ------
    RegionError
        Where every box is empty; boxes that are empty beside others that are not are left out.
    """
    grouped: dict[tuple[Atom, ...], list[tuple[Constraint, ...]]] = {}
    fixed = tuple(_constraint(a, outputs) for a in always if a.is_output)
    for choice in choices:
        unsafe = fixed + tuple(_constraint(a, outputs) for a in choice if a.is_output)
        grouped.setdefault(tuple(a for a in choice if not a.is_output), []).append(unsafe)
    ends = [a for a in always if not a.is_output]
    empty: RegionError | None = None
    found = 0
    for chosen, alternative in grouped.items():
        try:
            region, exact = _box([*ends, *chosen], inputs, name)
        except RegionError as error:
            empty = error
            continue
        found += 1
        yield Case(region, tuple(dict.fromkeys(alternative)), exact)
    if empty is not None and not found:
        raise empty


def _constraint(atom: Atom, outputs: int) -> Constraint:
    row = [Fraction(0)] * outputs
    for (_, i), c in atom.terms:
        row[i] = c
    return Constraint(tuple(row), atom.bound, atom.strict)


def _box(atoms: Iterable[Atom], inputs: int, name: str) -> tuple[Region, Ends]:
    """The box of comparisons with numbers, compared exactly: rounded outward, and as it is."""
    lower: dict[int, tuple[Fraction, bool]] = {}  # the end, and whether it is open
    upper: dict[int, tuple[Fraction, bool]] = {}
    for atom in atoms:
        if len(atom.terms) > 1:
            among = ", ".join(f"X_{i}" for (_, i), _ in atom.terms[:4])
            raise VnnlibError(
                f"{name}: a comparison among inputs ({among}) is no box, which is not supported"
            )
        (((_, i), c),) = atom.terms
        end = atom.bound if c == 1 else -atom.bound if c == -1 else atom.bound / c
        if c > 0:
            before = upper.get(i, (end, False))
            upper[i] = min(before, (end, atom.strict), key=lambda e: (e[0], not e[1]))
        else:
            before = lower.get(i, (end, False))
            lower[i] = max(before, (end, atom.strict))
    for ends, side in ((lower, "lower"), (upper, "upper")):
        missing = next((i for i in range(inputs) if i not in ends), None)
        if missing is not None:
            raise VnnlibError(f"{name}: the input X_{missing} has no {side} bound")
    for i in range(inputs):
        (low, low_open), (high, high_open) = lower[i], upper[i]
        if low > high or (low == high and (low_open or high_open)):
            raise RegionError(
                f"{name}: the region is empty: X_{i} must be {'above' if low_open else 'at least'} "
                f"{float_of(low, -1)} and {'below' if high_open else 'at most'} {float_of(high, 1)}"
            )
    lo, hi = (
        np.array([float_of(lower[i][0], -1) for i in range(inputs)]),
        np.array([float_of(upper[i][0], 1) for i in range(inputs)]),
    )
    if not (np.isfinite(lo).all() and np.isfinite(hi).all()):
        raise VnnlibError(f"{name}: a bound of an input is beyond the range of float64")
    exact = Ends(
        tuple(lower[i][0] for i in range(inputs)),
        tuple(upper[i][0] for i in range(inputs)),
        frozenset((i, side) for ends, side in ((lower, -1), (upper, 1)) for i in range(inputs) if ends[i][1]),
    )
    return Region(lo[None], hi[None]), exact
