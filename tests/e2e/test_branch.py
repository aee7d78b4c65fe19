"""BranchView in a real JupyterLab: a proof finished by hand, an alternative beside it, and a part shown everywhere."""

from __future__ import annotations

import json
from pathlib import Path

from playwright.sync_api import Page

from e2e.lab import Lab, open_notebook, run_all, run_code, screenshot, set_theme

BEGIN = """import numpy as np, workbench as wb
model = wb.examples.controller()
model.region = wb.box(np.array([[0.3, 0.05, 1.0]]), np.array([[0.7, 0.25, 1.0]]))
row = lambda o, k: [int(i == k) - int(i == o) for i in range(5)]
never = lambda *ks: wb.all_of(*[wb.any_of(*[wb.linear(row(o, k), 0) for o in range(5) if o != k]) for k in ks])
view = model.branch_view(never(1, 3))
view"""


def test_a_proof_is_finished_by_hand_and_by_the_machine(page: Page, lab: Lab) -> None:  # noqa: PLR0915 - one visit
    page.set_viewport_size({"width": 1400, "height": 1100})
    open_notebook(page, lab.write_notebook("branch.ipynb", [BEGIN, "model.bounds_view()"]))
    set_theme(page, dark=False)
    run_all(page)
    shown = page.locator(".wb-branch")
    page.locator(".wb-branch[data-status=open][data-leaves='1']").wait_for()
    tree = shown.locator(".wb-t-stage canvas")
    # a split of one's own (an input, where it was typed), taken back, and made again by the machine's choice
    shown.get_by_label("where to cut it").fill("0.4")
    shown.get_by_role("button", name="Cut").click()
    page.locator(".wb-branch[data-leaves='2'][data-hand='1']").wait_for()
    run_code(page, "assert view.steer.node(0).split.words() == 'X_0 at 0.4', view.steer.node(0).split")
    shown.get_by_role("button", name="Undo").click()
    page.locator(".wb-branch[data-leaves='1'][data-hand='0']").wait_for()
    tree.focus()
    tree.press("Home")
    tree.press("Enter")
    page.locator(".wb-branch[data-leaves='2'][data-hand='1']").wait_for()
    # an alternative: the first tree stays as it is
    shown.get_by_role("button", name="Try alternative").click()
    page.locator(".wb-branch[data-tree=B][data-trees='2']").wait_for()
    # by hand: from the worst open leaf on, always the choice that is offered first
    for _ in range(12):
        if shown.get_attribute("data-status") != "open":
            break
        splits = int(shown.get_attribute("data-splits") or 0)
        shown.locator(".wb-t-stage canvas[data-selected]").last.press("n")
        run_code(page, "worst = min(view.steer.leaves('open'), key=lambda n: n.bound).id\nview.wait()")
        page.locator(".wb-t-part[data-state=fresh][data-part-status=open]").wait_for()
        shown.locator(".wb-t-choice").first.click()
        page.locator(f".wb-branch[data-splits='{splits + 1}']").wait_for()
    shown.locator(".wb-verdict[data-state=verified]", has_text="VERIFIED").wait_for()
    assert "No input of the region leads to" in shown.locator(".wb-t-said").inner_text()
    run_code(
        page, "assert view.verdict and view.trees[1]['hand'] == view.trees[1]['splits'] > 1, view.trees[1]"
    )
    # the machine finishes the other one; both stand side by side
    shown.get_by_role("radio", name="A").click()
    page.locator(".wb-branch[data-tree=A][data-status=open]").wait_for()
    shown.get_by_role("button", name="Run", exact=True).click()
    page.locator(".wb-branch[data-tree=A][data-status=verified]").wait_for(timeout=60_000)
    shown.get_by_label("show alternatives side by side").check()
    page.wait_for_function(
        "() => [...document.querySelectorAll('.wb-t-stage canvas')].every(c => Number(c.dataset.leaves) > 2)"
    )
    screenshot(page, "branch-light")
    # a part, in every view of the model: its box, and what is known of its neurons
    tree.first.focus()
    tree.first.press("Home")
    tree.first.press("ArrowRight")
    page.locator(".wb-t-part[data-state=fresh][data-part-status=proved]").wait_for()
    run_code(page, "model.selection = ('relu_2', 0)")
    shown.get_by_role("button", name="Show in all views").click()
    page.locator(".wb-t-part[data-shown=true]").wait_for()
    run_code(
        page,
        "model.wait()\nassert model.region is not None and 'part' in model.result.note, model.result.note",
    )
    code = "import numpy as np\nleaf = view.steer.node(view.chosen['id'])\n"
    code += "assert np.array_equal(model.region.lower.ravel(), leaf.lower)\n"
    code += "assert np.array_equal(model.region.upper.ravel(), leaf.upper) and leaf.depth > 0"
    run_code(page, code)
    shown.get_by_role("button", name="Whole region").click()
    page.locator(".wb-t-part[data-shown=false]").wait_for()
    run_code(page, "assert model.region.upper.ravel().tolist() == [0.7, 0.25, 1.0]")
    # kept: the file that the browser saves is one that the search can go on with
    shown.get_by_role("button", name="copy, save or load this tree").click()
    with page.expect_download() as saved:
        page.get_by_role("menuitem", name="Save tree").click()
    text = Path(saved.value.path()).read_text()
    assert json.loads(text)
    run_code(
        page,
        f"open('kept.json', 'w').write({text!r})\nkept = model.branch_view(never(1, 3), path='kept.json')",
    )
    run_code(
        page, "assert kept.steer.status == 'verified' and any('file' in a for a in kept.verdict.assumptions)"
    )
    shown.get_by_role("button", name="copy, save or load this tree").click()
    with page.expect_download() as saved:
        page.get_by_role("menuitem", name="Save SVG").click()
    assert "controller.onnx" in Path(saved.value.path()).read_text()
    set_theme(page, dark=True)
    screenshot(page, "branch-dark")
