"""Where the tutorials are: a checkout's own, or a copy of those that the installed package carries."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import typer

COPY = "workbench-tutorials"


def folder(here: Path | None = None) -> Path:
    """A folder with the tutorials in it that can be written to.

    In a checkout it is ``tutorials/`` itself.  An installed package's own files must not be changed by who tries things
    out: they are copied to ``workbench-tutorials/`` in the present folder (or at home, or to a temporary place, where
    that cannot be written to).  What is there already is left as it is.
    """
    here = Path() if here is None else here
    package = Path(__file__).resolve().parents[1]
    checkout = package.parent / "tutorials"
    for own in (here / "tutorials", checkout):
        if (own / "01-open-a-network.ipynb").is_file():
            return own
    carried = package / "tutorials"
    if not carried.is_dir():
        return here
    for place in (here, Path.home(), Path(tempfile.gettempdir())):
        try:
            target = place / COPY
            target.mkdir(exist_ok=True)
            for notebook in sorted(carried.glob("*.ipynb")):
                if not (target / notebook.name).exists():
                    shutil.copyfile(notebook, target / notebook.name)
        except OSError:
            continue
        typer.echo(f"workbench: the tutorials are in {target.resolve()}", err=True)
        return target
    return here
