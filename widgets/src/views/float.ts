// FloatInspector: a number's bits by field, its exact value, its neighbours, and what rounding did to what was typed.
// Python computes all of it (workbench/views/floatinspector.py describes the traits); here it is drawn.

import { clip } from "../core/format.js";
import { button, h, n1, picker, put, s, save, say } from "./dom.js";
import css from "./float.css";
import type { Context } from "./frame.js";
import { standalone } from "./graph-export.js";
import { menuButton } from "./menu.js";

export interface Ratio {
  fraction: string;
  decimal?: string;
}
interface Neighbour {
  text: string;
  away: Ratio | null;
}
export interface FloatNumber {
  format: string;
  precision: number;
  kind: string;
  text: string;
  typed: string | null;
  bits: string | null;
  fields: { key: string; bits: string; says: string }[];
  code: string | null;
  hex: string | null;
  exact: (Ratio & { scaled: string }) | null;
  ulp: (Ratio & { power: string }) | null;
  up: Neighbour | null;
  down: Neighbour | null;
  payload: number | null;
  rounding: { kind: string; words: string; error?: Ratio; relative?: string; part?: number; mode?: string } | null;
  source: Ratio | null;
}
export interface FloatTraits {
  number: FloatNumber | Record<string, never>;
  formats: { key: string; label: string }[];
  modes: { key: string; label: string }[];
  origin: { node?: string; index?: number; of?: string; stale?: boolean };
  notice: string;
  typed: string;
  format: string;
  mode: string;
}
interface FloatModel {
  get<K extends keyof FloatTraits>(name: K): FloatTraits[K];
  set<K extends keyof FloatTraits>(name: K, value: FloatTraits[K]): void;
  save_changes(): void;
  send(content: { type: string; bit?: number; by?: number }): void;
}

const LONG = 58;
const isNumber = (n: FloatTraits["number"] | undefined): n is FloatNumber => n !== undefined && "fields" in n;

