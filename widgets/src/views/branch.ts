// BranchView: a proof tree that grows while one looks, and that a person can steer.  Python searches and bounds
// (workbench/views/branchview.py describes the traits and messages); here the tree is put together, drawn and walked.

import { clip, count, exact, outward, seconds, short } from "../core/format.js";
import { applyDelta, emptyTree, isLeaf, worstOpen, type DeltaHeader, type ProofTree, type TreeNode } from "../core/tree.js";
import { treeCanvas, type TreeCanvas } from "./branch-canvas.js";
import { treeSvg } from "./branch-export.js";
import { partPane } from "./branch-part.js";
import { button, h, put, safeName, save, say, segmented } from "./dom.js";
import type { Context } from "./frame.js";
import { savePng, standalone } from "./graph-export.js";
import { menuButton } from "./menu.js";
import { partition, type Raster } from "./partition.js";
import css from "./branch.css";

export interface Row {
  key: string;
  serial: number;
  status: "open" | "verified" | "falsified" | "unknown";
  bound: number | null;
  done: number;
  nodes: number;
  leaves: number;
  splits: number;
  count: Record<string, number>;
  loaded: boolean;
  hand: number;
  seconds: number;
  verdict: { status: string; statement: string; assumptions: string[]; point: string | null; at: number[] | null } | null;
}
export interface About {
  network: string;
  question: string;
  inputs: number;
  free: number[];
  free_count: number;
  input: string;
  low: number[];
  high: number[];
  layers: { node: string; first: number; size: number }[];
  neurons: number;
}
export interface Choice {
  kind: "input" | "sign";
  index: number;
  at: number;
  node: string;
  element: number;
  words: string;
  score: number | null;
  low: number | null;
  high: number | null;
}
export interface Part {
  tree: string;
  id: number;
  serial: number;
  status: TreeNode["status"];
  bound: number | null;
  weight: number;
  depth: number;
  leaf: boolean;
  path: string[];
  split: string | null;
  box: [number, number, number][];
  signs: [string, number, number][];
  decided: number;
  choices: Choice[];
  shown: boolean;
}
export interface BranchModel {
  get(name: "about"): Partial<About> | undefined;
  get(name: "trees"): Row[] | undefined;
  get(name: "part"): Partial<Part> | undefined;
  get(name: "state"): { running?: string | null; busy?: boolean; message?: string } | undefined;
  get(name: "chosen"): { tree?: string; id?: number } | undefined;
  get(name: "selection"): { node?: string | null; index?: number | null } | undefined;
  get(name: "stale"): boolean | undefined;
  get(name: "notice"): string | undefined;
  set(name: "chosen", value: { tree: string; id: number }): void;
  set(name: "selection", value: { node: string | null; index: number | null }): void;
  save_changes(): void;
  send(content: Record<string, unknown>): void;
  on(event: string, act: (content: Record<string, unknown>, buffers: DataView[]) => void): void;
  off(event: string, act: (content: Record<string, unknown>, buffers: DataView[]) => void): void;
}

/** The name of a neuron by its number among all that can be split. */
export function neuronName(about: Partial<About>, index: number): string {
  const layer = (about.layers ?? []).find((l) => index >= l.first && index < l.first + l.size);
  return layer ? `${layer.node}[${index - layer.first}]` : `neuron ${index}`;
}

/** How a node was cut: "X_0 at 0.5", "relu_1[17]". */
export const splitWords = (about: Partial<About>, node: TreeNode): string => (node.kind === "input" ? `X_${node.index} at ${short(node.at, 4)}` : node.kind === "sign" ? neuronName(about, node.index) : "");

const plural = (n: number, one: string, many: string): string => `${count(n)} ${n === 1 ? one : many}`;
const MARKS: Record<string, string> = { verified: "\u2713", falsified: "\u2717", unknown: "?", open: "?" };

