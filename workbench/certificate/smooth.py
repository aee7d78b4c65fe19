"""R13: bounds and lines of smooth functions, by the ball arithmetic of python-flint: without it they cannot be checked.

A ball contains every value that its operands may have; so what is said of balls is true whatever their precision is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from workbench.certificate.format import CannotCheck
from workbench.certificate.matrices import Row
from workbench.certificate.parts import SLOPE, Lines
from workbench.certificate.steps import Step

Balls = Callable[[Any], Any]
MORE = 32  # bits of precision beyond the certificate's
PIECES = 300  # of an interval: with more, what was found by then is taken
LARGEST = 4096  # bits of a value
NEAR = 14  # how near to the best offset is near enough: 2**-14 of what the square of the interval's length allows


def _sigmoid(x: Any) -> Any:
    return 1 / (1 + (-x).exp())


def _between(f: Balls, x: Any) -> Any:
    """An increasing f on a ball: between its values at the ends."""
    return f(x.lower()).union(f(x.upper()))


def _sigmoid_slope(x: Any) -> Any:
    return _quarter() - (_between(_sigmoid, x) - _half()) ** 2  # s (1 - s)


def _half() -> Any:
    return _arb()((1, -1))


def _quarter() -> Any:
    return _arb()((1, -2))


def _erf_slope(x: Any) -> Any:
    return 2 * (-(x * x)).exp() / _arb().pi().sqrt()


# operator -> the function, its derivative, and whether it increases
FUNCTIONS: Mapping[str, tuple[Balls, Balls, bool]] = {
    "Exp": (lambda x: x.exp(), lambda x: _between(lambda v: v.exp(), x), True),
    "Sigmoid": (_sigmoid, _sigmoid_slope, True),
    "Tanh": (lambda x: x.tanh(), lambda x: 1 - _between(lambda v: v.tanh(), x) ** 2, True),
    "Softplus": (lambda x: x.exp().log1p(), lambda x: _between(_sigmoid, x), True),
    "Erf": (lambda x: x.erf(), _erf_slope, True),
    "Sin": (lambda x: x.sin(), lambda x: x.cos(), False),
    "Cos": (lambda x: x.cos(), lambda x: -(x.sin()), False),
}


def _arb() -> Any:
    try:
        from flint import arb
    except ImportError:
        raise CannotCheck("a smooth function is checked by python-flint, which is not installed") from None
    return arb


def _floor(ball: Any, P: int) -> int | None:
    """The largest integer that is surely at most ``2**P`` times what the ball contains; None where there is none."""
    low = ball.lower()
    if not low.is_finite():
        return None
    mantissa, exponent = (int(v) for v in low.man_exp())
    if exponent + mantissa.bit_length() > LARGEST:
        return None
    exponent += P
    return mantissa << exponent if exponent >= 0 else mantissa >> min(-exponent, mantissa.bit_length() + 1)


def extent(op: str, low: int, high: int, P: int) -> tuple[int, int]:
    """Bounds in units of f(x), low <= x <= high units: of an increasing f those at the ends, else as `lowest` says."""
    f, _, rises = FUNCTIONS[op]
    if not rises:
        return lowest(op, 1, 0, low, high, P), -lowest(op, -1, 0, low, high, P)
    with _precise(P):
        make = _arb()
        ends = _floor(f(make((low, -P))), P), _floor(-f(make((high, -P))), P)
    if ends[0] is None or ends[1] is None:
        raise CannotCheck(f"a value of {op} is too large")
    return ends[0], -ends[1]


def lowest(op: str, sign: int, slope: int, low: int, high: int, P: int) -> int:
    """A lower bound in units of ``g(x) = sign f(x) - s x``, s = slope / 2**SLOPE, for low <= x <= high units.

    The interval is cut until every piece is decided.  On a piece [a, b]: where g' is nowhere negative, ``g >= g(a)``,
    and where it is nowhere positive, ``g >= g(b)``.  Else, by the mean value theorem, ``g(x) >= g(m) - |g'| |x - m|``.
    """
    f, slope_of, _ = FUNCTIONS[op]
    with _precise(P):
        make, found = _arb(), []
        s = make((slope, -SLOPE))

        def at(x: int) -> int | None:
            v = make((x, -P))
            return _floor(sign * f(v) - s * v, P)

        ends = [v for v in (at(low), at(high)) if v is not None]
        if len(ends) < 2:
            raise CannotCheck(f"a value of {op} is too large")
        width = high - low
        near = 1 + (min(width * width >> P, 1 << P) >> NEAR)
        seen, todo, pieces = min(ends), [(low, high)], 0
        while todo:
            a, b = todo.pop()
            pieces += 1
            g = sign * slope_of(make((a, -P)).union(make((b, -P)))) - s
            bound: int | None
            if g >= 0:
                bound = at(a)
            elif g <= 0:
                bound = at(b)
            else:
                m = a + b >> 1
                middle = at(m)
                less = _floor(-(g.abs_upper() * (b - m)), 0)  # in units: b - m is at least m - a
                bound = None if middle is None or less is None else middle + less
                if middle is not None:
                    seen = min(seen, middle)
                if (bound is None or bound < seen - near) and pieces < PIECES and b - a > 1:
                    todo += [(a, m), (m, b)]
                    continue
            if bound is None:
                raise CannotCheck(f"{op} is too steep on an interval")
            found.append(bound)
    return min(found)


def lines_of_smooth(
    step: Step,
    low: Row,
    high: Row,
    chosen: Mapping[int, tuple[int, int]],
    precision: int,
    in_time: Callable[[], None],
) -> Lines:
    """R6 for every element: f(z) between ``a z + c`` and ``s z + t`` on [l, u], with a and s as chosen, or else 0.

    c is a lower bound of f(z) - a z there, and -t one of -f(z) + s z (R13).  Coefficients of z are rounded down (R5).
    """
    bent, total = [], 0
    for j, (l, u) in enumerate(zip(low, high, strict=True)):
        in_time()
        a, s = chosen.get(j, (0, 0))
        c = lowest(step.function, 1, a, l, u, precision)
        bent.append((j, a, s, -lowest(step.function, -1, -s, l, u, precision), c))
        total += min(l, 0)
    return Lines(bent, SLOPE, -(total >> precision))


def _precise(P: int) -> Any:
    """Balls of a precision that is worth it, while it lasts (it is one setting of the process)."""
    try:
        from flint import ctx
    except ImportError:
        raise CannotCheck("a smooth function is checked by python-flint, which is not installed") from None
    return ctx.workprec(P + MORE)
