"""Theorems of floating-point arithmetic as programs: what each demands, what it claims, a search for counterexamples.

A fact is checked on all operands of a small format, or on samples of a large one; every operation in it is rounded by
`ieee754`, which the tests hold against integers.  A demand that is left out shows up as a
counterexample: see `without`.  Sources: Muller et al., Handbook of Floating-Point Arithmetic, 2nd edition (2018),
chapter 4; Boldo & Melquiond, Computer Arithmetic and Formal Proofs (2017), chapter 5.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from workbench.floats.bits import decode, width
from workbench.floats.format import BINARY64, Format, ufp, ulp
from workbench.floats.ieee754 import add, div, fma, mul, sqrt, sub
from workbench.floats.pair import two_sum
from workbench.floats.rounding import is_number_of, round_to
from workbench.graph import Array

Predicate = Callable[..., Array]


@dataclass(frozen=True, slots=True)
class Fact:
    """A theorem on numbers of a format.

    Parameters
    ----------
    name, statement, source : what it is called, what it says, where it stands.
    arity : how many numbers it is about.
    demands : ``(form, *numbers) -> bool array``: where it claims anything.
    holds : the claim.  Float overflows are left out of every claim.
    """

    name: str
    statement: str
    source: str
    arity: int
    demands: Predicate
    holds: Predicate


@dataclass(frozen=True, slots=True)
class Check:
    """Outcome: how many operands met the demands, and the first ones for which the claim fails (None: it held)."""

    fact: str
    form: str
    tried: int
    applied: int
    counterexample: tuple[float, ...] | None

    @property
    def held(self) -> bool:
        """Whether no counterexample was found, among at least one case that the fact speaks of."""
        return self.counterexample is None and self.applied > 0


def check(fact: Fact, form: Format, *operands: Any, without: bool = False) -> Check:
    """Try a fact on operands, float64 arrays of one shape; infinities and NaN are passed over.

    Parameters
    ----------
    without : drop the fact's own demands, to see that they are needed.

    Raises
    ------
    ValueError
        Operands that are not numbers of the format, or not as many as the fact is about.
    """
    if len(operands) != fact.arity:
        raise ValueError(f"{fact.name} is about {fact.arity} numbers, not {len(operands)}")
    given = [np.ravel(v) for v in np.broadcast_arrays(*(np.asarray(v, np.float64) for v in operands))]
    finite = np.logical_and.reduce([np.isfinite(v) for v in given])
    x = [v[finite] for v in given]
    if not all(is_number_of(v, form).all() for v in x):
        raise ValueError(f"{fact.name}: operands must be numbers of {form.name}; round them first")
    with np.errstate(all="ignore"):
        applies = np.ones(x[0].shape, bool) if without else np.asarray(fact.demands(form, *x))
        wrong = np.flatnonzero(applies & ~np.asarray(fact.holds(form, *x)))
    first = tuple(float(v[wrong[0]]) for v in x) if wrong.size else None
    return Check(fact.name, form.name, int(given[0].size), int(np.count_nonzero(applies)), first)


def check_all(fact: Fact, form: Format, *, without: bool = False) -> Check:
    """Try a fact on all numbers of a format (all pairs, all triples).

    Raises
    ------
    ValueError
        More than 2^24 cases.
    """
    bits = width(form)
    if bits * fact.arity > 24:
        raise ValueError(
            f"{form.name} has 2^{bits * fact.arity} cases of {fact.name}: check a sample of them"
        )
    numbers = decode(np.arange(2**bits, dtype=np.uint64), form)
    return check(fact, form, *np.meshgrid(*[numbers] * fact.arity), without=without)


def _everywhere(form: Format, x: Array, *rest: Array) -> Array:
    return np.ones(x.shape, bool)


def _fits(form: Format, x: Array) -> Array:
    return np.asarray(np.isfinite(x) & (np.abs(x) <= form.largest))


def _near(form: Format, x: Array, y: Array) -> Array:
    # halves and doubles of float64: exact but at the very ends, where the comparison is still right
    return np.asarray((x * y > 0) & (np.abs(x) <= 2 * np.abs(y)) & (np.abs(y) <= 2 * np.abs(x))) | (
        (x == 0) & (y == 0)
    )


def _exact_sub(form: Format, x: Array, y: Array) -> Array:
    return ~sub(x, y, form).flags.inexact


def _residual(form: Format, x: Array, y: Array) -> Array:
    """(x + y) - fl(x + y) is a number of the format: computed in binary64 by two subtractions that raise no inexact."""
    s = add(x, y, form)
    swap = np.abs(y) > np.abs(x)
    large, small = np.where(swap, y, x), np.where(swap, x, y)
    rest = add(large, -s.value, BINARY64)
    last = add(rest.value, small, BINARY64)
    exact = ~rest.flags.inexact & ~last.flags.inexact
    return ~_fits(form, s.value) | (exact & is_number_of(last.value, form))


def _two_sum(form: Format, x: Array, y: Array) -> Array:
    s = add(x, y, form).value
    t = sub(s, x, form).value
    low = add(sub(x, sub(s, t, form).value, form).value, sub(y, t, form).value, form).value
    return ~_fits(form, s) | ~np.isfinite(t) | ~np.isfinite(low) | _same_sum(s, low, x, y)


def _fast_two_sum(form: Format, x: Array, y: Array) -> Array:
    s = add(x, y, form).value
    low = sub(y, sub(s, x, form).value, form).value
    return ~_fits(form, s) | _same_sum(s, low, x, y)


def _same_sum(s: Array, low: Array, x: Array, y: Array) -> Array:
    """s + low = x + y exactly, decided in binary64's pairs."""
    a, b = two_sum(s, low), two_sum(x, y)
    return np.asarray((a[0] == b[0]) & (a[1] == b[1]))


