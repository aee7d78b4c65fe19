"""Rules about the repository itself: what may be committed, how long a module is, who imports whom."""

from __future__ import annotations

import ast
import functools
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from packaging.requirements import Requirement

REPOSITORY = Path(__file__).resolve().parents[2]
LONGEST_MODULE = 400
LONGEST_TEST = 500  # a test file says one thing after another: it may be longer than a module

# Lower layers first: a module imports from its own layer and from those above it in this list, never from below.
LAYERS = (
    {"op", "graph", "limits", "region", "spec", "floats", "arrays", "tables"} | {"wanted"},
    {"semantics"},
    {"ops"},
    {"methods", "certificate", "passes", "io"},
    {
        "choosing",
        "examples",
        "history",
        "live",
        "model",
        "network",
        "opening",
        "overlays",
        "relaxations",
        "reproduce",
    }
    | {"results", "settings", "shown", "statement", "steering", "verdict", "verify", "worker"}
    | {"nn", "autodiff"},
    {"views"},
    {"cli"},
)
# The one exception: Model.graph_view() and its kin make a view, and import it only then.
MAKES_VIEWS = "shown"
# Imported by everybody's first line, or by a server that must start fast: these import nothing of ours by layer.
OUTSIDE_LAYERS = {"__init__", "_server"}
# The mathematics runs without a notebook, and without a network file.
MATHEMATICS = {"graph", "op", "floats", "ops", "semantics", "methods", "certificate"}
NOT_IN_MATHEMATICS = {"traitlets", "ipywidgets", "anywidget", "plotly", "onnx"}

# Written in parts, so that this file passes its own test.
REGISTRY_HOSTS = [
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("pypi", "python", "org"),
        ("registry", "npmjs", "org"),
        ("npmjs", "com/package"),
        ("registry", "yarnpkg", "com"),
        ("deb", "debian", "org"),
        ("proxy", "golang", "org"),
        ("static", "crates", "io"),
        ("conda", "anaconda", "org"),
    )
]


