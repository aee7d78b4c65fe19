"""The command line as a program: its help, its start, its progress, and how it ends."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import workbench
from commands import CENTER, fails, run
from workbench.cli import options, progress_bar, tutorials
from workbench.examples import NAMES
from workbench.methods.named import EVERY
from workbench.model import FORMATS

TOY = ("--center", "example:0", "--eps", "0.25")


def program(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "workbench.cli", *arguments]


def test_every_help_has_an_example() -> None:
    assert run("--version").stdout == f"{workbench.__version__}\n"
    top = run("--help").stdout
    assert run().stdout == top
    assert all(f"example:{name}" in top for name in NAMES)
    for command in ("show", "bounds", "rounding", "lab"):
        assert f"workbench {command}" in top
        assert f"    workbench {command}" in run(command, "--help").stdout


def test_the_choices_are_those_of_the_package() -> None:
    assert "|".join(EVERY) == options.METHODS
    assert "|".join(FORMATS) == options.FORMATS


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("bounds",), "missing argument 'NET' (see workbench bounds --help)"),
        (("frobnicate",), "no such command 'frobnicate' (see workbench --help)"),
        (("bounds", "example:toy", "--methd", "x"), "no such option: --methd"),
        (("bounds", "example:toy", "--eps", "much"), "invalid value for '--eps'"),
        (
            ("bounds", "example:toy", "--method", "foo"),
            "must be one of ibp, crown-ibp, crown, alpha-crown, zonotope",
        ),
        (
            ("rounding", "example:toy", "--format", "f9"),
            "choose one of binary64, binary32, binary16, bfloat16, tf32, e4m3fn, e5m2, e2m3fn, e3m2fn",
        ),
    ],
)
def test_wrong_usage_is_one_sentence_too(arguments: tuple[str, ...], says: str) -> None:
    assert says in fails(2, *arguments)


def test_other_spellings_of_choices_are_understood() -> None:
    same = [
        run("bounds", "example:toy", *TOY, "--method", m, "--json").stdout for m in ("crown-ibp", "CROWN_IBP")
    ]
    assert same[0] == same[1] != ""
    same = [
        run("rounding", "example:toy", *TOY, "--format", f, "--json").stdout for f in ("binary16", "float16")
    ]
    assert same[0] == same[1] != ""


def test_both_commands_take_the_same_region_options() -> None:
    shown = [run(command, "--help").stdout for command in ("bounds", "rounding")]
    for option in ("--vnnlib", "--box", "--center", "--eps", "--norm", "--clip"):
        assert all(option in text for text in shown)


def test_the_tutorials_of_an_installed_package_are_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "site/workbench"
    for folder in ("cli", "tutorials"):
        (package / folder).mkdir(parents=True)
    (package / "tutorials/01-open-a-network.ipynb").write_text("carried")
    monkeypatch.setattr(tutorials, "__file__", str(package / "cli/tutorials.py"))
    here = tmp_path / "here"
    here.mkdir()
    target = tutorials.folder(here)
    assert target == here / "workbench-tutorials"
    assert (target / "01-open-a-network.ipynb").read_text() == "carried"
    (target / "01-open-a-network.ipynb").write_text("tried out")
    assert (tutorials.folder(here) / "01-open-a-network.ipynb").read_text() == "tried out"
    (here / "tutorials").mkdir()
    (here / "tutorials/01-open-a-network.ipynb").write_text("a checkout's")
    assert tutorials.folder(here) == here / "tutorials"


def test_starting_imports_nothing_heavy() -> None:
    """The help must come at once, and bounds must not wait for a notebook's libraries."""
    heavy = (
        "numpy",
        "onnx",
        "traitlets",
        "plotly",
        "ipywidgets",
        "anywidget",
        "jupyterlab",
        "tqdm",
        "networkx",
    )
    code = f"import sys, workbench.cli; print([m for m in {heavy} if m in sys.modules])"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        == "[]\n"
    )
    views = ("plotly", "ipywidgets", "anywidget", "IPython")
    code = f"import sys, workbench; workbench.examples.toy().bounds(); print([m for m in {views} if m in sys.modules])"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        == "[]\n"
    )


def test_output_that_nobody_reads_is_no_error() -> None:
    done = subprocess.run(
        ["sh", "-c", '"$@" | head -c 10', "sh", *program("bounds", "example:digits", *CENTER, "--json")],
        capture_output=True,
        check=False,
    )
    assert done.stdout == b'{"network"'
    assert done.stderr == b""


def open_when_read(fifo: Path) -> int:
    """Open a named pipe for writing as soon as somebody has opened it for reading."""
    for _ in range(600):
        try:
            return os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
        except OSError:
            time.sleep(0.1)
    raise TimeoutError("nobody reads the pipe")


@pytest.mark.skipif(os.name != "posix", reason="signals are sent the way POSIX does")
def test_interrupting_ends_with_130_and_no_traceback(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.csv")  # a centre that never comes: the command waits when the signal arrives
    command = program("bounds", "example:toy", "--center", str(tmp_path / "x.csv"), "--eps", "1")
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        writer = open_when_read(tmp_path / "x.csv")
        time.sleep(0.2)
        running.send_signal(signal.SIGINT)
        _, said = running.communicate(timeout=60)
        os.close(writer)
    assert running.returncode == 130
    assert said == "workbench: interrupted\n"


class Terminal(io.StringIO):
    """What the program takes for a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("stream", [Terminal(), io.StringIO()], ids=["terminal", "file"])
def test_progress_is_shown_on_a_terminal_only(stream: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", stream)
    with progress_bar("crown") as progress:
        time.sleep(0.6)  # quicker work shows no bar
        for fraction in (0.3, 0.9, 0.1, 0.2):
            progress(fraction, "conv\x1b[2J")
            time.sleep(0.15)
    shown = stream.getvalue()
    if isinstance(stream, Terminal):
        assert "crown conv\\x1b[2J" in shown
        assert all(share in shown for share in (" 30 %", " 90 %", " 0 %"))
    else:
        assert shown == ""


def test_lab_starts_jupyterlab_on_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("jupyterlab")
    started: list[list[str]] = []
    monkeypatch.setattr(os, "execv", lambda _, command: started.append(command))
    assert run("lab", tmp_path, "--no-browser", "--port", "9000").exit_code == 0
    assert run("lab", "--no-browser").exit_code == 0
    assert started[0][1:4] == ["-m", "jupyterlab", str(tmp_path)]
    assert started[0][-3:] == ["--no-browser", "--port", "9000"]
    assert Path(started[1][3]).name == "tutorials"
    assert started[1][-1] == "--no-browser"
    assert "there is no folder" in fails(2, "lab", tmp_path / "nowhere")
