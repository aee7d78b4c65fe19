// RoundoffMap: every node a row, every neuron a cell (the worst of several where there are many), coloured by rounding
// error; below, the replay of the selected neuron.  workbench/views/roundoffmap.py describes the traits.

import { clip, epsilon, outward, short } from "../core/format.js";
import { ramp, viridis, type Ramp } from "../core/scales.js";
import type { Choice, Stamp } from "../core/wire.js";
import { h, onResize, picker, put, s, save, safeName, say, scheduler, segmented } from "./dom.js";
import { forLabel, mark, write, type Context } from "./frame.js";
import { standalone } from "./graph-export.js";
import { chooseNeuron } from "./inspect.js";
import { legend } from "./legend.js";
import { menuButton } from "./menu.js";
import { replayPane } from "./replay.js";
import css from "./roundoff.css";

export interface Row {
  node: string;
  op: string;
  n: number;
  bin: number;
  first: number;
  count: number;
  worst: number | null;
  infinite: number;
}
export interface CellsHeader extends Partial<Stamp> {
  layer?: string;
  unit?: string;
  rows?: Row[];
  arrays?: { key: string; offset: number; length: number }[];
  bytes?: number;
}
export interface Layer extends Choice {
  kind: "bound" | "seen" | "prediction";
  title: string;
  state: string;
  message: string;
}
interface MapModel {
  get(name: "cells"): CellsHeader | undefined;
  get(name: "cells_data"): DataView | ArrayBuffer | Uint8Array | null | undefined;
  get(name: "layers"): Layer[] | undefined;
  get(name: "layer" | "unit"): string;
  get(name: "code"): Record<string, string> | undefined;
}
export type Cells = { header: CellsHeader; rows: Row[]; arrays: Record<string, Float64Array> };

const NAMES = 168;
const TALL = 19;

/** The arrays of the cells; null where description and bytes do not belong together. */
export function decodeCells(header: CellsHeader | undefined, data: DataView | ArrayBuffer | Uint8Array | null | undefined): Cells | null {
  if (!header?.rows || !header.arrays || !data) return null;
  const [buffer, start, length] = data instanceof ArrayBuffer ? [data, 0, data.byteLength] : [data.buffer as ArrayBuffer, data.byteOffset, data.byteLength];
  if (length !== (header.bytes ?? 0)) return null;
  const arrays: Record<string, Float64Array> = {};
  for (const { key, offset, length: n } of header.arrays) arrays[key] = new Float64Array(buffer.slice(start + offset, start + offset + 8 * n));
  return header.rows.length ? { header, rows: header.rows, arrays } : null;
}

