"""Finds the Chromium that the browser tests drive; as a script, installs one where that is possible.

Playwright's own browser is not used: it is a download that many machines may not make, and any recent Chromium does.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence

NAMES = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
)
PACKAGES = ("chromium", "fonts-dejavu-core")
HELP = """\
The browser tests need Chromium or Google Chrome, and none was found. Do one of these, then run make test again:
  Debian, as root:  apt-get update && apt-get install chromium
  elsewhere:        install Chromium or Chrome, and name it if it is not on PATH: export CHROMIUM=/path/to/chromium"""


def works(program: str) -> bool:
    """Whether `program` runs: Ubuntu's `chromium` may be a stub that only says how to install the real one."""
    try:
        answer = subprocess.run([program, "--version"], capture_output=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return answer.returncode == 0


def find() -> str | None:
    """The path of a working Chromium: the one named by CHROMIUM, and no other if that is set; else the first found."""
    named = os.environ.get("CHROMIUM")
    found = (shutil.which(name) for name in ([named] if named else NAMES))
    return next((program for program in found if program and works(program)), None)


def install(packages: Sequence[str] = PACKAGES) -> None:
    """Ask apt-get for packages (Chromium), as root or with sudo without a password; silent where there is neither."""
    apt, sudo = shutil.which("apt-get"), shutil.which("sudo")
    if not apt:
        return
    as_root: list[str] = []
    if os.geteuid() != 0:
        if not sudo or subprocess.run([sudo, "-n", "true"], capture_output=True, check=False).returncode:
            return
        as_root = [sudo, "-n"]
    command = [*as_root, "env", "DEBIAN_FRONTEND=noninteractive", apt, "-qq", "-y"]
    for step in (["update"], ["install", "--no-install-recommends", *packages]):
        subprocess.run([*command, *step], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=False)


def main() -> None:
    """Print the path of a Chromium, installing one first if need be; exit with what to do where there is none."""
    if not find():
        print("no Chromium found: asking apt-get for one", file=sys.stderr)
        install()
    program = find()
    if not program:
        sys.exit(HELP)
    print(f"browser tests use {program}")


if __name__ == "__main__":
    main()
