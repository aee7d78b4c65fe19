import { expect, test } from "vitest";
import { addRows, curvePath, emptyRows, epochsCsv, extent, nearest, toCsv, type RowsHeader } from "../core/series.js";
import training from "../entries/training.js";
import { frame } from "../fake.js";
import { freshPage, press } from "./harness.js";
import { widgetModel } from "./widget-fake.js";

const page = freshPage();
const COLUMNS = ["step", "loss", "lr", "grad_norm", "eps"];
function delta(from: number, rows: number[][], more: Partial<RowsHeader> = {}): [RowsHeader, DataView] {
  const data = new Float64Array(rows.length * COLUMNS.length);
  rows.forEach((row, i) => row.forEach((v, c) => (data[c * rows.length + i] = v)));
  return [{ run: 0, from, upto: from + rows.length, count: rows.length, every: 1, columns: COLUMNS, epochs_from: 0, epochs: [], ...more }, new DataView(data.buffer)];
}
const row = (i: number, loss = 1 / (i + 1)): number[] => [i, loss, 0.01, 2 + i, 0.001 * i];

test("deltas add up; what overlaps counts once; a gap asks for everything", () => {
  const rows = emptyRows();
  expect(addRows(rows, ...delta(0, [row(0), row(1)]))).toBe(true);
  expect(addRows(rows, ...delta(1, [row(1), row(2)], { epochs: [{ at: 3, loss: 0.6 }] }))).toBe(true);
  expect(rows.data[0]).toEqual([0, 1, 2]);
  expect(rows.upto).toBe(3);
  expect(addRows(rows, ...delta(5, [row(5)]))).toBe(false);
  expect(addRows(rows, ...delta(3, [row(3)], { run: 1, epochs_from: 1 }))).toBe(false);
  const [header] = delta(3, [row(3)]);
  expect(addRows(rows, header, new DataView(new ArrayBuffer(8)))).toBe(false);
  expect(addRows(rows, ...delta(0, [row(0)], { run: 1 }))).toBe(true);
  expect([rows.data[0], rows.epochs]).toEqual([[0], []]);
  expect(toCsv(rows)).toBe("step,loss,lr,grad_norm,eps\n0,1,0.01,2,0\n");
  expect(toCsv({ ...rows, every: 3 })).toMatch(/^# of each 3 steps/);
  expect(epochsCsv({ ...rows, epochs: [{ at: 3, clean: null }, { at: 6, clean: 0.5 }] })).toBe("at,clean\n3,\n6,0.5\n");
});

test("a curve keeps each pixel's lowest and highest value, and breaks where there is none", () => {
  const xs = Array.from({ length: 1000 }, (_, i) => i);
  const path = curvePath(xs, xs.map((x) => (x === 501 ? 99 : 1)), (x) => x / 100, (y) => y);
  expect(path).toContain("99.0");
  expect(path.split("L").length).toBeLessThan(30);
  expect(curvePath([0, 1, 2], [1, null, 3], (x) => 10 * x, (y) => y)).toBe("M0.0 1.0M20.0 3.0");
  expect(extent([[1, 0, NaN, Infinity]], true)).toEqual({ low: 1, high: 1, left: 3 });
  expect(extent([[NaN]], false)).toBeNull();
  expect([nearest([], 3), nearest([1, 4, 9], 6), nearest([1, 4, 9], 7), nearest([1], 99)]).toEqual([-1, 1, 2, 0]);
});

const state = { state: "running", message: "", step: 3, epoch: 0, epochs: 2, total: 6, seconds: 1, left: 3, rate: 3, can: ["pause", "stop"] };
const about = { module: "Sequential", optimizer: "Adam", objective: "IBP", parameters: 1234, judged: { n: 120, of: 360, eps: 0.02, method: "crown", clip: [0, 1] } };
async function show(changes = {}) {
  const model = widgetModel({ about, state, snapshot: {}, code: "code()", notice: "", ...changes });
  training.render({ model: model as never, el: page.host, signal: page.abort.signal });
  await frame();
  return model;
}

test("the view asks for what there is, draws it, and its buttons and keys act only where they can", async () => {
  const model = await show();
  expect(model.sent).toEqual([{ type: "sync" }]);
  expect(page.host.textContent).toContain("Nothing is recorded yet");
  model.message({ type: "rows", ...delta(0, [row(0), row(1), row(2)], { epochs: [{ at: 3, loss: 0.61, val_loss: 0.7, clean: 0.9, certified: 0.8 }] })[0] }, [delta(0, [row(0), row(1), row(2)])[1]]);
  await frame();
  expect([...page.host.querySelectorAll<HTMLElement>(".wb-c-panel")].map((p) => p.dataset["panel"])).toEqual(["loss", "accuracy", "grad_norm", "lr", "eps"]);
  expect(page.one("[data-panel=accuracy]").textContent).toContain("proved, CROWN, \u03b5 0.02 80 %");
  expect(page.host.textContent).toContain("the first 120 of 360 validation examples");
  const body = page.one(".wb-c-body");
  press(body, "Home");
  await frame();
  expect(page.one(".wb-training").dataset["cursor"]).toBe("0");
  expect(page.one("[data-panel=accuracy] .wb-c-now").textContent).toContain("\u2013"); // no epoch had ended by then
  expect(page.one(".wb-sr").textContent).toContain("gradient norm each step 2");
  press(body, "p");
  press(body, "t");
  press(body, "s");
  expect(model.sent.slice(1)).toEqual([{ type: "pause" }, { type: "stop" }]);
  model.message({ type: "rows", ...delta(9, [row(9)])[0] }, [delta(9, [row(9)])[1]]);
  expect(model.sent.at(-1)).toEqual({ type: "sync" });
  page.abort.abort();
  expect(model.listeners()).toBe(0);
});

test("a page that holds more rows than it needs asks for a thinned record", async () => {
  const model = await show();
  const many = delta(0, Array.from({ length: 60_001 }, (_, i) => row(i)));
  model.message({ type: "rows", ...many[0] }, [many[1]]);
  expect(model.sent).toHaveLength(1);
  const more = delta(60_001, [row(60_001)]);
  model.message({ type: "rows", ...more[0] }, [more[1]]);
  expect(model.sent).toEqual([{ type: "sync" }, { type: "sync" }]);
});

test("without a kernel the kept curves are drawn; a failure and hostile texts are told as text", async () => {
  const evil = "<img src=x onerror=alert(1)>";
  await show({ about: { ...about, module: evil }, state: { ...state, state: "failed", message: evil, can: ["start"] }, snapshot: { every: 2, columns: COLUMNS, rows: [[0, 2], [1, null], [0.1, 0.1], [1, 1], [0, 0]], epochs: [] } });
  expect(page.host.querySelectorAll("img")).toHaveLength(0);
  expect(page.one("[role=alert]").textContent).toContain(evil);
  expect(page.one(".wb-training").dataset["rows"]).toBe("2");
  expect(page.one("[data-panel=loss]").textContent).toContain("1 not drawn");
  expect(page.one("[data-panel=loss] .wb-c-bad")).not.toBeNull();
  expect(page.host.textContent).toContain("Of each 2 earlier steps");
});
