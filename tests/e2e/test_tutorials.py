"""The tutorials as a reader runs them: in JupyterLab, in a browser, where a view that fails leaves an empty place."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page

from e2e.lab import REPOSITORY, open_notebook, run_all, screenshot

NOTEBOOKS = sorted((REPOSITORY / "tutorials").glob("*.ipynb"))
# Outputs that hold a widget or a figure, with how high they are and whether anything is drawn in them.
DRAWN = """() => [...document.querySelectorAll('.jp-OutputArea-output.lm-Panel, .jp-RenderedPlotly')].map(output => ({
    figure: output.classList.contains('jp-RenderedPlotly'),
    height: output.getBoundingClientRect().height,
    drawn: output.querySelectorAll('svg, canvas').length,
}))"""


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda file: file.stem)
def test_a_tutorial_shows_its_views_and_figures(page: Page, notebook: Path) -> None:
    open_notebook(page, f"tutorials/{notebook.name}")
    run_all(page)
    for _ in range(100):
        outputs = page.evaluate(DRAWN)
        if all(output["height"] > 200 and output["drawn"] for output in outputs):
            break
        page.wait_for_timeout(200)
    screenshot(page, f"tutorials/{notebook.stem}")
    assert all(output["height"] > 200 and output["drawn"] for output in outputs), outputs
    assert {output["figure"] for output in outputs} == {True, False}, "it should show a view and a figure"
