import { expect, test } from "vitest";
import { gauge, size } from "../core/gauge.js";
import { icicle, stateOf, walk, type Row } from "../core/icicle.js";
import certificate from "../entries/certificate.js";
import tuner from "../entries/tuner.js";
import { frame } from "../fake.js";
import { click, freshPage, press } from "./harness.js";

const page = freshPage();
const EVIL = "<img src=x onerror=alert(1)>";
// the whole (0..2), its lower half (3..4), which is split again (5..6, 7..8), its upper half (9..10)
const ROWS: Row[] = [
  [-1, 0, 0, 0, 2, "X_1 at 0.5"],
  [0, 0, 1, 3, 4, "relu_1[17] at 0"],
  [1, 0, 2, 5, 6, ""],
  [1, 1, 2, 7, 8, ""],
  [0, 1, 1, 9, 10, ""],
];
const views = { certificate, tuner };
type State = Record<string, unknown>;
const IDLE = { state: "idle", at: null, done: 0, of: 11, kind: "", open: 0, seconds: null, step: "", why: "", place: null, rows: [] };
const GIVEN: Record<keyof typeof views, State> = {
  certificate: {
    about: { statement: "No input of the region leads to Y_0 <= 0.", network: EVIL, sha256: "ab", compared: null, made_by: "wb", assumptions: ["real arithmetic"], level: "exactly checked" },
    trees: { cases: [{ nodes: ROWS, left: 0 }], steps: 11, broken: "" },
    checking: IDLE,
    part: { case: 0, id: 1, path: ["X_1 \u2264 0.5"], steps: [{ number: 3, words: "bounds", text: "[]" }, { number: 4, words: EVIL, text: "[]" }], leaf: false, split: "relu_1[17] at 0" },
    groups: [{ key: "region", label: "the region" }],
    numbers: { group: "region", items: [{ path: "claim.cases[0].lower[0]", label: "lower end of input 0", value: "1/3", near: "0.3333", stored: "1/3" }], count: 1 },
    edits: [],
    chosen: { case: 0, id: 1 },
    notice: "",
    pace: 0,
  },
  tuner: {
    about: { network: EVIL, question: "margin(7)", layers: ["fc1", "fc2"].map((name) => ({ name, op: "Gemm", nodes: [name, `${name}_relu`], weights: 8, activations: 2, bits: [320, 160, 80] })), candidates: ["binary32", "binary16", "e4m3fn"], room: 2 },
    shown: { seq: 0, formats: ["binary32", "binary32"], margin: 1.5, holds: true, error: 0.5, bits: 640, dearest: 640, shares: [0.25, 0.75], overflow: [], assumptions: [], seconds: 0.01 },
    marks: {},
    state: { busy: "", stale: false, message: "" },
    selection: { node: null, index: null },
    notice: "",
    choice: {},
  },
};

function made(name: keyof typeof views, changes: State = {}) {
  const state: State = { ...structuredClone(GIVEN[name]), ...changes };
  const listeners = new Map<string, Set<(...given: never[]) => void>>();
  const tell = (key: string): void => [...(listeners.get(`change:${key}`) ?? [])].forEach((act) => act());
  return {
    state,
    sent: [] as State[],
    get: (key: string) => state[key],
    set(key: string, value: unknown) {
      state[key] = value;
      tell(key);
    },
    on: (event: string, act: () => void) => void (listeners.get(event) ?? listeners.set(event, new Set()).get(event)!).add(act),
    off: (event: string, act: () => void) => void listeners.get(event)?.delete(act),
    save_changes() {},
    send(content: State) {
      this.sent.push(content);
    },
    async python(values: State) {
      Object.assign(state, values);
      Object.keys(values).forEach(tell);
      await frame();
    },
    listeners: () => [...listeners.values()].reduce((sum, set) => sum + set.size, 0),
  };
}
async function show(name: keyof typeof views, model: ReturnType<typeof made>): Promise<void> {
  views[name].render({ model: model as never, el: page.host, signal: page.abort.signal });
  await frame();
}

test.each(Object.keys(views) as (keyof typeof views)[])("%s shows hostile text as text, draws an empty model, and leaves nothing behind", async (name) => {
  const model = made(name, { notice: EVIL });
  await show(name, model);
  expect(page.host.querySelectorAll("img")).toHaveLength(0);
  expect(page.host.textContent).toContain("<img");
  expect(model.listeners()).toBeGreaterThan(4);
  page.abort.abort();
  expect(model.listeners()).toBe(0);
  views[name].render({ model: made(name, Object.fromEntries(Object.keys(GIVEN[name]).map((key) => [key, undefined]))) as never, el: page.host });
  expect(page.host.querySelector(".wb")).not.toBeNull();
});

test("a tree's parts are as wide as their leaves, and stand beside each other", () => {
  const t = icicle(ROWS);
  expect([...t.leaves]).toEqual([3, 2, 1, 1, 1]);
  expect([...t.left]).toEqual([0, 0, 0, 1, 2]);
  expect([...t.end]).toEqual([10, 8, 6, 8, 10]);
  expect(t.depth).toBe(2);
  expect([walk(t, 0, "ArrowDown"), walk(t, 1, "ArrowRight"), walk(t, 3, "ArrowLeft"), walk(t, 3, "ArrowUp"), walk(t, 4, "ArrowDown"), walk(t, 0, "ArrowUp")]).toEqual([1, 4, 2, 1, 4, 0]);
});

