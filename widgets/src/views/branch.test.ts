import { expect, test } from "vitest";
import { asker, neat } from "../core/ask.js";
import { ancestry, applyDelta, beside, emptyTree, leafAt, nearest, nearness, worstOpen, type DeltaHeader } from "../core/tree.js";
import branch from "../entries/branch.js";
import relaxation from "../entries/relaxation.js";
import { frame } from "../fake.js";
import { splitWords } from "./branch.js";
import { freshPage, press } from "./harness.js";
import { widgetModel as made } from "./widget-fake.js";
import { plane, tint } from "./hierarchy.js";
import { slice, term } from "./onenode-words.js";

type State = Record<string, unknown>;
const page = freshPage();
const COLUMNS = ["id", "parent", "side", "depth", "status", "bound", "kind", "index", "at", "left", "right", "low0", "high0", "low1", "high1"];
type Line = [number, number, number, number, number, number, number, number, number, number, number, number, number, number, number];

/** A delta as Python writes it. */
function delta(lines: Line[], since: number, serial: number, removed: number[] = []): [DeltaHeader, DataView] {
  const data = new Float64Array(lines.length * COLUMNS.length);
  lines.forEach((line, i) => line.forEach((v, k) => (data[k * lines.length + i] = v)));
  // an odd offset, as a message may have
  const bytes = new Uint8Array(data.byteLength + 3);
  bytes.set(new Uint8Array(data.buffer), 3);
  return [{ type: "delta", tree: "A", since, serial, removed, count: lines.length, columns: COLUMNS }, new DataView(bytes.buffer, 3, data.byteLength)];
}
const root: Line = [0, -1, 0, 0, 5, -1, 1, 0, 0.5, 1, 2, 0, 1, 0, 1];
const low: Line = [1, 0, 0, 1, 1, 0.5, 0, -1, NaN, -1, -1, 0, 0.5, 0, 1];
const high: Line = [2, 0, 1, 1, 0, -0.75, 0, -1, NaN, -1, -1, 0.5, 1, 0, 1];
const split: Line = [2, 0, 1, 1, 5, -0.75, 2, 3, 0, 3, 4, 0.5, 1, 0, 1];
const left: Line = [3, 2, 0, 2, 0, -0.5, 0, -1, NaN, -1, -1, 0.5, 1, 0, 1];
const right: Line = [4, 2, 1, 2, 2, Infinity, 0, -1, NaN, -1, -1, 0.5, 1, 0, 1];

test("a tree is put together from deltas, and a missing one is noticed", () => {
  const tree = emptyTree();
  expect(applyDelta(tree, ...delta([root, low, high], 0, 3))).toBe(true);
  expect(tree.leaves).toBe(2);
  expect(tree.order.map((n) => n.id)).toEqual([0, 1, 2]);
  expect(worstOpen(tree)?.id).toBe(2);
  expect(leafAt(tree, 0.75, 0.5)?.id).toBe(2);
  expect(applyDelta(tree, ...delta([split], 5, 6))).toBe(false);
  expect(applyDelta(tree, ...delta([split, left, right], 3, 6))).toBe(true);
  expect([tree.leaves, tree.deepest, tree.nodes.get(2)!.worst]).toEqual([3, 2, "open"]);
  expect([...ancestry(tree, 4)]).toEqual([4, 2, 0]);
  expect(tree.nodes.get(0)!.end).toBe(5);
  // taken back: the children are gone, the node is a leaf again
  expect(applyDelta(tree, ...delta([high], 6, 8, [3, 4]))).toBe(true);
  expect(tree.order.map((n) => n.id)).toEqual([0, 1, 2]);
  expect(applyDelta(tree, { ...delta([root], 8, 9)[0], count: 7 }, delta([root], 8, 9)[1])).toBe(false);
});

test("leaves are walked from left to right, and the nearest node is found", () => {
  const tree = emptyTree();
  applyDelta(tree, ...delta([root, low, split, left, right], 0, 6));
  const at = (id: number) => tree.nodes.get(id)!;
  expect(beside(tree, at(1), 1).id).toBe(3);
  expect(beside(tree, at(3), 1).id).toBe(4);
  expect(beside(tree, at(4), 1).id).toBe(4);
  expect(beside(tree, at(0), -1).id).toBe(1);
  expect(nearest(tree, at(3).x, 2, 30, 30)?.id).toBe(3);
  expect(nearest(tree, 9, 9, 30, 30)).toBeNull();
  expect(nearness(tree, -Infinity)).toBe(0);
  expect(nearness(tree, tree.low)).toBe(0);
  expect(nearness(tree, tree.low / 4)).toBeCloseTo(0.75);
  expect(splitWords({ input: "x", layers: [{ node: "relu_1", first: 0, size: 2 }, { node: "relu_2", first: 2, size: 4 }] }, at(2))).toBe("relu_2[1]");
});

