"""Plain plotly figures of a model's result: small to save, no live widget behind them, readable on light and dark."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import plotly.graph_objects as go

# Each of these has at least 3:1 (text at least 4:1) against white and against JupyterLab's dark #111.
BLUE, PALE, ORANGE, GREY = "#2f7fe0", "#6592c8", "#d9730d", "#868e9a"
INK, GRID = "#7a7a7a", "rgba(128,128,128,.28)"
_AXIS = {
    "gridcolor": GRID,
    "linecolor": INK,
    "zerolinecolor": "rgba(128,128,128,.6)",
    "showline": True,
    "ticks": "outside",
    "tickcolor": INK,
    "automargin": True,
}
#: A plotly template, for ``figure.update_layout(template=NEUTRAL)``: no background of its own and text of a middle
#: grey, since a saved figure is opened in light and in dark themes.
NEUTRAL: dict[str, Any] = {
    "layout": {
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"color": INK, "size": 12},
        "title": {"font": {"size": 13}, "x": 0, "xanchor": "left", "xref": "paper"},
        "colorway": [BLUE, ORANGE, "#009e73", "#cc79a7", GREY],
        "xaxis": _AXIS,
        "yaxis": _AXIS,
        "hoverlabel": {"font": {"size": 12}},
    }
}


def _require(model: Any) -> Any:
    if model.result is None:
        raise ValueError("nothing is computed yet: choose an input and call model.compute() first")
    return model.result


def _figure(title: str, y: str) -> go.Figure:
    import plotly.graph_objects as go

    figure = go.Figure()
    figure.update_layout(
        template=NEUTRAL,
        title={"text": title},
        height=320,
        margin={"l": 72, "r": 16, "t": 48, "b": 72},
        yaxis={"type": "log", "title": y, "exponentformat": "power", "dtick": 1},
        xaxis={"type": "category", "tickangle": -40, "showgrid": False},
        legend={"orientation": "h", "y": 1.08, "x": 1, "xanchor": "right"},
    )
    return figure


def _spread(figure: go.Figure, rows: list[tuple[str, Any]], name: str, colour: str, symbol: str) -> None:
    """The largest and the median value of each layer, so that one wild neuron is seen and does not hide the rest."""
    names = [row for row, _ in rows]
    figure.add_scatter(
        x=names,
        y=[float(np.max(values)) for _, values in rows],
        name=f"{name}, largest",
        mode="lines+markers",
        line={"color": colour, "width": 2},
        marker={"symbol": symbol, "size": 7},
    )
    figure.add_scatter(
        x=names,
        y=[float(np.median(values)) for _, values in rows],
        name=f"{name}, median",
        mode="lines+markers",
        line={"color": colour, "width": 1, "dash": "dot"},
        marker={"symbol": f"{symbol}-open", "size": 6},
    )


def _title(result: Any, what: str) -> str:
    return f"{what}, {result.method.upper()}, ε = {result.eps!r}"


def widths(model: Any) -> go.Figure:
    """Width of the bounds by layer, on a logarithmic axis; IBP beside the result's own method.

    Zero widths cannot stand on a logarithmic axis and are left out.
    """
    result = _require(model)
    figure = _figure(_title(result, "Width of the bounds by layer"), "upper − lower")
    pairs = [(result.bounds, result.method.upper(), BLUE, "circle")]
    if result.method != "ibp":
        pairs.insert(0, (result.loose, "IBP", PALE, "square"))
    for source, label, colour, symbol in pairs:
        rows = [
            (n.name, np.asarray(source[n.name].upper) - source[n.name].lower)
            for n in model.graph
            if n.name in source
        ]
        _spread(figure, [(name, width) for name, width in rows if np.max(width) > 0], label, colour, symbol)
    return figure


def errors(model: Any) -> go.Figure:
    """Rounding error by layer: the sound bound, and what was observed (always below it)."""
    result = _require(model)
    figure = _figure(_title(result, f"Rounding error by layer in {result.format}"), "absolute error")
    for source, label, symbol in (
        (result.rounding, "bound", "circle"),
        (result.observed, "observed", "diamond"),
    ):
        found = [(n.name, source.get(n.name)) for n in model.graph] if source is not None else []
        rows = [(name, values) for name, values in found if values is not None and np.max(values) > 0]
        _spread(figure, rows, label, ORANGE if label == "bound" else GREY, symbol)
    return figure
