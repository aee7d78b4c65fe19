"""Floating-point formats, rounding, operations with their flags, error bounds, float programs and runs of them.

`format` and `rounding` are the ground; `bits` shows numbers, `ieee754` and `quietly` are the standard's operations,
`directed` encloses, `facts` are theorems that can be tried, `libm` checks library functions, `quantize` is for
integers; `errors`, `program` and `execute` are about networks.
"""

from workbench.floats.bits import Number, classify, decode, encode, exact, inspect, next_down, next_up, width
from workbench.floats.directed import enclosure
from workbench.floats.facts import FACTS, Check, Fact, check, check_all
from workbench.floats.format import (
    BFLOAT16,
    BINARY16,
    BINARY32,
    BINARY64,
    E2M1FN,
    E2M3FN,
    E3M2FN,
    E4M3FN,
    E5M2,
    FORMATS,
    TF32,
    UNBOUNDED,
    Format,
    fix,
    fixed_point,
    flt,
    flx,
    ftz,
    ufp,
    ulp,
)
from workbench.floats.ieee754 import Flags, Outcome, add, convert, div, fma, mul, sqrt, sub
from workbench.floats.quantize import Quantization, dequantize_linear, quantize_linear
from workbench.floats.rounding import MODES, Mode, is_number_of, round_to

__all__ = [
    "BFLOAT16",
    "BINARY16",
    "BINARY32",
    "BINARY64",
    "E2M1FN",
    "E2M3FN",
    "E3M2FN",
    "E4M3FN",
    "E5M2",
    "FACTS",
    "FORMATS",
    "MODES",
    "TF32",
    "UNBOUNDED",
    "Check",
    "Fact",
    "Flags",
    "Format",
    "Mode",
    "Number",
    "Outcome",
    "Quantization",
    "add",
    "check",
    "check_all",
    "classify",
    "convert",
    "decode",
    "dequantize_linear",
    "div",
    "enclosure",
    "encode",
    "exact",
    "fix",
    "fixed_point",
    "flt",
    "flx",
    "fma",
    "ftz",
    "inspect",
    "is_number_of",
    "mul",
    "next_down",
    "next_up",
    "quantize_linear",
    "round_to",
    "sqrt",
    "sub",
    "ufp",
    "ulp",
    "width",
]