export function floatInspector(ctx: Context): void {
  const { root, signal } = ctx;
  const model = ctx.model as unknown as FloatModel;
  root.classList.add("wb-float");
  root.append(h("style", {}, css));
  const write = <K extends "typed" | "format" | "mode">(key: K, value: string): void => {
    model.set(key, value);
    model.save_changes();
  };
  const now = (): FloatNumber | null => {
    const n = model.get("number");
    return isNumber(n) ? n : null;
  };

  const input = h("input", { class: "wb-text", type: "text", "aria-label": "number: a decimal, a quotient, a power of two", spellcheck: "false", autocomplete: "off", title: "0.1, 1/3, 3*2^-24, 0x1.8p-3, inf, nan: read exactly, rounded once" });
  const enter = (): void => {
    if (input.value.trim() !== (model.get("typed") ?? "")) write("typed", input.value);
  };
  input.addEventListener("change", enter, { signal });
  input.addEventListener(
    "keydown",
    (event) => {
      if (event.key === "Enter") enter();
      else if (event.key === "ArrowUp" || event.key === "ArrowDown") model.send({ type: "step", by: event.key === "ArrowUp" ? 1 : -1 });
      else if (event.key === "Escape") input.value = model.get("typed") ?? "";
      else return;
      event.preventDefault();
    },
    { signal },
  );
  const formats = picker("number format", (key) => write("format", key), signal);
  const modes = picker("rounding mode", (key) => write("mode", key), signal);
  const down = button("\u25bc", "the next number below (arrow down in the field)", () => model.send({ type: "step", by: -1 }), signal);
  const up = button("\u25b2", "the next number above (arrow up in the field)", () => model.send({ type: "step", by: 1 }), signal);
  const origin = h("span", { class: "wb-for" });
  const exports = menuButton(ctx, "Export", "copy or save this number", () => [
    { label: "Copy code", title: "the Python that shows this", act: () => ctx.copy(code(), "the code") },
    { label: "Save SVG", act: () => saveSvg() },
    { label: "Save JSON", act: () => save(`${now()?.code ?? "number"}.json`, new Blob([`${JSON.stringify(model.get("number"), null, 1)}\n`], { type: "application/json" })) },
  ]);
  const bar = h("div", { class: "wb-bar" }, h("label", { class: "wb-row" }, h("span", { class: "wb-lab" }, "number"), input), h("span", { class: "wb-row", style: "gap:0" }, down, up), formats.el, modes.el, origin, h("span", { class: "wb-grow" }), exports);
  const fields = h("div", { class: "wb-f-fields", role: "group", "aria-label": "the bits, from the first; space or a click flips one" });
  const line = h("div", {});
  const said = h("div", { class: "wb-f-said", role: "status" });
  const facts = h("div", { class: "wb-f-two" });
  const notice = h("div", { class: "wb-notice", role: "alert", hidden: true });
  root.append(bar, h("div", { class: "wb-f-body" }, fields, said, line, facts), notice);

  const code = (): string => {
    const n = now();
    const value = n?.typed ?? (n?.exact ? n.exact.fraction : (n?.text ?? "0"));
    return `import workbench as wb\n\nwb.float_inspector(${JSON.stringify(value)}, ${JSON.stringify(model.get("format"))}${model.get("mode") === "nearest-even" ? "" : `, mode=${JSON.stringify(model.get("mode"))}`})`;
  };

  let drawn = "";
  const flip = (bit: number): void => model.send({ type: "flip", bit });
  fields.addEventListener("click", (event) => {
    const bit = (event.target as Element).closest<HTMLElement>("[data-bit]")?.dataset["bit"];
    if (bit !== undefined) flip(Number(bit));
  }, { signal });
  fields.addEventListener("keydown", (event) => {
    const own = (event.target as HTMLElement).dataset["bit"];
    if (own === undefined) return;
    const step = event.key === "ArrowLeft" ? 1 : event.key === "ArrowRight" ? -1 : 0;
    const to = event.key === "Home" ? fields.querySelector<HTMLElement>("[data-bit]") : event.key === "End" ? fields.querySelector<HTMLElement>('[data-bit="0"]') : step ? fields.querySelector<HTMLElement>(`[data-bit="${Number(own) + step}"]`) : null;
    if (!to) return;
    event.preventDefault();
    rove(to);
    to.focus();
  }, { signal });
  const rove = (to: HTMLElement): void => fields.querySelectorAll("[data-bit]").forEach((b) => put(b, { tabindex: b === to ? 0 : -1 }));

  /** The same buttons stay while the layout of the bits does: a focused bit keeps the focus when it is flipped. */
  function showBits(n: FloatNumber): void {
    const layout = `${n.format} ${n.fields.map((f) => `${f.key}${f.bits.length}`).join()}`;
    if (layout !== drawn) {
      drawn = layout;
      let bit = n.fields.reduce((sum, f) => sum + f.bits.length, 0);
      fields.replaceChildren(
        ...n.fields.filter((f) => f.bits).map((f) =>
          h("div", { class: "wb-f-field", "data-field": f.key, style: `--own: var(--f-${f.key})` },
            h("div", { class: "wb-f-bits" }, ...[...f.bits].map(() => h("button", { type: "button", class: "wb-f-bit", role: "switch", "data-bit": --bit, tabindex: -1 }))),
            h("div", { class: "wb-f-brace", "aria-hidden": "true" }), h("b", {}, `${f.key}, ${f.bits.length} bit${f.bits.length > 1 ? "s" : ""}`), h("span", { class: "wb-lab" })),
        ),
      );
      const first = fields.querySelector<HTMLElement>("[data-bit]");
      if (first) rove(first);
      if (!n.fields.length) fields.replaceChildren(h("span", { class: "wb-lab" }, `${n.format} has no encoding in bits: its exponents have no end`));
    }
    for (const f of n.fields) {
      const el = fields.querySelector<HTMLElement>(`[data-field="${f.key}"]`);
      if (!el) continue;
      say(el.querySelector(".wb-lab")!, f.says);
      [...el.querySelectorAll<HTMLElement>("[data-bit]")].forEach((b, i) => {
        say(b, f.bits[i]!);
        put(b, { "aria-checked": String(f.bits[i] === "1"), "aria-label": `bit ${b.dataset["bit"]} of the ${f.key}, ${f.bits[i]}`, title: `bit ${b.dataset["bit"]}: click to flip` });
      });
    }
  }

  const cell = (full: string): HTMLElement => {
    const el = h("button", { type: "button", class: "wb-f-copy", title: `${full}\nclick to copy`, "aria-label": `${clip(full, 200)}, copy` }, clip(full, LONG));
    el.addEventListener("click", () => ctx.copy(full, "the number"), { signal });
    return el;
  };
  const rows = (items: [string, string | null | undefined, string?][]): HTMLElement =>
    h("table", { class: "wb-table" }, h("tbody", {}, ...items.filter((item) => item[1]).map(([label, full, kind]) => h("tr", { "data-kind": kind }, h("th", { scope: "row" }, label), h("td", {}, cell(full!))))));

  function show(): void {
    const n = now();
    formats.update(model.get("formats") ?? [], model.get("format") ?? "");
    modes.update(model.get("modes") ?? [], model.get("mode") ?? "");
    const text = model.get("notice") ?? "";
    notice.hidden = !text;
    say(notice, text);
    put(input, { "aria-invalid": text ? "true" : null });
    if (!text || root.getRootNode() instanceof Document === false || document.activeElement !== input) input.value = model.get("typed") ?? "";
    if (!n) return;
    put(root, { "data-code": n.code, "data-format": n.format, "data-text": n.text });
    const from = model.get("origin") ?? {};
    origin.hidden = !from.node;
    put(origin, { "data-state": from.stale ? "stale" : "fresh", title: from.stale ? "the settings have changed since: this value belongs to the old result" : null });
    say(origin, from.node ? `${from.stale ? "stale: " : ""}${clip(from.node, 28)}[${from.index}] at the centre, ${from.of ?? ""}` : "");
    showBits(n);
    const r = n.rounding;
    say(said, "");
    const kind = `${n.kind}${n.payload === null ? "" : `, payload ${n.payload}`}`;
    if (r) said.append(h("b", {}, n.typed ?? ""), ` ${r.words}${r.relative ? ` (${r.relative})` : ""}.${r.kind === "exact" ? "" : ` The result prints as ${n.text}.`}`);
    else said.append(n.typed === null ? "Set by its bits: nothing was rounded." : n.text);
    said.append(` Class: ${kind}.`);
    line.replaceChildren(numberLine(n));
    facts.replaceChildren(
      rows([["exactly", n.exact?.decimal], ["as a quotient", n.exact?.fraction], ["integer \u00d7 power", n.exact?.scaled], ["hexadecimal", n.hex], ["code", n.code]]),
      rows([["ulp", n.ulp ? `${n.ulp.power} = ${n.ulp.decimal ?? n.ulp.fraction}` : null], ["next number up", n.up?.text], ["next number down", n.down?.text], ["rounding error", r?.error && r.kind !== "exact" ? (r.error.decimal ?? r.error.fraction) : null, "rounding"], ["error as a quotient", r?.error?.decimal && r.kind !== "exact" ? r.error.fraction : null, "rounding"]]),
    );
  }

  function saveSvg(): void {
    const n = now();
    if (!n) return;
    const all = n.fields.map((f) => f.bits).join("");
    const wide = Math.max(420, all.length * 15 + n.fields.length * 8 + 20);
    const svg = s("svg", { viewBox: `0 0 ${wide} 190`, width: wide, height: 190 }, s("rect", { width: wide, height: 190, fill: getComputedStyle(root).backgroundColor }), s("text", { class: "wb-t", x: 10, y: 20 }, `${n.text} in ${n.format}, ${n.kind}`));
    let x = 10;
    for (const f of n.fields) {
      svg.append(s("text", { x, y: 88 }, `${f.key}: ${f.says}`.slice(0, Math.max(8, f.bits.length * 3))));
      for (const bit of f.bits) {
        svg.append(s("rect", { x, y: 40, width: 14, height: 26, fill: "none", stroke: `var(--f-${f.key})` }), s("text", { class: "wb-n", x: x + 7, y: 57, "text-anchor": "middle" }, bit));
        x += 15;
      }
      x += 8;
    }
    const own = numberLine(n);
    put(own, { x: 0, y: 104, width: wide, height: 74 });
    svg.append(own);
    save(`${n.format}-${n.code ?? "number"}.svg`, new Blob([standalone(root, svg)], { type: "image/svg+xml" }));
  }

  ctx.watch(["number", "origin", "notice", "typed", "format", "mode", "formats"] as never[], show);
  show();
}

