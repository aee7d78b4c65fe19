"""The documents: their code gives what they say, their tables are the program's, their links lead somewhere."""

from __future__ import annotations

import contextlib
import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from commands import answer
from workbench import examples
from workbench.floats.program import FUNCTIONS
from workbench.semantics import affine, gradient, interval, real, rounding

REPOSITORY = Path(__file__).resolve().parents[2]
DOCUMENTS = [REPOSITORY / "README.md", REPOSITORY / "TRUST.md", *sorted((REPOSITORY / "docs").rglob("*.md"))]

every_document = pytest.mark.parametrize(
    "file", DOCUMENTS, ids=lambda file: file.relative_to(REPOSITORY).as_posix()
)


def blocks(file: Path, language: str) -> list[str]:
    """The fenced blocks of a language."""
    return re.findall(
        rf"^```{language}\n(.*?)^```", file.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )


@every_document
def test_links_lead_somewhere(file: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)", file.read_text(encoding="utf-8")):
        assert target.startswith("https://") or (file.parent / target).exists(), target


def test_the_readme_runs_and_its_numbers_are_right() -> None:
    code, more = blocks(REPOSITORY / "README.md", "python")
    namespace: dict[str, Any] = {}
    with contextlib.redirect_stdout(io.StringIO()):
        exec(code, namespace)  # noqa: S102 - our own text
    bounds, errors = namespace["bounds"], namespace["errors"]
    assert "9.2128..." in code
    assert f"{bounds['logits'].lower[0, 0, 7]:.6f}".startswith("9.2128")
    assert "stays below 1" in code
    assert np.delete(bounds["logits"].upper[0, 0], 7).max() < 1
    assert "at most 0.4233" in code
    assert 0.423 < errors["logits"].max() <= 0.4233
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(more, namespace)  # noqa: S102 - our own text
    assert printed.getvalue().startswith("VERIFIED")
    formats = namespace["model"].cheapest_formats(namespace["wb"].margin(7)).formats
    assert repr(formats) in more


def test_how_to_open_a_network_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = blocks(REPOSITORY / "docs/how-to/open-your-own-network.md", "python")
    monkeypatch.chdir(tmp_path)
    Path("your.onnx").write_bytes(examples.path("toy").read_bytes())
    ends = "".join(f"(assert (>= X_{i} 0)) (assert (<= X_{i} 0.5))" for i in (0, 1))
    names = "".join(f"(declare-const {name} Real)" for name in ("X_0", "X_1", "Y_0", "Y_1"))
    Path("property.vnnlib").write_text(f"{names} {ends} (assert (<= Y_0 0))")
    namespace: dict[str, Any] = {"x": np.array([[0.5, 0.25]])}
    exec(first + second, namespace)  # noqa: S102 - our own text
    assert namespace["model"].region.upper.tolist() == [[[0.5, 0.5]]]


def test_the_example_of_the_json_has_the_form_of_a_real_answer() -> None:
    (text,) = blocks(REPOSITORY / "docs/how-to/scripting-the-command-line.md", "json")
    shown = json.loads(text)
    real_one = answer("bounds", "example:toy", "--center", "example:0", "--eps", "0.25")
    assert shown.keys() == real_one.keys()
    assert shown["network"].keys() == real_one["network"].keys()
    assert shown["nodes"]["logits"].keys() == real_one["nodes"]["fc2"].keys()


def test_the_ledger_of_library_functions_is_the_programs() -> None:
    text = (REPOSITORY / "TRUST.md").read_text(encoding="utf-8")
    names, _, ulps = (
        [cell.strip() for cell in line.strip().strip("|").split("|")]
        for line in re.findall(r"^   \|.*\|$", text, re.MULTILINE)
    )
    assert names[0] == "function"
    assert {name: float(ulp) for name, ulp in zip(names[1:], ulps[1:], strict=True)} == dict(FUNCTIONS)


def test_the_meanings_are_all_explained() -> None:
    text = (REPOSITORY / "docs/concepts/one-graph-many-meanings.md").read_text(encoding="utf-8")
    for meaning in (real.real, interval.interval, affine.affine, gradient.gradient, rounding.rounding):
        assert f"| {meaning.name} |" in text


def test_the_how_to_of_the_examples_has_the_documented_figures() -> None:
    text = (REPOSITORY / "docs/how-to/make-the-example-networks.md").read_text(encoding="utf-8")
    for name in ("digits", "digits_conv", "digits_tanh"):
        row = next(line for line in text.splitlines() if line.startswith(f"| `{name}.onnx`"))
        right = row.strip(" |").split("|")[-1].strip()
        assert f"{right} of the 360" in str(getattr(examples, name).__doc__)