test("a delta moves every leaf that it pushes aside", () => {
  const lines: Line[] = [];
  const deep = 9;
  for (let id = 0; id < 2 ** (deep + 1) - 1; id++) {
    const depth = Math.floor(Math.log2(id + 1));
    const leaf = depth === deep;
    lines.push([id, id ? Math.floor((id - 1) / 2) : -1, id % 2 ? 0 : 1, depth, leaf ? 0 : 5, -1, leaf ? 0 : 1, 0, 0, leaf ? -1 : 2 * id + 1, leaf ? -1 : 2 * id + 2, 0, 1, 0, 1]);
  }
  const tree = emptyTree();
  applyDelta(tree, ...delta(lines, 0, 1));
  const last = tree.order.at(-1)!;
  expect([tree.leaves, last.x]).toEqual([2 ** deep, 2 ** deep - 0.5]);
  const first = tree.order.find((n) => n.left < 0)!;
  const [a, b] = [5000, 5001];
  const cut: Line = [first.id, first.parent, first.side, first.depth, 5, -1, 1, 0, 0, a, b, 0, 1, 0, 1];
  const child = (id: number, side: number): Line => [id, first.id, side, deep + 1, 0, -1, 0, 0, 0, -1, -1, 0, 1, 0, 1];
  applyDelta(tree, ...delta([cut, child(a, 0), child(b, 1)], 1, 2));
  expect([tree.leaves, tree.deepest, tree.nodes.get(last.id)!.x]).toEqual([2 ** deep + 1, deep + 1, 2 ** deep + 0.5]);
});

test("never more than one question is under way, and the newest is always asked", () => {
  const sent: number[] = [];
  let clock = 0;
  const questions = asker<{ v: number }>((q) => void sent.push(q.seq), 0, 1000, () => clock);
  for (let v = 0; v < 5; v++) questions.ask({ v });
  expect(sent).toEqual([1]);
  clock = 40;
  expect(questions.answered(1)).toBe(40);
  expect(sent).toEqual([1, 5]);
  expect(questions.newest()).toBe(5);
  clock = 2000; // an answer that never came
  questions.ask({ v: 9 });
  expect(sent).toEqual([1, 5, 6]);
  expect(questions.answered(12)).toBeNull(); // another view's question
  questions.ask({ v: 1 });
  expect(questions.newest()).toBe(13);
  expect(neat(0.123456, 3)).toBe(0.12);
  expect(neat(-1.2345, 0.02)).toBe(-1.2345);
});

test("lines are written so that they still hold", () => {
  expect(term({ slopes: [0.5], offset: 0.12341, chosen: true }, "upper")).toBe("0.5\u2009x + 0.1235");
  expect(term({ slopes: [0.5], offset: 0.12349, chosen: true }, "lower")).toBe("0.5\u2009x + 0.1234");
  expect(term({ slopes: [1, -1], offset: -2, chosen: false }, "lower")).toBe("x \u2212 y \u2212 2");
  expect(term({ slopes: [0], offset: 0, chosen: false }, "lower")).toBe("0");
  expect(slice({ slopes: [1, 3], offset: 1, chosen: false }, 2)).toEqual([1, 7]);
  const p = plane(400, [0, 1], [0, 2]);
  expect(p.unX(p.X(0.3))).toBeCloseTo(0.3);
  expect(p.unY(p.Y(1.7))).toBeCloseTo(1.7);
  expect(tint([1, -1, 1])).not.toBe(tint([-1, -1, 1]));
});

const count = { open: 1, proved: 1, empty: 0, unsafe: 0, stuck: 0, split: 1 };
const searching = (): State => ({
  about: { network: "toy", question: "Y_0 <= Y_1", inputs: 2, free: [0, 1], free_count: 2, input: "x", low: [0, 0], high: [1, 1], layers: [{ node: "relu_1", first: 0, size: 3 }], neurons: 3 },
  trees: [{ key: "A", serial: 3, status: "open", bound: -0.75, done: 0.5, nodes: 3, leaves: 2, splits: 1, count, loaded: false, hand: 1, seconds: 0.1, verdict: null }],
  part: { tree: "A", id: 2, serial: 3, status: "open", bound: -0.75, weight: 0.5, depth: 1, leaf: true, path: ["x[0] > 0.5"], split: null, box: [[0, 0.5, 1], [1, 0, 1]], signs: [["relu_1", 2, -1]], decided: 1, choices: [{ kind: "sign", index: 1, at: 0, node: "relu_1", element: 1, words: "relu_1[1]", score: 2, low: -1, high: 1 }, { kind: "input", index: 1, at: 0.5, node: "x", element: 1, words: "x[1] at 0.5", score: 1, low: 0, high: 1 }], shown: false },
  state: { running: null, busy: false, message: "" }, chosen: { tree: "A", id: 2 }, selection: { node: "relu_1", index: 0 }, stale: false, notice: "",
});
async function show(model: ReturnType<typeof made>): Promise<void> {
  branch.render({ model: model as never, el: page.host, signal: page.abort.signal });
  await frame();
}

