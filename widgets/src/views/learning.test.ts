import { expect, test } from "vitest";
import { coloursOf, decodeCells, divergingRGB, pixels, type CellsHeader } from "../core/cells.js";
import confusion from "../entries/confusion.js";
import shape from "../entries/shape.js";
import tape from "../entries/tape.js";
import tensor from "../entries/tensor.js";
import { frame } from "../fake.js";
import { click, freshPage, press } from "./harness.js";
import { across } from "./tape.js";
import { widgetModel } from "./widget-fake.js";

const page = freshPage();
const views = { tensor, confusion, tape, shape };
type Name = keyof typeof views;
type State = Record<string, unknown>;
const EVIL = "<img src=x onerror=alert(1)>";

const header: CellsHeader & State = { rows: 2, cols: 2, row: 0, col: 0, h: 2, w: 2, bin: [1, 1], channels: 1, whole: [2, 2], key: "t", fixed: [0] };
const bytes = new DataView(new ArrayBuffer(48));
[-1, 2, NaN, 0].forEach((v, i) => bytes.setFloat64(8 * i, v, true));
[4, 5, 6, 7].forEach((v, i) => bytes.setInt32(32 + 4 * i, v, true));

const states: Record<Name, () => State> = {
  tensor: () => ({
    tensors: [{ key: "t", label: EVIL }], about: { name: "t", words: "crown", stale: true, code: "code" }, axes: { sizes: [3], may: { fold: false, colour: false } }, fixed: [0], chosen: "t", show: "heat",
    stats: { shape: [3, 2, 2], dtype: "float32", n: 12, bytes: 48, nan: 1, inf: 0, zeros: 1, low: -1, high: 2, mean: 0.1, norm: 2 }, cells: header, cells_data: bytes, table: {}, picked: { index: 5, position: [1, 0, 1], text: "2.0", bits: false },
    element: 5, notice: EVIL, number: {}, formats: [], modes: [], origin: {}, typed: "", format: "binary32", mode: "nearest-even",
  }),
  confusion: () => ({
    about: { name: EVIL, n: 5, names: ["no", EVIL], linked: true }, kind: "certified", cell: [0, 1], eps: 0.1, page: 0, sample: null, code: "code", notice: "", status: { state: "fresh", message: "", progress: null },
    readings: [{ key: "clean", eps: 0, matrix: [[3, 0], [0, 2]], right: 5, n: 5, statement: "all right" }, { key: "certified", eps: 0.1, matrix: [[2, 1], [0, 2]], right: 4, n: 5, statement: "proved for 4" }],
    samples: { kind: "certified", cell: [0, 1], eps: 0.1, count: 1, page: 0, pages: 1, items: [{ index: 2, label: 0, to: 1, text: `example 2; ${EVIL}`, picture: { w: 2, h: 1, data: [0, 255] } }] },
  }),
  tape: () => {
    const node = (id: string, inputs: string[], group = ""): State => ({ id, op: "Relu", shape: [2], dtype: "float32", inputs, group, params: 0, attrs: [] });
    return {
      forward: { name: EVIL, sha256: null, nodes: [node("x", []), node("a", ["x"]), node("y", ["a"])], inputs: ["x"], outputs: ["y"] },
      backward: { name: "b", sha256: null, nodes: [node("seed", [], "of y"), node("s", ["seed"], "of y"), node("m", ["s"], "of y")], inputs: ["seed"], outputs: ["m"] },
      links: { cotangent: { y: "seed", a: "m" }, maker: { seed: "y", s: "y", m: "y" }, uses: { s: ["a"] } }, overlays: { forward: [{ key: "c", label: "cotangent", unit: "", log: true, values: { a: 2 } }], backward: [] },
      numbers: { a: { value: { low: 0, high: 1, norm: 1, n: 2, zeros: 1 }, cotangent: { low: 0, high: 1, norm: 1, n: 2, zeros: 0 }, top: [[0, 0.5, 1]] }, y: { value: null, cotangent: null, top: [] } }, about: { name: "net", output: "y", index: 0, value: 3 }, notice: EVIL, code: "code", selection: { node: "a", index: null },
    };
  },
  shape: () => ({
    about: { module: EVIL, parameters: 10, fits: false, error: "layer '1' does not fit", inputs: ["[n=1, 4]"], output: "" }, notice: "", code: "code", shape: "n=1 4",
    layers: [{ path: "", kind: "Sequential", depth: 0, given: ["[n=1, 4]"], result: "", parameters: 0, state: "inside", message: "", fix: "" }, { path: "1", kind: "Linear", depth: 1, given: ["[n=1, 3]"], result: "", parameters: 8, state: "fails", message: EVIL, fix: "nn.Linear(3, 2)" }, { path: "2", kind: "ReLU", depth: 1, given: [], result: "", parameters: 0, state: "unreached", message: "", fix: "" }],
  }),
};
async function show(name: Name, changes: State = {}) {
  const model = widgetModel({ ...states[name](), ...changes });
  views[name].render({ model: model as never, el: page.host, signal: page.abort.signal });
  await frame();
  return model;
}

