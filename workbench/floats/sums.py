"""F5, leaf by leaf: how far the additions of a sum can lead astray, whatever their order and parentheses.

Let m leaves be other than zero (adding 0 is exact), and let T_k be the larger of the sum of the k largest positive
parts and the sum of the k largest negative parts.  The operands of an addition are signed sums of their leaves, each
times at most m + 1 factors 1 + d, |d| <= u; so its exact result is at most T_k (1+u)^(m+1) for k leaves under it, and
its error at most u ufp of that.  Order the m - 1 additions by the number of leaves under them, children before parents:
the j-th has at most j + 1, since a subtree of k leaves holds k - 1 additions, none larger than itself.  T is
increasing, hence
    error <= u sum_{k=2..m} ufp(T_k (1+u)^(m+1)).
With abrupt underflow each addition may err by 2^emin besides, which enters T and the result.  A fused multiply-add
rounds the same sum and spares a product's rounding: the bound holds for it too.

T is evaluated at some k only, and used for those before it: about one per cent above the formula.  What is summed has
no negative terms, so that float32 or float64, in whatever order a matrix product adds, errs by count u of it at most.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from workbench.floats.errors import flushed, growth, raised, unit_of
from workbench.floats.format import EXPONENT, Format, ufp
from workbench.floats.rounding import Mode
from workbench.graph import Array

FEW = 128  # leaves up to which T is evaluated at every k
PLACES = 96  # where T is evaluated, at most, of more
LONGEST = 1 << 14  # leaves that are summed in float32; more, in float64
FIRST = np.int32(0x7F800000)  # a float32's exponent


@dataclass(frozen=True, slots=True, eq=False)
class Summing:
    """How sums of `count` leaves are looked at.

    Parameters
    ----------
    count : K.
    block : leaves that are added before anything else.
    before, span : ``(G,)``: T is found of k = before + span, for the k after `before`.
    largest, smallest : ``(blocks, G)`` of 0 and 1: which blocks of sorted leaves T has, of the last and the first ones.
    """

    count: int
    block: int
    before: Array
    span: Array
    largest: Array
    smallest: Array

    @classmethod
    def of(cls, count: int, dtype: np.dtype[np.floating]) -> Summing:
        """Evenly spaced for few leaves; else closer where T grows faster."""
        block = 1 << max(0, (count // FEW).bit_length() - 1)
        blocks = -(-count // block)
        ends = np.arange(1, blocks + 1)
        if blocks > FEW:
            ends = np.unique(np.ceil(blocks * (np.arange(1, PLACES + 1) / PLACES) ** 1.5).astype(np.int64))
        before = np.concatenate([[0], ends[:-1]])
        smallest = (np.arange(blocks)[:, None] < ends).astype(dtype)
        span = (ends - before) * block
        return cls(count, block, before * block, span, np.ascontiguousarray(smallest[::-1]), smallest)

    @property
    def width(self) -> int:
        """Leaves with the zeros that fill the last block."""
        return self.block * len(self.smallest)


def sum_error(
    signed: Array, form: Format, *, other: Array | None = None, mode: Mode = "nearest-even"
) -> Array:
    """Bounds ``(...)`` on the sum of the additions' errors; infinite where a leaf or a partial sum may overflow.

    Parameters
    ----------
    signed : ``(..., K)``, the leaves; where a leaf ranges over an interval, the end of larger magnitude if the leaf
        has one sign, else its largest positive value (with `other`).  float64, or float32 of `outward32`; 0 only
        where adding the leaf rounds nothing (see `leaf_products`).
    form : the format of the additions.
    other : ``(..., K)``, the most negative values of the leaves, where they do not have one sign.
    mode : of rounding; u is 2^-p to nearest and 2^(1-p) otherwise.
    """
    lead, count = signed.shape[:-1], signed.shape[-1]
    if signed.size == 0:
        return np.zeros(lead)
    dtype = signed.dtype if count <= LONGEST else np.dtype(np.float64)
    how = Summing.of(count, dtype)
    ends = []
    for end in (signed, other):
        padded = None if end is None else np.zeros((signed.size // count, how.width), dtype)
        if end is not None and padded is not None:
            padded[:, :count] = end.reshape(-1, count)
        ends.append(padded)
    assert ends[0] is not None
    found, most = additions(how, ends[0], ends[1], np.empty_like(ends[0]), form, mode)
    return finished(found, most, count, form).reshape(lead)


def finished(found: Array, most: Array, count: int, form: Format) -> Array:
    """What `additions` found, rounded up; infinite where a partial sum may overflow."""
    return np.asarray(np.where(most <= min(form.largest, -form.lowest), raised(found, count), np.inf))


def additions(
    how: Summing, high: Array, low: Array | None, spare: Array, form: Format, mode: Mode
) -> tuple[Array, Array]:
    """The bound before it is `finished`, and the largest partial sum, ``(E,)`` each.

    Parameters
    ----------
    high, low : ``(E, how.width)`` leaves, as `sum_error` has them, filled with zeros.  They are overwritten.
    spare : room of the same shape and type.
    """
    count = how.count
    live = high != 0 if low is None else (high > 0) | (low < 0)
    alike = np.count_nonzero(live) == len(high) * count
    used = np.array(count) if alike else np.count_nonzero(live, axis=-1)[:, None]
    m = count if alike else int(used.max(initial=0))
    with np.errstate(invalid="ignore", over="ignore"):
        high.sort(axis=-1)
        if low is None:
            down = np.minimum(high, 0, out=spare)
            high -= down
        else:
            low.sort(axis=-1)
            down = np.minimum(low, 0, out=low)
            np.maximum(high, 0, out=high)
        tops = np.maximum(_by_block(high, how) @ how.largest, -(_by_block(down, how) @ how.smallest))
        narrow = tops.dtype == np.float32
        # so much besides that no sum is subnormal, the first place of which is not found by its exponent
        tops += 2 * m * form.eta + (2.0**-126 + count * 2.0**-148 if narrow else 2.0**-1022)
        unit, own = unit_of(form, mode), 2.0**-24 if narrow else 2.0**-53
        grown = 1 + (growth(unit, 2 * m + 4) if m > 1 else 0.0)
        tops *= grown * (1 + 2.0**-20) * (1 + 2 * (count + 64) * own)
        most = tops[:, -1].astype(np.float64)  # T is increasing
        # of the k = 2 .. m, those that T of this place stands for
        adds = np.minimum(np.maximum(used - how.before, 0), how.span)
        adds[..., 0] = np.maximum(adds[..., 0] - 1, 0)
        if not alike:
            tops = np.where(adds > 0, tops, 0).astype(np.float64)  # 0 times an infinity would be no number
            total, most = (adds * ufp(tops)).sum(axis=-1), np.where(used[:, 0] > 1, most, most / grown)
            return unit * total + np.maximum(used[:, 0] - 1, 0) * flushed(form), most
        some = slice(int(adds[0] == 0), None)
        first = tops.view(np.int32 if narrow else np.int64)
        first &= FIRST if narrow else EXPONENT
        total = tops[:, some].astype(np.float64) @ adds[some].astype(np.float64)
        return unit * total + max(m - 1, 0) * flushed(form), most


def _by_block(x: Array, how: Summing) -> Array:
    if how.block == 1:
        return x
    return np.asarray((x.reshape(-1, how.block) @ np.ones(how.block, x.dtype)).reshape(len(x), -1))


def product_error(leaves: Array, form: Format, spare: Array | None = None) -> Array:
    """How far the roundings of a sum's leaves can lead astray: ``u sum ufp(leaf)`` over the last axis.

    Underflow is not in it.  `leaves` are magnitudes, rounded up; those below the smallest normal number count 0.
    spare : room for as many numbers, of the same type and contiguous.
    """
    count = leaves.shape[-1]
    if leaves.dtype == np.float32 and 0 < count <= LONGEST and leaves.flags.c_contiguous:
        bits = np.bitwise_and(
            leaves.view(np.int32), FIRST, out=None if spare is None else spare.view(np.int32)
        )
        total = bits.view(np.float32).reshape(-1, count) @ np.ones(count, np.float32)
        total = (1 + count * 2.0**-22) * total.astype(np.float64)
    else:
        total = np.sum(ufp(leaves), axis=-1, dtype=np.float64)
    return raised(form.unit * total.reshape(leaves.shape[:-1]), count)
