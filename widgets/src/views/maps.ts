// Neurons as pixels: the feature maps of a convolution, or a value that has the shape of an image.

import { count, short } from "../core/format.js";
import { indexAt, phase, positionOf, type Drawn, type Picture } from "../core/neurons.js";
import { ramp, viridisRGB, type Ramp } from "../core/scales.js";
import type { Detail } from "../core/wire.js";
import { h, put } from "./dom.js";
import type { Context } from "./frame.js";
import { legend } from "./legend.js";

export interface Quantity {
  label: string;
  unit: string;
  log: boolean;
  value(i: number): number;
  /** of a diverging colouring, the value of the full colour */
  limit?: number;
  /** how a value is coloured where it is not a ramp's business */
  paint?(value: number): [number, number, number];
}

const ON: [number, number, number] = [31, 111, 209];
const UNSTABLE: [number, number, number] = [230, 159, 0];
const OFF: [number, number, number] = [214, 221, 230];

export function quantities(detail: Detail, view: Drawn): Record<string, Quantity> {
  const found: Record<string, Quantity> = {
    width: { label: "width", unit: "", log: true, value: (i) => view.upper[i]! - view.lower[i]! },
  };
  if (view.center) found["center"] = { label: "centre value", unit: "", log: false, value: (i) => view.center![i]! };
  found["lower"] = { label: "lower", unit: "", log: false, value: (i) => view.lower[i]! };
  found["upper"] = { label: "upper", unit: "", log: false, value: (i) => view.upper[i]! };
  if (detail.arrays["pre_lower"]) {
    const code = { on: 2, unstable: 1, off: 0 } as const;
    found["phase"] = {
      label: "phase",
      unit: "",
      log: false,
      value: (i) => {
        const own = phase(detail, i);
        return own ? code[own] : NaN;
      },
      paint: (v) => [OFF, UNSTABLE, ON][v]!,
    };
  }
  return found;
}

/** Blue below zero, orange above, nothing at zero. */
export function diverging(limit: number): (v: number) => [number, number, number] {
  const mix = (a: number, b: number, t: number): number => Math.round(a + (b - a) * t);
  return (v) => {
    const t = Math.min(Math.abs(v) / (limit || 1), 1);
    const end = v < 0 ? [0, 90, 181] : [200, 90, 0];
    return [mix(245, end[0]!, t), mix(245, end[1]!, t), mix(245, end[2]!, t)];
  };
}

const PAGE = 64;

export interface Maps {
  el: HTMLElement;
  show(detail: Detail, picture: Picture, quantity: Quantity, selected: number): void;
}

