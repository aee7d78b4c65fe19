"""Floating-point formats, rounding, float programs, bounds on their errors, and runs in a named order of summation."""
