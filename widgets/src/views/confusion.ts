// ConfusionView: confusion matrices of a classifier in three readings, and the examples of a cell.  Python judges
// (workbench/views/confusionview.py describes the traits); here it is drawn.

import { clip, count, csvCell } from "../core/format.js";
import type { Thumbnail } from "../core/wire.js";
import { button, h, put, s, safeName, save, say, segmented, together } from "./dom.js";
import type { Context } from "./frame.js";
import { standalone } from "./graph-export.js";
import { menuButton } from "./menu.js";
import css from "./confusion.css";

export interface Reading {
  key: string;
  eps: number;
  matrix: number[][];
  right: number;
  n: number;
  statement: string;
}
interface Item {
  index: number;
  label: number;
  to: number;
  text: string;
  picture: Thumbnail | null;
}
interface Samples {
  kind: string;
  cell: [number, number];
  eps: number;
  count: number;
  page: number;
  pages: number;
  items: Item[];
}
interface Traits {
  about: { name?: string; n?: number; names?: string[]; linked?: boolean };
  readings: Reading[];
  samples: Partial<Samples>;
  status: { state?: string; message?: string; progress?: number | null };
  code: string;
  notice: string;
  kind: string;
  cell: number[] | null;
  page: number;
  sample: number | null;
  eps: number;
}
interface ConfusionModel {
  get<K extends keyof Traits>(name: K): Traits[K] | undefined;
  set<K extends keyof Traits>(name: K, value: Traits[K]): void;
  save_changes(): void;
  send(content: { type: string }): void;
}

const KINDS = [
  { key: "clean", label: "clean", title: "the examples as they are" },
  { key: "adversarial", label: "\u2715 attacked", title: "what an attack makes of them: only what it found" },
  { key: "certified", label: "\u2713 proved", title: "what sound bounds prove, and the class that they cannot exclude" },
];
/** What a cell means in each reading: on the diagonal, and off it. */
const MEANING: Record<string, { on: [string, string]; off: [string, string] }> = {
  clean: { on: ["right", "right"], off: ["wrong", "\u2715 wrong"] },
  adversarial: { on: ["unknown", "? no attack was found"], off: ["wrong", "\u2715 an input of that class was found"] },
  certified: { on: ["proved", "\u2713 proved"], off: ["unknown", "? not excluded"] },
};

