"""A certificate before Coq's kernel: the theory compiled once, the certificate's file run, and what Coq says read.

Accepted is only what Coq accepts (exit code 0), rests on no axiom ("Closed under the global context"), states the
theorem (a file that was cut off exits 0 as well), and has the network's weights (sums of them that Coq prints, and the
file's text read again).
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.certificate.check import Accepted
from workbench.certificate.emit_coq import KINDS, Emitted, emit, rows_of
from workbench.certificate.emit_tree import lighter
from workbench.certificate.format import CannotCheck, Rejected, text
from workbench.certificate.program import Program, lower
from workbench.certificate.reread import reread, reread_claim, reread_point

THEORY = Path(__file__).parent / "theory"
FILES = ("Network", "Numbers", "Arithmetic", "Taps", "Bounds", "Walk", "Forward", "Tree", "Point")
SECONDS = 3600.0
MEMORY = 8 << 30  # bytes of address space
STACK = 1 << 30  # Coq's reader and its virtual machine recurse over lists
HELP = "Coq is needed for this, and coqc was not found. Debian, Ubuntu: apt install coq. Elsewhere: name it in COQC."
CLOSED = "Closed under the global context"
THEOREM = "In (region, alternatives) claim -> forall x : vec, inside x region -> ~ unsafe alternatives (run network x)"
THERE_IS = (
    "In (region, ends, alternatives) claim /\\ inside point region /\\ away point region ends /\\ "
    "unsafe alternatives (run network point)"
)


@dataclass(frozen=True)
class Proof:
    """What Coq did: its version, the sums that it printed, and seconds."""

    version: str
    sums: tuple[int, ...]
    seconds: float


def find() -> str | None:
    """The path of coqc: the one that COQC names, and no other if that is set; else the one on PATH."""
    named = os.environ.get("COQC")
    return shutil.which(named or "coqc")


def check_with_coq(
    certificate: Mapping[str, Any],
    *,
    network: Mapping[str, Any] | None = None,
    seconds: float | None = None,
) -> tuple[Accepted, str]:
    """Check a certificate with Coq's kernel.

    Parameters
    ----------
    certificate : from `format.loads`.
    network : the network of an ONNX file, from `onnx_file.read`: its numbers are compared with those in Coq's file.
    seconds : a limit; an hour by default.

    Returns
    -------
    What was proved, and how, in words.

    Raises
    ------
    Rejected
        Not a certificate, another network, or a proof that Coq does not accept.
    CannotCheck
        No Coq, no rule in the theory, or a limit.
    """
    coqc = find()
    if coqc is None:
        raise CannotCheck(HELP)
    try:
        emitted = emit(certificate)  # what the theory has no rule for is said at once
        if emitted.point is None:
            emitted = emit(lighter(certificate, seconds=seconds))
        name, digest = (text(certificate["network"][k], f"network.{k}") for k in ("name", "sha256"))
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise Rejected("format", f"not of the form that is expected: {str(error)[:100]}") from error
    program = emitted.program
    if network is not None:
        if digest != network["sha256"]:
            why = f"the certificate is about {digest[:64]!r}, the file's SHA-256 is {network['sha256']}"
            raise Rejected("network", why)
        program = lower(network)
    compare(emitted.text, program)
    compare_claim(emitted)
    proof = run(coqc, emitted, SECONDS if seconds is None else seconds)
    numbers = sum(len(r) for s in program.steps if s.kind != "relu" for r in s.matrix)
    verdict = "verified" if emitted.point is None else "falsified"
    about = name, digest, network is not None, numbers
    how = f"Coq's kernel: {proof.version}, a file of {len(emitted.text):,} bytes, closed under the global context"
    found = emitted.leaves, emitted.steps, emitted.point, emitted.outputs
    return Accepted(verdict, emitted.cases, *about, *found, level="kernel-checked"), how


def compare(file: str, program: Program) -> None:
    """The network that stands in a Coq file is this one."""
    steps = program.steps[1 : program.output + 1]
    wanted = []
    for s in steps:
        rows = [] if s.kind == "add" else [list(map(int, r)) for r in rows_of(s)]
        rows += [] if s.taps is None else map(list, s.taps.gather)
        wanted.append((KINDS.get(s.kind), s.exponent, rows))
    found = reread(file)
    if len(found) != len(wanted):
        raise Rejected("network", f"{len(found)} steps where the network has {len(wanted)}")
    for step, mine, its in zip(steps, found, wanted, strict=True):
        if mine != its:
            raise Rejected("network", f"{step.name[:60]!r} differs from the network's")


def compare_claim(emitted: Emitted) -> None:
    """The claim that stands in a Coq file, and the counterexample, are those of the certificate."""
    wanted, size = [], emitted.program.steps[emitted.program.output].size
    for case in emitted.cases:
        alternatives = []
        for every in case.unsafe:
            rows = [([dict(c.terms).get(i, 0) for i in range(size)], c.bound, c.strict) for c in every]
            alternatives.append(rows)
        sides = [] if emitted.point is None else sorted(case.open)
        wanted.append((list(case.lower), list(case.upper), sides, alternatives))
    if reread_claim(emitted.text) != wanted:
        raise Rejected("property", "the claim in Coq's file differs from the certificate's")
    if emitted.point is not None and reread_point(emitted.text) != list(emitted.point):
        raise Rejected("property", "the counterexample in Coq's file differs from the certificate's")


def run(coqc: str, emitted: Emitted, seconds: float = SECONDS) -> Proof:
    """Let Coq check a file, and judge what it says.

    Raises
    ------
    Rejected
        Where Coq does not accept it, or what it accepts is not the theorem without axioms about these weights.
    CannotCheck
        A limit of time or memory.
    """
    start = time.monotonic()
    version, theory = compiled(coqc)
    with tempfile.TemporaryDirectory(prefix="nnworkbench-coq-") as folder:
        (Path(folder) / "certificate.v").write_text(emitted.text)
        command = [coqc, "-q", "-Q", str(theory), "NNWorkbench", "certificate.v"]
        code, out, err = limited(command, folder, seconds)
    if code < 0 or re.search(r"Out of memory|Stack overflow|stack overflow", err):
        raise CannotCheck(f"Coq ran out of memory, or was ended: it may use {MEMORY >> 30} GB")
    if code:
        raise Rejected("coq", f"Coq does not accept the proof: {' '.join(err.split())[-200:]}")
    theorem = THEOREM if emitted.point is None else THERE_IS
    return Proof(version, judged(out, emitted.sums, theorem), time.monotonic() - start)


def judged(out: str, sums: Sequence[int], theorem: str = THEOREM) -> tuple[int, ...]:
    """What Coq printed, if it says all that it has to: sums of weights, no axioms, the theorem, and these last.

    Raises
    ------
    Rejected
        Where something is missing or different.
    """
    said = " ".join(out.split())
    before, closed, after = said.rpartition(CLOSED)
    if not closed:
        why = "the proof rests on axioms" if "Axioms:" in said else "the file ends before its theorem"
        raise Rejected("coq", f"Coq does not say {CLOSED!r}: {why}")
    if not after.startswith(" certified : ") or not after.endswith(theorem) or after.count(theorem) != 2:
        raise Rejected("coq", "Coq does not state the theorem at the end")
    found = tuple(int(v) for v in re.findall(r"= \(?(-?\d+)\)?(?:%Z)? : Z", before))
    if found != tuple(sums):
        raise Rejected("network", "the weights that Coq has are not those of its file")
    return found


def compiled(coqc: str) -> tuple[str, Path]:
    """Coq's version, and the folder of the theory, compiled for it: once, in the user's cache."""
    try:
        said = subprocess.run(
            [coqc, "--version"], capture_output=True, text=True, timeout=60, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise CannotCheck(f"{coqc} does not run: {str(error)[:200]}") from None
    version = " ".join(said.split())[:100]
    sources = [(THEORY / f"{name}.v").read_bytes() for name in FILES]
    key = hashlib.sha256(b"\0".join([version.encode(), coqc.encode(), *sources])).hexdigest()[:20]
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    place = home / "nnworkbench" / "coq" / key
    if (place / f"{FILES[-1]}.vo").is_file():
        return version, place
    with _folder_beside(place) as folder:
        for name, source in zip(FILES, sources, strict=True):
            (folder / f"{name}.v").write_bytes(source)
            code, _, err = limited(
                [coqc, "-q", "-Q", str(folder), "NNWorkbench", f"{name}.v"], str(folder), 600
            )
            if code:
                raise CannotCheck(
                    f"the theory does not compile with {version}: {' '.join(err.split())[-300:]}"
                )
        try:
            folder.rename(place)
        except OSError:  # another process was quicker
            if not (place / f"{FILES[-1]}.vo").is_file():
                raise
    return version, place


@contextmanager
def _folder_beside(place: Path) -> Iterator[Path]:
    """A new folder that can be renamed to `place`; what is left of it is removed."""
    try:
        place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        folder = Path(tempfile.mkdtemp(prefix="new-", dir=place.parent))
    except OSError as error:
        raise CannotCheck(f"the theory cannot be kept in {place.parent}: {error.strerror}") from None
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


LIMITED = """\
import os, sys
try:
    import resource
    for kind, most in ((resource.RLIMIT_AS, int(sys.argv[1])), (resource.RLIMIT_STACK, int(sys.argv[2]))):
        hard = resource.getrlimit(kind)[1]
        resource.setrlimit(kind, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))
except ImportError:
    pass
os.execv(sys.argv[3], sys.argv[3:])
"""


def limited(
    command: list[str], folder: str, seconds: float, memory: int = MEMORY, name: str = "Coq"
) -> tuple[int, str, str]:
    """Run a program with limits of memory and time: exit code, output, errors.

    Raises
    ------
    CannotCheck
        Where the time is over; the program is ended.
    """
    wrapped = [sys.executable, "-I", "-c", LIMITED, str(memory), str(STACK), *command]
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("COQ", "OCAML", "LEAN"))}
    process = subprocess.Popen(
        wrapped,
        cwd=folder,
        env=clean,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        out, err = process.communicate(timeout=max(seconds, 0.1))
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        raise CannotCheck(f"{name} was not done after {seconds:.0f} s") from None
    return process.returncode, out, err
