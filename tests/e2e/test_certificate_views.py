"""A certificate that is checked and tampered with, and a proof's margin under sliders, in a real JupyterLab."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Page

from e2e.lab import Lab, open_notebook, run_all, run_code, screenshot, set_theme
from workbench.certificate.check import check
from workbench.certificate.format import loads

CERTIFY = """import numpy as np
import workbench as wb
model = wb.examples.controller()
region = wb.box(np.array([[0.2, 0.02, 1.0]]), np.array([[0.9, 0.25, 1.0]]))
def row(other, k):
    return [int(i == k) - int(i == other) for i in range(5)]
def never(k):
    return wb.any_of(*[wb.linear(row(o, k), 0) for o in range(5) if o != k])
verdict = model.verify(wb.all_of(never(1), never(3)), region, certify=True)
assert verdict.certificate is not None, verdict
view = wb.certificate_view(verdict)"""


def opened(page: Page, lab: Lab, name: str, cells: list[str]) -> None:
    page.set_viewport_size({"width": 1400, "height": 1100})
    open_notebook(page, lab.write_notebook(name, cells))
    set_theme(page, dark=False)
    run_all(page)


def test_a_certificate_is_checked_step_by_step_and_tampered_with(page: Page, lab: Lab) -> None:
    opened(page, lab, "certificate.ipynb", [CERTIFY, "view"])
    shown = page.locator(".wb-certificate")
    page.locator(".wb-certificate[data-checking=idle]").wait_for()
    assert "is a claim" in shown.inner_text(), "what nobody has checked is called a claim"
    # one step at a time: as many steps are judged as were asked for
    pace = shown.locator("select[aria-label='pace of the checker']")
    pace.select_option("-1")
    shown.get_by_role("button", name="Check", exact=True).click()
    canvas = shown.locator("canvas")
    for done in range(1, 4):
        canvas.press("Enter")
        page.locator(f".wb-certificate[data-checking=checking][data-done='{done}']").wait_for()
    screenshot(page, "certificate-step-light")
    canvas.press("Space")
    page.locator(".wb-certificate[data-checking=stopped]").wait_for()
    run_code(page, "assert view.result is None, view.result")
    # at full speed it is accepted
    pace.select_option("0")
    canvas.press("Space")
    page.locator(".wb-certificate[data-checking=accepted]").wait_for()
    assert "every step was proved again" in shown.inner_text()
    canvas.press("ArrowDown")
    page.locator(".wb-certificate[data-part='1']").wait_for()
    screenshot(page, "certificate-light")
    # a number is changed, and the step that fails is shown
    shown.locator("select[aria-label='where the number stands']").select_option("tensor:fc1.bias")
    which = shown.locator("select[aria-label='number to change']")
    which.locator("option", has_text="fc1.bias[3]").wait_for(state="attached")
    which.select_option('network.tensors["fc1.bias"].data[3]')
    value = shown.locator("input[aria-label^='its new value']")
    value.fill("1/2")
    value.press("Enter")
    page.locator(".wb-certificate[data-checking=rejected][data-edits='1'][data-step='R9 refuted']").wait_for()
    shown.locator("li[data-state=failed]").wait_for()
    run_code(page, "assert view.result.place[1] == int(view.checking['place'][1]), view.result.place")
    run_code(page, "assert view.original is verdict.certificate")
    screenshot(page, "certificate-tampered-light")
    value.fill("no number")
    value.press("Enter")
    shown.locator("[role=alert]:visible").wait_for()
    canvas.press("u")
    page.locator(".wb-certificate[data-checking=idle][data-edits='0']").wait_for()
    # what is saved is a certificate, and a picture
    for entry in ("Save certificate", "Save SVG", "Save report"):
        shown.get_by_role("button", name="save the certificate").click()
        with page.expect_download() as saved:
            page.get_by_role("menuitem", name=entry).click()
        content = Path(saved.value.path()).read_bytes()
        if entry == "Save certificate":
            assert check(loads(content)).verdict == "verified"
        else:
            assert b"No input of the region" in content
    set_theme(page, dark=True)
    canvas.press("Space")
    page.locator(".wb-certificate[data-checking=accepted]").wait_for()
    screenshot(page, "certificate-dark")


def test_a_slider_changes_a_format_and_the_margin_follows(page: Page, lab: Lab) -> None:
    cells = [
        "import workbench as wb\nmodel = wb.examples.digits()\nview = model.precision_tuner(wb.margin(7))"
    ]
    opened(page, lab, "tuner.ipynb", [*cells, "view"])
    shown = page.locator(".wb-tuner")
    page.locator(".wb-tuner[data-state=fresh][data-holds=true][data-marks=all]").wait_for(timeout=60_000)
    slider = shown.locator("input[type=range]").first
    slider.focus()
    slider.press("End")
    page.locator(".wb-tuner[data-formats^='e4m3fn,binary32'][data-state=fresh]").wait_for()
    assert slider.get_attribute("aria-valuetext") == "e4m3fn"
    slider.press("ArrowLeft")  # e5m2 is too coarse for the first layer
    page.locator(".wb-tuner[data-formats^='e5m2,binary32'][data-holds=false]").wait_for()
    assert "That is no disproof" in shown.inner_text()
    run_code(page, "assert view.formats[0] == 'e5m2' and not view.tuning.holds")
    page.locator(".wb-tuner[data-marks=all]").wait_for()
    screenshot(page, "tuner-refused-light")
    shown.get_by_role("button", name="Cheapest").click()
    page.locator(".wb-tuner[data-formats='e4m3fn,e4m3fn,e4m3fn'][data-holds=true]").wait_for(timeout=60_000)
    run_code(page, "assert view.tuner.at(view.formats).margin == view.shown['margin'] > 0")
    # linked with the model
    shown.get_by_role("button", name="fc2", exact=True).click()
    page.locator(".wb-p-row[data-layer=fc2][data-selected=true]").wait_for()
    run_code(page, "assert model.selection[0] == 'fc2', model.selection")
    run_code(page, "model.selection = ('relu_1', 3)")
    page.locator(".wb-p-row[data-layer=fc1][data-selected=true]").wait_for()
    page.locator(".wb-tuner[data-marks=all]").wait_for()
    screenshot(page, "tuner-light")
    # of another region nothing is claimed until it is bounded
    run_code(page, "model.eps = model.eps * 3")
    page.locator(".wb-tuner[data-state=aged]").wait_for()
    assert "STALE" in shown.inner_text()
    shown.get_by_role("button", name="Use the model's region").click()
    page.locator(".wb-tuner[data-state=fresh]").wait_for(timeout=60_000)
    shown.get_by_role("button", name="Reset").click()
    page.locator(".wb-tuner[data-formats='binary32,binary32,binary32'][data-state=fresh]").wait_for()
    for entry, words in (("Save SVG", "binary32 | binary32"), ("Save JSON", '"formats":["binary32"')):
        shown.get_by_role("button", name="copy or save what is shown").click()
        with page.expect_download() as saved:
            page.get_by_role("menuitem", name=entry).click()
        assert words in Path(saved.value.path()).read_text()
    set_theme(page, dark=True)
    screenshot(page, "tuner-dark")
