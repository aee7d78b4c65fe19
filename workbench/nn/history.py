"""History: what training wrote down, a row an epoch; as a table, CSV, or TrainLog JSON."""

from __future__ import annotations

import csv
import json
from math import isfinite, isnan
from pathlib import Path
from typing import Any


class History:
    """Rows of numbers by name, in order."""

    def __init__(self, rows: list[dict[str, float]] | None = None) -> None:
        self.rows: list[dict[str, float]] = rows or []

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, name: str) -> list[float]:
        """One column; NaN where a row has no such number."""
        return [row.get(name, float("nan")) for row in self.rows]

    @property
    def columns(self) -> list[str]:
        """Names in the order of their first appearance."""
        return list(dict.fromkeys(k for row in self.rows for k in row))

    def __repr__(self) -> str:
        cells = [self.columns, *([_short(row.get(c)) for c in self.columns] for row in self.rows)]
        wide = [max(len(line[i]) for line in cells) for i in range(len(self.columns))]
        return "\n".join("  ".join(f"{v:>{n}}" for v, n in zip(line, wide, strict=True)) for line in cells)

    def to_csv(self, path: Any) -> None:
        """A line an epoch."""
        with Path(path).open("w", newline="") as file:
            writer = csv.DictWriter(file, self.columns)
            writer.writeheader()
            writer.writerows(self.rows)

    def to_json(self, path: Any, title: str = "training") -> None:
        """TrainLog JSON: steps, and a series a column; what is not finite as a string."""
        columns = [c for c in self.columns if c != "epoch"]
        found = {
            "title": title,
            "steps": [int(v) for v in self["epoch"]],
            "series": [{"name": c, "values": [_plain(v) for v in self[c]]} for c in columns],
            "notes": [],
        }
        Path(path).write_text(json.dumps(found, allow_nan=False), encoding="utf-8")


def _plain(value: float) -> float | str:
    if isfinite(value):
        return value
    return "NaN" if isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _short(value: float | None) -> str:
    if value is None:
        return ""
    return str(int(value)) if float(value).is_integer() and abs(value) < 1e9 else f"{value:.4g}"
