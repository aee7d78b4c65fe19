"""Where the operands of quantised products stand, and how their scales and zero points are laid out."""

from __future__ import annotations

import numpy as np

from workbench.graph import Array
from workbench.op import Call, UnsupportedOperator
from workbench.semantics.affine import LinearMap

# operator -> the plain one, and where its operands stand: data, zero points, scales (left, right), result's, bias
_QUANTISED = ((0, 3), (2, 5), (1, 4), (6, 7))
PLACES: dict[str, tuple[str, tuple[int, int], tuple[int, int]]] = {
    "QLinearMatMul": ("MatMul", *_QUANTISED[:2]),
    "QLinearConv": ("Conv", *_QUANTISED[:2]),
    "MatMulInteger": ("MatMul", (0, 1), (2, 3)),
    "ConvInteger": ("Conv", (0, 1), (2, 3)),
}


def places(call: Call) -> tuple[str, tuple[int, int], tuple[int, int]]:
    """The plain operator, and where its operands and their zero points stand."""
    return PLACES[call.node.op]


def zero_is_live(call: Call, side: int) -> bool:
    """Whether a side's zero point comes from the input: where the result is integers, and its numbers do too."""
    _, data, zeros = places(call)
    integers = call.node.op in ("MatMulInteger", "ConvInteger")
    return integers and call.is_live(zeros[side]) and call.is_live(data[side])


def zero_point(call: Call, side: int, value: Array | None) -> Array | None:
    """The zero point ``(1, *shape)`` of one side, laid out to broadcast against it; None where there is none."""
    if value is None:
        return None
    plain, data, zeros = places(call)
    if zero_is_live(call, side):
        shape = call.shapes[data[side]]
        if int(np.prod(call.shapes[zeros[side]] or ())) != 1:
            raise UnsupportedOperator(
                f"{call.node.describe()}: a zero point that depends on the input must be one number"
            )
        return value.reshape(value.shape[0], *(1,) * len(shape or ()))
    if value.shape[0] != 1:
        raise UnsupportedOperator(f"{call.node.describe()}: zero points must not depend on the input")
    z = value.reshape(value.shape[1:])
    if z.dtype.kind not in "iu":
        raise UnsupportedOperator(f"{call.node.describe()}: zero points are integers, and must be constants")
    if z.size == 1:
        return z.reshape(())
    if plain == "MatMul":
        return z.reshape(-1, 1) if side == 0 and z.ndim == 1 else z
    shape = call.shapes[data[side]]
    assert shape is not None
    return z.reshape(-1, *(1,) * (len(shape) - 1))


def scale_of(call: Call, side: int, value: Array) -> Array:
    """A scale ``(1, *shape)``, laid out to broadcast against the result; side 2 is the result's own."""
    if value.shape[0] != 1:
        raise UnsupportedOperator(f"{call.node.describe()}: scales must not depend on the input")
    s = value.reshape(value.shape[1:])
    if s.size == 1:
        return s.reshape(())
    if places(call)[0] == "MatMul":
        return s.reshape(-1, 1) if side != 1 and s.ndim == 1 else s
    return s.reshape(-1, *(1,) * (len(call.shapes[0] or ()) - 2))


def own_zero(call: Call, z: Array) -> Array:
    """The result's zero point, laid out to broadcast against it."""
    if z.size == 1:
        return z.reshape(())
    return z.reshape(-1, 1) if places(call)[0] == "MatMul" and z.ndim == 1 else z


def of_zero(m: LinearMap, shape: tuple[int, ...], own: tuple[int, ...]) -> LinearMap:
    """z -> -A (z, z, ...), for one zero point of all operands."""
    axes = tuple(range(1, len(shape) + 1))
    size = int(np.prod(shape))

    def spread_over(z: Array) -> Array:
        flat = z.reshape(len(z), *(1,) * len(shape))
        return np.ascontiguousarray(np.broadcast_to(flat, (len(z), *shape)))

    def summed(x: Array) -> Array:
        return np.asarray(x.sum(axis=axes).reshape(len(x), *own))

    return LinearMap(
        lambda z: -m.apply(spread_over(z)),
        lambda y: -summed(m.adjoint(y)),
        lambda z: m.magnitude(spread_over(z)),
        lambda y: summed(m.magnitude_adjoint(y)),
        m.terms,
        m.adjoint_terms + size,
    )
