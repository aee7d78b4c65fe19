// TensorView: a tensor as a heat map, a picture or a table, and the bits of one element.  Python cuts and bins
// (workbench/views/tensorview.py describes the traits); here it is drawn.

import { coloursOf, decodeCells, pixels, type Cells, type CellsHeader, type Colours } from "../core/cells.js";
import { clip, count, shapeText, short } from "../core/format.js";
import { button, h, onResize, picker, put, s, safeName, save, say, segmented, together } from "./dom.js";
import { floatInspector } from "./float.js";
import type { Context } from "./frame.js";
import { standalone } from "./graph-export.js";
import { menuButton } from "./menu.js";
import css from "./tensor.css";

interface Stats {
  shape: number[];
  dtype: string;
  n: number;
  bytes: number;
  nan: number;
  inf: number;
  zeros: number;
  low: number | null;
  high: number | null;
  mean: number | null;
  norm: number | null;
}
interface Page {
  row: number;
  col: number;
  whole: [number, number];
  page: [number, number];
  rows: string[][];
  flat: number[][];
}
interface Traits {
  tensors: { key: string; label: string }[];
  about: { name?: string; words?: string; stale?: boolean; code?: string; hint?: string };
  stats: Partial<Stats>;
  axes: { sizes?: number[]; may?: { fold: boolean; colour: boolean } };
  cells: Partial<CellsHeader>;
  cells_data: DataView;
  table: Partial<Page>;
  picked: { index?: number; position?: number[]; text?: string; bits?: boolean };
  notice: string;
  chosen: string;
  show: string;
  fixed: number[];
  fold: boolean;
  window: number[] | null;
  corner: number[];
  element: number | null;
}
interface TensorModel {
  get<K extends keyof Traits>(name: K): Traits[K] | undefined;
  set<K extends keyof Traits>(name: K, value: Traits[K]): void;
  save_changes(): void;
}

const SHOWS = [
  { key: "heat", label: "heat map", title: "a colour an element" },
  { key: "image", label: "image", title: "grey, or colours where an axis has three" },
  { key: "table", label: "table", title: "every digit" },
];
const [WIDE, HIGH] = [640, 440];
const LOWEST = "low";

