// TapeView: the graph of a gradient beside the graph that it is the gradient of, drawn by the graph's own pane, with one
// selection for both.  Python differentiates (workbench/views/tapeview.py describes the traits).

import { clip, count, csvCell, short } from "../core/format.js";
import type { Model, Overlay, Traits, WireGraph } from "../core/wire.js";
import { h, put, safeName, save, say, together } from "./dom.js";
import type { Context } from "./frame.js";
import { graphPane } from "./graph.js";
import { menuButton } from "./menu.js";
import css from "./tape.css";

interface Size {
  low: number | null;
  high: number | null;
  norm: number | null;
  n: number;
  zeros: number;
}
interface Numbers {
  value: Size | null;
  cotangent: Size | null;
  top: [number, number | null, number | null][];
}
interface Links {
  cotangent: Record<string, string>;
  maker: Record<string, string>;
  uses: Record<string, string[]>;
}
type Side = "forward" | "backward";
interface TapeTraits {
  forward: WireGraph;
  backward: WireGraph;
  overlays: Record<Side, Overlay[]>;
  links: Links;
  numbers: Record<string, Numbers>;
  about: { name?: string; output?: string; index?: number; value?: number; numbers?: string[] };
  notice: string;
  code: string;
  selection: { node: string | null; index: number | null };
}
interface TapeModel {
  get<K extends keyof TapeTraits>(name: K): TapeTraits[K] | undefined;
  set<K extends keyof TapeTraits>(name: K, value: TapeTraits[K]): void;
  on(event: string, act: () => void): void;
  off(event: string, act: () => void): void;
  save_changes(): void;
}

/** What is selected on the other side: a value's cotangent, or the node whose rule made something. */
export function across(links: Partial<Links>, from: Side, node: string | null): string | null {
  if (node === null) return null;
  if (from === "forward") return links.cotangent?.[node] ?? null;
  const whose = Object.entries(links.cotangent ?? {}).find(([, back]) => back === node)?.[0];
  return whose ?? links.maker?.[node] ?? null;
}

