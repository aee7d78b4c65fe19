// The selected neuron: its relaxation drawn, and its numbers with every digit in reach.

import { exact, outward, short } from "../core/format.js";
import { ticks } from "../core/scales.js";
import type { Line, Neuron, Relaxation } from "../core/wire.js";
import { button, h, morph, onResize, s, say } from "./dom.js";
import type { Context } from "./frame.js";

const H = 178;

const term = (line: Line): string => {
  const [a, b] = [line.slope, line.offset];
  const first = a === 0 ? "" : a === 1 ? "x" : `${short(a, 4)}\u2009x`;
  if (b === 0) return first || "0";
  return first ? `${first} ${b < 0 ? "\u2212" : "+"} ${short(Math.abs(b), 4)}` : short(b, 4);
};

/** The function, the two lines that stand in for it on [l, u], and the room between them. */
export function relaxationPicture(r: Relaxation, W = 360, named: readonly string[] = [outward(r.l, false, 4), outward(r.u, true, 4)]): SVGSVGElement {
  const value = (line: Line, z: number): number => line.slope * z + line.offset;
  const ends = [r.l, r.u];
  const heights = [...r.curve.map((p) => p[1]), ...[r.lower, r.upper].flatMap((line) => (line ? ends.map((z) => value(line, z)) : []))];
  const pad = (r.u - r.l) * 0.28 || Math.abs(r.l) * 0.2 || 1;
  const xs = [r.l - pad, r.u + pad];
  let [y0, y1] = [Math.min(...heights, 0), Math.max(...heights, 0)];
  const room = Math.max((y1 - y0) * 0.12, (r.u - r.l) * 0.25) || 1;
  [y0, y1] = [y0 - room, y1 + room];
  const x = (z: number): number => 40 + ((z - xs[0]!) / (xs[1]! - xs[0]!)) * (W - 52);
  const y = (v: number): number => H - 26 - ((v - y0) / (y1 - y0)) * (H - 36);
  const p = (z: number, v: number): string => `${x(z).toFixed(1)} ${y(v).toFixed(1)}`;
  const svg = s("svg", { viewBox: `0 0 ${W} ${H}`, width: W, height: H, role: "img", "data-l": exact(r.l), "data-u": exact(r.u), class: "wb-relaxation", style: "max-width:100%;display:block" });
  const label = `${r.formula} on [${named.join(", ")}]; upper line ${r.upper ? term(r.upper) : "none"}, lower line ${r.lower ? term(r.lower) : "none"}`;
  svg.append(s("title", {}, label));
  for (const v of ticks(y0, y1, 4)) {
    svg.append(s("line", { x1: 40, x2: W - 8, y1: y(v), y2: y(v), stroke: v === 0 ? "var(--tx3)" : "var(--line2)" }), s("text", { class: "wb-n", x: 34, y: y(v) + 4, "text-anchor": "end" }, short(v)));
  }
  if (xs[0]! < 0 && xs[1]! > 0) svg.append(s("line", { x1: x(0), x2: x(0), y1: 8, y2: H - 26, stroke: "var(--line)" }));
  if (r.lower && r.upper) {
    svg.append(s("path", { d: `M${p(r.l, value(r.upper, r.l))}L${p(r.u, value(r.upper, r.u))}L${p(r.u, value(r.lower, r.u))}L${p(r.l, value(r.lower, r.l))}Z`, fill: "var(--int2)", "fill-opacity": 0.38 }));
  }
  for (const [line, dash] of [[r.upper, null], [r.lower, "5 3"]] as const) {
    if (line) svg.append(s("path", { d: `M${p(r.l, value(line, r.l))}L${p(r.u, value(line, r.u))}`, stroke: "var(--int)", "stroke-width": 2, "stroke-dasharray": dash, fill: "none" }));
  }
  if (r.curve.length) svg.append(s("path", { d: `M${r.curve.map(([z, v]) => p(z, v)).join("L")}`, stroke: "var(--pt)", "stroke-width": 2, fill: "none" }));
  const apart = x(r.u) - x(r.l) > 90;
  ([[r.l, "l", "middle"], [r.u, "u", "middle"]] as const).forEach(([z, name, anchor], i) => {
    svg.append(
      s("line", { x1: x(z), x2: x(z), y1: 8, y2: H - 24, stroke: "var(--tx3)", "stroke-dasharray": "2 3" }),
      s("text", { class: "wb-n", x: x(z) + (apart ? 0 : i ? 4 : -4), y: H - 8, "text-anchor": apart ? anchor : i ? "start" : "end" }, `${name} = ${named[i]}`),
    );
  });
  if (r.center && r.center[1] !== null && r.center[1] !== undefined) svg.append(s("circle", { cx: x(r.center[0]), cy: y(r.center[1]), r: 3.5, fill: "var(--pt)" }, s("title", {}, "the value at the centre")));
  return svg;
}

