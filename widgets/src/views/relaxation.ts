// RelaxationExplorer: one operator over a box that a person drags, and the hierarchy of methods on a small network.
// Python does the mathematics (workbench/views/relaxationexplorer.py describes the traits); here it is drawn.

import { h, put, say, segmented } from "./dom.js";
import type { Context } from "./frame.js";
import { hierarchyPane, type Net } from "./hierarchy.js";
import { operatorPane } from "./onenode.js";
import type { Shown } from "./onenode-words.js";
import css from "./relaxation.css";

export interface OperatorEntry {
  key: string;
  label: string;
  formula: string;
  arity: number;
  box: [number, number][];
}
export interface Question {
  seq: number;
  op: string;
  low: number[];
  high: number[];
  cut: number | null;
  lower: number[] | null;
  upper: number[] | null;
}
export interface NetQuestion {
  seq: number;
  lower: number[];
  upper: number[];
  slopes: number[] | null;
}
/** What this view needs of its widget model: other traits than the views of a model have. */
export interface ExplorerModel {
  get(name: "operators"): OperatorEntry[] | undefined;
  get(name: "shown"): Partial<Shown> | undefined;
  get(name: "net"): Partial<Net> | undefined;
  get(name: "origin"): { node?: string; index?: number; stale?: boolean } | undefined;
  get(name: "notice" | "pane"): string | undefined;
  set(name: "ask", value: Question): void;
  set(name: "net_ask", value: NetQuestion): void;
  set(name: "pane", value: string): void;
  save_changes(): void;
}

const PANES = [
  { key: "operator", label: "Operator", title: "one operator, the lines that stand in for it, and the room between them" },
  { key: "network", label: "Network", title: "what methods prove of a small network, and what it really does" },
];

export function relaxationExplorer(ctx: Context): void {
  const { root, signal } = ctx;
  const model = ctx.model as unknown as ExplorerModel;
  root.classList.add("wb-explorer");
  root.append(h("style", {}, css));
  const panes = segmented("what is shown", (key) => {
    model.set("pane", key);
    model.save_changes();
    show();
  }, signal);
  const notice = h("div", { class: "wb-notice", role: "alert", hidden: true });
  const bar = h("div", { class: "wb-bar" }, panes.el);
  const operator = operatorPane(ctx, model);
  const network = hierarchyPane(ctx, model);
  bar.append(operator.tools, network.tools);
  root.append(bar, notice, operator.el, network.el);

  function show(): void {
    const pane = model.get("pane") === "network" ? "network" : "operator";
    panes.update(PANES, pane);
    put(root, { "data-pane": pane });
    operator.el.hidden = operator.tools.hidden = pane !== "operator";
    network.el.hidden = network.tools.hidden = pane !== "network";
    const text = model.get("notice") ?? "";
    notice.hidden = !text;
    say(notice, text);
    (pane === "operator" ? operator : network).show();
  }
  ctx.watch(["pane", "notice", "shown", "net", "origin", "operators"] as never[], show);
  ctx.onTheme(show);
  show();
}
