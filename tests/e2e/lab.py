"""A real JupyterLab for the browser tests, and what a person does in it: open a notebook, run it, look.

The server has its own folders for settings, data and workspaces, so that nothing of the person running the tests
leaks in, and serves a copy of `tutorials/`, so that nothing the tests save leaks out.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import nbformat
from playwright.sync_api import ConsoleMessage, Page

REPOSITORY = Path(__file__).resolve().parents[2]
FLAGS = (
    "--no-browser",
    "--allow-root",
    "--ip=127.0.0.1",
    "--ServerApp.port_retries=0",
    "--IdentityProvider.token=",
    "--ServerApp.password=",
    # Lets a test run commands ("run all cells") and ask for the kernel's state, through window.jupyterapp.
    "--LabApp.expose_app_in_browser=True",
)
SETTINGS = {
    # The offer of news, and of a new version, cover the page.
    "@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False},
    # Run-all would otherwise leave the last cell scrolled away while a test looks at the first.
    "@jupyterlab/notebook-extension:tracker": {"windowingMode": "none"},
}


@dataclass
class Lab:
    """A running JupyterLab: `url` (ends in a slash), `root` (the folder it serves), `log` (what it wrote)."""

    url: str
    root: Path
    log: Path
    process: subprocess.Popen[bytes]

    def write_notebook(self, name: str, cells: Sequence[str]) -> str:
        """Write a notebook of code cells into the served folder; its path, as `open_notebook` takes it."""
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in cells])
        notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
        nbformat.write(notebook, self.root / name)
        return name

    def stop(self) -> None:
        """End the server, and with it the kernels."""
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(20)


def free_port() -> int:
    """A TCP port that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start_lab(folder: Path, seconds: float = 60) -> Lab:
    """Start JupyterLab with everything it keeps under `folder`; RuntimeError with its log if it is not up in time."""
    root, port = folder / "root", free_port()
    tutorials = REPOSITORY / "tutorials"
    ignored = shutil.ignore_patterns(".ipynb_checkpoints", "__pycache__")
    if tutorials.is_dir():
        shutil.copytree(tutorials, root / "tutorials", ignore=ignored)
    root.mkdir(exist_ok=True)
    overrides = folder / "config/labconfig/default_setting_overrides.json"
    overrides.parent.mkdir(parents=True)
    overrides.write_text(json.dumps(SETTINGS))
    private = {
        "JUPYTER_CONFIG_DIR": "config",
        "JUPYTER_DATA_DIR": "data",
        "JUPYTER_RUNTIME_DIR": "runtime",
        "JUPYTERLAB_SETTINGS_DIR": "settings",
        "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
        "IPYTHONDIR": "ipython",
    }
    # The environment's own kernel and server extensions before any that are installed for the whole machine.
    environment = {**os.environ, "JUPYTER_PREFER_ENV_PATH": "1"}
    environment |= {name: str(folder / part) for name, part in private.items()}
    log = folder / "jupyterlab.log"
    command = [sys.executable, "-m", "jupyterlab", *FLAGS, f"--port={port}", f"--ServerApp.root_dir={root}"]
    with log.open("wb") as out:
        process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
    lab = Lab(f"http://127.0.0.1:{port}/", root, log, process)
    end = time.monotonic() + seconds
    while process.poll() is None and time.monotonic() < end:
        try:
            with urlopen(lab.url + "api/status", timeout=5):  # noqa: S310  # our own server, over http
                return lab
        except (URLError, OSError):
            time.sleep(0.1)
    lab.stop()
    raise RuntimeError(f"JupyterLab was not up after {seconds} s. Its log:\n{log.read_text()[-4000:]}")


@dataclass
class Complaints:
    """What a page complained about: uncaught errors and console.error. JupyterLab itself gives no cause for any."""

    messages: list[str] = field(default_factory=list)

    def watch(self, page: Page) -> None:
        """Collect from now on."""
        page.on("pageerror", lambda error: self.messages.append(f"uncaught: {error.message}\n{error.stack}"))
        page.on("console", self._console)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.messages.append(f"console.error: {message.text} ({message.location.get('url', '')})")


# Whether the notebook in front has a kernel with nothing to do.
IDLE = """() => {
    const panel = window.jupyterapp?.shell.currentWidget;
    const kernel = panel?.sessionContext?.session?.kernel;
    return panel?.context?.isReady && kernel?.connectionStatus === 'connected' && kernel?.status === 'idle';
}"""
# Runs all cells; then the outputs of the kind "error", as the notebook's model holds them.
RUN_ALL = """async () => {
    await window.jupyterapp.commands.execute('notebook:run-all-cells');
    const found = [];
    for (const cell of window.jupyterapp.shell.currentWidget.content.model.cells)
        for (const output of cell.type === 'code' ? cell.outputs.toJSON() : [])
            if (output.output_type === 'error') found.push(`${output.ename}: ${output.evalue}`);
    return found;
}"""
RUN_CODE = """async code => {
    const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
    const { content } = await kernel.requestExecute({ code, store_history: false }).done;
    return content.status === 'error' ? `${content.ename}: ${content.evalue}` : null;
}"""
SET_THEME = "name => window.jupyterapp.commands.execute('apputils:change-theme', { theme: name })"
SHUT_DOWN = "() => window.jupyterapp?.serviceManager.sessions.shutdownAll()"


def wait_idle(page: Page, seconds: float = 60) -> None:
    """Wait until the kernel of the notebook in front is connected and idle."""
    page.wait_for_function(IDLE, timeout=seconds * 1000)


def open_notebook(page: Page, path: str) -> None:
    """Open the notebook at `path` (relative to the served folder) in a clean workspace; wait for an idle kernel."""
    page.goto(f"lab/tree/{path}?reset")
    page.locator(".jp-Notebook").wait_for(timeout=60_000)
    wait_idle(page)


def run_all(page: Page) -> None:
    """Run every cell of the notebook in front and wait for the end; AssertionError where a cell raised."""
    raised = page.evaluate(RUN_ALL)
    wait_idle(page)
    assert not raised, f"cells raised: {raised}"


def run_code(page: Page, code: str) -> None:
    """Execute `code` in the kernel of the notebook in front, outside its cells; AssertionError where it raised."""
    raised = page.evaluate(RUN_CODE, code)
    wait_idle(page)
    assert raised is None, raised


def set_theme(page: Page, *, dark: bool) -> None:
    """Switch JupyterLab's theme."""
    page.evaluate(SET_THEME, "JupyterLab Dark" if dark else "JupyterLab Light")
    page.wait_for_function("dark => document.body.dataset.jpThemeLight === String(!dark)", arg=dark)


def shut_down_kernels(page: Page) -> None:
    """End every kernel of the server: each holds some 100 MB."""
    page.evaluate(SHUT_DOWN)


def screenshot(page: Page, name: str) -> Path | None:
    """Write NAME.png to the folder named by WORKBENCH_SHOTS; its path, or None where that is not set."""
    folder = os.environ.get("WORKBENCH_SHOTS")
    if not folder:
        return None
    target = Path(folder).resolve() / f"{name}.png"
    target.parent.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=target)
    return target
