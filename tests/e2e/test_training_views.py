"""The views of training, data and shapes in a real JupyterLab: curves that grow, brakes that act, cells that open."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Page

from e2e.lab import Lab, open_notebook, run_all, run_code, screenshot, set_theme

TRAIN = """import workbench as wb
from workbench import nn
from workbench.nn import certified
x, y, x_test, y_test = nn.digits()
net = nn.Sequential(nn.Linear(64, 48), nn.ReLU(), nn.Linear(48, 10)).init(0)
loader = nn.Loader(x, y, batch_size=64)
trainer = nn.Trainer(net, certified.IBP(certified.ramp(0.03, 60)), nn.AdamW(net, lr=5e-3))
view = wb.training_view(trainer, loader, epochs=400, validation=(x_test, y_test), eps=0.02)"""

BIG = """import numpy as np, workbench as wb
rng = np.random.default_rng(0)
big = rng.normal(size=(2, 900, 1200)).astype(np.float32)
big[1, 400, 500] = np.nan
tensor = wb.tensor_view(big)
tensor"""
CONFUSED = """import workbench as wb
from workbench import nn
x, y, x_test, y_test = nn.digits()
model = wb.examples.digits()
view = model.confusion_view(x_test[:200], y_test[:200], eps=0.03)
view"""
TAPED = """import workbench as wb
model = wb.examples.digits()
model.selection = ('fc2', None)
view = model.tape_view()
view"""
SHAPED = """import workbench as wb
from workbench import nn
sizes = nn.Linear(288, 32), nn.ReLU(), nn.Linear(32, 10)
net = nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Flatten(), *sizes)
view = wb.shape_view(net, 'batch=1 channel=1 height=10 width=10')
view"""


def opened(page: Page, lab: Lab, name: str, cells: list[str], height: int = 1100) -> None:
    page.set_viewport_size({"width": 1400, "height": height})
    open_notebook(page, lab.write_notebook(name, cells))
    set_theme(page, dark=False)
    run_all(page)


def eventually(page: Page, code: str) -> None:
    """Run code until it does not raise: what a hand did in the page is on its way to the kernel, beside its cells."""
    for _ in range(60):
        try:
            return run_code(page, code)
        except AssertionError:
            page.wait_for_timeout(100)
    return run_code(page, code)


def test_a_training_is_watched_paused_and_found_again_after_a_reload(page: Page, lab: Lab) -> None:
    opened(page, lab, "training.ipynb", [TRAIN, "view", "view"], 1500)
    views = page.locator(".wb-training")
    assert views.count() == 2
    views.first.get_by_role("button", name="Train").click()
    page.wait_for_function(
        "() => [...document.querySelectorAll('.wb-training')].every(v => Number(v.dataset.epochs) >= 3)"
    )
    views.nth(1).get_by_role("button", name="Pause").click()  # any view's brake acts
    page.locator(".wb-training[data-state=paused]").nth(1).wait_for()
    run_code(page, "import time\nbefore = trainer.count\ntime.sleep(0.4)\nassert trainer.count == before")
    run_code(page, "view.notice = str(trainer.count)\nassert len(view.record) == trainer.count")
    page.locator("[role=alert]:visible").nth(1).wait_for()
    told = int(views.first.locator("[role=alert]").inner_text())
    page.locator(f".wb-training[data-upto='{told}']").nth(1).wait_for()
    run_code(page, "view.notice = ''")
    body = views.first.locator(".wb-c-body")
    body.press("Home")
    body.press("ArrowRight")
    page.locator(".wb-training[data-cursor='1']").wait_for()
    body.press("l")
    screenshot(page, "training-light")
    set_theme(page, dark=True)
    screenshot(page, "training-dark")
    views.first.get_by_role("button", name="copy or save the curves").click()
    with page.expect_download() as saved:
        page.get_by_role("menuitem", name="Save CSV, a row a step").click()
    lines = Path(saved.value.path()).read_text().splitlines()
    assert lines[0].startswith("step,loss,lr,grad_norm,eps,kappa") and len(lines) == told + 1
    views.first.get_by_role("button", name="copy or save the curves").click()
    with page.expect_download() as saved:
        page.get_by_role("menuitem", name="Save SVG").click()
    assert "gradient norm" in Path(saved.value.path()).read_text()
    # a reload: the kernel has it all, and goes on when it is asked to
    page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")
    page.wait_for_function("() => !window.jupyterapp.shell.currentWidget.context.model.dirty")
    page.reload()
    page.locator(".jp-Notebook").wait_for(timeout=60_000)
    page.locator(f".wb-training[data-state=paused][data-upto='{told}']").nth(1).wait_for(timeout=60_000)
    views.first.get_by_role("button", name="Go on").click()
    page.wait_for_function(f"() => Number(document.querySelector('.wb-training').dataset.upto) > {told + 40}")
    views.first.get_by_role("button", name="Stop").click()
    page.locator(".wb-training[data-state=stopped]").nth(1).wait_for()
    run_code(page, "view.wait(10)\nassert len(view.record) == trainer.count and trainer.epoch < 400")


def test_tensors_and_confusion(page: Page, lab: Lab) -> None:
    """One notebook for both: what opens it costs more than what is looked at."""
    linked = "model.selection = ('fc1', None)\nmodel.tensor_view()"
    opened(page, lab, "data.ipynb", [CONFUSED, BIG, linked], 1500)
    a_cell_of_the_confusion_matrix_opens_its_examples_and_one_is_explored(page)
    a_tensor_is_drawn_walked_and_taken_apart_into_bits(page)


def a_tensor_is_drawn_walked_and_taken_apart_into_bits(page: Page) -> None:
    set_theme(page, dark=False)
    first = page.locator(".wb-tensor").first
    first.locator("input[aria-label^='index along axis 0']").fill("1")
    first.locator("input[aria-label^='index along axis 0']").press("Enter")
    first.locator(".wb-z-stage[data-state=fresh]").wait_for()
    canvas = first.locator("canvas")
    assert canvas.get_attribute("data-bin") != "1x1"
    canvas.click(position={"x": 30, "y": 30})
    first.locator("canvas[data-bin='1x1']").wait_for()
    first.locator(".wb-f-bit").first.wait_for()
    stage = first.locator(".wb-z-stage")
    before = first.get_attribute("data-element")
    stage.press("ArrowRight")
    page.wait_for_function(
        f"() => document.querySelector('.wb-tensor').dataset.element === '{int(before or 0) + 1}'"
    )
    eventually(
        page, f"assert tensor.element == {int(before or 0) + 1} and tensor.number['format'] == 'binary32'"
    )
    screenshot(page, "tensor-light")
    first.get_by_role("radio", name="table").click()
    first.locator(".wb-z-table td").first.wait_for()
    stage.press("PageDown")
    page.wait_for_function("() => document.querySelector('.wb-z-table tbody th').textContent === '24'")
    second = page.locator(".wb-tensor").nth(1)
    page.locator(".wb-tensor[data-tensor='value: fc1']").wait_for(timeout=60_000)
    second.locator("select[aria-label=tensor]").select_option("weight: fc1.weight")
    page.locator(".wb-tensor[data-tensor='weight: fc1.weight'] canvas[data-rows='128']").wait_for()
    second.get_by_role("button", name="copy or save this tensor").click()
    with page.expect_download() as saved:
        page.get_by_role("menuitem", name="Save CSV of what is shown").click()
    assert len(Path(saved.value.path()).read_text().splitlines()) == 128
    set_theme(page, dark=True)
    second.scroll_into_view_if_needed()
    screenshot(page, "tensor-dark")


def a_cell_of_the_confusion_matrix_opens_its_examples_and_one_is_explored(page: Page) -> None:
    view = page.locator(".wb-confusion")
    page.locator(".wb-confusion[data-state=fresh]").wait_for(timeout=60_000)
    view.get_by_role("radio", name="proved").click()
    page.locator(".wb-confusion[data-kind=certified]").wait_for()
    right = int(view.get_attribute("data-right") or 0)
    run_code(page, f"assert view.matrix('certified').trace() == {right} < 200")
    # walk to a cell off the diagonal that holds somebody
    cell = view.locator("td[data-kind=unknown]:not([data-zero])").first
    cell.click()
    view.locator(".wb-q-one").first.wait_for()
    index = int(view.locator(".wb-q-one").first.get_attribute("data-index") or -1)
    view.locator(".wb-q-one").first.click()
    page.wait_for_function(
        "() => document.querySelector('.wb-q-one').getAttribute('aria-pressed') === 'true'"
    )
    eventually(
        page,
        f"assert (model.center.ravel() == x_test[{index}].astype(float)).all() and model.eps == 0.03",
    )
    screenshot(page, "confusion-light")
    cell.press("ArrowUp")
    radius = view.locator("input[aria-label^=epsilon]")
    radius.fill("0.01")
    radius.press("Enter")
    page.locator(".wb-confusion[data-state=fresh][data-eps='0.01']").wait_for(timeout=60_000)
    assert int(view.get_attribute("data-right") or 0) > right
    view.get_by_role("button", name="copy or save the matrix").click()
    with page.expect_download() as saved:
        page.get_by_role("menuitem", name="Save CSV").click()
    assert Path(saved.value.path()).read_text().startswith("label,0,1,2")
    set_theme(page, dark=True)
    screenshot(page, "confusion-dark")


def test_tapes_and_shapes(page: Page, lab: Lab) -> None:
    opened(page, lab, "graphs.ipynb", [TAPED, SHAPED], 1500)
    a_tape_is_selected_on_both_sides(page)
    a_shape_that_does_not_fit_is_shown_and_mended(page)


def a_tape_is_selected_on_both_sides(page: Page) -> None:
    page.locator(".wb-tape[data-node=fc2]").wait_for()
    back = page.locator("[data-side=backward]")
    assert back.locator(".wb-g-node[data-selected=true]").get_attribute("data-id") == "mul"
    back.locator(".wb-g-node[data-id=seed]").click()
    page.locator(".wb-tape[data-node=logits][data-back=seed]").wait_for()
    page.wait_for_function("() => !document.querySelector('.wb-tape .wb-notice:not([hidden])')")
    eventually(page, "assert model.selection == ('logits', None), model.selection")
    forward = page.locator("[data-side=forward] .wb-stage")
    forward.press("ArrowUp")  # along the edge to what the output is computed from
    page.locator(".wb-tape[data-node=relu_2][data-back=matmul]").wait_for()
    back.locator(".wb-g-node[data-id=sign]").click()  # no cotangent, but made by a rule
    page.locator(".wb-tape[data-node=relu_2][data-back=sign]").wait_for()
    run_code(page, "model.selection = ('fc1', 2)")
    page.locator(".wb-tape[data-node=fc1][data-back=mul_1]").wait_for()
    screenshot(page, "tape-light")
    page.locator(".wb-tape > .wb-bar").get_by_role("button").click()
    with page.expect_download() as saved:
        page.get_by_role("menuitem", name="Save CSV, a row a node").click()
    assert "fc1,mul_1," in Path(saved.value.path()).read_text()
    set_theme(page, dark=True)
    screenshot(page, "tape-dark")


def a_shape_that_does_not_fit_is_shown_and_mended(page: Page) -> None:
    view = page.locator(".wb-shape[data-fits=false]")
    view.locator("tr[data-state=fails][data-path='3']").wait_for()
    assert "nn.Linear(512, 32)" in view.locator(".wb-h-why").inner_text()
    screenshot(page, "shape-dark")
    typed = view.locator("input.wb-h-shape")
    typed.fill("batch=1 channel=1 height=8 width=8")
    typed.press("Enter")
    page.locator(".wb-shape[data-fits=true]").wait_for()
    run_code(page, "assert view.found.fits and view.about['output'] == '[batch=1, 10]'")
    row = page.locator(".wb-shape tr[data-path='']")
    row.press("ArrowDown")
    assert page.evaluate("() => document.activeElement.dataset.path") == "0"
