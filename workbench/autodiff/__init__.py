"""autodiff: derivatives of functions and models; gradients as numbers, and as graphs that can be bounded.

>>> import numpy as np
>>> from workbench.autodiff import hessian
>>> hessian(lambda x: (x * x * x).sum())(np.array([1.0, 2.0]))
array([[ 6.,  0.],
       [ 0., 12.]])
"""

from __future__ import annotations

from workbench.autodiff.graphs import gradient_graph
from workbench.autodiff.rounding import gradient_rounding
from workbench.autodiff.steperrors import StepErrors, step_errors
from workbench.autodiff.transforms import grad, hessian, hvp, jacfwd, jacrev, jvp, value_and_grad, vjp

__all__ = [
    "StepErrors",
    "grad",
    "gradient_graph",
    "gradient_rounding",
    "hessian",
    "hvp",
    "jacfwd",
    "jacrev",
    "jvp",
    "step_errors",
    "value_and_grad",
    "vjp",
]
