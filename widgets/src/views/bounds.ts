// The bounds pane: every neuron's interval as a bar or as a pixel, and the selected neuron below.

import { methodLabel } from "../core/format.js";
import { aboutCenter, drawn, hasInput, order, pictures, positionOf, range, slim, type Filter, type Side, type SortKey } from "../core/neurons.js";
import { sticky } from "../core/scales.js";
import type { Neuron } from "../core/wire.js";
import { describeBar, drawBars, linearAxis, stateOf } from "./bars.js";
import { makeChart, type Slot } from "./chart.js";
import { button, h, picker, put, s, safeName, save, say, segmented } from "./dom.js";
import { forLabel, mark, write, type Context } from "./frame.js";
import { standalone } from "./graph-export.js";
import { hatch } from "./graph-svg.js";
import { chooseNeuron, chosenIndex, empty, haze, type Pane, type Source } from "./inspect.js";
import { makeMaps, quantities } from "./maps.js";
import { neuronPanel } from "./neuron.js";

const SORTS = [
  { key: "index", label: "index" },
  { key: "center", label: "centre" },
  { key: "width", label: "width" },
  { key: "lower", label: "lower" },
];
const SHOWS = [
  { key: "all", label: "all" },
  { key: "unstable", label: "unstable only" },
];
const ABOUT = [
  { key: "value", label: "value" },
  { key: "center", label: "about the centre" },
];
const CHANNEL_WINDOW = 16_384;

