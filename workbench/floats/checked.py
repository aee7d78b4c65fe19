"""Checked facts: a library function's largest error, found by trying all inputs on this machine, kept and not trusted.

A rounding bound assumes how exact exp, tanh and their kin are.  `floats.libm` tries every input of a function; what it
found for NumPy is kept in a file, and takes the assumption's place in the ledger of a verdict made on the same machine.
The file is no authority: it is believed only where

* its checksum is right, it belongs to this version of the library and this processor, all inputs were tried and no
  answer was wrong in kind;
* the answers to some inputs, chosen anew each time, and to those about the worst one, computed again now, hash to what
  the file says (each chunk's are hashed onto the hash of the chunks before) and err by no more than it says, and
  the worst input errs by exactly as much.

So another library, processor or path through the library is found out, and damage.  It is a spot check: who rewrites
the file with a figure that is true of most parts and false of a few is usually believed, so that the numbers in bounds
stay the assumed ones; only the ledger's words change.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from workbench.floats import libm
from workbench.floats.bits import decode, encode
from workbench.floats.format import BINARY16, BINARY32, Format
from workbench.floats.functions import sigmoid
from workbench.floats.rounding import round_to
from workbench.graph import Array

FORMAT = "workbench.libm.v1"
SAMPLED = 3  # chunks that are computed again
Implementation = Callable[[Array], Array]


class Disbelieved(ValueError):
    """A file whose claim is not taken for true: the message says why."""


@dataclass(frozen=True, slots=True)
class Fact:
    """What was found about a function of a library.

    Parameters
    ----------
    library : its name and version, such as "numpy 2.4.6".
    machine : the processor.
    scan : all inputs, tried.
    """

    library: str
    machine: str
    scan: libm.Scan

    def sentence(self) -> str:
        """The fact, for a ledger."""
        s = self.scan
        return (
            f"{self.library} on this machine: all {s.total:,} inputs were tried, in whole arrays, and err by at most "
            f"{s.most} ulp (answers {s.digest[:16]}; a few parts of the record were computed again, not all)"
        )


def folder() -> Path:
    """Where facts are kept: below the user's cache, or where NNWORKBENCH_CACHE says."""
    own = os.environ.get("NNWORKBENCH_CACHE")
    if own:
        return Path(own) / "libm"
    home = Path.home()
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA", home / "AppData" / "Local"))
    elif sys.platform == "darwin":
        base = home / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache")
    return base / "nnworkbench" / "libm"


def machine() -> str:
    """The processor, as far as answers may depend on it: its architecture, and what NumPy found that it can do."""
    core = import_module("numpy._core._multiarray_umath")  # private: absent, it says less about the processor
    features = getattr(core, "__cpu_features__", {})
    able = ",".join(sorted(k for k, v in features.items() if v))
    return f"{platform.system()} {platform.machine()} {hashlib.sha256(able.encode()).hexdigest()[:12]}"


def numpys(function: str, form: Format) -> Implementation:
    """How this package computes a function in a format: NumPy's own, or in binary64 and rounded once.

    Raises
    ------
    ValueError
        A function that it does not compute.
    """
    f: Any = sigmoid if function == "sigmoid" else getattr(np, function, None)
    if f is None:
        raise ValueError(f"NumPy has no {function}")
    if form in (BINARY32, BINARY16):
        return lambda x: np.asarray(f(x))
    return lambda x: round_to(f(np.asarray(x, np.float64)), form)


def library() -> str:
    """The library that `numpys` is about."""
    return f"numpy {np.__version__}"


def path_of(name: str, function: str, form: str) -> Path:
    """The file of a fact; `name` is the library's, without its version."""
    return folder() / f"{name}-{function}-{form}.json"