/** The number between its neighbours, and what was typed, at its place: from Python's own share of an ulp. */
export function numberLine(n: FloatNumber): SVGSVGElement {
  const svg = s("svg", { class: "wb-f-line", viewBox: "0 0 640 74", preserveAspectRatio: "xMidYMid meet", role: "img" });
  const at = (part: number): number => 320 + 210 * part;
  const label = [n.down ? `below: ${n.down.text}` : "", `the number: ${n.text}`, n.up ? `above: ${n.up.text}` : ""].filter(Boolean).join(", ");
  put(svg, { "aria-label": label });
  svg.append(s("path", { d: "M40 36H600", stroke: "var(--tx3)" }));
  const places: [number, string, string][] = [[0, n.text, "the number"]];
  if (n.down) places.push([-1, n.down.text, "next below"]);
  if (n.up) places.push([1, n.up.text, "next above"]);
  for (const [part, text, words] of places) {
    svg.append(s("path", { d: `M${at(part)} 28v16`, stroke: part ? "var(--tx3)" : "var(--tx)", "stroke-width": part ? 1.2 : 2.5 }), s("text", { class: part ? "wb-n" : "wb-n wb-t", x: at(part), y: 58, "text-anchor": "middle" }, clip(text, 24)), s("text", { x: at(part), y: 71, "text-anchor": "middle" }, words));
  }
  const part = n.rounding?.part;
  if (part !== undefined) {
    // error = number - typed, so what was typed lies at minus that
    const x = at(Math.min(1.25, Math.max(-1.25, -part)));
    svg.append(s("path", { d: `M${n1(x)} 30l-4 -8h8z`, fill: "var(--rnd)" }), s("path", { d: `M${n1(x)} 33H${at(0)}`, stroke: "var(--rnd)", "stroke-width": 2.5 }), s("text", { class: "wb-n", x: n1(x), y: 15, "text-anchor": "middle", style: "fill:var(--rnd)" }, clip(n.typed ?? "typed", 30)));
  }
  return svg;
}
