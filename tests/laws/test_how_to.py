"""docs/how-to/adding-an-operator.md, followed literally in a copy of the repository."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from shutil import copy, copytree, ignore_patterns

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "how-to" / "adding-an-operator.md"


@pytest.mark.slow
def test_following_the_page_adds_an_operator_that_the_laws_accept(tmp_path: Path) -> None:
    if not PAGE.is_file():
        pytest.skip("this copy of the tests has no docs beside it")
    skip = ignore_patterns("__pycache__", "static", "*.onnx")
    copytree(ROOT / "workbench", tmp_path / "workbench", ignore=skip)
    copytree(ROOT / "tests" / "laws", tmp_path / "tests" / "laws", ignore=skip)
    for file in ("pyproject.toml", "tests/conftest.py", "tests/networks.py"):
        copy(ROOT / file, tmp_path / file)
    (tmp_path / "tutorials").mkdir()
    blocks = re.findall(r"```python\n# (\S+)\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert [path for path, _ in blocks] == [
        "workbench/ops/softsign.py",
        "tests/laws/strategies.py",
    ]
    (operator, text), (examples, entry) = blocks
    (tmp_path / operator).write_text(text)
    with (tmp_path / examples).open("a") as file:
        file.write("\n\n" + entry)
    command, *_ = re.findall(r"^    (pytest .*)$", PAGE.read_text(), re.MULTILINE)
    assert command == "pytest tests/laws -k Softsign"
    run = subprocess.run(
        [sys.executable, "-m", *command.split(), "-q", "-p", "no:cacheprovider"],
        cwd=tmp_path,
        env=os.environ | {"CI": "1", "PYTHONPATH": str(tmp_path), "HYPOTHESIS_PROFILE": ""},
        capture_output=True,
        text=True,
        timeout=250,
        check=False,
    )
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-1000:]
    passed = re.search(r"(\d+) passed", run.stdout)
    assert passed, run.stdout[-500:]
    assert int(passed[1]) >= 15
    # "nothing else names an operator": the ledger, the table and the documents are as they were
    assert _runs(tmp_path, "tests/unit/test_documents.py", "-k", "ledger or all_explained")


def _runs(folder: Path, *what: str) -> bool:
    """Whether tests that are not about the new operator still pass beside it."""
    for part in ("docs", "tests/unit", "workbench/examples"):
        copytree(ROOT / part, folder / part, dirs_exist_ok=True, ignore=ignore_patterns("__pycache__"))
    for part in ("TRUST.md", "README.md", "tests/commands.py"):
        copy(ROOT / part, folder / part)
    run = subprocess.run(
        [sys.executable, "-m", "pytest", *what, "-q", "-p", "no:cacheprovider"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert run.returncode == 0, run.stdout[-3000:]
    return " passed" in run.stdout
