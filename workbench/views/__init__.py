"""Views of a `Model`: thin widgets, plain plotly figures, a picture without a browser.  No mathematics lives here."""

from workbench.views.figures import NEUTRAL, errors, widths
from workbench.views.floatinspector import FloatInspector, float_inspector
from workbench.views.replayview import ReplayView
from workbench.views.roundoffmap import RoundoffMap
from workbench.views.svg import graph_svg
from workbench.views.widgets import BoundsView, GraphView, RoundingView, Workbench, static_html

__all__ = [
    "NEUTRAL",
    "BoundsView",
    "FloatInspector",
    "GraphView",
    "ReplayView",
    "RoundingView",
    "RoundoffMap",
    "Workbench",
    "errors",
    "float_inspector",
    "graph_svg",
    "static_html",
    "widths",
]
