// The rounding pane: for each neuron the sound bound and the observed error, and who contributes most.

import { count, exact, outward, short } from "../core/format.js";
import { indexAt, positionOf } from "../core/neurons.js";
import { decades } from "../core/scales.js";
import type { Detail } from "../core/wire.js";
import { dotSize, makeChart, pool, type Axis, type Slot } from "./chart.js";
import { button, h, n1, picker, put, s, say, segmented } from "./dom.js";
import { forLabel, mark, write, type Context } from "./frame.js";
import { chooseNeuron, chosenIndex, empty, type Pane, type Source } from "./inspect.js";

type Unit = "absolute" | "ulp";

export function logAxis(low: number, high: number, top: number, bottom: number): Axis {
  const [a, b] = [Math.log10(low), Math.log10(high)];
  const y = (v: number): number => bottom - ((Math.min(Math.max(v > 0 ? Math.log10(v) : a, a), b) - a) / (b - a || 1)) * (bottom - top);
  return { y, ticks: decades(low, high).map((at) => ({ at, label: short(at, 1) })) };
}


const percent = (share: number): string => (share < 1e-4 ? "< 0.01 %" : `${(100 * share).toFixed(2)} %`);

export function roundingPane(ctx: Context, source: Source): Pane {
  const { signal, model } = ctx;
  let unit: Unit = "absolute";
  let sort = "index";
  const shown = h("span", { class: "wb-for" });
  const units = segmented("unit", (key) => {
    unit = key as Unit;
    show();
  }, signal);
  const sortPick = picker("order of the neurons", (key) => {
    sort = key;
    show();
  }, signal);
  const code = button("copy", "copy code: the Python that reproduces this view", () => ctx.copy(model.get("code")["rounding"] ?? "", "the code of this view"), signal);
  code.append(h("span", { class: "wb-wide" }, "code"));
  const tools = h("div", { class: "wb-tools" }, units.el, h("label", {}, h("span", { class: "wb-wide" }, "sort"), sortPick.el), h("span", { class: "wb-grow" }), shown, code);
  const chart = makeChart(ctx, (index) => chooseNeuron(ctx, source.detail()?.header.node ?? null, index));
  const caption = h("div", { class: "wb-row", style: "justify-content:space-between;padding-left:60px" });
  const summary = h("span", { class: "wb-lab" });
  caption.append(summary, chart.pager, h("span", { class: "wb-lab wb-clip" }, "cap = proved, any order of summation; dot = largest seen"));
  const list = h("div", { class: "wb-attribution" });
  const stage = h("div", { class: "wb-drawn wb-rounding" }, chart.el, caption, list);
  const nothing = h("div", { style: "display:contents" });
  const el = h("div", { class: "wb-body", role: "tabpanel", "aria-label": "rounding errors" }, tools, stage, nothing);

  function values(detail: Detail, key: string): ((i: number) => number) | null {
    const own = detail.arrays[key];
    const ulp = detail.arrays["ulp"];
    if (!own || (unit === "ulp" && !ulp)) return null;
    return unit === "ulp" ? (i) => own[i]! / ulp![i]! : (i) => own[i]!;
  }

  const busy = (): boolean => (model.get("status") as { state?: string }).state === "computing";
  let told = false; // that it is being computed
  let last: Detail | null = null;
  /** Rounding errors come after the bounds: until they are there, the last ones of this node stay, marked as old. */
  function current(): Detail | null {
    const detail = source.detail();
    if (detail?.arrays["rounding"]) last = detail;
    else if (last && detail && last.header.node === detail.header.node && busy()) return last;
    return detail;
  }

  function freshen(): void {
    const header = current()?.header ?? null;
    mark(stage, header, model);
    forLabel(shown, header, model);
    if (stage.hidden && header && told !== busy()) {
      told = busy();
      show();
    }
  }

  function show(): void {
    const detail = current();
    const bound = detail ? values(detail, "rounding") : null;
    freshen();
    units.update([{ key: "absolute", label: "absolute" }, { key: "ulp", label: "ulp", title: "units in the last place of the number format, at the largest magnitude in the neuron's interval" }], unit);
    sortPick.update([{ key: "index", label: "index" }, { key: "bound", label: "bound" }, { key: "observed", label: "observed" }], sort);
    stage.hidden = !detail || !bound;
    nothing.replaceChildren();
    if (!detail || !bound) {
      chart.show(null);
      const known = detail && !busy()
        ? h("div", { class: "wb-empty", "data-state": "empty" }, h("b", {}, "No rounding error here"), detail.header.op === "Input" ? "An input is given exactly: errors begin at the first operation." : `Nothing is known of the rounding error of ${detail.header.node} in ${detail.header.format}.`)
        : empty(ctx, "rounding errors");
      nothing.append(known);
      return;
    }
    const seen = values(detail, "observed");
    const { header } = detail;
    let [low, high, worst] = [Infinity, 0, 0];
    for (let i = 0; i < header.rows; i++) {
      for (const v of [bound(i), seen?.(i) ?? NaN]) {
        if (v > 0 && Number.isFinite(v)) [low, high] = [Math.min(low, v), Math.max(high, v)];
      }
      if (!(bound(i) <= worst)) worst = bound(i);
    }
    const ends: [number, number] = high > 0 ? [10 ** (Math.floor(Math.log10(low)) - 0.15), 10 ** (Math.log10(high) + 0.25)] : [1e-9, 1];
    if (ends[1] / ends[0] > 1e14) ends[0] = ends[1] / 1e14;
    const positions = Array.from({ length: header.rows }, (_, i) => i);
    const by = sort === "bound" ? bound : sort === "observed" ? seen : null;
    if (by) positions.sort((a, b) => (Number.isNaN(by(b)) ? Infinity : by(b)) - (Number.isNaN(by(a)) ? Infinity : by(a)) || a - b);
    const selected = positionOf(detail, chosenIndex(ctx, header.node));
    const word = unit === "ulp" ? " ulp" : "";
    chart.show({
      detail,
      order: Int32Array.from(positions),
      axis: (top, bottom) => logAxis(ends[0], ends[1], top, bottom),
      marks: (layer, slots, axis) => marks(layer, slots, axis, detail, bound, seen, selected),
      strip: (i) => [seen?.(i) || ends[0], bound(i), bound(i) === worst],
      hues: ["--rnd2", "--rnd"],
      describe: (i) => [
        h("b", {}, `neuron ${indexAt(detail, i)}`),
        h("div", { class: "wb-num" }, `bound \u2264 ${outward(bound(i), true)}${word}`),
        h("div", { class: "wb-num" }, seen ? `observed ${outward(seen(i), true)}${word}` : "not observed"),
        ...(seen && seen(i) > 0 ? [`bound is ${short(bound(i) / seen(i))} times what was seen`] : []),
        h("div", { class: "wb-lab" }, `${header.format}, any order of summation`),
      ],
      selected,
      unit: unit === "ulp" ? "error in ulp" : "absolute error",
      label: `rounding errors of ${header.n} neurons of ${header.node} in ${header.format}, logarithmic, ${unit}`,
    });
    say(summary, `${header.format}: every error \u2264 ${outward(worst, true)}${word}`);
    attribution();
  }

  function marks(layer: SVGGElement, slots: readonly Slot[], axis: Axis, detail: Detail, bound: (i: number) => number, seen: ((i: number) => number) | null, selected: number): void {
    let [caps, dots, arrows] = ["", "", ""];
    const floor = axis.y(0);
    const top = axis.y(Infinity);
    const bars = pool(layer, "rect", "wb-r-bar", slots.length);
    slots.forEach(({ i, x, w, mid }, k) => {
      const [b, o] = [bound(i), seen?.(i)];
      const bad = !Number.isFinite(b);
      const y = bad ? top : axis.y(b);
      const foot = o !== undefined && o > 0 ? axis.y(o) : floor;
      put(bars[k]!, {
        id: `${ctx.unique}-n${indexAt(detail, i)}`,
        role: "option",
        "aria-selected": String(i === selected),
        "aria-label": `neuron ${indexAt(detail, i)}, error at most ${short(b)}${o === undefined ? "" : `, observed ${short(o)}`} ${unit === "ulp" ? "ulp" : ""}`,
        fill: "var(--rnd2)",
        "fill-opacity": o !== undefined && o > 0 ? 0.75 : 0.35,
        x: n1(x),
        y: n1(y),
        width: n1(w),
        height: n1(b === 0 ? 0 : Math.max(1, foot - y)),
        "data-i": i,
        "data-index": indexAt(detail, i),
        "data-bound": exact(detail.arrays["rounding"]![i]!),
        "data-observed": detail.arrays["observed"] ? exact(detail.arrays["observed"][i]!) : null,
        "data-eps": exact(detail.header.eps),
        "data-seq": detail.header.seq,
        "data-method": detail.header.method,
        "data-state": Number.isNaN(b) ? "nan" : bad ? "infinite" : b === 0 ? "exact" : "bounded",
      });
      const grow = Math.min(1.5, w * 0.25);
      if (bad) arrows += `M${n1(mid - 3)} ${n1(top + 4)}L${n1(mid)} ${n1(top - 1)}L${n1(mid + 3)} ${n1(top + 4)}`;
      else if (b > 0) caps += `M${n1(x - grow)} ${n1(y)}h${n1(w + 2 * grow)}`;
      else caps += `M${n1(mid - 2)} ${n1(floor)}h4`;
      if (o !== undefined && o > 0) dots += `M${n1(mid)} ${n1(axis.y(o))}h0.01`;
    });
    for (const [name, d, stroke, width] of [["wb-r-caps", caps, "var(--rnd)", 2], ["wb-r-arrows", arrows, "var(--no)", 1.6], ["wb-r-dots", dots, "var(--pt)", 3]] as const) {
      put(pool(layer, "path", name, 1)[0]!, { d, stroke, "stroke-width": name === "wb-r-dots" ? dotSize(slots) : width, "stroke-linecap": name === "wb-r-dots" ? "round" : null, fill: "none", "pointer-events": "none" });
    }
  }

  function attribution(): void {
    const found = model.get("attribution");
    if (!found || !found.items.length) {
      list.replaceChildren(h("div", { class: "wb-lab", style: "padding:8px 0" }, "Which neurons contribute most to the error of the output is not known for this result."));
      return;
    }
    const largest = Math.max(...found.items.map((item) => Math.abs(item.contribution ?? 0)), Number.MIN_VALUE);
    const rows = found.items.map((item) => {
      const size = Math.abs(item.contribution ?? 0);
      const bar = s("svg", { width: 140, height: 8, "aria-hidden": "true" }, s("rect", { width: Math.max(1, (140 * size) / largest), height: 8, fill: "var(--rnd2)", stroke: "var(--rnd)", "stroke-width": 0.7 }));
      const share = found.total ? percent(size / found.total) : "";
      const row = h("tr", { class: "wb-click", tabindex: 0, "data-node": item.node, "data-index": item.index, title: "select this neuron" }, h("th", { scope: "row", class: "wb-num" }, `${item.node}[${item.index}]`), h("td", {}, ""), h("td", { style: "text-align:right" }, share), h("td", {}, item.contribution === null ? "\u2013" : item.contribution.toExponential(2).replaceAll("-", "\u2212")));
      row.children[1]!.append(bar);
      return row;
    });
    list.replaceChildren(
      h("div", { class: "wb-lab", style: "padding:8px 0 2px" }, `what the error bound of ${found.output}[${found.index}] is made of: the largest ${rows.length} of ${count(found.count)} neurons`),
      h("table", { class: "wb-table" }, ...rows),
    );
  }

  const go = (event: Event): void => {
    const row = (event.target as Element).closest<HTMLElement>("tr[data-node]");
    if (row) write(model, { selection: { node: row.dataset["node"]!, index: Number(row.dataset["index"]) } });
  };
  list.addEventListener("click", go, { signal });
  list.addEventListener("keydown", (event) => event.key === "Enter" && go(event), { signal });

  return { el, show, freshen, focus: () => chart.focus() };
}