@functools.cache
def committed() -> tuple[Path, ...]:
    """Every file that is tracked, or would be by `git add`."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        listed = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git repository: what is committed cannot be told")
    files = (REPOSITORY / name for name in listed.split("\0") if name)
    return tuple(file for file in files if file.is_file())


def texts() -> Iterator[tuple[str, str]]:
    """Name and content of every committed text file."""
    for file in committed():
        content = file.read_bytes()
        if b"\0" not in content[:8192]:
            yield file.relative_to(REPOSITORY).as_posix(), content.decode("utf-8", "replace")


def notebooks() -> list[Path]:
    return [file for file in committed() if file.suffix == ".ipynb"]


def test_no_committed_file_names_a_registry_or_a_path_of_this_machine() -> None:
    """Pins must work with whichever registry a machine is set up for."""
    here = [f"{folder}/" for folder in (REPOSITORY, Path.home()) if folder != Path("/")]
    found = [(name, word) for name, text in texts() for word in (*REGISTRY_HOSTS, *here) if word in text]
    assert not found


def test_the_search_for_registries_finds_one() -> None:
    assert any(host in "https://" + "pypi." + "org/simple" for host in REGISTRY_HOSTS)


def test_uv_lock_is_not_committed() -> None:
    assert not [file for file in committed() if file.name == "uv.lock"]


def test_notebooks_carry_no_outputs_and_no_widget_state() -> None:
    """Outputs are made live; a committed one may show what the code no longer does, and bundles weigh 100 kB each."""
    faults = []
    for file in notebooks():
        notebook = json.loads(file.read_text())
        if "widgets" in notebook["metadata"]:
            faults.append(f"{file.name}: metadata.widgets")
        for number, cell in enumerate(notebook["cells"]):
            if cell.get("outputs") or cell.get("execution_count") is not None:
                faults.append(f"{file.name}: cell {number}")
    assert not faults, "clear all outputs before committing"


def test_no_module_is_longer_than_400_lines() -> None:
    """Over 400 lines is a sign that two ideas share a room."""
    suffixes = (".py", ".ts", ".h", ".hpp", ".cpp", ".cu")
    long = {
        name: n
        for name, text in texts()
        if name.endswith(suffixes)
        and (n := text.count("\n")) > (LONGEST_TEST if name.startswith("tests/") else LONGEST_MODULE)
    }
    assert not long


def test_constraints_pin_every_dependency_and_carry_no_hashes_or_addresses() -> None:
    lines = (REPOSITORY / "constraints.txt").read_text().splitlines()
    assert not [line for line in lines if not re.fullmatch(r"[a-z0-9-]+==[^\s/]+( ; .+)?", line)]
    pinned = {line.split("==")[0] for line in lines}
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    asked = {Requirement(text).name for text in (*project["dependencies"], *extras["lab"], *extras["test"])}
    assert not asked - pinned, "run `make constraints`"


def test_third_party_notices_name_every_bundled_package() -> None:
    lock = json.loads((REPOSITORY / "widgets/package-lock.json").read_text())["packages"]
    bundled = {
        f"{name.rpartition('node_modules/')[2]} {entry['version']}"
        for name, entry in lock.items()
        if name and not entry.get("dev")
    }
    notices = (REPOSITORY / "THIRD_PARTY_NOTICES.md").read_text()
    assert set(re.findall(r"^## (\S+ \S+) \(", notices, re.MULTILINE)) == bundled, (
        "run `python .ci/notices.py`"
    )


def test_the_changelog_has_this_version() -> None:
    source = (REPOSITORY / "workbench/__init__.py").read_text()
    version = re.search(r'^__version__ = "(.+)"$', source, re.MULTILINE)
    assert version
    assert f"## {version[1]}" in (REPOSITORY / "CHANGELOG.md").read_text()


class Import(NamedTuple):
    """`name`: the absolute name of what is imported; `late`: not when the module is, but when a function is called."""

    name: str
    line: int
    late: bool


def imports_of(file: Path) -> Iterator[Import]:
    """What a module of ours imports when it runs (not for type checkers only)."""
    package = file.relative_to(REPOSITORY).with_suffix("").parts[:-1]

    def visit(node: ast.AST, late: bool) -> Iterator[Import]:
        children = list(ast.iter_child_nodes(node))
        match node:
            case ast.If(test=ast.Name(id="TYPE_CHECKING") | ast.Attribute(attr="TYPE_CHECKING")):
                children = list(node.orelse)
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.Lambda():
                late = True
            case ast.Import():
                yield from (Import(alias.name, node.lineno, late) for alias in node.names)
            case ast.ImportFrom():
                above = package[: len(package) - node.level + 1] if node.level else ()
                base = ".".join((*above, *filter(None, [node.module])))
                yield from (Import(f"{base}.{alias.name}", node.lineno, late) for alias in node.names)
        for child in children:
            yield from visit(child, late)

    return visit(ast.parse(file.read_text()), late=False)


def part_of(file: Path) -> str:
    """`ops` for workbench/ops/relu.py, `model` for workbench/model.py."""
    return file.relative_to(REPOSITORY / "workbench").with_suffix("").parts[0]


def ours() -> list[Path]:
    return sorted((REPOSITORY / "workbench").rglob("*.py"))


@pytest.mark.parametrize("file", ours(), ids=lambda file: file.relative_to(REPOSITORY).as_posix())
def test_imports_point_downward_only(file: Path) -> None:
    """The order is views -> model -> methods -> ops -> semantics -> op, graph, region, spec, floats, arrays."""
    layer = {part: number for number, parts in enumerate(LAYERS) for part in parts}
    part = part_of(file)
    if part in OUTSIDE_LAYERS:
        return
    assert part in layer, f"say in LAYERS, and in the architecture, where {part} stands"
    upward = []
    for name, line, late in imports_of(file):
        head, _, rest = name.partition(".")
        other = rest.partition(".")[0]
        allowed = part == MAKES_VIEWS and other == "views" and late
        if head == "workbench" and layer.get(other, -1) > layer[part] and not allowed:
            upward.append(f"{file.name}:{line} imports {name}")
    assert not upward


@pytest.mark.parametrize(
    "file",
    [file for file in ours() if part_of(file) in MATHEMATICS],
    ids=lambda file: file.relative_to(REPOSITORY).as_posix(),
)
def test_the_mathematics_imports_no_notebook(file: Path) -> None:
    found = [one for one in imports_of(file) if one.name.partition(".")[0] in NOT_IN_MATHEMATICS]
    assert not found


CHECKER = (
    "format",
    "program",
    "claim",
    "matrices",
    "packed",
    "parts",
    "reduced",
    "bounds",
    "replay",
    "check",
    "steps",
    "windows",
    "elements",
    "smooth",
    "rounding",
)
CHECKER += ("onnx_file",)


@pytest.mark.parametrize("name", CHECKER)
def test_the_checker_imports_only_itself(name: str) -> None:
    """Checking a certificate is what a sceptic reads: nothing else of ours, no NumPy, nothing that others wrote."""
    file = REPOSITORY / f"workbench/certificate/{name}.py"
    inside = tuple(f"workbench.certificate.{other}." for other in CHECKER)
    for one in imports_of(file):
        head = one.name.partition(".")[0]
        allowed = head in sys.stdlib_module_names or one.name.startswith(inside)
        assert allowed or (name in ("matrices", "smooth") and head == "flint" and one.late), (
            f"{file.name} imports {one.name}"
        )


def test_the_reader_of_imports_sees_every_form(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests above would pass if it saw nothing."""
    monkeypatch.setitem(globals(), "REPOSITORY", tmp_path)
    file = tmp_path / "workbench/ops/relu.py"
    file.parent.mkdir(parents=True)
    file.write_text(
        "import numpy as np\n"
        "from workbench import op\n"
        "from . import affine\n"
        "from ..semantics.real import add\n"
        "if TYPE_CHECKING:\n    import plotly\n"
        "def late():\n    import workbench.views\n"
    )
    assert list(imports_of(file)) == [
        ("numpy", 1, False),
        ("workbench.op", 2, False),
        ("workbench.ops.affine", 3, False),
        ("workbench.semantics.real.add", 4, False),
        ("workbench.views", 8, True),
    ]
