// The marks of the bounds chart: an interval a neuron, looser method pale behind, samples a haze, centre a dot.

import { exact, methodLabel, outward, short } from "../core/format.js";
import { indexAt, phase, type Drawn, type Side } from "../core/neurons.js";
import { ticks } from "../core/scales.js";
import type { Detail } from "../core/wire.js";
import { dotSize, pool, type Axis, type Slot } from "./chart.js";
import { h, n1, put } from "./dom.js";
import type { Context } from "./frame.js";

export function linearAxis(low: number, high: number, top: number, bottom: number): Axis {
  const y = (v: number): number => bottom - ((Math.min(Math.max(v, low), high) - low) / (high - low || 1)) * (bottom - top);
  const marks = ticks(low, high, Math.max(2, Math.floor((bottom - top) / 22)));
  return { y, ticks: marks.map((at) => ({ at, label: short(at, 4), strong: at === 0 })) };
}

/** `phase` where the node has phases; what is not bounded says so. */
export function stateOf(detail: Detail, view: Drawn, i: number): string {
  const [lo, hi] = [view.lower[i]!, view.upper[i]!];
  if (Number.isNaN(lo) || Number.isNaN(hi)) return "nan";
  if (!Number.isFinite(lo) || !Number.isFinite(hi)) return "infinite";
  return phase(detail, i) ?? "plain";
}


export function drawBars(ctx: Context, detail: Detail, view: Drawn, layer: SVGGElement, slots: readonly Slot[], axis: Axis, selected: number): void {
  const { unique } = ctx;
  const top = axis.y(Infinity);
  const bottom = axis.y(-Infinity);
  const one = (name: string, attrs: Record<string, string | number>): SVGPathElement => {
    const el = pool(layer, "path", name, 1)[0]!;
    put(el, attrs);
    return el;
  };
  const [hull, loose, haze] = ["", "", ""] as [string, string, string];
  const paths = { hull, loose, haze, caps: "", dots: "", arrows: "", crosses: "" };
  const { header, arrays } = detail;
  const [hullLower, hullUpper] = [arrays["hull_lower"], arrays["hull_upper"]];
  for (const { i, x, w, mid } of slots) {
    const block = (lo: number, hi: number, grow: number): string => `M${n1(x - grow)} ${n1(axis.y(hi))}h${n1(w + 2 * grow)}V${n1(Math.max(axis.y(lo), axis.y(hi) + 1))}h${n1(-w - 2 * grow)}z`;
    if (hullLower && hullUpper && !Number.isNaN(hullLower[i]!)) paths.hull += block(hullLower[i]!, hullUpper[i]!, 1);
    if (view.looseLower && view.looseUpper && !Number.isNaN(view.looseLower[i]!)) paths.loose += block(view.looseLower[i]!, view.looseUpper[i]!, 0);
    const [lo, hi] = [view.lower[i]!, view.upper[i]!];
    if (Number.isNaN(lo) || Number.isNaN(hi)) {
      paths.crosses += `M${n1(x)} ${n1(bottom)}L${n1(x + w)} ${n1(bottom - w)}M${n1(x)} ${n1(bottom - w)}L${n1(x + w)} ${n1(bottom)}`;
    } else {
      const grow = Math.min(1.5, w * 0.25);
      for (const end of [lo, hi]) if (Number.isFinite(end)) paths.caps += `M${n1(x - grow)} ${n1(axis.y(end))}h${n1(w + 2 * grow)}`;
      if (hi === Infinity) paths.arrows += `M${n1(mid - 3)} ${n1(top + 4)}L${n1(mid)} ${n1(top - 1)}L${n1(mid + 3)} ${n1(top + 4)}`;
      if (lo === -Infinity) paths.arrows += `M${n1(mid - 3)} ${n1(bottom - 4)}L${n1(mid)} ${n1(bottom + 1)}L${n1(mid + 3)} ${n1(bottom - 4)}`;
    }
    if (view.samples) {
      for (let k = 0; k < header.samples; k++) {
        const v = view.samples[k * header.rows + i]!;
        if (Number.isFinite(v)) paths.haze += `M${n1(mid - w * 0.32)} ${n1(axis.y(v))}h${n1(w * 0.64)}`;
      }
    }
    const c = view.center?.[i];
    if (c !== undefined && Number.isFinite(c)) paths.dots += `M${n1(mid)} ${n1(axis.y(c))}h0.01`;
  }
  one("wb-m-hull", { d: paths.hull, fill: "var(--int2)", "fill-opacity": 0.25 });
  one("wb-m-loose", { d: paths.loose, fill: "var(--int2)", "fill-opacity": 0.45 });
  let group = layer.querySelector<SVGGElement>(":scope > .wb-m-bars");
  if (!group) {
    group = document.createElementNS("http://www.w3.org/2000/svg", "g");
    group.setAttribute("class", "wb-m-bars");
    layer.append(group);
  }
  const bars = pool(group, "rect", "wb-m-bar", slots.length);
  slots.forEach(({ i, x, w }, k) => {
    const bar = bars[k]!;
    const index = indexAt(detail, i);
    const state = stateOf(detail, view, i);
    const look = state === "infinite" ? (phase(detail, i) ?? "plain") : state;
    const [lo, hi] = [view.lower[i]!, view.upper[i]!];
    const y = state === "nan" ? top : axis.y(hi);
    const own = { lo: arrays["lower"]?.[i], hi: arrays["upper"]?.[i] };
    const pre = view.lower === arrays["pre_lower"];
    put(bar, {
      class: `wb-m-bar wb-p-${look}`,
      id: `${unique}-n${index}`,
      role: "option",
      "aria-selected": String(i === selected),
      "aria-label": `neuron ${index}, ${short(lo, 4)} to ${short(hi, 4)}, ${state}`,
      fill: look === "unstable" ? `url(#${unique}-h)` : state === "nan" ? "none" : null,
      "stroke-width": 0.7,
      "stroke-dasharray": state === "nan" ? "2 2" : null,
      x: n1(x),
      y: n1(y),
      width: n1(w),
      height: n1(state === "nan" ? bottom - top : Math.max(1.5, axis.y(lo) - y)),
      "data-i": i,
      "data-index": index,
      "data-lo": own.lo === undefined ? null : exact(own.lo),
      "data-hi": own.hi === undefined ? null : exact(own.hi),
      "data-pre-lo": pre ? exact(lo) : null,
      "data-pre-hi": pre ? exact(hi) : null,
      "data-eps": exact(header.eps),
      "data-seq": header.seq,
      "data-method": header.method,
      "data-state": state,
    });
  });
  one("wb-m-caps", { d: paths.caps, stroke: "var(--int)", "stroke-width": 1.3, fill: "none", "pointer-events": "none" });
  one("wb-m-arrows", { d: paths.arrows, stroke: "var(--int)", "stroke-width": 1.5, fill: "none", "pointer-events": "none" });
  one("wb-m-crosses", { d: paths.crosses, stroke: "var(--no)", "stroke-width": 1.3, fill: "none", "pointer-events": "none" });
  one("wb-m-haze", { d: paths.haze, stroke: "var(--pt)", "stroke-opacity": 0.2, "stroke-width": 1, fill: "none", "pointer-events": "none" });
  one("wb-m-dots", { d: paths.dots, stroke: "var(--pt)", "stroke-width": dotSize(slots), "stroke-linecap": "round", fill: "none", "pointer-events": "none" });
}

