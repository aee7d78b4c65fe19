"""The archives: what they carry, and that they install and show a widget on a machine without Node.js."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from types import SimpleNamespace

import pytest

import hatch_build
from workbench import _server

REPOSITORY = Path(__file__).resolve().parents[2]
SITE_PACKAGES = Path(sysconfig.get_path("purelib"))
BUNDLES = sorted(file.name for file in (REPOSITORY / "workbench/static").glob("*.js"))

# Run by the Python of the clean environment: exits with what is wrong, or prints the size of the widget's code.
SHOW_A_WIDGET = """
import pathlib, sys, workbench, workbench.views as views
home = pathlib.Path(workbench.__file__).resolve()
if not home.is_relative_to(pathlib.Path(sys.prefix).resolve()):
    sys.exit(f"imported from {home}, not from the installed package")
from workbench import examples
view = examples.digits().graph_view()
if "text/plain" not in view._repr_mimebundle_()[0]:
    sys.exit("it shows nothing")
print(len(str(view._esm)))
"""


def run(*command: str | Path, **options: object) -> str:
    """Run a program and return what it printed; AssertionError with that where it failed."""
    done = subprocess.run(
        [*map(str, command)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        **options,  # type: ignore[call-overload]  # cwd and env
    )
    assert done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stdout[-4000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def without_node(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment, with a PATH on which there is no node and no npm."""
    programs = tmp_path_factory.mktemp("bin")
    for name in ("sh", "env", "git", "uname"):
        if found := shutil.which(name):
            (programs / name).symlink_to(found)
    assert shutil.which("node", path=str(programs)) is None
    return {**os.environ, "PATH": str(programs), "PYTHONNOUSERSITE": "1"}


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory, without_node: dict[str, str]) -> SimpleNamespace:
    """The source archive, and the wheel that is built from it (not from this folder), without Node.js."""
    assert not hatch_build.stale(), "the bundle is stale: run `make build`"
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, REPOSITORY, env=without_node)
    return SimpleNamespace(sdist=next(folder.glob("*.tar.gz")), wheel=next(folder.glob("*.whl")))


def clean_environment(folder: Path) -> Path:
    """An empty virtual environment that sees the packages that ours depends on; its Python.

    The .pth file adds a folder to the search path without executing the .pth files in it, so an editable
    installation of this repository is not seen.
    """
    run(sys.executable, "-m", "venv", "--without-pip", folder)
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    site = run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip()
    (Path(site) / "dependencies.pth").write_text(f"{SITE_PACKAGES}\n")
    return python


def members(archive: Path) -> set[str]:
    """Names in a wheel, or in a source archive without its top folder."""
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            return set(wheel.namelist())
    with tarfile.open(archive) as sdist:
        return {name.partition("/")[2] for name in sdist.getnames()}


@pytest.mark.slow
def test_the_wheel_carries_the_bundle_the_types_and_the_licences(archives: SimpleNamespace) -> None:
    names = members(archives.wheel)
    assert BUNDLES
    assert {f"workbench/static/{name}" for name in BUNDLES} <= names
    assert "workbench/py.typed" in names
    for licence in ("LICENSE", "THIRD_PARTY_NOTICES.md"):
        assert any(name.endswith(f".dist-info/licenses/{licence}") for name in names)
    enabled = ".data/data/etc/jupyter/jupyter_server_config.d/nnworkbench.json"
    assert any(name.endswith(enabled) for name in names)
    assert not [name for name in names if "node_modules" in name or name.startswith(("tests/", "widgets/"))]
    notebooks = {f"workbench/tutorials/{file.name}" for file in (REPOSITORY / "tutorials").glob("*.ipynb")}
    assert notebooks
    assert notebooks <= names


@pytest.mark.slow
def test_the_source_archive_carries_the_bundle_and_its_sources(archives: SimpleNamespace) -> None:
    names = members(archives.sdist)
    assert {f"workbench/static/{name}" for name in BUNDLES} <= names
    assert {"widgets/package.json", "widgets/package-lock.json", "hatch_build.py", "constraints.txt"} <= names
    assert {"tools/train_examples.py", "tutorials/01-open-a-network.ipynb"} <= names
    assert not [name for name in names if "node_modules" in name]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["wheel", "sdist"])
