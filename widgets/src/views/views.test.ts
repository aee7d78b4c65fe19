import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import bounds from "../entries/bounds.js";
import graph from "../entries/graph.js";
import rounding from "../entries/rounding.js";
import workbench from "../entries/workbench.js";
import { chain, EVIL, fake, frame, type Fake } from "../fake.js";
import type { Traits } from "../core/wire.js";
import { svgText } from "./graph-export.js";
import { isDark } from "./frame.js";

let host: HTMLElement;
let abort: AbortController;

beforeEach(() => {
  host = document.createElement("div");
  document.body.replaceChildren(host);
  abort = new AbortController();
});
afterEach(() => abort.abort());

const views = { graph, bounds, rounding, workbench } as const;

async function show(name: keyof typeof views, model: Fake): Promise<void> {
  views[name].render({ model, el: host, signal: abort.signal });
  await frame();
}

const one = <T extends Element = HTMLElement>(selector: string): T => {
  const found = host.querySelector<T>(selector);
  if (!found) throw new Error(`nothing matches ${selector}`);
  return found;
};
const press = (target: Element, key: string, more: KeyboardEventInit = {}): boolean => target.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true, ...more }));
const click = (target: Element): void => {
  const at = { bubbles: true, clientX: 5, clientY: 5, pointerId: 1, button: 0 };
  target.dispatchEvent(new PointerEvent("pointerdown", at));
  target.dispatchEvent(new PointerEvent("pointerup", at));
  target.dispatchEvent(new MouseEvent("click", at));
};
const box = (id: string): Element => [...host.querySelectorAll(".wb-g-node")].find((el) => el.getAttribute("data-id") === id)!;

describe("every view", () => {
  test.each(Object.keys(views) as (keyof typeof views)[])("%s leaves nothing behind when its signal aborts", async (name) => {
    const added: [EventTarget, string, unknown][] = [];
    const plain = EventTarget.prototype.addEventListener;
    const spy = vi.spyOn(EventTarget.prototype, "addEventListener").mockImplementation(function (this: EventTarget, type, act, options) {
      const signal = typeof options === "object" ? options.signal : undefined;
      if (!(this instanceof AbortSignal) && !signal) added.push([this, type, act]);
      plain.call(this, type, act, options);
    });
    const model = fake();
    await show(name, model);
    expect(model.listeners()).toBeGreaterThan(5);
    abort.abort();
    spy.mockRestore();
    expect(model.listeners()).toBe(0);
    expect(added.map(([target, type]) => `${target.constructor.name} ${type}`)).toEqual([]);
    expect(host.childElementCount).toBe(0);
    model.python({ eps: 0.9, graph: chain(3), status: {} });
    await frame();
    expect(host.childElementCount).toBe(0);
  });

  test.each(Object.keys(views) as (keyof typeof views)[])("%s shows a hostile name as text", async (name) => {
    const hostile = EVIL.replace("'", '<script>document.title="x"</script>');
    const model = fake();
    const g = structuredClone(model.get("graph")) as { name: string; nodes: { id: string; op: string }[] };
    g.name = hostile;
    model.python({ graph: g as never, selection: { node: EVIL, index: 0 }, notice: hostile, status: { ...(model.get("status") as object), state: "failed", message: hostile } as never });
    await show(name, model);
    for (const tab of host.querySelectorAll("[data-tab]")) click(tab);
    expect(host.querySelectorAll("img, script, b b")).toHaveLength(0);
    expect(host.textContent).toContain("<img src=");
  });

  test.each(Object.keys(views) as (keyof typeof views)[])("%s draws an empty model", async (name) => {
    const none: Partial<Traits> = { graph: {}, stamp: null, overlay: {}, overlays: [], phases: {}, detail: {}, detail_data: new DataView(new ArrayBuffer(0)), neuron: {}, attribution: null, selection: {}, verdict: {}, status: {}, controls: {}, code: {} };
    await show(name, fake(none));
    expect(host.querySelector(".wb")).not.toBeNull();
  });

  test("the clean-up function serves hosts that know no signal", () => {
    const model = fake();
    const clean = graph.render({ model, el: host });
    clean();
    expect(model.listeners()).toBe(0);
  });
});

