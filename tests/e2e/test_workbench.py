"""The main job, in a real JupyterLab: open a network, drag epsilon, watch every bound follow, select, export."""

from __future__ import annotations

import json
import statistics
from pathlib import Path

import pytest
from playwright.sync_api import Page

from e2e.lab import Complaints, Lab, open_notebook, run_all, run_code, screenshot, set_theme

BENCH = Path(__file__).resolve().parents[3] / "shared" / "bench"
BOUNDS = ".wb-bounds"
# Records, for every epsilon that the slider asks for, when a picture of bounds for that very epsilon first stood there.
WATCH = """() => {
    const bar = document.querySelector('input[type=range][aria-label^=epsilon]');
    const root = bar.closest('.wb') ?? document;
    const view = root.querySelector('.wb-bounds');
    window.wbAsked = []; window.wbDrawn = []; window.wbWrong = [];
    const text = root.querySelector('input[aria-label="epsilon as a number"]');
    bar.addEventListener('input', () => window.wbAsked.push(performance.now()));
    new MutationObserver(() => {
        const eps = view.dataset.eps, state = view.dataset.state, now = performance.now();
        if (state === 'fresh') window.wbDrawn.push([now, Number(eps)]);
        if (state === 'fresh' && Math.abs(Number(eps) - Number(text.value)) > 1e-9 + 0.01 * Number(eps))
            window.wbWrong.push([eps, text.value]);
    }).observe(view, { attributes: true, attributeFilter: ['data-seq', 'data-state', 'data-eps'] });
}"""


# What the machine and Jupyter need for a question without any work in it, 15 times at the slider's pace.
NOTHING = """async () => {
    const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
    const waits = [];
    for (let k = 0; k < 15; k++) {
        const asked = performance.now();
        await kernel.requestExecute({ code: 'pass', store_history: false }).done;
        waits.push(performance.now() - asked);
        await new Promise(resolve => setTimeout(resolve, 60));
    }
    return waits;
}"""


def open_model(page: Page, lab: Lab, name: str, setup: str) -> None:
    """A notebook whose second cell shows `model`, run to the first fresh bounds."""
    page.set_viewport_size({"width": 1400, "height": 1000})
    open_notebook(page, lab.write_notebook(name, [f"import workbench as wb\n{setup}", "model"]))
    run_all(page)
    page.locator(f"{BOUNDS}[data-state=fresh]").first.wait_for(timeout=60_000)


def drag(page: Page, moves: int, pause: float) -> list[float]:
    """Drag the epsilon slider; for each move the milliseconds until fresh bounds stood there."""
    page.evaluate(WATCH)
    box = page.locator("input[type=range][aria-label^=epsilon]").first.bounding_box()
    assert box is not None
    y = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] * 0.5, y)
    page.mouse.down()
    for k in range(moves):
        page.mouse.move(box["x"] + box["width"] * (0.5 + 0.4 * (k + 1) / moves), y)
        page.wait_for_timeout(pause)
    page.mouse.up()
    page.wait_for_timeout(800)
    asked, drawn = page.evaluate("[window.wbAsked, window.wbDrawn]")
    assert page.evaluate("window.wbWrong") == []
    waits = [min((t - a for t, _ in drawn if t >= a), default=9e9) for a in asked]
    assert len(waits) >= moves // 2
    return waits


def p95(values: list[float]) -> float:
    return statistics.quantiles(values, n=20)[-1]


def limit(page: Page) -> float:
    """Milliseconds within which 95 of 100 moves must be answered; docs/benchmarks.md says what a quiet machine does.

    A machine that takes long over nothing is busy with something else; there, only a hang would be told from work.
    """
    nothing = p95(page.evaluate(NOTHING))
    print(f"an empty question: p95 {nothing:.0f} ms")
    return 150 + 8 * nothing if nothing < 40 else 5000


def test_slider_to_redraw_on_the_tutorial_network(page: Page, lab: Lab) -> None:
    open_model(page, lab, "slider.ipynb", "model = wb.examples.digits()\nmodel.selection = ('relu_1', 17)")
    waits = drag(page, 40, 60)
    print(f"slider to redraw, CROWN, digits: p50 {statistics.median(waits):.0f} ms, p95 {p95(waits):.0f} ms")
    screenshot(page, "workbench-light")
    assert p95(waits) < limit(page)
    # the picture's numbers are the kernel's own, digit for digit
    page.locator(f"{BOUNDS}[data-state=fresh]").first.wait_for()
    lo, hi, eps = page.evaluate(
        """() => { const bar = document.querySelector('.wb-bounds [data-index="17"]');
                   return [bar.dataset.lo, bar.dataset.hi, document.querySelector('.wb-bounds').dataset.eps]; }"""
    )
    run_code(
        page,
        f"""
assert model.eps == {eps}, model.eps
held = model.bounds("crown")["relu_1"]
lo, hi = held.lower.ravel()[17], held.upper.ravel()[17]
assert float({lo!r}) == lo and float({hi!r}) == hi, (lo, hi)
""",
    )
    set_theme(page, dark=True)
    screenshot(page, "workbench-dark")


