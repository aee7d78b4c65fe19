// PrecisionTuner: a slider of number formats for each layer.  Python bounds (workbench/views/precisiontuner.py describes the
// traits and messages); here it is asked and drawn.  What is drawn says which formats it belongs to.

import { clip, count, exact, outward, seconds, short } from "../core/format.js";
import { gauge, layerColour, size } from "../core/gauge.js";
import { button, h, n1, onResize, put, s, safeName, save, say, scheduler } from "./dom.js";
import type { Context } from "./frame.js";
import { standalone } from "./graph-export.js";
import { menuButton } from "./menu.js";
import css from "./tuner.css";

interface Layer {
  name: string;
  op: string;
  nodes: string[];
  weights: number;
  activations: number;
  bits: number[];
}
interface About {
  network: string;
  question: string;
  layers: Layer[];
  candidates: string[];
  room: number | null;
}
interface Shown {
  seq: number;
  formats: string[];
  margin: number | null;
  holds: boolean;
  error: number | null;
  bits: number;
  dearest: number;
  shares: number[];
  overflow: string[];
  assumptions: string[];
  seconds: number;
}
interface TunerModel {
  get(name: "about"): Partial<About> | undefined;
  get(name: "shown"): Partial<Shown> | undefined;
  get(name: "marks"): { formats?: string[]; margins?: ((number | null)[] | null)[] } | undefined;
  get(name: "state"): { busy?: string; stale?: boolean; message?: string } | undefined;
  get(name: "selection"): { node?: string | null; index?: number | null } | undefined;
  get(name: "notice"): string | undefined;
  set(name: "choice", value: { seq: number; formats: string[] }): void;
  set(name: "selection", value: { node: string | null; index: number | null }): void;
  save_changes(): void;
  send(content: Record<string, unknown>): void;
}
interface RowParts {
  el: HTMLElement;
  slider: HTMLInputElement;
  ticks: HTMLButtonElement[];
  marks: HTMLElement[];
  share: HTMLElement;
  percent: HTMLElement;
  cost: HTMLElement;
}

