import { expect, test } from "vitest";
import golden from "../../../tests/golden/float_wire.json";
import float from "../entries/float.js";
import replay from "../entries/replay.js";
import roundoff from "../entries/roundoff.js";
import { frame } from "../fake.js";
import { click, freshPage, press } from "./harness.js";
import { numberLine, type FloatNumber } from "./float.js";
import { sumChart, written, type ReplayData } from "./replay.js";
import { widgetModel } from "./widget-fake.js";
import { decodeCells, type CellsHeader } from "./roundoff.js";

const page = freshPage();
const views = { float, replay, roundoff };
type Name = keyof typeof views;
type State = Record<string, unknown>;

/** A widget model with whatever traits a view has. */
function made(name: Name, changes: State = {}) {
  const bytes = Uint8Array.from(atob(golden.roundoff.cells_data), (c) => c.charCodeAt(0));
  const state: State = structuredClone(name === "float" ? golden.float : { ...golden.roundoff, stamp: null, graph: {}, cells_data: new DataView(bytes.buffer) });
  Object.assign(state, changes);
  return widgetModel(state);
}
async function show(name: Name, model: ReturnType<typeof made>): Promise<void> {
  views[name].render({ model: model as never, el: page.host, signal: page.abort.signal });
  await frame();
}
const number = golden.float.number as unknown as FloatNumber;

test.each(Object.keys(views) as Name[])("%s leaves nothing behind, and draws an empty model", async (name) => {
  const model = made(name);
  await show(name, model);
  expect(model.listeners()).toBeGreaterThan(5);
  page.abort.abort();
  expect(model.listeners()).toBe(0);
  expect(page.host.childElementCount).toBe(0);
  const empty = made(name);
  for (const key of Object.keys(empty.state)) empty.state[key] = Array.isArray(empty.state[key]) ? [] : typeof empty.state[key] === "string" ? "" : typeof empty.state[key] === "object" ? {} : 0;
  views[name].render({ model: empty as never, el: page.host });
  expect(page.host.querySelector(".wb")).not.toBeNull();
});

test.each(Object.keys(views) as Name[])("%s shows a hostile text as text", async (name) => {
  const evil = "<img src=x onerror=alert(1)>";
  const model = made(name, { notice: evil, origin: { node: evil, index: 0 } });
  if (name === "float") model.state["number"] = { ...number, text: evil, typed: evil };
  else {
    model.state["replay"] = { ...golden.roundoff.replay, node: evil };
    model.state["selection"] = { node: evil, index: 0 };
  }
  await show(name, model);
  expect(page.host.querySelectorAll("img")).toHaveLength(0);
  expect(page.host.textContent).toContain("<img");
});

test("every bit is a switch that says what it is, and a click asks Python to flip it", async () => {
  const model = made("float");
  await show("float", model);
  const bits = [...page.host.querySelectorAll<HTMLElement>("[role=switch]")];
  expect(bits.map((b) => b.textContent).join("")).toBe(number.bits!.replaceAll(" ", ""));
  expect(bits.map((b) => Number(b.dataset["bit"]))).toEqual(Array.from({ length: 16 }, (_, i) => 15 - i));
  expect(bits.every((b) => (b.textContent === "1") === (b.getAttribute("aria-checked") === "true"))).toBe(true);
  click(bits[0]!);
  expect(model.sent).toEqual([{ type: "flip", bit: 15 }]);
  expect(bits.filter((b) => b.tabIndex === 0)).toHaveLength(1);
  press(bits[0]!, "ArrowRight");
  expect(document.activeElement).toBe(bits[1]);
});

test("what is typed goes to Python; what Python refuses is said", async () => {
  const model = made("float");
  await show("float", model);
  const input = page.one<HTMLInputElement>("input.wb-text");
  input.value = "1/3";
  press(input, "Enter");
  expect(model.state["typed"]).toBe("1/3");
  press(input, "ArrowUp");
  expect(model.sent).toEqual([{ type: "step", by: 1 }]);
  model.python({ notice: "that is no number" });
  expect(page.one("[role=alert]").textContent).toBe("that is no number");
  expect(input.getAttribute("aria-invalid")).toBe("true");
});

