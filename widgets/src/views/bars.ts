// The marks of the bounds chart: an interval a neuron, looser method pale behind, samples a haze, centre a dot.

import { exact, methodLabel, outward, short } from "../core/format.js";
import { indexAt, phase, type Drawn, type Side } from "../core/neurons.js";
import { ticks } from "../core/scales.js";
import type { Detail } from "../core/wire.js";
import { dotSize, pool, type Axis, type Slot } from "./chart.js";
import { h, n1, put } from "./dom.js";
import type { Context } from "./frame.js";

/** Bars narrower than this stand so close that caps and borders would run together. */
const DENSE = 4;

export function linearAxis(low: number, high: number, top: number, bottom: number): Axis {
  const y = (v: number): number => bottom - ((Math.min(Math.max(v, low), high) - low) / (high - low || 1)) * (bottom - top);
  const marks = ticks(low, high, Math.max(2, Math.floor((bottom - top) / 22)));
  // as many digits behind the point in one label as in the next
  const plain = marks.map((at) => short(at, 4));
  const places = Math.max(0, ...plain.map((text) => text.split(".")[1]?.length ?? 0));
  const even = plain.some((text) => text.includes("e")) ? plain : marks.map((at) => (at ? at.toFixed(places).replace("-", "\u2212") : "0"));
  return { y, ticks: marks.map((at, k) => ({ at, label: even[k]!, strong: at === 0 })) };
}

/** `phase` where the node has phases; what is not bounded says so. */
export function stateOf(detail: Detail, view: Drawn, i: number): string {
  const [lo, hi] = [view.lower[i]!, view.upper[i]!];
  if (Number.isNaN(lo) || Number.isNaN(hi)) return "nan";
  if (!Number.isFinite(lo) || !Number.isFinite(hi)) return "infinite";
  return phase(detail, i) ?? "plain";
}


const LOOKS = ["on", "off", "unstable", "plain", "nan"] as const;

/**
 * Everything that is seen is a few paths, one for each look.  Beside them stands one element a neuron, as tall as the
 * plot: what a pointer, a screen reader or a script finds, with the numbers in its data.  Its place does not depend on the
 * bounds, so that an answer moves no elements: that would be most of what a page does while the slider is dragged.
 * `own` holds the bounds, `view` what is drawn of them: the same, or about each neuron's centre.
 */
export function drawBars(ctx: Context, detail: Detail, own: Drawn, view: Drawn, layer: SVGGElement, slots: readonly Slot[], axis: Axis, selected: number): void {
  const { unique } = ctx;
  const top = axis.y(Infinity);
  const bottom = axis.y(-Infinity);
  const one = (name: string, attrs: Record<string, string | number>): void => put(pool(layer, "path", name, 1)[0]!, { "pointer-events": "none", ...attrs });
  const line = (name: string, d: string, attrs: Record<string, string | number>): void => one(name, { d, stroke: "var(--int)", fill: "none", ...attrs });
  const paths = { hull: "", loose: "", haze: "", caps: "", dots: "", arrows: "", crosses: "", on: "", off: "", unstable: "", plain: "", nan: "" };
  const { header, arrays } = detail;
  const [hullLower, hullUpper] = [arrays["hull_lower"], arrays["hull_upper"]];
  const pre = own.lower === arrays["pre_lower"];
  const dense = (slots[0]?.w ?? 9) < DENSE;
  const bars = pool(layer, "rect", "wb-m-bar", slots.length);
  slots.forEach(({ i, x, w, mid }, k) => {
    const block = (lo: number, hi: number, grow: number, least = 1): string => `M${n1(x - grow)} ${n1(axis.y(hi))}h${n1(w + 2 * grow)}V${n1(Math.max(axis.y(lo), axis.y(hi) + least))}h${n1(-w - 2 * grow)}z`;
    if (hullLower && hullUpper && !Number.isNaN(hullLower[i]!)) paths.hull += block(hullLower[i]!, hullUpper[i]!, 1);
    if (view.looseLower && view.looseUpper && !Number.isNaN(view.looseLower[i]!)) paths.loose += block(view.looseLower[i]!, view.looseUpper[i]!, 0);
    const [lo, hi] = [view.lower[i]!, view.upper[i]!];
    const state = stateOf(detail, own, i);
    paths[(state === "infinite" ? (phase(detail, i) ?? "plain") : state) as (typeof LOOKS)[number]] += state === "nan" ? block(-Infinity, Infinity, 0) : block(lo, hi, 0, 1.5);
    if (state === "nan") {
      paths.crosses += `M${n1(x)} ${n1(bottom)}L${n1(x + w)} ${n1(bottom - w)}M${n1(x)} ${n1(bottom - w)}L${n1(x + w)} ${n1(bottom)}`;
    } else {
      const grow = Math.min(1.5, w * 0.25);
      // side by side, the caps of narrow bars would run together into a line
      if (!dense) for (const end of [lo, hi]) if (Number.isFinite(end)) paths.caps += `M${n1(x - grow)} ${n1(axis.y(end))}h${n1(w + 2 * grow)}`;
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
    const index = indexAt(detail, i);
    const [least, most] = [own.lower[i]!, own.upper[i]!];
    const after = { lo: arrays["lower"]?.[i], hi: arrays["upper"]?.[i] };
    put(bars[k]!, {
      id: `${unique}-n${index}`,
      role: "option",
      "aria-selected": String(i === selected),
      "aria-label": `neuron ${index}, ${short(least, 4)} to ${short(most, 4)}, ${state}`,
      fill: "none",
      "pointer-events": "all",
      x: n1(x),
      y: n1(top),
      width: n1(w),
      height: n1(bottom - top),
      "data-i": i,
      "data-index": index,
      "data-lo": after.lo === undefined ? null : exact(after.lo),
      "data-hi": after.hi === undefined ? null : exact(after.hi),
      "data-pre-lo": pre ? exact(least) : null,
      "data-pre-hi": pre ? exact(most) : null,
      "data-eps": exact(header.eps),
      "data-seq": header.seq,
      "data-method": header.method,
      "data-state": state,
    });
  });
  one("wb-m-hull", { d: paths.hull, fill: "var(--int2)", "fill-opacity": 0.25 });
  one("wb-m-loose", { d: paths.loose, fill: "var(--int2)", "fill-opacity": 0.45 });
  for (const look of LOOKS) {
    const el = pool(layer, "path", `wb-p-${look}`, 1)[0]!;
    put(el, { d: paths[look], fill: look === "unstable" ? `url(#${unique}-h)` : look === "nan" ? "none" : null, "stroke-width": dense ? 0.5 : 0.7, "stroke-dasharray": look === "nan" ? "2 2" : null, "pointer-events": "none" });
  }
  line("wb-m-caps", paths.caps, { "stroke-width": 1.3 });
  line("wb-m-arrows", paths.arrows, { "stroke-width": 1.5 });
  line("wb-m-crosses", paths.crosses, { stroke: "var(--no)", "stroke-width": 1.3 });
  line("wb-m-haze", paths.haze, { stroke: "var(--pt)", "stroke-opacity": 0.2 });
  line("wb-m-dots", paths.dots, { stroke: "var(--pt)", "stroke-width": dotSize(slots), "stroke-linecap": "round" });
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