export function tensorView(ctx: Context): void {
  const { root, signal } = ctx;
  const model = ctx.model as unknown as TensorModel;
  root.classList.add("wb-tensor");
  root.append(h("style", {}, css));
  const write = (values: Partial<Traits>): void => {
    for (const key of Object.keys(values) as (keyof Traits)[]) model.set(key, values[key] as never);
    model.save_changes();
  };
  const stats = (): Partial<Stats> => model.get("stats") ?? {};

  // ---- the bar
  const tensors = picker("tensor", (key) => write({ chosen: key }), signal);
  const shows = segmented("how it is shown", (key) => write({ show: key }), signal);
  const axes = h("span", { class: "wb-row", style: "gap:6px" });
  const fold = h("input", { type: "checkbox" });
  fold.addEventListener("change", () => write({ fold: fold.checked }), { signal });
  const folding = h("label", { class: "wb-row", style: "gap:4px" }, fold, h("span", { class: "wb-lab" }, "as a square"));
  const whole = button("whole plane", "show all of it again (Backspace)", () => write({ window: null }), signal);
  const aged = h("span", { class: "wb-for" });
  const exports = menuButton(ctx, "Export", "copy or save this tensor", () => [
    { label: "Copy code", title: "the Python that shows this", act: () => ctx.copy(model.get("about")?.code ?? "", "the code") },
    { label: "Save PNG", act: () => (shown ? canvas.toBlob((blob) => blob && save(`${file()}.png`, blob)) : ctx.toast("show it as a heat map first")) },
    { label: "Save SVG, with its legend", act: () => saveSvg() },
    { label: "Save CSV of what is shown", act: () => save(`${file()}.csv`, new Blob([csv()], { type: "text/csv" })) },
    { label: "Save JSON of what is shown", act: () => save(`${file()}.json`, new Blob([`${JSON.stringify({ tensor: model.get("chosen"), fixed: model.get("fixed"), stats: stats(), cells: shown ? { ...shown.header, values: [...shown.values].map(plain), flat: [...shown.flat] } : null, table: model.get("table") })}\n`], { type: "application/json" })) },
  ]);
  const plain = (v: number): number | string => (Number.isFinite(v) ? v : String(v));
  const file = (): string => safeName(`tensor-${model.get("chosen") ?? ""}`);
  root.append(h("div", { class: "wb-bar" }, tensors.el, shows.el, axes, folding, whole, aged, h("span", { class: "wb-grow" }), exports));

  // ---- the picture, the table, what is known
  const canvas = h("canvas", {});
  const table = h("table", { class: "wb-z-table", role: "grid" });
  const stage = h("div", { class: "wb-z-stage", tabindex: 0, role: "application", "aria-roledescription": "tensor" }, canvas, table);
  const legend = h("div", {});
  const facts = h("table", { class: "wb-table" });
  const pages = h("div", { class: "wb-row" });
  const empty = h("div", { class: "wb-empty" }, h("b", {}, "No tensor"), h("span", {}));
  const body = h("div", { class: "wb-z-body" }, stage, h("div", { class: "wb-z-side" }, legend, pages, facts));
  const picked = h("div", { class: "wb-z-pick", role: "status" });
  const bits = h("div", {});
  const under = h("div", { class: "wb-z-bits", hidden: true }, picked, bits);
  root.append(body, empty, under);
  floatInspector({ ...ctx, root: bits });

  let shown: Cells | null = null;
  let colours: Colours | null = null;
  let room = 560;
  /** Whether what is drawn is what is asked for now. */
  const current = (): boolean => {
    const header = shown?.header;
    return !!header && header.key === model.get("chosen") && (header.fixed ?? []).join() === (model.get("fixed") ?? []).join();
  };

  const show = together(draw, signal);
  function draw(): void {
    const about = model.get("about") ?? {};
    const known = stats();
    const some = known.n !== undefined;
    tensors.update(model.get("tensors") ?? [], model.get("chosen") ?? "");
    shows.update(SHOWS, model.get("show") ?? "heat");
    empty.hidden = some;
    body.hidden = !some;
    say(empty.lastElementChild as HTMLElement, about.hint ?? "");
    const { sizes = [], may } = model.get("axes") ?? {};
    folding.hidden = !may?.fold;
    fold.checked = model.get("fold") ?? false;
    whole.hidden = !model.get("window");
    showAxes(sizes);
    aged.hidden = !about.words;
    say(aged, `${about.stale ? "stale: " : ""}${about.words ?? ""}`);
    put(aged, { "data-state": about.stale ? "stale" : "fresh" });
    put(root, { "data-stale": String(about.stale ?? false), "data-show": model.get("show"), "data-tensor": model.get("chosen"), "data-element": model.get("element") });
    shown = decodeCells(model.get("cells"), model.get("cells_data"));
    canvas.hidden = !shown;
    table.hidden = !!shown;
    colours = shown ? coloursOf(known.low ?? 0, known.high ?? 0, model.get("show") === "image") : null;
    if (some) shown ? paint() : showTable();
    legend.replaceChildren(...(colours && some ? [legendSvg(colours, known, ctx.unique)] : []));
    if (some) {
      facts.replaceChildren(...([
        ["shape", shapeText(known.shape ?? [])], ["type", known.dtype ?? ""], ["elements", `${count(known.n ?? 0)}, ${count(known.bytes ?? 0)} bytes`],
        [LOWEST, short(known.low, 7)], ["high", short(known.high, 7)], ["mean", short(known.mean, 5)], ["norm", short(known.norm, 5)],
        ["zeros", count(known.zeros ?? 0)], ["NaN", count(known.nan ?? 0)], ["infinite", count(known.inf ?? 0)],
      ] as const).map(([label, value]) => h("tr", {}, h("th", { scope: "row" }, label === LOWEST ? "lowest" : label === "high" ? "highest" : label), h("td", {}, value))));
    }
    const one = model.get("picked") ?? {};
    under.hidden = one.index === undefined;
    bits.hidden = !one.bits;
    picked.replaceChildren(h("span", { class: "wb-lab" }, `element [${(one.position ?? []).join(", ")}]  `), h("code", {}, one.text ?? ""), one.bits ? "" : h("span", { class: "wb-lab" }, "  a whole number: its bits are its digits in base 2"));
    put(stage, { "aria-label": some ? `${model.get("chosen")}, ${known.dtype} ${shapeText(known.shape ?? [])}; arrow keys walk, Enter opens a bin, Backspace shows all, Esc ends` : "no tensor" });
  }

  let axesDrawn = "";
  function showAxes(sizes: number[]): void {
    const key = sizes.join();
    if (key !== axesDrawn) {
      axesDrawn = key;
      axes.replaceChildren(...sizes.map((n, k) => {
        const input = h("input", { class: "wb-text wb-z-axis", type: "number", min: 0, max: n - 1, "aria-label": `index along axis ${k}, of ${n}`, title: `axis ${k}: 0 to ${n - 1}` });
        const enter = (): void => {
          const next = [...(model.get("fixed") ?? [])];
          const at = Math.min(Math.max(Math.round(Number(input.value) || 0), 0), n - 1);
          input.value = String(at);
          if (next[k] !== at) write({ fixed: Object.assign(next, { [k]: at }) });
        };
        input.addEventListener("change", enter, { signal });
        input.addEventListener("keydown", (event) => event.key === "Enter" && enter(), { signal });
        return h("label", { class: "wb-row", style: "gap:3px" }, h("span", { class: "wb-lab" }, `axis ${k}`), input);
      }));
    }
    const fixed = model.get("fixed") ?? [];
    axes.querySelectorAll("input").forEach((input, k) => document.activeElement !== input && (input.value = String(fixed[k] ?? 0)));
  }

  function paint(): void {
    if (!shown || !colours) return;
    const { rows, cols, whole: all, bin, row, col, h: high, w: wide } = shown.header;
    room = stage.clientWidth - 2 > 0 ? stage.clientWidth - 2 : room; // 0 while a page is hidden
    const scale = Math.max(1, Math.min(40, Math.floor(Math.min(Math.min(Math.max(room, 120), WIDE) / cols, HIGH / rows))));
    const tall = rows * scale < 28 ? Math.floor(28 / rows) : scale; // a vector is a band, not a thread
    canvas.width = cols * scale;
    canvas.height = rows * tall;
    put(stage, { "data-state": current() ? "fresh" : "stale" });
    const known = stats();
    say(pages, bin[0] * bin[1] > 1 ? `A cell is the largest magnitude of ${bin[0]} \u00d7 ${bin[1]} elements; click one to open it.` : high < all[0] || wide < all[1] ? `rows ${row} to ${row + high - 1}, columns ${col} to ${col + wide - 1} of ${all[0]} \u00d7 ${all[1]}` : "");
    put(canvas, { "data-rows": rows, "data-cols": cols, "data-bin": bin.join("x"), "data-scale": scale, role: "img", "aria-label": `${rows} \u00d7 ${cols} cells from ${short(known.low)} to ${short(known.high)}` });
    const context = canvas.getContext("2d");
    if (!context) return;
    const { data, bad } = pixels(shown, colours);
    for (let r = 0; r < rows; r++) {
      for (let c = 0; c < cols; c++) {
        const i = 4 * (r * cols + c);
        if (data[i + 3] === 0) continue;
        context.fillStyle = `rgb(${data[i]},${data[i + 1]},${data[i + 2]})`;
        context.fillRect(c * scale, r * tall, scale, tall);
      }
    }
    context.strokeStyle = context.fillStyle = ctx.colour("--no");
    for (const [r, c] of bad) {
      if (scale < 5) context.fillRect(c * scale, r * tall, scale, tall);
      else {
        context.beginPath();
        context.moveTo(c * scale + 1, r * tall + 1);
        context.lineTo((c + 1) * scale - 1, (r + 1) * tall - 1);
        context.moveTo((c + 1) * scale - 1, r * tall + 1);
        context.lineTo(c * scale + 1, (r + 1) * tall - 1);
        context.stroke();
      }
    }
    const at = cellOf(model.get("element") ?? null);
    if (at !== null) {
      const [r, c] = [Math.floor(at / cols), at % cols];
      context.lineWidth = 2;
      context.strokeStyle = ctx.colour("--tx");
      context.strokeRect(c * scale, r * tall, Math.max(scale, 4), Math.max(tall, 4));
      context.strokeStyle = ctx.colour("--bg");
      context.lineWidth = 1;
      context.strokeRect(c * scale - 1.5, r * tall - 1.5, Math.max(scale, 4) + 3, Math.max(tall, 4) + 3);
    }
  }

  /** The cell that shows an element; null where it is in none of them. */
  function cellOf(element: number | null): number | null {
    if (!shown || element === null) return null;
    const at = shown.flat.indexOf(element);
    return at < 0 ? null : at;
  }

  function showTable(): void {
    const page = model.get("table") as Page;
    if (!page?.rows) return;
    const element = model.get("element") ?? null;
    const cols = page.rows[0]?.length ?? 0;
    table.replaceChildren(
      h("thead", {}, h("tr", {}, h("th", {}), ...Array.from({ length: cols }, (_, c) => h("th", { scope: "col" }, String(page.col + c))))),
      h("tbody", {}, ...page.rows.map((row, r) => h("tr", {}, h("th", { scope: "row" }, String(page.row + r)), ...row.map((text, c) => h("td", { "data-flat": page.flat[r]![c]!, role: "gridcell", "aria-selected": page.flat[r]![c] === element ? "true" : null, "data-bad": /NaN|\u221e/.test(text) ? "true" : null }, text))))),
    );
    const [down, across] = page.page;
    const go = (row: number, col: number) => () => write({ corner: [row, col] });
    const step = (label: string, title: string, row: number, col: number, may: boolean): HTMLButtonElement => {
      const one = button(label, title, go(row, col), signal);
      one.disabled = !may;
      return one;
    };
    pages.replaceChildren(
      h("span", { class: "wb-lab" }, `rows ${page.row} to ${page.row + page.rows.length - 1} of ${count(page.whole[0])}, columns ${page.col} to ${page.col + cols - 1} of ${count(page.whole[1])}`),
      step("\u25b2", "rows before (Page Up)", Math.max(0, page.row - down), page.col, page.row > 0), step("\u25bc", "rows after (Page Down)", page.row + down, page.col, page.row + page.rows.length < page.whole[0]),
      step("\u25c0", "columns before", page.row, Math.max(0, page.col - across), page.col > 0), step("\u25b6", "columns after", page.row, page.col + across, page.col + cols < page.whole[1]),
    );
  }

  // ---- hands
  const under_ = (event: PointerEvent | MouseEvent): number | null => {
    if (!shown || !current()) return null;
    const box = canvas.getBoundingClientRect();
    const [c, r] = [Math.floor(((event.clientX - box.left) / box.width) * shown.header.cols), Math.floor(((event.clientY - box.top) / box.height) * shown.header.rows)];
    return c >= 0 && r >= 0 && c < shown.header.cols && r < shown.header.rows ? r * shown.header.cols + c : null;
  };
  const valueOf = (at: number): string => {
    const n = shown!.header.rows * shown!.header.cols;
    return Array.from({ length: shown!.header.channels }, (_, k) => short(shown!.values[k * n + at]!, 6)).join(", ");
  };
  /** Where an element stands, by the tensor's shape. */
  const place = (flat: number): string => {
    const shape = stats().shape ?? [];
    let rest = flat;
    const found = shape.map((_, k) => {
      const size = shape.slice(k + 1).reduce((a, b) => a * b, 1);
      const i = Math.floor(rest / size);
      rest -= i * size;
      return i;
    });
    return `[${found.join(", ")}]`;
  };
  canvas.addEventListener("pointermove", (event) => {
    const at = under_(event);
    if (at === null || !shown) return ctx.tip.hide();
    const [down, across] = shown.header.bin;
    ctx.tip.show([h("b", {}, valueOf(at)), h("div", { class: "wb-num" }, place(shown.flat[at]!)), ...(down * across > 1 ? [h("div", { class: "wb-lab" }, `largest magnitude of ${down} \u00d7 ${across}`)] : [])], event.clientX, event.clientY);
  }, { signal });
  canvas.addEventListener("pointerleave", () => ctx.tip.hide(), { signal });
  canvas.addEventListener("click", (event) => {
    const at = under_(event);
    stage.focus({ preventScroll: true });
    if (at !== null) choose(at, true);
  }, { signal });
  table.addEventListener("click", (event) => {
    const flat = (event.target as Element).closest<HTMLElement>("[data-flat]")?.dataset["flat"];
    if (flat !== undefined) write({ element: Number(flat) });
  }, { signal });
  function choose(at: number, open: boolean): void {
    if (!shown) return;
    const { bin, cols, row, col } = shown.header;
    if (open && bin[0] * bin[1] > 1) {
      const [r, c] = [row + Math.floor(at / cols) * bin[0], col + (at % cols) * bin[1]];
      // some surroundings too: a plane at full size
      const [tall, wide] = [Math.max(bin[0], 40), Math.max(bin[1], 60)];
      write({ window: [Math.max(0, r - Math.floor((tall - bin[0]) / 2)), Math.max(0, c - Math.floor((wide - bin[1]) / 2)), tall, wide], element: shown.flat[at]! });
    } else write({ element: shown.flat[at]! });
    ctx.announce(`${place(shown.flat[at]!)}, ${valueOf(at)}`);
  }
  stage.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
    if (shown && !current()) return; // an answer is on its way
    const page = model.get("table") as Page | undefined;
    if (step && shown) {
      const { rows, cols } = shown.header;
      const now = cellOf(model.get("element") ?? null);
      const [r, c] = now === null ? [0, 0] : [Math.floor(now / cols) + step[0]!, (now % cols) + step[1]!];
      choose(Math.min(Math.max(r, 0), rows - 1) * cols + Math.min(Math.max(c, 0), cols - 1), false);
    } else if (step && page?.flat) {
      const at = page.flat.flat().indexOf(model.get("element") ?? -1);
      const cols = page.flat[0]?.length ?? 1;
      const [r, c] = at < 0 ? [0, 0] : [Math.floor(at / cols) + step[0]!, (at % cols) + step[1]!];
      const next = page.flat[Math.min(Math.max(r, 0), page.flat.length - 1)]![Math.min(Math.max(c, 0), cols - 1)]!;
      write({ element: next });
      ctx.announce(`${place(next)}, ${page.rows.flat()[page.flat.flat().indexOf(next)]}`);
    } else if (event.key === "Enter" && shown) {
      const now = cellOf(model.get("element") ?? null);
      if (now !== null) choose(now, true);
    } else if ((event.key === "PageDown" || event.key === "PageUp") && page?.rows) {
      const next = page.row + (event.key === "PageDown" ? 1 : -1) * page.page[0];
      if (next < page.whole[0] && next > -page.page[0]) write({ corner: [Math.max(0, next), page.col] });
    } else if (event.key === "Backspace") write({ window: null });
    else if (event.key === "Escape") write({ element: null });
    else return;
    event.preventDefault();
    event.stopPropagation();
  }, { signal });

  // ---- files
  function csv(): string {
    const page = model.get("table") as Page | undefined;
    if (!shown) return `${(page?.rows ?? []).map((row) => row.map((text) => text.replaceAll("\u2212", "-")).join(",")).join("\n")}\n`;
    const { rows, cols, bin } = shown.header;
    const lines = bin[0] * bin[1] > 1 ? [`# each cell is the largest magnitude of ${bin[0]} x ${bin[1]} elements`] : [];
    for (let r = 0; r < rows; r++) lines.push(Array.from({ length: cols }, (_, c) => String(shown!.values[r * cols + c])).join(","));
    return `${lines.join("\n")}\n`;
  }
  function saveSvg(): void {
    if (!shown || !colours) return ctx.toast("show it as a heat map first");
    const { rows, cols } = shown.header;
    const size = Math.max(2, Math.min(20, Math.floor(640 / cols)));
    const [w, high] = [Math.max(cols * size + 20, 320), rows * size + 90];
    const { data, bad } = pixels(shown, colours);
    const svg = s("svg", { viewBox: `0 0 ${w} ${high}`, width: w, height: high }, s("rect", { width: w, height: high, fill: getComputedStyle(root).backgroundColor }), s("text", { class: "wb-t", x: 10, y: 18 }, clip(`${model.get("chosen")}  ${shapeText(stats().shape ?? [])}  ${model.get("about")?.words ?? ""}`, 90)));
    for (let i = 0; i < rows * cols; i++) if (data[4 * i + 3]) svg.append(s("rect", { x: 10 + (i % cols) * size, y: 28 + Math.floor(i / cols) * size, width: size, height: size, fill: `rgb(${data[4 * i]},${data[4 * i + 1]},${data[4 * i + 2]})`, stroke: "none" }));
    for (const [r, c] of bad) svg.append(s("path", { d: `M${10 + c * size} ${28 + r * size}l${size} ${size}m0 -${size}l-${size} ${size}`, stroke: "var(--no)", fill: "none" }));
    const own = legendSvg(colours, stats(), "x");
    put(own, { x: 10, y: high - 54 });
    svg.append(own);
    save(`${file()}.svg`, new Blob([standalone(root, svg)], { type: "image/svg+xml" }));
  }

  ctx.watch(["tensors", "about", "stats", "axes", "cells", "cells_data", "table", "picked", "chosen", "show", "fixed", "fold", "window", "element"] as never[], show);
  ctx.onTheme(paint);
  onResize(stage, paint, signal);
  draw();
}

