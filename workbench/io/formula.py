"""Formulas of a property file: comparisons under and / or, in exact rationals, as alternatives.

Products of variables are kept as variables of their own where the caller has a place for them (`Scope.products`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import product

from workbench.io.sexpr import Expression

NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE](?P<exponent>[+-]?\d+))?", re.ASCII)
VARIABLE = re.compile(r"(?P<letter>[XY])_(?P<index>\d{1,9})", re.ASCII)
LONGEST_NUMBER = 2000  # characters; a float64 written out in full takes about 1,080
LARGEST_EXPONENT = 2000
MOST = 100_000  # alternatives, or comparisons in all of them

COMPARISONS = ("<=", ">=", "=", "==", "<", ">", "!=")
DEGREE = 8  # of a product of variables
PRODUCTS = 10_000  # different ones

Variable = tuple[str, int]  # ("X" input, "Y" output or "Z" product, index)


class FormulaProblem(ValueError):
    """A formula outside what is supported."""


@dataclass(slots=True)
class Scope:
    """What a formula may speak of.

    Parameters
    ----------
    declared : its variables.
    products : sorted factors -> the variable ("Z", k) that stands for their product, filled while reading; None where
        products of variables are not supported.
    """

    declared: set[Variable] = field(default_factory=set)
    products: dict[tuple[Variable, ...], Variable] | None = None

    def product(self, left: Variable, right: Variable, e: Expression) -> Variable:
        """The variable that stands for a product.

        Raises
        ------
        FormulaProblem
            Where products are not supported, or for one that is too long.
        """
        if self.products is None:
            raise FormulaProblem(f"{_short(e)} multiplies variables: only linear constraints are supported")
        factors_of = {z: f for f, z in self.products.items()}
        factors = tuple(sorted((*factors_of.get(left, (left,)), *factors_of.get(right, (right,)))))
        if len(factors) > DEGREE or len(self.products) >= PRODUCTS:
            raise FormulaProblem(
                f"{_short(e)}: at most {PRODUCTS:,} products of at most {DEGREE} variables are supported"
            )
        return self.products.setdefault(factors, ("Z", len(self.products)))


@dataclass(frozen=True, slots=True)
class Linear:
    """``sum coefficients[v] v + constant``."""

    coefficients: dict[Variable, Fraction]
    constant: Fraction

    def plus(self, other: Linear, times: Fraction | int = 1) -> Linear:
        """``self + times other``."""
        found = dict(self.coefficients)
        for v, c in other.coefficients.items():
            found[v] = found.get(v, Fraction(0)) + times * c
        return Linear({v: c for v, c in found.items() if c}, self.constant + times * other.constant)


@dataclass(frozen=True, slots=True)
class Atom:
    """``sum terms <= bound`` (``<`` where strict); terms are sorted by variable (X before Y), at least one."""

    terms: tuple[tuple[Variable, Fraction], ...]
    bound: Fraction
    strict: bool = False

    @property
    def is_output(self) -> bool:
        """Whether its first variable is a Y."""
        return self.terms[0][0][0] == "Y"


Alternatives = list[tuple[Atom, ...]]


def number(token: str) -> Fraction:
    """A decimal number, exactly.

    Raises
    ------
    FormulaProblem
        Not a number, or one that is absurdly long.
    """
    match = NUMBER.fullmatch(token) if len(token) <= LONGEST_NUMBER else None
    if len(token) > LONGEST_NUMBER or (match and abs(int(match["exponent"] or 0)) > LARGEST_EXPONENT):
        raise FormulaProblem(f"the number {_short(token)} is too long or too large")
    if match is None:
        raise FormulaProblem(f"{_short(token)} is neither a number nor a declared variable")
    return Fraction(token)


def linear(e: Expression, scope: Scope) -> Linear:
    """A sum of multiples of variables (and of their products)."""
    if isinstance(e, str):
        match = VARIABLE.fullmatch(e)
        if match is None:
            return Linear({}, number(e))
        variable = (match["letter"], int(match["index"]))
        if variable not in scope.declared:
            raise FormulaProblem(f"the variable {e} is not declared")
        return Linear({variable: Fraction(1)}, Fraction(0))
    operator, *rest = e or [""]
    parts = [linear(r, scope) for r in rest]
    zero = Linear({}, Fraction(0))
    if operator == "+" and parts:
        return _sum(parts)
    if operator == "-" and parts:
        return zero.plus(parts[0], -1) if len(parts) == 1 else parts[0].plus(_sum(parts[1:]), -1)
    if operator == "*" and len(parts) > 1:
        found = parts[0]
        for p in parts[1:]:
            if found.coefficients and p.coefficients:
                found = _product(found, p, scope, e)
            else:
                found = zero.plus(p, found.constant) if p.coefficients else zero.plus(found, p.constant)
        return found
    if operator == "/" and len(parts) == 2 and not parts[1].coefficients and parts[1].constant:
        return zero.plus(parts[0], 1 / parts[1].constant)
    raise FormulaProblem(f"{_short(e)} is not a sum of multiples of variables")


def _product(a: Linear, b: Linear, scope: Scope, e: Expression) -> Linear:
    """Both sums multiplied out."""
    if len(a.coefficients) * len(b.coefficients) > PRODUCTS:
        raise FormulaProblem(f"{_short(e)} multiplies out to more than {PRODUCTS:,} products")
    zero = Linear({}, Fraction(0))
    found = Linear({}, a.constant * b.constant)
    found = found.plus(zero.plus(a, b.constant)).plus(zero.plus(b, a.constant))
    found = Linear(found.coefficients, a.constant * b.constant)
    for v, c in a.coefficients.items():
        for w, d in b.coefficients.items():
            found = found.plus(Linear({scope.product(v, w, e): c * d}, Fraction(0)))
    return found


ONE, MINUS_ONE = Fraction(1), Fraction(-1)


def _end(operator: str, left: Expression, right: Expression, scope: Scope) -> Atom | None:
    """``(<= X_0 0.5)`` and its like, of which images have thousands, without detours; None for anything else."""
    if operator not in ("<=", ">=") or not isinstance(left, str) or not isinstance(right, str):
        return None
    match = VARIABLE.fullmatch(left)
    if match is None or NUMBER.fullmatch(right) is None:
        return None
    variable = (match["letter"], int(match["index"]))
    if variable not in scope.declared:
        return None
    bound = number(right)
    return Atom(((variable, ONE),), bound) if operator == "<=" else Atom(((variable, MINUS_ONE),), -bound)


def _sum(parts: Iterable[Linear]) -> Linear:
    total = Linear({}, Fraction(0))
    for p in parts:
        total = total.plus(p)
    return total


def alternatives(e: Expression, scope: Scope) -> Alternatives:
    """A formula as alternatives (disjunctive normal form): it holds where all atoms of one of them do.

    Raises
    ------
    FormulaProblem
        Anything but and, or and comparisons of arithmetic expressions; too many alternatives.
    """
    if isinstance(e, str) or not e or not isinstance(e[0], str):
        raise FormulaProblem(f"{_short(e)} is not a condition")
    operator, *rest = e
    if operator in COMPARISONS:
        if len(rest) != 2:
            raise FormulaProblem(f"{_short(e)}: {operator} compares two expressions")
        simple = _end(operator, rest[0], rest[1], scope)
        if simple is not None:
            return [(simple,)]
        left, right = (linear(r, scope) for r in rest)
        below, above = left.plus(right, -1), right.plus(left, -1)
        if operator == "!=":
            return [*_atom(below, strict=True), *_atom(above, strict=True)]
        sides = {"<=": [below], "<": [below], ">=": [above], ">": [above]}.get(operator, [below, above])
        return conjunction([_atom(side, strict=operator in ("<", ">")) for side in sides])
    if operator == "or":
        return limited([a for r in rest for a in alternatives(r, scope)])
    if operator == "and":
        return conjunction([alternatives(r, scope) for r in rest])
    raise FormulaProblem(
        f"{_short(e)}: {_short(str(operator))} is not one of and, or, {', '.join(COMPARISONS)}"
    )


def conjunction(parts: list[Alternatives]) -> Alternatives:
    """All of several formulas at once."""
    count = 1
    for p in parts:
        count *= len(p)
        if count > MOST:
            raise FormulaProblem(f"the conditions combine to more than {MOST:,} alternatives")
    fixed = tuple(atom for p in parts if len(p) == 1 for atom in p[0])
    chosen = product(*[p for p in parts if len(p) != 1])
    return limited([fixed + tuple(atom for a in choice for atom in a) for choice in chosen])


def limited(found: Alternatives) -> Alternatives:
    """Refuse what would not fit into memory."""
    if sum(map(len, found)) > 10 * MOST or len(found) > MOST:
        raise FormulaProblem(f"the conditions combine to more than {MOST:,} alternatives")
    return found


def _atom(difference: Linear, *, strict: bool) -> Alternatives:
    """``difference <= 0`` or ``< 0``; without variables it is true (no atom) or false (no alternative)."""
    if not difference.coefficients:
        held = difference.constant < 0 if strict else difference.constant <= 0
        return [()] if held else []
    return [(Atom(tuple(sorted(difference.coefficients.items())), -difference.constant, strict),)]


def _short(e: Expression, limit: int = 60) -> str:
    """An expression for a message, never longer than `limit`."""
    if isinstance(e, str):
        return repr(e if len(e) <= limit else e[: limit - 3] + "...")
    text = (
        "(" + " ".join(r if isinstance(r, str) else "(...)" for r in e[:6]) + (" ...)" if len(e) > 6 else ")")
    )
    return text if len(text) <= limit else text[: limit - 3] + "..."
