"""What a float program is assumed to do, as sentences for a ledger."""

from __future__ import annotations

from workbench.floats.program import Semantics


def rounding_sentence(p: Semantics) -> str:
    """How a program rounds."""
    mode = {"nearest-even": "to nearest even", "nearest-away": "to nearest, ties away from zero"}.get(
        p.mode, p.mode
    )
    once = f", results once more to {p.activations.name}" if p.mixed else ""
    kept = "kept" if p.subnormals == "gradual" and p.accumulator.subnormals else "flushed to 0 as results"
    return f"+ - * / and sqrt round {mode} in {p.accumulator.name}{once}; subnormal numbers are {kept}"


def order_sentence(p: Semantics) -> str:
    """How a program's sums are added."""
    if p.order in ("any", "blas", "random", "adversarial"):
        return "sums are added in any order, with or without fused multiply-adds, but term by term (no Winograd or FFT)"
    fused = {"never": "without", "maybe": "with or without", "always": "with"}[p.fma]
    return (
        f"products of matrices, and convolutions, are added in the order {p.order}, {fused} fused multiply-adds, the "
        "bias last; other sums in any order"
    )