/** What the colours mean: the ends, 0 where it is in the middle, and how many elements have no colour. */
export function legendSvg(colours: Colours, known: Partial<Stats>, unique: string): SVGSVGElement {
  const W = 220;
  const id = `${unique}-z`;
  const svg = s("svg", { width: W + 20, height: 46, role: "img", "aria-label": `colours from ${short(colours.low)} to ${short(colours.high)}${colours.kind === "diverging" ? ", white is 0" : ""}` });
  const stops = Array.from({ length: 17 }, (_, i) => s("stop", { offset: i / 16, "stop-color": `rgb(${colours.rgb(colours.low + ((colours.high - colours.low) * i) / 16).join(",")})` }));
  svg.append(s("defs", {}, s("linearGradient", { id }, ...stops)), s("rect", { x: 6, y: 2, width: W, height: 10, fill: `url(#${id})`, stroke: "var(--line)" }));
  const marks = colours.kind === "diverging" ? [colours.low, 0, colours.high] : colours.low === colours.high ? [colours.low] : [colours.low, colours.high];
  marks.forEach((v, i) => svg.append(s("text", { class: "wb-n", x: 6 + (marks.length === 1 ? W / 2 : (W * i) / (marks.length - 1)), y: 25, "text-anchor": marks.length === 1 || (i > 0 && i < marks.length - 1) ? "middle" : i ? "end" : "start" }, short(v, 4))));
  const bad = (known.nan ?? 0) + (known.inf ?? 0);
  if (bad) svg.append(s("path", { d: "M6 33l8 8m0 -8l-8 8", stroke: "var(--no)" }), s("text", { x: 20, y: 41 }, `NaN or infinite: ${count(bad)}`));
  return svg;
}
