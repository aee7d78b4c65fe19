"""Forgery before Coq: of changed certificates, what Coq's own function calls proved is true.

Many at once, in one file: each in a module of its own, with the value of the function to which the theorem is applied.
The exact Python rules are not asked: what is emitted is what the certificate says, however wrong.
"""

from __future__ import annotations

import copy
import re
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from certificates import at_least
from fuzz.test_forgery import Forger, assert_true, made
from workbench.certificate import coq, produce
from workbench.certificate.check import Accepted
from workbench.certificate.emit_coq import HEAD, Emitted, emit
from workbench.certificate.format import CannotCheck, Rejected, loads

COUNT = 40  # changes of each certificate
needs_coq = pytest.mark.skipif(coq.find() is None, reason="coqc is not installed (Debian: apt install coq)")
FUNCTION = "verified_all precision network claim proofs"


def said(files: list[Emitted]) -> list[bool]:
    """What Coq's function says of each."""
    parts = [HEAD]
    for k, one in enumerate(files):
        body = one.text[len(HEAD) : one.text.index("\nTheorem certified")]
        parts.append(f"Module M{k}.\n{body}\nEval vm_compute in {FUNCTION}.\nEnd M{k}.\n")
    coqc = coq.find()
    assert coqc is not None
    _, theory = coq.compiled(coqc)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "all.v").write_text("".join(parts))
        code, out, err = coq.limited([coqc, "-q", "-Q", str(theory), "NNWorkbench", "all.v"], folder, 300)
    assert code == 0, err[-500:]
    found = re.findall(r"= (true|false)\s+: bool", out)
    assert len(found) == len(files)
    return [v == "true" for v in found]


@needs_coq
@pytest.mark.parametrize("kind", ["splits", "phases"])
def test_no_changed_certificate_is_wrongly_proved_by_coq(kind: str) -> None:
    original = made(kind)
    network = copy.deepcopy(original["network"])
    forger = Forger(original, seed=11)
    kept: list[tuple[str, dict[str, Any], Emitted]] = [("unchanged", original, emit(original))]
    stronger = copy.deepcopy(original)
    for case in stronger["claim"][
        "cases"
    ]:  # a claim that is false: Coq must not prove it, whatever the proof
        case["unsafe"].append(at_least(0, -(1 << 20)))
    for tree in stronger["proof"]["cases"]:
        for token in tree:
            if token[0] == "leaf":
                token[1].append({"rows": [[0, 1]]})
    kept.append(("a false alternative more", stronger, emit(stronger)))
    refused = Counter[str]()
    while len(kept) < COUNT:
        where, changed = forger.one()
        try:
            certificate = loads(produce.dumps(changed))
            found = emit(certificate)
            coq.compare(found.text, emit(original).program)
            coq.compare_claim(found)
        except (Rejected, CannotCheck) as error:
            refused[str(error).partition(":")[0]] += 1
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
            refused["format"] += 1
        else:
            kept.append((where, certificate, found))
    proved = said([found for _, _, found in kept])
    assert proved[:2] == [True, False]
    for (where, changed, found), yes in zip(kept, proved, strict=True):
        if yes:
            about = "", "", True, 0, found.leaves, found.steps
            assert_true(
                kind, Accepted("verified", found.cases, *about), {**changed, "network": network}, where
            )
    assert sum(proved) < len(proved) and len(refused) > 2
