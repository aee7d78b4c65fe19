"""The one place that decides whether a hot loop runs in C++ (the package `workbench_kernels`, optional) or in NumPy.

NumPy's code is the specification and stays where it is: every function here returns None where the kernels are not
installed, are of another version, are turned off (``WORKBENCH_KERNELS=0`` in the environment), or do not do what is
asked; the caller then does it itself.  Where arithmetic is specified (`round_to`, `ordered`, the coefficients of
`relax`) the kernels give the same bits.  Where the order of a float sum is nobody's promise (`dots`, `product`, the
charges of `relax`) they keep within the same gamma_n as NumPy's BLAS, which is what the engine charges for.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from workbench.floats.format import Format, Overflow
    from workbench.floats.rounding import Mode
    from workbench.graph import Array

INTERFACE = 1  # of `workbench_kernels` that this module is written for
MODES = {"nearest-even": 0, "nearest-away": 1, "toward-zero": 2, "up": 3, "down": 4, "to-odd": 5}
RUNNING, FUSED, BLOCKED, PAIRWISE = range(4)
FEW = 1 << 10  # coefficients below which calling costs more than it saves
FEWEST = 8  # rows below which cutting matrices into panels is not worth it
LARGEST = sys.float_info.max


def _found() -> Any:
    if os.environ.get("WORKBENCH_KERNELS", "1") == "0":
        return None
    try:
        import workbench_kernels
    except (ImportError, OSError):  # not installed; or built for another Python or machine
        return None
    return workbench_kernels if getattr(workbench_kernels, "INTERFACE", None) == INTERFACE else None


NATIVE: Any = _found()


def status() -> str:
    """One sentence on whether the kernels are used, and why not."""
    if NATIVE is not None:
        return f"C++ kernels for {NATIVE.instructions} instructions"
    if os.environ.get("WORKBENCH_KERNELS", "1") == "0":
        return "NumPy alone: WORKBENCH_KERNELS=0 turns the C++ kernels off"
    return f"NumPy alone: no package workbench_kernels of interface {INTERFACE}; see docs/how-to/kernels.md"


def _plain(*arrays: Array | None) -> bool:
    """Whether these are NumPy's own float64 arrays, row after row."""
    return all(
        a is None or (type(a) is np.ndarray and a.dtype == np.float64 and a.flags.c_contiguous)
        for a in arrays
    )


# ---------------------------------------------------------------------- arithmetic that is specified, bit for bit


def target(form: Format, overflow: Overflow) -> Any:
    """A format as the kernels take it; None where they do not know it (exponents below binary64's, all of binary64)."""
    if NATIVE is None or form.emin < -1022 or (form.precision == 53 and not form.fixed):
        return None
    beyond = LARGEST if form.emax >= 1023 else 2.0 ** (form.emax + 1)
    return NATIVE.Target(
        largest=form.largest,
        lowest=form.lowest,
        beyond=beyond,
        normal=form.normal,
        magic=1.5 * 2.0 ** (53 - form.precision),
        step=2 * form.unit,
        finest=max(form.spacing if form.subnormals else 0.0, 2.0**-1074),
        plain=form.precision <= 51 and form.emax <= 969 and form.subnormals,
        subnormals=form.subnormals,
        fixed=form.fixed,
        infinities=form.infinities,
        saturate=overflow == "saturate",
    )


def round_to(flat: Array, out: Array, form: Format, mode: Mode, overflow: Overflow) -> bool:
    """`floats.rounding.round_to` of float64 ``(n,)``, into `out`; whether it was done."""
    if NATIVE is None or flat.size < 64 or not _plain(flat, out):
        return False
    to = target(form, overflow)
    if to is None:
        return False
    NATIVE.round_to(flat, out, to, MODES[mode])
    return True


