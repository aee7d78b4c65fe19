"""DynamicQuantizeLinear: uint8 codes whose scale and zero point come from the values themselves.

Read from a file it becomes several nodes (`io.nodes`): the largest of x and of -x; the scale, which is the operator
here,  s = (max(top, 0) + max(bottom, 0)) / 255  and 1 where that is 0 (as onnxruntime has it; ONNX's own text would
divide by 0); the zero point  round(max(bottom, 0) / s);  and the codes  saturate(round(x / s) + z), by QuantizeLinear.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from workbench.floats.errors import raised
from workbench.floats.program import Semantics
from workbench.graph import Array
from workbench.op import Call, Op, rule_for
from workbench.ops import relu
from workbench.ops.generators.steps import rounded_by
from workbench.semantics.affine import Lines, Relaxation, affine
from workbench.semantics.cotangent import derivative
from workbench.semantics.interval import TINY, UNIT, Interval, interval
from workbench.semantics.real import real
from workbench.semantics.rounding import Local, Slopes, rounding

dynamic = Op(
    "DynamicQuantizeLinear",
    "s = (max(a, 0) + max(b, 0)) / 255, or 1",
    r"s=\frac{\max(a,0)+\max(b,0)}{255}",
)

STEPS = 255  # of uint8


@dynamic.rule(real)
def _(call: Call, ns: Any, top: Array, bottom: Array) -> Array:
    length = ns.add(ns.maximum(top, ns.number(0)), ns.maximum(bottom, ns.number(0)))
    return np.asarray(ns.select(ns.neg(length), ns.number(1), ns.div(length, ns.number(STEPS))))


def lengths(top: Interval, bottom: Interval) -> Interval:
    """max(top, 0) + max(bottom, 0), outward; 0 where it surely is."""
    low = np.maximum(top.lo, 0.0) + np.maximum(bottom.lo, 0.0)
    high = np.maximum(top.hi, 0.0) + np.maximum(bottom.hi, 0.0)
    return Interval(
        np.where(low > 0, np.maximum(np.nextafter(low, 0.0), 0.0), 0.0),
        np.where(high > 0, np.nextafter(high, np.inf), 0.0),
    )


@dynamic.rule(interval)
def _(call: Call, top: Interval, bottom: Interval) -> Interval:
    length = lengths(top, bottom)
    low, high = np.nextafter(length.lo / STEPS, 0.0), np.nextafter(length.hi / STEPS, np.inf)
    nothing, some = length.hi == 0, length.lo > 0
    low = np.where(nothing, 1.0, np.where(some, low, 0.0))
    return Interval(low, np.where(nothing, 1.0, np.where(some, high, np.maximum(high, 1.0))))


@dynamic.rule(affine)
def _(call: Call, top: Interval, bottom: Interval) -> Relaxation:
    """The lines of two relus, over 255, where their sum is surely not 0; else the ends of the interval."""
    some = lengths(top, bottom).lo > 0
    whole: Interval = _image(call, top, bottom)
    found = []
    pairs = [relu.lines(x, 0.0, 1.0) for x in (top, bottom)]
    for sign, end in ((-1.0, whole.lo), (1.0, whole.hi)):
        slopes, offset, slack = [], np.zeros(()), np.zeros(())
        for x, pair in zip((top, bottom), pairs, strict=True):
            line = pair.lower if sign < 0 else pair.upper
            (steep,) = line.slopes
            assert steep is not None
            slopes.append(steep / STEPS)
            offset = offset + line.offset / STEPS
            with np.errstate(invalid="ignore"):
                away = np.where(steep == 0, 0.0, steep * x.magnitude)
            slack = slack + np.abs(away) + np.abs(line.offset)
        offset = offset + sign * (8 * UNIT * slack + 8 * TINY)
        known = some & np.isfinite(offset)
        kept = tuple(np.where(known, s, 0.0) for s in slopes)
        found.append(Lines(kept, np.where(known, offset, end)))
    return Relaxation(found[0], found[1])


def _image(call: Call, top: Interval, bottom: Interval) -> Interval:
    found: Interval = rule_for(call.node, interval)(call, top, bottom)
    return found


def _pulled(call: Call, ns: Any, operands: Sequence[Any], value: Any, seed: Any) -> Sequence[Any]:
    """As of two relus over 255; at 0, where the scale is 1, nothing."""
    return tuple(ns.gated(seed, x) * (1.0 / STEPS) if call.wants(i) else None for i, x in enumerate(operands))


derivative(dynamic, _pulled)


@dynamic.rule(rounding)
def _(call: Call, program: Semantics, top: Interval, bottom: Interval) -> Local:
    """A sum, rounded, and a division, which `finish` rounds; the scale of no values at all is exactly 1."""
    length = lengths(top, bottom)
    form = program.accumulator
    with np.errstate(all="ignore"):
        rho = raised(rounded_by(length.hi, program) / STEPS)
        # where results are flushed, a small sum becomes 0, and its scale 1
        least = 0.0 if program.measure.subnormals else 2 * program.measure.eta
        known = (length.lo > least) | (length.hi == 0)
        rho = np.where(known & (float(STEPS) < 2.0**form.precision), rho, np.inf)
        rho = np.where(np.isnan(rho), np.inf, rho)
    slopes = []
    for x in (top, bottom):
        low, high = np.where(x.lo >= 0, 1.0, 0.0), np.where(x.hi <= 0, 0.0, 1.0)
        # 0 counts as either piece
        slopes.append(
            Interval(
                np.minimum(low, high) / STEPS * (1 - 4 * UNIT), np.maximum(low, high) / STEPS * (1 + 4 * UNIT)
            )
        )
    return Local(rho, Slopes(tuple(slopes)), state="exact")
