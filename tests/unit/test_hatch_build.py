"""When the front end is built again, and with which Node.js."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import hatch_build


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A repository whose bundle is fresh."""
    for name, text in {
        "widgets/src/core/a.ts": "export const a = 1;\n",
        "widgets/src/core/a.test.ts": "test\n",
        "widgets/package-lock.json": "{}\n",
        "workbench/static/graph.js": "built\n",
    }.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    (tmp_path / "workbench/static/sources.sha256").write_text(hatch_build.source_hash(tmp_path))
    return tmp_path


def program(folder: Path, name: str, says: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\necho {says}\n")
    (folder / name).chmod(0o755)


def test_a_fresh_bundle_is_not_built_again(tree: Path) -> None:
    assert not hatch_build.stale(tree)
    for file in tree.rglob("*.ts"):
        os.utime(file, (2e9, 2e9))  # newer than the bundle, and the same text
    assert not hatch_build.stale(tree)


@pytest.mark.parametrize("changed", ["src/core/a.ts", "src/core/new.css", "package-lock.json"])
def test_a_changed_source_makes_it_stale(tree: Path, changed: str) -> None:
    (tree / "widgets" / changed).write_text("changed")
    assert hatch_build.stale(tree)


@pytest.mark.parametrize(
    "removed", ["widgets/src/core/a.ts", "workbench/static/graph.js", "workbench/static/sources.sha256"]
)
def test_a_removed_file_makes_it_stale(tree: Path, removed: str) -> None:
    (tree / removed).unlink()
    assert hatch_build.stale(tree)


def test_a_changed_test_does_not(tree: Path) -> None:
    (tree / "widgets/src/core/a.test.ts").write_text("another test")
    assert not hatch_build.stale(tree)


def test_a_node_that_is_too_old_is_passed_over(tmp_path: Path) -> None:
    old, half, new = (tmp_path / name for name in ("old", "half", "new"))
    program(old, "node", "v18.19.0")
    program(old, "npm", "9")
    program(half, "node", "v22.0.0")  # no npm beside it
    program(new, "node", "v20.19.1")
    program(new, "npm", "11")
    path = os.pathsep.join(map(str, (old, half, new)))
    assert hatch_build.node_path(path) == os.pathsep.join([str(new), path])
    assert hatch_build.node_path(f"{old}{os.pathsep}{half}") is None


@pytest.mark.parametrize(
    ("stale", "node", "skip", "asked_for"),
    [
        (True, None, "0", [hatch_build.NODE_FROM_PIP]),
        (True, "/usr/bin", "0", []),
        (True, None, "1", []),
        (False, None, "0", []),
    ],
)
def test_node_is_asked_for_only_when_it_is_needed(
    monkeypatch: pytest.MonkeyPatch, stale: bool, node: str | None, skip: str, asked_for: list[str]
) -> None:
    monkeypatch.setattr(hatch_build, "stale", lambda: stale)
    monkeypatch.setattr(hatch_build, "node_path", lambda: node)
    monkeypatch.setenv("WORKBENCH_SKIP_JS", skip)
    hook = hatch_build.FrontEndHook("", {}, None, None, "", "")  # type: ignore[arg-type]
    assert hook.dependencies() == asked_for
