"""NN Workbench: one graph, many meanings.

Open a neural network and it is a live object: its computation graph, sound bounds for every neuron over an input
region, and the floating-point rounding error of every neuron.

>>> import workbench as wb
>>> model = wb.examples.digits()
>>> model.run(model.examples[0][1]).shape
(1, 10)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workbench import autodiff as autodiff
    from workbench import examples as examples
    from workbench import nn as nn
    from workbench import views as views
    from workbench.graph import Graph as Graph
    from workbench.graph import GraphError as GraphError
    from workbench.graph import Node as Node
    from workbench.model import Model as Model
    from workbench.nn.compiled import compile as compile  # noqa: A004
    from workbench.nn.fromtorch import from_torch as from_torch
    from workbench.nn.shapes import ShapeError as ShapeError
    from workbench.nn.shapes import Tensor as Tensor
    from workbench.nn.tracing import trace as trace
    from workbench.opening import load as load
    from workbench.region import Region as Region
    from workbench.region import RegionError as RegionError
    from workbench.region import ball as ball
    from workbench.region import box as box
    from workbench.verdict import Verdict as Verdict
    from workbench.views.certificateview import certificate_view as certificate_view
    from workbench.views.confusionview import confusion_view as confusion_view
    from workbench.views.floatinspector import float_inspector as float_inspector
    from workbench.views.relaxationexplorer import relaxation_explorer as relaxation_explorer
    from workbench.views.shapeview import shape_view as shape_view
    from workbench.views.tapeview import tape_view as tape_view
    from workbench.views.tensorview import tensor_view as tensor_view
    from workbench.views.trainingview import training_view as training_view
    from workbench.wanted import SpecificationError as SpecificationError
    from workbench.wanted import all_of as all_of
    from workbench.wanted import any_of as any_of
    from workbench.wanted import linear as linear
    from workbench.wanted import margin as margin
    from workbench.wanted import output_range as output_range

__version__ = "0.1.0"

# Public name -> the module that has it (None: the module of that name).  Loaded when first used, so that
# `import workbench.certificate.check` or the command line pay only for what they need.
_PUBLIC = {
    "Graph": "graph",
    "GraphError": "graph",
    "Model": "model",
    "Node": "graph",
    "Region": "region",
    "RegionError": "region",
    "ShapeError": "nn.shapes",
    "SpecificationError": "wanted",
    "Tensor": "nn.shapes",
    "Verdict": "verdict",
    "all_of": "wanted",
    "any_of": "wanted",
    "autodiff": None,
    "ball": "region",
    "box": "region",
    "certificate_view": "views.certificateview",
    "compile": "nn.compiled",
    "confusion_view": "views.confusionview",
    "examples": None,
    "float_inspector": "views.floatinspector",
    "from_torch": "nn.fromtorch",
    "linear": "wanted",
    "load": "opening",
    "margin": "wanted",
    "nn": None,
    "output_range": "wanted",
    "relaxation_explorer": "views.relaxationexplorer",
    "shape_view": "views.shapeview",
    "tape_view": "views.tapeview",
    "tensor_view": "views.tensorview",
    "trace": "nn.tracing",
    "training_view": "views.trainingview",
    "views": None,
}
__all__ = list(_PUBLIC)


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'workbench' has no attribute {name!r}")
    home = _PUBLIC[name]
    if home is None:
        return import_module(f"workbench.{name}")
    return getattr(import_module(f"workbench.{home}"), name)


def __dir__() -> list[str]:
    return sorted([*_PUBLIC, *(name for name in globals() if name.startswith("__"))])
