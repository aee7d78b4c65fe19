// ShapeView: what every layer of a module is given and gives, and where it does not fit.  Python traces the module
// (workbench/views/shapeview.py describes the traits); here its layers are listed.

import { clip, count, csvCell } from "../core/format.js";
import { button, h, put, s, safeName, save, say, together } from "./dom.js";
import type { Context } from "./frame.js";
import { standalone } from "./graph-export.js";
import { menuButton } from "./menu.js";
import css from "./shape.css";

export interface LayerRow {
  path: string;
  kind: string;
  depth: number;
  given: string[];
  result: string;
  parameters: number;
  state: "fits" | "fails" | "inside" | "unreached";
  message: string;
  fix: string;
}
interface Traits {
  about: { module?: string; parameters?: number; fits?: boolean; error?: string; inputs?: string[]; output?: string };
  layers: LayerRow[];
  notice: string;
  code: string;
  shape: string;
}
interface ShapeModel {
  get<K extends keyof Traits>(name: K): Traits[K] | undefined;
  set<K extends keyof Traits>(name: K, value: Traits[K]): void;
  save_changes(): void;
}

const MARKS = { fits: ["\u2713", "fits"], fails: ["\u2715", "does not fit"], inside: ["\u2198", "a layer in it does not fit"], unreached: ["\u00b7", "not reached"] } as const;

/** A tick, a cross, an arrow inward, a dot. */
const PATHS = { fits: "M1 6.5l3.2 3.2L11 2.5", fails: "M2 2l8 8m0 -8l-8 8", inside: "M2 2l7 7m0 -5.5v5.5h-5.5", unreached: "M5 6h2" } as const;
const icon = (state: LayerRow["state"]): SVGSVGElement => s("svg", { width: 12, height: 12, "aria-hidden": "true" }, s("path", { d: PATHS[state], fill: "none", stroke: "currentColor", "stroke-width": 1.8 }));

