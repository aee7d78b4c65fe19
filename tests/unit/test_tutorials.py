"""The tutorials as documents: how they open, that they carry no outputs, and that each exercise judges rightly.

That every cell runs in a real kernel is nbval's to check.  Here the code cells run one after another in one namespace,
as in a kernel, so that the checkers of the exercises can be asked about wrong answers too: a solution's cell lists
some in its metadata.
"""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import Any

import pytest

TUTORIALS = Path(__file__).resolve().parents[2] / "tutorials"
NOTEBOOKS = sorted(TUTORIALS.glob("*.ipynb"))
UNANSWERED = "not answered yet"

every_notebook = pytest.mark.parametrize("file", NOTEBOOKS, ids=lambda file: file.stem)


def cells_of(file: Path) -> list[dict[str, Any]]:
    return list(json.loads(file.read_text(encoding="utf-8"))["cells"])


def source_of(cell: dict[str, Any]) -> str:
    return "".join(cell["source"])


def is_solution(cell: dict[str, Any]) -> bool:
    return "solution" in cell["metadata"].get("tags", [])


def execute(source: str, namespace: dict[str, Any], where: str) -> Any:
    """Run a cell; the value of its last expression, which a notebook would show."""
    tree = ast.parse(source)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, where, "exec"), namespace)  # noqa: S102 - our own notebooks
    if not isinstance(last, ast.Expr):
        return None
    return eval(compile(ast.Expression(last.value), where, "eval"), namespace)  # noqa: S307


def test_the_four_tutorials_of_the_foundation_are_there() -> None:
    names = [file.stem for file in NOTEBOOKS]
    for name in ("00-workbench-from-scratch", "01-open-a-network", "02-bounds", "03-rounding-errors"):
        assert name in names


@every_notebook
def test_it_opens_with_what_the_reader_will_be_able_to_do(file: Path) -> None:
    first = cells_of(file)[0]
    assert first["cell_type"] == "markdown"
    assert source_of(first).startswith("# ")
    assert "be able to" in source_of(first)


@every_notebook
def test_it_carries_no_outputs_and_no_widget_state(file: Path) -> None:
    assert "widgets" not in json.loads(file.read_text(encoding="utf-8"))["metadata"]
    for cell in cells_of(file):
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None


@every_notebook
def test_its_links_lead_somewhere(file: Path) -> None:
    for cell in cells_of(file):
        if cell["cell_type"] == "markdown":
            for target in re.findall(r"\]\(([^)#]+)", source_of(cell)):
                assert target.startswith("https://") or (TUTORIALS / target).is_file(), target


@every_notebook
def test_its_exercises_tell_right_from_wrong(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(TUTORIALS)
    namespace: dict[str, Any] = {}
    solved, last = 0, None
    for number, cell in enumerate(cells_of(file)):
        if cell["cell_type"] != "code":
            continue
        value = execute(source_of(cell), namespace, f"{file.name}, cell {number}")
        if is_solution(cell):
            assert last == UNANSWERED, f"cell {number} solves an exercise that asked nothing"
            assert value == "right", f"the solution in cell {number} says {value!r}"
            assert cell["metadata"]["jupyter"] == {"source_hidden": True}
            wrong = cell["metadata"]["workbench"]["wrong"]
            assert wrong, "an exercise needs a wrong answer to be refused"
            for answer in wrong:
                with pytest.raises(AssertionError) as refused:
                    execute(answer, namespace, f"{file.name}, a wrong answer to cell {number}")
                assert str(refused.value), f"{answer} is refused without a word that helps"
            solved += 1
        last = value
    assert solved >= 2