describe("honesty", () => {
  const stamped = (): Element[] => [...host.querySelectorAll("[data-eps]")];

  test("everything drawn carries its epsilon, and fades the moment another is asked for", async () => {
    const model = fake();
    await show("workbench", model);
    const bars = host.querySelectorAll(".wb-m-bar");
    expect(bars).toHaveLength(3);
    for (const el of stamped()) expect(el.getAttribute("data-eps")).toBe("0.25");
    for (const el of host.querySelectorAll(".wb-drawn, .wb-stage, .wb-for")) expect(el.getAttribute("data-state")).toBe("fresh");
    const text = one<HTMLInputElement>(".wb-text");
    text.value = "0.5";
    text.dispatchEvent(new Event("input", { bubbles: true }));
    press(text, "Enter");
    expect(model.saved.at(-1)).toEqual({ eps: 0.5 });
    await frame();
    for (const el of host.querySelectorAll(".wb-drawn, .wb-stage, .wb-for")) expect(el.getAttribute("data-state")).toBe("stale");
    for (const el of host.querySelectorAll(".wb-for")) expect(el.textContent).toContain("\u03b5 0.25");
    expect(one(".wb-verdict").textContent).toContain("STALE");
    for (const el of host.querySelectorAll(".wb-m-bar")) expect(el.getAttribute("data-eps")).toBe("0.25");
  });

  test.each([["method", "ibp"], ["format", "binary16"], ["example", 1]] as const)("a change of %s is stale too", async (name, value) => {
    const model = fake();
    await show("bounds", model);
    expect(one(".wb-bounds").dataset["state"]).toBe("fresh");
    model.python({ [name]: value });
    await frame();
    expect(one(".wb-bounds").dataset["state"]).toBe("stale");
  });

  test("a verdict is never shown as won while it is stale", async () => {
    const verdict = { state: "verified" as const, text: "logit 7 wins", math: "for all x", details: [{ semantics: "reals", state: "verified" }] };
    const model = fake({ verdict });
    await show("workbench", model);
    expect(one(".wb-verdict").dataset["state"]).toBe("verified");
    expect(one(".wb-stat").textContent).toContain("logit 7 wins, for all x");
    model.python({ eps: 0.3 });
    expect(one(".wb-verdict").dataset["state"]).toBe("stale");
    expect(one(".wb-verdict").textContent).not.toContain("\u2713");
  });

  test("arrays of a node that is no longer selected are stale", async () => {
    const model = fake();
    await show("bounds", model);
    model.python({ selection: { node: "h", index: null } });
    await frame();
    expect(one(".wb-bounds").dataset["state"]).toBe("stale");
  });
});

