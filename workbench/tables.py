"""Tables for people: a few digits of each number, shortened outward so that what is printed is still true."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from html import escape
from math import isfinite

DIGITS = 5
OUTWARD = "ends are rounded outward to 5 digits"


def down(value: float, digits: int = DIGITS) -> str:
    """A few digits of a lower end, rounded down; a number that needs no more is printed as it is.

    >>> down(0.1), down(0.25), down(-123456.0)
    ('0.10000', '0.25', '-1.2346e+5')
    """
    return _brief(value, Context(prec=digits, rounding=ROUND_FLOOR))


def up(value: float, digits: int = DIGITS) -> str:
    """A few digits of an upper end, rounded up.

    >>> up(0.1), up(1.0)
    ('0.10001', '1')
    """
    return _brief(value, Context(prec=digits, rounding=ROUND_CEILING))


def _brief(value: float, context: Context) -> str:
    if not isfinite(value):
        return str(float(value))
    if value == 0:
        return "0"
    exact = Decimal(float(value))
    short = context.create_decimal(exact)
    if short == exact:  # nothing was rounded: no zeros that look like digits
        short = short.normalize(context)
        if 0 <= short.adjusted() < DIGITS:
            return format(short, "f")
    return format(short, "g")


def printable(text: str) -> str:
    """`text` in one line, without characters that command a terminal: the names in a file are not trusted."""
    return "".join(c if c.isprintable() else " " if c.isspace() else f"\\x{ord(c):02x}" for c in text)


def shape_text(shape: Sequence[int]) -> str:
    """``1x10``; a scalar's is ``-``."""
    return "x".join(map(str, shape)) or "-"


@dataclass(frozen=True)
class Table:
    """Rows of words, the first one the heads; shown as text in a terminal and as a table in a notebook.

    Parameters
    ----------
    title : one line above.
    rows : cells; the first `words` columns are set to the left, the others are numbers.
    note : one line below, or nothing.
    """

    title: str
    rows: Sequence[Sequence[str]]
    note: str = ""
    words: int = 3

    def lines(self) -> list[str]:
        """The rows in aligned columns."""
        wide = [max(len(row[k]) for row in self.rows) for k in range(len(self.rows[0]))]
        return [
            "  ".join(
                cell.ljust(width) if k < self.words else cell.rjust(width)
                for k, (cell, width) in enumerate(zip(row, wide, strict=True))
            ).rstrip()
            for row in self.rows
        ]

    def __repr__(self) -> str:
        return "\n".join([line for line in (self.title, *self.lines(), self.note) if line])

    def _repr_html_(self) -> str:
        def line(cells: Sequence[str], tag: str) -> str:
            made = (
                f'<{tag} style="text-align:{"left" if k < self.words else "right"}">{escape(cell)}</{tag}>'
                for k, cell in enumerate(cells)
            )
            return f"<tr>{''.join(made)}</tr>"

        head, *body = self.rows
        parts = [f"<div>{escape(self.title)}</div>", "<table><thead>", line(head, "th"), "</thead><tbody>"]
        parts += [line(row, "td") for row in body]
        return "".join([*parts, "</tbody></table>", f"<div><small>{escape(self.note)}</small></div>"])
