"""The tutorials as a reader runs them: in JupyterLab, in a browser, where a view that fails leaves an empty place."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page

from e2e.lab import REPOSITORY, open_notebook, run_all, screenshot, set_theme

NOTEBOOKS = sorted((REPOSITORY / "tutorials").glob("*.ipynb"))
# Outputs that hold a widget or a figure, with how high they are and whether anything is drawn in them.
DRAWN = """() => [...document.querySelectorAll('.jp-OutputArea-output.lm-Panel, .jp-RenderedPlotly')].map(output => ({
    figure: output.classList.contains('jp-RenderedPlotly'),
    height: output.getBoundingClientRect().height,
    drawn: output.querySelectorAll('svg, canvas').length,
}))"""
# The least contrast between a figure's text and what is behind it, by the formula of WCAG 2.
CONTRAST = """() => {
    const channels = text => (text.match(/[\\d.]+/g) ?? [0, 0, 0, 0]).map(Number);
    const light = colour => {
        const [r, g, b] = channels(colour).map(v => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const behind = element => {
        for (; element; element = element.parentElement) {
            const colour = getComputedStyle(element).backgroundColor;
            if (channels(colour)[3] !== 0) return colour;
        }
        return 'rgb(255, 255, 255)';
    };
    const found = [...document.querySelectorAll('.jp-RenderedPlotly')].flatMap(figure => {
        const paper = getComputedStyle(figure.querySelector('.main-svg')).backgroundColor;
        const back = light(channels(paper)[3] === 0 ? behind(figure) : paper);
        return [...figure.querySelectorAll('text')].filter(text => text.textContent).map(text => {
            const front = light(getComputedStyle(text).fill);
            return (Math.max(front, back) + 0.05) / (Math.min(front, back) + 0.05);
        });
    });
    return [found.length, Math.min(...found)];
}"""


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
    for dark in (True, False):
        set_theme(page, dark=dark)
        texts, least = page.evaluate(CONTRAST)
        assert texts > 10, "the figures have no text"
        assert least > 4, (
            f"a figure cannot be read in the {'dark' if dark else 'light'} theme: contrast {least:.2f}"
        )
