"""The network in a Coq file, read from its text again by other means than those that wrote it."""

from __future__ import annotations

import re


def reread(file: str) -> list[tuple[str, int, list[list[int]]]]:
    """The network's steps as the Coq file has them, read from its text again: kind, exponent, integers.

    Nothing of what wrote the file is used, so that what is compared with a network's own numbers is what Coq was given.
    """
    weights = {}
    for name, body in re.findall(r"^Definition (weights_\d+) := (.*?)\.$", file, re.MULTILINE | re.DOTALL):
        short = body.startswith("Eval vm_compute in packed [|\n")
        lines = re.findall(
            r"\[\| (-?\d[-\d; ]*) \| 0 : int \|\]" if short else r"\((\([-\d() :]*) :: nil\)", body
        )
        weights[name] = [[int(v) for v in re.findall(r"-?\d+", line)] for line in lines]
    (body,) = re.findall(
        r"^Definition network : list step := \(\n(.*?) ::\n  nil\)\.$", file, re.MULTILINE | re.DOTALL
    )
    steps = []
    for line in body.split(" ::\n"):
        kind, *words = re.findall(r"[A-Za-z_]\w*|-?\d+", line)
        exponent = 0 if kind == "Add" else int(words[1])
        name = next((w for w in words if w in weights), None)
        steps.append((kind, exponent, weights[name] if name else [[int(words[2])]] if kind == "Relu" else []))
    return steps
