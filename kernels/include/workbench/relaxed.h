// The relaxation step of CROWN's backward walk on one coefficient, and the error accounting that its loops satisfy.
//
// relaxed() is elementwise and gives the bits of workbench/semantics/backward.py (`_through_bent`): two products and a
// sum, each rounded.  The dot products that go with it are sums of n products in an order that is nobody's promise: any
// tree of additions over n leaves is at most n - 1 deep, so that the computed sum is within
//     gamma_n |row| . |vector| + n TINY,   gamma_n = n u / (1 - n u),
// of the exact one (Higham 2002, section 3.1), whether a product is rounded by itself or fused into its addition (one
// rounding less, no underflow of its own).  NumPy's BLAS promises the same and no more; the engine charges for that.
#pragma once
#include "portable.h"

namespace workbench {

template <class Value>
WB_BOTH Value relaxed(Value row, Value size, Value slope, Value slope_gap) {
    return row * slope + size * slope_gap;
}

}  // namespace workbench
