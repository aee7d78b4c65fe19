// The inspector: the selected node's name and phases, and tabs over its panes.

import { count, shapeText } from "../core/format.js";
import type { WireGraph } from "../core/wire.js";
import { boundsPane } from "./bounds.js";
import { h, morph, put, s, say, scheduler, together } from "./dom.js";
import type { Context } from "./frame.js";
import { hatch } from "./graph-svg.js";
import { detailSource, type Pane } from "./inspect.js";
import { menuButton } from "./menu.js";
import { operatorPane } from "./operator.js";
import { roundingPane } from "./rounding.js";
import { gradientPane, valuesPane } from "./values.js";

export type Tab = "Bounds" | "Rounding" | "Values" | "Gradient" | "Operator";
export const TABS: readonly Tab[] = ["Bounds", "Rounding", "Values", "Gradient", "Operator"];

/** Views with a module of their own: nobody loads them who does not ask. */
const OTHERS = [
  ["float_view", "the bits of the selected neuron\u2019s value"],
  ["replay_view", "its computation, operation by operation"],
  ["roundoff_map", "the rounding errors of all neurons as a map"],
  ["relaxation_explorer", "what a proof uses in its place, to be tried by hand"],
] as const;

export function inspector(ctx: Context, tabs: readonly Tab[]): { el: HTMLElement; focus(): void } {
  const { model, signal, unique } = ctx;
  const source = detailSource(ctx);
  const make: Record<Tab, () => Pane> = {
    Bounds: () => boundsPane(ctx, source),
    Rounding: () => roundingPane(ctx, source),
    Values: () => valuesPane(ctx, source),
    Gradient: () => gradientPane(ctx, source),
    Operator: () => operatorPane(ctx),
  };
  const panes = new Map<Tab, Pane>();
  let current: Tab = tabs[0]!;

  const name = h("b", { class: "wb-clip" });
  const about = h("span", { class: "wb-lab wb-clip" });
  const chips = h("span", { class: "wb-row", style: "gap:10px;flex:none" });
  const list = h("div", { class: "wb-tabs", role: "tablist", "aria-label": "what is shown of the node" });
  const more = menuButton(ctx, "more views \u25be", "views of the selected neuron that stand in a cell of their own, and follow what is selected here", () =>
    OTHERS.map(([call, what]) => ({
      label: `model.${call}()`,
      note: what,
      title: "copy this line, and run it in a new cell",
      act: () => ctx.copy(`model.${call}()`, `model.${call}(): run it in a new cell`),
    })),
  );
  const body = h("div", { style: "display:contents" });
  const head = h("div", { class: "wb-head" }, name, about, h("span", { class: "wb-grow" }), chips);
  const el = h("div", { class: "wb-pane wb-inspector" }, head);
  if (tabs.length > 1) el.append(h("div", { class: "wb-head", style: "padding:0 4px;overflow-x:auto" }, list, h("span", { class: "wb-grow" }), more));
  el.append(body);

  for (const tab of tabs) {
    list.append(h("button", { type: "button", role: "tab", "data-tab": tab, id: `${unique}-t${tab}` }, tab));
  }
  const choose = (tab: Tab): void => {
    current = tab;
    let pane = panes.get(tab);
    if (!pane) {
      pane = make[tab]();
      panes.set(tab, pane);
    }
    for (const child of list.children) {
      const on = (child as HTMLElement).dataset["tab"] === tab;
      put(child, { "aria-selected": String(on), tabindex: on ? 0 : -1 });
    }
    body.replaceChildren(pane.el);
    put(pane.el, { "aria-labelledby": tabs.length > 1 ? `${unique}-t${tab}` : null });
    show();
  };
  list.addEventListener(
    "click",
    (event) => {
      const tab = (event.target as Element).closest<HTMLElement>("[data-tab]")?.dataset["tab"];
      if (tab) choose(tab as Tab);
    },
    { signal },
  );
  list.addEventListener(
    "keydown",
    (event) => {
      const step = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
      if (!step) return;
      const next = tabs[(tabs.indexOf(current) + step + tabs.length) % tabs.length]!;
      choose(next);
      (list.children[tabs.indexOf(next)] as HTMLElement).focus();
      event.preventDefault();
    },
    { signal },
  );

  function header(): void {
    const id = (model.get("selection") as { node?: string | null }).node ?? null;
    const node = (model.get("graph") as Partial<WireGraph>).nodes?.find((one) => one.id === id);
    const detail = source.detail()?.header;
    const own = node ?? (detail && detail.node === id ? detail : null);
    const n = own ? own.shape.reduce((a, b) => a * b, 1) : 0;
    say(name, id ?? "no node selected");
    put(name, { title: id });
    say(about, own ? `${own.op}, ${count(n)} neuron${n === 1 ? "" : "s"}${own.shape.length > 1 ? `, ${shapeText(own.shape)}` : ""}` : "");
    const counts = id === null ? undefined : ((model.get("phases") ?? {})[id] ?? counted());
    morph(chips, ...(counts ? (["on", "unstable", "off"] as const).map((phase, i) => chip(phase, counts[i]!)) : []));
  }

  /** A view without the graph has no phase counts: they are in the arrays. */
  function counted(): [number, number, number] | undefined {
    const detail = source.detail();
    const found = detail?.arrays["phase"];
    if (!detail || !found || detail.header.bin > 1 || detail.header.window) return undefined;
    const number = (phase: number): number => found.reduce((sum, v) => sum + (v === phase ? 1 : 0), 0);
    return [number(1), number(0), number(-1)];
  }

  function chip(phase: "on" | "unstable" | "off", n: number): HTMLElement {
    const id = `${unique}-c`;
    const svg = s("svg", { width: 12, height: 12, "aria-hidden": "true" }, s("defs", {}, hatch(id)), s("rect", { x: 0.5, y: 0.5, width: 11, height: 11, rx: 2, class: `wb-p-${phase}`, fill: phase === "unstable" ? `url(#${id})` : null, "stroke-width": 1 }));
    return h("span", { class: "wb-chip", "data-phase": phase, "data-count": n }, svg, `${count(n)} ${phase}`);
  }

  function show(): void {
    header();
    panes.get(current)?.show();
  }
  const showSoon = together(show, signal);
  ctx.watch(["detail", "detail_data", "neuron", "selection", "phases", "graph", "attribution", "window"], showSoon);
  // a slider that moves changes these several times before an answer comes: what is drawn stays, only its label may age
  ctx.watch(["stamp", "eps", "method", "format", "example", "controls", "status"], () => (source.detail() ? panes.get(current)?.freshen() : showSoon()));
  ctx.onTheme(showSoon);
  choose(current);
  // the first look is drawn before the page gives the element a size
  scheduler(show, signal)();
  return { el, focus: () => panes.get(current)?.focus?.() };
}
