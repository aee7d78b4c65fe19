"""How far a result may be trusted: one level for every kind of result, and the table of TRUST.md.

``python -m workbench.certificate.levels`` prints the table; a test holds TRUST.md to it, and this list to what
`Model` returns.
"""

from __future__ import annotations

from typing import Any

LEVELS: dict[str, str] = {
    "kernel-checked": "the kernel of a proof assistant has accepted a proof of it",
    "exactly checked": "an exact checker that shares no code with the engine has proved it again, in integers",
    "float-sound": "proved by the engine, whose float64 steps are charged with their own rounding; argued, and tested",
    "replayed": "one input, run in rationals or in rigorous balls",
    "tested": "compared with other programs, with runs, or with exact arithmetic; nothing is proved of this value",
}
# kind of result: its level, what of it has that level, and where the rest stands
RESULTS: dict[str, tuple[str, str]] = {
    "Bounds": ("float-sound", "bounds of every neuron over the region, about real arithmetic"),
    "RoundingBounds": ("float-sound", "bounds of rounding errors; `assumptions` lists what they rest on"),
    "Precision": ("float-sound", "the margin that is left with the formats chosen; as rounding bounds"),
    "Verdict": ("float-sound", "verified, without a certificate"),
    "Verdict, certified": (
        "exactly checked",
        "verified with `certificate`, about real arithmetic or a float format, or falsified with one",
    ),
    "Verdict, falsified": ("replayed", "the counterexample, in the semantics that it names"),
    "Counterexample": ("replayed", "the input, its exact outputs or bounds of them, and where it holds"),
    "Accepted": ("exactly checked", "what `workbench check` accepted; with `--checker coq`, kernel-checked"),
    "Comparison": ("tested", "outputs of other runtimes, beside proved bounds"),
    "Array": ("tested", "values of a run, in floats: a NumPy array, which carries no level itself"),
}


def level(result: Any) -> str:
    """The level of a result; "none" for a verdict that is unknown: it claims nothing.

    Raises
    ------
    KeyError
        Something that is no result.
    """
    name = type(result).__name__
    if name == "Verdict":
        if result.status == "unknown":
            return "none"
        if result.certificate is not None:
            return RESULTS["Verdict, certified"][0]
        return RESULTS["Verdict, falsified" if result.status == "falsified" else "Verdict"][0]
    return RESULTS["Array" if name == "ndarray" else name][0]


def table() -> str:
    """The table, in Markdown."""
    lines = ["| result | level | what has that level |", "|---|---|---|"]
    lines += [f"| {name} | {one} | {what} |" for name, (one, what) in RESULTS.items()]
    means = ["| level | means |", "|---|---|", *(f"| {name} | {text} |" for name, text in LEVELS.items())]
    return "\n".join(means) + "\n\n" + "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(table(), end="")  # noqa: T201 - this is what it is run for
