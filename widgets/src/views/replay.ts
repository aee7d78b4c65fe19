// Replay: every operation behind one neuron, what each of them lost, and how the error of the partial sums grows.
// Python did the arithmetic (workbench/views/replayview.py describes the trait); here it is drawn.

import { clip, count, short } from "../core/format.js";
import { ticks } from "../core/scales.js";
import type { Stamp } from "../core/wire.js";
import { h, n1, picker, put, s, save, say, safeName } from "./dom.js";
import { forLabel, mark, write, type Context } from "./frame.js";
import { standalone } from "./graph-export.js";
import { menuButton } from "./menu.js";
import css from "./replay.css";

export interface ReplayStep {
  k: number;
  operation: string;
  operands: string[];
  value: number | null;
  text: string;
  bits: string | null;
  exact: string | null;
  error: number | null;
  error_text: string | null;
  ulps: number | null;
  sum_error: number | null;
}
export interface ReplayData extends Partial<Stamp> {
  node?: string | null;
  index?: number | null;
  order?: string;
  accumulator?: string;
  stored?: string;
  value?: string;
  steps?: ReplayStep[];
  total?: number;
  hidden?: number;
  rounded?: number;
  sum_error?: number | null;
  chart?: [number, number][];
  state?: "none" | "computing" | "fresh" | "failed";
  message?: string;
}
interface ReplayModel {
  get(name: "replay"): ReplayData | undefined;
  get(name: "orders"): string[] | undefined;
  get(name: "order"): string;
  get(name: "code"): Record<string, string>;
}

const SIGNS: Record<string, string> = { add: "+", sub: "\u2212", mul: "\u00d7", div: "\u00f7" };
const W = 640;
const H = 150;

export function replayView(ctx: Context): void {
  ctx.root.classList.add("wb-alone");
  ctx.root.append(replayPane(ctx).el);
}

/** "a + b", "fma(a, b, c)". */
export const written = (step: ReplayStep): string => {
  const sign = SIGNS[step.operation];
  return sign && step.operands.length === 2 ? step.operands.join(` ${sign} `) : `${step.operation}(${step.operands.join(", ")})`;
};

