"""Meanings of a graph: real, ieee, exact, interval, affine, gradient, rounding.

None of them names an operator: they see operators only through the table.  `plan` is what all of them walk, `backward`
how affine forms are carried to the inputs, `summation` what rounding does to sums, `replay` one neuron's float program.
"""
