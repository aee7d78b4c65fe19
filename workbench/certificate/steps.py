"""The network of a certificate as data: tensors, and a list of `Step`s over exact integers; and reading its nodes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import prod
from typing import Any

from workbench.certificate.format import LONGEST, CannotCheck, Rejected, fields, integers, listed, whole

MOST_NEURONS = 1 << 20  # of one node
ONE = Fraction(1)


@dataclass(frozen=True, slots=True)
class Tensor:
    """Numbers ``data[i] * 2**exponent``, row-major."""

    shape: tuple[int, ...]
    exponent: int
    data: Sequence[int]


@dataclass(frozen=True, slots=True)
class Step:
    """One vector of the network, from vectors before it (row-major, whatever the ONNX shape).

    kind      value
    input     what the network is given
    affine    ``2**-exponent * (M x + b)``; `matrix` holds a row ``[*M_i, b_i]`` for every element i
    shift     ``x + 2**-exponent * b``; `matrix` is ``[b]``
    relu      x where x >= 0, else ``2**-exponent * matrix[0][0] * x``
    add       the sum of both sources
    conv      as affine, in blocks: see `Taps`
    pool      element i is the sum of ``x[k]`` over k in `taps.gather[i]`; a gather of -1 is padding: 0
    max       the largest of them, in place of the sum; padding is left out
    scale     ``k x``: all that is known of element i's factor is
              ``matrix[0][i] <= 2**exponent * k_i <= matrix[1][i]``
    smooth    `function` of every element
    """

    kind: str
    name: str
    size: int
    sources: tuple[int, ...] = ()
    exponent: int = 0
    matrix: tuple[tuple[int, ...], ...] = ()
    taps: Taps | None = None
    function: str = ""


@dataclass(frozen=True, slots=True)
class Taps:
    """What every place of a convolution or a pool reads.

    Of a convolution, element ``[c, p]`` of the result (channel c, place p, flat ``c * places + p``) is
    ``2**-exponent * (sum_k matrix[c][k] * x[gather[p][k]] + bias_c)``; the last entry of a matrix row is the bias;
    a gather of -1 is padding: 0.
    """

    places: int
    gather: tuple[tuple[int, ...], ...]

    @property
    def reads(self) -> int:
        """How many elements all places read."""
        return sum(map(len, self.gather))


@dataclass(frozen=True, slots=True)
class Program:
    """The network: steps in order, of which the first is the input; `output` is a position in it."""

    steps: tuple[Step, ...]
    output: int


def tensor(value: Any, what: str) -> Tensor:
    """A tensor of a certificate."""
    given = fields(value, what, "shape exponent data")
    shape = tuple(whole(n, f"{what}: a size", 0, MOST_NEURONS) for n in listed(given["shape"], what))
    exponent = whole(given["exponent"], f"{what}: the exponent", -2200, 2200)
    if len(shape) > 8 or prod(shape) > LONGEST:
        raise Rejected("format", f"{what} is too large")
    return Tensor(shape, exponent, integers(given["data"], what, prod(shape)))


def rows_of(
    op: str, w: Tensor, b: Tensor | None, m: int, n: int, columns: bool
) -> tuple[int, tuple[tuple[int, ...], ...]]:
    """The exponent and the rows ``[*weights, bias]`` of an affine step with one exponent for both."""
    low = min(w.exponent, 0 if b is None else b.exponent, 0)
    if m < 1 or n < 1:
        raise Rejected("network", f"{op} has weights of size 0")
    if (w.exponent - low) * len(w.data) > 1 << 30:
        raise CannotCheck(f"{op}: the exponents of weights and bias are too far apart")
    data = [v << (w.exponent - low) for v in w.data]
    bias = [0] * m if b is None else [v << (b.exponent - low) for v in b.data] * (m // len(b.data))
    rows = [data[i::m] if columns else data[i * n : (i + 1) * n] for i in range(m)]
    return -low, tuple((*r, c) for r, c in zip(rows, bias, strict=True))


def take(attributes: dict[str, Any], name: str, default: Any) -> Any:
    """An attribute of the default's type (a float attribute is a Fraction), taken out of those that are left."""
    found = attributes.pop(name, default)
    if type(found) is not type(default) or (type(found) is list and len(found) != len(default)):
        raise Rejected("network", f"the attribute {name[:60]!r} is not of its type")
    return found


def spread(shape: tuple[int, ...], wanted: tuple[int, ...], op: str) -> list[int]:
    """For each element of `wanted` the flat index of the element of `shape` that broadcasting puts there."""
    full = (1,) * (len(wanted) - len(shape)) + shape
    if len(full) != len(wanted) or any(a not in (1, n) for a, n in zip(full, wanted, strict=True)):
        raise CannotCheck(f"{op}: a constant that enlarges the value has no exact rule here")
    found, stride = [0], prod(full)
    for a, n in zip(full, wanted, strict=True):
        stride //= a
        found = [i + (k * stride if a > 1 else 0) for i in found for k in range(n)]
    return found


def attributes_of(value: Any, op: str) -> dict[str, Any]:
    """Attributes: integers, lists of integers, and floats as mantissa and exponent."""
    if type(value) is not dict:
        raise Rejected("format", f"the attributes of {op} are not an object")
    found: dict[str, Any] = {}
    for name, given in value.items():
        if type(given) is dict:
            parts = fields(given, name[:60], "mantissa exponent")
            exponent = whole(parts["exponent"], "an exponent", -2200, 2200)
            found[name] = whole(parts["mantissa"], "a mantissa") * Fraction(2) ** exponent
        elif type(given) is list:
            found[name] = integers(given, name[:60])
        elif type(given) is str:
            raise CannotCheck(f"the attribute {name[:60]!r} of {op} has no exact rule here")
        else:
            found[name] = whole(given, name[:60], -(1 << 31), 1 << 31)
    return found