export function precisionTuner(ctx: Context): void {
  const { root, signal } = ctx;
  const model = ctx.model as unknown as TunerModel;
  root.classList.add("wb-tuner", "wb-alone");
  root.append(h("style", {}, css));
  const about = (): Partial<About> => model.get("about") ?? {};
  const answer = (): Partial<Shown> => model.get("shown") ?? {};
  const candidates = (): string[] => about().candidates ?? [];
  let seq = 0; // of the newest question
  let asked: string[] | null = null; // what was asked for and is not answered yet

  /** What the sliders stand at: what is asked for, or else what is shown. */
  const wanted = (): string[] => asked ?? answer().formats ?? [];
  function ask(formats: string[]): void {
    seq = Math.max(seq, answer().seq ?? 0) + 1;
    asked = formats;
    model.set("choice", { seq, formats });
    model.save_changes();
    show();
  }
  const set = (layer: number, format: string | undefined): void => {
    const formats = [...wanted()];
    if (format === undefined || formats[layer] === format) return;
    formats[layer] = format;
    ask(formats);
  };
  const command = (type: string): void => {
    asked = null;
    model.send({ type });
  };

  const cheap = button("Cheapest", "search for cheap formats with which the proof still holds", () => command("cheapest"), signal, "wb-main");
  const reset = button("Reset", "every layer in the dearest format", () => ask(wanted().map(() => candidates()[0]!)), signal, "");
  const region = button("Use the model's region", "bound everything anew for the region that the model has now", () => command("region"), signal, "");
  const aged = h("span", { class: "wb-for", hidden: true }, "for an earlier region");
  const question = h("span", { class: "wb-clip" });
  const exports = menuButton(ctx, "Export", "copy or save what is shown", () => [
    { label: "Copy code", title: "the Python that shows this", act: () => ctx.copy(code(), "the code") },
    { label: "Save SVG", act: () => save(`${name()}.svg`, new Blob([standalone(root, picture(760, true))], { type: "image/svg+xml" })) },
    { label: "Save JSON", act: () => save(`${name()}.json`, new Blob([`${JSON.stringify({ about: about(), shown: answer(), marks: model.get("marks") })}\n`], { type: "application/json" })) },
  ]);
  const bar = h("div", { class: "wb-bar" }, cheap, reset, question, h("span", { class: "wb-grow" }), aged, region, exports);
  const notice = h("div", { class: "wb-notice", role: "alert", hidden: true });
  const drawing = h("div", {});
  const legend = h("div", { class: "wb-lab", style: "white-space:normal" });
  const meter = h("div", { class: "wb-p-gauge wb-p-drawn" }, drawing, legend);
  const rows = h("div", { class: "wb-p-rows" });
  const pill = h("span", { class: "wb-verdict" });
  const said = h("span", { class: "wb-p-said", role: "status" });
  const told = h("span", { class: "wb-lab" });
  root.append(bar, notice, meter, rows, h("div", { class: "wb-stat" }, pill, said, told));

  let made: Layer[] | undefined;
  let parts: RowParts[] = [];
  function build(): void {
    const { layers = [] } = about();
    if (made === layers) return;
    made = layers;
    const last = Math.max(1, candidates().length - 1);
    parts = layers.map((layer, k) => {
      const slider = h("input", { type: "range", min: 0, max: candidates().length - 1, step: 1, "aria-label": `format of ${layer.name}, from dear to cheap` });
      slider.addEventListener("input", () => set(k, candidates()[Number(slider.value)]), { signal });
      slider.addEventListener("keydown", (event) => {
        const step = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, Home: -99, End: 99 }[event.key];
        if (!step || event.ctrlKey || event.metaKey || event.altKey) return;
        // asked for here: a notebook has uses of its own for these keys
        event.preventDefault();
        event.stopPropagation();
        const to = candidates().indexOf(wanted()[k] ?? "") + step;
        set(k, candidates()[Math.max(0, Math.min(candidates().length - 1, to))]);
      }, { signal });
      const marks = candidates().map(() => h("small", {}));
      const ticks = candidates().map((format, i) => {
        const tick = h("button", { type: "button", tabindex: -1, style: `left:${(100 * i) / last}%` }, format, marks[i]);
        tick.addEventListener("click", () => set(k, format), { signal });
        return tick;
      });
      const choose = button(clip(layer.name, 26), `select ${layer.name} in the model's views; the layer is ${layer.nodes.join(", ")}`, () => {
        model.set("selection", { node: layer.name, index: null });
        model.save_changes();
      }, signal);
      const fill = h("i", { style: `background:${layerColour(k)}` });
      const percent = h("span", { class: "wb-lab" });
      const cost = h("span", { class: "wb-num wb-p-cost" });
      const el = h("div", { class: "wb-p-row", role: "group", "aria-label": layer.name, "data-layer": layer.name },
        h("div", { class: "wb-p-name" }, choose, h("span", { class: "wb-lab" }, `${layer.op}, ${count(layer.weights)} weights, ${count(layer.activations)} activations`)),
        h("div", { class: "wb-p-slide" }, slider, h("div", { class: "wb-p-ticks", role: "group", "aria-label": `formats of ${layer.name}` }, ...ticks)),
        h("div", { class: "wb-p-share wb-p-drawn" }, h("div", { class: "wb-p-bar" }, fill), percent),
        cost);
      return { el, slider, ticks, marks, share: fill, percent, cost };
    });
    rows.replaceChildren(h("div", { class: "wb-p-row wb-p-head" }, h("span", {}, "layer"), h("span", {}, "format; below each: the margin with it"), h("span", {}, "part of the rounding error"), h("span", { class: "wb-p-cost" }, "stored")), ...parts.map((p) => p.el));
  }

  function show(): void {
    build();
    const [a, r, state] = [about(), answer(), model.get("state") ?? {}];
    if (asked && (r.seq ?? -1) >= seq) asked = null;
    const [formats, old, names] = [wanted(), asked !== null, candidates()];
    const busy = old || Boolean(state.busy);
    const aging = Boolean(state.stale);
    say(question, `${clip(a.network ?? "", 40)}: ${clip(a.question ?? "", 80)}`);
    aged.hidden = region.hidden = !aging;
    put(aged, { "data-state": aging ? "stale" : "fresh" });
    const text = model.get("notice") ?? "";
    if (text && asked) asked = null; // it was refused: back to what is shown
    notice.hidden = !text;
    say(notice, text);
    cheap.disabled = busy && state.busy !== "margin";
    for (const el of root.querySelectorAll(".wb-p-drawn")) put(el, { "data-state": old || aging ? "stale" : "fresh" });
    const marks = model.get("marks") ?? {};
    const near = marks.formats?.join() === formats.join() && !aging; // they belong to these formats
    const selected = model.get("selection")?.node ?? null;
    parts.forEach((p, k) => {
      const layer = a.layers![k]!;
      const i = Math.max(0, names.indexOf(formats[k] ?? ""));
      if (Number(p.slider.value) !== i) p.slider.value = String(i);
      p.slider.style.setProperty("--at", `${(100 * i) / Math.max(1, names.length - 1)}%`);
      put(p.slider, { "aria-valuetext": formats[k] });
      p.ticks.forEach((tick, j) => {
        put(tick, { "aria-pressed": String(j === i) });
        const margins = near ? marks.margins?.[k] : null;
        const margin = margins?.[j];
        const holds = typeof margin === "number" && margin > 0;
        say(p.marks[j]!, margins ? (margin === null || margin === undefined ? "\u2717" : `${holds ? "\u2713" : "\u2717"} ${outward(margin, false, 2)}`) : "\u00a0");
        put(p.marks[j]!, { "data-holds": margins ? String(holds) : null });
        put(tick, { title: `${layer.name} in ${names[j]}: ${size(layer.bits[j]!)}${margins ? `, ${holds ? `proved, margin ${exact(margin)}` : "not proved"}` : ""}` });
      });
      const share = r.shares?.[k] ?? 0;
      p.share.style.width = `${(100 * share).toFixed(1)}%`;
      say(p.percent, r.error === null ? "\u2013" : `${short(100 * share, 2)} %`);
      say(p.cost, size(layer.bits[i]!));
      put(p.el, { "data-selected": selected !== null && layer.nodes.includes(selected) ? "true" : null, "data-format": formats[k] });
    });
    tell(r, state, old, aging);
    paint();
    put(root, { "data-seq": r.seq, "data-formats": (r.formats ?? []).join(","), "data-state": old ? "stale" : aging ? "aged" : "fresh", "data-busy": state.busy || null, "data-holds": r.holds === undefined ? null : String(r.holds), "data-marks": near && marks.margins?.every(Boolean) ? "all" : null });
  }

  function tell(r: Partial<Shown>, state: { busy?: string; message?: string }, old: boolean, aging: boolean): void {
    const fresh = !old && !aging;
    put(pill, { "data-state": fresh && r.holds ? "verified" : "unknown" });
    say(pill, old ? "\u2026 COMPUTING" : aging ? "\u25f7 STALE" : r.holds ? "\u2713 PROVED" : "? NOT PROVED");
    const inFloats = r.holds
      ? `Proved of the float network in these formats, sums in any order: a margin of at least ${r.margin === null || r.margin === undefined ? "\u221e" : outward(r.margin, false, 4)} is left.`
      : r.overflow?.length
        ? `Not proved: ${clip(r.overflow.join(", "), 60)} may overflow.`
        : r.error === null
          ? "Not proved: nothing bounds the rounding error."
          : (about().room ?? 0) <= 0
            ? "Not proved: these bounds leave no margin in the reals either, so that no formats can be proved. That is no disproof."
            : "Not proved: rounding may use up the whole margin. That is no disproof.";
    const words = old ? "What stands above belongs to the formats before." : aging ? `Of the region before: ${inFloats}` : inFloats;
    say(said, [words, state.busy === "cheapest" ? "Searching for cheap formats\u2026" : state.busy === "region" ? "Bounding the new region\u2026" : "", state.message].filter(Boolean).join(" "));
    put(said, { title: (r.assumptions ?? []).join("; ") || null });
    const saved = r.dearest ? 100 * (1 - (r.bits ?? 0) / r.dearest) : 0;
    say(told, r.bits === undefined ? "" : `${size(r.bits)} of ${size(r.dearest ?? 0)}, ${short(saved, 3)} % less (${count(r.bits)} bits)${r.seconds ? ` \u00b7 ${seconds(r.seconds)}` : ""}`);
  }

  function picture(width: number, alone: boolean): SVGSVGElement {
    const [a, r] = [about(), answer()];
    const found = gauge(a.room, r.error, r.shares ?? [], Boolean(r.holds));
    const [top, tall] = alone ? [44, 44 + 62 + 18 * (a.layers ?? []).length] : [4, 58];
    const title = `${a.network}: ${a.question}; ${(r.formats ?? []).join(" | ")}; ${r.holds ? "proved" : "not proved"}`;
    const label = found ? `real margin ${short(found.room)}, rounding error at most ${outward(found.error, true)}, ${found.holds ? `left at least ${outward(r.margin ?? 0, false)}` : "nothing left"}` : "nothing bounds the rounding error";
    const svg = s("svg", { viewBox: `0 0 ${width} ${tall}`, width, height: tall, role: "img", "aria-label": label }, s("title", {}, alone ? title : label));
    if (alone) svg.append(s("rect", { width, height: tall, fill: getComputedStyle(root).backgroundColor }), s("text", { class: "wb-t", x: 8, y: 18 }, clip(title, 110)), s("text", { x: 8, y: 35 }, `${size(r.bits ?? 0)} of ${size(r.dearest ?? 0)}`));
    const x = (v: number): number => 8 + (v / (found?.full ?? 1)) * (width - 16);
    if (!found) svg.append(s("text", { x: 8, y: top + 22 }, label));
    else {
      const edge = Math.max(found.room, 0);
      svg.append(s("rect", { x: 8, y: top + 8, width: n1(Math.max(0, x(edge) - 8)), height: 22, rx: 2, fill: ctx.colour(found.holds ? "--ok2" : "--un2"), stroke: ctx.colour("--line") }));
      for (const piece of found.pieces) {
        const box = s("rect", { x: n1(x(piece.from)), y: top + 11, width: n1(Math.max(0, x(piece.to) - x(piece.from))), height: 16, fill: layerColour(piece.layer) });
        box.append(s("title", {}, `${a.layers?.[piece.layer]?.name}: ${short(piece.to - piece.from)}`));
        svg.append(box);
      }
      svg.append(s("line", { x1: n1(x(edge)), x2: n1(x(edge)), y1: top + 2, y2: top + 36, stroke: ctx.colour("--tx"), "stroke-width": 2 }));
      const right = x(edge) > width / 2;
      svg.append(s("text", { x: n1(x(edge) + (right ? -2 : 2)), y: top + 49, "text-anchor": right ? "end" : "start" }, `real margin ${outward(found.room, false)}`));
      const [end, beyond] = [x(found.error), found.error > edge];
      if (beyond ? end > x(edge) + (right ? 120 : 230) : end < x(edge) - (right ? 230 : 120)) svg.append(s("text", { x: n1(beyond ? end - 2 : end + 2), y: top + 49, "text-anchor": beyond ? "end" : "start" }, `rounding \u2264 ${outward(found.error, true)}`));
      if (found.holds && x(edge) - x(found.error) > 90) svg.append(s("text", { class: "wb-t", x: n1((x(edge) + x(found.error)) / 2), y: top + 23, "text-anchor": "middle" }, `${outward(r.margin ?? 0, false)} left`));
    }
    if (alone) (a.layers ?? []).forEach((layer, k) => svg.append(s("rect", { x: 8, y: top + 62 + 18 * k, width: 10, height: 10, fill: layerColour(k) }), s("text", { x: 24, y: top + 71 + 18 * k }, `${layer.name}: ${r.formats?.[k] ?? ""}, ${short(100 * (r.shares?.[k] ?? 0), 2)} % of the error`)));
    return svg;
  }
  let across = 800; // kept while the page lays it out anew and it has no size
  function paint(): void {
    if (drawing.clientWidth) across = drawing.clientWidth;
    drawing.replaceChildren(picture(across, false));
    say(legend, answer().holds === undefined ? "" : "Coloured: the bound on the rounding error, layer by layer. While it ends left of the line, the property is proved.");
  }

  const name = (): string => safeName(`precision-${about().network ?? "network"}`);
  const code = (): string => `view = model.precision_tuner(spec)  # ${about().network}: ${clip(about().question ?? "", 80)}\nview.choose(${(answer().formats ?? []).map((f) => JSON.stringify(f)).join(", ")}).wait()\nview`;
  ctx.watch(["about", "shown", "marks", "state", "selection", "notice"] as never[], scheduler(show, signal));
  ctx.onTheme(paint);
  onResize(drawing, scheduler(paint, signal), signal);
  show();
}