function key(stroke: string, dash: string | null, text: string, full: string): HTMLElement {
  const mark = s("svg", { width: 22, height: 8 }, s("path", { d: "M0 4h22", stroke, "stroke-width": 2, "stroke-dasharray": dash }));
  return h("span", { class: "wb-chip", title: full }, mark, h("span", { class: "wb-num" }, text));
}

/** Why there is no picture of lines. */
function noLine(ctx: Context, op: string): string {
  if (ctx.model.get("stamp")?.method === "ibp") return "IBP uses intervals alone: no lines to draw. CROWN has them.";
  return `No line of one variable to draw: ${op || "this operator"} is linear, and used as it is, or its lines read several values.`;
}

export function neuronPanel(ctx: Context): { el: HTMLElement; show(neuron: Partial<Neuron>, op: string): void } {
  const hint = h("div", { class: "wb-lab", style: "grid-column:1/-1;padding:6px 0;white-space:normal" }, "Click a bar, or walk with \u2190 \u2192, to see one neuron: its numbers, and what the proof uses in its place.");
  const left = h("div");
  const where = h("span", { class: "wb-lab" });
  const table = h("table", { class: "wb-table" });
  const el = h("div", { class: "wb-two wb-neuron" }, hint);
  let whole = 0;
  let digits = false;
  let last: [Partial<Neuron>, string] = [{}, ""];
  const all = button("all digits", "show every digit of the float64 numbers", () => {
    digits = !digits;
    show(...last);
  }, ctx.signal);
  const code = button("copy code", "the Python that reproduces this view of this neuron", () => ctx.copy(ctx.model.get("code")["bounds"] ?? "", "the code of this neuron"), ctx.signal);

  const right = h("div", {}, h("div", { class: "wb-row", style: "min-height:24px;flex-wrap:wrap" }, where, h("span", { class: "wb-grow" }), all, code), table);

  function show(neuron: Partial<Neuron>, op: string): void {
    last = [neuron, op];
    whole ||= el.clientWidth;
    const room = whole || 740;
    const width = Math.round(Math.max(230, Math.min(420, room < 500 ? room - 4 : room / 2 - 14)));
    if (neuron.index === null || neuron.index === undefined || !neuron.numbers) {
      return el.replaceChildren(hint);
    }
    const place = neuron.position && neuron.position.length > 1 ? ` at (${neuron.position.join(", ")})` : "";
    const r = neuron.relaxation;
    const parts: Node[] = [h("div", { class: "wb-lab", style: "min-height:24px;line-height:24px" }, r ? `neuron ${neuron.index}: what the proof uses in place of ${op.toLowerCase()}` : `neuron ${neuron.index}`)];
    if (r) {
      // the ends as the table writes them: outward, with its digits
      const ends = neuron.numbers.find((row) => row.kind === "interval" && row.label.endsWith("before"))?.text.slice(1, -1).split(", ");
      const keys = h("div", { class: "wb-row", style: "flex-wrap:wrap;gap:2px 14px" });
      if (r.upper) keys.append(key("var(--int)", null, `upper ${term(r.upper)}`, `upper line: ${exact(r.upper.slope)} x + ${exact(r.upper.offset)}`));
      if (r.lower) keys.append(key("var(--int)", "5 3", `lower ${term(r.lower)}`, `lower line: ${exact(r.lower.slope)} x + ${exact(r.lower.offset)}`));
      if (r.formula) keys.append(key("var(--pt)", null, r.formula, "the function itself"));
      parts.push(relaxationPicture(r, width, ends), keys);
    } else parts.push(h("div", { class: "wb-lab", style: "white-space:normal;padding:8px 0" }, noLine(ctx, op)));
    morph(left, ...parts);
    const rows = neuron.numbers.map((row) => h("tr", { "data-kind": row.kind }, h("th", { scope: "row" }, row.label), h("td", { title: row.full && !digits ? `float64: ${row.full}` : null }, digits && row.full ? row.full : row.text)));
    morph(table, ...rows);
    say(all, digits ? "fewer digits" : "all digits");
    say(where, `neuron ${neuron.index}${place}`);
    if (right.parentNode !== el) el.replaceChildren(left, right);
  }
  // measured when it changes: asking in the middle of drawing would make the page lay out at once
  onResize(
    el,
    () => {
      const before = whole;
      whole = el.clientWidth;
      if (whole && whole !== before) show(...last);
    },
    ctx.signal,
  );
  return { el, show };
}
