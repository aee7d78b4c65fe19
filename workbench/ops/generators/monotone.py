"""monotone: the interval rule of a function of one number, from enclosures of its image."""

from __future__ import annotations

from collections.abc import Callable

from workbench.arrays.elementary import Pair
from workbench.graph import Array
from workbench.op import Call, Op
from workbench.semantics.interval import Interval, interval


def monotone(op: Op, image: Callable[[Call, Array, Array], Pair]) -> None:
    """Register the interval rule of an elementwise function.

    Parameters
    ----------
    op : the operator; its first operand has the result's shape, further ones are constants.
    image : ``(call, lo, hi)`` -> ends of the images, surely outward (see `arrays.elementary`).
    """

    @op.rule(interval)
    def _(call: Call, x: Interval, *rest: Interval | None) -> Interval:
        return Interval(*image(call, x.lo, x.hi))
