"""The file format ``workbench.certificate.v1``: reading it safely, and what its network means.

A certificate comes from anywhere.  Reading it runs nothing that is in it, takes time and memory proportional to a file
of limited size, and ends with plain lists, dicts, strings and Python integers: no floating-point number is ever made.
Sizes are judged before anything is built; a field that is not known is an error, as is a key given twice.

Nothing here imports the engine.
"""

from __future__ import annotations

import json
import re
import zlib
from typing import Any

NAME = "workbench.certificate.v1"
LONGEST = 64 << 20  # bytes, after decompression
DEEPEST = 32  # brackets inside brackets
MOST_PARTS = 4_000_000  # brackets and strings: what a short text can turn into much memory
DIGITS = 660  # of one number: a float64's largest exact integer form has 635


class Rejected(Exception):
    """The certificate proves nothing: `step` is the first rule that failed, `place` the (case, step) of the proof."""

    def __init__(self, step: str, why: str, place: tuple[int, int] | None = None) -> None:
        super().__init__(f"{step}: {why}")
        self.step, self.why, self.place = step, why, place


class CannotCheck(Exception):
    """Neither accepted nor rejected: something that this checker has no rule for, or a limit."""


# ---- reading


def loads(data: bytes) -> dict[str, Any]:
    """A certificate's fields from the bytes of its file, gzip or not.

    Raises
    ------
    Rejected
        Whatever is not such a file; step "file".
    """
    if data[:2] == b"\x1f\x8b":
        inflater = zlib.decompressobj(wbits=31)
        try:
            data = inflater.decompress(data, LONGEST + 1)
        except zlib.error as error:
            raise Rejected("file", f"damaged gzip data: {error}") from None
        if len(data) <= LONGEST and not inflater.eof:
            raise Rejected("file", "the gzip data ends too early")
    if len(data) > LONGEST:
        raise Rejected("file", f"longer than {LONGEST:,} bytes")
    if sum(map(data.count, (b"[", b"{", b'"'))) > MOST_PARTS:
        raise Rejected("file", f"more than {MOST_PARTS:,} lists, objects and strings")
    if re.search(rb'"format"\s*:\s*"workbench\.verdict\.', data[:4096]):
        raise Rejected(
            "file", "this is a verdict, not a certificate: `workbench verify --certificate FILE` writes one"
        )
    depth = 0
    for bracket in re.finditer(
        rb"[\[\]{}]", data
    ):  # those inside strings count too: harmless, names are short
        depth += 1 if bracket[0] in b"[{" else -1
        if depth > DEEPEST:
            raise Rejected("file", f"nested deeper than {DEEPEST}")
    try:
        found = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_object,
            parse_int=_integer,
            parse_float=lambda text: _refuse(f"{text[:40]} is not an integer"),
            parse_constant=lambda text: _refuse(f"{text} is not an integer"),
        )
    except (ValueError, RecursionError) as error:
        raise Rejected("file", f"not JSON: {str(error)[:200]}") from None
    if not isinstance(found, dict):
        raise Rejected("file", "not a JSON object")
    return found


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Rejected("file", "a key is given twice in one object")
    return found


def _integer(text: str) -> int:
    if len(text) > DIGITS:
        raise Rejected("file", f"a number of more than {DIGITS} digits")
    return int(text)


def _refuse(why: str) -> None:
    raise Rejected("file", why)


def fields(value: Any, what: str, required: str, optional: str = "") -> dict[str, Any]:
    """`value` as an object with exactly these keys."""
    if type(value) is not dict:
        raise Rejected("format", f"{what} is not an object")
    missing = sorted(set(required.split()) - set(value))
    unknown = sorted(set(value) - set(required.split()) - set(optional.split()))
    if missing or unknown:
        raise Rejected(
            "format", f"{what} lacks {missing[0]!r}" if missing else f"{what} has an unknown field"
        )
    return value


def whole(value: Any, what: str, low: int | None = None, high: int | None = None) -> int:
    """`value` as an integer (true is none) between `low` and `high`."""
    if type(value) is not int or (low is not None and value < low) or (high is not None and value > high):
        raise Rejected("format", f"{what} is not an integer{'' if low is None else f' from {low} to {high}'}")
    return value


def listed(value: Any, what: str, length: int | None = None) -> list[Any]:
    """`value` as a list, of that many elements."""
    if type(value) is not list or (length is not None and len(value) != length):
        raise Rejected("format", f"{what} is not a list{'' if length is None else f' of {length}'}")
    return value


def integers(value: Any, what: str, length: int | None = None) -> list[int]:
    """`value` as a list of integers."""
    if any(type(v) is not int for v in listed(value, what, length)):
        raise Rejected("format", f"{what} holds something that is not an integer")
    found: list[int] = value
    return found


def text(value: Any, what: str) -> str:
    """`value` as a string of at most 1000 characters."""
    if type(value) is not str or len(value) > 1000:
        raise Rejected("format", f"{what} is not a short text")
    return value