export function shapeView(ctx: Context): void {
  const { root, signal } = ctx;
  const model = ctx.model as unknown as ShapeModel;
  root.classList.add("wb-shape");
  root.append(h("style", {}, css));
  const layers = (): LayerRow[] => model.get("layers") ?? [];
  const about = (): Traits["about"] => model.get("about") ?? {};

  const shape = h("input", { class: "wb-text wb-h-shape", type: "text", spellcheck: "false", autocomplete: "off", "aria-label": "shape of the input, with names if you like: batch=1 pixels=64; several inputs apart by a semicolon", title: "batch=1 pixels=64, or 1 64; several inputs apart by a semicolon" });
  const enter = (): void => {
    if (shape.value.trim() !== (model.get("shape") ?? "")) {
      model.set("shape", shape.value.trim());
      model.save_changes();
    }
  };
  shape.addEventListener("change", enter, { signal });
  shape.addEventListener("keydown", (event) => {
    if (event.key === "Enter") enter();
    else if (event.key === "Escape") shape.value = model.get("shape") ?? "";
  }, { signal });
  const verdict = h("b", {});
  const said = h("span", { class: "wb-num" });
  const exports = menuButton(ctx, "Export", "copy or save the table of shapes", () => [
    { label: "Copy code", title: "the Python that shows this", act: () => ctx.copy(model.get("code") ?? "", "the code") },
    { label: "Save CSV", act: () => file("csv", csv(), "text/csv") },
    { label: "Save SVG", act: () => file("svg", picture(), "image/svg+xml") },
    { label: "Save JSON", act: () => file("json", `${JSON.stringify({ about: about(), layers: layers() }, null, 1)}\n`, "application/json") },
  ]);
  const file = (end: string, text: string, type: string): void => save(`${safeName(`shapes-${about().module ?? "module"}`)}.${end}`, new Blob([text], { type }));
  const body = h("tbody", {});
  const table = h("table", { class: "wb-h-table" }, h("thead", {}, h("tr", {}, ...["", "layer", "kind", "is given", "gives", "parameters"].map((text) => h("th", { scope: "col" }, text)))), body);
  const notice = h("div", { class: "wb-notice", role: "alert", hidden: true });
  root.append(h("div", { class: "wb-bar" }, h("label", { class: "wb-row" }, h("span", { class: "wb-lab" }, "input"), shape), h("span", { class: "wb-grow" }), exports), h("div", { class: "wb-h-whole", role: "status" }, verdict, said), h("div", { class: "wb-h-scroll" }, table), notice);

  function show(): void {
    const a = about();
    if (document.activeElement !== shape) shape.value = model.get("shape") ?? "";
    const text = model.get("notice") ?? "";
    notice.hidden = !text;
    say(notice, text);
    put(shape, { "aria-invalid": text ? "true" : null });
    put(verdict, { "data-fits": String(a.fits ?? false) });
    say(verdict, a.fits === undefined ? "" : a.fits ? "\u2713 fits" : "\u2715 does not fit");
    say(said, a.fits ? `${(a.inputs ?? []).join(", ")} \u2192 ${a.output}, ${count(a.parameters ?? 0)} parameters` : clip(a.error ?? "", 240));
    put(root, { "data-fits": String(a.fits ?? ""), "data-layers": layers().length });
    const rows: HTMLElement[] = [];
    layers().forEach((row, i) => {
      const words = MARKS[row.state][1];
      rows.push(
        h("tr", { "data-state": row.state, "data-path": row.path, tabindex: i ? -1 : 0, "aria-label": `${row.path || a.module}, ${row.kind}, given ${row.given.join(", ") || "nothing"}, ${row.result ? `gives ${row.result}, ` : ""}${words}` },
          h("td", { class: "wb-h-mark", title: words }, icon(row.state)), h("td", { style: `padding-left:${12 + 14 * row.depth}px` }, row.path.split(".").pop() || (a.module ?? "")), h("td", {}, row.kind), h("td", { class: "wb-num" }, row.given.join(", ")), h("td", { class: "wb-num" }, row.result), h("td", { class: "wb-num wb-h-many" }, row.parameters ? count(row.parameters) : "")),
      );
      if (row.state === "fails") {
        const copy = row.fix ? button("copy", "copy the line", () => ctx.copy(row.fix, "the line"), signal) : null;
        rows.push(h("tr", { class: "wb-h-why" }, h("td", { colspan: 6 }, row.message, row.fix ? h("div", { class: "wb-row" }, "this would take what is given: ", h("code", {}, row.fix), copy) : null)));
      }
    });
    body.replaceChildren(...rows);
  }

  body.addEventListener("keydown", (event) => {
    const all = [...body.querySelectorAll<HTMLElement>("tr[data-path]")];
    const at = all.indexOf(event.target as HTMLElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: all.length - 1, Enter: all.findIndex((row) => row.dataset["state"] === "fails") }[event.key];
    if (at < 0 || to === undefined || !all[to]) return;
    all.forEach((row, i) => put(row, { tabindex: i === to ? 0 : -1 }));
    all[to].focus();
    event.preventDefault();
    event.stopPropagation();
  }, { signal });

  function csv(): string {
    return `layer,kind,given,result,parameters,state,message\n${layers().map((row) => [row.path, row.kind, row.given.join(", "), row.result, String(row.parameters), row.state, row.message].map(csvCell).join(",")).join("\n")}\n`;
  }
  function picture(): string {
    const all = layers();
    const [w, step] = [980, 22];
    const height = all.length * step + 60;
    const svg = s("svg", { viewBox: `0 0 ${w} ${height}`, width: w, height }, s("rect", { width: w, height, fill: getComputedStyle(root).backgroundColor }), s("text", { class: "wb-t", x: 12, y: 22 }, clip(`${about().module}: ${about().fits ? `fits, ${about().output}` : about().error}`, 140)));
    all.forEach((row, i) => {
      const y = 50 + i * step;
      const ink = { fits: "var(--ok)", fails: "var(--no)", inside: "var(--no)", unreached: "var(--tx3)" }[row.state];
      svg.append(s("text", { x: 12, y, style: `fill:${ink}` }, MARKS[row.state][0]), s("text", { x: 32 + 14 * row.depth, y }, clip(row.path || (about().module ?? ""), 24)), s("text", { x: 220, y }, clip(row.kind, 22)), s("text", { class: "wb-n", x: 370, y }, clip(row.given.join(", "), 44)), s("text", { class: "wb-n", x: 680, y }, clip(row.result, 40)));
    });
    return standalone(root, svg);
  }

  ctx.watch(["about", "layers", "notice", "shape"] as never[], together(show, signal));
  show();
}
