"""Views of a `Model`: thin widgets, plain plotly figures, a picture without a browser.  No mathematics lives here."""

from workbench.views.branchview import BranchView
from workbench.views.certificateview import CertificateView, certificate_view
from workbench.views.confusionview import ConfusionView, confusion_view
from workbench.views.figures import NEUTRAL, errors, widths
from workbench.views.floatinspector import FloatInspector, float_inspector
from workbench.views.precisiontuner import PrecisionTuner
from workbench.views.relaxationexplorer import RelaxationExplorer, relaxation_explorer
from workbench.views.replayview import ReplayView
from workbench.views.roundoffmap import RoundoffMap
from workbench.views.shapeview import ShapeView, shape_view
from workbench.views.svg import graph_svg
from workbench.views.tapeview import TapeView, tape_view
from workbench.views.tensorview import TensorView, tensor_view
from workbench.views.trainingview import TrainingView, training_view
from workbench.views.widgets import BoundsView, GraphView, RoundingView, Workbench, static_html

__all__ = [
    "NEUTRAL",
    "BoundsView",
    "BranchView",
    "CertificateView",
    "ConfusionView",
    "FloatInspector",
    "GraphView",
    "PrecisionTuner",
    "RelaxationExplorer",
    "ReplayView",
    "RoundingView",
    "RoundoffMap",
    "ShapeView",
    "TapeView",
    "TensorView",
    "TrainingView",
    "Workbench",
    "certificate_view",
    "confusion_view",
    "errors",
    "float_inspector",
    "graph_svg",
    "relaxation_explorer",
    "shape_view",
    "static_html",
    "tape_view",
    "tensor_view",
    "training_view",
    "widths",
]
