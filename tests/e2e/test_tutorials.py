"""The tutorials as a reader runs them: in JupyterLab, in a browser, where a view that fails shows an empty place."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page

from e2e.lab import REPOSITORY, open_notebook, run_all, screenshot

NOTEBOOKS = sorted((REPOSITORY / "tutorials").glob("*.ipynb"))
# Code cells whose last expression shows a view or a figure, and how high what they show is.
SHOWN = """() => [...document.querySelectorAll('.jp-CodeCell')].map(cell => ({
    source: cell.querySelector('.cm-content')?.textContent ?? '',
    views: [...cell.querySelectorAll('.jupyter-widgets')].map(view => view.getBoundingClientRect().height),
    figures: [...cell.querySelectorAll('.js-plotly-plot')].map(plot => plot.querySelectorAll('.main-svg').length),
})).filter(cell => cell.views.length || cell.figures.length)"""


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda file: file.stem)
def test_a_tutorial_shows_its_views_and_figures(page: Page, notebook: Path) -> None:
    open_notebook(page, f"tutorials/{notebook.name}")
    run_all(page)
    page.wait_for_function(
        f"() => {{ const found = ({SHOWN})();"
        "return found.some(c => c.views.length) && found.some(c => c.figures.length)"
        " && found.every(c => c.views.every(h => h > 200) && c.figures.every(n => n > 0)); }",
        timeout=20_000,
    )
    screenshot(page, f"tutorials/{notebook.stem}")
