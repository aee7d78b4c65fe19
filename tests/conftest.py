"""What all tests share: the order in which they run, Hypothesis's settings, and where the reference data is."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadScopeScheduling

REPOSITORY = Path(__file__).resolve().parents[1]
# Quick answers first. The browser tests come last also because Playwright leaves an event loop in this thread.
ORDER = ("unit", "laws", "golden", "fuzz", "tutorials", "e2e")

# A slow example on a busy machine is no bug, so there is no deadline. CI draws the same examples every time: a failure
# there is the change's own. Locally they are new ones each time, which is how rare errors are found.
ALWAYS = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("local", **ALWAYS, print_blob=True)
settings.register_profile("ci", **ALWAYS, derandomize=True)
settings.register_profile("thorough", **ALWAYS, print_blob=True, max_examples=2000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") else "local"))


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Doctests are looked for in `workbench/`: helpers of the tests are only imported, once, under their own name."""
    name = collection_path.name
    return True if name.endswith(".py") and not name.startswith(("test_", "conftest")) else None


def _place(item: pytest.Item) -> int:
    folders = item.path.relative_to(REPOSITORY).parts if item.path.is_relative_to(REPOSITORY) else ()
    return next((ORDER.index(folder) for folder in folders if folder in ORDER), 0)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort by ORDER, and mark the browser tests, so that `-m "not e2e"` leaves them out."""
    items.sort(key=_place)
    for item in items:
        if _place(item) == ORDER.index("e2e"):
            item.add_marker("e2e")


class OneByOne(LoadScopeScheduling):
    """Deals tests out to several processes one by one, for laws and examples take seconds each or none.

    But the cells of a notebook belong together. (Each process has a JupyterLab of its own for the browser tests.)
    """

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return file if file.endswith(".ipynb") else nodeid


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> OneByOne:
    """With ``-n``: in the order of the collection, so that the browser tests come last here too."""
    config.option.loadscopereorder = False
    return OneByOne(config, log)


@pytest.fixture(scope="session")
def bench_data() -> Path:
    """The folder of reference networks and bounds beside the repository; skips the test where it is absent."""
    folder = REPOSITORY.parent / "shared" / "bench"
    if not folder.is_dir():
        pytest.skip("the reference networks and bounds (../shared/bench) are not on this machine")
    return folder