def test_selection_is_linked_both_ways(page: Page, lab: Lab) -> None:
    open_model(page, lab, "linked.ipynb", "model = wb.examples.digits()\nmodel.selection = ('fc1', None)")
    page.locator('.wb-g-node[data-id="relu_2"]').first.click()
    page.locator('.wb-g-node[data-id="relu_2"][data-selected=true]').first.wait_for()
    run_code(page, "assert model.selection[0] == 'relu_2', model.selection")
    run_code(page, "model.selection = ('fc2', 5)")
    page.locator('.wb-g-node[data-id="fc2"][data-selected=true]').first.wait_for()
    page.locator('.wb-g-node[data-id="fc2"]').first.focus()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    page.locator('.wb-g-node[data-id="relu_1"][data-selected=true]').first.wait_for()
    run_code(page, "assert model.selection[0] == 'relu_1', model.selection")


def test_two_views_of_one_model_stay_linked_and_survive_a_reload(page: Page, lab: Lab) -> None:
    name = lab.write_notebook(
        "two.ipynb",
        [
            "import workbench as wb\nmodel = wb.examples.digits()\nmodel.selection = ('relu_1', 3)",
            "model.graph_view()",
            "model.bounds_view()",
        ],
    )
    open_notebook(page, name)
    run_all(page)
    page.locator(f"{BOUNDS}[data-state=fresh]").first.wait_for(timeout=60_000)
    run_code(page, "model.eps = 0.031")
    page.locator(f'{BOUNDS}[data-eps="0.031"][data-state=fresh]').first.wait_for()
    page.locator('.wb-g-node[data-id="fc2"]').first.click()
    run_code(page, "assert model.selection[0] == 'fc2'")
    page.keyboard.press("Control+s")  # the focus is in a view: JupyterLab's own keys must still work there
    page.wait_for_function("() => !window.jupyterapp.shell.currentWidget.context.model.dirty")
    page.reload()
    page.locator(".jp-Notebook").wait_for(timeout=60_000)
    page.locator(f"{BOUNDS}").first.wait_for(timeout=60_000)
    page.locator(f'{BOUNDS}[data-eps="0.031"][data-state=fresh]').first.wait_for(timeout=60_000)


def test_python_changes_and_bad_values_are_shown_honestly(
    page: Page, lab: Lab, complaints: Complaints
) -> None:
    open_model(page, lab, "honest.ipynb", "model = wb.examples.digits()\nmodel.selection = ('relu_1', 3)")
    run_code(page, "model.live = False\nmodel.eps = 0.05")
    page.locator(f"{BOUNDS}[data-state=stale]").first.wait_for()
    run_code(page, "model.compute()")
    page.locator(f'{BOUNDS}[data-eps="0.05"][data-state=fresh]').first.wait_for()
    box = page.locator('input[aria-label="epsilon as a number"]').first
    box.fill("-3")
    box.press("Enter")
    run_code(page, "assert model.eps == 0.05, model.eps")


def test_a_hostile_name_is_only_text(page: Page, lab: Lab) -> None:
    setup = """
import numpy as np, workbench.ops
from workbench.graph import Graph, Node
from workbench.semantics.plan import infer
evil = '<img src=x onerror="window.wbHacked=1"><script>window.wbHacked=1</script>'
nodes = infer([Node("x", "Input", (), {}, (1, 4)), Node(evil, "Relu", ("x",), {}, group='"><b>g</b>')], {})
model = wb.Model(Graph(nodes, (evil,)), name=evil)
model.explore(np.zeros(4), eps=0.1, show=False)
model.selection = (evil, 0)
"""
    open_model(page, lab, "hostile.ipynb", setup)
    page.wait_for_timeout(300)
    assert page.evaluate("window.wbHacked === undefined")
    assert page.locator(".wb img, .wb script").count() == 0


@pytest.mark.parametrize("case", ["mnist", "conv"])
def test_other_networks_open(page: Page, lab: Lab, case: str) -> None:
    if case == "mnist":
        net = BENCH / "mnist_fc" / "onnx" / "mnist-net_256x2.onnx"
        if not net.exists():
            pytest.skip("the reference networks (../shared/bench) are not on this machine")
        setup = f"import numpy as np\nmodel = wb.load({json.dumps(str(net))}, clip=(0, 1))\nmodel.method = 'ibp'\n"
        setup += "model.explore(np.full((1, 784, 1), 0.5), eps=0.01, show=False)\nmodel.selection = ('9', 0)"
    else:
        setup = "model = wb.examples.digits_conv()\nmodel.selection = (model.graph.nodes[2].name, 0)"
    open_model(page, lab, f"{case}.ipynb", setup)
    if case == "mnist":
        waits = drag(page, 30, 60)
        print(
            f"slider to redraw, IBP, mnist-net_256x2: p50 {statistics.median(waits):.0f}, p95 {p95(waits):.0f} ms"
        )
        assert p95(waits) < limit(page)
    screenshot(page, f"workbench-{case}")