def save(path: Path, name: str, where: str, scan: libm.Scan, chain: list[str]) -> None:
    """Write what was found so far; the file appears whole or not at all.

    Parameters
    ----------
    chain : the scan's digest after each chunk.
    """
    body = {
        "format": FORMAT,
        "library": name,
        "machine": where,
        "scan": asdict(scan),
        "chain": "".join(chain),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    part.write_text(json.dumps({**body, "sha256": _sum(body)}), encoding="utf-8")
    part.replace(path)


def load(path: Path) -> tuple[str, str, libm.Scan, list[str]]:
    """What `save` wrote, its checksum compared and nothing else.

    Raises
    ------
    Disbelieved
        No such file, or one that is damaged.
    """
    try:
        body = json.loads(path.read_text(encoding="utf-8"))
        said = body.pop("sha256")
        scan = libm.Scan.from_text(json.dumps(body["scan"]))
        chain = [body["chain"][i : i + 64] for i in range(0, len(body["chain"]), 64)]
        name, where, kind = str(body["library"]), str(body["machine"]), body["format"]
        possible = bool(0 <= scan.worst < 2**60)  # NaN and infinity are not; text and null are a TypeError
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise Disbelieved(f"{path.name} cannot be read: {error}") from None
    if not possible:
        raise Disbelieved(f"{path.name} tells of errors of {scan.worst!r} ulp")
    if kind != FORMAT or said != _sum(body):
        raise Disbelieved(f"{path.name} is not what was written: its checksum is wrong")
    if len(chain) != -(-scan.done // libm.CHUNK) or (chain and chain[-1] != scan.digest):
        raise Disbelieved(f"{path.name} does not fit together: {len(chain)} parts for {scan.done} inputs")
    return name, where, scan, chain


def believe(
    path: Path, implementation: Implementation, name: str, where: str, rng: np.random.Generator | None = None
) -> Fact:
    """The fact in a file, after some of it was computed again.

    Raises
    ------
    Disbelieved
        Whatever does not agree.
    """
    said, there, scan, chain = load(path)
    if (said, there) != (name, where):
        raise Disbelieved(f"{path.name} is about {said} on {there}, not {name} on {where}")
    if not scan.finished:
        raise Disbelieved(f"{path.name} has tried {scan.done:,} of {scan.total:,} inputs only")
    if scan.faults:
        raise Disbelieved(f"{path.name} tells of {scan.faults} answers that are wrong in kind")
    form = libm.ALLOWED[scan.form]
    if scan.total != libm.start(scan.function, form).total:
        raise Disbelieved(f"{path.name} tells of {scan.total} inputs, which {form.name} does not have")
    rng = np.random.default_rng() if rng is None else rng
    picked = set(rng.choice(len(chain), min(SAMPLED, len(chain)), replace=False).tolist())
    worst = None if scan.worst_input is None else int(encode(scan.worst_input, form)) // libm.CHUNK
    for k in sorted(picked | ({worst} if worst is not None else set())):
        again = libm.scan(_before(scan, chain, k), implementation, inputs=1)
        if again.digest != chain[k]:
            raise Disbelieved(f"{path.name}: the {scan.function} that runs here gives other answers")
        if again.worst > scan.worst or again.faults or (k == worst and again.worst != scan.worst):
            raise Disbelieved(
                f"{path.name}: errors of {again.worst:.6g} ulp were found, not {scan.worst:.6g}"
            )
    return Fact(name, where, scan)


def _before(scan: libm.Scan, chain: list[str], chunk: int) -> libm.Scan:
    """The state in which chunk `chunk` was about to be tried, with nothing found yet."""
    digest = chain[chunk - 1] if chunk else ""
    return libm.Scan(scan.function, scan.form, chunk * libm.CHUNK, scan.total, digest=digest)


# a library's function as it runs here, None where it has none, and the library with its version
Here = Callable[[str, Format], tuple[Implementation | None, str]]


def _numpy_here(function: str, form: Format) -> tuple[Implementation | None, str]:
    return numpys(function, form), library()


def fact(function: str, form: Format, name: str = "numpy", here: Here = _numpy_here) -> Fact | None:
    """What is known about a library's function here; None where nothing is, or where the file is not believed.

    Parameters
    ----------
    name : the library's, without its version.
    here : how it runs here; asked only where there is a file, and remembered by: a function of a module.
    """
    if form.name not in libm.ALLOWED or function not in libm.REFERENCES:
        return None
    path = path_of(name, function, form.name)
    try:
        stamp = path.stat()
    except OSError:
        return None
    return _fact(str(path), function, form.name, here, stamp.st_mtime_ns, stamp.st_size)


@lru_cache(maxsize=64)
def _fact(path: str, function: str, form: str, here: Here, changed: int, size: int) -> Fact | None:
    try:
        run, where = here(function, libm.ALLOWED[form])
        if run is None:
            return None
        found = believe(Path(path), run, where, machine())
    except (Disbelieved, ImportError, ValueError):
        return None
    return found if (found.scan.function, found.scan.form) == (function, form) else None


def answers(function: str, form: Format, codes: Array) -> tuple[Array, Array]:
    """Inputs by their codes, and NumPy's answers to them: to look at."""
    x = decode(np.asarray(codes, np.uint64), form)
    return x, np.asarray(numpys(function, form)(x.astype(np.float16 if form is BINARY16 else np.float32)))


def _sum(body: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
