import { describe, expect, test, vi } from "vitest";
import { fake, frame, type Fake } from "../fake.js";
import type { Traits } from "../core/wire.js";
import { click, freshPage, press, views } from "./harness.js";

const page = freshPage();
const { show, one, box } = page;

describe("rounding", () => {
  test("what is still being computed is not said to be unknown", async () => {
    const model = fake();
    const state = (name: string): Partial<Traits> => ({ status: { ...(model.get("status") as object), state: name } as never });
    const whole = model.get("detail") as { arrays: { key: string }[] };
    model.python({ detail: { ...whole, arrays: whole.arrays.filter((a) => a.key !== "rounding") } as never, ...state("computing") });
    await show("rounding", model);
    expect(one(".wb-empty").textContent).toContain("Computing");
    model.python(state("fresh"));
    await frame();
    expect(one(".wb-empty").textContent).toContain("No rounding error here");
    model.python(state("computing"));
    await frame();
    expect(one(".wb-empty").textContent).toContain("Computing");
  });

  test("bound and observed error are exact in the data, and contributions select", async () => {
    const model = fake();
    await show("rounding", model);
    const bar = one(".wb-r-bar");
    expect([bar.dataset["bound"], bar.dataset["observed"]]).toEqual(["3e-7", "2e-8"]);
    click(one("tr[data-node]"));
    expect(model.saved.at(-1)).toEqual({ selection: { node: "h", index: 1 } });
    click(one('[data-key="ulp"]'));
    await frame();
    expect(one(".wb-plot").getAttribute("aria-label")).toContain("ulp");
  });
});

describe("without an input", () => {
  const none = (): Fake => {
    const model = fake({ stamp: null, detail: { node: "r" } as never, detail_data: new DataView(new ArrayBuffer(0)), example: null });
    const status = model.get("status") as { for: object };
    model.python({ status: { ...status, state: "idle", for: { ...status.for, region: "", example: null } } as never });
    return model;
  };

  test("the line to run is shown with the input's shape, and what would do nothing is disabled", async () => {
    const model = none();
    await show("workbench", model);
    const shape = (model.get("graph") as { nodes: { shape: number[] }[] }).nodes[0]!.shape.join(", ");
    expect(one(".wb-stat").textContent).toContain(`model.explore(numpy.zeros((${shape})), eps=0.01)`);
    expect(one(".wb-verdict").textContent).toBe("NO INPUT");
    expect(one(".wb-empty").textContent).toContain("model.explore(");
    for (const control of ["input[type=range]", ".wb-text", "[data-action]"]) expect(one<HTMLInputElement>(control).disabled).toBe(true);
    const status = model.get("status") as { for: object };
    model.python({ status: { ...status, for: { ...status.for, region: "abc" } } as never, controls: { ...(model.get("controls") as object) } as never });
    await frame();
    expect(one<HTMLInputElement>("input[type=range]").disabled).toBe(false);
    expect(one(".wb-verdict").textContent).toBe("READY");
  });
});

describe("controls", () => {
  test("the complaint about epsilon goes when a good one comes, and keys take the tooltip away", async () => {
    const model = fake();
    await show("workbench", model);
    const text = one<HTMLInputElement>(".wb-text");
    const type = (value: string): void => {
      text.value = value;
      text.dispatchEvent(new Event("input"));
      press(text, "Enter");
    };
    type("abc");
    expect(one(".wb-toast").hidden).toBe(false);
    type("0.5");
    expect(one(".wb-toast").hidden).toBe(true);
    box("h").dispatchEvent(new PointerEvent("pointermove", { bubbles: true, clientX: 3, clientY: 3 }));
    expect(one(".wb-tip").hidden).toBe(false);
    press(one(".wb-stage"), "ArrowDown");
    expect(one(".wb-tip").hidden).toBe(true);
  });

  test("the slider writes epsilon and follows Python unless it is held", async () => {
    const model = fake();
    await show("workbench", model);
    const slider = one<HTMLInputElement>("input[type=range]");
    const at = slider.value;
    slider.dispatchEvent(new PointerEvent("pointerdown", { bubbles: true }));
    model.python({ eps: 0.9 });
    expect(slider.value).toBe(at);
    slider.dispatchEvent(new PointerEvent("pointerup", { bubbles: true }));
    expect(Number(slider.value)).toBeGreaterThan(Number(at));
    slider.focus();
    model.python({ eps: 0.01 });
    expect(Number(slider.value)).toBeLessThan(Number(at));
    slider.value = "400";
    slider.dispatchEvent(new Event("input"));
    expect(model.get("eps")).toBe(1);
  });

  test.each(["", "-1", "abc", "1e999", "NaN"])("epsilon %j is refused and not sent", async (value) => {
    const model = fake();
    await show("workbench", model);
    const text = one<HTMLInputElement>(".wb-text");
    text.value = value;
    text.dispatchEvent(new Event("input"));
    press(text, "Enter");
    expect(model.saved).toEqual([]);
    expect(text.getAttribute("aria-invalid")).toBe("true");
    press(text, "Escape");
    expect(text.value).toBe("0.25");
  });

  test("method, format, input and live are written as small traits", async () => {
    const model = fake();
    await show("workbench", model);
    click(one('[data-key="ibp"]'));
    const format = one<HTMLSelectElement>('select[aria-label="number format"]');
    format.value = "bfloat16";
    format.dispatchEvent(new Event("change"));
    const input = one<HTMLSelectElement>('select[aria-label="input"]');
    input.value = "1";
    input.dispatchEvent(new Event("change"));
    const live = one<HTMLInputElement>("input[type=checkbox]");
    live.checked = false;
    live.dispatchEvent(new Event("change"));
    expect(model.saved).toEqual([{ method: "ibp" }, { format: "bfloat16" }, { example: 1 }, { live: false }]);
  });

  test("compute becomes cancel while something computes for long", async () => {
    vi.useFakeTimers();
    const model = fake();
    views.workbench.render({ model, el: page.host, signal: page.abort.signal });
    model.python({ status: { ...(model.get("status") as object), state: "computing", progress: 0.5, eta: 2 } as never });
    await vi.advanceTimersByTimeAsync(500);
    const act = one("[data-action]");
    expect(act.textContent).toBe("Cancel");
    expect(one(".wb-stat").textContent).toContain("about 2 s left");
    click(act);
    expect(model.sent).toEqual([{ type: "cancel" }]);
    vi.useRealTimers();
  });

  test("a change that nobody answers says so: the kernel is busy or gone", async () => {
    vi.useFakeTimers();
    const model = fake();
    views.workbench.render({ model, el: page.host, signal: page.abort.signal });
    click(one('[data-key="ibp"]'));
    await vi.advanceTimersByTimeAsync(2500);
    expect(one(".wb-stat").textContent).not.toContain("no answer");
    await vi.advanceTimersByTimeAsync(1000);
    expect(one(".wb-stat").textContent).toContain("no answer from Python");
    click(one('[data-key="crown"]'));
    await vi.advanceTimersByTimeAsync(100);
    expect(one(".wb-stat").textContent).not.toContain("no answer");
    vi.useRealTimers();
  });

  test("`e` goes to epsilon, and a notice of Python is an alert", async () => {
    const model = fake();
    await show("workbench", model);
    press(one(".wb-stage"), "e");
    expect(document.activeElement).toBe(one(".wb-text"));
    model.python({ notice: "eps = -1 was refused" });
    expect(one('[role="alert"]').textContent).toBe("eps = -1 was refused");
  });
});