export function makeMaps(ctx: Context, choose: (index: number) => void): Maps {
  const { signal, tip } = ctx;
  const grid = h("div", { class: "wb-maps" });
  const foot = h("div", { class: "wb-row" });
  const el = h("div", { class: "wb-maps-pane" }, grid, foot);
  let now: { detail: Detail; picture: Picture; quantity: Quantity; zoom: number } | null = null;
  let first = 0;
  let node = "";

  const at = (event: PointerEvent | MouseEvent): number | null => {
    const canvas = (event.target as Element).closest("canvas");
    const map = canvas?.closest<HTMLElement>("[data-channel]");
    if (!canvas || !map || !now) return null;
    const box = canvas.getBoundingClientRect();
    const { picture } = now;
    const px = Math.min(picture.width - 1, Math.max(0, Math.floor(((event.clientX - box.left) / (box.width || 1)) * picture.width)));
    const py = Math.min(picture.height - 1, Math.max(0, Math.floor(((event.clientY - box.top) / (box.height || 1)) * picture.height)));
    return (Number(map.dataset["channel"]) * picture.height + py) * picture.width + px;
  };
  grid.addEventListener(
    "click",
    (event) => {
      const index = at(event);
      if (index !== null) choose(index);
    },
    { signal },
  );
  grid.addEventListener(
    "pointermove",
    (event) => {
      const index = at(event);
      const i = index === null || !now ? -1 : positionOf(now.detail, index);
      if (i < 0 || !now) return tip.hide();
      const v = now.quantity.value(i);
      const text = now.quantity.paint && now.quantity.label === "phase" ? (phase(now.detail, i) ?? "unknown") : short(v, 5);
      tip.show([h("b", {}, `neuron ${index}`), h("div", { class: "wb-num" }, `${now.quantity.label} ${text}`)], event.clientX, event.clientY);
    },
    { signal },
  );
  grid.addEventListener("pointerleave", () => tip.hide(), { signal });
  const turn = (by: number): void => {
    first += by;
    if (now) draw(-1);
  };
  const back = h("button", { type: "button", class: "wb-btn wb-flat", title: "earlier channels" }, "\u2039");
  const next = h("button", { type: "button", class: "wb-btn wb-flat", title: "later channels" }, "\u203a");
  back.addEventListener("click", () => turn(-PAGE), { signal });
  next.addEventListener("click", () => turn(PAGE), { signal });

  function draw(selected: number): void {
    const { detail, picture, quantity, zoom } = now!;
    const size = picture.height * picture.width;
    const begin = indexAt(detail, 0);
    const end = begin + detail.header.rows;
    const [low, high] = [Math.ceil(begin / size), Math.floor(end / size)];
    first = Math.min(Math.max(first, low), Math.max(low, high - 1));
    const last = Math.min(first + PAGE, high);
    let scale: Ramp | null = null;
    if (!quantity.paint) scale = ramp(Array.from({ length: detail.header.rows }, (_, i) => quantity.value(i)), quantity.log);
    const maps: HTMLElement[] = [];
    for (let channel = first; channel < last; channel++) {
      const canvas = h("canvas", { width: picture.width, height: picture.height, style: `width:${picture.width * zoom}px;height:${picture.height * zoom}px` });
      const context = canvas.getContext("2d");
      if (context) {
        const image = context.createImageData(picture.width, picture.height);
        for (let p = 0; p < size; p++) {
          const i = channel * size + p - begin;
          const v = quantity.value(i);
          const colour = Number.isNaN(v) ? null : quantity.paint ? quantity.paint(v) : viridisRGB(scale?.at(v) ?? 0);
          // NaN: a red and transparent chequer, so that it is no colour of the ramp
          if (colour) image.data.set([...colour, 255], 4 * p);
          else image.data.set([179, 38, 30, (p + Math.floor(p / picture.width)) % 2 ? 255 : 60], 4 * p);
        }
        context.putImageData(image, 0, 0);
        const own = selected - channel * size;
        if (own >= 0 && own < size && zoom >= 2) {
          const overlay = h("span", { "aria-hidden": "true", style: `position:absolute;pointer-events:none;outline:2px solid var(--acc);left:${(own % picture.width) * zoom + 1}px;top:${Math.floor(own / picture.width) * zoom + 1}px;width:${zoom}px;height:${zoom}px` });
          maps.push(h("figure", { class: "wb-map", "data-channel": channel, "data-selected": "true", style: "position:relative" }, canvas, overlay, h("figcaption", {}, String(channel))));
          continue;
        }
      }
      maps.push(h("figure", { class: "wb-map", "data-channel": channel }, canvas, h("figcaption", {}, picture.channels > 1 ? String(channel) : "")));
    }
    grid.replaceChildren(...maps);
    put(grid, { "data-eps": detail.header.eps, "data-seq": detail.header.seq, "data-method": detail.header.method });
    const words = quantity.label === "phase" ? phaseKey() : [h("span", { class: "wb-lab" }, quantity.label), ...(scale ? [legend(scale, quantity.unit, `${ctx.unique}-m`)] : quantity.limit ? signs(quantity.limit) : [])];
    foot.replaceChildren(...words, h("span", { class: "wb-grow" }));
    if (high - low > last - first) foot.append(back, h("span", { class: "wb-lab" }, `channels ${first}\u2013${last - 1} of ${count(picture.channels)}`), next);
  }

  return {
    el,
    show(detail, picture, quantity, selected) {
      if (node !== detail.header.node) first = 0;
      node = detail.header.node ?? "";
      const wide = el.clientWidth || 700;
      const columns = Math.ceil(Math.sqrt(Math.min(picture.channels, PAGE) * 1.8));
      const zoom = Math.max(1, Math.min(14, Math.floor((wide / columns - 10) / picture.width), Math.floor(220 / picture.height)));
      // rows of equal length: 4 and 4, not 7 and 1
      const cell = picture.width * zoom + 10;
      const shown = Math.min(picture.channels, PAGE);
      const rows = Math.ceil(shown / Math.max(1, Math.floor(wide / cell)));
      grid.style.maxWidth = `${Math.ceil(shown / rows) * cell}px`;
      now = { detail, picture, quantity, zoom };
      draw(selected);
    },
  };
}

const square = (rgb: readonly number[]): HTMLElement => h("span", { style: `width:11px;height:11px;border:1px solid var(--tx3);background:rgb(${rgb.join()})` });

/** The legend of a diverging colouring. */
function signs(limit: number): HTMLElement[] {
  const paint = diverging(limit);
  return [-limit, 0, limit].map((v) => h("span", { class: "wb-chip wb-num" }, square(paint(v)), short(v)));
}

function phaseKey(): HTMLElement[] {
  return ([["always on", ON], ["unstable", UNSTABLE], ["always off", OFF]] as const).map(([name, rgb]) =>
    h("span", { class: "wb-chip" }, square(rgb), name),
  );
}