def test_an_installed_archive_shows_a_widget_without_node(
    kind: str, archives: SimpleNamespace, without_node: dict[str, str], tmp_path: Path
) -> None:
    python = clean_environment(tmp_path / "env")
    # `pip --python` came with pip 22.3, so every supported Python's own pip has it.
    pip = (sys.executable, "-m", "pip", "--python", python)
    run(*pip, "install", "--no-deps", "--no-build-isolation", getattr(archives, kind), env=without_node)
    size = run(python, "-c", SHOW_A_WIDGET, env=without_node, cwd=tmp_path).split()[-1]
    assert int(size) > 10_000, "the widget's code is missing"
    enabled = tmp_path / "env/etc/jupyter/jupyter_server_config.d/nnworkbench.json"
    assert json.loads(enabled.read_text())["ServerApp"]["jpserver_extensions"] == {"workbench._server": True}


@pytest.fixture
def installed() -> dict[str, str]:
    """An environment whose PATH begins with the scripts of this Python; skips where ours is not installed in it."""
    try:
        distribution("nnworkbench")
    except PackageNotFoundError:
        pytest.skip("the package itself is not installed here; make test installs it")
    path = os.pathsep.join([sysconfig.get_path("scripts"), os.environ.get("PATH", os.defpath)])
    return {**os.environ, "PATH": path, "JUPYTER_PREFER_ENV_PATH": "1"}


def test_installing_enables_the_server_extension(installed: dict[str, str]) -> None:
    listed = run("jupyter", "server", "extension", "list", env=installed)
    plain = re.sub(r"\x1b\[\d*m", "", listed)
    assert "workbench._server enabled\n" in plain
    assert f"workbench._server {_server.__version__} OK\n" in plain


def test_the_server_extension_sets_tcp_nodelay_when_a_websocket_opens() -> None:
    calls: list[object] = []

    class Connection:
        websocket_handler = SimpleNamespace(set_nodelay=calls.append)

        def connect(self) -> str:
            calls.append("connected")
            return "what the base class returned"

    settings: dict[str, type] = {_server.SETTING: Connection}
    server = SimpleNamespace(web_app=SimpleNamespace(settings=settings))
    _server._load_jupyter_server_extension(server)
    assert settings[_server.SETTING]().connect() == "what the base class returned"
    assert calls == [True, "connected"]


def test_the_setting_that_the_server_extension_replaces_is_the_servers_own() -> None:
    """Fails when jupyter_server renames it: the extension would then do nothing, or stop the server."""
    source = distribution("jupyter_server").locate_file("jupyter_server/services/kernels/websocket.py")
    assert f'"{_server.SETTING}"' in Path(str(source)).read_text()


def test_repo2docker_accepts_the_repository(tmp_path: Path) -> None:
    answer = run(sys.executable, "-m", "repo2docker", "--no-build", "--debug", REPOSITORY, cwd=tmp_path)
    assert 'pip install --no-cache-dir -r "binder/requirements.txt"' in answer
    assert "RUN ./binder/postBuild" in answer


def test_binder_requirements_install() -> None:
    """As repo2docker does it, from the repository's root, less the download of what we depend on."""
    options = ("--dry-run", "--no-deps", "--no-build-isolation", "--quiet", "--report", "-")
    answer = run(
        sys.executable, "-m", "pip", "install", *options, "-r", "binder/requirements.txt", cwd=REPOSITORY
    )
    report = json.loads(answer[answer.index("{") :])
    assert [item["metadata"]["name"] for item in report["install"]] == ["nnworkbench"]
    assert report["install"][0]["requested_extras"] == ["lab"]


def test_binder_finds_that_the_image_works(installed: dict[str, str]) -> None:
    answer = run("bash", "binder/postBuild", cwd=REPOSITORY, env=installed)
    assert "workbench._server" in answer
