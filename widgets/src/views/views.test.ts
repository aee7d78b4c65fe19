import { expect, describe, test, vi } from "vitest";
import { chain, EVIL, fake, frame } from "../fake.js";
import type { Traits } from "../core/wire.js";
import { isDark } from "./frame.js";
import { svgText } from "./graph-export.js";
import { click, freshPage, press, views, type ViewName } from "./harness.js";

const page = freshPage();
const { show, one, box } = page;

describe("every view", () => {
  test.each(Object.keys(views) as ViewName[])("%s leaves nothing behind when its signal aborts", async (name) => {
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
    page.abort.abort();
    spy.mockRestore();
    expect(model.listeners()).toBe(0);
    expect(added.map(([target, type]) => `${target.constructor.name} ${type}`)).toEqual([]);
    expect(page.host.childElementCount).toBe(0);
    model.python({ eps: 0.9, graph: chain(3), status: {} });
    await frame();
    expect(page.host.childElementCount).toBe(0);
  });

  test.each(Object.keys(views) as ViewName[])("%s shows a hostile name as text", async (name) => {
    const hostile = EVIL.replace("'", '<script>document.title="x"</script>');
    const model = fake();
    const g = structuredClone(model.get("graph")) as { name: string; nodes: { id: string; op: string }[] };
    g.name = hostile;
    model.python({ graph: g as never, selection: { node: EVIL, index: 0 }, notice: hostile, status: { ...(model.get("status") as object), state: "failed", message: hostile } as never });
    await show(name, model);
    for (const tab of page.host.querySelectorAll("[data-tab]")) click(tab);
    expect(page.host.querySelectorAll("img, script, b b")).toHaveLength(0);
    expect(page.host.textContent).toContain("<img src=");
  });

  test.each(Object.keys(views) as ViewName[])("%s draws an empty model", async (name) => {
    const none: Partial<Traits> = { graph: {}, stamp: null, overlay: {}, overlays: [], phases: {}, detail: {}, detail_data: new DataView(new ArrayBuffer(0)), neuron: {}, attribution: null, selection: {}, verdict: {}, status: {}, controls: {}, code: {} };
    await show(name, fake(none));
    expect(page.host.querySelector(".wb")).not.toBeNull();
  });

  test("the clean-up function serves hosts that know no signal", () => {
    const model = fake();
    const clean = views.graph.render({ model, el: page.host });
    clean();
    expect(model.listeners()).toBe(0);
  });
});

describe("honesty", () => {
  const stamped = (): Element[] => [...page.host.querySelectorAll("[data-eps]")];

  test("everything drawn carries its epsilon, and fades the moment another is asked for", async () => {
    const model = fake();
    await show("workbench", model);
    const bars = page.host.querySelectorAll(".wb-m-bar");
    expect(bars).toHaveLength(3);
    for (const el of stamped()) expect(el.getAttribute("data-eps")).toBe("0.25");
    for (const el of page.host.querySelectorAll(".wb-drawn, .wb-stage, .wb-for")) expect(el.getAttribute("data-state")).toBe("fresh");
    const text = one<HTMLInputElement>(".wb-text");
    text.value = "0.5";
    text.dispatchEvent(new Event("input", { bubbles: true }));
    press(text, "Enter");
    expect(model.saved.at(-1)).toEqual({ eps: 0.5 });
    await frame();
    for (const el of page.host.querySelectorAll(".wb-drawn, .wb-stage, .wb-for")) expect(el.getAttribute("data-state")).toBe("stale");
    for (const el of page.host.querySelectorAll(".wb-for")) expect(el.textContent).toContain("\u03b5 0.25");
    expect(one(".wb-verdict").textContent).toContain("STALE");
    for (const el of page.host.querySelectorAll(".wb-m-bar")) expect(el.getAttribute("data-eps")).toBe("0.25");
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

  test("only what is proved holds for all x; else the region is named", async () => {
    const verdict = { state: "unknown" as const, text: "output 2 is the largest at the centre (margin >= -145.5)", math: "for all x with |x| \u2264 1", question: "Asked: the same?", details: [] };
    const model = fake({ verdict });
    await show("workbench", model);
    expect(one(".wb-said").textContent).toBe("Asked: the same?output 2 is the largest at the centre (margin \u2265 \u2212145.5); region: |x| \u2264 1");
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
    expect([...page.host.querySelectorAll("[data-hit]")].map((el) => el.getAttribute("data-id"))).toEqual(["r"]);
    press(input, "Enter");
    expect(model.get("selection")).toEqual({ node: "r", index: null });
    press(input, "Escape");
    expect(one(".wb-search").hidden).toBe(true);
    expect(page.host.querySelectorAll("[data-hit]")).toHaveLength(0);
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
    const digits = [...page.host.querySelectorAll("button")].find((b) => b.textContent === "all digits")!;
    click(digits);
    expect(one(".wb-table").textContent).toContain("[-1.25, -0.25]");
  });

  test("only unstable neurons, sorted by width", async () => {
    const model = fake();
    await show("bounds", model);
    const pick = one<HTMLSelectElement>('select[aria-label="which neurons"]');
    pick.value = "unstable";
    pick.dispatchEvent(new Event("change"));
    const left = [...page.host.querySelectorAll(".wb-m-bar")].map((el) => el.getAttribute("data-state"));
    expect(left.length).toBe(model.get("phases")["r"]![1]);
    expect(new Set(left)).toEqual(new Set(["unstable"]));
  });

  test("about the centre moves the picture and not the numbers", async () => {
    const model = fake();
    await show("bounds", model);
    const bar = (): HTMLElement => one('[data-index="2"]');
    const told = (): (string | null)[] => ["aria-label", "data-lo", "data-hi", "data-pre-lo", "data-pre-hi", "data-state"].map((name) => bar().getAttribute(name));
    const [path, data] = [one("path.wb-p-on").getAttribute("d"), told()];
    const pick = one<HTMLSelectElement>('select[aria-label="where zero is"]');
    pick.value = "center";
    pick.dispatchEvent(new Event("change"));
    expect(one("path.wb-p-on").getAttribute("d")).not.toBe(path);
    expect(told()).toEqual(data);
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
    expect([...page.host.querySelectorAll(".wb-m-bar")].map((el) => el.getAttribute("data-state")).slice(0, 2)).toEqual(["infinite", "nan"]);
  });
});

test("the theme is JupyterLab's where there is one", () => {
  const body = document.createElement("body");
  body.dataset["jpThemeLight"] = "false";
  expect(isDark(body)).toBe(true);
  body.dataset["jpThemeLight"] = "true";
  expect(isDark(body)).toBe(false);
});
