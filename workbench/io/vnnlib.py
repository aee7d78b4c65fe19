"""VNN-LIB property files: version 1.0 read here, version 2.0 through the standard's own parser.

Version 1.0: ``(declare-const X_i Real)`` for inputs, ``Y_i`` for outputs, and assertions that together describe a
violation: comparisons ``<= >= =`` of linear expressions under ``and`` and ``or``.  Comparisons of X must give each
input a lower and an upper bound; comparisons of Y say which outputs are unsafe.
"""

from __future__ import annotations

import math
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
    Variable,
    alternatives,
    conjunction,
)
from workbench.io.sexpr import Form, SyntaxProblem, read_forms
from workbench.region import Region, RegionError
from workbench.spec import Case, Constraint, Property

LONGEST = 1 << 28  # bytes of a property file
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
    return parse(text, name=file.stem)


def parse(text: str, *, name: str = "property") -> Property:
    """A property from the text of a VNN-LIB file; see `load`."""
    try:
        forms = read_forms(text)
    except SyntaxProblem as problem:
        raise VnnlibError(f"{name}: {problem}") from None
    if any(_head(f) in ("vnnlib-version", "declare-network") for f in forms):
        from workbench.io.vnnlib2 import version_two

        try:
            forms = version_two(text)
        except FormulaProblem as problem:
            raise VnnlibError(f"{name}: {problem}") from None
    declared: set[Variable] = set()
    conditions: list[Alternatives] = []
    for form in forms:
        try:
            _read(form, declared, conditions)
        except FormulaProblem as problem:
            raise VnnlibError(f"{name}, line {form.line}: {problem}") from None
    inputs, outputs = (_count(declared, letter, name) for letter in "XY")
    always = [atom for c in conditions if len(c) == 1 for atom in c[0]]
    try:
        choices = conjunction([c for c in conditions if len(c) != 1])
    except FormulaProblem as problem:
        raise VnnlibError(f"{name}: {problem}") from None
    if not choices:
        raise VnnlibError(f"{name}: its assertions contradict each other whatever the inputs are")
    return Property(tuple(_cases(always, choices, inputs, outputs, name)), inputs, outputs, name)


def _head(form: Form) -> str:
    body = form.body
    return body[0] if isinstance(body, list) and body and isinstance(body[0], str) else ""


def _read(form: Form, declared: set[Variable], conditions: list[Alternatives]) -> None:
    body, head = form.body, _head(form)
    if head in ("declare-const", "declare-fun"):
        _declare(body, declared)
    elif head == "assert":
        if len(body) != 2:
            raise FormulaProblem("assert takes one condition")
        conditions.append(alternatives(body[1], declared))
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


def _cases(always: list[Atom], choices: Alternatives, inputs: int, outputs: int, name: str) -> Iterator[Case]:
    """What always holds, and one of the choices; choices with the same box are one case."""
    if any(a.terms[0][0][0] != a.terms[-1][0][0] for c in (always, *choices) for a in c):
        raise VnnlibError(f"{name}: a comparison mixes inputs and outputs, which is not supported")
    grouped: dict[tuple[Atom, ...], list[tuple[Constraint, ...]]] = {}
    fixed = tuple(_constraint(a, outputs) for a in always if a.is_output)
    for choice in choices:
        unsafe = fixed + tuple(_constraint(a, outputs) for a in choice if a.is_output)
        grouped.setdefault(tuple(a for a in choice if not a.is_output), []).append(unsafe)
    ends = [a for a in always if not a.is_output]
    for chosen, alternative in grouped.items():
        yield Case(_box([*ends, *chosen], inputs, name), tuple(dict.fromkeys(alternative)))


def _constraint(atom: Atom, outputs: int) -> Constraint:
    row = [Fraction(0)] * outputs
    for (_, i), c in atom.terms:
        row[i] = c
    return Constraint(tuple(row), atom.bound)


def _box(atoms: Iterable[Atom], inputs: int, name: str) -> Region:
    """The box of comparisons with numbers, compared exactly and then rounded outward."""
    lower: dict[int, Fraction] = {}
    upper: dict[int, Fraction] = {}
    for atom in atoms:
        if len(atom.terms) > 1:
            among = ", ".join(f"X_{i}" for (_, i), _ in atom.terms[:4])
            raise VnnlibError(
                f"{name}: a comparison among inputs ({among}) is no box, which is not supported"
            )
        (((_, i), c),) = atom.terms
        end = atom.bound if c == 1 else -atom.bound if c == -1 else atom.bound / c
        if c > 0:
            upper[i] = end if i not in upper else min(end, upper[i])
        else:
            lower[i] = end if i not in lower else max(end, lower[i])
    for ends, side in ((lower, "lower"), (upper, "upper")):
        missing = next((i for i in range(inputs) if i not in ends), None)
        if missing is not None:
            raise VnnlibError(f"{name}: the input X_{missing} has no {side} bound")
    for i in range(inputs):
        if lower[i] > upper[i]:
            raise RegionError(
                f"{name}: the region is empty: X_{i} must be at least {float_of(lower[i], -1)} "
                f"and at most {float_of(upper[i], 1)}"
            )
    lo, hi = (
        np.array([float_of(lower[i], -1) for i in range(inputs)]),
        np.array([float_of(upper[i], 1) for i in range(inputs)]),
    )
    if not (np.isfinite(lo).all() and np.isfinite(hi).all()):
        raise VnnlibError(f"{name}: a bound of an input is beyond the range of float64")
    return Region(lo[None], hi[None])


def float_of(value: Fraction, direction: int) -> float:
    """The nearest float64 that is not above (-1) or not below (+1) a rational."""
    try:
        found = float(value)
    except OverflowError:  # beyond the largest number, on either side
        found = math.inf if value > 0 else -math.inf
        return found if found * direction > 0 else math.nextafter(found, 0.0)
    if (Fraction(found) - value) * direction < 0:
        found = math.nextafter(found, direction * math.inf)
    return found