test("a neuron's value that is old says so", async () => {
  await show("float", made("float", { origin: { node: "fc1", index: 3, of: "computed in float32", stale: true } }));
  expect(page.one(".wb-for").textContent).toContain("stale: fc1[3]");
});

test("the typed number stands on its own side of the number", () => {
  const text = (svg: SVGSVGElement): string => [...svg.querySelectorAll("path")].map((p) => p.getAttribute("d")).join(" ");
  const up = numberLine({ ...number, rounding: { kind: "up", words: "", part: 0.25 } });
  expect(text(up)).toContain("M267.5 30"); // rounded up: it was below
  expect(text(numberLine({ ...number, rounding: { kind: "down", words: "", part: -0.25 } }))).toContain("M372.5 30");
});

test("the map's cells are Python's arrays, and nothing where bytes are missing", () => {
  const bytes = Uint8Array.from(atob(golden.roundoff.cells_data), (c) => c.charCodeAt(0));
  const header = golden.roundoff.cells as unknown as CellsHeader;
  const cells = decodeCells(header, new DataView(bytes.buffer))!;
  expect(cells.rows.at(-1)!.node).toBe(golden.roundoff.cells.rows.at(-1)!.node);
  expect(cells.rows.reduce((n, r) => n + r.count, 0)).toBe(cells.arrays["value"]!.length);
  expect(Math.max(...cells.arrays["value"]!)).toBe(Math.max(...cells.rows.map((r) => r.worst!)));
  expect(decodeCells(header, new DataView(bytes.buffer.slice(8)))).toBeNull();
  expect(decodeCells({}, null)).toBeNull();
});

test("the map carries what it was computed for, and ages when a setting moves", async () => {
  const model = made("roundoff");
  await show("roundoff", model);
  expect(page.one(".wb-m-scroll").dataset["state"]).toBe("fresh");
  expect(page.one(".wb-m-kind").textContent).toBe("sound bound");
  model.python({ eps: 0.125 });
  expect(page.one(".wb-m-scroll").dataset["state"]).toBe("stale");
  expect(page.one(".wb-bar .wb-for").dataset["state"]).toBe("stale");
  expect(page.one(".wb-r-list").dataset["state"]).toBe("stale");
});

test("keys walk the map, say what is there, and Enter selects it", async () => {
  const model = made("roundoff", { selection: { node: null, index: null } });
  await show("roundoff", model);
  const canvas = page.one("canvas");
  press(canvas, "ArrowDown");
  press(canvas, "ArrowDown");
  const row = golden.roundoff.cells.rows[1]!;
  expect(page.one(".wb-sr").textContent).toContain(`${row.node}[0]`);
  expect(page.one(".wb-sr").textContent).toContain("bound \u2264");
  press(canvas, "Enter");
  expect(model.state["selection"]).toEqual({ node: row.node, index: 0 });
});

test("the replay lists every operation, and its curve ends where the sum does", async () => {
  const shown = golden.roundoff.replay as unknown as ReplayData;
  await show("replay", made("replay"));
  expect(page.host.querySelectorAll("tbody tr")).toHaveLength(shown.steps!.length);
  expect(page.host.textContent).toContain(`value ${shown.value}`);
  expect(sumChart(shown)!.getAttribute("aria-label")).toContain(shown.node!);
  expect(sumChart({ ...shown, chart: [] })).toBeNull();
  expect(written({ operation: "add", operands: ["1", "2"] } as never)).toBe("1 + 2");
  expect(written({ operation: "fma", operands: ["1", "2", "3"] } as never)).toBe("fma(1, 2, 3)");
});
