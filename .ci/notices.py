"""Writes THIRD_PARTY_NOTICES.md: the licence of every package whose code is in the front end's bundle.

Run it after `npm ci` in widgets/: `python .ci/notices.py`. With --check it only says whether the file is up to date.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
WIDGETS, TARGET = ROOT / "widgets", ROOT / "THIRD_PARTY_NOTICES.md"
HEAD = """\
# Third-party notices

NN Workbench is under the MIT licence (LICENSE). Its built front end, `workbench/static/*.js`, contains code of these
packages, each under its own licence. What is only used to build or to test is not in it. Written by `.ci/notices.py`.
"""


def bundled() -> list[str]:
    """Folders (node_modules/NAME) of the packages that the bundle may contain, by the lock file."""
    lock = json.loads((WIDGETS / "package-lock.json").read_text())
    return sorted(name for name, entry in lock["packages"].items() if name and not entry.get("dev"))


def notice(folder: str) -> str:
    """One package's section: name, version, kind of licence, its text."""
    package = json.loads((WIDGETS / folder / "package.json").read_text())
    texts = sorted(f for f in (WIDGETS / folder).iterdir() if f.name.lower().startswith(("licen", "copying")))
    if not texts:
        sys.exit(f"{folder} has no licence file: add its notice by hand")
    title = f"## {package['name']} {package['version']} ({package['license']})"
    return "\n\n".join([title, *(f"```text\n{file.read_text().strip()}\n```" for file in texts)]) + "\n"


def main() -> None:
    """Write the file, or compare it."""
    if not (WIDGETS / "node_modules").is_dir():
        sys.exit("run `npm ci` in widgets/ first")
    text = "\n".join([HEAD, *map(notice, bundled())])
    if sys.argv[1:] == ["--check"]:
        sys.exit(
            None
            if TARGET.read_text() == text
            else "THIRD_PARTY_NOTICES.md is out of date: run .ci/notices.py"
        )
    TARGET.write_text(text)


if __name__ == "__main__":
    main()