test.each(Object.keys(views) as Name[])("%s shows hostile texts as text, an empty model too, and leaves nothing behind", async (name) => {
  const model = await show(name);
  expect(page.host.querySelectorAll("img")).toHaveLength(0);
  expect(page.host.textContent).toContain("<img");
  expect(model.listeners()).toBeGreaterThan(3);
  page.abort.abort();
  expect(model.listeners()).toBe(0);
  const empty = widgetModel(Object.fromEntries(Object.entries(states[name]()).map(([key, v]) => [key, Array.isArray(v) ? [] : typeof v === "string" ? "" : typeof v === "object" ? {} : null])));
  views[name].render({ model: empty as never, el: page.host });
  expect(page.host.querySelector(".wb")).not.toBeNull();
});

test("cells are Python's numbers, and colours are symmetric about 0 where both signs occur", () => {
  const cells = decodeCells(header, bytes)!;
  expect([...cells.values]).toEqual([-1, 2, NaN, 0]);
  expect([...cells.flat]).toEqual([4, 5, 6, 7]);
  expect(decodeCells(header, new DataView(new ArrayBuffer(8)))).toBeNull();
  expect(decodeCells({}, bytes)).toBeNull();
  const colours = coloursOf(-1, 2, false);
  expect([colours.kind, colours.low, colours.high]).toEqual(["diverging", -2, 2]);
  expect(colours.rgb(0)).toEqual(divergingRGB(0.5));
  expect(coloursOf(1, 2, false).kind).toBe("sequential");
  expect(coloursOf(0, 1, true).rgb(1)).toEqual([255, 255, 255]);
  const drawn = pixels(cells, colours);
  expect(drawn.bad).toEqual([[1, 0]]);
  expect([...drawn.data.slice(12, 15)]).toEqual(divergingRGB(0.5));
});

test("keys walk the elements; a bin opens; while an answer is on its way nothing is picked", async () => {
  const model = await show("tensor");
  const stage = page.one(".wb-z-stage");
  press(stage, "ArrowLeft");
  expect(model.state["element"]).toBe(4);
  press(stage, "ArrowDown");
  expect(model.state["element"]).toBe(6);
  expect(page.one(".wb-sr").textContent).toBe("[1, 1, 0], NaN");
  model.python({ cells: { ...header, bin: [3, 3], whole: [6, 6], h: 6, w: 6 } });
  await frame();
  press(stage, "Enter");
  expect(model.state["window"]).toEqual([0, 0, 40, 60]);
  model.python({ fixed: [2] });
  await frame();
  expect(stage.dataset["state"]).toBe("stale");
  press(stage, "ArrowUp");
  expect(model.state["element"]).toBe(6);
  press(stage, "Escape");
});

test("the matrix says what a cell means in each reading, and ages with the radius", async () => {
  const model = await show("confusion");
  const cell = (at: string): HTMLElement => page.one(`[data-cell="${at}"]`);
  expect([cell("0,0").dataset["kind"], cell("0,1").dataset["kind"]]).toEqual(["proved", "unknown"]);
  expect(page.host.textContent).toContain("? not excluded");
  press(cell("0,1"), "ArrowLeft");
  expect(document.activeElement).toBe(cell("0,0"));
  press(cell("0,0"), "Enter");
  expect(model.state["cell"]).toEqual([0, 0]);
  page.one(".wb-q-one").click();
  expect(model.state["sample"]).toBe(2);
  model.python({ eps: 0.2 });
  await frame();
  expect(page.one(".wb-for").textContent).toBe("stale: \u03b5 0.1");
  expect(page.one(".wb-q-body").dataset["state"]).toBe("stale");
  model.python({ kind: "clean" });
  await frame();
  expect(cell("0,1").dataset["kind"]).toBe("wrong");
  expect(page.one(".wb-q-body").dataset["state"]).toBe("fresh");
});

test("a selection on one side of the tape is one on the other", async () => {
  const links = states["tape"]()["links"] as Parameters<typeof across>[0];
  expect([across(links, "forward", "a"), across(links, "forward", "x"), across(links, "backward", "m"), across(links, "backward", "s"), across(links, "backward", null)]).toEqual(["m", null, "a", "y", null]);
  const model = await show("tape");
  const tape = page.one(".wb-tape");
  expect([tape.dataset["node"], tape.dataset["back"]]).toEqual(["a", "m"]);
  const box = (side: string, id: string): Element => page.one(`[data-side=${side}] [data-id="${id}"]`);
  expect(box("backward", "m").getAttribute("data-selected")).toBe("true");
  click(box("backward", "s"));
  await frame();
  expect(model.state["selection"]).toEqual({ node: "y", index: null });
  expect([tape.dataset["node"], tape.dataset["back"]]).toEqual(["y", "s"]);
  expect(box("forward", "y").getAttribute("data-selected")).toBe("true");
  expect(page.one(".wb-b-detail").textContent).toContain("it reads a of the forward run");
  model.python({ selection: { node: "a", index: 1 } });
  await frame();
  expect(tape.dataset["back"]).toBe("m");
});

test("the layer that does not fit stands out with what would; what is typed goes to Python", async () => {
  const model = await show("shape");
  expect(page.one("tr[data-state=fails]").getAttribute("aria-label")).toContain("does not fit");
  expect(page.one(".wb-h-why code").textContent).toBe("nn.Linear(3, 2)");
  press(page.one("tr[data-path='']"), "Enter");
  expect((document.activeElement as HTMLElement).dataset["path"]).toBe("1");
  const input = page.one<HTMLInputElement>("input");
  input.value = "n=1 3";
  press(input, "Enter");
  expect(model.state["shape"]).toBe("n=1 3");
  model.python({ notice: "that is no shape" });
  await frame();
  expect(input.getAttribute("aria-invalid")).toBe("true");
});
