"""S-expressions: nested parentheses as nested lists, read without recursion."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

NEWLINE = "\n"
DEEPEST = 100  # levels of parentheses; real files use five
TOKEN = re.compile(r'\s+|;[^\n]*|(?P<word>"[^"]*"|\|[^|]*\||[()]|[^\s()";|]+)|(?P<bad>.)', re.DOTALL)

Expression: TypeAlias = "str | list[Expression]"


class SyntaxProblem(ValueError):
    """A text that is no S-expression; the message has the line."""


@dataclass(frozen=True, slots=True)
class Form:
    """One expression of the top level, and the line it starts on."""

    line: int
    body: Expression


def read_forms(text: str) -> list[Form]:
    """All expressions of a text; comments run from ``;`` to the end of the line.

    Raises
    ------
    SyntaxProblem
        Parentheses that do not match or are nested too deeply, or a quote that does not end.
    """
    forms: list[Form] = []
    stack: list[list[Expression]] = []
    start = 1
    for line, word in _words(text):
        if word == ")" and not stack:
            raise SyntaxProblem(f"line {line}: a closing parenthesis without an opening one")
        start = start if stack else line
        if word == "(":
            stack.append([])
            if len(stack) > DEEPEST:
                raise SyntaxProblem(f"line {line}: parentheses nested more than {DEEPEST} deep")
            continue
        done: Expression = stack.pop() if word == ")" else word
        if stack:
            stack[-1].append(done)
        else:
            forms.append(Form(start, done))
    if stack:
        raise SyntaxProblem(f"line {start}: an opening parenthesis is never closed")
    return forms


def _words(text: str) -> Iterator[tuple[int, str]]:
    """Parentheses and words, each with its line."""
    line, seen = 1, 0
    for match in TOKEN.finditer(text):
        if match["bad"] is not None:
            raise SyntaxProblem(
                f"line {text.count(NEWLINE, 0, match.start()) + 1}: a quote that does not end"
            )
        if match["word"] is not None:
            line += text.count(NEWLINE, seen, match.start())
            seen = match.start()
            yield line, match["word"]
