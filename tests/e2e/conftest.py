"""One JupyterLab and one browser for all browser tests; a fresh page, with its complaints collected, for each."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from e2e import chromium
from e2e.lab import Complaints, Lab, screenshot, shut_down_kernels, start_lab

BROWSER_FLAGS = (
    "--headless",
    "--no-sandbox",  # a container's root cannot use Chromium's sandbox, and the only pages are our own
    "--disable-gpu",  # without a GPU the software one draws many times slower than the CPU does directly
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


# JupyterLab 4.6's own: a theme's style sheet that is taken out twice when themes change quickly. Its stack has none of
# our modules in it (ours are not in jlab_core).


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A running JupyterLab."""
    running = start_lab(tmp_path_factory.mktemp("lab"))
    yield running
    running.stop()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A running Chromium."""
    program = chromium.find()
    if program is None:
        pytest.fail(chromium.HELP)
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=program, args=list(BROWSER_FLAGS))
        yield running
        running.close()


@pytest.fixture
def complaints() -> Complaints:
    """What the test's page complained about; a test that provokes an error on purpose takes it out again."""
    return Complaints()


@pytest.fixture
def page(
    lab: Lab, browser: Browser, complaints: Complaints, request: pytest.FixtureRequest
) -> Iterator[Page]:
    """A page at `lab.url`, 1400 x 900; the test fails if it raised an uncaught error or called console.error."""
    context = browser.new_context(base_url=lab.url, viewport={"width": 1400, "height": 900})
    opened = context.new_page()
    complaints.watch(opened)
    yield opened
    screenshot(opened, f"last/{request.node.name}")
    # a page whose kernel is taken away may complain of that, so what counts is what was said before
    found = [m for m in complaints.messages if not ("removeChild" in m and "jlab_core" in m)]
    shut_down_kernels(opened)
    context.close()
    assert not found, "\n".join(["the page complained:", *found])