def ordered(
    x: Array, y: Array, how: int, sequence: Array | None, size: int, machine: Any = None
) -> Array | None:
    """`floats.execute.matmul` in an order: RUNNING or FUSED through a sequence, BLOCKED by `size`, or PAIRWISE.

    Parameters
    ----------
    x, y : ``(..., N, K)`` and ``(..., K, M)``.
    machine : a `floats.machine.Machine`, or None for the hardware's own arithmetic in the operands' type.
    """
    if NATIVE is None or type(x) is not np.ndarray or type(y) is not np.ndarray or not x.shape[-1]:
        return None
    native = machine is None or machine.native
    kind = x.dtype if native else np.dtype(np.float64)
    if x.dtype != y.dtype or x.dtype != kind or kind not in (np.float32, np.float64):
        return None
    if how == FUSED and native and kind == np.float64:  # NumPy's is not right where it under- or overflows
        return None
    to = None
    if not native:
        policy = machine.form.overflow if machine.overflow is None else machine.overflow
        to = target(machine.target, policy) if machine.narrow else None
        if to is None:
            return None
    lead = np.broadcast_shapes(x.shape[:-2], y.shape[:-2])
    if 0 in lead:
        return None
    a, b = _stacked(x, lead), _stacked(y, lead)
    turned = (
        b.shape[2] < 8 < a.shape[1] and how != FUSED
    )  # products commute: the longer side goes side by side
    if turned:
        a, b = np.swapaxes(b, 1, 2), np.swapaxes(a, 1, 2)
    a, b = np.ascontiguousarray(a), np.ascontiguousarray(b)
    out = np.empty((max(len(a), len(b)), a.shape[1], b.shape[2]), kind)
    steps = None if sequence is None else np.ascontiguousarray(sequence, np.int64)
    if to is None:
        NATIVE.ordered(a, b, out, how, steps, size)
    else:
        NATIVE.ordered_in(a, b, out, how, steps, size, to, MODES[machine.mode])
    if turned:
        out = np.swapaxes(out, 1, 2)
    return out.reshape(*lead, *out.shape[1:])


def _stacked(x: Array, lead: tuple[int, ...]) -> Array:
    """``(B or 1, N, K)``: one matrix where all of the batch is the same one."""
    if x.size == x.shape[-2] * x.shape[-1]:
        return x.reshape(1, *x.shape[-2:])
    return np.broadcast_to(x, (*lead, *x.shape[-2:])).reshape(-1, *x.shape[-2:])


# ---------------------------------------------------------------------- the backward walk


def dots(rows: Array, signed: Array | None, absolute: Array | None) -> tuple[Array, Array] | None:
    """``rows . signed`` and ``|rows| . absolute``, read once: ``(B, R, k)`` with ``(B or 1, k)`` to ``(B, R)`` each.

    Zeros where a vector is None.
    """
    if NATIVE is None or rows.size < FEW or not _plain(rows, signed, absolute):
        return None
    shape = rows.shape[:2]
    low = np.zeros(shape) if signed is None else np.empty(shape)
    loss = np.zeros(shape) if absolute is None else np.empty(shape)
    NATIVE.dots(rows, signed, absolute, None if signed is None else low, None if absolute is None else loss)
    return low, loss


def relax(
    rows: Array,
    at: Array | None,
    slopes: tuple[Array, Array],
    offsets: tuple[Array, Array] | None,
    charge: Array,
) -> tuple[Array | None, Array] | None:
    """Rows ``(B, R, k)`` through lines, in place: half sums and half differences, ``(B or 1, m)`` (see `backward`).

    Returns
    -------
    What is added to the constant (None where there are no offsets), and the charges: ``(B, R)`` each.
    """
    offset, gap = offsets if offsets is not None else (None, None)
    if NATIVE is None or rows.size < FEW or not _plain(rows, *slopes, offset, gap, charge):
        return None
    if not rows.flags.writeable:
        return None
    cost = np.empty(rows.shape[:2])
    if offsets is None:
        NATIVE.relax(rows, at, None, *slopes, None, None, charge, None, None, cost)
        return None, cost
    low, other = np.empty((2, *rows.shape[:2]))
    NATIVE.relax(rows, at, None, *slopes, offset, gap, charge, low, other, cost)
    return low + other, cost


def relax_each(
    rows: Array, which: Array, slopes: tuple[Array, Array], offsets: tuple[Array, Array], own: bool = False
) -> tuple[Array, Array, Array] | None:
    """Rows ``(N, k)`` through the lines of the region that each is of: row r takes line ``which[r]`` of ``(B, k)``.

    Parameters
    ----------
    own : whether the rows may be overwritten.

    Returns
    -------
    The new rows, ``rows . offset`` and ``|rows| . offset_gap``, ``(N,)`` each.
    """
    if NATIVE is None or rows.size < FEW or not _plain(rows, *slopes, *offsets):
        return None
    which = np.ascontiguousarray(which, np.int64)
    new, (low, gap) = rows if own else rows.copy(), np.empty((2, 1, len(rows)))
    NATIVE.relax(new[None], None, which, *slopes, *offsets, None, low, gap, None)
    return new, low[0], gap[0]


def product(rows: Array, matrices: Sequence[tuple[Array | None, Array]]) -> Array | None:
    """Rows ``(N, k)``, some columns at a time, times matrices ``(k, j)``, the results side by side.

    One matrix for all columns is left to BLAS, which is as fast.
    """
    if NATIVE is None or len(rows) < FEWEST or len(matrices) == 1 or not _plain(rows):
        return None
    if not all(_plain(one) and (take is None or take.flags.c_contiguous) for take, one in matrices):
        return None
    out = np.empty((len(rows), sum(one.shape[1] for _, one in matrices)))
    NATIVE.product(rows, list(matrices), out)
    return out