export function replayPane(ctx: Context): { el: HTMLElement } {
  const { signal } = ctx;
  const model = ctx.model as unknown as ReplayModel;
  const title = h("b", {});
  const shown = h("span", { class: "wb-for" });
  const orders = picker("order of the sums", (key) => write(ctx.model, { order: key } as never), signal);
  const exports = menuButton(ctx, "Export", "copy or save this replay", () => [
    { label: "Copy code", title: "the Python that replays this neuron", act: () => ctx.copy(code(), "the code") },
    { label: "Save SVG", act: () => saveSvg() },
    { label: "Save JSON", act: () => save(`${fileName()}.json`, new Blob([`${JSON.stringify(model.get("replay"), null, 1)}\n`], { type: "application/json" })) },
  ]);
  const said = h("div", { class: "wb-lab", style: "white-space:normal", role: "status" });
  const chart = h("div", { class: "wb-drawn" });
  const list = h("div", { class: "wb-r-list wb-drawn", tabindex: 0, role: "region", "aria-label": "every operation; scrolls" });
  const el = h("div", { class: "wb-r-pane" }, h("style", {}, css), h("div", { class: "wb-row", style: "flex-wrap:wrap" }, title, shown, h("span", { class: "wb-grow" }), h("span", { class: "wb-lab" }, "order"), orders.el, exports), said, chart, list);

  const fileName = (): string => safeName(`replay-${model.get("replay")?.node ?? "none"}-${model.get("replay")?.index ?? ""}`);
  const code = (): string => {
    const r = model.get("replay") ?? {};
    const base = (model.get("code") ?? {})["workbench"] ?? "";
    return `${base.replace(/\nmodel$/, "")}\nview = model.replay_view()\nview.order = ${JSON.stringify(r.order ?? model.get("order"))}\nview`;
  };

  let drawn: unknown;
  function show(): void {
    const r = model.get("replay") ?? {};
    const order = model.get("order");
    const known = model.get("orders") ?? [];
    orders.update([...(known.includes(order) ? [] : [order]), ...known].map((key) => ({ key, label: key })), order);
    const busy = r.state === "computing";
    const ready = r.steps !== undefined && (busy || r.state === "fresh");
    const stamp = ready ? (r as Stamp) : null;
    forLabel(shown, stamp, ctx.model);
    mark(chart, stamp, ctx.model);
    mark(list, stamp, ctx.model);
    if (ready && busy) for (const one of [chart, list]) put(one, { "data-state": "stale" }); // of another order, perhaps
    put(el, { "data-replay": r.state ?? "none", "data-node": r.node, "data-index": r.index, "data-order": r.order });
    say(title, r.node !== null && r.node !== undefined && r.index !== null && r.index !== undefined ? `${clip(r.node, 40)}[${r.index}]` : "Replay");
    chart.hidden = list.hidden = !ready;
    if (!ready) {
      say(said, busy ? "replaying\u2026" : (r.message ? `${r.message}${r.state === "none" ? ": its sum will stand here, addition by addition" : ""}` : ""));
      return;
    }
    const total = r.total ?? 0;
    const sum = r.sum_error === null || r.sum_error === undefined ? "" : ` The sum is off by ${short(r.sum_error)} from the exact sum of its products.`;
    say(said, busy ? `replaying\u2026 Below, the last replay: ${r.order} order.` : `At the centre, in ${r.accumulator}${r.stored === r.accumulator ? "" : ` stored in ${r.stored}`}: ${count(total)} operations, ${count(r.rounded ?? 0)} of them rounded, value ${r.value}.${sum} What the operands were off by before is not counted here.`);
    if (r.steps === drawn) return;
    drawn = r.steps;
    const picture = sumChart(r);
    chart.replaceChildren(...(picture ? [picture] : [h("div", { class: "wb-lab" }, "no sum in this neuron")]));
    const steps = r.steps ?? [];
    const body: HTMLElement[] = [];
    steps.forEach((step, i) => {
      if (i > 0 && step.k !== steps[i - 1]!.k + 1) body.push(h("tr", {}, h("td", { colspan: 8 }, `${count(r.hidden ?? 0)} operations are not listed`)));
      body.push(row(step));
    });
    list.replaceChildren(
      h("table", {}, h("thead", {}, h("tr", {}, ...["", "operation", "result", "error", "error, ulp", "sum is off by", "exact", "bits"].map((text) => h("th", { scope: "col" }, text)))), h("tbody", {}, ...body)),
    );
  }

  const row = (step: ReplayStep): HTMLElement =>
    h("tr", { "data-k": step.k }, h("td", {}, String(step.k)), h("td", {}, written(step)), h("td", {}, step.text), h("td", { class: step.error ? "wb-r-error" : null }, step.error_text ?? ""), h("td", { class: step.error ? "wb-r-error" : null }, step.ulps === null ? "" : short(step.ulps)), h("td", { class: step.sum_error ? "wb-r-error" : null }, step.sum_error === null ? "" : short(step.sum_error)), h("td", {}, step.exact ?? ""), h("td", {}, step.bits ?? ""));

  chart.addEventListener("pointermove", (event) => {
    const r = model.get("replay") ?? {};
    const at = nearest(r, chart, event.clientX);
    if (!at) return ctx.tip.hide();
    const step = (r.steps ?? []).find((one) => one.k === at[0]);
    ctx.tip.show([h("b", {}, `operation ${at[0]}`), ...(step ? [h("div", { class: "wb-num" }, `${clip(written(step), 60)} = ${step.text}`)] : []), h("div", { class: "wb-num" }, `the partial sum is off by ${short(at[1], 4)}`)], event.clientX, event.clientY);
  }, { signal });
  chart.addEventListener("pointerleave", () => ctx.tip.hide(), { signal });
  chart.addEventListener("click", (event) => {
    const at = nearest(model.get("replay") ?? {}, chart, event.clientX);
    const row = at && list.querySelector<HTMLElement>(`tr[data-k="${at[0]}"]`);
    if (!row) return;
    list.querySelectorAll("[data-chosen]").forEach((one) => put(one, { "data-chosen": null }));
    put(row, { "data-chosen": "true" });
    list.scrollTop = row.offsetTop - list.clientHeight / 2;
  }, { signal });

  function saveSvg(): void {
    const picture = sumChart(model.get("replay") ?? {});
    if (!picture) return ctx.toast("there is no sum to draw");
    put(picture, { width: W, height: H });
    save(`${fileName()}.svg`, new Blob([standalone(ctx.root, picture)], { type: "image/svg+xml" }));
  }

  ctx.watch(["replay", "order", "orders", "eps", "method", "format", "example", "status", "controls"] as never[], show);
  show();
  return { el };
}