export function tapeView(ctx: Context): void {
  const { root, signal } = ctx;
  const model = ctx.model as unknown as TapeModel;
  root.classList.add("wb-tape");
  root.append(h("style", {}, css));
  const links = (): Partial<Links> => model.get("links") ?? {};
  let back: string | null = across(links(), "forward", model.get("selection")?.node ?? null);
  const heard = new Map<string, Set<() => void>>(); // what the panes listen to and Python does not tell
  const tell = (name: string): void => [...(heard.get(name) ?? [])].forEach((act) => act());

  function select(side: Side, node: string | null): void {
    const other = across(links(), side, node);
    if (side === "forward") back = other;
    else back = node;
    const forward = side === "forward" ? node : other;
    if ((model.get("selection")?.node ?? null) !== forward) {
      model.set("selection", { node: forward, index: null });
      model.save_changes();
    }
    tell("selection");
    draw();
  }

  /** The traits that a graph's pane reads, for one side of the tape. */
  function sideOf(side: Side): Model {
    const chosen = { key: "" };
    const overlays = (): Overlay[] => model.get("overlays")?.[side] ?? [];
    const overlay = (): Overlay | undefined => overlays().find((o) => o.key === chosen.key) ?? overlays()[0];
    const read: Partial<Record<keyof Traits, () => unknown>> = {
      graph: () => model.get(side) ?? {},
      selection: () => ({ node: side === "forward" ? (model.get("selection")?.node ?? null) : back, index: null }),
      overlays: () => overlays().map(({ key, label }) => ({ key, label })),
      overlay: () => overlay() ?? {},
      code: () => ({ graph: model.get("code") ?? "" }),
      phases: () => ({}),
      stamp: () => null,
      status: () => ({}),
      controls: () => ({}),
    };
    const own = (event: string): string | null => (event === "change:graph" ? `change:${side}` : event === "change:overlay" ? "change:overlays" : null);
    return {
      get: (name: keyof Traits) => (read[name]?.() ?? null) as never,
      set(name: keyof Traits, value: never) {
        if (name === "selection") select(side, (value as { node: string | null }).node);
        else if (name === "overlay_key") {
          chosen.key = value;
          tell("overlay");
        }
      },
      on(event: string, act: () => void) {
        const name = event.replace("change:", "");
        (heard.get(name) ?? heard.set(name, new Set()).get(name)!).add(act);
        const real = own(event);
        if (real) model.on(real, act);
      },
      off(event: string, act: () => void) {
        heard.get(event.replace("change:", ""))?.delete(act);
        const real = own(event);
        if (real) model.off(real, act);
      },
      save_changes() {},
      send() {},
    };
  }

  const sides: Record<Side, Model> = { forward: sideOf("forward"), backward: sideOf("backward") };
  const paneOf = (side: Side, title: string): HTMLElement => {
    const pane = graphPane({ ...ctx, model: sides[side], unique: `${ctx.unique}${side[0]}`, watch: watcher(side) }, () => undefined);
    say(pane.el.querySelector(".wb-head b")!, title);
    put(pane.el, { "data-side": side });
    return pane.el;
  };
  const watcher = (side: Side): Context["watch"] => (names, act) => {
    const own = sides[side];
    for (const name of names) {
      own.on(`change:${name}`, act);
      signal.addEventListener("abort", () => own.off(`change:${name}`, act), { once: true });
    }
  };

  const said = h("span", { class: "wb-clip" });
  const exports = menuButton(ctx, "Export", "copy or save the tape; each graph has its own menu too", () => [
    { label: "Copy code", title: "the Python that shows this", act: () => ctx.copy(model.get("code") ?? "", "the code") },
    { label: "Save CSV, a row a node", act: () => file("csv", csv(), "text/csv") },
    { label: "Save JSON", act: () => file("json", `${JSON.stringify({ about: model.get("about"), forward: model.get("forward"), backward: model.get("backward"), links: links(), numbers: model.get("numbers") }, null, 1)}\n`, "application/json") },
  ]);
  const file = (end: string, text: string, type: string): void => save(`${safeName(`tape-${model.get("about")?.name ?? ""}`)}.${end}`, new Blob([text], { type }));
  const two = h("div", { class: "wb-b-two" });
  const detail = h("div", { class: "wb-b-detail", role: "status" });
  const notice = h("div", { class: "wb-notice", role: "alert", hidden: true });
  root.append(h("div", { class: "wb-bar" }, said, h("span", { class: "wb-grow" }), exports), two, detail, notice);
  two.append(paneOf("forward", "Forward"), paneOf("backward", "Backward"));

  const sizeRows = (label: string, size: Size | null | undefined): HTMLElement[] =>
    size ? [h("tr", {}, h("th", { scope: "row" }, label), h("td", {}, `${short(size.low, 4)} to ${short(size.high, 4)}, norm ${short(size.norm, 4)}${size.zeros ? `, ${count(size.zeros)} of ${count(size.n)} are 0` : ""}`))] : [h("tr", {}, h("th", { scope: "row" }, label), h("td", {}, "none"))];

  function draw(): void {
    const about = model.get("about") ?? {};
    say(said, about.output ? `the derivative of ${clip(about.output, 30)}[${about.index}] = ${short(about.value, 6)} by every value, at one point, in float64${about.numbers?.length ? `; ${about.numbers.join(", ")}: a rule that exists in numbers only` : ""}` : "");
    const text = model.get("notice") ?? "";
    notice.hidden = !text;
    say(notice, text);
    const node = model.get("selection")?.node ?? null;
    put(root, { "data-node": node, "data-back": back });
    const own = node === null ? undefined : model.get("numbers")?.[node];
    if (!own) {
      detail.replaceChildren(h("span", { class: "wb-lab", style: "white-space:normal" }, "Select a node on either side: the other side shows what belongs to it. Frames on the right hold what one node's rule made."));
      return;
    }
    const maker = back === null ? null : links().maker?.[back];
    const uses = back === null ? [] : (links().uses?.[back] ?? []);
    const sentence = back === null
      ? own.cotangent ? "its cotangent is no node of the backward graph" : "the output does not depend on it"
      : links().cotangent?.[node!] === back ? `its cotangent is ${back}, made by the rule of ${maker}` : `${back} was made by the rule of ${maker}`;
    detail.replaceChildren(
      h("div", {}, h("b", {}, clip(node!, 50)), h("div", { class: "wb-lab", style: "white-space:normal" }, `${sentence}${uses.length ? `; it reads ${uses.join(", ")} of the forward run` : ""}`), h("table", { class: "wb-table" }, h("tbody", {}, ...sizeRows("value", own.value), ...sizeRows("cotangent", own.cotangent)))),
      h("div", {}, own.top.length ? h("table", { class: "wb-table" }, h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "largest cotangents"), h("th", { scope: "col" }, "value"), h("th", { scope: "col" }, "cotangent"))), h("tbody", {}, ...own.top.slice(0, 5).map(([i, v, g]) => h("tr", {}, h("th", { scope: "row" }, `[${i}]`), h("td", {}, short(v, 5)), h("td", {}, short(g, 5)))))) : null),
    );
  }

  function csv(): string {
    const rows = Object.entries(model.get("numbers") ?? {}).map(([name, { value, cotangent }]) => [csvCell(name), csvCell(links().cotangent?.[name] ?? ""), ...[value, cotangent].flatMap((size) => [size?.low, size?.high, size?.norm]).map((v) => (v === null || v === undefined ? "" : String(v)))].join(","));
    return `node,cotangent,value_low,value_high,value_norm,cotangent_low,cotangent_high,cotangent_norm\n${rows.join("\n")}\n`;
  }

  const again = together(draw, signal);
  ctx.watch(["about", "links", "numbers", "notice", "forward", "backward"] as never[], again);
  ctx.watch(["selection"], () => {
    const node = model.get("selection")?.node ?? null;
    // what Python selects; what was selected here has its place on both sides already
    if (back === null || across(links(), "backward", back) !== node) back = across(links(), "forward", node);
    tell("selection");
    again();
  });
  draw();
}
