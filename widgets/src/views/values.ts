// The values pane and the gradient pane: one number a neuron, as an image where the shape looks like one.

import { exact, short } from "../core/format.js";
import { indexAt, pictures, positionOf, square } from "../core/neurons.js";
import type { Detail, Verdict } from "../core/wire.js";
import { linearAxis } from "./bars.js";
import { makeChart, pool } from "./chart.js";
import { h, n1, put, say } from "./dom.js";
import { forLabel, mark, type Context } from "./frame.js";
import { chooseNeuron, chosenIndex, empty, haze, type Pane, type Source } from "./inspect.js";
import { diverging, makeMaps } from "./maps.js";

/** A flat square of these is a picture read row by row; 64 neurons of a layer are not. */
const LOOK_LIKE_THE_INPUT = new Set(["Input", "Flatten", "Reshape"]);

function numberPane(ctx: Context, source: Source, key: "center" | "gradient", name: string, missing: (detail: Detail | null) => HTMLElement): Pane {
  const { model } = ctx;
  const choose = (index: number): void => chooseNeuron(ctx, source.detail()?.header.node ?? null, index);
  const shown = h("span", { class: "wb-for" });
  const summary = h("span", { class: "wb-lab" });
  const chart = makeChart(ctx, choose);
  const maps = makeMaps(ctx, choose);
  const stage = h("div", { class: "wb-drawn" }, maps.el, chart.el);
  const nothing = h("div", { style: "display:contents" });
  const el = h("div", { class: "wb-body", role: "tabpanel", "aria-label": name }, h("div", { class: "wb-tools" }, summary, h("span", { class: "wb-grow" }), chart.pager, shown), stage, nothing);

  /** What the gradient is of: the output that is largest at the centre. */
  const output = (): string => {
    const [node, index] = (model.get("verdict") as Partial<Verdict>).largest ?? [];
    return node === undefined ? "the largest output" : `${node}[${index}]`;
  };

  function freshen(): void {
    const header = source.detail()?.header ?? null;
    mark(stage, header, model);
    forLabel(shown, header, model);
  }

  function show(): void {
    const detail = source.detail();
    const own = detail?.arrays[key];
    freshen();
    stage.hidden = !own;
    nothing.replaceChildren(...(own ? [] : [missing(detail)]));
    say(summary, "");
    if (!detail || !own) return chart.show(null);
    const samples = key === "center" ? detail.arrays["samples"] : undefined;
    let [low, high] = [Infinity, -Infinity];
    for (const list of [own, samples ?? []]) for (const v of list) if (Number.isFinite(v)) [low, high] = [Math.min(low, v), Math.max(high, v)];
    if (low > high) [low, high] = [-1, 1];
    const pad = (high - low) * 0.05 || Math.abs(high) * 0.1 || 1;
    const picture = detail.header.bin === 1 && !detail.header.window ? (pictures(detail.header.shape) ?? (LOOK_LIKE_THE_INPUT.has(detail.header.op) ? square(detail.header.shape) : null)) : null;
    maps.el.hidden = !picture;
    const selected = positionOf(detail, chosenIndex(ctx, detail.header.node));
    if (picture) {
      const limit = Math.max(Math.abs(low), Math.abs(high));
      const paint = key === "gradient" ? { paint: diverging(limit), limit } : {};
      maps.show(detail, picture, { label: name, unit: "", log: false, value: (i) => own[i]!, ...paint }, chosenIndex(ctx, detail.header.node) ?? -1);
    }
    const { header } = detail;
    chart.show({
      detail,
      order: Int32Array.from({ length: header.rows }, (_, i) => i),
      axis: (top, bottom) => linearAxis(Math.min(low - pad, 0), Math.max(high + pad, 0), top, bottom),
      marks: (layer, slots, axis) => {
        const bars = pool(layer, "rect", "wb-v-bar", slots.length);
        let haze = "";
        slots.forEach(({ i, x, w, mid }, k) => {
          const v = own[i]!;
          const [y0, y1] = [axis.y(0), axis.y(Number.isNaN(v) ? 0 : v)];
          put(bars[k]!, {
            id: `${ctx.unique}-n${indexAt(detail, i)}`,
            role: "option",
            "aria-label": `neuron ${indexAt(detail, i)}, ${short(v, 4)}`,
            "aria-selected": String(i === selected),
            fill: v < 0 ? "var(--bg)" : "var(--haze)",
            stroke: Number.isNaN(v) ? "var(--no)" : "var(--haze)",
            x: n1(x),
            y: n1(Math.min(y0, y1)),
            width: n1(w),
            height: n1(Math.max(1, Math.abs(y0 - y1))),
            "data-i": i,
            "data-index": indexAt(detail, i),
            "data-value": exact(v),
            "data-eps": exact(header.eps),
            "data-seq": header.seq,
            "data-method": header.method,
          });
          if (samples) for (let sample = 0; sample < header.samples; sample++) haze += `M${n1(mid - w * 0.3)} ${n1(axis.y(samples[sample * header.rows + i]!))}h${n1(w * 0.6)}`;
        });
        put(pool(layer, "path", "wb-v-haze", 1)[0]!, { d: haze, stroke: "var(--pt)", "stroke-opacity": 0.6, fill: "none", "pointer-events": "none" });
      },
      strip: (i) => [Math.min(own[i]!, 0), Math.max(own[i]!, 0), false],
      describe: (i) => [h("b", {}, `neuron ${indexAt(detail, i)}`), h("div", { class: "wb-num" }, `${name} ${exact(own[i]!)}`)],
      selected,
      unit: key === "center" ? "value" : "gradient",
      label: `${name} of ${header.n} neurons of ${header.node}`,
    });
    const [least, most] = own.reduce(([a, b], v) => [Math.min(a, v), Math.max(b, v)], [Infinity, -Infinity]);
    const extent = `${short(least, 4)} to ${short(most, 4)}`;
    if (key === "center") say(summary, `value at the centre: ${extent}${samples ? `; bar = centre, lines = ${haze(header)} of the region` : ""}`);
    else say(summary, `gradient of ${output()} with respect to ${header.node}, at the centre: ${extent}`);
    put(summary, { title: key === "center" ? null : `how much ${output()} moves when a neuron of ${header.node} moves a little` });
  }
  return { el, show, freshen, focus: () => chart.focus() };
}

export const valuesPane = (ctx: Context, source: Source): Pane => numberPane(ctx, source, "center", "value", () => empty(ctx, "values"));

export const gradientPane = (ctx: Context, source: Source): Pane =>
  numberPane(ctx, source, "gradient", "gradient", (detail) =>
    detail
      ? h("div", { class: "wb-empty", "data-state": "empty" }, h("b", {}, "No gradient is computed here"), `This result carries no derivative of the output with respect to ${detail.header.node}. Where a model provides one, each neuron's share stands here: how much the output moves when that neuron moves a little.`)
      : empty(ctx, "gradient"),
  );
