"""The harness itself: JupyterLab starts, a notebook runs in it, and what goes wrong is noticed."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, distribution

import pytest
from playwright.sync_api import Page

from e2e.lab import Complaints, Lab, open_notebook, run_all, run_code, set_theme


def test_a_notebook_runs(lab: Lab, page: Page) -> None:
    open_notebook(page, lab.write_notebook("plain.ipynb", ["import workbench", "print(6 * 7)"]))
    run_all(page)
    assert page.locator(".jp-OutputArea-output").inner_text().strip() == "42"
    run_code(page, "answer = 43")
    with pytest.raises(AssertionError, match="ZeroDivisionError"):
        run_code(page, "1 / 0")


def test_a_cell_that_raises_fails_the_run(lab: Lab, page: Page) -> None:
    open_notebook(page, lab.write_notebook("raises.ipynb", ["1 / 0"]))
    with pytest.raises(AssertionError, match="ZeroDivisionError"):
        run_all(page)


def test_complaints_of_the_page_are_collected(page: Page, complaints: Complaints) -> None:
    page.goto("lab?reset")
    # `reset` loads the page a second time: what is said before that is lost with the first one
    page.wait_for_function("() => window.jupyterapp?.restored.then(() => true)")
    page.evaluate("() => { console.error('said'); setTimeout(() => { throw new Error('thrown'); }); }")
    for _ in range(50):
        page.wait_for_timeout(100)
        if "thrown" in "\n".join(complaints.messages):
            break
    found = "\n".join(complaints.messages)
    complaints.messages.clear()
    assert "said" in found
    assert "thrown" in found


def test_both_themes(page: Page) -> None:
    page.goto("lab?reset")
    page.wait_for_function("() => window.jupyterapp?.restored.then(() => true)")
    for dark in (True, False):
        set_theme(page, dark=dark)


def test_the_server_loaded_our_extension(lab: Lab) -> None:
    try:
        distribution("nnworkbench")
    except PackageNotFoundError:
        pytest.skip("the package itself is not installed here; make test installs it")
    assert "workbench._server | extension was successfully loaded" in lab.log.read_text()