test("the tree's view asks for the whole, and sends what a person wants", async () => {
  const model = made(searching());
  await show(model);
  expect(model.sent).toEqual([{ type: "sync", since: { A: 0 } }]);
  const [header, data] = delta([root, low, high], 0, 3);
  model.message(header, [data]);
  const canvas = page.one<HTMLCanvasElement>(".wb-t-stage canvas");
  await frame();
  expect(canvas.dataset["leaves"]).toBe("2");
  press(canvas, "Enter");
  press(canvas, "Backspace");
  press(canvas, " ");
  expect(model.sent.slice(1)).toEqual([{ tree: "A", type: "split", id: 2, kind: "auto" }, { tree: "A", type: "collapse", id: 2 }, { tree: "A", type: "run" }]);
  press(canvas, "ArrowLeft");
  expect(model.state["chosen"]).toEqual({ tree: "A", id: 1 });
  page.one(".wb-t-choice").click();
  expect(model.sent.at(-1)).toEqual({ tree: "A", type: "split", id: 2, kind: "neuron", node: "relu_1", element: 1 });
  expect(page.one(".wb-t-part").dataset["state"]).toBe("stale"); // its description is of another part than the chosen one
  model.message({ ...delta([split], 7, 9)[0] }, [delta([split], 7, 9)[1]]);
  expect(model.sent.at(-1)).toEqual({ type: "sync", since: { A: 3 } });
});

test("a verdict stands beside its statement; an old region is called stale; hostile names stay text", async () => {
  const evil = "<img src=x onerror=alert(1)>";
  const state = searching();
  Object.assign(state["about"] as State, { network: evil, question: evil });
  const model = made(state);
  await show(model);
  expect(page.one(".wb-verdict").textContent).toContain("open");
  expect(page.host.querySelector("img")).toBeNull();
  const row = (state["trees"] as State[])[0]!;
  model.python({ trees: [{ ...row, status: "verified", verdict: { status: "verified", statement: `No input leads to ${evil}: proved.`, assumptions: [], point: null, at: null } }] });
  expect(page.one(".wb-verdict").textContent).toContain("VERIFIED");
  expect(page.one(".wb-t-said").textContent).toContain("No input leads to");
  model.python({ stale: true });
  expect(page.one(".wb-bar .wb-for").hidden).toBe(false);
  model.python({ notice: "this leaf is proved" });
  expect(page.one("[role=alert]").textContent).toBe("this leaf is proved");
  expect(model.listeners()).toBeGreaterThan(8);
  page.abort.abort();
  expect(model.listeners()).toBe(0);
  expect(page.host.childElementCount).toBe(0);
});

test.each([["branch", branch], ["relaxation", relaxation]] as const)("%s draws an empty model", (_, view) => {
  view.render({ model: made({}) as never, el: page.host, signal: page.abort.signal });
  expect(page.host.querySelector(".wb")).not.toBeNull();
});

test("the explorer draws what Python answered, and its grips ask", async () => {
  const shown = { seq: 0, op: "relu", low: [-2], high: [1], cut: null, lower: { slopes: [0], offset: 0, chosen: false }, upper: { slopes: [0.34], offset: 0.67, chosen: false }, best_lower: null, best_upper: null, image: [0, 1], room: { shown: 1, best: 1, box: 3 }, curve: [[-3, 0], [0, 0], [2, 2]], said: "" };
  const operators = [{ key: "relu", label: "Relu", formula: "y = max(x, 0)", arity: 1, box: [[-2, 1.5]] }, { key: "mul", label: "x y", formula: "y = ab", arity: 2, box: [[-1, 1], [0, 1]] }];
  const model = made({ operators, shown, net: {}, origin: {}, notice: "", pane: "operator" });
  relaxation.render({ model: model as never, el: page.host, signal: page.abort.signal });
  await frame();
  const grips = [...page.host.querySelectorAll<SVGGElement>(".wb-x-plot .wb-x-grip")];
  expect(grips.slice(0, 4).map((g) => g.getAttribute("role"))).toEqual(Array(4).fill("slider"));
  expect(grips[1]!.getAttribute("aria-valuetext")).toBe("u = 1");
  press(grips[1]!, "ArrowRight", { shiftKey: true });
  const asked = model.state["ask"] as { high: number[]; seq: number; op: string };
  expect(asked.high[0]).toBeGreaterThan(1);
  expect(page.one<SVGElement & HTMLElement>("svg.wb-x-plot").getAttribute("data-state")).toBe("stale");
  expect(page.one<SVGElement & HTMLElement>("svg.wb-x-plot").getAttribute("data-high")).toBe("1"); // what is drawn is what was answered
  model.python({ shown: { ...shown, seq: asked.seq, high: asked.high } });
  expect(page.one<SVGElement & HTMLElement>("svg.wb-x-plot").getAttribute("data-state")).toBe("fresh");
  press(grips[2]!, "ArrowUp");
  expect((model.state["ask"] as { lower: number[] }).lower[0]).toBeGreaterThan(0);
});
