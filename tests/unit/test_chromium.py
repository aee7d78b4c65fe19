"""Which browser the browser tests use, and what is said where there is none."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from e2e import chromium


def script(file: Path, text: str) -> Path:
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(0o755)
    return file


@pytest.fixture
def nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder on PATH, with `env` alone in it."""
    (tmp_path / "env").symlink_to("/usr/bin/env")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CHROMIUM", raising=False)
    return tmp_path


def test_a_stub_is_passed_over(nothing: Path) -> None:
    script(nothing / "chromium", "exit 1")
    real = script(nothing / "google-chrome", "echo 150")
    assert chromium.find() == str(real)


def test_the_named_one_and_no_other(nothing: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script(nothing / "chromium", "echo 150")
    monkeypatch.setenv("CHROMIUM", "/no/such/browser")
    assert chromium.find() is None


def test_apt_installs_one_as_root(nothing: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    browser = nothing / "chromium"
    script(
        nothing / "apt-get",
        f'echo "$@" >> {nothing}/log; case "$*" in *install*chromium*) '
        f"echo '#!/bin/sh' > {browser}; /bin/chmod +x {browser};; esac",
    )
    chromium.main()
    asked = (nothing / "log").read_text().splitlines()
    assert [line.split()[2] for line in asked] == ["update", "install"]


@pytest.mark.parametrize("root", [True, False])
def test_without_apt_or_sudo_it_says_what_to_do(
    nothing: Path, monkeypatch: pytest.MonkeyPatch, root: bool
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0 if root else 1000)
    if not root:
        script(nothing / "apt-get", f"touch {nothing}/ran")  # may not be run: there is no sudo
    with pytest.raises(SystemExit, match="apt-get install chromium"):
        chromium.main()
    assert not (nothing / "ran").exists()
