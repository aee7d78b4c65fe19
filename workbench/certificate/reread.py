"""What a Coq file says, read from its text again by other means than those that wrote it."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Any


def reread(file: str) -> list[tuple[str, int, list[list[int]]]]:
    """The network's steps as the Coq file has them, read from its text again: kind, exponent, integers.

    Nothing of what wrote the file is used, so that what is compared with a network's own numbers is what Coq was given.
    A convolution's integers are those of its kernel, then what it reads, place by place.
    """
    known = {}
    for name, body in re.findall(
        r"^Definition (weights_\d+|taps_\d+) := (.*?)\.$", file, re.MULTILINE | re.DOTALL
    ):
        if body.startswith("taps "):
            known[name] = places(*map(int, body.split()[1:]))
            continue
        short = "packed [|\n" in body
        lines = re.findall(
            r"\[\| (-?\d[-\d; ]*) \| 0 : int \|\]" if short else r"\((\([-\d() :]*) :: nil\)", body
        )
        known[name] = [[int(v) for v in re.findall(r"-?\d+", line)] for line in lines]
    (body,) = re.findall(
        r"^Definition network : list step := \(\n(.*?) ::\n  nil\)\.$", file, re.MULTILINE | re.DOTALL
    )
    steps = []
    for line in body.split(" ::\n"):
        kind, *words = re.findall(r"[A-Za-z_]\w*|-?\d+", line)
        exponent = 0 if kind == "Add" else int(words[1])
        numbers = [row for w in sorted(words, reverse=True) if w in known for row in known[w]]
        steps.append((kind, exponent, [[int(words[2])]] if kind == "Relu" else numbers))
    return steps


def places(c: int, h: int, w: int, kh: int, kw: int, rows: int, columns: int, *more: int) -> list[list[int]]:
    """What a convolution of this geometry reads: elements of a padded image, numbered before it is padded."""
    sy, sx, top, left, dy, dx = more
    image = [
        [[-1] * (left + w + kw * dx + sx * columns) for _ in range(top + h + kh * dy + sy * rows)]
        for _ in range(c)
    ]
    for k in range(c * h * w):
        image[k // (h * w)][top + k // w % h][left + k % w] = k
    every = [(y * sy, x * sx) for y in range(rows) for x in range(columns)]
    return [
        [v for plane in image for line in plane[y : y + kh * dy : dy] for v in line[x : x + kw * dx : dx]]
        for y, x in every
    ]


def reread_claim(file: str) -> list[tuple[Any, ...]]:
    """The cases as the Coq file has them: ends of the region, those that do not belong to it, unsafe alternatives."""
    found = []
    (claim,) = re.findall(r"^Definition claim : list (?:open_)?case := (.*)\.$", file, re.MULTILINE)
    for k in re.findall(r"\(region_(\d+), (?:ends_\1, )?unsafe_\1\)", claim):
        (region,) = re.findall(rf"^Definition region_{k} : list \(Q \* Q\) := (.*)\.$", file, re.MULTILINE)
        (unsafe,) = re.findall(
            rf"^Definition unsafe_{k} : .*? := \(\n(.*?)  nil\)\.$", file, re.MULTILINE | re.DOTALL
        )
        ends = re.findall(rf"^Definition ends_{k} : .*? := (.*)\.$", file, re.MULTILINE)
        fractions = [Fraction(int(a), int(b)) for a, b in re.findall(r"\((-?\d+)\) # (\d+)", region)]
        alternatives = [
            [
                ([int(v) for v in re.findall(r"-?\d+", row)], int(bound), strict == "true")
                for row, bound, strict in re.findall(r"Constraint ([^%]*)%Z \((-?\d+)\) (true|false)", line)
            ]
            for line in unsafe.splitlines()
        ]
        sides = [
            (int(i), 1 if up == "true" else -1)
            for i, up in re.findall(r"\((\d+)%nat, (\w+)\)", *ends or [""])
        ]
        found.append((fractions[::2], fractions[1::2], sides, alternatives))
    return found


def reread_point(file: str) -> list[Fraction]:
    """The counterexample as the Coq file has it."""
    (line,) = re.findall(r"^Definition point : vec := (.*)\.$", file, re.MULTILINE)
    return [Fraction(int(a), int(b)) for a, b in re.findall(r"\((-?\d+)\) # (\d+)", line)]
