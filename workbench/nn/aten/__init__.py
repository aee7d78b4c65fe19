"""PyTorch's operators (ATen) in terms of ours: a table by family, one function an operator.

Each function takes what the operator takes, in its order and with its defaults; tensors are values of the graph that is
built.  The families: `pointwise`, `shapes`, `layers`, `sequences`.
"""

from __future__ import annotations

from workbench.nn.aten import layers, pointwise, sequences, shapes
from workbench.nn.aten.table import TABLE, handler

__all__ = ["TABLE", "handler", "layers", "pointwise", "sequences", "shapes"]