export function boundsPane(ctx: Context, source: Source): Pane {
  const { signal, model } = ctx;
  let side: Side = "input";
  let sort: SortKey | null = null; // until a person chooses: by index where there are few, else by centre value
  let filter: Filter = "all";
  let mode: "bars" | "maps" = "bars";
  let quantity = "width";
  let about: string | null = null; // until a person chooses: about the centre where intervals are too narrow for their distances
  let aboutOf = "";
  let aboutAuto = "value";
  let domain: [number, number] | null = null;
  let domainOf = "";

  const shown = h("span", { class: "wb-for" });
  const modes = segmented("bars or maps", (key) => set(() => (mode = key as typeof mode)), signal);
  const sides = segmented("before or after the activation", (key) => set(() => (side = key as Side)), signal);
  const filterPick = picker("which neurons", (key) => set(() => (filter = key as Filter)), signal);
  const sortPick = picker("order of the neurons", (key) => set(() => (sort = key as SortKey)), signal);
  const aboutPick = picker("where zero is", (key) => set(() => (about = key)), signal);
  const quantityPick = picker("what the maps show", (key) => set(() => (quantity = key)), signal);
  const showLabel = h("label", {}, h("span", { class: "wb-wide" }, "show"), filterPick.el);
  const sortLabel = h("label", {}, h("span", { class: "wb-wide" }, "sort"), sortPick.el);
  const aboutLabel = h("label", { title: "about the centre: how far a neuron can move, and not where it is; narrow intervals can be compared so" }, h("span", { class: "wb-wide" }, "as"), aboutPick.el);
  const quantityLabel = h("label", {}, h("span", { class: "wb-wide" }, "colour"), quantityPick.el);
  const overview = button("\u2190 overview", "all neurons, binned", () => write(model, { window: null }), signal);
  const closer = button("every neuron here", "load every neuron around the selected bin", zoomIn, signal);
  const code = button("copy", "copy code: the Python that reproduces this view", () => ctx.copy(model.get("code")["bounds"] ?? "", "the code of this view"), signal);
  code.append(h("span", { class: "wb-wide" }, "code"));
  const picture = button("\u2913", "save this picture as SVG", savePicture, signal);
  picture.append(h("span", { class: "wb-wide" }, "SVG"));
  const tools = h("div", { class: "wb-tools" }, modes.el, sides.el, showLabel, sortLabel, aboutLabel, quantityLabel, overview, closer, h("span", { class: "wb-grow" }), shown, code, picture);

  const choose = (index: number): void => chooseNeuron(ctx, source.detail()?.header.node ?? null, index);
  const chart = makeChart(ctx, choose);
  chart.svg.prepend(s("defs", {}, hatch(`${ctx.unique}-h`)));
  const maps = makeMaps(ctx, choose);
  const left = h("span", { class: "wb-lab" });
  const right = h("span", { class: "wb-lab wb-clip" });
  const caption = h("div", { class: "wb-row", style: "justify-content:space-between;padding-left:60px" }, left, chart.pager, right);
  const panel = neuronPanel(ctx);
  const stage = h("div", { class: "wb-drawn wb-bounds" }, chart.el, maps.el, caption, panel.el);
  const nothing = h("div", { style: "display:contents" });
  const el = h("div", { class: "wb-body", role: "tabpanel", "aria-label": "bounds" }, tools, stage, nothing);

  function set(change: () => unknown): void {
    change();
    domain = null;
    show();
  }

  function zoomIn(): void {
    const detail = source.detail();
    if (!detail) return;
    const middle = chosenIndex(ctx, detail.header.node) ?? 0;
    write(model, { window: [Math.max(0, middle - 2048), middle + 2048] });
  }

  function savePicture(): void {
    const copy = chart.svg.cloneNode(true) as SVGSVGElement;
    copy.setAttribute("width", String(chart.svg.clientWidth || 720));
    save(`${safeName(source.detail()?.header.node ?? "bounds")}-bounds.svg`, new Blob([standalone(chart.el, copy)], { type: "image/svg+xml" }));
  }

  function freshen(): void {
    const detail = source.detail();
    const wanted = (model.get("selection") as { node?: string | null }).node ?? null;
    mark(stage, detail?.header ?? null, model);
    // another node has been chosen and Python has not answered yet: what is drawn belongs to the old one
    if (detail && wanted !== null && detail.header.node !== wanted) put(stage, { "data-state": "stale" });
    forLabel(shown, detail?.header ?? null, model);
  }

  function show(): void {
    const detail = source.detail();
    const view = detail ? drawn(detail, side) : null;
    stage.hidden = !view;
    nothing.replaceChildren(...(view ? [] : [empty(ctx, "bounds")]));
    freshen();
    put(stage, { "data-node": detail?.header.node ?? null });
    const look = detail && pictures(detail.header.shape);
    const maplike = Boolean(look && look.channels * look.height * look.width === detail?.header.n && (look.channels > 1 || look.height > 1));
    const asMaps = mode === "maps" && maplike;
    modes.el.hidden = !maplike;
    sides.el.hidden = !detail || !hasInput(detail);
    showLabel.hidden = sides.el.hidden || asMaps;
    sortLabel.hidden = asMaps || !view;
    quantityLabel.hidden = !asMaps;
    aboutLabel.hidden = asMaps || !view?.center;
    picture.hidden = asMaps || !view;
    overview.hidden = !detail?.header.window;
    closer.hidden = !detail || detail.header.bin === 1 || asMaps;
    if (!detail || !view) return chart.show(null);
    const { header } = detail;
    modes.update([{ key: "bars", label: "bars" }, { key: "maps", label: "maps" }], mode);
    sides.update([{ key: "input", label: "before", title: `before ${header.op}: where the phase is decided` }, { key: "output", label: "after", title: `after ${header.op}` }], side);
    filterPick.update(SHOWS, filter);
    const sortNow: SortKey = sort ?? (header.n > 24 ? "center" : "index");
    sortPick.update(SORTS, sortNow);
    chart.el.hidden = asMaps;
    maps.el.hidden = !asMaps;
    caption.hidden = asMaps;
    const selected = positionOf(detail, chosenIndex(ctx, header.node));
    if (asMaps && look) {
      if (header.bin > 1) {
        const per = look.height * look.width;
        write(model, { window: [0, Math.max(1, Math.floor(CHANNEL_WINDOW / per)) * per] });
      } else {
        const list = quantities(detail, view);
        if (!list[quantity]) quantity = "width";
        quantityPick.update(Object.entries(list).map(([key, q]) => ({ key, label: q.label })), quantity);
        maps.show(detail, look, list[quantity]!, chosenIndex(ctx, header.node) ?? -1);
      }
    } else {
      const list = order(detail, side, sortNow, filter);
      if (aboutOf !== `${header.node} ${side}`) {
        aboutOf = `${header.node} ${side}`; // and not again while epsilon moves
        aboutAuto = slim(view) ? "center" : "value";
      }
      const aboutNow = about ?? aboutAuto;
      const seen = aboutNow === "value" ? view : aboutCenter(view);
      aboutPick.update(ABOUT, aboutNow);
      const whole = range(seen) ?? [-1, 1];
      // what is shown has the height of the plot, however far away the others are
      const fit = (shown: readonly Slot[]): [number, number] => {
        const key = `${header.node} ${side} ${header.window} ${shown[0]?.i} ${shown.length}`;
        domain = sticky(key === domainOf ? domain : null, range(seen, shown.map((one) => one.i)) ?? whole);
        domainOf = key;
        return domain;
      };
      chart.show({
        detail,
        order: list,
        axis: (top, bottom, shown) => linearAxis(...(shown ? fit(shown) : whole), top, bottom),
        marks: (layer, slots, axis) => drawBars(ctx, detail, view, seen, layer, slots, axis, selected),
        strip: (i) => [seen.lower[i]!, seen.upper[i]!, ["unstable", "nan", "infinite"].includes(stateOf(detail, view, i))],
        describe: (i) => describeBar(detail, view, side, i),
        selected,
        unit: (aboutNow === "value" ? "value" : "change") + (header.operand !== null && side === "input" ? ` before ${header.op.toLowerCase()}` : ""),
        label: `bounds of ${header.n} neurons of ${header.node}, epsilon ${header.eps}, ${methodLabel(header.method)}; arrow keys walk`,
      });
      const by = SORTS.find((one) => one.key === sortNow)!.label;
      say(left, list.length ? `neuron, by ${by}${header.bin > 1 ? `; each bar is the widest of ${header.bin}` : ""}` : "no neuron is unstable here");
      const behind = view.looseLower && header.method !== "ibp" ? `${methodLabel(header.method)} in front, IBP pale behind, ` : "";
      say(right, `${behind}dot = centre${view.samples ? `, haze = ${haze(header)}` : ""}`);
    }
    panel.show(model.get("neuron") as Partial<Neuron>, header.op);
  }

  return { el, show, freshen, focus: () => chart.focus() };
}