export function describeBar(detail: Detail, view: Drawn, side: Side, i: number): (string | Node)[] {
  const { header, arrays } = detail;
  const [lo, hi] = [view.lower[i]!, view.upper[i]!];
  const state = stateOf(detail, view, i);
  const words: Record<string, string> = { nan: "no bound: the method met a NaN", infinite: "not bounded on one side", on: "always on", off: "always off", unstable: "unstable: 0 lies inside" };
  const lines: (string | Node)[] = [h("b", {}, `neuron ${indexAt(detail, i)}`)];
  if (header.bin > 1) lines.push(`the widest of ${header.bin} neurons; the pale bar holds all of them`);
  lines.push(h("div", { class: "wb-num" }, `${methodLabel(header.method)} [${outward(lo, false, 5)}, ${outward(hi, true, 5)}]`));
  if (view.looseLower && view.looseUpper) lines.push(h("div", { class: "wb-num" }, `IBP [${outward(view.looseLower[i]!, false, 5)}, ${outward(view.looseUpper[i]!, true, 5)}]`));
  if (view.center) lines.push(h("div", { class: "wb-num" }, `centre ${short(view.center[i], 5)}`));
  if (words[state]) lines.push(words[state]);
  if (side === "input" && header.operand !== null && view.lower === arrays["pre_lower"]) lines.push(h("div", { class: "wb-lab" }, `before ${header.op.toLowerCase()}: the value of ${header.operand}`));
  return lines;
}