def _two_product(form: Format, x: Array, y: Array) -> Array:
    p = mul(x, y, form)
    low = fma(x, y, -p.value, form)
    return ~_fits(form, p.value) | ~low.flags.inexact


def _no_underflow(form: Format, x: Array, y: Array) -> Array:
    # e(x) + e(y) >= emin + p - 1: then the last bit of the product is one of the format's
    with np.errstate(divide="ignore"):
        size = np.log2(ufp(x)) + np.log2(ufp(y))
    return np.asarray((size >= form.emin + form.precision - 1) | (x == 0) | (y == 0))


def _odd_then_nearest(form: Format, x: Array, y: Array) -> Array:
    wide = _wider(form, 2)
    exact = [op(x, y, form).value for op in (add, mul, div)]
    steps = [op(x, y, wide, "to-odd").value for op in (add, mul, div)]
    same = [_equal(a, round_to(b, form, overflow=form.overflow)) for a, b in zip(exact, steps, strict=True)]
    return np.asarray(np.logical_and.reduce(same) | (y == 0))


def _nearest_then_nearest(form: Format, x: Array, y: Array) -> Array:
    wide = _wider(form, form.precision + 2)
    exact = [op(x, y, form).value for op in (add, mul, div)] + [sqrt(np.abs(x), form).value]
    steps = [op(x, y, wide).value for op in (add, mul, div)] + [sqrt(np.abs(x), wide).value]
    same = [_equal(a, round_to(b, form, overflow=form.overflow)) for a, b in zip(exact, steps, strict=True)]
    return np.asarray(np.logical_and.reduce(same) | (y == 0))


def _wider(form: Format, bits: int) -> Format:
    """The format with more bits, and exponents for every product and quotient."""
    p = form.precision + bits
    return Format(
        f"{form.name} + {bits} bits",
        p,
        max(2 * form.emin - 2 * p, -1074 + p - 1),
        min(2 * form.emax + 2 * p, 1023),
    )


def _equal(a: Array, b: Array) -> Array:
    return np.asarray((a == b) | (np.isnan(a) & np.isnan(b)))


def _remainder(form: Format, x: Array, y: Array) -> Array:
    q = div(x, y, form)
    low = fma(-q.value, y, x, form)
    return ~_fits(form, q.value) | ~low.flags.inexact