describe("graph", () => {
  test("a click selects, and Python's selection is shown", async () => {
    const model = fake();
    await show("graph", model);
    expect(box("r").getAttribute("data-selected")).toBe("true");
    click(box("h"));
    expect(model.saved.at(-1)).toEqual({ selection: { node: "h", index: null } });
    expect(box("h").getAttribute("aria-selected")).toBe("true");
    model.python({ selection: { node: EVIL, index: null } });
    expect(box(EVIL).getAttribute("data-selected")).toBe("true");
    expect(box("h").getAttribute("data-selected")).toBeNull();
  });

  test("hover shows and never selects", async () => {
    const model = fake();
    await show("graph", model);
    box("h").dispatchEvent(new PointerEvent("pointermove", { bubbles: true, clientX: 3, clientY: 3 }));
    expect(one(".wb-tip").hidden).toBe(false);
    expect(one(".wb-tip").textContent).toContain("MatMul");
    expect(model.saved).toEqual([]);
  });

  test("keys walk along edges, clear, and open the search", async () => {
    const model = fake();
    await show("graph", model);
    const stage = one(".wb-stage");
    press(stage, "ArrowDown");
    expect(model.get("selection")).toEqual({ node: EVIL, index: null });
    press(stage, "ArrowUp");
    press(stage, "ArrowUp");
    expect(model.get("selection")).toEqual({ node: "h", index: null });
    press(stage, "Escape");
    expect(model.get("selection")).toEqual({ node: null, index: null });
    press(stage, "/");
    const input = one<HTMLInputElement>(".wb-search input");
    input.value = "relu";
    input.dispatchEvent(new Event("input"));
    expect([...host.querySelectorAll("[data-hit]")].map((el) => el.getAttribute("data-id"))).toEqual(["r"]);
    press(input, "Enter");
    expect(model.get("selection")).toEqual({ node: "r", index: null });
    press(input, "Escape");
    expect(one(".wb-search").hidden).toBe(true);
    expect(host.querySelectorAll("[data-hit]")).toHaveLength(0);
  });

  test("groups collapse and open, and a search opens what hides its hit", async () => {
    const model = fake({ graph: chain(300, (i) => `g${Math.floor(i / 30)}`), selection: { node: null, index: null }, phases: {} });
    await show("graph", model);
    const stage = one(".wb-stage");
    expect(stage.dataset["visible"]).toBe("10");
    press(stage, "Home");
    press(stage, "Enter");
    expect(stage.dataset["visible"]).toBe(String(9 + 30));
    press(stage, "c");
    expect(stage.dataset["visible"]).toBe("10");
    press(stage, "/");
    const input = one<HTMLInputElement>(".wb-search input");
    input.value = "n299";
    input.dispatchEvent(new Event("input"));
    press(input, "Enter");
    expect(stage.dataset["visible"]).toBe(String(9 + 30));
    expect(model.get("selection")).toEqual({ node: "n299", index: null });
  });

  test("a large graph is drawn on a canvas, a small one as SVG", async () => {
    const model = fake({ graph: chain(700, () => ""), phases: {} });
    await show("graph", model);
    const stage = one(".wb-stage");
    expect(stage.dataset["renderer"]).toBe("svg");
    press(stage, "Escape");
    press(stage, "c");
    expect(stage.dataset["renderer"]).toBe("canvas");
    expect(stage.dataset["visible"]).toBe("700");
  });

  test("phases and overlay values are on the nodes, numbers beside colours", async () => {
    const model = fake();
    await show("graph", model);
    expect(box("r").getAttribute("data-phases")).toBe(model.get("phases")["r"]!.join(","));
    expect(Number(box("x").getAttribute("data-value"))).toBe(1);
    expect(box("x").querySelector(".wb-g-value")!.textContent).toBe("1");
    expect(box("x").querySelector(".wb-g-stripe")!.getAttribute("fill")).toMatch(/^rgb/);
  });

  test("an exported picture stands alone", async () => {
    const model = fake();
    await show("graph", model);
    const { findGroups, visible } = await import("../core/groups.js");
    const { layered } = await import("../core/layout.js");
    const g = model.get("graph") as ReturnType<typeof chain>;
    const all = visible(g, findGroups(g), new Set());
    const text = svgText(one(".wb"), { visible: all, placed: layered(all.boxes.length, all.edges, false), horizontal: false }, { overlay: {}, ramp: null, phases: {}, cursor: null, hits: new Set() }, EVIL);
    expect(text).toContain("&lt;img");
    expect(text).not.toMatch(/class=|var\(--|<img|<style/);
  });
});

describe("bounds", () => {
  test("bars carry float64 ends exactly, of the node itself", async () => {
    const model = fake();
    await show("bounds", model);
    const bar = one('[data-index="2"]');
    expect([bar.dataset["lo"], bar.dataset["hi"], bar.dataset["preLo"], bar.dataset["state"]]).toEqual(["0.5", "1.5", "0.5", "on"]);
  });

  test("arrow keys walk the neurons, a click selects one", async () => {
    const model = fake();
    await show("bounds", model);
    press(one(".wb-plot"), "ArrowRight");
    expect(model.saved.at(-1)).toEqual({ selection: { node: "r", index: 2 } });
    click(one('[data-index="0"]'));
    expect(model.saved.at(-1)).toEqual({ selection: { node: "r", index: 0 } });
  });

  test("the relaxation and the numbers of the selected neuron are shown in full on demand", async () => {
    const model = fake();
    await show("bounds", model);
    expect(one(".wb-relaxation").getAttribute("data-l")).toBe("-1.25");
    const digits = [...host.querySelectorAll("button")].find((b) => b.textContent === "all digits")!;
    click(digits);
    expect(one(".wb-table").textContent).toContain("[-1.25, -0.25]");
  });

  test("only unstable neurons, sorted by width", async () => {
    const model = fake();
    await show("bounds", model);
    const pick = one<HTMLSelectElement>('select[aria-label="which neurons"]');
    pick.value = "unstable";
    pick.dispatchEvent(new Event("change"));
    const left = [...host.querySelectorAll(".wb-m-bar")].map((el) => el.getAttribute("data-state"));
    expect(left.length).toBe(model.get("phases")["r"]![1]);
    expect(new Set(left)).toEqual(new Set(["unstable"]));
  });

  test("infinite and NaN ends are told apart from bounds", async () => {
    const model = fake();
    const bytes = new Float64Array((model.get("detail_data") as DataView).buffer.slice(0));
    const arrays = (model.get("detail") as { arrays: { key: string; offset: number }[] }).arrays;
    const at = (key: string): number => arrays.find((a) => a.key === key)!.offset / 8;
    bytes[at("pre_upper")] = Infinity;
    bytes[at("pre_lower") + 1] = NaN;
    model.python({ detail_data: new DataView(bytes.buffer) });
    await show("bounds", model);
    expect([...host.querySelectorAll(".wb-m-bar")].map((el) => el.getAttribute("data-state")).slice(0, 2)).toEqual(["infinite", "nan"]);
  });
});

describe("rounding", () => {
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

describe("controls", () => {
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
    workbench.render({ model, el: host, signal: abort.signal });
    model.python({ status: { ...(model.get("status") as object), state: "computing", progress: 0.5, eta: 2 } as never });
    vi.advanceTimersByTime(500);
    const act = one("[data-action]");
    expect(act.textContent).toBe("Cancel");
    expect(one(".wb-stat").textContent).toContain("about 2.00 s left");
    click(act);
    expect(model.sent).toEqual([{ type: "cancel" }]);
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

test("the theme is JupyterLab's where there is one", () => {
  const body = document.createElement("body");
  body.dataset["jpThemeLight"] = "false";
  expect(isDark(body)).toBe(true);
  body.dataset["jpThemeLight"] = "true";
  expect(isDark(body)).toBe(false);
});