export function branchView(ctx: Context): void {
  const { root, signal } = ctx;
  const model = ctx.model as unknown as BranchModel;
  root.classList.add("wb-branch", "wb-alone");
  root.append(h("style", {}, css));
  const trees = new Map<string, ProofTree>();
  const rasters = new Map<string, Raster>();
  const own = (key: string): ProofTree => trees.get(key) ?? trees.set(key, emptyTree()).get(key)!;
  const about = (): Partial<About> => model.get("about") ?? {};
  const rows = (): Row[] => model.get("trees") ?? [];
  const chosen = (): { tree: string; id: number } => ({ tree: model.get("chosen")?.tree ?? "A", id: model.get("chosen")?.id ?? 0 });
  const row = (): Row | undefined => rows().find((r) => r.key === chosen().tree);
  const running = (): boolean => Boolean(model.get("state")?.running);
  const send = (content: Record<string, unknown>): void => model.send({ tree: chosen().tree, ...content });
  const choose = (tree: string, id: number): void => {
    model.set("chosen", { tree, id });
    model.save_changes();
    const node = trees.get(tree)?.nodes.get(id);
    if (node) ctx.announce(words(node).join(", "));
    show();
  };

  /** What hovering tells, and a screen reader hears. */
  function words(node: TreeNode): string[] {
    const bound = Number.isFinite(node.bound) ? `bound \u2265 ${outward(node.bound, false)}` : node.bound > 0 ? "no input lies here" : "no bound yet";
    const how = splitWords(about(), node);
    if (!isLeaf(node)) return [how || `part ${node.id}`, `part ${node.id}, split; ${node.to - node.from} leaves below`, bound];
    return [`part ${node.id}: ${node.status}`, bound, `${short(100 * 2 ** -node.depth, 3)} % of the region, depth ${node.depth}`];
  }

  // ---- the row of controls
  const run = button("Run", "let the machine go on (space)", () => (running() ? send({ type: "pause" }) : send({ type: "run" })), signal, "wb-main");
  const step = button("Step", "split the worst open leaf as the machine would", () => send({ type: "step", count: 1 }), signal, "");
  const steps = button("\u00d710", "ten splits, the worst leaves first", () => send({ type: "step", count: 10 }), signal, "");
  const undo = button("Undo", "take back your last split", () => send({ type: "undo" }), signal, "");
  const tabs = segmented("alternatives", (key) => choose(key, own(key).nodes.has(chosen().id) ? chosen().id : 0), signal);
  const copy = button("Try alternative", "a copy of this tree beside it, to try something else", () => send({ type: "alternative" }), signal, "");
  const drop = button("Drop", "forget this alternative", () => send({ type: "drop" }), signal);
  const both = h("input", { type: "checkbox", "aria-label": "show alternatives side by side" });
  both.addEventListener("change", () => show(), { signal });
  const beside = h("label", { class: "wb-row wb-lab" }, both, "side by side");
  const file = h("input", { type: "file", accept: ".json,application/json", hidden: true, "aria-hidden": "true", tabindex: -1 });
  file.addEventListener("change", () => {
    const given = file.files?.[0];
    if (given) void given.text().then((text) => send({ type: "import", text }));
    file.value = "";
  }, { signal });
  const exports = menuButton(ctx, "Export", "copy, save or load this tree", () => [
    { label: "Copy code", title: "the Python that repeats what you see", act: () => ctx.copy(code(), "the code") },
    { label: "Save tree\u2026", title: "a file that the proof can be gone on with", act: () => send({ type: "export" }) },
    { label: "Load tree\u2026", title: "as one more alternative", act: () => file.click() },
    { label: "Save SVG", act: () => save(`${name()}.svg`, new Blob([picture()], { type: "image/svg+xml" })) },
    { label: "Save PNG", act: () => void savePng(picture(), name()).catch((error: Error) => ctx.toast(error.message)) },
    { label: "Save JSON", title: "the numbers of the picture", act: saveJson },
  ]);
  const aged = h("span", { class: "wb-for", hidden: true });
  const bar = h("div", { class: "wb-bar" }, h("span", { class: "wb-row" }, run, step, steps, undo), tabs.el, h("span", { class: "wb-row" }, copy, drop, beside), h("span", { class: "wb-grow" }), aged, exports, file);
  const question = h("div", { class: "wb-t-asked" });
  const notice = h("div", { class: "wb-notice", role: "alert", hidden: true });

  // ---- the trees, and the side panel
  const stages = h("div", { class: "wb-t-stages" });
  const made = new Map<string, TreeCanvas>();
  const titles = new Map<string, HTMLElement>();
  const known = new Set<string>();
  const plane = partition(ctx, {
    tree: () => own(chosen().tree),
    raster: () => rasters.get(chosen().tree) ?? null,
    selected: () => chosen().id,
    choose: (id) => choose(chosen().tree, id),
    words,
    ends: () => ({ low: about().low ?? [], high: about().high ?? [], names: (about().free ?? []).map((i) => `X_${i}`) }),
    point: () => row()?.verdict?.at ?? null,
  });
  const part = partPane(ctx, model, { send, choose: (id) => choose(chosen().tree, id), about });
  const side = h("div", { class: "wb-t-side" }, plane.el, part.el);
  const main = h("div", { class: "wb-t-main" }, stages, side);

  // ---- the line below: what is decided, and how far it is
  const verdict = h("span", { class: "wb-verdict" });
  const said = h("span", { class: "wb-t-said" });
  const progress = h("span", { class: "wb-prog", role: "progressbar", "aria-label": "share of the region that is proved", "aria-valuemin": 0, "aria-valuemax": 100 }, h("i"));
  const numbers = h("span", { class: "wb-lab" });
  const status = h("div", { class: "wb-stat", role: "status" }, verdict, said, h("span", { class: "wb-grow" }), progress, numbers);
  root.append(bar, notice, question, main, status);

  function stage(key: string): TreeCanvas {
    const had = made.get(key);
    if (had) return had;
    const found = treeCanvas(ctx, {
      tree: () => own(key),
      selected: () => (chosen().tree === key ? chosen().id : -1),
      choose: (id) => choose(key, id),
      words,
      key: (pressed) => keyed(pressed),
      label: () => {
        const r = rows().find((one) => one.key === key);
        return `proof tree ${key}: ${r?.leaves ?? 0} leaves, ${r?.count["open"] ?? 0} open. Arrow keys walk, n goes to the worst open leaf, Enter splits, Backspace takes back, space runs or pauses`;
      },
    });
    made.set(key, found);
    const title = h("div", { class: "wb-t-title" });
    titles.set(key, title);
    found.el.prepend(title);
    return found;
  }

  function keyed(key: string): boolean {
    const { id } = chosen();
    if (key === "Enter") send({ type: "split", id, kind: "auto" });
    else if (key === "Backspace" || key === "Delete") send({ type: "collapse", id });
    else if (key === " ") run.click();
    else if (key === "u") send({ type: "undo" });
    else if (key === "a") send({ type: "alternative" });
    else if (key === "s") send({ type: "show", id });
    else if (key === "Escape") send({ type: "whole" });
    else return false;
    return true;
  }

  function show(): void {
    const [all, now, at] = [rows(), row(), chosen()];
    for (const key of [...known].filter((k) => !all.some((r) => r.key === k))) {
      made.get(key)?.el.remove();
      for (const held of [made, trees, rasters, titles]) held.delete(key);
      known.delete(key);
    }
    for (const r of all) known.add(r.key); // a new tree's nodes may come before its row does
    const pair = both.checked && all.length > 1 ? [at.tree, all.find((r) => r.key !== at.tree)!.key].sort() : [at.tree];
    const wanted = pair.map((key) => stage(key).el);
    if (stages.childElementCount !== wanted.length || wanted.some((el, k) => stages.children[k] !== el)) stages.replaceChildren(...wanted);
    put(stages, { "data-count": pair.length });
    for (const key of pair) {
      const r = all.find((one) => one.key === key);
      say(titles.get(key)!, all.length > 1 && r ? `${key}: ${count(r.leaves)} leaves, ${count(r.count["open"] ?? 0)} open, bound ${r.bound === null ? "\u2013" : outward(r.bound, false)}` : "");
      titles.get(key)!.hidden = all.length < 2;
      stage(key).draw();
    }
    tabs.update(all.map((r) => ({ key: r.key, label: `${r.key} \u00b7 ${count(r.leaves)}`, title: `${r.leaves} leaves, ${r.count["open"] ?? 0} open, ${r.hand} split by hand` })), at.tree);
    tabs.el.hidden = drop.hidden = beside.hidden = all.length < 2;
    const busy = running();
    say(run, busy ? "Pause" : "Run");
    put(run, { title: busy ? "stop after the batch that it is at (space)" : "let the machine go on (space)" });
    const decided = now !== undefined && now.status !== "open";
    run.disabled = decided && !busy;
    step.disabled = steps.disabled = decided || busy;
    undo.disabled = !now?.hand;
    const a = about();
    say(question, `${a.network}: is there an input with ${a.question || "any output"}?`);
    put(question, { title: a.question });
    aged.hidden = !model.get("stale");
    say(aged, "stale: the model has moved to another region");
    put(aged, { "data-state": model.get("stale") ? "stale" : "fresh" });
    const text = model.get("notice") ?? "";
    notice.hidden = !text;
    say(notice, text);
    plane.el.hidden = (a.free_count ?? 0) !== 2;
    if (!plane.el.hidden) plane.draw();
    part.show();
    tell(now, busy);
    put(root, { "data-status": now?.status, "data-running": busy ? "true" : "false", "data-busy": model.get("state")?.busy ? "true" : "false", "data-leaves": now?.leaves, "data-tree": at.tree, "data-trees": all.length, "data-splits": now?.splits, "data-hand": now?.hand });
  }

  function tell(now: Row | undefined, busy: boolean): void {
    const v = now?.verdict;
    const state = v?.status ?? "open";
    put(verdict, { "data-state": state });
    say(verdict, state === "open" ? (busy ? "\u2026 searching" : "? open") : `${MARKS[state] ?? "?"} ${state.toUpperCase()}`);
    const message = model.get("state")?.message ?? "";
    say(said, v ? v.statement + (v.point ? ` At (${v.point}).` : "") : `Not decided yet${message ? `: ${message}` : "."}${now?.loaded ? " It comes from a file: what it lists as proved is taken on trust until it is checked again." : ""}`);
    put(said, { title: v ? [v.statement, ...v.assumptions].join("; ") : null });
    const done = Math.round(1000 * (now?.done ?? 0)) / 10;
    progress.firstElementChild!.setAttribute("style", `width:${done}%`);
    put(progress, { "aria-valuenow": done });
    const bound = now?.bound;
    say(numbers, now ? `${done} % proved \u00b7 ${plural(now.leaves, "leaf", "leaves")}, ${count(now.count["open"] ?? 0)} open${now.count["stuck"] ? `, ${count(now.count["stuck"])} stuck` : ""} \u00b7 ${now.status === "open" && bound !== null && bound !== undefined ? `bound \u2265 ${outward(bound, false)} \u00b7 ` : ""}${plural(now.splits, "split", "splits")}${now.hand ? `, ${now.hand} by hand` : ""}${now.seconds ? ` \u00b7 ${seconds(now.seconds)}` : ""}` : "");
  }

  // ---- what arrives
  const arrived = (content: Record<string, unknown>, buffers: DataView[]): void => {
    if (content["type"] === "delta") {
      const header = content as unknown as DeltaHeader;
      if (!applyDelta(own(header.tree), header, buffers[0]!)) return sync();
      show();
    } else if (content["type"] === "raster") {
      const data = buffers[0]!;
      const ids = new Int32Array(data.buffer.slice(data.byteOffset, data.byteOffset + data.byteLength) as ArrayBuffer);
      rasters.set(String(content["tree"]), { serial: Number(content["serial"]), size: Number(content["size"]), ids });
      plane.fresh();
    } else if (content["type"] === "file") save(String(content["name"]), new Blob([String(content["text"])], { type: "application/json" }));
  };
  const sync = (): void => model.send({ type: "sync", since: Object.fromEntries(rows().map((r) => [r.key, own(r.key).serial])) });
  model.on("msg:custom", arrived);
  signal.addEventListener("abort", () => model.off("msg:custom", arrived), { once: true });
  ctx.watch(["about", "trees", "part", "state", "chosen", "selection", "stale", "notice"] as never[], show);
  show();
  sync();

  // ---- files
  const name = (): string => safeName(`proof-${about().network ?? "network"}-${chosen().tree}`);
  const legend = (): string => clip(`${about().network}: ${about().question}`, 160);
  function picture(): string {
    return standalone(root, treeSvg(ctx, own(chosen().tree), legend(), (about().free_count ?? 0) === 2 ? plane.svg() : null, (node) => splitWords(about(), node)));
  }
  function saveJson(): void {
    const nodes = own(chosen().tree).order.map(({ id, parent, side, depth, status, bound, kind, index, at }) => ({ id, parent, side, depth, status, bound: Number.isFinite(bound) ? bound : String(bound), split: kind ? { kind, index, at } : null }));
    save(`${name()}.json`, new Blob([`${JSON.stringify({ about: about(), summary: row(), nodes })}\n`], { type: "application/json" }));
  }
  function code(): string {
    const lines = [`# ${about().network}: unsafe is ${clip(about().question ?? "", 200)}`, "view = model.branch_view(spec)  # the specification that you gave"];
    const tree = own(chosen().tree);
    // splits in the order of their parts' numbers: the same numbers come out again
    for (const node of [...tree.nodes.values()].filter((n) => n.kind && !isLeaf(n)).sort((a, b) => a.left - b.left).slice(0, 200)) {
      lines.push(node.kind === "input" ? `view.split(${node.id}, axis=${node.index}, at=${exact(node.at)})` : `view.split(${node.id}, neuron=view.steer.neuron(${node.index}))`);
    }
    return `${lines.join("\n")}\nview`;
  }
  ctx.root.addEventListener("wb-worst", () => {
    const worst = worstOpen(own(chosen().tree));
    if (worst) choose(chosen().tree, worst.id);
  }, { signal });
}