def _quotient_demands(form: Format, x: Array, y: Array) -> Array:
    q = np.abs(div(x, y, form).value)
    # the remainder is a multiple of ulp(q) ulp(y)
    return np.asarray(
        (y != 0) & ((x == 0) | ((q >= form.normal) & (ulp(q, form) * ulp(y, form) >= form.spacing)))
    )


def _root_demands(form: Format, x: Array) -> Array:
    root = sqrt(np.abs(x), form).value
    return np.asarray((x >= 0) & ((x == 0) | (ulp(root, form) * ulp(root, form) >= form.spacing)))


def _root_remainder(form: Format, x: Array) -> Array:
    root = sqrt(x, form).value
    return ~fma(-root, root, x, form).flags.inexact


def _absorbs(form: Format, x: Array, y: Array) -> Array:
    return np.asarray(add(x, y, form).value == x)


def _far_below(form: Format, x: Array, y: Array) -> Array:
    below = np.where(np.abs(x) == ufp(x), ulp(x, form) / 4, ulp(x, form) / 2)
    return np.asarray(np.abs(y) < below)


def _bounded(form: Format, x: Array, y: Array) -> Array:
    s = add(x, y, form)
    high, low = two_sum(s.value, -x)
    rest, last = two_sum(high, -y)
    error = np.abs(rest + (last + low))
    return ~_fits(form, s.value) | (error <= ulp(s.value, form) / 2)


_BOOK = "Muller et al. 2018, section"
FACTS: Mapping[str, Fact] = MappingProxyType(
    {
        f.name: f
        for f in (
            Fact(
                "Sterbenz",
                "y/2 <= x <= 2y implies that x - y is exact",
                f"{_BOOK} 4.2.1",
                2,
                _near,
                _exact_sub,
            ),
            Fact(
                "addition residual",
                "(x + y) - fl(x + y) is a number of the format",
                f"{_BOOK} 4.3.1",
                2,
                _everywhere,
                _residual,
            ),
            Fact(
                "half an ulp",
                "|fl(x + y) - (x + y)| <= ulp(fl(x + y)) / 2",
                f"{_BOOK} 2.6",
                2,
                _everywhere,
                _bounded,
            ),
            Fact(
                "TwoSum",
                "six operations give s + t = x + y exactly",
                "Knuth 1969; Moller 1965",
                2,
                _everywhere,
                _two_sum,
            ),
            Fact(
                "FastTwoSum",
                "|x| >= |y| or x = 0: three operations give s + t = x + y exactly",
                "Dekker 1971",
                2,
                lambda form, x, y: (np.abs(x) >= np.abs(y)) | (x == 0),
                _fast_two_sum,
            ),
            Fact(
                "TwoProd",
                "fma(x, y, -fl(xy)) is the exact error of fl(xy), if no bit of xy is below eta",
                f"{_BOOK} 4.4",
                2,
                _no_underflow,
                _two_product,
            ),
            Fact(
                "division remainder",
                "x - fl(x/y) y is a number of the format, if none of its bits is below eta",
                f"{_BOOK} 4.7",
                2,
                _quotient_demands,
                _remainder,
            ),
            Fact(
                "square root remainder",
                "x - fl(sqrt x)^2 is a number of the format, if none of its bits is below eta",
                f"{_BOOK} 4.8",
                1,
                _root_demands,
                _root_remainder,
            ),
            Fact(
                "round to odd is innocuous",
                "to odd with two bits more, then to nearest: the rounding of the exact sum, product and quotient",
                "Boldo & Melquiond 2008",
                2,
                _everywhere,
                _odd_then_nearest,
            ),
            Fact(
                "double rounding is innocuous",
                "to nearest with 2p + 2 bits, then to p: the rounding of the exact sum, product, quotient and root",
                "Figueroa 1995",
                2,
                _everywhere,
                _nearest_then_nearest,
            ),
            Fact(
                "absorption",
                "|y| below half the spacing next to x: fl(x + y) = x",
                f"{_BOOK} 2.6",
                2,
                _far_below,
                _absorbs,
            ),
        )
    }
)