test("one step tells of all parts how far the checker has come, and none is called proved too early", () => {
  const t = icicle(ROWS);
  const all = (checking: object, which = 0): string[] => ROWS.map((_, i) => stateOf(t, i, which, checking));
  expect(all({ state: "idle" })).toEqual(Array(5).fill("waiting"));
  expect(all({ state: "checking", at: [0, 7] })).toEqual(["open", "open", "proved", "now", "waiting"]);
  expect(all({ state: "rejected", place: [0, 8] })).toEqual(["open", "open", "proved", "failed", "waiting"]);
  expect(all({ state: "stopped", at: [0, 9] })).toEqual(["open", "proved", "proved", "proved", "open"]);
  expect(all({ state: "checking", at: [1, 0] })).toEqual(Array(5).fill("proved"));
  expect(all({ state: "rejected", place: null, at: [0, 3] })).toEqual(Array(5).fill("waiting"));
  expect(all({ state: "accepted" })).toEqual(Array(5).fill("proved"));
});

test("the certificate: keys check, step and take back; a typed number is sent; what failed is marked", async () => {
  const model = made("certificate");
  await show("certificate", model);
  const canvas = page.one("canvas");
  for (const key of [" ", "Enter"]) press(canvas, key);
  expect(model.sent).toEqual([{ type: "check" }, { type: "next" }]);
  press(canvas, "ArrowUp");
  expect(model.state["chosen"]).toEqual({ case: 0, id: 0 });
  const typed = page.one<HTMLInputElement>(".wb-text");
  press(typed, "Enter"); // nothing is typed: nothing changes
  expect(typed.getAttribute("aria-invalid")).toBe("true");
  typed.value = "2^-4";
  press(typed, "Enter");
  expect(model.sent.at(-1)).toEqual({ type: "tamper", path: "claim.cases[0].lower[0]", value: "2^-4" });
  await model.python({ checking: { ...IDLE, state: "rejected", place: [0, 4], step: "R9 refuted", why: EVIL } });
  expect([...page.host.querySelectorAll("li")].map((li) => li.dataset["state"])).toEqual(["done", "failed"]);
  expect(page.one(".wb-verdict").textContent).toContain("REJECTED");
  expect(page.host.textContent).toContain("Nothing is proved");
});

test("the tuner: each move is asked, the old answer is stale until the new one is there, marks belong to their formats", async () => {
  const model = made("tuner");
  await show("tuner", model);
  const slider = page.one<HTMLInputElement>("input[type=range]");
  const root = page.one(".wb-tuner");
  for (const [k, place] of ["2", "1"].entries()) {
    slider.value = place;
    slider.dispatchEvent(new Event("input", { bubbles: true }));
    const formats = [["e4m3fn", "binary16"][k], "binary32"];
    expect(model.state["choice"]).toEqual({ seq: k + 1, formats });
    expect(root.dataset["state"]).toBe("stale");
    expect(page.one(".wb-verdict").textContent).toContain("COMPUTING");
    await model.python({ shown: { ...(GIVEN.tuner["shown"] as State), seq: k + 1, formats, holds: k === 0 } });
    expect(root.dataset["state"]).toBe("fresh");
    expect(slider.value).toBe(place);
  }
  expect(page.one(".wb-verdict").textContent).toContain("NOT PROVED");
  await model.python({ marks: { formats: ["binary32", "binary32"], margins: [[1, 1, -1], [1, 1, 1]] } });
  expect(page.one("small").dataset["holds"]).toBeUndefined();
  await model.python({ marks: { formats: ["binary16", "binary32"], margins: [[1, 1, null], [1, 1, 1]] } });
  expect([...page.host.querySelectorAll("small")].slice(0, 3).map((el) => el.dataset["holds"])).toEqual(["true", "true", "false"]);
  click(page.one(".wb-p-name button"));
  expect(model.state["selection"]).toEqual({ node: "fc1", index: null });
  await model.python({ state: { busy: "", stale: true, message: "" } });
  expect(page.one(".wb-verdict").textContent).toContain("STALE");
});

test("the gauge lays the layers' errors side by side, and shows what exceeds the margin", () => {
  const g = gauge(2, 0.5, [0.25, 0.75], true)!;
  expect(g.pieces.map((p) => [p.from, p.to])).toEqual([[0, 0.125], [0.125, 0.5]]);
  expect(gauge(1, 4, [1], false)!.full).toBeGreaterThan(4);
  expect(gauge(null, 1, [], false)).toBeNull();
  expect(gauge(1, null, [], false)).toBeNull();
  expect([size(8), size(9), size(8 * 2048), size(8 * 3 * 1048576)]).toEqual(["1 B", "2 B", "2.00 KiB", "3.00 MiB"]);
});
