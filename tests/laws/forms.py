"""Which forms each operator's affine rule gives: a linear map, a pair of lines, or either, as its operands are."""

from __future__ import annotations

from laws.strategies import EXAMPLES, FOLDED

EITHER = frozenset({"Div", "MatMul", "Mul"})
LINEAR = frozenset(
    {
        *("Add", "AveragePool", "BatchNormalization", "Cast", "Concat", "Conv", "ConvTranspose", "Dropout"),
        *("ConvInteger", "DequantizeLinear", "MatMulInteger"),
        *("Expand", "Flatten", "Gather", "Gemm", "GlobalAveragePool", "Identity", "Neg", "Pad", "ReduceMean"),
        *("ReduceSum", "Reshape", "Slice", "Split", "Squeeze", "Sub", "Transpose", "Unsqueeze", "Where"),
    }
)
MAPS = sorted(LINEAR | EITHER)
LINES = sorted(EXAMPLES.keys() - FOLDED - LINEAR)