export function confusionView(ctx: Context): void {
  const { root, signal } = ctx;
  const model = ctx.model as unknown as ConfusionModel;
  root.classList.add("wb-confusion");
  root.append(h("style", {}, css));
  const write = (values: Partial<Traits>): void => {
    for (const key of Object.keys(values) as (keyof Traits)[]) model.set(key, values[key] as never);
    model.save_changes();
  };
  const names = (): string[] => model.get("about")?.names ?? [];
  const reading = (): Reading | undefined => (model.get("readings") ?? []).find((r) => r.key === model.get("kind"));
  const old = (r: Reading | undefined): boolean => r !== undefined && r.key !== "clean" && r.eps !== model.get("eps");

  // ---- the bar
  const kinds = segmented("reading", (key) => write({ kind: key, page: 0 }), signal);
  const eps = h("input", { class: "wb-text", type: "text", inputmode: "decimal", "aria-label": "epsilon: radius of the balls" });
  const enter = (): void => {
    const value = Number(eps.value);
    if (eps.value.trim() && value >= 0 && Number.isFinite(value)) {
      put(eps, { "aria-invalid": null });
      if (value !== model.get("eps")) write({ eps: value });
    } else put(eps, { "aria-invalid": "true" });
  };
  eps.addEventListener("change", enter, { signal });
  eps.addEventListener("keydown", (event) => event.key === "Enter" && enter(), { signal });
  const shown = h("span", { class: "wb-for" });
  const doing = h("span", { class: "wb-lab", role: "status" });
  const progress = h("div", { class: "wb-prog", role: "progressbar", "aria-label": "judging" }, h("i"));
  const stop = button("Cancel", "stop judging; what is there stays", () => model.send({ type: "cancel" }), signal);
  const again = button("Go on", "judge again", () => model.send({ type: "compute" }), signal);
  const exports = menuButton(ctx, "Export", "copy or save the matrix", () => [
    { label: "Copy code", title: "the Python that shows this", act: () => ctx.copy(model.get("code") ?? "", "the code") },
    { label: "Save CSV", act: () => text("csv", csv(), "text/csv") },
    { label: "Save SVG", act: () => (reading() ? text("svg", picture(), "image/svg+xml") : ctx.toast("there is no matrix yet")) },
    { label: "Save JSON, all readings", act: () => text("json", `${JSON.stringify({ about: model.get("about"), readings: model.get("readings") }, null, 1)}\n`, "application/json") },
  ]);
  const text = (end: string, content: string, type: string): void => save(`${safeName(`confusion-${model.get("about")?.name ?? ""}-${model.get("kind")}`)}.${end}`, new Blob([content], { type }));
  root.append(h("div", { class: "wb-bar" }, kinds.el, h("label", { class: "wb-row" }, h("span", { class: "wb-lab" }, "\u03b5"), eps), shown, progress, doing, stop, again, h("span", { class: "wb-grow" }), exports));

  // ---- the matrix and the examples
  const said = h("div", { class: "wb-q-said", role: "status" });
  const table = h("table", { class: "wb-q-table", role: "grid", "aria-label": "labels by classes" });
  const key = h("div", { class: "wb-q-key" });
  const list = h("div", { class: "wb-q-list" });
  const head = h("div", { class: "wb-row" });
  const body = h("div", { class: "wb-q-body" }, h("div", { class: "wb-q-scroll" }, table, key), h("div", { class: "wb-q-side" }, head, list));
  const empty = h("div", { class: "wb-empty" }, h("b", {}, "Not computed"), h("span", {}));
  const notice = h("div", { class: "wb-notice", role: "alert", hidden: true });
  root.append(said, body, empty, notice);

  const draw = together(show, signal);
  let built = "";
  function show(): void {
    const r = reading();
    const kind = model.get("kind") ?? "clean";
    const status = model.get("status") ?? {};
    const busy = status.state === "computing";
    kinds.update(KINDS, kind);
    if (document.activeElement !== eps) eps.value = String(model.get("eps") ?? 0);
    const aged = old(r);
    shown.hidden = !r || kind === "clean";
    say(shown, r ? `${aged ? "stale: " : ""}\u03b5 ${r.eps}` : "");
    put(shown, { "data-state": aged ? "stale" : "fresh" });
    progress.hidden = !busy || status.progress === null || status.progress === undefined;
    progress.firstElementChild!.setAttribute("style", `width:${Math.round(100 * (status.progress ?? 0))}%`);
    say(doing, busy ? status.message || "computing\u2026" : status.state === "cancelled" ? "cancelled" : "");
    stop.hidden = !busy;
    again.hidden = status.state !== "cancelled";
    const told = [status.state === "failed" ? `failed: ${status.message}` : "", model.get("notice") ?? ""].filter(Boolean).join(" \u00b7 ");
    notice.hidden = !told;
    say(notice, told);
    say(said, r?.statement ?? "");
    body.hidden = !r;
    empty.hidden = !!r;
    say(empty.lastElementChild as HTMLElement, busy ? "It is being computed." : (model.get("eps") ?? 0) === 0 ? "Give a radius \u03b5 above 0." : "");
    put(body, { "data-state": aged ? "stale" : "fresh" });
    put(root, { "data-kind": kind, "data-right": r?.right, "data-state": status.state, "data-eps": r?.eps });
    if (r) matrix(r);
    examples();
  }

  function matrix(r: Reading): void {
    const all = names();
    const cell = model.get("cell") ?? null;
    const layout = `${all.join("\n")} ${r.key}`;
    if (layout !== built) {
      built = layout;
      const meaning = MEANING[r.key]!;
      table.replaceChildren(
        h("thead", {}, h("tr", {}, h("th", { "aria-hidden": "true" }, "label \u2193  class \u2192"), ...all.map((name) => h("th", { scope: "col", title: name }, clip(name, 9))), h("th", { scope: "col" }, "all"))),
        h("tbody", {}, ...all.map((name, i) => h("tr", {}, h("th", { scope: "row", title: name }, clip(name, 16)), ...all.map((_, j) => h("td", { role: "gridcell", "data-cell": `${i},${j}`, tabindex: -1, "data-kind": (i === j ? meaning.on : meaning.off)[0], "data-diagonal": i === j })), h("td", { class: "wb-q-sum" })))),
      );
      key.replaceChildren(...[meaning.on, meaning.off].map(([kind, words]) => h("span", {}, s("svg", { width: 12, height: 12, "aria-hidden": "true" }, s("rect", { x: 0.5, y: 0.5, width: 11, height: 11, fill: `var(--${{ right: "acc", wrong: "no", proved: "ok", unknown: "un" }[kind]})`, "fill-opacity": 0.6, stroke: "var(--tx3)" })), words)), h("span", {}, "darker: a larger share of the label's examples"));
    }
    r.matrix.forEach((row, i) => {
      const sum = row.reduce((a, b) => a + b, 0);
      row.forEach((n, j) => {
        const el = table.querySelector<HTMLElement>(`[data-cell="${i},${j}"]`)!;
        say(el, n ? count(n) : "\u00b7");
        const chosen = cell !== null && cell[0] === i && cell[1] === j;
        put(el, { style: `--share:${sum ? Math.max(n ? 0.08 : 0, n / sum).toFixed(3) : 0}`, "data-zero": n === 0, "aria-selected": chosen ? "true" : null, tabindex: chosen || (cell === null && i + j === 0) ? 0 : -1, "aria-label": `label ${all[i]}, class ${all[j]}: ${n}` });
      });
      say(table.querySelectorAll<HTMLElement>(".wb-q-sum")[i]!, sum ? `${count(sum)}, ${Math.floor((1000 * row[i]!) / sum) / 10} %` : "0");
    });
  }

  let drawn: unknown = null;
  function examples(): void {
    const found = model.get("samples") ?? {};
    const sample = model.get("sample") ?? null;
    if (found !== drawn) {
      drawn = found;
      const all = names();
      head.replaceChildren();
      list.replaceChildren();
      if (!found.items) {
        head.append(h("span", { class: "wb-lab", style: "white-space:normal" }, "Click a cell to see its examples; arrow keys walk, Enter opens."));
        return;
      }
      const [i, j] = found.cell!;
      const page = found.page ?? 0;
      const turn = (label: string, title: string, to: number, may: boolean): HTMLButtonElement => {
        const one = button(label, title, () => write({ page: to }), signal);
        one.disabled = !may;
        return one;
      };
      head.append(h("b", {}, `${count(found.count ?? 0)} with label ${all[i]}, ${MEANING[found.kind!]![i === j ? "on" : "off"][1].replace(/^. /, "")}${i === j ? "" : `: ${all[j]}`}`));
      if ((found.pages ?? 1) > 1) head.append(turn("\u25c0", "page before", page - 1, page > 0), h("span", { class: "wb-lab" }, `page ${page + 1} of ${found.pages}`), turn("\u25b6", "page after", page + 1, page + 1 < found.pages!));
      for (const item of found.items) {
        const one = h("button", { type: "button", class: "wb-q-one", "data-index": item.index, title: `${item.text}${model.get("about")?.linked ? "\nclick: explore it in the model" : ""}`, "aria-label": item.text }, thumb(item.picture), h("span", {}, `#${item.index}`), found.kind === "certified" ? h("span", {}, clip(item.text.split("; ")[1] ?? "", 40)) : null);
        list.append(one);
      }
    }
    for (const one of list.children) put(one, { "aria-pressed": String((one as HTMLElement).dataset["index"] === String(sample)) });
  }
  list.addEventListener("click", (event) => {
    const at = (event.target as Element).closest<HTMLElement>("[data-index]")?.dataset["index"];
    if (at !== undefined) write({ sample: Number(at) });
  }, { signal });

  // ---- hands
  const pick = (el: Element | null): void => {
    const at = el?.closest<HTMLElement>("[data-cell]")?.dataset["cell"];
    if (at !== undefined) write({ cell: at.split(",").map(Number), page: 0 });
  };
  table.addEventListener("click", (event) => pick(event.target as Element), { signal });
  table.addEventListener("keydown", (event) => {
    const at = (event.target as HTMLElement).dataset["cell"]?.split(",").map(Number);
    if (!at || event.ctrlKey || event.metaKey || event.altKey) return;
    const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
    if (step) {
      const to = table.querySelector<HTMLElement>(`[data-cell="${at[0]! + step[0]!},${at[1]! + step[1]!}"]`);
      if (to) {
        table.querySelectorAll("[data-cell]").forEach((el) => put(el, { tabindex: el === to ? 0 : -1 }));
        to.focus();
      }
    } else if (event.key === "Enter" || event.key === " ") pick(event.target as Element);
    else if (event.key === "Escape") write({ cell: null });
    else return;
    event.preventDefault();
    event.stopPropagation();
  }, { signal });

  // ---- files
  function csv(): string {
    return `${[["label", ...names().map(csvCell)].join(","), ...(reading()?.matrix ?? []).map((row, i) => [csvCell(names()[i]!), ...row].join(","))].join("\n")}\n`;
  }
  function picture(): string {
    const r = reading()!;
    const all = names();
    const size = Math.max(22, Math.min(44, Math.floor(620 / all.length)));
    const [w, high] = [all.length * size + 110, all.length * size + 70];
    const svg = s("svg", { viewBox: `0 0 ${w} ${high}`, width: w, height: high }, s("title", {}, r.statement), s("rect", { width: w, height: high, fill: getComputedStyle(root).backgroundColor }), s("text", { class: "wb-t", x: 8, y: 16 }, clip(`${model.get("about")?.name}, ${r.key}${r.key === "clean" ? "" : `, epsilon ${r.eps}`}: ${r.right} of ${r.n}`, 70)));
    r.matrix.forEach((row, i) => {
      const sum = row.reduce((a, b) => a + b, 0);
      svg.append(s("text", { class: "wb-n", x: 84, y: 46 + i * size + size / 2 + 4, "text-anchor": "end" }, clip(all[i]!, 11)), s("text", { class: "wb-n", x: 90 + i * size + size / 2, y: 40, "text-anchor": "middle" }, clip(all[i]!, 5)));
      row.forEach((n, j) => {
        const ink = { right: "acc", wrong: "no", proved: "ok", unknown: "un" }[MEANING[r.key]![i === j ? "on" : "off"][0]]!;
        svg.append(s("rect", { x: 90 + j * size, y: 46 + i * size, width: size - 1, height: size - 1, fill: `var(--${ink})`, "fill-opacity": sum ? ((0.6 * n) / sum).toFixed(3) : 0, stroke: "var(--line)" }), s("text", { class: "wb-n", x: 90 + j * size + size / 2, y: 46 + i * size + size / 2 + 4, "text-anchor": "middle" }, n ? String(n) : ""));
      });
    });
    return standalone(root, svg);
  }

  ctx.watch(["about", "readings", "samples", "status", "kind", "cell", "sample", "eps", "notice"] as never[], draw);
  show();
}

function thumb(picture: Thumbnail | null): HTMLElement | null {
  if (!picture) return null;
  const canvas = h("canvas", { width: picture.w, height: picture.h, "aria-hidden": "true" });
  const context = canvas.getContext("2d");
  const channels = picture.channels ?? 1;
  if (context) {
    const image = context.createImageData(picture.w, picture.h);
    for (let i = 0; i < picture.w * picture.h; i++) for (let c = 0; c < 4; c++) image.data[4 * i + c] = c === 3 ? 255 : picture.data[channels * i + Math.min(c, channels - 1)]!;
    context.putImageData(image, 0, 0);
  }
  return canvas;
}