export function roundoffMap(ctx: Context): void {
  const { root, signal, tip } = ctx;
  const model = ctx.model as unknown as MapModel;
  root.classList.add("wb-roundoff", "wb-alone");
  root.append(h("style", {}, css));
  const layers = segmented("what is shown", (key) => write(ctx.model, { layer: key } as never), signal);
  const units = segmented("unit", (key) => write(ctx.model, { unit: key } as never), signal);
  const formats = picker("number format", (key) => write(ctx.model, { format: key }), signal);
  const eps = h("input", { class: "wb-text", type: "text", inputmode: "decimal", "aria-label": "epsilon, the radius of the region", spellcheck: "false", autocomplete: "off" });
  const enter = (): void => {
    const value = Number(eps.value);
    if (Number.isFinite(value) && value >= 0 && eps.value.trim()) {
      if (value !== ctx.model.get("eps")) write(ctx.model, { eps: value });
    } else put(eps, { "aria-invalid": "true" });
  };
  eps.addEventListener("change", enter, { signal });
  eps.addEventListener("keydown", (event) => event.key === "Enter" && enter(), { signal });
  const shown = h("span", { class: "wb-for" });
  const exports = menuButton(ctx, "Export", "copy or save the map", () => [
    { label: "Copy code", title: "the Python that shows this", act: () => ctx.copy(code(), "the code") },
    { label: "Save SVG", act: saveSvg },
    { label: "Save JSON", act: saveJson },
  ]);
  const bar = h("div", { class: "wb-bar" }, layers.el, units.el, h("label", { class: "wb-row" }, h("span", { class: "wb-lab" }, "\u03b5"), eps), formats.el, shown, h("span", { class: "wb-grow" }), exports);
  const kind = h("span", { class: "wb-m-kind" });
  const words = h("span", { class: "wb-lab", style: "white-space:normal" });
  const key = h("span", {});
  const canvas = h("canvas", { tabindex: 0, role: "application", "aria-label": "map of rounding errors: arrow keys walk, Enter selects" });
  const scroll = h("div", { class: "wb-m-scroll wb-drawn" }, canvas);
  const none = h("div", { class: "wb-empty", hidden: true });
  const notice = h("div", { class: "wb-notice", role: "alert", hidden: true });
  const replay = replayPane(ctx);
  replay.el.classList.add("wb-m-split");
  root.append(bar, notice, h("div", { class: "wb-m-body" }, scroll, none, h("div", { class: "wb-row wb-m-foot" }, kind, words, h("span", { class: "wb-grow" }), key)), replay.el);

  let cells: Cells | null = null;
  let seen: unknown[] = [];
  let colour: Ramp | null = null;
  let wide = 4;
  let across = 760; // of the scrolling box; kept while the page lays it out anew and it has no size
  let cursor: [number, number] | null = null; // row, cell

  const code = (): string => `${((model.get("code") ?? {})["workbench"] ?? "").replace(/\nmodel$/, "")}\nview = model.roundoff_map()\nview.layer, view.unit = ${JSON.stringify(model.get("layer"))}, ${JSON.stringify(model.get("unit"))}\nview`;

  function read(): void {
    const [header, data] = [model.get("cells"), model.get("cells_data")];
    if (seen[0] === header && seen[1] === data) return;
    seen = [header, data];
    cells = decodeCells(header, data);
    colour = cells ? ramp(cells.arrays["value"]!, true) : null;
    cursor = null;
  }

  function show(): void {
    read();
    const all = model.get("layers") ?? [];
    const chosen = all.find((l) => l.key === model.get("layer"));
    layers.update(all, model.get("layer") ?? "");
    units.update([{ key: "ulp", label: "ulp", title: "of the format, at the neuron's largest magnitude" }, { key: "absolute", label: "absolute" }], model.get("unit") ?? "");
    formats.update((ctx.model.get("controls") as { formats?: Choice[] }).formats ?? [], ctx.model.get("format"));
    if (root.ownerDocument.activeElement !== eps) eps.value = epsilon(ctx.model.get("eps") ?? 0);
    put(eps, { "aria-invalid": null });
    const text = ctx.model.get("notice") ?? "";
    notice.hidden = !text;
    say(notice, text);
    put(kind, { "data-kind": chosen?.kind });
    say(kind, chosen ? { bound: "sound bound", seen: "seen, no bound", prediction: "a prediction, no bound" }[chosen.kind] : "");
    say(words, chosen?.title ?? "");
    const stamp = cells ? (cells.header as Stamp) : null;
    forLabel(shown, stamp, ctx.model);
    if (stamp) shown.append(` \u00b7 ${stamp.format}`);
    mark(scroll, stamp, ctx.model);
    put(root, { "data-layer": cells?.header.layer, "data-unit": cells?.header.unit });
    scroll.hidden = key.hidden = !cells;
    none.hidden = cells !== null;
    if (!cells) {
      const status = ctx.model.get("status") as { state?: string };
      const busy = chosen?.state === "computing" || (status.state === "computing" && !chosen?.message.startsWith("not "));
      none.replaceChildren(h("b", {}, busy ? "Computing\u2026" : "Nothing to show"), busy ? "the map will stand here" : (chosen?.message ?? ""));
    } else {
      key.replaceChildren(legend(colour, cells.header.unit === "ulp" ? "ulp" : "absolute", `${ctx.unique}-x`));
      paint();
    }
  }

  const selection = (): { node?: string | null; index?: number | null } => ctx.model.get("selection");
  /** Where the selected neuron's cell is. */
  function place(): [number, number] | null {
    const { node, index } = selection();
    const row = cells?.rows.findIndex((r) => r.node === node) ?? -1;
    if (row < 0 || index === null || index === undefined) return null;
    return [row, Math.floor(index / cells!.rows[row]!.bin)];
  }

  function paint(): void {
    if (!cells) return;
    const most = Math.max(...cells.rows.map((r) => r.count));
    if (scroll.clientWidth) across = scroll.clientWidth;
    const room = across - NAMES - 92;
    wide = Math.max(3, Math.min(20, Math.floor(room / most)));
    const [w, tall] = [NAMES + wide * most + 88, TALL * cells.rows.length + 4];
    const sharp = Math.min(window.devicePixelRatio || 1, 2);
    canvas.width = w * sharp;
    canvas.height = tall * sharp;
    canvas.style.width = `${w}px`;
    canvas.style.height = `${tall}px`;
    const g = canvas.getContext("2d");
    if (!g) return;
    g.scale(sharp, sharp);
    const [ink, pale, no, acc] = ["--tx", "--tx2", "--no", "--acc"].map((name) => ctx.colour(name)) as [string, string, string, string];
    const value = cells.arrays["value"]!;
    g.textBaseline = "middle";
    cells.rows.forEach((row, r) => {
      const y = 2 + r * TALL;
      g.font = `${row.node === selection().node ? "700" : "400"} 11.5px system-ui, sans-serif`;
      g.fillStyle = ink;
      g.fillText(clip(row.node, 20), 6, y + TALL / 2, 108);
      g.fillStyle = pale;
      g.font = "400 10.5px system-ui, sans-serif";
      g.fillText(clip(row.op, 12), 118, y + TALL / 2, NAMES - 122);
      for (let c = 0; c < row.count; c++) {
        const v = value[row.first + c]!;
        g.fillStyle = Number.isFinite(v) ? viridis(colour?.at(v) ?? 0) : no;
        g.fillRect(NAMES + c * wide, y + 1, wide > 4 ? wide - 1 : wide, TALL - 2);
        if (!Number.isFinite(v)) {
          g.fillStyle = ctx.colour("--bg");
          g.fillRect(NAMES + c * wide, y + TALL / 2 - 1, wide, 2);
        }
      }
      g.fillStyle = pale;
      g.font = "10.5px ui-monospace, monospace";
      g.fillText(row.worst === null ? "\u221e" : `\u2264 ${outward(row.worst, true)}`.replace(/^\u2264 /, model.get("layer") === "bound" ? "\u2264 " : "max "), NAMES + row.count * wide + 6, y + TALL / 2);
    });
    for (const [at, stroke] of [[place(), acc], [cursor, ink]] as const) {
      if (!at) continue;
      g.strokeStyle = stroke;
      g.lineWidth = 2;
      g.strokeRect(NAMES + at[1] * wide - 1, 2 + at[0] * TALL, Math.max(wide, 4) + 1, TALL);
    }
  }

  const under = (event: PointerEvent | MouseEvent): [number, number] | null => {
    const box = canvas.getBoundingClientRect();
    const r = Math.floor((event.clientY - box.top - 2) / TALL);
    const row = cells?.rows[r];
    const c = Math.floor((event.clientX - box.left - NAMES) / wide);
    return row && c >= 0 && c < row.count ? [r, c] : null;
  };
  const neuronAt = ([r, c]: [number, number]): { row: Row; at: number; index: number } => {
    const row = cells!.rows[r]!;
    return { row, at: row.first + c, index: cells!.arrays["index"]![row.first + c]! };
  };

  /** What hovering tells, and a screen reader hears. */
  function told(place: [number, number]): string[] {
    const { row, at, index } = neuronAt(place);
    const value = (key: string): number => cells!.arrays[key]![at]!;
    const ulp = value("ulp");
    const error = (key: string, label: string, sign: string): string[] => {
      const v = value(key);
      if (Number.isNaN(v)) return [];
      const ulps = ulp > 0 && Number.isFinite(v) ? ` = ${sign === "\u2264" ? outward(v / ulp, true) : short(v / ulp)} ulp` : "";
      return [`${label} ${sign} ${sign === "\u2264" ? outward(v, true) : short(v)}${ulps}`];
    };
    const range = row.bin > 1 ? `the worst of neurons ${Math.floor(index / row.bin) * row.bin}\u2013${Math.min(row.n, (Math.floor(index / row.bin) + 1) * row.bin) - 1}` : "";
    return [`${clip(row.node, 60)}[${index}]`, range, ...error("bound", "bound", "\u2264"), ...error("observed", "observed", ""), ...error("adversarial", "adversarial", ""), ...error("predicted", "predicted", "~"), Number.isNaN(value("center")) ? "" : `value at the centre ${short(value("center"), 5)}`, ulp > 0 ? `ulp ${short(ulp)}` : ""].filter(Boolean);
  }

  canvas.addEventListener("pointermove", (event) => {
    const at = under(event);
    if (!at) return tip.hide();
    const [head, ...rest] = told(at);
    tip.show([h("b", {}, head!), ...rest.map((line) => h("div", { class: "wb-num" }, line))], event.clientX, event.clientY);
  }, { signal });
  canvas.addEventListener("pointerleave", () => tip.hide(), { signal });
  const choose = (at: [number, number]): void => {
    const { row, index } = neuronAt(at);
    chooseNeuron(ctx, row.node, index);
    paint();
  };
  canvas.addEventListener("click", (event) => {
    const at = under(event);
    if (at) {
      cursor = null;
      choose(at);
    }
  }, { signal });
  canvas.addEventListener("keydown", (event) => {
    if (!cells) return;
    const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
    const [r, c] = cursor ?? place() ?? [0, 0];
    if (step) {
      const row = Math.min(cells.rows.length - 1, Math.max(0, r + step[0]!));
      cursor = cursor || place() ? [row, Math.min(cells.rows[row]!.count - 1, Math.max(0, c + step[1]!))] : [0, 0];
      ctx.announce(told(cursor).join(", "));
      say(words, told(cursor).join(" \u00b7 "));
      const top = cursor[0] * TALL;
      if (top < scroll.scrollTop) scroll.scrollTop = top;
      else if (top + TALL > scroll.scrollTop + scroll.clientHeight) scroll.scrollTop = top + TALL - scroll.clientHeight;
      paint();
    } else if (event.key === "Enter") choose([r, c]);
    else if (event.key === "Escape") {
      cursor = null;
      write(ctx.model, { selection: { node: null, index: null } });
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }, { signal });

  const fileName = (): string => safeName(`roundoff-${model.get("layer")}-${model.get("unit")}`);
  function saveJson(): void {
    if (!cells) return ctx.toast("nothing to save yet");
    const arrays = Object.fromEntries(Object.entries(cells.arrays).map(([key, values]) => [key, Array.from(values, (v) => (Number.isFinite(v) ? v : Number.isNaN(v) ? null : "inf"))]));
    save(`${fileName()}.json`, new Blob([`${JSON.stringify({ ...cells.header, arrays })}\n`], { type: "application/json" }));
  }
  function saveSvg(): void {
    if (!cells) return ctx.toast("nothing to save yet");
    const most = Math.max(...cells.rows.map((r) => r.count));
    const [w, tall] = [NAMES + most * 6 + 96, cells.rows.length * TALL + 52];
    const stamp = cells.header as Stamp;
    const title = `${model.get("layer")}, ${model.get("unit")}, ${stamp.format}, epsilon ${epsilon(stamp.eps)}`;
    const svg = s("svg", { viewBox: `0 0 ${w} ${tall}`, width: w, height: tall }, s("title", {}, title), s("rect", { width: w, height: tall, fill: getComputedStyle(root).backgroundColor }), s("text", { class: "wb-t", x: 6, y: 14 }, title));
    cells.rows.forEach((row, r) => {
      const y = 22 + r * TALL;
      svg.append(s("text", { x: 6, y: y + 13 }, `${clip(row.node, 20)} ${clip(row.op, 10)}`));
      for (let c = 0; c < row.count; c++) {
        const v = cells!.arrays["value"]![row.first + c]!;
        svg.append(s("rect", { x: NAMES + c * 6, y, width: 6, height: TALL - 2, fill: Number.isFinite(v) ? viridis(colour?.at(v) ?? 0) : "#b3261e" }));
      }
      svg.append(s("text", { class: "wb-n", x: NAMES + row.count * 6 + 4, y: y + 13 }, row.worst === null ? "\u221e" : outward(row.worst, true)));
    });
    const own = legend(colour, model.get("unit"), `${ctx.unique}-x`);
    put(own, { x: 6, y: tall - 30 });
    svg.append(own);
    save(`${fileName()}.svg`, new Blob([standalone(root, svg)], { type: "image/svg+xml" }));
  }

  const soon = scheduler(show, signal);
  ctx.watch(["eps", "method", "format", "example", "notice"], show);
  ctx.watch(["cells", "cells_data", "layers", "layer", "unit", "selection", "status", "controls"] as never[], soon);
  ctx.onTheme(paint);
  onResize(scroll, soon, signal);
  show();
}
