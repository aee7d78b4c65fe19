"""R15: how far the network's float program may be from its real values, and a claim about it as one about these.

The program: input and every result are rounded to nearest in the format, with gradual underflow; an operator's sums are
taken in any order and parenthesised in any way, products fused into them or not.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from workbench.certificate.bounds import Bounds
from workbench.certificate.claim import Case
from workbench.certificate.format import CannotCheck
from workbench.certificate.parts import Part, sums
from workbench.certificate.steps import Step

FORMATS = {"binary32": (24, 149, 128), "binary64": (53, 1074, 1024)}  # bits, least 2**-k, values below 2**k
FINE = 20  # a widened constraint is scaled by 2**FINE, so that its bound is an integer
LONGEST = 1 << 20  # terms of a sum


def widened(rules: Bounds, root: Part, case: Case, semantics: str) -> Case:
    """A case about real outputs y which settles that about float outputs f, where ``|f - y| <= e`` (`errors`).

    ``c . f <= d`` implies ``c . y <= d + |c| . e``.  Multiplied by 2**FINE, and the sum rounded up.
    """
    if semantics == "real":
        return case
    every, down = errors(rules, root, semantics), rules.P - FINE
    if down < 0:
        raise CannotCheck(f"a precision below {FINE} is too coarse for a claim about floats")

    def wide(terms: Iterable[tuple[int, int]], bound: int) -> int:
        return (bound << FINE) - (-sum(abs(c) * every[i] for i, c in terms) >> down)

    unsafe = tuple(
        tuple(
            replace(c, terms=tuple((i, v << FINE) for i, v in c.terms), bound=wide(c.terms, c.bound))
            for c in one
        )
        for one in case.unsafe
    )
    return replace(case, unsafe=unsafe)


def errors(rules: Bounds, root: Part, semantics: str) -> list[int]:
    """For every output, in units: how far the float program's may be from the real one, for every x of the root's box.

    Step by step: with e and M the source's error and the largest size of its float values (real bounds R2, and e), a
    float sum ``s`` of n + 1 terms, n of them products, whose sizes add up to T has gone through at most n + 1 roundings
    in each term: ``|s - exact| <= g T + n 2**-149``, g = (n + 1) u / (1 - (n + 1) u), u = 2**-24 (Higham 2002, 3.1; the
    last is for products that underflow: sums do not).  n 2**-149 is less than a unit.  The operands' errors are
    multiplied by the weights; relu and max enlarge none.  No partial sum is larger than ``(1 + g) T``: none overflows.
    """
    bits, tiny, largest = FORMATS[semantics]
    if tiny - 24 < rules.P:
        raise CannotCheck("the precision is too fine for a rule about rounding")
    part = Part(root.box)
    found: list[list[int]] = []
    top = 1 << largest - 2 + rules.P

    def rounded(size: int, count: int) -> int:
        """What `count` roundings of each term cost, where sizes add up to this; a unit for what underflows."""
        if size >= top:
            raise CannotCheck(f"a value may overflow in {semantics}")
        return -(-size * count // ((1 << bits) - count)) + 1

    for i, step in enumerate(rules.program.steps):
        rules.in_time()
        low, high = rules.interval(i, part)
        part.low.append(low)
        part.high.append(high)
        if step.kind == "input":
            found.append([rounded(max(-l, h), 1) for l, h in zip(low, high, strict=True)])
            continue
        k = step.sources[0]
        error = found[k]
        size = [max(-l, h) + e for l, h, e in zip(part.low[k], part.high[k], error, strict=True)]
        _representable(step, bits, tiny, largest)
        e, P = step.exponent, rules.P
        if step.kind in ("affine", "conv"):
            found.append([])
            for weights, bias, read in _sums(step, len(error)):
                n = sum(map(bool, weights))
                if n > LONGEST:
                    raise CannotCheck("a sum is too long for a rule about rounding")
                terms = [(abs(w), j) for w, j in zip(weights, read, strict=True) if w and j >= 0]
                total = (abs(bias) << P) + sum(w * size[j] for w, j in terms)
                passed = sum(w * error[j] for w, j in terms)
                found[-1].append(-(-passed >> e) + rounded(-(-total >> e), n + 1))
        elif step.kind == "shift":
            moved = [-(-(abs(v) << P) >> e) for v in step.matrix[0]]
            found.append([a + rounded(b + c, 1) for a, b, c in zip(error, size, moved, strict=True)])
        elif step.kind == "add":
            other = found[step.sources[1]]
            ends = zip(part.low[step.sources[1]], part.high[step.sources[1]], other, strict=True)
            more = [max(-l, h) + e for l, h, e in ends]
            both = zip(sums(error, other), sums(size, more), strict=True)
            found.append([a + rounded(b, 1) for a, b in both])
        elif step.kind == "relu":
            found.append(
                [a + rounded(b, 1) if step.matrix[0][0] else a for a, b in zip(error, size, strict=True)]
            )
        elif step.kind == "max" and step.taps is not None:
            found.append([max(error[j] for j in g if j >= 0) for g in step.taps.gather])
        else:
            raise CannotCheck(f"{step.kind} has no rule about rounding")
    return found[rules.program.output]


def _sums(step: Step, size: int) -> Iterable[tuple[tuple[int, ...], int, Iterable[int]]]:
    """Of every element: weights, bias, and the elements that they stand at."""
    if step.taps is None:
        return ((r[:-1], r[-1], range(size)) for r in step.matrix)
    return ((r[:-1], r[-1], g) for r in step.matrix for g in step.taps.gather)


def _representable(step: Step, bits: int, tiny: int, largest: int) -> None:
    """A number of the format is ``m 2**k`` with |m| < 2**bits and k >= -tiny, below 2**largest."""
    for v in (abs(v) for row in step.matrix for v in row if v):
        twos, long = (v & -v).bit_length() - 1, v.bit_length()
        if long - twos > bits or twos - step.exponent < -tiny or long - step.exponent > largest:
            raise CannotCheck("a weight is no number of the format: it would be rounded itself")
