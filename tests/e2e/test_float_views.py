"""The floating-point views in a real JupyterLab: bits that flip, a map that is linked, a replay that follows."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Page

from e2e.lab import Lab, open_notebook, run_all, run_code, screenshot, set_theme


def opened(page: Page, lab: Lab, name: str, cells: list[str]) -> None:
    page.set_viewport_size({"width": 1400, "height": 1100})
    open_notebook(page, lab.write_notebook(name, cells))
    set_theme(page, dark=False)
    run_all(page)


def test_a_number_is_typed_flipped_and_stepped(page: Page, lab: Lab) -> None:
    opened(page, lab, "float.ipynb", ["import workbench as wb\nview = wb.float_inspector('0.1')", "view"])
    shown = page.locator(".wb-float")
    page.locator(".wb-float[data-code='0x3dcccccd']").wait_for()
    shown.locator("[data-bit='0']").click()
    page.locator(".wb-float[data-code='0x3dcccccc']").wait_for()
    typed = shown.locator("input.wb-text")
    typed.fill("2^-149")
    typed.press("Enter")
    page.locator(".wb-float[data-code='0x00000001']").wait_for()
    typed.press("ArrowUp")
    page.locator(".wb-float[data-code='0x00000002']").wait_for()
    shown.locator("select[aria-label='number format']").select_option("e4m3fn")
    page.locator(".wb-float[data-format=e4m3fn][data-code='0x00']").wait_for()
    run_code(page, "assert view.format == 'e4m3fn' and view.number['kind'] == 'zero', view.number")
    typed.fill("one")
    typed.press("Enter")
    shown.locator("[role=alert]:visible").wait_for()
    typed.fill("0.3")
    typed.press("Enter")
    page.locator(".wb-float[data-code='0x2a']").wait_for()
    screenshot(page, "float-light")
    set_theme(page, dark=True)
    screenshot(page, "float-dark")


def test_the_map_is_linked_with_the_model_and_replays_the_selected_neuron(page: Page, lab: Lab) -> None:
    opened(
        page,
        lab,
        "roundoff.ipynb",
        [
            "import workbench as wb\nmodel = wb.examples.digits()",
            "model.roundoff_map()",
            "model.float_view()",
        ],
    )
    page.locator(".wb-m-scroll[data-state=fresh]").wait_for(timeout=60_000)
    run_code(page, "model.selection = ('fc2', 5)")
    pane = page.locator(".wb-r-pane")
    page.locator(".wb-r-pane[data-replay=fresh][data-node=fc2][data-index='5']").wait_for()
    assert pane.locator("tbody tr").count() > 200
    page.locator(".wb-float .wb-for", has_text="fc2[5]").wait_for()
    # a click in the map selects in the model, and both other views follow
    canvas = page.locator(".wb-m-scroll canvas")
    canvas.click(position={"x": 172, "y": 2 + 19 * 2 + 9})
    page.locator(".wb-r-pane[data-replay=fresh][data-node=fc1][data-index='0']").wait_for()
    run_code(page, "assert model.selection == ('fc1', 0), model.selection")
    canvas.press("ArrowDown")
    canvas.press("Enter")
    page.locator(".wb-r-pane[data-replay=fresh][data-node=relu_1]").wait_for()
    # other layers, other orders
    page.get_by_role("radio", name="adversarial").click()
    page.locator(".wb-roundoff[data-layer=adversarial]").wait_for(timeout=60_000)
    page.get_by_role("radio", name="absolute").click()
    page.locator(".wb-roundoff[data-layer=adversarial][data-unit=absolute]").wait_for()
    run_code(page, "model.selection = ('fc2', 5)")
    page.locator("select[aria-label='order of the sums']").select_option("pairwise")
    page.locator(".wb-r-pane[data-replay=fresh][data-order=pairwise]").wait_for()
    # a new region: the old numbers are never shown as its own
    page.locator(".wb-roundoff input[aria-label^=epsilon]").fill("0.01")
    page.locator(".wb-roundoff input[aria-label^=epsilon]").press("Enter")
    page.locator(".wb-m-scroll[data-state=fresh][data-eps='0.01']").wait_for(timeout=60_000)
    run_code(page, "assert model.eps == 0.01")
    page.get_by_role("radio", name="bound", exact=True).click()
    page.locator(".wb-roundoff[data-layer=bound]").wait_for()
    screenshot(page, "roundoff-light")
    # what is saved is the picture, with its numbers
    for entry, words in (("Save SVG", "epsilon 0.01"), ("Save JSON", '"layer":"bound"')):
        page.get_by_role("button", name="copy or save the map").click()
        with page.expect_download() as saved:
            page.get_by_role("menuitem", name=entry).click()
        assert words in Path(saved.value.path()).read_text()
    set_theme(page, dark=True)
    screenshot(page, "roundoff-dark")