function nearest(r: ReplayData, chart: HTMLElement, clientX: number): [number, number] | null {
  const points = r.chart ?? [];
  const box = chart.firstElementChild?.getBoundingClientRect();
  if (!points.length || !box?.width) return null;
  const [first, last] = [points[0]![0], points.at(-1)![0]];
  const x = ((clientX - box.left) / box.width) * W;
  const k = first + ((x - LEFT) / (W - LEFT - 8)) * (last - first || 1);
  return points.reduce((best, p) => (Math.abs(p[0] - k) < Math.abs(best[0] - k) ? p : best));
}

const LEFT = 74;

/** Error of the partial sum after each addition; null where there is no sum. */
export function sumChart(r: ReplayData): SVGSVGElement | null {
  const points = r.chart ?? [];
  if (!points.length) return null;
  const [first, last] = [points[0]![0], points.at(-1)![0]];
  const low = Math.min(0, ...points.map((p) => p[1]));
  const high = Math.max(0, ...points.map((p) => p[1]));
  const room = (high - low || 1e-300) * 0.08;
  const x = (k: number): number => LEFT + ((k - first) / (last - first || 1)) * (W - LEFT - 8);
  const y = (v: number): number => 12 + ((high + room - v) / (high - low + 2 * room)) * (H - 40);
  const label = `error of the partial sum of ${r.node ?? ""}[${r.index ?? ""}], ${points.length} additions, ends at ${short(points.at(-1)![1])}`;
  const svg = s("svg", { class: "wb-r-chart", viewBox: `0 0 ${W} ${H}`, role: "img", "aria-label": label, preserveAspectRatio: "xMidYMid meet" });
  svg.append(s("title", {}, label));
  for (const at of ticks(low, high, 4)) svg.append(s("path", { d: `M${LEFT} ${n1(y(at))}H${W - 8}`, stroke: at ? "var(--line2)" : "var(--tx3)", "vector-effect": "non-scaling-stroke" }), s("text", { class: "wb-n", x: LEFT - 6, y: n1(y(at) + 3.5), "text-anchor": "end" }, short(at, 2)));
  // a partial sum holds until the next addition: steps, not slopes
  const path = points.map(([k, v], i) => (i ? `H${n1(x(k))}V${n1(y(v))}` : `M${n1(x(k))} ${n1(y(v))}`)).join("");
  svg.append(s("path", { d: points.length > 1 ? path : `${path}h4`, fill: "none", stroke: "var(--rnd)", "stroke-width": 1.5, "vector-effect": "non-scaling-stroke" }));
  svg.append(s("text", { x: LEFT, y: H - 6 }, `operation ${first}`), s("text", { x: W - 8, y: H - 6, "text-anchor": "end" }, String(last)), s("text", { x: (W + LEFT) / 2, y: H - 6, "text-anchor": "middle" }, "error of the partial sum, absolute"));
  return svg;
}
